"""Rules about clicks: borders of every threshold, and what each product would say."""

from __future__ import annotations

import pytest
from tests.analysis.building import (
    changed,
    columns_of,
    console,
    custom,
    event,
    network,
    page,
    scroll,
    selected,
    shop_page,
    table_of,
    tap,
    touch,
    typed,
    windows_of,
)
from tests.support.builders import START_MS, draft, full_snapshot, meta

from replayport.analysis.columns import Columns
from replayport.analysis.elements import know_elements
from replayport.analysis.profiles import PROFILES, profile
from replayport.analysis.signals import detect

PLUGINS = custom(2, "$session_options", {"activePlugins": ["rrweb/console@1", "rrweb/network@1"]})


def found(events, kind, name="replayport-1", *changes, elements=False):
    table = table_of(draft(events))
    columns = Columns.from_table(table)
    lookup = know_elements(table.to_batches(), columns) if elements else (lambda *_: None)
    return [s for s in detect(columns, profile(name, changes), lookup).signals if s.kind == kind]


def clicks(*places, node=12):
    """Places are ``(ms, x)``."""
    return [tap(ms, node=node, x=float(x), y=20.0) for ms, x in places]


def names_that_find(events, kind, *, elements=True):
    return {n for n in PROFILES if found(events, kind, n, elements=elements)}


@pytest.mark.parametrize(
    ("places", "is_rage"),
    [
        ([(0, 10), (999, 10), (1998, 10)], True),
        ([(0, 10), (1000, 10), (2000, 10)], False),
        ([(0, 10), (100, 39), (200, 68)], True),
        ([(0, 10), (100, 40), (200, 70)], False),
        ([(0, 10), (100, 10)], False),
    ],
)
def test_posthogs_chain(places, is_rage):
    assert bool(found(page(*clicks(*places)), "rage_click", "posthog-2026")) is is_rage


def test_manhattan_is_not_euclid():
    events = page(*(tap(n * 100, x=10 + 20.0 * n, y=10 + 20.0 * n) for n in range(3)))
    assert not found(events, "rage_click", "posthog-2026")
    assert found(events, "rage_click", "replayport-1")


def test_one_chain_is_one_signal_with_its_numbers():
    [signal] = found(page(*clicks((0, 10), (200, 12), (500, 11), (600, 10))), "rage_click")
    assert signal.evidence["clicks"] == 4
    assert signal.evidence["gap_max_ms"] == 300
    assert (signal.start_ms - START_MS, signal.end_ms - START_MS) == (0, 600)
    assert signal.offset_ms == 0
    assert signal.node_id == 12


def test_a_stepper_whose_every_click_is_answered_is_less_certain():
    pressed = clicks((1000, 10), (1200, 10), (1400, 10))
    answers = [changed(1010), changed(1210), changed(1410)]
    events = page(*sorted([*pressed, *answers], key=lambda e: e["timestamp"]))
    [answered] = found(events, "rage_click", elements=False)
    [unanswered] = found(page(*pressed), "rage_click")
    assert answered.evidence["answered"] == 3
    assert answered.confidence < unanswered.confidence


def test_highlight_wants_five_around_the_first():
    near = [(n * 400, 10 + n) for n in range(5)]
    assert found(page(*clicks(*near)), "rage_click", "highlight-8px")
    drifting = [(n * 400, 10 + 3 * n) for n in range(5)]
    assert not found(page(*clicks(*drifting)), "rage_click", "highlight-8px")
    slow = [(n * 501, 10) for n in range(5)]
    assert not found(page(*clicks(*slow)), "rage_click", "highlight-8px")


def test_datadog_wants_three_in_a_second_and_no_selection():
    three = clicks((2000, 10), (2500, 90), (3000, 10))
    assert found(page(*three), "rage_click", "datadog-1s")
    assert not found(page(*clicks((0, 10), (600, 10), (1200, 10))), "rage_click", "datadog-1s")
    with_selection = [*three[:1], selected(2050), *three[1:]]
    assert not found(page(*with_selection), "rage_click", "datadog-1s")


def test_openreplay_wants_one_label_within_300_ms():
    quick = clicks((5000, 10), (5299, 400), (5598, 10))
    assert found(shop_page(*quick), "rage_click", "openreplay-300ms", elements=True)
    slower = clicks((5000, 10), (5300, 10), (5600, 10))
    assert not found(shop_page(*slower), "rage_click", "openreplay-300ms", elements=True)
    two_labels = [tap(5000, node=12), tap(5100, node=15), tap(5200, node=12)]
    assert not found(shop_page(*two_labels), "rage_click", "openreplay-300ms", elements=True)


def test_sentry_wants_unanswered_clicks_on_a_control():
    events = shop_page(*clicks((1000, 10), (3000, 10), (7900, 10)))
    [signal] = found(events, "rage_click", "sentry-7s", elements=True)
    assert signal.element == 'the button "Add to bag"'
    answered = shop_page(*clicks((1000, 10), (3000, 10), (7900, 10)), changed(8000))
    assert not found(answered, "rage_click", "sentry-7s", elements=True)


def test_a_new_page_numbers_its_nodes_anew():
    second = full_snapshot(2000)
    events = [meta(), full_snapshot(), tap(1000), tap(1500), second, tap(2500), custom(60_000, "x")]
    assert not found(events, "rage_click", "sentry-7s")


# --- dead ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "is_dead"),
    [
        ([], True),
        ([changed(1000 + 2499)], False),
        ([changed(1000 + 2500)], True),
        ([scroll(1099, 5)], False),
        ([scroll(1100, 5)], True),
        ([selected(1099)], False),
        ([event(1900, 2, type=5, id=9)], False),
        ([custom(1500, "window hidden")], False),
        ([meta(2000, "https://shop.example/next")], False),
        ([event(1400, 9, id=3, type=0)], False),
    ],
)
def test_posthogs_dead_click(after, is_dead):
    events = shop_page(tap(1000, node=30), *after)
    assert bool(found(events, "dead_click", "posthog-2026", elements=True)) is is_dead


def test_a_link_is_never_dead_for_posthog_and_the_same_node_not_twice():
    assert not found(shop_page(tap(1000, node=16)), "dead_click", "posthog-2026", elements=True)
    twice = shop_page(tap(1000, node=30), tap(1900, node=30))
    assert len(found(twice, "dead_click", "posthog-2026", elements=True)) == 1


def test_every_product_has_its_own_patience():
    late = {n for n in ("posthog-2026", "openreplay-300ms", "datadog-1s", "sentry-7s")}
    events = shop_page(tap(1000, node=14), changed(2500))
    assert names_that_find(events, "dead_click") & late == {"openreplay-300ms", "datadog-1s"}
    events = shop_page(tap(1000, node=14), changed(1101))
    assert names_that_find(events, "dead_click") & late == {"datadog-1s"}
    assert names_that_find(shop_page(tap(1000, node=14)), "dead_click") >= late


def test_ours_waits_for_a_page_at_work():
    request = network(4000, (1300, 2500, 200, "GET", "fetch"))
    assert found(shop_page(PLUGINS, tap(1000, node=14)), "dead_click", elements=True)
    assert not found(shop_page(PLUGINS, tap(1000, node=14), request), "dead_click", elements=True)
    picture = network(4000, (1300, 2500, 200, "GET", "img"))
    assert found(shop_page(PLUGINS, tap(1000, node=14), picture), "dead_click", elements=True)


def test_without_network_data_ours_is_less_certain_and_says_so():
    [known] = found(shop_page(PLUGINS, tap(1000, node=14)), "dead_click", elements=True)
    [unknown] = found(shop_page(tap(1000, node=14)), "dead_click", elements=True)
    assert unknown.confidence < known.confidence
    assert unknown.findings == ("no_network_data",)


def test_a_click_at_the_end_is_not_judged():
    columns = columns_of(page(tap(1000), until_ms=2000))
    detected = detect(columns, profile("posthog-2026"))
    assert not detected.signals
    assert detected.findings["not_judged"] == 1


def test_unless_another_window_went_on():
    columns = windows_of(
        a=[meta(0), full_snapshot(1), tap(1000)],
        b=[meta(0), full_snapshot(1), changed(40_000)],
    )
    assert [s.kind for s in detect(columns, profile("posthog-2026")).signals] == ["dead_click"]


# --- slow, errors, taps ---------------------------------------------------------------------


def test_slow_by_request():
    slow = network(4000, (1400, 2300, 200, "GET", "fetch"))
    [signal] = found(shop_page(tap(1000, node=14), slow), "slow_response", elements=True)
    assert signal.evidence == {"waited_ms": 2700, "requests": 1}
    assert signal.end_ms == START_MS + 3700
    later = network(5000, (1501, 2300, 200, "GET", "fetch"))
    assert not found(shop_page(tap(1000, node=14), later), "slow_response", elements=True)


@pytest.mark.parametrize(
    ("at", "is_slow"), [(3999, False), (4000, True), (7999, True), (8000, False)]
)
def test_slow_by_sentrys_mutation(at, is_slow):
    events = shop_page(tap(1000, node=14), changed(at))
    assert bool(found(events, "slow_response", "sentry-7s", elements=True)) is is_slow


def test_an_error_belongs_to_the_last_click_before_it():
    events = shop_page(tap(1000, node=14), tap(1500, node=16), console(1600), console(1700, "warn"))
    [signal] = found(events, "error_click", elements=True)
    assert signal.element == 'the link "Help"'
    assert signal.evidence == {"console_errors": 1, "failed_requests": 0, "after_ms": 100}
    assert not found(shop_page(tap(1000), console(3000)), "error_click")
    assert not found(shop_page(tap(1000), console(999)), "error_click")


def test_a_failed_request_is_an_error_for_us_and_not_for_datadog():
    events = shop_page(PLUGINS, tap(1000, node=14), network(1300, (1050, 50, 503, "GET", "fetch")))
    assert found(events, "error_click", elements=True)
    assert not found(events, "error_click", "datadog-1s", elements=True)


def test_datadog_looks_while_the_page_is_at_work():
    working = [changed(1000 + n * 90) for n in range(1, 20)]
    late = console(2750)
    assert found(page(tap(1000), *working, late), "error_click", "datadog-1s")
    assert not found(page(tap(1000), late), "error_click", "datadog-1s")


def test_rage_taps_are_not_swipes():
    def one(ms):
        return [touch(ms, 7), touch(ms + 50, 9)]

    taps = [*one(1000), *one(1400), *one(1800)]
    [signal] = found(page(*taps), "rage_tap")
    assert signal.evidence["taps"] == 3
    moved = event(1420, 6, positions=[{"x": 100, "y": 60, "id": 6, "timeOffset": 0}])
    assert not found(page(*taps[:3], moved, *taps[3:]), "rage_tap")
    assert not found(page(*one(0), *one(800), *one(1600)), "rage_tap")
    assert not found(page(*taps), "rage_click")


def test_typing_is_an_answer_where_the_rule_says_so():
    events = shop_page(tap(1000, node=30), typed(1050, "a", 23))
    assert not found(events, "dead_click", "datadog-1s", elements=True)
    assert found(events, "dead_click", "posthog-2026", elements=True)
