"""
Secrets of twenty kinds, planted in forty places of recordings the project made.

Every value is unlike any other, so that finding one in bytes says which place let it through.
"""

from __future__ import annotations

import base64
import html
import json
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from replayport.draft import RecordingDraft
from replayport.posthog.lines import EventDecoder
from replayport.recording import Person
from replayport.testing.recordings import FakeRecording, load_requests

RECORDINGS = ("checkout", "chat", "frustrated", "two-tabs", "idle")
FIRST_ID = 900_000
WORDS = "abcdefghjkmnpqrstuvwxyz"


def luhn(digits: str) -> str:
    total = 0
    for i, d in enumerate(reversed(digits)):
        n = int(d) * (2 if i % 2 == 0 else 1)
        total += n - 9 if n > 9 else n
    return digits + str(-total % 10)


def iban_of(rng: random.Random) -> str:
    bban = "37040044" + "".join(rng.choice(string.digits) for _ in range(10))
    check = 98 - int(bban + "131400") % 97
    return f"DE{check:02d}{bban}"


def alnum(rng: random.Random, n: int) -> str:
    return (
        "7" + "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(n - 2)) + "3"
    )


def word(rng: random.Random, n: int = 7) -> str:
    return "".join(rng.choice(WORDS) for _ in range(n))


def b64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


KINDS: dict[str, Callable[[random.Random], str]] = {
    "email": lambda r: f"{word(r)}.{word(r)}@{word(r)}.example",
    "phone": lambda r: f"+49 30 {r.randint(2_000_000, 8_999_999)}",
    "national phone": lambda r: f"(212) {r.randint(234, 899)}-{r.randint(1000, 9999)}",
    "card": lambda r: luhn("4" + "".join(r.choice(string.digits) for _ in range(14))),
    "iban": iban_of,
    "jwt": lambda r: f"{b64({'alg': 'HS256'})}.{b64({'sub': word(r, 12)})}.{alnum(r, 30)}",
    "stripe key": lambda r: "sk_live_" + alnum(r, 24),
    "github token": lambda r: "ghp_" + alnum(r, 36),
    "aws key": lambda r: (
        "AKIA" + "".join(r.choice(string.ascii_uppercase + "234567") for _ in range(14)) + "27"
    ),
    "slack token": lambda r: (
        "xoxb-" + "".join(r.choice(string.digits) for _ in range(11)) + "-" + alnum(r, 20)
    ),
    "google key": lambda r: "AIza" + alnum(r, 35),
    "ipv4": lambda r: f"84.{r.randint(11, 250)}.{r.randint(11, 250)}.{r.randint(11, 250)}",
    "ipv6": lambda r: "2001:db8:" + ":".join(f"{r.randint(4096, 65535):x}" for _ in range(6)),
    "social security": lambda r: (
        f"{r.randint(100, 650)}-{r.randint(11, 99)}-{r.randint(1000, 9999)}"
    ),
    "bearer": lambda r: "Bearer " + alnum(r, 32),
    "password": lambda r: "password=" + alnum(r, 14),
    "private key": lambda r: f"-----BEGIN PRIVATE KEY-----{alnum(r, 64)}-----END PRIVATE KEY-----",
    "credentials": lambda r: f"https://{word(r)}:{alnum(r, 12)}@{word(r)}.example/x",
    "name": lambda r: f"{word(r, 6).title()} {word(r, 8).title()}",
    "distinct id": lambda r: f"user-{word(r, 6)}-{r.randint(10_000, 99_999)}",
}


def secret_part(kind: str, value: str) -> str:
    """Give the part that must not stay: what a scheme or a key says around it may."""
    if kind == "bearer":
        return value.removeprefix("Bearer ")
    if kind == "password":
        return value.removeprefix("password=")
    if kind == "credentials":
        return value.split("://")[1].split("@")[0]
    return value


@dataclass
class Ground:
    """A recording to plant in."""

    events: list[tuple[str, dict[str, Any]]]
    window: str
    body: dict[str, Any]
    head: dict[str, Any]
    snapshot: dict[str, Any]
    end_ms: int
    analytics: list[dict[str, Any]] = field(default_factory=list)
    person: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=lambda: {"kind": "test"})
    next_id: int = FIRST_ID

    def id(self) -> int:
        self.next_id += 1
        return self.next_id

    def add(self, data: dict[str, Any], type_: int = 3) -> None:
        self.end_ms += 10
        event = {"type": type_, "data": data, "timestamp": self.end_ms}
        self.events.append((self.window, event))

    def element(
        self, tag: str, attributes: Mapping[str, Any] | None = None, text: str | None = None
    ) -> dict[str, Any]:
        node = {
            "type": 2,
            "tagName": tag,
            "attributes": dict(attributes or {}),
            "id": self.id(),
            "childNodes": [] if text is None else [self.text(text)],
        }
        self.body["childNodes"].append(node)
        return node

    def text(self, content: str) -> dict[str, Any]:
        return {"type": 3, "textContent": content, "id": self.id()}

    def mutate(self, **lists: Any) -> None:
        self.add({"source": 0, "texts": [], "attributes": [], "removes": [], "adds": []} | lists)

    def property(self, key: str, value: Any, event: str = "thing") -> None:
        self.analytics.append(
            {
                "timestamp_ms": self.end_ms,
                "uuid": f"u{len(self.analytics)}",
                "event": event,
                "distinct_id": "person-0001",
                "window_id": self.window,
                "url": None,
                "properties": json.dumps({key: value}),
            }
        )


def _find(node: dict[str, Any], tag: str) -> dict[str, Any]:
    stack = [node]
    while stack:
        current = stack.pop()
        if current.get("tagName") == tag:
            return current
        stack.extend(reversed(current.get("childNodes", [])))
    raise LookupError(tag)


@cache
def _captured(name: str) -> FakeRecording:
    path = Path(str(files("replayport.demo") / "recordings" / f"{name}.jsonl.zst"))
    return max(FakeRecording.from_wire(load_requests(path)), key=lambda r: len(r.blocks))


def decoded(name: str) -> EventDecoder:
    """Give the events of a recording that comes with the package."""
    decoder = EventDecoder()
    for block in _captured(name).blocks:
        for line in block.splitlines():
            window, event = json.loads(line)
            decoder.feed(window, json.dumps(event).encode())
    return decoder


def ground(name: str) -> Ground:
    events = [(e.window_id, e.to_rrweb()) for e in decoded(name).columns.events()]
    events.sort(key=lambda pair: pair[1]["timestamp"])
    window, snapshot = next((w, e) for w, e in events if e["type"] == 2)
    root = snapshot["data"]["node"]
    # What comes later has to find the page of that snapshot.
    later = [e for w, e in events if w == window and e["type"] == 2]
    end_ms = snapshot["timestamp"] if len(later) > 1 else events[-1][1]["timestamp"]
    return Ground(events, window, _find(root, "body"), _find(root, "head"), root, end_ms)


def _typed(g: Ground, value: str, *, tag: str, attributes: dict[str, Any]) -> None:
    node = g.element(tag, attributes)
    for n in range(1, len(value) + 1):
        g.add({"source": 5, "id": node["id"], "text": value[:n], "isChecked": False})


def _split(g: Ground, value: str) -> None:
    middle = len(value) // 2
    p = g.element("p")
    inner = {"type": 2, "tagName": "b", "attributes": {}, "id": g.id(), "childNodes": []}
    inner["childNodes"] = [g.text(value[middle:])]
    p["childNodes"] = [g.text(value[:middle]), inner]


def _split_added(g: Ground, value: str) -> None:
    middle = len(value) // 2
    p = g.element("p")
    first, second = g.text(value[:middle]), g.text(value[middle:])
    g.mutate(adds=[{"parentId": p["id"], "nextId": None, "node": first}])
    g.mutate(adds=[{"parentId": p["id"], "nextId": None, "node": second}])


def _grown(g: Ground, value: str, attributes: dict[str, Any]) -> None:
    node = g.element("div", attributes, "x")
    text = node["childNodes"][0]
    for n in range(1, len(value) + 1):
        g.mutate(texts=[{"id": text["id"], "value": value[:n]}])


def _shadow(g: Ground, value: str) -> None:
    host = g.element("my-card")
    host["isShadowHost"] = True
    inner = {
        "type": 2,
        "tagName": "p",
        "attributes": {},
        "id": g.id(),
        "isShadow": True,
        "childNodes": [g.text(value)],
    }
    host["childNodes"].append(inner)


def _frame(g: Ground, value: str) -> None:
    frame = g.element("iframe")
    document_id = g.id()
    body = {
        "type": 2,
        "tagName": "body",
        "attributes": {},
        "id": g.id(),
        "rootId": document_id,
        "childNodes": [g.text(value) | {"rootId": document_id}],
    }
    top = {
        "type": 2,
        "tagName": "html",
        "attributes": {},
        "id": g.id(),
        "rootId": document_id,
        "childNodes": [body],
    }
    document = {"type": 0, "id": document_id, "childNodes": [top]}
    g.mutate(
        adds=[{"parentId": frame["id"], "nextId": None, "node": document}], isAttachIframe=True
    )


def _network(g: Ground, request: dict[str, Any]) -> None:
    entry = {"name": "https://api.example/x", "entryType": "resource", "initiatorType": "fetch"}
    payload = {"requests": [entry | request]}
    g.add({"plugin": "rrweb/network@1", "payload": payload}, 6)


def _console(g: Ground, payload: list[str], trace: list[str] | None = None) -> None:
    g.add(
        {
            "plugin": "rrweb/console@1",
            "payload": {"level": "warn", "trace": trace or [], "payload": payload},
        },
        6,
    )


def _adopted(g: Ground, value: str) -> None:
    rule = {"rule": f'.a::after{{content:"{value}"}}'}
    data = {"source": 15, "id": g.snapshot["id"], "styleIds": [77]}
    g.add(data | {"styles": [{"styleId": 77, "rules": [rule]}]})


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(c):04x}" for c in text)


def entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" for c in text)


PLACES: dict[str, Callable[[Ground, str], Any]] = {
    "text": lambda g, v: g.element("p", {}, f"see {v} there"),
    "split text": _split,
    "split text, added": _split_added,
    "text that grows": lambda g, v: _grown(g, v, {}),
    "title attribute": lambda g, v: g.element("p", {"title": v}),
    "alt": lambda g, v: g.element("img", {"alt": f"of {v}"}),
    "placeholder": lambda g, v: g.element("input", {"type": "button", "placeholder": v}),
    "aria-label": lambda g, v: g.element("button", {"aria-label": v}),
    "data attribute": lambda g, v: g.element("div", {"data-user": v}),
    "data attribute, base64": lambda g, v: g.element(
        "div", {"data-state": base64.b64encode(v.encode()).decode()}
    ),
    "link, query": lambda g, v: g.element("a", {"href": f"/x?r={quote(v, safe='')}"}),
    "link, path": lambda g, v: g.element("a", {"href": f"mailto: {v}"}),
    "picture, query, twice encoded": lambda g, v: g.element(
        "img", {"src": f"https://i.example/a.png?u={quote(quote(v, safe=''), safe='')}"}
    ),
    "srcdoc, entities": lambda g, v: g.element("iframe", {"srcdoc": f"<p>{entities(v)}</p>"}),
    "option": lambda g, v: g.element("select", {}).__setitem__(
        "childNodes",
        [
            {
                "type": 2,
                "tagName": "option",
                "attributes": {"value": v},
                "id": g.id(),
                "childNodes": [g.text(v)],
            }
        ],
    ),
    "textarea": lambda g, v: g.element("textarea", {}, v),
    "field value": lambda g, v: g.element("input", {"type": "text", "value": v}),
    "field, typed": lambda g, v: _typed(g, v, tag="input", attributes={"type": "search"}),
    "field, hidden": lambda g, v: g.element("input", {"type": "hidden", "value": v}),
    "editable, typed": lambda g, v: _grown(g, v, {"contenteditable": "true"}),
    "page title": lambda g, v: g.head["childNodes"].append(
        {"type": 2, "tagName": "title", "attributes": {}, "id": g.id(), "childNodes": [g.text(v)]}
    ),
    "meta": lambda g, v: g.head["childNodes"].append(
        {"type": 2, "tagName": "meta", "attributes": {"content": v}, "id": g.id(), "childNodes": []}
    ),
    "css content": lambda g, v: g.element("style", {"_cssText": f'.q::before{{content:"{v}"}}'}),
    "style attribute": lambda g, v: g.element("div", {"style": f"background:url('/x#{v}')"}),
    "comment": lambda g, v: g.body["childNodes"].append(
        {"type": 5, "textContent": f" {v} ", "id": g.id()}
    ),
    "shadow root": _shadow,
    "frame": _frame,
    "inserted rule": lambda g, v: g.add(
        {"source": 8, "id": g.head["id"], "adds": [{"rule": f'.z::after{{content:"{v}"}}'}]}
    ),
    "adopted sheet": _adopted,
    "address of the page": lambda g, v: g.add(
        {"href": f"https://shop.example/?q={quote(v, safe='')}", "width": 800, "height": 600}, 4
    ),
    "custom event": lambda g, v: g.add({"tag": "saved", "payload": {"who": v}}, 5),
    "custom event, JSON in JSON": lambda g, v: g.add(
        {"tag": "saved", "payload": {"state": json.dumps({"a": json.dumps({"b": v})})}}, 5
    ),
    "custom event, escapes": lambda g, v: g.add(
        {"tag": "saved", "payload": {"text": f"is {escaped(v)} ok"}}, 5
    ),
    "console": lambda g, v: _console(g, [json.dumps(f"user {v} is here")]),
    "console, several arguments": lambda g, v: _console(g, [v[: len(v) // 2], v[len(v) // 2 :]]),
    "request address": lambda g, v: _network(g, {"name": f"https://api.example/?k={quote(v)}"}),
    "request header": lambda g, v: _network(g, {"requestHeaders": {"x-note": v}}),
    "request body": lambda g, v: _network(g, {"requestBody": json.dumps({"note": f"of {v}"})}),
    "analytics": lambda g, v: g.property("note", f"is {v} here"),
    "prompt": lambda g, v: g.property(
        "$ai_input", [{"role": "user", "content": f"I am {v}"}], "$ai_generation"
    ),
    "attribute, changed": lambda g, v: g.mutate(
        attributes=[{"id": g.body["id"], "attributes": {"data-note": v}}]
    ),
    "source": lambda g, v: g.source.__setitem__("file", f"/home/{v}/a.json"),
}


@dataclass(frozen=True)
class Planted:
    kind: str
    place: str
    value: str


def planted(count: int = 200, seed: int = 7) -> tuple[dict[str, RecordingDraft], list[Planted]]:
    """Make drafts with secrets in them; each kind comes to many places, each place gets many kinds."""
    rng = random.Random(seed)  # noqa: S311 - the same values every time
    grounds = {name: ground(name) for name in RECORDINGS}
    kinds, places = list(KINDS), list(PLACES)
    people: dict[str, list[tuple[str, str]]] = {name: [] for name in RECORDINGS}
    found = []
    for i in range(count):
        kind = kinds[i % len(kinds)]
        place = places[(i * 13 + i // len(kinds)) % len(places)]
        name = RECORDINGS[i % len(RECORDINGS) if i % 2 else (i // 7) % len(RECORDINGS)]
        g = grounds[name]
        value = KINDS[kind](rng)
        PLACES[place](g, value)
        found.append(Planted(kind, place, secret_part(kind, value)))
        people[name].append((kind, value))
    drafts = {}
    for name, g in grounds.items():
        names = [v for k, v in people[name] if k == "name"]
        ids = [v for k, v in people[name] if k == "distinct id"]
        g.analytics += [
            {
                "timestamp_ms": g.end_ms,
                "uuid": f"id{n}",
                "event": "$identify",
                "distinct_id": i,
                "window_id": None,
                "url": None,
                "properties": "{}",
            }
            for n, i in enumerate(ids)
        ]
        properties = {f"name_{n}" if n else "name": v for n, v in enumerate(names)}
        decoder = EventDecoder()
        for window, event in g.events:
            decoder.feed(window, json.dumps(event).encode())
        drafts[name] = RecordingDraft(
            project="planted",
            session_id=name,
            columns=decoder.columns,
            source=g.source,
            analytics=g.analytics,
            person=Person(distinct_id="person-0001", properties=properties),
        )
    return drafts, found


def forms(value: str) -> dict[str, bytes]:
    """Give the ways a value could be written: as it is, and encoded."""
    raw = value.encode()
    found = {
        "plain": raw,
        "percent": quote(value, safe="").encode(),
        "twice percent": quote(quote(value, safe=""), safe="").encode(),
        "entities": entities(value).encode(),
        "html": html.escape(value).encode(),
        "json": json.dumps(value)[1:-1].encode(),
        "escapes": escaped(value).encode(),
        "escapes in JSON": escaped(value).replace("\\", "\\\\").encode(),
    }
    for shift in range(3):  # base64 of it, wherever in a longer text it stands
        inner = base64.b64encode(b"\0" * shift + raw)
        skip = (0, 2, 3)[shift]
        found[f"base64 at {shift}"] = inner[skip : len(inner) // 4 * 4 - 4]
    return found
