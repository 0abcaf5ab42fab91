"""``replayport demo``: the whole way of a recording, on this machine, in one command."""

from __future__ import annotations

import shlex
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from replayport.archive import Archive
from replayport.cli.common import console, duration, errors, settings_with, size
from replayport.cli.serve import listen, run, server_of, url_of
from replayport.errors import ReplayError
from replayport.plurals import counted
from replayport.pull import pull
from replayport.sources.posthog_api import PostHogSource
from replayport.testing import FakePostHog, serve

DEMO_FOLDER: Final = Path("replays-demo")
SEAL_IDLE_S: Final = 8.0
"""A visit to the demo's shop is sealed so soon, so that one sees it happen."""

SHOP_PROJECT: Final = "phc_demo_shop"
"""Its token, which its pages name, and its project."""

ONCE_WAIT_S: Final = 60.0


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
    Show what replayport does: no account, no configuration, one process.

    Pulls recordings from a PostHog-like server, as from the real one, and serves a small
    shop in which posthog-js records you: watch yourself live, and after.
    """
    from replayport.capture.projects import Project, Projects
    from replayport.demo import shop_app
    from replayport.server.service import SHOP_PATH, service

    settings = settings_with(seal_idle_s=SEAL_IDLE_S)
    projects = Projects({SHOP_PROJECT: Project(name=SHOP_PROJECT, tokens=(SHOP_PROJECT,))})
    with Archive.open(folder, create=True) as archive:
        _pull_demo(archive, folder)
        with (
            listen("127.0.0.1", 0 if once else port, or_any_port=True) as listener,
            service(archive, settings, projects, sign_in=False, shop=shop_app()) as running,
        ):
            url = url_of(listener)
            if once:
                with _serving(running.app, listener):
                    _go_through(archive, url, f"{url}{SHOP_PATH}/")
                return
            run(
                running.app,
                listener,
                open_browser=open_browser,
                on_start=lambda: _invite(archive, folder, url),
            )


def _pull_demo(archive: Archive, folder: Path) -> None:
    fake = FakePostHog.demo(api_key="phx_demo")
    with serve(fake) as url:
        console.print(
            f"a PostHog-like server with {counted(len(fake.recordings), 'recording')} is at {url}"
        )
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
            f"  {row.id}  {duration(row.duration_ms):>8}  {counted(row.events, 'event'):>12}  "
            f"{size(row.archived_bytes):>8}  {row.first_url or ''}",
            highlight=False,
        )


def _invite(archive: Archive, folder: Path, url: str) -> None:
    from replayport.server.service import SHOP_PATH

    recording = next(iter(archive.catalog.list(limit=1)))
    command = f"{_own_name()} {{}} --archive {shlex.quote(str(folder))}"
    console.print(
        f"\n[bold]1.[/bold] Click around in the shop: [bold]{url}{SHOP_PATH}/[/bold]\n"
        "   posthog-js records you there, unmodified. What you type is masked.\n"
        f"[bold]2.[/bold] Watch yourself, live: load [bold]{url}[/bold] again and open the "
        "recording on top.\n"
        f"   {SEAL_IDLE_S:.0f} seconds after you leave the shop it is sealed into the archive.\n"
        "[bold]3.[/bold] Take a recording with you, in another terminal:\n"
        f"   {command.format('list')}\n"
        f"   {command.format(f'export {recording.id} --as html -o demo.html')}\n"
        f"   {command.format(f'show {recording.id}')}\n"
        "[bold]4.[/bold] Then your own:\n"
        f"   {_own_name()} serve --tee https://us.i.posthog.com     beside PostHog; "
        "point api_host here\n"
        f"   POSTHOG_API_KEY=phx_… {_own_name()} pull posthog --host us --project 1\n",
        highlight=False,
    )


def _own_name() -> str:
    """Give what to type to run this program: `make demo` leaves it off the PATH."""
    if shutil.which("replayport") is not None:
        return "replayport"
    script = Path(sys.argv[0])
    if script.name == "replayport":
        return shlex.quote(_short(script))
    return f"{shlex.quote(_short(Path(sys.executable)))} -m replayport.cli"


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


@contextmanager
def _serving(app: Any, listener: Any) -> Iterator[None]:
    server = server_of(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise ReplayError("the server did not start within 30 s")
        time.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


def _go_through(archive: Archive, url: str, shop_url: str) -> None:
    """Be recorded in the shop, watch it live, then sealed; play what was pulled."""
    from replayport.demo.watch import visit_shop, watch

    pulled = [row.id for row in archive.catalog.list()]
    session_id = visit_shop(shop_url)
    page = f"{url}/recordings/{SHOP_PROJECT}/{session_id}"
    seen = watch(page)
    _say("live", session_id, seen)
    deadline = time.monotonic() + ONCE_WAIT_S
    while not archive.has(SHOP_PROJECT, session_id):
        if time.monotonic() > deadline:
            raise ReplayError(f"the visit was not sealed within {ONCE_WAIT_S:.0f} s")
        time.sleep(0.1)
    _say("sealed", session_id, watch(page))
    for recording_id in pulled:
        row = archive.row(recording_id)
        _say("pulled", row.id, watch(f"{url}/recordings/{row.project}/{row.id}"))
    console.print("[green]the demo works[/green]: recorded, pulled, archived and played")


def _say(what: str, recording_id: str, seen: Any) -> None:
    errors.print(
        f"played {recording_id} ({what}): first frame after {seen.first_frame_ms:.0f} ms, "
        f"{seen.nodes} nodes drawn, {seen.played_ms:.0f} ms played",
        highlight=False,
    )
