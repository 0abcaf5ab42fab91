"""
Fetches one address, politely and safely. The only module of freezing with a network.

```
url ── parse (WHATWG) ── http(s), no credentials, a port of the web
    ── resolve once ──── every address public, or the whole name is refused
    ── connect ───────── to an address that was checked; TLS checks the name
    ── answer ────────── 3xx: again from the top, at most `MAX_REDIRECTS`
                         2xx: bytes up to a limit, sniffed, on the list of types
```

Nothing of a person goes out: no cookies, no referrer, no proxy or `.netrc` of the machine.
The addresses come out of recordings, so whoever was recorded could have chosen them: a
recording must not be able to make this machine reach what only it can reach (SSRF). The
name is resolved here and the connection goes to that very address, so a name that answers
differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

import httpcore
from ada_url import URL

from replayport import __version__
from replayport.assets.sniff import sniff

MAX_REDIRECTS: Final = 5
MAX_RETRY_AFTER_S: Final = 30.0
"""A server that asks to wait longer is not waited for."""
MAX_ASSET_BYTES: Final = 20 * 2**20
ASSET_TIMEOUT_S: Final = 20.0
PER_HOST: Final = 2
"""Requests to one host at once; a browser makes six."""
HOST_INTERVAL_S: Final = 0.05
"""Least time between two requests to one host."""
_CONNECT_TIMEOUT_S: Final = 10.0
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_WEB_PORTS: Final = frozenset({80, 443})

Resolver = Callable[[str, int], list[str]]
"""Host and port to IP addresses; OSError when there are none."""


class MissReason(StrEnum):
    """Why an asset could not be had: a closed set, as the manifest lists it."""

    REFUSED_URL = "refused_url"
    REFUSED_ADDRESS = "refused_address"
    NO_SUCH_HOST = "no_such_host"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    NOT_FOUND = "not_found"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate_limited"
    FAILED_STATUS = "failed_status"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BAD_ENCODING = "bad_encoding"
    WRONG_TYPE = "wrong_type"
    TOO_LARGE = "too_large"
    LIMIT_COUNT = "limit_count"
    LIMIT_BYTES = "limit_bytes"
    LIMIT_TIME = "limit_time"
    LIMIT_DEPTH = "limit_depth"


MISS_MEANINGS: Final[dict[MissReason, str]] = {
    MissReason.REFUSED_URL: (
        "Not fetched: credentials in the address, a port below 1024 other than 80 and 443, or "
        "a redirect to something that is not http or https."
    ),
    MissReason.REFUSED_ADDRESS: (
        "Not fetched: the host is not on the public internet. Allow it with --allow-private if "
        "the recorded site is inside your network."
    ),
    MissReason.NO_SUCH_HOST: "The host name does not resolve.",
    MissReason.UNREACHABLE: "No connection, a TLS error, or the connection was cut.",
    MissReason.TIMED_OUT: "No whole answer within `freeze_timeout_s`.",
    MissReason.NOT_FOUND: "The server does not have it any more (404, 410).",
    MissReason.UNAUTHORIZED: "The server asks for a login (401, 403, 407, 451).",
    MissReason.RATE_LIMITED: "The server asks to wait (429, 503), again or for too long.",
    MissReason.FAILED_STATUS: "The server answered with another status than 200.",
    MissReason.TOO_MANY_REDIRECTS: "More than five redirects.",
    MissReason.BAD_ENCODING: "The answer is compressed in a way not asked for, or damaged.",
    MissReason.WRONG_TYPE: "The answer is no image, font or stylesheet: often a web page.",
    MissReason.TOO_LARGE: "Larger than `freeze_asset_bytes`.",
    MissReason.LIMIT_COUNT: "Not fetched: the recording refers to more than `freeze_assets`.",
    MissReason.LIMIT_BYTES: "Not kept: the recording's assets are more than `freeze_bytes`.",
    MissReason.LIMIT_TIME: "Not fetched: the recording took longer than `freeze_time_s`.",
    MissReason.LIMIT_DEPTH: "Not fetched: stylesheets import each other too deeply.",
}
"""Meaning of each reason; the table in ``spec/assets.md`` is compared with this."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address served."""

    data: bytes
    content_type: str
    """One of `format.assets.CONTENT_TYPES`."""
    charset: str
    """As the answer named it; empty when it named none."""
    final_url: str
    """Where redirects led; the address asked for when there was none."""


class MissedError(Exception):
    """An asset could not be had; inside this package only."""

    def __init__(self, reason: MissReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def system_resolver(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """
    Tell whether an IP address is on the public internet.

    IPv6 addresses that carry an IPv4 one (mapped, compatible, 6to4, Teredo, NAT64) are as
    public as that one: a gateway would lead there.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        inner = _embedded(ip)
        if inner is not None:
            return all(_is_public_ip(i) for i in inner)
    return _is_public_ip(ip)


def _is_public_ip(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return ip.is_global and not (
        ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_private or ip.is_loopback
    )


_NAT64: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


def _embedded(ip: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address] | None:
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    if ip.sixtofour is not None:
        return [ip.sixtofour]
    if ip.teredo is not None:
        return list(ip.teredo)
    if ip in _COMPATIBLE or any(ip in network for network in _NAT64):
        return [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
    return None


class Fetcher:
    """
    Fetches assets. Safe for several threads; close it at the end.

    Attributes:
        requests: Requests sent, redirects too.
        received_bytes: Bytes of bodies as transferred.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        max_bytes: int = MAX_ASSET_BYTES,
        timeout_s: float = ASSET_TIMEOUT_S,
        resolve: Resolver = system_resolver,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._clock = clock
        self._sleep = sleep
        self._deadline = _Deadline(clock)
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            max_connections=16,
            keepalive_expiry=5.0,
            network_backend=_CheckedBackend(
                resolve, self._deadline, allow_private=allow_private, clock=clock
            ),
        )
        self._allow_private = allow_private
        self.requests = 0
        self.received_bytes = 0

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def fetch(self, url: str) -> Fetched | MissReason:
        """
        Fetch an address.

        Args:
            url: Absolute.

        Returns:
            What it served, or why it was not to be had; never raises for what is outside.
        """
        retried = False
        at = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                while True:
                    answer = self._request(at)
                    if answer.retry_after_s is None:
                        break
                    if retried or answer.retry_after_s > MAX_RETRY_AFTER_S:
                        return MissReason.RATE_LIMITED
                    retried = True
                    self._sleep(answer.retry_after_s)
                if answer.location is None:
                    assert answer.fetched is not None
                    return answer.fetched
                at = self._redirected(at, answer.location)
        except MissedError as e:
            return e.reason
        except (httpcore.TimeoutException, TimeoutError):
            return MissReason.TIMED_OUT
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol):
            return MissReason.UNREACHABLE
        except (OSError, ValueError):  # TLS, and headers that httpcore cannot read
            return MissReason.UNREACHABLE
        return MissReason.TOO_MANY_REDIRECTS

    def post(
        self, url: str, body: bytes, headers: Iterable[tuple[str, str]] = ()
    ) -> int | MissReason:
        """
        Send something to an address, by the same rules; redirects are not followed.

        Args:
            url: Absolute.
            body: JSON.
            headers: Further ones.

        Returns:
            The status it answered with, or why it could not be reached.
        """
        try:
            target = _parse(url, any_port=True)
            with self._turn(target.host):
                self._deadline.set(self._clock() + self._timeout_s)
                self.requests += 1
                with self._pool.stream(
                    "POST",
                    target.url,
                    headers=[
                        (b"Host", target.host_header),
                        (b"User-Agent", b"replayport/" + __version__.encode()),
                        (b"Content-Type", b"application/json"),
                        (b"Content-Length", b"%d" % len(body)),
                        *((name.encode(), value.encode()) for name, value in headers),
                    ],
                    content=body,
                    extensions=self._timeouts(),
                ) as response:
                    return response.status
        except MissedError as e:
            return e.reason
        except (httpcore.TimeoutException, TimeoutError):
            return MissReason.TIMED_OUT
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol):
            return MissReason.UNREACHABLE
        except (OSError, ValueError):
            return MissReason.UNREACHABLE

    def _timeouts(self) -> dict[str, Any]:
        return {
            "timeout": {
                "connect": _CONNECT_TIMEOUT_S,
                "read": self._timeout_s,
                "write": self._timeout_s,
                "pool": self._timeout_s,
            }
        }

    def _redirected(self, url: str, location: str) -> str:
        try:
            return str(URL(location, url).href)
        except ValueError as e:
            raise MissedError(MissReason.REFUSED_URL) from e

    def _request(self, url: str) -> _Answer:
        target = _parse(url, any_port=self._allow_private)
        with self._turn(target.host):
            self._deadline.set(self._clock() + self._timeout_s)
            self.requests += 1
            with self._pool.stream(
                "GET",
                target.url,
                headers=[
                    (b"Host", target.host_header),
                    (b"User-Agent", b"replayport/" + __version__.encode()),
                    (b"Accept", b"*/*"),
                    (b"Accept-Encoding", b"gzip"),
                ],
                extensions=self._timeouts(),
            ) as response:
                return self._answer(url, response)

    def _answer(self, url: str, response: httpcore.Response) -> _Answer:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in reversed(response.headers)
        }
        status = response.status
        if status in (301, 302, 303, 307, 308) and headers.get("location"):
            return _Answer(location=headers["location"])
        if status in (429, 503):
            wait_s = _retry_after_s(headers.get("retry-after", ""))
            if wait_s is None:
                raise MissedError(MissReason.RATE_LIMITED)
            return _Answer(retry_after_s=wait_s)
        if status != 200:
            raise MissedError(
                MissReason.NOT_FOUND
                if status in (404, 410)
                else MissReason.UNAUTHORIZED
                if status in (401, 403, 407, 451)
                else MissReason.FAILED_STATUS
            )
        data = self._body(response, headers)
        kind, _, parameters = headers.get("content-type", "").partition(";")
        content_type = sniff(data, kind.strip().lower())
        if content_type is None:
            raise MissedError(MissReason.WRONG_TYPE)
        charset = _CHARSET.search(parameters)
        return _Answer(
            fetched=Fetched(
                data=data,
                content_type=content_type,
                charset=charset[1].lower() if charset and content_type == "text/css" else "",
                final_url=url,
            )
        )

    def _body(self, response: httpcore.Response, headers: dict[str, str]) -> bytes:
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:18]) > self._max_bytes:
            raise MissedError(MissReason.TOO_LARGE)
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise MissedError(MissReason.BAD_ENCODING)
        inflate = zlib.decompressobj(31) if encoding.endswith("gzip") else None
        body = bytearray()
        for chunk in response.iter_stream():
            self._deadline.check()
            self.received_bytes += len(chunk)
            if inflate is None:
                body += chunk
            else:
                try:
                    # One byte more than may be: that it comes says there is too much.
                    body += inflate.decompress(chunk, self._max_bytes - len(body) + 1)
                except zlib.error as e:
                    raise MissedError(MissReason.BAD_ENCODING) from e
            if len(body) > self._max_bytes:
                raise MissedError(MissReason.TOO_LARGE)
        if inflate is not None and not inflate.eof:
            raise MissedError(MissReason.BAD_ENCODING)
        return bytes(body)

    @contextmanager
    def _turn(self, host: str) -> Iterator[None]:
        """Wait for one's turn at a host."""
        with self._lock:
            turn = self._hosts.setdefault(host, _Host())
        with turn.places:
            with turn.lock:
                now = self._clock()
                wait_s = turn.next_at - now
                turn.next_at = max(now, turn.next_at) + HOST_INTERVAL_S
            if wait_s > 0:
                self._sleep(wait_s)
            yield


class _Host:
    def __init__(self) -> None:
        self.places = threading.BoundedSemaphore(PER_HOST)
        self.lock = threading.Lock()
        self.next_at = 0.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """One of the three is set."""

    fetched: Fetched | None = None
    location: str | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    url: httpcore.URL
    host: str
    host_header: bytes


def _parse(url: str, *, any_port: bool) -> _Target:
    """
    Read an address once; the connection is made from these parts, never from the text.

    Raises:
        MissedError: It must not be fetched.
    """
    try:
        parsed = URL(url)
    except ValueError as e:
        raise MissedError(MissReason.REFUSED_URL) from e
    if parsed.protocol not in ("http:", "https:") or parsed.username or parsed.password:
        raise MissedError(MissReason.REFUSED_URL)
    port = int(parsed.port) if parsed.port else (443 if parsed.protocol == "https:" else 80)
    if not any_port and port < 1024 and port not in _WEB_PORTS:
        raise MissedError(MissReason.REFUSED_URL)
    host = parsed.hostname.removeprefix("[").removesuffix("]")
    return _Target(
        url=httpcore.URL(
            scheme=parsed.protocol[:-1].encode(),
            host=host.encode("ascii"),
            port=port,
            target=(parsed.pathname + parsed.search).encode("ascii"),
        ),
        host=host,
        host_header=parsed.host.encode("ascii"),
    )


def _retry_after_s(value: str) -> float | None:
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
        return max(0.0, at.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


class _Deadline:
    """When the current thread's fetch must be over."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of_thread = threading.local()

    def set(self, at_s: float) -> None:
        self._of_thread.at_s = at_s

    def left_s(self) -> float:
        return float(getattr(self._of_thread, "at_s", float("inf"))) - self._clock()

    def check(self) -> None:
        if self.left_s() <= 0:
            raise MissedError(MissReason.TIMED_OUT)

    def cut(self, timeout: float | None) -> float:
        """Shorten a timeout to what is left: many slow small reads are slow all the same."""
        self.check()
        return min(self.left_s(), timeout if timeout is not None else float("inf"))


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to addresses that it resolved and checked itself."""

    def __init__(
        self,
        resolve: Resolver,
        deadline: _Deadline,
        *,
        allow_private: bool,
        clock: Callable[[], float],
    ) -> None:
        self._resolve = resolve
        self._deadline = deadline
        self._allow_private = allow_private
        self._clock = clock
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        error: Exception = httpcore.ConnectError("no address")
        for address in self._addresses(host, port):
            try:
                stream = self._sockets.connect_tcp(
                    address, port, self._deadline.cut(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as e:
                error = e
                continue
            return _TimedStream(stream, self._deadline)
        raise error

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            addresses = [str(ipaddress.ip_address(host))]
        except ValueError:
            try:
                addresses = self._resolve(host, port)
            except (OSError, UnicodeError) as e:
                raise MissedError(MissReason.NO_SUCH_HOST) from e
        if not addresses:
            raise MissedError(MissReason.NO_SUCH_HOST)
        # One private address among public ones is somebody's trick, or a mistake.
        if not self._allow_private and not all(map(is_public, addresses)):
            raise MissedError(MissReason.REFUSED_ADDRESS)
        return addresses

    def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        raise MissedError(MissReason.REFUSED_ADDRESS)

    def sleep(self, seconds: float) -> None:
        self._sockets.sleep(seconds)


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every read and write ends with the fetch's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.cut(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.cut(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.cut(timeout))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
