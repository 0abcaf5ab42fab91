from __future__ import annotations

import pytest
from tests.cli.command import run, run_json
from tests.support.builders import draft
from tests.support.erasing import at

from replayport.archive import Archive
from replayport.recording import Person


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "replayport.toml").write_text("[projects.shop]\nretention_days = 30\n")
    long_ago = -3650  # days: older than any retention, whatever the clock of this machine
    with Archive.open(tmp_path / "a", create=True) as archive:
        for name in ("one", "two"):
            archive.write(
                draft(
                    at(long_ago, name),
                    session_id=name,
                    project="shop",
                    person=Person(distinct_id=f"person-{name}"),
                )
            )
        archive.write(draft(at(long_ago, "x"), session_id="other", project="app"))
    return tmp_path / "a"


def ids(path):
    return {r["id"] for r in run_json("list", "--archive", path)}


def test_preview_first_then_apply(path):
    found = run_json("retention", "--archive", path)
    assert {r["id"] for r in found["recordings"]} == {"one", "two"}
    assert not found["applied"]
    assert ids(path) == {"one", "two", "other"}
    shown = run("retention", "--archive", path)
    assert "--apply" in shown.stdout
    done = run_json("retention", "--apply", "--archive", path)
    assert len(done["receipts"]) == 1
    assert ids(path) == {"other"}
    assert run_json("retention", "--apply", "--archive", path)["recordings"] == []


def test_holds_are_put_listed_kept_to_and_lifted(path):
    assert run_json("retention", "hold", "one", "--reason", "case 7", "--archive", path)[
        "name"
    ] == ("shop/one")
    run("retention", "hold", "--person", "person-two", "--archive", path)
    held = run_json("retention", "holds", "--archive", path)
    assert {h["target"] for h in held} == {"recording:shop/one", "person:person-two"}
    assert "case 7" in run("retention", "holds", "--archive", path).stdout
    found = run_json("retention", "--apply", "--archive", path)
    assert found["held"] == ["shop/one", "shop/two"]
    assert ids(path) == {"one", "two", "other"}
    assert "held" in run("retention", "--archive", path).stderr
    assert run("retention", "release", "one", "--archive", path).exit_code == 0
    assert run("retention", "release", "one", "--archive", path).exit_code == 1
    run_json("retention", "--apply", "--archive", path)
    assert ids(path) == {"two", "other"}
    actions = [e["action"] for e in run_json("audit", "--action", "hold", "--archive", path)]
    assert actions == ["hold.set", "hold.set", "hold.release", "hold.release"]


def test_wrong_calls(path):
    assert run("retention", "hold", "--archive", path).exit_code == 2
    assert run("retention", "hold", "one", "--person", "x", "--archive", path).exit_code == 2
    assert run("retention", "hold", "nothing", "--archive", path).exit_code == 1


def test_without_projects_everything_is_kept(path, tmp_path):
    (tmp_path / "replayport.toml").write_text("")
    assert "everything is kept" in run("retention", "--archive", path).stderr
