"""
Every real recording at hand comes out of an archive equal to what went in.

What went in is decoded here a second time, with the standard library only.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.support.corpus import CORPUS

from replayport.archive import Archive
from replayport.export import EXPORTS, ExportOptions
from replayport.importing import import_paths
from replayport.outcomes import RejectReason
from replayport.verifying import verify_archive

pytestmark = pytest.mark.corpus

NO_RECORDING = {".md", ".html", ".meta.json"}


def files() -> list[Path]:
    if not CORPUS.is_dir():
        return []
    found = []
    for path in sorted(CORPUS.rglob("*")):
        if not path.is_file() or path.name.endswith(tuple(NO_RECORDING)):
            continue
        if "posthog-wire" in path.parts:
            continue
        found.append(path)
    return found


def captures() -> list[Path]:
    return sorted(CORPUS.glob("posthog-wire/*/requests.jsonl"))


def ids(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(CORPUS)) for p in paths]


def plain(raw: bytes) -> Any:
    """Decode JSON as it is stored: lone surrogates and all."""
    return json.loads(raw)


def unpacked(event: Any) -> Any:
    if isinstance(event, str):
        return plain(zlib.decompress(event.encode("latin-1")))
    return event


def source_events(path: Path) -> list[Any]:
    """Give the rrweb events of a file of the corpus, whichever of its forms it has."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    try:
        document = plain(raw)
    except ValueError:
        document = [plain(line) for line in raw.splitlines() if line.strip()]
        if document and isinstance(document[0], dict) and "segment_id" in document[0]:
            document = document[1]
    if isinstance(document, dict) and "body" in document:
        body = document["body"]  # a recorded request
        document = plain(body) if isinstance(body, str) else body
    if isinstance(document, dict):
        if isinstance(document.get("type"), int) and "timestamp" in document:
            document = [document]
        elif "result" in document:
            document = document["result"]
        elif isinstance(document.get("events"), dict):
            document = document["events"]["events"]
        elif "node" in document:
            document = [{"type": 2, "data": document, "timestamp": 0}]
        elif "batch" in document:
            document = document["batch"]
    if document and isinstance(document[0], dict) and "properties" in document[0]:
        sent = [i["properties"] for i in document if i["event"] == "$snapshot"]
        return [e for properties in sent for e in properties["$snapshot_data"]]
    return [unpacked(e) for e in document]


def field(text: Any) -> Any:
    if not isinstance(text, str) or not text:
        return text
    return plain(gzip.decompress(text.encode("latin-1")))


def without_cv(event: Any) -> Any:
    """Undo posthog-js's partial compression."""
    if "cv" not in event:
        return event
    data = event["data"]
    if event["type"] == 2:
        return {**event, "data": field(data)}
    if event["type"] == 3 and data.get("source") in (0, 8):
        fields = ("texts", "attributes", "removes", "adds")
        return {**event, "data": {k: field(v) if k in fields else v for k, v in data.items()}}
    return event


def exported(recording: Any) -> list[Any]:
    options = ExportOptions(arrival_order=True)
    return json.loads(b"".join(EXPORTS["rrweb-json"].load()(recording, options)))


def without_window(event: Any) -> Any:
    return {k: v for k, v in event.items() if k != "windowId"}


@pytest.mark.parametrize("path", files(), ids=ids(files()))
def test_every_file_is_lossless_or_rejected_by_name(path, tmp_path, corpus):
    with Archive.open(tmp_path / "a", create=True) as archive:
        report = import_paths([path], archive)
        if report.rejected:
            assert not report.written
            assert {r.reason for r in report.rejected} <= set(RejectReason)
            pytest.fail(f"rejected: {report.rejected[0]}")
        (recording,) = archive.recordings()
        assert exported(recording) == source_events(path)
        assert recording.manifest.complete
        assert verify_archive(archive) == (1, [])


@pytest.mark.parametrize("path", captures(), ids=ids(captures()))
def test_wire_captures_have_the_events_their_sdk_sent(path, tmp_path, corpus):
    summary = json.loads((path.parent / "summary.json").read_text())["per_session_window"]
    expected = wire_events(path)
    with Archive.open(tmp_path / "a", create=True) as archive:
        report = import_paths([path.parent], archive)
        assert not report.rejected
        counts: dict[str, Any] = {}
        for recording in archive.recordings():
            manifest = recording.manifest
            for window in manifest.windows:
                events = [
                    e.to_rrweb()
                    for e in recording.events(window_id=window.window_id, order="arrival")
                ]
                key = f"{manifest.session_id}/{window.window_id}"
                assert events == expected[key]
                types: dict[str, int] = defaultdict(int)
                for event in events:
                    types[str(event["type"])] += 1
                counts[key] = {"events": window.events, "types": dict(types)}
                assert (window.start_ms, window.end_ms) == (
                    summary[key]["first"],
                    summary[key]["last"],
                )
        assert counts == {
            k: {"events": s["events"], "types": s["types"]} for k, s in summary.items()
        }
        assert verify_archive(archive)[1] == []


def wire_events(path: Path) -> dict[str, list[Any]]:
    """Read the snapshots of a capture a second time: gzip, base64 and JSON, nothing else."""
    found: dict[str, list[Any]] = defaultdict(list)
    seen = set()
    for line in path.read_text("utf-8").splitlines():
        request = json.loads(line)
        if request["method"] != "POST" or not request.get("body_file"):
            continue
        body = path.parent / request["body_file"]
        raw = (
            body.read_bytes()
            if body.is_file()
            else (path.parent / "bodies" / request["body_file"]).read_bytes()
        )
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        if raw[:5] == b"data=":
            from urllib.parse import unquote_to_bytes

            raw = base64.b64decode(unquote_to_bytes(raw[5:].split(b"&")[0]))
        document = plain(raw)
        items = document if isinstance(document, list) else document.get("batch", [document])
        for item in items:
            if item.get("event") != "$snapshot" or item.get("uuid") in seen:
                continue
            if item.get("uuid"):
                seen.add(item["uuid"])
            properties = item["properties"]
            key = f"{properties['$session_id']}/{properties['$window_id']}"
            data = properties["$snapshot_data"]
            found[key] += [without_cv(e) for e in (data if isinstance(data, list) else [data])]
    return found
