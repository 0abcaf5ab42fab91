"""Every kind of action has its meaning, and its sentence."""

from __future__ import annotations

from replayport.analysis.actions import FINDING_MEANINGS, KIND_MEANINGS, ActionKind, Draft, Target
from replayport.analysis.wording import sentence


def test_every_kind_is_explained():
    assert set(KIND_MEANINGS) == set(ActionKind)
    assert all(m.endswith(".") for m in (*KIND_MEANINGS.values(), *FINDING_MEANINGS.values()))


def test_every_kind_has_a_sentence():
    target = Target(5, "button", "", "button", "Pay", "css=#b", "#b")
    for kind in ActionKind:
        for of in (target, None):
            for value, masked in (("x", False), (None, True), ("", False)):
                draft = Draft(kind, 0, 0, "w", "https://a.example/", of, 1.0, 2.0, 3.0, 4.0)
                draft.value, draft.masked = value, masked
                said = sentence(draft)
                assert said and "None" not in said.replace("resized the window to None", "")
