"""The museum is worth a visit only while its exhibits are what they claim."""

from __future__ import annotations

import json

import pytest

from replayport.testing.attacks import EXHIBITS, FREEZING, Museum, draft_of

BASE = "http://127.0.0.1:9"


@pytest.mark.parametrize("name", EXHIBITS)
def test_every_exhibit_shows_something(name):
    museum = Museum(BASE)
    empty = len(museum.events())
    museum.enter(name, EXHIBITS[name])
    assert museum.nodes or museum.person or museum.analytics or len(museum.events()) > empty, (
        "an empty room"
    )


def test_a_museum_is_told_apart_by_the_addresses_it_asks_for():
    museum = Museum(BASE)
    for name, show in EXHIBITS.items():
        museum.enter(name, show)
    text = json.dumps(museum.events())
    for name in ("links", "stylesheets", "one_id_twice", "elements_that_load"):
        assert f"{BASE}/{name}/" in text
    assert museum.draft(session_id="s", project="p").rejected == {}


@pytest.mark.parametrize("name", FREEZING)
def test_what_freezes_is_small(name):
    events = FREEZING[name](Museum(BASE))
    sizes = [len(e if isinstance(e, bytes) else json.dumps(e)) for _, e in events]
    assert sum(sizes) < 12 * 2**20
    assert len(draft_of(events, session_id="s", project="p").columns) > 1
