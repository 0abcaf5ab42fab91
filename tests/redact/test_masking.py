"""What takes the place of a text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replayport.redact.masking import example, is_masked, mask, mask_field


@given(st.text())
def test_as_long_and_masked_once(text: str) -> None:
    masked = mask(text)
    assert len(masked) == len(text)
    assert mask(masked) == masked
    assert is_masked(masked)
    assert is_masked(mask_field(text)) or any(c.isspace() for c in text)


@given(st.text())
def test_spaces_and_lines_stay(text: str) -> None:
    assert [c.isspace() for c in mask(text)] == [c.isspace() for c in text]


def test_classes_keep_their_width() -> None:
    assert mask("Jane Doe, 42!") == "Xxxx Xxx* 00*"
    assert mask("田中") == "\uff58\uff58"
    assert mask_field("a b\nc") == "***\n*"


def test_a_hint_tells_no_value() -> None:
    assert example("email", "jane@example.com") == "j***@e***.com"
    assert example("card", "4111111111111111") == "4*** (16 characters)"
    assert example("input", "hunter2") == "*** (7 characters)"
