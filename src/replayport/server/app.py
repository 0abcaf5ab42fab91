"""
The pages and files a browser needs to look at an archive.

```
GET /                                     recordings, newest first
GET /recordings/{project}/{id}            the player on one recording
GET /api/recordings                       the list as JSON (cursor paging)
GET /api/recordings/{project}/{id}        a manifest
GET /files/{project}/{id}/events.parquet  by range: what the player reads
GET /files/{project}/{id}/assets.json     what was frozen with it
GET /files/{project}/{id}/assets/{ab}/{sha256}    one of those
GET /static/{name}                        the built web files
GET /healthz
```

Read-only, made for the loopback interface: the Host header must name the address
listened on, so that no page elsewhere can reach it through a name of its own (DNS
rebinding). Recorded content never becomes part of these pages: the player shows it in
an opaque-origin frame (docs/adr/0001).
"""

from __future__ import annotations

import dataclasses
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from replayport.archive import Archive
from replayport.catalog.base import PageKey
from replayport.errors import AmbiguousRecordingError, RecordingNotFoundError, ReplayError
from replayport.format.schema import EVENTS_FILE
from replayport.playable import needs_conversion, playable_parquet
from replayport.player_assets import (
    LICENSES_FILE,
    PLAYER_FILE,
    RECORDER_FILE,
    player_policy,
    static_file,
)
from replayport.server.live import LiveRecordings
from replayport.server.pages import list_page, player_page

PAGE_ROWS: Final = 100
_RANGE: Final = re.compile(r"[Bb][Yy][Tt][Ee][Ss]=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::[0-9]{1,5})?")
_STATIC_FILES: Final = {
    PLAYER_FILE: "text/javascript",
    RECORDER_FILE: "text/javascript",
    LICENSES_FILE: "text/plain",
}
_LIVE_SCRIPT: Final = """\
// While a recording is being made: look every few seconds whether it has grown, and go on
// from the same place when the player has come to the end of what it had.
const player = document.querySelector("replayport-player");
const base = player.getAttribute("src").split("?")[0];
const about = base.replace("/files/", "/api/recordings/").replace("/events.parquet", "");
let events = Number(player.dataset.events);
async function look() {
  try {
    const answer = await fetch(about);
    if (answer.ok) {
      const now = await answer.json();
      const atEnd = player.currentMs >= player.durationMs - 250;
      if (now.events > events && (atEnd || player.paused)) {
        const at = Math.floor(player.currentMs);
        events = now.events;
        player.setAttribute("start-ms", String(at));
        player.setAttribute("src", `${base}?events=${events}`);
        if (atEnd) player.play();
      }
      if (now.created_ms > 0) {
        document.querySelector(".live")?.remove();
        return;
      }
    }
  } catch {
    // The server is restarting; the next look finds it.
  }
  setTimeout(look, 3000);
}
setTimeout(look, 3000);
"""

_POLICY: Final = (
    "default-src 'none'; script-src 'self' {frame}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src data: blob:; media-src data: blob:; connect-src 'self'; "
    "frame-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The player's frame inherits this, so it names the frame's script; the frame's own policy
is stricter (no ``'self'``, no ``connect-src``)."""


def make_app(
    archive: Archive,
    *,
    live: LiveRecordings | None = None,
    allowed_hosts: Sequence[str] = ("127.0.0.1", "localhost"),
    shop_path: str = "",
) -> ASGIApp:
    """
    Make the ASGI app.

    Args:
        archive: What it shows; stays the caller's to close.
        live: Recordings still being made; None shows sealed ones only.
        shop_path: Where the demo's shop is, to link to; empty when there is none.
        allowed_hosts: Host header values answered, without port; IPv6 with or without
            brackets.
    """
    views = _Views(archive, live, shop_path)
    app = Starlette(
        routes=[
            Route("/", views.index),
            Route("/recordings/{project}/{id}", views.player),
            Route("/api/recordings", views.api_list),
            Route("/api/recordings/{project}/{id}", views.api_one),
            Route("/files/{project}/{id}/events.parquet", views.events, methods=["GET", "HEAD"]),
            Route("/files/{project}/{id}/assets.json", views.assets),
            Route("/files/{project}/{id}/assets/{ab}/{sha256}", views.asset),
            Route("/static/live.js", views.live_script),
            Route("/static/{name}", views.static),
            Route("/healthz", views.health),
        ],
        exception_handlers={
            HTTPException: _http_error,
            ReplayError: _replay_error,
            FileNotFoundError: _file_gone,
            Exception: _unexpected,
        },
    )
    return _Guard(app, policy=_policy(), allowed_hosts=allowed_hosts)


class _Views:
    def __init__(self, archive: Archive, live: LiveRecordings | None, shop_path: str) -> None:
        self._archive = archive
        self._live = live
        self._shop_path = shop_path
        self._converted: dict[str, bytes] = {}

    async def index(self, request: Request) -> Response:
        query = request.query_params.get("q", "").strip()
        rows, after = await run_in_threadpool(self._rows, request)
        total = await run_in_threadpool(self._archive.catalog.count)
        live = [] if self._live is None else await run_in_threadpool(list, self._live.rows())
        return HTMLResponse(
            list_page(
                rows,
                total=total,
                query=query,
                next_after=after,
                live=[] if query or "after" in request.query_params else live,
                shop_path=self._shop_path,
            )
        )

    async def player(self, request: Request) -> Response:
        recording = await run_in_threadpool(self._recording, request)
        return HTMLResponse(
            player_page(recording.manifest, live=recording.manifest.created_ms == 0)
        )

    async def api_list(self, request: Request) -> Response:
        rows, after = await run_in_threadpool(self._rows, request)
        return JSONResponse(
            {"recordings": [dataclasses.asdict(r) for r in rows], "next_after": after}
        )

    async def api_one(self, request: Request) -> Response:
        recording = await run_in_threadpool(self._recording, request)
        return Response(msgspec.json.encode(recording.manifest), media_type="application/json")

    async def events(self, request: Request) -> Response:
        """Serve the events by range; a mobile recording is converted for the browser first."""
        recording = await run_in_threadpool(self._recording, request)
        manifest = recording.manifest
        info = manifest.files.get(EVENTS_FILE)
        if info is None:
            raise HTTPException(500, "the manifest lists no events. Run: replayport verify")
        if needs_conversion(manifest):
            data = self._converted.get(info.sha256)
            if data is None:
                data = await run_in_threadpool(playable_parquet, recording)
                self._converted = {info.sha256: data}  # the newest one only: memory is bounded
            size = len(data)

            def read(start: int, end: int) -> bytes:
                return data[start:end]
        else:
            size = info.bytes

            def read(start: int, end: int) -> bytes:
                found: bytes = recording.read_range(EVENTS_FILE, start, end)
                return found

        headers = {
            "accept-ranges": "bytes",
            "etag": f'"{info.sha256[:32]}"',
            "cache-control": "private, no-cache",
        }
        media = "application/vnd.apache.parquet"
        if request.method == "HEAD":
            return Response(headers=headers | {"content-length": str(size)}, media_type=media)
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        wanted = request.headers.get("range")
        if request.headers.get("if-range", headers["etag"]) != headers["etag"]:
            wanted = None  # what the browser has a part of was rewritten since
        found = parse_range(wanted, size)
        if found is None:
            return Response(
                await run_in_threadpool(read, 0, size), headers=headers, media_type=media
            )
        start, end = found
        if start >= end:
            return Response(status_code=416, headers=headers | {"content-range": f"bytes */{size}"})
        return Response(
            await run_in_threadpool(read, start, end),
            status_code=206,
            headers=headers | {"content-range": f"bytes {start}-{end - 1}/{size}"},
            media_type=media,
        )

    async def assets(self, request: Request) -> Response:
        """Serve the map of what was frozen; an empty one when nothing was."""
        recording = await run_in_threadpool(self._recording, request)
        found = await run_in_threadpool(recording.assets)
        return Response(
            found.to_bytes(),
            media_type="application/json",
            headers={"cache-control": "private, no-cache"},
        )

    async def asset(self, request: Request) -> Response:
        """
        Serve a frozen asset of that recording.

        As bytes without a meaning, to be saved and not shown: what a recorded site served must
        never be a page, an image or a script of this origin. The player knows the type.
        """
        sha256 = request.path_params["sha256"]

        def read() -> bytes:
            recording = self._recording(request)
            if sha256[:2] != request.path_params["ab"] or sha256 not in recording.assets().sizes():
                raise HTTPException(404, "this recording has no such asset")
            data: bytes = recording.asset(sha256)
            return data

        data = await run_in_threadpool(read)
        return Response(
            data,
            media_type="application/octet-stream",
            headers={
                "cache-control": "private, max-age=31536000, immutable",
                "content-disposition": "attachment",
            },
        )

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC_FILES:
            raise HTTPException(404, "there is no such file")
        data = await run_in_threadpool(static_file(name).read_bytes)
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        return Response(
            data,
            media_type=_STATIC_FILES[name],
            headers={"etag": etag, "cache-control": "no-cache"},
        )

    async def live_script(self, _: Request) -> Response:
        """Serve the script that lets a live recording grow under the player."""
        return Response(
            _LIVE_SCRIPT, media_type="text/javascript", headers={"cache-control": "no-cache"}
        )

    async def health(self, _: Request) -> Response:
        return JSONResponse({"ok": True})

    def _rows(self, request: Request) -> tuple[list[Any], str | None]:
        query = request.query_params.get("q", "").strip()
        after = request.query_params.get("after")
        rows = list(
            self._archive.catalog.list(
                url_contains=query or None,
                limit=PAGE_ROWS + 1,
                after=_cursor(after) if after else None,
            )
        )
        if len(rows) <= PAGE_ROWS:
            return rows, None
        return rows[:PAGE_ROWS], msgspec.json.encode(rows[PAGE_ROWS - 1].page_key()).decode()

    def _recording(self, request: Request) -> Any:
        """Find a recording: the sealed one, else what has come so far of a live one."""
        project, recording_id = request.path_params["project"], request.path_params["id"]
        events = request.query_params.get("events", "")
        if self._live is not None and events.isascii() and events.isdecimal():
            version = self._live.version(project, recording_id, int(events[:12]))
            if version is not None:
                return version
        try:
            return self._archive.recording(f"{project}/{recording_id}")
        except RecordingNotFoundError:
            live = None if self._live is None else self._live.recording(project, recording_id)
            if live is None:
                raise
            return live


def _cursor(text: str) -> PageKey:
    """
    Read a place in the list, which comes from whoever made the link.

    Raises:
        HTTPException: 400, it is none this server gave.
    """
    try:
        start_ms, project, recording_id = msgspec.json.decode(text, type=tuple[int, str, str])
        if not -(2**63) <= start_ms < 2**63:
            raise ValueError("no time")
    except (ValueError, RecursionError) as e:
        raise HTTPException(400, "`after` is not a cursor this server gave") from e
    return start_ms, project, recording_id


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """
    Read an HTTP Range header; the one place where its inclusive end becomes half-open.

    Args:
        header: ``bytes=0-99``, ``bytes=100-`` or ``bytes=-100``.
        size: Bytes of the whole.

    Returns:
        ``[start, end)``; None when there is no range to honour (none asked, several, or
        not in bytes: the whole answer is right then); an empty range when it lies outside.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return None
    first, last = found[1], found[2]
    if not first:
        return max(0, size - int(last)), size
    start = int(first)
    end = min(size, int(last) + 1) if last else size
    if last and int(last) < start:
        return None
    if start >= size:
        return size, size
    return start, end


def _policy() -> str:
    frame = " ".join(f"'{digest}'" for digest in player_policy().frame_sha256)
    return _POLICY.format(frame=frame)


class _Guard:
    """
    Answers requests for our own host only, and gives every answer the same headers.

    Outside of everything else: errors of the framework have them as well.
    """

    def __init__(self, app: ASGIApp, *, policy: str, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = {host.strip("[]").lower() for host in allowed_hosts}
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        if scope["type"] == "http" and not self._is_for_us(scope):
            await _error(Request(scope), 400, "this server does not answer for that host name")(
                scope, receive, with_headers
            )
            return
        await self._app(scope, receive, with_headers)

    def _is_for_us(self, scope: Scope) -> bool:
        named = [value for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1:
            return False
        found = _HOST.fullmatch(named[0].decode("latin-1"))
        return found is not None and (found[1] or found[2]).lower() in self._hosts


def _error(
    request: Request, status: int, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Give the one error envelope, or a small page where a person asked."""
    if request.url.path.startswith(("/api/", "/files/")):
        return JSONResponse(
            {"ok": False, "error": message, "reason": str(status), "status": status},
            status,
            headers,
        )
    return HTMLResponse(
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>replayport</title><body style='font:16px/1.6 system-ui;max-width:40rem;"
        f"margin:4rem auto;padding:0 1rem;color-scheme:light dark'><h1>{status}</h1>"
        f"<p>{html.escape(message)}</p><p><a href='/'>All recordings</a></p>",
        status,
        headers,
    )


async def _http_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    return _error(request, exc.status_code, exc.detail, exc.headers)


async def _replay_error(request: Request, exc: Exception) -> Response:
    status = 404 if isinstance(exc, RecordingNotFoundError | AmbiguousRecordingError) else 500
    return _error(request, status, str(exc))


async def _file_gone(request: Request, _: Exception) -> Response:
    return _error(
        request,
        500,
        "a file of this recording is missing from the store. Run: replayport verify",
    )


async def _unexpected(request: Request, _: Exception) -> Response:
    return _error(request, 500, "something went wrong here; the terminal of `serve` says what")
