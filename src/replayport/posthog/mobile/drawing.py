"""
What all converters share: node ids, the memory between events, and the striped box.

Ids 1 to 12 are fixed places of the document (`transform` draws it); synthetic ids count
from 100 and begin again with every full snapshot; wireframes bring large ids of their own.

Source:
    posthog ``common/replay-shared/src/mobile/transformer/{shared,transformers}.ts``.
"""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from replayport.posthog.mobile import style as css
from replayport.posthog.mobile.style import Style, Wireframe
from replayport.rrweb.nodes import Node, element
from replayport.rrweb.nodes import text as text_node

DOCUMENT_ID: Final = 1
DOCTYPE_ID: Final = 2
HTML_ID: Final = 3
HEAD_ID: Final = 4
BODY_ID: Final = 5
NAVIGATION_BAR_PARENT_ID: Final = 7
NAVIGATION_BAR_ID: Final = 8
KEYBOARD_PARENT_ID: Final = 9
KEYBOARD_ID: Final = 10
STATUS_BAR_PARENT_ID: Final = 11
STATUS_BAR_ID: Final = 12

FIRST_SYNTHETIC_ID: Final = 100
LAST_SYNTHETIC_ID: Final = 9_999_999

SCREENSHOT_MARKER: Final = "data-posthog-screenshot"
OLD_SCREENSHOT_MARKER: Final = "data-rrweb-mobile-screenshot"
"""What earlier versions of PostHog put on the same image; found in UI exports."""

FINDING_UNKNOWN_TYPE: Final = "mobile_unknown_wireframe_type"
"""A wireframe of a type this version does not know was drawn as a plain box."""

PLACEHOLDER_BACKGROUND: Final = "#f3f4ef"
PLACEHOLDER_COLOUR: Final = "#35373e"
_STRIPES: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16">'
    '<path d="M-4 4l8-8M0 16L16 0M12 20l8-8" stroke="#35373e" stroke-opacity=".12" '
    'stroke-width="4"/></svg>'
)
_STRIPES_URL: Final = (
    f"url('data:image/svg+xml;base64,{base64.b64encode(_STRIPES.encode()).decode()}')"
)


@dataclass(slots=True)
class Context:
    """What conversion remembers from one wireframe, and one event, to the next."""

    timestamp_ms: float = 0
    """Of the event being converted; the status bar's clock shows it."""
    bar_style: Style = field(default_factory=dict)
    """Background and text colour of the navigation bar, which the keyboard takes over."""
    findings: Counter[str] = field(default_factory=Counter)
    _next_id: int = FIRST_SYNTHETIC_ID

    def next_id(self) -> int:
        """
        Give an id for a node that no wireframe stands for.

        Raises:
            ValueError: All are used, which takes ten million nodes between two full
                snapshots.
        """
        if self._next_id > LAST_SYNTHETIC_ID:
            raise ValueError("no synthetic node id is left")
        self._next_id += 1
        return self._next_id - 1

    def restart_ids(self) -> None:
        """Begin again; a full snapshot replaces the whole tree."""
        self._next_id = FIRST_SYNTHETIC_ID


def placeholder(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    """
    Draw a striped box with a label.

    Args:
        wireframe: ``label``, else its type, is written on it.
        children: Nodes that follow the label.
        context: Ids.
    """
    own = css.style_of(wireframe)
    override = {
        "verticalAlign": "center",
        "horizontalAlign": "center",
        "backgroundColor": own.get("backgroundColor") or PLACEHOLDER_BACKGROUND,
        "color": own.get("color") or PLACEHOLDER_COLOUR,
        "backgroundImage": _STRIPES_URL,
        "backgroundSize": "auto",
        "backgroundRepeat": "unset",
    }
    label = css.text(wireframe.get("label")) or css.text(wireframe.get("type")) or "PLACEHOLDER"
    style = css.join(
        css.full_style(wireframe, override),
        "white-space: normal",
        "overflow-wrap: anywhere",
        "align-items: safe center",
        "overflow: hidden",
    )
    written = text_node(context.next_id(), label)
    return drawn(id_of(wireframe, context), "div", {"style": style}, [written, *children])


def positive_int(value: object) -> int | None:
    """Give a positive whole number, also one written ``12.0``; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if value > 0 else None


def id_of(wireframe: Wireframe, context: Context) -> int:
    """Give a wireframe's own id, or a synthetic one when it has none that is usable."""
    found = positive_int(wireframe.get("id"))
    return context.next_id() if found is None else found


def drawn(
    node_id: int, tag: str, attributes: dict[str, Any], children: list[Node] | None = None
) -> Node:
    """Make an element that carries its id as an attribute, as PostHog's do."""
    return element(node_id, tag, {**attributes, "data-rrweb-id": node_id}, children)


def printed(value: object) -> str:
    """Write a JSON scalar as JavaScript's ``String(value)`` does."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return css.plain_number(value) or ""
