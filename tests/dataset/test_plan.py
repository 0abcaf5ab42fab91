"""Which parts stay and which are built."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from replayport.dataset.ledger import Member, Part, part_id
from replayport.dataset.plan import plan_day

TABLES = ["events"]
TARGET = 100


def member(n: int, size: int = 10, revision: str = "r") -> Member:
    return Member("p", f"s-{n:03}", revision, "f", n, size)


def part(*members: Member) -> Part:
    return Part(id=part_id("parquet", TABLES, members), members=list(members), files={})


def plan(parts, members, tables=TABLES):
    return plan_day(
        parts,
        {m.key: m for m in members},
        tables=tables,
        file_format="parquet",
        target_bytes=TARGET,
    )


def test_the_first_time_everything_is_built_in_order_of_start():
    found = plan([], [member(n, 30) for n in (3, 1, 2, 0, 4)])
    assert [[m.start_ms for m in p] for p in found.build] == [[0, 1, 2], [3, 4]]
    assert (found.keep, found.drop) == ([], [])


def test_nothing_new_is_nothing_to_do():
    parts = [part(*(member(n) for n in range(5))), part(member(9))]
    found = plan(parts, [m for p in parts for m in p.members])
    assert (found.keep, found.build, found.drop) == (parts, [], [])


def test_one_larger_than_a_part_has_one_of_its_own():
    found = plan([], [member(0, 10), member(1, 500), member(2, 10)])
    assert [len(p) for p in found.build] == [1, 1, 1]


def test_a_large_part_stays_and_small_ones_are_taken_along():
    large, small = part(*(member(n, 30) for n in range(3))), part(member(5), member(6))
    found = plan([large, small], [*large.members, *small.members, member(7)])
    assert found.keep == [large]
    assert found.drop == [small]
    assert [[m.start_ms for m in p] for p in found.build] == [[5, 6, 7]]


def test_a_part_is_not_written_again_for_something_much_smaller():
    first = part(*(member(n, 8) for n in range(5)))  # 40 bytes against 1
    found = plan([first], [*first.members, member(9, 1)])
    assert found.keep == [first]
    assert [len(p) for p in found.build] == [1]


def test_changed_and_gone_recordings_take_their_part_with_them():
    parts = [part(*(member(n, 20) for n in range(3))), part(*(member(n, 20) for n in range(3, 6)))]
    now = [member(0, 20), member(1, 20, "new"), *(member(n, 20) for n in range(3, 6))]
    found = plan(parts, now)
    assert parts[0] in found.drop
    assert parts[1] in found.keep
    assert [[(m.start_ms, m.revision) for m in p] for p in found.build] == [[(0, "r"), (1, "new")]]


def test_other_tables_build_everything_again():
    first = part(member(0))
    found = plan([first], first.members, tables=["events", "console"])
    assert found.drop == [first]
    assert len(found.build) == 1


days = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 60), st.sampled_from("ab")),
    unique_by=lambda m: m[0],
)


@settings(max_examples=50)
@given(st.lists(days, max_size=5), st.randoms())
def test_after_any_history_each_recording_is_once_in_its_newest_revision(history, random):
    parts: list[Part] = []
    for day in history:
        members = [member(n, size, f"{revision}{size}") for n, size, revision in day]
        random.shuffle(members)
        found = plan(parts, members)
        assert {p.id for p in found.keep} | {p.id for p in found.drop} == {p.id for p in parts}
        parts = [*found.keep, *(part(*p) for p in found.build)]
        there = [m for p in parts for m in p.members]
        assert sorted(there, key=lambda m: m.key) == sorted(members, key=lambda m: m.key)
        assert all(p.bytes <= TARGET or len(p.members) == 1 for p in parts)
        again = plan(parts, members)
        assert (again.build, again.drop) == ([], [])


def test_a_new_fingerprint_alone_changes_nothing():
    first = part(member(0))
    seen = [msgspec.structs.replace(m, fingerprint="g") for m in first.members]
    assert plan([first], seen).build == []
