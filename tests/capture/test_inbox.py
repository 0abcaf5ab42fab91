from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.capture.bodies import (
    NOW_MS,
    PROJECT,
    Clock,
    analytics,
    inbox_bytes,
    item,
    marked,
    new_id,
    opening,
    put,
    snapshots,
)

from replayport.capture import request_db
from replayport.capture.inbox import Inbox, InboxFullError, Schedule
from replayport.errors import StoreError

COUNT = (
    "import sqlite3,sys;"
    "print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM request').fetchone()[0])"
)


def bodies(inbox: Inbox, session_id: str = "s-1") -> list[bytes]:
    return [r.body for r in inbox.requests(PROJECT, session_id)]


def big(n: int, size: int = 20_000) -> object:
    return snapshots(item([marked(n)]), body=bytes([n % 251]) * size)


def test_what_was_put_is_there_after_opening_again(tmp_path):
    request = snapshots(item(opening()), query="retry_count=1&a=%20b", headers={"user-agent": "x"})
    with Inbox.open(tmp_path) as inbox:
        put(inbox, request)
    with Inbox.open(tmp_path) as inbox:
        (stored,) = inbox.requests(PROJECT, "s-1")
        assert (stored.token, stored.kind, stored.received_ms) == (
            request.token,
            request.kind,
            request.received_ms,
        )
        assert (stored.body, stored.query, stored.headers) == (
            request.body,
            request.query,
            request.headers,
        )


def test_it_is_on_disk_when_put_returns(tmp_path):
    """Another process that opens the file at that moment sees it, log and all."""
    with Inbox.open(tmp_path) as inbox:
        put(inbox, snapshots(item(opening())))
        found = subprocess.run(
            [
                sys.executable,
                "-c",
                COUNT,
                str(inbox.path),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == "1"


def test_every_commit_is_synced(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        db = inbox._connection
        assert inbox._ask(lambda db: db.execute("PRAGMA synchronous").fetchone()[0]) == 2
        assert inbox._ask(lambda db: db.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
        assert db is not None


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abc"), max_size=3), st.integers(0, 3)), max_size=150
    )
)
@settings(max_examples=15)
def test_each_session_gets_its_requests_in_order(tmp_path_factory, plan):
    with Inbox.open(tmp_path_factory.mktemp("inbox")) as inbox:
        wanted: dict[str, list[bytes]] = {}
        requests = []
        for n, (sessions, size) in enumerate(plan):
            body = b"%d" % n * (1 + 4000 * size)
            requests.append(snapshots(item([]), session_ids=tuple(sessions), body=body))
            for session_id in dict.fromkeys(sessions):
                wanted.setdefault(session_id, []).append(body)
        put(inbox, *requests)
        for session_id in "abc":
            assert bodies(inbox, session_id) == wanted.get(session_id, [])
        for session in inbox.due(2**62, limit=10):
            mine = wanted.pop(session.session_id)
            assert (session.requests, session.body_bytes) == (len(mine), sum(map(len, mine)))
        assert not wanted


def test_requests_without_a_possible_session_are_not_kept(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        put(
            inbox,
            snapshots(item([]), session_ids=()),
            analytics("a", session_id="a b"),
            analytics("b", session_id="x" * 71),
            analytics("c", session_id="\ud800"),
        )
        assert inbox.due(2**62, limit=10) == []


def test_odd_text_in_a_request_harms_nobody_else(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        put(
            inbox,
            snapshots(item([]), query="\ud800\0", headers={"user-agent": "\xff\0"}),
            snapshots(item(opening())),
        )
        assert len(bodies(inbox)) == 2


def test_a_second_process_is_refused(tmp_path):
    with Inbox.open(tmp_path):
        with pytest.raises(StoreError, match="another process"):
            Inbox.open(tmp_path)
    Inbox.open(tmp_path).close()


def test_a_closed_inbox_refuses(tmp_path):
    inbox = Inbox.open(tmp_path)
    inbox.close()
    inbox.close()
    with pytest.raises(StoreError, match="closed"):
        put(inbox, snapshots(item(opening())))


def test_close_writes_what_waits(tmp_path):
    inbox = Inbox.open(tmp_path)

    async def run():
        told = [asyncio.ensure_future(inbox.put(big(n))) for n in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(inbox.close)
        await asyncio.gather(*told)

    asyncio.run(run())
    with Inbox.open(tmp_path) as again:
        assert len(bodies(again)) == 50


# --- limits -----------------------------------------------------------------------------


def held(inbox: Inbox) -> threading.Event:
    """Keep the writing thread busy until told."""
    go = threading.Event()
    threading.Thread(target=lambda: inbox._ask(lambda db: go.wait(30)), daemon=True).start()
    while inbox._jobs:
        pass
    return go


@pytest.mark.parametrize("limit", [{"max_queue_bytes": 100_000}, {"max_queue_requests": 4}])
def test_a_full_queue_refuses_at_once_and_recovers(tmp_path, limit):
    with Inbox.open(tmp_path, **limit) as inbox:
        go = held(inbox)

        async def run():
            told = [asyncio.ensure_future(inbox.put(big(n))) for n in range(20)]
            await asyncio.sleep(0.05)
            assert inbox.queued_bytes <= 100_000
            refused = [t for t in told if t.done()]
            assert len(refused) == 16
            assert all(isinstance(t.exception(), InboxFullError) for t in refused)
            go.set()
            await asyncio.gather(*(t for t in told if t not in refused))

        asyncio.run(run())
        assert len(bodies(inbox)) == 4
        assert inbox.queued_bytes == 0
        put(inbox, big(99))


def test_one_body_larger_than_the_queue_is_taken(tmp_path):
    with Inbox.open(tmp_path, max_queue_bytes=1000) as inbox:
        put(inbox, big(1, 50_000))
        assert len(bodies(inbox)) == 1


def test_a_full_inbox_refuses_until_something_is_sealed(tmp_path):
    with Inbox.open(tmp_path, max_inbox_bytes=2_000_000) as inbox:
        kept = 0
        with pytest.raises(InboxFullError, match="limit"):
            for n in range(1000):
                put(inbox, big(n))
                kept += 1
        assert 20 < kept < 100
        assert len(bodies(inbox)) == kept
        ids = [r.id for r in inbox.requests(PROJECT, "s-1")]
        inbox.forget(PROJECT, "s-1", ids)
        put(inbox, big(1))


def test_the_file_shrinks_after_sealing(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        for start in range(0, 400, 50):
            put(inbox, *(big(n, 200_000) for n in range(start, start + 50)))
        before = inbox.used_bytes
        assert before > 70_000_000
        inbox.forget(PROJECT, "s-1", [r.id for r in inbox.requests(PROJECT, "s-1")])
        assert inbox.session(PROJECT, "s-1") is None
    Inbox.open(tmp_path).close()
    assert inbox_bytes(tmp_path) < 30_000_000


def test_the_log_stays_small_under_load(tmp_path):
    """Without checkpoints it would be as large as all that was ever put."""
    with Inbox.open(tmp_path) as inbox:
        for start in range(0, 500, 25):
            put(inbox, *(big(n, 300_000) for n in range(start, start + 25)))
        log = (tmp_path / "inbox.sqlite-wal").stat().st_size
        assert log < 100_000_000
        assert len(bodies(inbox)) == 500


# --- a disk that fails ------------------------------------------------------------------


def test_a_full_disk_is_said_and_passes(tmp_path):
    """A file size limit stands for a full disk: writes fail in the middle of a commit."""
    code = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from replayport.capture.inbox import Inbox
from replayport.errors import StoreError
from tests.capture.bodies import PROJECT, item, marked, put, snapshots
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
inbox = Inbox.open(Path(sys.argv[1]))
def one(n): put(inbox, snapshots(item([marked(n)]), body=b"%06d" % n + b"x" * 60_000))
kept = []
for n in range(20): one(n); kept.append(n)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
refused = 0
for n in range(20, 80):
    try: one(n); kept.append(n)
    except StoreError: refused += 1
assert refused > 20, refused
assert [r.body[:6] for r in inbox.requests(PROJECT, "s-1")] == [b"%06d" % n for n in kept]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for n in range(80, 90): one(n); kept.append(n)
assert [r.body[:6] for r in inbox.requests(PROJECT, "s-1")] == [b"%06d" % n for n in kept]
inbox.close()
print(" ".join(map(str, kept)))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept = [int(n) for n in done.stdout.split()]
    with Inbox.open(tmp_path) as inbox:
        assert [int(b[:6]) for b in bodies(inbox)] == kept
        assert inbox._ask(lambda db: db.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"


def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="inbox folder"):
        Inbox.open(tmp_path / "file" / "inbox")


def test_a_damaged_file_is_an_error_that_says_so(tmp_path):
    (tmp_path / "inbox.sqlite").write_bytes(os.urandom(20_000))
    with pytest.raises(StoreError, match="does not open"):
        Inbox.open(tmp_path)
    (tmp_path / "inbox.sqlite").unlink()
    Inbox.open(tmp_path).close()


# --- when sessions are due --------------------------------------------------------------


def due_after(inbox: Inbox) -> int:
    session = inbox.session(PROJECT, "s-1")
    assert session is not None
    return session.due_ms - NOW_MS


def test_due_when_idle_or_old_or_ended(tmp_path):
    schedule = Schedule(idle_ms=1000, max_age_ms=5000, ended_ms=10)
    with Inbox.open(tmp_path, clock_ms=Clock()) as inbox:
        inbox.set_schedule(schedule)
        for ms, due in [(0, 1000), (500, 1500), (4500, 5000), (9000, 5000)]:
            put(inbox, snapshots(item([marked(ms)]), received_ms=NOW_MS + ms))
            assert due_after(inbox) == due
        put(inbox, snapshots(item([marked(1)]), received_ms=NOW_MS + 600, ended=("s-1",)))
        assert due_after(inbox) == 610
        put(inbox, snapshots(item([marked(2)]), received_ms=NOW_MS + 700))
        assert due_after(inbox) == 710, "a flush of another tab right after the end"


def test_ending_one_session_leaves_the_other_of_the_request(tmp_path):
    with Inbox.open(tmp_path, clock_ms=Clock()) as inbox:
        inbox.set_schedule(Schedule(idle_ms=1000, ended_ms=10))
        put(inbox, snapshots(item([]), item([], session_id="s-2"), ended=("s-1",)))
        assert due_after(inbox) == 10
        other = inbox.session(PROJECT, "s-2")
        assert other is not None
        assert other.due_ms == NOW_MS + 1000


def test_a_clock_that_was_ahead_does_not_hold_sessions_back(tmp_path):
    with Inbox.open(tmp_path, clock_ms=Clock()) as inbox:
        put(inbox, snapshots(item(opening()), received_ms=NOW_MS + 10**10))
        inbox.set_schedule(Schedule(idle_ms=1000))
        assert due_after(inbox) == 1000


def test_forgetting_keeps_what_came_since(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        put(inbox, *(snapshots(item([marked(n)]), body=b"%d" % n) for n in range(150)))
        ids = [r.id for r in inbox.requests(PROJECT, "s-1")]
        put(inbox, snapshots(item([]), body=b"later", received_ms=NOW_MS + 7))
        inbox.forget(PROJECT, "s-1", ids)
        assert bodies(inbox) == [b"later"]
        session = inbox.session(PROJECT, "s-1")
        assert session is not None
        assert (session.requests, session.body_bytes) == (1, 5)
        assert session.first_received_ms == NOW_MS + 7


def test_a_request_of_two_sessions_stays_until_both_forget_it(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        put(inbox, snapshots(item([]), item([], session_id="s-2"), body=b"both"))
        (stored,) = inbox.requests(PROJECT, "s-1")
        for _ in range(2):  # again, as after a crash
            inbox.forget(PROJECT, "s-1", [stored.id])
            assert bodies(inbox) == []
            assert bodies(inbox, "s-2") == [b"both"]
        inbox.forget(PROJECT, "s-2", [stored.id])
        assert inbox._ask(lambda db: db.execute("SELECT count(*) FROM request").fetchone()) == (0,)


def test_what_is_discarded_is_gone(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        put(
            inbox, snapshots(item([]), body=b"a secret " * 9), snapshots(item([], session_id="s-2"))
        )
        assert inbox.discard(PROJECT, "s-1") == 1
        assert inbox.discard(PROJECT, "s-1") == 0
        assert [s.session_id for s in inbox.due(2**62, limit=9)] == ["s-2"]


def test_two_projects_with_one_session_id_are_two_sessions(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        put(inbox, snapshots(item([]), body=b"a"), snapshots(item([]), body=b"b", project="other"))
        assert bodies(inbox) == [b"a"]
        assert [r.body for r in inbox.requests("other", "s-1")] == [b"b"]


def test_reading_sees_one_moment(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        put(inbox, *(big(n) for n in range(200)))
        reading = inbox.requests(PROJECT, "s-1")
        first = next(reading)
        rest = [r.id for r in inbox.requests(PROJECT, "s-1")]
        inbox.forget(PROJECT, "s-1", rest)
        assert [first.id, *(r.id for r in reading)] == rest
        assert bodies(inbox) == []


def test_postponing_does_not_hide_new_data(tmp_path):
    with Inbox.open(tmp_path, clock_ms=Clock()) as inbox:
        inbox.set_schedule(Schedule(idle_ms=1000))
        put(inbox, snapshots(item(opening())))
        (old,) = inbox.due(NOW_MS + 1000, limit=1)
        put(inbox, snapshots(item([marked(1)]), received_ms=NOW_MS + 1))
        inbox.postpone(old, NOW_MS + 10**9, failed=True)
        assert due_after(inbox) == 1001


def test_live_sessions_are_those_with_snapshots(tmp_path):
    with Inbox.open(tmp_path) as inbox:
        put(
            inbox,
            snapshots(item(opening())),
            snapshots(item(opening(), session_id="s-2"), received_ms=NOW_MS + 5),
            analytics("seen", session_id="s-3"),
        )
        assert [s.session_id for s in inbox.live_sessions()] == ["s-2", "s-1"]
        assert [s.session_id for s in inbox.live_sessions(limit=1)] == ["s-2"]
        draft = inbox.draft(PROJECT, "s-1")
        assert draft is not None
        assert len(draft.columns) == 3
        assert inbox.draft(PROJECT, "s-3") is None
        assert inbox.draft(PROJECT, "nobody") is None


def test_a_failing_write_reaches_each_caller_and_no_other(tmp_path, monkeypatch):
    with Inbox.open(tmp_path) as inbox:

        def refuse(*args, **kwargs):
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(request_db, "insert", refuse)

            async def run():
                return await asyncio.gather(
                    *(inbox.put(big(n)) for n in range(5)), return_exceptions=True
                )

            assert all(isinstance(e, StoreError) for e in asyncio.run(run()))
        assert inbox.queued_bytes == 0
        put(inbox, snapshots(item(opening(), item_id=new_id(1))))
        assert len(bodies(inbox)) == 1
