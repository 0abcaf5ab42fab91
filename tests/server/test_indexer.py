"""The thread that makes recordings found by all they say."""

from __future__ import annotations

import time

from tests.support.builders import draft

from replayport.archive import Archive
from replayport.server.indexer import Indexer


def test_it_does_what_waits_and_remembers_what_does_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("replayport.server.indexer.PAUSE_S", 0)
    with Archive.open(tmp_path / "a", create=True) as archive:
        for n in range(3):
            archive.write(draft(session_id=f"s-{n}"))
        (path,) = (tmp_path / "a").glob("recordings/**/s-1/events.parquet")
        path.write_bytes(b"no")
        indexer = Indexer(archive)
        assert indexer.index_waiting() == 2
        assert [r.id for r in archive.catalog.without_text()] == ["s-1"]
        opened = []
        monkeypatch.setattr(archive, "index_text", opened.append)
        assert indexer.index_waiting() == 0
        assert opened == []  # not read again and again


def test_it_runs_by_itself(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        with Indexer(archive, poll_s=0.01):
            archive.write(draft())
            deadline = time.monotonic() + 60
            while list(archive.catalog.without_text()) and time.monotonic() < deadline:
                time.sleep(0.01)
        assert list(archive.catalog.without_text()) == []
        assert archive.catalog.count(words="bye", words_in=["clicked"]) == 1
