"""What every test shares: hypothesis without a clock, and where the corpus is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.support.corpus import CORPUS

settings.register_profile("replayport", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("replayport")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real recordings beside the project; the test is skipped where they are not."""
    if not CORPUS.is_dir():
        pytest.skip("no corpus here; set REPLAYPORT_CORPUS to its folder")
    return CORPUS
