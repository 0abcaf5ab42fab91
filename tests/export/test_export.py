"""The registry of exports: every one loads, and says what it is."""

from __future__ import annotations

import pytest
from tests.support.builders import draft

from replayport.archive import Archive
from replayport.export import EXPORTS, ExportOptions


@pytest.mark.parametrize("target", EXPORTS.values(), ids=EXPORTS)
def test_every_export_writes_something(target, tmp_path):
    if target.name == "html":
        pytest.importorskip("replayport.player_assets")
        from replayport.player_assets import PlayerNotBuiltError, static_file

        try:
            static_file("export.html")
        except PlayerNotBuiltError:
            pytest.skip("the web player is not built")
    assert target.suffix.startswith(".")
    assert target.help.endswith(".")
    with Archive.open(tmp_path / "a", create=True) as archive:
        recording = archive.recording(archive.write(draft()).id)
        pieces = list(target.load()(recording, ExportOptions()))
    assert all(isinstance(p, bytes) for p in pieces)
    assert b"".join(pieces)
