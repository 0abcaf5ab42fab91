"""
Takes recordings out of what was made of an archive, without adding to it: for erasures.

Refreshing a dataset takes out what is gone from the archive and what is named, and writes
again what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from replayport.archive import Archive
from replayport.dataset import DatasetError
from replayport.dataset.build import DatasetReport, build_into
from replayport.dataset.days import Key
from replayport.dataset.ledger import DATASET_FILE
from replayport.dataset.registry import registered_datasets
from replayport.ledger import Made
from replayport.plurals import counted
from replayport.store import Store

NEVER_MS: Final = 2**62
"""Later than any recording starts: nothing is added."""


def refresh_dataset(
    archive: Archive, url: str, *, without: Collection[Key] = (), client: Any = None
) -> DatasetReport:
    """
    Take out of a dataset what is gone from its archive, and write again what changed.

    Args:
        archive: Where it was made of.
        url: A key of `registered_datasets`.
        without: Recordings to take out although they are still in the archive.
        client: For BigQuery, as in `load_bigquery`.

    Raises:
        KeyError: It is not registered.
        DatasetError: It is not there any more, or on another machine.
    """
    form, _, tables = registered_datasets(archive)[url].partition(":")
    if form == "bigquery":
        from replayport.dataset.bigquery import load_bigquery

        return load_bigquery(
            archive,
            url,
            tables=tables.split(","),
            since_ms=NEVER_MS,
            without=without,
            client=client,
        )
    store = Store.open(url)
    if not store.exists(DATASET_FILE):
        raise DatasetError(
            f"there is no dataset at {url}. It was moved or deleted, or is on another machine"
        )
    return build_into(archive, store, since_ms=NEVER_MS, without=without)


def dataset_rewriter(archive: Archive, *, client: Any = None) -> Callable[[Made, set[str]], None]:
    """Give what takes recordings (``project/id``) out of a dataset, for `replayport.erase`."""

    def rewrite(made: Made, names: set[str]) -> None:
        keys = {(project, name) for project, _, name in (n.rpartition("/") for n in names)}
        report = refresh_dataset(archive, made.where, without=keys, client=client)
        if not report.ok:
            raise DatasetError(
                f"{counted(len(report.rejected), 'recording')} unreadable: the dataset is not complete. "
                "Run: replayport verify"
            )

    return rewrite
