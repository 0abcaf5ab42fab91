"""
Wireframes of type ``input``: form controls, and the drawn ones that HTML does not have.

```
text, password, email, number, search, tel, url, text_area   <input type value>
checkbox, radio    <input>; with a label <label> <input> Text
toggle             <div> <div> slider, handle; with a label <label> Text <div>
button             <button> Text
select             <select> <option selected?>...
progress           <progress>; bar circular: a ring; bar rating: stars
```

Source:
    posthog ``common/replay-shared/src/mobile/transformer/transformers.ts``.
"""

from __future__ import annotations

import math
from typing import Any, Final

from replayport.posthog.mobile import style as css
from replayport.posthog.mobile.drawing import (
    FINDING_UNKNOWN_TYPE,
    PLACEHOLDER_BACKGROUND,
    PLACEHOLDER_COLOUR,
    Context,
    drawn,
    id_of,
    placeholder,
    positive_int,
    printed,
)
from replayport.posthog.mobile.style import Wireframe
from replayport.rrweb.nodes import Node
from replayport.rrweb.nodes import text as text_node

_ACCENT: Final = "#1d4aff"
_STAR: Final = "M12 2l3 7 7 .6-5.3 4.7 1.6 7L12 17.5 5.7 21.3l1.6-7L2 9.6 9 9z"
_HALF_STAR: Final = "M12 2v15.5L5.7 21.3l1.6-7L2 9.6 9 9z"
_MAX_STARS: Final = 100
_KEYFRAMES: Final = (
    "@keyframes spin { from { transform: rotate(0deg); } to { transform: rotate(360deg); } }"
)

_TEXT_INPUTS: Final = frozenset(
    {"text", "password", "email", "number", "search", "tel", "url", "text_area"}
)


def convert_input(wireframe: Wireframe, children: list[Node], context: Context) -> Node | None:
    """
    Convert an input of any ``inputType``.

    Args:
        wireframe: ``inputType``, ``disabled``, ``value``, ``checked``, ``label`` ...
        children: Its child wireframes, converted.
        context: Ids.

    Returns:
        None without an ``inputType``; one this version does not know becomes a box.
    """
    kind = wireframe.get("inputType")
    if not isinstance(kind, str):
        return None
    attributes: dict[str, Any]
    if kind in _TEXT_INPUTS:
        value = wireframe.get("value")
        attributes = {"type": kind, "value": "" if value is None else printed(value)}
        return _control(wireframe, "input", attributes, children, context)
    if kind in ("checkbox", "radio"):
        attributes = {"type": kind, **({"checked": True} if wireframe.get("checked") else {})}
        return _labelled(wireframe, attributes, children, context)
    if kind == "toggle":
        return _toggle(wireframe, context)
    if kind == "button":
        value = wireframe.get("value")
        written = [] if value is None else [text_node(context.next_id(), printed(value))]
        return _control(wireframe, "button", {}, [*written, *children], context)
    if kind == "select":
        return _control(
            wireframe, "select", {}, [*_options(wireframe, context), *children], context
        )
    if kind == "progress":
        return _progress(wireframe, children, context)
    context.findings[FINDING_UNKNOWN_TYPE] += 1
    return drawn(id_of(wireframe, context), "div", {"style": css.full_style(wireframe)}, children)


def _control(
    wireframe: Wireframe,
    tag: str,
    attributes: dict[str, Any],
    children: list[Node],
    context: Context,
    *,
    styled: bool = True,
) -> Node:
    """Make a form element with what all of them have."""
    style = css.full_style(wireframe) if styled else None
    disabled = {"disabled": True} if wireframe.get("disabled") is True else {}
    return drawn(
        id_of(wireframe, context), tag, {**disabled, **attributes, "style": style}, children
    )


def _labelled(
    wireframe: Wireframe, attributes: dict[str, Any], children: list[Node], context: Context
) -> Node:
    if "label" not in wireframe:
        return _control(wireframe, "input", attributes, children, context)
    control = _control(wireframe, "input", attributes, children, context, styled=False)
    return _label(wireframe, context, before=[control])


def _label(
    wireframe: Wireframe,
    context: Context,
    *,
    before: list[Node] | None = None,
    after: list[Node] | None = None,
) -> Node:
    written = text_node(context.next_id(), css.text(wireframe.get("label")) or "")
    return drawn(
        context.next_id(),
        "label",
        {"style": css.full_style(wireframe)},
        [*(before or []), written, *(after or [])],
    )


def _toggle(wireframe: Wireframe, context: Context) -> Node:
    checked = bool(wireframe.get("checked"))
    labelled = "label" in wireframe
    colour = _ACCENT if checked else PLACEHOLDER_BACKGROUND
    slider = drawn(
        context.next_id(),
        "div",
        {
            "data-toggle-part": "slider",
            "style": css.join(
                "position: absolute;top: 33%;left: 5%;display: inline-block",
                "width: 75%;height: 33%;opacity: 0.2;border-radius: 7.5%",
                f"background-color: {colour}",
            ),
        },
    )
    handle = drawn(
        context.next_id(),
        "div",
        {
            "data-toggle-part": "handle",
            "style": css.join(
                f"position: absolute;top: 1.5%;{'right' if checked else 'left'}: 5%",
                "display: flex;align-items: center;justify-content: center",
                "width: 40%;height: 75%;cursor: inherit;border-radius: 50%",
                f"background-color: {colour}",
                f"border: 2px solid {colour}",
            ),
        },
    )
    box = drawn(
        context.next_id(),
        "div",
        {"style": "position: relative;width: 100%;height: 100%;"},
        [slider, handle],
    )
    # Under a label there is no box to fill, so a switch gets the size of one.
    style = "height: 1.5em;width: 2.5em;" if labelled else css.full_style(wireframe)
    disabled = {"disabled": True} if wireframe.get("disabled") is True else {}
    toggle = drawn(id_of(wireframe, context), "div", {**disabled, "style": style}, [box])
    return _label(wireframe, context, after=[toggle]) if labelled else toggle


def _options(wireframe: Wireframe, context: Context) -> list[Node]:
    options = wireframe.get("options")
    nodes = []
    for option in options if isinstance(options, list) else []:
        selected = {"selected": True} if option == wireframe.get("value") else {}
        written = text_node(context.next_id(), printed(option))
        nodes.append(drawn(context.next_id(), "option", selected, [written]))
    return nodes


def _progress(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    bar = css.style_of(wireframe).get("bar")
    if bar == "circular":
        return _ring(wireframe, children, context)
    if bar == "rating":
        return _rating(wireframe, children, context)
    attributes = {
        "value": wireframe.get("value") or None,
        "max": wireframe.get("max") or None,
    }
    return _control(wireframe, "progress", attributes, children, context)


def _ring(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    style = css.style_of(wireframe)
    colour = css.text(style.get("color")) or PLACEHOLDER_COLOUR
    ground = css.text(style.get("backgroundColor")) or PLACEHOLDER_BACKGROUND
    value = positive_int(wireframe.get("value"))
    maximum = _finite(wireframe.get("max"))
    if value is not None and value <= (1 if maximum is None else maximum):
        ring = drawn(
            context.next_id(),
            "div",
            {
                "style": css.join(
                    css.minimal_style(wireframe),
                    f"background: conic-gradient({colour} calc({value} * 1%), {ground} 0)",
                    "border-radius: 50%",
                )
            },
        )
    else:
        sheet = drawn(
            context.next_id(),
            "style",
            {"type": "text/css"},
            [text_node(context.next_id(), _KEYFRAMES)],
        )
        ring = drawn(
            context.next_id(),
            "div",
            {
                "style": css.join(
                    css.minimal_style(wireframe),
                    f"border: 4px solid {ground}",
                    f"border-top: 4px solid {colour}",
                    "border-radius: 50%",
                    "animation: spin 2s linear infinite",
                )
            },
            [sheet],
        )
    return drawn(
        id_of(wireframe, context),
        "div",
        {"style": css.minimal_style(wireframe)},
        [ring, *children],
    )


def _rating(wireframe: Wireframe, children: list[Node], context: Context) -> Node:
    value = _finite(wireframe.get("value"))
    maximum = _finite(wireframe.get("max"))
    if value is None or maximum is None:
        return placeholder(wireframe, children, context)
    full = max(math.floor(value), 0)
    half = 1 if value > 0 and value % 1 else 0
    empty = math.floor(maximum) - full - half
    colour = css.text(css.style_of(wireframe).get("color")) or PLACEHOLDER_COLOUR
    stars = [
        _star(kind, colour, context)
        for kind, count in (("full", full), ("half", half), ("empty", empty))
        for _ in range(min(max(count, 0), _MAX_STARS))
    ]
    row = drawn(
        context.next_id(),
        "div",
        {"style": "display: flex;align-items: center;width: 100%;height: 100%;"},
        stars,
    )
    return drawn(
        id_of(wireframe, context), "div", {"style": css.full_style(wireframe)}, [row, *children]
    )


def _star(kind: str, colour: str, context: Context) -> Node:
    paths = [{"d": _STAR, "fill": colour if kind == "full" else "none", "stroke": colour}]
    if kind == "half":
        paths.append({"d": _HALF_STAR, "fill": colour, "stroke": "none"})
    nodes = [{**drawn(context.next_id(), "path", dict(p)), "isSVG": True} for p in paths]
    attributes = {"data-rating-star": kind, "viewBox": "0 0 24 24", "style": "height: 100%;"}
    return {**drawn(context.next_id(), "svg", attributes, nodes), "isSVG": True}


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None
