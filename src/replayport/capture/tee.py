"""
The tee: requests go on to PostHog as they came, and PostHog's answers come back.

```
SDK ──> routes.py ──┬──> tee.py ──> PostHog ──> its answer ──> SDK
                    │       └─ no answer: outbox.py, sent again until PostHog takes it
                    └──> inbox.py (our copy)
```

What is changed on the way, and all of it:

- Host is PostHog's; headers that concern one connection only (RFC 9110, 7.6.1) stay.
- ``X-Forwarded-For`` gets the visitor's address, or with ``drop`` every header that
  could name it is taken out, so that PostHog sees this server instead.
- Cookies stay here, in both directions: behind the tee on the site's own domain a browser
  sends those of the site, which are nobody else's business.
- Remote config is asked for uncompressed, so that it can be read: where PostHog says
  that a project does not record, its recordings are not kept here either.

The path, the query and the body are passed on byte for byte. Redirects are not followed.

A *breaker* spares visitors the waiting: after `FAILURES_TO_OPEN` failures in a row
PostHog is not asked for `Tee.retry_s`, then by one request at a time.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, Literal, TypeVar, get_args
from urllib.parse import urlsplit

import httpx

from replayport.capture.outbox import Outbox, Outgoing, Waiting
from replayport.errors import SettingsError, StoreError

ClientIp = Literal["forward", "drop"]
RawHeaders = tuple[tuple[bytes, bytes], ...]
K = TypeVar("K")
V = TypeVar("V")

ANSWER_TIMEOUT_S: Final = 10.0
"""How long PostHog may take to begin its answer."""

CONNECT_TIMEOUT_S: Final = 3.0
RETRY_S: Final = 5.0
MAX_RETRY_S: Final = 300.0
FAILURES_TO_OPEN: Final = 3
MAX_CONNECTIONS: Final = 100
SENT_AT_ONCE: Final = 4
"""Requests of the outbox under way at a time: PostHog is recovering just then."""

MAX_READ_BYTES: Final = 4 * 2**20
"""Largest answer that is read rather than streamed."""

MAX_REMEMBERED: Final = 512
"""Configs kept for an outage, and tokens whose recording is known to be off."""

_CLOUD: Final = re.compile(r"(?:(us|eu|app)(?:-assets)?(?:\.i)?)\.posthog\.com")
_ASSET_PATHS: Final = (b"/static/", b"/array/")
_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
_NOT_SENT: Final = _HOP_BY_HOP | {b"host", b"content-length", b"cookie", b"expect"}
_NOT_RETURNED: Final = _HOP_BY_HOP | {b"set-cookie", b"date", b"server", b"alt-svc"}
_VISITOR_ADDRESS: Final = frozenset(
    {
        b"x-forwarded-for",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"forwarded",
        b"cf-connecting-ip",
        b"cf-connecting-ipv6",
        b"cf-pseudo-ipv4",
        b"true-client-ip",
        b"fastly-client-ip",
        b"fly-client-ip",
        b"x-vercel-forwarded-for",
        b"x-azure-clientip",
        b"x-original-forwarded-for",
    }
)
_RETRIED_STATUS: Final = frozenset({408, 425, 429})
"""Refusals that mean "later" when a request of the outbox gets them."""

_RECORDING_OFF: Final = re.compile(rb'"sessionRecording"\s*:\s*(false|\{)')
_log: Final = logging.getLogger("replayport.capture")


class UpstreamError(Exception):
    """PostHog gave no answer, or a 5xx; the request may be sent again."""


@dataclass(slots=True)
class Answer:
    """PostHog's answer, its body still on the way."""

    status: int
    headers: RawHeaders
    _response: httpx.Response

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the body as it was on the wire, codings still on.

        Raises:
            UpstreamError: It broke off.
        """
        try:
            async for chunk in self._response.aiter_raw():
                yield chunk
        except httpx.HTTPError as e:
            raise UpstreamError(type(e).__name__) from e
        finally:
            await self._response.aclose()

    async def read(self) -> bytes:
        """
        Give the whole body.

        Raises:
            UpstreamError: It broke off, or is larger than `MAX_READ_BYTES`.
        """
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > MAX_READ_BYTES:
                await self.close()
                raise UpstreamError("the answer is too large")
        return bytes(body)

    async def close(self) -> None:
        """Leave the rest of the body where it is."""
        await self._response.aclose()


class Tee:
    """
    Args:
        url: PostHog: ``https://us.i.posthog.com``, or that of a self-hosted one.
        outbox: Where requests wait; closed with the tee. None: what PostHog does not take
            is answered 503, and the SDK tries again for as long as its page is open.
        assets_url: Host of ``/static/`` and ``/array/``; found out for PostHog Cloud,
            else the same as ``url``.
        client_ip: Whether PostHog learns the visitor's address.
        timeout_s: How long PostHog may take to begin its answer.
        retry_s: First pause after failures; doubled up to `MAX_RETRY_S`.
        clock_ms: Epoch milliseconds, for the outbox.
        log: Where trouble with PostHog is said.

    Raises:
        SettingsError: A URL that cannot be one, or another ``client_ip``.
    """

    def __init__(
        self,
        url: str,
        *,
        outbox: Outbox | None,
        assets_url: str = "",
        client_ip: ClientIp = "forward",
        timeout_s: float = ANSWER_TIMEOUT_S,
        retry_s: float = RETRY_S,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        log: logging.Logger = _log,
    ) -> None:
        self._api, self._assets = upstreams(url, assets_url)
        if client_ip not in get_args(ClientIp):
            raise SettingsError(
                f"tee_client_ip cannot be {client_ip!r}. It says whether PostHog learns the "
                f"visitor's address: {' or '.join(get_args(ClientIp))}"
            )
        self._outbox = outbox
        self._client_ip = client_ip
        self.retry_s = retry_s
        self._clock_ms = clock_ms
        self._log = log
        self._breaker = _Breaker(retry_s)
        self._recording: dict[str, bool] = {}
        self._configs: dict[bytes, tuple[RawHeaders, bytes]] = {}
        self._sender: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self.counts: Counter[str] = Counter()
        """``sent``, ``failed``, ``queued``, ``sent_later``, ``refused_later``, ``too_old``."""
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(
                timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s), pool=min(2.0, timeout_s)
            ),
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS // 2
            ),
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def start(self) -> None:
        """Begin to send what the outbox holds; called again it does nothing."""
        if self._outbox is not None and (self._sender is None or self._sender.done()):
            self._sender = asyncio.create_task(self._send_waiting())

    async def close(self) -> None:
        """Stop sending; what waits stays in the outbox."""
        if self._sender is not None:
            self._sender.cancel()
            with suppress(asyncio.CancelledError):
                await self._sender
        await self._client.aclose()
        if self._outbox is not None:
            self._outbox.close()

    @property
    def waiting(self) -> int:
        """How many requests PostHog has not had yet."""
        return 0 if self._outbox is None else self._outbox.count

    def outgoing(
        self,
        *,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        client_host: str | None,
        identity: bool = False,
    ) -> Outgoing:
        """
        Make the request for PostHog of one that came in.

        Args:
            method: Its method.
            target: Path (less the prefix this server is under) and query, raw.
            headers: Its headers; names in lower case.
            body: Its body.
            client_host: Address of the connection; None when not known.
            identity: Ask for an answer without compression.
        """
        return Outgoing(
            method=method,
            target=target,
            headers=forwarded_headers(
                headers, client_host=client_host, client_ip=self._client_ip, identity=identity
            ),
            body=body,
            received_ms=self._clock_ms(),
        )

    async def forward(self, outgoing: Outgoing) -> Answer:
        """
        Send a request and give the beginning of its answer.

        Raises:
            UpstreamError: PostHog is out of reach, too slow, or answers 5xx.
        """
        self._breaker.enter()
        try:
            answer = await self._send(outgoing)
        except UpstreamError as e:
            self.counts["failed"] += 1
            if self._breaker.failed():
                self._log.warning(
                    "PostHog does not take requests (%s); trying again in %.0f s. Recordings are "
                    "kept here meanwhile, and sent on when it is back",
                    e,
                    self._breaker.pause_s,
                )
            raise
        except BaseException:
            self._breaker.left()
            raise
        self.counts["sent"] += 1
        if self._breaker.succeeded():
            self._log.warning("PostHog takes requests again; %d are waiting for it", self.waiting)
            self._wake.set()
        return answer

    async def queue(self, outgoing: Outgoing) -> None:
        """
        Keep a request for later; returns when it is on disk.

        Raises:
            OutboxFullError: No more may wait.
            StoreError: The disk refused, or there is no outbox.
        """
        if self._outbox is None:
            raise StoreError("the tee has no outbox", location="tee", operation="put")
        await self._outbox.put(outgoing, due_ms=self._clock_ms() + int(self.retry_s * 1000))
        self.counts["queued"] += 1
        await self.start()
        self._wake.set()

    def records(self, token: str) -> bool:
        """Whether PostHog's config lets this project record, as far as is known."""
        return self._recording.get(token, True)

    def learn(self, token: str, config: bytes) -> None:
        """
        Take note of a config PostHog gave.

        Args:
            token: Whose.
            config: JSON, or the script around it. Without ``sessionRecording`` it says
                nothing either way.
        """
        found = _RECORDING_OFF.search(config)
        if found is not None:
            _remember(self._recording, token, found[1] != b"false")

    def remember_config(self, target: bytes, headers: RawHeaders, body: bytes) -> None:
        """Keep a config to give out while PostHog is out of reach."""
        if len(body) <= 2**16:
            _remember(self._configs, target.partition(b"?")[0], (headers, body))

    def remembered_config(self, target: bytes) -> tuple[RawHeaders, bytes] | None:
        """Give the last config PostHog gave for an address; None when there is none."""
        return self._configs.get(target.partition(b"?")[0])

    async def _send(self, outgoing: Outgoing) -> Answer:
        base = self._assets if outgoing.target.startswith(_ASSET_PATHS) else self._api
        try:
            request = httpx.Request(
                outgoing.method,
                base,
                headers=list(outgoing.headers),
                content=outgoing.body or None,
                # The address as it came: httpx would normalise its escapes.
                extensions={"target": base.raw_path.rstrip(b"/") + outgoing.target},
            )
            request.extensions["timeout"] = self._client.timeout.as_dict()
            # Only the beginning of the answer is awaited here, and not per read but in all.
            async with asyncio.timeout(self._client.timeout.read):
                response = await self._client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as e:
            raise UpstreamError(type(e).__name__) from e
        if response.status_code >= 500:
            await response.aclose()
            raise UpstreamError(f"status {response.status_code}")
        headers = tuple(
            (name.lower(), value)
            for name, value in response.headers.raw
            if name.lower() not in _NOT_RETURNED
        )
        return Answer(response.status_code, headers, response)

    async def _send_waiting(self) -> None:
        """Send what waits, as soon as it is due and PostHog answers; never ends."""
        assert self._outbox is not None
        while True:
            self._wake.clear()
            try:
                pause_s = await self._send_due(self._outbox)
            except StoreError as e:
                self._log.warning("%s", e)
                pause_s = self.retry_s
            with suppress(TimeoutError):
                # Not wait_for: Python 3.11's can swallow being cancelled.
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def _send_due(self, outbox: Outbox) -> float | None:
        """Send what is due; gives the pause until more is, None when nothing waits."""
        now_ms = self._clock_ms()
        dropped = await outbox.drop_old(now_ms)
        if dropped:
            self.counts["too_old"] += dropped
            self._log.warning("%d requests waited too long for PostHog and were dropped", dropped)
        if self._breaker.pause_left_s > 0:
            return self._breaker.pause_left_s
        batch = await outbox.due(now_ms, limit=SENT_AT_ONCE)
        if batch:
            # One alone while it is not known whether PostHog is back.
            first, *rest = batch
            if await self._send_again(outbox, first):
                await asyncio.gather(*(self._send_again(outbox, waiting) for waiting in rest))
            return max(self._breaker.pause_left_s, 0.0)
        next_ms = await outbox.next_due_ms()
        return None if next_ms is None else max((next_ms - now_ms) / 1000, 0.001)

    async def _send_again(self, outbox: Outbox, waiting: Waiting) -> bool:
        """Send one of the outbox; gives whether PostHog answered."""
        status = 0
        try:
            answer = await self.forward(waiting.outgoing)
            status = answer.status
            await answer.close()
        except UpstreamError:
            pass
        if status == 0 or status in _RETRIED_STATUS:
            pause_s = min(self.retry_s * 2 ** min(waiting.tries, 16), MAX_RETRY_S)
            due_ms = self._clock_ms() + int(1000 * pause_s * random.uniform(0.5, 1.0))  # noqa: S311
            await outbox.postpone(waiting, due_ms=due_ms)
        else:
            await outbox.remove(waiting)
            self.counts["sent_later" if status < 400 else "refused_later"] += 1
        return status != 0


class _Breaker:
    """Keeps requests from waiting for somebody who does not answer."""

    def __init__(self, pause_s: float) -> None:
        self._first_pause_s = pause_s
        self.pause_s = pause_s
        self._failures = 0
        self._open_until_s = 0.0
        self._probing = False

    @property
    def pause_left_s(self) -> float:
        """How long nobody is let through; 0 when somebody is."""
        return max(self._open_until_s - time.monotonic(), 0.0)

    def enter(self) -> None:
        """
        Ask to be let through.

        Raises:
            UpstreamError: Not now.
        """
        if self._failures < FAILURES_TO_OPEN:
            return
        if self._probing or self.pause_left_s > 0:
            raise UpstreamError("it did not answer a moment ago")
        self._probing = True

    def left(self) -> None:
        """Note that a request ended without telling anything."""
        self._probing = False

    def failed(self) -> bool:
        """Note a failure; gives whether this one opened the breaker for the first time."""
        self._failures += 1
        if self._failures < FAILURES_TO_OPEN:
            return False
        opened = self._open_until_s == 0.0
        if opened:
            self.pause_s = self._first_pause_s
        elif self._probing:
            self.pause_s = min(self.pause_s * 2, MAX_RETRY_S)
        self._open_until_s = time.monotonic() + self.pause_s
        self._probing = False
        return opened

    def succeeded(self) -> bool:
        """Note an answer; gives whether it ended an outage."""
        ended = self._open_until_s != 0.0
        self._failures = 0
        self._open_until_s = 0.0
        self._probing = False
        return ended


def upstreams(url: str, assets_url: str = "") -> tuple[httpx.URL, httpx.URL]:
    """
    Give the addresses of PostHog's API and of its scripts.

    Args:
        url: What the user said: any of PostHog Cloud's hosts, or another PostHog.
        assets_url: Host of the scripts when it is not to be found out.

    Raises:
        SettingsError: A URL that cannot be one.
    """
    api = _base(url, "tee")
    if assets_url:
        return api, _base(assets_url, "tee_assets")
    cloud = _CLOUD.fullmatch(api.host)
    if cloud is None:
        return api, api
    region = "us" if cloud[1] == "app" else cloud[1]
    return (
        httpx.URL(f"https://{region}.i.posthog.com"),
        httpx.URL(f"https://{region}-assets.i.posthog.com"),
    )


def forwarded_headers(
    headers: list[tuple[bytes, bytes]],
    *,
    client_host: str | None,
    client_ip: ClientIp,
    identity: bool = False,
) -> RawHeaders:
    """
    Give the headers PostHog gets.

    Args:
        headers: As received; names in lower case.
        client_host: Address of the connection; None when not known.
        client_ip: Whether PostHog learns the visitor's address.
        identity: Ask for an answer without compression.
    """
    named = {
        part.strip().lower()
        for name, value in headers
        if name == b"connection"
        for part in value.split(b",")
    }
    kept = [(n, v) for n, v in headers if n not in _NOT_SENT and n not in named]
    if identity:
        kept = [(n, v) for n, v in kept if n != b"accept-encoding"]
        kept.append((b"accept-encoding", b"identity"))
    if client_ip == "drop":
        return tuple((n, v) for n, v in kept if n not in _VISITOR_ADDRESS)
    if client_host:
        before = [v for n, v in kept if n == b"x-forwarded-for"]
        kept = [(n, v) for n, v in kept if n != b"x-forwarded-for"]
        kept.append((b"x-forwarded-for", b", ".join([*before, client_host.encode("latin-1")])))
    return tuple(kept)


def _base(url: str, setting: str) -> httpx.URL:
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and not (parts.query or parts.fragment or parts.username or parts.password)
        )
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            f"{setting} is no address of a PostHog. It is scheme, host and maybe a path, such as "
            "https://us.i.posthog.com, https://eu.i.posthog.com or https://posthog.example.com"
        )
    try:
        return httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL as e:
        raise SettingsError(f"{setting} is no address of a PostHog: {e}") from e


def _remember(kept: dict[K, V], key: K, value: V) -> None:
    """Put into a dict that forgets its oldest entry when it is full."""
    kept.pop(key, None)
    while len(kept) >= MAX_REMEMBERED:
        del kept[next(iter(kept))]
    kept[key] = value
