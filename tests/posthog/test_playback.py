"""The playback steps one by one, and all of them in order."""

from __future__ import annotations

import copy
import itertools
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.posthog.playback import (
    MAX_ADDS,
    PlaybackEvent,
    Viewport,
    add_screenshot_snapshots,
    chunk_mutations,
    drop_repeats,
    drop_undecodable,
    from_events,
    number_windows,
    patch_meta,
    playback_events,
    sort_by_time,
    strip_chrome_extensions,
    transform_mobile,
)
from replayport.rrweb.events import Event
from replayport.rrweb.nodes import element, text, text_content, walk


def made(kind: int, timestamp: float = 0, window: str = "w", **data: Any) -> PlaybackEvent:
    return PlaybackEvent(window, {"type": kind, "timestamp": timestamp, "data": data})


def full(timestamp: float = 0, window: str = "w", node: Any = None) -> PlaybackEvent:
    return made(2, timestamp, window, node=node or {"type": 0, "id": 1, "childNodes": []})


def meta(timestamp: float = 0, window: str = "w", width: int = 10) -> PlaybackEvent:
    return made(4, timestamp, window, href="http://a/", width=width, height=20)


def custom(name: str, timestamp: float = 0, window: str = "w") -> PlaybackEvent:
    return made(5, timestamp, window, tag=name, payload={})


def tags(events: list[PlaybackEvent]) -> str:
    return "".join(str(e.data.get("tag")) for e in events)


def image(**attributes: Any) -> dict[str, Any]:
    size = {"width": 300, "height": 600, "data-posthog-screenshot": "true"}
    return element(700, "img", {**size, "src": "data:,", **attributes})


def screenshot(timestamp: float, window: str = "w", before: int = 0, **attributes: Any) -> Any:
    others = [
        {"parentId": 5, "nextId": None, "node": element(90 + i, "p", {})} for i in range(before)
    ]
    add = {"parentId": 5, "nextId": None, "node": image(**attributes)}
    return made(3, timestamp, window, source=0, adds=[*others, add], removes=[])


def test_events_of_the_archive() -> None:
    event = Event(7, 0, "w", 4, None, "meta", '{"href":"x"}', '{"windowId":"w"}')
    (found,) = from_events([event])
    assert found.window_id == "w"
    assert found.event == {"type": 4, "data": {"href": "x"}, "timestamp": 7, "windowId": "w"}


def test_windows_are_numbered_by_first_appearance() -> None:
    events = [meta(window=w) for w in ("b", "a", "b", "", "a")]
    assert number_windows(events) == {"b": 1, "a": 2, "": 3}


def test_mobile_windows_do_not_share_ids() -> None:
    wireframes = [{"id": 5000, "type": "text", "text": "a", "width": 1, "height": 1}]
    events = [made(2, 1, w, wireframes=wireframes) for w in ("a", "b")]
    found = transform_mobile(events)
    assert found[0].event == found[1].event
    assert found[0].data["node"]["type"] == 0
    web = [full(), meta(), custom("x")]
    assert transform_mobile(web) == web


@pytest.mark.parametrize("count", [MAX_ADDS, MAX_ADDS + 1, 2 * MAX_ADDS, 2 * MAX_ADDS + 3])
def test_large_mutations_are_cut_and_lose_nothing(count: int) -> None:
    adds = [{"parentId": 1, "nextId": None, "node": text(i, "x")} for i in range(count)]
    rest: dict[str, Any] = {"texts": [1], "attributes": [2], "removes": [3]}
    whole = made(3, 9, source=0, adds=adds, **rest)
    findings: Counter[str] = Counter()
    parts = chunk_mutations([whole], findings=findings)
    assert [a for p in parts for a in p.data["adds"]] == adds
    assert all(len(p.data["adds"]) <= MAX_ADDS and p.timestamp == 9 for p in parts)
    if count <= MAX_ADDS:
        assert parts == [whole]
        assert not findings
        return
    assert findings == {"mutations_chunked": 1}
    assert all(p.is_mutation_chunk for p in parts)
    assert [p.data["removes"] for p in parts] == [[3]] + [[]] * (len(parts) - 1)
    assert [p.data["texts"] for p in parts] == [[]] * (len(parts) - 1) + [[1]]
    assert [p.data["attributes"] for p in parts] == [[]] * (len(parts) - 1) + [[2]]


@given(st.lists(st.tuples(st.integers(0, 3), st.text("abc", max_size=1))))
def test_sorting_is_stable(pairs: list[tuple[int, str]]) -> None:
    events = [custom(name, timestamp) for timestamp, name in pairs]
    found = sort_by_time(events)
    assert [(e.timestamp, e.data["tag"]) for e in found] == sorted(pairs, key=lambda p: p[0])


@pytest.mark.parametrize(
    ("given_tags", "kept"),
    [
        ("a", "a"),
        ("aa", "a"),
        ("aaaa", "a"),
        ("aab", "ab"),
        ("aba", "aba"),
        ("abab", "ab"),
        ("abcabcabc", "abc"),
        ("aabbaabb", "ab"),
        ("ababa", "ababa"),
        ("abac", "abac"),
    ],
)
def test_repetitions_within_a_millisecond(given_tags: str, kept: str) -> None:
    findings: Counter[str] = Counter()
    run = [custom(tag, 5) for tag in given_tags]
    found = drop_repeats([custom("a", 4), *run, custom("a", 6)], findings=findings)
    assert tags(found) == f"a{kept}a"
    assert findings["repeats_dropped"] == len(given_tags) - len(kept)


def test_what_is_no_repetition() -> None:
    delayed = PlaybackEvent("w", {**custom("a").event, "delay": 5})
    assert len(drop_repeats([custom("a"), delayed])) == 1
    assert len(drop_repeats([custom("a"), custom("a", window="x")])) == 2
    chunk = PlaybackEvent("w", custom("a").event, is_mutation_chunk=True)
    other = PlaybackEvent("w", custom("b").event, is_mutation_chunk=True)
    assert drop_repeats([chunk, chunk]) == [chunk, chunk]
    assert drop_repeats([chunk, other, chunk, other]) == [chunk, other]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), max_size=12))
def test_dropping_repeats_is_idempotent_for_immediate_ones(pairs: list[tuple[int, str]]) -> None:
    events = sort_by_time([custom(name, timestamp) for timestamp, name in pairs])
    found = drop_repeats(events)
    assert {e.timestamp for e in found} == {e.timestamp for e in events}
    assert not any(a == b for a, b in itertools.pairwise(found))


def test_screenshots_can_be_sought_to() -> None:
    findings: Counter[str] = Counter()
    events = [screenshot(100), screenshot(200, before=2), screenshot(300, "x", before=3)]
    found = add_screenshot_snapshots(events, findings=findings)
    assert [(e.event["type"], e.timestamp) for e in found] == [
        (4, 99),
        (2, 99),
        (3, 100),
        (2, 199),
        (3, 200),
        (3, 300),
    ]
    assert found[0].data == {"href": "unknown", "width": 300, "height": 600}
    document = found[1].data["node"]
    assert [n.get("tagName") for n in walk(document)] == [None, None, "html", "head", "body", "img"]
    assert [n["id"] for n in walk(document)] == [1, 2, 3, 4, 5, 700]
    assert findings == {"screenshot_snapshots_added": 2, "metas_added": 1}


def test_the_older_marker_counts_and_other_images_do_not() -> None:
    marker = {"data-rrweb-mobile-screenshot": "true", "width": 300, "height": 600}
    add = {"parentId": 5, "nextId": None, "node": element(700, "img", marker)}
    old = made(3, 1, source=0, adds=[add])
    assert len(add_screenshot_snapshots([full(), old])) == 3
    unsized = screenshot(1, width=None)
    plain = made(3, 1, source=0, adds=[{"node": element(1, "img", {"width": 1, "height": 1})}])
    for event in (unsized, plain, made(3, 1, source=0, adds="packed"), made(3, 1, source=2)):
        assert add_screenshot_snapshots([event]) == [event]


def test_undecodable_events_are_dropped() -> None:
    good = [
        full(),
        made(3, source=0, adds=[], removes=[], texts=[], attributes=[]),
        made(3, source=8, adds=[]),
        made(3, source=5, text="adds"),
        made(9, adds="x"),
    ]
    bad = [
        PlaybackEvent("w", {"type": 2, "timestamp": 0, "data": "\x1f\x8b"}),
        made(2, node="x"),
        made(2),
        made(3, source=0, adds="\x1f\x8b"),
        made(3, source=0, adds=[], texts="\x1f\x8b"),
        made(3, source=0, adds=[], removes="\x1f\x8b"),
        made(3, source=8, removes="x"),
    ]
    findings: Counter[str] = Counter()
    assert drop_undecodable([*good, *bad], findings=findings) == good
    assert findings == {"undecodable_dropped": len(bad)}


def test_a_full_snapshot_gets_the_meta_it_lacks() -> None:
    findings: Counter[str] = Counter()
    viewports = [Viewport(0, 1, 2, "http://far/"), Viewport(95, 800, 600, "http://near/")]
    found = patch_meta([full(100)], viewports=viewports, findings=findings)
    assert found == [
        made(4, 100, href="http://near/", width=800, height=600),
        full(100),
    ]
    assert findings == {"metas_added": 1}
    (added, _) = patch_meta([full(100)], viewports=[Viewport(0, 1, 2)])
    assert added.data["href"] == "unknown"


def test_metas_that_are_there_suffice_once() -> None:
    events = [meta(1), full(2)]
    assert patch_meta(events) == events
    found = patch_meta([*events, full(3)])
    assert [e.event["type"] for e in found] == [4, 2, 4, 2]
    assert found[2].data == meta().data


def test_each_window_needs_its_own_meta() -> None:
    found = patch_meta([meta(1, "a"), full(2, "b"), full(3, "a")])
    assert [(e.event["type"], e.window_id) for e in found] == [
        (4, "a"),
        (4, "b"),
        (2, "b"),
        (2, "a"),
    ]


def test_a_screenshot_tells_its_size_and_nothing_tells_nothing() -> None:
    node = element(3, "html", {}, [image()])
    (added, _) = patch_meta([full(5, node=node)], viewports=[Viewport(5, 1, 2)])
    assert (added.data["width"], added.data["height"]) == (300, 600)
    findings: Counter[str] = Counter()
    assert patch_meta([full(5)], findings=findings) == [full(5)]
    assert findings == {"meta_size_unknown": 1}


def test_chrome_extensions_are_emptied() -> None:
    css = "a{background:url(chrome-extension://mloajfnmjckfjbeeofcdaecbelnblden/x.png)}"
    document = element(
        1,
        "html",
        {},
        [
            element(2, "style", {"_cssText": css}),
            element(3, "style", {"_cssText": "a{}", "class": "aitopia mine"}),
            element(4, "div", {"class": "x aitopia"}, [text(5, "gone")]),
            element(6, "p", {"class": "aitopia-p"}, [text(7, "stays")]),
            element(8, "p", {"id": "sublime-root"}, [text(9, "gone")]),
            element(10, "dji-sru", {}, [text(11, "gone")]),
            element(12, "style", {"_cssText": "url(chrome-extension://harmless/)"}),
        ],
    )
    events = [meta(1), full(2, node=document)]
    before = copy.deepcopy(events)
    findings: Counter[str] = Counter()
    found = strip_chrome_extensions(events, findings=findings)
    assert events == before
    assert found[0].event == {
        "type": 5,
        "timestamp": 1,
        "data": {
            "tag": "chrome-extension-stripped",
            "payload": {"extensions": ["aitopia", "snap and read", "sublime pop-up"]},
        },
    }
    stripped = found[2].data["node"]
    assert text_content(stripped) == "stays"
    attributes = {n["id"]: n.get("attributes") for n in walk(stripped)}
    assert attributes[2] == {"_cssText": ""}
    assert attributes[3] == {"_cssText": "a{}", "class": "mine"}
    assert attributes[4] == {"class": "x"}
    assert attributes[6] == {"class": "-p"}
    assert attributes[12] == {"_cssText": "url(chrome-extension://harmless/)"}
    assert findings == {"chrome_extensions_stripped": 1}
    assert strip_chrome_extensions([meta(), full()]) == [meta(), full()]


def test_deep_pages_are_stripped_without_recursion() -> None:
    root = node = element(1, "div", {})
    for node_id in range(2, 5000):
        child = element(node_id, "div", {})
        node["childNodes"].append(child)
        node = child
    node["childNodes"].append(element(9999, "div", {"id": "aitopia"}, [text(1, "gone")]))
    found = playback_events([full(node=root), meta()]).events
    (snapshot,) = (e for e in found if e.event["type"] == 2)
    assert sum(1 for _ in walk(snapshot.data["node"])) == 5000


def test_all_steps_in_order() -> None:
    events = [
        full(10),
        meta(10),
        custom("b", 30),
        custom("a", 20),
        custom("b", 30),
        made(2, 40),
    ]
    before = json.dumps([e.event for e in events])
    found = playback_events(events)
    assert [(e.event["type"], e.timestamp) for e in found.events] == [
        (4, 10),
        (2, 10),
        (4, 10),
        (5, 20),
        (5, 30),
    ]
    assert found.findings == {"metas_added": 1, "repeats_dropped": 1, "undecodable_dropped": 1}
    assert json.dumps([e.event for e in events]) == before


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["node", "adds", "attributes", "childNodes", "tagName", "id", "class"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 2, 3, 4, 5, 6, 99]),
            st.integers(0, 2),
            json_values,
            st.sampled_from(["a", "b"]),
        ),
        max_size=6,
    )
)
def test_recordings_of_any_shape_get_through_unchanged_and_sorted(rows: list[Any]) -> None:
    events = []
    for kind, timestamp, data, window in rows:
        shaped = {"source": 0, **data} if isinstance(data, dict) else data
        events.append(PlaybackEvent(window, {"type": kind, "timestamp": timestamp, "data": shaped}))
    before = json.dumps([e.event for e in events])
    found = playback_events(events).events
    assert json.dumps([e.event for e in events]) == before
    assert [e.timestamp for e in found] == sorted(e.timestamp for e in found)
