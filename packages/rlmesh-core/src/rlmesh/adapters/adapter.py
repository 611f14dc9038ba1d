"""`Adapter`: from an env's observations to a model's payload, and from its output to an action."""

from __future__ import annotations

import copy
import math
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from rlmesh._text import printable
from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh._values.registry import backend_names, import_backend
from rlmesh._values.tensor import Tensor
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Discrete
from rlmesh.spaces._advice import for_tree

from . import _plan as plans
from ._declaration import path_text
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
        device: Where arrays are made that come from no observation; None is the framework's own
            choice, or without a backend given, where the first observation is.
    """

    def __init__(
        self, plan: Plan, backend: Optional[Backend] = None, device: Optional[Any] = None
    ) -> None:
        self._plan = plan
        self._leaves = [
            leaf for _, leaf in leaves_of_plan(plan.payload) if isinstance(leaf, ArrayLeaf)
        ]
        self._stacks = [leaf for leaf in self._leaves if leaf.history]
        self._functions = _Functions(plan, self._leaves, backend, device)
        self._uses_previous = any(
            isinstance(part, plans.Previous) for leaf in self._leaves for part in leaf.parts
        )
        self.takes_instruction = plan.takes_instruction
        self.needs_every_step = bool(self._stacks)
        self.reset()

    def reset(self, instruction: Optional[str] = None) -> None:
        """Forget the episode, and start another with this instruction."""
        self._instruction = instruction
        self._pasts: List[Deque[Any]] = [
            deque(maxlen=max(*leaf.history, 1)) for leaf in self._stacks
        ]
        self._outputs: Deque[Any] = deque()

    def transform_obs(self, observation: Any) -> Any:
        """Return the model's payload for an observation of the env.

        Args:
            observation: One that the env returned; its arrays are of the model's framework. It is
                not written into. What the model takes as it is is the same array; all else has
                memory of its own.

        Raises:
            InvalidValue: A leaf that is read is missing, or a text is; or a picture is not uint8.
        """
        functions = self._functions.ready(observation)
        raws = [functions.raw(observation, path) for path in self._plan.reads]
        previous = self._last_output(-1)
        if self._stacks and not self._pasts[0]:
            # Compiled functions are for a past of some length, so that there is one from the start.
            self._begin(functions.frames(raws, previous))
        pasts = [
            [past[-ago] for ago in leaf.history if ago]
            for leaf, past in zip(self._stacks, self._pasts)
        ]
        finals, currents = functions.payload(raws, previous, pasts)
        self._remember(currents)
        arrays = [
            raws[leaf.only_read] if final is None else final
            for leaf, final in zip(self._leaves, finals)
        ]
        return self._assembled(self._plan.payload, iter(arrays), observation)

    def observe(self, observation: Any) -> None:
        """Take note of an observation for which no payload is wanted."""
        if not self.needs_every_step:
            return
        functions = self._functions.ready(observation)
        raws = [functions.raw(observation, path) for path in self._plan.reads]
        currents = functions.frames(raws, self._last_output(0))
        if len(self._outputs) > 1:
            self._outputs.popleft()
        if not self._pasts[0]:
            self._begin(currents)
        self._remember(currents)

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
        functions = self._functions.ready(output)
        vector = functions.vector(output)
        action, is_finite = functions.action(vector)
        if not is_finite.item():  # not bool(), which takes JAX three times as long
            self._raise_infinite(vector)
        if self._uses_previous:
            # The model may write its next output into this one.
            self._outputs = deque(functions.rows(vector))
        is_one_number = vector.ndim == 1 and isinstance(self._plan.action.space, Discrete)
        return int(action) if is_one_number else action

    def reads(self) -> Optional[Sequence[Path]]:
        """Return the leaves of the observation that are read; None for all of them."""
        if self._plan.reads_all:
            return None
        return [*self._plan.reads, *self._plan.texts]

    def explain(self) -> str:
        """Return every transform in order, one a line, under the leaf that it makes."""
        return "\n".join(map(printable, self._plan.lines))

    def advisories(self) -> List[Advisory]:
        """Return what is to be known about it: data that is made up, replaced or dropped."""
        return list(self._plan.notes)

    def __repr__(self) -> str:
        leaves = len(leaves_of_plan(self._plan.payload))
        return f"Adapter({leaves} inputs, {len(self._plan.action.parts)} actuators)"

    def _last_output(self, place: int) -> Any:
        """Return one of the last outputs, which are several after a chunk; None if none reads it.

        Args:
            place: 0 for the first that no observation has followed yet, -1 for the last.
        """
        if not self._uses_previous:
            return None
        if not self._outputs:
            self._outputs.append(self._functions.zeros())
        return self._outputs[place]

    def _begin(self, firsts: Sequence[Any]) -> None:
        """Fill the past of an episode that has none."""
        for i, (past, first) in enumerate(zip(self._pasts, firsts)):
            blank = self._stacks[i].blank
            before = first if blank is None else self._functions.made_up(i, blank)
            past.extend([before] * (past.maxlen or 1))

    def _remember(self, currents: Sequence[Any]) -> None:
        for past, current in zip(self._pasts, currents):
            past.append(current)

    def _assembled(self, tree: Any, arrays: Iterator[Any], observation: Any) -> Any:
        """Return a payload, whose arrays are given in the order of its leaves."""
        if isinstance(tree, ArrayLeaf):
            array = next(arrays)
            return array.tolist() if tree.as_list else array
        if isinstance(tree, plans.TextLeaf):
            return self._text(tree, observation)
        if isinstance(tree, plans.CustomLeaf):
            return tree.transform(observation)
        if isinstance(tree, dict):
            return {key: self._assembled(part, arrays, observation) for key, part in tree.items()}
        return tuple(self._assembled(part, arrays, observation) for part in tree)

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
            if not all(map(math.isfinite, values)):
                raise InvalidValue(
                    f"{name}: expected finite numbers from the model, got {values[:8]}"
                )
        # One of them is too large for the action's dtype.
        raise InvalidValue(f"the model's output: expected finite numbers, got {rows[0][:8]}")


class _Functions:
    """A plan's functions on one framework's arrays, which all episodes share.

    Args:
        plan: The plan.
        leaves: Its arrays.
        backend: The framework; None leaves it to `ready`.
        device: Where arrays are made.

    Attributes:
        frames: See `compile_frames`.
        payload: See `compile_payload`.
        action: See `compile_action`.
    """

    frames: Callable[..., Any]
    payload: Callable[..., Any]
    action: Callable[..., Any]

    def __init__(
        self,
        plan: Plan,
        leaves: Sequence[ArrayLeaf],
        backend: Optional[Backend],
        device: Optional[Any],
    ) -> None:
        self._plan, self._leaves = plan, leaves
        self._device = device
        self._blanks: Dict[int, Any] = {}
        self._numeric: Set[Any] = set()  # dtypes that outputs had
        self._backend: Optional[Backend] = None
        if backend is not None:
            self._compile(backend)

    def ready(self, value: Any) -> _Functions:
        """Return itself, for the framework and device of a value if none were given."""
        if self._backend is None:
            array, backend = _first_array(value)
            if self._device is None and not backend.ops.traces:
                self._device = backend.ops.device_of(array)
            self._compile(backend)
        return self

    def _compile(self, backend: Backend) -> None:
        self._backend = backend
        self._ops = ops = backend.ops
        self.frames = plans.compile_frames(self._leaves, ops, self._device)
        self.payload = plans.compile_payload(self._leaves, ops, self._device)
        self.action = plans.compile_action(self._plan.action, ops)

    def raw(self, observation: Any, path: Path) -> Any:
        """Return a leaf of an observation as an array.

        Raises:
            InvalidValue: It is missing, or no number of this framework.
        """
        assert self._backend is not None
        value = _at(observation, path)
        if self._backend.is_array(value):
            return value
        if isinstance(value, Tensor):
            return self._backend.from_tensor(value, self._device)
        if not isinstance(value, (int, float, list, tuple)):
            raise InvalidValue(
                f"{path_text('observation', path)}: expected an array of {self._backend.name},"
                f" got {type(value).__name__}"
            )
        dtype = "int64" if isinstance(value, int) else "float32"
        return self._ops.constant(value, dtype, self._device)

    def vector(self, output: Any) -> Any:
        """Return a model's output as an array of numbers.

        Raises:
            InvalidValue: It is none, or has another width than the model's spec says.
        """
        assert self._backend is not None
        action = self._plan.action
        if not self._backend.is_array(output):
            if output is None or isinstance(output, (str, bytes)):  # NumPy may take these
                raise self._no_numbers(output, f"{output!r:.200}")
            try:
                output = self._ops.constant(output, action.dtype, self._device)
            except (TypeError, ValueError, RuntimeError) as exc:
                raise self._no_numbers(output, f"{output!r:.200}") from exc
        elif output.dtype not in self._numeric:
            if not any(kind in str(output.dtype) for kind in ("float", "int", "bool")):
                raise self._no_numbers(output, f"an array of {output.dtype}")
            self._numeric.add(output.dtype)
        if not output.ndim and action.width == 1:
            output = output.reshape((1,))
        if not output.ndim or output.shape[-1] != action.width:
            raise InvalidValue(
                f"the model's output: expected {action.width} elements along the last axis, as its"
                f" spec says, got shape {tuple(output.shape)}"
            )
        return output

    def _no_numbers(self, output: Any, got: str) -> InvalidValue:
        width = self._plan.action.width
        advice = for_tree(output, "action", lambda part, path: self.vector(part))
        return InvalidValue(f"the model's output: expected {width} numbers, got {got}{advice}")

    def rows(self, vector: Any) -> Sequence[Any]:
        """Return copies of the single outputs in an output, in the precision of the action."""
        if hasattr(vector, "detach"):
            vector = vector.detach()  # or torch would keep all that led to it, step after step
        cast = self._ops.astype(vector, self._plan.action.dtype)
        rows = [cast]
        if cast.ndim > 1:
            flat = cast.reshape((-1, cast.shape[-1]))
            rows = [flat[i] for i in range(len(flat))]
        return rows if self._ops.traces else [plans.copied(self._ops, row) for row in rows]

    def zeros(self) -> Any:
        """Return what stands for the last output when there is none yet."""
        action = self._plan.action
        return self._ops.constant([0.0] * action.width, action.dtype, self._device)

    def made_up(self, place: int, part: plans.MadeUp) -> Any:
        """Return what precedes an episode in the stack of this place."""
        if place not in self._blanks:
            self._blanks[place] = plans.make_up(part, self._ops, self._device)
        return self._blanks[place]


def _first_array(value: Any) -> Tuple[Any, Backend]:
    """Return the first array in a value, with its backend; NumPy's where there is none.

    An array of NumPy only counts where there is no other: it may stand for a number.
    """
    if isinstance(value, (dict, list, tuple)):
        parts = value.values() if isinstance(value, dict) else value
        for found in map(_first_array, parts):
            if found[1].name != "numpy":
                return found
        return None, NumpyBridge()
    # The class of JAX's arrays is in `jaxlib`; a user's own class derives from a framework's.
    modules = [kind.__module__.partition(".")[0] for kind in type(value).__mro__]
    names = {module.replace("jaxlib", "jax") for module in modules} - {"builtins", "numpy"}
    known = names and names.intersection(backend_names())
    if not known:
        return None, NumpyBridge()
    backend: Backend = import_backend(known.pop()).Model._backend
    return value, backend


def _at(observation: Any, path: Path) -> Any:
    """Return a leaf of an observation."""
    value = observation
    try:
        for key in path:
            value = value[key]
    except (KeyError, IndexError, TypeError):
        raise InvalidValue(
            f"{path_text('observation', path)}: expected a value, got none"
        ) from None
    return value
