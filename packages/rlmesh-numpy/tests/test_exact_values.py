"""NumPy arrays and scalars among attributes, arguments and results."""

from __future__ import annotations

from typing import Any, List

import numpy as np
import pytest

from rlmesh._wire.exact import decode_exact, encode_exact
from rlmesh._wire.payload import PartReader
from rlmesh.errors import InvalidValue
from rlmesh.numpy._backend import BACKEND


def arrived(value: Any) -> Any:
    """Return what a value is on the other side."""
    parts: List[Any] = []
    data = encode_exact(value, "value", parts, BACKEND)
    return decode_exact(data, PartReader([memoryview(bytearray(part)) for part in parts]), BACKEND)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int8).reshape(2, 3),
        np.arange(6, dtype=">f4").reshape(2, 3).T,
        np.zeros((0, 3), np.float16),
        np.array(2.5),
        np.arange(10_000, dtype=np.uint64),
        np.array([True, False]),
        np.array(["long", "a"]),
        np.array([b"long", b"a"]),
        np.array([["a"], [""]], dtype="U9"),
        np.array([{"is_success": np.bool_(True)}, {}, None], dtype=object),
    ],
)
def test_arrays_keep_shape_dtype_and_values(array: Any) -> None:
    found = arrived({"array": array})["array"]
    assert type(found) is np.ndarray
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.shape == array.shape
    assert found.tolist() == array.tolist()
    assert found.flags.writeable


@pytest.mark.parametrize("scalar", [np.float32(0.1), np.int64(-3), np.bool_(True), np.uint8(255)])
def test_scalars_keep_their_type(scalar: Any) -> None:
    found = arrived((scalar, {scalar: scalar}))
    assert found == (scalar, {scalar: scalar})
    assert type(found[0]) is type(scalar)
    assert type(next(iter(found[1]))) is type(scalar)


def test_a_scalar_of_text_becomes_text() -> None:
    assert arrived(np.array(["go"])[0]) == "go"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.ma.masked_array([1, 2], [True, False]), r"value\[0\]: a masked array would lose its"),
        (
            np.array(["2020-01-01"], "datetime64[D]"),
            r"value\[0\]: .* of dtype datetime64\[D",
        ),
        (np.zeros(2, [("a", int)]), r"value\[0\]: .* cannot be carried: dtype: expected one of"),
        (
            np.zeros(2, complex),
            r"value\[0\]: a numpy.ndarray of dtype complex128 cannot",
        ),
        (np.array([object()]), r"value\[0\].flat\[0\]: .*, got an? object, which cannot"),
    ],
)
def test_arrays_that_cannot_be_carried_are_named(value: Any, sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        arrived([value])
