"""``replayport invite`` and ``replayport token``: who may use the server, from its own machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from replayport.archive import Archive
from replayport.audit import AuditLog, this_actor
from replayport.catalog.accounts import Accounts, User
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    WrongCallError,
    console,
    errors,
    open_archive,
    print_json,
    settings_with,
    shown,
)
from replayport.cli.share import base_url
from replayport.server.auth import ROLES, SCOPES, Access, clean_name, lines, split
from replayport.server.envelope import ApiError
from replayport.server.routes.session import token_json
from replayport.server.service import accounts_url
from replayport.settings import Settings


def invite(
    name: Annotated[str, typer.Argument(help="E-mail or another name; they sign in with it.")],
    role: Annotated[str, typer.Option(help="admin or viewer.")] = "viewer",
    project: Annotated[
        list[str] | None, typer.Option(help="Project they see; all when not given.")
    ] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Give somebody a link with which they choose a password, once, within three days.

    Somebody who is there keeps role and projects and gets a new password.
    """
    if role not in ROLES:
        raise WrongCallError(f"there is no role {role!r}. Use {' or '.join(ROLES)}")
    with _access(archive) as (source, settings, access):
        user_name = _name(name)
        AuditLog(source).append(
            "settings.change",
            actor=this_actor(),
            target=f"user:{user_name}",
            detail={"what": "invite"},
        )
        user = access.accounts.users.get(user_name)
        if user is None:
            user = User(
                name=user_name,
                role=role,
                projects=lines(project or ()),
                created_ms=access.now_ms(),
            )
            access.accounts.users.add(user)
        secret = access.invite(user.name, user.role, split(user.projects))
        url = f"{base_url(settings)}/setup#{secret}"
        if json:
            print_json({"name": user.name, "role": user.role, "invite_url": url})
            return
        errors.print(f"give this to {shown(user.name)}; it works once:", highlight=False)
        console.print(url, highlight=False, soft_wrap=True)


def token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    owner: Annotated[str, typer.Option(help="User it belongs to; it may do no more than they.")],
    scope: Annotated[
        list[str] | None, typer.Option(help=f"What it may do: {', '.join(SCOPES)}.")
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="Project it sees; all of its owner's when not given.")
    ] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """Make an API token. Its key is printed once and stored nowhere."""
    scopes = scope or ["session_recording:read"]
    if unknown := [s for s in scopes if s not in SCOPES]:
        raise WrongCallError(f"there is no scope {unknown[0]!r}. Use {', '.join(SCOPES)}")
    with _access(archive) as (source, _, access):
        user = access.accounts.users.get(_name(owner))
        if user is None:
            raise WrongCallError("there is no such user. Invite them: replayport invite NAME")
        key, made = access.make_token(name, owner=user.name, scopes=scopes, projects=project or ())
        AuditLog(source).append(
            "settings.change",
            actor=this_actor(),
            target=f"key:{made.id}",
            detail={"what": "token made", "scopes": sorted(scopes)},
        )
        if json:
            print_json({"token": token_json(made), "key": key})
            return
        errors.print(f"token {made.id} of {shown(user.name)}; its key is shown this once:")
        console.print(key, highlight=False, soft_wrap=True)


@contextmanager
def _access(archive: str | None) -> Iterator[tuple[Archive, Settings, Access]]:
    settings = settings_with(archive=archive)
    with (
        open_archive(archive, create=True) as source,
        Accounts.open(accounts_url(source, settings)) as accounts,
    ):
        yield source, settings, Access(accounts)


def _name(text: str) -> str:
    try:
        return clean_name(text)
    except ApiError as e:
        raise WrongCallError(str(e.detail)) from e
