from __future__ import annotations

import zipfile

import pytest
from tests.cli.command import run, run_json
from tests.support.erasing import ANNA, fill, fill_inbox, marks_in

from replayport.archive import Archive
from replayport.capture.erase import inbox_name
from replayport.capture.inbox import Inbox
from replayport.erasure_plan import INBOXES


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


def test_what_a_server_is_receiving_is_in_it(path, tmp_path):
    out = tmp_path / "anna.zip"
    with Archive.open(path) as archive, Inbox.open(path / "inbox") as inbox:  # as `serve` has them
        fill_inbox(inbox)
        for name in (inbox_name(inbox.folder), "elsewhere"):
            archive.store.put(f"{INBOXES}{name}.json", b"{}")
        done = run_json("subject-access", "--person", ANNA, "-o", out, "--archive", path)
        assert "shop/annas-unsealed-visit" in done["recordings"]
        assert done["inboxes_not_looked_at"] == ["elsewhere"]
        again = run("subject-access", "--person", ANNA, "-o", out, "--archive", path, "--inbox", tmp_path / "none")  # fmt: skip
        assert again.exit_code == 0
        assert "another server" in again.stderr
    # A file made of what was not sealed goes with the person as well.
    run_json("erase", "--person", ANNA, "--yes", "--skip-inbox", "elsewhere", "--archive", path)
    assert not out.exists()


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
