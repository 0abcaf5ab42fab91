"""Find a Chromium for the browser tests and the demo, installing Debian's when there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from replayport.demo.record import find_chromium
from replayport.errors import ReplayError


def main() -> int:
    try:
        print(f"==> browser: {find_chromium()}")
        return 0
    except ReplayError as e:
        problem = e
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("==> no Chromium found: installing Debian's (apt-get install chromium)")
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
            check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.DEVNULL,
        )
        try:
            print(f"==> browser: {find_chromium()}")
            return 0
        except ReplayError:
            pass
    print("==> no Chromium found: installing Playwright's")
    if (
        subprocess.run(
            [sys.executable, "-m", "playwright", "install", "chromium"], check=False
        ).returncode
        == 0
    ):
        return 0
    print(problem, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
