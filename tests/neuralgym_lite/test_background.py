from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from neuralgym_lite.background import NICENESS, Background


def test_the_caller_goes_on():
    done = threading.Event()
    with Background() as background:
        background.submit(done.wait)
        done.set()


def test_one_at_a_time_in_their_order():
    order = []
    with Background() as background:
        for i in range(5):
            background.submit(lambda i=i: (time.sleep(0.01 * (5 - i)), order.append(i)))
    assert order == [0, 1, 2, 3, 4]


def test_end_waits():
    finished = []
    with Background() as background:
        background.submit(lambda: (time.sleep(0.05), finished.append(True)))
    assert finished == [True]


def fail():
    raise OSError("disk full")


@pytest.mark.parametrize("call", ["submit", "wait", "end"])
def test_failure_comes_up(call):
    with pytest.raises(OSError, match="disk full"), Background() as background:
        background.submit(fail)
        if call == "submit":
            background.submit(lambda: None)
        if call == "wait":
            background.wait()


def test_failure_does_not_hide_another():
    with pytest.raises(ValueError, match="other"), Background() as background:
        background.submit(fail)
        raise ValueError("other")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has one priority")
def test_other_threads_go_first():
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    seen, own = [], niceness()
    with Background() as background:
        background.submit(lambda: seen.append(niceness()))
    assert seen == [NICENESS]
    assert niceness() == own
