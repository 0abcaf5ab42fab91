"""The bundle export: whole recordings only, equal when imported again."""

from __future__ import annotations

import pytest
from tests.support.builders import draft

from replayport.archive import Archive
from replayport.export import ExportOptions, ExportOptionsError
from replayport.export.bundle import export
from replayport.importing import import_paths
from replayport.verifying import verify_archive


def test_it_moves_a_recording_to_another_archive(tmp_path):
    analytics = [{"timestamp_ms": 1, "event": "$pageview", "properties": "{}"}]
    with Archive.open(tmp_path / "a", create=True) as archive:
        recording = archive.recording(archive.write(draft(analytics=analytics)).id)
        (tmp_path / "x.replay.zip").write_bytes(b"".join(export(recording, ExportOptions())))
        with Archive.open(tmp_path / "b", create=True) as other:
            report = import_paths([tmp_path / "x.replay.zip"], other)
            assert report.ok, report.rejected
            moved = other.recording(report.written[0])
            assert moved.manifest == recording.manifest
            assert list(moved.events()) == list(recording.events())
            assert moved.analytics_table() == recording.analytics_table()
            assert verify_archive(other) == (1, [])


@pytest.mark.parametrize("part", [{"window_id": "w1"}, {"playable": True}, {"arrival_order": True}])
def test_part_of_a_recording_is_no_bundle(tmp_path, part):
    with Archive.open(tmp_path / "a", create=True) as archive:
        recording = archive.recording(archive.write(draft()).id)
        with pytest.raises(ExportOptionsError):
            list(export(recording, ExportOptions(**part)))
