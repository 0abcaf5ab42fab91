"""Elements are called what they were called when they were used."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.analysis.building import event, shop_page, table_of, tap, typed
from tests.support.builders import START_MS, draft, full_snapshot

from replayport.analysis.columns import Columns
from replayport.analysis.elements import know_elements


def known(events, findings=None):
    table = table_of(draft(events))
    columns = Columns.from_table(table)
    lookup = know_elements(table.to_batches(max_chunksize=3), columns, findings)
    return lambda node, ms: lookup("w1", node, START_MS + ms)


def test_a_click_inside_a_button_is_a_click_on_the_button():
    look = known(
        shop_page(tap(100, node=14), tap(200, node=16), tap(300, node=30), tap(400, node=11))
    )
    assert look(14, 100).words == 'the button "Add to bag"'
    assert look(14, 100).tags == ("span", "button")
    assert look(16, 200).words == 'the link "Help"'
    assert look(11, 400).words == 'the heading "Jumper"'
    assert look(30, 300).tag == "div"


def test_fields_have_the_name_of_their_label():
    look = known(shop_page(typed(100, "a", 23)))
    assert (look(23, 100).words, look(23, 100).label) == ('the field "Street"', "Street")


def test_a_name_is_the_one_of_that_moment():
    renamed = event(
        150, 0, texts=[{"id": 14, "value": "Added"}], attributes=[], removes=[], adds=[]
    )
    gone = event(250, 0, texts=[], attributes=[], adds=[], removes=[{"parentId": 5, "id": 12}])
    look = known(shop_page(tap(100, node=12), renamed, tap(200, node=12), gone, tap(300, node=12)))
    assert look(12, 100).label == "Add to bag"
    assert look(12, 200).label == "Added"
    assert look(12, 300) is None


def test_the_same_id_on_the_next_page_is_another_element():
    events = shop_page(tap(100, node=12), full_snapshot(200), tap(300, node=12), tap(310, node=6))
    look = known(sorted(events, key=lambda e: e["timestamp"]))
    assert look(12, 100).label == "Add to bag"
    assert look(12, 300) is None
    assert look(6, 310) is not None


def test_pages_on_which_nothing_was_clicked_are_not_built(monkeypatch):
    built = []
    from replayport.rrweb.mirror import Mirror

    apply = Mirror.apply
    monkeypatch.setattr(Mirror, "apply", lambda self, *a: (built.append(a[0]), apply(self, *a))[1])
    events = shop_page(full_snapshot(200), full_snapshot(300), tap(350, node=6), full_snapshot(400))
    assert known(events)(6, 350) is not None
    assert built == [2]


def test_moments_that_were_not_asked_are_not_known():
    look = known(shop_page(tap(100, node=12)))
    assert look(12, 101) is None
    assert look(10, 100) is None


@pytest.mark.parametrize("node", [2**40, -5])
def test_ids_of_nothing(node):
    assert known(shop_page(tap(100, node=node)))(node, 100) is None


def test_a_broken_tree_is_counted():
    findings = Counter()
    broken = event(
        50,
        0,
        texts=[],
        attributes=[],
        removes=[],
        adds=[
            {"parentId": 777, "nextId": None, "node": {"type": 3, "id": 900, "textContent": "x"}}
        ],
    )
    known(shop_page(broken, tap(100, node=12)), findings)
    assert findings["broken_tree"] == 1
