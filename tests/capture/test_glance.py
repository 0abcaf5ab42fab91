from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.capture.asking import SESSION, TOKEN, snapshot

from replayport.capture.glance import Glance, glance
from replayport.capture.routes import _only_token, _RefusedError
from replayport.errors import SourceDataError
from replayport.posthog import wire


def looked(items):
    return glance(json.dumps(items).encode())


def test_the_usual_request_is_understood():
    assert looked([snapshot(), snapshot("other"), snapshot()]) == Glance(TOKEN, (SESSION, "other"))


ODD = [
    [],
    snapshot(),
    {"batch": [snapshot()]},
    [snapshot(session_id="a b")],
    [snapshot(session_id=None)],
    [snapshot(token="phx_secret")],
    [snapshot(token=" t")],
    [snapshot(), snapshot(token="other")],
    [snapshot() | {"api_key": "other"}],
    [snapshot() | {"uuid": "no"}],
    [snapshot(distinct_id="")],
    [snapshot(distinct_id=5)],
    [snapshot(events="text")],
    [snapshot(**{"$cookieless_mode": "yes"})],
    [snapshot(events=[{"type": 5, "timestamp": 1, "data": {"tag": "$session_ending"}}])],
]


@pytest.mark.parametrize("items", ODD)
def test_all_else_is_left_to_the_careful_reader(items):
    assert looked(items) is None


def test_text_that_is_no_json():
    for text in (b"", b"{", b"[{]", b"[" * 100_000, b'[{"properties":{"a":"\xff"}}]'):
        assert glance(text) is None


def test_of_a_key_that_is_there_twice_it_takes_neither():
    text = json.dumps([snapshot()])
    twice = text.replace('"token": ', '"token": "phc_other", "token": ', 1)
    assert glance(text.encode()) is not None
    assert glance(twice.encode()) is None
    assert glance(text.replace('"uuid": ', '"uuid": null, "uuid": ', 1).encode()) is None


@pytest.mark.parametrize("odd", ["123456789012345678901234567890", r'"\ud800"', "1e999"])
def test_what_simdjson_does_not_read_is_left_to_the_careful_reader(odd):
    text = json.dumps([snapshot(events=["here"])]).replace('"here"', odd).encode()
    assert glance(text) is None
    assert wire.decode_body(text, query={}, headers={}).events


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.none())
ITEMS = st.builds(
    lambda top, inner: {**snapshot(), **top, "properties": {**snapshot()["properties"], **inner}},
    st.dictionaries(
        st.sampled_from(["uuid", "token", "api_key", "$token", "distinct_id", "$distinct_id"]),
        VALUES,
        max_size=1,
    ),
    st.dictionaries(
        st.sampled_from(
            ["token", "distinct_id", "$session_id", "$snapshot_data", "$cookieless_mode", "$window_id"]
        ),
        VALUES,
        max_size=1,
    ),
)  # fmt: skip


@given(st.lists(ITEMS, min_size=1, max_size=3))
def test_what_it_says_is_what_the_careful_reader_says(items):
    text = json.dumps(items).encode()
    seen = glance(text)
    if seen is None:
        return
    body = wire.decode_body(text, query={}, headers={})
    try:
        batch, token = wire.snapshots(body), _only_token(body)
    except (SourceDataError, _RefusedError) as e:
        raise AssertionError(f"refused as {e.reason}") from e
    assert token == seen.token
    assert tuple(dict.fromkeys(i.session_id for i in batch.items)) == seen.session_ids
