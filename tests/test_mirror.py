"""Each module has its test at the same place; the exceptions are listed, and only shrink."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "replayport"

WITHOUT_OWN_TEST = {
    "catalog/__init__.py": "catalog/test_sql.py",
    "catalog/base.py": "catalog/test_sql.py",
    "errors.py": "test_docs.py",
    "player_assets.py": "export/test_html.py",
    "draft.py": "test_archive.py",
    "format/schema.py": "format/test_writer.py",
    "sources/__init__.py": "sources/test_registry.py",
}
"""Module to the test file that holds it instead."""

WITHOUT_MODULE = {
    "bench/test_bench.py": "the benchmark scripts",
    "browser/test_app.py": "the web app, as people use it",
    "browser/test_museum.py": "attacks on every page that shows a recording",
    "browser/test_redacted.py": "redacted recordings, played",
    "redact/test_planted.py": "secrets planted everywhere, and none left",
    "browser/test_actions.py": "actions in real web apps",
    "browser/test_firefox.py": "attacks on what shows a recording, in Firefox",
    "browser/test_frozen.py": "frozen recordings in a browser",
    "browser/test_hostile_recording.py": "the web player: attacks on it",
    "browser/test_html_export.py": "the web player: playing",
    "browser/test_mirror_equals_rrweb.py": "the mirror beside rrweb's replayer",
    "browser/test_played_dom.py": "the page as it was, beside the page as it is played",
    "browser/test_player.py": "the web player: its methods, events and requests",
    "browser/test_notebook.py": "a recording in an executed notebook",
    "browser/test_posthog_js.py": "real SDKs against the capture server",
    "browser/test_recorder.py": "the web recorder",
    "browser/test_shared_link.py": "shared links and signing in, in a browser",
    "browser/test_tee.py": "real posthog-js through `serve --tee`, PostHog killed midway",
    "capture/test_crash.py": "kill -9 under load",
    "capture/test_fuzz.py": "the capture endpoints, whatever is sent",
    "cli/test_full_disk.py": "every command on a disk that is full",
    "examples/test_marimo.py": "the marimo example",
    "examples/test_notebooks.py": "the example notebooks",
    "sources/test_museum.py": "damaged and odd files of every form",
    "sources/test_registry.py": "the package sources itself",
    "test_corpus.py": "everything, over recordings outside the project",
    "test_docs.py": "the documentation",
    "test_exports.py": "the promised names",
    "test_imports.py": "who imports what",
    "test_mirror.py": "the tests",
}
"""Test file to what it is about."""


def modules() -> list[str]:
    """Give the files that define something: a package's ``__init__`` may only explain it."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        if any(isinstance(node, kinds) for node in ast.parse(path.read_text("utf-8")).body):
            found.append(path.relative_to(SOURCE).as_posix())
    return found


def test_of(module: str) -> list[str]:
    """Give where a module's test may be: beside, or one up for a package itself."""
    path = Path(module)
    if path.name == "__init__.py":
        folder = path.parent
        return [
            (folder / f"test_{folder.name}.py").as_posix(),
            (folder.parent / f"test_{folder.name}.py").as_posix(),
        ]
    return [(path.parent / f"test_{path.stem.strip('_')}.py").as_posix()]


test_of.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", modules())
def test_every_module_has_its_test(module):
    there = [name for name in test_of(module) if (TESTS / name).is_file()]
    if module in WITHOUT_OWN_TEST:
        assert not there, f"{module} has its test now: take it out of WITHOUT_OWN_TEST"
        assert (TESTS / WITHOUT_OWN_TEST[module]).is_file()
    else:
        assert there, f"no test for {module}; expected {' or '.join(test_of(module))}"


def test_every_test_has_its_module():
    wanted = {name for module in modules() for name in test_of(module)}
    found = {p.relative_to(TESTS).as_posix() for p in TESTS.rglob("test_*.py")}
    assert found - wanted - set(WITHOUT_MODULE) == set()
    assert set(WITHOUT_MODULE) - found == set()


def test_exceptions_name_modules_there_are():
    assert set(WITHOUT_OWN_TEST) - set(modules()) == set()
