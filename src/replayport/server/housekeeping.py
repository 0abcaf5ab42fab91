"""
What a server does by itself: its part of erasures, and retention.

```
erasures/<id>/plan.json ──> this server's inbox and outbox cleared ──> inboxes/<name>.json
every retention_every_h ──> what is past its project's retention is removed
```

Only this process may open its inbox, so ``replayport erase`` on the same or another machine
waits for it here.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping
from typing import Final

import msgspec

from replayport.archive import Archive
from replayport.audit import this_actor
from replayport.capture.erase import UnsealedHere
from replayport.erase import Eraser
from replayport.erasure_plan import (
    INBOXES,
    InboxEvidence,
    Plan,
    evidence_key,
    has_evidence,
    open_plans,
    put_evidence,
)
from replayport.errors import ObjectExistsError, ReplayError
from replayport.retention import retire, retiring
from replayport.signing import Signer
from replayport.tombstones import Tombstone

LOCAL_POLL_S: Final = 2.0
REMOTE_POLL_S: Final = 20.0
"""A look is one listing; on an object store each costs a request."""

RETENTION_STATE: Final = "retention/last"
_LEASE_S: Final = 3600.0

_log: Final = logging.getLogger("replayport.housekeeping")


class Housekeeper:
    """
    Runs in a thread of its own between `start` and `stop`.

    Args:
        archive: The server's archive.
        unsealed: Its inbox.
        signer: Signs receipts; None leaves retention to others.
        retention_days: Project to days; 0 keeps everything.
        retention_every_h: How often; 0 never.
        poll_s: Seconds between looks; by the kind of store when None.
    """

    def __init__(
        self,
        archive: Archive,
        unsealed: UnsealedHere,
        *,
        signer: Signer | None,
        retention_days: Mapping[str, int],
        retention_every_h: float,
        poll_s: float | None = None,
    ) -> None:
        self._archive = archive
        self._unsealed = unsealed
        self._signer = signer
        self._days = {p: n for p, n in retention_days.items() if n > 0}
        self._every_ms = int(retention_every_h * 3_600_000)
        local = archive.store.local_path(INBOXES + "x") is not None
        self._poll_s = poll_s or (LOCAL_POLL_S if local else REMOTE_POLL_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Tell the archive of this inbox, and begin."""
        said = {"host": socket.gethostname(), "since_ms": self._archive.now_ms()}
        self._archive.store.put(f"{INBOXES}{self._unsealed.name}.json", msgspec.json.encode(said))
        self._thread.start()

    def stop(self) -> None:
        """End after what is in hand."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self.look()
            except ReplayError:
                _log.exception("housekeeping failed for now; it is tried again")

    def look(self) -> None:
        """Do what is due, once."""
        for plan in open_plans(self._archive):
            if (
                plan.fixed
                and plan.kind != "retention"
                and not has_evidence(self._archive, plan, self._unsealed.name)
            ):
                self._erase(plan)
        if self._every_ms and self._days and self._signer is not None:
            self._retain(self._signer)

    def _erase(self, plan: Plan) -> None:
        found = self._unsealed.find(plan)
        made = Tombstone(erasure=plan.id, at_ms=plan.asked_ms)
        for project, session_id in found.sessions:
            self._archive.tombstones.put_recording(project, session_id, made)
        self._unsealed.erase(plan)
        left = self._unsealed.find(plan)
        if left.requests or left.waiting:
            return  # more came meanwhile; the next look takes it
        put_evidence(
            self._archive,
            plan,
            InboxEvidence(
                inbox=self._unsealed.name,
                at_ms=self._archive.now_ms(),
                sessions=found.sessions,
                requests=found.requests,
                waiting=found.waiting,
            ),
        )
        if not self._archive.store.exists(plan.key()):  # completed meanwhile: nobody reads it
            self._archive.store.delete(evidence_key(plan.id, self._unsealed.name))
            return
        _log.info("erasure %s: %d requests removed from the inbox", plan.id, found.requests)

    def _retain(self, signer: Signer) -> None:
        now_ms = self._archive.now_ms()
        last = (self._archive.catalog.get_state(RETENTION_STATE) or {}).get("at_ms", 0)
        if now_ms - last < self._every_ms:
            return
        try:
            with self._archive.store.lease("locks/retention", ttl_s=_LEASE_S):
                found = retiring(self._archive, self._days, now_ms=now_ms)
                eraser = Eraser(self._archive, actor=this_actor("serve"), signer=signer)
                receipts = retire(eraser, found)
        except ObjectExistsError:  # another server is at it
            return
        self._archive.catalog.set_state(RETENTION_STATE, {"at_ms": now_ms})
        if receipts or found.held:
            _log.info(
                "retention removed %d recordings; a legal hold keeps %d",
                len(found.retired),
                len(found.held),
            )
