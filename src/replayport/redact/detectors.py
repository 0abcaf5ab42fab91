"""
Detectors: what an e-mail address, a card number or a token looks like, and is.

Two steps, because most texts hold nothing:

```
all strings of an event, joined ── one RE2 automaton over all patterns ── candidates
each candidate                  ── check digits, lengths, entropy      ── `Hit`
```

RE2 runs in time linear in the text whatever the text is. Patterns work on UTF-8; what
needs look-around or arithmetic is decided afterwards, in Python.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
import numpy as np
import phonenumbers
import re2  # type: ignore[import-untyped]
from phonenumbers import Leniency, PhoneNumberMatcher
from stdnum import iban, luhn
from stdnum.us import ssn

from replayport.redact.masking import is_masked
from replayport.redact.views import ENCODED, READABLE, View, base64_texts

MAX_VIEWS: Final = 4
"""Encodings inside one another that are looked through."""

MAX_KNOWN: Final = 400
"""Values known from elsewhere that a recording is searched for."""

MIN_KNOWN_CHARS: Final = 3

_OPTIONS: Final = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 64 * 2**20

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found in a text."""

    start: int
    end: int
    kind: str
    """Name of the detector or rule."""


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of thing."""

    name: str
    help: str
    pattern: bytes
    """RE2, on UTF-8 bytes read as latin-1."""
    check: Callable[[bytes, int, int, Collection[str]], Span | None]
    """Decides on a candidate ``(text, start, end, regions)``; gives the part that is it."""
    checked_by: str
    """What the check is, for the reference page."""


def _alnum(byte: int) -> bool:
    return chr(byte).isalnum() and byte < 0x80


def _stands_alone(text: bytes, start: int, end: int) -> bool:
    before = start > 0 and _alnum(text[start - 1])
    after = end < len(text) and _alnum(text[end])
    return not before and not after


_FILE_ENDINGS: Final = frozenset(
    [
        "avif",
        "bmp",
        "css",
        "csv",
        "gif",
        "html",
        "htm",
        "ico",
        "jpeg",
        "jpg",
        "js",
        "json",
        "jsx",
        "map",
        "md",
        "min",
        "mjs",
        "mp4",
        "pdf",
        "php",
        "png",
        "py",
        "svg",
        "ts",
        "tsx",
        "ttf",
        "txt",
        "vue",
        "webm",
        "webp",
        "woff",
        "woff",
        "xml",
        "yaml",
        "yml",
    ]
)


def _email(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    last = text[start:end].rsplit(b".", 1)[-1].decode("utf-8", "replace").lower()
    if last in _FILE_ENDINGS:
        return None
    while start < end and text[start : start + 1] in b".+-'":
        start += 1
    # What stood behind a percent escape is no part of it: %3Cjane@… begins at the j.
    if (found := re.match(rb".*%[0-9A-Fa-f]{2}(?=[^@]*@)", text[start:end])) and b"%40" not in (
        text[start:end]
    ):
        start += found.end()
    return None if text[start : start + 1] == b"@" else (start, end)


def _phone(text: bytes, start: int, end: int, regions: Collection[str]) -> Span | None:
    if not _stands_alone(text, start, end) or (start > 0 and text[start - 1] in b".-_/%#&;="):
        begins = start > 1 and text[start - 1] in b"=/%;" and text[start : start + 1] == b"+"
        if not begins:
            return None
    said = text[start:end].decode("latin-1")
    if re.match(
        r"(?:19|20)\d\d[-/. ]\d\d?[-/. ]\d\d?(?!\d)|\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d", said
    ):
        return None
    if said[0] == "+" or said.startswith("00"):
        number = "+" + re.sub(r"\D", "", said).removeprefix("00")
        return (start, end) if _is_phone(number) else None
    if not re.search(r"\d[ ()./-]+\d", said) or not 7 <= sum(map(str.isdigit, said)) <= 13:
        return None  # a bare row of digits is more often an id
    for region in regions:
        found = _national(said, region)
        if found is not None:
            return start + found[0], start + found[1]
    return None


@lru_cache(maxsize=16384)
def _national(said: str, region: str) -> Span | None:
    match = next(
        iter(PhoneNumberMatcher(said, region, leniency=Leniency.STRICT_GROUPING, max_tries=1)), None
    )
    return None if match is None else (match.start, match.end)


@lru_cache(maxsize=4096)
def _is_phone(number: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return False


_CARD_LENGTHS: Final = {"3": (14, 15), "4": (13, 16, 19), "5": (16,), "6": (16, 19), "2": (16,)}


def _card(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    before = text[start - 1] if start else 0x20
    if _alnum(before) or before in b".,_" or (end < len(text) and _alnum(text[end])):
        return None
    digits = re.sub(rb"[^0-9]", b"", text[start:end]).decode()
    if len(digits) not in _CARD_LENGTHS.get(digits[:1], ()) or not luhn.is_valid(digits):
        return None
    if digits[0] == "2" and not 2221 <= int(digits[:4]) <= 2720:
        return None
    if len(set(digits)) < 2:
        return None
    return start, end


def _iban(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    if start > 0 and _alnum(text[start - 1]):
        return None
    said = text[start:end].decode("latin-1")
    places = [i for i, c in enumerate(said) if c.isalnum()]
    compact = "".join(said[i] for i in places).upper()
    for length in range(min(34, len(compact)), 14, -1):
        if iban.is_valid(compact[:length]):
            return start, start + places[length - 1] + 1
    return None


def _ssn(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    if not _stands_alone(text, start, end) or any(c in b"-.+_/" for c in around):
        return None
    return (start, end) if ssn.is_valid(text[start:end].decode()) else None


def _ip(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    if not _stands_alone(text, start, end):
        return None
    if start and text[start - 1] in b".:-_" and text[start - 1 : start] != b":":
        return None
    if end < len(text) and text[end] in b".-_" and end + 1 < len(text) and _alnum(text[end + 1]):
        return None
    said = text[start:end].decode("latin-1")
    try:
        address = ipaddress.ip_address(said)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        # A version number: Chrome/120.0.0.0, v1.2.3.4.
        if said.endswith(".0.0") or text[max(0, start - 1) : start] in (b"v", b"V"):
            return None
        if re.search(
            rb"[A-Za-z]/$|(?i:version|release|build)\W{1,3}$", text[max(0, start - 12) : start]
        ):
            return None
    elif sum(bool(part) for part in said.split(":")) < 3:
        return None
    if address.is_loopback or address.is_unspecified or said.startswith("255."):
        return None
    return start, end


def _jwt(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    head = text[start:end].split(b".", 1)[0]
    try:
        raw = base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4))
        return (start, end) if isinstance(msgspec.json.decode(raw), dict) else None
    except (ValueError, binascii.Error, msgspec.DecodeError):
        return None


def _token(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    if start > 0 and (_alnum(text[start - 1]) or text[start - 1] == 0x5F):
        return None
    value = text[start:end]
    needed = 2 if b"-" in value else 1
    if len(re.findall(rb"[0-9]", value[3:])) < needed:  # words with hyphens, such as class names
        return None
    return (start, end) if entropy(value[4:]) > 2.0 else None


def _private_key(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    close = re.compile(rb"-----END [A-Z ]*PRIVATE KEY-----").search(text, end)
    return start, close.end() if close else len(text)


def _authorization(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    kept = re.match(rb"(?i)(?:bearer|basic)[ +:]+", text[start:end])
    if kept is None:
        return None
    value = text[start + kept.end() : end]
    if entropy(value) < 2.5 or not re.search(rb"[0-9=]|[a-z][A-Z]", value):
        return None
    return start + kept.end(), end


def _assignment(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    found = re.match(rb"(?is)[a-z_-]+[\"'\\]{0,4}[ ]?[:=][ ]?[\"'\\]{0,4}", text[start:end])
    if found is None:
        return None
    value = text[start + found.end() : end].rstrip(b"\\.)")
    if value[:1] in (b":", b"-", b".", b"#", b"=", b"$"):  # a style sheet's selector, or code
        return None
    mixed = bool(re.search(rb"[0-9]", value)) + bool(re.search(rb"[A-Za-z]", value))
    mixed += bool(re.search(rb"[^0-9A-Za-z.]", value))
    if len(value) < 6 or mixed < 2 or entropy(value) < 2.3:
        return None
    if is_masked(value.decode("utf-8", "replace")):
        return None
    return start + found.end(), start + found.end() + len(value)


def _credentials(text: bytes, start: int, end: int, _: Collection[str]) -> Span | None:
    colon = text.index(b":", start + 3)
    return (start + 3, end - 1) if b"*" not in text[colon:end] else None


def entropy(value: bytes) -> float:
    """Give the bits of a byte of some text, by how often each occurs in it."""
    n = len(value)
    if not n:
        return 0.0
    return -sum(c / n * math.log2(c / n) for c in Counter(value).values())


_SPACE: Final = rb"(?:[ .-]|\xc2\xa0|\xe2\x80\x89)?"
_GROUP: Final = rb"(?:[ -]|\xc2\xa0)?"

_IBAN_COUNTRIES: Final = b"|".join(
    code + b"|" + code.lower()
    for code in (
        b"AD AE AL AT AZ BA BE BG BH BR BY CH CR CY CZ DE DK DO EE EG ES FI FO FR GB GE GI GL GR GT "
        b"HR HU IE IL IQ IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MR MT MU NL NO PK PL PS PT "
        b"QA RO RS SA SC SE SI SK SM ST SV TL TN TR UA VA VG XK"
    ).split()
)

DETECTORS: Final[Mapping[str, Detector]] = MappingProxyType(
    {
        d.name: d
        for d in (
            Detector(
                "email",
                "E-mail addresses.",
                rb"[A-Za-z0-9._%+'\x80-\xff-]{1,64}@(?:[A-Za-z0-9\x80-\xff-]{1,63}\.){1,8}"
                rb"[A-Za-z\x80-\xff]{2,24}",
                _email,
                "a domain with a top level that is no file ending",
            ),
            Detector(
                "phone",
                "Phone numbers: international ones, and national ones of the profile's regions "
                "written in groups.",
                rb"(?:\+|00)[1-9][0-9 ().\-/]{6,20}[0-9]"
                rb"|\(?0?[0-9]{2,5}\)?[ .\-/]{1,2}[0-9]{2,5}(?:[ .\-/][0-9]{2,5}){0,4}",
                _phone,
                "phonenumbers: assigned ranges; national ones in their usual grouping",
            ),
            Detector(
                "card",
                "Payment card numbers, with or without spaces.",
                b"[2-6][0-9]{3}"
                + _SPACE
                + b"[0-9]{4}"
                + _SPACE
                + b"[0-9]{4}"
                + _SPACE
                + b"[0-9]{1,4}(?:"
                + _SPACE
                + b"[0-9]{3})?"
                + b"|3[4-8][0-9]{2}"
                + _SPACE
                + b"[0-9]{6}"
                + _SPACE
                + b"[0-9]{4,5}",
                _card,
                "Luhn digit, issuer range, length",
            ),
            Detector(
                "iban",
                "Bank account numbers (IBAN).",
                rb"(?:"
                + _IBAN_COUNTRIES
                + rb")[0-9]{2}(?:"
                + _GROUP
                + rb"[A-Za-z0-9]{4}){2,7}(?:"
                + _GROUP
                + rb"[A-Za-z0-9]{1,3})?",
                _iban,
                "check digits and the country's length",
            ),
            Detector(
                "national_id",
                "Social security numbers of the USA.",
                rb"[0-9]{3}-[0-9]{2}-[0-9]{4}",
                _ssn,
                "ranges that are given out",
            ),
            Detector(
                "ip",
                "IP addresses, version 4 and 6.",
                rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}",
                _ip,
                "a valid address, no version number, not the machine's own",
            ),
            Detector(
                "jwt",
                "JSON web tokens.",
                rb"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}",
                _jwt,
                "a header that is JSON",
            ),
            Detector(
                "token",
                "API keys and tokens with a known beginning: Stripe, GitHub, GitLab, Slack, AWS, "
                "Google, OpenAI, Anthropic, PostHog, SendGrid, npm, Hugging Face, Shopify, "
                "DigitalOcean, Twilio, Mailgun, Telegram.",
                rb"(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{10,}"
                rb"|whsec_[0-9A-Za-z]{16,}"
                rb"|sk-(?:ant-|proj-|or-)?[0-9A-Za-z_-]{20,}"
                rb"|gh[pousr]_[0-9A-Za-z]{20,}|github_pat_[0-9A-Za-z_]{20,}"
                rb"|glpat-[0-9A-Za-z_-]{16,}"
                rb"|xox[abeoprs]-[0-9A-Za-z-]{10,}|xapp-[0-9A-Za-z-]{10,}"
                rb"|(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}"
                rb"|AIza[0-9A-Za-z_-]{30,}|ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,}"
                rb"|ph[xr]_[0-9A-Za-z]{20,}|SG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}"
                rb"|npm_[0-9A-Za-z]{30,}|hf_[0-9A-Za-z]{24,}|shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{24,}"
                rb"|do[opr]_v1_[0-9a-f]{32,}|SK[0-9a-f]{32}|key-[0-9a-f]{32}"
                rb"|[0-9]{8,10}:AA[0-9A-Za-z_-]{33}",
                _token,
                "a known beginning, its length, more than a repeated character",
            ),
            Detector(
                "private_key",
                "Private keys in PEM form.",
                rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
                _private_key,
                "to the end of the key, or of the text",
            ),
            Detector(
                "authorization",
                "What follows Bearer or Basic.",
                rb"(?i:bearer|basic)[ +:]{1,2}[0-9A-Za-z._~+/=-]{8,}",
                _authorization,
                "entropy",
            ),
            Detector(
                "assignment",
                "Values beside words such as password, secret, api_key, token.",
                rb"(?i:pass(?:word|wd|phrase)|pwd|secret|api[_-]?key|(?:access|auth|refresh|id|"
                rb"session|csrf|xsrf|bearer)[_-]?token|client[_-]?secret|private[_-]?key)"
                rb"[\"'\\]{0,4}[ ]?[:=][ ]?[\"'\\]{0,4}[^\s\"'\\&,;<>(){}\[\]]{6,}",
                _assignment,
                "entropy, two kinds of characters",
            ),
            Detector(
                "credentials",
                "A user and a password in an address.",
                rb"://[^\s/@:\"'<>]{1,100}:[^\s/@\"'<>]{1,200}@",
                _credentials,
                "its place in an address",
            ),
        )
    }
)
"""All detectors there are, by name."""


class Scanner:
    """
    Detectors compiled together.

    Args:
        names: Which of `DETECTORS`.
        regions: Countries whose national phone numbers are known.
        known: Values to find wherever they are, such as the person's name.
        rules: More of them, that a profile asks for.
    """

    def __init__(
        self,
        names: Collection[str],
        *,
        regions: Collection[str] = (),
        known: Collection[str] = (),
        rules: Collection[Detector] = (),
    ) -> None:
        detectors = [*(DETECTORS[n] for n in names), *rules]
        self._detectors = [(d, _compiled(d.pattern)) for d in detectors]
        self._regions = tuple(regions)
        chosen = sorted({k.casefold() for k in known}, key=len, reverse=True)[:MAX_KNOWN]
        self.known = frozenset(chosen)
        self._known: Any = None
        patterns = [b"(?:" + d.pattern + b")" for d in detectors]
        if chosen:
            pattern = b"(?i:" + b"|".join(_literal(k) for k in chosen) + b")"
            self._known = _compiled(pattern)
            patterns.append(pattern)
        self._any = _compiled(b"|".join([*patterns, ENCODED, READABLE]))
        self._plain = _compiled(b"|".join(patterns)) if patterns else None

    @property
    def is_useful(self) -> bool:
        """Whether it looks for anything."""
        return self._plain is not None

    def candidates(self, texts: list[str]) -> list[int]:
        """Give the positions of the texts that may hold something; one automaton looks at all."""
        joined = "\0".join(texts).encode("utf-8", "surrogatepass")
        search = self._any.search
        match = search(joined)
        if match is None:
            return []
        ends = np.flatnonzero(np.frombuffer(joined, np.uint8) == 0)
        if len(ends) != len(texts) - 1:  # one has such a character itself
            return list(range(len(texts)))
        found = []
        while match is not None:
            at = int(np.searchsorted(ends, match.start() + 1))
            # One that begins at a separator is of the text behind it.
            found.append(at)
            if at >= len(ends):
                break
            match = search(joined, int(ends[at]))
        return found

    def find(self, text: str, depth: int = 0) -> list[Hit]:
        """
        Give what is in a text, in order, without overlaps.

        Args:
            text: Any text.
            depth: How many encodings it was in.
        """
        raw = text.encode("utf-8", "surrogatepass")
        hits = self._direct(text, raw)
        is_escaped = _ESCAPED.search(raw) is not None
        if depth < MAX_VIEWS and (is_escaped or ("\\" in text and self._may_be(raw))):
            view = View(text)
            if view.text != text:
                for hit in self.find(view.text, depth + 1):
                    hits.append(Hit(*view.original(hit.start, hit.end), hit.kind))
        if depth < MAX_VIEWS and _HIDDEN.search(raw) is not None:
            for start, end, decoded in base64_texts(text):
                if inner := self.find(decoded, depth + 1):
                    hits.append(Hit(start, end, inner[0].kind))
        return merged(hits)

    def _may_be(self, raw: bytes) -> bool:
        return self._plain is not None and self._plain.search(raw) is not None

    def _direct(self, text: str, raw: bytes) -> list[Hit]:
        if not self._may_be(raw):
            return []
        found = []
        for detector, pattern in self._detectors:
            at = 0
            while (match := pattern.search(raw, at)) is not None:
                start, end = match.span()
                span = detector.check(raw, start, end, self._regions)
                if span is None:
                    at = _next_try(raw, start)
                    continue
                at = max(span[1], start + 1)
                found.append((span, detector.name))
        if self._known is not None:
            for match in self._known.finditer(raw):
                start, end = match.span()
                if not _inside_a_word(raw, start, end):
                    found.append(((start, end), "known"))
        if len(raw) == len(text):
            hits = [Hit(start, end, kind) for (start, end), kind in found]
        else:
            hits = [
                Hit(
                    len(raw[:start].decode("utf-8", "replace")),
                    len(raw[:end].decode("utf-8", "replace")),
                    kind,
                )
                for (start, end), kind in found
            ]
        return [h for h in hits if not is_masked(text[h.start : h.end])]


def _next_try(raw: bytes, start: int) -> int:
    """Go on behind the run of letters and digits where nothing was: its parts are none either."""
    run = _WORD.match(raw, start)
    return run.end() if run else start + 1


_WORD: Final = re.compile(rb"[0-9A-Za-z]+")


def _inside_a_word(raw: bytes, start: int, end: int) -> bool:
    """Tell whether letters go on around what was found, as in *ann* inside *planned*."""
    if end - start >= 8:
        return False
    before = start > 0 and (chr(raw[start - 1]).isalpha() or raw[start - 1] >= 0x80)
    after = end < len(raw) and (chr(raw[end]).isalpha() or raw[end] >= 0x80)
    return before or after


def merged(hits: list[Hit]) -> list[Hit]:
    """Put hits in order and join those that overlap; the first one's kind stays."""
    if len(hits) < 2:
        return hits
    hits.sort(key=lambda h: (h.start, -h.end))
    out = [hits[0]]
    for hit in hits[1:]:
        last = out[-1]
        if hit.start < last.end:
            if hit.end > last.end:
                out[-1] = Hit(last.start, hit.end, last.kind)
        else:
            out.append(hit)
    return out


def _literal(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    # What stands between words of a name may be any white space, or a plus sign.
    escaped = b"".join(
        b"[ +_-]" if byte == 0x20 else (b"\\x%02x" % byte if not _alnum(byte) else bytes([byte]))
        for byte in raw
    )
    both = value.upper().encode("utf-8", "surrogatepass")
    if any(b >= 0x80 for b in raw) and both != raw:  # latin-1 folds no UTF-8
        return escaped + b"|" + b"".join(b"\\x%02x" % byte for byte in both)
    return escaped


@lru_cache(maxsize=64)
def _compiled(pattern: bytes) -> Any:
    return re2.compile(pattern, options=_OPTIONS)


_HIDDEN: Final = _compiled(READABLE)
_ESCAPED: Final = _compiled(ENCODED)
