"""``replayport import``: files of any form into the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    open_archive,
    print_report,
    progress_bar,
    settings_with,
)
from replayport.importing import import_paths


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(help="Files or folders; what they are is told by their bytes."),
    ],
    project: Annotated[
        str, typer.Option(help="Project the recordings go to, unless a bundle names its own.")
    ] = "imported",
    force: Annotated[
        bool, typer.Option("--force", help="Write over recordings that are there.")
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Import recordings from files.

    rrweb JSON and JSONL (plain, packed, .gz, .zst), PostHog UI exports, the staff zip,
    v2 and v1 blocks, long-term files, ClickHouse rows, capture bodies, bundles, Sentry
    segments. Importing the same file twice changes nothing.
    """
    settings = settings_with()
    with (
        open_archive(archive, create=True) as target,
        progress_bar("importing", None, quiet=json) as advance,
    ):
        report = import_paths(
            files,
            target,
            project=project,
            replace=force,
            max_recording_bytes=settings["max_recording_bytes"],
            on_file=lambda name: advance(1, name),
        )
    print_report(report, as_json=json)
