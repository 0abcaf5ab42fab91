"""
Fetches the posthog-js files that the capture server hands to browsers.

```
src/replayport/static/posthog-js/     unmodified files of npm's posthog-js
├── array.js  lazy-recorder.js  …     every script a page may ask for
├── LICENSE                           of posthog-js
├── NOTICE.txt                        where the files are from
└── version.txt                       written last: its presence means "complete"
```

Called by the build (`hatch_build.py`), where replayport itself is not installed: this
file imports nothing of it. The package is pinned by version and digest.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

VERSION: Final = "1.449.2"
SHA256: Final = "c65f98b94718e8c421256dc30fcc968fa5ac2463547b4175d480d0b226f80139"
"""Digest of npm's ``posthog-js-<version>.tgz``; anything else is refused."""

BUNDLER_INPUTS: Final = ("module", "main", "customizations", "rrweb", "extension-bundles")
"""Beginnings of names of files that only bundlers read: no page asks a server for them."""

NOTICE: Final = f"""\
The scripts in this folder are unmodified files of posthog-js {VERSION}
(https://www.npmjs.com/package/posthog-js, https://github.com/PostHog/posthog-js),
copyright PostHog and its contributors. Their licence is in LICENSE beside this file.
posthog-js contains rrweb (https://github.com/rrweb-io/rrweb, MIT) and other open-source
parts named in the scripts themselves. PostHog is not affiliated with replayport.
"""


class SdkFetchError(RuntimeError):
    """posthog-js could not be fetched; the message says what to do."""


def fetch_sdk(target: Path, npm: Callable[..., None]) -> bool:
    """
    Put the pinned posthog-js into a folder, unless it is there.

    Args:
        target: The folder; replaced as a whole.
        npm: Runs npm: ``npm(folder, *arguments)``; raises when it fails.

    Returns:
        Whether anything was fetched.

    Raises:
        SdkFetchError: npm gave no package, or not the pinned one.
    """
    marker = target / "version.txt"
    if marker.is_file() and marker.read_text("utf-8").strip() == VERSION:
        marker.touch()  # newer than this file: the build's check of freshness compares times
        return False
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        npm(folder, "pack", f"posthog-js@{VERSION}", "--silent", "--ignore-scripts")
        package = folder / f"posthog-js-{VERSION}.tgz"
        if not package.is_file():
            raise SdkFetchError(
                f"npm gave no posthog-js {VERSION}. The registry may be out of reach. Check the "
                "network, or set npm_config_registry to a mirror, and build again"
            )
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        if digest != SHA256:
            raise SdkFetchError(
                f"posthog-js {VERSION} has sha256 {digest}, not the pinned one. The package was "
                "changed on the way. Build again from a registry you trust"
            )
        made = folder / "posthog-js"
        made.mkdir()
        unpack(package, made)
        (made / "NOTICE.txt").write_text(NOTICE, "utf-8")
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, target)
    marker.write_text(f"{VERSION}\n", "utf-8")
    return True


def unpack(package: Path, folder: Path) -> None:
    """
    Take the scripts and the licence out of an npm package.

    Args:
        package: The ``.tgz``.
        folder: Where to write them; names are cut to their last part, so that no member
            can leave it.
    """
    with tarfile.open(package) as archive:
        for member in archive.getmembers():
            path = PurePosixPath(member.name)
            is_script = (
                path.parent == PurePosixPath("package/dist")
                and path.suffix == ".js"
                and not path.name.startswith(BUNDLER_INPUTS)
            )
            if not member.isfile() or not (is_script or path == PurePosixPath("package/LICENSE")):
                continue
            content = archive.extractfile(member)
            if content is not None:
                (folder / path.name).write_bytes(content.read())
