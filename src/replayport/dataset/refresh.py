"""
Brings what was made of an archive up to date without adding to it: for erasures.

Everything that was built is registered in the catalog (`registered_datasets`). Refreshing
it takes out what is gone from the archive, and writes again what changed.
"""

from __future__ import annotations

from typing import Any, Final

from replayport.archive import Archive
from replayport.dataset.build import DatasetReport, build_dataset, registered_datasets
from replayport.store import Store

NEVER_MS: Final = 2**62
"""Later than any recording starts: nothing is added."""


def refresh_dataset(
    archive: Archive, url: str, *, workers: int = 1, client: Any = None
) -> DatasetReport:
    """
    Take out of a dataset what is gone from its archive, and write again what changed.

    Args:
        archive: Where it was made of.
        url: A key of `registered_datasets`.
        workers: Processes, for files.
        client: For BigQuery, as in `load_bigquery`.

    Raises:
        KeyError: It is not registered.
        ReplayError: It cannot be reached, or is no dataset any more.
    """
    entry = registered_datasets(archive)[url]
    if entry["kind"] == "bigquery":
        from replayport.dataset.bigquery import load_bigquery

        return load_bigquery(archive, url, tables=entry["tables"], since_ms=NEVER_MS, client=client)
    place = Store.open(url).local_path("x")
    where = str(place.parent) if place is not None else url
    return build_dataset(archive, where, since_ms=NEVER_MS, workers=workers)
