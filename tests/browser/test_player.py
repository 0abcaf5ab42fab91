"""The player as a page uses it: what it asks a server for, its methods and events, embedded."""

from __future__ import annotations

import hashlib
import json
import random
import re
from html import escape
from typing import Any

import pytest
from playwright.sync_api import Route
from tests.browser.conftest import Server, Watched
from tests.browser.recordings import (
    START_MS,
    Event,
    document,
    element,
    meta,
    mutation,
    parquet,
    shop,
    snapshot,
    text,
)

from replayport.player_assets import PLAYER_FILE, static_file

pytestmark = pytest.mark.browser

PLAYER = 'document.querySelector("replayport-player")'
PAGE = """<!doctype html><html><head><link rel=icon href="data:,">
<style>html, body {{ margin: 0; height: 100% }} replayport-player {{ height: 100% }}</style></head>
<body><replayport-player src="/r/events.parquet" {attributes}></replayport-player>
<script>{listen}</script><script src="/player.js"></script></body></html>"""
LISTEN = """
window.told = [];
for (const name of ["ready", "firstframe", "timeupdate", "play", "pause", "ended", "state",
                    "inactivity", "finding", "error"]) {
  document.addEventListener(name, ({ detail }) => told.push([name, detail]));
}
"""


def put(server: Server, recording: bytes, attributes: str = "") -> str:
    """Put a page with a player on a server; give its address."""
    page = PAGE.format(attributes=attributes, listen=LISTEN)
    server.files["/"] = ("text/html; charset=utf-8", page.encode())
    server.files["/player.js"] = ("text/javascript", static_file(PLAYER_FILE).read_bytes())
    server.files["/r/events.parquet"] = ("application/octet-stream", recording)
    return f"{server.url}/"


def ranges(server: Server) -> list[tuple[int, int]]:
    """Bytes of the recording that were asked for, half-open, in that order."""
    found = []
    for hit in server.hits:
        if hit.startswith("/r/events.parquet"):
            asked = re.search(r"bytes=(\d+)-(\d+)", hit)
            assert asked, hit
            size = len(server.files["/r/events.parquet"][1])
            found.append((int(asked[1]), min(size, int(asked[2]) + 1)))
    return found


def told(watched: Watched, name: str) -> list[Any]:
    """Give the details of the events of that name."""
    return [detail for each, detail in watched.page.evaluate("told") if each == name]


def long_recording(pages: int = 30, changes: int = 40) -> list[Event]:
    """Pages of text that does not compress, some megabytes of it; each page says its number."""
    events = []
    for page in range(pages):
        at_ms = page * 10_000
        body = element(10, "h1", text(11, f"page {page}"))
        events += [meta(at_ms), snapshot(at_ms + 1, document(body, element(12, "p", text(13, ""))))]
        for n in range(1, changes):
            noise = "".join(
                hashlib.sha256(f"{page} {n} {k}".encode()).hexdigest() for k in range(80)
            )
            events.append(mutation(at_ms + n * 200, texts=[{"id": 13, "value": noise}]))
    return events


def test_a_small_recording_is_asked_for_once(watched: Watched, server: Server) -> None:
    watched.open(put(server, parquet(shop()), "autoplay"))
    watched.until("told.some(([name]) => name === 'firstframe')")
    watched.until_text("second 1")
    watched.page.evaluate(f"{PLAYER}.seek(15500)")
    watched.until_text("second 15")
    assert len(ranges(server)) == 1
    assert len(told(watched, "ready")) == 1
    assert watched.complaints == []


def test_a_long_one_is_seen_early_and_no_byte_asked_for_twice(
    watched: Watched, server: Server
) -> None:
    data = parquet(long_recording())
    assert len(data) > 3_000_000
    watched.open(put(server, data))
    watched.until_text("page 0")
    assert sum(end - start for start, end in ranges(server)) < len(data) / 2
    for page in (25, 3, 29, 14, 25, 0):
        watched.page.evaluate(f"{PLAYER}.seek({page * 10_000 + 8_000})")
        watched.until_text(f"page {page}")
    asked = sorted(ranges(server))
    assert all(end <= start for (_, end), (start, _) in zip(asked, asked[1:], strict=False))
    assert watched.complaints == []


def test_methods_events_and_limits(watched: Watched, server: Server) -> None:
    markers = json.dumps(
        [
            {"offset_ms": 6_000, "kind": "rage click", "label": "<img src=x onerror=alert(1)>"},
            {"offset_ms": 19_000, "kind": "error", "label": "beyond what is shown"},
        ]
    )
    attributes = f'from-ms="5000" to-ms="8000" markers="{escape(markers)}" speed="4"'
    watched.open(put(server, parquet(shop()), attributes))
    page = watched.page
    watched.until_text("second 5")
    (ready,) = told(watched, "ready")
    assert (ready["fromMs"], ready["toMs"], ready["durationMs"]) == (5_000, 8_000, 20_300)
    state = page.evaluate(f"[{PLAYER}.currentMs, {PLAYER}.paused, {PLAYER}.speed, {PLAYER}.state]")
    assert state == [5_000, True, 4, "paused"]
    shapes = f"{PLAYER}.shadowRoot.querySelectorAll('.markers path.note').length"
    assert page.evaluate(shapes) == 1
    page.evaluate(f"{PLAYER}.markers = []")
    assert page.evaluate(shapes) == 0

    page.evaluate(f"{PLAYER}.play()")
    watched.until(f"{PLAYER}.state === 'ended'")
    assert page.evaluate(f"{PLAYER}.currentMs") == 8_000
    watched.until_text("second 8")
    page.evaluate(f"{PLAYER}.seek(0)")
    watched.until(f"{PLAYER}.state === 'paused'")
    assert page.evaluate(f"{PLAYER}.currentMs") == 5_000
    assert (len(told(watched, "play")), len(told(watched, "ended"))) == (1, 1)
    states = [each["state"] for each in told(watched, "state")]
    assert [s for s in states if s != "seeking"][-3:] == ["playing", "ended", "paused"]
    times = [each["currentMs"] for each in told(watched, "timeupdate")]
    assert times[-1] == 5_000
    assert all(5_000 <= ms <= 8_000 for ms in times)

    bar = f"{PLAYER}.shadowRoot.querySelector('.bottom')"
    assert page.evaluate(f"getComputedStyle({bar}).display") != "none"
    page.evaluate(f"{PLAYER}.toggleAttribute('hide-controls')")
    assert page.evaluate(f"getComputedStyle({bar}).display") == "none"
    assert watched.complaints == []


def test_inactivity_is_told(watched: Watched, server: Server) -> None:
    events = [*shop(3), *(mutation(s * 1000, texts=[{"id": 11, "value": f"{s}"}]) for s in range(4, 40))]  # fmt: skip
    watched.open(put(server, parquet(events)))
    watched.until_text("second 0")
    watched.page.evaluate(f"{PLAYER}.seek(20_000)")
    watched.until(f"told.some(([name, d]) => name === 'inactivity' && d.active) || ({PLAYER}.seek(20_500), false)")  # fmt: skip
    watched.page.evaluate(f"{PLAYER}.seek(1_000)")
    watched.until("told.some(([name, d]) => name === 'inactivity' && !d.active)")
    active = told(watched, "inactivity")[0]
    assert active["startMs"] < 20_000 < active["endMs"]


def long_shop(word: str) -> list[Event]:
    """Half a minute in several row groups, larger than what is fetched at once."""
    rng = random.Random(word)
    bulk = [
        {
            "type": 5,
            "timestamp": START_MS + second * 1_000,
            "data": {"tag": "bulk", "payload": rng.randbytes(2_500_000).hex()},
        }
        for second in (5, 15, 25)
    ]
    said = [mutation(s * 1_000, texts=[{"id": 11, "value": f"{word} {s}"}]) for s in range(1, 30)]
    first = snapshot(1, document(element(10, "h1", text(11, word))))
    return sorted([meta(0), first, *said, *bulk], key=lambda event: event["timestamp"])


def test_a_recording_rewritten_under_the_player_is_opened_again(
    watched: Watched, server: Server
) -> None:
    before, after = parquet(long_shop("before")), parquet(long_shop("after"))
    watched.open(put(server, before))
    watched.until_text("before")
    put(server, after)
    # Not before: the faster it plays, the further ahead it reads, at four times to the end.
    watched.page.evaluate(f"{PLAYER}.speed = 4")
    watched.page.evaluate(f"{PLAYER}.seek(28_000)")
    watched.until_text("after 28")
    assert watched.page.evaluate(f"{PLAYER}.state") == "paused"
    assert watched.page.evaluate(f"{PLAYER}.currentMs") == 28_000
    assert watched.page.evaluate(f"{PLAYER}.speed") == 4
    assert told(watched, "error") == []


def test_a_recording_rewritten_while_it_is_read_ahead_is_opened_again(
    watched: Watched, server: Server
) -> None:
    before, after = parquet(long_shop("before")), parquet(long_shop("after"))
    watched.open(put(server, before))
    watched.page.wait_for_load_state("networkidle")
    undisturbed = len(ranges(server))
    asked = 0

    def replaced_late(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked == undisturbed:
            put(server, after)
        route.continue_()

    # What comes soon is read last, once the first picture is there.
    watched.page.route("**/events.parquet", replaced_late)
    watched.open(put(server, before))
    watched.until_text("after")
    assert watched.page.evaluate(f"{PLAYER}.state") == "paused"
    assert told(watched, "error") == told(watched, "finding") == []


HIDING = ["nodeType", "childNodes", "lastChild", "localName", "attributes", "shadowRoot"]


def test_the_page_of_the_moment_as_text(watched: Watched, server: Server) -> None:
    raw = "</style><script>alert(1)</script>"
    shadow = {**element(20, "div", {**element(21, "i", text(22, "in the shade")), "isShadow": True})}  # fmt: skip
    body = [
        element(10, "h1", text(11, "a < b & c"), onclick="alert(1)", title='"quoted"'),
        element(14, "style", text(15, raw)),
        element(16, "script", text(17, "alert(2)")),
        # A form's inputs and a document's images hide its own properties under their names.
        element(
            30,
            "form",
            *(element(31 + n, "input", name=name) for n, name in enumerate(HIDING)),
            *(element(51 + n, "img", name=name) for n, name in enumerate(HIDING)),
        ),
        {**shadow, "isShadowHost": True},
    ]
    events = [
        meta(0),
        snapshot(1, document(*body)),
        mutation(1_000, texts=[{"id": 11, "value": "later"}]),
    ]
    watched.open(put(server, parquet(events)))
    watched.until_text("a < b & c")
    html = watched.page.evaluate(f"{PLAYER}.getDocumentHtml()")
    assert html.startswith("<!doctype html>\n<html")
    assert '<h1 title="&quot;quoted&quot;">a &lt; b &amp; c</h1>' in html
    assert '<template shadowrootmode="open"><i>in the shade</i></template>' in html
    assert html.count("<input autocomplete=") == html.count("<img>") == len(HIDING)
    for gone in ("onclick", "</script>", "rrweb-paused", "rr_"):
        assert gone not in html
    # Whoever parses it all the same gets no element that the recording did not show.
    parsed = (
        "t => new DOMParser().parseFromString(t, 'text/html').querySelectorAll('script').length"
    )
    assert watched.page.evaluate(parsed, html) == 0
    watched.page.evaluate(f"{PLAYER}.seek(1_000)")
    watched.until_text("later")
    assert "<h1" in (again := watched.page.evaluate(f"{PLAYER}.getDocumentHtml()"))
    assert ">later</h1>" in again


EMBEDDER = """<!doctype html><html><head><link rel=icon href="data:,"></head><body>
<iframe src="{url}" width=600 height=400></iframe><script>
window.heard = [];
addEventListener("message", ({{ data, origin }}) => heard.push([origin, data]));
</script></body></html>"""


@pytest.mark.parametrize("named", [True, False])
def test_embedded_in_a_page_of_another_origin(
    watched: Watched, server: Server, named: bool
) -> None:
    host = server.url.replace("127.0.0.1", "localhost")
    allowed = host if named else "https://somebody-else.example"
    url = put(server, parquet(shop()), f'embed="{allowed}"')
    server.files["/host"] = ("text/html; charset=utf-8", EMBEDDER.format(url=url).encode())
    watched.open(f"{host}/host")
    page = watched.page
    inner = next(f for f in page.frames if f.url == url)
    for _ in range(400):
        if inner.evaluate("told.some(([name]) => name === 'firstframe')"):
            break
        page.wait_for_timeout(50)
    say = "m => document.querySelector('iframe').contentWindow.postMessage(m, '*')"
    page.evaluate(say, {"replayport": "seek", "value": 12_000})
    page.evaluate(say, {"replayport": "getDocumentHtml"})
    if named:
        watched.until("heard.some(([, m]) => m.detail.currentMs === 12000)")
        origins = {origin for origin, _ in page.evaluate("heard")}
        assert origins == {server.url}
        names = {message["name"] for _, message in page.evaluate("heard")}
        assert {"ready", "firstframe", "timeupdate", "state"} <= names
        assert "shop.example" not in json.dumps(page.evaluate("heard"))
    else:
        page.wait_for_timeout(500)
        assert page.evaluate("heard") == []
        assert inner.evaluate(f"{PLAYER}.currentMs") == 0
    # Somebody other than the page around it is not obeyed.
    inner.evaluate("postMessage({replayport: 'seek', value: 3000}, '*')")
    page.wait_for_timeout(200)
    assert inner.evaluate(f"{PLAYER}.currentMs") != 3_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_themes(watched: Watched, server: Server, scheme: str) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    watched.open(put(server, parquet(shop())))
    watched.until_text("second 0")
    colour = f"getComputedStyle({PLAYER}.shadowRoot.querySelector('.bottom')).backgroundColor"
    of = {}
    for theme in ("light", "dark", "auto"):
        watched.page.evaluate(f"{PLAYER}.setAttribute('theme', '{theme}')")
        of[theme] = watched.page.evaluate(colour)
    assert of["light"] != of["dark"]
    assert of["auto"] == of[scheme]


def test_it_fits_a_phone(watched: Watched, server: Server) -> None:
    """Nothing reaches beyond the page."""
    watched.page.set_viewport_size({"width": 390, "height": 780})
    watched.open(put(server, parquet({"w1": shop(), "w2": shop(), "w3": shop()})))
    watched.until_text("second 0")
    watched.until(f"{PLAYER}.shadowRoot.querySelectorAll('.tabs button').length > 0")
    width = watched.page.evaluate("document.documentElement.scrollWidth")
    assert width == 390
    beyond = watched.page.evaluate(
        f"[...{PLAYER}.shadowRoot.querySelectorAll('.row > *, .top > *')].filter(e => "
        "!e.hidden && e.getBoundingClientRect().right > 390.5).map(e => e.className)"
    )
    assert beyond == []
