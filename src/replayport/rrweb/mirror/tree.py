"""
The tree of a page and how mutations change it, by the rules of rrweb's replayer.

The parsed JSON *is* the tree: a node is the dict the recorder serialised, kept where
it came in and changed in place, beside two maps (id to node, id to parent id).

```
removes   the node and all below it are forgotten
adds      each waits for its parent or next sibling when they come later in the event
          a document added to an iframe takes the place of the one before, and may come
          before the iframe; children marked isShadow are in the same list as the light ones
texts     a style element's new text takes the rules with it that scripts had inserted
attributes
```

Source:
    rrweb ``packages/rrweb/src/replay/index.ts`` (``applyMutation``),
    ``packages/rrweb-snapshot/src/rebuild.ts``. Where this differs from it is listed in
    docs/explanation/mirror.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from replayport.rrweb.mirror import css
from replayport.rrweb.mirror.html import attribute_text
from replayport.rrweb.mirror.index import ElementIndex
from replayport.rrweb.nodes import CSS_TEXT, Node, NodeType

NO_ID: Final = -1
"""What recorders write for a node they have not serialised."""

LINEAR_CHILDREN: Final = 64
"""Children up to which one is found by looking at each."""

CHAINED_EDITS: Final = 64
"""Edits of a large parent's children in one event after which they are linked for the rest."""

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
BROKEN: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What damaged JSON makes of code that expects rrweb's form."""

_DOCUMENT, _DOCTYPE = int(NodeType.DOCUMENT), int(NodeType.DOCUMENT_TYPE)
_ELEMENT, _TEXT = int(NodeType.ELEMENT), int(NodeType.TEXT)
_LISTED_TAGS: Final = frozenset(("iframe", "style", "textarea"))
"""Elements whose list of children is looked at between the edits of one event."""


class Tree:
    """
    The nodes of one window's page; `Mirror` is one with all that is beside it.

    Attributes:
        root: Id of the document; None before the first full snapshot.
        findings: Codes of `replayport.rrweb.mirror.dom.FINDING_MEANINGS`, counted.
        version: Grows with every change of the tree, its attributes or texts.
    """

    def __init__(self) -> None:
        self.root: int | None = None
        self.findings: Counter[str] = Counter()
        self.version = 0
        self._nodes: dict[int, Node] = {}
        self._parents: dict[int, int] = {}
        self._live: dict[int, dict[str, Any]] = {}
        """What is known of a node beside its serialised form; goes with the node."""
        self._adopted: dict[int, list[int]] = {}
        self._documents: dict[int, dict[str, Any]] = {}
        """Documents of iframes that have not come yet, by the iframe's id."""
        self._unplaced: dict[int, tuple[Node, dict[str, Any]]] = {}
        """Nodes of old recorders whose neighbours were not serialised yet."""
        self._places: dict[int, _Places] = {}
        self._edits: Counter[int] = Counter()
        """Edits in this event of the children of large parents, by the parent's id."""
        self._chains: dict[int, _Chain] = {}
        """Children of parents that this event edits often: their lists are old until its end."""
        self._index: ElementIndex | None = None

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def awaits_documents(self) -> bool:
        """Whether documents of frames came before their frames: they go into the next page."""
        return bool(self._documents)

    def ids(self) -> Iterator[int]:
        """Yield the ids of all nodes, in no order of meaning."""
        return iter(self._nodes)

    def placed(self) -> Iterable[Node]:
        """Give all nodes that are in the tree, in no order of meaning."""
        if self._unplaced:
            return self.walk()
        return self._nodes.values()

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
        return found if isinstance(found, dict) else NOTHING

    def attribute(self, node_id: int, name: str) -> str | None:
        """Give one attribute as HTML would have it; None when it is not there."""
        return attribute_text(self.attributes(node_id).get(name))

    # --- changes ------------------------------------------------------------------

    def _replant(self, root: Node) -> None:
        """Start anew with another tree."""
        self._nodes, self._parents = self._collected(root)
        self.root = root["id"]
        self._live = {}
        self._adopted = {}
        self._unplaced = {}
        self._places = {}
        self._index = None
        self.version += 1
        for frame_id in [i for i in self._documents if i in self._nodes]:
            self._attach_document(frame_id, self._documents.pop(frame_id)["node"])

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

    def _mutation(self, data: Any) -> None:
        self.version += 1
        removed: set[int] = set()
        try:
            for remove in data.get("removes") or ():
                try:
                    removed.add(remove["id"])
                    self._remove(remove)
                except BROKEN:
                    self.findings["damaged_event"] += 1
            if adds := data.get("adds"):
                self._add_all(adds)
        finally:
            if self._edits:
                self._unchain()
        for change in data.get("texts") or ():
            try:
                self._change_text(change, removed)
            except BROKEN:
                self.findings["damaged_event"] += 1
        for change in data.get("attributes") or ():
            try:
                self._change_attributes(change, removed)
            except BROKEN:
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
        chain = self._chain(parent) if len(below) > LINEAR_CHILDREN else None
        if chain is None:
            del below[self._position(parent, node)]
            self._edited(parent)
        else:
            chain.remove(node["id"])
            if self._index is not None:
                self._index.note(parent["id"])
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
                chain = self._chains.pop(node_id, None) if self._chains else None
                stack.extend(below if chain is None else chain.in_order())

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
                ready = None
                current = add
                while True:
                    try:
                        needed = self._add(current)
                        if needed is not None:
                            waiting.setdefault(needed, []).append(current)
                        elif waiting and (found := waiting.pop(current["node"]["id"], None)):
                            ready = [*(ready or ()), *reversed(found)]
                    except BROKEN:
                        self.findings["damaged_event"] += 1
                    if not ready:
                        break
                    current = ready.pop()
            # What a frame's document brought was not waited for one by one.
            came = [needed for needed in waiting if needed in self._nodes]
            pending = [add for needed in came for add in waiting.pop(needed)]
        for left in waiting.values():
            for add in left:
                known = add.get("parentId") in self._nodes
                self.findings["add_without_sibling" if known else "add_without_parent"] += 1

    def _add(self, add: dict[str, Any]) -> Any:
        """Add one node; give the id it has to wait for, None when it is done with."""
        # Most events are adds and most of a page came by them: each look-up here is felt.
        node, parent_id, next_id = add["node"], add["parentId"], add.get("nextId")
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
        after = nodes.get(next_id) if next_id else None
        if after is None and next_id is not None and next_id != NO_ID:
            return next_id
        if "rootId" in node and (root_id := node["rootId"]) and root_id not in nodes:
            self.findings["add_without_document"] += 1
            return None
        tag = parent.get("tagName")
        if tag == "iframe":
            self._attach_document(parent_id, node)
            return None
        if "childNodes" not in parent:
            if parent.get("type") not in (_ELEMENT, _DOCUMENT):
                self.findings["damaged_node"] += 1
                return None
            parent["childNodes"] = []
        if node_id in nodes:
            node = self._add_again(nodes[node_id], node, parent_id)
            if node is None:
                return None
        elif node.get("childNodes"):
            node["childNodes"] = []
        nodes[node_id] = node
        previous_id = add.get("previousId")
        if previous_id == NO_ID or next_id == NO_ID:
            self._unplaced[node_id] = node, add
            return None
        below = parent["childNodes"]
        if (
            previous_id
            or self._places
            or len(below) > LINEAR_CHILDREN
            or tag in _LISTED_TAGS
            or parent.get("type") != _ELEMENT
        ):
            self._put(parent, node, after, nodes.get(previous_id) if previous_id else None)
        else:  # what nearly every add is: `_put` without its special cases
            parents = self._parents
            if after is None or parents.get(after["id"]) != parent_id:
                below.append(node)
            elif below and below[0] is after:
                below.insert(0, node)
            else:
                below.insert(self._position(parent, after), node)
            parents[node_id] = parent_id
            if self._index is not None:
                self._index.note(node_id)
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
        if previous is not None and self._parents.get(previous["id"]) != parent_id:
            previous = None
        if after is not None and self._parents.get(after["id"]) != parent_id:
            after = None
        chain = self._chain(parent) if len(below) > LINEAR_CHILDREN else None
        if chain is not None:
            chain.put(node, previous, after)
        else:
            position = len(below)
            if previous is not None:
                position = self._position(parent, previous) + 1
            elif after is not None:
                position = self._position(parent, after)
            below.insert(position, node)
            if self._places and (places := self._places.get(parent_id)) is not None:
                places.put(node_id, position)
        self._parents[node_id] = parent_id
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

    def _chain(self, parent: Node) -> _Chain | None:
        """Count an edit of a large parent's children; link them when there have been many."""
        parent_id = parent["id"]
        chain = self._chains.get(parent_id)
        if chain is None:
            self._edits[parent_id] += 1
            if (
                self._edits[parent_id] <= CHAINED_EDITS
                or parent.get("type") != _ELEMENT
                or parent.get("tagName") in _LISTED_TAGS
            ):
                return None
            chain = self._chains[parent_id] = _Chain(parent["childNodes"])
        return chain

    def _unchain(self) -> None:
        """Bring the lists of linked children up to date: the event's edits are done."""
        for parent_id, chain in self._chains.items():
            self._nodes[parent_id]["childNodes"] = chain.in_order()
            self._places.pop(parent_id, None)
        self._chains.clear()
        self._edits.clear()

    def _edited(self, parent: Node) -> None:
        """Note that a child left."""
        places = self._places.get(parent["id"])
        if places is not None:
            places.edits += 1
        if self._index is not None:
            self._index.note(parent["id"])


class _Chain:
    """
    The children of one parent, each linked to the next: every edit costs the same.

    A list moves half of its items for each one inserted. None stands for both ends.
    """

    __slots__ = ("_after", "_before", "_nodes")

    def __init__(self, below: list[Node]) -> None:
        ids: list[int | None] = [kid["id"] for kid in below]
        self._nodes = dict(zip(ids, below, strict=True))
        self._after: dict[int | None, int | None] = dict(
            zip([None, *ids], [*ids, None], strict=True)
        )
        self._before = {after: before for before, after in self._after.items()}

    def put(self, node: Node, previous: Node | None, after: Node | None) -> None:
        """Insert a node behind ``previous``, or before ``after``, or at the end."""
        node_id = node["id"]
        if previous is not None:
            before_id = previous["id"]
            after_id = self._after[before_id]
        else:
            after_id = None if after is None else after["id"]
            before_id = self._before[after_id]
        self._nodes[node_id] = node
        self._after[before_id] = self._before[after_id] = node_id
        self._after[node_id], self._before[node_id] = after_id, before_id

    def remove(self, node_id: int) -> None:
        """Take a node out."""
        del self._nodes[node_id]
        before_id, after_id = self._before.pop(node_id), self._after.pop(node_id)
        self._after[before_id], self._before[after_id] = after_id, before_id

    def in_order(self) -> list[Node]:
        """Give the nodes as they stand."""
        after, nodes = self._after, self._nodes
        found = []
        current = after[None]
        while current is not None:
            found.append(nodes[current])
            current = after[current]
        return found


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
