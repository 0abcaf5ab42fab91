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
from typing import Any, Final, Protocol, TypedDict, Unpack

from replayport.catalog.words import SearchText

JsonObject = dict[str, Any]
PageKey = tuple[float, str, str]
"""Where a page ended: the value ordered by, then project and id of its last row."""

ORDER_FIELDS: Final = (
    "start_ms",
    "created_ms",
    "duration_ms",
    "events",
    "clicks",
    "inputs",
    "errors",
    "frustration",
    "archived_bytes",
    "raw_bytes",
)
"""What `Catalog.list` can order by; with ``-`` in front, largest first."""

NOT_SCORED: Final = -1.0
"""`RecordingRow.frustration` of a recording nobody scored."""


class Filters(TypedDict, total=False):
    """Which recordings: all that is given must hold, None counts as not given."""

    project: str | None
    """Only of this project."""
    projects: Sequence[str] | None
    """Only of these projects; of none when empty."""
    since_ms: int | None
    """Started at or after, epoch milliseconds."""
    until_ms: int | None
    """Started before, epoch milliseconds."""
    person: str | None
    """Only of this ``distinct_id``."""
    persons: Sequence[str] | None
    """Only of one of these distinct ids."""
    url_contains: str | None
    """A URL visited contains this, character for character."""
    url_words: str | None
    """Words of a URL visited, in a row, the last may be cut short: ``shop.example/pay``. Unlike
    `url_contains` it is found by an index."""
    min_duration_ms: int | None
    """At least this long."""
    max_duration_ms: int | None
    """At most this long."""
    min_errors: int | None
    """At least so many console errors."""
    min_clicks: int | None
    """At least so many clicks."""
    signals: Sequence[str] | None
    """At least one of these kinds of signals was found."""
    min_frustration: float | None
    """Scored at least this, 0 to 1."""
    has_llm: bool | None
    """With LLM events, or without."""
    tags: Sequence[str] | None
    """Has all of these tags."""
    words: str | None
    """Text to search for, see `replayport.catalog.words.parse_query`."""
    words_in: Sequence[str] | None
    """Where to search, of `replayport.catalog.words.FIELDS`; everywhere when None."""
    ids: Sequence[str] | None
    """Only with one of these session ids or ids."""


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
    person_label: str | None = None
    """Name or e-mail of the person, to show; None when none is known."""
    llm_events: int = 0
    """Number of LLM events (``$ai_…``) of the session."""
    signals_text: str = ""
    """Kinds of frustration signals found, one a line."""
    frustration: float = NOT_SCORED
    """0 to 1; `NOT_SCORED` when nobody scored it."""
    activity: str = ""
    """How busy each part of it was: digits 0 to 9, equally long parts; may be empty."""
    tags_text: str = ""
    """Tags people gave it, one a line, in order."""
    content_sha256: str = ""
    """Of its events and analytics: what its searchable text is made of."""

    @property
    def tags(self) -> list[str]:
        """Tags, in order."""
        return self.tags_text.split("\n") if self.tags_text else []

    @property
    def signals(self) -> list[str]:
        """Kinds of signals."""
        return self.signals_text.split("\n") if self.signals_text else []

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

    was_outdated: bool
    """Its tables were of an older version and have been made anew: rows are missing, state is
    there. `Archive.open` fills it."""

    def upsert(self, rows: Iterable[RecordingRow]) -> None:
        """
        Add rows, replacing those of the same project and id, except for their tags.

        A row whose ``content_sha256`` changes loses its searchable text, signals and score; one
        whose events are the same keeps them, whatever is given. Takes the rows in batches, each all or nothing; the iterable may be endless in size.
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
        order: str = "-start_ms",
        limit: int | None = None,
        after: PageKey | None = None,
        **filters: Unpack[Filters],
    ) -> Iterator[RecordingRow]:
        """
        Yield recordings in order, holding one page in memory and no lock between pages.

        Args:
            order: One of `ORDER_FIELDS`, with ``-`` for largest first. Equal ones are
                ordered by project and id, in the same direction.
            limit: At most so many; all when None.
            after: Go on behind this place, see `RecordingRow.page_key`.
            filters: See `Filters`.

        Yields:
            Each recording once, unless its ordered value changes meanwhile.
        """

    def count(self, *, at_most: int | None = None, **filters: Unpack[Filters]) -> int:
        """Count what `list` would yield, no further than ``at_most``."""

    def projects(self) -> dict[str, int]:
        """Give each project with how many recordings it has, by name."""

    def totals(self) -> dict[str, int]:
        """Give ``recordings``, ``archived_bytes``, ``raw_bytes`` and ``incomplete`` of all."""

    def tags(self, projects: Sequence[str] | None = None) -> dict[str, int]:
        """Give each tag with how many recordings have it, of some projects or of all."""

    def set_tags(self, project: str, id: str, tags: Sequence[str]) -> bool:  # noqa: A002 - the field's name
        """Say which tags a recording has; False when there is no such row."""

    def set_signals(
        self,
        project: str,
        id: str,  # noqa: A002 - the field's name
        *,
        kinds: Iterable[str],
        frustration: float | None,
    ) -> bool:
        """
        Say which signals were found in a recording, and its score.

        Args:
            project: Its project.
            id: Its id.
            kinds: Of the signals.
            frustration: 0 to 1; None when there is no score.

        Returns:
            False when there is no such row.
        """

    def set_text(
        self,
        project: str,
        id: str,  # noqa: A002 - the field's name
        text: SearchText,
        *,
        of_sha256: str,
        is_whole: bool = True,
    ) -> bool:
        """
        Say what of a recording is found by `Filters` ``words``.

        Args:
            project: Its project.
            id: Its id.
            text: In place of what was there.
            of_sha256: Digest of the events it was made of.
            is_whole: False when more could be made of them: `without_text` gives it again.

        Returns:
            False, and nothing changes, unless the row says ``content_sha256`` of that: a text
            of other events than the stored ones is never searched.
        """

    def set_texts(
        self, texts: Iterable[tuple[str, str, SearchText, str]], *, is_whole: bool = True
    ) -> int:
        """
        Do `set_text` for many, in batches.

        Args:
            texts: Project, id, text, and digest of the events it was made of.
            is_whole: As in `set_text`.

        Returns:
            How many were stored.
        """

    def without_text(self) -> Iterator[RecordingRow]:
        """Yield the rows that have no whole searchable text of their present events."""

    def delete(self, project: str, id: str) -> bool:  # noqa: A002 - the field's name
        """Remove a row and its scores; False when there was none."""

    def put_scores(self, rows: Iterable[ScoreRow]) -> None:
        """
        Add scores, replacing those of the same recording and model.

        The newest of a recording as it is becomes its row's ``frustration``, and the kinds in its
        reasons its signals.
        """

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
