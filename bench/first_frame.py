"""
How long until a recording is seen, in Chromium.

```
html export     one page from disk, the network off; until the player's ``firstframe``
rrweb-player    stock, from npm, in one page from disk with the same events as JSON inline;
                until its replayer says ``fullsnapshot-rebuilded`` and that was painted
server page     the page of ``replayport serve``, which reads events.parquet by ranges;
                and how many of the file's bytes had been asked for by then
```

From the start of navigation to the event, as the page's own clock has it. Each run is a new
browser context, so nothing is cached; one browser for all, started before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import BENCH, MB, console, median, node_packages, save, spread, table
from inputs import decode_lines, demo_inputs, set_sha256, synthetic_lines

from replayport.archive import Archive, RecordingDraft
from replayport.demo.record import find_chromium
from replayport.errors import ReplayError
from replayport.export import EXPORTS, ExportOptions
from replayport.format.reader import Recording
from replayport.server.app import make_app
from replayport.testing import serve

RECORDING_BYTES = 5 * MB
LONG_BYTES = 50 * MB
RUNS = 5
TIMEOUT_MS = 60_000

_LISTEN = """
addEventListener("firstframe", () => { window.firstFrameMs ??= performance.now(); }, true);
"""
_STOCK_PAGE = """<!doctype html><html><head><meta charset="utf-8"><style>%(style)s</style></head>
<body><div id="player"></div>
<script type="application/json" id="events">%(events)s</script>
<script>%(script)s</script>
<script>
const events = JSON.parse(document.getElementById("events").textContent);
const Player = rrwebPlayer.Player ?? rrwebPlayer.default ?? rrwebPlayer;
const player = new Player({target: document.getElementById("player"), props: {events}});
player.addEventListener("fullsnapshot-rebuilded", () => {
  requestAnimationFrame(() => setTimeout(() => { window.firstFrameMs ??= performance.now(); }, 0));
});
</script></body></html>"""


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--bytes", type=int, default=RECORDING_BYTES)
    parser.add_argument("--long-bytes", type=int, default=LONG_BYTES)
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(argv)
    try:
        from playwright.sync_api import sync_playwright

        chromium = find_chromium()
    except (ImportError, ReplayError) as e:
        console.print(f"first_frame: skipped, {e}")
        return []
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as scratch_name,
        Archive.open(f"{scratch_name}/archive", create=True) as archive,
        sync_playwright() as playwright,
    ):
        scratch = Path(scratch_name)
        short = store(archive, "short", options.bytes)
        long = store(archive, "long", options.long_bytes)
        pages = {"html export": _write(short, "html", scratch / "export.html")}
        if node_packages():
            pages["rrweb-player"] = _stock_page(short, scratch / "stock.html")
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        with serve(make_app(archive)) as url:
            for run in range(options.runs + 1):  # the first warms the browser
                for variant, page in pages.items():
                    ms, _ = _open(browser, page.as_uri(), offline=True)
                    rows.append(_row(variant, run, short, ms, page.stat().st_size, None))
                for recording in (short, long):
                    address = f"{url}/recordings/{recording.manifest.project}/{recording.id}"
                    ms, fetched = _open(browser, address, offline=False)
                    size = recording.manifest.files["events.parquet"].bytes
                    rows.append(
                        _row(f"server page, {recording.id}", run, recording, ms, size, fetched)
                    )
        browser.close()
    rows = [r for r in rows if r["run"]]
    _show(rows)
    where = {"folder": options.results} if options.results else {}
    save("first_frame", rows, **where)
    return rows


def _show(rows: list[dict[str, Any]]) -> None:
    stock = [r["ms"] for r in rows if r["variant"] == "rrweb-player"]
    lines = []
    for variant in dict.fromkeys(r["variant"] for r in rows):
        mine = [r for r in rows if r["variant"] == variant]
        fetched = [r["fetched_bytes"] / r["file_bytes"] for r in mine if r["fetched_bytes"] != ""]
        times = [r["ms"] for r in mine]
        same = variant.startswith(("html", "rrweb"))
        lines.append(
            [
                variant,
                f"{mine[0]['decoded_bytes'] / MB:.1f}",
                f"{mine[0]['file_bytes'] / 1000:,.0f}",
                spread(times),
                f"{median(times) / median(stock):.2f}" if stock and same else "",
                f"{median(fetched):.2f}" if fetched else "",
            ]
        )
    table(
        "first frame, from the start of navigation",
        ["", "decoded MB", "file kB", "ms, median (min-max)", "x rrweb-player", "fetched / file"],
        lines,
    )


def _row(
    variant: str, run: int, recording: Recording, ms: float, size: int, fetched: int | None
) -> dict[str, Any]:
    return {
        "variant": variant,
        "run": run,
        "ms": round(ms, 1),
        "decoded_bytes": recording.manifest.raw_bytes,
        "file_bytes": size,
        "fetched_bytes": "" if fetched is None else fetched,
        "inputs_sha256": set_sha256(demo_inputs()),
    }


def store(archive: Archive, name: str, size_bytes: int) -> Recording:
    """Make a long recording of the demo's, all in one window, and store it."""
    decoder = decode_lines(synthetic_lines(size_bytes, one_window=True))
    draft = RecordingDraft(
        project="bench", session_id=name, columns=decoder.columns, source={"kind": "file"}
    )
    return archive.recording(archive.write(draft).id)


def _write(recording: Recording, target: str, path: Path) -> Path:
    with path.open("wb") as file:
        for piece in EXPORTS[target].load()(recording, ExportOptions()):
            file.write(piece)
    return path


def _stock_page(recording: Recording, path: Path) -> Path:
    dist = BENCH / "node_modules" / "rrweb-player" / "dist"
    events = b"".join(EXPORTS["rrweb-json"].load()(recording, ExportOptions())).decode()
    page = _STOCK_PAGE % {
        "style": (dist / "style.min.css").read_text(encoding="utf-8"),
        "script": (dist / "rrweb-player.umd.min.cjs")
        .read_text(encoding="utf-8")
        .replace("</script", "<\\/script"),
        "events": events.replace("<", "\\u003c"),
    }
    path.write_text(page, encoding="utf-8")
    return path


def _open(browser: Any, address: str, *, offline: bool) -> tuple[float, int]:
    """Open a page; give when the first frame was there, and bytes of events asked for by then."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        context.set_offline(offline)
        page = context.new_page()
        page.add_init_script(_LISTEN)
        fetched: list[int] = []
        page.on(
            "response",
            lambda r: (
                fetched.append(int(r.headers.get("content-length", 0)))
                if "/files/" in r.url and r.request.method == "GET"
                else None
            ),
        )
        page.goto(address, wait_until="commit")
        waited = 0
        # Asked again and again: `wait_for_function` needs unsafe-eval, which our page forbids.
        while (ms := page.evaluate("window.firstFrameMs ?? null")) is None:
            page.wait_for_timeout(20)
            waited += 20
            if waited > TIMEOUT_MS:
                raise RuntimeError(f"no first frame after {TIMEOUT_MS} ms")
        return float(ms), sum(fetched)
    finally:
        context.close()


if __name__ == "__main__":
    main(sys.argv[1:])
