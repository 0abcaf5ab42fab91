"""
Named, versioned sets of rules: what each product calls a rage click, a dead click, an error click.

```
Profile  posthog-2026
├── rage_click    RageClick(clicks=3, gap_ms=1000, radius_px=30, metric="manhattan")
├── dead_click    DeadClick(answer_ms=2500, …)
└── quick_back    QuickBack(within_ms=2000, any_page=True)       a kind without a rule: not judged
```

The definitions in use differ by a factor of ten in radius and in time, so a count of rage clicks
means nothing without the name of the rule. A profile never changes once released: other numbers
get another name. Every number can be set anew for a run (``--set rage_click.radius_px=20``);
the profile is then called ``posthog-2026+``.

What the other products publish is taken from their code or documents, named at each profile. Where
they publish no number, the profile has no rule of that kind.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from replayport.errors import ReplayError


class ProfileError(ReplayError):
    """A profile, a rule or a threshold that was named does not exist, or its value does not fit."""


class Rule(Struct, frozen=True, kw_only=True):
    """Thresholds of one kind of signal. Times are ms, distances CSS px."""


class RageClick(Rule, frozen=True, kw_only=True):
    """Clicking again and again."""

    clicks: int = 3
    """This many make a chain worth naming."""
    gap_ms: float = 1000
    """Each less than this after the one before."""
    within_ms: float | None = None
    """So many clicks within this, from the first of them to the last; None: the gap is enough."""
    radius_px: float | None = 30
    """Each nearer than this to the anchor; None: the place does not matter."""
    metric: Literal["euclid", "manhattan"] = "euclid"
    anchor: Literal["previous", "first"] = "previous"
    """What distances are measured from."""
    same: Literal["place", "node", "label"] = "place"
    """What must be the same: only the place, the element, or the element's words."""
    only_unanswered: bool = False
    """The page must have answered none of them (by the profile's dead click rule)."""
    unless_scroll_or_selection: bool = False
    """Not when a click of the chain scrolled or selected."""


class DeadClick(Rule, frozen=True, kw_only=True):
    """A click the page does not answer."""

    answer_ms: float = 2500
    """A change of the page within this is an answer."""
    scroll_ms: float | None = 100
    """So is a scroll; None: scrolls are no answer."""
    selection_ms: float | None = 100
    """So is a change of the selection."""
    visibility_ms: float | None = 1000
    """So is the window going out of sight or coming back, or focus changing, on either side."""
    input_ms: float | None = None
    """So is a field changing its value."""
    request_ms: float | None = None
    """So is a request begun: the page is at work."""
    navigation_ms: float | None = 2500
    """So is another page, in any window."""
    only_tags: tuple[str, ...] = ()
    """Only clicks on (or inside) these elements count; empty: all."""
    skip_tags: tuple[str, ...] = ()
    """Clicks on (or inside) these never count."""
    need_label: bool = False
    """Only clicks on something with words."""
    once_per_node_ms: float = 1000
    """A click on the same node within this of the last one is not judged again."""


class ErrorClick(Rule, frozen=True, kw_only=True):
    """A click that is followed by an error."""

    within_ms: float = 1000
    """An error this soon after the click."""
    quiet_ms: float | None = None
    """
    When given, the click's time lasts while the page is at work: until nothing has happened for
    so long, at most ``within_ms``.
    """
    levels: tuple[str, ...] = ("error", "assert")
    """Console levels that are errors."""
    http_status: int | None = 500
    """Answers from this status on are errors too; None: only the console counts."""


class SlowResponse(Rule, frozen=True, kw_only=True):
    """A click the page answers late."""

    slow_ms: float = 2000
    """The answer takes at least this."""
    until_ms: float = 30_000
    """After this it is no answer any more."""
    by: Literal["request", "mutation"] = "request"
    """What the answer is: the end of a request the click began, or a change of the page."""
    begun_ms: float = 500
    """A request begun this soon after the click belongs to it."""


class ThrashedCursor(Rule, frozen=True, kw_only=True):
    """Shaking the mouse."""

    method: Literal["reversals", "acceleration"] = "reversals"
    window_ms: float = 2000
    reversals: int = 6
    """Changes of direction within the window (more than so many, for ``acceleration``)."""
    min_step_px: float = 12
    """Shorter steps are tremor."""
    path_px: float = 800
    """At least this far in the window."""
    straightness: float = 0.4
    """Straight-line distance over path below this."""
    acceleration: float = 0.008
    """Growth of (|dx|+|dy|)/window over window, px/ms², for ``acceleration``."""


class QuickBack(Rule, frozen=True, kw_only=True):
    """Leaving a page at once."""

    within_ms: float = 5000
    """Less than this on the page."""
    any_page: bool = False
    """False: back to where one came from. True: to any other page (PostHog's count)."""


class ExcessiveScroll(Rule, frozen=True, kw_only=True):
    """Up and down, looking for something."""

    within_ms: float = 30_000
    reversals: int = 4
    """Changes of direction within that time, each after ``travel_px`` at least."""
    travel_px: float = 300
    total_px: float = 3000
    """All of them together."""


class FormAbandonment(Rule, frozen=True, kw_only=True):
    """Filling in a form and leaving."""

    fields: int = 2
    """So many fields were typed into."""
    idle_ms: float = 10_000
    """A recording that ends sooner after the last input was cut, not left."""
    submitted_ms: float = 5000
    """A request that sends something, or another page, within this after the last input or a click
    that follows it, is a submission."""


class FormRefill(Rule, frozen=True, kw_only=True):
    """Typing the same again because it was lost."""

    chars: int = 3
    """A text of so many characters was there, was gone, and came again."""
    at_rest_ms: float = 500
    """Gone only after so long without typing: Enter empties a field at once, and rightly."""
    alike: float = 0.7
    """What came again is at least this share of the length of what was lost."""
    within_ms: float = 120_000


class RepeatedCorrection(Rule, frozen=True, kw_only=True):
    """Correcting one field again and again."""

    times: int = 3
    within_ms: float = 120_000


class NavigationLoop(Rule, frozen=True, kw_only=True):
    """Coming back to the same page again and again."""

    visits: int = 3
    within_ms: float = 60_000
    pages: int = 3
    """Among at most so many different pages."""


class RageTap(Rule, frozen=True, kw_only=True):
    """Tapping again and again with a finger."""

    taps: int = 3
    gap_ms: float = 700
    radius_px: float | None = 40


class DeadSwipe(Rule, frozen=True, kw_only=True):
    """A swipe that moves nothing."""

    min_px: float = 30
    answer_ms: float = 1000
    """A scroll or a change of the page from the touch until so long after it is an answer."""
    at_most: int = 10
    """So many of one page."""


class BlankScreen(Rule, frozen=True, kw_only=True):
    """A page that shows nothing."""

    for_ms: float = 2000


KINDS: Final[dict[str, type[Rule]]] = {
    "rage_click": RageClick,
    "dead_click": DeadClick,
    "error_click": ErrorClick,
    "slow_response": SlowResponse,
    "thrashed_cursor": ThrashedCursor,
    "quick_back": QuickBack,
    "excessive_scroll": ExcessiveScroll,
    "form_abandonment": FormAbandonment,
    "form_refill": FormRefill,
    "repeated_correction": RepeatedCorrection,
    "navigation_loop": NavigationLoop,
    "rage_tap": RageTap,
    "dead_swipe": DeadSwipe,
    "blank_screen": BlankScreen,
}
"""Every kind of signal and the thresholds it has."""

KIND_WORDS: Final[dict[str, str]] = {
    "rage_click": "clicked again and again",
    "dead_click": "clicked and nothing happened",
    "error_click": "clicked and an error followed",
    "slow_response": "clicked and waited long",
    "thrashed_cursor": "shook the mouse",
    "quick_back": "left a page at once",
    "excessive_scroll": "scrolled up and down, searching",
    "form_abandonment": "filled in a form and left it",
    "form_refill": "had to type the same again",
    "repeated_correction": "corrected one field again and again",
    "navigation_loop": "came back to the same page again and again",
    "rage_tap": "tapped again and again",
    "dead_swipe": "swiped and nothing moved",
    "blank_screen": "looked at an empty page",
}
"""What each kind of signal says of the user."""


class Profile(Struct, frozen=True, kw_only=True):
    """A named set of rules."""

    name: str
    source: str
    """Where the numbers come from."""
    rules: dict[str, Rule]
    """By kind; a kind that is missing is not judged."""

    def rule(self, kind: str) -> Any:
        """Give the rule of a kind; None when the profile has none."""
        return self.rules.get(kind)


_FIELDS: Final = ("textarea", "select", "option", "label")
_MEDIA: Final = ("canvas", "video", "audio", "embed", "object", "iframe")

PROFILES: Final[dict[str, Profile]] = {
    p.name: p
    for p in (
        Profile(
            name="replayport-1",
            source=(
                "Ours. Signals meant for people to look at: chains as PostHog's, dead clicks only "
                "where something should answer and the page is not at work, errors and slow "
                "answers tied to the click."
            ),
            rules={
                "rage_click": RageClick(),
                "dead_click": DeadClick(
                    answer_ms=2000,
                    request_ms=500,
                    input_ms=500,
                    skip_tags=("input", *_FIELDS, *_MEDIA, "html", "body", "main"),
                ),
                "error_click": ErrorClick(within_ms=2000),
                "slow_response": SlowResponse(),
                "thrashed_cursor": ThrashedCursor(),
                "quick_back": QuickBack(),
                "excessive_scroll": ExcessiveScroll(),
                "form_abandonment": FormAbandonment(),
                "form_refill": FormRefill(),
                "repeated_correction": RepeatedCorrection(),
                "navigation_loop": NavigationLoop(),
                "rage_tap": RageTap(),
                "dead_swipe": DeadSwipe(),
                "blank_screen": BlankScreen(),
            },
        ),
        Profile(
            name="posthog-2026",
            source=(
                "posthog-js `extensions/rageclick.ts` (3 clicks, each within 1,000 ms and less "
                "than 30 px, |dx|+|dy|, of the one before) and "
                "`entrypoints/dead-clicks-autocapture.ts` (mutation < 2,500 ms, scroll and "
                "selection < 100 ms, visibility or focus within 1,000 ms either side; no links; "
                "swipes of 30 px, at most 10 a page, not over media). `quickBackCount` of PostHog's "
                "feature recorder: another page within 2,000 ms."
            ),
            rules={
                "rage_click": RageClick(metric="manhattan"),
                "dead_click": DeadClick(skip_tags=("a", "html")),
                "quick_back": QuickBack(within_ms=2000, any_page=True),
                "dead_swipe": DeadSwipe(answer_ms=2500),
            },
        ),
        Profile(
            name="sentry-7s",
            source=(
                "Sentry `replay-internal/src/coreHandlers/handleClick.ts`: a slow click is one on "
                "a link, a button or a submit input with no mutation within 3,000 ms and no scroll "
                "within 300 ms; dead when 7,000 ms pass. Rage (documentation): 3 or more clicks on "
                "the same element in those 7 s."
            ),
            rules={
                "rage_click": RageClick(
                    gap_ms=7000,
                    within_ms=7000,
                    radius_px=None,
                    same="node",
                    only_unanswered=True,
                ),
                "dead_click": DeadClick(
                    answer_ms=7000,
                    scroll_ms=300,
                    selection_ms=None,
                    visibility_ms=None,
                    navigation_ms=7000,
                    only_tags=("a", "button", "input:submit", "input:button"),
                ),
                "slow_response": SlowResponse(slow_ms=3000, until_ms=7000, by="mutation"),
            },
        ),
        Profile(
            name="datadog-1s",
            source=(
                "Datadog browser-sdk `computeFrustration.ts`, `clickChain.ts` (any 3 clicks within "
                "1,000 ms of a chain of clicks < 1 s and within 100 px apart; the documentation "
                "says more than three), `waitPageActivityEnd.ts` (nothing within 100 ms is dead; an "
                "error while the page is still at work, at most 10 s, is an error click), "
                "`interactionSelectorCache.ts` (no text fields, canvas, links)."
            ),
            rules={
                "rage_click": RageClick(
                    gap_ms=1000, within_ms=1000, radius_px=100, unless_scroll_or_selection=True
                ),
                "dead_click": DeadClick(
                    answer_ms=100,
                    scroll_ms=100,
                    selection_ms=100,
                    visibility_ms=None,
                    input_ms=100,
                    request_ms=100,
                    navigation_ms=100,
                    skip_tags=("input:text", "textarea", "select", "option", "canvas", "a"),
                ),
                "error_click": ErrorClick(within_ms=10_000, quiet_ms=100, http_status=None),
            },
        ),
        Profile(
            name="openreplay-300ms",
            source=(
                "OpenReplay `backend/pkg/handlers/web/clickRage.go` (3 clicks with the same label, "
                "each < 300 ms after the one before; no label breaks the chain), `deadClick.go` (a "
                "labelled click with no DOM message for 1,234 ms; inputs excluded; focus and value "
                "changes are answers), `tracker/src/main/modules/mouse.ts` (every 225 ms: more than "
                "4 horizontal changes of direction and growth of speed above 0.008). Taps: 3 within "
                "300 ms each as intended; the published comparison counts slower taps instead."
            ),
            rules={
                "rage_click": RageClick(gap_ms=300, radius_px=None, same="label"),
                "dead_click": DeadClick(
                    answer_ms=1234,
                    scroll_ms=1234,
                    selection_ms=None,
                    visibility_ms=1234,
                    input_ms=1234,
                    navigation_ms=1234,
                    skip_tags=("input", "textarea", "select", "option"),
                    need_label=True,
                ),
                "thrashed_cursor": ThrashedCursor(
                    method="acceleration", window_ms=225, reversals=4, min_step_px=0
                ),
                "rage_tap": RageTap(gap_ms=300, radius_px=None),
            },
        ),
        Profile(
            name="highlight-8px",
            source=(
                "Highlight `docs-content/…/session-replay/rage-clicks.md`: 5 or more clicks within "
                "8 px over 2 s."
            ),
            rules={
                "rage_click": RageClick(
                    clicks=5, gap_ms=2000, within_ms=2000, radius_px=8, anchor="first"
                )
            },
        ),
    )
}
"""Every profile, by name."""

DEFAULT_PROFILE: Final = "replayport-1"


def profile(name: str, changes: Iterable[str] = ()) -> Profile:
    """
    Give a profile, with thresholds set anew.

    Args:
        name: One of `PROFILES`.
        changes: ``kind.threshold=value``; ``null`` for none, commas between several words.

    Raises:
        ProfileError: There is no such profile, kind or threshold, or the value does not fit.
    """
    found = PROFILES.get(name)
    if found is None:
        raise ProfileError(
            f"there is no profile {name!r}. {_near(name, PROFILES)} All: {', '.join(PROFILES)}"
        )
    changed = dict(found.rules)
    touched = False
    for change in changes:
        path, equals, text = change.partition("=")
        kind, dot, field = path.strip().partition(".")
        if not equals or not dot:
            raise ProfileError(
                f"{change!r} is no change of a threshold. Write: rage_click.radius_px=20"
            )
        if kind not in KINDS:
            raise ProfileError(f"there is no kind of signal {kind!r}. {_near(kind, KINDS)}")
        rule = changed.get(kind) or KINDS[kind]()
        values = msgspec.to_builtins(rule)
        if field not in values:
            raise ProfileError(
                f"{kind} has no threshold {field!r}. {_near(field, values)} "
                f"It has: {', '.join(values)}"
            )
        values[field] = _value(text.strip(), values[field])
        try:
            changed[kind] = msgspec.convert(values, KINDS[kind], strict=False)
        except msgspec.ValidationError as e:
            raise ProfileError(f"{text!r} does not fit {kind}.{field}: {e}") from e
        touched = True
    if not touched:
        return found
    return msgspec.structs.replace(found, name=f"{name}+", rules=changed)


def _value(text: str, now: object) -> object:
    if text in ("null", "none"):
        return None
    if isinstance(now, list | tuple):
        return [word.strip() for word in text.split(",") if word.strip()]
    return text


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f"Near: {', '.join(near)}." if near else ""
