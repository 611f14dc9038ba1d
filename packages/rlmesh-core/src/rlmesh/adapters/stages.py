"""How a picture is cropped, fitted and resized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Optional, Sequence, Tuple, Union

from ._declaration import Declaration, is_count

RESAMPLES = ("bilinear", "bilinear_aa", "bicubic_aa", "lanczos3_aa", "lanczos3_tf", "area")
FITS = ("stretch", "crop", "crop_floor", "pad")


@dataclass(frozen=True)
class Stage(Declaration):
    """One more crop and resize of an `Image`, of the levels that the one before has given.

    Attributes:
        crop: As in `Image`.
        crop_area: As in `Image`.
        crop_mode: As in `Image`.
        size: Height and width, in one number or a pair; by default those of the cropped picture.
        fit: As in `Image`, whose `fill` and `pad_align` count here, too.
        resample: As in `Image`.
        allow_upscale: Whether it may be enlarged, e.g. back to the size before the crop.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "stage"

    crop: Optional[float] = None
    crop_area: Optional[float] = None
    crop_mode: str = "zoom"
    size: Union[int, Tuple[int, int], None] = None
    fit: Union[str, Sequence[str], None] = None
    resample: str = "bilinear"
    allow_upscale: bool = False

    def __post_init__(self) -> None:
        check_geometry(self)


def check_geometry(leaf: Any) -> None:
    """Check the fields that `Image` and `Stage` share."""
    _check_size(leaf)
    leaf._check_choice("resample", *RESAMPLES)
    leaf._check_choice("crop_mode", "zoom", "slice")
    leaf._check_bools("allow_upscale")
    leaf._check_number("crop", "crop_area")
    for field in ("crop", "crop_area"):
        value = getattr(leaf, field)
        if value is not None and not 0 < value <= 1:
            raise leaf._fail(field, "a fraction above 0, and at most 1")
    if leaf.crop is not None and leaf.crop_area is not None:
        raise leaf._fail("crop_area", "None beside crop")
    given, fits = leaf._given("fit")
    if given:
        if not isinstance(fits, tuple):
            fits = (fits,)
        if not fits or any(one not in FITS for one in fits) or len(set(fits)) != len(fits):
            raise leaf._fail("fit", f"one or several of {', '.join(FITS)}")
        leaf._set(fit=fits[0] if len(fits) == 1 else fits)


def fits_of(leaf: Any) -> Tuple[str, ...]:
    """Return what may be done where the aspect changes, in order of preference."""
    return (leaf.fit,) if isinstance(leaf.fit, str) else tuple(leaf.fit or ())


def _check_size(leaf: Any) -> None:
    given, size = leaf._given("size")
    if given:
        if not isinstance(size, tuple):
            size = (size, size)
        if len(size) != 2 or not all(map(is_count, size)):
            raise leaf._fail("size", "one or two integers of at least 1")
        leaf._set(size=size)
