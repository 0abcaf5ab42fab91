import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replayport.catalog import open_catalog
from replayport.errors import SettingsError, SourceRateLimitedError
from replayport.sources.rate_limits import (
    PLANS,
    WINDOW_MARGIN_S,
    Budget,
    Limit,
    MemoryState,
    plan_limits,
    state_key,
)
from replayport.testing import FakeClock


def budget_of(clock, *limits, state=None, **options):
    return Budget(
        limits or PLANS["free"],
        state=state if state is not None else MemoryState(),
        key="k",
        clock=clock,
        sleep=clock.sleep,
        **options,
    )


def most_in_any_window(sent_s, window_s):
    return max(sum(a <= b < a + window_s for b in sent_s) for a in sent_s)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    limits=st.lists(
        st.builds(Limit, st.integers(1, 20), st.sampled_from([1.0, 60.0, 3600.0])),
        min_size=1,
        max_size=3,
    ),
)
def test_no_window_ever_holds_more_than_its_limit(seed, limits):
    clock = FakeClock()
    rng = random.Random(seed)
    budget = budget_of(clock, *limits, max_wait_s=10_000)
    sent_s = []
    for _ in range(60):
        budget.acquire()
        sent_s.append(clock())
        clock.now_s += rng.choice([0, 0, 0.3, 7, 500])
    for limit in limits:
        assert most_in_any_window(sent_s, limit.window_s) <= limit.requests


def test_the_free_plan_waits_only_when_it_must():
    clock = FakeClock()
    budget = budget_of(clock)
    for _ in range(12):
        budget.acquire()
    assert clock.slept_s == []
    budget.acquire()
    assert clock.slept_s == [60 + WINDOW_MARGIN_S]
    assert budget.waited_s == 60 + WINDOW_MARGIN_S


@settings(max_examples=30, deadline=None)
@given(before=st.integers(0, 15), asked=st.integers(0, 150), pause_s=st.floats(0, 100, width=32))
def test_the_time_left_is_the_time_it_takes(before, asked, pause_s):
    clock = FakeClock()
    budget = budget_of(clock, Limit(5, 60), Limit(20, 3600), max_wait_s=10_000)
    for _ in range(before):
        budget.acquire()
    clock.now_s += pause_s
    promised_s = budget.time_left_s(asked)
    start_s = clock()
    for _ in range(asked):
        budget.acquire()
    took_s = clock() - start_s
    assert promised_s == pytest.approx(took_s, abs=0.5)


def test_what_was_sent_is_kept_across_runs_and_processes(tmp_path):
    clock = FakeClock()
    first = open_catalog(f"sqlite:///{tmp_path}/c.sqlite")
    second = open_catalog(f"sqlite:///{tmp_path}/c.sqlite")
    one, other = budget_of(clock, state=first), budget_of(clock, state=second)
    for _ in range(6):
        one.acquire()
        other.acquire()
    assert clock.slept_s == []
    other.acquire()
    assert clock.slept_s == [61.0]
    first.close()
    second.close()


def test_a_wait_longer_than_allowed_is_an_error_that_sends_nothing():
    clock = FakeClock()
    budget = budget_of(clock, Limit(1, 3600), max_wait_s=100)
    budget.acquire()
    for _ in range(3):
        with pytest.raises(SourceRateLimitedError) as error:
            budget.acquire()
        assert error.value.retry_after_s == pytest.approx(3601)
    assert clock.slept_s == []


def test_a_refusal_is_waited_for_as_long_as_it_says():
    clock = FakeClock()
    budget = budget_of(clock)
    budget.acquire()
    assert budget.refused(37.0) == pytest.approx(37.0)
    budget.acquire()
    assert sum(clock.slept_s) == pytest.approx(37.0, abs=0.01)


def test_a_refusal_that_does_not_say_is_waited_for_all_the_same():
    clock = FakeClock()
    budget = budget_of(clock)
    budget.acquire()
    assert budget.refused(None) > 0


def test_a_plan_taken_for_larger_than_it_is_is_learnt_from_one_refusal():
    clock = FakeClock()
    state = MemoryState()
    budget = budget_of(clock, *PLANS["paid"], state=state)
    for _ in range(13):
        budget.acquire()
    assert clock.slept_s == []
    budget.refused(50.0)
    clock.now_s += 200
    again = budget_of(clock, *PLANS["paid"], state=state)
    for _ in range(12):
        again.acquire()
    assert clock.slept_s == []
    again.acquire()
    assert clock.slept_s == [61.0]
    clock.now_s += 25 * 3600
    for _ in range(60):  # not believed for ever
        again.acquire()
    assert clock.slept_s == [61.0]


def test_one_refusal_below_every_plan_teaches_nothing_two_alike_do():
    clock = FakeClock()
    budget = budget_of(clock)
    for _ in range(6):
        budget.acquire()
    budget.refused(10.0)
    clock.now_s += 100
    for _ in range(6):
        budget.acquire()
    assert clock.slept_s == []
    budget.refused(10.0)
    clock.now_s += 100
    for _ in range(6):
        budget.acquire()
    assert clock.slept_s == [61.0]


def test_a_clock_that_was_ahead_blocks_nobody_for_ever():
    clock = FakeClock()
    state = MemoryState()
    state.update_state("k", lambda _: {"sent_ms": [int((clock() + 10**7) * 1000)] * 12})
    budget_of(clock, state=state).acquire()
    assert sum(clock.slept_s) <= 61.0


def test_the_state_names_no_key():
    name = state_key(host="https://us.posthog.com", project="1", api_key="phx_SECRET", budget="api")
    assert "SECRET" not in name
    assert name != state_key(
        host="https://us.posthog.com", project="1", api_key="phx_OTHER", budget="api"
    )


def test_an_unknown_plan_names_the_known_ones():
    with pytest.raises(SettingsError, match="free, paid, enterprise"):
        plan_limits("gold")


@pytest.mark.parametrize("limits", [(), (Limit(0, 60),), (Limit(1, 0),)])
def test_limits_that_allow_nothing_are_refused(limits):
    with pytest.raises(SettingsError):
        Budget(limits, state=MemoryState(), key="k")
