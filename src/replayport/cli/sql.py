"""``replayport sql``: ask the archive's tables a question."""

from __future__ import annotations

import csv as csv_module
import sys
from datetime import date, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    WrongCallError,
    console,
    open_archive,
    print_json,
    shown,
)
from replayport.errors import ReplayError
from replayport.format.tables import TABLES

SHOWN_ROWS = 200
SHOWN_CHARS = 120


def sql(
    query: Annotated[
        str,
        typer.Argument(metavar="QUERY", help=f"SQL of DuckDB, over: {', '.join(TABLES)}."),
    ],
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Ask all recordings a question in SQL. Needs replayport[duckdb].

    Times are UTC. For questions asked again and again build a `dataset` and ask that.
    """
    if csv and json:
        raise WrongCallError("give one of --json and --csv")
    with open_archive(archive) as source:
        names, rows = _asked(source, query)
    if json:
        print_json([dict(zip(names, map(_plain, row), strict=True)) for row in rows])
    elif csv:
        writer = csv_module.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(v) for v in row] for row in rows)
    else:
        _print(names, rows)


def _asked(source: Any, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    import duckdb

    try:
        found = source.sql(query)
        if found is None:  # a statement that asks nothing
            return [], []
        return list(found.columns), found.fetchall()
    except duckdb.Error as e:
        # Of a query, only its first line: the rest repeats it with a mark under the place.
        raise ReplayError(f"DuckDB does not take this query. {str(e).splitlines()[0]}") from e


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [_plain(v) for v in value] if isinstance(value, list) else str(value)


def _cell(value: Any) -> Any:
    text = str(_plain(value)) if isinstance(value, datetime | date | list) else value
    if isinstance(text, str) and text[:1] in "=+-@\t\r":
        return "'" + text  # a spreadsheet would take it for a formula
    return "" if text is None else text


def _print(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for n, name in enumerate(names):
        numbers = bool(rows) and all(isinstance(r[n], int | float) for r in rows)
        table.add_column(shown(name), justify="right" if numbers else "left", overflow="fold")
    for row in rows[:SHOWN_ROWS]:
        table.add_row(*(shown(_short(v)) for v in row))
    console.print(table)
    if len(rows) > SHOWN_ROWS:
        console.print(f"and {len(rows) - SHOWN_ROWS} more rows: --json, --csv", style="dim")


def _short(value: Any) -> str:
    text = "null" if value is None else str(_plain(value))
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"
