"""Actions as sentences, in plain words: ``clicked the button "Add to cart"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from replayport.analysis.actions import Target

MAX_QUOTED_CHARS: Final = 100

_ROLE_WORDS: Final = {
    "cell": "table cell",
    "columnheader": "column header",
    "combobox": "list",
    "gridcell": "table cell",
    "img": "image",
    "listbox": "list",
    "listitem": "list entry",
    "menuitem": "menu entry",
    "menuitemcheckbox": "menu entry",
    "menuitemradio": "menu entry",
    "progressbar": "progress bar",
    "radio": "radio button",
    "rowheader": "row header",
    "searchbox": "search field",
    "spinbutton": "number field",
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
