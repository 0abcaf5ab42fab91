"""Addresses and form bodies: rules for their parts, as detectors, and masks that keep them one."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from replayport.redact.detectors import Detector, Span
from replayport.redact.masking import is_masked, mask
from replayport.redact.rules import Profile

_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^/?#\s\"'<>]*|about:blank")
_PART: Final = re.compile(r"[^/?#&=:;,\s]+")
_VALUE: Final = rb"[^&#;\s\"'<>\\)\x00]+"


def rules_of(profile: Profile, *, assets: bool) -> list[Detector]:
    """
    Make detectors of a profile's rules for addresses.

    Args:
        profile: Whose `Urls` are meant.
        assets: For addresses of pictures and style sheets: their parameters say which file
            is meant, so only those with a named key go.
    """
    found = []
    urls = profile.urls
    if urls.query_keys:
        keys = b"|".join(re.escape(k.encode()) for k in urls.query_keys)
        pattern = rb"(?:^|[?&;#\s\x00])(?i:" + keys + rb")=" + _VALUE
        found.append(Detector("query", "", pattern, _after_equals, ""))
    if urls.query == "mask" and not assets:
        pattern = rb"[?&#][A-Za-z0-9_.~\[\]%$-]{1,100}=" + _VALUE
        found.append(Detector("query", "", pattern, _after_equals, ""))
    found.extend(Detector("path", "", text.encode(), _Groups(text), "") for text in urls.paths)
    return found


def _after_equals(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    value = text.index(b"=", start) + 1
    return None if is_masked(text[value:end].decode("utf-8", "replace")) else (value, end)


class _Groups:
    """Gives the part of a match that its groups are."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern.encode())

    def __call__(self, text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
        match = self._pattern.match(text, start)
        if match is None:
            return start, end
        spans = [match.span(n) for n in range(1, (match.lastindex or 0) + 1) if match[n]]
        if not spans:
            return start, end
        return min(s for s, _ in spans), max(e for _, e in spans)


def mask_address(text: str) -> str:
    """Mask all of an address but its host; its slashes stay. Other text is masked whole."""
    origin = _ORIGIN.match(text)
    if origin is None and text[:1] not in ("/", "?", "#", "."):
        return mask(text)
    kept = 0 if origin is None else origin.end()
    return text[:kept] + _PART.sub(lambda m: _masked_part(m[0]), text[kept:])


def _masked_part(part: str) -> str:
    return part if set(part) <= {"."} else mask(part)
