"""
Firefox as distributions ship it, driven by WebDriver BiDi over its own socket.

Playwright drives only a Firefox of its own making, which registries of packages do not have.
Protocol: https://w3c.github.io/webdriver-bidi/
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
PREFERENCES = """\
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"""


class FirefoxError(Exception):
    """Firefox said no; the text is its own."""


class Firefox:
    """One session, with one tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._sent = 0
        self.said: list[str] = []
        """Errors in the console, uncaught exceptions and dialogs, as they came."""
        self._ask(
            "session.new",
            capabilities={"alwaysMatch": {"unhandledPromptBehavior": {"default": "dismiss"}}},
        )
        self._ask(
            "session.subscribe", events=["log.entryAdded", "browsingContext.userPromptOpened"]
        )
        self.tab = self._ask("browsingContext.getTree")["contexts"][0]["context"]

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._sent += 1
        self._connection.send(
            json.dumps({"id": self._sent, "method": method, "params": parameters})
        )
        while True:
            answer = json.loads(self._connection.recv(timeout=60))
            if answer.get("id") == self._sent:
                if answer["type"] == "error":
                    raise FirefoxError(f"{method}: {answer['error']}: {answer['message']}")
                return answer["result"]
            if answer.get("method") == "browsingContext.userPromptOpened":
                self.said.append(f"dialog {answer['params'].get('message')}")
            elif answer.get("method") == "log.entryAdded" and answer["params"]["level"] == "error":
                self.said.append(str(answer["params"].get("text")))

    def open(self, url: str) -> None:
        """Load a page, and wait until it has loaded."""
        self._ask("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    def frames(self) -> list[tuple[str, str]]:
        """Give the tab's and every frame's context and address, outermost first."""

        def walk(contexts: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
            for context in contexts:
                yield context["context"], context["url"]
                yield from walk(context["children"] or [])

        return list(walk(self._ask("browsingContext.getTree", root=self.tab)["contexts"]))

    def evaluate(self, expression: str, frame: str | None = None) -> Any:
        """
        Give a JSON value of an expression, in the tab or one of its frames.

        Raises:
            FirefoxError: The frame is gone, or the expression throws.
        """
        answer = self._ask(
            "script.evaluate",
            expression=f"JSON.stringify(({expression}) ?? null)",
            target={"context": frame or self.tab},
            awaitPromise=True,
        )
        if answer["type"] != "success":
            raise FirefoxError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def everywhere(self, expression: str) -> list[tuple[str, Any]]:
        """Evaluate in the tab and in every frame of it that is still there; address and value."""
        found = []
        for frame, url in self.frames():
            try:
                found.append((url, self.evaluate(expression, frame)))
            except FirefoxError:
                continue  # a replayer gave way to a newer one
        return found

    def until(self, expression: str, timeout_s: float = 30) -> Any:
        """Wait for an expression to be truthy in the tab or in a frame of it, and give its value."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for _, value in self.everywhere(expression):
                if value:
                    return value
            time.sleep(0.05)
        raise AssertionError(f"never became true: {expression}; {self.said[-3:]}")


@contextmanager
def running_firefox() -> Iterator[Firefox]:
    """Run Firefox until the end of the block; skip the test where none is installed."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        pytest.skip("no Firefox here: apt-get install firefox-esr")
    with tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as home:
        (Path(home) / "user.js").write_text(PREFERENCES)
        log = Path(home) / "said.txt"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [path, "--headless", "--no-remote", "--profile", home, "--remote-debugging-port=0"],
                stdout=out,
                stderr=out,
                env={"HOME": home, "MOZ_HEADLESS": "1", "PATH": "/usr/bin:/bin"},
            )
        try:
            for _ in range(600):
                if found := LISTENING.search(log.read_text(errors="replace")):
                    break
                if process.poll() is not None:
                    break
                time.sleep(0.1)
            assert found, log.read_text(errors="replace")
            with connect(f"{found[1]}/session", max_size=None) as connection:
                yield Firefox(connection)
        finally:
            process.terminate()
            process.wait(30)
