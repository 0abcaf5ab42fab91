"""Node trees are walked in document order however deep they are."""

from __future__ import annotations

from replayport.rrweb import nodes
from replayport.rrweb.nodes import NodeType, element, find, text, text_content, walk
from replayport.rrweb.nodes import walk_with_parent as with_parent

TREE = element(
    1, "div", {}, [element(2, "p", {}, [text(3, "a"), text(4, "b")]), element(5, "i", {})]
)


def test_walk_is_document_order() -> None:
    assert [n["id"] for n in walk(TREE)] == [1, 2, 3, 4, 5]
    assert [(n["id"], p and p["id"]) for n, p in with_parent(TREE)] == [
        (1, None),
        (2, 1),
        (3, 2),
        (4, 2),
        (5, 1),
    ]


def test_find_and_text() -> None:
    assert find(TREE, 4) == text(4, "b")
    assert find(TREE, 9) is None
    assert text_content(TREE) == "ab"


def test_a_tree_deeper_than_the_stack() -> None:
    root = node = element(1, "div", {})
    for node_id in range(2, 20_000):
        child = element(node_id, "div", {})
        node["childNodes"].append(child)
        node = child
    assert sum(1 for _ in walk(root)) == 19_999
    assert find(root, 19_999) is node


def test_damaged_trees_do_not_stop_the_walk() -> None:
    tree = {"type": 2, "childNodes": [None, "x", {"type": 3, "textContent": None}, text(7, "ok")]}
    assert text_content(tree) == "ok"
    assert [n.get("id") for n in walk({"childNodes": "no", "id": 1})] == [1]


def test_special_attributes_are_the_documented_constants() -> None:
    constants = {
        v
        for k, v in vars(nodes).items()
        if k.isupper() and isinstance(v, str) and (v.startswith("rr_") or v == "_cssText")
    }
    assert constants == nodes.SPECIAL_ATTRIBUTES
    assert [int(t) for t in NodeType] == [0, 1, 2, 3, 4, 5]
