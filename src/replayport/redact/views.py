"""
Text as it is meant: behind percent signs, HTML entities, backslash escapes and base64.

```
q=jane%2540shop.example     percent, twice
jane&#64;shop.example       HTML entity
{"m":"jane\u0040shop…"}     JSON inside a JSON string
amFuZUBzaG9wLmV4YW1wbGU=    base64, with or without padding, URL alphabet too
```

A `View` knows which part of the original each part of it came from. Where that is not
exact it gives more: the whole escape, the whole run of base64.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_BASE64_CHARS: Final = 4 * 2**20
"""Longer runs are not decoded: nothing but images is that long."""

ENCODED: Final = (
    rb"%[0-9A-Fa-f]{2}"
    rb"|&#?[0-9A-Za-z]{2,31};"
    rb"|\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[\"'/])"
)
"""What a text that hides another has, in UTF-8; besides base64, which is `READABLE`."""

_ESCAPE: Final = re.compile(
    r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
    r"|\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[\"'/\\bfnrt])"
)
_GROUP_PATTERN: Final = (
    "[I-Za-f][CDEFGHSTUVWXijklmnyz0123][AEIMQUYcgkosw048BFJNRVZdhlptx159][A-Za-z0-9+/_-]"
)
"""Four characters of base64 that stand for three printable ones of ASCII."""
READABLE: Final = b"(?:" + _GROUP_PATTERN.encode() + b"){3}"
_GROUP: Final = re.compile(_GROUP_PATTERN)
_READABLE: Final = re.compile("(?:" + _GROUP_PATTERN + "){3}")
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_SIMPLE: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_CONTROLS: Final = bytes(set(range(0x20)) - set(b"\t\n\r"))
_HEAD_BYTES: Final = 48
_HEAD_CHARS: Final = 64
_URL_ALPHABET: Final = str.maketrans("-_", "+/")


class View:
    """
    A decoded text and where its parts came from.

    Attributes:
        text: Decoded once; what was encoded twice needs a view of this text.
    """

    def __init__(self, original: str) -> None:
        pieces: list[str] = []
        self._at: list[int] = []
        """Where each piece starts in `text`."""
        self._from: list[tuple[int, int, bool]] = []
        """Where it came from, and whether character for character."""
        length = last = 0
        for match in _ESCAPE.finditer(original):
            start, end = match.span()
            if start > last:
                length = self._add(pieces, original[last:start], length, last, start, exact=True)
            length = self._add(pieces, _decoded(match), length, start, end, exact=False)
            last = end
        self._add(pieces, original[last:], length, last, len(original), exact=True)
        self.text = "".join(pieces)

    def _add(
        self, pieces: list[str], text: str, at: int, start: int, end: int, *, exact: bool
    ) -> int:
        pieces.append(text)
        self._at.append(at)
        self._from.append((start, end, exact))
        return at + len(text)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Give the part of the original that ``[start, end)`` of `text` came from."""
        first = bisect_right(self._at, start) - 1
        last = bisect_right(self._at, end - 1) - 1
        from_start, _, exact = self._from[first]
        left = from_start + start - self._at[first] if exact else from_start
        from_start, from_end, exact = self._from[last]
        right = from_start + end - self._at[last] if exact else from_end
        return left, right


def _decoded(match: re.Match[str]) -> str:
    text = match[0]
    if match["percent"]:
        return unquote_to_bytes(text).decode("utf-8", "replace")
    if text[0] == "&":
        return html.unescape(text)
    if text[1] in "ux":
        return chr(int(text[2:], 16))  # noqa: FURB166 - \u is no prefix int knows
    return _SIMPLE.get(text[1], text[1])


def base64_texts(text: str) -> Iterator[tuple[int, int, str]]:
    """
    Yield what base64 in a text says: ``(start, end, decoded)``.

    It is found by three of its groups that stand for printable ASCII, which also says where
    its groups begin: what stands before it in an address looks like a part of it. What
    decodes to something that is no text is passed over.
    """
    at = 0
    while (match := _READABLE.search(text, at)) is not None:
        start, at = match.span()
        while start >= 4 and _GROUP.fullmatch(text, start - 4, start):
            start -= 4
        head = _decoded_base64(text[start : start + _HEAD_CHARS])
        if head is None:
            continue
        run = _RUN.match(text, start, start + MAX_BASE64_CHARS)
        end = at if run is None else run.end()
        decoded = _decoded_base64(text[start:end])
        if decoded is not None:
            yield start, end, decoded
            at = max(end, at)


def _decoded_base64(run: str) -> str | None:
    run = _RUN.match(run)[0].rstrip("=").translate(_URL_ALPHABET)  # type: ignore[index]
    if len(run) % 4 == 1:
        run = run[:-1]
    try:
        return _as_text(base64.b64decode(run + "=" * (-len(run) % 4)))
    except (ValueError, binascii.Error):
        return None


def _as_text(raw: bytes) -> str | None:
    """Read bytes as text; None when they are none."""
    head = raw[:_HEAD_BYTES]
    if len(head.translate(None, _CONTROLS)) * 8 < len(head) * 7:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError as e:
        # A text with something else behind it, or cut in the middle of a character.
        return raw.decode("utf-8", "replace") if e.start >= min(9, len(raw) // 2) else None
