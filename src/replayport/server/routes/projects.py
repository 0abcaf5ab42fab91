"""
Projects and the archive's health.

```
GET /api/projects            with token, snippet to copy, what it records
GET /api/projects/{name}
GET /api/storage             how much is where, and whether it is sound
GET /api/audit               who watched, shared, exported, erased
```
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from replayport import __version__
from replayport.capture.projects import Project
from replayport.server.auth import Identity, needs
from replayport.server.envelope import ApiError, error_responses
from replayport.server.services import Services, project_number, services_of

router: Final = APIRouter(prefix="/api", responses=error_responses(401, 403, 404))

MAX_AUDIT_ENTRIES: Final = 1000

ProjectReader = Annotated[Identity, needs("project:read")]
Admin = Annotated[Identity, needs("admin")]


class ProjectModel(BaseModel):
    """One project."""

    name: str
    number: int = Field(description="For PostHog's clients that take no name.")
    tokens: list[str] = Field(description="Public keys its pages carry.")
    is_configured: bool = Field(description="Has a table in replayport.toml.")
    recordings: int
    live: int
    retention_days: int = Field(description="0 keeps recordings.")
    autocapture: bool
    recording: dict[str, Any] = Field(
        description="How visitors are recorded: what is masked, sampled, left out."
    )
    snippet: str = Field(description="HTML to put into the project's pages.")


class Storage(BaseModel):
    """Where recordings are and how much there is."""

    archive_url: str
    archive_id: str
    catalog: str = Field(description="sqlite or postgresql.")
    recordings: int
    live_sessions: int
    inbox_bytes: int | None = Field(description="Waiting to be sealed; null without capture.")
    inbox_max_bytes: int | None
    is_capturing: bool
    tee: str | None = Field(description="PostHog that gets everything too; null when none.")
    archived_bytes: int = Field(description="Of all recordings' files, assets not counted.")
    raw_bytes: int = Field(description="Of their events as JSON.")
    incomplete: int = Field(description="Recordings with parts known to be missing.")
    version: str


class AuditModel(BaseModel):
    """One entry of the audit log."""

    seq: int
    at_ms: int
    actor: str
    action: str
    target: str | None = Field(description="Recordings and persons as pseudonyms.")
    detail: dict[str, Any]


@router.get("/projects", response_model=list[ProjectModel], tags=["projects"])
def list_projects(request: Request, identity: ProjectReader) -> list[dict[str, Any]]:
    """List the projects one sees."""
    services = services_of(request)
    counts = services.archive.catalog.projects()
    live = _live_by_project(services)
    base = services.base_url(request)
    return [
        project_json(services, name, counts.get(name, 0), live.get(name, 0), base)
        for name in services.project_names(identity)
    ]


@router.get("/projects/{name}", response_model=ProjectModel, tags=["projects"])
def get_project(request: Request, identity: ProjectReader, name: str) -> dict[str, Any]:
    """Give one project."""
    services = services_of(request)
    if name not in services.project_names(identity):
        raise ApiError("not_found", "there is no such project")
    count = services.archive.catalog.projects().get(name, 0)
    live = _live_by_project(services).get(name, 0)
    return project_json(services, name, count, live, services.base_url(request))


def project_json(
    services: Services, name: str, recordings: int, live: int, base_url: str
) -> dict[str, Any]:
    """Make the document of a project."""
    known = services.projects
    project = known.named(name) if known is not None else Project(name=name)
    tokens = list(project.tokens)
    if not tokens and known is not None and known.takes_any_token:
        tokens = [name]  # every token is its own project then
    prefix = str(services.settings["capture_prefix"])
    return {
        "name": name,
        "number": project_number(name),
        "tokens": tokens,
        "is_configured": bool(known and known.configured and name in known.configured),
        "recordings": recordings,
        "live": live,
        "retention_days": project.retention_days,
        "autocapture": project.autocapture,
        "recording": dataclasses.asdict(project.recording),
        "snippet": snippet(tokens[0] if tokens else "phc_your_key", f"{base_url}{prefix}"),
    }


def snippet(token: str, api_host: str) -> str:
    """Give what a page needs to be recorded with posthog-js served from here."""
    options = {"api_host": api_host, "person_profiles": "identified_only"}
    # `<` in JSON would end the script.
    init = f"{json.dumps(token)}, {json.dumps(options)}".replace("<", "\\u003c")
    return (
        f'<script src="{api_host}/static/array.js"></script>\n<script>posthog.init({init})</script>'
    )


def _live_by_project(services: Services) -> dict[str, int]:
    if services.live is None:
        return {}
    found: dict[str, int] = {}
    for row in services.live.rows():
        found[row.project] = found.get(row.project, 0) + 1
    return found


@router.get("/storage", response_model=Storage, tags=["projects"])
def get_storage(request: Request, _: Admin) -> dict[str, Any]:
    """Say how much is where."""
    services = services_of(request)
    catalog = services.archive.catalog
    totals = catalog.totals()
    inbox = services.inbox
    return {
        "archive_url": services.archive.store.url,
        "archive_id": services.archive.archive_id,
        "catalog": (
            "postgresql"
            if str(services.settings["catalog_url"]).startswith("postgres")
            else "sqlite"
        ),
        **totals,
        "live_sessions": len(inbox.live_sessions()) if inbox is not None else 0,
        "inbox_bytes": inbox.used_bytes if inbox is not None else None,
        "inbox_max_bytes": services.settings["inbox_max_bytes"] if inbox is not None else None,
        "is_capturing": inbox is not None,
        "tee": str(services.settings["tee"]) or None,
        "version": __version__,
    }


@router.get("/audit", response_model=list[AuditModel], tags=["audit"])
def list_audit(
    request: Request,
    _: Admin,
    after: Annotated[int, Query(ge=0, le=2**53, description="Entries behind this number.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_AUDIT_ENTRIES)] = 200,
    newest: Annotated[bool, Query(description="The last entries, not the first.")] = False,
) -> list[dict[str, Any]]:
    """Give entries of the audit log, in order."""
    audit = services_of(request).audit
    if newest:
        head = audit.head()
        after = max(after, (head.seq if head else 0) - limit)
    entries = (entry for entry in audit.entries() if entry.seq > after)
    return [
        {
            key: value
            for key, value in msgspec.to_builtins(entry).items()
            if key in AuditModel.model_fields
        }
        for entry in itertools.islice(entries, limit)
    ]
