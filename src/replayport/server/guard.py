"""
What stands around every route: whose Host is answered, and the headers every answer has.

DNS rebinding needs a name of the attacker's that leads here, so an address written as
numbers is answered wherever the server listens, and a name only when it is listed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from replayport.player_assets import player_policy
from replayport.server.envelope import respond

_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::[0-9]{1,5})?")

_POLICY: Final = (
    "default-src 'none'; script-src 'self' {frame}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data: blob:; media-src data: blob:; "
    "connect-src 'self'; frame-src data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors {ancestors}"
)
"""The player's frame inherits this, so it names the frame's script; the frame's own policy
is stricter (no ``'self'``, no ``connect-src``)."""

EMBEDDABLE: Final = "replayport.frame_ancestors"
"""Key of an ASGI scope: a route sets it to the origins that may hold its page in a frame."""


class Guard:
    """
    Answers requests for our own host only, and gives every answer the same headers.

    Outside of everything else: errors of the framework have them as well.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Sequence[str],
        any_address: bool,
        has_scheme_https: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Put it around an app.

        Args:
            app: The app.
            allowed_hosts: Host header values answered, without port; IPv6 with or without
                brackets.
            any_address: Answer any IP address too, as where it has sign-in and listens on an
                interface others reach.
            has_scheme_https: Whether browsers reach it by HTTPS, so that they shall keep to it.
        """
        self._app = app
        self._hosts = {host.strip("[]").lower() for host in allowed_hosts}
        self._any_address = any_address
        self._https = has_scheme_https
        self._frame = " ".join(f"'{digest}'" for digest in player_policy().frame_sha256)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers(scope)]
            await send(message)

        if scope["type"] == "http" and not self.is_for_us(scope):
            response = respond(
                Request(scope), 400, "this server does not answer for that host name", "wrong_host"
            )
            await response(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def is_for_us(self, scope: Scope) -> bool:
        """Tell whether the one Host header names this server."""
        named = [value for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1:
            return False
        found = _HOST.fullmatch(named[0].decode("latin-1"))
        if found is None:
            return False
        host = (found[1] or found[2]).lower()
        return host in self._hosts or (self._any_address and is_address(host))

    def _headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        ancestors = scope.get(EMBEDDABLE)
        policy = _POLICY.format(frame=self._frame, ancestors=ancestors or "'none'")
        found = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-robots-tag", b"noindex, nofollow"),
            (b"cross-origin-resource-policy", b"cross-origin" if ancestors else b"same-origin"),
            (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
        ]
        if ancestors is None:
            found += [
                (b"cross-origin-opener-policy", b"same-origin"),
                (b"x-frame-options", b"DENY"),
            ]
        if self._https():
            found.append((b"strict-transport-security", b"max-age=31536000"))
        return found


def is_address(host: str) -> bool:
    """Tell whether a host is written as numbers."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
