"""
The mirror: a page's tree, what is beside it, and what can be asked of both.

```
full snapshot     a new tree; everything before it is forgotten
mutation          changes the tree (tree.py)
input, scroll …   kept beside the node: they are no part of its attributes
style sheets      rules as text, worked out when asked for
meta, resize      address and viewport
```

Names, paths and texts are worked out when asked for. Whatever is wrong with an event is
counted in `Mirror.findings`, never raised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from replayport.rrweb.events import EventType, IncrementalSource
from replayport.rrweb.mirror import accessible, css, html
from replayport.rrweb.mirror.html import attribute_text
from replayport.rrweb.mirror.index import ElementIndex
from replayport.rrweb.mirror.selectors import Element, Selectors
from replayport.rrweb.mirror.tree import BROKEN, NO_ID, NOTHING, Tree
from replayport.rrweb.nodes import OPEN_MODE, SCROLL_LEFT, SCROLL_TOP, Node, NodeType

MAX_PATH_STEPS: Final = 200
"""Steps of a path; a deeper element's path starts with an ellipsis."""

FINDING_MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "before_full_snapshot": "A change came before the window's first full snapshot.",
        "snapshot_without_tree": "A full snapshot holds no document.",
        "damaged_node": "Something in a tree is no node: not an object, or without an id.",
        "duplicate_node": "A node came again under an id that is in use; the last place counts.",
        "add_without_parent": "A node was added to a parent that is not there.",
        "add_without_sibling": "A node was added before a sibling that never came.",
        "add_without_document": "A node was added to a frame's document that is not there.",
        "add_into_itself": "A node was added below itself.",
        "remove_of_unknown": "A node was removed that is not there.",
        "remove_from_other_parent": "A node was removed from a parent that it is not in.",
        "text_of_unknown": "A text changed that is not there.",
        "attributes_of_unknown": "Attributes changed of an element that is not there.",
        "input_of_unknown": "A field changed that is not there.",
        "scroll_of_unknown": "Something scrolled that is not there.",
        "rule_of_unknown": "A style sheet changed that is not there.",
        "media_of_unknown": "A video or sound changed that is not there.",
        "damaged_event": "An event's data is not of its kind's form.",
    }
)
"""What `Mirror.findings` counts, and what each means."""

_ELEMENT, _DOCUMENT = int(NodeType.ELEMENT), int(NodeType.DOCUMENT)
_TEXT = int(NodeType.TEXT)
_INCREMENTAL = int(EventType.INCREMENTAL_SNAPSHOT)


class Mirror(Tree):
    """
    The DOM of one window, at the instant of the last event applied.

    Feed it the window's events in playing order. It takes the parsed values over: what
    was given to `apply` must not be changed afterwards, and changes with the page.

    Node ids are rrweb's. Questions about an id that is not there answer None or empty.

    Attributes:
        url: Address of the page as the last Meta event had it; empty when unknown.
        width: Of the viewport in CSS px; None when unknown.
        height: Of the viewport in CSS px; None when unknown.
    """

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.width: float | None = None
        self.height: float | None = None
        self._sheets: dict[int, css.Sheet] = {}

    _HANDLERS: ClassVar[Mapping[int | None, str]] = MappingProxyType(
        {
            int(IncrementalSource.MUTATION): "_mutation",
            int(IncrementalSource.SCROLL): "_scroll",
            int(IncrementalSource.VIEWPORT_RESIZE): "_resize",
            int(IncrementalSource.INPUT): "_input",
            int(IncrementalSource.MEDIA_INTERACTION): "_media",
            int(IncrementalSource.STYLE_SHEET_RULE): "_rule",
            int(IncrementalSource.STYLE_DECLARATION): "_rule",
            int(IncrementalSource.ADOPTED_STYLE_SHEET): "_adopt",
        }
    )
    """Names, not bound methods: a page that is done with goes at once, without a cycle."""

    # --- events -------------------------------------------------------------------

    def apply(self, type_: int, source: int | None, data: Any) -> None:
        """
        Bring the mirror to the instant just after an event.

        Args:
            type_: ``event.type``.
            source: ``event.data.source``, of type 3; None otherwise.
            data: ``event.data``, parsed. The mirror owns it from here on.
        """
        try:
            if type_ == _INCREMENTAL:
                handler = self._HANDLERS.get(source)
                if handler is None:
                    return
                if self.root is None and source != IncrementalSource.VIEWPORT_RESIZE:
                    self.findings["before_full_snapshot"] += 1
                    return
                getattr(self, handler)(data)
            elif type_ == EventType.FULL_SNAPSHOT:
                self._full_snapshot(data)
            elif type_ == EventType.META:
                self._meta(data)
        except BROKEN:
            self.findings["damaged_event"] += 1

    @staticmethod
    def holds_page(data: Any) -> bool:
        """Tell whether a full snapshot's data has a page: everything before it is then void."""
        root = data.get("node") if isinstance(data, dict) else None
        return isinstance(root, dict) and type(root.get("id")) is int

    # --- what a person sees -------------------------------------------------------

    @property
    def index(self) -> ElementIndex:
        """Elements by what they are called; kept up from the first use on."""
        if self._index is None:
            self._index = ElementIndex(self)
        return self._index

    def role(self, node_id: int) -> str | None:
        """Give the ARIA role, explicit or implied by the tag; None when there is none."""
        return accessible.role(self, node_id)

    def name(self, node_id: int) -> str:
        """Give the accessible name, as `accessible.name` works it out; may be empty."""
        return self.index.name(node_id)

    def text(self, node_id: int | None = None) -> str:
        """Give the text a person can read in a node; see `accessible.text`."""
        at = self.root if node_id is None else node_id
        return "" if at is None else accessible.text(self, at)

    def value(self, node_id: int) -> str | None:
        """Give what a form field holds; None when the node is no field."""
        live = self.live_value(node_id)
        if live is not None:
            return live
        tag = self.tag(node_id)
        if tag == "textarea":
            own = self.attribute(node_id, "value")
            return own if own is not None else accessible.raw_text(self, node_id)
        if tag == "select":
            return self._selected(node_id)
        if tag in ("input", "option", "button"):
            return self.attribute(node_id, "value")
        return None

    def live_value(self, node_id: int) -> str | None:
        """Give what an input event put into a field; None when there was none."""
        live = self._live.get(node_id)
        return None if live is None else live.get("value")

    def option_value(self, node_id: int) -> str:
        """Give the value of an ``<option>``: its attribute, else its text."""
        value = self.attribute(node_id, "value")
        return accessible.raw_text(self, node_id).strip() if value is None else value

    def checked(self, node_id: int) -> bool | None:
        """Tell whether a checkbox or radio button is on; None when the node is neither."""
        if not self.is_checkable(node_id):
            return None
        live = self._live.get(node_id)
        if live is not None and "checked" in live:
            return bool(live["checked"])
        value = self.attributes(node_id).get("checked")
        return value is not None and value is not False

    def is_checkable(self, node_id: int) -> bool:
        """Tell whether a node is a checkbox or a radio button."""
        return self.tag(node_id) == "input" and str(
            self.attributes(node_id).get("type", "")
        ).lower() in ("checkbox", "radio")

    def scroll(self, node_id: int) -> tuple[float, float]:
        """Give how far an element or document is scrolled, ``(x, y)`` in CSS px."""
        live = self._live.get(node_id)
        if live is not None and "scroll" in live:
            x, y = live["scroll"]
            return x, y
        attributes = self.attributes(node_id)
        return _number(attributes.get(SCROLL_LEFT)) or 0, _number(attributes.get(SCROLL_TOP)) or 0

    def media(self, node_id: int) -> Mapping[str, Any]:
        """Give the last media interaction of a video or sound; empty when there was none."""
        live = self._live.get(node_id)
        return NOTHING if live is None else live.get("media", NOTHING)

    def is_open(self, node_id: int) -> bool:
        """Tell whether a ``<dialog>`` or ``<details>`` is open."""
        attributes = self.attributes(node_id)
        return attributes.get("open") is not None or attributes.get(OPEN_MODE) is not None

    def sheet_text(self, node_id: int) -> str | None:
        """Give the rules of a ``<style>`` or inlined ``<link>``; None when it has none."""
        node = self._nodes.get(node_id)
        if node is None or self.tag(node_id) not in ("style", "link"):
            return None
        text = css.own_text(node)
        live = self._live.get(node_id)
        edited: css.Sheet | None = None if live is None else live.get("sheet")
        return text if edited is None else edited.text

    def adopted_texts(self, node_id: int) -> list[str]:
        """Give the adopted style sheets of a document or shadow host, in order."""
        return [
            self._sheets[style_id].text
            for style_id in self._adopted.get(node_id, ())
            if style_id in self._sheets
        ]

    # --- finding ------------------------------------------------------------------

    def matches(self, node_id: int, selector: str | Selectors) -> bool:
        """
        Tell whether an element matches.

        Raises:
            ValueError: The selector is not one.
        """
        return bool(Selectors.of(selector).matching(self, node_id))

    def select(self, selector: str | Selectors, node_id: int | None = None) -> list[int]:
        """
        Give the elements that match, in document order, in shadow roots and frames too.

        Args:
            selector: Combinators do not reach across shadow roots and frames.
            node_id: Look only in this node and below.

        Raises:
            ValueError: The selector is not one.
        """
        compiled = Selectors.of(selector)
        return [n["id"] for n in self.walk(node_id) if compiled.matching_node(self, n)]

    def element(self, node_id: int) -> Element:
        """Give an element as selectors see it."""
        return Element(self, self._nodes[node_id])

    def path(self, node_id: int) -> str:
        """
        Give a CSS-like path that leads to a node and nowhere else at this instant.

        ``#cart > li:nth-of-type(2) > button``, from the nearest ancestor with an id of its
        own, else from the root; ``>>>`` leads into a shadow root or a frame.
        """
        if node_id not in self._nodes:
            return ""
        steps: list[str] = []
        current: int | None = node_id
        while current is not None:
            if len(steps) >= 2 * MAX_PATH_STEPS:
                steps.append("… > ")
                break
            node = self._nodes[current]
            if node.get("type") == _ELEMENT:
                anchor = self._anchor(node)
                steps.append(anchor or self._step(node))
                if anchor is not None:
                    break
            elif node.get("type") != _DOCUMENT:
                steps.append("::text" if node.get("type") == _TEXT else "::node")
            up = self._parents.get(current)
            if up is not None and steps:
                above = self._nodes[up]
                if node.get("isShadow") or node.get("type") == _DOCUMENT:
                    steps.append(" >>> ")
                elif above.get("type") == _ELEMENT:
                    steps.append(" > ")
            current = up
        return "".join(reversed(steps)) or "document"

    def to_html(self, node_id: int | None = None) -> str:
        """
        Write the page, or a node of it, as HTML; see `html.serialise`.

        Args:
            node_id: The whole page when None.
        """
        at = self.root if node_id is None else node_id
        return "" if at is None else html.serialise(self, at)

    # --- full snapshot and meta ---------------------------------------------------

    def _full_snapshot(self, data: Any) -> None:
        if not self.holds_page(data):
            self.findings["snapshot_without_tree"] += 1
            return
        root = data["node"]
        self._replant(root)
        self._sheets = {}
        offset = data.get("initialOffset")
        if isinstance(offset, dict):
            at = _number(offset.get("left")) or 0, _number(offset.get("top")) or 0
            self._live[root["id"]] = {"scroll": at}

    def _meta(self, data: Any) -> None:
        href = data.get("href")
        if isinstance(href, str):
            self.url = href
        self._resize(data)

    def _resize(self, data: Any) -> None:
        width, height = _number(data.get("width")), _number(data.get("height"))
        if width is not None and height is not None:
            self.width, self.height = width, height

    # --- beside the tree ----------------------------------------------------------

    def _live_of(self, node_id: Any, what: str) -> dict[str, Any] | None:
        if node_id not in self._nodes:
            if node_id != NO_ID:
                self.findings[what] += 1
            return None
        return self._live.setdefault(node_id, {})

    def _input(self, data: Any) -> None:
        live = self._live_of(data["id"], "input_of_unknown")
        if live is None:
            return
        text = data.get("text")
        if isinstance(text, str):
            live["value"] = text
        live["checked"] = bool(data.get("isChecked"))

    def _scroll(self, data: Any) -> None:
        live = self._live_of(data["id"], "scroll_of_unknown")
        if live is not None:
            live["scroll"] = _number(data.get("x")) or 0, _number(data.get("y")) or 0

    def _media(self, data: Any) -> None:
        live = self._live_of(data["id"], "media_of_unknown")
        if live is not None:
            live["media"] = {**live.get("media", {}), **data}

    def _rule(self, data: Any) -> None:
        style_id = data.get("styleId")
        if style_id:
            sheet = self._sheets.get(style_id)
            if sheet is None:
                self.findings["rule_of_unknown"] += 1
                return
        else:
            node_id = data.get("id")
            live = self._live_of(node_id, "rule_of_unknown")
            if live is None:
                return
            sheet = live.get("sheet")
            if sheet is None:
                sheet = live["sheet"] = css.Sheet(css.own_text(self._nodes[node_id]))
        sheet.edit(data)

    def _adopt(self, data: Any) -> None:
        node_id = data["id"]
        if node_id not in self._nodes:
            self.findings["rule_of_unknown"] += 1
            return
        for style in data.get("styles") or ():
            sheet = self._sheets[style["styleId"]] = css.Sheet("")
            sheet.edit({"adds": style.get("rules")})
        self._adopted[node_id] = [i for i in data.get("styleIds") or () if isinstance(i, int)]

    # --- helpers ------------------------------------------------------------------

    def _selected(self, node_id: int) -> str | None:
        """Give the value of the selected option of a select, else of its first."""
        first = None
        for node in self.walk(node_id):
            if node.get("tagName") != "option":
                continue
            value = self.option_value(node["id"])
            attributes = self.attributes(node["id"])
            if attributes.get("selected") not in (None, False):
                return value
            if first is None:
                first = value
        own = self.attribute(node_id, "value")
        return first if own is None else own

    def _anchor(self, node: Node) -> str | None:
        """Give ``#id`` when the element has an id that no other has."""
        attributes = node.get("attributes")
        own = attribute_text(attributes.get("id")) if isinstance(attributes, dict) else None
        if not own or self.index.by_attribute("id", own) != [node["id"]]:
            return None
        return "#" + css.escape(own)

    def _step(self, node: Node) -> str:
        tag = str(node.get("tagName", "*")).lower()
        parent = self._nodes.get(self._parents.get(node["id"]))  # type: ignore[arg-type]
        if parent is None:
            return tag
        name, shadow = node.get("tagName"), bool(node.get("isShadow"))
        place = same = 0
        for kid in parent["childNodes"]:
            if kid.get("tagName") == name and bool(kid.get("isShadow")) == shadow:
                same += 1
                if kid is node:
                    place = same
                if place and same > 1:
                    break
        return tag if same < 2 else f"{tag}:nth-of-type({place})"


def mirror_of(events: Iterable[tuple[int, int | None, Any]]) -> Mirror:
    """
    Apply events to a new mirror.

    Args:
        events: ``(type, source, data)`` of one window in playing order, data parsed.
    """
    mirror = Mirror()
    for type_, source, data in events:
        mirror.apply(type_, source, data)
    return mirror


def _number(value: Any) -> float | None:
    """Take a finite number; None for anything else."""
    if type(value) in (int, float) and math.isfinite(value):
        return value  # type: ignore[no-any-return]
    return None
