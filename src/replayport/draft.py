"""A recording between a source and an archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from replayport.outcomes import RejectReason
from replayport.recording import Person
from replayport.rrweb.columns import EventColumns


@dataclass(slots=True, kw_only=True)
class RecordingDraft:
    """A recording on its way into an archive: what a source gives."""

    project: str
    session_id: str
    columns: EventColumns
    source: dict[str, Any]
    """``kind`` and what that source says of the recording."""
    rejected: Counter[RejectReason] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    analytics: Sequence[Mapping[str, Any]] = ()
    """Rows of `ANALYTICS_SCHEMA`."""
    person: Person | None = None
    missing: list[str] = field(default_factory=list)
    """What the source listed and did not deliver; not empty means not complete."""
    provenance: dict[str, Any] = field(default_factory=dict)
