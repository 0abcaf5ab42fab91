"""
Rebuilds the DOM of one window from its events, by the rules of rrweb's replayer.

The parsed JSON *is* the tree: a node is the dict the recorder serialised, kept where
it came in and changed in place, beside two maps (id to node, id to parent id). Names,
paths, texts are worked out when asked for.

```
full snapshot     the tree, everything before it is forgotten
mutation          removes, then adds, then texts, then attributes
  add             waits for its parent or next sibling when they come later in the event
  iframe          a document node below the iframe's element; may come before the iframe
  shadow root     children marked isShadow, in the same list as the light ones
input, scroll …   beside the node, in `_live`: they are no part of its attributes
```

Whatever is wrong with a tree is counted in `Mirror.findings`, never raised.

Source:
    rrweb ``packages/rrweb/src/replay/index.ts`` (``applyMutation``, ``applyInput``),
    ``packages/rrweb-snapshot/src/rebuild.ts``. Where this differs from it is listed in
    docs/explanation/mirror.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from replayport.rrweb.events import EventType, IncrementalSource
from replayport.rrweb.mirror import accessible, css, html
from replayport.rrweb.mirror.index import ElementIndex
from replayport.rrweb.mirror.selectors import Element, Selectors
from replayport.rrweb.nodes import (
    CSS_SPLIT_MARKER,
    CSS_TEXT,
    OPEN_MODE,
    SCROLL_LEFT,
    SCROLL_TOP,
    Node,
    NodeType,
)

NO_ID: Final = -1
"""What recorders write for a node they have not serialised."""

LINEAR_CHILDREN: Final = 64
"""Children up to which one is found by looking at each."""

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

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_BROKEN: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What damaged JSON makes of code that expects rrweb's form."""

_DOCUMENT, _DOCTYPE = int(NodeType.DOCUMENT), int(NodeType.DOCUMENT_TYPE)
_ELEMENT, _TEXT = int(NodeType.ELEMENT), int(NodeType.TEXT)


class Mirror:
    """
    The DOM of one window, at the instant of the last event applied.

    Feed it the window's events in playing order. It takes the parsed values over: what
    was given to `apply` must not be changed afterwards, and changes with the page.

    Node ids are rrweb's. Questions about an id that is not there answer None or empty.

    Attributes:
        root: Id of the document; None before the first full snapshot.
        url: Address of the page as the last Meta event had it; empty when unknown.
        width, height: Viewport in CSS px; None when unknown.
        findings: Codes of `FINDING_MEANINGS`, counted.
        version: Grows with every change of the tree, its attributes or texts.
    """

    def __init__(self) -> None:
        self.root: int | None = None
        self.url = ""
        self.width: float | None = None
        self.height: float | None = None
        self.findings: Counter[str] = Counter()
        self.version = 0
        self._nodes: dict[int, Node] = {}
        self._parents: dict[int, int] = {}
        self._live: dict[int, dict[str, Any]] = {}
        self._sheets: dict[int, css.Sheet] = {}
        self._adopted: dict[int, list[int]] = {}
        self._documents: dict[int, dict[str, Any]] = {}
        """Documents of iframes that have not come yet, by the iframe's id."""
        self._unplaced: dict[int, tuple[Node, dict[str, Any]]] = {}
        """Nodes of old recorders whose neighbours were not serialised yet."""
        self._places: dict[int, _Places] = {}
        self._index: ElementIndex | None = None
        self._handlers = {
            int(IncrementalSource.MUTATION): self._mutation,
            int(IncrementalSource.SCROLL): self._scroll,
            int(IncrementalSource.VIEWPORT_RESIZE): self._resize,
            int(IncrementalSource.INPUT): self._input,
            int(IncrementalSource.MEDIA_INTERACTION): self._media,
            int(IncrementalSource.STYLE_SHEET_RULE): self._rule,
            int(IncrementalSource.STYLE_DECLARATION): self._rule,
            int(IncrementalSource.ADOPTED_STYLE_SHEET): self._adopt,
        }

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
            if type_ == EventType.INCREMENTAL_SNAPSHOT:
                handler = self._handlers.get(source)  # type: ignore[arg-type]
                if handler is None:
                    return
                if self.root is None and source != IncrementalSource.VIEWPORT_RESIZE:
                    self.findings["before_full_snapshot"] += 1
                    return
                handler(data)
            elif type_ == EventType.FULL_SNAPSHOT:
                self._full_snapshot(data)
            elif type_ == EventType.META:
                self._meta(data)
        except _BROKEN:
            self.findings["damaged_event"] += 1

    # --- the tree -----------------------------------------------------------------

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def ids(self) -> Iterator[int]:
        """Yield the ids of all nodes, in no order of meaning."""
        return iter(self._nodes)

    def node(self, node_id: int) -> Node | None:
        """Give a node as serialised, with all changes since; not to be changed."""
        return self._nodes.get(node_id)

    def parent(self, node_id: int) -> int | None:
        """Give the parent's id: a shadow root's host, an iframe's element for a document."""
        return self._parents.get(node_id)

    def children(self, node_id: int) -> list[int]:
        """Give the ids of the children in order, without those of a shadow root."""
        return [k["id"] for k in self.kids(node_id) if not k.get("isShadow")]

    def shadow_children(self, node_id: int) -> list[int]:
        """Give the ids of the children of an element's shadow root, in order."""
        return [k["id"] for k in self.kids(node_id) if k.get("isShadow")]

    def kids(self, node_id: int) -> list[Node]:
        """Give the child nodes themselves, light and shadow mixed; not to be changed."""
        node = self._nodes.get(node_id)
        return [] if node is None else (node.get("childNodes") or [])

    def ancestors(self, node_id: int) -> Iterator[int]:
        """Yield the ids of the ancestors, the nearest first."""
        parents = self._parents
        current = parents.get(node_id)
        while current is not None:
            yield current
            current = parents.get(current)

    def walk(self, node_id: int | None = None) -> Iterator[Node]:
        """
        Yield a node and all below it in document order, shadow roots and frames too.

        Args:
            node_id: Where to start; the whole page when None.
        """
        start = self._nodes.get(self.root if node_id is None else node_id)  # type: ignore[arg-type]
        stack = [] if start is None else [start]
        while stack:
            node = stack.pop()
            yield node
            if below := node.get("childNodes"):
                stack.extend(reversed(below))

    def tag(self, node_id: int) -> str:
        """Give an element's tag name, lower case; empty for anything else."""
        node = self._nodes.get(node_id)
        name = None if node is None else node.get("tagName")
        return name.lower() if isinstance(name, str) else ""

    def attributes(self, node_id: int) -> Mapping[str, Any]:
        """Give the attributes: strings, numbers, True, or None; not to be changed."""
        node = self._nodes.get(node_id)
        found = None if node is None else node.get("attributes")
        return found if isinstance(found, dict) else _NOTHING

    def attribute(self, node_id: int, name: str) -> str | None:
        """Give one attribute as HTML would have it; None when it is not there."""
        return html.attribute_text(self.attributes(node_id).get(name))

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
        return _NOTHING if live is None else live.get("media", _NOTHING)

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
                anchor = self._anchor(current)
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
        root = data.get("node") if isinstance(data, dict) else None
        if not isinstance(root, dict) or type(root.get("id")) is not int:
            self.findings["snapshot_without_tree"] += 1
            return
        self._nodes, self._parents = self._collected(root)
        self.root = root["id"]
        self._live = {}
        self._sheets = {}
        self._adopted = {}
        self._unplaced = {}
        self._places = {}
        self._index = None
        self.version += 1
        offset = data.get("initialOffset")
        if isinstance(offset, dict):
            at = _number(offset.get("left")) or 0, _number(offset.get("top")) or 0
            self._live[root["id"]] = {"scroll": at}
        for frame_id in [i for i in self._documents if i in self._nodes]:
            self._attach_document(frame_id, self._documents.pop(frame_id)["node"])

    def _meta(self, data: Any) -> None:
        href = data.get("href")
        if isinstance(href, str):
            self.url = href
        self._resize(data)

    def _resize(self, data: Any) -> None:
        width, height = _number(data.get("width")), _number(data.get("height"))
        if width is not None and height is not None:
            self.width, self.height = width, height

    def _collected(self, root: Node) -> tuple[dict[int, Node], dict[int, int]]:
        """Map a tree, mending it first when something in it is no node."""
        try:
            nodes, parents, walked = _map_tree(root)
            if walked == len(nodes) and _all_integers(nodes):
                return nodes, parents
        except (KeyError, TypeError, AttributeError):
            pass
        self._mend(root)
        nodes, parents, _ = _map_tree(root)
        return nodes, parents

    def _mend(self, root: Node) -> None:
        seen = {root["id"]}
        stack = [root]
        while stack:
            node = stack.pop()
            below = node.get("childNodes")
            if below is None:
                continue
            if not isinstance(below, list):
                self.findings["damaged_node"] += 1
                node["childNodes"] = []
                continue
            good = []
            for kid in below:
                kid_id = kid.get("id") if isinstance(kid, dict) else None
                if type(kid_id) is not int:
                    self.findings["damaged_node"] += 1
                elif kid_id in seen:
                    self.findings["duplicate_node"] += 1
                else:
                    seen.add(kid_id)
                    good.append(kid)
            node["childNodes"] = good
            stack.extend(reversed(good))

    # --- mutations ----------------------------------------------------------------

    def _mutation(self, data: Any) -> None:
        self.version += 1
        removed: set[int] = set()
        for remove in data.get("removes") or ():
            try:
                removed.add(remove["id"])
                self._remove(remove)
            except _BROKEN:
                self.findings["damaged_event"] += 1
        if adds := data.get("adds"):
            self._add_all(adds)
        for change in data.get("texts") or ():
            try:
                self._change_text(change, removed)
            except _BROKEN:
                self.findings["damaged_event"] += 1
        for change in data.get("attributes") or ():
            try:
                self._change_attributes(change, removed)
            except _BROKEN:
                self.findings["damaged_event"] += 1

    def _remove(self, remove: dict[str, Any]) -> None:
        node = self._nodes.get(remove["id"])
        if node is None:
            self.findings["remove_of_unknown"] += 1
            return
        if node["id"] == self.root:
            self.findings["damaged_event"] += 1
            return
        if self._parents.get(node["id"]) != remove.get("parentId"):
            self.findings["remove_from_other_parent"] += 1
        self._detach(node)
        self._forget(node)

    def _detach(self, node: Node) -> None:
        """Take a node out of its parent's children; it stays known."""
        parent_id = self._parents.pop(node["id"], None)
        parent = None if parent_id is None else self._nodes.get(parent_id)
        if parent is None:
            return
        below = parent["childNodes"]
        position = self._position(parent, node)
        del below[position]
        self._edited(parent)
        if node.get("type") == _TEXT:
            self._style_text_changed(parent)

    def _forget(self, node: Node) -> None:
        """Let go of a node and all below it."""
        nodes, parents, live = self._nodes, self._parents, self._live
        stack = [node]
        while stack:
            current = stack.pop()
            node_id = current["id"]
            if nodes.get(node_id) is current:
                del nodes[node_id]
                parents.pop(node_id, None)
                if live:
                    live.pop(node_id, None)
                if self._adopted:
                    self._adopted.pop(node_id, None)
                if self._places:
                    self._places.pop(node_id, None)
            if below := current.get("childNodes"):
                stack.extend(below)

    def _add_all(self, adds: Any) -> None:
        """
        Add nodes that may come before what they hang on.

        Each that cannot be placed waits for the one it needs; what still waits at the end
        is counted and dropped, as rrweb does.
        """
        waiting: dict[Any, list[dict[str, Any]]] = {}
        pending = list(adds)
        while pending:
            for add in pending:
                ready = [add]
                while ready:
                    current = ready.pop()
                    try:
                        needed = self._add(current)
                        if needed is not None:
                            waiting.setdefault(needed, []).append(current)
                        elif waiting and (found := waiting.pop(current["node"]["id"], None)):
                            ready.extend(reversed(found))
                    except _BROKEN:
                        self.findings["damaged_event"] += 1
            # What a frame's document brought was not waited for one by one.
            came = [needed for needed in waiting if needed in self._nodes]
            pending = [add for needed in came for add in waiting.pop(needed)]
        for left in waiting.values():
            for add in left:
                known = add.get("parentId") in self._nodes
                self.findings["add_without_sibling" if known else "add_without_parent"] += 1

    def _add(self, add: dict[str, Any]) -> Any:
        """Add one node; give the id it has to wait for, None when it is done with."""
        node, parent_id = add["node"], add["parentId"]
        node_id = node["id"]
        if type(node_id) is not int:
            self.findings["damaged_node"] += 1
            return None
        nodes = self._nodes
        parent = nodes.get(parent_id)
        if parent is None:
            if node.get("type") == _DOCUMENT:
                self._documents[parent_id] = add
                return None
            return parent_id
        next_id = add.get("nextId")
        after = nodes.get(next_id) if next_id else None
        if after is None and next_id is not None and next_id != NO_ID:
            return next_id
        root_id = node.get("rootId")
        if root_id and root_id not in nodes:
            self.findings["add_without_document"] += 1
            return None
        if parent.get("tagName") == "iframe":
            self._attach_document(parent_id, node)
            return None
        if "childNodes" not in parent:
            if parent.get("type") not in (_ELEMENT, _DOCUMENT):
                self.findings["damaged_node"] += 1
                return None
            parent["childNodes"] = []
        kept = nodes.get(node_id)
        if kept is not None:
            node = self._add_again(kept, node, parent_id)
            if node is None:
                return None
        elif node.get("childNodes"):
            node["childNodes"] = []
        nodes[node_id] = node
        previous_id = add.get("previousId")
        if previous_id == NO_ID or next_id == NO_ID:
            self._unplaced[node_id] = node, add
            return None
        self._put(parent, node, after, nodes.get(previous_id) if previous_id else None)
        if self._unplaced and (previous_id or next_id):
            self._place_neighbours(parent, node, add)
        if self._documents and node_id in self._documents:
            self._attach_document(node_id, self._documents.pop(node_id)["node"])
        return None

    def _add_again(self, kept: Node, node: Node, parent_id: int) -> Node | None:
        """
        Deal with an id that is in use: rrweb moves the node when it is the same.

        Returns:
            The node to put at the new place; None when it must not be.
        """
        self.findings["duplicate_node"] += 1
        if kept["id"] == parent_id or kept["id"] in self.ancestors(parent_id):
            self.findings["add_into_itself"] += 1
            return None
        self._detach(kept)
        if _same_node(kept, node):
            return kept
        self._forget(kept)
        if node.get("childNodes"):
            node["childNodes"] = []
        return node

    def _put(self, parent: Node, node: Node, after: Node | None, previous: Node | None) -> None:
        """Insert a node before ``after``, or behind ``previous``, or at the end."""
        parent_id, node_id = parent["id"], node["id"]
        below = parent["childNodes"]
        if parent.get("type") == _DOCUMENT:
            self._replace_in_document(parent, node)
        elif node.get("type") == _TEXT:
            self._put_text(parent, node)
        position = len(below)
        if previous is not None and self._parents.get(previous["id"]) == parent_id:
            position = self._position(parent, previous) + 1
        elif after is not None and self._parents.get(after["id"]) == parent_id:
            position = self._position(parent, after)
        below.insert(position, node)
        self._parents[node_id] = parent_id
        places = self._places.get(parent_id)
        if places is not None:
            places.put(node_id, position)
        if self._index is not None:
            self._index.note(node_id)

    def _put_text(self, parent: Node, node: Node) -> None:
        tag = parent.get("tagName")
        if tag == "textarea":
            _drop_value(parent)
            for kid in [k for k in parent["childNodes"] if k.get("type") == _TEXT]:
                self._detach(kid)
                self._forget(kid)
        elif tag == "style":
            attributes = parent.get("attributes")
            if isinstance(attributes, dict) and isinstance(attributes.get(CSS_TEXT), str):
                if not parent["childNodes"]:
                    node["textContent"] = attributes.pop(CSS_TEXT)
                else:
                    css.split_into_children(parent)
            self._style_text_changed(parent)

    def _replace_in_document(self, document: Node, node: Node) -> None:
        """A document has one doctype and one root element: the new one takes the place."""
        kind = node.get("type")
        for kid in list(document["childNodes"]):
            if kind == kid.get("type") and kind in (_DOCTYPE, _ELEMENT):
                self._detach(kid)
                self._forget(kid)

    def _place_neighbours(self, parent: Node, node: Node, add: dict[str, Any]) -> None:
        """Place what waited for its neighbour (old recorders, ``previousId`` -1)."""
        todo = [(node, add)]
        while todo:
            anchor, mutation = todo.pop()
            for key, behind in (("previousId", False), ("nextId", True)):
                found = self._unplaced.pop(mutation.get(key), None)  # type: ignore[arg-type]
                if found is None:
                    continue
                other, other_add = found
                if behind:
                    self._put(parent, other, None, anchor)
                else:
                    self._put(parent, other, anchor, None)
                todo.append((other, other_add))

    def _attach_document(self, frame_id: int, document: Node) -> None:
        """Put a frame's document below its iframe, in place of an older one."""
        frame = self._nodes[frame_id]
        if document.get("type") != _DOCUMENT:
            return
        for kid in list(frame.get("childNodes") or ()):
            self._detach(kid)
            self._forget(kid)
        nodes, parents = self._collected(document)
        for node_id in nodes.keys() & self._nodes.keys():
            self.findings["duplicate_node"] += 1
            if node_id == self.root or node_id == frame_id or node_id in self.ancestors(frame_id):
                self.findings["add_into_itself"] += 1
                return
            if (old := self._nodes.get(node_id)) is not None:
                self._detach(old)
                self._forget(old)
        frame["childNodes"] = [document]
        self._nodes.update(nodes)
        self._parents.update(parents)
        self._parents[document["id"]] = frame_id
        if self._index is not None:
            self._index.note(document["id"])
        if self._documents:
            for inner_id in [i for i in self._documents if i in nodes]:
                self._attach_document(inner_id, self._documents.pop(inner_id)["node"])

    def _change_text(self, change: dict[str, Any], removed: set[int]) -> None:
        node_id, value = change["id"], change.get("value")
        node = self._nodes.get(node_id)
        if node is None:
            if node_id not in removed:
                self.findings["text_of_unknown"] += 1
            return
        if node.get("type") in (_DOCUMENT, _DOCTYPE, _ELEMENT):
            self.findings["damaged_event"] += 1
            return
        parent = self._nodes.get(self._parents.get(node_id))  # type: ignore[arg-type]
        if parent is not None and parent.get("tagName") in ("style", "textarea"):
            if parent["tagName"] == "style":
                css.split_into_children(parent)
                self._style_text_changed(parent)
            else:
                _drop_value(parent)
        node["textContent"] = value if isinstance(value, str) else ""
        if self._index is not None:
            self._index.note(node_id)

    def _change_attributes(self, change: dict[str, Any], removed: set[int]) -> None:
        node_id = change["id"]
        node = self._nodes.get(node_id)
        if node is None:
            if node_id not in removed:
                self.findings["attributes_of_unknown"] += 1
            return
        attributes = node.get("attributes")
        if not isinstance(attributes, dict):
            attributes = node["attributes"] = {}
        for name, value in change["attributes"].items():
            if value is None:
                attributes.pop(name, None)
            elif isinstance(value, str):
                attributes[name] = value
                if name == CSS_TEXT and (live := self._live.get(node_id)) is not None:
                    live.pop("sheet", None)
            elif name == "style" and isinstance(value, dict):
                attributes["style"] = css.change_style(attributes.get("style"), value)
        if self._index is not None:
            self._index.note(node_id)

    def _style_text_changed(self, parent: Node) -> None:
        """A style element's new text takes the rules with it that scripts had inserted."""
        live = self._live.get(parent["id"])
        if live is not None:
            live.pop("sheet", None)

    def _position(self, parent: Node, node: Node) -> int:
        """Give a child's position; ValueError when it is none of the parent's."""
        below: list[Node] = parent["childNodes"]
        if len(below) <= LINEAR_CHILDREN:
            for position, kid in enumerate(below):
                if kid is node:
                    return position
            raise ValueError("not a child")
        if below[-1] is node:
            return len(below) - 1
        places = self._places.get(parent["id"])
        if places is None:
            places = self._places[parent["id"]] = _Places()
        return places.find(below, node)

    def _edited(self, parent: Node) -> None:
        """Note that a child left."""
        places = self._places.get(parent["id"])
        if places is not None:
            places.edits += 1
        if self._index is not None:
            self._index.note(parent["id"])

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

    def _anchor(self, node_id: int) -> str | None:
        """Give ``#id`` when the element has an id that no other has."""
        own = self.attribute(node_id, "id")
        if not own or self.index.by_attribute("id", own) != [node_id]:
            return None
        return "#" + css.escape(own)

    def _step(self, node: Node) -> str:
        tag = str(node.get("tagName", "*")).lower()
        parent = self._nodes.get(self._parents.get(node["id"]))  # type: ignore[arg-type]
        if parent is None:
            return tag
        same = [
            k
            for k in parent["childNodes"]
            if k.get("tagName") == node.get("tagName")
            and bool(k.get("isShadow")) == bool(node.get("isShadow"))
        ]
        if len(same) < 2:
            return tag
        place = next(i for i, k in enumerate(same, 1) if k is node)
        return f"{tag}:nth-of-type({place})"


class _Places:
    """
    Where the children of a large parent are, about.

    Positions are noted once and drift by one with each edit, so a child is found within
    that distance of where it was; they are noted anew when the drift would cost more.
    """

    __slots__ = ("edits", "limit", "places")

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.edits = self.limit = 0

    def put(self, node_id: int, position: int) -> None:
        self.places[node_id] = position
        self.edits += 1

    def find(self, below: list[Node], node: Node) -> int:
        if self.edits >= self.limit:
            self.places = {k["id"]: i for i, k in enumerate(below)}
            self.edits, self.limit = 0, max(LINEAR_CHILDREN, math.isqrt(len(below)))
        about = self.places[node["id"]]
        last = len(below) - 1
        for away in range(self.edits + 1):
            for position in (about - away, about + away):
                if 0 <= position <= last and below[position] is node:
                    return position
        raise ValueError("not a child")


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


def _map_tree(root: Node) -> tuple[dict[int, Node], dict[int, int], int]:
    """
    Map ids to nodes and to parents.

    Returns:
        Both maps and the number of nodes walked; the map holds fewer when an id repeats.

    Raises:
        KeyError, TypeError: Something in the tree is no node.
    """
    nodes = {root["id"]: root}
    parents: dict[int, int] = {}
    walked = 1
    stack = [root]
    while stack:
        node = stack.pop()
        below = node.get("childNodes") or ()
        walked += len(below)
        parent_id = node["id"]
        for kid in below:
            kid_id = kid["id"]
            nodes[kid_id] = kid
            parents[kid_id] = parent_id
            if kid.get("childNodes"):
                stack.append(kid)
    return nodes, parents, walked


def _all_integers(nodes: Mapping[int, Node]) -> bool:
    return set(map(type, nodes)) == {int}


def _same_node(kept: Node, node: Node) -> bool:
    """Tell whether a node that came again is as it was, children aside."""
    keys = ("type", "tagName", "attributes", "textContent", "isSVG", "needBlock")
    return all(kept.get(k) == node.get(k) for k in keys)


def _drop_value(textarea: Node) -> None:
    """From the first change of its text on, a textarea's serialised value is old."""
    attributes = textarea.get("attributes")
    if isinstance(attributes, dict):
        attributes.pop("value", None)


def _number(value: Any) -> float | None:
    """Take a finite number; None for anything else."""
    if type(value) in (int, float) and math.isfinite(value):
        return value  # type: ignore[no-any-return]
    return None


__all__ = ["CSS_SPLIT_MARKER", "FINDING_MEANINGS", "Mirror", "mirror_of"]
