"""An archive: written once, found again, rewritten safely, by several at once."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sqlite3

import pytest
from tests.support.builders import START_MS, click, draft, visit

from replayport import archive as archive_module
from replayport.archive import ARCHIVE_FILE, NEXT_MANIFEST_FILE, Archive
from replayport.errors import (
    AmbiguousRecordingError,
    ArchiveError,
    CatalogError,
    FormatVersionError,
    RecordingNotFoundError,
)
from replayport.format.schema import EVENTS_FILE, MANIFEST_FILE, SMALL_COMPACT_LEVEL
from replayport.recording import recording_prefix, safe_id, safe_project
from replayport.verifying import verify_archive


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive


def test_the_layout_is_the_documented_one(archive, tmp_path):
    archive.write(draft(session_id="abc", project="shop"))
    files = {str(p.relative_to(tmp_path / "a")) for p in (tmp_path / "a").rglob("*") if p.is_file()}
    day = "recordings/shop/2026/09/21/abc"
    assert {ARCHIVE_FILE, f"{day}/{MANIFEST_FILE}", f"{day}/{EVENTS_FILE}"} <= files
    assert json.loads((tmp_path / "a" / ARCHIVE_FILE).read_text())["format"] == "replayport-archive"


def test_written_once(archive):
    assert archive.write(draft()).written
    first = archive.recording("s-1").file(EVENTS_FILE)
    assert not archive.write(draft([click(1)])).written
    assert archive.recording("s-1").file(EVENTS_FILE) == first


def test_replace_moves_to_another_day_and_leaves_nothing(archive):
    archive.write(draft(analytics=[{"timestamp_ms": 1, "event": "e", "properties": "{}"}]))
    old = archive.row("s-1").key_prefix
    late = [{**e, "timestamp": e["timestamp"] + 86_400_000 * 3} for e in visit()]
    archive.write(draft(late), replace=True)
    assert archive.row("s-1").key_prefix != old
    assert list(archive.store.list(f"{old}/")) == []
    assert archive.catalog.count() == 1
    assert verify_archive(archive) == (1, [])


def test_replace_in_place_drops_files_that_are_gone(archive):
    archive.write(draft(analytics=[{"timestamp_ms": 1, "event": "e", "properties": "{}"}]))
    archive.write(draft(), replace=True)
    names = {i.key.rsplit("/", 1)[-1] for i in archive.store.list("recordings/")}
    assert names == {EVENTS_FILE, MANIFEST_FILE}
    assert verify_archive(archive) == (1, [])


@pytest.mark.parametrize(
    "session_id",
    [
        "../../etc/passwd",
        "/abs",
        "a/b",
        "x" * 10_000,
        "",
        "..",
        "\0",
        "ünï",
        "a b",
        "-rf",
        "\ud800",
    ],
)
def test_hostile_session_ids_stay_inside(archive, session_id, tmp_path):
    written = archive.write(draft(session_id=session_id))
    assert archive.recording(written.id).manifest.session_id in (
        session_id,
        session_id.replace("\ud800", "\ufffd"),
    )
    assert len(written.id) <= 100
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert verify_archive(archive) == (1, [])


def test_safe_names():
    assert safe_id("01990a-b_C") == "01990a-b_C"
    assert safe_id("a/b") != safe_id("a-b")
    assert safe_project("team.1") == "team.1"
    assert safe_project("a..b") != "a..b"
    assert recording_prefix("p", "r", -5).startswith("recordings/p/1970/01/01/")
    assert recording_prefix("p", "r", 10**18).startswith("recordings/p/9999/12/31/")


def test_ids_shared_by_projects_are_told_apart(archive):
    archive.write(draft(project="one"))
    archive.write(draft(project="two"))
    with pytest.raises(AmbiguousRecordingError):
        archive.recording("s-1")
    assert archive.recording("two/s-1").manifest.project == "two"
    with pytest.raises(RecordingNotFoundError):
        archive.recording("three/s-1")


def test_reindex_makes_the_catalog_anew(archive, tmp_path):
    for n in range(5):
        archive.write(draft(session_id=f"s-{n}"))
    rows = list(archive.catalog.list())
    archive.catalog.clear()
    assert archive.reindex() == 5
    assert list(archive.catalog.list()) == rows
    archive.store.delete_prefix(f"{archive.row('s-2').key_prefix}/")
    assert archive.reindex() == 4
    assert not archive.has("p", "s-2")


def test_a_copied_folder_is_an_archive(archive, tmp_path):
    archive.write(draft())
    shutil.copytree(tmp_path / "a", tmp_path / "b", ignore=shutil.ignore_patterns("catalog*"))
    with Archive.open(tmp_path / "b") as copy:
        assert copy.recording("s-1").manifest == archive.recording("s-1").manifest


def test_compact_changes_no_event(archive):
    archive.write(draft(visit() + [click(300 + i) for i in range(500)]))
    before = list(archive.recording("s-1").events())
    was, now = archive.compact("s-1")
    assert now <= was
    assert list(archive.recording("s-1").events()) == before
    assert archive.compact("s-1") == (now, now)
    assert archive.recording("s-1").manifest.provenance["zstd_level"] == SMALL_COMPACT_LEVEL
    assert verify_archive(archive) == (1, [])


def test_delete_leaves_nothing(archive):
    archive.write(draft())
    archive.delete("s-1")
    assert list(archive.store.list("recordings/")) == []
    assert archive.catalog.count() == 0


def test_no_archive_there_is_said(tmp_path):
    with pytest.raises(ArchiveError, match="no archive"):
        Archive.open(tmp_path / "nothing")


def test_a_newer_archive_is_refused(archive, tmp_path):
    path = tmp_path / "a" / ARCHIVE_FILE
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "format_version": 99}))
    with pytest.raises(ArchiveError, match="Upgrade"):
        Archive.open(tmp_path / "a")


def test_a_newer_recording_is_refused(archive):
    archive.write(draft())
    key = f"{archive.row('s-1').key_prefix}/{MANIFEST_FILE}"
    info = json.loads(archive.store.get(key))
    archive.store.put(key, json.dumps({**info, "format_version": 99}).encode())
    with pytest.raises(FormatVersionError):
        archive.recording("s-1")


def test_unknown_manifest_fields_do_not_matter(archive):
    archive.write(draft())
    key = f"{archive.row('s-1').key_prefix}/{MANIFEST_FILE}"
    info = json.loads(archive.store.get(key))
    archive.store.put(key, json.dumps({**info, "from_the_future": [1]}).encode())
    assert archive.recording("s-1").manifest.events == len(visit())


ROWS = [{"timestamp_ms": 1, "event": "e", "properties": "{}"}]


def test_compact_does_not_undo_what_came_meanwhile(archive, monkeypatch):
    archive.write(draft())
    real = archive_module.reencode_events

    def slow(*args, **kwargs):
        archive.write(draft([*visit(), click(999)]), replace=True)
        return real(*args, **kwargs)

    monkeypatch.setattr(archive_module, "reencode_events", slow)
    was, now = archive.compact("s-1")
    assert was == now
    assert archive.recording("s-1").manifest.events == len(visit()) + 1


def test_a_live_writer_is_not_recovered_from_under(archive):
    archive.write(draft())
    prefix = archive.row("s-1").key_prefix
    manifest = archive.recording("s-1").manifest
    archive.store.put(f"{prefix}/{NEXT_MANIFEST_FILE}", manifest.to_bytes())
    with archive.store.lease("locks/p/s-1", ttl_s=60):
        assert not archive.recover(prefix)
        assert archive.store.exists(f"{prefix}/{NEXT_MANIFEST_FILE}")
    assert archive.recover(prefix)
    assert not archive.store.exists(f"{prefix}/{NEXT_MANIFEST_FILE}")


def test_an_archive_id_that_is_a_path_is_refused(archive, tmp_path):
    path = tmp_path / "a" / ARCHIVE_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "archive_id": "../../x"}))
    with pytest.raises(ArchiveError, match="UUID"):
        Archive.open(tmp_path / "a")


class Cut(BaseException):
    """Stands for a process that is killed."""


def test_killed_anywhere_while_writing_and_rewriting(tmp_path):
    """Stop before each store operation in turn; the archive is sound at every one."""
    n = 0
    while True:
        n += 1
        path = tmp_path / f"a{n}"
        with Archive.open(path, create=True) as archive:
            archive.write(draft(session_id="kept", analytics=ROWS))
            left = [n]

            def counting(real):
                def call(*args, **kwargs):
                    left[0] -= 1
                    if left[0] == 0:
                        raise Cut
                    return real(*args, **kwargs)

                return call

            more = [{"timestamp_ms": 2, "event": "late", "properties": "{}"}]
            for verb in ("put", "put_new", "delete"):
                setattr(archive.store, verb, counting(getattr(archive.store, verb)))
            done = False
            try:
                archive.write(draft(session_id="new"))
                archive.write(
                    draft([*visit(), click(999)], session_id="kept", analytics=[*ROWS, *more]),
                    replace=True,
                )
                done = True
            except Cut:
                pass
        with Archive.open(path) as again:
            again.reindex()
            _, problems = verify_archive(again)
            assert [p for p in problems if p.code not in ("orphan", "unfinished_rewrite")] == []
            assert again.recording("kept").manifest.events in (len(visit()), len(visit()) + 1)
            for recording in again.recordings():
                assert len(list(recording.events())) == recording.manifest.events
                assert recording.analytics().num_rows == recording.manifest.analytics_events
        if done:
            break
    assert n > 5


def _write_many(path, start):
    with Archive.open(path, create=True) as archive:
        for n in range(12):
            archive.write(draft(session_id=f"s-{(start + n) % 12}"))


def test_two_processes_writing_the_same_archive(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(tmp_path / "a", s)) for s in (0, 6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    with Archive.open(tmp_path / "a") as archive:
        assert archive.catalog.count() == 12
        assert verify_archive(archive) == (12, [])
        assert {r.manifest.start_ms for r in archive.recordings()} == {START_MS}


@pytest.fixture
def lying(tmp_path, monkeypatch):
    """Give an archive in a folder that says it cannot be written, as a mounted backup does."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "lying"
    with Archive.open(folder, create=True) as archive:
        for n in range(3):
            archive.write(draft(session_id=f"s-{n}"))
        archive.catalog.set_signals("p", "s-1", kinds=["rage_click"], frustration=0.5)
    monkeypatch.setattr("replayport.archive._is_writable", lambda _: False)
    return folder


def files_in(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_cannot_be_written_is_read_as_it_lies(lying, tmp_path):
    before = files_in(lying)
    with Archive.open(lying) as archive:
        assert sorted(r.id for r in archive.recordings()) == ["s-0", "s-1", "s-2"]
        assert archive.catalog.get("s-1", "p").signals == ["rage_click"]
        assert len(list(archive.recording("s-2").events())) > 0
        with pytest.raises(CatalogError, match="cannot be written"):
            archive.catalog.delete("p", "s-1")
    assert files_in(lying) == before
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("trouble", ["none", "damaged", "log", "older"])
def test_without_a_catalog_of_its_own_one_is_made_elsewhere(lying, tmp_path, trouble):
    path = lying / "catalog.sqlite"
    if trouble == "none":
        path.unlink()
    elif trouble == "damaged":
        path.write_bytes(b"no database")
    elif trouble == "log":  # somebody is writing, or died
        path.with_name(path.name + "-wal").write_bytes(b"x")
    else:
        with sqlite3.connect(path) as db:
            db.execute("UPDATE replayport_schema SET version = 1")
        db.close()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    before = files_in(lying)
    for _ in range(2):
        with Archive.open(lying) as archive:
            assert sorted(r.id for r in archive.recordings()) == ["s-0", "s-1", "s-2"]
    assert files_in(lying) == before
    assert list((tmp_path / "cache").rglob("*.sqlite"))
