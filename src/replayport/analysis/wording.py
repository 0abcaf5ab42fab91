"""Actions as sentences, in plain words: ``clicked the button "Add to cart"``."""

from __future__ import annotations

from typing import Final

from replayport.analysis.actions import ActionKind, Draft, Target

MAX_QUOTED_CHARS: Final = 100

_ROLE_WORDS: Final = {
    "blockquote": "text",
    "cell": "table cell",
    "code": "text",
    "columnheader": "column header",
    "combobox": "list",
    "emphasis": "text",
    "gridcell": "table cell",
    "img": "image",
    "listbox": "list",
    "listitem": "list entry",
    "menuitem": "menu entry",
    "menuitemcheckbox": "menu entry",
    "menuitemradio": "menu entry",
    "paragraph": "text",
    "progressbar": "progress bar",
    "radio": "radio button",
    "rowheader": "row header",
    "searchbox": "search field",
    "spinbutton": "number field",
    "strong": "text",
    "tabpanel": "tab panel",
    "textbox": "field",
    "treeitem": "tree entry",
}
_TAG_WORDS: Final = {
    "a": "link",
    "body": "page",
    "canvas": "canvas",
    "html": "page",
    "input": "field",
    "label": "label",
    "svg": "picture",
    "video": "video",
}


def quoted(text: str) -> str:
    """Quote a text, cut when it is long."""
    cut = text if len(text) <= MAX_QUOTED_CHARS else text[: MAX_QUOTED_CHARS - 1].rstrip() + "…"
    return f'"{cut}"'


def thing(target: Target | None) -> str:
    """Name an element: ``the button "Pay"``, ``the page``, ``something unknown``."""
    if target is None:
        return "something that is not in the recording"
    if target.role is not None:
        what = _ROLE_WORDS.get(target.role, target.role)
        if target.role == "combobox" and target.tag == "input":
            what = "field"
    elif target.tag == "input" and target.input_type == "password":
        what = "password field"
    else:
        what = _TAG_WORDS.get(target.tag, "text" if target.name else f"<{target.tag}> element")
    return f"the {what} {quoted(target.name)}" if target.name else f"the {what}"


def duration(ms: int) -> str:
    """Say how long: ``42 s``, ``6 min 20 s``, ``1 h 5 min``."""
    seconds = ms // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


PICKED: Final = frozenset(
    ("color", "date", "datetime-local", "file", "month", "range", "time", "week")
)
"""Kinds of input whose value is chosen rather than typed."""


def is_slider(target: Target | None) -> bool:
    """Tell whether a field is one whose value is set rather than typed."""
    return target is not None and (target.role == "slider" or target.input_type in PICKED)


_CLICK_VERBS: Final = {
    ActionKind.CLICK: "clicked",
    ActionKind.DOUBLE_CLICK: "double-clicked",
    ActionKind.RIGHT_CLICK: "right-clicked",
    ActionKind.TAP: "tapped",
}


def sentence(draft: Draft) -> str:
    """Say what was done, without a subject."""
    kind, the = draft.kind, thing(draft.target)
    said = quoted(draft.value) if draft.value is not None else ""
    if kind in _CLICK_VERBS:
        return f"{_CLICK_VERBS[kind]} {the}" + (" with a key" if draft.note == "key" else "")
    if kind is ActionKind.TYPE:
        if draft.masked:
            return f"typed something masked into {the}"
        return f"typed {said} into {the}" if draft.value else f"emptied {the}"
    if kind is ActionKind.CHOOSE:
        if draft.note == "radio":
            return f"chose {the}"
        if is_slider(draft.target):
            return f"set {the} to {said or 'something masked'}"
        return f"chose {said or 'something masked'} in {the}"
    if kind is ActionKind.CHECK:
        return f"ticked {the}"
    if kind is ActionKind.UNCHECK:
        return f"unticked {the}"
    if kind is ActionKind.SUBMIT:
        return f"submitted a form with a key, by {the}"
    if kind is ActionKind.SCROLL:
        return _scrolled(draft)
    if kind is ActionKind.DRAG:
        onto = draft.other
        if onto is None or onto == draft.target:
            return f"dragged on {the}"
        return f"dragged {the} to {thing(onto)}"
    if kind is ActionKind.SWIPE:
        return f"swiped {draft.note} on {the}"
    if kind is ActionKind.SELECT_TEXT:
        return f"selected the text {said}" if said else "selected masked text"
    if kind is ActionKind.NAVIGATE:
        return f"{'opened' if draft.note == 'first' else 'went to'} {draft.url}"
    if kind is ActionKind.CONSOLE_ERROR:
        return f"the page logged the error {said}"
    return {
        ActionKind.RELOAD: f"reloaded {draft.url}",
        ActionKind.OPEN_WINDOW: "opened another tab",
        ActionKind.WINDOW_HIDDEN: "left the tab",
        ActionKind.WINDOW_VISIBLE: "came back to the tab",
        ActionKind.RESIZE: f"resized the window to {draft.value}",
        ActionKind.IDLE: f"was idle for {draft.note}",
        ActionKind.CAME_BACK: f"came back after {draft.note}",
    }[kind]


def _scrolled(draft: Draft) -> str:
    what = "" if draft.target is None else f" {thing(draft.target)}"
    at = (draft.page_y if draft.note == "y" else draft.page_x) or 0
    if draft.note == "y":
        way = "down" if at > draft.before else "up"
        place = "the top" if at == 0 else f"{at:.0f} px"
    else:
        way = "right" if at > draft.before else "left"
        place = "the left edge" if at == 0 else f"{at:.0f} px"
    return f"scrolled{what} {way} to {place}"
