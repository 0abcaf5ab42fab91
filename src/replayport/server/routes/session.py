"""
Signing in, people, invitations and tokens.

```
GET POST DELETE /api/session              who is signed in; sign in; sign out
POST            /api/invites/accept       choose a password
GET POST        /api/users                and PATCH, DELETE /api/users/{name}
GET POST        /api/tokens               and DELETE /api/tokens/{id}
```
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from replayport.catalog.accounts import ApiToken, User
from replayport.server.auth import (
    COOKIE,
    SCOPES,
    SESSION_MS,
    Access,
    Identity,
    address_of,
    check_same_site,
    clean_name,
    current,
    lines,
    needs,
    split,
)
from replayport.server.envelope import ApiError, error_responses
from replayport.server.services import Services, need, services_of

router: Final = APIRouter(
    prefix="/api", tags=["access"], responses=error_responses(400, 401, 403, 404, 409, 429)
)

MAX_TOKENS: Final = 100


class Credentials(BaseModel):
    """Name and password."""

    name: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class SessionModel(BaseModel):
    """Who asks."""

    signed_in: bool
    sign_in_needed: bool = Field(description="False where `serve --no-auth` runs.")
    setup_needed: bool = Field(description="Nobody can sign in yet: use the link `serve` prints.")
    name: str | None
    role: str | None
    scopes: list[str]
    projects: list[str] | None = Field(description="Projects they see; null for all.")
    may_share: bool
    demo_shop: str | None = Field(description="Path of the demo's shop; null elsewhere.")


class Acceptance(BaseModel):
    """An invitation taken."""

    secret: str = Field(max_length=200)
    name: str = Field("", max_length=200, description="When the invitation names nobody.")
    password: str = Field(max_length=1000)


class NewUser(BaseModel):
    """Somebody to invite."""

    name: str = Field(max_length=200)
    role: Literal["admin", "viewer"] = "viewer"
    projects: list[str] = Field(default=[], max_length=1000)


class UserChange(BaseModel):
    """What of a user changes."""

    role: Literal["admin", "viewer"] | None = None
    projects: list[str] | None = Field(None, max_length=1000)
    is_disabled: bool | None = None


class UserModel(BaseModel):
    """A user."""

    name: str
    role: str
    projects: list[str]
    created_ms: int
    is_disabled: bool
    has_password: bool


class Invited(BaseModel):
    """A user, and the link with which they choose a password; it is shown once."""

    user: UserModel
    invite_url: str


class NewToken(BaseModel):
    """A token to make."""

    name: str = Field(min_length=1, max_length=200)
    scopes: list[str] = Field(min_length=1, description=f"Of {', '.join(SCOPES)}.")
    projects: list[str] = Field(default=[], max_length=1000)
    expires_ms: int | None = Field(None, description="Epoch ms; never when null.")


class TokenModel(BaseModel):
    """A token, without its key."""

    id: str
    name: str
    owner: str
    scopes: list[str]
    projects: list[str]
    created_ms: int
    expires_ms: int | None
    last_used_ms: int | None


class MadeToken(BaseModel):
    """A token with its key; it is shown once."""

    token: TokenModel
    key: str


Admin = Annotated[Identity, needs("admin")]
Known = Annotated[Identity, Depends(current)]


def access_of(services: Services) -> Access:
    """Give sign-in; 404 where there is none."""
    found: Access = need(services.access, "sign-in")
    return found


@router.get("/session", response_model=SessionModel)
def get_session(request: Request) -> dict[str, Any]:
    """Say who is signed in; also whether anybody can."""
    services = services_of(request)
    access = services.access
    try:
        identity: Identity | None = current(request)
    except ApiError:
        identity = None
    return session_json(services, access, identity)


def session_json(
    services: Services, access: Access | None, identity: Identity | None
) -> dict[str, Any]:
    """Make the document of who asks."""
    may_share = identity is not None and may_share_links(services, identity)
    return {
        "signed_in": identity is not None,
        "sign_in_needed": access is not None,
        "setup_needed": access is not None
        and identity is None
        and not access.accounts.users.list(limit=1),
        "name": identity.name if identity else None,
        "role": identity.role if identity else None,
        "scopes": sorted(identity.scopes) if identity else [],
        "projects": list(identity.projects) if identity and identity.projects is not None else None,
        "may_share": may_share,
        "demo_shop": services.shop_path or None,
    }


def may_share_links(services: Services, identity: Identity) -> bool:
    """Tell whether somebody may make links."""
    return services.sharing is not None and (
        identity.may("sharing_configuration:write")
        or (identity.role == "viewer" and bool(services.settings["viewers_may_share"]))
    )


@router.post("/session", response_model=SessionModel)
def sign_in(request: Request, body: Credentials) -> Response:
    """Sign in: answers with the cookie of a session."""
    services = services_of(request)
    access = access_of(services)
    check_same_site(request)
    try:
        cookie, identity = access.sign_in(body.name, body.password, address=address_of(request))
    except ApiError as e:
        if e.reason == "wrong_credentials":
            services.audit.append("user.sign_in_failed", actor=f"address:{address_of(request)}")
        raise
    services.audit.append("user.sign_in", actor=identity.actor)
    return with_cookie(request, JSONResponse(session_json(services, access, identity)), cookie)


def with_cookie(request: Request, response: Response, cookie: str) -> Response:
    """Put a session's cookie into an answer."""
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=SESSION_MS // 1000,
        httponly=True,
        samesite="lax",
        secure=is_https(request),
        path="/",
    )
    return response


def is_https(request: Request) -> bool:
    """Tell whether browsers reach this server by HTTPS."""
    services = services_of(request)
    return request.url.scheme == "https" or services.public_url.startswith("https://")


@router.delete("/session", status_code=204)
def sign_out(request: Request, identity: Known) -> Response:
    """Sign out."""
    access = access_of(services_of(request))
    access.sign_out(identity)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
    return response


@router.post("/invites/accept", response_model=SessionModel)
def accept_invite(request: Request, body: Acceptance) -> Response:
    """Take an invitation: choose a password, and be signed in."""
    services = services_of(request)
    access = access_of(services)
    check_same_site(request)
    user = access.accept(body.secret, body.name, body.password, address=address_of(request))
    services.audit.append(
        "settings.change",
        actor=f"user:{user.name}",
        target=f"user:{user.name}",
        detail={"what": "password"},
    )
    cookie, identity = access.begin_session(user)
    return with_cookie(request, JSONResponse(session_json(services, access, identity)), cookie)


# --- people ---------------------------------------------------------------------------


@router.get("/users", response_model=list[UserModel])
def list_users(request: Request, _: Admin) -> list[dict[str, Any]]:
    """List everybody who may sign in."""
    return [user_json(user) for user in access_of(services_of(request)).accounts.users.list()]


@router.post("/users", response_model=Invited, status_code=201)
def invite_user(request: Request, identity: Admin, body: NewUser) -> dict[str, Any]:
    """Invite somebody, or give somebody who is there a new link to choose a password."""
    services = services_of(request)
    access = access_of(services)
    name = clean_name(body.name)
    _audit_change(services, identity, name, "invite")
    user = access.accounts.users.get(name)
    if user is None:
        user = User(
            name=name,
            role=body.role,
            projects=lines(body.projects),
            created_ms=access.now_ms(),
        )
        access.accounts.users.add(user)
    secret = access.invite(name, user.role, split(user.projects))
    return {
        "user": user_json(user),
        # Behind the #, so that it is in no server's log.
        "invite_url": f"{services.base_url(request)}/setup#{secret}",
    }


@router.patch("/users/{name}", response_model=UserModel)
def change_user(request: Request, identity: Admin, name: str, body: UserChange) -> dict[str, Any]:
    """Change what somebody may do."""
    services = services_of(request)
    access = access_of(services)
    user = _user(access, name)
    if user.name == identity.name and (body.is_disabled or body.role == "viewer"):
        raise ApiError("conflict", "nobody takes their own rights away; ask another administrator")
    values: dict[str, Any] = {}
    if body.role is not None:
        values["role"] = body.role
    if body.projects is not None:
        values["projects"] = lines(body.projects)
    if body.is_disabled is not None:
        values["is_disabled"] = body.is_disabled
    if values:
        _audit_change(services, identity, user.name, ", ".join(sorted(values)))
        access.accounts.users.change(user.name, **values)
        if body.is_disabled:
            access.accounts.sessions.remove(user=user.name)
    return user_json(_user(access, name))


@router.delete("/users/{name}", status_code=204)
def remove_user(request: Request, identity: Admin, name: str) -> Response:
    """Remove somebody, with their sessions and tokens."""
    services = services_of(request)
    access = access_of(services)
    user = _user(access, name)
    if user.name == identity.name:
        raise ApiError("conflict", "nobody removes themselves; ask another administrator")
    _audit_change(services, identity, user.name, "removed")
    access.accounts.users.remove(name=user.name)
    access.accounts.sessions.remove(user=user.name)
    access.accounts.tokens.remove(owner=user.name)
    access.accounts.invites.remove(user=user.name)
    return Response(status_code=204)


# --- tokens ---------------------------------------------------------------------------


@router.get("/tokens", response_model=list[TokenModel])
def list_tokens(request: Request, identity: Known) -> list[dict[str, Any]]:
    """List one's own tokens; administrators see all."""
    access = access_of(services_of(request))
    where = None if identity.may("admin") else {"owner": identity.name}
    return [token_json(token) for token in access.accounts.tokens.list(where)]


@router.post("/tokens", response_model=MadeToken, status_code=201)
def make_token(request: Request, identity: Known, body: NewToken) -> dict[str, Any]:
    """Make a token that may do no more than oneself."""
    services = services_of(request)
    access = access_of(services)
    if identity.kind != "user":
        raise ApiError("missing_scope", "only somebody who is signed in makes tokens")
    for scope in body.scopes:
        if scope not in SCOPES:
            raise ApiError("invalid", f"there is no such scope. Use {', '.join(SCOPES)}")
        if not identity.may(scope):
            raise ApiError("missing_scope", f"your role does not have the scope '{scope}'")
    if not all(identity.sees(project) for project in body.projects):
        raise ApiError("missing_scope", "a token sees no more projects than you")
    if len(access.accounts.tokens.list({"owner": identity.name})) >= MAX_TOKENS:
        raise ApiError("conflict", f"somebody has at most {MAX_TOKENS} tokens. Remove one")
    key, token = access.make_token(
        body.name,
        owner=identity.name,
        scopes=body.scopes,
        projects=body.projects,
        expires_ms=body.expires_ms,
    )
    services.audit.append(
        "settings.change",
        actor=identity.actor,
        target=f"key:{token.id}",
        detail={"what": "token made", "scopes": sorted(body.scopes)},
    )
    return {"token": token_json(token), "key": key}


@router.delete("/tokens/{id}", status_code=204)
def remove_token(request: Request, identity: Known, id: str) -> Response:  # noqa: A002
    """Remove a token; it opens nothing any more."""
    services = services_of(request)
    access = access_of(services)
    token = access.accounts.tokens.get(id)
    if token is None or not (identity.may("admin") or token.owner == identity.name):
        raise ApiError("not_found", "there is no such token")
    services.audit.append(
        "settings.change",
        actor=identity.actor,
        target=f"key:{token.id}",
        detail={"what": "token removed"},
    )
    access.accounts.tokens.remove(id=id)
    return Response(status_code=204)


def user_json(user: User) -> dict[str, Any]:
    """Give a user without what is secret."""
    return {
        "name": user.name,
        "role": user.role,
        "projects": split(user.projects),
        "created_ms": user.created_ms,
        "is_disabled": user.is_disabled,
        "has_password": user.password_hash is not None,
    }


def token_json(token: ApiToken) -> dict[str, Any]:
    """Give a token without what is secret."""
    return {
        "id": token.id,
        "name": token.name,
        "owner": token.owner,
        "scopes": split(token.scopes),
        "projects": split(token.projects),
        "created_ms": token.created_ms,
        "expires_ms": token.expires_ms,
        "last_used_ms": token.last_used_ms,
    }


def _user(access: Access, name: str) -> User:
    user = access.accounts.users.get(name.strip().lower())
    if user is None:
        raise ApiError("not_found", "there is no such user")
    return user


def _audit_change(services: Services, identity: Identity, name: str, what: str) -> None:
    services.audit.append(
        "settings.change", actor=identity.actor, target=f"user:{name}", detail={"what": what}
    )
