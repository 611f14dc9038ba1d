"""What the torch backend does beyond what every backend promises; nothing here needs NumPy."""

from __future__ import annotations

import gc
import warnings

import pytest
import torch

from rlmesh import Tensor
from rlmesh.errors import InvalidValue
from rlmesh.torch import as_tensor, from_tensor
from rlmesh.torch._backend import BACKEND


def floats(*values):
    return Tensor.from_values(list(values), "float32")


def test_writable_memory_is_shared_and_the_tensor_is_writable():
    memory = bytearray(12)
    for array in (
        as_tensor(Tensor(memory, "int16", (2, 3))),
        BACKEND.importer("int16", (2, 3))(memory),
        BACKEND.importer("int16", (6,))(memory).view(2, 3),
    ):
        array += 1
    assert memory == b"\3\0" * 6


def test_read_only_memory_is_copied_and_the_copy_is_writable():
    tensor = Tensor(bytes(8), "float32", (2,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        array = as_tensor(tensor)
    array += 1
    assert array.tolist() == [1, 1]
    assert tensor.tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint16, torch.float32, torch.bfloat16])
def test_a_tensor_of_ours_shares_the_memory_of_torchs(dtype, shape):
    array = torch.zeros(shape, dtype=dtype)
    tensor = from_tensor(array)
    array.fill_(1)
    assert tensor == from_tensor(torch.ones(shape, dtype=dtype))


def test_memory_outlives_the_tensor_that_it_came_from():
    array = torch.arange(1000)
    tensor, memory = from_tensor(array), BACKEND.exporter("int64", (1000,))(array)
    del array
    gc.collect()
    noise = [torch.full((1000,), -1) for _ in range(100)]
    assert tensor.tolist() == list(range(1000))
    assert memory.cast("q").tolist() == list(range(1000))
    del noise


def test_rows_share_the_memory_of_the_tensor():
    array = torch.zeros(2, 3)
    rows = BACKEND.unstack(array)
    rows[1].fill_(1)
    assert array.tolist() == [[0, 0, 0], [1, 1, 1]]


GRID = torch.arange(6, dtype=torch.float32).view(2, 3)


@pytest.mark.parametrize(
    "array",
    [
        GRID.t().contiguous().t(),
        torch.repeat_interleave(GRID, 2, 1)[:, ::2],
        GRID[:1].expand(2, 3) + GRID[1:].sub(GRID[:1]) * torch.tensor([[0.0], [1.0]]),
        torch.nn.Parameter(GRID.clone()),
        GRID.clone().requires_grad_() * 1,
        torch.complex(torch.zeros(2, 3), -GRID).conj().imag,
    ],
    ids=["transposed", "strided", "computed", "parameter", "with-grad", "negative-view"],
)
def test_any_layout_comes_out_in_order_and_without_gradients(array):
    assert from_tensor(array).tolist() == [[0, 1, 2], [3, 4, 5]]
    memory = BACKEND.exporter("float32", (2, 3))(array)
    assert memory is None or memory.cast("f").tolist() == [0, 1, 2, 3, 4, 5]


def test_a_tensor_that_needs_gradients_keeps_them():
    array = as_tensor(floats(1, 2)).requires_grad_()
    (array * array).sum().backward()
    assert array.grad.tolist() == [2, 4]
    assert from_tensor(array).tolist() == [1, 2]
    assert array.requires_grad
    assert BACKEND.exporter("float32", (2,))(array).cast("f").tolist() == [1, 2]


def test_tensors_of_inference_mode_are_taken():
    with torch.inference_mode():
        array = as_tensor(floats(1, 2)) * 2
        inside = from_tensor(array)
    assert inside == from_tensor(array) == floats(2, 4)


DTYPES = "dtype: expected one of bool, int8, .*, bfloat16, got "


@pytest.mark.filterwarnings("ignore:.*(beta state|deprecated|prototype):UserWarning")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.zeros(2, dtype=torch.complex64), f"{DTYPES}torch.complex64"),
        (lambda: torch.zeros(2, dtype=torch.float8_e5m2), f"{DTYPES}torch.float8_e5m2"),
        (
            lambda: torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8),
            f"{DTYPES}torch.qint8",
        ),
        (lambda: torch.eye(2).to_sparse(), "layout: expected a dense tensor .*torch.sparse_coo"),
        (lambda: torch.eye(2).to_sparse_csr(), "layout: expected a dense tensor .*sparse_csr"),
        (
            lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
            "layout: expected a dense tensor .*a nested tensor",
        ),
        (lambda: torch.zeros(2, device="meta"), "device: expected one with memory, got meta"),
    ],
    ids=["complex", "float8", "quantized", "sparse", "csr", "nested", "meta"],
)
def test_what_has_no_counterpart_is_refused_by_name(make, message):
    array = make()
    with pytest.raises(InvalidValue, match=message):
        from_tensor(array)
    for dtype in ("float32", "int8"):
        assert BACKEND.exporter(dtype, (2,))(array) is None


def test_a_tensor_without_memory_is_refused():
    def convert(row):
        assert BACKEND.exporter("float32", (2,))(row) is None
        with pytest.raises(InvalidValue, match="data: expected a tensor with memory"):
            from_tensor(row)
        return row

    torch.vmap(convert)(torch.zeros(3, 2))


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_a_device_is_given_by_name_or_as_such(device):
    assert BACKEND.as_device(device) == torch.device("cpu")
    assert as_tensor(floats(1), device=device).device == torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("abacus", "device: expected one of cpu.*, got 'abacus'"),
        ("cuda:99", "device: expected one of cpu.*, got 'cuda:99'"),
        ("meta", "device: expected one of cpu.*, got 'meta': its tensors hold no values"),
        (1.5, "device: expected one of cpu.*, got '1.5'"),
    ],
)
def test_an_unknown_device_is_refused(device, message):
    with pytest.raises(InvalidValue, match=message):
        BACKEND.as_device(device)
    with pytest.raises(InvalidValue, match=message):
        as_tensor(floats(1), device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", torch.device("cuda", 1), 0])
def test_without_cuda_a_cuda_device_is_refused_with_that_reason(device):
    with pytest.raises(InvalidValue, match="got .*: torch finds no CUDA device here"):
        BACKEND.as_device(device)


def test_the_default_device_is_torchs_own():
    assert BACKEND.as_device(None) == torch.get_default_device()
    torch.set_default_device("meta")
    try:
        assert BACKEND.as_device(None) == torch.device("meta")
        assert as_tensor(floats(1)).device.type == "meta"
        # One that is given counts, whatever the default.
        assert as_tensor(floats(1), device="cpu").tolist() == [1]
        assert BACKEND.stack([1, 2], torch.device("cpu")).tolist() == [1, 2]
        assert BACKEND.importer("int8", (0, 3), torch.device("cpu"))(bytearray()).is_cpu
    finally:
        torch.set_default_device(None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_observations_arrive_on_the_gpu_and_actions_come_from_there():
    device = BACKEND.as_device(0)
    assert device.type == "cuda"
    array = as_tensor(floats(1, 2), device=device)
    assert array.is_cuda
    assert from_tensor(array * 2).tolist() == [2, 4]
    assert BACKEND.exporter("float32", (2,))(array) is None
    assert BACKEND.importer("float32", (2,), device)(bytearray(8)).is_cuda
    assert BACKEND.stack([1, 2], device).is_cuda
