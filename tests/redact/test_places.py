"""Every place of an event, in the same order each time."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from replayport.redact.places import Sheet, dumps, loads

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_what_is_put_back_unchanged_is_unchanged(value: Any) -> None:
    holder = [value]
    sheet = Sheet()
    sheet.json(holder)
    for i, text in enumerate(sheet.texts):
        sheet.put(i, text)
    sheet.close()
    assert holder == [value]


def test_json_in_json_is_taken_apart_and_put_together() -> None:
    value = {"a": '{"b": "{\\"c\\": \\"deep\\"}"}'}
    sheet = Sheet()
    sheet.json(value)
    assert "deep" in sheet.texts
    sheet.put(sheet.texts.index("deep"), "x")
    sheet.close()
    assert loads(loads(value["a"].encode())["b"].encode()) == {"c": "x"}


def test_keys_are_renamed_in_place() -> None:
    value = {"a": 1, "secret-key": 2, "z": 3}
    sheet = Sheet()
    sheet.json(value)
    sheet.put(sheet.texts.index("secret-key"), "x")
    sheet.close()
    assert list(value.items()) == [("a", 1), ("x", 2), ("z", 3)]


def test_what_orjson_does_not_take() -> None:
    assert loads(b'"\\ud800"') == "\ud800"
    assert loads(b"{") is None
    assert loads(dumps({"n": 2**80})) == {"n": 2**80}
    assert loads(dumps(["\ud800"])) == ["\ud800"]
