"""What two runs are compared by."""

from __future__ import annotations

import json

import pytest

import rlmesh.adapters as adapt
from rlmesh import DELEGATED
from rlmesh._models.description import describe_model

OUTPUT = adapt.Action(adapt.Actuator(adapt.ACTION_DELTA_POS, dim=3))


def crop(observation):
    return observation


class Crop:
    def __call__(self, observation):
        return observation


def spec_of(**fields):
    return describe_model(
        {"name": "act"}, adapt.ModelSpec({"eye": adapt.Custom(**fields)}, OUTPUT), 0
    )


def test_a_spec_is_told_as_its_plain_form():
    spec = adapt.ModelSpec(
        (adapt.Image(adapt.IMAGE_PRIMARY, size=(2, 3)), {"text": adapt.Text(adapt.INSTRUCTION)}),
        OUTPUT,
    )
    told = describe_model({"name": "act"}, spec, 0)["spec"]
    assert told["input"][0] == {"kind": "image", "role": adapt.IMAGE_PRIMARY, "size": [2, 3]}
    assert told == json.loads(json.dumps(told))


@pytest.mark.parametrize(
    ("function", "name"),
    [(crop, f"{__name__}:crop"), (Crop(), f"{__name__}:Crop"), (len, "builtins:len")],
    ids=["function", "object", "builtin"],
)
def test_functions_are_told_by_their_name(function, name):
    told = spec_of(transform=function)["spec"]["input"]["eye"]
    assert told == {"kind": "custom", "transform": name}


def test_models_that_adapt_otherwise_are_told_by_name():
    class ByHand(adapt.AdapterBase):
        pass

    assert describe_model({"name": "act"}, None, 0)["spec"] is None
    assert describe_model({"name": "act"}, DELEGATED, 0)["spec"] == "DELEGATED"
    assert describe_model({"name": "act"}, ByHand(), 0)["spec"] == {
        "adapter": f"{__name__}:{ByHand.__qualname__}"
    }
