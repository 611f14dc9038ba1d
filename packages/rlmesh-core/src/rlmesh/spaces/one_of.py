"""`OneOf`: a value of one of several spaces."""

from __future__ import annotations

import operator
import typing as t

from rlmesh.errors import InvalidValue, UnsupportedSpace

from ._describe import describe
from ._seeding import seed_with_parts
from .space import Space
from .tuple import checked_spaces

AnySpace = Space[t.Any]


class OneOf(Space[t.Tuple[int, t.Any]]):
    """Pairs of an index and a value of the space with that index.

    Args:
        spaces: The spaces, in order; at least one.
        seed: See `seed`; a sequence has a seed for the index, then one for each space.

    Raises:
        UnsupportedSpace: There are no spaces, or one of them is none.
    """

    spaces: t.Tuple[AnySpace, ...]
    spec_fields: t.ClassVar[t.Mapping[str, t.Tuple[type, ...]]] = {"spaces": (list, tuple)}

    def __init__(self, spaces: t.Iterable[AnySpace], seed: t.Any = None) -> None:
        self.spaces = checked_spaces(spaces, "OneOf")
        if not self.spaces:
            raise UnsupportedSpace("OneOf: expected at least one space, got none")
        if seed is not None:
            self.seed(seed)

    def seed(self, seed: t.Any = None) -> t.Tuple[t.Any, ...]:
        """Seed the index and every space; return what was seeded, in this order."""
        return seed_with_parts(super().seed, self.spaces, seed)

    def sample(self) -> t.Tuple[int, t.Any]:
        """Return an index, each equally likely, and a sample of its space."""
        index = self.random.randrange(len(self.spaces))
        return index, self.spaces[index].sample()

    def conform(self, value: t.Any, path: str = "value") -> t.Tuple[int, t.Any]:
        """Return a pair as a tuple of an `int` and the native value."""
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise InvalidValue(f"{path}: expected an index and a value, got {describe(value)}")
        try:
            index = int(operator.index(value[0]))
        except TypeError:
            index = -1
        if not 0 <= index < len(self.spaces):
            raise InvalidValue(
                f"{path}[0]: expected an index from 0 to {len(self.spaces) - 1}, "
                f"got {describe(value[0])}"
            )
        return index, self.spaces[index].conform(value[1], f"{path}[1]")

    def violation(self, value: t.Tuple[int, t.Any], path: str = "value") -> t.Optional[str]:
        """Return the sentence that the chosen space has about the value."""
        return self.spaces[value[0]].violation(value[1], f"{path}[1]")

    def to_spec(self) -> t.Dict[str, t.Any]:
        """Return the space as plain data."""
        return {"type": "OneOf", "spaces": [space.to_spec() for space in self.spaces]}

    @classmethod
    def from_spec(cls, fields: t.Mapping[str, t.Any], read: t.Callable[[t.Any], AnySpace]) -> OneOf:
        """Build the space from the fields of its spec."""
        return cls([read(spec) for spec in fields["spaces"]])

    def __getitem__(self, index: int) -> AnySpace:
        return self.spaces[index]

    def __iter__(self) -> t.Iterator[AnySpace]:
        return iter(self.spaces)

    def __len__(self) -> int:
        return len(self.spaces)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OneOf):
            return NotImplemented
        return self.spaces == other.spaces

    def __repr__(self) -> str:
        return f"OneOf({', '.join(map(repr, self.spaces))})"
