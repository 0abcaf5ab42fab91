"""
Tombstones: what was erased, so that nothing brings it back.

```
<archive>/tombstones/
├── any.json                          there are some; without it writers look no further
├── recording/<pseudonym>.json        of project and recording id
├── session/<pseudonym>.json          of a session id that is a UUID, whatever the project
├── content/<pseudonym>.json          of when its first events were, under whatever id
└── person/<pseudonym>.json           of a distinct id, with a time: what began before is refused
```

A late retry, the next pull, an import of an old export, a server with an inbox of its own:
all write through `Archive`, which asks here under the recording's lease. Names are
pseudonyms, so a tombstone tells nobody who was erased. Normative text: ``spec/erasure.md``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from replayport.pseudonyms import Pseudonyms
from replayport.recording import safe_id, safe_project
from replayport.store import Store

TOMBSTONES: Final = "tombstones/"
MARKER_FILE: Final = "tombstones/any.json"
FOREVER_MS: Final = 2**53 - 1
"""Of a person's tombstone: later visits are refused as well."""

FINGERPRINT_EVENTS: Final = 32
FINGERPRINT_LEAST: Final = 8
"""Fewer events than this may be the same in two recordings by chance."""

_MAX_ASKED: Final = 64
"""Persons asked for one by one; of more the tombstones are listed."""


class Tombstone(Struct, frozen=True, kw_only=True):
    """One object below ``tombstones/``."""

    erasure: str
    """Id of the erasure, which is in its receipt."""
    at_ms: int
    """When it was put, epoch milliseconds."""
    until_ms: int | None = None
    """Of a person: recordings and events that began before this are refused."""
    format_version: int = 1


class Tombstones:
    """The tombstones of one archive."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._any = False
        self._pseudonyms: Pseudonyms | None = None

    def __bool__(self) -> bool:
        """Tell whether there are any: one request, and none once there were."""
        if not self._any:
            self._any = self._store.exists(MARKER_FILE)
        return self._any

    def has_recording(self, project: str, session_id: str) -> bool:
        """Tell whether a session's recording was erased, by any of its names."""
        if not self:
            return False
        return any(self._store.exists(key) for key in self._recording_keys(project, session_id))

    def has_content(self, fingerprint: str | None) -> bool:
        """Tell whether a recording of these first events was erased; see `fingerprint`."""
        if fingerprint is None or not self:
            return False
        return self._store.exists(self._key("content", fingerprint))

    def person_until_ms(self, distinct_id: str | None) -> int | None:
        """Say up to when what began is refused of a person; None when the person was not erased."""
        if distinct_id is None or not self:
            return None
        return self._until_ms(self._key("person", distinct_id))

    def persons_until_ms(self, distinct_ids: Iterable[str]) -> dict[str, int]:
        """Do as `person_until_ms` for many; those not erased are left out."""
        wanted = {self._key("person", d): d for d in dict.fromkeys(distinct_ids)} if self else {}
        keys: Iterable[str] = wanted
        if len(wanted) > _MAX_ASKED:
            listed = (info.key for info in self._store.list(f"{TOMBSTONES}person"))
            keys = [key for key in listed if key in wanted]
        found = {wanted[key]: self._until_ms(key) for key in keys}
        return {d: until for d, until in found.items() if until is not None}

    def put_recording(
        self, project: str, session_id: str, tombstone: Tombstone, *, content: str | None = None
    ) -> list[str]:
        """
        Refuse a recording from now on.

        Args:
            project: Its project.
            session_id: The source's id, or the recording's.
            tombstone: What to put.
            content: Its `fingerprint`; None when it has too few events for one.

        Returns:
            The keys put.
        """
        keys = self._recording_keys(project, session_id)
        if content is not None:
            keys.append(self._key("content", content))
        return self._put(keys, tombstone)

    def put_person(self, distinct_id: str, tombstone: Tombstone) -> list[str]:
        """Refuse what a person began before ``until_ms``; a later time there already stays."""
        key = self._key("person", distinct_id)
        there = self.person_until_ms(distinct_id)
        if there is not None and there >= (tombstone.until_ms or 0):
            return [key]
        return self._put([key], tombstone)

    def _put(self, keys: Sequence[str], tombstone: Tombstone) -> list[str]:
        raw = msgspec.json.encode(tombstone)
        # The marker first: a tombstone nobody looks for is none.
        self._store.put(MARKER_FILE, b'{"format_version":1}')
        self._any = True
        for key in keys:
            self._store.put(key, raw)
        return list(keys)

    def _until_ms(self, key: str) -> int | None:
        try:
            raw = self._store.get(key)
        except FileNotFoundError:
            return None
        try:
            until_ms = msgspec.json.decode(raw, type=Tombstone).until_ms
        except msgspec.DecodeError:
            until_ms = None
        # One that does not read refuses everything: better too much than an erased visit.
        return FOREVER_MS if until_ms is None else until_ms

    def _recording_keys(self, project: str, session_id: str) -> list[str]:
        keys = [self._key("recording", safe_project(project), safe_id(session_id))]
        with suppress(ValueError):  # "s-1" of one project need not be that of another
            keys.append(self._key("session", str(uuid.UUID(session_id))))
        return keys

    def _key(self, kind: str, *parts: str) -> str:
        if self._pseudonyms is None:
            self._pseudonyms = Pseudonyms.load(self._store)
        return f"{TOMBSTONES}{kind}/{self._pseudonyms.of(kind, *parts)}.json"


def fingerprint(timestamps_ms: Sequence[int], types: Sequence[int]) -> str | None:
    """
    Give what a recording is known by whatever it is called: when its first events were.

    Args:
        timestamps_ms: Of all events, in any order.
        types: Of the same events.

    Returns:
        None when there are fewer than `FINGERPRINT_LEAST` events.
    """
    if len(timestamps_ms) < FINGERPRINT_LEAST:
        return None
    times = np.asarray(timestamps_ms, np.int64)
    kinds = np.asarray(types, np.int64)
    first = np.lexsort((kinds, times))[:FINGERPRINT_EVENTS]
    return " ".join(f"{t}:{k}" for t, k in zip(times[first], kinds[first], strict=True))
