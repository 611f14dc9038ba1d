"""Measure one step of an evaluation: what it costs beyond the env's step, and beyond the predict.

    python model_run.py [--tcp] [--quick]

The contenders:

    floor           a raw pyzmq and msgpack ping-pong of the same bytes; see `floor.py`
    RemoteEnv.step  `rlmesh.numpy.RemoteEnv` and `EnvServer`, as in `step.py`
    Model.run       `rlmesh.numpy.Model.run` on that same connection, with a policy that always
                    answers the same action
    session         `Model.session` on it, with the loop by hand
    two floors      two such ping-pongs in series: with an env, and with a model
    served          `rlmesh.numpy.RemoteModel.run`: the policy in a `ModelServer`, and a served env
    peer            the same with the public package `rlmesh` 0.1.0, under the Python that
                    RLMESH_PEER_PYTHON names; left out without it. It serves models over TCP alone.

Within a run a step is the time from one return of the policy to its next call, in the process where
it predicts; so the predict is no part of it, and the reset is not either. In the predict, untimed,
the policy checks a byte in each array that counts the steps.

    run over, session over   time per step beyond `RemoteEnv.step`, as a part of the floor
"""

from __future__ import annotations

from payloads import PAYLOADS
from rounds import Effort, Row, measure, options, print_table, print_versions

_FULL = Effort(31, 0.1, 0.3)
_PAYLOADS = list(PAYLOADS)[::2]
_FLOOR, _TWO_FLOORS = Row("floor"), Row("two floors")
_STEP, _RUN, _SESSION = Row("ours"), Row("ours", "run"), Row("ours", "session")
_SERVED, _PEER = Row("served", "run"), Row("served peer", "run")
_TIMES = {
    "floor us": _FLOOR,
    "step us": _STEP,
    "run us": _RUN,
    "two floors us": _TWO_FLOORS,
    "served us": _SERVED,
}
_EXCESSES = {"run over": _RUN, "session over": _SESSION}
_RATIOS = {
    "served/two floors": (_SERVED, _TWO_FLOORS),
    "served/run": (_SERVED, _RUN),
    "peer/served": (_PEER, _SERVED),
}


def main() -> None:
    """Measure what the command line says."""
    given = options("Measure one step of an evaluation.", _FULL)
    rows = [*_TIMES.values(), _SESSION, *([_PEER] if given.peer else [])]
    ratios = {name: pair for name, pair in _RATIOS.items() if pair[0] in rows}
    columns = [*_TIMES, *_EXCESSES, *ratios]
    for transport in given.transports:
        cells, checked = {}, 0
        for payload in _PAYLOADS:
            measured = measure(payload, transport, rows, given.peer, given.effort)
            numbers = [measured.microseconds(row) for row in _TIMES.values()]
            numbers += [measured.excess(row, _STEP, _FLOOR) for row in _EXCESSES.values()]
            cells[payload] = numbers + [measured.ratio(*pair) for pair in ratios.values()]
            checked += measured.checked()
        title = f"{transport}: median step of {given.effort.rounds} rounds"
        counted = f"the counting bytes of {checked} observations"
        print_table(title, columns, cells, counted)
    print_versions([("ours", "ours"), ("served peer", "peer")], measured.versions)


if __name__ == "__main__":
    main()
