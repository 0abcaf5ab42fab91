from __future__ import annotations

import zipfile

import pytest
from tests.cli.command import run, run_json
from tests.support.erasing import ANNA, fill, marks_in

from replayport.archive import Archive


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with Archive.open(tmp_path / "a", create=True) as archive:
        fill(archive, tmp_path / "outside")
    return tmp_path / "a"


def test_a_file_for_its_owner_only_that_erasure_finds_again(path, tmp_path):
    out = tmp_path / "anna.zip"
    done = run_json("subject-access", "--person", ANNA, "-o", out, "--archive", path)
    assert len(done["recordings"]) == 3
    assert out.stat().st_mode & 0o77 == 0
    assert zipfile.ZipFile(out).testzip() is None
    assert run_json("audit", "--archive", path)[-1]["action"] == "subject.access"
    run_json("erase", "--person", ANNA, "--yes", "--block-later", "--archive", path)
    assert not out.exists()
    assert marks_in(path) == []


def test_wrong_calls_and_nobody(path, tmp_path):
    out = tmp_path / "x.zip"
    assert run("subject-access", "-o", out, "--archive", path).exit_code == 2
    said = run("subject-access", "--distinct-id", "nobody", "-o", out, "--archive", path)
    assert said.exit_code == 1
    assert not out.exists()
    assert list(tmp_path.glob(".replayport-*")) == []


def test_a_visit_that_does_not_read_makes_it_fail_after_writing(path, tmp_path):
    with Archive.open(path) as archive:
        prefix = archive.row("annas-first-visit").key_prefix
        archive.store.put(f"{prefix}/events.parquet", b"PAR1")
    out = tmp_path / "x.zip"
    said = run("subject-access", "--distinct-id", ANNA, "-o", out, "--archive", path)
    assert said.exit_code == 1
    assert out.exists()
    assert "unreadable" in said.stderr
