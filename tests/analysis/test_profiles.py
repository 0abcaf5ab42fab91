"""Profiles: the published numbers, and setting them anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from replayport.analysis.profiles import KIND_WORDS, KINDS, PROFILES, ProfileError, profile

WEB_FILTERS = Path(__file__).parents[2] / "web" / "packages" / "app" / "src" / "lib" / "filters.ts"


def test_the_web_app_has_a_word_for_each_kind():
    named = re.search(r"SIGNALS[^{]*\{(.*?)\};", WEB_FILTERS.read_text(), re.DOTALL)
    assert named is not None
    assert re.findall(r"(\w+):", named[1]) == list(KINDS)


def test_the_numbers_the_products_publish():
    rules = {name: p.rules for name, p in PROFILES.items()}
    rage = {n: r["rage_click"] for n, r in rules.items()}
    assert (rage["posthog-2026"].clicks, rage["posthog-2026"].gap_ms) == (3, 1000)
    assert (rage["posthog-2026"].radius_px, rage["posthog-2026"].metric) == (30, "manhattan")
    assert (rage["sentry-7s"].within_ms, rage["sentry-7s"].same) == (7000, "node")
    assert (rage["datadog-1s"].radius_px, rage["datadog-1s"].within_ms) == (100, 1000)
    assert (rage["openreplay-300ms"].gap_ms, rage["openreplay-300ms"].same) == (300, "label")
    assert (rage["highlight-8px"].clicks, rage["highlight-8px"].radius_px) == (5, 8)
    assert rage["highlight-8px"].within_ms == 2000
    dead = {n: r["dead_click"].answer_ms for n, r in rules.items() if "dead_click" in r}
    assert dead == {
        "replayport-1": 2000,
        "posthog-2026": 2500,
        "sentry-7s": 7000,
        "datadog-1s": 100,
        "openreplay-300ms": 1234,
    }
    assert rules["openreplay-300ms"]["thrashed_cursor"].window_ms == 225


def test_ours_has_a_rule_for_everything():
    assert set(PROFILES["replayport-1"].rules) == set(KINDS) == set(KIND_WORDS)
    for one in PROFILES.values():
        assert one.source
        for kind, rule in one.rules.items():
            assert type(rule) is KINDS[kind]


def test_a_threshold_is_set_and_the_name_says_so():
    changed = profile(
        "posthog-2026",
        ["rage_click.radius_px=12.5", "dead_click.skip_tags=a, svg", "dead_click.scroll_ms=null"],
    )
    assert changed.name == "posthog-2026+"
    assert changed.rule("rage_click").radius_px == 12.5
    assert changed.rule("dead_click").skip_tags == ("a", "svg")
    assert changed.rule("dead_click").scroll_ms is None
    assert profile("posthog-2026").rule("rage_click").radius_px == 30
    assert profile("posthog-2026", ["blank_screen.for_ms=5"]).rule("blank_screen").for_ms == 5


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("posthog", [], "posthog-2026"),
        ("posthog-2026", ["rage_click"], "rage_click.radius_px=20"),
        ("posthog-2026", ["rageclick.clicks=3"], "rage_click"),
        ("posthog-2026", ["rage_click.radius=3"], "radius_px"),
        ("posthog-2026", ["rage_click.clicks=many"], "does not fit"),
        ("posthog-2026", ["rage_click.metric=miles"], "does not fit"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(name, change, words):
    with pytest.raises(ProfileError, match=words):
        profile(name, change)
