"""`verify` names each kind of damage with its own code."""

from __future__ import annotations

import msgspec
import pytest
from tests.support.builders import draft

from replayport.archive import NEXT_MANIFEST_FILE, Archive
from replayport.format.schema import EVENTS_FILE, MANIFEST_FILE
from replayport.format.verify import PROBLEM_MEANINGS
from replayport.verifying import verify_archive


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        for n in range(3):
            archive.write(draft(session_id=f"s-{n}"))
        yield archive


def codes(archive, ids=None):
    checked, problems = verify_archive(archive, ids)
    for problem in problems:
        assert problem.code in PROBLEM_MEANINGS
        assert problem.detail
    return checked, sorted(p.code for p in problems)


def test_a_sound_archive(archive):
    assert codes(archive) == (3, [])
    assert codes(archive, ["s-1"]) == (1, [])


def test_a_changed_file(archive):
    prefix = archive.row("s-1").key_prefix
    archive.store.put(f"{prefix}/{EVENTS_FILE}", b"PAR1")
    assert codes(archive) == (3, ["file_damaged"])


def test_a_count_that_differs(archive):
    recording = archive.recording("s-1")
    wrong = msgspec.structs.replace(recording.manifest, events=99)
    archive.store.put(f"{recording.prefix}/{MANIFEST_FILE}", wrong.to_bytes())
    assert codes(archive) == (3, ["count_differs"])


def test_a_broken_manifest(archive):
    prefix = archive.row("s-1").key_prefix
    archive.store.put(f"{prefix}/{MANIFEST_FILE}", b"{")
    assert codes(archive) == (3, ["manifest_unreadable"])


def test_a_moved_folder(archive):
    recording = archive.recording("s-1")
    for name in (EVENTS_FILE, MANIFEST_FILE):
        archive.store.put(
            f"recordings/p/1999/01/01/s-1/{name}", archive.store.get(f"{recording.prefix}/{name}")
        )
    assert codes(archive) == (4, ["path_differs"])


def test_orphans_are_named(archive):
    archive.store.put("recordings/p/2020/01/01/lost/events.parquet", b"x")
    assert codes(archive) == (3, ["orphan"])


def test_an_interrupted_rewrite_is_finished(archive):
    recording = archive.recording("s-1")
    better = msgspec.structs.replace(recording.manifest, provenance={"note": "new"})
    archive.store.put(f"{recording.prefix}/{NEXT_MANIFEST_FILE}", better.to_bytes())
    assert codes(archive) == (3, ["unfinished_rewrite"])
    assert archive.recording("s-1").manifest == better
    assert codes(archive) == (3, [])


def test_a_rewrite_cut_between_its_files_is_finished(archive):
    more = [{"timestamp_ms": 1, "event": "e", "properties": "{}"}]
    recording = archive.recording("s-1")
    archive.write(draft(session_id="s-other", analytics=more))
    other = archive.recording("s-other")
    new = msgspec.structs.replace(other.manifest, id="s-1", session_id="s-1")
    for name in new.files:
        archive.store.put(f"{recording.prefix}/{name}.next", other.file(name))
    archive.store.put(f"{recording.prefix}/{NEXT_MANIFEST_FILE}", new.to_bytes())
    assert codes(archive) == (4, ["unfinished_rewrite"])
    assert archive.recording("s-1").manifest == new
    assert codes(archive) == (4, [])
    assert not [i.key for i in archive.store.list("recordings/") if i.key.endswith(".next")]


def test_a_rewrite_that_had_not_begun_leaves_the_old_recording(archive):
    recording = archive.recording("s-1")
    archive.store.put(f"{recording.prefix}/{EVENTS_FILE}.next", b"half")
    assert codes(archive) == (3, [])
    assert archive.recording("s-1").manifest == recording.manifest
