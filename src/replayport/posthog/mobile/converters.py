"""
One wireframe, one converter: what each type becomes in the DOM.

```
div, rectangle, unknown   <div>              radio_group      <div>, its radios get a name
text                      <div> Text         status_bar       <div> clock
image, screenshot         <img>              navigation_bar   <div> three signs
placeholder, web_view     <div> striped      input            see `inputs`
```

Children are converted before their parent, so they take their synthetic ids first.
A wireframe's own id is kept wherever it is a positive integer, because later
mutations name it. Every element carries its id as ``data-rrweb-id``.

Source:
    posthog ``common/replay-shared/src/mobile/transformer/{transformers,screen-chrome}.ts``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from replayport.posthog.mobile import style as css
from replayport.posthog.mobile.drawing import (
    FINDING_UNKNOWN_TYPE,
    NAVIGATION_BAR_ID,
    SCREENSHOT_MARKER,
    STATUS_BAR_ID,
    Context,
    drawn,
    id_of,
    placeholder,
    positive_int,
    printed,
)
from replayport.posthog.mobile.inputs import convert_input
from replayport.posthog.mobile.style import Wireframe
from replayport.rrweb.nodes import Node
from replayport.rrweb.nodes import text as text_node

MAX_DEPTH: Final = 150
"""Nesting of wireframes. Screens have a tenth of it; the conversion is recursive."""


def convert_all(wireframes: object, context: Context, depth: int = 0) -> list[Node]:
    """
    Convert sibling wireframes.

    Args:
        wireframes: ``childWireframes`` or ``wireframes``; None is no wireframe.
        context: Ids and colours.
        depth: Levels above these.

    Raises:
        ValueError: Not wireframes, or nested deeper than `MAX_DEPTH`.
    """
    if wireframes is None:
        return []
    if not isinstance(wireframes, list):
        raise ValueError("child wireframes are not a list")
    nodes = (convert(wireframe, context, depth) for wireframe in wireframes)
    return [node for node in nodes if node is not None]


def convert(wireframe: Wireframe, context: Context, depth: int = 0) -> Node | None:
    """
    Convert a wireframe and all below it.

    Args:
        wireframe: Any type.
        context: Ids and colours.
        depth: Levels above this one.

    Returns:
        None for an input that does not say which: PostHog draws nothing for it.

    Raises:
        ValueError: Not a wireframe, or nested deeper than `MAX_DEPTH`.
    """
    if not isinstance(wireframe, dict):
        raise ValueError("a wireframe is not an object")
    if depth > MAX_DEPTH:
        raise ValueError(f"wireframes are nested deeper than {MAX_DEPTH}")
    children = convert_all(wireframe.get("childWireframes"), context, depth + 1)
    kind = wireframe.get("type") or "div"
    converter = _CONVERTERS.get(kind) if isinstance(kind, str) else None
    if converter is None:
        # Its children may be all there is to see.
        context.findings[FINDING_UNKNOWN_TYPE] += 1
        converter = _div
    return converter(wireframe, children, context)


def _div(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    style = css.join(css.full_style(wireframe), "overflow: hidden", "white-space: nowrap")
    return drawn(id_of(wireframe, context), "div", {"style": style}, children)


def _text(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    style = css.join(css.full_style(wireframe), "overflow: hidden", "white-space: normal")
    written = wireframe.get("text")
    first = [] if written is None else [text_node(context.next_id(), printed(written))]
    return drawn(id_of(wireframe, context), "div", {"style": style}, [*first, *children])


def _image(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    data = css.text(wireframe.get("base64"))
    if data is None:
        return placeholder(wireframe, children, context)
    attributes: dict[str, Any] = {"src": css.png_data_uri(data)}
    for name in ("width", "height"):
        if wireframe.get(name) is not None:
            attributes[name] = wireframe[name]
    attributes["style"] = css.full_style(wireframe)
    if wireframe.get("type") == "screenshot":
        attributes[SCREENSHOT_MARKER] = "true"
    return drawn(id_of(wireframe, context), "img", attributes, children)


def _rectangle(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    return drawn(id_of(wireframe, context), "div", {"style": css.full_style(wireframe)}, children)


def _web_view(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    return placeholder({**wireframe, "label": wireframe.get("url")}, children, context)


def _radio_group(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    node_id = id_of(wireframe, context)
    for child in children:
        if child.get("tagName") == "input" and child["attributes"].get("type") == "radio":
            child["attributes"]["name"] = f"radio_group_{node_id}"
    return drawn(node_id, "div", {"style": css.full_style(wireframe)}, children)


def _status_bar(wireframe: Wireframe, _children: list[Node], context: Context) -> Node:
    light = css.is_light(css.style_of(wireframe).get("backgroundColor"))
    override = {"color": css.DARK_TEXT if light else css.LIGHT_TEXT}
    style = css.join(
        css.full_style(wireframe, override),
        "display: flex",
        "flex-direction: row",
        "align-items: center",
    )
    spacer = drawn(context.next_id(), "div", {"style": "width: 5px;"})
    clock = text_node(context.next_id(), clock_text(context.timestamp_ms))
    return drawn(
        STATUS_BAR_ID,
        "div",
        {"style": style},
        [spacer, drawn(context.next_id(), "div", {}, [clock])],
    )


def clock_text(timestamp_ms: float) -> str:
    """
    Write the status bar's time, ``HH:MM`` in UTC.

    PostHog shows the viewer's local time, so the same recording differs from one viewer
    to the next and from the phone's own clock, whose zone no event carries. UTC is equally
    far from the truth and the same for everybody: exports and tests can be compared.

    Args:
        timestamp_ms: Of the event.

    Returns:
        Empty for a time no calendar has.
    """
    try:
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%H:%M")
    except (ValueError, OverflowError, OSError):
        return ""


def _navigation_bar(wireframe: Wireframe, _children: list[Node], context: Context) -> Node:
    own = css.style_of(wireframe)
    context.bar_style = {
        key: own[key] for key in ("backgroundColor", "color") if css.text(own.get(key))
    }
    style = css.join(
        css.full_style(wireframe),
        "display: flex",
        "flex-direction: row",
        "align-items: center",
        "justify-content: space-around",
    )
    signs = []
    for sign in ("\u25c0", "\u26aa", "\u2b1c"):
        written = text_node(context.next_id(), sign)
        signs.append(drawn(context.next_id(), "div", {}, [written]))
    node_id = positive_int(wireframe.get("id")) or NAVIGATION_BAR_ID
    return drawn(node_id, "div", {"style": style}, signs)


_CONVERTERS: Final[dict[str, Callable[[Wireframe, list[Node], Context], Node | None]]] = {
    "div": _div,
    "text": _text,
    "image": _image,
    "screenshot": _image,
    "rectangle": _rectangle,
    "placeholder": placeholder,
    "web_view": _web_view,
    "radio_group": _radio_group,
    "status_bar": _status_bar,
    "navigation_bar": _navigation_bar,
    "input": convert_input,
}
