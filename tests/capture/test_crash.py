"""A server killed at random moments loses nothing it acknowledged, and doubles nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

DEV = Path(__file__).parents[2] / "dev"


@pytest.fixture
def torture(monkeypatch):
    monkeypatch.syspath_prepend(str(DEV))  # the killed processes import it by name
    spec = importlib.util.spec_from_file_location("torture", DEV / "torture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "torture", module)
    spec.loader.exec_module(module)
    return module


def test_killed_ten_times_nothing_is_lost(torture, tmp_path):
    result = torture.torture(tmp_path, kills=10, seed=7)
    assert result.lost == []
    assert result.doubled == []
    assert result.waiting == 0
    assert len(result.acknowledged) > 100
    assert result.recordings > 1


def test_many_tiny_sessions_leave_no_memory_behind(torture, tmp_path):
    result = torture.crowd(tmp_path, sessions=600)
    assert result.sealed == 600
    # 40 KB a session would pass it; anything that is kept of each is far more than that.
    assert result.grown_bytes < 16 * 2**20


def test_the_check_can_fail(torture):
    result = torture.Result(acknowledged={1, 2}, waiting=0)
    result.stored.update([1, 1])
    result.analytics.update([1, 2])
    assert (result.lost, result.doubled, result.ok) == ([2], [1], False)
