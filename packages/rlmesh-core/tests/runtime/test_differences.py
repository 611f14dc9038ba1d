from __future__ import annotations

import math

from rlmesh._runtime.differences import tell_differences

WHOSE = ("A has", "B")


def test_equal_data_have_no_differences():
    data = {"a": [1, {"b": math.nan}], "c": None}
    assert tell_differences(data, {"c": None, "a": [1, {"b": math.nan}]}, WHOSE) == []


def test_each_path_is_told_with_both_values():
    first = {"env": {"space": {"n": 2}, "parts": [{"x": 1}, {"x": 2}]}, "old": 1}
    second = {"env": {"space": {"n": 3}, "parts": [{"x": 1}, {"x": "2"}]}, "new": [1.5]}
    assert tell_differences(first, second, WHOSE) == [
        "env.space.n: A has 2, B 3",
        'env.parts[1].x: A has 2, B "2"',
        "old: A has 1, B nothing",
        "new: A has nothing, B [1.5]",
    ]


def test_integers_are_told_as_ranges():
    (line,) = tell_differences([*range(100)], [*range(50), None, None, 7, 3, None, 0], WHOSE)
    assert line == ": A has 0..99 (100), B 0..49, 2 x None, 7, 3, None, 0 (56)"


def test_long_values_are_told_where_they_differ():
    (line,) = tell_differences({"x": "a" * 500 + "b"}, {"x": "a" * 500 + "c"}, WHOSE)
    assert len(line) < 200
    assert 'aab", B' in line


def test_there_are_not_too_many():
    lines = tell_differences(dict.fromkeys("abcdefghijklmnop", 1), {}, WHOSE)
    assert len(lines) == 11
    assert lines[-1] == "and 6 more"
