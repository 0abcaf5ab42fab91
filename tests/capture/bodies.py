"""Requests as posthog-js sends them, made by hand, and what an archive holds of them."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.builders import START_MS, click, full_snapshot, meta

from replayport.archive import Archive
from replayport.capture.inbox import Captured, Inbox
from replayport.posthog import wire
from replayport.testing import WireRequest

TOKEN = "phc_test"
PROJECT = "shop"
NOW_MS = START_MS + 3_600_000


class Clock:
    """Moves when told."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def new_id(n: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"item {n}"))


def marked(n: int, ms: int | None = None) -> dict[str, Any]:
    """Give an rrweb event that says which it is."""
    at = START_MS + (10 * n if ms is None else ms)
    return {"type": 5, "data": {"tag": "mark", "payload": {"n": n}}, "timestamp": at}


def opening() -> list[dict[str, Any]]:
    return [meta(), full_snapshot(), click(5)]


def item(
    events: Iterable[dict[str, Any]],
    *,
    session_id: str = "s-1",
    window_id: str = "w-1",
    item_id: str | None = "",
    **properties: Any,
) -> dict[str, Any]:
    """Give a ``$snapshot`` item; ``item_id`` None for one without uuid."""
    events = list(events)
    made = {
        "event": "$snapshot",
        "properties": {
            "$snapshot_data": events,
            "$session_id": session_id,
            "$window_id": window_id,
            "$lib": "web",
            "token": TOKEN,
            "distinct_id": "person-1",
            **properties,
        },
        "offset": 12,
    }
    if item_id is not None:
        made["uuid"] = item_id or str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(made)))
    return made


def snapshots(
    *items: dict[str, Any], received_ms: int = NOW_MS, ended: tuple[str, ...] = (), **fields: Any
) -> Captured:
    """Give a request to ``/s/``."""
    sessions = dict.fromkeys(i["properties"]["$session_id"] for i in items)
    return Captured(
        **{
            "project": PROJECT,
            "token": TOKEN,
            "received_ms": received_ms,
            "kind": "snapshots",
            "session_ids": tuple(sessions),
            "body": gzip.compress(json.dumps(items).encode(), 1, mtime=0),
            "query": "",
            "headers": {"content-type": "text/plain"},
            "ended_session_ids": ended,
            **fields,
        }
    )


def analytics(
    *names: str,
    session_id: str = "s-1",
    received_ms: int = NOW_MS,
    item_ids: Iterable[str] = (),
    **fields: Any,
) -> Captured:
    """Give a request to ``/e/``."""
    ids = list(item_ids) or [str(uuid.uuid5(uuid.NAMESPACE_OID, ascii(n))) for n in names]
    batch = [
        {
            "event": name,
            "uuid": item_id,
            "timestamp": "2026-09-21T14:13:20Z",
            "properties": {
                "distinct_id": "person-1",
                "$session_id": session_id,
                "$current_url": "https://shop.example/",
            },
        }
        for name, item_id in zip(names, ids, strict=True)
    ]
    return Captured(
        **{
            "project": PROJECT,
            "token": TOKEN,
            "received_ms": received_ms,
            "kind": "events",
            "session_ids": (session_id,),
            "body": json.dumps({"api_key": TOKEN, "batch": batch}).encode(),
            "query": "",
            "headers": {"content-type": "application/json"},
            **fields,
        }
    )


def put(inbox: Inbox, *requests: Captured) -> None:
    """Put all at once, as a server with many connections does."""

    async def run() -> None:
        await asyncio.gather(*(inbox.put(r) for r in requests))

    asyncio.run(run())


def captured(request: WireRequest) -> Captured | None:
    """Give what the routes would keep of a real request; None when nothing."""
    if request.method != "POST":
        return None
    headers = {k.lower(): v for k, v in request.headers.items()}
    path = request.path.rstrip("/")
    try:
        body = wire.decode_body(request.body, query=request.query, headers=headers)
        if path.endswith("/s"):
            kind = "snapshots"
            ids = [i.session_id for i in wire.snapshots(body).items]
        elif path.endswith(("/e", "/batch")):
            kind = "events"
            found = wire.analytics(body, received_ms=request.ms)
            ids = [e.session_id for e in found if e.session_id]
        else:
            return None
        token = wire.token_of(body)
    except wire.SourceDataError:
        return None
    return Captured(
        project=PROJECT,
        token=token,
        received_ms=request.ms,
        kind=kind,
        session_ids=tuple(dict.fromkeys(ids)),
        body=request.body,
        query="&".join(f"{k}={v}" for k, v in request.query.items()),
        headers=headers,
    )


def marks(archive: Archive, session_id: str = "s-1") -> list[int]:
    """Give the numbers of the marked events an archive has, in order of arrival."""
    recording = archive.recording(f"{PROJECT}/{session_id}")
    return [
        e.data["payload"]["n"] for e in recording.events(order="arrival") if e.kind == "custom:mark"
    ]


def inbox_bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.iterdir())
