"""
Erasure in what is not sealed yet: the inbox, and what waits for PostHog.

```
request ── events all erased ──────> removed
        ├─ some of them ───────────> written again without them
        └─ none ───────────────────> left, byte for byte
```

What of a person is here is only known from the bodies, so all are decoded. Whatever comes
later is refused when it is sealed, by `replayport.tombstones`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode

from replayport.capture.assemble import Assembly, StoredRequest
from replayport.capture.inbox import Inbox
from replayport.capture.outbox import FILE_NAME as OUTBOX_FILE
from replayport.capture.outbox import Outbox, Outgoing
from replayport.capture.request_db import FILE_NAME as INBOX_FILE
from replayport.erase import FoundUnsealed
from replayport.erasure_plan import Plan
from replayport.errors import SourceDataError, StoreError
from replayport.posthog import wire
from replayport.surveying import Scope
from replayport.tombstones import FOREVER_MS

_CODING_KEYS: Final = ("compression", "data")
_PASSES: Final = 5
"""Requests may come while the inbox is gone through; after so many rounds sealing drops them."""

NAME_FILE: Final = "inbox.id"
"""What the archive knows an inbox by, in the inbox's folder."""

UrlMatch = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Target:
    """What is to go."""

    sessions: Collection[tuple[str, str]] = field(default_factory=frozenset)
    """``(project, session id)``."""
    persons: Mapping[str, int] = field(default_factory=dict)
    """Distinct id to a time: what arrived before goes."""

    def is_empty(self) -> bool:
        """Whether nothing is."""
        return not self.sessions and not self.persons


@dataclass(frozen=True, slots=True)
class Found:
    """What an inbox and an outbox have of a target."""

    sessions: list[tuple[str, str]]
    """Whole sessions, ``(project, session id)``: named, or of a person."""
    requests: int
    """Requests in the inbox with something of it."""
    waiting: int
    """Requests for PostHog with something of it."""


class UnsealedHere:
    """
    An inbox of this process and what waits for PostHog beside it, as `Eraser` takes it.

    Attributes:
        name: What the archive knows it by.
    """

    def __init__(self, inbox: Inbox, outbox: Outbox | None) -> None:
        self.name = inbox_name(inbox.folder)
        self._inbox = inbox
        self._outbox = outbox

    def find(self, plan: Plan) -> FoundUnsealed:
        """Look, without changing anything."""
        url = Scope(plan.kind, plan.subject).url_match()
        found = find(self._inbox, self._outbox, target_of(plan), None if plan.fixed else url)
        return FoundUnsealed(found.sessions, found.requests, found.waiting)

    def erase(self, plan: Plan) -> None:
        """Remove what is of the plan."""
        erase(self._inbox, self._outbox, target_of(plan))


@contextmanager
def unsealed_in(folder: Path) -> Iterator[list[UnsealedHere]]:
    """
    Open the inbox in a folder, unless a server has it.

    Yields:
        None when there is none, or when a server has it: then it erases there itself.
    """
    if not ((folder / INBOX_FILE).exists() or (folder / OUTBOX_FILE).exists()):
        yield []
        return
    try:
        inbox = Inbox.open(folder)
    except StoreError as e:
        if not isinstance(e.__cause__, BlockingIOError):
            raise
        yield []
        return
    with inbox:
        path = folder / OUTBOX_FILE
        outbox = Outbox(path) if path.exists() else None
        try:
            yield [UnsealedHere(inbox, outbox)]
        finally:
            if outbox is not None:
                outbox.close()


def inbox_name(folder: Path) -> str:
    """Give what the archive knows an inbox by; made with the first call."""
    path = folder / NAME_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("ascii").strip()
    with os.fdopen(descriptor, "w") as file:
        name = secrets.token_hex(8)
        file.write(name)
    return name


def known_inbox_name(folder: Path) -> str | None:
    """Give what the archive knows an inbox by; None when it does not know it yet."""
    try:
        return (folder / NAME_FILE).read_text("ascii").strip()
    except FileNotFoundError:
        return None


def target_of(plan: Plan) -> Target:
    """Give what of a plan can be in an inbox."""
    sessions = {(r.project, r.session_id) for r in plan.recordings} | set(plan.sessions)
    until_ms = FOREVER_MS if plan.forever else plan.asked_ms
    return Target(frozenset(sessions), dict.fromkeys(plan.distinct_ids, until_ms))


def find(inbox: Inbox, outbox: Outbox | None, target: Target, url: UrlMatch | None = None) -> Found:
    """
    Look for a target without changing anything.

    Args:
        inbox: Where to look.
        outbox: What waits for PostHog; None without a tee.
        target: What for.
        url: Sessions that visited a matching address are meant as well.
    """
    wider = _with_sessions(inbox, target, url)
    requests = sum(1 for _ in _changes(inbox, wider))
    waiting = 0
    if outbox is not None:

        def look(outgoing: Outgoing) -> Outgoing:
            nonlocal waiting
            waiting += _kept(outgoing, wider) is not outgoing
            return outgoing

        outbox.erase(look)
    return Found(sorted(wider.sessions), requests, waiting)


def erase(inbox: Inbox, outbox: Outbox | None, target: Target) -> tuple[int, int]:
    """
    Remove a target.

    Args:
        inbox: Where from.
        outbox: What waits for PostHog; None without a tee.
        target: What; sessions of its persons belong to it.

    Returns:
        How many requests of the inbox, and of the outbox, were removed or rewritten.

    Raises:
        StoreError: The disk refused; done again it goes on.
    """
    if target.is_empty():
        return 0, 0
    removed = 0
    for _ in range(_PASSES):
        changes = list(_changes(inbox, _with_sessions(inbox, target, None)))
        if not changes:
            break
        inbox.erase(changes)
        removed += len(changes)
    for _ in range(_PASSES):
        if inbox.scrub():
            break
    waiting = 0
    if outbox is not None:
        wider = _with_sessions(inbox, target, None)
        waiting = outbox.erase(lambda outgoing: _kept(outgoing, wider))
    return removed, waiting


def _with_sessions(inbox: Inbox, target: Target, url: UrlMatch | None) -> Target:
    """Add the sessions that are a person's, or visited an address."""
    sessions = set(target.sessions)
    if target.persons:
        for key, (person, first_ms) in _owners(inbox).items():
            until_ms = target.persons.get(person)
            if until_ms is not None and first_ms < until_ms:
                sessions.add(key)
    if url is not None:
        names = {part for _, parts in inbox.all_requests() for part in parts}
        for project, session_id in names - sessions:
            assembly = Assembly(project, session_id)
            for request in inbox.requests(project, session_id):
                assembly.add(request)
            if any(map(url, _urls(assembly))):
                sessions.add((project, session_id))
    return replace(target, sessions=frozenset(sessions))


def _owners(inbox: Inbox) -> dict[tuple[str, str], tuple[str, int]]:
    """
    Give whose each session is, and when it was first received.

    The person of its first own event: that of the whole request, which it would be stored
    under, may be another's.
    """
    owners: dict[tuple[str, str], tuple[str, int]] = {}
    for request, parts in inbox.all_requests():
        try:
            body = request.decoded()
        except SourceDataError:
            continue
        keys = {session_id: (project, session_id) for project, session_id in parts}
        for event in body.events:
            key = keys.get(wire.session_of(body, event) or "")
            person = wire.person_of(body, event)
            if key is not None and person is not None:
                owners.setdefault(key, (person, request.received_ms))
    return owners


def _urls(assembly: Assembly) -> Iterator[str]:
    yield from assembly.decoder.columns.url.values()
    for row in assembly.analytics.values():
        if row["url"]:
            yield row["url"]


def _changes(
    inbox: Inbox, target: Target
) -> Iterator[tuple[int, StoredRequest | None, tuple[str, ...]]]:
    """Yield the requests with something of the target, as `Inbox.erase` takes them."""
    for request, parts in inbox.all_requests():
        ids = {
            session_id for project, session_id in parts if (project, session_id) in target.sessions
        }
        try:
            body = request.decoded()
        except SourceDataError:
            if ids:  # what cannot be read cannot be kept in part
                yield request.id, None, ()
            continue
        kept = _without(body, ids, target, received_ms=request.received_ms)
        if kept is body:
            continue
        if kept is None:
            yield request.id, None, ()
            continue
        left = {wire.session_of(kept, event) for event in kept.events}
        yield (
            request.id,
            replace(
                request,
                body=wire.encode_body(kept),
                query=urlencode(
                    [(k, v) for k, v in request.fields.items() if k not in _CODING_KEYS]
                ),
                headers={
                    **{k: v for k, v in request.headers.items() if k != "content-encoding"},
                    "content-type": "application/json",
                },
            ),
            tuple(s for s in left if s is not None),
        )


def _without(
    body: wire.WireBody, session_ids: Collection[str], target: Target, *, received_ms: int
) -> wire.WireBody | None:
    """Give a body without what is of the target; itself when nothing is, None when all is."""
    events = []
    for event in body.events:
        until_ms = target.persons.get(wire.person_of(body, event) or "")
        if wire.session_of(body, event) in session_ids:
            continue
        if until_ms is not None and received_ms < until_ms:
            continue
        events.append(event)
    if len(events) == len(body.events):
        return body
    return replace(body, events=tuple(events)) if events else None


def _kept(outgoing: Outgoing, target: Target) -> Outgoing | None:
    """Give what may still go to PostHog of a request that waits."""
    path, _, query_text = outgoing.target.partition(b"?")
    query = dict(parse_qsl(query_text.decode("latin-1"), keep_blank_values=True))
    headers = {n.decode("latin-1").lower(): v.decode("latin-1") for n, v in outgoing.headers}
    try:
        body = wire.decode_body(outgoing.body, query=query, headers=headers)
    except SourceDataError:
        return outgoing  # no event can be read out of it, by PostHog neither
    ids = {session_id for _, session_id in target.sessions}
    kept = _without(body, ids, target, received_ms=outgoing.received_ms)
    if kept is body:
        return outgoing
    if kept is None:
        return None
    left = urlencode([(k, v) for k, v in query.items() if k not in _CODING_KEYS]).encode()
    return replace(
        outgoing,
        target=path + (b"?" + left if left else b""),
        headers=(
            *(
                (n, v)
                for n, v in outgoing.headers
                if n.lower() not in (b"content-type", b"content-encoding", b"content-length")
            ),
            (b"content-type", b"application/json"),
        ),
        body=wire.encode_body(kept),
    )
