"""What routes share: cursors, viewings, feeds kept."""

from __future__ import annotations

import pytest

from replayport.server.auth import EVERYBODY
from replayport.server.envelope import ApiError
from replayport.server.services import VIEW_AGAIN_S, need, read_cursor, write_cursor


def test_cursors():
    for key in ((5, "p", "id"), (0.25, "p", "id"), (-1.0, "", "")):
        assert read_cursor(write_cursor(key)) == key
    assert isinstance(read_cursor('[5,"p","i"]')[0], int)
    for text in ("", "x", "[1]", '[1e999,"a","b"]', '["a","b","c"]'):
        with pytest.raises(ApiError):
            read_cursor(text)


def test_a_viewing_lasts_from_its_beginning(server):
    services, now = server.services, [0.0]
    services.clock_s = lambda: now[0]
    assert services.first_viewing("a", "t")
    for _ in range(3):
        now[0] += VIEW_AGAIN_S / 4
        assert not services.first_viewing("a", "t")
    assert services.first_viewing("b", "t")
    now[0] += VIEW_AGAIN_S / 4
    assert services.first_viewing("a", "t")


def test_feeds_are_kept_for_the_same_events(server, stored):
    recording = stored.recording("s-1")
    first = server.services.feeds(recording)
    assert server.services.feeds(stored.recording("s-1")) is first


def test_what_a_server_has_not():
    assert need(5, "x") == 5
    with pytest.raises(ApiError):
        need(None, "x")


def test_projects_somebody_sees(server):
    assert server.services.project_names(EVERYBODY) == ["blog", "shop"]
