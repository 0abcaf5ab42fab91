"""
Loads the tables into BigQuery, with Google's client.

```
a day of the archive ──> one Parquet file a table ──> load job into table$20261101
                                                      WRITE_TRUNCATE: the day, as a whole
                         replayport_ledger$20261101 <── last: which recordings are in it
```

A day whose recordings are as the ledger says is not loaded. Because a load replaces the day
and the ledger comes last, a run that was killed, or ran twice, leaves no row twice.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa

from replayport.archive import Archive
from replayport.dataset import DatasetError
from replayport.dataset.build import DatasetReport, chosen_tables
from replayport.dataset.days import Key, current_members, days_of
from replayport.dataset.ledger import Member
from replayport.dataset.parts import ParquetFile, PartWritten, write_rows
from replayport.dataset.registry import log_write, register_day
from replayport.errors import MissingExtraError, ReplayError, SettingsError
from replayport.format.tables import TABLES, TIME_TYPE, Column, rows_batch

LEDGER_TABLE: Final = "replayport_ledger"
RETRY_S: Final = 300.0
"""Longest a request is tried again when BigQuery is busy or fails."""

_DAY: Final = Column("day", pa.date32(), "Day of the recording's first event, UTC.", nullable=False)
_LEDGER_COLUMNS: Final = (
    _DAY,
    Column("project", pa.string(), "Project of the recording.", nullable=False),
    Column("recording_id", pa.string(), "Id of the recording.", nullable=False),
    Column("revision", pa.string(), "Of its rows as loaded.", nullable=False),
    Column("fingerprint", pa.string(), "Of its manifest as loaded.", nullable=False),
    Column("start_ms", pa.int64(), "First event, epoch milliseconds.", nullable=False),
    Column("bytes", pa.int64(), "Of its events in the archive.", nullable=False),
    Column("tables", pa.string(), "Tables it was loaded into, with their columns.", nullable=False),
)
_TYPES: Final = {
    pa.string(): "STRING",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.float32(): "FLOAT",
    pa.float64(): "FLOAT",
    pa.int8(): "INTEGER",
    pa.int16(): "INTEGER",
    pa.int32(): "INTEGER",
    pa.int64(): "INTEGER",
    TIME_TYPE: "TIMESTAMP",
}


class BigQueryError(ReplayError):
    """
    BigQuery refused something.

    Attributes:
        reason: BigQuery's own word, such as ``accessDenied`` or ``quotaExceeded``.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def load_bigquery(
    archive: Archive,
    to: str,
    *,
    tables: Sequence[str] | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    without: Collection[Key] = (),
    client: Any = None,
    retry_s: float = RETRY_S,
    on_progress: Callable[[int, str], None] = lambda _n, _what: None,
) -> DatasetReport:
    """
    Load recordings into BigQuery, or bring what is there up to date.

    Args:
        archive: Where from.
        to: ``bigquery://project/dataset``; ``?location=EU`` says where a new dataset goes.
        tables: Keys of `TABLES`; all when None.
        since_ms: Only add recordings that started at or after, epoch milliseconds.
        until_ms: Only add recordings that started before.
        without: Recordings to leave out, by project and id, as if they were gone.
        client: A ``google.cloud.bigquery.Client``; one with the credentials of the
            environment when None.
        retry_s: How long a request is tried again.
        on_progress: Called with a number of recordings done, and where it is.

    Raises:
        BigQueryError: It refused: no right, no such project, a quota, a load job.
        SettingsError: The URL or the credentials cannot be used.
        MissingExtraError: The client is not installed.
    """
    project, dataset, location = parse_url(to)
    names = chosen_tables(tables)
    loader = _Loader(client or _client(project), project, dataset, location, retry_s)
    with _speaking():
        loader.prepare(names)
        known = loader.ledger()
    report = DatasetReport(to, names)
    said = _said(names)
    logged = False
    for day, wanted in days_of(archive, list(known), since_ms=since_ms, until_ms=until_ms):
        before, before_said = known.get(day, ([], {said}))
        found = current_members(archive, before, wanted, rejected=report.rejected)
        current = {key: member for key, member in found.items() if key not in without}
        same = {m.key: m.revision for m in before} == {k: m.revision for k, m in current.items()}
        if not (same and before_said == {said}):
            if current and not logged:
                asked = archive.catalog.count(since_ms=since_ms, until_ms=until_ms)
                log_write(archive, to, form="bigquery", tables=names, asked=asked)
                logged = True
            form = f"bigquery:{','.join(names)}"
            register_day(archive, to, day, [*before, *current.values()], form=form)
            with _speaking(), tempfile.TemporaryDirectory(prefix="replayport-") as scratch:
                loader.load_day(archive, day, current, names, Path(scratch), report)
            register_day(archive, to, day, current.values(), form=form)
        report.count(before, current)
        report.recordings += len(current)
        on_progress(len(current), day)
    return report


def parse_url(url: str) -> tuple[str, str, str | None]:
    """
    Read ``bigquery://project/dataset?location=EU``.

    Raises:
        SettingsError: It is not one.
    """
    parts = urlsplit(url)
    dataset = parts.path.strip("/")
    if parts.scheme != "bigquery" or not parts.netloc or not dataset or "/" in dataset:
        raise SettingsError(f"{url!r} names no place. Write bigquery://project/dataset")
    return parts.netloc, dataset, parse_qs(parts.query).get("location", [None])[0]


def _client(project: str) -> Any:
    try:
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import bigquery
    except ImportError as e:
        raise MissingExtraError(extra="bigquery", needed_for="loading into BigQuery") from e
    if os.environ.get("BIGQUERY_EMULATOR_HOST"):
        return bigquery.Client(project=project, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    try:
        return bigquery.Client(project=project)
    except (GoogleAuthError, OSError) as e:
        raise SettingsError(
            f"there are no credentials for BigQuery ({type(e).__name__}). "
            "Run: gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS"
        ) from e


@contextmanager
def _speaking() -> Iterator[None]:
    """Turn what the client raises into one error with a remedy."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError
    from google.resumable_media.common import InvalidResponse
    from requests.exceptions import RequestException

    try:
        yield
    except RetryError as e:
        raise BigQueryError(
            "BigQuery did not answer in time. What was loaded is kept; run the same command again",
            reason="unavailable",
        ) from e
    except GoogleAPICallError as e:
        reason = str((e.errors or [{}])[0].get("reason") or type(e).__name__)
        raise BigQueryError(
            f"BigQuery refused ({e.code or 'job failed'} {reason}): {e.message[:300]}. "
            f"{_REMEDIES.get(reason, 'What was loaded is kept; run the same command again')}",
            reason=reason,
        ) from e
    except InvalidResponse as e:
        status = e.response.status_code
        raise BigQueryError(
            f"BigQuery refused an upload (HTTP {status}). "
            "What was loaded is kept; run the same command again",
            reason=f"http{status}",
        ) from e
    except (GoogleAuthError, RequestException) as e:
        raise BigQueryError(
            f"BigQuery cannot be reached ({type(e).__name__}). "
            "Check the network and the credentials, then run the same command again",
            reason="unreachable",
        ) from e


_REMEDIES: Final = {
    "accessDenied": "The account needs the roles BigQuery Data Editor and BigQuery Job User",
    "notFound": "Check the project's name",
    "quotaExceeded": "A quota is used up; run the same command again later",
    "rateLimitExceeded": "Too many requests; run the same command again later",
}


def _said(tables: Sequence[str]) -> str:
    """Say what a day was loaded as: another set of tables or columns loads it again."""
    return "; ".join(f"{t}: {', '.join(TABLES[t].schema.names)}" for t in tables)


class _Loader:
    """The client, and where to."""

    def __init__(
        self, client: Any, project: str, dataset: str, location: str | None, retry_s: float
    ) -> None:
        try:
            from google.cloud import bigquery
            from google.cloud.bigquery.retry import DEFAULT_RETRY
        except ImportError as e:
            raise MissingExtraError(extra="bigquery", needed_for="loading into BigQuery") from e
        self._bq = bigquery
        self._client = client
        self._place = f"{project}.{dataset}"
        self._location = location
        self._retry = DEFAULT_RETRY.with_timeout(retry_s)
        self._schemas: dict[str, list[Any]] = {}

    def prepare(self, tables: Sequence[str]) -> None:
        """Make the dataset and the tables that are missing; add columns that are."""
        dataset = self._bq.Dataset(self._place)
        if self._location:
            dataset.location = self._location
        made = self._client.create_dataset(dataset, exists_ok=True, retry=self._retry)
        self._location = made.location or self._location
        for name in tables:
            table = TABLES[name]
            self._prepare_table(name, table.meaning, (_DAY, *table.columns), table.cluster_by)
        self._prepare_table(
            LEDGER_TABLE,
            "Which recordings replayport loaded, in which revision.",
            _LEDGER_COLUMNS,
            ("project", "recording_id"),
        )

    def _prepare_table(
        self, name: str, meaning: str, columns: Sequence[Column], cluster_by: Sequence[str]
    ) -> None:
        schema = [
            self._bq.SchemaField(
                c.name,
                _TYPES[c.type],
                mode="NULLABLE" if c.nullable else "REQUIRED",
                description=c.meaning,
            )
            for c in columns
        ]
        table = self._bq.Table(f"{self._place}.{name}", schema=schema)
        table.description = meaning
        table.time_partitioning = self._bq.TimePartitioning(
            type_=self._bq.TimePartitioningType.DAY, field=_DAY.name
        )
        table.clustering_fields = list(cluster_by)
        found = self._client.create_table(table, exists_ok=True, retry=self._retry)
        there = {f.name: f for f in found.schema}
        differing = [
            f.name
            for f in schema
            if f.name in there and _kind(there[f.name].field_type) != f.field_type
        ]
        if differing:
            raise DatasetError(
                f"the table {name} in {self._place} has other columns than ours of the same name: "
                f"{', '.join(differing)}. Load into a dataset of its own"
            )
        missing = [f for f in schema if f.name not in there]
        if missing:
            # BigQuery adds no required column to rows that are there.
            added = [
                self._bq.SchemaField(f.name, f.field_type, "NULLABLE", description=f.description)
                for f in missing
            ]
            found.schema = [*found.schema, *added]
            found = self._client.update_table(found, ["schema"], retry=self._retry)
        self._schemas[name] = list(found.schema)

    def ledger(self) -> dict[str, tuple[list[Member], set[str]]]:
        """Read what was loaded: day to recordings, and to what was said of its tables."""
        found: dict[str, tuple[list[Member], set[str]]] = {}
        rows = self._client.list_rows(
            f"{self._place}.{LEDGER_TABLE}",
            selected_fields=self._schemas[LEDGER_TABLE],
            retry=self._retry,
        )
        for row in rows:
            members, said = found.setdefault(row["day"].isoformat(), ([], set()))
            members.append(
                Member(
                    row["project"],
                    row["recording_id"],
                    row["revision"],
                    row["fingerprint"],
                    row["start_ms"],
                    row["bytes"],
                )
            )
            said.add(row["tables"])
        return found

    def load_day(
        self,
        archive: Archive,
        day: str,
        current: dict[Key, Member],
        tables: Sequence[str],
        scratch: Path,
        report: DatasetReport,
    ) -> None:
        """Replace a day; recordings that do not read are taken out of ``current``."""
        at = date.fromisoformat(day)
        rows = self._write(archive, at, current, tables, scratch, report)
        jobs = []
        for name in tables:
            if rows[name]:
                jobs.append((name, self._load(name, at, scratch / name)))
                report.rows[name] += rows[name]
                report.files_written += 1
            else:
                self._empty(name, at)
        for _, job in jobs:
            job.result(retry=self._retry)
        if not current:
            self._empty(LEDGER_TABLE, at)
            return
        said = _said(tables)
        ledger = rows_batch(
            [
                {
                    "day": at,
                    "project": m.project,
                    "recording_id": m.id,
                    "revision": m.revision,
                    "fingerprint": m.fingerprint,
                    "start_ms": m.start_ms,
                    "bytes": m.bytes,
                    "tables": said,
                }
                for m in sorted(current.values(), key=lambda m: m.key)
            ],
            _schema(_LEDGER_COLUMNS),
        )
        with closing(ParquetFile(scratch / LEDGER_TABLE, ledger.schema)) as writer:
            writer.write(ledger)
        self._load(LEDGER_TABLE, at, scratch / LEDGER_TABLE).result(retry=self._retry)

    def _write(
        self,
        archive: Archive,
        at: date,
        current: dict[Key, Member],
        tables: Sequence[str],
        scratch: Path,
        report: DatasetReport,
    ) -> Mapping[str, int]:
        """Write a day's files; again without the recordings that failed, until none does."""
        while True:
            members = sorted(current.values(), key=lambda m: (m.start_ms, m.key))
            result = PartWritten()
            with ExitStack() as stack:
                writers = {
                    name: stack.enter_context(
                        closing(_DayFile(scratch / name, TABLES[name].schema, at))
                    )
                    for name in tables
                }
                rows = write_rows(archive.store, members, writers, result)
            if not result.damaged and not result.changed:
                return rows
            for key, why in result.damaged.items():
                report.rejected["/".join(key)] = why
            report.left_for_later += [
                "/".join(key) for key in sorted(result.changed - result.damaged.keys())
            ]
            for key in (*result.damaged, *result.changed):
                current.pop(key, None)

    def _load(self, name: str, at: date, path: Path) -> Any:
        config = self._bq.LoadJobConfig(
            source_format=self._bq.SourceFormat.PARQUET,
            write_disposition=self._bq.WriteDisposition.WRITE_TRUNCATE,
            schema=self._schemas[name],
        )
        with path.open("rb") as file:
            return self._client.load_table_from_file(
                file,
                f"{self._place}.{name}${at:%Y%m%d}",
                size=path.stat().st_size,
                job_id_prefix="replayport_",
                location=self._location,
                job_config=config,
            )

    def _empty(self, name: str, at: date) -> None:
        self._client.delete_table(
            f"{self._place}.{name}${at:%Y%m%d}", not_found_ok=True, retry=self._retry
        )


class _DayFile:
    """A Parquet file with the day beside the table's columns."""

    def __init__(self, path: Path, schema: pa.Schema, at: date) -> None:
        self._schema = pa.schema([pa.field("day", pa.date32(), nullable=False), *schema])
        self._at = pa.scalar(at, pa.date32())
        self._file = ParquetFile(path, self._schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch."""
        days = pa.repeat(self._at, batch.num_rows)
        self._file.write(pa.RecordBatch.from_arrays([days, *batch.columns], schema=self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in columns])


def _kind(field_type: str) -> str:
    """Give one name for a type BigQuery has two for."""
    names: Mapping[str, str] = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}
    return names.get(field_type, field_type)
