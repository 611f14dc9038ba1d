"""What an env promises, how it was made, and spaces as data."""

from __future__ import annotations

from typing import Any, Dict

from rlmesh._contract.contract import EnvContract
from rlmesh._contract.env_spec import EnvSpec

__all__ = ["EnvContract", "EnvSpec", "SpaceSpec"]

SpaceSpec = Dict[str, Any]
"""A space as plain data: what `Space.to_spec` returns and `space_from_spec` reads."""
