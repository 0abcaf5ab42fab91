from __future__ import annotations

import itertools

import pytest

from replayport.archive import Archive
from replayport.ledger import LEDGER, DamagedLedgerError, Ledger


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        ticks = itertools.count(1_790_000_000_000)
        archive._now_ms = lambda: next(ticks)  # no two entries within one millisecond
        yield archive


def test_what_was_made_is_found_by_its_recordings(archive):
    ledger = Ledger(archive)
    one = ledger.add("export", "file:///x/one.html", ["p/1"], form="html", sha256="ab")
    both = ledger.add("dataset", "s3://b/set", ["p/2", "p/1"])
    assert [m.where for m in ledger.of(["p/1"])] == [one.where, both.where]
    assert [m.where for m in ledger.of(["p/2"])] == [both.where]
    assert ledger.of(["p/3"]) == []
    ledger.remove(one)
    assert list(ledger.entries()) == [both]


def test_an_entry_that_does_not_read_is_not_passed_over(archive):
    ledger = Ledger(archive)
    ledger.add("export", "file:///x", ["p/1"])
    archive.store.put(f"{LEDGER}9-broken.json", b"{")
    with pytest.raises(DamagedLedgerError, match="9-broken"):
        ledger.of(["p/1"])
