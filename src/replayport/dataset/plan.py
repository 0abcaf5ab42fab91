"""
Decides which parts of a day stay and which are built; no I/O.

A part stays when every recording in it is as it was. Recordings of the others, and new
ones, are put into new parts, in order of their start, up to the target size. Small parts
are taken along when what is new is not much smaller, so that a day fed every hour does
not end in hundreds of files, and a large part is not written for one new recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from replayport.dataset.ledger import Member, Part, part_id

FOLD_RATIO: Final = 4
"""A part up to so many times as large as what is new is written again with it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of a day."""

    keep: list[Part]
    build: list[list[Member]]
    """Members of each new part, in order."""
    drop: list[Part]
    """Parts whose files go."""


def plan_day(
    parts: Sequence[Part],
    current: Mapping[tuple[str, str], Member],
    *,
    tables: Sequence[str],
    file_format: str,
    target_bytes: int,
) -> Plan:
    """
    Plan a day.

    Args:
        parts: What the ledger has.
        current: The recordings that should be in the dataset, as they are now.
        tables: Of the dataset.
        file_format: Of the dataset.
        target_bytes: Size of a part, by its recordings' ``events.parquet``.
    """
    keep: list[Part] = []
    drop: list[Part] = []
    for part in parts:
        members = [current.get(m.key) for m in part.members]
        same = all(
            now is not None and now.revision == was.revision
            for now, was in zip(members, part.members, strict=True)
        ) and part.id == part_id(file_format, tables, part.members)
        (keep if same else drop).append(part)
    kept = {m.key for part in keep for m in part.members}
    pool = {key: member for key, member in current.items() if key not in kept}
    size = sum(m.bytes for m in pool.values())
    for part in sorted(keep, key=lambda p: (p.bytes, p.id)):
        if not pool or part.bytes >= target_bytes // 2 or part.bytes > FOLD_RATIO * size:
            break
        keep.remove(part)
        drop.append(part)
        pool.update((m.key, current[m.key]) for m in part.members)
        size += part.bytes
    build: list[list[Member]] = []
    room = 0
    for member in sorted(pool.values(), key=lambda m: (m.start_ms, m.key)):
        if not build or room < member.bytes:
            build.append([])
            room = target_bytes
        build[-1].append(member)
        room -= member.bytes
    return Plan(keep, build, drop)
