"""
What the user did, read from events and the mirror: one action for what was one to them.

```
mousedown focus mouseup click            clicked the button "Add to cart"
click click dblclick                     double-clicked …
input input input                        typed "ada@…" into the field "Email"
click on a label, click, input           ticked the checkbox "Gift wrap"
click on a select, input                 chose "Large" in the list "Size"
click with no button pressed             submitted the form (Enter), or pressed a key on it
scroll scroll scroll                     scrolled down to 1240 px
meta, $pageview, $url_changed            went to https://…
```

Only what events show is stated: there is no event for a key, a wheel or a copy, so
nothing is said of them. A change of a field that a script made is left out as far as it
can be told: the field had no focus, or the page changed first and emptied it.

Windows are told apart; each has its own mirror. The element of an action is the one the
press began on, or the nearest around it that can be operated, as it was called then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import pyarrow as pa

from replayport.analysis import wording
from replayport.analysis.actions import (
    MAX_VALUE_CHARS,
    Action,
    ActionKind,
    ActionLog,
    Draft,
    Target,
)
from replayport.analysis.following import EventRow, LateMirror, Row, parsed, rows_of
from replayport.analysis.targets import (
    can_change,
    form_of,
    input_type,
    integer,
    is_submit,
    operable,
    option_text,
    selected_text,
    target_of,
)
from replayport.rrweb.events import EventType, IncrementalSource, MouseInteraction, PointerType
from replayport.rrweb.mirror import Mirror, accessible
from replayport.rrweb.nodes import NodeType

DOUBLE_CLICK_MS: Final = 1000
"""Clicks this long before a double click are part of it."""

TYPING_PAUSE_MS: Final = 10_000
"""A longer pause in one field starts another action."""

SCROLL_PAUSE_MS: Final = 1000
RESIZE_PAUSE_MS: Final = 1000
SELECTION_PAUSE_MS: Final = 1000

PRESS_MS: Final = 1500
"""A click belongs to the press that began this long before it at most."""

DRAG_PX: Final = 10
"""A press that ends further away than this is a drag."""

SWIPE_PX: Final = 30
"""A touch that ends further away than this is no tap."""

LABEL_MS: Final = 1000
"""A browser sends the click on a label to its field at once; a busy page sees it later."""

PAGE_START_MS: Final = 10_000
"""posthog-js tells its options this long after a page's first snapshot at most."""

LONG_AGO_MS: Final = -(10**9)

TAP_MS: Final = 700
"""A touch that ends later is no tap, when no click tells."""

SCRIPT_MS: Final = 60
"""A field emptied this soon after the page changed was emptied by the page."""

IDLE_AFTER_MS: Final = 60_000
"""No event of the user's for this long is being idle."""


_NAVIGATION_TAGS: Final = frozenset(("$pageview", "$url_changed"))
OPTIONS_TAG: Final = "$session_options"
"""posthog-js sends it once a page."""

# Plain numbers: looking an enum's member up costs more than all that is done with most events.
_INCREMENTAL: Final = int(EventType.INCREMENTAL_SNAPSHOT)
_FULL_SNAPSHOT: Final = int(EventType.FULL_SNAPSHOT)
_META: Final = int(EventType.META)
_DOM_CONTENT_LOADED: Final = int(EventType.DOM_CONTENT_LOADED)
_CUSTOM: Final = int(EventType.CUSTOM)
_PLUGIN: Final = int(EventType.PLUGIN)
_MUTATION: Final = int(IncrementalSource.MUTATION)
_DRAG: Final = int(IncrementalSource.DRAG)
_INPUT: Final = int(IncrementalSource.INPUT)
_MOUSE_INTERACTION: Final = int(IncrementalSource.MOUSE_INTERACTION)
_SCROLL: Final = int(IncrementalSource.SCROLL)
_SELECTION: Final = int(IncrementalSource.SELECTION)
_VIEWPORT_RESIZE: Final = int(IncrementalSource.VIEWPORT_RESIZE)
_BLUR: Final = int(MouseInteraction.BLUR)
_CLICK: Final = int(MouseInteraction.CLICK)
_CONTEXT_MENU: Final = int(MouseInteraction.CONTEXT_MENU)
_DBL_CLICK: Final = int(MouseInteraction.DBL_CLICK)
_FOCUS: Final = int(MouseInteraction.FOCUS)
_MOUSE_DOWN: Final = int(MouseInteraction.MOUSE_DOWN)
_MOUSE_UP: Final = int(MouseInteraction.MOUSE_UP)
_TOUCH_END: Final = int(MouseInteraction.TOUCH_END)
_TOUCH_START: Final = int(MouseInteraction.TOUCH_START)
_MOVES: Final = frozenset((IncrementalSource.MOUSE_MOVE, IncrementalSource.TOUCH_MOVE))
_USER_SOURCES: Final = _MOVES | {
    IncrementalSource.MOUSE_INTERACTION,
    IncrementalSource.SCROLL,
    IncrementalSource.INPUT,
    IncrementalSource.DRAG,
}
_READ_SOURCES: Final = _USER_SOURCES - _MOVES | {
    IncrementalSource.MUTATION,
    IncrementalSource.VIEWPORT_RESIZE,
    IncrementalSource.SELECTION,
}
_READ_TYPES: Final = frozenset(
    (
        EventType.DOM_CONTENT_LOADED,
        EventType.FULL_SNAPSHOT,
        EventType.META,
        EventType.CUSTOM,
        EventType.PLUGIN,
    )
)
_MASKS: Final = frozenset("*•")


def read_actions(events: Iterable[EventRow]) -> ActionLog:
    """
    Read what the user did.

    Args:
        events: Of one recording, all windows, in playing order; mobile ones converted.

    Memory:
        One mirror a window, and the actions.
    """
    reader = ActionReader()
    for event in events:
        reader.feed(event)
    return reader.finish()


def read_batches(batches: Iterable[pa.RecordBatch]) -> ActionLog:
    """
    Read what the user did from columns, which is faster than from events.

    Args:
        batches: Of `following.COLUMNS`, otherwise as the events of `read_actions`.
    """
    reader = ActionReader()
    for batch in batches:
        for row in reader.rows(batch):
            reader.feed(row)
    return reader.finish()


@dataclass(slots=True)
class _Press:
    """A button or finger that went down."""

    at_ms: int
    target: Target | None
    x: float
    y: float
    page_x: float
    page_y: float
    touch: bool
    held: bool = True
    clicked: bool = False
    selected: bool = False
    scrolled: bool = False
    draft: Draft | None = None


@dataclass(slots=True)
class _Window:
    """One browser tab while it is read."""

    window_id: str
    page: LateMirror = field(default_factory=LateMirror)
    url: str | None = None
    parsed: bool = False
    """Whether a document was parsed since the last Meta: what comes is a page anew."""
    started: bool = False
    """Whether posthog-js told its options before."""
    meta: tuple[int, bool] = (0, True)
    """When the last Meta was, and whether it is an action already."""
    focus: int | None = None
    """Node with the focus; 0 for none, None when not known."""
    press: _Press | None = None
    click: Draft | None = None
    typing: Draft | None = None
    scrolls: dict[int, Draft] = field(default_factory=dict)
    resizing: Draft | None = None
    selecting: Draft | None = None
    mutated_ms: int = LONG_AGO_MS
    double_clicked_ms: int = LONG_AGO_MS
    missing_snapshot: bool = False
    described: dict[tuple[int, bool], Target] = field(default_factory=dict)
    """Elements described since the page last changed: a press and what it types ask the same."""
    described_version: int = -1

    @property
    def mirror(self) -> Mirror:
        """The page as of the event that is read."""
        return self.page.now()

    def target(self, node_id: int, *, by_text: bool = True) -> Target:
        """Describe an element of the page as it is now."""
        mirror = self.mirror
        if mirror.version != self.described_version:
            self.described.clear()
            self.described_version = mirror.version
        found = self.described.get((node_id, by_text))
        if found is None:
            found = target_of(mirror, node_id, by_text=by_text)
            self.described[node_id, by_text] = found
        return found


class ActionReader:
    """Reads actions event by event, for who goes through the events for more than these."""

    def __init__(self) -> None:
        self.findings: Counter[str] = Counter()
        self._windows: dict[str, _Window] = {}
        self._drafts: list[Draft] = []
        self._start_ms: int | None = None
        self._last_ms = 0
        self._active_ms: int | None = None
        self._active_window = ""

    def mirror(self, window_id: str) -> Mirror:
        """Give a window's mirror as of the last event fed."""
        return self._window(window_id).mirror

    def broken(self) -> int:
        """Count what was wrong with the trees, as far as they were looked at."""
        return sum(w.page.broken for w in self._windows.values())

    @staticmethod
    def rows(batch: pa.RecordBatch, asking: Collection[int] = ()) -> Iterator[Row]:
        """
        Yield what must be fed of a batch of `following.COLUMNS`.

        Args:
            batch: In playing order.
            asking: Further incremental sources that somebody asks about.
        """
        return rows_of(
            batch,
            types=_READ_TYPES,
            sources=_USER_SOURCES | _READ_SOURCES | set(asking),
            read=_READ_SOURCES,
        )

    def feed(self, event: EventRow) -> None:
        """Take the next event."""
        at, type_, source = event.timestamp_ms, event.type, event.source
        if self._start_ms is None:
            self._start_ms = at
        self._last_ms = max(self._last_ms, at)
        window = self._windows.get(event.window_id) or self._window(event.window_id, at)
        if type_ == _INCREMENTAL:
            if source in _USER_SOURCES:
                self._note_activity(window, at)
                if source in _MOVES:
                    return  # positions are many and say nothing that is needed here
            if source == _MUTATION:
                if event.data_json is not None:
                    window.mutated_ms = at
                    window.page.put(type_, source, event.data_json)
            elif source in _READ_SOURCES and (data := self._data(event)) is not None:
                self._incremental(window, at, source, data)
        elif type_ == _FULL_SNAPSHOT:
            if event.data_json is not None:
                window.page.put(type_, None, event.data_json)
                window.press = None
        elif type_ == _META:
            if (data := self._data(event)) is not None:
                self._meta(window, at, data)
        elif type_ == _DOM_CONTENT_LOADED:
            window.parsed = True
        elif type_ == _CUSTOM:
            self._custom(window, at, event)
        elif type_ == _PLUGIN and event.kind == "console":
            self._console(window, at, event)

    def finish(self) -> ActionLog:
        """Give the actions; the reader is done with."""
        if self._active_ms is not None and self._last_ms - self._active_ms >= IDLE_AFTER_MS:
            self._idle(self._active_ms, self._last_ms)
        for window in self._windows.values():
            self.findings += window.page.findings
            if window.page.undecodable:
                self.findings["undecodable_event"] += window.page.undecodable
            if window.missing_snapshot:
                self.findings["no_full_snapshot"] += 1
        kept = [d for d in self._drafts if not d.dropped]
        kept.sort(key=lambda d: d.start_ms)
        return ActionLog(tuple(self._finished(d) for d in kept), self.findings)

    # --- events -------------------------------------------------------------------

    def _incremental(self, window: _Window, at: int, source: int, data: dict[str, Any]) -> None:
        if source == _MOUSE_INTERACTION:
            self._interaction(window, at, data)
        elif source == _INPUT:
            mirror = window.mirror
            before = mirror.value(integer(data.get("id")) or 0)
            mirror.apply(_INCREMENTAL, source, data)
            self._input(window, at, data, before)
        elif source == _SCROLL:
            mirror = window.mirror
            node_id = integer(data.get("id")) or 0
            before_scroll = mirror.scroll(node_id)
            mirror.apply(_INCREMENTAL, source, data)
            self._scroll(window, at, node_id, before_scroll)
        elif source == _VIEWPORT_RESIZE:
            self._resize(window, at, data)
        elif source == _SELECTION:
            self._selection(window, at, data)
        elif source == _DRAG:
            self._dragged(window, at, data)

    def _meta(self, window: _Window, at: int, data: dict[str, Any]) -> None:
        window.page.apply(EventType.META, None, data)
        href = data.get("href")
        moved = isinstance(href, str) and self._address(window, at, href, anew=window.parsed)
        if moved:
            window.focus = None
        window.parsed = False
        window.meta = at, moved

    def _address(self, window: _Window, at: int, href: str, *, anew: bool = False) -> bool:
        """Note the address a window is at; tell whether that is news."""
        if href == window.url and not anew:
            return False
        window.typing = None
        kind = ActionKind.RELOAD if href == window.url else ActionKind.NAVIGATE
        first = window.url is None
        window.url = href
        self._add(window, kind, at).note = "first" if first else ""
        return True

    def _custom(self, window: _Window, at: int, event: EventRow) -> None:
        tag = event.kind.partition(":")[2]
        if tag in _NAVIGATION_TAGS:
            data = self._data(event)
            payload = data.get("payload") if data is not None else None
            href = payload.get("href") if isinstance(payload, dict) else None
            if isinstance(href, str):
                self._address(window, at, href)
        elif tag == OPTIONS_TAG:
            meta_ms, moved = window.meta
            if window.started and not moved and at - meta_ms <= PAGE_START_MS:
                self._add(window, ActionKind.RELOAD, meta_ms)
            window.started = True
        elif tag == "window hidden":
            window.typing = None
            self._add(window, ActionKind.WINDOW_HIDDEN, at)
        elif tag == "window visible":
            self._add(window, ActionKind.WINDOW_VISIBLE, at)

    def _console(self, window: _Window, at: int, event: EventRow) -> None:
        text = event.data_json or b""
        if b'"error"' not in (text.encode("utf-8", "replace") if isinstance(text, str) else text):
            return
        payload = (self._data(event) or {}).get("payload")
        if not isinstance(payload, dict) or payload.get("level") != "error":
            return
        said = payload.get("payload")
        parts = said if isinstance(said, list) else [said]
        draft = self._add(window, ActionKind.CONSOLE_ERROR, at)
        draft.value = " ".join(_unquoted(p) for p in parts if isinstance(p, str))[:MAX_VALUE_CHARS]

    # --- pressing -----------------------------------------------------------------

    def _interaction(self, window: _Window, at: int, data: dict[str, Any]) -> None:
        what, node_id = data.get("type"), integer(data.get("id"))
        if node_id is None:
            return
        if what == _MOUSE_DOWN:
            press = window.press
            if press is None or not press.touch or at - press.at_ms > PRESS_MS:
                self._down(window, at, node_id, data, touch=False)
        elif what == _TOUCH_START:
            self._down(window, at, node_id, data, touch=True)
        elif what == _MOUSE_UP:
            self._up(window, at, node_id, data)
        elif what == _TOUCH_END:
            self._touch_end(window, at, data)
        elif what == _CLICK:
            self._click(window, at, node_id, data)
        elif what == _DBL_CLICK:
            self._double_click(window, at, node_id)
        elif what == _CONTEXT_MENU:
            press = self._open_press(window, at)
            if press is None:
                self._pressed_unseen(window, at, ActionKind.RIGHT_CLICK, node_id, data)
            else:
                press.clicked = True
                press.draft = self._from_press(window, at, ActionKind.RIGHT_CLICK, press)
        elif what == _FOCUS:
            # A new element can have the focus before the recorder has given it an id.
            window.focus = node_id if node_id > 0 else None
            if window.typing is not None and _node_of(window.typing) != node_id:
                window.typing = None
        elif what == _BLUR:
            if window.focus == node_id:
                window.focus = 0
            if window.typing is not None and _node_of(window.typing) == node_id:
                window.typing = None

    def _down(
        self, window: _Window, at: int, node_id: int, data: dict[str, Any], *, touch: bool
    ) -> None:
        x, y = _number(data.get("x")), _number(data.get("y"))
        page_x, page_y = self._on_page(window, node_id, x, y)
        target = self._target(window, node_id)
        window.press = _Press(at, target, x, y, page_x, page_y, touch)

    def _up(self, window: _Window, at: int, node_id: int, data: dict[str, Any]) -> None:
        press = window.press
        if press is None or press.touch:
            return
        press.held = False
        if press.draft is not None:
            return
        x, y = _number(data.get("x")), _number(data.get("y"))
        if abs(x - press.x) + abs(y - press.y) <= DRAG_PX:
            return
        if press.selected:
            press.draft = window.selecting
        elif not wording.is_slider(press.target):
            press.draft = self._from_press(window, at, ActionKind.DRAG, press)
            press.draft.other = self._target(window, node_id)

    def _touch_end(self, window: _Window, at: int, data: dict[str, Any]) -> None:
        press = window.press
        if press is None or not press.touch:
            return
        press.held = False
        if press.draft is not None:
            return
        x, y = _number(data.get("x", press.x)), _number(data.get("y", press.y))
        if abs(x - press.x) + abs(y - press.y) > SWIPE_PX:
            if not press.scrolled:
                press.draft = self._from_press(window, at, ActionKind.SWIPE, press)
                press.draft.note = _direction(x - press.x, y - press.y)
        elif at - press.at_ms <= TAP_MS and not press.scrolled:
            press.draft = window.click = self._from_press(window, at, ActionKind.TAP, press)

    def _open_press(self, window: _Window, at: int) -> _Press | None:
        """Give the press that a click now belongs to; None when it has had its click."""
        press = window.press
        if press is None or press.clicked or at - press.at_ms > PRESS_MS:
            return None
        return press

    def _click(self, window: _Window, at: int, node_id: int, data: dict[str, Any]) -> None:
        press = self._open_press(window, at)
        if press is None:
            self._click_without_press(window, at, node_id, data)
            return
        press.clicked, press.held = True, False
        typing = window.typing
        if press.draft is None and typing is not None and wording.is_slider(typing.target):
            press.draft = typing  # the click that ends moving a slider
        if press.draft is not None:
            press.draft.end_ms = at
            return
        kind = _click_kind(data)
        draft = press.draft = window.click = self._from_press(window, at, kind, press)
        if draft.target is None:
            draft.target = self._target(window, node_id)

    def _click_without_press(
        self, window: _Window, at: int, node_id: int, data: dict[str, Any]
    ) -> None:
        """
        Deal with a click that no press explains.

        It is the one a browser sends to a label's field; or a key: Enter in a field clicks
        the form's button, Space and Enter the button in focus; or a script's, which has
        neither focus nor place.
        """
        target = self._target(window, node_id)
        last = window.click
        if target is None:
            if _number(data.get("x")) or _number(data.get("y")):
                self._pressed_unseen(window, at, _click_kind(data), node_id, data)
            return
        if (
            last is not None
            and last.target is not None
            and at - last.end_ms <= LABEL_MS
            and last.target.node_id == target.node_id
        ):
            return
        mirror, focus = window.mirror, window.focus
        if focus == target.node_id:
            draft = window.click = self._add(window, ActionKind.CLICK, at)
            draft.target = target
            draft.note = "key"
            self._leave_field(window, target)
        elif (
            focus
            and (form := form_of(mirror, node_id)) is not None
            and form_of(mirror, focus) == form
            and is_submit(mirror, target.node_id)
        ):
            window.typing = None
            draft = window.click = self._add(window, ActionKind.SUBMIT, at)
            draft.target = target
        elif _number(data.get("x")) or _number(data.get("y")):
            window.click = self._pressed_unseen(window, at, _click_kind(data), node_id, data)

    def _pressed_unseen(
        self, window: _Window, at: int, kind: ActionKind, node_id: int, data: dict[str, Any]
    ) -> Draft:
        """Add a click of a recorder that does not record presses."""
        draft = self._add(window, kind, at)
        draft.target = self._target(window, node_id)
        draft.x, draft.y = x, y = _number(data.get("x")), _number(data.get("y"))
        draft.page_x, draft.page_y = self._on_page(window, node_id, x, y)
        self._leave_field(window, draft.target)
        return draft

    def _from_press(self, window: _Window, at: int, kind: ActionKind, press: _Press) -> Draft:
        draft = self._add(window, kind, press.at_ms)
        draft.end_ms = at
        draft.target = press.target
        draft.x, draft.y, draft.page_x, draft.page_y = press.x, press.y, press.page_x, press.page_y
        self._leave_field(window, press.target)
        return draft

    def _double_click(self, window: _Window, at: int, node_id: int) -> None:
        recent = [
            d
            for d in self._drafts[-8:]
            if d.window_id == window.window_id
            and d.kind in (ActionKind.CLICK, ActionKind.TAP)
            and at - d.start_ms <= DOUBLE_CLICK_MS
            and not d.dropped
        ]
        if recent:
            first, *second = recent[-2:]
            for draft in second:
                draft.dropped = True
            first.kind, first.end_ms = ActionKind.DOUBLE_CLICK, at
        else:
            draft = self._add(window, ActionKind.DOUBLE_CLICK, at)
            draft.target = self._target(window, node_id)
        if window.selecting is not None and at - window.selecting.start_ms <= DOUBLE_CLICK_MS:
            window.selecting.dropped = True  # the word that it selects
            window.selecting = None
        window.double_clicked_ms = at

    def _dragged(self, window: _Window, at: int, data: dict[str, Any]) -> None:
        """HTML drag and drop: the press never comes up again."""
        positions = data.get("positions")
        last = positions[-1] if isinstance(positions, list) and positions else None
        press = window.press
        if press is None or not isinstance(last, dict):
            return
        if press.draft is None:
            press.draft = self._from_press(window, at, ActionKind.DRAG, press)
        if press.draft.kind is ActionKind.DRAG:
            press.draft.end_ms = at
            over = integer(last.get("id"))
            if over is not None and over in window.mirror:
                press.draft.other = self._target(window, over)

    # --- fields -------------------------------------------------------------------

    def _input(self, window: _Window, at: int, data: dict[str, Any], before: str | None) -> None:
        node_id = integer(data.get("id"))
        mirror = window.mirror
        if node_id is None or data.get("userTriggered") is False:
            return
        if node_id not in mirror and mirror.root is not None:
            return  # a field that is gone, or was never on the page
        tag, kind = mirror.tag(node_id), input_type(mirror, node_id)
        text = data.get("text") if isinstance(data.get("text"), str) else ""
        assert isinstance(text, str)
        if kind in ("checkbox", "radio"):
            self._check(window, at, node_id, bool(data.get("isChecked")), radio=kind == "radio")
            return
        if not self._is_users(window, node_id, at, text, before):
            window.typing = None
            return
        if tag == "select" or kind in wording.PICKED:
            self._choose(window, at, node_id, text)
            return
        typing = window.typing
        known = node_id if node_id in mirror else None
        if (
            typing is None
            or _node_of(typing) != known
            or typing.kind is not ActionKind.TYPE
            or at - typing.end_ms > TYPING_PAUSE_MS
        ):
            typing = window.typing = self._add(window, ActionKind.TYPE, at)
            if known is None:
                window.missing_snapshot = True
                self.findings["action_without_element"] += 1
            else:
                typing.target = window.target(node_id)
        typing.end_ms = at
        self._set_value(typing, text)

    def _is_users(
        self, window: _Window, node_id: int, at: int, text: str, before: str | None
    ) -> bool:
        """Tell whether a field's change can be the user's."""
        focus, mirror = window.focus, window.mirror
        if not can_change(mirror, node_id):
            return False
        if focus is not None and focus != node_id and focus not in mirror.ancestors(node_id):
            pressed = None if window.press is None else window.press.target
            if pressed is None or pressed.node_id != node_id:
                return False
        if at - window.mutated_ms > SCRIPT_MS:
            return True
        # The page has just changed: it may have emptied the field, or filled a new one.
        return focus is not None and (bool(text) or before is None or len(before) <= 1)

    def _check(self, window: _Window, at: int, node_id: int, on: bool, *, radio: bool) -> None:
        if radio and not on:
            return  # the others of the group, which the browser turned off
        kind = ActionKind.CHOOSE if radio else (ActionKind.CHECK if on else ActionKind.UNCHECK)
        click = self._click_on(window, node_id)
        if click is not None and at - click.end_ms <= PRESS_MS:
            draft = click
            draft.kind, draft.end_ms = kind, at
            window.click = None
        elif window.focus == node_id:
            draft = self._add(window, kind, at)
            draft.target = window.target(node_id)
        else:
            return  # a script's doing
        draft.note = "radio" if radio else ""

    def _choose(self, window: _Window, at: int, node_id: int, text: str) -> None:
        draft, mirror = window.typing, window.mirror
        if draft is None or _node_of(draft) != node_id or draft.kind is not ActionKind.CHOOSE:
            window.typing = None
            draft = self._click_on(window, node_id)  # it opened the list
            if draft is None:
                draft = self._add(window, ActionKind.CHOOSE, at)
                draft.target = window.target(node_id)
            draft.kind = ActionKind.CHOOSE
            window.click = None
            if mirror.tag(node_id) != "select":
                window.typing = draft  # a slider sends many
        draft.end_ms = at
        said = option_text(mirror, node_id, text) if mirror.tag(node_id) == "select" else ""
        self._set_value(draft, said or text)

    def _click_on(self, window: _Window, node_id: int) -> Draft | None:
        """Give the last click when it was on this element and is one still."""
        click = window.click
        if click is None or click.dropped or _node_of(click) != node_id:
            return None
        return click if click.kind in (ActionKind.CLICK, ActionKind.TAP) else None

    def _set_value(self, draft: Draft, text: str) -> None:
        draft.masked = bool(text) and set(text) <= _MASKS
        draft.value = None if draft.masked else text[:MAX_VALUE_CHARS]

    def _leave_field(self, window: _Window, target: Target | None) -> None:
        typing = window.typing
        if typing is not None and (target is None or _node_of(typing) != target.node_id):
            window.typing = None

    # --- page ---------------------------------------------------------------------

    def _scroll(self, window: _Window, at: int, node_id: int, before: tuple[float, float]) -> None:
        mirror = window.mirror
        if node_id not in mirror and mirror.root is not None:
            return
        x, y = mirror.scroll(node_id)
        if (x, y) == before:
            return
        if window.press is not None and window.press.touch:
            window.press.scrolled = True
            swipe = window.press.draft
            if swipe is not None and swipe.kind is ActionKind.SWIPE:
                swipe.dropped = True
        draft = window.scrolls.get(node_id)
        if draft is None or at - draft.end_ms > SCROLL_PAUSE_MS:
            draft = window.scrolls[node_id] = self._add(window, ActionKind.SCROLL, at)
            draft.before = before[1] if y != before[1] else before[0]
            draft.note = "y" if y != before[1] else "x"
            node = mirror.node(node_id)
            if node is not None and node.get("type") != NodeType.DOCUMENT:
                draft.target = window.target(node_id, by_text=False)
        draft.end_ms = at
        draft.page_x, draft.page_y = x, y

    def _resize(self, window: _Window, at: int, data: dict[str, Any]) -> None:
        size = window.page.size
        window.page.apply(EventType.INCREMENTAL_SNAPSHOT, IncrementalSource.VIEWPORT_RESIZE, data)
        width, height = window.page.size
        if (width, height) == size:
            return
        draft = window.resizing
        if draft is None or at - draft.end_ms > RESIZE_PAUSE_MS:
            draft = window.resizing = self._add(window, ActionKind.RESIZE, at)
        draft.end_ms = at
        draft.value = f"{width:g} x {height:g}"

    def _selection(self, window: _Window, at: int, data: dict[str, Any]) -> None:
        """
        Note what a press selects; what a script or a key selects cannot be told apart.

        The last change can come just after the press is over.
        """
        said = selected_text(window.mirror, data.get("ranges"))
        press, draft = window.press, window.selecting
        if draft is not None and at - draft.end_ms > SELECTION_PAUSE_MS:
            draft = window.selecting = None
        held = press is not None and press.held
        if not said:
            if draft is not None and held:
                draft.dropped = True  # it went away while it was being made
                window.selecting = None
            return
        if draft is None:
            if not held or press is None or at - window.double_clicked_ms <= SELECTION_PAUSE_MS:
                return
            draft = window.selecting = self._add(window, ActionKind.SELECT_TEXT, press.at_ms)
            draft.x, draft.y = press.x, press.y
            draft.page_x, draft.page_y = press.page_x, press.page_y
            draft.target = press.target
        if held and press is not None:
            press.selected = True
        draft.end_ms = at
        self._set_value(draft, said)

    # --- time ---------------------------------------------------------------------

    def _note_activity(self, window: _Window, at: int) -> None:
        last = self._active_ms
        if last is not None and at - last >= IDLE_AFTER_MS:
            self._idle(last, at)
            draft = self._add(window, ActionKind.CAME_BACK, at)
            draft.note = wording.duration(at - last)
        if last is None or at > last:
            self._active_ms, self._active_window = at, window.window_id

    def _idle(self, from_ms: int, to_ms: int) -> None:
        window = self._window(self._active_window)
        draft = self._add(window, ActionKind.IDLE, from_ms)
        draft.end_ms = to_ms
        draft.note = wording.duration(to_ms - from_ms)

    # --- helpers ------------------------------------------------------------------

    def _window(self, window_id: str, at: int | None = None) -> _Window:
        window = self._windows.get(window_id)
        if window is None:
            window = self._windows[window_id] = _Window(window_id)
            if len(self._windows) > 1 and at is not None:
                self._add(window, ActionKind.OPEN_WINDOW, at)
        return window

    def _data(self, event: EventRow) -> dict[str, Any] | None:
        text = event.data_json
        if text is None:
            return None
        try:
            data = parsed(text)
        except ValueError:
            self.findings["undecodable_event"] += 1
            return None
        return data if isinstance(data, dict) else None

    def _add(self, window: _Window, kind: ActionKind, at: int) -> Draft:
        draft = Draft(kind, at, at, window.window_id, window.url or "")
        self._drafts.append(draft)
        return draft

    def _target(self, window: _Window, node_id: int) -> Target | None:
        """Give the element a press on a node is meant for."""
        mirror = window.mirror
        if node_id not in mirror:
            if mirror.root is None:
                window.missing_snapshot = True
            self.findings["action_without_element"] += 1
            return None
        return window.target(operable(mirror, node_id))

    def _on_page(self, window: _Window, node_id: int, x: float, y: float) -> tuple[float, float]:
        root = accessible.tree_root(window.mirror, node_id)
        while root < 0:
            root = accessible.tree_root(window.mirror, -1 - root)
        left, top = window.mirror.scroll(root)
        return x + left, y + top

    def _finished(self, draft: Draft) -> Action:
        target = draft.target
        return Action(
            timestamp_ms=draft.start_ms,
            end_ms=max(draft.end_ms, draft.start_ms),
            offset_ms=draft.start_ms - (self._start_ms or 0),
            window_id=draft.window_id,
            kind=draft.kind,
            node_id=None if target is None else target.node_id,
            role=None if target is None else target.role,
            name=None if target is None else target.name,
            locator=None if target is None else target.locator,
            path=None if target is None else target.path,
            x=draft.x,
            y=draft.y,
            page_x=draft.page_x,
            page_y=draft.page_y,
            value=draft.value,
            masked=draft.masked,
            url=draft.url,
            text=wording.sentence(draft),
        )


# --- helpers ----------------------------------------------------------------------


def _node_of(draft: Draft) -> int | None:
    return None if draft.target is None else draft.target.node_id


def _click_kind(data: dict[str, Any]) -> ActionKind:
    touch = data.get("pointerType") == PointerType.TOUCH
    return ActionKind.TAP if touch else ActionKind.CLICK


def _direction(dx: float, dy: float) -> str:
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) else 0.0


def _unquoted(text: str) -> str:
    """Take a console argument out of its JSON quotes."""
    if text[:1] == '"':
        try:
            return str(orjson.loads(text))
        except orjson.JSONDecodeError:
            return text
    return text
