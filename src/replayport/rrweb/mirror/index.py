"""
Elements by what they are called, kept up as the page changes.

Asking whether a name, an id or a test id is the only one on the page would mean looking
at every element for every click. Here each element is looked at once when it comes and
again when it changes: `Mirror` notes the ids it touched, and the next question works
through the notes. Without questions nothing is kept.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from replayport.rrweb.mirror import accessible
from replayport.rrweb.nodes import Node, NodeType

if TYPE_CHECKING:
    from replayport.rrweb.mirror.dom import Mirror

TEST_ID_ATTRIBUTES: Final = ("data-testid", "data-test-id", "data-test", "data-cy", "data-qa")
"""Attributes that teams put on elements for their tests, the most usual first."""

INDEXED_ATTRIBUTES: Final = (
    "id",
    "for",
    "name",
    "placeholder",
    "aria-labelledby",
    *TEST_ID_ATTRIBUTES,
)

SAYS_ROLE: Final = "[role]"
"""Stands for a tag's name for elements with a ``role`` attribute."""

MAX_TEXT_CHARS: Final = 100
"""Longer texts are not found by what they say."""

MAX_NOTES: Final = 100_000
"""Changes noted before the index is made anew instead."""

_ELEMENT: Final = int(NodeType.ELEMENT)
_TEXT: Final = int(NodeType.TEXT)
_INDEXED_SET: Final = frozenset(INDEXED_ATTRIBUTES)


class ElementIndex:
    """
    Elements by attribute value and by role, and their names.

    Args:
        mirror: The page; it tells of changes with `note`.
    """

    def __init__(self, mirror: Mirror) -> None:
        # Not held: a page that is done with goes at once, not when Python looks for cycles.
        self._page = weakref.ref(mirror)
        self._notes: list[int] = []
        # Each is made when first asked for, and kept up from then on.
        self._by_attribute: dict[tuple[str, str], dict[int, Node]] | None = None
        self._by_text: dict[str, dict[int, Node]] | None = None
        self._by_tag: dict[str, dict[int, Node]] | None = None
        """Elements that may have a role; those that say one under `SAYS_ROLE` too."""
        self._names: dict[int, tuple[Node, str]] = {}
        self._fleeting: dict[int, str] = {}
        """Names that depend on other elements, until anything at all changes."""
        self._roles: dict[int, tuple[Node, str | None]] = {}
        """Of elements whose role follows from themselves alone, until they change."""
        self._of_role: dict[str, list[int]] = {}
        """Answers of `by_role`, until anything at all changes."""
        self._lost = False
        """Whether there were more changes than notes are kept of."""

    @property
    def _mirror(self) -> Mirror:
        mirror = self._page()
        assert mirror is not None, "the index of a mirror that is gone"
        return mirror

    def note(self, node_id: int) -> None:
        """Remember that a node, or something below it, came, went or changed."""
        if len(self._notes) < MAX_NOTES:
            self._notes.append(node_id)
        else:
            self._lost = True

    def by_attribute(self, name: str, value: str) -> list[int]:
        """
        Give the elements whose attribute has exactly this value, in no order.

        Args:
            name: One of `INDEXED_ATTRIBUTES`.
            value: As HTML has it.
        """
        self._catch_up()
        if self._by_attribute is None:
            self._by_attribute = {}
            _take_attributes(self._by_attribute, self._mirror.placed())
        found = self._by_attribute.get((name, value))
        if not found:
            return []
        mirror = self._mirror
        return [
            i
            for i, node in self._present(found)
            if mirror.attribute(i, name) == value and mirror.node(i) is node
        ]

    def by_text(self, text: str) -> list[int]:
        """
        Give the text nodes that say exactly this, in no order.

        Args:
            text: Without white space around, at most `MAX_TEXT_CHARS` long.
        """
        self._catch_up()
        if self._by_text is None:
            self._by_text = {}
            _take_texts(self._by_text, self._mirror.placed())
        found = self._by_text.get(text)
        if not found:
            return []
        return [
            i for i, node in self._present(found) if node.get("textContent", "").strip() == text
        ]

    def by_role(self, role: str) -> list[int]:
        """Give the elements of a role, in no order; the list must not be changed."""
        self._catch_up()
        if (known := self._of_role.get(role)) is not None:
            return known
        mirror = self._mirror
        if self._by_tag is None:
            self._by_tag = {}
            _take_tags(self._by_tag, mirror.placed())
        same: dict[int, None] = {}
        roles = self._roles
        for tag in (SAYS_ROLE, *accessible.tags_of_role(role)):
            lasts = tag != SAYS_ROLE and tag not in accessible.TAGS_LOOKING_AROUND
            for node_id, node in self._present(self._by_tag.get(tag, {})):
                kept = roles.get(node_id)
                if kept is not None and kept[0] is node:
                    own = kept[1]
                else:
                    own = accessible.role_of_node(mirror, node)
                    if lasts:
                        roles[node_id] = node, own
                if own == role:
                    same[node_id] = None
        found = self._of_role[role] = list(same)
        return found

    def name(self, node_id: int) -> str:
        """Give an element's accessible name, from the last time when nothing changed."""
        self._catch_up()
        kept = self._names.get(node_id)
        node = self._mirror.node(node_id)
        if node is None:
            return ""
        if kept is not None and kept[0] is node:
            return kept[1]
        fleeting = self._fleeting.get(node_id)
        if fleeting is not None:
            return fleeting
        name, is_own = accessible.name(self._mirror, node_id)
        if is_own:  # it depends on the element and what is in it, on nothing else
            self._names[node_id] = node, name
        else:
            self._fleeting[node_id] = name
        return name

    def is_only(self, node_id: int, role: str, name: str, *, most: int) -> bool:
        """
        Tell whether no other element of a role has a name.

        Args:
            node_id: The element itself.
            role: Its role.
            name: Its name.
            most: With more elements of the role than this, False.
        """
        same = self.by_role(role)
        if len(same) > most:
            return False
        # As `name` for each, without asking each time whether something changed.
        mirror, names, fleeting = self._mirror, self._names, self._fleeting
        for other in same:
            if other == node_id:
                continue
            kept = names.get(other)
            if kept is not None and kept[0] is mirror.node(other):
                said = kept[1]
            elif (noted := fleeting.get(other)) is not None:
                said = noted
            else:
                said = self.name(other)
            if said == name:
                return False
        return True

    def _present(self, found: dict[int, Node]) -> list[tuple[int, Node]]:
        """Give the entries that are still on the page, and drop the others."""
        here = self._mirror.node
        gone = [i for i, node in found.items() if here(i) is not node]
        for i in gone:
            del found[i]
        return list(found.items())

    def _catch_up(self) -> None:
        mirror = self._mirror
        if self._lost:
            self._lost = False
            self._by_attribute = self._by_text = self._by_tag = None
            self._notes.clear()
            self._names.clear()
            self._fleeting.clear()
            self._roles.clear()
            self._of_role.clear()
            return
        if not self._notes:
            return
        notes = set(self._notes)
        self._notes.clear()
        self._fleeting.clear()
        self._of_role.clear()
        changed: list[Node] = []
        seen: set[int] = set()
        names, roles = self._names, self._roles
        for node_id in notes:
            roles.pop(node_id, None)
            node = mirror.node(node_id)
            if node is None:
                continue
            if node.get("type") != _ELEMENT and node.get("childNodes"):
                changed.extend(mirror.walk(node_id))  # a frame's document, which came whole
            else:
                changed.append(node)
            current: int | None = node_id
            while names and current is not None and current not in seen:
                seen.add(current)
                names.pop(current, None)
                current = mirror.parent(current)
        if self._by_attribute is not None:
            _take_attributes(self._by_attribute, changed)
        if self._by_text is not None:
            _take_texts(self._by_text, changed)
        if self._by_tag is not None:
            _take_tags(self._by_tag, changed)


def _take_attributes(found: dict[tuple[str, str], dict[int, Node]], nodes: Iterable[Node]) -> None:
    none_of = _INDEXED_SET.isdisjoint
    for node in nodes:
        if "attributes" not in node:  # a text
            continue
        attributes = node["attributes"]
        if not attributes or type(attributes) is not dict or none_of(attributes):
            continue
        for name in _INDEXED_SET.intersection(attributes):
            value = attributes[name]
            if isinstance(value, str):
                found.setdefault((name, value), {})[node["id"]] = node


def _take_texts(found: dict[str, dict[int, Node]], nodes: Iterable[Node]) -> None:
    for node in nodes:
        if node.get("type") != _TEXT:
            continue
        text = node.get("textContent")
        if isinstance(text, str) and (said := text.strip()) and len(said) <= MAX_TEXT_CHARS:
            found.setdefault(said, {})[node["id"]] = node


def _take_tags(found: dict[str, dict[int, Node]], nodes: Iterable[Node]) -> None:
    can_have = accessible.TAGS_WITH_ROLES
    for node in nodes:
        if "tagName" not in node or type(tag := node["tagName"]) is not str:
            continue
        if tag in can_have or (not tag.islower() and (tag := tag.lower()) in can_have):
            same = found.get(tag)
            if same is None:
                same = found[tag] = {}
            same[node["id"]] = node
        attributes = node.get("attributes")
        if attributes and type(attributes) is dict and "role" in attributes:
            found.setdefault(SAYS_ROLE, {})[node["id"]] = node
