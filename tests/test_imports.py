"""Imports go one way, pure code stays pure, and SDKs appear only where they belong."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "replayport"

LAYERS = (
    ("collecting", "errors", "settings", "limits", "outcomes", "plurals", "timeutil"),
    ("rrweb",),
    ("posthog", "recording", "draft"),
    (
        "format",
        "redact",
        "sources.base",
        "analysis",
        "store",
        "catalog",
        "reading",
        "pseudonyms",
        "tombstones",
        "encryption",
    ),
    ("archive",),
    ("*",),
    ("server", "cli"),
)
"""Bottom first; a name stands for the module and all below it, ``*`` for every other one.
A module imports from its own layer and from those before it."""

PURE = ("rrweb", "posthog", "analysis", "redact")
"""Bytes in, values out: these touch no file, no socket and no clock."""

IO_MODULES = frozenset(
    "aiohttp asyncio glob httpx multiprocessing obstore os pathlib requests shutil signal socket "
    "sqlalchemy sqlite3 ssl subprocess tempfile threading time urllib.request".split()
)
IO_CALLS = frozenset({"open", "input", "print", "datetime.now", "datetime.today", "date.today"})

ONLY_IN = {
    "obstore": ("store",),
    "sqlalchemy": ("catalog",),
    "psycopg": ("catalog",),
    "sqlite3": ("catalog", "capture"),  # the catalogue, and the inbox of captured requests
    "httpx": ("sources", "capture"),  # pulling, and passing on what was captured
    "duckdb": ("cli.sql", "format", "reading"),
    "pandas": ("format",),
    "polars": ("format",),
    "google": ("dataset",),
    "dlt": ("dataset",),
    "typer": ("cli",),
    "rich": ("cli",),
    "playwright": ("demo", "render"),
    "sklearn": ("analysis.training",),
    "PIL": ("render",),
    "uvicorn": ("cli", "testing", "demo", "server.connections"),
    "starlette": ("server", "capture", "testing", "demo"),
}
"""Third-party names and the only places that may name them."""


def modules() -> list[str]:
    """Give every module's name below ``replayport``; packages without ``__init__``."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__").removesuffix("__init__")
        if name:
            found.append(name)
    return found


def path_of(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text("utf-8"))


@cache
def imported(module: str) -> frozenset[str]:
    """Give what a module imports anywhere in it, as full dotted names."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                own = name.removeprefix("replayport.")
                is_module = name.startswith("replayport.") and path_of(own).is_file()
                found.add(name if is_module else str(node.module))
    return frozenset(found)


def is_below(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")


def layer_of(module: str) -> int:
    named = [
        (len(name), level)
        for level, names in enumerate(LAYERS)
        for name in names
        if is_below(module, name)
    ]
    others = next(level for level, names in enumerate(LAYERS) if "*" in names)
    return max(named)[1] if named else others


def test_every_layer_names_something_there_is():
    for name in (n for names in LAYERS for n in names if n != "*"):
        assert any(is_below(module, name) for module in modules()), name


def test_the_architecture_page_has_these_layers():
    """Layer 6 is ``*``: its row names some of what is in it, for the reader."""
    page = (SOURCE.parents[1] / "ARCHITECTURE.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d) \| (.+) \|$", page, re.MULTILINE)
    said = [{n.rstrip("/").replace("/", ".") for n in re.findall(r"`(.+?)`", r)} for _, r in rows]
    assert [number for number, _ in rows] == [str(n + 1) for n in range(len(LAYERS))]
    for level, names in enumerate(LAYERS):
        if "*" in names:
            assert {layer_of(name) for name in said[level]} == {level}
        else:
            assert said[level] == set(names)


@pytest.mark.parametrize("module", modules())
def test_imports_point_down(module):
    wrong = {
        target: layer_of(target)
        for name in imported(module)
        if (target := name.removeprefix("replayport.")) != name
        and path_of(target).is_file()
        and layer_of(target) > layer_of(module)
    }
    assert not wrong, f"{module} (layer {layer_of(module)}) imports from above: {wrong}"


@pytest.mark.parametrize("module", [m for m in modules() if m.partition(".")[0] in PURE])
def test_decoders_touch_nothing(module):
    names = imported(module)
    assert not {n for n in names if any(is_below(n, io) for io in IO_MODULES)}
    calls = {
        ast.unparse(node.func) for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)
    }
    assert not calls & IO_CALLS


@pytest.mark.parametrize("package", sorted(ONLY_IN))
def test_sdks_stay_in_their_place(package):
    users = {m for m in modules() if any(is_below(n, package) for n in imported(m))}
    assert {m for m in users if not any(is_below(m, place) for place in ONLY_IN[package])} == set()


def test_the_package_itself_imports_no_command_line():
    """``import replayport`` must not load Typer, Starlette or a server."""
    text = (SOURCE / "__init__.py").read_text("utf-8")
    top = {n.module for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)}
    assert not {n for n in top if str(n).startswith(("replayport.cli", "replayport.server"))}
