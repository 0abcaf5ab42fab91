"""
The capture protocol over HTTP: everything posthog-js asks for, from init to recording.

```
GET       /static/<name>.js, /static/<version>/<name>.js    the SDK's own files
GET       /array/<token>/config.js, …/config, …/array.js    remote config
GET POST  /flags/, /decide/                                 no flags; config for older SDKs
GET POST  /s/                                               rrweb events
GET POST  /e/ /i/v0/e/ /batch/ /capture/ /track/ /engage/   analytics events
GET       /api/surveys/, /api/web_experiments/, /api/early_access_features/   empty lists
OPTIONS   any of them
```

with and without the last slash, at the root and under a prefix.

What is answered matters, because posthog-js acts on it: exactly 200 is success, 4xx
makes it drop the request, anything else (202 and 204 too) makes it send the same again.
So 503 is for what the same bytes can cure (no room, no disk), 4xx for what they cannot.
A 200 for data means that it is on disk.

With a tee, requests go on to PostHog and its answers come back; see `tee`. Trouble on
one side never becomes the other's: a full inbox does not keep a request from PostHog,
and PostHog being down does not keep it from the inbox.

A plain ASGI app without layers, because this is the hot path: some 15 KB requests arrive
by the thousand each second. Nothing of what is recorded is ever logged.

Source:
    PostHog ``rust/capture/src/router.rs`` for paths and sizes; posthog-js
    ``packages/browser/src/{request,retry-queue}.ts`` for what it does with an answer.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal, Protocol
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from replayport.capture.assemble import ended_session_ids
from replayport.capture.cors import Headers, cors_headers, preflight_headers
from replayport.capture.glance import glance
from replayport.capture.inbox import Captured, InboxFullError
from replayport.capture.outbox import OutboxFullError, Outgoing
from replayport.capture.projects import Project, Projects
from replayport.capture.remote_config import (
    config_script,
    decide_answer,
    flags_answer,
    remote_config,
)
from replayport.capture.sdk_files import ENTRY_FILE, SdkFiles
from replayport.capture.tee import Answer, Tee, UpstreamError
from replayport.errors import SettingsError, SourceDataError, StoreError
from replayport.posthog import wire
from replayport.rrweb.raw import string_of, text_of

MAX_EVENT_BODY_BYTES: Final = 2 * 2**20
MAX_BATCH_BODY_BYTES: Final = 20 * 2**20
MAX_SNAPSHOT_BODY_BYTES: Final = 25 * 2**20
"""Bodies on the wire: PostHog's limits."""

MAX_DECODED_BYTES: Final = 64 * 2**20
"""A body after decompression: PostHog's worker drops larger ones."""

MAX_LZ64_BYTES: Final = 256 * 2**10
"""Only SDKs of before replay existed send it, and decoding it takes Python a while."""

MAX_HELD_BYTES: Final = 256 * 2**20
"""Bodies in memory at a time, of all requests; more are answered 503."""

BODY_TIMEOUT_S: Final = 60.0
"""For a whole request to arrive; posthog-js gives up after as long."""

KEEP_WAIT_S: Final = 5.0
"""How long PostHog's answer waits for our copy to be on disk."""

THREAD_BYTES: Final = 128 * 2**10
THREAD_DECODED_BYTES: Final = 512 * 2**10
"""Bodies from this size on, before or after decompression, are decoded in a thread, so
that small ones pass them by."""

MAX_ITEMS: Final = 50_000
"""Events of one request; SDKs send some hundred. A few KB can inflate to millions of
``{}``, each of which would be looked at."""

COUNTED_BYTES: Final = 64 * 2**10
"""Arrays from this size on are counted before they are looked at."""

GLANCED_BYTES: Final = 8 * 2**20
"""
Larger bodies are not glanced at: what simdjson notes of a text can be a dozen times as long, and
two threads look. A page's full snapshot is rarely larger, and takes four times as long otherwise.
"""

MAX_FLAGS_DECODED_BYTES: Final = 2 * 2**20
MAX_WRAPPERS: Final = 4

MAX_QUERY_FIELDS: Final = 64
LOG_EVERY_S: Final = 60.0
CONFIG_SECONDS: Final = 60
SCRIPT_SECONDS: Final = 3600
VERSIONED_SECONDS: Final = 31_536_000

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_ARRAY: Final = re.compile(r"/array/([^/]+)/(config|config\.js|array\.js)")
_VERSION_FOLDER: Final = re.compile(r"/static/\d+\.\d+\.\d+[^/]*/[^/]+\.js")

_SNAPSHOTS: Final = "snapshots"
_EVENTS: Final = "events"
_CAPTURE: Final[dict[str, tuple[str, int]]] = {
    "/s": (_SNAPSHOTS, MAX_SNAPSHOT_BODY_BYTES),
    "/e": (_EVENTS, MAX_EVENT_BODY_BYTES),
    "/i/v0/e": (_EVENTS, MAX_EVENT_BODY_BYTES),
    "/capture": (_EVENTS, MAX_EVENT_BODY_BYTES),
    "/track": (_EVENTS, MAX_EVENT_BODY_BYTES),
    "/engage": (_EVENTS, MAX_EVENT_BODY_BYTES),
    "/batch": (_EVENTS, MAX_BATCH_BODY_BYTES),
}
"""Path to what it carries and how much."""

_EMPTY_LISTS: Final = {
    "/api/surveys": b'{"surveys":[]}',
    "/api/web_experiments": b'{"experiments":[]}',
    "/api/early_access_features": b'{"earlyAccessFeatures":[]}',
}
"""Features there are not, for SDKs that remember a config of elsewhere."""

_ONLY_POSTHOG_HAS: Final = ("/i/", "/static/toolbar", "/toolbar", "/api/feature_flag/")
"""Beginnings of further paths that go to PostHog from the root too."""

_SCRIPT_NAMES: Final = frozenset(
    {
        "array.js",
        "array.full.js",
        "array.full.es5.js",
        "array.no-external.js",
        "array.full.no-external.js",
        "recorder.js",
        "recorder-v2.js",
        "lazy-recorder.js",
        "posthog-recorder.js",
        "surveys.js",
        "surveys-preview.js",
        "exception-autocapture.js",
        "web-vitals.js",
        "dead-clicks-autocapture.js",
        "tracing-headers.js",
        "product-tours.js",
        "conversations.js",
        "logs.js",
    }
)
"""Ours at the root even when the SDK's files are missing, so that the answer says so."""

_OK: Final = b'{"status":"Ok"}'
_JSON: Final = (b"content-type", b"application/json")
_SCRIPT: Final = (b"content-type", b"application/javascript; charset=utf-8")
_METHODS: Final = ("GET", "POST")

Kind = Literal["capture", "array", "static", "flags", "decide", "list", "other"]


class CaptureInbox(Protocol):
    """What this module needs of `replayport.capture.inbox.Inbox`."""

    async def put(self, captured: Captured) -> None:
        """Keep a request; returns when it is on disk."""
        ...


class _RefusedError(Exception):
    """A request that is answered with a status and a reason."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class _ClientGoneError(Exception):
    """The client hung up before its request was complete."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """What is answered."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (_JSON,)
    reason: str = ""
    """Why something was refused; empty otherwise."""


@dataclass(slots=True)
class _Call:
    """One request."""

    scope: Scope
    receive: Receive
    send: Send
    method: str
    path: str
    """Without prefix and last slash."""
    kind: Kind
    received_ms: int
    origin: bytes | None = None
    length: int | None = None
    """``Content-Length``; None when not said."""
    headers: dict[bytes, bytes] | None = None
    """Those this module reads."""
    held_bytes: int = 0
    """Of its body, in memory."""

    @property
    def query_string(self) -> str:
        return bytes(self.scope.get("query_string", b"")).decode("latin-1")

    @property
    def client_host(self) -> str | None:
        client = self.scope.get("client")
        return client[0] if client else None

    def header(self, name: bytes) -> bytes | None:
        return (self.headers or {}).get(name)


class _Flags(msgspec.Struct):
    """The part of a ``/flags/`` request that is read."""

    token: str | None = None
    api_key: str | None = None


def capture_app(
    inbox: CaptureInbox,
    projects: Projects,
    *,
    prefix: str = "",
    tee: Tee | None = None,
    sdk_files: SdkFiles | None = None,
    fallback: ASGIApp | None = None,
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    log: logging.Logger | None = None,
) -> CaptureApp:
    """
    Make the ASGI app.

    Args:
        inbox: Keeps what arrives; stays the caller's to close.
        projects: Whose tokens are taken.
        prefix: A path the protocol is also answered under (``/ingest``); there every
            path is the protocol's.
        tee: Where requests go on to; started and closed with the app's lifespan.
        sdk_files: The scripts handed out; None takes those of the package.
        fallback: App that gets what is not the protocol's at the root. None: such
            requests are 404, or PostHog's with a tee.
        clock_ms: Epoch milliseconds.
        log: Where refusals are counted aloud, at most one line a minute and reason.

    Raises:
        SdkFilesMissingError: ``sdk_files`` is None and the package has none.
        SettingsError: The prefix is not a plain path.
    """
    return CaptureApp(
        inbox,
        projects,
        prefix=prefix,
        tee=tee,
        sdk_files=SdkFiles.shipped() if sdk_files is None else sdk_files,
        fallback=fallback,
        clock_ms=clock_ms,
        log=log or logging.getLogger("replayport.capture"),
    )


class CaptureApp:
    """
    The app; make it with `capture_app`.

    Attributes:
        counts: Requests to capture paths by outcome: ``kept``, ``no_session``, or the
            reason why not.
        max_held_bytes: Bodies in memory at a time.
        body_timeout_s: For a whole request to arrive.
    """

    def __init__(
        self,
        inbox: CaptureInbox,
        projects: Projects,
        *,
        prefix: str,
        tee: Tee | None,
        sdk_files: SdkFiles,
        fallback: ASGIApp | None,
        clock_ms: Callable[[], int],
        log: logging.Logger,
    ) -> None:
        prefix = "/" + prefix.strip("/") if prefix.strip("/") else ""
        if not _PREFIX.fullmatch(prefix):
            raise SettingsError(
                "capture_prefix is not a plain path. It becomes part of addresses: letters, "
                "digits and '-', '_', '.', '~' between slashes, such as /ingest"
            )
        self.counts: Counter[str] = Counter()
        self.max_held_bytes = MAX_HELD_BYTES
        self.body_timeout_s = BODY_TIMEOUT_S
        self._inbox = inbox
        self._projects = projects
        self._prefix = prefix
        self._tee = tee
        self._sdk = sdk_files
        self._fallback = fallback
        self._clock_ms = clock_ms
        self._noticed = _Noticed(log)
        self._log = log
        self._held_bytes = 0
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="capture")
        self._keeping: set[asyncio.Task[_Reply]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's lifespan."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._fallback is not None:
            await self._fallback(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def owns(self, path: str) -> bool:
        """Whether a path is answered here rather than by the fallback."""
        own, under_prefix = self._strip(path)
        return under_prefix or self._kind(own) != "other"

    # --- which ------------------------------------------------------------------------

    def _strip(self, path: str) -> tuple[str, bool]:
        """Take prefix and last slash off a path; gives whether the prefix was there."""
        under_prefix = bool(self._prefix) and (
            path == self._prefix or path.startswith(self._prefix + "/")
        )
        if under_prefix:
            path = path[len(self._prefix) :]
        return "/" + path.strip("/"), under_prefix

    def _kind(self, path: str) -> Kind:
        if path in _CAPTURE:
            return "capture"
        if path == "/flags":
            return "flags"
        if path == "/decide":
            return "decide"
        if path in _EMPTY_LISTS:
            return "list"
        if path.startswith("/array/"):
            return "array"
        if path.startswith("/static/"):
            name = path.removeprefix("/static/")
            if (
                name in _SCRIPT_NAMES
                or name in self._sdk.names
                or _VERSION_FOLDER.fullmatch(path)
                or (self._tee is not None and name.startswith("toolbar"))
            ):
                return "static"
        return "other"

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        if root and path.startswith(root):
            path = path[len(root) :]
        own, under_prefix = self._strip(path)
        kind = self._kind(own)
        if kind == "other" and self._fallback is not None and not under_prefix:
            to_posthog = self._tee is not None and own.startswith(_ONLY_POSTHOG_HAS)
            if not to_posthog:
                await self._fallback(scope, receive, send)
                return
        call = _Call(scope, receive, send, scope["method"], own, kind, self._clock_ms())
        self._read_headers(call)
        try:
            reply = await self._answer(call)
        except _RefusedError as e:
            self._count(e.reason)
            reply = _refusal(e.status, e.reason, str(e))
        except _ClientGoneError:
            return
        except Exception as e:  # noqa: BLE001  # the SDK is told to try again, whatever it was
            where = e.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            place = where.tb_frame.f_code.co_qualname if where is not None else "?"
            self._log.error("%s in %s; answered 503", type(e).__name__, place)
            self._count("internal_error")
            reply = _refusal(503, "internal_error", "the server failed. Send the request again")
        finally:
            self._held_bytes -= call.held_bytes
        if reply is not None:
            await _send(call, reply)

    def _read_headers(self, call: _Call) -> None:
        headers = {name: value for name, value in call.scope["headers"] if name in _READ}
        call.headers = headers
        call.origin = headers.get(b"origin")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and len(length) < 20:
            call.length = int(length)

    async def _answer(self, call: _Call) -> _Reply | None:
        """Answer a request; None when the answer has gone out already."""
        if call.method == "OPTIONS":
            asked = call.header(b"access-control-request-headers")
            return _Reply(200, b"", tuple(preflight_headers(call.origin, asked)))
        if call.kind == "capture" and call.method not in _METHODS:
            raise _RefusedError(405, "method", "only GET, POST and OPTIONS are understood here")
        if self._tee is not None:
            return await self._through_tee(call, self._tee)
        if call.kind == "capture":
            body = await self._body(call, _CAPTURE[call.path][1])
            return await self._keep(call, body)
        if call.kind in ("flags", "decide"):
            return await self._flags(call, await self._body(call, MAX_EVENT_BODY_BYTES))
        if call.kind == "other":
            raise _RefusedError(
                404, "no_such_path", "this path is not part of the capture protocol"
            )
        if call.method not in ("GET", "HEAD"):
            raise _RefusedError(405, "method", "only GET and OPTIONS are understood here")
        if call.kind == "static":
            return self._static(call)
        if call.kind == "array":
            return self._array(call)
        return _Reply(200, _EMPTY_LISTS[call.path])

    # --- bodies -----------------------------------------------------------------------

    async def _body(self, call: _Call, limit: int) -> bytes:
        """
        Read a body; held bytes are counted until the request is answered.

        What is too large is read and thrown away up to twice the limit, because a client
        that is still sending would not see the answer.
        """
        if call.length is not None and call.length > 2 * limit:
            raise _too_large(limit)
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.body_timeout_s):
                while True:
                    message = await call.receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientGoneError
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > 2 * limit:
                        raise _too_large(limit)
                    if size <= limit:
                        self._hold(call, len(chunk))
                        chunks.append(chunk)
                    else:
                        chunks.clear()
                    if not message.get("more_body", False):
                        break
        except TimeoutError as e:
            raise _RefusedError(408, "slow", "the request did not arrive in time") from e
        if size > limit:
            raise _too_large(limit)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _hold(self, call: _Call, size: int) -> None:
        # One request alone always fits, or it would be refused for ever.
        if self._held_bytes + size > self.max_held_bytes and self._held_bytes > call.held_bytes:
            raise _RefusedError(503, "busy", "too much arrives at once. Send the request again")
        call.held_bytes += size
        self._held_bytes += size

    # --- data -------------------------------------------------------------------------

    async def _keep(self, call: _Call, body: bytes) -> _Reply:
        """Validate a request and put it into the inbox; never raises a refusal."""
        try:
            found = await self._examined(call, body)
            if found is None:
                self._count("recording_off")
                return _Reply(200, b'{"status":"Ok","quota_limited":["recordings"]}')
            if not found.session_ids:
                self.counts["no_session"] += 1
                return _Reply(200, _OK)
            await self._inbox.put(found)
        except SourceDataError as e:
            self._count(e.reason)
            return _refusal(wire.status_of(e), e.reason, str(e))
        except _RefusedError as e:
            self._count(e.reason)
            return _refusal(e.status, e.reason, str(e))
        except InboxFullError:
            self._count("inbox_full")
            return _refusal(503, "inbox_full", "the server has no room. Send the request again")
        except StoreError:
            self._count("disk")
            return _refusal(503, "disk", "the server's disk refused. Send the request again")
        self.counts["kept"] += 1
        return _Reply(200, _OK)

    async def _examined(self, call: _Call, body: bytes) -> Captured | None:
        """Examine small requests at once, and large ones in a thread."""
        if len(body) < THREAD_BYTES and _said_bytes(body) <= THREAD_DECODED_BYTES:
            try:
                return self._examine(call, body, THREAD_DECODED_BYTES)
            except SourceDataError as e:
                if e.reason != wire.WireReject.TOO_LARGE:
                    raise
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._examine, call, body, MAX_DECODED_BYTES
        )

    def _examine(self, call: _Call, body: bytes, max_bytes: int) -> Captured | None:
        """
        Give a request as the inbox wants it; None when its project does not record.

        Raises:
            SourceDataError: It is not one.
            _RefusedError: Its token is not taken here.
        """
        kind = _CAPTURE[call.path][0]
        query = _query(call.query_string)
        headers = {
            name.decode(): value.decode("latin-1")
            for name, value in (call.headers or {}).items()
            if name in _KEPT
        }
        if (
            len(body) > MAX_LZ64_BYTES
            and not body.startswith(b"\x1f\x8b")
            and _may_be_lz64(query, headers, body)
        ):
            raise _too_large(MAX_LZ64_BYTES)
        text = wire.uncoded_payload(body, query=query, headers=headers, max_bytes=max_bytes)
        if kind == _SNAPSHOTS and len(text) <= GLANCED_BYTES:
            seen = glance(text)
            if seen is not None:
                if not self._records(self._project(seen.token), seen.token):
                    return None
                return self._captured(call, body, headers, seen.token, seen.session_ids)
        wire.checked_utf8(text)
        _check_items(text, max_bytes)
        # The query's times still count, its codings do not: they are off already.
        opened = wire.decode_body(
            text,
            query={k: v for k, v in query.items() if k in _TIMES},
            headers={},
            max_bytes=max_bytes,
        )
        token = _only_token(opened)
        project = self._project(token)
        sessions: list[str] = []
        ended: tuple[str, ...] = ()
        snapshots = opened if kind == _SNAPSHOTS else opened.snapshot_part
        if snapshots is not None:
            batch = wire.snapshots(snapshots, user_agent=headers.get("user-agent", ""))
            records = project.recording.enabled and (self._tee is None or self._tee.records(token))
            if not records and kind == _SNAPSHOTS:
                return None
            if not records:
                raise _RefusedError(
                    403, "recording_off", "this project does not record. Send its events alone"
                )
            sessions += [item.session_id for item in batch.items]
            ended = ended_session_ids(batch.items)
        if kind == _EVENTS:
            rejected: Counter[str] = Counter()
            events = wire.analytics(opened, received_ms=call.received_ms, rejected=rejected)
            if rejected and not events and snapshots is None:
                reason = next(iter(rejected))
                raise _RefusedError(400, reason, f"no event of the request can be used ({reason})")
            for reason, count in rejected.items():
                self.counts[f"event_{reason}"] += count
            sessions += [e.session_id for e in events if e.session_id is not None]
        found = tuple(dict.fromkeys(sessions))
        return self._captured(call, body, headers, token, found, ended)

    def _captured(
        self,
        call: _Call,
        body: bytes,
        headers: dict[str, str],
        token: str,
        session_ids: tuple[str, ...],
        ended: tuple[str, ...] = (),
    ) -> Captured:
        return Captured(
            project=self._project(token).name,
            token=token,
            received_ms=call.received_ms,
            kind=_CAPTURE[call.path][0],
            session_ids=session_ids,
            body=body,
            query=call.query_string,
            headers=headers,
            ended_session_ids=ended,
        )

    def _records(self, project: Project, token: str) -> bool:
        """Whether recordings of a token are kept: by our settings, and by PostHog's."""
        return project.recording.enabled and (self._tee is None or self._tee.records(token))

    def _project(self, token: str) -> Project:
        project = self._projects.of_token(token)
        if project is None:
            raise _RefusedError(
                401,
                "unknown_token",
                "no project has this token. List it under tokens of [projects.<name>] in the "
                "settings file",
            )
        return project

    # --- what the SDK asks --------------------------------------------------------------

    async def _flags(self, call: _Call, body: bytes) -> _Reply:
        token = self._flags_token(call, body)
        if token is None:
            raise _RefusedError(401, "missing_token", "the request names no project token")
        project = self._project(token)
        if call.kind == "decide":
            answer = decide_answer(remote_config(project, token))
        else:
            wants_config = _query(call.query_string).get("config", "").lower() in ("true", "1")
            config = remote_config(project, token) if wants_config else None
            answer = flags_answer(str(uuid.uuid4()), config)
        return _Reply(200, msgspec.json.encode(answer))

    def _flags_token(self, call: _Call, body: bytes) -> str | None:
        """
        Give the token of a request for flags.

        Raises:
            SourceDataError, _RefusedError: It cannot be read.
        """
        query = _query(call.query_string)
        if not body and "data" not in query:
            return query.get("token")
        headers = {n.decode(): v.decode("latin-1") for n, v in (call.headers or {}).items()}
        try:
            text = wire.decode_payload(
                body, query=query, headers=headers, max_bytes=MAX_FLAGS_DECODED_BYTES
            )
            asked = msgspec.json.decode(text, type=_Flags)
        except SourceDataError as e:
            raise _RefusedError(wire.status_of(e), e.reason, str(e)) from e
        except (msgspec.DecodeError, RecursionError) as e:
            raise _RefusedError(400, "invalid_json", "the request is not a JSON object") from e
        return asked.token or asked.api_key

    def _static(self, call: _Call) -> _Reply:
        found = self._sdk.find(call.path.removeprefix("/static/"))
        if found is None:
            raise _RefusedError(
                404,
                "no_such_script",
                "there is no such script. In a checkout, `make web` fetches those of posthog-js",
            )
        name, unchanging = found
        return self._script_reply(call, name, seconds=VERSIONED_SECONDS if unchanging else None)

    def _script_reply(self, call: _Call, name: str, *, seconds: int | None) -> _Reply:
        file = self._sdk.file(name)
        cache = f"public, max-age={SCRIPT_SECONDS if seconds is None else seconds}"
        headers: list[tuple[bytes, bytes]] = [
            _SCRIPT,
            (b"cache-control", cache.encode()),
            (b"etag", file.etag.encode()),
            (b"vary", b"Accept-Encoding"),
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if call.header(b"if-none-match") == file.etag.encode():
            return _Reply(304, b"", tuple(headers))
        if _takes_gzip(call):
            headers.append((b"content-encoding", b"gzip"))
            return _Reply(200, self._sdk.gzipped(name), tuple(headers))
        return _Reply(200, file.body, tuple(headers))

    def _array(self, call: _Call) -> _Reply:
        token, what = self._array_path(call)
        project = self._project(token)
        config = remote_config(project, token)
        if what == "config":
            return _Reply(200, msgspec.json.encode(config), (_JSON, *_CONFIG_HEADERS))
        script = config_script(token, config)
        if what == "array.js":
            if ENTRY_FILE not in self._sdk.names:
                raise _RefusedError(404, "no_such_script", "the SDK's files are not here")
            script = self._sdk.file(ENTRY_FILE).body + b"\n" + script
        return _Reply(200, script, (_SCRIPT, *_CONFIG_HEADERS))

    def _array_path(self, call: _Call) -> tuple[str, str]:
        found = _ARRAY.fullmatch(call.path)
        if found is None or not _TOKEN.fullmatch(found[1]):
            raise _RefusedError(404, "no_such_path", "this is not the address of a config")
        return found[1], found[2]

    # --- the tee ----------------------------------------------------------------------

    async def _through_tee(self, call: _Call, tee: Tee) -> _Reply | None:
        await tee.start()
        if call.kind == "capture":
            return await self._tee_capture(call, tee)
        is_config = call.kind == "array" and not call.path.endswith("/array.js")
        body = await self._body(call, MAX_BATCH_BODY_BYTES)
        is_read = is_config or call.kind in ("flags", "decide")
        outgoing = self._outgoing(call, tee, body, identity=is_read)
        try:
            answer = await tee.forward(outgoing)
            if not is_read or call.method not in _METHODS:
                await _stream(call, answer)
                return None
            return await self._learned(call, tee, outgoing, answer)
        except UpstreamError:
            return self._without_posthog(call, tee, outgoing)

    async def _tee_capture(self, call: _Call, tee: Tee) -> _Reply | None:
        body = await self._body(call, MAX_SNAPSHOT_BODY_BYTES)
        outgoing = self._outgoing(call, tee, body, identity=False)
        keep = asyncio.create_task(self._keep(call, body))
        held_bytes, call.held_bytes = call.held_bytes, 0
        self._keeping.add(keep)
        keep.add_done_callback(lambda task: self._kept(task, held_bytes))
        try:
            answer = await tee.forward(outgoing)
        except UpstreamError:
            return await self._queued(tee, outgoing, keep)
        await asyncio.wait({keep}, timeout=KEEP_WAIT_S)
        await _stream(call, answer)
        return None

    async def _queued(self, tee: Tee, outgoing: Outgoing, keep: asyncio.Task[_Reply]) -> _Reply:
        """Keep for later what PostHog did not take."""
        try:
            await tee.queue(outgoing)
        except (OutboxFullError, StoreError):
            self._count("outbox_full")
            await asyncio.wait({keep}, timeout=KEEP_WAIT_S)
            return _refusal(503, "upstream", "PostHog is out of reach. Send the request again")
        await asyncio.wait({keep}, timeout=KEEP_WAIT_S)
        if keep.done() and keep.exception() is None and keep.result().status == 503:
            # PostHog will have it, perhaps twice; what is sent again is our only chance.
            return keep.result()
        return _Reply(200, _OK)

    def _kept(self, task: asyncio.Task[_Reply], held_bytes: int) -> None:
        self._keeping.discard(task)
        self._held_bytes -= held_bytes
        if not task.cancelled() and (error := task.exception()) is not None:
            self._count("internal_error")
            self._log.error("%s while keeping a copy", type(error).__name__)

    async def _learned(self, call: _Call, tee: Tee, outgoing: Outgoing, answer: Answer) -> _Reply:
        """Read a config on its way through."""
        body = await answer.read()
        headers = _with_cors(call, answer.headers)
        if answer.status == 200 and call.kind == "array":
            found = _ARRAY.fullmatch(call.path)
            if found is not None:
                tee.learn(found[1], body)
                tee.remember_config(outgoing.target, answer.headers, body)
        elif answer.status == 200:
            try:
                token = self._flags_token(call, outgoing.body)
            except _RefusedError:
                token = None  # PostHog understood it, so the answer stands
            if token is not None:
                tee.learn(token, body)
        return _Reply(answer.status, body, tuple(headers))

    def _without_posthog(self, call: _Call, tee: Tee, outgoing: Outgoing) -> _Reply:
        """Answer what the SDK asks while PostHog is out of reach, as far as we can."""
        if call.kind == "array":
            remembered = tee.remembered_config(outgoing.target)
            if remembered is not None:
                return _Reply(200, remembered[1], tuple(_with_cors(call, remembered[0])))
        name: str | None = None
        if call.kind == "static":
            found = self._sdk.find(call.path.removeprefix("/static/"))
            name = found[0] if found is not None else None
        elif call.path.endswith("/array.js") and ENTRY_FILE in self._sdk.names:
            name = ENTRY_FILE
        if name is not None and call.method == "GET":
            return self._script_reply(call, name, seconds=CONFIG_SECONDS)
        self._count("upstream")
        return _refusal(503, "upstream", "PostHog is out of reach. Send the request again")

    def _outgoing(self, call: _Call, tee: Tee, body: bytes, *, identity: bool) -> Outgoing:
        path: str = call.scope["path"]
        before = call.scope.get("root_path", "")
        before = before if path.startswith(before) else ""
        if self._strip(path[len(before) :])[1]:
            before += self._prefix
        raw = bytes(call.scope.get("raw_path") or b"").partition(b"?")[0]
        if raw.startswith(before.encode() + b"/"):
            raw = raw[len(before.encode()) :]
        else:  # a path whose escapes hide the prefix, or that is no path but an address
            raw = b"/" + quote(path[len(before) :].lstrip("/")).encode()
        query = bytes(call.scope.get("query_string", b""))
        return tee.outgoing(
            method=call.method,
            target=raw + (b"?" + query if query else b""),
            headers=call.scope["headers"],
            body=body,
            client_host=call.client_host,
            identity=identity,
        )

    # --- the rest ---------------------------------------------------------------------

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if self._tee is not None:
                    await self._tee.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def close(self) -> None:
        """Finish the copies under way and stop the tee; for servers without lifespan."""
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=KEEP_WAIT_S)
        if self._tee is not None:
            await self._tee.close()
        self._threads.shutdown(wait=False)

    def _count(self, reason: str) -> None:
        self.counts[reason] += 1
        self._noticed.note(reason)


class _Noticed:
    """Says what is refused, a line a minute and reason, so that a flood cannot fill a disk."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._since: Counter[str] = Counter()
        self._said_s: dict[str, float] = {}

    def note(self, reason: str) -> None:
        self._since[reason] += 1
        now_s = time.monotonic()
        if now_s - self._said_s.get(reason, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._log.warning("requests not kept: %d (%s)", self._since.pop(reason), reason)
            self._said_s[reason] = now_s


_READ: Final = frozenset(
    {
        b"origin",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"user-agent",
        b"accept-encoding",
        b"if-none-match",
        b"access-control-request-headers",
    }
)
_KEPT: Final = frozenset({b"content-type", b"content-encoding", b"user-agent"})
_CONFIG_HEADERS: Final = (
    (b"cache-control", b"public, max-age=%d" % CONFIG_SECONDS),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
)


_TIMES: Final = frozenset({"_", "sent_at"})


class _Wrapper(msgspec.Struct):
    """What may stand around the events."""

    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    batch: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _check_items(text: bytes, max_bytes: int) -> None:
    """
    Refuse a request of more events than any SDK sends, before each is looked at.

    Args:
        text: From `wire.decode_payload`. What does not decode here is left to ``wire``.
        max_bytes: Bound of any further decoding.

    Raises:
        SourceDataError: ``too_large``, by that bound; or a coding that is broken.
        _RefusedError: There are too many events.
    """
    for _ in range(MAX_WRAPPERS):
        try:
            if text.startswith(b"["):
                if len(text) >= COUNTED_BYTES and len(_ITEMS.decode(text)) > MAX_ITEMS:
                    raise _RefusedError(
                        413,
                        wire.WireReject.TOO_LARGE,
                        f"a request holds at most {MAX_ITEMS} events",
                    )
                return
            if text.startswith(b'"'):
                inner = string_of(text).encode("utf-8", "surrogatepass")
                text = wire.decode_payload(inner, query={}, headers={}, max_bytes=max_bytes)
                continue
            wrapper = _WRAPPER.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        within = wrapper.batch
        if within is msgspec.UNSET and wrapper.event is msgspec.UNSET:
            within = wrapper.data
        if isinstance(within, msgspec.UnsetType):
            return
        text = bytes(within)


_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_WRAPPER: Final = msgspec.json.Decoder(_Wrapper)


def _only_token(body: wire.WireBody) -> str:
    """
    Give the token of a request.

    Raises:
        SourceDataError: It has none, or not a valid one.
        _RefusedError: Its events name several: what is one project's would be another's.
    """
    token = wire.token_of(body)
    seen: set[bytes] = set()
    for event in body.events:
        for said in (event.properties.get("token"), event.members.get("token")):
            if said is not None and said not in seen:
                seen.add(said)
                named = text_of(said)
                if named is not None and named.strip() != token:
                    raise _RefusedError(
                        401, "multiple_tokens", "the events of one request have several tokens"
                    )
    return token


def _said_bytes(body: bytes) -> int:
    """Give the decoded size that gzip says at its end; a hint, since anybody can say anything."""
    return int.from_bytes(body[-4:], "little") if body.startswith(b"\x1f\x8b") else len(body)


def _may_be_lz64(query: dict[str, str], headers: dict[str, str], body: bytes) -> bool:
    hint = f"{query.get('compression', '')} {headers.get('content-encoding', '')}".lower()
    return "lz" in hint or b"compression=lz" in body[:4096] or b"compression=lz" in body[-4096:]


def _query(query_string: str) -> dict[str, str]:
    """
    Read a query string.

    Raises:
        _RefusedError: It has more fields than any SDK sends.
    """
    if not query_string:
        return {}
    try:
        return dict(
            parse_qsl(query_string, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
        )
    except ValueError as e:
        raise _RefusedError(400, "invalid_query", "the query string is not an SDK's") from e


def _takes_gzip(call: _Call) -> bool:
    for part in (call.header(b"accept-encoding") or b"").lower().split(b","):
        name, _, weight = part.partition(b";")
        if name.strip() == b"gzip":
            return weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False


def _too_large(limit: int) -> _RefusedError:
    return _RefusedError(413, wire.WireReject.TOO_LARGE, f"the body passes {limit} bytes")


def _refusal(status: int, reason: str, message: str) -> _Reply:
    headers: tuple[tuple[bytes, bytes], ...] = (_JSON,)
    if status == 503:
        headers += ((b"retry-after", b"5"),)
    elif status == 405:
        headers += ((b"allow", b"GET, POST, OPTIONS"),)
    elif status in (408, 413):
        headers += ((b"connection", b"close"),)
    body = msgspec.json.encode({"ok": False, "error": message, "reason": reason, "status": status})
    return _Reply(status, body, headers, reason)


def _with_cors(call: _Call, headers: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Give PostHog's headers, with ours for pages where it sent none."""
    given = [(n, v) for n, v in headers if n != b"content-length"]
    if any(name == b"access-control-allow-origin" for name, _ in headers):
        return given
    return given + cors_headers(call.origin)


async def _send(call: _Call, reply: _Reply) -> None:
    headers: Headers = [*reply.headers]
    if not any(name == b"access-control-allow-origin" for name, _ in headers):
        headers += cors_headers(call.origin)
    headers.append((b"content-length", b"%d" % len(reply.body)))
    await call.send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if call.method == "HEAD" else reply.body
    await call.send({"type": "http.response.body", "body": body})


async def _stream(call: _Call, answer: Answer) -> None:
    """Pass PostHog's answer on as it comes; one that breaks off breaks off here too."""
    headers: Headers = list(answer.headers)
    if not any(name == b"access-control-allow-origin" for name, _ in headers):
        headers += cors_headers(call.origin)
    await call.send({"type": "http.response.start", "status": answer.status, "headers": headers})
    try:
        async for chunk in answer.chunks():
            await call.send({"type": "http.response.body", "body": chunk, "more_body": True})
    except UpstreamError:
        return
    await call.send({"type": "http.response.body", "body": b""})
