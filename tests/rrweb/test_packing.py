"""Packed events come back as they were; damaged ones are refused, bombs are bounded."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.errors import SourceDataError
from replayport.rrweb.packing import inflate, inflate_prefix, pack, unpack, unpack_item

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
EVENT: dict[str, Any] = {
    "type": 3,
    "data": {"source": 1, "x": "h\u00e9 \U0001f600"},
    "timestamp": 7,
}


@given(st.dictionaries(st.text(max_size=4), values, max_size=4))
def test_unpack_undoes_pack(event: dict[str, Any]) -> None:
    assert json.loads(unpack(pack(event))) == {**event, "v": "v1"}


@given(st.integers(min_value=0), st.integers(0, 255))
def test_damage_is_refused_or_harmless(position: int, byte: int) -> None:
    packed = list(pack(EVENT))
    packed[position % len(packed)] = chr(byte)
    try:
        event = unpack("".join(packed))
    except SourceDataError:
        return
    # Adler-32 holds the content; only header bits that mean nothing may change.
    assert json.loads(event) == {**EVENT, "v": "v1"}


@given(st.integers(min_value=0))
def test_a_cut_is_refused(length: int) -> None:
    packed = pack(EVENT)
    with pytest.raises(SourceDataError):
        unpack(packed[: length % len(packed)])


def test_events_that_were_never_packed_pass() -> None:
    text = json.dumps(EVENT)
    assert unpack(text) == text.encode()
    assert unpack_item(text.encode()) == text.encode()
    assert json.loads(unpack_item(json.dumps(text).encode())) == EVENT
    assert json.loads(unpack_item(json.dumps(pack(EVENT)).encode())) == {**EVENT, "v": "v1"}


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        ("", "invalid_zlib"),
        ("not packed", "invalid_zlib"),
        ("\u4e00", "unknown_format"),
        (zlib.compress(b'{"type":3}').decode("latin-1"), "unknown_format"),
        (zlib.compress(b'{"type":3,"v":"v2"}').decode("latin-1"), "unknown_format"),
        (zlib.compress(b"[1]").decode("latin-1"), "invalid_json"),
        (pack(EVENT) + "x", "invalid_zlib"),
    ],
)
def test_museum_of_broken_packed_events(packed: str, reason: str) -> None:
    with pytest.raises(SourceDataError) as refused:
        unpack(packed)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("item", "reason"), [(b"", "invalid_json"), (b"1", "not_an_event"), (b"[]", "not_an_event")]
)
def test_items_that_are_no_events(item: bytes, reason: str) -> None:
    with pytest.raises(SourceDataError) as refused:
        unpack_item(item)
    assert refused.value.reason == reason


@given(st.lists(st.binary(max_size=300_000), max_size=3), st.integers(0, 3))
def test_gzip_members_back_to_back_are_one_stream(members: list[bytes], padding: int) -> None:
    data = b"".join(gzip.compress(m) for m in [b"", *members]) + b"\0" * padding
    assert inflate(data, container="gzip", max_bytes=10**6) == b"".join(members)


def test_large_streams_inflate_in_steps() -> None:
    content = bytes(range(256)) * 20_000 + b"\0" * 3_000_000
    assert inflate(zlib.compress(content), container="zlib", max_bytes=10**7) == content


def test_what_inflated_before_the_damage_is_kept() -> None:
    content = json.dumps(list(range(200_000))).encode()
    data = gzip.compress(content)
    output, error = inflate_prefix(data[:-100_000], container="gzip", max_bytes=10**8)
    assert error is not None
    assert error.reason == "invalid_gzip"
    assert 0 < len(output) < len(content)
    assert content.startswith(output)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1f\x8b",
        gzip.compress(b"abc", mtime=0)[:-1],
        gzip.compress(b"abc", mtime=0) + b"tail",
        b"abc",
    ],
)
def test_damaged_gzip(data: bytes) -> None:
    with pytest.raises(SourceDataError) as refused:
        inflate(data, container="gzip", max_bytes=100)
    assert refused.value.reason == "invalid_gzip"


def test_a_bomb_costs_no_more_than_its_limit() -> None:
    bomb = gzip.compress(b"\0" * (200 * 2**20), 9)
    tracemalloc.start()
    with pytest.raises(SourceDataError) as refused:
        inflate(bomb, container="gzip", max_bytes=2**20)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.reason == "too_large"
    assert peak_bytes < 16 * 2**20
