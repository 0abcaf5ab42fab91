"""
Sealing: a session that has ended becomes a recording in the archive.

A session is due when nothing came for `Schedule.idle_ms`, when its oldest unsealed
request is `Schedule.max_age_ms` old, or soon after it said that it ends. Then, in this
order::

    1  read its requests from the inbox, decode them      replayport.capture.assemble
    2  archive them, or merge them into what is archived  Archive.write, capture.merge
    3  forget the requests

*Exactly once.* A crash before step 2 is done changes nothing; one after it leaves requests
that are archived already. Which those are, the recording itself says: its manifest lists
the items it is made of and is written in one step with them. So step 2 done again adds
nothing, a retry that comes days later adds nothing, and neither does one that went to
another server. Only then are the requests forgotten.

*Several servers, one archive.* Each has its own inbox, all share the catalog. Merging
reads, adds and writes under a lease in the archive, so two that hold parts of one session
write one after the other.

*Analytics.* Events of a session without snapshots wait `keep_analytics_s` for a recording
to belong to; then they are dropped, and counted.

*Erased recordings* do not come back: what is late of one, or of a person who was erased, is
dropped, counted, and logged.

*Redacted recordings* take no late data: what it holds was never looked at. It is dropped,
counted, and logged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Final, Self

from replayport.archive import Archive
from replayport.capture.assemble import Assembly
from replayport.capture.inbox import Inbox, PendingSession, Schedule
from replayport.capture.merge import Archived
from replayport.draft import RecordingDraft
from replayport.errors import ErasedRecordingError, ReplayError, StoreError
from replayport.limits import MAX_RECORDING_BYTES
from replayport.recording import recording_prefix, safe_id, safe_project

IDLE_S: Final = 30 * 60.0
MAX_AGE_S: Final = 24 * 3600.0
ENDED_S: Final = 15.0
KEEP_ANALYTICS_S: Final = 6 * 3600.0

LEASE_TTL_S: Final = 300.0
"""Longer than any merge takes; a server that dies in one delays that session this long."""

LEASE_WAIT_S: Final = 2.0
"""For another server that merges into the same recording just now."""

BUSY_RETRY_MS: Final = 20_000
_FAILED_RETRY_MS: Final = 30_000
_FAILED_RETRY_MAX_MS: Final = 3_600_000
_ROUND: Final = 64
_LARGE_BYTES: Final = 16 * 2**20
"""Sessions with more bodies than this are decoded one at a time."""

_MIN_POLL_S: Final = 0.05
_MAX_POLL_S: Final = 5.0

_log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of a session that was due."""

    SEALED = "sealed"
    MERGED = "merged"
    """Its late data is now part of the recording that was there."""
    KNOWN = "known"
    """The archive had all of it: retries, or sealed just before a crash."""
    WAITING = "waiting"
    """Analytics without a recording to belong to, so far."""
    DROPPED = "dropped"
    """No recording came for its analytics, or none of its events could be read."""
    ERASED = "erased"
    """It was erased, or is of a person who was: late data is not kept."""
    REDACTED = "redacted"
    """Late data of a recording that was redacted: not kept."""
    BUSY = "busy"
    """Another server writes it, or this one was too slow to be sure; tried again soon."""
    FAILED = "failed"
    """Kept in the inbox and tried again, less and less often; the log says why."""


class Sealer:
    """
    Moves what is due from an inbox into an archive.

    Attributes:
        totals: How many sessions had which outcome since the start.
    """

    def __init__(
        self,
        inbox: Inbox,
        archive: Archive,
        *,
        idle_s: float = IDLE_S,
        max_age_s: float = MAX_AGE_S,
        ended_s: float = ENDED_S,
        keep_analytics_s: float = KEEP_ANALYTICS_S,
        max_recording_bytes: int = MAX_RECORDING_BYTES,
        workers: int = 4,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        on_sealed: Callable[[str, str], None] = lambda _project, _recording_id: None,
    ) -> None:
        """
        Make a sealer; give the inbox its schedule.

        Args:
            inbox: Where requests are.
            archive: Where recordings go.
            idle_s: Seal after this long without a request.
            max_age_s: Seal at the latest after this long.
            ended_s: Seal this long after a session said that it ends.
            keep_analytics_s: How long analytics wait for a recording.
            max_recording_bytes: Largest recording, decoded; see `capture.assemble`.
            workers: Sessions sealed at a time: an archive far away is slow to answer.
            clock_ms: The server's clock.
            on_sealed: Told a recording's project and id when it is in the archive, before its
                requests are forgotten; again when a crash came between.
        """
        self._inbox = inbox
        self._on_sealed = on_sealed
        self._archive = archive
        self._keep_analytics_ms = int(keep_analytics_s * 1000)
        self._max_recording_bytes = max_recording_bytes
        self._workers = max(1, workers)
        self._clock_ms = clock_ms
        self._poll_s = min(max(idle_s / 4, _MIN_POLL_S), _MAX_POLL_S)
        self._large = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.totals: Counter[Outcome] = Counter()
        inbox.set_schedule(
            Schedule(
                idle_ms=int(idle_s * 1000),
                max_age_ms=int(max_age_s * 1000),
                ended_ms=int(ended_s * 1000),
            )
        )

    # --- running --------------------------------------------------------------------

    def start(self) -> None:
        """Run in a thread of its own, until `stop`."""
        self._thread = threading.Thread(target=self.run_forever, name="sealer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the sessions in hand and end; the others wait in the inbox."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run_forever(self) -> None:
        """Seal what is due, again and again, until `stop`."""
        while not self._stop.wait(self._poll_s):
            try:
                self.seal_due()
            except ReplayError:  # the inbox's disk: requests are refused there, and said so
                _log.exception("sealing stopped for now; it is tried again")

    def seal_due(self) -> Counter[Outcome]:
        """
        Seal every session that is due now.

        Returns:
            How many sessions had which outcome. Ends early when the archive cannot be
            written: the sessions that were not tried stay due.
        """
        outcomes: Counter[Outcome] = Counter()
        until_ms = self._clock_ms()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="seal") as pool:
            while not self._stop.is_set():
                # Whatever was tried is no longer due, so each round finds other sessions.
                due = self._inbox.due(until_ms, limit=_ROUND)
                found = Counter(pool.map(self._try, due))
                outcomes += found
                if len(due) < _ROUND or found[Outcome.FAILED]:
                    break
        self.totals += outcomes
        return outcomes

    # --- one session ----------------------------------------------------------------

    def draft(self, project: str, session_id: str) -> RecordingDraft | None:
        """
        Give a session as it stands: what is sealed, and what the inbox has after it.

        Returns:
            None when the inbox has nothing new of it.
        """
        assembly, ids = self._assemble(project, session_id)
        if not ids:
            return None
        archived = Archived.read(self._archive, assembly)
        if archived is not None:
            return archived.merged(assembly, max_recording_bytes=self._max_recording_bytes)
        return assembly.draft() if assembly.has_events else None

    def _try(self, session: PendingSession) -> Outcome:
        """Seal one session; its failure is its own."""
        try:
            if session.body_bytes < _LARGE_BYTES:
                return self._seal(session)
            with self._large:
                return self._seal(session)
        except Exception as e:  # noqa: BLE001 - one session must not stop the others
            if isinstance(e, StoreError) and e.operation == "lease":
                self._inbox.postpone(session, self._clock_ms() + BUSY_RETRY_MS)
                return Outcome.BUSY
            wait_ms = min(_FAILED_RETRY_MS * 2 ** min(session.failures, 20), _FAILED_RETRY_MAX_MS)
            _log.error(
                "session %s of %s could not be sealed, tried again in %d s: %s",
                session.session_id,
                session.project,
                wait_ms // 1000,
                e,
                exc_info=not isinstance(e, ReplayError),
            )
            self._inbox.postpone(session, self._clock_ms() + wait_ms, failed=True)
            return Outcome.FAILED

    def _seal(self, session: PendingSession) -> Outcome:
        assembly, ids = self._assemble(session.project, session.session_id)
        outcome = self._store(session, assembly)
        if outcome in (Outcome.SEALED, Outcome.MERGED, Outcome.KNOWN):
            self._on_sealed(safe_project(session.project), safe_id(session.session_id))
        if outcome is not Outcome.WAITING:
            self._inbox.forget(session.project, session.session_id, ids)
        return outcome

    def _assemble(self, project: str, session_id: str) -> tuple[Assembly, list[int]]:
        assembly = Assembly(project, session_id, max_recording_bytes=self._max_recording_bytes)
        ids = []
        for request in self._inbox.requests(project, session_id):
            assembly.add(request)
            ids.append(request.id)
        return assembly, ids

    def _store(self, session: PendingSession, assembly: Assembly) -> Outcome:
        """Archive what was assembled; it is durable when this returns."""
        try:
            return self._store_wanted(session, assembly)
        except ErasedRecordingError:
            _log.warning(
                "dropped %d requests of a session of %s: it was erased, or is of a person who was",
                assembly.requests,
                session.project,
            )
            return Outcome.ERASED

    def _store_wanted(self, session: PendingSession, assembly: Assembly) -> Outcome:
        if self._archive.tombstones.has_recording(session.project, session.session_id):
            raise ErasedRecordingError("the session was erased")
        if not self._archive.has(session.project, session.session_id):
            if not assembly.has_events:
                return self._store_nothing(session, assembly)
            if self._archive.write(assembly.draft()).written:
                return Outcome.SEALED
        return self._merge(session, assembly)

    def _store_nothing(self, session: PendingSession, assembly: Assembly) -> Outcome:
        until_ms = session.first_received_ms + self._keep_analytics_ms
        if assembly.analytics and self._clock_ms() < until_ms:
            self._inbox.postpone(session, until_ms)
            return Outcome.WAITING
        _log.info(
            "dropped %d requests of session %s of %s: no recording for its %d analytics events, "
            "%d rejected",
            assembly.requests,
            session.session_id,
            session.project,
            len(assembly.analytics),
            assembly.decoder.rejected.total(),
        )
        return Outcome.DROPPED

    def _merge(self, session: PendingSession, assembly: Assembly) -> Outcome:
        project, recording_id = safe_project(session.project), safe_id(session.session_id)
        store = self._archive.store
        key = f"locks/capture/{project}/{recording_id}"
        with store.lease(key, ttl_s=LEASE_TTL_S, wait_s=LEASE_WAIT_S) as lease:
            archived = Archived.repaired(self._archive, assembly)
            if archived is None:  # a row without its manifest: removed by hand
                if not assembly.has_events:
                    return self._store_nothing(session, assembly)
                self._archive.write(assembly.draft(), replace=True)
                return Outcome.SEALED
            if archived.is_redacted or (
                archived.manifest.privacy and self._archive.before_storing is None
            ):
                _log.warning(
                    "dropped %d late requests of session %s of %s: its recording was redacted, "
                    "and late data would not be",
                    assembly.requests,
                    session.session_id,
                    session.project,
                )
                return Outcome.REDACTED
            draft = archived.merged(assembly, max_recording_bytes=self._max_recording_bytes)
            if draft is None:
                return Outcome.KNOWN
            lease.check()
            self._archive.write(draft, replace=True)
            self._remove_moved(archived, draft, project, recording_id)
            return Outcome.MERGED

    def _remove_moved(
        self, archived: Archived, draft: RecordingDraft, project: str, recording_id: str
    ) -> None:
        """
        Remove the old folder of a recording that late data made start on an earlier day.

        `Archive.write` does, unless a crash cut an earlier try of the same merge.
        """
        start_ms = min(draft.columns.timestamp_ms)
        if recording_prefix(project, recording_id, start_ms) != archived.prefix:
            for name in ("manifest.json", "manifest.next.json", *archived.manifest.files):
                self._archive.store.delete(f"{archived.prefix}/{name}")
