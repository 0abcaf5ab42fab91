"""
Peak memory of importing, pulling and exporting, each in a process of its own.

```
import      a 100 MB recording (decoded), as JSON lines; synthetic, see `synthetic_lines`
export      that recording, every target
pull        50 and 200 recordings from a double of PostHog's API in another process:
            the peak must not grow with their number
idle        a process that only imports the package: what all of them start from
```

The peak is ``VmHWM`` of the process, or ``ru_maxrss`` where there is no ``/proc``: it
counts every page the process held at its worst moment, libraries included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import MB, ROOT_ENV, save, table
from inputs import demo_inputs, set_sha256, synthetic_lines

from replayport.export import EXPORTS

RECORDING_BYTES = 100 * MB
PULLS = (50, 200)


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=RECORDING_BYTES)
    parser.add_argument("--pulls", type=int, nargs=2, default=PULLS)
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        source = scratch / "recording.jsonl"
        with source.open("wb") as file:
            for block in synthetic_lines(options.bytes):
                file.write(block)
        archive = scratch / "archive"
        made = [_run("idle", "", 0)]
        imported = _run(
            "import",
            "100 MB" if options.bytes == RECORDING_BYTES else "recording",
            source.stat().st_size,
            str(source),
            str(archive),
        )
        made.append(imported)
        for name in EXPORTS:
            out = scratch / "out"
            made.append(_run("export", name, source.stat().st_size, str(archive), name, str(out)))
            out.unlink(missing_ok=True)
        with _posthog(max(options.pulls)) as (url, project, key):
            made += [
                _run(
                    "pull",
                    f"{n} recordings",
                    0,
                    url,
                    project,
                    key,
                    str(n),
                    str(scratch / f"pull-{n}"),
                )
                for n in options.pulls
            ]
    table(
        "memory: peak of a process of its own (aim: under 1000 MB, and no growth with number)",
        ["", "", "input MB", "peak MB", "seconds"],
        [
            [
                r["what"],
                r["of"],
                f"{r['input_bytes'] / MB:.0f}" if r["input_bytes"] else "",
                f"{r['peak_bytes'] / MB:.0f}" if r["peak_bytes"] else r["note"],
                f"{float(r['seconds']):.1f}",
            ]
            for r in made
        ],
    )
    where = {"folder": options.results} if options.results else {}
    save("memory", made, **where)
    return made


def _run(what: str, of: str, input_bytes: int, *arguments: str) -> dict[str, Any]:
    """Run one of `CHILDREN` in a fresh process and ask what it took."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--child", what, *arguments],
        env={**os.environ, **ROOT_ENV},
        stdout=subprocess.PIPE,
        check=False,
    )
    answer = json.loads(done.stdout) if done.returncode == 0 else {}
    return {
        "what": what,
        "of": of,
        "input_bytes": input_bytes,
        "peak_bytes": answer.get("peak_bytes", 0),
        "seconds": f"{answer.get('seconds', 0):.2f}",
        "note": answer.get("note", "failed"),
        "inputs_sha256": set_sha256(demo_inputs()),
    }


@contextmanager
def _posthog(recordings: int) -> Iterator[tuple[str, str, str]]:
    """Serve so many recordings as PostHog does, from another process."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--child", "serve", str(recordings)],
        env={**os.environ, **ROOT_ENV},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        url, project, key = json.loads(process.stdout.readline())
        yield url, project, key
    finally:
        process.communicate(input="")


# --- in the child ---------------------------------------------------------------------


def peak_bytes() -> int:
    """Give the most memory this process has held."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def child_idle() -> str:
    """Import what every command imports."""
    import replayport.archive
    import replayport.importing  # noqa: F401

    return ""


def child_import(source: str, archive_url: str) -> str:
    """Import a file."""
    from replayport.archive import Archive
    from replayport.importing import import_paths

    with Archive.open(archive_url, create=True) as archive:
        report = import_paths([Path(source)], archive)
        return f"{len(report.written)} written, {len(report.rejected)} rejected"


def child_export(archive_url: str, name: str, out: str) -> str:
    """Export the one recording of an archive."""
    from replayport.archive import Archive
    from replayport.export import ExportOptions

    with Archive.open(archive_url) as archive, Path(out).open("wb") as file:
        recording = next(iter(archive.recordings()))
        written = 0
        for piece in EXPORTS[name].load()(recording, ExportOptions()):
            written += file.write(piece)
    return f"{written} bytes"


def child_pull(url: str, project: str, key: str, limit: str, archive_url: str) -> str:
    """Pull so many recordings."""
    from replayport.archive import Archive
    from replayport.pull import pull
    from replayport.sources.posthog_api import PostHogSource
    from replayport.sources.rate_limits import Limit

    # The double is not PostHog: its limits would make this a test of patience.
    no_limits = [Limit(10**9, 60)]

    with (
        PostHogSource(url, project, key, api_limits=no_limits, query_limits=no_limits) as source,
        Archive.open(archive_url, create=True) as archive,
    ):
        report = pull(source, archive, limit=int(limit), include_recent=True)
        return f"{len(report.written)} written, {len(report.rejected)} rejected"


def child_serve(recordings: str) -> str:
    """Be PostHog until standard input ends."""
    from replayport.posthog.blocks import decode_snappy
    from replayport.testing import FakePostHog, FakeRecording, serve

    inputs = demo_inputs()
    fake = FakePostHog(
        [
            FakeRecording(
                session_id=f"{i.session_id}-{n}",
                distinct_id=i.distinct_id,
                blocks=[decode_snappy(b) for b in i.blocks],
            )
            for n in range(int(recordings))
            for i in [inputs[n % len(inputs)]]
        ]
    )
    with serve(fake) as url:
        print(json.dumps([url, fake.project_id, fake.api_key]), flush=True)
        sys.stdin.read()
    return ""


CHILDREN = {
    "idle": child_idle,
    "import": child_import,
    "export": child_export,
    "pull": child_pull,
    "serve": child_serve,
}


def child(what: str, arguments: Sequence[str]) -> None:
    """Do one thing and say on standard output what it took."""
    import time

    start = time.perf_counter()
    note = CHILDREN[what](*arguments)
    if what != "serve":
        seconds = time.perf_counter() - start
        print(json.dumps({"peak_bytes": peak_bytes(), "seconds": seconds, "note": note}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    else:
        main(sys.argv[1:])
