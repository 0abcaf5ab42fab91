"""
lz-string in base64 (``compression=lz64``): request bodies of very old posthog-js.

Bit layout: base64 characters carry 6 bits each, most significant first. The bit
stream is an LZ78 code whose width starts at 2 bits and grows with the dictionary;
each number is written least significant bit first::

    0  next 8 bits are a new UTF-16 code unit
    1  next 16 bits are a new UTF-16 code unit
    2  end of stream
    n  the n-th entry; entry = previous entry + first unit of this one

Written here because the package on PyPI is unmaintained, needs a Python 2
compatibility layer, and inflates without a bound: 1 MB of this code can mean
hundreds of gigabytes of text.

Source:
    github.com/pieroxy/lz-string ``src/_decompress.ts``.
"""

from __future__ import annotations

from typing import Final

from replayport.errors import SourceDataError
from replayport.outcomes import RejectReason
from replayport.rrweb.raw import too_large

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_END: Final = 2


class _Bits:
    """Reader of the bit stream."""

    def __init__(self, text: bytes, what: str | None) -> None:
        self._text = text.rstrip(b"=")
        self._what = what
        self._next = 0
        self._value = 0
        self._mask = 0

    def number(self, width: int) -> int:
        """Read a number of so many bits, least significant first."""
        result = 0
        for power in range(width):
            if not self._mask:
                self._load()
            if self._value & self._mask:
                result |= 1 << power
            self._mask >>= 1
        return result

    def _load(self) -> None:
        if self._next >= len(self._text):
            raise damaged("the stream does not end", self._what)
        value = _VALUES.get(self._text[self._next])
        if value is None:
            raise damaged(f"character {self._next} is not base64", self._what)
        self._value = value
        self._next += 1
        self._mask = 32


def decompress(text: bytes, *, max_bytes: int, what: str | None = None) -> str:
    """
    Decompress lz-string base64.

    Args:
        text: ASCII, what ``LZString.compressToBase64`` returned.
        max_bytes: Largest result, counted in UTF-16 (2 bytes a unit).
        what: Name of the thing, for the error.

    Returns:
        The text; lone surrogates stay what they are.

    Raises:
        SourceDataError: Damaged (``invalid_base64``: there is no reason of its own
            for a coding only this one dead protocol used) or past the limit
            (``too_large``).
    """
    bits = _Bits(text, what)
    code = bits.number(2)
    if code == _END:
        return ""
    if code > _END:
        raise damaged("the stream starts with a reference", what)
    previous = _unit(bits, code)
    # The first three numbers are the codes above, never looked up.
    entries: list[bytes] = [b"", b"", b"", previous]
    pieces = [previous]
    size_bytes = len(previous)
    held_bytes = len(previous)
    width = 3
    room = 4  # numbers left before the width grows
    while True:
        code = bits.number(width)
        if code == _END:
            return b"".join(pieces).decode("utf-16-le", "surrogatepass")
        if code < _END:
            entries.append(_unit(bits, code))
            code = len(entries) - 1
            room -= 1
            if room == 0:
                room = 1 << width
                width += 1
        if code < len(entries):
            entry = entries[code]
        elif code == len(entries):
            entry = previous + previous[:2]
        else:
            raise damaged(f"reference {code} of {len(entries)} entries", what)
        pieces.append(entry)
        size_bytes += len(entry)
        # Entries grow with the square of the input, whether or not they are used.
        held_bytes += len(previous) + 2
        if max(size_bytes, held_bytes // 4) > max_bytes:
            raise too_large(f"{len(text)} characters of lz-string pass {max_bytes} bytes", what)
        entries.append(previous + entry[:2])
        previous = entry
        room -= 1
        if room == 0:
            room = 1 << width
            width += 1


def _unit(bits: _Bits, code: int) -> bytes:
    """Read a new UTF-16 code unit, 8 or 16 bits wide."""
    return bits.number(8 if code == 0 else 16).to_bytes(2, "little")


def damaged(observation: str, what: str | None) -> SourceDataError:
    """Give the error for a stream that does not decompress."""
    return SourceDataError(
        f"lz-string: {observation}. The request was cut or is not lz-string. "
        "Send it again, or with gzip",
        reason=RejectReason.INVALID_BASE64,
        what=what,
    )
