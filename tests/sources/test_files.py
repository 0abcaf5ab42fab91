"""Files of every form: told apart by what they are, and read without loss."""

from __future__ import annotations

import gzip
import json
import os
import zlib

import pytest
import zstandard
from tests.support.builders import START_MS, click, draft, full_snapshot, lines, meta, visit
from tests.support.files import (
    FORMS,
    SESSION,
    TWO_WINDOWS,
    WINDOW,
    chunk_rows,
    compact,
    exported,
    jsonl,
    misleading,
    staff_zip,
    wire_body,
)

from replayport.archive import Archive
from replayport.draft import RecordingDraft
from replayport.errors import SourceDataError
from replayport.format.bundle import read_bundle, write_bundle
from replayport.importing import import_paths
from replayport.outcomes import RejectReason
from replayport.posthog.blocks import encode_snappy, join_stream
from replayport.rrweb.packing import pack
from replayport.sources.files import BundleFile, expand, read_files
from replayport.verifying import verify_archive


def read(path, data=None, **options):
    if data is not None:
        path.write_bytes(data)
    return list(read_files([path], project="p", **options))


def events_of(found):
    return [(e.window_id, e.to_rrweb()) for e in found.columns.events()]


def refused(path, data=None, **options):
    with pytest.raises(SourceDataError) as caught:
        read(path, data, **options)
    return RejectReason(caught.value.reason)


@pytest.mark.parametrize("case", FORMS.values(), ids=FORMS)
def test_every_form_is_read_back_as_it_was(case, tmp_path):
    path = tmp_path / "a file without an ending"
    path.write_bytes(case.make())
    with Archive.open(tmp_path / "archive", create=True) as archive:
        report = import_paths([path], archive, project="shop")
        assert report.ok, report.rejected
        (recording,) = archive.recordings()
        stored = [(e.window_id, e.to_rrweb()) for e in recording.events(order="arrival")]
        assert stored == case.events
        manifest = recording.manifest
        assert manifest.source["form"] == case.form
        assert manifest.project == "shop"
        assert manifest.complete
        assert not manifest.rejected
        if case.session_id is not None:
            assert manifest.session_id == case.session_id
        assert (manifest.person and manifest.person.distinct_id) == case.distinct_id
        assert verify_archive(archive) == (1, [])
        again = import_paths([path], archive, project="shop")
        assert (again.written, again.already_there) == ([], report.written)


def test_a_bundle_comes_back_the_same(tmp_path):
    data = exported("bundle", tmp_path)
    (found,) = read(tmp_path / "x", data)
    assert isinstance(found, BundleFile)
    with Archive.open(tmp_path / "archive", create=True) as archive:
        assert import_paths([tmp_path / "x"], archive).written == [SESSION]
        recording = archive.recording(f"shop/{SESSION}")
        assert [e.to_rrweb() for e in recording.events()] == visit()


def test_an_events_parquet_comes_back_the_same(tmp_path):
    (found,) = read(tmp_path / "x", exported("parquet", tmp_path))
    assert events_of(found) == [("w1", e) for e in visit()]
    assert (found.project, found.session_id) == ("shop", SESSION)


def test_parquet_of_something_else_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), tmp_path / "x")
    assert refused(tmp_path / "x") == RejectReason.INVALID_PARQUET


def test_a_recorded_capture_with_bodies_beside_it(tmp_path):
    folder = tmp_path / "capture"
    (folder / "bodies").mkdir(parents=True)
    uuid = "0190a9c5-0000-7000-8000-000000000001"
    bodies = [wire_body(visit()[:4], uuid=uuid), wire_body(visit()[4:])]
    (folder / "bodies" / "1.bin").write_bytes(gzip.compress(bodies[0]))
    (folder / "bodies" / "2.bin").write_bytes(bodies[1])
    requests = [
        {"method": "POST", "path": "/s/", "body_file": name, "headers": {}, "query": {}}
        for name in ("1.bin", "1.bin", "2.bin")  # a retry sends the same item again
    ]
    (folder / "requests.jsonl").write_bytes(jsonl(requests))
    (paths,) = expand([folder])
    assert [p.name for p in paths] == ["requests.jsonl"]
    (found,) = read(paths[0])
    assert events_of(found) == [(WINDOW, e) for e in visit()]


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "", ".", "bodies", "a\0b", "n" * 5000, "link"]
)
def test_body_files_stay_in_their_folder(tmp_path, name):
    folder = tmp_path / "capture"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(wire_body(visit()))
    (folder / "link").symlink_to(tmp_path / "secret")
    line = {"method": "POST", "path": "/s/", "body_file": name}
    assert refused(folder / "requests.jsonl", jsonl([line])) == RejectReason.UNREADABLE


def test_several_sessions_in_one_file(tmp_path):
    bodies = [wire_body([meta()], session_id=f"s-{i}") for i in range(3)]
    found = read(tmp_path / "x", b"\n".join(bodies))
    assert [d.session_id for d in found] == ["s-0", "s-1", "s-2"]
    rows = [r for i in range(3) for r in chunk_rows(visit(), session_id=f"s-{i}")]
    found = read(tmp_path / "y", jsonl(rows))
    assert [d.session_id for d in found] == ["s-0", "s-1", "s-2"]


def test_a_session_without_its_chunks_does_not_hide_the_others(tmp_path):
    rows = [*chunk_rows(visit(), session_id="lost")[1:], *chunk_rows(visit(), session_id="whole")]
    (tmp_path / "x").write_bytes(jsonl(rows))
    found = []
    with pytest.raises(SourceDataError) as caught:
        for one in read_files([tmp_path / "x"], project="p"):
            found.append(one.session_id)
    assert found == ["whole"]
    assert caught.value.reason == RejectReason.MISSING_CHUNK


# --- telling forms apart --------------------------------------------------------------


@pytest.mark.parametrize("layout", ["array", "pretty", "jsonl", "lines", "one"])
def test_words_of_other_forms_inside_a_recording_mislead_nobody(tmp_path, layout):
    events = misleading()
    if layout == "one":
        events = events[:1]
    data = {
        "array": lambda: compact(events),
        "pretty": lambda: json.dumps(events, indent=1).encode(),
        "jsonl": lambda: jsonl(events),
        "lines": lambda: lines(events, "snapshot_data"),
        "one": lambda: compact(events[0]),
    }[layout]()
    (found,) = read(tmp_path / "x", data)
    assert [e for _, e in events_of(found)] == events
    assert not found.rejected


def test_words_of_other_forms_as_top_level_keys_of_an_event(tmp_path):
    event = {**click(1), "path": "/", "method": "x", "body": {}, "snapshot_data": [], "batch": []}
    (found,) = read(tmp_path / "x", compact([event, event]))
    assert [e for _, e in events_of(found)] == [event, event]


@pytest.mark.parametrize("bad", [b"null", b"5", b'"not packed"', b"{}", b'{"type":"x"}', b"[1]"])
@pytest.mark.parametrize("place", [0, 3, 8])
def test_a_bad_item_in_an_array_costs_only_itself(tmp_path, bad, place):
    items = [compact(e) for e in visit()]
    items.insert(place, bad)
    (found,) = read(tmp_path / "x", b"[" + b",".join(items) + b"]")
    assert [e for _, e in events_of(found)] == visit()
    assert found.rejected.total() == 1


@pytest.mark.parametrize(
    "bad",
    [b"garbage", b'{"type":4,"data":{"hr', b'"timestamp":5}', b'["w1",{"type":3', b"\xff\xfe"],
)
@pytest.mark.parametrize("place", [0, 2, 8])
def test_a_bad_line_costs_only_itself(tmp_path, bad, place):
    for make in (lambda: jsonl(visit()), lambda: lines(visit())):
        all_lines = make().splitlines()
        all_lines.insert(place, bad)
        (found,) = read(tmp_path / "x", b"\n".join(all_lines))
        assert [e for _, e in events_of(found)] == visit()
        assert found.rejected.total() == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_refused_with_what_to_do(tmp_path, encoding):
    (tmp_path / "x").write_bytes(json.dumps(visit()).encode(encoding))
    with pytest.raises(SourceDataError, match="iconv") as caught:
        read(tmp_path / "x")
    assert caught.value.reason == RejectReason.INVALID_UTF8


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", RejectReason.EMPTY),
        (b" \n\t ", RejectReason.EMPTY),
        (b"\xef\xbb\xbf", RejectReason.EMPTY),
        (b"[]", RejectReason.EMPTY),
        (b"[\n]\n", RejectReason.EMPTY),
        (gzip.compress(b"", mtime=0), RejectReason.EMPTY),
        (b"{}", RejectReason.UNKNOWN_FORMAT),
        (b'{"hello":"world"}', RejectReason.UNKNOWN_FORMAT),
        (b"hello world", RejectReason.UNKNOWN_FORMAT),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, RejectReason.UNKNOWN_FORMAT),
        (b"PK\x05\x06" + b"\0" * 18, RejectReason.UNKNOWN_FORMAT),
        (b"PK\x03\x04 no zip", RejectReason.INVALID_ZIP),
        (b"PAR1 no parquet", RejectReason.INVALID_PARQUET),
        (b"\x1f\x8b no gzip", RejectReason.INVALID_GZIP),
        (b"\x28\xb5\x2f\xfd no zstd", RejectReason.INVALID_ZSTD),
        (b"H4sIAAAA!", RejectReason.INVALID_BASE64),
        (b'{"result":[', RejectReason.INVALID_JSON),
        (b'[{"type":4}]', RejectReason.INVALID_TIMESTAMP),
    ],
)
def test_what_is_no_recording_is_named(tmp_path, data, reason):
    assert refused(tmp_path / "x", data) == reason


def test_directories_missing_and_unreadable_files_are_named(tmp_path, monkeypatch):
    assert refused(tmp_path / "missing") == RejectReason.UNREADABLE
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "folder") == RejectReason.UNREADABLE
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refused(tmp_path / "loop") == RejectReason.UNREADABLE
    (tmp_path / "x").write_bytes(b"[]")

    def denied(*_args, **_kw):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "open", denied)
    assert refused(tmp_path / "x") == RejectReason.UNREADABLE


def test_a_pipe_is_read_to_its_end_and_never_past_the_limit(tmp_path):
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(compact(visit())))
    writer.start()
    (found,) = read(pipe)
    writer.join()
    assert [e for _, e in events_of(found)] == visit()


def test_an_endless_file_is_too_large(tmp_path):
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert refused(tmp_path / "zero", max_recording_bytes=100_000) == RejectReason.TOO_LARGE


def test_names_that_are_no_text_are_stored_as_text(tmp_path):
    path = tmp_path / os.fsdecode(b"evil\xff\x1b[31m\nname")
    (found,) = read(path, compact(visit()))
    with Archive.open(tmp_path / "a", create=True) as archive:
        written = archive.write(found)
        archive.recording(written.id)


# --- folders --------------------------------------------------------------------------


def test_a_folder_of_v1_blobs_is_one_recording(tmp_path):
    folder = tmp_path / "team_id" / "1" / "session_id" / SESSION / "data"
    folder.mkdir(parents=True)
    halves = (TWO_WINDOWS[:8], TWO_WINDOWS[8:])
    for n, half in enumerate(halves):
        line = {"window_id": half[0][0], "data": [e for _, e in half]}
        name = f"{START_MS + n * 1000}-{START_MS + n * 1000 + 999}"
        (folder / name).write_bytes(gzip.compress(jsonl([line])))
    for named in ([tmp_path], [folder], sorted(folder.iterdir(), reverse=True)):
        (paths,) = expand(named)
        (found,) = read_files(paths, project="p")
        assert events_of(found) == TWO_WINDOWS
        assert found.session_id == SESSION
        assert not found.missing


def test_a_damaged_v1_blob_does_not_lose_the_others(tmp_path):
    for n in range(3):
        line = {"window_id": "w", "data": [{**meta(), "timestamp": START_MS + n}]}
        (tmp_path / f"{START_MS + n}-{START_MS + n}").write_bytes(gzip.compress(jsonl([line])))
    damaged = tmp_path / f"{START_MS + 1}-{START_MS + 1}"
    damaged.write_bytes(b"\x1f\x8bnonsense")
    (paths,) = expand([tmp_path])
    (found,) = read_files(paths, project="p")
    assert len(found.columns) == 2
    assert found.rejected == {RejectReason.INVALID_GZIP: 1}
    assert found.missing == [damaged.name]
    damaged.unlink()
    damaged.symlink_to(tmp_path / "gone")
    (found,) = read_files([*paths], project="p")
    assert found.rejected == {RejectReason.UNREADABLE: 1}


def test_folders_are_walked_in_name_order_and_loops_end(tmp_path):
    for name in ("b/2.json", "b/1.json", "a.json", ".DS_Store", "c/deep/er/x.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"[]")
    (tmp_path / "b" / "back").symlink_to(tmp_path)
    (tmp_path / "b" / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "c" / "pipe")
    names = [str(p.relative_to(tmp_path)) for (p,) in expand([tmp_path])]
    assert names == ["a.json", "b/1.json", "b/2.json", "c/deep/er/x.json"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.json").write_bytes(b"[]")
    real = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("in"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(expand([tmp_path])) == [[tmp_path / "in"]]


# --- damage ---------------------------------------------------------------------------


def test_a_cut_gzip_gives_what_came_before(tmp_path):
    noise = [click(i, x=(i * 7919) % 1009, y=(i * 104729) % 997) for i in range(3000)]
    for compress in (gzip.compress, zstandard.ZstdCompressor().compress):
        data = compress(compact([meta(), full_snapshot(), *noise]))
        (found,) = read(tmp_path / "x", data[: len(data) * 2 // 3])
        assert 100 < len(found.columns) < 3002
        assert found.missing == ["the end of the file"]
        assert found.rejected


def test_a_cut_document_gives_what_came_before(tmp_path):
    whole = compact({"version": "2023-04-28", "data": {"id": "s", "snapshots": visit()}})
    (found,) = read(tmp_path / "x", whole[: len(whole) - 40])
    assert [e for _, e in events_of(found)] == visit()[:-1]
    assert RejectReason.TRUNCATED in found.rejected
    assert found.missing
    by_window = {"version": "2022-12-02", "data": {"snapshotsByWindowId": {"w1": visit()}}}
    (found,) = read(tmp_path / "y", compact(by_window)[:-40])
    assert {w for w, _ in events_of(found)} == {"w1"}


def test_a_bad_block_in_a_stream_costs_only_itself(tmp_path):
    blocks = [encode_snappy(lines([e])) for e in visit()]
    blocks[2] = b"\xff" * len(blocks[2])
    (found,) = read(tmp_path / "x", join_stream(blocks))
    assert [e for _, e in events_of(found)] == visit()[:2] + visit()[3:]
    assert found.rejected == {RejectReason.INVALID_SNAPPY: 1}
    assert found.missing == ["block 2"]


def test_a_snappy_block_that_looks_like_zlib(tmp_path):
    # Uncompressed length 120 and a first literal of 9 or 40 bytes: zlib's header to the letter.
    for size in range(100, 140):
        text = lines([{"type": 5, "timestamp": 1, "data": {"t": "x"}}])
        text = text[:-1] + b" " * (size - len(text)) + b"\n"
        (found,) = read(tmp_path / "x", encode_snappy(text))
        assert len(found.columns) == 1


BOMB = 50_000_000


@pytest.mark.parametrize(
    "data",
    [
        lambda: gzip.compress(b"[" + b" " * BOMB + b"]", 1),
        lambda: zstandard.ZstdCompressor().compress(b"[" + b" " * BOMB + b"]"),
        lambda: zlib.compress(b'{"segment_id":0}\n' + b" " * BOMB, 1),
        lambda: encode_snappy(b"[" + b" " * BOMB),
        lambda: gzip.compress(gzip.compress(b"[" + b" " * BOMB, 1)),
        lambda: staff_zip([encode_snappy(b" " * BOMB)]),
        lambda: gzip.compress(jsonl([{"window_id": "w", "data": " " * BOMB}]), 1),
    ],
)
def test_bombs_stop_at_the_limit(tmp_path, data):
    assert refused(tmp_path / "x", data(), max_recording_bytes=1_000_000) == RejectReason.TOO_LARGE
    blob = tmp_path / f"{START_MS}-{START_MS}"
    reason = refused(blob, gzip.compress(b" " * BOMB, 1), max_recording_bytes=1_000_000)
    assert reason == RejectReason.TOO_LARGE


def test_zip_names_are_never_paths(tmp_path):
    block = encode_snappy(lines(visit()))
    data = staff_zip([block], names=["../../data/1790000000000-0000000000000000"])
    before = {p for p in tmp_path.rglob("*")}
    (found,) = read(tmp_path / "x", data)
    assert events_of(found) == [("w1", e) for e in visit()]
    assert {p for p in tmp_path.rglob("*")} == before | {tmp_path / "x"}


# --- bundles from strangers -----------------------------------------------------------


@pytest.fixture
def bundle(tmp_path):
    return read_bundle(exported("bundle", tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../x"},
        {"id": ""},
        {"id": "a/b"},
        {"id": "\x1b[31m"},
        {"project": ".."},
        {"project": "a/../b"},
        {"events": 3},
        {"start_ms": 10**30},
        {"end_ms": -(10**30)},
    ],
)
def test_a_bundle_that_lies_is_refused(tmp_path, bundle, change):
    import msgspec

    manifest, files = bundle
    text = json.loads(manifest.to_bytes()) | change
    lying = (
        msgspec.json.decode(json.dumps(text), type=type(manifest), strict=False)
        if all(abs(v) < 2**63 for v in change.values() if isinstance(v, int))
        else msgspec.structs.replace(manifest, **change)
    )
    assert refused(tmp_path / "x", write_bundle(lying, files)) in (
        RejectReason.INVALID_ZIP,
        RejectReason.UNKNOWN_FORMAT,
    )


def test_a_bundle_with_unsound_events_is_refused(tmp_path, bundle):
    manifest, files = bundle
    from replayport.format.writer import encode_events

    other, _ = encode_events(draft(visit()[:3]).columns)
    import hashlib

    import msgspec

    info = type(manifest.files["events.parquet"])(
        bytes=len(other), sha256=hashlib.sha256(other).hexdigest()
    )
    lying = msgspec.structs.replace(manifest, files={"events.parquet": info})
    data = write_bundle(lying, {"events.parquet": other})
    assert refused(tmp_path / "x", data) == RejectReason.INVALID_ZIP


def test_a_bundle_of_a_newer_version_says_so(tmp_path, bundle):
    import msgspec

    manifest, files = bundle
    newer = msgspec.structs.replace(manifest, format_version=99)
    (tmp_path / "x").write_bytes(write_bundle(newer, files))
    with pytest.raises(SourceDataError, match="Upgrade") as caught:
        read(tmp_path / "x")
    assert RejectReason(caught.value.reason)


# --- events of every oddity -----------------------------------------------------------

ODD_EVENTS = [
    {"type": 5, "timestamp": 0, "data": {"tag": {"an": "object"}, "payload": None}},
    {"type": 5, "timestamp": START_MS, "data": {"tag": "$x", "payload": {"s": "\ud83d half"}}},
    {"type": 3, "timestamp": START_MS + 0.5, "data": {"source": 99, "new": [1e300]}},
    {"type": 42, "timestamp": -5, "data": None},
    {"type": 4, "timestamp": START_MS + 1},
    {"type": 4, "timestamp": START_MS + 1, "extra": {"timestamp": 7, "windowId": 3}, "seen": True},
    {
        "type": 3,
        "timestamp": START_MS,
        "data": {"source": 2, "type": 2, "id": -7, "x": 1e9, "y": 0},
    },
    {"type": 3, "timestamp": START_MS, "data": [1, "two", {"three": [None]}]},
    {"type": 3, "timestamp": START_MS, "data": "not compressed at all"},
]


@pytest.mark.parametrize("make", [compact, jsonl, lambda es: json.dumps(es, indent=1).encode()])
def test_odd_events_survive(tmp_path, make):
    (tmp_path / "x").write_bytes(make(ODD_EVENTS))
    with Archive.open(tmp_path / "a", create=True) as archive:
        report = import_paths([tmp_path / "x"], archive)
        assert report.ok
        (recording,) = archive.recordings()
        assert [e.to_rrweb() for e in recording.events(order="arrival")] == ODD_EVENTS
        assert verify_archive(archive) == (1, [])


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (b'{"type":4,"timestamp":NaN}', RejectReason.INVALID_TIMESTAMP),
        (b'{"type":4,"timestamp":null}', RejectReason.INVALID_TIMESTAMP),
        (b'{"type":4,"timestamp":1e99}', RejectReason.INVALID_TIMESTAMP),
        (b'{"type":"4","timestamp":1}', RejectReason.INVALID_TYPE),
        (b'{"type":400,"timestamp":1}', RejectReason.INVALID_TYPE),
    ],
)
def test_events_without_time_or_type_are_counted(tmp_path, event, reason):
    good = compact(meta())
    (found,) = read(tmp_path / "x", b"[" + good + b"," + event + b"," + good + b"]")
    assert len(found.columns) == 2
    assert found.rejected == {reason: 1}


def test_two_windows_may_share_node_ids(tmp_path):
    (found,) = read(tmp_path / "x", b"".join(lines([e], w) for w, e in TWO_WINDOWS))
    assert isinstance(found, RecordingDraft)
    with Archive.open(tmp_path / "a", create=True) as archive:
        recording = archive.recording(archive.write(found).id)
        assert [w.full_snapshots for w in recording.manifest.windows] == [1, 1]
        mine = [e.to_rrweb() for e in recording.events(window_id="w2")]
        assert mine == [e for w, e in TWO_WINDOWS if w == "w2"]


def test_duplicates_and_events_before_the_first_snapshot_are_found(tmp_path):
    events = [click(0), click(1), meta(2), full_snapshot(3), click(4), click(4)]
    (tmp_path / "x").write_bytes(compact(events))
    with Archive.open(tmp_path / "a", create=True) as archive:
        report = import_paths([tmp_path / "x"], archive)
        assert report.findings["before_full_snapshot"] == 2
        assert report.findings["duplicate_event"] == 1
        assert archive.recording(report.written[0]).manifest.events == len(events)


def test_packed_and_plain_events_in_one_array(tmp_path):
    items = [pack(e) if i % 2 == 0 else e for i, e in enumerate(visit())]
    (found,) = read(tmp_path / "x", compact(items))
    assert [{k: v for k, v in e.items() if k != "v"} for _, e in events_of(found)] == visit()
