"""Old containers and other vendors' documents: raw events come out, damage is counted."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.corpus import CORPUS

from replayport.errors import SourceDataError
from replayport.posthog import legacy
from replayport.posthog.legacy import (
    ChunkRow,
    blob_events,
    chunk_events,
    chunk_row,
    is_lts_2022,
    is_sentry_segment,
    line_events,
    read_document,
    read_lts_2022,
    read_sentry_segment,
)
from replayport.rrweb.packing import pack

ODD = b'{"type":5,"timestamp":1,"data":{"a":"\\ud83d","a":1.0,"n":12345678901234567890}}'
META = b'{"type":4,"data":{"href":"http://a/"},"timestamp":2}'


def lines(*documents: bytes) -> bytes:
    return b"".join(d + b"\n" for d in documents)


def utf16_gzip_base64(text: str) -> bytes:
    return base64.b64encode(gzip.compress(text.encode("utf-16", "surrogatepass")))


def test_v1_blobs_in_every_dress() -> None:
    text = lines(
        b'{"window_id":"w1","data":[' + ODD + b"," + META + b"]}",
        b'{"windowId":"w2","data":' + json.dumps(f"[{META.decode()}]").encode() + b"}",
        b"",
        b'{"window_id":"w3","data":' + META + b"}",
    )
    expected = [("w1", ODD), ("w1", META), ("w2", META), ("w3", META)]
    assert list(blob_events(gzip.compress(text))) == expected
    assert list(blob_events(text)) == expected
    assert list(blob_events(gzip.compress(text[:60]) + gzip.compress(text[60:]))) == expected


def test_bad_lines_are_counted_and_the_others_kept() -> None:
    rejected: Counter[str] = Counter()
    text = lines(
        b'{"window_id":"w","data":[' + META + b",1,{},null]}",
        b'{"window_id":"w","data":',
        b'{"window_id":"w"}',
        b"5",
        META,
    )
    assert list(blob_events(text, rejected=rejected)) == [("w", META), ("", META)]
    assert rejected == {"not_an_event": 4, "invalid_json": 2}


def test_a_cut_blob_gives_its_whole_lines_then_the_error() -> None:
    noise = base64.b64encode(bytes(i * i * 7 % 251 for i in range(300_000))).decode()
    event = json.dumps({"type": 5, "timestamp": 1, "data": {"noise": noise[:4000]}}).encode()
    line = b'{"window_id":"w","data":[' + event + b"]}"
    blob = gzip.compress(lines(*[line] * 400), 1)[:-2000]
    found = []
    with pytest.raises(SourceDataError) as refused:
        for source_event in blob_events(blob):
            found.append(source_event)
    assert refused.value.reason == "invalid_gzip"
    assert set(found) <= {("w", event)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'["w",' + META + b"]", [("w", META)]),
        (b"[" + META + b"," + ODD + b"]", [("", META), ("", ODD)]),
        (META, [("", META)]),
        (b'{"type":4,"timestamp":1,"windowId":7}', None),
        (b"\xef\xbb\xbf" + META, [("", META)]),
        (json.dumps([pack({"type": 4, "timestamp": 3})]).encode(), None),
    ],
)
def test_lines_of_every_era(line: bytes, expected: list[tuple[str, bytes]] | None) -> None:
    found = line_events(line)
    if expected is not None:
        assert found == expected
    assert len(found) >= 1


def test_windows_of_events_are_read_as_text() -> None:
    assert line_events(b'{"type":4,"timestamp":1,"windowId":7}')[0].window_id == "7"
    assert line_events(b'{"type":4,"timestamp":1,"window_id":"a"}')[0].window_id == "a"


def test_original_long_term_files() -> None:
    text = (
        '{"version":"2022-12-22","distinct_id":"d","snapshot_data_by_window_id":'
        '{"w1":[{"type":5,"timestamp":1,"data":"h\u00e9 \U0001f600 \ud83d"}],"w2":['
        + META.decode()
        + "]}}"
    )
    blob = utf16_gzip_base64(text)
    assert is_lts_2022(blob)
    assert not is_lts_2022(gzip.compress(b"x"))
    found = read_lts_2022(blob)
    assert found.distinct_id == "d"
    assert [e.window_id for e in found.events] == ["w1", "w2"]
    assert json.loads(found.events[0].raw)["data"] == "h\u00e9 \U0001f600 \ud83d"
    assert found.events[1].raw == META
    assert read_document(json.dumps(json.loads(text)).encode()).kind == "lts_2022"


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"H4sI!", "invalid_base64"),
        (b"H4sIAAAA", "invalid_gzip"),
        (base64.b64encode(gzip.compress("[".encode("utf-16"), mtime=0)), "invalid_json"),
        (base64.b64encode(gzip.compress("{}".encode("utf-16"), mtime=0)), "invalid_json"),
        (base64.b64encode(gzip.compress(b"\xff\xfe{\0}", mtime=0)), "invalid_utf8"),
    ],
)
def test_museum_of_long_term_files(blob: bytes, reason: str) -> None:
    with pytest.raises(SourceDataError) as refused:
        read_lts_2022(blob)
    assert refused.value.reason == reason


def chunks(chunk_id: str, events: list[bytes], size: int, window: str = "w") -> list[ChunkRow]:
    data = utf16_gzip_base64("[" + ",".join(e.decode() for e in events) + "]").decode()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return [
        ChunkRow(
            window,
            json.dumps(
                {
                    "chunk_id": chunk_id,
                    "chunk_index": index,
                    "chunk_count": len(pieces),
                    "data": piece,
                    "compression": "gzip-base64",
                    "has_full_snapshot": False,
                }
            ).encode(),
        )
        for index, piece in enumerate(pieces)
    ]


@given(st.randoms(use_true_random=False), st.integers(5, 60))
def test_chunks_in_any_order_and_twice(random: Any, size: int) -> None:
    rows = chunks("a", [META, ODD], size) + chunks("b", [META], size, "w2")
    rows += rows[:2]
    random.shuffle(rows)
    assert sorted(chunk_events(rows)) == sorted([("w", META), ("w", ODD), ("w2", META)])


def test_incomplete_and_broken_sets_do_not_take_the_others_with_them() -> None:
    rejected: Counter[str] = Counter()
    broken = chunks("c", [META], 10_000)[0]
    bad_base64 = broken.snapshot_data.replace(b'"data": "', b'"data": "!')
    rows = [
        *chunks("a", [META], 20)[1:],
        *chunks("b", [ODD], 20),
        ChunkRow("w", bad_base64),
        ChunkRow("w", b'{"chunk_id":"d","chunk_index":0,"chunk_count":0,"data":""}'),
        ChunkRow("w", b'{"chunk_id":"e","chunk_index":0,"chunk_count":1e9,"data":""}'),
        ChunkRow("w", b'{"chunk_id":"f","chunk_index":"x","chunk_count":1,"data":""}'),
        ChunkRow("w0", META),
        ChunkRow("w", b'{"neither":1}'),
        ChunkRow("w", b"{"),
    ]
    assert list(chunk_events(rows, rejected=rejected)) == [("w0", META), ("w", ODD)]
    assert rejected == {
        "missing_chunk": 2,
        "invalid_base64": 1,
        "not_an_event": 3,
        "invalid_json": 1,
    }


def test_chunks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legacy, "MAX_RECORDING_BYTES", 100)
    with pytest.raises(SourceDataError) as refused:
        list(chunk_events([ChunkRow("w", META)] * 3))
    assert refused.value.reason == "too_large"


def test_rows_of_a_table_dump() -> None:
    held = json.dumps(META.decode()).encode()
    row = chunk_row(b'{"window_id":"w","session_id":"s","snapshot_data":' + held + b"}")
    assert row == ("w", META)
    assert chunk_row(b'{"snapshot_data":' + META + b"}") == ("", META)
    with pytest.raises(SourceDataError):
        chunk_row(b'{"window_id":"w"}')


SEGMENT = b'{"segment_id":0}\n[' + META + b"," + ODD + b"]"


@pytest.mark.parametrize(
    "data",
    [
        SEGMENT,
        zlib.compress(SEGMENT),
        b'{"segment_id":3}\n' + zlib.compress(b"[" + META + b"," + ODD + b"]"),
    ],
)
def test_sentry_segments(data: bytes) -> None:
    assert read_sentry_segment(data).events == (("", META), ("", ODD))


def test_sentry_segments_are_recognised() -> None:
    assert is_sentry_segment(SEGMENT)
    assert read_document(SEGMENT).kind == "sentry"
    for other in (META, META + b"\n" + META, b"", b"{\n}"):
        assert not is_sentry_segment(other)
    with pytest.raises(SourceDataError) as refused:
        read_sentry_segment(META)
    assert refused.value.reason == "unknown_format"


DOCUMENTS: dict[str, tuple[bytes, int]] = {
    "array": (b"[" + META + b"," + ODD + b"]", 2),
    "event": (META, 1),
    "line": (b'{"window_id":"w","data":[' + META + b"]}", 1),
    "lines": (META + b"\n" + b'["w",' + META + b"]\n\n", 2),
    "api": (b'{"result":[' + META + b"]}", 1),
    "highlight": (
        b'{"session_secure_id":"h","messages":"{\\"messages\\":[1,2]}","resources":"junk",'
        b'"events":{"events":[' + META + b"]}}",
        1,
    ),
    "bare_snapshot": (b'{"node":{"type":0,"id":1},"initialOffset":{"top":0,"left":0}}', 1),
    "ui_export": (
        b'{"version":"2023-04-28","data":{"id":"s","snapshots":[' + META + b"]}}",
        1,
    ),
    "sentry": (SEGMENT, 2),
    "lts_2022": (b'{"snapshot_data_by_window_id":{"w":[' + META + b"]}}", 1),
}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_documents_are_recognised_by_what_they_hold(kind: str) -> None:
    text, count = DOCUMENTS[kind]
    found = read_document(text)
    assert found.kind == kind
    assert len(found.events) == count
    assert not found.rejected
    for event in found.events:
        assert isinstance(json.loads(event.raw)["type"], int)


def test_what_highlight_keeps_beside_the_events_is_a_finding() -> None:
    found = read_document(DOCUMENTS["highlight"][0])
    assert found.session_id == "h"
    assert found.findings == {
        "highlight_messages_not_imported": 2,
        "highlight_resources_not_imported": 1,
    }


def test_a_bare_snapshot_becomes_an_event_and_says_so() -> None:
    text = DOCUMENTS["bare_snapshot"][0]
    found = read_document(text)
    assert json.loads(found.events[0].raw) == {
        "type": 2,
        "data": json.loads(text),
        "timestamp": 0,
    }
    assert found.findings == {"bare_full_snapshot": 1}


def test_other_answers_of_the_old_api() -> None:
    for text in (
        b'{"result":{"snapshots":[' + META + b'],"person":{"distinct_ids":["p"]}}}',
        b'{"snapshots":[{"window_id":"w","data":[' + META + b']}],"person":{"distinct_id":"p"}}',
        b'{"result":{"snapshot_data_by_window_id":{"w":[' + META + b']},"distinct_id":"p"}}',
    ):
        found = read_document(text)
        assert (found.kind, found.distinct_id) == ("api", "p")
        assert [e.raw for e in found.events] == [META]


@pytest.mark.parametrize(
    "text", [b"[" * 30_000 + b"]" * 30_000, b'{"window_id":"","data":' * 9 + b"[]" + b"}" * 9]
)
def test_deep_nesting_is_no_recording(text: bytes) -> None:
    rejected: Counter[str] = Counter()
    assert line_events(text, rejected=rejected) == []
    assert rejected == {"not_an_event": 1}


def test_packed_recordings() -> None:
    packed = [pack({"type": 4, "timestamp": i, "data": {"t": "\u00e9"}}) for i in range(3)]
    found = read_document(json.dumps(packed).encode())
    assert [json.loads(e.raw)["timestamp"] for e in found.events] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"hello", "invalid_json"),
        (b'"x"', "invalid_json"),
        (b"{}", "unknown_format"),
        (b'{"result":5}', "unknown_format"),
        (b'{"type":3}', "unknown_format"),
        (b"[" + META, "invalid_json"),
        (b'{"events":{"events":[1}}', "invalid_json"),
        (b'{"version":"2099-01-01","data":{"snapshots":[]}}', "unknown_format"),
    ],
)
def test_museum_of_documents(text: bytes, reason: str) -> None:
    with pytest.raises(SourceDataError) as refused:
        read_document(text, what="file.json")
    assert refused.value.reason == reason
    assert refused.value.what == "file.json"


READERS: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {
    **{kind: (text, read_document) for kind, (text, _) in DOCUMENTS.items()},
    "blob": (gzip.compress(DOCUMENTS["line"][0]), lambda b: list(blob_events(b))),
    "lts": (utf16_gzip_base64(DOCUMENTS["lts_2022"][0].decode()), read_lts_2022),
    "segment": (zlib.compress(SEGMENT), read_sentry_segment),
    "chunks": (
        b"\n".join(r.snapshot_data for r in chunks("a", [META, ODD], 40)),
        lambda b: list(chunk_events(ChunkRow("w", line) for line in b.split(b"\n"))),
    ),
}


@given(
    st.sampled_from(sorted(READERS)),
    st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 255)), max_size=4),
    st.none() | st.integers(min_value=0),
)
def test_damage_only_raises_the_error(
    name: str, flips: list[tuple[int, int]], cut: int | None
) -> None:
    whole, read = READERS[name]
    damaged = bytearray(whole)
    for position, byte in flips:
        damaged[position % len(damaged)] = byte
    if cut is not None:
        damaged = damaged[: cut % len(damaged)]
    with contextlib.suppress(SourceDataError):
        read(bytes(damaged))


def corpus_files() -> list[tuple[str, int, str]]:
    """Read path, event count and types from the index of the corpus."""
    index = CORPUS / "INDEX.md"
    rows = []
    if index.is_file():
        for line in index.read_text(encoding="utf-8").splitlines():
            cells = [c.strip() for c in line.strip("|").split("|")]
            if len(cells) > 5 and "/" in cells[0] and "android" not in cells[0]:
                rows.append((cells[0], int(cells[2]), cells[4]))
    return rows


@pytest.mark.parametrize(("path", "count", "types"), corpus_files())
def test_real_files_hold_what_the_index_counted(path: str, count: int, types: str) -> None:
    data = (CORPUS / path).read_bytes()
    found = read_document(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    assert not found.rejected
    assert len(found.events) == count
    assert Counter(json.loads(e.raw)["type"] for e in found.events) == {
        int(pair.partition(":")[0]): int(pair.partition(":")[2]) for pair in types.split()
    }
