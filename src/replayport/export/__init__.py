"""
What a recording can be written as: one module a target, one registry.

An export is a function of a `Recording` that yields the file's bytes in pieces, so
that a large recording is never whole in memory where its format allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from replayport.errors import ReplayError
from replayport.format.reader import Recording


class ExportOptionsError(ReplayError):
    """What was asked for is nothing that the format can hold."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the command line lets one choose."""

    window_id: str | None = None
    """Only this window; all when None."""
    arrival_order: bool = False
    """Events in the order the source sent them, not in playing order."""
    playable: bool = False
    """Apply the playback fixes (mobile wireframes to DOM, missing Meta, repeats)."""


@dataclass(frozen=True, slots=True)
class Export:
    """One target."""

    name: str
    module: str
    suffix: str
    help: str
    for_people: bool = False
    """
    Made to be looked at by others, so masked where something is found; the rest is data, and
    lossless (docs/adr/0011).
    """

    def load(self) -> Callable[[Recording, ExportOptions], Iterator[bytes]]:
        """Import the target's module and give its ``export`` function."""
        function: Callable[[Recording, ExportOptions], Iterator[bytes]] = import_module(
            f"replayport.export.{self.module}"
        ).export
        return function


EXPORTS: Final[dict[str, Export]] = {
    e.name: e
    for e in (
        Export("rrweb-json", "rrweb_json", ".json", "Array of events for rrweb-player."),
        Export("jsonl", "jsonl", ".jsonl", "One [windowId, event] a line, as PostHog's API."),
        Export(
            "html",
            "html",
            ".html",
            "One page that plays offline, with no network.",
            for_people=True,
        ),
        Export("bundle", "bundle", ".replay.zip", "The recording's folder as one file."),
        Export("parquet", "parquet", ".parquet", "events.parquet for pandas, DuckDB, Spark."),
        Export(
            "har", "har", ".har", "Recorded network requests for browser tools.", for_people=True
        ),
    )
}
