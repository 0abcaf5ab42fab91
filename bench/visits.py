"""
Visits of a made-up shop, written as the events a recorder would send; no browser is needed.

```
person (seeded) x errand x fault ──> pages with known places ──> pointer, clicks, typing, answers
     a fault is one of: a dead button, a slow API, an input that is lost, an error nobody sees
```

Every element stands at a place in the page that its style says and that the pointer goes to, so a
heatmap of these visits lies on the buttons. `ODDITIES` are done to some recordings afterwards: what
recorders and networks really do wrong.

Scripts, not people: `labels` says which visits had a fault, and nothing about how anybody feels.
"""

from __future__ import annotations

import csv
import json
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from inputs import BASE_MS

from replayport.archive import Archive
from replayport.draft import RecordingDraft
from replayport.posthog.lines import EventDecoder
from replayport.recording import Person

ORIGIN: Final = "https://harbour.example"
DAYS: Final = 30
DAY_MS: Final = 86_400_000
VISITS_A_PERSON: Final = 4
FAULTS: Final = ("dead-button", "slow-api", "lost-input", "hidden-error")
VIEWPORTS: Final = ((1280, 800), (1440, 900), (1280, 800), (390, 844), (820, 1180))
PHONE_PX: Final = 600

GOODS: Final = (
    ("fjord-jumper", "Fjord jumper", 129, "#3f6b8c"),
    ("lark-mittens", "Lark mittens", 39, "#b5654a"),
    ("moss-cardigan", "Moss cardigan", 149, "#6f7d4f"),
    ("tarn-socks", "Tarn socks", 19, "#4f5d75"),
    ("gull-scarf", "Gull scarf", 59, "#c9b79c"),
    ("pier-hat", "Pier hat", 35, "#9a3b3b"),
    ("kelp-blanket", "Kelp blanket", 189, "#2f5d50"),
    ("dune-slippers", "Dune slippers", 69, "#b08d57"),
)
REVIEWS: Final = (
    "Warm, and it kept its shape in the wash.",
    "A size smaller than I thought; they changed it at once.",
    "My brother stole it. I ordered another.",
    "The colour is calmer than in the picture, and nicer.",
    "Scratchy for a day, then never again.",
    "Came in paper, no plastic anywhere.",
)
FIELDS: Final = (
    ("name", "Name", "Ada Example"),
    ("email", "Email", "ada@example.com"),
    ("street", "Street", "1 Rue du Test"),
    ("postcode", "Postcode", "44000"),
    ("town", "Town", "Nantes"),
)

STYLE: Final = (
    "*{box-sizing:border-box}body{margin:0;font:16px/1.4 system-ui,sans-serif;color:#23292f;"
    "background:#fbfaf7}a{color:inherit;text-decoration:none}h1,h2,p{margin:0}h1{font-size:30px}"
    "h2{font-size:17px}.bar{background:#fff;border-bottom:1px solid #ddd6c8}.brand{font-weight:700;"
    "font-size:20px}.hero{background:#e7e0d2}.picture{border-radius:8px}.price,.small{color:#6b6557}"
    "button{font:inherit;border:1px solid #c9c2b4;border-radius:6px;background:#fff}"
    ".main{background:#23404f;color:#fff;border-color:#23404f}input{font:inherit;border:1px solid "
    "#c9c2b4;border-radius:6px;padding:0 10px}.note{color:#9a3b3b}.review{border-top:1px solid #ddd6c8}"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """An element and where it stands in the page, CSS px."""

    key: str
    tag: str
    x: float
    y: float
    width: float
    height: float
    text: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    style: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the shop, laid out for a width."""

    path: str
    title: str
    pieces: Sequence[Piece]

    @property
    def height(self) -> float:
        """How long the page is."""
        return max(p.y + p.height for p in self.pieces) + 40


def _frame(width: int) -> list[Piece]:
    link = {"href": "/help"}
    found = [
        Piece("bar", "div", 0, 0, width, 64, attributes={"class": "bar"}),
        Piece("brand", "a", 20, 18, 180, 28, "Harbour Goods", {"href": "/", "class": "brand"}),
        Piece("bag", "a", width - 90, 20, 70, 24, "Bag", {"href": "/bag"}),
    ]
    if width >= PHONE_PX:
        found.append(Piece("help", "a", width - 170, 20, 60, 24, "Help", link))
    return found


def home(width: int) -> Page:
    """Lay out the list of goods."""
    across = 4 if width >= 1024 else 2
    gap = 20
    each = (width - gap * (across + 1)) / across
    pieces = [
        *_frame(width),
        Piece("hero", "div", 0, 64, width, 220, attributes={"class": "hero"}),
        Piece("title", "h1", 24, 110, width - 48, 44, "Things that last by the sea"),
        Piece("lead", "p", 24, 160, width - 48, 24, "Knitted here, mended for life."),
    ]
    for n, (slug, name, price, colour) in enumerate(GOODS * 2):
        x = gap + (n % across) * (each + gap)
        y = 310 + (n // across) * (each + 80)
        row = "" if n < len(GOODS) else "2"
        look = {"href": f"/product?item={slug}", "class": "picture", "aria-label": name}
        pieces += [
            Piece(f"card {slug}{row}", "a", x, y, each, each, "", look, f"background:{colour}"),
            Piece(f"name {slug}{row}", "h2", x, y + each + 8, each, 24, name),
            Piece(
                f"price {slug}{row}", "p", x, y + each + 32, each, 22, f"{price} EUR",
                {"class": "price"},
            ),
        ]  # fmt: skip
    return Page("/", "Harbour Goods", pieces)


def product(width: int, slug: str) -> Page:
    """Lay out the page of one thing."""
    _, name, price, colour = next(g for g in GOODS if g[0] == slug)
    phone = width < PHONE_PX
    side = width - 40 if phone else min(560, width / 2 - 40)
    x, y = (20, 64 + side + 40) if phone else (side + 60, 90)
    room = width - x - 20
    pieces = [
        *_frame(width),
        Piece(
            "picture", "div", 20, 84, side, side, "", {"class": "picture"}, f"background:{colour}"
        ),
        Piece("title", "h1", x, y, room, 44, name),
        Piece("price", "p", x, y + 48, room, 24, f"{price} EUR", {"class": "price"}),
        *(
            Piece(f"size {s}", "button", x + n * 72, y + 90, 60, 44, s, {"type": "button"})
            for n, s in enumerate(("S", "M", "L"))
        ),
        Piece(
            "add", "button", x, y + 156, min(320, room), 52, "Add to bag",
            {"type": "button", "class": "main"},
        ),
        Piece("said", "p", x, y + 220, room, 24, "Sent within two days.", {"class": "small"}),
    ]  # fmt: skip
    top = max(84 + side, y + 260) + 50
    pieces.append(Piece("reviews", "h2", 20, top, width - 40, 28, "What people say"))
    for n, words in enumerate(REVIEWS * 2):
        look = {"class": "review"}
        pieces.append(Piece(f"review {n}", "p", 20, top + 44 + n * 92, width - 40, 80, words, look))
    return Page(f"/product?item={slug}", f"{name}, Harbour Goods", pieces)


def bag(width: int, slugs: Sequence[str]) -> Page:
    """Lay out what somebody wants to buy."""
    pieces = [*_frame(width), Piece("title", "h1", 24, 96, width - 48, 44, "Your bag")]
    names = {slug: name for slug, name, _, _ in GOODS}
    for n, slug in enumerate(slugs):
        y = 160 + n * 70
        pieces.append(Piece(f"line {n}", "p", 24, y, 220, 28, names[slug]))
        out = {"type": "button", "aria-label": f"Remove {names[slug]}"}
        pieces.append(Piece(f"remove {n}", "button", 250, y - 4, 100, 38, "Remove", out))
    y = 180 + len(slugs) * 70
    look = {"href": "/checkout", "class": "main", "role": "button"}
    pieces.append(
        Piece("checkout", "a", 24, y, 260, 52, "Check out", look,
              "border-radius:6px;line-height:52px;text-align:center")
    )  # fmt: skip
    return Page("/bag", "Your bag, Harbour Goods", pieces)


def checkout(width: int) -> Page:
    """Lay out the form."""
    pieces = [*_frame(width), Piece("title", "h1", 24, 96, width - 48, 44, "Where to?")]
    room = min(420, width - 48)
    for n, (key, label, _) in enumerate(FIELDS):
        y = 160 + n * 78
        pieces.append(Piece(f"label {key}", "label", 24, y, room, 22, label, {"for": key}))
        kind = "email" if key == "email" else "text"
        entry = {"id": key, "name": key, "type": kind}
        pieces.append(Piece(key, "input", 24, y + 24, room, 42, "", entry))
    y = 170 + len(FIELDS) * 78
    pay = {"type": "submit", "class": "main"}
    pieces.append(Piece("pay", "button", 24, y, room, 52, "Pay", pay))
    return Page("/checkout", "Check out, Harbour Goods", pieces)


def thanks(width: int) -> Page:
    """Lay out the end."""
    pieces = [*_frame(width), Piece("title", "h1", 24, 140, width - 48, 44, "Thank you")]
    return Page("/thanks", "Thank you, Harbour Goods", pieces)


@dataclass(frozen=True, slots=True)
class Temper:
    """How somebody scripted behaves."""

    pace: float
    patience_ms: float
    clicks_again: int
    tries: int
    fidgets: float

    @staticmethod
    def of(r: random.Random) -> Temper:
        """Draw one."""
        return Temper(
            pace=r.uniform(0.7, 1.5),
            patience_ms=r.uniform(900, 2600),
            clicks_again=r.choice((2, 3, 4, 6)),
            tries=r.choice((1, 1, 2)),
            fidgets=r.uniform(0.05, 0.5),
        )


class Visit:
    """
    One visit on its way: what is done, as events.

    Args:
        seed: Of everything that is drawn.
        temper: Who visits.
        fault: One of `FAULTS`, or empty.
        size: Of the viewport, CSS px.
        start_ms: When it begins.
    """

    def __init__(
        self, seed: int, temper: Temper, fault: str, size: tuple[int, int], start_ms: int
    ) -> None:
        self.random = random.Random(seed)
        self.temper = temper
        self.fault = fault
        self.width, self.height = size
        self.ms = start_ms
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.analytics: list[dict[str, Any]] = []
        self.window = f"w{seed:08x}-1"
        self.page = home(self.width)
        self.ids: dict[str, int] = {}
        self.at = (self.width / 2, 300.0)
        self.scrolled = 0.0
        self.in_bag: list[str] = []
        self._next_id = 1
        self._touch = self.width < PHONE_PX

    # --- events ------------------------------------------------------------------------

    def send(self, type_: int, data: dict[str, Any]) -> None:
        """Add an event at this moment."""
        self.events.append((self.window, {"type": type_, "data": data, "timestamp": int(self.ms)}))

    def change(self, source: int, **data: Any) -> None:
        """Add an incremental event."""
        self.send(3, {"source": source, **data})

    def mutate(self, **lists: Any) -> None:
        """Add a mutation."""
        empty: dict[str, Any] = {"texts": [], "attributes": [], "removes": [], "adds": []}
        self.change(0, **empty | lists)

    def think(self, about_ms: float) -> None:
        """Let time pass, as long as this person takes."""
        self.ms += about_ms * self.temper.pace * self.random.uniform(0.7, 1.4)

    def open(self, page: Page) -> None:
        """Load a page."""
        self.page, self.scrolled = page, 0.0
        href = ORIGIN + page.path
        self.send(4, {"href": href, "width": self.width, "height": self.height})
        self.ms += 5
        offset = {"top": 0, "left": 0}
        self.send(2, {"node": self._document(page), "initialOffset": offset})
        self.ms += 3
        self.send(5, {"tag": "$pageview", "payload": {"href": href}})
        self._analytics("$pageview", href)
        assets = [("shop.css", 30, 200), ("shop.js", 45, 200)]
        self.requests([(f"/assets/{n}", d, s, "link") for n, d, s in assets])
        self.think(700)

    def requests(self, made: Sequence[tuple[str, float, int, str]]) -> None:
        """Add what the page fetched: path, duration in ms, status, initiator; ends now."""
        rows = [
            {
                "name": ORIGIN + path,
                "entryType": "resource",
                "initiatorType": by,
                "timestamp": int(self.ms - duration),
                "duration": duration,
                "status": status,
                "method": "GET",
            }
            for path, duration, status, by in made
        ]
        self.send(6, {"plugin": "rrweb/network@1", "payload": {"requests": rows}})

    def complain(self, words: str) -> None:
        """Add an error in the console."""
        payload = {"level": "error", "trace": [f"{ORIGIN}/assets/shop.js:41"], "payload": [words]}
        self.send(6, {"plugin": "rrweb/console@1", "payload": payload})

    def _analytics(self, event: str, href: str) -> None:
        row = {
            "timestamp_ms": int(self.ms),
            "uuid": str(uuid.UUID(int=self.random.getrandbits(128))),
            "event": event,
            "window_id": self.window,
            "url": href,
            "properties": json.dumps({"$current_url": href}),
        }
        self.analytics.append(row)

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _element(self, tag: str, attributes: dict[str, Any], *children: Any) -> dict[str, Any]:
        return {
            "type": 2,
            "id": self._id(),
            "tagName": tag,
            "attributes": attributes,
            "childNodes": list(children),
        }

    def _text(self, content: str) -> dict[str, Any]:
        return {"type": 3, "id": self._id(), "textContent": content}

    def _document(self, page: Page) -> dict[str, Any]:
        self._next_id = 1
        root = {"type": 0, "id": self._id(), "childNodes": []}
        self.ids = {}
        pieces = []
        for p in page.pieces:
            place = (
                f"position:absolute;left:{p.x:g}px;top:{p.y:g}px;width:{p.width:g}px;"
                f"height:{p.height:g}px;{p.style}"
            )
            node = self._element(p.tag, {**p.attributes, "style": place})
            self.ids[p.key] = node["id"]
            if p.text:
                node["childNodes"].append(self._text(p.text))
                self.ids[f"{p.key} text"] = node["childNodes"][0]["id"]
            pieces.append(node)
        style = self._element("style", {"_cssText": STYLE}, self._text(""))
        title = self._element("title", {}, self._text(page.title))
        look = f"position:relative;height:{page.height:g}px"
        root["childNodes"] = [
            {"type": 1, "id": self._id(), "name": "html", "publicId": "", "systemId": ""},
            self._element(
                "html",
                {"lang": "en"},
                self._element("head", {}, title, style),
                self._element("body", {"style": look}, *pieces),
            ),
        ]
        return root

    # --- what a person does ----------------------------------------------------------

    def piece(self, key: str) -> Piece:
        """Give an element of the page."""
        return next(p for p in self.page.pieces if p.key == key)

    def move_to(self, x: float, y: float) -> None:
        """Move the pointer; fingers have none."""
        if self._touch:
            return
        x0, y0 = self.at
        bend = (
            (x0 + x) / 2 + self.random.uniform(-60, 60),
            (y0 + y) / 2 + self.random.uniform(-40, 40),
        )
        steps = max(4, int(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5 / 60))
        positions = []
        for n in range(1, steps + 1):
            t = n / steps
            t = t * t * (3 - 2 * t)
            at = [
                (1 - t) ** 2 * a + 2 * (1 - t) * t * b + t * t * c
                for a, b, c in ((x0, bend[0], x), (y0, bend[1], y))
            ]
            positions.append((round(at[0]), round(at[1])))
        step_ms = 50
        for first in range(0, steps, 10):
            some = positions[first : first + 10]
            self.ms += step_ms * len(some)
            self.change(
                1,
                positions=[
                    {"x": a, "y": b, "id": self._under(a, b), "timeOffset": -step_ms * back}
                    for back, (a, b) in zip(range(len(some) - 1, -1, -1), some, strict=True)
                ],
            )
        self.at = (x, y)

    def _under(self, x: float, y: float) -> int:
        down = y + self.scrolled
        found = [
            p for p in self.page.pieces if p.x <= x < p.x + p.width and p.y <= down < p.y + p.height
        ]
        return self.ids[found[-1].key] if found else 1

    def scroll(self, by_px: float) -> None:
        """Turn the wheel."""
        end = min(max(self.scrolled + by_px, 0), max(self.page.height - self.height, 0))
        start = self.scrolled
        for n in range(1, 6):
            self.ms += 100
            self.scrolled = round(start + (end - start) * n / 5)
            self.change(3, id=1, x=0, y=self.scrolled)
        self.think(400)

    def reach(self, key: str) -> tuple[float, float]:
        """Bring an element into view and go there; give where, in the window."""
        p = self.piece(key)
        while p.y + p.height > self.scrolled + self.height - 20:
            before = self.scrolled
            self.scroll(min(450, p.y + p.height - self.scrolled - self.height + 60))
            if self.scrolled == before:
                break
        while p.y < self.scrolled + 10 and self.scrolled:
            self.scroll(max(-450, p.y - self.scrolled - 80))
        # People press near the middle of a thing, seldom at its edge.
        x = p.x + p.width * min(max(self.random.gauss(0.5, 0.12), 0.05), 0.95)
        y = p.y - self.scrolled + p.height * min(max(self.random.gauss(0.5, 0.14), 0.05), 0.95)
        self.move_to(x, y)
        return round(x, 2), round(y, 2)

    def click(self, key: str, *, times: int = 1) -> None:
        """Press an element."""
        x, y = self.reach(key)
        node = self.ids[key]
        self.think(140)
        kind = {"pointerType": 2} if self._touch else {"pointerType": 0}
        for _ in range(times):
            self.change(2, type=7 if self._touch else 1, id=node, x=x, y=y)
            self.ms += 60
            self.change(2, type=9 if self._touch else 0, id=node, x=x, y=y)
            self.ms += 4
            self.change(2, type=2, id=node, x=round(x), y=round(y), **kind)
            self.ms += self.random.uniform(90, 170)

    def type(self, key: str, words: str) -> None:
        """Press a field and type."""
        self.click(key)
        node = self.ids[key]
        self.change(2, type=5, id=node)
        for n in range(1, len(words) + 1):
            self.ms += self.random.uniform(70, 190)
            self.change(5, id=node, text=words[:n], isChecked=False, userTriggered=True)
        self.think(250)

    def fidget(self) -> None:
        """Do, sometimes, what looks angry and is nothing."""
        if self.random.random() > self.temper.fidgets:
            return
        if self.random.random() < 0.5:
            x, y = self.at
            for n in range(5):
                self.move_to(x + (-150 if n % 2 else 150), y + self.random.uniform(-15, 15))
        else:
            self.scroll(500)
            self.scroll(-500)

    def answer(
        self, path: str, *, slow: bool, status: int = 200, asked_ms: float | None = None
    ) -> None:
        """Wait for the server, which was asked now or at a moment before."""
        asked_ms = self.ms if asked_ms is None else asked_ms
        took = self.random.uniform(5200, 9000) if slow else self.random.uniform(60, 240)
        self.ms = max(self.ms, asked_ms + took)
        self.requests([(path, self.ms - asked_ms, status, "fetch")])

    # --- errands -----------------------------------------------------------------------

    def look_around(self) -> None:
        """Go through the list, and look at a few things."""
        self.open(home(self.width))
        for _ in range(self.random.choice((1, 2, 2, 3))):
            self.fidget()
            slug = self.random.choice(GOODS)[0] + self.random.choice(("", "", "2"))
            self.click(f"card {slug}")
            asked_ms = self.ms
            if self.fault == "slow-api":
                self.think(self.temper.patience_ms)
                self.click(f"card {slug}", times=self.temper.clicks_again)
            self.answer("/api/product", slow=self.fault == "slow-api", asked_ms=asked_ms)
            self.look_at(slug.rstrip("2"))
            self.click("brand")
            self.answer("/api/goods", slow=False)
            self.open(home(self.width))
        self.think(1500)

    def look_at(self, slug: str) -> None:
        """Read a product's page."""
        self.open(product(self.width, slug))
        if self.fault == "hidden-error":
            self.answer("/api/reviews", slow=False, status=500)
            self.complain("reviews did not load")
        for _ in range(self.random.choice((0, 1, 2, 4))):
            self.scroll(self.random.uniform(250, 500))
        self.fidget()

    def buy(self) -> bool:
        """Put something into the bag; tell whether that worked."""
        slug = self.random.choice(GOODS)[0]
        self.look_at(slug)
        self.click(f"size {self.random.choice('SML')}")
        self.mutate(attributes=[{"id": self.ids["size M"], "attributes": {"class": "chosen"}}])
        self.click("add")
        if self.fault == "dead-button":
            for _ in range(self.temper.tries):
                self.think(self.temper.patience_ms)
                self.click("add", times=self.temper.clicks_again)
            self.think(1500)
            return False
        self.answer("/api/bag", slow=self.fault == "slow-api")
        self.in_bag.append(slug)
        words = f"Bag ({len(self.in_bag)})"
        self.mutate(texts=[{"id": self.ids["bag text"], "value": words}])
        self.think(800)
        return True

    def order(self) -> None:
        """Buy, fill in the form, and pay."""
        if not self.buy():
            self.click("brand")
            self.open(home(self.width))
            return
        self.click("bag")
        self.open(bag(self.width, self.in_bag))
        self.click("checkout")
        self.open(checkout(self.width))
        for key, _, words in FIELDS:
            self.type(key, words)
        self.click("pay")
        if self.fault == "lost-input":
            for _ in range(self.temper.tries):
                self.answer("/api/order", slow=False, status=422)
                for key in ("street", "postcode"):
                    self.change(5, id=self.ids[key], text="", isChecked=False)
                self.think(self.temper.patience_ms)
                for key, _, words in FIELDS[2:4]:
                    self.type(key, words)
                self.click("pay")
            if self.random.random() < 0.6:  # gives up
                self.think(2500)
                self.click("brand")
                self.open(home(self.width))
                return
        self.answer("/api/order", slow=self.fault == "slow-api")
        self._analytics("order placed", f"{ORIGIN}/checkout")
        self.open(thanks(self.width))
        self.think(1500)

    def leave(self) -> None:
        """Stay a moment, and go."""
        self.think(1200)
        self.send(5, {"tag": "$pageleave", "payload": {"href": ORIGIN + self.page.path}})


ERRANDS: Final[dict[str, tuple[Callable[[Visit], Any], tuple[str, ...]]]] = {
    "look": (Visit.look_around, ("slow-api", "hidden-error")),
    "buy": (Visit.buy, ("dead-button", "slow-api", "hidden-error")),
    "order": (Visit.order, ("dead-button", "lost-input", "slow-api", "hidden-error")),
}
"""What is done, and the faults it can meet."""

Lines = list[tuple[str, dict[str, Any]]]


def _no_snapshot(lines: Lines) -> Lines:
    return [(w, e) for w, e in lines if e["type"] != 2]


def _clock_back(lines: Lines) -> Lines:
    half = len(lines) // 2
    late = [(w, {**e, "timestamp": e["timestamp"] - 3_600_000}) for w, e in lines[half:]]
    return lines[:half] + late


def _unknown_nodes(lines: Lines) -> Lines:
    shifted = [
        (w, {**e, "data": {**e["data"], "id": 90_000}}) for w, e in lines if "id" in e["data"]
    ]
    stray = {"source": 0, "texts": [{"id": 91_000, "value": "x"}], "attributes": [], "removes": [],
             "adds": [{"parentId": 92_000, "nextId": None,
                       "node": {"type": 3, "id": 93_000, "textContent": "y"}}]}  # fmt: skip
    middle = lines[len(lines) // 2]
    mutation = (middle[0], {"type": 3, "timestamp": middle[1]["timestamp"], "data": stray})
    return [*(line for line in lines if "id" not in line[1]["data"]), *shifted, mutation]


def _masked(lines: Lines) -> Lines:
    def hide(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: hide(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [hide(v) for v in value]
        return "*" * len(value) if key in ("textContent", "text", "value", "aria-label") else value

    return [(w, {**e, "data": hide(e["data"])}) for w, e in lines]


def _no_pointer(lines: Lines) -> Lines:
    return [(w, e) for w, e in lines if e["type"] != 3 or e["data"]["source"] in (0, 3, 5)]


ODDITIES: Final[dict[str, Callable[[Lines], Lines]]] = {
    "no-snapshot": _no_snapshot,
    "clock-back": _clock_back,
    "unknown-nodes": _unknown_nodes,
    "masked": _masked,
    "no-pointer": _no_pointer,
}
ODD_EVERY: Final = 25
"""One recording in so many is odd."""


@dataclass(frozen=True, slots=True)
class Made:
    """A visit as it goes into an archive, and what is known of it because it was made."""

    draft: RecordingDraft
    errand: str
    fault: str
    oddity: str


def visits(count: int) -> Iterator[Made]:
    """Give visits in order of time, the same on every run."""
    for n in range(count):
        person = n // VISITS_A_PERSON
        who = random.Random(f"person {person}")
        temper = Temper.of(who)
        size = who.choice(VIEWPORTS)
        seed = random.Random(f"visit {n}").getrandbits(32)
        draw = random.Random(seed)
        errand = draw.choice(list(ERRANDS))
        run, possible = ERRANDS[errand]
        fault = draw.choice(possible) if draw.random() < 0.45 else ""
        start_ms = BASE_MS + n * DAYS * DAY_MS // count + draw.randrange(0, 600_000)
        visit = Visit(seed, temper, fault, size, start_ms)
        run(visit)
        visit.leave()
        oddity = list(ODDITIES)[n // ODD_EVERY % len(ODDITIES)] if n % ODD_EVERY == 24 else ""
        lines = ODDITIES[oddity](visit.events) if oddity else visit.events
        decoder = EventDecoder()
        decoder.feed_lines(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        decoder.end_block()
        distinct_id = f"person-{person:04}"
        draft = RecordingDraft(
            project="harbour",
            session_id=f"v{n:05}-{errand}-{fault or 'none'}",
            columns=decoder.columns,
            source={"kind": "bench"},
            rejected=decoder.rejected,
            findings=decoder.findings,
            analytics=[{**row, "distinct_id": distinct_id} for row in visit.analytics],
            person=Person(distinct_id=distinct_id),
        )
        yield Made(draft, errand, fault, oddity)


def make_archive(folder: Path, count: int) -> list[Made]:
    """Fill an archive with visits; give them, without their events."""
    made = []
    with Archive.open(folder, create=True) as archive:
        for one in visits(count):
            archive.write(one.draft)
            made.append(one)
    return made


def write_labels(path: Path, made: Sequence[Made]) -> None:
    """Write which visits had a fault, as ``replayport train`` reads it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "label", "errand"))
        for one in made:
            writer.writerow((f"harbour/{one.draft.session_id}", int(bool(one.fault)), one.errand))
