"""Runs every benchmark, or those named: ``python bench/run.py [decode] [size] …``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from common import ROOT_ENV, console, load_average, machine

BENCHMARKS = (
    "decode",
    "size",
    "memory",
    "first_frame",
    "player",
    "capture",
    "catalog",
    "mirror",
    "actions",
    "detectors",
    "redact",
    "features",
    "frustration",
    "dataset",
    "walk",
)
HIGH_LOAD = 1.0
"""Of the machine before anything was started; above it somebody else is at work."""


def main() -> int:
    """Print the machine, then run each benchmark in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmarks", nargs="*", help="all when none")
    chosen = parser.parse_args().benchmarks or BENCHMARKS
    if unknown := set(chosen) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; {', '.join(BENCHMARKS)}")
    about = machine()
    console.print(
        f"{about['cpu']}, {about['cores']} cores, Python {about['python']}, "
        f"Node {about['node']}, {about['date']}, load {load_average()}"
    )
    if float(load_average()) > HIGH_LOAD:
        console.print("the machine is busy: trust the ratios, not the absolute numbers")
    failed = [
        name
        for name in chosen
        if subprocess.run(
            [sys.executable, str(Path(__file__).resolve().parent / f"{name}.py")],
            env={**os.environ, **ROOT_ENV},
            check=False,
        ).returncode
    ]
    if failed:
        console.print(f"failed: {', '.join(failed)}")
        return 1
    console.print("raw results: bench/results/*.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
