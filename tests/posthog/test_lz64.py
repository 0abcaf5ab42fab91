"""lz-string: strings made by the JavaScript library, damage, and bombs."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.errors import SourceDataError
from replayport.posthog.lz64 import decompress

# Made with npm lz-string 1.5.0, compressToBase64.
WRITTEN_BY_LZ_STRING = [
    ("", "Q==="),
    ("a", "IZA="),
    ("hello", "BYUwNmD2Q==="),
    (
        '{"event":"$pageview","properties":{}}',
        "N4IgpgbmB2AuIC4QBIAOBDA5pAlmA7iADQioBOA9qmGbHgM6LAC+zQA=",
    ),
    ("a" * 24, "IY18aQ=="),
    ("h\u00e9 \U0001f600 \ud800", "BYS4BIvBuAB7aAAbQ==="),
    ("\u4e00\u4e8c\u4e00\u4e8c", "gByhi5VA"),
]


@pytest.mark.parametrize(("text", "packed"), WRITTEN_BY_LZ_STRING)
def test_what_the_javascript_library_wrote(text: str, packed: str) -> None:
    assert decompress(packed.encode(), max_bytes=1000) == text


@given(
    st.sampled_from([p for _, p in WRITTEN_BY_LZ_STRING]),
    st.integers(min_value=0),
    st.integers(0, 255),
)
def test_damage_ends_in_text_or_the_error(packed: str, position: int, byte: int) -> None:
    damaged = bytearray(packed.encode())
    damaged[position % len(damaged)] = byte
    with contextlib.suppress(SourceDataError):
        assert len(decompress(bytes(damaged), max_bytes=1000)) <= 500


@pytest.mark.parametrize("packed", [b"", b"====", b"BYUwNm", b"BYU*NmD2Q===", b"wAAA"])
def test_museum(packed: bytes) -> None:
    with pytest.raises(SourceDataError) as refused:
        decompress(packed, max_bytes=1000)
    assert refused.value.reason == "invalid_base64"


def test_the_result_is_bounded() -> None:
    with pytest.raises(SourceDataError) as refused:
        decompress(b"IY18aQ==", max_bytes=47)
    assert refused.value.reason == "too_large"
    assert decompress(b"IY18aQ==", max_bytes=48) == "a" * 24
