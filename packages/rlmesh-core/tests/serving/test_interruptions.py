"""Calls of clients and servers that interrupt others on their thread, as signal handlers do.

A tracer makes the interruption, at one line of the interrupted call after the other.
"""

# ruff: noqa: B023 - what is interrupted is made anew for each interruption

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading

import pytest
import zmq
from countdown import Countdown

import rlmesh
from rlmesh._rpc.latch import Latch
from rlmesh.errors import CallUnderWay, RLMeshError, SessionLost

SOON = 60.0


class Interruption:
    """Calls a function once, at so many lines of ours after a `with` block's start."""

    def __init__(self, at, action):
        self.lines, self.action = at, action
        self.came, self.outcome = False, None

    def _enter_frame(self, frame, event, arg):
        return self._line if frame.f_globals.get("__name__", "").startswith("rlmesh.") else None

    def _line(self, frame, event, arg):
        if event == "line" and not self.came:
            self.lines -= 1
            if self.lines < 0:
                self.came, self.outcome = True, outcome_of(self.action)
        return self._line

    def __enter__(self):
        sys.settrace(self._enter_frame)
        return self

    def __exit__(self, *_):
        sys.settrace(None)


def outcome_of(action):
    """Return what a function raised of ours, or returned."""
    try:
        return action()
    except RLMeshError as exc:
        return exc


def interruptions(action, stride=1):
    """Yield interruptions, each a little later, until one comes too late to come at all."""
    for at in itertools.count(0, stride):
        interruption = Interruption(at, action)
        yield interruption
        if not interruption.came:
            assert at > 0
            return


def count_sockets():
    return sum(not socket.closed for socket in zmq.Context.instance()._sockets)


FACTORY = "countdown:Countdown"


@pytest.fixture(params=["instance", "direct", "relayed"])
def server(request, monkeypatch):
    if request.param == "relayed":
        monkeypatch.setattr("rlmesh._envs.client.is_reachable", lambda worker: False)
    served = Countdown() if request.param == "instance" else FACTORY
    with rlmesh.EnvServer(served) as server:
        yield server


@pytest.fixture
def stride(server):
    return 1 if server._factory is None else 61


@pytest.mark.parametrize("method", ["step", "reset", "render", "close"])
def test_close_may_interrupt_any_call_at_any_line(server, stride, method):
    sockets = count_sockets()
    arguments = {"step": (0,)}.get(method, ())
    env = None
    for interruption in interruptions(
        lambda: env.close(), stride if method == "step" else 2 * stride + 9
    ):
        # The env is free each time, so that the server has heard of the end.
        env = rlmesh.RemoteEnv(server.address, busy_timeout=SOON)
        env.reset()
        with interruption:
            outcome = outcome_of(lambda: getattr(env, method)(*arguments))
        assert interruption.outcome is None
        if isinstance(outcome, Exception) and method != "render":
            assert isinstance(outcome, SessionLost)
            assert str(outcome) == f"the session with {server.address} is over: it was closed"
        if interruption.came:
            with pytest.raises(SessionLost, match="it was closed"):
                env.step(0)
        env.close()
        assert count_sockets() == sockets


def test_another_call_may_interrupt_one_at_no_line_and_says_so(server):
    with rlmesh.RemoteEnv(server.address) as env:
        refused = 0
        env.reset(seed=100)
        for number, interruption in enumerate(interruptions(lambda: env.step(0)), 1):
            with interruption:
                assert len(env.step(0)) == 5
            refused += isinstance(interruption.outcome, CallUnderWay)
            if isinstance(interruption.outcome, Exception):
                assert isinstance(interruption.outcome, CallUnderWay)
                assert "another call of this client of" in str(interruption.outcome)
            if number % 20 == 0:
                env.reset(seed=100)
        assert refused > 10


def test_a_session_can_be_closed_in_any_of_its_calls():
    model = rlmesh.Model(lambda observation: 0)
    with rlmesh.EnvServer(Countdown()) as server, rlmesh.ModelServer(model) as models:
        remote = rlmesh.RemoteModel(models.address)
        session = None
        for interruption in interruptions(lambda: session.close(), 7):
            session = remote.session(server.address)
            observation, _ = session.reset()
            with interruption:
                outcome = outcome_of(lambda: session.step(session.predict(observation)))
            assert interruption.outcome is None
            assert not isinstance(outcome, Exception) or isinstance(
                outcome, (SessionLost, rlmesh.errors.NotReset)
            )
            session.close()
        remote.close()


def test_a_remote_model_can_be_closed_in_its_calls_and_says_afterwards_that_it_was():
    model = rlmesh.Model(lambda observation: 0)
    with rlmesh.ModelServer(model) as server:
        remote = None
        for interruption in interruptions(lambda: remote.close()):
            remote = rlmesh.RemoteModel(server.address)
            with interruption:
                outcome = outcome_of(remote.ping)
            assert isinstance(outcome, (dict, SessionLost))
            remote.close()
            with pytest.raises(SessionLost, match="it was closed"):
                remote.ping()


def test_close_makes_a_call_of_another_thread_end():
    may_go_on, has_begun, outcomes = threading.Event(), threading.Event(), []

    class Waits(Countdown):
        def step(self, action):
            has_begun.set()
            may_go_on.wait(SOON)
            return super().step(action)

    with rlmesh.EnvServer(Waits()) as server:
        env = rlmesh.RemoteEnv(server.address)
        env.reset()
        stepping = threading.Thread(target=lambda: outcomes.append(outcome_of(lambda: env.step(0))))
        stepping.start()
        assert has_begun.wait(SOON)
        env.close()
        stepping.join(SOON)
        (outcome,) = outcomes
        assert isinstance(outcome, SessionLost)
        may_go_on.set()


@pytest.mark.parametrize("served", [Countdown(), FACTORY], ids=["instance", "factory"])
def test_shutdown_may_interrupt_the_start_of_a_server_and_its_end(served, tmp_path):
    server = None
    stride = 1 if isinstance(served, Countdown) else 397

    def use():
        server.start()
        server.shutdown()

    for interruption in interruptions(lambda: server.shutdown(), stride):
        # At the same address each time, which is free again.
        server = rlmesh.EnvServer(served, f"unix://{tmp_path}/env.sock")
        with interruption:
            outcome = outcome_of(use)
        assert interruption.outcome is None
        assert interruption.came or outcome is None
        server.shutdown()
        assert list(tmp_path.iterdir()) == []


def test_a_signal_handler_may_shut_down_the_server_that_is_being_made(tmp_path, monkeypatch):
    (tmp_path / "never_made.py").write_text("import time\ndef make():\n    time.sleep(1000)\n")
    monkeypatch.syspath_prepend(tmp_path)
    server = rlmesh.EnvServer("never_made:make")
    former = signal.signal(signal.SIGUSR1, lambda *_: server.shutdown())
    workers = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        workers.start()
        with pytest.raises(RLMeshError, match="was shut down"):
            server.start()
    finally:
        workers.join()
        signal.signal(signal.SIGUSR1, former)
    with pytest.raises(RLMeshError, match="was shut down; make another one"):
        server.bind()


def test_a_latch_may_be_set_and_waited_for_within_its_own_methods():
    for method, arguments in (("set", ()), ("wait", (SOON,))):
        latch = None
        for interruption in interruptions(lambda: (latch.set(), latch.wait(SOON))):
            latch = Latch()
            if method == "wait":
                threading.Timer(0.01, latch.set).start()
            with interruption:
                getattr(latch, method)(*arguments)
            assert latch.is_set()
            assert latch.wait(0)


def test_a_latch_wakes_everybody_who_waits_for_it():
    latch, woken = Latch(), []
    threads = [threading.Thread(target=lambda: woken.append(latch.wait(SOON))) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert not latch.wait(0.001)
    latch.set()
    for thread in threads:
        thread.join(SOON)
    assert woken == [True] * 20
