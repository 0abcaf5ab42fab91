"""
Finds the addresses a recording would load: in its DOM, its changes and its stylesheets.

| where | as |
|---|---|
| `<link rel=stylesheet href>` without the text inlined, `@import` | stylesheet |
| `<img src srcset>`, `<source srcset>`, `<input src>`, `<video poster>`, `background` | image |
| SVG `<image>`, `<feImage>`, `<use>`: `href`, `xlink:href` | image |
| `url()`, `src()`, `image-set()` in `_cssText`, `<style>`, `style`, SVG attributes, rules | image |
| `url()` in `@font-face`, `FontFace` events | font |

An address becomes absolute by the base of its page: `<base href>` of the newest full
snapshot, itself relative to the newest Meta event of the window. The player does the same
with the same URL standard, so what was found here is found there.

Recorded content is foreign: values of any type are met, nothing is assumed to parse.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import tinycss2
from ada_url import URL

from replayport.recording import MAX_URL_CHARS
from replayport.rrweb.events import Event, EventType, IncrementalSource
from replayport.rrweb.nodes import NodeType, walk, walk_with_parent

KINDS: Final = (
    "meta",
    "full_snapshot",
    "mutation",
    "style_sheet_rule",
    "style_declaration",
    "adopted_style_sheet",
    "font",
)
"""Kinds of events that can name an asset, or say where a page is."""

MAX_REFERENCES: Final = 5_000
"""Addresses remembered of one recording; many more than are ever fetched."""

_MAY_REFER: Final = re.compile(r"url|src\s*\(|@import|image-set|\\", re.IGNORECASE)
_SKIPPED_FORMATS: Final = frozenset({"embedded-opentype", "svg"})
"""Fonts no browser of today loads; the lists that name them name better ones too."""
_SVG_FETCHES: Final = frozenset({"image", "feimage", "use"})
_IMAGE_ATTRIBUTES: Final = {
    "src": frozenset({"img", "input"}),
    "poster": frozenset({"video"}),
    "background": frozenset({"body", "table", "thead", "tbody", "tfoot", "tr", "td", "th"}),
}
_WATCHED: Final = frozenset({"link", "source"}).union(_SVG_FETCHES, *_IMAGE_ATTRIBUTES.values())


class Use(IntEnum):
    """What an address is for; when a limit is near, the lower numbers come first."""

    STYLESHEET = 0
    IMAGE = 1
    FONT = 2


def resolve(address: str, base: str) -> str | None:
    """
    Make an address absolute, as a browser does.

    Args:
        address: As recorded.
        base: Absolute, or empty when the page's address is not known.

    Returns:
        An ``http`` or ``https`` URL without its fragment; None when there is nothing to
        fetch (``data:``, ``blob:``, a fragment, no URL at all).
    """
    if not 0 < len(address) <= MAX_URL_CHARS * 2:
        return None
    try:
        url = URL(address, base) if base else URL(address)
        if url.protocol not in ("http:", "https:"):
            return None
        url.hash = ""
        href = str(url.href)
    except ValueError:  # a lone surrogate is one too
        return None
    if len(href) > MAX_URL_CHARS or (address.lstrip()[:1] == "#"):
        return None
    return href


@dataclass(slots=True)
class _Element:
    tag: str
    is_svg: bool
    rel: str = ""
    href: str = ""


@dataclass(slots=True)
class _Page:
    href: str = ""
    base: str = ""
    elements: dict[int, _Element] = field(default_factory=dict)
    styles: set[int] = field(default_factory=set)
    """Ids of text nodes that are stylesheets, and of the elements they are in."""


class Finder:
    """
    Collects addresses of one recording, events fed in playing order.

    Attributes:
        found: Address to what it is for, in order of appearance.
        left_out: Addresses beyond `MAX_REFERENCES`, counted.
    """

    def __init__(self) -> None:
        self.found: dict[str, Use] = {}
        self.left_out = 0
        self._pages: dict[str, _Page] = {}
        self._read: dict[bytes, list[tuple[str, Use]]] = {}
        """What a stylesheet names, by digest of its text: parsing it takes a second a megabyte."""

    def feed(self, event: Event) -> None:
        """Take the next event."""
        try:
            data = event.data
        except (ValueError, RecursionError):
            return
        if not isinstance(data, Mapping):
            return
        page = self._pages.setdefault(event.window_id, _Page())
        if event.type == EventType.META:
            href = data.get("href")
            page.href = page.base = (resolve(href, "") or "") if isinstance(href, str) else ""
        elif event.type == EventType.FULL_SNAPSHOT:
            self._snapshot(page, data)
        elif event.type == EventType.INCREMENTAL_SNAPSHOT:
            self._incremental(page, data)

    def _snapshot(self, page: _Page, data: Mapping[str, Any]) -> None:
        node = data.get("node")
        if not isinstance(node, dict):
            return
        page.elements.clear()
        page.styles.clear()
        page.base = base_of(node, page.href)
        self._tree(page, node, None)

    def _incremental(self, page: _Page, data: Mapping[str, Any]) -> None:
        match data.get("source"):
            case IncrementalSource.MUTATION:
                self._mutation(page, data)
            case IncrementalSource.STYLE_SHEET_RULE:
                self._rules(page, data)
            case IncrementalSource.STYLE_DECLARATION:
                change = data.get("set")
                if isinstance(change, dict):
                    self._css(page, change.get("value"))
            case IncrementalSource.ADOPTED_STYLE_SHEET:
                for style in _dicts(data.get("styles")):
                    self._rules(page, {"adds": style.get("rules")})
            case IncrementalSource.FONT:
                if data.get("buffer") is not True:
                    self._css(page, data.get("fontSource"), Use.FONT)

    def _mutation(self, page: _Page, data: Mapping[str, Any]) -> None:
        for add in _dicts(data.get("adds")):
            if isinstance(add.get("node"), dict):
                self._tree(page, add["node"], add.get("parentId"))
        for change in _dicts(data.get("texts")):
            if change.get("id") in page.styles:
                self._css(page, change.get("value"))
        for change in _dicts(data.get("attributes")):
            attributes = change.get("attributes")
            node_id = change.get("id")
            if isinstance(attributes, dict) and isinstance(node_id, int):
                element = page.elements.get(node_id) or _Element("", is_svg=False)
                self._attributes(page, element, attributes)

    def _rules(self, page: _Page, data: Mapping[str, Any]) -> None:
        for add in _dicts(data.get("adds")):
            self._css(page, add.get("rule"))
        for name in ("replace", "replaceSync"):
            self._css(page, data.get(name))

    def _tree(self, page: _Page, root: dict[str, Any], parent_id: Any) -> None:
        for node, parent in walk_with_parent(root):
            node_id = node.get("id")
            if not isinstance(node_id, int):
                continue
            if node.get("type") == NodeType.TEXT:
                above = parent_id if parent is None else parent.get("id")
                if node.get("isStyle") is True or above in page.styles:
                    page.styles.add(node_id)
                    self._css(page, node.get("textContent"))
            elif node.get("type") == NodeType.ELEMENT:
                tag = _local(node.get("tagName"))
                if tag == "style":
                    page.styles.add(node_id)
                element = _Element(tag, is_svg=node.get("isSVG") is True)
                if tag in _WATCHED or element.is_svg:
                    page.elements[node_id] = element
                attributes = node.get("attributes")
                if isinstance(attributes, dict):
                    self._attributes(page, element, attributes)

    def _attributes(self, page: _Page, element: _Element, attributes: Mapping[str, Any]) -> None:
        for recorded_name, value in attributes.items():
            name = recorded_name.lower()
            if name in ("style", "_csstext"):
                for text in value.values() if isinstance(value, dict) else (value,):
                    self._css(page, text[0] if isinstance(text, list) and text else text)
            elif not isinstance(value, str):
                continue
            elif element.tag == "link":
                if name in ("rel", "href"):
                    setattr(element, name, value)
            elif element.is_svg:
                if name in ("href", "xlink:href"):
                    if element.tag in _SVG_FETCHES:
                        self._add(page, value, Use.IMAGE)
                else:
                    self._css(page, value)
            elif name == "srcset":
                if element.tag in ("img", "source"):
                    for address, _ in parse_srcset(value):
                        self._add(page, address, Use.IMAGE)
            elif element.tag in _IMAGE_ATTRIBUTES.get(name, ()):
                self._add(page, value, Use.IMAGE)
        if element.tag == "link" and "_cssText" not in attributes and is_stylesheet(element.rel):
            self._add(page, element.href, Use.STYLESHEET)

    def _css(self, page: _Page, text: object, use: Use = Use.IMAGE) -> None:
        if not isinstance(text, str) or not _MAY_REFER.search(text):
            return
        # The same sheet comes again with each full snapshot, and on each page of a site.
        digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
        references = self._read.get(digest)
        if references is None:
            references = self._read[digest] = list(css_references(text))
        for address, found_use in references:
            self._add(page, address, use if found_use is Use.IMAGE else found_use)

    def _add(self, page: _Page, address: str, use: Use) -> None:
        url = resolve(address, page.base)
        if url is None or url in self.found:
            return
        if len(self.found) >= MAX_REFERENCES:
            self.left_out += 1
            return
        self.found[url] = use


def find(events: Iterable[Event]) -> Finder:
    """
    Find the addresses that a recording's events name.

    Args:
        events: In playing order; kinds beside `KINDS` are ignored.
    """
    finder = Finder()
    for event in events:
        finder.feed(event)
    return finder


def base_of(document: dict[str, Any], href: str) -> str:
    """
    Give the address that relative ones of a page start from.

    Args:
        document: The page's document node.
        href: Address of the page.

    Returns:
        That of the first ``<base href>`` of the page itself, not of its iframes; ``href``
        when there is none that can be used.
    """
    own = (None, document.get("id"))
    for node in walk(document):
        if node.get("type") != NodeType.ELEMENT or node.get("rootId") not in own:
            continue
        if _local(node.get("tagName")) == "base":
            attributes = node.get("attributes")
            found = attributes.get("href") if isinstance(attributes, dict) else None
            if isinstance(found, str):
                return resolve(found, href) or href
    return href


def is_stylesheet(rel: str) -> bool:
    """Tell whether a ``<link>`` of that ``rel`` styles the page."""
    words = rel.lower().split()
    return "stylesheet" in words and "alternate" not in words


def parse_srcset(text: str) -> list[tuple[str, str]]:
    """
    Split a ``srcset`` into addresses and descriptors, by the algorithm of the HTML standard.

    Returns:
        ``(address, descriptor)``; the descriptor is empty where there is none.
    """
    candidates: list[tuple[str, str]] = []
    at = 0
    while True:
        at = _skip(text, at, " \t\n\f\r,")
        if at >= len(text):
            return candidates
        end = at
        while end < len(text) and text[end] not in " \t\n\f\r":
            end += 1
        address = text[at:end]
        at = end
        descriptor = ""
        if address.endswith(","):
            address = address.rstrip(",")
        else:
            depth = 0
            while end < len(text) and (depth or text[end] != ","):
                depth = max(0, depth + (text[end] == "(") - (text[end] == ")"))
                end += 1
            descriptor = text[at:end].strip(" \t\n\f\r")
            at = end
        if address:
            candidates.append((address, descriptor))


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def css_references(text: str) -> Iterator[tuple[str, Use]]:
    """
    Yield the addresses in a stylesheet, a rule, or a declaration, as written.

    Imports count where a browser obeys them: before the first block.
    """
    yield from _references(tinycss2.parse_component_value_list(text, skip_comments=True))


def css_bytes_references(data: bytes, charset: str) -> Iterator[tuple[str, Use]]:
    """
    Yield the addresses in a fetched stylesheet.

    Args:
        data: Its bytes.
        charset: As its answer named it; empty when it named none.
    """
    text, _ = tinycss2.bytes.decode_stylesheet_bytes(data, protocol_encoding=charset or None)
    yield from css_references(text)


def _references(top: list[Any]) -> Iterator[tuple[str, Use]]:
    # (tokens, what addresses are for, whether plain strings are addresses, whether top level)
    work: list[tuple[list[Any], Use, bool, bool]] = [(top, Use.IMAGE, False, True)]
    while work:
        tokens, use, strings, is_top = work.pop()
        at_rule = ""
        imports = is_top
        has_font = False  # a browser loads one of a list of fonts, the first it can
        for i, token in enumerate(tokens):
            match token.type:
                case "at-keyword":
                    at_rule = token.lower_value
                    continue
                case "whitespace":
                    continue
                case "literal" if token.value == ";":
                    at_rule, has_font = "", False
                case "{} block":
                    inner = Use.FONT if at_rule == "font-face" else use
                    work.append((token.content, inner, False, False))
                    imports, at_rule = False, ""
                case "() block" | "[] block":
                    work.append((token.content, use, strings, False))
                case "string" | "url" | "function" if at_rule != "imported":
                    address = _address(token, strings=strings or at_rule == "import")
                    if address is None:
                        if token.type == "function" and token.lower_name != "type":
                            is_set = token.lower_name.endswith("image-set")
                            work.append((token.arguments, use, is_set or strings, False))
                    elif at_rule == "import":
                        if imports:
                            yield address, Use.STYLESHEET
                        at_rule = "imported"  # what follows are conditions
                    elif use is Use.FONT:
                        if not has_font and not _is_old_font(address, tokens[i + 1 :]):
                            has_font = True
                            yield address, use
                    elif at_rule != "namespace":
                        yield address, use
                case _:
                    pass


def _address(token: Any, *, strings: bool) -> str | None:
    if token.type == "url" or (token.type == "string" and strings):
        return str(token.value)
    if token.type == "function" and token.lower_name in ("url", "src"):
        for argument in token.arguments:
            if argument.type == "string":
                return str(argument.value)
    return None


def _is_old_font(address: str, after: list[Any]) -> bool:
    if re.search(r"\.eot(?:[?#]|$)", address, re.IGNORECASE):
        return True
    for token in after:
        if token.type == "literal":
            return False
        if token.type == "function" and token.lower_name == "format":
            return any(
                getattr(a, "value", "").lower() in _SKIPPED_FORMATS
                for a in token.arguments
                if a.type in ("string", "ident")
            )
    return False


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _local(tag: object) -> str:
    return tag.rsplit(":", 1)[-1].lower() if isinstance(tag, str) else ""
