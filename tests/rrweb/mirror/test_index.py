"""The index says what a walk over the whole page would say, whatever changed."""

from __future__ import annotations

import gc
import random
import weakref

from tests.support.pages import add, change, element, mirror, only, page, text

from replayport.rrweb.mirror import accessible
from replayport.rrweb.mirror.index import INDEXED_ATTRIBUTES


def assert_as_by_walking(m):
    by_role, by_attribute = {}, {}
    for node in m.walk():
        i = node["id"]
        assert m.name(i) == accessible.name(m, i)[0]
        if (role := m.role(i)) is not None:
            by_role.setdefault(role, []).append(i)
        for name in INDEXED_ATTRIBUTES:
            if (value := m.attribute(i, name)) is not None:
                by_attribute.setdefault((name, value), []).append(i)
    for role in ("button", "link", "textbox", "heading", "checkbox"):
        assert sorted(m.index.by_role(role)) == sorted(by_role.get(role, []))
    for (name, value), ids in by_attribute.items():
        assert sorted(m.index.by_attribute(name, value)) == sorted(ids)


def test_it_follows_every_change():
    m = mirror("<div><button id=a>A</button><p id=p></p></div><input id=i><label for=i>L</label>")
    assert_as_by_walking(m)
    button, p = only(m, "button"), only(m, "p")
    label_text = m.children(only(m, "label"))[0]
    change(m, adds=[add(p, element(90, "button", id="b")), add(90, text(91, "B"))])
    assert_as_by_walking(m)
    assert m.name(90) == "B"
    change(m, texts=[{"id": 91, "value": "C"}, {"id": label_text, "value": "Mail"}])
    assert m.name(90) == "C"
    assert m.name(only(m, "input")) == "Mail"
    change(m, attributes=[{"id": button, "attributes": {"id": "z", "role": "link"}}])
    assert_as_by_walking(m)
    assert m.index.by_attribute("id", "a") == []
    assert button in m.index.by_role("link")
    change(m, removes=[{"parentId": 90, "id": 91}])
    assert m.name(90) == ""
    change(m, removes=[{"parentId": m.parent(p), "id": p}])
    assert_as_by_walking(m)
    assert m.index.by_attribute("id", "b") == []


def test_it_follows_frames():
    m = mirror("<iframe></iframe>")
    assert m.index.by_role("button") == []
    m.apply(3, 0, {"adds": [add(only(m, "iframe"), page("<button>In</button>", first_id=90))]})
    assert_as_by_walking(m)
    assert len(m.index.by_role("button")) == 1


def test_it_follows_random_changes():
    rng = random.Random(7)
    m = mirror("<main></main>")
    main = only(m, "main")
    mine = [main]
    for n in range(100, 500):
        what = rng.random()
        if what < 0.5 or len(mine) < 5:
            node = element(n, rng.choice(["div", "button", "a", "label"]), id=rng.choice("abc"))
            change(m, adds=[add(rng.choice(mine), node)])
            mine.append(n)
        elif what < 0.7:
            change(m, adds=[add(rng.choice(mine), text(n, rng.choice(["x", "y"])))])
        elif what < 0.85:
            value = {"id": rng.choice("abc"), "for": rng.choice("abc"), "href": "/"}
            change(m, attributes=[{"id": rng.choice(mine), "attributes": value}])
        else:
            gone = rng.choice(mine[1:])
            change(m, removes=[{"parentId": m.parent(gone), "id": gone}])
            mine = [i for i in mine if i in m]
        if n % 20 == 0:
            assert_as_by_walking(m)
    assert_as_by_walking(m)


def test_a_page_that_is_done_with_goes_at_once():
    """Pages are large: thousands of them wait for no collector of cycles."""
    m = mirror("<button>Pay</button>")
    assert m.index.by_role("button")
    gone = weakref.ref(m)
    gc.disable()
    try:
        del m
        assert gone() is None
    finally:
        gc.enable()
