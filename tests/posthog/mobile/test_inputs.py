"""Every kind of input becomes the control, or the drawing of one, that PostHog shows."""

from __future__ import annotations

from typing import Any

import pytest

from replayport.posthog.mobile.converters import convert
from replayport.posthog.mobile.drawing import FINDING_UNKNOWN_TYPE, Context
from replayport.rrweb.nodes import Node, NodeType, text_content, walk

PLACE = "width: 10px;height: 20px;position: fixed;left: 1px;top: 2px;"


def wireframe(kind: str | None = None, **members: Any) -> dict[str, Any]:
    base = {"id": 12345, "x": 1, "y": 2, "width": 10, "height": 20, **members}
    return base if kind is None else {**base, "type": kind}


def made(kind: str | None = None, **members: Any) -> Node:
    node = convert(wireframe(kind, **members), Context())
    assert node is not None
    return node


def field(kind: str, **members: Any) -> Node:
    return made("input", inputType=kind, disabled=False, **members)


def summary(node: Node) -> Any:
    """Write a tree as nested tuples: tag, interesting attributes, children; texts as they are."""
    if node["type"] == NodeType.TEXT:
        return node["textContent"]
    kept = {k: v for k, v in node["attributes"].items() if k not in ("style", "data-rrweb-id")}
    return (node["tagName"], kept, [summary(c) for c in node["childNodes"]])


@pytest.mark.parametrize(
    ("kind", "members", "expected"),
    [
        ("text", {"value": "v"}, ("input", {"type": "text", "value": "v"}, [])),
        ("password", {"value": "***"}, ("input", {"type": "password", "value": "***"}, [])),
        ("email", {}, ("input", {"type": "email", "value": ""}, [])),
        ("number", {"value": 5}, ("input", {"type": "number", "value": "5"}, [])),
        ("search", {"value": None}, ("input", {"type": "search", "value": ""}, [])),
        ("tel", {}, ("input", {"type": "tel", "value": ""}, [])),
        ("url", {}, ("input", {"type": "url", "value": ""}, [])),
        ("text_area", {"value": "x"}, ("input", {"type": "text_area", "value": "x"}, [])),
        ("checkbox", {"checked": True}, ("input", {"type": "checkbox", "checked": True}, [])),
        ("radio", {"checked": False}, ("input", {"type": "radio"}, [])),
        (
            "checkbox",
            {"checked": True, "label": "yes"},
            ("label", {}, [("input", {"type": "checkbox", "checked": True}, []), "yes"]),
        ),
        (
            "radio",
            {"label": None},
            ("label", {}, [("input", {"type": "radio"}, []), ""]),
        ),
        ("button", {"value": "OK"}, ("button", {}, ["OK"])),
        (
            "button",
            {"childWireframes": [wireframe("text", text="in")]},
            ("button", {}, [("div", {}, ["in"])]),
        ),
        (
            "select",
            {"value": "b", "options": ["a", "b"]},
            ("select", {}, [("option", {}, ["a"]), ("option", {"selected": True}, ["b"])]),
        ),
        ("select", {}, ("select", {}, [])),
        ("progress", {"value": 0.5, "max": 1}, ("progress", {"value": 0.5, "max": 1}, [])),
        ("progress", {"value": 0}, ("progress", {"value": None, "max": None}, [])),
    ],
)
def test_inputs(kind: str, members: dict[str, Any], expected: Any) -> None:
    assert summary(field(kind, **members)) == expected


def test_disabled_inputs() -> None:
    for kind in ("text", "checkbox", "toggle", "button", "select", "progress"):
        node = made("input", inputType=kind, disabled=True)
        assert node["attributes"]["disabled"] is True
        assert "disabled" not in field(kind)["attributes"]


def test_an_input_of_no_kind_draws_nothing() -> None:
    assert convert(wireframe("input", disabled=False), Context()) is None


@pytest.mark.parametrize(("checked", "side"), [(True, "right: 5%"), (False, "left: 5%")])
def test_toggles(checked: bool, side: str) -> None:
    node = field("toggle", checked=checked)
    assert node["id"] == 12345
    slider, handle = node["childNodes"][0]["childNodes"]
    assert slider["attributes"]["data-toggle-part"] == "slider"
    assert handle["attributes"]["data-toggle-part"] == "handle"
    assert side in handle["attributes"]["style"]
    assert ("#1d4aff" if checked else "#f3f4ef") in handle["attributes"]["style"]
    assert PLACE in node["attributes"]["style"]
    label = field("toggle", checked=checked, label="wifi")
    assert label["tagName"] == "label"
    assert label["childNodes"][0]["textContent"] == "wifi"
    assert label["childNodes"][1]["id"] == 12345
    assert PLACE in label["attributes"]["style"]


def test_a_labelled_control_leaves_its_style_to_the_label() -> None:
    label = field("checkbox", label="a")
    assert label["attributes"]["style"] == PLACE
    assert label["childNodes"][0]["attributes"]["style"] is None
    assert label["childNodes"][0]["id"] == 12345
    assert label["id"] >= 100
    assert field("checkbox")["attributes"]["style"] == PLACE


@pytest.mark.parametrize(
    ("members", "spins", "percent"),
    [
        ({"value": 1}, False, "calc(1 * 1%)"),
        ({"value": 40, "max": 100}, False, "calc(40 * 1%)"),
        ({"value": 2}, True, None),
        ({"value": 0.5}, True, None),
        ({"value": 0, "max": 10}, True, None),
        ({}, True, None),
    ],
)
def test_rings(members: dict[str, Any], spins: bool, percent: str | None) -> None:
    node = field("progress", style={"bar": "circular"}, **members)
    ring = node["childNodes"][0]
    assert ("animation: spin" in ring["attributes"]["style"]) is spins
    assert [n.get("tagName") for n in ring["childNodes"]] == (["style"] if spins else [])
    if percent is not None:
        assert percent in ring["attributes"]["style"]
    assert node["attributes"]["style"] == PLACE


@pytest.mark.parametrize(
    ("value", "maximum", "stars"),
    [
        (3, 5, ["full"] * 3 + ["empty"] * 2),
        (2.5, 5, ["full"] * 2 + ["half"] + ["empty"] * 2),
        (0, 2, ["empty"] * 2),
        (0.2, 1, ["half"]),
        (-1, 2, ["empty"] * 2),
        (9, 2, ["full"] * 9),
        (1e9, 1e9, ["full"] * 100),
    ],
)
def test_ratings(value: float, maximum: float, stars: list[str]) -> None:
    node = field("progress", value=value, max=maximum, style={"bar": "rating"})
    (row,) = node["childNodes"]
    assert [s["attributes"]["data-rating-star"] for s in row["childNodes"]] == stars
    assert all(n.get("isSVG") for s in row["childNodes"] for n in walk(s))


def test_a_rating_without_numbers_is_a_placeholder() -> None:
    for members in ({}, {"value": 1}, {"max": 1}):
        node = field("progress", style={"bar": "rating"}, **members)
        assert text_content(node) == "input"
        assert "overflow-wrap: anywhere" in node["attributes"]["style"]


def test_a_kind_of_the_future_is_a_box() -> None:
    context = Context()
    node = convert(wireframe("input", inputType="hologram"), context)
    assert node is not None
    assert (node["tagName"], node["id"]) == ("div", 12345)
    assert context.findings == {FINDING_UNKNOWN_TYPE: 1}
