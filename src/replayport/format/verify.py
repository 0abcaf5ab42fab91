"""
Checks a stored recording against its manifest: digests, rows, order, texts.

Each thing found wrong is a `Problem` with a code from a closed set; a recording
without problems plays and exports.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import pyarrow.compute as pc

from replayport.errors import DamagedRecordingError, RecordingError
from replayport.format.reader import Recording
from replayport.format.schema import ANALYTICS_FILE, EVENTS_FILE

PROBLEM_MEANINGS: Final[dict[str, str]] = {
    "manifest_unreadable": "The manifest is missing, cut, or of a newer version.",
    "file_damaged": "A file is missing or does not match its digest.",
    "events_unreadable": "A row group of events.parquet does not read.",
    "asset_missing": "A frozen asset is missing or damaged; `replayport freeze` mends it.",
    "count_differs": "The file holds another number of events than the manifest says.",
    "not_ordered": "Rows are not ordered by (timestamp_ms, seq).",
    "seq_repeats": "Two rows share a seq.",
    "invalid_json": "A data or extra text is not JSON.",
    "path_differs": "The folder is not the one the manifest's id and date give.",
    "unfinished_rewrite": "A rewrite was interrupted; it was finished, or left to its writer.",
    "orphan": "Files without a manifest: a write that was cut. Harmless; can be deleted.",
}
"""Codes of what `verify` finds; the reference page is made from this."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one recording."""

    what: str
    """Recording id, or the store key where there is none."""
    code: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """Give the form the command line prints."""
        return {"what": self.what, "code": self.code, "detail": self.detail}


def verify_recording(recording: Recording, *, texts: bool = True) -> list[Problem]:
    """
    Check one recording.

    Args:
        recording: An opened recording.
        texts: Parse every JSON text too (the slow part).

    Memory:
        One file and one row group at a time.
    """
    manifest = recording.manifest
    problems: list[Problem] = []

    def found(code: str, detail: str) -> None:
        problems.append(Problem(manifest.id, code, detail))

    if manifest.key_prefix != recording.prefix:
        found("path_differs", f"stored at {recording.prefix}, expected {manifest.key_prefix}")
    for name in manifest.files:
        try:
            recording.file(name)
        except DamagedRecordingError as e:
            found("file_damaged", str(e))
    if any(p.code == "file_damaged" and EVENTS_FILE in p.detail for p in problems):
        return problems
    try:
        rows = 0
        bad_texts = 0
        seqs = []
        last = None
        ordered = True
        columns = ["timestamp_ms", "seq", *(["data", "extra"] if texts else [])]
        for batch in recording.batches(columns):
            rows += batch.num_rows
            timestamp = batch["timestamp_ms"].to_numpy()
            seq = batch["seq"].to_numpy().astype(np.int64)
            seqs.append(seq)
            keys = np.rec.fromarrays([timestamp, seq])
            same = np.diff(timestamp) == 0
            ordered &= bool(np.all(np.diff(timestamp) >= 0) and np.all(np.diff(seq)[same] > 0))
            if last is not None and len(keys):
                ordered &= last <= (int(timestamp[0]), int(seq[0]))
            if len(keys):
                last = (int(timestamp[-1]), int(seq[-1]))
            if texts:
                bad_texts += sum(
                    not _is_json(t)
                    for name in ("data", "extra")
                    for t in pc.drop_null(batch[name]).to_pylist()
                )
        if rows != manifest.events:
            found("count_differs", f"{rows} rows, the manifest says {manifest.events}")
        if not ordered:
            found("not_ordered", "rows are not ordered by (timestamp_ms, seq)")
        all_seqs = np.concatenate(seqs) if seqs else np.zeros(0, np.int64)
        if len(np.unique(all_seqs)) != len(all_seqs):
            found("seq_repeats", "two rows share a seq")
        if bad_texts:
            found("invalid_json", f"{bad_texts} texts are not JSON")
    except RecordingError as e:
        found("events_unreadable", str(e))
    if ANALYTICS_FILE in manifest.files and not problems:
        try:
            n = recording.analytics_table().num_rows
        except RecordingError as e:
            found("file_damaged", str(e))
        else:
            if n != manifest.analytics_events:
                found(
                    "count_differs",
                    f"{n} analytics events, the manifest says {manifest.analytics_events}",
                )
    return problems


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return False
    return True
