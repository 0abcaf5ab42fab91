"""
HAR 1.2 of the requests a recording's network plugin saw.

Recorded requests are browser performance entries, not what went over the wire: sizes
and timings are the browser's, headers and bodies are there only when the project
recorded them. What is unknown is -1 or empty, as HAR asks.

Source:
    HAR 1.2; posthog ``performance-event-utils.ts`` for the numbered keys of
    ``posthog/network@1``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from replayport import __version__
from replayport.analysis.network import (
    LATEST_MS,
    SKIPPED_ENTRY_TYPES,
    number,
    plugin_requests,
)
from replayport.export import ExportOptions
from replayport.format.reader import Recording
from replayport.rrweb.events import Event


def export(recording: Recording, options: ExportOptions) -> Iterator[bytes]:
    """Yield the HAR document."""
    pages: dict[str, dict[str, Any]] = {}
    entries = []
    for window in recording.manifest.windows:
        if options.window_id not in (None, window.window_id):
            continue
        pages[window.window_id] = {
            "startedDateTime": _iso(window.start_ms),
            "id": window.window_id or "window",
            "title": window.first_url or "",
            "pageTimings": {},
        }
    for event in recording.events(kinds=["network"], window_id=options.window_id):
        for request in network_requests(event):
            entry = _entry(event, request)
            if entry is not None:
                entries.append(entry)
    entries.sort(key=lambda e: e["startedDateTime"])
    har = {
        "log": {
            "version": "1.2",
            "creator": {"name": "replayport", "version": __version__},
            "pages": list(pages.values()),
            "entries": entries,
        }
    }
    yield json.dumps(har, indent=1).encode("utf-8", "replace")


def network_requests(event: Event) -> list[dict[str, Any]]:
    """
    Give the requests of one network plugin event, old numbered keys named.

    A malformed event gives none.
    """
    try:
        return plugin_requests(event.data)
    except (ValueError, RecursionError):
        return []


def _entry(event: Event, request: Mapping[str, Any]) -> dict[str, Any] | None:
    url = request.get("name") or request.get("url")
    entry_type = request.get("entryType")
    if not isinstance(url, str) or (
        isinstance(entry_type, str) and entry_type in SKIPPED_ENTRY_TYPES
    ):
        return None
    started_ms = number(request.get("timestamp")) or event.timestamp_ms
    if not 0 <= started_ms <= LATEST_MS:
        started_ms = event.timestamp_ms
    status = int(number(request.get("status")) or number(request.get("responseStatus")) or 0)
    version = str(request.get("nextHopProtocol") or "")
    body = request.get("responseBody")
    text = body if isinstance(body, str) else None
    decoded = _size(request.get("decodedBodySize"))
    entry: dict[str, Any] = {
        "pageref": event.window_id or "window",
        "startedDateTime": _iso(started_ms),
        "time": max(number(request.get("duration")) or 0, 0),
        "request": {
            "method": str(request.get("method") or "GET"),
            "url": url,
            "httpVersion": version,
            "cookies": [],
            "headers": _headers(request.get("requestHeaders")),
            "queryString": [
                {"name": k, "value": v} for k, v in parse_qsl(_query(url), keep_blank_values=True)
            ],
            "headersSize": -1,
            "bodySize": -1,
        },
        "response": {
            "status": status,
            "statusText": _phrase(status),
            "httpVersion": version,
            "cookies": [],
            "headers": _headers(request.get("responseHeaders")),
            "content": {
                "size": decoded,
                "mimeType": _mime(request.get("responseHeaders")),
                **({"text": text} if text is not None else {}),
            },
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": _size(request.get("encodedBodySize")),
            "_transferSize": _size(request.get("transferSize")),
        },
        "cache": {},
        "timings": _timings(request),
        "_initiatorType": str(request.get("initiatorType") or ""),
        "_windowId": event.window_id,
    }
    sent = request.get("requestBody")
    if isinstance(sent, str):
        entry["request"]["postData"] = {
            "mimeType": _mime(request.get("requestHeaders")),
            "text": sent,
        }
    return entry


def _timings(request: Mapping[str, Any]) -> dict[str, float]:
    def span(start: str, end: str) -> float:
        a, b = number(request.get(start)), number(request.get(end))
        return round(b - a, 3) if a and b and b >= a else -1

    return {
        "blocked": span("fetchStart", "domainLookupStart"),
        "dns": span("domainLookupStart", "domainLookupEnd"),
        "connect": span("connectStart", "connectEnd"),
        "ssl": span("secureConnectionStart", "connectEnd"),
        "send": 0,
        "wait": max(span("requestStart", "responseStart"), 0),
        "receive": max(span("responseStart", "responseEnd"), 0),
    }


def _headers(headers: object) -> list[dict[str, str]]:
    if not isinstance(headers, Mapping):
        return []
    return [{"name": str(k), "value": str(v)} for k, v in headers.items()]


def _mime(headers: object) -> str:
    if isinstance(headers, Mapping):
        for name, value in headers.items():
            if str(name).lower() == "content-type":
                return str(value)
    return "x-unknown"


def _query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        return ""


def _size(value: object) -> int:
    size = number(value)
    return int(size) if size is not None and size >= 0 else -1


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _iso(timestamp_ms: float) -> str:
    """Write a time; one that no calendar has becomes the nearest that it has."""
    at = datetime.fromtimestamp(min(max(timestamp_ms, 0), LATEST_MS) / 1000, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
