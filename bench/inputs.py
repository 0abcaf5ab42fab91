"""
The recordings every benchmark runs on: real posthog-js requests, made into v2 blocks.

```
src/replayport/demo/recordings/*.jsonl.zst    shipped, always there
$REPLAYPORT_CORPUS/posthog-wire/*/            more recordings, when the folder is there
        │ FakeRecording.from_wire: as PostHog's ingestion gathers blocks, 10 s of arrival
        ▼
snappy( ["<windowId>", {event}] lines )       one block a flush, the bytes both sides read
```

Without ``REPLAYPORT_CORPUS`` the folder ``shared/corpus`` beside the checkout is looked
at. An input is named by its blocks' SHA-256, so that two results can be compared only
when they read the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from replayport.draft import RecordingDraft
from replayport.posthog.blocks import encode_snappy, iter_lines
from replayport.posthog.lines import EventDecoder
from replayport.testing import FakeRecording, WireRequest, load_requests

ROOT = Path(__file__).resolve().parent.parent
DEMO_RECORDINGS = ROOT / "src" / "replayport" / "demo" / "recordings"

BASE_MS = 1_790_000_000_000
"""Where generated recordings begin; fixed, so that inputs are the same on every run."""


@dataclass(frozen=True, slots=True)
class Input:
    """One recording as PostHog stores it."""

    name: str
    session_id: str
    blocks: Sequence[bytes] = field(repr=False)
    """v2 blocks: raw snappy of JSON lines."""
    analytics: Sequence[dict[str, Any]] = field(repr=False)
    """Rows of the session's analytics events."""
    events: int
    decoded_bytes: int
    """Of the events' JSON texts with every compressed field decoded: what MB/s counts."""
    distinct_id: str = "person-1"

    @property
    def block_bytes(self) -> int:
        """Size in PostHog's storage."""
        return sum(map(len, self.blocks))

    @property
    def sha256(self) -> str:
        """Of all blocks in order."""
        return hashlib.sha256(b"".join(self.blocks)).hexdigest()

    def draft(self, session_id: str | None = None) -> RecordingDraft:
        """Decode into what `Archive.write` takes, as ``replayport pull`` does."""
        decoder = decode_blocks(self.blocks)
        return RecordingDraft(
            project="bench",
            session_id=session_id or self.session_id,
            columns=decoder.columns,
            source={"kind": "posthog-api"},
            rejected=decoder.rejected,
            findings=decoder.findings,
            analytics=self.analytics,
        )


def decode_blocks(blocks: Sequence[bytes]) -> EventDecoder:
    """Decode v2 blocks as the sources do."""
    decoder = EventDecoder()
    for block in blocks:
        for lines in iter_lines(block):
            decoder.feed_lines(lines)
    return decoder


def decode_lines(pieces: Iterable[bytes]) -> EventDecoder:
    """Decode pieces of JSON lines."""
    decoder = EventDecoder()
    for piece in pieces:
        decoder.feed_lines(piece)
    return decoder


def corpus_folder() -> Path | None:
    """Find the folder of further recordings; None when there is none."""
    named = os.environ.get("REPLAYPORT_CORPUS")
    folder = Path(named) if named else ROOT.parent / "shared" / "corpus"
    return folder if folder.is_dir() else None


@cache
def demo_inputs() -> tuple[Input, ...]:
    """Give the shipped recordings."""
    return tuple(
        made
        for path in sorted(DEMO_RECORDINGS.glob("*.jsonl.zst"))
        for made in _inputs(f"demo/{path.name.removesuffix('.jsonl.zst')}", load_requests(path))
    )


@cache
def corpus_inputs() -> tuple[Input, ...]:
    """Give the recordings of the corpus; none without it."""
    folder = corpus_folder()
    if folder is None:
        return ()
    return tuple(
        made
        for path in sorted((folder / "posthog-wire").glob("*/requests.jsonl"))
        for made in _inputs(f"corpus/{path.parent.name}", list(_corpus_requests(path)))
    )


def all_inputs() -> tuple[Input, ...]:
    """Give every recording there is, the shipped ones first."""
    return demo_inputs() + corpus_inputs()


def synthetic_lines(target_bytes: int, *, one_window: bool = False) -> Iterator[bytes]:
    """
    Generate a long recording from the shipped ones, as blocks of JSON lines.

    The events of the demo recordings again and again, each round in a stretch of time of
    its own, a new window each time all had their turn. So that it does not compress to
    nothing, every node id is moved and every text and address gets words of its own in
    each round.

    Args:
        target_bytes: How much to generate, decoded.
        one_window: All in one window: rrweb's own player knows no others.

    Yields:
        Blocks of about ten seconds of one round, ordered by time. The same on each run.
    """
    made = 0
    n = 0
    at_ms = BASE_MS
    rounds = [list(decode_blocks(i.blocks).columns.events()) for i in demo_inputs()]
    while made < target_bytes:
        events = rounds[n % len(rounds)]
        window_id = str(
            uuid.uuid5(uuid.NAMESPACE_OID, f"window {0 if one_window else n // len(rounds)}")
        )
        first_ms = min(e.timestamp_ms for e in events)
        last_ms = max(e.timestamp_ms for e in events)
        vary = _Variation(n)
        lines: list[bytes] = []
        size = 0
        for event in sorted(events, key=lambda e: (e.timestamp_ms, e.seq)):
            value = event.to_rrweb()
            value.pop("cv", None)
            value["timestamp"] = event.timestamp_ms - first_ms + at_ms
            value["data"] = vary(value.get("data"))
            line = json.dumps([window_id, value], ensure_ascii=False, separators=(",", ":"))
            lines.append(line.encode("utf-8", "replace") + b"\n")
            size += len(lines[-1])
            if size > 2**20:
                yield b"".join(lines)
                made += size
                lines, size = [], 0
        if lines:
            yield b"".join(lines)
            made += size
        at_ms += last_ms - first_ms + 1000
        n += 1


class _Variation:
    """Changes ids and texts of one round, the same way everywhere in it."""

    _TEXT_KEYS = frozenset({"textContent", "value", "text", "href", "src", "alt", "title", "id"})

    def __init__(self, n: int) -> None:
        self._seed = str(n).encode()
        self._known: dict[str, str] = {}
        self._shift = 7919 * n

    def __call__(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: self(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self(v, key) for v in value]
        if isinstance(value, str):
            return self._text(value) if key in self._TEXT_KEYS and value.strip() else value
        if key in ("id", "parentId", "nextId") and isinstance(value, int) and value > 0:
            return value + self._shift
        return value

    def _text(self, text: str) -> str:
        known = self._known.get(text)
        if known is None:
            digest = hashlib.blake2b(text.encode("utf-8", "replace"), key=self._seed).hexdigest()
            # About a character in eight is new: between one site's pages repeating each
            # other and two sites having nothing in common.
            words = digest[: max(2, min(len(digest), len(text) // 8))]
            known = self._known[text] = f"{text} {words}"
        return known


def replicated(inputs: Sequence[Input], target_bytes: int) -> list[tuple[str, Input]]:
    """
    Repeat recordings, each time under a session id of its own, to something long enough to time.

    Args:
        inputs: What to repeat, as a whole.
        target_bytes: Decoded bytes to reach.

    Returns:
        Session id and input; every input the same number of times.
    """
    once = sum(i.decoded_bytes for i in inputs)
    rounds = max(1, -(-target_bytes // once)) if once else 0
    return [
        (f"{i.session_id}-{n}" if n else i.session_id, i) for n in range(rounds) for i in inputs
    ]


def set_sha256(inputs: Sequence[Input]) -> str:
    """Name a set of inputs: the SHA-256 of theirs, one a line."""
    return hashlib.sha256("".join(f"{i.sha256}\n" for i in inputs).encode()).hexdigest()


def _inputs(name: str, requests: list[WireRequest]) -> Iterator[Input]:
    recordings = FakeRecording.from_wire(requests)
    for n, recording in enumerate(recordings):
        blocks = [encode_snappy(block) for block in recording.blocks]
        decoder = decode_blocks(blocks)
        yield Input(
            name=name if len(recordings) == 1 else f"{name}#{n + 1}",
            session_id=recording.session_id,
            blocks=blocks,
            analytics=[
                {
                    "timestamp_ms": e.timestamp_ms,
                    "uuid": e.id,
                    "event": e.event,
                    "distinct_id": recording.distinct_id,
                    "window_id": e.properties.get("$window_id"),
                    "url": e.properties.get("$current_url"),
                    "properties": json.dumps(e.properties),
                }
                for e in recording.events
            ],
            events=len(decoder.columns),
            decoded_bytes=sum(len(e.to_json().encode()) for e in decoder.columns.events()),
            distinct_id=recording.distinct_id,
        )


def _corpus_requests(path: Path) -> Iterator[WireRequest]:
    for line in path.read_bytes().splitlines():
        row = json.loads(line)
        if row["method"] != "POST":
            continue
        body = row.get("body_file")
        yield WireRequest(
            ms=int(row["t"]),
            method=row["method"],
            path=row["path"],
            query={k: v if isinstance(v, str) else v[0] for k, v in row["query"].items()},
            headers=row["headers"],
            body=(path.parent / body).read_bytes() if body else b"",
        )
