"""Rules about forms."""

from __future__ import annotations

from tests.analysis.building import (
    columns_of,
    event,
    network,
    page,
    shop_page,
    table_of,
    tap,
    typed,
)
from tests.support.builders import draft, meta

from replayport.analysis.columns import Columns
from replayport.analysis.elements import know_elements
from replayport.analysis.profiles import profile
from replayport.analysis.signals import detect


def found(events, kind, *changes, elements=False):
    table = table_of(draft(events))
    columns = Columns.from_table(table)
    lookup = know_elements(table.to_batches(), columns) if elements else (lambda *_: None)
    return [
        s
        for s in detect(columns, profile("replayport-1", changes), lookup).signals
        if s.kind == kind
    ]


FILLED = [typed(1000, "1 Rue", 23), typed(2000, "Nantes", 26)]


def test_a_form_filled_in_and_left():
    [signal] = found(page(*FILLED), "form_abandonment")
    assert signal.evidence == {"fields": 2, "left_after_ms": 58_000}
    left = page(*FILLED, meta(30_000, "https://shop.example/other"))
    assert len(found(left, "form_abandonment")) == 1


def test_a_form_sent_is_not_abandoned():
    sent = network(3000, (2500, 100, 200, "POST", "fetch"))
    assert not found(page(*FILLED, sent), "form_abandonment")
    moved_on = page(*FILLED, tap(3000, node=27), meta(4000, "https://shop.example/thanks"))
    assert not found(moved_on, "form_abandonment")
    assert not found(page(*FILLED[:1]), "form_abandonment")


def test_a_recording_that_ends_at_once_was_cut_and_not_left():
    assert not found(page(*FILLED, until_ms=5000), "form_abandonment")


def test_reading_requests_are_no_submission_and_not_knowing_them_is_said():
    read = network(3000, (2500, 100, 200, "GET", "fetch"))
    [known] = found(page(*FILLED, read), "form_abandonment")
    [unknown] = found(page(*FILLED), "form_abandonment")
    assert known.confidence > unknown.confidence
    assert "no_network_data" in unknown.findings


def test_what_a_script_typed_is_nobodys_form():
    scripted = [
        typed(1000, "a", 23, userTriggered=False),
        typed(2000, "b", 26, userTriggered=False),
    ]
    assert not found(page(*scripted), "form_abandonment")


def test_a_lost_text_typed_again():
    events = page(typed(1000, "1 Rue"), typed(4000, ""), typed(6000, "1 Ru"), typed(6100, "1 Rue"))
    [signal] = found(events, "form_refill")
    assert signal.evidence == {"chars": 5, "lost_after_ms": 3000, "typed_again_after_ms": 2000}


def test_sending_a_message_and_writing_the_next_is_no_loss():
    at_once = page(typed(1000, "hello"), typed(1100, ""), typed(3000, "again"))
    assert not found(at_once, "form_refill")
    by_button = shop_page(
        typed(1000, "hello", 23), tap(3000, node=27), typed(3050, "", 23), typed(5000, "again", 23)
    )
    assert not found(by_button, "form_refill", elements=True)
    by_request = page(
        typed(1000, "hello"),
        network(3040, (3000, 30, 200, "POST", "fetch")),
        typed(3050, ""),
        typed(5000, "again"),
    )
    assert not found(by_request, "form_refill")


def test_something_shorter_is_something_else():
    assert not found(
        page(typed(1000, "a long text"), typed(4000, ""), typed(6000, "ok!")), "form_refill"
    )


def test_a_field_drawn_anew_is_known_by_its_name():
    """The page replaces the field: another node of the same name."""
    field = {
        "type": 2,
        "id": 99,
        "tagName": "input",
        "attributes": {"aria-label": "Street"},
        "childNodes": [],
    }
    replaced = event(
        4000,
        0,
        texts=[],
        attributes=[],
        removes=[{"parentId": 21, "id": 23}],
        adds=[{"parentId": 20, "nextId": None, "node": field}],
    )
    events = shop_page(
        typed(1000, "1 Rue", 23), replaced, typed(6000, "1", 99), typed(6500, "1 Rue", 99)
    )
    [signal] = found(events, "form_refill", elements=True)
    assert signal.element == 'the field "Street"'
    assert not found(events, "form_refill")


def corrected(times, gap=1000):
    out = []
    for n in range(times):
        out += [typed(1000 + n * gap, "abc"), typed(1400 + n * gap, "a")]
    return [*out, typed(1000 + times * gap, "abcd")]


def test_correcting_again_and_again():
    # What was in the field before its first text is not known, so that one has not grown.
    [signal] = found(page(*corrected(4)), "repeated_correction")
    assert signal.evidence == {"corrections": 3}
    assert not found(page(*corrected(2)), "repeated_correction")
    assert not found(page(*corrected(5, gap=70_000), until_ms=400_000), "repeated_correction")


def test_one_long_erasure_is_one_correction():
    letters = [typed(1000 + n * 100, "x" * n) for n in range(6)]
    erased = [typed(2000 + n * 100, "x" * (5 - n)) for n in range(6)]
    assert not found(page(*letters, *erased), "repeated_correction")


def test_texts_masked_to_nothing_are_not_judged():
    detected = detect(columns_of(page(typed(1000, ""), typed(2000, ""))), profile("replayport-1"))
    assert detected.counts()["form_refill"] is None
    assert detected.counts()["repeated_correction"] is None
    assert detected.findings["masked_to_nothing"]
