"""
A profile: what to look for in a recording, where, and what to do with it.

Profiles are TOML files that a person can read; the ones that come with the package are in
``profiles/``. One may extend another: lists are put together, other values replaced.

```toml
name = "ours"
extends = "default"
detectors = ["email", "phone"]
phone_regions = ["DE"]

[[select]]
selector = ".customer-name, [data-private]"
action = "mask"                    # or "block", which takes pictures too; or "keep"

[urls]
query_keys = ["ref"]
paths = ["/users/([^/?#]+)"]

[payloads]
keys = ["customer_id"]
```
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, field

from replayport.errors import ReplayError
from replayport.redact.detectors import DETECTORS
from replayport.rrweb.mirror.selectors import Selectors

VERSION: Final = 1
"""Of what the engine does with a profile; kept in the privacy log."""

MAX_PROFILE_BYTES: Final = 2**20
MAX_EXTENDS: Final = 8
MATCHES_EVERYTHING: Final = frozenset({"*", "html", ":root", "body", "html *", "body *", ":not(x)"})

INPUT_TYPES: Final = frozenset(
    [
        "color",
        "date",
        "datetime-local",
        "email",
        "month",
        "number",
        "password",
        "range",
        "search",
        "tel",
        "text",
        "time",
        "url",
        "week",
        "textarea",
        "select",
        "hidden",
        "checkbox",
        "radio",
        "file",
        "button",
        "submit",
        "reset",
        "image",
        "contenteditable",
    ]
)
"""What ``inputs.types`` may name; an ``<input>`` without a type is ``text``."""


class ProfileError(ReplayError):
    """A redaction profile cannot be used: it does not parse, or a rule in it is none."""


class Select(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule by CSS selector; it holds for the element and all in it."""

    selector: str
    """Evaluated on the page as it is at each moment, in shadow roots and frames too."""
    action: Literal["mask", "block", "keep"] = "mask"
    """``mask``: texts and values. ``block``: pictures too. ``keep``: no rule that masks text
    by place applies; detectors still do."""


class Inputs(Struct, frozen=True, forbid_unknown_fields=True):
    """Form fields."""

    types: list[str] = field(default_factory=list)
    """Types whose values are masked; see `INPUT_TYPES`."""
    autocomplete: list[str] = field(default_factory=list)
    """Values of ``autocomplete`` that make a field masked whatever its type."""
    names: list[str] = field(default_factory=list)
    """Words that make a field masked when its name, id, label or placeholder has them."""
    options: bool = False
    """Mask the options of a masked select too."""
    learn: bool = False
    """Look for what was typed into such fields everywhere else in the recording."""


class Urls(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses, wherever they are."""

    query: Literal["keep", "mask"] = "keep"
    """``mask``: the values of all query parameters and fragments of pages and requests."""
    query_keys: list[str] = field(default_factory=list)
    """Parameters whose values are masked in any address, and in form bodies."""
    paths: list[str] = field(default_factory=list)
    """Regular expressions; what their groups match is masked (the whole without groups)."""
    path: Literal["keep", "mask"] = "keep"
    """``mask``: all of an address but its host."""


class Payloads(Struct, frozen=True, forbid_unknown_fields=True):
    """Console, network, custom events, analytics: JSON of any form."""

    keys: list[str] = field(default_factory=list)
    """Keys whose values are masked, letter case and ``-_.$`` aside."""
    bodies: Literal["scan", "mask"] = "scan"
    """Request and response bodies: looked through, or masked as a whole."""
    all: Literal["scan", "mask"] = "scan"
    """Everything in such events."""


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """What to redact. Make one with `parse`."""

    name: str
    description: str = ""
    extends: str = ""
    """Another profile's name."""
    detectors: list[str] = field(default_factory=list)
    phone_regions: list[str] = field(default_factory=list)
    """Countries whose national numbers are phone numbers, such as ``DE``."""
    select: list[Select] = field(default_factory=list)
    text: Literal["keep", "mask"] = "keep"
    """``mask``: every text that no ``keep`` selector allows."""
    attributes: list[str] = field(default_factory=list)
    """Attributes whose values are masked on every element; ``*`` ends a prefix."""
    inputs: Inputs = field(default_factory=Inputs)
    urls: Urls = field(default_factory=Urls)
    payloads: Payloads = field(default_factory=Payloads)
    images: Literal["keep", "block_data", "block"] = "keep"
    """``block_data``: pictures inside the recording (data: images, canvases); ``block``: all."""
    person: Literal["keep", "pseudonym"] = "keep"
    """``pseudonym``: ids become keyed pseudonyms, properties go."""
    find_person: bool = False
    """Look for the person's names, e-mail addresses and ids everywhere."""

    @staticmethod
    def parse(text: str, *, load: Callable[[str], str] | None = None) -> Profile:
        """
        Read a profile.

        Args:
            text: TOML.
            load: Gives the text of a profile that another extends.

        Raises:
            ProfileError: It is none; the message says where.
        """
        profile = msgspec.convert(_resolved(text, load, 0), Profile)
        _check(profile)
        return profile

    @property
    def digest(self) -> str:
        """SHA-256 of its rules, for the privacy log."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def _resolved(text: str, load: Callable[[str], str] | None, depth: int) -> dict[str, Any]:
    if len(text) > MAX_PROFILE_BYTES:
        raise ProfileError(f"a profile of {len(text)} characters is no list of rules")
    try:
        own = tomllib.loads(text)
        name = own.get("name", "")
        msgspec.convert(own, Profile)
    except tomllib.TOMLDecodeError as e:
        raise ProfileError(f"the profile does not parse as TOML: {e}") from e
    except msgspec.ValidationError as e:
        raise ProfileError(f"the profile has a rule that is none: {e}") from e
    if not own.get("extends"):
        return own
    if load is None or depth >= MAX_EXTENDS:
        raise ProfileError(f"the profile {name!r} extends others without end")
    return _put_over(_resolved(load(own["extends"]), load, depth + 1), own)


def _put_over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in own.items():
        before = out.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            out[key] = _put_over(before, value)
        elif isinstance(value, list) and isinstance(before, list):
            out[key] = before + [v for v in value if v not in before]
        else:
            out[key] = value
    return out


def _check(profile: Profile) -> None:
    for name in profile.detectors:
        if name not in DETECTORS:
            raise ProfileError(f"{name!r} is no detector. There are: {', '.join(DETECTORS)}")
    for kind in profile.inputs.types:
        if kind not in INPUT_TYPES:
            raise ProfileError(
                f"{kind!r} is no type of field. There are: {', '.join(sorted(INPUT_TYPES))}"
            )
    for rule in profile.select:
        try:
            Selectors([rule.selector])
        except ValueError as e:
            raise ProfileError(
                f"a rule of the profile {profile.name!r} has no selector: {e}"
            ) from e
        parts = {p.strip() for p in rule.selector.split(",")}
        if rule.action != "keep" and parts & MATCHES_EVERYTHING:
            raise ProfileError(
                f'the selector {rule.selector!r} matches everything. Say text = "mask" when '
                "that is meant"
            )
        if rule.action == "keep" and parts & MATCHES_EVERYTHING:
            raise ProfileError(
                f'the selector {rule.selector!r} would keep everything. Leave text = "mask" out'
            )
    for pattern in profile.urls.paths:
        try:
            compiled = re.compile(pattern)
        except re.error as e:
            raise ProfileError(f"{pattern!r} is no regular expression: {e}") from e
        if compiled.match(""):
            raise ProfileError(f"the pattern {pattern!r} matches everything")


_SEPARATORS: Final = str.maketrans("", "", "-_.$ ")


def plain_key(key: str) -> str:
    """Give a key as keys are compared: ``X-API-Key`` is ``xapikey``."""
    return key.lower().translate(_SEPARATORS)


def plain_keys(keys: Iterable[str]) -> frozenset[str]:
    """Give many keys as they are compared."""
    return frozenset(plain_key(k) for k in keys)
