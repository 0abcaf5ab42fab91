"""
Every command that reads sessions as data, as a user would run it, on one archive made by script.

```
visits.py ──> an archive of 600 visits, some with a fault, some odd; labels.csv
   replayport list, show, sql, signals, features, heatmap, train, score, dataset    each a process
   one of them stopped half-way by Ctrl-C and continued
   the dataset read by DuckDB, pandas, Polars and a local Spark: all must count the same
```

A command that fails, or a reader that counts otherwise, fails the walk. Times are of whole
processes, start and imports included: what somebody waits. ``--keep`` leaves archive, tables,
models and pictures to be looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import visits
from common import ROOT_ENV, console, save, table

RECORDINGS = 600
PAGE = "/product"


class WalkError(Exception):
    """A command failed, or said something else than the others."""


@dataclass
class Walk:
    """The folder that is walked through, and what was measured."""

    folder: Path
    recordings: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    counted: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What each reader of the dataset counted: recordings with clicks, rage clicks."""

    @property
    def archive(self) -> Path:
        """The archive."""
        return self.folder / "archive"

    def path(self, name: str) -> Path:
        """Give where a command writes to."""
        return self.folder / name

    def note(self, what: str, seconds: float, cpu: float, said: str) -> None:
        """Keep what a step took and came to."""
        console.print(f"{what}: {seconds:.1f} s, {said}", markup=False)
        self.rows.append(
            {
                "what": what,
                "recordings": self.recordings,
                "seconds": f"{seconds:.2f}",
                "cpu_seconds": f"{cpu:.2f}",
                "said": said,
            }
        )

    def run(self, what: str, *arguments: object, said: Callable[[str], str]) -> str:
        """Run a command of replayport to its end; ``said`` sums its output up, or raises."""
        process = self._start(*arguments)
        begun = time.perf_counter()
        out, err = process.communicate()
        _, status, used = self._ended[process.pid]
        seconds = time.perf_counter() - begun
        if status:
            raise WalkError(f"{what} left with {status}: {err[-2000:]}")
        self.note(what, seconds, used.ru_utime + used.ru_stime, said(out))
        return out

    def stopped(self, *arguments: object, when: Callable[[], bool]) -> None:
        """Start a command, and send Ctrl-C once something is there."""
        process = self._start(*arguments)
        while not when() and not process.waited():
            time.sleep(0.05)
        process.interrupt()
        process.communicate()

    def _start(self, *arguments: object) -> _Process:
        return _Process([str(a) for a in arguments], self.archive, self._ended)

    _ended: dict[int, Any] = field(default_factory=dict)


class _Process:
    """A command of replayport; its resources are known when it has ended."""

    def __init__(self, arguments: list[str], archive: Path, ended: dict[int, Any]) -> None:
        # Closed when they are read, in `communicate`.
        self._out, self._err = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115
        self._ended = ended
        self._process = subprocess.Popen(
            [sys.executable, "-m", "replayport.cli", *arguments],
            env={**os.environ, **ROOT_ENV, "REPLAYPORT_ARCHIVE": str(archive)},
            stdout=self._out,
            stderr=self._err,
        )
        self.pid = self._process.pid

    def waited(self) -> bool:
        """Tell whether it has ended; its resources are then kept."""
        if self.pid not in self._ended:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if not pid:
                return False
            self._keep(status, used)
        return True

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        if not self.waited():
            os.kill(self.pid, signal.SIGINT)

    def communicate(self) -> tuple[str, str]:
        """Wait for its end; give what it wrote."""
        if self.pid not in self._ended:
            _, status, used = os.wait4(self.pid, 0)
            self._keep(status, used)
        texts = []
        for file in (self._out, self._err):
            with file:
                file.seek(0)
                texts.append(file.read().decode())
        return texts[0], texts[1]

    def _keep(self, status: int, used: Any) -> None:
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        self._ended[self.pid] = (self.pid, code, used)


# --- steps -------------------------------------------------------------------------------------


def step_list(walk: Walk) -> None:
    """List, and look at one."""
    out = walk.run(
        "list", "list", "--json", said=lambda text: f"{_count(walk, json.loads(text))} recordings"
    )
    # One that ordered something did most.
    most = max(json.loads(out), key=lambda row: row["events"])
    walk.run(
        "show --actions",
        "show",
        f"harbour/{most['id']}",
        "--actions",
        "--json",
        said=lambda text: f"{len(json.loads(text)['actions'])} actions of {most['id']}",
    )


def step_sql(walk: Walk) -> None:
    """Ask for events, and for what has to be worked out first."""
    for name in ("events", "actions"):
        query = f"SELECT kind, count(*) AS n FROM {name} GROUP BY ALL ORDER BY n DESC"
        walk.run(f"sql over {name}", "sql", query, "--json", said=_most)


def step_signals(walk: Walk) -> None:
    """Find signals; stop half-way, continue; compare the profiles."""
    out = walk.path("signals.jsonl")
    call = ("signals", "--all", "-o", out)
    walk.stopped(*call, when=lambda: out.is_file() and out.stat().st_size > 0)
    before = len(out.read_bytes().splitlines()) if out.is_file() else 0
    walk.run(
        "signals -o, stopped and continued",
        *call,
        said=lambda _: f"{_count(walk, out.read_bytes().splitlines())} lines, {before} from before",
    )
    walk.run("signals", "signals", "--all", said=_last_line)
    walk.run(
        "signals --compare",
        "signals",
        "--all",
        "--compare",
        "--json",
        said=lambda text: f"{len(json.loads(text)['disagreements'])} disagreements listed",
    )


def step_features(walk: Walk) -> None:
    """Compute features into a file, and their summary."""
    import pyarrow.parquet as pq

    out = walk.path("features.parquet")
    walk.run(
        "features -o",
        "features",
        "--all",
        "-o",
        out,
        said=lambda _: f"{_count(walk, range(pq.read_metadata(out).num_rows))} rows",
    )
    walk.run("features", "features", "--all", said=_last_line)


def step_heatmap(walk: Walk) -> None:
    """Rank elements, and draw where there is a Chromium."""
    walk.run(
        "heatmap",
        "heatmap",
        "--url",
        PAGE,
        "--json",
        said=lambda text: _most_clicked(json.loads(text)),
    )
    if _chromium() is None:
        console.print("heatmap pictures: there is no Chromium here; not drawn")
        return
    for kind in ("click", "move", "rage", "scroll"):
        out = walk.path(f"{kind}.png")
        walk.run(
            f"heatmap --kind {kind} -o .png",
            *("heatmap", "--url", PAGE, "--kind", kind, "-o", out),
            said=lambda _, out=out: f"{out.stat().st_size:,} bytes",
        )
    page = walk.path("clicks.html")
    walk.run(
        "heatmap -o .html",
        *("heatmap", "--url", "/", "-o", page),
        said=lambda _: f"{page.stat().st_size:,} bytes",
    )


def step_score(walk: Walk) -> None:
    """Score by the rules; train; score by the model."""
    rules = walk.run(
        "score", "score", "--all", "--json", said=lambda text: _scored(walk, json.loads(text))
    )
    walk.run(
        "score again",
        *("score", "--all"),
        said=lambda text: next(line for line in text.splitlines() if " recordings by " in line),
    )
    model = walk.path("faults.json")
    walk.run(
        "train",
        *("train", "--labels", walk.path("labels.csv"), "-o", model),
        said=lambda text: text.splitlines()[0],
    )
    model_scores = walk.run(
        "score --model",
        *("score", "--all", "--model", model, "--json"),
        said=lambda text: _scored(walk, json.loads(text)),
    )
    if json.loads(rules)["model"] == json.loads(model_scores)["model"]:
        raise WalkError("the model's scores are the rules'")


def step_dataset(walk: Walk) -> None:
    """Build; stop half-way, continue; again."""
    place = walk.path("dataset")
    call = ("dataset", "--to", place, "--json")
    walk.stopped(*call, when=lambda: any(place.glob("_ledger/day=*.json")))
    walk.run(
        "dataset, stopped and continued", *call, said=lambda text: _built(walk, json.loads(text))
    )
    again = json.loads(
        walk.run(
            "dataset again",
            *call,
            said=lambda text: f"{json.loads(text)['files_written']} files written",
        )
    )
    if again["files_written"] or again["unchanged"] != walk.recordings:
        raise WalkError(f"a second run is not quiet: {again}")


def step_jsonl(walk: Walk) -> None:
    """Build one table as JSON lines."""
    walk.run(
        "dataset --format jsonl",
        *("dataset", "--to", walk.path("dataset-jsonl"), "--json"),
        *("--format", "jsonl", "--tables", "signals"),
        said=lambda text: _built(walk, json.loads(text)),
    )


def step_duckdb(walk: Walk) -> None:
    """Read the dataset with DuckDB."""
    import duckdb

    def ask() -> tuple[int, int]:
        place = walk.path("dataset")
        with duckdb.connect() as connection:

            def one(query: str) -> int:
                return int(connection.sql(query).fetchall()[0][0])

            return (
                one(
                    "SELECT count(DISTINCT recording_id) FROM "
                    f"read_parquet('{place}/events/*/*.parquet') WHERE kind = 'click'"
                ),
                one(
                    f"SELECT count(*) FROM read_parquet('{place}/signals/*/*.parquet') "
                    "WHERE kind = 'rage_click'"
                ),
            )

    _read(walk, "DuckDB", ask)


def step_pandas(walk: Walk) -> None:
    """Read the dataset with pandas."""
    import pandas as pd

    def ask() -> tuple[int, int]:
        place = walk.path("dataset")
        events = pd.read_parquet(
            place / "events", columns=["recording_id"], filters=[("kind", "==", "click")]
        )
        signals = pd.read_parquet(place / "signals")
        return events["recording_id"].nunique(), int((signals["kind"] == "rage_click").sum())

    _read(walk, "pandas", ask)


def step_polars(walk: Walk) -> None:
    """Read the dataset with Polars."""
    import polars as pl

    def ask() -> tuple[int, int]:
        place = walk.path("dataset")
        events = pl.scan_parquet(place / "events", hive_partitioning=True)
        signals = pl.scan_parquet(place / "signals", hive_partitioning=True)
        clicked = events.filter(pl.col("kind") == "click").select(pl.col("recording_id").n_unique())
        raged = signals.filter(pl.col("kind") == "rage_click").select(pl.len())
        return int(clicked.collect().item()), int(raged.collect().item())

    _read(walk, "Polars", ask)


def step_spark(walk: Walk) -> None:
    """Read the dataset with a Spark on this machine, where Java is."""
    if shutil.which("java") is None:
        console.print("Spark: there is no Java here; not read")
        return
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    spark = (
        builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")

    def ask() -> tuple[int, int]:
        place = walk.path("dataset")
        events = spark.read.parquet(str(place / "events")).where("kind = 'click'")
        signals = spark.read.parquet(str(place / "signals")).where("kind = 'rage_click'")
        return events.select("recording_id").distinct().count(), signals.count()

    with ExitStack() as stack:
        stack.callback(spark.stop)
        _read(walk, "Spark", ask)


STEPS: dict[str, Callable[[Walk], None]] = {
    name.removeprefix("step_"): function
    for name, function in list(globals().items())
    if name.startswith("step_")
}


# --- what a step says ----------------------------------------------------------------------------


def _read(walk: Walk, name: str, ask: Callable[[], tuple[int, int]]) -> None:
    """Time a reader of the dataset in this process; its answer must be the others'."""
    begun, cpu = time.perf_counter(), time.process_time()
    found = ask()
    walk.counted[name] = found
    said = f"{found[0]} recordings with clicks, {found[1]} rage clicks"
    if len(set(walk.counted.values())) > 1:
        raise WalkError(f"readers of the dataset differ: {walk.counted}")
    seconds = time.perf_counter() - begun
    walk.note(f"dataset read by {name}", seconds, time.process_time() - cpu, said)


def _count(walk: Walk, found: Sequence[Any]) -> int:
    if len(found) != walk.recordings:
        raise WalkError(f"{len(found)} of {walk.recordings} recordings")
    return len(found)


def _most(text: str) -> str:
    rows = json.loads(text)
    return ", ".join(f"{row['n']} {row['kind']}" for row in rows[:4])


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


def _most_clicked(document: dict[str, Any]) -> str:
    top = document["viewports"][0]
    element = top["elements"][0]
    return f"{element['count']} of {top['clicks']} clicks on {element['element']}"


def _scored(walk: Walk, document: dict[str, Any]) -> str:
    scores = document["scores"]
    _count(walk, scores)
    high = sum((row["score"] or 0) >= 0.5 for row in scores)
    return f"{high} of {len(scores)} at 0.5 or more by {document['model']}"


def _built(walk: Walk, report: dict[str, Any]) -> str:
    if report["recordings"] != walk.recordings or report["rejected"]:
        raise WalkError(f"the dataset has {report['recordings']} of {walk.recordings} recordings")
    return f"{report['files_written']} files, {sum(report['rows'].values()):,} rows"


def _chromium() -> Path | None:
    from replayport.demo.record import find_chromium
    from replayport.errors import ReplayError

    try:
        return Path(find_chromium())
    except ReplayError:
        return None


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Make the archive, walk, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=RECORDINGS)
    parser.add_argument("--steps", default=",".join(STEPS), help=f"of {', '.join(STEPS)}")
    parser.add_argument("--keep", type=Path, help="a folder that is not there yet")
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(argv)
    chosen = [s for s in options.steps.split(",") if s]
    if unknown := set(chosen) - set(STEPS):
        parser.error(f"no such step: {', '.join(sorted(unknown))}; {', '.join(STEPS)}")
    with ExitStack() as stack:
        if options.keep is not None:
            options.keep.mkdir(parents=True)
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        walk = Walk(folder.resolve(), options.recordings)
        begun, cpu = time.perf_counter(), time.process_time()
        made = visits.make_archive(walk.archive, options.recordings)
        visits.write_labels(walk.path("labels.csv"), made)
        walk.note(
            "the archive made",
            time.perf_counter() - begun,
            time.process_time() - cpu,
            f"{sum(bool(m.fault) for m in made)} visits with a fault, "
            f"{sum(bool(m.oddity) for m in made)} odd recordings, "
            f"{sum(len(m.draft.columns) for m in made):,} events",
        )
        for name in chosen:
            STEPS[name](walk)
    save("walk", walk.rows, **({"folder": options.results} if options.results else {}))
    table(
        f"{options.recordings} recordings made by script",
        ("", "seconds", "CPU s", "came to"),
        [(r["what"], r["seconds"], r["cpu_seconds"], r["said"]) for r in walk.rows],
    )
    return walk.rows


if __name__ == "__main__":
    main()
