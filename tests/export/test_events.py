"""What an export writes: the stored events, or the playable ones."""

from __future__ import annotations

from tests.support.builders import click, draft, full_snapshot, meta

from replayport.archive import Archive
from replayport.export import ExportOptions
from replayport.export.events import selected_events


def test_playable_leaves_repeats_out_and_windows_apart(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        made = draft([meta(), full_snapshot(), click(5), click(5)])
        recording = archive.recording(archive.write(made).id)
        assert len(list(selected_events(recording, ExportOptions()))) == 4
        assert len(list(selected_events(recording, ExportOptions(playable=True)))) == 3
        none = ExportOptions(playable=True, window_id="other")
        assert list(selected_events(recording, none)) == []
