"""``replayport share``: links with which others see one recording; ``list`` and ``revoke``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from typer.core import TyperGroup

from replayport.archive import Archive
from replayport.audit import AuditLog, this_actor
from replayport.catalog.accounts import Accounts, ShareLink
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
    when,
)
from replayport.redacting import PROFILES, RAW, load_profile, redacted_recording
from replayport.server.auth import Passwords
from replayport.server.routes.shares import share_json, told_of
from replayport.server.service import accounts_url
from replayport.settings import Settings
from replayport.share.links import ShareError, Sharing
from replayport.timeutil import parse_duration_ms, parse_time_ms


class _ShareGroup(TyperGroup):
    """Takes an id where a subcommand could stand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_subcommand = bool(args) and args[0] in self.commands
        ctx.allow_interspersed_args = not is_subcommand
        return super().parse_args(ctx, ["", *args] if is_subcommand else args)


app = typer.Typer(invoke_without_command=True, cls=_ShareGroup)
FOUND_BY: Final = "default"
"""Profile that looks for what an unredacted link shows."""


@app.callback()
def share(
    context: typer.Context,
    recording_id: Annotated[
        str, typer.Argument(metavar="ID", help="As in `list`, or project/id.")
    ] = "",
    expires: Annotated[
        str, typer.Option(metavar="AGE", help="Ends after: 36h, 7d, 2w; never.")
    ] = "7d",
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password, typed here or piped in.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(help="Nothing before it leaves: a time, or seconds from the start."),
    ] = None,
    end: Annotated[str | None, typer.Option(help="Nothing from it on leaves.")] = None,
    show: Annotated[
        str, typer.Option(help="replay; actions: what was done in words too; all: console too.")
    ] = "replay",
    embed_in: Annotated[
        list[str] | None,
        typer.Option(help="Site whose pages may hold it in a frame: https://help.example.com."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Also while the recording is being made.")
    ] = False,
    redact: Annotated[
        str,
        typer.Option(
            metavar="PROFILE",
            help=f"Redact what it shows: {', '.join(PROFILES)}. "
            "[default: the setting share_profile]",
        ),
    ] = "",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Show what is stored, unredacted; the audit log says so."),
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Make a link with which anybody sees one recording, or a part of it.

    `replayport serve` answers it; it ends by itself, or with `share revoke`. Set `public_url` to
    the address browsers reach the server at.
    """
    if context.invoked_subcommand is not None:
        return
    if not recording_id:
        raise WrongCallError("say which recording: replayport share ID. See: replayport list")
    if raw and redact:
        raise WrongCallError("give --redact or --raw, not both")
    with _sharing(archive) as (source, settings, sharing, _):
        manifest = source.recording(recording_id).manifest
        try:
            expires_ms = (
                None
                if expires == "never"
                else time.time_ns() // 1_000_000 + parse_duration_ms(expires)
            )
            start_ms, end_ms = _moment(start, manifest.start_ms), _moment(end, manifest.start_ms)
        except ValueError as e:
            raise WrongCallError(str(e)) from e
        said = typer.prompt("Password", hide_input=True, err=True) if password else None
        try:
            link = sharing.create(
                manifest.project,
                manifest.id,
                created_by=this_actor(),
                expires_ms=expires_ms,
                password=said,
                start_ms=start_ms,
                end_ms=end_ms,
                show=show,
                embed_in=embed_in or (),
                is_live=live,
                profile=RAW if raw else redact,
            )
        except ShareError as e:
            raise WrongCallError(str(e)) from e
        AuditLog(source).append(
            "share.create",
            actor=this_actor(),
            target=f"recording:{manifest.project}/{manifest.id}",
            detail=told_of(link),
        )
        document = share_json(sharing, link, base_url(settings))
        finds = _finds(source, link)
        if json:
            print_json({**document, "finds": finds} if finds is not None else document)
            return
        console.print(shown(document["url"]), highlight=False, soft_wrap=True)
        errors.print(f"{_told(link)}\n\nTo put it into a page:", highlight=False)
        console.print(shown(document["iframe"]), highlight=False, soft_wrap=True)
        if finds:
            errors.print(
                f"[yellow]unredacted[/yellow] {finds} finds of the profile {FOUND_BY} are in what "
                f"it shows. End it: replayport share revoke {link.id}; or make another without "
                "--raw",
                highlight=False,
            )


def _finds(source: Archive, link: ShareLink) -> int | None:
    """Count what a profile would find in what an unredacted link shows; None of a redacted one."""
    if link.profile != RAW:
        return None
    recording = source.recording(f"{link.project}/{link.recording_id}")
    return redacted_recording(recording, load_profile(FOUND_BY)).finds.total


@app.command("list")
def list_links(
    recording_id: Annotated[str, typer.Argument(metavar="[ID]", help="Only of this one.")] = "",
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """List the links there are, the newest first."""
    with _sharing(archive) as (source, settings, sharing, _):
        if recording_id:
            row = source.row(recording_id)
            links = sharing.links(row.project, row.id)
        else:
            links = sharing.links()
        if json:
            print_json([share_json(sharing, link, base_url(settings)) for link in links])
            return
        if not links:
            console.print("no links. Make one: [bold]replayport share ID[/bold]")
            return
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("link", "recording", "shows", "opened", "made (UTC)", "good"):
            table.add_column(name, no_wrap=True)
        for link in links:
            table.add_row(
                link.id,
                shown(f"{link.project}/{link.recording_id}"),
                link.show,
                str(link.opened),
                when(link.created_ms),
                _state(sharing, link),
            )
        console.print(table)


@app.command("revoke")
def revoke(
    link_id: Annotated[str, typer.Argument(metavar="LINK", help="As in `share list`.")],
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """End a link at once."""
    with _sharing(archive) as (source, settings, sharing, accounts):
        if accounts.shares.get(link_id) is None:
            raise WrongCallError("there is no such link. See: replayport share list")
        AuditLog(source).append("share.revoke", actor=this_actor(), target=f"share:{link_id}")
        link = sharing.revoke(link_id)
        assert link is not None
        if json:
            print_json(share_json(sharing, link, base_url(settings)))
            return
        console.print(f"revoked {link.id}: it opens nothing any more")


@contextmanager
def _sharing(archive: str | None) -> Iterator[tuple[Archive, Settings, Sharing, Accounts]]:
    settings = settings_with(archive=archive)
    passwords = Passwords()
    with (
        open_archive(archive) as source,
        Accounts.open(accounts_url(source, settings)) as accounts,
    ):
        sharing = Sharing(
            accounts, hash_password=passwords.hash_any, check_password=passwords.verify
        )
        yield source, settings, sharing, accounts


def base_url(settings: Settings) -> str:
    """Give the address links begin with."""
    if settings["public_url"]:
        return str(settings["public_url"]).rstrip("/")
    host = str(settings["host"])
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{settings['port']}"


def _moment(text: str | None, start_ms: int) -> int | None:
    """Read a time, or seconds from the start of the recording."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return parse_time_ms(text)
    if not 0 <= seconds < 1e9:  # an epoch in milliseconds
        return parse_time_ms(text)
    return start_ms + round(seconds * 1000)


def _told(link: ShareLink) -> str:
    ends = "never ends" if link.expires_ms is None else f"ends {when(link.expires_ms)} UTC"
    asks = " and asks for the password" if link.password_hash else ""
    return f"link [bold]{link.id}[/bold] shows {link.show}, {ends}{asks}"


def _state(sharing: Sharing, link: ShareLink) -> str:
    if link.revoked_ms is not None:
        return "[red]revoked[/red]"
    if not sharing.is_good(link):
        return "[yellow]ended[/yellow]"
    return "for good" if link.expires_ms is None else f"until {when(link.expires_ms)}"
