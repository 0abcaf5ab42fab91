from __future__ import annotations

import pytest
from tests.cli.command import run, run_json
from tests.support.builders import draft

from replayport.archive import Archive


@pytest.fixture
def path(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft(session_id="s-1"))
    return tmp_path / "a"


@pytest.fixture
def ring(tmp_path):
    return {"REPLAYPORT_ENCRYPTION_KEY_RING": str(tmp_path / "ring")}


def test_encrypt_show_rotate_and_use(path, ring, monkeypatch):
    assert run("keys", "encrypt", "--archive", path).exit_code == 2
    assert run("keys", "show", "--archive", path).exit_code == 1
    for name, value in ring.items():
        monkeypatch.setenv(name, value)
    assert run("list", "--archive", path).exit_code == 1
    assert run_json("keys", "encrypt", "--archive", path)["encrypted"] > 0
    assert [r["id"] for r in run_json("list", "--archive", path)] == ["s-1"]
    assert run("verify", "--archive", path).exit_code == 0
    done = run_json("keys", "rotate", "--archive", path)
    assert done["wrapped"] > 0
    shown = run_json("keys", "show", "--archive", path)
    assert [k["active"] for k in shown["keys"]] == [False, True]
    assert "key" not in shown["keys"][0]
    assert "active" in run("keys", "show", "--archive", path).stdout
    assert run_json("audit", "--archive", path)[-1]["action"] == "keys.rotate"
    assert run("verify", "--archive", path).exit_code == 0


def test_without_the_setting_the_error_names_it(path, ring, monkeypatch):
    monkeypatch.setenv(*next(iter(ring.items())))
    run("keys", "encrypt", "--archive", path)
    monkeypatch.delenv("REPLAYPORT_ENCRYPTION_KEY_RING")
    said = run("list", "--archive", path)
    assert said.exit_code == 1
    assert "encryption_key_ring" in said.stderr
