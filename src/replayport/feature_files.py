"""
Feature tables as files, written in parts so that a long run can be stopped and continued.

```
features.parquet                 appears when all is done
features.parquet.partial/
├── task.json                    what is computed: parts of another task are not continued
└── part-000000.parquet …        one a few hundred recordings
```
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from replayport.analysing import Analysis
from replayport.analysis.features import arrow_fields
from replayport.analysis.profiles import KIND_WORDS, KINDS

PART_ROWS: Final = 500

SCHEMA: Final = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("person", pa.string()),
        pa.field(
            "scope",
            pa.string(),
            nullable=False,
            metadata={"comment": "`recording`, or `blocks`: added up as PostHog's database does."},
        ),
        *arrow_fields(),
        *(
            pa.field(
                f"signal_{kind}",
                pa.int64(),
                metadata={"comment": f"Signals of the profile: {KIND_WORDS[kind]}."},
            )
            for kind in KINDS
        ),
        pa.field("score", pa.float64(), metadata={"comment": "Frustration, 0..1."}),
        pa.field("findings", pa.list_(pa.string())),
    ]
)
"""Columns of a feature table: types never change with the data."""


def rows_of(analysis: Analysis) -> Iterator[dict[str, Any]]:
    """Yield the table's rows of a recording: one, and one of its blocks where they are known."""
    counts = analysis.detected[0].counts() if analysis.detected else dict.fromkeys(KINDS)
    head = {
        "project": analysis.project,
        "id": analysis.id,
        "person": analysis.person,
    }
    tail = {
        **{f"signal_{kind}": n for kind, n in counts.items()},
        "score": analysis.score.value if analysis.score else None,
        "findings": sorted(analysis.findings),
    }
    if analysis.features is not None:
        yield {**head, "scope": "recording", **analysis.features, **tail}
    if analysis.block_features is not None:
        yield {**head, "scope": "blocks", **analysis.block_features, **tail}


class FeatureFile:
    """A feature table on its way to a file; use as a context manager."""

    def __init__(self, path: Path, task: Mapping[str, Any], *, part_rows: int = PART_ROWS) -> None:
        self.path = path
        self._folder = path.with_name(path.name + ".partial")
        self._task = json.dumps(task, sort_keys=True, default=str)
        self._part_rows = part_rows
        self._rows: list[dict[str, Any]] = []
        self._begin()

    def _begin(self) -> None:
        note = self._folder / "task.json"
        if self._folder.is_dir() and (not note.is_file() or note.read_text("utf-8") != self._task):
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        note.write_text(self._task, "utf-8")

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("part-*.parquet"))

    def done(self) -> set[str]:
        """Give ``project/id`` of the recordings an earlier run has finished."""
        found: set[str] = set()
        for part in self._parts():
            table = pq.read_table(part, columns=["project", "id"])
            found |= {f"{p}/{i}" for p, i in zip(*table.to_pydict().values(), strict=True)}
        return found

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add the rows of one recording."""
        self._rows += [dict(row) for row in rows]
        if len(self._rows) >= self._part_rows:
            self.flush()

    def flush(self) -> None:
        """Write what was added as a part; a crash after this keeps it."""
        if not self._rows:
            return
        table = pa.Table.from_pylist(self._rows, schema=SCHEMA)
        digest = hashlib.sha256(repr(self._rows[0]["id"]).encode()).hexdigest()[:8]
        name = f"part-{len(self._parts()):06}-{digest}.parquet"
        half_done = self._folder / f"{name}.half"
        pq.write_table(table, half_done, compression="zstd")
        half_done.replace(self._folder / name)
        self._rows = []

    def finish(self, order: Sequence[str]) -> int:
        """
        Put the parts together and take them away.

        Args:
            order: ``project/id`` in the order rows shall have.

        Returns:
            Rows written.
        """
        self.flush()
        tables = [pq.read_table(part, schema=SCHEMA) for part in self._parts()]
        table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
        place = {name: n for n, name in enumerate(order)}
        keys = [
            place.get(f"{p}/{i}", len(place))
            for p, i in zip(table["project"].to_pylist(), table["id"].to_pylist(), strict=True)
        ]
        index = sorted(range(len(keys)), key=keys.__getitem__)
        write_table(table.take(pa.array(index, pa.int64())), self.path)
        shutil.rmtree(self._folder)
        return len(keys)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a feature table by the ending of its name: ``.csv``, ``.jsonl`` or Parquet."""
    half_done = path.with_name(path.name + ".half")
    if path.suffix == ".csv":
        with half_done.open("w", newline="", encoding="utf-8") as file:
            write_csv(table.to_pylist(), file)
    elif path.suffix == ".jsonl":
        with half_done.open("w", encoding="utf-8") as file:
            for row in table.to_pylist():
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        pq.write_table(table, half_done, compression="zstd")
    half_done.replace(path)


def write_csv(rows: Iterable[Mapping[str, Any]], file: Any) -> None:
    """Write rows as CSV: lists with spaces between, what is not known left empty."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(SCHEMA.names)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in SCHEMA.names])


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, str) and value[:1] in "=+-@\t\r":
        return "'" + value  # a spreadsheet would take it for a formula
    return value
