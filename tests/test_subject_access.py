"""Subject access: one file with everything of one person, and of nobody else."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile

import pytest
from tests.support.builders import START_MS, draft
from tests.support.erasing import ANNA, ANON, BOB, at, fill, row

from replayport.annotations import AnnotationStore, annotations_key
from replayport.archive import Archive
from replayport.catalog.base import ScoreRow
from replayport.errors import RecordingNotFoundError
from replayport.format.schema import EVENTS_FILE
from replayport.recording import Person
from replayport.redacting import load_profile, redact_stored
from replayport.subject_access import write_subject_access
from replayport.surveying import Scope


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        fill(archive, tmp_path / "outside")
        yield archive


def test_everything_of_one_person_and_nothing_of_another(archive, tmp_path):
    done = write_subject_access(archive, Scope("person", ANNA), tmp_path / "out.zip")
    assert done.distinct_ids == sorted([ANNA, ANON])
    assert len(done.recordings) == 3
    assert done.analytics_events == 3
    with zipfile.ZipFile(tmp_path / "out.zip") as zip_:
        files = {name: zip_.read(name) for name in zip_.namelist()}
    assert {n for n in files if n.endswith(".html")} == {
        "index.html",
        *(f"recordings/{n:04d}.html" for n in (1, 2, 3)),
    }
    manifest = json.loads(files["manifest.json"])
    for entry in manifest["files"]:
        assert hashlib.sha256(files[entry["name"]]).hexdigest() == entry["sha256"]
    assert {e["name"] for e in manifest["files"]} == files.keys() - {"manifest.json"}
    events = json.loads(files["analytics.json"])
    assert {e["distinct_id"] for e in events} == {ANNA}
    assert [e["recording"] for e in events].count("") == 1
    assert not any(BOB.encode() in data or b"bobs page" in data for data in files.values())
    assert b"default-src 'none'" in files["index.html"]


def said_of(path) -> list[dict]:
    with zipfile.ZipFile(path) as zip_:
        names = sorted(n for n in zip_.namelist() if n.endswith("-said.json"))
        return [json.loads(zip_.read(n)) for n in names]


def test_what_was_said_of_a_visit_is_in_it(archive, tmp_path):
    name = "annas-first-visit"
    notes = AnnotationStore(archive)
    notes.set_tags("shop", name, ["refund"])
    notes.add_note("shop", name, author="support-agent", text="asked for her money back")
    archive.catalog.set_signals("shop", name, kinds=["rage_click"], frustration=0.4)
    archive.catalog.put_scores(
        [
            ScoreRow("shop", each, "rules-1", 0.4, '["rage"]', 1, START_MS)
            for each in (name, "bobs-visit")
        ]
    )
    out = tmp_path / "out.zip"
    write_subject_access(archive, Scope("person", ANNA), out)
    said = said_of(out)
    assert len(said) == 3
    (found,) = [s for s in said if s["tags"] == ["refund"]]
    assert [n["text"] for n in found["notes"]] == ["asked for her money back"]
    assert found["signals"] == ["rage_click"]
    assert [(s["model"], s["score"], s["reasons"]) for s in found["scores"]] == [
        ("rules-1", 0.4, ["rage"])
    ]
    with zipfile.ZipFile(out) as zip_:
        assert not any(b"support-agent" in zip_.read(n) for n in zip_.namelist())
        assert "who wrote a note" in json.loads(zip_.read("manifest.json"))["not_in_here"]


def test_notes_that_do_not_read_are_said_to_be_missing(archive, tmp_path):
    archive.store.put(annotations_key("shop", "annas-first-visit"), b"{")
    done = write_subject_access(archive, Scope("person", ANNA), tmp_path / "out.zip")
    assert done.unread_notes == ["shop/annas-first-visit"]
    assert [s["notes"] for s in said_of(tmp_path / "out.zip")].count(None) == 1
    with zipfile.ZipFile(tmp_path / "out.zip") as zip_:
        missing = json.loads(zip_.read("manifest.json"))["not_in_here"]
    assert "tags and notes that could not be read: shop/annas-first-visit" in missing


def test_a_recording_redacted_to_a_pseudonym_is_in_it(archive, tmp_path):
    assert redact_stored(archive, "shop/annas-second-visit", load_profile("gdpr")).changed
    done = write_subject_access(archive, Scope("person", ANNA), tmp_path / "out.zip")
    assert len(done.recordings) == 3
    assert sum(d.startswith("anon-") for d in done.distinct_ids) == 2  # the other is ANON itself


def test_texts_that_look_like_markup_or_formulas_stay_texts(archive, tmp_path):
    bad = "<script>alert(1)</script>"
    rows = [row(1, bad, "=HYPERLINK(1)")]
    archive.write(
        draft(
            at(9, "x"),
            session_id="hostile",
            person=Person(distinct_id=bad, properties={bad: bad}),
            analytics=rows,
        )
    )
    write_subject_access(archive, Scope("distinct_id", bad), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as zip_:
        assert bad not in zip_.read("index.html").decode()
        table = list(csv.DictReader(io.StringIO(zip_.read("analytics.csv").decode("utf-8-sig"))))
    assert table[0]["event"] == "'=HYPERLINK(1)"


def test_a_visit_that_does_not_read_is_said_to_be_missing(archive, tmp_path):
    prefix = archive.row("annas-first-visit").key_prefix
    archive.store.put(f"{prefix}/{EVENTS_FILE}", b"PAR1")
    done = write_subject_access(archive, Scope("distinct_id", ANNA), tmp_path / "out.zip")
    assert done.unreadable == ["shop/annas-first-visit"]
    assert done.recordings == ["shop/annas-second-visit"]
    with zipfile.ZipFile(tmp_path / "out.zip") as zip_:
        assert "could not be read" in zip_.read("index.html").decode()
        assert zip_.testzip() is None


def test_nobody_is_not_an_empty_file(archive, tmp_path):
    with pytest.raises(RecordingNotFoundError):
        write_subject_access(archive, Scope("person", "nobody"), tmp_path / "out.zip")
