"""
What stands beside a player: a recording's console, requests, actions, analytics, LLM turns.

Each feed is a list in order of time. What follows from events with JSON is read once and
can be kept (`Feeds`); raw events are read a page at a time, by row group.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from replayport.analysing import Analysis, Task, analyse_recording
from replayport.analysis.frustration import in_words
from replayport.analysis.profiles import DEFAULT_PROFILE, profile
from replayport.export.har import network_requests
from replayport.format.reader import Recording
from replayport.format.searchable import console_text
from replayport.rrweb.events import Event

MAX_ROWS: Final = 50_000
"""Of one feed; the rest is in the exports."""

MAX_TEXT_CHARS: Final = 20_000
"""Of one text in a feed."""

MAX_DATA_CHARS: Final = 100_000
"""Of one raw event's JSON; a full snapshot is larger, and is in the exports."""

FEEDS: Final[dict[str, str]] = {
    "actions": "What the visitor did, in words.",
    "signals": "Moments of trouble by the default profile: rage clicks, dead clicks and the like.",
    "console": "Console lines.",
    "network": "Requests the page made.",
    "analytics": "Analytics events of the session.",
    "llm": "LLM events of the session: traces, generations, spans.",
    "events": "Every rrweb event, as stored.",
}
"""Feeds and what each holds."""

_LEVELS: Final = {"assert": "error", "countReset": "warn"}
_SKIPPED_ENTRIES: Final = frozenset(
    {"serverTiming", "paint", "largest-contentful-paint", "mark", "measure"}
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What rows of every feed have."""

    timestamp_ms: int
    offset_ms: int
    """Since the recording's first event."""
    window_id: str


class ConsoleRow(Row, frozen=True, kw_only=True):
    """One console line."""

    level: str
    """``log``, ``info``, ``warn``, ``error``, ``debug`` or what the page used."""
    text: str
    trace: list[str]
    """Stack, the innermost first."""


class NetworkRow(Row, frozen=True, kw_only=True):
    """One request."""

    url: str
    method: str
    status: int
    """0 when it is not known."""
    initiator: str
    """``fetch``, ``xmlhttprequest``, ``img``, ``navigation`` …"""
    duration_ms: float
    transfer_bytes: int | None
    """None when not known."""
    is_error: bool
    """Answered with 400 or more."""


class ActionRow(Row, frozen=True, kw_only=True):
    """One thing the visitor did."""

    kind: str
    """Of `analysis.actions.ActionKind`: ``click``, ``type``, ``navigate`` …"""
    text: str
    """In words."""
    role: str | None
    """Of that element; None when it has none."""
    name: str | None
    """Of that element; None without one."""
    node_id: int | None
    """Element it was done to; None when to none."""
    x: float | None
    """CSS px; None when it has no place."""
    y: float | None


class SignalRow(Row, frozen=True, kw_only=True):
    """One moment of trouble."""

    kind: str
    """Of `analysis.profiles.KINDS`: ``rage_click``, ``dead_click`` …"""
    text: str
    """In words."""
    confidence: float
    """0..1: lower where something the rule needs was not recorded."""
    node_id: int | None
    """Element it is about; None when it is about none."""


class AnalyticsRow(Row, frozen=True, kw_only=True):
    """One analytics event."""

    uuid: str
    event: str
    distinct_id: str
    url: str
    properties: dict[str, Any]


class LlmRow(Row, frozen=True, kw_only=True):
    """One LLM event."""

    uuid: str
    event: str
    """``$ai_generation``, ``$ai_trace``, ``$ai_span``, ``$ai_embedding`` …"""
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    model: str
    provider: str
    input: Any
    """Messages, as the SDK sent them; None when it did not."""
    output: Any
    input_tokens: float | None
    output_tokens: float | None
    cost_usd: float | None
    latency_s: float | None
    is_error: bool
    error: str


class EventRow(Row, frozen=True, kw_only=True):
    """One rrweb event."""

    seq: int
    type: int
    source: int | None
    kind: str
    data: str | None
    """JSON text; None when the event has none, or more than `MAX_DATA_CHARS`, or nobody asked."""
    data_chars: int
    """Of the whole text."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a feed."""

    items: list[Any]
    total: int
    """Rows of the whole feed."""
    next_offset: int | None
    """None at the end."""


class Feeds:
    """The feeds of one recording; each is read when first asked for."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._start_ms = recording.manifest.start_ms
        self._rows: dict[str, list[Any]] = {}
        self._analysis: Analysis | None = None

    def page(self, feed: str, *, offset: int, limit: int, with_data: bool = True) -> Page:
        """
        Give a part of a feed.

        Args:
            feed: One of `FEEDS`.
            offset: Rows before it.
            limit: Rows of it.
            with_data: Raw events with their JSON. Without, a long list of them is small.

        Raises:
            DamagedRecordingError: The recording does not read.
        """
        if feed == "events":
            total = self._recording.manifest.events
            items = list(self._events(offset, limit, with_data))
        else:
            rows = self._rows.get(feed)
            if rows is None:
                made = {
                    "actions": self._actions,
                    "signals": self._signals,
                    "console": self._console,
                    "network": self._network,
                    "analytics": self._analytics,
                    "llm": self._llm,
                }[feed]
                rows = self._rows[feed] = sorted(_first(made()), key=lambda row: row.timestamp_ms)
            total, items = len(rows), rows[offset : offset + limit]
        end = offset + len(items)
        return Page(items, total, end if end < total and items else None)

    def _at(self, timestamp_ms: int) -> dict[str, Any]:
        return {"timestamp_ms": timestamp_ms, "offset_ms": timestamp_ms - self._start_ms}

    def _console(self) -> Iterator[ConsoleRow]:
        for event in self._recording.events(kinds=["console"]):
            payload = _payload(event)
            level = str(payload.get("level") or "log")[:40]
            trace = payload.get("trace")
            yield ConsoleRow(
                **self._at(event.timestamp_ms),
                window_id=event.window_id,
                level=_LEVELS.get(level, level),
                text=console_text((event.data_json or "").encode("utf-8", "replace"))[
                    :MAX_TEXT_CHARS
                ],
                trace=[str(line)[:500] for line in trace[:50]] if isinstance(trace, list) else [],
            )

    def _network(self) -> Iterator[NetworkRow]:
        for event in self._recording.events(kinds=["network"]):
            for request in network_requests(event):
                url = request.get("name") or request.get("url")
                if not isinstance(url, str) or request.get("entryType") in _SKIPPED_ENTRIES:
                    continue
                started = _number(request.get("timestamp")) or event.timestamp_ms
                status = int(
                    _number(request.get("status")) or _number(request.get("responseStatus")) or 0
                )
                transfer = _number(request.get("transferSize"))
                yield NetworkRow(
                    **self._at(int(started)),
                    window_id=event.window_id,
                    url=url[:MAX_TEXT_CHARS],
                    method=str(request.get("method") or "GET")[:20],
                    status=status,
                    initiator=str(request.get("initiatorType") or "")[:40],
                    duration_ms=max(_number(request.get("duration")) or 0.0, 0.0),
                    transfer_bytes=None if transfer is None else max(int(transfer), 0),
                    is_error=status >= 400,
                )

    def _actions(self) -> Iterator[ActionRow]:
        for action in self._analysed().actions:
            yield ActionRow(
                **self._at(action.timestamp_ms),
                window_id=action.window_id,
                kind=action.kind.value,
                text=action.text[:MAX_TEXT_CHARS],
                node_id=action.node_id,
                role=action.role,
                name=action.name,
                x=action.x,
                y=action.y,
            )

    def _signals(self) -> Iterator[SignalRow]:
        (detected,) = self._analysed().detected
        for signal in detected.signals:
            yield SignalRow(
                **self._at(signal.start_ms),
                window_id=signal.window_id,
                kind=signal.kind,
                text=in_words(signal, with_moment=False)[:MAX_TEXT_CHARS],
                confidence=round(signal.confidence, 3),
                node_id=signal.node_id,
            )

    def _analysed(self) -> Analysis:
        """Read actions and signals from the same pages: whoever asks for one asks for both."""
        if self._analysis is None:
            task = Task(profiles=(profile(DEFAULT_PROFILE),), actions=True)
            self._analysis = analyse_recording(self._recording, task)
        return self._analysis

    def _analytics(self) -> Iterator[AnalyticsRow]:
        for row, properties in self._analytics_rows():
            yield AnalyticsRow(
                **self._at(row["timestamp_ms"]),
                window_id=row["window_id"] or "",
                uuid=row["uuid"] or "",
                event=row["event"],
                distinct_id=row["distinct_id"] or "",
                url=row["url"] or "",
                properties=properties,
            )

    def _llm(self) -> Iterator[LlmRow]:
        for row, p in self._analytics_rows():
            if not row["event"].startswith("$ai_"):
                continue
            error = p.get("$ai_error")
            yield LlmRow(
                **self._at(row["timestamp_ms"]),
                window_id=row["window_id"] or "",
                uuid=row["uuid"] or "",
                event=row["event"],
                trace_id=_short(p.get("$ai_trace_id")),
                span_id=_short(p.get("$ai_span_id") or p.get("$ai_generation_id")),
                parent_id=_short(p.get("$ai_parent_id")),
                name=_short(p.get("$ai_span_name")),
                model=_short(p.get("$ai_model")),
                provider=_short(p.get("$ai_provider")),
                input=p.get("$ai_input", p.get("$ai_input_state")),
                output=p.get("$ai_output_choices", p.get("$ai_output_state")),
                input_tokens=_number(p.get("$ai_input_tokens")),
                output_tokens=_number(p.get("$ai_output_tokens")),
                cost_usd=_number(p.get("$ai_total_cost_usd")),
                latency_s=_number(p.get("$ai_latency")),
                is_error=p.get("$ai_is_error") in (True, "true"),
                error=error
                if isinstance(error, str)
                else ""
                if error is None
                else json.dumps(error),
            )

    def _analytics_rows(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        for row in self._recording.analytics_table().to_pylist():
            try:
                properties = msgspec.json.decode(row["properties"] or "{}")
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                properties = {}
            yield row, properties if isinstance(properties, dict) else {}

    def _events(self, offset: int, limit: int, with_data: bool) -> Iterator[EventRow]:
        left, skip = limit, offset
        columns = ["timestamp_ms", "seq", "window_id", "type", "source", "kind", "data"]
        for batch in self._batches(columns, offset):
            skip = min(skip, batch[1])
            table = pa.Table.from_batches([batch[0]]).slice(skip, left)
            skip = 0
            for row in table.to_pylist():
                data = row.pop("data")
                chars = len(data or "")
                yield EventRow(
                    **self._at(row.pop("timestamp_ms")),
                    **row,
                    data=data if with_data and chars <= MAX_DATA_CHARS else None,
                    data_chars=chars,
                )
                left -= 1
            if left <= 0:
                return

    def _batches(self, columns: list[str], offset: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Yield the batches from the one that holds a row on, with the row's place in the first."""
        skip = offset
        for rows, group in zip(
            (rows for rows, _, _ in self._recording.row_groups()),
            range(len(self._recording.row_groups())),
            strict=True,
        ):
            if skip >= rows:
                skip -= rows
                continue
            yield self._recording.row_group(group, columns), skip
            skip = 0


def _first(rows: Iterator[Any]) -> Iterator[Any]:
    for n, row in enumerate(rows):
        if n >= MAX_ROWS:
            return
        yield row


def _payload(event: Event) -> Mapping[str, Any]:
    try:
        data = event.data
    except (ValueError, RecursionError):
        return {}
    payload = data.get("payload") if isinstance(data, Mapping) else None
    return payload if isinstance(payload, Mapping) else {}


def _short(value: Any) -> str:
    return "" if value is None else str(value)[:500]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -(2**53) <= value <= 2**53 else None  # NaN is neither
