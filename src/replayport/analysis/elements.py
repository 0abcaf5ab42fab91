"""
What elements were called at the moment they were used, from one walk over a window's events.

The mirror is brought forward event by event, and asked at each click, tap and input: an element
that is gone a second later still has its name. A recording in which nothing was clicked is not
walked at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa

from replayport.analysis.columns import NO_NODE, Columns, among
from replayport.analysis.following import Pages
from replayport.analysis.moments import Element, ElementLookup
from replayport.analysis.reading import ActionReader
from replayport.rrweb.events import IncrementalSource, MouseInteraction
from replayport.rrweb.mirror import Mirror, accessible

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

_ASKING_SOURCES: Final = (IncrementalSource.MOUSE_INTERACTION, IncrementalSource.INPUT)

Moment = tuple[str, int, int]
"""Window id, node id, time."""


def know_elements(
    batches: Iterable[pa.RecordBatch],
    columns: Columns,
    findings: Counter[str] | None = None,
    actions: ActionReader | None = None,
) -> ElementLookup:
    """
    Find out what was clicked, tapped and typed into.

    Args:
        batches: Of `following.COLUMNS`, in playing order.
        columns: Of the same recording.
        findings: Counts what was wrong with the tree.
        actions: Reads the actions from the same pages on the way.

    Returns:
        A lookup that answers for exactly those moments.
    """
    known: dict[Moment, Element | None] = {}
    same: dict[Moment, Moment] = {}
    wanted = _wanted(columns, same)
    follower = Pages() if actions is None else actions
    described: dict[tuple[str, int, int], Element | None] = {}
    if wanted or actions is not None:
        for batch in batches:
            for row in follower.rows(batch, _ASKING_SOURCES):
                if (moment := wanted.get(row.seq)) is not None:
                    page = follower.mirror(row.window_id)
                    known[moment] = _described(page, moment, described, indexed=actions is not None)
                follower.feed(row)
    if findings is not None and (wrong := follower.broken()):
        findings["broken_tree"] += wrong

    def lookup(window_id: str, node: int, time_ms: int) -> Element | None:
        moment = (window_id, node, time_ms)
        return known[moment] if moment in known else known.get(same.get(moment, moment))

    return lookup


def _wanted(columns: Columns, same: dict[Moment, Moment]) -> dict[int, Moment]:
    """
    Give which events name an element, by their order of arrival.

    Of a field that is typed into letter by letter only the first letter asks; ``same`` says
    which moments have its answer.
    """
    found: dict[int, Moment] = {}
    i = columns.interactions
    wanted = i.take(among(i.type, _ASKED) & (i.node != NO_NODE))
    rows = zip(
        wanted.window.tolist(),
        wanted.seq.tolist(),
        wanted.node.tolist(),
        wanted.t.tolist(),
        strict=True,
    )
    for window, seq, node, t in rows:
        found[seq] = (columns.windows[window], node, t)
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
                found[seq] = moment
            else:
                same[moment] = asked
    return found


def _described(
    mirror: Mirror,
    moment: Moment,
    described: dict[tuple[str, int, int], Element | None],
    *,
    indexed: bool,
) -> Element | None:
    """Describe an element once while its page stays as it is: a tap asks three times."""
    window_id, node_id, _ = moment
    place = window_id, node_id, mirror.version
    if place not in described:
        described[place] = describe(mirror, node_id, indexed=indexed)
    return described[place]


def describe(mirror: Mirror, node_id: int, *, indexed: bool = False) -> Element | None:
    """
    Say what an element is: itself, or the button or link it is inside.

    Args:
        mirror: The page.
        node_id: Of the element.
        indexed: Whether somebody else asks this page for names, so that it keeps them. For a
            question now and then the index is too dear.

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
    said = mirror.name(doer) if indexed else accessible.name(mirror, doer)[0]
    name = " ".join(said.split())
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
