"""
What the player promises of a hostile recording, in the other engine.

Chromium goes through the whole museum in `test_museum`; Firefox resolves addresses ahead, blocks
and sanitises by code of its own, so the same exhibits are shown to it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser.conftest import Server
from tests.support.firefox import Firefox, running_firefox

from replayport.archive import Archive
from replayport.export import ExportOptions
from replayport.export.html import export as export_html
from replayport.format.reader import Recording
from replayport.server.app import make_app
from replayport.testing.attacks import EXHIBITS, HELLO, LEAVING, Museum
from replayport.testing.serving import serve

pytestmark = [pytest.mark.browser, pytest.mark.firefox]

PLAYER = 'document.querySelector("replayport-player")'
TOUCHED = "[!!window.__pwned, document.title.startsWith('pwned'), 'polluted' in {}].some(Boolean)"


@pytest.fixture(scope="module")
def running() -> Iterator[Firefox]:
    with running_firefox() as firefox:
        yield firefox


@pytest.fixture
def firefox(running: Firefox) -> Firefox:
    running.open("about:blank")
    running.said.clear()
    return running


@pytest.fixture
def archive(server: Server, tmp_path: Path) -> Iterator[Archive]:
    """An archive of one recording that holds every exhibit, all of which ask the server."""
    museum = Museum(server.url)
    for name, show in EXHIBITS.items():
        museum.enter(name, show)
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(museum.draft(session_id="museum", project="p", distinct_id="ann"))
        yield archive


@pytest.fixture
def recording(archive: Archive) -> Recording:
    (it,) = archive.recordings()
    return it


def drawn(text: str) -> str:
    return f"top !== self && document.querySelector('h1,p')?.innerText === {text!r}"


def walk_and_see_nothing(firefox: Firefox, server: Server) -> None:
    """Play all of it, jump about in it; nothing ran, nothing was asked for, nothing complained."""
    duration_ms = firefox.until(f"{PLAYER}?.durationMs")
    firefox.evaluate(f"({PLAYER}.pause(), {PLAYER}.seek(0))")
    firefox.until(drawn(HELLO))
    firefox.evaluate(f"{PLAYER}.seek({duration_ms / 2})")
    firefox.evaluate(f"({PLAYER}.speed = 8, {PLAYER}.seek({duration_ms - 800}), {PLAYER}.play())")
    firefox.until(f"{PLAYER}?.state === 'ended'")
    firefox.until(drawn(LEAVING))
    assert [url for url, touched in firefox.everywhere(TOUCHED) if touched] == []
    assert server.hits == []
    assert firefox.said == []


def test_without_protection_it_is_noticed(firefox: Firefox, server: Server) -> None:
    page = f"<!doctype html><p>x<img src='{server.url}/asked' onerror='window.__pwned=1'>"
    server.files["/"] = ("text/html", page.encode())
    firefox.open(f"{server.url}/")
    firefox.until(TOUCHED)
    assert "/asked" in server.hits


def test_museum_in_an_html_export(
    firefox: Firefox, server: Server, recording: Recording, page_file: Path
) -> None:
    page_file.write_bytes(b"".join(export_html(recording, ExportOptions())))
    firefox.open(page_file.as_uri())
    walk_and_see_nothing(firefox, server)


def test_museum_in_the_app(firefox: Firefox, server: Server, archive: Archive) -> None:
    with serve(make_app(archive)) as url:
        firefox.open(f"{url}/recordings/p/museum")
        walk_and_see_nothing(firefox, server)
        firefox.open("about:blank")  # closes what the server would wait for
