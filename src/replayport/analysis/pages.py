"""Rules about pages: quick back, navigation loop, blank screen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from replayport.analysis.moments import Scene, Signal, first_after
from replayport.analysis.profiles import BlankScreen, NavigationLoop, QuickBack


def quick_backs(scene: Scene, rule: QuickBack) -> Iterator[Signal]:
    """Find pages that were left at once."""
    for window in scene.windows:
        visits = window.visits
        for n in range(1, len(visits)):
            begin, end, url = visits[n]
            if rule.any_page:
                # As PostHog counts: named less than so long after the page before.
                stay = begin - visits[n - 1][0]
                if stay < rule.within_ms:
                    yield scene.signal(
                        "quick_back", window, visits[n - 1][0], begin, {"stayed_ms": stay}
                    )
                continue
            if n + 1 >= len(visits) or visits[n + 1][2] != visits[n - 1][2]:
                continue
            if visits[n + 1][2] != url and end - begin < rule.within_ms:
                yield scene.signal(
                    "quick_back",
                    window,
                    begin,
                    end,
                    {"stayed_ms": end - begin},
                    confidence=0.8,
                )


def navigation_loops(scene: Scene, rule: NavigationLoop) -> Iterator[Signal]:
    """Find pages come back to again and again."""
    for window in scene.windows:
        visits = window.visits
        i = 0
        while i < len(visits):
            times = [n for n in range(i, min(len(visits), i + 40)) if visits[n][2] == visits[i][2]]
            found = None
            for k in range(rule.visits - 1, len(times)):
                n = times[k]
                among = {v[2] for v in visits[i : n + 1]}
                if visits[n][0] - visits[i][0] > rule.within_ms or len(among) > rule.pages:
                    break
                found = n
            if found is None:
                i += 1
                continue
            stretch = visits[i : found + 1]
            yield scene.signal(
                "navigation_loop",
                window,
                visits[i][0],
                visits[found][0],
                {
                    "visits": sum(v[2] == visits[i][2] for v in stretch),
                    "pages": len({v[2] for v in stretch}),
                },
                confidence=0.7,
            )
            i = found + 1


def blank_screens(scene: Scene, rule: BlankScreen) -> Iterator[Signal]:
    """Find pages that showed nothing for a while: a blank snapshot, and no change after it."""
    for window in scene.windows:
        snapshots = scene.columns.snapshots.of_window(window.number).by_time()
        times = snapshots.t.astype(np.float64)
        for n in np.flatnonzero(snapshots.blank):
            t = float(times[n])
            # A change may have filled the page; what it added is not looked at.
            filled = first_after(window.changes, t)
            following = float(times[n + 1]) if n + 1 < len(times) else float("inf")
            end = min(filled, following, window.end_ms)
            if end - t >= rule.for_ms:
                yield scene.signal(
                    "blank_screen", window, t, end, {"blank_ms": end - t}, confidence=0.8
                )
