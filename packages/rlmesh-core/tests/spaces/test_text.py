from __future__ import annotations

import pytest

from rlmesh.errors import InvalidValue, UnsupportedSpace
from rlmesh.spaces import Text


def test_the_default_is_gymnasiums():
    space = Text(5)
    assert (space.min_length, space.max_length) == (1, 5)
    assert repr(space) == (
        "Text(1, 5, charset=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz)"
    )


def test_the_order_of_a_string_of_characters_stays_and_sets_are_sorted():
    assert Text(5, charset="cabac").characters == "cab"
    assert Text(5, charset={"c", "a", "b"}).characters == "abc"
    assert Text(5, charset="cab") == Text(5, charset="abc")
    assert Text(5, charset="cab").character_set == frozenset("abc")


def test_samples_reach_every_length_and_character():
    space = Text(3, min_length=0, charset="ab", seed=1)
    samples = [space.sample() for _ in range(200)]
    assert {len(sample) for sample in samples} == {0, 1, 2, 3}
    assert set("".join(samples)) == {"a", "b"}
    assert Text(3, min_length=0, charset="").sample() == ""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"a", "obs: expected a str, got b'a' (bytes)"),
        (None, "obs: expected a str, got None"),
        ("a\ud800", "obs: expected Unicode text, got a lone surrogate in 'a\\ud800'"),
    ],
)
def test_a_misfit_is_named(value, message):
    with pytest.raises(InvalidValue) as caught:
        Text(5).conform(value, "obs")
    assert str(caught.value) == message


def test_a_subclass_of_str_becomes_a_plain_one():
    class Instruction(str):
        __slots__ = ()

        def __str__(self):
            return "no"

    value = Text(5).conform(Instruction("yes"))
    assert (type(value), value) == (str, "yes")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "obs: expected 1 to 3 characters, got 0"),
        ("aaaa", "obs: expected 1 to 3 characters, got 4"),
        ("aéa", "obs[1]: expected a character of the charset, got 'é'"),
        ("aba", None),
    ],
)
def test_a_wrong_length_or_character_is_named(value, sentence):
    assert Text(3, charset="ab").violation(value, "obs") == sentence


def test_characters_beyond_16_bits_count_as_one():
    assert "🤖🤖" in Text(2, charset="🤖")
    assert "🤖🤖🤖" not in Text(2, charset="🤖")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_length": 0}, "Text.max_length: expected an integer from 1"),
        ({"max_length": "5"}, "Text.max_length: expected an integer from 1"),
        ({"max_length": 5, "min_length": -1}, "Text.min_length: expected an integer from 0"),
        (
            {"max_length": 5, "charset": ["ab"]},
            "Text.charset: expected single characters, got 'ab'",
        ),
        ({"max_length": 5, "charset": {1, "a"}}, "Text.charset: expected single characters, got 1"),
        ({"max_length": 5, "charset": "\ud800"}, "Text.charset: expected single characters"),
        ({"max_length": 5, "charset": ""}, "Text.charset: expected at least one character"),
        ({"max_length": 5, "charset": None}, "Text.charset: expected characters, got None"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(UnsupportedSpace) as caught:
        Text(**arguments)
    assert str(caught.value).startswith(message)
