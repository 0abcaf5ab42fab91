"""The journeys: told completely, and only with made-up data."""

from __future__ import annotations

import inspect
import re

from replayport.demo import FAULTS, PAGES, journeys
from replayport.demo.journeys import JOURNEYS


def test_names_are_unique_and_make_file_names() -> None:
    names = [journey.name for journey in JOURNEYS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
    for journey in JOURNEYS:
        assert journey.title
        assert journey.description.endswith(".")


def test_journeys_open_pages_the_shop_has() -> None:
    source = inspect.getsource(journeys)
    opened = re.findall(r'\.open\("([^"?]*)', source)
    assert opened
    assert set(opened) <= set(PAGES)
    for asked in re.findall(r"fault=([a-z,-]+)", source):
        assert set(asked.split(",")) <= set(FAULTS)


def test_only_reserved_addresses_and_the_test_card_are_typed() -> None:
    source = inspect.getsource(journeys)
    assert set(re.findall(r"@([\w.]+\.\w+)", source)) == {"example.com"}
    assert set(re.findall(r"\d{13,19}", source)) == {"4242424242424242"}
