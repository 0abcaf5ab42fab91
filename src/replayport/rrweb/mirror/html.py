"""
Writes the mirror as HTML: what to look at, to compare, to feed to other programs.

```
attributes    in the order they are stored; the recorder's notes (rr_*, _cssText) left out,
              but the size of a blocked element is in its style
fields        their present value and state: value, checked, selected, a textarea's text
shadow roots  <template shadowrootmode="open"> as the host's first child
frames        srcdoc, the frame's document written the same way
style sheets  the rules as they are now; an inlined <link> becomes a <style>
scripts       as the recorder left them, without their text
```

It is HTML, not a page to open: nothing in it is made harmless.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from replayport.rrweb.mirror import css
from replayport.rrweb.nodes import (
    CSS_TEXT,
    HEIGHT,
    SPECIAL_ATTRIBUTES,
    WIDTH,
    Node,
    NodeType,
)

if TYPE_CHECKING:
    from replayport.rrweb.mirror.dom import Mirror

VOID: Final = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
"""Elements without an end tag."""

RAW_TEXT: Final = frozenset(
    ["script", "style", "xmp", "iframe", "noembed", "noframes", "plaintext"]
)
"""Elements whose text is written as it is."""

MAX_FRAMES: Final = 8
"""Frames within frames that are written; each nesting escapes the text once more."""


def attribute_text(value: Any) -> str | None:
    """
    Give an attribute's value as HTML has it.

    Args:
        value: A string, a number, True for an attribute without value, False or None for
            one that is not there; anything else counts as not there.
    """
    if isinstance(value, str):
        return value
    if value is True:
        return ""
    if value is False or value is None:
        return None
    return str(value) if isinstance(value, int | float) else None


def serialise(mirror: Mirror, node_id: int) -> str:
    """
    Write a node and all below it.

    Args:
        mirror: Whose node it is.
        node_id: Id of any node; an unknown one gives an empty text.
    """
    return _serialise(mirror, node_id, MAX_FRAMES)


def _serialise(mirror: Mirror, node_id: int, frames: int) -> str:
    start = mirror.node(node_id)
    out: list[str] = []
    stack: list[Node | str] = [] if start is None else [start]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            out.append(item)
            continue
        kind = item.get("type")
        if kind == NodeType.ELEMENT:
            stack.extend(reversed(_element(mirror, item, frames)))
        elif kind == NodeType.TEXT or kind == NodeType.CDATA:
            out.append(_text(mirror, item))
        elif kind == NodeType.COMMENT:
            out.append(f"<!--{str(item.get('textContent') or '').replace('--', '- -')}-->")
        elif kind == NodeType.DOCUMENT_TYPE:
            out.append(f"<!DOCTYPE {escape(str(item.get('name') or 'html'))}>")
        else:
            stack.extend(reversed(item.get("childNodes") or ()))
    return "".join(out)


def _element(mirror: Mirror, node: Node, frames: int) -> list[Node | str]:
    """Give an element's start tag, children and end tag, in order."""
    node_id = node["id"]
    tag = mirror.tag(node_id) or "unknown-element"
    if tag == "link" and CSS_TEXT in mirror.attributes(node_id):
        tag = "style"
    parts: list[Node | str] = []
    below: list[Node] = node.get("childNodes") or []
    written = _attributes(mirror, node_id, tag)
    if tag == "iframe" and below and below[0].get("type") == NodeType.DOCUMENT and frames > 0:
        inside = _serialise(mirror, below[0]["id"], frames - 1)
        parts.append(f'<iframe{written} srcdoc="{escape(inside)}">')
        return [*parts, "</iframe>"]
    parts.append(f"<{tag}{written}>")
    if tag in VOID:
        return parts
    shadow = [k for k in below if k.get("isShadow")]
    if shadow or node.get("isShadowHost"):
        parts += ['<template shadowrootmode="open">', *shadow, "</template>"]
    if tag == "style":
        parts.append((mirror.sheet_text(node_id) or "").replace("</style", "<\\/style"))
    elif tag == "textarea":
        parts.append(escape(mirror.value(node_id) or "", quote=False))
    elif tag != "iframe":
        parts += [k for k in below if not k.get("isShadow")]
    parts.append(f"</{tag}>")
    return parts


def _attributes(mirror: Mirror, node_id: int, tag: str) -> str:
    attributes = dict(mirror.attributes(node_id))
    if tag == "textarea":
        attributes.pop("value", None)
    if tag == "input":
        if (checked := mirror.checked(node_id)) is not None:
            attributes["checked"] = checked
        elif (value := mirror.value(node_id)) is not None:
            attributes["value"] = value
    elif tag == "select":
        attributes.pop("value", None)
    elif tag == "option" and (chosen := _chosen(mirror, node_id)) is not None:
        attributes["selected"] = chosen
    sizes = [(n, attributes.get(key)) for n, key in (("width", WIDTH), ("height", HEIGHT))]
    for side, size in sizes:  # of a blocked element, which has nothing in it
        if isinstance(size, str):
            attributes["style"] = css.change_style(attributes.get("style"), {side: size})
    out = []
    for name, value in attributes.items():
        if name in SPECIAL_ATTRIBUTES or (tag == "iframe" and name == "srcdoc"):
            continue
        text = attribute_text(value)
        if text is not None and _is_name(name):
            out.append(f' {name}="{escape(text)}"')
    return "".join(out)


def _chosen(mirror: Mirror, option_id: int) -> bool | None:
    """Tell whether an input event chose this option; None when there was none."""
    for ancestor in mirror.ancestors(option_id):
        tag = mirror.tag(ancestor)
        if tag == "select":
            chosen = mirror.live_value(ancestor)
            if chosen is None:
                return None
            return mirror.option_value(option_id) == chosen
        if tag != "optgroup":
            return None
    return None


def _is_name(name: str) -> bool:
    return bool(name) and not any(c in " \t\n\r\f\"'<>/=\0" for c in name)


def _text(mirror: Mirror, node: Node) -> str:
    content = node.get("textContent")
    text = content if isinstance(content, str) else ""
    parent = mirror.parent(node["id"])
    if parent is not None and mirror.tag(parent) in RAW_TEXT:
        return text.replace("</", "<\\/")
    return escape(text, quote=False)
