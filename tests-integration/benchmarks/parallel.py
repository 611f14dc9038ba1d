"""Measure runs with several lanes: against lockstep, the best schedule, and public peers.

    python parallel.py [scenarios] [real] [sessions] [--quick] [--rounds N]

Without a name, all three:

    scenarios  eight lanes whose envs and model only sleep; see `scenarios.py`. The contenders:

               reference  lockstep over the pipes of eight processes, and no more
               best       the best schedule that `schedules.py` finds, simulated with sleeps
                          as long as they really are
               local      `rlmesh.numpy.Model.run` with eight served envs
               served     the same with `RemoteModel.run`: the model in a process of its own, too
               factory    in scenario a, as local, with the eight envs behind one address
               peer, vla-eval  in a, too: the public packages `rlmesh` 0.1.0 and `vla-eval` 0.8.0,
                          under the Pythons that RLMESH_PEER_PYTHON and VLA_EVAL_PYTHON name; left
                          out without these; see `sleeping_peers.py`

    real       eight MuJoCo and eight Atari envs with a torch network: one lane, eight, and eight
               with a served model; see `real_runs.py`
    sessions   200 sessions at one served model: how evenly it serves them, and its memory; see
               `many_sessions.py`
"""

from __future__ import annotations

import argparse
import os
import platform

import many_sessions
import real_runs
import scenarios

_PARTS = {
    "scenarios": scenarios.measure,
    "real": real_runs.measure,
    "sessions": many_sessions.measure,
}


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description="Measure runs with several lanes.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {', '.join(_PARTS)}")
    parser.add_argument("--quick", action="store_true", help="little of each, to see that it works")
    parser.add_argument("--rounds", type=int, help="of every contender; 5 by default")
    given = parser.parse_args()
    unknown = set(given.parts) - set(_PARTS)
    if unknown:
        parser.error(f"expected some of {', '.join(_PARTS)}, got {', '.join(sorted(unknown))}")
    print(f"machine: {platform.platform()}, {os.cpu_count()} CPUs", flush=True)
    rounds = given.rounds or (1 if given.quick else 5)
    for name in given.parts or _PARTS:
        _PARTS[name](rounds, given.quick)


if __name__ == "__main__":
    main()
