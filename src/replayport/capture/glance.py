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
_TOKENS: Final = frozenset({"token", "$token", "api_key"})
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
        # No UTF-8, no JSON, a number past 64 bits; a key that is not there, or there twice;
        # a value that is no text.
        return None


def _read(items: Any) -> Glance | None:
    token = ""
    sessions: dict[str, None] = {}
    for item in items:
        names = _names(item)
        own = item["properties"]
        own_names = _names(own)
        named, session_id = own["token"], own["$session_id"]
        if not sessions:
            if not isinstance(named, str) or valid_token(named) != named:
                return None
            people = [item[n] for n in ("distinct_id", "$distinct_id") if n in names]
            people += [own["distinct_id"]] if "distinct_id" in own_names else []
            if not any(people) or any(type(person) is not str for person in people):
                return None
            token = named
        if (
            named != token
            or not _SESSION_ID.fullmatch(session_id)
            or type(own["$snapshot_data"]) not in (simdjson.Array, simdjson.Object)
            or ("$cookieless_mode" in own_names and type(own["$cookieless_mode"]) is not bool)
            or ("uuid" in names and not _UUID.fullmatch(item["uuid"]))
            or not names.isdisjoint(_TOKENS)
        ):
            return None
        sessions[session_id] = None
    return Glance(token, tuple(sessions)) if sessions else None


def _names(found: Any) -> set[str]:
    """
    Give an object's keys. To ask for one that is not there costs simdjson an exception.

    Raises:
        TypeError: It is no object.
        ValueError: A key is there twice: simdjson gives the first, and ``wire`` the last.
    """
    if type(found) is not simdjson.Object:
        raise TypeError
    names = set(found.keys())
    if len(names) != len(found):
        raise ValueError
    return names
