"""Through the tee: byte for byte there, unchanged back, and both sides complete after trouble."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from contextlib import asynccontextmanager

import pytest
from tests.capture.asking import (
    SDK,
    SESSION,
    TOKEN,
    MemoryInbox,
    analytics,
    ask_async,
    envelope,
    make,
    snapshot,
    zipped,
)
from tests.capture.upstream import Upstream

from replayport.capture.inbox import Inbox, InboxFullError
from replayport.capture.outbox import Outbox
from replayport.capture.projects import Project, Projects
from replayport.capture.sdk_files import SdkFiles
from replayport.capture.tee import Tee, forwarded_headers, upstreams
from replayport.errors import SettingsError, StoreError

BROWSER = {
    "Host": "replay.customer.example",
    "Origin": "https://shop.example",
    "User-Agent": "Mozilla/5.0",
    "Content-Type": "text/plain",
    "Accept-Encoding": "gzip, br",
    "Cookie": "customer_session=secret",
    "Connection": "keep-alive, X-Hop",
    "X-Hop": "1",
    "Referer": "https://shop.example/a",
    "Content-Length": "1",
}


@pytest.fixture(scope="module")
def server():
    """One server for all tests: stopping one takes a while."""
    made = Upstream().start()
    yield made
    made.stop()


@pytest.fixture
def upstream(server):
    server.reset()
    server.start()
    return server


@asynccontextmanager
async def tee_app(
    upstream, folder=None, *, inbox=None, projects=None, prefix="", sdk=SDK, **options
):
    outbox = (
        None if folder is None else Outbox(folder / "outbox.sqlite", **options.pop("bounds", {}))
    )
    options.setdefault("retry_s", 0.05)
    tee = Tee(upstream.url, outbox=outbox, **options)
    app, inbox = make(inbox, projects, tee=tee, prefix=prefix, sdk_files=sdk)
    app.tee = tee
    try:
        yield app, inbox
    finally:
        await app.close()


def run(test):
    return asyncio.run(asyncio.wait_for(test(), 60))


async def until(condition, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "never happened"
        await asyncio.sleep(0.01)


async def post(app, body, path="/s/", **options):
    return await ask_async(app, "POST", path, body=body, headers=BROWSER, **options)


# --- there and back -------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/ingest"])
@pytest.mark.parametrize("path", ["/s/", "/e/", "/i/v0/e/", "/batch"])
def test_a_request_arrives_as_it_was_sent_and_its_answer_comes_back(upstream, path, prefix):
    body = zipped([snapshot()] if path == "/s/" else envelope(analytics()))
    query = b"compression=gzip-js&_=1&x=%7e%2F+"

    async def test():
        async with tee_app(upstream, prefix=prefix) as (app, inbox):
            answer = await post(app, body, prefix + path, query=query)
            return answer, inbox

    answer, inbox = run(test)
    (got,) = upstream.got
    assert (got.method, got.target, got.body) == ("POST", path.encode() + b"?" + query, body)
    assert got.header("host") == [upstream.url.removeprefix("http://").encode()]
    assert got.header("x-forwarded-for") == [b"9.9.9.9"]
    assert got.header("content-length") == [str(len(body)).encode()]
    for name in ("user-agent", "content-type", "accept-encoding", "origin", "referer"):
        sent = {k.lower(): v for k, v in BROWSER.items()}[name]
        assert got.header(name) == [sent.encode()], name
    for name in ("cookie", "x-hop"):
        assert got.header(name) == [], name
    assert answer.status == 200
    assert answer.json == {"status": "Ok", "from": "posthog"}
    assert answer.headers["x-from"] == "posthog"
    assert "set-cookie" not in answer.headers
    assert [c.body for c in inbox.kept] == [body]
    assert inbox.kept[0].session_ids == (SESSION,)


def test_percent_escapes_of_the_path_survive(upstream):
    async def test():
        async with tee_app(upstream, prefix="/ingest") as (app, _):
            scope_path = "/ingest/api/projects/a%2Fb/%7e/x"
            return await ask_async(app, "GET", scope_path, query=b"q=a%20b&r=%2f")

    assert run(test).status == 200
    assert upstream.got[0].target == b"/api/projects/a%2Fb/%7e/x?q=a%20b&r=%2f"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/ingest/x", b"/x"),
        ("/ingest/ingest/x", b"/ingest/x"),
        ("/ingest", b"/"),
        ("/ingesting/x", b"/ingesting/x"),
        ("//elsewhere.example/x", b"//elsewhere.example/x"),
        ("http://elsewhere.example/x", b"/http%3A//elsewhere.example/x"),
    ],
)
def test_only_the_prefix_is_taken_off(upstream, path, target):
    async def test():
        async with tee_app(upstream, prefix="/ingest") as (app, _):
            await ask_async(app, "GET", path)

    run(test)
    assert [g.target for g in upstream.got] == [target]


@pytest.mark.parametrize("status", [200, 400, 401, 413, 429])
def test_what_posthog_answers_is_what_the_sdk_gets(upstream, status):
    upstream.status = status

    async def test():
        async with tee_app(upstream) as (app, inbox):
            return await post(app, zipped([snapshot()])), await post(app, b"{", "/flags/"), inbox

    capture, flags, inbox = run(test)
    assert (capture.status, flags.status) == (status, status)
    assert flags.json["flags"]["beta"]["enabled"] is True
    assert len(inbox.kept) == 1


def test_large_answers_are_passed_on_compressed_as_they_are(upstream):
    async def test():
        async with tee_app(upstream) as (app, _):
            return await ask_async(app, "GET", "/static/array.js", headers=BROWSER)

    answer = run(test)
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == b"/* posthog */" * 100_000


def test_redirects_are_not_followed(upstream):
    async def test():
        async with tee_app(upstream) as (app, _):
            return await ask_async(app, "GET", "/moved")

    answer = run(test)
    assert (answer.status, answer.headers["location"]) == (302, "https://elsewhere.example/")
    assert len(upstream.got) == 1


def test_preflights_are_answered_here(upstream):
    async def test():
        async with tee_app(upstream) as (app, _):
            return await ask_async(app, "OPTIONS", "/flags/", headers=BROWSER)

    assert run(test).status == 200
    assert upstream.got == []


def test_other_paths_of_posthog_go_there_beside_our_pages(upstream):
    from tests.capture.test_routes import pages

    async def test():
        tee = Tee(upstream.url, outbox=None)
        app, _ = make(tee=tee, fallback=pages)
        ours = [
            await ask_async(app, "GET", p) for p in ("/", "/api/recordings", "/static/player.js")
        ]
        for path in (
            "/api/surveys/",
            "/i/v1/logs",
            "/static/toolbar.js",
            "/static/1.2.3/surveys.js",
        ):
            await ask_async(app, "GET", path)
        await app.close()
        return [a.status for a in ours]

    assert run(test) == [299] * 3
    assert [g.target for g in upstream.got] == [
        b"/api/surveys/", b"/i/v1/logs", b"/static/toolbar.js", b"/static/1.2.3/surveys.js"
    ]  # fmt: skip


# --- what goes along ------------------------------------------------------------------


def test_addresses_of_visitors():
    headers = [(b"x-forwarded-for", b"1.1.1.1"), (b"x-real-ip", b"1.1.1.1"), (b"forwarded", b"for=1.1.1.1"), (b"cf-connecting-ip", b"1.1.1.1"), (b"accept", b"*/*")]  # fmt: skip
    kept = dict(forwarded_headers(headers, client_host="2.2.2.2", client_ip="forward"))
    assert kept[b"x-forwarded-for"] == b"1.1.1.1, 2.2.2.2"
    dropped = forwarded_headers(headers, client_host="2.2.2.2", client_ip="drop")
    assert dropped == ((b"accept", b"*/*"),)


def test_headers_of_one_connection_stay():
    names = [b"connection", b"keep-alive", b"te", b"transfer-encoding", b"upgrade", b"proxy-authorization", b"cookie", b"x-named"]  # fmt: skip
    headers = [(n, b"x-named" if n == b"connection" else b"1") for n in names]
    assert forwarded_headers(headers, client_host=None, client_ip="forward") == ()


@pytest.mark.parametrize(
    ("url", "api", "assets"),
    [
        ("https://us.i.posthog.com", "https://us.i.posthog.com", "https://us-assets.i.posthog.com"),
        ("https://eu.i.posthog.com/", "https://eu.i.posthog.com", "https://eu-assets.i.posthog.com"),
        ("https://eu-assets.i.posthog.com", "https://eu.i.posthog.com", "https://eu-assets.i.posthog.com"),
        ("https://app.posthog.com", "https://us.i.posthog.com", "https://us-assets.i.posthog.com"),
        ("https://ph.example.com/base", "https://ph.example.com/base", "https://ph.example.com/base"),
    ],
)  # fmt: skip
def test_hosts(url, api, assets):
    assert [str(u) for u in upstreams(url)] == [api, assets]


@pytest.mark.parametrize("url", ["posthog.com", "ftp://x", "https://", "https://u:p@x", "https://x?y", "http://[x", "http://x:99999"])  # fmt: skip
def test_urls_that_are_none(url):
    with pytest.raises(SettingsError, match="tee"):
        upstreams(url)


def test_another_word_for_the_address():
    with pytest.raises(SettingsError, match="tee_client_ip.*forward or drop"):
        Tee("https://us.i.posthog.com", outbox=None, client_ip="dorp")


def test_scripts_and_configs_are_asked_of_the_assets_host(upstream):
    other = Upstream().start()

    async def test():
        tee = Tee(upstream.url + "/base", outbox=None, assets_url=other.url)
        app, _ = make(tee=tee)
        for path in ("/static/array.js", f"/array/{TOKEN}/config", "/flags/", "/s/"):
            await ask_async(app, "GET", path)
        await app.close()

    try:
        run(test)
    finally:
        other.stop()
    assert [g.target for g in other.got] == [b"/static/array.js", f"/array/{TOKEN}/config".encode()]
    assert [g.target for g in upstream.got] == [b"/base/flags/", b"/base/s/"]


# --- posthog's word on recording ------------------------------------------------------


@pytest.mark.parametrize("path", [f"/array/{TOKEN}/config", f"/array/{TOKEN}/config.js", "/flags/", "/decide/"])  # fmt: skip
def test_what_posthog_does_not_record_is_not_kept(upstream, path):
    asked = json.dumps({"token": TOKEN}).encode()
    method = "GET" if path.startswith("/array") else "POST"

    async def test():
        async with tee_app(upstream) as (app, inbox):
            kept = []
            for recording in (False, {"endpoint": "/s/"}, False):
                upstream.config = {"sessionRecording": recording}
                config = await ask_async(app, method, path, body=asked if method == "POST" else b"")
                assert (b"false" in config.body) == (recording is False)
                answer = await post(app, zipped([snapshot()]))
                assert answer.json["from"] == "posthog"  # it decides for itself
                kept.append(len(inbox.kept))
            events = await post(app, zipped(envelope(analytics())), "/e/")
            assert events.status == 200
            return kept, len(inbox.kept)

    assert run(test) == ([0, 1, 1], 2)


def test_other_tokens_are_posthogs_alone(upstream):
    projects = Projects({"shop": Project(name="shop", tokens=("phc_mine",))})

    async def test():
        async with tee_app(upstream, projects=projects) as (app, inbox):
            theirs = await post(app, zipped([snapshot()]))
            ours = await post(app, zipped([snapshot(token="phc_mine")]))
            return theirs.status, ours.status, [c.project for c in inbox.kept]

    assert run(test) == (200, 200, ["shop"])
    assert len(upstream.got) == 2


# --- trouble there --------------------------------------------------------------------


def test_both_sides_are_complete_after_posthog_was_down(upstream, tmp_path):
    bodies = [zipped([snapshot()]) for _ in range(12)]

    async def test():
        with Inbox.open(tmp_path / "inbox") as inbox:
            async with tee_app(upstream, tmp_path, inbox=inbox) as (app, _):
                for body in bodies[:4]:
                    assert (await post(app, body)).json["from"] == "posthog"
                await asyncio.to_thread(upstream.stop)
                for body in bodies[4:8]:
                    answer = await post(app, body)
                    assert (answer.status, answer.json) == (200, {"status": "Ok"})
                    assert answer.headers["access-control-allow-origin"] == BROWSER["Origin"]
                assert app.tee.waiting == 4
                upstream.start()
                await until(lambda: app.tee.waiting == 0)
                for body in bodies[8:]:
                    await post(app, body)
                assert app.tee.counts["sent_later"] == 4
            return [r.body for r in inbox.requests(TOKEN, SESSION)]

    assert run(test) == bodies
    assert upstream.bodies == dict.fromkeys(bodies, 1)
    again = [g for g in upstream.got if g.body in bodies[4:8]]
    for got in again:
        assert got.header("x-forwarded-for") == [b"9.9.9.9"]
        assert got.header("origin") == [BROWSER["Origin"].encode()]
        assert got.header("cookie") == []


def test_what_waits_survives_a_restart(upstream, tmp_path):
    body = zipped([snapshot()])

    async def before():
        async with tee_app(upstream, tmp_path, retry_s=30) as (app, _):
            assert (await post(app, body, query=b"a=%2f")).status == 200

    upstream.stop()
    run(before)
    upstream.start()

    async def after():
        # A clock ahead makes it due now; the bound of age is made to allow it.
        async with tee_app(
            upstream, tmp_path, clock_ms=lambda: 2**42, bounds={"max_age_ms": 2**42}
        ) as (app, _):
            await app.tee.start()
            await until(lambda: app.tee.waiting == 0)

    run(after)
    assert [(g.target, g.body) for g in upstream.got] == [(b"/s/?a=%2f", body)]


def test_what_waits_too_long_is_dropped(upstream, tmp_path):
    now = [1_790_000_000_000]
    upstream.stop()

    async def test():
        async with tee_app(upstream, tmp_path, clock_ms=lambda: now[0]) as (app, _):
            await post(app, zipped([snapshot()]))
            now[0] += 7 * 86_400_000
            await post(app, zipped([snapshot()]))
            await until(lambda: app.tee.counts["too_old"] == 1)
            return app.tee.waiting

    assert run(test) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_errors_of_posthog_are_not_the_sdks(upstream, tmp_path, status):
    upstream.status = status

    async def test():
        async with tee_app(upstream, tmp_path) as (app, inbox):
            answer = await post(app, zipped([snapshot()]))
            assert (answer.status, len(inbox.kept)) == (200, 1)
            upstream.status = 200
            await until(lambda: app.tee.waiting == 0)

    run(test)
    assert len({g.body for g in upstream.got}) == 1


@pytest.mark.parametrize(("status", "left"), [(400, 0), (401, 0), (413, 0), (429, 1), (408, 1)])
def test_refusals_of_what_waited(upstream, tmp_path, status, left):
    upstream.stop()

    async def test():
        async with tee_app(upstream, tmp_path) as (app, _):
            await post(app, zipped([snapshot()]))
            upstream.status = status
            upstream.start()
            await until(lambda: len(upstream.got) >= 1 + left)
            await until(lambda: app.tee.waiting == left)

    run(test)


def test_a_slow_posthog_blocks_nobody(upstream, tmp_path):
    """It never answers, so every answer here came before its own."""
    upstream.hang = True

    async def test():
        async with tee_app(upstream, tmp_path, timeout_s=0.2, retry_s=300) as (app, inbox):
            for _ in range(6):
                assert (await post(app, zipped([snapshot()]))).status == 200
            assert len(inbox.kept) == app.tee.waiting == 6

    run(test)
    assert len(upstream.got) == 3  # nobody is made to wait once it is known


def test_without_room_to_wait_the_sdk_is_told_to_try_again(upstream, tmp_path):
    upstream.stop()

    async def test():
        async with tee_app(upstream, tmp_path, bounds={"max_bytes": 2000}) as (app, inbox):
            statuses = [(await post(app, zipped([snapshot()]))).status for _ in range(3)]
            return statuses, len(inbox.kept)

    statuses, kept = run(test)
    assert statuses == [200, 503, 503]
    assert kept == 3


def test_with_trouble_on_both_sides_the_sdk_sends_it_again(upstream, tmp_path):
    upstream.stop()
    inbox = MemoryInbox()
    inbox.error = InboxFullError("full")
    body = zipped([snapshot()])

    async def test():
        async with tee_app(upstream, tmp_path, inbox=inbox) as (app, _):
            assert (await post(app, body)).status == 503
            inbox.error = None
            assert (await post(app, body, query=b"retry_count=1")).status == 200
            upstream.start()
            await until(lambda: app.tee.waiting == 0)

    run(test)
    assert [c.body for c in inbox.kept] == [body]
    assert upstream.bodies == {body: 2}


def test_configs_and_scripts_while_posthog_is_down(upstream, tmp_path):
    sdk = SdkFiles("1.449.2", {"array.js": b"own array", "lazy-recorder.js": b"own recorder"})

    async def test():
        async with tee_app(upstream, tmp_path, sdk=sdk) as (app, _):
            path = f"/array/{TOKEN}/config.js"
            before = await ask_async(app, "GET", path, headers=BROWSER)
            await asyncio.to_thread(upstream.stop)
            again = await ask_async(app, "GET", path, headers=BROWSER)
            assert (again.status, again.body) == (200, before.body)
            assert again.headers["access-control-allow-origin"]
            assert (await ask_async(app, "GET", "/array/unknown/config")).status == 503
            script = await ask_async(app, "GET", "/static/1.2.3/lazy-recorder.js")
            assert (script.status, script.body) == (200, b"own recorder")
            assert (await ask_async(app, "GET", f"/array/{TOKEN}/array.js")).body == b"own array"
            flags = await post(app, b'{"token":"x"}', "/flags/")
            assert flags.status == 503
            assert flags.headers["access-control-allow-origin"] == BROWSER["Origin"]

    run(test)


def test_an_answer_that_breaks_off_breaks_off(upstream):
    upstream.cut_after = 1000

    async def test():
        async with tee_app(upstream) as (app, _):
            sent = []

            async def send(message):
                sent.append(message)

            async def receive():
                return {"type": "http.request", "body": b""}

            scope = {"type": "http", "method": "GET", "path": "/static/array.js", "headers": [], "query_string": b""}  # fmt: skip
            await app(scope, receive, send)
            return sent

    sent = run(test)
    assert sent[0]["status"] == 200
    # Never said to be complete: the server then closes the connection.
    assert [m for m in sent[1:] if not m["more_body"]] == []


# --- trouble here ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        InboxFullError("full"),
        StoreError("no space", location="x", operation="put"),
        RuntimeError("a bug of ours"),
    ],
)
def test_our_trouble_never_blocks_posthog(upstream, error):
    inbox = MemoryInbox()
    inbox.error = error

    async def test():
        async with tee_app(upstream, inbox=inbox) as (app, _):
            return await post(app, zipped([snapshot()])), app

    answer, app = run(test)
    assert answer.json == {"status": "Ok", "from": "posthog"}
    assert len(upstream.got) == 1
    assert sum(app.counts.values()) == 1
    assert app._held_bytes == 0


def test_bodies_we_cannot_read_are_posthogs_to_judge(upstream):
    async def test():
        async with tee_app(upstream) as (app, inbox):
            answer = await post(app, b"\x00\x01 not ours")
            return answer.json, inbox.kept

    assert run(test) == ({"status": "Ok", "from": "posthog"}, [])
    assert upstream.got[0].body == b"\x00\x01 not ours"


def test_a_disk_that_hangs_does_not_keep_posthogs_answer(upstream, monkeypatch):
    from replayport.capture import routes

    monkeypatch.setattr(routes, "KEEP_WAIT_S", 0.05)
    inbox = MemoryInbox()
    inbox.hang = True

    async def test():
        async with tee_app(upstream, inbox=inbox) as (app, _):
            assert (await post(app, zipped([snapshot()]))).status == 200
            assert inbox.kept == []
            assert app._held_bytes > 0  # still counted while the copy is under way
            inbox.hang = False
            await until(lambda: inbox.kept)
            await until(lambda: app._held_bytes == 0)

    run(test)


def test_too_large_a_body_is_nobodys(upstream):
    async def test():
        async with tee_app(upstream) as (app, _):
            return await post(app, b" " * (25 * 2**20 + 1))

    assert run(test).status == 413
    assert upstream.got == []
