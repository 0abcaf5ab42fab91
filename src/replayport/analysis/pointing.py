"""Rules about movement: thrashed cursor, excessive scroll, dead swipe."""

from __future__ import annotations

from collections.abc import Iterator
from math import hypot

import numpy as np

from replayport.analysis.columns import among
from replayport.analysis.moments import Scene, Signal, WindowScene, any_within
from replayport.analysis.profiles import DeadSwipe, ExcessiveScroll, ThrashedCursor
from replayport.rrweb.events import MouseInteraction


def thrashed_cursor(scene: Scene, rule: ThrashedCursor) -> Iterator[Signal]:
    """Find a mouse that is shaken."""
    for window in scene.windows:
        moves = scene.columns.moves.of_window(window.number)
        moves = moves.take(np.argsort(moves.at, kind="stable"))
        if len(moves) < 3:
            continue
        if rule.method == "acceleration":
            yield from _accelerated(scene, window, moves.at, moves.x, moves.y, rule)
        else:
            yield from _reversed(scene, window, moves.at, moves.x, moves.y, rule)


def _reversed(
    scene: Scene,
    window: WindowScene,
    at: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    rule: ThrashedCursor,
) -> Iterator[Signal]:
    dx, dy = np.diff(x), np.diff(y)
    step = np.hypot(dx, dy)
    real = np.flatnonzero(step >= rule.min_step_px)
    turns = np.flatnonzero(dx[real[1:]] * dx[real[:-1]] + dy[real[1:]] * dy[real[:-1]] < 0)
    when = at[real[1:]][turns]  # where the later of the two steps begins
    place = real[1:][turns]
    path = np.concatenate([[0.0], np.cumsum(step)])
    # With n turns from the i-th on, the last is n - 1 further.
    n = rule.reversals
    i = 0
    while i + n <= len(when):
        end = i + n
        if when[end - 1] - when[i] > rule.window_ms:
            i += 1
            continue
        while end < len(when) and when[end] - when[i] <= rule.window_ms:
            end += 1
        first, last = max(0, place[i] - 1), min(len(x) - 1, place[end - 1] + 1)
        length = float(path[last] - path[first])
        straight = hypot(float(x[last] - x[first]), float(y[last] - y[first]))
        if length < rule.path_px or straight > rule.straightness * length:
            i += 1
            continue
        yield scene.signal(
            "thrashed_cursor",
            window,
            float(at[first]),
            float(at[last]),
            {
                "reversals": int(end - i),
                "path_px": length,
                "straightness": straight / length,
            },
            confidence=0.7,
        )
        i = end


def _accelerated(
    scene: Scene,
    window: WindowScene,
    at: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    rule: ThrashedCursor,
) -> Iterator[Signal]:
    """Judge stretches of a fixed length, as OpenReplay's tracker does every 225 ms."""
    gap = float(np.median(np.diff(at)))
    if rule.window_ms / max(gap, 1.0) < rule.reversals + 2:
        # So many changes of direction need one position more than steps, two more than changes.
        scene.findings["pointer_too_coarse"] += 1
    slot = ((at - at[0]) // rule.window_ms).astype(np.int64)
    starts = np.flatnonzero(np.diff(slot, prepend=-1))
    dx = np.diff(x, prepend=x[:1])
    dy = np.diff(y, prepend=y[:1])
    speed = np.add.reduceat(np.abs(dx) + np.abs(dy), starts) / rule.window_ms
    sign = np.sign(dx)
    turned = np.zeros(len(x))
    moving = np.flatnonzero(sign)
    turned[moving[1:]] = sign[moving[1:]] != sign[moving[:-1]]
    turns = np.add.reduceat(turned, starts)
    before = np.concatenate([[0.0], speed[:-1]])
    # A stretch without a position had no speed.
    before[1:][np.diff(slot[starts]) > 1] = 0
    grown = (speed - before) / rule.window_ms
    for n in np.flatnonzero((turns > rule.reversals) & (grown > rule.acceleration)):
        start = at[0] + slot[starts[n]] * rule.window_ms
        yield scene.signal(
            "thrashed_cursor",
            window,
            float(start),
            float(start + rule.window_ms),
            {"reversals": int(turns[n]), "acceleration": float(grown[n])},
        )


def excessive_scroll(scene: Scene, rule: ExcessiveScroll) -> Iterator[Signal]:
    """Find scrolling up and down, without a click or a word typed between."""
    for window in scene.windows:
        scrolls = scene.columns.scrolls.of_window(window.number).by_time()
        scrolls = scrolls.take(np.isfinite(scrolls.y))
        actions = np.sort(np.concatenate([window.all_clicks.t.astype(float), window.inputs]))
        for node in np.unique(scrolls.node):
            own = scrolls.take(scrolls.node == node)
            legs = list(_legs(own.t.tolist(), own.y.tolist(), rule.travel_px))
            yield from _searching(scene, window, legs, actions, rule)


def _legs(t: list[int], y: list[float], travel_px: float) -> Iterator[tuple[int, int, float]]:
    """Yield ``(from, to, dy)`` of each way up or down that is long enough to count."""
    if not t:
        return
    low = high = turn = 0
    direction = 0
    for n in range(1, len(t)):
        if y[n] > y[high]:
            high = n
        if y[n] < y[low]:
            low = n
        if direction >= 0 and y[high] - y[n] >= travel_px:
            if direction > 0 or y[high] - y[turn] >= travel_px:
                yield t[turn], t[high], y[high] - y[turn]
            direction, turn, low = -1, high, n
        elif direction <= 0 and y[n] - y[low] >= travel_px:
            if direction < 0 or y[turn] - y[low] >= travel_px:
                yield t[turn], t[low], y[low] - y[turn]
            direction, turn, high = 1, low, n
    end = high if direction > 0 else low
    if direction and end != turn:
        yield t[turn], t[end], y[end] - y[turn]


def _searching(
    scene: Scene,
    window: WindowScene,
    legs: list[tuple[int, int, float]],
    actions: np.ndarray,
    rule: ExcessiveScroll,
) -> Iterator[Signal]:
    i = 0
    while i < len(legs):
        end = i + 1
        while (
            end < len(legs)
            and legs[end][1] - legs[i][0] <= rule.within_ms
            and not any_within(actions, legs[i][0], legs[end][1])
        ):
            end += 1
        total = sum(abs(leg[2]) for leg in legs[i:end])
        if end - i - 1 >= rule.reversals and total >= rule.total_px:
            yield scene.signal(
                "excessive_scroll",
                window,
                legs[i][0],
                legs[end - 1][1],
                {"reversals": end - i - 1, "travel_px": total},
                confidence=0.6,
            )
            i = end
        else:
            i += 1


def dead_swipes(scene: Scene, rule: DeadSwipe) -> Iterator[Signal]:
    """Find swipes that scroll nothing and change nothing."""
    for window in scene.windows:
        i = window.interactions
        downs = i.take(i.type == MouseInteraction.TOUCH_START)
        ups = np.sort(
            i.t[among(i.type, (MouseInteraction.TOUCH_END, MouseInteraction.TOUCH_CANCEL))]
        )
        moves = scene.columns.touch_moves.of_window(window.number)
        moves = moves.take(np.argsort(moves.at, kind="stable"))
        found = 0
        page = 0.0
        for t, node, x, y in zip(
            downs.t.tolist(), downs.node.tolist(), downs.x.tolist(), downs.y.tolist(), strict=True
        ):
            n = int(np.searchsorted(ups, t))
            up = float(ups[n]) if n < len(ups) else t + 1500.0
            path = moves.take((moves.at >= t) & (moves.at <= up))
            if not len(path):
                continue
            x0, y0 = (x, y) if np.isfinite(x) and np.isfinite(y) else (path.x[0], path.y[0])
            far = float(np.hypot(path.x - x0, path.y - y0).max())
            if far < rule.min_px:
                continue
            element = scene.element(window.id, node, t)
            if element is not None and set(element.tags) & _OWN_GESTURES:
                continue
            until = up + rule.answer_ms
            if any_within(window.scrolls, t, until) or any_within(window.changes, t, until):
                continue
            if until > window.end_ms:
                scene.findings["not_judged"] += 1
                continue
            visit = max((v[0] for v in window.visits if v[0] <= t), default=0.0)
            found, page = (found + 1, page) if visit == page else (1, visit)
            if found > rule.at_most:
                continue
            yield scene.signal(
                "dead_swipe", window, t, until, {"swipe_px": far}, node=node, confidence=0.7
            )


_OWN_GESTURES = frozenset(["canvas", "video", "audio", "embed", "object"])
