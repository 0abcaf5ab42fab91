"""Datasets: the same whoever builds them, complete after any cut, without what is gone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest
from tests.dataset.conftest import DAY_MS, add
from tests.support.builders import START_MS

from replayport.archive import Archive
from replayport.dataset import DatasetError, build
from replayport.dataset.build import build_dataset, build_into, chosen_tables
from replayport.dataset.ledger import ledger_days, read_day
from replayport.format.tables import TABLES
from replayport.store import Store

SMALL = 5_000
"""Part size at which each day of the test archive is two parts."""


def tree(folder: Path) -> dict[str, str]:
    """Give the digest of every file."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def rows(folder: Path, table: str) -> list[tuple]:
    """Give a table's rows, as DuckDB reads them."""
    if not list(folder.glob(f"{table}/*/*.parquet")):
        return []
    columns = ", ".join(c for c in TABLES[table].schema.names if c != "time")
    path = str(folder).replace("'", "''")
    with duckdb.connect() as connection:
        return connection.sql(
            f"SELECT {columns} FROM '{path}/{table}/*/*.parquet' ORDER BY ALL"
        ).fetchall()


def expected(archive: Archive, table: str) -> list[tuple]:
    names = [c for c in TABLES[table].schema.names if c != "time"]
    with duckdb.connect() as connection:
        connection.register("scanned", archive.scan(table).select(names))
        return connection.sql("SELECT * FROM scanned ORDER BY ALL").fetchall()


def check(archive: Archive, folder: Path, tables: Iterable[str] = TABLES) -> None:
    """Every table holds what the archive holds, no file is nobody's."""
    for table in tables:
        assert rows(folder, table) == expected(archive, table), table
    store = Store.open(folder)
    known = {
        f"{table}/day={day}/part-{part.id}.parquet"
        for day in ledger_days(store)
        for part in read_day(store, day).parts
        for table, file in part.files.items()
        if file.rows
    }
    found = {str(p.relative_to(folder)) for p in folder.rglob("part-*")}
    assert found == known
    assert not list(folder.glob("_ledger/built/*"))


def test_every_row_once_in_partitions_of_days(archive, tmp_path):
    to = tmp_path / "it's a dataset"
    report = build_dataset(archive, to, workers=1, part_bytes=SMALL)
    check(archive, to)
    assert (report.recordings, report.added, report.ok) == (9, 9, True)
    assert report.rows == {name: archive.scan(name).num_rows for name in TABLES}
    assert report.rows["events"] == 72
    assert report.rows["actions"] >= 18
    assert report.rows["features"] == 9
    days = ["day=2026-09-21", "day=2026-09-22", "day=2026-09-23"]
    assert sorted(p.name for p in to.glob("events/*")) == days
    assert len(list(to.glob("events/day=2026-09-21/*"))) == 2


def test_read_by_pandas_polars_arrow_and_duckdb(archive, tmp_path):
    to = tmp_path / "d"
    build_dataset(archive, to, workers=1)
    assert len(pd.read_parquet(to / "events", filters=[("kind", "==", "click")])) == 18
    clicks = pl.scan_parquet(to / "events", hive_partitioning=True).filter(
        pl.col("kind") == "click"
    )
    assert clicks.select("recording_id", "day").collect().shape == (18, 2)
    arrow = ds.dataset(to / "events", partitioning="hive")
    assert arrow.count_rows(filter=ds.field("day") == "2026-09-22") == 24
    assert "time" in arrow.schema.names
    with duckdb.connect() as connection:
        day = connection.sql(
            f"SELECT count(*) FROM '{to}/events/*/*.parquet' WHERE day = '2026-09-22'"
        )
        assert day.fetchall() == [(24,)]


def test_building_again_writes_nothing(archive, tmp_path):
    to = tmp_path / "d"
    build_dataset(archive, to, workers=1, part_bytes=SMALL)
    before = tree(to)
    report = build_dataset(archive, to, workers=1, part_bytes=SMALL)
    assert (report.unchanged, report.files_written, report.files_deleted) == (9, 0, 0)
    assert tree(to) == before


def test_the_same_by_many_processes(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "SMALL_WORK_BYTES", 0)
    build_dataset(archive, tmp_path / "one", workers=1, part_bytes=SMALL)
    seen = []
    build_dataset(
        archive,
        tmp_path / "two",
        workers=2,
        part_bytes=SMALL,
        on_progress=lambda n, day: seen.append(n),
    )
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert sum(seen) == 9


def test_of_an_encrypted_archive(tmp_path):
    from replayport.encryption import KeyRing

    KeyRing.open(str(tmp_path / "ring"), create=True, now_ms=1)
    with Archive.open(tmp_path / "secret", create=True, key_ring=str(tmp_path / "ring")) as archive:
        for i in range(4):
            add(archive, f"s-{i}", day=i // 2)
        build_dataset(archive, tmp_path / "d", workers=2, part_bytes=1)
        check(archive, tmp_path / "d")
        assert archive.sql("SELECT count(*) FROM events").fetchall() == [(32,)]


def test_only_what_is_new_is_added(archive, tmp_path):
    to = tmp_path / "d"
    build_dataset(archive, to, workers=1, part_bytes=SMALL)
    before = tree(to)
    add(archive, "new", day=5)
    report = build_dataset(archive, to, workers=1, part_bytes=SMALL)
    assert (report.added, report.unchanged, report.files_deleted) == (1, 9, 0)
    after = tree(to)
    assert {k: after[k] for k in before} == before
    check(archive, to)


def test_what_changed_or_is_gone_leaves_no_row(archive, tmp_path):
    to = tmp_path / "d"
    build_dataset(archive, to, workers=1)
    archive.delete("s-4")
    archive.delete("s-6")
    archive.delete("s-7")
    archive.delete("s-8")
    add(archive, "s-0", day=0, project="p0")
    report = build_dataset(archive, to, workers=1)
    assert (report.removed, report.changed, report.unchanged) == (4, 1, 4)
    check(archive, to)
    assert not list(to.glob("events/day=2026-09-23/*"))  # the last of that day
    assert not (to / "_ledger/day=2026-09-23.json").exists()
    assert b"s-4" not in b"".join(p.read_bytes() for p in to.rglob("*") if p.is_file())


def test_a_range_limits_what_is_added_not_what_is_kept_right(archive, tmp_path):
    to = tmp_path / "d"
    build_dataset(archive, to, workers=1, until_ms=START_MS + DAY_MS)
    assert len(rows(to, "recordings")) == 3
    archive.delete("s-1")
    add(archive, "other", day=0)
    report = build_dataset(archive, to, workers=1, since_ms=START_MS + 2 * DAY_MS)
    assert (report.added, report.removed) == (3, 1)
    assert {r[1] for r in rows(to, "recordings")} == {"s-0", "s-2", "s-6", "s-7", "s-8"}


def test_other_tables_the_next_time(archive, tmp_path):
    to = tmp_path / "d"
    build_dataset(archive, to, workers=1, tables=["console", "events"])
    assert {p.name for p in to.glob("[!.]*")} == {"console", "events", "_ledger", "dataset.json"}
    again = build_dataset(archive, to, workers=1)  # those it has
    assert (list(again.tables), again.files_written) == (["events", "console"], 0)
    build_dataset(archive, to, workers=1, tables=["console", "network", "recordings"])
    assert not list(to.glob("events/*/*"))
    assert rows(to, "console") == expected(archive, "console")
    assert json.loads((to / "dataset.json").read_text())["columns"].keys() == {
        "console",
        "network",
        "recordings",
    }


class _Cut(Exception):
    pass


class _CuttingStore:
    """Stops at the n-th change, as a killed process does."""

    def __init__(self, store: Store, after: int) -> None:
        self._store = store
        self._left = after

    def __getattr__(self, name):
        found = getattr(self._store, name)
        if name not in ("put", "delete", "delete_prefix"):
            return found

        def cut(*args):
            if self._left == 0:
                raise _Cut
            self._left -= 1
            return found(*args)

        return cut


TWO = ("events", "console")


def test_killed_between_any_two_changes_the_next_run_completes(tmp_path):
    """First a build, then an update with something new, changed and gone."""
    with Archive.open(tmp_path / "archive", create=True) as archive:
        for i in range(4):
            add(archive, f"s-{i}", day=i // 2)
        base = tmp_path / "base"
        build_dataset(archive, base, workers=1, tables=TWO, part_bytes=1)
        archive.delete("s-1")
        add(archive, "s-0", day=0)
        add(archive, "new", day=1)
        finished = set()
        for start in (None, base):
            for after in range(60):
                to = tmp_path / "cut"
                if start is not None:
                    shutil.copytree(start, to)
                cutting = _CuttingStore(Store.open(to), after)
                with contextlib.suppress(_Cut):
                    build_into(archive, cutting, tables=TWO, part_bytes=1)
                    finished.add(start)
                if after % 3 == 0 or start in finished:
                    build_dataset(archive, to, workers=1, tables=TWO, part_bytes=1)
                    check(archive, to, TWO)
                shutil.rmtree(to)
                if start in finished:
                    break
        assert finished == {None, base}


class _SecondPartCut(_CuttingStore):
    """Stops when a second part is about to appear; the first one's files are all there."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, 10_000)
        self._parts: set[str] = set()

    def put(self, key, data):
        if key.startswith("recordings/"):
            self._parts.add(key)
            if len(self._parts) > 1:
                raise _Cut
        self._store.put(key, data)


def test_parts_that_were_built_are_not_built_again(archive, tmp_path, monkeypatch):
    to = tmp_path / "d"
    with pytest.raises(_Cut):
        build_into(archive, _SecondPartCut(Store.open(to)), part_bytes=SMALL)
    [built] = [str(p.relative_to(to)) for p in to.glob("recordings/*/*.parquet")]
    assert not list(to.glob("_ledger/day=*"))
    made = []
    real = build.write_part
    monkeypatch.setattr(
        build, "write_part", lambda task: made.extend(task.keys.values()) or real(task)
    )
    build_dataset(archive, to, workers=1, part_bytes=SMALL)
    assert made
    assert built not in made
    check(archive, to)


def test_damaged_recordings_are_named_and_tried_again(archive, tmp_path):
    to = tmp_path / "d"
    key = f"{archive.recording('s-4').prefix}/events.parquet"
    whole = archive.store.get(key)
    archive.store.put(key, whole[:-9])
    report = build_dataset(archive, to, workers=1)
    assert (list(report.rejected), report.ok, report.added) == (["p0/s-4"], False, 8)
    assert {r[1] for r in rows(to, "events")} == {f"s-{i}" for i in range(9) if i != 4}
    # Neither is a row of it in the tables that could be read.
    assert {r[1] for r in rows(to, "recordings")} == {f"s-{i}" for i in range(9) if i != 4}
    assert build_dataset(archive, to, workers=1).rejected.keys() == {"p0/s-4"}
    archive.store.put(key, whole)  # from a backup
    report = build_dataset(archive, to, workers=1)
    assert (report.ok, report.added) == (True, 1)
    check(archive, to)


def test_json_lines(archive, tmp_path):
    to = tmp_path / "d"
    build_dataset(archive, to, workers=1, file_format="jsonl", tables=["events"])
    with duckdb.connect() as connection:
        found = connection.sql(
            f"SELECT recording_id, seq, kind, typeof(data) FROM read_json_auto('{to}/events/*/*.jsonl.gz')"
        ).fetchall()
    assert len(found) == 72
    with pytest.raises(DatasetError, match="is jsonl"):
        build_dataset(archive, to, workers=1, file_format="parquet")
    assert build_dataset(archive, to, workers=1).unchanged == 9  # in the form it has
    with pytest.raises(ValueError, match="csv"):
        build_dataset(archive, to, file_format="csv")


def test_places_it_may_not_go(archive, tmp_path):
    for place in (tmp_path / "archive", tmp_path / "archive" / "d", tmp_path):
        with pytest.raises(DatasetError):
            build_dataset(archive, place, workers=1)


def test_two_builds_do_not_meet(archive, tmp_path):
    to = tmp_path / "d"
    with Store.open(to).lease("dataset", ttl_s=60), pytest.raises(Exception, match="lease"):
        build_dataset(archive, to, workers=1)


def test_tables_by_name():
    assert chosen_tables(None) == list(TABLES)
    assert chosen_tables(["network", "events"]) == ["events", "network"]
    with pytest.raises(ValueError, match="no table 'nope'"):
        chosen_tables(["nope"])
    with pytest.raises(ValueError, match="no table is named"):
        chosen_tables([])


def test_interrupted_by_ctrl_c_it_leaves_a_state_to_go_on_from(archive, tmp_path):
    """In processes of their own: the one that drives is interrupted when the first day is there."""
    code = f"""
import os, signal
from replayport.archive import Archive
from replayport.dataset import build
build.SMALL_WORK_BYTES = 0
def stop(n, day):
    os.kill(os.getpid(), signal.SIGINT)
if __name__ == "__main__":
    with Archive.open({str(tmp_path / "archive")!r}) as a:
        try:
            build.build_dataset(a, {str(tmp_path / "d")!r}, workers=2, part_bytes={SMALL}, on_progress=stop)
        except KeyboardInterrupt:
            print("interrupted")
"""
    script = tmp_path / "drive.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "interrupted"
    build_dataset(archive, tmp_path / "d", workers=1, part_bytes=SMALL)
    check(archive, tmp_path / "d")


def spark_session():
    if shutil.which("java") is None:
        pytest.skip("no java here: apt-get install openjdk-17-jre-headless")
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")
def test_read_by_spark(archive, tmp_path):
    build_dataset(archive, tmp_path / "d", workers=1)
    spark = spark_session()
    try:
        events = spark.read.parquet(str(tmp_path / "d" / "events"))
        assert set(events.columns) == {*TABLES["events"].schema.names, "day"}
        found = events.where("kind = 'click'").groupBy("day").count().orderBy("day").collect()
        assert [(str(r["day"]), r["count"]) for r in found] == [
            ("2026-09-21", 6),
            ("2026-09-22", 6),
            ("2026-09-23", 6),
        ]
        assert events.selectExpr("min(time) AS t").collect()[0].t.year == 2026
    finally:
        spark.stop()
