"""The double of BigQuery refuses what BigQuery refuses."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, Conflict, GoogleAPICallError, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from replayport.testing import FakeBigQuery, serve

DAY = dt.date(2026, 11, 1)
FIELDS = [
    bigquery.SchemaField("day", "DATE", "REQUIRED"),
    bigquery.SchemaField("n", "INTEGER"),
    bigquery.SchemaField("at", "TIMESTAMP"),
]
SCHEMA = pa.schema(
    [
        pa.field("day", pa.date32(), nullable=False),
        pa.field("n", pa.int64()),
        pa.field("at", pa.timestamp("ms", tz="UTC")),
    ]
)


@pytest.fixture
def client():
    with serve(FakeBigQuery("p", polls=2)) as url:
        made = bigquery.Client(
            "p", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
        )
        made.create_dataset("d")
        table = bigquery.Table("p.d.t", schema=FIELDS)
        table.time_partitioning = bigquery.TimePartitioning(field="day")
        made.create_table(table)
        yield made
        made.close()


def load(client: Any, table: pa.Table, to: str = "p.d.t$20261101", **options: Any) -> Any:
    data = io.BytesIO()
    pq.write_table(table, data)
    data.seek(0)
    config = bigquery.LoadJobConfig(source_format="PARQUET", **options)
    return client.load_table_from_file(data, to, job_config=config, size=data.getbuffer().nbytes)


def one(n: int | None = 1, day: dt.date = DAY, at: int | None = 0) -> pa.Table:
    return pa.Table.from_pydict(
        {"day": [day], "n": [n], "at": pa.array([at], pa.timestamp("ms", "UTC"))}, schema=SCHEMA
    )


def test_rows_come_back_as_loaded(client):
    load(client, one(7)).result()
    [row] = client.list_rows("p.d.t", selected_fields=FIELDS)
    assert (row["day"], row["n"], row["at"]) == (DAY, 7, dt.datetime(1970, 1, 1, tzinfo=dt.UTC))


def test_truncate_replaces_a_partition_and_append_does_not(client):
    for n in (1, 2):
        load(client, one(n), write_disposition="WRITE_TRUNCATE").result()
    load(client, one(3, dt.date(2026, 11, 2)), "p.d.t$20261102").result()
    load(client, one(4), write_disposition="WRITE_APPEND").result()
    rows = client.list_rows("p.d.t", selected_fields=FIELDS)
    assert sorted(r["n"] for r in rows) == [2, 3, 4]


def test_a_partition_can_be_deleted(client):
    load(client, one()).result()
    client.delete_table("p.d.t$20261101")
    assert list(client.list_rows("p.d.t", selected_fields=FIELDS)) == []
    with pytest.raises(NotFound):
        client.delete_table("p.d.t$20261101")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (one(day=dt.date(2026, 11, 2)), "different partitions"),
        (one(at=253_402_300_800_000), "invalid timestamp"),
        (one().set_column(1, "n", pa.array(["x"])), "changed type"),
        (one().append_column("more", pa.array([1])), "no such field"),
        (one().drop_columns(["day"]), "required field day is missing"),
        (
            one().set_column(0, pa.field("day", pa.date32()), pa.array([DAY])),
            "from REQUIRED to NULLABLE",
        ),
    ],
)
def test_rows_that_do_not_fit_fail_the_job(client, table, said):
    with pytest.raises(GoogleAPICallError, match=said):
        load(client, table).result()


def test_what_is_there_already_and_what_is_not(client):
    with pytest.raises(Conflict):
        client.create_dataset("d")
    with pytest.raises(NotFound):
        client.get_table("p.d.nothing")
    with pytest.raises(NotFound):
        client.create_table(bigquery.Table("p.nothing.t", schema=FIELDS))
    table = client.get_table("p.d.t")
    table.schema = [*table.schema, bigquery.SchemaField("must", "STRING", "REQUIRED")]
    with pytest.raises(BadRequest, match="Cannot add required fields"):
        client.update_table(table, ["schema"])
