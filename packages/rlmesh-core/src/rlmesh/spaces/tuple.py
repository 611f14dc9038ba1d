"""`Tuple`: a value of each of several spaces."""

from __future__ import annotations

import typing as t

from rlmesh.errors import InvalidValue, UnsupportedSpace

from ._describe import describe
from ._seeding import seed_all
from .space import Space, check_space, unstackable

AnySpace = Space[t.Any]


class Tuple(Space[t.Tuple[t.Any, ...]]):
    """Tuples with one value of each space.

    Args:
        spaces: The spaces, in order.
        seed: See `seed`; a sequence seeds each space with the seed in its place.

    Raises:
        UnsupportedSpace: One of the spaces is none.
    """

    spaces: t.Tuple[AnySpace, ...]
    spec_fields: t.ClassVar[t.Mapping[str, t.Tuple[type, ...]]] = {"spaces": (list, tuple)}

    def __init__(self, spaces: t.Iterable[AnySpace], seed: t.Any = None) -> None:
        self.spaces = checked_spaces(spaces, "Tuple")
        if seed is not None:
            self.seed(seed)

    def seed(self, seed: t.Any = None) -> t.Tuple[t.Any, ...]:
        """Seed every space; return what was seeded, in order."""
        return seed_all(self.spaces, seed)

    def sample(self) -> t.Tuple[t.Any, ...]:
        """Return a tuple with a sample of each space."""
        return tuple(space.sample() for space in self.spaces)

    def check_length(self, value: t.Any, path: str = "value") -> None:
        """Raise InvalidValue unless the value is a tuple or list with one element per space."""
        if not isinstance(value, (tuple, list)):
            raise InvalidValue(f"{path}: expected a tuple, got {describe(value)}")
        if len(value) != len(self.spaces):
            raise InvalidValue(f"{path}: expected {len(self.spaces)} elements, got {len(value)}")

    def conform(self, value: t.Any, path: str = "value") -> t.Tuple[t.Any, ...]:
        """Return a tuple or list as a tuple."""
        self.check_length(value, path)
        pairs = enumerate(zip(self.spaces, value))
        return tuple([space.conform(part, f"{path}[{i}]") for i, (space, part) in pairs])

    def violation(self, value: t.Tuple[t.Any, ...], path: str = "value") -> t.Optional[str]:
        """Return the first sentence that one of the spaces has about its value."""
        for i, (space, part) in enumerate(zip(self.spaces, value)):
            found = space.violation(part, f"{path}[{i}]")
            if found is not None:
                return found
        return None

    def batched(self, n: int) -> Tuple:
        """Return the Tuple of the batched spaces."""
        if not self.spaces:
            raise unstackable(self)  # it could not say how many are stacked
        return Tuple([space.batched(n) for space in self.spaces])

    def stack_values(self, values: t.Sequence[t.Tuple[t.Any, ...]]) -> t.Tuple[t.Any, ...]:
        """Return one tuple with the stacked values of each space."""
        return tuple(
            space.stack_values([value[i] for value in values])
            for i, space in enumerate(self.spaces)
        )

    def stacked_length(self, value: t.Any, path: str = "value") -> int:
        """Return the stacked length of the first space's values."""
        self.check_length(value, path)
        return self.spaces[0].stacked_length(value[0], f"{path}[0]")

    def to_spec(self) -> t.Dict[str, t.Any]:
        """Return the space as plain data."""
        return {"type": "Tuple", "spaces": [space.to_spec() for space in self.spaces]}

    @classmethod
    def from_spec(cls, fields: t.Mapping[str, t.Any], read: t.Callable[[t.Any], AnySpace]) -> Tuple:
        """Build the space from the fields of its spec."""
        return cls([read(spec) for spec in fields["spaces"]])

    def __getitem__(self, index: int) -> AnySpace:
        return self.spaces[index]

    def __iter__(self) -> t.Iterator[AnySpace]:
        return iter(self.spaces)

    def __len__(self) -> int:
        return len(self.spaces)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tuple):
            return NotImplemented
        return self.spaces == other.spaces

    def __repr__(self) -> str:
        return f"Tuple({', '.join(map(repr, self.spaces))})"


def checked_spaces(spaces: t.Any, where: str) -> t.Tuple[AnySpace, ...]:
    """Return what must be several spaces of ours.

    Raises:
        UnsupportedSpace: One is none, or they are no sequence.
    """
    if not isinstance(spaces, t.Iterable) or isinstance(spaces, t.Mapping):
        raise UnsupportedSpace(f"{where}: expected a sequence of spaces, got {describe(spaces)}")
    return tuple(check_space(space, f"{where}[{i}]") for i, space in enumerate(spaces))
