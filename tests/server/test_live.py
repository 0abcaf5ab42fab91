"""Live recordings: encoded when they grow, not at every look, and few kept."""

from __future__ import annotations

from types import SimpleNamespace

from tests.support.builders import click, draft, visit

from replayport.server import live
from replayport.server.live import LiveRecordings


class Inbox:
    def __init__(self, sessions):
        self.sessions = sessions

    def session(self, project, session_id):
        return next(
            (s for s in self.sessions if (s.project, s.session_id) == (project, session_id)), None
        )

    def live_sessions(self, *, limit):
        return self.sessions[:limit]


class Sealer:
    def __init__(self):
        self.made = 0
        self.more = 0

    def draft(self, project, session_id):
        self.made += 1
        events = [*visit(), *(click(1000 + n) for n in range(self.more))]
        return draft(events, project=project, session_id=session_id)


def pending(session_id, requests=1, snapshots=1, project="p"):
    return SimpleNamespace(
        project=project,
        session_id=session_id,
        first_received_ms=1,
        last_received_ms=2,
        due_ms=3,
        requests=requests,
        snapshot_requests=snapshots,
        body_bytes=10,
        failures=0,
    )


def test_it_is_encoded_when_it_has_grown_and_not_too_often():
    now = [0.0]
    sealer = Sealer()
    inbox = Inbox([pending("s")])
    found = LiveRecordings(inbox, sealer, clock_s=lambda: now[0])
    first = found.recording("p", "s")
    assert [e.to_rrweb() for e in first.events()] == visit()
    assert found.recording("p", "s") is first
    inbox.sessions = [pending("s", requests=2)]
    sealer.more = 1
    assert found.recording("p", "s") is first  # too soon
    now[0] += live.FRESH_S
    assert found.recording("p", "s").manifest.events == len(visit()) + 1
    assert sealer.made == 2
    assert found.version("p", "s", len(visit())) is first


def test_few_versions_are_kept():
    now = [0.0]
    sealer = Sealer()
    inbox = Inbox([])
    found = LiveRecordings(inbox, sealer, clock_s=lambda: now[0])
    for n in range(live.MAX_KEPT + 3):
        inbox.sessions = [pending("s", requests=n + 1)]
        sealer.more = n
        now[0] += live.FRESH_S
        found.recording("p", "s")
    assert found.version("p", "s", len(visit())) is None
    assert found.version("p", "s", len(visit()) + live.MAX_KEPT + 2) is not None


def test_ids_that_are_digests_are_found():
    found = LiveRecordings(Inbox([pending("a/b")]), Sealer())
    recording_id = next(iter(found.rows())).id
    assert recording_id.startswith("id-")
    assert found.recording("p", recording_id).manifest.session_id == "a/b"


def test_sessions_without_a_picture_are_not_listed():
    found = LiveRecordings(Inbox([pending("s", snapshots=0)]), Sealer())
    assert list(found.rows()) == []
    assert found.recording("p", "s") is None
    assert found.recording("p", "other") is None
