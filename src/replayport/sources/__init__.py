"""
Where recordings come from, by the name the command line gives them.

Each entry loads its module when it is asked for, so that importing this costs nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from replayport.errors import SettingsError

if TYPE_CHECKING:
    from replayport.sources.base import Source

SOURCES: Final[dict[str, str]] = {
    "posthog": "replayport.sources.posthog_api:PostHogSource",
    "bucket": "replayport.sources.posthog_bucket:PostHogBucketSource",
}


def load_source(name: str) -> Callable[..., Source]:
    """
    Give the class of a source.

    Raises:
        SettingsError: There is none of that name.
    """
    try:
        module, _, attribute = SOURCES[name].partition(":")
    except KeyError:
        near = difflib.get_close_matches(name, SOURCES, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise SettingsError(
            f"source {name!r:.60} is not known. {hint}There are: {', '.join(SOURCES)}"
        ) from None
    found: Any = getattr(import_module(module), attribute)
    return found  # type: ignore[no-any-return]
