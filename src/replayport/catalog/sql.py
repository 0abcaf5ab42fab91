"""
The catalog in SQLite or PostgreSQL; the only place with SQL.

```
replayport_schema       version                         one row
replayport_recordings   one column a field of RecordingRow, primary key (project, id)
replayport_state        key, value (JSON text)
replayport_scores       one column a field of ScoreRow, primary key (project, id, model)
```

Text is compared by the bytes of its UTF-8 on both databases, so both order alike.
Neither takes every Python string: PostgreSQL refuses NUL, both refuse half surrogate
pairs, and recorded pages contain both. `_AnyText` writes such characters, and ESC, which
marks them, as escape sequences:

===========  ==================
character    stored as
===========  ==================
NUL          ``ESC 0``
ESC          ``ESC 1``
U+D800-DFFF  ``ESC u`` + 4 hex digits
===========  ==================
"""

from __future__ import annotations

import difflib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from replayport.catalog.base import JsonObject, PageKey, RecordingRow, ScoreRow, order_field
from replayport.errors import (
    AmbiguousRecordingError,
    CatalogError,
    MissingExtraError,
    RecordingNotFoundError,
)

SCHEMA_VERSION: Final = 1
"""Of the tables; independent of the version of the recording format."""

_BUSY_TIMEOUT_S: Final = 30
_BATCH_ROWS: Final = 500
_PAGE_ROWS: Final = 500
_NEAR_POOL: Final = 200
_ADVISORY_LOCK: Final = 0x7265706C6179  # "replay"; any number of our own
_DAMAGED_CODES: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})

_TO_ESCAPE: Final = re.compile("[\x00\x1b\ud800-\udfff]")
_ESCAPED: Final = re.compile("\x1b(0|1|u[0-9a-f]{4})")


def _escape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        char = match.group()
        return "\x1b" + {"\x00": "0", "\x1b": "1"}.get(char, f"u{ord(char):04x}")

    return _TO_ESCAPE.sub(one, text)


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        return {"0": "\x00", "1": "\x1b"}.get(code) or chr(int(code[1:], 16))

    return _ESCAPED.sub(one, text) if "\x1b" in text else text


class _AnyText(sa.types.TypeDecorator[str]):
    """Any Python string, compared by bytes."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        collation = "C" if dialect.name == "postgresql" else None  # SQLite's own is BINARY
        return dialect.type_descriptor(sa.Text(collation=collation))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else _escape(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else _unescape(value)


_metadata = sa.MetaData()
_schema = sa.Table(
    "replayport_schema",
    _metadata,
    sa.Column("version", sa.Integer, primary_key=True),
)
_recordings = sa.Table(
    "replayport_recordings",
    _metadata,
    sa.Column("project", _AnyText, primary_key=True),
    sa.Column("id", _AnyText, primary_key=True),
    sa.Column("session_id", _AnyText, nullable=False),
    sa.Column("key_prefix", _AnyText, nullable=False),
    sa.Column("start_ms", sa.BigInteger, nullable=False),
    sa.Column("end_ms", sa.BigInteger, nullable=False),
    sa.Column("duration_ms", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("windows", sa.BigInteger, nullable=False),
    sa.Column("source", _AnyText, nullable=False),
    sa.Column("snapshot_source", _AnyText, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("archived_bytes", sa.BigInteger, nullable=False),
    sa.Column("raw_bytes", sa.BigInteger, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("format_version", sa.BigInteger, nullable=False),
    sa.Column("distinct_id", _AnyText),
    sa.Column("first_url", _AnyText),
    sa.Column("urls_text", _AnyText, nullable=False),
    sa.Column("clicks", sa.BigInteger, nullable=False),
    sa.Column("inputs", sa.BigInteger, nullable=False),
    sa.Column("errors", sa.BigInteger, nullable=False),
    # The first two end in what breaks ties, so a page is read without sorting.
    sa.Index("replayport_recordings_by_start", "start_ms", "project", "id"),
    sa.Index("replayport_recordings_by_project", "project", "start_ms", "id"),
    sa.Index("replayport_recordings_by_id", "id", "project"),
    # Hash, because sources choose these texts and PostgreSQL's trees refuse long ones
    # (2,704 bytes). SQLite has one kind of index and no such limit.
    sa.Index("replayport_recordings_by_person", "distinct_id", postgresql_using="hash"),
    sa.Index("replayport_recordings_by_session", "session_id", postgresql_using="hash"),
)
_state = sa.Table(
    "replayport_state",
    _metadata,
    sa.Column("key", _AnyText, primary_key=True),
    sa.Column("value", sa.Text),
)

# Added without a new version: `create_all` makes it in a catalog that has none yet, and
# packages that do not know it leave it alone.
_scores = sa.Table(
    "replayport_scores",
    _metadata,
    sa.Column("project", _AnyText, primary_key=True),
    sa.Column("id", _AnyText, primary_key=True),
    sa.Column("model", _AnyText, primary_key=True),
    sa.Column("score", sa.Float),
    sa.Column("reasons", _AnyText, nullable=False),
    sa.Column("recording_created_ms", sa.BigInteger, nullable=False),
    sa.Column("scored_ms", sa.BigInteger, nullable=False),
    sa.Index("replayport_scores_by_score", "model", "score"),
)

_SCORE_FIELDS: Final = tuple(field.name for field in fields(ScoreRow))
_FIELDS: Final = tuple(field.name for field in fields(RecordingRow))
_COLUMNS: Final = tuple(_recordings.c[name] for name in _FIELDS)
_HAS: Final = sa.select(sa.literal(1)).where(
    _recordings.c.project == sa.bindparam("of_project"), _recordings.c.id == sa.bindparam("of_id")
)


def open_sqlite(url: str | Path, *, rebuild: bool = False) -> SqlCatalog:
    """Open a SQLite file, or a database in memory for ``sqlite://``."""
    parsed = _parse(url) if isinstance(url, str) else URL.create("sqlite", database=str(url))
    parsed = parsed.set(drivername="sqlite+pysqlite")
    path = None if parsed.database in (None, "", ":memory:") else Path(str(parsed.database))
    engine = sa.create_engine(
        parsed,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_S},
        poolclass=QueuePool,
        # A database in memory belongs to its one connection; threads take turns.
        **({} if path else {"pool_size": 1, "max_overflow": 0}),
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    name = f"sqlite catalog {path}" if path else "sqlite catalog in memory"
    catalog = SqlCatalog(engine, name)
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        catalog.prepare(rebuild=rebuild)
    except OSError as e:
        raise CatalogError(
            f"the folder of {name} cannot be made: {e.strerror}. Check that this user may "
            "write there"
        ) from e
    except CatalogError as e:
        catalog.close()
        if not (rebuild and path is not None and _is_damaged(e.__cause__)):
            raise
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        catalog.prepare(rebuild=False)
    return catalog


def open_postgres(url: str, *, rebuild: bool = False) -> SqlCatalog:
    """Open a PostgreSQL database."""
    parsed = _parse(url).set(drivername="postgresql+psycopg")
    try:
        engine = sa.create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    except ImportError as e:
        raise MissingExtraError(extra="postgres", needed_for="A PostgreSQL catalog") from e
    # A password can hide in the query as well.
    shown = parsed.set(query={}).render_as_string(hide_password=True)
    catalog = SqlCatalog(engine, f"catalog {shown}")
    try:
        catalog.prepare(rebuild=rebuild)
    except CatalogError:
        catalog.close()
        raise
    return catalog


def _values(row: RecordingRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _FIELDS}


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except (SQLAlchemyError, NoSuchModuleError, ValueError) as e:
        # The text may hold a password, so it is not repeated.
        raise CatalogError(
            "the catalog URL cannot be read. Write sqlite:///path or "
            "postgresql://user:password@host/database"
        ) from e


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite
    # WAL lets readers go on while one writes. With it, NORMAL survives a crash of the
    # process; power loss may undo the last transactions, which reindex makes again.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")  # rows name persons and pages


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and then writes cannot wait for another writer
    # (SQLITE_BUSY at once), so writers ask for the lock at the start.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_damaged(error: BaseException | None) -> bool:
    if isinstance(error, DBAPIError):
        error = error.orig
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED_CODES


class SqlCatalog:
    """A catalog in a database SQLAlchemy speaks to; see `Catalog` for what it does."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._postgres = engine.dialect.name == "postgresql"
        insert = (postgresql if self._postgres else sqlite).insert(_recordings)
        changed = {name: insert.excluded[name] for name in _FIELDS if name not in ("project", "id")}
        self._upsert = insert.on_conflict_do_update(index_elements=["project", "id"], set_=changed)

    def prepare(self, *, rebuild: bool) -> None:
        """Make the tables when they are missing, and check their version."""
        with self._writing() as db:
            if self._postgres:
                # Two processes making the same tables at once fail, even IF NOT EXISTS.
                db.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            found = None
            if sa.inspect(db).has_table(_schema.name):
                found = db.execute(sa.select(sa.func.max(_schema.c.version))).scalar()
            if found is not None and found != SCHEMA_VERSION:
                if not rebuild:
                    raise CatalogError(self._other_version(found))
                _metadata.drop_all(db)
                found = None
            _metadata.create_all(db)
            if found is None:
                db.execute(_schema.insert().values(version=SCHEMA_VERSION))

    def _other_version(self, found: int) -> str:
        if found > SCHEMA_VERSION:
            return (
                f"{self._name} has schema version {found}, this package knows "
                f"{SCHEMA_VERSION}. A newer replayport made it. "
                "Upgrade: pip install -U replayport"
            )
        return (
            f"{self._name} has schema version {found}, this package needs {SCHEMA_VERSION}. "
            "It is only an index of the manifests. Make it again: replayport reindex"
        )

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OverflowError) as e:
            if _is_damaged(e):
                raise CatalogError(
                    f"{self._name} is damaged or no SQLite file. It is only an index of the "
                    "manifests, no recording is lost. Make it again: replayport reindex"
                ) from e
            # Not str(e): it would repeat the statement.
            cause = e.orig if isinstance(e, DBAPIError) else e
            first_line = str(cause).partition("\n")[0]
            raise CatalogError(f"{self._name} failed: {first_line}") from e

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translating(), self._engine.begin() as db:
            yield db

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._translating(), self._engine.connect() as connection:
            db = connection.execution_options(writes=True)
            with db.begin():
                yield db

    def upsert(self, rows: Iterable[RecordingRow]) -> None:
        """Add or replace rows, see `Catalog.upsert`."""
        remaining = iter(rows)
        while batch := list(islice(remaining, _BATCH_ROWS)):
            # In one order everywhere: two that lock the same rows crosswise would deadlock.
            ordered = sorted(batch, key=lambda row: (row.project, row.id))
            with self._writing() as db:
                db.execute(self._upsert, [_values(row) for row in ordered])

    def get(self, id: str, project: str | None = None) -> RecordingRow:  # noqa: A002 - the field's name
        """Find a recording, see `Catalog.get`."""
        query = sa.select(*_COLUMNS).where(_recordings.c.id == id)
        if project is not None:
            query = query.where(_recordings.c.project == project)
        with self._reading() as db:
            found = db.execute(query.order_by(_recordings.c.project).limit(4)).all()
            if len(found) == 1:
                return RecordingRow(*found[0])
            near = [] if found else self._near_ids(db, id, project)
        if found:
            names = ", ".join(f"{row.project}/{row.id}" for row in found[:3])
            raise AmbiguousRecordingError(
                f"recording {id!r} exists in several projects. Name one: {names}"
                + (", …" if len(found) > 3 else "")
            )
        where = "" if project is None else f" in project {project!r}"
        hint = f"Near ones: {', '.join(near)}" if near else "See what there is: replayport list"
        raise RecordingNotFoundError(f"no recording {id!r}{where} in this archive. {hint}")

    def _near_ids(self, db: Connection, wanted: str, project: str | None) -> list[str]:
        """Give up to three ids somebody may have meant: by session, start or likeness."""
        c = _recordings.c
        base = sa.select(c.id) if project is None else sa.select(c.id).where(c.project == project)
        near = list(db.scalars(base.where(c.session_id == wanted).limit(3)))
        # A short first part finds ids cut off or wrong at their end by the index.
        for length in (len(wanted), 8, 4):
            start = wanted[:length]
            if start:
                begins = base.where(c.id >= start, c.id < start + "\U0010ffff")
                near += db.scalars(begins.order_by(c.id).limit(_NEAR_POOL))
        near += db.scalars(base.order_by(c.start_ms.desc()).limit(_NEAR_POOL))
        return difflib.get_close_matches(wanted, dict.fromkeys(near), n=3, cutoff=0.6) or near[:3]

    def find_session(self, project: str, session_id: str) -> RecordingRow | None:
        """Find the newest recording of a session, see `Catalog.find_session`."""
        c = _recordings.c
        query = (
            sa.select(*_COLUMNS)
            .where(c.session_id == session_id, c.project == project)
            .order_by(c.created_ms.desc(), c.id)
            .limit(1)
        )
        with self._reading() as db:
            found = db.execute(query).first()
        return None if found is None else RecordingRow(*found)

    def has(self, project: str, id: str) -> bool:  # noqa: A002 - the field's name
        """Say whether a recording is there."""
        with self._reading() as db:
            return db.execute(_HAS, {"of_project": project, "of_id": id}).first() is not None

    def list(
        self,
        *,
        order: str = "-start_ms",
        limit: int | None = None,
        after: PageKey | None = None,
        **filters: Any,
    ) -> Iterator[RecordingRow]:
        """Yield recordings in order, see `Catalog.list`."""
        field = order_field(order)
        where = self._where(**filters)
        if limit is not None and limit < 0:
            raise ValueError(f"limit must not be negative, got {limit}")
        return self._pages(field, order.startswith("-"), where, limit, after)

    def _pages(
        self,
        field: str,
        largest_first: bool,
        where: Iterable[sa.ColumnElement[bool]],
        limit: int | None,
        after: PageKey | None,
    ) -> Iterator[RecordingRow]:
        c = _recordings.c
        keys = (c[field], c.project, c.id)
        query = sa.select(*_COLUMNS).where(*where)
        query = query.order_by(*(key.desc() if largest_first else key for key in keys))
        left = limit
        while left is None or left > 0:
            wanted = _PAGE_ROWS if left is None else min(left, _PAGE_ROWS)
            page = query
            if after is not None:
                place = sa.tuple_(
                    *(sa.literal(v, key.type) for v, key in zip(after, keys, strict=True))
                )
                row = sa.tuple_(*keys)
                page = query.where(row < place if largest_first else row > place)
            with self._reading() as db:
                rows = [RecordingRow(*found) for found in db.execute(page.limit(wanted))]
            yield from rows
            if len(rows) < wanted:
                return
            after = rows[-1].page_key(field)
            left = None if left is None else left - len(rows)

    def _where(
        self,
        *,
        project: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        person: str | None = None,
        url_contains: str | None = None,
        min_duration_ms: int | None = None,
    ) -> Sequence[sa.ColumnElement[bool]]:
        c = _recordings.c
        where: list[sa.ColumnElement[bool]] = []
        if project is not None:
            where.append(c.project == project)
        if since_ms is not None:
            where.append(c.start_ms >= since_ms)
        if until_ms is not None:
            where.append(c.start_ms < until_ms)
        if person is not None:
            where.append(c.distinct_id == person)
        if url_contains is not None:
            # Not LIKE: its % and _ are everyday in URLs, and case differs by database.
            position = sa.func.strpos if self._postgres else sa.func.instr
            text = sa.literal(url_contains, _AnyText())
            where.append(sa.or_(position(c.urls_text, text) > 0, position(c.first_url, text) > 0))
        if min_duration_ms is not None:
            where.append(c.duration_ms >= min_duration_ms)
        return where

    def count(self, **filters: Any) -> int:
        """Count recordings, see `Catalog.count`."""
        query = sa.select(sa.func.count()).select_from(_recordings).where(*self._where(**filters))
        with self._reading() as db:
            return int(db.execute(query).scalar_one())

    def delete(self, project: str, id: str) -> bool:  # noqa: A002 - the field's name
        """Remove a row; False when there was none."""
        c, s = _recordings.c, _scores.c
        with self._writing() as db:
            done = db.execute(sa.delete(_recordings).where(c.project == project, c.id == id))
            db.execute(sa.delete(_scores).where(s.project == project, s.id == id))
            return bool(done.rowcount)

    def put_scores(self, rows: Iterable[ScoreRow]) -> None:
        """Add or replace scores, see `Catalog.put_scores`."""
        insert = (postgresql if self._postgres else sqlite).insert(_scores)
        keys = ("project", "id", "model")
        changed = {name: insert.excluded[name] for name in _SCORE_FIELDS if name not in keys}
        statement = insert.on_conflict_do_update(index_elements=list(keys), set_=changed)
        remaining = iter(rows)
        while batch := list(islice(remaining, _BATCH_ROWS)):
            ordered = sorted(batch, key=lambda row: (row.project, row.id, row.model))
            with self._writing() as db:
                db.execute(
                    statement,
                    [{name: getattr(row, name) for name in _SCORE_FIELDS} for row in ordered],
                )

    def scores(self, *, model: str | None = None, project: str | None = None) -> Iterator[ScoreRow]:
        """Yield scores, highest first, see `Catalog.scores`."""
        c = _scores.c
        columns = tuple(c[name] for name in _SCORE_FIELDS)
        query = sa.select(*columns)
        if model is not None:
            query = query.where(c.model == model)
        if project is not None:
            query = query.where(c.project == project)
        query = query.order_by(c.score.desc().nulls_last(), c.project, c.id, c.model)
        with self._reading() as db:
            # Small rows; held at once, so that no lock is held while they are looked at.
            rows = [ScoreRow(*found) for found in db.execute(query)]
        yield from rows

    def clear(self) -> None:
        """Remove all rows and scores; state stays."""
        with self._writing() as db:
            db.execute(sa.delete(_recordings))
            db.execute(sa.delete(_scores))

    def get_state(self, key: str) -> JsonObject | None:
        """Give a stored JSON object; None when there is none."""
        with self._reading() as db:
            return _read_state(db, key)

    def set_state(self, key: str, value: Mapping[str, Any]) -> None:
        """Store a JSON object."""
        self.update_state(key, lambda _old: value)

    def update_state(
        self, key: str, change: Callable[[JsonObject | None], Mapping[str, Any]]
    ) -> JsonObject:
        """Change a stored JSON object in one step, see `Catalog.update_state`."""
        insert = (postgresql if self._postgres else sqlite).insert(_state)
        with self._writing() as db:
            # PostgreSQL can only lock a row that exists; SQLite has locked all already.
            db.execute(insert.values(key=key, value=None).on_conflict_do_nothing())
            old = _read_state(db, key, lock=True)
            # ASCII escapes NUL and half surrogate pairs; a copy, so nothing is shared.
            text = json.dumps(dict(change(old)), ensure_ascii=True, allow_nan=False)
            db.execute(sa.update(_state).where(_state.c.key == key).values(value=text))
        return dict(json.loads(text))

    def state_keys(self, prefix: str) -> Sequence[str]:
        """Give names of stored JSON objects, see `Catalog.state_keys`."""
        query = sa.select(_state.c.key).where(
            _state.c.key >= prefix, _state.c.key < prefix + "\U0010ffff"
        )
        with self._reading() as db:
            return list(db.scalars(query.order_by(_state.c.key)))

    def scrub(self) -> None:
        """Leave nothing of removed rows in the files, see `Catalog.scrub`."""
        if not self._postgres and self._engine.url.database in (None, "", ":memory:"):
            return
        with self._translating():
            # Idle connections of this process hold nothing, but VACUUM wants to be alone.
            self._engine.dispose()
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                if self._postgres:
                    connection.rollback()
                    connection.driver_connection.autocommit = True  # type: ignore[union-attr]
                    for table in (_recordings, _state):
                        cursor.execute(f"VACUUM FULL {table.name}")
                    connection.driver_connection.autocommit = False  # type: ignore[union-attr]
                else:
                    cursor.execute("VACUUM")
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    if cursor.fetchall()[0][0]:
                        raise CatalogError(
                            f"{self._name} is being read, so its log could not be cut. Removed "
                            "rows may still be in it. Try again"
                        )
            except (sqlite3.Error, self._engine.dialect.dbapi.Error) as e:  # type: ignore[union-attr]
                raise CatalogError(
                    f"{self._name} could not be cleaned of removed rows: {e}. Somebody may be "
                    "using it. Try again"
                ) from e
            finally:
                connection.close()

    def close(self) -> None:
        """Give back files and connections."""
        self._engine.dispose()


def _read_state(db: Connection, key: str, *, lock: bool = False) -> JsonObject | None:
    query = sa.select(_state.c.value).where(_state.c.key == key)
    text = db.execute(query.with_for_update() if lock else query).scalar()
    return None if text is None else dict(json.loads(text))
