"""
Moments of trouble in a recording, by the rules of a profile, and where profiles disagree.

```
Columns ──Scene──> rules of a kind (clicking, pointing, forms, pages) ──> Signal, Signal, …
```

Nothing is stored: old recordings are judged anew whenever a rule or a threshold changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

from replayport.analysis.clicking import (
    dead_clicks,
    error_clicks,
    rage_clicks,
    rage_taps,
    slow_responses,
)
from replayport.analysis.columns import Columns
from replayport.analysis.forms import form_abandonment, form_refill, repeated_correction
from replayport.analysis.moments import ElementLookup, Scene, Signal, nothing_known
from replayport.analysis.pages import blank_screens, navigation_loops, quick_backs
from replayport.analysis.pointing import dead_swipes, excessive_scroll, thrashed_cursor
from replayport.analysis.profiles import KINDS, Profile

SAME_MOMENT_MS: Final = 1000
"""Signals of one kind in one window this near to each other are about the same moment."""

MAX_SIGNALS: Final = 10_000
"""Of one recording; a recording made to have more is cut there, and says so."""

_RULES: Final[dict[str, Callable[[Scene, Profile], Iterator[Signal]]]] = {
    "rage_click": lambda s, p: rage_clicks(s, p.rule("rage_click"), p.rule("dead_click")),
    "dead_click": lambda s, p: dead_clicks(s, p.rule("dead_click")),
    "error_click": lambda s, p: error_clicks(s, p.rule("error_click")),
    "slow_response": lambda s, p: slow_responses(s, p.rule("slow_response"), p.rule("dead_click")),
    "thrashed_cursor": lambda s, p: thrashed_cursor(s, p.rule("thrashed_cursor")),
    "quick_back": lambda s, p: quick_backs(s, p.rule("quick_back")),
    "excessive_scroll": lambda s, p: excessive_scroll(s, p.rule("excessive_scroll")),
    "form_abandonment": lambda s, p: form_abandonment(s, p.rule("form_abandonment")),
    "form_refill": lambda s, p: form_refill(s, p.rule("form_refill")),
    "repeated_correction": lambda s, p: repeated_correction(s, p.rule("repeated_correction")),
    "navigation_loop": lambda s, p: navigation_loops(s, p.rule("navigation_loop")),
    "rage_tap": lambda s, p: rage_taps(s, p.rule("rage_tap")),
    "dead_swipe": lambda s, p: dead_swipes(s, p.rule("dead_swipe")),
    "blank_screen": lambda s, p: blank_screens(s, p.rule("blank_screen")),
}


@dataclass(frozen=True, slots=True)
class Detected:
    """What a profile finds in a recording."""

    profile: str
    signals: list[Signal]
    """In playing order."""
    judged: tuple[str, ...]
    """Kinds the profile has a rule for, and the recording the data."""
    findings: Counter[str] = field(default_factory=Counter)
    """What could not be known."""

    def counts(self) -> dict[str, int | None]:
        """Give how many of each kind; None for kinds that could not be judged."""
        found = Counter(s.kind for s in self.signals)
        return {kind: found[kind] if kind in self.judged else None for kind in KINDS}


def detect(columns: Columns, profile: Profile, lookup: ElementLookup = nothing_known) -> Detected:
    """
    Find the signals of a recording.

    Args:
        columns: Of the whole recording.
        profile: The rules.
        lookup: What elements are called; rules that need it say what they did not know.
    """
    scene = Scene(columns, profile.name, lookup, Counter(columns.findings))
    judged = judged_kinds(columns, profile)
    found: list[Signal] = []
    for kind in judged:
        for signal in _RULES[kind](scene, profile):
            found.append(signal)
            if len(found) >= MAX_SIGNALS:
                scene.findings["too_many_signals"] = 1
                break
    found.sort(key=lambda s: (s.start_ms, s.window_id, s.kind, s.end_ms))
    return Detected(profile.name, found[:MAX_SIGNALS], tuple(judged), scene.findings)


def judged_kinds(columns: Columns, profile: Profile) -> list[str]:
    """
    Give the kinds of signal a recording can be judged by.

    Of the others it has none because nothing could be known, which is not zero.
    """
    return [kind for kind in KINDS if kind in profile.rules and _can_judge(columns, kind)]


def _can_judge(columns: Columns, kind: str) -> bool:
    """Tell whether a recording holds what a kind is told by: what was not recorded is not zero."""
    if kind == "thrashed_cursor":
        return bool(len(columns.moves))
    if kind == "error_click":
        return columns.console_recorded or columns.network_recorded
    if kind in ("form_refill", "repeated_correction"):
        return not columns.findings["masked_to_nothing"]
    if kind in ("quick_back", "navigation_loop"):
        return bool(len(columns.navigations))
    if kind == "blank_screen":
        return bool(len(columns.snapshots)) and not columns.mobile
    if kind in ("rage_click", "dead_click", "slow_response"):
        return not columns.mobile
    return True


# --- where profiles disagree ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One moment that some profiles name and others do not."""

    recording: str
    kind: str
    offset_ms: int
    element: str
    found_by: tuple[str, ...]
    not_by: tuple[str, ...]
    """Profiles that have a rule of this kind and did not name the moment."""

    def to_json(self) -> dict[str, Any]:
        """Give the form the command line prints."""
        return {
            "recording": self.recording,
            "kind": self.kind,
            "offset_ms": self.offset_ms,
            "element": self.element,
            "found_by": list(self.found_by),
            "not_by": list(self.not_by),
        }


@dataclass
class Comparison:
    """How far profiles agree, over any number of recordings. Add recordings with `add`."""

    profiles: Sequence[str]
    recordings: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """By kind, how many moments each profile names."""
    moments: Counter[str] = field(default_factory=Counter)
    """By kind, how many moments any profile names."""
    both: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    judged: dict[str, set[str]] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    max_listed: int = 1000
    not_listed: int = 0

    def add(self, recording: str, detected: Iterable[Detected]) -> None:
        """Take the signals of all profiles in one recording."""
        self.recordings += 1
        everything = list(detected)
        by_kind: dict[str, list[Signal]] = {}
        judged: dict[str, set[str]] = {}
        for one in everything:
            for kind in one.judged:
                judged.setdefault(kind, set()).add(one.profile)
            for signal in one.signals:
                by_kind.setdefault(signal.kind, []).append(signal)
        for kind, signals in by_kind.items():
            for group in _moments(signals):
                names = tuple(sorted({s.profile for s in group}))
                self.moments[kind] += 1
                self.counts.setdefault(kind, Counter()).update(names)
                self.both.setdefault(kind, Counter()).update(combinations(names, 2))
                others = tuple(sorted(judged.get(kind, set()) - set(names)))
                if others:
                    if len(self.disagreements) < self.max_listed:
                        self.disagreements.append(
                            Disagreement(
                                recording,
                                kind,
                                group[0].offset_ms,
                                next((s.element for s in group if s.element), ""),
                                names,
                                others,
                            )
                        )
                    else:
                        self.not_listed += 1
        for kind, names_ in judged.items():
            self.judged.setdefault(kind, set()).update(names_)

    def agreement(self, kind: str, one: str, other: str) -> float | None:
        """
        Give moments both name over moments either names (Jaccard).

        Returns:
            None when one of them has no rule, or neither names anything.
        """
        rules = self.judged.get(kind, set())
        if one not in rules or other not in rules:
            return None
        counts = self.counts.get(kind, Counter())
        first, second = sorted((one, other))
        both = self.both.get(kind, Counter())[first, second]
        either = counts[one] + counts[other] - both
        return both / either if either else None

    def to_json(self) -> dict[str, Any]:
        """Give the form the command line prints."""
        return {
            "recordings": self.recordings,
            "profiles": list(self.profiles),
            "kinds": {
                kind: {
                    "moments": self.moments[kind],
                    "counts": {
                        p: self.counts.get(kind, Counter())[p]
                        if p in self.judged.get(kind, set())
                        else None
                        for p in self.profiles
                    },
                    "agreement": {
                        f"{a} {b}": round(value, 3)
                        for a, b in combinations(self.profiles, 2)
                        if (value := self.agreement(kind, a, b)) is not None
                    },
                }
                for kind in KINDS
                if kind in self.moments
            },
            "disagreements": [d.to_json() for d in self.disagreements],
            "not_listed": self.not_listed,
        }


def _moments(signals: list[Signal]) -> Iterator[list[Signal]]:
    """Group signals of one kind that are about the same moment of the same window."""
    ordered = sorted(signals, key=lambda s: (s.window_id, s.start_ms, s.profile))
    group: list[Signal] = []
    first_ms = 0
    for signal in ordered:
        if (
            group
            and signal.window_id == group[0].window_id
            and signal.start_ms - first_ms <= SAME_MOMENT_MS
        ):
            group.append(signal)
            continue
        if group:
            yield group
        group, first_ms = [signal], signal.start_ms
    if group:
        yield group
