"""The recorder in a real browser, against a server that fails: nothing lost, nothing twice."""

from __future__ import annotations

import gzip
import json
import re
import signal
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page
from tests.cli.command import serving

from replayport.archive import Archive
from replayport.importing import import_paths
from replayport.player_assets import PLAYER_FILE, PlayerNotBuiltError, static_file
from replayport.posthog import wire
from replayport.rrweb.events import EventType, IncrementalSource

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "recorder" / "index.html"
BUDGET_GZ_BYTES = 36 * 1024
"""Of recorder.js, rrweb's part (22 KB) included; stated in the recorder's README."""

PAGE = """<!doctype html><title>A form</title>
<script src="/recorder.js"></script>
<h1>Hello</h1>
<p class="ph-mask">maskedtext-one</p>
<div class="ph-no-capture">blockedtext-one</div>
<div data-replayport="block">blockedtext-two</div>
<form>
  <input id="plain" name="nickname">
  <input id="empty" name="note" value="attributesecret-one">
  <input id="pass" name="login" type="password">
  <input id="card" name="card_number">
  <input id="hid" type="hidden" name="session_token" value="hiddensecret-one">
  <textarea id="area">areasecret-one</textarea>
  <button id="go" type="button">Go</button>
</form>
<ul id="list"></ul>
<div id="stage"></div>
<script>
  document.getElementById("empty").value = "";
  document.getElementById("area").value = "";
  document.getElementById("go").onclick = () => {
    const item = document.createElement("li");
    item.textContent = "item " + document.querySelectorAll("li").length;
    document.getElementById("list").append(item);
  };
</script>
"""

QUICK = {"flushIntervalMs": 50, "uploadIntervalMs": 100, "retryDelayMs": 50}
START = """async (options) => {
  window.findings = [];
  window.sessions = [];
  window.recorder = new SessionRecorder({
    ...options,
    onFinding: (finding) => findings.push(finding),
    onSessionId: (id, url) => sessions.push([id, url]),
  });
  return recorder.start();
}"""
PENDING = "recorder.list().then((all) => all.reduce((sum, s) => sum + s.pendingCount, 0))"
DUMP = """async () => {
  const databases = await indexedDB.databases();
  if (!databases.some(({ name }) => name === "SessionRecorder")) return null;
  const db = await new Promise((resolve, reject) => {
    const request = indexedDB.open("SessionRecorder");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const all = (name) => new Promise((resolve) => {
    db.transaction(name).objectStore(name).getAll().onsuccess =
      (event) => resolve(event.target.result);
  });
  const dump = {
    version: db.version,
    stores: [...db.objectStoreNames],
    keyPath: db.transaction("sessions").objectStore("sessions").keyPath,
    sessions: await all("sessions"),
    chunks: await all("chunks"),
    local: { ...localStorage },
  };
  db.close();
  return dump;
}"""


def recorder_js() -> bytes:
    try:
        return static_file("recorder.js").read_bytes()
    except PlayerNotBuiltError as error:
        pytest.skip(str(error))


@dataclass
class Sink:
    """A capture server that keeps what it is sent and fails as it is told."""

    url: str = ""
    other_url: str = ""
    """The same server under a name that is another origin."""
    troubles: list[str] = field(default_factory=list)
    """What happens to the next requests, first in first out:

    ``500``, ``400``…  not kept, that status
    ``reset``          not kept, connection reset
    ``lost``           kept, connection reset before the answer
    """
    answer: bytes = b'{"status":"Ok"}'
    bodies: list[bytes] = field(default_factory=list)
    """Decoded JSON of the requests kept."""
    attempts: int = 0
    items: list[wire.SnapshotItem] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, path: str, headers: dict[str, str], body: bytes) -> None:
        query = dict(p.split("=", 1) for p in urlsplit(path).query.split("&") if p)
        decoded = wire.decode_body(body, query=query, headers=headers)
        batch = wire.snapshots(decoded)
        assert batch.library == "replayport-recorder"
        assert batch.token == "phc_test"
        self.items += batch.items
        self.bodies.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)

    def stored(self) -> dict[str, wire.SnapshotItem]:
        """Items by uuid, as a server that stores each once has them."""
        found: dict[str, wire.SnapshotItem] = {}
        for item in self.items:
            assert item.uuid is not None
            if item.uuid in found:
                assert found[item.uuid] == item, "a retry must repeat the same event"
            found[item.uuid] = item
        return found

    def events(self) -> list[dict[str, Any]]:
        """Every event stored, in order of time."""
        items = sorted(self.stored().values(), key=lambda item: item.uuid or "")
        events = [json.loads(raw) for item in items for raw in item.events]
        return sorted(events, key=lambda event: event["timestamp"])


@contextmanager
def running() -> Iterator[Sink]:
    sink = Sink()
    player_js = static_file(PLAYER_FILE).read_bytes()
    files = {
        "/": ("text/html", PAGE.encode()),
        "/examples/recorder/": ("text/html", EXAMPLE.read_bytes()),
        "/src/replayport/static/recorder.js": ("text/javascript", recorder_js()),
        "/src/replayport/static/player.js": ("text/javascript", player_js),
        "/recorder.js": ("text/javascript", recorder_js()),
        "/player.js": ("text/javascript", player_js),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = files.get(urlsplit(self.path).path, ("text/plain", b""))
            self.reply(200 if body else 404, kind, body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with sink.lock:
                sink.attempts += 1
                trouble = sink.troubles.pop(0) if sink.troubles else ""
                if trouble in ("", "lost") and sink.answer == Sink.answer:
                    sink.keep(self.path, dict(self.headers), body)
            if trouble in ("reset", "lost"):
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            self.reply(int(trouble or 200), "application/json", sink.answer)

        def reply(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def finish(self) -> None:
            try:
                super().finish()
            except OSError:
                return  # reset on purpose

        def log_message(self, *args: object) -> None:
            return

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.handle_error = lambda *args: None  # type: ignore[method-assign]
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    sink.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    sink.other_url = f"http://localhost:{httpd.server_address[1]}"
    yield sink
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running() as it:
        yield it


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


def opened(context: BrowserContext, sink: Sink) -> Page:
    """A page of another origin than the sink, that fails the test when it throws."""
    page = context.new_page()
    page.on("pageerror", fail)
    page.goto(f"{sink.other_url}/")
    return page


def fail(error: object) -> None:
    raise AssertionError(f"the page threw: {error}")


def start(page: Page, sink: Sink | None = None, **options: Any) -> bool:
    where = {} if sink is None else {"host": sink.url, "token": "phc_test"}
    return bool(page.evaluate(START, {**QUICK, **where, **options}))


def until(page: Page, expression: str, *, timeout_s: float = 20) -> Any:
    for _ in range(int(timeout_s / 0.05)):
        if value := page.evaluate(expression):
            return value
        page.wait_for_timeout(50)
    raise AssertionError(f"never became true: {expression}; {page.evaluate('findings')}")


def tags(events: list[dict[str, Any]]) -> list[str]:
    return [e["data"]["tag"] for e in events if e["type"] == EventType.CUSTOM]


def test_a_page_reloaded_offline_is_one_recording_uploaded_once(
    context: BrowserContext, sink: Sink
) -> None:
    with suppress(Error):
        # Chromium takes a page out of a route for a public one, which needs leave to reach
        # this machine. Browsers that do not know the permission do not ask for it.
        context.grant_permissions(["local-network-access"])
    sink.troubles = ["500", "lost", "reset", "204", "503"]
    page = opened(context, sink)
    assert start(page, sink)
    first = page.evaluate("[recorder.sessionId, recorder.windowId]")
    page.click("#go")
    page.evaluate("recorder.addEvent('one', { n: 1 })")
    page.reload()
    assert start(page, sink)
    assert page.evaluate("[recorder.sessionId, recorder.windowId]") == first
    page.evaluate("recorder.addEvent('two')")
    page.evaluate("recorder.flush()")

    context.set_offline(True)
    page.click("#go")
    page.evaluate("recorder.addEvent('three')")
    page.evaluate("recorder.flush()")
    assert page.evaluate(PENDING) > 0
    # The site itself is unreachable; what a service worker would do, a route does here.
    page.route(
        f"{sink.other_url}/**",
        lambda route: route.fulfill(
            body=PAGE if route.request.url.endswith("/") else recorder_js(),
            content_type="text/html" if route.request.url.endswith("/") else "text/javascript",
        ),
    )
    page.reload()
    assert start(page, sink)
    page.evaluate("recorder.addEvent('four')")
    page.click("#go")
    page.evaluate("recorder.flush()")
    assert "four" not in tags(sink.events())

    page.unroute_all()
    context.set_offline(False)
    until(page, f"{PENDING}.then((n) => n === 0)")
    page.evaluate("recorder.stop()")
    until(page, f"{PENDING}.then((n) => n === 0)")
    kept = page.evaluate("recorder.events(recorder.sessionId)")

    stored = sink.stored()
    assert len(sink.items) > len(stored), "the lost answer was not repeated"
    assert {item.session_id for item in stored.values()} == {first[0]}
    assert {item.window_id for item in stored.values()} == {first[1]}
    events = sink.events()
    assert tags(events) == ["one", "two", "three", "four"]
    assert [e["type"] for e in events].count(EventType.FULL_SNAPSHOT) == 3
    clicks = [
        e
        for e in events
        if e["type"] == EventType.INCREMENTAL_SNAPSHOT
        and e["data"]["source"] == IncrementalSource.MOUSE_INTERACTION
        and e["data"]["type"] == 2
    ]
    assert len(clicks) == 3
    without_window = [{k: v for k, v in e.items() if k != "windowId"} for e in kept]
    assert without_window == events
    assert page.evaluate("recorder.findings.size") == 0


def test_a_server_that_was_away_has_one_complete_recording_in_the_end(
    context: BrowserContext, sink: Sink, tmp_path: Path
) -> None:
    """`replayport serve` itself: killed, the page reloaded, and started again."""
    archive = tmp_path / "archive"
    page = opened(context, sink)
    with serving("--archive", archive) as server:
        to_server = {"host": server.url, "token": "phc_test"}
        assert start(page, **to_server)
        session_id = page.evaluate("recorder.sessionId")
        page.evaluate("recorder.addEvent('one')")
        page.evaluate("recorder.flush()")
        until(page, f"{PENDING}.then((n) => n === 0)")
        server.stop(signal.SIGKILL)
    page.evaluate("recorder.addEvent('two')")
    page.click("#go")
    page.evaluate("recorder.flush()")
    page.reload()
    assert start(page, **to_server)
    page.evaluate("recorder.addEvent('three')")
    page.evaluate("recorder.flush()")
    assert page.evaluate(PENDING) > 0
    port = urlsplit(server.url).port
    with serving("--archive", archive, "--port", port, "--seal-idle-s", 0.5) as server:
        page.evaluate("recorder.stop()")
        page.evaluate("recorder.upload()")
        until(page, f"{PENDING}.then((n) => n === 0)")
        kept = page.evaluate("recorder.events(recorder.sessionId)")
        wanted = len(kept)
        while True:
            with Archive.open(archive) as opened_archive:
                if opened_archive.has("phc_test", session_id):
                    recording = opened_archive.recording(session_id)
                    if recording.manifest.events >= wanted:
                        break
            page.wait_for_timeout(100)
        assert server.stop() == 130
    stored = [e.to_rrweb() for e in recording.events(order="arrival")]
    without_window = [{k: v for k, v in e.items() if k != "windowId"} for e in kept]
    assert sorted(stored, key=lambda e: e["timestamp"]) == without_window
    assert tags(stored) == ["one", "two", "three"]
    assert recording.manifest.complete
    assert len(recording.manifest.windows) == 1
    assert recording.manifest.source["library"] == "replayport-recorder"


def test_secrets_are_in_no_byte_kept_or_sent(context: BrowserContext, sink: Sink) -> None:
    page = opened(context, sink)
    assert start(page, sink)
    for selector, text in (
        ("#plain", "typedsecret-one"),
        ("#pass", "passsecret-one"),
        ("#card", "4111222233334444"),
        ("#area", "typedsecret-two"),
    ):
        page.type(selector, text)
    page.evaluate(
        """() => {
          recorder.addEvent("form", { password: "eventsecret-one", nested: [{ ssn: "eventsecret-two",
            Card_Number: "eventsecret-three", fine: "kept-one" }] });
          recorder.addEvent("access_token", "eventsecret-four");
          history.pushState({}, "", "?token=urlsecret-one&page=kept-two");
          document.getElementById("plain").setAttribute("value", "attributesecret-two");
          const field = document.createElement("input");
          field.setAttribute("value", "attributesecret-three");
          document.forms[0].append(field);
          const host = document.createElement("div");
          host.className = "ph-no-capture";
          host.attachShadow({ mode: "open" }).innerHTML = "<p>blockedtext-three</p>";
          document.body.append(host);
          const masked = document.createElement("div");
          masked.className = "ph-mask";
          masked.attachShadow({ mode: "open" }).innerHTML = "<p>maskedtext-two</p>";
          document.body.append(masked);
          const frame = document.createElement("iframe");
          frame.className = "ph-no-capture";
          frame.srcdoc = "<p>blockedtext-five</p>";
          document.body.append(frame);
          setTimeout(() => {
            host.shadowRoot.append("blockedtext-four");
            masked.shadowRoot.append("maskedtext-three");
            masked.shadowRoot.firstChild.firstChild.data = "maskedtext-four";
            frame.contentDocument.body.append("blockedtext-six");
          }, 150);
        }"""
    )
    page.wait_for_timeout(400)
    page.evaluate("recorder.flush()")
    page.reload()
    assert start(page, sink)
    page.evaluate("recorder.upload()")
    until(page, f"{PENDING}.then((n) => n === 0)")
    dump = json.dumps(page.evaluate(DUMP))
    sent = b"".join(sink.bodies).decode()
    for where in (dump, sent):
        assert "Hello" in where and "kept-one" in where and "kept-two" in where
        assert re.findall(r"\w*(?:secret|maskedtext|blockedtext)-\w+|4111\d+", where) == []


def test_with_masking_off_only_secrets_are_masked(context: BrowserContext, sink: Sink) -> None:
    page = opened(context, sink)
    assert start(page, sink, maskAllInputs=False, sensitiveKeys=["nick"])
    page.type("#area", "typed-one")
    page.type("#plain", "typedsecret-one")
    page.type("#pass", "passsecret-one")
    page.type("#card", "4111222233334444")
    dump = json.dumps([page.evaluate("recorder.flush()"), page.evaluate(DUMP)])
    assert "typed-one" in dump
    assert re.findall(r"(?:pass|typed|hidden)secret-\w+|4111\d+", dump) == []


def test_nothing_is_recorded_before_start(context: BrowserContext, sink: Sink) -> None:
    page = opened(context, sink)
    page.evaluate(
        "(o) => { window.recorder = new SessionRecorder(o); return recorder.addEvent('early'); }",
        {"host": sink.url, "token": "phc_test", **QUICK},
    )
    page.click("#go")
    page.wait_for_timeout(300)
    assert page.evaluate(DUMP) is None
    assert page.evaluate("Object.keys(localStorage)") == []
    assert sink.attempts == 0


def test_add_event_is_ignored_while_stopped_and_throttled(
    context: BrowserContext, sink: Sink
) -> None:
    page = opened(context, sink)
    assert start(page, throttleMs={"scroll": 60_000})
    assert page.evaluate("recorder.addEvent('scroll')")
    assert not page.evaluate("recorder.addEvent('scroll')")
    assert page.evaluate("recorder.addEvent('other')")
    assert not page.evaluate("recorder.shouldThrottle('own', 60000)")
    assert page.evaluate("recorder.shouldThrottle('own', 60000)")
    page.evaluate("recorder.stop()")
    assert not page.evaluate("recorder.addEvent('late')")
    page.click("#go")
    events = page.evaluate("recorder.events(recorder.sessionId)")
    assert tags(events) == ["scroll", "other"]
    assert not any(e["data"].get("source") == IncrementalSource.MOUSE_INTERACTION for e in events)
    assert sink.attempts == 0, "without a host nothing is sent"


def test_the_last_moment_of_a_closed_tab_is_kept(context: BrowserContext, sink: Sink) -> None:
    context.new_page()  # a browser without pages ends
    page = opened(context, sink)
    context.set_offline(True)
    assert start(page, sink, flushIntervalMs=60_000)
    page.evaluate("recorder.addEvent('last words')")
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    context.set_offline(False)
    page = opened(context, sink)
    assert start(page, sink)
    until(page, f"{PENDING}.then((n) => n === 0)")
    assert tags(sink.events()) == ["last words"]
    assert not [k for k in page.evaluate(DUMP)["local"] if "unwritten" in k]


def test_a_closed_tab_sends_its_last_moment_itself(context: BrowserContext, sink: Sink) -> None:
    page = opened(context, sink)
    assert start(page, sink, flushIntervalMs=60_000)
    until(page, f"{PENDING}.then((n) => n === 0)")
    page.evaluate("recorder.addEvent('last words')")
    page.goto("about:blank")
    for _ in range(100):
        if tags(sink.events()) == ["last words"]:
            break
        page.wait_for_timeout(50)
    assert tags(sink.events()) == ["last words"]


def test_tabs_share_a_session_and_not_a_window(context: BrowserContext, sink: Sink) -> None:
    one, two = opened(context, sink), opened(context, sink)
    assert start(one, sink) and start(two, sink)
    one.evaluate("recorder.addEvent('from one')")
    two.evaluate("recorder.addEvent('from two')")
    for page in (one, two):
        page.evaluate("recorder.upload()")
    until(one, f"{PENDING}.then((n) => n === 0)")
    sessions = {page.evaluate("recorder.sessionId") for page in (one, two)}
    windows = {page.evaluate("recorder.windowId") for page in (one, two)}
    assert len(sessions) == 1 and len(windows) == 2
    dump = one.evaluate(DUMP)
    assert dump["version"] == 1
    assert dump["stores"] == ["chunks", "sessions"]
    assert dump["keyPath"] == "sessionId"
    [session] = dump["sessions"]
    assert {session["sessionId"]} == sessions
    assert set(session["windowIds"]) == windows
    assert session["chunkCount"] == len(dump["chunks"])
    assert len(sink.items) == len(sink.stored()) == session["chunkCount"]
    assert sorted(tags(sink.events())) == ["from one", "from two"]


def test_a_tab_that_idles_records_nothing_and_wakes_with_a_snapshot(
    context: BrowserContext, sink: Sink
) -> None:
    page = opened(context, sink)
    assert start(page, idleThresholdMs=200)
    page.wait_for_timeout(300)
    page.evaluate("document.getElementById('go').onclick()")  # no person's doing
    page.wait_for_timeout(100)
    asleep = page.evaluate("recorder.events(recorder.sessionId)")
    assert tags(asleep) == ["sessionIdle"]
    page.click("#go")
    page.wait_for_timeout(100)
    awake = page.evaluate("recorder.events(recorder.sessionId)")
    assert "sessionNoLongerIdle" in tags(awake)
    assert [e["type"] for e in awake].count(EventType.FULL_SNAPSHOT) == 2
    snapshot = [e for e in awake if e["type"] == EventType.FULL_SNAPSHOT][-1]
    assert "item 0" in json.dumps(snapshot)


def test_activity_after_the_timeout_begins_a_whole_new_session(
    context: BrowserContext, sink: Sink
) -> None:
    page = opened(context, sink)
    assert start(page, idleTimeoutMs=400, replayUrl="https://r.example/{session_id}")
    page.wait_for_timeout(600)
    page.click("#go")
    page.wait_for_timeout(100)
    told = page.evaluate("sessions")
    assert len({session_id for session_id, _ in told}) == 2
    assert all(url == f"https://r.example/{session_id}" for session_id, url in told)
    assert page.evaluate("recorder.sessionId") == told[-1][0]
    listed = page.evaluate("recorder.list()")
    assert [s["sessionId"] for s in listed] == [told[1][0], told[0][0]]
    events = page.evaluate("recorder.events(recorder.sessionId)")
    assert [e["type"] for e in events[:2]] == [EventType.META, EventType.FULL_SNAPSHOT]
    assert len({s["windowIds"][0] for s in listed}) == 2


def test_full_storage_drops_what_is_uploaded_first(context: BrowserContext, sink: Sink) -> None:
    page = opened(context, sink)
    assert start(page, sink, maxStorageBytes=40_000)
    for n in range(8):
        page.evaluate("(n) => recorder.addEvent('large', { n, text: 'x'.repeat(12000) })", n)
        page.evaluate("recorder.upload()")
    until(page, f"{PENDING}.then((n) => n === 0)")
    assert page.evaluate("recorder.isRecording")
    assert "storage_trimmed" in {f["code"] for f in page.evaluate("findings")}
    [session] = page.evaluate("recorder.list()")
    assert session["bytes"] <= 40_000 and session["trimmedCount"] > 0
    assert tags(sink.events()) == ["large"] * 8


def test_full_storage_with_nothing_uploaded_stops_and_says_so(
    context: BrowserContext, sink: Sink
) -> None:
    page = opened(context, sink)
    assert start(page, maxStorageBytes=30_000)
    for _ in range(4):
        page.evaluate("recorder.addEvent('large', 'x'.repeat(12000))")
        page.evaluate("recorder.flush()")
    assert not page.evaluate("recorder.isRecording")
    assert [f["code"] for f in page.evaluate("findings")] == ["storage_full"]
    [session] = page.evaluate("recorder.list()")
    assert 12_000 < session["bytes"] <= 30_000


def test_a_browser_without_database_still_uploads(context: BrowserContext, sink: Sink) -> None:
    page = context.new_page()
    page.on("pageerror", fail)
    page.add_init_script(
        """for (const name of ["indexedDB", "localStorage", "sessionStorage"])
             Object.defineProperty(window, name, { get() { throw new Error("no " + name); } });"""
    )
    page.goto(f"{sink.other_url}/")
    assert start(page, sink)
    page.evaluate("recorder.addEvent('in memory')")
    page.evaluate("recorder.upload()")
    until(page, f"{PENDING}.then((n) => n === 0)")
    assert tags(sink.events()) == ["in memory"]
    assert {f["code"] for f in page.evaluate("findings")} == {"storage_unavailable"}


def test_one_bad_piece_does_not_hold_up_the_rest(context: BrowserContext, sink: Sink) -> None:
    page = opened(context, sink)
    context.set_offline(True)
    assert start(page, sink)
    for n in range(3):
        page.evaluate("(n) => recorder.addEvent(`event ${n}`)", n)
        page.evaluate("recorder.flush()")
    chunks = page.evaluate("recorder.list()")[0]["chunkCount"]
    # The whole is refused, its halves are refused, until the first alone is.
    sink.troubles = ["413"] * (chunks.bit_length())
    context.set_offline(False)
    until(page, f"{PENDING}.then((n) => n === 0)")
    [session] = page.evaluate("recorder.list()")
    assert session["rejectedCount"] == 1
    assert session["chunkCount"] >= chunks, "what was refused is still here"
    assert len(sink.stored()) == session["chunkCount"] - 1
    assert [f["code"] for f in page.evaluate("findings")] == ["upload_rejected"]


def test_what_a_server_over_quota_did_not_keep_stays_pending(
    context: BrowserContext, sink: Sink
) -> None:
    sink.answer = b'{"status":"Ok","quota_limited":["recordings"]}'
    page = opened(context, sink)
    assert start(page, sink)
    until(page, "findings.some((f) => f.code === 'quota_limited')")
    assert page.evaluate(PENDING) > 0


def test_deleting_the_current_session_leaves_none_of_it(
    context: BrowserContext, sink: Sink
) -> None:
    one, two = opened(context, sink), opened(context, sink)
    assert start(one) and start(two)
    one.evaluate("recorder.addEvent('gone')")
    deleted = one.evaluate("recorder.sessionId")
    one.evaluate("(id) => recorder.delete(id)", deleted)
    until(two, f"recorder.sessionId !== '{deleted}'")
    assert one.evaluate("recorder.sessionId") == two.evaluate("recorder.sessionId")
    for page in (one, two):
        page.evaluate("recorder.flush()")
    dump = one.evaluate(DUMP)
    assert deleted not in json.dumps(dump)
    assert "gone" not in json.dumps(dump["chunks"])
    for page in (one, two):
        window_id = page.evaluate("recorder.windowId")
        events = page.evaluate("recorder.events(recorder.sessionId)")
        own = [e["type"] for e in events if e["windowId"] == window_id]
        assert EventType.FULL_SNAPSHOT in own, "the new session can be drawn"
    one.evaluate("recorder.stop()")
    two.evaluate("recorder.stop()")
    one.evaluate("recorder.deleteAll()")
    assert one.evaluate(DUMP)["chunks"] == one.evaluate(DUMP)["sessions"] == []


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_an_export_is_imported(
    context: BrowserContext, sink: Sink, tmp_path: Path, kind: str
) -> None:
    page = opened(context, sink)
    assert start(page, distinctId="anna")
    page.click("#go")
    page.evaluate("recorder.addEvent('checkout', { total: 12 })")
    with page.expect_download() as download:
        page.evaluate("(kind) => recorder.download(recorder.sessionId, kind)", kind)
    session_id = page.evaluate("recorder.sessionId")
    window_id = page.evaluate("recorder.windowId")
    page.evaluate("recorder.stop()")
    assert download.value.suggested_filename == f"{session_id}.{kind}"
    path = tmp_path / "export"
    download.value.save_as(path)
    with Archive.open(tmp_path / "archive", create=True) as archive:
        report = import_paths([path], archive)
        assert report.rejected == []
        [recording_id] = report.written
        recording = archive.recording(recording_id)
        assert {w.window_id for w in recording.manifest.windows} == {window_id}
        assert recording.manifest.kinds["full_snapshot"] == 1
        assert recording.manifest.kinds["custom:checkout"] == 1
        if kind == "jsonl":
            assert recording.manifest.session_id == session_id
            assert recording.manifest.person is not None
            assert recording.manifest.person.distinct_id == "anna"


def test_a_recording_plays_in_the_page_and_is_not_recorded_again(
    context: BrowserContext, sink: Sink
) -> None:
    page = opened(context, sink)
    assert start(page)
    page.click("#go")
    page.evaluate("recorder.flush()")
    page.evaluate(
        """async (playerUrl) => {
          window.drawn = false;
          document.addEventListener("firstframe", () => { window.drawn = true; });
          window.player = await recorder.play(recorder.sessionId,
            { playerUrl, container: document.getElementById("stage") });
        }""",
        f"{sink.other_url}/player.js",
    )
    until(page, "drawn")
    until(page, "!player.paused || player.currentMs > 0")
    page.evaluate("player.pause()")
    until(page, "player.paused")
    page.evaluate("player.seek(0)")
    page.evaluate("player.play()")
    until(page, "!player.paused || player.currentMs > 0")
    assert page.evaluate("player.parentElement.id") == "stage"
    text = "".join(
        frame.evaluate("document.body ? document.body.innerText : ''")
        for frame in page.frames
        if frame.parent_frame is not None
    )
    assert "Hello" in text
    events = page.evaluate("recorder.events(recorder.sessionId)")
    added = [
        add["node"]["tagName"]
        for e in events
        if e["data"].get("source") == IncrementalSource.MUTATION
        for add in e["data"]["adds"]
        if "tagName" in add["node"]
    ]
    assert added.count("replayport-player") == 1
    assert set(added) <= {"replayport-player", "script", "li"}
    page.evaluate("player.remove()")
    assert page.evaluate("recorder.play('none', { player: document.body })") is None
    assert "player_unavailable" in {f["code"] for f in page.evaluate("findings")}


def test_the_example_records_lists_plays_and_deletes(context: BrowserContext, sink: Sink) -> None:
    page = context.new_page()
    page.on("pageerror", fail)
    page.goto(f"{sink.other_url}/examples/recorder/")
    page.evaluate("document.addEventListener('firstframe', () => { window.drawn = true; })")
    page.click("#start")
    page.fill("[name=name]", "Anna")
    page.click("text=Send")
    page.click("#stop")
    page.click("text=Play")
    page.wait_for_function("window.drawn")
    assert page.locator("#recordings li").count() == 1
    page.click("#delete")
    page.wait_for_function("document.querySelectorAll('#recordings li').length === 0")
    assert page.evaluate(DUMP)["chunks"] == []
    assert sink.attempts == 0


@pytest.mark.parametrize("asks", [True, False])
def test_do_not_track_is_honoured_when_asked_to(
    context: BrowserContext, sink: Sink, asks: bool
) -> None:
    page = opened(context, sink)
    page.evaluate("Object.defineProperty(navigator, 'doNotTrack', { value: '1' })")
    assert start(page, respectDoNotTrack=asks) is not asks
    assert page.evaluate("recorder.isRecording") is not asks
    assert (page.evaluate(DUMP) is None) is asks


def test_callbacks_that_throw_do_not_reach_the_page(context: BrowserContext, sink: Sink) -> None:
    page = opened(context, sink)
    found = page.evaluate(
        """async () => {
          const bad = () => { throw new Error("mine"); };
          const recorder = new SessionRecorder(
            { onSessionId: bad, onFinding: bad, replayUrl: bad, host: "http://127.0.0.1:9" });
          const circular = {};
          circular.self = circular;
          const started = await recorder.start();
          const added = recorder.addEvent("loop", circular);
          recorder.addEvent("bad", { toJSON: bad });
          await recorder.stop();
          return [started, added, [...recorder.findings.keys()].sort()];
        }"""
    )
    assert found == [True, True, ["callback_failed", "invalid_event", "missing_token"]]


def test_the_recorder_is_within_its_budget() -> None:
    size = len(gzip.compress(recorder_js(), 9))
    assert size <= BUDGET_GZ_BYTES
    readme = (ROOT / "web" / "packages" / "recorder" / "README.md").read_text("utf-8")
    stated = re.search(r"\*\*(\d+) KB gzipped\*\*", readme)
    assert stated is not None
    assert abs(int(stated[1]) - size / 1000) < 1.5
    assert f"{BUDGET_GZ_BYTES // 1024} KiB" in readme
