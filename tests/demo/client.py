"""Starlette's in-process client, without the note that it would rather have another httpx."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # It works with httpx, which the project already depends on.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

__all__ = ["TestClient"]
