"""Rules about forms: abandonment, refill, repeated correction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from replayport.analysis.columns import NO_NODE, Inputs
from replayport.analysis.moments import (
    WRITING_METHODS,
    Scene,
    Signal,
    WindowScene,
    any_within,
    first_after,
)
from replayport.analysis.profiles import FormAbandonment, FormRefill, RepeatedCorrection


def form_abandonment(scene: Scene, rule: FormAbandonment) -> Iterator[Signal]:
    """
    Find pages whose fields were filled in and left without sending.

    A submission is a request that writes, or another page, soon after the last input or after a
    click that follows it. A page that saves as one types sends requests all the time, so one that
    began after the first field was filled counts as well.
    """
    for window in scene.windows:
        inputs = _typed(scene, window)
        if not len(inputs):
            continue
        requests = scene.columns.requests.of_window(window.number)
        writes = np.array([m in WRITING_METHODS for m in requests.method], dtype=bool)
        told = any(m is not None for m in requests.method)
        sent = np.sort(requests.start[writes & ~requests.initial])
        clicks = np.sort(window.all_clicks.t).astype(np.float64)
        visits = window.visits or [(float(inputs.t[0]), window.end_ms, "")]
        for begin, end, _ in visits:
            own = inputs.take((inputs.t >= begin) & (inputs.t < end))
            nodes = np.unique(own.node)
            if len(nodes) < rule.fields:
                continue
            first, last = float(own.t[0]), float(own.t[-1])
            left = end < window.end_ms
            if not left and end - last < rule.idle_ms:
                continue
            asks = [last, *clicks[(clicks > last) & (clicks < end)].tolist()]
            if any_within(sent, first, end + 1):
                continue
            if left and any(end - at < rule.submitted_ms for at in asks):
                continue
            findings: tuple[str, ...] = () if told else ("no_network_data",)
            yield scene.signal(
                "form_abandonment",
                window,
                first,
                last,
                {"fields": len(nodes), "left_after_ms": end - last},
                node=int(own.node[-1]),
                used_ms=last,
                confidence=0.6 if told else 0.3,
                findings=findings,
            )


def _typed(scene: Scene, window: WindowScene) -> Inputs:
    """Give what the user typed or chose, in playing order."""
    inputs = scene.columns.inputs.of_window(window.number).by_time()
    return inputs.take(inputs.by_user & ~inputs.toggle & (inputs.node != NO_NODE))


def form_refill(scene: Scene, rule: FormRefill) -> Iterator[Signal]:
    """
    Find texts that were there, were gone, and had to be typed again.

    A field that is drawn anew has another node id, so fields are told apart by their words where
    the elements are known, and a new field of the same words counts as the old one emptied.
    """
    for window in scene.windows:
        inputs = scene.columns.inputs.of_window(window.number).by_time()
        inputs = inputs.take((inputs.chars >= 0) & ~inputs.toggle & (inputs.node != NO_NODE))
        sent = _sent(scene, window)
        fields: dict[Any, _Field] = {}
        for t, node, chars, page in zip(
            inputs.t.tolist(),
            inputs.node.tolist(),
            inputs.chars.tolist(),
            window.page_of(inputs.t).tolist(),
            strict=True,
        ):
            element = scene.element(window.id, node, t)
            key = (element.tag, element.label) if element and element.label else (page, node)
            one = fields.setdefault(key, _Field())
            lost = one.take(node, t, chars, rule, sent)
            if lost is None:
                continue
            full_ms, lost_ms, full_chars = lost
            yield scene.signal(
                "form_refill",
                window,
                full_ms,
                t,
                {
                    "chars": full_chars,
                    "lost_after_ms": lost_ms - full_ms,
                    "typed_again_after_ms": t - lost_ms,
                },
                node=node,
                used_ms=t,
                confidence=0.8,
            )


def _sent(scene: Scene, window: WindowScene) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give when something was sent: a button clicked, or a request that writes begun."""
    clicks = window.all_clicks
    buttons = [
        float(t)
        for t, node in zip(clicks.t.tolist(), clicks.node.tolist(), strict=True)
        if (element := scene.lookup(window.id, node, t)) is not None
        and (element.tag == "button" or element.input_type in ("submit", "button", "image"))
    ]
    requests = scene.columns.requests.of_window(window.number)
    writes = np.array([m in WRITING_METHODS for m in requests.method], dtype=bool)
    return np.sort(np.concatenate([buttons, requests.start[writes & ~requests.initial]]))


SENT_BEFORE_MS: Final = 1000
"""A field emptied this soon after something was sent was sent, not lost."""


class _Field:
    """The life of one field: filled, lost, filled again."""

    def __init__(self) -> None:
        self.node = NO_NODE
        self.chars = 0
        self.changed_ms = 0
        self.lost: tuple[int, int, int] | None = None

    def take(
        self, node: int, t: int, chars: int, rule: FormRefill, sent: Any
    ) -> tuple[int, int, int] | None:
        """
        Take one input.

        Returns:
            When the text was last full, when it was lost, and its length, once it is filled
            again; None before.
        """
        # Emptied at once, by a script or by drawing it anew; letter by letter is correcting.
        emptied = chars == 0 or (node != self.node and chars < self.chars)
        rested = t - self.changed_ms >= rule.at_rest_ms
        if (
            self.lost is None
            and self.chars >= rule.chars
            and emptied
            and rested
            and not any_within(sent, t - SENT_BEFORE_MS, t + 1)
        ):
            self.lost = (self.changed_ms, t, self.chars)
        filled = None
        if self.lost is not None:
            if t - self.lost[1] > rule.within_ms:
                self.lost = None
            elif chars >= max(rule.chars, rule.alike * self.lost[2]):
                filled, self.lost = self.lost, None
        self.node, self.chars, self.changed_ms = node, chars, t
        return filled


def repeated_correction(scene: Scene, rule: RepeatedCorrection) -> Iterator[Signal]:
    """Find fields corrected again and again: grown, then shorter, then grown again."""
    for window in scene.windows:
        inputs = _typed(scene, window)
        inputs = inputs.take(inputs.chars >= 0)
        page = window.page_of(inputs.t)
        for number, node in np.unique(np.stack([page, inputs.node]), axis=1).T.tolist():
            mine = np.flatnonzero((page == number) & (inputs.node == node))
            if len(mine) <= 2 * rule.times:
                continue  # each turn takes a step up and one down
            own_t = inputs.t[mine].astype(np.float64)
            step = np.diff(inputs.chars[mine])
            moved = np.flatnonzero(step)
            down = step[moved] < 0
            turns = own_t[moved + 1][1:][down[1:] & ~down[:-1]]
            i = 0
            while i + rule.times <= len(turns):
                if turns[i + rule.times - 1] - turns[i] > rule.within_ms:
                    i += 1
                    continue
                end = i + rule.times
                while end < len(turns) and turns[end] - turns[i] <= rule.within_ms:
                    end += 1
                yield scene.signal(
                    "repeated_correction",
                    window,
                    first_after(own_t, turns[i]),
                    turns[end - 1],
                    {"corrections": int(end - i)},
                    node=int(node),
                    confidence=0.7,
                )
                i = end
