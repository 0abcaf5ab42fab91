"""The HTML export in a real browser: plays from disk, asks for nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.browser.conftest import Server, Watched
from tests.browser.recordings import (
    MANIFEST,
    START_MS,
    click,
    document,
    element,
    meta,
    mutation,
    parquet,
    shop,
    snapshot,
    text,
)

from replayport.export.html import render_html
from replayport.player_assets import PLAYER_FILE, static_file

pytestmark = pytest.mark.browser

PLAYER = 'document.querySelector("replayport-player")'
DRAWN = 'seen.some(([name]) => name === "firstframe")'


def open_export(watched: Watched, page_file: Path, data: bytes) -> None:
    page_file.write_bytes(render_html(data, MANIFEST))
    watched.open(page_file.as_uri())
    watched.until(DRAWN)


def test_shows_its_first_frame_from_disk_without_a_request_or_an_error(
    watched: Watched, page_file: Path
) -> None:
    watched.page.context.set_offline(True)
    open_export(watched, page_file, parquet(shop()))
    watched.until_text("second 0")
    assert watched.page.title().startswith("shop.example/cart")
    assert "secret" not in watched.page.title()
    assert watched.requests == []
    assert watched.complaints == []


def test_seeks_forward_and_back(watched: Watched, page_file: Path) -> None:
    open_export(watched, page_file, parquet(shop()))
    for second in (12, 3, 19, 0):
        watched.page.evaluate(f"{PLAYER}.seek({second * 1000 + 200})")
        watched.until_text(f"second {second}")
        assert watched.page.evaluate(f"{PLAYER}.currentMs") == second * 1000 + 200
    assert watched.complaints == []


def test_plays_to_the_end(watched: Watched, page_file: Path) -> None:
    open_export(watched, page_file, parquet(shop(3)))
    watched.page.evaluate(f"{PLAYER}.setSpeed(8)")
    watched.page.keyboard.press("Tab")
    watched.page.locator(".toggle").click()
    watched.until('seen.some(([name]) => name === "ended")')
    watched.until_text("second 3")
    names = [name for name, _ in watched.page.evaluate("seen")]
    assert names.index("ready") < names.index("firstframe") < names.index("play")
    assert names.index("play") < names.index("ended")


def test_keys_move_it(watched: Watched, page_file: Path) -> None:
    open_export(watched, page_file, parquet(shop()))
    watched.page.locator(".seek").focus()
    watched.page.keyboard.press("ArrowRight")
    watched.until_text("second 5")
    watched.page.keyboard.press(".")
    watched.until(f"{PLAYER}.currentMs === 5100")
    watched.page.keyboard.press("Home")
    watched.until_text("second 0")
    watched.page.keyboard.press("?")
    assert watched.page.locator("dialog.panel").is_visible()


def test_follows_the_window_in_use_and_lets_one_choose(watched: Watched, page_file: Path) -> None:
    def page(at_ms: int, name: str) -> list[dict[str, object]]:
        node = document(element(10, "p", text(11, name)), element(12, "button"))
        return [meta(at_ms, f"https://shop.example/{name}"), snapshot(at_ms + 5, node)]

    data = parquet(
        {
            "a": [*page(0, "first window"), click(1000, 12), click(9000, 12)],
            "b": [*page(3000, "second window"), click(4000, 12), click(5000, 12)],
        }
    )
    open_export(watched, page_file, data)
    watched.until_text("first window")
    watched.page.evaluate(f"{PLAYER}.seek(4500)")
    watched.until_text("second window")
    assert watched.page.locator(".url").inner_text() == "shop.example/second%20window"
    watched.page.evaluate(f"{PLAYER}.seek(9500)")
    watched.until_text("first window")
    watched.page.get_by_role("button", name="Window 2").click()
    watched.until_text("second window")
    watched.page.evaluate(f"{PLAYER}.seek(500)")
    watched.until_text("second window")
    watched.page.get_by_role("button", name="Follow").click()
    watched.until_text("first window")
    assert watched.complaints == []


def test_marks_what_happened(watched: Watched, page_file: Path) -> None:
    console = {
        "type": 6,
        "timestamp": START_MS + 4000,
        "data": {
            "plugin": "rrweb/console@1",
            "payload": {"level": "error", "trace": [], "payload": ['"<b>boom</b>"']},
        },
    }
    events = [*shop(), meta(6000, "https://shop.example/pay"), console]
    open_export(watched, page_file, parquet(sorted(events, key=lambda e: e["timestamp"])))
    markers = watched.page.locator(".seek .markers path")
    watched.until_text("second 0")
    watched.page.locator(".seek .markers path.error").wait_for(state="attached")
    kinds = set(markers.evaluate_all("all => all.map(e => e.getAttribute('class'))"))
    assert kinds == {"click", "navigation", "error"}
    box = watched.page.locator(".seek").bounding_box()
    assert box is not None
    duration_ms = watched.page.evaluate(f"{PLAYER}.durationMs")
    watched.page.mouse.move(box["x"] + box["width"] * 4000 / duration_ms, box["y"] + 10)
    tip = watched.page.locator(".tip")
    assert "<b>boom</b>" in tip.inner_text()


def test_says_so_when_nothing_can_be_drawn(watched: Watched, page_file: Path) -> None:
    data = parquet([meta(0), mutation(1000), mutation(2000)])
    page_file.write_bytes(render_html(data, MANIFEST))
    watched.open(page_file.as_uri())
    watched.until('seen.some(([name]) => name === "error")')
    shown = watched.page.locator(".message").inner_text()
    assert "no full snapshot" in shown
    assert "3 events" in shown


def test_says_so_when_the_file_is_damaged(watched: Watched, page_file: Path) -> None:
    data = bytearray(parquet(shop()))
    data[4 : len(data) // 2] = b"\x00" * (len(data) // 2 - 4)
    page_file.write_bytes(render_html(bytes(data), MANIFEST))
    watched.open(page_file.as_uri())
    watched.until('seen.some(([name]) => name === "error")')
    assert "damaged" in watched.page.locator(".message").inner_text()


def test_plays_from_a_server_by_range(watched: Watched, server: Server) -> None:
    # Incompressible text makes the file larger than what is fetched whole.
    filler = [
        mutation(
            20_000 + i,
            texts=[{"id": 11, "value": os.urandom(150_000).hex()}],
        )
        for i in range(40)
    ]
    late = [
        meta(60_000),
        snapshot(60_010, document(element(10, "h1", text(11, "the end")), element(12, "button"))),
        click(61_000, 12),
    ]
    data = parquet([*shop(), *filler, *late])
    assert len(data) > 4 * 2**20
    server.files["/r.parquet"] = ("application/octet-stream", data)
    server.files["/player.js"] = (
        "text/javascript",
        static_file(PLAYER_FILE).read_bytes(),
    )
    server.files["/"] = (
        "text/html",
        b"""<!doctype html><script src="/player.js"></script>
        <replayport-player src="/r.parquet" start-ms="60500" style="height:500px">
        </replayport-player>""",
    )
    watched.open(f"{server.url}/")
    watched.until(DRAWN)
    watched.until_text("the end")
    ranges = [hit.split("bytes=")[1] for hit in server.hits if hit.startswith("/r.parquet")]
    read = sum(int(last) - int(first) + 1 for first, last in (r.split("-") for r in ranges))
    # The head, the footer, and the last group: not the middle.
    assert read < len(data) / 2
