"""An archive with a recording in each of two projects, and a server over it."""

from __future__ import annotations

import pytest
from tests.support.builders import draft
from tests.support.servers import Server

from replayport.archive import Archive
from replayport.player_assets import PlayerNotBuiltError, static_file


@pytest.fixture
def stored(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft(session_id="s-1", project="shop"))
        archive.write(draft(session_id="s-2", project="blog"))
        yield archive


@pytest.fixture
def server(stored):
    try:
        static_file("csp.json")
    except PlayerNotBuiltError:
        pytest.skip("the web player is not built")
    return Server(stored)


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """A server for tests that only ask, and change nothing of it."""
    try:
        static_file("csp.json")
    except PlayerNotBuiltError:
        pytest.skip("the web player is not built")
    with Archive.open(tmp_path_factory.mktemp("walked") / "a", create=True) as archive:
        archive.write(draft(session_id="s-1", project="shop"))
        archive.write(draft(session_id="s-2", project="blog"))
        yield Server(archive)
