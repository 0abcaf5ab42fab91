"""
Durable capture over HTTP: requests a second of one server core, and how long a page waits.

```
load (other core) ── keep-alive connections ──> uvicorn, one core
                                                ├── nothing   reads the body, answers 200
                                                ├── commit    INSERT and COMMIT for each request, synced
                                                ├── inbox     Inbox.put, nothing looked at
                                                └── capture   the real app: decoded, checked, Inbox.put
seal        the sealer alone, in this process: recordings and events a second
```

Bodies are those of real posthog-js requests to ``/s/``, sent again and again. A rate is
requests by the clock while the server may use one core; *per CPU second* divides by the
processor time it took, which is what a busier machine would show; *x nothing* compares that
with the server that only answers. The disk is this
machine's: every answer but that of ``nothing`` waits for an fsync.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from common import console, median, save, spread, table
from inputs import DEMO_RECORDINGS, _corpus_requests, corpus_folder

from replayport.archive import Archive
from replayport.capture.inbox import Captured, Inbox
from replayport.capture.projects import Projects
from replayport.capture.routes import capture_app
from replayport.capture.sdk_files import SdkFiles
from replayport.capture.seal import Sealer
from replayport.posthog import wire
from replayport.testing import WireRequest, load_requests

VARIANTS = ("nothing", "commit", "inbox", "capture")
CONNECTIONS = 64
SECONDS = 3.0
LONG_SECONDS = 12.0
RUNS = 3
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Body:
    """One request to send."""

    request: WireRequest
    raw: bytes
    events: int


@dataclass(slots=True)
class Load:
    """What one run gave."""

    requests: int
    events: int
    seconds: float
    cpu_seconds: float
    waits_ms: list[float]
    rss_mb: list[float]
    """Of the server, sampled while it ran."""

    def wait_ms(self, share: float) -> float:
        return self.waits_ms[min(int(len(self.waits_ms) * share), len(self.waits_ms) - 1)]


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--long-seconds", type=float, default=LONG_SECONDS)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    parser.add_argument("--results", type=Path, default=None)
    parser.add_argument("--server", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.server:
        variant, folder, port, core = options.server
        os.sched_setaffinity(0, {int(core)})
        serve(variant, Path(folder), int(port))
        return []
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    rows: list[dict[str, Any]] = []
    for name, bodies in body_sets().items():
        size = sum(len(b.request.body) for b in bodies) / len(bodies)
        found: dict[str, list[Load]] = {v: [] for v in VARIANTS}
        for _ in range(options.runs):
            for variant in VARIANTS:
                load = measure(variant, bodies, options.seconds, cores[-1], options.folder)
                found[variant].append(load)
                rows.append(row(name, variant, size, load))
        cost = {v: median(x.cpu_seconds / x.requests for x in loads) for v, loads in found.items()}
        table(
            f"{name}: {len(bodies)} real bodies, mean {size / 1000:.1f} KB, "
            f"{CONNECTIONS} connections, one core",
            (
                "server",
                "requests/s",
                "per CPU s",
                "x nothing",
                "events/s",
                "p50",
                "p99 ms",
                "peak MB",
            ),
            [
                (
                    variant,
                    spread([x.requests / x.seconds for x in loads]),
                    spread([x.requests / x.cpu_seconds for x in loads]),
                    f"1/{cost[variant] / cost['nothing']:.1f}",
                    f"{median(x.events / x.seconds for x in loads):.0f}",
                    f"{median(x.wait_ms(0.5) for x in loads):.1f}",
                    spread([x.wait_ms(0.99) for x in loads]),
                    f"{max(max(x.rss_mb) for x in loads):.0f}",
                )
                for variant, loads in found.items()
            ],
        )
    bodies = body_sets()["demo"]
    long = measure("capture", bodies, options.long_seconds, cores[-1], options.folder)
    rows.append(row("demo, long", "capture", 0.0, long))
    third = len(long.rss_mb) // 3
    console.print(
        f"memory over {long.requests:,} requests: {median(long.rss_mb[third : 2 * third]):.0f} MB "
        f"in the second third, {median(long.rss_mb[2 * third :]):.0f} MB in the last; "
        f"slowest answer {long.wait_ms(1.0):.0f} ms"
    )
    rows.append(seal(options.folder))
    where = {"folder": options.results} if options.results else {}
    save("capture", rows, **where)
    return rows


def body_sets() -> dict[str, list[Body]]:
    """Give real requests to ``/s/``, as they come and those of about 15 KB."""
    requests = [
        r for path in sorted(DEMO_RECORDINGS.glob("*.jsonl.zst")) for r in load_requests(path)
    ]
    demo = [b for b in map(body, requests) if b is not None]
    folder = corpus_folder()
    paths = sorted((folder / "posthog-wire").glob("*/requests.jsonl")) if folder else []
    more = [b for path in paths for b in map(body, _corpus_requests(path)) if b is not None]
    sets = {"demo": demo}
    if more:
        sets["all"] = demo + more
    sets["about 15 KB"] = [b for b in demo + more if 8_000 < len(b.request.body) < 26_000]
    return sets


def body(request: WireRequest) -> Body | None:
    """Write a request as a browser does."""
    if request.method != "POST" or not request.path.rstrip("/").endswith("/s"):
        return None
    found = wire.decode_body(request.body, query=request.query, headers=request.headers)
    events = sum(len(i.events) for i in wire.snapshots(found).items)
    lower = {k.lower(): v for k, v in request.headers.items()}
    content_type = lower.get("content-type", "text/plain")
    query = "&".join(f"{k}={v}" for k, v in request.query.items())
    head = (
        f"POST /s/{'?' + query if query else ''} HTTP/1.1\r\n"
        f"Host: capture.example\r\nOrigin: https://shop.example\r\n"
        f"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/140\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(request.body)}\r\n\r\n"
    )
    return Body(request, head.encode() + request.body, events)


def row(name: str, variant: str, size: float, load: Load) -> dict[str, Any]:
    return {
        "bodies": name,
        "server": variant,
        "mean_body_bytes": round(size),
        "requests": load.requests,
        "events": load.events,
        "seconds": round(load.seconds, 3),
        "cpu_seconds": round(load.cpu_seconds, 3),
        "p50_ms": round(load.wait_ms(0.5), 2),
        "p99_ms": round(load.wait_ms(0.99), 2),
        "max_ms": round(load.wait_ms(1.0), 2),
        "rss_mb": round(load.rss_mb[-1], 1),
    }


# --- the load ---------------------------------------------------------------------------


def measure(
    variant: str, bodies: Sequence[Body], seconds: float, core: int, where: Path | None
) -> Load:
    """Start a server on one core, load it, stop it."""
    folder = Path(tempfile.mkdtemp(prefix="capture-", dir=where))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, __file__, "--server", variant, str(folder), str(port), str(core)]
    )
    try:
        _wait_for(port, process)
        return uvloop.run(_drive(port, process.pid, bodies, seconds))
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("the server did not start")


class _Client(asyncio.Protocol):
    """One keep-alive connection: a request, its answer, the next request."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._sent_s = 0.0
        self._events = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._run.answered(head, self._sent_s, self._events)
        if not self._run.over:
            self._send()

    def _send(self) -> None:
        body = self._run.next_body()
        self._events = body.events
        self._sent_s = time.perf_counter()
        self._transport.write(body.raw)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._run.over:
            self._run.failed = error or ConnectionError("the server closed a connection")


class _Run:
    def __init__(self, bodies: Sequence[Body]) -> None:
        self._bodies = bodies
        self._at = 0
        self.over = False
        self.counting = False
        self.requests = 0
        self.events = 0
        self.waits_ms: list[float] = []
        self.failed: Exception | None = None

    def next_body(self) -> Body:
        self._at += 1
        return self._bodies[self._at % len(self._bodies)]

    def answered(self, head: bytes, sent_s: float, events: int) -> None:
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed = RuntimeError(f"the server answered {head[:60]!r}")
        if self.counting:
            self.requests += 1
            self.events += events
            self.waits_ms.append((time.perf_counter() - sent_s) * 1000)


async def _drive(port: int, pid: int, bodies: Sequence[Body], seconds: float) -> Load:
    run = _Run(bodies)
    loop = asyncio.get_running_loop()
    transports = [
        (await loop.create_connection(lambda: _Client(run), "127.0.0.1", port))[0]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(min(1.0, seconds / 4))
    run.counting = True
    started_s, cpu_s = time.perf_counter(), _cpu_seconds(pid)
    rss = []
    while time.perf_counter() - started_s < seconds and run.failed is None:
        await asyncio.sleep(seconds / 30)
        rss.append(_rss_mb(pid))
    run.counting = False
    took_s, cpu_s = time.perf_counter() - started_s, _cpu_seconds(pid) - cpu_s
    run.over = True
    await asyncio.sleep(0.2)
    for transport in transports:
        transport.close()
    if run.failed is not None:
        raise run.failed
    return Load(run.requests, run.events, took_s, cpu_s, sorted(run.waits_ms), rss)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


# --- the servers ------------------------------------------------------------------------


def serve(variant: str, folder: Path, port: int) -> None:
    """Run one server until terminated."""
    logging.disable(logging.WARNING)  # that it takes every token, which is what is wanted here
    inbox: Inbox | None = None
    if variant == "nothing":
        app: Any = _app(_nothing)
    elif variant == "commit":
        app = _app(_Commit(folder))
    else:
        inbox = Inbox.open(folder)
        app = (
            _app(_Put(inbox))
            if variant == "inbox"
            else capture_app(inbox, Projects(), sdk_files=SdkFiles("0.0.0", {}))
        )
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
    if inbox is not None:
        inbox.close()


def _app(keep: Any) -> Any:
    """Make the least ASGI app there can be around something that keeps bodies."""
    answer = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"15")],
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        parts = []
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        await keep(b"".join(parts))
        await send(answer)
        await send({"type": "http.response.body", "body": b'{"status":"Ok"}'})

    return app


async def _nothing(body: bytes) -> None:
    pass


class _Commit:
    """What one would write first: a row and a commit for each request, synced."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "commit.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE request(id INTEGER PRIMARY KEY, body BLOB)")

    async def __call__(self, body: bytes) -> None:
        self._db.execute("INSERT INTO request(body) VALUES (?)", (body,))


class _Put:
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._n = 0

    async def __call__(self, body: bytes) -> None:
        self._n += 1
        await self._inbox.put(
            Captured(
                project="bench",
                token="phc_bench",
                received_ms=time.time_ns() // 1_000_000,
                kind="snapshots",
                session_ids=(f"session-{self._n % 500}",),
                body=body,
                query="",
                headers={"content-type": "text/plain"},
            )
        )


# --- sealing ----------------------------------------------------------------------------

SEALED_SESSIONS = 200


def seal(where: Path | None) -> dict[str, Any]:
    """Seal many copies of the demo recordings, on one core."""
    folder = Path(tempfile.mkdtemp(prefix="seal-", dir=where))
    bodies = body_sets()["demo"]
    inbox = Inbox.open(folder / "inbox")
    archive = Archive.open(folder / "archive", create=True)
    events = 0
    try:

        async def fill() -> None:
            nonlocal events
            n = 0
            while n < SEALED_SESSIONS:
                seen: set[str] = set()
                for b in bodies:
                    found = wire.decode_body(
                        b.request.body, query=b.request.query, headers=b.request.headers
                    )
                    seen |= {i.session_id for i in wire.snapshots(found).items}
                    await inbox.put(
                        Captured(
                            project=f"copy-{n}",
                            token="phc_bench",
                            received_ms=0,
                            kind="snapshots",
                            session_ids=tuple(i.session_id for i in wire.snapshots(found).items),
                            body=b.request.body,
                            query="&".join(f"{k}={v}" for k, v in b.request.query.items()),
                            headers={k.lower(): v for k, v in b.request.headers.items()},
                        )
                    )
                    events += b.events
                n += len(seen)

        asyncio.run(fill())
        sealer = Sealer(inbox, archive, idle_s=0.0)
        started_s, cpu_s = time.perf_counter(), time.process_time()
        outcomes = sealer.seal_due()
        took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        n = outcomes.total()
        console.print(
            f"sealing {n} recordings of {events:,} events: {n / took_s:.0f} recordings/s, "
            f"{events / took_s:,.0f} events/s, {cpu_s / n * 1000:.1f} ms of CPU each"
        )
        return {
            "bodies": "demo copies",
            "server": "seal",
            "mean_body_bytes": 0,
            "requests": n,
            "events": events,
            "seconds": round(took_s, 3),
            "cpu_seconds": round(cpu_s, 3),
            "p50_ms": "",
            "p99_ms": "",
            "max_ms": "",
            "rss_mb": "",
        }
    finally:
        inbox.close()
        archive.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
