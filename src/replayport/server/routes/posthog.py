"""
The read side of PostHog's session-recording API, so that tools written for it can point here.

```
GET    /api/projects/{project}/session_recordings/                       list
GET    /api/projects/{project}/session_recordings/{session_id}/          one
GET    /api/projects/{project}/session_recordings/{session_id}/snapshots/
         (no source)                                    the blocks there are
         source=blob_v2&start_blob_key=A&end_blob_key=B  those, as JSON lines or snappy
POST   /api/projects/{project}/query/                   events and console of one session
```

``/api/environments/`` is the same, and the last slash may be left out. A personal API key is
a token of this server; a project's id is its name, or its number (`project_number`) for
clients that know no others. A block is a row group of ``events.parquet``.

A filter that nothing here can answer is refused, not left out: an answer with other
recordings than asked for would look right.

Source:
    posthog ``session_recording_api.py``; docs/reference/http.md says what differs.
"""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from replayport.catalog.base import Filters, RecordingRow
from replayport.errors import RecordingNotFoundError
from replayport.format.reader import Recording
from replayport.posthog.blocks import encode_snappy, join_stream
from replayport.rrweb.events import Event
from replayport.server.auth import Identity, needs
from replayport.server.envelope import ApiError, error_responses
from replayport.server.services import (
    Services,
    project_number,
    read_cursor,
    services_of,
    write_cursor,
)
from replayport.timeutil import parse_time_ms

router: Final = APIRouter(tags=["posthog"], responses=error_responses(400, 401, 403, 404))

MAX_KEYS: Final = 20
MAX_PAGE: Final = 1000
MAX_QUERY_ROWS: Final = 50_000
_MAX_OFFSET: Final = 1_000_000
_AGO: Final = re.compile(r"-([0-9]{1,5})([hdwmy])")
_AGO_HOURS: Final = {"h": 1, "d": 24, "w": 24 * 7, "m": 24 * 30, "y": 24 * 365}

_ORDERS: Final = {
    "start_time": "start_ms",
    "duration": "duration_ms",
    "recording_duration": "duration_ms",
    "console_error_count": "errors",
    "click_count": "clicks",
    "keypress_count": "inputs",
}
_CANNOT: Final = ("events", "actions", "properties", "console_log_filters", "person_uuid")
"""Filters of PostHog's that need its database; empty ones are fine."""

Reader = Annotated[Identity, needs("session_recording:read")]
Querier = Annotated[Identity, needs("query:read")]
_PATHS: Final = ("/api/projects/{project}", "/api/environments/{project}")


class HogQl(BaseModel):
    """A query, as PostHog's endpoint takes it."""

    query: dict[str, Any]


def _list(
    request: Request,
    identity: Reader,
    project: str,
    date_from: str = "-3d",
    date_to: str | None = None,
    session_ids: str | None = None,
    distinct_ids: str | None = None,
    having_predicates: str | None = None,
    order: str = "start_time",
    order_direction: str = "DESC",
    limit: Annotated[int, Query(ge=1)] = 50,
    offset: Annotated[int, Query(ge=0, le=_MAX_OFFSET)] = 0,
    after: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """List recordings as PostHog does."""
    services = services_of(request)
    project = _project(services, identity, project)
    for name in _CANNOT:
        value = request.query_params.get(name)
        if value not in (None, "", "[]", "{}", "null"):
            raise ApiError("invalid", f"the filter {name!r} needs PostHog's own database")
    filters = Filters(
        project=project,
        since_ms=_moment_ms(date_from),
        until_ms=_moment_ms(date_to) if date_to else None,
        ids=_texts(session_ids, "session_ids"),
        persons=_texts(distinct_ids, "distinct_ids"),
        **_having(having_predicates),
    )
    if order not in _ORDERS:
        raise ApiError("invalid", f"cannot order by {order!r}. Use {', '.join(_ORDERS)}")
    by = ("" if order_direction.upper() == "ASC" else "-") + _ORDERS[order]
    size = min(limit, MAX_PAGE)
    rows = list(
        itertools.islice(
            services.archive.catalog.list(
                order=by,
                limit=offset + size + 1,
                after=read_cursor(after) if after else None,
                **filters,
            ),
            offset,
            None,
        )
    )
    page = rows[:size]
    answer: dict[str, Any] = {
        "results": [_row(row) for row in page],
        "has_next": len(rows) > size,
        "version": 4,
    }
    if len(rows) > size:
        answer["next_cursor"] = write_cursor(page[-1].page_key(by))
    return _json(answer)


def _one(request: Request, identity: Reader, project: str, session_id: str) -> Response:
    """Give one recording as PostHog does."""
    services = services_of(request)
    project = _project(services, identity, project)
    return _json(_row(_find(services, project, session_id)))


def _snapshots(
    request: Request,
    identity: Reader,
    project: str,
    session_id: str,
    source: str | None = None,
    start_blob_key: str | None = None,
    end_blob_key: str | None = None,
    blob_key: str | None = None,
    decompress: str = "true",
) -> Response:
    """Give a recording's blocks, or what is in some of them."""
    services = services_of(request)
    project = _project(services, identity, project)
    row = _find(services, project, session_id)
    recording = services.archive.recording_at(row.key_prefix)
    groups = recording.row_groups()
    if source is None:
        return _json(
            {
                "sources": [
                    {
                        "source": "blob_v2",
                        "start_timestamp": _iso(start_ms),
                        "end_timestamp": _iso(end_ms),
                        "blob_key": str(n),
                    }
                    for n, (_, start_ms, end_ms) in enumerate(groups)
                ]
            }
        )
    if source != "blob_v2":
        raise ApiError("invalid", "Invalid snapshot source")
    first, last = _keys(start_blob_key or blob_key, end_blob_key or blob_key)
    if last >= len(groups):
        raise ApiError("not_found", "Block index out of range")
    services.viewed(identity, recording, how="api")
    blocks = (_lines(recording, group) for group in range(first, last + 1))
    if decompress.lower() in ("false", "0"):
        return Response(
            join_stream([encode_snappy(block) for block in blocks]),
            media_type="application/octet-stream",
        )
    return Response(b"\n".join(blocks), media_type="application/jsonl")


def _query(request: Request, identity: Querier, project: str, body: HogQl) -> Response:
    """Answer what replayport itself asks of a session: its events, its console, how many."""
    services = services_of(request)
    project = _project(services, identity, project)
    text, values = str(body.query.get("query", "")), body.query.get("values") or {}
    if body.query.get("kind") != "HogQLQuery" or not isinstance(values, dict):
        raise ApiError("invalid", "only HogQLQuery is understood")
    low, high = _bound(values, "date_from"), _bound(values, "date_to")
    limit, offset = min(_clause(text, "LIMIT", 100), MAX_QUERY_ROWS), _clause(text, "OFFSET", 0)
    columns, rows = _table(services, project, text, values, low, high)
    page = rows[offset : offset + limit]
    return _json(
        {
            "results": page,
            "columns": columns,
            "types": [[name, "String"] for name in columns],
            "hasMore": len(rows) > offset + limit,
            "limit": limit,
            "offset": offset,
        }
    )


for _prefix in _PATHS:
    for _path, _route, _method in (
        ("session_recordings", _list, "GET"),
        ("session_recordings/{session_id}", _one, "GET"),
        ("session_recordings/{session_id}/snapshots", _snapshots, "GET"),
        ("query", _query, "POST"),
    ):
        for _end in ("", "/"):
            router.add_api_route(
                f"{_prefix}/{_path}{_end}",
                _route,
                methods=[_method],
                name=f"posthog{_route.__name__}",
                include_in_schema=_end == "/" and _prefix == _PATHS[0],
            )


def _table(
    services: Services, project: str, text: str, values: dict[str, Any], low: int, high: int
) -> tuple[list[str], list[list[Any]]]:
    session_id = str(values.get("session_id", ""))
    if "FROM events" in text:
        columns = ["uuid", "event", "timestamp", "distinct_id", "properties"]
        return columns, [
            [r["uuid"], r["event"], _iso(r["timestamp_ms"]), r["distinct_id"], r["properties"]]
            for r in _analytics(services, project, session_id)
            if low <= r["timestamp_ms"] <= high and r["event"] != "$console_log"
        ]
    if "FROM console_logs_log_entries" in text:
        found = []
        for r in _analytics(services, project, session_id):
            if r["event"] == "$console_log" and low <= r["timestamp_ms"] <= high:
                said = json.loads(r["properties"] or "{}")
                found.append([_iso(r["timestamp_ms"]), said.get("level"), said.get("message")])
        return ["timestamp", "level", "message"], found
    if "FROM raw_session_replay_events" in text:
        n = services.archive.catalog.count(project=project, since_ms=low, until_ms=high)
        return ["count()"], [[n]]
    raise ApiError(
        "invalid", "this server has no HogQL: it answers for events and console of one session"
    )


def _analytics(services: Services, project: str, session_id: str) -> list[dict[str, Any]]:
    try:
        row = _find(services, project, session_id)
    except RecordingNotFoundError:
        return []
    found: list[dict[str, Any]] = (
        services.archive.recording_at(row.key_prefix).analytics_table().to_pylist()
    )
    return found


def _project(services: Services, identity: Identity, project: str) -> str:
    """
    Give the name of the project somebody asks for by name or by number.

    Raises:
        ApiError: 404, there is none, or it is not theirs to see.
    """
    names = services.project_names(identity)
    if project not in names:
        project = next((n for n in names if str(project_number(n)) == project), "")
    if not project:
        raise ApiError("not_found", "Project not found.")
    return project


def _find(services: Services, project: str, session_id: str) -> RecordingRow:
    catalog = services.archive.catalog
    found = catalog.find_session(project, session_id)
    return found if found is not None else catalog.get(session_id, project=project)


def _keys(first: str | None, last: str | None) -> tuple[int, int]:
    if not (
        first and last and re.fullmatch(r"[0-9]{1,9}", first) and re.fullmatch(r"[0-9]{1,9}", last)
    ):
        raise ApiError("invalid", "Must provide valid blob keys")
    a, b = int(first), int(last)
    if b < a or b - a > MAX_KEYS:
        raise ApiError("invalid", f"Cannot request more than {MAX_KEYS} blob keys at once")
    return a, b


def _lines(recording: Recording, group: int) -> bytes:
    batch = recording.row_group(
        group,
        ["timestamp_ms", "seq", "window_id", "type", "source", "kind", "data", "extra"],
    )
    events = sorted((Event(*row.values()) for row in batch.to_pylist()), key=lambda e: e.seq)
    return "\n".join(f"[{json.dumps(e.window_id)},{e.to_json()}]" for e in events).encode(
        "utf-8", "surrogatepass"
    )


def _row(row: RecordingRow) -> dict[str, Any]:
    """Give a row as PostHog does; what was never counted here is null."""
    return {
        "id": row.session_id,
        "distinct_id": row.distinct_id,
        "viewed": False,
        "viewers": [],
        "recording_duration": row.duration_ms // 1000,
        "active_seconds": None,
        "inactive_seconds": None,
        "start_time": _iso(row.start_ms),
        "end_time": _iso(row.end_ms),
        "click_count": row.clicks,
        "keypress_count": row.inputs,
        "mouse_activity_count": None,
        "console_log_count": None,
        "console_warn_count": None,
        "console_error_count": row.errors,
        "start_url": row.first_url,
        "person": {
            "id": None,
            "uuid": None,
            "name": row.person_label or row.distinct_id,
            "distinct_ids": [row.distinct_id] if row.distinct_id else [],
            "properties": {},
        },
        "retention_period_days": None,
        "expiry_time": None,
        "snapshot_source": row.snapshot_source,
        "snapshot_library": None,
        "ongoing": False,
        "activity_score": None,
        "storage": "object_storage",
    }


def _having(text: str | None) -> Filters:
    found = Filters()
    for rule in _objects(text, "having_predicates"):
        key, operator, value = rule.get("key"), rule.get("operator"), rule.get("value")
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
        if key == "duration" and number is not None and 0 <= number < 1e9:
            ms = int(number * 1000)
            if operator in ("gt", "gte"):
                found["min_duration_ms"] = ms + (operator == "gt")
                continue
            if operator in ("lt", "lte"):
                found["max_duration_ms"] = ms - (operator == "lt")
                continue
        raise ApiError("invalid", "of having_predicates only bounds of duration are understood")
    return found


def _objects(text: str | None, name: str) -> list[dict[str, Any]]:
    if not text:
        return []
    try:
        return msgspec.json.decode(text, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError) as e:
        raise ApiError("invalid", f"{name} is no JSON list of objects") from e


def _texts(text: str | None, name: str) -> list[str] | None:
    if not text:
        return None
    try:
        found = msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, RecursionError) as e:
        raise ApiError("invalid", f"{name} is no JSON list of texts") from e
    if len(found) > 1000:
        raise ApiError("invalid", f"{name} has more than 1000 entries")
    return found


def _moment_ms(text: str) -> int:
    ago = _AGO.fullmatch(text)
    try:
        found = parse_time_ms(f"{int(ago[1]) * _AGO_HOURS[ago[2]]}h" if ago else text)
    except (ValueError, OverflowError) as e:
        raise ApiError("invalid", "a date is no time: write 2026-11-01, an ISO time or -7d") from e
    assert found is not None
    return found


def _bound(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    if not isinstance(value, str):
        raise ApiError("invalid", f"the value {name!r} of the query is no time")
    return _moment_ms(value)


def _clause(text: str, name: str, usual: int) -> int:
    found = re.search(rf"\b{name}\s+([0-9]{{1,9}})\b", text)
    return int(found[1]) if found else usual


def _iso(timestamp_ms: int) -> str:
    try:
        at = datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        at = datetime.fromtimestamp(0, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: Any) -> Response:
    return Response(
        msgspec.json.encode(value),
        media_type="application/json",
        headers={"cache-control": "private, no-store"},
    )
