"""
Recordings: list, filter, search, one with what is known of it, its feeds, notes and tags.

```
GET    /api/recordings                              a page of the list
GET    /api/recordings/count                        how many there are
GET    /api/recordings/{project}/{id}               manifest, summary, sparkline, notes, tags
DELETE /api/recordings/{project}/{id}
GET    /api/recordings/{project}/{id}/feeds/{feed}  actions, console, network, analytics, llm, events
GET    /api/recordings/{project}/{id}/export        as a file
PUT    /api/recordings/{project}/{id}/tags
POST   /api/recordings/{project}/{id}/notes         and PATCH, DELETE …/notes/{note_id}
GET    /api/tags
```
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from replayport.annotations import AnnotationError, Note
from replayport.archive import row_of
from replayport.catalog.base import NOT_SCORED, ORDER_FIELDS, Filters, RecordingRow
from replayport.catalog.words import FIELDS, parse_query
from replayport.export import EXPORTS, ExportOptions
from replayport.feeds import FEEDS
from replayport.format.reader import Recording
from replayport.server.auth import Identity, needs
from replayport.server.envelope import ApiError, error_responses
from replayport.server.services import Services, read_cursor, services_of, write_cursor
from replayport.server.support import support_link
from replayport.timeutil import parse_time_ms

router: Final = APIRouter(prefix="/api", responses=error_responses(400, 401, 403, 404))

MAX_PAGE: Final = 500
MAX_FEED_PAGE: Final = 1000
MAX_LISTED: Final = 10_000
"""Counting stops here: "10,000 or more" is what a person needs to know."""


class Rec(BaseModel):
    """One recording in a list."""

    project: str
    id: str
    session_id: str
    start_ms: int
    end_ms: int
    duration_ms: int
    first_url: str | None
    distinct_id: str | None
    person_label: str | None = Field(description="E-mail or name, when the source said one.")
    events: int
    windows: int
    clicks: int
    inputs: int
    errors: int = Field(description="Console errors.")
    llm_events: int
    signals: list[str] = Field(description="Kinds of frustration signals found.")
    frustration: float | None = Field(description="0 to 1; null when nobody scored it.")
    sparkline: str = Field(
        description="How busy each part was: a digit 0 to 9 for each of equally long parts."
    )
    tags: list[str]
    snapshot_source: str
    source: str
    complete: bool
    archived_bytes: int
    created_ms: int = Field(description="When it was archived; 0 while it is live.")
    live: bool = Field(description="Still being made.")


class RecPage(BaseModel):
    """A page of recordings."""

    recordings: list[Rec]
    next_after: str | None = Field(description="Give it as `after` for the next page.")


class Count(BaseModel):
    """How many."""

    count: int
    at_least: bool = Field(description="Counting stopped; there may be more.")


class NoteModel(BaseModel):
    """One note."""

    id: str
    author: str
    text: str
    at_ms: int | None = Field(description="Moment it is about, epoch ms; null for the whole.")
    created_ms: int
    edited_ms: int | None


class Summary(BaseModel):
    """What follows from a manifest."""

    clicks: int
    inputs: int
    console_errors: int
    pages: int
    windows: int
    archived_bytes: int
    playable: bool = Field(description="Some window has a full snapshot.")
    has_assets: bool = Field(description="Something was frozen with it.")


class Detail(BaseModel):
    """One recording."""

    recording: Rec
    manifest: dict[str, Any] = Field(description="manifest.json as stored, see spec/recording.md.")
    summary: Summary
    activity: list[int] = Field(description="Counts the sparkline is drawn from.")
    tags: list[str]
    notes: list[NoteModel]
    person_properties: dict[str, Any]
    events_url: str = Field(description="events.parquet, by range: `src` of the player.")
    assets_url: str | None = Field(description="`assets` of the player; null when none.")
    live: bool
    support_link: str | None = Field(
        description="The setting `support_links` filled in for this recording; null when empty."
    )


class FeedPage(BaseModel):
    """A part of a feed."""

    items: list[dict[str, Any]]
    total: int
    next_offset: int | None


class TagsBody(BaseModel):
    """All tags of a recording."""

    tags: list[str] = Field(max_length=50)


class NoteBody(BaseModel):
    """A note to write."""

    text: str = Field(max_length=10_000)
    at_ms: int | None = None


class NoteEdit(BaseModel):
    """A note's new text."""

    text: str = Field(max_length=10_000)


Reader = Annotated[Identity, needs("session_recording:read")]
Annotator = Annotated[Identity, needs("session_recording:read", "annotation:write")]
Remover = Annotated[Identity, needs("session_recording:read", "session_recording:write")]


def filters_of(
    identity: Reader,
    project: str | None = None,
    q: Annotated[
        str, Query(max_length=500, description='Terms that must all occur; "in quotes" in a row.')
    ] = "",
    q_in: Annotated[
        list[str] | None, Query(alias="in", description=f"Where: {', '.join(FIELDS)}.")
    ] = None,
    url: Annotated[
        str | None,
        Query(
            max_length=2000,
            description="An address visited has these words in a row: `shop.example/pay`.",
        ),
    ] = None,
    person: Annotated[str | None, Query(max_length=1000, description="A distinct id.")] = None,
    since: Annotated[
        str | None, Query(description="Started at or after: ISO time, epoch ms, or 7d.")
    ] = None,
    until: Annotated[str | None, Query(description="Started before.")] = None,
    min_duration_ms: Annotated[int | None, Query(ge=0)] = None,
    max_duration_ms: Annotated[int | None, Query(ge=0)] = None,
    min_errors: Annotated[int | None, Query(ge=0)] = None,
    min_clicks: Annotated[int | None, Query(ge=0)] = None,
    signal: Annotated[list[str] | None, Query(description="One of these was found.")] = None,
    min_frustration: Annotated[float | None, Query(ge=0, le=1)] = None,
    has_llm: bool | None = None,
    tag: Annotated[list[str] | None, Query(description="Has all of these.")] = None,
) -> Filters:
    """Read the filters of a list; what somebody may not see is left out of all of them."""
    try:
        parse_query(q, q_in or FIELDS)
        since_ms, until_ms = parse_time_ms(since), parse_time_ms(until)
    except ValueError as e:
        raise ApiError("invalid", str(e)) from e
    if any(n is not None and n >= 2**63 for n in (min_duration_ms, max_duration_ms, min_errors)):
        raise ApiError("invalid", "a number is larger than any recording's")
    return Filters(
        project=project,
        projects=identity.projects,
        words=q.strip() or None,
        words_in=q_in,
        url_words=(url or "").strip() or None,
        person=person or None,
        since_ms=since_ms,
        until_ms=until_ms,
        min_duration_ms=min_duration_ms,
        max_duration_ms=max_duration_ms,
        min_errors=min_errors,
        min_clicks=min_clicks,
        signals=signal or None,
        min_frustration=min_frustration,
        has_llm=has_llm,
        tags=tag or None,
    )


ListFilters = Annotated[Filters, Depends(filters_of)]


@router.get("/recordings", response_model=RecPage, tags=["recordings"])
def list_recordings(
    request: Request,
    identity: Reader,
    filters: ListFilters,
    order: Annotated[
        str, Query(description=f"{', '.join(ORDER_FIELDS)}; `-` in front for largest first.")
    ] = "-start_ms",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    after: Annotated[str | None, Query(max_length=1000)] = None,
    live: Annotated[
        bool | None,
        Query(description="Only live ones, or none of them; both on the first page when left out."),
    ] = None,
) -> Response:
    """List recordings: filtered, searched, ordered, a page at a time."""
    services = services_of(request)
    cursor = read_cursor(after) if after else None
    rows: list[dict[str, Any]] = []
    plain = not any(v is not None for k, v in filters.items() if k not in ("project", "projects"))
    if live is not False and services.live is not None and after is None and (live or plain):
        rows = [
            row_json(row, live=True)
            for row in services.live.rows()
            if identity.sees(row.project) and filters.get("project") in (None, row.project)
        ]
    next_after = None
    if not live:
        try:
            found = list(
                services.archive.catalog.list(order=order, limit=limit + 1, after=cursor, **filters)
            )
        except ValueError as e:
            raise ApiError("invalid", str(e)) from e
        if len(found) > limit:
            found = found[:limit]
            next_after = write_cursor(found[-1].page_key(order))
        live_ids = {(row["project"], row["id"]) for row in rows}
        rows += [row_json(row) for row in found if (row.project, row.id) not in live_ids]
    return _json({"recordings": rows, "next_after": next_after})


@router.get("/recordings/count", response_model=Count, tags=["recordings"])
def count_recordings(request: Request, filters: ListFilters) -> Response:
    """Count what the list with the same filters gives, up to ten thousand."""
    n = services_of(request).archive.catalog.count(at_most=MAX_LISTED, **filters)
    return _json({"count": n, "at_least": n >= MAX_LISTED})


@router.get("/tags", response_model=dict[str, int], tags=["recordings"])
def list_tags(request: Request, identity: Reader) -> Response:
    """Give every tag with how many recordings have it."""
    return _json(services_of(request).archive.catalog.tags(identity.projects))


@router.get("/recordings/{project}/{id}", response_model=Detail, tags=["recordings"])
def get_recording(
    request: Request,
    identity: Reader,
    project: str,
    id: str,  # noqa: A002 - the field's name
    events: str = "",
) -> Response:
    """Give one recording: its manifest and what follows from it, notes and tags."""
    services = services_of(request)
    recording = services.recording(identity, project, id, events=events)
    return _json(detail(services, request, recording))


def detail(services: Services, request: Request, recording: Recording) -> dict[str, Any]:
    """Make the document of one recording."""
    manifest = recording.manifest
    live = manifest.created_ms == 0
    said = services.annotations.get(manifest.project, manifest.id)
    folder = f"/files/{manifest.project}/{manifest.id}"
    has_assets = manifest.assets is not None and manifest.assets.stored > 0
    row = row_json(row_of(manifest), live=live) | {"tags": said.tags}
    return {
        "recording": row,
        "manifest": msgspec.to_builtins(manifest),
        "summary": {
            "clicks": manifest.clicks,
            "inputs": manifest.kinds.get("input", 0),
            "console_errors": manifest.console_errors,
            "pages": manifest.kinds.get("meta", 0),
            "windows": len(manifest.windows),
            "archived_bytes": sum(f.bytes for f in manifest.files.values()),
            "playable": any(w.full_snapshots for w in manifest.windows),
            "has_assets": has_assets,
        },
        "activity": manifest.activity,
        "tags": said.tags,
        "notes": [note_json(note) for note in said.notes],
        "person_properties": {
            **(manifest.person.properties if manifest.person else {}),
            **(said.facts.properties if said.facts else {}),
        },
        "events_url": f"{folder}/events.parquet" + (f"?events={manifest.events}" if live else ""),
        "assets_url": f"{folder}/assets.json" if has_assets else None,
        "live": live,
        "support_link": support_link(
            str(services.settings["support_links"]), services.base_url(request), manifest
        ),
    }


@router.delete("/recordings/{project}/{id}", status_code=204, tags=["recordings"])
def delete_recording(
    request: Request,
    identity: Remover,
    project: str,
    id: str,  # noqa: A002 - the field's name
) -> Response:
    """Delete a recording, what was said about it, and the links to it."""
    services = services_of(request)
    recording = services.recording(identity, project, id)
    if recording.manifest.created_ms == 0:
        raise ApiError("conflict", "it is still being made. Delete it when it is sealed")
    services.audit.append(
        "recording.delete", actor=identity.actor, target=f"recording:{project}/{id}"
    )
    services.archive.delete(f"{project}/{id}")
    services.annotations.forget(project, id)
    if services.accounts is not None:
        services.accounts.forget_recording(project, id)
    return Response(status_code=204)


@router.get("/recordings/{project}/{id}/feeds/{feed}", response_model=FeedPage, tags=["recordings"])
def get_feed(
    request: Request,
    identity: Reader,
    project: str,
    id: str,  # noqa: A002 - the field's name
    feed: str,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_FEED_PAGE)] = 200,
    events: str = "",
    data: Annotated[bool, Query(description="Of the feed `events`: with each one's JSON.")] = True,
) -> Response:
    """Give a part of what stands beside the player; a row's fields are those of its feed."""
    if feed not in FEEDS:
        raise ApiError("not_found", f"there is no such feed. Use one of {', '.join(FEEDS)}")
    services = services_of(request)
    recording = services.recording(identity, project, id, events=events)
    services.viewed(identity, recording)
    page = services.feeds(recording).page(feed, offset=offset, limit=limit, with_data=data)
    return _json({"items": page.items, "total": page.total, "next_offset": page.next_offset})


@router.get("/recordings/{project}/{id}/export", tags=["recordings"])
def export_recording(
    request: Request,
    identity: Reader,
    project: str,
    id: str,  # noqa: A002 - the field's name
    format: Annotated[  # noqa: A002 - as the command line calls it
        str, Query(alias="as", description=f"{', '.join(EXPORTS)}.")
    ] = "bundle",
) -> Response:
    """Give a recording as a file."""
    if format not in EXPORTS:
        raise ApiError("invalid", f"there is no such format. Use one of {', '.join(EXPORTS)}")
    services = services_of(request)
    recording = services.recording(identity, project, id)
    export = EXPORTS[format]
    services.audit.append(
        "recording.export",
        actor=identity.actor,
        target=f"recording:{project}/{id}",
        detail={"as": format},
    )
    return StreamingResponse(
        export.load()(recording, ExportOptions()),
        media_type="application/octet-stream",
        headers={
            # The id is a plain name, so it can stand here as it is.
            "content-disposition": f'attachment; filename="{recording.id}{export.suffix}"',
            "cache-control": "private, no-store",
        },
    )


@router.put("/recordings/{project}/{id}/tags", response_model=list[str], tags=["recordings"])
def set_tags(
    request: Request,
    identity: Annotator,
    project: str,
    id: str,  # noqa: A002 - the field's name
    body: TagsBody,
) -> list[str]:
    """Replace a recording's tags."""
    services = services_of(request)
    services.recording(identity, project, id)
    try:
        return services.annotations.set_tags(project, id, body.tags).tags
    except AnnotationError as e:
        raise ApiError("invalid", str(e)) from e


@router.post(
    "/recordings/{project}/{id}/notes",
    response_model=NoteModel,
    status_code=201,
    tags=["recordings"],
)
def add_note(
    request: Request,
    identity: Annotator,
    project: str,
    id: str,  # noqa: A002 - the field's name
    body: NoteBody,
) -> dict[str, Any]:
    """Write a note."""
    services = services_of(request)
    services.recording(identity, project, id)
    try:
        note = services.annotations.add_note(
            project, id, author=identity.name, text=body.text, at_ms=body.at_ms
        )
    except AnnotationError as e:
        raise ApiError("invalid", str(e)) from e
    return note_json(note)


@router.patch(
    "/recordings/{project}/{id}/notes/{note_id}", response_model=NoteModel, tags=["recordings"]
)
def edit_note(
    request: Request,
    identity: Annotator,
    project: str,
    id: str,  # noqa: A002 - the field's name
    note_id: str,
    body: NoteEdit,
) -> dict[str, Any]:
    """Change one's own note; administrators any."""
    services = services_of(request)
    services.recording(identity, project, id)
    try:
        note = services.annotations.edit_note(
            project, id, note_id, text=body.text, only_of=_own(identity)
        )
    except AnnotationError as e:
        raise ApiError("invalid", str(e)) from e
    return note_json(note)


@router.delete("/recordings/{project}/{id}/notes/{note_id}", status_code=204, tags=["recordings"])
def remove_note(
    request: Request,
    identity: Annotator,
    project: str,
    id: str,  # noqa: A002 - the field's name
    note_id: str,
) -> Response:
    """Remove one's own note; administrators any."""
    services = services_of(request)
    services.recording(identity, project, id)
    services.annotations.remove_note(project, id, note_id, only_of=_own(identity))
    return Response(status_code=204)


def _own(identity: Identity) -> str | None:
    return None if identity.may("admin") else identity.name


def row_json(row: RecordingRow, *, live: bool = False) -> dict[str, Any]:
    """Give a row of the list."""
    return {
        "project": row.project,
        "id": row.id,
        "session_id": row.session_id,
        "start_ms": row.start_ms,
        "end_ms": row.end_ms,
        "duration_ms": row.duration_ms,
        "first_url": row.first_url,
        "distinct_id": row.distinct_id,
        "person_label": row.person_label,
        "events": row.events,
        "windows": row.windows,
        "clicks": row.clicks,
        "inputs": row.inputs,
        "errors": row.errors,
        "llm_events": row.llm_events,
        "signals": row.signals,
        "frustration": None if row.frustration == NOT_SCORED else row.frustration,
        "sparkline": row.activity,
        "tags": row.tags,
        "snapshot_source": row.snapshot_source,
        "source": row.source,
        "complete": row.complete,
        "archived_bytes": row.archived_bytes,
        "created_ms": 0 if live else row.created_ms,
        "live": live,
    }


def note_json(note: Note) -> dict[str, Any]:
    """Give a note."""
    found: dict[str, Any] = msgspec.to_builtins(note)
    return found


def _json(value: Any) -> Response:
    return Response(
        msgspec.json.encode(value),
        media_type="application/json",
        headers={"cache-control": "private, no-store"},
    )
