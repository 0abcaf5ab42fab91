"""Text behind encodings, and the way back."""

from __future__ import annotations

import base64
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from replayport.redact.views import View, base64_texts


@given(st.text(), st.text(min_size=1), st.text())
def test_percent_is_mapped_back(before: str, inner: str, after: str) -> None:
    original = "".join(quote(p.encode("utf-8", "replace"), safe="") for p in (before, inner, after))
    view = View(original)
    at = len(before.encode("utf-8", "replace").decode())
    start, end = view.original(at, at + len(inner.encode("utf-8", "replace").decode()))
    assert quote(inner.encode("utf-8", "replace"), safe="") in original[start:end]


def test_entities_and_escapes() -> None:
    assert View("jane&#64;x&commat;y &amp;").text == "jane@x@y &"
    assert View(r"jane\u0040x \"q\" \x41").text == 'jane@x "q" A'
    start, end = View("ab&#64;cd").original(1, 4)
    assert "ab&#64;cd"[start:end] == "b&#64;c"


@given(st.text("abcdefgh @.-:/", min_size=12), st.integers(0, 3), st.booleans())
def test_base64_is_found_at_any_place(text: str, lead: int, padded: bool) -> None:
    run = base64.b64encode(text.encode()).decode()
    whole = "/" * lead + (run if padded else run.rstrip("=")) + " end"
    found = [decoded for *_, decoded in base64_texts(whole)]
    assert any(text[3:-2] in decoded for decoded in found)


def test_pictures_are_no_text() -> None:
    noise = base64.b64encode(bytes(range(256)) * 40).decode()
    assert not [d for *_, d in base64_texts(noise) if "@" in d and "example" in d]
