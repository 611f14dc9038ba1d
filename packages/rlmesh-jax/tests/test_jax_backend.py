"""What the JAX backend does beyond what every backend promises."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlmesh import Tensor
from rlmesh.errors import InvalidValue
from rlmesh.jax import asarray, from_array
from rlmesh.jax._backend import _OFTEN, BACKEND, JaxBackend

HAS_GPU = jax.default_backend() == "gpu"
NARROWED = {"int64": "int32", "uint64": "uint32", "float64": "float32"}
X64 = bool(jax.config.jax_enable_x64)


def floats(*values):
    return Tensor.from_values(list(values), "float32")


@pytest.mark.parametrize("offset", [0, 16, 1, 4])
@pytest.mark.parametrize("shape", [(), (4,), (1000, 500)])
def test_an_array_is_a_copy_wherever_the_memory_lies(shape, offset):
    size = 4 * int(np.prod(shape))
    block = np.zeros(size + 128, np.uint8)
    start = -block.ctypes.data % 64 + offset  # JAX would take over what is aligned to 64 bytes
    memory = memoryview(block)[start : start + size]
    array = asarray(Tensor(memory, "float32", shape))
    memory[:] = b"\1" * size
    assert not array.any()


def test_a_tensor_shares_the_memory_of_an_array_on_the_cpu():
    array = jax.device_put(np.arange(6, dtype="float32").reshape(2, 3), jax.devices("cpu")[0])
    for memory in (from_array(array).data, BACKEND.exporter("float32", (2, 3))(array)):
        assert np.frombuffer(memory, "uint8").ctypes.data == array.unsafe_buffer_pointer()
        assert memory.readonly


def test_memory_outlives_the_array_that_it_came_from():
    array = jnp.arange(1000, dtype="int32")
    tensor, memory = from_array(array), BACKEND.exporter("int32", (1000,))(array)
    del array
    gc.collect()
    noise = [jnp.full((1000,), -1) + i for i in range(100)]
    assert tensor.tolist() == list(range(1000)) == memory.cast("B").cast("i").tolist()
    del noise


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_an_importer_makes_the_same_arrays_however_often_it_is_used(dtype, shape):
    make = BACKEND.importer(dtype, shape)
    arrays = []
    for i in range(_OFTEN + 10):
        tensor = Tensor.from_values(np.full(shape, i % 2).tolist(), dtype, shape)
        arrays.append((make(bytearray(tensor.data)), tensor))
    for array, tensor in arrays:
        assert isinstance(array, jax.Array)
        assert not array.committed
        assert array.device == jax.devices()[0]
        assert from_array(array) == tensor


@pytest.mark.parametrize(
    "switched",
    [jax.disable_jit, lambda: jax.debug_nans(True), lambda: jax.transfer_guard("disallow")],
    ids=["disable_jit", "debug_nans", "transfer_guard"],
)
def test_the_switches_for_debugging_make_no_difference(switched):
    make = BACKEND.importer("float32", (2,))
    with switched():
        for _ in range(_OFTEN + 10):
            array = make(bytearray(floats(float("nan"), 1).data))
            assert isinstance(array, jax.Array)
            assert from_array(array).tolist()[1] == 1


def test_an_importer_follows_the_default_device_and_keeps_to_a_given_one():
    free, bound = BACKEND.importer("int8", (1,)), BACKEND.importer("int8", (1,), jax.devices()[0])
    for _ in range(_OFTEN + 10):
        assert not free(bytearray(1)).committed
        assert bound(bytearray(1)).committed


def test_arrays_of_any_use_come_out():
    assert from_array(jnp.arange(6.0).reshape(2, 3).T) == Tensor.from_values(
        [[0, 3], [1, 4], [2, 5]], from_array(jnp.zeros(1)).dtype
    )
    grad = jax.grad(lambda x: (x * x).sum())(asarray(floats(1, 2)))
    assert from_array(grad) == floats(2, 4)
    assert from_array(jax.jit(lambda x: x + 1)(asarray(floats(1, 2)))) == floats(2, 3)


def donated():
    array = jnp.zeros(2)
    array.delete()
    return array


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jnp.zeros(2, "complex64"), "dtype: expected one of bool, .*, got complex64"),
        (lambda: jnp.zeros(2, "float8_e5m2"), "dtype: expected one of bool, .*, got float8_e5m2"),
        (lambda: jnp.zeros(2, "int4"), "dtype: expected one of bool, .*, got int4"),
        (lambda: jax.random.key(0), "dtype: expected numbers, got key<fry>; jax.random.key_data"),
        (donated, "data: expected an array with values, got one that was deleted"),
    ],
    ids=["complex", "float8", "int4", "key", "deleted"],
)
def test_what_has_no_counterpart_is_refused_by_name(make, message):
    array = make()
    with pytest.raises(InvalidValue, match=message):
        from_array(array)
    for dtype in ("float32", "int8"):
        assert BACKEND.exporter(dtype, (2,))(array) is None


def test_a_tracer_is_refused():
    def convert(array):
        assert BACKEND.exporter("float32", (2,))(array) is None
        with pytest.raises(InvalidValue, match=r"expected .* values, got a tracer of float32\[2\]"):
            from_array(array)
        return array

    jax.jit(convert)(jnp.zeros(2, "float32"))


@pytest.mark.parametrize("device", ["cpu", "cpu:0", jax.devices("cpu")[0]])
def test_a_device_is_given_by_name_or_as_such(device):
    assert BACKEND.as_device(device) == jax.devices("cpu")[0]
    array = asarray(floats(1), device)
    assert array.devices() == {jax.devices("cpu")[0]}
    assert array.committed


@pytest.mark.parametrize("device", ["", "abacus", "cpu:", "cpu:99", "cpu:-1", "cpu:x", 0, 1.5])
def test_an_unknown_device_is_refused_with_those_that_exist(device):
    with pytest.raises(InvalidValue, match=rf"device: expected one of .*cpu:0.*, got '?{device}"):
        BACKEND.as_device(device)


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU")
def test_without_a_gpu_one_is_refused():
    with pytest.raises(InvalidValue, match="device: expected one of cpu:0, got 'gpu'"):
        asarray(floats(1), "gpu")


def run(code, **variables):
    """Run code in a process of its own, with warnings as errors; return what it prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_of_two_devices_gets_what_it_is_sent():
    code = """
import jax
from rlmesh.jax._backend import BACKEND, _OFTEN
for i in (0, 1):
    device = BACKEND.as_device(f"cpu:{i}")
    make = BACKEND.importer("float32", (2,), device)
    for _ in range(_OFTEN + 5):
        array = make(bytearray(8))
        assert array.devices() == {jax.devices("cpu")[i]}, (i, array.devices())
    assert BACKEND.stack([array, array], device).devices() == {device}
    assert BACKEND.stack([1, 2], device).devices() == {device}
    assert BACKEND.to_tensor(array).tolist() == [0, 0]
mesh = jax.sharding.Mesh(jax.devices("cpu"), ("x",))
along = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x"))
spread = jax.device_put(jax.numpy.arange(4.0), along)
assert BACKEND.exporter("float32", (4,))(spread) is None
assert BACKEND.to_tensor(spread).tolist() == [0, 1, 2, 3]
"""
    run(code, XLA_FLAGS="--xla_force_host_platform_device_count=2", JAX_PLATFORMS="cpu")


@pytest.mark.skipif(X64, reason="64-bit numbers are switched on")
@pytest.mark.parametrize(("wide", "narrow"), NARROWED.items())
def test_64_bit_numbers_arrive_as_32_bit_and_one_warning_says_so(wide, narrow):
    backend, tensor = JaxBackend(), Tensor.from_values([0, 1], wide)
    make = backend.importer(wide, (2,))
    with pytest.warns(RuntimeWarning, match=f"{wide} arrives as {narrow}.*jax_enable_x64") as told:
        arrays = [backend.from_tensor(tensor), make(bytearray(tensor.data))]
    assert [from_array(array) for array in arrays] == [Tensor.from_values([0, 1], narrow)] * 2
    assert len(told) == 1


@pytest.mark.filterwarnings("ignore:.* arrives as:RuntimeWarning")
@pytest.mark.skipif(X64, reason="64-bit numbers are switched on")
@pytest.mark.parametrize(
    ("dtype", "number", "limits"),
    [
        ("int64", 2**31, "from -2147483648 to 2147483647"),
        ("int64", -(2**31) - 1, "from -2147483648 to 2147483647"),
        ("int64", 2**40, "from -2147483648 to 2147483647"),
        ("uint64", 2**32, "from 0 to 4294967295"),
        ("uint64", 2**64 - 1, "from 0 to 4294967295"),
    ],
)
def test_an_integer_that_does_not_fit_32_bits_is_refused(dtype, number, limits):
    for values in ([0, number], number):
        tensor = Tensor.from_values(values, dtype)
        with pytest.raises(InvalidValue, match=f"dtype: expected integers {limits}.*got {number}"):
            asarray(tensor)
    if dtype == "int64":
        with pytest.raises(InvalidValue, match=f"dtype: expected integers {limits}"):
            BACKEND.stack([0, number])


@pytest.mark.filterwarnings("ignore:.* arrives as:RuntimeWarning")
@pytest.mark.skipif(X64, reason="64-bit numbers are switched on")
def test_the_outermost_32_bit_integers_arrive_whole():
    for dtype, numbers in (("int64", [-(2**31), 2**31 - 1]), ("uint64", [0, 2**32 - 1])):
        assert asarray(Tensor.from_values(numbers, dtype)).tolist() == numbers


@pytest.mark.skipif(X64, reason="64-bit numbers are switched on")
def test_floats_are_rounded_to_32_bit_without_a_warning_of_numpys():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "float64 arrives as float32")
        array = asarray(Tensor.from_values([0.1, 1e300, -1e300, 1e-300], "float64"))
    assert array.tolist() == [np.float32(0.1), np.inf, -np.inf, 0]


def test_with_64_bit_numbers_every_dtype_is_exact_and_nothing_warns():
    code = """
from rlmesh import Tensor
from rlmesh.jax import asarray, from_array
from rlmesh.jax._backend import BACKEND, _OFTEN
for dtype, number in (("int64", -(2**63)), ("uint64", 2**64 - 1), ("float64", 1e300)):
    tensor = Tensor.from_values([number, 0], dtype)
    array = asarray(tensor)
    assert str(array.dtype) == dtype
    assert from_array(array) == tensor
    make = BACKEND.importer(dtype, (2,))
    for _ in range(_OFTEN + 5):
        assert from_array(make(bytearray(tensor.data))) == tensor
    assert bytes(BACKEND.exporter(dtype, (2,))(array)) == bytes(tensor.data)
assert BACKEND.stack([2**40]).tolist() == [2**40]
"""
    run(code, JAX_ENABLE_X64="1")


def test_64_bit_numbers_may_be_switched_on_at_any_time():
    code = """
import warnings
import jax
from rlmesh.jax._backend import BACKEND
make = BACKEND.importer("int64", (1,))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    assert str(make(bytearray(8)).dtype) == "int32"
jax.config.update("jax_enable_x64", True)
assert str(make(bytearray(8)).dtype) == "int64"
"""
    run(code)


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="JAX finds no GPU")
def test_observations_arrive_on_the_gpu_and_actions_come_from_there():
    device = BACKEND.as_device("gpu:0")
    array = asarray(floats(1, 2), device)
    assert array.devices() == {device}
    assert from_array(array * 2) == floats(2, 4)
    assert BACKEND.exporter("float32", (2,))(array) is None
    make = BACKEND.importer("float32", (2,), device)
    assert all(make(bytearray(8)).devices() == {device} for _ in range(_OFTEN + 5))
