"""``replayport export``: files appear whole or not at all."""

from __future__ import annotations

import json
import os
import stat
import threading

import pytest
from tests.cli.command import process, run, run_json
from tests.support.builders import draft, full_snapshot, meta, visit

from replayport.archive import Archive
from replayport.export import EXPORTS


@pytest.fixture
def url(tmp_path):
    with Archive.open(tmp_path / "archive", create=True) as archive:
        archive.write(draft(session_id="s-1"))
    return tmp_path / "archive"


@pytest.mark.parametrize("name", [n for n in EXPORTS if n != "html"])
def test_every_format(url, tmp_path, name):
    path = tmp_path / "out"
    shown = run_json("export", "s-1", "--as", name, "-o", path, "--archive", url)
    assert shown == {
        "id": "s-1",
        "format": name,
        "path": str(path),
        "bytes": path.stat().st_size,
    }
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "out"]


def test_the_default_name_and_a_folder(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("export", "s-1", "--as", "jsonl", "--archive", url).exit_code == 0
    (tmp_path / "folder").mkdir()
    result = run("export", "s-1", "--as", "bundle", "-o", "folder", "--archive", url)
    assert result.exit_code == 0
    assert "folder/s-1.replay.zip" in result.stderr
    assert (tmp_path / "s-1.jsonl").is_file()
    assert (tmp_path / "folder" / "s-1.replay.zip").is_file()


def test_standard_output_has_the_export_only(url):
    running = process("export", "s-1", "--as", "rrweb-json", "-o", "-", "--archive", url)
    stdout, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert json.loads(stdout) == visit()


def test_a_link_stays_a_link_and_a_pipe_a_pipe(url, tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    args = ("export", "s-1", "--as", "rrweb-json", "--archive", url, "-o")
    assert run(*args, tmp_path / "link.json").exit_code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text()) == visit()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    assert run(*args, pipe).exit_code == 0
    reader.join(timeout=60)
    assert json.loads(received[0]) == visit()
    assert pipe.is_fifo()


@pytest.mark.parametrize("place", ["missing/folder/x.json", "archive/archive.json/x", "n" * 300])
def test_places_that_cannot_be_written(url, tmp_path, place):
    result = run("export", "s-1", "--as", "jsonl", "-o", tmp_path / place, "--archive", url)
    assert result.exit_code == 1
    assert "-o" in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive"]


def test_a_full_disk_leaves_the_old_file(url, tmp_path):
    import resource

    with Archive.open(url) as archive:
        archive.write(draft([meta(), full_snapshot(pad=2_000_000)], session_id="big"))
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    running = process(
        "export",
        "big",
        "--as",
        "jsonl",
        "-o",
        path,
        "--archive",
        url,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
    )
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 1, stderr
    assert b"cannot be written" in stderr
    assert path.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "out.jsonl"]


def test_markup_in_a_path_is_text(url, tmp_path):
    result = run("export", "s-1", "--as", "jsonl", "-o", tmp_path / "[red]a[", "--archive", url)
    assert result.exit_code == 0
    assert "[red]a[" in result.stderr


def test_damage_is_an_error_and_leaves_no_file(url, tmp_path):
    (events,) = url.glob("recordings/**/events.parquet")
    events.write_bytes(events.read_bytes()[:-200])
    result = run("export", "s-1", "--as", "jsonl", "-o", tmp_path / "x", "--archive", url)
    assert result.exit_code == 1
    assert "digest" in result.stderr
    assert not (tmp_path / "x").exists()


def test_an_archive_that_cannot_be_told_of_it(url, tmp_path):
    (url / "privacy").write_text("in the way")  # the log's key goes there
    call = ("export", "s-1", "--as", "jsonl", "-o", tmp_path / "out", "--archive", url)
    refused = run(*call)
    assert refused.exit_code == 1
    assert "--unlogged" in refused.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive"]
    done = run(*call, "--unlogged")
    assert done.exit_code == 0
    assert "will not find this file" in done.stderr
    assert (tmp_path / "out").stat().st_size > 0


def test_unlogged_is_logged_where_it_can_be(url, tmp_path):
    call = ("export", "s-1", "--as", "jsonl", "-o", tmp_path / "out", "--archive", url)
    assert "will not find" not in run(*call, "--unlogged").stderr
    assert run_json("audit", "--archive", url)[-1]["action"] == "recording.export"
