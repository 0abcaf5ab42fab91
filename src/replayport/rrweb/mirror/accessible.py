"""
Role, name and text of elements: what they are to a person or a screen reader.

Names follow the accname rules that decide names in practice, in this order:

```
aria-labelledby        the names of the elements it points to
aria-label
the tag's own          alt, value of a button, <label>, <legend>, <caption>, <title> of an SVG
text inside            for roles named from content: button, link, heading, tab, cell …
title, placeholder
```

Left out: CSS ``content`` and whatever only a computed style tells. Hidden counts what
the tree itself says: ``hidden``, ``aria-hidden`` (names only), inline ``display`` and
``visibility``, ``<template>``, closed ``<details>`` and ``<dialog>``.

Source:
    https://www.w3.org/TR/accname-1.2/, https://www.w3.org/TR/html-aam-1.0/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from replayport.rrweb.nodes import Node, NodeType

if TYPE_CHECKING:
    from replayport.rrweb.mirror.dom import Mirror

MAX_NAME_CHARS: Final = 300
"""Names are cut to this: a link around a whole article is named by its beginning."""

MAX_NAME_NODES: Final = 2000
"""Nodes looked at for one name."""

MAX_NAME_DEPTH: Final = 60
"""Nesting followed for one name."""

MAX_REFERENCES: Final = 16
"""Elements of one ``aria-labelledby`` that are looked at."""

_TEXT, _CDATA, _ELEMENT = int(NodeType.TEXT), int(NodeType.CDATA), int(NodeType.ELEMENT)

_TAG_ROLES: Final = {
    "article": "article",
    "aside": "complementary",
    "blockquote": "blockquote",
    "button": "button",
    "caption": "caption",
    "code": "code",
    "datalist": "listbox",
    "dd": "definition",
    "details": "group",
    "dialog": "dialog",
    "dt": "term",
    "em": "emphasis",
    "fieldset": "group",
    "figure": "figure",
    "form": "form",
    "h1": "heading",
    "h2": "heading",
    "h3": "heading",
    "h4": "heading",
    "h5": "heading",
    "h6": "heading",
    "hr": "separator",
    "iframe": "iframe",
    "li": "listitem",
    "main": "main",
    "math": "math",
    "menu": "list",
    "meter": "meter",
    "nav": "navigation",
    "ol": "list",
    "optgroup": "group",
    "option": "option",
    "output": "status",
    "p": "paragraph",
    "progress": "progressbar",
    "search": "search",
    "strong": "strong",
    "summary": "button",
    "table": "table",
    "tbody": "rowgroup",
    "td": "cell",
    "textarea": "textbox",
    "tfoot": "rowgroup",
    "thead": "rowgroup",
    "time": "time",
    "tr": "row",
    "ul": "list",
}
_CONDITIONAL_ROLES: Final = frozenset(
    ("a", "area", "footer", "header", "img", "input", "section", "select", "svg", "th")
)
_MAY_BE: Final = {
    "a": ("link",),
    "area": ("link",),
    "footer": ("contentinfo",),
    "header": ("banner",),
    "img": ("img",),
    "section": ("region",),
    "select": ("combobox", "listbox"),
    "svg": ("img",),
    "th": ("columnheader", "rowheader"),
}
"""Roles of `_CONDITIONAL_ROLES`' elements, the inputs aside."""

_INPUT_ROLES: Final = {
    "button": "button",
    "checkbox": "checkbox",
    "email": "textbox",
    "image": "button",
    "number": "spinbutton",
    "radio": "radio",
    "range": "slider",
    "reset": "button",
    "search": "searchbox",
    "submit": "button",
    "tel": "textbox",
    "text": "textbox",
    "url": "textbox",
}
_ROLELESS_INPUTS: Final = frozenset(
    ("color", "date", "datetime-local", "file", "hidden", "month", "password", "time", "week")
)
"""Kinds of input to which HTML-AAM gives no role."""

KNOWN_ROLES: Final = frozenset(
    [
        "alert",
        "alertdialog",
        "application",
        "article",
        "banner",
        "blockquote",
        "button",
        "caption",
        "cell",
        "checkbox",
        "code",
        "columnheader",
        "combobox",
        "complementary",
        "contentinfo",
        "definition",
        "deletion",
        "dialog",
        "directory",
        "document",
        "emphasis",
        "feed",
        "figure",
        "form",
        "generic",
        "grid",
        "gridcell",
        "group",
        "heading",
        "img",
        "insertion",
        "link",
        "list",
        "listbox",
        "listitem",
        "log",
        "main",
        "marquee",
        "math",
        "menu",
        "menubar",
        "menuitem",
        "menuitemcheckbox",
        "menuitemradio",
        "meter",
        "navigation",
        "none",
        "note",
        "option",
        "paragraph",
        "presentation",
        "progressbar",
        "radio",
        "radiogroup",
        "region",
        "row",
        "rowgroup",
        "rowheader",
        "scrollbar",
        "search",
        "searchbox",
        "separator",
        "slider",
        "spinbutton",
        "status",
        "strong",
        "subscript",
        "superscript",
        "switch",
        "tab",
        "table",
        "tablist",
        "tabpanel",
        "term",
        "textbox",
        "time",
        "timer",
        "toolbar",
        "tooltip",
        "tree",
        "treegrid",
        "treeitem",
    ]
)

NAMED_FROM_CONTENT: Final = frozenset(
    [
        "button",
        "cell",
        "checkbox",
        "columnheader",
        "gridcell",
        "heading",
        "link",
        "menuitem",
        "menuitemcheckbox",
        "menuitemradio",
        "option",
        "radio",
        "row",
        "rowheader",
        "switch",
        "tab",
        "tooltip",
        "treeitem",
    ]
)

_LABELABLE: Final = frozenset(
    ("button", "input", "meter", "output", "progress", "select", "textarea")
)
_SECTIONS: Final = frozenset(("article", "aside", "main", "nav", "section"))
_UNREADABLE: Final = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "head",
        "title",
        "meta",
        "link",
        "base",
        "iframe",
        "object",
    ]
)
_BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "br",
        "button",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "html",
        "input",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "option",
        "optgroup",
        "p",
        "pre",
        "section",
        "select",
        "summary",
        "table",
        "tbody",
        "td",
        "textarea",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
"""Elements whose text stands apart from that beside them."""

_HIDING: Final = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))"
)
_SPACE: Final = re.compile(r"\s+")


def _tags_by_role() -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for tag, implied in _TAG_ROLES.items():
        found.setdefault(implied, set()).add(tag)
    for tag, roles in _MAY_BE.items():
        for one in roles:
            found.setdefault(one, set()).add(tag)
    for one in (*_INPUT_ROLES.values(), "combobox", "textbox"):
        found.setdefault(one, set()).add("input")
    return {one: tuple(sorted(tags)) for one, tags in found.items()}


_ROLE_TAGS: Final = _tags_by_role()
TAGS_WITH_ROLES: Final = frozenset(tag for tags in _ROLE_TAGS.values() for tag in tags)
"""Elements that can have a role without saying so."""


TAGS_LOOKING_AROUND: Final = frozenset(("header", "footer", "svg"))
"""Elements whose role depends on what they are in, or what is in them."""


def tags_of_role(role: str) -> tuple[str, ...]:
    """Give the tags whose elements can have a role without saying so."""
    return _ROLE_TAGS.get(role, ())


def role(mirror: Mirror, node_id: int) -> str | None:
    """
    Give an element's ARIA role.

    Returns:
        The first known role of its ``role`` attribute, else the one its tag implies; None
        for ``none`` and ``presentation`` and for elements without one, such as ``<div>``.
    """
    node = mirror.node(node_id)
    return None if node is None else role_of_node(mirror, node)


def role_of_node(mirror: Mirror, node: Node) -> str | None:
    """Give an element's ARIA role, as `role`, for who has the node at hand."""
    tag = node.get("tagName")
    if not isinstance(tag, str):
        return None
    attributes = node.get("attributes")
    if attributes and isinstance(attributes, dict):
        explicit = attributes.get("role")
        if isinstance(explicit, str):
            for word in explicit.lower().split():
                if word in KNOWN_ROLES:
                    return None if word in ("none", "presentation", "generic") else word
    tag = tag.lower()
    implied = _TAG_ROLES.get(tag)
    if implied is None and tag in _CONDITIONAL_ROLES:
        return _conditional_role(mirror, node["id"], tag)
    return implied


def _conditional_role(mirror: Mirror, node_id: int, tag: str) -> str | None:
    attributes = mirror.attributes(node_id)
    if tag in ("a", "area"):
        return "link" if attributes.get("href") is not None else None
    if tag == "input":
        kind = str(attributes.get("type") or "text").lower()
        if kind in _ROLELESS_INPUTS:
            return None
        if kind in ("email", "search", "tel", "text", "url") and "list" in attributes:
            return "combobox"
        return _INPUT_ROLES.get(kind, "textbox")
    if tag == "select":
        many = attributes.get("multiple") is not None or str(attributes.get("size") or "1") != "1"
        return "listbox" if many else "combobox"
    if tag == "img":
        labelled = attributes.get("aria-label") or attributes.get("aria-labelledby")
        return None if attributes.get("alt") == "" and not labelled else "img"
    if tag == "th":
        return "rowheader" if attributes.get("scope") in ("row", "rowgroup") else "columnheader"
    if tag in ("header", "footer"):
        inside = any(mirror.tag(a) in _SECTIONS for a in mirror.ancestors(node_id))
        return None if inside else {"header": "banner", "footer": "contentinfo"}[tag]
    if tag == "section":
        labelled = attributes.get("aria-label") or attributes.get("aria-labelledby")
        return "region" if labelled else None
    return "img" if attributes.get("aria-label") or _svg_title(mirror, node_id) else None


def name(mirror: Mirror, node_id: int) -> tuple[str, bool]:
    """
    Give an element's accessible name.

    Returns:
        The name, white space collapsed, at most `MAX_NAME_CHARS`; and whether it depends
        on nothing but the element and what is in it.
    """
    if not mirror.tag(node_id):
        return "", True
    work = _Naming(mirror)
    found = work.of(node_id, depth=0, referenced=False)
    return found[:MAX_NAME_CHARS].rstrip(), not work.looked_elsewhere


class _Naming:
    """Works out one name."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.looked_elsewhere = False
        self.left = MAX_NAME_NODES

    def of(self, node_id: int, *, depth: int, referenced: bool) -> str:
        """Give the name of an element; ``referenced`` when another's name is made of it."""
        mirror = self.mirror
        if depth > MAX_NAME_DEPTH or self.left <= 0:
            return ""
        attributes = mirror.attributes(node_id)
        references = attributes.get("aria-labelledby")
        if isinstance(references, str) and references.strip() and not referenced:
            self.looked_elsewhere = True
            parts = [
                self.of(found, depth=depth + 1, referenced=True)
                for reference in references.split()[:MAX_REFERENCES]
                for found in in_same_tree(mirror, node_id, "id", reference)[:1]
            ]
            if joined := _collapsed(" ".join(parts)):
                return joined
        label = attributes.get("aria-label")
        if isinstance(label, str) and label.strip():
            return _collapsed(label)
        tag = mirror.tag(node_id)
        if own := self._own(node_id, tag, depth):
            return own
        from_content = referenced or tag == "label" or role(mirror, node_id) in NAMED_FROM_CONTENT
        if from_content and (inside := _collapsed(self._inside(node_id, depth))):
            return inside
        for attribute in ("title", "placeholder", "aria-placeholder"):
            value = attributes.get(attribute)
            if isinstance(value, str) and value.strip():
                return _collapsed(value)
        return (
            _DEFAULT_NAMES.get(str(attributes.get("type", "")).lower(), "")
            if tag == "input"
            else ""
        )

    def _own(self, node_id: int, tag: str, depth: int) -> str:
        """Give the name that the tag's own means give it."""
        mirror = self.mirror
        if tag == "input":
            kind = str(mirror.attributes(node_id).get("type", "")).lower()
            if kind in ("button", "submit", "reset"):
                return _collapsed(mirror.value(node_id) or "")
            if kind == "image":
                alt = mirror.attribute(node_id, "alt") or mirror.value(node_id) or ""
                if alt.strip():
                    return _collapsed(alt)
        if tag in ("img", "area"):
            return _collapsed(mirror.attribute(node_id, "alt") or "")
        if tag in _LABELABLE or "-" in tag:
            found = labels(mirror, node_id)
            # A label can come at any time for a field, or for a button that has an id.
            if tag != "button" or found or mirror.attributes(node_id).get("id"):
                self.looked_elsewhere = True
            if found:
                parts = [self._label(i, depth + 1, node_id) for i in found[:MAX_REFERENCES]]
                return _collapsed(" ".join(parts))
            return ""
        part = {"fieldset": "legend", "table": "caption", "figure": "figcaption"}.get(tag)
        if part is not None:
            for child in mirror.children(node_id):
                if mirror.tag(child) == part:
                    return _collapsed(self._inside(child, depth + 1))
            return ""
        if tag == "optgroup":
            return _collapsed(mirror.attribute(node_id, "label") or "")
        if tag == "svg":
            return _collapsed(_svg_title(mirror, node_id))
        return ""

    def _label(self, label_id: int, depth: int, field_id: int) -> str:
        inside = self._inside(label_id, depth, without=field_id)
        return inside if inside.strip() else str(self.mirror.attribute(label_id, "title") or "")

    def _inside(self, node_id: int, depth: int, without: int | None = None) -> str:
        """Join the names and texts of what is in an element."""
        mirror = self.mirror
        parts = []
        if mirror.tag(node_id) == "slot":
            self.looked_elsewhere = True
        for kid in flat_children(mirror, node_id):
            self.left -= 1
            if self.left <= 0:
                break
            kind, kid_id = kid.get("type"), kid["id"]
            if kind in (_TEXT, _CDATA):
                parts.append(str(kid.get("textContent") or ""))
                continue
            if kind != _ELEMENT or kid_id == without:
                continue
            tag = mirror.tag(kid_id)
            if tag in _UNREADABLE or is_hidden(kid, tag, for_name=True):
                continue
            text = self._embedded(kid_id, tag, depth + 1)
            parts.append(f" {text} " if tag in _BLOCKS else text)
        return "".join(parts)

    def _embedded(self, node_id: int, tag: str, depth: int) -> str:
        """Give what an element in another's content adds to its name."""
        if depth > MAX_NAME_DEPTH:
            return ""
        attributes = self.mirror.attributes(node_id)
        label = attributes.get("aria-label")
        if isinstance(label, str) and label.strip():
            return label
        if isinstance(attributes.get("aria-labelledby"), str):
            return self.of(node_id, depth=depth, referenced=False)
        if tag in ("img", "svg", "area"):
            return self._own(node_id, tag, depth) or str(attributes.get("title") or "")
        if tag == "input":
            kind = str(attributes.get("type", "")).lower()
            if kind in ("button", "submit", "reset"):
                return self.mirror.value(node_id) or ""
            return ""
        if tag in ("select", "textarea"):
            return ""
        inside = self._inside(node_id, depth)
        if not inside.strip():
            title = attributes.get("title")
            return title if isinstance(title, str) else inside
        return inside


_DEFAULT_NAMES: Final = {"submit": "Submit", "reset": "Reset", "image": "Submit"}


def in_same_tree(mirror: Mirror, node_id: int, attribute: str, value: str) -> list[int]:
    """Give elements by an indexed attribute that are in the same shadow tree or frame."""
    found = mirror.index.by_attribute(attribute, value)
    if not found:
        return found
    home = tree_root(mirror, node_id)
    return sorted(i for i in found if tree_root(mirror, i) == home)


def tree_root(mirror: Mirror, node_id: int) -> int:
    """Give the shadow root's host (negative) or the document an element's tree ends at."""
    current = node_id
    node = mirror.node(current)
    while node is not None:
        if node.get("isShadow"):
            return -1 - (mirror.parent(current) or 0)
        if node.get("type") == NodeType.DOCUMENT:
            return current
        parent = mirror.parent(current)
        if parent is None:
            return current
        current, node = parent, mirror.node(parent)
    return current


def labels(mirror: Mirror, node_id: int) -> list[int]:
    """Give the ``<label>`` elements of a field: those that name its id, or the one around."""
    found = []
    own = mirror.attribute(node_id, "id")
    if own:
        same = in_same_tree(mirror, node_id, "for", own)
        found = [i for i in same if mirror.tag(i) == "label"]
    for ancestor in mirror.ancestors(node_id):
        if mirror.tag(ancestor) == "label":
            target = mirror.attribute(ancestor, "for")
            if (target is None or target == own) and ancestor not in found:
                found.append(ancestor)
            break
    return found


def labelled_by(mirror: Mirror, label_id: int) -> int | None:
    """Give the field a ``<label>`` is for; None when there is none."""
    target = mirror.attribute(label_id, "for")
    if target is not None:
        return next(iter(in_same_tree(mirror, label_id, "id", target)), None)
    for node in mirror.walk(label_id):
        tag = mirror.tag(node["id"])
        if tag in _LABELABLE and mirror.attribute(node["id"], "type") != "hidden":
            return int(node["id"])
    return None


def is_hidden(node: Node, tag: str, *, for_name: bool = False) -> bool:
    """Tell whether an element's own attributes hide it and all in it."""
    attributes = node.get("attributes")
    if not attributes or not isinstance(attributes, dict):
        return tag == "dialog"
    if attributes.get("hidden") not in (None, False):
        return True
    if for_name and attributes.get("aria-hidden") == "true":
        return True
    style = attributes.get("style")
    if isinstance(style, str) and _HIDING.search(style.lower()):
        return True
    if tag == "dialog":
        return attributes.get("open") is None and attributes.get("rr_open_mode") is None
    return tag == "input" and attributes.get("type") == "hidden"


def flat_children(mirror: Mirror, node_id: int) -> list[Node]:
    """
    Give an element's children as they are drawn.

    A shadow host shows its shadow root, a slot what the host put into it.
    """
    kids = mirror.kids(node_id)
    shadow = [k for k in kids if k.get("isShadow")]
    if shadow:
        return shadow
    if mirror.tag(node_id) == "slot":
        host = -1 - tree_root(mirror, node_id)
        if host >= 0:
            wanted = mirror.attribute(node_id, "name") or ""
            assigned = [
                k
                for k in mirror.kids(host)
                if not k.get("isShadow") and (mirror.attribute(k["id"], "slot") or "") == wanted
            ]
            if any(k.get("type") == _ELEMENT or _has_text(k) for k in assigned):
                return assigned
    return kids


def text(mirror: Mirror, node_id: int) -> str:
    """
    Give the text a person can read in a node, one line a block.

    Shadow roots are read as drawn, frames are not entered unless asked for themselves;
    what is hidden by attributes is left out, and so are the values of fields.
    """
    out: list[str] = []
    start = mirror.node(node_id)
    stack: list[Node | str] = [] if start is None else [start]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            out.append(node)
            continue
        kind = node.get("type")
        if kind in (_TEXT, _CDATA):
            content = node.get("textContent")
            if isinstance(content, str):
                out.append(_SPACE.sub(" ", content))
            continue
        kid_id = node["id"]
        tag = mirror.tag(kid_id)
        if kind == _ELEMENT:
            if (tag in _UNREADABLE and kid_id != node_id) or is_hidden(node, tag):
                continue
            if tag == "textarea" or tag == "select":
                continue
        below = flat_children(mirror, kid_id)
        if tag == "details" and not mirror.is_open(kid_id):
            below = [k for k in below if mirror.tag(k["id"]) == "summary"]
        if tag in _BLOCKS:
            stack.append("\n")
            stack.extend(reversed(below))
            stack.append("\n")
        else:
            stack.extend(reversed(below))
    lines = (" ".join(line.split()) for line in "".join(out).split("\n"))
    return "\n".join(line for line in lines if line)


def raw_text(mirror: Mirror, node_id: int) -> str:
    """Join the texts below a node, as the DOM's ``textContent``."""
    return "".join(
        n["textContent"]
        for n in mirror.walk(node_id)
        if n.get("type") in (_TEXT, _CDATA) and isinstance(n.get("textContent"), str)
    )


def _svg_title(mirror: Mirror, node_id: int) -> str:
    for child in mirror.children(node_id):
        if mirror.tag(child) == "title":
            return raw_text(mirror, child)
    return ""


def _has_text(node: Node) -> bool:
    content = node.get("textContent")
    return isinstance(content, str) and bool(content.strip())


def _collapsed(content: str) -> str:
    return _SPACE.sub(" ", content).strip()
