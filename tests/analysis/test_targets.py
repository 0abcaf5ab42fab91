"""The element an action is about."""

from __future__ import annotations

import pytest
from tests.support.pages import mirror, only

from replayport.analysis.targets import can_change, form_of, is_submit, operable, target_of

OPERABLE = {
    "<button><span><i id=x>icon</i></span></button>": "button",
    "<a href=/><div id=x>card</div></a>": "a",
    "<a><div id=x>no address, but meant to be pressed</div></a>": "a",
    "<label id=l>Name <b id=x>*</b><input></label>": "input",
    "<label for=gone><b id=x>*</b></label>": "label",
    "<div role=tab><span id=x>Tab</span></div>": "div",
    "<div role=gridcell aria-label='Ada 36'><span id=x>Ada</span></div>": "div",
    "<div role=gridcell aria-label='18 June'><span id=x>Review</span></div>": "span",
    "<x-b><template><button><slot id=x></slot></button></template>Go</x-b>": "button",
    "<p id=x>text</p>": "p",
    "<details><summary><b id=x>More</b></summary></details>": "summary",
}


@pytest.mark.parametrize("body", OPERABLE)
def test_what_is_meant(body):
    m = mirror(body)
    assert m.tag(operable(m, only(m, "#x"))) == OPERABLE[body]


def test_a_text_is_pressed_as_its_element():
    m = mirror("<p>text</p>")
    assert operable(m, m.children(only(m, "p"))[0]) == only(m, "p")


def test_names_of_what_has_none_are_short():
    m = mirror("<div id=a>Hello <b>you</b></div><div id=b>" + "<p>x</p>" * 50 + "</div>")
    assert target_of(m, only(m, "#a")).name == "Hello you"
    assert target_of(m, only(m, "#a"), by_text=False).name == ""
    assert target_of(m, only(m, "#b")).name == ""


def test_forms_and_their_buttons():
    m = mirror(
        "<form id=f><input id=i><button id=s>S</button><button id=n type=button>N</button></form>"
        "<input id=o form=f><input id=z readonly>"
    )
    form = only(m, "#f")
    assert form_of(m, only(m, "#i")) == form_of(m, only(m, "#o")) == form
    assert form_of(m, only(m, "#z")) is None
    assert is_submit(m, only(m, "#s"))
    assert not is_submit(m, only(m, "#n"))
    assert can_change(m, only(m, "#i"))
    assert not can_change(m, only(m, "#z"))
