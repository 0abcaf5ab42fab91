"""Lazy tables: read as often as wanted, by whatever speaks Arrow, a part at a time."""

from __future__ import annotations

import builtins
import threading

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.errors import MissingExtraError
from replayport.format.scan import (
    FIRST_BATCH_ROWS,
    MAX_BATCH_ROWS,
    Scan,
    gathered,
    read_ahead,
    select_schema,
)

SCHEMA = pa.schema([pa.field("n", pa.int64()), pa.field("text", pa.string())])


class Counting:
    """Batches of so many rows, and how many were made."""

    def __init__(self, batches: int = 10, rows: int = 3) -> None:
        self.made = 0
        self._batches, self._rows = batches, rows

    def __call__(self):
        for batch in range(self._batches):
            self.made += 1
            n = [batch * self._rows + i for i in range(self._rows)]
            yield pa.record_batch([n, [f"<{i}>" for i in n]], schema=SCHEMA)

    def scan(self) -> Scan:
        return Scan(SCHEMA, self, title="numbers")


def test_nothing_is_read_until_asked():
    batches = Counting()
    scan = batches.scan()
    assert scan.schema == SCHEMA
    repr(scan)
    scan.select(["n"])
    relation = scan.duckdb()
    assert batches.made == 0
    assert relation.count("*").fetchall() == [(30,)]


def test_every_reader_gets_the_same_and_again():
    scan = Counting().scan()
    wanted = list(range(30))
    for _ in range(2):
        assert scan.arrow()["n"].to_pylist() == wanted
        assert scan.reader().read_all()["n"].to_pylist() == wanted
        assert pa.table(scan)["n"].to_pylist() == wanted
        assert list(scan.pandas()["n"]) == wanted
        assert scan.polars()["n"].to_list() == wanted
        assert pl.DataFrame(scan)["n"].to_list() == wanted
        assert [r["n"] for r in scan.to_pylist()] == wanted
        assert scan.num_rows == 30
        assert scan.column("n").to_pylist() == wanted
    if hasattr(pd.DataFrame, "from_arrow"):
        assert list(pd.DataFrame.from_arrow(scan)["n"]) == wanted


def test_duckdb_reads_it_anew_each_time():
    """A stream that can be read once would be silently empty in the second half of a join."""
    with duckdb.connect() as connection:
        connection.register("numbers", Counting().scan())
        query = "SELECT count(*) FROM numbers a JOIN numbers b USING (n)"
        assert connection.sql(query).fetchall() == [(30,)]
        assert connection.sql(query).fetchall() == [(30,)]


def test_a_head_reads_no_more_than_it_needs():
    batches = Counting()
    assert batches.scan().head(4).num_rows == 4
    assert batches.made == 2
    assert Counting(batches=1).scan().head(10).num_rows == 3


def test_some_columns_in_the_order_asked_for():
    scan = Counting().scan().select(["text", "n"])
    assert scan.arrow().column_names == ["text", "n"]
    with pytest.raises(KeyError, match="no column 'nope'. There are: text, n"):
        scan.select(["nope"])


def test_shown_in_a_notebook_values_are_text():
    html = Counting().scan()._repr_html_()
    assert "&lt;0&gt;" in html
    assert "<0>" not in html


@pytest.mark.parametrize("name", ["pandas", "polars", "duckdb"])
def test_what_is_not_installed_is_named(name, monkeypatch):
    real = builtins.__import__

    def absent(module, *args, **kwargs):
        if module == name:
            raise ImportError(module)
        return real(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError, match=rf"replayport\[{name}\]"):
        getattr(Counting().scan(), name)()


@given(st.lists(st.integers(0, 3000), max_size=30))
def test_gathering_changes_no_row_and_bounds_batches(sizes):
    batches = []
    n = 0
    for size in sizes:
        batches.append(pa.record_batch([range(n, n + size), [""] * size], schema=SCHEMA))
        n += size
    out = list(gathered(batches, SCHEMA))
    assert [i for b in out for i in b["n"].to_pylist()] == list(range(n))
    assert all(0 < b.num_rows < MAX_BATCH_ROWS + 3000 for b in out)
    assert all(b.num_rows >= FIRST_BATCH_ROWS for b in out[:-1])


def test_reading_ahead_keeps_the_order_and_its_bound():
    started: list[int] = []
    taken = 0

    def items():
        for i in range(20):
            # Never further ahead of what was taken than the bound.
            assert i - taken <= 4
            yield i

    release = threading.Event()

    def read(i):
        started.append(i)
        if i == 0:
            release.wait(10)  # the first is the slowest
        else:
            release.set()
        return i

    found = []
    for i in read_ahead(items(), read, threads=3, ahead=4):
        found.append(i)
        taken = len(found)
    assert found == list(range(20))


def test_what_a_read_raises_comes_in_its_place():
    def read(i):
        if i == 3:
            raise ValueError("three")
        return i

    found = []
    with pytest.raises(ValueError, match="three"):
        for i in read_ahead(range(10), read, threads=2):
            found.append(i)
    assert found == [0, 1, 2]


def test_a_reader_that_stops_early_leaves_no_thread():
    before = threading.active_count()
    for _ in read_ahead(range(100), lambda i: i, threads=4):
        break
    assert threading.active_count() == before


def test_columns_of_a_schema():
    assert select_schema(SCHEMA, ["text"]) == pa.schema([SCHEMA.field("text")])
