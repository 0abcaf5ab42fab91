"""What commands share: options, the two consoles, JSON, progress, tables of outcomes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from replayport.archive import Archive
from replayport.errors import ReplayError, SettingsError
from replayport.outcomes import FINDING_MEANINGS, REASON_MEANINGS, Report
from replayport.settings import Settings, load_settings
from replayport.timeutil import parse_time_ms

PIPE_WIDTH: Final = 100_000
"""On a pipe lines are long: nothing is folded or cut where a program reads."""


class WrongCallError(ReplayError):
    """What was asked for cannot be meant; the command leaves with 2."""


class _Console(Console):
    """A console that says when its reader went away, rather than leave with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


console = _Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, emoji=False)
errors = _Console(stderr=True, width=None if sys.stderr.isatty() else PIPE_WIDTH, emoji=False)

_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)

SHOWN_IDS: Final = 10
"""Ids of recordings written are printed up to so many; `list` has them all."""

ArchiveOption = Annotated[
    str | None,
    typer.Option(
        "--archive",
        metavar="URL",
        help="The archive: a folder, s3://bucket/prefix, gs://…, az://… "
        "[default: $REPLAYPORT_ARCHIVE, else ./replays]",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output.")
]


def settings_with(**options: Any) -> Settings:
    """
    Resolve the settings with what the command line gave.

    Raises:
        WrongCallError: A value does not fit, wherever it came from.
    """
    try:
        return load_settings(options)
    except SettingsError as e:
        raise WrongCallError(str(e)) from e


def open_archive(
    archive: str | None, *, create: bool = False, rebuild_catalog: bool = False
) -> Archive:
    """
    Open the archive the command works on.

    Args:
        archive: As given; the setting when None.
        create: Make one when there is none: for commands that bring recordings in, which
            are redacted first where the setting ``redact_profile`` says so.
        rebuild_catalog: As in `Archive.open`.
    """
    settings = settings_with(archive=archive)
    opened = Archive.open(
        settings["archive"],
        create=create,
        catalog_url=settings["catalog_url"],
        rebuild_catalog=rebuild_catalog,
        key_ring=settings["encryption_key_ring"],
    )
    if create:
        # Here, because most commands bring nothing in, and it takes a tenth of a second to load.
        from replayport.redacting import redact_before_storing

        redact_before_storing(opened, settings["redact_profile"])
    return opened


def printable(text: str) -> str:
    """
    Make text from a recording or a file name safe to print.

    A terminal obeys control characters: they could move the cursor, change what was
    printed before, or write to the clipboard. Here they become visible escapes, and so
    do the marks that turn the direction of writing, and lone surrogates.
    """
    return _UNPRINTABLE.sub(
        lambda m: f"\\x{ord(m[0]):02x}" if m[0] < "\x80" else f"\\u{ord(m[0]):04x}", text
    )


def shown(text: object) -> str:
    """Make text printable between the markup of a console; no tag may follow it directly."""
    # With text behind it, `escape` leaves a backslash at the end as it is.
    return escape(printable(str(text)) + " ")[:-1]


def time_option(text: str | None, option: str) -> int | None:
    """
    Read a time given to an option.

    Raises:
        typer.BadParameter: It is no time.
    """
    try:
        return parse_time_ms(text)
    except ValueError as e:
        raise typer.BadParameter(str(e), param_hint=option) from e


def print_json(document: Any) -> None:
    """
    Print one JSON document.

    Characters that a terminal obeys are written as JSON's escapes: the same values.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False)
    # A newline can only be the layout's: inside strings JSON escapes it.
    lines = (_UNPRINTABLE.sub(lambda m: f"\\u{ord(m[0]):04x}", t) for t in text.split("\n"))
    sys.stdout.buffer.write("\n".join(lines).encode("utf-8") + b"\n")


@contextmanager
def progress_bar(description: str, total: int | None, *, quiet: bool = False) -> Iterator[Any]:
    """
    Show progress with a rate and the time left; silent on a pipe and with ``--json``.

    Yields:
        A function ``advance(n=1, description=None)``.
    """
    with Progress(
        SpinnerColumn(),
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=quiet or not errors.is_terminal,
    ) as progress:
        task = progress.add_task(escape(description), total=total)

        def advance(n: int = 1, description: str | None = None) -> None:
            progress.update(task, advance=n)
            if description is not None:
                progress.update(task, description=shown(description[-60:]))

        yield advance


def print_report(report: Report, *, as_json: bool) -> None:
    """Print an outcome table, and leave with 1 when something was rejected."""
    if as_json:
        print_json(report.to_json())
    else:
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(justify="right", style="bold")
        table.add_column()
        table.add_row(str(len(report.written)), "[green]written[/green]")
        if report.already_there:
            table.add_row(str(len(report.already_there)), "already there")
        if report.left_for_later:
            table.add_row(
                str(len(report.left_for_later)),
                "left for later (younger than a day; --recent takes them now)",
            )
        if report.rejected:
            table.add_row(str(len(report.rejected)), "[red]rejected[/red]")
        console.print(table)
        if 0 < len(report.written) <= SHOWN_IDS:
            console.print("  " + escape("  ".join(report.written)), style="dim", highlight=False)
        for code, n in sorted(report.findings.items()):
            console.print(
                f"  [yellow]{shown(code)}[/yellow] {n}  {shown(FINDING_MEANINGS.get(code, ''))}",
                highlight=False,
            )
        for item in report.rejected:
            errors.print(
                f"[red]{item.reason.value}[/red] {shown(item.what)}: {shown(item.detail)}\n"
                f"  {escape(REASON_MEANINGS[item.reason][1])}",
                highlight=False,
            )
    if not report.ok:
        raise typer.Exit(1)


def when(timestamp_ms: int) -> str:
    """Give a time for tables, UTC."""
    try:
        return f"{datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return str(timestamp_ms)


def duration(ms: int) -> str:
    """Give a duration for tables: ``3.2 s``, ``4:05``, ``1:02:03``."""
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(n: int) -> str:
    """Give bytes for tables, in units of 1000."""
    value = float(n)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
