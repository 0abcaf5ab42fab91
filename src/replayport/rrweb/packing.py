r"""
Packed rrweb events (``@rrweb/packer``, version ``v1``) and the bounded inflate.

Byte layout of a packed event, inside out::

    {"type":3,...,"v":"v1"}        JSON of the event with the packer's version added
    -> UTF-8
    -> zlib stream (RFC 1950: 2-byte header, deflate, Adler-32)
    -> one character U+0000..U+00FF for each byte ("latin-1 string")

A packed recording is therefore a list of strings; as JSON on disk, bytes from 0x80 up
take two UTF-8 bytes and control bytes are ``\u00XX``. rrweb's ``unpack`` also accepts
an event that was never packed, as an object or as a string of JSON; so does this one.
PostHog's own partial compression (``cv``) is another thing: `replayport.posthog.lines`.

Source:
    rrweb ``packages/packer/src/{base,pack,unpack}.ts``.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from isal import isal_zlib

from replayport.errors import SourceDataError
from replayport.limits import MAX_EVENT_BYTES
from replayport.outcomes import RejectReason
from replayport.rrweb.raw import (
    invalid_json,
    is_object,
    is_string,
    split_object,
    string_of,
    strip,
    text_of,
    to_json_bytes,
    too_large,
)

PACK_VERSION: Final = "v1"
"""The only version the packer ever wrote."""

GZIP_MAGIC: Final = b"\x1f\x8b"

_INPUT_STEP_BYTES: Final = 64 * 2**10  # zlib keeps a copy of what it has not read yet
_OUTPUT_STEP_BYTES: Final = 2**20  # what a bomb can cost past its limit
_WINDOW_BITS: Final = {"zlib": 15, "gzip": 31}
_REASONS: Final = {"zlib": RejectReason.INVALID_ZLIB, "gzip": RejectReason.INVALID_GZIP}


def inflate(
    data: bytes,
    *,
    container: Literal["gzip", "zlib"],
    max_bytes: int,
    what: str | None = None,
) -> bytes:
    """
    Decompress, never holding more than the limit.

    Args:
        data: A whole zlib stream, or one or more gzip members back to back (zero
            padding after the last is allowed, as in ``gzip(1)``).
        container: Which of the two; it also names the reject reason.
        max_bytes: Largest output.
        what: Name of the thing, for the error.

    Raises:
        SourceDataError: Damaged, cut, or followed by other bytes (``invalid_gzip``,
            ``invalid_zlib``); or past the limit (``too_large``).
    """
    output, error = inflate_prefix(data, container=container, max_bytes=max_bytes, what=what)
    if error is not None:
        raise error
    return output


def inflate_prefix(
    data: bytes,
    *,
    container: Literal["gzip", "zlib"],
    max_bytes: int,
    what: str | None = None,
) -> tuple[bytes, SourceDataError | None]:
    """
    Decompress as far as the bytes are good.

    Args:
        data: As `inflate`.
        container: As `inflate`.
        max_bytes: As `inflate`.
        what: As `inflate`.

    Returns:
        What inflated, and what stopped it: None at the proper end. Past the limit
        nothing is returned beside the error: a bomb has no good part.
    """
    pieces: list[bytes] = []
    total = 0
    position = 0
    while True:
        stream = isal_zlib.decompressobj(wbits=_WINDOW_BITS[container])
        pending = b""
        while not stream.eof:
            if not pending:
                pending = data[position : position + _INPUT_STEP_BYTES]
                position += len(pending)
            try:
                piece = stream.decompress(pending, _OUTPUT_STEP_BYTES)
            except isal_zlib.error:  # type: ignore[misc]  # the stub types the class as an instance
                return b"".join(pieces), _damaged(container, len(data), what)
            stuck = not pending and not piece
            pending = stream.unconsumed_tail
            total += len(piece)
            if total > max_bytes:
                observation = f"{len(data)} bytes of {container} inflate past {max_bytes} bytes"
                return b"", too_large(observation, what)
            pieces.append(piece)
            if stuck and not stream.eof:
                return b"".join(pieces), _damaged(container, len(data), what)
        position -= len(stream.unused_data)
        if container == "gzip" and data.startswith(GZIP_MAGIC, position):
            continue
        if not data[position:].strip(b"\0"):
            return b"".join(pieces), None
        return b"".join(pieces), _damaged(container, len(data), what)


def pack(event: dict[str, Any]) -> str:
    """
    Pack one event as ``@rrweb/packer`` does.

    Args:
        event: An rrweb event.

    Returns:
        The latin-1 string.
    """
    text = json.dumps({**event, "v": PACK_VERSION}, ensure_ascii=False, separators=(",", ":"))
    return bytes(isal_zlib.compress(to_json_bytes(text))).decode("latin-1")


def unpack(packed: str, *, what: str | None = None) -> bytes:
    """
    Unpack one string of a packed recording.

    Args:
        packed: What ``pack`` returned, or the JSON text of an event.
        what: Name of the thing, for the error.

    Returns:
        JSON text of the event. The packer's key ``"v":"v1"`` is part of that text,
        as rrweb's own ``unpack`` leaves it.

    Raises:
        SourceDataError: Not packed (``unknown_format``), damaged (``invalid_zlib``),
            too large (``too_large``) or not an object inside (``invalid_json``).
    """
    if packed.lstrip()[:1] == "{":
        return strip(to_json_bytes(packed))
    try:
        stream = packed.encode("latin-1")
    except UnicodeEncodeError as e:
        raise SourceDataError(
            f"character {e.start} of a packed event is past U+00FF. The string is no packed "
            "event, or its text was re-encoded on the way. Take the file from the source again",
            reason=RejectReason.UNKNOWN_FORMAT,
            what=what,
        ) from e
    text = strip(inflate(stream, container="zlib", max_bytes=MAX_EVENT_BYTES, what=what))
    version = text_of(split_object(text, what=what).get("v"))
    if version != PACK_VERSION:
        raise SourceDataError(
            "a packed event does not name packer version 'v1'. A packer this version does not "
            "know wrote it. Unpack it with the rrweb release that packed it",
            reason=RejectReason.UNKNOWN_FORMAT,
            what=what,
        )
    return text


def unpack_item(item: bytes, *, what: str | None = None) -> bytes:
    """
    Unpack one item of a JSON array of events, packed or not.

    Args:
        item: JSON text of an object (returned as it is) or of a packed string.
        what: Name of the thing, for the error.

    Returns:
        JSON text of the event.

    Raises:
        SourceDataError: As `unpack`; any other JSON value is ``not_an_event``.
    """
    if is_object(item):
        return item
    if is_string(item):
        return unpack(string_of(item, what=what), what=what)
    if not item:
        raise invalid_json("an item of the recording is empty", what)
    raise SourceDataError(
        "an item of the recording is neither an object nor a packed string. "
        "It is no rrweb event. The rest of the recording can be used without it",
        reason=RejectReason.NOT_AN_EVENT,
        what=what,
    )


def _damaged(container: str, size_bytes: int, what: str | None) -> SourceDataError:
    """Give the error for a stream that does not inflate."""
    return SourceDataError(
        f"{size_bytes} bytes of {container} do not inflate. They were cut or changed on the way. "
        "Fetch them from the source again",
        reason=_REASONS[container],
        what=what,
    )
