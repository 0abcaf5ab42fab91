from __future__ import annotations

import asyncio
import sqlite3
import stat

import pytest

from replayport.capture.outbox import ROW_OVERHEAD_BYTES, Outbox, OutboxFullError, Outgoing
from replayport.errors import StoreError


def outgoing(n=0, size=10, received_ms=1000):
    return Outgoing(
        method="POST",
        target=b"/s/?n=%d&x=%%ff" % n,
        headers=((b"x-a", b"\xe9"), (b"x-a", b"2")),
        body=bytes([n % 256]) * size,
        received_ms=received_ms,
    )


def with_outbox(path, test, **options):
    async def run():
        outbox = Outbox(path, **options)
        try:
            return await test(outbox)
        finally:
            outbox.close()

    return asyncio.run(run())


def test_what_is_put_comes_back_as_it_was_also_after_a_restart(tmp_path):
    path = tmp_path / "o.sqlite"

    async def put(outbox):
        await asyncio.gather(*(outbox.put(outgoing(n), due_ms=5) for n in range(300)))
        return outbox.count, outbox.bytes

    async def read(outbox):
        assert await outbox.due(4, limit=10) == []
        found = await outbox.due(5, limit=1000)
        return outbox.count, outbox.bytes, [w.outgoing for w in found]

    size = 300 * (10 + ROW_OVERHEAD_BYTES)
    assert with_outbox(path, put) == (300, size)
    assert with_outbox(path, read) == (300, size, [outgoing(n) for n in range(300)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sent_ones_are_forgotten_and_others_come_again(tmp_path):
    async def test(outbox):
        for n in range(2):
            await outbox.put(outgoing(n), due_ms=n)
        first, second = await outbox.due(10, limit=10)
        await outbox.remove(first)
        await outbox.postpone(second, due_ms=50)
        assert await outbox.due(49, limit=10) == []
        assert await outbox.next_due_ms() == 50
        (again,) = await outbox.due(50, limit=10)
        assert (again.outgoing, again.tries) == (outgoing(1), 1)
        await outbox.remove(again)
        assert (outbox.count, outbox.bytes) == (0, 0)
        assert await outbox.next_due_ms() is None

    with_outbox(tmp_path / "o.sqlite", test)


def test_the_file_shrinks_when_nothing_waits(tmp_path):
    path = tmp_path / "o.sqlite"

    async def test(outbox):
        await asyncio.gather(*(outbox.put(outgoing(n, 100_000), due_ms=n % 7) for n in range(40)))
        waiting = await outbox.due(10, limit=100)
        assert [w.outgoing.body[0] % 7 for w in waiting] == sorted(n % 7 for n in range(40))
        for one in waiting:
            await outbox.remove(one)

    with_outbox(path, test)
    assert path.stat().st_size < 200_000


def test_bounds(tmp_path):
    async def test(outbox):
        await outbox.put(outgoing(size=1000, received_ms=0), due_ms=0)
        with pytest.raises(OutboxFullError):
            await outbox.put(outgoing(size=2000), due_ms=0)
        assert await outbox.drop_old(100) == 0
        assert await outbox.drop_old(101) == 1
        assert (outbox.count, outbox.bytes) == (0, 0)
        await outbox.put(outgoing(size=2000), due_ms=0)

    with_outbox(tmp_path / "o.sqlite", test, max_bytes=2000 + ROW_OVERHEAD_BYTES, max_age_ms=100)


def test_a_disk_that_refuses(tmp_path):
    async def test(outbox):
        other = sqlite3.connect(tmp_path / "o.sqlite", isolation_level=None)
        other.execute("DROP TABLE request")
        other.close()
        with pytest.raises(StoreError, match="queue of requests"):
            await outbox.put(outgoing(), due_ms=0)
        assert (outbox.count, outbox.bytes) == (0, 0)

    with_outbox(tmp_path / "o.sqlite", test)
    with pytest.raises(StoreError):
        Outbox(tmp_path / "nowhere" / "o.sqlite")
    (tmp_path / "bad.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError):
        Outbox(tmp_path / "bad.sqlite")
