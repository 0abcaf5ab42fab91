"""
What PostHog knows of a session besides its recording, asked in HogQL.

Rows become rows of ``analytics.parquet``. Console lines are asked for only where the
recording itself has none; each becomes a row named `CONSOLE_EVENT` with the properties
``level`` and ``message``.

A key without ``query:read`` loses no recording: these questions then give None, and the
recording is stored with the finding ``analytics_unavailable``.

Source:
    posthog ``posthog/hogql/database/schema``; timestamps of events are on the server's
    clock, those of rrweb events on the browser's.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from replayport.errors import SourceAuthError, SourceError
from replayport.sources.base import iso_utc, source_time_ms
from replayport.sources.http_client import HttpClient
from replayport.sources.rate_limits import Budget

CONSOLE_EVENT: Final = "$console_log"
"""Name of the rows made of console lines; PostHog itself has no such event."""

MARGIN_MS: Final = 24 * 3600 * 1000
"""Events of the session this long before and after the recording, as in PostHog's own UI."""

PAGE_ROWS: Final = 10_000

EVENTS_QUERY: Final = (
    "SELECT uuid, event, timestamp, distinct_id, properties FROM events "
    "WHERE $session_id = {session_id} "
    "AND timestamp >= toDateTime({date_from}) AND timestamp <= toDateTime({date_to}) "
    "ORDER BY timestamp, uuid"
)
CONSOLE_QUERY: Final = (
    "SELECT timestamp, level, message FROM console_logs_log_entries "
    "WHERE log_source_id = {session_id} "
    "AND timestamp >= toDateTime({date_from}) AND timestamp <= toDateTime({date_to}) "
    "ORDER BY timestamp, level, message"
)
COUNT_QUERY: Final = (
    "SELECT count(DISTINCT session_id) FROM raw_session_replay_events "
    "WHERE min_first_timestamp >= toDateTime({date_from}) "
    "AND min_first_timestamp < toDateTime({date_to})"
)
_FAR_FUTURE_MS: Final = 4_102_444_800_000  # 2100-01-01


class SessionQueries:
    """
    Asks one project's HogQL endpoint.

    Attributes:
        allowed: False once the key was refused; it is not asked again.
    """

    def __init__(self, http: HttpClient, path: str, budget: Budget) -> None:
        self._http = http
        self._path = path
        self._budget = budget
        self.allowed = True

    def analytics(
        self, session_id: str, *, start_ms: int, end_ms: int, with_console: bool
    ) -> list[dict[str, Any]] | None:
        """
        Get the rows of a session, in time order.

        Args:
            session_id: PostHog's session.
            start_ms: First event of the recording; asked from `MARGIN_MS` before it.
            end_ms: Its last event; asked up to `MARGIN_MS` after it.
            with_console: Ask for console lines too.

        Returns:
            Rows of `ANALYTICS_SCHEMA`; None when they cannot be had.
        """
        try:
            bounds = {
                "session_id": session_id,
                "date_from": iso_utc(start_ms - MARGIN_MS),
                "date_to": iso_utc(end_ms + MARGIN_MS),
            }
            rows = [row for found in self._pages(EVENTS_QUERY, bounds) if (row := _event(found))]
            if with_console:
                rows += [
                    row for found in self._pages(CONSOLE_QUERY, bounds) if (row := _console(found))
                ]
        except SourceError as e:
            self._give_up(e)
            return None
        rows.sort(key=lambda row: int(row["timestamp_ms"]))
        return rows

    def count_recordings(self, *, since_ms: int, until_ms: int | None) -> int | None:
        """Count the recordings that started in ``[since_ms, until_ms)``; None when it cannot."""
        values = {
            "date_from": iso_utc(since_ms),
            "date_to": iso_utc(until_ms if until_ms is not None else _FAR_FUTURE_MS),
        }
        try:
            found = self._ask(COUNT_QUERY, values).results
            return int(found[0][0])
        except SourceError as e:
            self._give_up(e)
        except (IndexError, TypeError, ValueError):
            pass
        return None

    def _give_up(self, error: SourceError) -> None:
        if isinstance(error, SourceAuthError):
            self.allowed = False

    def _pages(self, query: str, bounds: dict[str, str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        uuids: set[object] = set()
        offset = 0
        while True:
            page = self._ask(f"{query} LIMIT {PAGE_ROWS} OFFSET {offset}", bounds)
            for values in page.results:
                row = dict(zip(page.columns, values, strict=False))
                # Rows that arrive meanwhile shift the pages; what moved comes twice.
                if (uuid := row.get("uuid")) is not None:
                    if uuid in uuids:
                        continue
                    uuids.add(uuid)
                rows.append(row)
            # The server may cap pages below what is asked.
            if not page.results or not (page.hasMore or len(page.results) >= PAGE_ROWS):
                return rows
            offset += len(page.results)

    def _ask(self, query: str, values: dict[str, str]) -> _QueryAnswer:
        if not self.allowed:
            raise SourceAuthError("the key may not query. Give it the scope query:read")
        answer = self._http.request(
            "POST",
            self._path,
            what="a HogQL query",
            json={"query": {"kind": "HogQLQuery", "query": query, "values": values}},
            budget=self._budget,
        )
        return answer.convert(_QueryAnswer)


class _QueryAnswer(msgspec.Struct):
    results: list[list[Any]]
    columns: list[str] = []
    hasMore: bool | None = None  # noqa: N815 - PostHog's spelling


class _Properties(msgspec.Struct):
    """The two properties that become columns."""

    window: Any = msgspec.field(name="$window_id", default=None)
    url: Any = msgspec.field(name="$current_url", default=None)


def _event(row: dict[str, Any]) -> dict[str, Any] | None:
    time_ms = source_time_ms(row.get("timestamp"))
    name = row.get("event")
    if time_ms is None or not isinstance(name, str):
        return None
    properties = row.get("properties")
    if not isinstance(properties, str):
        properties = msgspec.json.encode(properties if properties is not None else {}).decode()
    try:
        known = msgspec.json.decode(properties, type=_Properties)
    except msgspec.DecodeError:
        known = _Properties()
    return {
        "timestamp_ms": time_ms,
        "uuid": _text(row.get("uuid")),
        "event": name,
        "distinct_id": _text(row.get("distinct_id")),
        "window_id": _text(known.window),
        "url": _text(known.url),
        "properties": properties,
    }


def _console(row: dict[str, Any]) -> dict[str, Any] | None:
    time_ms = source_time_ms(row.get("timestamp"))
    if time_ms is None:
        return None
    said = {"level": row.get("level"), "message": row.get("message")}
    return {
        "timestamp_ms": time_ms,
        "uuid": None,
        "event": CONSOLE_EVENT,
        "distinct_id": None,
        "window_id": None,
        "url": None,
        "properties": msgspec.json.encode(said).decode(),
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
