"""
Gathers what of a recording is searched: addresses, titles, console lines, what was clicked.

Made of the stored events each time they are stored, so it holds nothing that was
redacted or erased. It is kept in the catalog only. The names of what was clicked need the
page at each moment, which takes as long as storing all the rest; so a draft gives what can
be had at once (`searchable_columns`), and the whole is made of the stored recording later
(`searchable_of`): by ``serve`` in its own time, by ``reindex``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec
import pyarrow as pa

from replayport.catalog.words import SearchText
from replayport.format.reader import Recording
from replayport.rrweb.columns import EventColumns
from replayport.rrweb.described import clicked_names

MAX_TEXTS: Final = 2000
"""Texts of one kind looked at; `catalog.words.MAX_WORDS` bounds what is kept of them."""

MAX_TEXT_CHARS: Final = 4000
"""Of one text."""

MAX_MIRRORED_BYTES: Final = 100 * 2**20
"""Of events as JSON; of larger recordings what was clicked has no names."""

_TITLE: Final = re.compile(
    rb'"tagName":"title","attributes":\{[^{}]*\},"childNodes":\[\{'
    rb'"type":3,"textContent":("(?:[^"\\]|\\.){0,2000}")'
)
"""The title in a full snapshot, in the order of keys every recorder writes."""

_MAX_SNAPSHOTS: Final = 50


class _ConsolePayload(msgspec.Struct):
    payload: list[Any] = []


class _ConsoleData(msgspec.Struct):
    payload: _ConsolePayload


_console: Final = msgspec.json.Decoder(_ConsoleData)


def searchable_columns(
    columns: EventColumns, analytics: Iterable[Mapping[str, Any]] = ()
) -> SearchText:
    """
    Gather it from a draft's events.

    Args:
        columns: Its events.
        analytics: Rows of `ANALYTICS_SCHEMA`.
    """
    wanted = {
        code: name
        for code, name in enumerate(columns.kinds.values)
        if name in ("console", "full_snapshot")
    }
    found: Iterator[tuple[str, bytes | None]] = (
        (wanted[code], columns.data_of(row))
        for row, code in enumerate(columns.kind)
        if code in wanted
    )
    return _searchable(found, columns.url.values(), analytics)


def searchable_of(recording: Recording) -> SearchText:
    """
    Gather it from a stored recording.

    Raises:
        DamagedRecordingError: It does not read.
    """

    def texts() -> Iterator[tuple[str, bytes | None]]:
        for batch in recording.batches(["kind", "data"], kinds=["console", "full_snapshot"]):
            kinds = batch["kind"].cast(pa.string()).to_pylist()
            for kind, data in zip(kinds, batch["data"].to_pylist(), strict=True):
                yield kind, None if data is None else data.encode("utf-8", "replace")

    urls = recording.table(["url"])["url"].drop_null().unique().to_pylist()
    rows: list[Mapping[str, Any]] = (
        recording.analytics_table().select(["url", "properties"]).to_pylist()
    )
    clicked: Iterable[str] = ()
    if recording.manifest.clicks and recording.manifest.raw_bytes <= MAX_MIRRORED_BYTES:
        clicked = clicked_names(_parsed(recording))
    return _searchable(texts(), urls, rows, clicked)


def _parsed(recording: Recording) -> Iterator[tuple[str, int, int | None, Any]]:
    kinds = ["full_snapshot", "meta", "mutation", "click", "dbl_click", "touch_end"]
    for event in recording.events(kinds=kinds):
        try:
            data = msgspec.json.decode(event.data_json or "null")
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
        yield event.window_id, event.type, event.source, data


def _searchable(
    texts: Iterable[tuple[str, bytes | None]],
    urls: Iterable[str],
    analytics: Iterable[Mapping[str, Any]],
    clicks: Iterable[str] = (),
) -> SearchText:
    titles: list[str] = []
    console: list[str] = []
    clicked = list(islice(clicks, MAX_TEXTS))
    visited = list(urls)
    snapshots = 0
    for kind, data in texts:
        if data is None:
            continue
        if kind == "full_snapshot":
            snapshots += 1
            if snapshots <= _MAX_SNAPSHOTS and (title := _title(data)):
                titles.append(title)
        elif len(console) < MAX_TEXTS and (line := console_text(data)):
            console.append(line)
    for row in analytics:
        if row.get("url"):
            visited.append(str(row["url"]))
        for text, into in _of_properties(row.get("properties")):
            (titles if into == "titles" else clicked).append(text)
    return SearchText.of(
        {
            name: (text[:MAX_TEXT_CHARS] for text in dict.fromkeys(found[:MAX_TEXTS]))
            for name, found in (
                ("urls", visited),
                ("titles", titles),
                ("console", console),
                ("clicked", clicked),
            )
        }
    )


def console_text(data: bytes) -> str:
    """
    Give the line of a console event, as the browser's console shows it.

    Args:
        data: JSON text of the event's ``data``.

    Returns:
        Empty when it is none.
    """
    try:
        payload = _console.decode(data).payload.payload
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return " ".join(_console_item(item) for item in payload[:100])


def _console_item(item: Any) -> str:
    if not isinstance(item, str):
        return json.dumps(item)
    try:
        # The recorder writes each argument as JSON.
        value = msgspec.json.decode(item)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return item
    return value if isinstance(value, str) else item


def _title(data: bytes) -> str:
    found = _TITLE.search(data)
    if found is None:
        return ""
    try:
        return str(msgspec.json.decode(found[1]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _of_properties(text: Any) -> Iterator[tuple[str, str]]:
    """Yield the page's title and, of autocaptured clicks, the element's text."""
    if not isinstance(text, str) or ('"title"' not in text and '"$el_text"' not in text):
        return
    try:
        properties = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    if isinstance(properties, dict):
        for key, into in (("title", "titles"), ("$el_text", "clicked")):
            if isinstance(properties.get(key), str):
                yield properties[key], into
