"""Notes, tags and facts: kept beside recordings, by several at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.builders import draft

from replayport.annotations import (
    MAX_NOTES,
    AnnotationError,
    Annotations,
    AnnotationStore,
    Facts,
    annotations_key,
    with_facts,
)
from replayport.archive import Archive
from replayport.errors import DamagedRecordingError, RecordingNotFoundError
from replayport.recording import Person


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft(person=Person(distinct_id="d", properties={"a": 1})))
        yield archive


@pytest.fixture
def store(archive):
    return AnnotationStore(archive, now_ms=lambda: 7)


def test_nothing_was_said(store):
    assert store.get("p", "s-1") == Annotations(project="p", id="s-1")
    assert not store.apply("p", "s-1")


def test_none_is_lost_when_several_write(store):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.add_note("p", "s-1", author="a", text=f"n{n}"), range(12)))
    assert {n.text for n in store.get("p", "s-1").notes} == {f"n{n}" for n in range(12)}


def test_notes_are_their_authors(store):
    note = store.add_note("p", "s-1", author="ann", text=" hi ", at_ms=5)
    assert (note.text, note.at_ms, note.created_ms) == ("hi", 5, 7)
    with pytest.raises(RecordingNotFoundError):
        store.edit_note("p", "s-1", note.id, text="x", only_of="bob")
    with pytest.raises(RecordingNotFoundError):
        store.remove_note("p", "s-1", note.id, only_of="bob")
    with pytest.raises(RecordingNotFoundError):
        store.remove_note("p", "s-1", "none", only_of=None)
    assert store.edit_note("p", "s-1", note.id, text="x", only_of="ann").edited_ms == 7
    store.remove_note("p", "s-1", note.id, only_of=None)
    assert store.get("p", "s-1").notes == []


def test_notes_are_bounded(store, monkeypatch):
    monkeypatch.setattr("replayport.annotations.MAX_NOTES", 2)
    assert MAX_NOTES > 2
    for _ in range(2):
        store.add_note("p", "s-1", author="a", text="x")
    with pytest.raises(AnnotationError):
        store.add_note("p", "s-1", author="a", text="x")


def test_facts_are_added_and_win(store, archive):
    store.set_facts("p", "s-1", distinct_id=None, properties={"a": 2, "b": 3})
    person = archive.recording("s-1").manifest.person
    assert (person.distinct_id, person.properties) == ("d", {"a": 2, "b": 3})
    store.set_facts("p", "s-1", distinct_id="kim", properties={"b": 4})
    person = archive.recording("s-1").manifest.person
    assert (person.distinct_id, person.properties) == ("kim", {"a": 2, "b": 4})
    events = archive.recording("s-1").manifest.files["events.parquet"]
    archive.write(draft(), replace=True)
    assert archive.recording("s-1").manifest.files["events.parquet"] == events
    assert store.apply("p", "s-1")  # what sealing late data does
    assert archive.recording("s-1").manifest.person.distinct_id == "kim"


def test_facts_before_the_recording(store, archive):
    store.set_facts("p", "next", distinct_id="kim", properties={})
    assert not archive.catalog.has("p", "next")
    archive.write(draft(session_id="next"))
    assert store.apply("p", "next")
    assert [r.id for r in archive.catalog.list(person="kim")] == ["next"]


def test_odd_session_ids_are_the_recordings(store, archive):
    odd = "a/b ../c"
    archive.write(draft(session_id=odd))
    store.set_facts("p", odd, distinct_id="kim", properties={})
    (row,) = archive.catalog.list(person="kim")
    assert row.session_id == odd


def test_facts_are_bounded(store):
    with pytest.raises(AnnotationError):
        store.set_facts("p", "s-1", distinct_id=None, properties={"x": "y" * 40_000})
    assert store.get("p", "s-1").facts is None


def test_they_go_with_the_recording(store, archive):
    store.set_tags("p", "s-1", ["x"])
    archive.delete("s-1")
    assert list(archive.store.list("annotations/")) == []
    store.set_tags("p", "s-1", ["x"])
    store.forget("p", "s-1")
    assert list(archive.store.list("annotations/")) == []


def test_a_file_changed_by_hand_is_named(store, archive):
    archive.store.put(annotations_key("p", "s-1"), b"{")
    with pytest.raises(DamagedRecordingError):
        store.get("p", "s-1")
    assert archive.reindex() == 1


def test_with_facts_says_nothing_without_any(archive):
    manifest = archive.recording("s-1").manifest
    assert with_facts(manifest, Facts()).person == manifest.person
