"""Requests and replies: what parses, and what is none."""

from __future__ import annotations

import msgpack
import pytest

from rlmesh._wire.messages import OK, PING, unpack_reply, unpack_request
from rlmesh.errors import ProtocolError

EXAMPLES = [None, True, 7, 0.5, "x", b"x", [], {}]
REQUEST, REPLY = [PING, 1, b"", 0, None], [PING, 1, bytes(8), OK, None]


@pytest.mark.parametrize(("unpack", "fields"), [(unpack_request, REQUEST), (unpack_reply, REPLY)])
def test_each_field_has_its_type(unpack, fields):
    assert list(unpack(msgpack.packb(fields))) == fields
    for place in range(4):
        for wrong in (one for one in EXAMPLES if type(one) is not type(fields[place])):
            changed = [*fields[:place], wrong, *fields[place + 1 :]]
            with pytest.raises(ProtocolError, match="a message is not an RLMesh re"):
                unpack(msgpack.packb(changed))


@pytest.mark.parametrize("unpack", [unpack_request, unpack_reply])
@pytest.mark.parametrize("fields", [*EXAMPLES, REQUEST[:-1], [*REPLY, None]])
def test_anything_else_is_no_message(unpack, fields):
    with pytest.raises(ProtocolError, match="a message does not parse"):
        unpack(msgpack.packb(fields))
