"""
What elements were called at the moment they were used, from one walk over a window's events.

The mirror is brought forward event by event, and asked at each click, tap and input: an element
that is gone a second later still has its name. A recording in which nothing was clicked is not
walked at all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from replayport.analysis.columns import NO_NODE, Columns
from replayport.analysis.moments import Element, ElementLookup
from replayport.rrweb.events import EventType, IncrementalSource, MouseInteraction
from replayport.rrweb.mirror import Mirror, accessible

COLUMNS: Final = ("timestamp_ms", "seq", "window_id", "type", "source", "data")
"""What `know_elements` needs of ``events.parquet``."""

MAX_LABEL_CHARS: Final = 80
MAX_STEPS: Final = 12
"""How far outward the element that does something is looked for."""

_DOES_SOMETHING: Final = frozenset(
    [
        "a",
        "button",
        "input",
        "select",
        "textarea",
        "option",
        "label",
        "summary",
        "video",
        "audio",
        "canvas",
        "iframe",
    ]
)
_ACTIVE_ROLES: Final = frozenset(
    [
        "button",
        "link",
        "checkbox",
        "radio",
        "switch",
        "tab",
        "menuitem",
        "option",
        "textbox",
        "combobox",
        "slider",
    ]
)
_ROLE_WORDS: Final = {
    "textbox": "field",
    "searchbox": "field",
    "combobox": "list",
    "img": "picture",
    "generic": "element",
}
_ASKED: Final = [MouseInteraction.CLICK, MouseInteraction.TOUCH_START, MouseInteraction.TOUCH_END]

Moment = tuple[str, int, int]
"""Window id, node id, time."""


def know_elements(
    batches: Iterable[pa.RecordBatch], columns: Columns, findings: Counter[str] | None = None
) -> ElementLookup:
    """
    Find out what was clicked, tapped and typed into.

    Args:
        batches: Of `COLUMNS`, in playing order.
        columns: Of the same recording.
        findings: Counts what was wrong with the tree.

    Returns:
        A lookup that answers for exactly those moments.
    """
    known: dict[Moment, Element | None] = {}
    same: dict[Moment, Moment] = {}
    wanted = _wanted(columns, same)
    walks = {w: _Walk(columns, n, wanted[n]) for n, w in enumerate(columns.windows) if n in wanted}
    if walks:
        for batch in batches:
            _walk(batch, walks, known)
    if findings is not None and (wrong := sum(w.mirror.findings.total() for w in walks.values())):
        findings["broken_tree"] += wrong

    def lookup(window_id: str, node: int, time_ms: int) -> Element | None:
        moment = (window_id, node, time_ms)
        return known[moment] if moment in known else known.get(same.get(moment, moment))

    return lookup


def _wanted(columns: Columns, same: dict[Moment, Moment]) -> dict[int, dict[int, Moment]]:
    """
    Give, by window, which events name an element, by their order of arrival.

    Of a field that is typed into letter by letter only the first letter asks; ``same`` says
    which moments have its answer.
    """
    found: dict[int, dict[int, Moment]] = {}
    i = columns.interactions
    wanted = i.take(np.isin(i.type, _ASKED) & (i.node != NO_NODE))
    rows = zip(
        wanted.window.tolist(),
        wanted.seq.tolist(),
        wanted.node.tolist(),
        wanted.t.tolist(),
        strict=True,
    )
    for window, seq, node, t in rows:
        found.setdefault(window, {})[seq] = (columns.windows[window], node, t)
    for number, window_id in enumerate(columns.windows):
        inputs = columns.inputs.of_window(number).by_time()
        inputs = inputs.take(inputs.node != NO_NODE)
        pages = np.searchsorted(
            np.sort(columns.snapshots.of_window(number).t), inputs.t, side="right"
        )
        first: dict[tuple[int, int], Moment] = {}
        rows_ = zip(
            pages.tolist(),
            inputs.seq.tolist(),
            inputs.node.tolist(),
            inputs.t.tolist(),
            strict=True,
        )
        for page, seq, node, t in rows_:
            moment = (window_id, node, t)
            asked = first.setdefault((page, node), moment)
            if asked == moment:
                found.setdefault(number, {})[seq] = moment
            else:
                same[moment] = asked
    return found


class _Walk:
    """One window on its way forward: its mirror, and until when it must be kept up."""

    def __init__(self, columns: Columns, window: int, asked: dict[int, Moment]) -> None:
        self.mirror = Mirror()
        self.asked = asked
        self.until: tuple[int, int] = (-(2**62), 0)
        """Place in playing order of the last question before the next full snapshot."""
        fulls = columns.snapshots.of_window(window)
        self.described: dict[tuple[int, int], Element | None] = {}
        """By node and the mirror's version: a tap asks three times of one page."""
        self._fulls = sorted(zip(fulls.t.tolist(), fulls.seq.tolist(), strict=True))
        self._questions = sorted((moment[2], seq) for seq, moment in asked.items())

    def enter(self, place: tuple[int, int]) -> None:
        """Come to a full snapshot: what is asked before the next one needs it, or nothing does."""
        after = bisect_right(self._fulls, place)
        end = self._fulls[after] if after < len(self._fulls) else (2**62, 0)
        last = bisect_left(self._questions, end) - 1
        self.until = self._questions[last] if last >= 0 else (-(2**62), 0)


def _walk(
    batch: pa.RecordBatch, walks: dict[str, _Walk], known: dict[Moment, Element | None]
) -> None:
    types = batch["type"].to_numpy(zero_copy_only=False)
    sources = batch["source"].fill_null(-1).to_numpy(zero_copy_only=False)
    incremental = types == EventType.INCREMENTAL_SNAPSHOT
    structural = (types == EventType.FULL_SNAPSHOT) | (
        incremental & (sources == IncrementalSource.MUTATION)
    )
    asking = np.isin(sources, [IncrementalSource.MOUSE_INTERACTION, IncrementalSource.INPUT])
    index = np.flatnonzero(structural | (incremental & asking))
    part = batch.select(["timestamp_ms", "seq", "window_id", "type", "source"]).take(
        pa.array(index)
    )
    data = batch["data"]
    rows = zip(index.tolist(), *(column.to_pylist() for column in part.columns), strict=True)
    for n, t, seq, window_id, type_, source in rows:
        walk = walks.get(window_id)
        if walk is None:
            continue
        moment = walk.asked.get(seq)
        if moment is not None:
            place = (moment[1], walk.mirror.version)
            if place not in walk.described:
                walk.described[place] = describe(walk.mirror, moment[1])
            known[moment] = walk.described[place]
            continue
        full = type_ == EventType.FULL_SNAPSHOT
        if full:
            walk.enter((t, seq))
        if (full or source == IncrementalSource.MUTATION) and (t, seq) < walk.until:
            parsed = _parsed(data[n].as_py())
            if parsed is not None:
                walk.mirror.apply(type_, source, parsed)


def _parsed(text: str | None) -> Any:
    try:
        return None if text is None else msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def describe(mirror: Mirror, node_id: int) -> Element | None:
    """
    Say what an element is: itself, or the button or link it is inside.

    Returns:
        None when the mirror does not have it.
    """
    if mirror.node(node_id) is None:
        return None
    tags: list[str] = []
    doer = None
    for n, id_ in enumerate((node_id, *mirror.ancestors(node_id))):
        tag = mirror.tag(id_)
        if not tag:
            continue  # a text, or a document
        tags.append(tag)
        if tag in _DOES_SOMETHING or mirror.role(id_) in _ACTIVE_ROLES:
            doer = id_
            break
        if n >= MAX_STEPS:
            break
    if doer is None:
        # Nothing around it does anything: it is only itself, whatever it is inside. A text is
        # the element it is in.
        around = (node_id, *mirror.ancestors(node_id))
        doer = next((id_ for id_ in around if mirror.tag(id_)), node_id)
        tags = tags[:1]
    tag = mirror.tag(doer)
    # Not `mirror.name`: that keeps an index of the page, too dear for a question now and then.
    name = " ".join(accessible.name(mirror, doer)[0].split())
    if not name and tag not in _DOES_SOMETHING and len(mirror.children(doer)) <= 3:
        name = " ".join(mirror.text(doer).split())
    name = name[:MAX_LABEL_CHARS]
    role = mirror.role(doer) or tag or "element"
    word = _ROLE_WORDS.get(role, role)
    return Element(
        tag=tag,
        words=f'the {word} "{name}"' if name else f"the {word} without a name",
        label=name,
        input_type=(mirror.attribute(doer, "type") or "").lower()
        if tag in ("input", "button")
        else "",
        tags=tuple(tags),
    )
