"""
The catalog: what is in an archive, without opening its files.

`open_catalog` makes one; `replayport.catalog.base` says what it does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from replayport.catalog.base import ORDER_FIELDS, Catalog, JsonObject, PageKey, RecordingRow
from replayport.errors import SettingsError

__all__ = [
    "CATALOGS",
    "ORDER_FIELDS",
    "Catalog",
    "JsonObject",
    "PageKey",
    "RecordingRow",
    "open_catalog",
    "open_read_only",
]


def _load_sqlite(url: str | Path, *, rebuild: bool) -> Catalog:
    from replayport.catalog.sql import open_sqlite

    return open_sqlite(url, rebuild=rebuild)


def _load_postgres(url: str, *, rebuild: bool) -> Catalog:
    from replayport.catalog.sql import open_postgres

    return open_postgres(url, rebuild=rebuild)


CATALOGS: Final[dict[str, Callable[..., Catalog]]] = {
    "sqlite": _load_sqlite,
    "postgresql": _load_postgres,
    "postgres": _load_postgres,
}
"""By scheme of the URL."""


def open_catalog(url: str | Path, *, rebuild: bool = False) -> Catalog:
    """
    Open a catalog, making its tables (and a SQLite file's folders) when they are missing.

    Args:
        url: Path of a SQLite file; ``sqlite:///relative/path``, ``sqlite:////absolute/path``;
            ``sqlite://`` for one in memory; ``postgresql://user:password@host/database``.

        rebuild: Start empty when what is there is damaged or of another schema version,
            instead of raising. For ``replayport reindex`` only: state is lost as well.

    Raises:
        SettingsError: No catalog is known by that scheme.
        CatalogError: The database is damaged, of another schema version, or out of reach.
        MissingExtraError: PostgreSQL's driver is not installed.
    """
    if isinstance(url, Path) or "://" not in url:
        return CATALOGS["sqlite"](Path(url), rebuild=rebuild)
    scheme = url.partition("://")[0].lower()
    if scheme not in CATALOGS:
        raise SettingsError(
            f"catalog URL with scheme {scheme!r} is not known. "
            f"Use a path or one of: {', '.join(f'{s}://' for s in CATALOGS)}"
        )
    return CATALOGS[scheme](url, rebuild=rebuild)


def open_read_only(path: Path) -> Catalog:
    """
    Open a SQLite file in a folder that cannot be written.

    Raises:
        CatalogError: It is damaged, or of another schema version.
    """
    from replayport.catalog.sql import open_sqlite_read_only

    return open_sqlite_read_only(path)
