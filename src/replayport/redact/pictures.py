"""Pictures inside a recording: a grey box of the same size takes their place."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

_HEAD_CHARS: Final = 200_000
_BOX: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='{w}' height='{h}'%3E"
    "%3Crect width='100%25' height='100%25' fill='%23c8c8cc'/%3E%3C/svg%3E"
)
_IS_BOX: Final = re.compile(re.escape(_BOX).replace(r"\{w\}", "[0-9]+").replace(r"\{h\}", "[0-9]+"))
_CSS_URL: Final = re.compile(
    r"""url\(\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^)"']*)\s*\)""", re.IGNORECASE
)
_EMPTY_URL: Final = "url(data:,)"


def is_picture(value: str) -> bool:
    """Tell whether an attribute's value is a picture itself, not an address of one."""
    return value[:11].lower() == "data:image/" and not is_box(value)


def is_box(value: str) -> bool:
    """Tell whether this is what `box` gives."""
    return _IS_BOX.fullmatch(value) is not None


def box(value: str = "") -> str:
    """Give a grey picture of the size of another; 1 by 1 when that is not known."""
    width, height = size_of(value)
    return _BOX.format(w=width, h=height)


def without_pictures(css: str) -> str:
    """Empty every ``url()`` of a style sheet."""
    return _CSS_URL.sub(_EMPTY_URL, css)


def size_of(value: str) -> tuple[int, int]:
    """Give width and height of a data: image; ``(1, 1)`` when they are not found."""
    head, comma, body = value[:_HEAD_CHARS].partition(",")
    if not comma or not head.lower().startswith("data:image/"):
        return 1, 1
    try:
        if head.lower().endswith(";base64"):
            body = body[: len(body) // 4 * 4]
            raw = base64.b64decode(body)
        else:
            raw = unquote_to_bytes(body)
        found = _raster_size(raw) or _vector_size(raw)
    except (ValueError, IndexError, binascii.Error):
        found = None
    return found if found and 0 < found[0] < 20_000 and 0 < found[1] < 20_000 else (1, 1)


def _raster_size(raw: bytes) -> tuple[int, int] | None:
    if raw.startswith(b"\x89PNG"):
        return int.from_bytes(raw[16:20]), int.from_bytes(raw[20:24])
    if raw.startswith(b"GIF8"):
        return int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        if raw[12:16] == b"VP8X":
            w, h = raw[24:27], raw[27:30]
            return int.from_bytes(w, "little") + 1, int.from_bytes(h, "little") + 1
        if raw[12:16] == b"VP8 ":
            w, h = raw[26:28], raw[28:30]
            return int.from_bytes(w, "little") & 0x3FFF, int.from_bytes(h, "little") & 0x3FFF
        bits = int.from_bytes(raw[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if raw.startswith(b"\xff\xd8"):
        at = 2
        while at + 9 < len(raw) and raw[at] == 0xFF:
            if raw[at + 1] in (0xC0, 0xC1, 0xC2):
                return int.from_bytes(raw[at + 7 : at + 9]), int.from_bytes(raw[at + 5 : at + 7])
            at += 2 + int.from_bytes(raw[at + 2 : at + 4])
    return None


def _vector_size(raw: bytes) -> tuple[int, int] | None:
    tag = re.search(rb"<svg[^>]*>", raw[:4000])
    if tag is None:
        return None
    sides = [
        re.search(rb"\s" + name + rb"=[\"']?([0-9]{1,5})(?:\.[0-9]*)?(?:px)?[\"'\s>]", tag[0])
        for name in (b"width", b"height")
    ]
    if sides[0] and sides[1]:
        return int(sides[0][1]), int(sides[1][1])
    view = re.search(
        rb"viewBox=[\"']\s*[-0-9.]+[ ,]+[-0-9.]+[ ,]+([0-9]+)[0-9.]*[ ,]+([0-9]+)", tag[0]
    )
    return (int(view[1]), int(view[2])) if view else None
