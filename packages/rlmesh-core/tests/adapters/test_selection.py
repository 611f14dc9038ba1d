from __future__ import annotations

import pytest

import rlmesh.adapters as adapt
from rlmesh.adapters.selection import Pushed, Selection, push_down
from rlmesh.backends import NativeBackend
from rlmesh.errors import AdapterResolutionError, InvalidValue, ProtocolError
from rlmesh.spaces import Box, Dict, Text, Tuple

CAMERA = Box(0, 255, (480, 640, 3), "uint8")
SPACE = Dict({"front": CAMERA, "arms": Tuple([CAMERA, Box(-1, 1, (3,))]), "task": Text(9)})
TAGS = adapt.EnvTags(
    {
        "front": adapt.ImageTag(adapt.IMAGE_PRIMARY, upside_down=True),
        "arms": (adapt.ImageTag(adapt.IMAGE_WRIST, layout="hwc"), adapt.StateTag(adapt.EEF_POS)),
    }
)


def spec_of(**inputs):
    return adapt.ModelSpec(inputs, adapt.Action(adapt.Actuator(dim=1)))


def test_a_selection_survives_its_way_as_plain_data():
    image = adapt.Image(adapt.IMAGE_WRIST, size=64, fit="crop")
    pushed = Pushed(("arms", 0), adapt.ImageTag(adapt.IMAGE_WRIST), image)
    selection = Selection([("arms", 0), ("task",)], [pushed])
    assert Selection.from_plain(selection.to_plain()) == selection
    small = Box(0, 255, (64, 64, 3), "uint8")
    assert selection.space(SPACE) == Dict({"arms": Dict([(0, small)]), "task": Text(9)})
    assert selection.lines(SPACE) == ["observation['arms'][0] -> 64x64"]


@pytest.mark.parametrize(
    "data", [7, {}, {"paths": 3, "pushed": []}, {"paths": [], "pushed": [1]}, {"paths": [["a"]]}]
)
def test_what_is_no_selection_is_refused(data):
    with pytest.raises(ProtocolError, match="select: expected paths and images, or None"):
        Selection.from_plain(data)


def test_an_image_that_does_not_parse_is_refused():
    tag = adapt.ImageTag(adapt.IMAGE_WRIST).to_dict()
    with pytest.raises(AdapterResolutionError):
        Selection.from_plain({"paths": [], "pushed": [[["front"], tag, {"kind": "image"}]]})


def test_only_geometry_is_pushed_down_and_the_rest_is_left():
    image = adapt.Image(
        adapt.IMAGE_PRIMARY,
        size=64,
        fit=["crop", "pad"],
        crop_area=0.9,
        layout="chw",
        dtype="float32",
        normalize=True,
        stack=2,
    )
    wrist = adapt.Image(adapt.IMAGE_WRIST)
    tags, space, spec, pushed = push_down(TAGS, SPACE, spec_of(image=image, wrist=wrist))
    (one,) = pushed
    assert one.path == ("front",)
    assert one.image == adapt.Image(
        adapt.IMAGE_PRIMARY, size=64, fit=["crop", "pad"], crop_area=0.9
    )
    assert space.spaces["front"] == Box(0, 255, (64, 64, 3), "uint8")
    assert space.spaces["arms"] == SPACE.spaces["arms"]
    assert tags.observation["front"] == adapt.ImageTag(adapt.IMAGE_PRIMARY)
    left = spec.input["image"]
    assert (left.size, left.crop_area, left.fit, left.stack) == ((64, 64), None, None, 2)
    assert spec.input["wrist"] == wrist


def test_an_image_that_two_inputs_read_stays_as_it_is():
    large = adapt.Image(adapt.IMAGE_PRIMARY, size=(240, 320))
    small = adapt.Image(adapt.IMAGE_PRIMARY, size=(48, 64))
    spec = spec_of(large=large, small=small)
    assert push_down(TAGS, SPACE, spec) == (TAGS, SPACE, spec, [])


def test_an_env_without_numpy_changes_no_images():
    image = adapt.Image(adapt.IMAGE_PRIMARY, size=(48, 64))
    *_, pushed = push_down(TAGS, SPACE, spec_of(image=image))
    with pytest.raises(InvalidValue, match="whose observations are NumPy arrays, got an env of"):
        Selection([("front",)], pushed).picker(SPACE, NativeBackend())


def test_all_of_the_geometry_is_pushed_down_and_leaves_an_rgb_picture():
    tag = adapt.ImageTag(adapt.IMAGE_PRIMARY, layout="chw", channel_order="bgr", channels=4)
    tags, space = adapt.EnvTags({"front": tag}), Dict({"front": Box(0, 255, (4, 48, 64), "uint8")})
    geometry = {
        "size": 32,
        "fit": "pad",
        "pad_first": True,
        "pad_align": "top_left",
        "fill": 127,
        "then": adapt.Stage(crop_area=0.9, size=24),
    }
    image = adapt.Image(adapt.IMAGE_PRIMARY, **geometry, channel_order="bgr")
    tags, space, spec, pushed = push_down(tags, space, spec_of(image=image))
    assert pushed == [Pushed(("front",), tag, adapt.Image(adapt.IMAGE_PRIMARY, **geometry))]
    assert space.spaces["front"] == Box(0, 255, (24, 24, 3), "uint8")
    assert tags.observation["front"] == adapt.ImageTag(adapt.IMAGE_PRIMARY)
    expected = adapt.Image(adapt.IMAGE_PRIMARY, size=24, fill=127, channel_order="bgr")
    assert spec.input["image"] == expected


def test_an_image_that_takes_a_way_through_jpeg_stays_as_it_is():
    spec = spec_of(image=adapt.Image(adapt.IMAGE_PRIMARY, size=(48, 64), jpeg=95))
    assert push_down(TAGS, SPACE, spec) == (TAGS, SPACE, spec, [])
