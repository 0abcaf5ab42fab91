"""
A quick look at a ``/s/`` request: whose it is and which sessions it has, in one pass.

`replayport.posthog.wire` takes a request apart piece by piece, which reads its text four
times. Nearly all requests are of one shape, that of every posthog-js since 2021::

    [{"uuid", "event", "properties": {"token", "distinct_id", "$session_id",
      "$snapshot_data": [...], ...}, ...}, ...]

For those `glance` says in one pass what ``wire`` would; for everything else, and
whenever there is anything to refuse, it says nothing and ``wire`` decides.

The pass is simdjson's: it checks UTF-8 and JSON several times faster than what goes byte by
byte, and makes no Python object of what nobody asks for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import simdjson

from replayport.errors import SourceDataError
from replayport.posthog.wire import MAX_SESSION_ID_BYTES, valid_token

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SESSION_ID: Final = re.compile(rf"[A-Za-z0-9-]{{1,{MAX_SESSION_ID_BYTES}}}")
_ENDING: Final = b"$session_ending"
_TOKENS: Final = ("token", "$token", "api_key")
"""Beside ``properties`` these could name another project: a matter for ``wire``."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What a request says of itself."""

    token: str
    session_ids: tuple[str, ...]
    """In order of appearance; at least one."""


def glance(text: bytes) -> Glance | None:
    """
    Look at a request.

    Args:
        text: From `wire.uncoded_payload`. A dozen times its length is needed for a moment, so
            the caller bounds it.

    Returns:
        None when it is not of the usual shape, or anything about it is wrong, or it says
        that a session ends: let ``wire`` look.
    """
    if not text.startswith(b"[") or _ENDING in text:
        return None
    try:
        return _read(simdjson.Parser().parse(text))
    except (ValueError, TypeError, LookupError, RuntimeError, SourceDataError):
        # No UTF-8, no JSON, a number past 64 bits; something is not there, or is no text.
        return None


def _read(items: Any) -> Glance | None:
    token = ""
    sessions: dict[str, None] = {}
    for item in items:
        own = item["properties"]
        if _repeats_a_key(item) or _repeats_a_key(own):
            return None
        named, session_id, uuid = own["token"], own["$session_id"], item.get("uuid")
        if not sessions:
            if not isinstance(named, str) or valid_token(named) != named:
                return None
            if not _has_person(item, own):
                return None
            token = named
        if (
            named != token
            or not _SESSION_ID.fullmatch(session_id)
            or type(own["$snapshot_data"]) not in (simdjson.Array, simdjson.Object)
            or type(own.get("$cookieless_mode")) not in (bool, type(None))
            or (uuid is not None and not _UUID.fullmatch(uuid))
            or any(item.get(name) is not None for name in _TOKENS)
        ):
            return None
        sessions[session_id] = None
    return Glance(token, tuple(sessions)) if sessions else None


def _repeats_a_key(found: Any) -> bool:
    """
    Tell whether a key is there twice: simdjson gives the first, and ``wire`` the last.

    Raises:
        TypeError: It is no object.
    """
    if type(found) is not simdjson.Object:
        raise TypeError
    return len(set(found.keys())) != len(found)


def _has_person(item: Any, own: Any) -> bool:
    """Whether there is a distinct id, and none that is no text."""
    said = (item.get("distinct_id", ""), item.get("$distinct_id", ""), own.get("distinct_id", ""))
    return all(type(name) is str for name in said) and any(said)
