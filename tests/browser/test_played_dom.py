"""
What is played is what was there: posthog-js records the demo shop, and both DOMs are compared.

```
Chromium ── shop, recorded by unmodified posthog-js ──> serve ──> inbox ──> sealed ──> player
   │ the page's own DOM, at three quiet moments                                          │
   └───────────────────────── equal, but for the differences below ──────────────────────┘
```

Both sides go through `NORMALISE`, which leaves out what differs on purpose:

| what | why |
|---|---|
| scripts, which are empty ``<template>``s; comments | the sanitiser lets none through |
| icons, metas, blanks in ``<head>`` | they show nothing, and are recorded in part |
| text of stylesheets; ``<link>`` against ``<style>`` | recorded as rules, with ``:hover`` doubled for replay |
| addresses: ``src``, ``srcset``, ``href`` of resources, ``url()`` | nothing is fetched; images are placeholders |
| relative against absolute links | recorded absolute; both are made absolute |
| what is typed or chosen: ``value``, ``checked`` | recorded as masked state; lengths and checks are compared |
| text of ``ph-mask``, inside of ``ph-no-capture`` | masked and left out where it was recorded |
| ``<canvas>`` against ``<img>`` | its pixels are shown as a picture |
| ``on…``, ``content``, ``integrity``, ``crossorigin``, ``nonce`` | the sanitiser lets no such attribute through |
| ``rr_…``, ``:hover``, ``rrweb-paused``, ``autocomplete`` | the replayer's own |
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from replayport.archive import Archive
from replayport.capture.projects import Projects
from replayport.capture.sdk_files import SdkFilesMissingError
from replayport.demo import shop_app
from replayport.demo.watch import FLUSH_MS
from replayport.server.service import SHOP_PATH, service
from replayport.settings import load_settings
from replayport.testing import serve

pytestmark = pytest.mark.browser

QUIET_MS = 500
"""Longer than a batch of mutations: the page stands still on both sides of a moment."""
SEAL_TIMEOUT_S = 60

NORMALISE = """
() => {
  const DROPPED = new Set(["script", "noscript", "template", "meta", "base", "title"]);
  const ATTRIBUTES = /^(?:on.*|_on.*|rr_.*|rrweb-.*|src|srcset|sizes|content|integrity|crossorigin|nonce|autocomplete|value|checked|selected|autoplay|loading|action|data-ph-.*)$/;
  const masked = (node) => node.parentElement?.closest(".ph-mask") ?? null;
  const inHead = (node) => node.parentNode?.nodeName === "HEAD" || node.parentNode?.nodeName === "HTML";

  const style = (element) => {
    const rules = [...element.style].map((name) => `${name}: ${element.style.getPropertyValue(name)}`);
    return rules.filter((rule) => !rule.includes("url(")).sort().join("; ");
  };
  const attribute = (element, { name, value }) => {
    if (ATTRIBUTES.test(name)) return [];
    if (name === "class") {
      const kept = value.split(/\\s+/).filter((c) => c && c !== ":hover" && c !== "rrweb-paused");
      return kept.length ? [["class", kept.join(" ")]] : [];
    }
    if (name === "style") {
      const text = style(element);
      return text ? [["style", text]] : [];
    }
    if (name === "href" || name === "xlink:href") {
      if (element.localName !== "a" || element.namespaceURI.endsWith("svg")) return [];
      return [[name, element.href.replace(/^[a-z]+:\\/\\/[^/]*/, "")]];
    }
    return [[name, value]];
  };
  const state = (element) => {
    const found = {};
    if (element.matches("input, textarea")) found.length = element.type === "range" ? 0 : element.value.length;
    if (element.matches("input[type=checkbox], input[type=radio]")) found.checked = element.checked;
    if (element.matches("details")) found.open = element.open;
    return found;
  };
  const children = (parent) => {
    const found = [];
    for (const child of parent.childNodes) {
      const one = of(child);
      if (one === null) continue;
      const last = found.at(-1);
      if (typeof one === "string" && typeof last === "string") found[found.length - 1] = last + one;
      else found.push(one);
    }
    return found;
  };
  const of = (node) => {
    if (node.nodeType === 3) {
      if (inHead(node) || ["STYLE", "TEXTAREA"].includes(node.parentNode.nodeName)) return null;
      return masked(node) ? node.data.replace(/\\S/g, "*") : node.data;
    }
    if (node.nodeType !== 1) return null;
    const name = node.localName;
    if (DROPPED.has(name)) return null;
    if (name === "link" || name === "style") {
      if (name === "link" && node.rel !== "stylesheet") return null;
      if (node.parentNode.nodeName === "HTML") return null; // rrweb's own
      return ["stylesheet"];
    }
    if (node.classList.contains("ph-no-capture")) return ["blocked", node.className];
    const tag = name === "canvas" ? "img" : name;
    const attributes = [...node.attributes]
      .flatMap((a) => attribute(node, a))
      .filter(([a]) => !(tag === "img" && name === "canvas" && (a === "width" || a === "height")))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const inside = [];
    if (node.shadowRoot) inside.push(["#shadow", ...children(node.shadowRoot)]);
    if (name === "iframe" && node.contentDocument?.documentElement) {
      inside.push(["#document", of(node.contentDocument.documentElement)]);
    }
    return [tag, Object.fromEntries(attributes), state(node), ...inside, ...children(node)];
  };
  return of(document.documentElement);
}
"""


class Visit:
    """The shop's page, and its DOM at the moments that are kept."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.moments: list[tuple[str, int, Any]] = []

    def keep(self, name: str) -> None:
        """Keep the DOM of now, when the page has come to rest."""
        self.page.wait_for_timeout(QUIET_MS)
        at_ms, dom = self.page.evaluate(f"[Date.now(), ({NORMALISE})()]")
        self.moments.append((name, at_ms, dom))
        self.page.wait_for_timeout(QUIET_MS)

    def recording(self) -> None:
        """Wait until posthog-js records this page, and its first snapshot is made."""
        end = time.monotonic() + 30
        while not self.page.evaluate("window.posthog?.sessionRecordingStarted?.() === true"):
            assert time.monotonic() < end, "posthog-js does not record"
            self.page.wait_for_timeout(50)
        self.page.mouse.move(200, 300, steps=5)
        self.page.wait_for_timeout(300)


def shop_visit(page: Page, url: str) -> tuple[str, Visit]:
    """Go through the shop: the window of goods, a chat, and an account with masked parts."""
    visit = Visit(page)
    page.goto(f"{url}{SHOP_PATH}/")
    visit.recording()
    page.mouse.wheel(0, 400)
    page.click("#theme-toggle")
    visit.keep("goods in the other theme")

    page.goto(f"{url}{SHOP_PATH}/help")
    visit.recording()
    page.click("details:nth-of-type(2) summary")
    page.click(".suggestions button:nth-of-type(1)")
    page.wait_for_selector(".thumbs")
    page.click("[name=question]")
    page.keyboard.type("Can I wash it with my cat?", delay=5)
    visit.keep("a chat, half a question, an inner frame")

    page.goto(f"{url}{SHOP_PATH}/account")
    visit.recording()
    page.click("[name=mail][value=sheep]")
    page.click("[name=fit][value=big]")
    visit.keep("an account with masked and blocked parts")

    session_id: str = page.evaluate("window.posthog.get_session_id()")
    page.wait_for_timeout(FLUSH_MS)
    page.goto("about:blank")  # leaving sends what is left
    page.wait_for_timeout(300)
    return session_id, visit


def played(page: Page, offset_ms: int) -> Any:
    """Go to a moment in the player and give the DOM that is drawn."""
    page.evaluate(
        "ms => { const p = document.querySelector('replayport-player'); p.pause(); p.seek(ms); }",
        offset_ms,
    )
    end = time.monotonic() + 30
    while page.evaluate("document.querySelector('replayport-player').state") != "paused":
        assert time.monotonic() < end, "the player never came to rest"
        page.wait_for_timeout(50)
    for frame in page.frames:
        parent = frame.parent_frame
        if parent is not None and parent.parent_frame is page.main_frame:
            shown = frame.frame_element().evaluate("e => !!e.closest('.take.shown')")
            if shown:
                return frame.evaluate(NORMALISE)
    raise AssertionError("nothing is drawn")


def differences(there: Any, here: Any, path: str = "html") -> list[str]:
    """Say where two normalised trees part."""
    if isinstance(there, list) and isinstance(here, list) and there[:1] == here[:1]:
        found = []
        for n in range(1, max(len(there), len(here))):
            a = there[n] if n < len(there) else "(nothing)"
            b = here[n] if n < len(here) else "(nothing)"
            name = a[0] if isinstance(a, list) and a else type(a).__name__
            found += differences(a, b, f"{path} > {name}[{n}]")
        return found
    return [] if there == here else [f"{path}: {str(there)[:300]} != {str(here)[:300]}"]


def differences_at(page: Page, offset_ms: int, dom: Any) -> list[str]:
    """Go to a moment and compare; the page of before stays drawn until the new one is ready."""
    end = time.monotonic() + 15
    while different := differences(dom, played(page, offset_ms)):
        if time.monotonic() > end:
            break
        page.wait_for_timeout(100)
    return different


def test_the_played_dom_is_the_pages_dom(browser: Browser, tmp_path: Path) -> None:
    settings = load_settings({"seal_idle_s": 1.5}, env={}, folder=tmp_path)
    try:
        with (
            Archive.open(tmp_path / "a", create=True) as archive,
            service(archive, settings, Projects(), sign_in=False, shop=shop_app()) as found,
            serve(found.app) as url,
        ):
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            session_id, visit = shop_visit(context.new_page(), url)
            context.close()
            end = time.monotonic() + SEAL_TIMEOUT_S
            while not archive.has("phc_demo_shop", session_id):
                assert time.monotonic() < end, "the visit was never sealed"
                time.sleep(0.1)
            start_ms = archive.recording(session_id).manifest.start_ms

            context = browser.new_context(viewport={"width": 1280, "height": 800})
            page = context.new_page()
            page.goto(f"{url}/recordings/phc_demo_shop/{session_id}")
            page.locator("replayport-player").wait_for()
            while not page.evaluate("document.querySelector('replayport-player').durationMs > 0"):
                assert time.monotonic() < end + 60, "the player never loaded"
                page.wait_for_timeout(50)
            found_differences = {
                name: differences_at(page, at_ms - start_ms, dom)
                for name, at_ms, dom in visit.moments
            }
            # One and a half seconds earlier the question was not typed yet: that is seen.
            _, at_ms, dom = visit.moments[1]
            earlier = differences(dom, played(page, at_ms - start_ms - 1_500))
            context.close()
    except SdkFilesMissingError:
        pytest.skip("the web part is not built")
    assert len(found_differences) == 3
    for name, different in found_differences.items():
        assert not different, f"{name}:\n" + "\n".join(different[:20])
    assert earlier
    for _, _, dom in visit.moments:  # and what was compared was a page
        assert str(dom).count("[") > 60
