"""The closed sets are closed: each code has its meaning, and no other code is used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import replayport
from replayport.analysis.actions import FINDING_MEANINGS as ACTION_FINDINGS
from replayport.analysis.findings import ANALYSIS_FINDINGS
from replayport.outcomes import (
    FINDING_MEANINGS,
    REASON_MEANINGS,
    Rejected,
    RejectReason,
    Report,
)
from replayport.posthog.wire import WireReject
from replayport.rrweb.mirror.dom import FINDING_MEANINGS as MIRROR_FINDINGS

SOURCE = Path(replayport.__file__).parent
TREES = {
    p.relative_to(SOURCE).as_posix(): ast.parse(p.read_text("utf-8")) for p in SOURCE.rglob("*.py")
}


@pytest.mark.parametrize("reason", RejectReason)
def test_every_reason_has_meaning_and_remedy(reason):
    meaning, remedy = REASON_MEANINGS[reason]
    assert meaning.endswith(".")
    assert remedy.endswith(".")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", reason.value)


def test_no_meaning_without_a_reason():
    assert set(REASON_MEANINGS) == set(RejectReason)


def emitted_findings() -> dict[str, str]:
    """
    Find every finding code in the source: keys of counters called so, and constants.

    A code is a literal between the brackets of ``…findings[…]`` or ``counts[…]``, a
    ``FINDING_…`` constant, or a ``Finding(code=…)``.
    """
    found: dict[str, str] = {}
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            codes: list[ast.expr] = []
            if isinstance(node, ast.Subscript):
                holder = ast.unparse(node.value)
                if re.search(r"findings$", holder) or (
                    holder == "counts" and name == "format/writer.py"
                ):
                    codes.append(node.slice)
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
                names = [t.id for t in targets if isinstance(t, ast.Name)]
                if any(n.lstrip("_").startswith("FINDING_") for n in names) and node.value:
                    codes.append(node.value)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Finding"):
                codes += [k.value for k in node.keywords if k.arg == "code"]
            for code in codes:
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    found.setdefault(code.value, name)
    return found


def test_every_finding_that_is_emitted_has_a_meaning():
    emitted = emitted_findings()
    assert {"duplicate_event", "bare_full_snapshot", "missing_block"} <= emitted.keys()
    # What is found while reading (playback, analysis) is not stored: its codes are told by
    # the modules that find it.
    unknown = {
        code: name
        for code, name in emitted.items()
        if code not in {*FINDING_MEANINGS, *MIRROR_FINDINGS, *ACTION_FINDINGS, *ANALYSIS_FINDINGS}
        and not name.startswith(("posthog/playback.py", "posthog/mobile/"))
    }
    assert unknown == {}


def test_every_meaning_is_of_a_finding_that_is_emitted():
    assert set(FINDING_MEANINGS) - emitted_findings().keys() == set()
    assert all(m.endswith(".") for m in FINDING_MEANINGS.values())


def test_reasons_written_as_text_are_reasons():
    """Errors carry the reason as text; each literal must be one of a closed set."""
    known = {r.value for r in RejectReason} | {r.value for r in WireReject}
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("SourceDataError"):
                for keyword in node.keywords:
                    if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant):
                        assert keyword.value.value in known, name


def test_the_report():
    report = Report()
    assert report.ok
    report.written.append("a")
    report.findings["duplicate_event"] += 2
    report.rejected.append(Rejected("f", RejectReason.EMPTY, "nothing"))
    assert not report.ok
    assert report.to_json() == {
        "written": ["a"],
        "already_there": [],
        "left_for_later": [],
        "rejected": [{"what": "f", "reason": "empty", "detail": "nothing"}],
        "findings": [
            {"code": "duplicate_event", "count": 2, "detail": FINDING_MEANINGS["duplicate_event"]}
        ],
    }
