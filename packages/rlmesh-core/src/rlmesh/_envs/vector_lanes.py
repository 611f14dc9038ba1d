"""A vector env as several envs: a lane steps in each sub-env, and one request serves them all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from rlmesh._contract.contract import EnvContract
from rlmesh._contract.scalars import as_flag
from rlmesh._once import warn_once
from rlmesh._tasks import Promise
from rlmesh._values.native import NativeBackend
from rlmesh._values.tensor import Tensor
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue

from .client import EnvCalls
from .vector_service import FINAL_KEYS
from .vector_values import Joiner, Splitter, joiner, splitter, to_arrays
from .vector_view import VectorView

NEXT_STEP, SAME_STEP, DISABLED = "NextStep", "SameStep", "Disabled"
"""Gymnasium's autoreset modes."""


@dataclass(frozen=True)
class SubEnv:
    """One sub-env of a vector env, from which a policy asks the port that its lane needs.

    Attributes:
        contract: What the sub-env promises, as if it was an env of its own.
        hub: What asks the vector env.
        index: The sub-env's place in it.
    """

    contract: EnvContract
    hub: VectorHub
    index: int

    def port(self, backend: Backend, device: Optional[Any]) -> SubEnvPort:
        """Return the sub-env as the runtime uses it; from now on, its lane is waited for.

        Args:
            backend: The framework of its values, the same for all sub-envs.
            device: Where the arrays of observations live; see `Backend.as_device`.

        Raises:
            UnsupportedSpace: The vector env's spaces are no batches of its sub-envs' spaces.
        """
        return self.hub.join(self.index, self.contract, backend, device)


def sub_envs(client: EnvCalls, max_episode_steps: int) -> List[SubEnv]:
    """Return the sub-envs of a vector env.

    Args:
        client: What executes requests on the vector env.
        max_episode_steps: Steps after which an episode is cut off.

    Raises:
        InvalidValue: Nobody knows when the env resets its sub-envs.
    """
    hub = VectorHub(client, max_episode_steps)
    whole = client.contract
    assert whole.single_observation_space is not None
    assert whole.single_action_space is not None
    contract = replace(
        whole,
        observation_space=whole.single_observation_space,
        action_space=whole.single_action_space,
        num_envs=None,
        single_observation_space=None,
        single_action_space=None,
        autoreset_mode=None,
    )
    return [SubEnv(contract, hub, index) for index in range(hub.num_envs)]


class SubEnvPort:
    """One sub-env, as the runtime uses it: an `EnvPort`.

    Attributes:
        contract: See `SubEnv`.
        env_seconds: What all sub-envs together took while the last call lasted.
        takes_seeds: Whether an episode can be seeded.
    """

    def __init__(self, hub: VectorHub, index: int, contract: EnvContract) -> None:
        self.contract = contract
        self.env_seconds = self._wire_seconds = 0.0
        self.takes_seeds = hub.mode == DISABLED
        self._hub = hub
        self._index = index

    async def reset(
        self, seed: Optional[int], options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Any]:
        """Start an episode; return the observation and info. There are no options in a run."""
        self._hub.enter(self._index, self)
        observation, info = await self._ask(_Reset(seed))
        return observation, info

    async def step(self, action: Any) -> Tuple[Any, float, bool, bool, Any]:
        """Return observation, reward, terminated, truncated and info."""
        step: Tuple[Any, float, bool, bool, Any] = await self._ask(_Step(action))
        return step

    def unread(self, seconds: float) -> float:
        """Return for how much of the last call's time no request was under way; see `EnvPort`."""
        return max(seconds - self._wire_seconds, 0.0)

    async def _ask(self, request: Any) -> Any:
        hub = self._hub
        env_before, wire_before = hub.env_seconds, hub.wire_seconds
        answer = await hub.ask(self._index, request)
        self.env_seconds = hub.env_seconds - env_before
        self._wire_seconds = hub.wire_seconds - wire_before
        return answer

    def render_now(self) -> Any:
        """Raise InvalidValue: there is no way to render a sub-env alone.

        Raises:
            InvalidValue: Always.
        """
        raise InvalidValue(
            f"render: this lane is sub-env {self._index} of {self.contract.env_id!r}, a vector env,"
            " which renders all of its sub-envs together; expected a lane with an env of its own:"
            " serve a factory of single envs, and use concurrency=..."
        )

    async def recover(self) -> None:
        """Have the vector env ready for a reset again, whatever was lost."""
        await self._hub.recover()

    async def leave(self) -> None:
        """Let the other sub-envs go on without this one, until its next reset."""
        await self._hub.leave(self._index)


class _Reset(NamedTuple):
    """What a lane asks for: an episode."""

    seed: Optional[int]


class _Step(NamedTuple):
    """What a lane asks for: a step."""

    action: Any


class VectorHub:
    """Gathers what the lanes of a vector env ask for.

    A request is made when all lanes wait for something, by the lane that was the last to ask; it
    then answers the others. So there is never more than one request under way.

    An answer is held back while other lanes, whose episodes have ended, come back for a reset:
    what the policy is given after that are the observations of all lanes together.

    Where a lane gives an episode up and the env cannot reset that sub-env alone, it is stepped on
    to its end.

    Args:
        client: What executes requests on the vector env.
        max_episode_steps: Steps after which an episode is cut off.

    Attributes:
        num_envs: How many sub-envs there are.
        mode: When they are reset.
        env_seconds: What all requests up to now took in the env.
        wire_seconds: What they took on the way there.

    Raises:
        InvalidValue: Nobody knows when.
    """

    _split: Splitter
    _join: Joiner
    _final: Callable[[Any], Any]

    def __init__(self, client: EnvCalls, max_episode_steps: int) -> None:
        contract = client.contract
        mode = contract.autoreset_mode
        if mode not in (NEXT_STEP, SAME_STEP, DISABLED):
            raise InvalidValue(
                f"{contract.env_id}: expected a vector env that says when it resets a sub-env:"
                f" metadata['autoreset_mode'] of {NEXT_STEP!r}, {SAME_STEP!r} or {DISABLED!r}, got"
                f" {mode!r}"
            )
        self.mode = mode
        # Native, so that rewards, flags and infos are on no device, and in no smaller dtype.
        self._view = VectorView(client, NativeBackend())
        self._client = client
        self._recovery: Optional[Promise[None]] = None
        self.num_envs = self._view.num_envs
        self.env_seconds = self.wire_seconds = 0.0
        self._max_steps = max_episode_steps
        self._ports: Dict[int, SubEnvPort] = {}
        self._asked: Dict[int, Tuple[Any, Promise[Any]]] = {}
        self._held: List[Tuple[Promise[Any], Any]] = []
        # Sub-envs that must be reset, and what the reset of those returned that did it themselves.
        self._over: Set[int] = set()
        self._begun: Dict[int, Tuple[Any, Any]] = {}
        # Sub-envs whose last step was that of an episode, and those that are still on the way to it
        # while their lanes wait for the next one.
        self._ended: Set[int] = set()
        self._late: Set[int] = set()
        self._steps = [0] * self.num_envs
        self._was_reset = False
        self._last_action: Any = None

    def join(
        self, index: int, contract: EnvContract, backend: Backend, device: Optional[Any]
    ) -> SubEnvPort:
        """Add a lane; see `SubEnv.port`."""
        if not self._ports:
            single, whole = contract.observation_space, self._view.contract.observation_space
            self._split = splitter(single, whole, self.num_envs, backend, device, "observation")
            self._join = joiner(contract.action_space, backend, "action")
            self._final = partial(to_arrays, backend=backend, device=device)
        port = SubEnvPort(self, index, contract)
        self.enter(index, port)
        return port

    def enter(self, index: int, port: SubEnvPort) -> None:
        """Wait for a lane from now on."""
        self._ports[index] = port

    async def leave(self, index: int) -> None:
        """Wait for a lane no more; where all others wait, do what they wait for."""
        self._ports.pop(index, None)
        self._begun.pop(index, None)
        await self._go_on()

    async def recover(self) -> None:
        """Open anew what was lost, once for all lanes that ask for it meanwhile."""
        if self._recovery is not None:
            return await self._recovery
        self._recovery = recovery = Promise[None]()
        try:
            await self._client.recover()
        except BaseException as exc:
            recovery.fail(exc)
            raise
        else:
            recovery.set(None)
        finally:
            self._recovery = None

    async def ask(self, index: int, request: Any) -> Any:
        """Return what a lane asks for, once all lanes have asked."""
        if index in self._begun:
            return self._begun.pop(index)
        if isinstance(request, _Reset) and self._was_reset:
            if self.mode == DISABLED:
                self._over.add(index)
            elif self.mode == SAME_STEP or index not in self._ended:
                self._late.add(index)
        promise: Promise[Any] = Promise()
        self._asked[index] = request, promise
        await self._go_on()
        return await promise

    async def _go_on(self) -> None:
        """Make requests for as long as all lanes wait."""
        while self._ports and len(self._asked) + len(self._held) == len(self._ports):
            started, view = perf_counter(), self._view
            view.env_seconds = 0.0
            try:
                if self._over or not self._was_reset:
                    await self._reset()
                else:
                    await self._step()
            except Exception as exc:
                self._fail(exc)
            rest = max(perf_counter() - started - view.env_seconds, 0.0)
            self.env_seconds += view.env_seconds
            self.wire_seconds += rest - view.unread(rest)

    def _fail(self, error: Exception) -> None:
        """Have every lane raise an error, and begin anew with whatever they ask for next."""
        waiting = [promise for _, promise in self._asked.values()]
        waiting += [promise for promise, _ in self._held]
        self._asked, self._held = {}, []
        self._over, self._late, self._begun, self._was_reset = set(), set(), {}, False
        for promise in waiting:
            promise.fail(error)

    async def _reset(self) -> None:
        """Reset all sub-envs, or those whose episode is over."""
        everyone = set(range(self.num_envs))
        chosen = self._over if self._was_reset else everyone
        seeds = [self._seed(index) for index in range(self.num_envs)]
        seeded = any(seed is not None for seed in seeds)
        if seeded and self.mode != DISABLED:
            self._warn()
        options = None
        if chosen != everyone:
            mask = [index in chosen for index in range(self.num_envs)]
            options = {"reset_mask": Tensor.from_values(mask, "bool")}
        observations, infos = await self._view.reset(seeds if seeded else None, options)
        rows, known = self._split(observations), split_infos(infos, self.num_envs)
        self._was_reset, self._over = True, set()
        self._late, self._ended = self._late - chosen, self._ended - chosen
        for index in chosen:
            self._steps[index] = 0
        for index, (request, _) in list(self._asked.items()):
            if isinstance(request, _Reset):
                self._answer(index, (rows[index], known[index]))
        held, self._held = self._held, []
        for promise, answer in held:
            promise.set(answer)

    async def _step(self) -> None:
        """Step all sub-envs; those that nobody plays, or that reset now, get any valid action."""
        actions = {i: ask.action for i, (ask, _) in self._asked.items() if isinstance(ask, _Step)}
        any_action = next(iter(actions.values()), self._last_action)
        if not actions and any_action is None:
            # No lane has acted yet, so that nothing is lost by another reset.
            self._was_reset = False
            await self._reset()
            return
        try:
            joined = self._join([actions.get(i, any_action) for i in range(self.num_envs)])
        except Exception:
            if self._refuse(actions):
                return
            raise
        self._last_action = any_action
        observations, rewards, terminations, truncations, infos = await self._view.step(joined)
        rows, known = self._split(observations), split_infos(infos, self.num_envs)
        numbers, flags = rewards.flat(), list(zip(terminations.flat(), truncations.flat()))
        is_over = [self._count_step(index, any(flags[index])) for index in range(self.num_envs)]
        self._ended = {index for index, over in enumerate(is_over) if over}
        answers: Dict[int, Any] = {}
        for index, (request, _) in self._asked.items():
            observation, info = rows[index], known[index]
            if isinstance(request, _Reset):
                if self._has_begun(index, info):
                    answers[index] = observation, info
                continue
            if is_over[index] and self.mode == SAME_STEP:
                self._begun[index] = observation, info
                observation, info = self._last_of(observation, info)
            answers[index] = (observation, float(numbers[index]), *map(bool, flags[index]), info)
        if self.mode == DISABLED:
            self._over = set(self._ended)
        for index, answer in answers.items():
            self._answer(index, answer, hold=bool(self._over) and index not in self._over)

    def _refuse(self, actions: Dict[int, Any]) -> bool:
        """Have the lanes raise whose actions fit no sub-env; return whether there are any."""
        refused = False
        for index, action in actions.items():
            try:
                self._join([action] * self.num_envs)
            except Exception as exc:
                refused = True
                _, promise = self._asked.pop(index)
                promise.fail(exc)
        return refused

    def _answer(self, index: int, answer: Any, hold: bool = False) -> None:
        _, promise = self._asked.pop(index)
        if hold:
            self._held.append((promise, answer))
        else:
            promise.set(answer)

    def _count_step(self, index: int, ended: bool) -> bool:
        """Return whether a sub-env's episode is over after a step."""
        request, _ = self._asked.get(index, (None, None))
        if ended or not (isinstance(request, _Step) or index in self._late):
            self._steps[index] = 0
            return ended
        self._steps[index] += 1
        if self._steps[index] < self._max_steps:
            return False
        if self.mode != DISABLED:
            raise InvalidValue(
                f"max_episode_steps: an episode has reached {self._max_steps} steps, and a vector"
                f" env resets a single sub-env in autoreset mode {DISABLED!r} only; expected that,"
                f" or episodes that end, got mode {self.mode!r}"
            )
        return True

    def _has_begun(self, index: int, info: Dict[Any, Any]) -> bool:
        """Return whether the last step began an episode in a sub-env whose lane waits for one."""
        if index not in self._late:
            return True
        if index not in self._ended:
            return False
        self._late.discard(index)
        if self.mode == SAME_STEP:
            self._last_of(None, info)
            return True
        return False

    def _last_of(self, observation: Any, info: Dict[Any, Any]) -> Tuple[Any, Any]:
        """Take out of a new episode's info what the last step of the old one returned."""
        finals = [info.pop(key) for key in FINAL_KEYS if key in info]
        last_info = info.pop("final_info", info)
        return (self._final(finals[0]) if finals else observation), last_info

    def _seed(self, index: int) -> Optional[int]:
        request, _ = self._asked.get(index, (None, None))
        return request.seed if isinstance(request, _Reset) else None

    def _warn(self) -> None:
        text = (
            f"seeds: {self._view.contract.env_id!r} resets its sub-envs by itself (autoreset mode"
            f" {self.mode!r}), so that only the first episode of each is seeded, and results record"
            f" the seed None; mode {DISABLED!r} seeds every episode"
        )
        warn_once(text, text, UserWarning)


def split_infos(infos: Mapping[Any, Any], count: int) -> List[Dict[Any, Any]]:
    """Return what the infos of a vector env say of each sub-env.

    Of each key that is the element of the sub-env, unless a mask under the key with a `_` before it
    says that there is none.

    Args:
        infos: With native values.
        count: How many sub-envs there are.

    Raises:
        InvalidValue: An element of a mask is no flag.
    """
    own: List[Dict[Any, Any]] = [{} for _ in range(count)]
    for key, column in infos.items():
        if isinstance(key, str) and key[:1] == "_" and key[1:] in infos:
            continue
        is_dict = isinstance(column, dict)
        values = split_infos(column, count) if is_dict else _elements(column, count)
        mask = _elements(infos.get(f"_{key}"), count)
        for index, value in enumerate(values or ()):
            has_one = True if mask is None else mask[index]
            if has_one is True or (has_one is not False and as_flag(has_one, f"infos['_{key}']")):
                own[index][key] = value
    return own


def _elements(column: Any, count: int) -> Optional[List[Any]]:
    """Return the element of each sub-env; None if there is none."""
    if isinstance(column, Tensor) and column.shape[:1] == (count,):
        return column.flat() if column.ndim == 1 else list(column)
    return column if isinstance(column, list) and len(column) == count else None
