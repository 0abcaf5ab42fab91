"""``replayport subject-access``: everything about one person in one file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from replayport.audit import AuditLog, this_actor
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    WrongCallError,
    console,
    errors,
    open_archive,
    print_json,
    progress_bar,
    settings_with,
    shown,
    size,
)
from replayport.cli.export import OutputError
from replayport.ledger import Ledger
from replayport.plurals import counted
from replayport.subject_access import write_subject_access
from replayport.surveying import Scope


def subject_access(
    output: Annotated[Path, typer.Option("-o", "--output", help="The ZIP file to write.")],
    person: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="A person by distinct id, e-mail or user id, with all distinct ids known to be "
            "theirs.",
        ),
    ] = None,
    distinct_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Exactly this distinct id.")
    ] = None,
    inbox: Annotated[
        str | None, typer.Option(help="Folder where `serve` keeps what is not sealed.")
    ] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Put everything about one person into one file that person can open.

    A ZIP with a page to start from, each visit as a page that plays offline, and the
    analytics as JSON and CSV. Visits that are still being received are in it too, when this
    is run where `serve` keeps them.
    """
    from replayport.capture.erase import known_inbox_name
    from replayport.capture.inbox import InboxReader
    from replayport.capture.unsealed import UnsealedVisits
    from replayport.erasure_plan import registered_inboxes
    from replayport.server.service import inbox_folder

    if (person is None) == (distinct_id is None):
        raise WrongCallError("name either --person or --distinct-id")
    scope = (
        Scope("person", person) if person is not None else Scope("distinct_id", distinct_id or "")
    )
    path = output.resolve()
    settings = settings_with(archive=archive, inbox=inbox)
    with ExitStack() as stack:
        source = stack.enter_context(open_archive(archive))
        folder = inbox_folder(source, settings["inbox"])
        here = InboxReader.beside(folder)
        if here is not None:
            stack.enter_context(here)
        own = known_inbox_name(folder)
        elsewhere = [name for name in registered_inboxes(source) if name != own]
        AuditLog(source).append(
            "subject.access", actor=this_actor(), target=f"person:{scope.value}"
        )
        try:
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".replayport-")
            os.close(handle)
        except OSError as e:
            raise OutputError(f"{path} cannot be written: {e.strerror}") from e
        try:
            with progress_bar("putting together", None, quiet=json) as advance:
                done = write_subject_access(
                    source,
                    scope,
                    Path(temporary),
                    unsealed=None if here is None else UnsealedVisits(source, here),
                    not_looked_at=elsewhere,
                    on_recording=lambda name: advance(1, name),
                )
            with Path(temporary).open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            written = Path(temporary).stat().st_size
            Ledger(source).add(
                "subject-access",
                path.as_uri(),
                done.recordings,
                form="zip",
                size_bytes=written,
                sha256=sha256,
            )
            Path(temporary).replace(path)  # readable by its owner only, as mkstemp made it
        finally:
            Path(temporary).unlink(missing_ok=True)
    if json:
        print_json(
            {
                "path": str(path),
                "bytes": written,
                "distinct_ids": done.distinct_ids,
                "recordings": done.recordings,
                "analytics_events": done.analytics_events,
                "unreadable": done.unreadable,
                "unread_notes": done.unread_notes,
                "inboxes_not_looked_at": elsewhere,
            }
        )
    else:
        console.print(
            f"{counted(len(done.recordings), 'visit')} and "
            f"{counted(done.analytics_events, 'analytics event')} of "
            f"{counted(len(done.distinct_ids), 'id')}"
        )
        for name in done.unreadable:
            errors.print(f"[red]unreadable[/red] {shown(name)} is not in the file")
        for name in done.unread_notes:
            errors.print(f"[red]unreadable[/red] tags and notes of {shown(name)}")
        for name in elsewhere:
            errors.print(
                f"visits that are still received by another server (inbox {shown(name)}) are not "
                "in the file: run this there too, or an hour after the last visit"
            )
        errors.print(f"wrote {shown(path)} ({size(written)})", highlight=False)
    if done.unreadable or done.unread_notes:
        raise typer.Exit(1)
