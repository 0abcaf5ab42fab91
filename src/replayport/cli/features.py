"""``replayport features``: one row of numbers a recording, PostHog's and ours."""

from __future__ import annotations

import io
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Any

import typer
from rich.table import Table

from replayport.analysing import Failed, Task, analyse
from replayport.analysis.profiles import DEFAULT_PROFILE
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    WrongCallError,
    console,
    open_archive,
    print_json,
    progress_bar,
    shown,
)
from replayport.cli.signals import (
    AllOption,
    IdsArgument,
    WorkersOption,
    chosen,
    failures,
    print_failed,
    print_findings,
    profiles_of,
)
from replayport.feature_files import SCHEMA, FeatureFile, rows_of, write_csv
from replayport.plurals import counted

FILE_SUFFIXES = (".parquet", ".csv", ".jsonl")
SHOWN_ACROSS = 8
"""Recordings shown side by side where there is no terminal to say what fits."""


def features(
    ids: IdsArgument = None,
    all_: AllOption = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Write a table: .parquet, .csv or .jsonl. Stopped and run again, it continues.",
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")] = False,
    blocks: Annotated[
        bool,
        typer.Option(
            "--blocks",
            help="Also a row added up from the source's blocks, as PostHog's database does, where "
            "they are known.",
        ),
    ] = False,
    profile: Annotated[
        str, typer.Option("--profile", help="Whose rules the signal columns are counted by.")
    ] = DEFAULT_PROFILE,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Compute features: PostHog's metrics by its own definitions, ours, and counts of signals.

    A value that cannot be known is null, never zero. docs/reference/features.md says what each is.
    """
    if output is not None and output.suffix not in FILE_SUFFIXES:
        raise WrongCallError(f"-o must end in one of {', '.join(FILE_SUFFIXES)}")
    if json + csv + (output is not None) > 1:
        raise WrongCallError("give one of --json, --csv and -o")
    task = Task(profiles=profiles_of([profile], None), features=True, blocks=blocks, score=True)
    failed: list[Failed] = []
    findings: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    with open_archive(archive) as source:
        wanted = chosen(source, ids, all_=all_)
        names = [one.name for one in wanted]
        file = None
        if output is not None:
            file = FeatureFile(
                output, {"profile": profile, "blocks": blocks, "columns": SCHEMA.names}
            )
            done = file.done()
            wanted = [one for one in wanted if one.name not in done]
        try:
            with progress_bar("features", len(wanted), quiet=json or csv) as advance:
                for one, result in zip(
                    wanted, analyse(source, wanted, task, workers=workers), strict=True
                ):
                    advance(1, one.name)
                    if isinstance(result, Failed):
                        failed.append(result)
                        continue
                    findings.update(result.findings.keys())
                    if file is not None:
                        file.add(rows_of(result))
                    else:
                        rows += rows_of(result)
        finally:
            if file is not None:
                file.flush()
        if file is not None:
            written = file.finish(names)
    if json:
        print_json({"features": rows, "failed": failures(failed)})
    elif csv:
        out = io.StringIO()
        write_csv(rows, out)
        sys.stdout.write(out.getvalue())
    elif output is not None:
        console.print(f"{counted(written, 'row')} in {shown(output)}", highlight=False)
    else:
        _print(rows)
    if not json:
        print_findings(findings, len(wanted))
        print_failed(failed)
    if failed:
        raise typer.Exit(1)


def _print(rows: list[dict[str, Any]]) -> None:
    """Print features down and recordings across; more than fit as a summary of each feature."""
    fit = max(1, (console.width - 40) // 14) if console.is_terminal else SHOWN_ACROSS
    if len(rows) > fit:
        _print_summary(rows)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("feature", no_wrap=True)
    for row in rows:
        scope = "" if row["scope"] == "recording" else " blocks"
        table.add_column(shown(f"…{row['id'][-8:]}{scope}"), justify="right", no_wrap=True)
    for name in SCHEMA.names[4:]:
        values = [_short(row[name]) for row in rows]
        if any(values):
            table.add_row(name, *map(shown, values))
    console.print(table)


def _print_summary(rows: list[dict[str, Any]]) -> None:
    """Print, of each number, in how many rows it is known, and how it is spread."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("feature", no_wrap=True)
    for heading in ("known", "least", "median", "mean", "most"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in SCHEMA.names[4:]:
        values = sorted(v for row in rows if isinstance(v := row[name], bool | int | float))
        if not values:
            if all(row[name] is None for row in rows):
                table.add_row(name, "0", *["null"] * 4)
            continue
        spread = (values[0], median(values), fmean(values), values[-1])
        table.add_row(name, str(len(values)), *(f"{v:.4g}" for v in spread))
    console.print(table)
    console.print(
        f"{counted(len(rows), 'row')}, summed up; each of them: -o features.parquet, --csv, --json",
        style="dim",
    )


def _short(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"{len(value)} listed"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
