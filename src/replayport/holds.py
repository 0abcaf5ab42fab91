"""
Legal holds: recordings and persons that nothing may remove.

```
<archive>/holds/recording/<pseudonym>.json
                person/<pseudonym>.json
```

A hold stops `erase` and `retention` until it is released. Names are pseudonyms, so that a
list of holds is no list of persons. Normative text: ``spec/erasure.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec
from msgspec import Struct

from replayport.archive import Archive
from replayport.errors import ArchiveError, LegalHoldError
from replayport.pseudonyms import Pseudonyms

HOLDS: Final = "holds/"
SHOWN: Final = 5

Kind = Literal["recording", "person"]


class Hold(Struct, frozen=True, kw_only=True):
    """One hold."""

    kind: Kind
    pseudonym: str
    """Of the recording or the distinct id."""
    by: str
    """Who put it."""
    at_ms: int
    reason: str = ""
    """As given: a case number, not a description."""
    format_version: int = 1


class Holds:
    """The holds of one archive; the archive stays the caller's to close."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._store = archive.store

    def put(self, kind: Kind, name: str, *, by: str, reason: str = "") -> Hold:
        """
        Put a hold; one that is there is replaced.

        Args:
            kind: ``recording`` or ``person``.
            name: ``project/id``, or a distinct id.
            by: Who.
            reason: A case number.
        """
        hold = Hold(
            kind=kind,
            pseudonym=self._pseudonym(kind, name),
            by=by,
            at_ms=self._archive.now_ms(),
            reason=reason[:500],
        )
        self._store.put(self._key(kind, hold.pseudonym), msgspec.json.encode(hold))
        return hold

    def release(self, kind: Kind, name: str) -> bool:
        """Lift a hold; False when there was none."""
        key = self._key(kind, self._pseudonym(kind, name))
        there = self._store.exists(key)
        self._store.delete(key)
        return there

    def all(self) -> Iterator[Hold]:
        """
        Yield every hold.

        Raises:
            ArchiveError: One does not read: what it holds is not known, so nothing may go.
        """
        for info in self._store.list(HOLDS):
            try:
                yield msgspec.json.decode(self._store.get(info.key), type=Hold)
            except FileNotFoundError:
                continue
            except (msgspec.DecodeError, UnicodeDecodeError) as e:
                raise ArchiveError(
                    f"a legal hold does not read (key {info.key}). What it holds is not known, so "
                    "nothing may be removed. Bring it back from a backup, or delete it"
                ) from e

    def held(self, recordings: Iterable[tuple[str, str, str | None]]) -> list[str]:
        """
        Tell which recordings may not be removed.

        Args:
            recordings: Project, id, and distinct id or None.

        Returns:
            ``project/id`` of each that is held, by itself or through its person.

        Raises:
            ArchiveError: As `all`.
        """
        holds = {(h.kind, h.pseudonym) for h in self.all()}
        if not holds:
            return []
        pseudonyms = Pseudonyms.load(self._store)
        return [
            f"{project}/{recording_id}"
            for project, recording_id, distinct_id in recordings
            if ("recording", pseudonyms.of_recording(project, recording_id)) in holds
            or (distinct_id is not None and ("person", pseudonyms.of_person(distinct_id)) in holds)
        ]

    def check(self, recordings: Iterable[tuple[str, str, str | None]]) -> None:
        """
        Refuse to remove recordings when any of them is held.

        Raises:
            LegalHoldError: Names those that are.
        """
        held = self.held(recordings)
        if held:
            names = ", ".join(held[:SHOWN]) + (", …" if len(held) > SHOWN else "")
            raise LegalHoldError(
                f"a legal hold is on {len(held)} of these recordings ({names}). Nothing was "
                "removed. Release it first: replayport retention release ID",
                held=held,
            )

    def check_person(self, distinct_ids: Iterable[str]) -> None:
        """
        Refuse to remove a person who is held, with or without recordings.

        Raises:
            LegalHoldError: One is.
        """
        holds = {h.pseudonym for h in self.all() if h.kind == "person"}
        if not holds:
            return
        pseudonyms = Pseudonyms.load(self._store)
        if any(pseudonyms.of_person(d) in holds for d in distinct_ids):
            raise LegalHoldError(
                "a legal hold is on this person. Nothing was removed. Release it first: "
                "replayport retention release --person DISTINCT_ID",
                held=[],
            )

    def _pseudonym(self, kind: Kind, name: str) -> str:
        pseudonyms = Pseudonyms.load(self._store)
        if kind == "person":
            return pseudonyms.of_person(name)
        project, _, recording_id = name.rpartition("/")
        return pseudonyms.of_recording(project, recording_id)

    @staticmethod
    def _key(kind: Kind, pseudonym: str) -> str:
        return f"{HOLDS}{kind}/{pseudonym}.json"
