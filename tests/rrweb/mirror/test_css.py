"""Style attributes and sheets that scripts changed piece by piece."""

from __future__ import annotations

import pytest

from replayport.rrweb.mirror.css import Sheet, change_style, declarations, escape


def test_a_style_attribute_comes_apart():
    style = "COLOR:red;--Own: 1 ;background:url(a;b) no-repeat!important;;bad"
    assert declarations(style) == {
        "color": "red",
        "--Own": "1",
        "background": "url(a;b) no-repeat !important",
    }
    assert declarations(None) == declarations(7) == declarations("x") == {}


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (None, {"top": "1px"}, "top: 1px;"),
        ("top: 1px", {"top": ["2px", ""]}, "top: 2px;"),
        ("top: 1px", {"top": ["2px", "important"]}, "top: 2px !important;"),
        ("top: 1px; left: 2px", {"top": False}, "left: 2px;"),
        ("top: 1px", {"top": ""}, ""),
        (
            "padding: 1px 2px",
            {"padding-left": False},
            "padding-top: 1px; padding-right: 2px; padding-bottom: 1px;",
        ),
        ("border: 1px solid", {"border-top-width": False}, ""),
        ("top: 1px", {"left": 7, "right": [], "bottom": None}, "top: 1px;"),
    ],
)
def test_a_style_attribute_changes(before, change, after):
    assert change_style(before, change) == after


def test_rules_go_where_they_are_told():
    sheet = Sheet("a { top: 0 }\n@media print { b { top: 0 } }")
    sheet.edit({"adds": [{"rule": "d {}", "index": 2}, {"rule": "c {}"}]})
    sheet.edit({"adds": [{"rule": "e {}", "index": [2, 0]}, {"rule": "f {}", "index": 99}]})
    sheet.edit(
        {"index": [2, 1], "set": {"property": "left", "value": "1px", "priority": "important"}}
    )
    sheet.edit({"index": [1], "remove": {"property": "top"}})
    sheet.edit({"removes": [{"index": 0}]})
    assert sheet.text.split("\n") == [
        "a {  }",
        "@media print { e {} b { top: 0; left: 1px !important; } }",
        "d {}",
        "f {}",
    ]
    sheet.edit({"replaceSync": "g { top: 0 }"})
    assert sheet.text == "g { top: 0 }"


@pytest.mark.parametrize(
    "edit",
    [
        {
            "adds": [
                {},
                {"rule": 7},
                {"rule": "x {}", "index": []},
                {"rule": "x {}", "index": [9, 9]},
            ]
        },
        {"adds": [{"rule": "x {}", "index": "y"}, "z"]},
        {"removes": [{"index": 99}, {"index": None}, {"index": [0, 0, 0]}]},
        {"set": 7, "index": [0]},
        {"set": {"property": "top", "value": None}, "index": [5]},
        {"remove": {}, "index": None},
    ],
)
def test_damaged_edits_change_what_they_can(edit):
    sheet = Sheet("a { top: 0 }")
    sheet.edit(edit)
    assert isinstance(sheet.text, str)


@pytest.mark.parametrize(
    ("ident", "escaped"),
    [("a-b_c", "a-b_c"), ("a.b:c", "a\\.b\\:c"), ("1a", "\\31 a"), ("-1", "-\\31 "), ("é", "é")],
)
def test_identifiers_are_escaped(ident, escaped):
    assert escape(ident) == escaped
