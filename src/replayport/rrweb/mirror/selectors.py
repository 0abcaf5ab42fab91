"""
CSS selectors over the mirror: compiled once, cheap on every node.

`cssselect2` parses and compiles selectors; this gives it elements of the mirror to look
at (`Element`) and sorts the compiled selectors by what their last part asks for, so that
most nodes are done with after a few dictionary look-ups:

```
#checkout            by id
.card > .price       by class   price
button:not(.ghost)   by tag     button
[data-private]       by attribute name
:is(p, li):first-of-type        tried on every element
```

A tree ends at a shadow root and at a frame's document, as in a browser: combinators do
not reach across. ``:hover``, ``:focus`` and their like never match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from cssselect2 import SelectorError
from cssselect2 import parser as css_parser
from cssselect2.compiler import CompiledSelector

from replayport.rrweb.mirror.html import attribute_text
from replayport.rrweb.nodes import Node, NodeType

if TYPE_CHECKING:
    from replayport.rrweb.mirror.dom import Mirror

HTML_NAMESPACE: Final = "http://www.w3.org/1999/xhtml"
SVG_NAMESPACE: Final = "http://www.w3.org/2000/svg"
CACHED_SELECTORS: Final = 256

_ELEMENT: Final = int(NodeType.ELEMENT)

Test = Callable[["Element"], bool]
_Entry = tuple[int, Test | None]
"""Position of the selector, and what else has to be true: None when nothing."""


class Selectors:
    """
    Selectors to hold against many nodes.

    Args:
        selectors: Each may be a list with commas; results name its position.

    Raises:
        ValueError: One of them is no selector; the message names it.
    """

    def __init__(self, selectors: Sequence[str]) -> None:
        self.texts = tuple(selectors)
        self._by_id: dict[str, list[_Entry]] = {}
        self._by_class: dict[str, list[_Entry]] = {}
        self._by_tag: dict[str, list[_Entry]] = {}
        self._by_attribute: dict[str, list[_Entry]] = {}
        self._others: list[_Entry] = []
        for position, text in enumerate(selectors):
            for compiled, simple in _compile(text):
                self._sort_in(position, compiled, simple)

    @staticmethod
    def of(selector: str | Selectors) -> Selectors:
        """Give compiled selectors for a text, remembered from the last time."""
        return _remembered(selector) if isinstance(selector, str) else selector

    def matching(self, mirror: Mirror, node_id: int) -> list[int]:
        """
        Give the positions of the selectors that an element matches, ascending.

        Args:
            mirror: Whose element it is.
            node_id: Id of any node; anything but an element matches nothing.
        """
        node = mirror.node(node_id)
        return [] if node is None else self.matching_node(mirror, node)

    def matching_node(self, mirror: Mirror, node: Node) -> list[int]:
        """Do as `matching`, of a node at hand that is in the mirror."""
        if node.get("type") != _ELEMENT:
            return []
        found: list[_Entry] | None = None
        if self._by_tag:
            tag = node.get("tagName")
            if isinstance(tag, str) and (entries := self._by_tag.get(tag.lower())):
                found = list(entries)
        attributes = node.get("attributes")
        if attributes and isinstance(attributes, dict):
            if self._by_attribute and not self._by_attribute.keys().isdisjoint(attributes):
                found = found or []
                for name in self._by_attribute.keys() & attributes.keys():
                    if attributes[name] is not None and attributes[name] is not False:
                        found += self._by_attribute[name]
            if self._by_class and isinstance(classes := attributes.get("class"), str):
                for name in classes.split():
                    if name in self._by_class:
                        found = [*(found or ()), *self._by_class[name]]
            if self._by_id and (own := attributes.get("id")) in self._by_id:
                found = [*(found or ()), *self._by_id[own]]
        if self._others:
            found = [*(found or ()), *self._others]
        if not found:
            return []
        matched = set()
        element: Element | None = None
        for position, test in found:
            if position in matched:
                continue
            if test is None:
                matched.add(position)
                continue
            if element is None:
                element = Element(mirror, node)
            if test(element):
                matched.add(position)
        return sorted(matched)

    def _sort_in(self, position: int, compiled: CompiledSelector, simple: Sequence[Any]) -> None:
        if compiled.never_matches or compiled.pseudo_element is not None:
            return
        test: Test | None = compiled.test
        for part in simple:
            if isinstance(part, css_parser.IDSelector):
                self._by_id.setdefault(part.ident, []).append((position, test))
                return
        for part in simple:
            if isinstance(part, css_parser.ClassSelector):
                alone = len(simple) == 1 and compiled.specificity == (0, 1, 0)
                entry = position, None if alone else test
                self._by_class.setdefault(part.class_name, []).append(entry)
                return
        for part in simple:
            if isinstance(part, css_parser.AttributeSelector) and part.namespace == "":
                alone = (
                    len(simple) == 1 and part.operator is None and compiled.specificity == (0, 1, 0)
                )
                entry = position, None if alone else test
                self._by_attribute.setdefault(part.lower_name, []).append(entry)
                return
        for part in simple:
            if isinstance(part, css_parser.LocalNameSelector):
                alone = len(simple) == 1 and compiled.specificity == (0, 0, 1)
                entry = position, None if alone else test
                self._by_tag.setdefault(part.lower_local_name, []).append(entry)
                return
        self._others.append((position, test))


def _compile(text: str) -> list[tuple[CompiledSelector, Sequence[Any]]]:
    """Give each selector of a list, compiled, with the simple ones of its last part."""
    try:
        found = []
        for parsed in css_parser.parse(text):
            tree = parsed.parsed_tree
            last = tree.right if isinstance(tree, css_parser.CombinedSelector) else tree
            found.append((CompiledSelector(parsed), last.simple_selectors))
        return found
    except (SelectorError, NotImplementedError, SyntaxError, RecursionError) as e:
        raise ValueError(
            f"{text!r} is not a CSS selector this understands ({e or type(e).__name__})"
        ) from e


@lru_cache(maxsize=CACHED_SELECTORS)
def _remembered(text: str) -> Selectors:
    return Selectors([text])


class Element:
    """
    An element of the mirror as compiled selectors look at it.

    It stands for both of cssselect2's objects, its wrapper and the ElementTree element
    inside; each part is worked out when a selector asks for it.
    """

    in_html_document: Final = True

    def __init__(self, mirror: Mirror, node: Node) -> None:
        self._mirror = mirror
        self.node = node

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Element) and self.node is other.node

    def __hash__(self) -> int:
        return hash(self.node["id"])

    @property
    def etree_element(self) -> Element:
        return self

    # --- as an ElementTree element ---

    @cached_property
    def attrib(self) -> Mapping[str, str]:
        attributes = self._mirror.attributes(self.node["id"])
        texts = ((name, attribute_text(value)) for name, value in attributes.items())
        return {name: text for name, text in texts if text is not None}

    def get(self, name: str, default: str | None = None) -> str | None:
        return self.attrib.get(name, default)

    @cached_property
    def tag(self) -> str:
        return f"{{{self.namespace_url}}}{self.local_name}"

    @cached_property
    def text(self) -> str:
        return "".join(
            str(k.get("textContent") or "")
            for k in self._mirror.kids(self.node["id"])
            if k.get("type") in (NodeType.TEXT, NodeType.CDATA)
        )

    # --- as cssselect2's wrapper ---

    @cached_property
    def local_name(self) -> str:
        return self._mirror.tag(self.node["id"])

    @cached_property
    def namespace_url(self) -> str:
        return SVG_NAMESPACE if self.node.get("isSVG") else HTML_NAMESPACE

    @cached_property
    def id(self) -> str | None:
        return attribute_text(self._mirror.attributes(self.node["id"]).get("id"))

    @cached_property
    def classes(self) -> frozenset[str]:
        return frozenset((self.get("class") or "").split())

    @cached_property
    def parent(self) -> Element | None:
        if self.node.get("isShadow"):
            return None
        parent_id = self._mirror.parent(self.node["id"])
        parent = None if parent_id is None else self._mirror.node(parent_id)
        if parent is None or parent.get("type") != _ELEMENT:
            return None
        return Element(self._mirror, parent)

    @cached_property
    def ancestors(self) -> tuple[Element, ...]:
        found = []
        current = self.parent
        while current is not None:
            found.append(current)
            current = current.parent
        return tuple(found)

    @cached_property
    def etree_siblings(self) -> list[Element]:
        parent_id = self._mirror.parent(self.node["id"])
        if parent_id is None:
            return [self]
        shadow = bool(self.node.get("isShadow"))
        return [
            self if k is self.node else Element(self._mirror, k)
            for k in self._mirror.kids(parent_id)
            if k.get("type") == _ELEMENT and bool(k.get("isShadow")) == shadow
        ]

    @cached_property
    def index(self) -> int:
        return next((i for i, e in enumerate(self.etree_siblings) if e is self), 0)

    @cached_property
    def previous(self) -> Element | None:
        return self.etree_siblings[self.index - 1] if self.index else None

    @cached_property
    def previous_siblings(self) -> tuple[Element, ...]:
        return tuple(reversed(self.etree_siblings[: self.index]))

    @cached_property
    def etree_children(self) -> list[Element]:
        return [
            Element(self._mirror, k)
            for k in self._mirror.kids(self.node["id"])
            if k.get("type") == _ELEMENT and not k.get("isShadow")
        ]

    def iter_siblings(self) -> Iterator[Element]:
        return iter(self.etree_siblings)

    def iter_next_siblings(self) -> Iterator[Element]:
        return iter(self.etree_siblings[self.index + 1 :])

    def iter_children(self) -> Iterator[Element]:
        return iter(self.etree_children)

    def iter_subtree(self) -> Iterator[Element]:
        stack = [self]
        while stack:
            current = stack.pop()
            yield current
            stack.extend(reversed(current.etree_children))

    @cached_property
    def lang(self) -> str:
        own = self.get("lang")
        if own is not None:
            return own.lower()
        return "" if self.parent is None else self.parent.lang

    @cached_property
    def in_disabled_fieldset(self) -> bool:
        return any(e.local_name == "fieldset" and "disabled" in e.attrib for e in self.ancestors)
