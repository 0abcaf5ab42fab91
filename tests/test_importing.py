"""Many files, some bad: the good ones are stored, the bad ones are named."""

from __future__ import annotations

import pytest
from tests.support.builders import visit
from tests.support.erasing import eraser
from tests.support.files import FORMS, compact, wire_body

from replayport.archive import Archive
from replayport.errors import CatalogError, StoreError
from replayport.importing import import_paths
from replayport.outcomes import RejectReason
from replayport.surveying import Scope
from replayport.verifying import verify_archive


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "1.json").write_bytes(compact(visit()))
    (folder / "2.json").write_bytes(b"no recording")
    (folder / "3.jsonl").write_bytes(FORMS["ui-export-2023"].make())
    return folder


def test_good_and_bad(archive, folder):
    seen = []
    report = import_paths([folder, folder / "none"], archive, on_file=seen.append)
    assert len(report.written) == 2
    assert [(r.what, r.reason) for r in report.rejected] == [
        (str(folder / "2.json"), RejectReason.UNKNOWN_FORMAT),
        (str(folder / "none"), RejectReason.UNREADABLE),
    ]
    assert seen == [str(folder / n) for n in ("1.json", "2.json", "3.jsonl", "none")]
    assert not report.ok
    assert verify_archive(archive) == (2, [])


def test_twice_is_once(archive, folder):
    first = import_paths([folder], archive)
    second = import_paths([folder], archive)
    assert second.written == []
    assert second.already_there == first.written
    assert import_paths([folder], archive, replace=True).written == first.written
    assert archive.catalog.count() == 2


def test_one_file_twice_in_one_call(archive, folder):
    report = import_paths([folder / "1.json", folder / "1.json"], archive)
    assert (len(report.written), len(report.already_there)) == (1, 1)


def test_a_file_of_several_sessions(archive, tmp_path):
    bodies = [wire_body(visit(), session_id=f"s-{n}") for n in range(3)]
    (tmp_path / "x").write_bytes(b"\n".join([*bodies, b"cut"]))
    report = import_paths([tmp_path / "x"], archive, project="shop")
    assert report.written == ["s-0", "s-1", "s-2"]
    assert {r.manifest.project for r in archive.recordings()} == {"shop"}


@pytest.mark.parametrize(
    "error",
    [
        StoreError("no space left", location="x", operation="put"),
        CatalogError("database is locked"),
    ],
)
def test_a_failing_archive_is_a_reason_for_each_file(archive, folder, monkeypatch, error):
    real = archive.write
    calls = []

    def write(draft, **options):
        calls.append(draft)
        if len(calls) == 1:
            raise error
        return real(draft, **options)

    monkeypatch.setattr(archive, "write", write)
    report = import_paths([folder], archive)
    assert len(report.written) == 1
    reasons = [r.reason for r in report.rejected]
    assert reasons == [RejectReason.STORE_FAILED, RejectReason.UNKNOWN_FORMAT]


def test_too_large_is_named(archive, folder):
    report = import_paths([folder / "1.json"], archive, max_recording_bytes=200)
    assert report.rejected[0].reason == RejectReason.TOO_LARGE


def test_hostile_session_ids_stay_inside(archive, tmp_path):
    hostile = compact({"session_secure_id": "../../evil", "events": {"events": visit()}})
    (tmp_path / "x").write_bytes(hostile)
    report = import_paths([tmp_path / "x"], archive, project="../up")
    assert report.ok
    (recording,) = archive.recordings()
    assert recording.manifest.session_id == "../../evil"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "x"]


def test_an_erased_recording_is_kept_out_and_the_others_of_its_file_are_not(archive, tmp_path):
    def late(n):
        return [{**e, "timestamp": e["timestamp"] + n * 86_400_017} for e in visit()]

    bodies = [wire_body(late(n), session_id=f"s-{n}") for n in range(3)]
    path = tmp_path / "bodies"
    path.write_bytes(b"\n".join(bodies))
    written = import_paths([path], archive).written
    assert len(written) == 3
    gone = written[1]
    one = eraser(archive, tmp_path)
    one.run(one.plan(Scope("recording", gone)))
    report = import_paths([path], archive)
    assert [r.reason for r in report.rejected] == [RejectReason.ERASED]
    assert report.ok
    assert report.already_there == [written[0], written[2]]
    renamed = tmp_path / "elsewhere.json"
    renamed.write_bytes(compact(late(1)))
    assert [r.reason for r in import_paths([renamed], archive).rejected] == [RejectReason.ERASED]
