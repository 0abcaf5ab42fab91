"""
What an erasure is going to do, written down before it is done.

```
<archive>/erasures/<id>/
├── plan.json                 what is to go; names it in the clear
└── inboxes/<name>.json       a server's word that it did so in its own inbox
```

All of it is deleted at the end: what stays is the receipt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct, field

from replayport.archive import Archive
from replayport.errors import ArchiveError
from replayport.ledger import Made
from replayport.surveying import ScopeKind

ERASURES: Final = "erasures/"
INBOXES: Final = "inboxes/"
FORMAT_VERSION: Final = 1


class PlannedFile(Struct, frozen=True):
    """An object that is to go."""

    key: str
    bytes: int
    sha256: str


class PlannedRecording(Struct, frozen=True, kw_only=True):
    """A recording that is to go."""

    project: str
    id: str
    session_id: str
    prefixes: list[str]
    files: list[PlannedFile]
    content: str | None = None
    """`tombstones.fingerprint` of its events; None when it has none."""
    assets: list[str] = field(default_factory=list)
    """SHA-256 of assets it uses."""

    @property
    def name(self) -> str:
        """``project/id``."""
        return f"{self.project}/{self.id}"


class PlannedMade(Struct, frozen=True, kw_only=True):
    """Something the ledger knows that holds a recording of the plan."""

    made: Made
    action: str
    """``delete``, ``rewrite``, or ``none``."""
    why: str = ""
    """Why nothing can be done."""


class Plan(Struct, kw_only=True):
    """``erasures/<id>/plan.json``; holds ids in the clear, and is deleted at the end."""

    id: str
    kind: ScopeKind
    subject: str
    asked_ms: int
    actor: str
    forever: bool = False
    """Later visits of the person are refused as well."""
    fixed: bool = False
    """Tombstones are put and all was looked through once more: nothing is added any more."""
    distinct_ids: list[str] = field(default_factory=list)
    recordings: list[PlannedRecording] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    """``project/id`` of others' recordings to rows of analytics."""
    leftovers: list[PlannedFile] = field(default_factory=list)
    made: list[PlannedMade] = field(default_factory=list)
    unused_assets: list[str] = field(default_factory=list)
    """Store keys of assets of unfinished freezes."""
    unreadable: list[str] = field(default_factory=list)
    """Folders of recordings that do not read."""
    sessions: list[tuple[str, str]] = field(default_factory=list)
    """Unsealed: project and session id."""
    requests: int = 0
    waiting: int = 0
    posthog: str | None = None
    """Where PostHog is asked; None when it is not."""
    posthog_sessions: list[str] = field(default_factory=list)
    format_version: int = FORMAT_VERSION

    def key(self) -> str:
        """Give its place in the store."""
        return f"{ERASURES}{self.id}/plan.json"


class InboxEvidence(Struct, frozen=True, kw_only=True):
    """``erasures/<id>/inboxes/<name>.json``: what a server did in its own inbox."""

    inbox: str
    at_ms: int
    sessions: list[tuple[str, str]] = field(default_factory=list)
    requests: int = 0
    waiting: int = 0


def open_plans(archive: Archive) -> Iterator[Plan]:
    """
    Yield the erasures that were begun and not completed, oldest first.

    Raises:
        ArchiveError: A plan does not read.
    """
    for info in archive.store.list(ERASURES):
        if not info.key.endswith("/plan.json"):
            continue
        try:
            yield msgspec.json.decode(archive.store.get(info.key), type=Plan)
        except FileNotFoundError:
            continue
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise ArchiveError(
                f"the plan of an erasure does not read (key {info.key}). It was changed or cut. "
                "Delete it, and ask for the erasure again"
            ) from e


def registered_inboxes(archive: Archive) -> list[str]:
    """Give the names of inboxes that servers of this archive have."""
    return [
        info.key.removeprefix(INBOXES).removesuffix(".json") for info in archive.store.list(INBOXES)
    ]


def put_evidence(archive: Archive, plan: Plan, evidence: InboxEvidence) -> None:
    """Confirm that a server erased in its inbox."""
    archive.store.put(evidence_key(plan.id, evidence.inbox), msgspec.json.encode(evidence))


def has_evidence(archive: Archive, plan: Plan, inbox: str) -> bool:
    """Tell whether a server confirmed."""
    return archive.store.exists(evidence_key(plan.id, inbox))


def evidence_key(erasure: str, inbox: str) -> str:
    """Give where a server confirms that it erased in its inbox."""
    return f"{ERASURES}{erasure}/inboxes/{inbox}.json"
