"""An archive with recordings over several days."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.builders import START_MS, draft, visit

from replayport.archive import Archive

DAY_MS = 86_400_000
ANALYTICS = {
    "timestamp_ms": START_MS,
    "uuid": "u",
    "event": "$pageview",
    "distinct_id": "d",
    "window_id": "w1",
    "url": "https://shop.example/",
    "properties": "{}",
}


def shifted(ms: int) -> list[dict[str, Any]]:
    """Give the short visit, later."""
    return [{**e, "timestamp": e["timestamp"] + ms} for e in visit()]


def add(archive: Archive, name: str, *, day: int = 0, **fields: Any) -> None:
    """Write a recording of a day."""
    archive.write(draft(shifted(day * DAY_MS), session_id=name, **fields), replace=True)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Nine recordings on three days of two projects."""
    with Archive.open(tmp_path / "archive", create=True) as opened:
        for i in range(9):
            analytics = [ANALYTICS] if i == 4 else []
            add(opened, f"s-{i}", day=i // 3, project=f"p{i % 2}", analytics=analytics)
        yield opened
