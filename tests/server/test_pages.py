"""The two pages as HTML: escaped, and complete without a script."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import draft, meta, visit

from replayport.archive import Archive, row_of
from replayport.recording import Person
from replayport.server.pages import list_page, player_page

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=40)


class Parsed(HTMLParser):
    """What a browser sees: tags with attributes, and text."""

    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    with Archive.open(tmp_path_factory.mktemp("pages") / "a", create=True) as archive:
        return archive.recording(archive.write(draft()).id).manifest


def changed(manifest, **fields):
    import msgspec

    return msgspec.structs.replace(manifest, **fields)


def shape(page):
    return [(tag, sorted(attrs)) for tag, attrs in Parsed(page).tags]


@given(url=TEXT, person=TEXT, query=TEXT)
def test_recorded_text_adds_no_tag(manifest, url, person, query):
    plain = changed(manifest, first_url="u", person=Person(distinct_id="d"))
    hostile = changed(manifest, first_url=url or "u", person=Person(distinct_id=person or "d"))
    page = list_page([row_of(hostile)], total=1, query=query, next_after=query)
    expected = list_page([row_of(plain)], total=1, query="q", next_after="a")
    assert shape(page) == shape(expected)
    assert (url or "u") in Parsed(page).text
    assert shape(player_page(hostile)) == shape(player_page(plain))


def test_the_search_box_keeps_what_was_asked(manifest):
    page = Parsed(list_page([], total=0, query='a"b', next_after=None))
    assert [a["value"] for t, a in page.tags if t == "input"] == ['a"b']
    assert 'a"b' in page.text


def test_an_empty_archive_says_what_next():
    assert "replayport import" in list_page([], total=0, query="", next_after=None)


def test_tags_of_a_row(manifest):
    row = row_of(
        changed(
            manifest,
            complete=False,
            snapshot_source="mobile",
            console_errors=3,
            windows=manifest.windows * 2,
        )
    )
    text = Parsed(list_page([row], total=1, query="", next_after=None)).text
    for tag in ("incomplete", "mobile", "3 errors", "2 tabs"):
        assert tag in text


def test_a_live_visit_nobody_watched_yet_claims_nothing(manifest):
    row = dataclasses.replace(row_of(manifest), first_url=None, events=0, clicks=0)
    text = Parsed(list_page([], total=0, query="", next_after=None, live=[row])).text
    assert "a visit under way" in text
    assert "0 clicks" not in text
    assert "0 events" not in text


@pytest.mark.parametrize("start_ms", [0, -(10**15), 10**16])
def test_any_time_is_shown(manifest, start_ms):
    odd = changed(manifest, start_ms=start_ms, duration_ms=10**12)
    assert player_page(odd)
    assert list_page([row_of(odd)], total=1, query="", next_after=None)


def test_the_player_is_given_the_recordings_file(manifest):
    page = Parsed(player_page(changed(manifest, project="a b", id="c&d")))
    (player,) = [a for t, a in page.tags if t == "replayport-player"]
    assert player["src"] == "/files/a%20b/c%26d/events.parquet"
    scripts = [a for t, a in page.tags if t == "script"]
    assert scripts == [{"src": "/static/player.js"}]


def test_rows_link_to_their_recording(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft([meta(), *visit()], session_id="s-1", project="shop"))
        page = Parsed(list_page(list(archive.catalog.list()), total=1, query="", next_after=None))
    assert "/recordings/shop/s-1" in [a.get("href") for t, a in page.tags if t == "a"]
