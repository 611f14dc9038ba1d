"""What to write instead of an action that does not fit, for mistakes that policies often make."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Tuple


def for_integer(value: Any, path: str, conform: Callable[[Any, str], Any]) -> str:
    """Return the end of a sentence about what is no integer; empty where there is nothing to say.

    Args:
        value: What is no integer.
        path: What errors call it.
        conform: Raises a ValueError for what is none.
    """
    if not path.startswith("action"):
        return ""
    found = _for_any(value, path, conform)
    if found:
        return found
    shape = getattr(value, "shape", None)
    if shape is not None and all(size == 1 for size in shape) and len(shape) > 0:
        return "; of an array with one element, return the element: .item()"
    if shape is not None and len(shape) > 0:
        if "float" not in str(getattr(value, "dtype", "")):
            return ""
        return "; of scores, one for each action, return the best one's index: .argmax()"
    if isinstance(value, float) or hasattr(value, "__float__"):
        return "; convert it: int(action)"
    return ""


def for_array(
    value: Any, path: str, shape: Tuple[int, ...], dtype: str, conform: Callable[[Any, str], Any]
) -> str:
    """Return the end of a sentence about what is no array of a shape and dtype.

    Args:
        value: What is none.
        path: What errors call it.
        shape: The shape.
        dtype: The dtype.
        conform: Raises a ValueError for what is none.
    """
    got = getattr(value, "shape", None)
    if got is not None and tuple(got) == shape:
        torch = ".float()" if dtype == "float32" else f".to(torch.{dtype})"
        return f'; convert it: .astype("{dtype}") in NumPy and JAX, {torch} in torch'
    if not path.startswith("action"):
        return ""
    if shape == (1,) and (got == () or isinstance(value, (int, float))):
        return "; put it into a list: [action]"
    if got is not None and len(got) > 0 and tuple(got[1:]) == shape:
        if got[0] == 1:
            return "; of a batch of one, return its element: action[0]"
        return "; several actions at once are for predict_chunk and predict_batch to return"
    return _for_any(value, path, conform)


def for_tree(value: Any, path: str, conform: Callable[[Any, str], Any]) -> str:
    """Return the end of a sentence about what has not the structure that an action has."""
    return _for_any(value, path, conform) if path.startswith("action") else ""


def _for_any(value: Any, path: str, conform: Callable[[Any, str], Any]) -> str:
    """Say what helps whatever was expected."""
    if value is None:
        return "; did predict forget to return it?"
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()  # or Python would warn that nobody awaited it
        return "; RLMesh does not await: write def predict, not async def"
    if inspect.isgenerator(value):
        return "; return the action, where predict has yield"
    if isinstance(value, (tuple, list)) and len(value) > 1:
        try:
            conform(value[0], path)
        except (ValueError, TypeError):
            return ""
        return "; of an action and a state, return the action alone: predict(observation)[0]"
    return ""
