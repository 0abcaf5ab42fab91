"""``replayport export``."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from replayport.archive import Archive
from replayport.audit import AuditLog, this_actor
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    errors,
    open_archive,
    print_json,
    settings_with,
    shown,
    size,
)
from replayport.cli.redact import profile_option
from replayport.errors import ReplayError, StoreError
from replayport.export import EXPORTS, ExportOptions, ExportOptionsError
from replayport.format.reader import Recording
from replayport.ledger import STDOUT, Kind, Ledger
from replayport.pseudonyms import Pseudonyms
from replayport.redacting import PROFILES, RAW, redacted_recording, wireframe_recording


class OutputError(ReplayError):
    """The file an export was to go to cannot be written."""


class UnloggedError(ReplayError):
    """The archive cannot be told of an export."""


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
    redact: Annotated[
        str | None,
        typer.Option(
            "--redact",
            metavar="PROFILE",
            help=f"Redact what is written: {', '.join(PROFILES)}, or a file. "
            "[default: the setting export_profile, for html and har, where it finds something]",
            show_default=False,
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write what is stored, unredacted; the audit log says so.")
    ] = False,
    wireframe: Annotated[
        bool,
        typer.Option(
            "--wireframe", help="Boxes and lines only: no recorded word, picture or address."
        ),
    ] = False,
    unlogged: Annotated[
        bool,
        typer.Option(
            "--unlogged",
            help="Go on where the archive cannot be written, such as a mounted backup, and so "
            "cannot know of the file.",
        ),
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Write one recording as a file another program reads.

    Where passwords, keys, tokens, card or account numbers are found, they are masked in html
    and har; what is stored stays as it is. The other formats are data and equal the source: of
    these you are told what is in the file. --redact masks in every format, --raw in none.
    """
    if as_ not in EXPORTS:
        raise typer.BadParameter(
            f"{as_!r} is not a format. Choose one of: {', '.join(EXPORTS)}", param_hint="--as"
        )
    if order not in ("time", "arrival"):
        raise typer.BadParameter("choose time or arrival", param_hint="--order")
    to_stdout = output is not None and str(output) == "-"
    if to_stdout and json:
        raise typer.BadParameter("the export itself goes there already", param_hint="--json")
    if sum((redact is not None, raw, wireframe)) > 1:
        raise typer.BadParameter("choose one of --redact, --raw, --wireframe", param_hint="--raw")
    settings = settings_with()
    profile_name = redact or settings["export_profile"]
    profile = None
    if profile_name != RAW and not wireframe:
        profile = profile_option(profile_name, "--redact" if redact else "export_profile")
    target = EXPORTS[as_]
    as_stored = raw or (redact is None and not target.for_people)
    options = ExportOptions(window_id=window, arrival_order=order == "arrival", playable=playable)
    with open_archive(archive) as source:
        recording = source.recording(recording_id)
        windows = [w.window_id for w in recording.manifest.windows]
        if window is not None and window not in windows:
            raise typer.BadParameter(
                f"{window!r} is no window of it. There are: {', '.join(map(repr, windows[:10]))}",
                param_hint="--window",
            )
        recording_name = recording.id
        path = output or Path(f"{recording.id}{target.suffix}")
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            path = path / f"{recording.id}{target.suffix}"
        name = f"{recording.manifest.project}/{recording.id}"
        made = _Made(source, name, as_, unlogged=unlogged)
        found = 0
        if wireframe:
            made.detail["wireframe"] = True
            if window is not None:
                names = [str(n + 1) for n in range(len(windows))]
                options = replace(options, window_id=_window_after(recording, window, names))
            recording = wireframe_recording(recording)
        elif profile is not None:
            pseudonyms = Pseudonyms.load(source.store) if profile.person == "pseudonym" else None
            redacted = redacted_recording(recording, profile, pseudonyms=pseudonyms)
            found = redacted.finds.total
            if found and as_stored:
                made.unredacted = True
                made.detail["found"] = found
            elif found:
                recording = redacted.recording
                made.detail.update(profile=profile.name, found=found)
            if found and not json:
                errors.print(
                    f"[yellow]{'unredacted' if as_stored else 'redacted'}[/yellow] {found} finds of the "
                    f"profile {shown(profile.name)}"
                    + (
                        " are in the file (--redact masks them)"
                        if as_stored
                        else " (--raw writes what is stored)"
                    ),
                    highlight=False,
                )
        try:
            pieces = target.load()(recording, options)
            if to_stdout:
                made.unreachable()
                for piece in pieces:
                    sys.stdout.buffer.write(piece)
                return
            written = _write(path, pieces, made)
        except ExportOptionsError as e:
            raise typer.BadParameter(str(e), param_hint="--as") from e
    if json:
        document = {"id": recording_name, "format": as_, "path": str(path), "bytes": written}
        if wireframe:
            document["wireframe"] = True
        elif profile is not None and found:
            document.update(profile=profile.name, found=found, redacted=not as_stored)
        print_json(document)
    else:
        errors.print(f"wrote {shown(path)} ({size(written)})", highlight=False)


def _window_after(recording: Recording, window_id: str, names: list[str]) -> str:
    """Give a window's name in the wireframe of a recording: its number in order of arrival."""
    order = dict.fromkeys(e.window_id for e in recording.events(order="arrival"))
    return names[list(order).index(window_id)]


class _Made:
    """Writes down what is made before it is seen: erasure has to find it again."""

    def __init__(self, archive: Archive, name: str, form: str, *, unlogged: bool) -> None:
        self._archive = archive
        self._name = name
        self._form = form
        self._unlogged = unlogged
        self.detail: dict[str, Any] = {}
        """More for the audit log."""
        self.unredacted = False
        """Findings are let out, because that was asked for."""

    def file(self, path: Path, size_bytes: int, sha256: str) -> None:
        """A file is about to be put in place."""
        kind: Kind = "bundle" if self._form == "bundle" else "export"
        self._write_down(kind, path.as_uri(), size_bytes=size_bytes, sha256=sha256)

    def unreachable(self) -> None:
        """It is about to go where nobody can take it back."""
        self._write_down("export", STDOUT)

    def _write_down(self, kind: Kind, where: str, **about: Any) -> None:
        """
        Tell audit log and ledger.

        Raises:
            UnloggedError: The archive cannot be written, and nobody said that it may be so.
        """
        try:
            AuditLog(self._archive).append(
                "recording.export_raw" if self.unredacted else "recording.export",
                actor=this_actor(),
                target=f"recording:{self._name}",
                detail={"format": self._form, **self.detail},
            )
            Ledger(self._archive).add(kind, where, [self._name], form=self._form, **about)
        except StoreError as e:
            if not self._unlogged:
                raise UnloggedError(
                    f"who exports what is written into the archive, and this one refused: {e}. "
                    "--unlogged exports all the same; erasing the recording later will not find "
                    "the file"
                ) from e
            errors.print(
                "[yellow]unlogged[/yellow] the archive cannot be written: erasing the recording "
                "later will not find this file"
            )


def _write(path: Path, pieces: Iterable[bytes], made: _Made) -> int:
    """
    Write beside the target and rename, so that a half file is never seen.

    Raises:
        OutputError: The file cannot be written; what was there is unchanged.
    """
    try:
        path = path.resolve()  # a link stays a link
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe: no file to replace
            made.unreachable()
            with path.open("wb") as file:
                return sum(file.write(piece) for piece in pieces)
        return _replace(path, pieces, made)
    except BrokenPipeError:
        raise
    except OSError as e:
        raise OutputError(
            f"{path} cannot be written: {e.strerror or type(e).__name__}. "
            "Nothing was left behind. Choose another place with -o"
        ) from e


def _replace(path: Path, pieces: Iterable[bytes], made: _Made) -> int:
    n = 0
    digest = hashlib.sha256()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".replayport-")
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                n += file.write(piece)
                digest.update(piece)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        made.file(path, n, digest.hexdigest())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return n
