"""``replayport freeze``: exit codes, JSON, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from tests.assets.conftest import Site, site
from tests.assets.test_freeze import add, page, png
from typer.testing import CliRunner

from replayport.archive import Archive
from replayport.cli.freeze import freeze
from replayport.settings import SETTINGS, Setting

__all__ = ["site"]

app = typer.Typer()
app.command()(freeze)


DEFAULTS = {
    "freeze_allow_private": False,
    "freeze_assets": 300,
    "freeze_asset_bytes": 20 * 2**20,
    "freeze_bytes": 200 * 2**20,
    "freeze_timeout_s": 20.0,
    "freeze_time_s": 600.0,
}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings the command reads, at their defaults whatever the environment says."""
    for name, default in DEFAULTS.items():
        monkeypatch.setitem(SETTINGS, name, Setting(name, type(default), default, "", ""))
        monkeypatch.delenv(f"REPLAYPORT_{name.upper()}", raising=False)


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments, "--archive", str(folder)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def folder(tmp_path: Path, site: Site) -> Path:
    site.file("/a.png", png("a"), "image/png")
    with Archive.open(tmp_path / "archive", create=True) as archive:
        add(archive, page(site, "/a.png"), "s-1")
        add(archive, page(site, "/a.png", "/gone.png"), "s-2")
    return tmp_path / "archive"


def test_all_recordings_when_none_is_named(folder: Path, site: Site):
    code, out = run(folder, "--allow-private", "--json")
    found = json.loads(out)
    assert code == 1
    assert {f["id"]: (f["stored"], f["missing"]) for f in found["frozen"]} == {
        "s-1": (1, []),
        "s-2": (1, [{"url": f"{site.url}/gone.png", "reason": "not_found"}]),
    }
    assert found["failed"] == []


def test_nothing_missing_is_0(folder: Path):
    code, out = run(folder, "s-1", "--allow-private", "--json")
    assert code == 0
    assert [f["fetched"] for f in json.loads(out)["frozen"]] == [1]
    assert run(folder, "s-1", "--allow-private")[0] == 0


def test_private_addresses_need_to_be_allowed(folder: Path, site: Site):
    code, out = run(folder, "s-1", "--json")
    assert code == 1
    assert [m["reason"] for m in json.loads(out)["frozen"][0]["missing"]] == ["refused_address"]
    assert site.hits == []


def test_an_unknown_one_is_named_and_the_others_are_frozen(folder: Path):
    code, out = run(folder, "nobody", "s-1", "--allow-private", "--json")
    found = json.loads(out)
    assert code == 1
    assert [f["what"] for f in found["failed"]] == ["nobody"]
    assert [f["id"] for f in found["frozen"]] == ["s-1"]
