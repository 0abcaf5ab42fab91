"""``replayport dataset``."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    console,
    errors,
    open_archive,
    print_json,
    progress_bar,
    settings_with,
    shown,
    time_option,
)
from replayport.dataset.build import DatasetReport, build_dataset, chosen_tables
from replayport.dataset.ledger import SUFFIXES
from replayport.format.tables import TABLES
from replayport.plurals import counted

BIGQUERY: Final = "bigquery://"


def dataset(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="URL",
            help="Where to: a folder, s3://bucket/prefix, gs://…, az://…, "
            "or bigquery://project/dataset.",
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Add only recordings that started at or after."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Add only recordings that started before.")
    ] = None,
    tables: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help=f"Which tables, with commas between: {', '.join(TABLES)}. "
            "[default: all, or those it has]",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"Of the files: {', '.join(SUFFIXES)}. [default: that it has, else parquet]",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes; 0 means one a core.", show_default=False),
    ] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Write many recordings as tables in few large files, or into BigQuery; again to update.

    A second run adds what is new and writes files again whose recordings changed or are
    gone. What is there already is kept up to date whatever `--since` says.
    """
    if format_ is not None and format_ not in SUFFIXES:
        raise typer.BadParameter(f"choose one of: {', '.join(SUFFIXES)}", param_hint="--format")
    names = None if tables is None else [n.strip() for n in tables.split(",") if n.strip()]
    try:
        chosen_tables(names)
    except ValueError as e:
        raise typer.BadParameter(str(e), param_hint="--tables") from e
    options: dict[str, Any] = {
        "tables": names,
        "since_ms": time_option(since, "--since"),
        "until_ms": time_option(until, "--until"),
    }
    settings = settings_with(workers=workers)
    with open_archive(archive) as source:
        total = source.catalog.count(since_ms=options["since_ms"], until_ms=options["until_ms"])
        with progress_bar("building", total, quiet=json) as advance:
            if to.startswith(BIGQUERY):
                from replayport.dataset.bigquery import load_bigquery

                if format_ not in (None, "parquet"):
                    raise typer.BadParameter(
                        "BigQuery is loaded from Parquet", param_hint="--format"
                    )
                report = load_bigquery(source, to, on_progress=advance, **options)
            else:
                report = build_dataset(
                    source,
                    to,
                    file_format=format_,
                    workers=settings["workers"],
                    on_progress=advance,
                    **options,
                )
    _print(report, as_json=json)
    if not report.ok:
        raise typer.Exit(1)


def _print(report: DatasetReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
        return
    for what, why in sorted(report.rejected.items()):
        errors.print(f"[red]damaged[/red] {shown(what)}: {shown(why)}", highlight=False)
    for what in sorted(report.left_for_later):
        errors.print(f"[yellow]changed meanwhile[/yellow] {shown(what)}", highlight=False)
    rows = ", ".join(f"{n:,} {t}" for t, n in report.rows.items() if n)
    console.print(
        f"{counted(report.recordings, 'recording')} in {shown(report.to)}: "
        f"{report.added:,} added, {report.changed:,} changed, {report.removed:,} removed, "
        f"{report.unchanged:,} as they were",
        highlight=False,
    )
    console.print(
        f"{counted(report.files_written, 'file')} written ({rows or 'no rows'}), "
        f"{report.files_deleted:,} deleted",
        highlight=False,
    )
