"""The turns of `adapter.py`: an adapter's two halves in each framework, and the same by hand."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns
from typing import Any, Callable, Dict, List, NamedTuple

import by_hand
import numpy as np
import pairs
from turns import Turn

_OBSERVATIONS = 4
"""Different ones, in turns: an env's images are not in the cache each time."""


class Framework(NamedTuple):
    """What the turns need of a framework.

    Attributes:
        array: Makes one of its arrays of NumPy's.
        wait: Waits for what is computed meanwhile.
        hands: The work written by hand, by the turn's name.
    """

    array: Callable[[Any], Any]
    wait: Callable[[Any], Any]
    hands: Dict[str, Callable[[str], by_hand.Functions]]


def _same(value: Any) -> Any:
    return value


def _numpy() -> Framework:
    return Framework(_same, _same, {"hand": by_hand.by_numpy})


def _peer() -> Framework:
    return Framework(_same, _same, {})


def _torch() -> Framework:
    import torch

    # Threads wait for each other, so that more of them would measure what else is running.
    torch.set_num_threads(1)
    return Framework(torch.from_numpy, _same, {"hand": by_hand.by_torch})


def _jax() -> Framework:
    import jax

    hands = {"hand": by_hand.by_jax_gathers, "library": by_hand.by_jax}
    return Framework(jax.device_put, jax.block_until_ready, hands)


_FRAMEWORKS = {"numpy": _numpy, "torch": _torch, "jax": _jax, "peer": _peer}


class Different(Exception):
    """Two ways to do the same work do not give the same."""


def connect(name: str, fit: str) -> Dict[str, Turn]:
    """Return the turns in one framework; each of their steps is one observation and one action.

    Args:
        name: `"numpy"`, `"torch"` or `"jax"`; `"peer"` under the peer's Python.
        fit: What is done about the aspect of the pictures.

    Raises:
        Different: The adapter does not do what is written by hand.
    """
    framework = _FRAMEWORKS[name]()
    observations = [
        {key: framework.array(value) for key, value in one.items()}
        for one in pairs.observations(_OBSERVATIONS)
    ]
    output = framework.array(pairs.OUTPUT)
    ways = {"ours": pairs.resolved(fit)}
    ways.update({turn: hand(fit) for turn, hand in framework.hands.items()})
    for way in ways.values():
        _check(ways["ours"], way, observations[0], output)

    def both(way: Any, observation: Any) -> Any:
        payload = framework.wait(way.transform_obs(observation))
        return payload, framework.wait(way.transform_action(output))

    def action(observation: Any) -> Any:
        return framework.wait(ways["ours"].transform_action(output))

    steps = {turn: partial(both, way) for turn, way in ways.items()}
    return {turn: _turn(step, observations) for turn, step in {**steps, "action": action}.items()}


def _check(ours: Any, other: Any, observation: Any, output: Any) -> None:
    """Check that two ways agree: within one grey level for pictures, within 1e-5 for the rest."""
    found, wanted = (
        {**way.transform_obs(observation), "action": way.transform_action(output)}
        for way in (ours, other)
    )
    for name, value in wanted.items():
        limit = 2 / 255 + 1e-5 if name in pairs.CAMERAS else 1e-5
        one, two = np.asarray(found[name]), np.asarray(value)
        if one.shape != two.shape or not np.abs(one - two).max() <= limit:
            raise Different(f"{name}: expected the same as by hand, within {limit:.2g}")


def _turn(step: Callable[[Any], Any], observations: List[Any]) -> Turn:
    """Return the turn that takes the observations one after the other."""

    def turn(seconds: float) -> List[int]:
        times: List[int] = []
        result: Any = None
        ended = perf_counter_ns()
        deadline = ended + int(seconds * 1e9)
        while ended < deadline or not times:
            observation = observations[len(times) % len(observations)]
            started = perf_counter_ns()
            # Freeing the result before this one is part of the price of a step.
            result = step(observation)
            ended = perf_counter_ns()
            times.append(ended - started)
        del result
        return times

    return turn
