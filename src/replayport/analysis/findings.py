"""What keeps an analysis from knowing something: a closed set, said instead of a silent zero."""

from __future__ import annotations

from typing import Final

ANALYSIS_FINDINGS: Final[dict[str, str]] = {
    "no_events": "The recording holds no event in the part asked for.",
    "no_full_snapshot": (
        "A window has no full snapshot: what was clicked cannot be named, and rules that need an "
        "element are less certain."
    ),
    "no_pointer_data": "No mouse movement was recorded: features and signals of it are null.",
    "no_click_positions": (
        "Clicks were recorded without a place on the screen: chains are told by element alone."
    ),
    "no_network_data": (
        "Network requests were not recorded: features of them are null, and answers that came "
        "from the network cannot be seen."
    ),
    "no_console_data": "The console was not recorded: features of it are null.",
    "clock_jump": (
        "A window's clock jumps back by more than a minute or ahead by more than a day: times "
        "across the jump mean nothing."
    ),
    "all_inputs_masked": (
        "Every text typed is masked: lengths are still true, words are not there."
    ),
    "masked_to_nothing": (
        "Every text typed was recorded empty: corrections and refilled forms cannot be seen."
    ),
    "mobile": "Recorded on a phone's own app: taps and screens, no mouse and no console.",
    "unknown_nodes": "Elements that were clicked are in no snapshot: they have no name.",
    "unreadable_payloads": "Events whose data is not what its kind promises; they were left out.",
    "pointer_too_coarse": (
        "Pointer positions are further apart in time than the rule needs (rrweb takes one every "
        "50 ms): the rule of this profile cannot fire here."
    ),
    "not_judged": (
        "Clicks so near the end of their window's recording that no answer could be waited for."
    ),
    "broken_tree": "Mutations do not fit the page they change: elements they added may have no name.",
    "too_many_signals": "The recording holds more signals than are kept; the rest was cut.",
}
"""Codes and what each means; ``docs/reference/features.md`` is made from this."""
