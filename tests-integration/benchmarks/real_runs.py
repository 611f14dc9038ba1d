"""The second part of `parallel.py`: real envs and a torch network, which is seeded but untrained.

    real_runs.py ENV EPISODES STEPS

is the process of one env's runs. It forks eight servers of the env, and starts one of the model.
For each line of its standard input, `sequential`, `local` or `served`, it runs the episodes, and
prints the seconds, whether the result is equal to that of the first run, and the timing.

All three pad their batches to eight observations, and torch has one thread: only so can results be
identical.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from statistics import median
from typing import Any, Dict, List, NamedTuple

from answers import answer, versions
from forks import Announce, fork
from rounds import Client, print_table, print_versions

_LANES = 8
_MODES = ("sequential", "local", "served")


class _Effort(NamedTuple):
    episodes: int
    steps: int


_FULL, _QUICK = _Effort(16, 200), _Effort(8, 5)
_MUJOCO, _ATARI = "HalfCheetah-v5", "ALE/Pong-v5"


def measure(rounds: int, quick: bool) -> None:
    """Print the table, whether results are identical, and each timing line."""
    effort = _QUICK if quick else _FULL
    cells: Dict[str, List[float]] = {}
    lines = []
    for env in (_MUJOCO, _ATARI):
        with contextlib.closing(_client(env, effort)) as client:
            client.wait()
            answers: Dict[str, List[Any]] = {mode: [] for mode in _MODES}
            order = random.Random(env)
            for _ in range(rounds):
                for mode in order.sample(_MODES, len(_MODES)):
                    answers[mode].append(client.ask(mode))
        times = {mode: [one["seconds"] for one in answers[mode]] for mode in _MODES}
        speed = [
            median(one / other for one, other in zip(times["sequential"], times[mode]))
            for mode in _MODES[1:]
        ]
        cells[env] = [*(median(times[mode]) for mode in _MODES), *speed]
        for mode in _MODES:
            same = all(one["identical"] for one in answers[mode])
            word = "identical" if same else "NOT IDENTICAL"
            lines.append(f"{env}, {mode}: {word}; {answers[mode][-1]['timing']}")
    columns = [f"{mode} s" for mode in _MODES] + ["sequential/local", "sequential/served"]
    title = f"{effort.episodes} episodes of at most {effort.steps} steps: median of {rounds} rounds"
    print_table(f"real: {title}", columns, cells, "that all results are identical, or not", "env")
    print("\n".join(["", *lines, ""]))
    print_versions([("real", "ours")], {"real": client.versions})


def _client(env: str, effort: _Effort) -> Client:
    return Client(env, sys.executable, "real_runs.py", env, *map(str, effort))


def main() -> None:
    """Run what the standard input says."""
    env, episodes, steps = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        # What all processes import, before they are forked.
        import rlmesh.torch

        make_env(env).close()
        addresses = [fork(_serve_env, env, f"unix://{folder}/env-{n}") for n in range(_LANES)]
        served = fork(_serve_model, env, f"unix://{folder}/model")
        local, remote = make_model(env), rlmesh.torch.RemoteModel(served)
        padded = {"batch_padding": True, "max_batch_size": _LANES}
        runs = {
            "sequential": (local, addresses[0], padded),
            "local": (local, addresses, padded),
            "served": (remote, addresses, {}),
        }

        def run(mode: str) -> Any:
            model, envs, more = runs[mode]
            return model.run(envs, seeds=range(int(episodes)), max_episode_steps=int(steps), **more)

        expected = run("sequential")
        answer(versions())
        for line in sys.stdin:
            result = run(line.strip())
            identical = result == expected
            seconds = result.timing.seconds
            answer({"seconds": seconds, "identical": identical, "timing": str(result.timing)})


def make_env(name: str) -> Any:
    """Return an env; of an Atari one, four grey frames of 84x84."""
    import gymnasium

    if name == _MUJOCO:
        return gymnasium.make(name)
    env = gymnasium.make(f"ale_py:{name}", frameskip=1)
    return gymnasium.wrappers.FrameStackObservation(gymnasium.wrappers.AtariPreprocessing(env), 4)


def make_model(env: str) -> Any:
    """Return a model with seeded weights."""
    import torch

    import rlmesh.torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    nn = torch.nn
    if env == _MUJOCO:
        layers = [nn.Linear(17, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 6)]
        network = nn.Sequential(*layers, nn.Tanh())
    else:
        layers = [nn.Conv2d(4, 16, 8, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 4, stride=2)]
        network = nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(32 * 9 * 9, 6))

    class Policy:
        @torch.no_grad()
        def predict_batch(self, observations: torch.Tensor) -> torch.Tensor:
            if env == _MUJOCO:
                return network(observations.float())
            return network(observations / 255).argmax(dim=1)

    return rlmesh.torch.Model(Policy())


def _serve_env(name: str, address: str, announce: Announce) -> None:
    import rlmesh

    server = rlmesh.EnvServer(make_env(name), address)
    announce(server.bind())
    server.serve()


def _serve_model(env: str, address: str, announce: Announce) -> None:
    import rlmesh

    options = rlmesh.ServeOptions(batch_padding=True, max_batch_size=_LANES)
    server = rlmesh.ModelServer(make_model(env), address, options=options)
    announce(server.bind())
    server.serve()


if __name__ == "__main__":
    main()
