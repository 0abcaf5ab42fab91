"""``replayport serve``: capture, and the archive in a browser."""

from __future__ import annotations

import logging
import socket
import webbrowser
from collections.abc import Callable
from typing import Annotated, Any

import typer
import uvicorn

from replayport.cli.common import (
    ArchiveOption,
    WrongCallError,
    errors,
    open_archive,
    settings_with,
    shown,
)
from replayport.errors import SettingsError
from replayport.server.connections import PatientProtocol, allow_many_connections

_BACKLOG = 2048
STOP_WAIT_S = 5
"""For requests under way when the server is stopped."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; 0.0.0.0 for all. [default: 127.0.0.1]",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 picks a free one. [default: 8470]", show_default=False),
    ] = None,
    tee: Annotated[
        str | None,
        typer.Option(help="PostHog that gets everything too: https://us.i.posthog.com"),
    ] = None,
    tee_assets: Annotated[
        str | None, typer.Option(help="Its host for /static/ and /array/; found out for Cloud.")
    ] = None,
    tee_client_ip: Annotated[
        str | None, typer.Option(help="Whether PostHog learns visitors' addresses: forward, drop.")
    ] = None,
    capture_prefix: Annotated[
        str | None, typer.Option(help="Path the SDK is also answered under, such as /ingest.")
    ] = None,
    inbox: Annotated[
        str | None, typer.Option(help="Folder on a local disk for what is not sealed yet.")
    ] = None,
    seal_idle_s: Annotated[
        float | None,
        typer.Option(
            help="Seal a session after so long without data. [default: 1800]", show_default=False
        ),
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(help="Address browsers reach it at, such as https://replay.example.com."),
    ] = None,
    no_auth: Annotated[
        bool,
        typer.Option("--no-auth", help="No sign-in: for trying it out, on this machine only."),
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = False,
    archive: ArchiveOption = None,
) -> None:
    """
    Receive recordings from posthog-js, and show the archive to who is signed in.

    The first start prints a link with which the first administrator chooses a password.

    Point the SDK's `api_host` here: `posthog.init("phc_any", {api_host: "http://…"})`. With
    `--tee`, PostHog gets every request too. Projects and what they record:
    `[projects.<name>]` in replayport.toml.
    """
    from replayport.capture.projects import load_projects
    from replayport.server.service import service

    settings = settings_with(
        archive=archive,
        host=host,
        port=port,
        tee=tee,
        tee_assets=tee_assets,
        tee_client_ip=tee_client_ip,
        capture_prefix=capture_prefix,
        inbox=inbox,
        seal_idle_s=seal_idle_s,
        public_url=public_url,
    )
    local = settings["host"] in LOOPBACK
    if no_auth and not local:
        raise WrongCallError(
            "--no-auth is for this machine only: whoever reaches it may do everything. "
            "Leave it out, or --host"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with (
        listen(settings["host"], settings["port"]) as listener,
        open_archive(archive, create=True) as target,
        service(
            target, settings, load_projects(), sign_in=not no_auth, on_loopback=local
        ) as running,
    ):
        base = settings["public_url"].rstrip("/") or url_of(listener)
        secret = None if running.access is None else running.access.setup_secret()
        first = "" if secret is None else f"{base}/setup#{secret}"
        run(
            running.app,
            listener,
            open_browser=open_browser,
            first_page=first,
            on_start=lambda: _invite(first),
        )


def _invite(url: str) -> None:
    if url:
        errors.print(
            "nobody can sign in yet. The first administrator chooses a password here, once, "
            f"within a day:\n  {shown(url)}",
            highlight=False,
            soft_wrap=True,
        )


def listen(host: str, port: int, *, or_any_port: bool = False) -> socket.socket:
    """
    Take a port.

    Args:
        host: Address.
        port: 0 picks a free one.
        or_any_port: Take a free one when ``port`` is taken.

    Raises:
        SettingsError: It is taken, or the address is not this machine's.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            listener.bind((host, port))
        except OSError:
            if not or_any_port:
                raise
            listener.bind((host, 0))
        listener.listen(_BACKLOG)
    except OSError as e:  # gaierror, when the host is no address, is one too
        listener.close()
        raise SettingsError(
            f"port {port} on {host} cannot be listened on: {e.strerror}. "
            "Choose another with --port, or --port 0 for any free one"
        ) from e
    return listener


def url_of(listener: socket.socket) -> str:
    """Give the address a browser opens."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(
    app: Any,
    listener: socket.socket,
    *,
    open_browser: bool = False,
    first_page: str = "",
    on_start: Callable[[], None] = lambda: None,
) -> None:
    """
    Serve until stopped.

    Args:
        app: The ASGI app.
        listener: What it listens on.
        open_browser: Open the first page in the user's browser.
        first_page: Another one than the list.
        on_start: Called before serving begins.
    """
    url = url_of(listener)
    errors.print(f"replayport is at [bold]{url}[/bold]  (Ctrl-C stops it)")
    on_start()
    if open_browser:
        webbrowser.open(first_page or url)
    allow_many_connections()
    server_of(app).run(sockets=[listener])


def server_of(app: Any) -> uvicorn.Server:
    """Make the HTTP server of an app; clients that hang do not hold it up when it stops."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=PatientProtocol,
            lifespan="on",
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=STOP_WAIT_S,
        )
    )
