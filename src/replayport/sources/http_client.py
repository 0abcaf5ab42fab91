"""
HTTP requests to a source: budgets, waits, bounded retries, bounded bodies.

```
request ──> budget.acquire ──> send ──> 2xx                      the answer
                 ^              │ ────> 429                      wait as asked, again
                 └──────────────┤ ────> 5xx, cut, silence        back off, at most `ATTEMPTS`
                                └ ────> 401 403 404 410 …        the error of that name
```

Redirects are not followed: a key is for the host it was given for. Messages name hosts and
paths, never query strings (they hold ids and filters), bodies or headers.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from replayport.errors import (
    SettingsError,
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceGoneError,
    SourceNotFoundError,
    SourceRateLimitedError,
)
from replayport.outcomes import RejectReason
from replayport.sources.rate_limits import Budget

ATTEMPTS: Final = 5
"""Tries of one request that fails by itself (5xx, cut); 429s are counted apart."""

MAX_REFUSALS: Final = 20
"""429s of one request. Each was waited for; more means the limit cannot be met."""

MAX_JSON_BYTES: Final = 64 * 2**20
"""Any answer that is parsed as a whole; pages of events are the largest."""

_BACKOFF_S: Final = 1.0
_BACKOFF_MAX_S: Final = 60.0
_SCOPE: Final = re.compile(r"\b[a-z_]{3,40}:(?:read|write)\b")
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer with a status the caller said it can use."""

    status: int
    headers: httpx.Headers
    body: bytes
    what: str
    """The request in words, for messages."""

    @property
    def is_html(self) -> bool:
        """A web page: a login form, a proxy's error, the app itself."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind in ("text/html", "application/xhtml+xml") or (
            self.body[:256].lstrip()[:1] == b"<"
        )

    @property
    def code(self) -> str:
        """The error's machine-readable name; empty when the body has none."""
        try:
            found = msgspec.json.decode(self.body, type=_ErrorBody)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        name = found.code if isinstance(found.code, str) else found.error
        return name if isinstance(name, str) and _CODE.fullmatch(name) else ""

    def json(self) -> Any:
        """
        Parse the body.

        Raises:
            SourceError: It is a web page.
            SourceDataError: It is not JSON.
        """
        self.check_not_html()
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise SourceDataError(
                f"{self.what} gave {len(self.body)} bytes that are not JSON. "
                "A proxy may have changed them. Try the address in a browser",
                reason=RejectReason.INVALID_JSON,
                what=self.what,
            ) from e

    def convert(self, to: type[_T]) -> _T:
        """
        Parse the body into a type.

        Raises:
            SourceError: As `json`; and when it is of another shape.
        """
        value = self.json()
        try:
            return msgspec.convert(value, to, strict=False)
        except msgspec.ValidationError as e:
            raise SourceDataError(
                f"{self.what} gave JSON of another shape than expected. The address is not the "
                "API's, or the server is of a version replayport does not know",
                reason=RejectReason.UNKNOWN_FORMAT,
                what=self.what,
            ) from e

    def check_not_html(self) -> None:
        """
        Refuse a web page.

        Raises:
            SourceError: It is one.
        """
        if self.is_html:
            raise SourceError(
                f"{self.what} gave a web page instead of data. The address is not the API's, "
                "or a login or proxy stands before it. Check --host; PostHog Cloud's are us and eu"
            )


class _ErrorBody(msgspec.Struct):
    code: Any = None
    error: Any = None
    detail: Any = None
    message: Any = None


class HttpClient:
    """
    Sends requests to one base address.

    Attributes:
        received_bytes: Bytes of bodies as transferred.
        sent: Requests sent, failed ones too.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        client: httpx.Client | None = None,
        timeout_s: float = 60.0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._own_client = client is None
        self._client = client if client is not None else httpx.Client()
        self._timeout = httpx.Timeout(timeout_s)
        self._clock = clock
        self._sleep = sleep
        self._rng = rng if rng is not None else random.Random()  # noqa: S311 - spreads retries
        self.received_bytes = 0
        self.sent = 0

    def __repr__(self) -> str:
        return f"<HttpClient {self._base_url}>"

    def close(self) -> None:
        """Close the connections, if they are its own."""
        if self._own_client:
            self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        budget: Budget | None = None,
        max_bytes: int = MAX_JSON_BYTES,
        accept: Collection[int] = (),
    ) -> Answer:
        """
        Send a request until it is answered.

        Args:
            method: HTTP method; only safe or idempotent requests are sent here.
            path: Below the base address.
            what: The request in words, for messages.
            params: Query string.
            json: Sent as the body.
            body: Sent as the body.
            budget: Asked before each try.
            max_bytes: Largest body, decoded.
            accept: Statuses besides 2xx that the caller handles.

        Raises:
            SourceError: One of its kinds; the plain one after `ATTEMPTS` failures.
        """
        content = msgspec.json.encode(json) if json is not None else body
        failures = 0
        refusals = 0
        while True:
            if budget is not None:
                budget.acquire()
            answer, failure = self._send(method, path, what, params, content, max_bytes)
            if answer is not None:
                if answer.status == 429 and 429 not in accept:
                    refusals += 1
                    self._refused(answer, budget, refusals)
                    continue
                if answer.status in accept or 200 <= answer.status < 300:
                    return answer
                if answer.status < 500:
                    raise self._error(answer)
                failure = f"status {answer.status}"
            failures += 1
            if failures >= ATTEMPTS:
                raise SourceError(
                    f"{what} failed {failures} times, last by {failure}. The source is out of "
                    "order or overloaded. Run the same command later; it goes on where it stopped"
                )
            longest_s = min(_BACKOFF_S * 2 ** (failures - 1), _BACKOFF_MAX_S)
            self._sleep(longest_s * self._rng.uniform(0.5, 1.0))

    def _send(
        self,
        method: str,
        path: str,
        what: str,
        params: Mapping[str, str] | None,
        content: bytes | None,
        max_bytes: int,
    ) -> tuple[Answer | None, str]:
        """Give the answer, or None and what went wrong on the way."""
        headers = dict(self._headers)
        if content is not None:
            headers["content-type"] = "application/json"
        self.sent += 1
        try:
            with self._client.stream(
                method,
                self._base_url + path,
                params=params,
                content=content,
                headers=headers,
                timeout=self._timeout,
                follow_redirects=False,
            ) as response:
                body = bytearray()
                before = 0
                for chunk in response.iter_bytes():
                    self.received_bytes += response.num_bytes_downloaded - before
                    before = response.num_bytes_downloaded
                    body += chunk
                    if len(body) > max_bytes:
                        raise SourceDataError(
                            f"{what} gives more than {max_bytes} bytes. It is not what was "
                            "asked for, or larger than the limit; raise max_recording_bytes "
                            "if it is yours",
                            reason=RejectReason.TOO_LARGE,
                            what=what,
                        )
                return Answer(response.status_code, response.headers, bytes(body), what), ""
        except (httpx.TransportError, httpx.DecodingError) as e:
            # The class says enough; httpx's own texts may quote addresses in full.
            return None, type(e).__name__
        except httpx.InvalidURL as e:
            raise SettingsError(f"{what}: the address cannot be used. Check --host") from e

    def _refused(self, answer: Answer, budget: Budget | None, refusals: int) -> None:
        wait_s = self.retry_after_s(answer.headers)
        if budget is not None:
            wait_s = budget.refused(wait_s)
        elif wait_s is None:
            wait_s = _BACKOFF_MAX_S
        if refusals >= MAX_REFUSALS or (budget is None and wait_s > _BACKOFF_MAX_S):
            raise SourceRateLimitedError(
                f"{answer.what} was refused {refusals} times by the rate limit. Others use the "
                "same limit, or it is lower than the plan's. Run the same command later",
                retry_after_s=wait_s,
            )
        if budget is None:
            self._sleep(wait_s)

    def retry_after_s(self, headers: httpx.Headers) -> float | None:
        """
        Read ``Retry-After``, seconds or a date.

        Returns:
            Seconds from now, at least 0; None when absent or neither.
        """
        text = headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
            return float(text)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        try:
            # Counted on the server's clock where it tells it: ours may differ by minutes.
            now = parsedate_to_datetime(headers.get("date", "")).timestamp()
        except ValueError:
            now = self._clock()
        return max(until.timestamp() - now, 0.0)

    def _error(self, answer: Answer) -> SourceError:
        what, status = answer.what, answer.status
        code = f", code {answer.code}" if answer.code else ""
        if status == 401:
            return SourceAuthError(
                f"{what} was refused (401{code}). The key is wrong, expired, or of another host. "
                "Make a personal API key (phx_…) with the scopes session_recording:read and "
                "query:read",
                status=status,
            )
        if status == 403:
            scope = _scope_named(answer.body)
            lacks = f"lacks the scope {scope}" if scope else "may not do this in this project"
            return SourceAuthError(
                f"{what} was refused (403{code}). The key {lacks}. Give it the scopes "
                "session_recording:read and query:read, and access to the project",
                status=status,
            )
        if status == 404:
            return SourceNotFoundError(
                f"{what}: not found (404{code}). It expired, was never there, or belongs to "
                "another project. Check --project"
            )
        if status == 410:
            return SourceGoneError(
                f"{what}: deleted at the source (410{code}). Nothing can bring it back"
            )
        if 300 <= status < 400:
            return SourceError(
                f"{what} was redirected ({status}). The address is not the API's: PostHog Cloud's "
                "are https://us.posthog.com and https://eu.posthog.com. Check --host"
            )
        return SourceError(
            f"{what} was refused ({status}{code}). The source does not take the request as "
            "replayport writes it. Check its version and the filters"
        )


def checked_base_url(host: str, *, allow_http: bool = False) -> str:
    """
    Make a base address of what people write for a host.

    Args:
        host: ``https://posthog.example.com/prefix``, or without the scheme.
        allow_http: Take unencrypted HTTP to another machine.

    Returns:
        The address without a trailing slash.

    Raises:
        SettingsError: Not an address, or it would send the key in the clear.
    """
    text = host.strip()
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        name = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError as e:
        raise SettingsError("the host is not an address. Write https://posthog.example.com") from e
    if (
        parts.scheme not in ("http", "https")
        or not re.fullmatch(r"[A-Za-z0-9._:-]+", name)
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise SettingsError(
            "the host is not a plain http(s) address. Write https://posthog.example.com, "
            "without user, query or fragment"
        )
    if parts.scheme == "http" and name not in _LOOPBACK and not allow_http:
        raise SettingsError(
            f"http://{name} would send the key unencrypted over the network. Use https, or "
            "allow it with --allow-http where the network is trusted"
        )
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}{port}{parts.path.rstrip('/')}"


def _scope_named(body: bytes) -> str | None:
    try:
        found = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    for text in (found.detail, found.message, found.error):
        scope = _SCOPE.search(text) if isinstance(text, str) else None
        if scope:
            return scope[0]
    return None
