"""Answers with a part of a file: HTTP ranges, ETags, and what of them is honoured."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

_RANGE: Final = re.compile(r"[Bb][Yy][Tt][Ee][Ss]=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


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


async def ranged(
    request: Request,
    read: Callable[[int, int], bytes],
    *,
    size: int,
    etag: str,
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """
    Answer with what a request asks of a file.

    Args:
        request: GET or HEAD.
        read: Gives ``[start, end)``; run in a thread.
        size: Bytes of the whole.
        etag: Of the whole, without quotes.
        media_type: Of the file.
        headers: Added to the answer.
    """
    known = {
        "accept-ranges": "bytes",
        "etag": f'"{etag}"',
        "cache-control": "private, no-cache",
        **(headers or {}),
    }
    if request.method == "HEAD":
        return Response(headers=known | {"content-length": str(size)}, media_type=media_type)
    if request.headers.get("if-none-match") == known["etag"]:
        return Response(status_code=304, headers=known)
    wanted = request.headers.get("range")
    if request.headers.get("if-range", known["etag"]) != known["etag"]:
        wanted = None  # what the browser has a part of was rewritten since
    found = parse_range(wanted, size)
    if found is None:
        whole = await run_in_threadpool(read, 0, size)
        return Response(whole, headers=known, media_type=media_type)
    start, end = found
    if start >= end:
        return Response(status_code=416, headers=known | {"content-range": f"bytes */{size}"})
    return Response(
        await run_in_threadpool(read, start, end),
        status_code=206,
        headers=known | {"content-range": f"bytes {start}-{end - 1}/{size}"},
        media_type=media_type,
    )
