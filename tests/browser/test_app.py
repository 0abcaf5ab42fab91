"""The web app in a browser, against a server with sign-in: as somebody who works with it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from tests.browser.recordings import START_MS, click, document, element, meta, snapshot, text
from tests.browser.recordings import shop as shop_events
from tests.capture.bodies import item, put, snapshots
from tests.support.builders import draft
from tests.support.servers import PASSWORD, Server

from replayport.archive import Archive
from replayport.capture.inbox import Inbox
from replayport.capture.seal import Sealer
from replayport.recording import Person
from replayport.server.live import LiveRecordings
from replayport.server.routes.pages import APP_INDEX, app_file
from replayport.testing import serve

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
MANY = 50_000


def console(at_ms: int, level: str, message: str) -> dict[str, Any]:
    payload = {"level": level, "trace": ["at pay (shop.js:1)"], "payload": [json.dumps(message)]}
    data = {"plugin": "rrweb/console@1", "payload": payload}
    return {"type": 6, "timestamp": START_MS + at_ms, "data": data}


def request(at_ms: int, name: str, status: int, duration: int) -> dict[str, Any]:
    entry = {
        "name": name,
        "method": "POST",
        "responseStatus": status,
        "initiatorType": "fetch",
        "duration": duration,
        "timestamp": START_MS + at_ms,
    }
    data = {"plugin": "rrweb/network@1", "payload": {"requests": [entry]}}
    return {"type": 6, "timestamp": START_MS + at_ms + duration, "data": data}


def product(at_ms: int, event: str, **properties: Any) -> dict[str, Any]:
    return {
        "timestamp_ms": START_MS + at_ms,
        "uuid": f"u-{at_ms}",
        "event": event,
        "distinct_id": "ann@shop.example",
        "window_id": "w1",
        "url": "https://shop.example/",
        "properties": json.dumps(properties),
    }


def fill(archive: Archive) -> None:
    """A visit with everything the inspector shows, two plain ones, a hostile and a long one."""
    archive.write(
        draft(
            [
                *shop_events(20),
                console(4500, "error", "payment failed"),
                console(5500, "log", "cart has 2 items"),
                request(4000, "https://shop.example/api/pay", 500, 400),
                request(8000, "https://shop.example/api/cart", 200, 40),
            ],
            session_id="full",
            project="shop",
            person=Person(distinct_id="ann@shop.example", properties={"plan": "gold"}),
            analytics=[
                product(3000, "checkout started", total=44),
                product(
                    6000,
                    "$ai_generation",
                    **{
                        "$ai_model": "m-1",
                        "$ai_input": [{"role": "user", "content": "why did it fail?"}],
                        "$ai_output_choices": [{"role": "assistant", "content": "a timeout"}],
                    },
                ),
            ],
        )
    )
    for n, path in enumerate(("help", "about")):
        page = document(element(10, "h1", text(11, path)))
        at = -3_600_000 * (n + 1)
        archive.write(
            draft(
                [
                    meta(at, f"https://blog.example/{path}"),
                    snapshot(at + 10, page),
                    click(at + 900, 10),
                ],
                session_id=f"blog-{path}",
                project="blog",
            )
        )
    archive.write(
        draft(
            [
                meta(-9_000_000, "javascript:window.pwned=1"),
                snapshot(-8_999_990, document(element(10, "p", text(11, HOSTILE)))),
                console(-8_999_000, "error", HOSTILE),
                click(-8_998_500, 10),
            ],
            session_id="hostile",
            project="shop",
            person=Person(distinct_id=HOSTILE, properties={HOSTILE: HOSTILE}),
            missing=["block 3"],
        )
    )
    page = snapshot(-19_999_990, document(element(10, "button")))
    clicks = [click(-19_999_000 + n * 10, 10) for n in range(MANY - 2)]
    archive.write(draft([meta(-20_000_000), page, *clicks], session_id="long", project="shop"))
    archive.catalog.set_signals("shop", "full", kinds=["rage_click"], frustration=0.8)


@dataclass
class App:
    """A signed-in browser, and everything it should not do."""

    url: str
    page: Page
    complaints: list[str] = field(default_factory=list)

    def goto(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def recording(self, recording_id: str = "full", project: str = "shop", rest: str = "") -> Page:
        """Open a recording and wait for its first frame."""
        page = self.goto(f"/recordings/{project}/{recording_id}{rest}")
        page.wait_for_selector("replayport-player")
        self.until("document.querySelector('replayport-player').durationMs > 0")
        return page

    def until(self, expression: str, timeout_s: float = 20) -> Any:
        """Wait for an expression; the page forbids the eval that Playwright's own wait needs."""
        for _ in range(int(timeout_s / 0.05)):
            if value := self.page.evaluate(expression):
                return value
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never became true: {expression}")

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def current_ms(self) -> float:
        return float(self.page.evaluate("document.querySelector('replayport-player').currentMs"))


def on_server(tmp: Path, *, is_empty: bool = False) -> Iterator[tuple[str, Server]]:
    if app_file(APP_INDEX) is None:
        pytest.skip("the web app is not built")
    with Archive.open(tmp / "a", create=True) as archive:
        if not is_empty:
            fill(archive)
        server = Server(archive)
        server.now_ms = int(time.time() * 1000)
        server.user("ann")
        server.user("vic", "viewer")
        with serve(server.app) as url:
            yield url, server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    yield from on_server(tmp_path_factory.mktemp("app"))


def signed_in(browser: Browser, url: str, name: str = "ann", **options: Any) -> BrowserContext:
    options = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options}
    context = browser.new_context(**options)
    answer = context.request.post(
        f"{url}/api/session",
        data={"name": name, "password": PASSWORD},
        headers={"origin": url},
    )
    assert answer.ok, answer.text()
    return context


def watched(context: BrowserContext, url: str) -> App:
    app = App(url, context.new_page())
    app.page.set_default_timeout(10_000)
    app.page.on("pageerror", lambda e: app.complaints.append(str(e)))
    app.page.on("console", lambda m: app.complaints.append(m.text) if m.type == "error" else None)
    app.page.on(
        "request",
        lambda r: (
            None
            if r.url.startswith((url, "data:", "about:", "blob:"))
            else app.complaints.append(f"asked for {r.url}")
        ),
    )
    return app


@pytest.fixture(scope="module")
def ann(browser: Browser, served: tuple[str, Server]) -> Iterator[BrowserContext]:
    context = signed_in(browser, served[0])
    yield context
    context.close()


@pytest.fixture
def app(ann: BrowserContext, served: tuple[str, Server]) -> Iterator[App]:
    app = watched(ann, served[0])
    yield app
    app.page.close()
    assert app.complaints == []


def rows_of(page: Page) -> Locator:
    """Rows of the inspector's list; a select has options too."""
    return page.locator("[role=option]")


def query_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


# --- the list -------------------------------------------------------------------------


def test_the_list_shows_recordings_and_opens_one(app: App) -> None:
    page = app.goto("/")
    rows = page.locator("a.row")
    expect(rows).to_have_count(5)
    first = rows.first
    expect(first).to_contain_text("shop.example/")
    expect(first).to_contain_text("ann@shop.example")
    expect(first).to_contain_text("Rage click")
    expect(first).to_contain_text("1 error")
    assert first.locator("svg path").first.get_attribute("d")
    first.click()
    expect(page).to_have_url(f"{app.url}/recordings/shop/full")
    page.go_back()
    expect(rows).to_have_count(5)


def test_filters_are_in_the_address_and_can_be_linked(app: App) -> None:
    page = app.goto("/")
    expect(page.locator("a.row")).to_have_count(5)
    page.keyboard.press("f")
    page.get_by_label("Project").select_option("blog")
    expect(page.locator("a.row")).to_have_count(2)
    page.get_by_label("Address contains").fill("blog.example/help")
    page.keyboard.press("Enter")
    expect(page.locator("a.row")).to_have_count(1)
    assert query_of(page) == {"project": ["blog"], "url": ["blog.example/help"]}
    linked = page.url
    page.get_by_role("button", name="Remove filter: Project blog").click()
    page.get_by_role("button", name="Remove filter: Visited blog.example/help").click()
    expect(page.locator("a.row")).to_have_count(5)
    assert query_of(page) == {}
    page.goto(linked)
    expect(page.locator("a.row")).to_have_count(1)
    expect(page.get_by_role("status").first).to_have_text("1 found")
    page.goto(f"{app.url}/?signal=rage_click&min_frustration=0.5&min_errors=1&llm=yes")
    expect(page.locator("a.row")).to_have_count(1)
    page.goto(f"{app.url}/?order=start_ms")
    expect(page.locator("a.row").first).to_have_attribute("href", "/recordings/shop/long")


def test_search_finds_console_text_and_says_what_to_drop(app: App) -> None:
    page = app.goto("/")
    expect(page.locator("a.row")).to_have_count(5)
    page.keyboard.press("/")
    page.keyboard.type("payment failed")
    page.keyboard.press("Enter")
    expect(page.locator("a.row")).to_have_count(1)
    page.get_by_label("Search recordings").fill("zebra")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No recording matches")).to_be_visible()
    page.get_by_role("button", name="Drop: “zebra”").click()
    expect(page.locator("a.row")).to_have_count(5)


def test_the_list_by_keyboard(app: App) -> None:
    page = app.goto("/")
    expect(page.locator("a.row")).to_have_count(5)
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
    expect(page.locator("a.row").first).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("a.row").first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{app.url}/recordings/shop/full")


def test_an_empty_archive_says_how_to_fill_it(browser: Browser, tmp_path: Path) -> None:
    for url, _ in on_server(tmp_path, is_empty=True):
        context = signed_in(browser, url)
        app = watched(context, url)
        page = app.goto("/")
        expect(page.get_by_role("heading", name="No recordings yet")).to_be_visible()
        for said in ("posthog.init(", "replayport pull posthog", "replayport import"):
            expect(page.locator("main")).to_contain_text(said)
        page.goto(f"{url}/projects")
        expect(page.get_by_role("heading", name="No project yet")).to_be_visible()
        accessible(page)
        context.close()
        assert app.complaints == []


def test_a_list_that_cannot_be_read_says_so_and_tries_again(app: App) -> None:
    answers = {"status": 500}
    app.page.route(
        "**/api/recordings?*",
        lambda route: (
            route.fulfill(status=500, json={"error": "the catalogue is locked"})
            if answers["status"] == 500
            else route.continue_()
        ),
    )
    page = app.goto("/")
    expect(page.get_by_role("alert")).to_contain_text("The catalogue is locked.")
    answers["status"] = 200
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("a.row")).to_have_count(5)
    app.complaints.clear()  # Chromium tells of the 500


# --- a recording ----------------------------------------------------------------------


def test_the_inspector_follows_the_player_and_seeks_it(app: App) -> None:
    page = app.recording()
    expect(rows_of(page).first).to_contain_text("opened https://shop.example/")
    app.until("document.querySelector('replayport-player').currentMs > 1500")
    expect(page.locator("[role=option][aria-current]")).to_contain_text("clicked")
    page.evaluate("document.querySelector('replayport-player').pause()")
    page.get_by_role("option", name="0:13").click()
    app.until("Math.abs(document.querySelector('replayport-player').currentMs - 13300) < 60")
    expect(page.locator("[role=option][aria-current]")).to_contain_text("0:13")
    page.evaluate("document.querySelector('replayport-player').seek(5400)")
    expect(page.locator("[role=option][aria-current]")).to_contain_text("0:05")


def test_trouble_stands_among_the_actions_and_on_the_timeline(app: App) -> None:
    page = app.recording()
    page.evaluate("document.querySelector('replayport-player').pause()")
    page.get_by_role("button", name="Trouble").click()
    row = page.get_by_role("option", name="0:04 Error click")
    expect(row).to_contain_text("an error followed")
    expect(rows_of(page)).to_have_count(2)
    row.click()
    app.until("Math.abs(document.querySelector('replayport-player').currentMs - 4300) < 60")
    expect(page.locator("replayport-player .markers path.trouble")).not_to_have_count(0)
    expect(page.get_by_role("list", name="Markers").get_by_text("Trouble")).to_be_visible()


def test_every_tab_has_its_rows(app: App) -> None:
    page = app.recording(rest="#t=6")
    page.evaluate("document.querySelector('replayport-player').pause()")
    app.tab("Console")
    expect(rows_of(page)).to_have_count(2)
    page.get_by_label("Level").select_option("error")
    page.get_by_role("option", name="payment failed").click()
    expect(page.get_by_role("region", name="Details of the row")).to_contain_text("at pay (shop.js")
    app.until("Math.abs(document.querySelector('replayport-player').currentMs - 4500) < 60")
    app.tab("Network")
    expect(rows_of(page)).to_have_count(2)
    widths = page.locator(".fall i").evaluate_all("es => es.map(e => e.offsetWidth)")
    assert widths[0] > 2 * widths[1] > 0  # 400 ms and 40
    page.get_by_role("button", name="Failed").click()
    expect(rows_of(page)).to_contain_text("/api/pay")
    app.tab("Events")
    page.get_by_role("option", name="checkout started").click()
    expect(page.get_by_role("region", name="Details of the row")).to_contain_text('"total": 44')
    app.tab("LLM")
    rows_of(page).first.click()
    expect(page.get_by_role("region", name="Details of the row")).to_contain_text("a timeout")
    app.tab("DOM")
    expect(page.get_by_role("listbox")).to_contain_text("<h1>")
    app.tab("Raw")
    page.get_by_label("Filter raw events").fill("full_snapshot")
    rows_of(page).first.click()
    expect(page.get_by_role("region", name="Details of the row")).to_contain_text('"childNodes"')
    app.tab("About")
    expect(page.get_by_role("tabpanel")).to_contain_text("gold")


def test_a_link_to_a_second_opens_there(app: App) -> None:
    page = app.recording(rest="#t=10")
    app.until("document.querySelector('replayport-player').currentMs >= 9900")
    page.evaluate("document.querySelector('replayport-player').pause()")
    page.evaluate("document.querySelector('replayport-player').seek(12340)")
    app.until("Math.abs(document.querySelector('replayport-player').currentMs - 12340) < 60")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=app.url)
    page.get_by_role("button", name="Link to this second").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{app.url}/recordings/shop/full#t=12.3"


def test_a_list_of_fifty_thousand_rows_draws_few_of_them(app: App) -> None:
    page = app.recording("long")
    page.evaluate("document.querySelector('replayport-player').pause()")
    app.tab("Raw")
    expect(page.locator(".count[role=status]")).to_have_text("50,000", timeout=25_000)
    assert rows_of(page).count() < 60
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    expect(page.locator(f"[role=option][aria-posinset='{MANY}']")).to_be_visible()
    assert rows_of(page).count() < 60
    page.keyboard.press("Enter")
    app.until("document.querySelector('replayport-player').currentMs > 500000")
    expect(page.locator("[role=option][aria-current]")).to_have_attribute(
        "aria-posinset", str(MANY)
    )


def test_a_visit_under_way_grows_in_the_open_page(browser: Browser, tmp_path: Path) -> None:
    def visited(events: list[dict[str, Any]]) -> None:
        # Playwright's loop runs in this thread.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(put, inbox, snapshots(item(events, session_id="visit"))).result()

    played = 'document.querySelector("replayport-player")'
    first, more = shop_events(4), shop_events(9)[len(shop_events(4)) :]
    with (
        Archive.open(tmp_path / "a", create=True) as archive,
        Inbox.open(tmp_path / "inbox") as inbox,
    ):
        sealer = Sealer(inbox, archive)
        server = Server(archive, live=LiveRecordings(inbox, sealer))
        server.now_ms = int(time.time() * 1000)
        server.user("ann")
        visited(first)
        with serve(server.app) as url:
            context = signed_in(browser, url)
            app = watched(context, url)
            page = app.goto("/")
            expect(page.locator("a.row", has_text="live")).to_have_count(1)
            page = app.recording("visit")
            expect(page.locator(".badges")).to_contain_text("live")
            assert app.until(f"{played}.durationMs") == 4300
            steps = rows_of(page).count()
            app.until(f"{played}.state === 'ended'")
            visited(more)
            app.until(f"{played}.durationMs === 9300")  # without a reload
            app.until(f"{played}.currentMs > 4300")  # and it goes on where it was
            app.until(f"document.querySelectorAll('[role=option]').length > {steps}")
            page.goto("about:blank")
            assert app.complaints == []
            context.close()


def test_notes_and_tags(app: App) -> None:
    page = app.recording("blog-help", "blog")
    page.evaluate("document.querySelector('replayport-player').pause()")
    page.keyboard.press("n")
    note = page.get_by_role("textbox", name="Write a note")
    expect(note).to_be_focused()
    note.fill(HOSTILE)
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("p.text")).to_have_text(HOSTILE)
    assert page.evaluate("document.querySelector('replayport-player').markers.length") == 1
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Text of the note").fill("seen by support")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("p.text")).to_have_text("seen by support")
    page.get_by_role("combobox", name="Add a tag").fill("to fix")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove tag to fix")).to_be_visible()
    page.goto(f"{app.url}/?tag=to+fix")
    expect(page.locator("a.row")).to_have_count(1)
    app.recording("blog-help", "blog")
    app.tab("Notes")
    page.get_by_role("button", name="Remove tag to fix").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("heading", name="No notes")).to_be_visible()
    expect(page.get_by_role("button", name="Remove tag to fix")).to_have_count(0)


def test_sharing_and_revoking(app: App, browser: Browser) -> None:
    page = app.recording()
    page.evaluate("document.querySelector('replayport-player').pause()")
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog", name="Share this recording")
    dialog.get_by_label("From", exact=True).fill("soon")
    dialog.get_by_role("button", name="Make a link").click()
    expect(dialog.get_by_role("alert")).to_contain_text("no time")
    dialog.get_by_label("Replay and actions").check()
    dialog.get_by_label("From", exact=True).fill("0:02")
    dialog.get_by_label("To", exact=True).fill("0:05")
    dialog.get_by_label("Password (not needed)").fill("a secret word")
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_label("Link", exact=True).input_value()
    facts = dialog.locator("li .what")
    expect(facts).to_contain_text("Replay and actions · 0:02 to 0:05 · password · until")
    stranger = browser.new_context()
    guest = stranger.new_page()
    guest.goto(link)
    guest.get_by_label("Password").fill("a secret word")
    guest.get_by_role("button", name="Watch").click()
    expect(guest.locator(".feed button").last).to_contain_text("clicked")
    dialog.get_by_role("button", name="Revoke").click()
    expect(facts).to_contain_text("revoked")
    answer = guest.goto(link)
    assert answer is not None
    assert answer.status == 410
    stranger.close()


def test_a_hostile_recording_is_text(app: App) -> None:
    page = app.goto("/")
    expect(page.locator("a.row", has_text="onerror")).to_have_count(1)
    app.recording("hostile")
    app.tab("Console")
    expect(rows_of(page)).to_contain_text("<img src=x")
    rows_of(page).click()
    app.tab("About")
    expect(page.get_by_role("tabpanel")).to_contain_text("incomplete")
    expect(page.get_by_role("tabpanel")).to_contain_text("javascript:window.pwned=1")
    app.tab("DOM")
    expect(page.get_by_role("listbox")).to_contain_text("onerror")
    assert page.locator("a[href^='javascript:'], a[href^='data:']").count() == 0
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.pwned === undefined")


def test_a_recording_that_is_not_there(app: App) -> None:
    page = app.goto("/recordings/shop/none")
    expect(page.get_by_role("heading", name="There is no such recording")).to_be_visible()
    assert all("404" in said for said in app.complaints)
    app.complaints.clear()


def test_a_deleted_recording_is_gone(app: App, served: tuple[str, Server]) -> None:
    served[1].archive.write(draft(shop_events(1), session_id="passing", project="blog"))
    page = app.recording("passing", "blog")
    page.get_by_role("button", name="Download and more").click()
    assert page.get_by_role("link", name="Parquet").get_attribute("href") == (
        "/api/recordings/blog/passing/export?as=parquet"
    )
    page.get_by_role("button", name="Delete recording").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page).to_have_url(f"{app.url}/")
    expect(page.locator("a.row")).to_have_count(5)


# --- projects, settings, sign-in ------------------------------------------------------


def test_a_project_shows_its_snippet_and_settings(app: App) -> None:
    page = app.goto("/projects/blog")
    expect(page.get_by_role("heading", name="blog")).to_be_visible()
    expect(page.locator("pre").first).to_contain_text("posthog.init(")
    main = page.locator("main")
    expect(main).to_contain_text("What is typed")
    expect(main).to_contain_text("SQLite")
    page.get_by_role("link", name="2 recordings").click()
    expect(page.locator("a.row")).to_have_count(2)


def test_inviting_somebody_who_then_chooses_a_password(app: App, browser: Browser) -> None:
    page = app.goto("/settings")
    page.get_by_label("Name or e-mail").fill("Kim")
    page.get_by_role("button", name="Invite").click()
    invitation = page.get_by_label("Invitation").input_value()
    page.get_by_label("What is it for?").fill("ci")
    page.get_by_role("button", name="Make a token").click()
    assert page.get_by_label("Key", exact=True).input_value().startswith("rp_")
    expect(page.locator("main")).to_contain_text("settings.change")
    fresh = browser.new_context()
    kim = fresh.new_page()
    kim.goto(invitation)
    assert "#" not in kim.evaluate("location.href")
    kim.get_by_label("Password").fill("a few long words")
    kim.get_by_label("The same again").fill("others")
    kim.get_by_role("button", name="Go on").click()
    expect(kim.get_by_role("alert")).to_have_text("The two passwords differ.")
    kim.get_by_label("The same again").fill("a few long words")
    kim.get_by_role("button", name="Go on").click()
    expect(kim.locator("a.row")).to_have_count(5)
    kim.get_by_role("link", name="Settings").click()
    expect(kim.get_by_role("heading", name="People")).to_have_count(0)
    kim.get_by_role("button", name="kim").click()
    kim.get_by_role("button", name="Sign out").click()
    expect(kim.get_by_role("heading", name="Sign in")).to_be_visible()
    kim.goto(f"{app.url}/recordings/shop/full?t=5000")
    kim.get_by_label("Name or e-mail").fill("kim")
    kim.get_by_label("Password").fill("wrong")
    kim.get_by_role("button", name="Sign in").click()
    expect(kim.get_by_role("alert")).to_contain_text("wrong")
    kim.get_by_label("Password").fill("a few long words")
    kim.get_by_role("button", name="Sign in").click()
    expect(kim).to_have_url(f"{app.url}/recordings/shop/full?t=5000")
    expect(kim.get_by_role("button", name="Share")).to_have_count(0)
    fresh.close()


# --- for everybody --------------------------------------------------------------------


def accessible(page: Page, scheme: str = "light") -> None:
    """
    Nothing axe-core finds; the player's own insides are its own tests' matter.

    In the dark only colours differ, so only they are looked at again.
    """
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make web")
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text())
    rules = "runOnly: ['color-contrast']," if scheme == "dark" else ""
    found = page.evaluate(
        "axe.run({exclude: ['replayport-player']},"
        f" {{{rules} iframes: false, resultTypes: ['violations']}})"
    )
    said = [
        f"{v['id']}: {n['target']} {n['failureSummary']}"
        for v in found["violations"]
        for n in v["nodes"]
    ]
    assert said == [], page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, served: tuple[str, Server], scheme: Any) -> None:
    url = served[0]
    stranger = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = stranger.new_page()
    for path in ("/sign-in", "/setup"):
        page.goto(url + path)
        page.wait_for_selector("form")
        accessible(page, scheme)
    stranger.close()
    context = signed_in(browser, url, color_scheme=scheme)
    app = watched(context, url)
    page = app.goto("/?min_errors=1")
    page.wait_for_selector("a.row")
    page.keyboard.press("f")
    accessible(page, scheme)
    page.keyboard.press("?")
    accessible(page, scheme)
    for path in ("/?q=zebra", "/projects/shop", "/settings"):
        page.goto(url + path)
        page.wait_for_selector("main h2")
        accessible(page, scheme)
    app.recording(rest="#t=5")
    page.evaluate("document.querySelector('replayport-player').pause()")
    for tab in ("Actions", "Console", "Network", "Raw", "DOM", "Notes", "About"):
        app.tab(tab)
        page.wait_for_selector("[role=option], [role=tabpanel] h2")
        if tab in ("Console", "Network"):
            rows_of(page).first.click()
            page.wait_for_selector(".details pre")
        accessible(page, scheme)
    page.get_by_role("button", name="Share").click()
    accessible(page, scheme)
    context.close()
    assert app.complaints == []


def test_a_phone_shows_all_of_it(browser: Browser, served: tuple[str, Server]) -> None:
    context = signed_in(browser, served[0], viewport={"width": 390, "height": 844}, has_touch=True)
    app = watched(context, served[0])
    for path in ("/", "/?q=zebra", "/projects", "/settings", "/recordings/shop/full"):
        page = app.goto(path)
        page.wait_for_selector("main h1, main h2")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    app.recording()
    player = page.locator("replayport-player").bounding_box()
    inspector = page.get_by_role("complementary").bounding_box()
    assert player is not None
    assert inspector is not None
    assert player["y"] + player["height"] <= inspector["y"] + 1
    assert inspector["y"] + inspector["height"] <= 845
    assert inspector["height"] > 250
    app.tab("About")
    expect(page.get_by_role("tabpanel")).to_contain_text("ann@shop.example")
    context.close()
    assert app.complaints == []


def test_everything_is_reached_by_tab_and_its_focus_is_seen(app: App) -> None:
    page = app.recording()
    page.evaluate("document.querySelector('replayport-player').pause()")
    page.wait_for_selector("[role=option]")
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate(
            """() => {
              const e = document.activeElement;
              const s = getComputedStyle(e);
              return [e.getAttribute('role') ?? e.tagName.toLowerCase(),
                      e.tagName === 'REPLAYPORT-PLAYER' || s.outlineStyle !== 'none'];
            }"""
        )
        seen.append(at[0])
        assert at[1], f"no focus is seen on {at[0]}"
        if at[0] == "listbox":
            break
    assert seen[0] == "a"
    assert {"replayport-player", "tab", "input", "listbox", "button"} <= set(seen)
