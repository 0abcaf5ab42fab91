"""
What a dataset remembers of itself: which recording is in which file.

The ledger makes a second run cheap and an erasure certain: a recording that changed or is
gone is found in it, and every file it was in is written again without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from replayport.dataset import DatasetError
from replayport.format.schema import ANALYTICS_FILE, EVENTS_FILE
from replayport.format.tables import TABLES
from replayport.recording import Manifest
from replayport.store import ObjectInfo, Store

DATASET_FILE: Final = "dataset.json"
DATASET_FORMAT: Final = "replayport-dataset"
DATASET_VERSION: Final = 1
LEDGER: Final = "_ledger"
"""Readers of partitioned folders leave out what begins with an underscore."""

SUFFIXES: Final = {"parquet": ".parquet", "jsonl": ".jsonl.gz"}
"""File formats and how their files end."""


class DatasetFile(Struct, frozen=True, kw_only=True):
    """``dataset.json``."""

    format: str = DATASET_FORMAT
    format_version: int = DATASET_VERSION
    archive_id: str
    file_format: str
    columns: dict[str, list[str]]
    """By table, in order."""


class Member(Struct, frozen=True, array_like=True):
    """A recording in a part."""

    project: str
    id: str
    revision: str
    """Changes when its rows do, see `revision_of`."""
    fingerprint: str
    """Of its manifest in the store, see `fingerprint_of`: unchanged means unchanged."""
    start_ms: int
    bytes: int
    """Of its ``events.parquet``."""

    @property
    def key(self) -> tuple[str, str]:
        """What tells recordings apart."""
        return (self.project, self.id)


class PartFile(Struct, frozen=True):
    """One file of a part; a table without rows has none."""

    rows: int
    bytes: int


class Part(Struct, frozen=True, kw_only=True):
    """Recordings of one day that share a file in every table."""

    id: str
    members: list[Member]
    files: dict[str, PartFile]
    """By table; every table of the dataset, those without rows too."""

    @property
    def bytes(self) -> int:
        """What its size is judged by."""
        return sum(m.bytes for m in self.members)


class Day(Struct, frozen=True):
    """The parts of one day."""

    parts: list[Part]


def fingerprint_of(info: ObjectInfo) -> str:
    """Give what changes when a manifest is written again; costs a listing and no read."""
    return f"{info.etag or info.modified_ms} {info.size}"


def revision_of(manifest: Manifest) -> str:
    """Give what changes when a recording's rows do: its files' digests and its own fields."""
    files = {
        n: manifest.files[n].sha256 for n in (EVENTS_FILE, ANALYTICS_FILE) if n in manifest.files
    }
    fields = msgspec.structs.replace(manifest, files={}, assets=None, software="", provenance={})
    text = msgspec.json.encode([files, fields], order="sorted")
    return hashlib.sha256(text).hexdigest()[:32]


def part_id(file_format: str, tables: Sequence[str], members: Sequence[Member]) -> str:
    """Name a part after what is in it: the same rows have the same name, whoever builds them."""
    columns = {t: [(f.name, str(f.type)) for f in TABLES[t].schema] for t in tables}
    said = [DATASET_VERSION, file_format, columns, sorted((*m.key, m.revision) for m in members)]
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:20]


def part_key(table: str, day: str, part: str, file_format: str) -> str:
    """Give the key of a part's file in a table."""
    return f"{table}/day={day}/part-{part}{SUFFIXES[file_format]}"


def day_key(day: str) -> str:
    """Give the key of a day's ledger."""
    return f"{LEDGER}/day={day}.json"


def built_key(part: str) -> str:
    """Give the key that says a part's files are all there."""
    return f"{LEDGER}/built/{part}.json"


def open_dataset(store: Store, archive_id: str, file_format: str | None) -> DatasetFile | None:
    """
    Read ``dataset.json`` and make sure that what is wanted may be written there.

    Args:
        store: The place.
        archive_id: Of the archive to write.
        file_format: To write; None for that of the dataset.

    Returns:
        None when nothing is there yet.

    Raises:
        DatasetError: It is of another archive, another file format, or newer.
    """
    if store.exists("archive.json"):
        raise DatasetError(
            f"{store.url} is an archive. A dataset needs a place of its own; name another with --to"
        )
    try:
        raw = store.get(DATASET_FILE)
    except FileNotFoundError:
        return None
    try:
        found = msgspec.json.decode(raw, type=DatasetFile)
    except msgspec.DecodeError as e:
        raise DatasetError(
            f"{DATASET_FILE} at {store.url} does not parse. It is no dataset, or was damaged. "
            "Name another place, or delete it and build again"
        ) from e
    if found.format != DATASET_FORMAT or found.format_version > DATASET_VERSION:
        raise DatasetError(
            f"{store.url} is {found.format!r:.40} version {found.format_version}; this package "
            f"writes {DATASET_FORMAT!r} {DATASET_VERSION}. Upgrade replayport"
        )
    if found.archive_id != archive_id:
        raise DatasetError(
            f"the dataset at {store.url} was made of another archive. "
            "One dataset is of one archive; name another place with --to"
        )
    if file_format is not None and found.file_format != file_format:
        raise DatasetError(
            f"the dataset at {store.url} is {found.file_format}, not {file_format}. "
            "Name another place, or leave --format out"
        )
    return found


def read_day(store: Store, day: str) -> Day:
    """
    Read a day's ledger; a day without one has no parts.

    One that is damaged has none either: its files are then nobody's, are deleted, and
    the day is built again.
    """
    try:
        return msgspec.json.decode(store.get(day_key(day)), type=Day)
    except FileNotFoundError:
        return Day([])
    except msgspec.DecodeError:
        return Day([])


def ledger_days(store: Store) -> list[str]:
    """Give the days that have a ledger, in order."""
    prefix = f"{LEDGER}/day="
    return [
        info.key.removeprefix(prefix).removesuffix(".json")
        for info in store.list(LEDGER)
        if info.key.startswith(prefix)
    ]


def read_built(store: Store, part: str) -> Part | None:
    """Give a part that an interrupted run had finished; None when it had not."""
    try:
        return msgspec.json.decode(store.get(built_key(part)), type=Part)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
