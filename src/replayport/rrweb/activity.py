"""How busy a recording is, part by part: what a sparkline in a list is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from replayport.rrweb.columns import EventColumns
from replayport.rrweb.events import USER_INTERACTION_SOURCES, EventType

PARTS: Final = 40
"""Equally long parts of a recording."""

_ACTIVE_SOURCES: Final = [int(source) for source in USER_INTERACTION_SOURCES]


def activity_of(columns: EventColumns) -> list[int]:
    """
    Count what the visitor did in each part.

    Args:
        columns: At least one event.

    Returns:
        `PARTS` counts of events, from the first event to the last.
    """
    times = np.frombuffer(columns.timestamp_ms, np.int64)
    is_incremental = np.frombuffer(columns.type, np.int8) == EventType.INCREMENTAL_SNAPSHOT
    source = np.frombuffer(columns.source, np.int16)
    start, end = int(times.min()), int(times.max())
    active = times[is_incremental & np.isin(source, _ACTIVE_SOURCES)]
    # Divided before multiplied: epochs of damaged events may be anywhere in 64 bits.
    place = (active.astype(np.float64) - start) / max(end - start, 1) * PARTS
    part = np.clip(place.astype(np.int64), 0, PARTS - 1)
    return [int(n) for n in np.bincount(part, minlength=PARTS)]


def sparkline(activity: Sequence[int]) -> str:
    """
    Write counts as digits, for a list of many recordings.

    Returns:
        A digit a part: 0 for nothing, else 1 to 9, in proportion to the busiest; empty
        when nothing is known.
    """
    busiest = max(activity, default=0)
    return "".join("0" if n <= 0 else str(max(1, round(9 * n / busiest))) for n in activity)
