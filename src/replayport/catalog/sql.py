"""
The catalog in SQLite or PostgreSQL; the only place with SQL.

```
replayport_schema       version                         one row
replayport_recordings   one column a field of RecordingRow, unique (project, id), and ``n``
replayport_texts        by ``n``: what full-text search finds; FTS5, or a tsvector with GIN
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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any, Final, Unpack
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from replayport.catalog.base import (
    NOT_SCORED,
    Filters,
    JsonObject,
    PageKey,
    RecordingRow,
    ScoreRow,
    order_field,
)
from replayport.catalog.words import FIELDS, Query, SearchText, Term, parse_query
from replayport.errors import (
    AmbiguousRecordingError,
    CatalogError,
    MissingExtraError,
    RecordingNotFoundError,
)

SCHEMA_VERSION: Final = 2
"""Of the tables; independent of the version of the recording format."""

_BUSY_TIMEOUT_S: Final = 30
_BATCH_ROWS: Final = 500
_PAGE_ROWS: Final = 500
_NEAR_POOL: Final = 200
_FEW_SQLITE: Final = 5_000
_FEW_POSTGRES: Final = 2_000
"""Up to so many found by their words are few, see `SqlCatalog._has_words`; bench/catalog.py."""
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
    # A number, because FTS5 knows its rows by one.
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("project", _AnyText, nullable=False),
    sa.Column("id", _AnyText, nullable=False),
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
    sa.Column("person_label", _AnyText),
    sa.Column("llm_events", sa.BigInteger, nullable=False),
    sa.Column("signals_text", _AnyText, nullable=False),
    sa.Column("frustration", sa.Double, nullable=False),
    sa.Column("activity", _AnyText, nullable=False),
    sa.Column("tags_text", _AnyText, nullable=False),
    sa.Column("content_sha256", _AnyText, nullable=False),
    sa.UniqueConstraint("project", "id"),
    # The first two end in what breaks ties, so a page is read without sorting.
    sa.Index("replayport_recordings_by_start", "start_ms", "project", "id"),
    sa.Index("replayport_recordings_by_project", "project", "start_ms", "id"),
    sa.Index("replayport_recordings_by_id", "id", "project"),
    # What the app offers to order by.
    sa.Index("replayport_recordings_by_duration", "duration_ms", "project", "id"),
    sa.Index("replayport_recordings_by_errors", "errors", "project", "id"),
    sa.Index("replayport_recordings_by_frustration", "frustration", "project", "id"),
    # Hash, because sources choose these texts and PostgreSQL's trees refuse long ones
    # (2,704 bytes). SQLite has one kind of index and no such limit.
    sa.Index("replayport_recordings_by_person", "distinct_id", postgresql_using="hash"),
    sa.Index("replayport_recordings_by_session", "session_id", postgresql_using="hash"),
)
_texts = sa.table(
    "replayport_texts",
    sa.column("n", sa.BigInteger),
    sa.column("of_sha256", sa.Text),
    sa.column("is_whole", sa.Boolean),
    sa.column("words", postgresql.TSVECTOR),
)
"""As PostgreSQL has it."""

_FTS = """\
CREATE VIRTUAL TABLE IF NOT EXISTS replayport_texts USING fts5(
    urls, titles, console, clicked, of_sha256 UNINDEXED,
    is_whole UNINDEXED, tokenize = 'ascii')"""
_TSVECTOR = (
    (
        "CREATE TABLE IF NOT EXISTS replayport_texts ("
        "n bigint PRIMARY KEY, of_sha256 text NOT NULL, is_whole boolean NOT NULL, "
        "words tsvector NOT NULL)"
    ),
    "CREATE INDEX IF NOT EXISTS replayport_texts_by_words ON replayport_texts USING gin (words)",
)
_WEIGHTS: Final = {"urls": "A", "titles": "B", "console": "C", "clicked": "D"}
"""PostgreSQL's four labels of a position stand for the four fields."""

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
_KEPT: Final = ("project", "id", "tags_text")
"""Not changed by `upsert`: tags are said by people, not by the manifest."""

_OF_EVENTS: Final = ("signals_text", "frustration")
"""Kept by `upsert` while the events are the same: they were found in them."""

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


def open_sqlite_read_only(path: Path) -> SqlCatalog:
    """
    Open a SQLite file in a folder that cannot be written; nothing is made beside it.

    Args:
        path: Of a file that nobody writes to, without a log beside it.

    Raises:
        CatalogError: It is damaged, or of another schema version.
    """
    address = f"file:{quote(str(path))}?mode=ro&immutable=1"
    engine = sa.create_engine(
        "sqlite+pysqlite://",
        creator=lambda: sqlite3.connect(
            address, uri=True, check_same_thread=False, isolation_level=None
        ),
        hide_parameters=True,
        poolclass=QueuePool,
    )
    sa.event.listen(engine, "begin", _begin_sqlite)
    catalog = SqlCatalog(engine, f"sqlite catalog {path}")
    try:
        catalog.check_version()
    except CatalogError:
        catalog.close()
        raise
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
    return _code(error) in _DAMAGED_CODES


def _code(error: BaseException | None) -> int | None:
    """Give SQLite's primary result code; None of any other error."""
    if isinstance(error, DBAPIError):
        error = error.orig
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


class SqlCatalog:
    """A catalog in a database SQLAlchemy speaks to; see `Catalog` for what it does."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._postgres = engine.dialect.name == "postgresql"
        self.was_outdated = False
        insert = (postgresql if self._postgres else sqlite).insert(_recordings)
        changed: dict[str, Any] = {
            name: insert.excluded[name] for name in _FIELDS if name not in _KEPT
        }
        is_same = _recordings.c.content_sha256 == insert.excluded.content_sha256
        for name in _OF_EVENTS:
            changed[name] = sa.case((is_same, _recordings.c[name]), else_=insert.excluded[name])
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
                if not rebuild and found > SCHEMA_VERSION:
                    raise CatalogError(self._newer_version(found))
                db.execute(sa.text("DROP TABLE IF EXISTS replayport_texts"))
                # State stays: rows are made again from the manifests, how far pulls got is not.
                keep = () if rebuild else (_state,)
                _metadata.drop_all(db, [t for t in _metadata.sorted_tables if t not in keep])
                self.was_outdated = not rebuild
                found = None
            _metadata.create_all(db)
            for statement in _TSVECTOR if self._postgres else (_FTS,):
                db.exec_driver_sql(statement)
            if found is None:
                db.execute(_schema.insert().values(version=SCHEMA_VERSION))

    def check_version(self) -> None:
        """
        See that the tables are there and of this package's version.

        Raises:
            CatalogError: They are not, and cannot be made anew here.
        """
        with self._reading() as db:
            found = None
            if sa.inspect(db).has_table(_schema.name):
                found = db.execute(sa.select(sa.func.max(_schema.c.version))).scalar()
        if found != SCHEMA_VERSION:
            raise CatalogError(
                f"{self._name} has schema version {found}, this package knows {SCHEMA_VERSION}, "
                "and its folder cannot be written"
            )

    def _newer_version(self, found: int) -> str:
        return (
            f"{self._name} has schema version {found}, this package knows {SCHEMA_VERSION}. "
            "A newer replayport made it. Upgrade: pip install -U replayport"
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
            if _code(e) == sqlite3.SQLITE_READONLY:
                raise CatalogError(
                    f"{self._name} cannot be written, as the folder it is in. Copy the archive to "
                    "where this user may write"
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
                self._drop_stale_texts(db, ordered)

    def _drop_stale_texts(self, db: Connection, rows: Sequence[RecordingRow]) -> None:
        """Remove texts of rows just written that were made of other events."""
        c = _recordings.c
        key: Any = _texts.c.n if self._postgres else sa.literal_column("replayport_texts.rowid")
        query = (
            sa.select(c.n)
            .select_from(_recordings)
            .join(_texts, key == c.n)
            .where(
                sa.tuple_(c.project, c.id).in_([(row.project, row.id) for row in rows]),
                _texts.c.of_sha256 != c.content_sha256,
            )
        )
        self._drop_texts(db, list(db.scalars(query)))

    def _drop_texts(self, db: Connection, numbers: Sequence[int]) -> None:
        if not numbers:
            return
        name = "n" if self._postgres else "rowid"
        db.execute(
            sa.text(f"DELETE FROM replayport_texts WHERE {name} = :n"),  # noqa: S608 - ours
            [{"n": n} for n in numbers],
        )

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
        self, *, all_wanted: bool = False, **filters: Unpack[Filters]
    ) -> Sequence[sa.ColumnElement[bool]]:
        unknown = filters.keys() - Filters.__annotations__.keys()
        if unknown:
            raise TypeError(f"no filter is called {min(unknown)!r}")
        c = _recordings.c
        given = {name: value for name, value in filters.items() if value is not None}
        where: list[sa.ColumnElement[bool]] = [
            made(given[name]) for name, made in _CONDITIONS.items() if name in given
        ]
        if "url_contains" in given:
            text = sa.literal(given["url_contains"], _AnyText())
            where.append(
                sa.or_(self._position(c.urls_text, text) > 0, self._position(c.first_url, text) > 0)
            )
        if "tags" in given:
            where += [self._has_line(c.tags_text, tag) for tag in given["tags"]]  # type: ignore[attr-defined]
        if "signals" in given:
            kinds = [self._has_line(c.signals_text, kind) for kind in given["signals"]]  # type: ignore[attr-defined]
            where.append(sa.or_(sa.false(), *kinds))
        for name, fields_ in (
            ("words", filters.get("words_in") or FIELDS),
            ("url_words", ("urls",)),
        ):
            if name in given:
                query = parse_query(str(given[name]), fields_)
                if query.terms:
                    where.append(self._has_words(query, all_wanted=all_wanted))
                elif str(given[name]).strip():
                    where.append(sa.false())  # nothing in it is a word, so nothing has it
        return where

    def _position(self, column: Any, text: Any) -> sa.ColumnElement[int]:
        # Not LIKE: its % and _ are everyday in URLs, and case differs by database.
        return (sa.func.strpos if self._postgres else sa.func.instr)(column, text)

    def _has_line(self, column: Any, line: str) -> sa.ColumnElement[bool]:
        lines = sa.literal("\n", _AnyText()).concat(column).concat("\n")
        return sa.and_(
            column != "", self._position(lines, sa.literal(f"\n{line}\n", _AnyText())) > 0
        )

    def _has_words(self, query: Query, *, all_wanted: bool) -> sa.ColumnElement[bool]:
        """
        Say that a row's text has all terms, in the way that suits how many have.

        Few: their numbers, and the rest of the question is asked of those. Many: each row is
        looked at in the order wanted, for a page of them is soon found; planners cannot tell,
        because they know nothing of how often the beginning of a word occurs. Nor does it
        help where all are wanted, as for counting.
        """
        matching = self._matching(query)
        if all_wanted:
            return _recordings.c.n.in_(matching)
        few = _FEW_POSTGRES if self._postgres else _FEW_SQLITE
        with self._reading() as db:
            if self._postgres:  # a limit lures it into looking at every row
                db.exec_driver_sql("SET LOCAL enable_seqscan = off")
            numbers = list(db.scalars(matching.limit(few + 1)))
        if len(numbers) <= few:
            return _recordings.c.n.in_(numbers if self._postgres else matching)
        if self._postgres:
            one = matching.where(_texts.c.n == _recordings.c.n).correlate(_recordings)
            # OFFSET keeps it from making a join of it, which would look at all rows.
            return sa.exists(one.offset(0))
        # FTS5 would look through its index once a row; the words stand in the row as well.
        rowid: Any = sa.literal_column("replayport_texts.rowid")
        one = sa.select(rowid).select_from(_texts).where(rowid == _recordings.c.n)
        return sa.exists(
            one.where(*(_stands_in(t, query) for t in query.terms)).correlate(_recordings)
        )

    def _matching(self, query: Query) -> sa.Select[Any]:
        """Select the numbers of the rows whose text has all terms."""
        if not self._postgres:
            columns = " ".join(query.fields)
            text = " AND ".join(
                f"{{{columns}}} : ({' + '.join(term.words)}{' *' if term.is_prefix else ''})"
                for term in query.terms
            )
            return (
                sa.select(sa.literal_column("rowid", sa.Integer))
                .select_from(_texts)
                .where(
                    sa.literal_column("replayport_texts").op("MATCH")(sa.literal(text, sa.Text()))
                )
            )
        everywhere = set(query.fields) == set(FIELDS)
        labels = [""] if everywhere else [_WEIGHTS[f] for f in query.fields]
        text = " & ".join(
            "("
            + " | ".join(
                " <-> ".join(
                    f"'{word}':{'*' if term.is_prefix and n == len(term.words) - 1 else ''}{label}"
                    for n, word in enumerate(term.words)
                )
                for label in labels
            )
            + ")"
            for term in query.terms
        )
        return sa.select(_texts.c.n).where(
            _texts.c.words.op("@@")(sa.cast(sa.literal(text, sa.Text()), postgresql.TSQUERY))
        )

    def count(self, *, at_most: int | None = None, **filters: Unpack[Filters]) -> int:
        """Count recordings, see `Catalog.count`."""
        found = (
            sa.select(sa.literal(1))
            .select_from(_recordings)
            .where(*self._where(all_wanted=True, **filters))
        )
        if at_most is not None:
            found = found.limit(at_most)
        with self._reading() as db:
            return int(
                db.execute(sa.select(sa.func.count()).select_from(found.subquery())).scalar_one()
            )

    def projects(self) -> dict[str, int]:
        """Give each project with how many recordings it has."""
        c = _recordings.c
        query = sa.select(c.project, sa.func.count()).group_by(c.project).order_by(c.project)
        with self._reading() as db:
            return {str(row[0]): int(row[1]) for row in db.execute(query)}

    def totals(self) -> dict[str, int]:
        """Give sums over all recordings, see `Catalog.totals`."""
        c = _recordings.c
        query = sa.select(
            sa.func.count(),
            sa.func.sum(c.archived_bytes),
            sa.func.sum(c.raw_bytes),
            sa.func.sum(sa.case((c.complete, 0), else_=1)),
        )
        with self._reading() as db:
            found = db.execute(query).one()
        names = ("recordings", "archived_bytes", "raw_bytes", "incomplete")
        return {name: int(n or 0) for name, n in zip(names, found, strict=True)}

    def tags(self, projects: Sequence[str] | None = None) -> dict[str, int]:
        """Give each tag with how many recordings have it."""
        c = _recordings.c
        query = sa.select(c.tags_text, sa.func.count()).where(c.tags_text != "")
        if projects is not None:
            query = query.where(c.project.in_(projects))
        found: Counter[str] = Counter()
        with self._reading() as db:
            for text, n in db.execute(query.group_by(c.tags_text)):
                for tag in text.split("\n"):
                    found[tag] += n
        return dict(sorted(found.items()))

    def set_tags(self, project: str, id: str, tags: Sequence[str]) -> bool:  # noqa: A002 - the field's name
        """Say which tags a recording has; False when there is no such row."""
        c = _recordings.c
        statement = (
            sa.update(_recordings)
            .where(c.project == project, c.id == id)
            .values(tags_text="\n".join(tags))
        )
        with self._writing() as db:
            return bool(db.execute(statement).rowcount)

    def set_signals(
        self,
        project: str,
        id: str,  # noqa: A002 - the field's name
        *,
        kinds: Iterable[str],
        frustration: float | None,
    ) -> bool:
        """Say which signals were found, see `Catalog.set_signals`."""
        c = _recordings.c
        statement = (
            sa.update(_recordings)
            .where(c.project == project, c.id == id)
            .values(
                signals_text="\n".join(sorted(set(kinds))),
                frustration=NOT_SCORED if frustration is None else frustration,
            )
        )
        with self._writing() as db:
            return bool(db.execute(statement).rowcount)

    def set_text(
        self,
        project: str,
        id: str,  # noqa: A002 - the field's name
        text: SearchText,
        *,
        of_sha256: str,
        is_whole: bool = True,
    ) -> bool:
        """Say what of a recording is found, see `Catalog.set_text`."""
        return bool(self.set_texts([(project, id, text, of_sha256)], is_whole=is_whole))

    def set_texts(
        self, texts: Iterable[tuple[str, str, SearchText, str]], *, is_whole: bool = True
    ) -> int:
        """Say what of many is found, see `Catalog.set_texts`."""
        c = _recordings.c
        remaining, done = iter(texts), 0
        while batch := list(islice(remaining, _BATCH_ROWS)):
            named = {(project, id_): (text, sha) for project, id_, text, sha in batch}
            query = (
                sa.select(c.n, c.project, c.id, c.content_sha256)
                .where(sa.tuple_(c.project, c.id).in_(list(named)), c.content_sha256 != "")
                .order_by(c.project, c.id)
            )
            with self._writing() as db:
                # Locked: a row's events must not change between here and the end.
                rows: list[dict[str, Any]] = []
                for n, project, id_, stored_sha in db.execute(query.with_for_update()):
                    text, sha = named[project, id_]
                    if sha == stored_sha:
                        rows.append({"n": n, "of_sha256": sha, "is_whole": is_whole})
                        rows[-1] |= (
                            {"words": _tsvector(text)} if self._postgres else _columns_of(text)
                        )
                self._drop_texts(db, [row["n"] for row in rows])
                if rows:
                    db.execute(_INSERT_TSVECTOR if self._postgres else _INSERT_FTS, rows)
            done += len(rows)
        return done

    def without_text(self) -> Iterator[RecordingRow]:
        """Yield the rows without searchable text, see `Catalog.without_text`."""
        c = _recordings.c
        last = -1
        while True:
            key = "n" if self._postgres else "rowid"
            there: Any = (
                sa.select(sa.literal_column(key)).select_from(_texts).where(_texts.c.is_whole)
            )
            query = (
                sa.select(c.n, *_COLUMNS)
                .where(c.n > last, c.content_sha256 != "", c.n.not_in(there))
                .order_by(c.n)
                .limit(_PAGE_ROWS)
            )
            with self._reading() as db:
                found = db.execute(query).all()
            for n, *values in found:
                last = n
                yield RecordingRow(*values)
            if len(found) < _PAGE_ROWS:
                return

    def delete(self, project: str, id: str) -> bool:  # noqa: A002 - the field's name
        """Remove a row; False when there was none."""
        c, s = _recordings.c, _scores.c
        with self._writing() as db:
            n = db.execute(sa.select(c.n).where(c.project == project, c.id == id)).scalar()
            db.execute(sa.delete(_scores).where(s.project == project, s.id == id))
            if n is None:
                return False
            self._drop_texts(db, [n])
            done = db.execute(sa.delete(_recordings).where(c.n == n))
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
                db.execute(_SHOW_SCORE, [_shown_score(row) for row in ordered])

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
            db.execute(sa.text("DELETE FROM replayport_texts"))
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
                    for table in (_recordings, _texts, _scores, _state):
                        cursor.execute(f"VACUUM FULL {table.name}")
                    connection.driver_connection.autocommit = False  # type: ignore[union-attr]
                else:
                    # Words of removed rows stay in older parts of the index until they are merged.
                    cursor.execute(
                        "INSERT INTO replayport_texts(replayport_texts) VALUES ('optimize')"
                    )
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


_CONDITIONS: Final[dict[str, Callable[[Any], sa.ColumnElement[bool]]]] = {
    "project": lambda v: _recordings.c.project == v,
    "projects": lambda v: _recordings.c.project.in_(list(v)),
    "since_ms": lambda v: _recordings.c.start_ms >= v,
    "until_ms": lambda v: _recordings.c.start_ms < v,
    "person": lambda v: _recordings.c.distinct_id == v,
    "persons": lambda v: _recordings.c.distinct_id.in_(list(v)),
    "min_duration_ms": lambda v: _recordings.c.duration_ms >= v,
    "max_duration_ms": lambda v: _recordings.c.duration_ms <= v,
    "min_errors": lambda v: _recordings.c.errors >= v,
    "min_clicks": lambda v: _recordings.c.clicks >= v,
    "min_frustration": lambda v: _recordings.c.frustration >= v,
    "has_llm": lambda v: _recordings.c.llm_events > 0 if v else _recordings.c.llm_events == 0,
    "ids": lambda v: sa.or_(_recordings.c.session_id.in_(list(v)), _recordings.c.id.in_(list(v))),
}
"""Filters that are one comparison."""


def _stands_in(term: Term, query: Query) -> sa.ColumnElement[bool]:
    """Say that a row's words have a term in one of the fields, word for word."""
    wanted = f" {' '.join(term.words)}{'' if term.is_prefix else ' '}"
    return sa.or_(
        *(
            sa.func.instr(sa.literal(" ") + sa.column(name) + sa.literal(" "), wanted) > 0
            for name in query.fields
        )
    )


_SHOW_SCORE: Final = (
    sa.update(_recordings)
    .where(
        _recordings.c.project == sa.bindparam("of_project"),
        _recordings.c.id == sa.bindparam("of_id"),
        _recordings.c.created_ms == sa.bindparam("of_created_ms"),
    )
    .values(frustration=sa.bindparam("shown"), signals_text=sa.bindparam("kinds"))
)
"""Lists are filtered and ordered by the newest score of a recording as it is."""


def _shown_score(row: ScoreRow) -> dict[str, Any]:
    try:
        reasons = json.loads(row.reasons)
    except ValueError:  # a model of somebody's own says them in its own way
        reasons = []
    listed = reasons if isinstance(reasons, list) else []
    kinds = {r["kind"] for r in listed if isinstance(r, dict) and isinstance(r.get("kind"), str)}
    return {
        "of_project": row.project,
        "of_id": row.id,
        "of_created_ms": row.recording_created_ms,
        "shown": NOT_SCORED if row.score is None else row.score,
        "kinds": "\n".join(sorted(kinds)),
    }


_INSERT_FTS: Final = sa.text(
    "INSERT INTO replayport_texts (rowid, urls, titles, console, clicked, of_sha256, is_whole) "
    "VALUES (:n, :urls, :titles, :console, :clicked, :of_sha256, :is_whole)"
)
_INSERT_TSVECTOR: Final = sa.text(
    "INSERT INTO replayport_texts (n, of_sha256, is_whole, words) "
    "VALUES (:n, :of_sha256, :is_whole, CAST(:words AS tsvector))"
)


def _columns_of(text: SearchText) -> dict[str, str]:
    return {name: getattr(text, name) for name in FIELDS}


def _tsvector(text: SearchText) -> str:
    """Write a text as PostgreSQL's vector of words, their positions and their field."""
    places: dict[str, list[str]] = {}
    at = 0
    for name in FIELDS:
        for word in getattr(text, name).split():
            at += 1
            places.setdefault(word, []).append(f"{at}{_WEIGHTS[name]}")
        at += 1  # so that no phrase goes from one field into the next
    return " ".join(f"'{word}':{','.join(found)}" for word, found in places.items())


def _read_state(db: Connection, key: str, *, lock: bool = False) -> JsonObject | None:
    query = sa.select(_state.c.value).where(_state.c.key == key)
    text = db.execute(query.with_for_update() if lock else query).scalar()
    return None if text is None else dict(json.loads(text))
