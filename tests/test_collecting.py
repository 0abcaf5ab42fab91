"""Python's own thresholds come back, however many threads asked for others."""

from __future__ import annotations

import gc
import threading

import pytest

from replayport.collecting import COLLECT_AFTER, rare_collections


def test_thresholds_come_back_after_the_last_thread():
    before = gc.get_threshold()
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with rare_collections():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=stay)
    with rare_collections():
        assert gc.get_threshold() == COLLECT_AFTER
        thread.start()
        assert inside.wait(10)
    assert gc.get_threshold() == COLLECT_AFTER  # the other thread is not done
    leave.set()
    thread.join()
    assert gc.get_threshold() == before


def test_thresholds_come_back_after_an_error():
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="within"), rare_collections():
        raise ValueError("within")
    assert gc.get_threshold() == before
