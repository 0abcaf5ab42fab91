"""``replayport audit``: the log of who did what, and whether it is whole."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from replayport.audit import Anchor, AuditEntry, AuditLog
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    console,
    errors,
    open_archive,
    print_json,
    shown,
    time_option,
    when,
)
from replayport.plurals import counted

app = typer.Typer(invoke_without_command=True)


@app.callback()
def audit(
    context: typer.Context,
    action: Annotated[
        str | None, typer.Option(help="Only actions that begin so, such as erasure.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Only of who has this in their name.")] = None,
    recording: Annotated[
        str | None, typer.Option(metavar="PROJECT/ID", help="Only about this recording.")
    ] = None,
    person: Annotated[
        str | None, typer.Option(metavar="DISTINCT_ID", help="Only about this person.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From then on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before then.")] = None,
    limit: Annotated[int, typer.Option(help="The newest so many; 0 for all.", min=0)] = 50,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Show the audit log: who did what to which recording, newest last.

    Recordings and persons are kept as pseudonyms; those still in the archive are shown by
    name.
    """
    if context.invoked_subcommand is not None:
        return
    since_ms, until_ms = time_option(since, "--since"), time_option(until, "--until")
    with open_archive(archive) as source:
        log = AuditLog(source)
        targets = {
            log.target_of(f"{kind}:{name}")
            for kind, name in (("recording", recording), ("person", person))
            if name is not None
        }
        found: list[AuditEntry] = []
        for entry in log.entries():
            if (
                (action is None or entry.action.startswith(action))
                and (actor is None or actor in entry.actor)
                and (not targets or entry.target in targets)
                and (since_ms is None or entry.at_ms >= since_ms)
                and (until_ms is None or entry.at_ms < until_ms)
            ):
                found.append(entry)
                if limit and len(found) > limit:
                    del found[0]
        names = log.names() if found else {}
    if json:
        print_json([_to_json(entry, names) for entry in found])
        return
    table = Table(box=None, pad_edge=False)
    for column in ("", "when (UTC)", "who", "what", "about", "detail"):
        table.add_column(column, overflow="fold")
    for entry in found:
        detail = ", ".join(f"{k} {v}" for k, v in entry.detail.items())
        about = names.get(entry.target or "", entry.target or "")
        table.add_row(
            str(entry.seq),
            when(entry.at_ms),
            shown(entry.actor),
            entry.action,
            shown(about),
            shown(detail),
        )
    console.print(table)
    if not found:
        errors.print("no entries")


def _to_json(entry: AuditEntry, names: dict[str, str]) -> dict[str, Any]:
    return {**msgspec.to_builtins(entry), "name": names.get(entry.target or "")}


@app.command("verify")
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SEQ:DIGEST",
            help="An entry noted down earlier, from what this command printed; may be given "
            "several times.",
        ),
    ] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Check that no entry was changed, taken out, moved, or cut off at the end.

    Prints the newest entry as SEQ:DIGEST. Note it down elsewhere: with `--head` the next
    check notices even somebody who wrote the whole log and the catalog anew.
    """
    given = [_anchor(text) for text in head or []]
    with open_archive(archive) as source:
        log = AuditLog(source)
        count, problems = log.verify([*log.anchors(), *given])
        newest = log.head()
    now = None if newest is None else f"{newest.seq}:{newest.digest}"
    if json:
        print_json({"entries": count, "head": now, "problems": [p.to_json() for p in problems]})
    else:
        for problem in problems:
            errors.print(f"[red]{problem.code}[/red] {shown(problem.detail)}", highlight=False)
        state = "[green]unbroken[/green]" if not problems else counted(len(problems), "problem")
        console.print(f"{count} entries, {state}")
        if now is not None:
            console.print(f"head {now}", highlight=False)
    if problems:
        raise typer.Exit(1)


def _anchor(text: str) -> Anchor:
    found = re.fullmatch(r"(\d{1,12}):([0-9a-f]{64})", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not SEQ:DIGEST", param_hint="--head")
    return Anchor(int(found[1]), found[2], "given")
