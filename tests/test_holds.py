from __future__ import annotations

import pytest

from replayport.archive import Archive
from replayport.errors import ArchiveError, LegalHoldError
from replayport.holds import HOLDS, Holds


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive


def test_recordings_are_held_by_themselves_or_through_their_person(archive):
    holds = Holds(archive)
    rows = [("p", "1", "anna"), ("p", "2", "bob"), ("q", "1", None)]
    assert holds.held(rows) == []
    holds.put("person", "anna", by="legal", reason="case 7")
    holds.put("recording", "q/1", by="legal")
    assert holds.held(rows) == ["p/1", "q/1"]
    with pytest.raises(LegalHoldError, match="2 of these") as refused:
        holds.check(rows)
    assert refused.value.held == ["p/1", "q/1"]
    holds.check([("p", "2", "bob")])
    with pytest.raises(LegalHoldError):
        holds.check_person(["x", "anna"])
    assert holds.release("person", "anna")
    assert not holds.release("person", "anna")
    assert holds.held(rows) == ["q/1"]


def test_a_hold_names_nobody(archive):
    Holds(archive).put("person", "anna@example.org", by="legal")
    for info in archive.store.list(HOLDS):
        assert "anna" not in info.key
        assert b"anna" not in archive.store.get(info.key)


def test_a_hold_that_does_not_read_holds_everything(archive):
    archive.store.put(f"{HOLDS}recording/x.json", b"{")
    with pytest.raises(ArchiveError, match="nothing may be removed"):
        Holds(archive).held([("p", "1", None)])
