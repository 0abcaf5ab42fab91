"""
Erasure in PostHog, through its API.

```
POST persons/bulk_delete            persons of distinct ids, with events and recordings; 202
POST session_recordings/bulk_delete at most 100 recordings
GET  session_recordings/<id>        404 or 410: it is gone
```

PostHog deletes in the background: what was asked for is checked afterwards, and what is
still there is said to be.

Source:
    posthog ``posthog/api/person.py`` and ``session_recording_api.py``, 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx

from replayport.sources.http_client import HttpClient, checked_base_url

PERSONS_AT_ONCE: Final = 1000
RECORDINGS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class PostHogErased:
    """What PostHog was asked, and what is so by now."""

    persons_asked: int
    recordings_asked: int
    still_there: list[str]
    """Session ids whose recordings it still gives."""


class PostHogEraser:
    """
    Deletes persons and recordings in one project.

    Args:
        host: ``https://eu.posthog.com``, or a self-hosted one.
        project_id: The project's number.
        api_key: Personal API key with ``person:write`` and ``session_recording:write``.
        allow_http: Let the key go over plain HTTP to another machine.
        client: Connections to use, the caller's to close.
    """

    def __init__(
        self,
        host: str,
        project_id: str,
        api_key: str,
        *,
        allow_http: bool = False,
        timeout_s: float = 60.0,
        client: httpx.Client | None = None,
    ) -> None:
        base = checked_base_url(host, allow_http=allow_http)
        self.where = f"{base} project {project_id}"
        self._http = HttpClient(
            f"{base}/api/projects/{quote(project_id, safe='')}",
            headers={"authorization": f"Bearer {api_key}"},
            client=client,
            timeout_s=timeout_s,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def erase(self, distinct_ids: Sequence[str], session_ids: Sequence[str]) -> PostHogErased:
        """
        Ask for persons and recordings to be deleted; asking twice is as asking once.

        Args:
            distinct_ids: Of the persons; their events and recordings go too.
            session_ids: Of recordings to delete besides.

        Raises:
            SourceError: It refused or is out of order; what was asked before stands.
        """
        for start in range(0, len(distinct_ids), PERSONS_AT_ONCE):
            self._http.request(
                "POST",
                "/persons/bulk_delete/",
                what="the deletion of persons",
                json={
                    "distinct_ids": list(distinct_ids[start : start + PERSONS_AT_ONCE]),
                    "delete_events": True,
                    "delete_recordings": True,
                    "keep_person": False,
                },
            )
        for start in range(0, len(session_ids), RECORDINGS_AT_ONCE):
            self._http.request(
                "POST",
                "/session_recordings/bulk_delete/",
                what="the deletion of recordings",
                json={
                    "session_recording_ids": list(session_ids[start : start + RECORDINGS_AT_ONCE]),
                    "date_from": "2020-01-01T00:00:00Z",
                },
                accept=(404,),
            )
        return PostHogErased(len(distinct_ids), len(session_ids), self.still_there(session_ids))

    def still_there(self, session_ids: Sequence[str]) -> list[str]:
        """Give the recordings that PostHog still has."""
        there = []
        for session_id in session_ids:
            answer = self._http.request(
                "GET",
                f"/session_recordings/{quote(session_id, safe='')}/",
                what="a recording that was to be deleted",
                accept=(404, 410),
            )
            if answer.status not in (404, 410):
                there.append(session_id)
        return there
