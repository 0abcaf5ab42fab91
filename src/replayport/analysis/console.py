"""
Console lines of a recording, whoever recorded them, as rows.

=====================  =========================================================
recorded by            as
=====================  =========================================================
rrweb, posthog-js      plugin ``rrweb/console@1``: ``{level, trace, payload}``
rrweb before 1.1       incremental source 11 with the same fields
PostHog's mobile SDKs  the plugin, with ``payload`` one text
Sentry                 custom ``breadcrumb`` of category ``console``
=====================  =========================================================

Source:
    rrweb ``plugins/rrweb-plugin-console-record``; PostHog
    ``session-console-log-recorder.ts`` for `severity_of`; Sentry
    ``replay-internal/src/types/replayFrame.ts``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

CONSOLE_KINDS: Final = ("console", "log", "custom:breadcrumb")
"""Kinds of events that can hold a console line."""

_WARN: Final = frozenset({"warn", "warning", "countReset"})
_ERROR: Final = frozenset({"error", "assert", "fatal", "critical"})


def severity_of(level: str) -> str:
    """
    Give ``error``, ``warn`` or ``info`` for a console method, as PostHog counts them.

    Sentry's ``warning``, ``fatal`` and ``critical`` are understood too.
    """
    return "error" if level in _ERROR else "warn" if level in _WARN else "info"


def console_row(kind: str, data_json: str | None) -> dict[str, Any] | None:
    """
    Read one event's console line.

    Args:
        kind: The event's kind, one of `CONSOLE_KINDS`.
        data_json: JSON text of its ``data``.

    Returns:
        ``source``, ``level``, ``severity``, ``message``, ``arguments`` (JSON text of a
        list) and ``trace`` (one frame a line), or None: a breadcrumb of another category,
        or an event that is damaged.
    """
    try:
        data = json.loads(data_json or "null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, Mapping):
        return None
    if kind == "custom:breadcrumb":
        return _breadcrumb(data.get("payload"))
    line = data.get("payload") if kind == "console" else data
    if not isinstance(line, Mapping) or ("level" not in line and "payload" not in line):
        return None
    payload = line.get("payload")
    arguments = payload if isinstance(payload, list) else [] if payload is None else [payload]
    return _row(
        "rrweb/console@1" if kind == "console" else "rrweb/log",
        line.get("level"),
        " ".join(_said(a) for a in arguments),
        arguments,
        line.get("trace"),
    )


def _breadcrumb(crumb: object) -> dict[str, Any] | None:
    if not isinstance(crumb, Mapping) or crumb.get("category") != "console":
        return None
    data = crumb.get("data")
    arguments = data.get("arguments") if isinstance(data, Mapping) else None
    arguments = arguments if isinstance(arguments, list) else []
    message = crumb.get("message")
    if not isinstance(message, str):
        message = " ".join(_said(a) for a in arguments)
    return _row("sentry", crumb.get("level"), message, arguments, None)


def _row(
    source: str, level: object, message: str, arguments: list[Any], trace: object
) -> dict[str, Any]:
    level = level if isinstance(level, str) else "log"
    frames: Iterable[object] = trace if isinstance(trace, list) else ()
    return {
        "source": source,
        "level": level,
        "severity": severity_of(level),
        "message": message,
        "arguments": json.dumps(arguments, ensure_ascii=False),
        "trace": "\n".join(f for f in frames if isinstance(f, str)) or None,
    }


def _said(argument: object) -> str:
    """Give an argument as the console showed it: the recorder sends strings JSON-quoted."""
    if not isinstance(argument, str):
        return json.dumps(argument, ensure_ascii=False)
    if argument.startswith('"') and argument.endswith('"'):
        try:
            inner = json.loads(argument)
        except ValueError:
            return argument
        return inner if isinstance(inner, str) else argument
    return argument
