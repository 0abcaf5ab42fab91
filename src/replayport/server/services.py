"""What routes work with, and the few things many of them do."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from starlette.requests import Request

from replayport.annotations import AnnotationStore
from replayport.archive import Archive
from replayport.audit import AuditLog
from replayport.capture.inbox import Inbox
from replayport.capture.projects import Projects
from replayport.catalog.accounts import Accounts
from replayport.catalog.base import PageKey
from replayport.errors import RecordingNotFoundError
from replayport.feeds import Feeds
from replayport.format.reader import Recording
from replayport.recording import safe_project
from replayport.server.auth import Access, Identity, Throttle
from replayport.server.envelope import ApiError
from replayport.server.live import LiveRecordings
from replayport.settings import Settings, load_settings
from replayport.share.links import Sharing

VIEW_AGAIN_S: Final = 600.0
"""Opening the same recording again within this time is the same viewing."""

_KEPT_FEEDS: Final = 4
_MAX_VIEWINGS: Final = 10_000


@dataclass(slots=True)
class Services:
    """What a server has."""

    archive: Archive
    annotations: AnnotationStore
    audit: AuditLog
    settings: Settings
    access: Access | None = None
    """None: no sign-in, whoever asks may do everything."""
    accounts: Accounts | None = None
    """None where nothing is remembered: no tokens, no links."""
    sharing: Sharing | None = None
    live: LiveRecordings | None = None
    """None: sealed recordings only."""
    projects: Projects | None = None
    """None: nothing is captured here."""
    inbox: Inbox | None = None
    shop_path: str = ""
    share_throttle: Throttle = field(default_factory=Throttle)
    """Of passwords of shared recordings."""
    clock_s: Callable[[], float] = time.monotonic
    _viewings: OrderedDict[tuple[str, str], float] = field(default_factory=OrderedDict)
    _feeds: OrderedDict[tuple[str, str, str], Feeds] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def recording(
        self, identity: Identity, project: str, recording_id: str, *, events: str = ""
    ) -> Recording:
        """
        Give a recording: the sealed one, else what has come so far of a live one.

        Args:
            identity: Who asks.
            project: Its project.
            recording_id: Its id.
            events: Of a live one, the version that had so many events; empty for the newest.

        Raises:
            RecordingNotFoundError: There is none, or it is not theirs to see.
        """
        if not identity.sees(project):
            raise RecordingNotFoundError("no such recording")
        if self.live is not None and events.isascii() and events.isdecimal():
            version = self.live.version(project, recording_id, int(events[:12]))
            if version is not None:
                return version
        try:
            return self.archive.recording(f"{project}/{recording_id}")
        except RecordingNotFoundError:
            if self.live is None:
                raise
            live = self.live.recording(project, recording_id)
            # Between the two looks it may have been sealed; then it is in the archive by now.
            return live or self.archive.recording(f"{project}/{recording_id}")

    def feeds(self, recording: Recording) -> Feeds:
        """Give a recording's feeds, kept for whoever turns their pages."""
        manifest = recording.manifest
        info = manifest.files.get("events.parquet")
        key = (manifest.project, manifest.id, info.sha256 if info else "")
        with self._lock:
            found = self._feeds.pop(key, None) or Feeds(recording)
            self._feeds[key] = found
            if len(self._feeds) > _KEPT_FEEDS:
                self._feeds.popitem(last=False)
        return found

    def viewed(self, identity: Identity, recording: Recording, *, how: str = "player") -> None:
        """Write into the audit log that somebody looks at a recording, once a viewing."""
        manifest = recording.manifest
        target = f"recording:{manifest.project}/{manifest.id}"
        if self.first_viewing(identity.actor, target):
            self.audit.append(
                "recording.view", actor=identity.actor, target=target, detail={"how": how}
            )

    def first_viewing(self, actor: str, target: str) -> bool:
        """Tell whether somebody has not looked at something for a while, and note that they do."""
        now = self.clock_s()
        with self._lock:
            before = self._viewings.pop((actor, target), None)
            self._viewings[actor, target] = now if before is None else before
            if len(self._viewings) > _MAX_VIEWINGS:
                self._viewings.popitem(last=False)
            if before is not None and now - before < VIEW_AGAIN_S:
                return False
            self._viewings[actor, target] = now
        return True

    def project_names(self, identity: Identity) -> list[str]:
        """Give the projects somebody sees: configured, captured into, or with recordings."""
        names = set(self.archive.catalog.projects())
        if self.projects is not None:
            names |= {safe_project(name) for name in self.projects.names()}
        return sorted(name for name in names if identity.sees(name))

    @property
    def public_url(self) -> str:
        """Where browsers reach this server; empty when nobody said."""
        return str(self.settings["public_url"]).rstrip("/")

    def base_url(self, request: Request) -> str:
        """Give the address links begin with; the Host was checked."""
        return self.public_url or f"{request.url.scheme}://{request.headers['host']}"


def project_number(name: str) -> int:
    """Give the number a project has for PostHog's clients: always the same, made of its name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1


def services_of(request: Request) -> Services:
    """Give the services of the app a request came to."""
    found: Services = request.app.state.services
    return found


def default_settings() -> Settings:
    """Give the settings as they are when nobody says anything."""
    return load_settings(env={})


def read_cursor(text: str) -> PageKey:
    """
    Read a place in a list, which comes from whoever made the link.

    Raises:
        ApiError: 400, it is none this server gave.
    """
    try:
        value, project, recording_id = msgspec.json.decode(text, type=tuple[float, str, str])
        if not -(2.0**63) <= value < 2.0**63:
            raise ValueError("no place")
    except (ValueError, RecursionError) as e:
        raise ApiError("invalid_cursor", "`after` is not a cursor this server gave") from e
    return (int(value) if value == int(value) else value), project, recording_id


def write_cursor(key: PageKey) -> str:
    """Write a place in a list."""
    return msgspec.json.encode(key).decode()


def need(found: Any, what: str) -> Any:
    """
    Give what a server has.

    Raises:
        ApiError: 404, this one has not.
    """
    if found is None:
        raise ApiError("not_found", f"this server has no {what}")
    return found
