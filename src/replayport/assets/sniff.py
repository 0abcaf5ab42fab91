"""
Tells from its bytes what an answer is, whatever its header says.

Only types on the list of `format.assets` are known: images, fonts, stylesheets. A web page
sent in place of an image is none of them, and neither is a script.
"""

from __future__ import annotations

import re
from typing import Final

from replayport.format.assets import CSS_TYPE

_MAGIC: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypavis", "image/avif"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"\x00\x01\x00\x00", "font/ttf"),
    (0, b"true", "font/ttf"),
    (0, b"OTTO", "font/otf"),
    (0, b"ttcf", "font/collection"),
)
"""Offset, bytes there, type. After the WHATWG MIME sniffing standard."""

_SVG_DECLARED: Final = frozenset(
    {"image/svg+xml", "application/xml", "text/xml", "text/plain", "application/octet-stream", ""}
)
_SVG: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE\s+svg[^>\[]*(?:\[.*?\])?\s*>\s*)*"
    rb"<(?:svg:)?svg[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
_PAGE: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_HEAD_BYTES: Final = 4096
"""Of a text, as much is looked at to find out what it is."""


def sniff(data: bytes, declared: str) -> str | None:
    """
    Give the type of an answer's bytes.

    Args:
        data: The whole answer, content encoding undone.
        declared: Its ``Content-Type`` without parameters, lower case; empty when absent.

    Returns:
        One of `CONTENT_TYPES`; None when it is nothing that is stored.
    """
    for offset, magic, content_type in _MAGIC:
        if data.startswith(magic, offset):
            return content_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:2] == b"BM" and len(data) >= 26 and data[6:10] == bytes(4):
        return "image/bmp"
    head = data[:_HEAD_BYTES]
    if declared in _SVG_DECLARED and _SVG.match(head):
        return "image/svg+xml"
    if declared == CSS_TYPE and b"\x00" not in head and not _PAGE.match(head):
        return CSS_TYPE
    return None
