"""The marimo example runs, and plays in a browser what is chosen in it."""

from __future__ import annotations

import contextlib
import re
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, sync_playwright
from tests.browser.conftest import CHROMIUM_ARGS

from replayport.demo.record import find_chromium
from replayport.errors import ReplayError
from replayport.player_assets import PLAYER_FILE, PlayerNotBuiltError, static_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "marimo" / "watch.py"
TIMEOUT_S = 90


@pytest.fixture(autouse=True)
def built() -> None:
    try:
        static_file(PLAYER_FILE)
    except PlayerNotBuiltError:
        pytest.skip("the web player is not built")


def test_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = runpy.run_path(str(EXAMPLE))["app"]
    outputs, defined = app.run()
    [player] = [o for o in outputs if type(o).__name__ == "Shown"]
    assert player.html.startswith('<iframe sandbox="allow-scripts allow-same-origin" ')
    assert defined["recording"].id == defined["choice"].value
    assert len(defined["choice"].options) == 7
    assert (
        defined["actions"]["text"].tolist()
        == defined["recording"].actions().pandas()["text"].tolist()
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The example as ``marimo run`` serves it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    args = ["run", str(EXAMPLE), "--headless", "--no-token", "--host", "127.0.0.1"]
    server = subprocess.Popen(
        [sys.executable, "-m", "marimo", *args, "--port", str(port)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + TIMEOUT_S
    while True:
        assert server.poll() is None, "marimo ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        assert time.monotonic() < end, "marimo never listened"
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(30)


@pytest.fixture
def browser() -> Iterator[Browser]:
    try:
        chromium = find_chromium()
    except ReplayError as e:
        pytest.skip(str(e))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.mark.browser
def test_plays_what_is_chosen(served: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.goto(served)

    def drawn() -> str:
        texts = []
        for frame in page.frames[1:]:
            with contextlib.suppress(Error):  # it went while it was read
                texts.append(frame.evaluate("document.body?.innerText ?? ''"))
        return "\n".join(texts)

    def until(words: str) -> None:
        end = time.monotonic() + TIMEOUT_S
        while not re.search(words, drawn()):
            assert time.monotonic() < end, f"{words!r} was never drawn, but {drawn()[:500]!r}"
            page.wait_for_timeout(100)

    until("Hello, Ada")
    select = page.locator("select").first
    wanted = next(t for t in select.locator("option").all_inner_texts() if "item=cove-jumper" in t)
    select.select_option(label=wanted)
    until("Cove fisherman")
