"""
Late data and a recording that is sealed already: one recording, nothing twice.

```
archived   events.parquet → columns, in order of arrival ┐
           analytics.parquet → rows                      ├→ one RecordingDraft
late       Assembly: items the archive does not know     ┘
```

What the archive knows is in its manifest (``provenance.capture.items``), written with the
events in one step. So whether a crash came before or after that step, what is to be added
can be told from what is there.

A recording that came another way, such as pulled from PostHog while the same session was
captured, has no such list: then an event is new when it is not among the stored ones,
each stored one counting once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from replayport.archive import (
    NEXT_MANIFEST_FILE,
    Archive,
    row_of,
)
from replayport.capture.assemble import (
    SOURCE_KIND,
    Assembly,
    analytics_digest,
    known_items,
    provenance,
)
from replayport.draft import RecordingDraft
from replayport.errors import ObjectExistsError, RecordingNotFoundError
from replayport.format.reader import Recording
from replayport.outcomes import RejectReason
from replayport.recording import (
    Manifest,
    recording_prefix,
    safe_id,
    safe_project,
)
from replayport.rrweb.columns import NO_FLOAT, NO_INT, NO_SOURCE, EventColumns

_RECOUNTED: Final = frozenset(
    {
        "before_full_snapshot",
        "duplicate_event",
        "missing_block",
        "no_full_snapshot",
        "out_of_order",
        "rejected_events",
    }
)
"""Findings that writing a recording counts anew; the others come from decoding."""


_DAY_MS: Final = 86_400_000
_MOVED_DAYS: Final = 100
"""Folders looked into at most: a page can claim any time for its events."""


class Archived:
    """
    A session's recording as the archive has it, for merging.

    Attributes:
        manifest: The one that belongs to the stored events.
        columns: Its events in order of arrival.
        analytics: Rows of `ANALYTICS_SCHEMA`.
    """

    def __init__(self, manifest: Manifest, recording: Recording) -> None:
        self.manifest = manifest
        self.prefix = recording.prefix
        self.columns = columns_of(recording.table())
        self.analytics: list[dict[str, Any]] = recording.analytics_table().to_pylist()

    @property
    def items(self) -> list[bytes]:
        """Digests of the items it is made of."""
        return known_items(self.manifest.provenance)

    @property
    def is_redacted(self) -> bool:
        """Whether something was removed from it after capture."""
        return self.manifest.is_redacted_for_good

    @classmethod
    def read(cls, archive: Archive, late: Assembly) -> Archived | None:
        """
        Read the recording that late data belongs to.

        Returns:
            None when there is none.

        Raises:
            DamagedRecordingError: It cannot be read; nothing may be written over it.
        """
        recording = _find(archive, late)
        return None if recording is None else cls(recording.manifest, recording)

    @classmethod
    def repaired(cls, archive: Archive, late: Assembly) -> Archived | None:
        """
        Do as `read`, after ending what a crash cut: a rewrite, or a move to another day's
        folder, which leaves the catalog naming one that is half removed.

        Raises:
            ObjectExistsError: Someone is at it right now.
            DamagedRecordingError: As `read`.
        """
        recording = _find(archive, late)
        if recording is None:
            return None
        next_key = f"{recording.prefix}/{NEXT_MANIFEST_FILE}"
        if archive.store.exists(next_key):
            if not archive.recover(recording.prefix) and archive.store.exists(next_key):
                raise ObjectExistsError(
                    f"{recording.manifest.id!r} is being rewritten, or its writer died just now. "
                    "Wait for it to finish, or for its lease to run out",
                    location=archive.store.url,
                    operation="lease",
                )
            recording = archive.recording_at(recording.prefix)
        left = archive.row(f"{recording.manifest.project}/{recording.manifest.id}").key_prefix
        if left != recording.prefix:
            archive.catalog.upsert([row_of(recording.manifest)])
            archive.store.delete_prefix(left)
        return cls(recording.manifest, recording)

    def merged(self, late: Assembly, *, max_recording_bytes: int) -> RecordingDraft | None:
        """
        Put late data after what is archived.

        Args:
            late: What the inbox has.
            max_recording_bytes: Largest result, decoded; late events past it are left out
                and counted as ``too_large``.

        Returns:
            The whole recording; None when it has all of it already.
        """
        known = self.items
        keep, new_items = self._new_rows(late, set(known))
        room = max_recording_bytes - len(self.columns.data)
        fitting = _fitting(late.decoder.columns, keep, room)
        rows = {analytics_digest(row): row for row in self.analytics}
        late_rows = [row for digest, row in late.analytics.items() if digest not in rows]
        if not new_items and not late_rows:
            return None
        append(self.columns, late.decoder.columns, fitting)
        old = self.manifest
        rejected = Counter({RejectReason(k): n for k, n in old.rejected.items()})
        findings = Counter({f.code: f.count for f in old.findings if f.code not in _RECOUNTED})
        if new_items:
            rejected += late.decoder.rejected
            findings += late.decoder.findings
            if len(fitting) < len(keep):
                rejected[RejectReason.TOO_LARGE] += len(keep) - len(fitting)
        captured = old.provenance.get("capture")
        before = captured if isinstance(captured, dict) else {}
        return RecordingDraft(
            project=late.project,
            session_id=late.session_id,
            columns=self.columns,
            source=old.source,
            rejected=rejected,
            findings=findings,
            analytics=[*self.analytics, *late_rows],
            person=old.person or late.person,
            missing=old.missing,
            provenance={
                **{k: v for k, v in old.provenance.items() if k != "zstd_level"},
                **provenance(
                    [*known, *new_items],
                    first_received_ms=before.get("first_received_ms") or late.first_received_ms,
                    last_received_ms=late.last_received_ms,
                    requests=int(before.get("requests") or 0) + late.requests,
                ),
            },
        )

    def _new_rows(self, late: Assembly, known: set[bytes]) -> tuple[list[int], list[bytes]]:
        """Give the late rows that are not stored, and the items that were not known."""
        rows: list[int] = []
        items: list[bytes] = []
        for item in late.items:
            if item.digest not in known:
                rows.extend(range(item.start, item.end))
                items.append(item.digest)
        if items and self.manifest.source.get("kind") != SOURCE_KIND:
            stored = Counter(_contents(self.columns, range(len(self.columns))))
            fresh = []
            for row, content in zip(rows, _contents(late.decoder.columns, rows), strict=True):
                if stored[content]:
                    stored[content] -= 1
                else:
                    fresh.append(row)
            rows = fresh
        return rows, items


def columns_of(table: pa.Table) -> EventColumns:
    """
    Turn stored events back into columns.

    Args:
        table: Of `EVENTS_SCHEMA`, all columns.

    Returns:
        The events in order of arrival.
    """
    batch = table.sort_by("seq").combine_chunks()
    columns = EventColumns()
    columns.timestamp_ms.frombytes(_numbers(batch["timestamp_ms"], 0, np.int64))
    columns.type.frombytes(_numbers(batch["type"], 0, np.int8))
    columns.source.frombytes(_numbers(batch["source"], NO_SOURCE, np.int16))
    columns.node_id.frombytes(_numbers(batch["node_id"], NO_INT, np.int32))
    columns.x.frombytes(_numbers(batch["x"], NO_FLOAT, np.float64))
    columns.y.frombytes(_numbers(batch["y"], NO_FLOAT, np.float64))
    for name in batch["window_id"].to_pylist():
        columns.window.append(columns.windows[name])
    for name in batch["kind"].to_pylist():
        columns.kind.append(columns.kinds[name])
    row = 0
    for chunk in batch["data"].chunks:
        for value in chunk.cast(pa.binary()):
            text = value.as_buffer()
            if text is None:
                columns.no_data.add(row)
            else:
                columns.data += memoryview(text)
            columns.data_end.append(len(columns.data))
            row += 1
    columns.url = {i: url for i, url in enumerate(batch["url"].to_pylist()) if url is not None}
    columns.extra = {
        i: extra.encode() for i, extra in enumerate(batch["extra"].to_pylist()) if extra is not None
    }
    return columns


def append(base: EventColumns, late: EventColumns, rows: list[int]) -> None:
    """
    Copy events to the end of others.

    Args:
        base: Grows.
        late: Where from.
        rows: Which of ``late``, ascending.
    """
    window = [base.windows[name] for name in late.windows.values]
    kind = [base.kinds[name] for name in late.kinds.values]
    text = memoryview(late.data)
    for row in rows:
        at = len(base)
        base.timestamp_ms.append(late.timestamp_ms[row])
        base.type.append(late.type[row])
        base.source.append(late.source[row])
        base.node_id.append(late.node_id[row])
        base.x.append(late.x[row])
        base.y.append(late.y[row])
        base.window.append(window[late.window[row]])
        base.kind.append(kind[late.kind[row]])
        base.data += text[late.data_end[row - 1] if row else 0 : late.data_end[row]]
        base.data_end.append(len(base.data))
        if row in late.url:
            base.url[at] = late.url[row]
        if row in late.extra:
            base.extra[at] = late.extra[row]
        if row in late.no_data:
            base.no_data.add(at)


def _numbers(column: pa.ChunkedArray, null: float, dtype: Any) -> bytes:
    if column.null_count:
        column = column.fill_null(pa.scalar(null, column.type))
    return bytes(column.to_numpy().astype(dtype).tobytes())


def _find(archive: Archive, late: Assembly) -> Recording | None:
    """Find a session's recording, also when a crash cut its move to another day's folder."""
    project, recording_id = safe_project(late.project), safe_id(late.session_id)
    try:
        row = archive.row(f"{project}/{recording_id}")
    except RecordingNotFoundError:
        return None
    # It only ever moves to the day of a late event, which the inbox has until it has moved.
    days = {at - at % _DAY_MS for at in late.decoder.columns.timestamp_ms}
    moved = [recording_prefix(project, recording_id, ms) for ms in sorted(days)[:_MOVED_DAYS]]
    for prefix in dict.fromkeys((row.key_prefix, *moved)):
        with suppress(RecordingNotFoundError):
            return archive.recording_at(prefix)
    return None


def _fitting(columns: EventColumns, rows: list[int], room_bytes: int) -> list[int]:
    """Give the first rows that fit; what follows one that does not would not apply."""
    for n, row in enumerate(rows):
        room_bytes -= columns.data_end[row] - (columns.data_end[row - 1] if row else 0)
        if room_bytes < 0:
            return rows[:n]
    return rows


def _contents(columns: EventColumns, rows: Any) -> Iterator[bytes]:
    """
    Yield what each event says, as a digest.

    PostHog parses and writes events again, so equal values may have unequal texts.
    """
    for row in rows:
        data = columns.data_of(row) or b"null"
        with suppress(ValueError):  # beyond what orjson reads or writes: the text has to do
            data = orjson.dumps(orjson.loads(data), option=orjson.OPT_SORT_KEYS)
        window = columns.windows.values[columns.window[row]]
        head = f"{columns.timestamp_ms[row]} {columns.type[row]} {window}\0"
        yield hashlib.blake2b(head.encode("utf-8", "surrogatepass") + data, digest_size=16).digest()
