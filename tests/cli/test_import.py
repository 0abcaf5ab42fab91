"""``replayport import``: its report, its exit code, and names that are hostile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.command import process, run, run_json
from tests.support.builders import START_MS, click, visit
from tests.support.files import FORMS, compact


@pytest.fixture
def url(tmp_path):
    return tmp_path / "archive"


def test_the_report(url, tmp_path):
    (tmp_path / "good.json").write_bytes(compact(visit()))
    (tmp_path / "bad.json").write_bytes(b"no recording")
    args = ("import", tmp_path / "good.json", tmp_path / "bad.json", "--archive", url)
    report = run_json(*args, code=1)
    assert {"written", "already_there", "rejected", "findings"} <= report.keys()
    (written,) = report["written"]
    assert report["already_there"] == []
    (rejected,) = report["rejected"]
    assert rejected.keys() == {"what", "reason", "detail"}
    assert (rejected["what"], rejected["reason"]) == (str(tmp_path / "bad.json"), "unknown_format")
    again = run_json(*args, code=1)
    assert (again["written"], again["already_there"]) == ([], [written])


def test_findings_are_listed(url, tmp_path):
    (tmp_path / "x.json").write_bytes(compact([click(1), click(1)]))
    report = run_json("import", tmp_path / "x.json", "--archive", url)
    codes = {f["code"]: f for f in report["findings"]}
    assert codes["no_full_snapshot"]["count"] == 1
    assert codes["duplicate_event"]["detail"]


def test_the_same_session_again_and_by_force(url, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(FORMS["ui-export-2023"].make())
    (one,) = run_json("import", path, "--archive", url)["written"]
    assert run_json("import", path, "--archive", url)["already_there"] == [one]
    assert run_json("import", path, "--force", "--archive", url)["written"] == [one]
    assert len(run_json("list", "--archive", url)) == 1


def test_for_people(url, tmp_path):
    (tmp_path / "x.json").write_bytes(compact([*visit(), {"type": 9}]))
    result = run("import", tmp_path / "x.json", tmp_path / "missing", "--archive", url)
    assert result.exit_code == 1
    assert "1  written" in result.stdout
    assert "rejected_events" in result.stdout
    assert "unreadable" in result.stderr
    assert "permissions" in result.stderr  # the remedy


def test_a_limit_from_the_settings(url, tmp_path, monkeypatch):
    (tmp_path / "x.json").write_bytes(compact(visit()))
    monkeypatch.setenv("REPLAYPORT_MAX_RECORDING_BYTES", "100")
    report = run_json("import", tmp_path / "x.json", "--archive", url, code=1)
    assert report["rejected"][0]["reason"] == "too_large"


@pytest.mark.parametrize("as_json", [False, True])
def test_hostile_file_names_reach_no_terminal(url, tmp_path, as_json):
    name = b"a\x1b]0;owned\x07\x9b31m\n[red]x[red]:warning:\xe2\x80\xae\xff"
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    path.write_bytes(b"no recording")
    running = process("import", path, "--archive", url, *(["--json"] if as_json else []))
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 1
    shown = (stdout + stderr).decode("utf-8")
    for forbidden in ("\x1b", "\x07", "\x9b", "\u202e", "\udcff"):
        assert forbidden not in shown
    assert "[red]x[red]:warning:" in shown
    assert "Traceback" not in shown


def test_bodies_of_a_file_with_a_time_of_its_own(url, tmp_path):
    (tmp_path / "x.json").write_bytes(compact([{**click(0), "timestamp": START_MS + 0.25}]))
    (one,) = run_json("import", tmp_path / "x.json", "--archive", url)["written"]
    assert run_json("show", one, "--archive", url)["start_ms"] == START_MS
