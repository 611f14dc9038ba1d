"""Declarations that are wrong, each with the message that says so; also as a page of the docs.

`python misdeclarations.py` writes the page anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import rlmesh.adapters as adapt
import rlmesh.spaces as spaces
from rlmesh._contract.contract import EnvContract
from rlmesh.adapters import Action, Actuator, EnvTags, ModelSpec, StateTag, Text, TextTag
from rlmesh.errors import AdapterResolutionError

PAGE = Path(__file__).parents[4] / "docs" / "pages" / "adapter-errors.md"


class Misdeclaration(NamedTuple):
    """Something that an author might write, and that is wrong.

    Attributes:
        id: What tests call it.
        topic: Under which heading the page has it.
        code: What was written, an expression.
        message: What the error says.
        arrays: Whether it takes arrays to find out, those of NumPy.
    """

    id: str
    topic: str
    code: str
    message: str
    arrays: bool = False

    def run(self) -> Optional[str]:
        """Return the message of the error; None if there is none."""
        try:
            eval(self.code, dict(NAMES))
        except AdapterResolutionError as exc:
            return str(exc)
        return None


GRIPPER = Action(Actuator(adapt.ACTION_GRIPPER, dim=1))


def observe(tag: Any, space: Any, leaf: Any, output: Action = GRIPPER, **options: Any) -> Any:
    """Resolve an env that observes `{"x": tag}` with a model that wants `{"y": leaf}`."""
    tags = EnvTags({"x": tag}, GRIPPER)
    spec = ModelSpec({"y": leaf}, output)
    return adapt.resolve(tags, spaces.Dict({"x": space}), spaces.Box(-1, 1), spec, **options)


def act(env: Any, space: Any, model: Any) -> Any:
    """Resolve the actions of an env and of a model, an `Action` or its only `Actuator` each."""
    env, model = (Action(one) if isinstance(one, Actuator) else one for one in (env, model))
    tags = EnvTags({"x": TextTag(adapt.INSTRUCTION)}, env)
    spec = ModelSpec(Text(adapt.INSTRUCTION), model)
    return adapt.resolve(tags, spaces.Dict({"x": spaces.Text(9)}), space, spec)


NAMES: Dict[str, Any] = {
    **{name: getattr(adapt, name) for name in adapt.__all__},
    **{name: getattr(spaces, name) for name in ("Box", "Discrete", "MultiDiscrete", "Graph")},
    "DictSpace": spaces.Dict,
    "TupleSpace": spaces.Tuple,
    "TextSpace": spaces.Text,
    "observe": observe,
    "act": act,
    "inf": float("inf"),
    "nan": float("nan"),
    "RGB": spaces.Box(0, 255, (48, 64, 3), "uint8"),
    "VEC3": spaces.Box(-1, 1, (3,)),
    "VEC4": spaces.Box(-1, 1, (4,)),
    "CAMERA": adapt.ImageTag(adapt.IMAGE_PRIMARY),
    "JOINTS": StateTag(adapt.JOINT_POS),
    "CONTRACT": EnvContract("Bare-v0", spaces.Box(-1, 1), spaces.Box(-1, 1)),
    "CLOSE": Actuator(adapt.ACTION_GRIPPER, dim=1),
}

CASES: List[Misdeclaration] = [
    Misdeclaration(
        "tree-of-another-kind",
        "Tags of observations",
        'EnvTags({"x": "image/primary"})',
        "EnvTags.observation['x']: expected ImageTag(...), StateTag(...), Split(...),"
        " TextTag(...), None, or a dict or tuple of these, got 'image/primary'",
    ),
    Misdeclaration(
        "keys-that-are-no-str",
        "Tags of observations",
        "EnvTags({1: CAMERA})",
        "EnvTags.observation: expected keys that are str, got 1",
    ),
    Misdeclaration(
        "tag-for-an-unknown-key",
        "Tags of observations",
        'resolve(EnvTags({"rgb": CAMERA}, Action(CLOSE)), DictSpace({"image": RGB}), Box(-1,'
        " 1), ModelSpec(Text(INSTRUCTION), Action(CLOSE)))",
        "observation: expected tags for some of the keys 'image', got one for 'rgb'",
    ),
    Misdeclaration(
        "dict-of-tags-for-a-box",
        "Tags of observations",
        'resolve(EnvTags({"rgb": CAMERA}, Action(CLOSE)), RGB, Box(-1, 1),'
        " ModelSpec(Text(INSTRUCTION), Action(CLOSE)))",
        "observation: expected a Dict space for a dict of tags, got Box(0, 255, (48, 64, 3),"
        " uint8)",
    ),
    Misdeclaration(
        "tuple-of-tags-for-a-dict",
        "Tags of observations",
        'resolve(EnvTags((CAMERA, CAMERA), Action(CLOSE)), DictSpace({"a": RGB}), Box(-1,'
        " 1), ModelSpec(Text(INSTRUCTION), Action(CLOSE)))",
        "observation: expected a Tuple space of 2 for a tuple of as many tags, got Dict('a':"
        " Box(0, 255, (48, 64, 3), uint8))",
    ),
    Misdeclaration(
        "tuple-of-another-length",
        "Tags of observations",
        "resolve(EnvTags((CAMERA,), Action(CLOSE)), TupleSpace([RGB, RGB]), Box(-1, 1),"
        " ModelSpec(Text(INSTRUCTION), Action(CLOSE)))",
        "observation: expected a Tuple space of 1 for a tuple of as many tags, got"
        " Tuple(Box(0, 255, (48, 64, 3), uint8), Box(0, 255, (48, 64, 3), uint8))",
    ),
    Misdeclaration(
        "role-twice",
        "Tags of observations",
        'resolve(EnvTags({"a": CAMERA, "b": CAMERA}, Action(CLOSE)), DictSpace({"a": RGB,'
        ' "b": RGB}), Box(-1, 1), ModelSpec(Text(INSTRUCTION), Action(CLOSE)))',
        "observation['b']: expected each role once, got 'image/primary' again; tell them"
        " apart by part=...",
    ),
    Misdeclaration(
        "part-twice",
        "Tags of observations",
        'observe(Split(Field(GRIPPER_POS, 1, part="left"), Field(GRIPPER_POS, 1,'
        ' part="left")), Box(0, 1, (2,)), State(GRIPPER_POS))',
        "observation['x'][1:2]: expected each role once, got 'proprio/gripper' (part"
        " 'left') again; tell them apart by part=...",
    ),
    Misdeclaration(
        "role-of-another-kind",
        "Tags of observations",
        "StateTag(IMAGE_PRIMARY)",
        "StateTag.role: expected a role that begins with 'proprio/', or one of your own, got"
        " 'image/primary'",
    ),
    Misdeclaration(
        "role-that-is-empty",
        "Tags of observations",
        'TextTag("")',
        "TextTag.role: expected a non-empty str, got ''",
    ),
    Misdeclaration(
        "image-tag-on-floats",
        "Tags of observations",
        "observe(CAMERA, Box(0, 1, (8, 8, 3)), Image(IMAGE_PRIMARY))",
        "observation['x']: expected a Box of uint8 and 2 or 3 axes for an image, got"
        " Box(0.0, 1.0, (8, 8, 3), float32); a Custom input can read anything",
    ),
    Misdeclaration(
        "image-tag-on-a-vector",
        "Tags of observations",
        'observe(CAMERA, Box(0, 255, (9,), "uint8"), Image(IMAGE_PRIMARY))',
        "observation['x']: expected a Box of uint8 and 2 or 3 axes for an image, got Box(0,"
        " 255, (9,), uint8); a Custom input can read anything",
    ),
    Misdeclaration(
        "image-of-2-channels",
        "Tags of observations",
        'observe(CAMERA, Box(0, 255, (8, 8, 2), "uint8"), Image(IMAGE_PRIMARY))',
        "observation['x']: expected 1, 3 or 4 channels, got 2 (of shape (8, 8, 2) in layout 'hwc')",
    ),
    Misdeclaration(
        "image-channels-of-the-space",
        "Tags of observations",
        "observe(ImageTag(IMAGE_PRIMARY, channels=4), RGB, Image(IMAGE_PRIMARY))",
        "observation['x'].channels: expected the space's 3 (of shape (48, 64, 3) in layout"
        " 'hwc'), got 4",
    ),
    Misdeclaration(
        "image-channels-impossible",
        "Tags of observations",
        "ImageTag(IMAGE_PRIMARY, channels=2)",
        "ImageTag.channels: expected None, 1, 3 or 4, got 2",
    ),
    Misdeclaration(
        "image-order-unknown",
        "Tags of observations",
        'ImageTag(IMAGE_PRIMARY, channel_order="grb")',
        "ImageTag.channel_order: expected 'rgb' or 'bgr', got 'grb'",
    ),
    Misdeclaration(
        "image-order-of-gray",
        "Tags of observations",
        'observe(ImageTag(IMAGE_PRIMARY, channel_order="bgr"), Box(0, 255, (8, 8), "uint8"),'
        " Image(IMAGE_PRIMARY))",
        "observation['x'].channel_order: expected 'rgb' for a picture of one channel, got 'bgr'",
    ),
    Misdeclaration(
        "image-layout-mistaken",
        "Tags of observations",
        'observe(ImageTag(IMAGE_PRIMARY, layout="chw"), RGB, Image(IMAGE_PRIMARY))',
        "observation['x']: expected 1, 3 or 4 channels, got 48 (of shape (48, 64, 3) in layout"
        " 'chw')",
    ),
    Misdeclaration(
        "image-layout-unknown",
        "Tags of observations",
        'ImageTag(IMAGE_PRIMARY, layout="nchw")',
        "ImageTag.layout: expected 'hwc' or 'chw', got 'nchw'",
    ),
    Misdeclaration(
        "image-without-pixels",
        "Tags of observations",
        'observe(CAMERA, Box(0, 255, (0, 8, 3), "uint8"), Image(IMAGE_PRIMARY))',
        "observation['x']: expected an image of some pixels, got Box([], [], (0, 8, 3), uint8)",
    ),
    Misdeclaration(
        "state-tag-on-text",
        "Tags of observations",
        "observe(JOINTS, TextSpace(9), State(JOINT_POS))",
        "observation['x']: expected a space of numbers for a StateTag, got Text(1, 9,"
        " charset=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz)",
    ),
    Misdeclaration(
        "state-of-no-elements",
        "Tags of observations",
        "observe(JOINTS, Box(-1, 1, (0,)), State(JOINT_POS))",
        "observation['x']: expected at least one element, got Box([], [], (0,), float32)",
    ),
    Misdeclaration(
        "text-tag-on-numbers",
        "Tags of observations",
        "observe(TextTag(INSTRUCTION), VEC3, Text(INSTRUCTION))",
        "observation['x']: expected a Text space for a TextTag, got Box(-1.0, 1.0, (3,), float32)",
    ),
    Misdeclaration(
        "rotation-without-encoding",
        "Tags of observations",
        "StateTag(EEF_ROT)",
        "StateTag.encoding: expected that of 'proprio/eef_rot', e.g. 'quat_xyzw', got None",
    ),
    Misdeclaration(
        "encoding-unknown",
        "Tags of observations",
        'StateTag(EEF_ROT, encoding="quaternion")',
        "StateTag.encoding: expected one of quat_xyzw, quat_wxyz, axis_angle,"
        " axis_angle_2pi, rot6d, rot6d_rowmajor, euler_xyz, matrix, gravity_xyz, or a"
        " CustomEncoding, got 'quaternion'",
    ),
    Misdeclaration(
        "encoding-of-a-position",
        "Tags of observations",
        'StateTag(EEF_POS, encoding="rot6d")',
        "StateTag.encoding: expected None, because 'proprio/eef_pos' is no rotation, got 'rot6d'",
    ),
    Misdeclaration(
        "range-of-a-rotation",
        "Tags of observations",
        'StateTag(EEF_ROT, encoding="quat_xyzw", range=(-1, 1))',
        "StateTag.range: expected None beside a rotation's encoding, got (-1, 1)",
    ),
    Misdeclaration(
        "encoding-of-another-width",
        "Tags of observations",
        'observe(StateTag(EEF_ROT, encoding="quat_xyzw"), VEC3, State(EEF_ROT))',
        "observation['x']: expected 4 elements (the width of quat_xyzw), got 3",
    ),
    Misdeclaration(
        "canonical-width",
        "Tags of observations",
        "observe(StateTag(EEF_POS), VEC4, State(EEF_POS))",
        "observation['x']: expected 3 elements (the width of this role), got 4",
    ),
    Misdeclaration(
        "range-of-other-bounds",
        "Tags of observations",
        "observe(StateTag(JOINT_POS, range=(0, 1)), VEC3, State(JOINT_POS))",
        "observation['x'].range: expected the space's own bounds (-1, 1), got (0, 1)",
    ),
    Misdeclaration(
        "range-reversed",
        "Tags of observations",
        "StateTag(GRIPPER_POS, range=(1, 0))",
        "StateTag.range: expected two finite numbers, the lower one first, got (1, 0)",
    ),
    Misdeclaration(
        "labels-too-few",
        "Tags of observations",
        'observe(StateTag(JOINT_POS, labels=["hip", "knee"]), VEC3, State(JOINT_POS))',
        "observation['x'].labels: expected 3, one for each element, got 2",
    ),
    Misdeclaration(
        "labels-twice",
        "Tags of observations",
        'StateTag(JOINT_POS, labels=["hip", "hip"])',
        "StateTag.labels: expected a sequence of different, non-empty str, got ('hip', 'hip')",
    ),
    Misdeclaration(
        "frame-unknown",
        "Tags of observations",
        'StateTag(EEF_POS, frame="base")',
        "StateTag.frame: expected None, 'world', 'robot_base' or 'tool', got 'base'",
    ),
    Misdeclaration(
        "split-of-another-sum",
        "Tags of observations",
        "observe(Split(Field(EEF_POS), Field(GRIPPER_POS, 2)), VEC4, State(EEF_POS))",
        "observation['x']: expected fields whose widths sum to 4, got 3 + 2 = 5",
    ),
    Misdeclaration(
        "field-without-dim",
        "Tags of observations",
        "Field(JOINT_POS)",
        "Field.dim: expected the number of elements, got None",
    ),
    Misdeclaration(
        "field-of-another-dim",
        "Tags of observations",
        "Field(EEF_POS, dim=4)",
        "Field.dim: expected 3 elements (the width of this role), got 4",
    ),
    Misdeclaration(
        "split-of-no-fields",
        "Tags of observations",
        "Split()",
        "Split.fields: expected one or more Field(...), got ()",
    ),
    Misdeclaration(
        "role-not-offered",
        "Images",
        "observe(CAMERA, RGB, Image(IMAGE_WRIST))",
        "input['y']: expected the env to offer 'image/wrist', got only 'image/primary';"
        " optional=True would fill it in",
    ),
    Misdeclaration(
        "part-not-offered",
        "Images",
        'observe(CAMERA, RGB, Image(IMAGE_PRIMARY, part="left"))',
        "input['y']: expected the env to offer 'image/primary' (part 'left'), got only"
        " 'image/primary'; optional=True would fill it in",
    ),
    Misdeclaration(
        "part-ambiguous",
        "Images",
        'resolve(EnvTags({"a": ImageTag(IMAGE_WRIST, part="left"), "b":'
        ' ImageTag(IMAGE_WRIST, part="right")}, Action(CLOSE)), DictSpace({"a": RGB, "b":'
        " RGB}), Box(-1, 1), ModelSpec(Image(IMAGE_WRIST), Action(CLOSE)))",
        "input.part: expected one of 'left', 'right', because the env offers 'image/wrist'"
        " more than once, got None",
    ),
    Misdeclaration(
        "kind-mismatch",
        "Images",
        'observe(ImageTag("rgb"), RGB, State("rgb"))',
        "input['y']: expected 'rgb' to be a state, got an image, as the env tags observation['x']",
    ),
    Misdeclaration(
        "size-of-zero",
        "Images",
        "Image(IMAGE_PRIMARY, size=0)",
        "Image.size: expected one or two integers of at least 1, got 0",
    ),
    Misdeclaration(
        "height-without-width",
        "Images",
        "Image(IMAGE_PRIMARY, height=224)",
        "Image.width: expected both height and width, or size=..., got None",
    ),
    Misdeclaration(
        "size-beside-height",
        "Images",
        "Image(IMAGE_PRIMARY, height=224, width=224, size=256)",
        "Image.size: expected None beside height and width, got 256",
    ),
    Misdeclaration(
        "aspect-without-fit",
        "Images",
        "observe(CAMERA, RGB, Image(IMAGE_PRIMARY, size=32))",
        "input['y'].fit: expected 'stretch', 'crop', 'crop_floor' or 'pad', because the aspect"
        " changes from 48x64 to 32x32, got None",
    ),
    Misdeclaration(
        "aspect-of-a-stage-without-fit",
        "Images",
        "observe(CAMERA, RGB, Image(IMAGE_PRIMARY, then=Stage(size=32)))",
        "input['y'].then[0].fit: expected 'stretch', 'crop', 'crop_floor' or 'pad', because the"
        " aspect changes from 48x64 to 32x32, got None",
    ),
    Misdeclaration(
        "stage-enlarged-unasked",
        "Images",
        'observe(CAMERA, RGB, Image(IMAGE_PRIMARY, size=32, fit="crop", then=[Stage(crop=0.5),'
        " Stage(size=32)]))",
        "input['y'].then[1].allow_upscale: expected True, because the picture is enlarged from"
        " 16x16 to 32x32, got False",
    ),
    Misdeclaration(
        "stages-of-no-kind",
        "Images",
        "Image(IMAGE_PRIMARY, then=0.9)",
        "Image.then: expected Stage(...), or several of them, got 0.9",
    ),
    Misdeclaration(
        "stage-crop-above-one",
        "Images",
        "Stage(crop_area=90)",
        "Stage.crop_area: expected a fraction above 0, and at most 1, got 90",
    ),
    Misdeclaration(
        "pad-align-unknown",
        "Images",
        'Image(IMAGE_PRIMARY, pad_align="left")',
        "Image.pad_align: expected 'center', 'top_left' or 'bottom_right', got 'left'",
    ),
    Misdeclaration(
        "pad-align-without-pad",
        "Images",
        'Image(IMAGE_PRIMARY, fit="crop", pad_align="top_left")',
        "Image.pad_align: expected 'center' without fit='pad', got 'top_left'",
    ),
    Misdeclaration(
        "pad-first-without-pad",
        "Images",
        "Image(IMAGE_PRIMARY, pad_first=True)",
        "Image.pad_first: expected False without fit='pad', got True",
    ),
    Misdeclaration(
        "pad-first-beside-zoom",
        "Images",
        'Image(IMAGE_PRIMARY, fit="pad", pad_first=True, crop=0.9)',
        "Image.crop_mode: expected 'slice' for a crop beside pad_first, got 'zoom'",
    ),
    Misdeclaration(
        "jpeg-quality-impossible",
        "Images",
        "Image(IMAGE_PRIMARY, jpeg=101)",
        "Image.jpeg: expected a quality from 1 to 100, got 101",
    ),
    Misdeclaration(
        "enlarged-unasked",
        "Images",
        "observe(CAMERA, RGB, Image(IMAGE_PRIMARY, size=(96, 128)))",
        "input['y'].allow_upscale: expected True, because the picture is enlarged from 48x64"
        " to 96x128, got False",
    ),
    Misdeclaration(
        "area-enlarging",
        "Images",
        'observe(CAMERA, RGB, Image(IMAGE_PRIMARY, size=(96, 128), resample="area",'
        " allow_upscale=True))",
        "input['y'].resample: expected a method that enlarges, from 48x64 to 96x128, got 'area'",
    ),
    Misdeclaration(
        "area-of-too-many-pixels",
        "Images",
        'observe(CAMERA, Box(0, 255, (1, 4000, 3), "uint8"), Image(IMAGE_PRIMARY, size=1,'
        ' fit="stretch", resample="area"))',
        "input['y'].size: expected fewer than 2896 pixels of the camera along an axis for each of"
        " an 'area', got 1x4000 to 1x1",
    ),
    Misdeclaration(
        "resample-unknown",
        "Images",
        'Image(IMAGE_PRIMARY, resample="bicubic")',
        "Image.resample: expected 'bilinear', 'bilinear_aa', 'bicubic_aa', 'lanczos3_aa',"
        " 'lanczos3_tf' or 'area', got 'bicubic'",
    ),
    Misdeclaration(
        "fit-unknown",
        "Images",
        'Image(IMAGE_PRIMARY, fit="cover")',
        "Image.fit: expected one or several of stretch, crop, crop_floor, pad, got 'cover'",
    ),
    Misdeclaration(
        "crop-above-one",
        "Images",
        "Image(IMAGE_PRIMARY, crop=224)",
        "Image.crop: expected a fraction above 0, and at most 1, got 224",
    ),
    Misdeclaration(
        "crop-and-crop-area",
        "Images",
        "Image(IMAGE_PRIMARY, crop=0.9, crop_area=0.9)",
        "Image.crop_area: expected None beside crop, got 0.9",
    ),
    Misdeclaration(
        "channels-of-the-camera",
        "Images",
        "observe(CAMERA, RGB, Image(IMAGE_PRIMARY, channels=1))",
        "input['y'].channels: expected the camera's 3, or convert_channels=True, got 1",
    ),
    Misdeclaration(
        "channels-impossible",
        "Images",
        "Image(IMAGE_PRIMARY, channels=4)",
        "Image.channels: expected None, 1 or 3, got 4",
    ),
    Misdeclaration(
        "normalize-integers",
        "Images",
        "Image(IMAGE_PRIMARY, normalize=(-1, 1))",
        "Image.dtype: expected that of a float beside normalize=(-1, 1), got 'uint8'",
    ),
    Misdeclaration(
        "normalize-by-a-number",
        "Images",
        'Image(IMAGE_PRIMARY, dtype="float32", normalize=255)',
        "Image.normalize: expected True, False, (low, high) or Stats(...), got 255",
    ),
    Misdeclaration(
        "normalize-channels",
        "Images",
        'observe(CAMERA, RGB, Image(IMAGE_PRIMARY, dtype="float32",'
        " normalize=Stats(mean=[0.5], std=[0.5])))",
        "input['y'].normalize: expected statistics of 3 elements, got those of 1",
    ),
    Misdeclaration(
        "dtype-unknown",
        "Images",
        'Image(IMAGE_PRIMARY, dtype="float")',
        "Image.dtype: expected one of int8, int16, int32, int64, uint8, uint16, uint32,"
        " uint64, float16, float32, float64, bfloat16, got 'float'",
    ),
    Misdeclaration(
        "dtype-too-small",
        "Images",
        'observe(CAMERA, RGB, Image(IMAGE_PRIMARY, dtype="int8"))',
        "input['y'].dtype: expected a dtype that holds 0 to 255, got 'int8'",
    ),
    Misdeclaration(
        "fill-above-255",
        "Images",
        "Image(IMAGE_PRIMARY, fill=256)",
        "Image.fill: expected an integer from 0 to 255, got 256",
    ),
    Misdeclaration(
        "optional-of-no-size",
        "Images",
        "Image(IMAGE_WRIST, optional=True)",
        "Image.size: expected the size of what optional=True makes up, got None",
    ),
    Misdeclaration(
        "optional-of-no-channels",
        "Images",
        "Image(IMAGE_WRIST, size=224, optional=True)",
        "Image.channels: expected the channels of what optional=True makes up, got None",
    ),
    Misdeclaration(
        "stack-pad-of-no-size",
        "Images",
        'observe(CAMERA, RGB, Image(IMAGE_PRIMARY, stack=4, stack_pad="fill"))',
        "input['y'].stack_pad: expected 'repeat' without a size and channels to fill, got 'fill'",
    ),
    Misdeclaration(
        "stride-without-stack",
        "Images",
        "Image(IMAGE_PRIMARY, stride=2)",
        "Image.stride: expected 1 without stack, got 2",
    ),
    Misdeclaration(
        "offsets-in-disorder",
        "Images",
        "Image(IMAGE_PRIMARY, offsets=[0, 4])",
        "Image.offsets: expected different numbers of steps ago, the largest first, got (0, 4)",
    ),
    Misdeclaration(
        "offsets-beside-stack",
        "Images",
        "Image(IMAGE_PRIMARY, stack=2, offsets=[1, 0])",
        "Image.offsets: expected None beside stack, got (1, 0)",
    ),
    Misdeclaration(
        "state-not-offered",
        "States",
        "observe(JOINTS, VEC3, State(JOINT_VEL))",
        "input['y']: expected the env to offer 'proprio/joint_vel', got only"
        " 'proprio/joint_pos'; optional=True would fill it in",
    ),
    Misdeclaration(
        "dim-above-the-env",
        "States",
        "observe(JOINTS, VEC3, State(JOINT_POS, dim=7))",
        "input['y'].dim: expected at most the env's 3 elements, got 7 (from observation['x'])",
    ),
    Misdeclaration(
        "dim-of-part-of-a-rotation",
        "States",
        'observe(StateTag(EEF_ROT, encoding="quat_xyzw"), VEC4, State(EEF_ROT, dim=3,'
        ' encoding="rot6d"))',
        "input['y'].dim: expected 4, the width of quat_xyzw, got 3 (from observation['x'])",
    ),
    Misdeclaration(
        "encoding-of-no-rotation",
        "States",
        'observe(JOINTS, VEC3, State(JOINT_POS, encoding="rot6d"))',
        "input['y'].encoding: expected a tag that says the env's encoding, from which to"
        " convert to rot6d, got observation['x'] without one",
    ),
    Misdeclaration(
        "gravity-into-a-rotation",
        "States",
        'observe(StateTag(BASE_ROT, encoding="gravity_xyz"), VEC3, State(BASE_ROT,'
        ' encoding="rot6d"))',
        "input['y'].encoding: expected gravity_xyz, which converts into no other, got"
        " 'rot6d' (from observation['x'])",
    ),
    Misdeclaration(
        "index-out-of-range",
        "States",
        "observe(JOINTS, VEC3, State(JOINT_POS, index=3))",
        "input['y'].index: expected an index below the width 3, got 3 (from observation['x'])",
    ),
    Misdeclaration(
        "labels-missing",
        "States",
        'observe(StateTag(JOINT_POS, labels=["hip", "knee", "toe"]), VEC3, State(JOINT_POS,'
        ' labels=["hip", "ankle"]))',
        "input['y'].labels: expected some of the env's ['hip', 'knee', 'toe'], got ['ankle']"
        " (from observation['x'])",
    ),
    Misdeclaration(
        "labels-of-another-width",
        "States",
        'observe(JOINTS, VEC3, State(JOINT_POS, labels=["hip", "knee"]))',
        "input['y'].labels: expected 3 labels, got ['hip', 'knee'] (from observation['x'])",
    ),
    Misdeclaration(
        "range-empty",
        "States",
        "observe(JOINTS, Box(0, 0, (3,)), State(JOINT_POS, range=(-1, 1)))",
        "input['y'].range: expected an env range that is not empty, got [(0.0, 0.0), (0.0,"
        " 0.0), (0.0, 0.0)] (from observation['x'])",
    ),
    Misdeclaration(
        "range-not-finite",
        "States",
        "State(JOINT_POS, range=(0, inf))",
        "State.range: expected two finite numbers, the lower one first, got (0, inf)",
    ),
    Misdeclaration(
        "scale-too-long",
        "States",
        "observe(JOINTS, VEC3, State(JOINT_POS, scale=[1, 2]))",
        "input['y'].scale: expected 3 numbers, got 2",
    ),
    Misdeclaration(
        "offset-no-number",
        "States",
        'State(JOINT_POS, offset="0.5")',
        "State.offset: expected a finite number, or a sequence of them, got '0.5'",
    ),
    Misdeclaration(
        "stats-too-wide",
        "States",
        "observe(JOINTS, VEC3, State(JOINT_POS, stats=Stats(mean=[0] * 7, std=[1] * 7)))",
        "input['y'].stats: expected statistics of 3 elements, got those of 7",
    ),
    Misdeclaration(
        "stats-as-a-dict",
        "States",
        'State(JOINT_POS, stats={"mean": 0, "std": 1})',
        "State.stats: expected Stats(...), got {'mean': 0, 'std': 1}",
    ),
    Misdeclaration(
        "stats-incomplete",
        "States",
        "Stats(mean=0)",
        "Stats: expected mean and std, q01 and q99, or low and high, got mean=0",
    ),
    Misdeclaration(
        "stats-of-both-kinds",
        "States",
        "Stats(mean=0, std=1, q01=-1, q99=1)",
        "Stats: expected mean and std, q01 and q99, or low and high, got mean=0, std=1,"
        " q01=-1, q99=1",
    ),
    Misdeclaration(
        "stats-of-zero-std",
        "States",
        "Stats(mean=[0, 0], std=[1, 0])",
        "Stats: expected std of element 1 above 0, got 0; mask=... leaves an element"
        " alone, zero_span=... says what one of no span becomes",
    ),
    Misdeclaration(
        "stats-of-equal-quantiles",
        "States",
        "Stats(q01=[0, 0], q99=[1, 0])",
        "Stats: expected q99 - q01 of element 1 above 0, got 0; mask=... leaves an element"
        " alone, zero_span=... says what one of no span becomes",
    ),
    Misdeclaration(
        "stats-of-other-lengths",
        "States",
        "Stats(mean=[0, 0], std=[1, 1, 1])",
        "Stats: expected as many numbers everywhere, got 2 in mean, 3 in std",
    ),
    Misdeclaration(
        "stats-mask-of-numbers",
        "States",
        "Stats(mean=0, std=1, mask=[0, 1])",
        "Stats.mask: expected a sequence of booleans, got (0, 1)",
    ),
    Misdeclaration(
        "pad-to-too-small",
        "States",
        "observe(JOINTS, VEC3, State(JOINT_POS, pad_to=2))",
        "input['y'].pad_to: expected at least the width 3, got 2",
    ),
    Misdeclaration(
        "reshape-mismatch",
        "States",
        "observe(JOINTS, VEC3, State(JOINT_POS, reshape=(2, 2)))",
        "input['y'].reshape: expected a shape of 3 elements, got (2, 2)",
    ),
    Misdeclaration(
        "clip-reversed",
        "States",
        "State(JOINT_POS, clip=(1, -1))",
        "State.clip: expected two finite numbers, the lower one first, got (1, -1)",
    ),
    Misdeclaration(
        "container-unknown",
        "States",
        'State(JOINT_POS, container="tuple")',
        "State.container: expected 'array' or 'list', got 'tuple'",
    ),
    Misdeclaration(
        "optional-of-no-dim",
        "States",
        "State(JOINT_POS, optional=True)",
        "State.dim: expected the number of elements that optional=True makes up, got None",
    ),
    Misdeclaration(
        "fill-that-is-nan",
        "States",
        "State(JOINT_POS, fill=nan)",
        "State.fill: expected a finite number, got nan",
    ),
    Misdeclaration(
        "previous-action-unknown",
        "States",
        'observe(JOINTS, VEC3, State(ACTION_JOINT_POS, source="action"))',
        "input['y']: expected one actuator of role 'action/joint_pos' in the model's own"
        " output, which source='action' reads, got 0",
    ),
    Misdeclaration(
        "source-of-another-kind",
        "States",
        'State(JOINT_POS, source="action")',
        "State.role: expected a role that begins with 'action/', or one of your own, got"
        " 'proprio/joint_pos'",
    ),
    Misdeclaration(
        "concat-of-nothing",
        "States",
        "Concat()",
        "Concat.parts: expected one or more roles, State(...) or Constant(...), got ()",
    ),
    Misdeclaration(
        "concat-of-an-image",
        "States",
        "Concat(EEF_POS, Image(IMAGE_PRIMARY))",
        "Concat.parts[1]: expected a role, State(...), Constant(...) or Presence(...), got"
        " Image(...)",
    ),
    Misdeclaration(
        "concat-of-a-stack",
        "States",
        "Concat(State(JOINT_POS, stack=4))",
        "Concat.parts[0].stack: expected None, because the parts become one vector, got 4",
    ),
    Misdeclaration(
        "concat-part-missing",
        "States",
        "observe(JOINTS, VEC3, Concat(JOINT_POS, JOINT_VEL))",
        "input['y'].parts[1]: expected the env to offer 'proprio/joint_vel', got only"
        " 'proprio/joint_pos'; optional=True would fill it in",
    ),
    Misdeclaration(
        "constant-of-no-elements",
        "States",
        "Constant(0)",
        "Constant.dim: expected an integer of at least 1, got 0",
    ),
    Misdeclaration(
        "pending-without-rows",
        "States",
        'State(ACTION_JOINT_POS, source="pending_actions")',
        "State.stack: expected the number of rows beside source='pending_actions', got None",
    ),
    Misdeclaration(
        "pending-reshaped",
        "States",
        'State(ACTION_JOINT_POS, source="pending_actions", stack=8, reshape=(2, 4))',
        "State.reshape: expected None beside source='pending_actions', got (2, 4)",
    ),
    Misdeclaration(
        "pending-in-another-concat",
        "States",
        'Concat(State(ACTION_JOINT_POS, source="pending_actions", stack=8), Constant(1))',
        "Concat.parts[1]: expected State(..., source='pending_actions'), as the first part"
        " is, got Constant(...)",
    ),
    Misdeclaration(
        "initial-of-an-observation",
        "States",
        'State(JOINT_POS, initial="state")',
        "State.initial: expected 'zeros' without source='action', got 'state'",
    ),
    Misdeclaration(
        "initial-that-the-env-lacks",
        "States",
        'observe(JOINTS, VEC3, State(ACTION_GRIPPER, source="action", initial="state"))',
        "input['y'].initial: expected 'zeros' for an env that does not offer"
        " 'proprio/gripper', got 'state'",
    ),
    Misdeclaration(
        "initial-of-another-width",
        "States",
        'observe(StateTag(GRIPPER_POS), VEC3, State(ACTION_GRIPPER, source="action",'
        ' initial="state"))',
        "input['y'].initial: expected a state of width 1 and encoding none, as the"
        " actuator has, got width 3 and encoding none of observation['x']",
    ),
    Misdeclaration(
        "initial-of-a-binary-actuator",
        "States",
        'observe(StateTag(GRIPPER_POS), Box(-1, 1), State(ACTION_GRIPPER, source="action",'
        ' initial="state"), Action(Actuator(ACTION_GRIPPER, dim=1, binary=True)))',
        "input['y'].initial: expected 'zeros' for an actuator with binary=True, whose"
        " output is no state, got 'state'",
    ),
    Misdeclaration(
        "sincos-of-a-quaternion",
        "States",
        'State(EEF_ROT, encoding="quat_xyzw", sincos=True)',
        "State.sincos: expected False beside an encoding other than euler_xyz, got True",
    ),
    Misdeclaration(
        "sincos-of-an-env-quaternion",
        "States",
        'observe(StateTag(EEF_ROT, encoding="quat_xyzw"), VEC4, State(EEF_ROT, sincos=True))',
        "input['y'].sincos: expected angles, got 'quat_xyzw' (from observation['x'])",
    ),
    Misdeclaration(
        "rotation-offset-that-is-none",
        "States",
        'State(EEF_ROT, encoding="rot6d", rotation_offset=(1, 0, 0, 0, 1, 0, 0, 0, -1))',
        "State.rotation_offset: expected a rotation, as 4 numbers (quat_xyzw) or 9"
        " (matrix, row by row), got (1, 0, 0, 0, 1, 0, 0, 0, -1)",
    ),
    Misdeclaration(
        "rotation-offset-without-encoding",
        "States",
        "State(EEF_ROT, rotation_offset=(0, 0, 0, 1))",
        "State.rotation_offset: expected None without a rotation's encoding, got (0, 0, 0, 1)",
    ),
    Misdeclaration(
        "rotation-offset-of-gravity",
        "States",
        'observe(StateTag(BASE_ROT, encoding="gravity_xyz"), VEC3, State(BASE_ROT,'
        ' encoding="gravity_xyz", rotation_offset=(0, 0, 0, 1)))',
        "input['y'].rotation_offset: expected None for gravity_xyz, got (0.0, 0.0, 0.0,"
        " 1.0) (from observation['x'])",
    ),
    Misdeclaration(
        "stats-of-no-span-kept-otherwise",
        "States",
        'Stats(low=0, high=1, zero_span="one")',
        "Stats.zero_span: expected None, 'zero' or 'keep', got 'one'",
    ),
    Misdeclaration(
        "stats-of-a-negative-epsilon",
        "States",
        "Stats(mean=0, std=1, eps=-1e-6)",
        "Stats.eps: expected a number of at least 0, got -1e-06",
    ),
    Misdeclaration(
        "stats-of-exchanged-ends",
        "States",
        'Stats(low=1, high=0, zero_span="zero")',
        "Stats: expected high - low above 0, got -1; mask=... leaves an element alone,"
        " zero_span=... says what one of no span becomes",
    ),
    Misdeclaration(
        "presence-of-pending-stacked",
        "States",
        'Presence(ACTION_GRIPPER, source="pending_actions", stack=2)',
        "Presence.stack: expected None beside source='pending_actions', got 2",
    ),
    Misdeclaration(
        "presence-of-no-actuator",
        "States",
        'observe(JOINTS, VEC3, Presence(ACTION_JOINT_POS, source="pending_actions"))',
        "input['y']: expected one actuator of role 'action/joint_pos' in the model's own"
        " output, which source='pending_actions' reads, got 0",
    ),
    Misdeclaration(
        "presence-stacked-in-a-concat",
        "States",
        "Concat(JOINT_POS, Presence(IMAGE_WRIST, stack=2))",
        "Concat.parts[1].stack: expected None, because the parts become one vector, got 2",
    ),
    Misdeclaration(
        "template-without-text",
        "Texts and functions",
        'Text(INSTRUCTION, template="In: {instruction}")',
        "Text.template: expected a str with '{text}' in it, once, got 'In: {instruction}'",
    ),
    Misdeclaration(
        "text-without-source",
        "Texts and functions",
        "observe(JOINTS, VEC3, Text(INSTRUCTION))",
        "input['y']: expected the env to offer 'text/instruction', an instruction of the"
        " run, or fill=..., got none of them",
    ),
    Misdeclaration(
        "text-fill-no-str",
        "Texts and functions",
        "Text(INSTRUCTION, fill=0)",
        "Text.fill: expected a str, got 0",
    ),
    Misdeclaration(
        "custom-of-nothing",
        "Texts and functions",
        "Custom()",
        "Custom: expected transform=... or entrypoint=..., got transform=None, entrypoint=None",
    ),
    Misdeclaration(
        "custom-no-function",
        "Texts and functions",
        'Custom(transform="resize")',
        "Custom.transform: expected a function, got 'resize'",
    ),
    Misdeclaration(
        "entrypoint-no-path",
        "Texts and functions",
        'Custom(entrypoint="my_module.preprocess")',
        "Custom.entrypoint: expected 'module:callable', got 'my_module.preprocess'",
    ),
    Misdeclaration(
        "entrypoint-without-trust",
        "Texts and functions",
        'observe(JOINTS, VEC3, Custom(entrypoint="json:loads"))',
        "input['y'].entrypoint: expected trust_entrypoints=True, because importing"
        " 'json:loads' runs code that the spec names, got False",
    ),
    Misdeclaration(
        "entrypoint-not-importable",
        "Texts and functions",
        'observe(JOINTS, VEC3, Custom(entrypoint="no_such_module:preprocess"),'
        " trust_entrypoints=True)",
        "input['y'].entrypoint: expected a function at 'no_such_module:preprocess', got"
        " ModuleNotFoundError: No module named 'no_such_module'",
    ),
    Misdeclaration(
        "entrypoint-no-function",
        "Texts and functions",
        'observe(JOINTS, VEC3, Custom(entrypoint="math:pi"), trust_entrypoints=True)',
        "input['y'].entrypoint: expected a function at 'math:pi', got 3.141592653589793",
    ),
    Misdeclaration(
        "spec-of-no-leaf",
        "Texts and functions",
        'ModelSpec({"image": "image/primary"}, Action(CLOSE))',
        "ModelSpec.input['image']: expected Image(...), State(...), Concat(...),"
        " Presence(...), Text(...), Custom(...), or a dict or tuple of these, got"
        " 'image/primary'",
    ),
    Misdeclaration(
        "spec-of-no-action",
        "Texts and functions",
        "ModelSpec(Text(INSTRUCTION), CLOSE)",
        "ModelSpec.output: expected an Action(...), got Actuator(...)",
    ),
    Misdeclaration(
        "custom-encoding-base",
        "Texts and functions",
        'CustomEncoding("quat", from_base=abs, to_base=abs, name="mine")',
        "custom encoding 'mine': expected a base among quat_xyzw, quat_wxyz, axis_angle,"
        " axis_angle_2pi, rot6d, rot6d_rowmajor, euler_xyz, matrix, gravity_xyz, got 'quat'",
    ),
    Misdeclaration(
        "encoding-that-is-not-undone",
        "Texts and functions",
        'observe(StateTag(EEF_ROT, encoding="quat_xyzw"), VEC4, State(EEF_ROT,'
        ' encoding=CustomEncoding("axis_angle", from_base=lambda x: x * 0.5, to_base=lambda'
        ' x: x, name="halved")))',
        "input['y'].encoding: custom encoding 'halved': expected from_base and to_base to"
        " undo each other, but to_base(from_base(x)) is 0.768 rad from x = [0.3977, -0.8175,"
        " 1.2373] (axis_angle)",
        arrays=True,
    ),
    Misdeclaration(
        "encoding-of-another-shape",
        "Texts and functions",
        'act(Actuator("spin", encoding=CustomEncoding("quat_xyzw", from_base=lambda x:'
        ' x[..., :3], to_base=lambda x: x, name="short")), VEC4, Actuator("spin",'
        ' encoding="rot6d"))',
        "EnvTags.action[0].encoding: custom encoding 'short': from_base of shape (7, 4):"
        " expected float32 of that shape, got float32 of (7, 3)",
        arrays=True,
    ),
    Misdeclaration(
        "encoding-that-fails",
        "Texts and functions",
        'observe(StateTag(EEF_ROT, encoding="quat_xyzw"), VEC4, State(EEF_ROT,'
        ' encoding=CustomEncoding("quat_xyzw", from_base=lambda x: x.mirrored(),'
        ' to_base=lambda x: x, name="mirrored")))',
        "input['y'].encoding: custom encoding 'mirrored': from_base of shape (7, 4) failed:"
        " AttributeError: 'numpy.ndarray' object has no attribute 'mirrored'",
        arrays=True,
    ),
    Misdeclaration(
        "actions-not-tagged",
        "Actions",
        'resolve(EnvTags({"x": JOINTS}), DictSpace({"x": VEC3}), VEC3,'
        " ModelSpec(State(JOINT_POS), Action(CLOSE)))",
        "EnvTags.action: expected an Action(...) that says what the env's action is, got None",
    ),
    Misdeclaration(
        "action-of-nothing",
        "Actions",
        "Action()",
        "Action.actuators: expected one or more Actuator(...), got ()",
    ),
    Misdeclaration(
        "actuator-without-dim",
        "Actions",
        "Actuator(ACTION_GRIPPER)",
        "Actuator.dim: expected the number of elements, got None",
    ),
    Misdeclaration(
        "actuator-canonical-width",
        "Actions",
        "Actuator(ACTION_DELTA_POS, dim=6)",
        "Actuator.dim: expected 3 elements (the width of this role), got 6",
    ),
    Misdeclaration(
        "actuator-of-an-observation",
        "Actions",
        "Actuator(EEF_POS, dim=3)",
        "Actuator.role: expected a role that begins with 'action/', or one of your own, got"
        " 'proprio/eef_pos'",
    ),
    Misdeclaration(
        "actuator-rotation-without-encoding",
        "Actions",
        "Actuator(ACTION_DELTA_ROT, dim=3)",
        "Actuator.encoding: expected that of 'action/delta_eef_rot', e.g. 'axis_angle', got None",
    ),
    Misdeclaration(
        "actuator-gravity",
        "Actions",
        'Actuator(ACTION_DELTA_ROT, encoding="gravity_xyz")',
        "Actuator.encoding: expected one of quat_xyzw, quat_wxyz, axis_angle,"
        " axis_angle_2pi, rot6d, rot6d_rowmajor, euler_xyz, matrix, or a CustomEncoding,"
        " got gravity_xyz; gravity leaves the heading open, so that no action can be given"
        " by it",
    ),
    Misdeclaration(
        "actuator-clip-without-range",
        "Actions",
        "Actuator(ACTION_GRIPPER, dim=1, clip=True)",
        "Actuator.range: expected the range to which clip=True clamps, got None",
    ),
    Misdeclaration(
        "threshold-without-binary",
        "Actions",
        "Actuator(ACTION_GRIPPER, dim=1, threshold=0.5)",
        "Actuator.threshold: expected None without binary=True, for which it decides, got 0.5",
    ),
    Misdeclaration(
        "delta-unknown",
        "Actions",
        'Actuator(ACTION_JOINT_POS, dim=2, delta="relative")',
        "Actuator.delta: expected None, 'from_state' or 'cumulative', got 'relative'",
    ),
    Misdeclaration(
        "delta-of-a-rotation",
        "Actions",
        'Actuator(ACTION_EEF_ROT, encoding="rot6d", delta="from_state")',
        "Actuator.delta: expected None beside a rotation's encoding: a sum is no rotation,"
        " got 'from_state'",
    ),
    Misdeclaration(
        "delta-of-a-binary",
        "Actions",
        'Actuator(ACTION_GRIPPER, dim=1, delta="from_state", binary=True)',
        "Actuator.delta: expected None beside binary=True: low and high are no changes, got"
        " 'from_state'",
    ),
    Misdeclaration(
        "mask-without-delta",
        "Actions",
        "Actuator(ACTION_JOINT_POS, dim=2, mask=(True, False))",
        "Actuator.mask: expected None without delta, of which it exempts elements, got"
        " (True, False)",
    ),
    Misdeclaration(
        "mask-of-another-width",
        "Actions",
        'Actuator(ACTION_JOINT_POS, dim=2, delta="from_state", mask=[True])',
        "Actuator.mask: expected 2, one for each element, got (True,)",
    ),
    Misdeclaration(
        "mask-of-nothing",
        "Actions",
        'Actuator(ACTION_JOINT_POS, dim=1, delta="from_state", mask=[False])',
        "Actuator.mask: expected True for an element, or no delta, got (False,)",
    ),
    Misdeclaration(
        "binary-rotation",
        "Actions",
        'Actuator(ACTION_EEF_ROT, encoding="rot6d", binary=True)',
        "Actuator.binary: expected False beside a rotation's encoding, got True",
    ),
    Misdeclaration(
        "curve-of-a-rotation",
        "Actions",
        'Actuator(ACTION_EEF_ROT, encoding="rot6d", curve=Curve("aloha_puppet_joint"))',
        "Actuator.curve: expected None beside a rotation's encoding, got Curve(...)",
    ),
    Misdeclaration(
        "curve-that-is-none",
        "Actions",
        'Actuator(ACTION_GRIPPER, dim=1, curve="aloha_puppet_joint")',
        "Actuator.curve: expected Curve(...), got 'aloha_puppet_joint'",
    ),
    Misdeclaration(
        "curve-unknown",
        "Actions",
        'Curve("aloha")',
        "Curve.name: expected one of aloha_gripper_linkage, aloha_gripper_to_angular,"
        " aloha_gripper_from_angular, aloha_gripper_to_angular_lerobot,"
        " aloha_gripper_from_angular_lerobot, aloha_puppet_position, aloha_puppet_joint,"
        " aloha_master_position, aloha_master_joint, or a table by x and y, got 'aloha'",
    ),
    Misdeclaration(
        "curve-of-one-point",
        "Actions",
        "Curve(x=[1], y=[2])",
        "Curve.x: expected two finite numbers or more, got (1,)",
    ),
    Misdeclaration(
        "curve-that-goes-back",
        "Actions",
        "Curve(x=[0, 2, 1], y=[0, 1, 2])",
        "Curve.x: expected numbers that rise from each to the next, got (0, 2, 1)",
    ),
    Misdeclaration(
        "curve-that-stays",
        "Actions",
        "Curve(x=[0, 1, 2], y=[0, 1, 1])",
        "Curve.y: expected numbers that rise from each to the next, or fall, got (0, 1, 1)",
    ),
    Misdeclaration(
        "curve-of-two-widths",
        "Actions",
        "Curve(x=[0, 1, 2], y=[0, 1])",
        "Curve.y: expected 3 numbers, one for each of x, got (0, 1)",
    ),
    Misdeclaration(
        "curve-of-a-known-name",
        "Actions",
        'Curve("aloha_puppet_joint", x=[0, 1], y=[0, 1])',
        "Curve.name: expected another name for a table, because this curve is known, got"
        " 'aloha_puppet_joint'",
    ),
    Misdeclaration(
        "curve-of-a-state-that-is-none",
        "Actions",
        'State(GRIPPER_POS, curve="aloha_puppet_joint")',
        "State.curve: expected Curve(...), got 'aloha_puppet_joint'",
    ),
    Misdeclaration(
        "curve-of-a-state-rotation",
        "Actions",
        'State(EEF_ROT, encoding="rot6d", curve=Curve("aloha_puppet_joint"))',
        "State.curve: expected None beside a rotation's encoding, got Curve(...)",
    ),
    Misdeclaration(
        "curve-of-a-model",
        "Actions",
        "act(CLOSE, Box(-1, 1), Actuator(ACTION_GRIPPER, dim=1,"
        ' curve=Curve("aloha_puppet_joint")))',
        "ModelSpec.output[0] (action/gripper).curve: expected None on the model's side,"
        " because a curve belongs to what the env takes, got aloha_puppet_joint",
    ),
    Misdeclaration(
        "curve-too-short",
        "Actions",
        "act(Actuator(ACTION_GRIPPER, dim=1, curve=Curve(x=[0, 1], y=[0, 1])), Box(-1, 1),"
        " Actuator(ACTION_GRIPPER, dim=1, range=(-1, 1)))",
        "EnvTags.action[0] (action/gripper).curve: expected one for the values from -1 to 1,"
        " as they are declared, got table of 2 points, whose ends are 0 and 1",
    ),
    Misdeclaration(
        "delta-of-an-env",
        "Actions",
        'act(Actuator(ACTION_JOINT_POS, dim=1, delta="from_state"), Box(-1, 1),'
        " Actuator(ACTION_JOINT_POS, dim=1))",
        "EnvTags.action[0] (action/joint_pos).delta: expected None on the env's side, which"
        " says what the env takes, got 'from_state'; an env that takes changes has a role of"
        " its own for them",
    ),
    Misdeclaration(
        "delta-without-a-state",
        "Actions",
        "act(Actuator(ACTION_JOINT_POS, dim=1), Box(-1, 1), Actuator(ACTION_JOINT_POS,"
        ' dim=1, delta="from_state"))',
        "ModelSpec.output[0] (action/joint_pos).delta: expected the env to offer"
        " 'proprio/joint_pos', to which changes are added, got only 'text/instruction'",
    ),
    Misdeclaration(
        "delta-of-a-role-of-your-own",
        "Actions",
        'act(Actuator("hop", dim=1), Box(-1, 1), Actuator("hop", dim=1, delta="from_state"))',
        "ModelSpec.output[0] (hop).delta: expected a role 'action/...', whose state is"
        " 'proprio/...', got 'hop'",
    ),
    Misdeclaration(
        "sticky-that-is-not-binary",
        "Actions",
        "act(CLOSE, Box(-1, 1), Actuator(ACTION_GRIPPER, dim=1, sticky=15))",
        "ModelSpec.output[0] (action/gripper).sticky: expected None without binary=True on"
        " either side, got 15",
    ),
    Misdeclaration(
        "sticky-of-two-counts",
        "Actions",
        "act(Actuator(ACTION_GRIPPER, dim=1, sticky=5), Box(-1, 1), Actuator(ACTION_GRIPPER,"
        " dim=1, sticky=15, binary=True))",
        "ModelSpec.output[0] (action/gripper).sticky: expected 5, that of EnvTags.action[0]"
        " (action/gripper), got 15",
    ),
    Misdeclaration(
        "binary-that-is-always-low",
        "Actions",
        "act(CLOSE, Box(-1, 1), Actuator(ACTION_GRIPPER, dim=1, range=(0, 1), binary=True,"
        " threshold=5))",
        "ModelSpec.output[0] (action/gripper).threshold: expected one that parts the values"
        " from 0 to 1, as they are declared, got 5: all would be low",
    ),
    Misdeclaration(
        "binary-that-is-always-high",
        "Actions",
        "act(Actuator(ACTION_GRIPPER, dim=1, binary=True), Box(-1, 1),"
        " Actuator(ACTION_GRIPPER, dim=1, range=(2, 3)))",
        "EnvTags.action[0] (action/gripper).threshold: expected one that parts the values"
        " from 2 to 3, as they are declared, got 0 (by default): all would be high",
    ),
    Misdeclaration(
        "binary-of-one-value",
        "Actions",
        "act(Action(CLOSE, clip=(-1, 1)), Box(-1, 1), Actuator(ACTION_GRIPPER, dim=1,"
        " scale=0, binary=True))",
        "ModelSpec.output[0] (action/gripper).threshold: expected one that parts the values"
        " from 0 to 0, as they are declared, got 0 (by default): all would be high",
    ),
    Misdeclaration(
        "binary-outside-of-the-space",
        "Actions",
        "act(CLOSE, Box(0, 1), Actuator(ACTION_GRIPPER, dim=1, binary=True))",
        "EnvTags.action[0] (action/gripper): expected low and high within the space's bounds"
        " [0, 1], got -1 and 1; range=(low, high) of the env's side says what it takes",
    ),
    Misdeclaration(
        "actuator-scale-of-another-width",
        "Actions",
        "Actuator(ACTION_JOINT_POS, dim=3, scale=[1, 2])",
        "Actuator.scale: expected 3, one for each element, got (1, 2)",
    ),
    Misdeclaration(
        "actuator-role-twice",
        "Actions",
        "Action(CLOSE, CLOSE)",
        "Action.actuators: expected one of role 'action/gripper', got 2; tell them apart by"
        " part=...",
    ),
    Misdeclaration(
        "widths-that-do-not-sum",
        "Actions",
        "act(Action(CLOSE, Actuator(ACTION_DELTA_POS)), VEC3, CLOSE)",
        "EnvTags.action: expected actuators whose widths sum to 3, got 1 + 3 = 4",
    ),
    Misdeclaration(
        "dict-action-space",
        "Actions",
        'act(CLOSE, DictSpace({"gripper": Box(-1, 1)}), CLOSE)',
        "EnvTags.action: expected a Box of one axis, a Discrete or a MultiDiscrete space, got"
        " Dict('gripper': Box(-1.0, 1.0, (1,), float32)); other actions need an AdapterBase of"
        " your own",
    ),
    Misdeclaration(
        "tuple-action-space",
        "Actions",
        "act(CLOSE, TupleSpace([Box(-1, 1)]), CLOSE)",
        "EnvTags.action: expected a Box of one axis, a Discrete or a MultiDiscrete space, got"
        " Tuple(Box(-1.0, 1.0, (1,), float32)); other actions need an AdapterBase of your own",
    ),
    Misdeclaration(
        "widths-of-a-multi-discrete",
        "Actions",
        "act(CLOSE, MultiDiscrete([2, 3]), CLOSE)",
        "EnvTags.action: expected actuators whose widths sum to 2, got 1",
    ),
    Misdeclaration(
        "two-axes-of-actions",
        "Actions",
        "act(CLOSE, Box(-1, 1, (1, 1)), CLOSE)",
        "EnvTags.action: expected a Box of one axis, a Discrete or a MultiDiscrete space, got"
        " Box(-1.0, 1.0, (1, 1), float32); other actions need an AdapterBase of your own",
    ),
    Misdeclaration(
        "discrete-of-several",
        "Actions",
        "act(Actuator(ACTION_JOINT_POS, dim=2), Discrete(4), CLOSE)",
        "EnvTags.action: expected actuators whose widths sum to 1, got 2",
    ),
    Misdeclaration(
        "range-outside-of-bounds",
        "Actions",
        "act(Actuator(ACTION_GRIPPER, dim=1, range=(0, 255)), Box(-1, 1), CLOSE)",
        "EnvTags.action[0] (action/gripper).range: expected a range within the space's"
        " bounds [-1, 1], got (0, 255)",
    ),
    Misdeclaration(
        "stats-of-an-env",
        "Actions",
        "act(Actuator(ACTION_GRIPPER, dim=1, stats=Stats(mean=0, std=1)), Box(-1, 1), CLOSE)",
        "EnvTags.action[0] (action/gripper).stats: expected None on the env's side, whose"
        " values are in real units, got Stats(mean=0, std=1, q01=None, q99=None,"
        " mask=None, low=None, high=None, zero_span=None, eps=0.0)",
    ),
    Misdeclaration(
        "actuator-undriven",
        "Actions",
        "act(Action(CLOSE, Actuator(ACTION_DELTA_POS)), VEC4, CLOSE)",
        "EnvTags.action[1] (action/delta_eef_pos): expected a model that emits"
        " action/delta_eef_pos, got one that emits action/gripper; optional=True would fill"
        " it in",
    ),
    Misdeclaration(
        "output-unused",
        "Actions",
        "act(CLOSE, Box(-1, 1), Action(CLOSE, Actuator(ACTION_DELTA_POS)))",
        "ModelSpec.output[1] (action/delta_eef_pos): expected an env that takes"
        " action/delta_eef_pos, got one that takes action/gripper; optional=True would drop"
        " it",
    ),
    Misdeclaration(
        "actuator-of-another-dim",
        "Actions",
        "act(Actuator(ACTION_JOINT_POS, dim=3), VEC3, Actuator(ACTION_JOINT_POS, dim=7))",
        "ModelSpec.output[0] (action/joint_pos).dim: expected 3, that of EnvTags.action[0]"
        " (action/joint_pos), got 7",
    ),
    Misdeclaration(
        "actuator-encoding-on-one-side",
        "Actions",
        'act(Actuator("spin", encoding="axis_angle"), VEC3, Actuator("spin", dim=3))',
        "ModelSpec.output[0] (spin).encoding: expected axis_angle, that of EnvTags.action[0]"
        " (spin), got none; a rotation has one on both sides",
    ),
    Misdeclaration(
        "actuator-labels-missing",
        "Actions",
        'act(Actuator(ACTION_JOINT_POS, labels=["hip", "knee", "toe"]), VEC3,'
        ' Actuator(ACTION_JOINT_POS, labels=["hip", "knee", "ankle"]))',
        "ModelSpec.output[0] (action/joint_pos).labels: expected all of ['hip', 'knee',"
        " 'toe'], that of EnvTags.action[0] (action/joint_pos), got ['hip', 'knee', 'ankle']",
    ),
    Misdeclaration(
        "actuator-labels-unused",
        "Actions",
        'act(Actuator(ACTION_JOINT_POS, labels=["hip", "knee", "toe"]), VEC3,'
        ' Actuator(ACTION_JOINT_POS, labels=["hip", "knee", "toe", "neck"]))',
        "ModelSpec.output[0] (action/joint_pos).labels: expected only ['hip', 'knee',"
        " 'toe'], that of EnvTags.action[0] (action/joint_pos), got ['hip', 'knee', 'toe',"
        " 'neck']",
    ),
    Misdeclaration(
        "frames-disagree",
        "Actions",
        'act(Actuator(ACTION_DELTA_POS, frame="world"), VEC3, Actuator(ACTION_DELTA_POS,'
        ' frame="tool"))',
        "ModelSpec.output[0] (action/delta_eef_pos).frame: expected 'world', that of"
        " EnvTags.action[0] (action/delta_eef_pos), got 'tool'",
    ),
    Misdeclaration(
        "references-disagree",
        "Actions",
        'act(Actuator(ACTION_DELTA_POS, reference="current"), VEC3,'
        ' Actuator(ACTION_DELTA_POS, reference="target"))',
        "ModelSpec.output[0] (action/delta_eef_pos).reference: expected 'current', that of"
        " EnvTags.action[0] (action/delta_eef_pos), got 'target'",
    ),
    Misdeclaration(
        "actuator-part-ambiguous",
        "Actions",
        'act(CLOSE, Box(-1, 1), Action(Actuator(ACTION_GRIPPER, dim=1, part="left"),'
        ' Actuator(ACTION_GRIPPER, dim=1, part="right")))',
        "EnvTags.action[0] (action/gripper): expected one 'action/gripper' in the model's"
        " output, got 2; part=... would tell which goes with which",
    ),
    Misdeclaration(
        "actuator-part-unknown",
        "Actions",
        'act(Actuator(ACTION_GRIPPER, dim=1, part="left"), Box(-1, 1),'
        ' Actuator(ACTION_GRIPPER, dim=1, part="right"))',
        "EnvTags.action[0] (action/gripper, part 'left'): expected a model that emits"
        " action/gripper, part 'left', got one that emits action/gripper, part 'right';"
        " optional=True would fill it in",
    ),
    Misdeclaration(
        "json-that-is-none",
        "Received data",
        'ModelSpec.from_json("{")',
        "ModelSpec: expected JSON, got: Expecting property name enclosed in double quotes:"
        " line 1 column 2 (char 1)",
    ),
    Misdeclaration(
        "json-of-a-list",
        "Received data",
        'ModelSpec.from_json("[]")',
        "ModelSpec: expected a declaration of kind 'model_spec', got []",
    ),
    Misdeclaration(
        "data-of-another-kind",
        "Received data",
        'ModelSpec.from_dict({"kind": "env_tags", "observation": None})',
        "ModelSpec: expected a declaration of kind 'model_spec', got {'kind': 'env_tags',"
        " 'observation': None}",
    ),
    Misdeclaration(
        "data-of-no-kind",
        "Received data",
        'EnvTags.from_dict({"observation": None})',
        "EnvTags.kind: expected one of dict, stats, curve, actuator, action, image_tag, state_tag,"
        " field, split, text_tag, env_tags, presence, stage, image, state, constant, concat, text,"
        " custom, model_spec, got None",
    ),
    Misdeclaration(
        "data-of-an-unknown-kind",
        "Received data",
        'EnvTags.from_dict({"kind": "env_tags", "observation": {"kind": "lidar"}})',
        "EnvTags.observation.kind: expected one of dict, stats, curve, actuator, action, image_tag,"
        " state_tag, field, split, text_tag, env_tags, presence, stage, image, state, constant,"
        " concat, text, custom, model_spec, got 'lidar'",
    ),
    Misdeclaration(
        "data-with-an-unknown-field",
        "Received data",
        'Image.from_dict({"kind": "image", "role": "image/primary", "sise": 224})',
        "Image.sise: expected size, perhaps, got a field that is not known, and could change"
        " the meaning (one whose name begins with x- or ext- is passed over)",
    ),
    Misdeclaration(
        "data-without-a-field",
        "Received data",
        'Image.from_dict({"kind": "image", "size": 224})',
        "Image.role: expected a value, without which there is no image, got only kind, size",
    ),
    Misdeclaration(
        "data-with-a-bad-leaf",
        "Received data",
        'ModelSpec.from_dict({"kind": "model_spec", "input": {"kind": "dict", "items":'
        ' {"rgb": {"kind": "image", "role": "image/primary", "size": -1}}}, "output":'
        ' {"kind": "action", "actuators": [{"kind": "actuator", "dim": 1}]}})',
        "ModelSpec.input['rgb']: Image.size: expected one or two integers of at least 1, got -1",
    ),
    Misdeclaration(
        "data-without-items",
        "Received data",
        'EnvTags.from_dict({"kind": "env_tags", "observation": {"kind": "dict"}})',
        "EnvTags.observation.items: expected a dict, got None",
    ),
    Misdeclaration(
        "data-without-a-list",
        "Received data",
        'Concat.from_dict({"kind": "concat", "parts": "proprio/eef_pos"})',
        "Concat.parts: expected a list, got 'proprio/eef_pos'",
    ),
    Misdeclaration(
        "functions-to-data",
        "Received data",
        "Custom(transform=len).to_dict()",
        "Custom.transform: expected plain data, got len, a function of this process, which"
        " can be neither sent nor stored; an entrypoint can be",
    ),
    Misdeclaration(
        "custom-encoding-to-data",
        "Received data",
        'State(EEF_ROT, encoding=CustomEncoding("quat_xyzw", from_base=abs, to_base=abs,'
        ' name="mine")).to_dict()',
        "State.encoding: expected plain data, got mine, a function of this process, which"
        " can be neither sent nor stored",
    ),
    Misdeclaration(
        "env-without-tags",
        "Received data",
        "resolve_from_contract(CONTRACT, ModelSpec(Text(INSTRUCTION), Action(CLOSE)))",
        "the env 'Bare-v0' has no tags, so that a model with a spec cannot be adapted to it;"
        " EnvServer(env, tags=...) or adapters.tag(env, tags) would give it some",
    ),
    Misdeclaration(
        "tags-of-another-kind",
        "Received data",
        'resolve({"x": CAMERA}, RGB, Box(-1, 1), ModelSpec(Text(INSTRUCTION), Action(CLOSE)))',
        "env_tags: expected EnvTags(...), got {'x': ImageTag(role='image/primary',"
        " layout='hwc', upside_down=False, channel_order='rgb', part=None, channels=None)}",
    ),
    Misdeclaration(
        "spec-of-another-kind",
        "Received data",
        "resolve(EnvTags(CAMERA, Action(CLOSE)), RGB, Box(-1, 1), Image(IMAGE_PRIMARY))",
        "model_spec: expected ModelSpec(...), got Image(...)",
    ),
    Misdeclaration(
        "data-with-a-field-unlike-any",
        "Received data",
        'TextTag.from_dict({"kind": "text_tag", "role": "text/instruction", "language": "en"})',
        "TextTag.language: expected one of role, got a field that is not known, and could"
        " change the meaning (one whose name begins with x- or ext- is passed over)",
    ),
    Misdeclaration(
        "data-nested-too-deeply",
        "Received data",
        'EnvTags.from_json(\'{"kind": "env_tags", "observation": \' + "[" * 99 + "]" * 99 + "}")',
        "EnvTags.observation: expected at most 32 levels of nesting, got more",
    ),
]


def page() -> str:
    """Return the page of the docs that lists them."""
    lines = [
        "# What adapters refuse",
        "",
        "Everything that a declaration gets wrong is an `AdapterResolutionError`, when it is built"
        " or when `resolve`",
        "matches the two sides, and never later. The message names the leaf or the field, what was"
        " expected and what was got.",
        "This page lists what can be wrong, and what is said then.",
        "",
        '`observe(tag, space, leaf)` stands for an env that observes `{"x": tag}` with a model'
        ' that wants `{"y": leaf}`;',
        "`act(env, space, model)` for the actuators of the two. `RGB` is a `Box` of 48 x 64 x 3"
        " uint8, `VEC3` and `VEC4` are",
        "boxes of 3 and 4 numbers from -1 to 1; `CAMERA`, `JOINTS` and `CLOSE` tag a camera,"
        " joints and a gripper's action.",
    ]
    topic = ""
    for case in CASES:
        if case.topic != topic:
            topic = case.topic
            lines += ["", f"## {topic}", ""]
        lines += [f"- `{case.code}`<br>", f"  `{case.message}`"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
