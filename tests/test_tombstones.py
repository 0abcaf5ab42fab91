"""Tombstones: found by every name an erased recording has had, and telling nobody which."""

from __future__ import annotations

import pytest

from replayport.store import Store
from replayport.tombstones import (
    FOREVER_MS,
    MARKER_FILE,
    TOMBSTONES,
    Tombstone,
    Tombstones,
    fingerprint,
)

MADE = Tombstone(erasure="e-1", at_ms=5)
UUID = "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


@pytest.fixture
def stones():
    return Tombstones(Store.open("memory://"))


def test_without_any_nothing_is_asked_for(stones):
    assert not stones
    assert not stones.has_recording("p", "s-1")
    assert stones.person_until_ms("anna") is None
    assert stones.persons_until_ms(["anna"]) == {}


def test_a_recording_is_found_by_session_and_by_id(stones):
    stones.put_recording("p", "s-1", MADE)
    stones.put_recording("p", "a/b c", MADE)
    assert stones.has_recording("p", "s-1")
    assert stones.has_recording("p", "a/b c")
    assert not stones.has_recording("q", "s-1")
    assert not stones.has_recording("p", "s-2")


def test_a_session_that_is_a_uuid_is_known_in_every_project(stones):
    stones.put_recording("p", UUID, MADE)
    assert stones.has_recording("another", UUID)
    assert stones.has_recording("another", UUID.upper())


def test_a_person_is_refused_up_to_a_time_and_never_less(stones):
    stones.put_person("anna", Tombstone(erasure="e", at_ms=1, until_ms=100))
    stones.put_person("anna", Tombstone(erasure="e", at_ms=1, until_ms=50))
    assert stones.person_until_ms("anna") == 100
    stones.put_person("anna", Tombstone(erasure="e", at_ms=1, until_ms=FOREVER_MS))
    assert stones.person_until_ms("anna") == FOREVER_MS
    assert stones.person_until_ms("bob") is None
    many = ["anna", *(f"p-{i}" for i in range(200))]
    assert stones.persons_until_ms(many) == {"anna": FOREVER_MS}


def test_one_that_does_not_read_refuses_everything(stones):
    (key,) = stones.put_person("anna", Tombstone(erasure="e", at_ms=1, until_ms=100))
    stones._store.put(key, b"{")
    assert stones.person_until_ms("anna") == FOREVER_MS


def test_names_tell_nothing(stones):
    stones.put_recording("shop", "anna-session", MADE, content="1:2 3:4")
    stones.put_person("anna@example.org", MADE)
    for info in stones._store.list(TOMBSTONES):
        assert "anna" not in info.key
        assert b"anna" not in stones._store.get(info.key)
    assert stones._store.exists(MARKER_FILE)


def test_a_fingerprint_needs_enough_and_no_order():
    times, types = list(range(100, 140)), [3] * 40
    found = fingerprint(times, types)
    assert found == fingerprint(times[::-1], types)
    assert found == fingerprint([*times, 900], [*types, 3])
    assert found != fingerprint([t + 1 for t in times], types)
    assert fingerprint(times[:7], types[:7]) is None
