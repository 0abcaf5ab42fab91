"""
Which source blocks make up a recording: rows of ClickHouse's ``session_replay_events``.

```
session_id, distinct_id
min_first_timestamp, max_last_timestamp        of the whole session
block_first_timestamps[], block_last_timestamps[], block_urls[]
                                               one entry a block, unordered between rows
is_deleted, full_recording_v2_path             where there are such columns
```

They come from ClickHouse itself (`replayport.sources.clickhouse`) or from a file of rows
exported from it: JSON, JSONEachRow, CSV with a header. A row may be a whole session or a
part of one; parts are joined.

PostHog serves no recording whose first block is gone, or whose arrays differ in length
("started halfway"). Here such a recording is read as far as it goes, and what is missing is
said.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from replayport.errors import SourceDataError
from replayport.outcomes import RejectReason
from replayport.sources.base import source_time_ms

_MAX_FIELD_CHARS: Final = 2**30
"""A day-long session has 8,640 blocks of about 100 characters; csv's default is 128 KiB."""

_CSV_ITEM: Final = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,\[\]'"]+)""")
_OBJECT_TIME: Final = re.compile(r"/(\d{10,16})-[0-9a-f]{8,32}\?")


@dataclass(frozen=True, slots=True)
class ListedBlock:
    """One block as it is listed."""

    url: str
    """``s3://bucket/key?range=bytes=first-last``, last included."""
    start_ms: int | None
    """First event; None when the listing does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecording:
    """One session with its blocks, in order of time."""

    session_id: str
    start_ms: int
    end_ms: int
    blocks: tuple[ListedBlock, ...]
    distinct_id: str | None = None
    deleted: bool = False
    long_term_url: str | None = None
    """Its long-term copy, ``full_recording_v2_path``; None when it has none."""
    lengths_differ: bool = False
    """The arrays of the row do not have one length: blocks are missing from it."""

    @property
    def halfway_ms(self) -> int | None:
        """Where it really starts, when its first block is gone; None when it is there."""
        first_ms = self.blocks[0].start_ms if self.blocks else None
        if self.long_term_url is None and first_ms is not None and first_ms > self.start_ms:
            return first_ms
        return None


class BlockListing(Protocol):
    """Something that knows which blocks there are."""

    @property
    def key(self) -> str:
        """Tells it from others; holds no secret."""

    @property
    def oldest_first(self) -> bool:
        """It lists by start time."""

    def recordings(
        self, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> Iterator[ListedRecording]:
        """Yield the sessions that started in ``[since_ms, until_ms)``."""

    def find(self, session_id: str, *, start_ms: int) -> ListedRecording | None:
        """Find one session; ``start_ms`` is about when it started."""


class ListingFile:
    """A listing exported to a file; held in memory as a whole."""

    oldest_first: Final = True

    def __init__(self, path: Path, *, team_id: str | None = None) -> None:
        """
        Args:
            path: JSON, JSONEachRow or CSV.
            team_id: Only rows of this team, where rows say whose they are.

        Raises:
            SourceDataError: It cannot be read, or has no such columns.
        """
        self.key = f"listing {path.resolve()}"
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as e:
            raise SourceDataError(
                f"the listing {path.name} cannot be read ({type(e).__name__}). "
                "Check its path, and that it is text",
                reason=RejectReason.UNREADABLE,
                what=str(path),
            ) from e
        rows = read_rows(text, what=path.name)
        self._found = {
            r.session_id: r
            for r in join_rows(
                row
                for row in rows
                if team_id is None or str(row.get("team_id", team_id)) == team_id
            )
        }

    def recordings(
        self, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> Iterator[ListedRecording]:
        """Yield the sessions that started in ``[since_ms, until_ms)``, oldest first."""
        for found in sorted(self._found.values(), key=lambda r: (r.start_ms, r.session_id)):
            if (since_ms is None or found.start_ms >= since_ms) and (
                until_ms is None or found.start_ms < until_ms
            ):
                yield found

    def find(self, session_id: str, *, start_ms: int) -> ListedRecording | None:  # noqa: ARG002
        """Find one session; None when the file does not have it."""
        return self._found.get(session_id)


def read_rows(text: str, *, what: str) -> list[dict[str, Any]]:
    """
    Take a file of rows apart.

    Args:
        text: A JSON array of objects, ClickHouse's ``FORMAT JSON`` (``{"data": [...]}``), a
            HogQL answer (``{"columns", "results"}``), JSON lines, or CSV with a header.
        what: Name of the file, for errors.

    Raises:
        SourceDataError: None of these, or without ``session_id``.
    """
    stripped = text.lstrip()
    if stripped[:1] in ("[", "{"):
        rows = _json_rows(stripped, what)
    else:
        csv.field_size_limit(_MAX_FIELD_CHARS)
        try:
            rows = list(csv.DictReader(io.StringIO(text)))
        except csv.Error as e:
            raise _not_a_listing(what, "is not CSV") from e
    if rows and not any("session_id" in row for row in rows):
        raise _not_a_listing(what, "has no column session_id")
    return rows


def join_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[ListedRecording]:
    """
    Make recordings of rows, joining the parts of a session.

    Yields:
        One a session, in order of first appearance; rows without a time are left out.
    """
    parts: dict[str, list[ListedRecording]] = {}
    for row in rows:
        part = _recording(row)
        if part is not None:
            parts.setdefault(part.session_id, []).append(part)
    for session_id, found in parts.items():
        yield listed(
            session_id,
            start_ms=min(p.start_ms for p in found),
            end_ms=max(p.end_ms for p in found),
            blocks=[b for p in found for b in p.blocks],
            distinct_id=next((p.distinct_id for p in found if p.distinct_id), None),
            deleted=any(p.deleted for p in found),
            long_term_url=next((p.long_term_url for p in found if p.long_term_url), None),
            lengths_differ=any(p.lengths_differ for p in found),
        )


def listed(
    session_id: str,
    *,
    start_ms: int,
    end_ms: int,
    blocks: Iterable[ListedBlock],
    distinct_id: str | None = None,
    deleted: bool = False,
    long_term_url: str | None = None,
    lengths_differ: bool = False,
) -> ListedRecording:
    """
    Make a recording, its blocks in order of their first event.

    A block without a time is placed by when its object was written. The same block listed
    twice (rows that were joined twice) counts once.
    """
    unique = {b.url: b for b in blocks}.values()
    return ListedRecording(
        session_id=session_id,
        start_ms=start_ms,
        end_ms=end_ms,
        blocks=tuple(sorted(unique, key=_place)),
        distinct_id=distinct_id,
        deleted=deleted,
        long_term_url=long_term_url,
        lengths_differ=lengths_differ,
    )


def zip_blocks(urls: list[str], starts_ms: list[int | None]) -> tuple[list[ListedBlock], bool]:
    """
    Pair addresses and times.

    Returns:
        The blocks, and whether the two lists fit. When they do not, no time can be
        trusted to belong to its neighbour.
    """
    fit = len(urls) == len(starts_ms)
    times = starts_ms if fit else [None] * len(urls)
    return [ListedBlock(u, t) for u, t in zip(urls, times, strict=True)], fit


def _place(block: ListedBlock) -> tuple[int, str]:
    if block.start_ms is not None:
        return block.start_ms, block.url
    written = _OBJECT_TIME.search(block.url)
    return (int(written[1]) if written else 0), block.url


def _recording(row: Mapping[str, Any]) -> ListedRecording | None:
    session_id = row.get("session_id")
    start_ms = _first_time(row, "min_first_timestamp", "start_time", "first_timestamp")
    if not isinstance(session_id, str) or not session_id:
        return None
    urls = [str(u) for u in _items(row.get("block_urls"))]
    times = [source_time_ms(t) for t in _items(row.get("block_first_timestamps"))]
    if isinstance(row.get("block_url"), str) and row["block_url"]:  # a row a block
        urls, times = [row["block_url"]], [source_time_ms(row.get("first_timestamp"))]
    if not times and urls:
        times = [None] * len(urls)
    blocks, fit = zip_blocks(urls, times)
    lasts = _items(row.get("block_last_timestamps"))
    if lasts and len(lasts) != len(urls):
        fit = False
    if start_ms is None:
        start_ms = min((b.start_ms for b in blocks if b.start_ms is not None), default=None)
    if start_ms is None:
        return None
    end_ms = _first_time(row, "max_last_timestamp", "end_time", "last_timestamp")
    distinct_id, path = row.get("distinct_id"), row.get("full_recording_v2_path")
    return ListedRecording(
        session_id=session_id,
        start_ms=start_ms,
        end_ms=end_ms if end_ms is not None else start_ms,
        blocks=tuple(blocks),
        distinct_id=distinct_id if isinstance(distinct_id, str) and distinct_id else None,
        deleted=str(row.get("is_deleted") or "0").lower() in ("1", "true"),
        long_term_url=path if isinstance(path, str) and path not in ("", "\\N") else None,
        lengths_differ=not fit,
    )


def _first_time(row: Mapping[str, Any], *names: str) -> int | None:
    return next((t for n in names if (t := source_time_ms(row.get(n))) is not None), None)


def _items(value: object) -> list[Any]:
    """Read an array: a list already, or text as ClickHouse writes it in CSV."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str) or not value.strip().startswith("["):
        return []
    return [
        next(re.sub(r"\\(.)", r"\1", g) for g in found.groups() if g is not None)
        for found in _CSV_ITEM.finditer(value.strip()[1:-1])
    ]


def _json_rows(text: str, what: str) -> list[dict[str, Any]]:
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        try:
            lines = msgspec.json.Decoder(dict[str, Any]).decode_lines(text)
        except msgspec.DecodeError as e:
            raise _not_a_listing(what, "is neither JSON nor JSON lines") from e
        return list(lines)
    match document:
        case {"data": list() as rows}:
            pass
        case {"results": list() as values, "columns": list() as columns}:
            rows = [dict(zip(columns, v, strict=False)) for v in values if isinstance(v, list)]
        case {"session_id": _}:
            rows = [document]
        case list() as rows:
            pass
        case _:
            raise _not_a_listing(what, "is JSON of another shape")
    return [row for row in rows if isinstance(row, dict)]


def _not_a_listing(what: str, observation: str) -> SourceDataError:
    return SourceDataError(
        f"the listing {what} {observation}. It must be rows of session_replay_events with "
        "session_id, min_first_timestamp, max_last_timestamp, block_first_timestamps, "
        "block_last_timestamps and block_urls. Export it again, FORMAT JSONEachRow",
        reason=RejectReason.UNKNOWN_FORMAT,
        what=what,
    )
