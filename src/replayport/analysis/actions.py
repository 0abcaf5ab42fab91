"""
What an action is: the kinds there are, what is known of one, what it is put together from.

`replayport.analysis.reading` reads them from events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

MAX_VALUE_CHARS: Final = 2000
"""Texts of values are cut to this."""


class ActionKind(StrEnum):
    """What kinds of action there are."""

    CLICK = "click"
    DOUBLE_CLICK = "double_click"
    RIGHT_CLICK = "right_click"
    TAP = "tap"
    DRAG = "drag"
    SWIPE = "swipe"
    TYPE = "type"
    CHOOSE = "choose"
    CHECK = "check"
    UNCHECK = "uncheck"
    SUBMIT = "submit"
    SCROLL = "scroll"
    SELECT_TEXT = "select_text"
    NAVIGATE = "navigate"
    RELOAD = "reload"
    OPEN_WINDOW = "open_window"
    WINDOW_HIDDEN = "window_hidden"
    WINDOW_VISIBLE = "window_visible"
    RESIZE = "resize"
    IDLE = "idle"
    CAME_BACK = "came_back"
    CONSOLE_ERROR = "console_error"


KIND_MEANINGS: Final = MappingProxyType(
    {
        ActionKind.CLICK: "Pressed and released on an element, with mouse, pen or a key.",
        ActionKind.DOUBLE_CLICK: "Clicked twice; the two clicks are in it.",
        ActionKind.RIGHT_CLICK: "Opened a context menu.",
        ActionKind.TAP: "Touched an element and let go.",
        ActionKind.DRAG: "Pressed in one place and released in another.",
        ActionKind.SWIPE: "Touched in one place and let go in another, and nothing scrolled.",
        ActionKind.TYPE: "Changed a text field; the text at the end of the burst is in `value`.",
        ActionKind.CHOOSE: "Chose an option, a radio button, or a value of a slider or picker.",
        ActionKind.CHECK: "Ticked a checkbox.",
        ActionKind.UNCHECK: "Unticked a checkbox.",
        ActionKind.SUBMIT: "Submitted a form with a key: its button was clicked without a press.",
        ActionKind.SCROLL: "The page or an element scrolled; `page_x`, `page_y` are how far to.",
        ActionKind.SELECT_TEXT: "Selected text of the page.",
        ActionKind.NAVIGATE: "The window showed another address.",
        ActionKind.RELOAD: "The window loaded the same address again.",
        ActionKind.OPEN_WINDOW: "Another browser tab appeared.",
        ActionKind.WINDOW_HIDDEN: "The tab went out of sight.",
        ActionKind.WINDOW_VISIBLE: "The tab came into sight.",
        ActionKind.RESIZE: "The viewport changed its size.",
        ActionKind.IDLE: "Nothing of the user's for a minute or more, until `end_ms`.",
        ActionKind.CAME_BACK: "The first event after being idle.",
        ActionKind.CONSOLE_ERROR: "The page wrote an error to the console (nothing the user did).",
    }
)
"""Each kind explained; the reference page is made from this."""

FINDING_MEANINGS: Final = MappingProxyType(
    {
        "action_without_element": "An action's element is not in the recording.",
        "no_full_snapshot": "A window has no full snapshot: its actions have no elements.",
        "undecodable_event": "An event's data is not JSON that can be read.",
    }
)
"""What `ActionLog.findings` counts besides the mirror's own findings."""


@dataclass(frozen=True, slots=True)
class Target:
    """An element as it was when an action began."""

    node_id: int
    tag: str
    input_type: str
    role: str | None
    name: str
    locator: str
    path: str


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the user did."""

    timestamp_ms: int
    """When it began."""
    end_ms: int
    """When it ended: the last of the events it is made of."""
    offset_ms: int
    """``timestamp_ms`` from the recording's first event."""
    window_id: str
    """The browser tab."""
    kind: ActionKind
    """See `KIND_MEANINGS`."""
    node_id: int | None
    """None when it has no element, or the element is not in the recording."""
    role: str | None
    """ARIA role of the element; None when it has none."""
    name: str | None
    """Its accessible name, else the beginning of its text; None without an element."""
    locator: str | None
    """See `analysis.locators`; None without an element."""
    path: str | None
    """CSS-like path, see `Mirror.path`; None without an element."""
    x: float | None
    """In the viewport (of its frame), CSS px; None when it has no place."""
    y: float | None
    """As ``x``."""
    page_x: float | None
    """On the page: ``x`` and how far the page was scrolled."""
    page_y: float | None
    """As ``page_x``."""
    value: str | None
    """What was typed, chosen, selected or logged; None when masked, or when there is none."""
    masked: bool
    """Whether there was a value that the recorder had masked."""
    url: str
    """The page it happened on; for a navigation the one it led to."""
    text: str
    """The action as a sentence without a subject."""


@dataclass(frozen=True, slots=True)
class ActionLog:
    """What `read_actions` gives."""

    actions: tuple[Action, ...]
    """Ordered by time."""
    findings: Counter[str]
    """
    The mirrors' findings and those of `FINDING_MEANINGS`. Pages and changes that no action asked
    about are not looked at, so what is wrong with those is not in it.
    """


@dataclass(slots=True)
class Draft:
    """An action on its way: later events may add to it or make it another."""

    kind: ActionKind
    start_ms: int
    end_ms: int
    window_id: str
    url: str
    target: Target | None = None
    x: float | None = None
    y: float | None = None
    page_x: float | None = None
    page_y: float | None = None
    value: str | None = None
    masked: bool = False
    note: str = ""
    dropped: bool = False
    other: Target | None = None
    before: float = 0
