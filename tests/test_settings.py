"""Settings: one name, four places, and an honest origin."""

from __future__ import annotations

import pytest

from replayport.errors import SettingsError
from replayport.settings import SETTINGS, load_settings


def load(tmp_path, options=None, env=None, file=None):
    if file is not None:
        (tmp_path / "replayport.toml").write_text(file, encoding="utf-8")
    return load_settings(options, env=env or {}, folder=tmp_path)


def test_defaults_have_the_right_type_and_origin(tmp_path):
    for name, value in load(tmp_path).values.items():
        assert isinstance(value.value, SETTINGS[name].type)
        assert value.origin == "default"


def test_precedence(tmp_path):
    file, env = "port = 1", {"REPLAYPORT_PORT": "2"}
    assert load(tmp_path, file=file)["port"] == 1
    found = load(tmp_path, env=env, file=file)
    assert (found["port"], found.values["port"].origin) == (
        2,
        "environment variable REPLAYPORT_PORT",
    )
    found = load(tmp_path, {"port": 3}, env, file)
    assert (found["port"], found.values["port"].origin) == (3, "option")
    assert load(tmp_path, {"port": None}, env, file)["port"] == 2
    assert load(tmp_path, env={"REPLAYPORT_PORT": ""}, file=file)["port"] == 1


def test_the_origin_names_the_file(tmp_path):
    found = load(tmp_path, file='archive = "s3://b/p"')
    assert found.values["archive"].origin == f"file {tmp_path / 'replayport.toml'}"


def test_a_file_elsewhere(tmp_path):
    other = tmp_path / "other.toml"
    other.write_text("port = 7")
    assert load(tmp_path, env={"REPLAYPORT_CONFIG": str(other)}, file="port = 1")["port"] == 7


def test_a_file_that_is_named_and_missing_is_an_error(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SettingsError, match="REPLAYPORT_CONFIG"):
            load(tmp_path, env={"REPLAYPORT_CONFIG": str(path)})


@pytest.mark.parametrize("file", ["port = ", "= 1", "port = 1\nport = 2", "\x00"])
def test_a_broken_file_is_named(tmp_path, file):
    with pytest.raises(SettingsError, match="replayport.toml"):
        load(tmp_path, file=file)


def test_a_file_that_is_no_utf8_is_named(tmp_path):
    (tmp_path / "replayport.toml").write_bytes(b'archive = "\xff"')
    with pytest.raises(SettingsError, match="replayport.toml"):
        load(tmp_path)


def test_unknown_names_are_errors_with_the_near_one(tmp_path):
    with pytest.raises(SettingsError, match="max_recording_bytes"):
        load(tmp_path, file="max_recording_byte = 5")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "eighty"),
        ("port", "-1"),
        ("port", "70000"),
        ("port", 8.5),
        ("port", True),
        ("port", [1]),
        ("port", float("inf")),
        ("port", "9" * 5000),
        ("max_recording_bytes", "-5"),
        ("max_recording_bytes", "1e3"),
        ("max_recording_bytes", 10**30),
        ("http_timeout_s", "nan"),
        ("http_timeout_s", "inf"),
        ("http_timeout_s", "-1"),
        ("archive", ["a"]),
        ("archive", False),
    ],
)
def test_values_that_do_not_fit(tmp_path, name, value):
    with pytest.raises(SettingsError, match=rf"{name}.*from option"):
        load(tmp_path, {name: value})


def test_values_that_fit(tmp_path):
    assert load(tmp_path, {"port": 8470.0})["port"] == 8470
    assert load(tmp_path, {"port": "0"})["port"] == 0
    assert load(tmp_path, {"http_timeout_s": 5})["http_timeout_s"] == 5.0
    assert load(tmp_path, {"archive": "./x y"})["archive"] == "./x y"


def test_secrets_are_in_no_message(tmp_path):
    secrets = [s for s in SETTINGS.values() if s.secret]
    assert {s.name for s in secrets} >= {"posthog_api_key"}
    for setting in secrets:
        with pytest.raises(SettingsError) as caught:
            load(tmp_path, {setting.name: ["phx_secret"]})
        assert "phx_secret" not in str(caught.value)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_names_are_one_everywhere(setting):
    assert setting.option == "--" + setting.name.replace("_", "-")
    assert setting.env in (f"REPLAYPORT_{setting.name.upper()}", "POSTHOG_API_KEY")
    assert setting.help.endswith(".")
    for ending, unit in (("_s", "seconds"), ("_bytes", "bytes"), ("_ms", "milliseconds")):
        if setting.name.endswith(ending):
            assert setting.unit == unit
