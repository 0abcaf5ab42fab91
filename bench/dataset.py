"""
Asking many recordings one question: where was clicked?

```
archive     5,000 recordings of their own, spread over fifty days: the demo's, each with its
            own id and its times shifted
events()    clicks with four columns through `archive.events`; then with all columns, JSON
            texts included; then counted by `archive.sql`
baseline    the same count by DuckDB alone over the same files, with a glob; and by a loop
            of pandas.read_parquet
build       `replayport dataset`: with one process, then one a core; then again, unchanged
dataset     the same questions over it, by DuckDB and by Polars; what was worked out of the
            visits, signals by kind and features averaged, by DuckDB
```

Each in a process of its own. ``seconds`` is the clock, ``cpu_seconds`` the processor's, all
processes together; the first run of a question is reported apart from the later ones, which
find the files in the page cache. The peak is ``VmHWM`` of the process; of the build with a
process a core that is the one that drives.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from common import MB, ROOT_ENV, median, save, table
from inputs import BASE_MS, decode_blocks, demo_inputs, set_sha256
from memory import peak_bytes

from replayport.archive import Archive
from replayport.draft import RecordingDraft

RECORDINGS = 5_000
DAYS = 50
DAY_MS = 86_400_000


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=RECORDINGS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(argv)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        archive, dataset = scratch / "archive", scratch / "dataset"
        size = make_archive(archive, options.recordings)

        def measure(what: str, name: str, *arguments: str, runs: int = 1) -> None:
            done = subprocess.run(
                [sys.executable, __file__, "--child", name, str(runs), *arguments],
                env={**os.environ, **ROOT_ENV},
                stdout=subprocess.PIPE,
                check=True,
            )
            for run, one in enumerate(json.loads(done.stdout)):
                rows.append(
                    {
                        "what": what,
                        "run": run,
                        "recordings": options.recordings,
                        "archive_bytes": size,
                        **one,
                        "inputs_sha256": set_sha256(demo_inputs()),
                    }
                )

        asked = {"runs": options.runs}
        measure("archive.events(clicks), 4 columns", "events", str(archive), **asked)
        measure("archive.events(clicks), all columns", "events_all", str(archive), **asked)
        measure("archive.sql, clicks counted", "sql", str(archive), **asked)
        measure("baseline: DuckDB over the archive's files", "duckdb_glob", str(archive), **asked)
        measure("baseline: a loop of pandas.read_parquet", "pandas_loop", str(archive))
        measure("dataset, 1 process", "build", str(archive), str(dataset), "1")
        shutil.rmtree(dataset)
        measure("dataset, a process a core", "build", str(archive), str(dataset), "0")
        measure("dataset again, nothing new", "build", str(archive), str(dataset), "0")
        asked = {"runs": max(options.runs * 3, 2)}
        measure("dataset, clicks counted by DuckDB", "duckdb_dataset", str(dataset), **asked)
        measure("dataset, clicks by Polars, 4 columns", "polars_dataset", str(dataset), **asked)
        measure("dataset, signals by kind, DuckDB", "duckdb_signals", str(dataset), **asked)
        measure("dataset, features averaged, DuckDB", "duckdb_features", str(dataset), **asked)
    _print(rows, options.recordings)
    where = {"folder": options.results} if options.results else {}
    save("dataset", rows, **where)
    return rows


def _print(rows: Sequence[dict[str, Any]], recordings: int) -> None:
    names = list(dict.fromkeys(r["what"] for r in rows))
    found = {n: [r for r in rows if r["what"] == n] for n in names}

    def ms(values: Sequence[float]) -> str:
        return f"{median(values) * 1000:,.0f}" if values else ""

    table(
        f"dataset: {recordings:,} recordings, {rows[0]['archive_bytes'] / MB:.0f} MB in the archive",
        ["", "first ms", "then ms", "cpu ms", "peak MB", "rows"],
        [
            [
                name,
                ms([float(runs[0]["seconds"])]),
                ms([float(r["seconds"]) for r in runs[1:]]),
                ms([float(r["cpu_seconds"]) for r in runs]),
                f"{max(r['peak_bytes'] for r in runs) / MB:.0f}",
                f"{runs[0]['rows']:,}",
            ]
            for name, runs in found.items()
        ],
    )


def make_archive(folder: Path, recordings: int) -> int:
    """Fill an archive; give the size of its event files."""
    drafts = [(i, decode_blocks(i.blocks)) for i in demo_inputs()]
    size = 0
    with Archive.open(folder, create=True) as archive:
        for n in range(recordings):
            item, decoder = drafts[n % len(drafts)]
            columns = decoder.columns
            start_ms = BASE_MS + (n * DAYS // recordings) * DAY_MS + n % 1000
            shift = start_ms - columns.timestamp_ms[0]
            for row in range(len(columns)):
                columns.timestamp_ms[row] += shift
            written = archive.write(
                RecordingDraft(
                    project="bench",
                    session_id=f"{item.session_id}-{n:05}",
                    columns=columns,
                    source={"kind": "posthog-api"},
                    rejected=decoder.rejected,
                    findings=decoder.findings,
                )
            )
            size += archive.row(f"bench/{written.id}").archived_bytes
    return size


# --- in the child ---------------------------------------------------------------------


def ask_events(archive: str) -> int:
    """Read clicks through the archive."""
    with Archive.open(archive) as opened:
        columns = ["recording_id", "timestamp_ms", "x", "y"]
        return int(opened.events(kinds=["click"], columns=columns).arrow().num_rows)


def ask_events_all(archive: str) -> int:
    """Read clicks with everything known of them."""
    with Archive.open(archive) as opened:
        return opened.events(kinds=["click"]).num_rows


COUNT = "SELECT recording_id, count(*) AS clicks FROM {} WHERE kind = 'click' GROUP BY ALL"


def ask_sql(archive: str) -> int:
    """Count clicks a recording by SQL."""
    with Archive.open(archive) as opened:
        return sum(n for _, n in opened.sql(COUNT.format("events")).fetchall())


def ask_duckdb_glob(archive: str) -> int:
    """Do without replayport what `ask_sql` does."""
    import duckdb

    files = f"read_parquet('{archive}/recordings/*/*/*/*/*/events.parquet', filename = true)"
    query = COUNT.format(f"(SELECT kind, filename AS recording_id FROM {files})")
    with duckdb.connect() as connection:
        return sum(n for _, n in connection.sql(query).fetchall())


def ask_pandas_loop(archive: str) -> int:
    """Do what a notebook does that knows neither."""
    import pandas as pd

    columns = ["timestamp_ms", "kind", "x", "y"]
    frames = [
        pd.read_parquet(path, columns=columns).query("kind == 'click'")
        for path in Path(archive).glob("recordings/*/*/*/*/*/events.parquet")
    ]
    return len(pd.concat(frames))


def ask_build(archive: str, dataset: str, workers: str) -> int:
    """Build a dataset."""
    from replayport.dataset.build import build_dataset

    with Archive.open(archive) as opened:
        report = build_dataset(opened, dataset, workers=int(workers))
        return sum(report.rows.values())


def ask_duckdb_dataset(dataset: str) -> int:
    """Count clicks over a dataset."""
    import duckdb

    files = f"read_parquet('{dataset}/events/*/*.parquet')"
    with duckdb.connect() as connection:
        return sum(n for _, n in connection.sql(COUNT.format(files)).fetchall())


def ask_polars_dataset(dataset: str) -> int:
    """Read clicks of a dataset."""
    import polars as pl

    events = pl.scan_parquet(f"{dataset}/events", hive_partitioning=True)
    clicks = events.filter(pl.col("kind") == "click")
    return int(clicks.select("recording_id", "timestamp_ms", "x", "y").collect().height)


def ask_duckdb_signals(dataset: str) -> int:
    """Count signals by kind and day over a dataset."""
    import duckdb

    files = f"read_parquet('{dataset}/signals/*/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as connection:
        rows = connection.sql(f"SELECT day, kind, count(*) AS n FROM {files} GROUP BY ALL")
        return sum(n for _, _, n in rows.fetchall())


def ask_duckdb_features(dataset: str) -> int:
    """Average some features of all recordings of a dataset, a day each."""
    import duckdb

    files = f"read_parquet('{dataset}/features/*/*.parquet', hive_partitioning = true)"
    query = (
        "SELECT day, count(*) AS n, avg(rage_click_count), avg(dead_click_count), "
        f"median(active_ms), quantile_cont(max_scroll_y, 0.9) FROM {files} GROUP BY day"
    )
    with duckdb.connect() as connection:
        return sum(row[1] for row in connection.sql(query).fetchall())


CHILDREN: dict[str, Callable[..., int]] = {
    name.removeprefix("ask_"): function
    for name, function in list(globals().items())
    if name.startswith("ask_")
}


NEEDS = {
    "sql": ("duckdb",),
    "duckdb_glob": ("duckdb",),
    "duckdb_dataset": ("duckdb",),
    "duckdb_signals": ("duckdb",),
    "duckdb_features": ("duckdb",),
    "pandas_loop": ("pandas",),
    "polars_dataset": ("polars",),
    "build": ("replayport.dataset.build",),
}


@contextmanager
def _timed(into: list[dict[str, Any]]) -> Any:
    found: dict[str, Any] = {}
    start, cpu = time.perf_counter(), _cpu_seconds()
    yield found
    seconds, used = time.perf_counter() - start, _cpu_seconds() - cpu
    into.append(
        {
            **found,
            "seconds": f"{seconds:.4f}",
            "cpu_seconds": f"{used:.4f}",
            "peak_bytes": peak_bytes(),
        }
    )


def _cpu_seconds() -> float:
    spent = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(s.ru_utime + s.ru_stime for s in spent)


def child(name: str, runs: int, arguments: Sequence[str]) -> None:
    """Ask one question so many times and say what it took."""
    for needed in NEEDS.get(name, ()):  # importing is not what is measured
        import_module(needed)
    found: list[dict[str, Any]] = []
    for _ in range(runs):
        with _timed(found) as one:
            one["rows"] = CHILDREN[name](*arguments)
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    else:
        main(sys.argv[1:])
