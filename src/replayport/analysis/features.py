"""
One row of numbers a recording: PostHog's metrics by PostHog's definitions, and our own.

```
Columns ──measure──> {"click_count": 12, "mouse_distance_traveled": 8123.4, …}
   └─ part, part …   one a block of the source ──measure──> combine: as PostHog's database sums
```

PostHog computes every metric within one block (what its ingestion gathered in about ten
seconds) and adds the blocks up; a chain of clicks across the border of two blocks is cut there.
`measure` of a whole recording has no such borders. Where the borders are known, `combine` over
the blocks gives PostHog's own numbers.

`FEATURES` is the one table: names, types, PostHog's names, what each means, when it is null. The
reference page and the Parquet schema are made from it.

Null, never a silent zero: what could not be recorded is None (`Feature.needs`).

Source:
    PostHog ``nodejs/src/session-recording/``: ``segmentation.ts``, ``session-block-recorder``,
    ``session-console-log-recorder``, ``session-feature-recorder``; ``rrweb-types.ts``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import ada_url
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replayport.analysis.columns import NO_NODE, Columns, Inputs, Interactions, among
from replayport.rrweb.events import IncrementalSource as Source
from replayport.rrweb.events import MouseInteraction

Row = dict[str, Any]
Combine = Literal["sum", "max", "min", "first", "union", "none"]

INACTIVE_AFTER_MS: Final = 5_000
RAGE_GAP_MS: Final = 1_000
RAGE_RADIUS_PX: Final = 30
RAGE_CLICKS: Final = 3
RAPID_REVERSAL_MS: Final = 500
QUICK_BACK_MS: Final = 2_000
ERROR_AFTER_ACTION_MS: Final = 5_000
LONG_IDLE_MS: Final = 30_000
COPY_WINDOW_MS: Final = 2_000
MAX_DISTINCT: Final = 1_000
"""PostHog's constants; the names are ours."""

SLOW_REQUEST_MS: Final = 2_000
"""Ours: a request longer than this is slow."""

PATH_TOKENS: Final = (
    "login",
    "signup",
    "checkout",
    "cart",
    "billing",
    "settings",
    "account",
    "error",
    "404",
    "admin",
    "dashboard",
    "onboarding",
    "cancel",
    "refund",
)

NEEDS: Final[dict[str, str]] = {
    "": "never null",
    "pointer": "null without any recorded mouse movement",
    "two_moves": "null with fewer than two pointer positions a moment apart",
    "scroll": "null without any recorded scroll position",
    "click_places": "null when clicks were recorded without a place on the screen",
    "text": "null when nothing typed was recorded, or all of it was masked to nothing",
    "actions": "null with fewer than two clicks or inputs",
    "urls": "null when no event names a page",
    "console": "null when the console was not recorded",
    "network": "null when network requests were not recorded",
    "durations": "null when no request told how long it took",
    "selections": "null when nothing was selected: whether selections are recorded is not told",
    "viewport": "null when no event tells the size of the page",
    "action": "null when nobody clicked or typed",
    "time": "null in a recording of one moment",
}
"""When a feature is null, by `Feature.needs`."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the features table."""

    name: str
    type: Literal["int", "float", "strings", "ints"]
    meaning: str
    posthog: str | None = None
    """PostHog's name; None when it is ours."""
    needs: str = ""
    """When it is null: a key of `NEEDS`."""
    combine: Combine = "sum"
    """How blocks add up; ``none`` for what only a whole recording has."""


def _f(
    name: str,
    type_: Literal["int", "float", "strings", "ints"],
    posthog: str | None,
    meaning: str,
    needs: str = "",
    combine: Combine = "sum",
) -> Feature:
    return Feature(name, type_, meaning, posthog, needs, combine)


FEATURES: Final[tuple[Feature, ...]] = (
    # --- time and size
    _f("start_ms", "int", None, "First event, epoch milliseconds.", combine="min"),
    _f("end_ms", "int", None, "Last event, epoch milliseconds.", combine="max"),
    _f("event_count", "int", "event_count", "Events."),
    _f(
        "duration_s",
        "int",
        "duration",
        "From the first to the last event in whole seconds of the clock, as ClickHouse's "
        "`dateDiff('SECOND')` counts.",
        combine="none",
    ),
    _f(
        "active_ms",
        "int",
        "active_milliseconds",
        "Sum over active segments of max(1, end - start). A segment begins with a user's event "
        "(sources 1-7 and 12) and ends at the first event more than 5,000 ms after the last one.",
    ),
    _f("inactive_s", "float", "inactive_seconds", "duration - active.", combine="none"),
    _f("window_count", "int", None, "Browser tabs.", combine="none"),
    # --- counts
    _f(
        "click_count",
        "int",
        "click_count",
        "Clicks, double clicks, context menus and touch ends; a double click counts its clicks too.",
    ),
    _f("keypress_count", "int", "keypress_count", "Input events, not keys."),
    _f(
        "mouse_activity_count",
        "int",
        "mouse_activity_count",
        "Events (not positions) of mouse moves, mouse interactions and touch moves.",
    ),
    _f(
        "console_log_count",
        "int",
        "console_log_count",
        "Console messages that are neither warning nor error.",
        "console",
    ),
    _f(
        "console_warn_count",
        "int",
        "console_warn_count",
        "Console messages of level warn or countReset.",
        "console",
    ),
    _f(
        "console_error_count",
        "int",
        "console_error_count",
        "Console messages of level error or assert.",
        "console",
    ),
    # --- pointer
    _f("mouse_position_count", "int", "mousePositionCount", "Pointer positions.", "pointer"),
    _f("mouse_sum_x", "float", "mouseSumX", "Sum of x, px.", "pointer"),
    _f("mouse_sum_x_squared", "float", "mouseSumXSquared", "Sum of x².", "pointer"),
    _f("mouse_sum_y", "float", "mouseSumY", "Sum of y, px.", "pointer"),
    _f("mouse_sum_y_squared", "float", "mouseSumYSquared", "Sum of y².", "pointer"),
    _f(
        "mouse_distance_traveled",
        "float",
        "mouseDistanceTraveled",
        "Sum of the straight steps between positions, px.",
        "pointer",
    ),
    _f(
        "mouse_direction_change_count",
        "int",
        "mouseDirectionChangeCount",
        "Steps whose dot product with the step before is negative.",
        "pointer",
    ),
    _f(
        "mouse_velocity_sum",
        "float",
        "mouseVelocitySum",
        "Sum of step / time, px/ms, over steps of more than 0 ms; times include `timeOffset`.",
        "pointer",
    ),
    _f(
        "mouse_velocity_sum_of_squares",
        "float",
        "mouseVelocitySumOfSquares",
        "Sum of their squares.",
        "pointer",
    ),
    _f("mouse_velocity_count", "int", "mouseVelocityCount", "How many they are.", "pointer"),
    # --- scroll
    _f("scroll_event_count", "int", "scrollEventCount", "Scroll events."),
    _f(
        "total_scroll_magnitude",
        "float",
        "totalScrollMagnitude",
        "Sum of |dy| between scrolls of the same element in a row, px.",
        "scroll",
    ),
    _f(
        "scroll_direction_reversal_count",
        "int",
        "scrollDirectionReversalCount",
        "Changes between up and down of the same element in a row.",
        "scroll",
    ),
    _f(
        "rapid_scroll_reversal_count",
        "int",
        "rapidScrollReversalCount",
        "Those less than 500 ms after the scroll before.",
        "scroll",
    ),
    _f(
        "scroll_to_top_count",
        "int",
        "scrollToTopCount",
        "Scrolls from y > 0 to y = 0 of the same element in a row.",
        "scroll",
    ),
    _f("max_scroll_y", "float", "maxScrollY", "Largest y, px.", "scroll", "max"),
    # --- clicks
    _f(
        "rage_click_count",
        "int",
        "rageClickCount",
        "Clicks that are the third or later of a chain, each less than 1,000 ms after and less "
        "than 30 px (Euclid) from the one before.",
        "click_places",
    ),
    _f(
        "dead_click_count",
        "int",
        "deadClickCount",
        "Lone clicks (chain of one) followed by a click elsewhere with no page named between.",
        "click_places",
    ),
    _f(
        "click_target_ids",
        "ints",
        "clickTargetIds",
        "Distinct node ids clicked, the first 1,000.",
        combine="union",
    ),
    # --- typing
    _f(
        "backspace_count",
        "int",
        "backspaceCount",
        "Characters by which texts of a field grew shorter, for the first 1,000 fields.",
        "text",
    ),
    _f(
        "form_field_ids",
        "ints",
        "formFieldIds",
        "Distinct node ids typed into, the first 1,000.",
        combine="union",
    ),
    _f(
        "inter_action_gap_count",
        "int",
        "interActionGapCount",
        "Gaps of more than 0 ms between clicks and inputs in a row.",
    ),
    _f("inter_action_gap_sum_ms", "int", "interActionGapSumMs", "Sum of those gaps, ms."),
    _f(
        "inter_action_gap_sum_of_squares_ms",
        "float",
        "interActionGapSumOfSquaresMs",
        "Sum of their squares.",
    ),
    _f("max_idle_gap_ms", "int", "maxIdleGapMs", "Longest of them, ms.", "actions", "max"),
    _f("long_idle_gap_count", "int", "longIdleGapCount", "Those of more than 30,000 ms."),
    # --- pages
    _f("page_visit_count", "int", "pageVisitCount", "Events that name a page.", "urls"),
    _f(
        "visited_urls",
        "strings",
        "visitedUrls",
        "MD5 of each distinct page address, hex, the first 1,000.",
        "urls",
        "union",
    ),
    _f(
        "quick_back_count",
        "int",
        "quickBackCount",
        "Events naming another page less than 2,000 ms after the last that named one.",
        "urls",
    ),
    *(
        _f(
            f"path_{token}_count",
            "int",
            f"pathTokenCounts.{token}",
            f"Page addresses with a path segment `{token}`.",
            "urls",
        )
        for token in PATH_TOKENS
    ),
    # --- errors and network
    _f(
        "ml_console_error_count",
        "int",
        "consoleErrorCount",
        "Console messages of level error exactly (the metric above counts assert as well).",
        "console",
    ),
    _f(
        "ml_console_warn_count",
        "int",
        "consoleWarnCount",
        "Console messages of level warn exactly.",
        "console",
    ),
    _f(
        "console_error_after_click_count",
        "int",
        "consoleErrorAfterClickCount",
        "Errors 0 to 4,999 ms after the last click or input.",
        "console",
    ),
    _f("network_request_count", "int", "networkRequestCount", "Requests.", "network"),
    _f(
        "network_failed_request_count",
        "int",
        "networkFailedRequestCount",
        "Requests of status 400 and above.",
        "network",
    ),
    _f("network_4xx_count", "int", "network4xxCount", "Of status 400-499.", "network"),
    _f("network_5xx_count", "int", "network5xxCount", "Of status 500-599.", "network"),
    _f(
        "network_request_duration_sum",
        "float",
        "networkRequestDurationSum",
        "Sum of durations above 0, ms.",
        "network",
    ),
    _f(
        "network_request_duration_sum_of_squares",
        "float",
        "networkRequestDurationSumOfSquares",
        "Sum of their squares.",
        "network",
    ),
    _f(
        "network_request_duration_count",
        "int",
        "networkRequestDurationCount",
        "How many they are.",
        "network",
    ),
    # --- page
    _f("mutation_count", "int", "mutationCount", "Mutation events."),
    _f("viewport_resize_count", "int", "viewportResizeCount", "Viewport resize events."),
    _f(
        "touch_event_count",
        "int",
        "touchEventCount",
        "Touch moves, touch starts and touch ends.",
    ),
    _f(
        "text_selection_count",
        "int",
        "textSelectionCount",
        "Selection events.",
        "selections",
    ),
    _f(
        "selection_copy_count",
        "int",
        "selectionCopyCount",
        "Inputs within 2,000 ms after a selection, one a selection.",
        "selections",
    ),
    # --- ours
    _f("pages_distinct", "int", None, "Distinct page addresses.", "urls", "none"),
    _f(
        "page_revisit_count",
        "int",
        None,
        "Pages come to again, steps to the same address in a row counted once.",
        "urls",
        "none",
    ),
    _f("first_action_ms", "int", None, "First click or input after the start.", "action", "none"),
    _f("actions_per_minute", "float", None, "Clicks and inputs a minute.", "time", "none"),
    _f("active_share", "float", None, "active / duration, 0..1.", "time", "none"),
    _f(
        "longest_pause_ms",
        "int",
        None,
        "Longest time between two of the user's events.",
        "actions",
        "none",
    ),
    _f(
        "hidden_count",
        "int",
        None,
        "Times a window went out of sight.",
        combine="none",
    ),
    _f(
        "mouse_speed_mean_px_ms",
        "float",
        None,
        "Mean speed of the pointer between positions.",
        "two_moves",
        "none",
    ),
    _f("mouse_speed_std_px_ms", "float", None, "Its standard deviation.", "two_moves", "none"),
    _f(
        "mouse_turn_share",
        "float",
        None,
        "Share of steps that turn back (negative dot product).",
        "two_moves",
        "none",
    ),
    _f(
        "mouse_straightness",
        "float",
        None,
        "Straight-line distance / distance traveled, over stretches of a second, weighted by "
        "distance; 1 is straight.",
        "two_moves",
        "none",
    ),
    _f("touch_share", "float", None, "Share of clicks and taps by finger.", "action", "none"),
    _f("viewport_width_px", "int", None, "Of the first page.", "viewport", "none"),
    _f("viewport_height_px", "int", None, "Of the first page.", "viewport", "none"),
    _f(
        "scroll_depth_screens",
        "float",
        None,
        "(Largest y + height) / height of the viewport.",
        "viewport",
        "none",
    ),
    _f(
        "corrections_count",
        "int",
        None,
        "Times a text that had grown grew shorter.",
        "text",
        "none",
    ),
    _f(
        "corrections_max_of_a_field",
        "int",
        None,
        "Most of them in one field.",
        "text",
        "none",
    ),
    _f("masked_share", "float", None, "Share of typed texts that are masked.", "text", "none"),
    _f(
        "slow_request_count",
        "int",
        None,
        "Requests of more than 2,000 ms that were recorded as they happened.",
        "durations",
        "none",
    ),
    _f("request_p95_ms", "float", None, "95th percentile of durations.", "durations", "none"),
    _f(
        "failed_request_share",
        "float",
        None,
        "Failed requests / requests that told a status.",
        "network",
        "none",
    ),
)
"""Every feature, in the order of the table's columns."""

BY_NAME: Final = {f.name: f for f in FEATURES}
_ARROW: Final = {
    "int": pa.int64(),
    "float": pa.float64(),
    "strings": pa.list_(pa.string()),
    "ints": pa.list_(pa.int64()),
}


def arrow_fields() -> list[pa.Field]:
    """Give the Arrow field of each feature, with its meaning as metadata."""
    return [pa.field(f.name, _ARROW[f.type], metadata={"comment": f.meaning}) for f in FEATURES]


# --- measuring ----------------------------------------------------------------------------


def measure(columns: Columns) -> Row:
    """
    Compute every feature of a recording, or of one block of it.

    Returns:
        A value for each of `FEATURES`; None where it cannot be known.
    """
    row: Row = {}
    for part in (_times, _counts, _pointer, _scroll, _clicks, _typing, _pages, _network, _rest):
        row |= part(columns)
    row |= _ours(columns, row)
    known = _known(columns, row)
    return {f.name: row[f.name] if known[f.needs] else None for f in FEATURES}


def combine(rows: Sequence[Row]) -> Row:
    """
    Add up the rows of a recording's blocks, as PostHog's database does.

    Returns:
        A value for each of `FEATURES`; None where no block knows it, and for what only a whole
        recording has, except the two that follow from the times.
    """
    out: Row = {}
    for f in FEATURES:
        values = [row[f.name] for row in rows if row[f.name] is not None]
        out[f.name] = _COMBINE[f.combine](values) if values else None
    if rows and out["start_ms"] is not None:
        out["duration_s"] = out["end_ms"] // 1000 - out["start_ms"] // 1000
        out["inactive_s"] = out["duration_s"] - out["active_ms"] / 1000
    return out


_COMBINE: Final[dict[Combine, Callable[[list[Any]], Any]]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "first": lambda values: values[0],
    "union": lambda values: list(dict.fromkeys(v for one in values for v in one)),
    "none": lambda _values: None,
}


def _known(columns: Columns, row: Mapping[str, Any]) -> dict[str, bool]:
    clicks = _pointer_clicks(columns)
    typed = columns.inputs.chars[(columns.inputs.chars >= 0) & ~columns.inputs.toggle]
    return {
        "": True,
        "pointer": bool(len(columns.moves)),
        "two_moves": row["mouse_velocity_count"] > 0,
        "scroll": bool(len(columns.scrolls)),
        "click_places": not len(clicks) or bool(np.isfinite(clicks.x).any()),
        "text": bool(len(typed)) and bool(typed.any()),
        "actions": row["click_count"] + row["keypress_count"] > 1,
        "action": row["click_count"] + row["keypress_count"] > 0,
        "urls": bool(len(columns.navigations)),
        "console": columns.console_recorded,
        "network": columns.network_recorded,
        "durations": columns.network_recorded and row["network_request_duration_count"] > 0,
        "selections": bool(len(columns.selections)),
        "viewport": bool(len(columns.sizes)),
        "time": columns.end_ms > columns.start_ms,
    }


def _times(columns: Columns) -> Row:
    duration_s = columns.end_ms // 1000 - columns.start_ms // 1000
    active_ms = active_milliseconds(columns)
    return {
        "start_ms": columns.start_ms,
        "end_ms": columns.end_ms,
        "event_count": len(columns),
        "duration_s": duration_s,
        "active_ms": active_ms,
        "inactive_s": duration_s - active_ms / 1000,
        "window_count": len(np.unique(columns.window)),
    }


def active_milliseconds(columns: Columns) -> int:
    """
    Give the sum of active segments.

    A segment of activity ends with the last event of any kind within 5,000 ms of its last
    user event, so only the user events and a search are needed, not a walk over all events.
    """
    order = np.argsort(columns.t, kind="stable")
    t = columns.t[order]
    active = t[columns.active[order]]
    if not len(active):
        return 0
    breaks = np.flatnonzero(np.diff(active) > INACTIVE_AFTER_MS)
    starts = active[np.concatenate([[0], breaks + 1])]
    lasts = active[np.concatenate([breaks, [len(active) - 1]])]
    ends = t[np.searchsorted(t, lasts + INACTIVE_AFTER_MS, side="right") - 1]
    return int(np.maximum(1, ends - starts).sum())


def _pointer_clicks(columns: Columns) -> Interactions:
    """Give what PostHog counts as clicks, in order of arrival."""
    wanted = [
        MouseInteraction.CLICK,
        MouseInteraction.DBL_CLICK,
        MouseInteraction.TOUCH_END,
        MouseInteraction.CONTEXT_MENU,
    ]
    return columns.interactions.take(among(columns.interactions.type, wanted))


def _counts(columns: Columns) -> Row:
    level = columns.console.level
    warn = among(level, ("warn", "countReset"))
    error = among(level, ("error", "assert"))
    last = _last_before(columns, columns.console.seq)
    is_error = level == "error"
    after = columns.console.t - last
    return {
        "click_count": len(_pointer_clicks(columns)),
        "keypress_count": len(columns.inputs),
        "mouse_activity_count": columns.count(Source.MOUSE_INTERACTION)
        + columns.count(Source.MOUSE_MOVE)
        + columns.count(Source.TOUCH_MOVE),
        "console_log_count": int(np.count_nonzero(~warn & ~error)),
        "console_warn_count": int(np.count_nonzero(warn)),
        "console_error_count": int(np.count_nonzero(error)),
        "ml_console_error_count": int(np.count_nonzero(is_error)),
        "ml_console_warn_count": int(np.count_nonzero(level == "warn")),
        "console_error_after_click_count": int(
            np.count_nonzero(
                is_error & np.isfinite(last) & (after >= 0) & (after < ERROR_AFTER_ACTION_MS)
            )
        ),
    }


def _actions(columns: Columns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give time and arrival of clicks and inputs together, in order of arrival."""
    clicks = _pointer_clicks(columns)
    t = np.concatenate([clicks.t, columns.inputs.t])
    seq = np.concatenate([clicks.seq, columns.inputs.seq])
    order = np.argsort(seq, kind="stable")
    return t[order], seq[order]


def _last_before(columns: Columns, seq: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Give the time of the last click or input to arrive before each; NaN when there is none."""
    t, arrived = _actions(columns)
    at = np.searchsorted(arrived, seq) - 1
    found = np.full(len(seq), np.nan)
    found[at >= 0] = t[at[at >= 0]]
    return found


def _pointer(columns: Columns) -> Row:
    m = columns.moves
    dx, dy = np.diff(m.x), np.diff(m.y)
    step = np.sqrt(dx * dx + dy * dy)
    dt = np.diff(m.at)
    moving = dt > 0
    speed = step[moving] / dt[moving]
    turns = np.count_nonzero(dx[1:] * dx[:-1] + dy[1:] * dy[:-1] < 0)
    return {
        "mouse_position_count": len(m),
        "mouse_sum_x": float(m.x.sum()),
        "mouse_sum_x_squared": float((m.x * m.x).sum()),
        "mouse_sum_y": float(m.y.sum()),
        "mouse_sum_y_squared": float((m.y * m.y).sum()),
        "mouse_distance_traveled": float(step.sum()),
        "mouse_direction_change_count": int(turns),
        "mouse_velocity_sum": float(speed.sum()),
        "mouse_velocity_sum_of_squares": float((speed * speed).sum()),
        "mouse_velocity_count": len(speed),
    }


def _scroll(columns: Columns) -> Row:
    s = columns.scrolls
    placed = s.take(np.isfinite(s.y))
    same = np.zeros(len(placed), dtype=bool)
    same[1:] = (placed.node[1:] == placed.node[:-1]) & (placed.node[1:] != NO_NODE)
    dy = np.diff(placed.y, prepend=placed.y[:1])
    since = np.diff(placed.t, prepend=placed.t[:1])
    stretch = np.cumsum(~same)
    moved = np.flatnonzero(same & (dy != 0))
    up = dy[moved] < 0
    turned = np.zeros(len(moved), dtype=bool)
    turned[1:] = (up[1:] != up[:-1]) & (stretch[moved][1:] == stretch[moved][:-1])
    before = np.concatenate([placed.y[:1], placed.y[:-1]])
    return {
        "scroll_event_count": len(s),
        "total_scroll_magnitude": float(np.abs(dy[same]).sum()),
        "scroll_direction_reversal_count": int(np.count_nonzero(turned)),
        "rapid_scroll_reversal_count": int(
            np.count_nonzero(turned & (since[moved] < RAPID_REVERSAL_MS))
        ),
        "scroll_to_top_count": int(np.count_nonzero(same & (before > 0) & (placed.y == 0))),
        "max_scroll_y": float(max(0.0, placed.y.max(initial=0.0))),
    }


def _clicks(columns: Columns) -> Row:
    c = _pointer_clicks(columns)
    placed = np.isfinite(c.x) & np.isfinite(c.y)
    comparable = np.zeros(len(c), dtype=bool)
    comparable[1:] = placed[1:] & placed[:-1]
    dt = np.diff(c.t, prepend=c.t[:1])
    far = np.hypot(np.diff(c.x, prepend=c.x[:1]), np.diff(c.y, prepend=c.y[:1]))
    chained = comparable & (dt < RAGE_GAP_MS) & (far < RAGE_RADIUS_PX)
    place = place_in_chain(chained)
    # A page named after the click before this one.
    urls = np.searchsorted(columns.navigations.seq, c.seq)
    navigated = np.diff(urls, prepend=urls[:1]) > 0
    lone_before = np.zeros(len(c), dtype=bool)
    lone_before[1:] = place[:-1] == 1
    return {
        "rage_click_count": int(np.count_nonzero(chained & (place >= RAGE_CLICKS))),
        "dead_click_count": int(np.count_nonzero(comparable & ~chained & lone_before & ~navigated)),
        "click_target_ids": _distinct(c.node),
    }


def place_in_chain(chained: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """
    Number the members of chains.

    Args:
        chained: Whether each belongs to the same chain as the one before.

    Returns:
        1 for the first of each chain, 2 for the next …
    """
    index = np.arange(len(chained))
    first = np.maximum.accumulate(np.where(chained, 0, index))
    place: npt.NDArray[np.int64] = index - first + 1
    return place


def _typing(columns: Columns) -> Row:
    i = columns.inputs
    t, _ = _actions(columns)
    gaps = np.diff(t)
    gaps = gaps[gaps > 0]
    return {
        "backspace_count": int(-_shrinks(i).sum()),
        "form_field_ids": _distinct(i.node),
        "inter_action_gap_count": len(gaps),
        "inter_action_gap_sum_ms": int(gaps.sum()),
        "inter_action_gap_sum_of_squares_ms": float((gaps.astype(np.float64) ** 2).sum()),
        "max_idle_gap_ms": int(gaps.max(initial=0)),
        "long_idle_gap_count": int(np.count_nonzero(gaps > LONG_IDLE_MS)),
    }


def _shrinks(i: Inputs) -> npt.NDArray[np.int64]:
    """Give by how much texts grew shorter (negative), of the first thousand fields with a text."""
    texts = i.take(i.chars >= 0)
    texts = texts.take(np.isin(texts.node, np.array(_distinct(texts.node), dtype=np.int64)))
    order = np.argsort(texts.node, kind="stable")
    node, chars = texts.node[order], texts.chars[order]
    step = np.diff(chars)
    shrunk: npt.NDArray[np.int64] = step[(node[1:] == node[:-1]) & (step < 0)]
    return shrunk


def _distinct(nodes: npt.NDArray[np.int64]) -> list[int]:
    """Give distinct node ids in order of first appearance, as many as PostHog keeps."""
    values, first = np.unique(nodes, return_index=True)
    values = values[np.argsort(first, kind="stable")]
    return [int(v) for v in values[values != NO_NODE][:MAX_DISTINCT]]


def _pages(columns: Columns) -> Row:
    n = columns.navigations
    same = n.url[1:] == n.url[:-1]
    quick = np.diff(n.t) < QUICK_BACK_MS
    distinct = list(dict.fromkeys(n.url.tolist()))
    tokens = dict.fromkeys(PATH_TOKENS, 0)
    times = dict.fromkeys(distinct, 0)
    for url in n.url.tolist():
        times[url] += 1
    for url in distinct:
        for token in path_tokens(url):
            tokens[token] += times[url]
    return {
        "page_visit_count": len(n),
        "visited_urls": [
            hashlib.md5(u.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
            for u in distinct[:MAX_DISTINCT]
        ],
        "quick_back_count": int(np.count_nonzero(quick & ~same.astype(bool))),
        **{f"path_{token}_count": count for token, count in tokens.items()},
    }


def path_tokens(url: str) -> set[str]:
    """Give the path segments of an address that are among `PATH_TOKENS`."""
    try:
        path = ada_url.URL(url).pathname
    except ValueError:
        path = url.strip() if url.strip().startswith("/") else ""
        for end in "?#":
            path = path.partition(end)[0]
    return {part for part in path.lower().split("/") if part in PATH_TOKENS}


def _network(columns: Columns) -> Row:
    r = columns.requests
    took = r.duration[r.duration > 0]
    return {
        "network_request_count": len(r),
        "network_failed_request_count": int(np.count_nonzero(r.status >= 400)),
        "network_4xx_count": int(np.count_nonzero((r.status >= 400) & (r.status < 500))),
        "network_5xx_count": int(np.count_nonzero((r.status >= 500) & (r.status < 600))),
        "network_request_duration_sum": float(took.sum()),
        "network_request_duration_sum_of_squares": float((took * took).sum()),
        "network_request_duration_count": len(took),
    }


def _rest(columns: Columns) -> Row:
    kind = columns.interactions.type
    touched = among(kind, (MouseInteraction.TOUCH_START, MouseInteraction.TOUCH_END))
    # The selection before each input, counted once.
    before = np.searchsorted(columns.selections.seq, columns.inputs.seq) - 1
    has = before >= 0
    waited = columns.inputs.t[has] - columns.selections.t[before[has]]
    copied = np.unique(before[has][waited <= COPY_WINDOW_MS])
    return {
        "mutation_count": columns.count(Source.MUTATION),
        "viewport_resize_count": columns.count(Source.VIEWPORT_RESIZE),
        "touch_event_count": columns.count(Source.TOUCH_MOVE) + int(np.count_nonzero(touched)),
        "text_selection_count": columns.count(Source.SELECTION),
        "selection_copy_count": len(copied),
    }


# --- ours -----------------------------------------------------------------------------------


def _ours(columns: Columns, row: Row) -> Row:
    minutes = (columns.end_ms - columns.start_ms) / 60_000
    t, _ = _actions(columns)
    urls = columns.navigations.by_time().url.tolist()
    steps = [u for n, u in enumerate(urls) if n == 0 or u != urls[n - 1]]
    user_t = np.sort(columns.t[columns.active])
    speeds = row["mouse_velocity_count"]
    mean = row["mouse_velocity_sum"] / speeds if speeds else 0.0
    square = row["mouse_velocity_sum_of_squares"] / speeds if speeds else 0.0
    clicks = _pointer_clicks(columns)
    sizes = columns.sizes.by_time()
    height = float(sizes.height[0]) if len(sizes) else 0.0
    corrections = _corrections(columns.inputs)
    typed = columns.inputs.take((columns.inputs.chars > 0) & ~columns.inputs.toggle)
    r = columns.requests
    told = np.count_nonzero(np.isfinite(r.status) & (r.status > 0))
    took = r.duration[r.duration > 0]
    return {
        "pages_distinct": len(set(urls)),
        "page_revisit_count": len(steps) - len(set(steps)),
        "first_action_ms": int(t.min()) - columns.start_ms if len(t) else 0,
        "actions_per_minute": len(t) / minutes if minutes else 0.0,
        "active_share": min(1.0, row["active_ms"] / (minutes * 60_000)) if minutes else 0.0,
        "longest_pause_ms": int(np.diff(user_t).max(initial=0)),
        "hidden_count": len(columns.hidden),
        "mouse_speed_mean_px_ms": mean,
        "mouse_speed_std_px_ms": float(np.sqrt(max(0.0, square - mean * mean))),
        "mouse_turn_share": row["mouse_direction_change_count"] / max(1, len(columns.moves) - 2),
        "mouse_straightness": _straightness(columns),
        "touch_share": float(clicks.touch.mean()) if len(clicks) else 0.0,
        "viewport_width_px": int(sizes.width[0]) if len(sizes) else 0,
        "viewport_height_px": int(height),
        "scroll_depth_screens": (row["max_scroll_y"] + height) / height if height else 0.0,
        "corrections_count": sum(corrections.values()),
        "corrections_max_of_a_field": max(corrections.values(), default=0),
        "masked_share": float(typed.masked.mean()) if len(typed) else 0.0,
        "slow_request_count": int(np.count_nonzero((r.duration > SLOW_REQUEST_MS) & ~r.initial)),
        "request_p95_ms": float(np.percentile(took, 95)) if len(took) else 0.0,
        "failed_request_share": row["network_failed_request_count"] / told if told else 0.0,
    }


def _straightness(columns: Columns) -> float:
    m = columns.moves
    if len(m) < 2:
        return 0.0
    order = np.argsort(m.at, kind="stable")
    at, x, y = m.at[order], m.x[order], m.y[order]
    starts = np.flatnonzero(np.diff(at // 1000, prepend=-1.0))
    ends = np.concatenate([starts[1:], [len(at)]]) - 1
    step = np.hypot(np.diff(x, prepend=x[:1]), np.diff(y, prepend=y[:1]))
    step[starts] = 0
    path = np.add.reduceat(step, starts)
    straight = np.hypot(x[ends] - x[starts], y[ends] - y[starts])
    total = path.sum()
    return float(straight.sum() / total) if total else 1.0


def _corrections(inputs: Inputs) -> dict[int, int]:
    """Count, of each field, the times a text that had grown grew shorter."""
    typed = inputs.by_time().take(inputs.by_time().chars >= 0)
    out: dict[int, int] = {}
    for node in np.unique(typed.node):
        step = np.diff(typed.chars[typed.node == node])
        step = step[step != 0]
        count = int(np.count_nonzero((step[1:] < 0) & (step[:-1] > 0)))
        if count:
            out[int(node)] = count
    return out
