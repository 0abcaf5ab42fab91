"""
Retention: recordings older than their project keeps them are removed, unless held.

```
[projects.shop]            in replayport.toml
retention_days = 90        0, the default, keeps everything
```

What is past it is erased as anything else is (`replayport.erase`): with a plan, tombstones,
so that the next pull does not bring it back, reading back, and a signed receipt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from replayport.archive import Archive
from replayport.catalog.base import RecordingRow
from replayport.erase import Eraser
from replayport.holds import Holds
from replayport.surveying import Scope

DAY_MS: Final = 86_400_000
PLAUSIBLE_MS: Final = 1_420_070_400_000
"""2015-01-01: nobody recorded sessions with rrweb before; an earlier start is a wrong clock."""

AT_ONCE: Final = 1000
"""Recordings of one plan."""


@dataclass(frozen=True, slots=True)
class Retired:
    """A recording past its project's retention."""

    project: str
    id: str
    key_prefix: str
    began_ms: int
    bytes: int
    retention_days: int

    @property
    def name(self) -> str:
        """``project/id``."""
        return f"{self.project}/{self.id}"


@dataclass(slots=True)
class Retiring:
    """What retention would remove, and what a hold keeps."""

    retired: list[Retired] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    """``project/id`` of recordings past retention that are held."""


def began_ms(row: RecordingRow) -> int:
    """
    Say from when a recording's age counts: its start, or its storing when that is no time.

    A browser whose clock is wrong must not have its visit deleted at once, nor kept for ever.
    """
    if PLAUSIBLE_MS <= row.start_ms <= row.created_ms + DAY_MS:
        return row.start_ms
    return row.created_ms


def retiring(archive: Archive, days: Mapping[str, int], *, now_ms: int) -> Retiring:
    """
    Find what is past retention.

    Args:
        archive: The archive.
        days: Project to days; 0 keeps everything.
        now_ms: Epoch milliseconds now.
    """
    found = Retiring()
    holds = Holds(archive)
    for project, n in sorted(days.items()):
        if n <= 0:
            continue
        rows = [
            row
            for row in archive.catalog.list(project=project, order="start_ms")
            if began_ms(row) < now_ms - n * DAY_MS
        ]
        held = set(holds.held((r.project, r.id, r.distinct_id) for r in rows))
        found.held += sorted(held)
        found.retired += [
            Retired(r.project, r.id, r.key_prefix, began_ms(r), r.archived_bytes, n)
            for r in rows
            if f"{r.project}/{r.id}" not in held
        ]
    return found


def retire(eraser: Eraser, found: Retiring) -> list[dict[str, Any]]:
    """
    Remove what `retiring` found.

    Returns:
        The receipts, one a project and `AT_ONCE` recordings; also of a run that was cut.
    """
    # One that was cut goes on first.
    receipts = [eraser.run(plan) for plan in eraser.open_plans() if plan.kind == "retention"]
    for project in sorted({r.project for r in found.retired}):
        prefixes = iter(r.key_prefix for r in found.retired if r.project == project)
        while some := list(islice(prefixes, AT_ONCE)):
            plan = eraser.plan(Scope("retention", project), retired=some)
            receipts.append(eraser.run(plan))
    return receipts
