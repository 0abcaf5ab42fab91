"""The audit log: a chain that shows whatever is done to it."""

from __future__ import annotations

import json
import multiprocessing
import threading

import msgspec
import pytest
from tests.support.builders import draft

from replayport.archive import Archive
from replayport.audit import AUDIT, Anchor, AuditLog, digest_of, entry_key, this_actor
from replayport.errors import ArchiveError
from replayport.pseudonyms import KEY_FILE

DAY_MS = 86_400_000


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive


@pytest.fixture
def log(archive):
    return AuditLog(archive, now_ms=iter(range(1000, 100_000)).__next__)


def fill(log, n=6):
    for i in range(n):
        log.append("recording.export", actor="cli:me", target=f"recording:p/s-{i}", detail={"n": i})


def codes(log, **given):
    return [(p.code, p.seq) for p in log.verify(**given)[1]]


def test_entries_are_numbered_chained_and_in_order(log):
    fill(log)
    entries = list(log.entries())
    assert [e.seq for e in entries] == [1, 2, 3, 4, 5, 6]
    assert [e.at_ms for e in entries] == [1000, 1001, 1002, 1003, 1004, 1005]
    assert all(b.previous == a.digest for a, b in zip(entries, entries[1:], strict=False))
    assert log.verify() == (6, [])
    assert log.head() == entries[-1]


def test_no_recording_and_no_person_is_named_in_it(archive, log):
    archive.write(draft(session_id="visible-session", project="shop"))
    log.append("recording.view", actor="a", target="recording:shop/visible-session")
    log.append("erasure.ask", actor="a", target="person:anna@example.org")
    log.append("settings.change", actor="a", target="project:shop")
    stored = b"".join(archive.store.get(i.key) for i in archive.store.list(AUDIT))
    assert b"visible-session" not in stored
    assert b"anna" not in stored
    assert b"project:shop" in stored
    recording = next(log.entries())
    assert log.names()[recording.target] == "recording:shop/visible-session"
    archive.delete("visible-session")
    assert log.names() == {}


def test_an_empty_log_is_sound(log):
    assert log.verify() == (0, [])
    assert log.head() is None


def test_a_changed_entry_is_found(archive, log):
    fill(log)
    key = entry_key(3)
    document = json.loads(archive.store.get(key))
    archive.store.put(key, json.dumps({**document, "actor": "somebody else"}).encode())
    assert codes(log) == [("changed", 3)]
    archive.store.put(key, b"{")
    assert codes(log) == [("changed", 3), ("reordered", 4)]


def test_a_changed_entry_with_a_new_digest_breaks_the_next(archive, log):
    fill(log)
    entry = msgspec.json.decode(archive.store.get(entry_key(3)), type=type(log.head()))
    entry = msgspec.structs.replace(entry, actor="somebody else")
    entry = msgspec.structs.replace(entry, digest=digest_of(entry))
    archive.store.put(entry_key(3), msgspec.json.encode(entry))
    assert codes(log) == [("reordered", 4)]


def test_a_missing_entry_is_found(archive, log):
    fill(log)
    archive.store.delete(entry_key(2))
    archive.store.delete(entry_key(3))
    assert codes(log) == [("missing", 2)]


def test_exchanged_entries_are_found(archive, log):
    fill(log)
    one, two = archive.store.get(entry_key(2)), archive.store.get(entry_key(5))
    archive.store.put(entry_key(2), two)
    archive.store.put(entry_key(5), one)
    assert {("reordered", 2), ("reordered", 5)} <= set(codes(log))


def test_a_cut_off_end_is_found_by_what_the_catalog_remembers(archive, log):
    fill(log)
    archive.store.delete(entry_key(6))
    archive.store.delete(entry_key(5))
    assert codes(log) == [("truncated", 5)]
    # Going on does not hide it.
    log.append("user.sign_in", actor="a")
    assert codes(log) == [("missing", 5)]


def test_a_log_written_anew_is_found_by_a_head_noted_elsewhere(archive, log):
    fill(log)
    head = log.head()
    archive.store.delete_prefix(AUDIT)
    archive.catalog.set_state("audit/head", {"seq": 0, "digest": log._genesis})
    fill(log)
    assert log.verify() == (6, [])
    assert codes(log, anchors=[Anchor(head.seq, head.digest, "given")]) == [("anchor_differs", 6)]


def test_another_archives_log_does_not_fit(archive, log, tmp_path):
    fill(log, 1)
    with Archive.open(tmp_path / "b", create=True) as other:
        other.store.put(entry_key(1), archive.store.get(entry_key(1)))
        assert codes(AuditLog(other)) == [("reordered", 1)]


def test_a_file_that_is_no_entry_is_named(archive, log):
    fill(log, 2)
    archive.store.put("audit/00000000/notes.txt", b"hello")
    assert codes(log) == [("foreign", 2)]


def test_without_the_catalog_it_goes_on_at_the_end(archive, log):
    fill(log)
    archive.catalog.set_state("audit/head", {"seq": 0, "digest": log._genesis})
    log.append("user.sign_in", actor="a")
    assert log.verify() == (7, [])


def test_writers_at_once_lose_nothing(archive):
    def write():
        log = AuditLog(archive)
        for _ in range(10):
            log.append("user.sign_in", actor="a")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert AuditLog(archive).verify() == (40, [])


def _append(path, n):
    with Archive.open(path) as archive:
        for _ in range(n):
            AuditLog(archive).append("user.sign_in", actor="other process")


def test_processes_at_once_lose_nothing(archive, tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(tmp_path / "a", 8)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    assert AuditLog(archive).verify() == (16, [])


@pytest.mark.parametrize(
    "call",
    [
        {"action": "no.such.action"},
        {"action": "user.sign_in", "target": "without a kind"},
        {"action": "user.sign_in", "detail": {"x": "y" * 5000}},
    ],
)
def test_wrong_calls_are_refused(log, call):
    with pytest.raises(ValueError):
        log.append(call.pop("action"), actor="a", **call)
    assert log.verify() == (0, [])


def test_a_lost_key_is_not_made_anew(archive, log):
    fill(log, 1)
    archive.store.delete(KEY_FILE)
    with pytest.raises(ArchiveError, match="backup"):
        AuditLog(archive).append("recording.view", actor="a", target="recording:p/x")


def test_the_actor_has_a_name():
    assert this_actor().startswith("cli:")
    assert "@" in this_actor("serve")
