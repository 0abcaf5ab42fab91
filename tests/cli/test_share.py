"""``replayport share``: made, listed, revoked, and opened by the server."""

from __future__ import annotations

import pytest
from tests.cli.command import run, run_json
from tests.support.builders import START_MS, draft, full_snapshot, meta

from replayport.archive import Archive
from replayport.audit import AuditLog


@pytest.fixture
def archive(tmp_path):
    url = tmp_path / "a"
    with Archive.open(url, create=True) as archive:
        archive.write(draft(session_id="s-1"))
        archive.write(draft(session_id="s-2"))
    return url


def test_a_link_is_made_listed_and_revoked(archive):
    link = run_json("share", "s-1", "--archive", archive, "--show", "actions", "--start", "0.05")
    assert link["url"].startswith("http://127.0.0.1:8470/shared/")
    assert (link["show"], link["start_ms"], link["is_good"]) == ("actions", START_MS + 50, True)
    assert 6.9 < (link["expires_ms"] - link["created_ms"]) / 86_400_000 < 7.1
    other = run_json("share", "p/s-2", "--archive", archive, "--expires", "never")
    assert other["expires_ms"] is None
    assert {x["id"] for x in run_json("share", "list", "--archive", archive)} == {
        link["id"],
        other["id"],
    }
    assert [x["id"] for x in run_json("share", "list", "s-2", "--archive", archive)] == [
        other["id"]
    ]
    shown = run("share", "list", "--archive", archive)
    assert link["id"] in shown.stdout
    assert run_json("share", "revoke", link["id"], "--archive", archive)["is_good"] is False
    assert "revoked" in run("share", "list", "--archive", archive).stdout
    with Archive.open(archive) as opened:
        actions = [e.action for e in AuditLog(opened).entries()]
    assert actions == ["share.create", "share.create", "share.revoke"]


def test_what_is_hidden_is_chosen_and_written_down(archive):
    with Archive.open(archive) as opened:
        opened.write(draft([meta(), full_snapshot(text="4111 1111 1111 1111")], session_id="s-3"))
    assert run_json("share", "s-3", "--archive", archive)["profile"] == ""
    strict = run_json("share", "s-3", "--archive", archive, "--redact", "strict")
    assert (strict["profile"], strict.get("finds")) == ("strict", None)
    raw = run_json("share", "s-3", "--archive", archive, "--raw")
    assert raw["profile"] == "off"
    assert raw["finds"] > 0
    shown = run("share", "s-3", "--archive", archive, "--raw")
    assert "unredacted" in shown.stderr
    assert "4111" not in shown.output
    with Archive.open(archive) as opened:
        said = [e.detail.get("profile") for e in AuditLog(opened).entries()]
    assert said == [None, "strict", "off", "off"]


def test_a_password_is_asked_for_and_kept_out(archive):
    from typer.testing import CliRunner

    from replayport.cli import app

    result = CliRunner().invoke(
        app, ["share", "s-1", "--archive", str(archive), "--password"], input="open sesame\n"
    )
    assert result.exit_code == 0, result.output
    assert "/shared/" in result.stdout
    assert "sesame" not in result.output
    assert run_json("share", "list", "--archive", archive)[0]["has_password"]


def test_links_begin_with_the_public_address(archive):
    env = {"REPLAYPORT_PUBLIC_URL": "https://replay.example.com/"}
    result = run("share", "s-1", "--archive", archive, env=env)
    assert result.stdout.startswith("https://replay.example.com/shared/")
    assert 'src="https://replay.example.com/embed/' in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("s-1", "--show", "everything"),
        ("s-1", "--expires", "soon"),
        ("s-1", "--expires", "0d"),
        ("s-1", "--start", "noon"),
        ("s-1", "--start", "5", "--end", "5"),
        ("s-1", "--embed-in", "javascript:x"),
        ("s-1", "--raw", "--redact", "gdpr"),
        ("s-1", "--redact", "my.toml"),
        ("revoke", "none"),
        ("s-1", "extra"),
    ],
)
def test_wrong_calls(archive, arguments):
    assert run("share", *arguments, "--archive", archive).exit_code == 2


def test_a_recording_that_is_not_there(archive):
    assert run("share", "none", "--archive", archive).exit_code == 1
