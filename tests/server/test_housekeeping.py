"""What a server does by itself: its inbox's part of an erasure, and retention."""

from __future__ import annotations

import threading

import pytest
from tests.support.builders import draft
from tests.support.erasing import ANNA, NOW_MS, at, eraser, fill, fill_inbox, marks_in

from replayport.archive import Archive
from replayport.capture.erase import UnsealedHere
from replayport.capture.inbox import Inbox
from replayport.capture.seal import Outcome, Sealer
from replayport.erasure_plan import registered_inboxes
from replayport.server.housekeeping import RETENTION_STATE, Housekeeper
from replayport.signing import Signer
from replayport.surveying import Scope


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive._now_ms = lambda: NOW_MS
        fill(archive, tmp_path / "outside")
        yield archive


@pytest.fixture
def inbox(archive, tmp_path):
    with Inbox.open(tmp_path / "a" / "inbox") as inbox:
        fill_inbox(inbox)
        yield inbox


def keeper(archive, inbox, tmp_path, days=None, every_h=24.0):
    return Housekeeper(
        archive,
        UnsealedHere(inbox, None),
        signer=Signer.load(tmp_path / "signing-key.pem"),
        retention_days=days or {},
        retention_every_h=every_h,
        poll_s=0.01,
    )


def test_an_erasure_elsewhere_is_done_here_and_confirmed(archive, inbox, tmp_path):
    """The inbox is open in the server; whoever erases waits for it."""
    house = keeper(archive, inbox, tmp_path)
    house.start()
    try:
        assert registered_inboxes(archive) == [UnsealedHere(inbox, None).name]
        one = eraser(archive, tmp_path, wait_inboxes=lambda: threading.Event().wait(0.01) or True)
        receipt = one.run(one.plan(Scope("person", ANNA)))
    finally:
        house.stop()
    told = [r for r in receipt["removed"] if r["what"] == "inbox"]
    assert [t["requests"] for t in told] == [2]
    assert marks_in(tmp_path / "a", tmp_path / "outside") == []


def test_a_word_that_comes_after_the_end_is_taken_back(archive, inbox, tmp_path):
    """The plan was read, and completed by somebody else before this server confirmed."""
    one = eraser(archive, tmp_path, unsealed=[UnsealedHere(inbox, None)])
    plan = one.plan(Scope("person", ANNA))
    one.run(plan)
    keeper(archive, inbox, tmp_path)._erase(plan)
    assert list(archive.store.list("erasures/")) == []


def test_what_is_late_is_dropped_when_sealed(archive, inbox, tmp_path):
    one = eraser(archive, tmp_path, unsealed=[UnsealedHere(inbox, None)])
    one.run(one.plan(Scope("person", ANNA)))
    fill_inbox(inbox)  # every request is sent again
    sealer = Sealer(inbox, archive, workers=1, clock_ms=lambda: NOW_MS + 10**9)
    outcomes = sealer.seal_due()
    assert outcomes[Outcome.ERASED] == 2, outcomes
    assert outcomes[Outcome.SEALED] == 2
    assert not archive.has("shop", "annas-unsealed-visit")
    assert archive.has("shop", "bobs-mixed-visit")


def test_retention_runs_when_it_is_due_and_not_again(archive, inbox, tmp_path):
    house = keeper(archive, inbox, tmp_path, days={"app": 30})
    house.look()
    assert not archive.has("app", "annas-anonymous-visit")
    assert archive.catalog.get_state(RETENTION_STATE) == {"at_ms": NOW_MS}
    archive.write(draft(at(2, "more"), session_id="more", project="app"))
    house.look()
    assert archive.has("app", "more")
    keeper(archive, inbox, tmp_path, days={"app": 30}, every_h=0).look()
    assert archive.has("app", "more")
