"""What was found, and the words for it."""

from __future__ import annotations

from replayport.redact.detectors import DETECTORS
from replayport.redact.report import MAX_EXAMPLES, PLACES, RULES, Finds


def test_counts_and_hints() -> None:
    finds = Finds()
    for n in range(9):
        finds.add("email", "text", f"{'abcdefghi'[n]}@shop.example")
    finds.add("input", "field", "hunter2", n=3)
    rows = finds.rows()
    assert [(r["rule"], r["count"]) for r in rows] == [("email", 9), ("input", 3)]
    assert len(rows[0]["examples"]) == MAX_EXAMPLES
    assert "hunter2" not in str(rows)
    other = Finds()
    other.update(finds)
    assert other.total == 12


def test_rules_and_detectors_share_no_name() -> None:
    assert not RULES.keys() & DETECTORS.keys()
    assert all(PLACES.values())
