"""What a support tool is told about a recording: a template, filled in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from replayport.recording import Manifest

_HOLE: Final = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
HOLES: Final[dict[str, str]] = {
    "replay_url": "Address of the recording's page, for somebody who may sign in.",
    "session_id": "The session's id.",
    "recording_id": "The recording's id.",
    "project": "Its project.",
    "time": "When it began, ISO 8601, UTC.",
    "distinct_id": "The person's id; empty when nobody said.",
}
"""What a template may name."""


def fill(template: str, values: dict[str, str]) -> str:
    """
    Fill in a template.

    Args:
        template: ``…?text={{replay_url}}``. In what begins with ``http``, values are
            percent-encoded where they stand behind a ``?`` or ``#``.
        values: By name; a name that is none stays as it is written.
    """
    is_url = template.startswith(("http://", "https://"))

    def one(match: re.Match[str]) -> str:
        value = values.get(match[1])
        if value is None:
            return match[0]
        before = template[: match.start()]
        inside = is_url and ("?" in before or "#" in before)
        return quote(value, safe="") if inside else value

    return _HOLE.sub(one, template)


def replay_url(base_url: str, project: str, recording_id: str, *, at_ms: int | None = None) -> str:
    """
    Give the address of a recording's page.

    Args:
        base_url: Of the server.
        project: Its project.
        recording_id: Its id.
        at_ms: Moment to open it at, ms since its start; None for the beginning.
    """
    page = f"{base_url}/recordings/{quote(project, safe='')}/{quote(recording_id, safe='')}"
    return page if at_ms is None else f"{page}?t={at_ms}"


def support_link(template: str, base_url: str, manifest: Manifest) -> str | None:
    """Fill in a template for one recording; None when there is no template."""
    if not template:
        return None
    try:
        time = datetime.fromtimestamp(manifest.start_ms / 1000, tz=UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        time = str(manifest.start_ms)
    return fill(
        template,
        {
            "replay_url": replay_url(base_url, manifest.project, manifest.id),
            "session_id": manifest.session_id,
            "recording_id": manifest.id,
            "project": manifest.project,
            "time": time,
            "distinct_id": manifest.person.distinct_id if manifest.person else "",
        },
    )
