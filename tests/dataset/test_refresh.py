"""What was erased is taken out of every dataset, and nothing is added."""

from __future__ import annotations

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from tests.dataset.conftest import add

from replayport.dataset.bigquery import load_bigquery
from replayport.dataset.build import build_dataset, registered_datasets
from replayport.dataset.refresh import refresh_dataset
from replayport.testing import FakeBigQuery, serve


def test_an_erased_recording_is_in_no_dataset(archive, tmp_path):
    fake = FakeBigQuery()
    with serve(fake) as url:
        client = bigquery.Client(
            "demo-project",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": url},
        )
        build_dataset(archive, tmp_path / "with space", workers=1)
        build_dataset(archive, tmp_path / "lines", workers=1, file_format="jsonl")
        load_bigquery(archive, "bigquery://demo-project/d", client=client)
        archive.delete("s-4")
        add(archive, "new", day=1)
        for place in registered_datasets(archive):
            report = refresh_dataset(archive, place, client=client)
            assert (report.added, report.removed) == (0, 1)
        client.close()
    left = b"".join(p.read_bytes() for p in (tmp_path / "with space").rglob("*") if p.is_file())
    assert b"s-5" in left
    assert b"s-4" not in left
    for name in fake.tables:
        ids = {r["recording_id"] for r in fake.rows(name)}
        assert not ids & {"s-4", "new"}


def test_only_what_is_registered(archive):
    with pytest.raises(KeyError):
        refresh_dataset(archive, "file:///nowhere")
