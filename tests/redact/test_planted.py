"""Planted secrets are gone from every byte of an archive."""

from __future__ import annotations

import io
import json
import re

import pyarrow.parquet as pq
import pytest
import re2
from tests.support.planted import PLACES, RECORDINGS, Planted, decoded, forms, planted

from replayport import Archive
from replayport.redact import Redactor
from replayport.redacting import load_profile, redact_stored


def all_bytes(root) -> bytes:
    """Every byte of an archive, Parquet decompressed too."""
    parts = []
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        data = path.read_bytes()
        parts.append(data)
        if path.suffix == ".parquet":
            table = pq.read_table(io.BytesIO(data))
            parts += [json.dumps(v, ensure_ascii=False).encode() for v in table.to_pylist()]
            parts += [
                str(v).encode() for c in table.columns for v in c.to_pylist() if v is not None
            ]
    return b"\n".join(parts).lower()


def left_in(data: bytes, found: list[Planted]) -> list[tuple[Planted, str]]:
    """Give the secrets that are in some bytes, and in which form."""
    by_form = {
        raw.lower(): (p, form)
        for p in found
        for form, raw in forms(p.value).items()
        if len(raw) > 6
    }
    pattern = b"|".join(re.escape(raw) for raw in sorted(by_form, key=len, reverse=True))
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 2**28
    return [by_form[raw] for raw in set(re2.compile(pattern, options=options).findall(data))]


@pytest.fixture(scope="module")
def redacted_archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("planted") / "archive"
    drafts, found = planted()
    with Archive.open(root, create=True) as archive:
        for draft in drafts.values():
            archive.write(draft)
        before = all_bytes(root)
        for name in drafts:
            redact_stored(archive, name, load_profile("gdpr"))
    return root, found, before


def test_two_hundred_secrets_of_twenty_kinds_in_forty_places(redacted_archive):
    _, found, before = redacted_archive
    assert len(found) == 200
    assert len({p.kind for p in found}) == 20
    assert len({p.place for p in found}) >= 40
    # Those that were split are whole in no place.
    assert len({p for p, _ in left_in(before, found)}) >= 180


def test_none_is_left_in_any_byte_after_redaction(redacted_archive):
    root, found, _ = redacted_archive
    after = all_bytes(root)
    assert left_in(after, found) == []


def test_the_recordings_still_read_and_are_marked(redacted_archive):
    root, _, _ = redacted_archive
    with Archive.open(root) as archive:
        for name in RECORDINGS:
            recording = archive.recording(name)
            assert recording.manifest.privacy[-1]["profile"] == "gdpr"
            assert sum(1 for _ in recording.events()) == recording.manifest.events
            assert not redact_stored(archive, name, load_profile("gdpr"), dry_run=True).changed


@pytest.mark.parametrize("name", RECORDINGS)
def test_what_is_no_secret_stays(name):
    """On recordings with nothing planted, detectors touch only what is one of their kind."""
    redactor = Redactor(load_profile("gdpr"))
    redactor.redact(decoded(name).columns)
    rules = {"query", "body", "input", "image", "key", "selector"}
    detected = {k: n for k, n in redactor.finds.counts.items() if k[0] not in rules}
    assert set(k for k, _ in detected) <= {"email"}, redactor.finds.rows()


def test_every_place_is_planted():
    assert len(PLACES) >= 40
