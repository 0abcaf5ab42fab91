"""
The posthog-js scripts the server hands out, unmodified.

```
replayport/static/posthog-js/      put there by the build, see web/sdk/fetch.py
├── array.js, array.full.js        the SDK of the HTML snippet
├── recorder.js, recorder-v2.js    recorder of SDKs before the lazy one
├── lazy-recorder.js               recorder of current ones; posthog-recorder.js likewise
├── surveys.js, web-vitals.js, …   parts only asked for when a config turns them on
├── LICENSE  NOTICE.txt            of posthog-js
└── version.txt
```

Pages ask for ``/static/<name>``, ``/static/<name>?v=<their version>`` or
``/static/<their version>/<name>``. All get the one version shipped: the lazy scripts
feature-detect the SDK that loads them, older ones included.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from replayport.errors import ReplayError

ENTRY_FILE: Final = "array.js"
_VERSIONED: Final = re.compile(r"(\d{1,5}\.\d{1,5}\.\d{1,5}(?:-[A-Za-z0-9.-]{1,40})?)/([^/]+)")
_GZIP_LEVEL: Final = 6


class SdkFilesMissingError(ReplayError):
    """The posthog-js files were not fetched; only a checkout without ``make web`` lacks them."""


@dataclass(frozen=True, slots=True)
class SdkFile:
    """One script."""

    body: bytes
    etag: str
    """Quoted, as HTTP wants it."""


class SdkFiles:
    """
    The scripts by name; read once, compressed when first asked for.

    Args:
        version: Of posthog-js.
        scripts: Name to content.
    """

    def __init__(self, version: str, scripts: Mapping[str, bytes]) -> None:
        self.version = version
        self._files = {
            name: SdkFile(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
            for name, body in scripts.items()
        }
        self._gzipped: dict[str, bytes] = {}

    @classmethod
    def shipped(cls) -> SdkFiles:
        """
        Read those of the installed package.

        Raises:
            SdkFilesMissingError: They are not there.
        """
        return cls.of_folder(files("replayport").joinpath("static", "posthog-js"))

    @classmethod
    def of_folder(cls, folder: Traversable) -> SdkFiles:
        """
        Read a folder of scripts with its ``version.txt``.

        Raises:
            SdkFilesMissingError: It is not there, or not complete.
        """
        marker = folder.joinpath("version.txt")
        if not marker.is_file() or not folder.joinpath(ENTRY_FILE).is_file():
            raise SdkFilesMissingError(
                "static/posthog-js is missing or incomplete. The SDK's files were not fetched in "
                "this checkout, so pages could load neither the SDK nor its recorder from here. "
                "Fetch them: make web"
            )
        scripts = {f.name: f.read_bytes() for f in folder.iterdir() if f.name.endswith(".js")}
        return cls(marker.read_text("utf-8").strip(), scripts)

    @classmethod
    def none(cls) -> SdkFiles:
        """Give an empty set, for a server whose pages bundle the SDK."""
        return cls("", {})

    @property
    def names(self) -> frozenset[str]:
        """Every script's name."""
        return frozenset(self._files)

    def find(self, path: str) -> tuple[str, bool] | None:
        """
        Find the script a page asks for.

        Args:
            path: What stands behind ``/static/``.

        Returns:
            Its name, and whether the address names exactly the version shipped, so that
            the answer never changes; None when there is no such script.
        """
        versioned = _VERSIONED.fullmatch(path)
        name = versioned[2] if versioned else path
        if name not in self._files:
            return None
        return name, versioned is not None and versioned[1] == self.version

    def file(self, name: str) -> SdkFile:
        """Give a script by the name `find` gave."""
        return self._files[name]

    def gzipped(self, name: str) -> bytes:
        """Give a script compressed."""
        found = self._gzipped.get(name)
        if found is None:
            body = gzip.compress(self._files[name].body, _GZIP_LEVEL, mtime=0)
            found = self._gzipped[name] = body
        return found
