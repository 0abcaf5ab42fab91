"""
The mirror equals rrweb: the DOM its replayer holds in Chromium, at random instants.

Both are written as HTML and made comparable by `normal`: attributes sorted, style
attributes and sheets as the browser's CSSOM has them. What the replayer adds or changes
for playing, and no recording says, is taken out there, each with its reason.
"""

from __future__ import annotations

import html
import os
import random
import re
from pathlib import Path

import orjson
import pytest
from playwright.sync_api import sync_playwright
from tests.browser.conftest import CHROMIUM_ARGS, chromium_path
from tests.browser.playing import recordings_of_the_corpus, recordings_of_the_demo, small_recordings

from replayport.rrweb.mirror import Mirror

pytestmark = pytest.mark.browser

RRWEB = Path(__file__).parents[2] / "web" / "node_modules" / "rrweb" / "dist" / "rrweb.umd.min.cjs"
INSTANTS = 20
SEED = 4
SWEEP = bool(os.environ.get("REPLAYPORT_MIRROR_SWEEP"))
"""Set: every recording of the corpus; else a seeded sample of the small ones."""
SAMPLE = 5
SAMPLE_BYTES = 120_000
"""Size of a file, as it is stored, up to which it may be in the sample."""

KNOWN = {
    "highlight/dom-with-scripts.json": "a node comes again with another attribute: the replayer "
    "keeps the old one or not, depending on how it jumped; the mirror takes the last",
}
"""Recordings in which rrweb and the mirror differ, and why."""

REPLAYER_CLASSES = {":hover", "rrweb-paused"}
"""Set by the replayer on what the pointer is over, and on a page that stands still."""

SANITISED = {"number", "range", "color", "date", "datetime-local", "month", "week", "time", "file"}
"""Kinds of input whose value the browser changes to one it likes; a masked number is empty."""

STATES = {"value", "checked", "selected"}
ELSEWHERE = {("option", "selected"), ("select", "value")}

TAG = re.compile(r'<([a-zA-Z][^\s<>"]*)((?: [^\s"<>=]+="[^"]*")*)>')
ATTRIBUTE = re.compile(r' ([^\s"<>=]+)="([^"]*)"')
STYLE = re.compile(r"(<style[^>]*>).*?(</style>)", re.DOTALL)


class Chromium:
    """One page for all recordings, without a network."""

    def __init__(self, page):
        self.page = page
        self.css = {}
        self.styles = {}

    def normal_css(self, texts):
        """Give style sheets as the browser reads them."""
        return self._known(self.css, "t => compare.normalCss(t)", texts)

    def normal_styles(self, texts):
        """Give style attributes as the browser reads them, by what they were."""
        self._known(self.styles, "t => compare.normalStyles(t)", texts)
        return self.styles

    def _known(self, known, ask, texts):
        new = sorted(set(texts) - known.keys())
        if new:
            known.update(zip(new, self.page.evaluate(ask, new), strict=True))
        return [known[t] for t in texts]


@pytest.fixture(scope="module")
def chromium():
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium here; set REPLAYPORT_CHROMIUM to one")
    if not RRWEB.is_file():
        pytest.skip("no rrweb here; run make web")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGS))
        page = browser.new_page()
        page.route("**/*", lambda route: route.abort())
        page.set_content("<!DOCTYPE html><html><body></body></html>")
        page.add_script_tag(content=RRWEB.read_text("utf-8"))
        page.add_script_tag(content=(Path(__file__).parent / "mirror_compare.js").read_text())
        yield Chromium(page)
        browser.close()


def attributes_of(tag, text):
    """Take out of an element's attributes what only the replayer puts there."""
    found = {}
    for name, value in ATTRIBUTE.findall(text):
        name = name.lower()
        if name in ("rrweb-original-src", "rrweb-original-srcset"):
            found[name.removeprefix("rrweb-original-")] = value  # the image was inlined
        elif name == "csp-content":
            found["content"] = value  # a policy that must not rule the replay
        elif name.startswith(("_onload", "_onclick", "_onmouse")):
            found[name[1:]] = value  # handlers that must not run
        elif name.startswith("rr_"):
            continue  # notes of the recorder
        elif name == "class":
            kept = dict.fromkeys(c for c in value.split() if c not in REPLAYER_CLASSES)
            if kept:
                found[name] = " ".join(kept)
        elif name == "autocomplete" and tag in ("input", "textarea"):
            continue  # so that the browser fills in nothing
        elif name in STATES and (tag == "input" or (tag, name) in ELSEWHERE):
            continue  # state, compared by itself
        else:
            found.setdefault(name, value)
    if tag == "link" and loads_script(found):
        return {}  # the replayer gives it no attribute at all
    return found


def loads_script(attributes):
    rel, href = attributes.get("rel"), attributes.get("href", "").partition("?")[0]
    return (
        rel == "modulepreload"
        or (rel == "preload" and attributes.get("as") == "script")
        or (rel == "prefetch" and href.endswith(".js"))
    )


def normal(text, styles):
    """Make one side's HTML comparable; ``styles`` maps style attributes to CSSOM's form."""

    def element(match):
        tag, attributes = match[1].lower(), attributes_of(match[1].lower(), match[2])
        if "style" in attributes:
            style = styles(html.unescape(attributes["style"]))
            attributes["style"] = style
            if not style:
                del attributes["style"]
        if tag == "iframe" and "srcdoc" in attributes:
            attributes["srcdoc"] = normal(html.unescape(attributes["srcdoc"]), styles)
        written = "".join(f"\n  {k}={v}" for k, v in sorted(attributes.items()))
        return f"\n<{tag}{written}>"

    text = STYLE.sub(r"\1\2", text)  # sheets are compared by themselves
    text = re.sub(r"(<textarea[^>]*>).*?(</textarea>)", r"\1\2", text, flags=re.DOTALL)
    return TAG.sub(element, text)


def style_values(text):
    found = [html.unescape(v) for v in re.findall(r' style="([^"]*)"', text)]
    for inner in re.findall(r' srcdoc="([^"]*)"', text):
        found += style_values(html.unescape(inner))
    return found


def first_difference(ours, theirs):
    pairs = enumerate(zip(ours, theirs, strict=False))
    at = next((i for i, (x, y) in pairs if x != y), min(len(ours), len(theirs)))
    shown = slice(max(0, at - 150), at + 200)
    return f"at {at}\nours   …{ours[shown]!r}\ntheirs …{theirs[shown]!r}"


def differences(chromium, mirror, theirs):
    """Give what differs between the mirror and the replayer, in words; empty when nothing."""
    ours = mirror.to_html()
    known = chromium.normal_styles(style_values(ours) + style_values(theirs["html"]))
    a, b = normal(ours, known.__getitem__), normal(theirs["html"], known.__getitem__)
    found = []
    if a != b:
        found.append(first_difference(a, b))
    for node_id, what, value in theirs["states"]:
        if what == "field":
            found += field_differences(mirror, node_id, *value)
        elif what == "style" and value is not None:
            own = chromium.normal_css([mirror.sheet_text(node_id) or ""])[0]
            if own != value:
                found.append(f"sheet of {node_id}: {first_difference(own, value)}")
        elif what == "sheets" and node_id in mirror._adopted:
            # The replayer's document keeps the adopted sheets of the page before.
            own = chromium.normal_css(mirror.adopted_texts(node_id))
            if own != value:
                found.append(f"sheets of {node_id}: ours {own} theirs {value}")
    return found


def field_differences(mirror, node_id, value, checked, kind):
    if mirror.is_checkable(node_id):
        if mirror.checked(node_id) != checked:
            yield f"checked of {node_id}: ours {mirror.checked(node_id)}"
        return
    own = mirror.value(node_id) or ""
    if kind in SANITISED:
        return
    if kind.startswith("select") and own not in {
        mirror.option_value(o) for o in mirror.select("option", node_id)
    }:
        return  # masked: no option has this value, so the browser shows another
    if kind == "textarea":
        own = own.replace("\r\n", "\n")
    elif kind != "hidden":
        own = own.replace("\r", "").replace("\n", "")
    if kind in ("email", "url"):
        own = own.strip()
    if own != value:
        yield f"value of {node_id} ({kind}): ours {own!r} theirs {value!r}"


def body_last(document):
    """Put ``<body>`` behind whatever follows it, as the replayer does with a whole document."""
    for root in document.get("childNodes", ()):
        if isinstance(root, dict) and root.get("tagName") == "html":
            root["childNodes"].sort(key=lambda n: n.get("tagName") == "body")


def drawn_by(events, start, offset):
    """
    Give the instant to look at: between a Meta and its snapshot, after the snapshot.

    There rrweb's jump leaves out all before the Meta and shows what it last had.
    """
    before = [e for e in events if e["timestamp"] - start < offset and e["type"] in (2, 4)]
    if before and before[-1]["type"] == 4:
        later = [e for e in events if e["timestamp"] - start >= offset and e["type"] == 2]
        if later:
            return later[0]["timestamp"] - start + 1
    return offset


def compare(chromium, events, *, virtual_dom=True, seed=SEED):
    """Play one window's events and compare; gives differences by offset."""
    rng = random.Random(seed)
    start, end = events[0]["timestamp"], events[-1]["timestamp"]
    pin = lambda at: {"type": 5, "timestamp": at, "data": {"tag": "pin", "payload": {}}}
    first = next(i for i, e in enumerate(events) if e["type"] == 2)
    events = events[first:]  # before it there is nothing to compare
    drawn = events[0]["timestamp"] - start
    instants = sorted(rng.randint(drawn, end - start) for _ in range(INSTANTS - 1))
    instants = [drawn_by(events, start, at) for at in instants] + [end - start + 1]
    whole = [pin(start), *events, pin(end + 10_000)]
    chromium.page.evaluate("([e, v]) => compare.load(e, v)", [whole, virtual_dom])
    mirror = Mirror()
    done = 0
    found = {}
    for offset in instants:
        while done < len(events) and events[done]["timestamp"] - start < offset:
            event = orjson.loads(orjson.dumps(events[done]))
            body_last(event["data"].get("node") or {})
            for add in event["data"].get("adds") or ():
                if isinstance(add, dict) and add.get("node", {}).get("type") == 0:
                    body_last(add["node"])
            data = event.get("data")
            mirror.apply(event["type"], data.get("source") if event["type"] == 3 else None, data)
            done += 1
        if done == 0:
            continue
        theirs = chromium.page.evaluate("o => compare.at(o)", offset)
        if differing := differences(chromium, mirror, theirs):
            found[offset] = differing
    return found, mirror


def run(chromium, recordings):
    wrong = {}
    for name, events in recordings:
        found, _ = compare(chromium, events)
        if found:
            wrong[name] = found
    return wrong


SEEKING_DIFFERS = {
    "texts and attributes": "its virtual DOM cannot take one side out of a margin",
    "a frame before its element": "its virtual DOM does not look for frames that came before",
    "style sheets": "a sheet's replacement is applied before the sheet is there",
}
"""What rrweb draws otherwise after a jump than when it plays; the mirror is as when it plays."""


def test_small_recordings_as_played(chromium):
    wrong = {}
    for name, events in small_recordings():
        found, _ = compare(chromium, events, virtual_dom=False)
        if found:
            wrong[name] = found
    assert not wrong


def test_small_recordings_as_sought(chromium):
    wrong = {}
    for name, events in small_recordings():
        found, _ = compare(chromium, events)
        if found:
            wrong[name] = found
    assert set(wrong) == set(SEEKING_DIFFERS), wrong


def test_the_shop(chromium):
    assert not run(chromium, recordings_of_the_demo())


@pytest.mark.corpus
def test_real_recordings(chromium, corpus):
    recordings = recordings_of_the_corpus(corpus)
    if not SWEEP:
        small = [(n, of) for n, size, of in recordings if size <= SAMPLE_BYTES and n not in KNOWN]
        chosen = random.Random(SEED).sample(small, min(SAMPLE, len(small)))
    else:
        chosen = [(name, of) for name, _, of in recordings]
    read = [(name, f"{name}/{n}", e) for name, of in chosen for n, e in enumerate(of())]
    assert read
    wrong = {name: compare(chromium, events)[0] for _, name, events in read}
    unexplained = {n: w for n, w in wrong.items() if w and n.rpartition("/")[0] not in KNOWN}
    assert not unexplained
