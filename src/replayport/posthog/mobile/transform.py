"""
Events of a mobile recording rewritten as the events a web recorder would have sent.

```
type 2  full snapshot with wireframes  ->  full snapshot of a document
type 3  mutation with wireframes       ->  mutation of nodes
        anything aimed at node 0       ->  aimed at the body (touches)
type 4  meta                           ->  exactly href, width, height
type 5  custom "keyboard"              ->  mutation that shows or hides the keyboard
others                                 ->  unchanged
```

The document every full snapshot becomes::

    #1 document
    ├── #2 doctype
    └── #3 html
        ├── #4 head > style (reset)
        └── #5 body
            ├── app nodes, in the wireframes' order
            ├── #9 keyboard's place      └── #10 keyboard, while open
            ├── #7 navigation bar's place └── the bar
            └── #11 status bar's place    └── #12 status bar

Source:
    posthog ``common/replay-shared/src/mobile/transformer/transformers.ts``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from replayport.posthog.mobile.converters import MAX_DEPTH, convert, convert_all
from replayport.posthog.mobile.drawing import (
    BODY_ID,
    DOCTYPE_ID,
    DOCUMENT_ID,
    HEAD_ID,
    HTML_ID,
    KEYBOARD_ID,
    KEYBOARD_PARENT_ID,
    NAVIGATION_BAR_PARENT_ID,
    STATUS_BAR_PARENT_ID,
    Context,
    placeholder,
    positive_int,
)
from replayport.posthog.mobile.style import Wireframe
from replayport.rrweb.events import EventType, IncrementalSource
from replayport.rrweb.nodes import Node, NodeType, children, element
from replayport.rrweb.nodes import text as text_node

FINDING_NOT_CONVERTED: Final = "mobile_event_not_converted"
"""An event that should have been converted could not be, and stays as it was sent."""

KEYBOARD_TAG: Final = "keyboard"

_RESET: Final = (
    "body { margin: unset; }",
    (
        "input, button, select, textarea { font: inherit; margin: 0; padding: 0; border: 0; "
        "outline: 0; background: transparent; }"
    ),
    "img { border-style: none; }",
)
_PAGE_STYLE: Final = "height: 100vh; width: 100vw;"

EventDict = dict[str, Any]
"""An rrweb event as Python objects."""


class MobileTransformer:
    """
    Converts the events of one window, in order.

    Ids handed out by a full snapshot are counted on by the mutations after it, and the
    keyboard takes its colours from the last navigation bar: hence the state.

    Attributes:
        findings: What could not be converted or was not known, by code.
    """

    def __init__(self) -> None:
        self._context = Context()
        self.findings: Counter[str] = self._context.findings

    def transform(self, event: EventDict) -> EventDict:
        """
        Convert one event.

        Args:
            event: Never changed.

        Returns:
            A new event, or the same one when there is nothing to convert or it cannot
            be; the latter is counted in `findings`.
        """
        data = event.get("data")
        if not isinstance(data, dict):
            return event
        timestamp = event.get("timestamp")
        self._context.timestamp_ms = timestamp if isinstance(timestamp, int | float) else 0
        try:
            return self._convert(event, data)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            # Wireframes are foreign JSON of any shape; the player skips what is left as
            # it was, and the rest of the recording plays.
            self.findings[FINDING_NOT_CONVERTED] += 1
            return event

    def _convert(self, event: EventDict, data: dict[str, Any]) -> EventDict:
        kind = event.get("type")
        if kind == EventType.FULL_SNAPSHOT:
            self._context.restart_ids()
            if "wireframes" not in data:
                return event
            return {**event, "data": self._full_snapshot(data)}
        if kind == EventType.INCREMENTAL_SNAPSHOT:
            if _has_wireframes(data):
                return {**event, "data": self._mutation(data)}
            if data.get("id") == 0 and not isinstance(data["id"], bool):
                return {**event, "data": {**data, "id": BODY_ID}}
            return event
        if kind == EventType.META:
            rebuilt = {
                "href": data.get("href") or "",
                "width": data.get("width"),
                "height": data.get("height"),
            }
            return event if data == rebuilt else {**event, "data": rebuilt}
        if kind == EventType.CUSTOM and data.get("tag") == KEYBOARD_TAG:
            return {
                **event,
                "type": int(EventType.INCREMENTAL_SNAPSHOT),
                "data": self._keyboard(data["payload"]),
            }
        return event

    def _full_snapshot(self, data: dict[str, Any]) -> dict[str, Any]:
        context = self._context
        app, status_bar, navigation_bar = lift_bars(data["wireframes"])
        app_nodes = convert_all(app, context)
        navigation = [] if navigation_bar is None else convert_all([navigation_bar], context)
        status = [] if status_bar is None else convert_all([status_bar], context)
        sheets = []
        for rule in _RESET:
            sheet_id = context.next_id()
            written = text_node(context.next_id(), rule)
            sheets.append(
                element(
                    sheet_id, "style", {"type": "text/css", "data-rrweb-id": sheet_id}, [written]
                )
            )
        body = [
            *app_nodes,
            _fixed(KEYBOARD_PARENT_ID, "div"),
            _fixed(NAVIGATION_BAR_PARENT_ID, "div", navigation),
            _fixed(STATUS_BAR_PARENT_ID, "div", status),
        ]
        html = _fixed(
            HTML_ID,
            "html",
            [_fixed(HEAD_ID, "head", sheets), _fixed(BODY_ID, "body", body, _PAGE_STYLE)],
            _PAGE_STYLE,
        )
        return page(html)

    def _mutation(self, data: dict[str, Any]) -> dict[str, Any]:
        adds: list[dict[str, Any]] = []
        removes = [r for r in data.get("removes") or [] if isinstance(r, dict)]
        for add in data.get("adds") or []:
            adds += self._added(add)
        for update in data.get("updates") or []:
            removes.append({"parentId": _parent(update), "id": update["wireframe"]["id"]})
            adds += self._added(update)
        return _mutation(adds, removes)

    def _added(self, add: dict[str, Any]) -> list[dict[str, Any]]:
        node = convert(add["wireframe"], self._context)
        return [] if node is None else flatten(node, _parent(add))

    def _keyboard(self, payload: dict[str, Any]) -> dict[str, Any]:
        if not payload["open"]:
            return _mutation([], [{"parentId": KEYBOARD_PARENT_ID, "id": KEYBOARD_ID}])
        styles = payload.get("styles")
        anchored = positive_int(payload.get("x")) is None and positive_int(payload.get("y")) is None
        wireframe: Wireframe = {
            "id": KEYBOARD_ID,
            "type": "placeholder",
            "label": "keyboard",
            "height": payload["height"],
            "width": payload.get("width") or "100vw",
            "style": {
                **self._context.bar_style,
                **(styles if isinstance(styles, dict) else {}),
                "bottom": anchored,
            },
        }
        if not anchored:
            wireframe["x"] = payload.get("x")
            wireframe["y"] = payload.get("y")
        node = placeholder(wireframe, [], self._context)
        return _mutation(flatten(node, KEYBOARD_PARENT_ID), [])


def transform(
    events: Iterable[EventDict], *, findings: Counter[str] | None = None
) -> list[EventDict]:
    """
    Convert the events of one window.

    Args:
        events: In order.
        findings: Counts what could not be converted, by code.

    Returns:
        As many events, in the same order.
    """
    transformer = MobileTransformer()
    converted = [transformer.transform(event) for event in events]
    if findings is not None:
        findings.update(transformer.findings)
    return converted


def lift_bars(
    wireframes: object,
) -> tuple[list[Wireframe], Wireframe | None, Wireframe | None]:
    """
    Take the status and the navigation bar out of a screen.

    They are drawn above the app, in places of their own. Among the roots the last bar
    found counts; within one root the first.

    Args:
        wireframes: ``data.wireframes``.

    Returns:
        The app's wireframes without bars, the status bar, the navigation bar.

    Raises:
        ValueError: Not wireframes, or nested deeper than `MAX_DEPTH`.
    """
    if not isinstance(wireframes, list):
        raise ValueError("wireframes are not a list")
    app: list[Wireframe] = []
    bars: dict[str, Wireframe] = {}
    for root in wireframes:
        found: dict[str, Wireframe] = {}
        kept = _without_bars(root, found, 0)
        if kept is not None:
            app.append(kept)
        bars.update(found)
    return app, bars.get("status_bar"), bars.get("navigation_bar")


def _without_bars(
    wireframe: Wireframe, found: dict[str, Wireframe], depth: int
) -> Wireframe | None:
    if not isinstance(wireframe, dict):
        raise ValueError("a wireframe is not an object")
    if depth > MAX_DEPTH:
        raise ValueError(f"wireframes are nested deeper than {MAX_DEPTH}")
    kind = wireframe.get("type")
    if kind in ("status_bar", "navigation_bar"):
        found.setdefault(kind, wireframe)
        return None
    below = wireframe.get("childWireframes")
    if not isinstance(below, list):
        return wireframe
    kept = [_without_bars(child, found, depth + 1) for child in below]
    return {**wireframe, "childWireframes": [child for child in kept if child is not None]}


def flatten(node: Node, parent_id: int) -> list[dict[str, Any]]:
    """
    Write a tree as rrweb add records, one a node, parents before children.

    Args:
        node: Root of the added tree.
        parent_id: Where the root goes.

    Returns:
        ``{parentId, nextId: null, node}`` with nodes whose ``childNodes`` are empty.
    """
    adds: list[dict[str, Any]] = []
    stack = [(node, parent_id)]
    while stack:
        current, parent = stack.pop()
        bare = {**current, "childNodes": []} if "childNodes" in current else dict(current)
        adds.append({"parentId": parent, "nextId": None, "node": bare})
        stack.extend((child, current["id"]) for child in reversed(children(current)))
    return adds


def page(html: Node) -> dict[str, Any]:
    """Make the ``data`` of a full snapshot of a document with that root element."""
    doctype: Node = {
        "type": int(NodeType.DOCUMENT_TYPE),
        "name": "html",
        "publicId": "",
        "systemId": "",
        "id": DOCTYPE_ID,
    }
    document: Node = {
        "type": int(NodeType.DOCUMENT),
        "childNodes": [doctype, html],
        "id": DOCUMENT_ID,
    }
    return {"node": document, "initialOffset": {"top": 0, "left": 0}}


def _fixed(
    node_id: int, tag: str, child_nodes: list[Node] | None = None, style: str | None = None
) -> Node:
    attributes: dict[str, Any] = {} if style is None else {"style": style}
    return element(node_id, tag, {**attributes, "data-rrweb-id": node_id}, child_nodes)


def _has_wireframes(data: dict[str, Any]) -> bool:
    if data.get("source") != IncrementalSource.MUTATION:
        return False
    for key in ("adds", "updates"):
        records = data.get(key)
        if isinstance(records, list) and records:
            first = records[0]
            if isinstance(first, dict) and "wireframe" in first:
                return True
    return False


def _parent(record: dict[str, Any]) -> int:
    """Give the parent of an added wireframe; a screenshot covers the page, 0 is the page."""
    if record["wireframe"].get("type") == "screenshot":
        return BODY_ID
    parent_id = record["parentId"]
    if isinstance(parent_id, bool) or not isinstance(parent_id, int):
        raise ValueError("a mutation names no parent")
    return parent_id or BODY_ID


def _mutation(adds: list[dict[str, Any]], removes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "source": int(IncrementalSource.MUTATION),
        "attributes": [],
        "texts": [],
        "adds": _deduplicated(adds),
        "removes": _deduplicated(removes),
    }


def _deduplicated(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Keep the last of records that mean the same.

    SDKs repeat wireframes within one event. Synthetic ids of the repetition differ, so
    a node's own id is not compared. PostHog compares the node alone, and thereby loses
    one of two equal texts with different parents; here the parent is compared too.
    """
    kept: list[dict[str, Any]] = []
    seen: set[str] = set()
    for record in reversed(records):
        node = record.get("node")
        compared = record if node is None else {**record, "node": {**node, "id": 0}}
        key = json.dumps(compared, sort_keys=True)
        if key not in seen:
            seen.add(key)
            kept.append(record)
    kept.reverse()
    return kept
