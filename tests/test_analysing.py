"""Many recordings on many processes: the same answers, in the same order, whatever is damaged."""

from __future__ import annotations

import gc
import json
from dataclasses import replace

import pytest
from tests.analysis.building import (
    demo_draft,
    demo_recordings,
    event,
    move,
    shop_page,
    tap,
    typed,
)
from tests.support.builders import draft, full_snapshot, meta

from replayport import analysing
from replayport.analysing import Analysis, Failed, Task, Where, analyse, analyse_recording, where
from replayport.analysis.profiles import PROFILES, profile
from replayport.archive import Archive
from replayport.encryption import KeyRing
from replayport.errors import RecordingNotFoundError
from replayport.format.schema import EVENTS_FILE

TASK = Task(
    profiles=(profile("replayport-1"),), features=True, blocks=True, score=True, heat_url="/"
)


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as opened:
        for n in range(9):
            chain = [tap(5000 + 200 * k, node=12) for k in range(n)]
            opened.write(draft(shop_page(*chain), session_id=f"s-{n}", project="p"))
        yield opened


def signals_of(results):
    return [[s.to_json() for s in r.detected[0].signals] for r in results]


def test_workers_give_what_one_process_gives_in_the_same_order(archive):
    wanted = where(archive, None)
    alone = list(analyse(archive, wanted, TASK, workers=1))
    together = list(analyse(archive, wanted, TASK, workers=2))
    assert [r.id for r in alone] == [w.name.removeprefix("p/") for w in wanted]
    assert [r.id for r in together] == [r.id for r in alone]
    assert [r.features for r in together] == [r.features for r in alone]
    assert signals_of(together) == signals_of(alone)
    assert [r.score for r in together] == [r.score for r in alone]
    assert [h.cells for r in together for h in r.heats] == [h.cells for r in alone for h in r.heats]


def test_one_damaged_recording_does_not_stop_the_others(archive):
    wanted = where(archive, None)
    archive.store.put(f"{wanted[2].prefix}/{EVENTS_FILE}", b"no parquet")
    archive.store.delete(f"{wanted[5].prefix}/manifest.json")
    results = list(analyse(archive, wanted, TASK, workers=1))
    failed = [n for n, r in enumerate(results) if isinstance(r, Failed)]
    assert failed == [2, 5]
    assert results[2].what == wanted[2].name
    assert "reindex" in results[5].detail
    assert len([r for r in results if isinstance(r, Analysis)]) == 7


def test_a_recording_that_kills_its_worker_is_named_and_the_others_go_on(archive):
    wanted = where(archive, None)
    # A worker dies for real: unpickling its chunk ends the process.
    wanted[4] = Deadly(wanted[4].name, wanted[4].prefix)
    results = list(analyse(archive, wanted, Task(), workers=2))
    assert [n for n, r in enumerate(results) if isinstance(r, Failed)] == [4]
    assert "killed" in results[4].detail
    assert results[4].what == wanted[4].name


class Deadly(Where):
    """Ends the process that receives it, as the kernel does for want of memory."""

    def __reduce__(self):
        import os

        return (os._exit, (9,))


def test_names_are_found_or_refused(archive):
    assert [w.name for w in where(archive, ["s-3", "p/s-1"])] == ["p/s-3", "p/s-1"]
    with pytest.raises(RecordingNotFoundError):
        where(archive, ["s-99"])


def test_an_archive_in_memory_is_analysed_here():
    with Archive.open("memory://", create=True, catalog_url="sqlite://") as opened:
        for n in range(8):
            opened.write(draft(session_id=f"s-{n}"))
        results = list(analyse(opened, where(opened, None), Task(features=True), workers=2))
    assert [r.features["click_count"] for r in results] == [2] * 8


def test_workers_read_an_encrypted_archive(tmp_path):
    ring = str(tmp_path / "ring")
    KeyRing.open(ring, create=True)
    with Archive.open(tmp_path / "e", create=True, key_ring=ring) as opened:
        for n in range(6):
            opened.write(draft(session_id=f"s-{n}"))
        results = list(analyse(opened, where(opened, None), Task(features=True), workers=2))
    assert [r.features["click_count"] for r in results] == [2] * 6


def test_a_large_recording_is_read_twice_and_gives_the_same(archive, monkeypatch):
    recording = archive.recording("s-4")
    held = analyse_recording(recording, TASK)
    monkeypatch.setattr(analysing, "HELD_BYTES", 0)
    assert signals_of([analyse_recording(recording, TASK)]) == signals_of([held])


def test_actions_come_with_the_rest_as_they_do_alone(archive):
    recording = archive.recording("s-4")
    made = analyse_recording(recording, replace(TASK, actions=True))
    assert made.actions == recording.action_log().actions
    assert made.actions
    assert signals_of([made]) == signals_of([analyse_recording(recording, TASK)])


def test_the_collector_is_as_it_was_afterwards(archive):
    before = gc.get_threshold()
    list(analyse(archive, where(archive, ["s-4"]), TASK))
    assert gc.get_threshold() == before


def test_blocks_of_the_source_are_known_after_archiving(tmp_path):
    with Archive.open(tmp_path / "b", create=True) as opened:
        for _, recording in demo_recordings()[:3]:
            opened.write(demo_draft(recording))
        for r in analyse(opened, where(opened, None), Task(features=True, blocks=True)):
            assert r.block_features["click_count"] == r.features["click_count"]
            assert r.block_features["event_count"] == r.features["event_count"]
            assert r.block_features["active_ms"] <= r.features["active_ms"]
        opened.write(draft([meta(), full_snapshot()], session_id="no-blocks"))
        [r] = analyse(opened, where(opened, ["no-blocks"]), Task(features=True, blocks=True))
        assert r.block_features is None


def test_mobile_is_not_judged_by_its_wireframes(archive):
    recording = archive.recording("s-4")
    import msgspec

    recording.manifest = msgspec.structs.replace(recording.manifest, snapshot_source="mobile")
    made = analyse_recording(recording, TASK)
    assert made.findings["mobile"] == 1
    assert made.detected[0].counts()["rage_click"] is None
    assert made.detected[0].counts()["rage_tap"] == 0


def test_every_profile_at_once(archive):
    [r] = analyse(archive, where(archive, ["s-8"]), Task(profiles=tuple(PROFILES.values())))
    assert [d.profile for d in r.detected] == list(PROFILES)
    assert r.features is None
    assert r.score is None


def no_snapshot():
    return [e for e in shop_page(tap(5000, node=12)) if e["type"] != 2]


def clock_back():
    return shop_page(tap(5000, node=12), tap(6000 - 3_600_000, node=12))


def broken_tree():
    stray = {"parentId": 900, "nextId": None, "node": {"type": 3, "id": 901, "textContent": "x"}}
    data = {"texts": [], "attributes": [], "removes": [{"parentId": 5, "id": 902}], "adds": [stray]}
    return shop_page(event(4000, 0, **data), tap(5000, node=12))


WRONG = {
    "no snapshot": (no_snapshot, "no_full_snapshot", [], ["blank_screen"]),
    "unknown nodes": (lambda: shop_page(tap(5000, node=777)), "unknown_nodes", [], []),
    "a broken tree": (broken_tree, "broken_tree", [], []),
    "no pointer": (
        lambda: shop_page(tap(5000, node=12)),
        "no_pointer_data",
        ["mouse_distance_traveled", "mouse_straightness"],
        ["thrashed_cursor"],
    ),
    "a clock that jumps": (clock_back, "clock_jump", [], []),
    "all masked": (
        lambda: shop_page(*(typed(5000 + 100 * n, "*" * n, node=23) for n in range(1, 6))),
        "all_inputs_masked",
        [],
        [],
    ),
    "masked to nothing": (
        lambda: shop_page(*(typed(5000 + 100 * n, "", node=23) for n in range(6))),
        "masked_to_nothing",
        ["corrections_count"],
        ["form_refill", "repeated_correction"],
    ),
    "no console and no network": (
        lambda: shop_page(move(3000, (5, 5, 0)), tap(5000, node=12)),
        "no_network_data",
        ["console_error_count", "network_request_count", "failed_request_share"],
        ["error_click"],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_and_never_a_silent_zero(archive, wrong):
    events, code, unknown, not_judged = WRONG[wrong]
    archive.write(draft(events(), session_id="wrong", project="p"))
    recording = archive.recording("wrong")
    made = analyse_recording(recording, replace(TASK, actions=True))
    assert made.findings[code]
    counts = made.detected[0].counts()
    assert [made.features[name] for name in unknown] == [None] * len(unknown)
    assert [counts[kind] for kind in not_judged] == [None] * len(not_judged)
    # The table says the same, as far as it is known without looking at the page.
    [row] = recording.scan("features").to_pylist()
    if code not in ("unknown_nodes", "broken_tree"):
        assert code in json.loads(row["findings"])
    assert set(json.loads(row["signals_not_judged"])) == {k for k, n in counts.items() if n is None}
    assert [row[name] for name in unknown] == [None] * len(unknown)


def test_no_signals_of_a_recording_that_cannot_be_judged_is_not_none_at_all(archive):
    archive.write(draft([meta()], session_id="bare", project="p"))
    recording = archive.recording("bare")
    assert recording.scan("signals").num_rows == 0
    [row] = recording.scan("features").to_pylist()
    assert {"thrashed_cursor", "blank_screen"} <= set(json.loads(row["signals_not_judged"]))
