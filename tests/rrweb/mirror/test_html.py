"""The mirror written as HTML."""

from __future__ import annotations

import pytest
from tests.support.pages import add, mirror, only, page

from replayport.rrweb.mirror.html import attribute_text, serialise


def test_the_whole_page():
    m = mirror("<p title='a\"b'>x &lt; y</p>")
    assert m.to_html() == (
        '<!DOCTYPE html><html><head></head><body><p title="a&quot;b">x &lt; y</p></body></html>'
    )


def test_shadow_roots_become_templates():
    m = mirror("<x-a><template><b>in</b></template>out</x-a>")
    assert serialise(m, only(m, "x-a")) == (
        '<x-a><template shadowrootmode="open"><b>in</b></template>out</x-a>'
    )


def test_frames_become_srcdoc():
    m = mirror("<iframe></iframe>")
    frame = only(m, "iframe")
    m.apply(3, 0, {"adds": [add(frame, page('<p class="a">in</p>', first_id=90))]})
    assert "&lt;body&gt;&lt;p class=&quot;a&quot;&gt;in&lt;/p&gt;&lt;/body&gt;" in m.to_html()


def test_the_recorders_notes_are_left_out():
    m = mirror('<div rr_width="10px" rr_scrolltop="3"></div>')
    div = only(m, "div")
    m.node(div)["attributes"] = {"rr_width": "10px", "_cssText": "x", 'bad"name': "x", "a": 1.5}
    assert serialise(m, div) == '<div a="1.5" style="width: 10px;"></div>'


def test_inlined_links_become_styles():
    m = mirror("<link>")
    link = only(m, "link")
    m.node(link)["attributes"] = {"_cssText": "a { top: 0 }</style><script>"}
    assert serialise(m, link) == "<style>a { top: 0 }<\\/style><script></style>"


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (True, ""), (False, None), (None, None), (3, "3"), (1.5, "1.5"), ({}, None)],
)
def test_attribute_values(value, text):
    assert attribute_text(value) == text


def test_an_unknown_node_is_nothing():
    assert serialise(mirror(""), 999) == ""
