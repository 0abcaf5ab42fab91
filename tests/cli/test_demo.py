"""``replayport demo --once``: the whole way, headless."""

from __future__ import annotations

import subprocess
import sys

import pytest

from replayport.archive import Archive
from replayport.verifying import verify_archive


@pytest.mark.browser
def test_the_demo_pulls_archives_and_plays(tmp_path):
    args = ["demo", "--once", "--archive", str(tmp_path / "demo")]
    for _ in range(2):  # the second run finds what was pulled there
        done = subprocess.run(
            [sys.executable, "-m", "replayport.cli", *args],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "the demo works" in done.stdout
    with Archive.open(tmp_path / "demo") as archive:
        assert archive.catalog.count() == 7 + 2  # what was pulled, and a visit to the shop a run
        assert verify_archive(archive) == (9, [])


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
