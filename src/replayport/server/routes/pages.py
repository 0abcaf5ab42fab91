"""
Pages for browsers, and the built web files.

```
GET  /, /projects, /settings    the web app        (web/packages/app)
GET  /recordings/{project}/{id} the same, 404 when there is none
GET  /sign-in, /setup           the same, for who is not signed in
GET  /static/{name}, /static/app/{path}
GET  /healthz
```
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from replayport.errors import RecordingNotFoundError
from replayport.player_assets import LICENSES_FILE, PLAYER_FILE, RECORDER_FILE, static_file
from replayport.server.auth import Identity, current
from replayport.server.envelope import ApiError
from replayport.server.pages import SHARED_SCRIPT
from replayport.server.services import services_of

router: Final = APIRouter(include_in_schema=False)

_GET: Final = ["GET", "HEAD"]
APP_INDEX: Final = "app/index.html"

_FILES: Final = {
    PLAYER_FILE: "text/javascript",
    RECORDER_FILE: "text/javascript",
    LICENSES_FILE: "text/plain",
}
_SCRIPTS: Final = {
    "shared.js": SHARED_SCRIPT,
}
_APP_FILE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


def signed_in(request: Request) -> Identity:
    """Give who asks for a page; whoever is nobody is asked to sign in first."""
    try:
        identity = current(request)
    except ApiError as e:
        if e.status_code != 401:
            raise
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise _ToSignInError(f"/sign-in?next={quote(where, safe='')}") from e
    if not identity.may("session_recording:read"):
        raise ApiError("missing_scope", "API key missing required scope 'session_recording:read'")
    return identity


class _ToSignInError(Exception):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


async def to_sign_in(_: Request, exc: Exception) -> Response:
    """Send a browser to the page where one signs in."""
    assert isinstance(exc, _ToSignInError)
    return RedirectResponse(exc.url, 303, {"cache-control": "no-store"})


PAGE_HANDLERS: Final[dict[Any, Any]] = {_ToSignInError: to_sign_in}

Viewer = Annotated[Identity, Depends(signed_in)]


@router.api_route("/", methods=_GET)
@router.api_route("/projects", methods=_GET)
@router.api_route("/projects/{name}", methods=_GET)
@router.api_route("/settings", methods=_GET)
def app(identity: Viewer, name: str = "") -> Response:  # noqa: ARG001 - who asks was checked
    """Show the web app, which asks the API for what is in it."""
    return app_page()


@router.api_route("/recordings/{project}/{id}", methods=_GET)
def player(request: Request, identity: Viewer, project: str, id: str) -> Response:  # noqa: A002
    """Show the web app on one recording."""
    try:
        services_of(request).recording(identity, project, id)
    except RecordingNotFoundError:
        return app_page(404)
    return app_page()


@router.api_route("/sign-in", methods=_GET)
def sign_in(request: Request, next: str = "/") -> Response:  # noqa: A002 - in the address
    """Ask for name and password."""
    services = services_of(request)
    if services.access is None or services.access.identify(request) is not None:
        return RedirectResponse(safe_path(next), 303, {"cache-control": "no-store"})
    return app_page()


@router.api_route("/setup", methods=_GET)
def setup() -> Response:
    """Ask for a password; the invitation is behind the ``#`` of the address."""
    return app_page()


def safe_path(path: str) -> str:
    """Give a path of this server to go to; the first page for anything else."""
    # Browsers read // and /\ as another host, and leave tabs and newlines out of addresses.
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_ours and path.isprintable() and "\\" not in path else "/"


@router.api_route("/static/app/{path:path}", methods=_GET)
def app_static(request: Request, path: str) -> Response:
    """Serve a file of the web app."""
    file = app_file(f"app/{path}")
    if file is None:
        raise ApiError("not_found", "there is no such file")
    media = mimetypes.guess_type(path)[0] or "application/octet-stream"
    hashed = "/assets/" in f"/{path}"
    return _static(request, file, media, immutable=hashed)


@router.api_route("/static/{name}", methods=_GET)
def static(request: Request, name: str) -> Response:
    """Serve a built file or a small script of the pages."""
    if name in _SCRIPTS:
        return _static(request, _SCRIPTS[name].encode(), "text/javascript")
    if name not in _FILES:
        raise ApiError("not_found", "there is no such file")
    return _static(request, static_file(name).read_bytes(), _FILES[name])


@router.api_route("/healthz", methods=_GET)
def health() -> Response:
    """Say that the server runs."""
    return JSONResponse({"ok": True})


def app_file(path: str) -> bytes | None:
    """Give a file of the built web app; None when there is none."""
    from importlib.resources import files

    if not _APP_FILE.fullmatch(path) or ".." in path:
        return None
    file = files("replayport").joinpath("static", *path.split("/"))
    return file.read_bytes() if file.is_file() else None


def app_page(status: int = 200) -> Response:
    """Give the web app's page; it holds no data."""
    index = app_file(APP_INDEX)
    if index is None:
        raise ApiError("not_found", "the web app was not built. Build it: make web")
    return HTMLResponse(index, status, {"cache-control": "no-cache"})


def _static(request: Request, data: bytes, media: str, *, immutable: bool = False) -> Response:
    headers = {
        "etag": f'"{hashlib.sha256(data).hexdigest()[:32]}"',
        "cache-control": "public, max-age=31536000, immutable" if immutable else "no-cache",
    }
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media, headers=headers)
