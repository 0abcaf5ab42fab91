"""Pseudonyms: the same for the same id, of no use without the key."""

from __future__ import annotations

import json

import pytest

from replayport.errors import ArchiveError
from replayport.pseudonyms import KEY_FILE, PSEUDONYM_CHARS, Pseudonyms
from replayport.store import Store


def test_the_first_makes_the_key_and_all_use_it():
    store = Store.open("memory://")
    one, two = Pseudonyms.load(store), Pseudonyms.load(store)
    assert one.of_person("anna") == two.of_person("anna")
    assert len(one.of_person("anna")) == PSEUDONYM_CHARS
    assert Pseudonyms.load(Store.open("memory://")).of_person("anna") != one.of_person("anna")


def test_kinds_and_parts_do_not_run_together():
    one = Pseudonyms(b"k" * 32)
    found = {
        one.of("person", "a"),
        one.of("recording", "a"),
        one.of("recording", "a", ""),
        one.of("recording", "", "a"),
        one.of("recording", "a/b", "c"),
        one.of("recording", "a", "b/c"),
    }
    assert len(found) == 6


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"format":"replayport-pseudonym-key"}'])
def test_a_damaged_key_is_refused(raw):
    store = Store.open("memory://")
    store.put(KEY_FILE, raw)
    with pytest.raises(ArchiveError, match="backup"):
        Pseudonyms.load(store)


def test_a_short_key_is_refused():
    store = Store.open("memory://")
    Pseudonyms.load(store)
    document = json.loads(store.get(KEY_FILE))
    store.put(KEY_FILE, json.dumps({**document, "key": "AAAA"}).encode())
    with pytest.raises(ArchiveError):
        Pseudonyms.load(store)
