"""Blocks: snappy, streams, gzip, addresses; bombs and cuts."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import lines, visit

from replayport.errors import SourceDataError
from replayport.outcomes import RejectReason
from replayport.posthog.blocks import (
    BlockAddress,
    decode_gzip,
    decode_snappy,
    encode_snappy,
    iter_lines,
    join_stream,
    looks_like_json,
    parse_block_url,
    split_stream,
)


@given(st.binary(max_size=2000))
def test_snappy_round_trip(data):
    assert decode_snappy(encode_snappy(data)) == data


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=5))
def test_stream_round_trip(blocks):
    assert split_stream(join_stream(blocks)) == blocks


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_decode_or_are_refused(data):
    try:
        for text in iter_lines(data, max_bytes=10_000):
            assert len(text) <= 10_000
    except SourceDataError as e:
        assert RejectReason(e.reason)


@pytest.mark.parametrize("form", ["text", "gzip", "block", "stream"])
def test_every_packing_gives_the_lines(form):
    text = lines(visit())
    half = text[: text.index(b"\n", len(text) // 2) + 1]
    body = {
        "text": text,
        "gzip": gzip.compress(text),
        "block": encode_snappy(text),
        "stream": join_stream([encode_snappy(half), encode_snappy(text[len(half) :])]),
    }[form]
    assert b"".join(iter_lines(body)) == text


@pytest.mark.parametrize("length", [0x5B, 0x7B])
def test_a_snappy_block_whose_length_byte_is_a_bracket_is_not_json(length):
    block = encode_snappy(b"z" * length)
    assert block[0] == length
    assert not looks_like_json(block)
    assert b"".join(iter_lines(block)) == b"z" * length


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\xff\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\x0f\x00",
        encode_snappy(b"hello hello hello")[:-3],
        encode_snappy(b"x" * 5000)[:-2],
    ],
)
def test_damaged_snappy_is_refused(block):
    with pytest.raises(SourceDataError) as e:
        decode_snappy(block)
    assert e.value.reason in (RejectReason.INVALID_SNAPPY, RejectReason.TOO_LARGE)


def test_a_snappy_header_cannot_promise_memory():
    with pytest.raises(SourceDataError) as e:
        decode_snappy(b"\x80\x80\x80\x80\x08" + b"\x00" * 10, max_bytes=2**40)
    assert e.value.reason == RejectReason.INVALID_SNAPPY


def test_a_cut_stream_gives_its_whole_blocks_first():
    blocks = [encode_snappy(lines([e])) for e in visit()]
    cut = join_stream(blocks)[:-5]
    got = []
    with pytest.raises(SourceDataError):
        for text in iter_lines(cut):
            got.append(text)
    assert b"".join(got) == lines(visit()[:-1])


def test_gzip_members_follow_each_other():
    assert decode_gzip(gzip.compress(b"a") + gzip.compress(b"b")) == (b"ab", True)


def test_cut_gzip_gives_what_it_held():
    text = lines(visit()) * 50
    data, whole = decode_gzip(gzip.compress(text)[:-20])
    assert not whole
    assert text.startswith(data)
    assert data


def test_a_gzip_bomb_is_refused():
    with pytest.raises(SourceDataError) as e:
        decode_gzip(gzip.compress(b"\0" * 50_000_000), max_bytes=1_000_000)
    assert e.value.reason == RejectReason.TOO_LARGE


def test_addresses_are_inclusive_outside_and_half_open_inside():
    url = "s3://bucket/session_recordings/30d/1790000000000-0123456789abcdef?range=bytes=10-19"
    address = parse_block_url(url)
    assert address == BlockAddress(
        "bucket", "session_recordings/30d/1790000000000-0123456789abcdef", 10, 20
    )
    assert str(address) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3://b/k",
        "s3://b/k?range=bytes=9-3",
        "ftp://b/k?range=bytes=0-1",
        "s3:///?range=bytes=0-1",
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(SourceDataError):
        parse_block_url(url)
