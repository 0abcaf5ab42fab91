"""A locator fits its element and no other, by the most lasting thing there is."""

from __future__ import annotations

import pytest
from tests.support.pages import change, mirror, only

from replayport.analysis.locators import locator

CASES = {
    "<button id=x data-testid=pay>Pay</button>": "testid=pay",
    "<button id=x data-cy=pay>Pay</button>": 'css=[data-cy="pay"]',
    "<button id=x data-testid=a>Pay</button><i data-testid=a></i>": 'role=button[name="Pay"]',
    "<button id=x>Pay</button><button>Other</button>": 'role=button[name="Pay"]',
    "<button id=x>Pay</button><button>Pay</button>": "css=#x",
    "<button id=x>Pay</button><a href=/>Pay</a>": 'role=button[name="Pay"]',
    '<button id=x>Say "hi"</button>': 'role=button[name="Say \\"hi\\""]',
    "<label for=x>Secret</label><input id=x type=password>": 'label="Secret"',
    "<input id=x type=date placeholder=When>": 'placeholder="When"',
    "<div id=x></div>": "css=#x",
    "<p><b class=x>One</b></p><p><b>Two</b></p>": 'text="One"',
    "<p><b class=x>One</b></p><p><b>One</b></p>": "css=html > body > p:nth-of-type(1) > b",
    "<div><i id=x12 class=x></i></div><i></i>": "css=#x12",
}


@pytest.mark.parametrize("body", CASES)
def test_locators(body):
    m = mirror(body)
    found = m.select("#x, .x, #x12")[0]
    assert locator(m, found) == CASES[body]


def test_made_up_ids_are_no_locators():
    m = mirror("<main><div id=radix-7></div></main>")
    assert locator(m, only(m, "div")) == "css=#radix-7"  # only as a path
    m = mirror("<main><div id=:r1:></div><div id=:r2:></div></main>")
    assert locator(m, m.select("div")[1]) == "css=#\\:r2\\:"


def test_it_is_of_this_instant():
    m = mirror("<button>Pay</button><button>Go</button>")
    pay, go = m.select("button")
    assert locator(m, pay) == 'role=button[name="Pay"]'
    change(m, texts=[{"id": m.children(go)[0], "value": "Pay"}])
    assert locator(m, pay) == "css=html > body > button:nth-of-type(1)"


def test_a_text_is_found_by_its_element():
    m = mirror("<button>Pay</button>")
    assert locator(m, m.children(only(m, "button"))[0]) == 'role=button[name="Pay"]'
    assert locator(m, 9999) == ""


def test_every_locator_of_a_page_is_its_own():
    m = mirror(
        "<ul>" + "<li><a href=/>Same</a><button>B</button></li>" * 3 + "</ul>"
        "<label>Name <input></label><label>Name <input></label><h1>Title</h1>"
    )
    elements = [n["id"] for n in m.walk() if n["type"] == 2]
    assert len({locator(m, i) for i in elements}) == len(elements)
