"""
What of a person is not sealed yet, for who only looks: subject access.

```
inbox ── analytics events of each session ──> Folder: whose it is, who is known under which ids
      └─ a session that is asked for ───────> Recording, behind what is sealed of it
```

Nothing changes, and a server that fills the inbox goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from replayport.archive import Archive, encode_draft
from replayport.capture.assemble import Assembly, analytics_row
from replayport.capture.inbox import InboxReader
from replayport.capture.merge import Archived
from replayport.errors import SourceDataError
from replayport.format.reader import Recording
from replayport.format.schema import ANALYTICS_SCHEMA
from replayport.limits import MAX_RECORDING_BYTES
from replayport.posthog import wire
from replayport.recording import Person, safe_id, safe_project
from replayport.subject_access import UnsealedVisit
from replayport.surveying import Folder, Scope, unsealed_folder


class UnsealedVisits:
    """
    Visits in an inbox, as `write_subject_access` takes them.

    Args:
        archive: Where they will be sealed into.
        inbox: Where they are.
    """

    def __init__(self, archive: Archive, inbox: InboxReader) -> None:
        self._archive = archive
        self._inbox = inbox
        self._sessions: dict[str, tuple[str, str, str | None]] = {}
        """By name: project, session id, and whose it is."""

    def folders(self, scope: Scope) -> Iterator[Folder]:
        """
        Yield each session for `survey` to look at.

        Memory:
            The analytics events of one session.

        Raises:
            StoreError: The inbox cannot be read.
        """
        for project, session_id in self._inbox.sessions():
            owner, rows = self._analytics(project, session_id)
            folder = unsealed_folder(
                safe_project(project),
                safe_id(session_id),
                owner,
                pa.Table.from_pylist(rows, schema=ANALYTICS_SCHEMA),
                scope,
            )
            self._sessions[folder.name] = project, session_id, owner
            yield folder

    def visit(self, name: str) -> UnsealedVisit | None:
        """
        Give what there is of a session that `folders` named.

        Returns:
            None when it was sealed, or erased, since.

        Raises:
            RecordingError: The inbox, or what is sealed of the session, cannot be read.
        """
        project, session_id, owner = self._sessions[name]
        assembly = Assembly(project, session_id)
        for request in self._inbox.requests(project, session_id):
            assembly.add(request)
        if not assembly.requests:
            return None
        rows: Sequence[Mapping[str, Any]] = list(assembly.analytics.values())
        archived = Archived.read(self._archive, assembly)
        draft = assembly.draft() if assembly.has_events else None
        follows = archived is not None and not archived.is_redacted
        if archived is not None and follows:
            draft = archived.merged(assembly, max_recording_bytes=MAX_RECORDING_BYTES)
            rows = [] if draft is None else draft.analytics
        elif draft is not None:
            # The whole request's person, which it will be sealed under, may be another.
            draft = replace(draft, person=None if owner is None else Person(distinct_id=owner))
        recording = None
        if draft is not None and len(draft.columns):
            recording = Recording.in_memory(*encode_draft(draft))
        return UnsealedVisit(recording, rows, follows)

    def _analytics(self, project: str, session_id: str) -> tuple[str | None, list[dict[str, Any]]]:
        """Give the person of a session's first own event, and its analytics events."""
        owner: str | None = None
        rows = []
        for request in self._inbox.requests(project, session_id):
            try:
                body = request.decoded()
                said = (
                    []
                    if request.kind == "snapshots"
                    else wire.analytics(body, received_ms=request.received_ms)
                )
            except SourceDataError:
                continue
            for event in body.events:
                if owner is None and wire.session_of(body, event) == session_id:
                    owner = wire.person_of(body, event)
            rows += [analytics_row(event) for event in said if event.session_id == session_id]
        return owner, rows
