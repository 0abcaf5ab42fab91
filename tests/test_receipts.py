"""Receipts: signed, anchored, naming nobody, and checked against what is there now."""

from __future__ import annotations

import json

import pytest
from tests.support.builders import draft
from tests.support.erasing import ANNA, ANON, BOB, NOW_MS, OF_ANNA, at, eraser, fill

from replayport.archive import Archive
from replayport.audit import AuditLog, entry_key
from replayport.receipts import RECEIPTS, verify_receipt
from replayport.surveying import Scope

PERSON = Scope("person", ANNA)


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive._now_ms = lambda: NOW_MS
        fill(archive, tmp_path / "outside")
        yield archive


def erase(archive, tmp_path, scope=PERSON):
    one = eraser(archive, tmp_path)
    return one.run(one.plan(scope))


def test_a_receipt_names_nobody_and_can_be_checked(archive, tmp_path):
    receipt = erase(archive, tmp_path)
    text = json.dumps(receipt)
    assert [m for m in (ANNA, ANON, *OF_ANNA) if m in text] == []
    stored = json.loads(archive.store.get(f"{RECEIPTS}{receipt['erasure']}.json"))
    assert verify_receipt(stored, archive) == []
    assert verify_receipt(stored, archive, PERSON) == []
    assert verify_receipt(stored, archive, Scope("person", BOB)) != []
    assert verify_receipt({**stored, "actor": "somebody else"}, archive) != []
    assert verify_receipt({**stored, "signature": ""}) != []
    assert verify_receipt(stored) == []


def test_a_receipt_is_anchored_in_the_log(archive, tmp_path):
    receipt = erase(archive, tmp_path)
    log = AuditLog(archive)
    assert receipt["audit"]["seq"] in [a.seq for a in log.anchors()]
    archive.catalog.set_state("audit/head", {"seq": 0, "digest": log._genesis})
    archive.store.delete(entry_key(receipt["audit"]["seq"]))
    assert [p.code for p in log.verify()[1]] == ["truncated"]
    assert any("audit log" in p for p in verify_receipt(receipt, archive))


def test_an_erased_recording_that_is_there_again_is_noticed(archive, tmp_path):
    receipt = erase(archive, tmp_path, Scope("recording", "shop/bobs-visit"))
    archive.store.delete_prefix("tombstones")
    archive.write(draft(at(4, "again"), session_id="bobs-visit", project="shop"))
    assert any("again" in p for p in verify_receipt(receipt, archive))
