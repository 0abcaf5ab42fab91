"""Events to play, a window at a time: written here, recorded in the shop, or of the corpus."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.browser import recordings as tiny
from tests.support.pages import add, element, page, text

from replayport.archive import Archive
from replayport.demo import RECORDINGS_FOLDER
from replayport.importing import import_paths
from replayport.posthog.lines import EventDecoder
from replayport.rrweb.nodes import walk
from replayport.testing.recordings import FakeRecording, load_requests

Events = list[dict[str, Any]]


def playable(events: Events) -> Events:
    """Give what a replayer can be given, in order of time; empty without a snapshot."""
    good = [
        e
        for e in events
        if isinstance(e.get("data"), dict)
        and (e["type"] != 2 or isinstance(e["data"].get("node"), dict))
        and not any(isinstance(e["data"].get(k), str) for k in ("adds", "removes", "attributes"))
    ]
    good.sort(key=lambda e: e["timestamp"])
    return good if any(e["type"] == 2 for e in good) else []


def windows_of(archive: Archive) -> Iterator[tuple[str, Events]]:
    for recording in archive.recordings():
        windows = defaultdict(list)
        for event in recording.events():
            windows[event.window_id].append(event.to_rrweb())
        for window, events in windows.items():
            if events := playable(events):
                yield f"{recording.id}/{window}", events


def recordings_of_the_demo() -> Iterator[tuple[str, Events]]:
    """Yield the shop's own recordings, made by posthog-js."""
    for path in sorted(RECORDINGS_FOLDER.glob("*.jsonl.zst")):
        for recording in FakeRecording.from_wire(load_requests(path)):
            decoder = EventDecoder()
            for block in recording.blocks:
                decoder.feed_lines(block)
            windows = defaultdict(list)
            for event in decoder.columns.events():
                windows[event.window_id].append(event.to_rrweb())
            for window, events in windows.items():
                if events := playable(events):
                    yield f"{path.name}/{window}", events


def recordings_of_the_corpus(corpus: Path) -> list[tuple[str, int, Callable[[], list[Events]]]]:
    """Give each file of the corpus: its name, its bytes, a function that reads its windows."""
    paths = [
        p
        for p in sorted(corpus.rglob("*"))
        if p.is_file()
        and p.name.endswith((".json", ".json.gz", ".txt", ".txt.gz"))
        and not p.name.endswith(".meta.json")
        and "posthog-wire" not in p.parts
    ]
    paths += sorted(p for p in corpus.glob("posthog-wire/*") if p.is_dir())
    return [(str(p.relative_to(corpus)), _bytes_of(p), partial(_windows_in, p)) for p in paths]


def _bytes_of(path: Path) -> int:
    return sum(p.stat().st_size for p in ([path] if path.is_file() else path.rglob("*")))


def _windows_in(path: Path) -> list[Events]:
    with Archive.open("memory://", create=True) as archive:
        import_paths([path], archive)
        return [events for _, events in windows_of(archive)]


def small_recordings() -> Iterator[tuple[str, Events]]:
    """Yield pages that change in every way a mutation can say, a few events each."""
    for name, changes in CHANGES.items():
        events = [
            tiny.meta(0),
            tiny.snapshot(5, copy.deepcopy(PAGE)),
            *(
                tiny.incremental(10 * n, s, **copy.deepcopy(d))
                for n, (s, d) in enumerate(changes, 1)
            ),
            tiny.incremental(500, 4, width=800, height=600),
        ]
        yield name, events


PAGE = page(
    """<div class="a" style="margin: 1px; color: red"><p>one</p><p>two</p></div>
    <form><input name="n" value="v"><input type="checkbox" name="c" checked>
    <input type="radio" name="r" value="1" checked><input type="radio" name="r" value="2">
    <select><option value="a">A</option><option value="b" selected>B</option></select>
    <textarea>long
text</textarea><input type="number" value="3"></form><iframe name="f"></iframe>
    <style>a:hover { top: 0 } @media print { b { top: 0 } }</style>
    <x-card><template><slot></slot><i>in</i></template>out</x-card><svg><path></path></svg>
    <details><summary>s</summary>d</details><dialog>text</dialog>"""
)
_IDS = {
    (
        n.get("tagName"),
        (n.get("attributes") or {}).get("name") or (n.get("attributes") or {}).get("value"),
    ): n["id"]
    for n in walk(PAGE)
}
_BODY, _DIV, _P = (
    next(n["id"] for n in walk(PAGE) if n.get("tagName") == t) for t in ("body", "div", "p")
)


def _mutation(**lists: Any) -> tuple[int, dict[str, Any]]:
    return 0, {"texts": [], "attributes": [], "removes": [], "adds": [], **lists}


def _input(node_id: int, text_: str, *, checked: bool = False) -> tuple[int, dict[str, Any]]:
    return 5, {"id": node_id, "text": text_, "isChecked": checked}


def _of(tag: str, name: str | None = None) -> int:
    return _IDS[tag, name]


_TEXT = next(n["id"] for n in walk(PAGE) if n.get("textContent") == "one")
_STYLE_TEXT = next(n["id"] for n in walk(PAGE) if "hover" in str(n.get("textContent")))

CHANGES: dict[str, list[tuple[int, dict[str, Any]]]] = {
    "out of order": [
        _mutation(
            adds=[
                add(_DIV, element(900, "b"), before=902),
                add(_DIV, element(902, "u"), before=_P),
                add(902, element(904, "s")),
                add(902, element(903, "em"), before=904),
                add(900, text(901, "late")),
            ]
        )
    ],
    "moves": [
        _mutation(
            removes=[{"parentId": _DIV, "id": _P}],
            adds=[add(_BODY, element(_P, "p")), add(_P, text(910, "moved"))],
        ),
        _mutation(removes=[{"parentId": _BODY, "id": _DIV}]),
    ],
    "texts and attributes": [
        _mutation(texts=[{"id": _TEXT, "value": "a < b & c"}]),
        _mutation(
            texts=[{"id": _TEXT, "value": None}],
            attributes=[{"id": _DIV, "attributes": {"class": None, "title": 'q"<'}}],
        ),
        _mutation(
            attributes=[
                {
                    "id": _DIV,
                    "attributes": {
                        "style": {
                            "color": False,
                            "margin-top": False,
                            "top": "3px",
                            "left": ["4px", "important"],
                        }
                    },
                }
            ]
        ),
        _mutation(
            attributes=[
                {
                    "id": _DIV,
                    "attributes": {"style": {"width": "5px", "background": "url(x.png) red"}},
                }
            ]
        ),
        _mutation(attributes=[{"id": _DIV, "attributes": {"style": None}}]),
    ],
    "fields": [
        _input(_of("input", "n"), "typed"),
        _input(_of("input", "c"), "on"),
        _input(_of("input", "r") - 1, "1"),  # recorders tell it of the others, too
        _input(_of("input", "r"), "2", checked=True),
        _input(_of("select"), "a"),
        _input(_of("textarea"), "typed\nlines"),
        _mutation(attributes=[{"id": _of("textarea"), "attributes": {"value": "x"}}]),
        _input(_of("input", "n"), "***"),
    ],
    "frames": [
        _mutation(
            isAttachIframe=True,
            adds=[add(_of("iframe", "f"), page("<p>in</p><input value=z>", first_id=700))],
        ),
        _mutation(adds=[add(704, {**element(720, "b"), "rootId": 700})]),
        _mutation(
            isAttachIframe=True, adds=[add(_of("iframe", "f"), page("<p>again</p>", first_id=800))]
        ),
    ],
    "a frame before its element": [
        _mutation(isAttachIframe=True, adds=[add(950, page("<p>early</p>", first_id=700))]),
        _mutation(adds=[add(_BODY, element(950, "iframe"))]),
    ],
    "shadow roots": [
        _mutation(adds=[add(_of("x-card"), {**element(930, "b"), "isShadow": True})]),
        _mutation(
            adds=[
                add(_BODY, {**element(931, "x-new"), "isShadowHost": True}),
                add(931, {**element(932, "i"), "isShadow": True}),
                add(931, element(933, "u")),
            ]
        ),
        (
            15,
            {
                "id": 931,
                "styleIds": [1],
                "styles": [{"styleId": 1, "rules": [{"rule": "i { top: 0 }", "index": 0}]}],
            },
        ),
    ],
    "style sheets": [
        (
            8,
            {
                "id": _of("style"),
                "adds": [{"rule": "u { left: 0 }", "index": 0}, {"rule": "s { left: 0 }"}],
            },
        ),
        (
            8,
            {
                "id": _of("style"),
                "removes": [{"index": 0}],
                "adds": [{"rule": "em { top: 0 }", "index": [3, 0]}],
            },
        ),
        (13, {"id": _of("style"), "index": [1], "set": {"property": "color", "value": "red"}}),
        _mutation(texts=[{"id": _STYLE_TEXT, "value": "q { top: 1px }"}]),
        (8, {"id": _of("style"), "adds": [{"rule": "u { left: 0 }", "index": 0}]}),
        _mutation(adds=[add(_of("style"), text(940, "z { top: 2px }"))]),
        (
            15,
            {
                "id": 1,
                "styleIds": [7],
                "styles": [{"styleId": 7, "rules": [{"rule": "a { top: 0 }"}]}],
            },
        ),
        (8, {"styleId": 7, "replaceSync": "b { top: 3px }"}),
    ],
    "a document anew": [
        _mutation(
            adds=[
                add(1, element(960, "html")),
                add(960, element(961, "body")),
                add(961, text(962, "new")),
            ]
        ),
    ],
    "damage": [
        _mutation(removes=[{"parentId": 1, "id": 999}], texts=[{"id": 999, "value": "x"}]),
        _mutation(
            adds=[
                add(999, element(970, "b")),
                add(_DIV, element(971, "b"), before=999),
                add(_DIV, {**element(972, "b"), "rootId": 999}),
            ]
        ),
        _mutation(attributes=[{"id": 999, "attributes": {"a": "b"}}]),
        _mutation(adds=[add(_DIV, element(973, "b"), before=_P)]),
    ],
    "dialogs": [
        _mutation(
            attributes=[{"id": _of("dialog"), "attributes": {"open": "", "rr_open_mode": "modal"}}]
        ),
        _mutation(attributes=[{"id": _of("dialog"), "attributes": {"open": None}}]),
        _mutation(attributes=[{"id": _of("details"), "attributes": {"open": ""}}]),
    ],
}
