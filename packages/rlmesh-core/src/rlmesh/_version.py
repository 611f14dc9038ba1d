"""The version of every distribution of RLMesh."""

from __future__ import annotations

__version__ = "0.2.0"
