"""Templates for support tools."""

from __future__ import annotations

import pytest
from tests.support.builders import draft

from replayport.archive import encode_draft
from replayport.server.support import HOLES, fill, replay_url, support_link


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{{replay_url}}", "https://r/x y"),
        ("Replay: {{ replay_url }} of {{session_id}}", "Replay: https://r/x y of a&b"),
        (
            "https://desk/?b={{replay_url}}&s={{session_id}}",
            "https://desk/?b=https%3A%2F%2Fr%2Fx%20y&s=a%26b",
        ),
        ("https://desk/#/{{session_id}}", "https://desk/#/a%26b"),
        ("{{unknown}} {{", "{{unknown}} {{"),
        ("", ""),
    ],
)
def test_fill(template, filled):
    assert fill(template, {"replay_url": "https://r/x y", "session_id": "a&b"}) == filled


def test_what_is_filled_in_is_not_looked_at_again():
    assert (
        fill("{{session_id}}", {"session_id": "{{replay_url}}", "replay_url": "x"})
        == "{{replay_url}}"
    )


def test_a_recordings_link():
    manifest, _ = encode_draft(draft(session_id="0198-a", project="shop"))
    everything = " ".join(f"{{{{{name}}}}}" for name in HOLES)
    made = support_link(everything, "https://r", manifest)
    assert "{{" not in made
    assert "https://r/recordings/shop/0198-a 0198-a 0198-a shop 2026-" in made
    assert support_link("", "https://r", manifest) is None
    assert replay_url("https://r", "a b", "c", at_ms=5) == "https://r/recordings/a%20b/c?t=5"
