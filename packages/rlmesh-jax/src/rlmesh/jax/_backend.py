"""The JAX backend, and conversion by hand."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple, Union

import numpy as np

import jax
import jax.numpy as jnp
from jax.core import Tracer
from rlmesh import Tensor
from rlmesh.backends import Backend, NumpyBridge
from rlmesh.errors import InvalidValue

from ._ops import JaxOps

JaxValue = Union[
    None,
    bool,
    int,
    float,
    str,
    bytes,
    "jax.Array",
    List[Any],
    Tuple[Any, ...],
    Dict[str, Any],
]
"""What a JAX model sees and returns: arrays, numbers, text, and containers of these."""

_CONFIG: Any = jax.config
"""JAX's switches, which type checkers do not know."""

_NARROWED = {"int64": "int32", "uint64": "uint32", "float64": "float32"}
"""What 64-bit numbers become where JAX has them switched off."""

_OFTEN = 64
"""An importer used more often than this is worth a compiled function."""


_OPS = JaxOps()


class JaxBackend(Backend):
    """Turns memory into JAX arrays and back.

    An array of a tensor is a copy. JAX could use memory on the CPU in place, but does so at some
    addresses only, so that an array would sometimes change with the tensor, and JAX expects none to
    change. The other way, the memory of an array on the CPU is shared; it is read-only.
    """

    name = "jax"

    def __init__(self) -> None:
        self._bridge = NumpyBridge()
        self._warned: Set[str] = set()
        self._stack: Callable[..., jax.Array] = jax.jit(_stack)
        self._row: Callable[..., jax.Array] = jax.jit(_row)

    @property
    def ops(self) -> JaxOps:
        """JAX's array functions, which may be compiled."""
        return _OPS

    def is_array(self, value: Any) -> bool:
        """Whether the value is a `jax.Array`."""
        return isinstance(value, jax.Array)

    def from_tensor(self, tensor: Tensor, device: Optional[Any] = None) -> jax.Array:
        """Return an array with a copy of the tensor's memory.

        Raises:
            InvalidValue: An integer that does not fit 32 bits, where JAX has no wider ones.
        """
        # JAX may read the memory at any later time, so it gets one that nobody changes.
        return self.importer(tensor.dtype, tensor.shape, device)(bytearray(tensor.data))

    def to_tensor(self, array: jax.Array) -> Tensor:
        """Return a tensor over the array's memory, or over a copy of that of another device.

        Raises:
            InvalidValue: A dtype that tensors lack, or an array without memory in this process.
        """
        if isinstance(array, Tracer):
            what = f"a tracer of {array.dtype}{list(array.shape)}, as inside of jax.jit"
            raise InvalidValue(f"data: expected an array with values, got {what}")
        if array.is_deleted():
            what = "one that was deleted, because it was donated, say"
            raise InvalidValue(f"data: expected an array with values, got {what}")
        if not array.is_fully_addressable:
            what = "one that is partly in other processes"
            raise InvalidValue(f"data: expected an array in this process, got {what}")
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            what = f"{array.dtype}; jax.random.key_data makes numbers of it"
            raise InvalidValue(f"dtype: expected numbers, got {what}")
        return self._bridge.to_tensor(np.asarray(array))

    def stack(self, values: Sequence[Any], device: Optional[Any] = None) -> jax.Array:
        """Return arrays or numbers along a new first axis; a copy.

        Raises:
            InvalidValue: A number that does not fit 32 bits, where JAX has no wider ones.
        """
        if isinstance(values[0], jax.Array):
            return self._stack(*values)
        array = np.asarray(values)
        if not _CONFIG.jax_enable_x64:
            array = _narrowed(array)
        stacked: jax.Array = jax.device_put(array, device)
        return stacked

    def unstack(self, array: jax.Array) -> Sequence[jax.Array]:
        """Return the arrays along the first axis; copies, as JAX has no views."""
        # Not jnp.unstack, which takes seconds to compile for each new batch of some size.
        return [self._row(array, i) for i in range(array.shape[0])]

    def as_device(self, requested: Optional[Any]) -> Optional[Any]:
        """Return the device of a name such as `"cpu"` or `"gpu:1"`.

        Args:
            requested: Such a name, or a `jax.Device`; None leaves the choice to JAX.
        """
        if requested is None or isinstance(requested, jax.Device):
            return requested
        try:
            platform, index = _parsed(str(requested))
            return jax.local_devices(backend=platform)[index]
        except (RuntimeError, ValueError, IndexError) as exc:
            raise InvalidValue(
                f"device: expected one of {', '.join(_available())}, got {requested!r}"
            ) from exc

    def importer(
        self, dtype: str, shape: Tuple[int, ...], device: Optional[Any] = None
    ) -> Callable[[Any], jax.Array]:
        """Return a function that takes memory to the device, faster once it is used often."""
        over = self._bridge.importer(dtype, shape)
        # A compiled function takes its arguments to a device in a tenth of device_put's time.
        on = None if device is None else jax.sharding.SingleDeviceSharding(device)
        put_compiled = jax.jit(_same) if on is None else jax.jit(_same, out_shardings=on)
        uses = 0

        def array_of(data: Any) -> jax.Array:
            nonlocal uses
            array = over(data)
            if dtype in _NARROWED and not _CONFIG.jax_enable_x64:
                array = _narrowed(array)
                self._warn(dtype)
            uses += 1
            compiled = uses > _OFTEN and not _is_debugging()
            put: jax.Array = put_compiled(array) if compiled else jax.device_put(array, device)
            return put

        return array_of

    def exporter(self, dtype: str, shape: Tuple[int, ...]) -> Callable[[Any], Optional[memoryview]]:
        """Return a function that gives the memory of an array on the CPU."""
        wanted = np.dtype(dtype)

        def export(value: Any) -> Optional[memoryview]:
            if isinstance(value, jax.Array) and value.dtype == wanted and value.shape == shape:
                try:
                    memory = memoryview(value)
                except (BufferError, RuntimeError, TypeError):
                    return None  # a tracer, deleted, sharded or elsewhere: `to_tensor` knows
                if memory.c_contiguous:
                    return memory
            return None

        return export

    def _warn(self, dtype: str) -> None:
        if dtype not in self._warned:
            self._warned.add(dtype)
            warnings.warn(
                f"{dtype} arrives as {_NARROWED[dtype]}, because JAX has 64-bit numbers switched"
                " off; jax.config.update('jax_enable_x64', True) or JAX_ENABLE_X64=1 switches them"
                " on. This warning is given once",
                RuntimeWarning,
                stacklevel=2,
            )


def _same(array: Any) -> Any:
    return array


def _stack(*arrays: jax.Array) -> Any:
    if arrays[0].dtype != jnp.bfloat16:
        return jnp.stack(arrays)
    # As bits, because XLA changes some NaNs of bfloat16 that it stacks on a CPU.
    bits = [jax.lax.bitcast_convert_type(array, jnp.uint16) for array in arrays]
    return jax.lax.bitcast_convert_type(jnp.stack(bits), jnp.bfloat16)


def _row(array: jax.Array, i: int) -> Any:
    return jax.lax.dynamic_index_in_dim(array, i, 0, keepdims=False)


def _is_debugging() -> bool:
    """Whether JAX is told to run functions uncompiled, or to check what they take and give."""
    guard = _CONFIG.jax_transfer_guard_host_to_device
    return bool(
        _CONFIG.jax_disable_jit
        or _CONFIG.jax_debug_nans
        or _CONFIG.jax_debug_infs
        or guard not in (None, "allow")
    )


def _narrowed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return 64-bit numbers as 32 bit: floats rounded, integers unchanged.

    Raises:
        InvalidValue: An integer that does not fit.
    """
    dtype = array.dtype.name
    if dtype not in _NARROWED:
        return array
    with np.errstate(all="ignore"):
        narrow = array.astype(_NARROWED[dtype])
    if narrow.dtype.kind != "f" and (narrow != array).any():
        limits = np.iinfo(narrow.dtype)
        raise InvalidValue(
            f"dtype: expected integers from {limits.min} to {limits.max}, because {dtype} arrives"
            f" as {narrow.dtype} where JAX has 64-bit numbers switched off, got"
            f" {array[narrow != array][0]}"
        )
    return narrow


def _parsed(device: str) -> Tuple[str, int]:
    """Return a device's platform and number; without one it is the first."""
    platform, colon, number = device.partition(":")
    if not platform or (colon and not number.isdigit()):
        raise ValueError("expected a name such as 'cpu' or 'gpu:1'")
    return platform, int(number or 0)


def _available() -> List[str]:
    """Return the names of the devices of this process."""
    platforms = dict.fromkeys([jax.default_backend(), "cpu"])
    return [
        f"{platform}:{i}"
        for platform in platforms
        for i in range(len(jax.local_devices(backend=platform)))
    ]


BACKEND = JaxBackend()


def asarray(tensor: Tensor, device: Optional[Any] = None) -> jax.Array:
    """Return a JAX array with a copy of the tensor's elements.

    Args:
        tensor: Any dtype and shape. Unless 64-bit numbers are switched on, those become 32 bit; a
            warning says so once.
        device: Where it should live, as a `jax.Device` or its name, such as `"gpu:1"`; None leaves
            the choice to JAX.

    Raises:
        InvalidValue: There is no such device, or an integer does not fit 32 bits.

    Examples:
        >>> import rlmesh.jax
        >>> rlmesh.jax.asarray(rlmesh.Tensor.from_values([[1, 2], [3, 4]], "int32"))
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    return BACKEND.from_tensor(tensor, BACKEND.as_device(device))


def from_array(array: jax.Array) -> Tensor:
    """Return a tensor that shares the array's memory, if that is on the CPU; it is read-only.

    Args:
        array: Any shape and device.

    Raises:
        InvalidValue: A dtype that tensors lack, or an array without memory in this process.
    """
    return BACKEND.to_tensor(array)
