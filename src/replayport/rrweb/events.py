"""
rrweb's event model, with rrweb's own names and numbers.

An event on the wire is ``{type, data, timestamp, delay?, cv?}``. PostHog puts a
window (browser tab) beside it, because rrweb node ids are unique per window only.

Source:
    rrweb ``packages/types/src/index.ts``; PostHog's fork
    ``packages/rrweb/types/src/index.ts`` (which has no ``ASSET``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final


class EventType(IntEnum):
    """``event.type``."""

    DOM_CONTENT_LOADED = 0
    LOAD = 1
    FULL_SNAPSHOT = 2
    INCREMENTAL_SNAPSHOT = 3
    META = 4
    CUSTOM = 5
    PLUGIN = 6
    ASSET = 7


class IncrementalSource(IntEnum):
    """``event.data.source`` of an incremental snapshot."""

    MUTATION = 0
    MOUSE_MOVE = 1
    MOUSE_INTERACTION = 2
    SCROLL = 3
    VIEWPORT_RESIZE = 4
    INPUT = 5
    TOUCH_MOVE = 6
    MEDIA_INTERACTION = 7
    STYLE_SHEET_RULE = 8
    CANVAS_MUTATION = 9
    FONT = 10
    LOG = 11
    DRAG = 12
    STYLE_DECLARATION = 13
    SELECTION = 14
    ADOPTED_STYLE_SHEET = 15
    CUSTOM_ELEMENT = 16


class MouseInteraction(IntEnum):
    """``event.data.type`` of a mouse interaction."""

    MOUSE_UP = 0
    MOUSE_DOWN = 1
    CLICK = 2
    CONTEXT_MENU = 3
    DBL_CLICK = 4
    FOCUS = 5
    BLUR = 6
    TOUCH_START = 7
    TOUCH_MOVE_DEPARTED = 8
    TOUCH_END = 9
    TOUCH_CANCEL = 10


class PointerType(IntEnum):
    """``event.data.pointerType``."""

    MOUSE = 0
    PEN = 1
    TOUCH = 2


class MediaInteraction(IntEnum):
    """``event.data.type`` of a media interaction."""

    PLAY = 0
    PAUSE = 1
    SEEKED = 2
    VOLUME_CHANGE = 3
    RATE_CHANGE = 4


class CanvasContext(IntEnum):
    """``event.data.type`` of a canvas mutation."""

    CONTEXT_2D = 0
    WEBGL = 1
    WEBGL2 = 2


CONSOLE_PLUGIN: Final = "rrweb/console@1"
NETWORK_PLUGIN: Final = "rrweb/network@1"
POSTHOG_NETWORK_PLUGIN: Final = "posthog/network@1"
"""PostHog's older network plugin: one request an event, keyed by number."""

USER_INTERACTION_SOURCES: Final = frozenset(
    {
        IncrementalSource.MOUSE_MOVE,
        IncrementalSource.MOUSE_INTERACTION,
        IncrementalSource.SCROLL,
        IncrementalSource.VIEWPORT_RESIZE,
        IncrementalSource.INPUT,
        IncrementalSource.TOUCH_MOVE,
        IncrementalSource.MEDIA_INTERACTION,
        IncrementalSource.DRAG,
    }
)
"""Sources PostHog counts as activity (formats: "active time")."""

MAX_KIND_CHARS: Final = 200
"""A custom tag or plugin name is cut to this in ``kind``; ``data`` keeps all of it."""

_TYPE_KINDS: Final = {
    EventType.DOM_CONTENT_LOADED: "dom_content_loaded",
    EventType.LOAD: "load",
    EventType.FULL_SNAPSHOT: "full_snapshot",
    EventType.META: "meta",
    EventType.ASSET: "asset",
}
_SOURCE_KINDS: Final = {
    s.value: s.name.lower()
    for s in IncrementalSource
    if s is not IncrementalSource.MOUSE_INTERACTION
}
_INTERACTION_KINDS: Final = {i.value: i.name.lower() for i in MouseInteraction}
_PLUGIN_KINDS: Final = {
    CONSOLE_PLUGIN: "console",
    NETWORK_PLUGIN: "network",
    POSTHOG_NETWORK_PLUGIN: "network",
}


def kind_of(
    type_: int,
    source: int | None = None,
    interaction: int | None = None,
    name: object = None,
) -> str:
    """
    Give the readable name of an event, the ``kind`` column.

    Args:
        type_: ``event.type``.
        source: ``event.data.source``, for type 3.
        interaction: ``event.data.type``, for source 2.
        name: ``event.data.tag`` (type 5) or ``event.data.plugin`` (type 6); a tag
            can be any JSON value in the wild, only strings are named.

    Returns:
        ``full_snapshot``, ``mutation``, ``click``, ``console``, ``custom:<tag>``,
        ``plugin:<name>``; numbers of a future rrweb read ``type:9``,
        ``incremental:17``, ``interaction:11``.
    """
    if type_ == EventType.INCREMENTAL_SNAPSHOT:
        if source == IncrementalSource.MOUSE_INTERACTION:
            return _INTERACTION_KINDS.get(interaction, f"interaction:{interaction}")  # type: ignore[arg-type]
        if source is None:
            return "incremental"
        return _SOURCE_KINDS.get(source, f"incremental:{source}")
    if type_ == EventType.CUSTOM:
        return f"custom:{name[:MAX_KIND_CHARS]}" if isinstance(name, str) else "custom"
    if type_ == EventType.PLUGIN:
        if not isinstance(name, str):
            return "plugin"
        return _PLUGIN_KINDS.get(name, f"plugin:{name[:MAX_KIND_CHARS]}")
    return _TYPE_KINDS.get(type_, f"type:{type_}")  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True, slots=True)
class Event:
    """
    One stored event, as the archive reads it back.

    The JSON texts are kept as text: most readers look at a few events of many.
    """

    timestamp_ms: int
    """Epoch milliseconds, rounded down when the source's number was fractional."""
    seq: int
    """Position of arrival within the recording, from 0."""
    window_id: str
    """The browser tab; empty when the source named none."""
    type: int
    """`EventType` number; may be one this version does not know."""
    source: int | None
    """`IncrementalSource` number, None unless ``type`` is 3."""
    kind: str
    """Readable name, see `kind_of`."""
    data_json: str | None
    """JSON text of ``event.data``; None when the event had no such key."""
    extra_json: str | None
    """JSON object of the event's other top-level keys; None when there are none."""

    @property
    def data(self) -> Any:
        """``event.data``, parsed; None when there is none."""
        return None if self.data_json is None else json.loads(self.data_json)

    def to_json(self) -> str:
        """
        Give the event's JSON text as the source sent it (decoded), on one line.

        The texts are put together, not parsed: what JSON cannot carry through Python's
        objects (duplicate keys, lone surrogates) survives.
        """
        timestamp = str(self.timestamp_ms)
        rest = ""
        if self.extra_json is not None:
            members = self.extra_json.strip()[1:-1].strip()
            rest = f",{members}" if members else ""
            if '"timestamp"' in members:
                extra = json.loads(self.extra_json)
                if "timestamp" in extra:  # the source's number was not an integer
                    timestamp = json.dumps(extra.pop("timestamp"))
                    rest = "," + json.dumps(extra)[1:-1] if extra else ""
        data = "" if self.data_json is None else f'"data":{self.data_json},'
        return f'{{"type":{self.type},{data}"timestamp":{timestamp}{rest}}}'

    def to_rrweb(self) -> dict[str, Any]:
        """
        Give the event as the source sent it (decoded).

        Returns:
            A dict equal, as a JSON value, to the source's event.
        """
        event: dict[str, Any] = json.loads(self.to_json())
        return event
