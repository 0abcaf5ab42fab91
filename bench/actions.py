"""
Actions against truth: journeys whose steps are known, in web apps from npm.

```
journey (Playwright: clicks, types, drags …)     ──> the steps, written down as they are done
   │
Chromium, the app, rrweb's recorder from npm     ──> events ──> read_actions ──> actions
```

A step is found when the actions have, in its order, one of its kind on an element of the
role and name that Playwright found it by (its own reading of the accname rules), with the
value that was typed or chosen. An action that no step explains is invented. Scrolling and
addresses are left out of that: the browser does them for the driver, and they happened.

The apps are fetched from npm once, into a folder of the user's cache, and are not part of
the project.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from common import BENCH, RESULTS, console, node, save, table, version_of

from replayport.analysis.actions import Action, ActionKind
from replayport.analysis.reading import read_actions
from replayport.demo.record import find_chromium
from replayport.posthog.lines import EventDecoder

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

RRWEB: Final = BENCH.parent / "web" / "node_modules" / "rrweb" / "dist" / "rrweb.umd.min.cjs"
CACHE: Final = Path.home() / ".cache" / "replayport" / "apps"
FETCH_TIMEOUT_S: Final = 180

GESTURES: Final = frozenset(
    {
        ActionKind.CLICK,
        ActionKind.DOUBLE_CLICK,
        ActionKind.RIGHT_CLICK,
        ActionKind.TAP,
        ActionKind.DRAG,
        ActionKind.TYPE,
        ActionKind.CHOOSE,
        ActionKind.CHECK,
        ActionKind.UNCHECK,
        ActionKind.SUBMIT,
        ActionKind.SELECT_TEXT,
    }
)
"""What has to be explained by a step."""


SNAPSHOT: Final = re.compile(r'- (?:\'?)(?P<role>[a-z]+)(?: (?P<name>"(?:[^"\\]|\\.)*"))?')
"""First line of an aria snapshot: ``- button "Pay" [disabled]``."""


class NotFetchedError(Exception):
    """npm did not give the app."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the journey did."""

    kind: ActionKind
    role: str | None
    name: str | None
    """None when it has none to compare, such as a drawn shape."""
    value: str | None = None
    """None when it is not compared."""

    def fits(self, action: Action) -> bool:
        """Tell whether an action is this step."""
        return (
            action.kind is self.kind
            and action.role == self.role
            and (self.name is None or action.name == self.name)
            and (self.value is None or action.value == self.value)
        )


class Walk:
    """
    Does steps and writes them down.

    What an element is and is called is asked of Playwright (its aria snapshot) before each
    step, so that the truth does not come from the code that is measured.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.steps: list[Step] = []

    def get(self, role: str, name: str) -> Locator:
        """Find by role and name, as Playwright reads them."""
        return self.page.get_by_role(role, name=name, exact=True).first  # type: ignore[arg-type]

    def locate(self, target: Locator | tuple[str, str]) -> Locator:
        """Take a locator, or find by role and name."""
        return self.get(*target) if isinstance(target, tuple) else target

    def note(
        self, kind: ActionKind, told: tuple[str | None, str | None], value: Any = None
    ) -> None:
        """Write a step down."""
        self.steps.append(Step(kind, *told, value))
        self.page.wait_for_timeout(60)

    def told(self, target: Locator) -> tuple[str | None, str | None]:
        """Give role and name as Playwright reads them; the text of a list entry as its name."""
        first = target.aria_snapshot().partition("\n")[0]
        found = SNAPSHOT.match(first)
        if found is None:
            return None, None
        name = json.loads(found["name"]) if found["name"] else None
        if found["role"] in ("listitem", "text"):  # neither is named by its content
            name = " ".join(target.inner_text().split())
        return None if found["role"] == "text" else found["role"], name

    def click(self, target: Locator | tuple[str, str]) -> None:
        found = self.locate(target)
        told = self.told(found)
        found.click()
        self.note(ActionKind.CLICK, told)

    def double_click(self, target: Locator) -> None:
        told = self.told(target)
        target.dblclick()
        self.note(ActionKind.DOUBLE_CLICK, told)

    def right_click(self, target: Locator) -> None:
        told = self.told(target)
        target.click(button="right")
        self.note(ActionKind.RIGHT_CLICK, told)

    def type(self, target: Locator | tuple[str, str], text: str) -> None:
        """Click into a field and type letter by letter."""
        found = self.locate(target)
        told = self.told(found)
        self.click(found)
        self.page.keyboard.type(text, delay=15)
        self.note(ActionKind.TYPE, told, text)

    def type_on(self, text: str) -> None:
        """Type into what has the focus."""
        self.page.keyboard.type(text, delay=15)
        focused = self.page.locator("*:focus")
        self.note(ActionKind.TYPE, self.told(focused), text)

    def check(
        self, target: Locator | tuple[str, str], *, on: bool = True, by: Locator | None = None
    ) -> None:
        """Click a checkbox, or what is drawn over it."""
        found = self.locate(target)
        told = self.told(found)
        (found if by is None else by).click()
        self.note(ActionKind.CHECK if on else ActionKind.UNCHECK, told)

    def choose(self, target: Locator | tuple[str, str]) -> None:
        """Click a native radio button."""
        found = self.locate(target)
        told = self.told(found)
        found.click()
        self.note(ActionKind.CHOOSE, told)

    def select(self, target: Locator | tuple[str, str], label: str) -> None:
        """Choose an option of a native list."""
        found = self.locate(target)
        told = self.told(found)
        found.focus()  # the driver would choose without, which no person can
        found.select_option(label=label)
        self.note(ActionKind.CHOOSE, told, label)

    def slide(self, target: Locator | tuple[str, str], part: float) -> None:
        """Press on a native slider."""
        found = self.locate(target)
        told, box = self.told(found), found.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + box["width"] * part, box["y"] + box["height"] / 2)
        self.note(ActionKind.CHOOSE, told, found.input_value())

    def press(self, key: str) -> None:
        """Press a key; nothing is written down."""
        self.page.keyboard.press(key)
        self.page.wait_for_timeout(60)

    def submit(self, button: Locator | tuple[str, str]) -> None:
        """Press Enter in a field of a form with this button."""
        told = self.told(self.locate(button))
        self.page.keyboard.press("Enter")
        self.note(ActionKind.SUBMIT, told)

    def drag(self, start: Locator, end: Locator) -> None:
        """Press on one thing and release on another."""
        told, a, b = self.told(start), start.bounding_box(), end.bounding_box()
        assert a is not None
        assert b is not None
        mouse = self.page.mouse
        mouse.move(a["x"] + a["width"] / 2, a["y"] + a["height"] / 2)
        mouse.down()
        mouse.move(a["x"] + a["width"] / 2 + 6, a["y"] + a["height"] / 2 + 6, steps=3)
        mouse.move(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2, steps=8)
        self.page.wait_for_timeout(80)
        mouse.up()
        self.note(ActionKind.DRAG, told)

    def select_text(self, target: Locator) -> None:
        """Drag over a line of text."""
        told, box = self.told(target), target.bounding_box()
        assert box is not None
        mouse, middle = self.page.mouse, box["y"] + box["height"] / 2
        mouse.move(box["x"] + 1, middle)
        mouse.down()
        mouse.move(box["x"] + box["width"] - 2, middle, steps=8)
        mouse.up()
        self.note(ActionKind.SELECT_TEXT, told, " ".join(target.inner_text().split()))

    def wait(self, ms: int) -> None:
        """Let the page come to rest."""
        self.page.wait_for_timeout(ms)


@dataclass(frozen=True, slots=True)
class App:
    """One web app from npm and a journey through it."""

    name: str
    package: str
    version: str
    html: str
    journey: Callable[[Walk], None]
    ready: str
    """Expression that is true when the page can be used."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a journey showed."""

    app: str
    steps: list[Step]
    actions: list[Action]
    missed: list[Step] = field(default_factory=list)
    invented: list[Action] = field(default_factory=list)
    events: int = 0

    @property
    def found(self) -> int:
        """Steps found."""
        return len(self.steps) - len(self.missed)


# --- the apps ---------------------------------------------------------------------

_SHOELACE_HTML: Final = """
<link rel="stylesheet" href="/app/cdn/themes/light.css">
<script type="module" src="/app/cdn/shoelace-autoloader.js"></script>
<h1>Settings</h1>
<sl-tab-group><sl-tab slot="nav" panel="me">Profile</sl-tab>
<sl-tab slot="nav" panel="pay">Payment</sl-tab>
<sl-tab-panel name="me"><form id="me">
<sl-input label="Full name" name="name"></sl-input>
<sl-textarea label="About you" name="about"></sl-textarea>
<sl-select label="Language" name="lang"><sl-option value="en">English</sl-option>
<sl-option value="de">German</sl-option></sl-select>
<sl-checkbox>Send me news</sl-checkbox><sl-switch>Dark mode</sl-switch>
<sl-radio-group label="Plan" name="plan"><sl-radio value="a">Basic</sl-radio>
<sl-radio value="b">Large</sl-radio></sl-radio-group>
<sl-button type="submit" variant="primary">Save changes</sl-button></form></sl-tab-panel>
<sl-tab-panel name="pay"><sl-input label="Card number"></sl-input>
<sl-details summary="What is this?">A number.</sl-details></sl-tab-panel></sl-tab-group>
<sl-button id="open">Delete account</sl-button>
<sl-dialog label="Are you sure?"><sl-button slot="footer" variant="danger">Yes, delete</sl-button>
</sl-dialog>
<script>
document.querySelector("#open").addEventListener("click", () =>
  document.querySelector("sl-dialog").show());
document.querySelector("#me").addEventListener("submit", (event) => event.preventDefault());
</script>
"""


def _shoelace(walk: Walk) -> None:
    page = walk.page
    walk.type(("textbox", "Full name"), "Ada Lovelace")
    walk.type(("textbox", "About you"), "I count.")
    walk.click(("combobox", "Language"))
    walk.wait(400)
    walk.click(("option", "German"))
    walk.wait(400)
    walk.check(("checkbox", "Send me news"), by=page.locator("sl-checkbox"))
    walk.check(("switch", "Dark mode"), by=page.locator("sl-switch"))
    walk.click(("radio", "Large"))
    walk.click(("button", "Save changes"))
    walk.click(("tab", "Payment"))
    walk.wait(200)
    walk.type(("textbox", "Card number"), "4242")
    walk.click(("button", "What is this?"))
    walk.wait(400)
    walk.select_text(page.locator("h1"))
    walk.click(("button", "Delete account"))
    walk.wait(400)
    walk.click(("button", "Yes, delete"))
    walk.click(("button", "Close"))
    walk.wait(400)


_SWAGGER_HTML: Final = """
<link rel="stylesheet" href="/app/swagger-ui.css"><div id="ui"></div>
<script src="/app/swagger-ui-bundle.js"></script>
<script>
const id = { name: "petId", in: "path", required: true, schema: { type: "integer" } };
const pets = { tags: ["pets"], summary: "List pets", operationId: "list", responses: { 200: { description: "ok" } },
  parameters: [{ name: "limit", in: "query", schema: { type: "integer" } },
               { name: "kind", in: "query", schema: { type: "string", enum: ["cat", "dog"] } }] };
SwaggerUIBundle({ dom_id: "#ui", spec: { openapi: "3.0.0", info: { title: "Pets", version: "1" },
  servers: [{ url: "/api" }], paths: { "/pets": { get: pets },
  "/pets/{petId}": { delete: { tags: ["pets"], summary: "Remove a pet", operationId: "remove", parameters: [id],
    responses: { 204: { description: "gone" } } } } } } });
</script>
"""


def _swagger(walk: Walk) -> None:
    page = walk.page
    list_, remove = page.locator("#operations-pets-list"), page.locator("#operations-pets-remove")
    walk.click(list_.locator("button.opblock-summary-control"))
    page.wait_for_selector(".try-out__btn")
    walk.click(("button", "Try it out"))
    walk.type(page.get_by_placeholder("limit"), "5")
    walk.select(list_.locator("tr[data-param-name=kind] select"), "dog")
    walk.click(("button", "Execute"))
    page.wait_for_selector("text=Server response")
    walk.click(("button", "Clear"))
    walk.click(("button", "Cancel"))
    walk.click(list_.locator("button.opblock-summary-control"))
    walk.wait(300)
    walk.click(remove.locator("button.opblock-summary-control"))
    page.wait_for_selector("#operations-pets-remove .try-out__btn")
    walk.click(("button", "Try it out"))
    walk.type(page.get_by_placeholder("petId"), "7")
    walk.click(("button", "Execute"))
    page.wait_for_selector("text=Server response")
    walk.select_text(page.locator("h2.title").locator("text=Pets"))


_TABULATOR_HTML: Final = """
<link rel="stylesheet" href="/app/dist/css/tabulator.min.css">
<h1>People</h1><button id="add">Add a row</button><div id="table"></div>
<script src="/app/dist/js/tabulator.min.js"></script>
<script>
const rows = Array.from({ length: 60 }, (_, i) => ({ id: i + 1, name: "Person " + (i + 1), age: 20 + i % 40, ok: i % 3 === 0 }));
const people = new Tabulator("#table", { data: rows, height: 320, layout: "fitColumns", movableRows: false,
  pagination: true, paginationSize: 10, columns: [
    { title: "Name", field: "name", headerFilter: "input", editor: "input" },
    { title: "Age", field: "age", sorter: "number", editor: "number" },
    { title: "Member", field: "ok", formatter: "tickCross", editor: "tickCross" } ] });
document.querySelector("#add").onclick = () => people.addRow({ id: 99, name: "New", age: 1 }, true);
</script>
"""


def _tabulator(walk: Walk) -> None:
    page = walk.page
    age = page.locator(".tabulator-col", has_text="Age")
    walk.click(age)
    walk.wait(200)
    walk.click(age)
    walk.wait(200)
    header = page.locator(".tabulator-header-filter input")
    walk.type(header, "Person 4")
    walk.wait(500)
    walk.click(page.locator(".tabulator-cell", has_text="Person 4").first)
    walk.wait(200)
    walk.press("Control+a")
    walk.type_on("Grace")
    walk.press("Enter")
    walk.wait(300)
    walk.click(("button", "Add a row"))
    walk.wait(200)
    walk.double_click(header)
    walk.press("Control+a")
    walk.type_on("P")
    walk.wait(500)
    walk.click(("button", "Next Page"))
    walk.wait(200)
    walk.click(("button", "First Page"))
    walk.wait(200)


_JSONEDITOR_HTML: Final = """
<link rel="stylesheet" href="/app/dist/jsoneditor.min.css">
<div id="editor" style="height: 480px"></div>
<script src="/app/dist/jsoneditor.min.js"></script>
<script>
window.editor = new JSONEditor(document.querySelector("#editor"), { mode: "tree", modes: ["tree", "form", "code"], search: true },
  { name: "Ada", age: 36, tags: ["a", "b"], on: true });
</script>
"""


def _jsoneditor(walk: Walk) -> None:
    page = walk.page
    walk.click(("button", "Expand all fields"))
    walk.click(("button", "Collapse all fields"))
    walk.click(("button", "Expand all fields"))
    walk.type(page.locator(".jsoneditor-search input"), "Ada")
    walk.wait(400)
    walk.check(page.locator(".jsoneditor-tree input[type=checkbox]").first, on=False)
    walk.click(page.locator("button.jsoneditor-contextmenu-button").nth(1))
    walk.wait(300)
    walk.click(page.locator("button.jsoneditor-duplicate").first)
    walk.wait(300)
    walk.click(page.locator(".jsoneditor-undo"))
    walk.click(page.locator(".jsoneditor-redo"))
    walk.click(page.locator(".jsoneditor-modes button").first)
    walk.wait(300)


_SORTABLE_HTML: Final = """
<style>li { padding: 10px; border: 1px solid; width: 240px } ul { min-height: 60px }</style>
<h1>Board</h1><form id="new"><label>New card <input name="card"></label><button>Add card</button></form>
<h2>To do</h2><ul id="todo"><li>Write</li><li>Test</li><li>Ship</li></ul>
<h2>Done</h2><ul id="done"><li>Think</li></ul>
<details><summary>Options</summary><label><input type="checkbox" id="big"> Big cards</label>
<label>Colour <select><option>Red</option><option>Blue</option></select></label>
<label>Size <input type="range" min="0" max="10" value="2"></label>
<fieldset><legend>Sort</legend><label><input type="radio" name="s" value="a"> By age</label>
<label><input type="radio" name="s" value="n"> By name</label></fieldset></details>
<script src="/app/Sortable.min.js"></script>
<script>
for (const list of document.querySelectorAll("ul")) Sortable.create(list, { group: "all", forceFallback: true });
document.querySelector("#new").addEventListener("submit", (event) => {
  event.preventDefault();
  const card = document.createElement("li");
  card.textContent = event.target.card.value;
  document.querySelector("#todo").append(card);
  event.target.card.value = "";
});
document.querySelector("#todo").addEventListener("dblclick", (event) => event.target.classList.toggle("marked"));
document.addEventListener("contextmenu", (event) => event.preventDefault());
</script>
"""


def _sortable(walk: Walk) -> None:
    page = walk.page
    card = lambda text: page.locator("li", has_text=text).first  # noqa: E731
    walk.type(("textbox", "New card"), "Sleep")
    walk.submit(("button", "Add card"))
    walk.wait(150)
    walk.type_on("Eat")
    walk.click(("button", "Add card"))
    walk.wait(150)
    walk.drag(card("Write"), card("Think"))
    walk.wait(300)
    walk.drag(card("Ship"), card("Test"))
    walk.wait(300)
    walk.double_click(card("Test"))
    walk.wait(600)
    walk.right_click(card("Eat"))
    page.locator("summary").click()
    walk.note(ActionKind.CLICK, ("button", "Options"))  # Playwright gives a summary no role
    walk.check(("checkbox", "Big cards"))
    walk.check(("checkbox", "Big cards"), on=False)
    walk.select(("combobox", "Colour"), "Blue")
    walk.choose(("radio", "By name"))
    page.locator("label", has_text="By age").click(position={"x": 60, "y": 8})
    walk.note(ActionKind.CHOOSE, ("radio", "By age"))
    walk.slide(("slider", "Size"), 0.8)
    walk.type(("textbox", "New card"), "Last")
    walk.submit(("button", "Add card"))


_TOM_SELECT_HTML: Final = """
<link rel="stylesheet" href="/app/dist/css/tom-select.css">
<h1>Order</h1><label for="fruit">Fruit</label>
<select id="fruit" multiple placeholder="Pick some"><option value="">Pick</option><option value="a">Apple</option>
<option value="b">Banana</option><option value="c">Cherry</option></select>
<label for="size">Size</label><select id="size"><option value="s">Small</option><option value="l">Large</option></select>
<label>Note <textarea id="note"></textarea></label><label>When <input type="date" id="when"></label>
<a href="#terms">Read the terms</a><button id="send">Send order</button><p id="terms">Terms</p>
<script src="/app/dist/js/tom-select.complete.min.js"></script>
<script>
new TomSelect("#fruit", { plugins: ["remove_button"] });
new TomSelect("#size", { create: false });
document.querySelector("#send").addEventListener("click", () => { document.querySelector("h1").textContent = "Thanks"; });
</script>
"""


def _tom_select(walk: Walk) -> None:
    page = walk.page
    fruit = page.locator("#fruit-ts-control")
    walk.type(fruit, "ban")
    walk.wait(400)
    walk.click(page.locator(".ts-dropdown .option", has_text="Banana"))
    walk.wait(300)
    walk.press("Escape")
    walk.click(fruit)
    walk.wait(300)
    walk.click(page.locator(".ts-dropdown .option", has_text="Cherry"))
    walk.wait(200)
    walk.press("Escape")
    walk.click(page.locator(".item .remove").first)
    walk.wait(200)
    walk.press("Escape")
    walk.wait(200)
    walk.type(("textbox", "Note"), "Ring twice, please")
    when = page.locator("#when")
    when.focus()
    when.fill("2026-12-24")
    walk.note(ActionKind.CHOOSE, (None, "When"), "2026-12-24")  # HTML-AAM gives it no role
    walk.click(("link", "Read the terms"))
    walk.click(("button", "Send order"))
    walk.select_text(page.locator("h1"))


_CALENDAR_HTML: Final = """
<div id="calendar"></div><script src="/app/index.global.min.js"></script>
<script>
window.calendar = new FullCalendar.Calendar(document.querySelector("#calendar"), { initialDate: "2026-06-15",
  headerToolbar: { left: "prev,next today", center: "title", right: "dayGridMonth,timeGridWeek,listWeek" },
  editable: true, selectable: true, height: 640,
  events: [{ title: "Stand-up", start: "2026-06-16" }, { title: "Review", start: "2026-06-18" }],
  eventClick: (info) => info.el.classList.toggle("seen") });
window.calendar.render();
</script>
"""


def _calendar(walk: Walk) -> None:
    page = walk.page
    walk.click(page.locator("button.fc-next-button"))
    walk.wait(200)
    walk.click(page.locator("button.fc-prev-button"))
    walk.wait(200)
    walk.click(page.locator("a.fc-event", has_text="Review"))
    walk.wait(200)
    walk.click(page.locator("button.fc-timeGridWeek-button"))
    walk.wait(300)
    walk.click(page.locator("button.fc-listWeek-button"))
    walk.wait(300)
    walk.click(page.locator("button.fc-dayGridMonth-button"))
    walk.wait(300)
    walk.double_click(page.locator("a.fc-event", has_text="Stand-up"))
    walk.wait(600)
    walk.right_click(page.locator("h2").first)


APPS: Final = {
    app.name: app
    for app in (
        App(
            "shoelace",
            "@shoelace-style/shoelace",
            "2.20.1",
            _SHOELACE_HTML,
            _shoelace,
            "['sl-input', 'sl-dialog', 'sl-radio', 'sl-option'].every((n) => !!customElements.get(n))",
        ),
        App(
            "swagger-ui",
            "swagger-ui-dist",
            "5.29.0",
            _SWAGGER_HTML,
            _swagger,
            "!!document.querySelector('#operations-pets-list')",
        ),
        App(
            "tabulator",
            "tabulator-tables",
            "6.3.1",
            _TABULATOR_HTML,
            _tabulator,
            "document.querySelectorAll('.tabulator-row').length > 5",
        ),
        App(
            "jsoneditor",
            "jsoneditor",
            "10.2.0",
            _JSONEDITOR_HTML,
            _jsoneditor,
            "!!document.querySelector('.jsoneditor-tree')",
        ),
        App(
            "tom-select",
            "tom-select",
            "2.4.3",
            _TOM_SELECT_HTML,
            _tom_select,
            "!!document.querySelector('.ts-control')",
        ),
        App(
            "fullcalendar",
            "fullcalendar",
            "6.1.19",
            _CALENDAR_HTML,
            _calendar,
            "!!document.querySelector('.fc-event')",
        ),
        App("sortable", "sortablejs", "1.15.6", _SORTABLE_HTML, _sortable, "!!window.Sortable"),
    )
}


# --- running ----------------------------------------------------------------------


def fetch(app: App, cache: Path) -> Path:
    """
    Get an app from npm, once.

    Raises:
        NotFetchedError: There is no npm, or it does not answer.
    """
    folder = cache / f"{app.name}-{app.version}"
    if folder.is_dir():
        return folder
    executable = node()
    if executable is None:
        raise NotFetchedError("no Node")
    npm = executable.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    cache.mkdir(parents=True, exist_ok=True)
    pack = [str(executable), str(npm), "pack", f"{app.package}@{app.version}"]
    try:
        done = subprocess.run(
            [*pack, "--silent", "--ignore-scripts", "--pack-destination", str(cache)],
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise NotFetchedError(f"npm does not answer ({type(e).__name__})") from e
    if done.returncode != 0:
        raise NotFetchedError(f"npm has no {app.package} {app.version}: {done.stderr[-200:]}")
    package = cache / done.stdout.strip().splitlines()[-1]
    partial_folder = folder.with_suffix(".partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    with tarfile.open(package) as archive:
        archive.extractall(partial_folder, filter="data")
    package.unlink()
    (partial_folder / "package").rename(folder)
    shutil.rmtree(partial_folder)
    return folder


@contextmanager
def served(app: App, folder: Path) -> Iterator[str]:
    """Serve an app's page and files on loopback, with rrweb in the page."""
    page = f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>{app.name}</title>"
    page += f"<script src=/rrweb.js></script></head><body>{app.html}</body></html>"

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/":
                self.send(page.encode(), "text/html; charset=utf-8")
            elif path == "/rrweb.js":
                self.send(RRWEB.read_bytes(), "text/javascript")
            elif path.startswith("/app/"):
                self.path = path.removeprefix("/app")
                super().do_GET()
            else:
                self.send(b"{}", "application/json")

        def do_DELETE(self) -> None:
            self.send(b"{}", "application/json")

        def send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}/"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def go(app: App, browser: Any, cache: Path) -> Outcome:
    """Go on a journey and compare."""
    with served(app, fetch(app, cache)) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(url)
        page.wait_for_function(app.ready)
        page.wait_for_timeout(300)
        page.evaluate(
            "() => { window.kept = []; rrweb.record({ emit: (event) => kept.push(event) }); }"
        )
        page.wait_for_timeout(100)
        walk = Walk(page)
        app.journey(walk)
        page.wait_for_timeout(400)
        events: list[Any] = page.evaluate("kept")
        page.close()
    return compare(app.name, walk.steps, events)


def compare(name: str, steps: list[Step], events: list[Any]) -> Outcome:
    """Match steps and actions, both in order."""
    decoder = EventDecoder()
    for event in events:
        decoder.feed("w", json.dumps(event).encode())
    rows = sorted(decoder.columns.events(), key=lambda e: (e.timestamp_ms, e.seq))
    actions = list(read_actions(rows).actions)
    gestures = [a for a in actions if a.kind in GESTURES]
    missed: list[Step] = []
    used: set[int] = set()
    at = 0
    for step in steps:
        match = next((n for n in range(at, len(gestures)) if step.fits(gestures[n])), None)
        if match is None:
            missed.append(step)
        else:
            used.add(match)
            at = match + 1
    invented = [a for n, a in enumerate(gestures) if n not in used]
    return Outcome(name, steps, actions, missed, invented, len(events))


def main() -> int:
    """Go on every journey, print a table, keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("apps", nargs="*", help=f"of {', '.join(APPS)}; all when none")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--show", action="store_true", help="print every action")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    outcomes = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        for name in options.apps or APPS:
            outcome = go(APPS[name], browser, options.cache)
            outcomes.append(outcome)
            for step in outcome.missed:
                console.print(
                    f"{name}: missed {step.kind.value} {step.role} {step.name!r} {step.value!r}"
                )
            for action in outcome.invented:
                console.print(f"{name}: invented {action.text}")
            if options.show:
                for action in outcome.actions:
                    console.print(
                        f"  {action.offset_ms:6} {action.kind.value:12} {action.text} [{action.role}]",
                        markup=False,
                    )
        browser.close()
    table(
        "actions against truth",
        ("app", "steps", "found", "invented", "events"),
        [(o.app, len(o.steps), o.found, len(o.invented), o.events) for o in outcomes],
    )
    steps, found = sum(len(o.steps) for o in outcomes), sum(o.found for o in outcomes)
    invented = sum(len(o.invented) for o in outcomes)
    console.print(f"{found} of {steps} steps found ({found / steps:.1%}), {invented} invented")
    save(
        "actions",
        [
            {
                "app": o.app,
                "package": f"{APPS[o.app].package} {APPS[o.app].version}",
                "playwright": version_of("playwright"),
                "steps": len(o.steps),
                "found": o.found,
                "invented": len(o.invented),
                "events": o.events,
            }
            for o in outcomes
        ],
        folder=options.results,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
