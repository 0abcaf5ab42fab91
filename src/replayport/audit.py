"""
The audit log: who did what to which recording, append-only and chained by digests.

```
<archive>/audit/00000000/000000000001.json    one object an entry
                         000000000002.json    <- `AuditLog.append` puts the next number,
                         …                       create-only: of two writers one is second
catalog state "audit/head"                    the newest entry this catalog knows of
<archive>/receipts/….json                     each names the newest entry of its moment
```

Every entry holds the digest of the one before it, so an entry that was changed, taken out,
put in or moved does not fit its neighbours. What is cut off at the end fits; that is why the
newest entry is remembered outside the log: in the catalog, in signed receipts, and
wherever the operator notes what ``audit verify`` prints.

No entry holds a recorded value. Recordings and persons stand as keyed pseudonyms
(`replayport.pseudonyms`) from the start, so that nothing has to be changed in the log when
they are erased. Normative text: ``spec/audit.md``.
"""

from __future__ import annotations

import getpass
import hashlib
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from replayport.archive import Archive
from replayport.errors import ArchiveError, ObjectExistsError
from replayport.pseudonyms import Pseudonyms

AUDIT: Final = "audit/"
RECEIPTS: Final = "receipts/"
HEAD_STATE: Final = "audit/head"
FORMAT_VERSION: Final = 1

ENTRIES_A_FOLDER: Final = 10_000
"""File systems slow down with folders of millions."""

MAX_ACTOR_CHARS: Final = 200
MAX_DETAIL_BYTES: Final = 4096
_ATTEMPTS: Final = 10_000
"""Entries others may put while one is being put; each costs a read."""

_READ_AHEAD: Final = 256
_READERS: Final = 8
_KEY: Final = re.compile(r"audit/(\d{8})/(\d{12})\.json")

ACTIONS: Final[dict[str, str]] = {
    "recording.view": "A recording was opened in the player.",
    "recording.export": "A recording was written to a file or to standard output.",
    "recording.export_raw": "A recording was exported unredacted although findings remained.",
    "recording.redact": "A stored recording was redacted.",
    "recording.delete": "A recording was deleted by itself.",
    "share.create": "A link or embed to a recording was made.",
    "share.open": "A shared recording was opened.",
    "share.revoke": "A link or embed was ended.",
    "dataset.write": "Recordings were written to a dataset.",
    "erasure.ask": "An erasure was planned; nothing is removed yet.",
    "erasure.refuse": "An erasure was refused: a legal hold, or something that does not read.",
    "erasure.done": "An erasure was completed and checked; a receipt was signed.",
    "retention.apply": "Recordings past their project's retention were removed.",
    "hold.set": "A legal hold was put on a recording or a person.",
    "hold.release": "A legal hold was lifted.",
    "subject.access": "Everything about one person was put together in a file.",
    "keys.rotate": "The key ring got a new key; data keys were wrapped anew.",
    "user.sign_in": "Somebody signed in.",
    "user.sign_in_failed": "A sign-in was refused.",
    "settings.change": "Rights, projects or settings were changed.",
}
"""All actions there are, and what each means; the reference page is made from this."""

CLEAR_TARGETS: Final = frozenset(
    {"archive", "dataset", "project", "setting", "share", "receipt", "key", "user"}
)
"""Kinds of target written as they are; ``recording``, ``person`` and any other become pseudonyms."""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One line of the log."""

    seq: int
    """From 1, without gaps."""
    at_ms: int
    """Epoch milliseconds, by the clock of who wrote it."""
    actor: str
    """Who: ``cli:<user>@<host>``, ``serve:<host>``, or an account of the server."""
    action: str
    """One of `ACTIONS`."""
    target: str | None = None
    """``<kind>:<name or pseudonym>``; None when the action has none."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Counts, formats and codes; never a recorded value."""
    nonce: str
    """Random, so that no two entries are equal."""
    previous: str
    """`digest` of the entry before; of the first one, made of the archive's id."""
    digest: str = ""
    """SHA-256 in hex of all other fields, as `digest_of` writes them."""
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class Anchor:
    """An entry known to have been there, remembered outside the log."""

    seq: int
    digest: str
    where: str
    """Who remembers it: ``catalog``, ``receipt …``, ``given``."""


@dataclass(frozen=True, slots=True)
class AuditProblem:
    """One thing wrong with the log."""

    code: str
    """One of `AUDIT_PROBLEMS`."""
    seq: int
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Give the form the command line prints."""
        return {"code": self.code, "seq": self.seq, "detail": self.detail}


AUDIT_PROBLEMS: Final[dict[str, str]] = {
    "changed": "An entry does not match its own digest, or does not parse.",
    "missing": "An entry between two others is gone.",
    "reordered": "An entry does not continue the one before it: moved, exchanged or put in.",
    "truncated": "The log ends before an entry that is known to have been there.",
    "anchor_differs": "An entry is not the one that was remembered: the log was written anew.",
    "foreign": "A file among the entries is none.",
}
"""Codes of what `AuditLog.verify` finds; the reference page is made from this."""


def this_actor(program: str = "cli") -> str:
    """Name whoever runs this process: ``cli:<user>@<host>``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = "unknown"
    return f"{program}:{user}@{socket.gethostname()}"[:MAX_ACTOR_CHARS]


def digest_of(entry: AuditEntry) -> str:
    """
    Give the digest an entry must have.

    SHA-256 over its JSON without ``digest``: keys sorted, no spaces, UTF-8.
    """
    values = msgspec.to_builtins(entry)
    del values["digest"]
    return hashlib.sha256(msgspec.json.encode(values, order="deterministic")).hexdigest()


def entry_key(seq: int) -> str:
    """Give the store key of an entry."""
    return f"{AUDIT}{seq // ENTRIES_A_FOLDER:08d}/{seq:012d}.json"


class AuditLog:
    """
    The log of one archive. Safe for several threads, processes and machines.

    Args:
        archive: The archive; stays the caller's to close.
        now_ms: Epoch milliseconds now.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._archive = archive
        self._store = archive.store
        self._catalog = archive.catalog
        self._now_ms = now_ms
        self._genesis = hashlib.sha256(
            f"replayport-audit {FORMAT_VERSION} {archive.archive_id}".encode()
        ).hexdigest()
        self._pseudonyms: Pseudonyms | None = None

    # --- writing --------------------------------------------------------------------

    def append(
        self,
        action: str,
        *,
        actor: str,
        target: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEntry:
        """
        Write an entry; it is durable when this returns.

        Call it before what it tells of becomes visible: an action without its entry is
        worse than an entry without its action.

        Args:
            action: One of `ACTIONS`.
            actor: Who does it, see `this_actor`.
            target: ``<kind>:<name>``, such as ``recording:shop/0198-a`` or
                ``person:<distinct id>``. Unless its kind is one of `CLEAR_TARGETS`, the
                name is written as a pseudonym.
            detail: A few numbers and codes. No recorded value, no id of a person.

        Raises:
            ValueError: The action is none, the target has no kind, or the detail is large.
            StoreError: It could not be written; the action should not go on.
        """
        if action not in ACTIONS:
            raise ValueError(f"audit action {action!r} is not known. Add it to audit.ACTIONS")
        detail = dict(detail or {})
        if len(msgspec.json.encode(detail)) > MAX_DETAIL_BYTES:
            raise ValueError(f"an audit detail is larger than {MAX_DETAIL_BYTES} bytes")
        self._key()  # made before the first entry: later its absence means that it was lost
        named = None if target is None else self.target_of(target)
        seq, previous = self._head()
        for _ in range(_ATTEMPTS):
            entry = AuditEntry(
                seq=seq + 1,
                at_ms=self._now_ms(),
                actor=actor[:MAX_ACTOR_CHARS],
                action=action,
                target=named,
                detail=detail,
                nonce=secrets.token_hex(8),
                previous=previous,
            )
            entry = msgspec.structs.replace(entry, digest=digest_of(entry))
            raw = msgspec.json.format(msgspec.json.encode(entry), indent=1) + b"\n"
            try:
                self._store.put_new(entry_key(entry.seq), raw)
            except ObjectExistsError:
                there = self._store.get(entry_key(entry.seq))
                # The answer to our own put may have got lost and been asked for again.
                if there != raw:
                    seq, previous = entry.seq, _digest_in(there)
                    continue
            self._remember(entry)
            return entry
        raise ArchiveError(
            f"{_ATTEMPTS} entries were put into the audit log before this one. Too many write "
            "it at once. Try again"
        )

    def target_of(self, target: str) -> str:
        """
        Give a target as the log writes it.

        Raises:
            ValueError: It has no kind before a colon.
        """
        kind, colon, name = target.partition(":")
        if not colon or not re.fullmatch(r"[a-z_]{1,20}", kind):
            raise ValueError("an audit target is written <kind>:<name>")
        if kind in CLEAR_TARGETS:
            return f"{kind}:{name[:MAX_ACTOR_CHARS]}"
        if kind == "recording":
            project, _, recording_id = name.rpartition("/")
            return f"{kind}:{self._key().of_recording(project, recording_id)}"
        return f"{kind}:{self._key().of(kind, name)}"

    def _key(self) -> Pseudonyms:
        if self._pseudonyms is None:
            self._pseudonyms = Pseudonyms.load(self._store)
        return self._pseudonyms

    def _head(self) -> tuple[int, str]:
        """Give an entry to try to follow: the newest known of, else the last one stored."""
        state = self._catalog.get_state(HEAD_STATE)
        if state is not None:
            # Not looked whether it is still there: if it is not, going on behind it leaves
            # the gap for `verify` to see.
            return int(state["seq"]), str(state["digest"])
        last = max(self._numbers(), default=0)
        return (last, _digest_in(self._store.get(entry_key(last)))) if last else (0, self._genesis)

    def _remember(self, entry: AuditEntry) -> None:
        def change(old: dict[str, Any] | None) -> dict[str, Any]:
            if old is not None and old["seq"] >= entry.seq:
                return old
            return {"seq": entry.seq, "digest": entry.digest}

        self._catalog.update_state(HEAD_STATE, change)

    # --- reading --------------------------------------------------------------------

    def entries(self) -> Iterator[AuditEntry]:
        """
        Yield the entries that read, oldest first; `verify` names the others.

        Memory:
            A few hundred entries at a time.
        """
        for _, raw in self._raw():
            entry = _parse(raw)
            if entry is not None:
                yield entry

    def head(self) -> AuditEntry | None:
        """Give the newest entry in the store; None when there is none, or it does not read."""
        last = max(self._numbers(), default=0)
        return _parse(self._get(entry_key(last))) if last else None

    def anchors(self) -> list[Anchor]:
        """Give what is remembered of the log outside of it: by the catalog and by receipts."""
        found = []
        state = self._catalog.get_state(HEAD_STATE)
        if state is not None:
            found.append(Anchor(int(state["seq"]), str(state["digest"]), "catalog"))
        for info in self._store.list(RECEIPTS):
            try:
                receipt = msgspec.json.decode(self._store.get(info.key), type=_ReceiptHead)
            except (msgspec.DecodeError, UnicodeDecodeError, FileNotFoundError):
                continue  # `erase --verify-receipt` says what is wrong with it
            if receipt.audit is not None:
                found.append(Anchor(receipt.audit.seq, receipt.audit.digest, f"receipt {info.key}"))
        return found

    def verify(self, anchors: Iterable[Anchor] | None = None) -> tuple[int, list[AuditProblem]]:
        """
        Check the whole log.

        Args:
            anchors: Entries known to have been there; those of `anchors` when None.

        Returns:
            How many entries there are, and what is wrong, in order.
        """
        known = list(self.anchors() if anchors is None else anchors)
        problems: list[AuditProblem] = []
        digests: dict[int, str] = {}
        wanted = {anchor.seq for anchor in known}
        last, previous = 0, self._genesis
        count = 0
        for seq, raw in self._raw():
            if seq is None:
                problems.append(AuditProblem("foreign", last, "a file that is no entry"))
                continue
            count += 1
            if seq > last + 1:
                gone = f"{last + 1}" if seq == last + 2 else f"{last + 1} to {seq - 1}"
                problems.append(AuditProblem("missing", last + 1, f"entry {gone} is not there"))
            follows = seq == last + 1
            last = seq
            entry = _parse(raw)
            if entry is None or entry.seq != seq or digest_of(entry) != entry.digest:
                moved = entry is not None and digest_of(entry) == entry.digest
                code = "reordered" if moved else "changed"
                said = f"it says it is entry {entry.seq}" if entry and moved else "its digest fails"
                problems.append(AuditProblem(code, seq, f"entry {seq}: {said}"))
                previous = _digest_in(raw)
                continue
            if follows and entry.previous != previous:
                problems.append(
                    AuditProblem("reordered", seq, f"entry {seq} does not continue the one before")
                )
            previous = entry.digest
            if seq in wanted:
                digests[seq] = entry.digest
        for anchor in known:
            if anchor.seq > last:
                detail = f"{anchor.where} knows entry {anchor.seq}, the log ends with {last}"
                problems.append(AuditProblem("truncated", last + 1, detail))
            elif digests.get(anchor.seq, anchor.digest) != anchor.digest:
                detail = f"entry {anchor.seq} is not the one that {anchor.where} knows"
                problems.append(AuditProblem("anchor_differs", anchor.seq, detail))
        return count, problems

    def names(self) -> dict[str, str]:
        """
        Give what stands behind the targets of recordings and persons that are still there.

        Returns:
            Target as written to target in the clear.
        """
        found = {}
        for row in self._catalog.list():
            clear = f"recording:{row.project}/{row.id}"
            found[self.target_of(clear)] = clear
            if row.distinct_id is not None:
                clear = f"person:{row.distinct_id}"
                found[self.target_of(clear)] = clear
        return found

    def _numbers(self) -> Iterator[int]:
        for info in self._store.list(AUDIT):
            found = _KEY.fullmatch(info.key)
            if found is not None:
                yield int(found[2])

    def _raw(self) -> Iterator[tuple[int | None, bytes]]:
        """Yield entries' numbers and bytes in order of their keys, read ahead in threads."""
        keys = (info.key for info in self._store.list(AUDIT))
        with ThreadPoolExecutor(_READERS, thread_name_prefix="audit") as pool:
            while page := list(islice(keys, _READ_AHEAD)):
                for key, raw in zip(page, pool.map(self._get, page), strict=True):
                    found = _KEY.fullmatch(key)
                    seq = int(found[2]) if found else None
                    yield (seq if seq is not None and entry_key(seq) == key else None), raw

    def _get(self, key: str) -> bytes:
        try:
            return self._store.get(key)
        except FileNotFoundError:  # removed since it was listed
            return b""


class _Head(Struct):
    seq: int
    digest: str


class _ReceiptHead(Struct):
    audit: _Head | None = None


def _parse(raw: bytes) -> AuditEntry | None:
    try:
        return msgspec.json.decode(raw, type=AuditEntry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _digest_in(raw: bytes) -> str:
    """Give what the next entry has to name; of one that does not parse, a digest of its bytes."""
    entry = _parse(raw)
    return hashlib.sha256(raw).hexdigest() if entry is None else entry.digest
