from __future__ import annotations

import pytest
from tests.cli.command import run, run_json
from tests.support.builders import draft

from replayport.archive import Archive
from replayport.audit import AuditLog, entry_key


@pytest.fixture
def path(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft(session_id="s-1", project="shop"))
        log = AuditLog(archive, now_ms=iter(range(1_700_000_000_000, 1_800_000_000_000)).__next__)
        log.append("recording.view", actor="cli:anna@x", target="recording:shop/s-1")
        log.append("recording.export", actor="cli:ben@x", target="recording:shop/s-2")
        log.append("user.sign_in", actor="serve:x", detail={"from": "page"})
    return tmp_path / "a"


def test_entries_with_names_of_what_is_still_there(path):
    found = run_json("audit", "--archive", path)
    assert [e["action"] for e in found] == ["recording.view", "recording.export", "user.sign_in"]
    assert [e["name"] for e in found] == ["recording:shop/s-1", None, None]
    table = run("audit", "--archive", path)
    assert table.exit_code == 0
    assert "recording:shop/s-1" in table.stdout
    assert "s-2" not in table.stdout


@pytest.mark.parametrize(
    ("options", "seqs"),
    [
        (["--action", "recording."], [1, 2]),
        (["--actor", "ben"], [2]),
        (["--recording", "shop/s-2"], [2]),
        (["--person", "nobody"], []),
        (["--limit", 1], [3]),
        (["--since", "2030-01-01"], []),
        (["--until", "2030-01-01"], [1, 2, 3]),
    ],
)
def test_filters(path, options, seqs):
    assert [e["seq"] for e in run_json("audit", "--archive", path, *options)] == seqs


def test_verify(path):
    found = run_json("audit", "verify", "--archive", path)
    assert found["entries"] == 3
    assert found["problems"] == []
    assert found["head"].startswith("3:")
    with Archive.open(path) as archive:
        archive.store.delete(entry_key(3))
    assert run_json("audit", "verify", "--archive", path, code=1)["problems"][0]["code"] == (
        "truncated"
    )
    said = run("audit", "verify", "--archive", path)
    assert said.exit_code == 1
    assert "truncated" in said.stderr


def test_a_head_noted_down(path):
    head = run_json("audit", "verify", "--archive", path)["head"]
    assert run("audit", "verify", "--archive", path, "--head", head).exit_code == 0
    other = "3:" + "0" * 64
    found = run_json("audit", "verify", "--archive", path, "--head", other, code=1)
    assert found["problems"][0]["code"] == "anchor_differs"
    assert run("audit", "verify", "--archive", path, "--head", "three").exit_code == 2
