"""An ASGI app on a real socket, and a clock that only moves when told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


class FakeClock:
    """
    A clock and its ``sleep``, for code that takes both.

    Attributes:
        now_s: Epoch seconds.
        slept_s: Each sleep so far, in seconds.
    """

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.now_s = now_s
        self.slept_s: list[float] = []

    def __call__(self) -> float:
        """Give the time."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept_s.append(seconds)
        self.now_s += max(seconds, 0.0)


@contextmanager
def serve(app: Any) -> Iterator[str]:
    """
    Serve an ASGI app on a free port of this machine, in a thread.

    Yields:
        Its base address, ``http://127.0.0.1:<port>``.

    Raises:
        RuntimeError: The server did not start.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="serve", daemon=True
        )
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise RuntimeError("the test server ended before it served anything")
                time.sleep(0.005)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()
