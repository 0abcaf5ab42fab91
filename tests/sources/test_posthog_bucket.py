import csv
import gzip
import io
import json
import os

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.support.rgw import running_rgw

from replayport.archive import Archive
from replayport.errors import SourceDataError, SourceError, SourceGoneError, SourceNotFoundError
from replayport.outcomes import RejectReason
from replayport.posthog.blocks import encode_snappy
from replayport.pull import pull
from replayport.sources.base import iso_utc
from replayport.sources.posthog_bucket import PostHogBucketSource, V1Folders
from replayport.sources.posthog_listing import ListingFile
from replayport.store import Store
from replayport.testing import FakeClock, FakeRecording

T = 1_700_000_000_000
DAY = 86_400_000
BUCKET = "posthog"
RECORDINGS = [FakeRecording.simple(f"s{i}", start_ms=T + i * DAY, blocks=4) for i in range(3)]


def batches(recordings, encode=encode_snappy):
    """Lay blocks out as ingestion does: one object a flush, of all sessions back to back."""
    objects, addresses = {}, {}
    for n in range(max(len(r.blocks) for r in recordings)):
        # Two flushes of a session in one object, to meet ranges that touch.
        key = f"session_recordings/30d/{T + n // 2 * 10_000}-0123456789abcde{n // 2}"
        data = objects.setdefault(key, bytearray())
        for recording in recordings:
            if n < len(recording.blocks):
                block = encode(recording.blocks[n])
                last = len(data) + len(block) - 1
                addresses.setdefault(recording.session_id, []).append(
                    f"s3://{BUCKET}/{key}?range=bytes={len(data)}-{last}"
                )
                data += block
    return {k: bytes(v) for k, v in objects.items()}, addresses


def rows_of(recordings, addresses):
    return [
        {
            "session_id": r.session_id,
            "team_id": 1,
            "distinct_id": r.distinct_id,
            "min_first_timestamp": clickhouse_time(r.start_ms),
            "max_last_timestamp": clickhouse_time(r.end_ms),
            # ClickHouse joins rows in no order.
            "block_first_timestamps": [clickhouse_time(a) for a, _ in r.spans_ms][::-1],
            "block_last_timestamps": [clickhouse_time(b) for _, b in r.spans_ms][::-1],
            "block_urls": addresses[r.session_id][::-1],
            "is_deleted": 0,
        }
        for r in recordings
    ]


def clickhouse_time(ms):
    return iso_utc(ms).replace("T", " ").replace("Z", "000")


def listing_of(tmp_path, rows, **options):
    path = tmp_path / "listing.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ListingFile(path, **options)


def fill(store, objects):
    for key, data in objects.items():
        store.put(key, data)
    return store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "bucket")


@pytest.fixture
def filled(store, tmp_path):
    objects, addresses = batches(RECORDINGS)
    fill(store, objects)
    return store, rows_of(RECORDINGS, addresses)


def source_of(store, listing, **options):
    return PostHogBucketSource(store, listing, project=1, **options)


def fetch_all(source):
    return {ref.session_id: source.fetch(ref) for ref in source.list_recordings()}


def events_of(draft):
    return [
        [e.window_id, e.type, e.timestamp_ms, json.loads(e.data_json)]
        for e in draft.columns.events()
    ]


def expected(recording, without=()):
    lines = [
        json.loads(x)
        for n, b in enumerate(recording.blocks)
        if n not in without
        for x in b.splitlines()
    ]
    return [[w, e["type"], e["timestamp"], e["data"]] for w, e in lines]


def test_every_session_comes_out_of_the_shared_objects(filled, tmp_path):
    store, rows = filled
    drafts = fetch_all(source_of(store, listing_of(tmp_path, rows)))
    assert list(drafts) == ["s0", "s1", "s2"]
    for recording in RECORDINGS:
        draft = drafts[recording.session_id]
        assert events_of(draft) == expected(recording)
        assert (draft.missing, draft.rejected, draft.findings) == ([], {}, {})
        assert draft.person.distinct_id == "person-1"
        assert draft.source["kind"] == "posthog-bucket"


def test_pulled_from_the_bucket_as_from_the_api(filled, tmp_path):
    store, rows = filled
    clock = FakeClock(T / 1000 + 30 * 86_400)
    with Archive.open(tmp_path / "archive", create=True) as archive:
        for written in (["s0", "s1", "s2"], []):
            source = source_of(store, listing_of(tmp_path, rows))
            assert pull(source, archive, clock=clock).written == written
        assert archive.recording("s2").manifest.events == 20


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def s3_store(endpoint, key, secret, bucket):
    return Store.open(
        f"s3://{bucket}",
        endpoint=endpoint,
        access_key_id=key,
        secret_access_key=secret,
        region="us-east-1",
    )


def check_s3(endpoint, key, secret, tmp_path):
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
    store = s3_store(endpoint, key, secret, BUCKET)
    objects, addresses = batches(RECORDINGS)
    fill(store, objects)
    source = source_of(store, listing_of(tmp_path, rows_of(RECORDINGS, addresses)))
    drafts = fetch_all(source)
    assert {s: events_of(d) for s, d in drafts.items()} == {
        r.session_id: expected(r) for r in RECORDINGS
    }
    assert source.received_bytes == sum(map(len, objects.values()))
    elsewhere = [
        {**r, "block_urls": [u.replace(BUCKET, "other") for u in r["block_urls"]]}
        for r in rows_of(RECORDINGS, addresses)
    ]
    with pytest.raises(SourceError, match="lie in bucket other"):
        fetch_all(source_of(store, listing_of(tmp_path, elsewhere)))


@pytest.mark.filterwarnings("ignore:.*datetime:DeprecationWarning")
def test_from_s3(moto, tmp_path):
    check_s3(moto, "key", "secret", tmp_path)


@pytest.mark.rgw
def test_from_a_real_s3_server(tmp_path):
    with running_rgw() as server:
        check_s3(server.endpoint, server.access_key_id, server.secret_access_key, tmp_path)


# --- listings -------------------------------------------------------------------------


def as_csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                k: "[" + ",".join(f"'{x}'" for x in v) + "]" if isinstance(v, list) else v
                for k, v in row.items()
            }
        )
    return out.getvalue()


def one_row_a_block(rows):
    return [
        {
            "session_id": r["session_id"],
            "team_id": 1,
            "distinct_id": "person-1",
            "first_timestamp": a,
            "last_timestamp": b,
            "block_url": u,
        }
        for r in rows
        for a, b, u in zip(
            r["block_first_timestamps"], r["block_last_timestamps"], r["block_urls"], strict=True
        )
    ]


@pytest.mark.parametrize(
    "write",
    [
        lambda rows: json.dumps(rows),
        lambda rows: json.dumps({"meta": [], "data": rows, "rows": 3}),
        lambda rows: json.dumps(
            {"columns": list(rows[0]), "results": [list(r.values()) for r in rows]}
        ),
        lambda rows: "\n".join(map(json.dumps, rows)),
        as_csv,
        lambda rows: "\ufeff" + as_csv(rows),
        lambda rows: json.dumps(one_row_a_block(rows)),
        lambda rows: as_csv(one_row_a_block(rows)),
    ],
    ids=[
        "array",
        "format-json",
        "hogql",
        "lines",
        "csv",
        "csv-bom",
        "row-a-block",
        "csv-row-a-block",
    ],
)
def test_every_form_of_a_listing_file(filled, tmp_path, write):
    store, rows = filled
    path = tmp_path / "export"
    path.write_text(write(rows), encoding="utf-8")
    drafts = fetch_all(source_of(store, ListingFile(path)))
    assert {s: events_of(d) for s, d in drafts.items()} == {
        r.session_id: expected(r) for r in RECORDINGS
    }


def test_rows_clickhouse_has_not_merged_are_joined(filled, tmp_path):
    store, rows = filled
    halves = []
    for row in rows:
        for part in (slice(0, 2), slice(1, None)):  # one block in both
            halves.append({**row, **{k: row[k][part] for k in row if k.startswith("block_")}})
    drafts = fetch_all(source_of(store, listing_of(tmp_path, halves)))
    assert events_of(drafts["s1"]) == expected(RECORDINGS[1])


def test_other_teams_are_left_out(filled, tmp_path):
    store, rows = filled
    rows[1]["team_id"] = 2
    source = source_of(store, listing_of(tmp_path, rows, team_id="1"))
    assert [r.session_id for r in source.list_recordings()] == ["s0", "s2"]


def test_bounds(filled, tmp_path):
    store, rows = filled
    source = source_of(store, listing_of(tmp_path, rows))
    found = source.list_recordings(since_ms=T + DAY, until_ms=T + 2 * DAY)
    assert [r.session_id for r in found] == ["s1"]


@pytest.mark.parametrize("text", ["{", "a,b\n1,2\n", '{"x": 1}', "[1, 2]\n{"])
def test_what_is_no_listing(tmp_path, text):
    path = tmp_path / "export"
    path.write_text(text)
    with pytest.raises(SourceDataError, match="session_replay_events") as error:
        ListingFile(path)
    assert error.value.reason == RejectReason.UNKNOWN_FORMAT


def test_a_listing_that_is_not_there(tmp_path):
    with pytest.raises(SourceDataError) as error:
        ListingFile(tmp_path / "nope")
    assert error.value.reason == RejectReason.UNREADABLE


# --- what is missing ------------------------------------------------------------------


def test_a_session_that_started_halfway_is_read_as_far_as_it_goes(filled, tmp_path):
    store, rows = filled
    for name in ("block_urls", "block_first_timestamps", "block_last_timestamps"):
        rows[0][name].pop()  # the earliest
    draft = fetch_all(source_of(store, listing_of(tmp_path, rows)))["s0"]
    assert events_of(draft) == expected(RECORDINGS[0], without={0})
    assert draft.missing
    assert draft.findings["started_halfway"] == 1


def test_arrays_of_different_lengths(filled, tmp_path):
    store, rows = filled
    rows[0]["block_first_timestamps"].pop()
    draft = fetch_all(source_of(store, listing_of(tmp_path, rows)))["s0"]
    assert sorted(events_of(draft), key=str) == sorted(expected(RECORDINGS[0]), key=str)
    assert draft.missing
    assert draft.findings["started_halfway"] == 1


def test_an_object_that_expired(filled, tmp_path):
    store, rows = filled
    gone = next(i.key for i in store.list("session_recordings"))
    store.delete(gone)
    drafts = fetch_all(source_of(store, listing_of(tmp_path, rows)))
    for recording in RECORDINGS:
        draft = drafts[recording.session_id]
        assert events_of(draft) == expected(recording, without={0, 1})
        assert len(draft.missing) == 2
        assert all(gone in name for name in draft.missing)


def test_an_object_that_was_cut(filled, tmp_path):
    store, rows = filled
    key = [i.key for i in store.list("session_recordings")][-1]
    store.put(key, store.get(key)[:-5])
    drafts = fetch_all(source_of(store, listing_of(tmp_path, rows)))
    assert len(drafts["s2"].missing) == 1
    assert drafts["s2"].rejected[RejectReason.TRUNCATED] == 1
    assert drafts["s0"].missing == []


def test_nothing_left(filled, tmp_path):
    store, rows = filled
    store.delete_prefix("session_recordings")
    source = source_of(store, listing_of(tmp_path, rows))
    with pytest.raises(SourceDataError) as error:
        fetch_all(source)
    assert error.value.reason == RejectReason.MISSING_BLOCK


def test_encrypted_blocks_are_called_that(store, tmp_path):
    objects, addresses = batches(
        RECORDINGS, encode=lambda b: bytes([0xFF] * 8) + os.urandom(32 + len(encode_snappy(b)))
    )
    fill(store, objects)
    source = source_of(store, listing_of(tmp_path, rows_of(RECORDINGS, addresses)))
    with pytest.raises(SourceDataError, match="encrypted") as error:
        fetch_all(source)
    assert error.value.reason == RejectReason.ENCRYPTED


def test_one_bad_block_does_not_take_the_others(filled, tmp_path):
    store, rows = filled
    key = next(i.key for i in store.list("session_recordings"))
    data = bytearray(store.get(key))
    data[:10] = b"\xff" * 10
    store.put(key, bytes(data))
    draft = fetch_all(source_of(store, listing_of(tmp_path, rows)))["s0"]
    assert events_of(draft) == expected(RECORDINGS[0], without={0})
    assert len(draft.missing) == 1
    assert draft.rejected[RejectReason.INVALID_SNAPPY] == 1


@pytest.mark.parametrize(
    "url", ["s3://posthog/../../etc?range=bytes=0-9", "nonsense://", "s3://x/y"]
)
def test_hostile_addresses_are_missing_blocks(filled, tmp_path, url):
    store, rows = filled
    rows[0]["block_urls"][0] = url  # the last block
    draft = fetch_all(source_of(store, listing_of(tmp_path, rows)))["s0"]
    assert draft.missing == [url]
    assert events_of(draft) == expected(RECORDINGS[0], without={3})


def test_deleted_and_unknown_sessions(filled, tmp_path):
    store, rows = filled
    rows[0]["is_deleted"] = 1
    source = source_of(store, listing_of(tmp_path, rows))
    refs = list(source.list_recordings())
    with pytest.raises(SourceGoneError):
        source.fetch(refs[0])
    other = source_of(store, listing_of(tmp_path, rows[2:]))
    with pytest.raises(SourceNotFoundError):
        other.fetch(refs[1])


def test_a_recording_past_the_limit_is_refused(filled, tmp_path):
    store, rows = filled
    source = source_of(store, listing_of(tmp_path, rows), max_recording_bytes=500)
    with pytest.raises(SourceDataError) as error:
        fetch_all(source)
    assert error.value.reason == RejectReason.TOO_LARGE


def test_a_long_term_copy_is_read_as_a_whole(filled, tmp_path):
    store, rows = filled
    store.put("lts/uuid-1", encode_snappy(b"".join(RECORDINGS[0].blocks)))
    rows[0].update(
        full_recording_v2_path=f"s3://{BUCKET}/lts/uuid-1?range=bytes=0-7",
        block_urls=[],
        block_first_timestamps=[],
        block_last_timestamps=[],
    )
    rows[1]["full_recording_v2_path"] = f"s3://{BUCKET}/lts/expired?range=bytes=0-7"
    drafts = fetch_all(source_of(store, listing_of(tmp_path, rows)))
    for n in (0, 1):
        assert events_of(drafts[f"s{n}"]) == expected(RECORDINGS[n])
        assert drafts[f"s{n}"].missing == []


# --- v1 -------------------------------------------------------------------------------


def v1_objects(folder="session_recordings", pack=gzip.compress):
    found = {}
    for recording in RECORDINGS:
        for (first, last), block in zip(recording.spans_ms, recording.blocks, strict=True):
            lines = []
            for line in block.splitlines():
                window_id, event = json.loads(line)
                lines.append(json.dumps({"window_id": window_id, "data": [event]}))
            key = f"{folder}/team_id/1/session_id/{recording.session_id}/data/{first}-{last}"
            found[key] = pack("\n".join(lines).encode())
    return found


@pytest.mark.parametrize("folder", ["session_recordings", "session_recordings_lts"])
@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["gzip", "decoded"])
def test_v1_folders_need_no_listing(store, folder, pack):
    fill(store, v1_objects(folder, pack))
    store.put(f"{folder}/team_id/2/session_id/s9/data/1700000000000-1700000000001", b"")
    store.put(f"{folder}/team_id/1/session_id/s0/data/other-name", b"")
    drafts = fetch_all(source_of(store, V1Folders(store, 1, folder=folder)))
    assert {s: events_of(d) for s, d in drafts.items()} == {
        r.session_id: expected(r) for r in RECORDINGS
    }


def test_v1_folders_are_found_again_and_bounded(store):
    fill(store, v1_objects())
    folders = V1Folders(store, 1)
    assert [r.session_id for r in folders.recordings(since_ms=T + DAY, until_ms=T + DAY + 1)] == [
        "s1"
    ]
    assert folders.find("s2", start_ms=T).start_ms == RECORDINGS[2].start_ms
    assert folders.find("../s2", start_ms=T) is None
    assert folders.find("nope", start_ms=T) is None


def test_v1_pulled_twice_is_pulled_once(store, tmp_path):
    fill(store, v1_objects())
    clock = FakeClock(T / 1000 + 30 * 86_400)
    with Archive.open(tmp_path / "archive", create=True) as archive:
        for written in (["s0", "s1", "s2"], []):
            source = source_of(store, V1Folders(store, 1))
            report = pull(source, archive, clock=clock)
            assert (report.written, report.ok) == (written, True)
