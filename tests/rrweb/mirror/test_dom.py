"""What the mirror keeps beside the tree, and answers."""

from __future__ import annotations

import pytest
from tests.support.pages import add, change, element, mirror, only, page

from replayport.rrweb.mirror import Mirror, mirror_of


def html_of(m):
    return m.to_html(only(m, "body"))


def test_fields_hold_what_was_typed():
    m = mirror(
        '<input id="n" value="old"><input id="c" type="checkbox"><textarea id="t">abc</textarea>'
        "<select><option value=1>One</option><option>Two</option></select>"
    )
    n, c, t, s = (only(m, q) for q in ("#n", "#c", "#t", "select"))
    assert [m.value(i) for i in (n, t, s)] == ["old", "abc", "1"]
    assert m.checked(c) is False
    assert m.checked(n) is None
    m.apply(3, 5, {"source": 5, "id": n, "text": "new", "isChecked": False})
    m.apply(3, 5, {"source": 5, "id": c, "text": "on", "isChecked": True})
    m.apply(3, 5, {"source": 5, "id": t, "text": "def", "isChecked": False})
    m.apply(3, 5, {"source": 5, "id": s, "text": "Two", "isChecked": False})
    assert [m.value(i) for i in (n, t, s)] == ["new", "def", "Two"]
    assert m.checked(c) is True
    assert html_of(m) == (
        '<body><input id="n" value="new"><input id="c" type="checkbox" checked="">'
        '<textarea id="t">def</textarea><select><option value="1">One</option>'
        '<option selected="">Two</option></select></body>'
    )


def test_adopted_sheets_are_kept_as_text():
    m = mirror("<p>x</p>")
    rules = [{"rule": "a { top: 0 }", "index": 0}, {"rule": "b { top: 0 }", "index": 1}]
    m.apply(
        3,
        15,
        {"source": 15, "id": m.root, "styleIds": [1], "styles": [{"styleId": 1, "rules": rules}]},
    )
    m.apply(3, 8, {"source": 8, "styleId": 1, "removes": [{"index": 0}]})
    assert m.adopted_texts(m.root) == ["b { top: 0 }"]


def test_scroll_and_media_are_beside_the_tree():
    m = mirror("<video></video>")
    video = only(m, "video")
    m.apply(3, 3, {"source": 3, "id": m.root, "x": 0, "y": 420})
    m.apply(3, 7, {"source": 7, "id": video, "type": 0, "currentTime": 2})
    m.apply(3, 4, {"source": 4, "width": 390, "height": 844})
    assert m.scroll(m.root) == (0, 420)
    assert m.media(video)["currentTime"] == 2
    assert (m.width, m.height) == (390, 844)


def test_a_new_snapshot_starts_anew():
    m = mirror("<p>one</p>")
    m.apply(2, None, {"node": page("<b>two</b>", first_id=50)})
    assert m.root == 50
    assert m.text() == "two"
    assert m.select("p") == []


def test_paths_lead_to_one_node():
    m = mirror('<main id="app"><ul><li>a</li><li><a>b</a></li></ul></main><p></p><p></p>')
    for node in m.walk():
        if node["type"] == 2:
            path = m.path(node["id"])
            assert m.select(path) == [node["id"]], path
    assert m.path(only(m, "a")) == "#app > ul > li:nth-of-type(2) > a"


@pytest.mark.parametrize("attributes", [None, 7, "x", ["class"]])
def test_attributes_of_any_kind_are_read(attributes):
    root = {"type": 0, "id": 1, "childNodes": [{**element(2, "input"), "attributes": attributes}]}
    m = mirror_of([(2, None, {"node": root})])
    m.role(2), m.name(2), m.value(2), m.path(2), m.text(), m.select("[class]"), m.to_html()
    change(m, attributes=[{"id": 2, "attributes": {"class": "a"}}])
    assert m.attributes(2) == {"class": "a"}


def test_changes_before_the_first_snapshot_are_counted():
    m = Mirror()
    change(m, adds=[add(1, element(2, "p"))])
    assert m.findings == {"before_full_snapshot": 1}
    assert m.to_html() == ""
    assert m.text() == ""
