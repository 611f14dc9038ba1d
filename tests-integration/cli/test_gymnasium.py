"""The command with Gymnasium's envs, each side in a process of its own."""

from __future__ import annotations

import gymnasium
import pytest

from rlmesh import RemoteEnv


def local_result(seeds):
    """Return mean reward and number of steps of `policies:upright` without RLMesh."""
    env = gymnasium.make("CartPole-v1")
    steps = 0
    for seed in seeds:
        observation, _ = env.reset(seed=seed)
        over = False
        while not over:
            _, _, angle, angular_velocity = observation
            action = int(angle + 0.5 * angular_velocity > 0)
            observation, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
            steps += 1
    env.close()
    return steps / len(seeds), steps


@pytest.mark.parametrize(
    "policy",
    [
        ["policies:upright"],
        ["policies:upright_array"],
        ["policies:upright_array", "--backend", "numpy"],
        ["policies:upright", "--backend", "native"],
    ],
)
def test_a_policy_earns_what_it_earns_without_us(rlmesh, policy):
    name, *options = policy
    address = rlmesh.serve("CartPole-v1")
    done = rlmesh.run("run", name, address, "--seeds", "3:6", *options)
    assert (done.returncode, done.stderr) == (0, "")
    reward, steps = local_result(range(3, 6))
    assert done.stdout.splitlines()[-2].split()[:4] == ["3", f"{reward:.6g}", "-", f"{steps:,}"]


@pytest.mark.parametrize(
    ("name", "env_id", "max_episode_steps"),
    [
        ("CartPole-v1", "CartPole-v1", 500),
        ("registers:Here/Cart-v0", "Here/Cart-v0", 5),
        ("registers:Both", "Acrobot-v1", 500),
        ("gymnasium.envs.classic_control:CartPoleEnv", "CartPoleEnv", None),
    ],
)
def test_an_id_a_module_with_an_id_and_a_callable_are_envs(rlmesh, name, env_id, max_episode_steps):
    with RemoteEnv(rlmesh.serve(name)) as env:
        assert env.contract.env_id == env_id
        assert env.contract.max_episode_steps == max_episode_steps


def test_kwargs_go_to_make(rlmesh):
    address = rlmesh.serve("CartPole-v1", "--kwargs", '{"render_mode": "rgb_array"}')
    with RemoteEnv(address) as env:
        assert env.render_mode == "rgb_array"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NoSuchEnv-v0", "env: Environment `NoSuchEnv` doesn't exist."),
        ("CartPole-v99", "env: Environment version `v99` for environment `CartPole` doesn't"),
        ("no id at all", "env: Malformed environment ID: no id at all."),
        ("policies:NoSuchEnv-v0", "env: 'policies' has no callable 'NoSuchEnv-v0': Environment"),
    ],
)
def test_an_unknown_id_is_a_sentence(rlmesh, name, sentence):
    done = rlmesh.run("serve", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"rlmesh: {sentence}")
    assert done.stderr.count("\n") == 1
