"""The benchmarks run and measure what they say; how fast is not asked."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from replayport.analysing import Task, analyse, where
from replayport.analysis.profiles import profile
from replayport.archive import Archive

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.append(str(BENCH))

import common  # noqa: E402 - the scripts are no package
import inputs  # noqa: E402


@pytest.fixture(autouse=True)
def no_corpus(monkeypatch, tmp_path):
    monkeypatch.setenv("REPLAYPORT_CORPUS", str(tmp_path / "none"))
    inputs.corpus_inputs.cache_clear()
    yield
    inputs.corpus_inputs.cache_clear()


def run(script: str, results: Path, *arguments: str) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, str(BENCH / f"{script}.py"), "--results", str(results), *arguments],
        env={**os.environ, **common.ROOT_ENV},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = (results / f"{script}.csv").read_text()
    assert str(BENCH.parent) not in text
    return list(csv.DictReader(text.splitlines()))


def test_inputs_are_the_same_every_time():
    first = [i.sha256 for i in inputs.demo_inputs()]
    inputs.demo_inputs.cache_clear()
    assert [i.sha256 for i in inputs.demo_inputs()] == first
    assert list(inputs.synthetic_lines(300_000)) == list(inputs.synthetic_lines(300_000))


def test_inputs_are_whole_recordings():
    index = json.loads((inputs.DEMO_RECORDINGS / "index.json").read_text())
    expected = {f"demo/{r['name']}": r["events"] for r in index["recordings"]}
    assert {i.name: i.events for i in inputs.demo_inputs()} == expected


def test_synthetic_recordings_decode_in_one_window_or_several():
    several = inputs.decode_lines(inputs.synthetic_lines(3_000_000))
    one = inputs.decode_lines(inputs.synthetic_lines(3_000_000, one_window=True))
    assert not several.rejected
    assert not one.rejected
    assert len(one.columns.windows.values) == 1 < len(several.columns.windows.values)
    assert len(one.columns.data) >= 2_500_000


def test_replicas_have_ids_of_their_own():
    items = inputs.replicated(inputs.demo_inputs(), 5_000_000)
    assert len({session_id for session_id, _ in items}) == len(items)
    assert sum(i.decoded_bytes for _, i in items) >= 5_000_000


def test_decode_measures_every_variant(tmp_path):
    rows = run("decode", tmp_path, "--runs", "1", "--bytes", "1")
    assert {"floor", "columns", "parquet", "archive"} <= {r["variant"] for r in rows}
    assert {r["events"] for r in rows} == {str(sum(i.events for i in inputs.demo_inputs()))}
    assert all(float(r["cpu_seconds"]) > 0 for r in rows)


def test_size_is_measured_for_every_recording(tmp_path):
    rows = run("size", tmp_path)
    assert [r["input"] for r in rows] == [i.name for i in inputs.demo_inputs()]
    for row in rows:
        assert 0 < int(row["events_compact"]) <= int(row["events"]) < int(row["folder"])


def test_features_are_measured_and_equal_nodes(tmp_path):
    rows = run("features", tmp_path, "--recordings", "3", "--bytes", "150000")
    variants = {r["variant"] for r in rows}
    assert {"read", "columns", "features", "signals", "elements"} <= variants
    assert all(float(r["cpu_seconds"]) > 0 for r in rows)


def test_memory_is_measured_for_everything(tmp_path):
    rows = run("memory", tmp_path, "--bytes", "400000", "--pulls", "1", "2")
    assert all(int(r["peak_bytes"]) > 0 for r in rows), rows
    notes = {(r["what"], r["of"]): r["note"] for r in rows}
    assert notes["import", "recording"] == "1 written, 0 rejected"
    assert notes["pull", "2 recordings"] == "2 written, 0 rejected"


def test_every_reader_of_a_dataset_counts_the_same_clicks(tmp_path, capsys):
    """Here, not in processes of their own: ten of them take half a minute to start."""
    import dataset

    archive, made = str(tmp_path / "archive"), str(tmp_path / "dataset")
    assert dataset.make_archive(tmp_path / "archive", 14) > 0
    ask = dataset.CHILDREN
    assert ask["build"](archive, made, "1") > 0
    assert ask["build"](archive, made, "1") == 0  # nothing new
    counted = {ask[n](archive) for n in ("events", "events_all", "sql", "duckdb_glob")}
    counted |= {
        ask["pandas_loop"](archive),
        ask["duckdb_dataset"](made),
        ask["polars_dataset"](made),
    }
    assert len(counted) == 1
    assert counted.pop() > 0
    assert ask["duckdb_signals"](made) > 0
    assert ask["duckdb_features"](made) == 14
    dataset.child("duckdb_dataset", 2, [made])
    runs = json.loads(capsys.readouterr().out)
    assert len(runs) == 2
    assert all(r["peak_bytes"] > 0 and float(r["seconds"]) > 0 for r in runs)


def test_catalog_asks_every_question_of_its_database(tmp_path):
    rows = run("catalog", tmp_path, "--rows", "300", "--repeat", "1", "--only", "sqlite")
    import catalog

    asked = {r["question"]: int(r["found"]) for r in rows}
    assert asked.keys() == {*catalog.QUESTIONS, "scan"}
    assert asked["first page"] == asked["everyday word"] == 50
    assert asked["rare word"] == 0  # its recording is not among so few
    assert asked["no such word"] == asked["address contains, none"] == 0


def test_visits_are_recordings_whose_faults_show_and_whose_oddities_are_found(tmp_path):
    import visits

    made = visits.make_archive(tmp_path / "a", 150)
    assert [m.draft.session_id for m in visits.visits(10)] == [
        m.draft.session_id for m in made[:10]
    ]
    assert {m.oddity for m in made} == {"", *visits.ODDITIES}
    assert {m.fault for m in made} >= {"", "dead-button", "slow-api", "hidden-error"}
    assert not sum(m.draft.rejected.total() for m in made)
    with Archive.open(tmp_path / "a") as archive:
        task = Task((profile("replayport-1"),), features=True)
        found = list(analyse(archive, where(archive, None), task, workers=1))
    by_id = {one.id: one for one in found}
    kinds = {"dead-button": "dead_click", "slow-api": "slow_response"}
    for fault, kind in kinds.items():
        of = [by_id[m.draft.session_id] for m in made if m.fault == fault and not m.oddity]
        of = [one for one in of if not one.findings["no_pointer_data"]]  # fingers: other kinds
        assert of
        share = sum(bool(one.detected[0].counts()[kind]) for one in of) / len(of)
        assert share > 0.7, fault
    for one in made:
        errors = by_id[one.draft.session_id].features["console_error_count"]
        assert bool(errors) == (one.fault == "hidden-error")
    codes = {
        "no-snapshot": "no_full_snapshot",
        "clock-back": "clock_jump",
        "unknown-nodes": "unknown_nodes",
        "no-pointer": "no_pointer_data",
    }
    for one in made:
        if code := codes.get(one.oddity):
            assert by_id[one.draft.session_id].findings[code], one.oddity


def test_the_walk_runs_commands_and_its_readers_agree(tmp_path):
    rows = run("walk", tmp_path, "--recordings", "4", "--steps", "dataset,duckdb,polars")
    said = {r["what"]: r["said"] for r in rows}
    assert said["dataset, stopped and continued"].endswith("rows")
    assert said["dataset again"] == "0 files written"
    assert said["dataset read by DuckDB"] == said["dataset read by Polars"]
