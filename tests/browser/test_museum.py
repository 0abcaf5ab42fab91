"""
The museum of attacks, through every place that plays a recording, in a real browser.

Each exhibit asks a listener that counts, or sets ``__pwned`` in the windows it reaches.
"""

from __future__ import annotations

import hashlib
import io
import json
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Frame, Page
from tests.browser.conftest import Server
from tests.support.servers import PASSWORD
from tests.support.servers import Server as SignedIn

from replayport.archive import Archive, encode_draft
from replayport.export import ExportOptions
from replayport.export.bundle import export as export_bundle
from replayport.export.html import export as export_html
from replayport.format.reader import Recording
from replayport.player_assets import PLAYER_FILE, static_file
from replayport.testing.attacks import (
    EXHIBITS,
    FREEZING,
    HELLO,
    LEAVING,
    Museum,
    alone,
    draft_of,
)
from replayport.testing.serving import serve

pytestmark = pytest.mark.browser

PLAYER = 'document.querySelector("replayport-player")'
HOSTILE_ID = "\"><svg onload='window.__pwned=1'>"
"""Of the session and the person."""
POLICY_REPORTS = """
  window.blockedHere = [];
  document.addEventListener("securitypolicyviolation",
    (event) => blockedHere.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@dataclass
class Listener:
    """A port that counts who connects, be it without a word, and what they ask for."""

    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """The address everything in the museum points to."""
    listening = socket.create_server(("127.0.0.1", 0))
    it = Listener(f"http://127.0.0.1:{listening.getsockname()[1]}")

    def listen() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                it.asked.append("connected")
                connection.settimeout(0.2)
                try:
                    it.asked[-1] = connection.recv(4096).decode("latin-1").partition("\r\n")[0]
                    connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                except OSError:
                    continue

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield it
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.fixture(scope="module")
def archive(listener: Listener, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """The exhibits in one recording, and each of those that freeze in one of its own."""
    with Archive.open(tmp_path_factory.mktemp("museum") / "a", create=True) as archive:
        museum = Museum(listener.url)
        for name, show in EXHIBITS.items():
            museum.enter(name, show)
        archive.write(museum.draft(session_id=HOSTILE_ID, project="p", distinct_id=HOSTILE_ID))
        for name, make in FREEZING.items():
            archive.write(draft_of(make(Museum(listener.url)), session_id=name, project="p"))
        yield archive


def gallery(archive: Archive) -> Recording:
    """The recording of the exhibits."""
    (it,) = (r for r in archive.recordings() if r.manifest.session_id == HOSTILE_ID)
    return it


@pytest.fixture(scope="module")
def signed_in(archive: Archive) -> Iterator[tuple[str, SignedIn]]:
    """A server with sign-in over it, and its address."""
    server = SignedIn(archive)
    server.user()
    with serve(server.app) as url:
        yield url, server


@dataclass
class Visitor:
    """A page, what it ran and what it asked for."""

    page: Page
    listener: Listener
    own: tuple[str, ...] = ("data:", "about:", "blob:")
    """Addresses it may ask for."""
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def at(self) -> Page | Frame:
        """Where the player is: the page, or the one in it of another site."""
        found = [f for f in self.page.frames if "/embed/" in f.url]
        return found[0] if found else self.page

    def until(self, expression: str, timeout_s: float = 20) -> Any:
        """Wait for an expression to be truthy."""
        for _ in range(int(timeout_s / 0.05)):
            try:
                if value := self.at.evaluate(expression):
                    return value
            except Error:
                pass  # it goes from one page to another just now
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never became true: {expression}; {self.said[-3:]}")

    def until_drawn(self, wanted: str) -> None:
        """Wait for the heading of the recorded page."""
        for _ in range(100):
            for frame in self.page.frames:
                if frame.url.startswith(("http", "file")):
                    continue
                try:
                    if frame.evaluate("document.querySelector('h1,p')?.innerText") == wanted:
                        return
                except Error:
                    continue  # a replayer gave way to a newer one
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{wanted!r} was not drawn; {self.said[-3:]}")

    def ran(self) -> list[str]:
        """Give the frames in which something ran."""
        found = []
        for frame in self.page.frames:
            try:
                state = frame.evaluate(
                    "[!!window.__pwned, document.title.startsWith('pwned'), 'polluted' in {}]"
                )
            except Error:
                continue
            if any(state):
                found.append(f"{frame.url[:60]}: {state}")
        return found

    def blocked(self) -> list[str]:
        """Give what only a policy stopped: the sanitiser should have, before."""
        found = []
        for frame in self.page.frames:
            try:
                found += frame.evaluate("window.blockedHere ?? []")
            except Error:
                continue
        return found

    def walk(self) -> None:
        """Play it all, jump about in it, press pause: what is drawn last is the end."""
        self.until(f"{PLAYER} !== null")
        duration_ms = self.until(f"{PLAYER}.durationMs")
        self.at.evaluate(f"{PLAYER}.pause()")
        self.at.evaluate(f"{PLAYER}.seek(0)")
        self.until_drawn(HELLO)
        self.at.evaluate(f"{PLAYER}.seek({duration_ms / 2})")
        self.at.evaluate(f"({PLAYER}.speed = 8, {PLAYER}.seek({duration_ms - 800}))")
        self.at.evaluate(f"{PLAYER}.play()")
        self.until(f"{PLAYER}.state === 'ended'")
        self.until_drawn(LEAVING)
        self.answers()

    def answers(self) -> None:
        """Press play and pause as somebody would."""
        self.at.evaluate(
            f"""(window.pressed = 0, ["play", "pause"].forEach((name) =>
              {PLAYER}.addEventListener(name, () => {{ window.pressed += 1 }})))"""
        )
        self.at.evaluate(f"({PLAYER}.speed = 0.5, {PLAYER}.seek(0))")
        before = self.at.evaluate("window.pressed")
        self.at.locator("replayport-player .toggle").click(timeout=15_000)
        self.until(f"window.pressed > {before}")

    def saw_nothing(self) -> None:
        """Nothing ran, nothing was asked for, and nothing was even tried."""
        self.page.wait_for_timeout(200)
        assert self.ran() == []
        assert self.listener.asked == []
        assert self.blocked() == []
        assert self.asked == []
        assert self.said == []


@pytest.fixture
def visitor(browser: Browser, listener: Listener) -> Iterator[Callable[..., Visitor]]:
    """Makes pages that note what happens in them."""
    contexts = []
    listener.asked.clear()

    def open_page(url: str, *own: str, signs_in_at: str | None = None) -> Visitor:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(POLICY_REPORTS)
        it = Visitor(page, listener, ("data:", "about:", "blob:", url, *own))
        page.on("request", lambda r: None if r.url.startswith(it.own) else it.asked.append(r.url))
        page.on("console", lambda m: it.said.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: it.said.append(str(error)))
        page.on("dialog", lambda d: (it.said.append(d.message), d.dismiss()))
        page.on("popup", lambda p: it.said.append(f"opened {p.url}"))
        page.on("crash", lambda _: it.said.append("crashed"))
        if signs_in_at is not None:
            answer = context.request.post(
                f"{signs_in_at}/api/session",
                data={"name": "ann", "password": PASSWORD},
                headers={"origin": signs_in_at},
            )
            assert answer.ok, answer.text()
        page.goto(url)
        return it

    yield open_page
    for context in contexts:
        context.close()


def naive(node: Any) -> str:
    """A node as somebody would write it who trusts it."""
    if node["type"] == 3:
        return str(node["textContent"])
    attributes = "".join(f' {k}="{escape(str(v))}"' for k, v in node["attributes"].items())
    inside = "".join(naive(child) for child in node["childNodes"])
    return f"<{node['tagName']}{attributes}>{inside}</{node['tagName']}>"


def test_without_protection_it_runs_and_asks(
    visitor: Callable[..., Visitor], listener: Listener, server: Server
) -> None:
    rooms = {
        "event_handlers",
        "elements_that_load",
        "links",
        "stylesheets",
        "svg_and_mathml",
    }
    museum = Museum(listener.url)
    for name in rooms:
        museum.enter(name, EXHIBITS[name])
    page = "<!doctype html><body>" + "".join(naive(node) for node in museum.nodes)
    server.files["/"] = ("text/html", page.encode())
    it = visitor(f"{server.url}/")
    it.until("window.__pwned")
    it.page.wait_for_timeout(300)
    assert it.ran() != []
    asked_by = {line.split("/")[1] for line in listener.asked if line.count("/") > 1}
    assert rooms - {"event_handlers"} <= asked_by
    assert len(listener.asked) > 30


def test_in_an_html_export(
    visitor: Callable[..., Visitor], archive: Archive, page_file: Path
) -> None:
    page_file.write_bytes(b"".join(export_html(gallery(archive), ExportOptions())))
    it = visitor(page_file.as_uri())
    it.walk()
    it.saw_nothing()


def test_in_the_app(
    visitor: Callable[..., Visitor], archive: Archive, signed_in: tuple[str, SignedIn]
) -> None:
    url, _ = signed_in
    recording = gallery(archive)
    it = visitor(f"{url}/", url, signs_in_at=url)
    row = it.page.locator(f"a.row[href*='{recording.id}']")
    row.wait_for()
    row.click()
    it.walk()
    tabs = it.page.locator("[role=tab]")
    assert tabs.count() >= 6
    for tab in tabs.all():
        tab.click()
        it.page.wait_for_timeout(150)
        for item in it.page.locator("[role=option], [role=listitem]").all()[:2]:
            item.click(timeout=2000)
    it.answers()
    it.saw_nothing()


def embedded(over: SignedIn, url: str, server: Server, recording: Recording) -> str:
    """Put a recording into a page of another site; gives that page's address."""
    sharing = over.services.sharing
    assert sharing is not None
    link = sharing.create("p", recording.id, created_by="ann", show="all", embed_in=[server.url])
    frame = f'<iframe src="{url}/embed/{sharing.token(link)}" width=900 height=600></iframe>'
    server.files["/"] = ("text/html", f"<!doctype html><link rel=icon href=data:,>{frame}".encode())
    return f"{server.url}/"


def test_in_an_embed(
    visitor: Callable[..., Visitor],
    archive: Archive,
    signed_in: tuple[str, SignedIn],
    server: Server,
) -> None:
    url, over = signed_in
    it = visitor(embedded(over, url, server, gallery(archive)), url)
    it.walk()
    feeds = it.at.locator(".feed button")
    assert feeds.count() > 50
    feeds.last.click()
    it.saw_nothing()


@pytest.mark.parametrize("name", ["slow_patterns", "wide_family"])
def test_what_freezes_a_player_plays_in_an_embed(
    visitor: Callable[..., Visitor],
    archive: Archive,
    signed_in: tuple[str, SignedIn],
    server: Server,
    name: str,
) -> None:
    url, over = signed_in
    stays_usable(visitor(embedded(over, url, server, freezing(archive, name)), url))


def drawn_in(frame: Frame) -> bool:
    """Tell whether what every exhibit says is drawn in a frame itself."""
    return bool(frame.evaluate(f"document.querySelector('p')?.textContent === {HELLO!r}"))


def put(server: Server, bundle: bytes, attributes: str) -> str:
    """Put a bundle on a static host, whole and unpacked, with a page that plays it."""
    server.files["/visit.replay.zip"] = ("application/zip", bundle)
    with zipfile.ZipFile(io.BytesIO(bundle)) as files:
        for name in files.namelist():
            server.files[f"/visit/{name}"] = ("application/octet-stream", files.read(name))
    server.files["/player.js"] = ("text/javascript", static_file(PLAYER_FILE).read_bytes())
    page = f"""<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<style>html, body {{ margin: 0; height: 100% }} replayport-player {{ height: 100% }}</style>
<replayport-player {attributes}></replayport-player>
<script src="player.js"></script>"""
    server.files["/"] = ("text/html", page.encode())
    return f"{server.url}/"


@pytest.mark.parametrize("src", ["visit/events.parquet", "visit.replay.zip"])
def test_as_a_bundle_on_a_static_host(
    visitor: Callable[..., Visitor], archive: Archive, server: Server, src: str
) -> None:
    bundle = b"".join(export_bundle(gallery(archive), ExportOptions()))
    it = visitor(put(server, bundle, f'src="{src}"'))
    it.walk()
    it.saw_nothing()


@pytest.mark.parametrize(
    "attributes",
    ['src="visit/events.parquet" assets="visit/assets.json"', 'src="visit.replay.zip"'],
    ids=["files", "zip"],
)
def test_assets_of_somebody_elses_making(
    visitor: Callable[..., Visitor], listener: Listener, server: Server, attributes: str
) -> None:
    shop = "https://shop.example"
    evil = listener.url
    files = {
        "a.css": f"@import '{evil}/import'; p {{ color: rgb(1, 2, 3); "
        f"background: url({evil}/css) }}".encode(),
        "a.svg": f"<svg xmlns='http://www.w3.org/2000/svg' onload='__pwned=1'><script>"
        f"__pwned=1</script><image href='{evil}/svg'/></svg>".encode(),
        "a.html": b"<script>top.__pwned = 1</script>",
    }
    types = {"a.css": "text/css", "a.svg": "image/svg+xml", "a.html": "text/html"}
    entries = {
        f"{shop}/{name}": {"sha256": hashlib.sha256(data).hexdigest(), "content_type": types[name]}
        for name, data in files.items()
    }
    for i, name in enumerate(("../../../etc/passwd", f"{evil}/name", "javascript:__pwned=1", "")):
        entries[f"{shop}/{i}.png"] = {"sha256": name, "content_type": "image/png"}
    entries[f"{shop}/away.png"] = {"sha256": "ab" * 32, "content_type": "image/png"}
    entries["__proto__"] = {"sha256": "cd" * 32, "content_type": "image/png"}
    for entry in entries.values():
        entry["final_url"] = f"{evil}/base/"
    museum = Museum(listener.url)
    page = [
        museum.node("link", {"rel": "stylesheet", "href": f"{shop}/a.css"}),
        museum.node("iframe", {"src": f"{shop}/a.html"}),
        museum.node("object", {"data": f"{shop}/a.html"}),
        *(museum.node("img", {"src": address}) for address in entries),
        museum.node("p", {}, HELLO),
    ]
    made = draft_of(alone(page), session_id="assets", project="p")
    _, stored = encode_draft(made)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as bundle:
        for name, data in stored.items():
            bundle.writestr(name, data)
        bundle.writestr("assets.json", json.dumps({"version": 1, "assets": entries}))
        for data in files.values():
            sha256 = hashlib.sha256(data).hexdigest()
            bundle.writestr(f"assets/{sha256[:2]}/{sha256}", data)
    it = visitor(put(server, packed.getvalue(), attributes))
    it.until(f"{PLAYER}?.durationMs")
    it.until_drawn(HELLO)
    # What can be used of it is used.
    colour = "p => getComputedStyle(p).color"
    colours = [f.locator("p").first.evaluate(colour) for f in it.page.frames if drawn_in(f)]
    assert colours == ["rgb(1, 2, 3)"]
    it.page.wait_for_timeout(300)
    # The list names files that are not there: the host says so, and the browser repeats it.
    it.said = [said for said in it.said if "404" not in said]
    it.saw_nothing()
    asked = {hit.split()[0] for hit in server.hits}
    assert all(path == "/" or path.startswith(("/visit", "/player.js")) for path in asked), asked


@pytest.mark.parametrize("name", ["one_instant", "slow_patterns", "deep_page"])
def test_what_freezes_a_player_plays_from_a_static_host(
    visitor: Callable[..., Visitor], archive: Archive, server: Server, name: str
) -> None:
    bundle = b"".join(export_bundle(freezing(archive, name), ExportOptions()))
    stays_usable(visitor(put(server, bundle, 'src="visit.replay.zip"')))


def freezing(archive: Archive, name: str) -> Recording:
    """The recording of one of those exhibits."""
    (it,) = (r for r in archive.recordings() if r.manifest.session_id == name)
    return it


def stays_usable(it: Visitor) -> None:
    """What it shows is drawn, and the buttons do what they say."""
    it.until(f"{PLAYER}?.durationMs")
    it.until_drawn(HELLO)
    it.answers()
    it.saw_nothing()


@pytest.mark.parametrize("name", FREEZING)
def test_what_freezes_a_player_does_not(
    visitor: Callable[..., Visitor], archive: Archive, page_file: Path, name: str
) -> None:
    page_file.write_bytes(b"".join(export_html(freezing(archive, name), ExportOptions())))
    stays_usable(visitor(page_file.as_uri()))


@pytest.mark.parametrize("name", FREEZING)
def test_what_freezes_a_player_leaves_the_app_usable(
    visitor: Callable[..., Visitor], archive: Archive, signed_in: tuple[str, SignedIn], name: str
) -> None:
    url, _ = signed_in
    recording = freezing(archive, name)
    it = visitor(f"{url}/recordings/p/{recording.id}", url, signs_in_at=url)
    stays_usable(it)
    for tab in it.page.locator("[role=tab]").all():
        tab.click(timeout=5_000)
    it.answers()
    it.saw_nothing()
