"""``verify``, ``reindex``, ``compact``."""

from __future__ import annotations

import pytest
from tests.cli.command import run, run_json
from tests.support.builders import draft, visit

from replayport.archive import Archive


@pytest.fixture
def url(tmp_path):
    with Archive.open(tmp_path / "archive", create=True) as archive:
        archive.write(draft(session_id="s-1"))
        archive.write(draft(visit()[:4], session_id="s-2"))
    return tmp_path / "archive"


def damage(url, session="s-1"):
    (path,) = url.glob(f"recordings/**/{session}/events.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def test_a_sound_archive(url):
    assert run_json("verify", "--archive", url) == {"checked": 2, "problems": []}
    assert run_json("verify", "s-1", "--quick", "--archive", url)["checked"] == 1
    assert "all sound" in run("verify", "--archive", url).stdout


def test_damage_is_named_and_leaves_with_1(url):
    damage(url)
    found = run_json("verify", "--archive", url, code=1)
    assert [(p["what"], p["code"]) for p in found["problems"]] == [("s-1", "file_damaged")]
    assert "file_damaged" in run("verify", "--archive", url).stderr
    assert run("verify", "s-2", "--archive", url).exit_code == 0


def test_orphans_are_named_and_harmless(url):
    folder = url / "recordings" / "p" / "2026" / "01" / "01" / "cut"
    folder.mkdir(parents=True)
    (folder / "events.parquet").write_bytes(b"half")
    found = run_json("verify", "--archive", url)
    assert [p["code"] for p in found["problems"]] == ["orphan"]


def test_a_rewrite_that_cannot_be_finished_does_not_hide_the_rest(url):
    (manifest,) = url.glob("recordings/**/s-1/manifest.json")
    manifest.with_name("manifest.next.json").write_bytes(b"{ half")
    found = run_json("verify", "--archive", url, code=1)
    assert found["checked"] == 2
    assert "unfinished_rewrite" in {p["code"] for p in found["problems"]}


def test_reindex(url):
    for path in url.glob("catalog.sqlite*"):
        path.unlink()
    assert run_json("reindex", "--archive", url) == {"recordings": 2}
    assert "2 recordings" in run("reindex", "--archive", url).stdout


def test_compact_twice_is_once(url):
    first = run_json("compact", "--archive", url)
    assert first["recordings"] == 2
    assert first["after_bytes"] <= first["before_bytes"]
    second = run_json("compact", "--archive", url)
    assert second["before_bytes"] == second["after_bytes"] == first["after_bytes"]
    assert run_json("verify", "--archive", url)["problems"] == []


def test_a_damaged_recording_does_not_stop_compact(url):
    damage(url)
    found = run_json("compact", "--archive", url, code=1)
    assert found["recordings"] == 1
    assert [f["what"] for f in found["failed"]] == ["p/s-1"]
