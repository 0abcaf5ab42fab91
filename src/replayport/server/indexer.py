"""Makes recordings found by all they say, in its own time, while a server runs."""

from __future__ import annotations

import logging
import threading
from typing import Final, Self

from replayport.archive import Archive
from replayport.errors import ReplayError

POLL_S: Final = 5.0
PAUSE_S: Final = 0.02
"""After each recording: requests come first."""

MAX_REMEMBERED: Final = 10_000

_log: Final = logging.getLogger(__name__)


class Indexer:
    """
    Makes the searchable text of recordings that have none, or only a part, in a thread.

    Args:
        archive: The archive; stays the caller's to close.
        poll_s: Looks for new ones so often.
    """

    def __init__(self, archive: Archive, *, poll_s: float = POLL_S) -> None:
        self._archive = archive
        self._poll_s = poll_s
        self._unreadable: set[tuple[str, str]] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def index_waiting(self) -> int:
        """Do all that wait; give how many were done."""
        done = 0
        for row in self._archive.catalog.without_text():
            if self._stop.is_set():
                break
            key = (row.project, row.content_sha256)
            if key in self._unreadable:
                continue
            if self._archive.index_text(f"{row.project}/{row.id}"):
                done += 1
            elif len(self._unreadable) < MAX_REMEMBERED:
                self._unreadable.add(key)
            self._stop.wait(PAUSE_S)
        return done

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self.index_waiting()
            except ReplayError:
                _log.exception("searchable text could not be made; it is tried again")
