"""``replayport redact``, and what ``export`` lets out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.test_redacting import EMAIL, visit
from typer.testing import CliRunner

from replayport import Archive
from replayport.audit import AuditLog
from replayport.cli import app

SECRET = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    with Archive.open(tmp_path / "a", create=True) as opened:
        opened.write(visit())
    return tmp_path / "a"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.stdout, result.stderr


def actions(archive: Path) -> list[str]:
    with Archive.open(archive) as opened:
        return [e.action for e in AuditLog(opened).entries()]


def test_dry_run_tells_rules_and_places_but_no_value(archive: Path) -> None:
    code, out, _ = run(
        "redact", "s-1", "--profile", "gdpr", "--dry-run", "--json", "--archive", archive
    )
    document = json.loads(out)
    assert code == 0
    assert document["dry_run"] is True
    rules = {(f["rule"], f["place"]) for f in document["recordings"][0]["finds"]}
    assert {("person", "person"), ("email", "address"), ("email", "text")} <= rules
    assert EMAIL not in out
    assert "Jane" not in out
    code, out, _ = run("redact", "s-1", "--profile", "gdpr", "--dry-run", "--archive", archive)
    assert "1 would change" in out
    assert EMAIL not in out
    assert actions(archive) == []


def test_it_rewrites_and_the_audit_log_says_so(archive: Path) -> None:
    code, out, _ = run("redact", "all", "--profile", "gdpr", "--json", "--archive", archive)
    assert code == 0
    assert json.loads(out)["recordings"][0]["changed"] is True
    assert actions(archive) == ["recording.redact"]
    code, out, _ = run("redact", "s-1", "--profile", "gdpr", "--json", "--archive", archive)
    assert json.loads(out)["recordings"][0]["found"] == 0
    assert run("verify", "--archive", archive)[0] == 0


def test_one_that_is_not_there_stops_no_other(archive: Path) -> None:
    code, out, _ = run("redact", "nobody", "s-1", "--json", "--archive", archive)
    document = json.loads(out)
    assert code == 1
    assert [f["what"] for f in document["failed"]] == ["nobody"]
    assert [r["id"] for r in document["recordings"]] == ["s-1"]


def test_a_profile_that_is_none_is_a_wrong_call(archive: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "x"\n[[select]]\nselector = "p >"', "utf-8")
    for name in ("nothing", bad):
        assert run("redact", "s-1", "--profile", name, "--archive", archive)[0] == 2


def test_a_profile_of_ones_own(archive: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\nextends = "secrets"\ndetectors = ["email"]\n', "utf-8")
    code, out, _ = run("redact", "s-1", "--profile", own, "--json", "--archive", archive)
    assert code == 0
    assert json.loads(out)["profile"] == "own"


@pytest.fixture
def with_a_key(tmp_path: Path) -> Path:
    from tests.support.builders import draft, full_snapshot, meta

    with Archive.open(tmp_path / "keys", create=True) as opened:
        opened.write(draft([meta(), full_snapshot(text=f"key {SECRET}")]))
    return tmp_path / "keys"


def test_an_export_for_people_leaves_without_secrets_unless_raw(
    with_a_key: Path, tmp_path: Path
) -> None:
    arguments = ("export", "s-1", "--as", "html", "-o", tmp_path / "x.html")
    for more, redacted in (((), True), (("--raw",), False)):
        code, out, _ = run(*arguments, *more, "--json", "--archive", with_a_key)
        assert code == 0
        assert json.loads(out)["redacted"] is redacted
    assert actions(with_a_key) == ["recording.export", "recording.export_raw"]
    code, _, err = run(*arguments, "--archive", with_a_key)
    assert code == 0
    assert "--raw" in err


def test_an_export_of_data_is_what_is_stored_and_says_what_is_in_it(
    with_a_key: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    arguments = ("export", "s-1", "--as", "rrweb-json", "-o", path, "--archive", with_a_key)
    code, _, err = run(*arguments)
    assert code == 0
    assert "--redact" in err
    assert SECRET in path.read_text("utf-8")
    assert actions(with_a_key) == ["recording.export_raw"]
    run(*arguments, "--redact", "secrets")
    assert SECRET not in path.read_text("utf-8")
    run(*arguments, "--wireframe")
    assert "key" not in path.read_text("utf-8").replace("keyframes", "")
    assert run(*arguments, "--wireframe", "--raw")[0] == 2


def test_an_export_without_finds_is_what_is_stored(archive: Path, tmp_path: Path) -> None:
    path, raw = tmp_path / "x.jsonl", tmp_path / "y.jsonl"
    run("export", "s-1", "--as", "jsonl", "-o", path, "--archive", archive)
    run("export", "s-1", "--as", "jsonl", "-o", raw, "--raw", "--archive", archive)
    assert path.read_bytes() == raw.read_bytes()
    run("export", "s-1", "--as", "jsonl", "-o", path, "--redact", "gdpr", "--archive", archive)
    assert EMAIL.encode() not in path.read_bytes()


def test_import_redacts_first_where_that_is_set(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.replay.zip"
    run("export", "s-1", "--as", "bundle", "-o", path, "--raw", "--archive", archive)
    monkeypatch.setenv("REPLAYPORT_REDACT_PROFILE", "gdpr")
    assert run("import", path, "--archive", tmp_path / "b")[0] == 0
    with Archive.open(tmp_path / "b") as opened:
        assert opened.recording("s-1").manifest.privacy[0]["when"] == "stored"
