"""Measure one step of a served env against other ways to step an env in another process.

    python step.py [--tcp] [--quick]

The contenders:

    floor           a raw pyzmq and msgpack ping-pong of the same bytes; see `floor.py`
    ours            `rlmesh.numpy.RemoteEnv` and `EnvServer`
    AsyncVectorEnv  Gymnasium's, with one env, and with shared memory, which is its default
    peer            the public package `rlmesh` 0.1.0, under the Python that RLMESH_PEER_PYTHON
                    names; left out without it

After every step the client checks, untimed, a byte in each array that counts the steps.
AsyncVectorEnv uses its own pipes whatever the transport. How turns and medians are taken stands in
`rounds.py`.
"""

from __future__ import annotations

from payloads import PAYLOADS
from rounds import Effort, Row, measure, options, print_table, print_versions

_FULL = Effort(31, 0.04, 0.2)
_FLOOR, _OURS, _ASYNC, _PEER = map(Row, ("floor", "ours", "AsyncVectorEnv", "peer"))
_RATIOS = [(_OURS, _FLOOR), (_ASYNC, _OURS), (_PEER, _OURS)]


def main() -> None:
    """Measure what the command line says."""
    given = options("Measure one step of a served env.", _FULL)
    rows = [_FLOOR, _OURS, _ASYNC, *([_PEER] if given.peer else [])]
    ratios = [(row, other) for row, other in _RATIOS if row in rows]
    columns = ["floor us", "ours us", *(f"{a.contender}/{b.contender}" for a, b in ratios)]
    for transport in given.transports:
        cells, checked = {}, 0
        for payload in PAYLOADS:
            measured = measure(payload, transport, rows, given.peer, given.effort)
            times = [measured.microseconds(row) for row in (_FLOOR, _OURS)]
            cells[payload] = times + [measured.ratio(*pair) for pair in ratios]
            checked += measured.checked()
        title = f"{transport}: median step of {given.effort.rounds} rounds"
        counted = f"the counting bytes of {checked} observations"
        print_table(title, columns, cells, counted)
    print_versions([("ours", "ours"), ("peer", "peer")], measured.versions)


if __name__ == "__main__":
    main()
