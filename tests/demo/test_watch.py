"""`watch` fails when a recording does not play: a demo that cannot fail shows nothing."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from replayport.demo import watch as watching
from replayport.errors import ReplayError
from replayport.testing import serve

FIRST = "<script>setTimeout(() => dispatchEvent(new CustomEvent('firstframe')), 50)</script>"
PLAYER = """<script>customElements.define('replayport-player', class extends HTMLElement {
  play() { this.currentMs = 9000 }
  setSpeed() {} get durationMs() { return 9000 } })</script><replayport-player></replayport-player>"""


@pytest.mark.browser
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<p>nothing plays here", "in vain"),
        (PLAYER + FIRST, "empty page"),
        (PLAYER + FIRST + "<script>console.error('broken')</script>", "broken"),
        (PLAYER + FIRST + "<img src='http://127.0.0.2:9/x.png'>", "left the page"),
    ],
)
def test_what_does_not_play_is_an_error(monkeypatch, body, problem):
    monkeypatch.setattr(watching, "TIMEOUT_MS", 2500)

    async def page(_):
        return HTMLResponse(f"<!doctype html><link rel=icon href='data:,'><body>{body}")

    with (
        serve(Starlette(routes=[Route("/", page)])) as url,
        pytest.raises(ReplayError, match=problem),
    ):
        watching.watch(f"{url}/")
