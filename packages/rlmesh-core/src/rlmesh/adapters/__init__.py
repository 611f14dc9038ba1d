"""From the format of an env to that of a model, and back, by two declarations and no code."""

from __future__ import annotations
