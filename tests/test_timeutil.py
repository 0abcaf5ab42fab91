"""Times people write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.timeutil import moment_ms, parse_time_ms

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (None, None),
        ("1970-01-02", DAY_MS),
        (" 1970-01-02 ", DAY_MS),
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T00:00:00.001", 1),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1970-01-01T00:00:00-05:00", 5 * 3_600_000),
        ("1969-12-31", -DAY_MS),
        ("1790000000000", NOW_MS),
        ("0001-01-01", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("0d", NOW_MS),
        ("7d", NOW_MS - 7 * DAY_MS),
        ("36h", NOW_MS - 36 * 3_600_000),
        ("90 m", NOW_MS - 90 * 60_000),
        ("30s", NOW_MS - 30_000),
        ("2w", NOW_MS - 14 * DAY_MS),
        ("999999999d", 0),
    ],
)
def test_moments(text, ms):
    assert parse_time_ms(text, now_ms=lambda: NOW_MS) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "7",
        "7x",
        "-7d",
        "1.5d",
        "2026-13-01",
        "2026-02-30",
        "12345678901234567890",
        "0001-01-01T00:00:00+14:00x",
        "\u0667d",
        "1790000000",
        "d7",
        "9999999999999d",
    ],
)
def test_no_moments(text):
    with pytest.raises(ValueError, match="2026-11-01"):
        parse_time_ms(text, now_ms=lambda: NOW_MS)


@given(st.integers(0, 253_402_300_799_999))
def test_no_millisecond_is_lost(ms):
    text = datetime.fromtimestamp(ms // 1000, tz=UTC).replace(microsecond=ms % 1000 * 1000)
    assert parse_time_ms(text.isoformat()) == ms


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_a_value_error(text):
    try:
        assert isinstance(parse_time_ms(text, now_ms=lambda: NOW_MS), int)
    except ValueError as e:
        assert "is not a time" in str(e)


def test_moments_as_people_and_programs_have_them():
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    ms = 1_793_534_400_000
    assert moment_ms(at) == moment_ms(at.replace(tzinfo=None)) == ms
    assert moment_ms("2026-11-01T12:00:00Z") == moment_ms(ms) == ms
    assert moment_ms(None) is None
    with pytest.raises(ValueError, match="not a time"):
        moment_ms("soon")
