"""
Style that scripts changed: declarations of a style attribute, rules of a style sheet.

Recorders send single properties and single rules, so both are taken apart and put
together again. Style sheets are parsed only when somebody asks for their text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import tinycss2
from tinycss2.ast import Node as Token

from replayport.rrweb.nodes import CSS_SPLIT_MARKER, CSS_TEXT, Node, NodeType

MAX_NESTING: Final = 32
"""Rules nested deeper than this are kept as the text they are."""

_BOX: Final = ("top", "right", "bottom", "left")
_NOT_IDENT: Final = re.compile(r"[^\w\-\u0080-\U0010ffff]")


def escape(ident: str) -> str:
    """Write text as a CSS identifier, as ``CSS.escape`` does for what pages use."""
    escaped = _NOT_IDENT.sub(lambda m: f"\\{m[0]}", ident)
    if escaped[:1].isdigit() or (escaped[:1] == "-" and escaped[1:2].isdigit()):
        at = 1 if escaped[0] == "-" else 0
        escaped = f"{escaped[:at]}\\{ord(escaped[at]):x} {escaped[at + 1 :]}"
    return escaped


def declarations(style: Any) -> dict[str, str]:
    """
    Take a style attribute apart.

    Args:
        style: The attribute's value, which may be anything.

    Returns:
        Property (lower case, custom ones as they are) to value, with ``!important``.
    """
    found: dict[str, str] = {}
    if not isinstance(style, str) or ":" not in style:
        return found
    for item in tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True):
        if item.type == "declaration":
            name = item.name if item.name.startswith("--") else item.lower_name
            value = tinycss2.serialize(item.value).strip()
            found.pop(name, None)
            found[name] = f"{value} !important" if item.important else value
    return found


def change_style(style: Any, change: Mapping[str, Any]) -> str:
    """
    Apply a recorder's style object to a style attribute.

    Args:
        style: The attribute as it was; None when there was none.
        change: Property to value, to ``[value, priority]``, or to False to remove it.

    Returns:
        The new attribute. Removing one side of ``margin: 1px`` leaves the other three;
        removing part of another shorthand removes the shorthand.
    """
    found = declarations(style)
    for name, value in change.items():
        if value is False:
            if name in found:
                del found[name]
            else:
                _remove_part(found, name)
        elif isinstance(value, list):
            if value and isinstance(value[0], str):
                _set(found, name, value[0], important="important" in value[1:2])
        elif isinstance(value, str):
            _set(found, name, value, important=False)
    return "".join(f"{name}: {value}; " for name, value in found.items()).rstrip()


def _set(found: dict[str, str], name: str, value: str, *, important: bool) -> None:
    if value.strip():
        found[name] = f"{value} !important" if important else value  # where it was
    else:
        found.pop(name, None)


def _remove_part(found: dict[str, str], name: str) -> None:
    """Remove a longhand that a shorthand has set."""
    stem, _, side = name.rpartition("-")
    shorthand = found.get(stem)
    if shorthand is not None and side in _BOX and stem in ("margin", "padding", "inset"):
        important = " !important" if shorthand.endswith("!important") else ""
        parts = shorthand.removesuffix("!important").split()
        if 1 <= len(parts) <= 4 and "(" not in shorthand:
            top = parts[0]
            right = parts[1] if len(parts) > 1 else top
            bottom = parts[2] if len(parts) > 2 else top
            left = parts[3] if len(parts) > 3 else right
            del found[stem]
            for at, value in zip(_BOX, (top, right, bottom, left), strict=True):
                if at != side:
                    found[f"{stem}-{at}"] = value + important
            return
    while stem:
        if found.pop(stem, None) is not None:
            return
        stem = stem.rpartition("-")[0]


# --- style elements ---------------------------------------------------------------


def own_text(node: Node) -> str:
    """Give the text of a ``<style>`` or inlined ``<link>``, edits by scripts aside."""
    attributes = node.get("attributes")
    inlined = attributes.get(CSS_TEXT) if isinstance(attributes, dict) else None
    if isinstance(inlined, str):
        return inlined.replace(CSS_SPLIT_MARKER, "")
    return "".join(
        k["textContent"]
        for k in node.get("childNodes") or ()
        if k.get("type") == NodeType.TEXT and isinstance(k.get("textContent"), str)
    )


def split_into_children(style: Node) -> None:
    """
    Give an inlined style sheet back to the text nodes it came from.

    Until one of them changes the recorder's ``_cssText`` stands for all; after that each
    counts for itself.
    """
    attributes = style.get("attributes")
    if not isinstance(attributes, dict) or not isinstance(attributes.get(CSS_TEXT), str):
        return
    texts = [k for k in style.get("childNodes") or () if k.get("type") == NodeType.TEXT]
    if not texts:
        return
    parts = attributes.pop(CSS_TEXT).split(CSS_SPLIT_MARKER)
    if len(parts) > len(texts):
        parts[len(texts) - 1 :] = ["".join(parts[len(texts) - 1 :])]
    for text, part in zip(texts, parts, strict=False):
        text["textContent"] = part


class Sheet:
    """A style sheet that scripts insert rules into."""

    __slots__ = ("_edits", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._edits: list[dict[str, Any]] = []

    def edit(self, data: dict[str, Any]) -> None:
        """Note one StyleSheetRule or StyleDeclaration event's data."""
        self._edits.append(data)

    @property
    def text(self) -> str:
        """The sheet's rules with every edit, one a line."""
        if self._edits:
            rules = _rules_of(self._text)
            for data in self._edits:
                rules = _edited(rules, data)
            self._text = "\n".join(r.text for r in rules)
            self._edits = []
        return self._text


class _Rule:
    """One rule: its text, or what is before its block and the rules inside."""

    __slots__ = ("head", "inner", "own")

    def __init__(self, own: str) -> None:
        self.own = own
        self.head = ""
        self.inner: list[_Rule] | None = None

    @property
    def text(self) -> str:
        if self.inner is None:
            return self.own
        return f"{self.head}{{ {' '.join(r.text for r in self.inner)} }}"

    def open(self) -> list[_Rule]:
        """Give the rules inside, such as those of a media rule."""
        if self.inner is None:
            rule = tinycss2.parse_one_rule(self.own, skip_comments=True)
            if rule.type != "at-rule" or rule.content is None:
                raise ValueError("no rules inside")
            self.head = f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}"
            self.inner = _rules_of(rule.content)
        return self.inner

    def change(self, data: dict[str, Any]) -> None:
        """Set or remove one declaration."""
        rule = tinycss2.parse_one_rule(self.own, skip_comments=True)
        if rule.type == "error" or rule.content is None:
            return
        at = f"@{rule.at_keyword}" if rule.type == "at-rule" else ""
        change: dict[str, Any] = {}
        if isinstance(put := data.get("set"), dict):
            change[put["property"]] = [put.get("value") or "", put.get("priority")]
        if isinstance(gone := data.get("remove"), dict):
            change[gone["property"]] = False
        body = change_style(tinycss2.serialize(rule.content), change)
        self.own = f"{at}{tinycss2.serialize(rule.prelude)}{{ {body} }}"
        self.inner = None


def _rules_of(css: str | list[Token]) -> list[_Rule]:
    return [
        _Rule(rule.serialize().strip())
        for rule in tinycss2.parse_rule_list(css, skip_comments=True, skip_whitespace=True)
        if rule.type in ("qualified-rule", "at-rule")
    ]


def _edited(rules: list[_Rule], data: dict[str, Any]) -> list[_Rule]:
    for key in ("replace", "replaceSync"):
        if isinstance(data.get(key), str):
            rules = _rules_of(data[key])
    for add in data.get("adds") or ():
        try:
            place, at = _within(rules, add.get("index"))
            place.insert(at, _Rule(add["rule"].strip()))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            continue
    for remove in data.get("removes") or ():
        try:
            place, at = _within(rules, remove.get("index"))
            del place[at]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            continue
    if "set" in data or "remove" in data:
        try:
            place, at = _within(rules, data.get("index"))
            place[at].change(data)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            pass
    return rules


def _within(rules: list[_Rule], index: Any) -> tuple[list[_Rule], int]:
    """Give the list an index leads into and the place there; without one, the first."""
    if not isinstance(index, list):
        return rules, 0 if index is None else min(int(index), len(rules))
    if not 1 <= len(index) <= MAX_NESTING:
        raise ValueError("no place")
    for step in index[:-1]:
        rules = rules[step].open()
    return rules, index[-1]
