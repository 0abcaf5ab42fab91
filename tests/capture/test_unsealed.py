"""What of a person is not sealed yet, looked at beside the server that fills the inbox."""

from __future__ import annotations

import json

import pytest
from tests.capture.bodies import NOW_MS, analytics, item, marked, opening, put, snapshots
from tests.support.builders import START_MS

from replayport.archive import Archive
from replayport.capture import request_db
from replayport.capture.inbox import Inbox, InboxReader
from replayport.capture.seal import Sealer
from replayport.capture.unsealed import UnsealedVisits
from replayport.errors import StoreError
from replayport.redacting import load_profile, redact_stored
from replayport.surveying import Scope, survey

ANNA = Scope("person", "anna@example.org")


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "archive", create=True) as archive:
        yield archive


@pytest.fixture
def inbox(tmp_path):
    with Inbox.open(tmp_path / "inbox") as inbox:
        yield inbox


@pytest.fixture
def visits(archive, inbox):
    with InboxReader.beside(inbox.folder) as reader:  # as another process would
        yield UnsealedVisits(archive, reader)


def identify(session_id: str, distinct_id: str, other: str):
    """Give a request that says two ids are one person."""
    event = {
        "event": "$identify",
        "timestamp": "2026-09-21T14:13:20Z",
        "properties": {
            "distinct_id": distinct_id,
            "$anon_distinct_id": other,
            "$session_id": session_id,
        },
    }
    body = json.dumps({"api_key": "phc_test", "batch": [event]}).encode()
    return analytics(session_id=session_id, body=body)


def seal(archive, inbox):
    Sealer(inbox, archive, clock_ms=lambda: NOW_MS + 10**9).seal_due()


def test_whose_they_are_and_what_is_known_of_them(archive, inbox, visits):
    put(
        inbox,
        snapshots(item(opening(), session_id="anons", distinct_id="anon-1")),
        snapshots(item(opening(), session_id="annas", distinct_id=ANNA.value)),
        identify("annas", ANNA.value, "anon-1"),
        snapshots(item(opening(), session_id="bobs", distinct_id="bob")),
    )
    folders = list(visits.folders(ANNA))
    assert {(f.name, f.distinct_id, f.prefix) for f in folders} == {
        ("shop/anons", "anon-1", ""),
        ("shop/annas", ANNA.value, ""),
        ("shop/bobs", "bob", ""),
    }
    found = survey(archive, ANNA, unsealed=folders)
    assert found.distinct_ids == {ANNA.value, "anon-1"}
    assert {f.name for f in found.folders} == {"shop/annas", "shop/anons"}
    assert found.leftovers == []
    exactly = survey(archive, Scope("distinct_id", ANNA.value), unsealed=folders)
    assert {f.name for f in exactly.folders} == {"shop/annas"}


def test_a_visit_as_it_would_be_sealed(archive, inbox, visits):
    put(inbox, snapshots(item(opening(), session_id="a")), analytics("seen", session_id="a"))
    assert [f.name for f in visits.folders(ANNA)] == ["shop/a"]
    visit = visits.visit("shop/a")
    assert [e.timestamp_ms for e in visit.recording.events()] == [START_MS, START_MS + 1, START_MS + 5]  # fmt: skip
    assert [row["event"] for row in visit.analytics] == ["seen"]
    assert not visit.follows
    assert inbox.session("shop", "a") is not None
    assert list(archive.recordings()) == []


def test_analytics_without_a_recording(inbox, visits):
    put(inbox, analytics("seen", "heard", session_id="a"))
    (folder,) = visits.folders(Scope("distinct_id", "person-1"))
    assert folder.persons == {"person-1": 2}
    visit = visits.visit("shop/a")
    assert visit.recording is None
    assert sorted(row["event"] for row in visit.analytics) == ["heard", "seen"]


def test_what_came_after_sealing_follows_it(archive, inbox, visits):
    put(inbox, snapshots(item(opening(), session_id="a")), analytics("seen", session_id="a"))
    seal(archive, inbox)
    put(inbox, snapshots(item([marked(1, START_MS + 99)], session_id="a")))
    (folder,) = visits.folders(ANNA)
    visit = visits.visit(folder.name)
    assert visit.follows
    assert len(list(visit.recording.events())) == 4
    assert [row["event"] for row in visit.analytics] == ["seen"]
    assert len(list(archive.recording("shop/a").events())) == 3


def test_a_retry_of_what_is_sealed_is_nothing_new(archive, inbox, visits):
    sent = snapshots(item(opening(), session_id="a"))
    put(inbox, sent)
    seal(archive, inbox)
    put(inbox, sent)
    (folder,) = visits.folders(ANNA)
    visit = visits.visit(folder.name)
    assert (visit.recording, list(visit.analytics), visit.follows) == (None, [], True)


def test_what_came_after_a_redaction_stands_alone(archive, inbox, visits):
    put(inbox, snapshots(item(opening(), session_id="a", distinct_id="anna@example.org")))
    seal(archive, inbox)
    assert redact_stored(archive, "shop/a", load_profile("gdpr")).changed
    put(inbox, snapshots(item([marked(1, START_MS + 99)], session_id="a")))
    (folder,) = visits.folders(ANNA)
    visit = visits.visit(folder.name)
    assert not visit.follows
    assert len(list(visit.recording.events())) == 1


def test_more_of_a_recording_is_its_persons(archive, inbox, visits):
    put(inbox, snapshots(item(opening(), session_id="a", distinct_id=ANNA.value)))
    seal(archive, inbox)
    put(inbox, snapshots(item([marked(1)], session_id="a", distinct_id="bob")))
    found = survey(archive, ANNA, unsealed=visits.folders(ANNA))
    assert [bool(f.prefix) for f in found.folders] == [True, False]


def test_what_is_gone_since_is_none(archive, inbox, visits):
    put(inbox, snapshots(item(opening(), session_id="a")))
    (folder,) = visits.folders(ANNA)
    seal(archive, inbox)
    assert visits.visit(folder.name) is None


def test_what_does_not_decode_is_passed_over(inbox, visits):
    put(
        inbox,
        analytics("x", session_id="a", body=b"{"),
        snapshots(item(opening(), session_id="a", distinct_id="anna")),
    )
    (folder,) = visits.folders(ANNA)
    assert folder.distinct_id == "anna"
    assert len(list(visits.visit("shop/a").recording.events())) == 3


def test_no_inbox_is_none(tmp_path):
    assert InboxReader.beside(tmp_path) is None
    (tmp_path / request_db.FILE_NAME).touch()  # a server that begins just now
    assert InboxReader.beside(tmp_path) is None


def test_an_inbox_of_a_newer_version_is_refused(tmp_path):
    db = request_db.connect(tmp_path / request_db.FILE_NAME)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match="newer replayport"):
        InboxReader.beside(tmp_path)


def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / request_db.FILE_NAME).write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="cannot be read"):
        InboxReader.beside(tmp_path)
