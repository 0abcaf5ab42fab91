"""
Bodies of PostHog's capture protocol: what SDKs POST to ``/s/``, ``/e/``, ``/batch/``.

Layers of a body, outside in; any may be absent, and text is recognised by what it is
rather than by what the headers claim, because SDKs, beacons and proxies disagree::

    form      data=<percent-encoded>&compression=<hint>    old SDKs, uncompressed beacons
    base64    of the layers below
    gzip      magic 1f 8b; current SDKs name it nowhere, mobile ones in content-encoding
    lz64      lz-string in base64, only on the hint
    JSON      {"api_key", "batch": [event...], "sent_at"}  |  [event...]  |  event
              |  {"data": any of these, or a string with the layers above}

An *event* is ``{event, properties, uuid, timestamp | offset, sent_at, ...}``; a
``$snapshot`` event carries rrweb events in ``properties.$snapshot_data``.

Only envelopes are parsed: rrweb events and analytics properties stay the text the SDK
wrote (`replayport.rrweb.raw`). Nothing here reads a clock or a socket, so the same code
serves the capture server, its tests, and recorded requests.

Source:
    PostHog ``rust/capture/src/{v0_endpoint,token}.rs``, ``payload/*.rs``,
    ``events/recordings.rs``; posthog-js ``packages/browser/src/request.ts``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid as uuid_module
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from urllib.parse import unquote_to_bytes

from replayport.errors import SourceDataError
from replayport.posthog import lz64
from replayport.rrweb.packing import GZIP_MAGIC, inflate
from replayport.rrweb.raw import (
    SourceEvent,
    invalid_json,
    is_array,
    is_object,
    is_string,
    is_utf8,
    split_array,
    split_object,
    string_of,
    strip,
    text_of,
    to_json_bytes,
    too_large,
)

MAX_BODY_BYTES: Final = 64 * 2**20
"""A body after all decoding; PostHog's worker caps decompressed messages at the same."""

MAX_SESSION_ID_BYTES: Final = 70
"""PostHog's limit; a UUID has 36."""

MAX_TOKEN_CHARS: Final = 64
MAX_DISTINCT_ID_CHARS: Final = 200
"""PostHog's limits. A longer distinct id is cut, a longer token refused."""

MAX_LAYERS: Final = 4
"""Codings around one JSON text: form and base64 and gzip, and one more base64 that
PostHog's old endpoints unwrap."""

MAX_NESTED_DATA: Final = 3
"""``{"data": {"data": ...}}``: deeper is no SDK's."""

MAX_FORM_FIELDS: Final = 32

SNAPSHOT_EVENT: Final = "$snapshot"

_EARLIEST_SENT_MS: Final = 1_609_459_200_000  # 2021-01-01: smaller numbers are seconds or counters
_LATEST_SENT_MS: Final = 253_402_300_799_999  # 9999-12-31, the last a datetime holds
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_COMPRESSIONS: Final = {
    "gzip": "gzip",
    "gzip-js": "gzip",
    "x-gzip": "gzip",
    "lz64": "lz64",
    "lz-string": "lz64",
    "base64": "base64",
    "b64": "base64",
    "identity": "",
    "": "",
}
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_\- \r\n]+={0,2}\s*")
_SESSION_ID: Final = re.compile(r"[A-Za-z0-9-]+")


class WireReject(StrEnum):
    """Why a request, or one analytics event of it, is refused; see `status_of`."""

    EMPTY = "empty"
    """No body, or a batch without an event."""
    INVALID_GZIP = "invalid_gzip"
    INVALID_BASE64 = "invalid_base64"
    """Not base64, or not the lz-string that the request said it was."""
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    UNKNOWN_FORMAT = "unknown_format"
    """A compression this protocol does not have."""
    TOO_LARGE = "too_large"
    NOT_AN_EVENT = "not_an_event"
    """An item that is no object, or has no name, or whose properties are no object."""
    MISSING_TOKEN = "missing_token"
    INVALID_TOKEN = "invalid_token"
    MISSING_DISTINCT_ID = "missing_distinct_id"
    INVALID_SESSION_ID = "invalid_session_id"
    """Missing, too long, or with characters other than letters, digits and ``-``."""
    INVALID_SNAPSHOT_DATA = "invalid_snapshot_data"
    """``$snapshot_data`` is neither an array nor an object."""
    INVALID_COOKIELESS_MODE = "invalid_cookieless_mode"
    INVALID_UUID = "invalid_uuid"


_STATUS: Final = {
    WireReject.TOO_LARGE: 413,
    WireReject.MISSING_TOKEN: 401,
    WireReject.INVALID_TOKEN: 401,
}


def status_of(error: SourceDataError) -> int:
    """
    Give the HTTP status PostHog answers for an error of this module.

    Every one is a 4xx, which posthog-js drops without a retry: sending the same bytes
    again would not help.
    """
    try:
        return _STATUS.get(WireReject(error.reason), 400)
    except ValueError:
        return 400


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One item of a body, its two outer objects opened."""

    members: Mapping[str, bytes]
    """Top-level keys to JSON text."""
    properties: Mapping[str, bytes]
    """Keys of ``properties`` to JSON text; empty when there is no such object."""

    @property
    def name(self) -> str | None:
        """``event``; None when missing or not a string."""
        return text_of(self.members.get("event"))

    @property
    def is_snapshot(self) -> bool:
        """Whether it carries rrweb events."""
        return self.name == SNAPSHOT_EVENT


@dataclass(frozen=True, slots=True)
class WireBody:
    """A decoded body; at least one event."""

    events: tuple[WireEvent, ...]
    token: str | None
    """``api_key`` or ``token`` beside ``batch``; None when the body has no such wrapper."""
    sent_at_ms: int | None
    """Client's clock when it sent the request; None when the request does not say."""

    @property
    def snapshot_part(self) -> WireBody | None:
        """The same body with its ``$snapshot`` events only; None when it has none."""
        found = tuple(e for e in self.events if e.is_snapshot)
        return replace(self, events=found) if found else None


@dataclass(frozen=True, slots=True)
class SnapshotItem:
    """One ``$snapshot`` event."""

    uuid: str | None
    """Same in every retry: (token, uuid) makes storing idempotent. None when not sent."""
    session_id: str
    """The item's own session, or the batch's when it names none that is valid."""
    window_id: str
    """The item's own window, or its session's default."""
    events: tuple[bytes, ...]
    """JSON text of each rrweb event, as sent; not validated."""

    def source_events(self) -> Iterator[SourceEvent]:
        """Yield the rrweb events with their window."""
        for raw in self.events:
            yield SourceEvent(self.window_id, raw)


@dataclass(frozen=True, slots=True)
class SnapshotBatch:
    """
    One request to ``/s/``, validated.

    PostHog attributes a whole request to the session and window of its first event;
    those are the fields here. Items keep their own, which differ when a session ends
    while a batch is being filled: stored by PostHog's rule, the old session's last
    events would be applied to node ids of the new one.
    """

    token: str
    distinct_id: str
    session_id: str
    window_id: str
    snapshot_source: str
    """``web`` or ``mobile``."""
    library: str
    """``$lib`` of the first event, such as ``web`` or ``posthog-ios``."""
    sent_at_ms: int | None
    """Client's clock when it sent the request; None when the request does not say."""
    cookieless: bool
    items: tuple[SnapshotItem, ...]


@dataclass(frozen=True, slots=True)
class AnalyticsEvent:
    """One product-analytics or LLM event."""

    timestamp_ms: int
    """On the client's clock, the one rrweb's timestamps are on: PostHog shifts analytics
    events to the server's clock, which would move them against the recording."""
    uuid: str | None
    """None when the SDK sent none."""
    event: str
    distinct_id: str
    session_id: str | None
    """``$session_id``; None for events from outside a session."""
    window_id: str | None
    url: str | None
    """``$current_url``; None when not sent."""
    properties: str
    """JSON object, as sent; ``$set``, ``$set_once`` and ``$unset`` sent beside it are
    appended, as PostHog's ingestion does."""


def uncoded_payload(
    body: bytes,
    *,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    max_bytes: int = MAX_BODY_BYTES,
) -> bytes:
    """
    Take the codings off a request, and leave its UTF-8 to who reads it.

    Args:
        body: Raw request body; empty for GET.
        query: Query parameters, percent-decoded.
        headers: Request headers; names in any case.
        max_bytes: Largest result of any step.

    Returns:
        JSON text, if anything: not looked at yet. `checked_utf8` does.

    Raises:
        SourceDataError: ``reason`` is a `WireReject`.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    hints = [query.get("compression", ""), *lower.get("content-encoding", "").split(",")]
    from_query = query.get("data")
    content_type = lower.get("content-type", "").partition(";")[0].strip().lower()
    if from_query is not None:
        payload = from_query.encode("utf-8", "surrogatepass")
    elif content_type == _FORM_TYPE or body.startswith(b"data="):
        payload, hint = _form(body)
        hints.insert(0, hint)
    else:
        payload = body
    if len(payload) > max_bytes:
        raise too_large(f"a request of {len(payload)} bytes passes {max_bytes} bytes")
    text = strip(_take_off(payload, _compression(hints), max_bytes))
    if not text:
        raise _refused(WireReject.EMPTY, "the request has no body")
    return text


def decode_payload(
    body: bytes,
    *,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    max_bytes: int = MAX_BODY_BYTES,
) -> bytes:
    """
    Take the codings off a request; also for ``/flags/`` and ``/decide/``.

    Args:
        body: As `uncoded_payload`.
        query: As `uncoded_payload`.
        headers: As `uncoded_payload`.
        max_bytes: As `uncoded_payload`.

    Returns:
        JSON text, valid UTF-8, not yet parsed.

    Raises:
        SourceDataError: ``reason`` is a `WireReject`.
    """
    return checked_utf8(uncoded_payload(body, query=query, headers=headers, max_bytes=max_bytes))


def checked_utf8(text: bytes) -> bytes:
    """
    Give a text back that is UTF-8.

    Raises:
        SourceDataError: It is not (``invalid_utf8``).
    """
    if not is_utf8(text):
        raise _refused(WireReject.INVALID_UTF8, f"the request of {len(text)} bytes is not UTF-8")
    return text


def decode_body(
    body: bytes,
    *,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    max_bytes: int = MAX_BODY_BYTES,
) -> WireBody:
    """
    Decode a capture request into its events.

    Args:
        body: As `decode_payload`.
        query: As `decode_payload`; ``_`` and ``sent_at`` are read as milliseconds.
        headers: As `decode_payload`.
        max_bytes: As `decode_payload`.

    Raises:
        SourceDataError: ``reason`` is a `WireReject`.
    """
    text = decode_payload(body, query=query, headers=headers, max_bytes=max_bytes)
    found = _envelope(text, max_bytes)
    events = tuple(_wire_event(item) for item in found.items)
    if not events:
        raise _refused(WireReject.EMPTY, "the request holds no event")
    sent_at_ms = _time_ms(events[0].members.get("sent_at"))
    if sent_at_ms is None:
        sent_at_ms = found.sent_at_ms
    if sent_at_ms is None:
        sent_at_ms = _query_time_ms(query)
    return WireBody(events=events, token=found.token, sent_at_ms=sent_at_ms)


def encode_body(body: WireBody) -> bytes:
    """
    Write a body again, such as with some of its events left out.

    Returns:
        JSON without compression: an array as ``/s/`` takes it, or the wrapper the body had.
        Each event is the text it was; `decode_body` gives an equal body.
    """
    items = b",".join(_object_text(event.members) for event in body.events)
    if body.token is None:
        return b"[" + items + b"]"
    said = b"" if body.sent_at_ms is None else b'"sent_at":%d,' % body.sent_at_ms
    token = json.dumps(body.token).encode()
    return b'{"api_key":' + token + b"," + said + b'"batch":[' + items + b"]}"


def _object_text(members: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join(json.dumps(k).encode() + b":" + v for k, v in members.items()) + b"}"


def session_of(body: WireBody, event: WireEvent) -> str | None:
    """Give the session an event counts for: its own, or of a snapshot the first event's."""
    own = _session_id(event)
    if own is None and event.is_snapshot:
        return _session_id(body.events[0])
    return own or text_of(event.properties.get("$session_id"))


def person_of(body: WireBody, event: WireEvent) -> str | None:
    """Give the distinct id an event counts for: its own, or of a snapshot the first event's."""
    own = _distinct_id(event)
    return _distinct_id(body.events[0]) if own is None and event.is_snapshot else own


def snapshots(body: WireBody, *, user_agent: str = "") -> SnapshotBatch:
    """
    Validate a request as PostHog's ``/s/`` does and give its rrweb events.

    Args:
        body: From `decode_body`. Event names are not checked, as PostHog does not.
        user_agent: Header of the request; names the library when no event does.

    Raises:
        SourceDataError: ``reason`` is a `WireReject`; nothing of the request is good.
    """
    first = body.events[0]
    token = token_of(body)
    distinct_id = _distinct_id(first)
    if distinct_id is None:
        raise _refused(WireReject.MISSING_DISTINCT_ID, "the first event has no distinct_id")
    session_id = _session_id(first)
    if session_id is None:
        raise _refused(
            WireReject.INVALID_SESSION_ID,
            f"$session_id of the first event is missing, longer than {MAX_SESSION_ID_BYTES} "
            "bytes, or has characters other than letters, digits and '-'",
        )
    window_id = text_of(first.properties.get("$window_id")) or session_id
    cookieless = first.properties.get("$cookieless_mode", b"null")
    if cookieless not in (b"true", b"false", b"null"):
        raise _refused(WireReject.INVALID_COOKIELESS_MODE, "$cookieless_mode is not a boolean")
    source = "mobile" if text_of(first.properties.get("$snapshot_source")) == "mobile" else "web"
    return SnapshotBatch(
        token=token,
        distinct_id=distinct_id,
        session_id=session_id,
        window_id=window_id,
        snapshot_source=source,
        library=_library(first, user_agent, source),
        sent_at_ms=body.sent_at_ms,
        cookieless=cookieless == b"true",
        items=tuple(_snapshot_item(e, session_id, window_id) for e in body.events),
    )


def analytics(
    body: WireBody, *, received_ms: int, rejected: Counter[str] | None = None
) -> list[AnalyticsEvent]:
    """
    Give the analytics events of a request.

    Args:
        body: From `decode_body`; its ``$snapshot`` events are passed over.
        received_ms: Server's clock, for events that carry no time at all.
        rejected: Counts events left out, by `WireReject`. PostHog refuses the whole
            request for one bad event, and posthog-js then drops the good ones.

    Returns:
        In the order sent; empty when none is usable.
    """
    events: list[AnalyticsEvent] = []
    for item in body.events:
        if item.is_snapshot:
            continue
        try:
            events.append(_analytics_event(item, body.sent_at_ms, received_ms))
        except SourceDataError as e:
            if rejected is not None:
                rejected[e.reason] += 1
    return events


def token_of(body: WireBody) -> str:
    """
    Give the project token of a request, validated.

    Args:
        body: From `decode_body`.

    Raises:
        SourceDataError: ``missing_token``, ``invalid_token``.
    """
    first = body.events[0]
    candidates = [
        *(text_of(first.members.get(key)) for key in ("token", "$token", "api_key")),
        body.token,
        text_of(first.properties.get("token")),
    ]
    found = next((c for c in candidates if c is not None), None)
    if found is None:
        raise _refused(WireReject.MISSING_TOKEN, "the request names no project token")
    return valid_token(found)


def valid_token(token: str) -> str:
    """
    Check a project token by PostHog's rules.

    Args:
        token: As sent.

    Returns:
        The token without surrounding space.

    Raises:
        SourceDataError: ``invalid_token``.
    """
    trimmed = token.strip()
    if (
        not trimmed
        or len(trimmed) > MAX_TOKEN_CHARS
        or not trimmed.isascii()
        or "\0" in trimmed
        or trimmed.startswith("phx_")  # a personal API key: a secret, never to be stored
    ):
        raise _refused(WireReject.INVALID_TOKEN, "the project token is not valid")
    return trimmed


@dataclass(frozen=True, slots=True)
class _Envelope:
    items: list[bytes]
    token: str | None = None
    sent_at_ms: int | None = None


def _envelope(text: bytes, max_bytes: int) -> _Envelope:
    """Open the JSON around the events, whichever of its shapes it has."""
    for _ in range(MAX_NESTED_DATA):
        if is_array(text):
            return _Envelope(split_array(text, strict=True))
        if is_string(text):
            inner = to_json_bytes(string_of(text))
            text = checked_utf8(strip(_take_off(inner, "", max_bytes)))
            continue
        members = split_object(text, strict=True)
        batch = members.get("batch")
        if batch is not None and is_array(batch):
            token = text_of(members.get("api_key")) or text_of(members.get("token"))
            return _Envelope(
                split_array(batch, strict=True), token, _time_ms(members.get("sent_at"))
            )
        data = members.get("data")
        if data is None or "event" in members:
            return _Envelope([text])
        text = data
    raise invalid_json("the events are nested deeper than any SDK nests them")


def _wire_event(item: bytes) -> WireEvent:
    if not is_object(item):
        raise _refused(WireReject.NOT_AN_EVENT, "an item of the request is not an object")
    members = split_object(item, strict=True)
    properties = members.get("properties", b"{}")
    return WireEvent(
        members, split_object(properties, strict=True) if is_object(properties) else {}
    )


def _snapshot_item(event: WireEvent, session_id: str, window_id: str) -> SnapshotItem:
    data = event.properties.get("$snapshot_data", b"")
    if is_array(data):
        rrweb_events = tuple(split_array(data, strict=True))
    elif is_object(data):
        rrweb_events = (data,)
    else:
        raise _refused(
            WireReject.INVALID_SNAPSHOT_DATA, "$snapshot_data is neither an array nor an object"
        )
    own_session_id = _session_id(event) or session_id
    default = window_id if own_session_id == session_id else own_session_id
    return SnapshotItem(
        uuid=_uuid(event),
        session_id=own_session_id,
        window_id=text_of(event.properties.get("$window_id")) or default,
        events=rrweb_events,
    )


def _analytics_event(item: WireEvent, sent_at_ms: int | None, received_ms: int) -> AnalyticsEvent:
    name = item.name
    properties = item.members.get("properties", b"{}")
    if not name or not is_object(properties):
        raise _refused(WireReject.NOT_AN_EVENT, "an event has no name or no properties object")
    distinct_id = _distinct_id(item)
    if distinct_id is None:
        raise _refused(WireReject.MISSING_DISTINCT_ID, "an event has no distinct_id")
    for key in ("$set", "$set_once", "$unset"):
        beside = item.members.get(key)
        if beside is not None and key not in item.properties:
            comma = b"," if properties.strip(b"{} \t\r\n") else b""
            properties = properties[:-1] + comma + f'"{key}":'.encode() + beside + b"}"
    return AnalyticsEvent(
        timestamp_ms=_event_time_ms(item, sent_at_ms, received_ms),
        uuid=_uuid(item),
        event=name,
        distinct_id=distinct_id,
        session_id=text_of(item.properties.get("$session_id")),
        window_id=text_of(item.properties.get("$window_id")),
        url=text_of(item.properties.get("$current_url")),
        properties=properties.decode("utf-8"),
    )


def _event_time_ms(item: WireEvent, sent_at_ms: int | None, received_ms: int) -> int:
    """Give the client's time of an event: said, or counted back from when it was sent."""
    said_ms = _time_ms(item.members.get("timestamp"))
    if said_ms is not None:
        return said_ms
    reference_ms = received_ms if sent_at_ms is None else sent_at_ms
    try:
        offset_ms = int(float(item.members.get("offset", b"0")))
    except (ValueError, OverflowError):
        return reference_ms
    # Older than the epoch: not an offset but somebody's absolute time.
    return reference_ms - offset_ms if 0 <= offset_ms <= reference_ms else reference_ms


def _session_id(event: WireEvent) -> str | None:
    found = text_of(event.properties.get("$session_id"))
    if found and len(found) <= MAX_SESSION_ID_BYTES and _SESSION_ID.fullmatch(found):
        return found
    return None


def _distinct_id(event: WireEvent) -> str | None:
    for raw in (
        event.members.get("distinct_id"),
        event.members.get("$distinct_id"),
        event.properties.get("distinct_id"),
    ):
        if raw is None or raw == b"null":
            continue
        found = text_of(raw) if is_string(raw) else raw.decode("utf-8", "replace")
        if found:
            return found.replace("\0", "\ufffd")[:MAX_DISTINCT_ID_CHARS]
    return None


def _uuid(event: WireEvent) -> str | None:
    raw = event.members.get("uuid", b"null")
    if raw == b"null":
        return None
    try:
        return str(uuid_module.UUID(text_of(raw) or ""))
    except ValueError as e:
        raise _refused(WireReject.INVALID_UUID, "the uuid of an event is not a UUID") from e


def _library(event: WireEvent, user_agent: str, source: str) -> str:
    said = text_of(event.properties.get("$lib"))
    if said:
        return said
    agent = re.split(r"[/ ]", user_agent.strip(), maxsplit=1)[0]
    if "posthog" in agent.lower():
        return agent
    return "web" if source == "web" else "unknown"


def _time_ms(raw: bytes | None) -> int | None:
    """
    Read an ISO 8601 text or a number of milliseconds.

    Args:
        raw: JSON text; None for a missing key.

    Returns:
        Epoch milliseconds rounded down, a time without zone taken as UTC; None when it
        is neither.
    """
    if raw is None:
        return None
    said = text_of(raw)
    if said is None:
        try:
            number_ms = float(raw)
        except ValueError:
            return None
        return int(number_ms) if _EARLIEST_SENT_MS <= number_ms <= _LATEST_SENT_MS else None
    try:
        moment = datetime.fromisoformat(said.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _query_time_ms(query: Mapping[str, str]) -> int | None:
    for key in ("_", "sent_at"):
        said = query.get(key, "")
        if said.isascii() and said.isdigit() and len(said) <= len(str(_LATEST_SENT_MS)):
            time_ms = int(said)
            if _EARLIEST_SENT_MS <= time_ms <= _LATEST_SENT_MS:
                return time_ms
    return None


def _form(body: bytes) -> tuple[bytes, str]:
    """Give the ``data`` and ``compression`` fields of a form."""
    fields: dict[bytes, bytes] = {}
    for field in body.split(b"&", MAX_FORM_FIELDS)[:MAX_FORM_FIELDS]:
        key, _, value = field.partition(b"=")
        fields.setdefault(key.strip(), value)
    value = fields.get(b"data", b"")
    payload = unquote_to_bytes(value)
    if payload.lstrip()[:1] in (b"{", b"["):
        # JSON in a form: here + is a space, while base64 often arrives with a bare +.
        payload = unquote_to_bytes(value.replace(b"+", b" "))
    return payload, unquote_to_bytes(fields.get(b"compression", b"")).decode("utf-8", "replace")


def _compression(hints: list[str]) -> str:
    """Give the first compression that is named, normalised; ``""`` when none is."""
    for hint in hints:
        name = _COMPRESSIONS.get(hint.strip().lower())
        if name is None:
            raise _refused(WireReject.UNKNOWN_FORMAT, "the request names an unknown compression")
        if name:
            return name
    return ""


def _take_off(payload: bytes, compression: str, max_bytes: int) -> bytes:
    """Remove codings until JSON, or something that is none of them, is left."""
    for _ in range(MAX_LAYERS):
        if payload.startswith(GZIP_MAGIC):
            payload = inflate(payload, container="gzip", max_bytes=max_bytes, what="request body")
            compression = ""
            continue
        text = strip(payload)
        if not text or text[:1] in (b"{", b"[", b'"'):
            return text
        if compression == "lz64":
            found = lz64.decompress(text.replace(b" ", b"+"), max_bytes=max_bytes)
            payload = to_json_bytes(found)
            compression = ""
        elif _BASE64.fullmatch(text):
            payload = _base64(text)
        elif compression == "gzip":
            raise _refused(WireReject.INVALID_GZIP, "the request says gzip and is not")
        elif compression == "base64":
            raise _refused(WireReject.INVALID_BASE64, "the request says base64 and is not")
        else:
            return text
    return payload


def _base64(text: bytes) -> bytes:
    """Decode base64 of either alphabet; a space is a ``+`` that a form has eaten."""
    compact = re.sub(rb"[\r\n]", b"", text).strip().rstrip(b"=")
    standard = compact.translate(bytes.maketrans(b" -_", b"++/"))
    try:
        return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
    except binascii.Error as e:
        raise _refused(
            WireReject.INVALID_BASE64, f"{len(text)} characters of the request are not base64"
        ) from e


def _refused(reason: WireReject, observation: str) -> SourceDataError:
    return SourceDataError(
        f"{observation}. The request cannot be stored and is not to be repeated as it is. "
        "Compare it with what a current PostHog SDK sends",
        reason=reason,
        what="request",
    )
