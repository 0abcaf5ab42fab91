"""The HTML export as bytes; `tests/browser/test_html_export.py` plays it."""

from __future__ import annotations

import hashlib
import html
import re
from base64 import b64decode, b64encode
from html.parser import HTMLParser

import pytest

from replayport.export import EXPORTS
from replayport.export.html import render_html
from replayport.player_assets import PlayerNotBuiltError, player_policy, static_file, static_text

try:
    static_file("player.js")
except PlayerNotBuiltError as error:
    pytest.skip(str(error), allow_module_level=True)

MANIFEST = {
    "id": "0198",
    "start_ms": 1_700_000_000_000,
    "duration_ms": 3_725_000,
    "events": 12_345,
    "first_url": "https://user:pass@shop.example/cart/?token=secret#frag",
}

HOSTILE = [
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "%RECORDING%",
    "%PLAYER%",
    "%TITLE%",
    "\\1\\g<0>",
    "https://[not-a-host/",
    "\x00\u202e\ud83d\ude00",
]


class Outline(HTMLParser):
    """Elements and scripts, as a browser's parser sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.policies: list[str] = []
        self.inside_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag == "script":
            self.inside_script = True
            self.scripts.append((attributes, ""))
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy":
            self.policies.append(attributes.get("content") or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside_script = self.inside_script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self.inside_script:
            attributes, before = self.scripts[-1]
            self.scripts[-1] = (attributes, before + data)


def outline(page: bytes) -> Outline:
    parser = Outline()
    parser.feed(page.decode("utf-8"))
    parser.close()
    return parser


def test_carries_the_recording_unchanged() -> None:
    data = bytes(range(256)) * 40
    scripts = outline(render_html(data, MANIFEST)).scripts
    _, (attributes, text), _ = scripts
    assert attributes == {"type": "application/octet-stream", "id": "recording"}
    assert b64decode(text, validate=True) == data


def test_its_policy_names_its_own_script_and_no_network() -> None:
    it = outline(render_html(b"PAR1", MANIFEST))
    (policy,) = it.policies
    _, _, (_, player) = it.scripts
    digest = b64encode(hashlib.sha256(player.encode()).digest()).decode()
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert f"'sha256-{digest}'" in directives["script-src"].split()
    assert directives["default-src"] == "'none'"
    assert directives["connect-src"] == "'none'"
    assert "http" not in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in directives["script-src"]


def test_policy_of_the_assets_is_the_page_s() -> None:
    policy = player_policy()
    assert policy.page_policy in outline(render_html(b"", {})).policies
    assert all(f"'{digest}'" in policy.page_policy for digest in policy.frame_sha256)
    assert len(policy.frame_sha256) == 2


def test_says_where_when_and_how_long_without_the_query() -> None:
    page = render_html(b"PAR1", MANIFEST).decode()
    head = page.split('id="recording"', 1)[0]
    assert "<title>shop.example/cart · session replay</title>" in head
    assert "14 November 2023, 22:13 UTC" in head
    assert "1 h 2 min" in head
    assert "12,345 events" in head
    for secret in ("secret", "pass", "frag"):
        assert secret not in head.split("<style>", 1)[0] + head.split("</style>", 1)[1]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("key", ["first_url", "id"])
def test_hostile_values_stay_text(key: str, value: str) -> None:
    plain = outline(render_html(b"PAR1", {"id": "plain"}))
    data = render_html(b"PAR1", {key: value.encode("utf-8", "replace").decode()})
    it = outline(data)
    assert it.tags == plain.tags
    assert it.scripts == plain.scripts
    assert it.policies == plain.policies


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"start_ms": 10**30, "duration_ms": -5, "events": "many", "first_url": 7},
        {"start_ms": None, "duration_ms": None, "first_url": ""},
        {"start_ms": float("nan"), "duration_ms": 1.5, "id": {"a": 1}},
    ],
)
def test_odd_manifests_make_a_page(manifest: dict[str, object]) -> None:
    assert outline(render_html(b"PAR1", manifest)).tags.count("replayport-player") == 1


def test_leaves_no_placeholder_behind() -> None:
    page = render_html(b"PAR1", MANIFEST).decode()
    assert not re.search(r"%[A-Z]{4,}%", page)


def test_names_no_address_to_fetch() -> None:
    page = render_html(b"PAR1", {}).decode()
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(?:src|href)\s*=|url\(|@import", html.unescape(markup))


def test_the_player_is_ascii_and_cannot_end_its_script() -> None:
    player = static_text("player.js")
    assert player.isascii()
    assert "</script" not in player.lower()
    assert "<!--" not in player


def test_is_the_html_of_the_registry() -> None:
    assert callable(EXPORTS["html"].load())
