"""
The player on a short and a long recording, beside stock rrweb-player with the same events.

```
replayport      the page of ``replayport serve``, which reads events.parquet by ranges
rrweb-player    stock, from npm, on a page of the same server that fetches the events as JSON

first frame     from the start of navigation until the first picture was painted
seek            from the call until the picture was painted; eight moments all over the recording
JS heap         after the first frame, and after the seeks; garbage collected before
fetched         bytes of events asked for until the first frame, of those there are
```

Both in one browser, taking turns; each run is a new browser context, so nothing is cached.
"Painted" is the same for both: an animation frame, and a task after it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import BENCH, MB, console, median, node_packages, save, spread, table
from first_frame import TIMEOUT_MS, store
from inputs import demo_inputs, set_sha256
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route

from replayport.archive import Archive
from replayport.demo.record import find_chromium
from replayport.errors import ReplayError
from replayport.export import EXPORTS, ExportOptions
from replayport.format.reader import Recording
from replayport.server.app import make_app
from replayport.testing import serve

SIZES = {"5 MB": 5 * MB, "50 MB": 50 * MB}
RUNS = 5
SEEKS = (0.9, 0.1, 0.5, 0.73, 0.27, 0.97, 0.42, 0.61)
"""Shares of the recording's length, in the order they are gone to."""

_PAINTED = "new Promise(r => requestAnimationFrame(() => setTimeout(r, 0)))"
_LISTEN = """
addEventListener("firstframe", () => { window.firstFrameMs ??= performance.now(); }, true);
"""
_STOCK_PAGE = f"""<!doctype html><html><head><meta charset="utf-8">
<link rel="stylesheet" href="/stock/style.min.css"></head><body><div id="player"></div>
<script src="/stock/rrweb-player.umd.min.cjs"></script>
<script>
fetch(location.pathname + "/events.json").then((answer) => answer.json()).then((events) => {{
  const Player = rrwebPlayer.Player ?? rrwebPlayer.default ?? rrwebPlayer;
  const player = new Player({{
    target: document.getElementById("player"), props: {{ events, autoPlay: false }},
  }});
  window.player = player;
  window.durationMs = events.at(-1).timestamp - events[0].timestamp;
  player.addEventListener("fullsnapshot-rebuilded", async () => {{
    await {_PAINTED};
    window.firstFrameMs ??= performance.now();
  }});
}});
</script></body></html>"""
_OUR_SEEK = """
(share) => new Promise((resolve) => {
  const player = document.querySelector("replayport-player");
  const startMs = performance.now();
  player.addEventListener("state", function onState({ detail }) {
    if (detail.state === "paused") {
      player.removeEventListener("state", onState);
      resolve(performance.now() - startMs);
    }
  });
  player.seek(share * player.durationMs);
})
"""
_STOCK_SEEK = f"""
async (share) => {{
  const startMs = performance.now();
  window.player.goto(share * window.durationMs, false);
  await {_PAINTED};
  return performance.now() - startMs;
}}
"""


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(argv)
    try:
        from playwright.sync_api import sync_playwright

        chromium = find_chromium()
    except (ImportError, ReplayError) as e:
        console.print(f"player: skipped, {e}")
        return []
    has_stock = node_packages()
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as scratch_name,
        Archive.open(f"{scratch_name}/archive", create=True) as archive,
        sync_playwright() as playwright,
    ):
        scratch = Path(scratch_name)
        recordings = {
            name: store(archive, name.replace(" ", ""), SIZES[name]) for name in options.sizes
        }
        for name, recording in recordings.items():
            with (scratch / f"{recording.id}.json").open("wb") as file:
                for piece in EXPORTS["rrweb-json"].load()(recording, ExportOptions()):
                    file.write(piece)
            console.print(f"{name}: {recording.manifest.events:,} events")
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        with serve(_app(archive, scratch)) as url:
            for run in range(options.runs + 1):  # the first warms the browser
                for name, recording in recordings.items():
                    pages = {
                        "replayport": f"{url}/recordings/{recording.manifest.project}/{recording.id}"
                    }
                    if has_stock:
                        pages["rrweb-player"] = f"{url}/stock/{recording.id}"
                    for variant, page in pages.items():
                        measured = _measure(browser, page, is_ours=variant == "replayport")
                        rows.append(_row(variant, name, run, recording, measured))
        browser.close()
    rows = [r for r in rows if r["run"]]
    _show(rows)
    where = {"folder": options.results} if options.results else {}
    save("player", rows, **where)
    return rows


def _app(archive: Archive, scratch: Path) -> Any:
    dist = BENCH / "node_modules" / "rrweb-player" / "dist"

    async def page(_: Request) -> Response:
        return HTMLResponse(_STOCK_PAGE)

    async def events(request: Request) -> Response:
        name = f"{request.path_params['id']}.json"
        return FileResponse(scratch / name, media_type="application/json")

    async def script(_: Request) -> Response:
        return FileResponse(dist / "rrweb-player.umd.min.cjs", media_type="text/javascript")

    async def style(_: Request) -> Response:
        return FileResponse(dist / "style.min.css", media_type="text/css")

    return Starlette(
        routes=[
            Route("/stock/rrweb-player.umd.min.cjs", script),
            Route("/stock/style.min.css", style),
            Route("/stock/{id}", page),
            Route("/stock/{id}/events.json", events),
            Mount("/", make_app(archive)),
        ]
    )


def _measure(browser: Any, address: str, *, is_ours: bool) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.add_init_script(_LISTEN)
        fetched: list[int] = []
        page.on(
            "response",
            lambda r: (
                fetched.append(int(r.headers.get("content-length", 0)))
                if r.url.endswith(("events.parquet", "events.json"))
                else None
            ),
        )
        devtools = context.new_cdp_session(page)
        devtools.send("Performance.enable")
        page.goto(address, wait_until="commit")
        waited = 0
        # Asked again and again: `wait_for_function` needs unsafe-eval, which our page forbids.
        while (ms := page.evaluate("window.firstFrameMs ?? null")) is None:
            page.wait_for_timeout(20)
            waited += 20
            if waited > TIMEOUT_MS:
                raise RuntimeError(f"no first frame after {TIMEOUT_MS} ms")
        fetched_bytes = sum(fetched)
        if is_ours:
            page.evaluate("document.querySelector('replayport-player').pause()")
        page.wait_for_timeout(500)  # what a player does after its first frame is not a seek
        first_heap_bytes = _heap_bytes(devtools)
        seek = _OUR_SEEK if is_ours else _STOCK_SEEK
        seeks = [float(page.evaluate(seek, share)) for share in SEEKS]
        return {
            "first_frame_ms": round(float(ms), 1),
            "seek_ms": round(median(seeks), 1),
            "seek_max_ms": round(max(seeks), 1),
            "fetched_bytes": fetched_bytes,
            "heap_bytes": first_heap_bytes,
            "heap_after_seeks_bytes": _heap_bytes(devtools),
        }
    finally:
        context.close()


def _heap_bytes(devtools: Any) -> int:
    devtools.send("HeapProfiler.collectGarbage")
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return int(next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize"))


def _row(
    variant: str, name: str, run: int, recording: Recording, measured: dict[str, Any]
) -> dict[str, Any]:
    manifest = recording.manifest
    return {
        "variant": variant,
        "recording": name,
        "run": run,
        **measured,
        "decoded_bytes": manifest.raw_bytes,
        "events": manifest.events,
        "file_bytes": manifest.files["events.parquet"].bytes,
        "inputs_sha256": set_sha256(demo_inputs()),
    }


def _show(rows: list[dict[str, Any]]) -> None:
    lines = []
    for recording in dict.fromkeys(r["recording"] for r in rows):
        stock = [r for r in rows if (r["variant"], r["recording"]) == ("rrweb-player", recording)]
        for variant in ("replayport", "rrweb-player"):
            mine = [r for r in rows if (r["variant"], r["recording"]) == (variant, recording)]
            if not mine:
                continue
            line = [f"{variant}, {recording}"]
            for field, scale in (
                ("first_frame_ms", 1),
                ("seek_ms", 1),
                ("seek_max_ms", 1),
                ("heap_bytes", MB),
                ("heap_after_seeks_bytes", MB),
            ):
                values = [r[field] / scale for r in mine]
                ratio = (
                    f" {median(values) / median([r[field] / scale for r in stock]):.2f}x"
                    if stock
                    else ""
                )
                line.append(spread(values) + (ratio if variant == "replayport" else ""))
            file_bytes = mine[0]["file_bytes"]
            share = median([r["fetched_bytes"] for r in mine]) / file_bytes
            line.append(f"{share:.2f}" if variant == "replayport" else "all")
            lines.append(line)
    table(
        "player, median (min-max), and how many times rrweb-player",
        [
            "",
            "first frame ms",
            "seek ms",
            "slowest seek ms",
            "heap MB",
            "after seeks MB",
            "fetched",
        ],
        lines,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
