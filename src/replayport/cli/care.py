"""``replayport verify``, ``reindex`` and ``compact``: looking after an archive."""

from __future__ import annotations

from typing import Annotated

import typer

from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    console,
    errors,
    open_archive,
    print_json,
    progress_bar,
    shown,
    size,
)
from replayport.errors import RecordingError, StoreError
from replayport.plurals import counted
from replayport.verifying import verify_archive

IdsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]…", help="As in `list`; all recordings when none is named."),
]


def verify(
    ids: IdsArgument = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Digests, counts and order only, not every text.")
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """Check recordings against their manifests: digests, counts, order, every text."""
    with open_archive(archive) as source:
        total = len(ids) if ids else source.catalog.count()
        with progress_bar("verifying", total, quiet=json) as advance:
            checked, problems = verify_archive(
                source, ids, texts=not quick, on_recording=lambda name: advance(1, name)
            )
    if json:
        print_json({"checked": checked, "problems": [p.to_json() for p in problems]})
    else:
        for problem in problems:
            errors.print(
                f"[red]{problem.code}[/red] {shown(problem.what)}: {shown(problem.detail)}",
                highlight=False,
            )
        console.print(
            f"{counted(checked, 'recording')} checked, "
            + ("[green]all sound[/green]" if not problems else counted(len(problems), "problem"))
        )
    if any(p.code != "orphan" for p in problems):
        raise typer.Exit(1)


def reindex(archive: ArchiveOption = None, json: JsonOption = False) -> None:
    """Make the catalog anew from the manifests in the store."""
    with (
        open_archive(archive, rebuild_catalog=True) as source,
        progress_bar("reading manifests", None, quiet=json) as advance,
    ):
        n = source.reindex(on_recording=lambda name: advance(1, name))
    if json:
        print_json({"recordings": n})
    else:
        console.print(f"{counted(n, 'recording')} in the catalog")


def compact(
    ids: IdsArgument = None, archive: ArchiveOption = None, json: JsonOption = False
) -> None:
    """Compress recordings harder. Their events do not change."""
    before = after = n = 0
    failed: list[dict[str, str]] = []
    with open_archive(archive) as source:
        names = ids or [f"{r.project}/{r.id}" for r in source.catalog.list()]
        with progress_bar("compacting", len(names), quiet=json) as advance:
            for name in names:
                advance(1, name)
                try:
                    was, now = source.compact(name)
                except (RecordingError, StoreError) as e:  # the others are compacted all the same
                    failed.append({"what": name, "detail": str(e)})
                    continue
                before += was
                after += now
                n += 1
    if json:
        print_json(
            {"recordings": n, "before_bytes": before, "after_bytes": after, "failed": failed}
        )
    else:
        for item in failed:
            errors.print(
                f"[red]failed[/red] {shown(item['what'])}: {shown(item['detail'])}",
                highlight=False,
            )
        console.print(f"{counted(n, 'recording')}: {size(before)} before, {size(after)} now")
    if failed:
        raise typer.Exit(1)
