"""
A web recording as boxes, lines and roles: layout, movement, clicks and scrolls, and no
recorded word, picture or address.

```
text              digits and dots of about its width, drawn as grey bars
class, id, names  numbers, the same for the same name, in the page and in its style sheets
style sheets      known properties and keywords; other words numbered; colours grey
pictures, icons   grey boxes
addresses, console, network, custom events, canvases      left out
```

Everything that gets through is on a list or made of digits: what is not understood is left
out, so that a word cannot survive because nobody thought of its place. The result is a
recording like any other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tinycss2
from tinycss2 import color3
from tinycss2.ast import Node as Token

from replayport.collecting import rare_collections
from replayport.redact import vocabulary
from replayport.redact.places import dumps, loads
from replayport.rrweb.columns import NO_INT, NO_SOURCE, EventColumns
from replayport.rrweb.events import EventType, IncrementalSource, kind_of
from replayport.rrweb.nodes import DATA_URL, SPECIAL_ATTRIBUTES, SRC, Node

MAX_DEPTH: Final = 400
"""Nodes nested deeper are left out; a browser's parser stops near there too."""

MAX_CSS_NESTING: Final = 24
MAX_MEMO_CHARS: Final = 32 * 2**20

PAGE: Final = "about:blank"
STYLE: Final = (
    "*,*::before,*::after{color:transparent!important;text-shadow:none!important;"
    "font-family:sans-serif!important;border-image:none!important;"
    "text-decoration:line-through #9a9aa2 .55em!important;"
    "text-decoration-skip-ink:none!important;caret-color:#777!important;accent-color:#777!important}"
    "html{background:#fff}"
    "img,svg,video,canvas,object,embed,iframe{background-color:#d4d4da!important;"
    "outline:1px solid #b8b8c0}"
    "input,textarea,select,button{background-color:#f2f2f5;border:1px solid #a8a8b0}"
    "select,option{-webkit-text-fill-color:transparent}"
)
"""Added to every page; only words of CSS and HTML."""

_NARROW: Final = frozenset("iljtfrI.,:;'!|()[]`\u2019")
_KEPT_TYPES: Final = frozenset(
    {
        EventType.DOM_CONTENT_LOADED,
        EventType.LOAD,
        EventType.FULL_SNAPSHOT,
        EventType.INCREMENTAL_SNAPSHOT,
        EventType.META,
    }
)
_NUMBER_SOURCES: Final = frozenset(
    {
        IncrementalSource.MOUSE_MOVE,
        IncrementalSource.MOUSE_INTERACTION,
        IncrementalSource.SCROLL,
        IncrementalSource.VIEWPORT_RESIZE,
        IncrementalSource.TOUCH_MOVE,
        IncrementalSource.MEDIA_INTERACTION,
        IncrementalSource.DRAG,
        IncrementalSource.SELECTION,
    }
)
_NUMBER_KEYS: Final = frozenset(
    [
        "source",
        "positions",
        "x",
        "y",
        "id",
        "timeOffset",
        "type",
        "pointerType",
        "width",
        "height",
        "ranges",
        "start",
        "end",
        "startOffset",
        "endOffset",
        "currentTime",
        "volume",
        "muted",
        "loop",
        "playbackRate",
    ]
)
_NO_CHILDREN: Final = frozenset(
    ["svg", "script", "noscript", "video", "audio", "object", "embed", "canvas", "math"]
)
_ADDED_ID: Final = 1_000_000_007
"""Ids of what is added to pages: from here on, beyond any recorder's."""

Word = Callable[[str], str]


class Wireframes:
    """Turns the events of one recording into wireframes; names get the same number throughout."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._sheets: dict[str, str] = {}
        self._sheet_chars = 0
        self._tags: dict[tuple[str, int], str] = {}

    def convert(self, columns: EventColumns) -> EventColumns:
        """
        Convert a recording's events.

        Args:
            columns: In order of arrival; not changed.

        Returns:
            Those that show something, in the same order. Never none: a recording without
            such events becomes one empty page.
        """
        out = EventColumns()
        windows = [str(n + 1) for n in range(len(columns.windows.values))]
        order = np.argsort(np.frombuffer(columns.timestamp_ms, np.int64), kind="stable")
        made: dict[int, tuple[int, int, bytes]] = {}
        with rare_collections():
            for row in order.tolist():
                raw = columns.data_of(row)
                data = None if raw is None else loads(raw)
                new = self.event(columns.type[row], columns.source[row], data)
                if new is not None:
                    made[row] = columns.type[row], columns.source[row], dumps(new)
        if not made:
            row = int(order[0])
            page = {"href": PAGE, "width": 0, "height": 0}
            made[row] = int(EventType.META), NO_SOURCE, dumps(page)
        for row, (type_, source, text) in sorted(made.items()):
            out.timestamp_ms.append(columns.timestamp_ms[row])
            out.type.append(type_)
            out.source.append(source)
            keeps = type_ == EventType.INCREMENTAL_SNAPSHOT
            out.node_id.append(columns.node_id[row] if keeps else NO_INT)
            out.x.append(columns.x[row])
            out.y.append(columns.y[row])
            out.window.append(out.windows[windows[columns.window[row]]])
            interaction = _interaction(text) if source == 2 and keeps else None
            out.kind.append(out.kinds[kind_of(type_, source if keeps else None, interaction)])
            if type_ == EventType.META:
                out.url[len(out.type) - 1] = PAGE
            out.data += text
            out.data_end.append(len(out.data))
        return out

    def event(self, type_: int, source: int, data: Any) -> Any:
        """
        Convert the data of one event.

        Args:
            type_: ``event.type``.
            source: ``event.data.source``, of type 3.
            data: Parsed; changed.

        Returns:
            None when the event shows nothing of a page.
        """
        if type_ not in _KEPT_TYPES:
            return None
        if type_ in (EventType.DOM_CONTENT_LOADED, EventType.LOAD):
            return {}
        if not isinstance(data, dict):
            return None
        if type_ == EventType.META:
            return {"href": PAGE, **_sizes(data)}
        if type_ == EventType.FULL_SNAPSHOT:
            return self._snapshot(data)
        return self._incremental(source, data)

    def _snapshot(self, data: dict[str, Any]) -> Any:
        offset = data.get("initialOffset")
        offset = _numbers_of(offset, frozenset(("top", "left"))) if isinstance(offset, dict) else {}
        if isinstance(data.get("wireframes"), list):
            frames = [_wireframe(w, 0) for w in data["wireframes"]]
            return {"wireframes": [f for f in frames if f], "initialOffset": offset}
        node = self._node(data.get("node"), "", 0)
        if node is None:
            return None
        _add_style(node)
        return {"node": node, "initialOffset": {"top": 0, "left": 0} | offset}

    def _incremental(self, source: int, data: dict[str, Any]) -> Any:
        if source in _NUMBER_SOURCES:
            return _numbers_of(data, _NUMBER_KEYS)
        if source == IncrementalSource.MUTATION:
            return self._mutation(data)
        if source == IncrementalSource.INPUT:
            text = data.get("text")
            out = {"source": source, "id": _number(data.get("id"))}
            out["text"] = bars(text) if isinstance(text, str) else ""
            out["isChecked"] = data.get("isChecked") is True
            return out
        if source == IncrementalSource.STYLE_SHEET_RULE:
            return self._sheet_rules(source, data)
        if source == IncrementalSource.STYLE_DECLARATION:
            return self._declaration(source, data)
        if source == IncrementalSource.ADOPTED_STYLE_SHEET:
            out = {"source": source, "id": _number(data.get("id"))}
            out["styleIds"] = [_number(i) for i in _list(data.get("styleIds"))]
            if "styles" in data:
                out["styles"] = [
                    {
                        "styleId": _number(s.get("styleId")),
                        "rules": [self._inserted(r) for r in _list(s.get("rules"))],
                    }
                    for s in _list(data["styles"])
                    if isinstance(s, dict)
                ]
            return out
        return None

    def _sheet_rules(self, source: int, data: dict[str, Any]) -> Any:
        out: dict[str, Any] = {"source": source}
        out.update({k: _number(data[k]) for k in ("id", "styleId") if k in data})
        if "adds" in data:
            out["adds"] = [self._inserted(r) for r in _list(data["adds"])]
        if "removes" in data:
            out["removes"] = [
                {"index": _index(r.get("index"))}
                for r in _list(data["removes"])
                if isinstance(r, dict)
            ]
        for key in ("replace", "replaceSync"):
            if isinstance(data.get(key), str):
                out[key] = self.css(data[key])
        return out

    def _inserted(self, rule: Any) -> dict[str, Any]:
        if not isinstance(rule, dict):
            return {"rule": _EMPTY_RULE}
        text = rule.get("rule")
        # One rule stays one rule: others are counted by their place.
        made = self.css(text) if isinstance(text, str) else ""
        out: dict[str, Any] = {"rule": made or _EMPTY_RULE}
        if "index" in rule:
            out["index"] = _index(rule["index"])
        return out

    def _declaration(self, source: int, data: dict[str, Any]) -> Any:
        out: dict[str, Any] = {"source": source, "index": _index(data.get("index"))}
        out.update({k: _number(data[k]) for k in ("id", "styleId") if k in data})
        if isinstance(change := data.get("set"), dict):
            made = self._property(str(change.get("property")), str(change.get("value")))
            if made is None:
                return None
            out["set"] = {"property": made[0], "value": made[1]}
            if change.get("priority") == "important":
                out["set"]["priority"] = "important"
        if isinstance(change := data.get("remove"), dict):
            made = self._property(str(change.get("property")), "0")
            if made is None:
                return None
            out["remove"] = {"property": made[0]}
        return out

    # --- pages ----------------------------------------------------------------------

    def _mutation(self, data: dict[str, Any]) -> Any:
        if any(k in data for k in ("wireframe", "updates")) or any(
            isinstance(a, dict) and "wireframe" in a for a in _list(data.get("adds"))
        ):
            return _mobile_mutation(data)
        adds = []
        for add in _list(data.get("adds")):
            if not isinstance(add, dict):
                continue
            node = self._node(add.get("node"), "", 0)
            if node is None:
                continue
            if node["type"] == 0:
                _add_style(node)
            place = {k: _number(add[k]) for k in ("parentId", "nextId", "previousId") if k in add}
            adds.append({**place, "node": node})
        texts = [
            {"id": _number(t.get("id")), "value": self._changed_text(t.get("value"))}
            for t in _list(data.get("texts"))
            if isinstance(t, dict)
        ]
        removes = [
            _numbers_of(r, frozenset(("id", "parentId", "isShadow")))
            for r in _list(data.get("removes"))
            if isinstance(r, dict)
        ]
        attributes = []
        for change in _list(data.get("attributes")):
            if isinstance(change, dict) and isinstance(change.get("attributes"), dict):
                made = self._attributes(change["attributes"])
                if made:
                    attributes.append({"id": _number(change.get("id")), "attributes": made})
        out = {
            "source": int(IncrementalSource.MUTATION),
            "texts": texts,
            "attributes": attributes,
            "removes": removes,
            "adds": adds,
        }
        if data.get("isAttachIframe") is True:
            out["isAttachIframe"] = True
        return out

    def _changed_text(self, value: Any) -> str:
        """A changed text is one of the page, or of a style sheet: that is seen by its form."""
        if not isinstance(value, str):
            return ""
        if "{" in value and "}" in value and ":" in value:
            return self.css(value)
        return bars(value)

    def _node(self, node: Any, parent_tag: str, depth: int) -> Node | None:
        if not isinstance(node, dict) or type(node.get("id")) is not int:
            return None
        kind = node.get("type")
        out: Node = {"type": kind, "id": node["id"]}
        for key in ("rootId",):
            if type(node.get(key)) is int:
                out[key] = node[key]
        for key in ("isSVG", "isShadowHost", "isShadow", "needBlock", "isCustom", "isStyle"):
            if node.get(key) is True:
                out[key] = True
        if kind == 0:
            if node.get("compatMode") in ("BackCompat", "CSS1Compat"):
                out["compatMode"] = node["compatMode"]
            out["childNodes"] = self._below(node, "", depth)
        elif kind == 1:
            out.update(name="html", publicId="", systemId="")
        elif kind == 2:
            self._element(node, out, depth)
        elif kind == 3:
            text = node.get("textContent")
            if not isinstance(text, str) or parent_tag in ("script", "noscript", "title"):
                text = ""
            is_style = parent_tag == "style" or node.get("isStyle") is True
            out["textContent"] = self.css(text) if is_style else bars(text)
        elif kind in (4, 5):
            out["textContent"] = ""
        else:
            return None
        return out

    def _element(self, node: dict[str, Any], out: Node, depth: int) -> None:
        tag = node.get("tagName")
        tag = tag if isinstance(tag, str) else "div"
        attributes = node.get("attributes")
        attributes = attributes if isinstance(attributes, dict) else {}
        if tag == "link" and not isinstance(attributes.get("_cssText"), str):
            attributes = {}
        out["tagName"] = self._tag(tag)
        out["attributes"] = self._attributes(attributes)
        if node.get("isCustom") is True and out["tagName"] == tag:
            del out["isCustom"]
        if tag in _NO_CHILDREN:
            out["childNodes"] = []
        else:
            out["childNodes"] = self._below(node, tag, depth)

    def _below(self, node: dict[str, Any], tag: str, depth: int) -> list[Node]:
        if depth >= MAX_DEPTH:
            return []
        found = (self._node(k, tag, depth + 1) for k in _list(node.get("childNodes")))
        return [k for k in found if k is not None]

    def _tag(self, tag: str) -> str:
        if tag in vocabulary.TAGS:
            return tag
        return f"x-{self._number_of(tag.lower())}" if "-" in tag else "span"

    def _attributes(self, attributes: dict[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in attributes.items():
            made = self._attribute(str(name), value)
            if made is not None:
                out[made[0]] = made[1]
        return out

    def _attribute(self, name: str, value: Any) -> tuple[str, Any] | None:
        lower = name.lower()
        if value is None:  # removed, where attributes change
            return name if name in SPECIAL_ATTRIBUTES else self._attribute_name(lower), None
        if lower in ("class", "id", "for", "part", "slot", "aria-controls", "form", "exportparts"):
            if not isinstance(value, str):
                return None
            return lower, " ".join(self._name(v) for v in value.split())
        if lower == "style":
            return self._style(value)
        if lower == "_csstext":
            return ("_cssText", self.css(value)) if isinstance(value, str) else None
        if name in SPECIAL_ATTRIBUTES:
            if name in (DATA_URL, SRC):
                return None
            if isinstance(value, str) and not _SIZE.fullmatch(value):
                return (name, value) if value in vocabulary.VALUES else None
            return name, value
        if lower == "value":
            if isinstance(value, str):
                return lower, bars(value)
            return None
        if lower in vocabulary.VALUE_ATTRIBUTES:
            if isinstance(value, str) and not _SIZE.fullmatch(value) and value != "":
                value = value.lower()
                return (lower, value) if value in vocabulary.VALUES else (lower, "")
            return lower, value
        if lower in vocabulary.LEFT_OUT:
            return None
        known = self._attribute_name(lower)
        if isinstance(value, str):
            if value.lower() in vocabulary.VALUES or _SIZE.fullmatch(value) or value == "":
                return known, value.lower()
            return known, self._name(value)
        return (known, value) if isinstance(value, int | float | bool) else None

    def _attribute_name(self, lower: str) -> str:
        known = vocabulary.VALUE_ATTRIBUTES | vocabulary.PLAIN_ATTRIBUTES
        if lower in known:
            return lower
        return f"data-{self._number_of(lower)}"

    def _style(self, value: Any) -> tuple[str, Any] | None:
        if isinstance(value, str):
            return "style", self.declarations(value)
        if not isinstance(value, dict):
            return None
        out: dict[str, Any] = {}
        for name, change in value.items():
            text = change[0] if isinstance(change, list) and change else change
            made = self._property(str(name), text if isinstance(text, str) else "0")
            if made is None:
                continue
            if change is False:
                out[made[0]] = False
            elif isinstance(change, list):
                important = "important" in [c for c in change[1:] if isinstance(c, str)]
                out[made[0]] = [made[1], "important" if important else ""]
            else:
                out[made[0]] = made[1]
        return "style", out

    # --- names ----------------------------------------------------------------------

    def _number_of(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._numbers) + 1
        return number

    def _name(self, name: str) -> str:
        return f"n{self._number_of(name)}"

    # --- style ----------------------------------------------------------------------

    def css(self, text: str) -> str:
        """Convert a style sheet; the same text gives the same result."""
        made = self._sheets.get(text)
        if made is None:
            rules = tinycss2.parse_stylesheet(
                text.replace("/* rr_split */", ""), skip_comments=True, skip_whitespace=True
            )
            made = self._rules(rules, 0)
            self._sheet_chars += len(text)
            if self._sheet_chars > MAX_MEMO_CHARS:
                self._sheets.clear()
                self._sheet_chars = 0
            self._sheets[text] = made
        return made

    def _rules(self, rules: list[Token], depth: int) -> str:
        out = []
        for rule in rules:
            if rule.type == "qualified-rule":
                out.append(f"{self._selector(rule.prelude)}{{{self._block(rule.content, depth)}}}")
            elif rule.type == "at-rule":
                out.append(self._at_rule(rule, depth))
            elif rule.type == "declaration":
                out.append(self._written(rule))
        return "".join(out)

    def _block(self, content: list[Token] | None, depth: int) -> str:
        if content is None or depth >= MAX_CSS_NESTING:
            return ""
        items = tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
        return self._rules(items, depth + 1)

    def _at_rule(self, rule: Token, depth: int) -> str:
        keyword = rule.lower_at_keyword
        if keyword in ("media", "supports", "container", "layer", "scope", "starting-style"):
            prelude = self._value("", rule.prelude)
            if rule.content is None:
                return f"@{keyword} {prelude};"
            return f"@{keyword} {prelude}{{{self._block(rule.content, depth)}}}"
        if keyword.endswith("keyframes") and rule.content is not None:
            name = self._value("", rule.prelude)
            return f"@{keyword} {name}{{{self._block(rule.content, depth)}}}"
        return ""

    def _selector(self, tokens: list[Token]) -> str:
        out = []
        after = ""
        for token in tokens:
            kind = token.type
            if kind == "ident":
                out.append(self._selector_word(token.value, after))
                after = "::" if after == "::" else "word"
                continue
            if kind == "hash":
                out.append(f"#{self._name(token.value)}")
            elif kind == "literal":
                out.append(token.value)
                after = "::" if token.value == ":" and after == ":" else token.value
                continue
            elif kind == "function":
                out.append(self._selector_function(token))
            elif kind == "[] block":
                out.append(self._selector_attribute(token.content))
            elif kind in ("number", "dimension", "percentage"):
                out.append(_unescaped_number(token))
            elif kind == "whitespace":
                out.append(" ")
            after = ""
        return "".join(out).strip() or "n0"

    def _selector_word(self, word: str, after: str) -> str:
        lower = word.lower()
        if after == ".":
            return self._name(word)
        if after in (":", "::"):
            return lower if lower in vocabulary.PSEUDO else "n0"
        if lower in ("from", "to"):
            return lower
        return self._tag(word)

    def _selector_function(self, token: Token) -> str:
        if token.lower_name not in vocabulary.PSEUDO:
            return "n0"
        if token.lower_name.startswith("nth"):
            inner = "".join(self._nth_part(t) for t in token.arguments)
        elif token.lower_name == "part":
            words = [self._name(t.value) for t in token.arguments if t.type == "ident"]
            inner = " ".join(words)
        else:
            inner = self._selector(token.arguments)
        return f"{token.lower_name}({inner})"

    @staticmethod
    def _nth_part(token: Token) -> str:
        if token.type == "ident":
            word = token.value.lower()
            return word if word in ("odd", "even", "n", "of") or _NTH.fullmatch(word) else ""
        if token.type == "dimension":
            unit = token.unit.lower()
            return f"{_digits(token)}{unit}" if _NTH.fullmatch(unit) else ""
        if token.type == "number":
            return _digits(token, signed=token.representation[:1] == "+")
        if token.type == "literal" and token.value in "+-,":
            return str(token.value)
        return " " if token.type == "whitespace" else ""

    def _selector_attribute(self, tokens: list[Token]) -> str:
        name = ""
        operator = ""
        value: str | None = None
        for token in tokens:
            if token.type == "ident" and not name:
                name = token.value.lower()
            elif token.type == "literal" and value is None:
                operator += token.value
            elif token.type in ("string", "ident") and value is None and operator:
                value = token.value
        if not name:
            return ""
        known = self._attribute_name(name)
        if name in ("class", "id", "for", "part", "slot"):
            known = name
        if value is None or not operator:
            return f"[{known}]"
        if value.lower() in vocabulary.VALUES or _SIZE.fullmatch(value) or value == "":
            return f'[{known}{operator}"{value.lower()}"]'
        return f'[{known}{operator}"{self._name(value)}"]'

    def declarations(self, text: str) -> str:
        """Convert a style attribute."""
        items = tinycss2.parse_blocks_contents(text, skip_comments=True, skip_whitespace=True)
        return "".join(self._written(i) for i in items if i.type == "declaration")

    def _written(self, declaration: Token) -> str:
        made = self._converted(declaration.name, declaration.value)
        if made is None:
            return ""
        return f"{made[0]}:{made[1]}{'!important' if declaration.important else ''};"

    def _property(self, name: str, value: str) -> tuple[str, str] | None:
        return self._converted(name, tinycss2.parse_component_value_list(value))

    def _converted(self, name: str, tokens: list[Token]) -> tuple[str, str] | None:
        if name.startswith("--"):
            return f"--{self._number_of(name)}", self._value(name, tokens) or " "
        lower = name.lower()
        if lower not in vocabulary.PROPERTIES:
            return None
        if lower in ("background", "background-image") and any(_is_picture(t) for t in tokens):
            return "background-color", "#d4d4da"
        if lower == "content":
            return lower, self._content(tokens)
        value = self._value(lower, tokens)
        return (lower, value) if value else None

    def _content(self, tokens: list[Token]) -> str:
        out = []
        for token in tokens:
            if token.type == "string":
                out.append(f'"{bars(token.value)}"')
            elif token.type == "ident" and token.lower_value in vocabulary.KEYWORDS:
                out.append(token.lower_value)
        return " ".join(out) or '""'

    def _value(self, name: str, tokens: list[Token]) -> str:
        out = []
        for token in tokens:
            kind = token.type
            if kind == "ident":
                out.append(self._value_word(token))
            elif kind == "hash":
                out.append(_grey(color3.parse_color(token)) or f"#{self._name(token.value)}")
            elif kind in ("number", "percentage", "dimension"):
                out.append(_unescaped_number(token))
            elif kind == "function":
                out.append(self._function(name, token))
            elif kind == "() block":
                out.append(f"({self._value(name, token.content)})")
            elif kind == "[] block":
                out.append(f"[{self._value(name, token.content)}]")
            elif kind == "string":
                # Areas of a grid are the only words in quotes that make a layout.
                names = " ".join(w if w == "." else self._name(w) for w in token.value.split())
                out.append(f'"{names}"')
            elif kind == "literal" and token.value in "/,:*+-=<>.":
                out.append(token.value)
            elif kind == "whitespace":
                out.append(" ")
        return re.sub(r"\s+", " ", "".join(out)).strip()

    def _value_word(self, token: Token) -> str:
        if token.value.startswith("--"):
            return f"--{self._number_of(token.value)}"
        if token.lower_value in vocabulary.KEYWORDS or token.lower_value in vocabulary.PROPERTIES:
            return str(token.lower_value)
        if token.lower_value in ("transparent", "currentcolor"):
            return str(token.lower_value)
        return _grey(color3.parse_color(token)) or self._name(token.value)

    def _function(self, name: str, token: Token) -> str:
        function = token.lower_name
        grey = _grey(color3.parse_color(token))
        if grey is not None:
            return grey
        if function not in vocabulary.FUNCTIONS:
            # Newer ways to write a colour; a grey that can be told from black and white.
            return "#9a9aa2" if function in vocabulary.COLOURS else "none"
        return f"{function}({self._value(name, token.arguments)})"


def bars(text: str) -> str:
    """Give digits and dots of about a text's width, broken into lines at the same places."""
    return text.translate(_BARS)


class _Bars(dict[int, str]):
    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character.isspace():
            made = character
        elif character in _NARROW:
            made = "."
        elif unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
            made = ""
        elif unicodedata.east_asian_width(character) in "WF":
            made = "\u3007"
        else:
            made = "0"
        self[code] = made
        return made


_BARS: Final = _Bars()
_EMPTY_RULE: Final = "n0{}"
_SIZE: Final = re.compile(r"-?[0-9]{1,7}(?:\.[0-9]{1,7})?(?:px|%|em|rem|vh|vw|pt)?")
_NTH: Final = re.compile(r"-?n(?:-[0-9]+)?")


def _grey(colour: Any) -> str | None:
    """Give the grey of a colour; None when it is none."""
    if colour is None:
        return None
    if isinstance(colour, str):
        return "currentcolor"
    light = 0.2126 * colour.red + 0.7152 * colour.green + 0.0722 * colour.blue
    level = min(255, max(0, round(light * 255)))
    if colour.alpha >= 1:
        return f"rgb({level},{level},{level})"
    return f"rgba({level},{level},{level},{round(max(0.0, colour.alpha), 3)})"


def _is_picture(token: Token) -> bool:
    if token.type == "url":
        return True
    return token.type == "function" and token.lower_name in ("url", "image-set", "image", "paint")


def _digits(token: Token, *, signed: bool = False) -> str:
    value = token.int_value if token.int_value is not None else round(token.value, 4)
    return f"+{value}" if signed and value >= 0 else f"{value}"


def _unescaped_number(token: Token) -> str:
    value = token.int_value if token.int_value is not None else round(token.value, 4)
    if token.type == "percentage":
        return f"{value}%"
    if token.type == "dimension":
        unit = token.unit.lower()
        return f"{value}{unit}" if unit in vocabulary.UNITS else f"{value}"
    return f"{value}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> Any:
    return value if type(value) in (int, float) else None


def _index(value: Any) -> Any:
    if isinstance(value, list):
        return [i for i in value if type(i) is int]
    return value if type(value) is int else 0


def _sizes(data: dict[str, Any]) -> dict[str, Any]:
    return {k: _number(data.get(k)) or 0 for k in ("width", "height")}


def _numbers_of(value: Any, keys: frozenset[str]) -> Any:
    """Keep known keys, numbers, lists; nothing else."""
    if isinstance(value, dict):
        return {
            k: made
            for k, v in value.items()
            if k in keys and (made := _numbers_of(v, keys)) is not None
        }
    if isinstance(value, list):
        return [m for v in value if (m := _numbers_of(v, keys)) is not None]
    return value if isinstance(value, bool | int | float) else None


def _interaction(text: bytes) -> int | None:
    data = loads(text)
    found = data.get("type") if isinstance(data, dict) else None
    return found if type(found) is int else None


def _add_style(node: Node) -> None:
    """Put the style of wireframes at the end of a document's head, or of what there is."""
    html = next((k for k in node.get("childNodes", ()) if k.get("tagName") == "html"), None)
    if html is None:
        return
    head = next((k for k in html["childNodes"] if k.get("tagName") == "head"), html)
    first = _ADDED_ID + 2 * (node["id"] % 1_000_000)
    text = {"type": 3, "id": first, "textContent": STYLE, "isStyle": True}
    style = {
        "type": 2,
        "tagName": "style",
        "attributes": {"_cssText": STYLE},
        "id": first + 1,
        "childNodes": [text],
    }
    if "rootId" in html:
        text["rootId"] = style["rootId"] = html["rootId"]
    head["childNodes"].append(style)


# --- mobile -------------------------------------------------------------------------

_FRAME_NUMBERS: Final = frozenset(["id", "x", "y", "width", "height"])


def _wireframe(frame: Any, depth: int) -> dict[str, Any] | None:
    """Mask the words of a mobile wireframe; its form stays."""
    if not isinstance(frame, dict) or depth > MAX_DEPTH:
        return None
    out: dict[str, Any] = {k: v for k, v in frame.items() if k in _FRAME_NUMBERS and _is_size(v)}
    for key in ("type", "inputType"):
        if isinstance(frame.get(key), str) and frame[key] in vocabulary.WIREFRAME_TYPES:
            out[key] = frame[key]
    for key in ("text", "value", "label"):
        if isinstance(frame.get(key), str):
            out[key] = bars(frame[key])
        elif isinstance(frame.get(key), int | float | bool):
            out[key] = frame[key]
    for key in ("disabled", "checked"):
        if isinstance(frame.get(key), bool):
            out[key] = frame[key]
    if isinstance(frame.get("options"), list):
        out["options"] = [bars(o) for o in frame["options"] if isinstance(o, str)]
    if isinstance(frame.get("style"), dict):
        out["style"] = _frame_style(frame["style"])
    if isinstance(frame.get("childWireframes"), list):
        below = (_wireframe(f, depth + 1) for f in frame["childWireframes"])
        out["childWireframes"] = [f for f in below if f]
    if out.get("type") == "image":
        out["type"] = "placeholder"
    return out


def _is_size(value: Any) -> bool:
    return type(value) in (int, float) or (
        isinstance(value, str) and _SIZE.fullmatch(value) is not None
    )


def _frame_style(style: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in style.items():
        if key not in vocabulary.WIREFRAME_STYLES:
            continue
        if _is_size(value) or (isinstance(value, str) and value in vocabulary.WIREFRAME_VALUES):
            out[key] = value
        elif isinstance(value, str) and (grey := _grey(color3.parse_color(value[:7]))):
            out[key] = grey
    return out


def _mobile_mutation(data: dict[str, Any]) -> Any:
    out: dict[str, Any] = {"source": int(IncrementalSource.MUTATION)}
    for name in ("adds", "updates"):
        made = []
        for item in _list(data.get(name)):
            frame = _wireframe(item.get("wireframe"), 0) if isinstance(item, dict) else None
            if frame:
                made.append({"parentId": _number(item.get("parentId")), "wireframe": frame})
        out[name] = made
    out["removes"] = [
        _numbers_of(r, frozenset(("id", "parentId")))
        for r in _list(data.get("removes"))
        if isinstance(r, dict)
    ]
    return out
