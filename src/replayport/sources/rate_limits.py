"""
Request budgets: what a source allows, kept from the first request on and across runs.

PostHog counts requests in sliding windows, a minute and an hour, for each key. A budget
counts the same way on this side, so that a pull meets no 429 on an idle key. What was sent
is remembered in the archive's catalog, where every process pulling with the same key
sees it.

```
state "rate-limit/<digest of host, project, key>/<budget>"
├── sent_ms         when each request of the longest window went out
├── not_before_ms   the source asked to wait until then
├── refused_at      window in s → how many requests had gone when it last refused
└── learnt          window in s → [limit, until_ms]: lower than the plan's
```

Source:
    posthog ``session_recording_api.py`` throttles; limits of March 2026, PR 51752.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from replayport.errors import SettingsError, SourceRateLimitedError

JsonObject = dict[str, Any]

WINDOW_MARGIN_S: Final = 1.0
"""Windows are taken longer by this: a request is counted there later than it leaves here."""

LEARNT_FOR_S: Final = 24 * 3600.0
"""A limit met below the plan's is believed this long, then tried again."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many requests in any window of that length."""

    requests: int
    window_s: float


PLANS: Final[Mapping[str, tuple[Limit, ...]]] = {
    "free": (Limit(12, 60), Limit(60, 3600)),
    "paid": (Limit(60, 60), Limit(300, 3600)),
    "enterprise": (Limit(100, 60), Limit(400, 3600)),
}
"""Listing and snapshots together, a personal API key."""

QUERY_PLANS: Final[Mapping[str, tuple[Limit, ...]]] = {
    "free": (Limit(120, 3600),),
    "paid": (Limit(240, 60), Limit(1200, 3600)),
    "enterprise": (Limit(240, 60), Limit(2400, 3600)),
}
"""The HogQL endpoint. PostHog has documented 120 and 2400 an hour at different times; a
429 below these teaches the lower one."""


class StateStore(Protocol):
    """The one verb of a catalog that budgets need."""

    def update_state(
        self, key: str, change: Callable[[JsonObject | None], Mapping[str, Any]]
    ) -> JsonObject:
        """Read, change and write back in one step."""


class MemoryState:
    """State that ends with the process, for sources used without an archive."""

    def __init__(self) -> None:
        self._values: dict[str, JsonObject] = {}

    def update_state(
        self, key: str, change: Callable[[JsonObject | None], Mapping[str, Any]]
    ) -> JsonObject:
        """Read, change and write back."""
        self._values[key] = dict(change(self._values.get(key)))
        return self._values[key]


def plan_limits(plan: str, plans: Mapping[str, tuple[Limit, ...]] = PLANS) -> tuple[Limit, ...]:
    """
    Give the limits of a plan.

    Raises:
        SettingsError: No such plan.
    """
    try:
        return plans[plan]
    except KeyError:
        raise SettingsError(
            f"posthog_plan {plan!r:.40} is not known. Use one of: {', '.join(plans)}"
        ) from None


def state_key(*, host: str, project: str, api_key: str, budget: str) -> str:
    """Name a budget's state; the key itself goes in as a digest only."""
    secret = hashlib.sha256(api_key.encode("utf-8", "surrogatepass")).hexdigest()
    digest = hashlib.sha256(f"{host}\n{project}\n{secret}".encode()).hexdigest()
    return f"rate-limit/{digest[:32]}/{budget}"


class Budget:
    """
    Requests of one kind that may be sent with one key.

    Several budgets, in several processes, may share one state: each request is entered
    there before it is sent.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        *,
        state: StateStore,
        key: str,
        known: Mapping[str, tuple[Limit, ...]] = PLANS,
        max_wait_s: float = 3900.0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        Args:
            limits: All of them hold at once.
            state: Where what was sent is remembered.
            key: Name of that state, see `state_key`.
            known: Limits of all plans: a refusal at one of these numbers is believed.
            max_wait_s: Longest wait before one request.
            clock: Epoch seconds now.
            sleep: Waits for a number of seconds.
        """
        if not limits or any(limit.requests < 1 or limit.window_s <= 0 for limit in limits):
            raise SettingsError("a request budget needs limits of at least one request a window")
        self._limits = tuple(limits)
        self._state = state
        self._key = key
        self._known = {
            window_s: sorted(
                {x.requests for p in known.values() for x in p if x.window_s == window_s}
            )
            for window_s in {limit.window_s for limit in limits}
        }
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._sleep = sleep
        self.waited_s = 0.0
        """Seconds spent waiting so far."""

    def acquire(self) -> None:
        """
        Enter one request, waiting until it may be sent.

        Raises:
            SourceRateLimitedError: The wait is longer than ``max_wait_s``; nothing was
                entered.
        """
        while True:
            wait_s = self._try()
            if wait_s <= 0:
                return
            self.wait(wait_s)

    def wait(self, wait_s: float) -> None:
        """
        Wait, if that is not too long.

        Raises:
            SourceRateLimitedError: Longer than ``max_wait_s``.
        """
        if wait_s > self._max_wait_s:
            raise SourceRateLimitedError(
                f"the next request is allowed in {wait_s:.0f} s; at most {self._max_wait_s:.0f} s "
                "are to be waited. The source limits requests by plan. Run the same command "
                "later, or raise max_wait_s",
                retry_after_s=wait_s,
            )
        self.waited_s += wait_s
        self._sleep(wait_s)

    def refused(self, retry_after_s: float | None) -> float:
        """
        Take note of a 429.

        Args:
            retry_after_s: What the answer asked for; None when it did not say.

        Returns:
            Seconds until the next request may be sent.
        """
        now = self._clock()

        def change(old: JsonObject | None) -> JsonObject:
            state = _State(old, now)
            limit = self._refusing_limit(state, retry_after_s)
            # The refused request itself is among those entered.
            count = max(state.count(limit.window_s) - 1, 0)
            name = f"{limit.window_s:g}"
            believed = max(
                (n for n in self._known.get(limit.window_s, ()) if n <= count), default=0
            )
            if count and state.refused_at.get(name) == count:
                believed = count
            state.refused_at[name] = count
            if 0 < believed < limit.requests:
                state.learnt[name] = [believed, int((now + LEARNT_FOR_S) * 1000)]
            wait_s = retry_after_s
            if wait_s is None:
                wait_s = max(self._wait_s(state), limit.window_s / limit.requests)
            state.not_before_ms = max(state.not_before_ms, int((now + wait_s) * 1000))
            return state.to_json()

        after = self._state.update_state(self._key, change)
        return max(float(after["not_before_ms"]) / 1000 - now, 0.0)

    def time_left_s(self, requests: int) -> float:
        """
        Say how long so many more requests take under the limits, when sent as fast as allowed.

        Waiting only: the time the requests themselves take is not counted.
        """
        if requests <= 0:
            return 0.0
        state = self._read()
        limits = self._in_force(state)
        now = self._clock()
        sent = [ms / 1000 for ms in state.sent_ms]
        at = max(now, state.not_before_ms / 1000)
        simulated = min(requests, _SIMULATED)
        for _ in range(simulated):
            for limit in limits:
                if len(sent) >= limit.requests:
                    window_s = limit.window_s + WINDOW_MARGIN_S
                    at = max(at, sent[-limit.requests] + window_s)
            sent.append(at)
        pace_s = max((limit.window_s + WINDOW_MARGIN_S) / limit.requests for limit in limits)
        return at - now + (requests - simulated) * pace_s

    def _try(self) -> float:
        """Enter a request if one may be sent now; else give the seconds to wait."""
        wait_s = 0.0

        def change(old: JsonObject | None) -> JsonObject:
            nonlocal wait_s
            now = self._clock()
            state = _State(old, now)
            wait_s = self._wait_s(state)
            if wait_s <= 0:
                state.sent_ms.append(int(now * 1000))
            return state.to_json()

        self._state.update_state(self._key, change)
        return wait_s

    def _read(self) -> _State:
        now = self._clock()
        return _State(self._state.update_state(self._key, lambda old: old or {}), now)

    def _wait_s(self, state: _State) -> float:
        ready_ms = float(state.not_before_ms)
        for limit in self._in_force(state):
            if len(state.sent_ms) >= limit.requests:
                window_ms = (limit.window_s + WINDOW_MARGIN_S) * 1000
                ready_ms = max(ready_ms, state.sent_ms[-limit.requests] + window_ms)
        return (ready_ms - state.now_ms) / 1000

    def _in_force(self, state: _State) -> list[Limit]:
        found = []
        for limit in self._limits:
            learnt = state.learnt.get(f"{limit.window_s:g}")
            requests = limit.requests
            if learnt is not None and learnt[1] > state.now_ms:
                requests = min(requests, learnt[0])
            found.append(Limit(requests, limit.window_s))
        return found

    def _refusing_limit(self, state: _State, retry_after_s: float | None) -> Limit:
        """Guess which window was full: the shortest that explains the wait asked for."""
        by_window = sorted(self._in_force(state), key=lambda limit: limit.window_s)
        if retry_after_s is not None:
            for limit in by_window:
                if retry_after_s <= limit.window_s:
                    return limit
            return by_window[-1]
        return by_window[0]


class _State:
    """The stored object, opened; whatever is not as written here counts as absent."""

    def __init__(self, stored: JsonObject | None, now: float) -> None:
        stored = stored or {}
        self.now_ms = int(now * 1000)
        # A clock that was ahead leaves stamps in the future, which would block for ever.
        self.sent_ms = sorted(
            min(int(ms), self.now_ms)
            for ms in stored.get("sent_ms", ())
            if ms > self.now_ms - _KEEP_MS
        )
        self.not_before_ms = min(int(stored.get("not_before_ms", 0)), self.now_ms + _KEEP_MS)
        self.refused_at: dict[str, int] = dict(stored.get("refused_at", {}))
        self.learnt: dict[str, list[int]] = dict(stored.get("learnt", {}))

    def count(self, window_s: float) -> int:
        """Count the requests of the window that ends now."""
        return sum(ms > self.now_ms - window_s * 1000 for ms in self.sent_ms)

    def to_json(self) -> JsonObject:
        """Give the form that is stored."""
        return {
            "sent_ms": self.sent_ms,
            "not_before_ms": self.not_before_ms,
            "refused_at": self.refused_at,
            "learnt": self.learnt,
        }


_SIMULATED: Final = 5000
"""Requests played through one by one; those after them go at the slowest limit's pace."""

_KEEP_MS: Final = 2 * 3600 * 1000
"""Stamps older than this are in no window."""
