"""A warning that says that it is given once is: once per run, whatever the number of lanes."""

from __future__ import annotations

import warnings

import pytest
from countdown import Countdown
from overflowing import Overflowing

import rlmesh
from rlmesh import EnvServer, Model, ModelServer, ServeOptions
from rlmesh._once import warn_once, warnings_once


class Counting:
    """Acts with a number that no action space has, and each time with another one."""

    def __init__(self):
        self.number = 1

    def predict(self, observation):
        self.number += 1
        return self.number


def given_in(function):
    """Return the messages of the warnings that say they are given once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(one.message) for one in caught if "given once" in str(one.message)]


def test_actions_out_of_bounds_are_told_of_once_for_all_lanes():
    model = Model(Counting())
    envs = [Countdown() for _ in range(4)]

    def run():
        model.run(envs, seeds=range(1, 9))

    given = given_in(run)
    assert len(given) == 1
    assert given[0].startswith("action: expected within [0, 1], got ")
    # Another run is told anew.
    assert len(given_in(run)) == 1


def test_observations_out_of_bounds_are_told_of_once_for_all_lanes():
    envs = [Overflowing() for _ in range(4)]
    assert len(given_in(lambda: Model(lambda observation: 0).run(envs, seeds=range(1, 9)))) == 1


def test_a_session_of_ones_own_is_told_each_time():
    def sessions():
        for _ in range(2):
            with Model(Counting()).session(Countdown()) as session:
                session.step(session.predict(session.reset(seed=3)[0]))

    assert len(given_in(sessions)) == 2


def test_a_server_tells_of_the_actions_of_all_its_clients_once(tmp_path):
    with ModelServer(Model(Counting()), f"unix://{tmp_path}/model") as server:
        envs = [Countdown() for _ in range(3)]
        assert len(given_in(lambda: rlmesh.run(server.address, envs, seeds=range(1, 7)))) == 1


def test_the_workers_of_a_server_tell_of_the_same_once(tmp_path, capfd):
    address = f"unix://{tmp_path}/env"
    with EnvServer("overflowing:Overflowing", address, options=ServeOptions(max_sessions=3)):
        Model(lambda observation: 0).run(address, seeds=range(1, 10), concurrency=3)
    assert capfd.readouterr().err.count("given once") == 1


def test_what_is_remembered_is_bounded():
    def many():
        with warnings_once():
            for number in range(5000):
                warn_once(str(number), "this warning is given once", UserWarning)

    assert len(given_in(many)) == 1000


@pytest.mark.parametrize("inherit", [False, True])
def test_a_block_inside_another_counts_for_itself_unless_it_inherits(inherit):
    def nested():
        with warnings_once():
            warn_once("key", "this warning is given once", UserWarning)
            with warnings_once(inherit=inherit):
                warn_once("key", "this warning is given once", UserWarning)

    assert len(given_in(nested)) == (1 if inherit else 2)
