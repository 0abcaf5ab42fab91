"""One action for what was one to the user, and none that was not theirs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.pages import add, element, page
from tests.support.visits import (
    BLUR,
    CLICK,
    DOUBLE,
    DOWN,
    MENU,
    START_MS,
    TOUCH,
    TOUCH_END,
    UP,
    Visit,
)

from replayport.analysis.actions import ActionKind
from replayport.analysis.reading import IDLE_AFTER_MS, ActionReader, read_actions
from replayport.demo import RECORDINGS_FOLDER
from replayport.posthog.lines import EventDecoder
from replayport.rrweb.events import Event
from replayport.testing.recordings import FakeRecording, load_requests

FORM = """<form><label for=e>Email</label><input id=e><input id=p type=password>
<label><input id=c type=checkbox> Terms</label>
<label><input id=r1 type=radio name=r value=a> By post</label>
<label><input id=r2 type=radio name=r value=b> By bike</label>
<label>Size <select id=s><option value=s>Small</option><option value=l>Large</option></select></label>
<label>Loud <input id=v type=range value=1></label>
<textarea id=t aria-label=Note></textarea><button id=b>Pay</button></form>
<p id=x>Some text to read</p><div id=d><b>bold</b> words</div><a id=a href=/x><i>Go on</i></a>
<ul id=l><li>one</li><li>two</li></ul>"""


# --- pressing ---------------------------------------------------------------------


def test_a_click_is_one_action_on_what_is_operated():
    v = Visit(FORM)
    v.click("#a i", x=10, y=20)
    (action,) = v.actions()
    assert action.kind is ActionKind.CLICK
    assert (action.role, action.name, action.node_id) == ("link", "Go on", v.id("#a"))
    assert (action.x, action.y) == (10, 20)
    assert action.text == 'clicked the link "Go on"'
    assert action.locator == 'role=link[name="Go on"]'
    assert action.path == "#a"
    assert action.end_ms - action.timestamp_ms == 10
    assert action.offset_ms == action.timestamp_ms - START_MS - 100
    assert action.url == "https://shop.example/"


def test_the_place_on_the_page_counts_what_is_scrolled():
    v = Visit(FORM).scroll(400)
    v.click("#b", x=10, y=20)
    action = v.actions()[-1]
    assert (action.page_x, action.page_y) == (10, 420)


def test_the_element_is_called_what_it_was_called_when_pressed():
    v = Visit("<button id=b>Add</button>")
    b = v.id("#b")
    label = v.mirror.children(b)[0]
    v.mouse(DOWN, b).mutation(5, texts=[{"id": label, "value": "Adding…"}])
    v.mouse(UP, b).mouse(CLICK, b)
    assert v.told() == ['clicked the button "Add"']


def test_what_cannot_be_operated_is_named_by_its_text():
    v = Visit(FORM).click("#d b").click("#x")
    assert v.told() == ['clicked the text "bold"', 'clicked the text "Some text to read"']


@pytest.mark.parametrize("label", ["label[for=e]", "#e"])
def test_a_click_on_a_label_is_one_on_its_field(label):
    v = Visit(FORM)
    v.click(label)
    if label != "#e":
        v.mouse(CLICK, "#e")  # the browser's own
    assert v.told() == ['clicked the field "Email"']


def test_a_double_click_holds_its_clicks():
    v = Visit(FORM).click("#x").click("#x").mouse(DOUBLE, "#x")
    v.wait(2000).click("#x")
    assert v.told() == [
        'double-clicked the text "Some text to read"',
        'clicked the text "Some text to read"',
    ]


def test_a_right_click_is_no_click():
    v = Visit(FORM).mouse(DOWN, "#a").mouse(MENU, "#a").mouse(UP, "#a")
    assert v.told() == ['right-clicked the link "Go on"']


def test_a_tap_is_one_whichever_way_it_is_recorded():
    for last in (CLICK, None):
        v = Visit(FORM).mouse(TOUCH, "#b").mouse(TOUCH_END, "#b").mouse(DOWN, "#b").mouse(UP, "#b")
        if last is not None:
            v.mouse(last, "#b", pointerType=2)
        assert v.told() == ['tapped the button "Pay"']


def test_a_touch_that_moves_is_a_swipe_or_scrolls():
    swiped = Visit(FORM).mouse(TOUCH, "#x", y=300).mouse(TOUCH_END, "#x", y=100)
    assert swiped.told() == ['swiped up on the text "Some text to read"']
    scrolled = Visit(FORM).mouse(TOUCH, "#x", y=300).scroll(90).mouse(TOUCH_END, "#x", y=100)
    assert scrolled.told() == ["scrolled down to 90 px"]
    late = Visit(FORM).mouse(TOUCH, "#x", y=300).mouse(TOUCH_END, "#x", y=100).scroll(90)
    assert late.told() == ["scrolled down to 90 px"]


def test_a_press_that_ends_elsewhere_is_a_drag():
    one, two = Visit(FORM), Visit(FORM)
    first, second = one.id("li:nth-child(1)"), one.id("li:nth-child(2)")
    one.mouse(DOWN, first, y=10).mouse(UP, second, y=90).mouse(CLICK, "#l", y=90)
    assert one.told() == ['dragged the list entry "one" to the list entry "two"']
    two.mouse(DOWN, first, y=10)
    two.incremental(12, positions=[{"x": 9, "y": 90, "id": second, "timeOffset": 0}])
    assert two.told() == one.told()


def test_selecting_text_is_no_drag_and_no_click():
    v = Visit(FORM)
    x = v.mirror.children(v.id("#x"))[0]
    v.mouse(DOWN, "#x", x=1)
    for end in (3, 9):
        v.incremental(14, ranges=[{"start": x, "startOffset": 0, "end": x, "endOffset": end}])
    v.mouse(UP, "#x", x=90).mouse(CLICK, "#x", x=90)
    assert v.told() == ['selected the text "Some text"']


def test_text_over_several_elements():
    v = Visit("<p id=a>One <b>two</b></p><p id=c>three four</p>")
    first = v.mirror.children(v.id("#a"))[0]
    last = v.mirror.children(v.id("#c"))[0]
    v.mouse(DOWN, "#a", x=1)
    v.incremental(14, ranges=[{"start": first, "startOffset": 2, "end": last, "endOffset": 5}])
    v.mouse(UP, "#c", x=90)
    assert v.actions()[0].value == "e twothree"


def test_a_script_that_selects_says_nothing():
    v = Visit(FORM).click("#b")
    x = v.mirror.children(v.id("#x"))[0]
    v.incremental(14, ranges=[{"start": x, "startOffset": 0, "end": x, "endOffset": 4}])
    assert v.told() == ['clicked the button "Pay"']


def test_keys_press_what_has_the_focus():
    v = Visit(FORM).focus("#a").mouse(CLICK, "#a", x=0, y=0)
    assert v.told() == ['clicked the link "Go on" with a key']


def test_enter_in_a_field_submits_its_form():
    v = Visit(FORM).click("#e").focus("#e").type("#e", "a@b").mouse(CLICK, "#b", x=0, y=0)
    assert v.told() == [
        'clicked the field "Email"',
        'typed "a@b" into the field "Email"',
        'submitted a form with a key, by the button "Pay"',
    ]


def test_a_script_that_clicks_says_nothing():
    v = Visit(FORM).focus("#e").mouse(CLICK, "#a", x=0, y=0)
    assert v.told() == []


def test_recorders_without_presses_tell_clicks_all_the_same():
    v = Visit(FORM).mouse(CLICK, "#b", x=5, y=5).wait(500).mouse(CLICK, "#a", x=9, y=9)
    assert v.told() == ['clicked the button "Pay"', 'clicked the link "Go on"']


# --- fields -----------------------------------------------------------------------


def test_typing_is_one_action_with_the_text_at_its_end():
    v = Visit(FORM).focus("#e").type("#e", "adaa").input("#e", "ada")
    (action,) = v.actions()
    assert (action.kind, action.value, action.masked) == (ActionKind.TYPE, "ada", False)
    assert action.text == 'typed "ada" into the field "Email"'
    assert action.end_ms - action.timestamp_ms == 80


def test_typing_in_two_fields_is_two_actions():
    v = Visit(FORM).focus("#e").type("#e", "ab").focus("#t").type("#t", "cd")
    v.focus("#e").type("#e", "abx")
    assert [a.value for a in v.actions()] == ["ab", "cd", "abx"]


def test_masked_text_has_no_value():
    v = Visit(FORM).focus("#p").type("#p", "****")
    (action,) = v.actions()
    assert (action.value, action.masked) == (None, True)
    assert action.text == "typed something masked into the password field"


def test_emptying_a_field_is_the_users_or_the_pages():
    mine = Visit(FORM).focus("#e").type("#e", "abc").wait(500).input("#e", "")
    assert mine.told() == ['emptied the field "Email"']
    pages = Visit(FORM).focus("#e").type("#e", "abc").mutation().input("#e", "")
    assert pages.told() == ['typed "abc" into the field "Email"']


def test_what_scripts_put_into_fields_is_not_typed():
    v = Visit(FORM).focus("#t").input("#e", "filled")
    v.input("#e", "told so", userTriggered=False)
    v.focus("#e").mouse(BLUR, "#e").input("#e", "late")
    assert v.told() == []


def test_a_field_that_is_read_only_is_not_typed_into():
    v = Visit("<input id=e aria-label=Size readonly>").focus("#e").input("#e", "Large")
    assert v.told() == []


@pytest.mark.parametrize("through_label", [True, False])
def test_a_checkbox_is_ticked_once(through_label):
    v = Visit(FORM)
    v.click("label:has(#c)" if through_label else "#c")
    if through_label:
        v.mouse(CLICK, "#c")
    v.input("#c", "on", checked=True)
    v.click("#c").input("#c", "on", checked=False)
    assert v.told() == ['ticked the checkbox "Terms"', 'unticked the checkbox "Terms"']


def test_a_radio_button_is_chosen_and_the_others_say_nothing():
    v = Visit(FORM).click("label:has(#r2)").mouse(CLICK, "#r2")
    v.input("#r2", "b", checked=True).input("#r1", "a", checked=False)
    assert v.told() == ['chose the radio button "By bike"']


def test_boxes_that_scripts_tick_say_nothing():
    v = Visit(FORM).focus("#e").input("#c", "on", checked=True)
    assert v.told() == []


def test_keys_choose_what_has_the_focus():
    v = Visit(FORM).focus("#r2").input("#r2", "b", checked=True)
    assert v.told() == ['chose the radio button "By bike"']


def test_a_list_is_opened_and_chosen_from_at_once():
    v = Visit(FORM).click("#s").focus("#s").wait(1500).input("#s", "l")
    (action,) = v.actions()
    assert (action.kind, action.value) == (ActionKind.CHOOSE, "Large")
    assert action.text == 'chose "Large" in the list "Size"'


def test_a_list_that_is_only_opened_is_clicked():
    assert Visit(FORM).click("#s").told() == ['clicked the list "Size"']


def test_a_slider_is_set_once_however_far_it_is_moved():
    v = Visit(FORM).mouse(DOWN, "#v", x=1).input("#v", "2").mouse(BLUR, "#e").focus("#v")
    v.input("#v", "5").mouse(UP, "#v", x=90).mouse(CLICK, "#v", x=90)
    assert v.told() == ['set the slider "Loud" to "5"']


def test_a_field_that_gets_the_focus_before_it_has_an_id():
    v = Visit("<p id=x>Cell</p>")
    v.click("#x").mouse(5, -1)
    v.mutation(2, adds=[add(v.id("#x"), element(90, "input", aria_label="Cell"))])
    v.input(90, "Person 40").wait(300).type(90, "Grace")
    assert v.told()[-1] == 'typed "Grace" into the field "Cell"'
    assert len(v.told()) == 2


# --- page and time ----------------------------------------------------------------


def test_scrolling_is_one_action_until_it_rests():
    v = Visit(FORM).scroll(100).scroll(300).scroll(250).wait(2000).scroll(0)
    v.scroll(40, "#l").scroll(40, "#l")
    assert v.told() == [
        "scrolled down to 250 px",
        "scrolled up to the top",
        "scrolled the list down to 40 px",
    ]
    assert v.actions()[0].page_y == 250


def test_addresses_are_told_once_and_reloads_as_such():
    v = Visit(FORM)
    v.custom("$pageview", href="https://shop.example/")
    v.custom("$url_changed", href="https://shop.example/cart")
    v.raw(4, {"href": "https://shop.example/cart", "width": 1280, "height": 800})
    v.raw(0, {}).raw(4, {"href": "https://shop.example/cart", "width": 1280, "height": 800})
    log = v.log()
    assert [a.text for a in log.actions] == [
        "opened https://shop.example/",
        "went to https://shop.example/cart",
        "reloaded https://shop.example/cart",
    ]


def test_posthogs_options_tell_a_reload():
    v = Visit(FORM).custom("$session_options")
    v.wait(300_000).raw(4, {"href": "https://shop.example/", "width": 1280, "height": 800})
    assert "reloaded" not in " ".join(v.told())
    v.custom("$session_options")
    assert v.told()[-1] == "reloaded https://shop.example/"


def test_being_away_and_back():
    v = Visit(FORM).click("#b").wait(IDLE_AFTER_MS + 25_000).scroll(10).custom("window hidden")
    v.custom("window visible")
    assert v.told() == [
        'clicked the button "Pay"',
        "was idle for 1 min 25 s",
        "came back after 1 min 25 s",
        "scrolled down to 10 px",
        "left the tab",
        "came back to the tab",
    ]
    idle = v.actions()[1]
    assert idle.end_ms - idle.timestamp_ms >= IDLE_AFTER_MS


def test_a_recording_that_ends_in_silence_says_so():
    v = Visit(FORM).click("#b").wait(400_000).custom("sessionIdle")
    assert v.told()[-1].startswith("was idle for 6 min")


def test_windows_are_told_apart():
    one, two = Visit(FORM), Visit("<button>Other</button>", window="w2", url="https://b.example/")
    one.click("#b")
    two.wait(50).click("button")
    log = one.log(two)
    texts = [(a.window_id, a.text) for a in log.actions]
    assert ("w2", "opened another tab") in texts
    assert ("w2", 'clicked the button "Other"') in texts
    assert ("w1", 'clicked the button "Pay"') in texts
    assert [a.timestamp_ms for a in log.actions] == sorted(a.timestamp_ms for a in log.actions)


def test_resizing_is_one_action():
    v = Visit(FORM)
    for width in (1000, 900, 900):
        v.incremental(4, width=width, height=600)
    assert v.told() == ["resized the window to 900 x 600"]


def test_console_errors_are_told():
    v = Visit(FORM)
    payload = {"level": "error", "payload": ['"it broke"', "Error: x"], "trace": []}
    v.raw(6, {"plugin": "rrweb/console@1", "payload": payload})
    v.raw(6, {"plugin": "rrweb/console@1", "payload": {"level": "warn", "payload": ['"error"']}})
    assert v.told() == ['the page logged the error "it broke Error: x"']


def test_frames_are_part_of_the_page():
    v = Visit("<iframe id=f></iframe>")
    inside = page("<button>In</button>", first_id=100)
    v.incremental(0, isAttachIframe=True, adds=[add(v.id("#f"), inside)])
    v.click(105)
    (action,) = v.actions()
    assert action.name == "In"
    assert action.path == "#f >>> html > body > button"


# --- input that is wrong ----------------------------------------------------------


def test_without_a_full_snapshot_actions_have_no_element_and_say_so():
    v = Visit(None)
    v.click(5).input(6, "abc")
    log = v.log()
    assert [(a.kind, a.node_id) for a in log.actions][1:] == [("click", None), ("type", None)]
    assert log.actions[1].text == "clicked something that is not in the recording"
    assert log.findings["no_full_snapshot"] == 1
    assert log.findings["action_without_element"] >= 2


def test_a_click_on_a_node_that_is_not_there():
    v = Visit(FORM).click(999)
    log = v.log()
    assert log.actions[-1].node_id is None
    assert log.findings["action_without_element"]


def test_undecodable_data_is_counted():
    row = Event(START_MS, 0, "w", 3, 2, "click", "{broken", None)
    log = read_actions([row])
    assert log.findings["undecodable_event"] == 1


def test_nothing_of_nothing():
    assert read_actions([]).actions == ()


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-2, 20), st.floats(), st.text(max_size=3))
DATA = st.one_of(
    VALUES,
    st.dictionaries(
        st.sampled_from(
            [
                "source",
                "type",
                "id",
                "x",
                "y",
                "text",
                "isChecked",
                "positions",
                "ranges",
                "href",
                "payload",
                "width",
                "height",
                "pointerType",
                "tag",
                "node",
            ]
        ),
        st.one_of(
            VALUES,
            st.integers(0, 10),
            st.lists(
                st.dictionaries(
                    st.sampled_from(
                        ["id", "start", "end", "startOffset", "endOffset", "href", "level"]
                    ),
                    VALUES,
                ),
                max_size=2,
            ),
        ),
    ),
)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 7),
            st.one_of(st.none(), st.integers(0, 17)),
            DATA,
            st.integers(-100, 100_000),
            st.sampled_from(["console", "custom:$pageview", "custom:window hidden", "x"]),
        ),
        max_size=12,
    )
)
def test_no_event_raises(events):
    visit = Visit(FORM)
    rows, at = visit.rows(), START_MS
    for n, (type_, source, data, after_ms, kind) in enumerate(events):
        at += after_ms
        rows.append(Event(at, n, "w1", type_, source, kind, json.dumps(data), None))
    log = read_actions(rows)
    assert all(a.text and a.end_ms >= a.timestamp_ms for a in log.actions)


def test_reading_can_be_followed():
    reader = ActionReader()
    for row in Visit(FORM).click("#b").rows():
        reader.feed(row)
    assert reader.mirror("w1").select("button")
    assert reader.finish().actions[-1].name == "Pay"


# --- the shop, recorded by posthog-js ---------------------------------------------


def shop(name):
    (recording,) = FakeRecording.from_wire(load_requests(RECORDINGS_FOLDER / f"{name}.jsonl.zst"))
    decoder = EventDecoder()
    for block in recording.blocks:
        decoder.feed_lines(block)
    rows = sorted(decoder.columns.events(), key=lambda e: (e.timestamp_ms, e.seq))
    return read_actions(rows)


def gestures(log):
    quiet = {"navigate", "scroll", "console_error", "open_window", "idle", "came_back"}
    return [(a.kind.value, a.role, a.name) for a in log.actions if a.kind not in quiet]


def typed(*names):
    return [(kind, "textbox", name) for name in names for kind in ("click", "type")]


SHOP = {
    "checkout": [
        ("click", "link", "Fjord jumper New Fjord jumper €148.00 Midnight, Oat, Moss"),
        ("choose", "radio", "Moss"),
        ("click", "button", "Add to bag"),
        ("choose", "radio", "M"),
        ("click", "button", "Add to bag"),
        ("click", "link", "Bag"),
        ("click", "button", "One more"),
        ("click", "button", "One fewer"),
        ("click", "link", "Go to checkout"),
        *typed("Name", "E-mail"),
        # The country was set by the driver, without a press or a focus: nobody's action.
        *typed("Street and number", "Postcode", "Town"),
        ("choose", "radio", "by cargo bike tomorrow, if you live near the mill"),
        *typed("Card number", "Until", "Code", "A note for the mill"),
        ("check", "checkbox", "make an account for next time"),
        ("click", None, "Password"),
        ("type", None, "Password"),
        ("click", "button", "Pay €148.00"),
        ("click", "button", "5 of 5"),
    ],
    "chat": [
        ("click", "button", "It has a hole. Now what?"),
        ("click", "button", "Which size for a 104 cm chest?"),
        ("click", "button", "Helpful"),
        *typed("Your question"),
        ("submit", "button", "Send"),
        *typed("Your question"),
        ("click", "button", "Send"),
        ("click", "button", "Not really"),
        ("click", None, ""),  # a pin on the map, a circle in a frame
    ],
    "two-tabs": [
        ("click", "link", "Which one am I?"),
        ("choose", "radio", "inches"),
        ("choose", "slider", "Around the chest 37.8 in"),
        ("choose", "radio", "cm"),
        ("choose", "radio", "L"),
        ("click", "button", "Add to bag"),
        ("click", "link", "Bag"),
    ],
    "frustrated": [
        ("choose", "radio", "M"),
        *[("click", "button", "Add to bag")] * 12,
        ("click", "link", "Yarrow & Loop"),
    ],
    "mobile": [
        ("choose", "radio", "Small things"),
        ("tap", "link", "Tarn socks Tarn socks €24.00 Tarn, Soot"),
        ("choose", "radio", "Soot"),
        ("choose", "radio", "40-43"),
        ("tap", "button", "Add to bag"),
        ("tap", "link", "Bag"),
        ("tap", "button", "One more"),
    ],
    "idle": [
        ("check", "checkbox", "when there are lambs"),
        ("choose", "radio", "someone else's"),
    ],
    "dark-canvas": [
        ("click", "button", "Make it a present"),
        ("choose", "radio", "a box with a lid, €4"),
        *typed("A few words"),
        ("click", "button", "Keep this"),
        ("click", "button", "4 of 5"),
        *typed("Your words"),
        ("check", "checkbox", "without my name"),
        ("click", "button", "Send"),
        ("click", "link", "Yarrow & Loop"),
        ("check", "checkbox", "close together"),
        ("uncheck", "checkbox", "close together"),
        ("click", "button", "Light or dark"),
    ],
}
"""What the journeys in ``replayport.demo.journeys`` do, step by step."""


@pytest.mark.parametrize("name", SHOP)
def test_every_step_in_the_shop_is_found_and_none_invented(name):
    log = shop(name)
    assert gestures(log) == SHOP[name]
    assert not log.findings
