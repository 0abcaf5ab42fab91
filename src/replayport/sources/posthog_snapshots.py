"""
The blocks of one recording, out of PostHog's ``snapshots`` endpoint.

```
?(nothing)                                  the list of blocks
?source=blob_v2&start_blob_key&end_blob_key numbered blocks, both ends included
?source=blob_v2_lts&blob_key=<key>          one object with everything
?source=blob&blob_key=<ms>-<ms>, realtime   servers before mid-2025
```

With ``decompress=false`` blocks come as they are stored, each behind its length, and can
be counted. That is what tells a whole answer from one the server left blocks out of.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import msgspec
import numpy as np

from replayport.errors import SourceDataError, SourceError, SourceNotFoundError
from replayport.outcomes import RejectReason
from replayport.posthog.blocks import decode_snappy, iter_lines, looks_like_json, split_stream
from replayport.posthog.lines import EventDecoder
from replayport.sources.base import RecordingRef, source_time_ms
from replayport.sources.http_client import Answer, HttpClient
from replayport.sources.rate_limits import Budget

MAX_KEYS: Final = 20
"""Blocks a request: what PostHog documents for personal API keys."""

BLOCK_TIME_SLACK_MS: Final = 1500
"""Listed block times are rounded, and rrweb's may be set back a little."""


@dataclass(frozen=True, slots=True)
class SourceBlock:
    """One entry of the list of sources."""

    source: str
    key: str
    start_ms: int | None
    end_ms: int | None


class _ListingMovedError(Exception):
    """The list of blocks has changed while they were being read."""

    def __init__(self, blocks: list[SourceBlock]) -> None:
        super().__init__()
        self.blocks = blocks


class SnapshotClient:
    """
    Gets the blocks of recordings of one project.

    Attributes:
        max_recording_bytes: Largest recording, decoded.
        single_keys: The server takes one block a request, by ``blob_key``.
    """

    def __init__(
        self, http: HttpClient, path: str, budget: Budget, *, max_recording_bytes: int
    ) -> None:
        """
        Args:
            http: Sends the requests.
            path: Of the recordings; ``<path>/<session id>/snapshots`` is asked.
            budget: Of these requests.
            max_recording_bytes: Largest recording, decoded.
        """
        self._http = http
        self._recordings = path.rstrip("/")
        self._budget = budget
        self.max_recording_bytes = max_recording_bytes
        self.single_keys = False
        self._flag_needed: bool | None = None

    def get(self, ref: RecordingRef) -> Snapshots:
        """
        Get all blocks; when their list changes meanwhile, once more by the new one.

        Raises:
            SourceError: As `Source.fetch` says.
        """
        listed = self.list_blocks(ref)
        try:
            return self._attempt(ref, listed, may_restart=True)
        except _ListingMovedError as e:
            return self._attempt(ref, e.blocks, may_restart=False)

    def _attempt(
        self, ref: RecordingRef, listed: list[SourceBlock], *, may_restart: bool
    ) -> Snapshots:
        lts = [b for b in listed if b.source == "blob_v2_lts"]
        v2 = [b for b in listed if b.source == "blob_v2"]
        old = [b for b in listed if b.source == "blob"]
        live = [b for b in listed if b.source == "realtime"]
        reader = _SnapshotReader(self, ref, listed, may_restart=may_restart)
        if lts:
            try:
                return reader.whole(lts, "blob_v2_lts")
            except SourceNotFoundError:
                if not v2:
                    raise
        if v2:
            return reader.blocks(v2)
        return reader.whole([*old, *live], "blob")

    def list_blocks(self, ref: RecordingRef) -> list[SourceBlock]:
        """Ask what there is of a recording."""
        params = {"blob_v2": "true"} if self._flag_needed else {}
        blocks = self._ask_blocks(ref, params)
        if self._flag_needed is None and not any(b.source.startswith("blob_v2") for b in blocks):
            # Before mid-2025 v2 blocks were listed only when asked for.
            again = self._ask_blocks(ref, {"blob_v2": "true"})
            if any(b.source.startswith("blob_v2") for b in again):
                self._flag_needed = True
                return again
        elif self._flag_needed is None:
            self._flag_needed = False
        return blocks

    def _ask_blocks(self, ref: RecordingRef, params: dict[str, str]) -> list[SourceBlock]:
        answer = self.request(ref, params, what="the list of blocks")
        found = answer.convert(_SourceList)
        blocks = []
        for row in found.sources:
            key = row.blob_key
            blocks.append(
                SourceBlock(
                    source=row.source,
                    key="" if key is None else str(key),
                    start_ms=source_time_ms(row.start_timestamp),
                    end_ms=source_time_ms(row.end_timestamp),
                )
            )
        return blocks

    def request(
        self,
        ref: RecordingRef,
        params: dict[str, str],
        *,
        what: str,
        accept: tuple[int, ...] = (),
    ) -> Answer:
        """Send one request to a recording's ``snapshots``."""
        return self._http.request(
            "GET",
            f"{self._recordings}/{quote(ref.session_id, safe='')}/snapshots",
            what=f"{what} of recording {ref.session_id:.100}",
            params=params,
            budget=self._budget,
            max_bytes=self.max_recording_bytes,
            accept=accept,
        )


@dataclass(slots=True)
class Snapshots:
    """All that was got of one recording."""

    decoder: EventDecoder
    missing: list[str]
    served_as: str
    listed: int
    """How many blocks the source said there are."""

    def nothing(self, ref: RecordingRef) -> SourceDataError:
        """Give the error for a recording without one event."""
        if self.missing:
            return SourceDataError(
                f"none of the {self.listed} blocks of recording {ref.session_id:.100} could be "
                "read by the source. Its storage is out of order, or they expired. Pull again "
                "later",
                reason=RejectReason.MISSING_BLOCK,
                what=ref.session_id,
            )
        if not self.listed and ref.end_ms > ref.start_ms:
            return SourceDataError(
                f"the source lists no block of recording {ref.session_id:.100}, which it says "
                f"lasts {ref.end_ms - ref.start_ms} ms. Its first block is gone, and PostHog does "
                "not serve recordings without it. On a self-hosted PostHog, `replayport pull "
                "bucket` gets what is left",
                reason=RejectReason.MISSING_BLOCK,
                what=ref.session_id,
            )
        return SourceDataError(
            f"recording {ref.session_id:.100} holds no event",
            reason=next(iter(self.decoder.rejected), RejectReason.EMPTY),
            what=ref.session_id,
        )


class _SnapshotReader:
    """Gets the blocks of one recording, in order, into one decoder."""

    def __init__(
        self,
        source: SnapshotClient,
        ref: RecordingRef,
        listed: list[SourceBlock],
        *,
        may_restart: bool,
    ) -> None:
        """
        Args:
            source: Where from.
            ref: Which.
            listed: The list of its blocks, to tell whether it has changed.
            may_restart: When blocks do not fit the list, see whether it has changed, and
                if so give up with `_ListingMovedError`.
        """
        self._source = source
        self._ref = ref
        self._listed = listed
        self._may_restart = may_restart
        self._decoder = EventDecoder(max_recording_bytes=source.max_recording_bytes)
        self._missing: list[str] = []
        self._got_bytes = 0

    def whole(self, blocks: list[SourceBlock], served_as: str) -> Snapshots:
        """Get objects that are served one a request: long-term copies and v1 blobs."""
        for block in blocks:
            params = {"source": block.source}
            if block.source == "blob_v2_lts":
                params["decompress"] = "false"
            if block.key:
                params["blob_key"] = block.key
            answer = self._source.request(
                self._ref,
                params,
                what=f"block {block.key or block.source:.60}",
                accept=(404,) if len(blocks) > 1 else (),
            )
            if answer.status == 404:
                if block.source != "realtime":
                    self._missing.append(block.key)
                continue
            answer.check_not_html()
            self._count_bytes(answer)
            if block.source == "realtime" and self._feed_document(answer.body):
                continue
            self._feed(block.key or block.source, answer.body)
        return self._done(served_as, len(blocks))

    def blocks(self, blocks: list[SourceBlock]) -> Snapshots:
        """Get numbered blocks, in ranges."""
        try:
            by_number = {int(b.key): b for b in blocks}
        except ValueError as e:
            raise SourceDataError(
                f"a block of recording {self._ref.session_id:.100} is not numbered. The server "
                "is of a version replayport does not know",
                reason=RejectReason.UNKNOWN_FORMAT,
                what=self._ref.session_id,
            ) from e
        numbers = sorted(by_number)
        at = 0
        while at < len(numbers):
            size = 1 if self._source.single_keys else MAX_KEYS
            end = at + 1
            while end < len(numbers) and end - at < size and numbers[end] == numbers[end - 1] + 1:
                end += 1
            if self._range(numbers[at], numbers[end - 1], by_number):
                at = end
        return self._done("blob_v2", len(blocks))

    def _range(self, first: int, last: int, blocks: dict[int, SourceBlock]) -> bool:
        """
        Get the blocks ``first`` to ``last``, both included, as the API counts.

        Returns:
            False when the server turned out to take single keys only: nothing was read.
        """
        asked = last - first + 1
        answer = self._ask(first, last, accept=(400, 404, 502))
        if answer.status == 400:
            if self._source.single_keys:
                self._source.single_keys = False  # it was the recording, not the server
                raise SourceError(
                    f"blocks of recording {self._ref.session_id:.100} were refused as a range "
                    f"and one by one (400 {answer.code}). The server is of a version replayport "
                    "does not know"
                )
            self._source.single_keys = True
            return False
        if answer.status in (404, 502):
            self._refused(answer, first, last, blocks)
            return True
        answer.check_not_html()
        self._count_bytes(answer)
        if looks_like_json(answer.body):
            self._text(answer.body, first, last, blocks)
            return True
        frames = _frames(answer.body)
        if len(frames) < asked and asked > 1:
            self._halves(first, last, blocks)
            return True
        if not frames:
            self._missing.append(str(first))
            return True
        if len(frames) > asked:
            self._check_moved()
        for number, frame in zip(itertools.count(first), frames, strict=False):
            self._block(blocks.get(number), str(number), frame)
        return True

    def _halves(self, first: int, last: int, blocks: dict[int, SourceBlock]) -> None:
        """Ask a range again in two parts, to find the block that does not come."""
        middle = (first + last) // 2
        for low, high in ((first, middle), (middle + 1, last)):
            if not self._range(low, high, blocks):
                for number in range(low, high + 1):
                    self._range(number, number, blocks)

    def _ask(self, first: int, last: int, *, accept: tuple[int, ...] = ()) -> Answer:
        if self._source.single_keys:
            params = {"blob_key": str(first)}
        else:
            params = {"start_blob_key": str(first), "end_blob_key": str(last)}
        return self._source.request(
            self._ref,
            {"source": "blob_v2", "decompress": "false", **params},
            what=f"blocks {first}-{last}",
            accept=accept,
        )

    def _refused(
        self, answer: Answer, first: int, last: int, blocks: dict[int, SourceBlock]
    ) -> None:
        """A range answered 404 (numbers out of range) or 502 (no block of it can be read)."""
        if answer.status == 404:
            self._check_moved()
            if last > first:
                self._halves(first, last, blocks)
                return
        elif answer.code != "recording_blocks_unavailable":
            # Some gateway's 502: ask with the usual retries.
            again = self._ask(first, last)
            again.check_not_html()
            frames = _frames(again.body)
            if len(frames) == last - first + 1:
                self._count_bytes(again)
                for number, frame in zip(range(first, last + 1), frames, strict=True):
                    self._block(blocks.get(number), str(number), frame)
                return
        self._missing.extend(str(n) for n in range(first, last + 1))

    def _text(self, body: bytes, first: int, last: int, blocks: dict[int, SourceBlock]) -> None:
        """
        Take blocks that came decompressed, run together: they cannot be counted.

        What tells a block that was left out is its time: no event lies within it.
        """
        start = len(self._decoder.columns)
        self._feed(f"{first}-{last}", body)
        times = np.sort(np.frombuffer(self._decoder.columns.timestamp_ms, dtype=np.int64)[start:])
        for number in range(first, last + 1):
            block = blocks[number]
            if block.start_ms is None or block.end_ms is None:
                continue
            low = np.searchsorted(times, block.start_ms - BLOCK_TIME_SLACK_MS, side="left")
            high = np.searchsorted(times, block.end_ms + BLOCK_TIME_SLACK_MS, side="right")
            if low == high:
                self._missing.append(str(number))

    def _block(self, block: SourceBlock | None, key: str, frame: bytes) -> None:
        """Decode one block and hold its times against the listed ones."""
        start = len(self._decoder.columns)
        try:
            text = decode_snappy(frame, max_bytes=self._source.max_recording_bytes)
        except SourceDataError as e:
            if e.reason == RejectReason.TOO_LARGE:
                raise
            self._decoder.reject(RejectReason(e.reason))
            self._missing.append(key)
            return
        self._decoder.feed_lines(text)
        self._decoder.end_block()
        if block is None or block.start_ms is None or len(self._decoder.columns) == start:
            return
        first_ms = min(self._decoder.columns.timestamp_ms[start:])
        if abs(first_ms - block.start_ms) > BLOCK_TIME_SLACK_MS:
            # A late block sorts between the others and moves their numbers.
            self._check_moved()
            self._decoder.findings["block_time_differs"] += 1

    def _check_moved(self) -> None:
        """Ask for the list of blocks once more; raise when it is another one."""
        if self._may_restart:
            self._may_restart = False
            now = self._source.list_blocks(self._ref)
            if now != self._listed:
                raise _ListingMovedError(now)

    def _feed(self, key: str, body: bytes) -> None:
        try:
            for text in iter_lines(body, max_bytes=self._source.max_recording_bytes):
                self._decoder.feed_lines(text)
        except SourceDataError as e:
            if e.reason == RejectReason.TOO_LARGE:
                raise
            self._decoder.reject(RejectReason(e.reason))
            self._missing.append(key)

    def _feed_document(self, body: bytes) -> bool:
        """Take ``{"snapshots": [line, ...]}``, one of the two forms of realtime data."""
        try:
            document = msgspec.json.decode(body, type=_RealtimeDocument)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        for line in document.snapshots:
            self._decoder.feed_lines(bytes(line))
        return True

    def _count_bytes(self, answer: Answer) -> None:
        self._got_bytes += len(answer.body)
        if self._got_bytes > self._source.max_recording_bytes:
            raise SourceDataError(
                f"recording {self._ref.session_id:.100} is larger than "
                f"{self._source.max_recording_bytes} bytes. Raise max_recording_bytes if it is "
                "yours",
                reason=RejectReason.TOO_LARGE,
                what=self._ref.session_id,
            )

    def _done(self, served_as: str, listed: int) -> Snapshots:
        return Snapshots(self._decoder, self._missing, served_as, listed)


class _SourceRow(msgspec.Struct):
    source: str
    blob_key: str | int | None = None
    start_timestamp: str | None = None
    end_timestamp: str | None = None


class _SourceList(msgspec.Struct):
    sources: list[_SourceRow]


class _RealtimeDocument(msgspec.Struct):
    snapshots: list[msgspec.Raw]


def _frames(body: bytes) -> list[bytes]:
    """Take a body apart into blocks; one that is not a stream is one block."""
    if not body:
        return []
    frames = split_stream(body)
    return [body] if frames is None else frames
