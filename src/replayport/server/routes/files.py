"""
A recording's files, as the player reads them.

```
GET /files/{project}/{id}/events.parquet          by range
GET /files/{project}/{id}/assets.json
GET /files/{project}/{id}/assets/{ab}/{sha256}    one that was frozen with it
```
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from replayport.format.reader import Recording
from replayport.format.schema import EVENTS_FILE
from replayport.playable import needs_conversion, playable_parquet
from replayport.server.auth import Identity, needs
from replayport.server.envelope import ApiError, error_responses
from replayport.server.ranges import ranged
from replayport.server.services import services_of
from replayport.share.links import Kept

router: Final = APIRouter(
    prefix="/files", tags=["files"], responses=error_responses(401, 403, 404, 416)
)

PARQUET: Final = "application/vnd.apache.parquet"
_converted: Final = Kept(64 * 2**20)
"""Mobile recordings made ready to draw."""

REWRITE_LOOKS: Final = 10
"""How often a file that does not match its manifest is looked at again."""

REWRITE_WAIT_S: Final = 0.1

Reader = Annotated[Identity, needs("session_recording:read")]


class RewrittenError(Exception):
    """A recording's file and its manifest were read before and after a rewrite."""


@router.head("/{project}/{id}/events.parquet", include_in_schema=False)
@router.get("/{project}/{id}/events.parquet")
async def get_events(
    request: Request,
    identity: Reader,
    project: str,
    id: str,  # noqa: A002 - the field's name
    events: str = "",
) -> Response:
    """Serve the events by range; a mobile recording is converted for the browser first."""
    services = services_of(request)

    def find() -> Recording:
        return services.recording(identity, project, id, events=events)

    recording = await run_in_threadpool(find)
    await run_in_threadpool(services.viewed, identity, recording)
    for _ in range(REWRITE_LOOKS):
        try:
            return await events_of(request, recording, is_checked=True)
        except RewrittenError:
            await asyncio.sleep(REWRITE_WAIT_S)
            recording = await run_in_threadpool(find)
    # It stays as it is, so it is damaged: what can be read of it still plays.
    return await events_of(request, recording)


async def events_of(
    request: Request, recording: Recording, *, is_checked: bool = False
) -> Response:
    """
    Answer with a recording's events as they are stored, or as they can be drawn.

    Args:
        request: By range or not.
        recording: Whose.
        is_checked: Compare an answer that is the whole file with its digest.

    Raises:
        RewrittenError: It was not what the manifest says, as while it is replaced. Of a part
            nobody can tell that here; whoever reads parts compares their ETags.
    """
    manifest = recording.manifest
    info = manifest.files.get(EVENTS_FILE)
    if info is None:
        raise ApiError("damaged", "the manifest lists no events. Run: replayport verify")
    size = info.bytes

    def read(start: int, end: int) -> bytes:
        found: bytes = recording.read_range(EVENTS_FILE, start, end)
        is_whole = (start, end) == (0, size)
        if is_checked and is_whole and hashlib.sha256(found).hexdigest() != info.sha256:
            raise RewrittenError
        return found

    if needs_conversion(manifest):
        data = await run_in_threadpool(
            _converted.get, (info.sha256,), lambda: playable_parquet(recording)
        )
        size = len(data)

        def read(start: int, end: int) -> bytes:
            return data[start:end]

    return await ranged(request, read, size=size, etag=info.sha256[:32], media_type=PARQUET)


@router.get("/{project}/{id}/assets.json")
def get_assets(
    request: Request,
    identity: Reader,
    project: str,
    id: str,  # noqa: A002 - the field's name
    events: str = "",
) -> Response:
    """Serve the map of what was frozen; an empty one when nothing was."""
    recording = services_of(request).recording(identity, project, id, events=events)
    return Response(
        recording.assets().to_bytes(),
        media_type="application/json",
        headers={"cache-control": "private, no-cache"},
    )


@router.get("/{project}/{id}/assets/{ab}/{sha256}")
def get_asset(
    request: Request,
    identity: Reader,
    project: str,
    id: str,  # noqa: A002 - the field's name
    ab: str,
    sha256: str,
    events: str = "",
) -> Response:
    """Serve a frozen asset of that recording."""
    recording = services_of(request).recording(identity, project, id, events=events)
    return asset_of(recording, ab, sha256)


def asset_of(recording: Recording, ab: str, sha256: str) -> Response:
    """
    Answer with a frozen asset.

    As bytes without a meaning, to be saved and not shown: what a recorded site served must
    never be a page, an image or a script of this origin. The player knows the type.
    """
    if sha256[:2] != ab or sha256 not in recording.assets().sizes():
        raise ApiError("not_found", "this recording has no such asset")
    data: bytes = recording.asset(sha256)
    return Response(
        data,
        media_type="application/octet-stream",
        headers={
            "cache-control": "private, max-age=31536000, immutable",
            "content-disposition": "attachment",
        },
    )
