"""The promised names exist, are the only ones promised, and are documented."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import replayport

ROOT = Path(__file__).parent.parent


def test_all_is_sorted_and_without_repeats():
    names = [n for n in replayport.__all__ if n != "__version__"]
    assert len(set(replayport.__all__)) == len(replayport.__all__)
    assert sorted(names) == names


@pytest.mark.parametrize("name", replayport.__all__)
def test_every_name_is_there_and_explained(name):
    thing = getattr(replayport, name)
    if inspect.isclass(thing) or callable(thing):
        assert inspect.getdoc(thing)
    assert f"`replayport.{name}`" in (ROOT / "docs/reference/api.md").read_text("utf-8")


def test_star_import_gives_the_promised_names():
    given: dict[str, object] = {}
    exec("from replayport import *", given)
    assert set(replayport.__all__) <= set(given)


@pytest.mark.parametrize("name", ["Archive", "Recording"])
def test_public_methods_are_explained(name):
    thing = getattr(replayport, name)
    for member, value in vars(thing).items():
        if not member.startswith("_"):
            assert inspect.getdoc(value), f"{name}.{member} has no docstring"


def test_importing_costs_no_server_and_no_command_line():
    code = (
        "import sys, replayport;"
        "print(*sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'typer', 'rich', 'starlette', 'uvicorn', 'playwright', 'httpx'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
