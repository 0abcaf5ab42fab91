"""Where real recordings are, beside the project; tests skip where they are not."""

from __future__ import annotations

import os
from pathlib import Path

CORPUS = Path(
    os.environ.get("REPLAYPORT_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus"
)
