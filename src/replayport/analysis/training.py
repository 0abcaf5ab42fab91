"""
Learn a frustration model from labels, and say honestly how good it is.

```
rows, labels, groups ──> 5 folds that never cut a group
      each fold:  fit on the others ── calibrate on folds inside them ── predict this one
all predictions ──> AUC, precision, Brier score, calibration error; the rules beside it
once more on everything ──> Model (JSON), card (Markdown and JSON)
```

A group is a person (or a project): visits of one person resemble each other, and a model that has
seen one of them knows the others. Scores on the folds are of people it never saw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from replayport.analysis.frustration import MODEL_FEATURES, Model, squeeze
from replayport.errors import MissingExtraError, ReplayError
from replayport.plurals import counted

FOLDS: Final = 5
MIN_RECORDINGS: Final = 20
MIN_OF_A_CLASS: Final = 5
STRENGTH: Final = 0.3
"""Inverse of the penalty: few labels, so coefficients are held small."""
REPEATS: Final = 5
BINS: Final = 5

Floats = npt.NDArray[np.float64]


class TrainingError(ReplayError):
    """Labels from which nothing can be learned, or only something false."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and what is known of it."""

    model: Model
    card: dict[str, Any]
    """Everything measured, as JSON values."""
    held_out: Floats
    """Probability of each row, from the fold that did not see it."""
    findings: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Give the card as Markdown."""
        return card_markdown(self.card)


def train(
    rows: Sequence[Sequence[float]],
    labels: Sequence[bool],
    groups: Sequence[str],
    *,
    name: str,
    profile: str,
    rules: Sequence[float | None] = (),
    persons: Sequence[str | None] = (),
    seed: int = 0,
) -> Trained:
    """
    Train and judge a model.

    Args:
        rows: `frustration.model_row` of each recording.
        labels: True for frustrated.
        groups: What must not be split between folds.
        name: Of the model.
        profile: The signals were found by.
        rules: The transparent score of each recording, to compare with; empty for none.
        persons: Who each recording is of, to notice groups that leak; empty for unknown.
        seed: Of the folds and of permutation.

    Raises:
        TrainingError: One class only, too few recordings or groups.
        MissingExtraError: scikit-learn is not installed.
    """
    x = np.array(rows, dtype=np.float64).reshape(len(labels), len(MODEL_FEATURES))
    y = np.array(labels, dtype=bool)
    g = np.array(groups, dtype=object).astype(str)
    findings = _check(y, g, persons)
    try:
        from sklearn.model_selection import StratifiedGroupKFold
    except ImportError as e:
        raise MissingExtraError(extra="ml", needed_for="Training a model") from e
    folds = min(FOLDS, *(len(set(g[y == c])) for c in (False, True)))
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    held_out = np.full(len(y), np.nan)
    fold_of = np.full(len(y), -1)
    importance = np.zeros((0, len(MODEL_FEATURES)))
    random = np.random.default_rng(seed)
    for n, (train_rows, test_rows) in enumerate(splitter.split(x, y, g)):
        if len(set(y[train_rows])) < 2 or not len(test_rows):
            continue
        fitted = _fit(x[train_rows], y[train_rows], g[train_rows], seed)
        held_out[test_rows] = _apply(fitted, x[test_rows])
        fold_of[test_rows] = n
        if len(set(y[test_rows])) == 2:
            importance = np.vstack(
                [importance, _importance(fitted, x[test_rows], y[test_rows], random)]
            )
    seen = np.isfinite(held_out)
    measured = _measured(y[seen], held_out[seen])
    fitted = _fit(x, y, g, seed)
    card: dict[str, Any] = {
        "name": name,
        "what": (
            "Probability that a visit carries the label the model was trained on. It knows what "
            "the labels knew: labels made by rules, scripts or guesses make a model of those."
        ),
        "profile": profile,
        "recordings": len(y),
        "labelled_true": int(y.sum()),
        "labelled_false": int((~y).sum()),
        "groups": len(set(g)),
        "folds": folds,
        "not_validated_on": "any recordings but these",
        "held_out": measured,
        "always_the_share": {"brier": float(y.mean() * (1 - y.mean())), "roc_auc": 0.5},
        "calibration": _calibration(y[seen], held_out[seen]),
        "importance": _named(importance),
        "findings": findings,
    }
    if rules:
        values = np.array([np.nan if v is None else v for v in rules], dtype=np.float64)
        known = np.isfinite(values) & seen
        card["rules_on_the_same"] = _measured(y[known], values[known])
    model = _model(fitted, name=name, profile=profile, trained=_summary(card))
    return Trained(model, card, held_out, findings)


def _check(
    y: npt.NDArray[np.bool_], g: npt.NDArray[Any], persons: Sequence[str | None]
) -> list[str]:
    classes = Counter(y.tolist())
    if len(classes) < 2:
        only = "frustrated" if True in classes else "not frustrated"
        raise TrainingError(
            f"all {len(y)} labels say {only}: there is nothing to tell apart. Label visits of the "
            "other kind too"
            if len(y)
            else "there are no labels of recordings in the archive. Check the ids in the file"
        )
    if len(y) < MIN_RECORDINGS or min(classes.values()) < MIN_OF_A_CLASS:
        raise TrainingError(
            f"{len(y)} labelled recordings, {classes[True]} of them frustrated, are too few: a "
            f"model needs {MIN_RECORDINGS}, {MIN_OF_A_CLASS} of each kind, and deserves hundreds"
        )
    for kind, words in ((True, "frustrated"), (False, "not frustrated")):
        n = len(set(g[y == kind]))
        if n < 2:
            raise TrainingError(
                f"all {words} recordings belong to {n} group: whether the model knows frustration "
                "or that group cannot be told. Label visits of more people, or group by another "
                "column"
            )
    findings = []
    by_group: dict[str, set[bool]] = {}
    for group, label in zip(g.tolist(), y.tolist(), strict=True):
        by_group.setdefault(group, set()).add(label)
    pure = sum(len(v) == 1 for v in by_group.values())
    if pure == len(by_group) and len(by_group) < len(y):
        findings.append(
            "group_is_label: every group has one label only. What tells groups apart may be all "
            "that was learned"
        )
    if persons:
        groups_of: dict[str, set[str]] = {}
        for person, group in zip(persons, g.tolist(), strict=True):
            if person:
                groups_of.setdefault(person, set()).add(group)
        leaking = sum(len(v) > 1 for v in groups_of.values())
        if leaking:
            findings.append(
                f"groups_leak: {leaking} people are in more than one group, so folds know them "
                "already. The figures are too good. Group by person"
            )
    return findings


@dataclass(frozen=True, slots=True)
class _Fitted:
    pipeline: Any
    slope: float
    offset: float


def _pipeline(seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return Pipeline(
        [
            ("squeeze", FunctionTransformer(squeeze)),
            (
                "impute",
                SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            ),
            ("scale", StandardScaler()),
            (
                "fit",
                LogisticRegression(
                    C=STRENGTH, class_weight="balanced", max_iter=2000, random_state=seed
                ),
            ),
        ]
    )


def _fit(x: Floats, y: npt.NDArray[np.bool_], g: npt.NDArray[Any], seed: int) -> _Fitted:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    whole = _pipeline(seed).fit(x, y)
    inner = min(3, *(len(set(g[y == c])) for c in (False, True)))
    if inner < 2:
        return _Fitted(whole, 1.0, 0.0)
    raw = np.full(len(y), np.nan)
    splitter = StratifiedGroupKFold(n_splits=inner, shuffle=True, random_state=seed + 1)
    for fit_rows, other in splitter.split(x, y, g):
        if len(set(y[fit_rows])) == 2:
            raw[other] = _pipeline(seed).fit(x[fit_rows], y[fit_rows]).decision_function(x[other])
    known = np.isfinite(raw)
    if len(set(y[known])) < 2:
        return _Fitted(whole, 1.0, 0.0)
    sigmoid = LogisticRegression(C=1.0).fit(raw[known].reshape(-1, 1), y[known])
    slope = float(sigmoid.coef_[0, 0])
    if slope <= 0:  # held-out folds contradict the fit: it has learned nothing
        return _Fitted(whole, 1e-6, float(np.log(y.mean() / (1 - y.mean()))))
    return _Fitted(whole, slope, float(sigmoid.intercept_[0]))


def _apply(fitted: _Fitted, x: Floats) -> Floats:
    odds = fitted.slope * fitted.pipeline.decision_function(x) + fitted.offset
    out: Floats = 1 / (1 + np.exp(-odds))
    return out


def _importance(
    fitted: _Fitted, x: Floats, y: npt.NDArray[np.bool_], random: np.random.Generator
) -> Floats:
    """Give the loss of AUC on a held-out fold when a feature is shuffled, mean of repeats."""
    model = _model(fitted, name="", profile="", trained={})  # its arithmetic is the quicker one
    base = area_under_curve(y, model.log_odds(x))
    out = np.zeros((1, x.shape[1]))
    for n in range(x.shape[1]):
        for _ in range(REPEATS):
            shuffled = x.copy()
            random.shuffle(shuffled[:, n])
            out[0, n] += (base - area_under_curve(y, model.log_odds(shuffled))) / REPEATS
    return out


def area_under_curve(y: npt.NDArray[np.bool_], values: Floats) -> float:
    """Give the chance that a true one has a higher value than a false one; ties count half."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = int(y.sum())
    below = float(ranks[y].sum()) - positive * (positive + 1) / 2
    return below / (positive * (len(y) - positive))


def _measured(y: npt.NDArray[np.bool_], p: Floats) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score

    if len(set(y.tolist())) < 2:
        return {"recordings": len(y)}
    said = p >= 0.5
    return {
        "recordings": len(y),
        "roc_auc": area_under_curve(y, p),
        "average_precision": float(average_precision_score(y, p)),
        "brier": float(np.mean((p - y) ** 2)),
        "at_0.5": {
            "true_positive": int(np.sum(said & y)),
            "false_positive": int(np.sum(said & ~y)),
            "true_negative": int(np.sum(~said & ~y)),
            "false_negative": int(np.sum(~said & y)),
        },
    }


def _calibration(y: npt.NDArray[np.bool_], p: Floats) -> dict[str, Any]:
    """Compare what was said with what was so, in bins of equal size."""
    order = np.argsort(p, kind="stable")
    bins = [b for b in np.array_split(order, BINS) if len(b)]
    rows = [{"said": float(p[b].mean()), "was": float(y[b].mean()), "n": len(b)} for b in bins]
    error = sum(abs(r["said"] - r["was"]) * r["n"] for r in rows) / max(1, len(y))
    return {"bins": rows, "expected_error": float(error)}


def _named(importance: Floats) -> list[dict[str, Any]]:
    if not len(importance):
        return []
    mean, std = importance.mean(axis=0), importance.std(axis=0)
    return [
        {"feature": MODEL_FEATURES[n], "auc_lost": float(mean[n]), "std": float(std[n])}
        for n in np.argsort(-mean, kind="stable")
        if abs(mean[n]) > 1e-9
    ]


def _model(fitted: _Fitted, *, name: str, profile: str, trained: dict[str, Any]) -> Model:
    imputer = fitted.pipeline.named_steps["impute"]
    scaler = fitted.pipeline.named_steps["scale"]
    linear = fitted.pipeline.named_steps["fit"]
    indicators = [int(i) for i in imputer.indicator_.features_]
    return Model(
        name=name,
        features=list(MODEL_FEATURES),
        medians=[float(v) for v in np.nan_to_num(imputer.statistics_)],
        indicators=indicators,
        mean=[float(v) for v in scaler.mean_],
        scale=[float(v) for v in scaler.scale_],
        coefficients=[float(v) for v in linear.coef_[0]],
        intercept=float(linear.intercept_[0]),
        slope=fitted.slope,
        offset=fitted.offset,
        profile=profile,
        trained=trained,
    )


def _summary(card: dict[str, Any]) -> dict[str, Any]:
    keys = ("recordings", "labelled_true", "labelled_false", "groups", "held_out", "findings")
    return {key: card[key] for key in keys}


def card_markdown(card: dict[str, Any]) -> str:
    """Write a model card for people."""
    held = card["held_out"]
    lines = [
        f"# Model card: {card['name']}",
        "",
        card["what"],
        "",
        (
            f"- Trained on {counted(card['recordings'], 'recording')} of {counted(card['groups'], 'group')}: "
            f"{card['labelled_true']} labelled frustrated, {card['labelled_false']} not."
        ),
        f"- Signals: profile `{card['profile']}`.",
        (
            f"- Judged on {card['folds']} folds that never cut a group. Not validated on "
            f"{card['not_validated_on']}."
        ),
        "- The file is JSON: medians, scales, coefficients, calibration. Reading it runs nothing.",
        "",
        "## How good, on folds it did not see",
        "",
        "| | recordings | ROC AUC | average precision | Brier score |",
        "|---|---|---|---|---|",
        _measured_row("this model", held),
    ]
    if "rules_on_the_same" in card:
        lines.append(
            _measured_row("the transparent score, same recordings", card["rules_on_the_same"])
        )
    base = card["always_the_share"]
    lines += [
        f"| always saying the share | {card['recordings']} | 0.5 | | {base['brier']:.3f} |",
        "",
    ]
    if "at_0.5" in held:
        at = held["at_0.5"]
        lines += [
            (
                f"At 0.5: {at['true_positive']} found, {at['false_negative']} missed, "
                f"{at['false_positive']} wrongly named, {at['true_negative']} rightly left."
            ),
            "",
        ]
    lines += [
        "## Calibration",
        "",
        (
            f"Mean difference between what was said and what was so: "
            f"{card['calibration']['expected_error']:.3f}."
        ),
        "",
        "| said | was | recordings |",
        "|---|---|---|",
        *(f"| {b['said']:.2f} | {b['was']:.2f} | {b['n']} |" for b in card["calibration"]["bins"]),
        "",
        "## What it looks at",
        "",
        "Loss of AUC on held-out folds when a feature is shuffled; features that say the same share it.",
        "",
        "| feature | AUC lost | spread |",
        "|---|---|---|",
        *(
            f"| `{i['feature']}` | {i['auc_lost']:+.3f} | {i['std']:.3f} |"
            for i in card["importance"][:15]
        ),
        "",
    ]
    if card["findings"]:
        lines += ["## Findings", "", *(f"- {f}" for f in card["findings"]), ""]
    return "\n".join(lines)


def _measured_row(name: str, m: dict[str, Any]) -> str:
    if "roc_auc" not in m:
        return f"| {name} | {m['recordings']} | one class only | | |"
    return (
        f"| {name} | {m['recordings']} | {m['roc_auc']:.3f} | {m['average_precision']:.3f} | "
        f"{m['brier']:.3f} |"
    )
