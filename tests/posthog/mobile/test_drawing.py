"""Node ids: a wireframe's own, or synthetic ones that are never given twice."""

from __future__ import annotations

import pytest

from replayport.posthog.mobile.converters import convert
from replayport.posthog.mobile.drawing import Context, positive_int, printed
from replayport.rrweb.nodes import walk


def test_ids() -> None:
    context = Context()
    node = convert(
        {"childWireframes": [{"type": "text", "text": "a"}, {"id": 7000.0, "type": "rectangle"}]},
        context,
    )
    assert node is not None
    # The text, then its element, then the parent: children come first.
    assert [n["id"] for n in walk(node)] == [102, 101, 100, 7000]
    assert all(n["attributes"]["data-rrweb-id"] == n["id"] for n in walk(node) if n["type"] == 2)
    assert context.next_id() == 103
    context.restart_ids()
    assert context.next_id() == 100


def test_synthetic_ids_end() -> None:
    context = Context(_next_id=9_999_999)
    assert context.next_id() == 9_999_999
    with pytest.raises(ValueError, match="synthetic"):
        context.next_id()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), (5.0, 5), (5.5, None), (0, None), (-1, None), (True, None), ("5", None), (None, None)],
)
def test_what_is_a_positive_whole_number(value: object, expected: int | None) -> None:
    assert positive_int(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", "a"), (1, "1"), (1.0, "1"), (1.5, "1.5"), (True, "true"), (None, ""), ([], "")],
)
def test_scalars_are_printed_as_in_javascript(value: object, expected: str) -> None:
    assert printed(value) == expected
