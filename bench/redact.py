"""
Redaction: MB of raw event JSON a second, one core, by profile.

`floor` decodes the events and writes them as Parquet, as an import does without redaction;
`redact` is what redaction adds. Both take turns in one process, in processor time. `linear`
repeats one recording 1, 2, 4 and 8 times over: the speed must stay.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import MB, median, pin_to_one_cpu, save, table
from tests.support.corpus import CORPUS
from tests.support.planted import RECORDINGS, decoded

from replayport.format.writer import encode_events
from replayport.posthog.lines import EventDecoder
from replayport.redact import Profile, Redactor
from replayport.redact.wireframe import Wireframes
from replayport.redacting import PROFILES, load_profile
from replayport.rrweb.columns import EventColumns

ROUNDS: Final = 5
AIM_MB_S: Final = 50
CORPUS_FILES: Final = (
    "rrweb-own/aggrid-large.json.gz",
    "posthog-react-rrweb-player/docs.json.gz",
    "posthog-react-rrweb-player/wide-layout.json.gz",
    "rrweb-own/datasette-multipage.json.gz",
)


def timed(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


def floor(columns: EventColumns) -> Callable[[], object]:
    lines = [(e.window_id, e.to_json().encode()) for e in columns.events()]

    def work() -> object:
        decoder = EventDecoder()
        for window, text in lines:
            decoder.feed(window, text)
        return encode_events(decoder.columns)

    return work


def redacting(profile: Profile, columns: EventColumns) -> Callable[[], object]:
    return lambda: Redactor(profile).redact(columns)


def wireframing(columns: EventColumns) -> Callable[[], object]:
    return lambda: Wireframes().convert(columns)


def repeated(columns: EventColumns, times: int) -> EventColumns:
    decoder = EventDecoder()
    span = columns.timestamp_ms[-1] - columns.timestamp_ms[0] + 1000
    for n in range(times):
        for event in columns.events():
            value = event.to_rrweb()
            value["timestamp"] += n * span
            decoder.feed(event.window_id, json.dumps(value).encode())
    return decoder.columns


def inputs() -> dict[str, EventColumns]:
    found = {f"demo/{name}": repeated(decoded(name).columns, 4) for name in RECORDINGS[:3]}
    if CORPUS.is_dir():
        from replayport.sources.files import read_files

        for name in CORPUS_FILES:
            path = CORPUS / name
            if path.exists():
                draft = next(iter(read_files([path], project="x", max_recording_bytes=10**9)))
                found[f"corpus/{path.name}"] = draft.columns
    return found


def main() -> None:
    pin_to_one_cpu()
    rows = []
    for name, columns in inputs().items():
        size = len(columns.data) / MB
        base_s = timed(floor(columns))
        row = {"input": name, "mb": f"{size:.2f}", "floor_mb_s": f"{size / base_s:.0f}"}
        for profile in PROFILES:
            rules = load_profile(profile)
            row[f"{profile}_mb_s"] = f"{size / timed(redacting(rules, columns)):.0f}"
        row["wireframe_mb_s"] = f"{size / timed(wireframing(columns)):.0f}"
        rows.append(row)
    table(
        f"redaction alone, MB of raw events a CPU second (aim: default {AIM_MB_S})",
        list(rows[0]),
        [list(r.values()) for r in rows],
    )
    one = decoded("checkout").columns
    linear = []
    for times in (1, 2, 4, 8):
        columns = repeated(one, times)
        size = len(columns.data) / MB
        spent = timed(redacting(load_profile("default"), columns))
        linear.append(
            {"input": f"linear/{times}", "mb": f"{size:.2f}", "default_mb_s": f"{size / spent:.0f}"}
        )
    table("the same recording, longer", list(linear[0]), [list(r.values()) for r in linear])
    save("redact", [*rows, *({**dict.fromkeys(rows[0], ""), **row} for row in linear)])


if __name__ == "__main__":
    main()
