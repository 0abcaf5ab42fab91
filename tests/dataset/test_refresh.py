"""What was erased is taken out of every dataset, and nothing is added."""

from __future__ import annotations

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from tests.dataset.conftest import add

from replayport.dataset import DatasetError
from replayport.dataset.bigquery import load_bigquery
from replayport.dataset.build import build_dataset
from replayport.dataset.refresh import dataset_rewriter, refresh_dataset
from replayport.dataset.registry import registered_datasets
from replayport.ledger import Ledger
from replayport.testing import FakeBigQuery, serve

TO = "bigquery://demo-project/d"


@pytest.fixture
def fake():
    return FakeBigQuery()


@pytest.fixture
def client(fake):
    with serve(fake) as url:
        made = bigquery.Client(
            "demo-project",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": url},
        )
        yield made
        made.close()


@pytest.fixture
def folder(archive, client, tmp_path):
    """Datasets of every kind; gives the one of Parquet."""
    build_dataset(archive, tmp_path / "with space", workers=1)
    build_dataset(archive, tmp_path / "lines", workers=1, file_format="jsonl", tables=["events"])
    load_bigquery(archive, TO, client=client, tables=["recordings", "events"])
    return tmp_path / "with space"


def check_gone(folder, fake):
    left = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert b"s-5" in left
    assert b"s-4" not in left
    assert set(fake.tables) == {f"d.{n}" for n in ("recordings", "events", "replayport_ledger")}
    for name in fake.tables:
        ids = {r["recording_id"] for r in fake.rows(name)}
        assert "s-5" in ids
        assert not ids & {"s-4", "new"}


def test_an_erased_recording_is_in_no_dataset(archive, folder, fake, client):
    archive.delete("s-4")
    add(archive, "new", day=1)
    assert len(registered_datasets(archive)) == 3
    for place in registered_datasets(archive):
        report = refresh_dataset(archive, place, client=client)
        assert (report.added, report.removed) == (0, 1)
    check_gone(folder, fake)


def test_an_erasure_takes_out_what_is_still_in_the_archive(archive, folder, fake, client):
    """As `replayport.erase` does: what was made goes first, the recording last."""
    rewrite = dataset_rewriter(archive, client=client)
    made = [m for m in Ledger(archive).entries() if "p0/s-4" in m.recordings]
    assert len(made) == 3
    for one in made:
        rewrite(one, {"p0/s-4", "p9/other"})
    check_gone(folder, fake)
    assert not [m for m in Ledger(archive).entries() if "p0/s-4" in m.recordings]


def test_a_dataset_that_is_not_there_is_not_taken_for_clean(archive, folder):
    [place] = [url for url, form in registered_datasets(archive).items() if "lines" in url]
    folder.parent.joinpath("lines").rename(folder.parent / "moved")
    with pytest.raises(DatasetError, match="moved or deleted"):
        refresh_dataset(archive, place)


def test_only_what_is_registered(archive):
    with pytest.raises(KeyError):
        refresh_dataset(archive, "file:///nowhere")
