"""How a rotation may be given, by name or by a repacking of one's own."""

from __future__ import annotations

from typing import Any, Optional, Union

from rlmesh.errors import AdapterResolutionError

from ._rotations import WIDTHS, CustomEncoding

Encoding = Union[str, CustomEncoding]


def check_encoding(value: Any, where: str, *, target_only: bool = True) -> None:
    """Check one encoding.

    Args:
        value: A name, or a `CustomEncoding`.
        where: What errors call it.
        target_only: Whether `gravity_xyz` is one, to which one converts and from which not.

    Raises:
        AdapterResolutionError: It is none.
    """
    names = [name for name in WIDTHS if target_only or name != "gravity_xyz"]
    if isinstance(value, CustomEncoding) or (isinstance(value, str) and value in names):
        return
    if value == "gravity_xyz":
        raise AdapterResolutionError(
            f"{where}: expected an encoding to convert from, got 'gravity_xyz', which leaves the"
            " heading open; only a model's State may ask for it"
        )
    raise AdapterResolutionError(
        f"{where}: expected one of {', '.join(names)}, or a CustomEncoding, got {value!r}"
    )


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
            raise AdapterResolutionError(f"{where}.dim: expected {width}, {why}, got {dim}")
        dim = width
    return dim
