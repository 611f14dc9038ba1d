"""What is often passed or returned by mistake gets a sentence that says what to write instead."""

from __future__ import annotations

import asyncio
import functools
import pathlib

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import Model, RunHooks, Tensor
from rlmesh.errors import InvalidValue, ModelError
from rlmesh.spaces import Box, Dict, Discrete, Text


class Env(Countdown):
    """A countdown with any action space."""

    def __init__(self, action_space):
        super().__init__()
        self.action_space = action_space

    def step(self, action):
        return super().step(1)


ARM = Box(-1, 1, (2,))
FITS = Tensor.from_values([0, 1], "float32")


async def wait():
    """Stand for something that takes time."""


@pytest.mark.parametrize(
    ("space", "returned", "words"),
    [
        (Discrete(2), None, "got None; did predict forget to return it?"),
        (Discrete(2), (1, None), "return the action alone: predict(observation)[0]"),
        (Discrete(2), [1, {"state": 3}], "return the action alone: predict(observation)[0]"),
        (Discrete(2), Tensor.from_values([1], "int64"), "return the element: .item()"),
        (Discrete(2), Tensor.from_values([0.5, 1], "float32"), "the best one's index: .argmax()"),
        (Discrete(2), 1.0, "convert it: int(action)"),
        (Discrete(2), (i for i in [1]), "return the action, where predict has yield"),
        (ARM, None, "got None; did predict forget to return it?"),
        (ARM, (FITS, None), "return the action alone: predict(observation)[0]"),
        (ARM, (FITS, FITS), "return the action alone: predict(observation)[0]"),
        (
            ARM,
            Tensor.from_values([0, 1], "float64"),
            'dtype: expected float32, got float64; convert it: .astype("float32") in NumPy and JAX,'
            " .float() in torch",
        ),
        (
            Box(0, 9, (1,), "int64"),
            Tensor.from_values([1], "float32"),
            'convert it: .astype("int64") in NumPy and JAX, .to(torch.int64) in torch',
        ),
        (ARM, Tensor.from_values([[0, 1]], "float32"), "of a batch of one, return its element"),
        (ARM, Tensor.from_values([[0, 1]] * 3, "float32"), "for predict_chunk and predict_batch"),
        (Box(-1, 1, (1,)), 0.5, "put it into a list: [action]"),
        (Dict({"arm": ARM}), ({"arm": FITS}, None), "return the action alone"),
        (Dict({"arm": ARM}), {"arm": None}, "action['arm']: expected an array"),
        (Dict({"arm": ARM}), None, "did predict forget to return it?"),
    ],
)
def test_an_action_that_does_not_fit_says_what_to_return(make_model, space, returned, words):
    with pytest.raises(InvalidValue) as caught:
        make_model(lambda observation: returned).run(Env(space), seeds=[1])
    assert words in str(caught.value)
    assert str(caught.value).splitlines()[0].count(";") <= 1


@pytest.mark.parametrize("space", [Discrete(2), ARM, Dict({"arm": ARM}), Text(9)])
def test_a_coroutine_that_predict_returns_is_no_action(make_model, space):
    with pytest.raises(InvalidValue, match=r"\(coroutine\)"):
        make_model(lambda observation: wait()).run(Env(space), seeds=[1])


@pytest.mark.parametrize("name", ["predict_batch", "predict_chunk", "predict_chunk_batch"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: None, "did predict forget to return it?"),
        (lambda: ([1], None), r"return the action alone: predict\(observation\)\[0\]"),
        (wait, "RLMesh does not await"),
    ],
)
def test_no_batch_and_no_chunk_says_what_to_return(name, make, words):
    source = type("Policy", (), {name: lambda self, observations: make()})()
    with pytest.raises(InvalidValue, match=words):
        Model(source).run(Countdown(), seeds=[1])


def test_other_values_get_no_advice_on_predict():
    with pytest.raises(InvalidValue) as caught:
        ARM.conform((FITS, None), "observation")
    assert "predict" not in str(caught.value)
    with pytest.raises(InvalidValue) as caught:
        Discrete(2).conform(None, "observation")
    assert str(caught.value) == "observation: expected an integer, got None"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Countdown(), r"this is an env, which goes to run: Model\(policy\).run\(env\)"),
        ("model.zip", "this is a path or a text: load the policy from it"),
        (pathlib.Path("model.zip"), "this is a path or a text: load the policy from it"),
        ({"weight": 1}, "this is a dict: load its weights into a network"),
        (Countdown, "got a class: Countdown; pass an instance of it, or factory=Countdown"),
    ],
)
def test_what_is_no_policy_says_where_it_belongs(source, words):
    with pytest.raises(TypeError, match=words):
        Model(source)


def library(module, **methods):
    """Return an object of a class of another library, which is not imported for this."""
    for name, method in methods.items():
        method.__module__, method.__name__ = module, name
    return type("PPO", (), {"__module__": module, **methods})()


@pytest.mark.parametrize("module", ["stable_baselines3.common.base_class", "sb3_contrib.trpo"])
def test_a_policy_that_returns_a_state_is_refused_when_the_model_is_made(module):
    agent = library(module, predict=lambda self, observation, state=None: (1, None))
    words = r"PPO.predict returns .* Model\(lambda observation: agent.predict\(observation, determ"
    for source in (agent, agent.predict):
        with pytest.raises(TypeError, match=words):
            Model(source)
    own = type("Own", (type(agent),), {"predict": lambda self, observation: 1})()
    assert Model(own).run(Countdown(), seeds=[2]).total_reward == 3


async def act(observation):
    return 1


class Async:
    async def __call__(self, observation):
        return 1


@pytest.mark.parametrize("name", ["predict", "predict_chunk", "predict_batch"])
def test_an_async_predict_is_refused_when_the_model_is_made(name):
    async def predict(self, observation):
        return 1

    words = r"expected a plain function, got the async def .* asyncio.run\(...\)"
    with pytest.raises(TypeError, match=f"{name}: {words}"):
        Model(type("Policy", (), {name: predict})())
    with pytest.raises(TypeError, match=f"{name}: {words}"):
        type("Own", (Model,), {name: predict})()
    for source in (act, Async(), functools.partial(act)):
        with pytest.raises(TypeError, match=words):
            Model(source)

    async def generate(observation):
        yield 1

    with pytest.raises(TypeError, match=words):
        Model(generate)


async def told(*arguments):
    """Be told something."""


def tells(*arguments):
    return told()


@pytest.mark.parametrize("name", ["on_reset", "on_episode_end", "on_close"])
def test_an_async_callback_is_refused(name, make_model):
    with pytest.raises(TypeError, match=f"{name}: expected a plain function, got the async def"):
        Model(len, **{name: told})
    method = {"on_reset": "reset", "on_close": "close"}.get(name, name)
    source = type("Policy", (), {"predict": lambda self, o: 1, method: told})()
    with pytest.raises(TypeError, match=f"{name}: expected a plain function, got the async def"):
        Model(source)
    if name == "on_close":
        with pytest.raises(TypeError, match="on_close: .* returned a coroutine"):
            Model(lambda observation: 1, on_close=tells).run(Countdown(), seeds=[1])
        return
    model = make_model(lambda observation: 1, **{name: tells})
    with pytest.raises((TypeError, ModelError), match=f"{name}: .* returned a coroutine, which"):
        model.run(Countdown(), seeds=[1])


def test_an_async_load_or_factory_is_refused():
    with pytest.raises(TypeError, match="load: expected a plain function, got the async def"):
        type("Own", (Model,), {"load": told, "predict": lambda self, o: 1})()
    with pytest.raises(TypeError, match="load: .* returned a coroutine"):
        type("Own", (Model,), {"load": tells, "predict": lambda self, o: 1})()
    with pytest.raises(TypeError, match="factory: expected a plain function, got the async def"):
        Model(factory=told)
    with pytest.raises(TypeError, match="got <coroutine .*RLMesh does not await"):
        Model(factory=tells)


HOOKS = [name for name in vars(RunHooks) if name.startswith("on_")]


@pytest.mark.parametrize("name", HOOKS)
def test_an_async_hook_is_refused(name, make_model):
    model = make_model(lambda observation: 1)
    env = Countdown()
    with pytest.raises(TypeError, match=f"hooks.{name}: expected a plain function"):
        model.run(env, hooks=type("Hooks", (RunHooks,), {name: told})())
    assert env.log == []

    def returns(*arguments):
        return told()

    returns.__name__ = name
    fails = make_model(lambda observation: 1 if name != "on_episode_error" else "x")
    with pytest.raises(TypeError, match=f"{name}: .* returned a coroutine"):
        fails.run(Countdown(), seeds=[1], hooks=type("Hooks", (RunHooks,), {name: returns})())


@pytest.mark.parametrize("name", ["on_result", "progress"])
def test_an_async_listener_is_refused(name, make_model, tmp_path):
    model = make_model(lambda observation: 1)
    with pytest.raises(TypeError, match=f"{name}: expected a plain function"):
        model.run(Countdown(), seeds=[1], **{name: told})
    with pytest.raises(TypeError, match=f"{name}: .* returned a coroutine"):
        model.run(Countdown(), seeds=[1], **{name: tells})
    if name == "on_result":
        with rlmesh.EnvServer(Countdown(), f"unix://{tmp_path}/s") as server:
            with pytest.raises(TypeError, match=f"{name}: expected a plain function"):
                model.run_local(server.address, on_result=told)
            with pytest.raises(TypeError, match=f"{name}: .* returned a coroutine"):
                model.run_local_for_episodes(server.address, max_episodes=1, on_result=tells)


def test_a_run_inside_a_running_loop_blocks_it_and_works():
    async def main():
        return Model(lambda observation: 1).run(Countdown(), seeds=[2])

    assert asyncio.run(main()).total_reward == 3


def test_predict_may_run_a_loop_of_its_own():
    model = Model(lambda observation: asyncio.run(act(observation)))
    assert model.run(Countdown(), seeds=[2]).total_reward == 3
