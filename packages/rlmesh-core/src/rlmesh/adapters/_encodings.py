"""How a rotation may be given, by name or by a repacking of one's own."""

from __future__ import annotations

from typing import Any, Optional, Union

from rlmesh.errors import AdapterResolutionError

from ._plain import shown
from ._rotations import WIDTHS, CustomEncoding

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
