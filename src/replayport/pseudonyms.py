"""
Keyed pseudonyms: what stands for an id where the id itself must not stay.

```
<archive>/privacy/pseudonym-key.json    32 random bytes, made once, by whoever is first
```

The audit log, receipts and tombstones outlive what they are about. They name it by
HMAC-SHA256 under this key: who knows an id and can read the key can tell whether it is
meant, who has only a receipt or a copy of the log cannot, not even by trying every e-mail
address there is. The key is in the archive because every writer needs it to refuse what was
erased; ``spec/erasure.md`` says what follows from that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from typing import Final

from replayport.errors import ArchiveError, ObjectExistsError
from replayport.store import Store

KEY_FILE: Final = "privacy/pseudonym-key.json"
KEY_FORMAT: Final = "replayport-pseudonym-key"
KEY_BYTES: Final = 32
PSEUDONYM_CHARS: Final = 32
"""128 bits in hex: two ids never share one."""

NAMED_BY_KEY: Final = ("tombstones/", "audit/", "holds/")
"""Prefixes whose objects mean nothing without the key they were named by."""


class Pseudonyms:
    """Makes the pseudonyms of one archive."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, store: Store) -> Pseudonyms:
        """
        Read the archive's key; make one when nothing was ever named by one.

        Raises:
            ArchiveError: It is damaged, or gone while objects named by it are there: with
                another key nothing erased would be recognised, so nothing goes on.
        """
        try:
            return cls(_key_of(store.get(KEY_FILE), store))
        except FileNotFoundError:
            pass
        for prefix in NAMED_BY_KEY:
            if next(iter(store.list(prefix)), None) is not None:
                raise ArchiveError(
                    f"{KEY_FILE} is missing at {store.url} although there are objects named by "
                    "it. Without it what was erased would not be recognised, so nothing is "
                    "written. Bring it back from a backup of the archive"
                )
        raw = json.dumps(
            {
                "format": KEY_FORMAT,
                "format_version": 1,
                "key": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
            }
        ).encode()
        try:
            store.put_new(KEY_FILE, raw)
        except ObjectExistsError:  # another process was first
            raw = store.get(KEY_FILE)
        return cls(_key_of(raw, store))

    @classmethod
    def find(cls, store: Store) -> Pseudonyms | None:
        """
        Read the archive's key; None when nothing was ever named by one.

        Raises:
            ArchiveError: It is damaged.
        """
        try:
            return cls(_key_of(store.get(KEY_FILE), store))
        except FileNotFoundError:
            return None

    def of(self, kind: str, *parts: str) -> str:
        """
        Give a pseudonym.

        Args:
            kind: What the parts name, such as ``recording``: equal texts of different
                kinds have different pseudonyms.
            parts: The id, in as many texts as it has.

        Returns:
            `PSEUDONYM_CHARS` hex digits.
        """
        text = json.dumps([kind, *parts]).encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:PSEUDONYM_CHARS]

    def of_recording(self, project: str, recording_id: str) -> str:
        """Give the pseudonym of a recording."""
        return self.of("recording", project, recording_id)

    def of_person(self, distinct_id: str) -> str:
        """Give the pseudonym of a person's distinct id."""
        return self.of("person", distinct_id)

    def stand_in(self, distinct_id: str) -> str:
        """Give what a redacted recording holds in place of a person's distinct id."""
        return f"anon-{self.of_person(distinct_id)[:20]}"


def _key_of(raw: bytes, store: Store) -> bytes:
    try:
        document = json.loads(raw)
        key = base64.b64decode(document["key"], validate=True)
        if document["format"] != KEY_FORMAT or len(key) != KEY_BYTES:
            raise ValueError("no such key")
    except (ValueError, KeyError, TypeError, binascii.Error) as e:
        raise ArchiveError(
            f"{KEY_FILE} at {store.url} does not read. It was changed or cut; without it what "
            "was erased would not be recognised. Bring it back from a backup of the archive"
        ) from e
    return key
