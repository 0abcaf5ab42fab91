"""``replayport demo --once``: the whole way, headless."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from tests.cli.command import REPOSITORY, process

from replayport.archive import Archive
from replayport.verifying import verify_archive

pytestmark = pytest.mark.xdist_group("demo")  # its tests share what one run made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where ``demo --once`` has put what it pulled and recorded."""
    folder = tmp_path_factory.mktemp("demo") / "a folder"
    done = subprocess.run(
        [sys.executable, "-m", "replayport.cli", "demo", "--once", "--archive", str(folder)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the demo works" in done.stdout
    assert "no projects are configured" not in done.stderr  # nothing to worry a newcomer
    return folder


@pytest.mark.browser
def test_the_demo_pulls_archives_and_plays(folder):
    with Archive.open(folder) as archive:
        assert archive.catalog.count() == 7 + 1  # what was pulled, and a visit to the shop
        assert verify_archive(archive) == (8, [])


@pytest.mark.browser
def test_what_it_says_to_try_next_can_be_tried(folder, tmp_path):
    """As typed, where `make demo` was used and `replayport` is not on the PATH."""
    env = {"PATH": ""}
    demo = process("demo", "--no-open", "--port", 0, "--archive", folder, env=env, cwd=tmp_path)
    said = []
    try:
        while "Then your own" not in "".join(said):
            line = demo.stdout.readline().decode()
            assert line, "".join(said)
            said.append(line)
        assert "0 written, 7 already there" in "".join(said)  # a second run, same folder
        tries = [line.strip() for line in said if "--archive" in line]
        assert [t.split(" --archive")[0].split()[-1] for t in tries[:1]] == ["list"]
        assert len(tries) == 3
        for command in tries:
            done = subprocess.run(
                command,
                shell=True,  # noqa: S602  # as a person would
                cwd=tmp_path,
                env={**os.environ, **env, "PYTHONPATH": str(REPOSITORY / "src")},
                capture_output=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, (command, done.stderr)
        assert (tmp_path / "demo.html").stat().st_size > 100_000
    finally:
        demo.send_signal(signal.SIGINT)
        _, stderr = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert b"Traceback" not in stderr


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = subprocess.run(
        [sys.executable, "-m", "replayport.cli", "demo", "--once", "--archive", tmp_path / "file"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
