"""Selectors match as they do in a browser, and are refused by name when they are none."""

from __future__ import annotations

import pytest
from tests.support.pages import mirror, only

from replayport.rrweb.mirror import Selectors

PAGE = """
<main id="app" lang="en-GB"><h1 class="title big">T</h1>
<ul class="list"><li>1</li><li class="on">2</li><li data-x="a b">3</li><li><a href="/x">4</a></li></ul>
<form><fieldset disabled><input name="q" type="Text"><input type="password" required></fieldset>
<input type="checkbox" checked><button type="submit">go</button></form><p></p>
<svg viewBox="0"><path d=""></path></svg></main>
"""

CASES = {
    "li": 4,
    "LI": 4,
    "*|li": 4,
    ".on": 1,
    "#app": 1,
    "#app .list > li:nth-child(odd)": 2,
    "li:nth-child(2)": 1,
    "li:nth-last-child(1)": 1,
    "li:first-child, li:last-child": 2,
    "li:not(.on)": 3,
    "li:has(> a)": 1,
    "ul:has(.on)": 1,
    ":is(h1, p)": 2,
    ":where(.on, .title)": 2,
    "h1 + ul": 1,
    "h1 ~ form": 1,
    "[data-x]": 1,
    "[data-x~=b]": 1,
    "[data-x^=a]": 1,
    "[data-x$=b]": 1,
    "[data-x*=' ']": 1,
    "[type=text i]": 1,
    "input[type=password]": 1,
    "[lang|=en]": 1,
    "p:empty": 1,
    "input:disabled": 2,
    "button:enabled": 1,
    "input:checked": 1,
    "a:link": 1,
    "li:nth-of-type(2n)": 2,
    "path:only-child": 1,
    "li:hover": 0,
    "main :lang(en) > li": 4,
    ".title.big": 1,
    ".nothing": 0,
    "html > body": 1,
    ":root": 1,
}


@pytest.mark.parametrize("selector", CASES)
def test_selectors_match(selector):
    m = mirror(PAGE)
    found = m.select(selector)
    assert len(found) == CASES[selector]
    everything = [n["id"] for n in m.walk()]
    assert found == [i for i in everything if m.matches(i, selector)]


def test_many_selectors_at_once_say_which():
    m = mirror(PAGE)
    many = Selectors(list(CASES))
    for node in m.walk():
        expected = [n for n, s in enumerate(CASES) if m.matches(node["id"], s)]
        assert many.matching(m, node["id"]) == expected


@pytest.mark.parametrize(
    "wrong", ["", "li[", "a >", "::::", ":has(", ":nope", "li:nth-child(x)", "[*|a]"]
)
def test_what_is_no_selector_is_refused(wrong):
    with pytest.raises(ValueError, match="is not a CSS selector"):
        Selectors([wrong])


def test_an_attribute_that_is_null_is_not_there():
    m = mirror("<p></p>")
    m.node(only(m, "p"))["attributes"]["title"] = None
    assert m.select("[title]") == []
