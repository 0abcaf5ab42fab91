"""What a capture server answered 200 to, held against what an archive has of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import orjson

from replayport.archive import Archive
from replayport.capture.assemble import item_digest, known_items
from replayport.posthog import wire
from replayport.posthog.lines import EventDecoder
from replayport.rrweb.events import Event


def items_of(bodies: Iterable[bytes], query: dict[str, str] | None = None) -> dict[str, wire.SnapshotItem]:  # fmt: skip
    """Give the snapshot items of requests to ``/s/``, by uuid."""
    found: dict[str, wire.SnapshotItem] = {}
    for body in bodies:
        decoded = wire.decode_body(body, query=query or {}, headers={})
        for item in wire.snapshots(decoded).items:
            assert item.uuid is not None
            found.setdefault(item.uuid, item)
    return found


def archived_digests(url: Path) -> Counter[bytes]:
    """Give the items an archive has, by its manifests."""
    if not (url / "archive.json").exists():
        return Counter()
    with Archive.open(url) as archive:
        return Counter(d for r in archive.recordings() for d in known_items(r.manifest.provenance))


def missing(url: Path, token: str, acknowledged: Iterable[str]) -> set[str]:
    """Give the uuids that are not in an archive."""
    there = archived_digests(url)
    return {uuid for uuid in acknowledged if item_digest(token, uuid) not in there}


def check_archive(
    url: Path, token: str, sent: dict[str, wire.SnapshotItem], acknowledged: Iterable[str]
) -> int:
    """
    Check that each acknowledged item is there once, with its events, and no other twice.

    Args:
        url: The archive.
        token: Of the project.
        sent: All items that were sent at all.
        acknowledged: Uuids of those answered 200.

    Returns:
        How many events there are.
    """
    there = archived_digests(url)
    assert [n for n in there.values() if n != 1] == []
    by_digest = {item_digest(token, uuid): item for uuid, item in sent.items()}
    assert {item_digest(token, uuid) for uuid in acknowledged} <= there.keys() <= by_digest.keys()
    decoder = EventDecoder()
    for digest in there:
        item = by_digest[digest]
        for raw in item.events:
            decoder.feed(item.window_id, raw)
    assert not decoder.rejected
    with Archive.open(url) as archive:
        stored = Counter(_said(e) for r in archive.recordings() for e in r.events())
    assert stored == Counter(_said(e) for e in decoder.columns.events())
    return stored.total()


def _said(event: Event) -> bytes:
    return orjson.dumps([event.window_id, event.to_rrweb()], option=orjson.OPT_SORT_KEYS)
