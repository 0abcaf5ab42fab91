"""An archive with two people in it, and everything that was made of them, for erasure."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.capture.bodies import item, put, snapshots
from tests.support.builders import START_MS, draft, visit

from replayport.archive import Archive
from replayport.capture.inbox import Inbox
from replayport.erase import Eraser
from replayport.format.assets import ASSETS_FILE, Asset, AssetMap
from replayport.ledger import STDOUT, Ledger
from replayport.recording import Person
from replayport.signing import Signer

ANNA = "anna-7f3@example.org"
ANON = "anon-5521-of-anna"
BOB = "bob-91c@example.org"
NOW_MS = START_MS + 40 * 86_400_000
"""Later than everything recorded."""

OF_ANNA = ("annas-first-visit", "annas-second-visit", "annas-anonymous-visit")
MARKS = (ANNA, ANON, *OF_ANNA, "annas-unsealed-visit", "annas-picture", "annas-mixed-visit")
"""Texts that nothing may hold any more once Anna is erased."""


def at(day: int, text: str, events: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Give a visit of its own day, time and text."""
    found = json.loads(json.dumps(visit() if events is None else events).replace("hello", text))
    return [{**e, "timestamp": e["timestamp"] + day * 86_400_000 + day * 17} for e in found]


def row(ms: int, distinct_id: str, event: str = "seen", **properties: Any) -> dict[str, Any]:
    return {
        "timestamp_ms": START_MS + ms,
        "uuid": None,
        "event": event,
        "distinct_id": distinct_id,
        "properties": json.dumps({**properties, "distinct_id": distinct_id}),
    }


def freeze(archive: Archive, name: str, files: dict[str, bytes]) -> None:
    """Put assets as `replayport freeze` does."""
    found = {}
    for url, data in files.items():
        found[url] = Asset(
            sha256=archive.put_asset(data), bytes=len(data), content_type="image/png"
        )
    archive.add_files(name, {ASSETS_FILE: AssetMap(assets=found).to_bytes()})


def export(archive: Archive, path: Path, name: str) -> None:
    """Write a file and write it down, as ``replayport export`` does."""
    data = f"an export of {name}".encode()
    Ledger(archive).add(
        "export",
        path.as_uri(),
        [name],
        form="html",
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    path.write_bytes(data)


def fill(archive: Archive, outside: Path) -> None:
    """Make the recordings, and what is made of them."""
    anna, bob = Person(distinct_id=ANNA), Person(distinct_id=BOB)
    archive.write(
        draft(
            at(1, f"account of {ANNA}"),
            session_id=OF_ANNA[0],
            project="shop",
            person=anna,
            analytics=[row(5, ANNA), row(6, ANNA, "$identify", **{"$anon_distinct_id": ANON})],
        )
    )
    archive.write(draft(at(2, "x"), session_id=OF_ANNA[1], project="shop", person=anna))
    archive.write(
        draft(at(3, "y"), session_id=OF_ANNA[2], project="app", person=Person(distinct_id=ANON))
    )
    archive.write(
        draft(
            at(4, "bobs page"),
            session_id="bobs-visit",
            project="shop",
            person=bob,
            analytics=[row(1, BOB), row(2, ANNA, "chat"), row(3, BOB)],
        )
    )
    archive.write(draft(at(5, "z"), session_id="nobodys-visit", project="shop"))
    shared = b"\x89PNG shared logo"
    freeze(
        archive,
        f"shop/{OF_ANNA[0]}",
        {
            "https://x.example/logo.png": shared,
            "https://x.example/annas-picture.png": b"annas-picture",
        },
    )
    freeze(archive, "shop/bobs-visit", {"https://x.example/logo.png": shared})
    archive.store.put("shares/token-1.json", b"a share of annas-first-visit")
    outside.mkdir(exist_ok=True)
    export(archive, outside / "anna.html", f"shop/{OF_ANNA[0]}")
    export(archive, outside / "bob.html", "shop/bobs-visit")
    ledger = Ledger(archive)
    ledger.add("share", "archive:shares/token-1.json", [f"shop/{OF_ANNA[0]}"])
    ledger.add("export", STDOUT, [f"shop/{OF_ANNA[1]}"], form="jsonl")
    archive.catalog.set_state("pull/abc", {"from_ms": 1, "done_ms": 2, "tries": {OF_ANNA[0]: 2}})


def request(*items: dict[str, Any]) -> Any:
    """Give a request whose body is not compressed, so that a scan of bytes sees into it."""
    return snapshots(*items, body=json.dumps(items).encode())


def fill_inbox(inbox: Inbox) -> None:
    """Put requests: of Anna, of Bob, and one request with both."""
    put(
        inbox,
        request(item(at(6, "u"), session_id="annas-unsealed-visit", distinct_id=ANNA)),
        request(item(at(7, "v"), session_id="bobs-unsealed-visit", distinct_id=BOB)),
        request(
            item(at(8, "w"), session_id="bobs-mixed-visit", distinct_id=BOB),
            item(at(9, "k"), session_id="annas-mixed-visit", distinct_id=ANNA),
        ),
    )


def eraser(archive: Archive, folder: Path, **options: Any) -> Eraser:
    return Eraser(archive, actor="test", signer=Signer.load(folder / "signing-key.pem"), **options)


def marks_in(*folders: Path) -> list[tuple[str, str]]:
    """Scan every byte of every file, and every name, for what must be gone."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            data = path.read_bytes() if path.is_file() else b""
            found += [(name, m) for m in MARKS if m.encode() in data or m in name]
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Give every file of a folder that no erasure may touch."""
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }
