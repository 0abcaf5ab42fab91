"""Serialised pages for tests of the mirror, from HTML, and the events that change them."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import count
from typing import Any

from replayport.rrweb.mirror import Mirror

VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())


class _Builder(HTMLParser):
    def __init__(self, ids: Any) -> None:
        super().__init__(convert_charrefs=True)
        self.ids = ids
        self.root: dict[str, Any] = {"type": 0, "id": next(ids), "childNodes": []}
        self.stack = [self.root]

    def _add(self, node: dict[str, Any]) -> None:
        parent = self.stack[-1]
        if parent.get("tagName") == "template":
            parent = self.stack[-2]
            parent["isShadowHost"] = True
            node["isShadow"] = True
        parent["childNodes"].append(node)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {k: True if v is None else v for k, v in attrs}
        if tag == "template":  # stands for the shadow root of the element around
            self.stack.append({"tagName": "template", "childNodes": []})
            return
        node = {
            "type": 2,
            "id": next(self.ids),
            "tagName": tag,
            "attributes": attributes,
            "childNodes": [],
        }
        self._add(node)
        if tag not in VOID:
            self.stack.append(node)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self.stack.pop()

    def handle_data(self, data: str) -> None:
        self._add({"type": 3, "id": next(self.ids), "textContent": data})

    def handle_decl(self, decl: str) -> None:
        node = {"type": 1, "name": "html", "publicId": "", "systemId": "", "id": next(self.ids)}
        self._add(node)


def page(body: str, *, first_id: int = 1) -> dict[str, Any]:
    """
    Serialise a page.

    Args:
        body: HTML inside ``<body>``; ``<template>`` stands for a shadow root.
        first_id: Id of the document.
    """
    builder = _Builder(count(first_id))
    builder.feed(f"<!DOCTYPE html><html><head></head><body>{body}</body></html>")
    builder.close()
    return builder.root


def mirror(body: str) -> Mirror:
    """Give the mirror of a page."""
    made = Mirror()
    made.apply(4, None, {"href": "https://shop.example/", "width": 1280, "height": 800})
    made.apply(2, None, {"node": page(body), "initialOffset": {"left": 0, "top": 0}})
    return made


def only(of: Mirror, selector: str) -> int:
    """Give the one element that matches."""
    found = of.select(selector)
    assert len(found) == 1, (selector, found)
    return found[0]


def change(of: Mirror, **lists: Any) -> None:
    """Apply a mutation; the lists not given are empty."""
    empty: dict[str, Any] = {"texts": [], "attributes": [], "removes": [], "adds": []}
    of.apply(3, 0, {"source": 0, **empty, **lists})


def element(node_id: int, tag: str, **attributes: Any) -> dict[str, Any]:
    """Serialise an element without children, as mutations add them."""
    return {
        "type": 2,
        "id": node_id,
        "tagName": tag,
        "attributes": {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items()},
        "childNodes": [],
    }


def text(node_id: int, content: str) -> dict[str, Any]:
    """Serialise a text node."""
    return {"type": 3, "id": node_id, "textContent": content}


def add(parent: int, node: dict[str, Any], before: int | None = None) -> dict[str, Any]:
    """Give one entry of a mutation's adds."""
    return {"parentId": parent, "nextId": before, "node": node}
