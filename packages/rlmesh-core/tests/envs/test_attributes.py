"""Attributes and methods of a served env that its server exposes."""

from __future__ import annotations

import contextlib

import pytest
from levels import Around, Level

import rlmesh
from rlmesh import Tensor
from rlmesh._envs.service import EnvService
from rlmesh.errors import (
    EnvError,
    InvalidValue,
    NotReset,
    ProtocolError,
    SessionLost,
    UnknownAttribute,
)

NAMES = ["level", "calls", "add", "double", "itself", "broken", "missing"]


@contextlib.contextmanager
def remote(env, expose=NAMES, **options):
    serving = rlmesh.EnvServer(env, expose=expose, **options)
    with serving as server, rlmesh.RemoteEnv(server.address) as client:
        yield client


def served_level():
    return remote(Level())


def wrapped_level():
    return remote(Around(Around(Level())))


def level_of_a_factory():
    return remote(Level)


PLACES = pytest.mark.parametrize("place", [served_level, wrapped_level, level_of_a_factory])


@PLACES
def test_what_is_set_reaches_the_served_env(place):
    with place() as env:
        env.set_attr("level", 5)
        assert env.get_attr("level") == 5
        assert env.reset()[0] == Tensor.from_values([5], "int64")
        env.level = 6
        assert (env.level, env.double) == (6, 12)
        assert env.step(0)[0] == Tensor.from_values([6], "int64")


@PLACES
def test_a_method_is_called_once_with_its_arguments(place):
    with place() as env:
        assert env.call("add", 2, times=3) == {"level": 7, "calls": 1}
        assert env.add(1) == {"level": 8, "calls": 2}
        assert env.get_attr("add")(1) == {"level": 9, "calls": 3}
        assert env.calls == 3


def test_clients_that_are_far_away_reach_it_too(monkeypatch):
    monkeypatch.setattr("rlmesh._envs.client.is_reachable", lambda worker: False)
    with level_of_a_factory() as env:
        env.set_attr("level", 5)
        assert env.add(1) == {"level": 6, "calls": 1}


def test_nothing_is_exposed_unless_the_server_says_so():
    with remote(Level(), expose=()) as env:
        for use in (
            lambda: env.get_attr("level"),
            lambda: env.set_attr("level", 5),
            lambda: env.call("level"),
            lambda: env.level,
            lambda: setattr(env, "level", 5),
        ):
            sentence = r"does not expose 'level'; serve with expose=\['level'\]"
            with pytest.raises(UnknownAttribute, match=sentence):
                use()
        assert not hasattr(env, "level")
        assert env.reset()[0] == Tensor.from_values([1], "int64")


def test_a_client_that_asks_all_the_same_is_refused_by_the_server():
    with remote(Level(), expose=["level"]) as env:
        env._client.exposed = ["secret", "_observe", "__class__", "reset"]
        for name in ("secret", "_observe", "__class__"):
            with pytest.raises(UnknownAttribute, match=f"does not expose {name!r}"):
                env.get_attr(name)
        with pytest.raises(UnknownAttribute, match="'reset' .* a method of every client"):
            env.call("reset")


@pytest.mark.parametrize(
    ("expose", "error", "sentence"),
    [
        ("level", TypeError, r"expected a list of names, such as \['level'\], got 'level'"),
        (3, TypeError, "expected a list of names"),
        ([3], TypeError, r"expected names, got 3 \(int\)"),
        (["_level"], ValueError, "public attributes or methods of the env, got '_level'"),
        (["__class__"], ValueError, "public attributes or methods"),
        (["sim.level"], ValueError, "public attributes or methods"),
        (["reset"], ValueError, "'reset' cannot be exposed: it is a method of every client"),
        (["close"], ValueError, "'close' cannot be exposed: the env belongs to whoever serves it"),
        (["unwrapped"], ValueError, "'unwrapped' cannot be exposed: .* the whole env"),
        (["np_random"], ValueError, "'np_random' cannot be exposed: clients seed the env"),
        (["action_space"], ValueError, "'action_space' cannot be exposed: clients know it"),
    ],
)
def test_names_that_cannot_be_exposed_are_refused(expose, error, sentence):
    with pytest.raises(error, match=sentence):
        rlmesh.EnvServer(Level(), expose=expose)


def test_what_the_env_does_not_have_is_not_made_up():
    with served_level() as env:
        for use in (lambda: env.missing, lambda: env.call("missing")):
            with pytest.raises(UnknownAttribute, match="the served env has no attribute 'missing'"):
                use()
        with pytest.raises(UnknownAttribute, match="has no attribute 'missing'"):
            env.missing = 1
        assert not hasattr(env, "missing")


def test_errors_of_the_env_say_so():
    with served_level() as env:
        with pytest.raises(EnvError, match=r"call of the env at .* raised ZeroDivisionError"):
            env.broken()
        with pytest.raises(EnvError, match=r"set_attr of the env at .* raised AttributeError"):
            env.double = 3
        with pytest.raises(InvalidValue, match="the name of a method, got 'level', an attribute"):
            env.call("level")
        with pytest.raises(InvalidValue, match=r"what itself\(\) returned: .* got a levels.Level"):
            env.itself()
        with pytest.raises(InvalidValue, match=r"add\(\)\['args'\]\[0\]\['a'\]: .* got an? object"):
            env.add({"a": object()})
        assert env.calls == 0


def test_the_client_itself_gets_no_attributes():
    with served_level() as env:
        with pytest.raises(UnknownAttribute, match="does not expose 'history'"):
            env.history = []
        with pytest.raises(AttributeError):
            env.contract = None
        env._history = []  # private ones are nobody's but the client's
        assert env._history == []
        with pytest.raises(AttributeError, match="'RemoteEnv' object has no attribute '_nothing'"):
            env._nothing  # noqa: B018


def test_attributes_need_no_reset_and_do_none():
    with served_level() as env:
        env.set_attr("level", 3)
        with pytest.raises(NotReset):
            env.step(0)


def test_a_session_that_set_something_is_not_replaced_in_silence():
    env = Level()
    with rlmesh.EnvServer(env, expose=["level"]) as server:
        address = server.address
        touched, untouched = rlmesh.RemoteEnv(address), None
        touched.set_attr("level", 5)
        touched.reset()
    with rlmesh.EnvServer(Level(), address, expose=["level"]):
        for _ in range(2):
            with pytest.raises(SessionLost, match=r"so is what 'level' did to its env: make a new"):
                touched.reset()
        with rlmesh.RemoteEnv(address) as untouched:
            assert untouched.level == 1
            untouched.reset()
    with rlmesh.EnvServer(Level(2), address, expose=["level"]):
        untouched = rlmesh.RemoteEnv(address)
        untouched.reset()
    with rlmesh.EnvServer(Level(3), address, expose=["level"]):
        assert untouched.reset()[0] == Tensor.from_values([3], "int64")
        untouched.close()


@pytest.mark.parametrize("described", [{"level": 1}, "level", [1], None])
def test_a_server_that_describes_it_otherwise_is_refused(described, monkeypatch):
    description = EnvService.describe
    monkeypatch.setattr(
        EnvService, "describe", lambda self: {**description(self), "expose": described}
    )
    serving = rlmesh.EnvServer(Level())
    with serving as server, pytest.raises(ProtocolError, match="expose is no list of names"):
        rlmesh.RemoteEnv(server.address)


def test_older_servers_expose_nothing(monkeypatch):
    description = EnvService.describe

    def without(self):
        described = dict(description(self))
        del described["expose"]
        return described

    monkeypatch.setattr(EnvService, "describe", without)
    with remote(Level()) as env:
        with pytest.raises(UnknownAttribute, match="does not expose 'level'"):
            env.level  # noqa: B018
        env.reset()


def test_requests_are_counted(capsys):
    with rlmesh.EnvServer(Level(), expose=["level", "add"]) as server:
        with rlmesh.RemoteEnv(server.address) as env:
            env.level = 2
            env.call("add", 1)
            assert env.get_attr("level") == 3
        assert rlmesh.stats(server.address).requests == {"set_attr": 1, "call": 1, "get_attr": 1}


class Levels:
    """A vector of Level."""

    num_envs = 2
    metadata = {"autoreset_mode": "Disabled"}

    def __init__(self):
        self.levels = [Level(1), Level(2)]
        one = self.levels[0]
        self.single_observation_space, self.single_action_space = (
            one.observation_space,
            one.action_space,
        )
        self.observation_space = one.observation_space.batched(2)
        self.action_space = one.action_space.batched(2)

    def reset(self, *, seed=None, options=None):
        observed = [level.reset()[0] for level in self.levels]
        return self.single_observation_space.stack_values(observed), {}

    def step(self, actions):
        raise NotImplementedError


class Reachable(Levels):
    """With Gymnasium's way to its sub-envs."""

    def call(self, name, *args, **kwargs):
        found = [getattr(level, name) for level in self.levels]
        return tuple(one(*args, **kwargs) if callable(one) else one for one in found)

    def get_attr(self, name):
        return self.call(name)

    def set_attr(self, name, values):
        for level, value in zip(self.levels, values):
            setattr(level, name, value)


def test_a_vector_env_gives_its_sub_envs():
    serving = rlmesh.EnvServer(Reachable(), expose=["level", "add"])
    with serving as server, rlmesh.RemoteVectorEnv(server.address) as env:
        assert env.get_attr("level") == (1, 2)
        env.set_attr("level", [5, 6])
        assert env.reset()[0] == Tensor.from_values([[5], [6]], "int64")
        assert env.call("add", 1) == ({"level": 6, "calls": 1}, {"level": 7, "calls": 1})
        with pytest.raises(UnknownAttribute, match=r"sub-envs: use get_attr\('level'\)"):
            env.level  # noqa: B018
        with pytest.raises(UnknownAttribute, match=r"sub-envs: use set_attr\('level'\)"):
            env.level = 5
        with pytest.raises(UnknownAttribute, match=r"serve with expose=\['calls'\]"):
            env.get_attr("calls")


def test_a_vector_env_without_a_way_to_its_sub_envs_says_so():
    serving = rlmesh.EnvServer(Levels(), expose=["level"])
    with serving as server, rlmesh.RemoteVectorEnv(server.address) as env:
        assert env.reset()[0] == Tensor.from_values([[1], [2]], "int64")
        with pytest.raises(UnknownAttribute, match=r"env, a Levels, has no get_attr\(\)"):
            env.get_attr("level")
