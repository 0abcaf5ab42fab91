"""Heat of a page: whose addresses fit, where in the page, and how deep."""

from __future__ import annotations

import numpy as np
import pytest
from tests.analysis.building import (
    event,
    move,
    scroll,
    shop_page,
    table_of,
    tap,
)
from tests.support.builders import START_MS, draft, full_snapshot, meta

from replayport.analysis.columns import Columns
from replayport.analysis.elements import know_elements
from replayport.analysis.heatmap import (
    CELL_PX,
    Heat,
    fits,
    gather,
    ranking,
    viewport_class,
)
from replayport.analysis.profiles import profile
from replayport.analysis.signals import detect


def heat_of(events, wanted="/"):
    table = table_of(draft(events))
    columns = Columns.from_table(table)
    lookup = know_elements(table.to_batches(), columns)
    signals = detect(columns, profile("replayport-1"), lookup).signals
    return gather("p/s", columns, table.to_batches(), wanted, signals=signals, lookup=lookup)


@pytest.mark.parametrize(
    ("address", "wanted", "is_it"),
    [
        ("https://shop.example/product?item=a#b", "/product", True),
        ("https://shop.example/product?item=a", "https://shop.example/product", True),
        ("https://shop.example/products", "/product", False),
        ("https://shop.example/product/7", "/product/*", True),
        ("https://shop.example/product?item=a", "/product?item=a", True),
        ("https://shop.example/product?item=ab", "/product?item=a", False),
        ("https://shop.example/product?item=ab", "/product?item=*", True),
        ("https://other.example/product", "https://shop.example/*", False),
        ("https://shop.example/a.b", "/a.b", True),
        ("https://shop.example/axb", "/a.b", False),
        ("https://shop.example/anything", "*", True),
        ("no address", "/x", False),
        ("https://shop.example/[a](b)*+", "/[a](b)*+", True),
    ],
)
def test_addresses_that_fit(address, wanted, is_it):
    assert fits(address, wanted) is is_it


def test_classes_of_viewport():
    assert [viewport_class(w) for w in (390, 599, 600, 1024, 1280)] == [
        "phone",
        "phone",
        "tablet",
        "desktop",
        "desktop",
    ]


def test_clicks_are_where_they_are_in_the_page():
    [heat] = heat_of(
        shop_page(
            tap(1000, node=12, x=100, y=50), scroll(2000, 800), tap(3000, node=15, x=100, y=50)
        )
    )
    cells = heat.cells["click"]
    assert cells == {
        (1280, 100 // CELL_PX, 50 // CELL_PX): 1,
        (1280, 100 // CELL_PX, 850 // CELL_PX): 1,
    }
    assert heat.depths == [(1280, 800 + 720)]
    assert [(r["element"], r["count"]) for r in ranking(heat, "click")] == [
        ('the button "Add to bag"', 1),
        ('the link "Help"', 1),
    ]


def test_scrolling_inside_the_page_moves_nothing():
    [heat] = heat_of(shop_page(scroll(500, 800, node=30), tap(1000, node=12, x=8, y=8)))
    assert heat.cells["click"] == {(1280, 1, 1): 1}


def test_a_page_recorded_when_scrolled_down_begins_there():
    snapshot = full_snapshot(10)
    snapshot["data"]["initialOffset"] = {"top": 400, "left": 0}
    [heat] = heat_of([meta(), snapshot, tap(1000, x=0, y=0), meta(9000)])
    assert heat.cells["click"] == {(1280, 0, 400 // CELL_PX): 1}


def test_a_pointer_that_rests_is_warmer_than_one_that_passes():
    [heat] = heat_of(
        shop_page(move(1000, (8, 8, 0)), move(1050, (80, 80, 0)), move(1800, (160, 160, 0)))
    )
    cells = heat.cells["move"]
    assert cells[1280, 1, 1] == 50
    assert cells[1280, 10, 10] == 750
    [heat] = heat_of(shop_page(move(1000, (8, 8, 0)), move(50_000, (80, 80, 0))))
    assert heat.cells["move"][1280, 1, 1] == 2000


def test_rage_is_only_the_clicks_of_the_chain():
    chain = [tap(5000 + 200 * n, node=12, x=100, y=100) for n in range(4)]
    [heat] = heat_of(shop_page(tap(1000, node=15, x=300, y=300), *chain))
    assert heat.cells["rage"] == {(1280, 12, 12): 4}
    assert ranking(heat, "rage") == [{"element": 'the button "Add to bag"', "count": 4, "share": 1}]
    assert sum(heat.cells["click"].values()) == 5


def test_a_label_and_its_field_are_one_click():
    [heat] = heat_of(shop_page(tap(1000, node=22), tap(1002, node=23), tap(3000, node=23)))
    assert [(r["element"], r["count"]) for r in ranking(heat, "click")] == [
        ('the field "Street"', 1),
        ('the label "Street"', 1),
    ]


def test_only_the_page_asked_for_and_only_while_it_was_there():
    events = [
        meta(0, "https://shop.example/a"),
        full_snapshot(1),
        tap(1000, x=8, y=8),
        meta(2000, "https://shop.example/b"),
        full_snapshot(2001),
        tap(3000, x=80, y=80),
        meta(4000, "https://shop.example/a"),
        full_snapshot(4001),
        tap(5000, x=160, y=160),
        event(9000, 0, texts=[], attributes=[], removes=[], adds=[]),
    ]
    [heat] = heat_of(events, "/a")
    assert heat.visits == 2
    assert set(heat.cells["click"]) == {(1280, 1, 1), (1280, 20, 20)}
    assert heat_of(events, "/c") == []
    base = heat.base()
    assert base.time_ms == START_MS + 9000
    assert base.visit_ms == 5001


def test_adding_up_is_the_same_in_any_order():
    visits = [
        heat_of(shop_page(tap(1000 + n, node=12, x=10 * n, y=20 * n), scroll(2000, 100 * n)))[0]
        for n in range(4)
    ]
    one, other = Heat("desktop"), Heat("desktop")
    for v in visits:
        one.add(v)
    for v in reversed(visits):
        other.add(v)
    assert one.cells == other.cells
    assert sorted(one.depths) == sorted(other.depths)
    assert (one.visits, one.recordings) == (4, 4)
    assert one.elements == other.elements


def test_grids_scale_widths_and_leave_out_what_is_below():
    heat = Heat("desktop")
    heat.cells["click"] = {(1000, 50, 2): 3, (2000, 100, 2): 1, (1000, 5, 999): 7}
    grid = heat.grid("click", 1000, 80)
    assert grid.shape == (10, 125)
    assert grid[2, 50] == 4
    assert grid.sum() == 4


def test_how_many_saw_how_far():
    heat = Heat("desktop", depths=[(1000, 100), (1000, 200), (1000, 400), (1000, 400)])
    seen = heat.seen(400)
    assert seen[0] == 1
    assert seen[120 // CELL_PX] == 0.75
    assert seen[300 // CELL_PX] == 0.5
    assert np.all(np.diff(seen) <= 0)
    assert not Heat("desktop").seen(80).any()
