"""
Block addresses from a self-hosted PostHog's ClickHouse, over its HTTP interface.

Sessions are read a page at a time, by (start, session id), so that no answer has to stay
open while recordings are fetched.

Source:
    posthog ``posthog/session_recordings/sql/session_replay_event_sql.py``. A session has
    several rows until ClickHouse merges them, which may be never.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import msgspec

from replayport.errors import (
    SettingsError,
    SourceAuthError,
    SourceDataError,
    SourceError,
)
from replayport.outcomes import RejectReason
from replayport.sources.http_client import HttpClient, checked_base_url
from replayport.sources.posthog_listing import ListedRecording, listed, zip_blocks

PAGE_ROWS: Final = 200
MAX_PAGE_BYTES: Final = 512 * 2**20
DAY_MS: Final = 24 * 3600 * 1000

_LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01, inside what DateTime64(6) holds
_UNKNOWN_IDENTIFIER: Final = "47"
_ERRORS: Final = (400, 401, 403, 404, 500, 501, 503, 516)
_AUTH_CODES: Final = ("192", "193", "194", "497", "516")
"""Unknown user, wrong password, required password, access denied, authentication failed."""

_QUERY: Final = """
SELECT
    session_id,
    any(distinct_id),
    toUnixTimestamp64Milli(min(min_first_timestamp)) AS started_ms,
    toUnixTimestamp64Milli(max(max_last_timestamp)),
    arrayMap(t -> toUnixTimestamp64Milli(t), groupArrayArray(block_first_timestamps)),
    arrayMap(t -> toUnixTimestamp64Milli(t), groupArrayArray(block_last_timestamps)),
    groupArrayArray(block_urls),
    {deleted}
FROM {table}
WHERE team_id = {{team_id:Int64}}
    AND min_first_timestamp >= fromUnixTimestamp64Milli({{rows_from_ms:Int64}})
    AND min_first_timestamp < fromUnixTimestamp64Milli({{rows_until_ms:Int64}})
    {session}
GROUP BY session_id
HAVING started_ms >= {{from_ms:Int64}} AND started_ms < {{until_ms:Int64}}
    AND (started_ms, session_id) > ({{after_ms:Int64}}, {{after_id:String}})
ORDER BY started_ms, session_id
LIMIT {limit}
FORMAT JSONCompactEachRow
"""

_Row = tuple[str, str, int, int, list[int], list[int], list[str], int]
_rows = msgspec.json.Decoder(_Row, strict=False)


class ClickHouseListing:
    """The listing of one team."""

    oldest_first: Final = True

    def __init__(
        self,
        url: str,
        team_id: str | int,
        *,
        user: str = "default",
        password: str = "",
        database: str = "default",
        table: str = "session_replay_events",
        allow_http: bool = False,
        timeout_s: float = 120.0,
        client: httpx.Client | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """
        Args:
            url: Of the HTTP interface, ``http://localhost:8123``.
            team_id: PostHog's project number.
            user: ClickHouse user; needs SELECT on the table only.
            password: Its password.
            database: PostHog's database.
            table: Its table, or the distributed one over it.
            allow_http: Send the password over unencrypted HTTP to another machine.
            timeout_s: Longest silence of the server.
            client: Used instead of an own one; not closed.
            clock: Epoch seconds now.
            sleep: Waits for a number of seconds.
            rng: Spreads retries.

        Raises:
            SettingsError: A name or the address cannot be used.
        """
        base_url = checked_base_url(url, allow_http=allow_http)
        for name, value in (("database", database), ("table", table)):
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", value):
                raise SettingsError(f"the ClickHouse {name} is not a plain name")
        if not re.fullmatch(r"\d{1,18}", str(team_id)):
            raise SettingsError(
                "the ClickHouse team is not a number. It is the project's number in PostHog"
            )
        self.key = f"clickhouse {base_url} {database}.{table} {team_id}"
        self._team_id = str(team_id)
        self._table = f"{database}.{table}"
        self._has_deleted = True
        self._http = HttpClient(
            base_url,
            headers={"x-clickhouse-user": user, "x-clickhouse-key": password},
            client=client,
            timeout_s=timeout_s,
            clock=clock,
            sleep=sleep,
            rng=rng,
        )

    def __repr__(self) -> str:
        return f"<ClickHouseListing {self.key}>"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def recordings(
        self, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> Iterator[ListedRecording]:
        """
        Yield the sessions that started in ``[since_ms, until_ms)``, oldest first.

        Raises:
            SourceError: ClickHouse cannot be asked.
        """
        from_ms = max(since_ms if since_ms is not None else 0, 0)
        last_ms = min(until_ms if until_ms is not None else _LATEST_MS, _LATEST_MS)
        after = (-1, "")
        while True:
            page = self._page(from_ms=max(from_ms, after[0]), until_ms=last_ms, after=after)
            yield from page
            if len(page) < PAGE_ROWS:
                return
            after = (page[-1].start_ms, page[-1].session_id)

    def find(self, session_id: str, *, start_ms: int) -> ListedRecording | None:
        """Find one session that started within a day of ``start_ms``."""
        page = self._page(
            from_ms=max(start_ms - DAY_MS, 0),
            until_ms=start_ms + DAY_MS,
            after=(-1, ""),
            session_id=session_id,
        )
        return page[0] if page else None

    def _page(
        self, *, from_ms: int, until_ms: int, after: tuple[int, str], session_id: str = ""
    ) -> list[ListedRecording]:
        params = {
            "param_team_id": self._team_id,
            # A session's later rows start up to a day after it, and rows of a session
            # that started before must be seen to know that it did.
            "param_rows_from_ms": str(max(from_ms - DAY_MS, 0)),
            "param_rows_until_ms": str(min(until_ms + DAY_MS, _LATEST_MS)),
            "param_from_ms": str(from_ms),
            "param_until_ms": str(until_ms),
            "param_after_ms": str(after[0]),
            "param_after_id": after[1],
            "output_format_json_quote_64bit_integers": "0",
            # Errors then come as a status, not in the middle of the rows.
            "wait_end_of_query": "1",
        }
        if session_id:
            params["param_session_id"] = session_id
        body = self._ask(params, with_session=bool(session_id))
        try:
            rows = _rows.decode_lines(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise SourceDataError(
                f"ClickHouse gave {len(body)} bytes that are not the rows asked for. The address "
                "is not ClickHouse's HTTP interface, or a proxy stands before it",
                reason=RejectReason.UNKNOWN_FORMAT,
                what="listing",
            ) from e
        return [_recording(row) for row in rows]

    def _ask(self, params: dict[str, str], *, with_session: bool) -> bytes:
        query = _QUERY.format(
            deleted="max(is_deleted)" if self._has_deleted else "0",
            table=self._table,
            session="AND session_id = {session_id:String}" if with_session else "",
            limit=PAGE_ROWS,
        )
        answer = self._http.request(
            "POST",
            "/",
            what="listing the blocks in ClickHouse",
            params=params,
            body=query.encode(),
            max_bytes=MAX_PAGE_BYTES,
            accept=_ERRORS,
        )
        if 200 <= answer.status < 300:
            answer.check_not_html()
            return answer.body
        code = answer.headers.get("x-clickhouse-exception-code", "")
        if not code and (named := re.match(rb"Code: (\d{1,5})\b", answer.body)):
            code = named[1].decode()
        if code == _UNKNOWN_IDENTIFIER and self._has_deleted:
            self._has_deleted = False  # PostHog before 2026 had no such column
            return self._ask(params, with_session=with_session)
        if answer.status in (401, 403) or code in _AUTH_CODES:
            raise SourceAuthError(
                f"ClickHouse refused the user ({answer.status}, code {code or 'none'}). The "
                f"password is wrong, or the user may not SELECT from {self._table}",
                status=answer.status,
            )
        raise SourceError(
            f"ClickHouse refused the listing ({answer.status}, code {code or 'none'}). The table "
            f"{self._table} is not there, is not PostHog's, or the server is overloaded"
        )


def _recording(row: Any) -> ListedRecording:
    session_id, distinct_id, start_ms, end_ms, firsts, lasts, urls, deleted = row
    blocks, fit = zip_blocks(urls, list(firsts))
    return listed(
        session_id,
        start_ms=start_ms,
        end_ms=end_ms,
        blocks=blocks,
        distinct_id=distinct_id or None,
        deleted=bool(deleted),
        lengths_differ=not fit or len(lasts) != len(urls),
    )
