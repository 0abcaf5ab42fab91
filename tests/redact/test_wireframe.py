"""Wireframes hold no recorded word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.redact.test_apply import element, page, typed
from tests.support.builders import START_MS, console, draft, meta, mutation
from tests.support.planted import RECORDINGS, decoded

from replayport.redact import vocabulary
from replayport.redact.wireframe import STYLE, Wireframes, bars
from replayport.rrweb.columns import EventColumns
from replayport.rrweb.mirror import mirror_of

FIELDS = (
    "adds attributes childNodes compatMode BackCompat CSS1Compat currentTime data endOffset height href "
    "about blank id index initialOffset isAttachIframe isChecked isCustom isShadow isShadowHost isStyle "
    "isSVG left loop muted name needBlock nextId node parentId playbackRate pointerType positions "
    "previousId priority important property publicId ranges removes replace replaceSync rootId rule rules "
    "set remove source start startOffset style styleId styleIds styles systemId tagName text textContent "
    "texts timeOffset top type value volume width wireframes wireframe updates childWireframes inputType "
    "options label disabled checked true false null keyframes media supports container layer scope "
    "starting rr_width rr_height rr_left rr_top rr_position rr_transform rr_display rr_scrollLeft "
    "rr_scrollTop rr_mediaState rr_mediaCurrentTime rr_mediaPlaybackRate rr_mediaMuted rr_mediaLoop "
    "rr_mediaVolume rr_open_mode rr_could_not_detect_modal rgb rgba currentcolor exportparts controls"
)
"""Names in rrweb's events, and words of CSS that are written rather than passed through."""


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{3,}", text.lower()))


LANGUAGE = words(STYLE + " " + FIELDS).union(
    *(words(" ".join(v)) for v in vars(vocabulary).values() if isinstance(v, frozenset))
)


def wireframe(columns: EventColumns) -> EventColumns:
    return Wireframes().convert(columns)


def left(columns: EventColumns) -> set[str]:
    said = [columns.data.decode(), *columns.url.values(), *columns.windows.values]
    return words(" ".join(said)) - LANGUAGE


@pytest.mark.parametrize("name", [*RECORDINGS, "mobile", "dark-canvas"])
def test_no_recorded_word_is_left(name: str) -> None:
    columns = decoded(name).columns
    assert len(words(columns.data.decode()) - LANGUAGE) > 100
    out = wireframe(columns)
    assert left(out) == set()
    assert out.data == wireframe(columns).data  # the same each time


def test_no_recorded_word_of_the_corpus_is_left(corpus: Path) -> None:
    from replayport.sources.files import read_files

    for path in sorted(corpus.glob("rrweb-*/**/*.json*")):
        if ".meta." in path.name or path.stat().st_size > 1_500_000:
            continue
        for found in read_files([path], project="x", max_recording_bytes=10**9):
            assert left(wireframe(found.columns)) == set(), path.name


def test_every_place_is_covered() -> None:
    css = (
        '@import "secret.css";@font-face{font-family:Secret;src:url(secret.woff)}'
        '@media (min-width: 10px){.secret > #hidden[data-who="jane"]::after{content:"jane";'
        "background:url(jane.png);color:red;grid-template-areas:'jane doe';--jane:doe}}"
        "@keyframes jane{from{opacity:0}}a:hover{animation:jane 1s;font:12px Jane,serif}"
    )
    body = page(
        element(
            10, "jane-card", {"class": "jane doe", "id": "jane", "data-jane": "doe"}, "Jane Doe"
        ),
        element(11, "img", {"src": "jane.png", "alt": "jane", "width": "10"}),
        element(12, "svg", {}, element(13, "text", {}, "jane")),
        element(
            14,
            "a",
            {"href": "https://jane.example/", "title": "jane", "aria-label": "jane"},
            "Jane",
        ),
        element(
            15, "input", {"type": "text", "value": "jane", "placeholder": "jane", "name": "jane"}
        ),
        element(16, "style", {"_cssText": css, "jane": "x"}),
        element(17, "script", {}, "jane()"),
        element(18, "p", {"style": "color:red;background:url(jane.png)", "onclick": "jane()"}, "x"),
    )
    events = [
        meta(href="https://jane.example/doe"),
        body,
        typed(5, 15, "jane doe"),
        console(6),
        {"type": 5, "timestamp": START_MS + 7, "data": {"tag": "jane", "payload": {"jane": 1}}},
        mutation(8, texts=[{"id": 1000, "value": "jane"}]),
        {
            "type": 3,
            "timestamp": START_MS + 9,
            "data": {"source": 8, "id": 16, "adds": [{"rule": ".jane{color:red}", "index": 0}]},
        },
        {
            "type": 3,
            "timestamp": START_MS + 9,
            "data": {
                "source": 13,
                "id": 16,
                "index": [0],
                "set": {"property": "color", "value": "red"},
            },
        },
    ]
    out = wireframe(draft(events).columns)
    assert left(out) == set()
    assert b"rgb(54,54,54)" in out.data


def test_names_match_between_page_and_style() -> None:
    css = ".card > #main.big[data-open]{width:10px}"
    out = wireframe(
        draft(
            [
                page(
                    element(9, "style", {"_cssText": css}),
                    element(
                        10,
                        "div",
                        {"class": "card"},
                        element(11, "p", {"id": "main", "class": "big", "data-open": "yes"}),
                    ),
                )
            ]
        ).columns
    )
    mirror = mirror_of([(2, None, json.loads(bytes(out.data)))])
    sheet = mirror.sheet_text(9) or ""
    assert mirror.select(sheet.partition("{")[0]) == [11]
    assert "width:10px" in sheet


def test_structure_and_numbers_stay() -> None:
    columns = decoded("checkout").columns
    out = wireframe(columns)
    kept = [r for r in range(len(columns)) if columns.type[r] < 5]
    assert len(out) >= len(kept) - 5
    assert set(out.timestamp_ms) <= set(columns.timestamp_ms)
    clicks = [columns.x[r] for r in kept if columns.kinds.values[columns.kind[r]] == "click"]
    assert [out.x[r] for r in range(len(out)) if out.kinds.values[out.kind[r]] == "click"] == clicks


def test_bars_break_where_the_text_does() -> None:
    assert bars("Hi there, 3\n田") == "0. .00.0. 0\n\u3007"


def test_nothing_to_show_is_an_empty_page() -> None:
    out = wireframe(draft([console(1)]).columns)
    assert [out.kinds.values[k] for k in out.kind] == ["meta"]
