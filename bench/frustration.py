"""
What score and model are worth, on visits whose faults are known because we made them.

```
personas (seeded) x tasks x faults ──Chromium, posthog-js──> recordings ──> score, model
   a persona reacts: waits, clicks again, scrolls, gives up, types again
```

These are scripts, not people. A persona does what its author thought people do, so the figures
say whether induced trouble is noticed in recordings of scripts, and nothing about how anybody
feels. Half of the visits have a fault (``?fault=`` of the demo shop): a dead button, a slow API,
an input that is lost, errors only the console sees. Personas differ in speed, patience, and in how
often they do harmless things that look angry: clicking a stepper fast, shaking the mouse, going back.

Held out in turn: personas (cross-validation), each fault (trained without it), each task (trained
without its pages).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import save, table
from inputs import ROOT
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import TimeoutError as BrowserTimeoutError
from playwright.sync_api import sync_playwright

from replayport.analysing import Analysis, Task, analyse, where
from replayport.analysis.profiles import PROFILES
from replayport.analysis.training import area_under_curve, train
from replayport.archive import Archive
from replayport.demo.journeys import DESKTOP, SHOP_ORIGIN, Visitor
from replayport.demo.record import Sink, fetch_posthog_js, find_chromium, serving
from replayport.draft import RecordingDraft
from replayport.posthog.lines import EventDecoder
from replayport.testing import FakeRecording
from replayport.testing import WireRequest as Request

CACHE = ROOT / ".cache"
PERSONAS = 9
PLAN: tuple[tuple[str, str], ...] = (
    ("buy", ""),
    ("buy", "dead-button"),
    ("buy", "hidden-error"),
    ("browse", ""),
    ("browse", "slow-api"),
    ("browse", ""),
    ("checkout", ""),
    ("checkout", "lost-input"),
)
"""Task and fault of each visit of a persona; the order is shuffled by its seed."""

ITEMS = ("fjord-jumper", "lark-mittens", "moss-crewneck", "tarn-socks", "harbour-cardigan")
ADD = "#add-to-bag"


@dataclass(frozen=True, slots=True)
class Persona:
    """How somebody scripted behaves."""

    number: int
    pace: float
    """Time between steps, times this."""
    patience_ms: int
    """Waits so long before doing it again."""
    temper: int
    """Clicks again so many times at once."""
    fidgets: float
    """Chance of harmless haste at each occasion."""
    stubborn: int
    """Tries so often."""

    @staticmethod
    def seeded(number: int) -> Persona:
        r = random.Random(1000 + number)
        return Persona(
            number=number,
            pace=r.uniform(0.6, 1.5),
            patience_ms=int(r.uniform(900, 2600)),
            temper=r.choice((1, 2, 3, 4, 6)),
            fidgets=r.uniform(0.1, 0.7),
            stubborn=r.choice((1, 1, 2)),
        )


class Visit:
    """A persona at work on a task."""

    def __init__(self, visitor: Visitor, persona: Persona, fault: str, seed: int) -> None:
        self.visitor = visitor
        self.page = visitor.page
        self.persona = persona
        self.random = random.Random(seed)
        self.fault = fault

    def open(self, path: str) -> None:
        mark = "&" if "?" in path else "?"
        self.page.goto(f"{SHOP_ORIGIN}{path}{mark}fault={self.fault}")
        self.page.wait_for_load_state("load")
        self.pause(400)

    def pause(self, about_ms: float) -> None:
        self.visitor.think(int(about_ms * self.persona.pace))

    def fidget(self) -> None:
        if self.random.random() > self.persona.fidgets:
            return
        what = self.random.choice(("shake", "scroll", "select"))
        if what == "shake":
            for n in range(4):
                self.visitor.move_by(-160 if n % 2 else 160, self.random.uniform(-20, 20))
        elif what == "scroll":
            self.visitor.scroll(500)
            self.visitor.scroll(-500)
        else:
            self.visitor.click("main h1", times=2)

    def appears(self, selector: str, *, within_ms: float | None = None) -> bool:
        """Wait as long as the persona would; fidget when it takes long."""
        wait = within_ms if within_ms is not None else self.persona.patience_ms
        end = time.monotonic() + wait / 1000
        while time.monotonic() < end:
            if self.page.locator(selector).count():
                return True
            self.page.wait_for_timeout(60)
        return False

    def again(self, selector: str) -> None:
        """Do it again, as the persona's temper is."""
        self.visitor.click(selector, times=self.persona.temper)

    # --- tasks -------------------------------------------------------------------------

    def buy(self) -> None:
        self.open(f"/product?item={self.random.choice(ITEMS)}")
        self.page.wait_for_selector(".buy")
        self.fidget()
        self.visitor.click(".sizes label:nth-of-type(2) span")
        if self.random.random() < self.persona.fidgets:
            self.visitor.click('.buy .stepper [data-step="1"]', times=3)
        self.visitor.click(ADD)
        got = self.appears(".bag-count:not([hidden])")
        for _ in range(self.persona.stubborn):
            if got:
                break
            self.again(ADD)
            got = self.appears(".bag-count:not([hidden])")
        self.visitor.scroll(700)
        if not self.appears(".review-list li", within_ms=600):
            self.pause(500)
            self.visitor.scroll(-700)
        if got:
            self.visitor.click("a.bag")
            self.appears(".lines", within_ms=4000)
            self.pause(500)
        else:
            self.visitor.click(".brand")
            self.pause(600)

    def browse(self) -> None:
        self.open("/")
        if not self.appears("[data-slug]"):
            self.fidget()
            self.visitor.move_by(180, 80)
            self.appears("[data-slug]", within_ms=5000)
        self.visitor.scroll(300)
        self.visitor.click(f"[data-slug={self.random.choice(ITEMS)}]")
        if not self.appears(".buy"):
            # The card is still there: the page seems stuck.
            if self.page.locator("[data-slug]").count():
                self.visitor.move_by(60, -40)
                for _ in range(self.persona.temper):
                    self.page.mouse.down()
                    self.page.mouse.up()
                    self.page.wait_for_timeout(140)
            self.appears(".buy", within_ms=9000)
        self.fidget()
        self.pause(500)
        if self.random.random() < self.persona.fidgets:
            self.page.go_back()
            self.pause(700)
        else:
            self.visitor.click(".brand")
            self.pause(700)

    def checkout(self) -> None:
        self.page.add_init_script(
            "if (!localStorage.getItem('shop_bag')) localStorage.setItem('shop_bag', "
            "JSON.stringify([{slug:'tarn-socks',size:'M',colour:'',quantity:1,gift:null}]))"
        )
        self.open("/checkout")
        self.page.wait_for_selector("[name=street]")
        self.visitor.type("[name=name]", "Ada Example")
        self.visitor.type("[name=email]", "ada@example.com")
        self._address()
        self.fidget()
        self.visitor.type("[name=card]", "4242424242424242")
        self.visitor.type("[name=expiry]", "1230")
        self.visitor.type("[name=cvc]", "123")
        for _ in range(self.persona.stubborn + 1):
            self.visitor.click(".pay button[type=submit]")
            try:
                self.page.wait_for_url("**/thanks*", timeout=self.persona.patience_ms + 900)
                self.pause(500)
                return
            except BrowserTimeoutError:
                if self.page.locator("[name=street]").count():
                    self.pause(400)
                    self._address()

    def _address(self) -> None:
        for name, text in (("street", "1 Rue du Test"), ("postcode", "44000"), ("town", "Nantes")):
            field = self.page.locator(f"[name={name}]")
            if not field.input_value():
                self.visitor.type(f"[name={name}]", text)


TASKS: dict[str, Callable[[Visit], None]] = {
    "buy": Visit.buy,
    "browse": Visit.browse,
    "checkout": Visit.checkout,
}


def plan(personas: int) -> list[tuple[str, int, str, str]]:
    """Give id, persona, task and fault of every visit; the same on every run."""
    out = []
    for number in range(personas):
        visits = list(PLAN)
        random.Random(number).shuffle(visits)
        for n, (task, fault) in enumerate(visits):
            out.append((f"p{number:02}-{n}-{task}-{fault or 'none'}", number, task, fault))
    return out


def drive(archive: Archive, personas: int, limit_s: float) -> None:
    """Go on the visits that are not recorded yet, for a bounded time."""
    wanted = [v for v in plan(personas) if not archive.has("frustration", v[0])]
    if not wanted:
        return
    scripts = fetch_posthog_js(CACHE / "posthog-js")
    begun = time.monotonic()
    sink = Sink(scripts)
    with serving(sink.app()) as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            chromium_sandbox=os.geteuid() != 0,
            args=[
                f"--host-resolver-rules=MAP shop.example 127.0.0.1:{port}",
                f"--unsafely-treat-insecure-origin-as-secure={SHOP_ORIGIN}",
            ],
        )
        for name, number, task, fault in wanted:
            if time.monotonic() - begun > limit_s:
                print(f"time is up: {name} and what follows were not recorded")
                break
            sink.requests.clear()
            context = browser.new_context(**DESKTOP, locale="en-IE", timezone_id="UTC")
            seed = zlib.crc32(name.encode())
            visitor = Visitor(context, seed=seed, moved_clock=lambda _: None)
            visit = Visit(visitor, Persona.seeded(number), fault, seed)
            try:
                TASKS[task](visit)
                visitor.leave()
            except BrowserError as e:  # the next run tries it again
                print(f"{name}: not recorded ({str(e).splitlines()[0]})", flush=True)
                continue
            finally:
                context.close()
            _store(archive, name, number, list(sink.requests))
            print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
        browser.close()


def _store(archive: Archive, name: str, persona: int, requests: Sequence[Any]) -> None:
    made = FakeRecording.from_wire(
        Request(
            ms=r.received_ms,
            method=r.method,
            path=r.path,
            query=dict(p.split("=", 1) for p in r.query.split("&") if "=" in p),
            headers=r.headers,
            body=r.body,
        )
        for r in requests
    )
    decoder = EventDecoder()
    for recording in made:
        for block in recording.blocks:
            decoder.feed_lines(block)
            decoder.end_block()
    archive.write(
        RecordingDraft(
            project="frustration",
            session_id=name,
            columns=decoder.columns,
            source={"kind": "bench", "persona": persona},
        ),
        replace=True,
    )


# --- measuring -----------------------------------------------------------------------------


def auc(labels: Sequence[bool], values: Sequence[float]) -> float:
    """Give the chance that a faulty visit scores higher than a sound one; ties count half."""
    return area_under_curve(np.array(labels), np.array(values, dtype=np.float64))


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Record what is missing, measure, print and save; give the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--personas", type=int, default=PERSONAS)
    parser.add_argument("--sessions", type=Path, default=CACHE / "frustration")
    parser.add_argument("--limit-s", type=float, default=2400)
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(argv)
    with Archive.open(options.sessions, create=True) as archive:
        drive(archive, options.personas, options.limit_s)
        about = {v[0]: v for v in plan(options.personas)}
        names = [f"frustration/{n}" for n in about if archive.has("frustration", n)]
        task = Task(profiles=tuple(PROFILES.values()), features=True, score=True)
        found = [
            a
            for a in analyse(archive, where(archive, names), task, workers=1)
            if isinstance(a, Analysis)
        ]
    labels = [bool(about[a.id][3]) for a in found]
    rules = [a.score.value or 0.0 if a.score else 0.0 for a in found]
    rows_x = [a.model_row for a in found]
    groups = [f"persona {about[a.id][1]}" for a in found]

    trained = train(
        rows_x, labels, groups, name="bench", profile="replayport-1", rules=rules, seed=0
    )
    rows: list[dict[str, Any]] = []
    for n, a in enumerate(found):
        counts = a.detected[0].counts()
        rows.append(
            {
                "what": "visit",
                "of": a.id,
                "task": about[a.id][2],
                "fault": about[a.id][3] or "none",
                "visits": 1,
                "rules": round(rules[n], 4),
                "model": round(float(trained.held_out[n]), 4),
                "note": " ".join(f"{k}={v}" for k, v in counts.items() if v),
            }
        )

    def add(what: str, of: str, y: list[bool], r: list[float], m: list[float], note: str) -> None:
        rows.append(
            {
                "what": what,
                "of": of,
                "task": "",
                "fault": "",
                "visits": len(y),
                "rules": round(auc(y, r), 4),
                "model": round(auc(y, m), 4),
                "note": note,
            }
        )

    held = trained.held_out.tolist()
    add("auc", "held-out personas", labels, rules, held, f"{sum(labels)} with a fault")
    for fault in sorted({about[a.id][3] for a in found} - {""}):
        kept = [n for n in range(len(found)) if about[found[n].id][3] != fault]
        # Sound visits of half the personas are kept for testing.
        test_clean = [n for n in kept if not labels[n] and about[found[n].id][1] % 2]
        fit = [n for n in kept if n not in set(test_clean)]
        test = test_clean + [n for n in range(len(found)) if about[found[n].id][3] == fault]
        p = _trained_on(rows_x, labels, groups, fit, test)
        y = [labels[n] for n in test]
        add("auc", f"held-out fault {fault}", y, [rules[n] for n in test], p, "never seen")
    for name in TASKS:
        fit = [n for n in range(len(found)) if about[found[n].id][2] != name]
        test = [n for n in range(len(found)) if about[found[n].id][2] == name]
        p = _trained_on(rows_x, labels, groups, fit, test)
        y = [labels[n] for n in test]
        add("auc", f"held-out pages {name}", y, [rules[n] for n in test], p, "never seen")
    for number, profile in enumerate(PROFILES):
        value = [float(sum(v or 0 for v in a.detected[number].counts().values())) for a in found]
        add("auc", f"count of signals, {profile}", labels, value, value, "no model")
    save("frustration", rows, **({"folder": options.results} if options.results else {}))
    print("These visits are scripted. They are not people, and a fault is not a feeling.")
    table(
        "AUC: a visit with a fault scores higher than one without (0.5 is chance)",
        ("held out", "visits", "rules-1", "model"),
        [(r["of"], r["visits"], r["rules"], r["model"]) for r in rows if r["what"] == "auc"],
    )
    table(
        "What the model looks at: AUC lost when shuffled",
        ("feature", "lost"),
        [(i["feature"], f"{i['auc_lost']:.3f}") for i in trained.card["importance"][:8]],
    )
    print(json.dumps({"calibration error": trained.card["calibration"]["expected_error"]}))
    return rows


def _trained_on(
    rows_x: Sequence[Sequence[float]],
    labels: Sequence[bool],
    groups: Sequence[str],
    fit: list[int],
    test: list[int],
) -> list[float]:
    made = train(
        [rows_x[n] for n in fit],
        [labels[n] for n in fit],
        [groups[n] for n in fit],
        name="held-out",
        profile="replayport-1",
    )
    return made.model.probabilities(np.array([rows_x[n] for n in test])).tolist()


if __name__ == "__main__":
    main()
