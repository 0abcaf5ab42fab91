from __future__ import annotations

import base64
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.capture.bodies import analytics, item, marked, new_id, opening, snapshots
from tests.support.builders import START_MS

from replayport.capture import assemble
from replayport.capture.assemble import Assembly, StoredRequest
from replayport.capture.inbox import Captured
from replayport.outcomes import RejectReason
from replayport.posthog import wire


def stored(request: Captured, n: int = 1) -> StoredRequest:
    return StoredRequest(
        id=n,
        token=request.token,
        kind=request.kind,
        received_ms=request.received_ms,
        query=request.query,
        headers=request.headers,
        body=request.body,
    )


def assembled(*requests: Captured, session_id: str = "s-1", **options) -> Assembly:
    made = Assembly("shop", session_id, **options)
    for n, request in enumerate(requests):
        made.add(stored(request, n))
    return made


def numbers(made: Assembly) -> list[int]:
    return [e.data["payload"]["n"] for e in made.decoder.columns.events() if e.type == 5]


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), max_size=12))
def test_each_item_counts_once_in_order_of_arrival(requests):
    made = assembled(
        *(snapshots(*(item([marked(n)], item_id=new_id(n)) for n in ns)) for ns in requests)
    )
    assert numbers(made) == list(dict.fromkeys(n for ns in requests for n in ns))
    assert made.requests == len(requests)


def test_items_go_to_their_own_session_and_window():
    """posthog-js may put the end of one session and the start of the next in one request."""
    request = snapshots(
        item([marked(1)], window_id="a"),
        item([marked(2)], session_id="s-2", window_id="b"),
        item([marked(3)], window_id="c"),
    )
    made = assembled(request)
    assert numbers(made) == [1, 3]
    assert made.decoder.columns.windows.values == ["a", "c"]
    assert numbers(assembled(request, session_id="s-2")) == [2]


def test_the_first_of_two_items_with_one_uuid_is_kept():
    made = assembled(*(snapshots(item([marked(n)], item_id=new_id(1))) for n in (1, 2)))
    assert numbers(made) == [1]


def test_the_same_uuid_of_another_token_is_another_item():
    one = snapshots(item([marked(1)], item_id=new_id(1)))
    other = snapshots(item([marked(2)], item_id=new_id(1)), token="phc_other")
    assert numbers(assembled(one, other)) == [1, 2]


def test_a_form_of_an_old_sdk_is_read():
    body = b"data=" + base64.b64encode(json.dumps([item([marked(4)])]).encode())
    made = assembled(
        snapshots(
            item([]),
            body=body,
            query="compression=base64&_=1790000000000",
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
    )
    assert numbers(made) == [4]


def test_analytics_count_once_too_and_keep_the_first_time():
    body = {"event": "a", "uuid": new_id(1), "offset": 5, "properties": {"distinct_id": "p"}}
    body["properties"]["$session_id"] = "s-1"
    retries = [
        analytics("a", body=json.dumps({"batch": [body], "sent_at": at}).encode())
        for at in ("2026-11-01T00:00:00Z", "2026-11-01T00:10:00Z")
    ]
    (row,) = assembled(*retries).analytics.values()
    assert row["timestamp_ms"] == 1_793_491_200_000 - 5


def test_what_does_not_decode_is_counted():
    made = assembled(
        snapshots(item([]), body=b"\x1f\x8bnot gzip"),
        snapshots(item([]), body=gzip.compress(b"[1]")),
        analytics("a", body=b"{"),
        snapshots(item(opening())),
    )
    assert made.decoder.rejected == {RejectReason.INVALID_WIRE: 3}
    assert len(made.decoder.columns) == 3


def test_nothing_is_taken_after_what_did_not_fit():
    made = assembled(
        snapshots(item([{**marked(1), "data": {"tag": "x", "payload": "y" * 5000}}])),
        snapshots(item([marked(2), marked(3)])),
        max_recording_bytes=1000,
    )
    assert not made.has_events
    assert made.decoder.rejected == {RejectReason.TOO_LARGE: 3}


def test_who_was_recorded_is_the_first_request_of_snapshots():
    made = assembled(
        analytics("a"),
        snapshots(item(opening(), distinct_id="anon", **{"$snapshot_source": "mobile"})),
        snapshots(item([marked(1)], distinct_id="known")),
    )
    assert made.person is not None
    assert made.person.distinct_id == "anon"
    assert made.source == {"kind": "capture", "library": "web", "snapshot_source": "mobile"}


def test_ended_sessions_are_those_whose_items_say_so():
    ending = {"type": 5, "data": {"tag": "$session_ending", "payload": {}}, "timestamp": START_MS}
    request = [item([*opening(), ending]), item(opening(), session_id="s-2"), item([ending])]
    body = wire.decode_body(json.dumps(request).encode(), query={}, headers={})
    assert assemble.ended_session_ids(wire.snapshots(body).items) == ("s-1",)


def test_rows_of_analytics_are_known_again_after_storing():
    (digest,) = assembled(analytics("a")).analytics
    (row,) = assembled(analytics("a")).analytics.values()
    assert assemble.analytics_digest(json.loads(json.dumps(row))) == digest
    without = {**row, "uuid": None}
    assert assemble.analytics_digest(without) == assemble.analytics_digest({**without, "url": "x"})
    assert assemble.analytics_digest({**without, "event": "b"}) != assemble.analytics_digest(
        without
    )


def test_known_items_survive_their_json():
    digests = [assemble.item_digest("t", new_id(n)) for n in range(5)]
    made = assemble.provenance(digests, first_received_ms=1, last_received_ms=2, requests=3)
    assert assemble.known_items(json.loads(json.dumps(made))) == digests
    assert len(base64.b64decode(made["capture"]["items"])) == 5 * assemble.ITEM_BYTES


@pytest.mark.parametrize(
    "odd", [{}, {"capture": None}, {"capture": {"items": 5}}, {"capture": {"items": "%%"}}]
)
def test_foreign_provenance_knows_nothing(odd):
    assert assemble.known_items(odd) == []
