"""Makes `strategies` importable for all tests of core, and sets Hypothesis's pace."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile(
    "rlmesh",
    deadline=None,  # a busy machine is no failure
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("rlmesh")
