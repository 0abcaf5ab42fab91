"""
Settings: one name each, one table, and where each value came from.

The same name everywhere: option ``--http-timeout-s`` where a command has it, variable
``REPLAYPORT_HTTP_TIMEOUT_S``, line ``http_timeout_s = 5`` in ``replayport.toml``. Precedence: option, environment, file
(``$REPLAYPORT_CONFIG``, else ``./replayport.toml``), default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from replayport.errors import SettingsError
from replayport.limits import MAX_RECORDING_BYTES

CONFIG_FILE: Final = "replayport.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table."""

    name: str
    type: type[str | int | float | bool]
    default: Any
    unit: str
    """Empty for names, URLs and switches."""
    help: str
    secret: bool = False
    """Never printed."""
    largest: int = 2**63 - 1
    """Of a number; the smallest is 0."""

    @property
    def env(self) -> str:
        """Its environment variable."""
        return _OWN_ENV.get(self.name, f"REPLAYPORT_{self.name.upper()}")

    @property
    def option(self) -> str:
        """Its command-line option."""
        return "--" + self.name.replace("_", "-")


_OWN_ENV: Final = {"posthog_api_key": "POSTHOG_API_KEY"}
"""Names that are older than replayport."""

SETTINGS: Final[dict[str, Setting]] = {
    s.name: s
    for s in (
        Setting("archive", str, "./replays", "", "Where recordings live: a folder or a store URL."),
        Setting(
            "catalog_url",
            str,
            "",
            "",
            "Index over the archive; empty means SQLite in a local archive, else in the cache "
            "folder. postgresql:// for PostgreSQL.",
        ),
        Setting(
            "max_recording_bytes",
            int,
            MAX_RECORDING_BYTES,
            "bytes",
            "Largest decoded recording; a larger one is rejected as too_large.",
        ),
        Setting("posthog_api_key", str, "", "", "Personal API key (phx_…).", secret=True),
        Setting(
            "posthog_plan",
            str,
            "free",
            "",
            "PostHog plan whose rate limits apply: free, paid, enterprise.",
        ),
        Setting(
            "clickhouse_password",
            str,
            "",
            "",
            "Password of `pull bucket --clickhouse`.",
            secret=True,
        ),
        Setting("http_timeout_s", float, 60.0, "seconds", "Longest silence of a source."),
        Setting(
            "max_wait_s",
            float,
            3900.0,
            "seconds",
            "Longest wait for a source's rate limit before the run stops (resumable).",
        ),
        Setting(
            "inbox",
            str,
            "",
            "",
            "Folder on a local disk where `serve` keeps what it received until it is sealed; "
            "empty means inbox/ in a local archive, else in the cache folder.",
        ),
        Setting("inbox_max_bytes", int, 20 * 2**30, "bytes", "Largest inbox; then 503, retried."),
        Setting(
            "seal_idle_s",
            float,
            1800.0,
            "seconds",
            "A session is sealed into the archive after so long without data.",
        ),
        Setting(
            "seal_max_age_s",
            float,
            86_400.0,
            "seconds",
            "A session is sealed at the latest after so long.",
        ),
        Setting(
            "capture_prefix", str, "", "", "Path the SDK is also answered under, such as /ingest."
        ),
        Setting(
            "tee",
            str,
            "",
            "",
            "PostHog that gets everything too, such as https://us.i.posthog.com.",
        ),
        Setting(
            "tee_assets", str, "", "", "Its host for /static/ and /array/; found out for Cloud."
        ),
        Setting(
            "tee_client_ip",
            str,
            "forward",
            "",
            "Whether PostHog learns visitors' addresses: forward or drop.",
        ),
        Setting("tee_timeout_s", float, 10.0, "seconds", "Longest wait for PostHog's answer."),
        Setting(
            "tee_queue_max_bytes",
            int,
            2**30,
            "bytes",
            "What may wait on disk for PostHog during an outage.",
        ),
        Setting(
            "freeze_allow_private",
            bool,
            False,
            "",
            "Whether `freeze` may fetch from private addresses, such as an intranet's.",
        ),
        Setting("freeze_assets", int, 300, "assets", "Most assets frozen for a recording."),
        Setting("freeze_asset_bytes", int, 20 * 2**20, "bytes", "Largest frozen asset."),
        Setting("freeze_bytes", int, 200 * 2**20, "bytes", "Most frozen for a recording."),
        Setting("freeze_timeout_s", float, 20.0, "seconds", "Longest an asset may take."),
        Setting("freeze_time_s", float, 600.0, "seconds", "Longest a recording may take."),
        Setting(
            "encryption_key_ring",
            str,
            "",
            "",
            "Folder or store URL with the keys of an encrypted archive, outside the archive; empty "
            "for one that is not encrypted.",
        ),
        Setting(
            "signing_key",
            str,
            "",
            "",
            "PEM file of the Ed25519 key that signs erasure receipts; empty means "
            "replayport/signing-key.pem in the user's config folder, made when needed.",
        ),
        Setting(
            "retention_every_h",
            float,
            24.0,
            "hours",
            "How often `serve` removes what is past its project's retention; 0 never does.",
        ),
        Setting(
            "accounts_url",
            str,
            "",
            "",
            "Where `serve` keeps users, tokens and links: a SQLite path or postgresql://; empty "
            "means server/accounts.sqlite in a local archive, the catalog's PostgreSQL database, "
            "or the user's data folder.",
        ),
        Setting(
            "public_url",
            str,
            "",
            "",
            "Address browsers reach `serve` at, such as https://replay.example.com; links begin "
            "with it.",
        ),
        Setting(
            "allowed_hosts",
            str,
            "",
            "",
            "Further host names `serve` answers for, with commas between; those of public_url and "
            "this machine's loopback always.",
        ),
        Setting(
            "embed_origins",
            str,
            "*",
            "",
            "Sites whose pages may hold a shared recording in a frame, with commas between; * is "
            "any. A link can have its own.",
        ),
        Setting(
            "viewers_may_share",
            bool,
            False,
            "",
            "Whether viewers, not only administrators, may make links.",
        ),
        Setting(
            "support_links",
            str,
            "",
            "",
            "Template of what a support tool is told, with {{replay_url}}, {{session_id}}, "
            "{{time}}; see the how-to of support tools.",
        ),
        Setting("webhook_url", str, "", "", "Told of every recording sealed."),
        Setting("webhook_secret", str, "", "", "Signs what the webhook is told.", secret=True),
        Setting(
            "webhook_allow_private",
            bool,
            False,
            "",
            "Whether the webhook may go to a private address, such as an intranet's.",
        ),
        Setting(
            "workers", int, 0, "processes", "That build datasets; 0 means one a core.", largest=1024
        ),
        Setting(
            "redact_profile",
            str,
            "off",
            "",
            "Redaction before storing, at capture, pull and import: a profile or its file; off "
            "stores what was sent.",
        ),
        Setting(
            "export_profile",
            str,
            "secrets",
            "",
            "Redaction of what leaves by `export` when it finds something: a profile or its file; "
            "off lets everything out.",
        ),
        Setting(
            "share_profile",
            str,
            "default",
            "",
            "Redaction of what links and embeds show: a profile or its file; off shows everything.",
        ),
        Setting("host", str, "127.0.0.1", "", "Address `serve` listens on."),
        Setting(
            "port", int, 8470, "", "Port `serve` listens on; 0 picks a free one.", largest=65_535
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and where it came from."""

    setting: Setting
    value: Any
    origin: str
    """``option``, ``environment variable …``, ``file …``, or ``default``."""


class Settings:
    """All settings resolved; ``settings["name"]`` gives a value."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self.values[name].value


def load_settings(
    options: Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] = os.environ,
    folder: Path = Path(),
) -> Settings:
    """
    Resolve every setting.

    Args:
        options: Values given on the command line; None stands for not given.
        env: The environment.
        folder: Where ``replayport.toml`` is looked for.

    Raises:
        SettingsError: A value that does not fit, or an unknown name in the file.
    """
    named = env.get("REPLAYPORT_CONFIG")
    path = Path(named) if named else folder / CONFIG_FILE
    from_file: dict[str, Any] = {}
    if named or path.is_file():
        try:
            from_file = tomllib.loads(path.read_text("utf-8"))
        except OSError as e:
            wanted = " that REPLAYPORT_CONFIG names" if named else ""
            raise SettingsError(
                f"the settings file{wanted} cannot be read: {e.strerror} ({path})"
            ) from e
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise SettingsError(f"{path} does not parse as TOML: {e}") from e
        for name, value in from_file.items():
            if name not in SETTINGS and not isinstance(value, dict):
                raise SettingsError(
                    f"{path} sets {name!r}, which is not a setting. {_near(name)}"
                    "See: replayport settings"
                )
    values = {}
    for name, setting in SETTINGS.items():
        option = (options or {}).get(name)
        if option is not None:
            values[name] = Value(setting, _fit(setting, option, "option"), "option")
        elif env.get(setting.env):
            origin = f"environment variable {setting.env}"
            values[name] = Value(setting, _fit(setting, env[setting.env], origin), origin)
        elif name in from_file:
            origin = f"file {path}"
            values[name] = Value(setting, _fit(setting, from_file[name], origin), origin)
        else:
            values[name] = Value(setting, setting.default, "default")
    return Settings(values)


def _fit(setting: Setting, value: Any, origin: str) -> Any:
    try:
        if setting.type is bool:
            if isinstance(value, bool):
                return value
            words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
            return words[str(value).lower()]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("neither text nor number")
        if setting.type is str:
            return str(value)
        number = int(value) if setting.type is int else float(value)
        if setting.type is int and isinstance(value, float) and number != value:
            raise ValueError("not whole")
        if not 0 <= number <= setting.largest:  # NaN is not in it
            raise ValueError("out of range")
        return number
    except (ValueError, KeyError, OverflowError) as e:
        shown = "a secret" if setting.secret else repr(value)
        raise SettingsError(
            f"{setting.name} cannot be {shown}: it is a {setting.type.__name__}"
            f"{f' in {setting.unit}' if setting.unit else ''}"
            f"{f', 0 to {setting.largest:,}' if setting.type in (int, float) else ''} "
            f"(from {origin})"
        ) from e


def _near(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, SETTINGS, n=1)
    return f"Did you mean {near[0]!r}? " if near else ""
