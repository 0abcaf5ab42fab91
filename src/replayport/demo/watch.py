"""Watches a recording play in a headless browser, as a person would open it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from replayport.demo.record import find_chromium
from replayport.errors import MissingExtraError, ReplayError

TIMEOUT_MS: Final = 30_000
FLUSH_MS: Final = 3_500
"""posthog-js sends every three seconds."""

PLAYED_MS: Final = 1_500
"""Recorded time that must pass on the player's clock before it counts as played."""

_LISTEN: Final = """
window.seen = {first: null};
addEventListener("firstframe", () => { window.seen.first ??= performance.now(); }, true);
"""


def _wait(page: Any, condition: str) -> None:
    """Wait for a condition; `wait_for_function` would need ``unsafe-eval`` on the page."""
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            state = page.evaluate(
                "(p => p?.findings && [p.currentMs, p.durationMs, p.paused, ...p.findings])"
                "(document.querySelector('replayport-player'))"
            )
            raise ReplayError(
                f"waited {TIMEOUT_MS} ms in vain for: {condition[:60]}. The player: {state}"
            )
        page.wait_for_timeout(30)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a recording."""

    first_frame_ms: float
    """From the start of navigation."""
    nodes: int
    """Elements in the document drawn."""
    played_ms: float
    """Position reached on the player's clock."""


def watch(url: str, *, speed: float = 4) -> Seen:
    """
    Open a page with a player and watch it.

    Args:
        url: Of the page.
        speed: How fast to play.

    Raises:
        ReplayError: No first frame, an empty page, the clock stands still, an error on
            the page's console, or a request to anywhere but the page's own host.
        MissingExtraError: Playwright is not installed.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as e:
        raise MissingExtraError(extra="demo", needed_for="playing headless") from e

    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**_launch_options())
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.add_init_script(_LISTEN)
            page.on("pageerror", lambda e: wrong.append(f"page error: {e}"))
            page.on(
                "console",
                lambda m: wrong.append(f"console: {m.text}") if m.type == "error" else None,
            )

            def check(request: Any) -> None:
                scheme, host = urlsplit(request.url)[:2]
                if scheme not in ("data", "blob", "about") and host != urlsplit(url).netloc:
                    wrong.append(f"a request left the page for {host[:100]}")

            page.on("request", check)
            page.goto(url)
            _wait(page, "window.seen.first !== null")
            page.evaluate(
                "s => { const p = document.querySelector('replayport-player');"
                " p.setSpeed(s); p.play(); }",
                speed,
            )
            # The player's own clock: a short recording may end between two of its events.
            _wait(
                page,
                "(p => p.currentMs > 0 && p.currentMs >= "
                f"Math.min({PLAYED_MS}, p.durationMs - 50))"
                "(document.querySelector('replayport-player'))",
            )
            played_ms = page.evaluate("document.querySelector('replayport-player').currentMs")
            seen = page.evaluate("window.seen")
            nodes = max(
                (
                    frame.evaluate("document.querySelectorAll('*').length")
                    for frame in page.frames[1:]
                ),
                default=0,
            )
        except Error as e:
            raise ReplayError(
                f"the recording at {url} did not play: {str(e).splitlines()[0]}. "
                f"{'; '.join(wrong[:3])}"
            ) from e
        finally:
            browser.close()
    if wrong:
        raise ReplayError(f"the recording at {url} played with errors: {'; '.join(wrong[:3])}")
    if nodes < 5:
        raise ReplayError(f"the recording at {url} shows an empty page ({nodes} elements)")
    return Seen(seen["first"], nodes, played_ms)


def visit_shop(url: str) -> str:
    """
    Visit the demo's shop with a browser, as a quick customer.

    Args:
        url: Where the shop is.

    Returns:
        The session id posthog-js gave the visit.

    Raises:
        ReplayError: posthog-js did not start to record.
        MissingExtraError: Playwright is not installed.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as e:
        raise MissingExtraError(extra="demo", needed_for="visiting the shop headless") from e

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**_launch_options())
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(url)
            _wait(page, "window.posthog?.sessionRecordingStarted?.() === true")
            for x, y in ((300, 300), (500, 420), (640, 380)):
                page.mouse.move(x, y, steps=8)
                page.wait_for_timeout(150)
            page.mouse.click(640, 380)
            page.wait_for_timeout(600)
            page.mouse.wheel(0, 500)
            page.wait_for_timeout(600)
            session_id: str = page.evaluate("window.posthog.get_session_id()")
            page.wait_for_timeout(FLUSH_MS)
            page.goto("about:blank")  # leaving sends what is left
            page.wait_for_timeout(300)
        except Error as e:
            raise ReplayError(
                f"the shop at {url} could not be visited: {str(e).splitlines()[0]}"
            ) from e
        finally:
            browser.close()
    return session_id


def _launch_options() -> dict[str, Any]:
    return {
        "executable_path": str(find_chromium()),
        "args": [
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ],
    }
