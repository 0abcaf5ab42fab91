"""Features equal a slow, obvious reference, on made-up and on real events; null where unknown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.building import (
    changed,
    columns_of,
    console,
    custom,
    demo_draft,
    demo_recordings,
    idle,
    move,
    network,
    page,
    scroll,
    selected,
    swipe,
    table_of,
    tap,
    typed,
)
from tests.analysis.reference import reference
from tests.support.builders import START_MS, full_snapshot, meta

from replayport.analysis.columns import Columns
from replayport.analysis.features import (
    BY_NAME,
    FEATURES,
    NEEDS,
    PATH_TOKENS,
    active_milliseconds,
    arrow_fields,
    combine,
    measure,
    path_tokens,
    place_in_chain,
)

POSTHOGS = {f.name for f in FEATURES if f.posthog} | {"start_ms", "end_ms"}


def compare(row, expected):
    """Every one of PostHog's features is the reference's, or null where that has nothing."""
    for name in POSTHOGS:
        value, wanted = row[name], expected[name]
        if value is None:
            assert not wanted, f"{name} is null, the reference has {wanted}"
        elif isinstance(wanted, float) or isinstance(value, float):
            assert value == pytest.approx(wanted, rel=1e-9, abs=1e-9), name
        else:
            assert value == wanted, name


def plain(events):
    return [(e["type"], e["data"], e["timestamp"]) for e in events]


ms = st.integers(0, 70_000)
small = st.integers(0, 60).map(float) | st.floats(0, 2000, allow_nan=False)
node = st.integers(1, 4)
urls = st.sampled_from(
    [
        "https://shop.example/",
        "https://shop.example/cart/404?x=1#y",
        "https://shop.example/Account/Login",
        " https://shop.example/checkout/checkout ",
        "about:blank",
    ]
)
any_event = st.one_of(
    st.builds(
        lambda t, ps: move(t, *ps),
        ms,
        st.lists(st.tuples(small, small, st.integers(-500, 0)), max_size=4),
    ),
    st.builds(tap, ms, st.sampled_from([0, 1, 2, 2, 2, 3, 4, 5, 7, 9]), node, small, small),
    st.builds(lambda t, n: tap(t, 2, n, None, None), ms, node),
    st.builds(scroll, ms, st.sampled_from([0, 10, 300]) | small, node),
    st.builds(typed, ms, st.sampled_from(["", "a", "abc", "🙂🙂", "****"]), node),
    st.builds(changed, ms),
    st.builds(selected, ms),
    st.builds(lambda t, ps: swipe(t, *ps), ms, st.lists(st.tuples(small, small, st.just(0)))),
    st.builds(meta, ms, urls),
    st.builds(lambda t, u: custom(t, "$pageview", {"href": u}), ms, urls),
    st.builds(lambda t, u: custom(t, "$json_ld", {"href": u}), ms, urls),
    st.builds(
        console, ms, st.sampled_from(["error", "warn", "log", "assert", "countReset", "table"])
    ),
    st.builds(
        lambda t, rows: network(t, *rows),
        ms,
        st.lists(
            st.tuples(
                ms,
                st.sampled_from([0, 12.5, 3000, None, "x"]),
                st.sampled_from([200, 404, 500, 700, None]),
                st.just("GET"),
                st.just("fetch"),
            ),
            max_size=3,
        ),
    ),
    st.builds(idle, ms),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(any_event, min_size=1, max_size=40))
def test_features_equal_the_reference(events):
    compare(measure(columns_of(events)), reference(plain(events)))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(any_event, min_size=2, max_size=30),
    st.lists(st.integers(0, 30), max_size=4),
)
def test_blocks_add_up_as_posthog_adds_them(events, cuts):
    ends = sorted({min(c, len(events)) for c in cuts} | {len(events)} - {0})
    starts = [0, *ends[:-1]]
    columns = columns_of(events)
    parts = [(a, b) for a, b in zip(starts, ends, strict=True) if b > a]
    row = combine([measure(columns.part(a, b)) for a, b in parts])
    each = [reference(plain(events[a:b])) for a, b in parts]
    assert row["click_count"] == sum(r["click_count"] for r in each)
    assert row["active_ms"] == sum(r["active_ms"] for r in each)
    assert (row["rage_click_count"] or 0) == sum(r["rage_click_count"] for r in each)
    assert (row["max_scroll_y"] or 0) == pytest.approx(max(r["max_scroll_y"] for r in each))
    assert row["click_target_ids"] == list(
        dict.fromkeys(n for r in each for n in r["click_target_ids"])
    )
    whole = reference(plain(events))
    assert row["duration_s"] == whole["duration_s"]
    assert row["inactive_s"] == pytest.approx(row["duration_s"] - row["active_ms"] / 1000)


@pytest.mark.parametrize("name", [n for n, _ in demo_recordings()])
def test_real_recordings_equal_the_reference_whole_and_by_block(name):
    recording = next(r for n, r in demo_recordings() if n == name)
    made = demo_draft(recording)
    events = [(e.type, e.data, e.timestamp_ms) for e in made.columns.events()]
    columns = Columns.from_table(table_of(made))
    compare(measure(columns), reference(events))
    start = 0
    for end in made.columns.block_ends:
        compare(measure(columns.part(start, end)), reference(events[start:end]))
        start = end
    assert start == len(events)


def test_a_chain_across_the_border_of_two_blocks_is_cut_there():
    events = [tap(n * 100) for n in range(4)]
    columns = columns_of(events)
    assert measure(columns)["rage_click_count"] == 2
    halves = combine([measure(columns.part(0, 2)), measure(columns.part(2, 4))])
    assert halves["rage_click_count"] == 0


def test_what_was_not_recorded_is_null_and_not_zero():
    row = measure(columns_of([meta(), full_snapshot(), changed(500)]))
    for name in (
        "mouse_distance_traveled",
        "mouse_straightness",
        "network_request_count",
        "console_error_count",
        "max_scroll_y",
        "backspace_count",
        "text_selection_count",
        "first_action_ms",
    ):
        assert row[name] is None, name
    assert row["click_count"] == 0
    assert row["mutation_count"] == 1


def test_a_recorder_that_says_its_plugins_makes_zero_knowable():
    options = custom(5, "$session_options", {"activePlugins": ["rrweb/console@1"]})
    row = measure(columns_of([meta(), full_snapshot(), options]))
    assert row["console_error_count"] == 0
    assert row["network_request_count"] is None


def test_ours():
    events = page(
        move(100, (0, 0, -100), (100, 0, 0)),
        move(200, (200, 0, 0)),
        tap(1000),
        typed(1100, "a", 7),
        typed(1200, "ab", 7),
        typed(1300, "a", 7),
        typed(1400, "ab", 7),
        typed(1500, "a", 7),
        scroll(2000, 720),
        network(5000, (2500, 2500, 200, "GET", "fetch"), (2600, 10, 404, "GET", "fetch")),
        meta(6000, "https://shop.example/b"),
        meta(7000, "https://shop.example/"),
        until_ms=60_000,
    )
    row = measure(columns_of(events))
    assert row["first_action_ms"] == 1000
    assert row["actions_per_minute"] == pytest.approx(6)
    assert row["mouse_straightness"] == 1
    assert row["mouse_turn_share"] == 0
    assert row["corrections_count"] == row["corrections_max_of_a_field"] == 2
    assert row["scroll_depth_screens"] == 2
    assert row["slow_request_count"] == 1
    assert row["failed_request_share"] == 0.5
    assert (row["pages_distinct"], row["page_revisit_count"]) == (2, 1)
    assert (row["viewport_width_px"], row["viewport_height_px"]) == (1280, 720)
    assert row["masked_share"] == 0


def test_every_feature_is_in_the_table_once_and_typed():
    assert len(BY_NAME) == len(FEATURES)
    assert {f.needs for f in FEATURES} <= set(NEEDS)
    assert [f.name for f in arrow_fields()] == [f.name for f in FEATURES]
    assert set(measure(columns_of([meta()]))) == set(BY_NAME)
    assert {f"path_{t}_count" for t in PATH_TOKENS} <= set(BY_NAME)


def test_chains_are_numbered():
    assert place_in_chain(columns_of([meta()]).active).tolist() == [1]
    chained = columns_of([tap(0), tap(1), tap(2)]).active
    chained[:] = [False, True, False]
    assert place_in_chain(chained).tolist() == [1, 2, 1]


def test_path_tokens():
    assert path_tokens("/cart/?checkout#login") == {"cart"}
    assert path_tokens("https://x.example/ADMIN//Admin") == {"admin"}
    assert path_tokens("no url") == set()


def test_activity_lasts_to_the_last_event_within_five_seconds():
    events = [tap(0), changed(4000), changed(5000), changed(5001), tap(20_000)]
    assert active_milliseconds(columns_of(events)) == 5000 + 1
    assert columns_of(events).start_ms == START_MS
