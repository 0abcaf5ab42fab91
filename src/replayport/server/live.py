"""
Recordings that are still being made: what the inbox holds, before it is sealed.

A live recording is encoded as a stored one is, in memory, so that the pages and the
player need not know the difference.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from replayport.archive import encode_draft, row_of
from replayport.capture.inbox import Inbox, PendingSession
from replayport.capture.seal import Sealer
from replayport.catalog.base import RecordingRow
from replayport.format.reader import Recording
from replayport.recording import safe_id, safe_project

MAX_LISTED: Final = 50
"""Live recordings shown in the list; there may be thousands."""

MAX_KEPT: Final = 8
"""Versions of live recordings kept in memory, the newest ones."""

FRESH_S: Final = 2.0
"""A live recording is encoded again at most so often, however many look at it."""


@dataclass(frozen=True, slots=True)
class _Version:
    made_s: float
    requests: int
    recording: Recording


class LiveRecordings:
    """What an inbox holds, as recordings."""

    def __init__(
        self, inbox: Inbox, sealer: Sealer, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._inbox = inbox
        self._sealer = sealer
        self._clock_s = clock_s
        self._newest: dict[tuple[str, str], _Version] = {}
        self._versions: OrderedDict[tuple[str, str, int], Recording] = OrderedDict()
        self._lock = threading.Lock()

    def recording(self, project: str, recording_id: str) -> Recording | None:
        """
        Give a recording as far as it has come.

        Returns:
            None when the inbox has no such session, or no event of it yet.
        """
        session = self._find(project, recording_id)
        if session is None or not session.snapshot_requests:
            return None
        key = (session.project, session.session_id)
        with self._lock:  # one encoding at a time: it costs memory
            newest = self._newest.get(key)
            now_s = self._clock_s()
            if newest is not None and (
                newest.requests == session.requests or now_s - newest.made_s < FRESH_S
            ):
                return newest.recording
            draft = self._sealer.draft(session.project, session.session_id)
            if draft is None or not len(draft.columns):
                return None
            recording = Recording.in_memory(*encode_draft(draft))
            manifest = recording.manifest
            self._newest[key] = _Version(now_s, session.requests, recording)
            self._versions[manifest.project, manifest.id, manifest.events] = recording
            if len(self._versions) > MAX_KEPT:
                _, old = self._versions.popitem(last=False)
                self._newest = {k: v for k, v in self._newest.items() if v.recording is not old}
            return recording

    def version(self, project: str, recording_id: str, events: int) -> Recording | None:
        """
        Give a recording as it was with so many events.

        A player reads a file in pieces; while it does, the recording grows and is sealed.

        Returns:
            None when that version was not among the last ones looked at.
        """
        with self._lock:
            return self._versions.get((project, recording_id, events))

    def rows(self) -> Iterator[RecordingRow]:
        """Yield a row of each live recording, the newest first, at most `MAX_LISTED`."""
        sessions = [s for s in self._inbox.live_sessions(limit=1000) if s.snapshot_requests]
        sessions.sort(key=lambda s: -s.last_received_ms)
        for session in sessions[:MAX_LISTED]:
            newest = self._newest.get((session.project, session.session_id))
            if newest is not None:
                yield row_of(newest.recording.manifest)
                continue
            yield RecordingRow(
                project=safe_project(session.project),
                id=safe_id(session.session_id),
                session_id=session.session_id,
                key_prefix="",
                start_ms=session.first_received_ms,
                end_ms=session.last_received_ms,
                duration_ms=session.last_received_ms - session.first_received_ms,
                events=0,
                windows=1,
                source="capture",
                snapshot_source="web",
                complete=True,
                archived_bytes=0,
                raw_bytes=session.body_bytes,
                created_ms=session.last_received_ms,
                format_version=1,
            )

    def _find(self, project: str, recording_id: str) -> PendingSession | None:
        found = self._inbox.session(project, recording_id)
        if found is not None:
            return found
        # The id is a digest where the session's own was no safe name.
        return next(
            (
                s
                for s in self._inbox.live_sessions(limit=1000)
                if (safe_project(s.project), safe_id(s.session_id)) == (project, recording_id)
            ),
            None,
        )
