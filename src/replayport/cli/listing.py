"""``replayport list`` and ``replayport show``."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.table import Table

from replayport.analysis.actions import ActionLog
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    console,
    duration,
    open_archive,
    print_json,
    shown,
    size,
    time_option,
    when,
)
from replayport.plurals import counted

SHOWN_URL_CHARS: Final = 100
WIDE_COLUMNS: Final = 130
"""Terminal width from which the list shows its counts."""


def list_recordings(
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Started at or after: 2026-11-01, an ISO time, or 7d.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Started before.")] = None,
    person: Annotated[str | None, typer.Option(help="Only of this distinct id.")] = None,
    url: Annotated[str | None, typer.Option(help="Visited an address containing this.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """List recordings, newest first."""
    since_ms, until_ms = time_option(since, "--since"), time_option(until, "--until")
    with open_archive(archive) as source:
        rows = source.catalog.list(
            project=project,
            since_ms=since_ms,
            until_ms=until_ms,
            person=person,
            url_contains=url,
            limit=limit,
        )
        if json:
            print_json([_row_json(row) for row in rows])
            return
        wide = console.width >= WIDE_COLUMNS
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("id", no_wrap=True)
        table.add_column("start (UTC)", no_wrap=True)
        table.add_column("duration", justify="right", no_wrap=True)
        if wide:
            for name in ("events", "tabs", "clicks", "size"):
                table.add_column(name, justify="right", no_wrap=True)
            table.add_column("from", no_wrap=True)
        table.add_column("first page", no_wrap=True, overflow="ellipsis")
        n = 0
        for row in rows:
            n += 1
            table.add_row(
                shown(row.id) + ("" if row.complete else " [yellow]incomplete[/yellow]"),
                when(row.start_ms),
                duration(row.duration_ms),
                *(
                    (
                        str(row.events),
                        str(row.windows),
                        str(row.clicks),
                        size(row.archived_bytes),
                        shown(row.source),
                    )
                    if wide
                    else ()
                ),
                shown((row.first_url or "")[:SHOWN_URL_CHARS]),
            )
        if not n:
            console.print(
                "no recordings. Get some: [bold]replayport pull posthog[/bold], "
                "[bold]replayport import FILE…[/bold], or try [bold]replayport demo[/bold]"
            )
            return
        console.print(table)


def show(
    recording_id: Annotated[str, typer.Argument(metavar="ID", help="As in `list`.")],
    actions: Annotated[
        bool, typer.Option("--actions", help="Also what the user did, step by step.")
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """Show what is known of one recording: its manifest, and what follows from it."""
    with open_archive(archive) as source:
        recording = source.recording(recording_id)
        manifest = recording.manifest
        document: dict[str, Any] = msgspec.to_builtins(manifest)
        document["summary"] = {
            "clicks": manifest.clicks,
            "inputs": manifest.kinds.get("input", 0),
            "console_errors": manifest.console_errors,
            "pages": manifest.kinds.get("meta", 0),
            "windows": len(manifest.windows),
            "archived_bytes": sum(f.bytes for f in manifest.files.values()),
            "key_prefix": recording.prefix,
            "playable": any(w.full_snapshots for w in manifest.windows),
        }
        log = recording.action_log() if actions else None
        if json:
            if log is not None:
                document["actions"] = [dataclasses.asdict(a) for a in log.actions]
                document["action_findings"] = dict(log.findings)
            print_json(document)
            return
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="dim", justify="right")
        table.add_column(overflow="fold")
        viewport = manifest.viewport
        for name, value in (
            ("id", manifest.id),
            ("project", manifest.project),
            ("start", f"{when(manifest.start_ms)} UTC"),
            ("duration", duration(manifest.duration_ms)),
            ("first page", manifest.first_url or "none"),
            ("person", manifest.person.distinct_id if manifest.person else "unknown"),
            ("viewport", f"{viewport.width} x {viewport.height}" if viewport else "unknown"),
            ("recorded from", manifest.snapshot_source),
            ("source", " ".join(f"{k}={v}" for k, v in manifest.source.items())),
            ("complete", "yes" if manifest.complete else f"no, missing {manifest.missing}"),
            (
                "size",
                (
                    f"{size(document['summary']['archived_bytes'])} for {size(manifest.raw_bytes)} "
                    f"of {counted(manifest.events, 'event')}, "
                    f"{counted(manifest.analytics_events, 'analytics event')}"
                ),
            ),
            ("kinds", ", ".join(f"{k} {n}" for k, n in manifest.kinds.items())),
        ):
            table.add_row(name, shown(value))
        for window in manifest.windows:
            table.add_row(
                "window",
                shown(
                    f"{window.window_id or '(unnamed)'}: {counted(window.events, 'event')}, "
                    f"{window.full_snapshots} full snapshots, {window.first_url or 'no page'}"
                ),
            )
        for finding in manifest.findings:
            table.add_row(
                "[yellow]finding[/yellow]",
                shown(f"{finding.code} {finding.count}: {finding.detail}"),
            )
        for reason, n in manifest.rejected.items():
            table.add_row("[red]rejected[/red]", shown(f"{reason} {n}"))
        console.print(table, highlight=False)
        if log is not None:
            _print_actions(log, several_windows=len(manifest.windows) > 1)


def _print_actions(log: ActionLog, *, several_windows: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("at", justify="right", no_wrap=True)
    if several_windows:
        table.add_column("tab", no_wrap=True)
    table.add_column("the user", overflow="fold")
    tabs: dict[str, int] = {}
    for action in log.actions:
        tab = tabs.setdefault(action.window_id, len(tabs) + 1)
        row = [duration(action.offset_ms), *([str(tab)] if several_windows else [])]
        table.add_row(*row, shown(action.text))
    console.print()
    console.print(table, highlight=False)
    for code, n in sorted(log.findings.items()):
        console.print(f"[yellow]finding[/yellow] {shown(code)} {n}", highlight=False)


def _row_json(row: Any) -> dict[str, Any]:
    """Give a row as the contract has it, its first keys first."""
    document = dataclasses.asdict(row)
    first = (
        "id",
        "project",
        "session_id",
        "start_ms",
        "end_ms",
        "duration_ms",
        "events",
        "windows",
        "source",
    )
    rest = {k: v for k, v in document.items() if k not in first and k != "urls_text"}
    return {k: document[k] for k in first} | rest
