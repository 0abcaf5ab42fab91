"""Pages: who is sent to sign in, where to after it, and the built web app."""

from __future__ import annotations

import pytest

from replayport.server.routes import pages
from replayport.server.routes.pages import safe_path


def test_who_is_not_signed_in_is_asked_to(server):
    stranger = server.client()
    answer = stranger.get("/recordings/shop/s-1?t=5", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Frecordings%2Fshop%2Fs-1%3Ft%3D5"
    page = stranger.get(answer.headers["location"])
    assert 'data-next="/recordings/shop/s-1?t=5"' in page.text


def test_who_is_signed_in_is_not(server):
    ann = server.browser()
    answer = ann.get("/sign-in?next=/recordings/shop/s-1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/recordings/shop/s-1")


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\b",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "/x\r\nset-cookie: a=b",
        "",
        "evil",
    ],
)
def test_no_other_site_is_gone_to(server, path):
    assert safe_path(path) == "/"
    ann = server.browser()
    answer = ann.get("/sign-in", params={"next": path}, follow_redirects=False)
    assert answer.headers["location"] == "/"
    page = server.client().get("/sign-in", params={"next": path})
    assert 'data-next="/"' in page.text
    assert "set-cookie" not in page.headers


def test_the_web_app_is_shown_where_it_was_built(server, monkeypatch):
    monkeypatch.setattr(pages, "app_file", lambda path: f"<p>{path}".encode())
    ann = server.browser()
    for path in ("/", "/recordings/shop/s-1", "/projects", "/projects/shop", "/settings"):
        assert ann.get(path).text == "<p>app/index.html", path
    assert ann.get("/recordings/shop/none").status_code == 404
    asset = ann.get("/static/app/assets/x-123.js")
    assert asset.headers["content-type"].startswith("text/javascript")
    assert "immutable" in asset.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["../pyproject.toml", "..%2fplayer.js", "%2e%2e/player.js", "/etc/passwd", "a/../../x"]
)
def test_no_other_file_is_served(server, path):
    assert server.client().get(f"/static/app/{path}").status_code == 404
