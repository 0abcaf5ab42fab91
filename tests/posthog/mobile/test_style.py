"""A wireframe's style object as CSS, part by part and in order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.posthog.mobile.style import (
    full_style,
    is_light,
    minimal_style,
    pixels,
    png_data_uri,
    position,
)

BOX = {"width": 100, "height": 30}
PLACE = "width: 100px;height: 30px;position: fixed;left: 0px;top: 0px;"


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ({}, PLACE),
        (None, PLACE),
        ({"color": "#fff"}, "color: #fff;" + PLACE),
        ({"backgroundColor": "red"}, "background-color: red;" + PLACE),
        (
            {"backgroundImage": "aGk=\n"},
            "background-image: url('data:image/png;base64,aGk=');background-size: contain;"
            "background-repeat: no-repeat;" + PLACE,
        ),
        (
            {"backgroundImage": "url(x)", "backgroundSize": "cover"},
            "background-image: url(x);background-size: cover;background-repeat: no-repeat;" + PLACE,
        ),
        (
            {"borderWidth": 2, "borderRadius": "4px", "borderColor": "#000"},
            "border-width: 2px;border-radius: 4px;border-color: #000;border-style: solid;" + PLACE,
        ),
        ({"borderRadius": "4"}, "border-radius: 4px;border-style: solid;" + PLACE),
        ({"verticalAlign": "top"}, PLACE + "align-items: flex-start;display: flex;"),
        ({"verticalAlign": "bottom"}, PLACE + "align-items: flex-end;display: flex;"),
        ({"horizontalAlign": "left"}, PLACE + "justify-content: flex-start;display: flex;"),
        (
            {"verticalAlign": "center", "horizontalAlign": "right"},
            PLACE + "align-items: center;justify-content: flex-end;display: flex;",
        ),
        (
            {"paddingLeft": 1, "paddingRight": 2, "paddingTop": 3, "paddingBottom": 4},
            PLACE + "padding-left: 1px;padding-right: 2px;padding-top: 3px;padding-bottom: 4px;",
        ),
        (
            {"fontSize": 12.5, "fontFamily": "Arial"},
            PLACE + "font-size: 12.5px;font-family: Arial;",
        ),
        ({"color": 5, "fontSize": [], "borderWidth": True, "verticalAlign": {}}, PLACE),
    ],
)
def test_every_part(style: Any, expected: str) -> None:
    assert full_style({**BOX, "style": style}) == expected


def test_minimal_style_leaves_colours_out() -> None:
    style = {"color": "red", "backgroundColor": "red", "borderWidth": 1, "fontSize": 3}
    assert minimal_style({**BOX, "style": style}) == PLACE + "font-size: 3px;"


@pytest.mark.parametrize(
    ("wireframe", "style", "expected"),
    [
        (
            {"width": "100vw", "height": 5, "x": 3, "y": 4.5},
            None,
            "width: 100vw;height: 5px;position: fixed;left: 3px;top: 4.5px;",
        ),
        (
            {"width": 1, "height": 2, "x": 9},
            {"bottom": True},
            "width: 1px;height: 2px;bottom: 0;position: fixed;",
        ),
        ({}, None, "position: fixed;left: 0px;top: 0px;"),
    ],
)
def test_positions(wireframe: dict[str, Any], style: Any, expected: str) -> None:
    assert position(wireframe, style) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(12, "12px"), (12.0, "12px"), ("12", "12px"), ("12px", "12px"), ("", None), (None, None)],
)
def test_pixels(value: object, expected: str | None) -> None:
    assert pixels(value) == expected


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_lengths_of_any_type(value: object) -> None:
    found = pixels(value)
    assert found is None or found.endswith("px")


@pytest.mark.parametrize(
    ("colour", "light"),
    [
        ("#ffffff", True),
        ("#fff", True),
        ("#000", False),
        ("#1d4aff", False),
        ("#00ff00", True),
        ("#0000ff", False),
        ("rgb(0,0,0)", True),
        (None, True),
        (5, True),
    ],
)
def test_lightness(colour: object, light: bool) -> None:
    assert is_light(colour) is light


def test_data_uris() -> None:
    assert png_data_uri("a\r\nb") == "data:image/png;base64,ab"
    assert png_data_uri("data:image/webp;base64,a\nb") == "data:image/webp;base64,ab"
