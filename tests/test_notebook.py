"""Recordings in a notebook: the frame, and what is too large for one."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from tests.support.builders import draft, meta

from replayport.archive import Archive
from replayport.notebook import MAX_PLAY_BYTES, data_url, frame, play
from replayport.player_assets import PLAYER_FILE, PlayerNotBuiltError, static_file


@pytest.fixture(autouse=True)
def _built():
    try:
        static_file(PLAYER_FILE)
    except PlayerNotBuiltError as error:
        pytest.skip(str(error))


@pytest.fixture
def recording():
    with Archive.open("memory://", create=True) as archive:
        archive.write(draft([meta(href='https://x.example/"><script>alert(1)</script>')]))
        yield archive.recording("s-1")


def test_a_frame_without_origin_and_nothing_beside_it(recording):
    html = recording.play(height_px=300)._repr_html_()
    assert re.fullmatch(r"<iframe [^<>]*></iframe>", html)
    assert "height: 300px" in html
    # Without srcdoc, and by a data: address: then its origin is nobody's.
    assert "srcdoc=" not in html.partition(" src=")[0]
    page = unquote(re.search(r' src="data:text/html;charset=utf-8,([^"]*)"', html)[1])
    assert page.startswith("<!doctype html>")
    assert "default-src 'none'" in page


def test_what_a_page_holds_cannot_end_the_frame():
    page = b'"></iframe><script>alert(1)</script>#%&amp;\xff'
    html = frame(data_url(page), height_px=1, title='"><b>')
    assert re.fullmatch(r"<iframe [^<>]*></iframe>", html)


@pytest.mark.parametrize("address", ["https://x.example/", "blob:null/1", "about:srcdoc", ""])
def test_another_address_would_have_an_origin(address):
    with pytest.raises(ValueError, match="data: address"):
        frame(address, height_px=1, title="")


def test_a_large_one_is_a_message_and_is_not_read(recording, monkeypatch):
    monkeypatch.setattr(type(recording), "file", None)
    html = play(recording, max_bytes=100).html
    assert "<iframe" not in html
    assert "replayport export p/s-1 --as html" in html


def test_shown_by_itself(recording):
    html = recording._repr_html_()
    assert "<b>Recording</b> p/s-1" in html
    assert "<script>alert" not in html
    assert "<iframe" in html
    assert len(html) < MAX_PLAY_BYTES


def test_a_damaged_one_still_shows_its_facts(recording):
    recording._store.delete(f"{recording.prefix}/events.parquet")
    html = recording._repr_html_()
    assert "<b>Recording</b>" in html
    assert "missing" in html


def test_the_text_beside_it_is_short_and_marimo_has_it_too(recording):
    shown = recording.play()
    assert len(repr(shown)) < 100
    assert shown._mime_() == ("text/html", shown.html)
