"""
Everything `replayport serve` runs, put together: capture, sealing, and the pages.

```
service()
├── inbox, sealer              <archive>/inbox, or a folder of its own
├── housekeeper                erasures in the inbox, and retention
└── app
    ├── capture_app            what posthog-js asks, with or without a tee
    └── fallback               the pages, on the loopback interface only
        └── /shop              the demo's shop, when it is the demo
```
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from replayport.archive import Archive, cache_folder
from replayport.capture.erase import UnsealedHere
from replayport.capture.inbox import Inbox
from replayport.capture.outbox import Outbox
from replayport.capture.projects import Projects
from replayport.capture.routes import CaptureApp, capture_app
from replayport.capture.seal import Sealer
from replayport.capture.tee import Tee
from replayport.server.app import make_app
from replayport.server.housekeeping import Housekeeper
from replayport.server.live import LiveRecordings
from replayport.settings import Settings
from replayport.signing import Signer, signing_key

SHOP_PATH: Final = "/shop"
OUTBOX_FILE: Final = "outbox.sqlite"


@dataclass(frozen=True, slots=True)
class Service:
    """What runs while a server runs."""

    app: CaptureApp
    inbox: Inbox
    sealer: Sealer
    tee: Tee | None


@contextmanager
def service(
    archive: Archive,
    settings: Settings,
    projects: Projects,
    *,
    pages_for: tuple[str, ...] | None = ("127.0.0.1", "localhost", "::1"),
    shop: ASGIApp | None = None,
) -> Iterator[Service]:
    """
    Open the inbox, begin to seal, and make the app.

    Args:
        archive: Where recordings go; stays the caller's to close.
        settings: `inbox`, `seal_idle_s`, `tee` and the others of capture.
        projects: Whose tokens are taken.
        pages_for: Host header values the pages are shown to. None: no pages, as on an
            address that others reach: they have no sign-in.
        shop: The demo's shop, mounted at `SHOP_PATH`.

    Raises:
        StoreError: The inbox cannot be opened, or another process has it.
        SettingsError: A value of the tee cannot be used.
    """
    folder = inbox_folder(archive, settings["inbox"])
    inbox = Inbox.open(folder, max_inbox_bytes=settings["inbox_max_bytes"])
    try:
        sealer = Sealer(
            inbox,
            archive,
            idle_s=settings["seal_idle_s"],
            max_age_s=settings["seal_max_age_s"],
            ended_s=min(15.0, settings["seal_idle_s"]),
            max_recording_bytes=settings["max_recording_bytes"],
        )
        tee = outbox = None
        if settings["tee"]:
            outbox = Outbox(folder / OUTBOX_FILE, max_bytes=settings["tee_queue_max_bytes"])
            tee = Tee(
                settings["tee"],
                outbox=outbox,
                assets_url=settings["tee_assets"],
                client_ip=settings["tee_client_ip"],
                timeout_s=settings["tee_timeout_s"],
            )
        fallback: ASGIApp | None = None
        if pages_for is not None:
            fallback = make_app(
                archive,
                live=LiveRecordings(inbox, sealer),
                allowed_hosts=pages_for,
                shop_path=f"{SHOP_PATH}/" if shop is not None else "",
            )
        if shop is not None and fallback is not None:
            fallback = Starlette(routes=[Mount(SHOP_PATH, shop), Mount("/", fallback)])
        app = capture_app(
            inbox, projects, prefix=settings["capture_prefix"], tee=tee, fallback=fallback
        )
        housekeeper = Housekeeper(
            archive,
            UnsealedHere(inbox, outbox),
            signer=_signer(settings, projects),
            retention_days={p.name: p.retention_days for p in projects.all()},
            retention_every_h=settings["retention_every_h"],
        )
        housekeeper.start()
        try:
            with sealer:
                yield Service(app, inbox, sealer, tee)
        finally:
            housekeeper.stop()
    finally:
        inbox.close()


def _signer(settings: Settings, projects: Projects) -> Signer | None:
    """Give the installation's key, if retention is going to need it."""
    if not settings["retention_every_h"] or not any(p.retention_days for p in projects.all()):
        return None
    return Signer.load(signing_key(settings["signing_key"]))


def inbox_folder(archive: Archive, chosen: str) -> Path:
    """
    Say where an archive's inbox is.

    Args:
        archive: The archive.
        chosen: Setting `inbox`; empty means ``inbox/`` beside a local archive's files,
            else a folder in the user's cache: SQLite needs a local disk.
    """
    if chosen:
        return Path(chosen)
    local = archive.store.local_path("inbox/inbox.sqlite")
    if local is not None:
        return local.parent
    return cache_folder() / archive.archive_id / "inbox"
