"""A recorded page drawn as a picture: what it shows, and that it runs nothing."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from tests.analysis.building import event, idle, shop_page, tap
from tests.browser.conftest import Server, chromium_path, server
from tests.support.builders import START_MS, draft, meta, mutation

from replayport.archive import Archive
from replayport.render.still import NothingToDrawError, chromium, draw, page_html

__all__ = ["Server", "server"]


@pytest.fixture
def recording_of(tmp_path):
    archive = Archive.open(tmp_path / "a", create=True)

    def make(events):
        written = archive.write(draft(events), replace=True)
        return archive.recording(written.id)

    yield make
    archive.close()


def red_block(node_id=40, height=1500, **attributes):
    style = f"background:#ff0000;width:200px;height:{height}px;"
    return event(
        500,
        0,
        texts=[],
        attributes=[],
        removes=[],
        adds=[
            {
                "parentId": 5,
                "nextId": None,
                "node": {
                    "type": 2,
                    "id": node_id,
                    "tagName": "div",
                    "attributes": {"style": style, **attributes},
                    "childNodes": [],
                },
            }
        ],
    )


def test_the_page_is_as_it_was_at_that_moment(recording_of):
    recording = recording_of(shop_page(red_block()))
    assert "Add to bag" in page_html(recording, "w1", START_MS + 400)
    assert "#ff0000" not in page_html(recording, "w1", START_MS + 499)
    assert "#ff0000" in page_html(recording, "w1", START_MS + 500)


def test_a_policy_comes_before_anything_recorded(recording_of):
    html = page_html(recording_of(shop_page()), "w1", START_MS + 400)
    assert html.index("Content-Security-Policy") < html.index("Add to bag")
    assert "default-src 'none'" in html


def test_adopted_style_sheets_are_written_where_they_were_adopted(recording_of):
    host = {
        "type": 2,
        "id": 50,
        "tagName": "star-rating",
        "attributes": {},
        "isShadowHost": True,
        "childNodes": [
            {
                "type": 2,
                "id": 51,
                "tagName": "b",
                "attributes": {},
                "childNodes": [],
                "isShadow": True,
            }
        ],
    }
    added = event(
        300,
        0,
        texts=[],
        attributes=[],
        removes=[],
        adds=[{"parentId": 5, "nextId": None, "node": host}],
    )

    def adopted(ms, id_, style, rule):
        return event(
            ms, 15, id=id_, styleIds=[style], styles=[{"styleId": style, "rules": [{"rule": rule}]}]
        )

    events = shop_page(
        added,
        adopted(310, 50, 1, "b { color: red }"),
        adopted(320, 1, 2, "h1 { color: blue } /* </style><i> */"),
    )
    html = page_html(recording_of(events), "w1", START_MS + 400)
    template = html[html.index("<template") : html.index("</template>")]
    assert "b { color: red }" in template
    assert "h1 { color: blue }" in html.replace(template, "")
    assert "</style><i>" not in html


def test_without_a_snapshot_there_is_nothing_to_draw(recording_of):
    recording = recording_of([meta(), mutation(5), tap(10)])
    with pytest.raises(NothingToDrawError, match="no full snapshot"):
        page_html(recording, "w1", START_MS + 100)


def hostile(address):
    """A page that tries to run script and to reach a server in every way it can."""

    def element(node_id, tag, *children, **attributes):
        return {
            "type": 2,
            "id": node_id,
            "tagName": tag,
            "attributes": attributes,
            "childNodes": list(children),
        }

    css = f"@import url({address}/import.css); body{{background:url({address}/bg.png)}}"
    script = f"fetch('{address}/script'); document.body.style.background='#00ff00'"
    body = element(
        5,
        "body",
        element(10, "script", {"type": 3, "id": 11, "textContent": script}),
        element(12, "img", src="x", onerror=script),
        element(13, "img", src=f"{address}/img.png"),
        element(14, "iframe", src=f"{address}/frame.html"),
        element(15, "object", data=f"{address}/object"),
        element(16, "style", {"type": 3, "id": 17, "textContent": css, "isStyle": True}),
        element(18, "video", src=f"{address}/video.mp4", autoplay=""),
        element(19, "link", rel="prefetch", href=f"{address}/prefetch"),
        element(20, "div", style="background:#ff0000;width:300px;height:300px"),
    )
    head = element(
        4,
        "head",
        element(30, "meta", **{"http-equiv": "refresh", "content": f"0;url={address}/refresh"}),
        element(31, "base", href=f"{address}/"),
        element(32, "script", src=f"{address}/head.js"),
    )
    node = {"type": 0, "id": 1, "childNodes": [element(3, "html", head, body)]}
    snapshot = {
        "type": 2,
        "timestamp": START_MS + 1,
        "data": {"node": node, "initialOffset": {"top": 0, "left": 0}},
    }
    return [meta(), snapshot, idle(500)]


@pytest.mark.browser
def test_runs_nothing_and_asks_for_nothing(recording_of, server):
    if chromium_path() is None:
        pytest.skip("no Chromium here; set REPLAYPORT_CHROMIUM to one")
    hostile_recording = recording_of(hostile(server.url))
    with chromium() as browser:
        still = draw(browser, hostile_recording, "w1", START_MS + 400, width_px=640, height_px=400)
        long_page = draw(
            browser,
            recording_of(shop_page(red_block())),
            "w1",
            START_MS + 900,
            width_px=640,
            height_px=400,
        )
    assert server.hits == []
    colours = dict(
        (c, n)
        for n, c in Image.open(io.BytesIO(still.png)).convert("RGB").getcolors(maxcolors=2**20)
    )
    assert (0, 255, 0) not in colours
    assert colours[255, 0, 0] >= 300 * 299
    assert long_page.width_px == 640
    assert long_page.height_px > 1500
    assert Image.open(io.BytesIO(long_page.png)).size == (640, long_page.height_px)
