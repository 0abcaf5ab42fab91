"""``replayport signals``: what it prints, how it continues, and wrong calls."""

from __future__ import annotations

import json

import pytest
from tests.analysis.building import shop_page, tap
from tests.cli.command import run, run_json
from tests.support.builders import draft, full_snapshot, meta

from replayport.archive import Archive


@pytest.fixture
def folder(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        chain = [tap(5000 + 200 * n, node=12) for n in range(4)]
        archive.write(draft(shop_page(*chain), session_id="s-rage", project="p"))
        archive.write(draft([meta(), full_snapshot()], session_id="s-calm", project="p"))
    return tmp_path / "a"


def test_json(folder):
    document = run_json("signals", "s-rage", "--archive", folder)
    [recording] = document["recordings"]
    [profile] = recording["profiles"]
    assert profile["profile"] == "replayport-1"
    assert profile["counts"]["rage_click"] == 1
    assert profile["counts"]["thrashed_cursor"] is None
    signal = next(s for s in profile["signals"] if s["kind"] == "rage_click")
    assert signal["element"] == 'the button "Add to bag"'
    assert signal["offset_ms"] == 5000
    assert document["failed"] == []


def test_a_table_for_people(folder):
    result = run("signals", "--all", "--archive", folder)
    assert result.exit_code == 0
    assert "clicked again and again" in result.stdout
    assert "1 of 2 recordings have signals: 1 dead_click, 1 rage_click" in result.stdout
    assert "s-calm" not in result.stdout
    assert "s-calm: no signals" in run("signals", "s-calm", "--archive", folder).stdout
    assert "no_network_data in 2 of 2" in result.stderr


def test_thresholds_and_kinds(folder):
    five = run_json("signals", "s-rage", "--archive", folder, "--set", "rage_click.clicks=5")
    [profile] = five["recordings"][0]["profiles"]
    assert profile["profile"] == "replayport-1+"
    assert profile["counts"]["rage_click"] == 0
    only = run_json("signals", "s-rage", "--archive", folder, "--kind", "dead_click")
    assert {s["kind"] for s in only["recordings"][0]["profiles"][0]["signals"]} == {"dead_click"}


def test_compare(folder):
    document = run_json("signals", "--all", "--compare", "--archive", folder)
    rage = document["kinds"]["rage_click"]
    assert rage["counts"]["highlight-8px"] == 0
    assert rage["counts"]["posthog-2026"] == 1
    assert any("highlight-8px" in d["not_by"] for d in document["disagreements"])
    table = run("signals", "--all", "--compare", "--archive", folder)
    assert "found by" in table.stdout


def test_lines_are_continued(folder, tmp_path):
    out = tmp_path / "signals.jsonl"
    assert run("signals", "s-rage", "-o", out, "--archive", folder).exit_code == 0
    with out.open("ab") as file:
        file.write(b'{"id": "s-ca')  # a run that was cut
    assert run("signals", "--all", "-o", out, "--archive", folder).exit_code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(r["id"] for r in rows) == ["s-calm", "s-rage"]
    again = run("signals", "--all", "-o", out, "--archive", folder)
    assert "2 recordings in" in again.stdout
    assert "2 of them from before" in again.stdout


@pytest.mark.parametrize(
    "content", [b"my notes\n", b"my notes", b'{"name": 1}\n', b'{"name": 1', b"[1]\n"]
)
def test_a_file_that_is_something_else_stays_as_it_is(folder, tmp_path, content):
    out = tmp_path / "notes.jsonl"
    out.write_bytes(content)
    result = run("signals", "--all", "-o", out, "--archive", folder)
    assert result.exit_code == 2
    assert "no file of signals" in result.stderr
    assert out.read_bytes() == content


def test_lines_found_by_other_rules_are_not_continued(folder, tmp_path):
    out = tmp_path / "signals.jsonl"
    assert run("signals", "s-rage", "-o", out, "--archive", folder).exit_code == 0
    before = out.read_bytes()
    for other in (["--profile", "posthog-2026"], ["--set", "rage_click.clicks=5"]):
        result = run("signals", "--all", "-o", out, "--archive", folder, *other)
        assert result.exit_code == 2
        assert "other profiles" in result.stderr
    assert run("signals", "--all", "--kind", "dead_click", "-o", out, "--archive", folder).exit_code
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["s-rage", "--all"],
        ["--all", "--profile", "nobody"],
        ["--all", "--set", "rage_click.radius=1"],
        ["--all", "--kind", "anger"],
        ["--all", "-o", "x.jsonl", "--json"],
        ["--all", "-o", "x.jsonl", "--compare"],
    ],
)
def test_wrong_calls_leave_with_2(folder, arguments):
    assert run("signals", *arguments, "--archive", folder).exit_code == 2


def test_a_damaged_recording_is_named_and_the_exit_is_1(folder):
    with Archive.open(folder) as archive:
        prefix = archive.row("s-calm").key_prefix
        archive.store.put(f"{prefix}/events.parquet", b"x")
    document = run_json("signals", "--all", "--archive", folder, code=1)
    assert [f["what"] for f in document["failed"]] == ["p/s-calm"]
    assert len(document["recordings"]) == 1
