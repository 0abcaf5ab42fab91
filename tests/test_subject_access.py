"""Subject access: one file with everything of one person, and of nobody else."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile

import pytest
from tests.capture.bodies import analytics, put
from tests.support.builders import START_MS, draft
from tests.support.erasing import ANNA, ANON, BOB, NOW_MS, at, fill, fill_inbox, row

from replayport.annotations import AnnotationStore, annotations_key
from replayport.archive import Archive
from replayport.capture.inbox import Inbox
from replayport.capture.seal import Sealer
from replayport.capture.unsealed import UnsealedVisits
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


@pytest.fixture
def inbox(tmp_path):
    with Inbox.open(tmp_path / "inbox") as inbox:
        fill_inbox(inbox)
        yield inbox


def read(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as zip_:
        return {name: zip_.read(name) for name in zip_.namelist()}


def test_what_is_not_sealed_yet_is_in_it(archive, inbox, tmp_path):
    unsealed = UnsealedVisits(archive, inbox)
    done = write_subject_access(archive, Scope("person", ANNA), tmp_path / "o.zip", unsealed=unsealed)  # fmt: skip
    assert done.recordings[3:] == ["shop/annas-mixed-visit", "shop/annas-unsealed-visit"]
    files = read(tmp_path / "o.zip")
    assert len([n for n in files if n.endswith(".html")]) == 6
    assert json.loads(files["recordings/0004.json"])["person"]["distinct_id"] == ANNA
    assert files["index.html"].count(b"not over yet") == 2
    assert b"still going on" not in files["index.html"]
    assert b"still being received" not in files["manifest.json"]
    assert not any(BOB.encode() in data or b"bobs" in data for data in files.values())


def test_a_person_of_whom_nothing_is_sealed_yet(tmp_path, inbox):
    put(inbox, analytics("chat", session_id="bobs-unsealed-visit"))
    with Archive.open(tmp_path / "empty", create=True) as archive:
        unsealed = UnsealedVisits(archive, inbox)
        scope = Scope("distinct_id", "person-1")
        done = write_subject_access(archive, scope, tmp_path / "o.zip", unsealed=unsealed)
        assert (done.recordings, done.analytics_events) == ([], 1)
        (event,) = json.loads(read(tmp_path / "o.zip")["analytics.json"])
        assert (event["event"], event["recording"]) == ("chat", "")
        with pytest.raises(RecordingNotFoundError, match="received by another server.* beef"):
            write_subject_access(archive, scope, tmp_path / "o.zip", not_looked_at=["beef"])


def test_inboxes_that_were_not_looked_at_are_named(archive, tmp_path):
    out = tmp_path / "o.zip"
    write_subject_access(archive, Scope("person", ANNA), out, not_looked_at=["beef"])
    files = read(out)
    assert json.loads(files["manifest.json"])["not_in_here"][0].endswith("inbox beef")
    assert b"still going on" in files["index.html"]


def test_a_visit_sealed_while_the_file_is_written_is_in_it_once(archive, inbox, tmp_path):
    class Sealing(UnsealedVisits):
        def visit(self, name):
            if name == "shop/annas-mixed-visit":  # the first of the two that are left
                Sealer(inbox, archive, clock_ms=lambda: NOW_MS).seal_due()
            return super().visit(name)

    unsealed = Sealing(archive, inbox)
    done = write_subject_access(archive, Scope("person", ANNA), tmp_path / "o.zip", unsealed=unsealed)  # fmt: skip
    assert done.recordings[3:] == ["shop/annas-mixed-visit", "shop/annas-unsealed-visit"]
    assert len([n for n in read(tmp_path / "o.zip") if n.endswith(".html")]) == 6
    assert inbox.sessions() == []


def test_what_events_said_of_a_person(archive, tmp_path):
    rows = [
        row(3, "p", "$set", **{"$set": {"plan": "paid"}, "$set_once": {"plan": "x", "from": "ad"}}),
        row(1, "p", "$set", **{"$set": {"plan": "free", "email": "p@example.org"}}),
        row(2, "q", "$set", **{"$set": {"email": "q@example.org"}}),
        row(4, "p", "odd", **{"$set": ["no", "object"]}),
        {**row(5, "p"), "properties": "[1]"},
        {**row(6, "p"), "properties": "{"},
    ]
    archive.write(draft(at(9, "x"), session_id="s", person=Person(distinct_id="p"), analytics=rows))
    write_subject_access(archive, Scope("distinct_id", "p"), tmp_path / "o.zip")
    files = read(tmp_path / "o.zip")
    known = {"plan": "paid", "email": "p@example.org", "from": "ad"}
    assert json.loads(files["person.json"]) == [{"distinct_id": "p", "properties": known}]
    assert b"p@example.org" in files["index.html"]
    assert b"q@example.org" not in files["index.html"]
    texts = [e["properties"].get("text") for e in json.loads(files["analytics.json"])]
    assert texts[-2:] == ["[1]", "{"]


def test_nobody_is_not_an_empty_file(archive, tmp_path):
    with pytest.raises(RecordingNotFoundError):
        write_subject_access(archive, Scope("person", "nobody"), tmp_path / "out.zip")
