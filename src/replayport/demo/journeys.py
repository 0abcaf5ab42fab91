"""
The scripted visits: what a person would do in the shop, told as functions.

A journey gets a `Visitor` and uses nothing else; ``record.py`` opens the browser,
goes on the journey and keeps what posthog-js sends. All data typed is made up.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from replayport.errors import ReplayError

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator

SHOP_ORIGIN: Final = "http://shop.example"
FLUSH_MS: Final = 3500
"""posthog-js sends every 3 s; a page is left only when the last batch is on its way."""


class Visitor:
    """
    Moves, types and hesitates like a person, the same way each time.

    Every journey has its own seed, so two recordings of it differ in time stamps only
    as much as the machine does.
    """

    def __init__(
        self,
        context: BrowserContext,
        *,
        seed: int,
        moved_clock: Callable[[int], None],
        arrived: Callable[[], int] = lambda: 0,
    ) -> None:
        self.context = context
        self.moved_clock = moved_clock
        self.arrived = arrived
        self.page = context.new_page()
        self.truth: list[dict[str, Any]] = []
        self._random = random.Random(seed)  # noqa: S311  # hesitation, not secrets
        self._at = (640.0, 300.0)

    def open(self, path: str = "/") -> None:
        """Load a page of the shop and look at it for a moment."""
        self.page.goto(f"{SHOP_ORIGIN}{path}")
        self.page.wait_for_load_state("networkidle")
        self.think(500)

    def think(self, about_ms: int) -> None:
        """Do nothing for about that long."""
        self.page.wait_for_timeout(about_ms * self._random.uniform(0.8, 1.2))

    def move_to(self, x: float, y: float) -> None:
        """Move the mouse along a bent path, quickest in the middle."""
        x0, y0 = self._at
        bend_x = (x0 + x) / 2 + self._random.uniform(-60, 60)
        bend_y = (y0 + y) / 2 + self._random.uniform(-40, 40)
        steps = max(6, int(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5 / 34))
        for n in range(1, steps + 1):
            t = n / steps
            t = t * t * (3 - 2 * t)
            self.page.mouse.move(
                (1 - t) ** 2 * x0 + 2 * (1 - t) * t * bend_x + t * t * x,
                (1 - t) ** 2 * y0 + 2 * (1 - t) * t * bend_y + t * t * y,
            )
            self.page.wait_for_timeout(9)
        self._at = (x, y)

    def move_by(self, x: float, y: float) -> None:
        """Move the mouse from where it is."""
        self.move_to(self._at[0] + x, self._at[1] + y)

    def hover(self, target: str | Locator) -> None:
        """Bring something into view and move the mouse over it."""
        found = self.page.locator(target).first if isinstance(target, str) else target
        found.scroll_into_view_if_needed()
        box = found.bounding_box()
        if box is None:
            msg = "a journey looks for something that is not on the page: the shop has changed"
            raise ReplayError(msg)
        self.move_to(
            box["x"] + box["width"] * self._random.uniform(0.35, 0.65),
            box["y"] + box["height"] * self._random.uniform(0.35, 0.65),
        )

    def click(self, target: str | Locator, *, times: int = 1) -> None:
        """Move to something and click it, ``times`` times in quick succession."""
        self.hover(target)
        self.think(110)
        for _ in range(times):
            self.page.mouse.down()
            self.page.wait_for_timeout(45)
            self.page.mouse.up()
            self.page.wait_for_timeout(110)

    def type(self, target: str, text: str) -> None:
        """Click into a field and type, letter by letter."""
        self.click(target)
        for letter in text:
            self.page.keyboard.type(letter)
            self.page.wait_for_timeout(self._random.uniform(18, 52))

    def scroll(self, by_px: int) -> None:
        """Turn the wheel in small steps."""
        for _ in range(6):
            self.page.mouse.wheel(0, by_px / 6)
            self.page.wait_for_timeout(55)
        self.think(250)

    def swipe(self, by_px: int) -> None:
        """Drag a finger over the middle of the screen; down the page is positive."""
        session = self.context.new_cdp_session(self.page)
        steps = 18
        y = 430 + by_px / 2
        touch = "Input.dispatchTouchEvent"
        session.send(touch, {"type": "touchStart", "touchPoints": [{"x": 190, "y": y}]})
        for n in range(1, steps + 1):
            at = {"x": 190 + n / 2, "y": y - by_px * n / steps}
            session.send(touch, {"type": "touchMove", "touchPoints": [at]})
            self.page.wait_for_timeout(22)
        session.send(touch, {"type": "touchEnd", "touchPoints": []})
        session.detach()
        self.think(400)

    def tap(self, target: str | Locator) -> None:
        """Touch something with a finger."""
        found = self.page.locator(target).first if isinstance(target, str) else target
        found.scroll_into_view_if_needed()
        self.think(220)
        found.tap()
        self.think(250)

    def keep_dom(self) -> None:
        """Keep the page as it is now, once nothing has changed for a while."""
        self.page.wait_for_timeout(500)
        self.truth.append(
            self.page.evaluate(
                "() => ({at_ms: Date.now(), url: location.href,"
                " html: document.documentElement.outerHTML})"
            )
        )
        self.page.wait_for_timeout(300)

    def leave(self) -> None:
        """
        Wait for the last batch, then leave, as closing the window does.

        A busy machine sends late: as long as a wait brings something, it waits again.
        """
        before = -1
        while before != self.arrived():
            before = self.arrived()
            self.page.wait_for_timeout(FLUSH_MS)
        for page in self.context.pages:
            page.goto("about:blank")
        self.page.wait_for_timeout(400)


def _checkout(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open()
    visitor.move_to(420, 330)
    visitor.scroll(520)
    visitor.keep_dom()
    visitor.hover("[data-slug=birch-beanie]")
    visitor.click("[data-slug=fjord-jumper]")
    page.wait_for_selector(".buy")
    visitor.click(".swatches label:nth-of-type(3) span")
    visitor.click("#add-to-bag")  # no size yet: the shop says so
    visitor.think(400)
    visitor.click(".sizes label:nth-of-type(3) span")
    visitor.click("#add-to-bag")
    visitor.keep_dom()
    visitor.click("a.bag")
    page.wait_for_selector(".lines")
    visitor.click('.stepper [data-step="1"]')
    visitor.think(500)
    visitor.click('.stepper [data-step="-1"]')
    visitor.think(300)
    visitor.click(".summary .button")
    page.wait_for_selector("[name=street]")
    visitor.type("[name=name]", "Ada Example")
    visitor.type("[name=email]", "ada@example.com")
    page.locator("[name=country]").select_option("FR")
    visitor.type("[name=street]", "1 Rue du Test")
    visitor.type("[name=postcode]", "44000")
    visitor.type("[name=town]", "Nantes")
    visitor.click("[name=delivery][value=bike]")
    visitor.type("[name=card]", "4242424242424242")
    visitor.type("[name=expiry]", "1230")
    visitor.type("[name=cvc]", "123")
    visitor.type("[name=note]", "Ring twice")
    visitor.click("[name=create_account]")
    visitor.type("[name=password]", "correct horse")
    visitor.click(".pay button[type=submit]")
    page.wait_for_url("**/thanks*")
    page.wait_for_selector("canvas.confetti", state="detached")
    visitor.click("star-rating button:nth-of-type(5)")
    visitor.keep_dom()


def _two_tabs(visitor: Visitor) -> None:
    shop = visitor.page
    visitor.open("/product?item=moss-crewneck")
    visitor.move_to(900, 240)
    visitor.scroll(160)
    with visitor.context.expect_page() as opened:
        visitor.click(".sizes legend a")
    guide = opened.value
    guide.wait_for_selector(".sizes-table .mine")
    guide.bring_to_front()
    visitor.page = guide
    visitor.think(700)
    visitor.click(".units label:nth-of-type(2) span")
    visitor.hover("[name=chest]")
    guide.mouse.down()
    visitor.move_by(130, 0)
    guide.mouse.up()
    visitor.click(".units label:nth-of-type(1) span")
    visitor.scroll(200)
    guide.wait_for_timeout(FLUSH_MS)
    visitor.page = shop
    shop.bring_to_front()
    visitor.think(500)
    visitor.click(".sizes label:nth-of-type(4) span")
    visitor.click("#add-to-bag")
    visitor.click("a.bag")
    shop.wait_for_selector(".lines")
    visitor.think(500)


def _frustrated(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/product?item=lark-mittens&fault=dead-button,slow-api,hidden-error")
    page.wait_for_selector(".buy")
    visitor.move_to(880, 260)
    visitor.click(".sizes label:nth-of-type(2) span")
    visitor.click("#add-to-bag")
    visitor.think(900)
    visitor.click("#add-to-bag", times=6)
    visitor.think(500)
    visitor.move_to(300, 260)
    visitor.move_to(760, 420)
    visitor.click("#add-to-bag", times=4)
    page.wait_for_timeout(2200)  # the reviews fail after the slow API's wait
    visitor.scroll(900)
    visitor.scroll(-900)
    # Only the button comes back to life; adding then throws where nobody sees it.
    page.evaluate("window.shopFaults.delete('dead-button')")
    visitor.click("#add-to-bag")
    visitor.click(".brand")
    visitor.think(900)


def _chat(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/help")
    visitor.move_to(420, 360)
    visitor.click("details:nth-of-type(2) summary")
    visitor.click(".suggestions button:nth-of-type(1)")
    page.wait_for_selector(".thumbs")
    visitor.click(".thumbs button:nth-of-type(1)")
    visitor.type("[name=question]", "Can I wash it with my cat?")
    page.keyboard.press("Enter")
    page.wait_for_selector("li.purl:nth-of-type(5) .thumbs")
    visitor.type("[name=question]", "Do you sell bicycles?")
    visitor.click(".chat form button")
    page.wait_for_selector("li.purl:nth-of-type(7) .thumbs")
    visitor.click("li.purl:nth-of-type(7) .thumbs button:nth-of-type(2)")
    page.locator(".visit iframe").scroll_into_view_if_needed()
    frame = page.frame_locator(".visit iframe")
    visitor.click(frame.locator(".pin").nth(1))
    visitor.think(600)


def _mobile(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open()
    visitor.swipe(420)
    visitor.tap(".chips label:nth-of-type(4) span")
    visitor.swipe(260)
    visitor.tap("[data-slug=tarn-socks]")
    page.wait_for_selector(".buy")
    visitor.tap(".swatches label:nth-of-type(2) span")
    visitor.tap(".sizes label:nth-of-type(2) span")
    visitor.tap("#add-to-bag")
    visitor.swipe(500)
    visitor.swipe(-300)
    visitor.tap("a.bag")
    page.wait_for_selector(".lines")
    visitor.tap('.stepper [data-step="1"]')
    visitor.think(400)
    visitor.swipe(320)


def _idle(visitor: Visitor) -> None:
    page = visitor.page
    visitor.context.clock.install()
    visitor.open("/account")
    visitor.move_to(420, 380)
    visitor.click("[name=mail][value=sheep]")
    page.wait_for_timeout(FLUSH_MS)
    away_ms = 6 * 60 * 1000
    visitor.moved_clock(away_ms)
    visitor.context.clock.fast_forward(away_ms)
    page.wait_for_timeout(7000)  # the line at the top changes: activity, but nobody's
    visitor.move_to(760, 470)
    visitor.click("[name=fit][value=big]")
    visitor.scroll(300)


def _dark_canvas(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/product?item=cove-jumper")
    visitor.hover(".comfort canvas")
    box = page.locator(".comfort canvas").bounding_box()
    if box is not None:
        visitor.move_to(box["x"] + 30, box["y"] + 70)
        visitor.move_to(box["x"] + box["width"] - 30, box["y"] + 60)
    visitor.click("#gift")
    visitor.click("[name=wrap][value=box]")
    visitor.type("dialog textarea", "For the cold mornings")
    visitor.click("dialog .button")
    visitor.click("star-rating[editable] button:nth-of-type(4)")
    visitor.type(".review-form textarea", "Dense, warm, honest.")
    visitor.click(".review-form [name=anonymous]")
    visitor.click(".review-form .button")
    visitor.think(500)
    visitor.click(".brand")
    page.wait_for_selector("[data-slug]")
    visitor.click(".density input")
    visitor.scroll(400)
    visitor.click(".density input")
    visitor.click("#theme-toggle")
    visitor.think(600)


@dataclass(frozen=True, slots=True)
class Journey:
    """One scripted visit."""

    name: str
    title: str
    description: str
    steps: Callable[[Visitor], None]
    context: Mapping[str, Any] = field(default_factory=dict)
    """Extra options of Playwright's ``new_context``."""
    canvas_fps: int = 0


DESKTOP: Final = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
_PHONE: Final = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}

JOURNEYS: Final[Sequence[Journey]] = (
    Journey(
        "checkout",
        "A jumper, bought",
        "From the catalogue over product and bag to a paid order, with every field filled in.",
        _checkout,
    ),
    Journey(
        "two-tabs",
        "Size guide in a second tab",
        "Opens the size guide in a second window, finds a size there and comes back to buy it.",
        _two_tabs,
    ),
    Journey(
        "frustrated",
        "Nothing happens",
        "A dead button clicked again and again, an API that takes its time, errors nobody sees.",
        _frustrated,
    ),
    Journey(
        "chat",
        "Asking Purl",
        "Three questions to the help chat, each an LLM trace of the same session, and the map.",
        _chat,
    ),
    Journey(
        "mobile",
        "Socks on the phone",
        "A phone: swipes, taps and the bag.",
        _mobile,
        context=_PHONE,
    ),
    Journey(
        "idle",
        "Six minutes away",
        "Somebody leaves the account page open for six minutes and returns.",
        _idle,
    ),
    Journey(
        "dark-canvas",
        "Dark, with a drawing",
        "Dark theme: a canvas chart, a dialog, stars in a shadow root, rules inserted by script.",
        _dark_canvas,
        context={"color_scheme": "dark"},
        canvas_fps=3,
    ),
)
