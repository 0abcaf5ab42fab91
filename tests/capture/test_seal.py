from __future__ import annotations

import json
import random
import shutil
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.capture.bodies import (
    NOW_MS,
    PROJECT,
    Clock,
    analytics,
    captured,
    item,
    marked,
    marks,
    new_id,
    opening,
    put,
    snapshots,
)
from tests.support.builders import START_MS, compressed, draft, full_snapshot, visit
from tests.support.small_disk import fill, small_disk

from replayport.archive import Archive
from replayport.capture import assemble
from replayport.capture.inbox import Inbox
from replayport.capture.seal import Outcome, Sealer
from replayport.errors import StoreError
from replayport.format.schema import EVENTS_FILE, MANIFEST_FILE
from replayport.posthog import wire
from replayport.posthog.lines import EventDecoder
from replayport.testing import WireRequest, load_requests
from replayport.verifying import verify_archive

DEMO = Path(__file__).parents[2] / "src" / "replayport" / "demo" / "recordings"
DAY_MS = 24 * 3_600_000


class House:
    """An inbox, an archive and a sealer that a test can stop and start."""

    def __init__(self, folder: Path, archive: str | None = None, **options: object) -> None:
        self.clock = Clock()
        self.folder = folder
        self.archive = Archive.open(archive or folder / "archive", create=True)
        self.options = options
        self.start()

    def start(self) -> None:
        self.inbox = Inbox.open(self.folder / "inbox", clock_ms=self.clock)
        self.sealer = Sealer(
            self.inbox, self.archive, clock_ms=self.clock, workers=1, **self.options
        )

    def stop(self) -> None:
        self.inbox.close()

    def put(self, *requests) -> None:
        put(self.inbox, *requests)

    def seal(self, after_ms: int = DAY_MS) -> Counter[Outcome]:
        self.clock.now_ms += after_ms
        return self.sealer.seal_due()

    def events(self, session_id: str = "s-1") -> list[object]:
        recording = self.archive.recording(f"{PROJECT}/{session_id}")
        return [(e.window_id, e.to_rrweb()) for e in recording.events(order="arrival")]

    @property
    def waiting(self) -> list[str]:
        return [s.session_id for s in self.inbox.due(2**62, limit=100)]


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.stop()
    house.archive.close()


def numbered(numbers, **fields):
    return item([marked(n) for n in numbers], item_id=new_id(numbers[0]), **fields)


# --- one session ------------------------------------------------------------------------


def test_an_idle_session_becomes_a_recording(house):
    house.put(snapshots(item([compressed(e) for e in visit()])), analytics("$pageview"))
    assert house.seal(29 * 60_000) == {}
    assert house.seal(60_000) == {Outcome.SEALED: 1}
    recording = house.archive.recording("s-1")
    decoder = EventDecoder()
    decoder.feed_many("w-1", json.dumps([compressed(e) for e in visit()]).encode())
    assert [e.to_rrweb() for e in recording.events()] == [
        e.to_rrweb() for e in decoder.columns.events()
    ]
    assert recording.manifest.source == {
        "kind": "capture",
        "library": "web",
        "snapshot_source": "web",
    }
    assert recording.manifest.person.distinct_id == "person-1"
    assert recording.analytics().column("event").to_pylist() == ["$pageview"]
    assert house.waiting == []


def test_live_equals_sealed(house):
    house.put(
        snapshots(item(opening()), item(opening(), window_id="w-2")),
        snapshots(numbered([1, 2])),
        analytics("a", "b"),
    )
    live = house.inbox.draft(PROJECT, "s-1")
    again = house.sealer.draft(PROJECT, "s-1")
    house.seal()
    recording = house.archive.recording("s-1")
    windows = live.columns.windows.values
    assert house.events() == [
        (windows[live.columns.window[e.seq]], e.to_rrweb()) for e in live.columns.events()
    ]
    assert recording.analytics().num_rows == len(live.analytics) == len(again.analytics) == 2
    assert recording.manifest.provenance == live.provenance == again.provenance


def test_a_session_that_says_it_ends_is_sealed_soon(house):
    ending = {"type": 5, "data": {"tag": "$session_ending", "payload": {}}, "timestamp": START_MS}
    body = wire.decode_body(
        json.dumps([item([*opening(), ending]), item(opening(), session_id="s-2")]).encode(),
        query={},
        headers={},
    )
    ended = assemble.ended_session_ids(wire.snapshots(body).items)
    assert ended == ("s-1",)
    house.put(snapshots(item([*opening(), ending]), item(opening(), session_id="s-2"), ended=ended))
    assert house.seal(15_000) == {Outcome.SEALED: 1}
    assert house.waiting == ["s-2"]


def test_a_session_that_never_rests_is_sealed_after_a_day(house):
    for minute in range(0, 24 * 60, 20):
        house.put(snapshots(numbered([minute]), received_ms=NOW_MS + minute * 60_000))
    house.clock.now_ms = NOW_MS + 24 * 3_600_000 - 1
    assert house.seal(0) == {}
    assert house.seal(1) == {Outcome.SEALED: 1}
    house.put(snapshots(numbered([9999]), received_ms=house.clock.now_ms))
    assert house.seal(30 * 60_000) == {Outcome.MERGED: 1}
    assert marks(house.archive) == [*range(0, 24 * 60, 20), 9999]


@pytest.mark.parametrize("skew_ms", [-5 * DAY_MS, 9 * DAY_MS])
def test_the_clients_clock_decides_nothing(house, skew_ms):
    house.put(snapshots(item([marked(1, ms=skew_ms), marked(2, ms=skew_ms + 5)])))
    assert house.seal(29 * 60_000) == {}
    assert house.seal(60_000) == {Outcome.SEALED: 1}
    assert house.archive.recording("s-1").manifest.start_ms == START_MS + skew_ms


def test_bad_requests_do_not_spoil_the_recording(house):
    house.put(
        snapshots(item(opening())),
        snapshots(item([marked(1)]), body=b"\x1f\x8b damaged"),
        snapshots(item([marked(2)]), body=b"{}"),
        snapshots(item([{"type": 3, "data": {}}, marked(3)])),
    )
    assert house.seal() == {Outcome.SEALED: 1}
    assert marks(house.archive) == [3]
    assert house.archive.recording("s-1").manifest.rejected == {
        "invalid_timestamp": 1,
        "invalid_wire": 2,
    }


def test_odd_text_does_not_stop_a_seal(house):
    odd = {"type": 5, "data": {"tag": "\ud800", "payload": "\udfff"}, "timestamp": START_MS}
    house.put(
        snapshots(item([*opening(), odd], window_id="\ud800w")),
        snapshots(item([marked(4)], window_id="\udc00", item_id=None, distinct_id="\ud801")),
        analytics("\ud800 name"),
    )
    assert house.seal() == {Outcome.SEALED: 1}
    house.put(snapshots(numbered([5])))
    assert house.seal() == {Outcome.MERGED: 1}
    assert marks(house.archive) == [4, 5]


def test_one_bad_session_does_not_stop_the_others(house, monkeypatch, caplog):
    house.put(*(snapshots(item(opening(), session_id=f"s-{n}")) for n in range(4)))
    write = Archive.write

    def sometimes(self, draft, **options):
        if draft.session_id == "s-2":
            raise ValueError("nobody foresaw this")
        return write(self, draft, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "write", sometimes)
        assert house.seal() == {Outcome.SEALED: 3, Outcome.FAILED: 1}
        assert "nobody foresaw this" in caplog.text
        assert house.seal(1000) == {}, "not at once again"
        assert house.seal(30_000) == {Outcome.FAILED: 1}
        assert house.seal(30_000) == {}, "later and later"
    assert house.seal(3_600_000) == {Outcome.SEALED: 1}
    assert house.waiting == []


def test_too_much_is_cut_and_counted(tmp_path):
    house = House(tmp_path, max_recording_bytes=30_000)
    chunk = ["x" * 1000]
    house.put(
        *(
            snapshots(
                item([{**marked(n), "data": {"tag": "mark", "payload": {"n": n, "x": chunk}}}])
            )
            for n in range(50)
        )
    )
    assert house.seal() == {Outcome.SEALED: 1}
    kept = marks(house.archive)
    assert kept == list(range(len(kept)))
    assert 20 < len(kept) < 30
    assert house.archive.recording("s-1").manifest.rejected == {"too_large": 50 - len(kept)}
    assert house.waiting == []
    house.put(snapshots(item([{**marked(70), "data": {"tag": "mark", "payload": "y" * 9000}}])))
    assert house.seal() == {Outcome.MERGED: 1}
    assert marks(house.archive) == kept
    assert house.archive.recording("s-1").manifest.rejected == {"too_large": 51 - len(kept)}
    house.stop()


# --- late data, retries -----------------------------------------------------------------


def test_late_data_is_merged_and_retries_are_not(house):
    first = [snapshots(item(opening(), item_id=new_id(1000))), snapshots(numbered([1, 2]))]
    house.put(*first, analytics("a", item_ids=[new_id(7)]))
    assert house.seal() == {Outcome.SEALED: 1}
    before = house.archive.recording("s-1").manifest
    house.put(*first, analytics("a", item_ids=[new_id(7)]))
    assert house.seal() == {Outcome.KNOWN: 1}
    assert house.archive.recording("s-1").manifest == before
    house.put(first[1], snapshots(numbered([3], window_id="w-2")))
    house.put(analytics("a", "b", item_ids=[new_id(7), new_id(8)]))
    assert house.seal() == {Outcome.MERGED: 1}
    recording = house.archive.recording("s-1")
    assert marks(house.archive) == [1, 2, 3]
    assert sorted(recording.analytics().column("event").to_pylist()) == ["a", "b"]
    assert recording.manifest.analytics_events == 2
    assert [w.window_id for w in recording.manifest.windows] == ["w-1", "w-2"]
    assert recording.manifest.provenance["capture"]["requests"] == 6


def test_analytics_alone_are_merged_into_what_is_sealed(house):
    house.put(snapshots(item(opening())))
    house.seal()
    house.put(analytics("late"))
    assert house.seal() == {Outcome.MERGED: 1}
    assert house.archive.recording("s-1").analytics().num_rows == 1


def test_late_data_of_an_earlier_day_moves_the_recording(house):
    house.put(snapshots(numbered([1])))
    house.seal()
    old = house.archive.recording("s-1").prefix
    house.put(snapshots(item([marked(2, ms=-3 * DAY_MS)])))
    assert house.seal() == {Outcome.MERGED: 1}
    assert house.archive.recording("s-1").prefix != old
    assert [i.key for i in house.archive.store.list(old)] == []
    assert marks(house.archive) == [1, 2]


def test_items_without_uuid_are_known_by_content(house):
    one = item([marked(1)], item_id=None)
    other = item([marked(1)], item_id=None, window_id="w-2")
    house.put(snapshots(one), snapshots(one), snapshots(other))
    house.seal()
    house.put(snapshots(one), snapshots(other))
    assert house.seal() == {Outcome.KNOWN: 1}
    assert marks(house.archive) == [1, 1]


def test_equal_events_of_two_items_are_both_kept(house):
    """Exactly once means as often as was recorded, not at most once."""
    house.put(*(snapshots(item([marked(1)], item_id=new_id(n))) for n in (1, 2)))
    house.seal()
    house.put(snapshots(item([marked(1)], item_id=new_id(3))))
    house.seal()
    assert marks(house.archive) == [1, 1, 1]


@given(st.data())
@settings(max_examples=12)
def test_any_order_of_puts_seals_retries_and_restarts(tmp_path_factory, data):
    """Every item exactly once, whichever way it came and however often."""
    house = House(tmp_path_factory.mktemp("house"))
    items = {
        n: item(
            [marked(10 * n + k) for k in range(1 + n % 3)],
            item_id=new_id(n),
            session_id=f"s-{n % 2}",
            window_id=f"w-{n % 3}",
        )
        for n in range(8)
    }
    sent: set[int] = set()
    for _ in range(data.draw(st.integers(3, 9))):
        what = data.draw(st.sampled_from(["put", "put", "put", "seal", "lose", "restart"]))
        if what == "put":
            chosen = data.draw(st.lists(st.sampled_from(sorted(items)), min_size=1, max_size=4))
            sent |= set(chosen)
            house.put(snapshots(*(items[n] for n in chosen)))
        elif what == "seal":
            house.seal()
        elif what == "lose":  # the process dies right after archiving, before it forgets
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Inbox, "forget", refusing)
                house.seal()
        else:
            house.stop()
            house.start()
    house.seal()
    house.seal()
    assert house.waiting == []
    for session in (0, 1):
        wanted = {10 * n + k for n in sent if n % 2 == session for k in range(1 + n % 3)}
        if wanted:
            assert Counter(marks(house.archive, f"s-{session}")) == Counter(wanted)
    house.stop()
    house.archive.close()


def refusing(*args, **kwargs):
    raise StoreError("killed here", location="x", operation="y")


# --- crashes in the middle of the archive's write ----------------------------------------


def analytics_and_snapshots(n):
    return [snapshots(numbered([n])), analytics(f"e{n}", item_ids=[new_id(n)])]


@pytest.mark.parametrize("before", range(1, 16))
@pytest.mark.parametrize("earlier_day", [False, True])
@pytest.mark.parametrize("first_analytics", [False, True])
def test_a_rewrite_cut_anywhere_is_finished(tmp_path, before, earlier_day, first_analytics):
    """The store fails at its n-th change and ever after, as when the process dies."""
    house = House(tmp_path)
    house.put(*analytics_and_snapshots(1)[: 1 + first_analytics])
    assert house.seal() == {Outcome.SEALED: 1}
    late = item([marked(2, ms=-3 * DAY_MS if earlier_day else 2)], item_id=new_id(2))
    house.put(snapshots(late), analytics("e2", item_ids=[new_id(2)]))
    store = house.archive.store
    changes = 0

    def counted(change):
        def run(key, *args):
            nonlocal changes
            changes += 1
            if changes >= before:
                raise StoreError("cut", location="here", operation="put")
            return change(key, *args)

        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_put", counted(store._put))
        patch.setattr(store, "_delete", counted(store._delete))
        house.seal()
    shutil.rmtree(tmp_path / "archive" / ".leases", ignore_errors=True)  # as when they end
    house.stop()
    house.start()
    house.seal()
    house.seal()
    assert house.waiting == []
    assert Counter(marks(house.archive)) == {1: 1, 2: 1}
    names = house.archive.recording("s-1").analytics().column("event").to_pylist()
    assert sorted(names) == ["e1", "e2"][1 - first_analytics :]
    manifests = [i.key for i in store.list("recordings") if i.key.endswith(MANIFEST_FILE)]
    assert len(manifests) == 1, "one recording, in one folder"
    house.archive.reindex()
    assert Counter(marks(house.archive)) == {1: 1, 2: 1}
    house.stop()


def test_a_damaged_recording_is_not_overwritten(house, caplog):
    house.put(snapshots(numbered([1])))
    house.seal()
    prefix = house.archive.recording("s-1").prefix
    house.archive.store.put(f"{prefix}/{EVENTS_FILE}", b"something else")
    house.put(snapshots(numbered([2])))
    assert house.seal() == {Outcome.FAILED: 1}
    assert house.waiting == ["s-1"]
    assert house.archive.store.get(f"{prefix}/{EVENTS_FILE}") == b"something else"


def test_a_recording_removed_by_hand_is_made_again(house):
    house.put(snapshots(numbered([1])))
    house.seal()
    house.archive.store.delete_prefix(house.archive.recording("s-1").prefix)
    house.put(snapshots(numbered([2])))
    assert house.seal() == {Outcome.SEALED: 1}
    assert marks(house.archive) == [2]


# --- other writers ----------------------------------------------------------------------


def test_two_servers_on_one_archive(tmp_path):
    """Each has half of the session, and both have one item that was retried elsewhere."""
    houses = [House(tmp_path / str(n), archive=str(tmp_path / "archive")) for n in range(2)]
    for round_ in range(3):
        for n, house in enumerate(houses):
            numbers = [100 * round_ + 10 * n + k for k in range(3)]
            both = snapshots(numbered([9000 + round_]))
            house.put(*(snapshots(numbered([i])) for i in numbers), both)
            house.clock.now_ms += DAY_MS
        threads = [threading.Thread(target=h.sealer.seal_due) for h in houses]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    for house in houses:
        house.seal()
        assert house.waiting == []
        house.stop()
    wanted = [100 * r + 10 * n + k for r in range(3) for n in range(2) for k in range(3)]
    found = Counter(marks(houses[0].archive))
    assert found == Counter([*wanted, 9000, 9001, 9002])


def test_a_session_another_server_writes_is_tried_again_soon(house, monkeypatch):
    monkeypatch.setattr("replayport.capture.seal.LEASE_WAIT_S", 0.0)
    house.put(snapshots(numbered([1])))
    house.seal()
    house.put(snapshots(numbered([2])))
    with house.archive.store.lease(f"locks/capture/{PROJECT}/s-1", ttl_s=100):
        assert house.seal() == {Outcome.BUSY: 1}
    assert house.seal(20_000) == {Outcome.MERGED: 1}
    assert marks(house.archive) == [1, 2]


def test_a_server_waits_a_moment_for_another(house):
    """Servers of one site seal a session at the same time: none is put off by that."""
    house.put(snapshots(numbered([1])))
    house.seal()
    house.put(snapshots(numbered([2])))
    held, release = threading.Event(), threading.Event()

    def other():
        with house.archive.store.lease(f"locks/capture/{PROJECT}/s-1", ttl_s=100):
            held.set()
            release.wait(60)

    writing = threading.Thread(target=other)
    writing.start()
    held.wait(60)
    threading.Timer(0.05, release.set).start()
    assert house.seal() == {Outcome.MERGED: 1}
    writing.join()


def test_what_was_pulled_already_is_not_doubled(house):
    """The tee: PostHog has the session too, and someone pulled it before it was sealed."""
    pulled = draft([marked(1), marked(1), marked(2)], project=PROJECT, window_id="w-1")
    house.archive.write(pulled)
    house.put(
        *(snapshots(item([marked(n)], item_id=new_id(i))) for i, n in enumerate([1, 1, 2, 3]))
    )
    assert house.seal() == {Outcome.MERGED: 1}
    assert marks(house.archive) == [1, 1, 2, 3]
    assert house.archive.recording("s-1").manifest.source == {"kind": "test"}
    house.put(snapshots(item([marked(3)], item_id=new_id(3))))
    assert house.seal() == {Outcome.KNOWN: 1}


def test_a_redacted_recording_takes_no_late_data(house, caplog):
    import msgspec

    house.put(snapshots(numbered([1])))
    house.seal()
    recording = house.archive.recording("s-1")
    redacted = msgspec.structs.replace(recording.manifest, privacy=[{"rules": ["x"]}])
    files = {EVENTS_FILE: recording.file(EVENTS_FILE)}
    house.archive.write_files(redacted, files, replace=True)
    house.put(snapshots(numbered([2])))
    assert house.seal() == {Outcome.REDACTED: 1}
    assert marks(house.archive) == [1]
    assert house.waiting == []
    assert "redacted" in caplog.text


# --- analytics without a recording ------------------------------------------------------


def test_analytics_wait_for_a_recording_then_go(house):
    house.put(analytics("a"))
    assert house.seal(3_600_000) == {Outcome.WAITING: 1}
    assert house.seal(1000) == {}
    assert house.seal(6 * 3_600_000) == {Outcome.DROPPED: 1}
    assert house.waiting == []
    assert not house.archive.has(PROJECT, "s-1")


def test_analytics_that_waited_join_their_recording(house):
    house.put(analytics("a"))
    assert house.seal(3_600_000) == {Outcome.WAITING: 1}
    house.put(snapshots(item(opening()), received_ms=house.clock.now_ms))
    assert house.seal(1_800_000) == {Outcome.SEALED: 1}
    assert house.archive.recording("s-1").analytics().num_rows == 1


def test_snapshots_among_analytics_are_found(house):
    """Old SDKs post to /e/ and /batch/ what new ones post to /s/."""
    mixed = [item(opening()), {**item([]), "event": "$pageview", "uuid": new_id(5)}]
    body = json.dumps({"api_key": "phc_test", "batch": mixed}).encode()
    house.put(analytics("x", body=body))
    assert house.seal() == {Outcome.SEALED: 1}
    recording = house.archive.recording("s-1")
    assert recording.manifest.events == 3
    assert recording.analytics().column("event").to_pylist() == ["$pageview"]


# --- a full disk ------------------------------------------------------------------------


def test_a_full_disk_holds_sessions_back_until_it_has_room(tmp_path, caplog):
    """The archive's disk; that of the inbox has room."""
    with small_disk(tmp_path / "disk", 4096) as disk:
        house = House(tmp_path, archive=str(disk / "archive"))
        noise = [random.Random(n).randbytes(150_000).hex() for n in range(3)]
        for n, pad in enumerate(noise):
            house.put(
                snapshots(item([*opening(), full_snapshot(9, text=pad)], session_id=f"s-{n}"))
            )
        filler = fill(disk, leave_kib=250)
        outcomes = house.seal()
        assert outcomes[Outcome.FAILED] >= 2
        assert sorted(house.waiting) == [f"s-{n}" for n in range(outcomes[Outcome.SEALED], 3)]
        assert "could not be sealed, tried again in" in caplog.text
        assert house.archive.catalog.count() == outcomes[Outcome.SEALED]
        filler.unlink()
        outcomes = house.seal()
        assert house.waiting == []
        assert not outcomes[Outcome.FAILED]
        assert verify_archive(house.archive) == (3, [])
        assert [len(house.events(f"s-{n}")) for n in range(3)] == [4, 4, 4]
        house.stop()
        house.archive.close()


# --- many -------------------------------------------------------------------------------


def test_many_small_sessions(house):
    house.put(*(snapshots(item(opening(), session_id=f"s-{n}")) for n in range(150)))
    assert house.seal() == {Outcome.SEALED: 150}
    assert sum(1 for _ in house.archive.recordings()) == 150


def test_a_session_of_a_whole_day_and_longer(house):
    """A request every 30 seconds; it is sealed after a day, and the rest joins it."""
    step_ms = 30_000
    sealed = Counter()
    for start in range(0, 3000, 60):
        came = range(start, start + 60)
        house.put(
            *(
                snapshots(
                    item([marked(n, n * step_ms)], item_id=new_id(n)),
                    received_ms=NOW_MS + n * step_ms,
                )
                for n in came
            )
        )
        house.clock.now_ms = NOW_MS + came[-1] * step_ms
        sealed += house.sealer.seal_due()
    assert sealed == {Outcome.SEALED: 1}
    assert house.seal() == {Outcome.MERGED: 1}
    (recording,) = house.archive.recordings()
    assert marks(house.archive) == list(range(3000))
    assert recording.manifest.end_ms - recording.manifest.start_ms == 2999 * step_ms
    assert house.waiting == []


def test_the_thread_seals_by_itself_and_stops(tmp_path):
    archive = Archive.open(tmp_path / "archive", create=True)
    with Inbox.open(tmp_path / "inbox") as inbox, Sealer(inbox, archive, idle_s=0.0) as sealer:
        put(inbox, snapshots(item(opening()), received_ms=0))
        while not archive.has(PROJECT, "s-1") or inbox.due(2**62, limit=1):
            pass
        sealer.stop()
        assert sealer.totals[Outcome.SEALED] == 1


# --- real requests ----------------------------------------------------------------------


def expected(requests):
    """Give what each session's recording must hold: every item once, decoded."""
    sessions: dict[str, tuple[EventDecoder, set]] = {}
    for request in requests:
        kept = captured(request)
        if kept is None or kept.kind != "snapshots":
            continue
        body = wire.decode_body(request.body, query=request.query, headers=kept.headers)
        for one in wire.snapshots(body).items:
            decoder, seen = sessions.setdefault(one.session_id, (EventDecoder(), set()))
            if one.uuid not in seen or one.uuid is None:
                seen.add(one.uuid)
                for raw in one.events:
                    decoder.feed(one.window_id, raw)
    return {
        session_id: [
            (decoder.columns.windows.values[decoder.columns.window[e.seq]], e.to_rrweb())
            for e in decoder.columns.events()
        ]
        for session_id, (decoder, _) in sessions.items()
        if len(decoder.columns)
    }


def check_replay(tmp_path, requests, seed=0):
    """Put real requests with retries between them, sealing as it goes."""
    house = House(tmp_path)
    rng = random.Random(seed)
    kept = [c for c in map(captured, requests) if c is not None]
    house.clock.now_ms = max(c.received_ms for c in kept)
    for n, request in enumerate(kept):
        house.put(request, *rng.choices(kept[: n + 1], k=rng.randrange(3)))
        if rng.random() < 0.1:
            house.seal()
    house.seal()
    house.seal()
    wanted = expected(requests)
    assert {s: Counter(map(repr, house.events(s))) for s in wanted} == {
        s: Counter(map(repr, events)) for s, events in wanted.items()
    }
    assert {r.manifest.session_id for r in house.archive.recordings()} == set(wanted)
    house.stop()
    return len(wanted)


@pytest.mark.parametrize("path", sorted(DEMO.glob("*.jsonl.zst")), ids=lambda p: p.name[:-10])
def test_shipped_requests_become_their_events(tmp_path, path):
    assert check_replay(tmp_path, load_requests(path)) >= 1


def corpus_requests(path: Path) -> list[WireRequest]:
    import gzip

    text = path.read_bytes()
    requests = []
    for line in (gzip.decompress(text) if path.suffix == ".gz" else text).splitlines():
        row = json.loads(line)
        body = row.get("body_file")
        query = {k: v if isinstance(v, str) else v[0] for k, v in row["query"].items()}
        where = path.parent / body if body else None
        requests.append(
            WireRequest(
                ms=int(row["t"]),
                method=row["method"],
                path=row["path"],
                query=query,
                headers=row["headers"],
                body=where.read_bytes() if where else b"",
            )
        )
    return requests


@pytest.mark.corpus
def test_real_requests_become_their_events(tmp_path, corpus):
    found = 0
    for path in sorted((corpus / "posthog-wire").glob("*/requests.jsonl*")):
        found += check_replay(tmp_path / path.parent.name, corpus_requests(path))
    assert found >= 10
