"""
The ledger: what this installation made out of recordings, so that an erasure can reach it.

```
<archive>/ledger/<made_ms, 16 digits>-<token>.json    one object a thing made
```

An export is written to a file outside the archive, a share is an object inside it, a page
that went to standard output is gone for good. Each gets an entry before it becomes visible.
`replayport.erase` follows the entries of an erased recording: what it can reach is deleted,
what it cannot is named in the receipt. Normative text: ``spec/erasure.md``.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Collection, Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

from replayport.archive import Archive
from replayport.errors import ReplayError

LEDGER: Final = "ledger/"
STDOUT: Final = "stdout:"
"""`Made.where` of what went to standard output, or into a pipe: nobody knows where it is."""

ARCHIVE: Final = "archive:"
"""Begins `Made.where` of an object, or of all below a prefix, in the archive's own store."""

Kind = Literal["export", "bundle", "dataset", "share", "poster", "video", "subject-access"]


class DamagedLedgerError(ReplayError):
    """
    An entry of the ledger does not read.

    Attributes:
        key: Its key in the store.
    """

    def __init__(self, *, key: str) -> None:
        super().__init__(
            f"a ledger entry does not parse (key {key}). It was changed or cut; what it stood for "
            "cannot be reached. Bring it back from a backup, or delete it and look for the file "
            "by hand"
        )
        self.key = key


class Made(Struct, frozen=True, kw_only=True):
    """One thing that was made of recordings."""

    kind: Kind
    where: str
    """``file:///…``, ``archive:<key>``, ``archive:<prefix>/``, ``stdout:``, or another address."""
    recordings: list[str]
    """``project/id`` of every recording in it."""
    made_ms: int
    host: str
    """Machine whose file it is."""
    form: str = ""
    """Format, such as ``html``."""
    bytes: int = 0
    sha256: str | None = None
    """Of the file: only a file that is still what was written is deleted. None when it is many."""
    format_version: int = 1
    key: str = ""
    """Its key in the store; filled in when read."""


class Ledger:
    """The ledger of one archive; the archive stays the caller's to close."""

    def __init__(self, archive: Archive) -> None:
        self._store = archive.store
        self._now_ms = archive.now_ms

    def add(
        self,
        kind: Kind,
        where: str,
        recordings: Sequence[str],
        *,
        form: str = "",
        size_bytes: int = 0,
        sha256: str | None = None,
    ) -> Made:
        """
        Write down that something is made; call it before the thing becomes visible.

        Args:
            kind: What it is.
            where: As in `Made.where`.
            recordings: ``project/id`` of every recording in it.
            form: Its format.
            size_bytes: Its size.
            sha256: Of a single file.

        Raises:
            StoreError: It could not be written down: then it should not be made.
        """
        made_ms = self._now_ms()
        made = Made(
            kind=kind,
            where=where,
            recordings=sorted(recordings),
            made_ms=made_ms,
            host=socket.gethostname(),
            form=form,
            bytes=size_bytes,
            sha256=sha256,
            key=f"{LEDGER}{made_ms:016d}-{secrets.token_hex(8)}.json",
        )
        self.put(made)
        return made

    def put(self, made: Made) -> None:
        """Write an entry again, such as with fewer recordings."""
        self._store.put(made.key, msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")

    def remove(self, made: Made) -> None:
        """Forget an entry."""
        self._store.delete(made.key)

    def entries(self) -> Iterator[Made]:
        """
        Yield all entries, oldest first.

        Raises:
            DamagedLedgerError: One does not read: what it stood for could not be reached.
        """
        for info in self._store.list(LEDGER):
            try:
                made = msgspec.json.decode(self._store.get(info.key), type=Made)
            except FileNotFoundError:
                continue
            except (msgspec.DecodeError, UnicodeDecodeError) as e:
                raise DamagedLedgerError(key=info.key) from e
            yield msgspec.structs.replace(made, key=info.key)

    def of(self, recordings: Collection[str]) -> list[Made]:
        """Give the entries that hold any of these recordings (``project/id``)."""
        wanted = set(recordings)
        return [made for made in self.entries() if wanted.intersection(made.recordings)]
