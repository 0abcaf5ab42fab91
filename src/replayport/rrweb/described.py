"""
What a visitor acted on, in words: ``button "Add to basket"``.

The element named is the one a person would say: of a click on an icon in a button, the
button.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from replayport.rrweb.events import EventType, IncrementalSource
from replayport.rrweb.mirror import Mirror

MAX_NAME_CHARS: Final = 120

OPERATED_ROLES: Final = frozenset(
    {
        "button",
        "checkbox",
        "combobox",
        "gridcell",
        "link",
        "listbox",
        "menuitem",
        "menuitemcheckbox",
        "menuitemradio",
        "option",
        "radio",
        "searchbox",
        "slider",
        "spinbutton",
        "switch",
        "tab",
        "textbox",
        "treeitem",
    }
)
"""What people act on."""

_CLIMB: Final = 12


def described(mirror: Mirror, node_id: int) -> tuple[str, str]:
    """
    Name an element.

    Args:
        mirror: The page at that moment.
        node_id: What was acted on.

    Returns:
        What kind of thing it is, and its name; both may be empty.
    """
    near = [node_id]
    for ancestor in mirror.ancestors(node_id):
        near.append(ancestor)
        if len(near) >= _CLIMB:
            break
    for found in near:
        role = mirror.role(found)
        if role in OPERATED_ROLES:
            return role, _cut(mirror.name(found))
    return mirror.tag(node_id), _cut(mirror.text(node_id))


def clicked_names(events: Iterable[tuple[str, int, int | None, Any]]) -> Iterator[str]:
    """
    Yield the name of everything that was clicked.

    Args:
        events: Window, type, source and parsed data, in playing order; the data is taken over.
    """
    mirrors: dict[str, Mirror] = {}
    for window_id, type_, source, data in events:
        mirror = mirrors.get(window_id)
        if mirror is None:
            mirror = mirrors[window_id] = Mirror()
        if source == IncrementalSource.MOUSE_INTERACTION:
            node_id = data.get("id") if isinstance(data, dict) else None
            if isinstance(node_id, int) and data.get("type") in _CLICKS and node_id in mirror:
                name = described(mirror, node_id)[1]
                if name:
                    yield name
        elif source in _CHANGES or type_ in (EventType.FULL_SNAPSHOT, EventType.META):
            mirror.apply(type_, source, data)


_CLICKS: Final = frozenset({2, 4, 9})
"""Click, double click, touch."""

_CHANGES: Final = frozenset({int(IncrementalSource.MUTATION)})


def _cut(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= MAX_NAME_CHARS else words[: MAX_NAME_CHARS - 1] + "…"
