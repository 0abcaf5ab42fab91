"""
Network requests of a recording, whoever recorded them, as rows.

====================  ==========================================================
recorded by           as
====================  ==========================================================
posthog-js            plugin ``rrweb/network@1``: ``{requests, isInitial?}``
posthog-js, 2023      plugin ``posthog/network@1``: one request, keys are numbers
PostHog's mobile SDKs ``rrweb/network@1`` with ``url`` instead of ``name``
Sentry                custom ``performanceSpan``, ``resource.*`` and ``navigation.*``
====================  ==========================================================

The recorder reports what had been loaded before it wrapped ``fetch`` (``isInitial``), and
so some requests twice. `requests_of` keeps of those the one with more in it, shows
only ``posthog/network@1`` where both plugins spoke, and leaves out what is no request:
paints, marks, server timings, navigations to ``about:``; all as PostHog's player does.

Source:
    posthog ``performance-event-utils.ts``, ``performanceEventDataLogic.ts``
    (``deduplicatePerformanceEvents``, ``filterUnwanted``); Sentry
    ``replay-internal/src/types/replayFrame.ts``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from replayport.rrweb.events import NETWORK_PLUGIN, POSTHOG_NETWORK_PLUGIN

NETWORK_KINDS: Final = ("network", "custom:performanceSpan")
"""Kinds of events that can hold requests."""

NUMBERED_KEYS: Final = {
    "0": "entryType",
    "1": "timeOrigin",
    "2": "name",
    "3": "startTime",
    "7": "fetchStart",
    "8": "domainLookupStart",
    "9": "domainLookupEnd",
    "10": "connectStart",
    "11": "secureConnectionStart",
    "12": "connectEnd",
    "13": "requestStart",
    "14": "responseStart",
    "15": "responseEnd",
    "16": "decodedBodySize",
    "17": "encodedBodySize",
    "18": "initiatorType",
    "19": "nextHopProtocol",
    "21": "responseStatus",
    "22": "transferSize",
    "39": "duration",
    "40": "timestamp",
}
"""What each number of ``posthog/network@1`` is called in ``rrweb/network@1``."""

SKIPPED_ENTRY_TYPES: Final = frozenset(
    {"serverTiming", "paint", "largest-contentful-paint", "mark", "measure"}
)
"""Performance entries that are no requests."""

LATEST_MS: Final = 253_402_300_799_000
"""The last second a calendar has."""

_MAX_NUMBER: Final = 2**53
"""Larger numbers are no sizes or times, and JSON readers disagree about them."""


@dataclass(frozen=True, slots=True)
class NetworkEvent:
    """An event that can hold requests, as far as reading them needs it."""

    timestamp_ms: int
    seq: int
    window_id: str
    kind: str
    data_json: str | None


def plugin_requests(data: object) -> list[dict[str, Any]]:
    """
    Give the requests of one network plugin event, old numbered keys named.

    Args:
        data: The event's ``data``. One that is malformed gives none.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("payload"), Mapping):
        return []
    payload = data["payload"]
    if data.get("plugin") == POSTHOG_NETWORK_PLUGIN:
        return [{NUMBERED_KEYS[k]: v for k, v in payload.items() if k in NUMBERED_KEYS}]
    if data.get("plugin") == NETWORK_PLUGIN and isinstance(payload.get("requests"), list):
        initial = payload.get("isInitial") is True
        return [
            {"isInitial": True, **r} if initial else r
            for r in payload["requests"]
            if isinstance(r, dict)
        ]
    return []


def requests_of(events: Iterable[NetworkEvent]) -> list[dict[str, Any]]:
    """
    Give the requests of one recording, each once.

    Args:
        events: Its events of `NETWORK_KINDS`, in time order.

    Returns:
        Rows ordered by ``(timestamp_ms, seq)``.

    Memory:
        All of the recording's requests, bodies included.
    """
    rows: list[dict[str, Any]] = []
    for event in events:
        try:
            data = json.loads(event.data_json or "null")
        except (ValueError, RecursionError):
            continue
        if not isinstance(data, Mapping):
            continue
        if event.kind == "custom:performanceSpan":
            row = _span_row(event, data.get("payload"))
            rows += [row] if row is not None else []
            continue
        source = str(data.get("plugin"))
        for request in plugin_requests(data):
            row = _row(event, source, request)
            rows += [row] if row is not None else []
    if any(r["source"] == POSTHOG_NETWORK_PLUGIN for r in rows):
        rows = [r for r in rows if r["source"] != NETWORK_PLUGIN]
    rows = _without_repeats(rows)
    rows.sort(key=lambda r: (r["timestamp_ms"], r["seq"]))
    return rows


def number(value: object) -> float | None:
    """Give a JSON number; None for another value, for NaN, and for one beyond 2**53."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if -_MAX_NUMBER <= value <= _MAX_NUMBER else None


def _without_repeats(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop an initial request when the same one comes again later."""
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for row in reversed(rows):
        key = (row["entry_type"], row["url"], row["timestamp_ms"], row["window_id"])
        if not (row["is_initial"] and key in seen):
            seen.add(key)
            kept.append(row)
    return kept[::-1]


def _row(event: NetworkEvent, source: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
    url = request.get("name") or request.get("url")
    entry_type = _text(request.get("entryType"))
    if not isinstance(url, str) or entry_type in SKIPPED_ENTRY_TYPES:
        return None
    if entry_type == "navigation" and url.startswith("about:"):
        return None
    transfer, encoded, decoded = (
        _size(request.get(k)) for k in ("transferSize", "encodedBodySize", "decodedBodySize")
    )
    status = _size(request.get("status")) or _size(request.get("responseStatus"))
    return {
        "timestamp_ms": _time_ms(request.get("timestamp"), event.timestamp_ms),
        "seq": event.seq,
        "window_id": event.window_id,
        "source": source,
        "entry_type": entry_type,
        "initiator_type": _text(request.get("initiatorType")),
        "method": _text(request.get("method")),
        "url": url,
        "status": status if status and status < 1000 else None,
        "duration_ms": _duration(request.get("duration")),
        "is_initial": request.get("isInitial") is True,
        "protocol": _text(request.get("nextHopProtocol")),
        "transfer_bytes": transfer,
        "encoded_bytes": encoded,
        "decoded_bytes": decoded,
        "from_cache": None if transfer is None else transfer == 0 and (decoded or 0) > 0,
        "dns_ms": _between(request, "domainLookupStart", "domainLookupEnd"),
        "connect_ms": _between(request, "connectStart", "connectEnd"),
        "wait_ms": _between(request, "requestStart", "responseStart"),
        "receive_ms": _between(request, "responseStart", "responseEnd"),
        "request_headers": _json(request.get("requestHeaders")),
        "request_body": _body(request.get("requestBody")),
        "response_headers": _json(request.get("responseHeaders")),
        "response_body": _body(request.get("responseBody")),
    }


def _span_row(event: NetworkEvent, span: object) -> dict[str, Any] | None:
    if not isinstance(span, Mapping):
        return None
    op, url = span.get("op"), span.get("description")
    if not isinstance(op, str) or not isinstance(url, str):
        return None
    entry_type, _, initiator = op.partition(".")
    if entry_type not in ("resource", "navigation"):
        return None
    start_s, end_s = number(span.get("startTimestamp")), number(span.get("endTimestamp"))
    data = span.get("data")
    data = data if isinstance(data, Mapping) else {}
    sent, got = data.get("request"), data.get("response")
    sent = sent if isinstance(sent, Mapping) else {}
    got = got if isinstance(got, Mapping) else {}
    status = _size(data.get("statusCode"))
    return {
        "timestamp_ms": _time_ms(None if start_s is None else start_s * 1000, event.timestamp_ms),
        "seq": event.seq,
        "window_id": event.window_id,
        "source": "sentry",
        "entry_type": entry_type,
        "initiator_type": initiator or None,
        "method": _text(data.get("method")),
        "url": url,
        "status": status if status and status < 1000 else None,
        "duration_ms": (
            None
            if start_s is None or end_s is None or end_s < start_s
            else round((end_s - start_s) * 1000, 3)
        ),
        "is_initial": False,
        "protocol": None,
        "transfer_bytes": _size(data.get("size")),
        "encoded_bytes": _size(data.get("encodedBodySize")),
        "decoded_bytes": _first(_size(data.get("decodedBodySize")), _size(got.get("size"))),
        "from_cache": None,
        "dns_ms": None,
        "connect_ms": None,
        "wait_ms": None,
        "receive_ms": None,
        "request_headers": _json(sent.get("headers")),
        "request_body": _body(sent.get("body")),
        "response_headers": _json(got.get("headers")),
        "response_body": _body(got.get("body")),
    }


def _first(*values: int | None) -> int | None:
    return next((v for v in values if v is not None), None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _time_ms(value: object, otherwise: int) -> int:
    ms = number(value)
    return int(ms) if ms and 0 <= ms <= LATEST_MS else otherwise


def _size(value: object) -> int | None:
    size = number(value)
    return int(size) if size is not None and size >= 0 else None


def _duration(value: object) -> float | None:
    ms = number(value)
    return float(ms) if ms is not None and ms >= 0 else None


def _between(request: Mapping[str, Any], start: str, end: str) -> float | None:
    a, b = number(request.get(start)), number(request.get(end))
    return round(b - a, 3) if a and b and b >= a else None


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _body(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else _json(value)
