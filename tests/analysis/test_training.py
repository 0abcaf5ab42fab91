"""Training: what it learns, what it says of itself, and labels nothing can be learned from."""

from __future__ import annotations

import json

import numpy as np
import pytest

from replayport.analysis.frustration import MODEL_FEATURES, Model
from replayport.analysis.training import TrainingError, area_under_curve, train

pytest.importorskip("sklearn")

RAGE = MODEL_FEATURES.index("signal_rage_click")


def made_up(people=12, each=6, seed=1, told=1.0):
    """Visits of people: half are frustrated, and rage clicks tell most of them."""
    random = np.random.default_rng(seed)
    rows, labels, groups = [], [], []
    for person in range(people):
        for n in range(each):
            label = bool(n % 2)
            row = random.gamma(1.0, 2.0, len(MODEL_FEATURES))
            shows = label if random.random() < told else not label
            row[RAGE] = float(random.poisson(2 if shows else 0.1))
            row[MODEL_FEATURES.index("mouse_turn_share")] = np.nan if n == 0 else 0.1
            rows.append(row)
            labels.append(label)
            groups.append(f"person {person}")
    return rows, labels, groups


@pytest.fixture(scope="module")
def trained():
    rows, labels, groups = made_up()
    return train(
        rows,
        labels,
        groups,
        name="test",
        profile="replayport-1",
        rules=[float(r[RAGE] > 0) for r in rows],
        persons=groups,
    )


def test_it_learns_what_tells_them_apart(trained):
    held = trained.card["held_out"]
    assert held["recordings"] == 72
    assert held["roc_auc"] > 0.75
    assert held["brier"] < trained.card["always_the_share"]["brier"]
    assert trained.card["importance"][0]["feature"] == "signal_rage_click"
    assert trained.card["rules_on_the_same"]["roc_auc"] > 0.7
    assert trained.findings == []


def test_the_model_alone_says_what_the_pipeline_said(trained):
    rows, labels, _ = made_up()
    again = Model.from_bytes(trained.model.to_bytes())
    p = again.probabilities(np.array(rows))
    assert p[np.array(labels)].mean() > p[~np.array(labels)].mean() + 0.2
    assert MODEL_FEATURES.index("mouse_turn_share") in again.indicators


def test_the_json_is_the_pipeline(trained):
    from replayport.analysis.training import _apply, _fit

    rows, labels, groups = made_up()
    x, y, g = np.array(rows), np.array(labels), np.array(groups)
    fitted = _fit(x, y, g, 0)
    assert np.allclose(_apply(fitted, x), trained.model.probabilities(x))


def test_area_under_the_curve():
    y = np.array([True, True, False, False])
    assert area_under_curve(y, np.array([3.0, 2, 1, 0])) == 1
    assert area_under_curve(y, np.array([0.0, 0, 0, 0])) == 0.5
    assert area_under_curve(y, np.array([3.0, 1, 2, 0])) == 0.75


def test_calibration_adds_up(trained):
    bins = trained.card["calibration"]["bins"]
    assert sum(b["n"] for b in bins) == 72
    assert [b["said"] for b in bins] == sorted(b["said"] for b in bins)
    assert 0 <= trained.card["calibration"]["expected_error"] <= 1


def test_the_card_says_what_it_is_and_is_json(trained):
    text = trained.markdown()
    assert "72 recordings of 12 groups" in text
    assert "the transparent score, same recordings" in text
    assert "signal_rage_click" in text
    json.dumps(trained.card, allow_nan=False)


def test_the_same_twice(trained):
    rows, labels, groups = made_up()
    again = train(rows, labels, groups, name="test", profile="replayport-1", persons=groups)
    assert again.model.coefficients == trained.model.coefficients


def test_noise_is_not_called_knowledge():
    rows, labels, groups = made_up(told=0.5, seed=3)
    random = np.random.default_rng(7)
    rows = [random.normal(size=len(MODEL_FEATURES)) for _ in rows]
    noise = train(rows, labels, groups, name="noise", profile="replayport-1")
    assert noise.card["held_out"]["roc_auc"] < 0.72
    assert noise.card["held_out"]["brier"] < 0.3


def test_one_class_only():
    rows, _, groups = made_up()
    for label, words in ((True, "say frustrated"), (False, "not frustrated")):
        with pytest.raises(TrainingError, match=words):
            train(rows, [label] * len(rows), groups, name="x", profile="replayport-1")


def test_no_labels_too_few_and_one_group():
    with pytest.raises(TrainingError, match="no labels"):
        train([], [], [], name="x", profile="replayport-1")
    rows, labels, groups = made_up()
    with pytest.raises(TrainingError, match="too few"):
        train(rows[:8], labels[:8], groups[:8], name="x", profile="replayport-1")
    one = ["one" if label else f"p{n}" for n, label in enumerate(labels)]
    with pytest.raises(TrainingError, match="belong to 1 group"):
        train(rows, labels, one, name="x", profile="replayport-1")


def test_groups_that_leak_are_found():
    rows, labels, groups = made_up()
    apart = [str(n) for n in range(len(rows))]
    found = train(rows, labels, apart, name="x", profile="replayport-1", persons=groups)
    assert any(f.startswith("groups_leak: 12 people") for f in found.findings)
    assert "groups_leak" in found.markdown()


def test_groups_that_are_the_label_are_found():
    rows, labels, _ = made_up()
    by_label = [f"{label} {n % 4}" for n, label in enumerate(labels)]
    found = train(rows, labels, by_label, name="x", profile="replayport-1")
    assert any(f.startswith("group_is_label") for f in found.findings)
