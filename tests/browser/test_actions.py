"""
Actions against truth: a journey through a web app from npm, recorded by rrweb.

The other apps are in ``bench/actions.py``. Without npm's registry the test is skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.append(str(BENCH))

import actions  # noqa: E402 - the scripts are no package

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("app", ["sortable"])
def test_every_step_is_found_and_none_invented(app, browser, pytestconfig):
    if not actions.RRWEB.is_file():
        pytest.skip("no rrweb here; run make web")
    try:
        outcome = actions.go(actions.APPS[app], browser, pytestconfig.cache.mkdir("web-apps"))
    except actions.NotFetchedError as e:
        pytest.skip(str(e))
    assert not outcome.missed
    assert not outcome.invented
    assert len(outcome.steps) > 15
