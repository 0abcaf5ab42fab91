"""Roles, names and texts as a screen reader has them."""

from __future__ import annotations

import pytest
from tests.support.pages import mirror, only

from replayport.rrweb.mirror import accessible

ROLES = {
    '<a id=x href="/">a</a>': "link",
    "<a id=x>a</a>": None,
    "<button id=x></button>": "button",
    "<summary id=x></summary>": "button",
    "<input id=x>": "textbox",
    "<input id=x type=EMAIL>": "textbox",
    "<input id=x type=search>": "searchbox",
    "<input id=x list=l>": "combobox",
    "<input id=x type=number>": "spinbutton",
    "<input id=x type=range>": "slider",
    "<input id=x type=checkbox>": "checkbox",
    "<input id=x type=checkbox role=switch>": "switch",
    "<input id=x type=radio>": "radio",
    "<input id=x type=submit>": "button",
    "<input id=x type=password>": None,
    "<input id=x type=hidden>": None,
    "<textarea id=x></textarea>": "textbox",
    "<select id=x></select>": "combobox",
    "<select id=x multiple></select>": "listbox",
    "<option id=x></option>": "option",
    "<h3 id=x></h3>": "heading",
    "<img id=x alt=cat>": "img",
    '<img id=x alt="">': None,
    "<header id=x></header>": "banner",
    "<main><header id=x></header></main>": None,
    "<section id=x></section>": None,
    "<section id=x aria-label=News></section>": "region",
    "<th id=x></th>": "columnheader",
    "<th id=x scope=row></th>": "rowheader",
    "<div id=x></div>": None,
    "<div id=x role='bogus tab'></div>": "tab",
    "<div id=x role=presentation></div>": None,
    "<svg id=x><title>Cart</title></svg>": "img",
    "<svg id=x></svg>": None,
}

NAMES = {
    "<button id=x> Add <b>to</b>\n cart </button>": "Add to cart",
    "<button id=x aria-label=Close>×</button>": "Close",
    "<button id=x aria-labelledby='b a'></button><i id=a>one</i><i id=b>two</i>": "two one",
    "<button id=x aria-labelledby='gone'>Text</button>": "Text",
    "<button id=x><img alt=Search></button>": "Search",
    "<button id=x><svg><title>Menu</title></svg></button>": "Menu",
    "<button id=x title=Tip></button>": "Tip",
    "<button id=x><span aria-hidden=true>★</span> Rate</button>": "Rate",
    "<button id=x><span hidden>no</span><span style='display: none'>no</span>yes</button>": "yes",
    "<a id=x href=/><div>One</div><div>Two</div></a>": "One Two",
    "<input id=x type=submit value=Pay>": "Pay",
    "<input id=x type=submit>": "Submit",
    "<input id=x type=image alt=Go>": "Go",
    "<label for=x>Email</label><input id=x>": "Email",
    "<label>Email <input id=x value=secret></label>": "Email",
    "<label title=Moss><input id=x type=radio></label>": "Moss",
    "<label>Accept <a href=/>terms</a><input id=x type=checkbox></label>": "Accept terms",
    "<label for=other>No</label><input id=x placeholder=Name>": "Name",
    "<input id=x placeholder=Name title=Title>": "Title",
    "<label for=x>A</label><label for=x>B</label><input id=x>": "A B",
    "<fieldset id=x><legend>Size</legend><input></fieldset>": "Size",
    "<table id=x><caption>Prices</caption></table>": "Prices",
    "<h2 id=x>News <small>today</small></h2>": "News today",
    "<div id=x>text</div>": "",
    "<div id=x role=button>Go</div>": "Go",
    "<img id=x alt='A cat'>": "A cat",
    "<select id=x aria-label=Size><option>S</option></select>": "Size",
    "<option id=x>Large</option>": "Large",
    "<my-button id=x role=button><template><b><slot></slot></b>!</template>Save</my-button>": "Save!",
    "<x-f><template><label for=x>In</label><input id=x></template></x-f><label for=x>Out</label>": "In",
}

TEXTS = {
    "<p id=x>One  <b>two</b></p>": "One two",
    "<div id=x>a<p>b</p>c</div>": "a\nb\nc",
    "<div id=x>a<script>no</script><style>no</style>b</div>": "ab",
    "<ul id=x><li>a</li><li>b</li></ul>": "a\nb",
    "<div id=x><details><summary>More</summary>hidden</details></div>": "More",
    "<div id=x><details open><summary>More</summary>shown</details></div>": "More\nshown",
    "<div id=x><dialog>no</dialog><dialog open>yes</dialog></div>": "yes",
    "<div id=x>Hi <textarea>typed</textarea></div>": "Hi",
    "<x-a id=x><template><i>[</i><slot></slot>]</template>in</x-a>": "[in]",
    "<x-a id=x><template><slot name=t>none</slot>|<slot></slot></template><b slot=t>T</b>rest</x-a>": "T|rest",
    "<x-a id=x><template><slot name=t>none</slot></template></x-a>": "none",
}


@pytest.mark.parametrize("body", ROLES)
def test_roles(body):
    m = mirror(body)
    assert m.role(only(m, "#x")) == ROLES[body]


@pytest.mark.parametrize("body", NAMES)
def test_names(body):
    m = mirror(body)
    assert m.name(only(m, "#x")) == NAMES[body]


@pytest.mark.parametrize("body", TEXTS)
def test_texts(body):
    m = mirror(body)
    assert m.text(only(m, "#x")) == TEXTS[body]


def test_references_in_a_circle_end():
    m = mirror("<button id=x aria-labelledby=y></button><i id=y aria-labelledby=x>text</i>")
    assert m.name(only(m, "#x")) == "text"


def test_the_name_of_a_page_full_of_text_is_cut():
    m = mirror("<a id=x href=/>" + "<p>word </p>" * 5000 + "</a>")
    assert 200 < len(m.name(only(m, "#x"))) <= 300


def test_every_role_an_element_can_have_is_found_by_its_tag():
    """The index looks for a role among these tags only."""
    m = mirror(
        "".join(f"<{tag}></{tag}>" for tag in sorted(accessible.TAGS_WITH_ROLES) if tag != "body")
        + "".join(
            f'<input type="{kind}"><input type="{kind}" list="l">'
            for kind in (
                "text",
                "email",
                "search",
                "tel",
                "url",
                "number",
                "range",
                "checkbox",
                "radio",
                "button",
                "submit",
                "reset",
                "image",
                "hidden",
                "date",
                "x",
            )
        )
        + '<a href="/"></a><area href="/"></area><select multiple></select><select size="3"></select>'
        '<img alt="a"><section aria-label="s"></section><svg aria-label="s"></svg>'
        '<table><tr><th></th><th scope="row"></th></tr></table><div role="tab"></div>'
    )
    roles = {}
    for node in m.walk():
        if (role := m.role(node["id"])) is not None:
            roles.setdefault(role, set()).add(node["id"])
    assert len(roles) > 30
    for role, ids in roles.items():
        assert set(m.index.by_role(role)) == ids, role
