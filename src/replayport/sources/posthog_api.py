"""
Recordings from PostHog's REST API.

```
GET  session_recordings?date_from=…          pages of recordings, oldest first
GET  session_recordings/<id>/snapshots       what there is of one
 ├── blob_v2       source blocks by number, 20 a request, length-prefixed snappy
 ├── blob_v2_lts   one object with everything (long-term copy)
 └── blob, realtime                          servers before mid-2025
POST query                                   HogQL: analytics events, console lines
```

The server leaves out blocks it cannot read and still answers 200. So blocks are counted:
a range that gives fewer than asked is asked again in halves, down to the block, and what
does not come then is named in the draft's ``missing``.

Source:
    posthog ``session_recording_api.py``, ``session_recording_v2_service.py``.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
import msgspec

from replayport.errors import (
    SourceAuthError,
    SourceDataError,
    SourceError,
)
from replayport.limits import MAX_RECORDING_BYTES
from replayport.outcomes import RejectReason
from replayport.posthog.lines import EventDecoder
from replayport.recording import Person
from replayport.sources.base import RecordingDraft, RecordingRef, iso_utc, source_time_ms
from replayport.sources.http_client import HttpClient, checked_base_url
from replayport.sources.posthog_query import SessionQueries
from replayport.sources.posthog_snapshots import SnapshotClient
from replayport.sources.rate_limits import (
    PLANS,
    QUERY_PLANS,
    Budget,
    Limit,
    MemoryState,
    StateStore,
    plan_limits,
    state_key,
)

KIND: Final = "posthog-api"

PAGE_SIZE: Final = 100
PAGE_OVERLAP: Final = 10
"""Rows asked again when paging by offset: none of them known means the list has moved."""

EARLIEST_MS: Final = 1_577_836_800_000
"""2020-01-01, when PostHog had no recordings yet; the API lists three days when not told."""

MAX_SESSION_MS: Final = 24 * 3600 * 1000
"""PostHog ends a session after a day."""

_SEEN_IDS: Final = 10_000
"""Ids remembered to recognise repeats: neighbours in a listing, not all of it."""

_MAX_STALE_PAGES: Final = 3
_SESSION_IDS_AT_ONCE: Final = 100
_SHORT_NAMES: Final = {"us": "https://us.posthog.com", "eu": "https://eu.posthog.com"}
_LISTED_FIELDS: Final = (
    "recording_duration",
    "retention_period_days",
    "expiry_time",
    "snapshot_source",
    "snapshot_library",
    "console_log_count",
    "console_warn_count",
    "console_error_count",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFilters:
    """Which recordings to list; PostHog's own filters, all of them must hold."""

    person_uuid: str | None = None
    distinct_ids: Sequence[str] = ()
    session_ids: Sequence[str] = ()
    events: Sequence[dict[str, Any]] = ()
    properties: Sequence[dict[str, Any]] = ()
    having_predicates: Sequence[dict[str, Any]] = ()
    min_duration_s: float | None = None
    """At least this long; written as one more of the ``having_predicates``."""
    filter_test_accounts: bool = False

    def to_params(self) -> dict[str, str]:
        """Give the query parameters, without ``session_ids``, which are asked in parts."""
        having = list(self.having_predicates)
        if self.min_duration_s is not None:
            having.append(
                {
                    "type": "recording",
                    "key": "duration",
                    "value": self.min_duration_s,
                    "operator": "gte",
                }
            )
        params = {
            name: _json_text(list(value))
            for name, value in (
                ("distinct_ids", self.distinct_ids),
                ("events", self.events),
                ("properties", self.properties),
                ("having_predicates", having),
            )
            if value
        }
        if self.person_uuid is not None:
            params["person_uuid"] = self.person_uuid
        if self.filter_test_accounts:
            params["filter_test_accounts"] = "true"
        return params

    @property
    def digest(self) -> str:
        """Tells filters apart without showing them; empty when there are none."""
        params = self.to_params()
        if self.session_ids:
            params["session_ids"] = _json_text(sorted(self.session_ids))
        if not params:
            return ""
        return hashlib.sha256(msgspec.json.encode(sorted(params.items()))).hexdigest()[:16]


class PostHogSource:
    """
    Recordings of one PostHog project, through the API.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        host: str,
        project_id: str | int,
        api_key: str,
        *,
        filters: RecordingFilters | None = None,
        with_analytics: bool = True,
        plan: str = "free",
        api_limits: Sequence[Limit] | None = None,
        query_limits: Sequence[Limit] | None = None,
        state: StateStore | None = None,
        max_wait_s: float = 3900.0,
        timeout_s: float = 60.0,
        max_recording_bytes: int = MAX_RECORDING_BYTES,
        allow_http: bool = False,
        client: httpx.Client | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """
        Args:
            host: ``us``, ``eu``, or the address of a self-hosted PostHog.
            project_id: The number in the project's addresses.
            api_key: Personal API key with ``session_recording:read``, and ``query:read``
                for analytics.
            filters: Only these recordings.
            with_analytics: Get the sessions' analytics events and console lines too.
            plan: ``free``, ``paid`` or ``enterprise``; its rate limits are kept.
            api_limits: Instead of the plan's, for listing and snapshots.
            query_limits: Instead of the plan's, for HogQL.
            state: Where sent requests are remembered; an archive's catalog. None forgets
                them with the process.
            max_wait_s: Longest wait for a limit before `SourceRateLimitedError`.
            timeout_s: Longest silence of the server.
            max_recording_bytes: Largest recording, decoded.
            allow_http: Send the key over unencrypted HTTP to another machine.
            client: Used instead of an own one; not closed.
            clock: Epoch seconds now.
            sleep: Waits for a number of seconds.
            rng: Spreads retries.

        Raises:
            SettingsError: Host or plan cannot be used.
            SourceAuthError: That is no personal API key.
        """
        self.host = posthog_base_url(host, allow_http=allow_http)
        self._project = str(project_id).strip()
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", self._project):
            raise SourceAuthError(
                "the project is not a number. Take it from the address of your project: "
                "https://us.posthog.com/project/<number>"
            )
        api_key = _checked_key(api_key)
        self._filters = filters if filters is not None else RecordingFilters()
        self._max_bytes = max_recording_bytes
        self._http = HttpClient(
            self.host,
            headers={"authorization": f"Bearer {api_key}", "user-agent": "replayport"},
            client=client,
            timeout_s=timeout_s,
            clock=clock,
            sleep=sleep,
            rng=rng,
        )
        state = state if state is not None else MemoryState()

        def budget(
            name: str, limits: Sequence[Limit], known: dict[str, tuple[Limit, ...]]
        ) -> Budget:
            return Budget(
                limits,
                state=state,
                key=state_key(host=self.host, project=self._project, api_key=api_key, budget=name),
                known=known,
                max_wait_s=max_wait_s,
                clock=clock,
                sleep=sleep,
            )

        self._budget = budget("api", api_limits or plan_limits(plan), dict(PLANS))
        self._query_budget = budget(
            "query", query_limits or plan_limits(plan, QUERY_PLANS), dict(QUERY_PLANS)
        )
        self._queries = SessionQueries(self._http, self._path("query/"), self._query_budget)
        self._with_analytics = with_analytics
        self._snapshots = SnapshotClient(
            self._http,
            self._path("session_recordings"),
            self._budget,
            max_recording_bytes=max_recording_bytes,
        )
        self._fetched = 0
        self._fetch_requests = 0

    def __repr__(self) -> str:
        return f"<PostHogSource {self.host} project {self._project}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    kind: Final = KIND
    oldest_first: Final = True

    @property
    def key(self) -> str:
        """Tells this source and its filters from others."""
        return f"{KIND} {self.host} {self._project} {self._filters.digest}".rstrip()

    @property
    def project(self) -> str:
        """The project's number; also its name in the archive."""
        return self._project

    @property
    def received_bytes(self) -> int:
        """Bytes received so far."""
        return self._http.received_bytes

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for the rate limits so far."""
        return self._budget.waited_s + self._query_budget.waited_s

    def time_left_s(self, recordings: int) -> float | None:
        """Say how long so many more recordings take under the limits, listing included."""
        each = self._fetch_requests / self._fetched if self._fetched else 2.0
        pages = -(-recordings // PAGE_SIZE)
        left_s = self._budget.time_left_s(round(recordings * each) + pages)
        if self._with_analytics and self._queries.allowed:
            left_s = max(left_s, self._query_budget.time_left_s(recordings))
        return left_s

    def count(self, *, since_ms: int | None = None, until_ms: int | None = None) -> int | None:
        """
        Estimate how many recordings there are.

        Returns:
            As one HogQL query says, which does not know filters: with those, or without
            analytics, None. With ``session_ids``, their number.
        """
        if self._filters.digest:
            return len(self._filters.session_ids) or None
        if not self._with_analytics:
            return None
        return self._queries.count_recordings(
            since_ms=since_ms if since_ms is not None else EARLIEST_MS, until_ms=until_ms
        )

    # --- listing --------------------------------------------------------------------

    def list_recordings(
        self, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> Iterator[RecordingRef]:
        """
        Yield recordings that started in ``[since_ms, until_ms)``, oldest first.

        A listing moves while it is read: ids come once, whatever pages repeat, and when
        paging by offset the last rows of a page are asked again to notice a shift.

        Raises:
            SourceError: A page could not be had, or the pages go in circles.
        """
        params = {
            "order": "start_time",
            "order_direction": "ASC",
            "limit": str(PAGE_SIZE),
            # Whole seconds, as the server takes them; the exact bounds are held below.
            "date_from": iso_utc(
                (since_ms if since_ms is not None else EARLIEST_MS) // 1000 * 1000
            ),
            **self._filters.to_params(),
        }
        if until_ms is not None:
            params["date_to"] = iso_utc(-(-until_ms // 1000) * 1000)
        ids = list(self._filters.session_ids)
        parts = [
            ids[at : at + _SESSION_IDS_AT_ONCE]
            for at in range(0, max(len(ids), 1), _SESSION_IDS_AT_ONCE)
        ]
        for part in parts:
            if part:
                params["session_ids"] = _json_text(part)
            for ref in self._pages(params):
                if (since_ms is None or ref.start_ms >= since_ms) and (
                    until_ms is None or ref.start_ms < until_ms
                ):
                    yield ref

    def _pages(self, params: dict[str, str]) -> Iterator[RecordingRef]:
        seen: OrderedDict[str, None] = OrderedDict()
        after: str | None = None
        offset = 0
        stale = 0
        while True:
            place = {"after": after} if after is not None else {"offset": str(offset)}
            page = self._page({**params, **place})
            refs = [ref for ref in map(self._ref, page.results) if ref is not None]
            fresh = [ref for ref in refs if ref.session_id not in seen]
            # By offset, a page that starts with nothing known has skipped rows, unless
            # those it should have repeated are gone: go back, a few times.
            if after is None and offset and len(fresh) == len(refs) and refs and stale == 0:
                stale += 1
                offset = max(0, offset - PAGE_SIZE)
                continue
            for ref in refs:
                known = ref.session_id in seen
                seen[ref.session_id] = None
                seen.move_to_end(ref.session_id)
                if not known:
                    yield ref
            while len(seen) > _SEEN_IDS:
                seen.popitem(last=False)
            if not page.has_next and not page.next_cursor:
                return
            if not page.results:
                return
            if fresh:
                stale = 0
            else:
                stale += 1
                if stale >= _MAX_STALE_PAGES or (page.next_cursor and page.next_cursor == after):
                    raise SourceError(
                        f"the listing of project {self._project} repeats itself: {stale} pages "
                        "without a new recording. What was listed is pulled; the rest cannot be "
                        "reached this way. Narrow it with --since and --until"
                    )
            if page.next_cursor:
                after = page.next_cursor
            else:
                after = None
                offset += max(len(page.results) - PAGE_OVERLAP, 1)

    def _page(self, params: dict[str, str]) -> _ListPage:
        answer = self._http.request(
            "GET",
            self._path("session_recordings/"),
            what=f"listing the recordings of project {self._project}",
            params=params,
            budget=self._budget,
        )
        return answer.convert(_ListPage)

    def _ref(self, row: dict[str, Any]) -> RecordingRef | None:
        session_id = row.get("id")
        start_ms = source_time_ms(row.get("start_time"))
        if not isinstance(session_id, str) or not session_id or start_ms is None:
            return None
        end_ms = source_time_ms(row.get("end_time"))
        distinct_id = row.get("distinct_id")
        listed = {k: row[k] for k in _LISTED_FIELDS if row.get(k) is not None}
        return RecordingRef(
            project=self._project,
            session_id=session_id,
            start_ms=start_ms,
            end_ms=end_ms if end_ms is not None else start_ms,
            ongoing=row.get("ongoing") is True,
            distinct_id=distinct_id if isinstance(distinct_id, str) and distinct_id else None,
            source={"kind": KIND, "host": self.host, "project": self._project, **listed},
        )

    def find(self, session_id: str) -> RecordingRef:
        """
        Look one recording up.

        Raises:
            SourceNotFoundError: It is not there.
        """
        answer = self._http.request(
            "GET",
            self._path(f"session_recordings/{quote(session_id, safe='')}/"),
            what=f"looking up recording {session_id:.100}",
            budget=self._budget,
        )
        ref = self._ref(answer.convert(dict))
        if ref is None:
            raise SourceDataError(
                f"recording {session_id:.100} is described without an id or a start time. "
                "The server is of a version replayport does not know",
                reason=RejectReason.UNKNOWN_FORMAT,
                what=session_id,
            )
        return ref

    # --- one recording --------------------------------------------------------------

    def fetch(self, ref: RecordingRef) -> RecordingDraft:
        """
        Get a recording's events, and its session's analytics events.

        Raises:
            SourceError: As `Source.fetch` says.
        """
        before = self._http.sent
        snapshots = self._snapshots.get(ref)
        self._fetched += 1
        self._fetch_requests += self._http.sent - before
        decoder = snapshots.decoder
        if not len(decoder.columns):
            raise snapshots.nothing(ref)
        draft = RecordingDraft(
            project=ref.project,
            session_id=ref.session_id,
            columns=decoder.columns,
            source=dict(ref.source) or {"kind": KIND, "host": self.host, "project": ref.project},
            rejected=decoder.rejected,
            findings=decoder.findings,
            person=Person(distinct_id=ref.distinct_id) if ref.distinct_id else None,
            missing=snapshots.missing,
            provenance={"served_as": snapshots.served_as, "source_blocks": snapshots.listed},
        )
        if self._with_analytics:
            rows = self._queries.analytics(
                ref.session_id,
                start_ms=ref.start_ms,
                # A session lasts a day at most; an event far off would scan everything.
                end_ms=min(ref.end_ms, ref.start_ms + MAX_SESSION_MS),
                with_console=not _has_console(decoder) and _may_have_console(ref),
            )
            if rows is None:
                draft.findings["analytics_unavailable"] += 1
            else:
                draft.analytics = rows
        return draft

    def _path(self, rest: str) -> str:
        return f"/api/projects/{self._project}/{rest}"


class _ListPage(msgspec.Struct):
    """A page of recordings."""

    results: list[dict[str, Any]]
    has_next: bool = False
    next_cursor: str | None = None


def posthog_base_url(host: str, *, allow_http: bool = False) -> str:
    """
    Give the address of a PostHog's API.

    Args:
        host: ``us``, ``eu``, a host or an address. PostHog Cloud's capture hosts
            (``us.i.posthog.com``), which serve no API, become the API's.
        allow_http: Take unencrypted HTTP to another machine.

    Raises:
        SettingsError: It cannot be used.
    """
    url = checked_base_url(_SHORT_NAMES.get(host.strip().lower(), host), allow_http=allow_http)
    return re.sub(r"^https://(us|eu)\.i\.posthog\.com$", r"https://\1.posthog.com", url)


def _checked_key(api_key: str) -> str:
    key = api_key.strip()
    if not key:
        raise SourceAuthError(
            "there is no API key. PostHog's API needs a personal one. "
            "Set POSTHOG_API_KEY to a key (phx_…) with the scopes session_recording:read and "
            "query:read"
        )
    if key.startswith("phc_"):
        raise SourceAuthError(
            "the API key is a project token (phc_…), which can only send events. "
            "Make a personal API key (phx_…) with the scopes session_recording:read and query:read"
        )
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise SourceAuthError(
            "the API key has characters no key has. It was probably copied with something else. "
            "Copy it again"
        )
    return key


def _has_console(decoder: EventDecoder) -> bool:
    return "console" in decoder.columns.kinds.values


def _may_have_console(ref: RecordingRef) -> bool:
    counts = [ref.source.get(f"console_{level}_count") for level in ("log", "warn", "error")]
    return any(n is None or n for n in counts)


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()
