"""How often Python looks for cycles of objects while pages are in memory."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

COLLECT_AFTER: Final = (10_000, 10, 10)
"""
`gc` thresholds while recordings are analysed or redacted. A page is many thousand dicts that
stay, and by Python's own thresholds they are gone through again and again while it is parsed.
"""

_lock = threading.Lock()
_found: list[tuple[int, int, int]] = []
"""What each that is inside found; the first is the process's own."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """
    Look for cycles less often: pages make few, and very many objects.

    For the whole process, until the last thread that asked for it is done.
    """
    with _lock:
        _found.append(gc.get_threshold())
        gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        with _lock:
            own = _found[0]
            _found.pop()
            if not _found:
                gc.set_threshold(*own)
