"""The example notebooks run, show what they promise, and are kept without output."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))


def run(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a notebook in a folder; give the last result of each code cell by the cell's id."""
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
    # A kernel that dies says nothing; with this it says where.
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(folder)}}, kernel_name="python3"
    )
    client.execute()
    shown = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data") or {"text/plain": output.get("text", "")}
            shown[cell["id"]] = data
    return shown


def test_there_are_three():
    assert [p.stem for p in NOTEBOOKS] == ["explore", "frustration", "funnel"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_kept_without_output(path):
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_begins_with_a_picture_that_is_there(path):
    first = "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"])
    [place] = re.findall(r"^!\[.{20,}\]\((.+)\)$", first, re.MULTILINE)
    assert (path.parent / place).is_file()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Proactor event loop")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs(path, tmp_path, monkeypatch):
    shown = run(path, tmp_path, monkeypatch)
    player = list(shown.values())[-1]["text/html"]
    assert player.startswith('<iframe sandbox="allow-scripts allow-same-origin" ')
    texts = "\n".join(str(data) for data in shown.values())
    assert "7 recordings" in texts
    if path.stem == "explore":
        assert "role=button[name=" in str(shown["explore-actions-table"])
    if path.stem == "frustration":
        # The demo's frustrated visit: a dead button clicked in anger, errors right after.
        rage = shown["frustration-3"]["text/plain"]
        assert "01a20a43-29e3-74f9-bd4b-2a9dabba214a" in rage
        assert "Uncaught TypeError" in texts
        assert 'the button "Add to bag"' in texts  # by archive.signals()
    if path.stem == "funnel":
        assert "/thanks    ████ 1" in texts
