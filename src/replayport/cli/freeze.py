"""``replayport freeze``: fetch and store what recordings refer to, so that they play for years."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from replayport.assets.fetch import Fetcher
from replayport.assets.freeze import FreezeLimits, Freezer, Frozen
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
    size,
)
from replayport.errors import RecordingError, StoreError
from replayport.plurals import counted


def freeze(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]…", help="As in `list`; all recordings when none is named."),
    ] = None,
    allow_private: Annotated[
        bool | None,
        typer.Option(
            "--allow-private",
            help="Fetch from private and loopback addresses too: for sites inside your network, "
            "and only for recordings you trust.",
        ),
    ] = None,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh", help="Ask again for what is frozen already; a copy stays if that fails."
        ),
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Fetch and store the stylesheets, images and fonts recordings refer to.

    Playing never asks the web: what is not frozen, or inside the recording, is not shown.
    """
    settings = settings_with(freeze_allow_private=allow_private)
    limits = FreezeLimits(
        assets=settings["freeze_assets"],
        bytes=settings["freeze_bytes"],
        time_s=settings["freeze_time_s"],
    )
    fetcher = Fetcher(
        allow_private=settings["freeze_allow_private"],
        max_bytes=settings["freeze_asset_bytes"],
        timeout_s=settings["freeze_timeout_s"],
    )
    done: list[Frozen] = []
    failed: list[dict[str, str]] = []
    try:
        with open_archive(archive) as target:
            freezer = Freezer(target, fetcher, limits=limits, refresh=refresh)
            names = ids or [f"{r.project}/{r.id}" for r in target.catalog.list()]
            with progress_bar("freezing", len(names), quiet=json) as advance:
                for name in names:
                    try:
                        done.append(
                            freezer.freeze(name, on_asset=lambda url: advance(0, url.split("?")[0]))
                        )
                    except (RecordingError, StoreError) as e:  # the others are frozen all the same
                        failed.append({"what": name, "detail": str(e)})
                    advance(1, name)
    finally:
        fetcher.close()
    if json:
        print_json({"frozen": [_as_json(frozen) for frozen in done], "failed": failed})
    else:
        _print(done, failed)
    if failed or not all(frozen.ok for frozen in done):
        raise typer.Exit(1)


def _as_json(frozen: Frozen) -> dict[str, Any]:
    return {
        "id": frozen.id,
        "project": frozen.project,
        "stored": frozen.stored,
        "fetched": frozen.fetched,
        "bytes": frozen.bytes,
        "missing": [
            {"url": url, "reason": reason.value} for url, reason in sorted(frozen.missing.items())
        ],
        "left_out": frozen.left_out,
    }


def _print(done: list[Frozen], failed: list[dict[str, str]]) -> None:
    for item in failed:
        errors.print(
            f"[red]failed[/red] {shown(item['what'])}: {shown(item['detail'])}", highlight=False
        )
    for frozen in done:
        for url, reason in sorted(frozen.missing.items()):
            errors.print(
                f"[yellow]{reason.value}[/yellow] {shown(frozen.id)}: {shown(url)}",
                highlight=False,
                soft_wrap=True,
            )
        if frozen.left_out:
            errors.print(
                f"[yellow]too many[/yellow] {shown(frozen.id)}: {frozen.left_out} more addresses "
                "were not looked at",
                highlight=False,
            )
    stored, fetched = sum(f.stored for f in done), sum(f.fetched for f in done)
    missing = sum(len(f.missing) + f.left_out for f in done)
    console.print(
        f"{counted(len(done), 'recording')}: "
        f"{counted(stored, 'asset')}, {size(sum(f.bytes for f in done))}, "
        f"{fetched} fetched now; "
        + (f"{missing} could not be had" if missing else "[green]nothing missing[/green]")
    )
