from __future__ import annotations

import pytest

from rlmesh import Tensor
from rlmesh._models.batches import rows, signature, stacker
from rlmesh.backends import NativeBackend
from rlmesh.errors import InvalidValue
from rlmesh.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    GraphInstance,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Sequence,
    Text,
    Tuple,
)

BACKEND = NativeBackend()


def tensor(values, dtype="float32"):
    return Tensor.from_values(values, dtype)


def stack(space, values):
    return stacker(space, BACKEND, None)(values)


def split(value, count=None):
    return list(rows(value, BACKEND, "predict_batch", count))


@pytest.mark.parametrize(
    ("space", "values", "batch"),
    [
        (Box(0, 9, (2,)), [tensor([1, 2]), tensor([3, 4])], tensor([[1, 2], [3, 4]])),
        (Box(0, 9, ()), [tensor(1), tensor(2), tensor(3)], tensor([1, 2, 3])),
        (Box(0, 9, (0, 3)), [tensor([]), tensor([])], Tensor(b"", "float32", (2, 0))),
        (Box(0, 9, (2,)), [tensor([1, 2])], tensor([[1, 2]])),
        (Discrete(5), [4, 0], tensor([4, 0], "int64")),
        (Discrete(5, start=-2), [-2, 2], tensor([-2, 2], "int64")),
        (MultiBinary(2), [tensor([1, 0], "int8")] * 2, tensor([[1, 0], [1, 0]], "int8")),
        (
            MultiDiscrete([3, 4]),
            [tensor([2, 3], "int64"), tensor([0, 0], "int64")],
            tensor([[2, 3], [0, 0]], "int64"),
        ),
        (Text(9), ["a", "bb"], ["a", "bb"]),
        (
            Dict({"x": Box(0, 9, (1,)), "say": Text(9), "n": Discrete(3)}),
            [{"x": tensor([1]), "say": "a", "n": 2}, {"x": tensor([2]), "say": "b", "n": 0}],
            {"x": tensor([[1], [2]]), "say": ["a", "b"], "n": tensor([2, 0], "int64")},
        ),
        (
            Tuple([Discrete(3), Text(9), Dict({"deep": Box(0, 9, (1,))})]),
            [(1, "a", {"deep": tensor([1])}), (2, "b", {"deep": tensor([2])})],
            (tensor([1, 2], "int64"), ["a", "b"], {"deep": tensor([[1], [2]])}),
        ),
        (Sequence(Discrete(3)), [(1, 2), ()], [(1, 2), ()]),
        (OneOf([Discrete(3), Text(9)]), [(0, 2), (1, "a")], [(0, 2), (1, "a")]),
    ],
    ids=repr,
)
def test_observations_of_a_space_become_one_value(space, values, batch):
    assert stack(space, values) == batch
    assert type(stack(space, values)) is type(batch)


def test_graphs_become_a_list():
    space = Graph(Box(0, 9, (1,)), None)
    graphs = [GraphInstance(tensor([[1]]), None, None), GraphInstance(tensor([[2]]), None, None)]
    assert stack(space, graphs) == graphs


def test_a_batch_shares_no_memory_with_its_observations():
    memory = bytearray(b"ab")
    first = Tensor(memory, "uint8", (2,))
    batch = stack(Box(0, 255, (2,), "uint8"), [first, first])
    memory[:] = b"zz"
    assert bytes(batch.data) == b"abab"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 0, 2], [1, 0, 2]),
        (["left", "right"], ["left", "right"]),
        ([(1, "a"), (2, "b")], [(1, "a"), (2, "b")]),
        ([{"a": 1}], [{"a": 1}]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (tensor([[1, 2], [3, 4]]), [tensor([1, 2]), tensor([3, 4])]),
        (tensor([5, 6], "int64"), [tensor(5, "int64"), tensor(6, "int64")]),
        (
            {"x": tensor([[1], [2]]), "n": [5, 6]},
            [{"x": tensor([1]), "n": 5}, {"x": tensor([2]), "n": 6}],
        ),
        ((tensor([[1], [2]]), ["a", "b"]), [(tensor([1]), "a"), (tensor([2]), "b")]),
        ({"deep": ({"n": [1, 2]},)}, [{"deep": ({"n": 1},)}, {"deep": ({"n": 2},)}]),
    ],
    ids=repr,
)
def test_a_batch_of_actions_is_taken_apart_along_its_first_axis(value, expected):
    assert split(value) == expected
    assert split(value, len(expected)) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        1.5,
        "ab",
        b"ab",
        tensor(1),
        {},
        (),
        (1, 0),
        {"n": 1},
        {"x": tensor([1, 2]), "n": 1},
        {"x": tensor([1, 2]), "n": [1, 2, 3]},
        ([1, 2], [1]),
        range(2),
        iter([1, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_first_axis_is_no_batch(value):
    with pytest.raises(InvalidValue, match="^predict_batch: expected a list of actions, or arr"):
        split(value)


@pytest.mark.parametrize(
    ("value", "count", "words"),
    [
        ([], None, "expected at least one action, got 0"),
        (tensor([]), None, "expected at least one action, got 0"),
        ({"x": []}, None, "expected at least one action, got 0"),
        ([], 2, "expected 2 actions, got 0"),
        ([1, 2, 3], 2, "expected 2 actions, got 3"),
        (tensor([[1, 2]]), 2, "expected 2 actions, got 1"),
    ],
    ids=repr,
)
def test_too_few_and_too_many_actions_are_counted(value, count, words):
    with pytest.raises(InvalidValue, match=f"^predict_batch: {words}$"):
        split(value, count)


def test_a_long_value_is_cut_in_the_error():
    with pytest.raises(InvalidValue) as caught:
        split("x" * 10_000)
    assert len(str(caught.value)) < 500


def test_a_signature_names_every_array_by_its_path():
    value = {"image": tensor([[1, 2]], "uint8"), "pair": (tensor([1]), "text"), "n": 3, "no": None}
    assert signature(value, "observation") == {
        "observation['image']": ("uint8", (1, 2)),
        "observation['pair'][0]": ("float32", (1,)),
        "observation['pair'][1]": ("str", ()),
        "observation['n']": ("int", ()),
        "observation['no']": ("NoneType", ()),
    }
