"""Mutations change the tree as rrweb's replayer would; damage is counted, never raised."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.pages import add, change, element, mirror, only, page, text

from replayport.rrweb.mirror import mirror_of
from replayport.rrweb.mirror.dom import FINDING_MEANINGS
from replayport.rrweb.mirror.tree import CHAINED_EDITS, LINEAR_CHILDREN, Tree


def body_of(m):
    return only(m, "body")


def html_of(m):
    return m.to_html(body_of(m))


def test_a_snapshot_comes_back_as_html():
    m = mirror('<p class="a">One &amp; two</p><br><input value="x"><!-- c -->')
    assert html_of(m) == '<body><p class="a">One &amp; two</p><br><input value="x"></body>'
    assert (m.url, m.width, m.height) == ("https://shop.example/", 1280, 800)
    assert not m.findings


def test_adds_find_their_place_whatever_their_order():
    m = mirror("<ul><li>z</li></ul>")
    ul, last = only(m, "ul"), only(m, "li")
    change(
        m,
        adds=[
            add(91, text(92, "a")),  # its parent comes later
            add(ul, element(91, "li"), before=93),  # its sibling comes later
            add(93, text(94, "b")),
            add(ul, element(93, "li"), before=last),
        ],
    )
    assert html_of(m) == "<body><ul><li>a</li><li>b</li><li>z</li></ul></body>"
    assert not m.findings


def test_removes_forget_all_below():
    m = mirror("<div><p>one</p></div>")
    div = only(m, "div")
    inside = [n["id"] for n in m.walk(div)]
    change(m, removes=[{"parentId": body_of(m), "id": div}])
    assert html_of(m) == "<body></body>"
    assert not any(i in m for i in inside)


def test_a_node_moves_within_one_mutation():
    m = mirror("<i></i><b></b>")
    i, b = only(m, "i"), only(m, "b")
    body = body_of(m)
    change(m, removes=[{"parentId": body, "id": b}], adds=[add(body, element(b, "b"), before=i)])
    assert html_of(m) == "<body><b></b><i></i></body>"
    assert not m.findings


def test_attributes_change_and_go():
    m = mirror('<p class="a" title="t" style="color: red; margin: 1px">x</p>')
    p = only(m, "p")
    changes = {
        "class": "b",
        "title": None,
        "style": {"color": False, "width": "2px", "margin-top": False, "top": ["1px", "important"]},
    }
    change(m, attributes=[{"id": p, "attributes": changes}])
    assert m.attributes(p) == {
        "class": "b",
        "style": "width: 2px; margin-right: 1px; margin-bottom: 1px; margin-left: 1px; "
        "top: 1px !important;",
    }


def test_frames_come_as_documents_below_their_element():
    m = mirror('<iframe name="f"></iframe>')
    frame = only(m, "iframe")
    document = page("<p>inside</p>", first_id=100)
    m.apply(3, 0, {"source": 0, "isAttachIframe": True, "adds": [add(frame, document)]})
    assert m.children(frame) == [100]
    assert m.text(100) == "inside"
    assert m.path(only(m, "p")) == "html > body > iframe >>> html > body > p"
    m.apply(3, 0, {"source": 0, "adds": [add(frame, page("<b></b>", first_id=200))]})
    assert 100 not in m
    assert m.select("p") == []
    assert not m.findings


def test_a_frames_document_may_come_before_the_frame():
    m = mirror("<div></div>")
    m.apply(3, 0, {"source": 0, "adds": [add(90, page("<p>early</p>", first_id=100))]})
    change(m, adds=[add(only(m, "div"), element(90, "iframe"))])
    assert m.text(100) == "early"


def test_shadow_roots_are_beside_the_light_tree():
    m = mirror("<my-card><template><slot></slot><b>in</b></template><i>out</i></my-card>")
    card = only(m, "my-card")
    assert [m.tag(i) for i in m.shadow_children(card)] == ["slot", "b"]
    assert [m.tag(i) for i in m.children(card)] == ["i"]
    change(m, adds=[add(card, {**element(90, "u"), "isShadow": True})])
    assert [m.tag(i) for i in m.shadow_children(card)] == ["slot", "b", "u"]
    assert m.path(90) == "html > body > my-card >>> u"
    assert m.select("my-card b") == []  # as in a browser


def test_old_recorders_place_nodes_by_the_one_before():
    m = mirror("<i></i><b></b>")
    body, i = body_of(m), only(m, "i")
    first = {"parentId": body, "previousId": i, "nextId": -1, "node": element(91, "u")}
    second = {"parentId": body, "previousId": 91, "nextId": None, "node": element(92, "s")}
    change(m, adds=[first, second])
    assert [m.tag(k) for k in m.children(body)] == ["i", "b", "u", "s"]


def test_textareas_and_styles_take_the_text_that_comes():
    m = mirror("<textarea>old</textarea><style></style>")
    area, style = only(m, "textarea"), only(m, "style")
    change(m, adds=[add(area, text(90, "new")), add(style, text(91, "p { color: red }"))])
    assert m.value(area) == "new"
    m.apply(3, 8, {"source": 8, "id": style, "adds": [{"rule": "b { top: 0 }", "index": 0}]})
    assert m.sheet_text(style) == "b { top: 0 }\np { color: red }"
    change(m, texts=[{"id": 91, "value": "i { left: 0 }"}])
    assert m.sheet_text(style) == "i { left: 0 }"  # a new text takes inserted rules along


@pytest.mark.parametrize("size", [10, LINEAR_CHILDREN + 1, 3000])
def test_large_parents_keep_their_order(size):
    m = mirror("<ul></ul>")
    ul = only(m, "ul")
    change(m, adds=[add(ul, element(100 + i, "li")) for i in range(size)])
    expected = [100 + i for i in range(size)]
    for n, step in enumerate((7, 3, 11, 5) * 20):
        at = (n * 37 * step) % len(expected)
        new = 100_000 + n
        change(m, adds=[add(ul, element(new, "li"), before=expected[at])])
        expected.insert(at, new)
        gone = expected.pop((at * 3) % len(expected))
        change(m, removes=[{"parentId": ul, "id": gone}])
    assert m.children(ul) == expected
    assert not m.findings


@pytest.mark.parametrize("seed", range(6))
def test_many_edits_of_one_parent_in_one_event_keep_its_order(seed):
    """Removes, inserts before and behind, moves within, and the parent leaving with them all."""
    rng = random.Random(seed)
    m = mirror("<ul></ul><ol></ol>")
    ul, ol = only(m, "ul"), only(m, "ol")
    change(m, adds=[add(ul, element(1000 + i, "li")) for i in range(300)])
    expected = [1000 + i for i in range(300)]
    removes, adds = [], []
    for gone in rng.sample(expected, 2 * CHAINED_EDITS):
        removes.append({"parentId": ul, "id": gone})
        expected.remove(gone)
    for n in range(3 * CHAINED_EDITS):
        at = rng.randrange(len(expected) + 1)
        entry = add(ul, element(5000 + n, "li"), before=(expected + [None])[at])
        if n % 3 == 0 and at:
            entry = {**entry, "nextId": None, "previousId": expected[at - 1]}
        adds.append(entry)
        expected.insert(at, 5000 + n)
    moved = expected.pop(7)
    adds.append(add(ul, element(moved, "li"), before=expected[90]))
    expected.insert(90, moved)
    adds.append(add(ol, element(9000, "li")))
    change(m, removes=removes, adds=adds)
    assert m.children(ul) == expected
    assert m.children(ol) == [9000]
    assert m.findings == {"duplicate_node": 1}  # the move
    inside = [add(ul, element(20_000 + n, "li"), before=expected[3]) for n in range(200)]
    again = add(body_of(m), element(ul, "nav"))  # the same id, another element: all below goes
    change(m, adds=[*inside, again])
    assert m.children(ul) == []
    assert not any(i in m for i in (*expected, 20_000, 20_199))


def test_the_cost_of_an_insert_does_not_grow_with_the_children(monkeypatch):
    """A hundred thousand random inserts into as many children took 20 s when each moved a list."""
    searched = []
    position = Tree._position
    monkeypatch.setattr(
        Tree, "_position", lambda *a: (searched.append(1), position(*a))[1], raising=True
    )
    rng = random.Random(3)
    m = mirror("<ul></ul>")
    ul = only(m, "ul")
    change(m, adds=[add(ul, element(1000 + i, "li")) for i in range(2000)])
    change(
        m,
        adds=[
            add(ul, element(9000 + i, "li"), before=1000 + rng.randrange(2000)) for i in range(4000)
        ],
    )
    assert len(m.children(ul)) == 6000
    assert len(searched) <= LINEAR_CHILDREN + 2 * CHAINED_EDITS


# --- damage: counted, never raised ------------------------------------------------

DAMAGED = {
    "mutation of nothing": (3, 0, None, "damaged_event"),
    "mutation is a list": (3, 0, [], "damaged_event"),
    "adds is a number": (3, 0, {"adds": 7}, "damaged_event"),
    "an add is text": (3, 0, {"adds": ["x"]}, "damaged_event"),
    "an add without node": (3, 0, {"adds": [{"parentId": 1, "nextId": None}]}, "damaged_event"),
    "parent unknown": (3, 0, {"adds": [add(999, element(90, "p"))]}, "add_without_parent"),
    "sibling unknown": (3, 0, {"adds": [add(4, element(90, "p"), 998)]}, "add_without_sibling"),
    "parent and child wait for each other": (
        3,
        0,
        {"adds": [add(91, element(90, "p")), add(90, element(91, "p"))]},
        "add_without_parent",
    ),
    "parent is text": (3, 0, {"adds": [add(7, element(90, "p"))]}, "damaged_node"),
    "id is text": (3, 0, {"adds": [add(4, element("x", "p"))]}, "damaged_node"),
    "id is a list": (3, 0, {"adds": [add(4, element([1], "p"))]}, "damaged_node"),
    "parent is a fraction": (3, 0, {"adds": [add(4.5, element(90, "p"))]}, "add_without_parent"),
    "into itself": (3, 0, {"adds": [add(6, element(5, "body"))]}, "add_into_itself"),
    "the document's frame is gone": (
        3,
        0,
        {"adds": [add(5, {**element(90, "p"), "rootId": 777})]},
        "add_without_document",
    ),
    "remove unknown": (3, 0, {"removes": [{"parentId": 4, "id": 99}]}, "remove_of_unknown"),
    "remove from elsewhere": (
        3,
        0,
        {"removes": [{"parentId": 1, "id": 6}]},
        "remove_from_other_parent",
    ),
    "remove the document": (3, 0, {"removes": [{"parentId": 0, "id": 1}]}, "damaged_event"),
    "text unknown": (3, 0, {"texts": [{"id": 99, "value": "x"}]}, "text_of_unknown"),
    "text of an element": (3, 0, {"texts": [{"id": 5, "value": "x"}]}, "damaged_event"),
    "attributes unknown": (
        3,
        0,
        {"attributes": [{"id": 99, "attributes": {}}]},
        "attributes_of_unknown",
    ),
    "attributes is text": (3, 0, {"attributes": [{"id": 5, "attributes": "x"}]}, "damaged_event"),
    "input unknown": (3, 5, {"id": 99, "text": "x"}, "input_of_unknown"),
    "input without id": (3, 5, {"text": "x"}, "damaged_event"),
    "scroll unknown": (3, 3, {"id": 99, "x": 0, "y": 0}, "scroll_of_unknown"),
    "rule unknown": (3, 8, {"styleId": 5, "adds": []}, "rule_of_unknown"),
    "media unknown": (3, 7, {"id": 99, "type": 0}, "media_of_unknown"),
    "snapshot is null": (2, None, None, "snapshot_without_tree"),
    "snapshot's node is text": (2, None, {"node": "gone"}, "snapshot_without_tree"),
    "meta is a number": (4, None, 3, "damaged_event"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_counted(name):
    type_, source, data, finding = DAMAGED[name]
    m = mirror("<p>text</p>")
    before = html_of(m)
    m.apply(type_, source, copy.deepcopy(data))
    assert m.findings[finding] >= 1
    assert finding in FINDING_MEANINGS
    if "removes" not in str(data):
        assert html_of(m) == before


DAMAGED_TREES = {
    "a child is text": ({"childNodes": ["x"]}, "damaged_node"),
    "children are a number": ({"childNodes": 7}, "damaged_node"),
    "a child has no id": ({"childNodes": [{"type": 3, "textContent": "x"}]}, "damaged_node"),
    "a child's id is text": ({"childNodes": [text("7", "x")]}, "damaged_node"),
    "a child's id is a list": ({"childNodes": [text([7], "x")]}, "damaged_node"),
    "an id twice": ({"childNodes": [text(7, "x"), text(7, "y")]}, "duplicate_node"),
    "the root's id again": ({"childNodes": [text(1, "x")]}, "duplicate_node"),
}


@pytest.mark.parametrize("name", DAMAGED_TREES)
def test_damaged_trees_are_mended(name):
    part, finding = DAMAGED_TREES[name]
    root = {"type": 0, "id": 1, "childNodes": [{**element(2, "p"), **copy.deepcopy(part)}]}
    m = mirror_of([(2, None, {"node": root})])
    assert m.findings[finding] == 1
    assert m.tag(2) == "p"
    assert {n["id"] for n in m.walk()} == set(m.ids())


def test_nesting_deeper_than_python_recurses():
    m = mirror("<p></p>")
    parent = only(m, "p")
    for i in range(5000):
        change(m, adds=[add(parent, element(1000 + i, "div"))])
        parent = 1000 + i
    change(m, adds=[add(parent, text(99_999, "deep"))])
    assert m.text() == "deep"
    assert m.to_html().count("<div>") == 5000
    assert m.name(only(m, "p")) == ""
    assert m.path(parent).startswith("… > ")
    change(m, removes=[{"parentId": body_of(m), "id": only(m, "p")}])
    assert m.text() == ""


# --- any changes at all -----------------------------------------------------------

IDS = st.integers(1, 14)
ODD = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=3), st.just([1]), st.just({})
)
SOME_ID = st.one_of(IDS, IDS, IDS, st.just(-1), ODD)
TAGS = st.sampled_from(["div", "iframe", "style", "textarea", "html", "input", "select", "x-a"])
TEXTS = st.one_of(st.text(max_size=4), ODD)
NODES = st.deferred(
    lambda: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just(2), "id": SOME_ID, "tagName": TAGS},
            optional={
                "attributes": st.one_of(
                    st.dictionaries(
                        st.sampled_from(["id", "class", "_cssText", "style", "for", "value"]), TEXTS
                    ),
                    ODD,
                ),
                "childNodes": st.one_of(st.lists(NODES, max_size=2), ODD),
                "isShadow": st.booleans(),
                "rootId": SOME_ID,
            },
        ),
        st.fixed_dictionaries({"type": st.just(3), "id": SOME_ID, "textContent": TEXTS}),
        st.fixed_dictionaries(
            {"type": st.just(0), "id": SOME_ID, "childNodes": st.lists(NODES, max_size=2)}
        ),
        ODD,
    )
)
MUTATIONS = st.fixed_dictionaries(
    {},
    optional={
        "adds": st.lists(
            st.one_of(
                st.fixed_dictionaries(
                    {"parentId": SOME_ID, "nextId": st.one_of(st.none(), SOME_ID), "node": NODES},
                    optional={"previousId": SOME_ID},
                ),
                ODD,
            ),
            max_size=4,
        ),
        "removes": st.lists(
            st.one_of(st.fixed_dictionaries({"parentId": SOME_ID, "id": SOME_ID}), ODD), max_size=3
        ),
        "texts": st.lists(st.fixed_dictionaries({"id": SOME_ID, "value": TEXTS}), max_size=2),
        "attributes": st.lists(
            st.fixed_dictionaries(
                {
                    "id": SOME_ID,
                    "attributes": st.one_of(
                        st.dictionaries(
                            st.sampled_from(["id", "style", "open", "_cssText"]),
                            st.one_of(TEXTS, st.just({"top": "1px", "left": False})),
                        ),
                        ODD,
                    ),
                }
            ),
            max_size=2,
        ),
    },
)
EVENTS = st.one_of(
    st.tuples(st.just(3), st.just(0), st.one_of(MUTATIONS, MUTATIONS, ODD)),
    st.tuples(st.just(2), st.none(), st.fixed_dictionaries({"node": NODES})),
    st.tuples(
        st.just(3),
        st.sampled_from([3, 5, 7, 8, 13, 15]),
        st.dictionaries(
            st.sampled_from(["id", "text", "isChecked", "x", "y", "adds", "styleIds", "styles"]),
            st.one_of(SOME_ID, st.lists(SOME_ID, max_size=2)),
        ),
    ),
)


def assert_consistent(m):
    """Every node of the tree is known by its id and parent, and no other is."""
    walked = {}
    for node in m.walk():
        assert node["id"] not in walked
        walked[node["id"]] = node
        for kid in node.get("childNodes") or ():
            assert m.parent(kid["id"]) == node["id"]
    known = {i: m.node(i) for i in m.ids()}
    waiting = {i for i in known if i not in walked}
    assert all(known[i] is walked[i] for i in walked)
    assert all(m.parent(i) is None or m.parent(i) in waiting for i in waiting)  # unplaced


@given(st.lists(EVENTS, max_size=8))
def test_no_event_raises_and_the_index_stays_true(events):
    m = mirror("<div><p>a</p></div>")
    for type_, source, data in copy.deepcopy(events):
        m.apply(type_, source, data)
        assert_consistent(m)
    assert set(m.findings) <= set(FINDING_MEANINGS)
    for node_id in list(m.ids()):
        m.role(node_id), m.name(node_id), m.path(node_id), m.value(node_id), m.text(node_id)
        m.sheet_text(node_id), m.adopted_texts(node_id), m.to_html(node_id)
    m.select(":is(div, p):nth-child(1)")


@given(st.lists(EVENTS, max_size=6))
def test_its_tree_as_a_snapshot_gives_it_again(events):
    m = mirror("<div><p>a</p></div>")
    for type_, source, data in copy.deepcopy(events):
        m.apply(type_, source, data)
    again = mirror_of([(2, None, {"node": copy.deepcopy(m.node(m.root))})])
    assert not again.findings
    assert [n["id"] for n in again.walk()] == [n["id"] for n in m.walk()]
    live = {i for i in m.ids() if i in m._live}
    if not live:
        assert again.to_html() == m.to_html()
