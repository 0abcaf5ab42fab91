"""
Receipts: what an erasure removed, where, when, and what it cannot reach; signed.

```
<archive>/receipts/<erasure id>.json
                   keys/<fingerprint>.pem     public keys of who signed here
```

A receipt holds no id of what was erased: pseudonyms stand for them, in keys and paths too.
Who knows an id and has the archive can tell that the receipt is about it. Normative text:
``spec/erasure.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from replayport import __version__
from replayport.archive import Archive
from replayport.audit import AuditLog
from replayport.encryption import EncryptedStore
from replayport.erasure_plan import InboxEvidence, Plan
from replayport.format.assets import asset_key
from replayport.plurals import counted
from replayport.pseudonyms import Pseudonyms
from replayport.signing import PUBLIC_KEYS, check
from replayport.surveying import Scope, ScopeKind

RECEIPTS: Final = "receipts/"
RECEIPT_FORMAT: Final = "replayport-erasure-receipt"
FORMAT_VERSION: Final = 1

_COPIES: Final = {
    "what": "copies",
    "where": "backups, snapshots, replicas and old object versions of the store and its disks",
    "why": "they are outside of it. Let them expire, or delete them",
}
_ENCRYPTED_COPIES: Final = {
    "what": "copies",
    "where": "backups of the key ring, and of the catalog and the inbox",
    "why": "copies of the recordings cannot be read any more, their data keys were erased; copies of "
    "these are outside of the store. Let them expire, or delete them",
}
_ALWAYS: Final = [
    {
        "what": "downloads",
        "where": "files that were copied, sent or downloaded from here",
        "why": "only the place they were first written to is known",
    },
    {
        "what": "mentions",
        "where": "pages and texts in recordings of others that show this person's data",
        "why": "an erasure removes whole recordings and events; `replayport redact` removes texts",
    },
]


def make_receipt(
    archive: Archive,
    plan: Plan,
    *,
    actor: str,
    skipped: set[str],
    evidence: list[InboxEvidence],
    kept_assets: list[str],
    posthog: dict[str, Any] | None,
) -> dict[str, Any]:
    """
    Say what an erasure did, once it was read back.

    Args:
        archive: Where.
        plan: What was to go, all of it gone by now.
        actor: Who.
        skipped: Inboxes said to be gone for good.
        evidence: What was done in the others.
        kept_assets: Why assets were kept that could not be judged.
        posthog: What PostHog was asked; None when it was not.

    Returns:
        JSON values, not yet signed and without the log entry.
    """
    pseudonyms = Pseudonyms.load(archive.store)
    hidden = _Hidden(plan, pseudonyms)
    encrypted = isinstance(archive.store, EncryptedStore)
    assets = {asset_key(s) for r in plan.recordings for s in r.assets} | set(plan.unused_assets)
    removed: list[dict[str, Any]] = [
        {
            "what": "recording",
            "project": r.project,
            "name": pseudonyms.of_recording(r.project, r.id),
            "data_key": "erased" if encrypted else "none",
            "files": [
                {"key": hidden.text(f.key), "bytes": f.bytes, "sha256": f.sha256} for f in r.files
            ],
        }
        for r in plan.recordings
    ]
    removed += [
        {
            "what": "leftover",
            "key": hidden.folder(f.key),
            "bytes": f.bytes,
            "sha256": f.sha256,
        }
        for f in plan.leftovers
    ]
    removed += [
        {
            "what": "analytics",
            "recording": pseudonyms.of_recording(*name.split("/", 1)),
            "events": n,
        }
        for name, n in sorted(plan.rows.items())
    ]
    removed += [
        {
            "what": p.made.kind,
            "form": p.made.form,
            "where": hidden.text(p.made.where),
            "bytes": p.made.bytes,
            "sha256": p.made.sha256,
            "how": "rewritten without it" if p.action == "rewrite" else "deleted",
        }
        for p in plan.made
        if p.action != "none"
    ]
    removed += [
        {
            "what": "inbox",
            "inbox": e.inbox,
            "sessions": len(e.sessions),
            "requests": e.requests,
            "waiting_for_posthog": e.waiting,
            "confirmed_ms": e.at_ms,
        }
        for e in evidence
    ]
    removed += [
        {"what": "asset", "key": key} for key in sorted(assets) if not archive.store.exists(key)
    ]
    not_reached = [
        {"what": p.made.kind, "where": hidden.text(p.made.where), "why": p.why}
        for p in plan.made
        if p.action == "none"
    ]
    not_reached += [
        {"what": "recording", "where": hidden.text(prefix), "why": "it does not read"}
        for prefix in plan.unreadable
    ]
    not_reached += [{"what": "assets", "where": "assets/", "why": why} for why in kept_assets]
    shared = [key for key in sorted(assets) if archive.store.exists(key)]
    if shared and not kept_assets:
        why = f"{len(shared)} are used by other recordings too"
        not_reached.append({"what": "assets", "where": "assets/", "why": why})
    not_reached += [
        {
            "what": "inbox",
            "where": name,
            "why": "told to be gone; if it comes back, sealing refuses what it has",
        }
        for name in sorted(skipped)
    ]
    if posthog is None:
        not_reached.append(
            {
                "what": "posthog",
                "where": "PostHog, if recordings came from or went there",
                "why": "it was not asked; --posthog does",
            }
        )
    elif posthog["recordings_still_there"]:
        not_reached.append(
            {
                "what": "posthog",
                "where": posthog["where"],
                "why": f"{counted(posthog['recordings_still_there'], 'recording')} still served; "
                "PostHog deletes in the background",
            }
        )
    not_reached += [_ENCRYPTED_COPIES if encrypted else _COPIES, *_ALWAYS]
    return {
        "format": RECEIPT_FORMAT,
        "format_version": FORMAT_VERSION,
        "erasure": plan.id,
        "archive_id": archive.archive_id,
        "store": archive.store.url,
        "kind": plan.kind,
        "subject": pseudonym_of(plan.kind, plan.subject, pseudonyms),
        "persons": sorted(pseudonyms.of_person(d) for d in plan.distinct_ids),
        "asked_ms": plan.asked_ms,
        "done_ms": archive.now_ms(),
        "actor": actor,
        "software": f"replayport {__version__}",
        "refuses_later_visits": plan.forever,
        "removed": removed,
        "posthog": posthog,
        "read_back": [
            "no object below the folders of these recordings, and no row in the catalog",
            "a tombstone for each recording, session and person",
            "no analytics event of these persons in the recordings named",
            "no file deleted that is still there",
            "no request of them in the inboxes named, and none waiting for PostHog",
        ],
        "not_reached": not_reached,
    }


def verify_receipt(
    receipt: Mapping[str, Any], archive: Archive | None = None, subject: Scope | None = None
) -> list[str]:
    """
    Check a receipt.

    Args:
        receipt: As JSON values.
        archive: Its archive: the key must be one of its own, the log must have the entry,
            and what was removed must still be absent. None checks the signature only.
        subject: The receipt must be about this; needs the archive, whose key made the
            pseudonyms.

    Returns:
        What is wrong; empty when nothing is.
    """
    problems: list[str] = []
    if receipt.get("format") != RECEIPT_FORMAT:
        return [f"it says it is {str(receipt.get('format'))[:60]!r}, not {RECEIPT_FORMAT}"]
    signed_by = check(receipt)
    if signed_by is None:
        return ["its signature is missing or does not fit: it was changed"]
    if archive is None:
        return problems
    store = archive.store
    if receipt["archive_id"] != archive.archive_id:
        return ["it is of another archive"]
    if not store.exists(f"{PUBLIC_KEYS}{signed_by}.pem"):
        problems.append(f"its key {signed_by} is none that this archive knows")
    entry = receipt["audit"]
    found = next((e for e in AuditLog(archive).entries() if e.seq == entry["seq"]), None)
    if found is None or found.digest != entry["digest"]:
        problems.append("the audit log does not have the entry it names")
    pseudonyms = Pseudonyms.load(store)
    names = {r["name"] for r in receipt["removed"] if r["what"] == "recording"}
    problems += [
        f"recording {row.project}/{row.id} is in the archive again"
        for row in archive.catalog.list()
        if pseudonyms.of_recording(row.project, row.id) in names
    ]
    if subject is not None:
        told = pseudonym_of(subject.kind, subject.value, pseudonyms)
        if told != receipt["subject"] and told not in receipt["persons"]:
            problems.append("it is not about the one named")
    return problems


class _Hidden:
    """Replaces ids of a plan by their pseudonyms in keys and paths that a receipt names."""

    def __init__(self, plan: Plan, pseudonyms: Pseudonyms) -> None:
        names: dict[str, str] = {}
        for r in plan.recordings:
            pseudonym = pseudonyms.of_recording(r.project, r.id)
            names[r.id] = names[r.session_id] = pseudonym
        for project, session_id in plan.sessions:
            names[session_id] = pseudonyms.of_recording(project, session_id)
        for distinct_id in plan.distinct_ids:
            names[distinct_id] = pseudonyms.of_person(distinct_id)
        if plan.kind in ("person", "url_pattern"):
            names[plan.subject] = pseudonym_of(plan.kind, plan.subject, pseudonyms)
        # The longest first: one id may be part of another.
        self._names = sorted(names.items(), key=lambda n: -len(n[0]))
        self._pseudonyms = pseudonyms

    def text(self, text: str) -> str:
        """Give a key or an address without the ids; percent-encoding is undone."""
        text = unquote(text)
        for name, pseudonym in self._names:
            if name:
                text = text.replace(name, pseudonym)
        return text

    def folder(self, key: str) -> str:
        """Give a key of a folder whose recording nobody knows."""
        head, _, rest = key.rpartition("/")
        folder, _, recording_id = head.rpartition("/")
        return f"{folder}/{self._pseudonyms.of('leftover', recording_id)}/{rest}"


def pseudonym_of(kind: ScopeKind, subject: str, pseudonyms: Pseudonyms) -> str:
    """Give what stands for the subject of an erasure."""
    if kind in ("person", "distinct_id"):
        return pseudonyms.of_person(subject)
    if kind == "recording":
        project, _, bare = subject.rpartition("/")
        return pseudonyms.of_recording(project, bare)
    return subject if kind == "retention" else pseudonyms.of(kind, subject)
