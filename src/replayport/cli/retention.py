"""``replayport retention``: what is too old, and what is held."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from replayport.archive import Archive
from replayport.audit import AuditLog, this_actor
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
    size,
    when,
)
from replayport.cli.erase import opened_eraser
from replayport.holds import Holds, Kind
from replayport.plurals import counted
from replayport.retention import retire, retiring

app = typer.Typer(invoke_without_command=True)

HoldId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="A recording: ID or PROJECT/ID.")
]
HoldPerson = Annotated[
    str | None, typer.Option("--person", metavar="DISTINCT_ID", help="A person's distinct id.")
]
_SHOWN = 20


@app.callback()
def retention(
    context: typer.Context,
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Remove them; otherwise only show them.")
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Show, or remove, the recordings older than their project keeps them.

    Days are `retention_days` of `[projects.<name>]` in replayport.toml. Recordings under a
    legal hold stay. `serve` does this by itself, every `retention_every_h` hours.
    """
    if context.invoked_subcommand is not None:
        return
    from replayport.capture.projects import load_projects

    settings = settings_with(archive=archive)
    days = {p.name: p.retention_days for p in load_projects().all()}
    receipts = []
    with open_archive(archive) as source:
        found = retiring(source, days, now_ms=source.now_ms())
        if apply and found.retired:
            with opened_eraser(source, settings, skip_inboxes=[], quiet=json) as eraser:
                receipts = retire(eraser, found)
    if json:
        print_json(
            {
                "applied": apply,
                "retention_days": days,
                "recordings": [
                    {
                        "id": r.id,
                        "project": r.project,
                        "began_ms": r.began_ms,
                        "bytes": r.bytes,
                        "retention_days": r.retention_days,
                    }
                    for r in found.retired
                ],
                "held": found.held,
                "receipts": [r["erasure"] for r in receipts],
            }
        )
        return
    if not any(days.values()):
        errors.print("no project has retention_days: everything is kept")
    table = Table(box=None, pad_edge=False)
    for column in ("recording", "began (UTC)", "kept for", "size"):
        table.add_column(column)
    for r in found.retired[:_SHOWN]:
        table.add_row(
            shown(r.name), when(r.began_ms), counted(r.retention_days, "day"), size(r.bytes)
        )
    if found.retired:
        console.print(table)
    if len(found.retired) > _SHOWN:
        console.print(f"… and {len(found.retired) - _SHOWN} more")
    for name in found.held:
        errors.print(f"[yellow]held[/yellow] {shown(name)} is past retention and stays")
    total = size(sum(r.bytes for r in found.retired))
    done = "removed" if apply else "would be removed (--apply removes them)"
    console.print(f"{counted(len(found.retired), 'recording')}, {total}: {done}")
    for receipt in receipts:
        console.print(f"receipt receipts/{receipt['erasure']}.json", highlight=False)


@app.command("hold")
def hold(
    recording_id: HoldId = None,
    person: HoldPerson = None,
    reason: Annotated[str, typer.Option(help="A case number; no description of people.")] = "",
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """Put a legal hold: neither retention nor erasure removes it until it is released."""
    with open_archive(archive) as source:
        kind, name = _named(source, recording_id, person)
        AuditLog(source).append("hold.set", actor=this_actor(), target=f"{kind}:{name}")
        made = Holds(source).put(kind, name, by=this_actor(), reason=reason)
    if json:
        print_json({"kind": kind, "name": name, "reason": made.reason, "at_ms": made.at_ms})
    else:
        console.print(f"held: {kind} {shown(name)}", highlight=False)


@app.command("release")
def release(
    recording_id: HoldId = None,
    person: HoldPerson = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """Lift a legal hold."""
    with open_archive(archive) as source:
        kind, name = _named(source, recording_id, person)
        AuditLog(source).append("hold.release", actor=this_actor(), target=f"{kind}:{name}")
        there = Holds(source).release(kind, name)
    if json:
        print_json({"kind": kind, "name": name, "released": there})
    else:
        said = "released" if there else "there was no hold on"
        console.print(f"{said}: {kind} {shown(name)}", highlight=False)
    if not there:
        raise typer.Exit(1)


@app.command("holds")
def holds(archive: ArchiveOption = None, json: JsonOption = False) -> None:
    """List the legal holds; names are shown of what is in the archive."""
    with open_archive(archive) as source:
        found = list(Holds(source).all())
        names = AuditLog(source).names() if found else {}
    rows = [(h, names.get(f"{h.kind}:{h.pseudonym}", f"{h.kind}:{h.pseudonym}")) for h in found]
    if json:
        print_json(
            [{"target": name, "by": h.by, "at_ms": h.at_ms, "reason": h.reason} for h, name in rows]
        )
        return
    table = Table(box=None, pad_edge=False)
    for column in ("held", "since (UTC)", "by", "reason"):
        table.add_column(column)
    for h, name in rows:
        table.add_row(shown(name), when(h.at_ms), shown(h.by), shown(h.reason))
    console.print(table if rows else "no holds")


def _named(source: Archive, recording_id: str | None, person: str | None) -> tuple[Kind, str]:
    if (recording_id is None) == (person is None):
        raise WrongCallError("name a recording, or --person and a distinct id")
    if person is not None:
        return "person", person
    row = source.row(str(recording_id))
    return "recording", f"{row.project}/{row.id}"
