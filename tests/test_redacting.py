"""Recordings through redaction: stored, exported, before they are stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.builders import START_MS, draft, full_snapshot, meta
from tests.support.planted import decoded

from replayport import Archive
from replayport.draft import RecordingDraft
from replayport.errors import ErasedRecordingError, RecordingError
from replayport.export import ExportOptions, bundle
from replayport.format.assets import Asset, AssetMap
from replayport.importing import import_paths
from replayport.pseudonyms import Pseudonyms
from replayport.recording import FrozenAssets, Person
from replayport.redacting import (
    load_profile,
    redact_before_storing,
    redact_stored,
    redacted_recording,
    wireframe_recording,
)
from replayport.tombstones import Tombstone, Tombstones

EMAIL = "jane@shop.example"


def visit(**fields: object) -> RecordingDraft:
    row = {
        "timestamp_ms": START_MS,
        "uuid": "u1",
        "event": "$pageview",
        "distinct_id": EMAIL,
        "window_id": "w1",
        "url": f"https://shop.example/?u={EMAIL}",
        "properties": json.dumps({"$ip": "84.1.2.3", "$set": {"name": "Jane Doe"}, "n": 1}),
    }
    return draft(
        [meta(href=f"https://shop.example/?u={EMAIL}"), full_snapshot(text=f"Jane Doe, {EMAIL}")],
        person=Person(distinct_id=EMAIL, properties={"email": EMAIL}),
        analytics=[row],
        **fields,
    )


def test_a_stored_recording_is_rewritten_everywhere(tmp_path: Path) -> None:
    with Archive.open(tmp_path, create=True) as archive:
        archive.write(visit())
        seen: list[int] = []
        done = redact_stored(
            archive, "s-1", load_profile("gdpr"), before_write=lambda r: seen.append(r.finds.total)
        )
        assert seen == [done.finds.total]
        recording = archive.recording("s-1")
        manifest = recording.manifest
        pseudonym = Pseudonyms.load(archive.store).of_person(EMAIL)[:20]
        assert manifest.person == Person(distinct_id=f"anon-{pseudonym}")
        assert archive.row("s-1").distinct_id == f"anon-{pseudonym}"
        assert manifest.first_url == "https://shop.example/?u=xxxx*xxxx*xxxxxxx"
        row = recording.analytics().to_pylist()[0]
        assert row["distinct_id"] == f"anon-{pseudonym}"
        assert json.loads(row["properties"])["n"] == 1
        entry = manifest.privacy[-1]
        assert (entry["profile"], entry["when"]) == ("gdpr", "later")
        assert entry["profile_sha256"] == load_profile("gdpr").digest
        assert sum(entry["counts"].values()) == done.finds.total
        assert manifest.is_redacted_for_good
        assert not redact_stored(archive, "s-1", load_profile("gdpr")).changed
    left = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert EMAIL.encode() not in left
    assert b"Jane Doe" not in left


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    with Archive.open(tmp_path, create=True) as archive:
        archive.write(visit())
        before = {p: p.read_bytes() for p in tmp_path.rglob("recordings/**/*") if p.is_file()}
        assert redact_stored(archive, "s-1", load_profile("gdpr"), dry_run=True).changed
        assert {p: p.read_bytes() for p in before} == before


def test_without_finds_nothing_is_written(tmp_path: Path) -> None:
    with Archive.open(tmp_path, create=True) as archive:
        archive.write(draft())
        digest = archive.recording("s-1").manifest.files["events.parquet"].sha256
        assert not redact_stored(archive, "s-1", load_profile("secrets")).changed
        assert archive.recording("s-1").manifest.files["events.parquet"].sha256 == digest
        assert archive.recording("s-1").manifest.privacy == []


def test_one_that_has_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    with Archive.open(tmp_path, create=True) as archive:
        archive.write(visit())
        with pytest.raises(RecordingError, match="has changed"):
            redact_stored(
                archive,
                "s-1",
                load_profile("gdpr"),
                before_write=lambda _: archive.add_files("s-1", {"note": b"x"}) and None,
            )
        assert archive.recording("s-1").manifest.privacy == []


def test_frozen_assets_are_still_met(tmp_path: Path) -> None:
    with Archive.open(tmp_path, create=True) as archive:
        archive.write(visit())
        sha256 = archive.put_asset(b"body{}")
        url = "https://shop.example/a.css?token=abc123"
        assets = AssetMap(assets={url: Asset(sha256=sha256, bytes=6, content_type="text/css")})
        frozen = FrozenAssets(stored=1, bytes=6)
        import msgspec

        archive.add_files(
            "s-1",
            {"assets.json": assets.to_bytes()},
            lambda m: msgspec.structs.replace(m, assets=frozen),
        )
        redact_stored(archive, "s-1", load_profile("secrets"))
        redact_stored(archive, "s-1", load_profile("gdpr"))
        recording = archive.recording("s-1")
        assert list(recording.assets().assets) == ["https://shop.example/a.css?token=xxx000"]
        assert recording.asset(sha256) == b"body{}"


def test_before_storing_nothing_unredacted_touches_the_store(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "a", create=True) as archive:
        redact_before_storing(archive, "gdpr")
        archive.write(visit())
        manifest = archive.recording("s-1").manifest
        assert manifest.privacy[0]["when"] == "stored"
        assert not manifest.is_redacted_for_good
    left = b"".join(p.read_bytes() for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert EMAIL.encode() not in left


def test_bundles_are_redacted_before_storing(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(visit())
        data = b"".join(bundle.export(archive.recording("s-1"), ExportOptions()))
    (tmp_path / "s.replay.zip").write_bytes(data)
    with Archive.open(tmp_path / "b", create=True) as archive:
        redact_before_storing(archive, "gdpr")
        report = import_paths([tmp_path / "s.replay.zip"], archive)
        assert report.written == ["s-1"]
        assert archive.recording("s-1").manifest.person is not None
    left = b"".join(p.read_bytes() for p in (tmp_path / "b").rglob("*") if p.is_file())
    assert EMAIL.encode() not in left


def test_the_erased_are_known_though_ids_become_pseudonyms(tmp_path: Path) -> None:
    with Archive.open(tmp_path, create=True) as archive:
        Tombstones(archive.store).put_person(
            EMAIL, Tombstone(erasure="e1", at_ms=START_MS, until_ms=START_MS + 10**9)
        )
    with Archive.open(tmp_path) as archive:
        redact_before_storing(archive, "gdpr")
        with pytest.raises(ErasedRecordingError):
            archive.write(visit())


def test_on_the_way_out_what_is_stored_stays(tmp_path: Path) -> None:
    with Archive.open(tmp_path, create=True) as archive:
        archive.write(visit())
        done = redacted_recording(archive.recording("s-1"), load_profile("gdpr"))
        assert all(EMAIL not in (e.data_json or "") for e in done.recording.events())
        assert any(EMAIL in (e.data_json or "") for e in archive.recording("s-1").events())


def test_a_wireframe_is_a_recording_without_a_person(tmp_path: Path) -> None:
    with Archive.open(tmp_path, create=True) as archive:
        person = Person(distinct_id=EMAIL)
        columns = decoded("two-tabs").columns
        archive.write(
            RecordingDraft(
                project="p", session_id="t", columns=columns, source={"kind": "test"}, person=person
            )
        )
        made = wireframe_recording(archive.recording("t"))
        assert made.manifest.person is None
        assert made.manifest.urls == ["about:blank"]
        assert len(made.manifest.windows) == 2
        assert sum(1 for _ in made.events()) == made.manifest.events
