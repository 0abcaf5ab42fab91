"""Elements in words."""

from __future__ import annotations

import pytest
from tests.support.builders import full_snapshot, meta

from replayport.rrweb.described import MAX_NAME_CHARS, clicked_names, described
from replayport.rrweb.mirror import Mirror


def page(*nodes):
    snapshot = full_snapshot(1, text="plain text")["data"]
    snapshot["node"]["childNodes"][0]["childNodes"][0]["childNodes"] += nodes
    mirror = Mirror()
    mirror.apply(4, None, meta()["data"])
    mirror.apply(2, None, snapshot)
    return mirror


def element(node_id, tag, text="", **attributes):
    children = [{"type": 3, "textContent": text, "id": node_id + 100}] if text else []
    return {
        "type": 2,
        "tagName": tag,
        "attributes": attributes,
        "id": node_id,
        "childNodes": children,
    }


@pytest.mark.parametrize(
    ("node", "at", "found"),
    [
        (element(20, "button", "Pay"), 20, ("button", "Pay")),
        (element(20, "button", "Pay"), 120, ("button", "Pay")),
        (element(20, "a", "Help", href="/help"), 20, ("link", "Help")),
        (element(20, "input", type="text", placeholder="E-mail"), 20, ("textbox", "E-mail")),
        (element(20, "div", "Nice"), 20, ("div", "Nice")),
        (element(20, "canvas"), 20, ("canvas", "")),
        (element(20, "div", "x" * 500), 20, ("div", "x" * (MAX_NAME_CHARS - 1) + "…")),
    ],
)
def test_names(node, at, found):
    assert described(page(node), at) == found


def test_an_icon_in_a_button_is_the_button():
    button = element(20, "button", "Menu")
    button["childNodes"].append(element(30, "svg"))
    assert described(page(button), 30) == ("button", "Menu")


def test_nothing_is_known_of_what_is_not_there():
    assert described(Mirror(), 5) == ("", "")
    assert described(page(), 999) == ("", "")


def test_names_of_clicks():
    snapshot = full_snapshot(1, text="Hi")["data"]
    events = [
        ("w", 2, None, snapshot),
        ("w", 3, 2, {"type": 2, "id": 6}),
        ("w", 3, 2, {"type": 5, "id": 6}),  # focus
        ("other", 3, 2, {"type": 2, "id": 6}),  # no page there
        ("w", 3, 2, {"type": 2}),
        ("w", 3, 2, None),
        (
            "w",
            3,
            0,
            {"texts": [{"id": 6, "value": "Bye"}], "removes": [], "adds": [], "attributes": []},
        ),
        ("w", 3, 2, {"type": 4, "id": 6}),
    ]
    assert list(clicked_names(events)) == ["Hi", "Bye"]
