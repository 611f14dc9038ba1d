"""The frameworks that adapters compute with, and the way of NumPy arrays there and back."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import torch

FRAMEWORKS = ("numpy", "torch", "jax")


def into(framework: str, value: Any) -> Any:
    """Return a value with the framework's arrays in the place of NumPy's."""
    if isinstance(value, dict):
        return {key: into(framework, part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(into(framework, part) for part in value)
    if not isinstance(value, np.ndarray):
        return value
    if framework == "torch":
        return torch.from_numpy(value.copy())
    return jnp.asarray(value) if framework == "jax" else value


def kind(array: Any) -> str:
    """Return the framework of an array."""
    return type(array).__module__.partition(".")[0].replace("jaxlib", "jax")


def dtype(array: Any) -> str:
    """Return the name of an array's dtype."""
    return str(array.dtype).rpartition(".")[2]


def back(value: Any) -> Any:
    """Return a value with NumPy's arrays, those of bfloat16 as float32."""
    if isinstance(value, dict):
        return {key: back(part) for key, part in value.items()}
    if isinstance(value, torch.Tensor):
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if kind(value) in ("jax", "numpy"):
        array = np.asarray(value)
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    return value
