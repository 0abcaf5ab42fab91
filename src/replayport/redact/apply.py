"""
Applies a profile to the events of a recording, in playing order, each window by itself.

```
event ─┬─ numbers only: as it is
       ├─ page (snapshot, mutation)  places ──> mirror ──> what is this node, where is it? ─┐
       ├─ field                      which field is it?                                     ├─> event
       └─ JSON (console, network …)  keys, JSON inside strings, detectors                   ┘
```

What a later event says about an earlier one (a field that becomes a password, an element
that is marked private, a value that is complete only at its last letter) is remembered as
a fact, and the recording is gone through again with it. When that does not settle, or a
page cannot be rebuilt, more is masked, and counted as a warning: nothing is let through
because it could not be understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import re2  # type: ignore[import-untyped]

from replayport.collecting import rare_collections
from replayport.redact import pictures
from replayport.redact.addresses import mask_address, rules_of
from replayport.redact.detectors import Hit, Scanner, merged
from replayport.redact.masking import is_masked, mask, mask_field
from replayport.redact.places import ATTRIBUTE, CSS, INLINE, KEY, TEXT, Sheet, dumps, loads
from replayport.redact.report import Finds
from replayport.redact.rules import INPUT_TYPES, Profile, plain_key, plain_keys
from replayport.rrweb.columns import EventColumns
from replayport.rrweb.events import EventType, IncrementalSource, kind_of
from replayport.rrweb.mirror import Mirror, Selectors
from replayport.rrweb.nodes import Node, NodeType, walk

MAX_PASSES: Final = 4
MAX_MEMO_CHARS: Final = 64 * 2**20
MAX_LINE_NODES: Final = 200
"""Nodes of a block whose texts are looked at as one."""
MIN_LEARNED_CHARS: Final = 4
_LARGE_NUMBER: Final = 10**8

_MASK, _BLOCK, _KEEP, _FIELD = 1, 2, 3, 4
_FLAGS: Final = {"mask": _MASK, "block": _BLOCK, "keep": _KEEP}

_NUMBERS_ONLY: Final = re2.compile(
    rb'(?:"(?:source|positions|x|y|id|timeOffset|type|pointerType|width|height|ranges|start|end'
    rb'|startOffset|endOffset)":|true|false|null|[0-9.,\[\]{}eE+ -])*'
)
_LIGHT: Final = frozenset(
    {
        IncrementalSource.MOUSE_MOVE,
        IncrementalSource.MOUSE_INTERACTION,
        IncrementalSource.SCROLL,
        IncrementalSource.VIEWPORT_RESIZE,
        IncrementalSource.TOUCH_MOVE,
        IncrementalSource.DRAG,
        IncrementalSource.SELECTION,
    }
)
_STYLE_SOURCES: Final = frozenset(
    {
        IncrementalSource.STYLE_SHEET_RULE,
        IncrementalSource.STYLE_DECLARATION,
        IncrementalSource.ADOPTED_STYLE_SHEET,
    }
)
_SAYING: Final = frozenset(
    [
        "title",
        "alt",
        "placeholder",
        "label",
        "value",
        "content",
        "summary",
        "aria-label",
        "aria-description",
        "aria-valuetext",
        "aria-placeholder",
        "aria-roledescription",
        "srcdoc",
        "download",
        "cite",
        "abbr",
    ]
)
"""Attributes that say something to a person; masked inside a masked element."""
_ADDRESSES: Final = frozenset(
    [
        "href",
        "xlink:href",
        "action",
        "formaction",
        "cite",
        "ping",
        "data",
        "codebase",
        "manifest",
        "longdesc",
    ]
)
_PICTURES: Final = frozenset(
    [
        "src",
        "srcset",
        "poster",
        "background",
        "rr_dataURL",
        "rr_src",
        "imagesrcset",
        "data-src",
        "data-srcset",
    ]
)
_PICTURE_TAGS: Final = frozenset(
    ["img", "image", "source", "video", "input", "picture", "object", "embed", "canvas"]
)
_ASSET_TAGS: Final = frozenset(
    ["img", "image", "source", "video", "audio", "link", "track", "input", "use"]
)
_COORDINATES: Final = frozenset(
    [
        "d",
        "points",
        "viewBox",
        "transform",
        "values",
        "keyTimes",
        "gradientTransform",
        "patternTransform",
    ]
)
_FIELD_TAGS: Final = frozenset(("input", "textarea", "select"))
_BODIES: Final = frozenset(("requestbody", "responsebody", "body", "payloadbody"))
_KEPT_KEYS: Final = frozenset(
    ["level", "plugin", "tag", "entrytype", "initiatortype", "method", "nexthopprotocol", "type"]
)
_HARMLESS: Final = frozenset(("", "on", "off", "true", "false"))
_CSS_STRING: Final = re.compile(
    r"""(content\s*:\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.IGNORECASE
)

Fact = tuple[Any, ...]


class Redactor:
    """
    One recording's redaction.

    Args:
        profile: What to redact.
        known: Values to look for everywhere, such as `person_values` gives.
        pseudonym: Gives what stands for an id, for profiles that want pseudonyms; without
            it ids are masked.

    Attributes:
        finds: What was found so far.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        known: Iterable[str] = (),
        pseudonym: Callable[[str], str] | None = None,
    ) -> None:
        self.profile = profile
        self.finds = Finds()
        self._known = set(known) if profile.find_person else set()
        self._pseudonym = pseudonym
        self._keys = plain_keys(profile.payloads.keys)
        self._bodies = _BODIES if profile.payloads.bodies == "mask" else frozenset()
        self._chosen_keys: dict[str, bool] = {}
        self._types = frozenset(profile.inputs.types)
        self._autocomplete = frozenset(profile.inputs.autocomplete)
        self._names = tuple(plain_key(n) for n in profile.inputs.names)
        self._attributes = frozenset(a for a in profile.attributes if not a.endswith("*"))
        self._prefixes = tuple(a[:-1] for a in profile.attributes if a.endswith("*"))
        self._looks = bool(profile.attributes or profile.images != "keep" or profile.text == "mask")
        self._selectors = Selectors([s.selector for s in profile.select])
        self._actions = [_FLAGS[s.action] for s in profile.select]
        self._needles = _needles(profile)
        self._facts: set[Fact] = set()
        self._typing: dict[Fact, list[tuple[str, int]]] = {}
        self._mask_all = False
        self._late = False
        self._learned: set[str] = set()
        self._typed: dict[Fact, str] = {}
        self._windows: dict[str, _Page] = {}
        self._compile()

    def _compile(self) -> None:
        profile = self.profile
        self._scanner = Scanner(
            profile.detectors,
            regions=profile.phone_regions,
            known=self._known,
            rules=rules_of(profile, assets=False),
        )
        self._asset_scanner = Scanner(  # coordinates look like national phone numbers
            profile.detectors,
            known=self._known,
            rules=rules_of(profile, assets=True),
        )
        self._quoted_scanner = Scanner(
            [n for n in profile.detectors if n == "phone"], regions=profile.phone_regions
        )
        self._memo: tuple[dict[str, list[Hit]], dict[str, list[Hit]]] = {}, {}
        self._memo_chars = 0

    # --- events ---------------------------------------------------------------------

    def redact(self, columns: EventColumns) -> EventColumns:
        """
        Redact a recording's events.

        Args:
            columns: In order of arrival; not changed.

        Returns:
            As many events, in the same order.

        Memory:
            Both, and the pages of all windows.
        """
        finds = self.finds
        for n in range(MAX_PASSES + 1):
            self._mask_all = n == MAX_PASSES
            self.finds = Finds()
            with rare_collections():
                out = self._pass(columns)
            if not self._late:
                break
        if self._mask_all:
            self.finds.warnings["many_passes"] += 1
        self._windows = {}
        finds.update(self.finds)
        self.finds = finds
        return out

    def _pass(self, columns: EventColumns) -> EventColumns:
        self._late = False
        self._windows = {}
        self._typed = {}
        n = len(columns)
        changed: dict[int, bytes] = {}
        order = np.argsort(np.frombuffer(columns.timestamp_ms, np.int64), kind="stable")
        for row in order.tolist():
            raw = columns.data_of(row)
            if raw is None:
                continue
            source = columns.source[row]
            type_ = columns.type[row]
            if (
                type_ == EventType.INCREMENTAL_SNAPSHOT
                and source in _LIGHT
                and _NUMBERS_ONLY.fullmatch(raw) is not None
            ):
                continue
            page = self._page(columns.windows.values[columns.window[row]])
            new = self._event(page, type_, source, raw, columns.kinds.values[columns.kind[row]])
            if new is not None:
                changed[row] = new
        self._learn()
        for page in self._windows.values():
            lost = sum(
                page.mirror.findings[code]
                for code in (
                    "damaged_node",
                    "duplicate_node",
                    "add_without_parent",
                    "damaged_event",
                )
            )
            if lost:
                self.finds.warnings["damaged_page"] += lost
        return self._rebuilt(columns, changed, n)

    def _rebuilt(self, columns: EventColumns, changed: dict[int, bytes], n: int) -> EventColumns:
        out = EventColumns()
        for name in ("timestamp_ms", "type", "source", "node_id", "x", "y", "window", "block_ends"):
            getattr(out, name).extend(getattr(columns, name))
        for value in columns.windows.values:
            out.windows[value]
        out.no_data = set(columns.no_data)
        kinds = [
            self.text(k, "custom") if k.startswith(("custom:", "plugin:")) else k
            for k in columns.kinds.values
        ]
        out.kind.extend(out.kinds[kinds[code]] for code in columns.kind)
        data = memoryview(columns.data)
        ends = columns.data_end
        start = 0
        for row in sorted(changed):
            begin = ends[row - 1] if row else 0
            out.data += data[start:begin]
            self._ends(out, ends, len(out.data_end), row, len(out.data) - begin)
            out.data += changed[row]
            out.data_end.append(len(out.data))
            start = ends[row]
            if columns.type[row] in (EventType.CUSTOM, EventType.PLUGIN):
                parsed = loads(changed[row])
                if isinstance(parsed, dict):
                    called = parsed.get(
                        "tag" if columns.type[row] == EventType.CUSTOM else "plugin"
                    )
                    out.kind[row] = out.kinds[kind_of(columns.type[row], name=called)]
        out.data += data[start:]
        self._ends(out, ends, len(out.data_end), n, len(out.data) - len(columns.data))
        finds, self.finds = self.finds, Finds()  # counted in the events they are of
        out.url = {row: self.address(url) for row, url in columns.url.items()}
        self.finds = finds
        for row, extra in columns.extra.items():
            value = loads(extra)
            if isinstance(value, dict):
                out.extra[row] = dumps(value) if self.json(value, "event") else extra
            else:
                self.finds.add("damaged", "event")
        return out

    @staticmethod
    def _ends(out: EventColumns, ends: Sequence[int], first: int, last: int, shift: int) -> None:
        if last > first:
            moved = np.frombuffer(ends, np.int64)[first:last] + shift  # type: ignore[call-overload]
            out.data_end.frombytes(moved.tobytes())

    def _page(self, window_id: str) -> _Page:
        page = self._windows.get(window_id)
        if page is None:
            page = self._windows[window_id] = _Page(window_id)
        return page

    def _event(self, page: _Page, type_: int, source: int, raw: bytes, kind: str) -> bytes | None:
        """Give an event's new data; None when it stays as it is."""
        data = loads(raw)
        if not isinstance(data, dict | list):
            if isinstance(data, str | int | float | None) and data is not None:
                return self._scalar(data)
            if raw.strip() == b"null":
                return None
            self.finds.add("damaged", "event")
            self.finds.warnings["unreadable_event"] += 1
            return b"{}"
        if isinstance(data, dict):
            if type_ == EventType.FULL_SNAPSHOT and isinstance(data.get("node"), dict):
                return self._snapshot(page, data, raw)
            if type_ == EventType.INCREMENTAL_SNAPSHOT:
                if source == IncrementalSource.MUTATION and not _is_mobile(data):
                    return self._mutation(page, data, raw)
                if source == IncrementalSource.INPUT:
                    return self._input(page, data)
                if source in _STYLE_SOURCES:
                    return self._rules(page, data, raw)
                if source == IncrementalSource.CANVAS_MUTATION and self.profile.images != "keep":
                    return self._canvas(data)
                if source in _LIGHT and self.profile.text == "keep":
                    return dumps(data) if self.json(data, "event") else None
            if type_ == EventType.META:
                page.mirror.apply(type_, None, dict(data))
        place = {EventType.CUSTOM: "custom", EventType.META: "address"}.get(type_, "event")  # type: ignore[call-overload]
        if kind in ("console", "network"):
            place = kind
        elif type_ == EventType.PLUGIN:
            place = "custom"
        changed = self._mobile(data) if _is_mobile(data) else False
        return dumps(data) if self.json(data, place) or changed else None

    def _scalar(self, data: Any) -> bytes | None:
        holder = [data]
        return dumps(holder[0]) if self.json(holder, "event") else None

    # --- pages ----------------------------------------------------------------------

    def _snapshot(self, page: _Page, data: dict[str, Any], raw: bytes) -> bytes | None:
        sheet = Sheet()
        sheet.tree(data["node"])
        page.begin()
        damage, is_own = page.mirror.findings.total(), not page.mirror.awaits_documents
        page.mirror.apply(EventType.FULL_SNAPSHOT, None, data)
        self._flag(page, sheet.elements, raw)
        edits = self._edits(page, sheet)
        if not edits:
            return None
        if is_own and page.mirror.findings.total() == damage:
            return sheet.lent(edits, data)  # the mirror put nothing into it, and mended nothing
        again = loads(raw)
        target = Sheet()
        target.tree(again["node"])
        return self._written(target, edits, again)

    def _mutation(self, page: _Page, data: dict[str, Any], raw: bytes) -> bytes | None:
        sheet = Sheet()
        touched = _mutation_places(sheet, data)
        before = {node_id: page.mirror.node(node_id) for node_id in touched["texts"]}
        said = {i: str(n.get("textContent") or "") for i, n in before.items() if n is not None}
        page.mirror.apply(EventType.INCREMENTAL_SNAPSHOT, IncrementalSource.MUTATION, data)
        elements = list(sheet.elements)
        for node_id in touched["attributes"]:
            node = page.mirror.node(node_id)
            if node is not None:
                elements.append(node)
        self._flag(page, elements, raw, late=touched["attributes"], added=touched["added"])
        edits = self._edits(page, sheet)
        self._lines(page, sheet, touched["text_places"], edits)
        self._typed_text(page, sheet, touched, said, edits)
        if not edits:
            return None
        again = loads(raw)
        target = Sheet()
        _mutation_places(target, again)
        return self._written(target, edits, again)

    @staticmethod
    def _written(target: Sheet, edits: dict[int, str], data: Any) -> bytes | None:
        if not edits:
            return None
        for i, text in edits.items():
            target.put(i, text)
        target.close()
        return dumps(data)

    def _flag(
        self,
        page: _Page,
        elements: list[Node],
        raw: bytes,
        *,
        late: Iterable[int] = (),
        added: Iterable[int] = (),
    ) -> None:
        """Find out which elements rules choose, and what is inside them."""
        mirror = page.mirror
        late = set(late) - set(added)
        rooted: list[tuple[int, int]] = []
        look = self._may_match(raw)
        for node in elements:
            node_id = node.get("id")
            if type(node_id) is not int:
                continue
            flag = self._field_flag(node)
            if look and self._actions and node_id in mirror:
                for position in self._selectors.matching_node(mirror, node):
                    flag = self._actions[position]
            fact = (page.window_id, page.epoch, node_id)
            is_news = node_id in late and node_id not in page.own and fact not in self._facts
            if flag and flag != _KEEP and is_news:
                self._facts.add(fact)
                self._late = True
            if not flag and fact in self._facts:
                flag = _MASK
            if flag and node_id not in page.own:
                page.own[node_id] = flag
                rooted.append((node_id, flag))
        for node_id, flag in rooted:
            self._spread(page, node_id, flag)
        if page.inside:
            self._inherit(page, added)
        if late and self._needles is None and look:
            self._look_again(page, late)

    def _look_again(self, page: _Page, late: set[int]) -> None:
        """Where selectors look at other elements, a change of one may choose another."""
        mirror = page.mirror
        seen: set[int] = set()
        for node_id in late:
            above = mirror.parent(node_id)
            for node in mirror.walk(node_id if above is None else above):
                other = node["id"]
                if other in seen or other in page.own or node.get("type") != NodeType.ELEMENT:
                    continue
                seen.add(other)
                for position in self._selectors.matching_node(mirror, node):
                    flag = self._actions[position]
                    page.own[other] = flag
                    self._spread(page, other, flag)
                    fact = (page.window_id, page.epoch, other)
                    if flag != _KEEP and fact not in self._facts:
                        self._facts.add(fact)
                        self._late = True

    @staticmethod
    def _spread(page: _Page, node_id: int, flag: int) -> None:
        """Note everything below an element; what has a rule of its own keeps it."""
        stack = [node_id]
        while stack:
            current = stack.pop()
            if current != node_id and current in page.own:
                continue
            page.inside[current] = flag
            stack.extend(k["id"] for k in page.mirror.kids(current))

    @staticmethod
    def _inherit(page: _Page, added: Iterable[int]) -> None:
        """Note what was added below an element that a rule chose."""
        inside, parent = page.inside, page.mirror.parent
        outside: set[int] = set()
        for node_id in added:
            path = []
            current: int | None = node_id
            while current is not None and current not in inside and current not in outside:
                path.append(current)
                current = parent(current)
            if current is not None and current in inside:
                inside.update(dict.fromkeys(path, inside[current]))
            else:
                outside.update(path)

    def _may_match(self, raw: bytes) -> bool:
        return self._needles is None or self._needles.search(raw) is not None

    def _edits(self, page: _Page, sheet: Sheet) -> dict[int, str]:
        """Decide on all places of a page's event."""
        edits: dict[int, str] = {}
        profile = self.profile
        texts, kinds, nodes = sheet.texts, sheet.kinds, sheet.nodes
        plain = profile.text == "keep" and not self._mask_all
        inside = page.inside
        if inside or not plain or self._looks:
            default = 0 if plain else _MASK
            looks = self._looks
            for i, node_id in enumerate(nodes):
                flag = inside.get(node_id, default)
                if kinds[i] == TEXT:
                    if flag and flag != _KEEP:
                        self._mask_text(page, sheet, i, flag, edits)
                elif flag or (looks and self._needs_look(sheet, i)):
                    self._mask_attribute(page, sheet, i, flag, edits)
        n = len(texts)
        runs = sheet.runs
        looked_at = texts + ["".join(texts[i] for i in run) for run in runs] if runs else texts
        for i in self._scanner.candidates(looked_at) if looked_at else ():
            if i >= n:
                self._split(sheet, runs[i - n], looked_at[i], edits)
            elif i not in edits:
                hits = self._hits(texts[i], asset=self._is_asset(sheet, i))
                if hits:
                    edits[i] = self._replaced(texts[i], hits, _place(sheet, i))
        if self._typing:
            self._earlier(page, sheet, edits)
        return edits

    def _needs_look(self, sheet: Sheet, i: int) -> bool:
        """Tell whether an attribute may fall to a rule for all elements."""
        name = sheet.keys[i]
        if self.profile.images != "keep" and (
            name in _PICTURES or name in ("style", "_cssText", "href", "xlink:href")
        ):
            return True
        if self.profile.text == "mask" and (name in _ADDRESSES or name in ("style", "_cssText")):
            return True
        return name in self._attributes or (
            bool(self._prefixes) and isinstance(name, str) and name.startswith(self._prefixes)
        )

    def _mask_text(
        self, page: _Page, sheet: Sheet, i: int, flag: int, edits: dict[int, str]
    ) -> None:
        text = sheet.texts[i]
        parent = page.mirror.parent(sheet.nodes[i])
        tag = "" if parent is None else page.mirror.tag(parent)
        if tag in ("style", "script") or sheet.owners[i].get("isStyle"):
            if self.profile.text == "mask" and tag == "style":
                self._mask_css(sheet, i, edits)
            return
        new = mask_field(text) if flag == _FIELD and tag == "textarea" else mask(text)
        if is_masked(text):
            return
        edits[i] = new
        if flag == _FIELD:
            self.finds.add("input", "field", text)
            if tag == "textarea" and parent is not None:
                self._note_typed(page, parent, text)
        elif sheet.nodes[i] in page.inside:
            self.finds.add("selector", "text", text)
        else:
            self.finds.add("text", "text", text)
            if sheet.nodes[i] not in page.mirror:
                self.finds.warnings["unknown_node"] += 1

    def _mask_attribute(
        self, page: _Page, sheet: Sheet, i: int, flag: int, edits: dict[int, str]
    ) -> None:
        name, text, tag = sheet.keys[i], sheet.texts[i], sheet.tags[i]
        profile = self.profile
        if sheet.kinds[i] == CSS:
            if flag == _BLOCK or profile.images == "block":
                new = pictures.without_pictures(text)
                if new != text:
                    edits[i] = new
                    self.finds.add("image", "style")
            if profile.text == "mask":
                self._mask_css(sheet, i, edits)
            return
        if flag == _FIELD and name == "value" and (tag != "option" or profile.inputs.options):
            if not is_masked(text) and text.lower() not in _HARMLESS:
                edits[i] = mask_field(text)
                self.finds.add("input", "field", text)
                if tag in ("input", "textarea"):
                    self._note_typed(page, sheet.nodes[i], text)
            return
        if name in _PICTURES or (name in ("href", "xlink:href") and tag == "image"):
            self._mask_picture(sheet, i, flag, edits)
            return
        if flag == _KEEP:
            return
        named = name in self._attributes or name.startswith(self._prefixes or ("\0",))
        hidden = flag in (_MASK, _BLOCK) and (name in _SAYING or name.startswith("data-"))
        if (named or hidden) and not is_masked(text) and tag != "script":
            if name == "content" and tag == "meta" and not named:
                return
            edits[i] = mask(text)
            self.finds.add("attribute" if named and not flag else "selector", "attribute", text)
        elif name in _ADDRESSES and (flag in (_MASK, _BLOCK) or profile.text == "mask"):
            new = mask_address(text) if tag != "use" and tag != "link" else text
            if new != text:
                edits[i] = new
                self.finds.add("path", "address", text)

    def _mask_picture(self, sheet: Sheet, i: int, flag: int, edits: dict[int, str]) -> None:
        name, text, tag = sheet.keys[i], sheet.texts[i], sheet.tags[i]
        everything = flag == _BLOCK or self.profile.images == "block"
        inside = self.profile.images != "keep" and (
            name == "rr_dataURL" or pictures.is_picture(text)
        )
        if pictures.is_box(text) or text.startswith("about:") or not (everything or inside):
            return
        if tag not in _PICTURE_TAGS and not pictures.is_picture(text):
            return
        new = "" if "srcset" in name or tag in ("video", "object", "embed") else pictures.box(text)
        edits[i] = new
        self.finds.add("image", "image")

    def _mask_css(self, sheet: Sheet, i: int, edits: dict[int, str]) -> None:
        text = edits.get(i, sheet.texts[i])
        new = _CSS_STRING.sub(lambda m: m[1] + m[2][0] + mask(m[2][1:-1]) + m[2][0], text)
        if new != text:
            edits[i] = new
            self.finds.add("text", "style")

    def _split(self, sheet: Sheet, run: list[int], joined: str, edits: dict[int, str]) -> None:
        """Redact what several places together say."""
        starts = np.cumsum([0, *(len(sheet.texts[i]) for i in run)]).tolist()
        for hit in self._hits(joined):
            touched = [
                (i, max(hit.start - a, 0), min(hit.end, b) - a)
                for i, a, b in zip(run, starts, starts[1:], strict=False)
                if a < hit.end and b > hit.start
            ]
            if len(touched) < 2:
                continue
            self.finds.add(hit.kind, "split_text", joined[hit.start : hit.end])
            for i, start, end in touched:
                text = edits.get(i, sheet.texts[i])
                edits[i] = text[:start] + mask(text[start:end]) + text[end:]

    # --- what several events say together -------------------------------------------

    def _lines(
        self, page: _Page, sheet: Sheet, places: dict[int, int], edits: dict[int, str]
    ) -> None:
        """Look at changed texts together with what stands beside them on the page."""
        done: set[int] = set()
        for node_id in places:
            block = self._block_of(page, node_id)
            if block is None or block in done or len(page.mirror.kids(block)) < 2:
                continue
            done.add(block)
            for line in _lines_of(page.mirror, block):
                if len(line) < 2 or not any(n["id"] in places for n in line):
                    continue
                joined = "".join(n["textContent"] for n in line)
                if not self._scanner.candidates([joined]):
                    continue
                self._split_line(page, sheet, places, line, joined, edits)

    def _split_line(
        self,
        page: _Page,
        sheet: Sheet,
        places: dict[int, int],
        line: list[Node],
        joined: str,
        edits: dict[int, str],
    ) -> None:
        starts = np.cumsum([0, *(len(n["textContent"]) for n in line)]).tolist()
        for hit in self._hits(joined):
            parts = [
                (n, max(hit.start - a, 0), min(hit.end, b) - a)
                for n, a, b in zip(line, starts, starts[1:], strict=False)
                if a < hit.end and b > hit.start
            ]
            if len(parts) < 2:
                continue
            self.finds.add(hit.kind, "split_text", joined[hit.start : hit.end])
            for node, start, end in parts:
                i = places.get(node["id"])
                if i is not None:
                    text = edits.get(i, sheet.texts[i])
                    edits[i] = text[:start] + mask(text[start:end]) + text[end:]
                    continue
                fact = (page.window_id, page.epoch, node["id"])
                if fact not in self._facts:  # it was shown before: from its beginning, then
                    self._facts.add(fact)
                    self._late = True

    @staticmethod
    def _block_of(page: _Page, node_id: int) -> int | None:
        for above in page.mirror.ancestors(node_id):
            if page.mirror.tag(above) not in INLINE:
                return above
        return None

    def _typed_text(
        self,
        page: _Page,
        sheet: Sheet,
        touched: dict[str, Any],
        said: dict[int, str],
        edits: dict[int, str],
    ) -> None:
        """A text that grows letter by letter into something: its beginnings go too."""
        for node_id in touched["texts"]:
            i = touched["text_places"].get(node_id)
            if i is None:
                continue
            fact = (page.window_id, page.epoch, node_id)
            text = sheet.texts[i]
            if fact in self._facts and not is_masked(text):
                edits[i] = mask(text)
                continue
            if i not in edits or node_id in page.inside:
                continue
            start = _common(text, edits[i])
            before = said.get(node_id, "")
            if len(before) > start and _common(before, text) > start:
                entry = (text, start)
                known = self._typing.setdefault(fact, [])
                if entry not in known:
                    known.append(entry)
                    self._late = True

    def _earlier(self, page: _Page, sheet: Sheet, edits: dict[int, str]) -> None:
        for i, node_id in enumerate(sheet.nodes):
            if sheet.kinds[i] != TEXT:
                continue
            for full, start in self._typing.get((page.window_id, page.epoch, node_id), ()):
                text = edits.get(i, sheet.texts[i])
                if _common(sheet.texts[i], full) > start:
                    edits[i] = text[:start] + mask(text[start:])

    # --- fields ---------------------------------------------------------------------

    def _field_flag(self, node: Node) -> int:
        """Tell whether an element is a field that is masked."""
        tag = node.get("tagName")
        attributes = node.get("attributes")
        if not isinstance(attributes, dict):
            attributes = {}
        if tag not in _FIELD_TAGS:
            editable = attributes.get("contenteditable")
            if editable is not None and "contenteditable" in self._types:
                return _MASK if str(editable).lower() != "false" else 0
            return 0
        return _FIELD if self._is_masked_field(str(tag), attributes) else 0

    def _is_masked_field(self, tag: str, attributes: Mapping[str, Any]) -> bool:
        kind = str(attributes.get("type") or "text").lower() if tag == "input" else tag
        if attributes.get("data-rr-is-password") is not None:
            kind = "password"
        if kind in self._types or (kind not in _KNOWN_TYPES and "text" in self._types):
            return True
        return self._is_sensitive(kind, attributes)

    def _is_sensitive(self, kind: str, attributes: Mapping[str, Any]) -> bool:
        """Tell whether a field asks for something personal, by what it says of itself."""
        if kind == "password" and "password" in self._types:
            return True
        tokens = str(attributes.get("autocomplete") or "").lower().split()
        if not self._autocomplete.isdisjoint(tokens):
            return True
        if not self._names or kind in ("button", "submit", "reset", "checkbox", "radio", "image"):
            return False
        said = plain_key(
            " ".join(
                str(attributes.get(n) or "") for n in ("name", "id", "placeholder", "aria-label")
            )
        )
        return any(name in said for name in self._names)

    def _input(self, page: _Page, data: dict[str, Any]) -> bytes | None:
        node_id, text = data.get("id"), data.get("text")
        node = page.mirror.node(node_id) if type(node_id) is int else None
        page.mirror.apply(EventType.INCREMENTAL_SNAPSHOT, IncrementalSource.INPUT, dict(data))
        changed = False
        if isinstance(text, str) and text and not is_masked(text):
            fact = (page.window_id, page.epoch, node_id)
            unknown = node is None
            flag = _MASK if unknown else page.inside.get(node_id, 0)  # type: ignore[arg-type]
            if node is not None and not flag and self._field_flag(node):
                flag = _FIELD
            if self._mask_all or self.profile.text == "mask" or fact in self._facts:
                flag = flag or _MASK
            if flag and flag != _KEEP and text.lower() not in _HARMLESS:
                data["text"] = mask_field(text)
                self.finds.add("input", "field", text)
                changed = True
                if unknown:
                    self.finds.warnings["unknown_node"] += 1
                elif type(node_id) is int:
                    self._note_typed(page, node_id, text)
            elif hits := self._hits(text):
                data["text"] = mask_field(text)
                self.finds.add(hits[0].kind, "field", text)
                changed = True
                if fact not in self._facts:
                    self._facts.add(fact)
                    self._late = True
        rest = {k: v for k, v in data.items() if k != "text"}
        if self.json(rest, "field"):
            data.update(rest)
            changed = True
        return dumps(data) if changed else None

    def _note_typed(self, page: _Page, node_id: int, text: str) -> None:
        if not self.profile.inputs.learn or len(text) < MIN_LEARNED_CHARS:
            return
        node = page.mirror.node(node_id)
        attributes = node.get("attributes") if node is not None else None
        if node is None or not isinstance(attributes, dict) or node.get("tagName") == "select":
            return
        kind = str(attributes.get("type") or "text").lower()
        if attributes.get("data-rr-is-password") is not None:
            kind = "password"
        if node.get("tagName") == "textarea":
            kind = "textarea"
        if kind in ("hidden", "checkbox", "radio", "file", "range", "color", "number", "textarea"):
            return
        if self._is_sensitive(kind, attributes):
            key = (page.window_id, page.epoch, node_id)
            # Typing on gives one longer value; what is typed anew is another one.
            before = self._typed.get(key)
            if before is not None and not text.startswith(before) and not before.startswith(text):
                self._learned.add(before)
            if before is None or not before.startswith(text):
                self._typed[key] = text

    def _learn(self) -> None:
        """Look for what was typed into sensitive fields everywhere, in one more pass."""
        learned = {
            v.strip()
            for v in (*self._learned, *self._typed.values())
            if MIN_LEARNED_CHARS <= len(v.strip()) <= 200 and not is_masked(v)
        }
        new = {v for v in learned if v.casefold() not in self._scanner.known}
        if new and len(self._known) < 300:
            self._known |= new
            self._compile()
            self._late = True

    # --- style and canvas -----------------------------------------------------------

    def _rules(self, page: _Page, data: dict[str, Any], raw: bytes) -> bytes | None:
        sheet = Sheet()
        sheet.json(data, kind=CSS)
        edits: dict[int, str] = {}
        for i in range(len(sheet.texts)):
            self._mask_attribute(page, sheet, i, 0, edits)
        for i in self._scanner.candidates(sheet.texts) if sheet.texts else ():
            text = edits.get(i, sheet.texts[i])
            if hits := self._hits(text, asset=True):
                edits[i] = self._replaced(text, hits, "style")
        if not edits:
            return None
        again = loads(raw)
        target = Sheet()
        target.json(again, kind=CSS)
        return self._written(target, edits, again)

    def _canvas(self, data: dict[str, Any]) -> bytes | None:
        if data.get("commands") or any(k in data for k in ("property", "args")):
            self.finds.add("image", "image")
            kept = {k: data[k] for k in ("source", "id", "type") if k in data}
            return dumps({**kept, "commands": []})
        return None

    # --- JSON -----------------------------------------------------------------------

    def json(self, value: Any, place: str) -> bool:
        """
        Redact any JSON object or list in place.

        Args:
            value: It.
            place: One of `report.PLACES`.

        Returns:
            Whether something changed.
        """
        sheet = Sheet(self._choose if place not in ("address", "assets") else None)
        sheet.json(value)
        changed = False
        for owner, key in sheet.chosen:
            rule = "body" if plain_key(key) in _BODIES else "key"
            changed |= self._mask_leaves(owner, key, rule, place)
        texts = sheet.texts
        n = len(texts)
        runs = sheet.runs
        everything = self._masks_all(place)
        edits: dict[int, str] = {}
        if everything or self.profile.urls.path == "mask":
            for i, text in enumerate(texts):
                if sheet.kinds[i] != KEY:
                    new = self._masked_value(sheet, i, text, everything=everything)
                    if new != text and not is_masked(text):
                        edits[i] = new
                        self.finds.add("key" if everything else "path", place, text)
        looked_at = texts + ["".join(texts[i] for i in run) for run in runs] if runs else texts
        for i in self._scanner.candidates(looked_at) if looked_at else ():
            if i >= n:
                self._split(sheet, runs[i - n], looked_at[i], edits)
                continue
            text = edits.get(i, texts[i])
            if hits := self._hits(text, asset=place == "assets"):
                edits[i] = self._replaced(text, hits, place)
        for i, text in edits.items():
            sheet.put(i, text)
        sheet.close()
        return bool(edits) or changed or self._numbers(value, place)

    def _masks_all(self, place: str) -> bool:
        wanted = self.profile.payloads.all == "mask" or self._mask_all
        return wanted and place in ("console", "network", "custom", "event", "analytics", "field")

    def _masked_value(self, sheet: Sheet, i: int, text: str, *, everything: bool) -> str:
        key = sheet.keys[i]
        if isinstance(key, str) and plain_key(key) in _KEPT_KEYS:
            return text
        if _LOOKS_LIKE_ADDRESS.match(text):
            return mask_address(text)
        return mask(text) if everything else text

    def _choose(self, key: str, owner: dict[str, Any]) -> bool:
        chosen = self._chosen_keys.get(key)
        if chosen is None:
            plain = plain_key(key)
            chosen = plain in self._keys or plain in self._bodies
            if len(self._chosen_keys) < 100_000:
                self._chosen_keys[key] = chosen
        if chosen:
            # Requests, headers and cookies have names too, which are nobody's.
            return key != "name" or not (
                "value" in owner
                or "entryType" in owner
                or "initiatorType" in owner
                or _LOOKS_LIKE_ADDRESS.match(str(owner[key])) is not None
            )
        if key == "value" and isinstance(name := owner.get("name", owner.get("key")), str):
            return plain_key(name) in self._keys and plain_key(name) != "name"
        return False

    def _mask_leaves(self, owner: Any, key: Any, rule: str, place: str) -> bool:
        """Mask every text and number in a value; its form stays."""
        changed = False
        stack = [(owner, key, 0)]
        while stack:
            holder, at, depth = stack.pop()
            value = holder[at]
            if isinstance(value, dict):
                stack.extend((value, k, depth) for k in value)
                if len(value) and depth:
                    self._keys_of(value)
            elif isinstance(value, list):
                stack.extend((value, i, depth) for i in range(len(value)))
            elif isinstance(value, str):
                inner = loads(value.encode("utf-8", "surrogatepass")) if value[:1] in "{[" else None
                if isinstance(inner, dict | list) and depth < 4:
                    box = [inner]
                    if self._mask_leaves(box, 0, rule, place):
                        holder[at] = dumps(box[0]).decode("utf-8", "surrogatepass")
                        changed = True
                elif self._is_id(key, value):
                    new = self.pseudonym(value)
                    if new != value:
                        holder[at] = new
                        changed = True
                        self.finds.add(rule, place, value)
                elif not is_masked(value) and value.lower() not in _HARMLESS:
                    holder[at] = mask(value)
                    changed = True
                    self.finds.add(rule, place, value)
            elif type(value) in (int, float) and value != 0:
                holder[at] = 0
                changed = True
                self.finds.add(rule, place)
        return changed

    def _keys_of(self, value: dict[str, Any]) -> None:
        for name in [k for k in value if self._hits(k)]:
            value[self._replaced(name, self._hits(name), "event")] = value.pop(name)

    def _is_id(self, key: Any, value: str) -> bool:
        return (
            self.profile.person == "pseudonym"
            and isinstance(key, str)
            and plain_key(key) in _ID_KEYS
            and bool(value)
        )

    def _numbers(self, value: Any, place: str) -> bool:
        """Redact numbers that are card numbers and the like."""
        changed = False
        stack = [value]
        while stack:
            current = stack.pop()
            items: Any = (
                current.items()
                if isinstance(current, dict)
                else enumerate(current)
                if isinstance(current, list)
                else ()
            )
            found = []
            for key, item in items:
                if isinstance(item, dict | list):
                    stack.append(item)
                elif type(item) is int and item > _LARGE_NUMBER:
                    hits = self._hits(str(item))
                    if hits and hits[0].kind != "phone":
                        found.append((key, hits[0].kind, str(item)))
            for key, kind, text in found:
                current[key] = 0
                changed = True
                self.finds.add(kind, place, text)
        return changed

    def _mobile(self, data: Any) -> bool:
        """Redact fields and pictures of a mobile recording's wireframes."""
        changed = False
        stack = [data]
        while stack:
            current = stack.pop()
            if isinstance(current, list):
                stack.extend(current)
                continue
            if not isinstance(current, dict):
                continue
            stack.extend(v for v in current.values() if isinstance(v, dict | list))
            if "width" not in current and "type" not in current:
                continue
            kind = current.get("type")
            names: tuple[str, ...] = ()
            if kind == "input" and self._is_masked_wireframe(current):
                names = ("value", "text", "label", "options")
            elif self.profile.text == "mask" or self._mask_all:
                names = ("text", "label", "value", "title", "placeholder")
            for name in names:
                if current.get(name):
                    changed |= self._mask_leaves(current, name, "input", "field")
            picture = current.get("base64")
            if self.profile.images != "keep" and isinstance(picture, str) and picture:
                current["base64"] = ""
                self.finds.add("image", "image")
                changed = True
        return changed

    def _is_masked_wireframe(self, wireframe: Mapping[str, Any]) -> bool:
        kind = str(wireframe.get("inputType") or "text")
        kind = {"text_area": "textarea", "phone": "tel"}.get(kind, kind)
        return kind in self._types or (kind not in _KNOWN_TYPES and "text" in self._types)

    # --- texts ----------------------------------------------------------------------

    def text(self, text: str, place: str) -> str:
        """Redact a text that stands by itself."""
        hits = self._hits(text) if text else []
        return self._replaced(text, hits, place) if hits else text

    def address(self, text: str, place: str = "address", *, asset: bool = False) -> str:
        """Redact an address."""
        if self.profile.urls.path == "mask" and not asset:
            new = mask_address(text)
            if new != text:
                self.finds.add("path", place, text)
            return new
        hits = self._hits(text, asset=asset) if text else []
        return self._replaced(text, hits, place) if hits else text

    def pseudonym(self, value: str) -> str:
        """Give what stands for an id."""
        if _PSEUDONYM.fullmatch(value) or is_masked(value):
            return value
        return mask(value) if self._pseudonym is None else self._pseudonym(value)

    def _hits(self, text: str, *, asset: bool = False) -> list[Hit]:
        memo = self._memo[asset]
        hits = memo.get(text)
        if hits is None:
            hits = (self._asset_scanner if asset else self._scanner).find(text)
            if asset and self._quoted_scanner.is_useful:
                hits = merged(hits + self._quoted(text))
            self._memo_chars += len(text) + 100
            if self._memo_chars > MAX_MEMO_CHARS:
                self._memo[0].clear()
                self._memo[1].clear()
                self._memo_chars = 0
            memo[text] = hits
        return hits

    def _quoted(self, text: str) -> list[Hit]:
        """Look for national phone numbers where a style sheet holds text, not measures."""
        found = []
        for match in _QUOTED.finditer(text):
            at = match.start()
            found += [
                Hit(at + h.start, at + h.end, h.kind) for h in self._quoted_scanner.find(match[0])
            ]
        return found

    def _replaced(self, text: str, hits: list[Hit], place: str) -> str:
        out = []
        last = 0
        for hit in merged(list(hits)):
            self.finds.add(hit.kind, place, text[hit.start : hit.end])
            out += [text[last : hit.start], mask(text[hit.start : hit.end])]
            last = hit.end
        out.append(text[last:])
        return "".join(out)

    def _is_asset(self, sheet: Sheet, i: int) -> bool:
        if sheet.kinds[i] == CSS:
            return True
        if sheet.kinds[i] != ATTRIBUTE:
            return sheet.kinds[i] == TEXT and "{" in sheet.texts[i]
        name = sheet.keys[i]
        return (
            name in _PICTURES
            or name in _COORDINATES
            or (name in ("href", "xlink:href") and sheet.tags[i] in _ASSET_TAGS)
        )


_KNOWN_TYPES: Final = INPUT_TYPES - {"contenteditable"}
_ID_KEYS: Final = plain_keys(
    ("distinct_id", "$distinct_id", "$anon_distinct_id", "$user_id", "user_id", "$device_id")
)
_QUOTED: Final = re.compile(r"""(["'(])(?!data:)[^"'{}();]{0,40}[0-9][^"'{};]{5,200}["')]""")
_PSEUDONYM: Final = re.compile(r"anon-[0-9a-f]{20}")
_LOOKS_LIKE_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://|/[^\s]*$")


class _Page:
    """One window: its page, and what rules say of its elements."""

    __slots__ = ("epoch", "inside", "mirror", "own", "window_id")

    def __init__(self, window_id: str) -> None:
        self.window_id = window_id
        self.mirror = Mirror()
        self.epoch = 0
        self.own: dict[int, int] = {}
        """Elements that a rule chose, for as long as the page lives."""
        self.inside: dict[int, int] = {}
        """They and all below them, with the rule of the nearest."""

    def begin(self) -> None:
        """A new page, or the same one anew."""
        self.epoch += 1
        self.own = {}
        self.inside = {}


def person_values(
    properties: Iterable[Mapping[str, Any]], distinct_ids: Iterable[str] = ()
) -> set[str]:
    """
    Give what is known of a person and worth looking for in the recording.

    Args:
        properties: Person properties, of the manifest and of ``$set`` in analytics.
        distinct_ids: The person's ids.
    """
    found: set[str] = set()
    for each in properties:
        for key, value in each.items():
            plain = plain_key(str(key))
            if not isinstance(value, str) or is_masked(value) or not 3 <= len(value.strip()) <= 200:
                continue
            is_name = "name" in plain and not str(key).startswith("$")
            if "@" in value or is_name or any(word in plain for word in _PERSONAL):
                found.add(value.strip())
                if "name" in plain and " " in value:
                    found.update(p for p in value.split() if len(p) >= 4 and p.isalpha())
    found.update(
        i for i in distinct_ids if len(i) >= 6 and not is_masked(i) and not _PSEUDONYM.fullmatch(i)
    )
    return found


_PERSONAL: Final = (
    "firstname",
    "lastname",
    "fullname",
    "surname",
    "username",
    "nickname",
    "displayname",
    "givenname",
    "familyname",
    "email",
    "phone",
    "mobile",
    "address",
    "street",
    "birth",
    "company",
)


def _needles(profile: Profile) -> Any:
    """
    Give a pattern that must be in a page's bytes for any selector to match.

    Returns:
        None when that cannot be said: a selector then is tried on every element.
    """
    found = [rb"\\u00"]  # an escape may hide one
    for rule in profile.select:
        for part in rule.selector.split(","):
            simple = re.fullmatch(
                r"\s*(?:\.([A-Za-z0-9_-]+)|#([A-Za-z0-9_-]+)|\[([a-z-]+)\])\s*", part
            )
            if simple is None:
                return None
            found.append(re.escape(next(g for g in simple.groups() if g).encode()))
    return re2.compile(b"|".join(found))


def _is_mobile(data: Any) -> bool:
    if not isinstance(data, dict):
        return False
    if isinstance(data.get("wireframes"), list):
        return True
    return any(
        isinstance(item, dict) and "wireframe" in item
        for name in ("adds", "updates")
        for item in (data.get(name) if isinstance(data.get(name), list) else ())  # type: ignore[union-attr]
    )


def _mutation_places(sheet: Sheet, data: dict[str, Any]) -> dict[str, Any]:
    """Note the places of a mutation; give which nodes it touches."""
    texts: list[int] = []
    attributes: list[int] = []
    added: list[int] = []
    text_places: dict[int, int] = {}
    for add in _items(data, "adds"):
        node = add.get("node")
        if not isinstance(node, dict):
            continue
        first = len(sheet.texts)
        sheet.tree(node)
        below = node.get("childNodes")
        added.extend(each.get("id", 0) for each in (walk(node) if below else (node,)))
        for i in range(first, len(sheet.texts)):
            if sheet.kinds[i] == TEXT:
                text_places[sheet.nodes[i]] = i
    for change in _items(data, "texts"):
        node_id, value = change.get("id"), change.get("value")
        if type(node_id) is int:
            texts.append(node_id)
            if isinstance(value, str) and value:
                text_places[node_id] = len(sheet.texts)
                sheet.add(value, change, "value", TEXT, node_id)
    for change in _items(data, "attributes"):
        node_id, changes = change.get("id"), change.get("attributes")
        if type(node_id) is int and isinstance(changes, dict):
            attributes.append(node_id)
            sheet.attributes(changes, node_id, _ANY_TAG)
    known = {"source", "adds", "texts", "attributes", "removes", "isAttachIframe"}
    for name in data.keys() - known:
        if isinstance(data[name], dict | list):
            sheet.json(data[name])
        elif isinstance(data[name], str) and data[name]:
            sheet.add(data[name], data, name, CSS)
    return {
        "texts": texts,
        "attributes": attributes,
        "added": added,
        "text_places": text_places,
    }


_ANY_TAG: Final = "input"
"""Stands for the tag of an element whose attributes change: the strictest reading."""


def _items(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = data.get(name)
    return [i for i in found if isinstance(i, dict)] if isinstance(found, list) else []


def _lines_of(mirror: Mirror, block: int) -> list[list[Node]]:
    """Give the texts of a block that are read on from one to the next."""
    lines: list[list[Node]] = [[]]
    stack = list(reversed(mirror.kids(block)))
    for _ in range(MAX_LINE_NODES):
        if not stack:
            break
        node = stack.pop()
        if node.get("type") == NodeType.TEXT:
            if isinstance(node.get("textContent"), str) and node["textContent"].strip():
                lines[-1].append(node)
        elif node.get("tagName") in INLINE:
            stack.extend(reversed(mirror.kids(node["id"])))
        elif node.get("type") == NodeType.ELEMENT:
            lines.append([])
    return lines


def _place(sheet: Sheet, i: int) -> str:
    kind = sheet.kinds[i]
    if kind == TEXT:
        return "text"
    if kind == CSS:
        return "style"
    return "address" if sheet.keys[i] in _ADDRESSES or sheet.keys[i] in _PICTURES else "attribute"


def _common(a: str, b: str) -> int:
    """Give how many first characters two texts share."""
    n = min(len(a), len(b))
    if a[:n] == b[:n]:
        return n
    return next(i for i in range(n) if a[i] != b[i])
