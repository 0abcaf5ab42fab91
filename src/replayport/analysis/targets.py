"""The element an action is about: which one, and how it was called then."""

from __future__ import annotations

from typing import Any, Final

from replayport.analysis.actions import MAX_VALUE_CHARS, Target
from replayport.analysis.locators import locator
from replayport.rrweb.described import OPERATED_ROLES
from replayport.rrweb.mirror import Mirror, accessible
from replayport.rrweb.nodes import NodeType

OPERABLE_ROLES: Final = OPERATED_ROLES | {"columnheader"}
_CONTAINERS: Final = frozenset(("columnheader", "gridcell"))
"""Roles of what can be operated itself, or hold something else that is pressed."""

_OPERABLE_TAGS: Final = frozenset(
    ("a", "input", "label", "option", "select", "summary", "textarea")
)
_FIELD_TAGS: Final = frozenset(("input", "option", "select", "textarea"))
MAX_NAME_CHARS: Final = 120

MAX_TEXT_NODES: Final = 60
"""An element without a name is named by its text when it holds no more than this."""

MAX_SELECTED_NODES: Final = 2000


def target_of(mirror: Mirror, node_id: int, *, by_text: bool = True) -> Target:
    """
    Describe an element as it is now.

    Args:
        mirror: Whose element it is.
        node_id: Its id.
        by_text: Name it by its text when it has no name.
    """
    tag = mirror.tag(node_id)
    name = mirror.name(node_id)
    if not name and by_text and tag not in _FIELD_TAGS:
        name = short_text(mirror, node_id)
    return Target(
        node_id=node_id,
        tag=tag,
        input_type=input_type(mirror, node_id),
        role=mirror.role(node_id),
        name=name[:MAX_NAME_CHARS],
        locator=locator(mirror, node_id),
        path=mirror.path(node_id),
    )


def operable(mirror: Mirror, node_id: int) -> int:
    """Give the element a press is meant for: the nearest that can be operated, else itself."""
    first: int | None = None
    current: int | None = node_id
    while current is not None:
        tag = mirror.tag(current)
        if tag:
            if first is None:
                first = current
            if tag == "label":
                return accessible.labelled_by(mirror, current) or current
            role = mirror.role(current)
            if role in _CONTAINERS:
                said = short_text(mirror, first)
                return current if said in mirror.name(current) else first
            if tag in _OPERABLE_TAGS or role in OPERABLE_ROLES:
                return current
        elif first is not None:
            break  # a document: the frame around is not what was pressed
        current = mirror.parent(current)
    return node_id if first is None else first


def can_change(mirror: Mirror, node_id: int) -> bool:
    """Tell whether a person can change a field."""
    attributes = mirror.attributes(node_id)
    return all(attributes.get(name) in (None, False) for name in ("readonly", "disabled"))


def input_type(mirror: Mirror, node_id: int) -> str:
    """Give the kind of an ``<input>``, lower case; empty for anything else."""
    if mirror.tag(node_id) != "input":
        return ""
    return str(mirror.attributes(node_id).get("type") or "text").lower()


def short_text(mirror: Mirror, node_id: int) -> str:
    """Give the first line of an element's text; empty when there is much in it."""
    if any(n >= MAX_TEXT_NODES for n, _ in enumerate(mirror.walk(node_id))):
        return ""
    return mirror.text(node_id).partition("\n")[0]


def form_of(mirror: Mirror, node_id: int) -> int | None:
    """Give the form an element belongs to; None when there is none."""
    named = mirror.attribute(node_id, "form")
    if named:
        return next(iter(accessible.in_same_tree(mirror, node_id, "id", named)), None)
    return next((a for a in mirror.ancestors(node_id) if mirror.tag(a) == "form"), None)


def is_submit(mirror: Mirror, node_id: int) -> bool:
    """Tell whether an element submits its form."""
    tag, kind = mirror.tag(node_id), str(mirror.attributes(node_id).get("type") or "").lower()
    return (tag == "button" and kind in ("", "submit")) or (
        tag == "input" and kind in ("submit", "image")
    )


def option_text(mirror: Mirror, select_id: int, value: str) -> str:
    """Give what an option of a ``<select>`` says; empty when none has this value."""
    for node in mirror.walk(select_id):
        if node.get("tagName") == "option" and mirror.option_value(node["id"]) == value:
            return mirror.name(node["id"])
    return ""


def selected_text(mirror: Mirror, ranges: Any) -> str:
    """Give the text of the first range of a selection, white space collapsed."""
    if not isinstance(ranges, list) or not ranges or not isinstance(ranges[0], dict):
        return ""
    start, end = integer(ranges[0].get("start")), integer(ranges[0].get("end"))
    from_, to = integer(ranges[0].get("startOffset")), integer(ranges[0].get("endOffset"))
    if start is None or end is None or from_ is None or to is None or start not in mirror:
        return ""
    if start == end and from_ >= to:
        return ""
    last = end
    kids = mirror.kids(end)
    if kids:
        last = kids[min(to, len(kids) - 1)]["id"]
    parts: list[str] = []
    for node in _from_on(mirror, start, from_):
        content = node.get("textContent")
        if node.get("type") == NodeType.TEXT and isinstance(content, str):
            if node["id"] == end:
                content = content[:to]
            if node["id"] == start:
                content = content[from_:]
            parts.append(content)
        elif node["id"] == last and kids and to < len(kids):
            break
        if node["id"] in (end, last):
            break
    return " ".join("".join(parts).split())[:MAX_VALUE_CHARS]


def _from_on(mirror: Mirror, start: int, offset: int) -> list[dict[str, Any]]:
    """Give a node and those after it in document order, `MAX_SELECTED_NODES` at most."""
    kids = mirror.kids(start)
    current: int | None = kids[offset]["id"] if kids and offset < len(kids) else start
    found: list[dict[str, Any]] = []
    skip: set[int] = set()
    while current is not None and len(found) < MAX_SELECTED_NODES:
        for node in mirror.walk(current):
            if node["id"] not in skip:
                found.append(node)
            if len(found) >= MAX_SELECTED_NODES:
                break
        parent = mirror.parent(current)
        following: int | None = None
        while parent is not None and following is None:
            siblings = mirror.kids(parent)
            at = next(i for i, k in enumerate(siblings) if k["id"] == current)
            if at + 1 < len(siblings):
                following = siblings[at + 1]["id"]
            else:
                current, parent = parent, mirror.parent(parent)
        current = following
    return found


def integer(value: Any) -> int | None:
    """Take an integer; None for anything else, booleans too."""
    return value if type(value) is int else None
