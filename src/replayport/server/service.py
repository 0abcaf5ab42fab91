"""
Everything `replayport serve` runs, put together: capture, sealing, and the pages.

```
service()
├── inbox, sealer              <archive>/inbox, or a folder of its own
├── accounts                   users, tokens, links
├── indexer                    makes recordings found by what was clicked
├── webhook                    told of what was sealed, when there is one
├── housekeeper                erasures in the inbox, and retention
└── app
    ├── capture_app            what posthog-js asks, with or without a tee
    └── fallback               pages and API
        └── /shop              the demo's shop, when it is the demo
```
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from replayport.annotations import AnnotationStore
from replayport.archive import Archive, cache_folder
from replayport.audit import AuditLog
from replayport.capture.erase import UnsealedHere
from replayport.capture.inbox import Inbox
from replayport.capture.outbox import Outbox
from replayport.capture.projects import Projects
from replayport.capture.routes import CaptureApp, capture_app
from replayport.capture.seal import Sealer
from replayport.capture.tee import Tee
from replayport.capture.webhook import Webhook
from replayport.catalog.accounts import ACCOUNTS_FILE, Accounts
from replayport.errors import SettingsError
from replayport.recording import Manifest
from replayport.server.app import make_app
from replayport.server.auth import Access
from replayport.server.housekeeping import Housekeeper
from replayport.server.indexer import Indexer
from replayport.server.live import LiveRecordings
from replayport.server.services import Services
from replayport.settings import Settings
from replayport.share.links import Sharing
from replayport.signing import Signer, signing_key

SHOP_PATH: Final = "/shop"
OUTBOX_FILE: Final = "outbox.sqlite"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Service:
    """What runs while a server runs."""

    app: CaptureApp
    inbox: Inbox
    sealer: Sealer
    tee: Tee | None
    access: Access | None
    """None without sign-in."""
    webhook: Webhook | None


@contextmanager
def service(
    archive: Archive,
    settings: Settings,
    projects: Projects,
    *,
    sign_in: bool = True,
    on_loopback: bool = True,
    shop: ASGIApp | None = None,
) -> Iterator[Service]:
    """
    Open the inbox, begin to seal, and make the app.

    Args:
        archive: Where recordings go; stays the caller's to close.
        settings: `inbox`, `seal_idle_s`, `tee` and the others of capture; `accounts_url`,
            `public_url`, `webhook_url` and the others of pages and API.
        projects: Whose tokens are taken.
        sign_in: Ask who it is. Without, whoever reaches it may do everything, so it must be
            reached from this machine only.
        on_loopback: It is reached from this machine only. Otherwise any IP address is answered.
        shop: The demo's shop, mounted at `SHOP_PATH`.

    Raises:
        StoreError: The inbox cannot be opened, or another process has it.
        SettingsError: A value of the tee or the webhook cannot be used.
        ValueError: Without sign-in and not on loopback.
    """
    if not (sign_in or on_loopback):
        raise ValueError("without sign-in pages are for this machine only")
    folder = inbox_folder(archive, settings["inbox"])
    with ExitStack() as stack:
        inbox = Inbox.open(folder, max_inbox_bytes=settings["inbox_max_bytes"])
        stack.callback(inbox.close)
        accounts = stack.enter_context(Accounts.open(accounts_url(archive, settings)))
        annotations = AnnotationStore(archive)
        webhook = None
        if settings["webhook_url"]:
            webhook = Webhook(
                accounts,
                settings["webhook_url"],
                secret=settings["webhook_secret"],
                allow_private=settings["webhook_allow_private"],
                public_url=settings["public_url"],
            )

        def on_sealed(project: str, recording_id: str) -> None:
            annotations.apply(project, recording_id)
            if webhook is not None:
                webhook.sealed(_manifest(archive, project, recording_id))

        sealer = Sealer(
            inbox,
            archive,
            idle_s=settings["seal_idle_s"],
            max_age_s=settings["seal_max_age_s"],
            ended_s=min(15.0, settings["seal_idle_s"]),
            max_recording_bytes=settings["max_recording_bytes"],
            on_sealed=on_sealed,
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
        access = Access(accounts)
        services = Services(
            archive=archive,
            annotations=annotations,
            audit=AuditLog(archive),
            settings=settings,
            access=access if sign_in else None,
            accounts=accounts,
            sharing=Sharing(
                accounts,
                hash_password=access.passwords.hash_any,
                check_password=access.passwords.verify,
            ),
            live=LiveRecordings(inbox, sealer),
            projects=projects,
            inbox=inbox,
            shop_path=f"{SHOP_PATH}/" if shop is not None else "",
        )
        fallback = make_app(
            archive,
            services=services,
            allowed_hosts=(*LOOPBACK, *own_hosts(settings)),
            any_address=not on_loopback,
        )
        if shop is not None:
            fallback = Starlette(routes=[Mount(SHOP_PATH, shop), Mount("/", fallback)])
        app = capture_app(
            inbox, projects, prefix=settings["capture_prefix"], tee=tee, fallback=fallback
        )
        if webhook is not None:
            stack.enter_context(webhook)
        stack.enter_context(Indexer(archive))
        housekeeper = Housekeeper(
            archive,
            UnsealedHere(inbox, outbox),
            signer=_signer(settings, projects),
            retention_days={p.name: p.retention_days for p in projects.all()},
            retention_every_h=settings["retention_every_h"],
        )
        housekeeper.start()
        stack.callback(housekeeper.stop)
        stack.enter_context(sealer)
        yield Service(app, inbox, sealer, tee, access if sign_in else None, webhook)


def _manifest(archive: Archive, project: str, recording_id: str) -> Manifest:
    return archive.recording(f"{project}/{recording_id}").manifest


def _signer(settings: Settings, projects: Projects) -> Signer | None:
    """Give the installation's key, if retention is going to need it."""
    if not settings["retention_every_h"] or not any(p.retention_days for p in projects.all()):
        return None
    return Signer.load(signing_key(settings["signing_key"]))


def own_hosts(settings: Settings) -> list[str]:
    """Give the host names of this server that its settings name."""
    hosts = [h.strip() for h in str(settings["allowed_hosts"]).split(",") if h.strip()]
    if settings["public_url"]:
        named = urlsplit(str(settings["public_url"]))
        if named.scheme not in ("http", "https") or not named.hostname or named.query:
            raise SettingsError(
                "public_url is not an address. Write https://replay.example.com (from settings)"
            )
        hosts.append(named.hostname)
    return hosts


def accounts_url(archive: Archive, settings: Settings) -> str:
    """
    Say where an archive's users, tokens and links are.

    Args:
        archive: The archive.
        settings: `accounts_url`; when empty, the catalog's PostgreSQL database, else a
            SQLite file in a local archive, else one in the user's data folder: not in the cache
            folder, for nothing makes it again.
    """
    if settings["accounts_url"]:
        return str(settings["accounts_url"])
    if str(settings["catalog_url"]).startswith("postgres"):
        return str(settings["catalog_url"])
    local = archive.store.local_path(f"server/{ACCOUNTS_FILE}")
    if local is not None:
        return str(local)
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(base) / "replayport" / archive.archive_id / ACCOUNTS_FILE)


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
