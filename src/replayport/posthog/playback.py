"""
What PostHog's player does to a recording before it plays, as separate pure steps.

A stored recording is what the source sent. Real recordings hold repetitions, gaps and
events that no replayer survives; these steps mend them on reading, in this order::

    transform_mobile            wireframes become a DOM           (posthog.mobile)
    chunk_mutations             mutations of > 5000 adds are cut  (the player stays responsive)
    sort_by_time                stable
    drop_repeats                retries and redeliveries
    add_screenshot_snapshots    a screenshot can be sought to
    drop_undecodable            fields still compressed, snapshots without a document
    patch_meta                  every full snapshot has a Meta before it
    strip_chrome_extensions     two extensions make pages unplayable
    sort_by_time

Each takes and returns a list and changes nothing it was given. `playback_events` applies
them all and counts what each did. `number_windows` gives the integers PostHog shows
instead of window ids, for who needs them.

Source:
    posthog ``common/replay-shared/src/snapshot-processing/*.ts``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from replayport.posthog.mobile.drawing import (
    BODY_ID,
    HEAD_ID,
    HTML_ID,
    OLD_SCREENSHOT_MARKER,
    SCREENSHOT_MARKER,
)
from replayport.posthog.mobile.transform import MobileTransformer, page
from replayport.rrweb.events import Event, EventType, IncrementalSource
from replayport.rrweb.nodes import CSS_TEXT, Node, children, element, walk

MAX_ADDS: Final = 5000
"""Adds of one mutation that PostHog's player applies at once."""

SCREENSHOT_ADDS: Final = 3
"""How many adds of a mutation are looked at for a screenshot."""

UNKNOWN_HREF: Final = "unknown"
STRIPPED_TAG: Final = "chrome-extension-stripped"

CHROME_EXTENSIONS: Final = {
    "dji-sru": "snap and read",
    "mloajfnmjckfjbeeofcdaecbelnblden": "snap and read",
    "aitopia": "aitopia",
    "becfinhbfclcgokjlobojlnldbfillpf": "aitopia",
    "fnliebffpgomomjeflboommgbdnjadbh": "sublime pop-up",
    "sublime-root": "sublime pop-up",
}
"""Text that betrays an extension's elements, and the extension's name."""

FINDING_CHUNKED: Final = "mutations_chunked"
FINDING_REPEATS: Final = "repeats_dropped"
FINDING_SCREENSHOTS: Final = "screenshot_snapshots_added"
FINDING_UNDECODABLE: Final = "undecodable_dropped"
FINDING_METAS: Final = "metas_added"
FINDING_META_UNKNOWN: Final = "meta_size_unknown"
"""A full snapshot has no Meta before it, and nothing says how large the page was."""
FINDING_EXTENSIONS: Final = "chrome_extensions_stripped"


@dataclass(frozen=True, slots=True)
class PlaybackEvent:
    """One event on its way to a player."""

    window_id: str
    event: dict[str, Any]
    """As rrweb has it: ``type``, ``data``, ``timestamp``. Shared with who gave it: not to
    be changed."""
    is_mutation_chunk: bool = False
    """Whether it is part of a mutation that was cut; two equal parts are no repetition."""

    @property
    def timestamp(self) -> float:
        """Epoch milliseconds, possibly fractional; 0 for an event that has none."""
        found = self.event.get("timestamp")
        return found if isinstance(found, int | float) else 0

    @property
    def data(self) -> dict[str, Any]:
        """The event's data; empty when it is no object."""
        found = self.event.get("data")
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Viewport:
    """Size of the page as an analytics event of the session tells it."""

    timestamp_ms: int
    width: float
    height: float
    href: str | None = None
    """``$current_url``; None when the event has none."""


@dataclass(frozen=True, slots=True)
class Playback:
    """Events ready to play."""

    events: list[PlaybackEvent]
    """Ordered by time."""
    findings: Counter[str]
    """What was mended, by the ``FINDING_`` constants of this module and of `mobile`."""


def from_events(events: Iterable[Event]) -> list[PlaybackEvent]:
    """
    Take events as the archive reads them.

    Args:
        events: In any order, which stays. One nested too deep for Python is too deep for a
            browser's DOM as well, and is left out.
    """
    found = []
    for event in events:
        try:
            found.append(PlaybackEvent(event.window_id, event.to_rrweb()))
        except (ValueError, RecursionError):
            continue
    return found


def playback_events(
    events: Sequence[PlaybackEvent], *, viewports: Sequence[Viewport] = ()
) -> Playback:
    """
    Apply all steps.

    Args:
        events: Of one recording, all windows, in order of arrival.
        viewports: From the session's analytics events, for snapshots without a Meta.
    """
    findings: Counter[str] = Counter()
    current = transform_mobile(events, findings=findings)
    current = chunk_mutations(current, findings=findings)
    current = sort_by_time(current)
    current = drop_repeats(current, findings=findings)
    current = add_screenshot_snapshots(current, findings=findings)
    current = drop_undecodable(current, findings=findings)
    current = patch_meta(current, viewports=viewports, findings=findings)
    current = strip_chrome_extensions(current, findings=findings)
    return Playback(sort_by_time(current), findings)


def number_windows(events: Iterable[PlaybackEvent]) -> dict[str, int]:
    """
    Number the windows as PostHog's player does.

    Args:
        events: In order.

    Returns:
        Window id to 1, 2, 3 ... by first appearance.
    """
    numbers: dict[str, int] = {}
    for event in events:
        numbers.setdefault(event.window_id, len(numbers) + 1)
    return numbers


def transform_mobile(
    events: Iterable[PlaybackEvent], *, findings: Counter[str] | None = None
) -> list[PlaybackEvent]:
    """
    Rebuild wireframes as a DOM; web events pass.

    Args:
        events: In order; each window is converted by itself.
        findings: Counts what could not be converted.
    """
    transformers: dict[str, MobileTransformer] = {}
    converted = []
    for item in events:
        transformer = transformers.setdefault(item.window_id, MobileTransformer())
        event = transformer.transform(item.event)
        converted.append(item if event is item.event else replace(item, event=event))
    if findings is not None:
        for transformer in transformers.values():
            findings.update(transformer.findings)
    return converted


def chunk_mutations(
    events: Iterable[PlaybackEvent], *, findings: Counter[str] | None = None
) -> list[PlaybackEvent]:
    """
    Cut mutations of more than `MAX_ADDS` adds.

    The parts keep the timestamp; removes come with the first, texts and attributes with
    the last, because they may name nodes of any part.

    Args:
        events: In any order.
        findings: Counts the mutations cut.
    """
    result = []
    for item in events:
        adds = item.data.get("adds")
        if not _is_mutation(item) or not isinstance(adds, list) or len(adds) <= MAX_ADDS:
            result.append(item)
            continue
        _count(findings, FINDING_CHUNKED)
        for start in range(0, len(adds), MAX_ADDS):
            data = {**item.data, "adds": adds[start : start + MAX_ADDS]}
            if start:
                data["removes"] = []
            if start + MAX_ADDS < len(adds):
                data["texts"] = []
                data["attributes"] = []
            part = {**item.event, "data": data}
            result.append(PlaybackEvent(item.window_id, part, is_mutation_chunk=True))
    return result


def sort_by_time(events: Iterable[PlaybackEvent]) -> list[PlaybackEvent]:
    """Sort by timestamp; what is equal stays in its order."""
    return sorted(events, key=lambda item: item.timestamp)


def drop_repeats(
    events: Sequence[PlaybackEvent], *, findings: Counter[str] | None = None
) -> list[PlaybackEvent]:
    """
    Drop what a retry or a redelivery brought twice.

    PostHog's newest rule: of events with the same timestamp, an immediate repetition
    of the one before is dropped; and when the rest of them is one block several times
    over, the first block stays. A change and its reversal within a millisecond, which
    the older rule destroyed, survive.

    Args:
        events: Sorted by time.
        findings: Counts the events dropped.
    """
    result: list[PlaybackEvent] = []
    start = 0
    while start < len(events):
        end = start + 1
        while end < len(events) and events[end].timestamp == events[start].timestamp:
            end += 1
        run = list(events[start:end])
        kept = _without_repeats(run) if len(run) > 1 else run
        _count(findings, FINDING_REPEATS, len(run) - len(kept))
        result += kept
        start = end
    return result


def add_screenshot_snapshots(
    events: Iterable[PlaybackEvent], *, findings: Counter[str] | None = None
) -> list[PlaybackEvent]:
    """
    Put a full snapshot of each screenshot 1 ms before the mutation that brings it.

    Args:
        events: Sorted by time, mobile ones already transformed.
        findings: Counts the snapshots added.
    """
    result = []
    with_full: set[str] = set()
    for item in events:
        if item.event.get("type") == EventType.FULL_SNAPSHOT:
            with_full.add(item.window_id)
        image = _added_screenshot(item)
        if image is not None:
            timestamp = item.timestamp - 1
            attributes = image["attributes"]
            if item.window_id not in with_full:
                size = (attributes["width"], attributes["height"])
                result.append(_meta(item.window_id, timestamp, *size, UNKNOWN_HREF))
                _count(findings, FINDING_METAS)
            body = element(BODY_ID, "body", {}, [{**image, "childNodes": []}])
            html = element(HTML_ID, "html", {}, [element(HEAD_ID, "head", {}), body])
            event = {
                "type": int(EventType.FULL_SNAPSHOT),
                "data": page(html),
                "timestamp": timestamp,
            }
            result.append(PlaybackEvent(item.window_id, event))
            with_full.add(item.window_id)
            _count(findings, FINDING_SCREENSHOTS)
        result.append(item)
    return result


def drop_undecodable(
    events: Iterable[PlaybackEvent], *, findings: Counter[str] | None = None
) -> list[PlaybackEvent]:
    """
    Drop what would stop a replayer.

    Those are full snapshots without a document, and mutations and stylesheet changes whose
    fields are still compressed.

    Args:
        events: In any order.
        findings: Counts the events dropped.
    """
    kept = [item for item in events if not _undecodable(item)]
    if findings is not None and isinstance(events, Sequence):
        _count(findings, FINDING_UNDECODABLE, len(events) - len(kept))
    return kept


def patch_meta(
    events: Sequence[PlaybackEvent],
    *,
    viewports: Sequence[Viewport] = (),
    findings: Counter[str] | None = None,
) -> list[PlaybackEvent]:
    """
    Insert the Meta that a full snapshot lacks: without one the page has no size.

    The size is that of the screenshot in the snapshot, else the analytics event's nearest
    in time, else the nearest Meta's of the recording. PostHog lets a Meta of any window
    stand for the next snapshot of any; here each window needs its own, because windows
    differ in size.

    Args:
        events: Sorted by time.
        viewports: From the session's analytics events.
        findings: Counts Metas added, and snapshots nothing is known for.
    """
    known = [
        Viewport(int(m.timestamp), m.data["width"], m.data["height"], m.data.get("href"))
        for m in events
        if m.event.get("type") == EventType.META and _has_size(m.data)
    ]
    result = []
    with_meta: set[str] = set()
    for item in events:
        kind = item.event.get("type")
        if kind == EventType.META:
            with_meta.add(item.window_id)
        elif kind == EventType.FULL_SNAPSHOT:
            if item.window_id not in with_meta:
                size = _size_of(item) or _nearest(viewports, item) or _nearest(known, item)
                if size is None:
                    _count(findings, FINDING_META_UNKNOWN)
                else:
                    href = size.href or UNKNOWN_HREF
                    timestamp = item.timestamp
                    meta = _meta(item.window_id, timestamp, size.width, size.height, href)
                    result.append(meta)
                    _count(findings, FINDING_METAS)
            with_meta.discard(item.window_id)
        result.append(item)
    return result


def strip_chrome_extensions(
    events: Sequence[PlaybackEvent], *, findings: Counter[str] | None = None
) -> list[PlaybackEvent]:
    """
    Empty the elements of extensions that cover the page when it is rebuilt.

    Args:
        events: In any order.
        findings: Counts the full snapshots changed.

    Returns:
        When anything was stripped, a custom event naming the extensions comes first.
    """
    names: set[str] = set()
    result = []
    for item in events:
        document = item.data.get("node")
        if item.event.get("type") != EventType.FULL_SNAPSHOT or not isinstance(document, dict):
            result.append(item)
            continue
        found = {name for node in walk(document) for name in _extensions_in(node)}
        if not found:
            result.append(item)
            continue
        names |= found
        _count(findings, FINDING_EXTENSIONS)
        data = {**item.data, "node": _stripped(document)}
        result.append(replace(item, event={**item.event, "data": data}))
    if names:
        first = events[0]
        notice = {
            "type": int(EventType.CUSTOM),
            "data": {"tag": STRIPPED_TAG, "payload": {"extensions": sorted(names)}},
            "timestamp": first.timestamp,
        }
        result.insert(0, PlaybackEvent(first.window_id, notice))
    return result


def _count(findings: Counter[str] | None, code: str, number: int = 1) -> None:
    if findings is not None and number:
        findings[code] += number


def _is_mutation(item: PlaybackEvent) -> bool:
    return (
        item.event.get("type") == EventType.INCREMENTAL_SNAPSHOT
        and item.data.get("source") == IncrementalSource.MUTATION
    )


def _without_repeats(run: list[PlaybackEvent]) -> list[PlaybackEvent]:
    """Apply `drop_repeats` to events of one timestamp."""
    kept: list[PlaybackEvent] = []
    keys: list[str] = []
    for item in run:
        key = _compared(item)
        if keys and key == keys[-1] and not item.is_mutation_chunk:
            continue
        kept.append(item)
        keys.append(key)
    for length in range(1, len(kept) // 2 + 1):
        if len(kept) % length or keys != keys[:length] * (len(keys) // length):
            continue
        # Equal parts of one cut mutation are not the mutation again.
        if length > 1 or not kept[0].is_mutation_chunk:
            return kept[:length]
    return kept


def _compared(item: PlaybackEvent) -> str:
    """Give the text two events share when one repeats the other."""
    compared = {k: v for k, v in item.event.items() if k not in ("delay", "seq")}
    try:
        return json.dumps([item.window_id, compared], sort_keys=True)
    except RecursionError:
        # Too deep to be written down; kept, since nothing shows it to be a repetition.
        return f"event {id(item.event)}"


def _is_screenshot(node: object) -> bool:
    if not isinstance(node, dict) or node.get("tagName") != "img":
        return False
    attributes = node.get("attributes")
    return (
        isinstance(attributes, dict)
        and (SCREENSHOT_MARKER in attributes or OLD_SCREENSHOT_MARKER in attributes)
        and _has_size(attributes)
    )


def _added_screenshot(item: PlaybackEvent) -> Node | None:
    adds = item.data.get("adds")
    if not _is_mutation(item) or not isinstance(adds, list):
        return None
    for add in adds[:SCREENSHOT_ADDS]:
        node = add.get("node") if isinstance(add, dict) else None
        if isinstance(node, dict) and _is_screenshot(node):
            return node
    return None


def _has_size(values: dict[str, Any]) -> bool:
    return all(isinstance(values.get(key), int | float) for key in ("width", "height"))


def _size_of(item: PlaybackEvent) -> Viewport | None:
    """Give the size of the screenshot in a full snapshot."""
    document = item.data.get("node")
    if not isinstance(document, dict):
        return None
    for node in walk(document):
        if _is_screenshot(node):
            attributes = node["attributes"]
            return Viewport(int(item.timestamp), attributes["width"], attributes["height"])
    return None


def _nearest(viewports: Sequence[Viewport], item: PlaybackEvent) -> Viewport | None:
    return min(viewports, key=lambda v: abs(v.timestamp_ms - item.timestamp), default=None)


def _meta(
    window_id: str, timestamp: float, width: float, height: float, href: str
) -> PlaybackEvent:
    data = {"href": href, "width": width, "height": height}
    return PlaybackEvent(
        window_id, {"type": int(EventType.META), "data": data, "timestamp": timestamp}
    )


def _undecodable(item: PlaybackEvent) -> bool:
    kind = item.event.get("type")
    if kind == EventType.FULL_SNAPSHOT:
        return not isinstance(item.data.get("node"), dict)
    if kind != EventType.INCREMENTAL_SNAPSHOT:
        return False
    source = item.data.get("source")
    if source == IncrementalSource.MUTATION:
        fields: tuple[str, ...] = ("texts", "attributes", "removes", "adds")
    elif source == IncrementalSource.STYLE_SHEET_RULE:
        fields = ("adds", "removes")
    else:
        return False
    return any(isinstance(item.data.get(name), str) for name in fields)


def _attributes(node: Node) -> dict[str, Any]:
    found = node.get("attributes")
    return found if isinstance(found, dict) else {}


def _needles_in(value: object) -> list[str]:
    return [n for n in CHROME_EXTENSIONS if n in value] if isinstance(value, str) else []


def _sheet_keys(attributes: dict[str, Any]) -> list[str]:
    """Give the attributes that hold an extension's stylesheet."""
    return [
        key
        for key in (CSS_TEXT, "textContent")
        if "chrome-extension://" in str(attributes.get(key)) and _needles_in(attributes.get(key))
    ]


def _is_extension_root(node: Node) -> bool:
    attributes = _attributes(node)
    tag = str(node.get("tagName") or "").lower()
    return bool(
        _needles_in(attributes.get("id"))
        or _needles_in(tag)
        or (tag == "div" and _needles_in(attributes.get("class")))
    )


def _extensions_in(node: Node) -> set[str]:
    """Name the extensions a node shows signs of."""
    attributes = _attributes(node)
    held = [attributes.get("id"), attributes.get("class"), str(node.get("tagName") or "").lower()]
    held += [attributes[key] for key in _sheet_keys(attributes)]
    return {CHROME_EXTENSIONS[needle] for value in held for needle in _needles_in(value)}


def _stripped(document: Node) -> Node:
    """Copy a tree without the extensions' content; deep trees do not recurse."""
    root: Node = dict(document)
    stack = [root]
    while stack:
        node = stack.pop()
        attributes = _attributes(node)
        if attributes:
            changed = dict.fromkeys(_sheet_keys(attributes), "")
            for needle in _needles_in(attributes.get("class")):
                own = changed.get("class", attributes["class"])
                changed["class"] = own.replace(needle, "").strip()
            node["attributes"] = {**attributes, **changed}
        if "childNodes" not in node:
            continue
        # The class was blanked above, so the decision is made on what was there before.
        emptied = _is_extension_root({**node, "attributes": attributes})
        copies = [] if emptied else [dict(child) for child in children(node)]
        node["childNodes"] = copies
        stack.extend(copies)
    return root
