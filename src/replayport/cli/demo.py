"""``replayport demo``: the whole way of a recording, on this machine, in one command."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from replayport.archive import Archive
from replayport.cli.common import console, duration, errors, size
from replayport.cli.serve import run
from replayport.errors import ReplayError
from replayport.pull import pull
from replayport.sources.posthog_api import PostHogSource
from replayport.testing import FakePostHog, serve

DEMO_FOLDER = Path("replays-demo")


def demo(
    folder: Annotated[
        Path, typer.Option("--archive", help="Folder of the demo's archive.")
    ] = DEMO_FOLDER,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Go through it headless and leave; 0 only if a recording was made and played.",
        ),
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the pages; 0 picks a free one.")] = 8470,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
) -> None:
    """
    Show what replayport does: no account, no configuration.

    Starts a small PostHog-like server with recordings that posthog-js made in
    replayport's own demo shop, pulls them as from the real one, archives them, and
    serves the player on this machine.
    """
    with Archive.open(folder, create=True) as archive:
        _pull_demo(archive, folder)
        if once:
            _play_once(archive)
            return
        recording = next(iter(archive.catalog.list(limit=1)))
        console.print(
            "\nTry next, in another terminal:\n"
            f"  replayport list --archive {folder}\n"
            f"  replayport export {recording.id} --as html -o demo.html --archive {folder}\n"
            f"  replayport show {recording.id} --archive {folder}\n"
            "  POSTHOG_API_KEY=phx_… replayport pull posthog --host us --project 1\n",
            highlight=False,
        )
        run(archive, host="127.0.0.1", port=port, open_browser=open_browser, fallback_port=True)


def _pull_demo(archive: Archive, folder: Path) -> None:
    fake = FakePostHog.demo(api_key="phx_demo")
    with serve(fake) as url:
        console.print(f"a PostHog-like server with {len(fake.recordings)} recordings is at {url}")
        with PostHogSource(url, "1", "phx_demo", plan="enterprise") as source:
            report = pull(source, archive, include_recent=True)
    if report.rejected:
        raise ReplayError(
            f"the demo could not pull {report.rejected[0].what}: {report.rejected[0].detail}"
        )
    console.print(
        f"pulled: {len(report.written)} written, {len(report.already_there)} already there, "
        f"in [bold]{folder}[/bold]"
    )
    for row in archive.catalog.list():
        console.print(
            f"  {row.id}  {duration(row.duration_ms):>8}  {row.events:>4} events  "
            f"{size(row.archived_bytes):>8}  {row.first_url or ''}",
            highlight=False,
        )


def _play_once(archive: Archive) -> None:
    """Play every recording in a headless browser, from the pages a person would open."""
    from replayport.demo.watch import watch
    from replayport.server.app import make_app

    server = uvicorn.Server(
        uvicorn.Config(make_app(archive), host="127.0.0.1", port=0, log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise ReplayError("the page server did not start within 30 s")
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        for row in list(archive.catalog.list()):
            seen = watch(f"http://127.0.0.1:{port}/recordings/{row.project}/{row.id}")
            errors.print(
                f"played {row.id}: first frame after {seen.first_frame_ms:.0f} ms, "
                f"{seen.nodes} nodes drawn, {seen.played_ms:.0f} ms played",
                highlight=False,
            )
    finally:
        server.should_exit = True
        thread.join(10)
    console.print("[green]the demo works[/green]: pulled, archived and played")
