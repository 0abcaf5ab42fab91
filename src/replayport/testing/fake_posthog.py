"""
A PostHog that runs in a test: the parts of its API that recordings are pulled through.

```
GET  /api/projects/<id>/session_recordings/                 list
GET  /api/projects/<id>/session_recordings/<sid>/           one
GET  /api/projects/<id>/session_recordings/<sid>/snapshots  list of blocks, and blocks
POST /api/projects/<id>/query/                              HogQL, the questions we ask
POST /api/projects/<id>/session_recordings/bulk_delete/     at most 100
POST /api/projects/<id>/persons/bulk_delete/                with events and recordings, if told
```

It keeps the API's rules (keys and scopes, sliding rate limits, ranges of at most 20
blocks with both ends included, 404, 410) and its weaknesses, as `Fault`: blocks left
out without a word, lists that promise too much, streams that end in the middle.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from replayport.demo import RECORDINGS_FOLDER
from replayport.posthog.blocks import encode_snappy, join_stream
from replayport.sources.rate_limits import Limit
from replayport.testing.recordings import FakeEvent, FakeRecording, first_url, load_requests

ALL_SCOPES: Final = frozenset({"session_recording:read", "query:read"})
WRITE_SCOPES: Final = frozenset({"session_recording:write", "person:write"})
MAX_KEYS: Final = 20
MAX_DELETED: Final = 100
MAX_DELETED_PERSONS: Final = 1000
MAX_ROWS: Final = 50_000
DAY_MS: Final = 86_400_000
Generation = Literal["v2", "v2-on-request", "v1"]


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with the requests whose path or query holds ``match``."""

    kind: Literal["status", "cut", "html", "slow", "skip_blocks", "extra_blocks", "text"]
    match: str = ""
    """Part of ``path?query``; empty for every request."""
    times: int | None = 1
    """How often; None for always."""
    after: int = 0
    """So many matching requests pass first."""
    status: int = 500
    code: str = "error"
    retry_after: str | None = None
    blocks: frozenset[int] = frozenset()
    """Numbers of the blocks left out (``skip_blocks``)."""
    extra: int = 1
    """Blocks listed that do not exist (``extra_blocks``)."""
    delay_s: float = 0.0
    """Before the answer (``slow``)."""
    keep_bytes: int = 0
    """Sent before the connection is cut."""

    def applies(self, what: str) -> bool:
        """Tell whether it strikes this request, and count it."""
        if self.match not in what or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request that arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    at_s: float


@dataclass(slots=True)
class _Throttle:
    limits: Sequence[Limit]
    clock: Callable[[], float]
    history: list[float] = field(default_factory=list)

    def wait_s(self) -> float | None:
        """Count a request; None when it may pass, else the seconds to wait."""
        now = self.clock()
        for limit in self.limits:
            recent = [at for at in self.history if at > now - limit.window_s]
            if len(recent) >= limit.requests:
                return recent[-limit.requests] + limit.window_s - now
        self.history.append(now)
        return None


class _CutResponse(Response):
    """Promises its whole body, sends the start of it, and hangs up."""

    def __init__(self, response: Response, keep_bytes: int) -> None:
        super().__init__(response.body, headers=dict(response.headers))
        self._keep_bytes = keep_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        part = bytes(self.body[: self._keep_bytes])
        await send({"type": "http.response.body", "body": part, "more_body": True})


class FakePostHog:
    """
    An ASGI app.

    Attributes:
        recordings: By session id; may be changed while it runs.
        requests: Everything that arrived, in order.
        faults: What goes wrong; see `inject`.
        held: Requests that a ``slow`` fault holds right now.
        largest_page: Most recordings it lists in one answer.
        deleted_persons: Distinct ids and uuids it was asked to delete.
    """

    def __init__(
        self,
        recordings: Iterable[FakeRecording] = (),
        *,
        project_id: str = "1",
        api_key: str = "phx_fake",
        scopes: Iterable[str] = ALL_SCOPES,
        limits: Sequence[Limit] = (),
        query_limits: Sequence[Limit] = (),
        cursors: bool = True,
        generation: Generation = "v2",
        takes_ranges: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            recordings: What it has.
            project_id: Its one project.
            api_key: Its one key.
            scopes: Of that key.
            limits: Listing and snapshots, together; none when empty.
            query_limits: The query endpoint.
            cursors: Pages by ``next_cursor``; otherwise by offset only, as older servers.
            generation: ``v2``; ``v2-on-request`` lists v2 blocks for ``blob_v2=true`` only,
                beside v1; ``v1`` knows no others.
            takes_ranges: Otherwise one block a request, by ``blob_key``.
            clock: Epoch seconds now.
        """
        self.recordings = {r.session_id: r for r in recordings}
        self.project_id = project_id
        self.api_key = api_key
        self.scopes = frozenset(scopes)
        self.requests: list[LoggedRequest] = []
        self.held = 0
        self.faults: list[Fault] = []
        self.largest_page = 1000
        self.deleted_persons: set[str] = set()
        self._cursors = cursors
        self._generation = generation
        self._takes_ranges = takes_ranges
        self._clock = clock
        self._throttle = _Throttle(limits, clock)
        self._query_throttle = _Throttle(query_limits, clock)
        self._app = Starlette(
            routes=[
                Route(f"/api/{kind}/{{project}}/{path}", handler, methods=[method])
                for kind in ("projects", "environments")
                for path, handler, method in (
                    ("session_recordings", self._list, "GET"),
                    ("session_recordings/", self._list, "GET"),
                    ("session_recordings/{session_id}", self._one, "GET"),
                    ("session_recordings/{session_id}/", self._one, "GET"),
                    ("session_recordings/{session_id}/snapshots", self._snapshots, "GET"),
                    ("session_recordings/{session_id}/snapshots/", self._snapshots, "GET"),
                    ("session_recordings/bulk_delete/", self._delete_recordings, "POST"),
                    ("persons/bulk_delete/", self._delete_persons, "POST"),
                    ("query/", self._query, "POST"),
                    ("query", self._query, "POST"),
                )
            ]
        )

    @classmethod
    def demo(cls, **options: Any) -> Self:
        """
        Make one that has the recordings shipped with replayport.

        Args:
            options: As for the class itself.
        """
        requests = [
            request
            for path in sorted(RECORDINGS_FOLDER.glob("*.jsonl.zst"))
            for request in load_requests(path)
        ]
        return cls(FakeRecording.from_wire(requests), **options)

    @classmethod
    def from_file(cls, path: Path, **options: Any) -> Self:
        """Make one of captured requests, see `load_requests`."""
        return cls(FakeRecording.from_wire(load_requests(path)), **options)

    def add(self, recording: FakeRecording) -> None:
        """Add a recording, or put another in its place."""
        self.recordings[recording.session_id] = recording

    def inject(self, fault: Fault) -> Fault:
        """Let something go wrong from now on."""
        self.faults.append(fault)
        return fault

    def count(self, part: str = "", status: int | None = None) -> int:
        """Count the requests whose path and query hold a text, with that status."""
        return sum(
            part in _what(r.path, r.query) and status in (None, r.status) for r in self.requests
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        status = 0

        async def logged(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        fault = next((f for f in self.faults if f.applies(_what(path, query))), None)
        scope["fault"] = fault
        response = self._failure(fault) or self._refusal(scope, path)
        if fault is not None and fault.kind == "slow":
            self.held += 1
            try:
                await asyncio.sleep(fault.delay_s)
            finally:
                self.held -= 1
        if response is not None:
            await response(scope, receive, logged)
        else:
            await self._app(scope, receive, logged)
        entry = LoggedRequest(scope["method"], path, query, status, self._clock())
        self.requests.append(entry)

    # --- before any route -----------------------------------------------------------

    @staticmethod
    def _failure(fault: Fault | None) -> Response | None:
        if fault is None:
            return None
        if fault.kind == "html":
            return HTMLResponse("<!doctype html><title>Log in</title><form></form>")
        if fault.kind == "status":
            headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
            return JSONResponse(
                {"type": "server_error", "code": fault.code, "detail": "Injected.", "attr": None},
                status_code=fault.status,
                headers=headers,
            )
        return None

    def _refusal(self, scope: Scope, path: str) -> Response | None:
        request = Request(scope)
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = given or request.query_params.get("personal_api_key", "")
        if given != self.api_key:
            return _error(401, "authentication_failed", "Invalid personal API key.")
        is_query = "/query" in path
        needed = "query:read" if is_query else "session_recording:read"
        if path.rstrip("/").endswith("/bulk_delete"):
            needed = "person:write" if "/persons/" in path else "session_recording:write"
        if needed not in self.scopes:
            return _error(403, "permission_denied", f"API key missing required scope '{needed}'")
        if not re.match(rf"/api/(projects|environments)/{re.escape(self.project_id)}/", path):
            return _error(404, "not_found", "Project not found.")
        wait_s = (self._query_throttle if is_query else self._throttle).wait_s()
        if wait_s is not None:
            return _error(
                429,
                "throttled",
                f"Request was throttled. Expected available in {wait_s:.0f} seconds.",
                headers={"retry-after": str(-int(-wait_s // 1))},
            )
        return None

    # --- routes ---------------------------------------------------------------------

    async def _list(self, request: Request) -> Response:
        params = request.query_params
        try:
            found = [r for r in self.recordings.values() if self._matches(r, params)]
            limit = min(int(params.get("limit", 50)), self.largest_page)
            offset = int(params.get("offset", 0))
        except (ValueError, TypeError, KeyError):
            return _error(400, "invalid_input", "A filter cannot be used.")
        descending = params.get("order_direction", "DESC") != "ASC"
        key: Callable[[FakeRecording], tuple[int, str]] = lambda r: (r.start_ms, r.session_id)  # noqa: E731
        if params.get("order") in ("duration", "recording_duration"):
            key = lambda r: (r.end_ms - r.start_ms, r.session_id)  # noqa: E731
        found.sort(key=key, reverse=descending)
        after = params.get("after")
        if after is not None and self._cursors:
            try:
                value, session_id = json.loads(base64.urlsafe_b64decode(after))
            except (ValueError, binascii.Error):
                return _error(400, "invalid_input", "Invalid cursor.")
            last = (value, session_id)
            found = [r for r in found if (key(r) < last if descending else key(r) > last)]
        page = found[offset : offset + limit]
        more = len(found) > offset + limit
        answer: dict[str, Any] = {
            "results": [self._row(r) for r in page],
            "has_next": more,
            "version": 4 if self._cursors else 3,
        }
        if self._cursors and more:
            cursor = base64.urlsafe_b64encode(json.dumps(key(page[-1])).encode())
            answer["next_cursor"] = cursor.decode()
        return _cut(request, JSONResponse(answer))

    async def _one(self, request: Request) -> Response:
        recording = self.recordings.get(request.path_params["session_id"])
        if recording is None:
            return _error(404, "not_found", "Recording not found")
        if recording.deleted:
            return _gone()
        return _cut(request, JSONResponse(self._row(recording)))

    async def _snapshots(self, request: Request) -> Response:
        recording = self.recordings.get(request.path_params["session_id"])
        if recording is None:
            return _error(404, "not_found", "Recording not found")
        if recording.deleted:
            return _gone()
        source = request.query_params.get("source")
        if source is None:
            return _cut(request, JSONResponse({"sources": self._sources(recording, request)}))
        if source == "blob_v2" and self._generation != "v1" and not recording.long_term:
            return _cut(request, self._blocks(recording, request))
        if source == "blob_v2_lts" and recording.long_term:
            if request.query_params.get("blob_key") != _long_term_key(recording):
                return _error(404, "not_found", "Block not found")
            text = b"".join(recording.blocks)
            if _decompressed(request):
                return _cut(request, Response(text, media_type="application/jsonl"))
            raw = encode_snappy(text)
            return _cut(request, Response(raw, media_type="application/octet-stream"))
        if source == "blob" and self._generation != "v2":
            names = [f"{a}-{b}" for a, b in recording.spans_ms]
            name = request.query_params.get("blob_key", "")
            if name not in names:
                return _error(404, "not_found", "Blob not found")
            lines = _v1_lines(recording.blocks[names.index(name)])
            return _cut(request, Response(lines, media_type="application/jsonl"))
        if source == "realtime" and self._generation != "v2":
            return _cut(request, JSONResponse({"snapshots": []}))
        return _error(400, "invalid_input", "Invalid snapshot source")

    def _sources(self, recording: FakeRecording, request: Request) -> list[dict[str, Any]]:
        if recording.long_term:
            return [{"source": "blob_v2_lts", "blob_key": _long_term_key(recording)}]
        v2 = [
            {
                "source": "blob_v2",
                "start_timestamp": _iso(first),
                "end_timestamp": _iso(last),
                "blob_key": str(n),
            }
            for n, (first, last) in enumerate(recording.spans_ms)
        ]
        fault = request.scope["fault"]
        if fault is not None and fault.kind == "extra_blocks" and v2:
            v2 += [{**v2[-1], "blob_key": str(len(v2) + n)} for n in range(fault.extra)]
        if self._generation == "v2":
            return v2
        v1: list[dict[str, Any]] = [
            {
                "source": "blob",
                "start_timestamp": _iso(first),
                "end_timestamp": _iso(last),
                "blob_key": f"{first}-{last}",
            }
            for first, last in recording.spans_ms
        ]
        v1.append({"source": "realtime", "start_timestamp": _iso(recording.end_ms)})
        wanted = request.query_params.get("blob_v2") == "true"
        return v1 + v2 if wanted and self._generation == "v2-on-request" else v1

    def _blocks(self, recording: FakeRecording, request: Request) -> Response:
        params = request.query_params
        try:
            if self._takes_ranges:
                first, last = int(params["start_blob_key"]), int(params["end_blob_key"])
            else:
                first = last = int(params["blob_key"])
        except (KeyError, ValueError):
            return _error(400, "invalid_input", "Must provide valid blob keys")
        if last < first or first < 0 or last - first > MAX_KEYS:
            return _error(400, "invalid_input", f"Cannot request more than {MAX_KEYS} blob keys")
        if last >= len(recording.blocks):
            return _error(404, "not_found", "Block index out of range")
        fault = request.scope["fault"]
        skipped = fault.blocks if fault is not None and fault.kind == "skip_blocks" else frozenset()
        found = [recording.blocks[n] for n in range(first, last + 1) if n not in skipped]
        if not found:
            return JSONResponse(
                {"error": "recording_blocks_unavailable", "code": "recording_blocks_unavailable"},
                status_code=502,
            )
        if _decompressed(request) or (fault is not None and fault.kind == "text"):
            text = b"\n".join(block.rstrip(b"\n") for block in found)
            return Response(text, media_type="application/jsonl")
        stream = join_stream([encode_snappy(block) for block in found])
        return Response(stream, media_type="application/octet-stream")

    async def _delete_recordings(self, request: Request) -> Response:
        try:
            body = await request.json()
            ids = [str(i) for i in body["session_recording_ids"]]
        except (ValueError, KeyError, TypeError):
            return _error(400, "invalid_input", "session_recording_ids must be a list")
        if not 0 < len(ids) <= MAX_DELETED:
            return _error(400, "invalid_input", f"Cannot delete more than {MAX_DELETED}")
        found = [i for i in ids if i in self.recordings and not self.recordings[i].deleted]
        for session_id in found:
            self.recordings[session_id] = replace(self.recordings[session_id], deleted=True)
        return JSONResponse(
            {
                "success": True,
                "deleted_count": len(found),
                "total_requested": len(ids),
                "failed_ids": [],
            }
        )

    async def _delete_persons(self, request: Request) -> Response:
        try:
            body = await request.json()
            ids = {str(i) for i in body.get("distinct_ids", ())}
            uuids = {str(i) for i in body.get("ids", ())}
        except (ValueError, AttributeError, TypeError):
            return _error(400, "invalid_input", "ids and distinct_ids must be lists")
        if max(len(ids), len(uuids)) > MAX_DELETED_PERSONS or not ids | uuids:
            return _error(400, "invalid_input", f"Name 1 to {MAX_DELETED_PERSONS} persons")
        for session_id, recording in list(self.recordings.items()):
            if recording.distinct_id not in ids and (
                person_uuid(recording.distinct_id) not in uuids
            ):
                continue
            self.recordings[session_id] = replace(
                recording,
                events=() if body.get("delete_events") else recording.events,
                deleted=recording.deleted or bool(body.get("delete_recordings")),
            )
        self.deleted_persons |= ids | uuids
        return JSONResponse({}, status_code=202)

    async def _query(self, request: Request) -> Response:
        try:
            query = (await request.json())["query"]
            text, values = query["query"], query.get("values") or {}
            if query["kind"] != "HogQLQuery":
                raise ValueError(query["kind"])
            limit = min(int(_number(text, "LIMIT") or 100), MAX_ROWS)
            offset = _number(text, "OFFSET") or 0
            low, high = _parse_ms(values["date_from"]), _parse_ms(values["date_to"])
        except (ValueError, KeyError, TypeError):
            return _error(400, "invalid_input", "The query cannot be read.")
        if "FROM events" in text:
            columns = ["uuid", "event", "timestamp", "distinct_id", "properties"]
            rows = self._event_rows(str(values.get("session_id")), low, high)
        elif "FROM console_logs_log_entries" in text:
            columns = ["timestamp", "level", "message"]
            recording = self.recordings.get(str(values.get("session_id")))
            rows = [
                [_iso(ms), level, message]
                for ms, level, message in sorted(recording.console if recording else ())
                if low <= ms <= high
            ]
        elif "FROM raw_session_replay_events" in text:
            columns = ["count()"]
            rows = [[sum(low <= r.start_ms < high for r in self.recordings.values())]]
        else:
            return _error(400, "hogql_error", "Unknown table.")
        page = rows[offset : offset + limit]
        return _cut(
            request,
            JSONResponse(
                {
                    "results": page,
                    "columns": columns,
                    "types": [[name, "String"] for name in columns],
                    "hasMore": len(rows) > offset + limit,
                    "limit": limit,
                    "offset": offset,
                }
            ),
        )

    # --- data -----------------------------------------------------------------------

    def _event_rows(self, session_id: str, low: int, high: int) -> list[list[Any]]:
        recording = self.recordings.get(session_id)
        events = sorted(recording.events if recording else (), key=lambda e: (e.timestamp_ms, e.id))
        return [
            [
                event.id,
                event.event,
                _iso(event.timestamp_ms),
                recording.distinct_id if recording else "",
                json.dumps(dict(event.properties)),
            ]
            for event in events
            if low <= event.timestamp_ms <= high
        ]

    def _row(self, recording: FakeRecording) -> dict[str, Any]:
        levels = [level for _, level, _ in recording.console]
        return {
            "id": recording.session_id,
            "distinct_id": recording.distinct_id,
            "viewed": False,
            "viewers": [],
            "recording_duration": (recording.end_ms - recording.start_ms) // 1000,
            "start_time": _iso(recording.start_ms),
            "end_time": _iso(recording.end_ms),
            "console_log_count": levels.count("info"),
            "console_warn_count": levels.count("warn"),
            "console_error_count": levels.count("error"),
            "start_url": first_url(recording),
            "person": {
                "uuid": person_uuid(recording.distinct_id),
                "distinct_ids": [recording.distinct_id],
                "properties": {},
            },
            "retention_period_days": 30,
            "expiry_time": _iso(recording.start_ms + 30 * DAY_MS),
            "snapshot_source": recording.snapshot_source,
            "snapshot_library": "web",
            "ongoing": recording.ongoing,
        }

    def _matches(self, recording: FakeRecording, params: Mapping[str, str]) -> bool:
        if recording.deleted:
            return False
        if recording.start_ms < self._moment_ms(params.get("date_from", "-3d")):
            return False
        if "date_to" in params and recording.start_ms >= self._moment_ms(params["date_to"]):
            return False
        if params.get("person_uuid", person := person_uuid(recording.distinct_id)) != person:
            return False
        if recording.distinct_id not in _listed(params, "distinct_ids", [recording.distinct_id]):
            return False
        if recording.session_id not in _listed(params, "session_ids", [recording.session_id]):
            return False
        wanted = [e["id"] for e in _listed(params, "events", [])]
        if not all(any(e.event == name for e in recording.events) for name in wanted):
            return False
        for rule in _listed(params, "properties", []):
            if not any(_fits(e, rule) for e in recording.events):
                return False
        return all(_holds(recording, rule) for rule in _listed(params, "having_predicates", []))

    def _moment_ms(self, text: str) -> int:
        ago = re.fullmatch(r"-(\d+)([hdwmy])", text)
        if ago is None:
            return _parse_ms(text)
        unit_ms = {
            "h": 3_600_000,
            "d": DAY_MS,
            "w": 7 * DAY_MS,
            "m": 30 * DAY_MS,
            "y": 365 * DAY_MS,
        }
        return int(self._clock() * 1000) - int(ago[1]) * unit_ms[ago[2]]


def person_uuid(distinct_id: str) -> str:
    """Give the person of a distinct id, as this double makes them."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"person:{distinct_id}"))


def _what(path: str, query: Mapping[str, str]) -> str:
    return path + "?" + "&".join(f"{k}={v}" for k, v in query.items())


def _cut(request: Request, response: Response) -> Response:
    """Let a cut strike an answer that would have been good."""
    fault = request.scope["fault"]
    if fault is None or fault.kind != "cut":
        return response
    return _CutResponse(response, fault.keep_bytes)


def _error(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    kind = "authentication_error" if status in (401, 403) else "validation_error"
    return JSONResponse(
        {"type": kind, "code": code, "detail": detail, "attr": None},
        status_code=status,
        headers=headers,
    )


def _gone() -> Response:
    return JSONResponse(
        {
            "error": "recording_deleted",
            "message": "This recording has been deleted.",
            "deleted_at": 1_700_000_000,
            "deleted_by": None,
        },
        status_code=410,
    )


def _decompressed(request: Request) -> bool:
    return request.query_params.get("decompress", "true") != "false"


def _long_term_key(recording: FakeRecording) -> str:
    return f"session_recordings_lts/{uuid.uuid5(uuid.NAMESPACE_URL, recording.session_id)}"


def _v1_lines(block: bytes) -> bytes:
    """Write v2 lines in the form of v1: a window and its events a line."""
    lines = []
    for line in block.splitlines():
        window_id, _, rest = line[1:].partition(b",")
        lines.append(b'{"window_id":%s,"data":[%s]}' % (window_id, rest[: rest.rfind(b"]")]))
    return b"\n".join(lines)


def _number(text: str, word: str) -> int | None:
    found = re.search(rf"\b{word} (\d+)", text)
    return int(found[1]) if found else None


def _listed(params: Mapping[str, str], name: str, default: list[Any]) -> list[Any]:
    if name not in params:
        return default
    value = json.loads(params[name])
    if not isinstance(value, list):
        raise TypeError(name)
    return value


def _fits(event: FakeEvent, rule: Mapping[str, Any]) -> bool:
    value = rule.get("value")
    wanted = value if isinstance(value, list) else [value]
    return event.properties.get(rule["key"]) in wanted


def _holds(recording: FakeRecording, rule: Mapping[str, Any]) -> bool:
    if rule["key"] == "snapshot_source":
        wanted = rule["value"] if isinstance(rule["value"], list) else [rule["value"]]
        return recording.snapshot_source in wanted
    seconds = (recording.end_ms - recording.start_ms) / 1000
    value = float(rule["value"])
    return {
        "gt": seconds > value,
        "gte": seconds >= value,
        "lt": seconds < value,
        "lte": seconds <= value,
        "exact": seconds == value,
    }[rule["operator"]]


def _iso(time_ms: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _parse_ms(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
