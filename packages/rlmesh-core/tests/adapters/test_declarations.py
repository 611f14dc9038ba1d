"""Declarations are data: checked, frozen, equal by value, and the same after a journey."""

from __future__ import annotations

import dataclasses
import json
import math
from fractions import Fraction
from typing import Any, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlmesh.adapters as adapt
from rlmesh.adapters._declaration import Declaration
from rlmesh.errors import AdapterResolutionError
from rlmesh.spaces import Box

STATS = adapt.Stats(mean=(0.5, 1, -2.25), std=(1, 2.5, 3), mask=(True, False, True))
QUANTILES = adapt.Stats(q01=-1.5, q99=(2, 3.25))
STAGE = adapt.Stage(
    crop=0.9,
    crop_mode="slice",
    size=(64, 96),
    fit=("crop_floor", "stretch"),
    resample="area",
    allow_upscale=True,
)
IMAGE = adapt.Image(
    role=adapt.IMAGE_WRIST,
    size=(224, 336),
    layout="chw",
    channels=3,
    convert_channels=True,
    dtype="float32",
    normalize=(-1.0, 1.0),
    lead_dims=2,
    upside_down=True,
    resample="lanczos3_aa",
    allow_upscale=True,
    fit=("crop", "pad"),
    crop=0.9,
    crop_mode="slice",
    pad_align="top_left",
    pad_first=True,
    then=(STAGE, adapt.Stage(crop_area=0.9, size=224, fit="stretch")),
    jpeg=95,
    channel_order="bgr",
    optional=True,
    fill=128,
    stack=4,
    stride=2,
    stack_pad="fill",
    part="left_arm",
)
PAST_IMAGE = adapt.Image("my/eye", crop_area=0.9, dtype="float16", normalize=STATS, offsets=(4, 0))
STATE = adapt.State(
    role=adapt.JOINT_POS,
    dim=3,
    index=1,
    optional=True,
    fill=0.25,
    range=(-1, 1),
    scale=(2, 0.5, 1),
    offset=-1,
    stats=STATS,
    clip=(-5, 5.5),
    pad_to=12,
    dtype="int16",
    reshape=(3, 4),
    container="list",
    labels=("hip", "knee"),
    stack=2,
    stride=3,
    stack_pad="fill",
    part="left_arm",
)
TURN = adapt.State(adapt.EEF_ROT, encoding=("rot6d", "matrix"), offsets=(3, 1), dtype="bfloat16")
PREVIOUS = adapt.State(adapt.ACTION_GRIPPER, source="action")
CONCAT = adapt.Concat(
    adapt.EEF_POS,
    adapt.State(adapt.EEF_ROT, encoding="rot6d"),
    adapt.Constant(2, fill=0.5),
    pad_to=16,
    dtype="float64",
    reshape=(4, 4),
    container="list",
    clip=(-1, 1),
)
ACTUATOR = adapt.Actuator(
    role=adapt.ACTION_JOINT_POS,
    dim=2,
    range=(0, 1),
    scale=(2, 3),
    offset=0.5,
    invert=True,
    threshold=0.25,
    binary=True,
    clip=True,
    fill=-1,
    optional=True,
    stats=QUANTILES,
    labels=("hip", "knee"),
    frame="tool",
    reference="target",
    part="left_arm",
)
ACTION = adapt.Action(
    ACTUATOR, adapt.Actuator(adapt.ACTION_DELTA_ROT, encoding="rot6d"), clip=(-1, 1)
)
FIELD = adapt.Field(
    adapt.JOINT_POS,
    dim=2,
    range=(-3.5, 3),
    part="left_arm",
    labels=("hip", "knee"),
    frame="robot_base",
)
STATE_TAG = adapt.StateTag(
    adapt.JOINT_VEL, range=(-1, 1), part="left_arm", labels=("hip", "knee"), frame="world"
)
IMAGE_TAG = adapt.ImageTag(
    adapt.IMAGE_PRIMARY,
    layout="chw",
    upside_down=True,
    channel_order="bgr",
    part="left_arm",
    channels=4,
)
TREE_OF_TAGS = adapt.EnvTags(
    {"rgb": IMAGE_TAG, "kind": (STATE_TAG, None), "items": {"kind": adapt.TextTag("my/text")}},
    ACTION,
)
TREE_OF_INPUTS = adapt.ModelSpec(
    {"kind": IMAGE, "items": {"items": STATE, "kind": {"dict": TURN}}, "é": (CONCAT, PREVIOUS)},
    ACTION,
)
DECLARATIONS: List[Any] = [
    STATS,
    QUANTILES,
    STAGE,
    adapt.Stage(crop_area=0.9),
    IMAGE,
    PAST_IMAGE,
    STATE,
    TURN,
    PREVIOUS,
    CONCAT,
    adapt.Constant(3, fill=-1.5),
    adapt.Text(adapt.INSTRUCTION, container="list", fill="pick up the 🍎"),
    adapt.Custom(entrypoint="my_package.my_module:preprocess"),
    ACTUATOR,
    adapt.Actuator(dim=3),
    adapt.Actuator("my/turn", encoding="euler_xyz"),
    ACTION,
    FIELD,
    adapt.Field(dim=2),
    adapt.Field(adapt.BASE_ROT, encoding="matrix"),
    adapt.Split(FIELD, adapt.Field(dim=1)),
    STATE_TAG,
    adapt.StateTag(adapt.EEF_ROT, encoding="quat_wxyz"),
    IMAGE_TAG,
    adapt.TextTag("my/hint"),
    TREE_OF_TAGS,
    adapt.EnvTags((IMAGE_TAG, (STATE_TAG, None)), None),
    TREE_OF_INPUTS,
    adapt.ModelSpec((IMAGE, (STATE,)), ACTION),
]
IDS = [f"{type(one).__name__}-{i}" for i, one in enumerate(DECLARATIONS)]
IN_TREES = (dict, list)


def copies(declaration: Any) -> List[Any]:
    kind = type(declaration)
    return [
        kind.from_dict(declaration.to_dict()),
        kind.from_json(declaration.to_json()),
        kind.from_dict(json.loads(json.dumps(declaration.to_dict()))),
    ]


def as_tuples(data: Any) -> Any:
    """Return plain data as other formats give them back, which have no lists."""
    if isinstance(data, dict):
        return {key: as_tuples(part) for key, part in data.items()}
    return tuple(map(as_tuples, data)) if isinstance(data, list) else data


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=IDS)
def test_a_declaration_comes_back_from_plain_data_as_it_was(declaration: Any) -> None:
    for copy in copies(declaration):
        assert copy == declaration
        assert type(copy) is type(declaration)
        assert repr(copy) == repr(declaration)
        assert copy.to_json() == declaration.to_json()
    assert type(declaration).from_dict(as_tuples(declaration.to_dict())) == declaration


def test_each_field_of_each_declaration_is_once_other_than_by_default() -> None:
    for kind in {type(one) for one in DECLARATIONS}:
        shown = {name for one in DECLARATIONS if type(one) is kind for name in one.to_dict()}
        fields = {field.name for field in dataclasses.fields(kind)}
        # Height and width become the size; a transform has no plain data.
        assert fields - shown <= {"height", "width", "transform"}, kind


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=IDS)
def test_a_declaration_is_frozen_and_hashes_as_its_equals_do(declaration: Any) -> None:
    name = dataclasses.fields(declaration)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(declaration, name, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        declaration.another = 1
    tree = getattr(declaration, "observation", getattr(declaration, "input", None))
    if not isinstance(tree, dict):
        assert len({declaration, *copies(declaration)}) == 1


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=IDS)
def test_an_unknown_field_is_an_error_unless_somebody_else_owns_it(declaration: Any) -> None:
    kind, data = type(declaration), declaration.to_dict()
    assert kind.from_dict({**data, "x-note": 1, "ext-note": {"kind": []}}) == declaration
    for name in ("note", "X-note", "x_note", "extra-note", ""):
        with pytest.raises(
            AdapterResolutionError, match="expected .* got a field that is not known"
        ):
            kind.from_dict({**data, name: 1})


def test_an_unknown_field_beside_the_items_of_a_dict_is_an_error() -> None:
    data = {"kind": "env_tags", "observation": {"kind": "dict", "items": {"a": None}, "b": 1}}
    with pytest.raises(
        AdapterResolutionError, match=r"^EnvTags.observation.b: expected one of items"
    ):
        adapt.EnvTags.from_dict(data)


def test_containers_are_those_that_were_declared() -> None:
    spec = adapt.ModelSpec({"a": [IMAGE, {"b": (STATE,)}]}, ACTION)
    assert spec.input == {"a": (IMAGE, {"b": (STATE,)})}
    for copy in copies(spec):
        assert copy.input == spec.input
        assert type(copy.input["a"]) is tuple
        assert type(copy.input["a"][1]["b"]) is tuple
    assert copies(TREE_OF_TAGS)[0].observation["items"] == {"kind": adapt.TextTag("my/text")}


def test_a_tree_that_changes_later_changes_no_declaration() -> None:
    tree: Dict[str, Any] = {"a": IMAGE, "b": [STATE]}
    spec = adapt.ModelSpec(tree, ACTION)
    tree["b"].append(IMAGE)
    tree["c"] = STATE
    assert spec.input == {"a": IMAGE, "b": (STATE,)}


def test_a_zero_comes_back_with_its_sign_and_its_type() -> None:
    for zero in (0, 0.0, -0.0):
        for copy in copies(adapt.State("a", fill=zero)):
            assert repr(copy.fill) == repr(zero)


def test_declarations_of_other_values_or_kinds_are_not_equal() -> None:
    assert adapt.StateTag("a") != adapt.TextTag("a")
    assert adapt.State("a", dim=2) != adapt.State("a", dim=3)
    assert adapt.State("a", range=(0, 1)) == adapt.State("a", range=[0.0, 1.0])
    assert hash(adapt.State("a", range=(0, 1))) == hash(adapt.State("a", range=[0.0, 1.0]))


def test_functions_of_this_process_are_no_plain_data() -> None:
    encoding = adapt.CustomEncoding("rot6d", lambda x: x, lambda x: x, name="mine")
    local: List[Any] = [
        adapt.Custom(transform=len),
        adapt.State(adapt.EEF_ROT, encoding=encoding),
        adapt.State(adapt.EEF_ROT, encoding=[encoding, "matrix"]),
        adapt.StateTag(adapt.EEF_ROT, encoding=encoding),
        adapt.Actuator(adapt.ACTION_DELTA_ROT, encoding=encoding),
    ]
    local += [adapt.ModelSpec({"a": one}, ACTION) for one in local[:3]]
    local += [adapt.EnvTags({"a": local[3]}), adapt.Action(local[4])]
    for declaration in local:
        assert declaration == declaration
        for convert in (declaration.to_dict, declaration.to_json):
            with pytest.raises(AdapterResolutionError, match="can be neither sent nor stored"):
                convert()


class Array:
    """What arrays of all libraries have in common."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def tolist(self) -> Any:
        return self._values

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class Float(float):
    """As NumPy's float64, a number whose class is another one."""

    def __repr__(self) -> str:
        return f"Float({float(self)})"


class Text(str):
    """As NumPy's str_."""

    __slots__ = ()


def test_arrays_and_numbers_of_any_library_become_those_of_python() -> None:
    pairs = [
        (
            adapt.Stats(mean=Array([0.5, 1.0]), std=Array([1, 2]), mask=Array([True, False])),
            adapt.Stats(mean=(0.5, 1.0), std=(1, 2), mask=(True, False)),
        ),
        (
            adapt.Stats(q01=[Array(0.5), Float(1)], q99=Fraction(3, 2)),
            adapt.Stats(q01=(0.5, 1.0), q99=1.5),
        ),
        (
            adapt.Image(
                Text("my/eye"),
                size=Array(224),
                channels=Array(3),
                crop=Float(0.5),
                fill=Array(7),
                upside_down=Array(True),
                dtype="float32",
                normalize=Array([-1.0, 1.0]),
                offsets=Array([2, 0]),
                layout=Text("chw"),
            ),
            adapt.Image(
                "my/eye",
                size=224,
                channels=3,
                crop=0.5,
                fill=7,
                upside_down=True,
                dtype="float32",
                normalize=(-1.0, 1.0),
                offsets=(2, 0),
                layout="chw",
            ),
        ),
        (
            adapt.State(
                "a",
                range=(Array(0.0), 1),
                scale=Array([[1.0, 2.0]][0]),
                clip=Array([-1, 1]),
                reshape=Array([1, 2]),
                labels=Array(["hip", "knee"]),
                index=Array(0),
            ),
            adapt.State(
                "a",
                range=(0.0, 1),
                scale=(1.0, 2.0),
                clip=(-1, 1),
                reshape=(1, 2),
                labels=("hip", "knee"),
                index=0,
            ),
        ),
        (
            adapt.Actuator(
                "a", Array(2), range=Array([0, 1]), threshold=Array(0.5), binary=Array(True)
            ),
            adapt.Actuator("a", 2, range=(0, 1), threshold=0.5, binary=True),
        ),
        (
            adapt.EnvTags(adapt.StateTag("a", range=[Float(0), Array(2.5)])),
            adapt.EnvTags(adapt.StateTag("a", range=(0.0, 2.5))),
        ),
    ]
    for given_arrays, plain in pairs:
        assert given_arrays == plain
        assert hash(given_arrays) == hash(plain)
        assert repr(given_arrays) == repr(plain)
        assert given_arrays.to_json() == plain.to_json()


def test_arrays_that_hold_something_else_are_refused_as_lists_are() -> None:
    for value in (
        Array([[1.0]]),
        Array(["a"]),
        Array([math.nan]),
        Array([]),
        object(),
    ):
        with pytest.raises(AdapterResolutionError, match=r"^State.scale: expected a finite number"):
            adapt.State("a", scale=value)
    with pytest.raises(AdapterResolutionError, match=r"^State.clip: expected two finite numbers"):
        adapt.State("a", clip=Array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e39, math.inf, math.nan, True, "1", None])
def test_a_number_that_float32_cannot_hold_is_refused(number: Any) -> None:
    with pytest.raises(AdapterResolutionError, match=r"^State.fill: expected a finite number, got"):
        adapt.State("a", fill=number)


@pytest.mark.parametrize("count", [0, -1, 2**31, 10**400, 1.0, True, "1", [1]])
def test_a_count_that_is_no_reasonable_integer_is_refused(count: Any) -> None:
    with pytest.raises(AdapterResolutionError, match=r"^Constant.dim: expected an integer "):
        adapt.Constant(count)


def test_dtypes_of_any_library_are_names() -> None:
    class TorchDtype:
        def __repr__(self) -> str:
            return "torch.bfloat16"

    class NumpyDtype:
        name = "int16"

    class float64:  # noqa: N801
        pass

    dtypes = [TorchDtype(), NumpyDtype(), float64, "uint8"]
    states = [adapt.State("a", dtype=dtype) for dtype in dtypes]  # type: ignore[arg-type]
    assert [state.dtype for state in states] == ["bfloat16", "int16", "float64", "uint8"]


def nested(depth: int, of: str) -> Any:
    tree: Any = IMAGE_TAG
    for _ in range(depth):
        tree = {"a": tree} if of == "dict" else [tree]
    return tree


@pytest.mark.parametrize("of", ["dict", "list"])
def test_32_levels_come_back_as_they_were(of: str) -> None:
    declared = adapt.EnvTags(nested(32, of))
    assert all(copy == declared for copy in copies(declared))


@pytest.mark.parametrize("of", ["dict", "list"])
@pytest.mark.parametrize("depth", [33, 50, 1000, 100_000])
def test_what_is_nested_without_end_is_refused(depth: int, of: str) -> None:
    with pytest.raises(AdapterResolutionError, match="expected at most 32 levels"):
        adapt.EnvTags(nested(depth, of))
    data: Any = None
    for _ in range(depth):
        data = {"kind": "dict", "items": {"a": data}} if of == "dict" else [data]
    for kind in (adapt.EnvTags, adapt.Image):
        with pytest.raises(AdapterResolutionError):
            kind.from_dict(data)
        with pytest.raises(AdapterResolutionError):
            kind.from_dict({"kind": kind.kind, "role": data, "observation": data})
    opening, closing = ('{"kind": "dict", "items": {"a": ', "}}") if of == "dict" else ("[", "]")
    text = opening * depth + "1" + closing * depth
    with pytest.raises(AdapterResolutionError):
        adapt.EnvTags.from_json(text)
    with pytest.raises(AdapterResolutionError):
        adapt.EnvTags.from_json('{"kind": "env_tags", "observation": ' + text + "}")


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: List[Any] = []
    endless.append(endless)
    with pytest.raises(AdapterResolutionError):
        adapt.EnvTags(endless)
    with pytest.raises(AdapterResolutionError):
        adapt.EnvTags.from_dict({"kind": "env_tags", "observation": endless})
    with pytest.raises(AdapterResolutionError):
        adapt.State("a", scale=endless)  # type: ignore[arg-type]


KINDS = [type(one) for one in DECLARATIONS]
FIELDS = sorted({name for one in DECLARATIONS for name in one.to_dict()})
KIND_NAMES = [*sorted({kind.kind for kind in KINDS}), "dict"]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["rot6d", "proprio/a", "image/a", "action/a", "float32", "json:loads"]),
)
junk: Any = st.recursive(
    scalars,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3),
        st.dictionaries(
            st.text(max_size=2) | st.sampled_from(["kind", "items", *FIELDS]), parts, max_size=4
        ),
    ),
    max_leaves=6,
)


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), junk, max_size=6), junk)
def test_data_of_any_shape_parse_or_are_refused(kind: Any, fields: Any, other: Any) -> None:
    for data in ({"kind": kind.kind, **fields}, other, {"kind": "dict", "items": fields}):
        try:
            found = kind.from_dict(data)
        except AdapterResolutionError:
            continue
        assert kind.from_json(found.to_json()) == found


@given(st.integers(0, len(DECLARATIONS) - 1), st.data())
def test_a_declaration_with_one_part_replaced_parses_or_is_refused(index: int, data: Any) -> None:
    kind = KINDS[index]
    plain = DECLARATIONS[index].to_dict()
    place: Any = plain
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inside = place[key]
        if not isinstance(inside, IN_TREES) or not inside or data.draw(st.booleans()):
            break
        place = inside
    place[key] = data.draw(junk | st.sampled_from(KIND_NAMES))
    try:
        found = kind.from_dict(plain)
    except AdapterResolutionError:
        return
    assert kind.from_json(found.to_json()) == found


@given(st.text(max_size=30) | st.binary(max_size=30) | scalars)
def test_text_of_any_kind_parses_or_is_refused(text: Any) -> None:
    with pytest.raises(AdapterResolutionError, match=r"^EnvTags"):
        adapt.EnvTags.from_json(text)


numbers = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
pairs = st.tuples(numbers, st.floats(0.1, 100)).map(lambda pair: (pair[0], pair[0] + pair[1]))
roles = st.sampled_from(["my/role", "é", adapt.JOINT_POS, adapt.GRIPPER_POS])
parts = st.none() | st.text(min_size=1, max_size=4)
names = st.text(min_size=1, max_size=4)


@st.composite
def stats(draw: Any) -> adapt.Stats:
    width = draw(st.integers(1, 4))

    def some(low: float, high: float) -> Any:
        one = st.floats(low, high) | st.integers(math.ceil(low), math.floor(high))
        return draw(one | st.lists(one, min_size=width, max_size=width))

    mask = draw(st.none() | st.lists(st.booleans(), min_size=width, max_size=width))
    if draw(st.booleans()):
        return adapt.Stats(mean=some(-9, 9), std=some(1, 9), mask=mask)
    return adapt.Stats(q01=some(-9, 0), q99=some(1, 9), mask=mask)


states = st.builds(
    adapt.State,
    roles,
    dim=st.none() | st.integers(1, 9),
    index=st.none() | st.integers(0, 9),
    fill=numbers,
    range=st.none() | pairs,
    scale=st.none() | numbers | st.lists(numbers, min_size=1, max_size=3),
    offset=st.none() | numbers,
    stats=st.none() | stats(),
    clip=st.none() | pairs,
    pad_to=st.none() | st.integers(1, 99),
    dtype=st.sampled_from(["float32", "bfloat16", "uint64"]),
    container=st.sampled_from(["array", "list"]),
    labels=st.none() | st.lists(names, min_size=1, max_size=3, unique=True),
    stack=st.none() | st.integers(1, 4),
    part=parts,
)
images = st.builds(
    adapt.Image,
    st.sampled_from([adapt.IMAGE_PRIMARY, "my/eye"]),
    size=st.none() | st.integers(1, 999) | st.tuples(st.integers(1, 999), st.integers(1, 999)),
    channels=st.sampled_from([None, 1, 3]),
    dtype=st.just("float16"),
    normalize=st.booleans() | pairs,
    fit=st.none() | st.permutations(["pad", "crop", "stretch"]).map(lambda one: one[:2]),
    crop=st.none() | st.floats(0.01, 1),
    fill=st.integers(0, 255),
    offsets=st.none() | st.sets(st.integers(0, 99), min_size=1).map(lambda s: sorted(s)[::-1]),
    part=parts,
)
leaves = states | images | st.builds(adapt.Text, st.just("my/text"), fill=st.none() | st.text())
constants = st.builds(adapt.Constant, st.integers(1, 9), fill=numbers)
actuators = st.builds(
    adapt.Actuator,
    st.none() | st.just("my/move"),
    dim=st.integers(1, 9),
    scale=st.none() | numbers,
    threshold=st.none() | numbers,
    invert=st.booleans(),
    range=st.none() | pairs,
    part=parts,
)
tags = st.none() | st.builds(adapt.StateTag, roles, range=st.none() | pairs, part=parts)
keys = st.text(max_size=4) | st.sampled_from(["kind", "items"])


def trees(of: Any) -> Any:
    return st.recursive(
        of,
        lambda inside: st.one_of(
            st.dictionaries(keys, inside, min_size=1, max_size=3),
            st.lists(inside, min_size=1, max_size=3).map(tuple),
        ),
        max_leaves=5,
    )


actions = st.builds(adapt.Action, actuators, clip=st.none() | pairs)


@given(trees(leaves), actions)
def test_any_spec_comes_back_as_it_was(tree: Any, action: adapt.Action) -> None:
    spec = adapt.ModelSpec(tree, action)
    assert spec.input == tree
    for copy in copies(spec):
        assert copy == spec
        assert repr(copy) == repr(spec)


@given(trees(tags), st.none() | actions)
def test_any_tags_come_back_as_they_were(tree: Any, action: Any) -> None:
    declared = adapt.EnvTags(tree, action)
    for copy in copies(declared):
        assert copy == declared
        assert repr(copy) == repr(declared)


@given(constants, st.lists(constants, max_size=3))
def test_parts_of_a_concat_stay_in_order(first: Any, more: Any) -> None:
    concat = adapt.Concat(first, *more)
    assert concat.parts == (first, *more)
    assert all(copy == concat for copy in copies(concat))


def test_a_subclass_does_not_take_the_place_of_its_base() -> None:
    class Wrist(adapt.Image):
        pass

    assert type(Declaration.from_dict(IMAGE.to_dict())) is adapt.Image
    assert issubclass(Wrist, adapt.Image)


def test_a_frame_is_explained():
    tags = adapt.EnvTags(
        adapt.StateTag(adapt.EEF_POS, frame="tool"), adapt.Action(adapt.Actuator("action/x", 1))
    )
    spec = adapt.ModelSpec(adapt.State(adapt.EEF_POS), adapt.Action(adapt.Actuator("action/x", 1)))
    adapter = adapt.resolve(tags, Box(-1, 1, (3,)), Box(-1, 1), spec, check_inverse=False)
    assert "input <- observation (3 elements, in the frame 'tool')" in adapter.explain()
