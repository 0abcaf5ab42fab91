"""
Analyses many recordings on all cores: the same answers in the same order as one by one.

```
names ──chunks──> worker processes: open the store, read columns, features, signals, score
                        │ at most a few chunks on their way
this process <──────────┘ in the order asked for, one `Analysis` or `Failed` a recording
```

Workers read the store themselves and give back numbers, so memory here does not grow with the
recordings. Archives in memory, and few recordings, are analysed in this process.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from replayport.analysis.actions import Action
from replayport.analysis.columns import COLUMNS, Columns
from replayport.analysis.elements import know_elements
from replayport.analysis.features import Row, combine, measure
from replayport.analysis.frustration import Model, Score, model_row, score
from replayport.analysis.heatmap import Heat, gather
from replayport.analysis.moments import ElementLookup, nothing_known
from replayport.analysis.profiles import Profile
from replayport.analysis.reading import ActionReader
from replayport.analysis.signals import Detected, detect
from replayport.archive import Archive
from replayport.collecting import COLLECT_AFTER, rare_collections
from replayport.encryption import EncryptedStore
from replayport.errors import RecordingError, StoreError
from replayport.format.reader import RangeSource, Recording
from replayport.format.schema import MANIFEST_FILE
from replayport.format.tables import HELD_BYTES
from replayport.recording import Manifest
from replayport.store import Store

CHUNK: Final = 16
"""Recordings a worker takes at a time: so many that handing them over costs nothing."""

CHUNKS_AHEAD: Final = 3
"""Chunks on their way for each worker: more would only wait."""

IN_PROCESS: Final = 4
"""Up to so many recordings no workers are started: they take longer to start."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to compute of each recording."""

    profiles: tuple[Profile, ...] = ()
    features: bool = False
    blocks: bool = False
    """Features as PostHog's database adds them up, where the source's blocks are known."""
    elements: bool = True
    """Look at snapshots, so that signals name elements and rules that need them can judge."""
    actions: bool = False
    """Read what the user did, from the same pages."""
    score: bool = False
    """Score by the first profile's signals."""
    model: Model | None = None
    heat_url: str = ""
    """Pattern of the page to gather heat of (`analysis.heatmap`); empty for none."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was computed of one recording."""

    id: str
    project: str
    created_ms: int
    person: str | None
    features: Row | None = None
    block_features: Row | None = None
    """None too when it is not known where the source's blocks ended."""
    detected: tuple[Detected, ...] = ()
    actions: tuple[Action, ...] = ()
    score: Score | None = None
    model_row: tuple[float, ...] = ()
    heats: tuple[Heat, ...] = ()
    findings: Counter[str] = field(default_factory=Counter)
    raw_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """A recording that could not be analysed."""

    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Where:
    """A recording to analyse."""

    name: str
    """For messages: ``project/id``."""
    prefix: str
    """Its folder in the store."""


def analyse_recording(recording: Recording, task: Task) -> Analysis:
    """
    Analyse one recording.

    Memory:
        The recording when it is small (`HELD_BYTES`), else one row group of it; its columns
        (`analysis.columns`), and the page of each window as objects.
    """
    manifest = recording.manifest
    held = list(recording.batches(COLUMNS)) if manifest.raw_bytes <= HELD_BYTES else None

    def batches() -> Iterable[pa.RecordBatch]:
        return held if held is not None else recording.batches(COLUMNS)

    columns = Columns.from_batches(batches(), mobile=manifest.snapshot_source == "mobile")
    findings = columns.findings
    whole = measure(columns) if task.features or task.score else None
    lookup: ElementLookup = nothing_known
    reader = ActionReader() if task.actions and not columns.mobile else None
    if (reader or (task.profiles and task.elements)) and not columns.mobile:
        known = know_elements(batches(), columns, findings, reader)
        lookup = known if task.elements else nothing_known
    detected = tuple(detect(columns, profile, lookup) for profile in task.profiles)
    for one in detected:
        for code, n in one.findings.items():
            findings[code] = max(findings[code], n)
    row = whole or {}
    actions: tuple[Action, ...] = ()
    if reader is not None:
        actions = reader.finish().actions
    elif task.actions:
        actions = recording.action_log().actions
    return Analysis(
        id=manifest.id,
        project=manifest.project,
        created_ms=manifest.created_ms,
        person=manifest.person.distinct_id if manifest.person else None,
        features=whole,
        block_features=_by_blocks(columns, manifest) if task.blocks else None,
        detected=detected,
        actions=actions,
        score=score(row, detected[0], task.model) if task.score and detected else None,
        model_row=tuple(model_row(row, detected[0])) if task.score and detected else (),
        heats=tuple(
            gather(
                f"{manifest.project}/{manifest.id}",
                columns,
                batches(),
                task.heat_url,
                signals=detected[0].signals if detected else (),
                lookup=lookup,
            )
            if task.heat_url
            else ()
        ),
        findings=findings,
        raw_bytes=manifest.raw_bytes,
    )


def _by_blocks(columns: Columns, manifest: Manifest) -> Row | None:
    ends = manifest.provenance.get("source_block_ends")
    if (
        not isinstance(ends, list)
        or not all(isinstance(e, int) for e in ends)
        or not ends
        or ends != sorted(ends)
        or ends[-1] != len(columns)
    ):
        return None
    starts = [0, *ends[:-1]]
    return combine(
        [measure(columns.part(a, b)) for a, b in zip(starts, ends, strict=True) if b > a]
    )


def where(archive: Archive, names: Iterable[str] | None, **filters: Any) -> list[Where]:
    """
    Find recordings to analyse.

    Args:
        archive: Where they are.
        names: Ids, or ``project/id``; None for all, oldest first.
        filters: As in `Catalog.list`, for all.

    Raises:
        RecordingNotFoundError: A name is in no recording's row.
    """
    if names is not None:
        rows = [archive.row(name) for name in names]
    else:
        rows = list(archive.catalog.list(order="start_ms", **filters))
    return [Where(f"{row.project}/{row.id}", row.key_prefix) for row in rows]


def analyse(
    archive: Archive,
    wanted: Sequence[Where],
    task: Task,
    *,
    workers: int | None = None,
) -> Iterator[Analysis | Failed]:
    """
    Analyse recordings, in the order given.

    Args:
        archive: Where they are.
        wanted: Which.
        task: What to compute.
        workers: Processes; None for one a core, 1 for this one alone.

    Yields:
        One result a recording. One that is damaged, or kills its worker, is `Failed`; the others
        are analysed all the same.
    """
    count = workers if workers is not None else (os.cpu_count() or 1)
    url = archive.store.url
    if count <= 1 or len(wanted) <= IN_PROCESS or url.startswith("memory:"):
        with rare_collections():
            for one in wanted:
                yield _one(archive.store, one, task)
        return
    key_ring = archive.store.ring.url if isinstance(archive.store, EncryptedStore) else ""
    yield from _Pool(url, key_ring, task, count).run(wanted)


class _Pool:
    """Worker processes, started anew when a recording kills one."""

    def __init__(self, url: str, key_ring: str, task: Task, workers: int) -> None:
        self._url = url
        self._key_ring = key_ring
        self._task = task
        self._workers = workers
        self._executor = self._start()

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=self._workers,
            # Not fork: this process may hold threads of the store and of the catalog.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self._url, self._key_ring, self._task),
        )

    def run(self, wanted: Sequence[Where]) -> Iterator[Analysis | Failed]:
        size = max(1, min(CHUNK, -(-len(wanted) // (2 * self._workers))))
        chunks = iter([wanted[n : n + size] for n in range(0, len(wanted), size)])
        running: deque[tuple[Sequence[Where], Future[list[Analysis | Failed]]]] = deque()
        try:
            for chunk in islice(chunks, self._workers * CHUNKS_AHEAD):
                running.append((chunk, self._executor.submit(_chunk, chunk)))
            while running:
                chunk, future = running.popleft()
                try:
                    results = future.result()
                except BrokenProcessPool:
                    results = self._one_by_one(chunk)
                    # What else was on its way died with the pool.
                    running = deque(
                        (c, f if _is_good(f) else self._executor.submit(_chunk, c))
                        for c, f in running
                    )
                following = next(chunks, None)
                if following is not None:
                    running.append((following, self._executor.submit(_chunk, following)))
                yield from results
        finally:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _one_by_one(self, chunk: Sequence[Where]) -> list[Analysis | Failed]:
        """Find out which recording of a chunk killed its worker: the one that kills a new one too."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        results: list[Analysis | Failed] = []
        waiting = deque(chunk)
        while waiting:
            alone = self._start()
            try:
                first = waiting[0]
                while waiting:
                    one = waiting[0]
                    results += alone.submit(_chunk, [one]).result()
                    waiting.popleft()
            except BrokenProcessPool:
                # One that had held others before it may have died of them: it is asked again.
                if one is first:
                    results.append(_killed(waiting.popleft()))
            finally:
                alone.shutdown(wait=True, cancel_futures=True)
        self._executor = self._start()
        return results


def _killed(one: Where) -> Failed:
    return Failed(
        one.name,
        "the process that analysed it was killed, most likely for want of memory. "
        "The other recordings are not affected",
    )


def _is_good(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


_worker: list[tuple[Store, Task]] = []
"""Of a worker process: the store it opened, and what it computes."""


def _begin(url: str, key_ring: str, task: Task) -> None:
    gc.set_threshold(*COLLECT_AFTER)
    # The catalog is not asked for anything here; one in memory costs no file.
    opened = Archive.open(url, catalog_url="sqlite://", key_ring=key_ring)
    _worker[:] = [(opened.store, task)]


def _chunk(chunk: Sequence[Where]) -> list[Analysis | Failed]:
    store, task = _worker[0]
    return [_one(store, one, task) for one in chunk]


def _one(store: RangeSource, one: Where, task: Task) -> Analysis | Failed:
    key = f"{one.prefix}/{MANIFEST_FILE}"
    try:
        manifest = Manifest.from_bytes(store.get(key), key=key)
        return analyse_recording(Recording(store, one.prefix, manifest), task)
    except FileNotFoundError:
        return Failed(
            one.name,
            "its manifest is gone although the catalog names it. It was deleted by hand, or by "
            "another machine. Run: replayport reindex",
        )
    except (RecordingError, StoreError) as e:
        return Failed(one.name, str(e))
