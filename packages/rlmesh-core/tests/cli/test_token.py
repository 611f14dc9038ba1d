"""`rlmesh token`, in real processes."""

from __future__ import annotations

import re

from rlmesh._transport.security import Token


def test_it_prints_a_fresh_token_and_nothing_else(rlmesh):
    said = [rlmesh.run("token") for _ in range(2)]
    assert all((status, err) == (0, "") for status, _, err in said)
    first, second = (out for _, out, _ in said)
    assert first != second
    # At least 128 bits, of characters that need no quotes in a shell or a URL.
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}\n", first)
    Token(first.strip()).check()
