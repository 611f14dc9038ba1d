"""`Sequence`: any number of values of one space."""

from __future__ import annotations

import math
import typing as t

from rlmesh.errors import InvalidValue

from ._describe import describe
from ._seeding import seed_with_parts
from .space import Space, check_space

AnySpace = Space[t.Any]


class Sequence(Space[t.Any]):
    """Tuples of any length, all of whose elements are values of one space.

    Args:
        space: The space of the elements.
        seed: See `seed`; two seeds are for the length and for the elements.
        stack: Whether the elements come stacked along a new first axis instead: a tensor, or a
            dict or tuple of tensors.

    Raises:
        UnsupportedSpace: The space is none, or its values do not stack into arrays.

    Attributes:
        feature_space: The space of the elements.
    """

    feature_space: AnySpace
    stack: bool
    spec_fields: t.ClassVar[t.Mapping[str, t.Tuple[type, ...]]] = {
        "space": (dict,),
        "stack": (bool,),
    }

    def __init__(self, space: AnySpace, seed: t.Any = None, stack: bool = False) -> None:
        self.feature_space = check_space(space, "Sequence")
        self.stack = stack
        if stack:
            self.feature_space.batched(1)  # raises where that is not possible
        if seed is not None:
            self.seed(seed)

    def seed(self, seed: t.Any = None) -> t.Tuple[t.Any, ...]:
        """Seed the lengths and the elements; return what was seeded."""
        return seed_with_parts(super().seed, [self.feature_space], seed)

    def sample(self) -> t.Any:
        """Return samples of the element space: 4 on average, and at least 1."""
        length = 1 + int(math.log(1.0 - self.random.random()) / math.log(0.75))
        values = tuple(self.feature_space.sample() for _ in range(length))
        return self.feature_space.stack_values(values) if self.stack else values

    def conform(self, value: t.Any, path: str = "value") -> t.Any:
        """Return a tuple or list as a tuple, or a stacked value in its native form."""
        feature = self.feature_space
        if self.stack:
            return feature.batched(feature.stacked_length(value, path)).conform(value, path)
        if not isinstance(value, (tuple, list)):
            raise InvalidValue(f"{path}: expected a tuple, got {describe(value)}")
        return tuple([feature.conform(part, f"{path}[{i}]") for i, part in enumerate(value)])

    def violation(self, value: t.Any, path: str = "value") -> t.Optional[str]:
        """Return a sentence about the first element out of bounds."""
        feature = self.feature_space
        if self.stack:
            return feature.batched(feature.stacked_length(value, path)).violation(value, path)
        for i, part in enumerate(value):
            found = feature.violation(part, f"{path}[{i}]")
            if found is not None:
                return found
        return None

    def to_spec(self) -> t.Dict[str, t.Any]:
        """Return the space as plain data."""
        return {"type": "Sequence", "space": self.feature_space.to_spec(), "stack": self.stack}

    @classmethod
    def from_spec(
        cls, fields: t.Mapping[str, t.Any], read: t.Callable[[t.Any], AnySpace]
    ) -> Sequence:
        """Build the space from the fields of its spec."""
        return cls(read(fields["space"]), stack=fields["stack"])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return (self.feature_space, self.stack) == (other.feature_space, other.stack)

    def __repr__(self) -> str:
        return f"Sequence({self.feature_space}, stack={self.stack})"
