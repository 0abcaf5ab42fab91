"""
The web server: pages, API, files and shared links over one archive.

```
Guard                     whose Host is answered; the headers every answer has
└── FastAPI
    ├── routes/pages      /, /recordings/…, /sign-in, /static/…
    ├── routes/recordings, projects, session, shares, support     /api/…
    ├── routes/files      /files/{project}/{id}/…: what the player reads
    ├── routes/shares     /shared/{token}, /embed/{token}
    └── routes/posthog    /api/projects/{project}/session_recordings/…
```

Every route needs somebody who is signed in, or a token, except those `auth.PUBLIC` lists.
Recorded content never becomes part of these pages: the player shows it in an
opaque-origin frame (docs/adr/0001).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from replayport import __version__
from replayport.annotations import AnnotationStore
from replayport.archive import Archive
from replayport.audit import AuditLog
from replayport.server.auth import COOKIE, PUBLIC
from replayport.server.envelope import HANDLERS, ApiError, respond
from replayport.server.guard import Guard
from replayport.server.live import LiveRecordings
from replayport.server.routes import (
    files,
    pages,
    posthog,
    projects,
    recordings,
    session,
    shares,
    support,
)
from replayport.server.services import Services, default_settings, services_of

_about: Final = APIRouter()
ROUTERS: Final[tuple[APIRouter, ...]] = (
    recordings.router,
    projects.router,
    session.router,
    shares.router,
    support.router,
    files.router,
    posthog.router,
    _about,
    pages.router,
)
MAX_BODY_BYTES: Final = 2**20
"""Of any request: the API takes texts and settings, recordings come through capture."""

_ABOUT: Final = """\
Everything the web app does. Send a token as `Authorization: Bearer rp_…`; a route's text says
which scope it needs where it is not `session_recording:read`. Times are epoch milliseconds
(`*_ms`), sizes bytes (`*_bytes`), intervals half-open. Every error is
`{"ok": false, "error", "reason", "status"}`.
"""


def make_app(
    archive: Archive,
    *,
    services: Services | None = None,
    live: LiveRecordings | None = None,
    allowed_hosts: Sequence[str] = ("127.0.0.1", "localhost"),
    any_address: bool = False,
    shop_path: str = "",
) -> ASGIApp:
    """
    Make the ASGI app.

    Args:
        archive: What it shows; stays the caller's to close.
        services: What routes work with. None: no sign-in, nothing remembered.
        live: Recordings still being made, when there are no services; None shows sealed
            ones only.
        allowed_hosts: Host header values answered, without port; IPv6 with or without
            brackets.
        any_address: Answer any IP address too.
        shop_path: Where the demo's shop is, to link to, when there are no services.
    """
    if services is None:
        services = Services(
            archive=archive,
            annotations=AnnotationStore(archive),
            audit=AuditLog(archive),
            settings=default_settings(),
            live=live,
            shop_path=shop_path,
        )
    app = api()
    app.state.services = services
    return Guard(
        _Bounded(app),
        allowed_hosts=allowed_hosts,
        any_address=any_address,
        has_scheme_https=lambda: services.public_url.startswith("https://"),
    )


def api() -> FastAPI:
    """Make the FastAPI app, which has yet to be given its services."""
    app = FastAPI(
        title="replayport",
        version=__version__,
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={**HANDLERS, **pages.PAGE_HANDLERS},
    )
    for router in ROUTERS:
        app.include_router(router)
    return app


@_about.get("/api/openapi.json", include_in_schema=False, tags=["about"])
def openapi(request: Request, _: session.Known) -> Response:
    """Describe the API, as OpenAPI."""
    return JSONResponse(document(services_of(request).public_url))


def routes() -> Iterator[APIRoute]:
    """Yield every route there is."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            yield route


def document(server_url: str = "") -> dict[str, object]:
    """Give the OpenAPI document."""
    found = api().openapi()
    found["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token: `rp_…`."},
        "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    if server_url:
        found["servers"] = [{"url": server_url}]
    for route in routes():
        for method in route.methods or ():
            operation = found["paths"].get(route.path, {}).get(method.lower())
            if operation is None:
                continue
            scopes = scopes_of(route)
            if route.path in PUBLIC:
                operation["security"] = []
            else:
                operation["security"] = [{"token": scopes}, {"cookie": scopes}]
                operation["x-scopes"] = scopes
    return found


def scopes_of(route: APIRoute) -> list[str]:
    """Give the scopes a route needs."""
    found: list[str] = []
    waiting = list(route.dependant.dependencies)
    while waiting:
        dependency = waiting.pop(0)
        found += getattr(dependency.call, "scopes", ())
        waiting += dependency.dependencies
    return sorted(set(found))


class _Bounded:
    """Refuses bodies that are larger than any route takes, before they are read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = next((v for n, v in scope["headers"] if n == b"content-length"), b"0")
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY_BYTES:
                raise ApiError("too_large", f"a body takes at most {MAX_BODY_BYTES} bytes")
            return message

        if not said.isdigit() or int(said[:20]) > MAX_BODY_BYTES:
            answer = respond(
                Request(scope), 413, f"a body takes at most {MAX_BODY_BYTES} bytes", "too_large"
            )
            await answer(scope, receive, send)
            return
        await self._app(scope, bounded, send)
