"""The statistics by which a model's values are normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, List, Optional, Sequence, Set, Tuple, Union

from rlmesh.errors import AdapterResolutionError

from ._declaration import Declaration
from ._plain import is_divisor, shown

Numbers = Union[float, Sequence[float]]


@dataclass(frozen=True)
class Stats(Declaration):
    """Mean and standard deviation, or 1st and 99th percentile, of each element.

    Normalising is `(value - mean) / std`, or `2 * (value - q01) / (q99 - q01) - 1`. Nothing is
    added to a divisor, so no divisor that is used may be zero.

    Attributes:
        mean: A number, or one for each element.
        std: Likewise; with `mean`.
        q01: Likewise; instead of these.
        q99: Likewise; with `q01`.
        mask: For each element, whether it is normalised; None: all are.

    Raises:
        AdapterResolutionError: A pair is incomplete, widths differ, or a divisor is zero.
    """

    kind: ClassVar[str] = "stats"

    mean: Optional[Numbers] = None
    std: Optional[Numbers] = None
    q01: Optional[Numbers] = None
    q99: Optional[Numbers] = None
    mask: Optional[Sequence[bool]] = None

    def __post_init__(self) -> None:
        fields = ("mean", "std", "q01", "q99")
        given = {name: getattr(self, name) for name in fields if getattr(self, name) is not None}
        if list(given) not in (["mean", "std"], ["q01", "q99"]):
            raise AdapterResolutionError(
                "Stats: expected mean and std, or q01 and q99, got"
                f" {', '.join(f'{name}={shown(value)}' for name, value in given.items()) or 'none'}"
            )
        for field in fields:
            self._check_numbers(field)
        is_masked, mask = self._given("mask")
        if is_masked and not (
            isinstance(mask, tuple) and mask and all(isinstance(one, bool) for one in mask)
        ):
            raise self._fail("mask", "a sequence of booleans")
        if len(self._widths()) > 1:
            raise AdapterResolutionError(
                f"Stats: expected as many numbers everywhere, got {self._lengths()}"
            )
        width = self.width
        name = "std" if self.mean is not None else "q99 - q01"
        for index, divisor in enumerate(self.shift_and_divisor(width or 1)[1]):
            if divisor < 0 or not is_divisor(divisor):
                at = "" if width is None else f" of element {index}"
                raise AdapterResolutionError(
                    f"Stats: expected {name}{at} above 0, got {divisor:g}; mask=... leaves an"
                    " element alone"
                )

    @property
    def width(self) -> Optional[int]:
        """Number of elements; None where every number stands for all of them."""
        widths = self._widths()
        return widths.pop() if widths else None

    def check_width(self, width: int, where: str) -> None:
        """Check that these are the statistics of so many elements.

        Raises:
            AdapterResolutionError: They are not.
        """
        if self.width not in (None, width):
            raise AdapterResolutionError(
                f"{where}: expected statistics of {width} elements, got those of {self.width}"
            )

    def shift_and_divisor(self, width: int) -> Tuple[List[float], List[float]]:
        """Return mean and std, or q01 and q99 - q01, of each element; 0 and 1 where masked."""
        used = self.mask or (True,) * width
        if self.mean is not None:
            low, span = _repeated(self.mean, width), _repeated(self.std, width)
        else:
            low, high = _repeated(self.q01, width), _repeated(self.q99, width)
            span = [top - bottom for bottom, top in zip(low, high)]
        shift = [one if use else 0.0 for one, use in zip(low, used)]
        return shift, [one if use else 1.0 for one, use in zip(span, used)]

    @property
    def is_quantiles(self) -> bool:
        """Whether these are percentiles, which map to [-1, 1]."""
        return self.mean is None

    def _widths(self) -> Set[int]:
        parts = (self.mean, self.std, self.q01, self.q99, self.mask)
        return {len(part) for part in parts if isinstance(part, tuple)}

    def _lengths(self) -> str:
        parts = {name: getattr(self, name) for name in ("mean", "std", "q01", "q99", "mask")}
        return ", ".join(
            f"{len(part)} in {name}" for name, part in parts.items() if isinstance(part, tuple)
        )


def _repeated(value: Optional[Numbers], width: int) -> List[float]:
    if isinstance(value, tuple):
        return [float(one) for one in value]
    return [float(value)] * width  # type: ignore[arg-type]
