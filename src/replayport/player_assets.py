"""
Finds the built web player among the package's files.

```
replayport/static/                 made by `make web`, carried by the wheel
├── player.js                      defines <replayport-player>, needs nothing else
├── recorder.js                    defines window.SessionRecorder, for pages that record
├── export.html                    page of the HTML export, with %NAMES% to fill in
├── csp.json                       hashes a page must allow to host the player
└── THIRD_PARTY_LICENSES.txt
```

The frame that draws a recording inherits the content security policy of the page
around it, so a page with a policy allows the frame's scripts besides the player's.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

from replayport.errors import ReplayError

PLAYER_FILE: Final = "player.js"
RECORDER_FILE: Final = "recorder.js"
EXPORT_TEMPLATE_FILE: Final = "export.html"
LICENSES_FILE: Final = "THIRD_PARTY_LICENSES.txt"
_POLICY_FILE: Final = "csp.json"


class PlayerNotBuiltError(ReplayError):
    """The web player was not built; only a checkout without ``make web`` lacks it."""


@dataclass(frozen=True, slots=True)
class PlayerPolicy:
    """What a content security policy must name for the player to run."""

    player_sha256: str
    """Of ``player.js`` put inline into a page, as ``sha256-…``."""
    frame_sha256: tuple[str, ...]
    """Of the scripts inside the frame; the frame inherits the page's policy."""
    page_policy: str
    """A whole policy: the player inline, and no network at all."""


def static_file(name: str) -> Traversable:
    """
    Give a built file.

    Raises:
        PlayerNotBuiltError: It is not there.
    """
    file = files("replayport").joinpath("static", name)
    if not file.is_file():
        raise PlayerNotBuiltError(
            f"static/{name} is missing. The web player was not built in this checkout. "
            "Build it: make web"
        )
    return file


def static_text(name: str) -> str:
    """
    Read a built file.

    Raises:
        PlayerNotBuiltError: It is not there.
    """
    return static_file(name).read_text(encoding="utf-8")


def player_policy() -> PlayerPolicy:
    """
    Give the hashes of the built player.

    Raises:
        PlayerNotBuiltError: It was not built.
    """
    return msgspec.json.decode(static_text(_POLICY_FILE), type=PlayerPolicy)
