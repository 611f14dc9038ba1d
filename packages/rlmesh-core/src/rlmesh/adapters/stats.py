"""The statistics by which a model's values are normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from rlmesh.errors import AdapterResolutionError

from ._declaration import Declaration
from ._plain import is_divisor, shown

Numbers = Union[float, Sequence[float]]

_PAIRS = (("mean", "std"), ("q01", "q99"), ("low", "high"))


class Scale(NamedTuple):
    """What statistics do with each element.

    Attributes:
        low: What is subtracted: the mean, or the lower end.
        high: The mean and one standard deviation, or the upper end.
        divisor: By what is divided then; 1 where nothing is.
        factor: By what is multiplied to undo it; 0 for an element that has no span.
        masked: Whether the element is left alone, both ways.
        exempt: Whether normalising leaves it alone.
        zeroed: Whether normalising makes it zero.
    """

    low: List[float]
    high: List[float]
    divisor: List[float]
    factor: List[float]
    masked: List[bool]
    exempt: List[bool]
    zeroed: List[bool]


@dataclass(frozen=True)
class Stats(Declaration):
    """Mean and standard deviation, 1st and 99th percentile, or least and greatest of each element.

    Normalising is `(value - mean) / (std + eps)`, or
    `2 * (value - low) / (high - low + eps) - 1` with `low` and `high`, or q01 and q99 in their
    place. Undoing it is the reverse of that, `eps` included; an element that `zero_span` is about
    then gets its mean or lower end.

    What public code does (openpi's `src/openpi/transforms.py`, LeRobot's
    `src/lerobot/processor/normalize_processor.py`, GR00T's `gr00t/data/transform/state_action.py`):
    openpi has `eps=1e-6`, LeRobot `eps=1e-8`; GR00T has no `eps`, `zero_span="keep"` for mean and
    quantiles, `zero_span="zero"` for low and high, and clips what quantiles give to [-1, 1].

    Attributes:
        mean: A number, or one for each element.
        std: Likewise; with `mean`.
        q01: Likewise; instead of this pair.
        q99: Likewise; with `q01`.
        mask: For each element, whether it is normalised; None: all are.
        low: The least value, or one for each element; instead of these pairs.
        high: The greatest one; with `low`.
        zero_span: What becomes of an element whose std or span is zero: `"zero"`, or `"keep"` for
            its value as it is. By default that is an error, unless there is an `eps`.
        eps: What is added to each divisor.

    Raises:
        AdapterResolutionError: A pair is incomplete, widths differ, or a divisor is zero.
    """

    kind: ClassVar[str] = "stats"

    mean: Optional[Numbers] = None
    std: Optional[Numbers] = None
    q01: Optional[Numbers] = None
    q99: Optional[Numbers] = None
    mask: Optional[Sequence[bool]] = None
    low: Optional[Numbers] = None
    high: Optional[Numbers] = None
    zero_span: Optional[str] = None
    eps: float = 0.0

    def __post_init__(self) -> None:
        fields = [name for pair in _PAIRS for name in pair]
        given = {name: getattr(self, name) for name in fields if getattr(self, name) is not None}
        if tuple(given) not in _PAIRS:
            raise AdapterResolutionError(
                "Stats: expected mean and std, q01 and q99, or low and high, got"
                f" {', '.join(f'{name}={shown(value)}' for name, value in given.items()) or 'none'}"
            )
        for field in fields:
            self._check_numbers(field)
        is_masked, mask = self._given("mask")
        if is_masked and not (
            isinstance(mask, tuple) and mask and all(isinstance(one, bool) for one in mask)
        ):
            raise self._fail("mask", "a sequence of booleans")
        self._check_choice("zero_span", None, "zero", "keep")
        self._check_number("eps")
        if self.eps < 0:
            raise self._fail("eps", "a number of at least 0")
        if len(self._widths()) > 1:
            raise AdapterResolutionError(
                f"Stats: expected as many numbers everywhere, got {self._lengths()}"
            )
        self._check_divisors()

    def _check_divisors(self) -> None:
        width = self.width
        name = "std" if self.is_centred else " - ".join(reversed(self.ends))
        used = self.mask or (True,) * (width or 1)
        spans = zip(*self._pairs(width or 1))
        for index, (low, high) in enumerate(spans):
            span = high if self.is_centred else high - low
            excused = span == 0 and self.zero_span is not None
            if used[index] and not excused and (span < 0 or not is_divisor(span + self.eps)):
                at = "" if width is None else f" of element {index}"
                raise AdapterResolutionError(
                    f"Stats: expected {name}{at} above 0, got {span:g}; mask=... leaves an element"
                    " alone, zero_span=... says what one of no span becomes"
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

    @property
    def is_centred(self) -> bool:
        """Whether these are means, and not two ends that map to [-1, 1]."""
        return self.mean is not None

    @property
    def ends(self) -> Tuple[str, str]:
        """The names of the two fields that are given."""
        return next(pair for pair in _PAIRS if getattr(self, pair[0]) is not None)

    def scale(self, width: int) -> Scale:
        """Return what these statistics do with each of so many elements."""
        low, high = self._pairs(width)
        span = high if self.is_centred else [top - bottom for bottom, top in zip(low, high)]
        masked = [not one for one in self.mask or (True,) * width]
        empty = [
            one == 0 and self.zero_span is not None and not alone
            for one, alone in zip(span, masked)
        ]
        plain = [alone or none for alone, none in zip(masked, empty)]
        return Scale(
            low=[0.0 if alone else one for one, alone in zip(low, masked)],
            high=[1.0 if alone else one for one, alone in zip(high, masked)],
            divisor=[1.0 if one else one_span + self.eps for one_span, one in zip(span, plain)],
            factor=[
                1.0 if alone else 0.0 if none else one + self.eps
                for one, alone, none in zip(span, masked, empty)
            ],
            masked=masked,
            exempt=plain if self.zero_span == "keep" else masked,
            zeroed=empty if self.zero_span == "zero" else [False] * width,
        )

    def values(self, width: int) -> List[List[float]]:
        """Return the values of each element that these statistics say it has; none where masked.

        They are the two ends, or the mean.
        """
        low, high = self._pairs(width)
        pairs = [[one] for one in low] if self.is_centred else [list(one) for one in zip(low, high)]
        used = self.mask or (True,) * width
        return [pair if use else [] for pair, use in zip(pairs, used)]

    def _pairs(self, width: int) -> Tuple[List[float], List[float]]:
        low, high = (_repeated(getattr(self, name), width) for name in self.ends)
        return low, high

    def _widths(self) -> Set[int]:
        return {len(part) for part in self._parts().values() if isinstance(part, tuple)}

    def _parts(self) -> Dict[str, Any]:
        return {name: getattr(self, name) for name in (*self.ends, "mask")}

    def _lengths(self) -> str:
        return ", ".join(
            f"{len(part)} in {name}"
            for name, part in self._parts().items()
            if isinstance(part, tuple)
        )


def _repeated(value: Optional[Numbers], width: int) -> List[float]:
    if isinstance(value, tuple):
        return [float(one) for one in value]
    return [float(value)] * width  # type: ignore[arg-type]
