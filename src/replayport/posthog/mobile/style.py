"""
CSS of a wireframe: PostHog's style object written as a ``style`` attribute.

Order of the declarations: background, border, colour, position, layout, font. Parts are
joined by ``;`` and the string ends with one. A wireframe is an untrusted document:
values of an unexpected type are left out rather than printed.

Source:
    posthog ``common/replay-shared/src/mobile/transformer/{wireframeStyle,data-uri}.ts``.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

Wireframe = dict[str, Any]
"""One wireframe as JSON: ``id, x, y, width, height, type, style, childWireframes ...``."""
Style = dict[str, Any]
"""``wireframe.style``."""

DARK_TEXT: Final = "#000000"
LIGHT_TEXT: Final = "#ffffff"

LIGHTNESS_THRESHOLD: Final = 127.5
"""Middle of 0..255 on the HSP scale. PostHog's own threshold could not be determined."""

_ALIGNMENT: Final = {
    "top": "flex-start",
    "left": "flex-start",
    "center": "center",
    "bottom": "flex-end",
    "right": "flex-end",
}
_HEX_COLOUR: Final = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


def join(*parts: str) -> str:
    """Join declarations and strings of declarations; one ``;`` between, one at the end."""
    kept = [p.strip().rstrip(";") for p in parts if p.strip(" ;")]
    return ";".join(kept) + ";" if kept else ""


def full_style(wireframe: Wireframe, override: Style | None = None) -> str:
    """
    Write all of a wireframe's style.

    Args:
        wireframe: Its ``style`` and geometry.
        override: Style keys that win over the wireframe's own.
    """
    style = style_of(wireframe, override)
    return join(
        _background(style),
        _border(style),
        _declaration("color", text(style.get("color"))),
        position(wireframe, style),
        layout(style),
        font(style),
    )


def minimal_style(wireframe: Wireframe) -> str:
    """Write position, layout and font only, for elements that draw themselves."""
    style = style_of(wireframe)
    return join(position(wireframe, style), layout(style), font(style))


def style_of(wireframe: Wireframe, override: Style | None = None) -> Style:
    """Give a wireframe's style object, empty when it has none, with keys overridden."""
    own = wireframe.get("style")
    return {**(own if isinstance(own, dict) else {}), **(override or {})}


def position(wireframe: Wireframe, style: Style | None = None) -> str:
    """
    Write size and place.

    Args:
        wireframe: Its ``width``, ``height``, ``x``, ``y``; a missing coordinate is 0.
        style: ``{"bottom": True}`` anchors at the bottom instead (the keyboard).
    """
    width = wireframe.get("width")
    parts = [
        "width: 100vw" if width == "100vw" else _declaration("width", pixels(width)),
        _declaration("height", pixels(wireframe.get("height"))),
    ]
    if style is not None and style.get("bottom") is True:
        return join(*parts, "bottom: 0", "position: fixed")
    left = pixels(wireframe.get("x")) or "0px"
    top = pixels(wireframe.get("y")) or "0px"
    return join(*parts, "position: fixed", f"left: {left}", f"top: {top}")


def layout(style: Style) -> str:
    """Write alignment and padding."""
    vertical = _alignment(style.get("verticalAlign"))
    horizontal = _alignment(style.get("horizontalAlign"))
    return join(
        _declaration("align-items", vertical),
        _declaration("justify-content", horizontal),
        "display: flex" if vertical or horizontal else "",
        *(
            _declaration(f"padding-{side.lower()}", pixels(style.get(f"padding{side}")))
            for side in ("Left", "Right", "Top", "Bottom")
        ),
    )


def font(style: Style) -> str:
    """Write font size and family."""
    return join(
        _declaration("font-size", pixels(style.get("fontSize"))),
        _declaration("font-family", text(style.get("fontFamily"))),
    )


def pixels(value: object) -> str | None:
    """
    Write a length: numbers and strings get ``px``, strings that have it keep one.

    Returns:
        None for what is no length.
    """
    if isinstance(value, str):
        bare = value.strip().removesuffix("px").strip()
        return f"{bare}px" if bare else None
    number = plain_number(value)
    return None if number is None else f"{number}px"


def plain_number(value: object) -> str | None:
    """Write a finite number as JavaScript does, ``12`` rather than ``12.0``; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def text(value: object) -> str | None:
    """Give a string that says something, else None."""
    return value if isinstance(value, str) and value else None


def png_data_uri(base64: str) -> str:
    """Make a data URI of base64 that may already be one; PNG is assumed."""
    compact = re.sub(r"[\r\n]", "", base64)
    return compact if compact.startswith("data:image/") else f"data:image/png;base64,{compact}"


def is_light(colour: object) -> bool:
    """
    Tell whether dark text is readable on a colour.

    Perceived lightness on the HSP scale, ``sqrt(0.299 r2 + 0.587 g2 + 0.114 b2)``.

    Args:
        colour: ``#RGB`` or ``#RRGGBB``; anything else counts as light, as does a bar
            without a colour on the white page.
    """
    if not isinstance(colour, str) or not _HEX_COLOUR.fullmatch(colour.strip()):
        return True
    digits = colour.strip()[1:]
    if len(digits) == 3:
        digits = "".join(d * 2 for d in digits)
    red, green, blue = (int(digits[i : i + 2], 16) for i in (0, 2, 4))
    lightness = math.sqrt(0.299 * red**2 + 0.587 * green**2 + 0.114 * blue**2)
    return lightness > LIGHTNESS_THRESHOLD


def _background(style: Style) -> str:
    parts = [_declaration("background-color", text(style.get("backgroundColor")))]
    image = text(style.get("backgroundImage"))
    if image is not None:
        url = image if image.startswith("url(") else f"url('{png_data_uri(image)}')"
        parts += [
            f"background-image: {url}",
            f"background-size: {text(style.get('backgroundSize')) or 'contain'}",
            f"background-repeat: {text(style.get('backgroundRepeat')) or 'no-repeat'}",
        ]
    return join(*parts)


def _border(style: Style) -> str:
    parts = [
        _declaration("border-width", pixels(style.get("borderWidth"))),
        _declaration("border-radius", pixels(style.get("borderRadius"))),
        _declaration("border-color", text(style.get("borderColor"))),
    ]
    return join(*parts, "border-style: solid") if any(parts) else ""


def _alignment(value: object) -> str | None:
    return _ALIGNMENT.get(value) if isinstance(value, str) else None


def _declaration(name: str, value: str | None) -> str:
    return "" if value is None else f"{name}: {value}"
