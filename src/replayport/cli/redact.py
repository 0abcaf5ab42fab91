"""``replayport redact``: what a recording holds that nobody should see, shown or removed."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from replayport.archive import Archive
from replayport.audit import AuditLog, this_actor
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    console,
    errors,
    open_archive,
    print_json,
    progress_bar,
    shown,
)
from replayport.errors import RecordingError, StoreError
from replayport.plurals import counted
from replayport.redact.report import WARNING_MEANINGS, Finds
from replayport.redact.rules import Profile, ProfileError
from replayport.redacting import PROFILES, Redacted, load_profile, redact_stored


def redact(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="As in `list`; all: every one.")],
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE", help=f"{', '.join(PROFILES)}, or a TOML file of your own rules."
        ),
    ] = "default",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would go, by rule and place; change nothing."),
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Remove secrets and personal data from stored recordings, for good.

    Texts, fields, addresses, console, requests, analytics, the manifest and the catalog are
    rewritten; length and layout stay, so the recording still plays. Found values are shown
    as hints only (`j***@e***.com`). Copies made before, such as exports, are not changed.
    """
    rules = profile_option(profile, "--profile")
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    total = Finds()
    changed = False
    with open_archive(archive) as source:
        names = [f"{r.project}/{r.id}" for r in source.catalog.list()] if ids == ["all"] else ids
        with progress_bar("redacting", len(names), quiet=json) as advance:
            for name in names:
                advance(1, name)
                try:
                    result = redact_stored(
                        source,
                        name,
                        rules,
                        dry_run=dry_run,
                        scrub=False,
                        before_write=lambda r: _log(source, r, rules),
                    )
                except (RecordingError, StoreError) as e:  # the others are redacted all the same
                    failed.append({"what": name, "detail": str(e)})
                    continue
                total.update(result.finds)
                changed |= result.changed and not dry_run
                done.append(
                    {
                        "id": result.recording.id,
                        "project": result.recording.manifest.project,
                        "changed": result.changed and not dry_run,
                        "found": result.finds.total,
                        "finds": result.finds.rows(),
                        "warnings": dict(result.finds.warnings),
                    }
                )
        if changed:
            source.catalog.scrub()
    if json:
        print_json(
            {"profile": rules.name, "dry_run": dry_run, "recordings": done, "failed": failed}
        )
    else:
        print_finds(total)
        n = sum(bool(d["found"]) for d in done)
        verb = "would change" if dry_run else "changed"
        console.print(
            f"{counted(len(done), 'recording')} looked through with {shown(rules.name)}, {n} {verb}"
        )
        for item in failed:
            errors.print(
                f"[red]failed[/red] {shown(item['what'])}: {shown(item['detail'])}",
                highlight=False,
            )
    if failed:
        raise typer.Exit(1)


def profile_option(name: str, option: str) -> Profile:
    """
    Load a profile named on the command line.

    Raises:
        typer.BadParameter: It cannot be used.
    """
    try:
        return load_profile(name)
    except ProfileError as e:
        raise typer.BadParameter(str(e), param_hint=option) from e


def print_finds(finds: Finds) -> None:
    """Print what was found: a table, then warnings."""
    rows = finds.rows()
    if rows:
        table = Table(box=None, pad_edge=False)
        table.add_column("found", justify="right")
        for name in ("rule", "place", "such as"):
            table.add_column(name)
        for row in rows:
            table.add_row(
                str(row["count"]), row["rule"], row["place"], shown("  ".join(row["examples"]))
            )
        console.print(table)
    for code, n in sorted(finds.warnings.items()):
        console.print(
            f"  [yellow]{shown(code)}[/yellow] {n}  {shown(WARNING_MEANINGS.get(code, ''))}",
            highlight=False,
        )


def _log(archive: Archive, result: Redacted, profile: Profile) -> None:
    manifest = result.recording.manifest
    AuditLog(archive).append(
        "recording.redact",
        actor=this_actor(),
        target=f"recording:{manifest.project}/{manifest.id}",
        detail={"profile": profile.name, "sha256": profile.digest, "found": result.finds.total},
    )
