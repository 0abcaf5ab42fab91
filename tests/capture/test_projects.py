from __future__ import annotations

import logging
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.capture import projects as module
from replayport.capture.projects import (
    Project,
    Projects,
    RecordingSettings,
    load_projects,
    parse_projects,
)
from replayport.errors import SettingsError

FULL = """
host = "127.0.0.1"

[projects.shop]
tokens = ["phc_web", "phc_app"]
retention_days = 90
autocapture = true

[projects.shop.recording]
enabled = true
sample_rate = 0.25
minimum_duration_ms = 2000
mask_inputs = false
mask_text_selector = ".name"
block_selector = "img"
mask_attributes = true
console = false
network = true
network_headers = true
network_bodies = true
canvas_fps = 4
canvas_quality = 1
url_triggers = ["/checkout"]
url_blocklist = ["/admin"]
event_triggers = ["paid"]
trigger_match = "any"

[projects.blog]
tokens = ["phc_blog"]
"""


def load(folder, text=None, env=None):
    if text is not None:
        (folder / "replayport.toml").write_text(text, "utf-8")
    return load_projects(env=env or {}, folder=folder)


def test_everything_is_read(tmp_path):
    projects = load(tmp_path, FULL)
    shop = projects.of_token("phc_app")
    assert shop == projects.of_token("phc_web") == projects.named("shop")
    assert (shop.name, shop.retention_days, shop.autocapture) == ("shop", 90, True)
    usual = RecordingSettings()
    for field in fields(RecordingSettings):
        if field.name not in ("enabled", "network"):
            assert getattr(shop.recording, field.name) != getattr(usual, field.name), field.name
    assert shop.recording.canvas_quality == 1.0
    assert projects.of_token("phc_blog") == Project(name="blog", tokens=("phc_blog",))
    assert projects.of_token("phc_other") is None
    assert not projects.takes_any_token


def test_defaults_are_careful():
    usual = RecordingSettings()
    assert usual.mask_inputs
    assert not (usual.network_headers or usual.network_bodies or usual.canvas_fps)
    assert not Project(name="x").autocapture


def test_another_file(tmp_path):
    (tmp_path / "x.toml").write_text(FULL, "utf-8")
    projects = load(tmp_path / "nowhere", env={"REPLAYPORT_CONFIG": str(tmp_path / "x.toml")})
    assert projects.of_token("phc_blog").name == "blog"
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path, env={"REPLAYPORT_CONFIG": str(tmp_path / "none.toml")})


@pytest.mark.parametrize("text", [None, "", 'host = "::1"\n'])
def test_without_projects_every_wellformed_token_is_a_project(tmp_path, text, caplog):
    projects = load(tmp_path, text)
    assert projects.takes_any_token
    assert projects.of_token("phc_a-B_1") == Project(name="phc_a-B_1", tokens=("phc_a-B_1",))
    assert projects.of_token("phc_a-B_1") is projects.of_token("phc_a-B_1")
    assert caplog.text.count("phc_a-B_1") == 1
    for token in ("", "a b", "../x", "phx_secret", "a" * 65, "-a", "é", "a\0"):
        assert projects.of_token(token) is None, token
    assert "phx_secret" not in caplog.text


def test_made_up_tokens_do_not_fill_memory_or_the_log(monkeypatch, caplog):
    monkeypatch.setattr(module, "MAX_ANNOUNCED", 3)
    caplog.set_level(logging.WARNING)
    projects = Projects()
    assert all(projects.of_token(f"t{n}").name == f"t{n}" for n in range(50))
    assert len(projects._announced) == len(caplog.records) == 3


def test_an_empty_table_takes_no_token(tmp_path):
    assert load(tmp_path, "[projects]\n").of_token("phc_a") is None


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("projects = 3", "projects"),
        ("[projects]\nshop = 3", "projects.shop"),
        ('[projects."a/b"]', "projects.a/b"),
        ('[projects."a..b"]', "projects.a..b"),
        ("[projects.shop]\ntoken = []", "projects.shop.token"),
        ('[projects.shop]\ntokens = "phc"', "projects.shop.tokens"),
        ('[projects.shop]\ntokens = [""]', "projects.shop.tokens"),
        ('[projects.shop]\ntokens = ["phx_key"]', "projects.shop.tokens"),
        ('[projects.shop]\ntokens = [" phc"]', "projects.shop.tokens"),
        ('[projects.a]\ntokens = ["t"]\n[projects.b]\ntokens = ["t"]', "projects.b.tokens"),
        ("[projects.shop]\nretention_days = -1", "projects.shop.retention_days"),
        ("[projects.shop]\nretention_days = 1.5", "projects.shop.retention_days"),
        ("[projects.shop]\nretention_days = true", "projects.shop.retention_days"),
        ("[projects.shop]\nrecording = 1", "projects.shop.recording"),
        ("[projects.shop.recording]\nsample_rate = 2", "projects.shop.recording.sample_rate"),
        ("[projects.shop.recording]\nsample_rate = nan", "projects.shop.recording.sample_rate"),
        ('[projects.shop.recording]\nsample_rate = "1"', "projects.shop.recording.sample_rate"),
        ("[projects.shop.recording]\ncanvas_fps = 13", "projects.shop.recording.canvas_fps"),
        ("[projects.shop.recording]\nmask_inputs = 1", "projects.shop.recording.mask_inputs"),
        ("[projects.shop.recording]\nblock_selector = 1", "projects.shop.recording.block_selector"),
        ("[projects.shop.recording]\nurl_triggers = [1]", "projects.shop.recording.url_triggers"),
        ('[projects.shop.recording]\ntrigger_match = "x"', "projects.shop.recording.trigger_match"),
        ("[projects.shop.recording]\nmask_input = true", "projects.shop.recording.mask_input"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, toml, key):
    with pytest.raises(SettingsError) as e:
        load(tmp_path, toml)
    assert str(e.value).startswith(f"{key} ")
    assert "replayport.toml" in str(e.value)
    assert "phx_key" not in str(e.value)


def test_a_near_name_is_shown(tmp_path):
    with pytest.raises(SettingsError, match="Did you mean 'mask_inputs'"):
        load(tmp_path, "[projects.a.recording]\nmask_input = true")
    with pytest.raises(SettingsError, match="does not parse"):
        load(tmp_path, "[projects")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tokens", "recording", "canvas_fps", "shop", "x"]), inner
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_nothing_else_than_a_settings_error_comes_of_it(table):
    try:
        parse_projects(table, origin="test")
    except SettingsError as e:
        assert str(e).startswith("projects")
