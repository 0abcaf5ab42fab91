"""
A recording made to attack whoever plays it, in a real browser.

What it tries runs a script, reaches the network, or takes the focus; each attempt
would call ``pwned()`` in some window, or ask a server that counts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import Server, Watched
from tests.browser.recordings import (
    MANIFEST,
    Event,
    click,
    document,
    element,
    incremental,
    meta,
    mutation,
    parquet,
    snapshot,
    text,
)

from replayport.export.html import render_html

pytestmark = pytest.mark.browser

RUN = "top.pwned=1;parent.pwned=1;window.pwned=1"


def svg(node_id: int, tag: str, *children: Event, **attributes: Any) -> Event:
    return {**element(node_id, tag, *children, **attributes), "isSVG": True}


def attacks(base: str) -> list[Event]:
    """Nodes that would run or fetch something, ids from 100."""
    html = f"<script>{RUN}</script><img src={base}/srcdoc>"
    css = f"""
      @import "{base}/import"; @import url({base}/import-url); @\\69mport '{base}/escaped';
      body {{ background: url("{base}/background"), u\\72l({base}/escaped-url) }}
      @font-face {{ font-family: evil; src: url({base}/font) format("woff2") }}
      h1 {{ font-family: evil; background: image-set("{base}/image-set" 1x) }}
      h1::after {{ content: url( '{base}/content' ) }}
    """
    nodes = [
        ("script", {"src": f"{base}/script"}, RUN),
        ("SCRIPT", {}, RUN),
        ("noscript", {}, html),
        ("base", {"href": base}, None),
        ("meta", {"HTTP-EQUIV": "refresh", "content": f"0;url={base}/refresh"}, None),
        ("iframe", {"srcdoc": html}, None),
        ("iframe", {"src": f"{base}/iframe"}, None),
        ("iframe", {"SRC": f"javascript:{RUN}"}, None),
        ("frame", {"src": f"{base}/frame"}, None),
        ("object", {"data": f"{base}/object"}, None),
        ("embed", {"src": f"{base}/embed"}, None),
        ("img", {"src": f"{base}/img", "onerror": RUN, "OnLoad": RUN}, None),
        ("img", {"srcset": f"{base}/srcset 2x", "src": "data:image/gif;base64,"}, None),
        ("img", {"rr_dataURL": f"{base}/dataurl"}, None),
        ("video", {"src": f"{base}/video", "poster": f"{base}/poster", "autoplay": ""}, None),
        ("audio", {"src": f"{base}/audio", "rr_mediaState": "played"}, None),
        ("table", {"background": f"{base}/table"}, None),
        ("input", {"autofocus": "", "onfocus": RUN, "type": "image", "src": f"{base}/in"}, None),
        ("link", {"rel": "dns-prefetch", "href": base}, None),
        ("link", {"rel": "preconnect", "href": base}, None),
        ("link", {"rel": "PreFetch", "href": f"{base}/prefetch"}, None),
        ("link", {"rel": "modulepreload", "href": f"{base}/module"}, None),
        ("link", {"rel": "stylesheet", "href": f"{base}/stylesheet"}, None),
        ("link", {"rel": "icon", "href": f"{base}/icon"}, None),
        ("link", {"rel": "manifest", "href": f"{base}/manifest"}, None),
        ("a", {"href": f"java\tscript:{RUN}", "ping": f"{base}/ping"}, "link"),
        ("form", {"action": f"{base}/form", "onsubmit": RUN}, None),
        ("button", {"formaction": f"{base}/formaction", "onclick": RUN}, "go"),
        ("style", {}, css),
        ("style", {"_cssText": css}, None),
        ("div", {"style": f"background:url({base}/inline)", "onmouseover": RUN}, "x"),
        ("div", {"__proto__": "x", "constructor": "y"}, "proto"),
        ("details", {"open": "", "ontoggle": RUN}, None),
        ("dialog", {"open": "", "rr_open_mode": "modal"}, "modal"),
        ("x-evil", {"is": "x-evil", "onclick": RUN}, None),
        ("not a tag<", {"not an attribute=": "1"}, None),
    ]
    made = []
    node_id = 100
    for tag, attributes, content in nodes:
        children = [] if content is None else [text(node_id + 1, content)]
        made.append(
            {
                "type": 2,
                "id": node_id,
                "tagName": tag,
                "attributes": attributes,
                "childNodes": children,
            }
        )
        node_id += 2
    made.append(
        svg(
            900,
            "svg",
            svg(901, "script", text(902, RUN)),
            svg(903, "svg:script", text(904, RUN)),
            svg(905, "image", **{"xlink:href": f"{base}/svg-image"}),
            svg(906, "use", href=f"{base}/use#a"),
            svg(907, "a", svg(908, "animate", attributeName="href", values=f"javascript:{RUN}")),
            svg(909, "set", attributeName="onmouseover", to=RUN),
            svg(910, "rect", fill=f"url({base}/fill#a)", onload=RUN),
            svg(911, "foreignObject", element(912, "iframe", src=f"{base}/foreign")),
            onload=RUN,
        )
    )
    return made


def hostile(base: str) -> list[Event]:
    """The attacks in a snapshot, then again as mutations and style events."""
    added = [
        {"parentId": 4, "nextId": None, "node": {**node, "id": node["id"] + 2000}}
        for node in attacks(base)
    ]
    for add in added:
        for child in add["node"]["childNodes"]:
            child["id"] += 2000
    changes = {
        "onclick": RUN,
        "src": f"{base}/changed",
        "srcdoc": f"<script>{RUN}</script>",
        "href": f"javascript:{RUN}",
        "style": {"background": f"url({base}/style-object)", "__proto__": {"x": "1"}},
        "_cssText": f"@import '{base}/late';",
        "http-equiv": "refresh",
        "rel": "preconnect",
    }
    return [
        meta(0, "javascript:alert(1)//"),
        snapshot(10, document(element(10, "h1", text(11, "still here")), *attacks(base))),
        mutation(500, adds=added),
        mutation(
            600,
            attributes=[{"id": i, "attributes": changes} for i in (10, *range(100, 180, 2))],
            texts=[{"id": i, "value": f"@import '{base}/text';"} for i in range(101, 181, 2)],
        ),
        incremental(700, 8, id=156, adds=[{"rule": f"i {{ background: url({base}/rule) }}"}]),
        incremental(
            710,
            15,
            id=1,
            styleIds=[1],
            styles=[{"styleId": 1, "rules": [{"rule": f"b{{background:url({base}/adopted)}}"}]}],
        ),
        incremental(720, 8, styleId=1, replaceSync=f"b {{ background: url({base}/replace) }}"),
        incremental(730, 10, family="x", fontSource=f"url({base}/fontface)", buffer=False),
        incremental(
            740,
            9,
            id=100,
            type=0,
            property="drawImage",
            args=[{"rr_type": "HTMLImageElement", "src": f"{base}/canvas"}],
        ),
        incremental(750, 13, id=156, index=[0], set={"property": "x", "value": f"url({base}/d)"}),
        # Shapes that are not what they should be.
        incremental(760, 1, positions=[]),
        incremental(761, 1, positions=None),
        incremental(762, 0, adds="text", removes=7),
        incremental(763, 2, id="x", type={}),
        {"type": 3, "timestamp": meta(764)["timestamp"], "data": None},
        {"type": 2, "timestamp": meta(765)["timestamp"], "data": {"node": "packed"}},
        incremental(766, 14, ranges=[{"start": 1e300}]),
        click(800, 154),
        incremental(810, 2, type=5, id=134),
        mutation(900, texts=[{"id": 11, "value": "still here, and later"}]),
    ]


def test_runs_nothing_and_asks_for_nothing(
    watched: Watched, server: Server, page_file: Path
) -> None:
    page_file.write_bytes(render_html(parquet(hostile(server.url)), MANIFEST))
    watched.page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
    watched.open(page_file.as_uri())
    watched.until_text("still here")
    player = 'document.querySelector("replayport-player")'
    watched.page.evaluate(f"{player}.seek(890)")
    watched.page.locator(".toggle").click()
    watched.until('seen.some(([name]) => name === "ended")')
    watched.until_text("and later")
    watched.page.evaluate(f"{player}.seek(550)")
    watched.page.wait_for_timeout(300)

    assert server.hits == []
    assert watched.requests == []
    assert watched.complaints == []
    for frame in watched.page.frames:
        assert frame.evaluate("window.pwned") is None
        assert frame.evaluate("Object.keys(Object.prototype)") == []
    findings = watched.page.evaluate(f"Object.fromEntries({player}.findings)")
    assert findings["active_content_removed"] > 20
    assert findings["external_not_fetched"] > 20
    assert findings["event_malformed"] >= 3


def test_the_frame_is_of_nobodys_origin(watched: Watched, server: Server, page_file: Path) -> None:
    # Served, because a page from disk is of an opaque origin already.
    page = render_html(parquet([meta(0), snapshot(10, document(text(10, "hello")))]), MANIFEST)
    server.files["/"] = ("text/html", page)
    watched.open(f"{server.url}/")
    watched.until_text("hello")
    assert watched.page.evaluate("self.origin") == server.url
    outer = next(f for f in watched.page.frames if f.parent_frame is watched.page.main_frame)
    (inner,) = outer.child_frames
    for frame in (outer, inner):
        assert frame.evaluate("self.origin") == "null"
        for reach in ("top.document", "localStorage", "indexedDB.open('x')", "document.cookie"):
            outcome = frame.evaluate(
                f"(() => {{ try {{ return 'reached ' + ({reach}) }} catch (e) {{ return e.name }} }})()"
            )
            assert outcome == "SecurityError", reach
    assert outer.frame_element().get_attribute("sandbox") == "allow-scripts allow-same-origin"
    assert (outer.frame_element().get_attribute("src") or "").startswith("data:text/html;")
    assert inner.frame_element().get_attribute("sandbox") == "allow-same-origin"
    assert server.hits == ["/"]


def test_the_policy_alone_stops_what_the_sanitiser_would_miss(
    watched: Watched, server: Server, page_file: Path
) -> None:
    page = render_html(parquet([meta(0), snapshot(10, document(text(10, "hello")))]), MANIFEST)
    page_file.write_bytes(page)
    watched.open(page_file.as_uri())
    watched.until_text("hello")
    outer = next(f for f in watched.page.frames if f.parent_frame is watched.page.main_frame)
    missed = f"""
      <img src="{server.url}/img" onerror="{RUN}">
      <script>{RUN}</script>
      <link rel="stylesheet" href="{server.url}/css">
      <style>@import "{server.url}/import"; body {{ background: url({server.url}/bg) }}</style>
      <iframe src="{server.url}/iframe"></iframe>
      <object data="{server.url}/object"></object>
      <svg><image href="{server.url}/svg"/></svg>
      <video src="{server.url}/video" autoplay></video>
    """
    (inner,) = outer.child_frames
    for frame in (outer, inner):
        frame.evaluate("html => { document.body.insertAdjacentHTML('beforeend', html) }", missed)
    outer.evaluate(f"fetch({json.dumps(server.url)}).catch(() => 0)")
    outer.evaluate(f"navigator.sendBeacon({json.dumps(server.url + '/beacon')})")
    watched.page.wait_for_timeout(500)
    assert server.hits == []
    for frame in watched.page.frames:
        assert frame.evaluate("window.pwned") is None


def test_the_replay_takes_no_focus(watched: Watched, page_file: Path) -> None:
    events = [
        meta(0),
        snapshot(
            10,
            document(
                element(10, "input", autofocus=""),
                element(11, "dialog", element(12, "input"), open="", rr_open_mode="modal"),
            ),
        ),
        incremental(200, 2, type=5, id=10),
        incremental(300, 5, id=10, text="typed", isChecked=False),
        click(400, 10),
        mutation(900),
    ]
    # rrweb's own spelling has an underscore.
    dialog = events[1]["data"]["node"]["childNodes"][1]["childNodes"][1]["childNodes"][1]
    dialog["attributes"] = {"open": "", "rr_open_mode": "modal"}
    page_file.write_bytes(render_html(parquet(events), MANIFEST))
    watched.open(page_file.as_uri())
    watched.until('seen.some(([name]) => name === "firstframe")')
    watched.page.locator(".seek").focus()
    watched.page.keyboard.press(" ")
    watched.until('seen.some(([name]) => name === "ended")')
    focused = 'document.activeElement.shadowRoot?.activeElement?.className ?? ""'
    assert watched.page.evaluate(focused) == "seek"
