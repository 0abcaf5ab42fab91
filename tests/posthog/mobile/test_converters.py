"""Every wireframe type becomes the DOM that PostHog's player draws for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.posthog.mobile.converters import MAX_DEPTH, clock_text, convert
from replayport.posthog.mobile.drawing import FINDING_UNKNOWN_TYPE, Context
from replayport.rrweb.nodes import Node, NodeType, text_content

PLACE = "width: 10px;height: 20px;position: fixed;left: 1px;top: 2px;"


def wireframe(kind: str | None = None, **members: Any) -> dict[str, Any]:
    base = {"id": 12345, "x": 1, "y": 2, "width": 10, "height": 20, **members}
    return base if kind is None else {**base, "type": kind}


def made(kind: str | None = None, **members: Any) -> Node:
    node = convert(wireframe(kind, **members), Context())
    assert node is not None
    return node


def summary(node: Node) -> Any:
    """Write a tree as nested tuples: tag, interesting attributes, children; texts as they are."""
    if node["type"] == NodeType.TEXT:
        return node["textContent"]
    kept = {k: v for k, v in node["attributes"].items() if k not in ("style", "data-rrweb-id")}
    return (node["tagName"], kept, [summary(c) for c in node["childNodes"]])


@pytest.mark.parametrize(
    ("kind", "members", "expected"),
    [
        (None, {}, ("div", {}, [])),
        ("div", {"childWireframes": [wireframe("rectangle")]}, ("div", {}, [("div", {}, [])])),
        ("rectangle", {}, ("div", {}, [])),
        ("text", {"text": "hello"}, ("div", {}, ["hello"])),
        ("text", {"text": None}, ("div", {}, [])),
        ("text", {"text": ""}, ("div", {}, [""])),
        (
            "text",
            {"text": "a", "childWireframes": [wireframe("text", text="b")]},
            ("div", {}, ["a", ("div", {}, ["b"])]),
        ),
        (
            "image",
            {"base64": "aGk="},
            ("img", {"src": "data:image/png;base64,aGk=", "width": 10, "height": 20}, []),
        ),
        (
            "screenshot",
            {"base64": "data:image/webp;base64,a\nb"},
            (
                "img",
                {
                    "src": "data:image/webp;base64,ab",
                    "width": 10,
                    "height": 20,
                    "data-posthog-screenshot": "true",
                },
                [],
            ),
        ),
        ("image", {}, ("div", {}, ["image"])),
        ("screenshot", {"base64": ""}, ("div", {}, ["screenshot"])),
        ("placeholder", {"label": "map"}, ("div", {}, ["map"])),
        ("placeholder", {}, ("div", {}, ["placeholder"])),
        ("web_view", {"url": "https://a/"}, ("div", {}, ["https://a/"])),
        ("web_view", {}, ("div", {}, ["web_view"])),
        (
            "navigation_bar",
            {},
            ("div", {}, [("div", {}, [s]) for s in ("\u25c0", "\u26aa", "\u2b1c")]),
        ),
        ("status_bar", {}, ("div", {}, [("div", {}, []), ("div", {}, ["00:00"])])),
    ],
)
def test_shapes(kind: str | None, members: dict[str, Any], expected: Any) -> None:
    assert summary(made(kind, **members)) == expected


def test_radio_groups_name_their_direct_children() -> None:
    node = made(
        "radio_group",
        childWireframes=[
            wireframe("input", id=1001, inputType="radio"),
            wireframe("input", id=1002, inputType="radio", label="inside a label"),
            wireframe("input", id=1003, inputType="checkbox"),
        ],
    )
    radio, label, checkbox = node["childNodes"]
    assert radio["attributes"]["name"] == "radio_group_12345"
    assert "name" not in label["childNodes"][0]["attributes"]
    assert "name" not in checkbox["attributes"]


def test_styles_that_belong_to_a_type() -> None:
    assert made()["attributes"]["style"] == PLACE + "overflow: hidden;white-space: nowrap;"
    style = made("text", text="x")["attributes"]["style"]
    assert style == PLACE + "overflow: hidden;white-space: normal;"
    style = made("placeholder")["attributes"]["style"]
    for part in (
        "background-color: #f3f4ef",
        "color: #35373e",
        "background-image: url('data:image/svg+xml;base64,",
        "background-size: auto;background-repeat: unset",
        "justify-content: center;display: flex",
        "white-space: normal;overflow-wrap: anywhere;align-items: safe center;overflow: hidden;",
    ):
        assert part in style
    own = made("placeholder", style={"backgroundColor": "#111", "color": "#eee"})
    assert "background-color: #111;" in own["attributes"]["style"]
    assert "color: #eee;" in own["attributes"]["style"]


@pytest.mark.parametrize(("ground", "colour"), [("#000", "#ffffff"), ("#fff", "#000000")])
def test_the_status_bar_is_readable(ground: str, colour: str) -> None:
    context = Context(timestamp_ms=1_700_000_000_000)
    node = convert(wireframe("status_bar", style={"backgroundColor": ground}), context)
    assert node is not None
    assert node["id"] == 12
    assert f"color: {colour};" in node["attributes"]["style"]
    assert "flex-direction: row" in node["attributes"]["style"]
    assert text_content(node) == "22:13"


def test_the_clock_knows_no_zone() -> None:
    assert clock_text(0) == "00:00"
    assert clock_text(86_399_999.9) == "23:59"
    assert clock_text(1e30) == ""


def test_the_navigation_bar_lends_its_colours() -> None:
    context = Context()
    node = convert(
        wireframe("navigation_bar", style={"backgroundColor": "#111", "color": "#eee"}), context
    )
    assert node is not None
    assert node["id"] == 12345
    assert "justify-content: space-around" in node["attributes"]["style"]
    assert context.bar_style == {"backgroundColor": "#111", "color": "#eee"}
    without_id = convert({"type": "navigation_bar"}, context)
    assert without_id is not None
    assert without_id["id"] == 8


def test_a_type_of_the_future_is_a_box_with_its_children() -> None:
    context = Context()
    node = convert(wireframe("hologram", childWireframes=[wireframe("text", text="a")]), context)
    assert node is not None
    assert summary(node) == ("div", {}, [("div", {}, ["a"])])
    assert context.findings == {FINDING_UNKNOWN_TYPE: 1}


def test_depth_is_bounded() -> None:
    deep = wireframe()
    for _ in range(MAX_DEPTH):
        deep = wireframe(childWireframes=[deep])
    assert convert(deep, Context()) is not None
    with pytest.raises(ValueError, match="deeper"):
        convert(wireframe(childWireframes=[deep]), Context())


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = ["id", "x", "width", "style", "text", "base64", "label", "url", "value", "max", "options"]
KINDS = ["text", "image", "input", "placeholder", "status_bar", "navigation_bar", "radio_group"]


@given(
    st.sampled_from(KINDS),
    st.sampled_from(["text", "checkbox", "toggle", "button", "select", "progress"]),
    st.dictionaries(st.sampled_from([*KEYS, "childWireframes"]), json_values),
    st.sampled_from([{}, {"bar": "circular"}, {"bar": "rating"}]),
)
def test_values_of_any_type_convert_or_are_refused(
    kind: str, input_type: str, members: dict[str, Any], style: dict[str, str]
) -> None:
    try:
        node = convert(
            {"style": style, **members, "type": kind, "inputType": input_type}, Context()
        )
    except ValueError:
        return
    assert node is None or node["id"] > 0
