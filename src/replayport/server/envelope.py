"""
The one shape of an error: ``{"ok": false, "error", "reason", "status"}``.

``error`` is a sentence for people, ``reason`` one of `REASONS` for programs. A person with
a browser gets a small page that says the same.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from replayport.errors import (
    AmbiguousRecordingError,
    DamagedRecordingError,
    FormatVersionError,
    RecordingNotFoundError,
    ReplayError,
)
from replayport.server.pages import error_page

REASONS: Final[dict[str, tuple[int, str]]] = {
    "invalid": (400, "A parameter or the body is not what the route takes."),
    "invalid_cursor": (400, "`after` is not a cursor this server gave."),
    "wrong_host": (400, "The `Host` header names a server this one does not answer for."),
    "not_signed_in": (401, "No session and no token, or one that is not good any more."),
    "wrong_credentials": (401, "The name or the password is wrong."),
    "wrong_password": (401, "A shared recording's password is missing or wrong."),
    "missing_scope": (403, "The token or role may not do this; the sentence names the scope."),
    "cross_site": (403, "A page of another site sent this with a browser's cookie."),
    "not_found": (404, "There is no such thing, or not for you."),
    "gone": (410, "It was there: an expired or revoked link, a used invitation."),
    "wrong_method": (405, "The route does not take this method."),
    "conflict": (409, "Something of that name is there."),
    "too_large": (413, "The body or the answer would be too large."),
    "bad_range": (416, "The range lies outside the file."),
    "throttled": (429, "Too many attempts; `Retry-After` says when to come back."),
    "damaged": (500, "A stored file does not read. `replayport verify` says more."),
    "failed": (500, "Something went wrong here; the terminal of `serve` says what."),
}
"""Reason to its status and meaning; the reference page is made from this."""

_LIKE_POSTHOG: Final = re.compile(
    r"/api/(?:projects|environments)/[^/]+/(?:session_recordings|query)(?:/|$)"
)
_POSTHOG_CODES: Final = {
    401: "authentication_failed",
    403: "permission_denied",
    404: "not_found",
    429: "throttled",
}
_log: Final = logging.getLogger("replayport.server")


class ErrorBody(BaseModel):
    """What every error is."""

    ok: bool = Field(False, description="Always false.")
    error: str = Field(description="A sentence for people.")
    reason: str = Field(description="One of a closed set, see the table of reasons.")
    status: int = Field(description="The HTTP status.")


class ApiError(HTTPException):
    """An error with a reason."""

    def __init__(
        self, reason: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(REASONS[reason][0], message, headers)
        self.reason = reason


_REASON_OF_STATUS: Final = {
    400: "invalid",
    401: "not_signed_in",
    403: "missing_scope",
    404: "not_found",
    405: "wrong_method",
    413: "too_large",
    416: "bad_range",
}


_ROUTER_SAYS: Final = {  # instead of its own words, which help nobody
    "Not Found": "no page, file or API has this address. Look for a part that is missing or misspelt",
    "Method Not Allowed": "what is at this address does not take this kind of request",
}


def respond(
    request: Request,
    status: int,
    message: str,
    reason: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Give the envelope, or a small page where a person asked."""
    if wants_page(request):
        shared = request.url.path.startswith(("/shared/", "/embed/"))
        page = error_page(status, message, has_home=not shared)
        return HTMLResponse(page, status, headers)
    body: dict[str, Any] = {"ok": False, "error": message, "reason": reason, "status": status}
    if _LIKE_POSTHOG.match(request.url.path):  # its clients look for these
        body |= {"type": "server_error" if status >= 500 else "invalid_request"}
        body |= {"code": _POSTHOG_CODES.get(status, reason), "detail": message, "attr": None}
    return JSONResponse(body, status, headers)


def wants_page(request: Request) -> bool:
    """Tell whether a browser asks for something to look at."""
    return not request.url.path.startswith(("/api/", "/files/")) and (
        "text/html" in request.headers.get("accept", "text/html")
    )


async def http_error(request: Request, exc: Exception) -> Response:
    """Answer what a route raised on purpose."""
    assert isinstance(exc, HTTPException)
    reason = getattr(exc, "reason", None) or _REASON_OF_STATUS.get(exc.status_code, "failed")
    said = _ROUTER_SAYS.get(str(exc.detail), str(exc.detail))
    return respond(request, exc.status_code, said, reason, exc.headers)


async def invalid(request: Request, exc: Exception) -> Response:
    """Answer parameters that do not fit; their values are not repeated."""
    assert isinstance(exc, RequestValidationError)
    said = []
    for error in exc.errors()[:5]:
        where = ".".join(str(part) for part in error["loc"][1:]) or str(error["loc"][0])
        said.append(f"{where}: {error['msg']}")
    return respond(request, 400, "; ".join(said)[:500], "invalid")


async def replay_error(request: Request, exc: Exception) -> Response:
    """Answer what the package raised."""
    if isinstance(exc, RecordingNotFoundError | AmbiguousRecordingError):
        # Its own words name similar ids, which may be of projects that are not theirs to see.
        _log.info("%s %s: %s", request.method, request.url.path, exc)
        return respond(request, 404, "there is no such recording", "not_found")
    _log.error("%s %s: %s", request.method, request.url.path, exc)
    if isinstance(exc, DamagedRecordingError | FormatVersionError):
        return respond(request, 500, str(exc), "damaged")
    return respond(request, 500, str(exc), "failed")


async def file_gone(request: Request, _: Exception) -> Response:
    """Answer when a file the manifest lists is not in the store."""
    return respond(
        request,
        500,
        "a file of this recording is missing from the store. Run: replayport verify",
        "damaged",
    )


async def unexpected(request: Request, _: Exception) -> Response:
    """Answer anything else; what it was goes to the terminal only."""
    return respond(
        request, 500, "something went wrong here; the terminal of `serve` says what", "failed"
    )


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give what OpenAPI says of a route's errors."""
    return {
        status: {
            "model": ErrorBody,
            "description": ", ".join(f"`{n}`" for n, (s, _) in REASONS.items() if s == status),
        }
        for status in statuses
    }


HANDLERS: Final[dict[Any, Any]] = {
    HTTPException: http_error,
    RequestValidationError: invalid,
    ReplayError: replay_error,
    FileNotFoundError: file_gone,
    Exception: unexpected,
}
