from __future__ import annotations

import pytest

from rlmesh._wire.errors import error_from_wire, error_to_wire
from rlmesh._wire.messages import pack, unpack
from rlmesh.errors import Busy, EnvCrashed, ProtocolError


def crossed(error):
    return error_from_wire(unpack(pack(error_to_wire(error, "env"))), "step", "an address")


@pytest.mark.parametrize("holder_gone", [True, False])
@pytest.mark.parametrize("in_line", [True, False])
def test_busy_crosses_with_what_waiting_would_help(holder_gone, in_line):
    found = crossed(Busy("taken", holder_gone=holder_gone, in_line=in_line))
    assert (str(found), found.holder_gone, found.in_line) == ("taken", holder_gone, in_line)


@pytest.mark.parametrize(
    "crash",
    [
        EnvCrashed("it exited", exit_code=0),
        EnvCrashed("it was killed", signal="SIGKILL", stderr=["one", "two"]),
    ],
)
def test_a_crash_crosses_with_all_that_is_known_of_it(crash):
    found = crossed(crash)
    assert type(found) is EnvCrashed
    assert vars(found) == vars(crash)
    assert str(found) == str(crash)


EXAMPLES = [None, True, 7, 0.5, "x", b"x", [], {}]


def test_each_field_of_an_error_has_its_type():
    ours = {"kind": "NotReset", "message": "m"}
    busy = {"kind": "Busy", "message": "m", "holder_gone": True, "in_line": True}
    theirs = {"kind": "env", "message": "m", "type": "ValueError", "traceback": "t"}
    for body in (ours, busy, theirs):
        assert type(error_from_wire(body, "step", "an address")) is not ProtocolError
        for name, value in body.items():
            for wrong in (one for one in EXAMPLES if type(one) is not type(value)):
                found = error_from_wire({**body, name: wrong}, "step", "an address")
                assert type(found) is ProtocolError
                assert f"does not parse: {name}: expected {type(value).__name__}" in str(found)
    for wrong in EXAMPLES[:-1]:
        found = error_from_wire(wrong, "step", "an address")
        assert "does not parse: body: expected dict" in str(found)


@pytest.mark.parametrize(
    "body",
    [
        {"exit_code": "7"},
        {"exit_code": True},
        {"stderr": 5},
        {"stderr": [5]},
        {"signal": None},
        {"signal": 9},
    ],
)
def test_a_crash_that_does_not_parse_is_still_a_crash(body):
    found = error_from_wire({"kind": "EnvCrashed", "message": "m", **body}, "step", "an address")
    assert isinstance(found, EnvCrashed)
    assert (found.args, found.exit_code, found.stderr) == (("m",), None, ())
    assert found.signal == ""
