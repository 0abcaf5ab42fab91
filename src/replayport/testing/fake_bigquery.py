"""
An ASGI app that behaves like BigQuery's REST API, as far as loading needs it.

Google's own client talks to it: set ``BIGQUERY_EMULATOR_HOST``, or give the client the
address as ``api_endpoint``. It keeps what was loaded, and refuses what BigQuery refuses:
another type, a missing required value, a row outside the partition it was loaded into,
a time no calendar has.

Routes:
    datasets: insert, get. tables: insert, get, patch, delete (also of one partition),
    data (``tabledata.list``). jobs: get, and load by multipart or resumable upload.

Source:
    Google's reference of the BigQuery API v2, and of resumable uploads.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_ARROW: Final = {
    "STRING": (pa.types.is_string, pa.types.is_large_string),
    "INTEGER": (pa.types.is_integer,),
    "FLOAT": (pa.types.is_floating,),
    "BOOLEAN": (pa.types.is_boolean,),
    "DATE": (pa.types.is_date,),
    "TIMESTAMP": (lambda t: pa.types.is_timestamp(t) and t.tz is not None,),
}
_LONGEST_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,1024}")


@dataclass
class FakeTable:
    """One table."""

    resource: dict[str, Any]
    partitions: dict[str, pa.Table] = field(default_factory=dict)
    """By ``YYYYMMDD``."""

    def rows(self) -> list[dict[str, Any]]:
        """Give all rows, by partition."""
        return [row for day in sorted(self.partitions) for row in self.partitions[day].to_pylist()]


@dataclass(frozen=True, slots=True)
class BigQueryFault:
    """What goes wrong, how often."""

    method: str
    path_contains: str
    status: int
    reason: str
    times: int = 1_000_000


class FakeBigQuery:
    """
    BigQuery of one project.

    Attributes:
        project: Its id; others answer 404.
        tables: By ``dataset.table``.
        requests: Method and path of each request so far.
        faults: Answered in place of the real answer.
        failing_loads: Tables whose load jobs end in an error, with BigQuery's reason.
        refuse_after: After so many requests everything is refused with 400, which no
            client tries again; None for never.
    """

    def __init__(self, project: str = "demo-project", *, polls: int = 1) -> None:
        self.project = project
        self.datasets: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, FakeTable] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults: list[BigQueryFault] = []
        self.failing_loads: dict[str, str] = {}
        self.refuse_after: int | None = None
        self._polls = polls
        self._jobs: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, int] = {}
        self._uploads: dict[str, tuple[dict[str, Any], bytearray]] = {}
        self._left: dict[BigQueryFault, int] = {}
        self._app = self._make_app()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Give the rows of ``dataset.table``."""
        return self.tables[table].rows()

    def _make_app(self) -> Starlette:
        tables = "/bigquery/v2/projects/{project}/datasets/{dataset}/tables"
        routes = [
            ("/bigquery/v2/projects/{project}/datasets", ["POST"], self._insert_dataset),
            ("/bigquery/v2/projects/{project}/datasets/{dataset}", ["GET"], self._get_dataset),
            (tables, ["POST"], self._insert_table),
            (tables + "/{table}", ["GET"], self._get_table),
            (tables + "/{table}", ["PATCH"], self._patch_table),
            (tables + "/{table}", ["DELETE"], self._delete_table),
            (tables + "/{table}/data", ["GET"], self._list_rows),
            ("/bigquery/v2/projects/{project}/jobs/{job}", ["GET"], self._get_job),
            ("/upload/bigquery/v2/projects/{project}/jobs", ["POST"], self._start_upload),
            ("/upload/bigquery/v2/resumable/{upload}", ["PUT"], self._upload),
        ]

        def guarded(handler: Any) -> Any:
            async def answer(request: Request) -> Response:
                self.requests.append((request.method, request.url.path))
                if self.refuse_after is not None and len(self.requests) > self.refuse_after:
                    return _error(400, "stopped", "refused from here on")
                fault = self._fault(request)
                if fault is not None:
                    return _error(fault.status, fault.reason, f"fault of {fault.path_contains}")
                if request.path_params.get("project", self.project) != self.project:
                    return _error(404, "notFound", "Not found: Project")
                response: Response = await handler(request)
                return response

            return answer

        return Starlette(routes=[Route(p, guarded(h), methods=m) for p, m, h in routes])

    def _fault(self, request: Request) -> BigQueryFault | None:
        for fault in self.faults:
            if fault.method == request.method and fault.path_contains in request.url.path:
                left = self._left.get(fault, fault.times)
                if left > 0:
                    self._left[fault] = left - 1
                    return fault
        return None

    # --- datasets and tables --------------------------------------------------------

    async def _insert_dataset(self, request: Request) -> Response:
        resource = await request.json()
        name = resource["datasetReference"]["datasetId"]
        if name in self.datasets:
            return _error(409, "duplicate", f"Already Exists: Dataset {self.project}:{name}")
        if not _LONGEST_NAME.fullmatch(name):
            return _error(400, "invalid", "Invalid dataset ID")
        self.datasets[name] = {"location": "US", **resource}
        return JSONResponse(self.datasets[name])

    async def _get_dataset(self, request: Request) -> Response:
        found = self.datasets.get(request.path_params["dataset"])
        return JSONResponse(found) if found else _error(404, "notFound", "Not found: Dataset")

    async def _insert_table(self, request: Request) -> Response:
        resource = await request.json()
        reference = resource["tableReference"]
        if reference["datasetId"] not in self.datasets:
            return _error(404, "notFound", "Not found: Dataset")
        name = f"{reference['datasetId']}.{reference['tableId']}"
        if name in self.tables:
            return _error(409, "duplicate", f"Already Exists: Table {name}")
        fields = {f["name"] for f in resource["schema"]["fields"]}
        clustering = resource.get("clustering", {}).get("fields", [])
        partition = resource.get("timePartitioning", {}).get("field")
        if not set(clustering) <= fields or len(clustering) > 4 or partition not in fields:
            return _error(400, "invalid", "The clustering or partitioning fields are not valid")
        self.tables[name] = FakeTable(resource)
        return JSONResponse(resource)

    def _table(self, request: Request) -> tuple[FakeTable | None, str]:
        name, _, partition = request.path_params["table"].partition("$")
        return self.tables.get(f"{request.path_params['dataset']}.{name}"), partition

    async def _get_table(self, request: Request) -> Response:
        table, _ = self._table(request)
        return JSONResponse(table.resource) if table else _error(404, "notFound", "Not found")

    async def _patch_table(self, request: Request) -> Response:
        table, _ = self._table(request)
        if table is None:
            return _error(404, "notFound", "Not found: Table")
        changes = await request.json()
        old = {f["name"]: f for f in table.resource["schema"]["fields"]}
        for new in changes.get("schema", {}).get("fields", []):
            if new["name"] not in old and new.get("mode") == "REQUIRED":
                return _error(400, "invalid", "Cannot add required fields to an existing schema")
        table.resource = {**table.resource, **changes}
        return JSONResponse(table.resource)

    async def _delete_table(self, request: Request) -> Response:
        table, partition = self._table(request)
        if table is None or (partition and partition not in table.partitions):
            return _error(404, "notFound", "Not found: Table")
        if partition:
            del table.partitions[partition]
        else:
            del self.tables[f"{request.path_params['dataset']}.{request.path_params['table']}"]
        return Response(status_code=204)

    async def _list_rows(self, request: Request) -> Response:
        table, partition = self._table(request)
        if table is None:
            return _error(404, "notFound", "Not found: Table")
        names = [f["name"] for f in table.resource["schema"]["fields"]]
        if request.query_params.get("selectedFields"):
            names = [n for n in names if n in request.query_params["selectedFields"].split(",")]
        rows = [r for r in table.rows() if not partition or f"{r['day']:%Y%m%d}" == partition]
        start = int(request.query_params.get("pageToken") or 0)
        page = min(int(request.query_params.get("maxResults") or 500), 500)
        answer: dict[str, Any] = {
            "totalRows": str(len(rows)),
            "rows": [
                {"f": [{"v": _wire(row.get(n))} for n in names]}
                for row in rows[start : start + page]
            ],
        }
        if start + page < len(rows):
            answer["pageToken"] = str(start + page)
        return JSONResponse(answer)

    # --- jobs -----------------------------------------------------------------------

    async def _get_job(self, request: Request) -> Response:
        job = self._jobs.get(request.path_params["job"])
        if job is None:
            return _error(404, "notFound", "Not found: Job")
        name = request.path_params["job"]
        self._waiting[name] -= 1
        if self._waiting[name] > 0:
            return JSONResponse({**job, "status": {"state": "RUNNING"}})
        return JSONResponse(job)

    async def _start_upload(self, request: Request) -> Response:
        if request.query_params.get("uploadType") == "multipart":
            boundary = request.headers["content-type"].partition("boundary=")[2].strip('"; ')
            parts = (await request.body()).split(f"--{boundary}".encode())
            metadata, data = (p.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for p in parts[1:3])
            return self._run(json.loads(metadata), data)
        upload = f"upload-{len(self._uploads) + 1}"
        self._uploads[upload] = (await request.json(), bytearray())
        base = str(request.base_url).rstrip("/")
        location = f"{base}/upload/bigquery/v2/resumable/{upload}"
        return Response(status_code=200, headers={"Location": location})

    async def _upload(self, request: Request) -> Response:
        found = self._uploads.get(request.path_params["upload"])
        if found is None:
            return _error(404, "notFound", "Not found: upload")
        metadata, data = found
        span = request.headers["content-range"].removeprefix("bytes ")
        place, _, total = span.partition("/")
        body = await request.body()
        if body:
            start = int(place.partition("-")[0])
            if start != len(data):
                return _error(400, "invalid", "Invalid range")
            data += body
        if total == "*" or len(data) < int(total):
            headers = {"Range": f"bytes=0-{len(data) - 1}"} if data else {}
            return Response(status_code=308, headers=headers)
        return self._run(metadata, bytes(data))

    def _run(self, metadata: dict[str, Any], data: bytes) -> Response:
        """Do a load job; BigQuery answers at once and works afterwards."""
        load = metadata["configuration"]["load"]
        job_id = metadata["jobReference"]["jobId"]
        if job_id in self._jobs:
            return _error(409, "duplicate", f"Already Exists: Job {job_id}")
        problem = self._load(load, data)
        status: dict[str, Any] = {"state": "DONE"}
        if problem is not None:
            reason, message = problem
            error = {"reason": reason, "message": message, "location": "load"}
            status |= {"errorResult": error, "errors": [error]}
        reference = {"projectId": self.project, "location": "US", **metadata["jobReference"]}
        job = {
            "kind": "bigquery#job",
            "id": f"{self.project}:US.{job_id}",
            "jobReference": reference,
            "configuration": {"jobType": "LOAD", "load": load},
            "status": status,
            "statistics": {"creationTime": "0", "load": {"inputFileBytes": str(len(data))}},
        }
        self._jobs[job_id] = job
        self._waiting[job_id] = self._polls
        return JSONResponse({**job, "status": {"state": "PENDING"}})

    def _load(self, load: Mapping[str, Any], data: bytes) -> tuple[str, str] | None:
        """Take the rows; give BigQuery's reason and words when it would not."""
        place = load["destinationTable"]
        name, _, partition = place["tableId"].partition("$")
        full = f"{place['datasetId']}.{name}"
        table = self.tables.get(full)
        if full in self.failing_loads:
            return self.failing_loads[full], "the job failed"
        if table is None:
            return "notFound", f"Not found: Table {full}"
        if load.get("sourceFormat") != "PARQUET":
            return "invalid", "only PARQUET is loaded here"
        try:
            rows = pq.read_table(io.BytesIO(data))
        except (pa.ArrowException, OSError) as e:
            return "invalid", f"not a Parquet file: {type(e).__name__}"
        fields = load.get("schema", table.resource["schema"])["fields"]
        problem = _schema_problem(rows, fields) or _partition_problem(rows, partition, table)
        if problem is not None:
            return "invalid", problem
        old = table.partitions.get(partition)
        if load.get("writeDisposition") != "WRITE_TRUNCATE" and old is not None:
            rows = pa.concat_tables([old, rows])
        table.partitions[partition] = rows
        return None


def _schema_problem(rows: pa.Table, fields: Sequence[Mapping[str, Any]]) -> str | None:
    known = {f["name"]: f for f in fields}
    for field_ in rows.schema:
        wanted = known.get(field_.name)
        if wanted is None:
            return f"no such field: {field_.name}"
        if not any(test(field_.type) for test in _ARROW[wanted["type"]]):
            return f"field {field_.name} has changed type to {field_.type}"
        if wanted.get("mode") == "REQUIRED" and (field_.nullable or rows[field_.name].null_count):
            return f"field {field_.name} has changed mode from REQUIRED to NULLABLE"
        if wanted["type"] == "TIMESTAMP":
            for value in (
                rows[field_.name].cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_pylist()
            ):
                if value is not None and not -62_135_596_800_000 <= value < 253_402_300_800_000:
                    return f"cannot return an invalid timestamp value in {field_.name}"
    missing = [
        n for n, f in known.items() if f.get("mode") == "REQUIRED" and n not in rows.schema.names
    ]
    return f"required field {missing[0]} is missing" if missing else None


def _partition_problem(rows: pa.Table, partition: str, table: FakeTable) -> str | None:
    column = table.resource["timePartitioning"]["field"]
    days = {f"{day:%Y%m%d}" for day in rows[column].unique().to_pylist()}
    if not re.fullmatch(r"\d{8}", partition):
        return "this double takes loads into one partition only"
    if days - {partition}:
        return f"some rows belong to different partitions rather than destination {partition}"
    return None


def _wire(value: object) -> object:
    """Give a value as ``tabledata.list`` writes it: everything is text."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return str(int(value.timestamp() * 1_000_000))
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _error(status: int, reason: str, message: str) -> Response:
    error = {"reason": reason, "message": message, "domain": "global"}
    return JSONResponse(
        {"error": {"code": status, "message": message, "errors": [error], "status": reason}},
        status_code=status,
    )
