"""Loading into BigQuery, by Google's client against a server that behaves like its API."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import Forbidden
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from tests.dataset.conftest import DAY_MS, add
from tests.support.builders import START_MS, click, draft, meta

from replayport.archive import Archive
from replayport.audit import AuditLog
from replayport.dataset import DatasetError
from replayport.dataset.bigquery import LEDGER_TABLE, BigQueryError, load_bigquery, parse_url
from replayport.dataset.registry import registered_datasets
from replayport.errors import SettingsError
from replayport.format.tables import TABLES
from replayport.testing import BigQueryFault, FakeBigQuery, serve

TO = "bigquery://demo-project/replays"


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


def load(archive, client, **options):
    return load_bigquery(archive, TO, client=client, retry_s=5, **options)


def loads(fake):
    return sum(path.startswith("/upload/") for _, path in fake.requests)


def check(archive: Archive, fake: FakeBigQuery) -> None:
    """Every table in BigQuery holds what the archive holds."""
    for name in TABLES:
        found = [
            {k: v for k, v in row.items() if k != "day"} for row in fake.rows(f"replays.{name}")
        ]
        wanted = archive.scan(name).to_pylist()
        assert sorted(map(repr, found)) == sorted(map(repr, wanted)), name
    ledger = {(r["project"], r["recording_id"]) for r in fake.rows(f"replays.{LEDGER_TABLE}")}
    assert ledger == {(r.manifest.project, r.id) for r in archive.recordings()}


def test_every_row_in_tables_that_are_described(archive, client, fake):
    report = load(archive, client)
    check(archive, fake)
    assert (report.recordings, report.added, report.ok) == (9, 9, True)
    assert set(fake.tables) == {f"replays.{n}" for n in (*TABLES, LEDGER_TABLE)}
    for name, table in TABLES.items():
        made = client.get_table(f"demo-project.replays.{name}")
        assert made.description == table.meaning
        assert (made.time_partitioning.type_, made.time_partitioning.field) == ("DAY", "day")
        assert made.clustering_fields == list(table.cluster_by)
        described = {f.name: (f.description, f.mode) for f in made.schema}
        assert described["day"][1] == "REQUIRED"
        for column in table.columns:
            mode = "NULLABLE" if column.nullable else "REQUIRED"
            assert described[column.name] == (column.meaning, mode)
    assert sorted(fake.tables["replays.events"].partitions) == ["20260921", "20260922", "20260923"]


def test_again_loads_nothing_and_then_only_days_that_changed(archive, client, fake):
    load(archive, client)
    before = loads(fake)
    assert load(archive, client).unchanged == 9
    assert loads(fake) == before
    archive.delete("s-4")
    add(archive, "new", day=1)
    report = load(archive, client)
    assert (report.added, report.removed, report.unchanged) == (1, 1, 8)
    with_rows = [n for n in TABLES if archive.scan(n).num_rows]
    assert loads(fake) == before + len(with_rows) + 1  # and the ledger, of one day
    check(archive, fake)


def test_a_day_that_is_gone_leaves_no_row(archive, client, fake):
    load(archive, client)
    for name in ("s-3", "s-4", "s-5"):
        archive.delete(name)
    assert load(archive, client, since_ms=START_MS + 2 * DAY_MS).removed == 3
    check(archive, fake)
    assert all("20260922" not in t.partitions for t in fake.tables.values())


def test_killed_between_any_two_requests_it_goes_on(client, fake):
    """Cut by an answer that is not tried again, at each request in turn."""
    with Archive.open("memory://", create=True) as archive:
        for i in range(3):
            add(archive, f"s-{i}", day=i // 2)
        load(archive, client, tables=["events", "recordings"])
        whole = len(fake.requests)
        for n in range(whole):
            fake.tables.clear()
            fake.datasets.clear()
            fake.requests.clear()
            fake.refuse_after = n
            with pytest.raises(BigQueryError):
                load(archive, client, tables=["events", "recordings"])
            fake.refuse_after = None
            report = load(archive, client, tables=["events", "recordings"])
            assert report.recordings == 3
            assert len(fake.rows("replays.events")) == 24
            assert len(fake.rows("replays.recordings")) == 3


def test_large_days_are_uploaded_in_pieces(client, fake, monkeypatch):
    from google.cloud.bigquery import client as google

    monkeypatch.setattr(google, "_MAX_MULTIPART_SIZE", 1)
    monkeypatch.setattr(google, "_DEFAULT_CHUNKSIZE", 256 * 1024)
    with Archive.open("memory://", create=True) as archive:
        import random

        noise = random.Random(1)
        big = [meta(), *(click(n) for n in range(1, 4))]
        for event in big[1:]:
            event["data"]["noise"] = noise.randbytes(200_000).hex()
        archive.write(draft(big))
        load(archive, client, tables=["events"])
        pieces = [p for m, p in fake.requests if m == "PUT"]
        assert len(pieces) > 3
        assert len(fake.rows("replays.events")) == 4


def test_times_no_calendar_has_are_loaded_as_null(client, fake):
    with Archive.open("memory://", create=True) as archive:
        archive.write(draft([meta(), {**click(0), "timestamp": 8_640_000_000_000_000}]))
        load(archive, client, tables=["events"])
    assert [r["time"] is None for r in fake.rows("replays.events")] == [False, True]


def test_a_busy_server_is_asked_again(archive, client, fake):
    fake.faults += [
        BigQueryFault("POST", "/datasets/replays/tables", 503, "backendError", times=1),
        BigQueryFault("GET", "/data", 429, "rateLimitExceeded", times=1),
        BigQueryFault("POST", "/upload/", 503, "backendError", times=1),
        BigQueryFault("GET", "/jobs/", 500, "internalError", times=1),
    ]
    assert load(archive, client, tables=["recordings"]).ok
    assert len(fake.rows("replays.recordings")) == 9


@pytest.mark.parametrize(
    ("fault", "reason", "said"),
    [
        (("POST", "/datasets", 403, "accessDenied"), "accessDenied", "Data Editor"),
        (("POST", "/tables", 403, "quotaExceeded"), "quotaExceeded", "later"),
        (("POST", "/upload/", 403, "accessDenied"), "", "HTTP 403|accessDenied"),
        (("GET", "/data", 404, "notFound"), "notFound", "project"),
        (("POST", "/datasets", 400, "invalid"), "invalid", "run the same command again"),
    ],
)
def test_what_it_refuses_is_said_with_a_remedy(archive, client, fake, fault, reason, said):
    fake.faults.append(BigQueryFault(*fault))
    with pytest.raises(BigQueryError, match=said) as caught:
        load(archive, client)
    assert reason in caught.value.reason


def test_another_project_is_not_found(archive, client):
    with pytest.raises(BigQueryError, match="notFound"):
        load_bigquery(archive, "bigquery://other/replays", client=client, retry_s=1)


def test_a_server_that_never_recovers_ends_in_an_error(archive, client, fake):
    fake.faults.append(BigQueryFault("POST", "/datasets", 503, "backendError"))
    with pytest.raises(BigQueryError, match="run the same command again"):
        load_bigquery(archive, TO, client=client, retry_s=0.5)


def test_a_job_that_fails_is_an_error_and_the_next_run_completes(archive, client, fake):
    fake.failing_loads["replays.console"] = "resourcesExceeded"
    with pytest.raises(BigQueryError, match="resourcesExceeded"):
        load(archive, client)
    assert not fake.rows(f"replays.{LEDGER_TABLE}")
    fake.failing_loads.clear()
    load(archive, client)
    check(archive, fake)


def test_damaged_recordings_are_named_and_the_others_loaded(archive, client, fake):
    key = f"{archive.recording('s-4').prefix}/events.parquet"
    archive.store.put(key, archive.store.get(key)[:-9])
    report = load(archive, client)
    assert list(report.rejected) == ["p0/s-4"]
    assert report.added == 8
    for name in ("recordings", "events"):
        ids = {r["recording_id"] for r in fake.rows(f"replays.{name}")}
        assert ids == {f"s-{i}" for i in range(9) if i != 4}


def test_tables_of_somebody_else_are_left_alone(archive, client):
    client.create_dataset("replays")
    theirs = bigquery.Table(
        "demo-project.replays.events",
        schema=[bigquery.SchemaField("day", "DATE"), bigquery.SchemaField("type", "STRING")],
    )
    theirs.time_partitioning = bigquery.TimePartitioning(field="day")
    client.create_table(theirs)
    with pytest.raises(DatasetError, match="other columns than ours of the same name: type"):
        load(archive, client)


def test_columns_that_came_later_are_added(archive, client, fake):
    load(archive, client, tables=["console"])
    fields = fake.tables["replays.console"].resource["schema"]["fields"]
    fields[:] = [f for f in fields if f["name"] != "trace"]
    fake.tables["replays.console"].partitions.clear()
    fake.tables[f"replays.{LEDGER_TABLE}"].partitions.clear()
    load(archive, client, tables=["console"])
    assert [r["trace"] for r in fake.rows("replays.console")] == ["a.js:1"] * 9


def test_it_is_remembered_for_an_erasure(archive, client):
    load(archive, client, tables=["console"])
    assert registered_datasets(archive) == {TO: "bigquery:console"}


def test_the_audit_log_says_where_recordings_went(archive, client):
    for _ in range(2):
        load(archive, client, tables=["console"])
        [entry] = [e for e in AuditLog(archive).entries() if e.action == "dataset.write"]
        assert entry.target == f"dataset:{TO}"
        assert entry.detail["format"] == "bigquery"


@pytest.mark.parametrize(
    "url", ["bigquery://project", "bigquery:///x", "s3://a/b", "bigquery://p/d/t", "p.d"]
)
def test_urls_that_name_no_place(url):
    with pytest.raises(SettingsError, match="bigquery://project/dataset"):
        parse_url(url)


def test_a_location_for_a_new_dataset(archive, client, fake):
    assert parse_url(f"{TO}?location=EU") == ("demo-project", "replays", "EU")
    load_bigquery(archive, f"{TO}?location=EU", client=client, tables=["console"], retry_s=5)
    assert fake.datasets["replays"]["location"] == "EU"


def test_the_double_refuses_like_the_client_says(client, fake):
    fake.faults.append(BigQueryFault("GET", "/datasets/x", 403, "accessDenied"))
    with pytest.raises(Forbidden):
        client.get_dataset("x")
