"""Bundles travel: equal bytes, re-importable, and nothing in them writes anywhere."""

from __future__ import annotations

import io
import zipfile

import pytest
from tests.support.builders import draft

from replayport.archive import Archive
from replayport.errors import SourceDataError
from replayport.format.bundle import read_bundle, write_bundle


@pytest.fixture
def bundle(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        recording = archive.recording(archive.write(draft()).id)
        yield recording.manifest, {n: recording.file(n) for n in recording.manifest.files}


def test_round_trip(bundle):
    data = write_bundle(*bundle)
    assert read_bundle(data) == bundle
    assert data == write_bundle(*bundle)


def test_entries_are_stored_so_ranges_work(bundle):
    data = write_bundle(*bundle)
    for info in zipfile.ZipFile(io.BytesIO(data)).infolist():
        assert info.compress_type == zipfile.ZIP_STORED
    assert bundle[1]["events.parquet"] in data


def rebuilt(bundle, names=None, change=None):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zip_:
        source = zipfile.ZipFile(io.BytesIO(write_bundle(*bundle)))
        for info in source.infolist():
            content = source.read(info)
            zip_.writestr(
                (names or {}).get(info.filename, info.filename),
                (change or (lambda n, c: c))(info.filename, content),
            )
    return out.getvalue()


@pytest.mark.parametrize("name", ["../../evil.parquet", "/etc/x.parquet", "a\\..\\b.parquet"])
def test_names_that_climb_are_refused(bundle, name):
    manifest, files = bundle
    import msgspec

    hostile = msgspec.structs.replace(manifest, files={name: manifest.files["events.parquet"]})
    data = write_bundle(hostile, {name: files["events.parquet"]})
    with pytest.raises(SourceDataError):
        read_bundle(data)


def test_changed_content_is_refused(bundle):
    data = rebuilt(bundle, change=lambda n, c: c if n == "manifest.json" else c[:-1] + b"!")
    with pytest.raises(SourceDataError, match="digest"):
        read_bundle(data)


def test_bombs_are_refused(bundle):
    data = rebuilt(bundle, change=lambda n, c: c if n == "manifest.json" else b"\0" * 20_000_000)
    with pytest.raises(SourceDataError):
        read_bundle(data, max_bytes=1_000_000)


@pytest.mark.parametrize("cut", [4, 100, -30])
def test_cut_zips_are_refused(bundle, cut):
    with pytest.raises(SourceDataError):
        read_bundle(write_bundle(*bundle)[:cut])
