"""
Heat drawn over a page: a picture, or one HTML file with the table of elements beside it.

The HTML holds the page as a picture, the heat as another, and a check box that hides it: no
script, nothing of the recording but pixels and the names of elements, as text.
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from replayport.analysis.columns import Floats
from replayport.analysis.heatmap import CELL_PX, Heat, ranking
from replayport.errors import MissingExtraError
from replayport.plurals import counted
from replayport.render.still import Still

if TYPE_CHECKING:
    from PIL.Image import Image

RADIUS_PX: Final = {"click": 22, "rage": 30, "move": 26}
"""How far one touch glows."""

COLOURS: Final = (
    (0.00, (30, 60, 190)),
    (0.30, (20, 160, 200)),
    (0.55, (60, 190, 80)),
    (0.75, (245, 200, 40)),
    (1.00, (215, 40, 35)),
)
"""From little to much: blue, green, yellow, red; told apart by lightness as well."""

MAX_ALPHA: Final = 205
BANDS: Final = (0.9, 0.75, 0.5, 0.25, 0.1)
"""Shares of visits at which a line says how far they saw."""

TITLES: Final = {
    "click": "Clicks",
    "rage": "Rage clicks",
    "move": "Where the pointer rested",
    "scroll": "How far down visits saw",
}


def _pillow() -> Any:
    try:
        from PIL import Image, ImageDraw
    except ImportError as e:
        raise MissingExtraError(extra="heatmap", needed_for="Drawing a heatmap") from e
    return Image, ImageDraw


def overlay(heat: Heat, kind: str, still: Still) -> Image:
    """Give the heat alone, as an RGBA picture of the page's size."""
    if kind == "scroll":
        return _depth(heat, still)
    image, _ = _pillow()
    grid = heat.grid(kind, still.width_px, still.height_px)
    glow = _blurred(grid, RADIUS_PX[kind] / CELL_PX)
    top = glow.max()
    level = np.sqrt(glow / top) if top > 0 else glow  # so that single clicks can be seen
    rgba = _coloured(level)
    small = image.fromarray(rgba, "RGBA")
    size = (grid.shape[1] * CELL_PX, grid.shape[0] * CELL_PX)
    large: Image = small.resize(size, image.Resampling.BICUBIC)
    return large.crop((0, 0, still.width_px, still.height_px))


def _blurred(grid: Floats, radius_cells: float) -> Floats:
    """Blur by a Gaussian, one direction after the other."""
    reach = max(1, int(radius_cells * 3))
    at = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (at / max(radius_cells, 0.5)) ** 2)
    out = grid
    for axis in (0, 1):
        padded = np.pad(out, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)])
        shifted = [
            k * np.take(padded, range(n, n + out.shape[axis]), axis=axis)
            for n, k in enumerate(kernel)
        ]
        out = np.sum(shifted, axis=0)
    return out


def _coloured(level: Floats) -> npt.NDArray[np.uint8]:
    stops = [s for s, _ in COLOURS]
    channels = [np.interp(level, stops, [c[n] for _, c in COLOURS]) for n in range(3)]
    alpha = np.interp(level, [0.04, 0.25, 0.6, 1], [0, 90, 165, MAX_ALPHA])
    return np.stack([*channels, alpha], axis=-1).astype(np.uint8)


def _depth(heat: Heat, still: Still) -> Image:
    image, image_draw = _pillow()
    seen = heat.seen(still.height_px)
    rgba = _coloured(seen[:, None])
    rgba[..., 3] = 110
    small = image.fromarray(rgba, "RGBA")
    out: Image = small.resize((still.width_px, still.height_px), image.Resampling.NEAREST)
    pen = image_draw.Draw(out)
    for share in BANDS:
        rows = np.flatnonzero(seen < share)
        if not len(rows) or not rows[0]:
            continue
        y = int(rows[0]) * CELL_PX
        pen.line([(0, y), (still.width_px, y)], fill=(20, 20, 20, 230), width=2)
        label = f" {share:.0%} of {heat.visits} visits saw down to here "
        left, top, right, bottom = pen.textbbox((12, y + 6), label, font_size=16)
        pen.rectangle([left - 4, top - 3, right + 4, bottom + 3], fill=(20, 20, 20, 230))
        pen.text((12, y + 6), label, fill=(255, 255, 255, 255), font_size=16)
    return out


def picture(heat: Heat, kind: str, still: Still, *, title: str) -> bytes:
    """
    Give the page with its heat, a line above it saying what it is, as PNG.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    image, image_draw = _pillow()
    page = (
        image.open(io.BytesIO(still.png))
        .convert("RGBA")
        .crop((0, 0, still.width_px, still.height_px))
    )
    # A little greyer, so that the heat is what one sees.
    page = image.blend(page, page.convert("L").convert("RGBA"), 0.55)
    page.alpha_composite(overlay(heat, kind, still))
    head = 58
    out = image.new("RGBA", (still.width_px, still.height_px + head), (24, 26, 31, 255))
    pen = image_draw.Draw(out)
    pen.text((14, 8), title, fill=(255, 255, 255, 255), font_size=18)
    pen.text((14, 33), _facts(heat, kind, still.width_px), fill=(190, 196, 206, 255), font_size=14)
    if still.width_px >= 700:
        _legend(pen, still.width_px - 234, 20, kind)
    out.paste(page, (0, head))
    return _png(out.convert("RGB"))


def _legend(pen: Any, x: int, y: int, kind: str) -> None:
    colours = _coloured(np.linspace(0, 1, 160)[None, :])[0]
    words = ("no visit", "all") if kind == "scroll" else ("little", "much")
    pen.text((x - 60, y), words[0], fill=(190, 196, 206, 255), font_size=13)
    for n, (r, g, b, _) in enumerate(colours.tolist()):
        pen.line([(x + n, y), (x + n, y + 16)], fill=(r, g, b, 255))
    pen.text((x + 168, y), words[1], fill=(190, 196, 206, 255), font_size=13)


def _facts(heat: Heat, kind: str, width_px: int) -> str:
    clicks = sum(heat.cells.get(kind, {}).values())
    of = "" if kind in ("move", "scroll") else f"{counted(clicks, 'click')}, "
    visits, recordings = counted(heat.visits, "visit"), counted(heat.recordings, "recording")
    said = f"{heat.viewport}: {of}{visits} in {recordings}"
    share = 0.0 if kind == "scroll" else heat.scaled(kind, width_px)
    # What was scaled may lie beside what was meant: said, so that nobody wonders.
    return f"{said}; {share:.0%} of it scaled from other widths" if share >= 0.005 else said


def _png(picture_: Image) -> bytes:
    out = io.BytesIO()
    picture_.save(out, "PNG", optimize=True)
    return out.getvalue()


def document(pages: Sequence[tuple[Heat, Still]], kind: str, *, title: str) -> bytes:
    """
    Give one HTML page with a heatmap of each class of viewport.

    Args:
        pages: Heat, and the page it is drawn on.
        kind: What is drawn.
        title: In the window's title and at the top.
    """
    parts = "".join(_section(heat, kind, still, n) for n, (heat, still) in enumerate(pages))
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>{escape(title)}</h1></header>{parts}"
        "</body></html>\n"
    ).encode()


def _section(heat: Heat, kind: str, still: Still, number: int) -> str:
    page = _data_url(still.png)
    glow = _data_url(_png(overlay(heat, kind, still)))
    rows = "".join(
        f"<tr><td>{escape(r['element'])}</td><td>{r['count']}</td><td>{r['share']:.0%}</td></tr>"
        for r in ranking(heat, "rage" if kind == "rage" else "click")[:50]
    )
    table = (
        "<table><thead><tr><th>element</th><th>clicks</th><th>share</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        if rows
        else "<p>Nothing was clicked.</p>"
    )
    words = TITLES[kind].lower()
    return (
        f'<section><h2>{escape(_facts(heat, kind, still.width_px))}</h2><div class="columns"><div class="shown">'
        f'<input type="checkbox" id="on{number}" checked><label for="on{number}">heat</label>'
        f'<div class="page"><img alt="The page as recorded" src="{page}">'
        f'<img class="heat" alt="Heat: {escape(words)}" src="{glow}"></div></div>'
        f'<div class="ranked"><h3>Elements clicked</h3>{table}</div></div></section>'
    )


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"


_STYLE: Final = """
:root{color-scheme:light dark;--line:#d5d8de;--soft:#5b6270}
@media(prefers-color-scheme:dark){:root{--line:#3a3f49;--soft:#a8b0bd}}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1500px;padding:16px}
h1{font-size:22px;margin:0;overflow-wrap:anywhere}h2{font-size:16px;margin:20px 0 8px}h3{font-size:15px;margin:0 0 6px}
.columns{display:grid;grid-template-columns:minmax(0,3fr) minmax(240px,1fr);gap:20px;align-items:start}
.page{position:relative;border:1px solid var(--line);margin-top:6px}
.page img{display:block;width:100%;height:auto}.page img:first-child{filter:saturate(.45)}
.heat{position:absolute;inset:0}.shown input:not(:checked)~.page .heat{display:none}
table{border-collapse:collapse;width:100%}
td,th{border-top:1px solid var(--line);padding:5px 6px;text-align:left;overflow-wrap:anywhere}
td+td,th+th{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
@media(max-width:760px){.columns{grid-template-columns:minmax(0,1fr)}.ranked{order:-1}}
"""
