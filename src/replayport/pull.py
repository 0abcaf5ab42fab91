"""
Source to archive: the loop behind ``replayport pull``.

```
list ──> in the archive and complete? ──> already there
     ──> younger than a day, or still running? ──> left for later
     ──> fetch ──> write                       an incomplete one again on the next runs
```

What was pulled is remembered in the catalog as one stretch of start times, so the next run
lists only what came after it, and two days before, for recordings that arrive late::

    state "pull/<digest of source>"
    ├── from_ms, done_ms   every recording that started in [from_ms, done_ms) was dealt with
    └── tries              session id → fetches that gave less than the source listed

The stretch grows with each recording, oldest first. Killed at any point, a run is
continued by the next; losing the state costs requests, nothing else.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from replayport.archive import LEASE_TTL_S, Archive, Written
from replayport.catalog.base import RecordingRow
from replayport.draft import RecordingDraft
from replayport.errors import (
    ErasedRecordingError,
    ObjectExistsError,
    RecordingError,
    ReplayError,
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceGoneError,
    SourceNotFoundError,
    SourceRateLimitedError,
    StoreError,
)
from replayport.outcomes import Rejected, RejectReason, Report
from replayport.recording import safe_id, safe_project
from replayport.sources.base import RecordingRef, Source

RECENT_MS: Final = 24 * 3600 * 1000
"""Younger recordings may still grow: a session lasts up to a day, its blocks may shift."""

OVERLAP_MS: Final = 2 * RECENT_MS
"""Listed again before what was done: recordings sent late start in the past."""

GROWN_MS: Final = 2000
"""A listed end this far past the stored one means there is more; less is rounding."""

MAX_TRIES: Final = 5
"""Fetches of a recording that stays incomplete; then only ``force`` tries again."""

MAX_FAILURES: Final = 3
"""Recordings in a row the source fails at, after which it is taken to be down."""

_LEASE_PAUSE_S: Final = 5.0
_MAX_REMEMBERED: Final = 5000
_SAVE_EVERY: Final = 100

_STOPPING: Final = frozenset({RejectReason.RATE_LIMITED, RejectReason.STORE_FAILED})
"""The next recording would meet the same."""

_PASSING: Final = frozenset(
    {
        RejectReason.RATE_LIMITED,
        RejectReason.STORE_FAILED,
        RejectReason.UNAUTHORIZED,
        RejectReason.SOURCE_UNAVAILABLE,
        RejectReason.MISSING_BLOCK,
    }
)
"""May be different on the next run, so the recording is not dealt with."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is."""

    done: int
    """Recordings dealt with: stored, there already, left for later, or rejected."""
    fetched: int
    """Of these, asked from the source."""
    total: int | None
    """Recordings there are to deal with, as the source estimates; None when it cannot."""
    received_bytes: int
    """From the source, as transferred."""
    elapsed_s: float
    time_left_s: float | None
    """By the source's limits and the pace so far; None before either is known."""
    session_id: str
    """The last one dealt with."""

    @property
    def recordings_per_s(self) -> float:
        """Fetched so far, by time."""
        return self.fetched / self.elapsed_s if self.elapsed_s > 0 else 0.0


def pull(
    source: Source,
    archive: Archive,
    *,
    since_ms: int | None = None,
    until_ms: int | None = None,
    limit: int | None = None,
    include_recent: bool = False,
    force: bool = False,
    report: Report | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """
    Bring a source's recordings into an archive.

    Running it twice gives what running it once gives. A recording in the archive is replaced
    only when it was incomplete, or has grown since, and more of it has come; never when it
    was redacted.

    Args:
        source: Where from.
        archive: Where to.
        since_ms: Only recordings that started at or after, epoch milliseconds.
        until_ms: Only recordings that started before.
        limit: Fetch at most so many; those already there do not count.
        include_recent: Take recordings younger than a day and running ones too; they are
            replaced later when they have grown.
        force: Fetch what the archive has again, list all of the time asked for.
        report: Filled in place, so that a caller interrupted by Ctrl-C has what was done.
        on_progress: Called after each recording.
        stop: Asked before each recording; true ends the run in good order.
        clock: Epoch seconds now.
        sleep: Waits for a number of seconds, where another process holds a recording.

    Returns:
        What became of each recording. A source or store that fails ends the run; what it
        failed at is the last of ``rejected``.

    Raises:
        KeyboardInterrupt: And whatever else is no `ReplayError`, after the state was saved.

    Memory:
        One recording, and the ids in the report.
    """
    run = _Run(
        source,
        archive,
        report=report if report is not None else Report(),
        include_recent=include_recent,
        force=force,
        limit=limit,
        clock=clock,
        sleep=sleep,
    )
    run.go(since_ms, until_ms, on_progress, stop)
    return run.report


class _Run:
    """One pull."""

    def __init__(
        self,
        source: Source,
        archive: Archive,
        *,
        report: Report,
        include_recent: bool,
        force: bool,
        limit: int | None,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._sleep = sleep
        self.report = report
        self._source = source
        self._archive = archive
        self._any_erased = bool(archive.tombstones)
        self._include_recent = include_recent
        self._force = force
        self._limit = limit
        self._clock = clock
        self._state = _PullState(archive, source.key, oldest_first=source.oldest_first)
        self._done = 0
        self._fetched = 0
        self._failures = 0
        self._total: int | None = None
        self._started_s = clock()

    def go(
        self,
        since_ms: int | None,
        until_ms: int | None,
        on_progress: Callable[[Progress], None] | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        """Deal with every recording, until one of the reasons to end."""
        try:
            begin_ms = self._state.begin(since_ms, force=self._force)
            if on_progress is not None:
                self._total = self._estimate(begin_ms, until_ms)
            retried: set[str] = set()
            for ref in self._unfinished(since_ms, until_ms):
                retried.add(ref.session_id)
                if not self._step(ref, on_progress, stop):
                    return
            for ref in self._source.list_recordings(since_ms=begin_ms, until_ms=until_ms):
                self._state.listed(ref)
                if ref.session_id in retried:
                    self._state.passed(ref)
                elif not self._step(ref, on_progress, stop):
                    return
            self._state.finished()
        except SourceError as e:
            what = f"listing of project {self._source.project}"
            self.report.rejected.append(Rejected(what, _reason(e), str(e)))
        finally:
            self._state.save()

    def _estimate(self, begin_ms: int | None, until_ms: int | None) -> int | None:
        try:
            return self._source.count(since_ms=begin_ms, until_ms=until_ms)
        except SourceError:
            return None

    def _unfinished(self, since_ms: int | None, until_ms: int | None) -> Iterator[RecordingRef]:
        """Yield recordings that earlier runs stored incomplete, from before what is listed."""
        if self._force:
            return
        for session_id in self._state.unfinished():
            row = self._row(session_id)
            if (
                row is None
                or row.complete
                or row.source != self._source.kind
                or (since_ms is not None and row.start_ms < since_ms)
                or (until_ms is not None and row.start_ms >= until_ms)
            ):
                continue
            try:
                manifest = self._archive.recording(f"{row.project}/{row.id}").manifest
            except RecordingError:  # `verify` names it; the listing may bring it back
                continue
            yield RecordingRef(
                project=self._source.project,
                session_id=session_id,
                start_ms=row.start_ms,
                end_ms=row.end_ms,
                distinct_id=row.distinct_id,
                source=manifest.source,
            )

    def _step(
        self,
        ref: RecordingRef,
        on_progress: Callable[[Progress], None] | None,
        stop: Callable[[], bool] | None,
    ) -> bool:
        """Deal with one recording; false ends the run."""
        if stop is not None and stop():
            return False
        row = self._row(ref.session_id)
        if row is None and self._is_erased(ref):
            # Not even asked for: it must not come back, and asking costs requests.
            self._erased(ref)
            return True
        recording_id = row.id if row is not None else safe_id(ref.session_id)
        go_on = True
        if row is not None and not self._wanted_again(ref, row):
            self.report.already_there.append(recording_id)
            self._state.passed(ref)
        elif self._is_recent(ref):
            self.report.left_for_later.append(recording_id)
            self._state.hold(ref)
        elif self._limit is not None and self._fetched >= self._limit:
            return False
        else:
            self._fetched += 1
            go_on = self._fetch(ref, row)
        self._done += 1
        if on_progress is not None:
            on_progress(self._progress(ref))
        return go_on

    def _is_erased(self, ref: RecordingRef) -> bool:
        # What is erased for the first time while this runs is refused when it is written.
        return self._any_erased and self._archive.erased(
            self._source.project,
            ref.session_id,
            distinct_id=ref.distinct_id,
            start_ms=ref.start_ms,
        )

    def _erased(self, ref: RecordingRef) -> None:
        what = f"session {ref.session_id}"
        self.report.rejected.append(
            Rejected(what, RejectReason.ERASED, "it was erased from this archive")
        )
        self._state.passed(ref)
        self._state.forget(ref)
        self._done += 1

    def _row(self, session_id: str) -> RecordingRow | None:
        project = safe_project(self._source.project)
        return self._archive.catalog.find_session(project, session_id)

    def _is_recent(self, ref: RecordingRef) -> bool:
        if self._include_recent:
            return False
        return ref.ongoing or ref.start_ms > self._clock() * 1000 - RECENT_MS

    def _wanted_again(self, ref: RecordingRef, row: RecordingRow) -> bool:
        """Tell whether a recording that is there should be fetched once more."""
        if self._force:
            return True
        if row.source != self._source.kind:
            return False  # captured or imported: another source's recording is not ours to replace
        if row.complete and ref.end_ms <= row.end_ms + GROWN_MS:
            return False
        return self._state.tries(ref.session_id) < MAX_TRIES

    def _fetch(self, ref: RecordingRef, row: RecordingRow | None) -> bool:
        try:
            draft = self._source.fetch(ref)
            self._store(ref, draft, row)
        except ReplayError as e:
            return self._failed(ref, e, stored=row is not None)
        self._failures = 0
        return True

    def _store(self, ref: RecordingRef, draft: RecordingDraft, row: RecordingRow | None) -> None:
        more = row is None or self._is_more(draft, row)
        if more:
            written = self._write(draft, replace=row is not None)
            done = self.report.written if written.written else self.report.already_there
            done.append(written.id)
            if written.written:
                self.report.findings.update(written.findings)
        elif row is not None:
            self.report.already_there.append(row.id)
        if draft.missing:
            self._state.tried(ref)
        elif more:
            self._state.forget(ref)
        else:
            # Listed as longer than it is: asking again gives the same.
            self._state.tried(ref)
        self._state.passed(ref)

    def _write(self, draft: RecordingDraft, *, replace: bool) -> Written:
        """
        Write a recording; while another process holds it, wait.

        One that was killed while it wrote holds it until its lease ends, and what was
        fetched has cost requests: waiting is cheaper than fetching it again.
        """
        waited_s = 0.0
        while True:
            try:
                return self._archive.write(draft, replace=replace)
            except ObjectExistsError:
                if waited_s >= LEASE_TTL_S:
                    raise
                self._sleep(_LEASE_PAUSE_S)
                waited_s += _LEASE_PAUSE_S

    def _is_more(self, draft: RecordingDraft, row: RecordingRow) -> bool:
        """Tell whether a fetched recording may take the place of the stored one."""
        manifest = self._archive.recording(f"{row.project}/{row.id}").manifest
        if manifest.is_redacted_for_good or (
            manifest.privacy and self._archive.before_storing is None
        ):
            return False
        if self._force:
            return len(draft.columns) >= manifest.events
        if len(draft.columns) > manifest.events:
            return not (manifest.complete and draft.missing)
        return len(draft.columns) == manifest.events and not manifest.complete and not draft.missing

    def _failed(self, ref: RecordingRef, error: ReplayError, *, stored: bool) -> bool:
        """Count a recording that could not be had; false ends the run."""
        reason = _reason(error)
        self.report.rejected.append(Rejected(ref.session_id, reason, str(error)))
        if reason == RejectReason.MISSING_BLOCK:
            self._state.tried(ref)
        if reason not in _PASSING or (
            reason == RejectReason.MISSING_BLOCK
            and (stored or self._state.tries(ref.session_id) >= MAX_TRIES)
        ):
            self._state.passed(ref)
        else:
            self._state.hold(ref)
        if reason in (RejectReason.UNAUTHORIZED, RejectReason.SOURCE_UNAVAILABLE):
            self._failures += 1
        else:
            self._failures = 0
        if isinstance(error, ObjectExistsError):
            return True  # another process writes this one; the others are free
        unauthorized = isinstance(error, SourceAuthError) and error.status == 401
        return not (unauthorized or reason in _STOPPING or self._failures >= MAX_FAILURES)

    def _progress(self, ref: RecordingRef) -> Progress:
        elapsed_s = self._clock() - self._started_s
        total = max(self._total, self._done) if self._total is not None else None
        if total is not None and self._limit is not None:
            total = min(total, self._done + self._limit - self._fetched)
        left_s = None
        if total is not None:
            left_s = self._source.time_left_s(total - self._done)
            if self._fetched:
                pace_s = elapsed_s / self._done * (total - self._done)
                left_s = pace_s if left_s is None else max(left_s, pace_s)
        return Progress(
            done=self._done,
            fetched=self._fetched,
            total=total,
            received_bytes=self._source.received_bytes,
            elapsed_s=elapsed_s,
            time_left_s=left_s,
            session_id=ref.session_id,
        )


class _PullState:
    """What a source's pulls remember."""

    def __init__(self, archive: Archive, source_key: str, *, oldest_first: bool) -> None:
        self._catalog = archive.catalog
        self._name = "pull/" + hashlib.sha256(source_key.encode()).hexdigest()[:32]
        stored = self._catalog.get_state(self._name) or {}
        self._from_ms: int | None = stored.get("from_ms")
        self._done_ms: int | None = stored.get("done_ms")
        self._tries: dict[str, int] = dict(stored.get("tries", {}))
        self._saved = self._to_json()
        self._begin_ms: int | None = None
        self._asked_ms = 0
        self._highest_ms: int | None = None
        self._held_ms: int | None = None
        self._oldest_first = oldest_first
        self._finished = False
        self._last_listed_ms: int | None = None
        self._rises = 0
        self._falls = 0
        self._unsaved = 0

    def begin(self, since_ms: int | None, *, force: bool) -> int | None:
        """
        Decide from when to list.

        Returns:
            ``since_ms``, or later when all up to there was dealt with before.
        """
        asked_ms = since_ms if since_ms is not None else 0
        self._asked_ms = asked_ms
        self._begin_ms = since_ms
        if (
            not force
            and self._from_ms is not None
            and self._done_ms is not None
            and self._from_ms <= asked_ms <= self._done_ms
        ):
            self._begin_ms = max(asked_ms, self._done_ms - OVERLAP_MS)
            self._asked_ms = self._from_ms
            self._highest_ms = self._done_ms
        return self._begin_ms

    def listed(self, ref: RecordingRef) -> None:
        """Note a recording as the source lists it, to see whether the order holds."""
        if self._last_listed_ms is not None:
            self._rises += ref.start_ms > self._last_listed_ms
            self._falls += ref.start_ms < self._last_listed_ms
        self._last_listed_ms = ref.start_ms

    def passed(self, ref: RecordingRef) -> None:
        """Note that a recording was dealt with."""
        if self._last_listed_ms is None:
            return  # an unfinished one of an earlier run, not of this listing
        self._highest_ms = max(self._highest_ms or 0, ref.start_ms)
        self._unsaved += 1
        if self._unsaved >= _SAVE_EVERY:
            self.save()

    def hold(self, ref: RecordingRef) -> None:
        """Note that a recording must be listed again: nothing after it counts as done."""
        if self._last_listed_ms is None:
            return
        if self._held_ms is None or ref.start_ms < self._held_ms:
            self._held_ms = ref.start_ms

    def finished(self) -> None:
        """Note that the listing came to its end."""
        self._finished = True

    @property
    def _may_grow(self) -> bool:
        """
        Tell whether all before the last one dealt with was listed.

        A server that does not know the order asked for lists the newest first: until the
        end, or a rise and no fall, nothing is certain.
        """
        return self._finished or (self._oldest_first and self._rises > 0 and not self._falls)

    def tries(self, session_id: str) -> int:
        """Say how often a recording was fetched without becoming whole."""
        return self._tries.get(session_id, 0)

    def tried(self, ref: RecordingRef) -> None:
        """Count a fetch that did not give all."""
        self._tries[ref.session_id] = self._tries.pop(ref.session_id, 0) + 1
        while len(self._tries) > _MAX_REMEMBERED:
            del self._tries[next(iter(self._tries))]
        self.save()

    def forget(self, ref: RecordingRef) -> None:
        """Note that a recording is whole."""
        self._tries.pop(ref.session_id, None)

    def unfinished(self) -> list[str]:
        """Give the sessions to be fetched again."""
        return [session_id for session_id, n in self._tries.items() if n < MAX_TRIES]

    def save(self) -> None:
        """Write the state, if it has changed."""
        self._unsaved = 0
        done_ms = self._highest_ms
        if done_ms is not None and self._held_ms is not None:
            done_ms = min(done_ms, self._held_ms)
        if done_ms is not None and self._may_grow and done_ms >= self._asked_ms:
            kept = (
                self._from_ms is not None
                and self._done_ms is not None
                and (self._asked_ms > self._done_ms or done_ms < self._from_ms)
                and self._done_ms - self._from_ms > done_ms - self._asked_ms
            )
            if not kept:  # of two stretches that do not touch, the longer one
                self._merge(self._asked_ms, done_ms)
        now = self._to_json()
        if now != self._saved:
            self._catalog.set_state(self._name, now)
            self._saved = now

    def _merge(self, from_ms: int, done_ms: int) -> None:
        if (
            self._from_ms is not None
            and self._done_ms is not None
            and from_ms <= self._done_ms
            and self._from_ms <= done_ms
        ):
            # A recording that must be listed again shortens what was done before.
            held = self._held_ms is not None and self._held_ms < self._done_ms
            self._from_ms = min(self._from_ms, from_ms)
            self._done_ms = done_ms if held else max(self._done_ms, done_ms)
        else:
            self._from_ms, self._done_ms = from_ms, done_ms

    def _to_json(self) -> dict[str, Any]:
        return {"from_ms": self._from_ms, "done_ms": self._done_ms, "tries": dict(self._tries)}


def _reason(error: ReplayError) -> RejectReason:
    """Give the reason an error is counted as."""
    match error:
        case SourceAuthError():
            return RejectReason.UNAUTHORIZED
        case SourceRateLimitedError():
            return RejectReason.RATE_LIMITED
        case SourceNotFoundError():
            return RejectReason.NOT_FOUND
        case SourceGoneError():
            return RejectReason.DELETED
        case SourceDataError():
            return RejectReason(error.reason)
        case ErasedRecordingError():
            return RejectReason.ERASED
        case StoreError():
            return RejectReason.STORE_FAILED
        case SourceError():
            return RejectReason.SOURCE_UNAVAILABLE
        case _:
            return RejectReason.UNREADABLE


__all__ = ["Progress", "pull"]
