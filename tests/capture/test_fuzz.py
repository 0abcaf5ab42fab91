"""Whatever strangers send: an answer of the protocol, no 5xx, nothing left behind."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.capture.asking import TOKEN, analytics, ask, envelope, form, make, snapshot, zipped

from replayport.posthog import wire

PATHS = st.sampled_from(
    [
        *("/s/", "/e/", "/i/v0/e", "/batch/", "/capture", "/track/", "/engage/"),
        *("/flags/", "/decide", f"/array/{TOKEN}/config", "/array/x/config.js", "/api/surveys"),
        *("/static/array.js", "/static/1.2.3/array.js", "/static/x"),
    ]
)
METHODS = st.sampled_from(["GET", "POST", "OPTIONS", "PUT", "HEAD"])
QUERIES = st.binary(max_size=60) | st.sampled_from(
    [
        b"",
        b"compression=gzip",
        b"compression=lz64",
        b"compression=base64",
        b"compression=nope",
        b"data=e30%3D&compression=base64",
        b"_=99999999999999999999999999",
        b"sent_at=%ff&v=2&config=true",
        b"&".join(b"a=%d" % n for n in range(100)),
    ]
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("origin", "content-type", "content-encoding", "content-length", "user-agent"),
            *("accept-encoding", "if-none-match", "access-control-request-headers"),
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30)
    | st.sampled_from(["gzip", "application/x-www-form-urlencoded", "99999999999", "-1", "gzip;q=0"]),
    max_size=4,
)  # fmt: skip

KEYS = st.sampled_from(
    [
        *("event", "properties", "batch", "data", "api_key", "token", "uuid", "timestamp", "offset"),
        *("sent_at", "distinct_id", "$session_id", "$window_id", "$snapshot_data", "$set", "$lib"),
    ]
)  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([TOKEN, "$snapshot", "2026-01-01T00:00:00Z", "0198-a", 1e308, 2**70]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)
VALID = st.sampled_from(
    [
        zipped([snapshot(), snapshot("other")]),
        json.dumps([snapshot()]).encode(),
        json.dumps(envelope(analytics(), snapshot())).encode(),
        form(snapshot()),
        base64.b64encode(zipped([snapshot()])),
    ]
)


@st.composite
def damaged(draw):
    body = bytearray(draw(VALID))
    for _ in range(draw(st.integers(0, 4))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body[: draw(st.integers(0, len(body)))])


BODIES = (
    st.binary(max_size=300)
    | damaged()
    | VALUES.map(lambda v: json.dumps(v).encode())
    | VALUES.map(lambda v: gzip.compress(json.dumps(v).encode()))
    | VALUES.map(form)
    | st.binary(max_size=100).map(base64.b64encode)
    | st.binary(max_size=100).map(lambda b: b"\x1f\x8b" + b)
)
REASONS = {*wire.WireReject, "kept", "no_session", "unknown_token", "multiple_tokens"} | {
    *("method", "no_such_path", "no_such_script", "invalid_query", "recording_off"),
    *(f"event_{reason}" for reason in wire.WireReject),
}


def check(app, answer):
    assert answer is not None
    assert answer.status < 500, answer.body
    assert answer.status not in (202, 204)
    assert answer.headers["access-control-allow-origin"]
    for name, value in answer.raw_headers:
        assert not {10, 13} & {*name, *value}
    assert app._held_bytes == 0
    assert set(app.counts) <= REASONS


@settings(max_examples=300)
@given(METHODS, PATHS, QUERIES, HEADERS, BODIES)
def test_any_request(method, path, query, headers, body):
    app, inbox = make()
    check(app, ask(app, method, path, query=query, headers=headers, body=body))
    for captured in inbox.kept:
        assert captured.body == body
        # What was taken can be read again when it is sealed.
        again = wire.decode_body(
            captured.body, query=dict(_query(captured.query)), headers=captured.headers
        )
        assert wire.token_of(again) == captured.token


def _query(text):
    from urllib.parse import parse_qsl

    return parse_qsl(text, keep_blank_values=True)


@settings(max_examples=100)
@given(st.text(max_size=40), METHODS, st.sampled_from(["", "/ingest"]))
def test_any_path(path, method, prefix):
    app, _ = make(prefix=prefix)
    check(app, ask(app, method, f"{prefix}/{path}", body=b"{}"))


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_a_body_may_come_in_any_pieces(pieces):
    app, _ = make()
    whole = ask(app, "POST", "/s/", body=b"".join(pieces))
    assert ask(app, "POST", "/s/", chunks=pieces).status == whole.status


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"data":' * 5000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" + b"1," * 900_000 + b"1]",
        b'"' + b"\\u0000" * 100_000 + b'"',
        base64.b64encode(base64.b64encode(base64.b64encode(base64.b64encode(b"[]" * 9)))),
        b"data=" + b"%" * 300_000,
        b"=" * 400_000,
        b"A" * 1_900_000,
        gzip.compress(gzip.compress(gzip.compress(zipped([snapshot()])))),
        gzip.compress(b"[" + b"{}," * 2_000_000 + b"{}]"),
    ],
    ids=range(11),
)
@pytest.mark.parametrize("path", ["/s/", "/e/", "/flags/"])
def test_bodies_made_to_hurt(path, body):
    app, _ = make()
    check(app, ask(app, "POST", path, body=body))


def test_nothing_grows_with_the_number_of_requests():
    app, _ = make()
    for n in range(300):
        ask(app, "POST", "/s/", body=b"%d" % n, query=b"x=%d" % n)
        ask(app, "GET", f"/nowhere/{n}")
        ask(app, "POST", "/s/", body=zipped([snapshot(token=f"bad token {n}")]))
    assert set(app.counts) <= REASONS
    assert len(app._noticed._since) + len(app._noticed._said_s) < 2 * len(REASONS)
    assert not app._projects._announced
    assert not app._keeping
