from __future__ import annotations

import pytest

from rlmesh.errors import InvalidValue
from rlmesh.spaces import Box, Dict, Discrete, Text, Tuple
from rlmesh.spaces.selection import at, changed, selected, selector

POSE, CAMERA, TASK, MODE = Box(-1, 1, (3,)), Box(0, 255, (4, 4, 3), "uint8"), Text(9), Discrete(5)
SPACE = Dict({"arm": Tuple([POSE, Dict({"wrist": CAMERA, "mode": MODE})]), "task": TASK})
VALUE = {"arm": ("pose", {"wrist": "camera", "mode": 3}), "task": "go"}


@pytest.mark.parametrize(
    ("paths", "space", "value"),
    [
        ([()], SPACE, VALUE),
        ([("task",)], Dict({"task": TASK}), {"task": "go"}),
        ([("arm",)], Dict({"arm": SPACE.spaces["arm"]}), {"arm": VALUE["arm"]}),
        ([("arm", 0)], Dict({"arm": Dict([(0, POSE)])}), {"arm": {0: "pose"}}),
        (
            [("task",), ("arm", 1, "wrist")],
            Dict({"arm": Dict([(1, Dict({"wrist": CAMERA}))]), "task": TASK}),
            {"arm": {1: {"wrist": "camera"}}, "task": "go"},
        ),
        ([], Dict({}), {}),
    ],
)
def test_a_selection_has_the_parts_at_its_paths(paths, space, value):
    assert selected(SPACE, paths) == space
    assert selector(SPACE, paths, {})(VALUE) == value


@pytest.mark.parametrize(
    "path",
    [("arms",), ("arm", 2), ("arm", -1), ("arm", True), ("arm", "0"), ("task", 0), ("arm", 0, 0)],
)
def test_a_path_to_nothing_is_named(path):
    for use in (lambda: selected(SPACE, [path]), lambda: selector(SPACE, [path], {})):
        with pytest.raises(InvalidValue, match=r"selection: expected a part of .*, got "):
            use()
    with pytest.raises(InvalidValue, match=r"selection: expected a part of .*, got "):
        at(SPACE, path)


def test_leaves_can_be_changed_on_their_way():
    path = ("arm", 1, "wrist")
    assert at(SPACE, path) == CAMERA
    assert at(changed(SPACE, {path: MODE}), path) == MODE
    assert changed(SPACE, {}) == SPACE
    pick = selector(SPACE, [path, ("task",)], {path: str.upper})
    assert pick(VALUE) == {"arm": {1: {"wrist": "CAMERA"}}, "task": "go"}
