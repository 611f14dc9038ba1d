"""A plan's functions on one framework's arrays, and the ways into that framework."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh._values.registry import backend_names, import_backend
from rlmesh._values.tensor import Tensor
from rlmesh.backends import Backend, Ops
from rlmesh.errors import AdapterResolutionError, InvalidValue
from rlmesh.spaces._advice import for_tree

from . import _plan as plans
from ._declaration import path_text
from ._integers import check_backend
from ._plan import ArrayLeaf, Path, Plan
from ._steps import dtype_name


class Functions:
    """A plan's functions on one framework's arrays, which all episodes share.

    Args:
        plan: The plan.
        leaves: Its arrays.
        backend: The framework; None leaves it to `ready`.
        device: Where arrays are made.

    Attributes:
        frames: See `compile_frames`.
        payload: See `compile_payload`.
        initial: See `compile_initial`.
        action: See `compile_action`.
        ops: The framework's functions.
    """

    frames: Callable[..., Any]
    payload: Callable[..., Any]
    initial: Callable[..., Any]
    action: Callable[..., Any]
    ops: Ops

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

    def ready(self, value: Any) -> Functions:
        """Return itself, for the framework and device of a value if none were given."""
        if self._backend is None:
            array, backend = _first_array(value)
            if self._device is None and not backend.ops.traces:
                self._device = backend.ops.device_of(array)
            self._compile(backend)
        return self

    def _compile(self, backend: Backend) -> None:
        action = self._plan.action
        check_backend(action.space, action.computed, backend, self._device)
        self._backend = backend
        self.ops = ops = backend.ops
        self._check_precision(backend)
        self.frames = plans.compile_frames(self._leaves, ops, self._device)
        self.payload = plans.compile_payload(self._leaves, ops, self._device)
        self.initial = plans.compile_initial(self._plan, ops, self._device)
        self.action = plans.compile_action(self._plan.action, ops)

    def _check_precision(self, backend: Backend) -> None:
        """Check that the framework has double precision where a leaf needs it.

        Raises:
            AdapterResolutionError: It has not.
        """
        if not self._plan.doubles:
            return
        got = dtype_name(backend.ops.constant(0.0, "float64", None))
        if got != "float64":
            raise AdapterResolutionError(
                f"{self._plan.doubles[0]}.dtype: expected a framework with float64, because float32"
                f" would round integers beyond 2**24 on the way to this dtype, got {backend.name},"
                f" whose float64 is {got} (jax_enable_x64 changes that)"
            )

    def raw(self, observation: Any, path: Path) -> Any:
        """Return a leaf of an observation as an array.

        Raises:
            InvalidValue: It is missing, or no number of this framework.
        """
        assert self._backend is not None
        value = value_at(observation, path)
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
        return self.ops.constant(value, dtype, self._device)

    def states(self, raws: Sequence[Any]) -> List[Any]:
        """Return the leaves to which changes are added, of those that were read; copies."""
        found = [raws[base.place] for base in self._plan.action.bases]
        return found if self.ops.traces else [plans.copied(self.ops, one) for one in found]

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
            # Integers that stay what they are need not become floats.
            is_exact = any(part.is_moved for part in action.parts) and _is_whole(output)
            try:
                dtype = "int64" if is_exact else action.dtype
                output = self.ops.constant(output, dtype, self._device)
            except (TypeError, ValueError, RuntimeError, OverflowError) as exc:
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
        cast = self.ops.astype(vector, self._plan.action.dtype)
        rows = [cast]
        if cast.ndim > 1:
            flat = cast.reshape((-1, cast.shape[-1]))
            rows = [flat[i] for i in range(len(flat))]
        return rows if self.ops.traces else [plans.copied(self.ops, row) for row in rows]

    def zeros(self) -> Any:
        """Return what stands for the last output when there is none yet."""
        action = self._plan.action
        return self.ops.constant([0.0] * action.width, action.dtype, self._device)

    def number(self, value: Any) -> Any:
        """Return an array of a number, or of numbers, in single precision."""
        return self.ops.constant(value, "float32", self._device)

    def stacked(self, rows: Sequence[Any]) -> Any:
        """Return arrays along a new first axis."""
        return self.ops.xp.stack(rows, 0)

    def made_up(self, place: int, part: plans.MadeUp) -> Any:
        """Return what precedes an episode in the stack of this place."""
        if place not in self._blanks:
            self._blanks[place] = plans.make_up(part, self.ops, self._device)
        return self._blanks[place]


def _is_whole(value: Any) -> bool:
    """Whether a value is an int, or lists and tuples of nothing else."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_is_whole, value))
    return type(value) is int


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


def value_at(observation: Any, path: Path) -> Any:
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
