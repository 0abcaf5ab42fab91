"""
Every place of an event that holds text, in an order that is the same each time.

Where something has to change and the mirror, which takes the value over, has changed it
since, a `Sheet` is filled twice: once with that value, and once with the one that is
written. The same place has the same number in both.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import orjson

from replayport.rrweb.nodes import Node

TEXT: Final = 0
"""``textContent`` of a node."""
ATTRIBUTE: Final = 1
CSS: Final = 2
VALUE: Final = 3
"""A string in JSON that is no page: console, network, custom events, analytics."""
KEY: Final = 4
"""A key of such JSON."""

MAX_NESTED: Final = 4
"""JSON inside JSON strings that is taken apart; deeper is looked at as text."""
MAX_LIST_RUN: Final = 64
"""Neighbouring strings of a list that are looked at together."""

INLINE: Final = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "ruby",
        "rt",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    ]
)
"""Elements whose text goes on in the same line."""

_BREAK: Final[Node] = {}


class Sheet:
    """
    Places of one event.

    Attributes:
        texts: What each place holds.
        owners, keys: Where: ``owners[i][keys[i]]``.
        kinds: `TEXT`, `ATTRIBUTE` and so on.
        nodes: Node id of each; 0 where there is none.
        tags: Tag of the element, of attributes.
        runs: Places that are read one after another.
        elements: Element nodes met.
        chosen: ``(owner, key)`` of what the rule for keys chose; nothing in it is noted.
    """

    __slots__ = (
        "_choose",
        "chosen",
        "elements",
        "keys",
        "kinds",
        "nested",
        "nodes",
        "owners",
        "renames",
        "run",
        "runs",
        "tags",
        "texts",
    )

    def __init__(self, choose: Callable[[str, dict[str, Any]], bool] | None = None) -> None:
        self._choose = choose
        self.chosen: list[tuple[Any, Any]] = []
        self.texts: list[str] = []
        self.owners: list[Any] = []
        self.keys: list[Any] = []
        self.kinds: list[int] = []
        self.nodes: list[int] = []
        self.tags: list[str] = []
        self.runs: list[list[int]] = []
        self.run: list[int] = []
        self.elements: list[Node] = []
        self.nested: list[tuple[Any, Any, Any, bytes]] = []
        self.renames: list[tuple[dict[str, Any], str, str]] = []

    def add(self, text: str, owner: Any, key: Any, kind: int, node: int = 0, tag: str = "") -> None:
        """Note a place."""
        self.texts.append(text)
        self.owners.append(owner)
        self.keys.append(key)
        self.kinds.append(kind)
        self.nodes.append(node)
        self.tags.append(tag)

    def put(self, i: int, text: str) -> None:
        """Put another text in a place."""
        if self.kinds[i] == KEY:
            self.renames.append((self.owners[i], self.keys[i], text))
        else:
            self.owners[i][self.keys[i]] = text

    def lent(self, edits: dict[int, str], value: Any) -> bytes:
        """
        Give a tree's JSON with other texts, and leave the tree as it was.

        Args:
            edits: Text by place, of trees: none is a key, or in JSON inside a string.
            value: What the places are in.
        """
        for i, text in edits.items():
            self.put(i, text)
        written = dumps(value)
        for i in edits:
            self.put(i, self.texts[i])
        return written

    def close(self) -> None:
        """Write what was taken apart back: renamed keys, JSON inside strings."""
        renames: dict[int, tuple[dict[str, Any], dict[str, str]]] = {}
        for owner, old, new in self.renames:
            renames.setdefault(id(owner), (owner, {}))[1][old] = new
        for owner, names in renames.values():
            items = list(owner.items())
            owner.clear()
            for key, value in items:
                owner[names.get(key, key)] = value
        for owner, key, inner, before in reversed(self.nested):
            if (after := dumps(inner)) != before:
                owner[key] = after.decode("utf-8", "surrogatepass")

    # --- pages ----------------------------------------------------------------------

    def tree(self, root: Any) -> None:
        """Note the places of a node and all below it."""
        stack = [root]
        while stack:
            node = stack.pop()
            if node is _BREAK:
                self.end_run()
                continue
            if not isinstance(node, dict):
                continue
            kind = node.get("type")
            node_id = node.get("id")
            if type(node_id) is not int:
                node_id = 0
            below = node.get("childNodes")
            if kind == 2:
                self.elements.append(node)
                tag = node.get("tagName")
                if not isinstance(tag, str):
                    tag = ""
                is_block = tag not in INLINE
                if is_block:
                    self.end_run()
                attributes = node.get("attributes")
                if isinstance(attributes, dict):
                    self.attributes(attributes, node_id, tag)
                if is_block and below:
                    stack.append(_BREAK)
            elif kind in (3, 4, 5):
                text = node.get("textContent")
                if isinstance(text, str) and text:
                    if kind == 3 and not text.isspace():
                        self.run.append(len(self.texts))
                    self.add(text, node, "textContent", TEXT, node_id)
            elif kind != 0:
                for name in ("name", "publicId", "systemId"):
                    if isinstance(value := node.get(name), str) and value:
                        self.add(value, node, name, VALUE, node_id)
            if isinstance(below, list):
                stack.extend(reversed(below))
        self.end_run()

    def end_run(self) -> None:
        """The next text is not read on from the one before."""
        if self.run:
            if len(self.run) > 1:
                self.runs.append(self.run)
            self.run = []

    def attributes(self, attributes: dict[str, Any], node_id: int, tag: str) -> None:
        """Note the attributes of an element, or the changes of them."""
        for name, value in attributes.items():
            if type(value) is str:
                if value:
                    kind = CSS if name in ("_cssText", "style") else ATTRIBUTE
                    self.add(value, attributes, name, kind, node_id, tag)
            elif isinstance(value, dict | list):  # a style object, or something unheard of
                self.json(value, kind=CSS, node=node_id)

    # --- JSON -----------------------------------------------------------------------

    def json(self, value: Any, *, kind: int = VALUE, node: int = 0, depth: int = 0) -> None:
        """
        Note the places of any JSON object or list, JSON inside its strings too.

        Args:
            value: It; a string by itself has no owner and cannot be noted.
            kind: What its strings are.
            node: Id of the node it is of.
            depth: How many strings it was in.
        """
        stack = [value]
        choose = self._choose if kind == VALUE else None
        while stack:
            current = stack.pop()
            if isinstance(current, dict):
                items: Any = current.items()
                for name in current:
                    if len(name) > 5 and kind == VALUE:
                        self.add(name, current, name, KEY, node)
            elif isinstance(current, list):
                items = enumerate(current)
                if 1 < len(current) <= MAX_LIST_RUN and kind == VALUE:
                    first = len(self.texts)
                    n = sum(type(v) is str and bool(v) for v in current)
                    if n == len(current) and not any(v[:1] in "{[" for v in current):
                        self.runs.append(list(range(first, first + n)))
            else:
                continue
            for key, item in items:
                if choose is not None and type(key) is str and choose(key, current):
                    self.chosen.append((current, key))
                    continue
                if type(item) is str:
                    if not item:
                        continue
                    if kind == VALUE and item[0] in "{[" and depth < MAX_NESTED and len(item) > 2:
                        inner = loads(item.encode("utf-8", "surrogatepass"))
                        if isinstance(inner, dict | list):
                            self.nested.append((current, key, inner, dumps(inner)))
                            self.json(inner, node=node, depth=depth + 1)
                            continue
                    self.add(item, current, key, kind, node)
                elif isinstance(item, dict | list):
                    stack.append(item)


def loads(raw: bytes) -> Any:
    """
    Parse JSON.

    Returns:
        None when it does not parse, or is nested deeper than can be walked.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:  # lone surrogates, which JavaScript writes
        return json.loads(raw.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None


def dumps(value: Any) -> bytes:
    """Write JSON as JavaScript does: no spaces, no escapes that are not needed."""
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
        return text.encode()
