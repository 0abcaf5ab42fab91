"""What a dataset remembers, and where it may not go."""

from __future__ import annotations

import msgspec
import pytest
from tests.dataset.conftest import add

from replayport.dataset import DatasetError
from replayport.dataset.ledger import (
    DATASET_FILE,
    DATASET_VERSION,
    DatasetFile,
    Day,
    Member,
    Part,
    day_key,
    fingerprint_of,
    ledger_days,
    open_dataset,
    part_id,
    read_built,
    read_day,
    revision_of,
)
from replayport.store import Store

MEMBERS = [Member("p", f"s-{i}", f"r{i}", "f", i, 10) for i in range(3)]


def put(store: Store, **changes: object) -> None:
    found = DatasetFile(archive_id="a", file_format="parquet", columns={"events": ["time"]})
    store.put(DATASET_FILE, msgspec.json.encode(msgspec.structs.replace(found, **changes)))


WANTED = ("a", "parquet")


def test_a_part_is_named_after_what_is_in_it():
    name = part_id("parquet", ["events"], MEMBERS)
    assert part_id("parquet", ["events"], MEMBERS[::-1]) == name
    seen_elsewhere = [msgspec.structs.replace(m, fingerprint="g", bytes=1) for m in MEMBERS]
    assert part_id("parquet", ["events"], seen_elsewhere) == name
    changed = [msgspec.structs.replace(MEMBERS[0], revision="x"), *MEMBERS[1:]]
    others = {
        part_id("jsonl", ["events"], MEMBERS),
        part_id("parquet", ["events", "console"], MEMBERS),
        part_id("parquet", ["events"], MEMBERS[:2]),
        part_id("parquet", ["events"], changed),
    }
    assert len(others | {name}) == 5


def test_a_revision_changes_with_the_rows_only(archive):
    def of(name):
        return revision_of(archive.recording(name).manifest)

    was = of("s-1")
    archive.add_files("s-1", {"poster.webp": b"picture"})
    assert of("s-1") == was
    manifest = archive.recording("s-1").manifest
    assert revision_of(msgspec.structs.replace(manifest, privacy=[{"rule": "x"}])) != was
    add(archive, "s-1", day=0, project="p1", analytics=[])
    assert of("s-1") != was  # archived again: another archived_ms


def test_a_fingerprint_changes_when_a_manifest_is_written_again(archive):
    key = f"{archive.recording('s-1').prefix}/manifest.json"
    was = fingerprint_of(archive.store.head(key))
    assert fingerprint_of(archive.store.head(key)) == was
    data = archive.store.get(key)
    archive.store.put(key, data[:-1] + b" ")  # as long as before
    assert fingerprint_of(archive.store.head(key)) != was


def test_days_and_parts_come_back_as_written(tmp_path):
    store = Store.open(tmp_path)
    part = Part(id="x", members=MEMBERS, files={})
    for day in ("2026-11-02", "2026-11-01"):
        store.put(day_key(day), msgspec.json.encode(Day([part])))
    assert ledger_days(store) == ["2026-11-01", "2026-11-02"]
    assert read_day(store, "2026-11-01").parts == [part]
    assert read_day(store, "2026-11-03").parts == []
    store.put(day_key("2026-11-01"), b"{")
    assert read_day(store, "2026-11-01").parts == []
    assert read_built(store, "x") is None


def test_a_place_that_is_free_or_ours(tmp_path):
    store = Store.open(tmp_path)
    assert open_dataset(store, *WANTED) is None
    put(store)
    found = open_dataset(store, *WANTED)
    assert found is not None
    assert found.columns == {"events": ["time"]}
    assert open_dataset(store, "a", None) == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"archive_id": "b"}, "another archive"),
        ({"file_format": "jsonl"}, "is jsonl, not parquet"),
        ({"format_version": DATASET_VERSION + 1}, "Upgrade replayport"),
        ({"format": "delta"}, "'delta'"),
    ],
)
def test_a_place_that_is_somebody_elses(tmp_path, changes, message):
    store = Store.open(tmp_path)
    put(store, **changes)
    with pytest.raises(DatasetError, match=message):
        open_dataset(store, *WANTED)


def test_an_archive_and_a_damaged_file_are_refused(tmp_path):
    store = Store.open(tmp_path)
    store.put(DATASET_FILE, b"[")
    with pytest.raises(DatasetError, match="does not parse"):
        open_dataset(store, *WANTED)
    store.put("archive.json", b"{}")
    with pytest.raises(DatasetError, match="is an archive"):
        open_dataset(store, *WANTED)
