"""``replayport settings`` shows everything but secrets."""

from __future__ import annotations

from tests.cli.command import run, run_json

from replayport.settings import SETTINGS


def test_every_setting_with_its_origin(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPLAYPORT_PORT", "9000")
    shown = {s["name"]: s for s in run_json("settings")}
    assert shown.keys() == SETTINGS.keys()
    assert shown["port"]["value"] == 9000
    assert "REPLAYPORT_PORT" in shown["port"]["origin"]
    assert shown["host"]["origin"] == "default"
    table = run("settings").stdout
    assert all(name in table for name in SETTINGS)


def test_secrets_are_not_shown(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTHOG_API_KEY", "phx_very_secret")
    monkeypatch.setenv("REPLAYPORT_CATALOG_URL", "postgresql://me:pa:ss@w0rd@db/x?password=pw2")
    for result in (run("settings"), run("settings", "--json")):
        assert result.exit_code == 0
        for secret in ("very_secret", "pa:ss", "w0rd", "pw2"):
            assert secret not in result.output
        assert "postgresql://me:***@db/x?password=***" in result.output
