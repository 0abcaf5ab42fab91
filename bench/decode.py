"""
Decode, sort, find repeats and archive PostHog's v2 blocks; the same work in Node beside it.

```
replayport   floor      snappy, inflate, tokenise: the libraries alone, fields cut out before
             columns    EventDecoder, sorted, repeats found; nothing written
             parquet    that, and events.parquet made
             archive    that, and the recording's folder and catalog row written to disk
node         player     snappy-wasm, fflate, JSON.parse, sort, drop repeats; nothing written
             native     the same with the native snappy addon and zlib
             player+write   and JSON lines, zstd level 3, a file a recording
```

Speed is in MB (10^6 bytes) a second of *decoded event JSON*: the events' JSON texts with
every compressed field decoded, as `Event.to_json` gives them. The same bytes go into both
sides, which are pinned to the same core and take turns. Ratios are of processor time,
waiting for the disk and for other users of the machine left out; time by the clock is
beside it and in the results.

``columns`` and ``node player`` end with the same in hand: events in order, repeats found.
``parquet`` and ``archive`` do more than ``node player``, and are what the aim of 4 times is
held against; ``node player+write`` stores something too, in the cheapest way Node has.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cramjam
import msgspec
from common import (
    BENCH,
    MB,
    console,
    median,
    node,
    node_packages,
    pin_to_one_cpu,
    save,
    spread,
    table,
)
from inputs import Input, all_inputs, decode_blocks, demo_inputs, replicated, set_sha256
from isal import isal_zlib

from replayport.archive import Archive
from replayport.format.writer import _Rows, encode_events

TARGET_BYTES = 40 * MB
RUNS = 5


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--bytes", type=int, default=TARGET_BYTES, help="decoded bytes a set")
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(argv)
    pin_to_one_cpu()
    sets = [("demo", demo_inputs())]
    if len(all_inputs()) > len(demo_inputs()):
        sets.append(("all", all_inputs()))
    rows: list[dict[str, Any]] = []
    for name, inputs in sets:
        rows += measure(name, inputs, runs=options.runs, target_bytes=options.bytes)
    where = {"folder": options.results} if options.results else {}
    save("decode", rows, **where)
    return rows


def measure(
    name: str, inputs: Sequence[Input], *, runs: int, target_bytes: int
) -> list[dict[str, Any]]:
    """Time every variant on one set of inputs, taking turns."""
    items = replicated(inputs, target_bytes)
    decoded_bytes = sum(i.decoded_bytes for _, i in items)
    events = sum(i.events for _, i in items)
    digest = set_sha256(inputs)
    variants: dict[str, Callable[[], Took]] = {}
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        fields = [_fields(i) for i in inputs] * (len(items) // len(inputs))
        variants["floor"] = lambda: _timed(lambda: _floor(items, fields))
        variants["columns"] = lambda: _timed(lambda: _columns(items))
        variants["parquet"] = lambda: _timed(lambda: _parquet(items))
        variants["archive"] = lambda: _archive(items, scratch)
        baseline = _NodeBaseline.start(items, scratch)
        if baseline is not None:
            kept = baseline.run("player")
            if kept["events"] != events:
                raise RuntimeError(f"Node decoded {kept['events']} events, replayport {events}")
            for label, libraries, write in (
                ("node player", "player", False),
                ("node native", "native", False),
                ("node player+write", "player", True),
            ):
                variants[label] = lambda lib=libraries, write=write: _took(baseline.run(lib, write))
        seconds: dict[str, list[Took]] = {label: [] for label in variants}
        for n in range(runs + 1):  # the first round warms caches, JIT and allocators
            for label, run in variants.items():
                took = run()
                if n:
                    seconds[label].append(took)
        if baseline is not None:
            baseline.stop()

    speeds = {k: [decoded_bytes / MB / t.cpu_s for t in v] for k, v in seconds.items()}
    clock = {k: [decoded_bytes / MB / t.clock_s for t in v] for k, v in seconds.items()}
    table(
        f"decode, set '{name}': {len(inputs)} recordings x {len(items) // len(inputs)}, "
        f"{decoded_bytes / MB:.0f} MB decoded, {events:,} events, one core",
        ["", "MB/s, median (min-max)", "by the clock", "x node player", "x node player+write"],
        [
            [
                label,
                spread(v),
                spread(clock[label]),
                *(
                    f"{median(v) / median(speeds[base]):.2f}" if base in speeds else "no Node"
                    for base in ("node player", "node player+write")
                ),
            ]
            for label, v in speeds.items()
        ],
    )
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    console.print(f"peak memory of the Python side, inputs and all variants: {peak_mb:.0f} MB")
    return [
        {
            "set": name,
            "variant": label,
            "run": n + 1,
            "cpu_seconds": f"{took.cpu_s:.4f}",
            "clock_seconds": f"{took.clock_s:.4f}",
            "decoded_bytes": decoded_bytes,
            "block_bytes": sum(i.block_bytes for _, i in items),
            "events": events,
            "recordings": len(items),
            "mb_per_cpu_s": f"{decoded_bytes / MB / took.cpu_s:.1f}",
            "inputs_sha256": digest,
        }
        for label, times in seconds.items()
        for n, took in enumerate(times)
    ]


# --- variants -------------------------------------------------------------------------

_line = msgspec.json.Decoder(tuple[str, msgspec.Raw])
_raw = msgspec.json.Decoder(msgspec.Raw)


class Took(NamedTuple):
    """What one run took, seconds."""

    clock_s: float
    cpu_s: float


def _timed(work: Callable[[], None]) -> Took:
    gc.collect()
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return Took(time.perf_counter() - clock, time.process_time() - cpu)


def _took(answer: dict[str, Any]) -> Took:
    return Took(answer["seconds"], answer["cpu_seconds"])


def _fields(item: Input) -> list[bytes]:
    """Cut out the compressed fields of a recording beforehand, as gzip bytes."""
    found: list[bytes] = []
    for block in item.blocks:
        for line in bytes(cramjam.snappy.decompress_raw(block)).splitlines():
            event = json.loads(line)[1]
            data = event.get("data")
            values = [data] if isinstance(data, str) else []
            if isinstance(data, dict):
                names = ("texts", "attributes", "removes", "adds")
                values = [data.get(n) for n in names] if "cv" in event else []
            found += [v.encode("latin-1") for v in values if isinstance(v, str) and v]
    return found


def _floor(items: list[tuple[str, Input]], fields: list[list[bytes]]) -> None:
    for (_, item), packed in zip(items, fields, strict=True):
        for block in item.blocks:
            _line.decode_lines(bytes(cramjam.snappy.decompress_raw(block)))
        for field in packed:
            _raw.decode(isal_zlib.decompress(field, 31))


def _columns(items: list[tuple[str, Input]]) -> None:
    for _, item in items:
        _Rows(decode_blocks(item.blocks).columns).findings()


def _parquet(items: list[tuple[str, Input]]) -> None:
    for _, item in items:
        encode_events(decode_blocks(item.blocks).columns)


def _archive(items: list[tuple[str, Input]], scratch: Path) -> Took:
    with (
        tempfile.TemporaryDirectory(dir=scratch) as folder,
        Archive.open(folder, create=True) as archive,
    ):

        def work() -> None:
            for session_id, item in items:
                draft = item.draft(session_id)
                draft.analytics = ()  # the blocks hold none, and Node writes none
                archive.write(draft)

        return _timed(work)


class _NodeBaseline:
    """``baseline_node.mjs`` as a process that runs on command, so that its JIT stays warm."""

    def __init__(self, process: subprocess.Popen[str], scratch: Path) -> None:
        self._process = process
        self._folder = scratch / "node"
        self._folder.mkdir()

    @classmethod
    def start(cls, items: list[tuple[str, Input]], scratch: Path) -> _NodeBaseline | None:
        """Start it with the same blocks; None without Node or its packages."""
        executable = node()
        if executable is None or not node_packages():
            console.print("no Node, or no npm registry: nothing to compare with")
            return None
        index = []
        with (scratch / "blocks.bin").open("wb") as data:
            for session_id, item in items:
                spans = []
                for block in item.blocks:
                    start = data.tell()
                    data.write(block)
                    spans.append([start, start + len(block)])
                index.append({"name": session_id, "blocks": spans})
        (scratch / "index.json").write_bytes(msgspec.json.encode(index))
        process = subprocess.Popen(
            [str(executable), "--max-old-space-size=4096", str(BENCH / "baseline_node.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        baseline = cls(process, scratch)
        baseline._ask(
            do="load", index=str(scratch / "index.json"), data=str(scratch / "blocks.bin")
        )
        return baseline

    def run(self, libraries: str, write: bool = False) -> dict[str, Any]:
        return self._ask(do="run", libraries=libraries, write=str(self._folder) if write else None)

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the Node baseline ended; its own message is above")
        found: dict[str, Any] = json.loads(answer)
        return found


if __name__ == "__main__":
    main(sys.argv[1:])
