"""Adapted runs of real envs have the result of a loop in which the same is written by hand."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, List, Tuple

import cv2
import envs
import gymnasium
import numpy as np
import pytest
from servers import Servers

import rlmesh
import rlmesh.adapters as adapt
import rlmesh.numpy

TORQUES = "action/torques"
BUTTON = "action/button"
LEGS = ["bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot"]

CHEETAH = adapt.EnvTags(
    adapt.Split(adapt.Field(adapt.JOINT_POS, dim=8), adapt.Field(adapt.JOINT_VEL, dim=9)),
    adapt.Action(adapt.Actuator(TORQUES, labels=LEGS, range=(-1, 1), clip=True)),
)
CHEETAH_SPEC = adapt.ModelSpec(
    (adapt.State(adapt.JOINT_VEL, dim=6, clip=(-5, 5)), adapt.State(adapt.JOINT_POS, index=1)),
    adapt.Action(adapt.Actuator(TORQUES, labels=LEGS[::-1], range=(0, 4))),
)


outputs: List[List[float]] = []
"""What the policies have returned, of which the reward shows little."""


def noted(output: Any) -> Any:
    outputs.append(output.tolist())
    return output


def run_cheetah(payload: Any) -> Any:
    velocities, angle = payload
    return noted(2 + velocities / 2 + angle)


def run_cheetah_by_hand(observation: Any) -> Any:
    velocities = np.clip(observation[8:14], -5, 5).astype(np.float32)
    output = run_cheetah((velocities, observation[1:2].astype(np.float32)))
    return np.clip(output / 4 * 2 - 1, -1, 1)[::-1].astype(np.float32)


PONG = adapt.EnvTags(adapt.ImageTag(adapt.IMAGE_PRIMARY), adapt.Action(adapt.Actuator(BUTTON, 1)))
PONG_SPEC = adapt.ModelSpec(
    adapt.Image(
        adapt.IMAGE_PRIMARY,
        size=84,
        fit="stretch",
        resample="area",
        channels=1,
        convert_channels=True,
        layout="chw",
        stack=4,
    ),
    adapt.Action(adapt.Actuator(BUTTON, 1, scale=5)),
)


def play_pong(frames: Any) -> Any:
    assert frames.shape == (4, 1, 84, 84)
    assert frames.dtype == np.uint8
    return noted(np.array([frames.sum(dtype=np.uint32) % 101 / 100], np.float32))


class PongByHand:
    def __init__(self) -> None:
        self.frames: Deque[Any] = deque(maxlen=4)

    def __call__(self, observation: Any) -> int:
        small = cv2.resize(observation, (84, 84), interpolation=cv2.INTER_AREA).astype(np.int64)
        frame = np.rint(small @ [299, 587, 114] / 1000).astype(np.uint8)
        self.frames.extend([frame] * (1 if self.frames else 4))
        return int(np.rint(play_pong(np.stack(self.frames)[:, None])[0] * 5))


def by_hand(env: Any, new_policy: Callable[[], Any], seeds: Any) -> List[Tuple[int, float]]:
    """Return length and reward of each episode."""
    outcomes = []
    for seed in seeds:
        policy = new_policy()
        observation, _ = env.reset(seed=seed)
        steps, total, is_over = 0, 0.0, False
        while not is_over and steps < 200:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            steps, total, is_over = steps + 1, total + float(reward), terminated or truncated
        outcomes.append((steps, total))
    env.close()
    return outcomes


def tagged(env_id: str) -> gymnasium.Env[Any, Any]:
    """Return an env with its tags, below a wrapper that leaves its spaces alone."""
    tags = PONG if env_id.startswith("ALE/") else CHEETAH
    return gymnasium.wrappers.RecordEpisodeStatistics(adapt.tag(envs.make(env_id), tags))


@pytest.mark.parametrize("where", ["here", "served"])
@pytest.mark.parametrize(
    ("env_id", "spec", "predict", "new_policy"),
    [
        ("HalfCheetah-v5", CHEETAH_SPEC, run_cheetah, lambda: run_cheetah_by_hand),
        ("ALE/Pong-v5", PONG_SPEC, play_pong, PongByHand),
    ],
    ids=["HalfCheetah", "Pong"],
)
def test_an_adapted_run_has_the_result_of_a_loop_by_hand(
    env_id: str, spec: Any, predict: Any, new_policy: Any, where: str, serve: Servers
) -> None:
    outputs.clear()
    expected = by_hand(envs.make(env_id), new_policy, range(3))
    expected_outputs = outputs.copy()
    outputs.clear()
    env: Any = tagged(env_id)
    if where == "served":
        env = serve("adapters.test_real_envs:tagged", kwargs={"env_id": env_id}).address
    result = rlmesh.numpy.Model(predict, spec=spec).run(env, seeds=range(3), max_episode_steps=200)
    assert [(episode.steps, episode.reward) for episode in result.episodes] == expected
    assert outputs == expected_outputs
    assert len(set(map(str, outputs))) > 50


def test_tags_go_through_wrappers_and_contracts() -> None:
    env = tagged("HalfCheetah-v5")
    assert adapt.EnvTags.from_dict(env.metadata["rlmesh.tags"]) == CHEETAH
    with rlmesh.EnvServer(env, "tcp://127.0.0.1:0") as server, rlmesh.RemoteEnv(
        server.address
    ) as remote:
        adapter = adapt.resolve_from_contract(remote.contract, CHEETAH_SPEC)
    assert "in the order bthigh" in adapter.explain()


CART = adapt.EnvTags(
    adapt.StateTag("proprio/cart"),
    adapt.Action(adapt.Actuator("action/push", dim=1)),
)
CART_SPEC = adapt.ModelSpec(
    adapt.State("proprio/cart", dtype="float64"),
    adapt.Action(adapt.Actuator("action/push", dim=1, offset=0.5)),
)


class Pushes:
    """Pushes to where the pole falls, and two times the other way.

    Args:
        form: Of what it returns.
    """

    def __init__(self, form: str) -> None:
        self.form = form

    def predict_chunk(self, payload: Any) -> Any:
        push = 0.5 if payload[2] > 0 else -0.5
        chunk = [push, -push, -push]
        if self.form == "numbers":
            return chunk
        return [[one] for one in chunk] if self.form == "lists" else np.array(chunk)[:, None]


@pytest.mark.parametrize("form", ["numbers", "lists", "arrays"])
@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_chunks_for_a_discrete_space_are_adapted_whatever_holds_them(
    form: str, horizon: int
) -> None:
    env = gymnasium.make("CartPole-v1")
    expected = 0
    observation, _ = env.reset(seed=3)
    terminated = False
    while not terminated:
        if expected % horizon == 0:
            push = int(observation[2] > 0)
        observation, _, terminated, _, _ = env.step(1 - push if expected % horizon else push)
        expected += 1
    model = rlmesh.numpy.Model(Pushes(form), spec=CART_SPEC)
    result = model.run(adapt.tag(env, CART), seeds=[3], execution_horizon=horizon)
    assert result.total_steps == expected


class OneByOne(adapt.AdapterBase):
    """Takes one output at a time."""

    def transform_obs(self, observation: Any) -> Any:
        return observation

    def transform_action(self, output: Any) -> Any:
        assert output.shape == (1,)
        return int(output[0] > 0)


def test_an_adapter_written_by_hand_gets_the_outputs_of_a_chunk_one_by_one() -> None:
    env = gymnasium.make("CartPole-v1")
    usual = rlmesh.numpy.Model(Pushes("arrays"), spec=CART_SPEC)
    by_hand = rlmesh.numpy.Model(Pushes("arrays"), spec=OneByOne())
    options: Any = {"seeds": [3], "execution_horizon": 3}
    assert by_hand.run(env, **options) == usual.run(adapt.tag(env, CART), **options)
