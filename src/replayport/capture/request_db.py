"""
The inbox's tables, and every statement on them. No threads and no queue: `capture.inbox`.

```
<folder>/inbox.sqlite       WAL, synchronous=FULL
├── request                 one row a request, its body as it arrived
├── part                    which sessions a request has data of
└── session                 when each session is due to be sealed, and how much it has
```

Functions that write do it in one transaction and are called by one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from replayport.capture.assemble import StoredRequest
from replayport.errors import StoreError

FILE_NAME: Final = "inbox.sqlite"
PAGE_BYTES: Final = 8192
FORGET_ROWS: Final = 64
"""Requests removed in one transaction: a few milliseconds for those who put meanwhile."""

LOG_LIMIT_BYTES: Final = 32 * 2**20
"""The write-ahead log is cut to this when it starts again."""

_VACUUM_PAGES: Final = 256
_STATEMENT_ROWS: Final = 128
"""
Rows an INSERT carries at most. Each statement gives up the interpreter lock and has to win
it back from a busy event loop, which takes milliseconds: a batch must be few statements.
"""
_CACHED_STATEMENTS: Final = 3 * _STATEMENT_ROWS + 64
"""One for every number of rows and table, and the others."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS request(
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL,
    kind TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    query TEXT NOT NULL,
    headers TEXT NOT NULL,
    parts INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS part(
    project TEXT NOT NULL,
    session_id TEXT NOT NULL,
    request_id INTEGER NOT NULL,
    PRIMARY KEY(project, session_id, request_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session(
    project TEXT NOT NULL,
    session_id TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    requests INTEGER NOT NULL,
    snapshot_requests INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(project, session_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_due ON session(due_ms);
"""
_SCHEMA_VERSION: Final = 1

_INSERT_REQUEST: Final = (
    "INSERT INTO request(id, token, kind, received_ms, query, headers, parts, body) VALUES {rows}"
)
_INSERT_PART: Final = "INSERT INTO part(project, session_id, request_id) VALUES {rows}"
_UPSERT_SESSION: Final = """
INSERT INTO session(
    project, session_id, first_ms, last_ms, due_ms, ended_ms, requests, snapshot_requests, bytes
) VALUES {rows}
ON CONFLICT(project, session_id) DO UPDATE SET
    last_ms = max(last_ms, excluded.last_ms),
    ended_ms = coalesce(excluded.ended_ms, ended_ms),
    requests = requests + excluded.requests,
    snapshot_requests = snapshot_requests + excluded.snapshot_requests,
    bytes = bytes + excluded.bytes,
    failures = 0,
    due_ms = min(
        first_ms + {max_age_ms},
        CASE WHEN ended_ms IS NULL THEN excluded.due_ms
             ELSE min(excluded.due_ms, excluded.last_ms + {ended_ms}) END
    )
"""


@dataclass(frozen=True, slots=True)
class Captured:
    """One request as it arrived, validated, to be kept."""

    project: str
    """The token's project."""
    token: str
    received_ms: int
    """Server's clock; idleness is judged by it, never by the client's."""
    kind: str
    """``snapshots`` (``/s/``) or ``events`` (``/e/``, ``/batch/`` …)."""
    session_ids: tuple[str, ...]
    """Sessions it has data of; a request with none is not kept."""
    body: bytes
    """Raw, codings still on."""
    query: str
    """Raw query string."""
    headers: dict[str, str]
    """``content-type``, ``content-encoding``, ``user-agent`` only."""
    ended_session_ids: tuple[str, ...] = ()
    """Those of ``session_ids`` that say they end (`assemble.ended_session_ids`): sealed
    soon instead of when idle."""

    @property
    def size_bytes(self) -> int:
        """What it counts for in limits."""
        return len(self.body) + len(self.query) + 256


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a session is due to be sealed, counted from what the server received."""

    idle_ms: int = 30 * 60_000
    """After its last request; posthog-js starts a new session after as long."""
    max_age_ms: int = 24 * 3_600_000
    """After its first request that is not sealed yet."""
    ended_ms: int = 15_000
    """After it said that it ends; other tabs and retries may still come."""

    def due_ms(self, first_ms: int, last_ms: int, *, ended: bool) -> int:
        """Say when a session is due."""
        after_ms = min(self.ended_ms, self.idle_ms) if ended else self.idle_ms
        return min(last_ms + after_ms, first_ms + self.max_age_ms)


@dataclass(frozen=True, slots=True)
class PendingSession:
    """A session with requests in the inbox."""

    project: str
    session_id: str
    first_received_ms: int
    last_received_ms: int
    due_ms: int
    requests: int
    snapshot_requests: int
    """Those of kind ``snapshots``: 0 means it only has analytics, so far."""
    body_bytes: int
    failures: int
    """Attempts at sealing that failed since data last came."""


@dataclass(slots=True)
class _Touched:
    """What one batch says of one session."""

    first_ms: int
    last_ms: int
    requests: int = 0
    snapshot_requests: int = 0
    body_bytes: int = 0
    ended: bool = False


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection that any thread may use, one at a time."""
    db = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )
    try:
        for pragma in (
            "busy_timeout=30000",
            "synchronous=FULL",
            "fullfsync=ON",  # macOS: its fsync alone leaves data in the drive's cache
            "wal_autocheckpoint=0",
            f"journal_size_limit={LOG_LIMIT_BYTES}",
            "secure_delete=FAST",  # sealed bodies do not linger where removing them is free
            "temp_store=MEMORY",
        ):
            db.execute(f"PRAGMA {pragma}")
    except BaseException:
        db.close()
        raise
    return db


def check_version(db: sqlite3.Connection, folder: Path) -> int:
    """
    Give the version of the tables; 0 when there are none yet.

    Raises:
        StoreError: Written by a newer replayport.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > _SCHEMA_VERSION:
        raise StoreError(
            f"the inbox is of version {version}, this package writes {_SCHEMA_VERSION}. A "
            "newer replayport wrote it. Upgrade: pip install -U replayport",
            location=str(folder),
            operation="open",
        )
    return version


def prepare(db: sqlite3.Connection, folder: Path) -> int:
    """
    Make the tables, or check that they can be used; finish what a crash left in the log.

    Returns:
        The id for the next request.

    Raises:
        StoreError: Written by a newer replayport.
    """
    version = check_version(db, folder)
    if not version:
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("PRAGMA journal_mode=WAL")
    if not version:
        db.executescript(f"BEGIN;{_SCHEMA};PRAGMA user_version={_SCHEMA_VERSION};COMMIT;")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    last_id = db.execute("SELECT max(id) FROM request").fetchone()[0]
    return int(last_id or 0) + 1


def insert(
    db: sqlite3.Connection,
    batch: Iterable[tuple[Captured, Sequence[str]]],
    *,
    first_id: int,
    schedule: Schedule,
) -> int:
    """
    Write requests, each with the sessions to keep it for, as one transaction.

    Returns:
        The id for the next request.
    """
    requests: list[tuple[Any, ...]] = []
    parts: list[tuple[Any, ...]] = []
    touched: dict[tuple[str, str], _Touched] = {}
    request_id = first_id
    for c, session_ids in batch:
        requests.append(
            (
                request_id,
                c.token,
                c.kind,
                c.received_ms,
                c.query.encode("utf-8", "replace").decode(),
                msgspec.json.encode(c.headers).decode(),
                len(session_ids),
                c.body,
            )
        )
        for session_id in session_ids:
            parts.append((c.project, session_id, request_id))
            t = touched.get((c.project, session_id))
            if t is None:
                t = touched[c.project, session_id] = _Touched(c.received_ms, c.received_ms)
            t.first_ms = min(t.first_ms, c.received_ms)
            t.last_ms = max(t.last_ms, c.received_ms)
            t.requests += 1
            t.snapshot_requests += c.kind == "snapshots"
            t.body_bytes += len(c.body)
            t.ended |= session_id in c.ended_session_ids
        request_id += 1
    sessions = [
        (
            project,
            session_id,
            t.first_ms,
            t.last_ms,
            schedule.due_ms(t.first_ms, t.last_ms, ended=t.ended),
            t.last_ms if t.ended else None,
            t.requests,
            t.snapshot_requests,
            t.body_bytes,
        )
        for (project, session_id), t in touched.items()
    ]
    upsert = _UPSERT_SESSION.replace("{max_age_ms}", str(schedule.max_age_ms)).replace(
        "{ended_ms}", str(schedule.ended_ms)
    )
    db.execute("BEGIN IMMEDIATE")
    _insert_rows(db, _INSERT_REQUEST, requests)
    _insert_rows(db, _INSERT_PART, parts)
    _insert_rows(db, upsert, sessions)
    db.execute("COMMIT")
    return request_id


def sessions(db: sqlite3.Connection, condition: str, *values: Any) -> list[PendingSession]:
    """Give sessions; the condition is what follows FROM, its values are bound."""
    sql = (
        "SELECT project, session_id, first_ms, last_ms, due_ms, requests, "  # noqa: S608
        f"snapshot_requests, bytes, failures FROM session {condition}"
    )
    return [PendingSession(*row) for row in db.execute(sql, values)]


def requests_of(db: sqlite3.Connection, project: str, session_id: str) -> Iterator[StoredRequest]:
    """Yield a session's requests in order of arrival, one body in memory at a time."""
    for row in db.execute(
        "SELECT id, token, kind, received_ms, query, headers, body FROM part "
        "JOIN request ON request.id = part.request_id "
        "WHERE project = ? AND session_id = ? ORDER BY request_id",
        (project, session_id),
    ):
        yield StoredRequest(
            id=row[0],
            token=row[1],
            kind=row[2],
            received_ms=row[3],
            query=row[4],
            headers=msgspec.json.decode(row[5], type=dict[str, str]),
            body=row[6],
        )


def all_requests(
    db: sqlite3.Connection,
) -> Iterator[tuple[StoredRequest, list[tuple[str, str]]]]:
    """Yield every request with the sessions it is kept for, as ``(project, session id)``."""
    of: dict[int, list[tuple[str, str]]] = {}
    for project, session_id, request_id in db.execute(
        "SELECT project, session_id, request_id FROM part"
    ):
        of.setdefault(request_id, []).append((project, session_id))
    for row in db.execute(
        "SELECT id, token, kind, received_ms, query, headers, body FROM request ORDER BY id"
    ):
        yield (
            StoredRequest(
                id=row[0],
                token=row[1],
                kind=row[2],
                received_ms=row[3],
                query=row[4],
                headers=msgspec.json.decode(row[5], type=dict[str, str]),
                body=row[6],
            ),
            of.get(row[0], []),
        )


def erase(
    db: sqlite3.Connection, changes: Sequence[tuple[int, StoredRequest | None, Sequence[str]]]
) -> None:
    """
    Remove or rewrite requests, and count their sessions anew, as one transaction.

    Args:
        db: The connection.
        changes: A request's id; what to keep of it, None for nothing; and the sessions
            it still has data of.
    """
    db.execute("PRAGMA secure_delete=ON")  # pages are overwritten, not only set free
    try:
        db.execute("BEGIN IMMEDIATE")
        touched: set[tuple[str, str]] = set()
        for request_id, kept, session_ids in changes:
            parts = db.execute(
                "SELECT project, session_id FROM part WHERE request_id = ?", (request_id,)
            ).fetchall()
            touched.update(parts)
            gone = [p for p in parts if kept is None or p[1] not in session_ids]
            db.executemany(
                "DELETE FROM part WHERE project = ? AND session_id = ? AND request_id = ?",
                [(*part, request_id) for part in gone],
            )
            if kept is None or len(gone) == len(parts):
                db.execute("DELETE FROM request WHERE id = ?", (request_id,))
            else:
                db.execute(
                    "UPDATE request SET body = ?, query = ?, headers = ?, parts = ? WHERE id = ?",
                    (
                        kept.body,
                        kept.query,
                        msgspec.json.encode(kept.headers).decode(),
                        len(parts) - len(gone),
                        request_id,
                    ),
                )
        for project, session_id in touched:
            settle(db, project, session_id)
        db.execute("COMMIT")
    finally:
        db.execute("PRAGMA secure_delete=FAST")


def scrub(db: sqlite3.Connection) -> bool:
    """
    Leave nothing behind of what was removed: no free page, no log.

    Returns:
        False when a reader still needs the log; it goes with the next try.
    """
    while vacuum(db, keep_free_bytes=0):
        pass
    busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy


def pull_forward(db: sqlite3.Connection, latest_ms: int) -> None:
    """Let no session be due later than this."""
    db.execute("UPDATE session SET due_ms = ? WHERE due_ms > ?", (latest_ms, latest_ms))


def postpone(db: sqlite3.Connection, session: PendingSession, due_ms: int, *, failed: bool) -> None:
    """Make a session due at another time, unless requests came since it was read."""
    db.execute(
        "UPDATE session SET due_ms = ?, failures = failures + ? "
        "WHERE project = ? AND session_id = ? AND due_ms = ?",
        (due_ms, int(failed), session.project, session.session_id, session.due_ms),
    )


def forget(
    db: sqlite3.Connection, project: str, session_id: str, ids: Sequence[int], *, last: bool
) -> None:
    """
    Remove requests from a session, as one transaction; those of no other go for good.

    Args:
        db: The connection.
        project: The session's project.
        session_id: The source's id.
        ids: Up to `FORGET_ROWS` requests.
        last: Drop the session too if nothing is left of it, else count what is (`settle`).
    """
    marks = ",".join("?" * len(ids))
    db.execute("BEGIN IMMEDIATE")
    db.execute(
        "UPDATE request SET parts = parts - 1 WHERE id IN (SELECT request_id FROM part "  # noqa: S608
        f"WHERE project = ? AND session_id = ? AND request_id IN ({marks}))",
        (project, session_id, *ids),
    )
    db.execute(
        "DELETE FROM part WHERE project = ? AND session_id = ? "  # noqa: S608
        f"AND request_id IN ({marks})",
        (project, session_id, *ids),
    )
    db.execute(f"DELETE FROM request WHERE id IN ({marks}) AND parts <= 0", ids)  # noqa: S608
    if last:
        settle(db, project, session_id)
    db.execute("COMMIT")


def settle(db: sqlite3.Connection, project: str, session_id: str) -> None:
    """Drop a session that has no requests left; else count those that came since."""
    key = (project, session_id)
    n, first_ms, snapshots, size = db.execute(
        "SELECT count(*), min(received_ms), coalesce(sum(kind = 'snapshots'), 0), "
        "coalesce(sum(length(body)), 0) FROM part "
        "JOIN request ON request.id = part.request_id WHERE project = ? AND session_id = ?",
        key,
    ).fetchone()
    if n:
        db.execute(
            "UPDATE session SET first_ms = ?, requests = ?, snapshot_requests = ?, bytes = ? "
            "WHERE project = ? AND session_id = ?",
            (first_ms, n, snapshots, size, *key),
        )
    else:
        db.execute("DELETE FROM session WHERE project = ? AND session_id = ?", key)


def vacuum(db: sqlite3.Connection, *, keep_free_bytes: int) -> bool:
    """
    Give some free pages back to the file system.

    Returns:
        Whether there are more to give.
    """
    free = db.execute("PRAGMA freelist_count").fetchone()[0] - keep_free_bytes // PAGE_BYTES
    if free > 0:
        # Not execute: it steps once, and the pragma frees one page a step.
        db.executescript(f"PRAGMA incremental_vacuum({min(free, _VACUUM_PAGES)})")
    return bool(free > _VACUUM_PAGES)


def checkpoint(db: sqlite3.Connection) -> None:
    """Move the log into the database as far as no reader needs it; nobody has to wait."""
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def used_bytes(db: sqlite3.Connection) -> int:
    """Measure the pages in use; free pages and the log, which stays small, not."""
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    free = db.execute("PRAGMA freelist_count").fetchone()[0]
    return int((pages - free) * PAGE_BYTES)


def _insert_rows(db: sqlite3.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows with as few statements as may be."""
    for start in range(0, len(rows), _STATEMENT_ROWS):
        some = rows[start : start + _STATEMENT_ROWS]
        db.execute(
            _for_rows(sql, len(some), len(some[0])), [value for row in some for value in row]
        )


@lru_cache(_CACHED_STATEMENTS)
def _for_rows(sql: str, rows: int, columns: int) -> str:
    marks = "(" + ",".join("?" * columns) + ")"
    return sql.replace("{rows}", ",".join([marks] * rows))
