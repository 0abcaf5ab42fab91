"""
Writes down in the archive's ledger which recordings a dataset holds: for erasures.

One entry a dataset and day, under a name that follows from both, so that it is replaced
and not added to. It is written before a recording becomes visible in the dataset.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable, Sequence

from replayport.archive import Archive
from replayport.audit import AuditLog, this_actor
from replayport.dataset.ledger import Member
from replayport.ledger import LEDGER, Ledger, Made


def register_day(
    archive: Archive, url: str, day: str, members: Iterable[Member], *, form: str
) -> None:
    """
    Write down what a day of a dataset holds.

    Args:
        archive: Where it was made of.
        url: Of the dataset. One in memory is not written down.
        day: Which.
        members: What is in it, or is about to be; none removes the entry.
        form: ``parquet``, ``jsonl``, or ``bigquery:`` and its tables.
    """
    if url.startswith("memory:"):
        return
    recordings = sorted({"/".join(m.key) for m in members})
    digest = hashlib.sha256(f"{url} {day}".encode()).hexdigest()[:32]
    key = f"{LEDGER}dataset-{day}-{digest}.json"
    if not recordings:
        archive.store.delete(key)
        return
    Ledger(archive).put(
        Made(
            kind="dataset",
            where=url,
            recordings=recordings,
            made_ms=archive.now_ms(),
            host=socket.gethostname(),
            form=form,
            key=key,
        )
    )


def log_write(archive: Archive, url: str, *, form: str, tables: Sequence[str], asked: int) -> None:
    """
    Say in the audit log that recordings are about to be written to a dataset.

    Args:
        archive: Where they come from.
        url: Of the dataset. One in memory is not logged: it leaves with this process.
        form: ``parquet``, ``jsonl`` or ``bigquery``.
        tables: What is written of them.
        asked: How many recordings the run is about, new or not.
    """
    if url.startswith("memory:"):
        return
    AuditLog(archive).append(
        "dataset.write",
        actor=this_actor(),
        target=f"dataset:{url}",
        detail={"format": form, "tables": list(tables), "recordings_asked": asked},
    )


def registered_datasets(archive: Archive) -> dict[str, str]:
    """Give the datasets that hold recordings of an archive: URL to form."""
    return {made.where: made.form for made in Ledger(archive).entries() if made.kind == "dataset"}
