"""The score: weights, reasons, and models that are only numbers."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest
from tests.analysis.building import columns_of, console, page, shop_page, tap
from tests.support.builders import full_snapshot, meta

from replayport.analysis.features import measure
from replayport.analysis.frustration import (
    MODEL_FEATURES,
    WEIGHTS,
    Model,
    ModelError,
    in_words,
    model_row,
    score,
    seconds,
    squeeze,
)
from replayport.analysis.moments import Element
from replayport.analysis.profiles import KINDS, profile
from replayport.analysis.signals import detect


def scored(events, model=None):
    columns = columns_of(events)
    lookup = lambda *_: Element("button", 'the button "Pay"', "Pay")
    return score(measure(columns), detect(columns, profile("replayport-1"), lookup), model)


def a_model(**changes):
    n = len(MODEL_FEATURES)
    fields = {
        "name": "m",
        "features": list(MODEL_FEATURES),
        "medians": [0.0] * n,
        "indicators": [MODEL_FEATURES.index("mouse_turn_share")],
        "mean": [0.0] * (n + 1),
        "scale": [1.0] * (n + 1),
        "coefficients": [1.0, *[0.0] * (n - 1), 0.5],
        "intercept": -1.0,
        "slope": 2.0,
        "offset": 0.25,
        "profile": "replayport-1",
        "trained": {},
        **changes,
    }
    return Model(**fields)


RAGE = [tap(5000 + 200 * n) for n in range(4)]


def test_every_kind_has_a_weight():
    assert set(WEIGHTS) == set(KINDS)
    assert all(0 < w < 1 for w in WEIGHTS.values())


def test_the_score_is_one_minus_e_to_the_minus_points():
    result = scored(shop_page(*RAGE))
    detected = detect(
        columns_of(shop_page(*RAGE)),
        profile("replayport-1"),
        lambda *_: Element("button", 'the button "Pay"', "Pay"),
    )
    points = sum(WEIGHTS[s.kind] * s.confidence for s in detected.signals)
    assert {s.kind for s in detected.signals} == {"rage_click", "dead_click"}
    assert result.value == pytest.approx(1 - math.exp(-points))
    assert result.model == "rules-1"


def test_reasons_have_words_and_seconds():
    [first, *_] = scored(shop_page(*RAGE)).reasons
    assert first.words == (
        'clicked again and again: the button "Pay" (4 clicks, none answered) at 5.0 s'
    )
    assert first.offset_ms == 5000
    assert first.points == pytest.approx(0.81)


def test_trouble_again_counts_less_and_never_reaches_one():
    once = scored(page(tap(5000, node=6), console(5100))).value
    many = [e for n in range(30) for e in (tap(5000 + 9000 * n), console(5100 + 9000 * n))]
    often = scored(page(*many, until_ms=400_000)).value
    assert once < often < 1


def test_nothing_done_is_not_zero():
    result = scored([meta(), full_snapshot()])
    assert result.value is None
    assert result.to_json()["score"] is None


def test_a_calm_visit_is_zero_and_says_what_it_was_not_judged_by():
    result = scored(
        [meta(), full_snapshot(1, "words"), tap(5000), meta(5100, "https://x.example/")]
    )
    assert result.value == 0
    assert "thrashed_cursor" in result.unjudged


def test_seconds_in_words():
    assert (seconds(8500), seconds(125_900)) == ("8.5 s", "2:05")


def test_signals_without_an_element_read_well():
    detected = detect(
        columns_of([meta(), full_snapshot(1, ""), *page(until_ms=9000)[2:]]),
        profile("replayport-1"),
    )
    assert in_words(detected.signals[0]) == "looked at an empty page (8999 ms) at 0.0 s"


# --- models --------------------------------------------------------------------------------


def test_a_model_is_what_its_numbers_say():
    model = a_model()
    rows = np.zeros((2, len(MODEL_FEATURES)))
    rows[0, 0] = math.e - 1
    rows[1, MODEL_FEATURES.index("mouse_turn_share")] = np.nan
    odds = model.log_odds(rows)
    assert odds[0] == pytest.approx(2.0 * (1 - 1) + 0.25)
    assert odds[1] == pytest.approx(2.0 * (0.5 - 1) + 0.25)
    assert model.probabilities(rows)[0] == pytest.approx(1 / (1 + math.exp(-0.25)))


def test_a_model_scores_with_reasons():
    result = scored(shop_page(*RAGE), a_model())
    assert 0 < result.value < 1
    assert result.model == "m"
    assert result.reasons[0].kind == "rage_click"
    assert "the button" in result.reasons[0].words
    assert result.reasons[0].offset_ms == 5000


def test_a_model_is_read_back_as_written():
    model = a_model()
    data = model.to_bytes()
    assert json.loads(data)["format"] == "replayport-frustration-model"
    assert Model.from_bytes(data) == model


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("a model file was executed",))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        pickle.dumps(Harmful()),
        b'{"format": "replayport-frustration-model", "format_version": 99}',
        b'{"format": "replayport-frustration-model", "format_version": 1}',
        b" " * 5_000_000,
        b"[" * 100_000,
    ],
)
def test_files_that_are_no_model_are_refused_and_nothing_of_them_runs(data):
    with pytest.raises(ModelError):
        Model.from_bytes(data)


@pytest.mark.parametrize(
    "change",
    [
        {"medians": [0.0]},
        {"scale": [0.0] * (len(MODEL_FEATURES) + 1)},
        {"features": ["no_such_feature"] * len(MODEL_FEATURES)},
        {"indicators": [999]},
        {"coefficients": [1.0]},
    ],
)
def test_parts_that_do_not_fit_are_refused(change):
    data = json.loads(a_model().to_bytes()) | change
    with pytest.raises(ModelError):
        Model.from_bytes(json.dumps(data).encode())


def test_what_is_not_known_is_nan_for_a_model():
    columns = columns_of([meta(), full_snapshot(), tap(100)])
    row = model_row(measure(columns), detect(columns, profile("replayport-1")))
    assert len(row) == len(MODEL_FEATURES)
    assert math.isnan(row[MODEL_FEATURES.index("mouse_turn_share")])
    assert math.isnan(row[MODEL_FEATURES.index("signal_thrashed_cursor")])
    assert row[MODEL_FEATURES.index("signal_rage_click")] == 0


def test_models_see_nothing_that_tells_page_or_person():
    for name in MODEL_FEATURES:
        assert not any(word in name for word in ("path", "url", "viewport", "ids", "start", "end_"))


def test_squeeze_is_odd_and_monotone():
    x = np.array([-10.0, -1, 0, 1, 1000])
    assert (np.diff(squeeze(x)) > 0).all()
    assert np.allclose(squeeze(-x), -squeeze(x))
