"""Numbers with what they count, as people say them."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """Give a number and what it counts: ``1 recording``, ``2,000 recordings``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
