"""
One number 0..1 for how much trouble a visit had: by weights anybody can read, or by a model.

```
signals ──weights──> points ──1 - exp(-points)──> score        "rules-1", the default
features ──Model (JSON: medians, scales, coefficients, calibration)──> probability
```

The default is transparent, not validated: it says that things went wrong which often annoy
people, not that a person was annoyed. Its weights are judgements, printed with each score.

A model is a JSON file of numbers, read as data: nothing in it can run. It is applied here with
NumPy alone; scikit-learn is needed only to make one (`training`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from replayport.analysis.moments import Signal
from replayport.analysis.profiles import KIND_WORDS, KINDS
from replayport.analysis.signals import Detected
from replayport.errors import ReplayError

RULES_MODEL: Final = "rules-1"
MODEL_FORMAT: Final = "replayport-frustration-model"
MODEL_VERSION: Final = 1
MAX_MODEL_BYTES: Final = 4 * 2**20

WEIGHTS: Final[dict[str, float]] = {
    "rage_click": 0.90,
    "rage_tap": 0.80,
    "blank_screen": 0.70,
    "form_refill": 0.60,
    "error_click": 0.50,
    "slow_response": 0.40,
    "dead_click": 0.35,
    "form_abandonment": 0.30,
    "navigation_loop": 0.30,
    "dead_swipe": 0.25,
    "thrashed_cursor": 0.25,
    "excessive_scroll": 0.20,
    "repeated_correction": 0.20,
    "quick_back": 0.15,
}
"""Points of the first signal of each kind, times its confidence."""

REPEAT: Final = 0.6
"""The second signal of a kind counts this much of the first, the third of the second …"""

SHOWN_REASONS: Final = 5


class ModelError(ReplayError):
    """A model file cannot be used: it is none, damaged, or of a newer version."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a score."""

    kind: str
    """Kind of signal, or name of a feature."""
    points: float
    """What it adds: points of the rules, or log-odds of a model."""
    words: str
    """A sentence for people, with its second."""
    offset_ms: int | None = None
    """Where to look; None when it is about the whole visit."""

    def to_json(self) -> dict[str, Any]:
        """Give the form the command line prints."""
        return {
            "kind": self.kind,
            "points": round(self.points, 3),
            "words": self.words,
            "offset_ms": self.offset_ms,
        }


@dataclass(frozen=True, slots=True)
class Score:
    """A visit's score."""

    value: float | None
    """0..1; None when nothing was done that could be judged."""
    model: str
    """``rules-1``, or the model's name."""
    reasons: list[Reason] = field(default_factory=list)
    """Largest first."""
    unjudged: tuple[str, ...] = ()
    """Kinds of signal this recording cannot be judged by: a low score does not speak of them."""

    def to_json(self) -> dict[str, Any]:
        """Give the form the command line prints."""
        return {
            "score": None if self.value is None else round(self.value, 4),
            "model": self.model,
            "reasons": [r.to_json() for r in self.reasons],
            "unjudged": list(self.unjudged),
        }


def seconds(ms: float) -> str:
    """Give an offset in words: ``8.5 s``, ``2:05``."""
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, rest = divmod(int(ms // 1000), 60)
    return f"{minutes}:{rest:02}"


def in_words(signal: Signal, *, with_moment: bool = True) -> str:
    """Give a signal as a sentence, with its element, and its second unless that stands beside."""
    what = KIND_WORDS[signal.kind]
    if signal.element:
        what += f": {signal.element}"
    e = signal.evidence
    details = [
        form.format(e[key])
        for key, form in (
            ("clicks", "{} clicks"),
            ("taps", "{} taps"),
            ("waited_ms", "waited {:.0f} ms"),
            ("console_errors", "{} console errors"),
            ("failed_requests", "{} failed requests"),
            ("blank_ms", "{:.0f} ms"),
            ("stayed_ms", "stayed {:.0f} ms"),
            ("visits", "{} visits"),
            ("corrections", "{} corrections"),
            ("fields", "{} fields"),
            ("reversals", "{} changes of direction"),
        )
        if e.get(key)
    ]
    if "answered" in e and e.get("clicks", e.get("taps")):
        details.append("none answered" if not e["answered"] else f"{e['answered']} answered")
    inside = f" ({', '.join(details)})" if details else ""
    return f"{what}{inside}" + (f" at {seconds(signal.offset_ms)}" if with_moment else "")


def score_by_rules(detected: Detected, *, anything_done: bool) -> Score:
    """
    Score by the weights.

    Args:
        detected: The signals of a profile that has a rule for most kinds.
        anything_done: Whether the user did anything; without that there is no score.
    """
    unjudged = tuple(kind for kind in KINDS if kind not in detected.judged)
    if not anything_done:
        return Score(None, RULES_MODEL, [], unjudged)
    reasons: list[Reason] = []
    for kind, weight in WEIGHTS.items():
        found = sorted(
            (s for s in detected.signals if s.kind == kind),
            key=lambda s: (-s.confidence, s.start_ms),
        )
        for n, signal in enumerate(found):
            points = weight * signal.confidence * REPEAT**n
            reasons.append(Reason(kind, points, in_words(signal), signal.offset_ms))
    reasons.sort(key=lambda r: (-r.points, r.offset_ms or 0))
    total = sum(r.points for r in reasons)
    return Score(1 - math.exp(-total), RULES_MODEL, reasons[:SHOWN_REASONS], unjudged)


# --- models -----------------------------------------------------------------------------------

MODEL_FEATURES: Final = (
    *(f"signal_{kind}" for kind in KINDS),
    "rage_click_count",
    "dead_click_count",
    "actions_per_minute",
    "active_share",
    "first_action_ms",
    "longest_pause_ms",
    "mouse_speed_mean_px_ms",
    "mouse_speed_std_px_ms",
    "mouse_turn_share",
    "mouse_straightness",
    "scroll_direction_reversal_count",
    "rapid_scroll_reversal_count",
    "backspace_count",
    "corrections_max_of_a_field",
    "page_revisit_count",
    "quick_back_count",
    "console_error_after_click_count",
    "slow_request_count",
    "request_p95_ms",
    "failed_request_share",
)
"""What models see: behaviour, and nothing that tells which page or person it was."""


def model_row(features: Mapping[str, Any], detected: Detected) -> list[float]:
    """Give a recording's values of `MODEL_FEATURES`; NaN for what is not known."""
    counts = detected.counts()
    values = [
        counts[name.removeprefix("signal_")] if name.startswith("signal_") else features[name]
        for name in MODEL_FEATURES
    ]
    return [math.nan if v is None else float(v) for v in values]


def squeeze(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Bring counts and times of any size to one scale: sign(x) log(1 + |x|)."""
    squeezed: npt.NDArray[np.float64] = np.sign(values) * np.log1p(np.abs(values))
    return squeezed


class Model(Struct, frozen=True, kw_only=True):
    """
    A logistic model as numbers.

    ``log-odds = intercept + coefficients · (x - mean) / scale``, where ``x`` is the squeezed
    features, medians in place of unknown ones, followed by a 1 for each of ``indicators`` that
    was unknown. Then ``probability = 1 / (1 + exp(-(slope · log-odds + offset)))``.
    """

    name: str
    features: list[str]
    medians: list[float]
    indicators: list[int]
    """Positions of features whose being unknown is a feature itself."""
    mean: list[float]
    scale: list[float]
    coefficients: list[float]
    intercept: float
    slope: float
    """Calibration on held-out folds."""
    offset: float
    profile: str
    """Signals it was trained with; scoring uses the same."""
    trained: dict[str, Any]
    """How many recordings and groups, and what was measured."""
    format: str = MODEL_FORMAT
    format_version: int = MODEL_VERSION

    def __post_init__(self) -> None:
        n, wide = len(self.features), len(self.features) + len(self.indicators)
        unknown = set(self.features) - set(MODEL_FEATURES)
        numbers = [
            *self.medians,
            *self.mean,
            *self.scale,
            *self.coefficients,
            self.intercept,
            self.slope,
            self.offset,
        ]
        if (
            unknown
            or len(self.medians) != n
            or {len(self.mean), len(self.scale), len(self.coefficients)} != {wide}
            or not all(0 <= i < n for i in self.indicators)
            or not all(math.isfinite(v) for v in numbers)
            or any(v <= 0 for v in self.scale)
        ):
            raise ValueError("its parts do not fit together")

    def to_bytes(self) -> bytes:
        """Give the file's bytes: JSON that a person can read."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @staticmethod
    def from_bytes(data: bytes) -> Model:
        """
        Read a model file.

        Raises:
            ModelError: It is none, damaged, or of a newer version.
        """
        if len(data) > MAX_MODEL_BYTES:
            raise ModelError(f"the model file of {len(data)} bytes is too large to be one")
        try:
            head = msgspec.json.decode(data, type=_Head)
            if head.format != MODEL_FORMAT:
                raise ModelError("the file is JSON, but no model. Make one with: replayport train")
            if head.format_version > MODEL_VERSION:
                raise ModelError(
                    f"the model has version {head.format_version}, this package reads up to "
                    f"{MODEL_VERSION}. Upgrade: pip install -U replayport"
                )
            return msgspec.json.decode(data, type=Model)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as e:
            raise ModelError(
                f"the model file of {len(data)} bytes does not read ({type(e).__name__}). Models "
                "are JSON that replayport train writes; pickled ones are never read"
            ) from e

    def _inputs(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x = squeeze(rows)
        unknown = ~np.isfinite(x)
        x = np.where(unknown, np.array(self.medians), x)
        wide = np.hstack([x, unknown[:, self.indicators].astype(np.float64)])
        scaled: npt.NDArray[np.float64] = (wide - np.array(self.mean)) / np.array(self.scale)
        return scaled

    def log_odds(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Give the calibrated log-odds of rows of this model's features."""
        raw = self._inputs(rows) @ np.array(self.coefficients) + self.intercept
        out: npt.NDArray[np.float64] = self.slope * raw + self.offset
        return out

    def probabilities(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Give probabilities 0..1 of rows of this model's features."""
        out: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(self.log_odds(rows), -500, 500)))
        return out

    def score(self, features: Mapping[str, Any], detected: Detected) -> Score:
        """Score one recording, with the features that speak loudest for it."""
        unjudged = tuple(kind for kind in KINDS if kind not in detected.judged)
        values = dict(zip(MODEL_FEATURES, model_row(features, detected), strict=True))
        if not _anything_done(features):
            return Score(None, self.name, [], unjudged)
        row = np.array([[values[name] for name in self.features]])
        parts = self._inputs(row)[0] * np.array(self.coefficients) * self.slope
        reasons = []
        for n in np.argsort(-parts, kind="stable")[:SHOWN_REASONS]:
            if parts[n] <= 0:
                break
            reasons.append(self._reason(int(n), float(parts[n]), values, detected.signals))
        return Score(float(self.probabilities(row)[0]), self.name, reasons, unjudged)

    def _reason(
        self, n: int, points: float, values: Mapping[str, float], signals: Sequence[Signal]
    ) -> Reason:
        if n >= len(self.features):
            name = self.features[self.indicators[n - len(self.features)]]
            return Reason(name, points, f"{name} is not known")
        name = self.features[n]
        value = values[name]
        if name.startswith("signal_"):
            kind = name.removeprefix("signal_")
            first = next((s for s in signals if s.kind == kind), None)
            if first is not None:
                return Reason(kind, points, in_words(first), first.offset_ms)
            return Reason(kind, points, f"never: {KIND_WORDS[kind]}")
        if math.isnan(value):
            return Reason(name, points, f"{name} is not known")
        # Medians are kept squeezed, as the model sees them.
        usual = math.copysign(math.expm1(abs(self.medians[n])), self.medians[n])
        return Reason(name, points, f"{name} is {value:.4g}, where {usual:.4g} is usual")


class _Head(Struct):
    format: str = ""
    format_version: int = 0


def _anything_done(features: Mapping[str, Any]) -> bool:
    return any(
        features.get(name)
        for name in (
            "click_count",
            "keypress_count",
            "mouse_activity_count",
            "scroll_event_count",
            "touch_event_count",
        )
    )


def score(features: Mapping[str, Any], detected: Detected, model: Model | None = None) -> Score:
    """
    Score one recording.

    Args:
        features: Of `features.measure`.
        detected: Its signals.
        model: None for the rules.
    """
    if model is not None:
        return model.score(features, detected)
    return score_by_rules(detected, anything_done=_anything_done(features))
