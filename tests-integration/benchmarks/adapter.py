"""Measure an adapter against the same work written by hand, in each framework.

    python adapter.py [--quick]

The work is that of one step: two cameras of 480x640 become 224x224, float32 in [-1, 1] and
channels first; a position, a quaternion and a gripper become a vector of 10; and 10 numbers of a
model become an action of 7. `pairs.py` declares it, `by_hand.py` has it by hand. Before anything is
measured, both must give the same. The tables, `stretch` and `crop`, differ by what is done about
the aspect of the pictures. Ours is `transform_obs` and `transform_action` of `rlmesh.adapters`; the
others:

    numpy, torch, jax  by hand: OpenCV and NumPy, torch with one thread, and for JAX two compiled
                       functions, whose resize takes the rows and columns that it needs
    jax.image.resize   by hand, in two compiled functions
    peer               the public package `rlmesh` 0.1.0 with the same declaration, on NumPy arrays,
                       under the Python that RLMESH_PEER_PYTHON names; left out without it

    action part        how much of our time is `transform_action`

How turns and medians are taken stands in `rounds.py`.
"""

from __future__ import annotations

from typing import Dict, Tuple

from rounds import Effort, Row, measure, options, print_table, print_versions

_FULL = Effort(31, 0.05, 0.5)
_FITS = ("stretch", "crop")
_PEER = "peer adapter"
_OTHERS: Dict[str, Tuple[str, Row]] = {
    "numpy": ("numpy adapter", Row("numpy adapter", "hand")),
    "torch": ("torch adapter", Row("torch adapter", "hand")),
    "jax": ("jax adapter", Row("jax adapter", "hand")),
    "jax.image.resize": ("jax adapter", Row("jax adapter", "library")),
    "peer": ("numpy adapter", Row(_PEER, "ours")),
}
"""What is compared: one of our adapters, and a row."""


def main() -> None:
    """Measure what the command line says."""
    given = options("Measure an adapter.", _FULL)
    others = {name: pair for name, pair in _OTHERS.items() if name != "peer" or given.peer}
    turns = [Row(ours, turn) for ours, _ in others.values() for turn in ("ours", "action")]
    rows = dict.fromkeys([*turns, *(other for _, other in others.values())])
    for fit in _FITS:
        cells = {}
        measured = measure(fit, "unix", rows, given.peer, given.effort)
        for name, (adapter, other) in others.items():
            ours, action = Row(adapter, "ours"), Row(adapter, "action")
            times = [measured.microseconds(ours), measured.microseconds(other)]
            ratios = [measured.ratio(ours, other), measured.ratio(action, ours)]
            cells[name] = times + ratios
        columns = ["ours us", "other us", "ours/other", "action part"]
        title = f"{fit}: median step of {given.effort.rounds} rounds"
        print_table(title, columns, cells, "that all by hand give the same as ours", "other")
    names = [(pair[0], name) for name, pair in _OTHERS.items() if name in ("numpy", "torch", "jax")]
    print_versions([*names, (_PEER, "peer")], measured.versions)


if __name__ == "__main__":
    main()
