"""
A recording as arrays: what happened, by kind, parsed once and in bulk.

```
record batches (Arrow)
   │  by type and source, without looking into texts
   ├── every event     time, window, activity
   └── kinds that matter: their ``data`` texts, joined and parsed by one typed decoder call
         Interactions   clicks, taps, focus …     Moves    one row a pointer position
         Scrolls        Inputs                    Console  Requests   one row a request
         Navigations    Times (mutations, selections, visibility …)
```

Snapshots and mutations, most of a recording's bytes, are never parsed here. Rows are in
order of arrival (``seq``), as PostHog's ingestion sees them; `by_time` gives playing order.

Memory:
    One record batch, and what was kept of those before it: no text of a snapshot or a
    mutation, except snapshots so small that their page may be blank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Generic, Self, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replayport.rrweb.events import (
    CONSOLE_PLUGIN,
    POSTHOG_NETWORK_PLUGIN,
    USER_INTERACTION_SOURCES,
    EventType,
    IncrementalSource,
    MouseInteraction,
)

T = TypeVar("T")
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]

COLUMNS: Final = ("timestamp_ms", "seq", "window_id", "type", "source", "kind", "url", "data")
"""What `Columns.from_batches` needs of ``events.parquet``."""

SMALL_SNAPSHOT_BYTES: Final = 16_384
"""Full snapshots up to this are looked into for a blank page; a page with content is larger."""

CLOCK_BACK_MS: Final = 60_000
CLOCK_AHEAD_MS: Final = 86_400_000
"""A window's time going back or ahead by more than this between two events is a jump."""

NO_NODE: Final = -(2**62)
"""Stands for "no node id" (rrweb's own ids are 32 bits)."""

BLANK_MAX_TEXT_CHARS: Final = 2
_SHOWN_TAGS: Final = frozenset(
    [
        "img",
        "svg",
        "canvas",
        "video",
        "input",
        "button",
        "iframe",
        "textarea",
        "select",
        "object",
        "embed",
        "picture",
        "audio",
    ]
)
_HIDDEN_TAGS: Final = frozenset(
    ["head", "script", "style", "noscript", "template", "title", "meta", "link"]
)


# --- what is read of a payload ------------------------------------------------------------


class _Position(msgspec.Struct, rename="camel"):
    x: float | None = None
    y: float | None = None
    id: int | float | None = None
    time_offset: float | None = None


class _Moves(msgspec.Struct):
    positions: list[_Position | None] | None = None


class _Interaction(msgspec.Struct, rename="camel"):
    type: int | float | None = None
    id: int | float | None = None
    x: float | None = None
    y: float | None = None
    pointer_type: int | float | None = None


class _Scroll(msgspec.Struct):
    id: int | float | None = None
    x: float | None = None
    y: float | None = None


class _Input(msgspec.Struct, rename="camel"):
    id: int | float | None = None
    text: Any = None
    is_checked: Any = None
    user_triggered: Any = None


class _Level(msgspec.Struct):
    level: Any = None


class _Console(msgspec.Struct):
    plugin: Any = None
    payload: _Level | None = None


class _Request(msgspec.Struct, rename="camel"):
    name: Any = None
    url: Any = None
    method: Any = None
    status: Any = None
    response_status: Any = None
    duration: Any = None
    timestamp: Any = None
    initiator_type: Any = None
    entry_type: Any = None
    is_initial: Any = None


class _Payload(msgspec.Struct):
    requests: list[_Request | None] | None = None
    name: Any = msgspec.field(name="2", default=None)
    status: Any = msgspec.field(name="21", default=None)
    duration: Any = msgspec.field(name="39", default=None)
    timestamp: Any = msgspec.field(name="40", default=None)
    initiator: Any = msgspec.field(name="18", default=None)


class _Network(msgspec.Struct):
    plugin: Any = None
    payload: _Payload | None = None


class _Plugins(msgspec.Struct, rename="camel"):
    active_plugins: Any = None


class _Options(msgspec.Struct):
    payload: _Plugins | None = None


class _Size(msgspec.Struct):
    width: float | None = None
    height: float | None = None


class _Node(msgspec.Struct, rename="camel"):
    tag_name: str | None = None
    text_content: str | None = None
    child_nodes: list[_Node] | None = None


class _Snapshot(msgspec.Struct):
    node: _Node | None = None


# --- what is kept -------------------------------------------------------------------------


def among(values: npt.NDArray[Any], wanted: Iterable[Any]) -> Bools:
    """Tell which values are one of a few; `np.isin` takes longer than the comparisons."""
    found = np.zeros(len(values), dtype=bool)
    for one in wanted:
        found |= values == one
    return found


@dataclass(frozen=True)
class Times:
    """Events of one kind, in order of arrival."""

    t: Ints
    """Epoch milliseconds."""
    window: Ints
    """Index into `Columns.windows`."""
    seq: Ints
    """Order of arrival."""

    def __len__(self) -> int:
        return len(self.t)

    def take(self, index: npt.NDArray[Any]) -> Self:
        """Give the rows an index or a mask names."""
        # Not by `__init__`: of a frozen class it sets each field by a call of its own.
        made = object.__new__(type(self))
        made.__dict__.update({name: column[index] for name, column in self.__dict__.items()})
        return made

    def by_time(self) -> Self:
        """Give the rows in playing order: by time, then by arrival."""
        if len(self.t) < 2 or bool(np.all(self.t[1:] >= self.t[:-1])):
            return self
        return self.take(np.argsort(self.t, kind="stable"))

    def of_window(self, window: int) -> Self:
        """Give the rows of one window."""
        mine = self.window == window
        return self if mine.all() else self.take(mine)


Self_ = TypeVar("Self_", bound=Times)


@dataclass(frozen=True)
class Interactions(Times):
    """Clicks, taps, focus and blur."""

    type: Ints
    """`MouseInteraction` number; -1 when missing."""
    node: Ints
    x: Floats
    """CSS px in the viewport; NaN when not recorded."""
    y: Floats
    touch: Bools
    """True when a finger did it."""


@dataclass(frozen=True)
class Moves(Times):
    """One row a pointer position; ``t`` is the event's time."""

    at: Floats
    """When the pointer was there: the event's time plus the position's own offset, ms."""
    node: Ints
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Scrolls(Times):
    """Scroll positions."""

    node: Ints
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Inputs(Times):
    """Changes of form fields."""

    node: Ints
    chars: Ints
    """Length of the text in UTF-16 units, as JavaScript counts; -1 when it is no text."""
    masked: Bools
    """True when every character is the mask."""
    by_user: Bools
    """False when a script set it, as far as the recorder said."""
    toggle: Bools
    """True for what only knows on and off."""


@dataclass(frozen=True)
class Console(Times):
    """Console messages."""

    level: Objects
    """As recorded: ``error``, ``warn`` …; None when it is no text."""


@dataclass(frozen=True)
class Requests(Times):
    """One row a network request; ``t`` is the time of the event that tells of it."""

    start: Floats
    """When it began, epoch ms; the event's time less the duration where it is not told."""
    duration: Floats
    """Milliseconds; NaN when not told."""
    status: Floats
    """HTTP status; NaN when not told."""
    method: Objects
    url: Objects
    kind: Objects
    """``initiatorType``: ``fetch``, ``xmlhttprequest``, ``img`` …; None when not told."""
    initial: Bools
    """Found when the recorder started: before anything that was recorded."""


@dataclass(frozen=True)
class Navigations(Times):
    """Events that name a page."""

    url: Objects
    meta: Bools
    """True for rrweb's own Meta event, which also comes with every full snapshot."""


@dataclass(frozen=True)
class Sizes(Times):
    """Viewport sizes, from Meta and resize events."""

    width: Floats
    height: Floats


@dataclass(frozen=True)
class Snapshots(Times):
    """Full snapshots."""

    blank: Bools
    """True when the page shows nothing: no text, no picture, no field."""


@dataclass(frozen=True)
class Columns:
    """A recording, or a part of one, as arrays."""

    windows: Sequence[str]
    """Window ids, in order of first appearance."""
    t: Ints
    """Every event, in order of arrival, epoch milliseconds."""
    seq: Ints
    window: Ints
    source: Ints
    """`IncrementalSource` number; -1 for what is no incremental snapshot."""
    interactions: Interactions
    moves: Moves
    touch_moves: Moves
    scrolls: Scrolls
    inputs: Inputs
    console: Console
    requests: Requests
    navigations: Navigations
    sizes: Sizes
    snapshots: Snapshots
    mutations: Times
    style_changes: Times
    """Changes of the page that are no mutation: style rules, canvas, media, fonts."""
    selections: Times
    resizes: Times
    hidden: Times
    """The window went out of sight (``window hidden``)."""
    visible: Times
    plugins: frozenset[str] | None
    """Plugins the recorder said are on; None when it said nothing."""
    console_recorded: bool
    network_recorded: bool
    mobile: bool
    findings: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.t)

    @property
    def active(self) -> Bools:
        """Which events PostHog counts as activity."""
        return among(self.source, _ACTIVE_SOURCES)

    def count(self, source: int) -> int:
        """Count the events of an incremental source."""
        return int(np.count_nonzero(self.source == source))

    @property
    def start_ms(self) -> int:
        """First event; 0 when there is none."""
        return int(self.t.min()) if len(self.t) else 0

    @property
    def end_ms(self) -> int:
        """Last event; 0 when there is none."""
        return int(self.t.max()) if len(self.t) else 0

    @classmethod
    def from_table(cls, table: pa.Table, *, mobile: bool = False) -> Columns:
        """Make them of one table; see `from_batches`."""
        return cls.from_batches(table.combine_chunks().to_batches(), mobile=mobile)

    @classmethod
    def from_batches(cls, batches: Iterable[pa.RecordBatch], *, mobile: bool = False) -> Columns:
        """
        Make them of record batches with at least `COLUMNS`, in any order.

        Args:
            batches: As `Recording.batches` gives them.
            mobile: Recorded on a phone's app (``snapshot_source`` of the manifest).
        """
        gathered = _Gathered()
        for batch in batches:
            gathered.add(batch)
        return gathered.columns(mobile=mobile)

    def part(self, first_seq: int, end_seq: int) -> Columns:
        """
        Give the events that arrived in ``[first_seq, end_seq)``, as a block of the source.

        What is known of the recording as a whole (which plugins are on) stays known.
        """
        taken: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Times):
                taken[f.name] = value.take((value.seq >= first_seq) & (value.seq < end_seq))
        mask = (self.seq >= first_seq) & (self.seq < end_seq)
        taken |= {name: getattr(self, name)[mask] for name in ("t", "seq", "window", "source")}
        return replace(self, **taken, findings=Counter())


# --- how it is gathered -------------------------------------------------------------------

_FULL: Final = int(EventType.FULL_SNAPSHOT)
_META: Final = int(EventType.META)
_STYLE_SOURCES: Final = [
    int(s)
    for s in (
        IncrementalSource.MEDIA_INTERACTION,
        IncrementalSource.STYLE_SHEET_RULE,
        IncrementalSource.CANVAS_MUTATION,
        IncrementalSource.FONT,
        IncrementalSource.STYLE_DECLARATION,
        IncrementalSource.ADOPTED_STYLE_SHEET,
    )
]
_RESIZE: Final = int(IncrementalSource.VIEWPORT_RESIZE)
_KEPT_SOURCES: Final = tuple(
    (name, int(source))
    for name, source in (
        ("moves", IncrementalSource.MOUSE_MOVE),
        ("touch_moves", IncrementalSource.TOUCH_MOVE),
        ("interactions", IncrementalSource.MOUSE_INTERACTION),
        ("scrolls", IncrementalSource.SCROLL),
        ("inputs", IncrementalSource.INPUT),
        ("resizes", IncrementalSource.VIEWPORT_RESIZE),
        ("mutations", IncrementalSource.MUTATION),
        ("selections", IncrementalSource.SELECTION),
    )
)
"""Kinds that are an incremental source each, whole."""
_ACTIVE_SOURCES: Final = sorted(int(s) for s in USER_INTERACTION_SOURCES)

_PAYLOADS: Final[dict[str, tuple[Any, Callable[..., Any]]]] = {
    name: (shape, msgspec.json.Decoder(list[shape | None]).decode)  # type: ignore[valid-type]
    for name, shape in {
        "moves": _Moves,
        "touch_moves": _Moves,
        "interactions": _Interaction,
        "scrolls": _Scroll,
        "inputs": _Input,
        "console": _Console,
        "network": _Network,
        "options": _Options,
        "sizes": _Size,
        "snapshots": _Snapshot,
    }.items()
}


@dataclass
class _Kept(Generic[T]):
    """Rows of one kind, batch after batch."""

    t: list[Ints] = field(default_factory=list)
    window: list[Ints] = field(default_factory=list)
    seq: list[Ints] = field(default_factory=list)
    payload: list[Any] = field(default_factory=list)

    def order(self) -> tuple[npt.NDArray[np.intp], dict[str, Ints]]:
        seq = _joined(self.seq)
        order = np.argsort(seq, kind="stable")
        return order, {
            "t": _joined(self.t)[order],
            "window": _joined(self.window)[order],
            "seq": seq[order],
        }


class _Gathered:
    """Takes batches apart and puts what is kept together at the end."""

    def __init__(self) -> None:
        self.windows: dict[str, int] = {}
        self.all = _Kept[Any]()
        self.source: list[Ints] = []
        self.structural: list[Bools] = []
        self.kept: dict[str, _Kept[Any]] = {}
        self.kinds: set[str] = set()
        self.findings: Counter[str] = Counter()
        self.snapshot_windows: set[int] = set()

    def add(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        t = _ints(batch["timestamp_ms"])
        seq = _ints(batch["seq"])
        type_ = _ints(batch["type"])
        source = _ints(batch["source"].fill_null(-1))
        window = self._windows_of(batch["window_id"])
        kind, kinds = _codes(batch["kind"])
        data = batch["data"]

        self.all.t.append(t)
        self.all.seq.append(seq)
        self.all.window.append(window)
        incremental = type_ == EventType.INCREMENTAL_SNAPSHOT
        source = np.where(incremental, source, -1)
        self.source.append(source)
        self.structural.append(type_ != EventType.CUSTOM)  # `sessionIdle` is back-dated

        def named(*names: str) -> Bools:
            wanted = [code for code, name in enumerate(kinds) if name in names]
            return among(kind, wanted)

        def keep(name: str, mask: Bools, payload: Any = None) -> None:
            if not mask.any():
                return
            kept = self.kept.setdefault(name, _Kept())
            kept.t.append(t[mask])
            kept.seq.append(seq[mask])
            kept.window.append(window[mask])
            if name in _PAYLOADS:
                kept.payload += self._parsed(name, data.filter(pa.array(mask)))
            elif payload is not None:
                kept.payload += payload[mask].tolist()

        self.kinds |= {k for k in kinds if k in ("console", "network")}
        here = set(source.tolist())
        for name, number in _KEPT_SOURCES:
            if number in here:
                keep(name, source == number)
        keep("sizes", (source == _RESIZE) | (type_ == _META))
        if not here.isdisjoint(_STYLE_SOURCES):
            keep("style_changes", among(source, _STYLE_SOURCES))
        keep("console", named("console"))
        keep("network", named("network"))
        keep("hidden", named("custom:window hidden"))
        keep("visible", named("custom:window visible"))
        keep("options", named("custom:$session_options"))
        full = type_ == _FULL
        if full.any():
            self.snapshot_windows |= set(window[full].tolist())
            size = np.zeros(len(t), dtype=np.int64)
            size[full] = _ints(pc.binary_length(data.filter(pa.array(full))).fill_null(0))
            small = full & (size <= SMALL_SNAPSHOT_BYTES)
            keep("snapshots", small)
            keep("large_snapshots", full & ~small)
        has_url = _bools(pc.is_valid(batch["url"]))
        # Newer PostHog leaves out the href of a page's own structured data.
        has_url &= ~named("custom:$json_ld")
        if has_url.any():
            urls = np.array(batch["url"].to_pylist(), dtype=object)
            keep("navigations", has_url, urls)
            self.kept.setdefault("navigation_types", _Kept()).payload += type_[has_url].tolist()

    def _windows_of(self, column: pa.Array) -> Ints:
        codes, names = _codes(column)
        for name in names:
            self.windows.setdefault(name, len(self.windows))
        here = np.array([self.windows[name] for name in names] or [0], dtype=np.int64)
        return here[codes]

    def _parsed(self, name: str, texts: pa.Array) -> list[Any]:
        shape, decode = _PAYLOADS[name]
        texts = texts.fill_null("null")
        joined = pc.binary_join(
            pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts), ","
        )[0]
        try:
            return list(decode(b"[" + joined.as_buffer().to_pybytes() + b"]"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [self._tolerant(shape, text) for text in texts.to_pylist()]

    def _tolerant(self, shape: Any, text: str) -> Any:
        """Parse one event's data; None when it is not what its kind promises."""
        try:
            return msgspec.json.decode(text.encode("utf-8", "replace"), type=shape | None)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.findings["unreadable_payloads"] += 1
            return None

    # --- columns of each kind ------------------------------------------------------------

    def columns(self, *, mobile: bool) -> Columns:
        order, everything = self.all.order()
        structural = _joined(self.structural, bool)[order]
        self._find_jumps(everything["t"], everything["window"], structural)
        missing = set(range(len(self.windows))) - self.snapshot_windows
        if missing:
            self.findings["no_full_snapshot"] += len(missing)
        if not len(order):
            self.findings["no_events"] += 1
        if mobile:
            self.findings["mobile"] += 1
        options = [o for o in self._of("options")[1] if o is not None and o.payload is not None]
        plugins: frozenset[str] | None = None
        for option in options:
            if isinstance(option.payload.active_plugins, list):
                names = (str(p) for p in option.payload.active_plugins)
                plugins = (plugins or frozenset()) | frozenset(names)
        made = Columns(
            windows=tuple(self.windows),
            **everything,
            source=_joined(self.source)[order],
            interactions=self._interactions(),
            moves=self._moves("moves"),
            touch_moves=self._moves("touch_moves"),
            scrolls=self._scrolls(),
            inputs=self._inputs(),
            console=self._console(),
            requests=self._requests(),
            navigations=self._navigations(),
            sizes=self._sizes(),
            snapshots=self._snapshots(),
            mutations=self._times("mutations"),
            style_changes=self._times("style_changes"),
            selections=self._times("selections"),
            resizes=self._times("resizes"),
            hidden=self._times("hidden"),
            visible=self._times("visible"),
            plugins=plugins,
            console_recorded="console" in self.kinds
            or (plugins is not None and any("console" in p for p in plugins)),
            network_recorded="network" in self.kinds
            or (plugins is not None and any("network" in p for p in plugins)),
            mobile=mobile,
            findings=self.findings,
        )
        return _with_findings(made)

    def _find_jumps(self, t: Ints, window: Ints, structural: Bools) -> None:
        for number in range(len(self.windows)):
            step = np.diff(t[(window == number) & structural])
            jumps = np.count_nonzero((step < -CLOCK_BACK_MS) | (step > CLOCK_AHEAD_MS))
            if jumps:
                self.findings["clock_jump"] += int(jumps)

    def _of(self, name: str) -> tuple[dict[str, Ints], list[Any]]:
        kept = self.kept.get(name, _Kept())
        order, times = kept.order()
        if kept.payload and not bool(np.all(order[1:] > order[:-1])):
            return times, [kept.payload[i] for i in order]
        return times, kept.payload

    def _times(self, name: str) -> Times:
        return Times(**self._of(name)[0])

    def _interactions(self) -> Interactions:
        times, rows = self._of("interactions")
        rows = [r if r is not None else _Interaction() for r in rows]
        return Interactions(
            **times,
            type=_int_column([-1 if r.type is None else r.type for r in rows]),
            node=_nodes(rows),
            x=_float_column([r.x for r in rows]),
            y=_float_column([r.y for r in rows]),
            touch=np.array(
                [
                    r.pointer_type == 2
                    or r.type in (MouseInteraction.TOUCH_START, MouseInteraction.TOUCH_END)
                    for r in rows
                ],
                dtype=bool,
            ),
        )

    def _moves(self, name: str) -> Moves:
        times, events = self._of(name)
        positions = [
            [] if e is None or e.positions is None else [p for p in e.positions if p is not None]
            for e in events
        ]
        each = np.array([len(p) for p in positions], dtype=np.int64)
        flat = [p for group in positions for p in group]
        t = np.repeat(times["t"], each)
        x, y = _float_column([p.x for p in flat]), _float_column([p.y for p in flat])
        at = t.astype(np.float64) + np.nan_to_num(_float_column([p.time_offset for p in flat]))
        made = Moves(
            t=t,
            window=np.repeat(times["window"], each),
            seq=np.repeat(times["seq"], each),
            at=at,
            node=_nodes(flat),
            x=x,
            y=y,
        )
        placed = np.isfinite(x) & np.isfinite(y)
        if not placed.all():
            self.findings["unreadable_payloads"] += int(np.count_nonzero(~placed))
            made = made.take(placed)
        return made

    def _scrolls(self) -> Scrolls:
        times, rows = self._of("scrolls")
        rows = [r if r is not None else _Scroll() for r in rows]
        return Scrolls(
            **times,
            node=_nodes(rows),
            x=_float_column([r.x for r in rows]),
            y=_float_column([r.y for r in rows]),
        )

    def _inputs(self) -> Inputs:
        times, rows = self._of("inputs")
        rows = [r if r is not None else _Input() for r in rows]
        texts = [r.text if isinstance(r.text, str) else None for r in rows]
        node = _nodes(rows)
        # Only what can be checked is ever said to be; then every event of it is one.
        checked = np.array([r.is_checked is True for r in rows], dtype=bool)
        switch = np.array([r.text in ("on", "off", None) for r in rows], dtype=bool)
        return Inputs(
            **times,
            node=node,
            chars=np.array([-1 if x is None else _utf16(x) for x in texts], dtype=np.int64),
            masked=np.array([x is not None and x != "" and not x.strip("*") for x in texts], bool),
            by_user=np.array([r.user_triggered is not False for r in rows], dtype=bool),
            toggle=switch | np.isin(node, node[checked]),
        )

    def _console(self) -> Console:
        times, rows = self._of("console")
        levels = [
            None
            if r is None or r.payload is None or r.plugin != CONSOLE_PLUGIN
            else r.payload.level
            for r in rows
        ]
        return Console(**times, level=_objects([x if isinstance(x, str) else None for x in levels]))

    def _requests(self) -> Requests:
        times, events = self._of("network")
        index: list[int] = []
        found: list[tuple[Any, Any, Any, Any, Any, Any, Any]] = []
        for n, event in enumerate(events):
            if event is None or event.payload is None:
                continue
            payload = event.payload
            if event.plugin == POSTHOG_NETWORK_PLUGIN:
                index.append(n)
                found.append(
                    (
                        payload.name,
                        None,
                        payload.status,
                        payload.duration,
                        payload.timestamp,
                        payload.initiator,
                        False,
                    )
                )
                continue
            for r in payload.requests or ():
                index.append(n)
                one = _Request() if r is None else r
                found.append(
                    (
                        one.name or one.url,
                        one.method,
                        one.status if one.status is not None else one.response_status,
                        one.duration,
                        one.timestamp,
                        one.initiator_type or one.entry_type,
                        one.is_initial is True,
                    )
                )
        at = np.array(index, dtype=np.int64)
        t = times["t"][at]
        duration = _float_column([_number(f[3]) for f in found])
        told = _float_column([_number(f[4]) for f in found])
        return Requests(
            t=t,
            window=times["window"][at],
            seq=times["seq"][at],
            start=np.where(np.isfinite(told), told, t - np.nan_to_num(duration)),
            duration=duration,
            status=_float_column([_number(f[2]) for f in found]),
            method=_objects([f[1] if isinstance(f[1], str) else None for f in found]),
            url=_objects([f[0] if isinstance(f[0], str) else None for f in found]),
            kind=_objects([f[5] if isinstance(f[5], str) else None for f in found]),
            initial=np.array([f[6] for f in found], dtype=bool),
        )

    def _navigations(self) -> Navigations:
        kept = self.kept.get("navigations", _Kept())
        order, times = kept.order()
        types = self.kept.get("navigation_types", _Kept()).payload
        return Navigations(
            **times,
            url=_objects([kept.payload[i] for i in order]),
            meta=np.array([types[i] == _META for i in order], dtype=bool),
        )

    def _sizes(self) -> Sizes:
        times, rows = self._of("sizes")
        rows = [r if r is not None else _Size() for r in rows]
        made = Sizes(
            **times,
            width=_float_column([r.width for r in rows]),
            height=_float_column([r.height for r in rows]),
        )
        return made.take((made.width > 0) & (made.height > 0))

    def _snapshots(self) -> Snapshots:
        times, rows = self._of("snapshots")
        large = self._of("large_snapshots")[0]
        joined = Snapshots(
            **{name: np.concatenate([times[name], large[name]]) for name in times},
            blank=np.array(
                [r is not None and r.node is not None and _is_blank(r.node) for r in rows]
                + [False] * len(large["t"]),
                dtype=bool,
            ),
        )
        return joined.take(np.argsort(joined.seq, kind="stable"))


def _with_findings(columns: Columns) -> Columns:
    """Say what the recording does not tell."""
    if not len(columns):
        return columns
    found = columns.findings
    if not len(columns.moves):
        found["no_pointer_data"] += 1
    if not columns.network_recorded:
        found["no_network_data"] += 1
    if not columns.console_recorded:
        found["no_console_data"] += 1
    clicks = columns.interactions.type == MouseInteraction.CLICK
    if clicks.any() and not np.isfinite(columns.interactions.x[clicks]).any():
        found["no_click_positions"] += int(np.count_nonzero(clicks))
    typed = (columns.inputs.chars >= 0) & ~columns.inputs.toggle
    if typed.any():
        if not columns.inputs.chars[typed].any():
            found["masked_to_nothing"] += 1
        elif columns.inputs.masked[typed & (columns.inputs.chars > 0)].all():
            found["all_inputs_masked"] += 1
    return columns


def _is_blank(node: _Node) -> bool:
    """Tell whether a page shows nothing: no letter of text, no picture, no field."""
    chars = 0
    todo = [node]
    while todo:
        one = todo.pop()
        tag = (one.tag_name or "").lower()
        if tag in _SHOWN_TAGS:
            return False
        if tag in _HIDDEN_TAGS:
            continue
        if one.text_content:
            chars += len(one.text_content.strip())
            if chars > BLANK_MAX_TEXT_CHARS:
                return False
        todo += one.child_nodes or ()
    return True


def _codes(column: pa.Array) -> tuple[Ints, list[str]]:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return _ints(column.indices), [str(v) for v in column.dictionary.to_pylist()]


def _ints(column: pa.Array) -> Ints:
    return np.asarray(column.to_numpy(zero_copy_only=False)).astype(np.int64, copy=False)


def _bools(column: pa.Array) -> Bools:
    return np.array(column.to_numpy(zero_copy_only=False), dtype=bool)


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: Any = np.int64) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _float_column(values: Sequence[float | None]) -> Floats:
    return np.array(values, dtype=np.float64)


def _int_column(values: Sequence[float]) -> Ints:
    return np.array([int(v) for v in values], dtype=np.int64)


def _objects(values: Sequence[Any]) -> Objects:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _nodes(rows: Sequence[Any]) -> Ints:
    ids = [NO_NODE if r.id is None or not abs(r.id) < 2**60 else int(r.id) for r in rows]
    return np.array(ids, dtype=np.int64)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _utf16(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
