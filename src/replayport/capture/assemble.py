"""
A session's requests, decoded into one recording; each item once.

Bytes in, values out: the same code makes the live view of a session, what is sealed, and
what is merged into a sealed recording later.

An *item* is one ``$snapshot`` or analytics event of the capture protocol. It is known by
(token, uuid), which every retry repeats; one without uuid, as old SDKs send, by its
content. Two items of the same uuid are the same item: the first that arrived is kept.

A recording may become at most ``max_recording_bytes`` when decoded. The events that no
longer fit are left out, counted as ``too_large`` in the manifest, and lost: kept in the
inbox they would only fail again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from replayport.draft import RecordingDraft
from replayport.errors import SourceDataError
from replayport.limits import MAX_RECORDING_BYTES
from replayport.outcomes import RejectReason
from replayport.posthog import wire
from replayport.posthog.lines import EventDecoder
from replayport.recording import Person, storable

SOURCE_KIND: Final = "capture"
ITEM_BYTES: Final = 8
"""
Of an item's digest. A day of recording has some 40,000 items: the chance that any two of
them share a digest is 1 in 20 billion.
"""

_ENDING: Final = b"$session_ending"


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """One request, as the inbox gives it back."""

    id: int
    """Order of arrival."""
    token: str
    kind: str
    received_ms: int
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        """Its query string's."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def decoded(self) -> wire.WireBody:
        """
        Give its body, codings off.

        Raises:
            SourceDataError: It does not decode.
        """
        return wire.decode_body(self.body, query=self.fields, headers=self.headers)


@dataclass(frozen=True, slots=True)
class Item:
    """One ``$snapshot`` item and its rows ``[start, end)`` in the columns."""

    digest: bytes
    start: int
    end: int


class Assembly:
    """
    One session's part of the requests that are added, in that order.

    Attributes:
        decoder: Its events so far.
        items: The ``$snapshot`` items they came in.
        analytics: Rows of `ANALYTICS_SCHEMA` by item digest.
        requests: How many were added.
    """

    def __init__(
        self, project: str, session_id: str, *, max_recording_bytes: int = MAX_RECORDING_BYTES
    ) -> None:
        self.project = project
        self.session_id = session_id
        self.decoder = EventDecoder(max_recording_bytes=max_recording_bytes)
        self.items: list[Item] = []
        self.analytics: dict[bytes, dict[str, Any]] = {}
        self.requests = 0
        self.first_received_ms: int | None = None
        self.last_received_ms: int | None = None
        self._known: set[bytes] = set()
        self._full = False
        self._distinct_id: str | None = None
        self._about: dict[str, Any] = {}

    @property
    def has_events(self) -> bool:
        """Whether there is a recording to make: at least one rrweb event."""
        return len(self.decoder.columns) > 0

    def add(self, request: StoredRequest) -> None:
        """
        Add a request.

        Items of other sessions and items already added are passed over; a request that
        does not decode is counted as ``invalid_wire``.
        """
        self.requests += 1
        if self.first_received_ms is None:
            self.first_received_ms = request.received_ms
        self.last_received_ms = request.received_ms
        try:
            body = request.decoded()
            snapshots = body if request.kind == "snapshots" else body.snapshot_part
            if snapshots is not None:
                user_agent = request.headers.get("user-agent", "")
                self._add_snapshots(request, wire.snapshots(snapshots, user_agent=user_agent))
            if request.kind != "snapshots":
                self._add_analytics(wire.analytics(body, received_ms=request.received_ms))
        except SourceDataError:
            self.decoder.reject(RejectReason.INVALID_WIRE)

    def draft(self) -> RecordingDraft:
        """Give what was added as a recording; `provenance` knows its items."""
        return RecordingDraft(
            project=self.project,
            session_id=self.session_id,
            columns=self.decoder.columns,
            source=self.source,
            rejected=self.decoder.rejected,
            findings=self.decoder.findings,
            analytics=list(self.analytics.values()),
            person=self.person,
            provenance=provenance(
                self.items_digests(),
                first_received_ms=self.first_received_ms,
                last_received_ms=self.last_received_ms,
                requests=self.requests,
            ),
        )

    @property
    def source(self) -> dict[str, Any]:
        """What the manifest says of where the recording came from."""
        return {"kind": SOURCE_KIND, **self._about}

    @property
    def person(self) -> Person | None:
        """Who was recorded: the first request's, as PostHog has it."""
        return None if self._distinct_id is None else Person(distinct_id=self._distinct_id)

    def items_digests(self) -> list[bytes]:
        """Give the digests of all snapshot items, in order of arrival."""
        return [item.digest for item in self.items]

    def _add_snapshots(self, request: StoredRequest, batch: wire.SnapshotBatch) -> None:
        for item in batch.items:
            if item.session_id != self.session_id:
                continue
            if self._distinct_id is None or not self._about:
                self._distinct_id = batch.distinct_id
                self._about = {
                    "library": batch.library[:200],
                    "snapshot_source": batch.snapshot_source,
                }
            digest = (
                item_digest(request.token, item.uuid)
                if item.uuid
                else content_digest(
                    request.token, item.window_id.encode("utf-8", "surrogatepass"), *item.events
                )
            )
            if digest in self._known:
                continue
            self._known.add(digest)
            start = len(self.decoder.columns)
            self._feed(item)
            self.items.append(Item(digest, start, len(self.decoder.columns)))

    def _feed(self, item: wire.SnapshotItem) -> None:
        for n, raw in enumerate(item.events):
            if not self._full:
                try:
                    self.decoder.feed(item.window_id, raw)
                    continue
                except SourceDataError:
                    # Later small events would fit and be useless: what they change is missing.
                    self._full = True
            self.decoder.reject(RejectReason.TOO_LARGE, len(item.events) - n)
            return

    def _add_analytics(self, events: list[wire.AnalyticsEvent]) -> None:
        for event in events:
            if event.session_id != self.session_id:
                continue
            if self._distinct_id is None:
                self._distinct_id = event.distinct_id
            row = analytics_row(event)
            self.analytics.setdefault(analytics_digest(row), row)


def analytics_row(event: wire.AnalyticsEvent) -> dict[str, Any]:
    """Give an analytics event as a row of `ANALYTICS_SCHEMA`."""
    return {
        "timestamp_ms": event.timestamp_ms,
        "uuid": event.uuid,
        "event": storable(event.event),
        "distinct_id": storable(event.distinct_id),
        "window_id": event.window_id and storable(event.window_id),
        "url": event.url and storable(event.url),
        "properties": event.properties,
    }


def ended_session_ids(items: Iterable[wire.SnapshotItem]) -> tuple[str, ...]:
    """
    Give the sessions that say in these items that they end.

    posthog-js sends a custom event ``$session_ending`` under the *old* session's id.
    Only its tag is looked for, in the text: a page that shows the word at worst has its
    session sealed early, and merged later.
    """
    return tuple(
        dict.fromkeys(i.session_id for i in items if any(_ENDING in raw for raw in i.events))
    )


def item_digest(token: str, uuid: str) -> bytes:
    """Give what an item is known by."""
    return hashlib.blake2b(f"{token}\0{uuid}".encode(), digest_size=ITEM_BYTES).digest()


def content_digest(token: str, *parts: bytes) -> bytes:
    """Give what an item without uuid is known by: retries repeat its bytes."""
    digest = hashlib.blake2b(token.encode(), digest_size=ITEM_BYTES)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def analytics_digest(row: Mapping[str, Any]) -> bytes:
    """
    Give what a row of analytics is known by, before and after it was stored.

    Its uuid without the token, which a stored row does not have; else its content.
    """
    if row["uuid"]:
        return item_digest("", row["uuid"])
    said = (row["timestamp_ms"], row["event"], row["distinct_id"], row["properties"])
    return content_digest("", *(str(part).encode("utf-8", "replace") for part in said))


def provenance(
    digests: Iterable[bytes],
    *,
    first_received_ms: int | None,
    last_received_ms: int | None,
    requests: int,
) -> dict[str, Any]:
    """
    Give the manifest's record of which items a recording is made of.

    It is written with the recording, in one step, so it is true after any crash, and
    for every server that writes to the archive. 11 characters an item.
    """
    return {
        "capture": {
            "first_received_ms": first_received_ms,
            "last_received_ms": last_received_ms,
            "requests": requests,
            "items": base64.b64encode(b"".join(digests)).decode(),
        }
    }


def known_items(provenance: Mapping[str, Any]) -> list[bytes]:
    """
    Read which items a recording has.

    Args:
        provenance: Of a manifest; any JSON object.

    Returns:
        Digests in order of arrival; empty when it was not captured.
    """
    try:
        raw = base64.b64decode(provenance["capture"]["items"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return []
    return [raw[i : i + ITEM_BYTES] for i in range(0, len(raw), ITEM_BYTES)]
