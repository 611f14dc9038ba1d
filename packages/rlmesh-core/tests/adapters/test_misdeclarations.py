"""Whatever is declared wrongly fails before any step, with a message that says what to change."""

from __future__ import annotations

from typing import Tuple

import pytest
from adapters.misdeclarations import CASES, PAGE, Misdeclaration, observe, page

import rlmesh.adapters as adapt
from rlmesh.spaces import Box

WITHOUT_EXPECTATION = ("env-without-tags",)
WITHOUT_ARRAYS = [case for case in CASES if not case.arrays]


@pytest.mark.parametrize("case", WITHOUT_ARRAYS, ids=[case.id for case in WITHOUT_ARRAYS])
def test_a_misdeclaration_is_refused_with_its_message(case: Misdeclaration) -> None:
    assert case.run() == case.message


def test_no_two_misdeclarations_are_the_same() -> None:
    assert len(CASES) >= 60
    assert len({case.id for case in CASES}) == len(CASES)
    assert len({case.code for case in CASES}) == len(CASES)


def test_every_message_says_where_what_was_expected_and_what_was_got() -> None:
    for case in WITHOUT_ARRAYS:
        if case.id not in WITHOUT_EXPECTATION:
            where, _, rest = case.message.partition(": ")
            assert where, case.id
            assert "expected " in rest, case.id
            assert " got" in rest, case.id


def test_the_page_of_the_docs_lists_them_all() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (Box(-3.4028234663852886e38, 3.4028234663852886e38, (2,)), (0, 1)),
        (Box(-float("inf"), float("inf"), (2,), "float64"), (0, 1)),
        (Box(0, float("inf"), (2,)), (0, 1)),
        (Box(0, 0.1, (2,), "float16"), (0, 0.1)),
        (Box(0, 0.1, (2,)), (0, 0.1)),
    ],
    ids=["as-large-as-float32", "infinite", "half-open", "float16", "float32"],
)
def test_a_range_that_the_bounds_leave_open_is_taken(space: Box, said: Tuple[float, float]) -> None:
    tag = adapt.StateTag(adapt.GRIPPER_POS, range=said)
    assert (
        "-> [-1, 1]" in observe(tag, space, adapt.State(adapt.GRIPPER_POS, range=(-1, 1))).explain()
    )
