"""Where a recording names stylesheets, images and fonts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.assets import find as find_module
from replayport.assets.find import (
    Use,
    base_of,
    css_bytes_references,
    css_references,
    find,
    parse_srcset,
    resolve,
)
from replayport.rrweb.events import Event

SITE = "https://shop.example"
STYLE, IMAGE, FONT = Use.STYLESHEET, Use.IMAGE, Use.FONT


def event(type_: int, data: Any, window_id: str = "w1") -> Event:
    source = data.get("source") if type_ == 3 and isinstance(data, dict) else None
    return Event(0, 0, window_id, type_, source, "", json.dumps(data), None)


def meta(href: Any = f"{SITE}/cart/", window_id: str = "w1") -> Event:
    return event(4, {"href": href, "width": 1, "height": 1}, window_id)


def node(tag: str, attributes: dict[str, Any], node_id: int = 10, **extra: Any) -> dict[str, Any]:
    return {
        "type": 2,
        "id": node_id,
        "tagName": tag,
        "attributes": attributes,
        "childNodes": [],
        **extra,
    }


def snapshot(*nodes: dict[str, Any], window_id: str = "w1") -> Event:
    document = {"type": 0, "id": 1, "childNodes": list(nodes)}
    return event(2, {"node": document}, window_id)


def mutation(**lists: Any) -> Event:
    empty: dict[str, Any] = {"texts": [], "attributes": [], "removes": [], "adds": []}
    return event(3, {"source": 0, **empty, **lists})


def found(*events: Event) -> dict[str, Use]:
    return find(events).found


@pytest.mark.parametrize(
    ("tag", "attributes", "extra", "wanted"),
    [
        ("link", {"rel": "stylesheet", "href": "/a.css"}, {}, {"/a.css": STYLE}),
        ("LINK", {"REL": "Preload StyleSheet", "HREF": "/a.css"}, {}, {"/a.css": STYLE}),
        ("link", {"rel": "stylesheet", "_cssText": "a{}"}, {}, {}),
        ("link", {"rel": "alternate stylesheet", "href": "/a.css"}, {}, {}),
        ("link", {"rel": "icon", "href": "/a.ico"}, {}, {}),
        ("link", {"_cssText": "@import '/b.css';a{background:url(/i.png)}"}, {},
         {"/b.css": STYLE, "/i.png": IMAGE}),
        ("img", {"src": "i.png"}, {}, {"/cart/i.png": IMAGE}),
        ("img", {"srcset": "/1.png 1x, /2.png 2x", "src": "/0.png"}, {},
         {"/0.png": IMAGE, "/1.png": IMAGE, "/2.png": IMAGE}),
        ("source", {"srcset": "/1.png 640w", "src": "/film.mp4"}, {}, {"/1.png": IMAGE}),
        ("input", {"type": "image", "src": "/i.png"}, {}, {"/i.png": IMAGE}),
        ("video", {"poster": "/p.png", "src": "/film.mp4"}, {}, {"/p.png": IMAGE}),
        ("td", {"background": "/b.png"}, {}, {"/b.png": IMAGE}),
        ("image", {"href": "/i.png"}, {"isSVG": True}, {"/i.png": IMAGE}),
        ("use", {"xlink:href": "/s.svg#cart"}, {"isSVG": True}, {"/s.svg": IMAGE}),
        ("use", {"href": "#cart"}, {"isSVG": True}, {}),
        ("rect", {"fill": "url(/p.svg#x)"}, {"isSVG": True}, {"/p.svg": IMAGE}),
        ("a", {"href": "/page"}, {}, {}),
        ("a", {"href": "/page"}, {"isSVG": True}, {}),
        ("script", {"src": "/x.js"}, {}, {}),
        ("iframe", {"src": "/x"}, {}, {}),
        ("div", {"style": "background:url('/i.png')"}, {}, {"/i.png": IMAGE}),
        ("img", {"src": "data:image/png;base64,AA"}, {}, {}),
        ("img", {"src": "blob:https://shop.example/1"}, {}, {}),
        ("img", {"src": "ftp://shop.example/1"}, {}, {}),
        ("img", {"src": ""}, {}, {}),
        ("img", {"src": 5, "srcset": None, "style": True}, {}, {}),
        ("img", {"src": "http://[::bad"}, {}, {}),
        ("img", {"src": "\ud800"}, {}, {}),
    ],
)  # fmt: skip
def test_elements(tag, attributes, extra, wanted):
    events = (meta(), snapshot(node(tag, attributes, **extra)))
    assert found(*events) == {SITE + path: use for path, use in wanted.items()}


def test_texts_of_style_elements_and_their_changes():
    text = {"type": 3, "id": 11, "textContent": "a{background:url(/1.png)}"}
    other = {"type": 3, "id": 12, "textContent": "see url(/no.png)"}
    page = snapshot(node("style", {}, childNodes=[text]), node("p", {}, 20, childNodes=[other]))
    late = {"type": 3, "id": 13, "textContent": "a{background:url(/2.png)}"}
    changes = mutation(
        texts=[
            {"id": 11, "value": "a{background:url(/3.png)}"},
            {"id": 12, "value": "url(/no.png)"},
        ],
        adds=[{"parentId": 10, "nextId": None, "node": late}],
    )
    assert found(meta(), page, changes) == {f"{SITE}/{n}.png": IMAGE for n in (1, 2, 3)}


def test_changed_attributes():
    page = snapshot(
        node("link", {"rel": "preload", "href": "/late.css"}),
        node("img", {}, 11),
        node("div", {}, 12),
    )
    change = mutation(
        attributes=[
            {"id": 10, "attributes": {"rel": "stylesheet"}},
            {"id": 11, "attributes": {"src": "/i.png"}},
            {"id": 12, "attributes": {"style": {"background": "url(/s.png)", "color": False}}},
            {"id": 12, "attributes": {"style": {"mask": ["url(/m.png)", "important"]}}},
            {"id": 99, "attributes": {"src": "/unknown.png"}},
        ]
    )
    assert found(meta(), page, change) == {
        f"{SITE}/late.css": STYLE,
        f"{SITE}/i.png": IMAGE,
        f"{SITE}/s.png": IMAGE,
        f"{SITE}/m.png": IMAGE,
    }


@pytest.mark.parametrize(
    "data",
    [
        {"source": 8, "adds": [{"rule": "a{background:url(/i.png)}", "index": 0}]},
        {"source": 8, "replaceSync": "a{background:url(/i.png)}"},
        {"source": 13, "set": {"property": "background", "value": "url(/i.png)"}},
        {"source": 15, "styles": [{"styleId": 1, "rules": [{"rule": "a{mask:url(/i.png)}"}]}]},
    ],
)
def test_rules(data):
    assert found(meta(), event(3, data)) == {f"{SITE}/i.png": IMAGE}


def test_font_faces():
    source = {"source": 10, "family": "F", "fontSource": "url(/f.woff2)", "buffer": False}
    assert found(meta(), event(3, source)) == {f"{SITE}/f.woff2": FONT}
    assert found(meta(), event(3, {**source, "buffer": True})) == {}


def test_each_window_has_its_base():
    image = node("img", {"src": "i.png"})
    base = node("base", {"href": "/static/"}, 5)
    foreign = node("base", {"href": "https://ads.example/"}, 4, rootId=77)
    assert list(
        found(
            meta("https://a.example/x/y", "a"),
            meta("https://b.example/x/y", "b"),
            snapshot(image, window_id="a"),
            snapshot(foreign, base, image, window_id="b"),
        )
    ) == ["https://a.example/x/i.png", "https://b.example/static/i.png"]


def test_a_page_without_an_address_gives_absolute_ones_only():
    page = snapshot(node("img", {"src": "i.png"}), node("img", {"src": f"{SITE}/a.png"}, 11))
    assert found(page) == {f"{SITE}/a.png": IMAGE}
    assert found(meta("about:blank"), page) == {f"{SITE}/a.png": IMAGE}


def test_there_is_an_end(monkeypatch):
    monkeypatch.setattr(find_module, "MAX_REFERENCES", 3)
    finder = find([meta(), snapshot(*(node("img", {"src": f"/{n}"}, n) for n in range(10, 15)))])
    assert len(finder.found) == 3
    assert finder.left_out == 2


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"node": 1},
        {"node": {"type": 2, "id": "x", "childNodes": 5}},
        {"source": 0, "adds": {"a": 1}, "texts": [None], "attributes": [{"id": 1}]},
        {"source": 15, "styles": [{"rules": "x"}]},
        {"source": 13, "set": 5},
    ],
)
def test_what_makes_no_sense_names_nothing(data):
    assert found(meta(5), *(event(t, data) for t in (2, 3, 4))) == {}


@pytest.mark.parametrize(
    ("css", "wanted"),
    [
        ("@import 'a.css'; @import url(b.css) screen;", [("a.css", STYLE), ("b.css", STYLE)]),
        ("a{} @import 'late.css';", []),
        ("@import 'a.css' supports(background: url(x.png));", [("a.css", STYLE)]),
        ("@namespace url(http://www.w3.org/1999/xhtml);", []),
        ("/* url(x.png) */ a{content:'url(y.png)'}", []),
        ("a{background:u\\72l(x.png)}", [("x.png", IMAGE)]),
        ("a{background:url( 'x y.png' )}", [("x y.png", IMAGE)]),
        ("a{background:url(\\61.png)}", [("a.png", IMAGE)]),
        ("a{background:image-set('x.png' 1x type('image/png'))}", [("x.png", IMAGE)]),
        ("@media x{@supports(a:b){a{mask:url(x.png)}}}", [("x.png", IMAGE)]),
        ("@font-face{src:url(f.eot?#iefix)format('embedded-opentype'),url(f.woff2)}",
         [("f.woff2", FONT)]),
        ("@font-face{src:url(f.svg)format(svg),url(g.ttf)format('truetype')}", [("g.ttf", FONT)]),
        ("@font-face{src:url(f.eot);src:url(f.woff2),url(f.woff),url(f.ttf)}", [("f.woff2", FONT)]),
        ("background:url(x.png", [("x.png", IMAGE)]),
    ],
)  # fmt: skip
def test_css(css, wanted):
    assert list(css_references(css)) == wanted


@given(st.text(alphabet=st.sampled_from("@import url(src'\"\\);{}/* \n#a.")))
def test_no_css_is_too_broken(css):
    for address, use in css_references(css):
        assert isinstance(address, str)
        assert use in Use


@given(st.text(min_size=1).filter(lambda t: "\x00" not in t))
def test_every_quoted_address_is_found(address):
    escaped = "".join(f"\\{ord(c):06x}" for c in address if not 0xD800 <= ord(c) < 0xE000)
    wanted = "".join(c for c in address if not 0xD800 <= ord(c) < 0xE000)
    assert list(css_references(f'a{{background:url("{escaped}")}}')) == [(wanted, IMAGE)]


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        ("a{background:url(é.png)}".encode(), ""),
        ("a{background:url(é.png)}".encode("latin-1"), "iso-8859-1"),
        (b'@charset "iso-8859-1";a{background:url(\xe9.png)}', ""),
        ("a{background:url(é.png)}".encode("utf-8-sig"), "iso-8859-1"),
    ],
)
def test_charsets(data, charset):
    assert list(css_bytes_references(data, charset)) == [("é.png", IMAGE)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a.png", [("a.png", "")]),
        (" a.png 1x ,\nb.png 2x,", [("a.png", "1x"), ("b.png", "2x")]),
        ("a,b.png 2x", [("a,b.png", "2x")]),
        ("a.png,, b.png", [("a.png", ""), ("b.png", "")]),
        ("data:,x 1x, b.png (x,y)", [("data:,x", "1x"), ("b.png", "(x,y)")]),
        (", ,", []),
    ],
)
def test_srcset(text, wanted):
    assert parse_srcset(text) == wanted


@pytest.mark.parametrize(
    ("address", "base", "wanted"),
    [
        ("../a b?q#f", "https://x.example/c/d/", "https://x.example/c/a%20b?q"),
        ("//Y.example:443/é", "https://x.example/", "https://y.example/%C3%A9"),
        (" /a ", "https://x.example/", "https://x.example/a"),
        ("a.png", "", None),
        ("#f", "https://x.example/", None),
        ("javascript:1", "https://x.example/", None),
        ("x" * 20_000, "https://x.example/", None),
    ],
)
def test_resolve(address, base, wanted):
    assert resolve(address, base) == wanted


def test_a_base_that_is_none_is_the_page():
    document = {"type": 0, "id": 1, "childNodes": [node("base", {"href": "data:,x"})]}
    assert base_of(document, f"{SITE}/x") == f"{SITE}/x"
