"""Range headers: what is honoured, and that nothing reaches outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.server.ranges import parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=0-100", (0, 100)),
        ("bytes=10-", (10, 100)),
        ("bytes=99-", (99, 100)),
        ("bytes=99-99", (99, 100)),
        ("bytes=50-5000", (50, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-100", (0, 100)),
        ("bytes=-5000", (0, 100)),
        ("Bytes=0-1", (0, 2)),
        ("bytes= 0-1 ", (0, 2)),
        # Outside: an empty range, answered with 416.
        ("bytes=100-", (100, 100)),
        ("bytes=100-200", (100, 100)),
        ("bytes=999999999999999999-", (100, 100)),
        ("bytes=-0", (100, 100)),
        # No range that can be honoured: the whole is the right answer.
        ("bytes=5-3", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes", None),
        ("bytes=--5", None),
        ("bytes=+5-9", None),
        ("bytes=5_0-", None),
        ("bytes=0x1-", None),
        ("bytes=1-2-3", None),
        ("bytes=1.0-2", None),
        ("bytes=a-b", None),
        ("bytes=\u0661-\u0662", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=0-" + "9" * 5000, None),
        ("0-1", None),
    ],
)
def test_range_headers(header, expected):
    assert parse_range(header, 100) == expected


def test_ranges_of_nothing():
    assert parse_range("bytes=0-", 0) == (0, 0)
    assert parse_range("bytes=-5", 0) == (0, 0)
    assert parse_range(None, 0) is None


@given(st.text(max_size=20), st.integers(0, 1000))
def test_any_range_header_stays_inside(text, size):
    for header in (text, f"bytes={text}"):
        found = parse_range(header, size)
        assert found is None or 0 <= found[0] <= found[1] <= size
