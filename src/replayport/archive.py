"""
An archive: a store, a catalog over it, and the recordings inside.

```
<archive>/
├── archive.json                        <- Archive.open makes it, where it may
├── .leases/                            one a recording being written
├── recordings/<project>/<yyyy>/<mm>/<dd>/<recording_id>/
│   ├── events.parquet, analytics.parquet, assets.json
│   └── manifest.json                   written last: with it the recording exists
├── assets/<ab>/<sha256>                what was frozen, once for all recordings
├── annotations/<project>/<id>.json     notes, tags, who it was: see `replayport.annotations`
├── tombstones/                         what was erased and is kept out; also audit/, ledger/, …
└── catalog.sqlite                      a cache of the manifests
```

Order of writing is files, manifest, catalog row: an orphan file is harmless, a row or
a manifest without its file is not. A rewrite puts its files beside the old ones
(``events.parquet.next``), then ``manifest.next.json``, then in place: a crash before the
marker leaves the old recording, after it `Archive.recover` finishes the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from replayport import __version__
from replayport.catalog import open_catalog, open_read_only
from replayport.catalog.base import Catalog, RecordingRow
from replayport.draft import RecordingDraft
from replayport.encryption import SETTING, EncryptedStore, KeyRing
from replayport.errors import (
    ArchiveError,
    CatalogError,
    DamagedRecordingError,
    ErasedRecordingError,
    ObjectExistsError,
    RecordingError,
    RecordingNotFoundError,
)
from replayport.format.assets import ASSETS, ASSETS_FILE, asset_key
from replayport.format.reader import Recording
from replayport.format.schema import (
    ANALYTICS_FILE,
    EVENTS_FILE,
    EVENTS_SCHEMA,
    MANIFEST_FILE,
    compact_level,
)
from replayport.format.searchable import searchable_columns, searchable_of
from replayport.format.writer import encode_analytics, encode_events, reencode_events
from replayport.outcomes import FINDING_MEANINGS, RejectReason
from replayport.reading import ArchiveScan, Recordings, sql
from replayport.recording import (
    FileInfo,
    Finding,
    Manifest,
    Person,
    recording_prefix,
    safe_id,
    safe_project,
    storable,
)
from replayport.rrweb.activity import activity_of, sparkline
from replayport.store import Store
from replayport.timeutil import Moment, moment_ms
from replayport.tombstones import Tombstones, fingerprint

ARCHIVE_FILE: Final = "archive.json"
ARCHIVE_FORMAT: Final = "replayport-archive"
ARCHIVE_VERSION: Final = 1
ENCRYPTED_VERSION: Final = 2
"""Of an archive that is encrypted: who knows version 1 only must refuse it."""
CATALOG_FILE: Final = "catalog.sqlite"
RECORDINGS: Final = "recordings/"
ANNOTATIONS: Final = "annotations/"
"""What people said about recordings, see `replayport.annotations`."""
NEXT_MANIFEST_FILE: Final = "manifest.next.json"
NEXT_SUFFIX: Final = ".next"
"""Ends the names of a rewrite's files until ``manifest.next.json`` says they are all there."""

MAX_BLOCK_ENDS: Final = 10_000
"""Ends of source blocks kept in a manifest; a day of recording has fewer."""

LEASE_TTL_S: Final = 120.0
"""A writer that dies blocks its one recording for this long; others wait as long for it."""


class _ArchiveFile(msgspec.Struct):
    format: str
    format_version: int
    archive_id: str
    created_ms: int
    encryption: dict[str, str] | None = None
    """``ring_id`` of the key ring, and ``state``: ``on``, or ``migrating``. None when plain."""


class _Tagged(msgspec.Struct):
    project: str
    id: str
    tags: list[str] = []


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a draft."""

    id: str
    project: str
    written: bool
    """False when the archive had it already and it was left alone."""
    findings: Counter[str] = field(default_factory=Counter)


class BeforeStoring(Protocol):
    """Changes recordings before they are stored."""

    def draft(self, draft: RecordingDraft, *, now_ms: int) -> tuple[RecordingDraft, dict[str, Any]]:
        """Give what to store, and the entry of its privacy log."""
        ...

    def files(
        self, manifest: Manifest, files: Mapping[str, bytes], *, now_ms: int
    ) -> tuple[Manifest, dict[str, bytes]]:
        """Do so with a recording whose files are made."""
        ...


class Archive:
    """
    Recordings in a store, found through a catalog. Make one with `open`.

    Safe for several threads and processes at once: each recording is written under a
    lease in the store.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        archive_id: str,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.store = store
        self.catalog = catalog
        self.before_storing: BeforeStoring | None = None
        """Redaction of what comes in, where that is asked for (`replayport.redacting`)."""
        self.archive_id = archive_id
        self.tombstones = Tombstones(store)
        self._now_ms = now_ms

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        create: bool = False,
        catalog_url: str = "",
        rebuild_catalog: bool = False,
        key_ring: str = "",
    ) -> Archive:
        """
        Open an archive.

        Args:
            url: A folder, or ``s3://``, ``gs://``, ``az://``, ``memory://``.
            create: Make one when there is none.
            catalog_url: ``sqlite:///path`` or ``postgresql://…``; when empty,
                ``catalog.sqlite`` in a local archive, else a file in the user's cache
                folder, filled from the manifests on first use. Of a folder that cannot be
                written, such as a mounted backup, the first as it lies if nobody is at it.
            rebuild_catalog: Replace a catalog that is damaged or of another version; what
                it kept besides rows (how far pulls got) is lost. For `reindex`.
            key_ring: Folder or store URL of the keys of an encrypted archive; one that is
                made becomes encrypted. Empty for one that is not.

        Raises:
            ArchiveError: There is none (and ``create`` is false), it is newer, or it is
                encrypted and no key ring, or another's, was given.
            SettingsError: The key ring is not there or does not read.
        """
        store = Store.open(str(url))
        try:
            raw = store.get(ARCHIVE_FILE)
        except FileNotFoundError:
            if not create:
                raise ArchiveError(
                    f"there is no archive at {store.url}. "
                    "Pull or import something into it first, or name another with --archive"
                ) from None
            raw = cls._create(store, key_ring)
        try:
            info = msgspec.json.decode(raw, type=_ArchiveFile)
        except msgspec.DecodeError as e:
            raise ArchiveError(
                f"{ARCHIVE_FILE} at {store.url} does not parse. This is not an archive, or the "
                "file was damaged"
            ) from e
        if info.format != ARCHIVE_FORMAT or info.format_version > ENCRYPTED_VERSION:
            raise ArchiveError(
                f"{store.url} is {info.format!r:.40} version {info.format_version}; this package "
                f"reads {ARCHIVE_FORMAT!r} up to {ENCRYPTED_VERSION}. Upgrade replayport"
            )
        try:
            archive_id = str(uuid.UUID(info.archive_id))
        except ValueError as e:  # it names a file in the cache folder
            raise ArchiveError(
                f"{ARCHIVE_FILE} at {store.url} has an archive_id that is no UUID. "
                "The file was changed by hand"
            ) from e
        store = _decrypting(store, info, key_ring)
        if catalog_url:
            catalog, is_new = open_catalog(catalog_url, rebuild=rebuild_catalog), False
        else:
            catalog, is_new = _own_catalog(store, archive_id, rebuild=rebuild_catalog)
        archive = cls(store, catalog, archive_id)
        is_new = is_new or catalog.was_outdated
        if is_new and next(store.list(RECORDINGS), None) is not None:
            archive.reindex()
        return archive

    @staticmethod
    def _create(store: Store, key_ring: str) -> bytes:
        now_ms = time.time_ns() // 1_000_000
        info = _ArchiveFile(ARCHIVE_FORMAT, ARCHIVE_VERSION, str(uuid.uuid4()), now_ms)
        if key_ring:
            _check_outside(store, key_ring)
            ring = KeyRing.open(key_ring, create=True, now_ms=now_ms)
            info.format_version = ENCRYPTED_VERSION
            info.encryption = {"ring_id": ring.ring_id, "state": "on"}
        raw = _encode_archive_file(info)
        try:
            store.put_new(ARCHIVE_FILE, raw)
        except ObjectExistsError:  # another process was first
            return store.get(ARCHIVE_FILE)
        return raw

    @classmethod
    def encrypt(
        cls, url: str | Path, key_ring: str, *, on_object: Callable[[str], None] = lambda _: None
    ) -> int:
        """
        Encrypt an archive that is not, object by object. Nobody else may use it meanwhile.

        Done again after it was cut, it goes on; until it is done, objects of both kinds are
        read.

        Args:
            url: The archive.
            key_ring: Folder or store URL for its keys, outside the archive.
            on_object: Called with each key, for progress.

        Returns:
            How many objects were encrypted.

        Raises:
            ArchiveError: There is none, or it is encrypted with another ring.
        """
        inner = Store.open(str(url))
        _check_outside(inner, key_ring)
        try:
            info = msgspec.json.decode(inner.get(ARCHIVE_FILE), type=_ArchiveFile)
        except (FileNotFoundError, msgspec.DecodeError) as e:
            raise ArchiveError(f"there is no archive at {inner.url} to encrypt") from e
        ring = KeyRing.open(key_ring, create=True, now_ms=time.time_ns() // 1_000_000)
        if info.encryption is not None and info.encryption["ring_id"] != ring.ring_id:
            raise ArchiveError(f"{inner.url} is encrypted with another key ring than {ring.url}")
        if info.encryption is None:
            info.format_version = ENCRYPTED_VERSION
            info.encryption = {"ring_id": ring.ring_id, "state": "migrating"}
            inner.put(ARCHIVE_FILE, _encode_archive_file(info))
        store = EncryptedStore(inner, ring, plain_allowed=True)
        n = 0
        for object_ in list(inner.list()):
            n += store.encrypt_object(object_.key)
            on_object(object_.key)
        info.encryption = {**info.encryption, "state": "on"}
        inner.put(ARCHIVE_FILE, _encode_archive_file(info))
        return n

    def close(self) -> None:
        """Let go of the catalog's connections."""
        self.catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def now_ms(self) -> int:
        """Give the time it stamps what it writes with, epoch milliseconds."""
        return self._now_ms()

    # --- reading --------------------------------------------------------------------

    def recording(self, recording_id: str) -> Recording:
        """
        Open one recording.

        Args:
            recording_id: Its id, or ``project/id`` where two projects share it.

        Raises:
            RecordingNotFoundError: Not in this archive.
            AmbiguousRecordingError: In several projects.
            DamagedRecordingError: Its manifest is missing or does not read.
        """
        row = self.row(recording_id)
        return self.recording_at(row.key_prefix)

    def row(self, recording_id: str) -> RecordingRow:
        """Give the catalog's row of a recording; ``project/id`` is understood."""
        project, slash, bare = recording_id.rpartition("/")
        return self.catalog.get(bare if slash else recording_id, project=project or None)

    def recordings(
        self, *, since: Moment | None = None, until: Moment | None = None, **filters: Any
    ) -> Recordings:
        """
        Give recordings, newest first, to go through or as a table.

        Args:
            since: Started at or after: ``2026-11-01``, ``7d``, a datetime, epoch milliseconds.
            until: Started before.
            filters: Others, as in `Catalog.list`.
        """
        chosen = _with_times(filters, since, until)
        return Recordings(self.store, lambda: self.catalog.list(**chosen), self.recording_at)

    def events(
        self,
        *,
        kinds: Collection[str] | None = None,
        columns: Sequence[str] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        skip_damaged: bool = False,
        **filters: Any,
    ) -> ArchiveScan:
        """
        Give the events of many recordings as one lazy table, ``events``.

        Args:
            kinds: Only these, as in the column ``kind``.
            columns: Names from the table; all when None. The JSON texts are most of it.
            since: Of recordings that started at or after, as in `recordings`.
            until: Of recordings that started before.
            skip_damaged: Leave a damaged recording out, and name it in ``skipped``,
                instead of raising.
            filters: Others, as in `Catalog.list`.
        """
        return self.scan(
            "events",
            columns=columns,
            kinds=kinds,
            since=since,
            until=until,
            skip_damaged=skip_damaged,
            **filters,
        )

    def actions(self, **options: Any) -> ArchiveScan:
        """Give what users did in many recordings; options as in `scan`."""
        return self.scan("actions", **options)

    def signals(self, **options: Any) -> ArchiveScan:
        """Give the moments of trouble in many recordings; options as in `scan`."""
        return self.scan("signals", **options)

    def features(self, **options: Any) -> ArchiveScan:
        """Give numbers about many recordings, one row each; options as in `scan`."""
        return self.scan("features", **options)

    def console(self, **options: Any) -> ArchiveScan:
        """Give the console lines of many recordings; options as in `scan`."""
        return self.scan("console", **options)

    def network(self, **options: Any) -> ArchiveScan:
        """Give the network requests of many recordings; options as in `scan`."""
        return self.scan("network", **options)

    def analytics(self, **options: Any) -> ArchiveScan:
        """Give the analytics events of many recordings; options as in `scan`."""
        return self.scan("analytics", **options)

    def scan(
        self,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        kinds: Collection[str] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        skip_damaged: bool = False,
        **filters: Any,
    ) -> ArchiveScan:
        """
        Give one of the tables over many recordings, unread, oldest recording first.

        Args:
            table: Key of `replayport.format.tables.TABLES`.
            columns: Names from its schema; all when None.
            kinds: Only events of these kinds, for ``events``.
            since: As in `events`.
            until: As in `events`.
            skip_damaged: As in `events`.
            filters: Others, as in `Catalog.list`.
        """
        chosen = {"order": "start_ms", **_with_times(filters, since, until)}
        return ArchiveScan(
            self.store,
            lambda: self.catalog.list(**chosen),
            self.recording_at,
            table,
            columns=columns,
            kinds=kinds,
            skip_damaged=skip_damaged,
        )

    def sql(self, query: str, parameters: Sequence[Any] | None = None) -> Any:
        """
        Ask DuckDB over all recordings.

        Args:
            query: SQL over the tables of `replayport.format.tables.TABLES`.
            parameters: For ``?`` in the query.

        Returns:
            A DuckDB relation: ``.df()``, ``.pl()``, ``.arrow()``, ``.fetchall()``.

        Raises:
            MissingExtraError: DuckDB is not installed.
        """
        return sql(
            query,
            store=self.store,
            rows=lambda: self.catalog.list(order="start_ms"),
            scan=self.scan,
            parameters=parameters,
        )

    def recording_at(self, prefix: str) -> Recording:
        """Open the recording in a folder of the store; errors as in `recording`."""
        key = f"{prefix}/{MANIFEST_FILE}"
        try:
            raw = self.store.get(key)
        except FileNotFoundError as e:
            raise RecordingNotFoundError(
                "the catalog names a recording whose manifest is gone. It was deleted by hand, "
                f"or by another machine. Run: replayport reindex (key {key})"
            ) from e
        return Recording(self.store, prefix, Manifest.from_bytes(raw, key=key))

    # --- writing --------------------------------------------------------------------

    def has(self, project: str, session_id: str) -> bool:
        """Tell whether a session's recording is here."""
        return self.catalog.has(safe_project(project), safe_id(session_id))

    def write(self, draft: RecordingDraft, *, replace: bool = False) -> Written:
        """
        Store a recording.

        What was frozen for a recording that is replaced stays frozen: the newer draft shows
        the same visit, and the site may have changed since.

        Args:
            draft: With at least one event.
            replace: Write over one that is there; otherwise it is left alone.

        Raises:
            ErasedRecordingError: It was erased, or is of a person who was.
            StoreError: The store refused; nothing of it is visible.
        """
        recording_id = safe_id(draft.session_id)
        project = safe_project(draft.project)
        if not replace and self.catalog.has(project, recording_id):
            return Written(recording_id, project, written=False)
        privacy: list[dict[str, Any]] = []
        if self.before_storing is not None:
            if self.tombstones:  # which know ids, not pseudonyms
                self._refuse_erased(*encode_draft(draft))
                draft = self._without_erased_rows(draft)
            draft, entry = self.before_storing.draft(draft, now_ms=self._now_ms())
            privacy = [entry]
        manifest, files = encode_draft(draft, created_ms=self._now_ms())
        manifest = msgspec.structs.replace(manifest, privacy=privacy)
        written = self._write_files(manifest, files, replace=replace, keep_assets=True)
        if written:
            text = searchable_columns(draft.columns, draft.analytics)
            self.catalog.set_text(
                project, recording_id, text, of_sha256=content_sha256(manifest), is_whole=False
            )
        findings = Counter({f.code: f.count for f in manifest.findings})
        return Written(recording_id, project, written=written, findings=findings)

    def write_files(
        self, manifest: Manifest, files: Mapping[str, bytes], *, replace: bool = False
    ) -> bool:
        """
        Store a recording whose files are made: a draft's, or a bundle's.

        Args:
            manifest: Its ``files`` are filled in from ``files``.
            files: By name: ``events.parquet`` and what else there is. Assets that a bundle
                brings (``assets/<ab>/<sha256>``) go to their shared place.
            replace: Write over one that is there.

        Returns:
            False when one was there and was left alone.

        Raises:
            ErasedRecordingError: It was erased, or is of a person who was.
            ValueError: An asset is not what its name says.
        """
        self._refuse_erased(manifest, files)  # before its assets are stored
        if self.before_storing is not None:
            self._refuse_erased(manifest, files)
            manifest, files = self.before_storing.files(manifest, files, now_ms=self._now_ms())
        assets = {name: data for name, data in files.items() if name.startswith(ASSETS)}
        for name, data in assets.items():
            if name != asset_key(hashlib.sha256(data).hexdigest()):
                raise ValueError(f"an asset of {len(data)} bytes does not match its name")
            self.put_asset(data)
        own = {name: data for name, data in files.items() if name not in assets}
        manifest = msgspec.structs.replace(manifest, files=file_infos(own))
        written = self._write_files(manifest, own, replace=replace, keep_assets=False)
        if written:
            self.index_text(f"{manifest.project}/{manifest.id}")
        return written

    def index_text(self, recording_id: str) -> bool:
        """
        Make a recording found by what its stored events say.

        Returns:
            False when it changed meanwhile or does not read; whoever changes it makes it found.
        """
        try:
            recording = self.recording(recording_id)
            text = searchable_of(recording)
        except RecordingError:
            return False
        manifest = recording.manifest
        return self.catalog.set_text(
            manifest.project, manifest.id, text, of_sha256=content_sha256(manifest)
        )

    def _write_files(
        self,
        manifest: Manifest,
        files: Mapping[str, bytes],
        *,
        replace: bool,
        keep_assets: bool,
        only_over: Manifest | None = None,
    ) -> bool:
        """
        Put a recording under its lease.

        Args:
            manifest: Its ``files`` describe ``files``.
            files: By name.
            replace: Write over one that is there.
            keep_assets: Keep what was frozen for the one that is replaced.
            only_over: Leave one alone that is no longer this.

        Returns:
            False when one was there and was left alone.
        """
        prefix = recording_prefix(manifest.project, manifest.id, manifest.start_ms)
        with self.store.lease(
            f"locks/{manifest.project}/{manifest.id}", ttl_s=LEASE_TTL_S, wait_s=LEASE_TTL_S
        ):
            # Under the lease: an erasure puts its tombstones first and deletes under it, so
            # whoever comes after them is refused, and whoever came before is deleted.
            self._refuse_erased(manifest, files)
            manifest, files = self._without_erased_events(manifest, files)
            old = self._existing(manifest, damaged_is_none=replace)
            if only_over is not None and old != only_over:
                return False
            if old is not None and not replace:
                self.catalog.upsert([row_of(old)])
                return False
            if keep_assets and old is not None and ASSETS_FILE in old.files:
                manifest = msgspec.structs.replace(
                    manifest,
                    assets=old.assets,
                    files={**manifest.files, ASSETS_FILE: old.files[ASSETS_FILE]},
                )
                kept = self.store.get(f"{old.key_prefix}/{ASSETS_FILE}")
                files = {**files, ASSETS_FILE: kept}
            self._put_recording(prefix, manifest, files, old)
            self.catalog.upsert([row_of(manifest)])
        return True

    def rewrite(self, old: Manifest, new: Manifest, files: Mapping[str, bytes]) -> None:
        """
        Put another recording in the place of one that has not changed since it was read.

        Args:
            old: The one that was read.
            new: Its ``files`` describe ``files``; others of the old one are removed.
            files: By name.

        Raises:
            RecordingError: It has changed meanwhile; nothing was written.
        """
        if not self._write_files(new, files, replace=True, keep_assets=False, only_over=old):
            raise RecordingError(
                f"{old.id} has changed while it was worked on: late data came, or another process "
                "rewrote it. Nothing was written. Run the same command again"
            )
        self.index_text(f"{new.project}/{new.id}")

    def erased(
        self, project: str, session_id: str, *, distinct_id: str | None, start_ms: int
    ) -> bool:
        """
        Tell whether a recording would be refused because it was erased.

        Args:
            project: Its project.
            session_id: The source's id.
            distinct_id: Its person; None when not known.
            start_ms: When it began, epoch milliseconds.
        """
        if not self.tombstones:
            return False
        until_ms = self.tombstones.person_until_ms(distinct_id)
        return (until_ms is not None and start_ms < until_ms) or self.tombstones.has_recording(
            project, session_id
        )

    def _refuse_erased(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        if not self.tombstones:
            return
        distinct_id = manifest.person.distinct_id if manifest.person else None
        if (
            self.erased(
                manifest.project,
                manifest.session_id,
                distinct_id=distinct_id,
                start_ms=manifest.start_ms,
            )
            or self.tombstones.has_recording(manifest.project, manifest.id)
            or self.tombstones.has_content(_fingerprint(files.get(EVENTS_FILE)))
        ):
            raise ErasedRecordingError(
                "this recording was erased from the archive, or is of a person who was. It was "
                "not stored. Nothing is to be done; tombstones keep it out"
            )

    def _without_erased_rows(self, draft: RecordingDraft) -> RecordingDraft:
        """Leave out analytics events of persons who were erased, before they lose their id."""
        ids = (r["distinct_id"] for r in draft.analytics if r.get("distinct_id"))
        until = self.tombstones.persons_until_ms(ids)
        kept = [
            r
            for r in draft.analytics
            if r["timestamp_ms"] >= until.get(r.get("distinct_id") or "", -(2**63))
        ]
        return replace(draft, analytics=kept)

    def _without_erased_events(
        self, manifest: Manifest, files: Mapping[str, bytes]
    ) -> tuple[Manifest, Mapping[str, bytes]]:
        """Leave out analytics events of persons who were erased, and count them."""
        if ANALYTICS_FILE not in files or not self.tombstones:
            return manifest, files
        try:
            rows = pq.read_table(pa.BufferReader(files[ANALYTICS_FILE])).to_pylist()
        except (pa.ArrowException, OSError) as e:
            raise DamagedRecordingError(
                f"{ANALYTICS_FILE} does not read ({type(e).__name__}), so it cannot be told whether "
                "it holds events of somebody who was erased. Nothing was stored",
                key=ANALYTICS_FILE,
            ) from e
        until = self.tombstones.persons_until_ms(r["distinct_id"] for r in rows if r["distinct_id"])
        kept = [r for r in rows if r["timestamp_ms"] >= until.get(r["distinct_id"] or "", -(2**63))]
        if len(kept) == len(rows):
            return manifest, files
        return _with_analytics(manifest, files, kept, erased=len(rows) - len(kept))

    def erase_analytics(self, recording_id: str, persons: Mapping[str, int]) -> int:
        """
        Remove analytics events of persons from a recording of somebody else.

        Args:
            recording_id: ``project/id``.
            persons: Distinct id to a time: events before it go.

        Returns:
            How many were removed.
        """
        recording = self.recording(recording_id)
        project, bare = recording.manifest.project, recording.manifest.id
        with self.store.lease(f"locks/{project}/{bare}", ttl_s=LEASE_TTL_S, wait_s=LEASE_TTL_S):
            recording = self.recording_at(self.row(f"{project}/{bare}").key_prefix)
            old = recording.manifest
            rows = recording.analytics_table().to_pylist()
            kept = [
                r
                for r in rows
                if r["timestamp_ms"] >= persons.get(r["distinct_id"] or "", -(2**63))
            ]
            if len(kept) == len(rows):
                return 0
            manifest, files = _with_analytics(old, {}, kept, erased=len(rows) - len(kept))
            self._put_recording(old.key_prefix, manifest, files, old)
            self.catalog.upsert([row_of(manifest)])
        return len(rows) - len(kept)

    def add_files(
        self,
        recording_id: str,
        files: Mapping[str, bytes],
        change: Callable[[Manifest], Manifest] = lambda manifest: manifest,
    ) -> Manifest:
        """
        Put files beside a recording's events, which are neither read nor written.

        Args:
            recording_id: Its id, or ``project/id``.
            files: By name; one of the same name is replaced.
            change: Makes the new manifest of the newest one, under the recording's lease;
                ``files`` is filled in afterwards.

        Returns:
            The manifest written.
        """
        recording = self.recording(recording_id)
        project, bare = recording.manifest.project, recording.manifest.id
        with self.store.lease(f"locks/{project}/{bare}", ttl_s=LEASE_TTL_S, wait_s=LEASE_TTL_S):
            old = self.recording_at(self.row(f"{project}/{bare}").key_prefix).manifest
            manifest = change(old)
            manifest = msgspec.structs.replace(
                manifest, files={**manifest.files, **file_infos(files)}
            )
            self._put_recording(old.key_prefix, manifest, files, old)
            self.catalog.upsert([row_of(manifest)])
        return manifest

    def put_asset(self, data: bytes, *, mend: bool = False) -> str:
        """
        Store an asset by its content; one that is there is left alone.

        Args:
            data: Its bytes.
            mend: Write it all the same, over one that may be damaged.

        Returns:
            Its SHA-256.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        key = asset_key(sha256)
        # The name is the content, so whoever writes it writes the same, and no order matters.
        if mend or not self.store.exists(key):
            self.store.put(key, data)
        return sha256

    def _existing(self, manifest: Manifest, *, damaged_is_none: bool = False) -> Manifest | None:
        """
        Find the stored manifest of the same recording, wherever its date put it.

        One that does not read stops a writer, unless it is about to be replaced anyway.
        """
        prefixes = [recording_prefix(manifest.project, manifest.id, manifest.start_ms)]
        # Asked first, because `get` of what is not there looks for similar ids to suggest:
        # storing a new recording would take longer the more there are.
        if self.catalog.has(manifest.project, manifest.id):
            with contextlib.suppress(RecordingNotFoundError):
                prefixes.append(self.catalog.get(manifest.id, project=manifest.project).key_prefix)
        for prefix in dict.fromkeys(prefixes):
            try:
                return self.recording_at(prefix).manifest
            except RecordingNotFoundError:
                continue
            except DamagedRecordingError:
                if not damaged_is_none:
                    raise
        return None

    def _put_recording(
        self, prefix: str, manifest: Manifest, files: Mapping[str, bytes], old: Manifest | None
    ) -> None:
        """
        Put a recording's files and manifest, under its lease.

        Over an old one in the same folder the new files are put beside it first, then
        ``manifest.next.json``; from there on the rewrite can be finished by anybody
        (`recover`), and until then the old recording stands untouched.
        """
        raw = manifest.to_bytes()
        if old is not None and old.key_prefix == prefix:
            for name, data in files.items():
                self.store.put(f"{prefix}/{name}{NEXT_SUFFIX}", data)
            self.store.put(f"{prefix}/{NEXT_MANIFEST_FILE}", raw)
            self._finish_rewrite(prefix, manifest, raw, files, old)
            return
        for name, data in files.items():
            self.store.put(f"{prefix}/{name}", data)
        self.store.put(f"{prefix}/{MANIFEST_FILE}", raw)
        if old is not None:
            self._delete_at(old.key_prefix, old)

    def _finish_rewrite(
        self,
        prefix: str,
        manifest: Manifest,
        raw: bytes,
        files: Mapping[str, bytes],
        old: Manifest | None,
    ) -> None:
        for name, data in files.items():
            self.store.put(f"{prefix}/{name}", data)
        self.store.put(f"{prefix}/{MANIFEST_FILE}", raw)
        # The marker goes first: a leftover beside a recording without one is waste, no more.
        self.store.delete(f"{prefix}/{NEXT_MANIFEST_FILE}")
        for name in files:
            self.store.delete(f"{prefix}/{name}{NEXT_SUFFIX}")
        for name in (old.files.keys() if old is not None else set()) - manifest.files.keys():
            self.store.delete(f"{prefix}/{name}")

    def recover(self, prefix: str) -> bool:
        """
        Finish a rewrite that was interrupted.

        Returns:
            True when there was one and the new files are now the recording; False when
            there is none, or its writer is alive (or died less than `LEASE_TTL_S` ago).

        Raises:
            DamagedRecordingError: The new manifest does not read.
        """
        next_key = f"{prefix}/{NEXT_MANIFEST_FILE}"
        try:
            manifest = Manifest.from_bytes(self.store.get(next_key), key=next_key)
        except FileNotFoundError:
            return False
        try:
            with self.store.lease(f"locks/{manifest.project}/{manifest.id}", ttl_s=LEASE_TTL_S):
                try:
                    raw = self.store.get(next_key)
                except FileNotFoundError:  # its writer was alive and has ended it
                    return False
                manifest = Manifest.from_bytes(raw, key=next_key)
                files = {}
                for name, info in manifest.files.items():
                    with contextlib.suppress(FileNotFoundError):
                        data = self.store.get(f"{prefix}/{name}{NEXT_SUFFIX}")
                        # A rewrite of some files only may lie over what another one left.
                        if hashlib.sha256(data).hexdigest() == info.sha256:
                            files[name] = data
                try:
                    old = self.recording_at(prefix).manifest
                except RecordingError:
                    old = None
                self._finish_rewrite(prefix, manifest, raw, files, old)
                self.catalog.upsert([row_of(manifest)])
        except ObjectExistsError:
            return False
        return True

    def delete(self, recording_id: str) -> Manifest:
        """
        Remove a recording: its manifest first, so that no half of it is ever listed.

        Returns:
            What was removed.
        """
        recording = self.recording(recording_id)
        manifest = recording.manifest
        with self.store.lease(
            f"locks/{manifest.project}/{manifest.id}", ttl_s=LEASE_TTL_S, wait_s=LEASE_TTL_S
        ):
            self._delete_at(recording.prefix, manifest)
            self.store.shred(f"{recording.prefix}/{MANIFEST_FILE}")
            self.store.delete(f"{ANNOTATIONS}{manifest.project}/{manifest.id}.json")
            self.catalog.delete(manifest.project, manifest.id)
        return manifest

    def erase_folders(self, project: str, recording_id: str, prefixes: Iterable[str]) -> int:
        """
        Remove every object in a recording's folders, leftovers of cut writes too, and its row.

        Args:
            project: Its project.
            recording_id: Its id.
            prefixes: Its folders: several when a crash cut its move to another day.

        Returns:
            How many objects there were.
        """
        n = 0
        name = f"{project}/{recording_id}"
        with (
            # Sealing holds the first of these while it reads, adds and writes.
            self.store.lease(f"locks/capture/{name}", ttl_s=LEASE_TTL_S, wait_s=LEASE_TTL_S),
            self.store.lease(f"locks/{name}", ttl_s=LEASE_TTL_S, wait_s=LEASE_TTL_S),
        ):
            for prefix in prefixes:
                # The manifest first, so that no half of it is ever listed.
                for name in (MANIFEST_FILE, NEXT_MANIFEST_FILE):
                    n += self.store.exists(f"{prefix}/{name}")
                    self.store.delete(f"{prefix}/{name}")
                n += self.store.delete_prefix(prefix)
            n += self.store.exists(f"{ANNOTATIONS}{project}/{recording_id}.json")
            self.store.delete(f"{ANNOTATIONS}{project}/{recording_id}.json")
            self.store.shred(f"{recording_prefix(project, recording_id, 0)}/{MANIFEST_FILE}")
            self.catalog.delete(project, recording_id)
        return n

    def _delete_at(self, prefix: str, manifest: Manifest) -> None:
        for name in (MANIFEST_FILE, NEXT_MANIFEST_FILE, *manifest.files):
            self.store.delete(f"{prefix}/{name}")
        for name in manifest.files:
            self.store.delete(f"{prefix}/{name}{NEXT_SUFFIX}")

    # --- care -----------------------------------------------------------------------

    def prefixes(self) -> Iterator[str]:
        """Yield the folder of each recording in the store, whatever the catalog says."""
        for info in self.store.list(RECORDINGS):
            if info.key.endswith(f"/{MANIFEST_FILE}"):
                yield info.key[: -len(MANIFEST_FILE) - 1]

    def reindex(self, *, on_recording: Callable[[str], None] = lambda _: None) -> int:
        """
        Make the catalog anew from the manifests.

        Args:
            on_recording: Called with each folder, for progress.

        Returns:
            How many recordings there are. Manifests that do not read are skipped;
            `verify` names them.
        """
        seen: set[tuple[str, str]] = set()
        rows: list[RecordingRow] = []
        for prefix in self.prefixes():
            on_recording(prefix)
            try:
                self.recover(prefix)
                manifest = self.recording_at(prefix).manifest
            except RecordingError:  # verify names it; one bad manifest must not hide the rest
                continue
            rows.append(row_of(manifest))
            seen.add((manifest.project, manifest.id))
            if len(rows) >= 500:
                self._upsert_unerased(rows)
                rows = []
        self._upsert_unerased(rows)
        gone = [(r.project, r.id) for r in self.catalog.list() if (r.project, r.id) not in seen]
        for project, recording_id in gone:
            self.catalog.delete(project, recording_id)
        for project, recording_id, tags in self._tags():
            self.catalog.set_tags(project, recording_id, tags)
        for row in self.catalog.without_text():
            on_recording(row.key_prefix)
            self.index_text(f"{row.project}/{row.id}")
        return len(seen)

    def _tags(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield what people called recordings (`replayport.annotations`)."""
        for info in self.store.list(ANNOTATIONS):
            try:
                found = msgspec.json.decode(self.store.get(info.key), type=_Tagged)
            except (msgspec.DecodeError, UnicodeDecodeError, FileNotFoundError):
                continue  # the recording's page says what is wrong with it
            yield found.project, found.id, found.tags

    def _upsert_unerased(self, rows: list[RecordingRow]) -> None:
        """Add rows of manifests read a while ago, less what was erased since."""
        self.catalog.upsert(
            r for r in rows if not self.tombstones.has_recording(r.project, r.session_id)
        )

    def compact(self, recording_id: str) -> tuple[int, int]:
        """
        Write a recording's events again, compressed harder. Its events do not change.

        Returns:
            Bytes of ``events.parquet`` before and after; equal when it was compact.
        """
        recording = self.recording(recording_id)
        manifest = recording.manifest
        before = manifest.files[EVENTS_FILE].bytes
        level = compact_level(manifest.raw_bytes)
        if manifest.provenance.get("zstd_level") == level:
            return before, before
        files = {name: recording.file(name) for name in manifest.files}
        events = reencode_events(
            (_one_batch(b) for b in recording.batches()),
            level=level,
            footer=recording.footer,
        )
        if len(events) < before:
            files[EVENTS_FILE] = events
        compacted = msgspec.structs.replace(
            manifest,
            files=file_infos(files),
            provenance={**manifest.provenance, "zstd_level": level},
        )
        if not self._write_files(
            compacted, files, replace=True, keep_assets=False, only_over=manifest
        ):
            return before, before  # it has grown meanwhile; the next run compacts that
        self.index_text(f"{manifest.project}/{manifest.id}")
        return before, len(files[EVENTS_FILE])


def _encode_archive_file(info: _ArchiveFile) -> bytes:
    values = msgspec.to_builtins(info)
    if info.encryption is None:
        del values["encryption"]
    return msgspec.json.format(msgspec.json.encode(values))


def _decrypting(store: Store, info: _ArchiveFile, key_ring: str) -> Store:
    """Put the decryption around a store, or refuse what does not fit together."""
    if info.encryption is None:
        if key_ring:
            raise ArchiveError(
                f"{SETTING} is set, and the archive at {store.url} is not encrypted. Nothing was "
                "read or written. Encrypt it: replayport keys encrypt; or unset it"
            )
        return store
    if not key_ring:
        raise ArchiveError(
            f"the archive at {store.url} is encrypted. Name its key ring with the setting {SETTING}"
        )
    ring = KeyRing.open(key_ring)
    if ring.ring_id != info.encryption.get("ring_id"):
        raise ArchiveError(
            f"the key ring {ring.url} is not that of the archive at {store.url}. Correct the "
            f"setting {SETTING}"
        )
    return EncryptedStore(store, ring, plain_allowed=info.encryption.get("state") == "migrating")


def _check_outside(store: Store, key_ring: str) -> None:
    """Refuse a key ring inside the archive: whoever copies the archive would have the keys."""
    ring_url = Store.open(key_ring).url
    if f"{ring_url}/".startswith(f"{store.url}/"):
        raise ArchiveError(
            f"the key ring {ring_url} is inside the archive. Every copy of the archive would hold "
            "its keys. Put it elsewhere"
        )


def _with_times(
    filters: Mapping[str, Any], since: Moment | None, until: Moment | None
) -> dict[str, Any]:
    times = {"since_ms": moment_ms(since), "until_ms": moment_ms(until)}
    return {**filters, **{name: ms for name, ms in times.items() if ms is not None}}


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def _own_catalog(store: Store, archive_id: str, *, rebuild: bool) -> tuple[Catalog, bool]:
    """Open the catalog of an archive that names none; tell whether it is new, and so empty."""
    path = store.local_path(CATALOG_FILE)
    if path is not None and not _is_writable(path.parent):
        # With a log beside it somebody writes to it, or died; then it does not stand alone.
        if path.exists() and not path.with_name(f"{path.name}-wal").exists():
            with contextlib.suppress(CatalogError):
                return open_read_only(path), False
        path = None
    if path is None:
        path = cache_folder() / f"{archive_id}.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    return open_catalog(f"sqlite:///{path}", rebuild=rebuild), is_new


def encode_draft(
    draft: RecordingDraft, *, created_ms: int = 0
) -> tuple[Manifest, dict[str, bytes]]:
    """
    Make a recording's files of a draft, without storing them.

    Args:
        draft: With at least one event.
        created_ms: Epoch milliseconds for the manifest.

    Returns:
        The manifest, its ``files`` filled in, and the files by name.
    """
    recording_id = safe_id(draft.session_id)
    project = safe_project(draft.project)
    events, summary = encode_events(
        draft.columns,
        metadata={
            "id": recording_id,
            "project": project,
            "session_id": storable(draft.session_id)[:200],
        },
    )
    files = {EVENTS_FILE: events}
    if draft.analytics:
        files[ANALYTICS_FILE] = encode_analytics(draft.analytics)
    findings = summary.findings + draft.findings
    if draft.missing:
        findings["missing_block"] += len(draft.missing)
    if draft.rejected:
        findings["rejected_events"] += draft.rejected.total()
    manifest = Manifest(
        id=recording_id,
        project=project,
        session_id=storable(draft.session_id),
        start_ms=summary.start_ms,
        end_ms=summary.end_ms,
        duration_ms=summary.end_ms - summary.start_ms,
        events=summary.events,
        raw_bytes=summary.raw_bytes,
        windows=summary.windows,
        kinds=summary.kinds,
        urls=summary.urls,
        first_url=summary.urls[0] if summary.urls else None,
        viewport=summary.viewport,
        snapshot_source=summary.snapshot_source,
        console_errors=summary.console_errors,
        analytics_events=len(draft.analytics),
        llm_events=sum(str(row.get("event", "")).startswith("$ai_") for row in draft.analytics),
        activity=activity_of(draft.columns),
        person=(
            Person(
                distinct_id=storable(draft.person.distinct_id),
                properties=draft.person.properties,
            )
            if draft.person
            else None
        ),
        complete=not draft.missing,
        missing=draft.missing,
        findings=[
            Finding(code=code, count=n, detail=FINDING_MEANINGS.get(code, ""))
            for code, n in sorted(findings.items())
        ],
        rejected={reason.value: n for reason, n in sorted(draft.rejected.items())},
        source=draft.source,
        provenance=_provenance(draft),
        created_ms=created_ms,
        software=f"replayport {__version__}",
        files={},
    )
    return msgspec.structs.replace(manifest, files=file_infos(files)), files


def _provenance(draft: RecordingDraft) -> dict[str, Any]:
    """Say where the source's blocks ended, when it had some and all events came in one."""
    ends = list(draft.columns.block_ends)
    whole = bool(ends) and ends[-1] == len(draft.columns) and len(ends) <= MAX_BLOCK_ENDS
    return {**draft.provenance, **({"source_block_ends": ends} if whole else {})}


def row_of(manifest: Manifest) -> RecordingRow:
    """Give the catalog's row of a manifest."""
    return RecordingRow(
        id=manifest.id,
        project=manifest.project,
        session_id=manifest.session_id,
        key_prefix=manifest.key_prefix,
        start_ms=manifest.start_ms,
        end_ms=manifest.end_ms,
        duration_ms=manifest.duration_ms,
        events=manifest.events,
        windows=len(manifest.windows),
        source=str(manifest.source.get("kind", "")),
        distinct_id=manifest.person.distinct_id if manifest.person else None,
        first_url=manifest.first_url,
        snapshot_source=manifest.snapshot_source,
        complete=manifest.complete,
        archived_bytes=sum(f.bytes for f in manifest.files.values()),
        raw_bytes=manifest.raw_bytes,
        clicks=manifest.clicks,
        inputs=manifest.kinds.get("input", 0),
        errors=manifest.console_errors,
        created_ms=manifest.created_ms,
        format_version=manifest.format_version,
        urls_text="\n".join(manifest.urls),
        person_label=_label(manifest.person),
        llm_events=manifest.llm_events,
        activity=sparkline(manifest.activity),
        content_sha256=content_sha256(manifest),
    )


def content_sha256(manifest: Manifest) -> str:
    """Give a digest of what a recording says: of its events, and of its analytics."""
    digests = [
        info.sha256
        for name in (EVENTS_FILE, ANALYTICS_FILE)
        if (info := manifest.files.get(name)) is not None
    ]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest() if digests else ""


def _label(person: Person | None) -> str | None:
    """Give what to call a person: their e-mail or name, when the source said one."""
    for key in ("email", "$email", "name", "$name", "username"):
        value = person.properties.get(key) if person else None
        if isinstance(value, str) and value.strip():
            return storable(value.strip())[:200]
    return None


def _with_analytics(
    manifest: Manifest, files: Mapping[str, bytes], rows: list[dict[str, Any]], *, erased: int
) -> tuple[Manifest, dict[str, bytes]]:
    """Put other analytics into a recording; the events left out are counted as rejected."""
    made = {name: data for name, data in files.items() if name != ANALYTICS_FILE}
    infos = {name: info for name, info in manifest.files.items() if name != ANALYTICS_FILE}
    if rows:
        made[ANALYTICS_FILE] = encode_analytics(rows)
        infos |= file_infos({ANALYTICS_FILE: made[ANALYTICS_FILE]})
    reason = RejectReason.ERASED.value
    counted = {**manifest.rejected, reason: manifest.rejected.get(reason, 0) + erased}
    return (
        msgspec.structs.replace(
            manifest, analytics_events=len(rows), rejected=counted, files=infos
        ),
        made,
    )


def _fingerprint(events: bytes | None) -> str | None:
    """Give the fingerprint of an ``events.parquet``; None when it does not read."""
    if events is None:
        return None
    try:
        table = pq.ParquetFile(pa.BufferReader(events)).read_row_group(
            0, columns=["timestamp_ms", "type"]
        )
    except (pa.ArrowException, OSError):
        return None
    return fingerprint(table["timestamp_ms"].to_numpy(), table["type"].to_numpy())


def file_infos(files: Mapping[str, bytes]) -> dict[str, FileInfo]:
    """Give sizes and digests of files, as a manifest lists them."""
    return {
        name: FileInfo(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    }


def _one_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.cast(EVENTS_SCHEMA)


def cache_folder() -> Path:
    """Say where catalogs and inboxes of archives elsewhere are: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "replayport"
