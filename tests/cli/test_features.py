"""``replayport features``: rows, files, blocks."""

from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest
from tests.analysis.building import demo_draft, demo_recordings
from tests.cli.command import run, run_json
from tests.support.builders import draft

from replayport.archive import Archive


@pytest.fixture
def folder(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft(session_id="s-1", project="p"))
        recording = next(r for n, r in demo_recordings() if n == "frustrated")
        archive.write(demo_draft(recording))
    return tmp_path / "a"


def test_json_with_blocks(folder):
    rows = run_json("features", "--all", "--blocks", "--archive", folder)["features"]
    assert [(r["project"], r["scope"]) for r in rows] == [
        ("p", "recording"),
        ("demo", "recording"),
        ("demo", "blocks"),
    ]
    assert rows[1]["rage_click_count"] >= 4
    assert rows[1]["signal_rage_click"] == 2
    assert rows[1]["score"] > 0.5
    assert rows[0]["network_request_count"] is None


def test_csv_on_standard_output(folder):
    result = run("features", "s-1", "--csv", "--archive", folder)
    [row] = csv.DictReader(io.StringIO(result.stdout))
    assert row["click_count"] == "2"


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_files(folder, tmp_path, ending):
    out = tmp_path / f"f.{ending}"
    assert run("features", "--all", "-o", out, "--archive", folder).exit_code == 0
    assert out.stat().st_size
    if ending == "parquet":
        assert pq.read_table(out).num_rows == 2


def test_a_table_for_people(folder):
    result = run("features", "--all", "--archive", folder)
    assert "rage_click_count" in result.stdout
    assert "null" in result.stdout


def test_many_recordings_are_summed_up(folder):
    with Archive.open(folder) as archive:
        for n in range(8):
            archive.write(draft(session_id=f"more-{n}", project="p"))
    result = run("features", "--all", "--archive", folder)
    lines = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line}
    assert lines["click_count"][:3] == ["10", "2", "2"]
    assert float(lines["click_count"][4]) > 2
    assert lines["network_request_count"][0] == "1"  # only the demo's visit recorded it
    assert "10 rows, summed up" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--all", "-o", "x.xlsx"], ["--all", "--csv", "--json"], ["--all", "--profile", "x"], []],
)
def test_wrong_calls_leave_with_2(folder, arguments):
    assert run("features", *arguments, "--archive", folder).exit_code == 2
