"""
Kill a capturing server at random moments, many times, and look whether anything is lost.

```
python dev/torture.py [--kills 200] [--sessions 20000] [--seed N]
```

Then many tiny sessions go through one server, and its memory is looked at before and after.

*Kills.* Each round a process opens the same inbox and archive, takes requests as fast as it can,
seals sessions all the time, and is killed (SIGKILL) at a random moment. Requests repeat
items of this and earlier rounds, as an SDK's retries do. Every acknowledged item is noted
outside. In the end a last process seals what is left, and each item is counted in the
archive: one that was acknowledged is there once, one that was not, once or never.

What this cannot show is a power cut: a killed process's writes are safe with the kernel.
That every commit is synced is checked by ``tests/capture/test_inbox.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import replayport.archive
import replayport.capture.seal
from replayport.archive import Archive
from replayport.capture.assemble import Assembly, StoredRequest
from replayport.capture.inbox import Captured, Inbox, InboxFullError
from replayport.capture.seal import Outcome, Sealer
from replayport.format.schema import EVENTS_FILE

PROJECT = "torture"
SESSIONS = 6
ROUND = 1_000_000
CLIENTS = 6
PAUSE_S = 0.005
"""Between requests of a client: sealing is to get its share, so that kills meet it too."""
LONGEST_LIFE_S = 0.6
EPOCH_MS = 1_790_000_000_000
GROWTH_BYTES = 64 * 2**20
"""More, over thousands of sessions, would be a leak and not a buffer."""

PRELOADED = [
    "replayport.capture.seal",
    "replayport.testing",
    "replayport.catalog.sql",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "pandas",  # pyarrow looks for it at its first array, and takes it where it is installed
]
"""What every process would import for itself: seconds of processor time, 200 times."""

_STARTED = -1


@dataclass(slots=True)
class Result:
    """What a run found."""

    kills: int = 0
    acknowledged: set[int] = field(default_factory=set)
    stored: Counter[int] = field(default_factory=Counter)
    analytics: Counter[int] = field(default_factory=Counter)
    recordings: int = 0
    waiting: int = 0
    """Sessions that could not be sealed in the end."""

    @property
    def lost(self) -> list[int]:
        """Acknowledged items that are not in the archive, wholly."""
        return sorted(n for n in self.acknowledged if not (self.stored[n] and self.analytics[n]))

    @property
    def doubled(self) -> list[int]:
        """Items that are there more than once."""
        both = self.stored.keys() | self.analytics.keys()
        return sorted(n for n in both if self.stored[n] > 1 or self.analytics[n] > 1)

    @property
    def ok(self) -> bool:
        """Whether all is as promised."""
        return bool(self.acknowledged) and not (self.lost or self.doubled or self.waiting)


def requests_of(numbers: list[int], *, tiny: bool = False) -> list[Captured]:
    """
    Give the two requests that carry some items: snapshots, and analytics.

    Args:
        numbers: Which items.
        tiny: Each of a session of its own, and small.
    """
    now_ms = time.time_ns() // 1_000_000
    pad = "" if tiny else "x" * 1500

    def session_of(n: int) -> str:
        return f"tiny-{n}" if tiny else f"session-{n % SESSIONS}"

    items = [
        {
            "event": "$snapshot",
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"snapshot {n}")),
            "properties": {
                "$snapshot_data": [
                    {
                        "type": 5,
                        # Days apart, so that late data also moves recordings between folders.
                        "timestamp": EPOCH_MS + n - 86_400_000 * (n // 7 % 5),
                        "data": {"tag": "mark", "payload": {"n": n, "pad": pad}},
                    }
                ],
                "$session_id": session_of(n),
                "$window_id": "w",
                "token": "phc_torture",
                "distinct_id": "p",
            },
        }
        for n in numbers
    ]
    events = [
        {
            "event": f"e{n}",
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"analytics {n}")),
            "timestamp": EPOCH_MS + n,
            "properties": {"$session_id": session_of(n), "distinct_id": "p"},
        }
        for n in numbers
    ]
    sessions = tuple(dict.fromkeys(map(session_of, numbers)))
    bodies: dict[str, Any] = {
        "snapshots": items,
        "events": {"api_key": "phc_torture", "batch": events},
    }
    return [
        Captured(
            project=PROJECT,
            token="phc_torture",
            received_ms=now_ms,
            kind=kind,
            session_ids=sessions,
            body=gzip.compress(json.dumps(body).encode(), 1),
            query="",
            headers={"content-type": "text/plain"},
        )
        for kind, body in bodies.items()
    ]


def short_waits() -> None:
    """Let leases of killed processes end soon: in production they hold a session for minutes."""
    replayport.archive.LEASE_TTL_S = 4.0  # type: ignore[misc]
    replayport.capture.seal.LEASE_TTL_S = 4.0  # type: ignore[misc]
    replayport.capture.seal.LEASE_WAIT_S = 0.05  # type: ignore[misc]
    replayport.capture.seal.BUSY_RETRY_MS = 100  # type: ignore[misc]


def warm_up(folder: Path) -> None:
    """Seal something elsewhere: the first time takes a second, and kills would all meet that."""
    assembly = Assembly(PROJECT, "session-0")
    for n, request in enumerate(requests_of([0])):
        assembly.add(
            StoredRequest(
                id=n,
                token=request.token,
                kind=request.kind,
                received_ms=request.received_ms,
                query=request.query,
                headers=request.headers,
                body=request.body,
            )
        )
    with Archive.open(folder, create=True) as archive:
        archive.write(assembly.draft(), replace=True)


def victim(folder: str, round_: int, seed: int, acks: Connection) -> None:
    """Take requests and seal until killed."""
    short_waits()
    warm_up(Path(folder) / "warm")
    rng = random.Random(seed)
    inbox = Inbox.open(Path(folder) / "inbox")
    archive = Archive.open(Path(folder) / "archive", create=True)
    acks.send([_STARTED])
    counter = iter(range(round_ * ROUND, (round_ + 1) * ROUND))
    sent: list[int] = []

    def numbers() -> list[int]:
        chosen = [next(counter) for _ in range(rng.randrange(1, 4))]
        if sent and rng.random() < 0.4:  # a retry of something recent
            chosen += rng.choices(sent[-200:], k=2)
        if round_ and rng.random() < 0.2:  # the SDK kept it while the server was away
            chosen.append(rng.randrange(round_) * ROUND + rng.randrange(300))
        sent.extend(chosen)
        return list(dict.fromkeys(chosen))

    async def client() -> None:
        while True:
            some = numbers()
            with suppress(InboxFullError):
                await asyncio.gather(*(inbox.put(r) for r in requests_of(some)))
                acks.send(some)
            await asyncio.sleep(rng.uniform(0.0, PAUSE_S))

    async def load() -> None:
        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    with Sealer(inbox, archive, idle_s=0.0, workers=2):
        asyncio.run(load())


def finish(folder: str, results: Connection) -> None:
    """Seal what is left and count what the archive holds."""
    short_waits()
    found = Result()
    inbox = Inbox.open(Path(folder) / "inbox")
    archive = Archive.open(Path(folder) / "archive", create=True)
    # Analytics were put beside snapshots of the same session: none may have to wait.
    sealer = Sealer(inbox, archive, idle_s=0.0)
    deadline = time.monotonic() + 60
    while inbox.due(2**62, limit=1) and time.monotonic() < deadline:
        if not sealer.seal_due() - Counter({Outcome.BUSY: 10**9}):
            time.sleep(0.1)
    found.waiting = len(inbox.due(2**62, limit=1000))
    inbox.close()
    for recording in archive.recordings():
        found.recordings += 1
        for name in recording.manifest.files:
            recording.file(name)  # matches its digest
        for event in recording.events(kinds=["custom:mark"]):
            found.stored[event.data["payload"]["n"]] += 1
        for name in recording.analytics().column("event").to_pylist():
            found.analytics[int(name[1:])] += 1
    listed = {m.key for m in archive.store.list("recordings") if m.key.endswith("manifest.json")}
    assert len(listed) == found.recordings, "two folders of one recording"
    assert all(r.manifest.files[EVENTS_FILE] for r in archive.recordings())
    results.send(found)
    archive.close()


def torture(folder: Path, *, kills: int, seed: int, verbose: bool = False) -> Result:
    """Run the whole thing in a folder."""
    rng = random.Random(seed)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    acknowledged: set[int] = set()
    for round_ in range(kills):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=victim, args=(str(folder), round_, rng.randrange(2**31), theirs), daemon=True
        )
        process.start()
        theirs.close()
        started = threading.Event()
        reader = threading.Thread(target=_note, args=(ours, acknowledged, started))
        reader.start()
        started.wait(60)
        time.sleep(rng.uniform(0.0, LONGEST_LIFE_S))
        alive = process.is_alive()
        process.kill()
        process.join()
        reader.join()
        ours.close()
        if not alive:
            raise RuntimeError(f"round {round_}: the server ended by itself, see above")
        if verbose and (round_ + 1) % 10 == 0:
            print(f"{round_ + 1} kills, {len(acknowledged):,} items acknowledged", flush=True)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=finish, args=(str(folder), theirs))
    process.start()
    theirs.close()
    try:
        result: Result = ours.recv()
    except EOFError:
        raise RuntimeError("the last process ended without a result, see above") from None
    finally:
        process.join()
        ours.close()
    result.kills = kills
    result.acknowledged = acknowledged
    return result


@dataclass(slots=True)
class Crowd:
    """What many tiny sessions cost a server."""

    sessions: int
    sealed: int
    grown_bytes: int
    """Peak memory after all of them, less that after the first `FIRST_SESSIONS`."""
    peak_bytes: int


FIRST_SESSIONS = 200
"""After so many everything is loaded and warm."""


def crowd(folder: Path, *, sessions: int) -> Crowd:
    """Send many tiny sessions through a server of its own process."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_crowd, args=(str(folder), sessions, theirs))
    process.start()
    theirs.close()
    try:
        result: Crowd = ours.recv()
    except EOFError:
        raise RuntimeError("the process ended without a result, see above") from None
    finally:
        process.join()
        ours.close()
    return result


def _crowd(folder: str, sessions: int, results: Connection) -> None:
    inbox = Inbox.open(Path(folder) / "inbox")
    archive = Archive.open(Path(folder) / "archive", create=True)
    sealer = Sealer(inbox, archive, idle_s=0.0)

    async def put(numbers: range) -> None:
        await asyncio.gather(*(inbox.put(r) for n in numbers for r in requests_of([n], tiny=True)))

    sealed = 0
    first_bytes = 0
    for start in range(0, sessions, FIRST_SESSIONS):
        asyncio.run(put(range(start, min(start + FIRST_SESSIONS, sessions))))
        sealed += sealer.seal_due()[Outcome.SEALED]
        if start == 0:
            first_bytes = _peak_bytes()
    peak_bytes = _peak_bytes()
    inbox.close()
    archive.close()
    results.send(Crowd(sessions, sealed, peak_bytes - first_bytes, peak_bytes))


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _note(acks: Connection, acknowledged: set[int], started: threading.Event) -> None:
    """Note what the server acknowledges, until it is dead."""
    with suppress(EOFError, OSError):  # its last message may be cut
        while True:
            numbers = acks.recv()
            started.set()
            acknowledged.update(n for n in numbers if n != _STARTED)
    started.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    # Memory does as well as a disk, which no kill empties, and far more happens a second.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="torture-", dir=memory if memory.is_dir() else None))
    result = torture(folder, kills=options.kills, seed=options.seed, verbose=True)
    print(
        f"{result.kills} kills, {len(result.acknowledged):,} items acknowledged, "
        f"{len(result.stored):,} in {result.recordings} recordings: "
        f"{len(result.lost)} lost, {len(result.doubled)} doubled, "
        f"{result.waiting} sessions not sealed"
    )
    if not result.ok:
        print(f"lost {result.lost[:10]} doubled {result.doubled[:10]}, kept in {folder}")
        return 1
    shutil.rmtree(folder)
    folder.mkdir()
    found = crowd(folder, sessions=options.sessions)
    print(
        f"{found.sealed:,} of {found.sessions:,} tiny sessions sealed; peak memory "
        f"{found.peak_bytes / 1e6:.0f} MB, {found.grown_bytes / 1e6:.1f} MB more than after the "
        f"first {FIRST_SESSIONS}"
    )
    shutil.rmtree(folder)
    return 0 if found.sealed == found.sessions and found.grown_bytes < GROWTH_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
