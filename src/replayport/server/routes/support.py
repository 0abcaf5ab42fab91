"""
What backends and support tools ask.

```
POST /api/update-user-session       a backend says who a session's visitor is
GET  /api/support-link              the support template filled in for one session
```
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from replayport.annotations import AnnotationError
from replayport.recording import safe_id, safe_project
from replayport.server.auth import Identity, needs
from replayport.server.envelope import ApiError, error_responses
from replayport.server.services import Services, services_of
from replayport.server.support import replay_url, support_link

router: Final = APIRouter(
    prefix="/api", tags=["support"], responses=error_responses(400, 401, 403, 404)
)

_SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")

Backend = Annotated[Identity, needs("person:write")]
Reader = Annotated[Identity, needs("session_recording:read")]


class UserOfSession(BaseModel):
    """Who a session's visitor is."""

    posthog_session_id: str = Field(
        description="From the browser: `posthog.get_session_id()`, or the header "
        "X-POSTHOG-SESSION-ID."
    )
    project: str | None = Field(
        None, description="Needed when the token sees more than one project."
    )
    distinct_id: str | None = Field(None, max_length=1000, description="Your id of the user.")
    user: dict[str, Any] = Field(
        default={}, description="Facts: email, name, plan … Added to what was said before."
    )


class Attached(BaseModel):
    """Where it was attached."""

    ok: bool
    project: str
    recording_id: str
    sealed: bool = Field(description="False: the visit goes on, or has not begun; it is kept.")
    replay_url: str


class SupportLink(BaseModel):
    """What to give to a support tool."""

    replay_url: str
    support_link: str | None = Field(description="null when there is no template.")


@router.post("/update-user-session", response_model=Attached)
def update_user_session(request: Request, identity: Backend, body: UserOfSession) -> dict[str, Any]:
    """Attach a user to a session; the recording need not be there yet."""
    services = services_of(request)
    if not _SESSION_ID.fullmatch(body.posthog_session_id):
        raise ApiError("invalid", "posthog_session_id is no session's id")
    project = _project(services, identity, body.project, body.posthog_session_id)
    try:
        services.annotations.set_facts(
            project,
            body.posthog_session_id,
            distinct_id=body.distinct_id,
            properties=body.user,
        )
    except AnnotationError as e:
        raise ApiError("invalid", str(e)) from e
    recording_id = safe_id(body.posthog_session_id)
    return {
        "ok": True,
        "project": project,
        "recording_id": recording_id,
        "sealed": services.archive.catalog.has(project, recording_id),
        "replay_url": replay_url(services.base_url(request), project, recording_id),
    }


@router.get("/support-link", response_model=SupportLink)
def get_support_link(
    request: Request,
    identity: Reader,
    session_id: Annotated[str, Query(max_length=1000)],
    project: str | None = None,
    at_ms: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> dict[str, Any]:
    """Fill in the support template for one session."""
    services = services_of(request)
    name = _project(services, identity, project, session_id)
    recording = services.recording(identity, name, safe_id(session_id))
    base = services.base_url(request)
    return {
        "replay_url": replay_url(base, name, recording.id, at_ms=at_ms),
        "support_link": support_link(
            str(services.settings["support_links"]), base, recording.manifest
        ),
    }


def _project(services: Services, identity: Identity, named: str | None, session_id: str) -> str:
    """Give the project a session is of: the one named, the only one, or where it is found."""
    if named is not None:
        project = safe_project(named)
        if not identity.sees(project):
            raise ApiError("not_found", "there is no such project")
        return project
    names = services.project_names(identity)
    if identity.projects is not None:
        names = sorted({*names, *identity.projects})
    if len(names) == 1:
        return names[0]
    recording_id = safe_id(session_id)
    found = [n for n in names if services.archive.catalog.has(n, recording_id)]
    if not found and services.inbox is not None:
        found = [n for n in names if services.inbox.session(n, session_id) is not None]
    if len(found) == 1:
        return found[0]
    raise ApiError("invalid", "say which project: the token sees more than one")
