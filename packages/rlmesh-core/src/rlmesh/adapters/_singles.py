"""Conversions of one rotation at a time, on Python numbers.

An array operation takes a microsecond or several, however short the array is; that of Python
numbers takes a hundredth. So `convert`, which is written for arrays, is called once with names in
place of numbers, and what it does with these becomes a function of as many numbers.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import chain
from types import SimpleNamespace
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

from ._rotations import WIDTHS, Quaternion, convert

Rows = List[List[str]]


@lru_cache(maxsize=None)
def single_conversion(
    source: str, target: str, itemsize: int, offset: Optional[Quaternion] = None
) -> Callable[[Sequence[float]], List[float]]:
    """Return `convert` for one rotation, given and returned as Python numbers.

    The function raises an ArithmeticError or ValueError for some numbers that are not finite.

    Args:
        source: The encoding of the vector, a built-in one.
        target: The encoding of the result, likewise.
        itemsize: The bytes of a number in the array that it stands for, 4 or 8.
        offset: As in `convert`.
    """
    recorder = _Recorder(itemsize)
    names = [f"x{i}" for i in range(WIDTHS[source])]
    (result,) = convert(recorder, _Names(recorder, [names]), source, target, offset).rows
    lines = [f"{', '.join(names)} = x", *recorder.lines, f"return [{', '.join(result)}]"]
    text = "\n    ".join(["def conversion(x):", *lines])
    scope = {name: getattr(math, name) for name in ("sqrt", "sin", "cos", "atan2")}
    exec(compile(text, f"<{source} to {target}>", "exec"), scope)
    conversion: Callable[[Sequence[float]], List[float]] = scope["conversion"]
    return conversion


class _Recorder:
    """The array functions that `convert` calls, as in `Ops.xp`; they note what is done.

    Args:
        itemsize: The bytes of a number.

    Attributes:
        lines: What was done, each a line of Python that names its result.
        dtype: That of all arrays, as far as it matters.
    """

    def __init__(self, itemsize: int) -> None:
        self.lines: List[str] = []
        self.dtype = SimpleNamespace(itemsize=itemsize)

    def each(self, form: str, *arrays: Union[_Names, float]) -> _Names:
        """Note an expression of the elements of arrays, which stand for its `{}`, in order."""
        tables = [x.rows if isinstance(x, _Names) else [[repr(x)]] for x in arrays]
        height = max(len(rows) for rows in tables)
        width = max(len(rows[0]) for rows in tables)
        found: Rows = []
        for i in range(height):
            lines = [rows[i % len(rows)] for rows in tables]
            elements = (tuple(line[j % len(line)] for line in lines) for j in range(width))
            found.append([self._named(form.format(*element)) for element in elements])
        return _Names(self, found)

    def _named(self, expression: str) -> str:
        name = f"v{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        return name

    def abs(self, array: _Names) -> _Names:
        return self.each("abs({})", array)

    def sqrt(self, array: _Names) -> _Names:
        return self.each("sqrt({})", array)

    def sin(self, array: _Names) -> _Names:
        return self.each("sin({})", array)

    def cos(self, array: _Names) -> _Names:
        return self.each("cos({})", array)

    def round(self, array: _Names) -> _Names:
        return self.each("round({})", array)

    def arctan2(self, first: _Names, second: _Names) -> _Names:
        return self.each("atan2({}, {})", first, second)

    def where(self, condition: _Names, first: _Names, second: _Names) -> _Names:
        return self.each("{1} if {0} else {2}", condition, first, second)

    def ones_like(self, array: _Names) -> _Names:
        return _Names(self, [["1.0"] * len(row) for row in array.rows])

    def zeros_like(self, array: _Names) -> _Names:
        return _Names(self, [["0.0"] * len(row) for row in array.rows])

    def sum(self, array: _Names, axis: int) -> _Names:
        """Keeps the axis, which `convert` always restores."""
        return _Names(self, [[self._named(" + ".join(row))] for row in array.rows])

    def flip(self, array: _Names, axes: Tuple[int]) -> _Names:
        return _Names(self, [row[::-1] for row in array.rows])

    def concatenate(self, arrays: Sequence[_Names], axis: int) -> _Names:
        rows = zip(*(array.rows for array in arrays))
        return _Names(self, [list(chain(*parts)) for parts in rows])

    def stack(self, arrays: Sequence[_Names], axis: int) -> _Names:
        rows = [array.rows[0] for array in arrays]
        return _Names(self, rows if axis == -2 else list(map(list, zip(*rows))))


class _Names:
    """A vector, or a matrix of a few, whose elements have names in place of values."""

    def __init__(self, recorder: _Recorder, rows: Rows) -> None:
        self._each, self.rows, self.dtype = recorder.each, rows, recorder.dtype
        self._recorder = recorder

    def __getitem__(self, key: Any) -> _Names:
        _, *rest = key  # after the ellipsis
        if rest == [None]:
            return self
        rows = self.rows if len(rest) == 1 else [self.rows[rest[0]]]
        return _Names(self._recorder, [row[rest[-1]] for row in rows])

    def __add__(self, other: Any) -> _Names:
        return self._each("{} + {}", self, other)

    def __sub__(self, other: Any) -> _Names:
        return self._each("{} - {}", self, other)

    def __rsub__(self, other: Any) -> _Names:
        return self._each("{} - {}", other, self)

    def __mul__(self, other: Any) -> _Names:
        return self._each("{} * {}", self, other)

    def __truediv__(self, other: Any) -> _Names:
        return self._each("{} / {}", self, other)

    def __lt__(self, other: Any) -> _Names:
        return self._each("{} < {}", self, other)

    def __gt__(self, other: Any) -> _Names:
        return self._each("{} > {}", self, other)

    def __eq__(self, other: Any) -> Any:
        return self._each("{} == {}", self, other)

    def __or__(self, other: Any) -> _Names:
        return self._each("{} or {}", self, other)

    def __neg__(self) -> _Names:
        return self._each("-{}", self)

    __radd__ = __add__
    __rmul__ = __mul__
    __hash__ = None  # type: ignore[assignment]
