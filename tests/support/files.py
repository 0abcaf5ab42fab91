"""A file of every form that can be imported, made here, and what is in it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zstandard
from tests.support.builders import START_MS, click, compressed, draft, lines, visit

from replayport.archive import Archive
from replayport.export import EXPORTS, ExportOptions
from replayport.posthog.blocks import encode_snappy, join_stream
from replayport.rrweb.packing import pack

SESSION = "01a207b6-db1e-77e2-a554-f29eca262d42"
WINDOW = "01a207b6-db1e-77e2-a554-f29f68a99ea1"

TWO_WINDOWS = [
    *(("w1", e) for e in visit()),
    *(("w2", {**e, "timestamp": e["timestamp"] + 1000}) for e in visit()),
]


@dataclass(frozen=True)
class FormCase:
    """A file, and what an import of it must give."""

    name: str
    form: str
    """`source.form` of the manifest."""
    make: Callable[[], bytes]
    events: list[tuple[str, Any]]
    """Window and event, in the file's order."""
    session_id: str | None = None
    distinct_id: str | None = None


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def jsonl(items: list[Any]) -> bytes:
    return b"".join(compact(i) + b"\n" for i in items)


def utf16_gzip_base64(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False)
    return base64.b64encode(gzip.compress(text.encode("utf-16", "surrogatepass"), mtime=0))


def staff_zip(blocks: list[bytes], *, ranges: bool = True, names: list[str] | None = None) -> bytes:
    out = io.BytesIO()
    names = names or [f"{1790000000000 + i}-{i:016x}" for i in range(len(blocks))]
    start = 37
    urls = [
        f"s3://posthog/session_recordings/30d/{name.rsplit('/', 1)[-1]}?range=bytes={start}-{start + len(block) - 1}"
        for name, block in zip(names, blocks, strict=True)
    ]
    row = {
        "session_id": SESSION,
        "distinct_id": "d-1",
        "snapshot_source": "web",
        **({"block_urls": urls} if ranges else {}),
    }
    event = {
        "event": "$pageview",
        "uuid": "u-1",
        "timestamp": "2026-09-21 14:13:20.500000",
        "distinct_id": "d-1",
        "properties": json.dumps({"$current_url": "https://shop.example/", "$window_id": "w1"}),
    }
    with zipfile.ZipFile(out, "w") as zip_:
        zip_.writestr(
            "clickhouse/session-replay-events.json",
            json.dumps({"meta": [], "data": [row], "rows": 1}),
        )
        zip_.writestr(
            "clickhouse/events.json", json.dumps({"meta": [], "data": [event], "rows": 1})
        )
        zip_.writestr("s3_prefix.txt", "session_recordings")
        for name, block in zip(names, blocks, strict=True):
            path = name if "/" in name else f"data/{name}"
            zip_.writestr(path, bytes(start) + block + bytes(1024))
    return out.getvalue()


def wire_body(events: list[Any], *, session_id: str = SESSION, uuid: str | None = None) -> bytes:
    return compact(
        {
            "api_key": "phc_test",
            "batch": [
                {
                    "event": "$snapshot",
                    **({"uuid": uuid} if uuid else {}),
                    "properties": {
                        "$session_id": session_id,
                        "$window_id": WINDOW,
                        "$snapshot_data": events,
                        "distinct_id": "d-1",
                    },
                }
            ],
        }
    )


def chunk_rows(events: list[Any], *, session_id: str = SESSION, pieces: int = 3) -> list[Any]:
    text = utf16_gzip_base64(events).decode()
    step = -(-len(text) // pieces)
    parts = [text[i : i + step] for i in range(0, len(text), step)]
    return [
        {
            "session_id": session_id,
            "window_id": "w1",
            "distinct_id": "d-1",
            "team_id": 1,
            "snapshot_data": json.dumps(
                {
                    "chunk_id": "c-1",
                    "chunk_index": i,
                    "chunk_count": len(parts),
                    "data": part,
                    "compression": "gzip-base64",
                    "has_full_snapshot": True,
                }
            ),
        }
        for i, part in enumerate(parts)
    ]


def exported(name: str, tmp: Any) -> bytes:
    with Archive.open(tmp / "exported-from", create=True) as archive:
        written = archive.write(draft(session_id=SESSION, project="shop"))
        return b"".join(EXPORTS[name].load()(archive.recording(written.id), ExportOptions()))


def _cases() -> list[FormCase]:
    one = [("", e) for e in visit()]
    w1 = [("w1", e) for e in visit()]
    own_window = [("7", {**e, "windowId": 7}) for e in visit()]
    wired = [(WINDOW, e) for e in visit()]
    by_window = {w: [e for x, e in TWO_WINDOWS if x == w] for w in ("w1", "w2")}
    posthog_lines = b"".join(lines([e], w) for w, e in TWO_WINDOWS)
    half = len(posthog_lines.splitlines()) // 2
    first, second = (
        b"\n".join(part) + b"\n"
        for part in (posthog_lines.splitlines()[:half], posthog_lines.splitlines()[half:])
    )
    packed_events = [pack(e) for e in visit()]
    array = compact(visit())
    highlight = {
        "events": {"events": visit()},
        "messages": json.dumps({"messages": [{"value": ["x"]}]}),
        "session_secure_id": "hl-1",
    }
    ui_person = {"id": 1, "distinct_ids": ["d-1", "d-2"]}
    packed_lines = b"".join(lines([compressed(e)], w) for w, e in TWO_WINDOWS)
    return [
        FormCase("rrweb-array", "rrweb_array", lambda: array, one),
        FormCase(
            "pretty-array", "rrweb_array", lambda: json.dumps(visit(), indent=2).encode(), one
        ),
        FormCase("bom-array", "rrweb_array", lambda: b"\xef\xbb\xbf" + array, one),
        FormCase("spaces-array", "rrweb_array", lambda: b" \r\n\t" * 200 + array + b"\n\n", one),
        FormCase("one-event", "rrweb_array", lambda: compact(visit()[0]), one[:1]),
        FormCase(
            "one-event-pretty",
            "rrweb_array",
            lambda: json.dumps(visit()[0], indent=1).encode(),
            one[:1],
        ),
        FormCase(
            "packed-array",
            "array",
            lambda: compact(packed_events),
            [("", {**e, "v": "v1"}) for e in visit()],
        ),
        FormCase("jsonl", "posthog_lines", lambda: jsonl(visit()), one),
        FormCase(
            "jsonl-crlf", "posthog_lines", lambda: jsonl(visit()).replace(b"\n", b"\r\n"), one
        ),
        FormCase(
            "jsonl-of-arrays", "posthog_lines", lambda: jsonl([visit()[:3], visit()[3:]]), one
        ),
        FormCase("array-gz", "rrweb_array", lambda: gzip.compress(array, mtime=0), one),
        FormCase(
            "array-gz-gz",
            "rrweb_array",
            lambda: gzip.compress(gzip.compress(array, mtime=0), mtime=0),
            one,
        ),
        FormCase(
            "array-zst", "rrweb_array", lambda: zstandard.ZstdCompressor().compress(array), one
        ),
        FormCase(
            "array-zst-frames",
            "rrweb_array",
            lambda: (
                zstandard.ZstdCompressor().compress(array[:500])
                + zstandard.ZstdCompressor().compress(array[500:])
            ),
            one,
        ),
        FormCase("posthog-lines", "posthog_lines", lambda: posthog_lines, TWO_WINDOWS),
        FormCase(
            "posthog-lines-cv",
            "posthog_lines",
            lambda: packed_lines,
            [(w, {**e, "cv": "2024-10"} if compressed(e) != e else e) for w, e in TWO_WINDOWS],
        ),
        FormCase("posthog-one-line", "posthog_lines", lambda: lines(visit()[:1]), w1[:1]),
        FormCase(
            "lines-of-numbered-windows",
            "posthog_lines",
            lambda: jsonl([[3, e] for e in visit()]),
            [("3", e) for e in visit()],
        ),
        FormCase(
            "v2-block", "posthog_v2_blocks", lambda: encode_snappy(posthog_lines), TWO_WINDOWS
        ),
        FormCase(
            "v2-stream",
            "posthog_v2_blocks",
            lambda: join_stream([encode_snappy(first), encode_snappy(second)]),
            TWO_WINDOWS,
        ),
        FormCase(
            "v1-blob",
            "posthog_lines",
            lambda: gzip.compress(
                jsonl([{"window_id": w, "data": es} for w, es in by_window.items()]), mtime=0
            ),
            TWO_WINDOWS,
        ),
        FormCase(
            "lts-2022",
            "lts_2022",
            lambda: utf16_gzip_base64(
                {
                    "version": "2022-12-22",
                    "distinct_id": "d-1",
                    "snapshot_data_by_window_id": by_window,
                }
            ),
            TWO_WINDOWS,
            distinct_id="d-1",
        ),
        FormCase(
            "chunks",
            "posthog_chunks",
            lambda: jsonl(chunk_rows(visit())),
            w1,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "chunks-array",
            "posthog_chunks",
            lambda: compact(chunk_rows(visit())),
            w1,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "chunks-unchunked",
            "posthog_chunks",
            lambda: jsonl(
                [
                    {"session_id": SESSION, "window_id": "w1", "snapshot_data": json.dumps(e)}
                    for e in visit()
                ]
            ),
            w1,
            session_id=SESSION,
        ),
        FormCase(
            "ui-export-2022",
            "ui_export",
            lambda: compact(
                {
                    "version": "2022-12-02",
                    "data": {"person": ui_person, "snapshotsByWindowId": by_window},
                }
            ),
            TWO_WINDOWS,
            distinct_id="d-1",
        ),
        FormCase(
            "ui-export-2023",
            "ui_export",
            lambda: compact(
                {
                    "version": "2023-04-28",
                    "data": {
                        "id": SESSION,
                        "person": ui_person,
                        "snapshots": [e for _, e in own_window],
                    },
                }
            ),
            own_window,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "staff-zip",
            "posthog_staff_zip",
            lambda: staff_zip([encode_snappy(first), encode_snappy(second)]),
            TWO_WINDOWS,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "staff-zip-no-ranges",
            "posthog_staff_zip",
            lambda: staff_zip([encode_snappy(first), encode_snappy(second)], ranges=False),
            TWO_WINDOWS,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase("sentry", "sentry", lambda: b'{"segment_id":0}\n' + array, one),
        FormCase(
            "sentry-zlib-payload",
            "sentry",
            lambda: b'{"segment_id":0}\n' + zlib.compress(array),
            one,
        ),
        FormCase(
            "sentry-zlib", "sentry", lambda: zlib.compress(b'{"segment_id":0}\n' + array), one
        ),
        FormCase("api-result", "api", lambda: compact({"result": visit()}), one),
        FormCase("api-snapshots", "api", lambda: compact({"snapshots": visit()}), one),
        FormCase(
            "api-windows",
            "api",
            lambda: compact({"result": {"snapshot_data_by_window_id": by_window}}),
            TWO_WINDOWS,
        ),
        FormCase(
            "wire-body",
            "posthog_capture_body",
            lambda: wire_body(visit()),
            wired,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "wire-body-gz",
            "posthog_capture_body",
            lambda: gzip.compress(wire_body(visit()), mtime=0),
            wired,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "wire-body-array",
            "posthog_capture_body",
            lambda: compact(json.loads(wire_body(visit()))["batch"]),
            wired,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "wire-body-base64",
            "posthog_capture_body",
            lambda: base64.b64encode(gzip.compress(wire_body(visit()), mtime=0)),
            wired,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "wire-body-form",
            "posthog_capture_body",
            lambda: b"data=" + base64.b64encode(wire_body(visit())),
            wired,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "requests-inline",
            "posthog_capture",
            lambda: jsonl(
                [
                    {"method": "GET", "path": "/array/phc/config.js"},
                    {
                        "method": "POST",
                        "path": "/s/",
                        "t": START_MS,
                        "headers": {},
                        "body": wire_body(visit()[:4]).decode(),
                    },
                    {
                        "method": "POST",
                        "path": "/s/",
                        "query": "?ip=1",
                        "body": base64.b64encode(gzip.compress(wire_body(visit()[4:]))).decode(),
                    },
                ]
            ),
            wired,
            session_id=SESSION,
            distinct_id="d-1",
        ),
        FormCase(
            "bare-snapshot",
            "bare_snapshot",
            lambda: compact(visit()[1]["data"]),
            [("", {"type": 2, "data": visit()[1]["data"], "timestamp": 0})],
        ),
        FormCase("highlight", "highlight", lambda: compact(highlight), one, session_id="hl-1"),
    ]


FORMS = {case.name: case for case in _cases()}

WORDS_OF_OTHER_FORMS = {
    "snapshot_data": "x",
    "method": "POST",
    "path": "/s/",
    "body": "b",
    "body_file": "f",
    "segment_id": 1,
    "event": "$snapshot",
    "properties": {"$snapshot_data": []},
    "$snapshot": 1,
    "$snapshot_data": [],
    "batch": [],
    "api_key": "phc",
    "version": "2023-04-28",
    "data": {"snapshots": []},
    "result": [],
    "window_id": "w9",
    "snapshot_data_by_window_id": {},
    "node": {},
    "timestamp": 1,
}
"""Keys by which other forms are known, all of them inside one event's payload."""


def misleading() -> list[Any]:
    """Give a recording of somebody who works on recordings: it talks of every form."""
    tags = [
        {
            "type": 5,
            "timestamp": START_MS + i,
            "data": {"tag": key, "payload": WORDS_OF_OTHER_FORMS},
        }
        for i, key in enumerate(WORDS_OF_OTHER_FORMS)
    ]
    return [*tags, click(500)]


def length_prefix(n: int) -> bytes:
    return struct.pack(">I", n)
