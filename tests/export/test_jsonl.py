"""JSON lines come back through an import as the same recording."""

from __future__ import annotations

import json

from tests.support.files import TWO_WINDOWS, compact

from replayport.archive import Archive
from replayport.export import ExportOptions
from replayport.export.jsonl import export
from replayport.importing import import_paths


def test_lines_are_read_back(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"".join(compact([w, e]) + b"\n" for w, e in TWO_WINDOWS))
    with Archive.open(tmp_path / "a", create=True) as archive:
        (first,) = import_paths([source], archive).written
        data = b"".join(export(archive.recording(first), ExportOptions(arrival_order=True)))
        assert [tuple(json.loads(line)) for line in data.splitlines()] == TWO_WINDOWS
        (tmp_path / "out.jsonl").write_bytes(data)
        (second,) = import_paths([tmp_path / "out.jsonl"], archive, project="again").written
        a, b = (
            [(e.window_id, e.to_rrweb()) for e in archive.recording(name).events()]
            for name in (f"imported/{first}", f"again/{second}")
        )
        assert a == b == TWO_WINDOWS
