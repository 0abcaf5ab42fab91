"""Capture requests: every coding decodes to the same events; every refusal is named."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import corpus

from replayport.errors import SourceDataError
from replayport.posthog.wire import (
    SnapshotBatch,
    WireBody,
    WireReject,
    analytics,
    decode_body,
    decode_payload,
    snapshots,
    status_of,
    token_of,
    valid_token,
)

SESSION = "0198d0c0-0000-7000-8000-000000000001"
WINDOW = "0198d0c0-0000-7000-8000-000000000002"
UUID = "0198d0c0-0000-7000-8000-000000000003"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CORPUS = corpus.CORPUS / "posthog-wire"


def snapshot_event(*events: Any, **properties: Any) -> dict[str, Any]:
    return {
        "uuid": UUID,
        "event": "$snapshot",
        "properties": {
            "$snapshot_data": list(events),
            "$session_id": SESSION,
            "$window_id": WINDOW,
            "$lib": "web",
            "token": "phc_x",
            "distinct_id": "u1",
            **properties,
        },
        "offset": 2996,
        "sent_at": "2026-08-22T10:00:00.000Z",
    }


def decode(document: Any, **query: str) -> WireBody:
    return decode_body(json.dumps(document).encode(), query=query, headers={})


def batch(document: Any) -> SnapshotBatch:
    return snapshots(decode(document))


CODINGS: dict[str, Callable[[bytes], tuple[bytes, dict[str, str], dict[str, str]]]] = {
    "plain": lambda b: (b, {}, {"Content-Type": "application/json"}),
    "gzip, unnamed": lambda b: (gzip.compress(b), {}, {"content-type": "text/plain"}),
    "gzip-js": lambda b: (gzip.compress(b), {"compression": "gzip-js"}, {}),
    "content-encoding": lambda b: (gzip.compress(b), {}, {"Content-Encoding": "gzip"}),
    "content-encoding already undone": lambda b: (b, {}, {"Content-Encoding": "gzip"}),
    "base64 form": lambda b: (
        b"data=" + quote_plus(base64.b64encode(b)).encode(),
        {"compression": "base64"},
        FORM,
    ),
    "base64 form, bare plus": lambda b: (b"data=" + base64.b64encode(b), {}, FORM),
    "base64 form, plus became space": lambda b: (
        b"data=" + base64.b64encode(b).replace(b"+", b" "),
        {},
        FORM,
    ),
    "base64 form without a content type": lambda b: (b"data=" + base64.b64encode(b), {}, {}),
    "json form": lambda b: (b"compression=&data=" + quote_plus(b).encode(), {}, FORM),
    "base64 body": lambda b: (base64.b64encode(b), {}, {}),
    "url-safe base64": lambda b: (base64.urlsafe_b64encode(b).rstrip(b"="), {}, {}),
    "gzip in base64": lambda b: (base64.b64encode(gzip.compress(b)), {}, {}),
    "base64 in gzip": lambda b: (gzip.compress(base64.b64encode(b)), {}, {}),
    "GET": lambda b: (b"", {"data": base64.b64encode(b).decode()}, {}),
    "JSON string": lambda b: (json.dumps(base64.b64encode(b).decode()).encode(), {}, {}),
    "data object": lambda b: (b'{"data":' + b + b"}", {}, {}),
    "data string": lambda b: (
        json.dumps({"data": base64.b64encode(gzip.compress(b)).decode()}).encode(),
        {},
        {},
    ),
    "batch": lambda b: (b'{"api_key":"phc_x","batch":' + b + b"}", {}, {}),
    "byte order mark": lambda b: (b"\xef\xbb\xbf" + b + b"\n", {}, {}),
}

RAW_EVENT = (
    b'{"type":3,"data":{"source":5,"text":"cut \\ud83d","n":123456789012345678901, "a":1,"a":2},'
    b'"timestamp":1700000000000.5}'
)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("character", ["x", "\u00fb\u00ff?", "~~~", "a b+c&d=e%20"])
def test_every_coding_gives_the_same_raw_events(coding: str, character: str) -> None:
    template = json.dumps([snapshot_event("EVENT", note=character)]).encode()
    body, query, headers = CODINGS[coding](template.replace(b'"EVENT"', RAW_EVENT))
    decoded = decode_body(body, query=query, headers=headers)
    found = snapshots(decoded)
    assert [e.raw for item in found.items for e in item.source_events()] == [RAW_EVENT]
    assert json.loads(decoded.events[0].properties["note"]) == character
    assert (found.token, found.distinct_id, found.session_id) == ("phc_x", "u1", SESSION)
    assert found.items[0].window_id == WINDOW
    assert found.items[0].uuid == UUID


def test_lz64() -> None:
    # {"event":"$pageview","properties":{}} by npm lz-string 1.5.0
    packed = "N4IgpgbmB2AuIC4QBIAOBDA5pAlmA7iADQioBOA9qmGbHgM6LAC+zQA="
    for body, query, headers in (
        (packed.encode(), {"compression": "lz64"}, {}),
        (f"data={quote_plus(packed)}&compression=lz-string".encode(), {}, FORM),
        (b"data=" + packed.encode(), {"compression": "lz64"}, FORM),
    ):
        assert decode_body(body, query=query, headers=headers).events[0].name == "$pageview"


def test_payload_of_other_endpoints() -> None:
    body = b"data=" + quote_plus(base64.b64encode(b'{"token":"phc_x"}')).encode()
    assert decode_payload(body, query={"v": "3"}, headers=FORM) == b'{"token":"phc_x"}'


def test_the_first_event_decides_for_the_batch_and_items_keep_their_own() -> None:
    other = snapshot_event({"n": 2}, **{"$session_id": "s-2", "$window_id": "w-2"})
    bad = snapshot_event({"n": 3}, **{"$session_id": "no good!", "$window_id": None})
    found = batch([snapshot_event({"n": 1}), other, bad])
    assert (found.session_id, found.window_id) == (SESSION, WINDOW)
    assert [(i.session_id, i.window_id) for i in found.items] == [
        (SESSION, WINDOW),
        ("s-2", "w-2"),
        (SESSION, WINDOW),
    ]


def test_defaults_of_a_mobile_batch() -> None:
    event = snapshot_event({"type": 2}, **{"$snapshot_source": "mobile"})
    del event["properties"]["$window_id"], event["properties"]["$lib"]
    event["properties"]["$snapshot_data"] = {"type": 2}
    found = snapshots(decode([event]), user_agent="posthog-ios/3.1 (iPhone)")
    assert found.window_id == SESSION
    assert found.snapshot_source == "mobile"
    assert found.library == "posthog-ios"
    assert found.items[0].events == (b'{"type": 2}',)
    assert snapshots(decode([event]), user_agent="curl/8").library == "unknown"


@pytest.mark.parametrize(
    ("change", "reason", "status"),
    [
        ({"token": None}, "missing_token", 401),
        ({"token": " "}, "invalid_token", 401),
        ({"token": "phx_secret"}, "invalid_token", 401),
        ({"token": "x" * 65}, "invalid_token", 401),
        ({"token": "ph\u00e9"}, "invalid_token", 401),
        ({"distinct_id": None}, "missing_distinct_id", 400),
        ({"distinct_id": ""}, "missing_distinct_id", 400),
        ({"$session_id": None}, "invalid_session_id", 400),
        ({"$session_id": 5}, "invalid_session_id", 400),
        ({"$session_id": "a b"}, "invalid_session_id", 400),
        ({"$session_id": "a\n"}, "invalid_session_id", 400),
        ({"$session_id": "a" * 71}, "invalid_session_id", 400),
        ({"$session_id": "../x"}, "invalid_session_id", 400),
        ({"$snapshot_data": "x"}, "invalid_snapshot_data", 400),
        ({"$snapshot_data": None}, "invalid_snapshot_data", 400),
        ({"$cookieless_mode": "yes"}, "invalid_cookieless_mode", 400),
    ],
)
def test_refusals(change: dict[str, Any], reason: str, status: int) -> None:
    with pytest.raises(SourceDataError) as refused:
        batch([snapshot_event({"type": 4}, **change)])
    assert refused.value.reason == reason
    assert status_of(refused.value) == status


def test_a_bad_later_event_refuses_the_request() -> None:
    with pytest.raises(SourceDataError) as refused:
        batch([snapshot_event({}), snapshot_event({}, **{"$snapshot_data": 1})])
    assert refused.value.reason == "invalid_snapshot_data"


@pytest.mark.parametrize("uuid", ["<uuid>", "", 5, "0198"])
def test_a_uuid_must_be_one(uuid: object) -> None:
    with pytest.raises(SourceDataError) as refused:
        batch([{**snapshot_event({}), "uuid": uuid}])
    assert refused.value.reason == "invalid_uuid"
    assert batch([{**snapshot_event({}), "uuid": None}]).items[0].uuid is None


def test_distinct_ids_follow_posthogs_rules() -> None:
    event = snapshot_event({})
    assert batch([{**event, "distinct_id": "root"}]).distinct_id == "root"
    assert batch([{**event, "$distinct_id": "root"}]).distinct_id == "root"
    assert batch([{**event, "distinct_id": 12}]).distinct_id == "12"
    assert batch([{**event, "distinct_id": "a\0b"}]).distinct_id == "a\ufffdb"
    assert batch([{**event, "distinct_id": "x" * 300}]).distinct_id == "x" * 200


def test_tokens_at_the_root_win() -> None:
    event = snapshot_event({})
    for key in ("token", "$token", "api_key"):
        assert token_of(decode([{**event, key: "phc_root"}])) == "phc_root"
    assert token_of(decode({"api_key": "phc_batch", "batch": [event]})) == "phc_batch"
    assert valid_token(" phc_x ") == "phc_x"


@pytest.mark.parametrize(
    ("body", "query", "headers", "reason", "status"),
    [
        (b"", {}, {}, "empty", 400),
        (b"  ", {}, {}, "empty", 400),
        (b"[]", {}, {}, "empty", 400),
        (b'{"batch":[]}', {}, {}, "empty", 400),
        (b"data=", {}, FORM, "empty", 400),
        (b"\x1f\x8b\x08junk", {}, {}, "invalid_gzip", 400),
        (gzip.compress(b"[1]", mtime=0)[:-3], {}, {}, "invalid_gzip", 400),
        (b"<xml>", {"compression": "gzip-js"}, {}, "invalid_gzip", 400),
        (b"<xml>", {"compression": "base64"}, {}, "invalid_base64", 400),
        (b"abcde", {}, {}, "invalid_base64", 400),
        (b"IZA", {"compression": "lz64"}, {}, "invalid_base64", 400),
        (b"<xml>", {}, {}, "invalid_json", 400),
        (b'[{"event":1}', {}, {}, "invalid_json", 400),
        (b'{"data":{"data":{"data":{"data":[]}}}}', {}, {}, "invalid_json", 400),
        (b'["\xff"]', {}, {}, "invalid_utf8", 400),
        (b'"' + base64.b64encode(b'["\xff"]') + b'"', {}, {}, "invalid_utf8", 400),
        (b"[1]", {}, {}, "not_an_event", 400),
        (b"[{}]", {"compression": "rar"}, {}, "unknown_format", 400),
        (b"[{}]", {}, {"Content-Encoding": "br"}, "unknown_format", 400),
        (b"[" + b" " * 2000 + b"]", {}, {}, "too_large", 413),
        (gzip.compress(b"[" + b" " * 2000 + b"]", mtime=0), {}, {}, "too_large", 413),
        (b"BYUwNmD2Q===", {"compression": "lz64"}, {}, "invalid_base64", 400),
    ],
)
def test_museum_of_bodies(
    body: bytes, query: dict[str, str], headers: dict[str, str], reason: str, status: int
) -> None:
    with pytest.raises(SourceDataError) as refused:
        decode_body(body, query=query, headers=headers, max_bytes=1000)
    assert refused.value.reason == reason
    assert WireReject(reason)
    assert status_of(refused.value) == status


@given(
    st.sampled_from(sorted(CODINGS)),
    st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 255)), max_size=3),
    st.none() | st.integers(min_value=0),
)
def test_damaged_requests_decode_or_are_refused(
    coding: str, flips: list[tuple[int, int]], cut: int | None
) -> None:
    body, query, headers = CODINGS[coding](json.dumps([snapshot_event({"type": 4})]).encode())
    damaged = bytearray(body)
    for position, byte in flips if damaged else []:
        damaged[position % len(damaged)] = byte
    if cut is not None:
        damaged = damaged[: cut % (len(damaged) + 1)]
    with contextlib.suppress(SourceDataError):
        decoded = decode_body(bytes(damaged), query=query, headers=headers)
        analytics(decoded, received_ms=0)
        snapshots(decoded)


@given(
    st.binary(max_size=80),
    st.dictionaries(st.sampled_from(["data", "_", "compression"]), st.text()),
)
def test_any_request_decodes_or_is_refused(body: bytes, query: dict[str, str]) -> None:
    with contextlib.suppress(SourceDataError):
        decode_body(body, query=query, headers={})


def analytics_event(**members: Any) -> dict[str, Any]:
    return {
        "event": "$pageview",
        "uuid": UUID,
        "properties": {"distinct_id": "u", "$current_url": "http://a/", "$session_id": "s"},
        **members,
    }


def test_analytics_keep_the_clients_clock() -> None:
    events = [
        analytics_event(timestamp="2026-08-22T10:00:00.123Z"),
        analytics_event(timestamp="2026-08-22T12:00:00.123999+02:00"),
        analytics_event(timestamp="2026-08-22T10:00:00.123"),
        analytics_event(timestamp=1787392800123),
        analytics_event(offset=1877),
        analytics_event(offset=-5),
        analytics_event(timestamp="yesterday"),
        analytics_event(),
    ]
    document = {"api_key": "k", "batch": events, "sent_at": "2026-08-22T10:00:02.000Z"}
    said = 1787392800123
    sent = 1787392802000
    found = analytics(decode(document), received_ms=5)
    assert [e.timestamp_ms for e in found] == [said] * 5 + [sent] * 3
    (late,) = analytics(decode([analytics_event(offset=3)], _=str(sent)), received_ms=5)
    assert late.timestamp_ms == sent - 3
    (seconds,) = analytics(decode([analytics_event()], sent_at="1787392802"), received_ms=5)
    assert seconds.timestamp_ms == 5


def test_sets_beside_the_properties_join_them() -> None:
    event = analytics_event(**{"$set": {"a": 1}, "$set_once": {"b": "\u00e9"}})
    event["properties"]["$set"] = {"own": 1}
    (found,) = analytics(decode([event]), received_ms=0)
    assert json.loads(found.properties) == {**event["properties"], "$set_once": {"b": "\u00e9"}}
    (empty,) = analytics(
        decode([{"event": "x", "distinct_id": "u", "properties": {}, "$set": {"a": 1}}]),
        received_ms=0,
    )
    assert empty.properties == '{"$set":{"a": 1}}'
    assert (empty.session_id, empty.window_id, empty.url, empty.uuid) == (None, None, None, None)


def test_one_bad_analytics_event_does_not_lose_the_others() -> None:
    rejected: Counter[str] = Counter()
    events = [
        analytics_event(),
        {"event": 5, "distinct_id": "u"},
        {"event": "x"},
        {"event": "x", "distinct_id": "u", "properties": []},
        analytics_event(uuid="no"),
        snapshot_event({}),
    ]
    found = analytics(decode(events), received_ms=0, rejected=rejected)
    assert [e.event for e in found] == ["$pageview"]
    assert rejected == {"not_an_event": 2, "missing_distinct_id": 1, "invalid_uuid": 1}


def test_a_mixed_body_divides() -> None:
    body = decode([analytics_event(), snapshot_event({"type": 4})])
    assert body.snapshot_part is not None
    assert len(snapshots(body.snapshot_part).items) == 1
    assert decode([analytics_event()]).snapshot_part is None


def captures() -> list[Path]:
    return sorted(p for p in CORPUS.glob("*") if p.is_dir()) if CORPUS.is_dir() else []


@pytest.mark.parametrize("capture", captures(), ids=lambda p: p.name)
def test_recorded_requests_hold_what_was_counted_in_them(capture: Path) -> None:
    """Real posthog-js; `summary.json` was counted by other code."""
    path = capture / "requests.jsonl"
    lines = (
        path.read_bytes()
        if path.exists()
        else gzip.decompress(path.with_suffix(".jsonl.gz").read_bytes())
    ).splitlines()
    counted: dict[str, Counter[str]] = {}
    analytics_events = 0
    for request in map(json.loads, lines):
        if request["method"] != "POST" or not request["body_file"]:
            continue
        if not request["path"].endswith(("/s/", "/e/")):
            continue
        name = Path(request["body_file"]).name
        body = decode_body(
            (capture / "bodies" / name).read_bytes(),
            query=request["query"],
            headers=request["headers"],
        )
        rejected: Counter[str] = Counter()
        analytics_events += len(analytics(body, received_ms=request["t"], rejected=rejected))
        assert not rejected
        if body.snapshot_part is None:
            continue
        for item in snapshots(body.snapshot_part).items:
            counts = counted.setdefault(f"{item.session_id}/{item.window_id}", Counter())
            for raw in item.events:
                event = json.loads(raw)
                counts["events"] += 1
                counts[f"type {event['type']}"] += 1
                counts["cv"] += "cv" in event
            counts["requests"] += 1
    summary = json.loads((capture / "summary.json").read_bytes())
    assert counted == {
        key: Counter(
            {
                "events": s["events"],
                "cv": s["cv"],
                "requests": s["requests"],
                **{f"type {t}": n for t, n in s["types"].items()},
            }
        )
        for key, s in summary["per_session_window"].items()
    }
    # The summary counted analytics events in array bodies only.
    assert analytics_events >= sum(
        n for name, n in summary["captured_events"].items() if name != "$snapshot"
    )
