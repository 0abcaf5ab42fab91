"""What redaction found: how often, by which rule, in which place; never the value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from replayport.redact.masking import example

MAX_EXAMPLES: Final = 3

PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text": "Text of the page.",
        "split_text": "Text that only several nodes together say.",
        "attribute": "An attribute of an element.",
        "field": "A form field: its value, or what was typed.",
        "style": "A style sheet or style attribute.",
        "address": "An address: of a page, a link, a request, a file.",
        "image": "A picture inside the recording: a data: image, a canvas.",
        "console": "A console message.",
        "network": "A recorded request or answer: its address, headers, body.",
        "custom": "A custom or plugin event.",
        "event": "Anything else in an event.",
        "analytics": "An analytics or LLM event.",
        "person": "The person's id or properties.",
        "manifest": "The manifest: addresses, what the source said.",
        "assets": "The list of frozen assets.",
    }
)
"""Places, and what each is."""

RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "selector": "An element chosen by a selector, or inside one.",
        "input": "A form field by type, autocomplete or name.",
        "text": 'Text that no selector allows (`text = "mask"`).',
        "attribute": "An attribute named in the profile.",
        "query": "A query parameter, or part of a fragment.",
        "path": "Part of an address's path.",
        "key": "A key of a payload.",
        "body": "A body of a request or an answer.",
        "image": "A picture.",
        "person": "The person.",
        "known": "A value known from the person, or typed into a sensitive field.",
        "damaged": "Something that could not be read, or belongs to nothing known.",
    }
)
"""Rules besides the detectors, which go by their own names."""


@dataclass(slots=True)
class Finds:
    """What one run found; counted once a place in an event."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By rule and place."""
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    warnings: Counter[str] = field(default_factory=Counter)
    """Codes of `WARNING_MEANINGS`: where more went than rules asked for, and why."""

    def add(self, rule: str, place: str, value: str = "", n: int = 1) -> None:
        """
        Count a find.

        Args:
            rule: A detector's name or one of `RULES`.
            place: One of `PLACES`.
            value: What was found; kept as a hint only.
            n: How often.
        """
        key = rule, place
        self.counts[key] += n
        if value:
            hints = self.examples.setdefault(key, [])
            if len(hints) < MAX_EXAMPLES and (hint := example(rule, value)) not in hints:
                hints.append(hint)

    @property
    def total(self) -> int:
        """How many finds."""
        return self.counts.total()

    def rows(self) -> list[dict[str, Any]]:
        """Give one row a rule and place, the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [
            {
                "rule": rule,
                "place": place,
                "count": n,
                "examples": self.examples.get((rule, place), []),
            }
            for (rule, place), n in ordered
        ]

    def update(self, other: Finds) -> None:
        """Add what another run found."""
        self.counts.update(other.counts)
        self.warnings.update(other.warnings)
        for key, hints in other.examples.items():
            mine = self.examples.setdefault(key, [])
            mine.extend(h for h in hints if h not in mine and len(mine) < MAX_EXAMPLES)


WARNING_MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unknown_node": (
            "A text or value of a node that is not on the page: it was masked, because nobody can "
            "say what it belongs to."
        ),
        "damaged_page": "A page could not be rebuilt as a whole: what hangs nowhere was masked.",
        "unreadable_event": "An event whose data does not parse was emptied.",
        "many_passes": (
            "What later events said about earlier ones did not settle; the rest was masked whole."
        ),
        "identifier": (
            "The recording's own id looks like personal data. It names its folder and stays."
        ),
    }
)
"""What `Finds.warnings` counts, and what each means."""
