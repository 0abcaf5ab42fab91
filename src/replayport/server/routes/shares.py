"""
Links to a recording: making and revoking them, and what they show to anybody.

```
GET POST /api/shares                         and DELETE /api/shares/{id}
GET      /shared/{token}                     the page
GET      /embed/{token}                      the same for a frame of another site
GET      /shared/{token}/recording           what the link shows, as JSON
POST     /shared/{token}/unlock              password for a grant
GET      /shared/{token}/events.parquet      cut and filtered here, by range
GET      /shared/{token}/assets.json, /assets/{ab}/{sha256}
GET      /shared/{token}/feeds/{feed}        only those the link shows
```
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from replayport.catalog.accounts import ShareLink
from replayport.errors import RecordingNotFoundError
from replayport.feeds import Feeds
from replayport.format.reader import Recording
from replayport.format.schema import EVENTS_FILE
from replayport.recording import FileInfo, Manifest
from replayport.redacting import PROFILES, RAW, leaving_of
from replayport.server.auth import Identity, address_of, needs
from replayport.server.envelope import ApiError, error_responses
from replayport.server.guard import EMBEDDABLE
from replayport.server.pages import shared_page
from replayport.server.ranges import ranged
from replayport.server.routes.files import PARQUET, asset_of
from replayport.server.routes.session import may_share_links
from replayport.server.services import Services, need, services_of
from replayport.share.cut import FEEDS_OF, cut
from replayport.share.links import SHOWS, Kept, LinkGoneError, ShareError, Sharing

router: Final = APIRouter(tags=["share"], responses=error_responses(400, 401, 403, 404, 410, 429))

_cuts: Final = Kept(128 * 2**20)
"""What links let out, kept while it is played."""

MAX_FEED_PAGE: Final = 1000

Reader = Annotated[Identity, needs("session_recording:read")]


class NewShare(BaseModel):
    """A link to make."""

    project: str
    recording_id: str
    expires_ms: int | None = Field(None, description="Epoch ms; never when null.")
    password: str | None = Field(None, max_length=1000)
    start_ms: int | None = Field(None, description="Epoch ms; nothing before it leaves.")
    end_ms: int | None = Field(None, description="Epoch ms, exclusive.")
    show: str = Field("replay", description=f"{', '.join(SHOWS)}.")
    embed_in: list[str] = Field(
        default=[],
        max_length=50,
        description="Origins whose pages may hold it in a frame; the server's setting when empty.",
    )
    live: bool = Field(False, description="Also while it is being made.")
    profile: str = Field(
        "",
        description=f"Redaction of what it shows: {', '.join(PROFILES)}; {RAW} for none; the "
        "server's setting share_profile when empty.",
    )


class Share(BaseModel):
    """A link."""

    id: str
    project: str
    recording_id: str
    created_by: str
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    is_good: bool = Field(description="Opens now.")
    has_password: bool
    start_ms: int | None
    end_ms: int | None
    show: str
    embed_in: list[str]
    live: bool
    profile: str = Field(description=f"Redaction of what it shows; {RAW} for none.")
    opened: int
    url: str
    embed_url: str
    iframe: str = Field(description="HTML to put into a page.")


class Shared(BaseModel):
    """What a link shows."""

    start_ms: int
    duration_ms: int
    show: str
    feeds: list[str]
    events_url: str
    assets_url: str | None


class Password(BaseModel):
    """A link's password."""

    password: str = Field(max_length=1000)


class Grant(BaseModel):
    """Proof that the password was given; send it as `?grant=`."""

    grant: str


# --- making them ----------------------------------------------------------------------


@router.get("/api/shares", response_model=list[Share])
def list_shares(
    request: Request,
    identity: Reader,
    project: str | None = None,
    recording_id: str | None = None,
) -> list[dict[str, Any]]:
    """List the links one may see: of a recording, of a project, or all."""
    services = services_of(request)
    sharing = _sharing(services)
    _check_may_share(services, identity)
    base = services.base_url(request)
    return [
        share_json(sharing, link, base)
        for link in sharing.links(project, recording_id)
        if identity.sees(link.project)
    ]


@router.post("/api/shares", response_model=Share, status_code=201)
def make_share(request: Request, identity: Reader, body: NewShare) -> dict[str, Any]:
    """Make a link."""
    services = services_of(request)
    sharing = _sharing(services)
    _check_may_share(services, identity)
    recording = services.recording(identity, body.project, body.recording_id)
    if recording.manifest.created_ms == 0 and not body.live:
        raise ApiError("conflict", "it is still being made. Share it live, or when it is sealed")
    try:
        link = sharing.create(
            recording.manifest.project,
            recording.manifest.id,
            created_by=identity.name,
            expires_ms=body.expires_ms,
            password=body.password or None,
            start_ms=body.start_ms,
            end_ms=body.end_ms,
            show=body.show,
            embed_in=body.embed_in,
            is_live=body.live,
            profile=body.profile,
        )
    except ShareError as e:
        raise ApiError("invalid", str(e)) from e
    services.audit.append(
        "share.create",
        actor=identity.actor,
        target=f"recording:{link.project}/{link.recording_id}",
        detail=told_of(link),
    )
    return share_json(sharing, link, services.base_url(request))


def told_of(link: ShareLink) -> dict[str, Any]:
    """Give what the audit log is told of a new link."""
    return {
        "link": link.id,
        "show": link.show,
        "password": link.password_hash is not None,
        **({"profile": link.profile} if link.profile else {}),
    }


@router.delete("/api/shares/{id}", response_model=Share)
def revoke_share(request: Request, identity: Reader, id: str) -> dict[str, Any]:  # noqa: A002
    """End a link at once."""
    services = services_of(request)
    sharing = _sharing(services)
    _check_may_share(services, identity)
    known = need(services.accounts, "links").shares.get(id)
    if known is None or not identity.sees(known.project):
        raise ApiError("not_found", "there is no such link")
    services.audit.append("share.revoke", actor=identity.actor, target=f"share:{id}")
    link = sharing.revoke(id)
    assert link is not None
    return share_json(sharing, link, services.base_url(request))


def share_json(sharing: Sharing, link: ShareLink, base_url: str) -> dict[str, Any]:
    """Give a link without what is secret."""
    token = sharing.token(link)
    embed = f"{base_url}/embed/{token}"
    return {
        "id": link.id,
        "project": link.project,
        "recording_id": link.recording_id,
        "created_by": link.created_by,
        "created_ms": link.created_ms,
        "expires_ms": link.expires_ms,
        "revoked_ms": link.revoked_ms,
        "is_good": sharing.is_good(link),
        "has_password": link.password_hash is not None,
        "start_ms": link.start_ms,
        "end_ms": link.end_ms,
        "show": link.show,
        "embed_in": link.embed_in.split("\n") if link.embed_in else [],
        "live": link.is_live,
        "profile": link.profile,
        "opened": link.opened,
        "url": f"{base_url}/shared/{token}",
        "embed_url": embed,
        "iframe": iframe(embed),
    }


def iframe(embed_url: str) -> str:
    """Give the HTML that holds a shared recording in another page."""
    return (
        f'<iframe src="{embed_url}" title="Session replay" loading="lazy" '
        'allow="fullscreen" referrerpolicy="no-referrer" '
        'style="width:100%;aspect-ratio:16/10;border:0;border-radius:8px"></iframe>'
    )


# --- what they show -------------------------------------------------------------------


@router.get("/shared/{token}", response_class=HTMLResponse)
def shared(request: Request, token: str) -> Response:
    """Show the page of a link."""
    services, link = _opened(request, token)
    return _page(services, link, token, embedded=False)


@router.get("/embed/{token}", response_class=HTMLResponse)
def embed(request: Request, token: str) -> Response:
    """Show the page of a link in a frame of another site."""
    services, link = _opened(request, token)
    request.scope[EMBEDDABLE] = " ".join(ancestors(services, link))
    return _page(services, link, token, embedded=True)


def ancestors(services: Services, link: ShareLink) -> list[str]:
    """Give the origins whose pages may hold a link's page in a frame."""
    from replayport.share.links import checked_origin

    if link.embed_in:
        return link.embed_in.split("\n")
    said = str(services.settings["embed_origins"]).split(",")
    return [checked_origin(o) for o in said if o.strip()] or ["'none'"]


def _page(services: Services, link: ShareLink, token: str, *, embedded: bool) -> Response:
    return HTMLResponse(
        shared_page(
            token,
            asks_password=link.password_hash is not None,
            embedded=embedded,
            parents=ancestors(services, link) if embedded else [],
            feeds=FEEDS_OF[link.show],
        ),
        headers={"cache-control": "no-store"},
    )


@router.post("/shared/{token}/unlock", response_model=Grant)
def unlock(request: Request, token: str, body: Password) -> dict[str, str]:
    """Give a password for a grant."""
    services, link = _opened(request, token)
    sharing = _sharing(services)
    throttle = services.share_throttle
    keys = (f"share {link.id}", f"share {address_of(request)}")
    throttle.check(*keys)
    grant = sharing.grant(link, body.password)
    if grant is None:
        throttle.failed(*keys)
        raise ApiError("wrong_password", "the password is wrong")
    return {"grant": grant}


@router.get("/shared/{token}/recording", response_model=Shared)
def shared_recording(request: Request, token: str, grant: str = "") -> Response:
    """Say what the link shows."""
    services, link = _granted(request, token, grant)
    recording = _recording(services, link)
    made = _cut_of(services, recording, link)
    viewer = f"address:{address_of(request)}"
    if services.first_viewing(viewer, f"share:{link.id}"):
        services.audit.append("share.open", actor=viewer, target=f"share:{link.id}")
        _sharing(services).opened(link)
    query = f"?grant={grant}" if grant else ""
    has_assets = recording.manifest.assets is not None and recording.manifest.assets.stored > 0
    folder = f"/shared/{token}"
    return JSONResponse(
        {
            "start_ms": made.start_ms,
            "duration_ms": made.duration_ms,
            "show": link.show,
            "feeds": list(FEEDS_OF[link.show]),
            "events_url": f"{folder}/events.parquet{query}",
            "assets_url": f"{folder}/assets.json{query}" if has_assets else None,
        },
        headers={"cache-control": "private, no-store"},
    )


@router.head("/shared/{token}/events.parquet", include_in_schema=False)
@router.get("/shared/{token}/events.parquet")
async def shared_events(request: Request, token: str, grant: str = "") -> Response:
    """Serve the events the link lets out, by range."""

    def make() -> bytes:
        services, link = _granted(request, token, grant)
        return _parquet(services, _recording(services, link), link)

    data = await run_in_threadpool(make)
    etag = hashlib.sha256(data).hexdigest()[:32]
    return await ranged(
        request, lambda a, b: data[a:b], size=len(data), etag=etag, media_type=PARQUET
    )


@router.get("/shared/{token}/assets.json")
def shared_assets(request: Request, token: str, grant: str = "") -> Response:
    """Serve the map of what was frozen with the recording."""
    services, link = _granted(request, token, grant)
    recording = _recording(services, link)
    return Response(
        recording.assets().to_bytes(),
        media_type="application/json",
        headers={"cache-control": "private, no-cache"},
    )


@router.get("/shared/{token}/assets/{ab}/{sha256}")
def shared_asset(request: Request, token: str, ab: str, sha256: str, grant: str = "") -> Response:
    """Serve one thing that was frozen with the recording."""
    services, link = _granted(request, token, grant)
    return asset_of(_recording(services, link), ab, sha256)


@router.get("/shared/{token}/feeds/{feed}")
def shared_feed(
    request: Request,
    token: str,
    feed: str,
    grant: str = "",
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_FEED_PAGE)] = 200,
) -> Response:
    """Give a part of a feed, of what the link lets out."""
    services, link = _granted(request, token, grant)
    if feed not in FEEDS_OF[link.show]:
        raise ApiError("not_found", "this link does not show that")
    whole = _recording(services, link)
    data = _parquet(services, whole, link)
    page = Feeds(_in_memory(data, _cut_of(services, whole, link))).page(
        feed, offset=offset, limit=limit
    )
    return Response(
        msgspec.json.encode(
            {"items": page.items, "total": page.total, "next_offset": page.next_offset}
        ),
        media_type="application/json",
        headers={"cache-control": "private, no-store"},
    )


def _sharing(services: Services) -> Sharing:
    found: Sharing = need(services.sharing, "links")
    return found


def _check_may_share(services: Services, identity: Identity) -> None:
    if not may_share_links(services, identity):
        raise ApiError(
            "missing_scope", "API key missing required scope 'sharing_configuration:write'"
        )


def _opened(request: Request, token: str) -> tuple[Services, ShareLink]:
    services = services_of(request)
    try:
        return services, _sharing(services).open(token)
    except LinkGoneError as e:
        raise ApiError("gone", "this link is not good any more, or never was") from e


def _granted(request: Request, token: str, grant: str) -> tuple[Services, ShareLink]:
    services, link = _opened(request, token)
    if not _sharing(services).is_granted(link, grant):
        raise ApiError("wrong_password", "this recording asks for a password")
    return services, link


def _recording(services: Services, link: ShareLink) -> Recording:
    try:
        return services.archive.recording(f"{link.project}/{link.recording_id}")
    except RecordingNotFoundError as e:
        live = services.live if link.is_live else None
        found = None if live is None else live.recording(link.project, link.recording_id)
        if found is None:
            raise ApiError("gone", "this recording is not here any more") from e
        return found


class _Made(msgspec.Struct):
    """What was cut, without its bytes."""

    start_ms: int
    duration_ms: int
    events: int


def _key(recording: Recording, link: ShareLink) -> tuple[object, ...]:
    info = recording.manifest.files.get(EVENTS_FILE)
    return (info.sha256 if info else "", link.start_ms, link.end_ms, link.show)


def _parquet(services: Services, recording: Recording, link: ShareLink) -> bytes:
    profile = link.profile or str(services.settings["share_profile"])
    return _cuts.get(
        (*_key(recording, link), profile),
        lambda: cut(recording, link, leaving=leaving_of(recording, profile)).parquet,
    )


def _cut_of(services: Services, recording: Recording, link: ShareLink) -> _Made:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(_parquet(services, recording, link)))
    stats = [file.metadata.row_group(n).column(0).statistics for n in range(file.num_row_groups)]
    start_ms, end_ms = min(s.min for s in stats), max(s.max for s in stats)
    return _Made(start_ms, end_ms - start_ms, file.metadata.num_rows)


def _in_memory(data: bytes, made: _Made) -> Recording:
    """Give what was cut as a recording."""
    info = FileInfo(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    manifest = Manifest(
        id="shared",
        project="shared",
        session_id="shared",
        start_ms=made.start_ms,
        end_ms=made.start_ms + made.duration_ms,
        duration_ms=made.duration_ms,
        events=made.events,
        raw_bytes=0,
        windows=[],
        kinds={},
        files={EVENTS_FILE: info},
        source={},
    )
    return Recording(_OneFile(data), "shared", manifest)


class _OneFile:
    """A store that holds one file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def get(self, key: str) -> bytes:
        """Give the file; FileNotFoundError for another."""
        if not key.endswith(f"/{EVENTS_FILE}"):
            raise FileNotFoundError(key)
        return self._data

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Give ``[start, end)`` of it."""
        return self.get(key)[start:end]
