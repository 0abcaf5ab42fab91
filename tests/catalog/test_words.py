"""Text as words, and searches as terms."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.catalog.words import (
    MAX_TERMS,
    MAX_WORDS,
    SearchText,
    Term,
    parse_query,
    words,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "https://Shop.example/Cart?a=1&b_c",
            ["https", "shop", "example", "cart", "a", "1", "b", "c"],
        ),
        ("", []),
        ("!?_-", []),
        ("Größe", ["x" + "grösse".encode().hex()]),
        ("GRÖSSE", ["x" + "grösse".encode().hex()]),
        ("録画", ["x" + "録".encode().hex(), "x" + "画".encode().hex()]),
        ("ｆｕｌｌ", ["full"]),
        ("𝓐𝑨", ["aa"]),
        ("x" * 100, ["x" * 64]),
        ("a\x00b", ["a", "b"]),
    ],
)
def test_words(text, found):
    assert words(text) == found


@given(st.text())
def test_words_are_plain_whatever_the_text(text):
    assert all(re.fullmatch("[a-z0-9]+", word) for word in words(text))
    assert words(text, limit=3) == words(text)[:3]


@given(st.text(max_size=80))
def test_a_query_is_plain_whatever_is_typed(text):
    query = parse_query(text)
    assert len(query.terms) <= MAX_TERMS
    for term in query.terms:
        assert term.words
        assert all(re.fullmatch("[a-z0-9]+", word) for word in term.words)


def test_terms():
    assert parse_query('cart shop.example/pay "add to bag').terms == (
        Term(("cart",), is_prefix=True),
        Term(("shop", "example", "pay"), is_prefix=True),
        Term(("add", "to", "bag"), is_prefix=False),
    )
    assert parse_query("x", ["urls", "urls"]).fields == ("urls",)
    with pytest.raises(ValueError, match="not known"):
        parse_query("x", ["everything"])


def test_a_text_is_bounded_and_repeats_nothing():
    many = SearchText.of({"urls": [f"word{n}" for n in range(10_000)], "titles": ["a b"] * 1000})
    assert len(many.urls.split()) == MAX_WORDS["urls"]
    assert many.titles == "a b"
    assert sum(MAX_WORDS.values()) < 16_383 - 4
