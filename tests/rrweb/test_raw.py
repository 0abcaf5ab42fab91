"""Raw events are cut out of their envelopes without a byte of them changing."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.errors import SourceDataError
from replayport.rrweb import raw
from replayport.rrweb.raw import (
    is_utf8,
    split_array,
    split_object,
    string_of,
    text_of,
    to_json_bytes,
    window_id_of,
)

# Surrogates are included: JavaScript cuts strings in half an emoji.
texts = st.text(
    st.characters(codec=None) | st.sampled_from("\\\\u\ud83d\ude00\U0001f600"), max_size=8
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
spaces = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


@given(st.lists(values, max_size=6), spaces)
def test_array_items_are_the_very_texts(items: list[object], separators: tuple[str, str]) -> None:
    written = [json.dumps(i, separators=separators).encode() for i in items]
    text = b"[" + separators[0].encode().join(written) + b"]"
    assert split_array(text) == written
    assert [part for _, part in raw._parts(text, None)] == written


@given(st.dictionaries(texts, values, max_size=6), spaces)
def test_object_values_are_the_very_texts(
    members: dict[str, object], separators: tuple[str, str]
) -> None:
    text = json.dumps(members, separators=separators).encode()
    expected = {k: json.dumps(v, separators=separators).encode() for k, v in members.items()}
    assert split_object(text) == expected
    assert {string_of(k): v for k, v in raw._parts(text, None)} == expected


@given(st.binary(max_size=60))
def test_any_bytes_split_or_are_refused(data: bytes) -> None:
    for split in (split_array, split_object):
        with contextlib.suppress(SourceDataError):
            split(data)


@given(st.lists(values, min_size=1, max_size=4), st.integers(min_value=0), st.integers(0, 255))
def test_one_changed_byte_never_escapes_the_error(
    items: list[object], position: int, byte: int
) -> None:
    text = bytearray(json.dumps(items).encode())
    text[position % len(text)] = byte
    with contextlib.suppress(SourceDataError):
        split_array(bytes(text))


@pytest.mark.parametrize(
    "item",
    [
        b'{"a":"\\ud800"}',
        b'{"a":"cut \\ud83d"}',
        b'{"a":"\\udc00 x"}',
        b'{"\\ud800":1}',
        b'{"a":1,"a":2}',
        b'{"a":123456789012345678901234567890,"b":1.0,"c":1e999}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b'{ "a" : [ 1 , 2 ] }',
        b'{"a":"\\\\","b":"\\"]"}',
    ],
)
def test_unusual_json_stays_as_it_is(item: bytes) -> None:
    assert split_array(b"[1," + item + b' , "x"]') == [b"1", item, b'"x"']
    assert split_object(b'{"k":' + item + b"}") == {"k": item}


def test_lone_surrogates_need_no_lenience() -> None:
    """Emoji pairs stay; halves are found behind any number of backslashes."""
    item = (
        rb'{"a":"\ud83d\ude00\ud83d\ud83d\ude00 \udc00 \\\ud800 \\ud800 \uD800\u0041","a":1,'
        rb'"b":"\\\\\ude00","c":"\\ud83d\ude00"}'
    )
    text = b"[1," + item + b"," + b'{"x":"\xc3\xa9\\ud800"}' + b" , 2]"
    assert split_array(text, strict=True) == [b"1", item, b'{"x":"\xc3\xa9\\ud800"}', b"2"]
    assert split_object(b'{"k" : ' + item + b',"l":[]}', strict=True) == {"k": item, "l": b"[]"}


@pytest.mark.parametrize("text", [b"[tru]", b"[NaN]", b'["\\x"]', b"[" * 9000 + b"]" * 9000])
def test_strict_readers_refuse_what_the_scanner_would_cut(text: bytes) -> None:
    assert len(split_array(text)) == 1
    for split, whole in ((split_array, text), (split_object, b'{"a":' + text + b"}")):
        with pytest.raises(SourceDataError) as refused:
            split(whole, strict=True)
        assert refused.value.reason == "invalid_json"


@given(st.lists(values, max_size=6), spaces)
def test_strict_and_lenient_agree_on_valid_json(
    items: list[object], separators: tuple[str, str]
) -> None:
    text = json.dumps(items, separators=separators).encode()
    assert split_array(text, strict=True) == split_array(text)


def test_nesting_deeper_than_the_recursion_limit_is_cut_too() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    assert split_array(b"[" + deep + b",1]") == [deep, b"1"]
    assert split_object(b'{"a":' + deep + b"}") == {"a": deep}


def test_the_last_of_a_repeated_key_counts() -> None:
    assert split_object(b'{"a":1,"a":"\\ud800","a":2}') == {"a": b"2"}


def test_byte_order_mark_and_space_around_are_no_matter() -> None:
    assert split_array(b"\xef\xbb\xbf [1]\r\n") == [b"1"]


@pytest.mark.parametrize(
    "text",
    [b"", b" ", b"1", b"{}", b"[", b"[1", b"[1,", b'["a', b"[1}", b"[1]]", b"[1] 2", b"[1,,2]"],
)
def test_what_is_no_array_is_refused(text: bytes) -> None:
    with pytest.raises(SourceDataError) as refused:
        split_array(text, what="here")
    assert refused.value.reason == "invalid_json"
    assert refused.value.what == "here"


@pytest.mark.parametrize("text", [b"[]", b'{"a"}', b'{"a":}', b"{:1}", b'{"a":1', b"{1:2}"])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(SourceDataError) as refused:
        split_object(text)
    assert refused.value.reason == "invalid_json"


def test_the_number_of_parts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "MAX_PARTS", 10)
    assert len(split_array(b"[" + b",".join([b"1"] * 10) + b"]")) == 10
    with pytest.raises(SourceDataError) as refused:
        split_array(b"[" + b",".join([b"1"] * 11) + b"]")
    assert refused.value.reason == "too_large"


def test_a_broken_item_does_not_take_the_others_with_it() -> None:
    assert split_array(b'[{"a":1},{"b":tru},{"c":3}]') == [b'{"a":1}', b'{"b":tru}', b'{"c":3}']


@given(texts)
def test_text_with_lone_surrogates_becomes_utf8_json_of_the_same_value(text: str) -> None:
    encoded = to_json_bytes(json.dumps(text, ensure_ascii=False))
    assert string_of(encoded) == text
    encoded.decode("utf-8")


def test_strings() -> None:
    assert string_of(b'"a\\u00e9\\ud800"') == "a\u00e9\ud800"
    assert text_of(None) is None
    assert text_of(b"1") is None
    assert text_of(b'"\xff"') is None
    assert text_of(b'"a\\ud800"') == "a\ufffd"
    with pytest.raises(SourceDataError) as refused:
        string_of(b'"\xff"')
    assert refused.value.reason == "invalid_utf8"


@pytest.mark.parametrize(
    ("value", "window_id"),
    [(None, ""), (b"null", ""), (b'"w"', "w"), (b"3", "3"), (b"{}", ""), (b"true", "")],
)
def test_window_ids(value: bytes | None, window_id: str) -> None:
    assert window_id_of(value) == window_id


@given(st.binary(max_size=12) | texts.map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_utf8_is_what_python_decodes(text: bytes) -> None:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        assert not is_utf8(text)
    else:
        assert is_utf8(text)
