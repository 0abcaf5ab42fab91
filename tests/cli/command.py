"""The command line as its users have it, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
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
