"""The archive day by day: what is there, what is new, what is gone."""

from __future__ import annotations

import pytest
from tests.dataset.conftest import DAY_MS, add
from tests.support.builders import START_MS

from replayport.dataset.days import current_members, day_of, days_of
from replayport.recording import recording_prefix


@pytest.mark.parametrize("ms", [0, START_MS, -1, 2**62, 253_402_300_799_999, 253_402_300_800_000])
def test_a_day_is_that_of_the_folder(ms):
    assert recording_prefix("p", "s", ms) == f"recordings/p/{day_of(ms).replace('-', '/')}/s"


def test_days_known_and_days_to_add_in_order(archive):
    first = day_of(START_MS)
    days = [day_of(START_MS + n * DAY_MS) for n in range(3)]
    found = dict(days_of(archive, [], since_ms=None, until_ms=None))
    assert list(found) == days
    assert {key[1] for key in found[first]} == {"s-0", "s-1", "s-2"}
    known = ["2026-01-01", days[2], "2027-01-01"]
    later = list(
        days_of(archive, known, since_ms=START_MS + DAY_MS, until_ms=START_MS + 2 * DAY_MS)
    )
    assert [d for d, _ in later] == ["2026-01-01", days[1], days[2], "2027-01-01"]
    assert [len(wanted) for _, wanted in later] == [0, 3, 0, 0]


def test_what_did_not_change_is_not_read_again(archive, monkeypatch):
    [(_, wanted), *_] = days_of(archive, [], since_ms=None, until_ms=None)
    members = current_members(archive, [], wanted, rejected={})
    read = []
    real = archive.recording_at
    monkeypatch.setattr(archive, "recording_at", lambda prefix: read.append(prefix) or real(prefix))
    assert current_members(archive, list(members.values()), wanted, rejected={}) == members
    assert read == []
    add(archive, "s-1", day=0, project="p1")
    read.clear()  # writing looks at what was there
    now = current_members(archive, list(members.values()), wanted, rejected={})
    assert len(read) == 1
    assert [k for k in now if now[k].revision != members[k].revision] == [("p1", "s-1")]


def test_the_store_is_believed_not_the_catalog(archive):
    [(_, wanted), *_] = days_of(archive, [], since_ms=None, until_ms=None)
    archive.store.delete_prefix(archive.recording("s-0").prefix)  # the row stays
    rejected: dict[str, str] = {}
    assert {k[1] for k in current_members(archive, [], wanted, rejected=rejected)} == {"s-1", "s-2"}
    archive.store.put(f"{archive.recording('s-1').prefix}/manifest.json", b"{")
    assert {k[1] for k in current_members(archive, [], wanted, rejected=rejected)} == {"s-2"}
    assert list(rejected) == ["p1/s-1"]
