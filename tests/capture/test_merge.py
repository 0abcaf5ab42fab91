from __future__ import annotations

import json

import pytest
from tests.capture.bodies import PROJECT, item, marked, marks, new_id, opening, snapshots
from tests.capture.test_assemble import assembled
from tests.support.builders import START_MS, draft, visit

from replayport.archive import Archive
from replayport.capture import merge
from replayport.capture.assemble import Assembly
from replayport.errors import DamagedRecordingError
from replayport.format.schema import EVENTS_FILE
from replayport.outcomes import RejectReason

LIMIT = 10**9


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "archive", create=True) as archive:
        yield archive


def numbered(n: int, **fields) -> Assembly:
    return assembled(snapshots(item([marked(n)], item_id=new_id(n), **fields)))


def test_nothing_archived_is_none(archive):
    assert merge.Archived.read(archive, numbered(1)) is None
    assert merge.Archived.repaired(archive, numbered(1)) is None


def test_late_events_come_after_the_archived_ones(archive):
    archive.write(numbered(5).draft())
    stored = merge.Archived.read(archive, numbered(1))
    assert stored is not None
    made = stored.merged(numbered(1, window_id="w-2"), max_recording_bytes=LIMIT)
    assert made is not None
    archive.write(made, replace=True)
    assert marks(archive) == [5, 1]
    assert [e.data["payload"]["n"] for e in archive.recording("s-1").events()] == [1, 5]


def test_merging_the_same_again_changes_nothing(archive):
    archive.write(numbered(1).draft())
    stored = merge.Archived.read(archive, numbered(1))
    assert stored is not None
    assert stored.merged(numbered(1), max_recording_bytes=LIMIT) is None


def test_findings_and_rejects_add_up_and_are_not_counted_twice(archive):
    bad = {"type": 3, "data": {}}
    for n in range(3):
        late = assembled(snapshots(item([*opening(), bad], item_id=new_id(n))))
        stored = merge.Archived.read(archive, late)
        made = late.draft() if stored is None else stored.merged(late, max_recording_bytes=LIMIT)
        assert made is not None
        archive.write(made, replace=True)
    manifest = archive.recording("s-1").manifest
    assert manifest.rejected == {RejectReason.INVALID_TIMESTAMP: 3}
    findings = {f.code: f.count for f in manifest.findings}
    assert findings["rejected_events"] == 3
    assert findings["duplicate_event"] == 6


def test_what_is_archived_is_never_given_up_for_late_data(archive):
    archive.write(numbered(1).draft())
    late = numbered(2)
    stored = merge.Archived.read(archive, late)
    assert stored is not None
    made = stored.merged(late, max_recording_bytes=1)
    assert made is not None
    assert len(made.columns) == 1
    assert made.rejected == {RejectReason.TOO_LARGE: 1}


def test_equal_values_written_otherwise_are_the_same_event(archive):
    """PostHog writes JSON anew: spaces and the order of keys change, values do not."""
    event = marked(1)
    other = {
        "timestamp": event["timestamp"],
        "type": 5,
        "data": {"payload": {"n": 1}, "tag": "mark"},
    }
    archive.write(draft([json.loads(json.dumps(other))], project=PROJECT, window_id="w-1"))
    stored = merge.Archived.read(archive, numbered(1))
    assert stored is not None
    made = stored.merged(numbered(1), max_recording_bytes=LIMIT)
    assert made is not None, "the item is new, and noted"
    assert len(made.columns) == 1


def test_a_damaged_recording_is_an_error(archive):
    archive.write(numbered(1).draft())
    prefix = archive.recording("s-1").prefix
    archive.store.put(f"{prefix}/{EVENTS_FILE}", b"something else")
    with pytest.raises(DamagedRecordingError):
        merge.Archived.read(archive, numbered(2))


def test_columns_survive_the_archive(tmp_path):
    events = [*visit(), {**marked(3), "delay": 5, "timestamp": START_MS + 1.5}, {**marked(4)}]
    events.append({"type": 0, "timestamp": START_MS})
    made = draft(events)
    archive = Archive.open(tmp_path, create=True)
    archive.write(made)
    back = merge.columns_of(archive.recording("s-1").table())
    assert list(back.events()) == list(made.columns.events())
    twice = merge.columns_of(archive.recording("s-1").table())
    merge.append(twice, made.columns, list(range(len(made.columns))))
    n = len(made.columns)
    assert [e.to_json() for e in twice.events()][n:] == [e.to_json() for e in made.columns.events()]
    assert [twice.kinds.values[k] for k in twice.kind[n:]] == [
        made.columns.kinds.values[k] for k in made.columns.kind
    ]
    assert list(twice.source[n:]) == list(made.columns.source)
    assert twice.url[n] == made.columns.url[0]
