"""Redacted recordings and wireframes play; what was not redacted looks as before, to the pixel."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from tests.browser.conftest import Watched
from tests.browser.recordings import MANIFEST
from tests.support.planted import decoded

from replayport.export.html import render_html
from replayport.format.writer import encode_events
from replayport.redact import Profile, Redactor
from replayport.redact.wireframe import Wireframes
from replayport.rrweb.columns import EventColumns

pytestmark = pytest.mark.browser

PLAYER = 'document.querySelector("replayport-player")'
DRAWN = 'seen.some(([name]) => name === "firstframe")'
BAG = 'name = "bag"\n[[select]]\nselector = "aside"\n'
FORM = {"x": 190, "y": 130, "width": 560, "height": 500}
"""Where the form is drawn, left of the bag, in a window of 1280 by 800."""
INSTANTS_MS = range(15_500, 20_000, 450)
ROUNDING = 2
"""Of 255: where a rounded corner lies between pixels, two drawings of one page differ by one."""


def pictures(watched: Watched, path: Path, columns: EventColumns) -> list[tuple[bytes, bytes, str]]:
    """Give the form, the whole and the text of each instant."""
    data, _ = encode_events(columns)
    path.write_bytes(render_html(data, MANIFEST))
    watched.open(path.as_uri())
    watched.until(DRAWN)
    found = []
    for at_ms in INSTANTS_MS:
        watched.page.evaluate(f"{PLAYER}.seek({at_ms})")
        watched.until(f"{PLAYER}.currentMs === {at_ms}")
        whole = settled(watched)
        form = watched.page.screenshot(clip=FORM, animations="disabled")
        found.append((form, whole, watched.recorded_text()))
    return found


def settled(watched: Watched) -> bytes:
    """Give the picture once it stands still: what the page itself moves has come to its end."""
    pictures = [watched.page.screenshot()]
    while len(pictures) < 30 and pictures[-3:].count(pictures[-1]) < 3:
        watched.page.wait_for_timeout(80)
        pictures.append(watched.page.screenshot())
    return pictures[-1]


def difference(one: bytes, other: bytes) -> int:
    """Give the largest difference of any colour of any pixel, of 255."""
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in (one, other)]
    return max(most for _, most in ImageChops.difference(*images).getextrema())


def test_it_plays_and_the_rest_is_unchanged_to_the_pixel(watched: Watched, tmp_path: Path) -> None:
    columns = decoded("checkout").columns
    redactor = Redactor(Profile.parse(BAG))
    redacted = redactor.redact(columns)
    assert redactor.finds.total
    before = pictures(watched, tmp_path / "a.html", columns)
    after = pictures(watched, tmp_path / "b.html", redacted)
    for (form, whole, text), (form_after, whole_after, text_after) in zip(
        before, after, strict=True
    ):
        assert "Your bag" in text
        assert "Your bag" not in text_after
        assert "Xxxx xxx" in text_after
        assert difference(form, form_after) <= ROUNDING
        assert difference(whole, whole_after) > 50
    assert watched.complaints == []


def test_a_wireframe_plays(watched: Watched, tmp_path: Path) -> None:
    frames = Wireframes().convert(decoded("checkout").columns)
    for _, _, text in pictures(watched, tmp_path / "w.html", frames):
        assert text.strip()
        assert not any(c.isalpha() for c in text)
    assert watched.complaints == []
    assert watched.requests == []
