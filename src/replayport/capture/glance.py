"""
A quick look at a ``/s/`` request: whose it is and which sessions it has, in one pass.

`replayport.posthog.wire` takes a request apart piece by piece, which reads its text four
times. Nearly all requests are of one shape, that of every posthog-js since 2021::

    [{"uuid", "event", "properties": {"token", "distinct_id", "$session_id",
      "$snapshot_data": [...], ...}, ...}, ...]

For those `glance` says in one pass what ``wire`` would; for everything else, and
whenever there is anything to refuse, it says nothing and ``wire`` decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from replayport.errors import SourceDataError
from replayport.posthog.wire import MAX_SESSION_ID_BYTES, valid_token

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SESSION_ID: Final = re.compile(rf"[A-Za-z0-9-]{{1,{MAX_SESSION_ID_BYTES}}}")
_ENDING: Final = b"$session_ending"


class _Properties(msgspec.Struct, gc=False):
    token: str
    session_id: str = msgspec.field(name="$session_id")
    snapshot_data: msgspec.Raw = msgspec.field(name="$snapshot_data")
    distinct_id: str = ""
    cookieless_mode: bool | None = msgspec.field(name="$cookieless_mode", default=None)


class _Item(msgspec.Struct, gc=False):
    properties: _Properties
    uuid: str | None = None
    distinct_id: str = ""
    other_distinct_id: str = msgspec.field(name="$distinct_id", default="")
    token: None = None
    other_token: None = msgspec.field(name="$token", default=None)
    api_key: None = None


_DECODER: Final = msgspec.json.Decoder(list[_Item])


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
        text: From `wire.decode_payload`; holds no more items than the caller can bear, each
            of which becomes an object.

    Returns:
        None when it is not of the usual shape, or anything about it is wrong, or it says
        that a session ends: let ``wire`` look.
    """
    if _ENDING in text:
        return None
    try:
        items = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not items:
        return None
    first = items[0]
    token = first.properties.token
    try:
        if valid_token(token) != token:
            return None
    except SourceDataError:
        return None
    if not (first.distinct_id or first.other_distinct_id or first.properties.distinct_id):
        return None
    sessions: dict[str, None] = {}
    for item in items:
        own = item.properties
        if (
            own.token != token
            or not _SESSION_ID.fullmatch(own.session_id)
            or memoryview(own.snapshot_data)[0] not in b"[{"
            or (item.uuid is not None and not _UUID.fullmatch(item.uuid))
        ):
            return None
        sessions[own.session_id] = None
    return Glance(token, tuple(sessions))
