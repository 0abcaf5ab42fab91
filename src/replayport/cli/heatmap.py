"""``replayport heatmap``: where people clicked, pointed and scrolled on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from replayport.analysing import Failed, Task, analyse, where
from replayport.analysis.heatmap import CLASSES, KINDS, Heat, ranking
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
from replayport.cli.signals import (
    AllOption,
    WorkersOption,
    failures,
    print_failed,
    profiles_of,
)
from replayport.errors import ReplayError
from replayport.plurals import counted
from replayport.render.heatmap import TITLES, document, picture
from replayport.render.still import NothingToDrawError, Still, chromium, draw

SHOWN_ELEMENTS = 20


def heatmap(
    url: Annotated[
        str,
        typer.Option(
            "--url",
            help="The page: an address or a path, * for anything: '/product*'. Query and fragment "
            "do not matter unless the pattern has one.",
        ),
    ],
    kind: Annotated[str, typer.Option("--kind", help=f"One of {', '.join(KINDS)}.")] = "click",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A picture (.png) or a page with the table (.html)."),
    ] = None,
    viewport: Annotated[
        str | None,
        typer.Option(
            "--viewport",
            help=f"Only {', '.join(name for name, _, _ in CLASSES)} [default: a page shows all, "
            "a picture the one with most visits].",
        ),
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]…", help="As in `list`; all recordings when none is named."),
    ] = None,
    all_: AllOption = False,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Draw where people clicked, rested, raged or scrolled, on the page as it was recorded.

    Without -o the elements are ranked in a table. Drawing needs replayport[heatmap] and Chromium.
    """
    if ids and all_:
        raise WrongCallError("name recordings (see `replayport list`), or give --all; not both")
    if kind not in KINDS:
        raise WrongCallError(f"there is no kind {kind!r}. Kinds: {', '.join(KINDS)}")
    names = [name for name, _, _ in CLASSES]
    if viewport is not None and viewport not in names:
        raise WrongCallError(f"there is no viewport {viewport!r}. There are: {', '.join(names)}")
    if output is not None and output.suffix not in (".png", ".html"):
        raise WrongCallError("-o must end in .png or .html")
    heats: dict[str, Heat] = {}
    failed: list[Failed] = []
    with open_archive(archive) as source:
        wanted = where(source, ids or None)
        task = Task(profiles=profiles_of(["replayport-1"], None), heat_url=url)
        with progress_bar("heatmap", len(wanted), quiet=json) as advance:
            for one, result in zip(
                wanted, analyse(source, wanted, task, workers=workers), strict=True
            ):
                advance(1, one.name)
                if isinstance(result, Failed):
                    failed.append(result)
                    continue
                for heat in result.heats:
                    heats.setdefault(heat.viewport, Heat(heat.viewport)).add(heat)
        found = sorted(heats.values(), key=lambda h: (-h.visits, h.viewport))
        found = [h for h in found if viewport in (None, h.viewport)]
        if not found:
            raise ReplayError(
                f"no visit of a page that fits {url!r} is in the "
                f"{counted(len(wanted), 'recording')} looked at. "
                "See addresses with: replayport list"
            )
        if output is not None:
            _draw(source, found, kind, output, url)
    if json:
        print_json(
            {
                "url": url,
                "kind": kind,
                "viewports": [_document(h, kind) for h in found],
                "failed": failures(failed),
            }
        )
    else:
        for heat in found:
            _print(heat, kind)
        if output is not None:
            console.print(f"drawn: {shown(output)}", highlight=False)
        print_failed(failed)
    if failed:
        raise typer.Exit(1)


def _draw(source: Archive, found: list[Heat], kind: str, output: Path, url: str) -> None:
    title = f"{TITLES[kind]} on {url}"
    pages: list[tuple[Heat, Still]] = []
    wanted = found if output.suffix == ".html" else found[:1]
    with chromium() as browser:
        for heat in wanted:
            base = heat.base()
            if base is None:
                continue
            try:
                still = draw(
                    browser,
                    source.recording(base.recording),
                    base.window_id,
                    base.time_ms,
                    width_px=base.width_px,
                    height_px=base.height_px,
                )
            except NothingToDrawError as e:
                errors.print(f"[yellow]not drawn[/yellow] {heat.viewport}: {shown(e)}")
                continue
            pages.append((heat, still))
    if not pages:
        raise ReplayError(
            "none of these visits can be drawn: their windows have no full snapshot. "
            "The table (without -o) needs none"
        )
    if output.suffix == ".html":
        output.write_bytes(document(pages, kind, title=title))
    else:
        output.write_bytes(picture(pages[0][0], kind, pages[0][1], title=title))


def _document(heat: Heat, kind: str) -> dict[str, Any]:
    return {
        "viewport": heat.viewport,
        "visits": heat.visits,
        "recordings": heat.recordings,
        "clicks": sum(heat.cells.get("click", {}).values()),
        "rage_clicks": sum(heat.cells.get("rage", {}).values()),
        "depth_px": sorted(depth for _, depth in heat.depths),
        "elements": ranking(heat, "rage" if kind == "rage" else "click"),
    }


def _print(heat: Heat, kind: str) -> None:
    console.print(
        f"[bold]{heat.viewport}[/bold]: {counted(heat.visits, 'visit')} in "
        f"{counted(heat.recordings, 'recording')}",
        highlight=False,
    )
    if kind == "scroll":
        depths = sorted(depth for _, depth in heat.depths)
        middle = depths[len(depths) // 2]
        console.print(
            f"  half of the visits saw {middle} px or more; the deepest {depths[-1]} px",
            highlight=False,
        )
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("clicks", justify="right")
    table.add_column("share", justify="right")
    table.add_column("element", overflow="fold")
    for row in ranking(heat, "rage" if kind == "rage" else "click")[:SHOWN_ELEMENTS]:
        table.add_row(str(row["count"]), f"{row['share']:.0%}", shown(row["element"]))
    console.print(table)
