"""Mobile events become web events: documents, mutations, the keyboard."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import corpus

from replayport.posthog.mobile.transform import (
    FINDING_NOT_CONVERTED,
    MobileTransformer,
    flatten,
    lift_bars,
    transform,
)
from replayport.rrweb.nodes import Node, element, find, text, text_content, walk

CORPUS = corpus.CORPUS / "posthog-android-fixture"
T = 1_700_000_000_000


def frame(node_id: int, kind: str = "rectangle", **members: Any) -> dict[str, Any]:
    return {"id": node_id, "type": kind, "x": 0, "y": 0, "width": 9, "height": 9, **members}


def full(*wireframes: dict[str, Any]) -> dict[str, Any]:
    data = {"wireframes": list(wireframes), "initialOffset": {"top": 5, "left": 5}}
    return {"type": 2, "timestamp": T, "data": data}


def mutation(**data: Any) -> dict[str, Any]:
    return {"type": 3, "timestamp": T + 1, "data": {"source": 0, **data}}


def screen(*wireframes: dict[str, Any]) -> Node:
    (event,) = transform([full(*wireframes)])
    node: Node = event["data"]["node"]
    return node


def test_a_full_snapshot_is_a_document() -> None:
    (event,) = transform([{**full(frame(5000)), "delay": 3}])
    assert event["data"]["initialOffset"] == {"top": 0, "left": 0}
    assert (event["type"], event["timestamp"], event["delay"]) == (2, T, 3)
    document = event["data"]["node"]
    assert (document["id"], document["type"]) == (1, 0)
    doctype, html = document["childNodes"]
    assert (doctype["id"], doctype["name"]) == (2, "html")
    assert (html["id"], html["tagName"]) == (3, "html")
    head, body = html["childNodes"]
    assert (head["id"], body["id"]) == (4, 5)
    assert {n["tagName"] for n in head["childNodes"]} == {"style"}
    assert [n["id"] for n in body["childNodes"]] == [5000, 9, 7, 11]
    for page in (html, body):
        assert page["attributes"]["style"] == "height: 100vh; width: 100vw;"
    ids = [n["id"] for n in walk(document)]
    assert len(ids) == len(set(ids))
    for node in walk(document):
        if node["type"] == 2:
            assert node["attributes"]["data-rrweb-id"] == node["id"]


def test_bars_are_lifted_out_of_the_screen() -> None:
    document = screen(
        frame(1000, "div", childWireframes=[frame(1001, "status_bar"), frame(1002)]),
        frame(1003, "navigation_bar"),
    )
    body = find(document, 5)
    assert body is not None
    assert [[c["id"] for c in n["childNodes"]] for n in body["childNodes"]] == [
        [1002],
        [],
        [1003],
        [12],
    ]
    assert text_content(body) == "\u25c0\u26aa\u2b1c22:13"


def test_which_bar_counts() -> None:
    inside = frame(
        1, "div", childWireframes=[frame(2, "status_bar"), frame(3, "status_bar"), frame(4)]
    )
    app, status, navigation = lift_bars([inside])
    assert status is not None
    assert status["id"] == 2
    assert navigation is None
    assert [w["id"] for w in app[0]["childWireframes"]] == [4]
    _, status, _ = lift_bars([inside, frame(9, "status_bar"), frame(5)])
    assert status is not None
    assert status["id"] == 9


def test_synthetic_ids_restart_with_each_full_snapshot_and_go_on_in_mutations() -> None:
    first = full(frame(5000, "text", text="a"))
    add = mutation(adds=[{"parentId": 5000, "wireframe": frame(6000, "text", text="b")}])
    events = transform([first, add, first, add])
    assert events[0] == events[2]
    assert events[1] == events[3]
    used = {n["id"] for n in walk(events[0]["data"]["node"])}
    (_, added) = events[1]["data"]["adds"]
    assert added["node"]["id"] not in used
    plain = {"type": 2, "timestamp": T, "data": {"node": {"type": 0, "id": 1}}}
    assert transform([plain]) == [plain]
    assert transform([first, plain, add])[2]["data"]["adds"][1]["node"]["id"] == 100


def test_adds_are_flat_and_parents_come_first() -> None:
    tree = frame(10_000, "div", childWireframes=[frame(10_001, "text", text="x"), frame(10_002)])
    (event,) = transform([mutation(adds=[{"parentId": 5000, "wireframe": tree}])])
    data = event["data"]
    assert {k: v for k, v in data.items() if k != "adds"} == {
        "source": 0,
        "attributes": [],
        "texts": [],
        "removes": [],
    }
    assert [(a["parentId"], a["nextId"], a["node"]["id"]) for a in data["adds"]] == [
        (5000, None, 10_000),
        (10_000, None, 10_001),
        (10_001, None, 100),
        (10_000, None, 10_002),
    ]
    assert all(a["node"].get("childNodes", []) == [] for a in data["adds"])


def test_updates_remove_and_add() -> None:
    removes = [{"parentId": 5000, "id": 77_777}]
    updates = [
        {"parentId": 5000, "wireframe": frame(10_000)},
        {"parentId": 5000, "wireframe": frame(10_001, "screenshot", base64="aGk=")},
    ]
    (event,) = transform([mutation(updates=updates, removes=removes)])
    assert event["data"]["removes"] == [
        {"parentId": 5000, "id": 77_777},
        {"parentId": 5000, "id": 10_000},
        {"parentId": 5, "id": 10_001},
    ]
    assert [(a["parentId"], a["node"]["id"]) for a in event["data"]["adds"]] == [
        (5000, 10_000),
        (5, 10_001),
    ]


def test_repetitions_keep_the_last() -> None:
    label = frame(10_000, "text", text="a")
    adds = [
        {"parentId": 5000, "wireframe": label},
        {"parentId": 5000, "wireframe": frame(10_001)},
        {"parentId": 5000, "wireframe": label},
    ]
    update = [{"parentId": 5000, "wireframe": frame(10_002)}] * 2
    (event,) = transform([mutation(adds=adds, updates=update)])
    assert [a["node"]["id"] for a in event["data"]["adds"]] == [10_001, 10_000, 101, 10_002]
    assert event["data"]["removes"] == [{"parentId": 5000, "id": 10_002}]


def test_equal_texts_of_different_parents_both_stay() -> None:
    adds = [
        {"parentId": 5000, "wireframe": frame(node_id, "text", text="OK")}
        for node_id in (10_000, 10_001)
    ]
    (event,) = transform([mutation(adds=adds)])
    texts = [a for a in event["data"]["adds"] if a["node"]["type"] == 3]
    assert [t["parentId"] for t in texts] == [10_000, 10_001]


def test_the_keyboard_opens_and_closes() -> None:
    bar = frame(1000, "navigation_bar", style={"backgroundColor": "#123456"})

    def shown(payload: dict[str, Any]) -> dict[str, Any]:
        event = {"type": 5, "timestamp": T, "data": {"tag": "keyboard", "payload": payload}}
        (_, found) = transform([full(bar), event])
        assert (found["type"], found["data"]["source"]) == (3, 0)
        data: dict[str, Any] = found["data"]
        return data

    box, label = shown({"open": True, "height": 200})["adds"]
    assert (box["parentId"], box["node"]["id"]) == (9, 10)
    assert (label["parentId"], label["node"]["textContent"]) == (10, "keyboard")
    style = box["node"]["attributes"]["style"]
    assert "width: 100vw;height: 200px;bottom: 0;position: fixed;" in style
    assert "background-color: #123456;" in style
    placed = {"open": True, "height": 200, "width": 50, "y": 7, "styles": {"color": "#eee"}}
    style = shown(placed)["adds"][0]["node"]["attributes"]["style"]
    assert "width: 50px;height: 200px;position: fixed;left: 0px;top: 7px;" in style
    assert "color: #eee;" in style
    closed = shown({"open": False})
    assert (closed["adds"], closed["removes"]) == ([], [{"parentId": 9, "id": 10}])


def test_meta_is_rebuilt() -> None:
    meta = {"type": 4, "timestamp": T, "data": {"width": 1, "height": 2, "other": 3}}
    assert transform([meta])[0]["data"] == {"href": "", "width": 1, "height": 2}
    named = {"type": 4, "timestamp": T, "data": {"width": 1, "height": 2, "href": "Home"}}
    assert transform([named]) == [named]


def test_touches_of_nothing_are_touches_of_the_body() -> None:
    touch: dict[str, Any] = {
        "type": 3,
        "timestamp": T,
        "data": {"source": 2, "type": 7, "id": 0, "x": 1, "y": 2},
    }
    assert transform([touch])[0]["data"] == {**touch["data"], "id": 5}
    other = {"type": 3, "timestamp": T, "data": {"source": 2, "type": 7, "id": 8}}
    assert transform([other]) == [other]


@pytest.mark.parametrize(
    "event",
    [
        {"type": 6, "timestamp": T, "data": {"plugin": "rrweb/console@1", "payload": "text"}},
        {"type": 5, "timestamp": T, "data": {"tag": "app-state", "payload": {}}},
        {"type": 3, "timestamp": T, "data": {"source": 0, "adds": [], "removes": []}},
        {"type": 3, "timestamp": T, "data": {"source": 0, "adds": [{"parentId": 1, "node": {}}]}},
        {"type": 0, "timestamp": T, "data": {}},
        {"type": 2, "timestamp": T},
        {"type": 2, "timestamp": T, "data": "compressed"},
    ],
)
def test_other_events_pass(event: dict[str, Any]) -> None:
    transformer = MobileTransformer()
    assert transformer.transform(event) is event
    assert not transformer.findings


@pytest.mark.parametrize(
    "event",
    [
        full(),
        {**full(), "data": {"wireframes": "x"}},
        {**full(), "data": {"wireframes": [1]}},
        mutation(adds=[{"wireframe": frame(1)}]),
        mutation(adds=[{"parentId": 1, "wireframe": 5}]),
        mutation(updates=[{"parentId": 1, "wireframe": {}}]),
        {"type": 5, "timestamp": T, "data": {"tag": "keyboard", "payload": None}},
        {"type": 5, "timestamp": T, "data": {"tag": "keyboard", "payload": {"open": True}}},
    ],
)
def test_what_cannot_be_converted_stays_and_is_counted(event: dict[str, Any]) -> None:
    findings: Counter[str] = Counter()
    before = copy.deepcopy(event)
    (found,) = transform([event], findings=findings)
    assert event == before
    if event["data"].get("wireframes") == []:
        assert not findings
    else:
        assert found == before
        assert findings == {FINDING_NOT_CONVERTED: 1}


def test_flatten_does_not_share_children_lists() -> None:
    tree = element(1, "div", {}, [text(2, "a")])
    flatten(tree, 9)
    assert tree["childNodes"] == [text(2, "a")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["wireframe", "wireframes", "adds", "updates", "parentId", "id", "type", "payload"]
                + ["childWireframes", "style", "tag", "open", "source", "data"]
            ),
            inner,
        )
    ),
    max_leaves=10,
)


@given(st.sampled_from([2, 3, 4, 5]), json_values)
def test_events_of_any_shape_never_raise(kind: int, data: Any) -> None:
    for shaped in (data, {"source": 0, "adds": [{"parentId": 1, "wireframe": data}]}):
        event = {"type": kind, "timestamp": T, "data": shaped}
        before = json.dumps(event)
        transform([event])
        assert json.dumps(event) == before


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_the_android_sdks_own_fixture() -> None:
    request = json.loads((CORPUS / "session-replay-request.json").read_bytes())
    findings: Counter[str] = Counter()
    (event,) = transform(request["body"][0]["properties"]["$snapshot_data"], findings=findings)
    assert event["data"]["node"]["type"] == 0
    # Its one wireframe has a type, "view", that PostHog's own schema does not have.
    assert findings == {"mobile_unknown_wireframe_type": 1}
