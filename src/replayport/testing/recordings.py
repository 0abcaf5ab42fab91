"""
Recordings for the doubles: written by hand, or made of what posthog-js really sent.

```
captured requests ──> bodies opened ──> one block a session and flush (10 s of arrival)
/s/                                     ["windowId", event] lines, in order of arrival
/e/, /i/v0/e/  ─────> analytics events of the same session
```
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from replayport.errors import SourceDataError
from replayport.posthog import wire

FLUSH_MS: Final = 10_000
"""How long PostHog's ingestion gathers before it writes a block."""

SNAPSHOT_PATH: Final = "/s/"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request an SDK sent."""

    ms: int
    """When it arrived, epoch milliseconds."""
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class FakeEvent:
    """One analytics event."""

    timestamp_ms: int
    event: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    uuid: str = ""
    """Made of the other fields when empty."""

    @property
    def id(self) -> str:
        """Its ``uuid``."""
        name = f"{self.timestamp_ms} {self.event} {sorted(self.properties.items())}"
        return self.uuid or str(uuid.uuid5(uuid.NAMESPACE_OID, name))


@dataclass(frozen=True, slots=True)
class FakeRecording:
    """One recording as PostHog has it."""

    session_id: str
    distinct_id: str = "person-1"
    blocks: Sequence[bytes] = ()
    """JSON lines, one entry a block, in order of time."""
    events: Sequence[FakeEvent] = ()
    console: Sequence[tuple[int, str, str]] = ()
    """Console lines kept outside the recording: time in ms, level, message."""
    ongoing: bool = False
    deleted: bool = False
    """Answers 410."""
    long_term: bool = False
    """Served as one ``blob_v2_lts`` object."""
    snapshot_source: str = "web"

    @property
    def spans_ms(self) -> list[tuple[int, int]]:
        """First and last timestamp of each block, both included."""
        return [_span_ms(block) for block in self.blocks]

    @property
    def start_ms(self) -> int:
        """First event; 0 without blocks."""
        return min((first for first, _ in self.spans_ms), default=0)

    @property
    def end_ms(self) -> int:
        """Last event; 0 without blocks."""
        return max((last for _, last in self.spans_ms), default=0)

    @classmethod
    def simple(
        cls,
        session_id: str,
        *,
        start_ms: int = 1_700_000_000_000,
        blocks: int = 1,
        events: int = 5,
        window_id: str = "window-1",
        **fields: Any,
    ) -> FakeRecording:
        """
        Make one of a page and a moving pointer, a block every ten seconds.

        Args:
            session_id: Its id.
            start_ms: Its first event.
            blocks: How many.
            events: In each block, a tenth of a second apart.
            window_id: Its only window.
            fields: Others of this class.
        """
        made = []
        for n in range(blocks):
            lines = []
            for i in range(events):
                time_ms = start_ms + n * FLUSH_MS + i * 100
                event: dict[str, Any] = {
                    "type": 3,
                    "timestamp": time_ms,
                    "data": {
                        "source": 1,
                        "positions": [{"x": n, "y": i, "id": 1, "timeOffset": 0}],
                    },
                }
                if n == 0 and i == 0:
                    href = f"https://shop.example/{session_id}"
                    event.update(type=4, data={"href": href, "width": 800, "height": 600})
                elif n == 0 and i == 1:
                    node = {"type": 0, "childNodes": [], "id": 1}
                    event.update(
                        type=2, data={"node": node, "initialOffset": {"top": 0, "left": 0}}
                    )
                lines.append(_line(window_id, msgspec.json.encode(event)))
            made.append(b"".join(lines))
        return cls(session_id=session_id, blocks=tuple(made), **fields)

    @classmethod
    def from_wire(cls, requests: Iterable[WireRequest]) -> list[FakeRecording]:
        """
        Make recordings of captured requests, as PostHog's ingestion does.

        A request belongs to the session and window of its first event, retries are stored
        again, and requests PostHog refuses are left out.

        Returns:
            One a session, by its first event; sessions without rrweb events left out.
        """
        flushes: dict[str, dict[int, list[bytes]]] = {}
        people: dict[str, tuple[str, str]] = {}
        events: dict[str, list[FakeEvent]] = {}
        for request in requests:
            try:
                body = wire.decode_body(request.body, query=request.query, headers=request.headers)
                if not request.path.rstrip("/").endswith("/s"):
                    for event in wire.analytics(body, received_ms=request.ms):
                        events.setdefault(event.session_id or "", []).append(_event(event))
                    continue
                batch = wire.snapshots(body, user_agent=request.headers.get("user-agent", ""))
            except SourceDataError:
                continue
            lines = [
                _line(batch.window_id, raw)
                for item in batch.items
                for raw in item.events
                if _time_ms(raw) is not None
            ]
            if lines:
                people.setdefault(batch.session_id, (batch.distinct_id, batch.snapshot_source))
                session = flushes.setdefault(batch.session_id, {})
                session.setdefault(request.ms // FLUSH_MS, []).extend(lines)
        made = []
        for session_id, by_flush in flushes.items():
            blocks = sorted((b"".join(by_flush[n]) for n in sorted(by_flush)), key=_span_ms)
            distinct_id, snapshot_source = people[session_id]
            made.append(
                cls(
                    session_id=session_id,
                    distinct_id=distinct_id,
                    blocks=tuple(blocks),
                    events=tuple(sorted(events.get(session_id, ()), key=lambda e: e.timestamp_ms)),
                    snapshot_source=snapshot_source,
                )
            )
        return sorted(made, key=lambda r: (r.start_ms, r.session_id))


def load_requests(path: Path) -> list[WireRequest]:
    """
    Read captured requests: JSON lines, zstd where the name ends in ``.zst``.

    A line is ``{"ms", "method", "path", "query", "headers", "body"}``, ``body`` in base64.
    """
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    requests = []
    for line in data.splitlines():
        row = json.loads(line)
        requests.append(
            WireRequest(
                ms=int(row["ms"]),
                method=row["method"],
                path=row["path"],
                query=row.get("query") or {},
                headers=row.get("headers") or {},
                body=base64.b64decode(row.get("body") or ""),
            )
        )
    return requests


def save_requests(path: Path, requests: Iterable[WireRequest]) -> None:
    """Write captured requests in the form `load_requests` reads."""
    lines = [
        json.dumps(
            {
                "ms": r.ms,
                "method": r.method,
                "path": r.path,
                "query": dict(r.query),
                "headers": dict(r.headers),
                "body": base64.b64encode(r.body).decode(),
            }
        )
        for r in requests
    ]
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(zstandard.compress(data) if path.suffix == ".zst" else data)


class _Timed(msgspec.Struct):
    timestamp: int | float


class _Href(msgspec.Struct):
    href: str | None = None


class _Meta(msgspec.Struct):
    type: int
    data: _Href | None = None


_LINE: Final = msgspec.json.Decoder(tuple[str, msgspec.Raw])


def first_url(recording: FakeRecording) -> str | None:
    """Give the address of the first page; None when no event names one."""
    for block in recording.blocks:
        for line in block.splitlines():
            try:
                meta = msgspec.json.decode(_LINE.decode(line)[1], type=_Meta)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if meta.type == 4 and meta.data is not None and meta.data.href:
                return meta.data.href
    return None


def _span_ms(block: bytes) -> tuple[int, int]:
    times = []
    for line in block.splitlines():
        try:
            time_ms = _time_ms(_LINE.decode(line)[1])
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if time_ms is not None:
            times.append(time_ms)
    return (min(times), max(times)) if times else (0, 0)


def _time_ms(raw: bytes | msgspec.Raw) -> int | None:
    """Give an event's time as ingestion sees it; None when it would drop the event."""
    try:
        time_ms = msgspec.json.decode(raw, type=_Timed).timestamp
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return int(time_ms) if 0 < time_ms <= 8_640_000_000_000_000 else None


def _line(window_id: str, raw: bytes) -> bytes:
    # A raw event may be written over several lines; a JSON line may not.
    return b"[%s,%s]\n" % (msgspec.json.encode(window_id), raw.replace(b"\n", b" "))


def _event(event: wire.AnalyticsEvent) -> FakeEvent:
    return FakeEvent(
        timestamp_ms=event.timestamp_ms,
        event=event.event,
        properties=json.loads(event.properties),
        uuid=event.uuid or "",
    )
