"""A process of one contender in a scenario of `sleeping.py`; `parallel.py` starts these.

    sleeping_lanes.py CONTENDER SCENARIO EPISODES STEPS

Its envs and servers are forked from it. It prints the versions of what it runs; then, for each line
of its standard input, it plays a round and prints the seconds. It ends when the input does.
"""

from __future__ import annotations

import sys
import tempfile
from multiprocessing.connection import Connection
from typing import Any, Callable, Dict, List

import numpy as np
from answers import answer, versions
from forks import FORK, Announce, fork
from sleeping import LANES, MAX_BATCH, SCENARIOS, Play, Scenario, SleepingEnv, SleepingPolicy, Spans

Round = Callable[[], None]


def main() -> None:
    """Do what the command line says."""
    name, scenario, episodes, steps = sys.argv[1:]
    play = Play(int(episodes), int(steps))
    with tempfile.TemporaryDirectory() as folder:
        play_round = _connect(name)(SCENARIOS[scenario], play, folder)
        spans = Spans(folder)
        answer(versions())
        for _ in sys.stdin:
            spans.clear()
            play_round()
            answer(spans.seconds(play))


def _connect(name: str) -> Callable[[Scenario, Play, str], Round]:
    """Return what starts a contender, importing only what it needs."""
    if name in _OURS:
        return _OURS[name]
    import sleeping_peers

    return sleeping_peers.PEERS[name]


def _reference(scenario: Scenario, play: Play, folder: str) -> Round:
    """Lockstep over pipes: every cycle predicts for all lanes that have an episode, together."""
    pipes: List[Connection] = []
    for lane in range(LANES):
        pipe, theirs = FORK.Pipe()
        env = (scenario, play.steps, lane, folder)
        FORK.Process(target=_obey, args=(env, theirs), daemon=True).start()
        theirs.close()
        pipes.append(pipe)
    policy = SleepingPolicy(scenario)

    def play_round() -> None:
        seeds = iter(range(play.episodes))
        observations: Dict[Connection, np.ndarray] = {}

        def take_episode(pipe: Connection) -> None:
            for seed in seeds:
                pipe.send(("reset", seed))
                observations[pipe] = pipe.recv()
                return

        for pipe in pipes:
            take_episode(pipe)
        while observations:
            actions = policy.predict_batch(np.stack(list(observations.values())))
            stepping = list(observations)
            observations.clear()
            for pipe, action in zip(stepping, actions):
                pipe.send(("step", action))
            for pipe in stepping:
                observation, over = pipe.recv()
                if over:
                    take_episode(pipe)
                else:
                    observations[pipe] = observation

    return play_round


def _obey(arguments: Any, pipe: Connection) -> None:
    env = SleepingEnv(*arguments)
    while True:
        method, argument = pipe.recv()
        pipe.send(getattr(env, method)(argument))


def _local(scenario: Scenario, play: Play, folder: str) -> Round:
    """Ours: a model here, and a served env for each lane."""
    import rlmesh.numpy

    addresses = _serve_our_envs(scenario, play, folder)
    model = rlmesh.numpy.Model(SleepingPolicy(scenario))

    def play_round() -> None:
        model.run(addresses, seeds=range(play.episodes), max_batch_size=MAX_BATCH)

    return play_round


def _served(scenario: Scenario, play: Play, folder: str) -> Round:
    """Ours: a served model, and a served env for each lane."""
    import rlmesh.numpy

    addresses = _serve_our_envs(scenario, play, folder)
    model_address = fork(_serve_our_model, scenario, f"unix://{folder}/model")
    model = rlmesh.numpy.RemoteModel(model_address)

    def play_round() -> None:
        model.run(addresses, seeds=range(play.episodes))

    return play_round


def _factory(scenario: Scenario, play: Play, folder: str) -> Round:
    """Ours: a model here, and one server that makes the lanes' envs in processes of their own.

    Each run has fresh ones, for which the server starts others at once when the run has ended. A
    round is over when these are there, so that no other contender is disturbed by their start.
    """
    import rlmesh.numpy

    address = fork(_serve_our_factory, scenario, play.steps, folder, f"unix://{folder}/envs")
    model = rlmesh.numpy.Model(SleepingPolicy(scenario))
    rounds = 0

    def play_round() -> None:
        nonlocal rounds
        rounds += 1
        model.run(address, concurrency=LANES, seeds=range(play.episodes), max_batch_size=MAX_BATCH)
        Spans(folder).wait((rounds + 1) * LANES)

    return play_round


def _serve_our_factory(
    scenario: Scenario, steps: int, folder: str, address: str, announce: Announce
) -> None:
    import rlmesh

    kwargs = {"title": scenario.title, "steps": steps, "lane": 0, "folder": folder}
    options = rlmesh.ServeOptions(max_sessions=LANES)
    server = rlmesh.EnvServer("sleeping_gym:make", address, options=options, env_kwargs=kwargs)
    announce(server.bind())
    server.serve()


def _serve_our_envs(scenario: Scenario, play: Play, folder: str) -> List[str]:
    return [
        fork(_serve_our_env, scenario, play.steps, lane, folder, f"unix://{folder}/env-{lane}")
        for lane in range(LANES)
    ]


def _serve_our_env(
    scenario: Scenario, steps: int, lane: int, folder: str, address: str, announce: Announce
) -> None:
    from sleeping_gym import SleepingGymEnv

    import rlmesh

    server = rlmesh.EnvServer(SleepingGymEnv(scenario, steps, lane, folder), address)
    announce(server.bind())
    server.serve()


def _serve_our_model(scenario: Scenario, address: str, announce: Announce) -> None:
    import rlmesh
    import rlmesh.numpy

    options = rlmesh.ServeOptions(max_batch_size=MAX_BATCH)
    model = rlmesh.numpy.Model(SleepingPolicy(scenario))
    server = rlmesh.ModelServer(model, address, options=options)
    announce(server.bind())
    server.serve()


_OURS = {"reference": _reference, "local": _local, "served": _served, "factory": _factory}

if __name__ == "__main__":
    main()
