"""
Looks at the archive day by day: which recordings a dataset should hold, in which revision.

```
catalog          what there is to add, in order of start
what is known    what is there already, whatever was asked for
store listing    which of both still exist, and whether their manifests are as they were
manifests        read only where new or changed
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from replayport.archive import Archive
from replayport.dataset.ledger import Member, fingerprint_of, revision_of
from replayport.errors import RecordingError, RecordingNotFoundError
from replayport.format.scan import read_ahead
from replayport.format.schema import EVENTS_FILE, MANIFEST_FILE
from replayport.format.tables import LATEST_MS
from replayport.reading import read_threads
from replayport.recording import recording_prefix
from replayport.store import ObjectInfo

Key = tuple[str, str]
"""Project and id of a recording."""


def day_of(start_ms: int) -> str:
    """Give the day a recording belongs to: of its first event, UTC, as its folder's."""
    at = datetime.fromtimestamp(min(max(start_ms, 0), LATEST_MS) // 1000, tz=UTC)
    return f"{at:%Y-%m-%d}"


def days_of(
    archive: Archive, known: Iterable[str], *, since_ms: int | None, until_ms: int | None
) -> Iterator[tuple[str, dict[Key, str]]]:
    """
    Yield each day that is known already or has recordings to add, in order.

    Args:
        archive: Where the recordings are.
        known: Days the dataset has.
        since_ms: Add recordings that started at or after, epoch milliseconds.
        until_ms: Add recordings that started before.

    Yields:
        The day, and the recordings to have: their key and folder.
    """
    left = sorted(known)
    for day, wanted in _catalog_days(archive, since_ms, until_ms):
        while left and left[0] < day:
            yield left.pop(0), {}
        if left and left[0] == day:
            left.pop(0)
        yield day, wanted
    for day in left:
        yield day, {}


def _catalog_days(
    archive: Archive, since_ms: int | None, until_ms: int | None
) -> Iterator[tuple[str, dict[Key, str]]]:
    day, wanted = "", dict[Key, str]()
    for row in archive.catalog.list(since_ms=since_ms, until_ms=until_ms, order="start_ms"):
        now = day_of(row.start_ms)
        if now != day and wanted:
            yield day, wanted
            wanted = {}
        day = now
        wanted[row.project, row.id] = row.key_prefix
    if wanted:
        yield day, wanted


def current_members(
    archive: Archive,
    before: Sequence[Member],
    wanted: Mapping[Key, str],
    *,
    rejected: dict[str, str],
) -> dict[Key, Member]:
    """
    Give the recordings of a day that should be in the dataset, as they are now.

    The store is asked, not the catalog: what was erased may have left a row.

    Args:
        archive: Where they are.
        before: Those in the dataset now.
        wanted: Those to add, by key, with their folders.
        rejected: Gets those whose manifest does not read, with the reason.
    """
    known = {m.key: m for m in before}
    prefixes = {**{key: recording_prefix(*key, m.start_ms) for key, m in known.items()}, **wanted}
    there: dict[str, ObjectInfo] = {}
    for folder in sorted({prefix.rpartition("/")[0] for prefix in prefixes.values()}):
        there.update(
            (info.key.removesuffix(f"/{MANIFEST_FILE}"), info)
            for info in archive.store.list(folder)
            if info.key.endswith(f"/{MANIFEST_FILE}")
        )
    current: dict[Key, Member] = {}
    to_read: list[tuple[Key, str, str]] = []
    for key, prefix in prefixes.items():
        info = there.get(prefix)
        if info is None:
            continue
        member, fingerprint = known.get(key), fingerprint_of(info)
        if member is not None and member.fingerprint == fingerprint:
            current[key] = member
        else:
            to_read.append((key, prefix, fingerprint))

    def read(item: tuple[Key, str, str]) -> tuple[Key, Member | str | None]:
        key, prefix, fingerprint = item
        try:
            manifest = archive.recording_at(prefix).manifest
        except RecordingNotFoundError:
            return key, None
        except RecordingError as e:
            return key, str(e)
        size = manifest.files[EVENTS_FILE].bytes if EVENTS_FILE in manifest.files else 0
        return key, Member(*key, revision_of(manifest), fingerprint, manifest.start_ms, size)

    for key, found in read_ahead(to_read, read, threads=read_threads(archive.store)):
        if isinstance(found, Member):
            current[key] = found
        elif found is not None:
            rejected["/".join(key)] = found
    return current
