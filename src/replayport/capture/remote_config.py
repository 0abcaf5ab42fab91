"""
A project's settings in the words of posthog-js: what its SDKs ask for before they record.

```
current SDKs   /array/<token>/config.js   script that registers the config, tried first
               /array/<token>/config      the config
               /flags/?v=2                feature flags; this server has none
older          /flags/?v=2&config=true    flags and config in one
oldest         /decide/?v=3               the same under older names
```

A field sent is a choice made for the page: features this server does not have are sent as
off, so that the SDK asks for nothing that is not here. A missing ``sessionRecording``
would mean "use what you remember", hence ``false`` where recording is off. No name of a
recorder script is sent: each SDK loads the one it knows, or has it in its bundle.

Source:
    posthog-js ``packages/browser/src/remote-config.ts``, ``types/remote-config.ts``;
    PostHog ``posthog/models/remote_config.py``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from replayport.capture.projects import Project, RecordingSettings

SNAPSHOT_ENDPOINT: Final = "/s/"
EVENTS_ENDPOINT: Final = "/i/v0/e/"


def remote_config(project: Project, token: str) -> dict[str, Any]:
    """
    Give the config of a project.

    Args:
        project: Whose.
        token: The page's, which the config repeats.

    Returns:
        The JSON document of ``/array/<token>/config``.
    """
    recording = project.recording
    return {
        "token": token,
        "supportedCompression": ["gzip", "gzip-js"],
        "analytics": {"endpoint": EVENTS_ENDPOINT},
        "hasFeatureFlags": False,
        "autocapture_opt_out": not project.autocapture,
        "capturePerformance": (
            {"network_timing": True, "web_vitals": False, "web_vitals_allowed_metrics": None}
            if recording.enabled and recording.network
            else False
        ),
        "elementsChainAsString": True,
        "heatmaps": False,
        "surveys": False,
        "captureDeadClicks": False,
        "defaultIdentifiedOnly": True,
        "siteApps": [],
        "errorTracking": {"autocaptureExceptions": False, "suppressionRules": []},
        "autocaptureExceptions": False,
        "logs": {"captureConsoleLogs": False},
        "productTours": False,
        "conversations": False,
        "toolbarParams": {},
        "isAuthenticated": False,
        "sessionRecording": recording_config(recording) if recording.enabled else False,
    }


def recording_config(recording: RecordingSettings) -> dict[str, Any]:
    """Give the part ``sessionRecording`` for a project that records."""
    config: dict[str, Any] = {
        "endpoint": SNAPSHOT_ENDPOINT,
        "recorderVersion": "v2",
        "consoleLogRecordingEnabled": recording.console,
        # A decimal as text, and nothing for "all": that is what the SDK parses.
        "sampleRate": None if recording.sample_rate == 1 else f"{recording.sample_rate:.4f}",
        "minimumDurationMilliseconds": recording.minimum_duration_ms or None,
        "linkedFlag": None,
        "networkPayloadCapture": (
            {"recordHeaders": recording.network_headers, "recordBody": recording.network_bodies}
            if recording.network
            else None
        ),
        "masking": _masking(recording),
        "urlTriggers": [_by_regex(url) for url in recording.url_triggers],
        "urlBlocklist": [_by_regex(url) for url in recording.url_blocklist],
        "eventTriggers": list(recording.event_triggers),
        "triggerMatchType": recording.trigger_match,
        "recordCanvas": recording.canvas_fps > 0,
    }
    if recording.canvas_fps > 0:
        config["canvasFps"] = recording.canvas_fps
        config["canvasQuality"] = f"{recording.canvas_quality:.2f}"
    return config


def config_script(token: str, config: dict[str, Any]) -> bytes:
    """
    Give the script of ``/array/<token>/config.js``.

    Args:
        token: Letters, digits, ``_`` and ``-`` only.
        config: From `remote_config`.
    """
    # "<" cannot stand in a script that somebody inlines into a page.
    value = msgspec.json.encode({"config": config, "siteApps": []}).replace(b"<", b"\\u003c")
    return (
        b"(function(){var w=window;w._POSTHOG_REMOTE_CONFIG=w._POSTHOG_REMOTE_CONFIG||{};"
        b"w._POSTHOG_REMOTE_CONFIG[%b]=%b;})();" % (msgspec.json.encode(token), value)
    )


def flags_answer(request_id: str, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """
    Give the answer of ``/flags/``: no flags, all evaluated.

    Args:
        request_id: A UUID.
        config: From `remote_config`, for SDKs that ask for both; None leaves it out.
    """
    return (config or {}) | {
        "flags": {},
        "featureFlags": {},
        "featureFlagPayloads": {},
        "errorsWhileComputingFlags": False,
        "requestId": request_id,
    }


def decide_answer(config: dict[str, Any]) -> dict[str, Any]:
    """
    Give the answer of ``/decide/`` for SDKs older than ``/flags/``.

    Args:
        config: From `remote_config`.
    """
    return config | {
        "config": {"enable_collect_everything": not config["autocapture_opt_out"]},
        "editorParams": {},
        "featureFlags": {},
        "featureFlagPayloads": {},
        "errorsWhileComputingFlags": False,
    }


def _masking(recording: RecordingSettings) -> dict[str, Any]:
    """Always sent, so that no SDK falls back to a default of its own."""
    masking: dict[str, Any] = {"maskAllInputs": recording.mask_inputs}
    if recording.mask_text_selector:
        masking["maskTextSelector"] = recording.mask_text_selector
    if recording.block_selector:
        masking["blockSelector"] = recording.block_selector
    if recording.mask_attributes:
        masking["maskAllElementAttributes"] = True
    return masking


def _by_regex(url: str) -> dict[str, str]:
    return {"url": url, "matching": "regex"}
