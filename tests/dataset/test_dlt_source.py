"""The dlt source, with dlt's own DuckDB destination."""

from __future__ import annotations

import builtins

import duckdb
import pytest
from tests.dataset.conftest import add

from replayport.errors import MissingExtraError
from replayport.format.tables import TABLES

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.chdir(tmp_path)
    import dlt

    destination = dlt.destinations.duckdb(str(tmp_path / "warehouse.duckdb"))
    return dlt.pipeline(
        "replays",
        destination=destination,
        dataset_name="replays",
        pipelines_dir=str(tmp_path / "pipelines"),
    )


def ask(tmp_path, query):
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        return connection.sql(query).fetchall()


def test_what_is_new_since_the_last_run_and_nothing_twice(archive, pipeline, tmp_path):
    from replayport.dataset.dlt_source import replayport_source

    url = str(tmp_path / "archive")
    pipeline.run(replayport_source(url))
    for name, table in TABLES.items():
        wanted = archive.scan(name).num_rows
        if wanted:
            assert ask(tmp_path, f"SELECT count(*) FROM replays.{name}") == [(wanted,)]
            columns = {r[0] for r in ask(tmp_path, f"DESCRIBE replays.{name}")}
            assert set(table.schema.names) <= columns
    assert "no" in str(pipeline.run(replayport_source(url))).lower()
    add(archive, "s-0", day=0, project="p0")  # again, later
    add(archive, "new", day=4)
    pipeline.run(replayport_source(url))
    assert ask(tmp_path, "SELECT count(*), count(DISTINCT recording_id) FROM replays.events") == [
        (80, 10)
    ]
    assert ask(tmp_path, "SELECT count(*) FROM replays.recordings") == [(10,)]
    archive.delete("s-0")
    pipeline.run(replayport_source(url, full=True, tables=["recordings", "events"]))
    assert ask(tmp_path, "SELECT count(*) FROM replays.events WHERE recording_id = 's-0'") == [(0,)]
    assert ask(tmp_path, "SELECT count(*) FROM replays.events") == [(72,)]


def test_columns_are_described(archive, tmp_path):
    from replayport.dataset.dlt_source import replayport_source

    source = replayport_source(str(tmp_path / "archive"), tables=["console"])
    assert set(source.resources) == {"recordings", "console"}
    columns = source.resources["console"].columns
    assert columns["severity"]["description"] == "error, warn or info, as PostHog counts."


def test_without_dlt(monkeypatch):
    from replayport.dataset.dlt_source import replayport_source

    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "dlt":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError, match=r"replayport\[dlt\]"):
        replayport_source("x")
