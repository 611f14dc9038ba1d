"""Checks of the fields that several leaves of a model's payload share."""

from __future__ import annotations

from typing import Any, Tuple

from rlmesh._values.dtypes import DTYPES

from ._declaration import is_count


def check_dtype(leaf: Any, *, or_bool: bool = False) -> None:
    """Check the dtype of a leaf, which may be a bool where that is said."""
    _, dtype = leaf._given("dtype")
    names = [name for name in DTYPES if or_bool or name != "bool"]
    if not isinstance(dtype, str):
        # NumPy's dtypes and scalar types, torch's and JAX's have a name, if only at its end.
        found = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
        dtype = str(found).rpartition(".")[2]
    if dtype not in names:
        raise leaf._fail("dtype", f"one of {', '.join(names)}")
    leaf._set(dtype=dtype)


def check_output(leaf: Any) -> None:
    """Check the fields that `State` and `Concat` share."""
    leaf._check_pair("clip")
    leaf._check_count("pad_to")
    check_dtype(leaf, or_bool=True)
    leaf._check_choice("container", "array", "list")
    given, shape = leaf._given("reshape")
    if given:
        if isinstance(shape, int):
            shape = (shape,)
        if not (isinstance(shape, tuple) and shape and all(map(is_count, shape))):
            raise leaf._fail("reshape", "a shape of integers of at least 1")
        leaf._set(reshape=shape)


def check_history(leaf: Any) -> None:
    """Check the fields that say which past values are stacked."""
    leaf._check_count("stack")
    leaf._check_count("stride")
    if hasattr(leaf, "stack_pad"):
        leaf._check_choice("stack_pad", "repeat", "fill")
    given, offsets = leaf._given("offsets")
    if given:
        if leaf.stack is not None:
            raise leaf._fail("offsets", "None beside stack")
        if not (
            isinstance(offsets, tuple)
            and offsets
            and all(is_count(one, 0) for one in offsets)
            and list(offsets) == sorted(set(offsets), reverse=True)
        ):
            raise leaf._fail("offsets", "different numbers of steps ago, the largest first")
    if leaf.stack is None:
        if leaf.stride != 1:
            raise leaf._fail("stride", "1 without stack")
        if getattr(leaf, "stack_pad", "repeat") != "repeat" and leaf.offsets is None:
            raise leaf._fail("stack_pad", "'repeat' without stack")


def history_of(leaf: Any) -> Tuple[int, ...]:
    """Return how many steps ago each stacked value was, oldest first; empty without a stack."""
    if leaf.offsets is not None:
        return tuple(leaf.offsets)
    if leaf.stack is None:
        return ()
    return tuple(leaf.stride * i for i in reversed(range(leaf.stack)))
