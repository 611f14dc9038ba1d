"""The traceback of an error in the user's code: its own line last, and few of ours."""

from __future__ import annotations

import re
import traceback

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, Model, RunHooks
from rlmesh.errors import InvalidValue, ModelError


class Mine(Exception):
    pass


def inner():
    raise Mine("my own line")


def broken(*arguments):
    return inner()


def good(observation):
    return 0


class BrokenEnv(Countdown):
    step = broken


class BrokenReset(Countdown):
    def reset(self, *, seed=None, options=None):
        return broken()


class BrokenHooks(RunHooks):
    on_step = broken


class BrokenChunks:
    def predict_chunk(self, observation):
        return broken()


class BrokenCallback:
    def predict(self, observation):
        return 0

    def reset(self, episode_id):
        return broken()


def shown(error):
    """Return the text of a traceback, and how many frames of it are ours."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return text, len(re.findall(r'^  File ".*/rlmesh/\w+/\w+\.py"', text, re.MULTILINE))


RUNS = {
    "predict": lambda: Model(broken).run(Countdown(), seeds=[3]),
    "predict_chunk": lambda: Model(BrokenChunks()).run(Countdown(), seeds=[3]),
    "on_reset": lambda: Model(BrokenCallback()).run(Countdown(), seeds=[3]),
    "step": lambda: Model(good).run(BrokenEnv(), seeds=[3]),
    "reset": lambda: Model(good).run(BrokenReset(), seeds=[3]),
    "hooks": lambda: Model(good).run(Countdown(), seeds=[3], hooks=BrokenHooks()),
    "on_result": lambda: Model(good).run(Countdown(), seeds=[3], on_result=broken),
    "progress": lambda: Model(good).run(Countdown(), seeds=[3], progress=broken),
    "rlmesh.run": lambda: rlmesh.run(Model(broken), Countdown(), seeds=[3]),
    "lanes": lambda: Model(broken).run([Countdown(), Countdown()], seeds=[3, 4]),
}


@pytest.mark.parametrize("kind", RUNS)
def test_it_ends_with_the_users_line(kind):
    with pytest.raises(Mine) as caught:
        RUNS[kind]()
    text, ours = shown(caught.value)
    assert text.splitlines()[-3:-1] == [
        f'  File "{__file__}", line {inner.__code__.co_firstlineno + 1}, in inner',
        '    raise Mine("my own line")',
    ]
    assert ours <= 2


def by_hand(address):
    with Model(broken).session(address) as session:
        session.predict(session.reset(seed=3)[0])


def worker(address):
    Model(broken).run_local_for_episodes(address, max_episodes=1)


@pytest.mark.parametrize("function", [by_hand, worker])
def test_workers_and_sessions_show_it_alike(tmp_path, function):
    server = EnvServer(Countdown(), f"unix://{tmp_path}/env")
    with server, pytest.raises(Mine) as caught:
        function(server.address)
    text, ours = shown(caught.value)
    assert text.splitlines()[-2] == '    raise Mine("my own line")'
    assert ours <= 2


class BrokenBatches:
    def predict_batch(self, observations):
        return broken()


def test_the_cause_of_a_model_error_shows_it_too():
    with pytest.raises(ModelError) as caught:
        Model(BrokenBatches()).run([Countdown(), Countdown()], seeds=[3, 4])
    text, ours = shown(caught.value)
    before, _, after = text.partition("The above exception was the direct cause of")
    assert before.rstrip().splitlines()[-2:-1] == ['    raise Mine("my own line")']
    assert ours <= 1
    assert "predict raised Mine: my own line" in after


def test_an_error_of_ours_keeps_its_traceback():
    with pytest.raises(InvalidValue) as caught:
        Model(lambda observation: "left").run(Countdown(), seeds=[3])
    _, ours = shown(caught.value)
    assert ours > 3
