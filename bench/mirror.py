"""
How fast pages are rebuilt and actions read, in MB of raw event JSON a CPU second, one core.

```
parse     orjson.loads of every event's data: the floor, since the mirror is what it gives
mirror    parse what a mirror needs, and apply it
actions   read_actions: mirrors, roles, names, locators, sentences
```

All three work on the same events, read from the archive's columns beforehand, in turns.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import inputs
import orjson
from common import MB, RESULTS, console, median, pin_to_one_cpu, save, spread, table

from replayport.analysis.reading import read_actions
from replayport.rrweb.events import Event, EventType
from replayport.rrweb.mirror import Mirror

RUNS: Final = 5
MIRRORED: Final = frozenset((0, 3, 4, 5, 7, 8, 13, 15))
"""Incremental sources a mirror takes; positions of the pointer are never parsed."""


def parse(events: list[Event]) -> int:
    """Parse every event's data and let it go."""
    n = 0
    for event in events:
        if event.data_json is not None:
            orjson.loads(event.data_json)
            n += 1
    return n


def mirrors(events: list[Event]) -> int:
    """Rebuild every window."""
    windows: dict[str, Mirror] = {}
    for event in events:
        mirror = windows.get(event.window_id)
        if mirror is None:
            mirror = windows[event.window_id] = Mirror()
        if event.data_json is None:
            continue
        if event.type in (EventType.FULL_SNAPSHOT, EventType.META) or event.source in MIRRORED:
            mirror.apply(event.type, event.source, orjson.loads(event.data_json))
    return sum(len(m) for m in windows.values())


def actions(events: list[Event]) -> int:
    """Read the actions."""
    return len(read_actions(events).actions)


def _events_of(recording: inputs.Input) -> list[Event]:
    events = inputs.decode_blocks(recording.blocks).columns.events()
    return sorted(events, key=lambda e: (e.timestamp_ms, e.seq))


WORK: Final[dict[str, Callable[[list[Event]], int]]] = {
    "parse": parse,
    "mirror": mirrors,
    "actions": actions,
}


def main() -> int:
    """Measure, print, keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    pin_to_one_cpu()
    rows = []
    for name, made in (("demo", inputs.demo_inputs()), ("corpus", inputs.corpus_inputs())):
        recordings = [_events_of(i) for i in made]
        if not recordings:
            continue
        raw_bytes = sum(len(e.data_json or "") for events in recordings for e in events)
        speeds: dict[str, list[float]] = {work: [] for work in WORK}
        for run in range(options.runs):
            for work, do in WORK.items():
                gc.collect()
                start = time.process_time()
                done = sum(do(events) for events in recordings)
                seconds = time.process_time() - start
                speeds[work].append(raw_bytes / MB / seconds)
                rows.append(
                    {
                        "set": name,
                        "sha256": inputs.set_sha256(made),
                        "work": work,
                        "run": run,
                        "raw_bytes": raw_bytes,
                        "recordings": len(recordings),
                        "results": done,
                        "cpu_s": f"{seconds:.4f}",
                    }
                )
        floor = median(speeds["parse"])
        table(
            f"{name}: {len(recordings)} recordings, {raw_bytes / MB:.1f} MB of events",
            ("work", "MB/s a core", "of parsing"),
            [(w, spread(s), f"{median(s) / floor:.2f}") for w, s in speeds.items()],
        )
    console.print(f"kept in {save('mirror', rows, folder=options.results).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
