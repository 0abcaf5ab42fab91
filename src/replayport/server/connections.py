"""
Connections that cost something only while they bring something.

uvicorn waits for ever for the rest of a request's head, and keeps whatever the head has
become. Clients that send a byte now and then would hold every file descriptor, and one
endless header all memory. Here a connection is closed when

- a head is not complete `HEAD_TIMEOUT_S` after the connection, or its first byte, or
- `MAX_HEAD_BYTES` came that were neither a whole head nor part of a body, or
- an answer waits `ANSWER_TIMEOUT_S` for a client that does not read it.

Bodies have their own time limit, in `replayport.capture.routes`.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT_S: Final = 20.0
ANSWER_TIMEOUT_S: Final = 120.0
MAX_HEAD_BYTES: Final = 64 * 2**10
MAX_FILES: Final = 65_536
"""Descriptors asked for: one a connection."""


class PatientProtocol(HttpToolsProtocol):
    """
    uvicorn's HTTP/1.1, with an end to its patience.

    Attributes:
        head_timeout_s: For a request's head to arrive.
        answer_timeout_s: For a client to read some of an answer.
    """

    head_timeout_s: float = HEAD_TIMEOUT_S
    answer_timeout_s: float = ANSWER_TIMEOUT_S

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._without_progress_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take what came, and look whether it led anywhere."""
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        self._without_progress_bytes += len(data)
        super().data_received(data)
        if self._without_progress_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        """Stop waiting."""
        self._progress()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count a piece of a body as progress."""
        self._without_progress_bytes = 0
        super().on_body(body)

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._answer_timer = self.loop.call_later(self.answer_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting: it reads."""
        self._reads()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._progress()
        self._reads()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self.transport.close)

    def _progress(self) -> None:
        self._without_progress_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _reads(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None


def allow_many_connections() -> int:
    """
    Raise the number of files this process may have open; gives what it is then.

    1,024 is usual, which as many idle clients would use up.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS knows a lower limit than it says
            return soft
        return wanted
    return soft
