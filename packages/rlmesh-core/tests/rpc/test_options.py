from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from rlmesh import ServeOptions


def test_the_defaults_are_those_of_the_docs() -> None:
    options = ServeOptions()
    assert dataclasses.asdict(options) == {
        "session_grace": 30.0,
        "idle_timeout": None,
        "drain_timeout": 0.0,
        "close_timeout": 60.0,
        "allow_remote_shutdown": False,
        "max_control": options.max_control,
        "max_payload": options.max_payload,
        "max_sessions": 256,
        "max_batch_size": 32,
        "max_wait": None,
        "batch_padding": False,
        "allow_insecure": False,
        "ready_file": None,
        "ready_fd": None,
    }


@pytest.mark.parametrize(
    "name", ["session_grace", "idle_timeout", "drain_timeout", "close_timeout", "max_wait"]
)
def test_seconds_may_be_none_left_but_not_negative(name: str) -> None:
    for seconds in (0, 0.0, 0.5, 3, math.inf):
        assert getattr(ServeOptions(**{name: seconds}), name) == seconds
    for wrong in (-1, -0.001, math.nan, -math.inf):
        with pytest.raises(ValueError, match=f"^{name}: expected at least 0, got {wrong!r}$"):
            ServeOptions(**{name: wrong})


@pytest.mark.parametrize("name", ["max_control", "max_payload", "max_sessions", "max_batch_size"])
def test_numbers_are_at_least_one(name: str) -> None:
    assert getattr(ServeOptions(**{name: 1}), name) == 1
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"^{name}: expected at least 1, got {wrong}$"):
            ServeOptions(**{name: wrong})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, "1") for name in ("session_grace", "max_sessions", "idle_timeout", "max_wait")),
        ("max_wait", [1]),
        ("max_batch_size", 2.5),
    ],
)
def test_what_is_no_number_is_an_error_that_names_it(name: str, wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"^{name}: expected an? (number|integer), got "):
        ServeOptions(**{name: wrong})


def test_options_do_not_change_and_there_are_no_others() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ServeOptions().max_wait = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError, match="max_wiat"):
        ServeOptions(max_wiat=1.0)  # type: ignore[call-arg]
