"""The command line as its users have it, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

from typer.testing import CliRunner, Result

from replayport.cli import app

REPOSITORY = Path(__file__).parents[2]


def run(*args: object, env: Mapping[str, str] | None = None) -> Result:
    """Run in this process."""
    return CliRunner().invoke(
        app, [os.fspath(a) if isinstance(a, Path) else str(a) for a in args], env=env
    )


def run_json(*args: object, code: int = 0) -> Any:
    """Run with ``--json`` and read what is on standard output, which must be nothing else."""
    result = run(*args, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def process(*args: object, **options: Any) -> subprocess.Popen[bytes]:
    """Start one of its own."""
    command = [sys.executable, "-m", "replayport.cli", *map(os.fspath, map(str, args))]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, env=env, **options)


@dataclass
class Serving:
    """``replayport serve`` while it runs."""

    url: str
    process: subprocess.Popen[bytes]
    said: list[str]
    """Lines of its log so far."""

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Tell it to end; gives its exit code."""
        self.process.send_signal(how)
        return self.process.wait(timeout=60)


@contextmanager
def serving(*args: object, **options: Any) -> Iterator[Serving]:
    """Start ``replayport serve`` on a free port and wait until it says where it is."""
    running = process("serve", "--port", "0", *args, stdout=subprocess.DEVNULL, **options)
    said: list[str] = []
    found: Queue[str | None] = Queue()

    def read() -> None:
        for line in running.stderr or ():
            said.append(line.decode(errors="replace"))
            address = re.search(r"replayport is at http://[\d.]+:(\d+)", said[-1])
            if address is not None:
                found.put(f"http://127.0.0.1:{address[1]}")
        found.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        url = found.get(timeout=60)
        if url is None:
            raise AssertionError("it ended: " + "".join(said))
        yield Serving(url, running, said)
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
        try:
            running.wait(timeout=60)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        reader.join()
        if running.stderr is not None:
            running.stderr.close()
