"""One job at a time, in turn for each client, any of them canceled."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from inpaint_tf.studio import worker as module
from inpaint_tf.studio.worker import BusyError, Worker


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def gate(worker):
    """Keep the worker busy until it is set."""
    opened, begun = threading.Event(), threading.Event()
    worker.submit("gate", lambda job: (begun.set(), opened.wait(20)))
    assert begun.wait(20)
    return opened


def test_clients_take_turns(worker, gate):
    order = []
    jobs = [
        worker.submit(client, lambda job, name=f"{client}{number}": order.append(name))
        for client in "ab"
        for number in range(3)
    ]
    gate.set()
    for job in jobs:
        job.future.result(20)
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_job_that_waits_is_canceled_at_once(worker, gate):
    job = worker.submit("a", lambda job: pytest.fail("it ran"))
    job.cancel()
    assert job.future.cancelled()
    gate.set()
    assert worker.submit("a", lambda job: 1).future.result(20) == 1


def test_a_job_under_way_is_canceled_at_its_next_sign_of_progress(worker):
    begun, told = threading.Event(), threading.Event()

    def run(job):
        begun.set()
        assert told.wait(20)
        job.advance(0.5)
        pytest.fail("it went on")

    job = worker.submit("a", run)
    assert begun.wait(20)
    job.cancel()
    told.set()
    with pytest.raises(CancelledError):
        job.future.result(20)


def test_progress_is_told(worker):
    seen = []
    job = worker.submit("a", lambda job: job.advance(0.25), lambda: seen.append(job.share))
    job.future.result(20)
    worker.submit("a", lambda job: None).future.result(20)
    assert 0.25 in seen
    assert seen[-1] == 1


def test_an_error_is_kept_and_the_worker_goes_on(worker):
    with pytest.raises(ZeroDivisionError):
        worker.submit("a", lambda job: 1 / 0).future.result(20)
    assert worker.submit("a", lambda job: 2).future.result(20) == 2


def test_a_client_cannot_fill_the_queue(worker, gate, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    first, _ = (worker.submit("a", lambda job: None) for _ in range(2))
    with pytest.raises(BusyError, match="2 fills wait"):
        worker.submit("a", lambda job: None)
    worker.submit("b", lambda job: None)
    first.cancel()
    worker.submit("a", lambda job: None)
    gate.set()


def test_closing_cancels_what_waits(worker, gate):
    job = worker.submit("a", lambda job: None)
    threading.Timer(0.1, gate.set).start()
    worker.close()
    assert job.future.cancelled()
