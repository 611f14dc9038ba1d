"""An env whose observations break its own space."""

from __future__ import annotations

from countdown import Countdown

from rlmesh import Tensor


class Overflowing(Countdown):
    """Observes one more than its space allows, and another number in each instance."""

    def _observe(self):
        return Tensor.from_values([101 + id(self) % 1000], "int64")
