"""
Requests PostHog has not had yet, kept on disk until it takes them.

```
outbox.sqlite
└── request   id, method, target, headers (JSON), body, received_ms, due_ms, tries
```

The tee puts a request here when PostHog does not answer, and only then tells the SDK
that all is well; `replayport.capture.tee` sends it again later. Bounded in bytes and in
age: what passes either is PostHog's loss alone, the inbox has its own copy.

Puts that arrive together share one commit, and a put returns when its commit is on
disk. One thread owns the connection.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from replayport.errors import ReplayError, StoreError

FILE_NAME: Final = "outbox.sqlite"

MAX_BYTES: Final = 2**30
"""Of waiting bodies: some hours of a busy site."""

MAX_AGE_MS: Final = 6 * 86_400_000
"""PostHog drops recordings whose events are 7 days old."""

ROW_OVERHEAD_BYTES: Final = 1024
"""Counted for each request besides its body, so that empty ones are bounded too."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    method TEXT NOT NULL,
    target BLOB NOT NULL,
    headers BLOB NOT NULL,
    body BLOB NOT NULL,
    received_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS request_due ON request (due_ms);
"""

_SELECT_WAITING: Final = "SELECT id, method, target, headers, body, received_ms, tries FROM request"

T = TypeVar("T")


class OutboxFullError(ReplayError):
    """As many bytes are waiting as may; the SDK is to try again later."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request for PostHog."""

    method: str
    target: bytes
    """Path and query, as they were on the wire."""
    headers: tuple[tuple[bytes, bytes], ...]
    """Without hop-by-hop headers and Host."""
    body: bytes
    received_ms: int

    @property
    def kept_bytes(self) -> int:
        """What it counts for against the bound."""
        return len(self.body) + ROW_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the outbox."""

    id: int
    outgoing: Outgoing
    tries: int
    """How often it was sent again so far."""


class Outbox:
    """
    Args:
        path: The SQLite file; its folder exists.
        max_bytes: Bound of what waits.
        max_age_ms: How long a request waits at most.
    """

    def __init__(
        self, path: Path, *, max_bytes: int = MAX_BYTES, max_age_ms: int = MAX_AGE_MS
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_age_ms = max_age_ms
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._pending: list[tuple[Outgoing, int, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._database = self._thread.submit(self._open).result()
        self.count, self.bytes = self._thread.submit(self._measure).result()

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.touch(mode=0o600)
            database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            database.execute("PRAGMA auto_vacuum = FULL")  # after an outage the file is small
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone is not enough there
            database.execute("PRAGMA secure_delete = FAST")
            database.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as e:
            raise self._failed(e, "open") from e
        return database

    def _measure(self) -> tuple[int, int]:
        row = self._database.execute(
            f"SELECT count(*), coalesce(sum(length(body) + {ROW_OVERHEAD_BYTES}), 0) FROM request"  # noqa: S608  # a constant of this file
        ).fetchone()
        return int(row[0]), int(row[1])

    async def put(self, outgoing: Outgoing, *, due_ms: int) -> None:
        """
        Keep a request; returns when it is on disk.

        Args:
            outgoing: The request.
            due_ms: When it may be sent again.

        Raises:
            OutboxFullError: The bound is reached.
            StoreError: The disk refused.
        """
        if self.bytes + outgoing.kept_bytes > self._max_bytes:
            raise OutboxFullError(
                f"{self.bytes} bytes already wait for PostHog, which is all that may. PostHog "
                "has been out of reach for long. Check the tee's address and the network"
            )
        self.bytes += outgoing.kept_bytes
        self.count += 1
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((outgoing, due_ms, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        try:
            await done
        except StoreError:
            self.bytes -= outgoing.kept_bytes
            self.count -= 1
            raise

    async def due(self, now_ms: int, *, limit: int) -> list[Waiting]:
        """Give the requests whose time has come, those due longest first."""
        return await self._run(lambda: self._due(now_ms, limit))

    async def next_due_ms(self) -> int | None:
        """Give when the next request is due; None when none waits."""
        return await self._run(self._next_due)

    async def postpone(self, waiting: Waiting, *, due_ms: int) -> None:
        """Send it again later."""
        await self._run(
            lambda: self._database.execute(
                "UPDATE request SET due_ms = ?, tries = tries + 1 WHERE id = ?",
                (due_ms, waiting.id),
            )
        )

    async def remove(self, waiting: Waiting) -> None:
        """Forget one that is done with."""
        await self._run(
            lambda: self._database.execute("DELETE FROM request WHERE id = ?", (waiting.id,))
        )
        self.bytes -= waiting.outgoing.kept_bytes
        self.count -= 1

    async def drop_old(self, now_ms: int) -> int:
        """Forget those that waited too long; gives how many."""
        dropped = await self._run(lambda: self._drop_old(now_ms - self._max_age_ms))
        if dropped:
            self.count, self.bytes = await self._run(self._measure)
        return dropped

    def erase(self, decide: Callable[[Outgoing], Outgoing | None]) -> int:
        """
        Remove or rewrite what waits (erasure); called from any thread.

        Args:
            decide: Gives what to keep of a request: the same, less of it, or None.

        Returns:
            How many were removed or rewritten.

        Raises:
            StoreError: The disk refused.
        """
        try:
            changed = self._thread.submit(self._erase, decide).result()
            if changed:
                self.count, self.bytes = self._thread.submit(self._measure).result()
        except (sqlite3.Error, OSError, RuntimeError) as e:
            raise self._failed(e, "update") from e
        return changed

    def _erase(self, decide: Callable[[Outgoing], Outgoing | None]) -> int:
        changed = 0
        ids = [row[0] for row in self._database.execute("SELECT id FROM request ORDER BY id")]
        self._database.execute("PRAGMA secure_delete = ON")
        for request_id in ids:
            row = self._database.execute(
                f"{_SELECT_WAITING} WHERE id = ?", (request_id,)
            ).fetchone()
            outgoing = _waiting(row).outgoing
            kept = decide(outgoing)
            if kept is outgoing:
                continue
            changed += 1
            if kept is None:
                self._database.execute("DELETE FROM request WHERE id = ?", (request_id,))
            else:
                _, target, headers, body, *_rest = _row(kept, 0)
                self._database.execute(
                    "UPDATE request SET target = ?, headers = ?, body = ? WHERE id = ?",
                    (target, headers, body, request_id),
                )
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._database.execute("PRAGMA secure_delete = FAST")
        return changed

    def close(self) -> None:
        """Close the file; what waits is sent by the next one who opens it."""
        self._thread.submit(self._database.close).result()
        self._thread.shutdown()

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            rows = [_row(outgoing, due_ms) for outgoing, due_ms, _ in batch]
            error: StoreError | None = None
            try:
                await self._run(partial(self._insert, rows))
            except StoreError as e:
                error = e
            for _, _, done in batch:
                if done.done():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    def _insert(self, rows: list[tuple[object, ...]]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany(
                "INSERT INTO request (method, target, headers, body, received_ms, due_ms) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _due(self, now_ms: int, limit: int) -> list[Waiting]:
        rows = self._database.execute(
            f"{_SELECT_WAITING} WHERE due_ms <= ? ORDER BY due_ms, id LIMIT ?", (now_ms, limit)
        )
        return [_waiting(row) for row in rows]

    def _next_due(self) -> int | None:
        found = self._database.execute("SELECT min(due_ms) FROM request").fetchone()[0]
        return None if found is None else int(found)

    def _drop_old(self, before_ms: int) -> int:
        found = self._database.execute("DELETE FROM request WHERE received_ms < ?", (before_ms,))
        return found.rowcount

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError, RuntimeError) as e:  # the last: closed meanwhile
            raise self._failed(e, "put") from e

    def _failed(self, cause: Exception, operation: str) -> StoreError:
        return StoreError(
            f"the queue of requests for PostHog cannot be used ({type(cause).__name__}: {cause}). "
            "Check the disk's space and permissions",
            location=str(self._path),
            operation=operation,
        )


def _waiting(row: tuple[Any, ...]) -> Waiting:
    """Read a row of `_SELECT_WAITING`."""
    headers = msgspec.json.decode(row[3], type=list[tuple[str, str]])
    return Waiting(
        row[0],
        Outgoing(
            method=row[1],
            target=row[2],
            headers=tuple((n.encode("latin-1"), v.encode("latin-1")) for n, v in headers),
            body=row[4],
            received_ms=row[5],
        ),
        row[6],
    )


def _row(outgoing: Outgoing, due_ms: int) -> tuple[object, ...]:
    headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in outgoing.headers]
    return (
        outgoing.method,
        outgoing.target,
        msgspec.json.encode(headers),
        outgoing.body,
        outgoing.received_ms,
        due_ms,
    )
