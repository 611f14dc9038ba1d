"""What an env promises, and spaces as data."""

from __future__ import annotations

from typing import Any, Dict

from rlmesh._contract.contract import EnvContract

__all__ = ["EnvContract", "SpaceSpec"]

SpaceSpec = Dict[str, Any]
"""A space as plain data: what `Space.to_spec` returns and `space_from_spec` reads."""
