"""UI exports and staff zips: raw events and blocks come out, damage is named."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections import Counter
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.errors import SourceDataError
from replayport.posthog import exports
from replayport.posthog.exports import (
    MissingBlock,
    StaffBlock,
    StaffExport,
    is_ui_export,
    read_ui_export,
)
from replayport.rrweb.packing import pack

ODD_EVENT = (
    b'{"type":5,"data":{"tag":{"t":"\\ud83d"},"n":1.0,"n":12345678901234567890},"timestamp":5}'
)


def ui_export(version: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"version": version, "data": data}).encode()


def test_the_first_version_has_windows_outside() -> None:
    text = ui_export(
        "2022-12-02",
        {
            "person": {"distinct_ids": ["p1", "p2"]},
            "snapshotsByWindowId": {"w1": ["EVENT", {"type": 4}], "": [{"type": 0}]},
        },
    ).replace(b'"EVENT"', ODD_EVENT)
    found = read_ui_export(text)
    assert is_ui_export(text)
    assert found.events == (("w1", ODD_EVENT), ("w1", b'{"type": 4}'), ("", b'{"type": 0}'))
    assert (found.session_id, found.distinct_id, found.version) == (None, "p1", "2022-12-02")


@pytest.mark.parametrize(
    ("window", "window_id"), [('"w-1"', "w-1"), ("2", "2"), ("null", ""), ("{}", "")]
)
def test_the_second_version_has_windows_inside(window: str, window_id: str) -> None:
    event = b'{"windowId":' + window.encode() + b',"type":3,"data":{"x":"\\ud800"},"timestamp":1}'
    text = ui_export(
        "2023-04-28", {"id": "s", "person": {"distinct_id": "d"}, "snapshots": ["EVENT"]}
    ).replace(b'"EVENT"', event)
    found = read_ui_export(text)
    assert found.events == ((window_id, event),)
    assert (found.session_id, found.distinct_id) == ("s", "d")


def test_items_that_are_no_events_are_counted() -> None:
    packed = pack({"type": 4, "timestamp": 1})
    text = ui_export("2023-04-28", {"snapshots": [1, {"type": 4}, packed, "junk", []]})
    found = read_ui_export(text)
    assert [json.loads(e.raw)["type"] for e in found.events] == [4, 4]
    assert found.rejected == {"not_an_event": 2, "invalid_zlib": 1}
    assert (found.session_id, found.distinct_id) == (None, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'{"version":"2023-04-28"}', "invalid_json"),
        (b'{"version":"2023-04-28","data":{}}', "invalid_json"),
        (b'{"version":"2023-04-28","data":{"snapshots":[', "invalid_json"),
        (b'{"version":"2022-12-02","data":{"snapshotsByWindowId":[]}}', "invalid_json"),
        (b'{"version":"2099-01-01","data":{"snapshots":[]}}', "unknown_format"),
        (b'{"version":1,"data":{"snapshots":[]}}', "unknown_format"),
    ],
)
def test_museum_of_ui_exports(text: bytes, reason: str) -> None:
    with pytest.raises(SourceDataError) as refused:
        read_ui_export(text, what="file")
    assert refused.value.reason == reason


def test_other_documents_are_no_ui_exports() -> None:
    for text in (b"[]", b"{}", b"x", b'{"version":"1"}', b'{"version":1,"data":{}}'):
        assert not is_ui_export(text)
    assert is_ui_export(b'{"version":"2099-01-01","data":{}}')


def block(*events: bytes) -> bytes:
    lines = b"".join(b'["w",' + e + b"]\n" for e in events)
    return bytes(cramjam.snappy.compress_raw(lines))


BLOCKS = [block(b'{"type":4}'), block(b'{"type":2}', b'{"type":3}'), block(b'{"type":5}' * 40)]
KEYS = ["1700000000000-00000000000000aa", "1700000010000-00000000000000bb"]


def url(key: str, start: int, data: bytes) -> str:
    end = start + len(data) - 1
    return f"s3://bucket/session_recordings/30d/{key}?range=bytes={start}-{end}"


def staff_zip(
    members: dict[str, bytes], urls: list[str] | None, firsts: list[str] | None = None
) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if urls is not None:
            row = {
                "session_id": "sess",
                "distinct_id": "me",
                "snapshot_source": "web",
                "block_urls": urls,
                "block_first_timestamps": firsts or [f"2026-01-01 00:00:0{i}" for i in range(9)],
            }
            if firsts is None:
                row["block_first_timestamps"] = row["block_first_timestamps"][: len(urls)]
            text = json.dumps({"meta": [], "data": [row], "rows": 1})
            archive.writestr("clickhouse/session-replay-events.json", text)
        for name, data in members.items():
            archive.writestr(name, data)
    buffer.seek(0)
    return buffer


def padded(start: int, data: bytes) -> bytes:
    return bytes(start) + data + bytes(1024)


def test_blocks_come_out_of_their_ranges_by_time() -> None:
    urls = [url(KEYS[1], 3_000_000, BLOCKS[1]), url(KEYS[0], 0, BLOCKS[0])]
    members = {
        f"data/{KEYS[0]}": padded(0, BLOCKS[0]),
        f"data/{KEYS[1]}": padded(3_000_000, BLOCKS[1]),
        "s3_prefix.txt": b"session_recordings/30d",
    }
    export = StaffExport(staff_zip(members, urls, ["2026-01-01 00:01:00", "2026-01-01 00:00:00"]))
    assert list(export.blocks()) == [
        StaffBlock(KEYS[0], 0, len(BLOCKS[0]), BLOCKS[0]),
        StaffBlock(KEYS[1], 3_000_000, 3_000_000 + len(BLOCKS[1]), BLOCKS[1]),
    ]
    assert (export.session_id, export.distinct_id, export.snapshot_source) == ("sess", "me", "web")


@pytest.mark.parametrize(("survivor", "lost"), [(0, 1), (1, 0)])
def test_an_overwritten_block_is_missing_not_empty(survivor: int, lost: int) -> None:
    starts = [100, 5000]
    urls = [url(KEYS[0], start, data) for start, data in zip(starts, BLOCKS, strict=False)]
    members = {f"data/{KEYS[0]}": padded(starts[survivor], BLOCKS[survivor])}
    found = list(StaffExport(staff_zip(members, urls)).blocks())
    kept = found[survivor]
    assert isinstance(kept, StaffBlock)
    assert kept.data == BLOCKS[survivor]
    missing = found[lost]
    assert isinstance(missing, MissingBlock)
    assert missing.reason == "missing_block"
    assert (missing.start_byte, missing.end_byte) == (
        starts[lost],
        starts[lost] + len(BLOCKS[lost]),
    )


@given(st.integers(0, 3000), st.sampled_from(BLOCKS), st.integers(0, 3))
def test_without_ranges_the_padding_is_taken_off_exactly(
    start: int, data: bytes, own_zeros: int
) -> None:
    data += bytes(own_zeros)
    members = {f"data/{KEYS[0]}": padded(start, data)}
    choices: list[list[str] | None] = [None, []]
    for urls in choices:
        (found,) = StaffExport(staff_zip(members, urls)).blocks()
        assert found == StaffBlock(KEYS[0], start, start + len(data), data)


def test_what_cannot_be_found_is_reported() -> None:
    urls = [
        url(KEYS[0], 0, BLOCKS[0]),
        "s3://bucket/odd",
        f"s3://b/{KEYS[1]}?range=bytes=9-3",
        f"s3://b/{KEYS[1]}?range=bytes=0-99999999999999",
    ]
    found = list(StaffExport(staff_zip({f"data/{KEYS[1]}": b"x"}, urls)).blocks())
    assert [f.reason for f in found if isinstance(f, MissingBlock)] == [
        "missing_block",
        "missing_block",
        "too_large",
        "too_large",
    ]
    (zeros,) = StaffExport(staff_zip({"data/a": bytes(5000)}, None)).blocks()
    assert isinstance(zeros, MissingBlock)


def test_names_never_touch_the_disk(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    members = {f"../../data/../data/{KEYS[0]}": padded(0, BLOCKS[0])}
    (found,) = StaffExport(staff_zip(members, [url(KEYS[0], 0, BLOCKS[0])])).blocks()
    assert isinstance(found, StaffBlock)
    assert list(tmp_path.iterdir()) == []


def test_odd_names_are_passed_over() -> None:
    members = {"QQQ": b"x", "/": b"", "..": b"y", "data/": b"", f"data/{KEYS[0]}": b"z"}
    # A name is cut at its first NUL, here to nothing.
    data = staff_zip(members, None).getvalue().replace(b"QQQ", b"\0QQ")
    (found,) = StaffExport(io.BytesIO(data)).blocks()
    assert isinstance(found, StaffBlock)


def test_a_zip_bomb_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_OBJECT_BYTES", 2**20)
    data = bytes(2 * 2**20)
    (found,) = StaffExport(staff_zip({"data/a": data}, None)).blocks()
    assert isinstance(found, MissingBlock)
    assert found.reason == "too_large"
    (found,) = StaffExport(staff_zip({f"data/{KEYS[0]}": data}, [url(KEYS[0], 0, b"x")])).blocks()
    assert isinstance(found, MissingBlock)
    assert found.reason == "too_large"


def test_a_changed_block_fails_its_checksum() -> None:
    buffer = staff_zip({}, [url(KEYS[0], 0, BLOCKS[2])])
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"data/{KEYS[0]}", padded(0, BLOCKS[2]))
    damaged = bytearray(buffer.getvalue())
    damaged[damaged.index(BLOCKS[2]) + 3] ^= 1
    (found,) = StaffExport(io.BytesIO(damaged)).blocks()
    assert isinstance(found, MissingBlock)
    assert found.reason == "invalid_zip"


def test_analytics_rows() -> None:
    properties = json.dumps({"$current_url": "http://a/", "$window_id": "w", "n": 1})
    rows = [
        {
            "uuid": "u",
            "event": "$pageview",
            "timestamp": "2026-01-01 00:00:00.123456",
            "distinct_id": "d",
            "properties": properties,
        },
        {"event": "x", "timestamp": "2026-01-01T00:00:00Z", "properties": {"a": 1}},
        {"event": "x", "timestamp": "soon"},
        {"timestamp": "2026-01-01 00:00:00"},
        {"event": "x", "timestamp": "2026-01-01 00:00:00", "properties": "junk"},
        5,
    ]
    document = json.dumps({"data": rows, "rows": 6}).encode()
    export = StaffExport(staff_zip({"clickhouse/events.json": document, "data/a": b"x"}, None))
    rejected: Counter[str] = Counter()
    first, second = export.analytics(rejected=rejected)
    assert first == {
        "timestamp_ms": 1767225600123,
        "uuid": "u",
        "event": "$pageview",
        "distinct_id": "d",
        "window_id": "w",
        "url": "http://a/",
        "properties": properties,
    }
    assert (second["timestamp_ms"], second["properties"]) == (1767225600000, '{"a": 1}')
    assert rejected == {"invalid_timestamp": 1, "not_an_event": 1, "invalid_json": 2}


def test_an_export_of_the_wrong_team_is_empty_but_valid() -> None:
    empty = json.dumps({"meta": [], "data": [], "rows": 0}).encode()
    export = StaffExport(staff_zip({"session-replay-events.json": empty}, None))
    assert (export.session_id, list(export.blocks()), list(export.analytics())) == (None, [], [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "invalid_zip"),
        (b"PK\x03\x04 cut", "invalid_zip"),
        (staff_zip({"notes.txt": b"hello"}, None).getvalue(), "unknown_format"),
        (staff_zip({"session-replay-events.json": b"{"}, None).getvalue(), "invalid_json"),
        (
            staff_zip({"session-replay-events.json": b'{"data":[{"a":tru}]}'}, None).getvalue(),
            "invalid_json",
        ),
    ],
)
def test_museum_of_zips(data: bytes, reason: str) -> None:
    with pytest.raises(SourceDataError) as refused:
        StaffExport(io.BytesIO(data), what="export.zip")
    assert refused.value.reason == reason


def test_compression_methods_without_a_bound_are_refused() -> None:
    buffer = staff_zip({}, None)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("data/a", bytes(100))
    (found,) = StaffExport(buffer).blocks()
    assert isinstance(found, MissingBlock)
    assert found.reason == "invalid_zip"


WHOLE = staff_zip(
    {
        f"data/{KEYS[0]}": padded(7, BLOCKS[0]),
        "clickhouse/events.json": b'{"data":[{"event":"x","timestamp":"2026-01-01 00:00:00"}]}',
    },
    [url(KEYS[0], 7, BLOCKS[0])],
).getvalue()


@given(
    st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 255)), max_size=4),
    st.none() | st.integers(min_value=0),
)
def test_damaged_zips_only_raise_the_error(flips: list[tuple[int, int]], cut: int | None) -> None:
    damaged = bytearray(WHOLE)
    for position, byte in flips:
        damaged[position % len(damaged)] = byte
    if cut is not None:
        damaged = damaged[: cut % len(damaged)]
    with contextlib.suppress(SourceDataError):
        export = StaffExport(io.BytesIO(damaged))
        list(export.blocks())
        list(export.analytics())
