"""The protocol: every path, coding, status and header that posthog-js acts on."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import zlib
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.capture.asking import (
    SDK,
    SESSION,
    TOKEN,
    MemoryInbox,
    analytics,
    ask,
    ask_async,
    envelope,
    form,
    make,
    snapshot,
    zipped,
)

from replayport.capture import routes
from replayport.capture.inbox import Inbox, InboxFullError
from replayport.capture.projects import Project, Projects, RecordingSettings
from replayport.capture.routes import capture_app
from replayport.demo import RECORDINGS_FOLDER
from replayport.demo.record import read_wire
from replayport.errors import SettingsError, StoreError
from replayport.posthog import wire

CAPTURE = ("/s", "/e", "/i/v0/e", "/batch", "/capture", "/track", "/engage")
OK = b'{"status":"Ok"}'
CONFIGURED = {
    "shop": Project(name="shop", tokens=(TOKEN,)),
    "quiet": Project(
        name="quiet", tokens=("phc_quiet",), recording=RecordingSettings(enabled=False)
    ),
}


def payload(path):
    return [snapshot()] if path == "/s" else envelope(analytics())


# --- data -----------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("prefix", ["", "/ingest", "/a/b"])
@pytest.mark.parametrize("path", CAPTURE)
def test_data_is_kept_under_every_path(path, prefix, slash):
    app, inbox = make(prefix=prefix, clock_ms=lambda: 77)
    body = zipped(payload(path))
    answer = ask(
        app,
        "POST",
        prefix + path + slash,
        query=b"retry_count=1",
        body=body,
        headers={"Content-Type": "text/plain", "User-Agent": "UA/1", "Cookie": "secret=1"},
    )
    assert (answer.status, answer.body) == (200, OK)
    (kept,) = inbox.kept
    assert kept.body == body
    assert (kept.project, kept.token, kept.received_ms) == (TOKEN, TOKEN, 77)
    assert kept.session_ids == (SESSION,)
    assert kept.kind == ("snapshots" if path == "/s" else "events")
    assert kept.query == "retry_count=1"
    assert kept.headers == {"content-type": "text/plain", "user-agent": "UA/1"}


def test_the_root_answers_beside_the_prefix_and_below_a_mount():
    app, inbox = make(prefix="ingest/")
    assert ask(app, "POST", "/s/", body=zipped([snapshot()])).status == 200
    assert ask(app, "POST", "/ingest/s/", body=zipped([snapshot()]), root_path="/m").status == 200
    assert ask(app, "POST", "/ingesting/s/", body=b"x").status == 404
    assert len(inbox.kept) == 2


def codings():
    value = [snapshot()]
    text = json.dumps(value).encode()
    plain = base64.b64encode(text)
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}
    return {
        "gzip": (zipped(value), b"", {"Content-Type": "text/plain"}),
        "gzip-js": (zipped(value), b"compression=gzip-js&ver=1.100.0&_=1790000000000", {}),
        "content-encoding": (zipped(value), b"", {"Content-Encoding": "gzip"}),
        "form": (form(value), b"compression=base64", form_type),
        "form-plus": (b"data=" + plain, b"compression=base64", form_type),
        "base64": (plain, b"", {}),
        "plain": (text, b"", {"Content-Type": "application/json"}),
        "beacon": (form(value), b"compression=base64&beacon=1", form_type),
        "one-object": (json.dumps(value[0]).encode(), b"", {}),
        "in-data": (json.dumps({"data": value}).encode(), b"", {}),
    }


@pytest.mark.parametrize("coding", codings())
def test_codings(coding):
    body, query, headers = codings()[coding]
    app, inbox = make()
    answer = ask(app, "POST", "/s/", body=body, query=query, headers=headers)
    assert (answer.status, answer.body) == (200, OK), answer.body
    assert inbox.kept[0].session_ids == (SESSION,)
    # What is kept decodes again, from what is kept with it.
    kept = inbox.kept[0]
    again = wire.decode_body(kept.body, query=routes._query(kept.query), headers=kept.headers)
    assert wire.snapshots(again).session_id == SESSION


def test_data_in_the_query_of_a_get():
    app, inbox = make()
    data = base64.b64encode(json.dumps(envelope(analytics())).encode()).decode()
    answer = ask(app, "GET", "/e/", query=urlencode({"data": data}).encode())
    assert answer.body == OK
    assert inbox.kept[0].session_ids == (SESSION,)


def test_all_sessions_of_a_request_are_named():
    app, inbox = make()
    other = "0198a0b0-0000-7000-8000-000000000002"
    ask(app, "POST", "/s/", body=zipped([snapshot(), snapshot(other), snapshot()]))
    ask(app, "POST", "/e/", body=zipped(envelope(analytics(other), analytics(), snapshot("third"))))
    assert [c.session_ids for c in inbox.kept] == [(SESSION, other), ("third", other, SESSION)]


def test_events_of_no_session_are_taken_and_not_kept():
    app, inbox = make()
    assert ask(app, "POST", "/batch/", body=zipped(envelope(analytics(None)))).body == OK
    assert not any(c.session_ids for c in inbox.kept)
    assert app.counts["no_session"] == 1


@pytest.mark.parametrize("session_id", ["a" * 10_000, "../../etc/passwd", "a/b", "..", "\0", "é"])
def test_events_of_a_session_no_recording_can_have_are_not_kept(session_id, tmp_path):
    with Inbox.open(tmp_path) as inbox:
        app, _ = make(inbox)
        assert ask(app, "POST", "/e/", body=zipped(envelope(analytics(session_id)))).status == 200
        assert inbox.due(2**62, limit=1) == []


def test_a_session_that_ends_is_said_to():
    app, inbox = make()
    ending = {"type": 5, "timestamp": 1, "data": {"tag": "$session_ending", "payload": {}}}
    ask(app, "POST", "/s/", body=zipped([snapshot(events=[ending]), snapshot("other")]))
    assert inbox.kept[0].ended_session_ids == (SESSION,)
    assert inbox.kept[0].session_ids == (SESSION, "other")


def test_good_events_beside_bad_ones_are_kept():
    app, inbox = make()
    bad = {"event": "", "properties": {}}
    assert ask(app, "POST", "/e/", body=zipped(envelope(bad, analytics()))).status == 200
    assert len(inbox.kept) == 1
    assert app.counts["event_not_an_event"] == 1


# --- refusals -------------------------------------------------------------------------


def without(event, *keys, inside="properties"):
    changed = json.loads(json.dumps(event))
    for key in keys:
        (changed[inside] if inside else changed).pop(key)
    return changed


REFUSED = {
    "empty": ("/s/", b"", 400, "empty"),
    "empty batch": ("/s/", b"[]", 400, "empty"),
    "not json": ("/s/", b"{nonsense", 400, "invalid_json"),
    "cut gzip": ("/s/", zipped([snapshot()])[:-9], 400, "invalid_gzip"),
    "no token": ("/s/", zipped([without(snapshot(), "token")]), 401, "missing_token"),
    "a secret": ("/s/", zipped([snapshot(token="phx_abc")]), 401, "invalid_token"),
    "odd token": ("/s/", zipped([snapshot(token="a b/../c")]), 401, "unknown_token"),
    "no person": ("/s/", zipped([without(snapshot(), "distinct_id")]), 400, "missing_distinct_id"),
    "no session": ("/s/", zipped([without(snapshot(), "$session_id")]), 400, "invalid_session_id"),
    "bad session": ("/s/", zipped([snapshot("../../etc")]), 400, "invalid_session_id"),
    "long session": ("/s/", zipped([snapshot("a" * 71)]), 400, "invalid_session_id"),
    "a session as long as a page": ("/s/", zipped([snapshot("a" * 10_000)]), 400, "invalid_session_id"),
    "a session with a zero": ("/s/", zipped([snapshot("a\0b")]), 400, "invalid_session_id"),
    "no snapshots": ("/s/", zipped([snapshot(events=7)]), 400, "invalid_snapshot_data"),
    "odd uuid": ("/s/", zipped([snapshot() | {"uuid": "x"}]), 400, "invalid_uuid"),
    "two tokens": (
        "/s/",
        zipped([snapshot(), snapshot(token="phc_other")]),
        401,
        "multiple_tokens",
    ),
    "two tokens of events": (
        "/e/",
        zipped(envelope(analytics(), analytics(token="phc_other"))),
        401,
        "multiple_tokens",
    ),
    "no event is good": ("/e/", zipped(envelope({"event": "x", "properties": {}})), 400, "missing_distinct_id"),
    "too large": ("/e/", b"[" + b" " * (2 * 2**20), 413, "too_large"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_and_how(what):
    path, body, status, reason = REFUSED[what]
    app, inbox = make()
    answer = ask(app, "POST", path, body=body, headers={"Origin": "https://a.example"})
    assert (answer.status, answer.json["reason"]) == (status, reason)
    assert answer.json.keys() == {"ok", "error", "reason", "status"}
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert not inbox.kept
    assert app.counts == {reason: 1}


def test_other_tokens_are_refused_once_projects_are_configured():
    app, inbox = make(projects=Projects(CONFIGURED))
    assert ask(app, "POST", "/s/", body=zipped([snapshot()])).status == 200
    assert ask(app, "POST", "/s/", body=zipped([snapshot(token="phc_x")])).status == 401
    assert ask(app, "GET", "/array/phc_x/config").status == 401
    assert ask(app, "GET", "/array/phc_x/config.js").status == 401
    assert ask(app, "POST", "/flags/", body=b'{"token":"phc_x"}').status == 401
    assert [c.project for c in inbox.kept] == ["shop"]


def test_recordings_of_a_project_that_does_not_record_are_not_kept():
    app, inbox = make(projects=Projects(CONFIGURED))
    answer = ask(app, "POST", "/s/", body=zipped([snapshot(token="phc_quiet")]))
    assert answer.status == 200
    assert answer.json == {"status": "Ok", "quota_limited": ["recordings"]}
    slow_way = ask(app, "POST", "/s/", body=zipped(snapshot(token="phc_quiet")))
    assert slow_way.json == answer.json
    assert not inbox.kept
    config = ask(app, "GET", "/array/phc_quiet/config").json
    assert config["sessionRecording"] is False


@pytest.mark.parametrize(
    ("path", "limit"),
    [("/e/", 2 * 2**20), ("/batch/", 20 * 2**20), ("/s/", 25 * 2**20)],
)
def test_sizes_on_the_wire(path, limit):
    app, _ = make()
    piece = b" " * 2**18
    for size, status in ((limit, 400), (limit + 1, 413), (3 * limit, 413)):
        chunks = [piece] * (size // len(piece)) + [b" " * (size % len(piece))]
        answer = ask(app, "POST", path, chunks=chunks)
        assert answer.status == status, size
    said = ask(app, "POST", path, body=b"x", headers={"Content-Length": str(2 * limit + 1)})
    assert said.status == 413
    assert app._held_bytes == 0


def test_a_bomb_is_refused():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b" " * 2**20) for _ in range(65)) + packer.flush()
    app, _ = make()
    assert len(bomb) < 100_000
    assert ask(app, "POST", "/s/", body=bomb).status == 413
    assert ask(app, "POST", "/flags/", body=bomb).status == 413


def test_much_of_the_oldest_coding_is_refused():
    app, _ = make()
    for query, body in ((b"compression=lz64", b"A" * 300_000), (b"", b"compression=lz64&data=" + b"A" * 300_000)):  # fmt: skip
        answer = ask(app, "POST", "/e/", query=query, body=body)
        assert (answer.status, answer.json["reason"]) == (413, "too_large")


@pytest.mark.parametrize("path", ["/s/", "/e/"])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"data": v}, lambda v: {"batch": v}, json.dumps, lambda v: {"data": base64.b64encode(zipped(v)).decode()}])  # fmt: skip
def test_more_events_than_any_sdk_sends(path, wrap):
    app, inbox = make()
    answer = ask(app, "POST", path, body=zipped(wrap([{}] * (routes.MAX_ITEMS + 1))))
    assert (answer.status, answer.json["reason"]) == (413, "too_large")
    few = ask(app, "POST", path, body=zipped(wrap([snapshot()])))
    assert few.status == 200, few.body


def test_an_event_with_data_of_its_own_is_an_event():
    app, inbox = make()
    event = analytics() | {"data": "not a coding of events"}
    assert ask(app, "POST", "/e/", body=zipped(event)).status == 200
    assert len(inbox.kept) == 1


@pytest.mark.parametrize("noise", [0, 200_000])
def test_large_requests_are_kept_too(noise):
    """Past `THREAD_BYTES` on the wire, and past `THREAD_DECODED_BYTES` when inflated."""
    app, inbox = make()
    event = {"type": 5, "timestamp": 1, "data": {"tag": "x" * 600_000 + "".join(chr(33 + i * i % 89) for i in range(noise))}}  # fmt: skip
    body = zipped([snapshot(events=[event])])
    assert ask(app, "POST", "/s/", body=body).status == 200
    assert inbox.kept[0].body == body


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InboxFullError("full"), "inbox_full"),
        (StoreError("no space", location="x", operation="put"), "disk"),
        (RuntimeError("a bug"), "internal_error"),
    ],
)
def test_what_trying_again_can_cure_is_503(error, reason):
    app, inbox = make()
    inbox.error = error
    answer = ask(app, "POST", "/s/", body=zipped([snapshot()]))
    assert (answer.status, answer.json["reason"]) == (503, reason)
    assert answer.headers["retry-after"] == "5"
    inbox.error = None
    assert ask(app, "POST", "/s/", body=zipped([snapshot()])).status == 200


def test_a_request_that_does_not_arrive_ends():
    app, _ = make()
    app.body_timeout_s = 0.02

    async def never():
        await asyncio.sleep(60)

    answer = ask(app, "POST", "/s/", chunks=[b"[", never])
    assert answer.status == 408
    assert app._held_bytes == 0


def test_a_client_that_hangs_up_is_not_answered():
    app, inbox = make()

    async def run():
        sent = []
        messages = [{"type": "http.request", "body": b"[", "more_body": True}, {"type": "http.disconnect"}]  # fmt: skip

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/s/", "headers": [], "query_string": b""}  # fmt: skip
        await app(scope, receive, send)
        return sent

    assert asyncio.run(run()) == []
    assert app._held_bytes == 0


def test_bodies_in_memory_are_bounded():
    app, inbox = make()
    app.max_held_bytes = 1000

    async def run():
        release = asyncio.Event()

        async def later():
            await release.wait()
            return b""

        first = asyncio.create_task(ask_async(app, "POST", "/e/", chunks=[b" " * 900, later]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second = await ask_async(app, "POST", "/e/", body=b" " * 900)
        release.set()
        return (await first).status, second.status, second.json["reason"]

    assert asyncio.run(run()) == (400, 503, "busy")
    assert ask(app, "POST", "/e/", body=b" " * 5000).status == 400  # alone it fits
    assert app._held_bytes == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
def test_other_methods(method):
    app, _ = make()
    assert ask(app, method, "/s/", body=zipped([snapshot()])).status == 405
    assert ask(app, "DELETE", "/array/x/config").status == 405


def test_nothing_recorded_is_logged(caplog):
    caplog.set_level(logging.DEBUG)
    app, inbox = make()
    inbox.error = RuntimeError("secret-page")
    ask(app, "POST", "/s/", body=zipped([snapshot()]))
    ask(app, "POST", "/s/", body=b'[{"secret-page"')
    ask(app, "POST", "/s/", body=zipped([snapshot("secret-page!")]))
    assert caplog.text
    assert "secret-page" not in caplog.text


def test_refusals_are_said_once_a_minute(caplog):
    app, _ = make()
    for _ in range(50):
        ask(app, "POST", "/s/", body=b"[]")
    assert app.counts["empty"] == 50
    assert caplog.text.count("requests not kept") == 1


# --- what the SDK asks ----------------------------------------------------------------


def test_the_config_as_json_and_as_a_script():
    app, _ = make()
    config = ask(app, "GET", f"/array/{TOKEN}/config")
    script = ask(app, "GET", f"/array/{TOKEN}/config.js", headers={"Origin": "https://a.example"})
    assert config.json["token"] == TOKEN
    assert script.headers["access-control-allow-origin"] == "https://a.example"
    assert script.headers["content-type"].startswith("application/javascript")
    assert "max-age" in script.headers["cache-control"]
    value = script.body.decode().split(f'_POSTHOG_REMOTE_CONFIG["{TOKEN}"]=', 1)[1]
    assert json.loads(value.removesuffix(";})();")) == {"config": config.json, "siteApps": []}
    whole = ask(app, "GET", f"/array/{TOKEN}/array.js").body
    assert whole == SDK.file("array.js").body + b"\n" + script.body


@pytest.mark.parametrize("path", ["/array/a%20b/config", "/array//config", "/array/x/y", "/array/" + "a" * 201 + "/config"])  # fmt: skip
def test_addresses_of_no_config(path):
    assert ask(make()[0], "GET", path).status == 404


def flags_bodies():
    asked = {"token": TOKEN, "distinct_id": "u"}
    return {
        "json": json.dumps(asked).encode(),
        "form": form(asked),
        "gzip": zipped(asked),
        "python": json.dumps({"api_key": TOKEN, "distinct_id": "u"}).encode(),
    }


@pytest.mark.parametrize("coding", flags_bodies())
def test_flags(coding):
    app, _ = make()
    body = flags_bodies()[coding]
    plain = ask(app, "POST", "/flags/", query=b"v=2", body=body).json
    assert plain["flags"] == plain["featureFlags"] == plain["featureFlagPayloads"] == {}
    assert plain["errorsWhileComputingFlags"] is False
    assert "sessionRecording" not in plain
    both = ask(app, "POST", "/flags/", query=b"v=2&config=true", body=body).json
    assert both["sessionRecording"]["endpoint"] == "/s/"
    decide = ask(app, "POST", "/decide/", query=b"v=3", body=body).json
    assert decide["sessionRecording"] == both["sessionRecording"]
    assert decide["featureFlags"] == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 401), (b"{}", 401), (b"[]", 400), (b"{", 400), (b'{"token":5}', 400), (b"\x1f\x8bxx", 400), (b"[" * 100_000, 400)],
)  # fmt: skip
def test_flags_refused(body, status):
    assert ask(make()[0], "POST", "/flags/", body=body).status == status


def test_scripts():
    app, _ = make()
    plain = ask(app, "GET", "/static/recorder.js", query=b"v=1.100.0")
    assert plain.body == b"window.rrweb={}"
    assert plain.headers["access-control-allow-origin"] == "*"
    packed = ask(app, "GET", "/static/recorder.js", headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    refused = ask(app, "GET", "/static/recorder.js", headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in refused.headers
    again = ask(app, "GET", "/static/recorder.js", headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    head = ask(app, "HEAD", "/static/recorder.js")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(plain.body))
    own = ask(app, "GET", "/static/1.449.2/recorder.js")
    other = ask(app, "GET", "/static/1.300.0/recorder.js")
    assert own.body == other.body == plain.body
    assert "max-age=31536000" in own.headers["cache-control"]
    assert "max-age=31536000" not in other.headers["cache-control"]


@pytest.mark.parametrize("name", ["surveys.js", "../array.js", "1.2.3/../../x", "1.449.2/nope.js", "x/array.js"])  # fmt: skip
def test_scripts_there_are_not(name):
    answer = ask(make()[0], "GET", f"/static/{name}")
    assert answer.status == 404
    assert answer.headers["access-control-allow-origin"] == "*"


def test_features_there_are_not():
    app, _ = make()
    assert ask(app, "GET", "/api/surveys/").json == {"surveys": []}
    assert ask(app, "GET", "/api/web_experiments/").json == {"experiments": []}
    assert ask(app, "GET", "/api/early_access_features/").json == {"earlyAccessFeatures": []}
    assert ask(app, "POST", "/i/v1/logs", body=b"x").status == 404


# --- pages of other origins -----------------------------------------------------------

ASKED = [("GET", "/static/array.js"), ("GET", f"/array/{TOKEN}/config.js"), ("POST", "/s/"), ("POST", "/flags/"), ("GET", "/nowhere")]  # fmt: skip


@pytest.mark.parametrize("origin", ["https://a.example", "http://localhost:3000", "null", None])
@pytest.mark.parametrize(("method", "path"), ASKED)
def test_every_answer_may_be_read_by_every_page(method, path, origin):
    app, _ = make()
    headers = {} if origin is None else {"Origin": origin}
    answer = ask(app, method, path, headers=headers, body=b"")
    assert answer.headers["access-control-allow-origin"] == (origin or "*")
    assert answer.headers.get("access-control-allow-credentials") == (origin and "true")
    assert any(n == b"vary" and v == b"Origin" for n, v in answer.raw_headers)


@pytest.mark.parametrize("path", [*(f"{p}/" for p in CAPTURE), "/flags/", "/decide/", f"/array/{TOKEN}/config"])  # fmt: skip
def test_preflights(path):
    answer = ask(
        make()[0],
        "OPTIONS",
        path,
        headers={
            "Origin": "https://a.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, x-mine",
        },
    )
    assert answer.status == 200
    assert answer.headers["access-control-allow-headers"] == "content-type, x-mine"
    assert answer.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"


# --- beside another app ---------------------------------------------------------------


async def pages(scope, receive, send):
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def test_what_is_not_the_protocols_goes_to_the_other_app():
    app, _ = make(fallback=pages, prefix="/ingest")
    for path in ("/", "/recordings/p/x", "/static/player.js", "/api/recordings", "/healthz", "/i/v1/logs"):  # fmt: skip
        assert ask(app, "GET", path).status == 299, path
        assert not app.owns(path)
    for path in ("/static/array.js", "/static/1.2.3/lazy-recorder.js", "/s/", "/s", "/array/x/config", "/ingest/healthz", "/flags"):  # fmt: skip
        assert app.owns(path), path
        assert ask(app, "GET", path).status != 299, path
    assert ask(app, "GET", "/ingest/healthz").status == 404


def test_a_prefix_that_is_no_path():
    with pytest.raises(SettingsError, match="capture_prefix"):
        make(prefix="/a b?")


def test_lifespan():
    app, _ = make()

    async def run():
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        return sent

    assert asyncio.run(run()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_the_packages_own_scripts_are_the_default():
    from replayport.capture.sdk_files import SdkFilesMissingError

    try:
        app = capture_app(MemoryInbox(), Projects())
    except SdkFilesMissingError as e:
        assert "make web" in str(e)
    else:
        assert ask(app, "GET", "/static/array.js").status == 200


# --- real requests --------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(p.name for p in RECORDINGS_FOLDER.glob("*.jsonl.zst")))
def test_shipped_recordings_are_kept_whole(name, tmp_path):
    index = {
        entry["name"]: entry
        for entry in json.loads((RECORDINGS_FOLDER / "index.json").read_text("utf-8"))["recordings"]
    }[name.removesuffix(".jsonl.zst")]
    with Inbox.open(tmp_path / "inbox") as inbox:
        app, _ = make(inbox)

        async def run():
            for request in read_wire(RECORDINGS_FOLDER / name):
                answer = await ask_async(
                    app,
                    request.method,
                    request.path,
                    query=request.query.encode(),
                    headers=dict(request.headers),
                    body=request.body,
                )
                assert (answer.status, answer.body) == (200, OK)

        asyncio.run(run())
        drafts = [inbox.draft("phc_demo_shop", s) for s in index["session_ids"]]
        stored = sum(len(d.columns) for d in drafts if d is not None)
    assert stored == index["events"]
    assert app.counts.keys() <= {"kept", "no_session"}


def captures():
    folder = Path(__file__).parent
    from tests.support.corpus import CORPUS

    found = CORPUS / "posthog-wire"
    return (
        sorted(p.name for p in found.iterdir() if p.is_dir()) if found.is_dir() else [folder.name]
    )


@pytest.mark.corpus
@pytest.mark.parametrize("name", captures())
def test_real_captures(name, corpus, tmp_path):
    folder = corpus / "posthog-wire" / name
    if not folder.is_dir():
        pytest.skip("no captures here")
    log = folder / "requests.jsonl"
    lines = log.read_bytes() if log.is_file() else gzip.decompress((folder / "requests.jsonl.gz").read_bytes())  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    prefix = "/ingest" if "prefix" in name else ""
    seen_by_sdk = {"array.js", "lazy-recorder.js", "recorder.js", "surveys.js", "exception-autocapture.js"}  # fmt: skip
    from replayport.capture.sdk_files import SdkFiles

    app, inbox = make(
        prefix=prefix, sdk_files=SdkFiles("1.449.2", dict.fromkeys(seen_by_sdk, b"1"))
    )

    async def run():
        for line in lines.splitlines():
            request = json.loads(line)
            path, _, query = request["raw_url"].partition("?")
            body = (folder / request["body_file"]).read_bytes() if request["body_file"] else b""
            answer = await ask_async(
                app,
                request["method"],
                path,
                query=query.encode(),
                headers=request["headers"],
                body=body,
            )
            assert answer.status == 200, (request["method"], path, answer.body[:300])

    asyncio.run(run())
    sessions = {s for c in inbox.kept for s in c.session_ids}
    assert {key.split("/")[0] for key in summary["per_session_window"]} <= sessions
