"""Elements and durations in plain words."""

from __future__ import annotations

import pytest

from replayport.analysis.actions import Target
from replayport.analysis.wording import duration, quoted, thing


@pytest.mark.parametrize(
    ("tag", "kind", "role", "name", "words"),
    [
        ("button", "", "button", "Pay", 'the button "Pay"'),
        ("input", "text", "textbox", "Email", 'the field "Email"'),
        ("input", "text", "combobox", "City", 'the field "City"'),
        ("select", "", "combobox", "Size", 'the list "Size"'),
        ("input", "password", None, "Secret", 'the password field "Secret"'),
        ("input", "date", None, "", "the field"),
        ("div", "", None, "Hello", 'the text "Hello"'),
        ("div", "", None, "", "the <div> element"),
        ("body", "", None, "", "the page"),
    ],
)
def test_things(tag, kind, role, name, words):
    assert thing(Target(1, tag, kind, role, name, "", "")) == words


def test_an_unknown_thing():
    assert thing(None) == "something that is not in the recording"


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (999, "0 s"),
        (42_000, "42 s"),
        (60_000, "1 min"),
        (380_000, "6 min 20 s"),
        (3_900_000, "1 h 5 min"),
        (7_200_000, "2 h"),
    ],
)
def test_durations(ms, words):
    assert duration(ms) == words


def test_long_texts_are_cut():
    assert quoted("ab") == '"ab"'
    assert len(quoted("x" * 500)) == 102
