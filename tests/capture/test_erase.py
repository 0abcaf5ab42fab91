"""Erasure of what is not sealed: requests removed, or written again without it."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest
from tests.capture.bodies import NOW_MS, analytics, item, opening, put, snapshots
from tests.support.builders import compressed

from replayport.capture.erase import Target, erase, find, inbox_name, unsealed_in
from replayport.capture.inbox import Inbox
from replayport.posthog import wire
from replayport.surveying import url_pattern


@pytest.fixture
def inbox(tmp_path):
    with Inbox.open(tmp_path / "inbox") as inbox:
        yield inbox


def sessions(inbox):
    return sorted(s.session_id for s in inbox.due(2**62, limit=100))


def test_a_session_goes_whole_and_others_stay_byte_for_byte(inbox):
    put(
        inbox,
        snapshots(item(opening(), session_id="a")),
        snapshots(item(opening(), session_id="b")),
    )
    before = [r for r, parts in inbox.all_requests() if parts == [("shop", "b")]]
    assert erase(inbox, None, Target({("shop", "a")})) == (1, 0)
    assert sessions(inbox) == ["b"]
    assert [r for r, _ in inbox.all_requests()] == before
    assert erase(inbox, None, Target({("shop", "a")})) == (0, 0)


def test_a_request_of_two_sessions_is_written_again(inbox):
    events = [compressed(e) for e in opening()]
    put(
        inbox,
        snapshots(
            item(events, session_id="a"),
            item(events, session_id="b"),
            query="_=1790000000123&compression=gzip-js",
        ),
    )
    whole = inbox.draft("shop", "b")
    erase(inbox, None, Target({("shop", "a")}))
    assert sessions(inbox) == ["b"]
    left = inbox.draft("shop", "b")
    assert bytes(left.columns.data) == bytes(whole.columns.data)
    assert left.provenance["capture"]["items"] == whole.provenance["capture"]["items"]
    ((request, parts),) = inbox.all_requests()
    assert parts == [("shop", "b")]
    assert dict(parse_qsl(request.query)) == {"_": "1790000000123"}


def test_events_of_a_person_in_anothers_session_go(inbox):
    put(
        inbox,
        snapshots(item(opening(), session_id="s", distinct_id="bob")),
        analytics("seen", "heard", session_id="s"),
    )
    target = Target(persons={"person-1": NOW_MS + 1})
    assert find(inbox, None, target).requests == 1
    erase(inbox, None, target)
    draft = inbox.draft("shop", "s")
    assert list(draft.analytics) == []
    assert len(draft.columns) == 3


def test_a_persons_sessions_are_known_by_their_first_request(inbox):
    put(inbox, snapshots(item(opening(), session_id="a", distinct_id="anna")))
    put(inbox, snapshots(item(opening(), session_id="a", distinct_id="anna-2", item_id=None)))
    found = find(inbox, None, Target(persons={"anna": NOW_MS + 1}))
    assert found.sessions == [("shop", "a")]
    assert found.requests == 2


def test_what_came_after_the_time_stays(inbox):
    put(inbox, snapshots(item(opening(), session_id="a", distinct_id="anna")))
    assert erase(inbox, None, Target(persons={"anna": NOW_MS})) == (0, 0)
    assert sessions(inbox) == ["a"]


def test_sessions_by_address(inbox):
    put(inbox, snapshots(item(opening(), session_id="a")))
    assert find(inbox, None, Target(), url_pattern("https://shop.example/")).sessions
    assert not find(inbox, None, Target(), url_pattern("https://other.example/*")).sessions


def test_a_body_that_does_not_decode_goes_with_its_session(inbox):
    put(inbox, snapshots(item(opening(), session_id="a"), body=b"\x1f\x8bdamaged"))
    assert erase(inbox, None, Target({("shop", "b")})) == (0, 0)
    assert erase(inbox, None, Target({("shop", "a")})) == (1, 0)
    assert sessions(inbox) == []


def test_no_byte_is_left_in_the_files(inbox, tmp_path):
    secret = "a-text-that-must-not-stay"
    for n in range(30):
        made = item(opening(), session_id=f"s-{n}", note=secret * 200)
        put(inbox, snapshots(made, body=json.dumps([made]).encode()))
    for n in range(29):  # what was sealed before leaves pages behind
        inbox.discard("shop", f"s-{n}")
    erase(inbox, None, Target({("shop", "s-29")}))
    for path in (tmp_path / "inbox").iterdir():
        assert secret.encode() not in path.read_bytes(), path.name
    put(inbox, snapshots(item(opening(), session_id="goes-on")))
    assert sessions(inbox) == ["goes-on"]


def test_a_body_written_again_is_equal(inbox):
    made = analytics("seen", session_id="s")
    body = wire.decode_body(made.body, query={}, headers=made.headers)
    again = wire.decode_body(wire.encode_body(body), query={}, headers={})
    assert again.events == body.events
    assert again.token == body.token
    only = snapshots(item(opening()))
    body = wire.decode_body(only.body, query={}, headers={})
    assert wire.encode_body(body).startswith(b"[")
    assert wire.decode_body(wire.encode_body(body), query={}, headers={}) == body


def test_an_inbox_keeps_its_name(tmp_path):
    with unsealed_in(tmp_path) as found:
        assert found == []
    Inbox.open(tmp_path).close()
    with unsealed_in(tmp_path) as (one,):
        assert one.name == inbox_name(tmp_path)
