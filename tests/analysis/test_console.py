"""Console lines, whoever recorded them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.analysis.console import CONSOLE_KINDS, console_row, severity_of


def row(kind, data):
    return console_row(kind, json.dumps(data))


def test_the_plugin():
    found = row(
        "console",
        {
            "plugin": "rrweb/console@1",
            "payload": {
                "level": "warn",
                "trace": ["f (a.js:1:2)", "b.js:3"],
                "payload": ['"saved \\"it\\""', '{"n":1}', "undefined"],
            },
        },
    )
    assert found == {
        "source": "rrweb/console@1",
        "level": "warn",
        "severity": "warn",
        "message": 'saved "it" {"n":1} undefined',
        "arguments": json.dumps(['"saved \\"it\\""', '{"n":1}', "undefined"]),
        "trace": "f (a.js:1:2)\nb.js:3",
    }


def test_mobile_sends_one_text():
    found = row("console", {"payload": {"level": "error", "payload": "it broke"}})
    assert (found["message"], found["trace"]) == ("it broke", None)


def test_rrweb_before_plugins():
    found = row("log", {"source": 11, "level": "log", "trace": [], "payload": ['"hi"']})
    assert (found["source"], found["message"]) == ("rrweb/log", "hi")


def test_sentry():
    crumb = {
        "category": "console",
        "level": "warning",
        "message": "slow",
        "data": {"arguments": ["slow", 3], "logger": "console"},
    }
    found = row("custom:breadcrumb", {"tag": "breadcrumb", "payload": crumb})
    assert (found["source"], found["severity"], found["message"]) == ("sentry", "warn", "slow")
    assert json.loads(found["arguments"]) == ["slow", 3]
    clicked = {"category": "ui.click", "message": "button"}
    assert row("custom:breadcrumb", {"payload": clicked}) is None


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("assert", "error"),
        ("error", "error"),
        ("countReset", "warn"),
        ("table", "info"),
        ("fatal", "error"),
        ("made up", "info"),
    ],
)
def test_severity(level, severity):
    assert severity_of(level) == severity


@given(st.sampled_from(CONSOLE_KINDS), st.one_of(st.none(), st.text(), st.from_regex(r"\[{0,9}")))
def test_any_text_is_a_row_or_none(kind, text):
    assert console_row(kind, text) is None or True
    console_row(kind, "[" * 100_000)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["payload", "level", "trace", "data"]), inner)
    ),
)


@given(st.sampled_from(CONSOLE_KINDS), values)
def test_any_value_is_a_row_of_text_or_none(kind, value):
    found = row(kind, value)
    if found is not None:
        assert {type(v) for k, v in found.items() if k != "trace"} == {str}
