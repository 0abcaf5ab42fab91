from __future__ import annotations

import pytest
from tests.support.builders import draft
from tests.support.erasing import eraser

from replayport.archive import Archive
from replayport.erasure_plan import (
    ERASURES,
    InboxEvidence,
    has_evidence,
    open_plans,
    put_evidence,
    registered_inboxes,
)
from replayport.errors import ArchiveError
from replayport.surveying import Scope


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft())
        yield archive


def test_a_plan_comes_back_as_it_was(archive, tmp_path):
    one = eraser(archive, tmp_path)
    plan = one.plan(Scope("recording", "p/s-1"))
    assert list(open_plans(archive)) == []
    one._save(plan)
    assert list(open_plans(archive)) == [plan]
    assert not has_evidence(archive, plan, "x")
    put_evidence(archive, plan, InboxEvidence(inbox="x", at_ms=1))
    assert has_evidence(archive, plan, "x")
    assert list(open_plans(archive)) == [plan]


def test_a_plan_that_does_not_read_is_not_passed_over(archive):
    archive.store.put(f"{ERASURES}1/plan.json", b"{")
    with pytest.raises(ArchiveError, match="does not read"):
        list(open_plans(archive))


def test_inboxes_that_servers_have(archive):
    assert registered_inboxes(archive) == []
    archive.store.put("inboxes/abc.json", b"{}")
    assert registered_inboxes(archive) == ["abc"]
