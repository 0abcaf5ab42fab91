"""``replayport export``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from replayport.cli.common import ArchiveOption, errors, open_archive, size
from replayport.export import EXPORTS, ExportOptions

_FORMATS = "  ".join(f"**{e.name}** {e.help}" for e in EXPORTS.values())


def export_recording(
    recording_id: Annotated[str, typer.Argument(metavar="ID", help="As in `list`.")],
    as_: Annotated[str, typer.Option("--as", metavar="FORMAT", help=", ".join(EXPORTS))],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write; - for standard output. [default: ID with the format's ending]",
            show_default=False,
        ),
    ] = None,
    window: Annotated[str | None, typer.Option(help="Only this window (browser tab).")] = None,
    order: Annotated[
        str, typer.Option(help="time: playing order; arrival: as the source sent it.")
    ] = "time",
    playable: Annotated[
        bool,
        typer.Option(
            "--playable",
            help="Apply the playback fixes: mobile wireframes to DOM, "
            "missing page sizes, repeated events.",
        ),
    ] = False,
    archive: ArchiveOption = None,
) -> None:
    """Write one recording as a file another program reads."""
    if as_ not in EXPORTS:
        raise typer.BadParameter(
            f"{as_!r} is not a format. Choose one of: {', '.join(EXPORTS)}", param_hint="--as"
        )
    if order not in ("time", "arrival"):
        raise typer.BadParameter("choose time or arrival", param_hint="--order")
    target = EXPORTS[as_]
    options = ExportOptions(window_id=window, arrival_order=order == "arrival", playable=playable)
    with open_archive(archive) as source:
        recording = source.recording(recording_id)
        pieces = target.load()(recording, options)
        if output is not None and str(output) == "-":
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        path = output or Path(f"{recording.id}{target.suffix}")
        if path.is_dir():
            path = path / f"{recording.id}{target.suffix}"
        written = _write(path, pieces)
    errors.print(f"wrote {path} ({size(written)})", highlight=False)


def _write(path: Path, pieces: object) -> int:
    """Write beside the target and rename, so that a half file is never seen."""
    n = 0
    handle, temporary = tempfile.mkstemp(dir=path.parent or Path(), prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:  # type: ignore[attr-defined]
                n += file.write(piece)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return n
