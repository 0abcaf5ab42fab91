"""
Builds a dataset, or brings one up to date.

```
catalog ──days──> the day's manifests listed (one request a project and day)
                    └─ read where new or changed ──> plan_day ──> tasks: part, tables
                                                                    │ process pool
   dataset.json, _ledger <──a day whose parts are all there────────┘
```

A day is done in this order: files, ``_ledger/built/<part>.json``, the day's ledger, then old
files go. A run killed between any two of them leaves a dataset the next run completes:
parts that were built are not built again, and files no ledger knows are removed.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from replayport.archive import Archive
from replayport.dataset import DatasetError
from replayport.dataset.days import Key, current_members, days_of
from replayport.dataset.ledger import (
    DATASET_FILE,
    LEDGER,
    SUFFIXES,
    DatasetFile,
    Day,
    Member,
    Part,
    PartFile,
    built_key,
    day_key,
    ledger_days,
    open_dataset,
    part_id,
    part_key,
    read_built,
    read_day,
)
from replayport.dataset.parts import PartTask, PartWritten, write_part
from replayport.dataset.plan import Plan, plan_day
from replayport.dataset.registry import log_write, register_day
from replayport.format.tables import TABLES, WORKED_OUT
from replayport.store import Lease, Store

PART_BYTES: Final = 128 * 2**20
"""Of the recordings' compressed events in one part, about what its file is large."""

SMALL_WORK_BYTES: Final = 2 * 2**20
"""Starting processes takes about as long as writing so much."""

RECORDING_COSTS_BYTES: Final = 50_000
"""Opening a recording, however small, takes about as long as writing so much."""

LEASE_TTL_S: Final = 300.0
_TASKS_A_WORKER: Final = 2
_POLL_S: Final = 20.0


@dataclass
class DatasetReport:
    """What a run did."""

    to: str
    tables: Sequence[str]
    recordings: int = 0
    """In the dataset now, of the days looked at."""
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    files_written: int = 0
    files_deleted: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    """Rows written by this run, by table."""
    rejected: dict[str, str] = field(default_factory=dict)
    """Damaged recordings that are not in the dataset, and why."""
    left_for_later: list[str] = field(default_factory=list)
    """Recordings that somebody rewrote meanwhile; the next run takes them."""

    @property
    def ok(self) -> bool:
        """True when everything asked for is there."""
        return not self.rejected

    def count(self, before: Sequence[Member], current: Mapping[tuple[str, str], Member]) -> None:
        """Count what a day's recordings were and are."""
        known = {m.key: m.revision for m in before}
        for key, member in current.items():
            if key not in known:
                self.added += 1
            elif known[key] != member.revision:
                self.changed += 1
            else:
                self.unchanged += 1
        self.removed += len(known.keys() - current.keys())

    def to_json(self) -> dict[str, Any]:
        """Give the form the command line prints with ``--json``."""
        return {
            "to": self.to,
            "tables": list(self.tables),
            "recordings": self.recordings,
            "added": self.added,
            "changed": self.changed,
            "removed": self.removed,
            "unchanged": self.unchanged,
            "files_written": self.files_written,
            "files_deleted": self.files_deleted,
            "rows": dict(sorted(self.rows.items())),
            "rejected": [
                {"what": what, "reason": "damaged", "detail": why}
                for what, why in sorted(self.rejected.items())
            ],
            "left_for_later": sorted(self.left_for_later),
        }


def chosen_tables(names: Sequence[str] | None) -> list[str]:
    """
    Give the tables to write, in the order of `TABLES`.

    Raises:
        ValueError: One is not known, or none is named.
    """
    unknown = sorted(set(names or ()) - TABLES.keys())
    if unknown:
        raise ValueError(f"no table {unknown[0]!r}. There are: {', '.join(TABLES)}")
    if names is not None and not names:
        raise ValueError(f"no table is named. There are: {', '.join(TABLES)}")
    return [name for name in TABLES if names is None or name in names]


def build_dataset(
    archive: Archive,
    to: str | os.PathLike[str],
    *,
    tables: Sequence[str] | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    file_format: str | None = None,
    workers: int = 0,
    part_bytes: int = PART_BYTES,
    without: Collection[Key] = (),
    on_progress: Callable[[int, str], None] = lambda _n, _what: None,
) -> DatasetReport:
    """
    Write recordings as a dataset, or bring the one that is there up to date.

    Args:
        archive: Where from.
        to: A folder or store URL of its own.
        tables: Keys of `TABLES`; all when None, or those of the dataset that is there.
        since_ms: Only add recordings that started at or after, epoch milliseconds. What is
            in the dataset already is kept up to date whenever it started.
        until_ms: Only add recordings that started before.
        file_format: ``parquet`` or ``jsonl``; that of the dataset that is there, else
            ``parquet``, when None.
        workers: Processes; 0 means one a core, 1 none but this one.
        part_bytes: Size of a part.
        without: Recordings to leave out, by project and id, as if they were gone.
        on_progress: Called with a number of recordings done, and where it is.

    Raises:
        DatasetError: The place cannot take it.
        ValueError: A table or file format that is not known.
    """
    if file_format is not None and file_format not in SUFFIXES:
        raise ValueError(f"file format {file_format!r} is not one of {', '.join(SUFFIXES)}")
    check_place(archive, os.fspath(to))
    store = Store.open(os.fspath(to))
    return build_into(
        archive,
        store,
        tables=tables,
        since_ms=since_ms,
        until_ms=until_ms,
        file_format=file_format,
        workers=workers,
        part_bytes=part_bytes,
        without=without,
        on_progress=on_progress,
    )


def build_into(
    archive: Archive,
    store: Store,
    *,
    tables: Sequence[str] | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    file_format: str | None = None,
    workers: int = 1,
    part_bytes: int = PART_BYTES,
    without: Collection[Key] = (),
    on_progress: Callable[[int, str], None] = lambda _n, _what: None,
) -> DatasetReport:
    """Do what `build_dataset` does, into an open store."""
    with store.lease("dataset", ttl_s=LEASE_TTL_S) as lease:
        found = open_dataset(store, archive.archive_id, file_format)
        file_format = file_format or (found.file_format if found else "parquet")
        names = chosen_tables(
            tables if tables is not None or found is None else list(found.columns)
        )
        wanted = DatasetFile(
            archive_id=archive.archive_id,
            file_format=file_format,
            columns={name: TABLES[name].schema.names for name in names},
        )
        if wanted != found:
            store.put(DATASET_FILE, msgspec.json.format(msgspec.json.encode(wanted)) + b"\n")
        run = _Run(
            archive, store, lease, names, file_format, part_bytes, frozenset(without), on_progress
        )
        with _executor(archive.store, store, workers) as (pool, width):
            run.all_days(pool, width, since_ms, until_ms)
        return run.report


@dataclass(slots=True)
class _Building:
    """A part on its way: one task a group of tables."""

    day: _DayWork
    members: list[Member]
    waiting: int = 0
    results: list[PartWritten] = field(default_factory=list)


@dataclass(slots=True)
class _DayWork:
    """A day on its way."""

    day: str
    before: list[Part]
    plan: Plan
    parts: list[Part] = field(default_factory=list)
    building: int = 0
    done: bool = False


class _Run:
    """One run over all days."""

    def __init__(
        self,
        archive: Archive,
        store: Store,
        lease: Lease,
        tables: Sequence[str],
        file_format: str,
        part_bytes: int,
        without: frozenset[Key],
        on_progress: Callable[[int, str], None],
    ) -> None:
        self._archive = archive
        self._store = store
        self._lease = lease
        self._tables = tables
        self._file_format = file_format
        self._part_bytes = part_bytes
        self._without = without
        self._on_progress = on_progress
        self._renewed_s = time.monotonic()
        self._asked = 0
        self._logged = False
        self.report = DatasetReport(store.url, tables)

    def all_days(
        self, pool: Executor, width: int, since_ms: int | None, until_ms: int | None
    ) -> None:
        """Plan day after day, keeping the pool busy; write a day down when it is there."""
        running: dict[Future[PartWritten], _Building] = {}
        known = ledger_days(self._store)
        self._asked = self._archive.catalog.count(since_ms=since_ms, until_ms=until_ms)
        for day, wanted in days_of(self._archive, known, since_ms=since_ms, until_ms=until_ms):
            work = self._plan(day, wanted)
            for building in self._start(work):
                while len(running) >= width * _TASKS_A_WORKER:
                    self._advance(running, pool)
                self._submit(building, pool, running)
            self._finish_day(work)
        while running:
            self._advance(running, pool)
        self._sweep()

    def _plan(self, day: str, wanted: Mapping[tuple[str, str], str]) -> _DayWork:
        before = read_day(self._store, day).parts
        members = [m for part in before for m in part.members]
        current = {
            key: member
            for key, member in current_members(
                self._archive, members, wanted, rejected=self.report.rejected
            ).items()
            if key not in self._without
        }
        plan = plan_day(
            before,
            current,
            tables=self._tables,
            file_format=self._file_format,
            target_bytes=self._part_bytes,
        )
        self.report.count(members, current)
        if plan.build:
            self._log()
            register_day(
                self._archive,
                self._store.url,
                day,
                [*members, *current.values()],
                form=self._file_format,
            )
        done = sum(len(part.members) for part in plan.keep)
        self._on_progress(done, day)
        return _DayWork(day, before, plan, parts=self._refreshed(plan.keep, current))

    def _log(self) -> None:
        """Say once a run, before the first file, that recordings leave the archive."""
        if not self._logged:
            log_write(
                self._archive,
                self._store.url,
                form=self._file_format,
                tables=self._tables,
                asked=self._asked,
            )
            self._logged = True

    @staticmethod
    def _refreshed(parts: Sequence[Part], current: Mapping[tuple[str, str], Member]) -> list[Part]:
        """Take the manifests' new fingerprints over, so that they are not read again."""
        return [
            msgspec.structs.replace(part, members=[current[m.key] for m in part.members])
            for part in parts
        ]

    # --- building -------------------------------------------------------------------

    def _start(self, work: _DayWork) -> Iterator[_Building]:
        work.building = len(work.plan.build)
        for members in work.plan.build:
            built = read_built(self._store, self._part_id(members))
            if built is not None:  # by a run that was interrupted
                work.building -= 1
                work.parts.append(msgspec.structs.replace(built, members=members))
                self._on_progress(len(members), work.day)
                continue
            yield _Building(work, members)

    def _part_id(self, members: Sequence[Member]) -> str:
        return part_id(self._file_format, self._tables, members)

    def _submit(
        self, building: _Building, pool: Executor, running: dict[Future[PartWritten], _Building]
    ) -> None:
        building.results = []
        name = self._part_id(building.members)
        groups = [
            group
            for group in (
                [t for t in self._tables if t in WORKED_OUT],
                [t for t in self._tables if t not in WORKED_OUT],
            )
            if group
        ]
        building.waiting = len(groups)
        for group in groups:
            task = PartTask(
                self._archive.store,
                self._store,
                {t: part_key(t, building.day.day, name, self._file_format) for t in group},
                self._file_format,
                building.members,
            )
            running[pool.submit(write_part, task)] = building

    def _advance(self, running: dict[Future[PartWritten], _Building], pool: Executor) -> None:
        """Wait for one task, and do what follows from it."""
        self._keep_lease()
        done, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        for future in done:
            building = running.pop(future)
            result = future.result()
            building.results.append(result)
            building.waiting -= 1
            if building.waiting:
                continue
            bad = {k for r in building.results for k in (*r.damaged, *r.changed)}
            if bad:
                self._leave_out(building)
                building.members = [m for m in building.members if m.key not in bad]
                if building.members:
                    self._submit(building, pool, running)
                    continue
            else:
                self._part_done(building)
            building.day.building -= 1
            self._finish_day(building.day)

    def _leave_out(self, building: _Building) -> None:
        before = {m.key for part in building.day.before for m in part.members}
        damaged = {k: why for r in building.results for k, why in r.damaged.items()}
        changed = {k for r in building.results for k in r.changed} - damaged.keys()
        for key, why in damaged.items():
            self.report.rejected["/".join(key)] = why
        self.report.left_for_later += ["/".join(key) for key in sorted(changed)]
        for key in (*damaged, *changed):
            if key not in before:
                self.report.added -= 1
        self._on_progress(len(damaged) + len(changed), building.day.day)

    def _part_done(self, building: _Building) -> None:
        files = {t: file for r in building.results for t, file in r.files.items()}
        part = Part(
            id=self._part_id(building.members),
            members=building.members,
            files={t: files[t] for t in self._tables},
        )
        self._store.put(built_key(part.id), msgspec.json.encode(part))
        building.day.parts.append(part)
        for table, file in part.files.items():
            self.report.rows[table] += file.rows
            self.report.files_written += file.rows > 0
        self._on_progress(len(part.members), building.day.day)

    def _finish_day(self, work: _DayWork) -> None:
        """Write a day down once its parts are all there, then delete what it no longer has."""
        if work.building or work.done:
            return
        work.done = True
        self._lease.check()
        parts = sorted(work.parts, key=lambda p: (p.members[0].start_ms, p.id))
        self.report.recordings += sum(len(p.members) for p in parts)
        if parts != work.before:
            members = [m for part in parts for m in part.members]
            register_day(self._archive, self._store.url, work.day, members, form=self._file_format)
            if parts:
                self._store.put(day_key(work.day), msgspec.json.encode(Day(parts)))
            else:
                self._store.delete(day_key(work.day))
        kept = {p.id for p in parts}
        for part in work.plan.drop:
            if part.id not in kept:
                self._delete_files(work.day, part.id, part.files)
        for part in parts:
            if part not in work.before:
                self._store.delete(built_key(part.id))

    def _delete_files(self, day: str, part: str, files: Mapping[str, PartFile]) -> None:
        for table, file in files.items():
            if file.rows:
                self._store.delete(part_key(table, day, part, self._file_format))
                self.report.files_deleted += 1

    def _sweep(self) -> None:
        """Delete what killed runs and other sets of tables left, and no ledger names."""
        files = {
            part_key(table, day, part.id, self._file_format)
            for day in ledger_days(self._store)
            for part in read_day(self._store, day).parts
            for table in part.files
        }
        for table in TABLES:
            for info in list(self._store.list(table)):
                if info.key not in files and "/part-" in info.key:
                    self._store.delete(info.key)
                    self.report.files_deleted += 1
        self._store.delete_prefix(f"{LEDGER}/built")

    def _keep_lease(self) -> None:
        if time.monotonic() - self._renewed_s > LEASE_TTL_S / 4:
            self._lease.renew()
            self._renewed_s = time.monotonic()


class _Here(Executor):
    """Does what is submitted at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as e:  # noqa: BLE001 - raised again by result()
            future.set_exception(e)
        return future


class _Processes(_Here):
    """A pool that starts once there was work enough for it; until then tasks are done here."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._work_bytes = 0
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        task = args[0]
        if self._pool is None:
            self._work_bytes += sum(m.bytes + RECORDING_COSTS_BYTES for m in task.members)
            if self._work_bytes < SMALL_WORK_BYTES:
                return super().submit(fn, *args, **kwargs)
            # Not fork: stores and Arrow have threads, which a fork leaves in any state.
            self._pool = ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_ignore_interrupt,
            )
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the process that drives: it stops the workers between files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _executor(archive: Store, dataset: Store, workers: int) -> Iterator[tuple[Executor, int]]:
    """Give a pool and its width: processes, or threads or nothing where stores stay here."""
    workers = workers or os.cpu_count() or 1
    in_memory = any(s.url.startswith("memory:") for s in (archive, dataset))
    if workers <= 1 or in_memory:
        yield _Here(), 1
        return
    try:
        pickle.dumps((archive, dataset))
    except (TypeError, pickle.PicklingError):  # an encrypted archive's keys stay here
        with ThreadPoolExecutor(workers) as threads:
            yield threads, workers
        return
    pool = _Processes(workers)
    try:
        yield pool, workers
    finally:  # after Ctrl-C and failures too: a file being written is finished first
        pool.shutdown(wait=True, cancel_futures=True)


def check_place(archive: Archive, to: str) -> None:
    """
    Refuse a place inside the archive or around it.

    Raises:
        DatasetError: It is.
    """
    inside = f"{archive.store.url.rstrip('/')}/"
    there = f"{Store.open(to).url.rstrip('/')}/"
    if there.startswith(inside) or inside.startswith(there):
        raise DatasetError(
            f"{there} and the archive {inside} hold each other. Name a place beside it with --to"
        )
