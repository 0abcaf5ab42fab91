"""A dataset as a whole is what spec/dataset.md says, and its one error is ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

import replayport
from replayport.dataset import DatasetError
from replayport.dataset.build import build_dataset
from replayport.dataset.ledger import DATASET_FILE, DatasetFile, Member, Part, PartFile
from replayport.format.tables import TABLES

SPEC = (Path(__file__).parents[2] / "spec" / "dataset.md").read_text("utf-8")


def section(title):
    return SPEC.partition(f"{title}\n")[2].partition("\n## ")[0]


def test_the_error_says_what_can_be_caught(archive):
    with pytest.raises(replayport.ReplayError) as caught:
        build_dataset(archive, archive.store.url)
    assert type(caught.value) is DatasetError


def test_dataset_json_has_the_fields_of_the_specification(archive, tmp_path):
    build_dataset(archive, tmp_path / "d", workers=1)
    document = json.loads((tmp_path / "d" / DATASET_FILE).read_text())
    said = re.findall(r"^\| `(\w+)` \|", section("## 3. `dataset.json`"), re.MULTILINE)
    assert sorted(document) == sorted(said) == sorted(DatasetFile.__struct_fields__)
    assert document["columns"] == {name: t.schema.names for name, t in TABLES.items()}
    assert document["archive_id"] == archive.archive_id


def test_the_ledger_is_as_the_specification_says_and_names_every_file(archive, tmp_path):
    root = tmp_path / "d"
    build_dataset(archive, root, workers=1)
    fields = ", ".join(
        re.findall(r"^\| \d[\d, ]* \| (.+?) \|", section("## 4. The ledger"), re.MULTILINE)
    )
    assert re.findall(r"`(\w+)`", fields) == list(Member.__struct_fields__)
    named = set()
    for path in (root / "_ledger").glob("day=*.json"):
        [(key, parts)] = json.loads(path.read_text()).items()
        assert key == "parts"
        for part in parts:
            assert sorted(part) == sorted(Part.__struct_fields__)
            assert part["files"].keys() == TABLES.keys()
            for table, file in part["files"].items():
                assert sorted(file) == sorted(PartFile.__struct_fields__)
                if file["rows"]:
                    named.add(f"{table}/{path.stem}/part-{part['id']}.parquet")
    assert named == {p.relative_to(root).as_posix() for p in root.rglob("part-*.parquet")}
    assert not list((root / "_ledger" / "built").glob("*"))


def test_rows_stand_by_recording_and_begin_with_its_name(archive, tmp_path):
    root = tmp_path / "d"
    build_dataset(archive, root, workers=1)
    for name in TABLES:
        for path in (root / name).rglob("*.parquet"):
            table = pq.ParquetFile(path).read()
            assert table.schema.names[:2] == ["project", "recording_id"]
            keys = list(zip(*table.select([0, 1]).to_pydict().values(), strict=True))
            runs = [k for n, k in enumerate(keys) if n == 0 or keys[n - 1] != k]
            assert len(runs) == len(set(runs))


def test_a_column_may_come_and_none_may_go_without_a_version(archive, tmp_path):
    """Parts with other columns are built again, so one run later there is one schema."""
    root = tmp_path / "d"
    build_dataset(archive, root, workers=1, tables=["recordings"])
    path = root / DATASET_FILE
    found = msgspec.json.decode(path.read_bytes(), type=DatasetFile)
    older = {"recordings": found.columns["recordings"][:-1]}
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(found, columns=older)))
    build_dataset(archive, root, workers=1)
    assert msgspec.json.decode(path.read_bytes(), type=DatasetFile) == found
    newer = msgspec.structs.replace(found, format_version=found.format_version + 1)
    path.write_bytes(msgspec.json.encode(newer))
    with pytest.raises(DatasetError, match="Upgrade"):
        build_dataset(archive, root, workers=1)
