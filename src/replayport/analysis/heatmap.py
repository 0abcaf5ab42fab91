"""
Where people pointed, clicked and scrolled on one page, gathered over many recordings.

```
visits of a page whose address fits ──by class of viewport──> Heat: a grid of CELL_PX cells
     click, rage   where, and on which element      move    how long the pointer rested there
     scroll        how deep each visit saw           base    the visit to draw it on
```

Places are in the page, not in the window: the scroll position of that moment is added. Pages of
one class differ a little in width; places are scaled to the width of the page drawn on, which is
exact for fluid pages and an approximation for centred ones.

Memory:
    Per recording, what cells were touched; together, the cells of the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import ada_url
import msgspec
import numpy as np
import pyarrow as pa

from replayport.analysis.columns import Columns, Floats
from replayport.analysis.moments import ElementLookup, Signal
from replayport.rrweb.events import EventType, MouseInteraction

Kind = Literal["click", "move", "rage", "scroll"]
KINDS: Final[tuple[Kind, ...]] = ("click", "move", "rage", "scroll")

CELL_PX: Final = 8
MAX_REST_MS: Final = 2000
"""A pointer that rests longer than this is not looked along; its owner may be away."""

MAX_HEIGHT_PX: Final = 20_000
"""Further down is not drawn: pages that grow while one scrolls have no end."""

CLASSES: Final = (("phone", 0, 600), ("tablet", 600, 1024), ("desktop", 1024, 100_000))
"""Classes of viewport, by width in CSS px, half-open."""

LABEL_MS: Final = 30
"""A browser clicks a label's field this soon after the label: that is one click of one person."""

DOCUMENT_NODE: Final = 1
"""rrweb numbers the document first."""


def viewport_class(width_px: float) -> str:
    """Give the class of a viewport."""
    return next(name for name, low, high in CLASSES if low <= width_px < high)


def pattern(text: str) -> re.Pattern[str]:
    """
    Read a pattern of addresses.

    Args:
        text: ``https://shop.example/product*``, or a path ``/product``; ``*`` stands for anything.
            Query and fragment are left out of addresses unless the pattern has a ``?`` or ``#``.
    """
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def fits(address: str, wanted: str) -> bool:
    """Tell whether an address fits a pattern of `pattern`."""
    if wanted.startswith(("/", "*")) and not wanted.startswith("*://"):
        try:
            url = ada_url.URL(address)
        except ValueError:
            return False
        address = url.pathname + url.search + url.hash
    if "?" not in wanted:
        address = re.split(r"[?#]" if "#" not in wanted else r"\?", address, maxsplit=1)[0]
    elif "#" not in wanted:
        address = address.partition("#")[0]
    return pattern(wanted).fullmatch(address) is not None


@dataclass(frozen=True, slots=True)
class Base:
    """A moment of a visit at which the page can be drawn."""

    recording: str
    window_id: str
    time_ms: int
    width_px: int
    height_px: int
    visit_ms: int
    """How long the visit was: of the longest, the page is drawn."""


@dataclass
class Heat:
    """One class of viewport on one page."""

    viewport: str
    cells: dict[str, Counter[tuple[int, int, int]]] = field(default_factory=dict)
    """By kind, ``(width, column, row)`` to clicks, or ms of rest."""
    elements: dict[str, Counter[str]] = field(default_factory=dict)
    """By kind, elements in words to clicks."""
    depths: list[tuple[int, int]] = field(default_factory=list)
    """Of each visit, the width of its window and how deep it saw, px."""
    visits: int = 0
    recordings: int = 0
    bases: list[Base] = field(default_factory=list)
    """The longest visit of each width."""

    def add(self, other: Heat) -> None:
        """Take another's in."""
        for kind, cells in other.cells.items():
            self.cells.setdefault(kind, Counter()).update(cells)
        for kind, elements in other.elements.items():
            self.elements.setdefault(kind, Counter()).update(elements)
        self.depths += other.depths
        self.visits += other.visits
        self.recordings += other.recordings
        best = {b.width_px: b for b in self.bases}
        for b in other.bases:
            if b.width_px not in best or b.visit_ms > best[b.width_px].visit_ms:
                best[b.width_px] = b
        self.bases = sorted(best.values(), key=lambda b: b.width_px)

    def base(self) -> Base | None:
        """Give the visit to draw on: of the width most visits had, the longest."""
        if not self.bases:
            return None
        widths = Counter(width for width, _ in self.depths)
        return max(self.bases, key=lambda b: (widths[b.width_px], b.visit_ms))

    def grid(self, kind: str, width_px: int, height_px: int) -> Floats:
        """
        Give the heat on a page of a size, one value a cell of `CELL_PX`.

        Args:
            kind: ``click``, ``move`` or ``rage``.
            width_px: Of the page drawn on; places of other widths are scaled to it.
            height_px: Of the page; what lies below is left out.
        """
        shape = (-(-height_px // CELL_PX), -(-width_px // CELL_PX))
        grid = np.zeros(shape)
        for (width, column, row), value in self.cells.get(kind, Counter()).items():
            at = int(column * width_px / width)
            if 0 <= row < shape[0] and 0 <= at < shape[1]:
                grid[row, at] += value
        return grid

    def scaled(self, kind: str, width_px: int) -> float:
        """Give the share of a kind's heat (0..1) that came from windows of other widths."""
        cells = self.cells.get(kind, Counter())
        total = cells.total()
        other = sum(value for (width, _, _), value in cells.items() if width != width_px)
        return other / total if total else 0.0

    def seen(self, height_px: int) -> Floats:
        """Give the share of visits that saw each row of cells, 1 at the top."""
        rows = -(-height_px // CELL_PX)
        depth = np.array([d for _, d in self.depths], dtype=np.float64)
        edges = np.arange(rows) * CELL_PX
        if not len(depth):
            return np.zeros(rows)
        share: Floats = (depth[:, None] > edges[None, :]).mean(axis=0)
        return share


class _Offset(msgspec.Struct):
    top: float | None = None
    left: float | None = None


class _Snapshot(msgspec.Struct, rename="camel"):
    initial_offset: _Offset | None = None


_OFFSET: Final = msgspec.json.Decoder(_Snapshot)


def gather(
    recording: str,
    columns: Columns,
    batches: Iterable[pa.RecordBatch],
    wanted: str,
    *,
    signals: Iterable[Signal] = (),
    lookup: ElementLookup,
) -> list[Heat]:
    """
    Gather the heat of one recording.

    Args:
        recording: Its ``project/id``, to draw it later.
        columns: Its columns.
        batches: Its events, for where pages were scrolled to when they were recorded.
        wanted: Pattern of the page's address, see `pattern`.
        signals: Its rage clicks.
        lookup: What elements are called.

    Returns:
        One `Heat` for each class of viewport that visited the page.
    """
    made: dict[str, Heat] = {}
    offsets = _offsets(batches, columns) if _may_fit(columns, wanted) else {}
    rage = [(s.window_id, s.start_ms, s.end_ms) for s in signals if s.kind == "rage_click"]
    for number, window_id in enumerate(columns.windows):
        for begin, end, size in _visits(columns, number, wanted):
            heat = made.setdefault(viewport_class(size[0]), Heat(viewport_class(size[0])))
            track = _scrolled(columns, number, begin, end, offsets.get(number, []))
            _clicks(heat, columns, number, (begin, end), size, track, rage, lookup)
            _moves(heat, columns, number, (begin, end), size, track)
            deepest = float(track[1].max(initial=0.0)) + size[1]
            heat.depths.append((int(size[0]), int(min(deepest, MAX_HEIGHT_PX))))
            heat.visits += 1
            base = Base(
                recording=recording,
                window_id=window_id,
                time_ms=int(end) - 1,
                width_px=int(size[0]),
                height_px=int(size[1]),
                visit_ms=int(end - begin),
            )
            heat.add(Heat(heat.viewport, bases=[base]))
    for heat in made.values():
        heat.recordings = 1
    return list(made.values())


def _may_fit(columns: Columns, wanted: str) -> bool:
    return any(fits(url, wanted) for url in set(columns.navigations.url.tolist()))


def _visits(
    columns: Columns, window: int, wanted: str
) -> list[tuple[float, float, tuple[float, float]]]:
    """Give the visits of a window to the page: from, to, and the size of its viewport."""
    navigations = columns.navigations.of_window(window).by_time()
    own = columns.t[columns.window == window]
    end_ms = float(own.max()) + 1 if len(own) else 0.0
    sizes = columns.sizes.of_window(window).by_time()
    steps: list[tuple[float, str]] = []
    for t, url in zip(navigations.t.tolist(), navigations.url.tolist(), strict=True):
        if not steps or steps[-1][1] != url:
            steps.append((float(t), url))
    found = []
    for n, (begin, url) in enumerate(steps):
        end = steps[n + 1][0] if n + 1 < len(steps) else end_ms
        at = int(np.searchsorted(sizes.t, begin, side="right")) - 1
        if not len(sizes) or end <= begin or not fits(url, wanted):
            continue
        found.append(
            (begin, end, (float(sizes.width[max(at, 0)]), float(sizes.height[max(at, 0)])))
        )
    return found


def _offsets(
    batches: Iterable[pa.RecordBatch], columns: Columns
) -> dict[int, list[tuple[float, float, float]]]:
    """Give, by window, when a full snapshot was taken and where the page was scrolled to."""
    number = {name: n for n, name in enumerate(columns.windows)}
    found: dict[int, list[tuple[float, float, float]]] = {}
    for batch in batches:
        types = np.asarray(batch["type"].to_numpy(zero_copy_only=False))
        for row in np.flatnonzero(types == EventType.FULL_SNAPSHOT).tolist():
            try:
                offset = _OFFSET.decode(batch["data"][row].as_py() or "{}").initial_offset
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                offset = None
            place = ((offset.left or 0.0), (offset.top or 0.0)) if offset else (0.0, 0.0)
            window = number[batch["window_id"][row].as_py()]
            found.setdefault(window, []).append((batch["timestamp_ms"][row].as_py(), *place))
    return found


Track = tuple[Floats, Floats, Floats]
"""Times, and scroll positions y and x from then on."""


def _scrolled(
    columns: Columns,
    window: int,
    begin: float,
    end: float,
    offsets: list[tuple[float, float, float]],
) -> Track:
    scrolls = columns.scrolls.of_window(window)
    mine = scrolls.take(
        (scrolls.node == DOCUMENT_NODE)
        & (scrolls.t >= begin)
        & (scrolls.t < end)
        & np.isfinite(scrolls.y)
    )
    steps = [(begin, 0.0, 0.0)]
    steps += [(t, x, y) for t, x, y in offsets if begin <= t < end]
    steps += zip(mine.t.tolist(), np.nan_to_num(mine.x).tolist(), mine.y.tolist(), strict=True)
    steps.sort(key=lambda s: s[0])
    t, x, y = (np.array(v, dtype=np.float64) for v in zip(*steps, strict=True))
    return t, y, x


def _in_page(track: Track, t: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    at = np.maximum(np.searchsorted(track[0], t, side="right") - 1, 0)
    return x + track[2][at], y + track[1][at]


def _clicks(
    heat: Heat,
    columns: Columns,
    window: int,
    span: tuple[float, float],
    size: tuple[float, float],
    track: Track,
    rage: list[tuple[str, int, int]],
    lookup: ElementLookup,
) -> None:
    i = columns.interactions.of_window(window)
    i = i.take((i.type == MouseInteraction.CLICK) & (i.t >= span[0]) & (i.t < span[1]))
    x, y = _in_page(track, i.t.astype(np.float64), i.x, i.y)
    name = columns.windows[window]
    label_ms = -(10**15)
    for t, node, cx, cy in zip(i.t.tolist(), i.node.tolist(), x.tolist(), y.tolist(), strict=True):
        element = lookup(name, node, t)
        if element is not None and element.tag == "input" and t - label_ms <= LABEL_MS:
            continue
        if element is not None and element.tag == "label":
            label_ms = t
        kinds = ["click"]
        if any(w == name and a <= t <= b for w, a, b in rage):
            kinds.append("rage")
        words = element.words if element is not None else "an element that is not known"
        for kind in kinds:
            heat.elements.setdefault(kind, Counter())[words] += 1
            if np.isfinite(cx) and 0 <= cy < MAX_HEIGHT_PX:
                cell = (int(size[0]), int(cx // CELL_PX), int(cy // CELL_PX))
                heat.cells.setdefault(kind, Counter())[cell] += 1


def _moves(
    heat: Heat,
    columns: Columns,
    window: int,
    span: tuple[float, float],
    size: tuple[float, float],
    track: Track,
) -> None:
    m = columns.moves.of_window(window)
    m = m.take((m.at >= span[0]) & (m.at < span[1]))
    if not len(m):
        return
    m = m.take(np.argsort(m.at, kind="stable"))
    rest = np.clip(np.diff(m.at, append=min(m.at[-1] + 50, span[1])), 0, MAX_REST_MS)
    x, y = _in_page(track, m.at, m.x, m.y)
    inside = (y >= 0) & (y < MAX_HEIGHT_PX) & (x >= 0)
    column, row = (x[inside] // CELL_PX).astype(int), (y[inside] // CELL_PX).astype(int)
    into = heat.cells.setdefault("move", Counter())
    for cx, cy, ms in zip(column.tolist(), row.tolist(), rest[inside].tolist(), strict=True):
        into[int(size[0]), cx, cy] += round(ms)


def ranking(heat: Heat, kind: str) -> list[dict[str, Any]]:
    """Give the elements that got most, with their share, as the table beside the picture."""
    counts = heat.elements.get(kind, Counter())
    total = counts.total()
    return [
        {"element": words, "count": n, "share": n / total}
        for words, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
