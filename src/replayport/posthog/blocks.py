"""
PostHog's source blocks: bytes as stored or served to JSON lines.

```
v2 block           raw snappy (uvarint length first, no framing, no CRC) of JSON lines
v2 stream          repeated [u32 big-endian length][v2 block]   (decompress=false)
v1 blob            gzip of JSON lines
text               JSON lines as they are                       (decompress=true)
address            s3://<bucket>/<key>?range=bytes=<first>-<last>   last is inclusive
```

Source:
    posthog ``block-compression.ts``, ``session_recording_v2_service.py``; the player
    takes a body as a stream when its first length is positive and fits.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

import cramjam
from isal import isal_zlib

from replayport.errors import SourceDataError
from replayport.limits import MAX_BLOCK_BYTES
from replayport.outcomes import RejectReason

_PREFIX: Final = struct.Struct(">I")
_GZIP_MAGIC: Final = b"\x1f\x8b"
_MAX_SNAPPY_RATIO: Final = 32
"""A snappy copy of 3 bytes gives at most 64; a header that promises more lies."""
_RANGE: Final = re.compile(r"(?:^|&)range=bytes=(\d+)-(\d+)(?:&|$)")


@dataclass(frozen=True, slots=True)
class BlockAddress:
    """Where a source block lies in a bucket."""

    bucket: str
    key: str
    start_byte: int
    end_byte: int
    """Exclusive, as everywhere in replayport; PostHog's own URL is inclusive."""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}?range=bytes={self.start_byte}-{self.end_byte - 1}"


def parse_block_url(url: str) -> BlockAddress:
    """
    Read a block address from ClickHouse; the one place where inclusive becomes half-open.

    Raises:
        SourceDataError: Not such an address.
    """
    parts = urlsplit(url)
    found = _RANGE.search(parts.query)
    if parts.scheme not in ("s3", "https", "http") or not parts.netloc or found is None:
        raise SourceDataError(
            f"a block address of {len(url)} characters is not s3://bucket/key?range=bytes=a-b",
            reason=RejectReason.MISSING_BLOCK,
        )
    first, last = int(found[1]), int(found[2])
    key = unquote(parts.path).lstrip("/")
    if last < first or not key:
        raise SourceDataError(
            f"a block address has the empty range {first}-{last}",
            reason=RejectReason.MISSING_BLOCK,
        )
    return BlockAddress(bucket=parts.netloc, key=key, start_byte=first, end_byte=last + 1)


def decode_snappy(block: bytes, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
    """
    Decompress one raw snappy block.

    Raises:
        SourceDataError: Not snappy, or its header promises more than ``max_bytes`` or
            more than snappy can pack into what is there.
    """
    length = _snappy_length(block)
    if length is None:
        raise SourceDataError(
            f"a block of {len(block)} bytes does not start with a snappy length",
            reason=RejectReason.INVALID_SNAPPY,
        )
    if length > max_bytes:
        raise SourceDataError(
            f"a block says it holds {length} bytes, more than the limit of {max_bytes}",
            reason=RejectReason.TOO_LARGE,
        )
    if length > len(block) * _MAX_SNAPPY_RATIO:
        raise SourceDataError(
            f"a block of {len(block)} bytes says it holds {length}, which snappy cannot do",
            reason=RejectReason.INVALID_SNAPPY,
        )
    try:
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as e:
        raise SourceDataError(
            f"a block of {len(block)} bytes is not raw snappy; it was cut, or is encrypted",
            reason=RejectReason.INVALID_SNAPPY,
        ) from e


def encode_snappy(lines: bytes) -> bytes:
    """Compress JSON lines as PostHog's ingestion does (for tests and the fake API)."""
    return bytes(cramjam.snappy.compress_raw(lines))


def decode_gzip(data: bytes, *, max_bytes: int = MAX_BLOCK_BYTES) -> tuple[bytes, bool]:
    """
    Decompress gzip, keeping what decoded before any damage.

    Returns:
        The bytes, and whether the stream was whole.

    Raises:
        SourceDataError: Not gzip at all, or larger than ``max_bytes``.
    """
    if data[:2] != _GZIP_MAGIC:
        raise SourceDataError(
            f"{len(data)} bytes that should be gzip do not start as gzip does",
            reason=RejectReason.INVALID_GZIP,
        )
    out = bytearray()
    rest = data
    whole = True
    while rest[:2] == _GZIP_MAGIC:  # members may follow each other
        inflater = isal_zlib.decompressobj(31)
        step = rest
        try:
            while not inflater.eof:
                out += inflater.decompress(step, 2**20)
                if len(out) > max_bytes:
                    raise SourceDataError(
                        f"gzip of {len(data)} bytes holds more than {max_bytes}",
                        reason=RejectReason.TOO_LARGE,
                    )
                step = inflater.unconsumed_tail
                if not step and not inflater.eof:
                    whole = False
                    break
        except isal_zlib.IsalError as e:  # type: ignore[misc]  # its stub has an instance
            if not out:
                raise SourceDataError(
                    f"gzip of {len(data)} bytes is damaged from its start",
                    reason=RejectReason.INVALID_GZIP,
                ) from e
            whole = False
        rest = inflater.unused_data if whole else b""
    return bytes(out), whole


def split_stream(body: bytes) -> list[bytes] | None:
    """
    Split a length-prefixed stream of blocks.

    Returns:
        The blocks; None when the body is not such a stream (a single block, or text).
        A stream cut in its last block gives that block cut: it fails to decode and is
        counted there.
    """
    if len(body) < _PREFIX.size:
        return None
    first = _PREFIX.unpack_from(body)[0]
    if not 0 < first <= len(body) - _PREFIX.size:
        return None
    blocks = []
    at = 0
    while at + _PREFIX.size <= len(body):
        length = _PREFIX.unpack_from(body, at)[0]
        at += _PREFIX.size
        blocks.append(body[at : at + length])
        at += length
    if at < len(body):
        blocks.append(body[at:])
    return blocks


def join_stream(blocks: list[bytes]) -> bytes:
    """Make the length-prefixed stream that `split_stream` reads."""
    return b"".join(_PREFIX.pack(len(b)) + b for b in blocks)


def looks_like_json(data: bytes) -> bool:
    """
    Tell whether bytes start as a JSON array or object does.

    Looks at two characters: a snappy block of 91 or 123 bytes starts with ``[`` or
    ``{`` as well, but its second byte cannot be one of these (they would be copies,
    and a block cannot start with a copy).
    """
    start = data[:256].removeprefix(b"\xef\xbb\xbf").lstrip()
    return start[:1] in (b"[", b"{") and start[1:].lstrip()[:1] in (
        b'"',
        b"{",
        b"[",
        b"]",
        b"}",
        b"n",
        b"",
    )


def iter_lines(body: bytes, *, max_bytes: int = MAX_BLOCK_BYTES) -> Iterator[bytes]:
    """
    Give the JSON lines of any body or block, whatever its packing.

    Tried in this order: gzip by its magic, a length-prefixed stream, JSON text, one
    raw snappy block.

    Yields:
        JSON lines, a block at a time.

    Raises:
        SourceDataError: None of them; blocks before the damaged one were yielded.
    """
    if not body or body.isspace():
        return
    if body[:2] == _GZIP_MAGIC:
        text, whole = decode_gzip(body, max_bytes=max_bytes)
        yield text
        if not whole:
            raise SourceDataError(
                f"gzip of {len(body)} bytes ends early; {len(text)} bytes were read",
                reason=RejectReason.INVALID_GZIP,
            )
        return
    if looks_like_json(body):
        yield body
        return
    blocks = split_stream(body)
    for block in [body] if blocks is None else blocks:
        yield decode_snappy(block, max_bytes=max_bytes)


def _snappy_length(block: bytes) -> int | None:
    """Read the uvarint a raw snappy block starts with."""
    value = 0
    for i, byte in enumerate(block[:5]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value if value < 2**32 else None
    return None
