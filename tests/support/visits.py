"""Visits written by hand: the events that clicking, typing and scrolling on a page make."""

from __future__ import annotations

import json
from typing import Any

from tests.support.pages import only, page

from replayport.analysis.actions import Action, ActionLog
from replayport.analysis.reading import read_actions
from replayport.posthog.lines import EventDecoder
from replayport.rrweb.events import Event
from replayport.rrweb.mirror import Mirror

START_MS = 1_790_000_000_000
DOWN, UP, CLICK, MENU, DOUBLE, FOCUS, BLUR = 1, 0, 2, 3, 4, 5, 6
TOUCH, TOUCH_END = 7, 9


class Visit:
    """
    A page and what is done on it; each call takes 100 ms unless told otherwise.

    Args:
        body: HTML of the page, as in `tests.support.pages`; None for no full snapshot.
        url: Address of its Meta event; None for none.
    """

    def __init__(
        self, body: str | None, *, url: str | None = "https://shop.example/", window: str = "w1"
    ) -> None:
        self.window = window
        self.ms = 0
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.mirror = Mirror()
        if url is not None:
            self.raw(4, {"href": url, "width": 1280, "height": 800})
        if body is not None:
            self.raw(2, {"node": page(body), "initialOffset": {"left": 0, "top": 0}})
            self.mirror.apply(2, None, {"node": page(body)})

    def raw(self, type_: int, data: Any, after_ms: int = 100) -> Visit:
        """Add any event."""
        self.ms += after_ms
        event = {"type": type_, "data": data, "timestamp": START_MS + self.ms}
        self.events.append((self.window, event))
        return self

    def wait(self, ms: int) -> Visit:
        """Let time pass."""
        self.ms += ms
        return self

    def id(self, selector: str) -> int:
        """Find the one element that matches, as the page was first."""
        return only(self.mirror, selector)

    def incremental(self, source: int, after_ms: int = 100, **data: Any) -> Visit:
        """Add an incremental event."""
        return self.raw(3, {"source": source, **data}, after_ms)

    def mouse(
        self, what: int, node: int | str, *, x: float = 50, y: float = 60, **data: Any
    ) -> Visit:
        """Add a mouse interaction, 5 ms after the last event."""
        node_id = self.id(node) if isinstance(node, str) else node
        place = {} if what in (FOCUS, BLUR) else {"x": x, "y": y}
        return self.incremental(2, 5, type=what, id=node_id, **place, **data)

    def click(self, node: int | str, **place: float) -> Visit:
        """Press and release."""
        self.wait(100)
        return self.mouse(DOWN, node, **place).mouse(UP, node, **place).mouse(CLICK, node, **place)

    def focus(self, node: int | str) -> Visit:
        """Move the focus."""
        return self.mouse(FOCUS, node)

    def input(self, node: int | str, text: str, *, checked: bool = False, **data: Any) -> Visit:
        """Change a field."""
        node_id = self.id(node) if isinstance(node, str) else node
        return self.incremental(5, 20, id=node_id, text=text, isChecked=checked, **data)

    def type(self, node: int | str, text: str) -> Visit:
        """Type letter by letter."""
        for n in range(1, len(text) + 1):
            self.input(node, text[:n])
        return self

    def mutation(self, after_ms: int = 100, **lists: Any) -> Visit:
        """Change the page."""
        empty: dict[str, Any] = {"texts": [], "attributes": [], "removes": [], "adds": []}
        return self.incremental(0, after_ms, **{**empty, **lists})

    def scroll(self, y: float, node: int | str = 1, after_ms: int = 50) -> Visit:
        """Scroll the page or an element."""
        node_id = self.id(node) if isinstance(node, str) else node
        return self.incremental(3, after_ms, id=node_id, x=0, y=y)

    def custom(self, tag: str, **payload: Any) -> Visit:
        """Add a Custom event."""
        return self.raw(5, {"tag": tag, "payload": payload})

    def rows(self, *others: Visit) -> list[Event]:
        """Give the events as the archive reads them, other windows' too."""
        decoder = EventDecoder()
        for window, event in [*self.events, *(e for o in others for e in o.events)]:
            decoder.feed(window, json.dumps(event).encode())
        return sorted(decoder.columns.events(), key=lambda e: (e.timestamp_ms, e.seq))

    def log(self, *others: Visit) -> ActionLog:
        """Read its actions."""
        return read_actions(self.rows(*others))

    def actions(self) -> list[Action]:
        """Read its actions without the page's opening."""
        found = list(self.log().actions)
        return found[1:] if found and found[0].kind == "navigate" else found

    def told(self) -> list[str]:
        """Give its actions as sentences, without the page's opening."""
        return [a.text for a in self.actions()]
