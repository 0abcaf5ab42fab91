"""
What a recording takes in an archive, against PostHog's snappy blocks of the same recording.

```
events      events.parquet, which holds what the blocks hold
folder      that, manifest.json, and analytics.parquet, which the blocks do not hold:
            PostHog keeps those events in its database
```

Each as written and after ``replayport compact``. The recordings are taken as they are, not
repeated: repeated ones would compress each other.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import save, table
from inputs import Input, all_inputs, demo_inputs

from replayport.archive import Archive
from replayport.format.schema import EVENTS_FILE, MANIFEST_FILE
from replayport.recording import Manifest

PARTS = ("events", "folder", "events_compact", "folder_compact")


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory() as folder,
        Archive.open(folder, create=True) as archive,
    ):
        rows = [measure(archive, item) for item in all_inputs()]
    demo = {i.name for i in demo_inputs()}
    shown = [[r["input"], *_line(r)] for r in rows]
    for label, part in (
        ("all of demo", [r for r in rows if r["input"] in demo]),
        ("all of corpus", [r for r in rows if r["input"] not in demo]),
        ("all", rows),
    ):
        if part:
            total = {k: sum(r[k] for r in part) for k in ("decoded_bytes", "block_bytes", *PARTS)}
            shown.append([f"[bold]{label}[/bold]", *_line(total)])
    table(
        "size, over PostHog's snappy blocks (aims: 0.45 as written, 0.35 compacted)",
        ["recording", "decoded kB", "blocks kB", "events", "folder", "compacted", "folder"],
        shown,
    )
    where = {"folder": options.results} if options.results else {}
    save("size", rows, **where)
    return rows


def measure(archive: Archive, item: Input) -> dict[str, Any]:
    """Store one recording, compact it, and count bytes both times."""
    written = archive.write(item.draft())
    before = _sizes(archive, archive.recording(written.id).manifest)
    archive.compact(written.id)
    after = _sizes(archive, archive.recording(written.id).manifest)
    return {
        "input": item.name,
        "input_sha256": item.sha256,
        "events_count": item.events,
        "decoded_bytes": item.decoded_bytes,
        "block_bytes": item.block_bytes,
        "events": before[0],
        "folder": before[1],
        "events_compact": after[0],
        "folder_compact": after[1],
    }


def _sizes(archive: Archive, manifest: Manifest) -> tuple[int, int]:
    files = [i.bytes for i in manifest.files.values()]
    described = len(archive.store.get(f"{manifest.key_prefix}/{MANIFEST_FILE}"))
    return manifest.files[EVENTS_FILE].bytes, sum(files) + described


def _line(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['decoded_bytes'] / 1000:,.0f}",
        f"{row['block_bytes'] / 1000:,.0f}",
        *(f"{row[part] / row['block_bytes']:.3f}" for part in PARTS),
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
