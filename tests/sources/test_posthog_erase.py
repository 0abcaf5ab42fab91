from __future__ import annotations

import pytest

from replayport.errors import SourceAuthError
from replayport.sources.posthog_erase import PERSONS_AT_ONCE, RECORDINGS_AT_ONCE, PostHogEraser
from replayport.testing import FakePostHog, FakeRecording, Fault, serve
from replayport.testing.fake_posthog import ALL_SCOPES, WRITE_SCOPES


def fake(**options):
    recordings = [
        FakeRecording.simple("s-1", distinct_id="anna"),
        FakeRecording.simple("s-2", distinct_id="anna"),
        FakeRecording.simple("s-3", distinct_id="bob"),
    ]
    return FakePostHog(recordings, **{"scopes": ALL_SCOPES | WRITE_SCOPES, **options})


def erase(posthog, *args):
    with serve(posthog) as url:
        eraser = PostHogEraser(url, posthog.project_id, posthog.api_key)
        try:
            return eraser.erase(*args)
        finally:
            eraser.close()


def test_persons_and_recordings_go_and_it_is_looked_whether_they_did():
    posthog = fake()
    done = erase(posthog, ["anna"], ["s-1", "s-2", "never-there"])
    assert (done.persons_asked, done.recordings_asked, done.still_there) == (1, 3, [])
    assert {r.session_id for r in posthog.recordings.values() if not r.deleted} == {"s-3"}


def test_asking_twice_is_as_asking_once():
    posthog = fake()
    erase(posthog, [], ["s-1"])
    assert erase(posthog, [], ["s-1"]).still_there == []


def test_many_are_asked_for_in_parts():
    posthog = fake()
    people = [f"p-{i}" for i in range(PERSONS_AT_ONCE + 1)]
    sessions = [f"s-{i}" for i in range(RECORDINGS_AT_ONCE + 1)]
    erase(posthog, people, sessions)
    assert posthog.count("persons/bulk_delete") == 2
    assert posthog.count("session_recordings/bulk_delete") == 2


def test_what_it_still_serves_is_named():
    posthog = fake()
    posthog.inject(Fault("status", match="recordings/bulk_delete", status=404))
    assert erase(posthog, [], ["s-3"]).still_there == ["s-3"]


def test_a_key_without_the_scope_is_refused():
    with pytest.raises(SourceAuthError, match="person:write"):
        erase(fake(scopes=ALL_SCOPES), ["anna"], [])
