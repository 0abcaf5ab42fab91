"""``replayport signals``: moments of trouble, by any product's rules, and where they disagree."""

from __future__ import annotations

import hashlib
import json as json_module
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from replayport.analysing import Analysis, Failed, Task, Where, analyse, where
from replayport.analysis.findings import ANALYSIS_FINDINGS
from replayport.analysis.frustration import in_words, seconds
from replayport.analysis.moments import Signal
from replayport.analysis.profiles import DEFAULT_PROFILE, KINDS, PROFILES, Profile, ProfileError
from replayport.analysis.profiles import profile as profile_of
from replayport.analysis.signals import Comparison
from replayport.archive import Archive
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    WrongCallError,
    console,
    errors,
    open_archive,
    print_json,
    progress_bar,
    shown,
)
from replayport.plurals import counted

IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]…", help="As in `list`; or give --all.")
]
AllOption = Annotated[bool, typer.Option("--all", help="Every recording of the archive.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", help="Processes [default: one a core].", min=1)
]
SHOWN_DISAGREEMENTS = 20
LINE_BEGINS = b'{"id": '
"""How each line of a file of signals does."""


def signals(
    ids: IdsArgument = None,
    all_: AllOption = False,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            help=f"Whose rules: {', '.join(PROFILES)}. May be given again. "
            f"[default: {DEFAULT_PROFILE}; with --compare all]",
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Report where the profiles agree and disagree.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KIND.THRESHOLD=VALUE",
            help="Set a threshold anew: rage_click.radius_px=20. May be given again.",
        ),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only these kinds. May be given again.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Write JSON lines, one a recording. Stopped and run again, it continues.",
        ),
    ] = None,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Find moments of trouble: rage clicks, dead clicks, errors after clicks, lost input and more.

    Products count them by different rules. Each profile is one product's, with its numbers;
    nothing is stored, so old recordings can be judged by new rules at any time.
    """
    profiles = profiles_of(profile or (list(PROFILES) if compare else [DEFAULT_PROFILE]), set_)
    if unknown := sorted(set(kind or ()) - set(KINDS)):
        raise WrongCallError(f"there is no kind {', '.join(unknown)}. Kinds: {', '.join(KINDS)}")
    if compare + json + (output is not None) > 1 and not (compare and json):
        raise WrongCallError("-o takes neither --json nor --compare")
    rules = _rules_digest(profiles, kind)
    with open_archive(archive) as source:
        wanted = chosen(source, ids, all_=all_)
        task = Task(profiles=profiles)
        report = Comparison([p.name for p in profiles])
        documents: list[dict[str, Any]] = []
        failed: list[Failed] = []
        findings: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        with_signals = 0
        done = _already(output, rules)
        asked = len(wanted)
        wanted = [one for one in wanted if one.name not in done]
        sink = output.open("a", encoding="utf-8") if output is not None else None
        try:
            with progress_bar("signals", len(wanted), quiet=json) as advance:
                for one, result in zip(
                    wanted, analyse(source, wanted, task, workers=workers), strict=True
                ):
                    advance(1, one.name)
                    if isinstance(result, Failed):
                        failed.append(result)
                        continue
                    findings.update(result.findings.keys())
                    if compare:
                        report.add(one.name, result.detected)
                    elif sink is not None:
                        document = {**_document(result, kind), "rules": rules}
                        sink.write(json_module.dumps(document) + "\n")
                    elif json:
                        documents.append(_document(result, kind))
                    else:
                        found = _found(result, kind)
                        counts.update(s.kind for signals_ in found.values() for s in signals_)
                        with_signals += any(found.values())
                        if any(found.values()) or asked == 1:
                            _print(result.id, found)
        finally:
            if sink is not None:
                sink.close()
    if json and compare:
        print_json({**report.to_json(), "failed": failures(failed)})
    elif json:
        print_json({"recordings": documents, "failed": failures(failed)})
    else:
        if compare:
            _print_comparison(report)
        elif output is not None:
            kept = f", {len(done)} of them from before" if done else ""
            console.print(
                f"{counted(len(done) + len(wanted) - len(failed), 'recording')} in "
                f"{shown(output)}{kept}",
                highlight=False,
            )
        elif asked > 1:
            _print_counts(counts, with_signals, asked - len(failed))
        print_findings(findings, len(wanted))
        print_failed(failed)
    if failed:
        raise typer.Exit(1)


def profiles_of(names: list[str], changes: list[str] | None) -> tuple[Profile, ...]:
    """
    Give profiles with thresholds set anew.

    Raises:
        WrongCallError: A name or a value does not fit.
    """
    try:
        return tuple(profile_of(name, changes or ()) for name in dict.fromkeys(names))
    except ProfileError as e:
        raise WrongCallError(str(e)) from e


def chosen(source: Archive, ids: list[str] | None, *, all_: bool) -> list[Where]:
    """
    Find what the command is about.

    Raises:
        WrongCallError: Neither ids nor ``--all``, or both.
    """
    if bool(ids) == all_:
        raise WrongCallError("name recordings (see `replayport list`), or give --all; not both")
    return where(source, ids or None)


def failures(failed: list[Failed]) -> list[dict[str, str]]:
    """Give what failed, as commands print it with ``--json``."""
    return [{"what": f.what, "detail": f.detail} for f in failed]


def print_failed(failed: list[Failed]) -> None:
    """Name each recording that failed, with its reason."""
    for one in failed:
        errors.print(f"[red]failed[/red] {shown(one.what)}: {shown(one.detail)}", highlight=False)


def print_findings(findings: Counter[str], of: int) -> None:
    """Say what could not be known, in how many recordings."""
    for code, n in sorted(findings.items()):
        meaning = ANALYSIS_FINDINGS.get(code, "")
        errors.print(
            f"[yellow]{shown(code)}[/yellow] in {n} of {of}: {shown(meaning)}", highlight=False
        )


def _rules_digest(profiles: tuple[Profile, ...], kinds: list[str] | None) -> str:
    """Name what lines of a file were found by: every threshold, and the kinds kept."""
    said = msgspec.json.encode([profiles, sorted(kinds or ())], order="sorted")
    return hashlib.sha256(said).hexdigest()[:16]


def _already(output: Path | None, rules: str) -> set[str]:
    """
    Give the recordings an earlier run has written; a line that was cut is taken away.

    Raises:
        WrongCallError: They were found by other rules, or the file is something else.
    """
    if output is None or not output.is_file():
        return set()
    found = set()
    whole = 0
    with output.open("rb") as file:
        for line in file:
            try:
                row = json_module.loads(line)
                name = f"{row['project']}/{row['id']}"
                same = row.get("rules") == rules
            except (ValueError, KeyError, TypeError, AttributeError) as e:
                if not line.endswith(b"\n") and LINE_BEGINS.startswith(line[: len(LINE_BEGINS)]):
                    break  # the run that wrote it was cut here
                raise WrongCallError(
                    f"{output.name} is no file of signals. Name another, or delete it"
                ) from e
            if not same:
                raise WrongCallError(
                    f"{output.name} holds signals found by other profiles, thresholds or kinds. "
                    "Name another file, or delete it"
                )
            if not line.endswith(b"\n"):
                break
            found.add(name)
            whole += len(line)
    with output.open("r+b") as file:
        file.truncate(whole)
    return found


def _document(result: Analysis, kinds: list[str] | None) -> dict[str, Any]:
    return {
        "id": result.id,
        "project": result.project,
        "profiles": [
            {
                "profile": d.profile,
                "counts": d.counts(),
                "signals": [s.to_json() for s in d.signals if not kinds or s.kind in kinds],
                "findings": dict(sorted(d.findings.items())),
            }
            for d in result.detected
        ],
    }


def _found(result: Analysis, kinds: list[str] | None) -> dict[str, list[Signal]]:
    """Give the signals asked for, by profile."""
    return {
        d.profile: [s for s in d.signals if not kinds or s.kind in kinds] for d in result.detected
    }


def _print(name: str, found: dict[str, list[Signal]]) -> None:
    for profile, signals_ in found.items():
        by = f" by {profile}" if len(found) > 1 else ""
        if not signals_:
            console.print(f"[bold]{shown(name)}[/bold]{shown(by)}: no signals", highlight=False)
            continue
        console.print(f"[bold]{shown(name)}[/bold]{shown(by)}", highlight=False)
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(justify="right", style="cyan", no_wrap=True)
        table.add_column(style="yellow", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(justify="right", style="dim", no_wrap=True)
        for s in signals_:
            words = shown(in_words(s, with_moment=False))
            table.add_row(seconds(s.offset_ms), s.kind, words, f"{s.confidence:.0%}")
        console.print(table)


def _print_counts(counts: Counter[str], with_signals: int, of: int) -> None:
    said = ", ".join(f"{n} {kind}" for kind, n in counts.most_common())
    console.print(
        f"[bold]{with_signals} of {counted(of, 'recording')}[/bold] have signals"
        f"{': ' if said else ''}{said}",
        highlight=False,
    )


def _print_comparison(report: Comparison) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left")
    table.add_column("kind", no_wrap=True)
    table.add_column("moments", justify="right")
    for name in report.profiles:
        table.add_column(name, justify="right")
    document = report.to_json()
    for kind, row in document["kinds"].items():
        counts = ("–" if n is None else str(n) for n in row["counts"].values())  # noqa: RUF001
        table.add_row(kind, str(row["moments"]), *counts)
    console.print(table)
    console.print(
        f"{counted(report.recordings, 'recording')}. A dash: the profile has no rule, or the "
        "recordings do not hold what it needs.",
        style="dim",
    )
    for d in report.disagreements[:SHOWN_DISAGREEMENTS]:
        console.print(
            f"{shown(d.recording)} {seconds(d.offset_ms)} [yellow]{d.kind}[/yellow] "
            f"{shown(d.element)}: found by {', '.join(d.found_by)}; not by {', '.join(d.not_by)}",
            highlight=False,
        )
    more = len(report.disagreements) + report.not_listed - SHOWN_DISAGREEMENTS
    if more > 0:
        console.print(f"and {more} more; --json lists up to {report.max_listed}", style="dim")
