from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.capture.bodies import PROJECT, item, snapshots

from replayport.capture import request_db
from replayport.capture.request_db import Schedule
from replayport.errors import StoreError


@pytest.fixture
def db(tmp_path):
    with closing(request_db.connect(tmp_path / "inbox.sqlite")) as db:
        assert request_db.prepare(db, tmp_path) == 1
        yield db


def insert(db, *bodies: bytes, sessions: tuple[str, ...] = ("s-1",), first_id: int = 1) -> int:
    batch = [(snapshots(item([]), body=body), sessions) for body in bodies]
    return request_db.insert(db, batch, first_id=first_id, schedule=Schedule())


def count(db, name: str) -> int:
    return db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]


def test_every_commit_is_synced(db):
    """FULL: the log is synced at each commit, which is what survives a power cut."""
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)


@given(n=st.integers(0, 200))
@settings(max_examples=12)
def test_batches_of_any_size_are_written_whole(tmp_path_factory, n):
    folder = tmp_path_factory.mktemp("db")
    with closing(request_db.connect(folder / "inbox.sqlite")) as db:
        request_db.prepare(db, folder)
        assert insert(db, *(b"%d" % i for i in range(n))) == n + 1
        found = list(request_db.requests_of(db, PROJECT, "s-1"))
        assert [r.body for r in found] == [b"%d" % i for i in range(n)]
        assert [r.id for r in found] == list(range(1, n + 1))


def test_ids_go_on_after_opening_again(tmp_path, db):
    insert(db, b"a", b"b")
    with closing(request_db.connect(tmp_path / "inbox.sqlite")) as again:
        assert request_db.prepare(again, tmp_path) == 3


def test_a_newer_version_is_left_alone(tmp_path, db):
    db.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="Upgrade"):
        request_db.prepare(db, tmp_path)


def test_no_question_reads_a_whole_table(db):
    for sql in (
        "SELECT * FROM session WHERE due_ms <= 5 ORDER BY due_ms LIMIT 3",
        "SELECT * FROM session WHERE snapshot_requests > 0 ORDER BY due_ms DESC LIMIT 3",
        "SELECT * FROM part JOIN request ON request.id = part.request_id "  # noqa: ISC004
        "WHERE project = 'a' AND session_id = 'b' ORDER BY request_id",
        "DELETE FROM part WHERE project = 'a' AND session_id = 'b' AND request_id IN (1, 2)",
        "UPDATE session SET due_ms = 5 WHERE due_ms > 5",
    ):
        plan = " ".join(str(row) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "TEMP B-TREE" not in plan, sql
        assert "SCAN" not in plan or "USING INDEX session_due" in plan, sql


def test_forgetting_is_harmless_when_done_again(db):
    insert(db, b"a", b"b", sessions=("s-1", "s-2"))
    for _ in range(2):
        request_db.forget(db, PROJECT, "s-1", [1, 2], last=False)
        assert (count(db, "request"), count(db, "part")) == (2, 2)
    request_db.forget(db, PROJECT, "s-2", [1, 2], last=False)
    assert (count(db, "request"), count(db, "part")) == (0, 0)
    for session_id in ("s-1", "s-2"):
        request_db.settle(db, PROJECT, session_id)
    assert count(db, "session") == 0


def test_the_last_requests_take_their_session_with_them_at_once(db):
    insert(db, b"a", b"b")
    request_db.forget(db, PROJECT, "s-1", [1], last=True)
    assert db.execute("SELECT requests, bytes FROM session").fetchall() == [(1, 1)]
    request_db.forget(db, PROJECT, "s-1", [2], last=True)
    assert (count(db, "request"), count(db, "session")) == (0, 0)
    request_db.forget(db, PROJECT, "s-1", [], last=True)
    assert not db.in_transaction


def test_vacuum_gives_back_what_is_free_and_no_more(db):
    last = insert(db, *(bytes(100_000) for _ in range(64)))
    request_db.checkpoint(db)
    request_db.forget(db, PROJECT, "s-1", range(1, last), last=False)
    free = db.execute("PRAGMA freelist_count").fetchone()[0] * request_db.PAGE_BYTES
    assert free > 6_000_000
    while request_db.vacuum(db, keep_free_bytes=1_000_000):
        pass
    left = db.execute("PRAGMA freelist_count").fetchone()[0] * request_db.PAGE_BYTES
    assert 900_000 < left <= 1_000_000
    assert request_db.used_bytes(db) < 200_000


@pytest.mark.parametrize(
    ("first", "last", "ended", "due"),
    [(0, 0, False, 100), (0, 950, False, 1000), (0, 50, True, 60), (0, 5000, True, 1000)],
)
def test_due(first, last, ended, due):
    schedule = Schedule(idle_ms=100, max_age_ms=1000, ended_ms=10)
    assert schedule.due_ms(first, last, ended=ended) == due
