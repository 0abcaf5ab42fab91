"""A shared link in a browser: its page, and a frame on a page of another origin."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.support.builders import START_MS, click, draft, full_snapshot, meta, mutation
from tests.support.servers import PASSWORD, Server

from replayport.archive import Archive
from replayport.testing import serve

VISIT = [
    meta(),
    full_snapshot(1, text="first words"),
    mutation(2000, texts=[{"id": 6, "value": "second words"}]),
    click(2500),
    mutation(6000, texts=[{"id": 6, "value": "last words"}]),
    click(8000),
]

AROUND = """<!doctype html><iframe src="%s" style="width:900px;height:600px"></iframe><script>
window.heard = [];
addEventListener("message", ({ origin, data }) => window.heard.push([origin, data]));
window.tell = (message) => document.querySelector("iframe").contentWindow.postMessage(message, "*");
</script>"""


@pytest.fixture
def shared(tmp_path, browser):
    """A server over one recording, and a maker of links to it."""
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft(VISIT, project="shop"))
        server = Server(archive)
        server.access.now_ms = lambda: server.now_ms
        with serve(server.app) as url:

            def make(**more):
                link = server.services.sharing.create("shop", "s-1", created_by="ann", **more)
                return link, f"{url}/%s/{server.services.sharing.token(link)}"

            yield server, make, url


@pytest.fixture
def other_site():
    """A site of another origin; set its page with ``site.page``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.server.page.encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.page = ""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


def until(page, condition, what):
    for _ in range(400):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never happened: {what}")


def drawn(page):
    """Give the text of the recorded page, wherever its frame is."""
    texts = []
    for frame in page.frames:
        try:
            texts.append(frame.evaluate("document.body ? document.body.innerText : ''"))
        except Exception:  # its page gave way to a newer one meanwhile
            continue
    return " ".join(texts)


def test_the_page_of_a_link_plays_and_lists_what_it_shows(shared, page):
    server, make, _ = shared
    _, address = make(show="actions", start_ms=START_MS + 1000, end_ms=START_MS + 7000)
    page.goto(address % "shared")
    until(page, lambda: "first words" in drawn(page), "the page as it was at the start is drawn")
    until(page, lambda: page.locator(".feed button").count() >= 1, "what was done is listed")
    page.locator(".feed button").last.click()
    until(page, lambda: "second words" in drawn(page), "a click on a row goes there")
    assert page.evaluate("document.querySelector('replayport-player').durationMs") <= 6000
    assert page.complaints == []


def test_a_password_is_asked_for(shared, page):
    _, make, _ = shared
    _, address = make(password="open sesame")
    page.goto(address % "shared")
    page.fill("input[type=password]", "guess")
    page.click("button")
    until(page, lambda: "wrong" in page.locator(".said").inner_text(), "it is said to be wrong")
    page.fill("input[type=password]", "open sesame")
    page.click("button")
    until(page, lambda: "first words" in drawn(page), "it plays")


def test_a_frame_on_another_site_is_driven_by_it(shared, page, other_site):
    _, make, url = shared
    _, address = make(embed_in=[other_site.url])
    other_site.page = AROUND % (address % "embed")
    page.goto(other_site.url)
    until(page, lambda: "first words" in drawn(page), "it plays in the frame")
    page.evaluate("tell({ replayport: 'seek', value: 3000 })")
    until(page, lambda: "second words" in drawn(page), "it goes where it is told")
    page.evaluate("tell({ replayport: 'play' })")

    def heard(name):
        return page.evaluate(
            "(name) => heard.filter(([, d]) => d.name === name).map(([origin]) => origin)", name
        )

    until(page, lambda: heard("play"), "it says that it plays")
    assert set(heard("play")) == {url}
    assert "words" not in page.evaluate("JSON.stringify(heard)")


def test_a_site_that_is_not_named_shows_nothing(shared, page, other_site):
    _, make, url = shared
    _, address = make(embed_in=["https://help.example.com"])
    refused = []
    page.on("console", lambda m: refused.append(m.text) if "frame-ancestors" in m.text else None)
    for kind in ("embed", "shared"):
        other_site.page = AROUND % (address % kind)
        page.goto(other_site.url)
        until(page, lambda: refused, "the browser refuses to frame it")
        assert "words" not in drawn(page)
        assert not any(f.url.startswith(url) for f in page.frames)
        refused.clear()


def test_a_revoked_link_says_so(shared, page):
    server, make, _ = shared
    link, address = make()
    server.services.sharing.revoke(link.id)
    answer = page.goto(address % "shared")
    assert answer.status == 410
    assert "not good any more" in page.locator("body").inner_text()


def test_signing_in_goes_where_one_wanted_to(shared, page):
    server, _, url = shared
    server.user("ann")
    page.goto(f"{url}/recordings/shop/s-1")
    page.fill("input[name=name]", "ann")
    page.fill("input[name=password]", "wrong password")
    page.click("button")
    until(page, lambda: "wrong" in page.locator(".said").inner_text(), "it is said to be wrong")
    page.fill("input[name=password]", PASSWORD)
    page.click("button")
    page.wait_for_url(f"{url}/recordings/shop/s-1")
    until(page, lambda: "first words" in drawn(page), "the recording plays")


def test_an_invitation_is_taken(shared, page):
    server, _, url = shared
    page.goto(f"{url}/setup#{server.access.setup_secret()}")
    assert "#" not in page.url  # the secret does not stay in the address
    page.fill("input[name=name]", "ann")
    page.fill("input[name=password]", PASSWORD)
    page.fill("input[name=again]", PASSWORD)
    page.click("button")
    page.wait_for_url(f"{url}/")
    assert server.accounts.users.get("ann").role == "admin"
