"""
A PostHog-like server in a process of its own, to be killed: ``python -m tests.support.posthog_like``.

It answers as PostHog does (another capture app stands for it) and appends each request's
body to a file before the answer: what was answered is in the file, however it ended.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from replayport.capture.projects import Projects
from replayport.capture.routes import capture_app
from replayport.capture.sdk_files import SdkFiles, SdkFilesMissingError

ROOT = Path(__file__).parents[2]


class _Nowhere:
    async def put(self, _: Any) -> None:
        return


class Noting:
    """Notes the bodies that come to an app."""

    def __init__(self, app: Any, file: int) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        message: dict[str, Any] = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        if scope["method"] == "POST":
            noted = {"path": scope["path"], "body": base64.b64encode(body).decode()}
            os.write(self._file, json.dumps(noted).encode() + b"\n")

        async def again() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


@dataclass
class PostHogProcess:
    """Starts it on one port, kills it, starts it again."""

    notes: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)  # from here on it can be reached
        self.port = listener.getsockname()[1]
        with listener:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, str(listener.fileno()), str(self.notes)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
                pass_fds=[listener.fileno()],
            )

    def kill(self) -> None:
        """Kill it; connections are refused from here on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def bodies(self, path: str) -> Counter[bytes]:
        """Give what came to a path, and how often."""
        if not self.notes.exists():
            return Counter()
        whole = self.notes.read_bytes().rpartition(b"\n")[0]  # a kill may have cut the last line
        noted = [json.loads(line) for line in whole.splitlines()]
        return Counter(base64.b64decode(n["body"]) for n in noted if n["path"].rstrip("/") == path)


def main() -> None:
    try:
        files = SdkFiles.shipped()
    except SdkFilesMissingError:
        files = SdkFiles.none()
    note = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    app = Noting(capture_app(_Nowhere(), Projects(), sdk_files=files), note)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run(
        sockets=[socket.socket(fileno=int(sys.argv[1]))]
    )


if __name__ == "__main__":
    main()
