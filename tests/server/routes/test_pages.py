"""Pages: who is sent to sign in, where to after it, and the built web app."""

from __future__ import annotations

import re

import pytest

from replayport.server.routes import pages
from replayport.server.routes.pages import safe_path


def test_who_is_not_signed_in_is_asked_to(server):
    stranger = server.client()
    answer = stranger.get("/recordings/shop/s-1?t=5", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Frecordings%2Fshop%2Fs-1%3Ft%3D5"
    assert stranger.get(answer.headers["location"]).status_code == 200


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
    assert "evil" not in page.text
    assert "set-cookie" not in page.headers


APP_PATHS = ("/", "/recordings/shop/s-1", "/projects", "/projects/shop", "/settings")


def test_every_page_is_the_web_app_and_holds_no_data(server):
    ann = server.browser()
    pages = {ann.get(path).text for path in APP_PATHS}
    pages |= {server.client().get(path).text for path in ("/sign-in", "/setup")}
    (page,) = pages
    assert 'id="app"' in page
    assert "shop" not in page


def test_its_page_runs_nothing_the_policy_forbids(server):
    answer = server.browser().get("/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe-eval" not in policy
    assert "default-src 'none'" in policy
    page = answer.text
    assert all(tag.startswith(" type=") and " src=" in tag for tag in _tags(page, "script"))
    assert _tags(page, "style") == []
    assert " on" not in page.replace(" on ", "")


def test_a_recording_that_is_not_there_is_said_by_the_app(server):
    ann = server.browser()
    for path in ("/recordings/shop/none", "/recordings/none/s-1"):
        answer = ann.get(path)
        assert answer.status_code == 404
        assert 'id="app"' in answer.text


def test_built_files_are_kept_for_good(server):
    client = server.client()
    page = client.get("/sign-in").text
    (script,) = re.findall(r'src="(/static/app/assets/[^"]+[.]js)"', page)
    (style,) = re.findall(r'href="(/static/app/assets/[^"]+[.]css)"', page)
    for path, kind in ((script, "text/javascript"), (style, "text/css")):
        answer = client.get(path)
        assert answer.headers["content-type"].startswith(kind)
        assert "immutable" in answer.headers["cache-control"]
    icon = client.get("/static/app/icon.svg")
    assert icon.headers["content-type"].startswith("image/svg+xml")
    assert "immutable" not in icon.headers["cache-control"]


def test_without_the_built_app_a_page_says_how_to_build_it(server, monkeypatch):
    monkeypatch.setattr(pages, "app_file", lambda _: None)
    answer = server.browser().get("/")
    assert answer.status_code == 404
    assert "make web" in answer.text


def _tags(page, name):
    return re.findall(rf"<{name}([^>]*)>", page)


@pytest.mark.parametrize(
    "path", ["../pyproject.toml", "..%2fplayer.js", "%2e%2e/player.js", "/etc/passwd", "a/../../x"]
)
def test_no_other_file_is_served(server, path):
    assert server.client().get(f"/static/app/{path}").status_code == 404
