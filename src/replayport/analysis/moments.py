"""
What the rules work on: one recording's columns window by window, and what elements are called.

A rule is a function ``(Scene, rule) -> Iterator[Signal]``. A `Scene` answers the questions rules
ask ("when did the page change next after this click?") by binary search.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from replayport.analysis.columns import NO_NODE, Columns, Floats, Interactions, Ints, among
from replayport.rrweb.events import MouseInteraction

PAGE_KINDS: Final = frozenset({"fetch", "xmlhttprequest", "beacon", "navigation", "iframe"})
"""Requests that a page makes to answer, as against pictures it loads."""

WRITING_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Element:
    """What is known of an element that was clicked or typed into."""

    tag: str
    """Of the nearest element that does something (a button around an icon), lower case."""
    words: str
    """As a person would say it: ``the button "Add to cart"``."""
    label: str = ""
    """Its accessible name or text; empty when it has none."""
    input_type: str = ""
    """``type`` of an input."""
    tags: tuple[str, ...] = ()
    """Tags from the element itself outward, up to the nearest that does something."""


ElementLookup = Callable[[str, int, int], Element | None]
"""``(window_id, node_id, time_ms)`` to what was there; None when no snapshot has it."""


def nothing_known(_window_id: str, _node_id: int, _time_ms: int) -> Element | None:
    """Know no element: for recordings whose snapshots are not looked at."""
    return None


@dataclass(frozen=True, slots=True)
class Signal:
    """One moment of trouble."""

    kind: str
    """One of `profiles.KINDS`."""
    profile: str
    """The rules it was found by."""
    start_ms: int
    """Epoch milliseconds of its first event."""
    end_ms: int
    """Epoch milliseconds of its last event."""
    offset_ms: int
    """`start_ms` from the recording's first event: where to seek."""
    window_id: str
    """The browser tab."""
    node_id: int | None
    """The element; None when the signal is about none."""
    element: str
    """The element in words; empty when it is about none."""
    evidence: dict[str, Any]
    """The numbers it was decided by."""
    confidence: float
    """0..1: lower where something the rule needs was not recorded."""
    findings: tuple[str, ...] = ()
    """What was not known: codes of `findings.ANALYSIS_FINDINGS`."""

    def to_json(self) -> dict[str, Any]:
        """Give the form the command line prints."""
        return {
            "kind": self.kind,
            "profile": self.profile,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "offset_ms": self.offset_ms,
            "window_id": self.window_id,
            "node_id": self.node_id,
            "element": self.element,
            "evidence": self.evidence,
            "confidence": round(self.confidence, 3),
            "findings": list(self.findings),
        }


@dataclass
class Scene:
    """One recording, ready for rules."""

    columns: Columns
    profile: str
    lookup: ElementLookup = nothing_known
    findings: Counter[str] = field(default_factory=Counter)

    @cached_property
    def windows(self) -> list[WindowScene]:
        """The windows that have events."""
        return [WindowScene(self, n, name) for n, name in enumerate(self.columns.windows)]

    def signal(
        self,
        kind: str,
        window: WindowScene,
        start_ms: float,
        end_ms: float,
        evidence: dict[str, Any],
        *,
        node: int = NO_NODE,
        used_ms: float | None = None,
        confidence: float = 0.9,
        findings: tuple[str, ...] = (),
    ) -> Signal:
        """
        Make a signal; an element that is not known lowers its confidence.

        Args:
            kind: Of signal.
            window: Where.
            start_ms: Its first event.
            end_ms: Its last.
            evidence: The numbers.
            node: The element; `NO_NODE` for none.
            used_ms: When that element was used; None for `start_ms`.
            confidence: Before what is not known is taken off.
            findings: What is not known.
        """
        known = None
        if node != NO_NODE:
            known = self.element(window.id, node, int(start_ms if used_ms is None else used_ms))
            if known is None:
                findings = (*findings, "unknown_nodes")
                confidence *= 0.8
        if self.columns.findings["clock_jump"]:
            findings = (*findings, "clock_jump")
            confidence *= 0.7
        return Signal(
            kind=kind,
            profile=self.profile,
            start_ms=int(start_ms),
            end_ms=int(end_ms),
            offset_ms=int(start_ms) - self.columns.start_ms,
            window_id=window.id,
            node_id=None if node == NO_NODE else node,
            element="" if node == NO_NODE else known.words if known else f"element {node}",
            evidence={k: _rounded(v) for k, v in evidence.items()},
            confidence=confidence,
            findings=tuple(dict.fromkeys(findings)),
        )

    def element(self, window_id: str, node: int, time_ms: int) -> Element | None:
        """Give what is known of an element, and count what is not."""
        found = self.lookup(window_id, node, time_ms)
        if found is None:
            self.findings["unknown_nodes"] += 1
        return found


class WindowScene:
    """One window of a recording: its events by time."""

    def __init__(self, scene: Scene, number: int, id_: str) -> None:
        self.scene = scene
        self.number = number
        self.id = id_

    def _times(self, name: str) -> Floats:
        one = getattr(self.scene.columns, name).of_window(self.number).t
        return np.sort(one).astype(np.float64)

    @cached_property
    def end_ms(self) -> float:
        """The window's last event."""
        own = self.scene.columns.t[self.scene.columns.window == self.number]
        return float(own.max()) if len(own) else 0.0

    @cached_property
    def interactions(self) -> Interactions:
        """Clicks, taps, focus, in playing order."""
        return self.scene.columns.interactions.of_window(self.number).by_time()

    @cached_property
    def clicks(self) -> Interactions:
        """Clicks that are no taps."""
        i = self.interactions
        return i.take((i.type == MouseInteraction.CLICK) & ~i.touch)

    @cached_property
    def all_clicks(self) -> Interactions:
        """Clicks, those of fingers included."""
        return self.interactions.take(self.interactions.type == MouseInteraction.CLICK)

    @cached_property
    def changes(self) -> Floats:
        """When the page changed: mutations, style rules, canvas, media."""
        return np.sort(np.concatenate([self._times("mutations"), self._times("style_changes")]))

    @cached_property
    def scrolls(self) -> Floats:
        """When something scrolled."""
        return self._times("scrolls")

    @cached_property
    def selections(self) -> Floats:
        """When the selection changed."""
        return self._times("selections")

    @cached_property
    def inputs(self) -> Floats:
        """When a field changed."""
        return self._times("inputs")

    @cached_property
    def attention(self) -> Floats:
        """When the window went out of sight or came back, or focus moved."""
        i = self.interactions
        focus = i.t[among(i.type, (MouseInteraction.FOCUS, MouseInteraction.BLUR))]
        return np.sort(
            np.concatenate([self._times("hidden"), self._times("visible"), focus.astype(float)])
        )

    @cached_property
    def requests_begun(self) -> Floats:
        """When the page asked for something, in order."""
        r = self.scene.columns.requests.of_window(self.number)
        return np.sort(r.start[~r.initial & self._answers(r.kind)])

    @cached_property
    def request_ends(self) -> tuple[Floats, Floats]:
        """Begin and end of the page's requests, ordered by their begin."""
        r = self.scene.columns.requests.of_window(self.number)
        r = r.take(~r.initial & self._answers(r.kind) & np.isfinite(r.duration))
        order = np.argsort(r.start, kind="stable")
        return r.start[order], (r.start + r.duration)[order]

    @staticmethod
    def _answers(kinds: Any) -> Any:
        return np.array([k is None or k in PAGE_KINDS for k in kinds], dtype=bool)

    @cached_property
    def navigations(self) -> Floats:
        """When a page was named, in any window: a click may open another."""
        return np.sort(self.scene.columns.navigations.t).astype(np.float64)

    def page_of(self, t: Ints) -> Ints:
        """
        Number the pages moments belong to, by the full snapshot before them.

        A page that is loaded anew numbers its nodes anew: the same id is another element.
        """
        times = np.sort(self.scene.columns.snapshots.of_window(self.number).t)
        return np.searchsorted(times, t, side="right").astype(np.int64)

    @cached_property
    def visits(self) -> list[tuple[float, float, str]]:
        """Pages in turn, ``(from, to, address)``; the same address in a row is one visit."""
        n = self.scene.columns.navigations.of_window(self.number).by_time()
        made: list[tuple[float, float, str]] = []
        for t, url in zip(n.t.tolist(), n.url.tolist(), strict=True):
            if made and made[-1][2] == url:
                continue
            if made:
                made[-1] = (made[-1][0], float(t), made[-1][2])
            made.append((float(t), self.end_ms, url))
        return made


def first_after(times: Floats, t: float) -> float:
    """Give the first of sorted times at or after one; infinity when there is none."""
    at = int(times.searchsorted(t))
    return float(times[at]) if at < len(times) else float("inf")


def any_within(times: Floats, start: float, end: float) -> bool:
    """Tell whether one of sorted times is in ``[start, end)``."""
    return first_after(times, start) < end


def chains(chained: list[bool]) -> Iterator[tuple[int, int]]:
    """Yield ``[start, end)`` of each run in which every member but the first is chained."""
    start = 0
    for n in range(1, len(chained) + 1):
        if n == len(chained) or not chained[n]:
            if n > start:
                yield start, n
            start = n


def _rounded(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return round(float(value), 3)
    return int(value) if isinstance(value, np.integer) else value
