"""One turn of a contender: it takes steps for a while, times each, and checks each observation.

Every contender uses this module, under its own Python, so it imports nothing of ours.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter_ns
from typing import Any, Callable, List

from payloads import ACTION, arrays_of, check, counting_bytes, initial_observation

Turn = Callable[[float], List[int]]
"""Takes steps for so many seconds, at least a few, and returns the nanoseconds of each."""

_FEWEST_STEPS = 1
_FEWEST_STEPS_OF_AN_EPISODE = 4


def turn_of_steps(
    payload: str,
    step: Callable[[], Any],
    find_bytes: Callable[[Any], List[int]],
    reset: Callable[[], Any],
) -> Turn:
    """Return the turn that calls a function again and again.

    Args:
        payload: What the env sends.
        step: Takes one step.
        find_bytes: Finds the counting bytes in what that returns.
        reset: Has the env count from zero; called at the start of a turn.
    """
    arrays = len(arrays_of(initial_observation(payload)))

    def turn(seconds: float) -> List[int]:
        reset()
        times: List[int] = []
        result: Any = None
        ended = perf_counter_ns()
        deadline = ended + int(seconds * 1e9)
        while ended < deadline or len(times) < _FEWEST_STEPS:
            started = perf_counter_ns()
            # Freeing the result before this one is part of the price of a step.
            result = step()
            ended = perf_counter_ns()
            times.append(ended - started)
            check(find_bytes(result), arrays, len(times))
        return times

    return turn


def turn_of_an_episode(run: Callable[[int], Any], times_of: Callable[[], List[int]]) -> Turn:
    """Return the turn that runs one episode, of as many steps as the last one's pace allows.

    Args:
        run: Runs an episode of so many steps, with a `TimedPolicy` that is here or served.
        times_of: Asks that policy for its times.
    """
    pace = 0.0

    def episode(steps: int) -> List[int]:
        nonlocal pace
        run(max(steps, _FEWEST_STEPS_OF_AN_EPISODE))
        times = times_of()
        pace = median(times)
        return times

    def turn(seconds: float) -> List[int]:
        if not pace:
            episode(0)
        return episode(int(seconds * 1e9 / pace))

    return turn


class TimedPolicy:
    """Takes the time from each of its actions to the next observation.

    That is one step of the loop around it without the predict itself, which checks the
    observation in that time.

    Args:
        payload: What the env sends.
    """

    def __init__(self, payload: str) -> None:
        self._arrays = len(arrays_of(initial_observation(payload)))
        self._times: List[int] = []
        self._left = 0

    def predict(self, observation: Any) -> Any:
        """Return the action."""
        self._times.append(perf_counter_ns() - self._left)
        check(counting_bytes(observation), self._arrays, len(self._times) - 1)
        self._left = perf_counter_ns()
        return ACTION

    def times(self) -> List[int]:
        """Return the times of the episode that was run, and be ready for the next one."""
        _, *times = self._times
        self._times = []
        return times
