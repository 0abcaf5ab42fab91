"""
The durable inbox: a request is on disk before it is acknowledged.

```
<folder>/
├── inbox.lock          held by the one process that uses the folder
└── inbox.sqlite        the requests: `capture.request_db`
```

*Writing.* `Inbox.put` queues; one thread writes whatever has gathered as one transaction
(group commit) and only then are its callers told. What waits is bounded in bytes and in
number, what is on disk in bytes: past either `InboxFullError` says so at once, and the
SDK keeps the request and sends it again.

*Checkpoints.* SQLite would move its log into the database inside a commit, while
everybody waits. Here a second thread does that beside the writer, which only moves the
little that came meanwhile.

*Reading and sealing.* `capture.seal` reads a session's requests, archives them, and calls
`Inbox.forget`; `Inbox.draft` gives a session before that. Bytes of forgotten requests are
given back to the file system a little at a time.

Requests are kept as they came, retries too: an item counts once because
`capture.assemble` looks at (token, uuid).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from replayport.capture import request_db
from replayport.capture.assemble import Assembly, StoredRequest
from replayport.capture.request_db import Captured, PendingSession, Schedule
from replayport.draft import RecordingDraft
from replayport.errors import ReplayError, StoreError
from replayport.limits import MAX_RECORDING_BYTES

MAX_QUEUE_BYTES: Final = 64 * 2**20
"""Bodies that may wait for the disk: a second of a disk that writes 64 MB/s."""

MAX_QUEUE_REQUESTS: Final = 20_000

MAX_INBOX_BYTES: Final = 20 * 2**30
"""On disk, besides a log of some 50 MB."""

_BATCH_BYTES: Final = 8 * 2**20
"""Bodies of one transaction: more would only make its callers wait longer."""

_COMMIT_EVERY_S: Final = 0.01
"""
Between two commits when requests keep coming. The first of a quiet moment is written at once;
in a busy one they share a commit, whose price hardly depends on how many they are.
"""

_CHECKPOINT_BYTES: Final = 16 * 2**20
"""Bodies written between checkpoints; the log stays a small multiple of it."""

_SLACK_BYTES: Final = 16 * 2**20
"""Free pages kept for the next requests, not given back to the file system."""

_MAX_READERS: Final = 8

_SESSION_ID: Final = re.compile(r"[A-Za-z0-9-]{1,70}")
"""PostHog's rule; snapshots of any other session are refused, so data of one joins nothing."""

_T = TypeVar("_T")


class InboxFullError(ReplayError):
    """More waits than may: back-pressure. Answer 503, which the SDK retries."""


@dataclass(slots=True)
class _Waiting:
    """A request in the queue, and whom to tell."""

    captured: Captured
    session_ids: tuple[str, ...]
    loop: asyncio.AbstractEventLoop
    told: asyncio.Future[None]
    size_bytes: int


@dataclass(slots=True)
class _Job:
    """Work for the writing thread other than requests."""

    run: Callable[[sqlite3.Connection], Any]
    done: Future[Any] = field(default_factory=Future)


class InboxReader:
    """
    What an inbox holds, for who only looks: a thread of the process that fills it, or another one.

    A reader makes nobody wait; while it reads, the log of what is written meanwhile is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / request_db.FILE_NAME
        self._closing = False
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()

    @classmethod
    def beside(cls, folder: Path) -> Self | None:
        """
        Look into an inbox that another process may be filling.

        Returns:
            None when there is none in that folder.

        Raises:
            StoreError: It cannot be read, or a newer replayport wrote it.
        """
        if not (folder / request_db.FILE_NAME).exists():
            return None
        reader = cls(folder)
        with reader._reading() as db:
            is_made = bool(request_db.check_version(db, folder))
        if is_made:
            return reader
        reader.close()
        return None

    def close(self) -> None:
        """Let go of the file; who reads just now reads on."""
        self._closing = True
        with self._readers_lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def live_sessions(self, *, limit: int = 1000) -> list[PendingSession]:
        """
        Give the sessions that have snapshots and are not sealed, the latest due first.

        Args:
            limit: At most this many.
        """
        with self._reading() as db:
            return request_db.sessions(
                db, "WHERE snapshot_requests > 0 ORDER BY due_ms DESC LIMIT ?", limit
            )

    def session(self, project: str, session_id: str) -> PendingSession | None:
        """Give one session; None when nothing of it is here."""
        with self._reading() as db:
            found = request_db.sessions(
                db, "WHERE project = ? AND session_id = ?", project, session_id
            )
        return found[0] if found else None

    def sessions(self) -> list[tuple[str, str]]:
        """Give ``(project, session id)`` of all that is here, the oldest first."""
        with self._reading() as db:
            found = request_db.sessions(db, "ORDER BY first_ms, project, session_id")
        return [(s.project, s.session_id) for s in found]

    def due(self, now_ms: int, *, limit: int) -> list[PendingSession]:
        """Give sessions that are due to be sealed, the longest due first."""
        with self._reading() as db:
            return request_db.sessions(
                db, "WHERE due_ms <= ? ORDER BY due_ms LIMIT ?", now_ms, limit
            )

    def requests(self, project: str, session_id: str) -> Iterator[StoredRequest]:
        """Yield a session's requests in order of arrival, as of one moment."""
        with self._reading() as db:
            yield from request_db.requests_of(db, project, session_id)

    def draft(
        self, project: str, session_id: str, *, max_recording_bytes: int = MAX_RECORDING_BYTES
    ) -> RecordingDraft | None:
        """
        Give a session as it would be sealed now; nothing changes.

        Args:
            project: The session's project.
            session_id: The source's id.
            max_recording_bytes: As in `Assembly`.

        Returns:
            What is not sealed yet (`Sealer.draft` puts the sealed part before it); None
            when it has no rrweb event.
        """
        assembly = Assembly(project, session_id, max_recording_bytes=max_recording_bytes)
        for request in self.requests(project, session_id):
            assembly.add(request)
        return assembly.draft() if assembly.has_events else None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._readers_lock:
            reader = self._readers.pop() if self._readers else None
        try:
            if reader is None:
                reader = request_db.connect(self.path)
                reader.execute("PRAGMA query_only=ON")
            reader.execute("BEGIN")  # one snapshot, though rows are forgotten meanwhile
            yield reader
        except sqlite3.Error as e:
            raise StoreError(
                f"the inbox cannot be read ({e})", location=str(self.folder), operation="get"
            ) from e
        finally:
            if reader is not None:
                with contextlib.suppress(sqlite3.Error):
                    reader.execute("ROLLBACK")
                with self._readers_lock:
                    keep = len(self._readers) < _MAX_READERS and not self._closing
                    if keep:
                        self._readers.append(reader)
                if not keep:
                    reader.close()

    def all_requests(self) -> Iterator[tuple[StoredRequest, list[tuple[str, str]]]]:
        """Yield every request with its sessions as ``(project, session id)``, as of one moment."""
        with self._reading() as db:
            yield from request_db.all_requests(db)


class Inbox(InboxReader):
    """
    Requests on their way into the archive. Make one with `open`.

    Safe for many threads and event loops of one process; another process is refused.
    """

    def __init__(
        self,
        folder: Path,
        lock_file: int,
        *,
        max_queue_bytes: int,
        max_queue_requests: int,
        max_inbox_bytes: int,
        clock_ms: Callable[[], int],
    ) -> None:
        super().__init__(folder)
        self._lock_file = lock_file
        self._max_queue_bytes = max_queue_bytes
        self._max_queue_requests = max_queue_requests
        self._max_inbox_bytes = max_inbox_bytes
        self._clock_ms = clock_ms
        self._schedule = Schedule()
        self._wake = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._jobs: deque[_Job] = deque()
        self._queued_bytes = 0
        self._queued_requests = 0
        self._since_checkpoint_bytes = 0
        self._checkpoint_due = threading.Event()
        self._connection = request_db.connect(self.path)
        try:
            self._next_id = request_db.prepare(self._connection, folder)
            self._used_bytes = request_db.used_bytes(self._connection)
        except BaseException:
            self._connection.close()
            raise
        self._writer = threading.Thread(target=self._write_loop, name="inbox-writer", daemon=True)
        self._checkpointer = threading.Thread(
            target=self._checkpoint_loop, name="inbox-checkpoint", daemon=True
        )
        self._writer.start()
        self._checkpointer.start()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
        max_queue_requests: int = MAX_QUEUE_REQUESTS,
        max_inbox_bytes: int = MAX_INBOX_BYTES,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> Inbox:
        """
        Open an inbox, or make one.

        Args:
            folder: On a local disk: SQLite's log does not work over a network.
            max_queue_bytes: Bodies that may wait for the disk. One body larger than that
                is still taken when nothing else waits.
            max_queue_requests: Requests that may wait for the disk.
            max_inbox_bytes: Largest size on disk; reached when sealing cannot keep up.
            clock_ms: The server's clock.

        Raises:
            StoreError: The folder cannot be used, or another process uses it.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock_file = os.open(folder / "inbox.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise StoreError(
                f"the inbox folder cannot be made ({e.strerror})",
                location=str(folder),
                operation="open",
            ) from e
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(
                folder,
                lock_file,
                max_queue_bytes=max_queue_bytes,
                max_queue_requests=max_queue_requests,
                max_inbox_bytes=max_inbox_bytes,
                clock_ms=clock_ms,
            )
        except BlockingIOError as e:
            os.close(lock_file)
            raise StoreError(
                "another process uses this inbox. Stop it, or give this server a folder of its "
                "own; several servers can share one archive",
                location=str(folder),
                operation="open",
            ) from e
        except sqlite3.Error as e:
            os.close(lock_file)
            raise StoreError(
                f"the inbox does not open ({e}). The disk may be full or damaged",
                location=str(folder),
                operation="open",
            ) from e
        except BaseException:
            os.close(lock_file)
            raise

    def close(self) -> None:
        """Write what is queued, then stop; requests that come later are refused."""
        with self._wake:
            if self._closing:
                return
            self._closing = True
            self._wake.notify_all()
        self._writer.join()
        self._checkpoint_due.set()
        self._checkpointer.join()
        super().close()
        self._connection.close()
        os.close(self._lock_file)

    # --- putting --------------------------------------------------------------------

    async def put(self, captured: Captured) -> None:
        """
        Keep a request; returns when it is on disk.

        A request without a session, or only with ids that no recording can have, is not
        kept. A caller that stops waiting does not stop the write.

        Raises:
            InboxFullError: Too much waits for the disk, or for the archive.
            StoreError: The disk refused. Nothing of the request is kept, and later ones
                succeed once it has space again.
        """
        session_ids = tuple(
            s for s in dict.fromkeys(captured.session_ids) if _SESSION_ID.fullmatch(s)
        )
        if not session_ids:
            return
        loop = asyncio.get_running_loop()
        waiting = _Waiting(
            captured, session_ids, loop, loop.create_future(), size_bytes=captured.size_bytes
        )
        with self._wake:
            self._check_room(waiting.size_bytes)
            self._queue.append(waiting)
            self._queued_bytes += waiting.size_bytes
            self._queued_requests += 1
            self._wake.notify()
        await waiting.told

    def _check_room(self, size_bytes: int) -> None:
        if self._closing:
            raise self._closed("put")
        if self._queued_requests and (
            self._queued_bytes + size_bytes > self._max_queue_bytes
            or self._queued_requests >= self._max_queue_requests
        ):
            raise InboxFullError(
                f"{self._queued_requests} requests of {self._queued_bytes} bytes wait for the "
                "disk. It is slower than what arrives; the SDK sends the request again later"
            )
        if self._used_bytes + self._queued_bytes + size_bytes > self._max_inbox_bytes:
            raise InboxFullError(
                f"the inbox holds {self._used_bytes} bytes, its limit is {self._max_inbox_bytes}. "
                "Sealing does not keep up, or the archive cannot be written; see the log"
            )

    # --- the writing thread ---------------------------------------------------------

    def _write_loop(self) -> None:
        committed_s = 0.0
        while True:
            with self._wake:
                while not (self._queue or self._jobs or self._closing):
                    self._wake.wait()
                may_wait = not (self._jobs or self._closing or self._queued_bytes >= _BATCH_BYTES)
            if may_wait:
                time.sleep(max(0.0, committed_s + _COMMIT_EVERY_S - time.monotonic()))
            with self._wake:
                batch = self._take_batch()
                job = self._jobs.popleft() if self._jobs else None
            if batch:
                committed_s = time.monotonic()
                self._write(batch)
            if job is not None:
                self._do(job)
            if not batch and job is None:
                return

    def _take_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + self._queue[0].size_bytes <= _BATCH_BYTES):
            waiting = self._queue.popleft()
            size += waiting.size_bytes
            batch.append(waiting)
        return batch

    def _write(self, batch: list[_Waiting]) -> None:
        """Commit a batch and tell its callers."""
        size = sum(w.size_bytes for w in batch)
        error: Exception | None = None
        try:
            self._next_id = request_db.insert(
                self._connection,
                ((w.captured, w.session_ids) for w in batch),
                first_id=self._next_id,
                schedule=self._schedule,
            )
        except sqlite3.Error as e:
            self._roll_back()
            error = self._refused("put", e)
        except Exception as e:  # noqa: BLE001 - the callers get it; this thread must live
            self._roll_back()
            error = e
        with self._wake:
            self._queued_bytes -= size
            self._queued_requests -= len(batch)
            if error is None:
                self._used_bytes += size
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for waiting in batch:
            by_loop.setdefault(waiting.loop, []).append(waiting.told)
        for loop, told in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(_tell, told, error)
        self._since_checkpoint_bytes += size
        if self._since_checkpoint_bytes >= _CHECKPOINT_BYTES:
            self._since_checkpoint_bytes = 0
            self._checkpoint_due.set()

    def _do(self, job: _Job) -> None:
        try:
            result = job.run(self._connection)
        except sqlite3.Error as e:
            self._roll_back()
            job.done.set_exception(self._refused("update", e))
        except BaseException as e:  # noqa: BLE001 - the caller gets it; this thread must live
            self._roll_back()
            job.done.set_exception(e)
        else:
            job.done.set_result(result)

    def _ask(self, run: Callable[[sqlite3.Connection], _T]) -> _T:
        """Have the writing thread do something between two batches."""
        job = _Job(run)
        with self._wake:
            if self._closing:
                raise self._closed("update")
            self._jobs.append(job)
            self._wake.notify()
        result: _T = job.done.result()
        return result

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _refused(self, operation: str, error: sqlite3.Error) -> StoreError:
        made = StoreError(
            f"the inbox cannot be written ({error}). Nothing of this was kept. Free space on "
            "its disk; it goes on by itself",
            location=str(self.folder),
            operation=operation,
        )
        made.__cause__ = error
        return made

    def _closed(self, operation: str) -> StoreError:
        return StoreError(
            "the inbox is closed: the server is stopping. Try again when it is back",
            location=str(self.folder),
            operation=operation,
        )

    # --- reading --------------------------------------------------------------------

    @property
    def used_bytes(self) -> int:
        """Bytes in use on disk, without pages that wait for the next requests."""
        return self._used_bytes

    @property
    def queued_bytes(self) -> int:
        """Bodies that wait for the disk right now."""
        return self._queued_bytes

    # --- sealing --------------------------------------------------------------------

    def set_schedule(self, schedule: Schedule) -> None:
        """
        Say when sessions are due, from now on and for those that wait.

        Sessions that would be due later than the schedule allows from now are pulled
        forward: their times were written under longer limits, or by a clock that was ahead.
        """
        self._schedule = schedule
        latest_ms = self._clock_ms() + schedule.idle_ms
        self._ask(lambda db: request_db.pull_forward(db, latest_ms))

    def postpone(self, session: PendingSession, due_ms: int, *, failed: bool = False) -> None:
        """
        Look at a session again later.

        Args:
            session: As `due` gave it. When requests came since, it is left as it is.
            due_ms: When.
            failed: Count it as a failed attempt.
        """
        self._ask(lambda db: request_db.postpone(db, session, due_ms, failed=failed))

    def forget(self, project: str, session_id: str, request_ids: Sequence[int]) -> None:
        """
        Remove a session's requests, after they were archived.

        Goes in small transactions, so that those who put do not wait long. Stopping in
        between is harmless: what is left counts as already archived next time.

        Args:
            project: The session's project.
            session_id: The source's id.
            request_ids: As `requests` gave them. Requests that came since stay, and
                with them the session.

        Raises:
            StoreError: The disk refused.
        """
        starts = range(0, max(len(request_ids), 1), request_db.FORGET_ROWS)
        for start in starts:
            ids = request_ids[start : start + request_db.FORGET_ROWS]
            self._ask(_forgetting(project, session_id, ids, last=start == starts[-1]))
        while self._ask(self._shrink):
            pass

    def discard(self, project: str, session_id: str) -> int:
        """
        Remove all of a session that is not sealed, without archiving it (erasure).

        Returns:
            How many requests there were.
        """
        ids = [request.id for request in self.requests(project, session_id)]
        self.forget(project, session_id, ids)
        return len(ids)

    def erase(self, changes: Sequence[tuple[int, StoredRequest | None, Sequence[str]]]) -> None:
        """
        Remove or rewrite requests (erasure).

        Args:
            changes: A request's id; what to keep of it, None for nothing; and the sessions
                it still has data of.

        Raises:
            StoreError: The disk refused.
        """
        for start in range(0, len(changes), request_db.FORGET_ROWS):
            some = changes[start : start + request_db.FORGET_ROWS]
            self._ask(partial(_erasing, changes=some))

    def scrub(self) -> bool:
        """
        Overwrite and cut off what removed requests left in the files.

        Returns:
            False when a reader of just now still needs the log; try again.
        """
        done = self._ask(request_db.scrub)
        self._ask(self._measure)
        return done

    def _shrink(self, db: sqlite3.Connection) -> bool:
        more = request_db.vacuum(db, keep_free_bytes=_SLACK_BYTES)
        self._measure(db)
        if more:
            self._checkpoint_due.set()
        return more

    # --- checkpoints ----------------------------------------------------------------

    def _checkpoint_loop(self) -> None:
        with contextlib.closing(request_db.connect(self.path)) as db:
            while True:
                self._checkpoint_due.wait()
                self._checkpoint_due.clear()
                if self._closing:
                    return
                # What fails here, such as on a full disk, is tried again at the next.
                with contextlib.suppress(sqlite3.Error, StoreError):
                    request_db.checkpoint(db)
                    self._ask(self._finish_checkpoint)

    def _finish_checkpoint(self, db: sqlite3.Connection) -> None:
        """Move what came during the checkpoint: then the next commit reuses the log's start."""
        request_db.checkpoint(db)
        self._measure(db)

    def _measure(self, db: sqlite3.Connection) -> None:
        used = request_db.used_bytes(db)
        with self._wake:
            self._used_bytes = used


def _forgetting(
    project: str, session_id: str, ids: Sequence[int], *, last: bool
) -> Callable[[sqlite3.Connection], None]:
    return lambda db: request_db.forget(db, project, session_id, ids, last=last)


def _erasing(
    db: sqlite3.Connection,
    *,
    changes: Sequence[tuple[int, StoredRequest | None, Sequence[str]]],
) -> None:
    request_db.erase(db, changes)


def _tell(told: Iterable[asyncio.Future[None]], error: Exception | None) -> None:
    for future in told:
        if future.done():  # the caller gave up waiting
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


__all__ = ["Captured", "Inbox", "InboxFullError", "InboxReader", "PendingSession", "Schedule"]
