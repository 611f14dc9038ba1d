"""How seeds are written."""

from __future__ import annotations

import pytest

pytest.importorskip("typer", reason="the command needs the extra cli")
from rlmesh._cli.run import parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0:3", [0, 1, 2]), ("5:6", [5]), ("7", [7]), ("1,5,9", [1, 5, 9]), ("9,1", [9, 1])],
)
def test_seeds_are_a_range_or_a_list(text, seeds):
    assert list(parse_seeds(text)) == seeds


@pytest.mark.parametrize("text", ["", ":", "0:", "3:3", "5:2", "-1", "1,-2,3", "-2:2", "1, 2", "a"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="--seeds: expected non-negative integers"):
        parse_seeds(text)
