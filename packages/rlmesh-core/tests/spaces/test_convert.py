"""Conversion without any Gymnasium: spaces are told by the names of their classes."""

from __future__ import annotations

import array
import random
from collections import OrderedDict

import pytest

from rlmesh.errors import UnsupportedSpace
from rlmesh.spaces import (
    Box as OurBox,
)
from rlmesh.spaces import (
    Dict as OurDict,
)
from rlmesh.spaces import (
    Discrete as OurDiscrete,
)
from rlmesh.spaces import (
    MultiBinary as OurMultiBinary,
)
from rlmesh.spaces import (
    MultiDiscrete as OurMultiDiscrete,
)
from rlmesh.spaces import (
    Text as OurText,
)
from rlmesh.spaces import (
    Tuple as OurTuple,
)
from rlmesh.spaces import (
    as_space,
    from_gymnasium,
)


class Attributes:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Box(Attributes):
    pass


class Discrete(Attributes):
    pass


class MultiDiscrete(Attributes):
    pass


class Dict(Attributes):
    pass


class Tuple(Attributes):
    pass


class Joystick(Discrete):
    pass


PIXELS = Box(low=array.array("B", [0, 0]), high=array.array("B", [9, 9]), shape=(2,), dtype="uint8")


def test_the_oldest_gyms_lack_start_and_dtype():
    assert from_gymnasium(Discrete(n=3)) == OurDiscrete(3)
    legacy = MultiDiscrete(nvec=array.array("q", [2, 3]), dtype="int64")
    assert from_gymnasium(legacy) == OurMultiDiscrete([2, 3])


def test_nested_spaces_keep_their_order():
    legacy = Dict(spaces=OrderedDict([("b", PIXELS), ("a", Tuple(spaces=[Discrete(n=2)]))]))
    converted = from_gymnasium(legacy)
    assert list(converted) == ["b", "a"]
    assert converted == OurDict(b=OurBox(0, 9, (2,), "uint8"), a=OurTuple([OurDiscrete(2)]))


def test_a_subclass_converts_as_the_space_that_it_extends():
    assert from_gymnasium(Joystick(n=4, start=1, buttons=2)) == OurDiscrete(4, start=1)


def test_our_spaces_stay_as_they_are():
    space = OurDiscrete(2)
    assert as_space(space) is space
    assert as_space(Discrete(n=2)) == space


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (None, "env.action_space: expected a Gymnasium space, got NoneType"),
        (object(), "env.action_space: expected a Gymnasium space, got object"),
        (
            Dict(spaces={"a": Tuple(spaces=[Discrete(n=2), 3])}),
            "env.action_space['a'][1]: expected a Gymnasium space, got int",
        ),
        (Dict(spaces={"a": Discrete()}), "env.action_space['a']: expected a Gymnasium Discrete: "),
        (
            Tuple(spaces=[Box(low=0, high=1, shape=(1,), dtype="complex64")]),
            "env.action_space[0]: Box.dtype: expected one of bool, int8",
        ),
    ],
)
def test_what_is_no_known_space_is_named_with_its_path(space, message):
    with pytest.raises(UnsupportedSpace) as caught:
        as_space(space, "env.action_space")
    assert str(caught.value).startswith(message)


class Custom(Attributes):
    """A space of a kind of its own."""

    def seed(self, seed=None):
        self.random = random.Random(seed)

    def sample(self):
        return object()

    def contains(self, value):
        return True


class Mission(Custom):
    """Its samples are text, as those of MiniGrid's space are."""

    def sample(self):
        return self.random.choice(["go to the red key", "öffne die Tür", ""])


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"low": -1, "high": 1, "shape": (2,), "dtype": "float32"}, OurBox(-1, 1, (2,), "float32")),
        ({"n": 3}, OurDiscrete(3)),
        ({"n": 3, "start": 2, "shape": ()}, OurDiscrete(3, start=2)),
        ({"n": 3, "shape": (3,)}, OurMultiBinary(3)),
        ({"nvec": [2, 3], "dtype": "int64"}, OurMultiDiscrete([2, 3])),
        ({"spaces": {"a": Custom(n=2)}}, OurDict(a=OurDiscrete(2))),
        ({"spaces": (Custom(n=2),)}, OurTuple([OurDiscrete(2)])),
        ({"min_length": 1, "max_length": 3, "characters": "ab"}, OurText(3, charset="ab")),
    ],
)
def test_a_custom_space_that_behaves_like_a_known_one_converts_as_that(attributes, expected):
    assert from_gymnasium(Custom(**attributes)) == expected


def test_a_custom_space_whose_samples_are_text_becomes_a_text_that_holds_them():
    space = Mission()
    space.seed(5)
    state = space.random.getstate()
    converted = from_gymnasium(space)
    assert isinstance(converted, OurText)
    for mission in ("go to the red key", "öffne die Tür", "", "any other: (1, 2)!"):
        assert converted.contains(mission)
    assert space.random.getstate() == state, "the env's own samples have changed"
    assert from_gymnasium(Mission(random=random.Random(9))) == converted


@pytest.mark.parametrize(
    ("name", "wrapper"),
    [("env.observation_space['a']", "TransformObservation"), ("action_space", "TransformAction")],
)
def test_any_other_custom_space_is_named_with_the_wrapper_that_helps(name, wrapper):
    with pytest.raises(UnsupportedSpace) as caught:
        from_gymnasium(Custom(), name)
    assert str(caught.value).startswith(f"{name}: {__name__}.Custom is a space of its own kind")
    assert f"gymnasium.wrappers.{wrapper}(env, func, " in str(caught.value)
