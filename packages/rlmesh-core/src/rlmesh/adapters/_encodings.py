"""How a rotation may be given, by name or by a repacking of one's own."""

from __future__ import annotations

from itertools import chain
from typing import Any, Optional, Sequence, Union

from rlmesh.errors import AdapterResolutionError

from ._plain import as_python, is_number, shown
from ._rotations import WIDTHS, CustomEncoding, Quaternion
from ._singles import single_conversion

Encoding = Union[str, CustomEncoding]


def check_encoding(value: Any, where: str, *, of_action: bool = False) -> None:
    """Check one encoding.

    Args:
        value: A name, or a `CustomEncoding`.
        where: What errors call it.
        of_action: Whether actions have it, which `gravity_xyz` cannot tell.

    Raises:
        AdapterResolutionError: It is none.
    """
    names = [name for name in WIDTHS if not (of_action and name == "gravity_xyz")]
    is_custom = isinstance(value, CustomEncoding)
    base = value.base if isinstance(value, CustomEncoding) else value
    if isinstance(base, str) and base in names:
        return
    expected = f"one of {', '.join(names)}, or a CustomEncoding"
    if isinstance(base, str) and base in WIDTHS:
        of_what = f"{value.name}, which repacks {base}" if is_custom else base
        raise AdapterResolutionError(
            f"{where}: expected {expected}, got {of_what}; gravity leaves the heading open, so that"
            " no action can be given by it"
        )
    raise AdapterResolutionError(f"{where}: expected {expected}, got {shown(value)}")


def width_of(encoding: Encoding) -> int:
    """Return the number of elements of a rotation in an encoding."""
    return WIDTHS[encoding.base if isinstance(encoding, CustomEncoding) else encoding]


def name_of(encoding: Optional[Encoding]) -> str:
    """Return an encoding as sentences name it."""
    if encoding is None:
        return "none"
    return encoding if isinstance(encoding, str) else encoding.name


def flattened(value: Any) -> Any:
    """Return the rows of a matrix, whatever holds them, as one tuple; else the value itself."""
    rows = as_python(value)
    if isinstance(rows, tuple) and rows and all(isinstance(row, tuple) for row in rows):
        return tuple(chain.from_iterable(rows))
    return rows


def checked_offset(value: Any, where: str) -> Optional[Quaternion]:
    """Return a fixed rotation as a unit quaternion (x, y, z, w); None where there is none.

    Args:
        value: None, four numbers (`quat_xyzw`) or nine (`matrix`, row by row), see `flattened`.
        where: What errors call it.

    Raises:
        AdapterResolutionError: It is no rotation.
    """
    if value is None:
        return None
    rows = value
    kinds = {4: "quat_xyzw", 9: "matrix"}
    known = isinstance(rows, tuple) and len(rows) in kinds and all(map(is_number, rows))
    if known:
        numbers = [float(one) for one in rows]
        quaternion = single_conversion(kinds[len(rows)], "quat_wxyz", 8)(numbers)
        again = single_conversion("quat_wxyz", kinds[len(rows)], 8)(quaternion)
        signs = (1, -1) if len(rows) == 4 else (1,)
        if any(_are_close([sign * one for one in again], numbers) for sign in signs):
            w, x, y, z = quaternion
            return (x, y, z, w)
    raise AdapterResolutionError(
        f"{where}: expected a rotation, as 4 numbers (quat_xyzw) or 9 (matrix, row by row), got"
        f" {shown(value)}"
    )


def _are_close(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(abs(a - b) < 1e-3 for a, b in zip(first, second))


def checked_dim(
    dim: Optional[int], encoding: Optional[Encoding], canonical: Optional[int], where: str
) -> Optional[int]:
    """Return a width that is given, or follows from an encoding or a well-known role.

    Raises:
        AdapterResolutionError: They contradict each other.
    """
    for width, why in (
        (None if encoding is None else width_of(encoding), f"the width of {name_of(encoding)}"),
        (canonical, "the width of this role"),
    ):
        if width is None:
            continue
        if dim is not None and dim != width:
            raise AdapterResolutionError(f"{where}: expected {width} elements ({why}), got {dim}")
        dim = width
    return dim
