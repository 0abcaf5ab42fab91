"""Erasure: nothing left, nothing else touched, wherever it is killed, and proven."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil

import pytest
from tests.capture.bodies import item
from tests.support.builders import draft
from tests.support.erasing import (
    ANNA,
    ANON,
    BOB,
    NOW_MS,
    OF_ANNA,
    at,
    contents,
    eraser,
    fill,
    fill_inbox,
    marks_in,
    row,
)

from replayport.archive import Archive
from replayport.audit import AuditLog
from replayport.capture.erase import UnsealedHere, unsealed_in
from replayport.capture.inbox import Inbox
from replayport.capture.outbox import Outbox, Outgoing
from replayport.erase import UnfinishedErasureError
from replayport.erasure_plan import ERASURES, InboxEvidence, open_plans, put_evidence
from replayport.errors import ErasedRecordingError, LegalHoldError, RecordingNotFoundError
from replayport.format.schema import MANIFEST_FILE
from replayport.holds import Holds
from replayport.ledger import Ledger
from replayport.recording import Person
from replayport.redacting import load_profile, redact_stored
from replayport.sources.posthog_erase import PostHogEraser
from replayport.surveying import Scope
from replayport.testing import FakePostHog, FakeRecording, serve
from replayport.testing.fake_posthog import ALL_SCOPES, WRITE_SCOPES
from replayport.verifying import verify_archive

PERSON = Scope("person", ANNA)


@contextlib.contextmanager
def opened(path):
    with Archive.open(path) as archive:
        archive._now_ms = lambda: NOW_MS
        yield archive


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Everything made once, copied for each test; ledger paths are of the copy's place."""
    base = tmp_path_factory.mktemp("template")
    with Archive.open(base / "a", create=True) as archive:
        archive._now_ms = lambda: NOW_MS
        fill(archive, base / "outside")
    with Inbox.open(base / "a" / "inbox") as inbox:
        fill_inbox(inbox)
    return base


@pytest.fixture
def world(template, tmp_path):
    return copy(template, tmp_path / "w")


def copy(template, place):
    shutil.copytree(template, place)
    for path in (place / "a" / "ledger").iterdir():
        path.write_text(path.read_text().replace(str(template), str(place)))
    return place


def erase(world, scope=PERSON, **options):
    with opened(world / "a") as archive, unsealed_in(world / "a" / "inbox") as inboxes:
        one = eraser(archive, world, unsealed=inboxes, **options)
        return one.run(one.plan(scope))


def others(world):
    """Give what no erasure of Anna may touch."""
    kept = contents(world / "a" / "recordings")
    return {
        n: d for n, d in kept.items() if not any(m in n for m in OF_ANNA) and "bobs" not in n
    } | {f"outside/{n}": d for n, d in contents(world / "outside").items() if n != "anna.html"}


def check_clean(world, before):
    """Nothing of Anna in any byte, all of the others as it was, and the archive sound."""
    assert marks_in(world / "a", world / "outside") == []
    assert others(world) == before
    with opened(world / "a") as archive:
        assert verify_archive(archive) == (2, [])
        assert {r.id for r in archive.catalog.list()} == {"bobs-visit", "nobodys-visit"}
        bob = archive.recording("bobs-visit")
        assert len(list(bob.events())) == bob.manifest.events == len(at(4, ""))
        assert [r["distinct_id"] for r in bob.analytics().to_pylist()] == [BOB, BOB]
        assert bob.manifest.rejected == {"erased": 1}
        assert len(bob.assets().sizes()) == 1
        assert [bob.asset(s) for s in bob.assets().sizes()] == [b"\x89PNG shared logo"]
        assert sum(1 for _ in archive.store.list("assets/")) == 1
        assert [m.where.rsplit("/", 1)[1] for m in Ledger(archive).entries()] == ["bob.html"]
        assert AuditLog(archive).verify()[1] == []
        assert list(open_plans(archive)) == []
    with Inbox.open(world / "a" / "inbox") as inbox:
        names = {s.session_id for s in inbox.live_sessions()}
        assert names == {"bobs-unsealed-visit", "bobs-mixed-visit"}
        for name in names:
            assert inbox.draft("shop", name) is not None
            assert len(inbox.draft("shop", name).columns) == len(at(7, ""))


def test_the_scan_sees_what_is_there(world):
    found = {mark for _, mark in marks_in(world / "a", world / "outside")}
    assert {ANNA, *OF_ANNA, "annas-unsealed-visit", "annas-picture"} <= found


def test_a_person_is_gone_from_every_byte_and_nothing_else_is(world):
    before = others(world)
    receipt = erase(world)
    check_clean(world, before)
    kinds = [r["what"] for r in receipt["removed"]]
    assert kinds.count("recording") == 3
    assert {"analytics", "inbox", "asset", "export", "share"} <= set(kinds)
    assert ["stdout:"] == [n["where"] for n in receipt["not_reached"] if n["what"] == "export"]
    assert next(r for r in receipt["removed"] if r["what"] == "inbox")["requests"] == 2


def test_a_dry_run_changes_nothing(world):
    before = contents(world / "a" / "recordings"), contents(world / "outside")
    with opened(world / "a") as archive, unsealed_in(world / "a" / "inbox") as inboxes:
        plan = eraser(archive, world, unsealed=inboxes).plan(PERSON)
        assert not archive.tombstones
        assert list(archive.store.list(ERASURES)) == []
    assert plan.distinct_ids == sorted([ANNA, ANON])
    assert [r.id for r in plan.recordings] == sorted(
        OF_ANNA, key=lambda i: ("app" not in i and "anonymous" not in i, i)
    )
    assert plan.rows == {"shop/bobs-visit": 1}
    assert plan.requests == 2
    assert sorted(p.action for p in plan.made) == ["delete", "delete", "none"]
    assert (contents(world / "a" / "recordings"), contents(world / "outside")) == before


class Cut(BaseException):
    """Stands for a process that is killed."""


VERBS = ("put", "put_new", "get", "delete", "delete_prefix", "list", "exists")


def cut_after(archive, n):
    """Die before the n-th operation on the store; gives how many there were."""
    count = [0]

    def counting(real):
        def call(*args, **kwargs):
            count[0] += 1
            if count[0] == n:
                raise Cut
            return real(*args, **kwargs)

        return call

    for verb in VERBS:
        setattr(archive.store, verb, counting(getattr(archive.store, verb)))
    return count


def run_or_resume(world, n=0):
    with opened(world / "a") as archive, unsealed_in(world / "a" / "inbox") as inboxes:
        count = cut_after(archive, n)
        one = eraser(archive, world, unsealed=inboxes)
        plans = one.open_plans()
        one.run(plans[0] if plans else one.plan(PERSON))
        return count[0]


def test_killed_at_fifty_points_and_resumed(template, tmp_path, monkeypatch):
    # A killed process loses nothing the system has; only a power cut would, and costs a disk.
    monkeypatch.setattr("os.fsync", lambda _: None)
    total = run_or_resume(copy(template, tmp_path / "whole"))
    assert total > 100
    points = random.Random(5).sample(range(1, total + 1), 50)
    for n in sorted(points):
        world = copy(template, tmp_path / "one")
        before = others(world)
        with pytest.raises(Cut):
            run_or_resume(world, n)
        run_or_resume(world)
        check_clean(world, before)
        shutil.rmtree(world)


def test_erasing_twice_is_erasing_once(world):
    before = others(world)
    erase(world)
    receipt = erase(world)
    assert [r for r in receipt["removed"] if r["what"] == "recording"] == []
    check_clean(world, before)


def test_one_recording_by_its_id(world):
    erase(world, Scope("recording", f"shop/{OF_ANNA[1]}"))
    with opened(world / "a") as archive:
        assert not archive.has("shop", OF_ANNA[1])
        assert archive.has("shop", OF_ANNA[0])
    assert OF_ANNA[1] not in {m for _, m in marks_in(world / "a")}


def test_exactly_one_distinct_id(world):
    erase(world, Scope("distinct_id", ANON))
    with opened(world / "a") as archive:
        assert {r.id for r in archive.catalog.list()} == {
            "bobs-visit",
            "nobodys-visit",
            OF_ANNA[0],
            OF_ANNA[1],
        }


@pytest.mark.parametrize("scope", [PERSON, Scope("distinct_id", ANNA)])
def test_a_recording_redacted_to_a_pseudonym_is_still_the_persons(world, scope):
    with opened(world / "a") as archive:
        assert redact_stored(archive, "shop/annas-second-visit", load_profile("gdpr")).changed
        assert archive.row("shop/annas-second-visit").distinct_id.startswith("anon-")
    erase(world, scope)
    with opened(world / "a") as archive:
        left = {r.id for r in archive.catalog.list()}
    assert left == {"bobs-visit", "nobodys-visit"} | (
        {"annas-anonymous-visit"} if scope.kind == "distinct_id" else set()
    )


def test_by_an_address(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive._now_ms = lambda: NOW_MS
        archive.write(draft(at(1, "x"), session_id="cart"))
        plain = [e for e in at(2, "y") if e["type"] != 5]
        archive.write(draft(plain, session_id="no-cart"))
        one = eraser(archive, tmp_path)
        one.run(one.plan(Scope("url_pattern", "https://*/cart")))
        assert [r.id for r in archive.catalog.list()] == ["no-cart"]


def test_what_is_not_there_is_said(world):
    with opened(world / "a") as archive, pytest.raises(RecordingNotFoundError):
        eraser(archive, world).plan(Scope("recording", "no-such-recording"))


# --- nothing brings it back -----------------------------------------------------------


def test_nothing_brings_an_erased_recording_back(world):
    erase(world)
    visit = at(1, "x")
    with opened(world / "a") as archive:
        for again in (
            draft(visit, session_id=OF_ANNA[0], project="shop"),
            draft(visit, session_id="another-id", project="elsewhere"),
            draft(at(20, "n"), session_id="new-1", project="shop", person=Person(distinct_id=ANNA)),
            draft(at(21, "n"), session_id="new-2", project="shop", person=Person(distinct_id=ANON)),
        ):
            with pytest.raises(ErasedRecordingError):
                archive.write(again, replace=True)
        late = draft(at(22, "m"), session_id="bobs-next", analytics=[row(9, ANNA), row(9, BOB)])
        archive.write(late)
        kept = archive.recording("bobs-next")
        assert [r["distinct_id"] for r in kept.analytics().to_pylist()] == [BOB]
        assert kept.manifest.rejected == {"erased": 1}
    assert marks_in(world / "a") == []


def test_a_visit_that_begins_later_is_taken_unless_blocked(world):
    later = [{**e, "timestamp": e["timestamp"] + 90 * 86_400_000} for e in at(1, "x")]
    erase(world)
    with opened(world / "a") as archive:
        again = draft(later, session_id="came-back", person=Person(distinct_id=ANNA))
        assert archive.write(again).written
        one = eraser(archive, world)
        one.run(one.plan(PERSON, forever=True))
        with pytest.raises(ErasedRecordingError):
            archive.write(again)


def test_a_writer_that_was_waiting_is_refused(world):
    """The tombstone is looked for under the lease, after whoever held it is done."""
    with opened(world / "a") as archive:
        real, done = archive.store.lease, []

        @contextlib.contextmanager
        def lease(key, *args, **kwargs):
            with real(key, *args, **kwargs) as found:
                if key == "locks/shop/annas-late-visit" and not done:
                    done.append(key)
                    archive.store.lease = real
                    one = eraser(archive, world)
                    one.run(one.plan(PERSON))
                yield found

        archive.store.lease = lease
        with pytest.raises(ErasedRecordingError):
            archive.write(
                draft(
                    at(25, "l"),
                    session_id="annas-late-visit",
                    project="shop",
                    person=Person(distinct_id=ANNA),
                )
            )
        assert done


# --- refusals, leftovers, damage ------------------------------------------------------


def test_a_hold_stops_it_before_anything_changes(world):
    before = contents(world / "a" / "recordings")
    with opened(world / "a") as archive:
        Holds(archive).put("recording", f"shop/{OF_ANNA[1]}", by="legal", reason="case 7")
        with pytest.raises(LegalHoldError) as refused:
            eraser(archive, world).plan(PERSON)
        assert refused.value.held == [f"shop/{OF_ANNA[1]}"]
        assert Holds(archive).release("recording", f"shop/{OF_ANNA[1]}")
        Holds(archive).put("person", ANON, by="legal")
        with pytest.raises(LegalHoldError):
            eraser(archive, world).plan(PERSON)
    assert contents(world / "a" / "recordings") == before


def test_a_hold_put_between_plan_and_run_stops_it_too(world):
    with opened(world / "a") as archive:
        one = eraser(archive, world)
        plan = one.plan(PERSON)
        Holds(archive).put("person", ANNA, by="legal")
        with pytest.raises(LegalHoldError):
            one.run(plan)
        assert archive.has("shop", OF_ANNA[0])


def test_leftovers_of_cut_writes_go_as_well(world):
    with opened(world / "a") as archive:
        prefix = archive.row(OF_ANNA[1]).key_prefix
        archive.store.put(f"{prefix}/events.parquet.next", b"annas-picture")
        archive.store.put("recordings/shop/2026/09/20/annas-second-visit/events.parquet", b"old")
    before = others(world)
    erase(world)
    check_clean(world, before)


def test_a_damaged_manifest_of_the_person_goes_by_what_the_catalog_knows(world):
    with opened(world / "a") as archive:
        archive.store.put(f"{archive.row(OF_ANNA[1]).key_prefix}/{MANIFEST_FILE}", b"{")
    before = others(world)
    erase(world)
    check_clean(world, before)


def test_a_damaged_recording_of_nobody_known_is_named_and_its_assets_kept(world):
    with opened(world / "a") as archive:
        archive.store.put(f"{archive.row('nobodys-visit').key_prefix}/{MANIFEST_FILE}", b"{")
    receipt = erase(world)
    assert [n["why"] for n in receipt["not_reached"] if n["what"] == "recording"] == [
        "it does not read"
    ]
    assert any(
        "cannot be told" in n["why"] for n in receipt["not_reached"] if n["what"] == "assets"
    )


def test_a_file_that_is_another_one_now_is_left_and_named(world):
    (world / "outside" / "anna.html").write_bytes(b"somebody's own file")
    receipt = erase(world)
    assert (world / "outside" / "anna.html").read_bytes() == b"somebody's own file"
    assert any("not the one" in n["why"] for n in receipt["not_reached"])


def test_things_with_others_in_them_are_rewritten_or_named(world):
    both = [f"shop/{OF_ANNA[0]}", "shop/bobs-visit"]
    with opened(world / "a") as archive:
        ledger = Ledger(archive)
        ledger.add("dataset", "file:///data/set", both)
        ledger.add("video", (world / "both.mp4").as_uri(), both)
    seen = []
    receipt = erase(
        world, rewriters={"dataset": lambda made, names: seen.append((made.where, names))}
    )
    assert seen[0][0] == "file:///data/set"
    assert f"shop/{OF_ANNA[0]}" in seen[0][1]
    assert any(r["what"] == "dataset" for r in receipt["removed"])
    assert any(n["what"] == "video" for n in receipt["not_reached"])
    with opened(world / "a") as archive:
        left = [m for m in Ledger(archive).entries() if m.kind in ("dataset", "video")]
        assert [m.recordings for m in left] == [["shop/bobs-visit"]] * 2


def test_an_inbox_that_nobody_confirmed_leaves_it_open(world):
    with opened(world / "a") as archive:
        archive.store.put("inboxes/other-server.json", b"{}")
        one = eraser(archive, world)
        plan = one.plan(PERSON)
        with pytest.raises(UnfinishedErasureError, match="other-server"):
            one.run(plan)
        assert [p.id for p in open_plans(archive)] == [plan.id]
        put_evidence(archive, plan, InboxEvidence(inbox="other-server", at_ms=1, requests=4))
        receipt = one.run(one.open_plans()[0])
        assert [r["requests"] for r in receipt["removed"] if r["what"] == "inbox"] == [4]
        second = eraser(archive, world, skip_inboxes=["other-server"])
        receipt = second.run(second.plan(Scope("recording", "shop/bobs-visit")))
        assert any(n["where"] == "other-server" for n in receipt["not_reached"])


def test_what_waits_for_posthog_goes_too(world):
    def waiting(target, *items):
        headers = ((b"content-type", b"text/plain"),)
        return Outgoing("POST", target, headers, json.dumps(items).encode(), 5)

    mixed = waiting(
        b"/s/?_=1790000000000&compression=",
        item(at(8, "w"), session_id="bobs-mixed-visit", distinct_id=BOB),
        item(at(9, "k"), session_id="annas-mixed-visit", distinct_id=ANNA),
    )
    only = waiting(b"/s/", item(at(6, "u"), session_id="annas-unsealed-visit", distinct_id=ANNA))
    path = world / "a" / "inbox" / "outbox.sqlite"
    outbox = Outbox(path)

    async def fill_outbox():
        await outbox.put(mixed, due_ms=1)
        await outbox.put(only, due_ms=1)

    asyncio.run(fill_outbox())
    outbox.close()
    receipt = erase(world)
    assert next(r for r in receipt["removed"] if r["what"] == "inbox")["waiting_for_posthog"] == 2
    assert marks_in(world / "a") == []
    outbox = Outbox(path)
    (left,) = asyncio.run(outbox.due(5, limit=10))
    outbox.close()
    sessions = [i["properties"]["$session_id"] for i in json.loads(left.outgoing.body)]
    assert sessions == ["bobs-mixed-visit"]
    assert left.outgoing.target == b"/s/?_=1790000000000"


def test_posthog_is_asked_and_looked_at_again(world):
    fake = FakePostHog(
        [
            FakeRecording.simple(OF_ANNA[0], distinct_id=ANNA),
            FakeRecording.simple("bobs-visit", distinct_id=BOB),
        ],
        scopes=ALL_SCOPES | WRITE_SCOPES,
    )
    with serve(fake) as url:
        posthog = PostHogEraser(url, fake.project_id, fake.api_key)
        receipt = erase(world, posthog=posthog)
        posthog.close()
    assert fake.recordings[OF_ANNA[0]].deleted
    assert not fake.recordings["bobs-visit"].deleted
    assert fake.deleted_persons == {ANNA, ANON}
    assert receipt["posthog"]["recordings_still_there"] == 0
    assert not any(n["what"] == "posthog" for n in receipt["not_reached"])


def test_the_live_inbox_is_not_opened_twice(world):
    with Inbox.open(world / "a" / "inbox") as inbox, unsealed_in(world / "a" / "inbox") as found:
        assert found == []
        assert UnsealedHere(inbox, None).name
