"""Times people write, as epoch milliseconds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

_AGO: Final = re.compile(r"([0-9]{1,9})\s*([smhdw])")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

Moment = int | str | datetime
"""Epoch milliseconds, a text `parse_time_ms` reads, or a datetime."""


def moment_ms(moment: Moment | None) -> int | None:
    """
    Give a moment in epoch milliseconds; a datetime without zone is UTC.

    Raises:
        ValueError: A text that is no time.
    """
    if isinstance(moment, datetime):
        at = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return (at - _EPOCH) // timedelta(milliseconds=1)
    return parse_time_ms(moment) if isinstance(moment, str) else moment


def parse_time_ms(
    text: str | None, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
) -> int | None:
    """
    Read a moment.

    Args:
        text: ``2026-11-01``, an ISO 8601 time (UTC when it names no zone), ``7d`` or
            ``36h`` ago, or epoch milliseconds.
        now_ms: The clock, for times ago.

    Returns:
        Epoch milliseconds; None for None.

    Raises:
        ValueError: None of these.
    """
    if text is None:
        return None
    text = text.strip()
    if ago := _AGO.fullmatch(text):
        return max(now_ms() - int(ago[1]) * _UNIT_MS[ago[2]], 0)
    if re.fullmatch(r"[0-9]{11,14}", text):
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time. Write 2026-11-01, 2026-11-01T12:30:00Z, 7d or 36h"
        ) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    since = at - _EPOCH  # not timestamp(): a float loses milliseconds
    return since // timedelta(milliseconds=1)


def parse_duration_ms(text: str) -> int:
    """
    Read how long: ``36h``, ``7d``, ``2w``.

    Raises:
        ValueError: None of these, or nothing.
    """
    found = _AGO.fullmatch(text.strip())
    if not found or not int(found[1]):
        raise ValueError(f"{text!r} is not how long. Write 36h, 7d or 2w")
    return int(found[1]) * _UNIT_MS[found[2]]
