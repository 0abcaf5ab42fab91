"""``replayport serve``: the archive in a browser."""

from __future__ import annotations

import socket
import webbrowser
from typing import Annotated, Final

import typer
import uvicorn

from replayport.archive import Archive
from replayport.cli.common import ArchiveOption, WrongCallError, errors, open_archive, settings_with
from replayport.errors import SettingsError

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_BACKLOG: Final = 128


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one [8470].")] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = False,
    archive: ArchiveOption = None,
) -> None:
    """Serve the archive's recordings on this machine, to look at in a browser."""
    settings = settings_with(host=host, port=port)
    if settings["host"] not in LOOPBACK:
        raise WrongCallError(_not_loopback(settings["host"]))
    with open_archive(archive, create=True) as source:
        run(source, host=settings["host"], port=settings["port"], open_browser=open_browser)


def run(
    archive: Archive, *, host: str, port: int, open_browser: bool, fallback_port: bool = False
) -> None:
    """
    Serve until stopped.

    Args:
        archive: What is shown.
        host: A loopback address.
        port: 0 picks a free one.
        open_browser: Open the list in the user's browser.
        fallback_port: Take any free port when ``port`` is taken.

    Raises:
        SettingsError: The port is taken, or the address is not this machine's loopback:
            these pages have no sign-in, so they are for one machine.
    """
    from replayport.server.app import make_app

    if host not in LOOPBACK:
        raise SettingsError(_not_loopback(host))
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            listener.bind((host, port))
        except OSError:
            if not fallback_port:
                raise
            listener.bind((host, 0))
        # From here on connections wait: whoever reads the address can use it at once.
        listener.listen(_BACKLOG)
    except OSError as e:
        listener.close()
        raise SettingsError(
            f"port {port} on {host} cannot be listened on: {e.strerror}. "
            "Choose another with --port, or --port 0 for any free one"
        ) from e
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}/"
    app = make_app(archive, allowed_hosts=[host, "127.0.0.1", "localhost", "[::1]"])
    errors.print(f"replayport is at [bold]{url}[/bold]  (Ctrl-C stops it)")
    if open_browser:
        webbrowser.open(url)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
        )
    )
    server.run(sockets=[listener])


def _not_loopback(host: str) -> str:
    return (
        f"host {host!r} is not this machine's loopback. The pages have no sign-in, anybody "
        "who reaches them sees every recording. Use 127.0.0.1, and a reverse proxy with "
        "authentication to reach it from elsewhere"
    )
