"""A recording whose site is gone looks as it did, from what was frozen, with no request."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import Server, Watched
from tests.browser.recordings import document, element, meta, snapshot, text
from tests.support.builders import draft

from replayport.archive import Archive
from replayport.assets.fetch import Fetcher
from replayport.assets.freeze import Freezer
from replayport.export import ExportOptions
from replayport.export.bundle import export as export_bundle
from replayport.export.html import export as export_html
from replayport.importing import import_paths
from replayport.player_assets import PLAYER_FILE, static_file
from replayport.server.app import make_app
from replayport.testing.serving import serve

pytestmark = pytest.mark.browser

RECORDER = (
    Path(__file__).parents[2] / "web" / "node_modules" / "rrweb" / "dist" / "rrweb.umd.min.cjs"
)
FONTS = sorted(Path("/usr/share/fonts").rglob("*Mono*Bold*.ttf"))
PLAYER = 'document.querySelector("replayport-player")'
DRAWN = 'seen.some(([name]) => name === "firstframe")'
WIDTH, HEIGHT = 800, 600


def png(red: int, green: int, blue: int, side: int = 40) -> bytes:
    """A square of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = (b"\x00" + bytes((red, green, blue)) * side) * side
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def page_of(elsewhere: str) -> bytes:
    """A page that loads from every place there is; ``elsewhere`` is of another origin."""
    return f"""<!doctype html><html><head><meta charset="utf-8">
<link rel="stylesheet" href="{elsewhere}/css/shop.css">
<link rel="stylesheet" href="{elsewhere}/css/print.css" media="print">
<style>@font-face {{ font-family: Shop; src: url("/font/shop.ttf") format("truetype"); }}
.own {{ background: url("/img/own.png"); }}</style></head>
<body>
<h1>Waterproof shoes</h1>
<img id="first" src="img/photo.png" width="60" height="60">
<img srcset="/img/small.png 1x, /img/large.png 2x" src="/img/gone.png" width="60" height="60">
<picture><source srcset="/img/wide.png" media="(min-width: 100px)"><img src="/img/narrow.png"></picture>
<svg width="60" height="60"><use href="/img/icons.svg#cart"></use></svg>
<svg width="60" height="60"><image href="/img/photo.png" width="50" height="50"/></svg>
<div class="own box"></div>
<div class="imported box"></div>
<div class="nested box"></div>
<div class="box" style="background-image: image-set(url('/img/set.png') 1x)"></div>
<div class="ruled box"></div>
<table background="/img/table.png" width="80" height="40"><tr><td></td></tr></table>
<input type="image" src="/img/button.png" width="50" height="30">
<div id="late"></div>
</body></html>""".encode()


def site(server: Server) -> str:
    """Fill the server; give the address of the page."""
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    css = {
        "/css/shop.css": '@import "base.css" screen; @import url(deep/layered.css) layer(theme);'
        "h1{font-family:Shop,serif;color:#063;background:url(../img/head.png)}"
        ".box{display:inline-block;width:60px;height:60px}",
        "/css/base.css": "body{background:#eef url('../img/body.png') repeat-x;margin:20px}"
        ".imported{background:url(/img/imported.png)} .unclosed{color:red;(",
        "/css/deep/layered.css": ".nested{background:url(nested.svg)} }} .stray{color:red}",
        "/css/print.css": "body{background:red}",
    }
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10" width="60" height="60">'
    files: dict[str, tuple[str, bytes]] = {
        "/shop/": ("text/html", page_of(elsewhere)),
        **{path: ("text/css", text.encode()) for path, text in css.items()},
        "/css/deep/nested.svg": (
            "image/svg+xml",
            f'{svg}<circle cx="5" cy="5" r="4" fill="#c06"/></svg>'.encode(),
        ),
        "/img/icons.svg": (
            "image/svg+xml",
            f'{svg}<symbol id="cart" viewBox="0 0 10 10"><path fill="#06c" d="M1 1h8v8z"/>'
            "</symbol></svg>".encode(),
        ),
    }
    names = "own photo small large wide narrow set table button head body imported ruled late"
    for i, name in enumerate(names.split()):
        side = 20 if name in ("head", "body") else 60
        colour = png(30 + 15 * i, 220 - 13 * i, (90 * i) % 256, side)
        files[f"/img/{name}.png"] = ("image/png", colour)
    files["/shop/img/photo.png"] = files["/img/photo.png"]
    if FONTS:
        files["/font/shop.ttf"] = ("font/ttf", FONTS[0].read_bytes())
    server.files.update(files)
    return f"{server.url}/shop/"


CHANGES = """async () => {
  document.styleSheets[2].insertRule('.ruled { background: url("/img/ruled.png") }', 0);
  document.getElementById("late").innerHTML = '<img src="/img/late.png">';
  document.getElementById("first").src = "/img/own.png";
  await document.fonts.ready;
  await new Promise((resolve) => setTimeout(resolve, 300));
}"""


def record(browser: Browser, url: str) -> tuple[list[dict[str, Any]], bytes]:
    """Visit the page with rrweb's own recorder; give its events, and how it looked."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    page = context.new_page()
    page.goto(url, wait_until="networkidle")
    page.add_script_tag(path=RECORDER)
    page.evaluate("window.taken = []; rrweb.record({ emit: (event) => taken.push(event) }); 0")
    page.evaluate(CHANGES)
    page.wait_for_load_state("networkidle")
    looked = page.screenshot()
    events: list[dict[str, Any]] = page.evaluate("taken")
    context.close()
    return events, looked


@pytest.fixture
def visit(
    browser: Browser, server: Server, tmp_path: Path
) -> Iterator[tuple[Archive, bytes, list[str]]]:
    """An archive with one frozen recording of a site that is gone, and how it looked."""
    if not RECORDER.is_file():
        pytest.skip("rrweb is not installed in web/; run: make web")
    events, looked = record(browser, site(server))
    with Archive.open(tmp_path / "archive", create=True) as archive:
        archive.write(draft(events))
        fetcher = Fetcher(allow_private=True)
        frozen = Freezer(archive, fetcher).freeze("s-1")
        fetcher.close()
        gone = {"gone.png"} if FONTS else {"gone.png", "shop.ttf"}
        assert {url.rsplit("/", 1)[1] for url in frozen.missing} == gone
        server.files.clear()
        server.hits.clear()
        yield archive, looked, server.hits


def drawn_pixels(watched: Watched) -> bytes:
    """The recorded page at its own size, without anything of the player over it."""
    page = watched.page
    watched.until(f"{PLAYER}.shadowRoot.querySelector('.big')")
    page.evaluate(f"{PLAYER}.seek({PLAYER}.durationMs)")
    # As large as the recorded page was, so that nothing is scaled, and above everything else.
    page.evaluate(
        f"{PLAYER}.shadowRoot.querySelector('iframe').style.cssText = 'position: fixed; left: 0; "
        f"top: 0; margin: 0; width: {WIDTH}px; height: {HEIGHT}px; z-index: 9'"
    )
    page.wait_for_timeout(600)
    return page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT})


def different_pixels(page: Page, one: bytes, other: bytes) -> float:
    """The share of pixels that differ by more than a shade."""
    urls = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in (one, other)]
    share: float = page.evaluate(
        """async (urls) => {
          const pixels = [];
          for (const url of urls) {
            const image = new Image();
            image.src = url;
            await image.decode();
            const canvas = new OffscreenCanvas(image.width, image.height);
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            pixels.push(context.getImageData(0, 0, image.width, image.height).data);
          }
          const [a, b] = pixels;
          if (a.length !== b.length) return 1;
          let differing = 0;
          for (let i = 0; i < a.length; i += 4) {
            if ([0, 1, 2].some((c) => Math.abs(a[i + c] - b[i + c]) > 24)) differing += 1;
          }
          return differing / (a.length / 4);
        }""",
        urls,
    )
    return share


def network(watched: Watched) -> list[str]:
    """What was asked of the world outside; a blob is in the page."""
    return [r for r in watched.requests if not r.startswith("blob:null/")]


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_the_html_export_looks_the_same_after_the_site_is_gone(
    visit: tuple[Archive, bytes, list[str]], watched: Watched, page_file: Path, blank: Page
) -> None:
    archive, looked, hits = visit
    watched.page.context.set_offline(True)
    page_file.write_bytes(b"".join(export_html(archive.recording("s-1"), ExportOptions())))
    watched.open(page_file.as_uri())
    watched.until(DRAWN)
    shown = drawn_pixels(watched)
    assert different_pixels(blank, looked, shown) < 0.005
    assert network(watched) == []
    assert watched.complaints == []
    assert hits == []
    findings = dict(
        (detail["code"], detail["count"])
        for name, detail in watched.page.evaluate("seen")
        if name == "finding"
    )
    assert "asset_unreadable" not in findings


def test_without_its_assets_it_does_not(
    visit: tuple[Archive, bytes, list[str]], watched: Watched, page_file: Path, blank: Page
) -> None:
    """The comparison above can fail: the same recording, not frozen, looks otherwise."""
    archive, looked, _ = visit
    from replayport.export.html import render_html

    recording = archive.recording("s-1")
    page_file.write_bytes(render_html(recording.file("events.parquet"), {}))
    watched.open(page_file.as_uri())
    watched.until(DRAWN)
    assert different_pixels(blank, looked, drawn_pixels(watched)) > 0.05


def test_the_server_shows_it_from_the_archive(
    visit: tuple[Archive, bytes, list[str]], watched: Watched, blank: Page
) -> None:
    archive, looked, hits = visit
    with serve(make_app(archive)) as url:
        watched.open(f"{url}/recordings/p/s-1")
        watched.until(DRAWN)
        watched.until(f"{PLAYER}.currentMs > 0 && {PLAYER}.paused")
        assert different_pixels(blank, looked, drawn_pixels(watched)) < 0.005
    assert [r for r in network(watched) if not r.startswith(url)] == []
    assert watched.complaints == []
    assert hits == []


def test_a_bundle_carries_them(visit: tuple[Archive, bytes, list[str]], tmp_path: Path) -> None:
    archive, _, hits = visit
    recording = archive.recording("s-1")
    bundle = tmp_path / "s-1.replay.zip"
    bundle.write_bytes(b"".join(export_bundle(recording, ExportOptions())))
    with Archive.open(tmp_path / "other", create=True) as other:
        assert import_paths([bundle], other).written == ["s-1"]
        copy = other.recording("s-1")
        assert copy.manifest == recording.manifest
        assert copy.assets() == recording.assets()
        for sha256 in copy.assets().sizes():
            assert copy.asset(sha256) == recording.asset(sha256)
    assert hits == []


def test_a_bundle_on_a_static_host_looks_the_same(
    visit: tuple[Archive, bytes, list[str]], server: Server, watched: Watched, blank: Page
) -> None:
    archive, looked, hits = visit
    bundle = b"".join(export_bundle(archive.recording("s-1"), ExportOptions()))
    page = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<replayport-player src="visit.replay.zip" style="height: 500px"></replayport-player>
<script>window.seen = []; document.addEventListener("firstframe", () => seen.push(["firstframe"]))
</script><script src="player.js"></script>"""
    server.files |= {
        "/": ("text/html", page.encode()),
        "/player.js": ("text/javascript", static_file(PLAYER_FILE).read_bytes()),
        "/visit.replay.zip": ("application/zip", bundle),
    }
    watched.open(f"{server.url}/")
    watched.until(DRAWN)
    assert different_pixels(blank, looked, drawn_pixels(watched)) < 0.005
    assert {hit.partition(" ")[0] for hit in hits} == {"/", "/player.js", "/visit.replay.zip"}
    assert watched.complaints == []


def test_what_a_site_served_runs_nothing_and_asks_for_nothing(
    server: Server, watched: Watched, page_file: Path, tmp_path: Path
) -> None:
    """Whoever made the page made its images and stylesheets too."""
    leak = f"{server.url}/leak"
    script = f"<script>fetch('{leak}/script')</script><image href='{leak}/i.png' onload='x()'/>"
    server.files.update(
        {
            "/evil.svg": (
                "image/svg+xml",
                "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9' "
                f"onload='parent.evil=1'>{script}<style>#s{{fill:url({leak}/x)}}</style><g id='s' onclick='parent.evil=1'>{script}"
                f"<foreignObject><iframe xmlns='http://www.w3.org/1999/xhtml' src='{leak}/f'/>"
                "</foreignObject></g></svg>".encode(),
            ),
            "/evil.css": (
                "text/css",
                f"@import '{leak}/a.css';@import url('{leak}/b.css') screen;"
                f"@import '/evil2.css' supports(background: url({leak}/s));"
                f"p{{background:url({leak}/p.png)}}@font-face{{font-family:F;src:url({leak}/f)}}"
                f"p{{font-family:F;background:image-set('{leak}/is.png' 1x)}}"
                f"p::after{{content:u\\72l({leak}/e.png)}}</style><script>parent.evil=1</script>"
                f"<style>}} }} body{{background:src('{leak}/late.png')}}".encode(),
            ),
            "/evil2.css": ("text/css", f"b{{background:url({leak}/2.png)}} /*".encode()),
        }
    )
    node = document(
        element(10, "p", text(11, "drawn")),
        element(12, "img", src="/evil.svg"),
        {**element(13, "svg", {**element(14, "use", href="/evil.svg#s"), "isSVG": True})}
        | {"isSVG": True},
        head=[element(15, "link", rel="stylesheet", href="/evil.css")],
    )
    with Archive.open(tmp_path / "archive", create=True) as archive:
        archive.write(draft([meta(0, f"{server.url}/"), snapshot(10, node), meta(50)]))
        fetcher = Fetcher(allow_private=True)
        Freezer(archive, fetcher).freeze("s-1")
        fetcher.close()
        assert set(archive.recording("s-1").assets().assets) >= {
            f"{server.url}/evil.svg",
            f"{server.url}/evil.css",
        }
        server.hits.clear()
        page_file.write_bytes(b"".join(export_html(archive.recording("s-1"), ExportOptions())))
    watched.open(page_file.as_uri())
    watched.until(DRAWN)
    watched.until_text("drawn")
    watched.page.wait_for_timeout(500)
    assert server.hits == []
    assert network(watched) == []
    assert [frame.evaluate("window.evil") for frame in watched.page.frames[:2]] == [None, None]
