"""
Projects: whose token a request carries, and how that project's visitors are recorded.

Kept in the settings file, one table a project::

    [projects.shop]
    tokens = ["phc_shop_web", "phc_shop_app"]
    retention_days = 90

    [projects.shop.recording]
    sample_rate = 0.5
    mask_text_selector = ".customer"

Everything has a default (`Project`, `RecordingSettings`). Without any such table the
server takes every well-formed token into a project named after it, so that trying it
out needs no configuration; with one, tokens that no project lists are refused.
"""

from __future__ import annotations

import difflib
import logging
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from replayport.errors import SettingsError, SourceDataError
from replayport.posthog.wire import valid_token
from replayport.settings import CONFIG_FILE

TABLE: Final = "projects"

MAX_CANVAS_FPS: Final = 12
"""What posthog-js clamps it to."""

MAX_ANNOUNCED: Final = 1000
"""New names said in the log when every token is taken; anybody can make up more."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_OPEN_TOKEN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_log: Final = logging.getLogger("replayport.capture")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSettings:
    """
    How a project's visitors are recorded; what posthog-js gets as its remote config.

    A page can set most of these in its own ``posthog.init``; what it sets wins there.
    """

    enabled: bool = True
    """False: the SDK is told not to record, and recordings are refused."""
    sample_rate: float = 1.0
    """Share of sessions recorded, 0..1."""
    minimum_duration_ms: int = 0
    """Shorter visits are not sent."""
    mask_inputs: bool = True
    """What is typed is recorded as asterisks."""
    mask_text_selector: str = ""
    """CSS selector of elements whose text is recorded as asterisks; ``*`` for all."""
    block_selector: str = ""
    """CSS selector of elements recorded as an empty box."""
    mask_attributes: bool = False
    """Attributes of elements (``title``, ``alt``, ``aria-label`` …) are masked as well."""
    console: bool = True
    """Console messages."""
    network: bool = True
    """Addresses and times of the page's requests."""
    network_headers: bool = False
    network_bodies: bool = False
    """Headers and bodies of the page's own fetch and XHR."""
    canvas_fps: int = 0
    """Pictures a second taken of canvases, 0 to 12; 0 leaves them out."""
    canvas_quality: float = 0.4
    """Of those pictures, 0..1."""
    url_triggers: tuple[str, ...] = ()
    """Regular expressions (JavaScript's): recording starts on a matching address."""
    url_blocklist: tuple[str, ...] = ()
    """Regular expressions (JavaScript's): recording pauses on a matching address."""
    event_triggers: tuple[str, ...] = ()
    """Names of events: recording starts when the page captures one."""
    trigger_match: Literal["any", "all"] = "all"
    """How sampling and triggers combine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project."""

    name: str
    """Folder in the archive."""
    tokens: tuple[str, ...] = ()
    """Public keys of its pages. Empty: nothing is captured into it."""
    retention_days: int = 0
    """Recordings older than this are removed by ``retention``; 0 keeps them."""
    autocapture: bool = False
    """Let the SDK send an analytics event a click. Off: the recording has the click, and
    such events carry the element's text, which masking does not reach."""
    recording: RecordingSettings = field(default_factory=RecordingSettings)


class Projects:
    """
    All projects, and which token belongs to which.

    Args:
        configured: The projects of the settings file. None, as opposed to empty, takes
            every well-formed token into a project named after it.
        log: Where a new name is announced.
    """

    def __init__(
        self,
        configured: Mapping[str, Project] | None = None,
        *,
        log: logging.Logger = _log,
    ) -> None:
        self.configured = None if configured is None else dict(configured)
        self._by_token = {
            token: project for project in (configured or {}).values() for token in project.tokens
        }
        self._announced: dict[str, Project] = {}
        self._log = log

    @property
    def takes_any_token(self) -> bool:
        """Whether no project is configured."""
        return self.configured is None

    def of_token(self, token: str) -> Project | None:
        """
        Give the project of a token.

        Args:
            token: As sent.

        Returns:
            None when the token is malformed or belongs to no project.
        """
        found = self._by_token.get(token) or self._announced.get(token)
        if found is not None or self.configured is not None:
            return found
        try:
            if not _OPEN_TOKEN.fullmatch(valid_token(token)):
                return None
        except SourceDataError:
            return None
        project = Project(name=token, tokens=(token,))
        if len(self._announced) < MAX_ANNOUNCED:
            self._announced[token] = project
            self._log.warning(
                "recording into the new project %s, because no projects are configured and "
                "every token is taken. To accept only your own, add a table "
                '[projects.<name>] with tokens = ["…"] to %s',
                token,
                CONFIG_FILE,
            )
        return project

    def names(self) -> list[str]:
        """Give the projects known of: configured ones, or those whose token came by."""
        return sorted(
            {p.name for p in (*(self.configured or {}).values(), *self._announced.values())}
        )

    def all(self) -> list[Project]:
        """Give the configured projects; none when every token is taken."""
        return list((self.configured or {}).values())

    def named(self, name: str) -> Project:
        """Give a project by name, with defaults when it is not configured."""
        return (self.configured or {}).get(name) or Project(name=name)


def load_projects(
    *, env: Mapping[str, str] = os.environ, folder: Path = Path(), log: logging.Logger = _log
) -> Projects:
    """
    Read the projects of the settings file.

    Args:
        env: The environment; ``REPLAYPORT_CONFIG`` names the file.
        folder: Where ``replayport.toml`` is looked for otherwise.
        log: For `Projects`.

    Raises:
        SettingsError: A value that cannot be used; the message names its key.
    """
    named = env.get("REPLAYPORT_CONFIG")
    path = Path(named) if named else folder / CONFIG_FILE
    if not named and not path.is_file():
        return Projects(log=log)
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as e:
        raise SettingsError(f"the settings file cannot be read: {e.strerror} ({path})") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise SettingsError(f"{path} does not parse as TOML: {e}") from e
    if TABLE not in tables:
        return Projects(log=log)
    return Projects(parse_projects(tables[TABLE], origin=str(path)), log=log)


def parse_projects(table: Any, *, origin: str) -> dict[str, Project]:
    """
    Check the table ``[projects]``.

    Args:
        table: As TOML gives it.
        origin: Where it came from, for messages.

    Returns:
        The projects by name.

    Raises:
        SettingsError: A value that cannot be used; the message names its key.
    """
    if not isinstance(table, dict):
        raise SettingsError(
            f"{TABLE} is no table (from {origin}). Each project is one of its own: "
            "[projects.<name>]"
        )
    projects: dict[str, Project] = {}
    owners: dict[str, str] = {}
    for name, values in table.items():
        key = f"{TABLE}.{name}"
        if not _NAME.fullmatch(name) or ".." in name:
            raise SettingsError(
                f"{key} cannot name a project (from {origin}). A name becomes a folder: letters, "
                "digits, '_', '-' and '.', beginning with a letter or digit, at most 100"
            )
        project = _Table(values, key, origin).project(name)
        for token in project.tokens:
            if token in owners:
                raise SettingsError(
                    f"{key}.tokens lists a token that {TABLE}.{owners[token]} has too (from "
                    f"{origin}). A token belongs to one project. Take it out of one"
                )
            owners[token] = name
        projects[name] = project
    return projects


class _Table:
    """One TOML table being read; complains by the full name of a key."""

    def __init__(self, values: Any, key: str, origin: str) -> None:
        self._key = key
        self._origin = origin
        if not isinstance(values, dict):
            raise self._wrong(key, "is no table")
        self._values = values

    def project(self, name: str) -> Project:
        self._only(Project, without={"name"})
        recording = self._values.get("recording", {})
        return Project(
            name=name,
            tokens=self._tokens(),
            retention_days=self._whole("retention_days", 0, 36_500),
            autocapture=self._switch("autocapture", default=False),
            recording=_Table(recording, f"{self._key}.recording", self._origin).recording(),
        )

    def recording(self) -> RecordingSettings:
        self._only(RecordingSettings)
        usual = RecordingSettings()
        match = self._values.get("trigger_match", usual.trigger_match)
        if match not in ("any", "all"):
            raise self._wrong("trigger_match", 'is neither "any" nor "all"')
        return RecordingSettings(
            enabled=self._switch("enabled", default=usual.enabled),
            sample_rate=self._share("sample_rate", usual.sample_rate),
            minimum_duration_ms=self._whole("minimum_duration_ms", 0, 3_600_000),
            mask_inputs=self._switch("mask_inputs", default=usual.mask_inputs),
            mask_text_selector=self._text("mask_text_selector"),
            block_selector=self._text("block_selector"),
            mask_attributes=self._switch("mask_attributes", default=usual.mask_attributes),
            console=self._switch("console", default=usual.console),
            network=self._switch("network", default=usual.network),
            network_headers=self._switch("network_headers", default=usual.network_headers),
            network_bodies=self._switch("network_bodies", default=usual.network_bodies),
            canvas_fps=self._whole("canvas_fps", usual.canvas_fps, MAX_CANVAS_FPS),
            canvas_quality=self._share("canvas_quality", usual.canvas_quality),
            url_triggers=self._texts("url_triggers"),
            url_blocklist=self._texts("url_blocklist"),
            event_triggers=self._texts("event_triggers"),
            trigger_match="any" if match == "any" else "all",
        )

    def _only(
        self, kind: type[Project | RecordingSettings], without: set[str] | None = None
    ) -> None:
        known = {f.name for f in fields(kind)} - (without or set())
        for name in self._values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"There are: {sorted(known)}"
                raise self._wrong(name, f"is not a setting of a project. {hint}")

    def _tokens(self) -> tuple[str, ...]:
        tokens = self._texts("tokens")
        for token in tokens:
            try:
                if valid_token(token) != token:
                    raise self._wrong("tokens", "has a token with space around it")
            except SourceDataError as e:
                # The value is not shown: it may be a personal API key put here by mistake.
                raise self._wrong(
                    "tokens",
                    "has an entry that is no project token: at most 64 ASCII characters, and not "
                    "a personal API key (phx_…)",
                ) from e
        return tokens

    def _switch(self, name: str, *, default: bool) -> bool:
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "is neither true nor false")
        return value

    def _whole(self, name: str, default: int, largest: int) -> int:
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
            raise self._wrong(name, f"is not a whole number from 0 to {largest:,}")
        return value

    def _share(self, name: str, default: float) -> float:
        value = self._values.get(name, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or not 0 <= value <= 1
        ):
            raise self._wrong(name, "is not a number from 0 to 1")
        return float(value)

    def _text(self, name: str) -> str:
        value = self._values.get(name, "")
        if not isinstance(value, str):
            raise self._wrong(name, "is not text")
        return value

    def _texts(self, name: str) -> tuple[str, ...]:
        value = self._values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self._wrong(name, "is not a list of texts")
        return tuple(value)

    def _wrong(self, name: str, what: str) -> SettingsError:
        key = name if name == self._key else f"{self._key}.{name}"
        return SettingsError(f"{key} {what} (from {self._origin})")
