"""The engine on events: every place, what comes late, what is damaged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import START_MS, console, draft, full_snapshot, meta, mutation

from replayport.redact import Profile, Redactor
from replayport.redact.apply import person_values
from replayport.redacting import PROFILES, load_profile
from replayport.rrweb.mirror.tree import Tree

SELECT = 'name = "x"\n[[select]]\nselector = ".private"\naction = "mask"\n'
EMAIL = 'name = "x"\ndetectors = ["email"]'


def page(*body: dict[str, Any], ms: int = 1) -> dict[str, Any]:
    event = full_snapshot(ms)
    event["data"]["node"]["childNodes"][0]["childNodes"][0]["childNodes"] = list(body)
    return event


def element(node_id: int, tag: str, attributes: dict[str, Any] | None = None, *below: Any) -> Any:
    kids = [
        {"type": 3, "textContent": k, "id": node_id * 100 + n} if isinstance(k, str) else k
        for n, k in enumerate(below)
    ]
    return {
        "type": 2,
        "tagName": tag,
        "attributes": attributes or {},
        "childNodes": kids,
        "id": node_id,
    }


def typed(ms: int, node_id: int, text: str) -> dict[str, Any]:
    data = {"source": 5, "id": node_id, "text": text, "isChecked": False}
    return {"type": 3, "data": data, "timestamp": START_MS + ms}


def changed(ms: int, node_id: int, **attributes: Any) -> dict[str, Any]:
    names = {k.replace("_", "-").rstrip("-"): v for k, v in attributes.items()}
    event = mutation(ms)
    event["data"]["attributes"] = [{"id": node_id, "attributes": names}]
    return event


def run(profile: str | Profile, *events: dict[str, Any], **kwargs: Any) -> tuple[str, Redactor]:
    rules = Profile.parse(profile) if isinstance(profile, str) else profile
    redactor = Redactor(rules, **kwargs)
    out = redactor.redact(draft(events).columns)
    assert len(out) == len(events)
    return out.data.decode(), redactor


# --- selectors ----------------------------------------------------------------------


def test_an_element_and_all_in_it() -> None:
    text, redactor = run(
        SELECT,
        page(
            element(
                10, "div", {"class": "a private", "title": "of Jane"}, element(11, "p", {}, "Jane")
            )
        ),
    )
    assert "Jane" not in text
    assert redactor.finds.counts["selector", "text"] == 1


def test_nodes_that_come_later() -> None:
    add = {"parentId": 10, "nextId": None, "node": {"type": 3, "textContent": "Jane", "id": 50}}
    text, _ = run(SELECT, page(element(10, "div", {"class": "private"})), mutation(5, adds=[add]))
    assert "Jane" not in text


def test_marked_later_is_private_from_its_beginning() -> None:
    text, _ = run(
        SELECT,
        page(element(10, "div", {}, "Jane")),
        changed(5, 10, class_="private"),
    )
    assert "Jane" not in text


def test_shadow_roots_and_frames() -> None:
    inner = element(11, "p", {"class": "private"}, "Jane") | {"isShadow": True}
    host = element(10, "my-card", {}, inner) | {"isShadowHost": True}
    top = element(22, "html", {}, element(23, "p", {"class": "private"}, "Joan"))
    document = {"type": 0, "id": 21, "childNodes": [top]}
    add = {"parentId": 20, "nextId": None, "node": document}
    text, _ = run(SELECT, page(host, element(20, "iframe")), mutation(5, adds=[add]))
    assert "Jane" not in text
    assert "Joan" not in text


def test_combinators_follow_changes_elsewhere() -> None:
    rules = 'name = "x"\n[[select]]\nselector = ".open > b"\n'
    text, _ = run(
        rules,
        page(element(10, "div", {}, element(11, "b", {}, "Jane"))),
        changed(5, 10, class_="open"),
    )
    assert "Jane" not in text


def test_block_takes_pictures_too() -> None:
    rules = 'name = "x"\n[[select]]\nselector = ".private"\naction = "block"\n'
    text, _ = run(
        rules,
        page(element(10, "div", {"class": "private"}, element(11, "img", {"src": "/jane.png"}))),
    )
    assert "jane.png" not in text


# --- fields -------------------------------------------------------------------------

PASSWORDS = 'name = "x"\n[inputs]\ntypes = ["password"]\nlearn = true\n'


def test_a_field_that_becomes_a_password_was_one() -> None:
    field = element(10, "input", {"type": "text", "value": "hun"})
    text, _ = run(PASSWORDS, page(field), typed(5, 10, "hunter2x"), changed(9, 10, type="password"))
    assert "hun" not in text


def test_what_was_typed_is_found_everywhere() -> None:
    field = element(10, "input", {"type": "password"})
    events = [typed(5 + n, 10, "hunter2secret"[:n]) for n in range(1, 14)]
    sent = {
        "type": 5,
        "timestamp": START_MS + 90,
        "data": {"tag": "t", "payload": {"p": "hunter2secret"}},
    }
    text, _ = run(PASSWORDS, page(element(9, "p", {}, "it is Hunter2Secret"), field), *events, sent)
    assert "hunter2" not in text.lower()


def test_a_value_that_is_complete_at_its_last_letter() -> None:
    value = "jane@shop.example"
    events = [typed(5 + n, 10, value[:n]) for n in range(1, len(value) + 1)]
    text, redactor = run(EMAIL, page(element(10, "input", {"type": "text"})), *events)
    assert "jan" not in text
    assert redactor.finds.counts["input", "field"] + redactor.finds.counts["email", "field"] >= 10


def test_a_text_that_grows_into_a_value() -> None:
    value = "jane@shop.example"
    events = [
        mutation(5 + n, texts=[{"id": 1000, "value": "I am " + value[:n]}])
        for n in range(1, len(value) + 1)
    ]
    text, _ = run(EMAIL, page(element(10, "p", {}, "I")), *events)
    assert "jane" not in text
    assert "I am " in text


def test_a_field_of_no_page_is_masked() -> None:
    text, redactor = run(EMAIL, page(element(10, "p")), typed(5, 77, "plain words"))
    assert "plain" not in text
    assert redactor.finds.warnings["unknown_node"] == 1


# --- several together ---------------------------------------------------------------


def test_split_over_elements() -> None:
    text, redactor = run(
        EMAIL, page(element(10, "p", {}, "at jane", element(11, "b", {}, "@shop"), ".example now"))
    )
    assert "jane" not in text
    assert "now" in text
    assert redactor.finds.counts["email", "split_text"] == 1


def test_blocks_are_not_read_together() -> None:
    text, redactor = run(
        EMAIL, page(element(10, "p", {}, "jane"), element(11, "p", {}, "@shop.example"))
    )
    assert "jane" in text
    assert not redactor.finds.total


# --- JSON ---------------------------------------------------------------------------


def custom(payload: Any, tag: str = "t") -> dict[str, Any]:
    return {"type": 5, "timestamp": START_MS + 50, "data": {"tag": tag, "payload": payload}}


def test_keys_wherever_they_are() -> None:
    rules = 'name = "x"\n[payloads]\nkeys = ["x-api-key", "pin"]\n'
    text, _ = run(
        rules,
        custom({"a": {"Pin": 4711}, "h": [{"name": "X-API-Key", "value": "abc"}]}),
        custom({"s": json.dumps({"deep": json.dumps({"pin": "abc"})})}),
    )
    assert "4711" not in text
    assert "abc" not in text


def test_keys_that_are_values() -> None:
    text, _ = run(EMAIL, custom({"jane@shop.example": 1, "other": 2}))
    assert "jane" not in text
    assert '"other":2' in text


def test_numbers_that_are_cards() -> None:
    rules = 'name = "x"\ndetectors = ["card"]'
    text, _ = run(rules, custom({"n": 4111111111111111, "t": 1700000000000}))
    assert "4111111111111111" not in text
    assert "1700000000000" in text


def test_tags_of_custom_events_name_their_kind() -> None:
    redactor = Redactor(Profile.parse(EMAIL))
    out = redactor.redact(draft([custom({}, tag="of jane@shop.example")]).columns)
    assert [out.kinds.values[k] for k in out.kind] == ["custom:of xxxx*xxxx*xxxxxxx"]
    assert "jane" not in "".join(out.kinds.values)


def test_lone_surrogates_and_deep_nesting() -> None:
    text, _ = run(EMAIL, custom({"a": "\ud800 jane@shop.example"}))
    assert "jane" not in text
    deep = "[" * 3000 + '"jane@shop.example"' + "]" * 3000
    columns = draft([meta()]).columns
    columns.data[:] = deep.encode()
    columns.data_end[0] = len(columns.data)
    redactor = Redactor(Profile.parse(EMAIL))
    assert b"jane" not in redactor.redact(columns).data
    assert redactor.finds.warnings["unreadable_event"] == 1


# --- the whole ----------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_twice_is_once(name: str) -> None:
    events = [
        meta(href="https://shop.example/?token=abc&q=jane"),
        page(
            element(10, "input", {"type": "password", "value": "hunter2"}),
            element(11, "p", {"title": "jane@shop.example"}, "4111 1111 1111 1111"),
            element(12, "img", {"src": "data:image/png;base64,AAAA"}),
        ),
        typed(5, 10, "hunter22"),
        console(6),
    ]
    first = Redactor(load_profile(name)).redact(draft(events).columns)
    again = Redactor(load_profile(name))
    second = again.redact(first)
    assert second.data == first.data
    assert second.url == first.url
    assert not again.finds.total


SNAPSHOT_TEXTS = st.sampled_from(
    ["write to anna@example.com", "4111 1111 1111 1111", "nothing", "", " ", "\ud800 b@example.org"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(SNAPSHOT_TEXTS, min_size=1, max_size=8), st.sampled_from(PROFILES), st.booleans())
def test_a_snapshot_is_written_as_one_read_anew(texts: list[str], name: str, early: bool) -> None:
    """What is lent to the mirror is written from, unless the mirror has put something into it."""
    frame = {"type": 2, "tagName": "iframe", "attributes": {}, "childNodes": [], "id": 90}
    kids = [
        {
            "type": 2,
            "tagName": "p",
            "attributes": {"title": text, "style": f"content: '{text}'"},
            "childNodes": [{"type": 3, "textContent": text, "id": 101 + 2 * n}],
            "id": 100 + 2 * n,
        }
        for n, text in enumerate(texts)
    ]
    page = full_snapshot(1)
    page["data"]["node"]["childNodes"].append(
        {"type": 2, "tagName": "html", "attributes": {}, "childNodes": [*kids, frame], "id": 91}
    )
    inside = {"type": 0, "childNodes": [{"type": 3, "textContent": texts[0], "id": 96}], "id": 95}
    document = mutation(0, adds=[{"parentId": 90, "nextId": None, "node": inside}])
    events = [meta(0), *([full_snapshot(0), document] if early else []), page]
    columns = draft(events).columns
    written = Redactor(load_profile(name)).redact(columns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tree, "awaits_documents", True)
        anew = Redactor(load_profile(name)).redact(columns)
    assert written.data == anew.data
    if early:  # the frame's document stays the event it came in
        assert written.data.replace(b" ", b"").count(b'"id":96') == 1


def test_without_finds_not_a_byte_changes() -> None:
    columns = draft().columns
    out = Redactor(load_profile("secrets")).redact(columns)
    assert out.data == columns.data
    assert out.data_end == columns.data_end
    assert out.kind == columns.kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**12) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 16), JSON), max_size=6))
def test_damaged_events_never_stop_it(items: list[tuple[int, int, Any]]) -> None:
    events = [page(element(10, "input", {}))]
    for n, (type_, source, value) in enumerate(items):
        data = {"source": source, **(value if isinstance(value, dict) else {"v": value})}
        if source == 0:
            data = {"source": 0, "adds": value, "texts": [value], "attributes": [value]}
        events.append({"type": type_, "data": data, "timestamp": START_MS + n})
    columns = draft(events).columns
    for name in ("default", "strict"):
        once = Redactor(load_profile(name)).redact(columns)
        assert len(once) == len(columns)
        assert Redactor(load_profile(name)).redact(once).data == once.data


def test_strict_lets_only_marked_text_through() -> None:
    text, _ = run(
        load_profile("strict"),
        meta(href="https://shop.example/jane?x=1"),
        page(
            element(10, "p", {"title": "Jane"}, "Jane Doe"),
            element(11, "p", {"class": "rr-allow"}, "Shipping is free"),
            element(12, "style", {"_cssText": '.a::before{content:"Jane"}'}),
        ),
        console(5),
    )
    assert "Jane" not in text
    assert "jane" not in text
    assert "boom" not in text
    assert "Shipping is free" in text


def test_mobile_wireframes() -> None:
    field = {
        "id": 1,
        "type": "input",
        "inputType": "email",
        "value": "jane",
        "width": 1,
        "height": 1,
    }
    image = {"id": 2, "type": "image", "base64": "AAAA", "width": 1, "height": 1}
    snapshot = {
        "type": 2,
        "timestamp": START_MS,
        "data": {"wireframes": [field, image], "initialOffset": {"top": 0, "left": 0}},
    }
    text, _ = run(load_profile("gdpr"), snapshot)
    assert "jane" not in text
    assert "AAAA" not in text


def test_what_is_known_of_a_person() -> None:
    known = person_values(
        [{"name": "Jane Doeling", "$os_name": "Linux", "plan": "pro", "contact": "a@b.example"}],
        ["user-1234", "ab", "anon-" + "0" * 20],
    )
    assert known == {"Jane Doeling", "Jane", "Doeling", "a@b.example", "user-1234"}
