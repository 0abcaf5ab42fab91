"""The page of a link: it holds nothing but the link's own token."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.server.pages import SHARED_SCRIPT, shared_page

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=40)


class Parsed(HTMLParser):
    """What a browser sees: tags with attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def of(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


@given(token=TEXT, parent=TEXT)
def test_no_text_adds_a_tag(token, parent):
    page = Parsed(shared_page(token, asks_password=True, embedded=True, parents=[parent]))
    plain = Parsed(shared_page("t", asks_password=True, embedded=True, parents=["p"]))
    assert [(t, sorted(a)) for t, a in page.tags] == [(t, sorted(a)) for t, a in plain.tags]
    assert page.of("body") == [{"data-token": token}]


@pytest.mark.parametrize("asks", [True, False])
def test_the_player_waits_for_the_password(asks):
    page = Parsed(shared_page("t", asks_password=asks, embedded=False))
    (player,) = page.of("replayport-player")
    assert ("hidden" in player) == asks
    assert len(page.of("form")) == asks
    assert "src" not in player


def test_only_an_embedded_player_listens_to_the_page_around_it():
    around = ["https://help.example"]
    embedded = Parsed(shared_page("t", asks_password=False, embedded=True, parents=around))
    alone = Parsed(shared_page("t", asks_password=False, embedded=False, parents=around))
    assert embedded.of("replayport-player") == [{"embed": "https://help.example"}]
    assert alone.of("replayport-player") == [{}]
    assert len(alone.of("header")) == 1
    assert embedded.of("header") == []


def test_its_scripts_are_files_and_write_text_only():
    page = Parsed(shared_page("t", asks_password=True, embedded=False, feeds=["actions"]))
    assert [a["src"] for a in page.of("script")] == ["/static/player.js", "/static/shared.js"]
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in SHARED_SCRIPT
