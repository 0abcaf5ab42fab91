"""``replayport dataset``."""

from __future__ import annotations

from tests.cli.command import run, run_json
from tests.support.builders import draft

from replayport.archive import Archive
from replayport.testing import BigQueryFault, FakeBigQuery, serve


def make(folder):
    with Archive.open(folder, create=True) as archive:
        for i in range(3):
            archive.write(draft(session_id=f"s-{i}"))
    return folder


def test_files(tmp_path):
    archive = make(tmp_path / "a")
    call = ("dataset", "--to", tmp_path / "d", "--archive", archive, "--workers", 1)
    report = run_json(*call, "--tables", "events, console")
    assert (report["recordings"], report["added"], report["rejected"]) == (3, 3, [])
    assert report["rows"] == {"console": 3, "events": 24}
    assert report["to"].endswith("/d")
    again = run(*call)
    assert again.exit_code == 0
    assert "0 added, 0 changed, 0 removed, 3 as they were" in again.output


def test_a_range(tmp_path):
    archive = make(tmp_path / "a")
    call = ("dataset", "--to", tmp_path / "d", "--archive", archive, "--format", "jsonl")
    assert run_json(*call, "--until", "2020-01-01")["recordings"] == 0
    assert run_json(*call, "--since", "2020-01-01")["recordings"] == 3


def test_damaged_recordings_are_named_and_it_leaves_with_1(tmp_path):
    folder = make(tmp_path / "a")
    with Archive.open(folder) as archive:
        path = archive.store.local_path(f"{archive.recording('s-1').prefix}/events.parquet")
        path.write_bytes(path.read_bytes()[:-20])
    report = run_json("dataset", "--to", tmp_path / "d", "--archive", folder, code=1)
    [rejected] = report["rejected"]
    assert (rejected["what"], rejected["reason"]) == ("p/s-1", "damaged")
    assert report["recordings"] == 2
    shown = run("dataset", "--to", tmp_path / "e", "--archive", folder)
    assert shown.exit_code == 1
    assert "damaged p/s-1" in shown.output


def test_wrong_calls(tmp_path):
    archive = make(tmp_path / "a")
    wrong = (
        ("--tables", "nope"),
        ("--tables", ","),
        ("--format", "csv"),
        ("--since", "yesterday"),
        ("--workers", "-1"),
    )
    for options in wrong:
        result = run("dataset", "--to", tmp_path / "d", "--archive", archive, *options)
        assert result.exit_code == 2, options
    assert run("dataset", "--archive", archive).exit_code == 2
    inside = run("dataset", "--to", archive / "d", "--archive", archive)
    assert inside.exit_code == 1
    assert "hold each other" in inside.output


def test_bigquery(tmp_path, monkeypatch):
    archive = make(tmp_path / "a")
    fake = FakeBigQuery("p")
    to = ("--to", "bigquery://p/replays", "--archive", archive)
    with serve(fake) as url:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", url)
        report = run_json("dataset", *to, "--tables", "events")
        assert report["recordings"] == 3
        assert len(fake.rows("replays.events")) == 24
        assert run("dataset", *to, "--format", "jsonl").exit_code == 2
        fake.faults.append(BigQueryFault("POST", "/datasets", 403, "accessDenied"))
        refused = run("dataset", *to)
        assert refused.exit_code == 1
        assert "BigQuery Data Editor" in refused.output
