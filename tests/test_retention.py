"""Retention: what is too old goes, what is held stays, and a wrong clock decides nothing."""

from __future__ import annotations

import dataclasses

import pytest
from tests.support.builders import draft
from tests.support.erasing import NOW_MS, at, eraser

from replayport.archive import Archive
from replayport.errors import ErasedRecordingError
from replayport.holds import Holds
from replayport.recording import Person
from replayport.retention import DAY_MS, began_ms, retire, retiring

DAYS = {"shop": 30, "app": 0}


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive._now_ms = lambda: NOW_MS
        archive.write(draft(at(1, "x"), session_id="old", project="shop"))
        archive.write(
            draft(at(2, "x"), session_id="held", project="shop", person=Person(distinct_id="anna"))
        )
        archive.write(draft(at(30, "x"), session_id="young", project="shop"))
        archive.write(draft(at(1, "z"), session_id="kept", project="app"))
        yield archive


def test_a_preview_names_what_would_go(archive):
    found = retiring(archive, DAYS, now_ms=NOW_MS)
    assert [r.name for r in found.retired] == ["shop/old", "shop/held"]
    assert archive.catalog.count() == 4
    assert retiring(archive, {"shop": 0}, now_ms=NOW_MS).retired == []


def test_what_is_too_old_goes_for_good_and_holds_are_kept(archive, tmp_path):
    Holds(archive).put("person", "anna", by="legal")
    found = retiring(archive, DAYS, now_ms=NOW_MS)
    assert found.held == ["shop/held"]
    (receipt,) = retire(eraser(archive, tmp_path), found)
    assert receipt["kind"] == "retention"
    assert {r.id for r in archive.catalog.list()} == {"held", "young", "kept"}
    with pytest.raises(ErasedRecordingError):
        archive.write(draft(at(1, "x"), session_id="old", project="shop"))
    assert retiring(archive, DAYS, now_ms=NOW_MS).retired == []
    assert retire(eraser(archive, tmp_path), retiring(archive, DAYS, now_ms=NOW_MS)) == []


def test_a_run_that_was_cut_goes_on(archive, tmp_path, monkeypatch):
    one = eraser(archive, tmp_path)
    found = retiring(archive, DAYS, now_ms=NOW_MS)
    monkeypatch.setattr(one, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        retire(one, found)
    receipts = retire(eraser(archive, tmp_path), retiring(archive, DAYS, now_ms=NOW_MS))
    assert len(receipts) == 1
    assert {r.id for r in archive.catalog.list()} == {"young", "kept"}


def test_a_wrong_clock_neither_deletes_at_once_nor_keeps_for_ever(archive):
    row = archive.row("shop/old")
    created = row.created_ms
    assert began_ms(row) == row.start_ms
    for start_ms in (0, -5, created + 10 * DAY_MS, 2**52):
        assert began_ms(dataclasses.replace(row, start_ms=start_ms)) == created
