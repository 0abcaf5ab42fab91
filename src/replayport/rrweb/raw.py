r"""
JSON taken apart without being built: raw events and the envelopes around them.

Every foreign form of a recording reduces to *raw events*: the JSON text of one
rrweb event, byte for byte as the source wrote it, beside the window it belongs to.
The text is cut out of its envelope and never parsed into objects and printed again,
so lone surrogates (``\ud800``), integers past 64 bits, ``1.0`` against ``1`` and
repeated keys survive.

Two readers do the cutting. msgspec is tried first because it is fast: hundreds of MB/s.
It refuses lone surrogates, which appear wherever a recorder cuts a string in half an
emoji, so for such a text it reads a shadow, in which each is replaced by an escape of
the same length, and the parts are cut from the original at the same places. What it
still refuses (broken JSON, ``NaN``, very deep nesting) goes to a scanner that looks at
brackets, commas and strings only. The scanner does not judge what is between them: one
broken event in an array of a thousand is then one rejected event, found by whoever
decodes it. It is slow, so readers of requests from strangers ask for ``strict``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from replayport.errors import SourceDataError
from replayport.outcomes import RejectReason

MAX_PARTS: Final = 2_000_000
"""Items of one array or object: more than a day of an event every 50 ms. Without a
bound, 64 MiB of ``[1,1,1...`` would become gigabytes of objects."""

_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING: Final = msgspec.json.Decoder(str)

# Possessive quantifiers: a 60 MB string must not leave backtracking state behind.
# The last alternative, a quote that opens nothing, is an unterminated string.
_STRING_TOKEN: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN: Final = re.compile(_STRING_TOKEN + rb'|[\[\]{},:"]', re.DOTALL)
# Below the first level only brackets matter: everything up to the next one at once.
_TO_BRACKET: Final = re.compile(
    rb'[^"\[\]{}]*+(?:' + _STRING_TOKEN + rb'[^"\[\]{}]*+)*+([\[\]{}"])', re.DOTALL
)
# The escape of a surrogate, with the other half when a proper pair follows.
_ESCAPED_SURROGATE: Final = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|[c-fC-F][0-9a-fA-F]{2})"
)
_BACKSLASH: Final = ord("\\")
_ESCAPED_REPLACEMENT: Final = rb"\ufffd"
_CLOSES: Final = {ord("]"): ord("["), ord("}"): ord("{")}
_WHITESPACE: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
_INTEGER: Final = re.compile(rb"-?[0-9]{1,20}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class SourceEvent(NamedTuple):
    """One rrweb event as its source wrote it."""

    window_id: str
    """Browser tab; empty when the source named none."""
    raw: bytes
    """JSON text of the event, UTF-8, not yet validated."""


def strip(text: bytes) -> bytes:
    """
    Remove a byte order mark and JSON whitespace around a text.

    Args:
        text: UTF-8 JSON.

    Returns:
        The text itself when there is nothing to remove.
    """
    return text.removeprefix(_BOM).strip(_WHITESPACE)


def is_utf8(text: bytes) -> bool:
    """
    Tell whether bytes are UTF-8.

    Arrow looks at them several times faster than Python, which makes a string of them.
    """
    offsets = pa.py_buffer(np.array((0, len(text)), np.int32))
    try:
        pa.StringArray.from_buffers(1, offsets, pa.py_buffer(text)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def is_array(raw: bytes) -> bool:
    """Tell whether a stripped JSON text can only be an array."""
    return raw[:1] == b"["


def is_object(raw: bytes) -> bool:
    """Tell whether a stripped JSON text can only be an object."""
    return raw[:1] == b"{"


def is_string(raw: bytes) -> bool:
    """Tell whether a stripped JSON text can only be a string."""
    return raw[:1] == b'"'


def split_array(text: bytes, *, what: str | None = None, strict: bool = False) -> list[bytes]:
    """
    Cut a JSON array into the texts of its items.

    Args:
        text: A JSON array, whitespace and byte order mark allowed around it.
        what: Name of the thing, for the error.
        strict: Refuse what is not valid JSON, rather than cut it as far as it can be.

    Returns:
        One text an item, in order, as written.

    Raises:
        SourceDataError: Not an array, not closed (``invalid_json``), or more than
            `MAX_PARTS` items (``too_large``).
    """
    body = strip(text)
    if not is_array(body):
        raise invalid_json("this is not a JSON array", what)
    if body.count(b",") < MAX_PARTS:
        try:
            return [bytes(item) for item in _ARRAY.decode(body)]
        except (msgspec.DecodeError, RecursionError):
            pass
        try:
            shadow = shadow_of(body)
            return originals(_ARRAY.decode(shadow), shadow, body)
        except (msgspec.DecodeError, RecursionError) as e:
            if strict:
                raise invalid_json("this is not valid JSON", what) from e
    return [part for _, part in _parts(body, what)]


def iter_array(text: bytes, *, what: str | None = None) -> Iterator[bytes]:
    """
    Cut a JSON array that may be damaged, giving what comes before the damage.

    Args:
        text: As `split_array`.
        what: Name of the thing, for the error.

    Yields:
        One text an item, in order, as written.

    Raises:
        SourceDataError: As `split_array`; the items before it have been yielded.
    """
    body = strip(text)
    if not is_array(body):
        raise invalid_json("this is not a JSON array", what)
    for _, part in _parts(body, what):
        yield part


def split_object(text: bytes, *, what: str | None = None, strict: bool = False) -> dict[str, bytes]:
    """
    Cut a JSON object into the texts of its values.

    Args:
        text: A JSON object, whitespace and byte order mark allowed around it.
        what: Name of the thing, for the error.
        strict: Refuse what is not valid JSON, rather than cut it as far as it can be.

    Returns:
        Key to text of the value. Of a repeated key the last value counts, as in
        JavaScript.

    Raises:
        SourceDataError: Not an object, not closed (``invalid_json``), or more than
            `MAX_PARTS` keys (``too_large``).
    """
    body = strip(text)
    if not is_object(body):
        raise invalid_json("this is not a JSON object", what)
    if body.count(b",") < MAX_PARTS:
        try:
            return {key: bytes(value) for key, value in _OBJECT.decode(body).items()}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        try:
            shadow = shadow_of(body)
            found = _OBJECT.decode(shadow)
            if strict or not any("\ufffd" in key for key in found):
                values = originals(list(found.values()), shadow, body)
                return dict(zip(found, values, strict=True))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            if strict:
                raise invalid_json("this is not valid JSON", what) from e
    return {string_of(key, what=what): part for key, part in _parts(body, what)}


def string_of(raw: bytes, *, what: str | None = None) -> str:
    """
    Decode a JSON string.

    Args:
        raw: Its text, with the quotes.
        what: Name of the thing, for the error.

    Returns:
        The string; lone surrogates stay what they are.

    Raises:
        SourceDataError: Not a JSON string (``invalid_json``) or not UTF-8
            (``invalid_utf8``).
    """
    try:
        return _STRING.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        value = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as e:
        raise SourceDataError(
            f"byte {e.start} of a JSON string is not UTF-8. The text was cut or written in "
            "another encoding. Fetch it from the source again",
            reason=RejectReason.INVALID_UTF8,
            what=what,
        ) from e
    except (ValueError, RecursionError) as e:
        raise invalid_json("this is not a JSON string", what) from e
    if not isinstance(value, str):
        raise invalid_json(f"expected a JSON string, found {type(value).__name__}", what)
    return value


def text_of(raw: bytes | None) -> str | None:
    """
    Decode a JSON value that is a string, for use as an id, a name or a column.

    Args:
        raw: Text of a JSON value, or None for a missing key.

    Returns:
        The string, lone surrogates replaced by U+FFFD since nothing outside JSON can
        hold them; None for a missing key, another type, or a broken string.
    """
    if raw is None or not is_string(raw):
        return None
    try:
        return _SURROGATE.sub("\ufffd", string_of(raw))
    except SourceDataError:
        return None


def window_id_of(raw: bytes | None) -> str:
    """
    Read a window id: PostHog's archives hold strings and integers.

    Args:
        raw: Text of the JSON value, or None for a missing key.

    Returns:
        The string, the integer's digits, or ``""`` when there is none.
    """
    if raw is None or raw == b"null":
        return ""
    if is_string(raw):
        return text_of(raw) or ""
    return raw.decode("ascii") if _INTEGER.fullmatch(raw) else ""


def to_json_bytes(text: str) -> bytes:
    r"""
    Encode JSON text as UTF-8 when the text itself may hold lone surrogates.

    UTF-8 has no form for them. Inside JSON a surrogate can stand only in a string,
    where its escape means the same character, so the value is unchanged.

    Args:
        text: JSON text, as decoded from UTF-16 with ``surrogatepass``.

    Returns:
        UTF-8; lone surrogates written as ``\udXXX``.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _SURROGATE.sub(lambda m: f"\\u{ord(m[0]):04x}", text).encode("utf-8")


def invalid_json(observation: str, what: str | None = None) -> SourceDataError:
    """Give the error for a text that is not the JSON it should be."""
    return SourceDataError(
        f"{observation}. The payload was cut, or is of another kind. "
        "Fetch it from the source again, or name its format",
        reason=RejectReason.INVALID_JSON,
        what=what,
    )


def too_large(observation: str, what: str | None = None) -> SourceDataError:
    """Give the error for a payload past one of the limits of this module."""
    return SourceDataError(
        f"{observation}. Larger payloads are taken for decompression bombs. "
        "Split the recording at the source if it is genuine",
        reason=RejectReason.TOO_LARGE,
        what=what,
    )


def shadow_of(body: bytes) -> bytes:
    r"""
    Replace the escapes of lone surrogates, so that msgspec reads the text.

    Args:
        body: UTF-8 JSON.

    Returns:
        Text of the same length, ``\ufffd`` in their places; equal when there are none.
    """

    def replaced(match: re.Match[bytes]) -> bytes:
        before = match.start()
        while before and body[before - 1] == _BACKSLASH:
            before -= 1
        if (match.start() - before) % 2:
            # The backslash is itself escaped: text that looks like an escape. What
            # follows is then no second half.
            first = match[0][: len(_ESCAPED_REPLACEMENT)]
            return first + _ESCAPED_REPLACEMENT if match[1] else first
        return match[0] if match[1] else _ESCAPED_REPLACEMENT

    return _ESCAPED_SURROGATE.sub(replaced, body)


def originals(parts: list[msgspec.Raw], shadow: bytes, body: bytes) -> list[bytes]:
    """
    Cut the places of a shadow's parts out of the text it was made from.

    Args:
        parts: Decoded from ``shadow``: msgspec's raw values are views into it.
        shadow: From `shadow_of`.
        body: What the shadow was made from.
    """
    base = _address(shadow)
    cuts = []
    for part in parts:
        start = _address(part) - base
        cuts.append(body[start : start + len(memoryview(part))])
    return cuts


def _address(view: bytes | msgspec.Raw) -> int:
    """Give where in memory a buffer begins."""
    return int(np.frombuffer(view, np.uint8).__array_interface__["data"][0])


def _parts(body: bytes, what: str | None) -> Iterator[tuple[bytes, bytes]]:
    """
    Yield ``(key text, value text)`` of an array or object; an array's keys are empty.

    Args:
        body: Stripped text that starts with ``[`` or ``{``.
        what: Name of the thing, for the error.
    """
    keyed = body[0] == ord("{")
    open_brackets = bytearray()
    key = b""
    start = 1
    count = 0
    place = 0
    while token := (_TO_BRACKET.match if len(open_brackets) > 1 else _TOKEN.search)(body, place):
        place = token.end()
        position = place - 1
        mark = body[position]
        if mark == ord('"'):
            if token.lastindex or place - token.start() == 1:
                raise invalid_json(f"the string at byte {position} does not end", what)
            continue
        if mark in b"[{":
            open_brackets.append(mark)
            continue
        depth = len(open_brackets)
        if mark in b"]}":
            if depth == 0 or open_brackets[-1] != _CLOSES[mark]:
                raise invalid_json(f"the bracket at byte {position} closes nothing", what)
            open_brackets.pop()
            depth -= 1
            if depth:
                continue
        elif mark == ord(":"):
            if keyed and not key:
                key = body[start:position].strip(_WHITESPACE)
                start = place
            continue
        part = body[start:position].strip(_WHITESPACE)
        start = place
        if part or key or count or depth:
            if not part or (keyed and not key):
                raise invalid_json(f"a part is missing before byte {position}", what)
            count += 1
            if count > MAX_PARTS:
                raise too_large(f"more than {MAX_PARTS} parts in one JSON value", what)
            yield key, part
        key = b""
        if depth == 0:
            if start != len(body):
                raise invalid_json(f"text follows the end of the value at byte {start}", what)
            return
    raise invalid_json(f"the JSON value of {len(body)} bytes does not end", what)
