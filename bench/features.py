"""
How fast recordings become features and signals, one core, from the archive's files; Node beside it.

```
read       the columns an analysis needs, from Parquet, and nothing else: what no analysis can beat
columns    parsed into arrays
features   + every feature
signals    + the signals of our profile, elements not looked at
elements   + the page rebuilt where something was clicked, so that elements have names, and a score
actions    + what the user did, from the same pages: all of it, in one pass
node       PostHog's metrics alone, from JSON lines (zstd), as its ingestion computes them
```

Some distinct recordings, each under many ids: the demo's visits again and again with texts and
node ids of their own (`inputs.synthetic_lines`). MB are decoded bytes of the events, of
1,000,000. Both sides are pinned to one core and take turns, some recordings each, so that a busy
machine slows all of them alike; ratios are of processor time. ``best turn`` is of the turn least disturbed. Node's metrics are compared with
ours before anything is timed: those of PostHog's ingestion, all that can be told from the events
of one window in order of arrival; none of ours, no pages, no signals, no actions.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import zstandard
from common import MB, machine, node, pin_to_one_cpu, save, table
from inputs import decode_lines, synthetic_lines

from replayport.analysing import (
    Analysis,
    Task,
    analyse,
    analyse_recording,
    where,
)
from replayport.analysis.columns import COLUMNS, Columns
from replayport.analysis.features import measure
from replayport.analysis.profiles import profile
from replayport.archive import Archive
from replayport.collecting import rare_collections
from replayport.draft import RecordingDraft
from replayport.format.reader import Recording

RECORDINGS = 1000
RECORDING_BYTES = 1_100_000
DISTINCT = 10
AIM_MB_S = 40.0
TURN = 50
"""Recordings a variant does before it is the next one's turn."""


def make(folder: Path, recordings: int, each: int) -> tuple[list[Path], int]:
    """Archive the recordings, and write each distinct one as JSON lines; give files and bytes."""
    distinct = min(DISTINCT, recordings)
    pieces: list[list[bytes]] = [[]]
    size = 0
    for block in synthetic_lines(each * distinct):
        pieces[-1].append(block)
        size += len(block)
        if size >= each and len(pieces) < distinct:
            pieces.append([])
            size = 0
    files = []
    raw = 0
    with Archive.open(folder / "archive", create=True) as archive:
        for n, blocks in enumerate(p for p in pieces if p):
            files.append(folder / f"{n}.jsonl.zst")
            files[-1].write_bytes(zstandard.compress(b"".join(blocks), level=3))
        for n in range(recordings):
            decoder = decode_lines(pieces[n % len(files)])
            raw += len(decoder.columns.data)
            archive.write(
                RecordingDraft(
                    project="bench",
                    session_id=f"r-{n:05}",
                    columns=decoder.columns,
                    source={"kind": "bench"},
                )
            )
    return files, raw


def _read(recording: Recording) -> object:
    return sum(b.num_rows for b in recording.batches(COLUMNS))


def _columns(recording: Recording) -> object:
    return Columns.from_batches(recording.batches(COLUMNS))


def _features(recording: Recording) -> object:
    return measure(Columns.from_batches(recording.batches(COLUMNS)))


OURS = (profile("replayport-1"),)
VARIANTS: dict[str, Callable[[Recording], object]] = {
    "read": _read,
    "columns": _columns,
    "features": _features,
    "signals": lambda r: analyse_recording(r, Task(OURS, features=True, elements=False)),
    "elements": lambda r: analyse_recording(r, Task(OURS, features=True, score=True)),
    "actions": lambda r: analyse_recording(r, Task(OURS, features=True, score=True, actions=True)),
}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=RECORDINGS)
    parser.add_argument("--bytes", type=int, default=RECORDING_BYTES, help="of each recording")
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(argv)
    machine()
    pin_to_one_cpu()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, raw = make(folder, options.recordings, options.bytes)
        with Archive.open(folder / "archive") as archive:
            names = [f"bench/r-{n:05}" for n in range(options.recordings)]
            prefixes = [one.prefix for one in where(archive, names)]
            totals = {v: {"cpu_seconds": 0.0, "seconds": 0.0, "recordings": 0} for v in VARIANTS}
            best: dict[str, float] = {}
            with closing(_Node(files)) as js:
                if js.there:
                    _compare(archive, prefixes[: len(files)], js.run(1)["rows"])
                    totals = {
                        "node": {"cpu_seconds": 0.0, "seconds": 0.0, "recordings": 0}
                    } | totals
                for work in VARIANTS.values():
                    work(archive.recording_at(prefixes[0]))
                early = 0
                for first in range(0, len(prefixes), TURN):
                    turn = prefixes[first : first + TURN]
                    for variant, total in totals.items():
                        took = (
                            js.run(max(1, len(turn) // len(files)))
                            if variant == "node"
                            else _timed(archive, turn, VARIANTS[variant])
                        )
                        for key in total:
                            total[key] += took[key]
                        a_second = took["recordings"] / max(took["cpu_seconds"], 1e-9)
                        best[variant] = max(best.get(variant, 0.0), a_second)
                    early = early or (first >= len(prefixes) // 10 and _peak_mb())
            rows = [
                {
                    "variant": v,
                    "note": "PostHog's metrics" if v == "node" else "",
                    "mb_s_cpu_best_turn": best[v],
                    **total,
                }
                for v, total in totals.items()
            ]
            for row in rows[-len(VARIANTS) :]:
                row |= {"peak_mb_after_tenth": early or _peak_mb(), "peak_mb": _peak_mb()}
            pooled = time.perf_counter()
            done = sum(
                isinstance(r, Analysis)
                for r in analyse(archive, where(archive, names[:200]), Task(OURS, features=True))
            )
            pooled = time.perf_counter() - pooled
    each = raw / options.recordings
    for row in rows:
        row["mb"] = round(each * row["recordings"] / MB, 1)
        row["mb_s_cpu"] = round(row["mb"] / row["cpu_seconds"], 1) if row["cpu_seconds"] else 0
        row["mb_s_cpu_best_turn"] = round(row["mb_s_cpu_best_turn"] * each / MB, 1)
        row["cpu_seconds"] = round(row["cpu_seconds"], 3)
        row["seconds"] = round(row["seconds"], 3)
    columns = (
        "variant",
        "recordings",
        "mb",
        "cpu_seconds",
        "seconds",
        "mb_s_cpu",
        "mb_s_cpu_best_turn",
        "peak_mb_after_tenth",
        "peak_mb",
        "note",
    )
    rows = [{c: row.get(c, "") for c in columns} for row in rows]
    save("features", rows, **({"folder": options.results} if options.results else {}))
    table(
        f"{options.recordings} recordings, {raw / MB:.0f} MB decoded; one core, MB/s of processor "
        f"time (aim {AIM_MB_S:g})",
        ("variant", "recordings", "MB", "MB/s", "best turn", "peak MB after a tenth", "peak MB"),
        [
            (
                r["variant"],
                r["recordings"],
                r["mb"],
                r["mb_s_cpu"],
                r["mb_s_cpu_best_turn"],
                r["peak_mb_after_tenth"],
                r["peak_mb"],
            )
            for r in rows
        ],
    )
    print(f"{done} of them through the pool, this core: {pooled:.1f} s by the clock")
    return rows


def _timed(
    archive: Archive, prefixes: Sequence[str], work: Callable[[Recording], object]
) -> dict[str, Any]:
    cpu, clock = time.process_time(), time.perf_counter()
    with rare_collections():
        for prefix in prefixes:
            work(archive.recording_at(prefix))
    return {
        "recordings": len(prefixes),
        "cpu_seconds": time.process_time() - cpu,
        "seconds": time.perf_counter() - clock,
    }


def _peak_mb() -> int:
    """Give the most this process has held so far, all variants together."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB)


class _Node:
    """``features_node.mjs``, kept running between its turns."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = [str(f) for f in files]
        self._process: subprocess.Popen[str] | None = None
        if (executable := node()) is None:
            print("no Node: nothing to compare with")
            return
        self._process = subprocess.Popen(
            [str(executable), str(Path(__file__).with_name("features_node.mjs"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def there(self) -> bool:
        """Whether there is a Node."""
        return self._process is not None

    def run(self, times: int) -> dict[str, Any]:
        """Compute every file's metrics so many times."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"do": "run", "files": self._files, "times": times}) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.communicate()


def _compare(archive: Archive, prefixes: Sequence[str], theirs: Sequence[dict[str, Any]]) -> None:
    """Hold Node's metrics against ours: two that differ are not the same work."""
    for prefix, other in zip(prefixes, theirs, strict=True):
        ours = measure(Columns.from_batches(archive.recording_at(prefix).batches(COLUMNS)))
        for name, value in other.items():
            own = ours[name]
            own = len(own) if isinstance(own, list) else own or 0
            if abs(own - value) > 1e-6 * max(1.0, abs(value)):
                raise SystemExit(f"{name}: ours {own}, Node {value}")


if __name__ == "__main__":
    main()
