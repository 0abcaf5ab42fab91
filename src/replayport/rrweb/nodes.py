"""
Serialized DOM nodes: what a full snapshot's ``data.node`` is made of.

```
Document      {type:0, id, childNodes, compatMode?}
DocumentType  {type:1, id, name, publicId, systemId}
Element       {type:2, id, tagName, attributes, childNodes, isSVG?, needBlock?, isCustom?}
Text          {type:3, id, textContent, isStyle?}
CDATA         {type:4, id, textContent:""}
Comment       {type:5, id, textContent}
common        rootId? (inside an iframe's document), isShadowHost?, isShadow?
```

Ids are unique within a window only. Attribute values are strings, numbers, ``true`` or
null. Trees are walked with a stack of our own: pages nested deeper than Python's
recursion limit exist, and hostile ones are easily made.

Source:
    rrweb ``packages/types/src/index.ts``, ``packages/rrweb-snapshot/src/snapshot.ts``;
    PostHog's fork of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final

Node = dict[str, Any]
"""A serialized node: JSON object with at least ``type`` and ``id``."""


class NodeType(IntEnum):
    """``node.type``."""

    DOCUMENT = 0
    DOCUMENT_TYPE = 1
    ELEMENT = 2
    TEXT = 3
    CDATA = 4
    COMMENT = 5


CSS_TEXT: Final = "_cssText"
"""Text of an inlined stylesheet, on ``<link>`` (whose rel and href are then gone) or
``<style>``; upstream rrweb may separate the original text nodes by `CSS_SPLIT_MARKER`."""
CSS_SPLIT_MARKER: Final = "/* rr_split */"
WIDTH: Final = "rr_width"
"""Width of a blocked element, such as ``"120px"``."""
HEIGHT: Final = "rr_height"
"""Height of a blocked element."""
LEFT: Final = "rr_left"
"""Page position of a blocked element (PostHog's fork only)."""
TOP: Final = "rr_top"
"""Page position of a blocked element (PostHog's fork only)."""
POSITION: Final = "rr_position"
"""Computed ``position`` of a blocked element (PostHog's fork only)."""
TRANSFORM: Final = "rr_transform"
"""Computed ``transform`` of a blocked element (PostHog's fork only)."""
DISPLAY: Final = "rr_display"
"""Computed ``display`` of a blocked element (PostHog's fork only)."""
DATA_URL: Final = "rr_dataURL"
"""Pixels of a canvas, or of an inlined image."""
SRC: Final = "rr_src"
"""Source of an iframe whose document could not be read."""
SCROLL_LEFT: Final = "rr_scrollLeft"
"""Scroll position of the element at the snapshot, CSS px."""
SCROLL_TOP: Final = "rr_scrollTop"
"""Scroll position of the element at the snapshot, CSS px."""
MEDIA_STATE: Final = "rr_mediaState"
"""``played`` or ``paused``."""
MEDIA_CURRENT_TIME: Final = "rr_mediaCurrentTime"
"""Playback position, seconds."""
MEDIA_PLAYBACK_RATE: Final = "rr_mediaPlaybackRate"
MEDIA_MUTED: Final = "rr_mediaMuted"
MEDIA_LOOP: Final = "rr_mediaLoop"
MEDIA_VOLUME: Final = "rr_mediaVolume"
OPEN_MODE: Final = "rr_open_mode"
"""``modal`` or ``non-modal``, on ``<dialog>``."""
MODAL_UNKNOWN: Final = "rr_could_not_detect_modal"
"""Set on a ``<dialog>`` whose mode the recorder could not find out."""

SPECIAL_ATTRIBUTES: Final = frozenset(
    {
        CSS_TEXT,
        WIDTH,
        HEIGHT,
        LEFT,
        TOP,
        POSITION,
        TRANSFORM,
        DISPLAY,
        DATA_URL,
        SRC,
        SCROLL_LEFT,
        SCROLL_TOP,
        MEDIA_STATE,
        MEDIA_CURRENT_TIME,
        MEDIA_PLAYBACK_RATE,
        MEDIA_MUTED,
        MEDIA_LOOP,
        MEDIA_VOLUME,
        OPEN_MODE,
        MODAL_UNKNOWN,
    }
)
"""Attributes that are the recorder's notes and never were in the page's HTML."""

SCRIPT_PLACEHOLDER: Final = "SCRIPT_PLACEHOLDER"
"""What the recorder puts in place of a script's text."""


def children(node: Node) -> list[Node]:
    """
    Give the child nodes that are nodes.

    Args:
        node: Any node, also one that has no ``childNodes`` or a damaged one.

    Returns:
        A new list, in document order.
    """
    found = node.get("childNodes")
    return [c for c in found if isinstance(c, dict)] if isinstance(found, list) else []


def walk(node: Node) -> Iterator[Node]:
    """
    Yield a node and all below it in document order.

    Args:
        node: Root of the walk. A node's children are read when the walk leaves it, so
            the caller may change the yielded node's children.
    """
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(children(current)))


def walk_with_parent(node: Node) -> Iterator[tuple[Node, Node | None]]:
    """
    Yield ``(node, parent)`` in document order; the root's parent is None.

    Args:
        node: Root of the walk.
    """
    stack: list[tuple[Node, Node | None]] = [(node, None)]
    while stack:
        current, parent = stack.pop()
        yield current, parent
        stack.extend((child, current) for child in reversed(children(current)))


def find(node: Node, node_id: int) -> Node | None:
    """
    Give the node of that id in a tree.

    Args:
        node: Root of the search.
        node_id: rrweb node id.
    """
    return next((n for n in walk(node) if n.get("id") == node_id), None)


def text_content(node: Node) -> str:
    """
    Join the texts below a node in document order, as the DOM's ``textContent``.

    Args:
        node: Any node.
    """
    return "".join(
        n["textContent"]
        for n in walk(node)
        if n.get("type") in (NodeType.TEXT, NodeType.CDATA)
        and isinstance(n.get("textContent"), str)
    )


def element(
    node_id: int, tag: str, attributes: dict[str, Any], child_nodes: list[Node] | None = None
) -> Node:
    """Make an element node."""
    return {
        "type": int(NodeType.ELEMENT),
        "tagName": tag,
        "attributes": attributes,
        "childNodes": [] if child_nodes is None else child_nodes,
        "id": node_id,
    }


def text(node_id: int, content: str) -> Node:
    """Make a text node."""
    return {"type": int(NodeType.TEXT), "textContent": content, "id": node_id}
