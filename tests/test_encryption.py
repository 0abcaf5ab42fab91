"""Encryption at rest: what is read is what was written; what was changed or shredded is not."""

from __future__ import annotations

import io
import json
import shutil

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.demo.client import TestClient
from tests.support.builders import click, draft, full_snapshot, meta, visit
from tests.support.erasing import eraser

from replayport import encryption
from replayport.annotations import AnnotationStore
from replayport.archive import ARCHIVE_FILE, Archive
from replayport.encryption import (
    FRAME_BYTES,
    HEADER_BYTES,
    KEK_GRACE_MS,
    MAGIC,
    EncryptedStore,
    KeyRing,
)
from replayport.errors import ArchiveError, DamagedRecordingError, SettingsError
from replayport.export import EXPORTS, ExportOptions
from replayport.recording import Person
from replayport.server.app import make_app
from replayport.store import Store
from replayport.surveying import Scope
from replayport.verifying import verify_archive

KEY = "recordings/shop/2026/01/02/s-1/events.parquet"
SIZES = [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES, 200_000]


@pytest.fixture
def ring(tmp_path):
    return KeyRing.open(str(tmp_path / "ring"), create=True, now_ms=1)


@pytest.fixture(params=["memory://", "local"])
def store(request, ring, tmp_path):
    inner = tmp_path / "inner" if request.param == "local" else request.param
    return EncryptedStore(Store.open(inner), ring)


def data_of(size):
    return bytes((i * 7 + i // 251) % 256 for i in range(size))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_read_is_what_was_written(store, size, tmp_path):
    data = data_of(size)
    store.put(KEY, data)
    assert store.get(KEY) == data
    assert store.head(KEY).size == size
    assert [i.size for i in store.list("recordings")] == [size]
    raw = store.inner.get(KEY)
    assert raw.startswith(MAGIC)
    assert len(data) < 32 or data[:32] not in raw
    path = tmp_path / "file"
    path.write_bytes(data)
    store.put(KEY, path)
    assert store.get(KEY) == data
    assert store.inner.get(KEY) != raw


@given(st.sampled_from(SIZES), st.data())
def test_any_range_is_the_slice(size, data):
    store = _shared()
    content = data_of(size)
    key = f"recordings/shop/2026/01/02/s-{size}/events.parquet"
    if not store.exists(key):
        store.put(key, content)
    bound = st.integers(0, size + FRAME_BYTES + 10)
    ranges = [
        tuple(sorted((data.draw(bound), data.draw(bound))))
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    assert list(store.get_ranges(key, ranges)) == [content[a:b] for a, b in ranges]


_made: list[EncryptedStore] = []


def _shared():
    if not _made:
        store = Store.open("memory://")
        ring = _memory_ring()
        _made.append(EncryptedStore(store, ring))
    return _made[0]


def _memory_ring():
    store = Store.open("memory://")
    ring = {
        "format": encryption.RING_FORMAT,
        "format_version": 1,
        "ring_id": "r",
        "name_key": "AAAA",
        "active": "k",
        "keys": {"k": {"key": "A" * 43 + "=", "made_ms": 1}},
    }
    store.put(encryption.RING_FILE, json.dumps(ring).encode())
    return KeyRing(store, ring)


def test_a_range_reads_only_its_frames(store):
    store.put(KEY, data_of(10 * FRAME_BYTES))
    asked = []
    real = store.inner._get_ranges
    store.inner._get_ranges = lambda key, ranges: asked.extend(ranges) or real(key, ranges)
    store.get_range(KEY, 5 * FRAME_BYTES + 3, 5 * FRAME_BYTES + 9)
    assert sum(b - a for a, b in asked) < 1.1 * FRAME_BYTES


def flip(raw, at):
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: flip(raw, HEADER_BYTES + 5),
        lambda raw: flip(raw, 15),
        lambda raw: flip(raw, 30),
        lambda raw: raw[:-1],
        lambda raw: raw[: HEADER_BYTES + FRAME_BYTES + 16],
        lambda raw: raw[:HEADER_BYTES],
        lambda raw: raw[:20],
        lambda raw: raw + b"\0",
        lambda raw: raw + raw[HEADER_BYTES : HEADER_BYTES + FRAME_BYTES + 16],
        lambda raw: (
            raw[:HEADER_BYTES]
            + raw[HEADER_BYTES + FRAME_BYTES + 16 :]
            + raw[HEADER_BYTES : HEADER_BYTES + FRAME_BYTES + 16]
        ),
        lambda raw: b"plain text put there by somebody",
        lambda raw: b"",
    ],
)
def test_what_was_changed_does_not_open(store, change):
    store.put(KEY, data_of(2 * FRAME_BYTES + 100))
    store.inner.put(KEY, change(store.inner.get(KEY)))
    with pytest.raises(DamagedRecordingError):
        store.get(KEY)


def test_a_cut_end_is_seen_by_a_range_too(store):
    store.put(KEY, data_of(2 * FRAME_BYTES + 100))
    raw = store.inner.get(KEY)
    store.inner.put(KEY, raw[: HEADER_BYTES + 2 * (FRAME_BYTES + 16)])
    assert store.get_range(KEY, 0, 10) == data_of(10)
    with pytest.raises(DamagedRecordingError):
        store.get_range(KEY, FRAME_BYTES, FRAME_BYTES + 10)


def test_an_object_put_in_anothers_place_does_not_open(store):
    other = "recordings/shop/2026/01/02/s-1/analytics.parquet"
    store.put(KEY, b"one")
    store.put(other, b"two")
    store.inner.put(KEY, store.inner.get(other))
    with pytest.raises(DamagedRecordingError):
        store.get(KEY)


def test_a_day_that_changes_needs_no_other_key(store):
    store.put(KEY, b"one")
    moved = KEY.replace("/02/", "/03/")
    store.inner.put(moved, store.inner.get(KEY))
    assert store.get(moved) == b"one"


def test_each_recording_and_asset_has_a_key_of_its_own(store, ring):
    store.put(KEY, b"x")
    store.put(KEY.replace("events", "analytics"), b"x")
    store.put(KEY.replace("s-1", "s-2"), b"x")
    store.put("assets/ab/ab" + "0" * 62, b"x")
    assert sum(1 for _ in ring._store.list("wrapped")) == 3
    store.shred(KEY)
    with pytest.raises(DamagedRecordingError, match="erased"):
        store.get(KEY)
    assert store.get(KEY.replace("s-1", "s-2")) == b"x"
    assert store.is_shredded(KEY)


def test_the_ring_names_nothing(store, ring, tmp_path):
    store.put(KEY, b"x")
    for path in (tmp_path / "ring").rglob("*"):
        assert "s-1" not in str(path)
        assert path.is_dir() or b"shop" not in path.read_bytes()
    assert (tmp_path / "ring" / "ring.json").stat().st_mode & 0o77 == 0


def test_rotation_keeps_what_was_written_and_drops_old_keys(store, ring, tmp_path):
    store.put(KEY, b"before")
    first = ring.keys()[0]["id"]
    assert ring.rotate(now_ms=10) == (1, [])
    store.put(KEY.replace("s-1", "s-2"), b"after")
    fresh = EncryptedStore(store.inner, KeyRing.open(str(tmp_path / "ring")))
    assert fresh.get(KEY) == b"before"
    assert ring.rotate(now_ms=10 + KEK_GRACE_MS) == (2, [first])
    assert [k["active"] for k in ring.keys()] == [False, True]
    again = EncryptedStore(store.inner, KeyRing.open(str(tmp_path / "ring")))
    assert again.get(KEY) == b"before"
    # One that was opened before the rotation finds the new keys by itself.
    fresh.ring._known.clear()
    assert fresh.get(KEY.replace("s-1", "s-2")) == b"after"


# --- an archive -----------------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    return tmp_path / "a", str(tmp_path / "ring")


def big():
    return [meta(), full_snapshot(pad=300_000), *(click(100 + i) for i in range(200))]


def test_an_encrypted_archive_does_all_another_does(place):
    path, ring = place
    rows = [{"timestamp_ms": 1, "event": "e", "properties": '{"secret":"value"}'}]
    with Archive.open(path, create=True, key_ring=ring) as archive:
        archive.write(draft(session_id="s-1", analytics=rows))
        archive.write(draft(big(), session_id="s-big"))
        archive.compact("s-big")
        archive.write(draft([*visit(), click(999)], session_id="s-1"), replace=True)
        assert verify_archive(archive) == (2, [])
        archive.catalog.clear()
        assert archive.reindex() == 2
        recording = archive.recording("s-big")
        assert len(list(recording.events())) == recording.manifest.events
        for name in ("rrweb-json", "bundle", "parquet", "jsonl"):
            assert b"".join(EXPORTS[name].load()(recording, ExportOptions()))
    for file in (path / "recordings").rglob("*.*"):
        assert file.read_bytes().startswith(MAGIC), file
        assert b"shop.example" not in file.read_bytes()
    with Archive.open(path, key_ring=ring) as again:
        assert again.recording("s-1").manifest.events == len(visit()) + 1


def test_without_its_ring_it_is_refused(place, tmp_path):
    path, ring = place
    Archive.open(path, create=True, key_ring=ring).close()
    with pytest.raises(ArchiveError, match="encryption_key_ring"):
        Archive.open(path)
    with pytest.raises(SettingsError, match="encryption_key_ring"):
        Archive.open(path, key_ring=str(tmp_path / "nowhere"))
    KeyRing.open(str(tmp_path / "other"), create=True)
    with pytest.raises(ArchiveError, match="encryption_key_ring"):
        Archive.open(path, key_ring=str(tmp_path / "other"))
    (tmp_path / "ring" / "ring.json").write_text("{")
    with pytest.raises(SettingsError, match="encryption_key_ring"):
        Archive.open(path, key_ring=ring)


def test_a_ring_inside_the_archive_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match="inside"):
        Archive.open(tmp_path / "a", create=True, key_ring=str(tmp_path / "a" / "keys"))


def test_a_plain_archive_is_not_taken_for_an_encrypted_one(place):
    path, ring = place
    Archive.open(path, create=True).close()
    KeyRing.open(ring, create=True)
    with pytest.raises(ArchiveError, match="keys encrypt"):
        Archive.open(path, key_ring=ring)


def test_an_old_reader_refuses_an_encrypted_archive(place):
    path, ring = place
    Archive.open(path, create=True, key_ring=ring).close()
    assert json.loads((path / ARCHIVE_FILE).read_text())["format_version"] == 2


def test_an_archive_is_encrypted_in_place_and_goes_on_after_a_cut(place):
    path, ring = place
    with Archive.open(path, create=True) as archive:
        for n in range(4):
            archive.write(draft(session_id=f"s-{n}"))

    class Cut(BaseException):
        pass

    seen = []

    def cut(key):
        seen.append(key)
        if len(seen) == 5:
            raise Cut

    with pytest.raises(Cut):
        Archive.encrypt(path, ring, on_object=cut)
    with Archive.open(path, key_ring=ring) as half:
        assert verify_archive(half) == (4, [])
    assert Archive.encrypt(path, ring) > 0
    assert Archive.encrypt(path, ring) == 0
    with Archive.open(path, key_ring=ring) as archive:
        assert verify_archive(archive) == (4, [])
    for file in (path / "recordings").rglob("*.*"):
        assert file.read_bytes().startswith(MAGIC), file


def test_erasing_shreds_every_copy(place, tmp_path):
    path, ring = place
    with Archive.open(path, create=True, key_ring=ring) as archive:
        archive.write(draft(session_id="gone"))
        archive.write(draft([*visit(), click(500)], session_id="kept"))
        shutil.copytree(path, tmp_path / "backup")
        one = eraser(archive, tmp_path)
        receipt = one.run(one.plan(Scope("recording", "p/gone")))
        assert [r["data_key"] for r in receipt["removed"] if r["what"] == "recording"] == ["erased"]
    with Archive.open(tmp_path / "backup", key_ring=ring) as backup:
        with pytest.raises(DamagedRecordingError, match="erased"):
            backup.recording("gone")
        assert backup.recording("kept").manifest.events == len(visit()) + 1
        assert backup.reindex() == 1


def test_the_ring_document_is_read_strictly(tmp_path):
    ring = KeyRing.open(str(tmp_path / "r"), create=True)
    document = json.loads((tmp_path / "r" / "ring.json").read_text())
    for broken in (
        {**document, "format": "x"},
        {**document, "active": "none"},
        {**document, "format_version": 2},
        {k: v for k, v in document.items() if k != "name_key"},
    ):
        (tmp_path / "r" / "ring.json").write_bytes(msgspec.json.encode(broken))
        with pytest.raises(SettingsError):
            KeyRing.open(str(tmp_path / "r"))
    assert ring.ring_id


def test_the_server_gives_ranges_in_the_clear(place):
    path, ring = place
    with Archive.open(path, create=True, key_ring=ring) as archive:
        archive.write(draft(big(), session_id="s-1"))
        whole = archive.recording("s-1").file("events.parquet")
        client = TestClient(make_app(archive), base_url="http://127.0.0.1:8470")
        url = "/files/p/s-1/events.parquet"
        assert client.get(url).content == whole
        tail = client.get(url, headers={"range": "bytes=-8"})
        assert (tail.status_code, tail.content) == (206, whole[-8:])
        part = client.get(url, headers={"range": "bytes=100-299"})
        assert part.content == whole[100:300]


def words_left_in(folder, words) -> set[str]:
    """Give the words that some file has: as it is, or in a column of Parquet once decompressed."""
    found = set()
    for path in (p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if data[:4] == b"PAR1":
            rows = pq.read_table(io.BytesIO(data)).to_pylist()
            data += repr(rows).encode()
        found |= {w for w in words if w.encode() in data or w.encode() in path.name.encode()}
    return found


WORDS = (
    "plantedpath",
    "plantedtext",
    "plantedproperty",
    "plantedperson",
    "plantedtag",
    "plantednote",
)


def plant(archive: Archive) -> None:
    archive.write(
        draft(
            [meta(href="https://shop.example/plantedpath"), full_snapshot(text="plantedtext")],
            session_id="s-1",
            analytics=[{"timestamp_ms": 1, "event": "e", "properties": '{"a":"plantedproperty"}'}],
            person=Person(distinct_id="plantedperson"),
        )
    )
    notes = AnnotationStore(archive)
    notes.set_tags("p", "s-1", ["plantedtag"])
    notes.add_note("p", "s-1", author="a", text="plantednote")


def test_no_planted_word_is_in_an_encrypted_store(place, tmp_path):
    path, ring = place
    catalog_url = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    with Archive.open(path, create=True, key_ring=ring, catalog_url=catalog_url) as archive:
        plant(archive)
    assert words_left_in(path, WORDS) == set()
    with Archive.open(tmp_path / "plain", create=True) as plain:
        plant(plain)
    assert words_left_in(tmp_path / "plain", WORDS) == set(WORDS)


def test_the_catalog_is_not_encrypted(place):
    """As the documents say: who, what tags and which words stay readable beside the store."""
    path, ring = place
    with Archive.open(path, create=True, key_ring=ring) as archive:
        plant(archive)
    assert words_left_in(path, WORDS) == {"plantedpath", "plantedperson", "plantedtag"}
