"""The whole command line: exit codes, pipes, interruption, a full disk."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
from tests.cli.command import process, run, run_json
from tests.support.builders import draft, full_snapshot, meta, visit
from tests.support.files import compact

from replayport import __version__
from replayport.archive import Archive
from replayport.cli import COMMANDS
from replayport.verifying import verify_archive


@pytest.fixture
def archive(tmp_path):
    url = tmp_path / "archive"
    with Archive.open(url, create=True) as archive:
        archive.write(draft(session_id="sess-abc1"))
        archive.write(draft(session_id="sess-abc2"))
    return url


def test_version_and_help():
    assert run("--version").stdout == f"replayport {__version__}\n"
    for name in COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert name in result.stdout


def test_a_wrong_name_is_answered_with_the_one_meant():
    result = run("exprot")
    assert result.exit_code == 2
    assert "Did you mean 'export'?" in " ".join(result.output.split())


def test_a_command_loads_no_other():
    code = "import sys; from replayport.cli import main; sys.argv[1:] = ['list', '--help']; main()"
    loaded = "import atexit, sys; atexit.register(lambda: print(*sys.modules, sep='\\n'))"
    answer = subprocess.run(
        [sys.executable, "-c", f"{loaded}; {code}"], capture_output=True, text=True, check=True
    )
    modules = set(answer.stdout.split())
    assert "replayport.cli.listing" in modules
    assert not {"replayport.cli.serve", "fastapi", "sklearn", "duckdb"} & modules


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["list", "--nonsense"],
        ["list", "--since", "yesterday-ish"],
        ["list", "--until", "2026-13-45"],
        ["list", "--limit", "0"],
        ["list", "--limit", "many"],
        ["show"],
        ["import"],
        ["export", "sess-abc1"],
        ["export", "sess-abc1", "--as", "docx"],
        ["export", "sess-abc1", "--as", "rrweb-json", "--order", "random"],
        ["export", "sess-abc1", "--as", "rrweb-json", "--window", "no such"],
        ["export", "sess-abc1", "--as", "bundle", "--playable", "-o", "-"],
        ["export", "sess-abc1", "--as", "jsonl", "-o", "-", "--json"],
        ["serve", "--port", "70000"],
    ],
)
def test_wrong_calls_leave_with_2(archive, args, monkeypatch):
    monkeypatch.setenv("REPLAYPORT_ARCHIVE", str(archive))
    result = run(*args)
    assert result.exit_code == 2, result.output
    assert result.stderr.strip()
    assert result.stdout == ""


@pytest.mark.parametrize(
    "args",
    [
        ["list"],
        ["show", "x"],
        ["verify"],
        ["export", "x", "--as", "jsonl"],
        ["compact"],
        ["reindex"],
    ],
)
def test_without_an_archive_it_says_how_to_get_one(tmp_path, args):
    result = run(*args, "--archive", tmp_path / "none")
    assert result.exit_code == 1
    assert "no archive" in result.stderr
    assert "--archive" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", [["show"], ["verify"], ["compact"], ["export"]])
def test_unknown_ids_name_the_near_ones(archive, command):
    more = ["--as", "jsonl"] if command == ["export"] else []
    result = run(*command, "sess-abd1", *more, "--archive", archive)
    assert result.exit_code == 1
    assert "sess-abc1" in result.stderr


def test_settings_that_do_not_fit_are_a_wrong_call(archive):
    result = run("list", env={"REPLAYPORT_PORT": "eighty", "REPLAYPORT_ARCHIVE": str(archive)})
    assert result.exit_code == 2
    assert "REPLAYPORT_PORT" in result.stderr


def test_a_reader_that_goes_away_is_no_error(archive):
    with Archive.open(archive) as opened:
        big = [meta(), full_snapshot(pad=3_000_000)]
        opened.write(draft(big, session_id="big"))
    for args in (
        ["export", "big", "--as", "jsonl", "-o", "-"],
        ["show", "big", "--json"],
        ["list"],
        ["settings"],
    ):
        reading, writing = os.pipe()
        running = process(*args, env={"REPLAYPORT_ARCHIVE": str(archive)}, stdout=writing)
        os.close(writing)
        os.close(reading)  # before anything was read
        _, stderr = running.communicate(timeout=60)
        assert running.returncode == 0, (args, stderr)
        assert b"Traceback" not in stderr
        assert b"Exception" not in stderr


@pytest.fixture
def many_files(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(40):
        (folder / f"{n:04}.json").write_bytes(compact([meta(n), full_snapshot(n + 1, text=str(n))]))
    return folder


def test_ctrl_c_leaves_a_sound_archive_and_the_same_command_goes_on(many_files, tmp_path):
    url = tmp_path / "archive"
    (held,) = run_json("import", many_files / "0039.json", "--archive", tmp_path / "b")["written"]
    (row,) = run_json("list", "--archive", tmp_path / "b")
    with Archive.open(url, create=True) as archive:
        # Another process seems to write the last one: it cannot come to the end before.
        with archive.store.lease(f"locks/{row['project']}/{held}", ttl_s=3600):
            running = process("import", many_files, "--archive", url, "--json")
            deadline = time.monotonic() + 60
            while len(list(url.glob("recordings/**/manifest.json"))) < 3:
                assert running.poll() is None, running.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            running.send_signal(signal.SIGINT)
            stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 130
    assert stdout == b""
    assert b"stopped" in stderr
    assert b"Traceback" not in stderr
    with Archive.open(url) as archive:
        before, problems = verify_archive(archive)
        assert 3 <= before < 40
        # The last manifest's row may not have been made yet; the next run makes it.
        assert before - 1 <= archive.catalog.count() <= before
        assert [p for p in problems if p.code != "orphan"] == []
    report = run_json("import", many_files, "--archive", url)
    assert len(report["written"]) + len(report["already_there"]) == 40
    assert len(report["already_there"]) >= before
    assert run_json("verify", "--archive", url) == {"checked": 40, "problems": []}


def test_a_full_disk_rejects_what_does_not_fit_and_shows_nothing_half(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    noise = os.urandom(900_000).hex()  # does not compress below the limit
    (folder / "1.json").write_bytes(compact(visit()))
    (folder / "2.json").write_bytes(compact([meta(), full_snapshot(text=noise)]))
    (folder / "3.json").write_bytes(compact(visit()[:3]))
    url = tmp_path / "archive"
    limit = 700_000
    running = process(
        "import",
        folder,
        "--archive",
        url,
        "--json",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 1, stderr
    report = json.loads(stdout)
    assert len(report["written"]) == 2
    assert [(r["what"], r["reason"]) for r in report["rejected"]] == [
        (str(folder / "2.json"), "store_failed")
    ]
    assert run_json("verify", "--archive", url) == {"checked": 2, "problems": []}
    assert len(run_json("list", "--archive", url)) == 2


def test_no_space_left_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.json").write_bytes(compact(visit()))
    url = tmp_path / "archive"
    with Archive.open(url, create=True):
        pass

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    report = run_json("import", tmp_path / "x.json", "--archive", url, code=1)
    assert report["written"] == []
    assert report["rejected"][0]["reason"] == "store_failed"
    assert "no space left" in report["rejected"][0]["detail"]
    monkeypatch.undo()
    assert run_json("list", "--archive", url) == []
    assert run_json("verify", "--archive", url) == {"checked": 0, "problems": []}


def test_a_damaged_catalog_says_how_to_mend_it(archive):
    for extra in archive.glob("catalog.sqlite-*"):
        extra.unlink()
    (archive / "catalog.sqlite").write_bytes(b"not a database" * 1000)
    result = run("list", "--archive", archive)
    assert result.exit_code == 1
    assert "reindex" in result.stderr
    assert run_json("reindex", "--archive", archive) == {"recordings": 2}
    assert len(run_json("list", "--archive", archive)) == 2


def test_the_installed_command_is_this_one():
    program = shutil.which("replayport")
    if program is None:
        pytest.skip("not installed")
    out = subprocess.run([program, "--version"], capture_output=True, check=True, text=True)
    assert out.stdout.startswith("replayport ")
