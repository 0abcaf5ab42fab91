"""
Which pages may talk to the capture server: all of them, as with PostHog.

The SDK runs on the customer's pages, whose origins differ from this server's. It sends
no cookie that this server reads, and nothing it may read back is secret: recorded
content leaves through other routes, which send none of these headers.

```
page's Origin   -> Access-Control-Allow-Origin: the same, with Vary: Origin
none            -> Access-Control-Allow-Origin: *
preflight       -> 200, methods GET, POST, OPTIONS, the headers it asks for
```

Source:
    PostHog ``rust/capture/src/router.rs``: mirrored origin and headers, credentials.
"""

from __future__ import annotations

import re
from typing import Final

Headers = list[tuple[bytes, bytes]]

PREFLIGHT_SECONDS: Final = 7200
"""Chromium's longest; a preflight a page load would double the requests."""

_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")
_ORIGIN: Final = re.compile(rb"[\x21-\x7e]{1,2048}")


def cors_headers(origin: bytes | None) -> Headers:
    """
    Give the headers every answer needs.

    Args:
        origin: ``Origin`` of the request; None when it has none.
    """
    if origin is None or not _ORIGIN.fullmatch(origin):
        return [(b"access-control-allow-origin", b"*"), (b"vary", b"Origin")]
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


def preflight_headers(origin: bytes | None, requested_headers: bytes | None) -> Headers:
    """
    Give the headers of an answer to OPTIONS.

    Args:
        origin: ``Origin`` of the request; None when it has none.
        requested_headers: ``Access-Control-Request-Headers``; None when it has none.
    """
    headers = [
        *cors_headers(origin),
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
    ]
    if requested_headers is not None and _NAMES.fullmatch(requested_headers):
        headers.append((b"access-control-allow-headers", requested_headers))
    return headers
