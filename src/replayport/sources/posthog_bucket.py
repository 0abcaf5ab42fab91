"""
Recordings straight from a self-hosted PostHog's bucket.

```
v2  <prefix>/<retention>/<ms>-<hex>      blocks of many sessions back to back; which bytes
                                         are whose says ClickHouse, or a file from it
    <lts prefix>/<uuid>                  long-term copy: one block, the whole recording
v1  session_recordings/team_id/<t>/session_id/<s>/data/<first ms>-<last ms>
                                         gzip, one folder a session: needs no listing
```

Blocks of PostHog Cloud are encrypted per session and cannot be read here.

Source:
    posthog ``s3-session-batch-writer.ts``, ``session_recording_v2_service.py``,
    ``session_recording_ingester`` of 2023.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final
from urllib.parse import unquote, urlsplit

from replayport.errors import (
    SourceDataError,
    SourceError,
    SourceGoneError,
    SourceNotFoundError,
    StoreError,
)
from replayport.limits import MAX_RECORDING_BYTES
from replayport.outcomes import RejectReason
from replayport.posthog.blocks import BlockAddress, iter_lines, parse_block_url
from replayport.posthog.lines import EventDecoder
from replayport.recording import Person
from replayport.sources.base import RecordingDraft, RecordingRef
from replayport.sources.posthog_listing import BlockListing, ListedBlock, ListedRecording
from replayport.store import Store

KIND: Final = "posthog-bucket"
V1_FOLDER: Final = "session_recordings"

_BLOB_NAME: Final = re.compile(r"(\d{10,16})-(\d{10,16})")
_REMEMBERED: Final = 1000
"""Listed recordings kept for their fetch, which follows at once."""


class V1Folders:
    """
    A listing made by walking a v1 bucket: the folders say it all.

    Sessions come in the order of their ids, not of time.
    """

    oldest_first: Final = False

    def __init__(self, store: Store, team_id: str | int, *, folder: str = V1_FOLDER) -> None:
        """
        Args:
            store: The bucket.
            team_id: PostHog's project number.
            folder: ``session_recordings``, or ``session_recordings_lts`` for long-term copies.
        """
        self.key = f"v1 {folder} {team_id}"
        self._store = store
        self._prefix = f"{folder.strip('/')}/team_id/{team_id}/session_id"

    def recordings(
        self, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> Iterator[ListedRecording]:
        """Yield the sessions that started in ``[since_ms, until_ms)``."""
        keys = (info.key for info in self._store.list(self._prefix))
        for session_id, found in groupby(keys, key=self._session):
            recording = self._recording(session_id, list(found))
            if (
                recording is not None
                and (since_ms is None or recording.start_ms >= since_ms)
                and (until_ms is None or recording.start_ms < until_ms)
            ):
                yield recording

    def find(self, session_id: str, *, start_ms: int) -> ListedRecording | None:  # noqa: ARG002
        """Find one session; None when it has no folder."""
        try:
            keys = [info.key for info in self._store.list(f"{self._prefix}/{session_id}/data")]
        except ValueError:  # an id that is no part of a key
            return None
        return self._recording(session_id, keys)

    def _session(self, key: str) -> str:
        return key.removeprefix(f"{self._prefix}/").partition("/")[0]

    def _recording(self, session_id: str, keys: list[str]) -> ListedRecording | None:
        spans = []
        for key in keys:
            name = _BLOB_NAME.fullmatch(key.removeprefix(f"{self._prefix}/{session_id}/data/"))
            if name is not None:
                spans.append((int(name[1]), int(name[2]), key))
        if not spans:
            return None
        return ListedRecording(
            session_id=session_id,
            start_ms=min(first for first, _, _ in spans),
            end_ms=max(last for _, last, _ in spans),
            blocks=tuple(ListedBlock(url=key, start_ms=first) for first, _, key in sorted(spans)),
        )


class PostHogBucketSource:
    """
    Recordings of one project in a bucket.

    .. versionadded:: 0.1
    """

    kind: Final = KIND

    def __init__(
        self,
        store: Store,
        listing: BlockListing,
        *,
        project: str | int,
        max_recording_bytes: int = MAX_RECORDING_BYTES,
    ) -> None:
        """
        Args:
            store: The bucket, opened with its own credentials.
            listing: `ClickHouseListing`, `ListingFile`, or `V1Folders` over the same store.
            project: PostHog's project number; name of the project in the archive.
            max_recording_bytes: Largest recording, decoded.
        """
        self._store = store
        self._listing = listing
        self._project = str(project)
        self._max_bytes = max_recording_bytes
        self._recent: OrderedDict[str, ListedRecording] = OrderedDict()
        self.received_bytes = 0
        """Bytes of blocks read so far."""
        parts = urlsplit(store.url)
        self._bucket = parts.netloc if parts.scheme in ("s3", "gs", "az") else ""
        self._key_prefix = f"{parts.path.strip('/')}/" if self._bucket else "/"

    def __repr__(self) -> str:
        return f"<PostHogBucketSource {self._store.url} project {self._project}>"

    @property
    def key(self) -> str:
        """Tells this source from others."""
        return f"{KIND} {self._store.url} {self._project} {self._listing.key}"

    @property
    def project(self) -> str:
        """Name of the project in the archive."""
        return self._project

    @property
    def oldest_first(self) -> bool:
        """Whether the listing is by start time."""
        return self._listing.oldest_first

    def count(self, *, since_ms: int | None = None, until_ms: int | None = None) -> int | None:  # noqa: ARG002
        """Give None: counting would be listing."""
        return None

    def time_left_s(self, recordings: int) -> float | None:  # noqa: ARG002
        """Give None: a bucket has no limits."""
        return None

    def list_recordings(
        self, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> Iterator[RecordingRef]:
        """
        Yield the recordings that started in ``[since_ms, until_ms)``.

        Raises:
            SourceError: The listing cannot be had.
        """
        try:
            for found in self._listing.recordings(since_ms=since_ms, until_ms=until_ms):
                self._recent[found.session_id] = found
                if len(self._recent) > _REMEMBERED:
                    self._recent.popitem(last=False)
                yield RecordingRef(
                    project=self._project,
                    session_id=found.session_id,
                    start_ms=found.start_ms,
                    end_ms=found.end_ms,
                    distinct_id=found.distinct_id,
                    source={"kind": KIND, "store": self._store.url, "project": self._project},
                )
        except StoreError as e:
            raise SourceError(f"the source's bucket cannot be listed: {e}") from e

    def fetch(self, ref: RecordingRef) -> RecordingDraft:
        """
        Get a recording's events.

        Raises:
            SourceNotFoundError: It is not listed.
            SourceGoneError: It is listed as deleted.
            SourceDataError: Nothing of it can be read: ``encrypted``, ``missing_block`` …
            SourceError: The bucket is out of order, or another one.
        """
        found = self._recent.pop(ref.session_id, None) or self._listing.find(
            ref.session_id, start_ms=ref.start_ms
        )
        if found is None:
            raise SourceNotFoundError(
                f"recording {ref.session_id:.100} is not in the listing. It expired, or the "
                "listing is of another project"
            )
        if found.deleted:
            raise SourceGoneError(
                f"recording {ref.session_id:.100} is listed as deleted. Nothing can bring it back"
            )
        reader = _BlockReader(self, EventDecoder(max_recording_bytes=self._max_bytes))
        if found.long_term_url is None or not reader.long_term(found.long_term_url):
            reader.blocks(found.blocks)
        decoder = reader.decoder
        if not len(decoder.columns):
            raise reader.nothing(ref)
        missing = reader.missing
        if (first_ms := found.halfway_ms) is not None:
            decoder.findings["started_halfway"] += 1
            missing.append(f"before {first_ms}, from {found.start_ms}")
        if found.lengths_differ:
            decoder.findings["started_halfway"] += 1
            missing.append("blocks the listing counts and does not name")
        return RecordingDraft(
            project=ref.project,
            session_id=ref.session_id,
            columns=decoder.columns,
            source=dict(ref.source),
            rejected=decoder.rejected,
            findings=decoder.findings,
            person=Person(distinct_id=ref.distinct_id) if ref.distinct_id else None,
            missing=missing,
            provenance={"source_blocks": len(found.blocks)},
        )

    def relative(self, address: BlockAddress) -> str:
        """
        Give the key of a block's object in the store.

        Raises:
            SourceError: It lies in another bucket.
        """
        if self._bucket and address.bucket != self._bucket:
            raise SourceError(
                f"the listing's blocks lie in bucket {address.bucket:.80}, the store is "
                f"{self._store.url}. Name the bucket of this PostHog with --bucket"
            )
        return address.key.removeprefix(self._key_prefix)

    @property
    def store(self) -> Store:
        """The bucket."""
        return self._store

    @property
    def max_recording_bytes(self) -> int:
        """Largest recording, decoded."""
        return self._max_bytes


class _BlockReader:
    """Reads the blocks of one recording into a decoder."""

    def __init__(self, source: PostHogBucketSource, decoder: EventDecoder) -> None:
        self.decoder = decoder
        self.missing: list[str] = []
        self._source = source
        self._read = 0
        self._opaque = 0

    def blocks(self, blocks: Sequence[ListedBlock]) -> None:
        """Read blocks in order; those of one object that follow each other at once."""
        addressed = [(block, self._address(block.url)) for block in blocks]
        for key, run in groupby(addressed, key=lambda pair: pair[1][0] if pair[1] else None):
            if key is None:
                self.missing.extend(block.url for block, _ in run)
                continue
            members = [(block, where) for block, where in run if where is not None]
            ranges = [(where[1], where[2]) for _, where in members]
            for (block, where), data in zip(members, self._ranges(key, ranges), strict=True):
                length = where[2] - where[1] if where[2] else len(data)
                if not data or len(data) < length:
                    self.missing.append(block.url)
                    if data:
                        self.decoder.reject(RejectReason.TRUNCATED)
                else:
                    self._feed(block.url, data)

    def long_term(self, url: str) -> bool:
        """Read a long-term copy as a whole; false when it is not there."""
        parts = urlsplit(url)
        address = BlockAddress(parts.netloc, unquote(parts.path).lstrip("/"), 0, 0)
        data = self._ranges(self._source.relative(address), [(0, 0)])[0]
        if data:
            self._feed(url, data)
        return bool(len(self.decoder.columns))

    def nothing(self, ref: RecordingRef) -> SourceDataError:
        """Give the error for a recording without one event."""
        what = f"recording {ref.session_id:.100}"
        if self._opaque and self._opaque == self._read:
            return SourceDataError(
                f"none of the {self._read} blocks of {what} is snappy. They are encrypted, as "
                "PostHog Cloud's are. Use `replayport pull posthog`: the API serves them decrypted",
                reason=RejectReason.ENCRYPTED,
                what=ref.session_id,
            )
        if self.missing:
            return SourceDataError(
                f"none of the {len(self.missing)} blocks of {what} is in the bucket, or can be "
                "read. They expired, or the listing is of another bucket",
                reason=RejectReason.MISSING_BLOCK,
                what=ref.session_id,
            )
        return SourceDataError(
            f"{what} holds no event",
            reason=next(iter(self.decoder.rejected), RejectReason.EMPTY),
            what=ref.session_id,
        )

    def _address(self, url: str) -> tuple[str, int, int] | None:
        """Give key and half-open range; an end of 0 stands for a whole object."""
        if "://" not in url:
            return url, 0, 0
        try:
            address = parse_block_url(url)
        except SourceDataError:
            return None
        return self._source.relative(address), address.start_byte, address.end_byte

    def _ranges(self, key: str, ranges: list[tuple[int, int]]) -> Sequence[bytes]:
        """Read ranges of one object; empty bytes where there is none."""
        store = self._source.store
        try:
            if ranges == [(0, 0)]:
                found: Sequence[bytes] = [store.get(key)]
            else:
                found = [bytes(data) for data in store.get_ranges(key, ranges)]
        except (FileNotFoundError, ValueError):  # expired, or no key at all
            return [b""] * len(ranges)
        except StoreError as e:
            raise SourceError(f"the source's bucket cannot be read: {e}") from e
        self._source.received_bytes += sum(map(len, found))
        return found

    def _feed(self, name: str, data: bytes) -> None:
        self._read += 1
        try:
            for text in iter_lines(data, max_bytes=self._source.max_recording_bytes):
                self.decoder.feed_lines(text)
                self.decoder.end_block()
        except SourceDataError as e:
            if e.reason == RejectReason.TOO_LARGE:
                raise
            self._opaque += e.reason == RejectReason.INVALID_SNAPPY
            self.decoder.reject(RejectReason(e.reason))
            self.missing.append(name)
