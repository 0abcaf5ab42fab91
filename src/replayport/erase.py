"""
Erasure: a person, a recording or an address out of everything that can be reached.

```
survey ── legal hold? ──> refused, nothing changed
  │
  ├─ erasures/<id>/plan.json      what is to go, written first: a killed run goes on from here
  ├─ tombstones/…                 from now on nothing of it can be written
  ├─ survey again                 what came in between is added to the plan
  ├─ inbox, outbox                unsealed requests, and what waits for PostHog
  ├─ exports, bundles, shares …   what the ledger knows
  ├─ analytics                    rows of the person in recordings of others
  ├─ recordings/…                 whole folders, leftovers too
  ├─ assets/…                     that nothing else uses
  ├─ catalog                      rows, what pulls remember, free pages and log
  ├─ PostHog                      when asked
  ├─ read back                    each of these is looked at again
  └─ audit entry, receipts/<id>.json (signed), plan deleted
```

Every step can be done again: what a receipt says was removed is what the plan listed and
the reading back no longer found. Normative text: ``spec/erasure.md``.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from replayport.archive import Archive
from replayport.assets.freeze import unused_assets, used_assets
from replayport.audit import AuditLog
from replayport.encryption import EncryptedStore
from replayport.erasure_plan import (
    ERASURES,
    InboxEvidence,
    Plan,
    PlannedFile,
    PlannedMade,
    PlannedRecording,
    evidence_key,
    open_plans,
    registered_inboxes,
)
from replayport.errors import LegalHoldError, RecordingError, ReplayError
from replayport.format.assets import asset_key
from replayport.holds import Holds
from replayport.ledger import ARCHIVE, STDOUT, Kind, Ledger, Made
from replayport.plurals import counted
from replayport.receipts import RECEIPTS, make_receipt
from replayport.signing import PUBLIC_KEYS, Signer, check
from replayport.sources.posthog_erase import PostHogEraser
from replayport.surveying import Folder, Scope, ScopeKind, Survey, facts, folder_at, survey
from replayport.tombstones import FOREVER_MS, Tombstone

UNUSED_ASSET_AGE_MS: Final = 86_400_000
"""An unused asset younger than this may be of a freeze under way."""

LEFTOVER_AGE_MS: Final = 3_600_000
"""Files without a manifest younger than this may be of a write under way."""

_COPY_BYTES: Final = 2**20

REWRITERS: Final[dict[Kind, Callable[[Made, set[str]], None]]] = {}
"""By kind of what the ledger knows: takes recordings (``project/id``) out of something that
holds others too. A module that makes such things adds itself here; done twice it must do no
more than once."""


class UnfinishedErasureError(ReplayError):
    """
    Something of an erasure could not be done; its plan is kept, and the same call goes on.

    Attributes:
        erasure: Its id.
        left: What is left, in words.
    """

    def __init__(self, *, erasure: str, left: list[str]) -> None:
        super().__init__(
            f"erasure {erasure} is not complete: {'; '.join(left)}. What was done is kept. Mend "
            "that and run: replayport erase --resume"
        )
        self.erasure = erasure
        self.left = left


@dataclass(frozen=True, slots=True)
class FoundUnsealed:
    """What an inbox has of a plan."""

    sessions: list[tuple[str, str]]
    requests: int
    waiting: int


class Unsealed(Protocol):
    """An inbox, with what waits for PostHog beside it."""

    @property
    def name(self) -> str:
        """What the archive knows it by."""

    def find(self, plan: Plan) -> FoundUnsealed:
        """Look, without changing anything."""

    def erase(self, plan: Plan) -> None:
        """Remove what is of the plan."""


class Eraser:
    """
    Erases in one archive; it stays the caller's to close.

    Args:
        archive: Where.
        actor: Who, for log and receipt.
        signer: Signs receipts.
        unsealed: Inboxes that this process may open.
        visits: Gives visits that are not sealed yet, also those a server of this machine
            receives: a person can be known by another id in them alone.
        skip_inboxes: Names of registered inboxes that no server has any more.
        posthog: Asked too; None leaves PostHog alone.
        rewriters: As `REWRITERS`.
        on_step: Called with each step's name, for progress.
        wait_inboxes: Called while servers have not confirmed theirs; false gives up.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        actor: str,
        signer: Signer,
        unsealed: Sequence[Unsealed] = (),
        visits: Callable[[Scope], Iterable[Folder]] = lambda _: (),
        skip_inboxes: Iterable[str] = (),
        posthog: PostHogEraser | None = None,
        rewriters: Mapping[Kind, Callable[[Made, set[str]], None]] = REWRITERS,
        on_step: Callable[[str], None] = lambda _: None,
        wait_inboxes: Callable[[], bool] = lambda: False,
    ) -> None:
        self._archive = archive
        self._store = archive.store
        self._actor = actor
        self._signer = signer
        self._unsealed = list(unsealed)
        self._visits = visits
        self._skip = set(skip_inboxes)
        self._posthog = posthog
        self._rewriters = rewriters
        self._on_step = on_step
        self._wait = wait_inboxes
        self._ledger = Ledger(archive)
        self._holds = Holds(archive)
        self._log = AuditLog(archive, now_ms=archive.now_ms)

    # --- planning -------------------------------------------------------------------

    def plan(
        self, scope: Scope, *, forever: bool = False, retired: Sequence[str] | None = None
    ) -> Plan:
        """
        Say what an erasure would remove. Nothing changes.

        Args:
            scope: What.
            forever: Of a person: refuse later visits as well.
            retired: Of ``retention``: folders past it.

        Raises:
            LegalHoldError: A hold is on something of it.
        """
        plan = Plan(
            id=f"{self._archive.now_ms():013d}-{secrets.token_hex(4)}",
            kind=scope.kind,
            subject=scope.value,
            asked_ms=self._archive.now_ms(),
            actor=self._actor,
            forever=forever,
        )
        self._look(plan, retired=retired)
        return plan

    def open_plans(self) -> list[Plan]:
        """
        Give the erasures that were begun and not completed, oldest first.

        Raises:
            ArchiveError: A plan does not read.
        """
        return list(open_plans(self._archive))

    def _look(self, plan: Plan, *, retired: Sequence[str] | None = None) -> None:
        """Look through everything and add what is found to the plan."""
        self._on_step("looking")
        scope = Scope(plan.kind, plan.subject)
        if plan.kind == "retention":
            found = Survey()
            wanted = {*(retired or ()), *(p for r in plan.recordings for p in r.prefixes)}
            found.folders = [folder_at(self._archive, prefix) for prefix in sorted(wanted)]
        else:
            visits = self._visits(scope) if plan.kind == "person" else ()
            found = survey(self._archive, scope, also=plan.distinct_ids, unsealed=visits)
        if plan.kind in ("person", "distinct_id"):
            self._holds.check_person(found.distinct_ids)
        self._holds.check((f.project, f.id, f.distinct_id) for f in found.folders)
        plan.distinct_ids = sorted({*plan.distinct_ids, *found.distinct_ids})
        if plan.kind == "recording":
            self._add_named(plan, found)
        # Those of no prefix are an inbox's, and are found in it below.
        self._add_folders(plan, [f for f in found.folders if f.prefix and _in_time(plan, f)])
        erased = {r.name for r in plan.recordings}
        for name, n in found.rows.items():
            if name not in erased:
                plan.rows[name] = max(n, plan.rows.get(name, 0))
        self._add_leftovers(plan, found)
        gone = {p for r in plan.recordings for p in r.prefixes}
        plan.unreadable = sorted(f.prefix for f in found.unreadable if f.prefix not in gone)
        for inbox in self._unsealed:
            unsealed = inbox.find(plan)
            plan.sessions = sorted({*plan.sessions, *unsealed.sessions})
            plan.requests = max(plan.requests, unsealed.requests)
            plan.waiting = max(plan.waiting, unsealed.waiting)
        names = {*erased, *(f"{project}/{session}" for project, session in plan.sessions)}
        known = {p.made.key for p in plan.made}
        plan.made += [
            self._reach(made, names) for made in self._ledger.of(names) if made.key not in known
        ]
        if plan.kind != "retention":
            try:
                plan.unused_assets = unused_assets(
                    self._archive, stored_before_ms=plan.asked_ms - UNUSED_ASSET_AGE_MS
                )
            except RecordingError:
                plan.unused_assets = []  # said when assets are removed
        if self._posthog is not None:
            plan.posthog = self._posthog.where
            sessions = {r.session_id for r in plan.recordings} | {s for _, s in plan.sessions}
            plan.posthog_sessions = sorted({*plan.posthog_sessions, *sessions})

    def _add_named(self, plan: Plan, found: Survey) -> None:
        """Put a recording that was named into the plan also when no file of it is there."""
        project, slash, bare = plan.subject.rpartition("/")
        if found.folders or plan.recordings:
            projects = {f.project for f in found.folders} | {r.project for r in plan.recordings}
            if len(projects) > 1:
                self._archive.row(plan.subject)  # says that it is ambiguous
            return
        if not slash:
            # Raises with the near ones, unless the catalog knows one whose files are gone.
            project = self._archive.row(plan.subject).project
        plan.recordings.append(
            PlannedRecording(project=project, id=bare, session_id=bare, prefixes=[], files=[])
        )

    def _add_folders(self, plan: Plan, folders: Iterable[Folder]) -> None:
        by_name = {r.name: r for r in plan.recordings}
        for folder in folders:
            known = by_name.get(folder.name)
            if known is not None and folder.prefix in known.prefixes and not folder.manifest:
                continue
            content, assets = facts(self._archive, folder)
            files = {f.key: f for f in self._files(folder)}
            session_id = folder.manifest.session_id if folder.manifest else folder.id
            if known is not None:
                files = {f.key: f for f in known.files} | files
                assets = sorted({*known.assets, *assets})
                content = content or known.content
            by_name[folder.name] = PlannedRecording(
                project=folder.project,
                id=folder.id,
                session_id=session_id,
                prefixes=sorted({folder.prefix, *(known.prefixes if known else ())}),
                files=list(files.values()),
                content=content,
                assets=assets,
            )
        plan.recordings = sorted(by_name.values(), key=lambda r: r.name)

    def _add_leftovers(self, plan: Plan, found: Survey) -> None:
        """Files of cut writes: those of an erased recording, and of a person nobody knows."""
        ids = {(r.project, r.id) for r in plan.recordings}
        known = {f.key for f in plan.leftovers}
        for folder in found.leftovers:
            theirs = (folder.project, folder.id) in ids
            old = all(o.modified_ms < plan.asked_ms - LEFTOVER_AGE_MS for o in folder.objects)
            if theirs:
                self._add_folders(plan, [folder])
            elif plan.distinct_ids and old:
                plan.leftovers += [f for f in self._files(folder) if f.key not in known]

    def _files(self, folder: Folder) -> Iterator[PlannedFile]:
        infos = folder.manifest.files if folder.manifest else {}
        for info in folder.objects:
            name = info.key.removeprefix(f"{folder.prefix}/")
            if name in infos and infos[name].bytes == info.size:
                yield PlannedFile(info.key, info.size, infos[name].sha256)
                continue
            try:
                raw = self._store.get(info.key)
            except FileNotFoundError:
                continue
            yield PlannedFile(info.key, len(raw), hashlib.sha256(raw).hexdigest())

    def _reach(self, made: Made, names: set[str]) -> PlannedMade:
        """Say what can be done about something that was made."""

        def none(why: str) -> PlannedMade:
            return PlannedMade(made=made, action="none", why=why)

        if made.where.startswith(STDOUT):
            return none("it went to standard output or into a pipe")
        if made.kind in self._rewriters:
            return PlannedMade(made=made, action="rewrite")
        if not set(made.recordings) <= names:
            return none("it holds other recordings too, and cannot be rewritten from here")
        if made.where.startswith(ARCHIVE):
            return PlannedMade(made=made, action="delete")
        path = _path_of(made.where)
        if path is None:
            return none("it is at an address that is not this machine's")
        if made.host != socket.gethostname():
            return none(f"it is on another machine, {made.host}")
        try:
            if not path.exists():
                return none("it is not where it was written: it was moved or deleted")
            if made.sha256 is None or not path.is_file():
                return none("it is a folder or was not finished")
            if _digest(path) != made.sha256:
                return none("the file there is not the one that was written")
        except OSError as e:
            return none(f"it cannot be read: {e.strerror}")
        return PlannedMade(made=made, action="delete")

    # --- doing ----------------------------------------------------------------------

    def run(self, plan: Plan) -> dict[str, Any]:
        """
        Do what a plan says, or go on with one that was interrupted.

        Args:
            plan: From `plan` or `open_plans`.

        Returns:
            The signed receipt, as it is in the archive.

        Raises:
            LegalHoldError: A hold was put meanwhile; nothing was removed.
            UnfinishedErasureError: Something could not be done, or not be confirmed.
        """
        if not plan.fixed:
            self._fix(plan)
        self._unseal(plan)
        left: list[str] = []
        self._on_step("exports, bundles, shares")
        self._erase_made(plan, left)
        self._on_step("analytics")
        persons = dict.fromkeys(plan.distinct_ids, FOREVER_MS)
        for name in plan.rows:
            try:
                self._archive.erase_analytics(name, persons)
            except RecordingError as e:
                left.append(str(e))
        self._on_step("recordings")
        for recording in plan.recordings:
            self._archive.erase_folders(recording.project, recording.id, recording.prefixes)
        for file in plan.leftovers:
            self._store.delete(file.key)
        self._on_step("assets")
        kept_assets = self._erase_assets(plan)
        self._on_step("catalog")
        self._erase_rows(plan)
        posthog = self._erase_posthog(plan)
        self._on_step("reading back")
        left += self._read_back(plan)
        if left:
            raise UnfinishedErasureError(erasure=plan.id, left=left)
        return self._finish(plan, kept_assets, posthog)

    def refuse(self, scope: Scope, error: LegalHoldError) -> None:
        """Write down that an erasure was refused."""
        self._log.append(
            "erasure.refuse",
            actor=self._actor,
            target=_target(scope.kind, scope.value),
            detail={"why": "legal_hold", "held": len(error.held)},
        )

    def _fix(self, plan: Plan) -> None:
        """Write the plan, refuse whatever would come of it, and look once more."""
        if not self._store.exists(plan.key()):
            self._log.append(
                "erasure.ask",
                actor=self._actor,
                target=_target(plan.kind, plan.subject),
                detail={"erasure": plan.id, "recordings": len(plan.recordings)},
            )
        self._save(plan)
        self._put_tombstones(plan)
        self._look(plan)
        self._put_tombstones(plan)
        plan.fixed = True
        self._save(plan)

    def _save(self, plan: Plan) -> None:
        self._store.put(plan.key(), msgspec.json.format(msgspec.json.encode(plan), indent=1))

    def _put_tombstones(self, plan: Plan) -> None:
        self._on_step("tombstones")
        stones = self._archive.tombstones
        until_ms = FOREVER_MS if plan.forever else plan.asked_ms
        made = Tombstone(erasure=plan.id, at_ms=plan.asked_ms)
        for recording in plan.recordings:
            stones.put_recording(
                recording.project, recording.session_id, made, content=recording.content
            )
            stones.put_recording(recording.project, recording.id, made)
        for project, session_id in plan.sessions:
            stones.put_recording(project, session_id, made)
        for distinct_id in plan.distinct_ids:
            stones.put_person(distinct_id, msgspec.structs.replace(made, until_ms=until_ms))

    def _unseal(self, plan: Plan) -> None:
        """Erase in the inboxes at hand, and see that servers did in theirs."""
        if plan.kind == "retention":  # what is late of something so old is refused when sealed
            return
        self._on_step("inbox")
        for inbox in self._unsealed:
            inbox.erase(plan)
        own = {inbox.name for inbox in self._unsealed}
        while True:
            missing = [
                name
                for name in registered_inboxes(self._archive)
                if name not in own | self._skip
                and not self._store.exists(evidence_key(plan.id, name))
            ]
            if not missing:
                return
            if not self._wait():
                raise UnfinishedErasureError(
                    erasure=plan.id,
                    left=[
                        f"no server confirmed inbox {name} (name it with --skip-inbox if it is gone "
                        "for good)"
                        for name in missing
                    ],
                )

    def _erase_made(self, plan: Plan, left: list[str]) -> None:
        names = _names(plan)
        for planned in plan.made:
            made = planned.made
            if planned.action == "delete":
                self._delete_made(made, left)
            elif planned.action == "rewrite":
                try:
                    self._rewriters[made.kind](made, names)
                except (ReplayError, OSError) as e:
                    left.append(f"{made.kind} {made.where} could not be rewritten: {e}")
                    continue
            # The entry itself names recordings.
            others = [name for name in made.recordings if name not in names]
            if not others:
                self._ledger.remove(made)
            elif self._store.exists(made.key):
                self._ledger.put(msgspec.structs.replace(made, recordings=others))

    def _delete_made(self, made: Made, left: list[str]) -> None:
        if made.where.startswith(ARCHIVE):
            key = made.where.removeprefix(ARCHIVE)
            if key.endswith("/"):
                self._store.delete_prefix(key)
            else:
                self._store.delete(key)
            return
        path = _path_of(made.where)
        assert path is not None
        try:
            # Looked at again right before: the file may have been replaced since the plan.
            if path.is_file() and _digest(path) == made.sha256:
                path.unlink()
        except OSError as e:
            left.append(f"{path} could not be deleted: {e.strerror}")

    def _erase_assets(self, plan: Plan) -> list[str]:
        """
        Remove assets that nothing uses any more.

        Returns:
            Why some were kept although a recording of the plan used them; empty when none was.
        """
        wanted = {asset_key(sha256) for r in plan.recordings for sha256 in r.assets}
        wanted.update(plan.unused_assets)
        if not wanted:
            return []
        try:
            used = used_assets(self._archive)
        except RecordingError as e:
            return [f"assets were kept, because it cannot be told who uses them: {e}"]
        for key in sorted(wanted):
            if key.rpartition("/")[2] not in used:
                self._store.delete(key)
                self._store.shred(key)
        return []

    def _erase_rows(self, plan: Plan) -> None:
        catalog = self._archive.catalog
        for recording in plan.recordings:
            catalog.delete(recording.project, recording.id)
        for distinct_id in plan.distinct_ids:
            for row in list(catalog.list(person=distinct_id)):
                # A row without files; one with files is a visit that came after.
                if next(iter(self._store.list(row.key_prefix)), None) is None:
                    catalog.delete(row.project, row.id)
        sessions = {r.session_id for r in plan.recordings} | {s for _, s in plan.sessions}
        for key in catalog.state_keys("pull/"):
            state = catalog.get_state(key) or {}
            if sessions.intersection(state.get("tries", {})):
                catalog.update_state(key, lambda old: _without_tries(old or {}, sessions))
        catalog.scrub()

    def _erase_posthog(self, plan: Plan) -> dict[str, Any] | None:
        if plan.posthog is None:
            return None
        if self._posthog is None or self._posthog.where != plan.posthog:
            raise UnfinishedErasureError(
                erasure=plan.id, left=[f"PostHog was to be asked at {plan.posthog}; give --posthog"]
            )
        self._on_step("PostHog")
        done = self._posthog.erase(plan.distinct_ids, plan.posthog_sessions)
        return {
            "where": plan.posthog,
            "persons_asked": done.persons_asked,
            "recordings_asked": done.recordings_asked,
            "recordings_still_there": len(done.still_there),
        }

    # --- proving --------------------------------------------------------------------

    def _read_back(self, plan: Plan) -> list[str]:
        """Look at everything again; gives what is still there."""
        left = []
        stones = self._archive.tombstones
        for recording in plan.recordings:
            there = [p for p in recording.prefixes if any(True for _ in self._store.list(p))]
            there += [f.key for f in recording.files if self._store.exists(f.key)]
            if there:
                left.append(
                    f"{counted(len(there), 'object')} of recording {recording.name} still there"
                )
            if isinstance(self._store, EncryptedStore) and not all(
                self._store.is_shredded(f.key) for f in recording.files
            ):
                left.append(f"the data key of recording {recording.name} is still there")
            if self._archive.catalog.has(recording.project, recording.id):
                left.append(f"the catalog still has recording {recording.name}")
            if not stones.has_recording(recording.project, recording.session_id):
                left.append(f"recording {recording.name} has no tombstone")
        left += [f"{f.key} is still there" for f in plan.leftovers if self._store.exists(f.key)]
        for distinct_id in plan.distinct_ids:
            if stones.person_until_ms(distinct_id) is None:
                left.append("a person has no tombstone")
        ids = set(plan.distinct_ids)
        for name in plan.rows:
            try:
                rows = self._archive.recording(name).analytics_table()["distinct_id"].to_pylist()
            except RecordingError as e:
                left.append(str(e))
                continue
            if n := sum(r in ids for r in rows):
                left.append(f"{n} analytics events are still in recording {name}")
        for planned in plan.made:
            if planned.action == "delete" and self._is_there(planned.made):
                left.append(f"{planned.made.kind} {planned.made.where} is still there")
        for inbox in self._unsealed:
            found = inbox.find(plan)
            if found.requests or found.waiting:
                left.append(
                    f"{counted(found.requests, 'request')} still in the inbox, and "
                    f"{found.waiting:,} waiting for PostHog"
                )
        return left

    def _is_there(self, made: Made) -> bool:
        if made.where.startswith(ARCHIVE):
            key = made.where.removeprefix(ARCHIVE)
            if key.endswith("/"):
                return any(True for _ in self._store.list(key))
            return self._store.exists(key)
        path = _path_of(made.where)
        return path is not None and path.is_file() and _digest(path) == made.sha256

    def _finish(
        self, plan: Plan, kept_assets: list[str], posthog: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Write log and receipt, then delete the plan, which names what was erased."""
        evidence = self._evidence(plan)
        action = "retention.apply" if plan.kind == "retention" else "erasure.done"
        entry = self._log.append(
            action,
            actor=self._actor,
            target=_target(plan.kind, plan.subject),
            detail={
                "erasure": plan.id,
                "recordings": len(plan.recordings),
                "analytics_events": sum(plan.rows.values()),
            },
        )
        document = make_receipt(
            self._archive,
            plan,
            actor=self._actor,
            skipped=self._skip,
            evidence=evidence,
            kept_assets=kept_assets,
            posthog=posthog,
        )
        document["audit"] = {"seq": entry.seq, "digest": entry.digest}
        receipt = self._signer.sign(document)
        public = f"{PUBLIC_KEYS}{receipt['signed_by']['fingerprint']}.pem"
        if not self._store.exists(public):
            self._store.put(public, self._signer.public_pem)
        raw = msgspec.json.format(msgspec.json.encode(receipt), indent=1) + b"\n"
        key = f"{RECEIPTS}{plan.id}.json"
        self._store.put(key, raw)
        if self._store.get(key) != raw or check(receipt) is None:
            raise UnfinishedErasureError(
                erasure=plan.id, left=["the receipt does not read back as it was written"]
            )
        # The plan last: until it is gone, a run that was killed goes on from it.
        self._store.delete_prefix(f"{ERASURES}{plan.id}/inboxes")
        self._store.delete_prefix(f"{ERASURES}{plan.id}")
        # A server that looked before the plan was gone may have confirmed once more; one that
        # confirms from now on finds no plan, and takes its word back.
        self._store.delete_prefix(f"{ERASURES}{plan.id}/inboxes")
        return receipt

    def _evidence(self, plan: Plan) -> list[InboxEvidence]:
        found = [
            InboxEvidence(
                inbox=inbox.name,
                at_ms=self._archive.now_ms(),
                sessions=plan.sessions,
                requests=plan.requests,
                waiting=plan.waiting,
            )
            for inbox in self._unsealed
        ]
        found += [
            msgspec.json.decode(self._store.get(info.key), type=InboxEvidence)
            for info in self._store.list(f"{ERASURES}{plan.id}/inboxes")
        ]
        return found


def _in_time(plan: Plan, folder: Folder) -> bool:
    """Leave out visits that began after the erasure was asked for."""
    if folder.manifest is None or plan.forever or plan.kind not in ("person", "distinct_id"):
        return True
    return min(folder.manifest.start_ms, folder.manifest.created_ms) < plan.asked_ms


def _names(plan: Plan) -> set[str]:
    return {r.name for r in plan.recordings} | {f"{p}/{s}" for p, s in plan.sessions}


def _target(kind: ScopeKind, subject: str) -> str:
    if kind == "retention":
        return f"project:{subject}"
    return f"{'person' if kind == 'distinct_id' else kind}:{subject}"


def _path_of(where: str) -> Path | None:
    """Give the path a ``file://`` address names; None when it is none."""
    parts = urlsplit(where)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_COPY_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _without_tries(state: dict[str, Any], sessions: set[str]) -> dict[str, Any]:
    tries = {k: v for k, v in state.get("tries", {}).items() if k not in sessions}
    return {**state, "tries": tries}
