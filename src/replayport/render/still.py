"""
A picture of a recorded page at one moment, the whole page from top to bottom.

The page is rebuilt from its events (`rrweb.mirror`), written as HTML and drawn by Chromium with
JavaScript off, offline, under a policy that allows styles and pictures only. What it asks for is
answered from what was frozen with the recording; everything else is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from replayport.demo.record import find_chromium
from replayport.errors import DamagedRecordingError, MissingExtraError, ReplayError
from replayport.format.reader import Recording
from replayport.rrweb.events import EventType, IncrementalSource
from replayport.rrweb.mirror import Mirror
from replayport.rrweb.nodes import CSS_TEXT, NodeType

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

PAGE_URL: Final = "https://recorded.invalid/"
MAX_PAGE_PX: Final = 12_000
"""A picture is cut below this: Chromium draws no larger one reliably."""

TIMEOUT_MS: Final = 20_000

POLICY: Final = (
    "default-src 'none'; img-src data: blob: http: https:; style-src 'unsafe-inline' http: https:; "
    "font-src data: http: https:"
)


class NothingToDrawError(ReplayError):
    """The window has no full snapshot before the moment asked for."""


@dataclass(frozen=True, slots=True)
class Still:
    """A picture of a page."""

    png: bytes
    width_px: int
    height_px: int


def page_html(recording: Recording, window_id: str, time_ms: int) -> str:
    """
    Rebuild a page as HTML.

    Args:
        recording: Whose page.
        window_id: Its tab.
        time_ms: Epoch milliseconds; events up to and at this moment count.

    Raises:
        NothingToDrawError: There is no full snapshot before that.
    """
    mirror = Mirror()
    columns = ("type", "source", "data")
    for batch in recording.batches(columns, window_id=window_id, end_ms=time_ms + 1):
        rows = zip(*(batch[name].to_pylist() for name in columns), strict=True)
        for type_, source, data in rows:
            if type_ in (EventType.FULL_SNAPSHOT, EventType.META) or (
                type_ == EventType.INCREMENTAL_SNAPSHOT
                and source not in (IncrementalSource.MOUSE_MOVE, IncrementalSource.TOUCH_MOVE)
            ):
                try:
                    parsed = msgspec.json.decode(data or "null")
                except (msgspec.DecodeError, RecursionError):
                    continue
                mirror.apply(type_, source, parsed)
    if mirror.root is None:
        raise NothingToDrawError(
            "the window has no full snapshot before that moment, so its page cannot be rebuilt. "
            "Choose another recording or moment"
        )
    _write_adopted(mirror)
    _remove_orders(mirror)
    html = mirror.to_html()
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<style>*,*::before,*::after{animation:none!important;transition:none!important;"
        "caret-color:transparent!important}</style>"
    )
    start = html.lower().find("<head")
    end = html.find(">", start) + 1 if start >= 0 else 0
    opened = html[:end] or "<!DOCTYPE html>"
    return f"{opened}{head}{html[end:]}"


def _remove_orders(mirror: Mirror) -> None:
    """Take out what would lead the page away: a refresh needs no script, and no policy stops it."""
    removes = [
        {"parentId": mirror.parent(id_), "id": id_}
        for id_ in list(mirror.ids())
        if mirror.tag(id_) == "base"
        or (mirror.tag(id_) == "meta" and mirror.attribute(id_, "http-equiv") is not None)
    ]
    change = {"source": 0, "texts": [], "attributes": [], "removes": removes, "adds": []}
    mirror.apply(EventType.INCREMENTAL_SNAPSHOT, IncrementalSource.MUTATION, change)


def _write_adopted(mirror: Mirror) -> None:
    """Make style elements of adopted style sheets, which HTML has no words for."""
    hosts = [(id_, mirror.adopted_texts(id_)) for id_ in list(mirror.ids())]
    fresh = max(mirror.ids(), default=0) + 1
    for id_, texts in hosts:
        if not texts:
            continue
        node = mirror.node(id_)
        is_document = node is not None and node.get("type") == NodeType.DOCUMENT
        elements = [child for child in mirror.children(id_) if mirror.tag(child)]
        parent = elements[0] if is_document and elements else id_
        style = {
            "type": NodeType.ELEMENT,
            "id": fresh,
            "tagName": "style",
            "attributes": {CSS_TEXT: "\n".join(texts)},
            "childNodes": [],
            **({} if is_document else {"isShadow": True}),
        }
        adds = [{"parentId": parent, "nextId": None, "node": style}]
        change = {"source": 0, "texts": [], "attributes": [], "removes": [], "adds": adds}
        mirror.apply(EventType.INCREMENTAL_SNAPSHOT, IncrementalSource.MUTATION, change)
        fresh += 1


@contextmanager
def chromium() -> Iterator[Browser]:
    """
    Start Chromium.

    Raises:
        MissingExtraError: Playwright is not installed.
        SettingsError: There is no Chromium.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as e:
        raise MissingExtraError(extra="heatmap", needed_for="Drawing a page") from e
    path = find_chromium()
    sandbox = os.name != "posix" or os.geteuid() != 0  # as root Chromium cannot start with it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=sandbox)
        try:
            yield browser
        finally:
            browser.close()


def draw(
    browser: Browser,
    recording: Recording,
    window_id: str,
    time_ms: int,
    *,
    width_px: int,
    height_px: int,
) -> Still:
    """
    Draw a whole page.

    Args:
        browser: Of `chromium`.
        recording: Whose page.
        window_id: Its tab.
        time_ms: Epoch milliseconds.
        width_px: Of the viewport.
        height_px: Of the viewport; the picture is as high as the page.

    Raises:
        NothingToDrawError: There is no full snapshot before that.
    """
    html = page_html(recording, window_id, time_ms)
    context = browser.new_context(
        viewport={"width": width_px, "height": height_px},
        java_script_enabled=False,
        service_workers="block",
        accept_downloads=False,
    )
    try:
        assets = recording.assets().assets

        def answer(route: Route) -> Any:
            address = route.request.url
            if address == PAGE_URL:
                return route.fulfill(body=html, content_type="text/html; charset=utf-8")
            frozen = assets.get(address)
            if frozen is None or route.request.resource_type == "document":
                return route.abort()
            try:
                body = recording.asset(frozen.sha256)
            except DamagedRecordingError:  # drawn without it, as one that was never frozen
                return route.abort()
            return route.fulfill(body=body, content_type=frozen.content_type)

        context.route("**/*", answer)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(PAGE_URL, wait_until="load")
        size = page.locator("html").bounding_box() or {"height": float(height_px)}
        height = int(min(max(size["height"], height_px), MAX_PAGE_PX))
        png = page.screenshot(
            full_page=True, clip={"x": 0, "y": 0, "width": width_px, "height": height}
        )
    finally:
        context.close()
    return Still(png, width_px, height)
