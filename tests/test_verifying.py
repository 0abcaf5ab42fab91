"""A whole archive checked: what is wrong is named, wherever it is."""

from __future__ import annotations

import pytest
from tests.support.builders import draft, visit

from replayport.archive import Archive
from replayport.errors import RecordingNotFoundError
from replayport.format.verify import PROBLEM_MEANINGS
from replayport.verifying import verify_archive


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        for n in range(3):
            archive.write(draft(visit()[: n + 2], session_id=f"s-{n}"))
        yield archive


def folder(archive, name):
    return archive.store.local_path(archive.row(name).key_prefix)


def codes(archive, ids=None):
    found = verify_archive(archive, ids)[1]
    assert {p.code for p in found} <= PROBLEM_MEANINGS.keys()
    return [(p.what.rsplit("/", 1)[-1], p.code) for p in found]


def test_a_sound_one(archive):
    seen = []
    assert verify_archive(archive, on_recording=seen.append) == (3, [])
    assert sorted(seen) == ["s-0", "s-1", "s-2"]
    assert verify_archive(archive, ["s-1"]) == (1, [])


def test_unknown_ids_are_an_error(archive):
    with pytest.raises(RecordingNotFoundError):
        verify_archive(archive, ["none"])


def test_recordings_the_catalog_does_not_know_are_checked_too(archive):
    archive.catalog.clear()
    assert verify_archive(archive)[0] == 3


def test_what_can_be_wrong(archive):
    (folder(archive, "s-0") / "events.parquet").write_bytes(b"x")
    (folder(archive, "s-1") / "manifest.json").write_bytes(b"{")
    assert sorted(codes(archive)) == [("s-0", "file_damaged"), ("s-1", "manifest_unreadable")]
    (folder(archive, "s-2") / "manifest.json").unlink()
    assert ("s-2", "orphan") in codes(archive)


def test_an_interrupted_rewrite_is_finished(archive):
    place = folder(archive, "s-0")
    manifest = (place / "manifest.json").read_bytes()
    (place / "manifest.next.json").write_bytes(manifest)
    assert codes(archive) == [("s-0", "unfinished_rewrite")]
    assert codes(archive) == []


def test_an_interrupted_rewrite_that_does_not_read_hides_nothing(archive):
    (folder(archive, "s-0") / "manifest.next.json").write_bytes(b"{")
    (folder(archive, "s-2") / "events.parquet").unlink()
    found = codes(archive)
    assert ("s-0", "unfinished_rewrite") in found
    assert ("s-2", "file_damaged") in found
