"""``replayport sql``: answers, forms, and what it says of a query that is none."""

from __future__ import annotations

import csv
import io

import pytest
from tests.cli.command import run, run_json
from tests.support.builders import draft

from replayport.archive import Archive

pytest.importorskip("duckdb")

CLICKS = "SELECT recording_id, count(*) AS clicks FROM events WHERE kind = 'click' GROUP BY ALL"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("sql") / "a"
    with Archive.open(made, create=True) as archive:
        for n in range(2):
            archive.write(draft(session_id=f"s-{n}"))
    return made


def test_json_is_one_object_a_row(folder):
    rows = run_json("sql", f"{CLICKS} ORDER BY 1", "--archive", folder)
    assert rows == [{"recording_id": f"s-{n}", "clicks": 2} for n in range(2)]


def test_values_that_json_has_not(folder):
    [row] = run_json(
        "sql",
        "SELECT min(time) AS t, NULL AS n, [1, 2] AS l, 1.5::DECIMAL(4,2) AS d FROM events",
        "--archive",
        folder,
    )
    assert row == {"t": "2026-09-21T14:13:20Z", "n": None, "l": [1, 2], "d": "1.50"}


def test_csv_and_a_table_for_people(folder):
    result = run("sql", "SELECT '=1+1' AS a, NULL AS b", "--csv", "--archive", folder)
    assert list(csv.reader(io.StringIO(result.stdout))) == [["a", "b"], ["'=1+1", ""]]
    shown = run("sql", CLICKS, "--archive", folder)
    assert shown.stdout.split()[:2] == ["recording_id", "clicks"]
    many = run("sql", "SELECT * FROM range(300)", "--archive", folder)
    assert "and 100 more rows" in many.stdout


def test_a_query_that_is_none_is_an_error_not_a_trace(folder):
    result = run("sql", "SELECT nothing FROM nowhere", "--archive", folder)
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
    assert run("sql", CLICKS, "--csv", "--json", "--archive", folder).exit_code == 2
