"""
What takes the place of a redacted text: the same number of characters, about as wide.

Letters become ``x`` and ``X``, digits ``0``, wide characters a wide one, white space stays,
everything else becomes ``*``. A masked text masks to itself and looks like nothing that a
detector knows, so redacting twice is redacting once.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_UNTOLD: Final = frozenset(
    [
        "assignment",
        "attribute",
        "authorization",
        "body",
        "credentials",
        "input",
        "key",
        "known",
        "path",
        "person",
        "private_key",
        "query",
        "selector",
        "text",
    ]
)
"""Finds of which not even the first character is told."""


class _Table(dict[int, str]):
    """Character to mask, worked out when first met."""

    def __missing__(self, code: int) -> str:
        self[code] = masked = _masked_character(chr(code))
        return masked


def _masked_character(character: str) -> str:
    if character.isspace():
        return character
    category = unicodedata.category(character)
    if category.startswith("M") or category == "Cf":  # drawn onto the one before it
        return "\u200b"
    if unicodedata.east_asian_width(character) in "WF":
        return "\uff58"
    if character.isnumeric():
        return "0"
    if category in ("Lu", "Lt"):
        return "X"
    return "x" if character.isalpha() else "*"


_TABLE: Final = _Table()
_TABLE.update({0x200B: "\u200b", 0xFF58: "\uff58"})


def mask(text: str) -> str:
    """Give text of the same length that says nothing."""
    return text.translate(_TABLE)


def mask_field(text: str) -> str:
    """Give what a form field shows instead: asterisks, as recorders write them."""
    return "".join(c if c in "\r\n" else "*" for c in text)


def is_masked(text: str) -> bool:
    """Tell whether text is what `mask` or `mask_field` gives."""
    return text.translate(_TABLE) == text


def example(kind: str, text: str) -> str:
    """
    Give a hint at a value that does not tell it: ``j***@e***.com``, ``4***``.

    Args:
        kind: The detector or rule that found it.
        text: The value.
    """
    if kind == "email" and "@" in text:
        local, _, domain = text.partition("@")
        host, _, end = domain.rpartition(".")
        if host and end.isalpha() and len(end) <= 6:
            return f"{local[:1]}***@{host[:1]}***.{end}"
    if kind in _UNTOLD:
        return f"*** ({len(text)} characters)"
    return f"{text[:1]}*** ({len(text)} characters)"
