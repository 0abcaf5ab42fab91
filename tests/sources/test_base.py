import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.errors import SourceError
from replayport.sources.base import iso_utc, source_time_ms

YEAR_9999_MS = 253_402_300_799_999


@given(st.integers(0, YEAR_9999_MS))
def test_times_survive_being_written_and_read(ms):
    assert source_time_ms(iso_utc(ms)) == ms


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000_500),
        ("2023-11-14 22:13:20.123999", 1_700_000_000_123),
        ("1700000000000", 1_700_000_000_000),
        (1_700_000_000_000, 1_700_000_000_000),
        (1.9, 1),
        (None, None),
        (True, None),
        (float("nan"), None),
        ("yesterday", None),
        ("", None),
        ([], None),
    ],
)
def test_times_of_apis_and_clickhouse(value, ms):
    assert source_time_ms(value) == ms


def test_what_is_no_time_is_not_written():
    with pytest.raises(SourceError):
        iso_utc(10**18)
