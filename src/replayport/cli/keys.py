"""``replayport keys``: the key ring of an encrypted archive."""

from __future__ import annotations

import typer

from replayport.archive import Archive
from replayport.audit import AuditLog, this_actor
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    WrongCallError,
    console,
    open_archive,
    print_json,
    progress_bar,
    settings_with,
    shown,
    when,
)
from replayport.encryption import SETTING, EncryptedStore
from replayport.errors import ReplayError
from replayport.plurals import counted

app = typer.Typer(no_args_is_help=True, help="The key ring of an encrypted archive.")


class NotEncryptedError(ReplayError):
    """The archive has no key ring."""


@app.command("encrypt")
def encrypt(archive: ArchiveOption = None, json: JsonOption = False) -> None:
    """
    Encrypt an archive that is not, with the key ring `encryption_key_ring` names.

    The ring is made when it is not there. Nobody else may use the archive meanwhile; run
    again after an interruption, it goes on. A new archive is encrypted from the start when
    the setting is there.
    """
    settings = settings_with(archive=archive)
    if not settings["encryption_key_ring"]:
        raise WrongCallError(f"name the key ring with the setting {SETTING}")
    with progress_bar("encrypting", None, quiet=json) as advance:
        n = Archive.encrypt(
            settings["archive"],
            settings["encryption_key_ring"],
            on_object=lambda key: advance(1, key),
        )
    if json:
        print_json({"encrypted": n})
    else:
        console.print(
            f"{counted(n, 'object')} encrypted; the archive is read with its key ring only"
        )


@app.command("rotate")
def rotate(archive: ArchiveOption = None, json: JsonOption = False) -> None:
    """
    Make a new wrapping key, and wrap every data key with it; recordings are not rewritten.

    A wrapping key retired within the last hour is dropped by the next rotation. After that,
    an old copy of the key ring's data keys is of no use.
    """
    with open_archive(archive) as source:
        store = _encrypted(source)
        AuditLog(source).append("keys.rotate", actor=this_actor())
        n, dropped = store.ring.rotate(now_ms=source.now_ms())
    if json:
        print_json({"wrapped": n, "dropped": dropped})
    else:
        console.print(f"{n} data keys wrapped anew, {len(dropped)} old wrapping keys dropped")


@app.command("show")
def show(archive: ArchiveOption = None, json: JsonOption = False) -> None:
    """Show the wrapping keys of the key ring: which there are, not what they are."""
    with open_archive(archive) as source:
        ring = _encrypted(source).ring
        keys = ring.keys()
    if json:
        print_json({"ring": ring.ring_id, "where": ring.url, "keys": keys})
        return
    console.print(f"ring {ring.ring_id} at {shown(ring.url)}", highlight=False)
    for key in keys:
        state = "active" if key["active"] else f"retired {when(key.get('retired_ms', 0))}"
        console.print(f"  {key['id']}  made {when(key['made_ms'])}  {state}", highlight=False)


def _encrypted(archive: Archive) -> EncryptedStore:
    if not isinstance(archive.store, EncryptedStore):
        raise NotEncryptedError(
            f"this archive is not encrypted. Name a key ring with the setting {SETTING}, then run: "
            "replayport keys encrypt"
        )
    return archive.store
