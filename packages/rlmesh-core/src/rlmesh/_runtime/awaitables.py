"""Functions of a user's that nobody would await: they are refused, so that none is lost."""

from __future__ import annotations

import inspect
from typing import Any, Callable, TypeVar

ValueT = TypeVar("ValueT")


def refuse_async(name: str, function: Any) -> None:
    """Refuse an `async def`.

    Args:
        name: What errors call it.
        function: The function, or an object that is called.

    Raises:
        TypeError: It is one.
    """
    for called in (function, getattr(type(function), "__call__", None)):  # noqa: B004
        if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
            shown = getattr(function, "__qualname__", type(function).__qualname__)
            raise TypeError(
                f"{name}: expected a plain function, got the async def {shown}, which RLMesh does"
                " not await; write def, and let it call asyncio.run(...) for what it would await"
            )


def refuse_awaitable(name: str, returned: Any) -> None:
    """Refuse what a function returned, if that should have been awaited.

    Args:
        name: What errors call the function.
        returned: What it returned.

    Raises:
        TypeError: It is awaitable.
    """
    if inspect.isawaitable(returned):
        if inspect.iscoroutine(returned):
            returned.close()  # or Python would warn that nobody awaited it
        raise TypeError(
            f"{name}: expected a function that is done when it returns, got one that returned a"
            f" {type(returned).__name__}, which RLMesh does not await"
        )


def checked(name: str, function: Callable[[ValueT], object]) -> Callable[[ValueT], None]:
    """Return a user's function as one that raises where it should have been awaited.

    Args:
        name: What errors call it.
        function: The function.

    Raises:
        TypeError: It is an `async def`.
    """
    refuse_async(name, function)

    def call(value: ValueT) -> None:
        refuse_awaitable(name, function(value))

    return call
