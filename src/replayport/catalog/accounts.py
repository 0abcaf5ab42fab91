"""
Who may use the server: accounts, sessions, tokens, links, and messages on their way out.

```
replayport_accounts_schema     version
replayport_accounts_secrets    name, value      the key that signs cookies and links
replayport_users               one column a field of User; so are the others
replayport_sessions            Session
replayport_invites             Invite
replayport_tokens              ApiToken
replayport_shares              ShareLink
replayport_outgoing            Outgoing
```

No secret is stored that would open anything: passwords as Argon2 hashes (made by the
server), everything else as SHA-256 digests of 256 random bits. The signing key is the
exception; it has to be used.

Unlike the catalog this is no cache: nothing can make it again, and ``reindex`` never
touches it (docs/adr/0010). With a PostgreSQL catalog the tables are in the same database,
so that several servers know the same people; otherwise they are a SQLite file.
"""

from __future__ import annotations

import secrets
import sqlite3
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Generic, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from replayport.errors import CatalogError, MissingExtraError

ACCOUNTS_VERSION: Final = 2
ACCOUNTS_FILE: Final = "accounts.sqlite"
_BUSY_TIMEOUT_S: Final = 30
_ADVISORY_LOCK: Final = 0x6163636F756E  # "accoun"; any number of our own
_SIGNING_KEY: Final = "signing-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may sign in."""

    name: str
    """What they sign in with, lower case; an e-mail address or any other name."""
    role: str
    """``admin`` or ``viewer``."""
    projects: str = ""
    """Projects they see, one a line; all when empty."""
    password_hash: str | None = None
    """None until they chose one."""
    created_ms: int
    """Epoch milliseconds."""
    is_disabled: bool = False
    """May not sign in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is signed in."""

    digest: str
    """Of what its cookie holds."""
    user: str
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """A link with which somebody chooses a password, once."""

    digest: str
    """Of what the link holds."""
    user: str
    """Empty: whoever uses it chooses the name (the first administrator)."""
    role: str
    projects: str = ""
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A key for programs."""

    id: str
    digest: str
    """Of the key."""
    name: str
    """What its owner calls it."""
    owner: str
    """User who made it."""
    scopes: str
    """What it may do, one a line."""
    projects: str = ""
    """As in `User`."""
    created_ms: int
    expires_ms: int | None = None
    """None: never."""
    last_used_ms: int | None = None
    """To within a minute; None when it was not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLink:
    """A link with which anybody sees one recording, or a part of it."""

    id: str
    project: str
    recording_id: str
    created_by: str
    created_ms: int
    expires_ms: int | None = None
    """None: never."""
    revoked_ms: int | None = None
    """None: it is good."""
    password_hash: str | None = None
    """None: no password is asked for."""
    start_ms: int | None = None
    """What is before it never leaves the server; None: from the beginning."""
    end_ms: int | None = None
    """Exclusive; None: to the end."""
    show: str = "replay"
    """``replay``, ``actions`` or ``all``."""
    embed_in: str = ""
    """Origins whose pages may hold it in a frame, one a line; the server's setting when empty."""
    is_live: bool = False
    """Shows the recording while it is being made, too."""
    opened: int = 0
    """How often it was opened."""
    profile: str = ""
    """Redaction of what it shows: a profile's name, ``off`` for none; the server's when empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A webhook message that waits to be delivered."""

    key: str
    """What it tells of: the same is told once."""
    body: str
    created_ms: int
    due_ms: int
    attempts: int = 0
    last_error: str = ""
    is_done: bool = False
    """Delivered or given up; kept for a while so that it is not told again."""


Row = TypeVar("Row", User, Session, Invite, ApiToken, ShareLink, Outgoing)

_metadata = sa.MetaData()
_schema = sa.Table(
    "replayport_accounts_schema", _metadata, sa.Column("version", sa.Integer, primary_key=True)
)
_secrets = sa.Table(
    "replayport_accounts_secrets",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
_TYPES: Final[dict[type, type[Any]]] = {str: sa.Text, int: sa.BigInteger, bool: sa.Boolean}


def _table(name: str, row: type[Any], *indexes: sa.Index) -> sa.Table:
    """Make a table of a dataclass; its first field is the key."""
    hints = typing.get_type_hints(row)
    columns = []
    for n, field in enumerate(fields(row)):
        hint = hints[field.name]
        nullable = isinstance(hint, types.UnionType)
        plain = next(a for a in typing.get_args(hint) if a is not type(None)) if nullable else hint
        columns.append(sa.Column(field.name, _TYPES[plain], primary_key=n == 0, nullable=nullable))
    return sa.Table(name, _metadata, *columns, *indexes)


_TABLES: Final[dict[type[Any], sa.Table]] = {
    User: _table("replayport_users", User),
    Session: _table("replayport_sessions", Session),
    Invite: _table("replayport_invites", Invite),
    ApiToken: _table(
        "replayport_tokens", ApiToken, sa.Index("replayport_tokens_by_digest", "digest")
    ),
    ShareLink: _table(
        "replayport_shares",
        ShareLink,
        sa.Index("replayport_shares_by_recording", "project", "recording_id"),
    ),
    Outgoing: _table(
        "replayport_outgoing", Outgoing, sa.Index("replayport_outgoing_by_due", "due_ms")
    ),
}


class Rows(Generic[Row]):
    """One table of `Accounts`."""

    def __init__(self, accounts: Accounts, kind: type[Row]) -> None:
        self._accounts = accounts
        self._kind: type[Any] = kind
        self._table = _TABLES[kind]
        self._key = next(iter(self._table.primary_key.columns))

    def add(self, row: Row) -> bool:
        """Add a row; False when one of that key is there."""
        try:
            with self._accounts.transaction() as db:
                db.execute(self._table.insert().values(asdict(row)))
        except IntegrityError:
            return False
        return True

    def put(self, row: Row) -> None:
        """Add a row, or replace the one of that key."""
        insert = self._accounts.insert(self._table)
        values = asdict(row)
        statement = insert.values(values).on_conflict_do_update(
            index_elements=[self._key.name], set_=values
        )
        with self._accounts.transaction() as db:
            db.execute(statement)

    def get(self, key: str) -> Row | None:
        """Give the row of a key."""
        found = self.list({self._key.name: key})
        return found[0] if found else None

    def list(self, where: Mapping[str, Any] | None = None, *, limit: int = 10_000) -> list[Row]:
        """
        Give the rows whose fields have these values, by key.

        Args:
            where: Field to value.
            limit: At most so many.
        """
        c = self._table.c
        names = [f.name for f in fields(self._kind)]
        query = (
            sa.select(*(c[name] for name in names))
            .where(*(c[name] == value for name, value in (where or {}).items()))
            .order_by(self._key)
            .limit(limit)
        )
        with self._accounts.transaction() as db:
            found = db.execute(query).all()
        return [self._kind(**dict(zip(names, row, strict=True))) for row in found]

    def change(self, key: str, **values: Any) -> bool:
        """Change fields of a row; False when there is none."""
        statement = sa.update(self._table).where(self._key == key).values(**values)
        with self._accounts.transaction() as db:
            return bool(db.execute(statement).rowcount)

    def remove(self, **where: Any) -> int:
        """Remove the rows whose fields have these values; give how many there were."""
        if not where:
            raise ValueError("say which rows to remove")
        c = self._table.c
        statement = sa.delete(self._table).where(*(c[n] == value for n, value in where.items()))
        with self._accounts.transaction() as db:
            return int(db.execute(statement).rowcount)

    def remove_before(self, field: str, ms: int) -> int:
        """Remove the rows whose time in a field is before one."""
        statement = sa.delete(self._table).where(self._table.c[field] < ms)
        with self._accounts.transaction() as db:
            return int(db.execute(statement).rowcount)


class Accounts:
    """
    The tables. Safe to use from several threads, and several processes at once.

    Every method raises `CatalogError` when the database fails.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._postgres = engine.dialect.name == "postgresql"
        self.users = Rows(self, User)
        self.sessions = Rows(self, Session)
        self.invites = Rows(self, Invite)
        self.tokens = Rows(self, ApiToken)
        self.shares = Rows(self, ShareLink)
        self.outgoing = Rows(self, Outgoing)
        with self.transaction() as db:
            if self._postgres:
                db.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            _metadata.create_all(db)
            found = db.execute(sa.select(sa.func.max(_schema.c.version))).scalar()
            if found is None:
                db.execute(_schema.insert().values(version=ACCOUNTS_VERSION))
            elif found == 1:  # the first: links had no profile of their own
                db.execute(
                    sa.text(
                        "ALTER TABLE replayport_shares ADD COLUMN profile TEXT NOT NULL DEFAULT ''"
                    )
                )
                db.execute(sa.update(_schema).values(version=ACCOUNTS_VERSION))
            elif found != ACCOUNTS_VERSION:
                raise CatalogError(
                    f"the accounts have schema version {found}, this package knows "
                    f"{ACCOUNTS_VERSION}. Another replayport made them. "
                    "Upgrade: pip install -U replayport"
                )

    @classmethod
    def open(cls, url: str | Path) -> Accounts:
        """
        Open the accounts, making them when there are none.

        Args:
            url: Path of a SQLite file, ``sqlite://`` for one in memory, or
                ``postgresql://…``.

        Raises:
            CatalogError: The database is damaged, of another version, or out of reach.
            MissingExtraError: PostgreSQL's driver is not installed.
        """
        if isinstance(url, str) and url.startswith(("postgres://", "postgresql://")):
            return cls(_postgres_engine(url))
        path = None if url == "sqlite://" else Path(url)
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
            except OSError as e:
                raise CatalogError(
                    f"the accounts cannot be kept at {path}: {e.strerror}. Check that this user "
                    "may write there"
                ) from e
        engine = sa.create_engine(
            f"sqlite+pysqlite:///{path}" if path else "sqlite+pysqlite://",
            hide_parameters=True,
            connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_S},
            poolclass=QueuePool,
            **({} if path else {"pool_size": 1, "max_overflow": 0}),
        )
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", lambda db: db.exec_driver_sql("BEGIN IMMEDIATE"))
        return cls(engine)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run statements as one; `CatalogError` for what the database refuses."""
        try:
            with self._engine.begin() as db:
                yield db
        except IntegrityError:
            raise
        except SQLAlchemyError as e:
            cause = getattr(e, "orig", None) or e
            raise CatalogError(f"the accounts failed: {str(cause).partition(chr(10))[0]}") from e

    def insert(self, table: sa.Table) -> Any:
        """Give an insert statement that knows what to do with a conflict."""
        return (postgresql if self._postgres else sqlite).insert(table)

    def signing_key(self) -> str:
        """Give the key that signs cookies and links; the first to ask makes it."""
        made = self.insert(_secrets).values(name=_SIGNING_KEY, value=secrets.token_hex(32))
        with self.transaction() as db:
            db.execute(made.on_conflict_do_nothing())
            query = sa.select(_secrets.c.value).where(_secrets.c.name == _SIGNING_KEY)
            return str(db.execute(query).scalar_one())

    def take_invite(self, digest: str) -> Invite | None:
        """Give an invite and remove it, so that of two who use it one does."""
        found = self.invites.get(digest)
        return found if found is not None and self.invites.remove(digest=digest) else None

    def due_outgoing(self, now_ms: int, *, limit: int) -> list[Outgoing]:
        """Give messages that are due, the longest due first."""
        table = _TABLES[Outgoing]
        query = (
            sa.select(*(table.c[f.name] for f in fields(Outgoing)))
            .where(table.c.due_ms <= now_ms, table.c.is_done.is_(False))
            .order_by(table.c.due_ms)
            .limit(limit)
        )
        names = [f.name for f in fields(Outgoing)]
        with self.transaction() as db:
            found = db.execute(query).all()
        return [Outgoing(**dict(zip(names, row, strict=True))) for row in found]

    def forget_recording(self, project: str, recording_id: str) -> int:
        """Remove the links to a recording, as when it is erased; give how many there were."""
        return self.shares.remove(project=project, recording_id=recording_id)

    def close(self) -> None:
        """Give back files and connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _postgres_engine(url: str) -> Engine:
    try:
        parsed = sa.engine.make_url(url).set(drivername="postgresql+psycopg")
        return sa.create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    except ImportError as e:
        raise MissingExtraError(extra="postgres", needed_for="A PostgreSQL database") from e
    except (SQLAlchemyError, ValueError) as e:
        raise CatalogError(
            "the accounts URL cannot be read. Write a path, or "
            "postgresql://user:password@host/database"
        ) from e


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by the engine's own event
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
