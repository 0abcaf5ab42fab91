"""
What a catalog is: an index of the recordings in an archive, and small shared state.

The manifests are the truth. Rows are made from them, and ``replayport reindex`` makes
all of them again, so losing a catalog loses no recording. State (`get_state`) is what
pulls remember between runs; losing it costs work done again, nothing else.

`replayport.catalog.sql` has the implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

JsonObject = dict[str, Any]
PageKey = tuple[int, str, str]
"""Where a page ended: the value ordered by, then project and id of its last row."""

ORDER_FIELDS: Final = (
    "start_ms",
    "created_ms",
    "duration_ms",
    "events",
    "clicks",
    "inputs",
    "errors",
    "archived_bytes",
    "raw_bytes",
)
"""What `Catalog.list` can order by; with ``-`` in front, largest first."""


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """One recording, as far as listing and searching need it."""

    project: str
    """With ``id`` what tells recordings apart."""
    id: str
    """Id in the archive; unique in its project."""
    session_id: str
    """Id in the source system, verbatim."""
    key_prefix: str
    """Store prefix of the recording's files."""
    start_ms: int
    """First event, epoch milliseconds."""
    end_ms: int
    """Last event, epoch milliseconds."""
    duration_ms: int
    """From the first to the last event."""
    events: int
    """Number of rrweb events."""
    windows: int
    """Number of browser tabs."""
    source: str
    """Kind of source it came from."""
    snapshot_source: str
    """``web`` or ``mobile``."""
    complete: bool
    """False when parts are known to be missing."""
    archived_bytes: int
    """Size of its files in the store."""
    raw_bytes: int
    """Size of its events as decoded JSON."""
    created_ms: int
    """When it was archived, epoch milliseconds."""
    format_version: int
    """Of its files."""
    distinct_id: str | None = None
    """The person; None when the source named none."""
    first_url: str | None = None
    """Where it began; None when no event has a URL."""
    urls_text: str = ""
    """The URLs visited, one a line, for searching."""
    clicks: int = 0
    """Number of clicks."""
    inputs: int = 0
    """Number of input events."""
    errors: int = 0
    """Number of console errors."""

    def page_key(self, order: str = "-start_ms") -> PageKey:
        """
        Give what `Catalog.list` takes as ``after`` to go on behind this row.

        Args:
            order: The same as given to `Catalog.list`.
        """
        return (getattr(self, order_field(order)), self.project, self.id)


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """What a model said of a recording, and of which state of it."""

    project: str
    id: str
    """With ``project`` the recording."""
    model: str
    """``rules-1``, or a trained model's name."""
    score: float | None
    """0..1; None when there was nothing to judge."""
    reasons: str
    """JSON array of what it was made of."""
    recording_created_ms: int
    """``created_ms`` of the recording when it was scored: another one makes this stale."""
    scored_ms: int
    """When, epoch milliseconds."""


def order_field(order: str) -> str:
    """
    Give the field an order names, without the sign.

    Raises:
        ValueError: It is none of `ORDER_FIELDS`.
    """
    field = order.removeprefix("-")
    if field not in ORDER_FIELDS:
        raise ValueError(f"order {order!r} is not known. Use one of {', '.join(ORDER_FIELDS)}")
    return field


class Catalog(Protocol):
    """
    The index of an archive. Safe to use from several threads, and several processes at once.

    Every method raises `CatalogError` when the database fails.
    """

    def upsert(self, rows: Iterable[RecordingRow]) -> None:
        """
        Add rows, replacing those of the same project and id.

        Takes the rows in batches, each all or nothing; the iterable may be endless in size.
        """

    def get(self, id: str, project: str | None = None) -> RecordingRow:  # noqa: A002 - the field's name
        """
        Find a recording.

        Raises:
            RecordingNotFoundError: There is none; the message names near ids.
            AmbiguousRecordingError: Several projects have that id and none was given.
        """

    def find_session(self, project: str, session_id: str) -> RecordingRow | None:
        """Find the newest recording made of a session; None when there is none."""

    def has(self, project: str, id: str) -> bool:  # noqa: A002 - the field's name
        """Say whether that recording is there."""

    def list(
        self,
        *,
        project: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        person: str | None = None,
        url_contains: str | None = None,
        min_duration_ms: int | None = None,
        order: str = "-start_ms",
        limit: int | None = None,
        after: PageKey | None = None,
    ) -> Iterator[RecordingRow]:
        """
        Yield recordings in order, holding one page in memory and no lock between pages.

        Args:
            project: Only of this project.
            since_ms: Started at or after, epoch milliseconds.
            until_ms: Started before, epoch milliseconds.
            person: Only of this ``distinct_id``.
            url_contains: A URL visited contains this, character for character.
            min_duration_ms: At least this long.
            order: One of `ORDER_FIELDS`, with ``-`` for largest first. Equal ones are
                ordered by project and id, in the same direction.
            limit: At most so many; all when None.
            after: Go on behind this place, see `RecordingRow.page_key`.

        Yields:
            Each recording once, unless its ordered value changes meanwhile.
        """

    def count(
        self,
        *,
        project: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        person: str | None = None,
        url_contains: str | None = None,
        min_duration_ms: int | None = None,
    ) -> int:
        """Count what `list` would yield."""

    def delete(self, project: str, id: str) -> bool:  # noqa: A002 - the field's name
        """Remove a row and its scores; False when there was none."""

    def put_scores(self, rows: Iterable[ScoreRow]) -> None:
        """Add scores, replacing those of the same recording and model."""

    def scores(self, *, model: str | None = None, project: str | None = None) -> Iterator[ScoreRow]:
        """
        Yield scores, highest first, those without a number last.

        Args:
            model: Only of this model.
            project: Only of this project.
        """

    def clear(self) -> None:
        """Remove all rows and scores; state stays."""

    def get_state(self, key: str) -> JsonObject | None:
        """Give a JSON object stored under a name; None when there is none."""

    def set_state(self, key: str, value: Mapping[str, Any]) -> None:
        """Store a JSON object under a name."""

    def update_state(
        self, key: str, change: Callable[[JsonObject | None], Mapping[str, Any]]
    ) -> JsonObject:
        """
        Read, change and write back in one step no other process can come between.

        Args:
            key: The name.
            change: Gets what is stored (None when nothing is) and gives what to store.
                Keep it short, others wait; it must not use the catalog. When it raises,
                nothing changes.

        Returns:
            What is stored now.
        """

    def state_keys(self, prefix: str) -> Sequence[str]:
        """Give the names of stored JSON objects that begin so."""

    def scrub(self) -> None:
        """
        Leave nothing of removed rows in the database's files: no free page, no log.

        Waits for others that use the database; what a PostgreSQL server archives of its
        log, and its backups, stay.
        """

    def close(self) -> None:
        """Give back files and connections."""
