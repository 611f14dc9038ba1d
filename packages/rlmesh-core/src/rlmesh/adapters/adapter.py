"""`Adapter`: from an env's observations to a model's payload, and from its output to an action."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple

from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh._values.registry import backend_names, import_backend
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Discrete

from . import _plan as plans
from ._plan import ArrayLeaf, Path, Plan
from ._resolution import leaves_of_plan
from ._steps import Advisory


class AdapterBase:
    """What stands between an env and a model; base of those written by hand.

    One object adapts one episode at a time. `new_episode` makes the one for another episode, which
    by default is a copy that was reset.
    """

    takes_instruction = False
    """Whether `reset` has a use for an instruction."""
    needs_every_step = False
    """Whether `observe` must be called with the observations that no predict sees."""

    def transform_obs(self, observation: Any) -> Any:
        """Return the model's payload for an observation of the env."""
        raise NotImplementedError

    def transform_action(self, output: Any) -> Any:
        """Return the env's action for an output of the model."""
        raise NotImplementedError

    def observe(self, observation: Any) -> None:
        """Take note of an observation for which no payload is wanted."""

    def reset(self, instruction: Optional[str] = None) -> None:
        """Forget the episode, and start another with this instruction."""

    def reads(self) -> Optional[Sequence[Path]]:
        """Return the leaves of the observation that are read; None for all of them."""
        return None

    def explain(self) -> str:
        """Return what is done, one line for each transform."""
        return f"{type(self).__name__}, written by hand"

    def advisories(self) -> List[Advisory]:
        """Return what is to be known about it: data that is made up, replaced or dropped."""
        return []

    def new_episode(self: Any, instruction: Optional[str] = None) -> Any:
        """Return an adapter for another episode."""
        other = copy.copy(self)
        other.reset(instruction)
        return other

    def wrap_predict(self, predict: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a predict from the env's observations to its actions."""
        return lambda observation: self.transform_action(predict(self.transform_obs(observation)))


class Adapter(AdapterBase):
    """What `resolve` returns: a plan, carried out on one framework's arrays.

    Args:
        plan: What is to be done.
        backend: The framework; None is that of the first observation or output.
        device: Where arrays are made that come from no observation.
    """

    def __init__(
        self, plan: Plan, backend: Optional[Backend] = None, device: Optional[Any] = None
    ) -> None:
        self._plan = plan
        self._leaves = [
            (path, leaf)
            for path, leaf in leaves_of_plan(plan.payload)
            if isinstance(leaf, ArrayLeaf)
        ]
        arrays = [leaf for _, leaf in self._leaves]
        self._arrays = arrays
        self._keep = [max(leaf.history, default=0) for leaf in arrays]
        self.takes_instruction = plan.takes_instruction
        self._uses_previous = any(
            isinstance(part, plans.Previous) for leaf in arrays for part in leaf.parts
        )
        self.needs_every_step = any(leaf.history for leaf in arrays)
        self._backend = backend
        self._device = device
        self._compiled: Optional[_Compiled] = None
        if backend is not None:
            self._compiled = _Compiled(plan, arrays, backend, device)
        self.reset()

    def reset(self, instruction: Optional[str] = None) -> None:
        """Forget the episode, and start another with this instruction."""
        self._instruction = instruction
        self._pasts: List[Deque[Any]] = [deque(maxlen=keep or 1) for keep in self._keep]
        self._previous: Any = None

    def new_episode(self, instruction: Optional[str] = None) -> Adapter:
        """Return an adapter for another episode, which shares everything but the episode."""
        other = copy.copy(self)
        other.reset(instruction)
        return other

    def transform_obs(self, observation: Any) -> Any:
        """Return the model's payload for an observation of the env.

        Args:
            observation: One that the env returned; its arrays are of the model's framework.

        Raises:
            InvalidValue: A leaf that is read is missing, or a text is.
        """
        compiled = self._ready(observation)
        raws = [compiled.raw(observation, path) for path in self._plan.reads]
        previous = self._last_output(compiled) if self._uses_previous else None
        pasts: Sequence[Sequence[Any]] = ()
        if self.needs_every_step:
            pasts = self._stacked(compiled, raws, previous)
        else:
            pasts = compiled.no_pasts
        finals, currents = compiled.payload(raws, previous, pasts)
        self._remember(currents)
        arrays = dict(zip([path for path, _ in self._leaves], finals))
        return self._assemble(self._plan.payload, (), arrays, observation)

    def observe(self, observation: Any) -> None:
        """Take note of an observation for which no payload is wanted."""
        if not self.needs_every_step:
            return
        compiled = self._ready(observation)
        raws = [compiled.raw(observation, path) for path in self._plan.reads]
        previous = self._last_output(compiled) if self._uses_previous else None
        self._remember(compiled.frames(raws, previous))

    def transform_action(self, output: Any) -> Any:
        """Return the env's action for an output of the model.

        Args:
            output: What predict returned: an array, or nested lists of numbers, of shape `(A,)`;
                a chunk `(H, A)`, a batch `(N, A)` and both, `(N, H, A)`, give as many actions.

        Returns:
            An array of the action space's dtype, of the same leading axes; an int for one action
            of a Discrete space.

        Raises:
            InvalidValue: The output has another width, or is not finite.
        """
        compiled = self._ready(output)
        vector = compiled.vector(output)
        action, finite = compiled.action(vector)
        if not bool(finite.all()):
            self._raise_infinite(vector)
        self._previous = vector if vector.ndim == 1 else vector.reshape((-1, vector.shape[-1]))[-1]
        if isinstance(self._plan.action.space, Discrete):
            return int(action[0]) if vector.ndim == 1 else action[..., 0]
        return action

    def reads(self) -> Optional[Sequence[Path]]:
        """Return the leaves of the observation that are read; None for all of them."""
        if self._plan.reads_all:
            return None
        return [*self._plan.reads, *self._plan.texts]

    def explain(self) -> str:
        """Return every transform in order, one a line, under the leaf that it makes."""
        return "\n".join(self._plan.lines)

    def advisories(self) -> List[Advisory]:
        """Return what is to be known about it: data that is made up, replaced or dropped."""
        return list(self._plan.notes)

    def __repr__(self) -> str:
        leaves = len(leaves_of_plan(self._plan.payload))
        return f"Adapter({leaves} inputs, {len(self._plan.action.parts)} actuators)"

    def _ready(self, value: Any) -> _Compiled:
        if self._compiled is None:
            backend = _backend_of(value)
            self._compiled = _Compiled(self._plan, self._arrays, backend, self._device)
        return self._compiled

    def _last_output(self, compiled: _Compiled) -> Any:
        if self._previous is None:
            self._previous = compiled.vector([0.0] * self._plan.action.width)
        return self._previous

    def _stacked(self, compiled: _Compiled, raws: Sequence[Any], previous: Any) -> List[List[Any]]:
        """Return for each leaf the past arrays of its stack."""
        if any(leaf.history and not past for leaf, past in zip(self._arrays, self._pasts)):
            self._begin(compiled, raws, previous)
        stacked = []
        for leaf, past in zip(self._arrays, self._pasts):
            stacked.append([past[-ago] for ago in leaf.history if ago])
        return stacked

    def _begin(self, compiled: _Compiled, raws: Sequence[Any], previous: Any) -> None:
        """Fill the past of an episode that has none."""
        firsts = compiled.frames(raws, previous)
        for leaf, past, keep, first in zip(self._arrays, self._pasts, self._keep, firsts):
            if leaf.history and not past:
                blank = first if leaf.blank is None else compiled.blank(leaf.blank)
                past.extend([blank] * (keep or 1))

    def _remember(self, currents: Sequence[Any]) -> None:
        for leaf, past, keep, current in zip(self._arrays, self._pasts, self._keep, currents):
            if not leaf.history:
                continue
            if not past and leaf.blank is None:
                past.extend([current] * (keep or 1))
            past.append(current)

    def _assemble(self, tree: Any, path: Path, arrays: Dict[Path, Any], observation: Any) -> Any:
        if isinstance(tree, dict):
            return {
                key: self._assemble(part, (*path, key), arrays, observation)
                for key, part in tree.items()
            }
        if isinstance(tree, ArrayLeaf):
            return arrays[path].tolist() if tree.as_list else arrays[path]
        if isinstance(tree, plans.TextLeaf):
            return self._text(tree, observation)
        if isinstance(tree, plans.CustomLeaf):
            return tree.transform(observation)
        return tuple(
            self._assemble(part, (*path, i), arrays, observation) for i, part in enumerate(tree)
        )

    def _text(self, leaf: plans.TextLeaf, observation: Any) -> Any:
        text = self._instruction
        if text is None and leaf.path is not None:
            text = _at(observation, leaf.path)
        if text is None:
            text = leaf.fill
        if not isinstance(text, str):
            raise InvalidValue(f"instruction: expected a str for the model's text, got {text!r}")
        return [text] if leaf.as_list else text

    def _raise_infinite(self, vector: Any) -> None:
        rows = vector.reshape((-1, vector.shape[-1])).tolist()
        for name, start, stop in self._plan.action.names:
            values = [value for row in rows for value in row[start:stop]]
            if not all(value - value == 0 for value in values):
                raise InvalidValue(
                    f"{name}: expected finite numbers from the model, got {values[:8]}"
                )


class _Compiled:
    """A plan's functions on one framework's arrays, which all episodes share."""

    def __init__(
        self, plan: Plan, leaves: Sequence[ArrayLeaf], backend: Backend, device: Optional[Any]
    ) -> None:
        self._backend = backend
        self._device = device
        self._ops = ops = backend.ops
        self._action_dtype = plan.action.dtype
        self._width = plan.action.width
        self.no_pasts: List[List[Any]] = [[] for _ in leaves]
        self.frames = plans.compile_frames(leaves, ops, device)
        self.payload = plans.compile_payload(leaves, ops, device)
        self.action = plans.compile_action(plan.action, ops, device)

    def raw(self, observation: Any, path: Path) -> Any:
        """Return a leaf of an observation as an array."""
        value = _at(observation, path)
        if self._backend.is_array(value):
            return value
        return self._ops.constant(value, "int64", self._device)

    def vector(self, output: Any) -> Any:
        """Return a model's output as an array of numbers, in the precision of the action."""
        if not self._backend.is_array(output):
            try:
                output = self._ops.constant(output, self._action_dtype, self._device)
            except (TypeError, ValueError) as exc:
                raise InvalidValue(
                    f"the model's output: expected {self._width} numbers, got {output!r:.200}"
                ) from exc
        if not output.ndim and self._width == 1:
            output = output.reshape((1,))
        if not output.ndim or output.shape[-1] != self._width:
            raise InvalidValue(
                f"the model's output: expected {self._width} elements along the last axis, as its"
                f" spec says, got shape {tuple(output.shape)}"
            )
        return self._ops.astype(output, self._action_dtype)

    def blank(self, part: plans.MadeUp) -> Any:
        """Return what precedes an episode in a stack."""
        return plans.make_up(part, self._ops, self._device)


def _backend_of(value: Any) -> Backend:
    """Return the backend of the first array in a value; NumPy's where there is none."""
    if isinstance(value, dict):
        parts: Any = value.values()
    elif isinstance(value, (list, tuple)):
        parts = value
    else:
        name = type(value).__module__.partition(".")[0].replace("jaxlib", "jax")
        if name == "numpy" or name not in backend_names():
            return NumpyBridge()
        backend: Backend = import_backend(name).Model._backend
        return backend
    found = [one for one in map(_backend_of, parts) if one.name != "numpy"]
    return found[0] if found else NumpyBridge()


def _at(observation: Any, path: Tuple[Any, ...]) -> Any:
    """Return a leaf of an observation."""
    value = observation
    try:
        for key in path:
            value = value[key]
    except (KeyError, IndexError, TypeError):
        keys = "".join(f"[{key!r}]" for key in path)
        raise InvalidValue(f"observation{keys}: expected a value, got none") from None
    return value
