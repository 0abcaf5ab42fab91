"""Rules about clicks and taps: rage, dead, error, slow, rage tap."""

from __future__ import annotations

from collections.abc import Iterator
from math import hypot, isfinite

import numpy as np

from replayport.analysis.columns import NO_NODE, Interactions, among
from replayport.analysis.moments import (
    Element,
    Scene,
    Signal,
    WindowScene,
    any_within,
    chains,
    first_after,
)
from replayport.analysis.profiles import DeadClick, ErrorClick, RageClick, RageTap, SlowResponse
from replayport.rrweb.events import MouseInteraction


def rage_clicks(scene: Scene, rule: RageClick, dead: DeadClick | None) -> Iterator[Signal]:
    """
    Find chains of clicks.

    Args:
        scene: The recording.
        rule: The thresholds.
        dead: What counts as an answer, for rules that want clicks without one.
    """
    answers = dead or DeadClick()
    for window in scene.windows:
        clicks = window.clicks
        labels = _labels(scene, window, clicks) if rule.same == "label" else []
        if rule.same == "node":  # so that clicks on other elements do not break a chain
            page = window.page_of(clicks.t)
            for number, node in np.unique(np.stack([page, clicks.node]), axis=1).T.tolist():
                own = clicks.take((page == number) & (clicks.node == node))
                yield from _chains(scene, window, own, [], rule, answers)
        else:
            yield from _chains(scene, window, clicks, labels, rule, answers)


def _labels(scene: Scene, window: WindowScene, clicks: Interactions) -> list[str]:
    found = []
    for t, node in zip(clicks.t.tolist(), clicks.node.tolist(), strict=True):
        element = scene.element(window.id, node, t)
        # Where elements are not known, the node stands for its words.
        found.append(element.label if element is not None else f"node {node}")
    return found


def _chains(
    scene: Scene,
    window: WindowScene,
    clicks: Interactions,
    labels: list[str],
    rule: RageClick,
    answers: DeadClick,
) -> Iterator[Signal]:
    t, x, y = clicks.t.tolist(), clicks.x.tolist(), clicks.y.tolist()
    nodes = clicks.node.tolist()
    if rule.anchor == "first":
        yield from _around(scene, window, clicks, rule)
        return

    def near(a: int, b: int) -> bool:
        if rule.radius_px is None:
            return True
        if not (isfinite(x[a]) and isfinite(x[b])):
            return bool(nodes[a] == nodes[b] != NO_NODE)
        dx, dy = abs(x[b] - x[a]), abs(y[b] - y[a])
        far = float(dx + dy if rule.metric == "manhattan" else hypot(dx, dy))
        return far < rule.radius_px

    chained = [
        n > 0
        and t[n] - t[n - 1] < rule.gap_ms
        and near(n - 1, n)
        and (not labels or (bool(labels[n]) and labels[n] == labels[n - 1]))
        for n in range(len(t))
    ]
    for start, end in chains(chained):
        while end - start >= rule.clicks:
            first = _burst(t, start, end, rule)
            if first is None:
                break
            if not _counts(window, t[first:end], rule):
                break
            if rule.only_unanswered:
                last = first + 1
                # Only the clicks that got no answer, from the first of them on.
                unanswered = [
                    n for n in range(first, end) if not is_answered(window, t[n], answers)
                ]
                if len(unanswered) < rule.clicks:
                    break
                first, last = unanswered[0], unanswered[-1] + 1
            else:
                last = end
            answered = sum(is_answered(window, ms, answers) for ms in t[first:last])
            yield scene.signal(
                "rage_click",
                window,
                t[first],
                t[last - 1],
                {
                    "clicks": last - first,
                    "answered": answered,
                    "gap_max_ms": max(
                        (b - a for a, b in zip(t[first:last], t[first + 1 : last], strict=False)),
                        default=0,
                    ),
                    "x": x[first] if isfinite(x[first]) else None,
                    "y": y[first] if isfinite(y[first]) else None,
                },
                node=nodes[first],
                # Each of them answered: a stepper or a carousel rather than anger.
                confidence=0.9 if answered < last - first else 0.4,
            )
            break


def _burst(t: list[int], start: int, end: int, rule: RageClick) -> int | None:
    """Give where enough clicks lie close enough together; None when nowhere."""
    if rule.within_ms is None:
        return start
    for n in range(start, end - rule.clicks + 1):
        if t[n + rule.clicks - 1] - t[n] <= rule.within_ms:
            return n
    return None


def _around(
    scene: Scene, window: WindowScene, clicks: Interactions, rule: RageClick
) -> Iterator[Signal]:
    """Find clicks around the first of them within a time, as Highlight counts."""
    t, x, y = clicks.t.tolist(), clicks.x.tolist(), clicks.y.tolist()
    nodes = clicks.node.tolist()
    within = rule.within_ms if rule.within_ms is not None else rule.gap_ms
    radius = rule.radius_px if rule.radius_px is not None else float("inf")
    n = 0
    while n < len(t):
        end = n + 1
        while (
            end < len(t)
            and t[end] - t[n] <= within
            and hypot(x[end] - x[n], y[end] - y[n]) <= radius
        ):
            end += 1
        if end - n >= rule.clicks:
            yield scene.signal(
                "rage_click",
                window,
                t[n],
                t[end - 1],
                {"clicks": end - n, "x": x[n], "y": y[n]},
                node=nodes[n],
            )
            n = end
        else:
            n += 1


def _counts(window: WindowScene, t: list[int], rule: RageClick) -> bool:
    if not rule.unless_scroll_or_selection:
        return True
    return not any(
        any_within(window.scrolls, ms, ms + 100) or any_within(window.selections, ms, ms + 100)
        for ms in t
    )


# --- dead and slow --------------------------------------------------------------------------


def is_answered(window: WindowScene, t: float, rule: DeadClick) -> bool:
    """Tell whether the page answered a click at epoch milliseconds, in a way the rule counts."""
    return any(
        within is not None and any_within(times, t, t + within)
        for times, within in (
            (window.changes, rule.answer_ms),
            (window.scrolls, rule.scroll_ms),
            (window.selections, rule.selection_ms),
            (window.inputs, rule.input_ms),
            (window.requests_begun, rule.request_ms),
            (window.navigations, rule.navigation_ms),
            (window.attention, rule.visibility_ms),
        )
    ) or (
        rule.visibility_ms is not None and any_within(window.attention, t - rule.visibility_ms, t)
    )


def _judged(rule: DeadClick) -> float:
    """Give how long a window must go on after a click for it to be judged."""
    waits = (
        rule.answer_ms,
        rule.scroll_ms,
        rule.selection_ms,
        rule.visibility_ms,
        rule.input_ms,
        rule.request_ms,
        rule.navigation_ms,
    )
    return max(w for w in waits if w is not None)


def _matches(element: Element, patterns: tuple[str, ...]) -> bool:
    """Tell whether an element is, or is inside, one of ``tag`` or ``tag:type``."""
    tags = element.tags or (element.tag,)
    for pattern in patterns:
        tag, _, type_ = pattern.partition(":")
        if tag in tags and (not type_ or tag != "input" or element.input_type == type_):
            return True
        # An input without a type is a text field.
        if pattern == "input:text" and "input" in tags and element.input_type not in _NO_TEXT:
            return True
    return False


_NO_TEXT = frozenset(
    ["button", "submit", "reset", "image", "checkbox", "radio", "range", "color", "file", "hidden"]
)


def dead_clicks(scene: Scene, rule: DeadClick) -> Iterator[Signal]:
    """Find clicks without an answer."""
    for window, t, node, place, _ in _candidates(scene, rule):
        if is_answered(window, t, rule):
            continue
        if t + _judged(rule) > window.end_ms and not _left_open(scene, window):
            scene.findings["not_judged"] += 1
            continue
        findings: tuple[str, ...] = ()
        confidence = 0.85
        if rule.request_ms is not None and not scene.columns.network_recorded:
            findings, confidence = ("no_network_data",), 0.6
        yield scene.signal(
            "dead_click",
            window,
            t,
            t + rule.answer_ms,
            {
                "waited_ms": rule.answer_ms,
                "x": place[0] if isfinite(place[0]) else None,
                "y": place[1] if isfinite(place[1]) else None,
            },
            node=node,
            confidence=confidence,
            findings=findings,
        )


def _left_open(scene: Scene, window: WindowScene) -> bool:
    """Tell whether another window went on: then this one was not cut short."""
    return scene.columns.end_ms > window.end_ms + 10_000


def _candidates(
    scene: Scene, rule: DeadClick
) -> Iterator[tuple[WindowScene, int, int, tuple[float, float], Element | None]]:
    """Yield the clicks a rule judges."""
    for window in scene.windows:
        last: dict[int, int] = {}
        clicks = window.clicks
        for t, node, x, y in zip(
            clicks.t.tolist(),
            clicks.node.tolist(),
            clicks.x.tolist(),
            clicks.y.tolist(),
            strict=True,
        ):
            again = t - last.get(node, -(10**15)) < rule.once_per_node_ms
            last[node] = t
            if again:
                continue
            element = scene.element(window.id, node, t)
            if element is None and (rule.only_tags or rule.need_label):
                continue  # the rule is about what cannot be known here; counted as a finding
            if element is not None and (
                (rule.only_tags and not _matches(element, rule.only_tags))
                or (rule.skip_tags and _matches(element, rule.skip_tags))
                or (rule.need_label and not element.label)
            ):
                continue
            yield window, t, node, (x, y), element


def slow_responses(scene: Scene, rule: SlowResponse, dead: DeadClick | None) -> Iterator[Signal]:
    """Find clicks whose answer came late."""
    judged = dead or DeadClick()
    for window, t, node, _, _ in _candidates(scene, judged):
        if rule.by == "mutation":
            answer = first_after(window.changes, t)
            scrolled = judged.scroll_ms is not None and any_within(
                window.scrolls, t, t + judged.scroll_ms
            )
            if scrolled or not rule.slow_ms <= answer - t < rule.until_ms:
                continue
            evidence = {"waited_ms": answer - t}
        else:
            starts, ends = window.request_ends
            from_ = int(np.searchsorted(starts, t))
            to = int(np.searchsorted(starts, t + rule.begun_ms))
            if from_ == to:
                continue
            answer = float(ends[from_:to].max())
            if not rule.slow_ms <= answer - t < rule.until_ms:
                continue
            evidence = {"waited_ms": answer - t, "requests": to - from_}
        yield scene.signal("slow_response", window, t, answer, evidence, node=node)


# --- errors ----------------------------------------------------------------------------------


def error_clicks(scene: Scene, rule: ErrorClick) -> Iterator[Signal]:
    """Find clicks that are followed by an error in the console, or by a failed request."""
    columns = scene.columns
    for window in scene.windows:
        console = columns.console.of_window(window.number).by_time()
        errors = console.t[among(console.level, rule.levels)].astype(np.float64)
        requests = columns.requests.of_window(window.number)
        failed = np.zeros(0)
        if rule.http_status is not None:
            bad = requests.take((requests.status >= rule.http_status) & ~requests.initial)
            failed = np.sort(bad.start)
        if not len(errors) and not len(failed):
            continue
        clicks = window.all_clicks
        t = clicks.t.tolist()
        for n, (ms, node) in enumerate(zip(t, clicks.node.tolist(), strict=True)):
            # An error belongs to the last click before it.
            until = min(ms + rule.within_ms, t[n + 1] if n + 1 < len(t) else float("inf"))
            if rule.quiet_ms is not None:
                until = min(until, _quiet_after(window, ms, rule.quiet_ms, until))
            in_console = int(np.searchsorted(errors, until) - np.searchsorted(errors, ms))
            in_network = int(np.searchsorted(failed, until) - np.searchsorted(failed, ms))
            if in_console or in_network:
                first = min(first_after(errors, ms), first_after(failed, ms))
                yield scene.signal(
                    "error_click",
                    window,
                    ms,
                    first,
                    {
                        "console_errors": in_console,
                        "failed_requests": in_network,
                        "after_ms": first - ms,
                    },
                    node=node,
                )


def _quiet_after(window: WindowScene, t: float, quiet_ms: float, until: float) -> float:
    """Give when the page came to rest after a click: no change, no request for so long."""
    at = t
    starts, ends = window.request_ends
    while at < until:
        step = min(
            first_after(window.changes, np.nextafter(at, np.inf)),
            first_after(window.requests_begun, np.nextafter(at, np.inf)),
        )
        running = ends[(starts <= at) & (ends > at) & (starts >= t)]
        if len(running):
            step = min(step, float(running.min()))
        elif step > at + quiet_ms:
            return at + quiet_ms
        at = step
    return until


# --- fingers ---------------------------------------------------------------------------------


def rage_taps(scene: Scene, rule: RageTap) -> Iterator[Signal]:
    """Find chains of taps."""
    for window in scene.windows:
        i = window.interactions
        taps = i.take(i.type == MouseInteraction.TOUCH_END)
        if not len(taps):
            taps = i.take((i.type == MouseInteraction.CLICK) & i.touch)
        swiped = _moved(window, scene)
        t, x, y = taps.t.tolist(), taps.x.tolist(), taps.y.tolist()
        still = [not any_within(swiped, ms - 300, ms) for ms in t]
        chained = [
            n > 0
            and still[n]
            and still[n - 1]
            and t[n] - t[n - 1] < rule.gap_ms
            and (
                rule.radius_px is None
                or not (isfinite(x[n]) and isfinite(x[n - 1]))
                or hypot(x[n] - x[n - 1], y[n] - y[n - 1]) < rule.radius_px
            )
            for n in range(len(t))
        ]
        for start, end in chains(chained):
            if end - start >= rule.taps:
                answered = sum(any_within(window.changes, ms, ms + 1000) for ms in t[start:end])
                yield scene.signal(
                    "rage_tap",
                    window,
                    t[start],
                    t[end - 1],
                    {"taps": end - start, "answered": answered},
                    node=int(taps.node[start]),
                    confidence=0.9 if answered < end - start else 0.4,
                )


def _moved(window: WindowScene, scene: Scene) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give when a finger moved."""
    return np.sort(scene.columns.touch_moves.of_window(window.number).at)
