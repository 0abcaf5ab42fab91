"""
What a source is: something that lists recordings and gives them one at a time.

```
Source.list_recordings() → RecordingRef …      cheap: who, when, how long
Source.fetch(ref)        → RecordingDraft      all events of one recording, decoded
```

`replayport.pull` is the only loop over it. A source never writes; what it fetched and
what of it is missing goes into the draft, and what cannot be fetched at all is one of the
errors under `SourceError`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from replayport.draft import RecordingDraft
from replayport.errors import SourceError

__all__ = ["RecordingDraft", "RecordingRef", "Source", "iso_utc", "source_time_ms"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRef:
    """One recording as its source lists it."""

    project: str
    session_id: str
    start_ms: int
    """First event, epoch milliseconds, by the source's word."""
    end_ms: int
    """Last event so far."""
    ongoing: bool = False
    """The source still receives events of it."""
    distinct_id: str | None = None
    """The person; None when the source names none."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """``kind``, and what else the source says; goes into the manifest."""


class Source(Protocol):
    """Where recordings come from. Used by one thread at a time."""

    @property
    def key(self) -> str:
        """Tells this source and its filters from others; holds no secret and no person."""

    @property
    def kind(self) -> str:
        """``kind`` of its recordings' ``source``: ``posthog-api``, ``posthog-bucket``."""

    @property
    def oldest_first(self) -> bool:
        """It lists by start time, as far as it knows."""

    @property
    def project(self) -> str:
        """Name of the project in the archive."""

    @property
    def received_bytes(self) -> int:
        """Bytes read from the source so far, as transferred."""

    def list_recordings(
        self, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> Iterator[RecordingRef]:
        """
        Yield the recordings that started in ``[since_ms, until_ms)``.

        Yields:
            Each once, by start time where `oldest_first` says so.

        Raises:
            SourceError: Listing failed; what came before it stands.
        """

    def fetch(self, ref: RecordingRef) -> RecordingDraft:
        """
        Get one recording.

        Returns:
            At least one event; what the source listed and did not deliver is in
            ``missing``.

        Raises:
            SourceNotFoundError: It is not there.
            SourceGoneError: It was deleted.
            SourceAuthError: The key does not open it.
            SourceRateLimitedError: It would take too long to wait.
            SourceDataError: Nothing of it decodes; ``reason`` says why.
            SourceError: The source is out of order.
        """

    def count(self, *, since_ms: int | None = None, until_ms: int | None = None) -> int | None:
        """Estimate how many `list_recordings` will yield; None when that is not cheap."""

    def time_left_s(self, recordings: int) -> float | None:
        """Say how long so many more take under the source's limits; None without limits."""


def source_time_ms(value: object) -> int | None:
    """
    Read a time as APIs and ClickHouse write it.

    Args:
        value: ISO 8601 or ``2026-11-23 10:00:00.123456``, a time without zone is UTC; or a
            number of epoch milliseconds.

    Returns:
        Epoch milliseconds, rounded down; None when it is no time.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return math.floor(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) > len("20261123"):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def iso_utc(time_ms: int) -> str:
    """
    Write epoch milliseconds as ISO 8601 in UTC, with milliseconds.

    Raises:
        SourceError: Outside the years a date can hold.
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=time_ms)
    except OverflowError:
        raise SourceError(f"{time_ms} is not a time in epoch milliseconds") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
