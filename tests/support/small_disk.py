"""A disk that is small enough to fill: a tmpfs, where this process may mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[Path]:
    """Mount one at a folder; the test is skipped where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, *, leave_kib: int = 0) -> Path:
    """Use up a disk, but for some KiB; gives the file to remove."""
    filler = disk / "filler"
    free = os.statvfs(disk)
    left = max(free.f_bavail * free.f_frsize - leave_kib * 1024, 0)
    with suppress(OSError), filler.open("wb") as file:
        file.write(b"\0" * left)
    return filler
