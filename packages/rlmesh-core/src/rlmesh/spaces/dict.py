"""`Dict`: a value of each of several named spaces."""

from __future__ import annotations

import typing as t
from collections import OrderedDict

from rlmesh.errors import InvalidValue, UnsupportedSpace

from ._advice import for_tree
from ._describe import describe
from ._seeding import seed_all
from .space import Space, check_space, unstackable

AnySpace = Space[t.Any]


class Dict(Space[t.Dict[t.Any, t.Any]]):
    """Dicts with one value of each space, under the same keys.

    Args:
        spaces: The spaces by key, which is a str, int, bool or bytes: a mapping, whose keys are
            sorted where they can be, or an `OrderedDict` or pairs, whose order stays.
        seed: See `seed`; a dict seeds each space with the seed under its key.
        sort_keys: Whether the keys of a mapping are sorted.
        **spaces_kwargs: More spaces, after the others.

    Raises:
        UnsupportedSpace: A key or a space is none.

    Attributes:
        spaces: The spaces by key; values have their keys in this order.
    """

    spaces: t.Dict[t.Any, AnySpace]
    spec_fields: t.ClassVar[t.Mapping[str, t.Tuple[type, ...]]] = {
        "spaces": (list, tuple),
        "sort_keys": (bool,),
    }

    def __init__(
        self,
        spaces: t.Union[
            t.Mapping[t.Any, AnySpace], t.Sequence[t.Tuple[t.Any, AnySpace]], None
        ] = None,
        seed: t.Any = None,
        *,
        sort_keys: bool = True,
        **spaces_kwargs: AnySpace,
    ) -> None:
        self.sort_keys = sort_keys
        self.spaces = {}
        for key, space in (*_pairs(spaces, sort_keys), *spaces_kwargs.items()):
            if not isinstance(key, (str, int, bytes)):
                raise UnsupportedSpace(
                    f"Dict: expected keys that are str, int, bool or bytes, got {describe(key)}"
                )
            if key in self.spaces:
                raise UnsupportedSpace(f"Dict: expected every key once, got {key!r} twice")
            self.spaces[key] = check_space(space, f"Dict[{key!r}]")
        self._items = [(key, space, f"[{key!r}]") for key, space in self.spaces.items()]
        if seed is not None:
            self.seed(seed)

    def seed(self, seed: t.Any = None) -> t.Dict[t.Any, t.Any]:
        """Seed every space; return what was seeded, by key."""
        if isinstance(seed, t.Mapping):
            self.check_keys(seed, "seed")
            seed = [seed[key] for key in self.spaces]
        return dict(zip(self.spaces, seed_all(list(self.spaces.values()), seed)))

    def sample(self) -> t.Dict[t.Any, t.Any]:
        """Return a dict with a sample of each space."""
        return {key: space.sample() for key, space in self.spaces.items()}

    def check_keys(self, value: t.Any, path: str = "value") -> None:
        """Raise InvalidValue unless the value is a mapping with exactly the space's keys."""
        if not isinstance(value, (dict, t.Mapping)):
            advice = for_tree(value, path, self.check_keys)
            raise InvalidValue(f"{path}: expected a mapping, got {describe(value)}{advice}")
        if value.keys() != self.spaces.keys():
            raise InvalidValue(f"{path}: expected keys {list(self.spaces)}, got {list(value)}")

    def conform(self, value: t.Any, path: str = "value") -> t.Dict[t.Any, t.Any]:
        """Return any mapping as a dict, its keys in the order of the space's."""
        self.check_keys(value, path)
        return {key: space.conform(value[key], path + at) for key, space, at in self._items}

    def violation(self, value: t.Mapping[t.Any, t.Any], path: str = "value") -> t.Optional[str]:
        """Return the first sentence that one of the spaces has about its value."""
        for key, space, at in self._items:
            found = space.violation(value[key], path + at)
            if found is not None:
                return found
        return None

    def batched(self, n: int) -> Dict:
        """Return the Dict of the batched spaces."""
        if not self.spaces:
            raise unstackable(self)  # it could not say how many are stacked
        pairs = [(key, space.batched(n)) for key, space in self.spaces.items()]
        return Dict(pairs, sort_keys=self.sort_keys)

    def stack_values(self, values: t.Sequence[t.Mapping[t.Any, t.Any]]) -> t.Dict[t.Any, t.Any]:
        """Return one dict with the stacked values of each space."""
        return {
            k: space.stack_values([value[k] for value in values])
            for k, space in self.spaces.items()
        }

    def stacked_length(self, value: t.Any, path: str = "value") -> int:
        """Return the stacked length of the first space's values."""
        self.check_keys(value, path)
        key, space, at = self._items[0]
        return space.stacked_length(value[key], path + at)

    def to_spec(self) -> t.Dict[str, t.Any]:
        """Return the space as plain data."""
        pairs = [[_plain(key), space.to_spec()] for key, space in self.spaces.items()]
        return {"type": "Dict", "spaces": pairs, "sort_keys": self.sort_keys}

    @classmethod
    def from_spec(cls, fields: t.Mapping[str, t.Any], read: t.Callable[[t.Any], AnySpace]) -> Dict:
        """Build the space from the fields of its spec."""
        pairs = []
        for pair in fields["spaces"]:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise UnsupportedSpace(f"Dict.spaces: expected pairs, got {describe(pair)}")
            pairs.append((pair[0], read(pair[1])))
        return cls(pairs, sort_keys=fields["sort_keys"])

    def __getitem__(self, key: t.Any) -> AnySpace:
        return self.spaces[key]

    def __iter__(self) -> t.Iterator[t.Any]:
        return iter(self.spaces)

    def __len__(self) -> int:
        return len(self.spaces)

    def keys(self) -> t.KeysView[t.Any]:
        """Return the keys."""
        return self.spaces.keys()

    def values(self) -> t.ValuesView[AnySpace]:
        """Return the spaces."""
        return self.spaces.values()

    def items(self) -> t.ItemsView[t.Any, AnySpace]:
        """Return the keys with their spaces."""
        return self.spaces.items()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dict):
            return NotImplemented
        return self.spaces == other.spaces

    def __repr__(self) -> str:
        return f"Dict({', '.join(f'{key!r}: {space}' for key, space in self.spaces.items())})"


def _pairs(spaces: t.Any, sort_keys: bool) -> t.List[t.Tuple[t.Any, t.Any]]:
    """Return keys and spaces in the order that the Dict gets."""
    if isinstance(spaces, t.Mapping):
        if sort_keys and not isinstance(spaces, OrderedDict):
            try:
                return [(key, spaces[key]) for key in sorted(spaces)]
            except TypeError:
                pass  # keys of several types have no order but their own
        return list(spaces.items())
    try:
        return [(key, space) for key, space in spaces or ()]
    except (TypeError, ValueError):
        message = f"Dict: expected a mapping or pairs, got {describe(spaces)}"
        raise UnsupportedSpace(message) from None


def _plain(key: t.Any) -> t.Any:
    """Return a key without a class of its own, such as an enum's."""
    if isinstance(key, str):
        return str.__str__(key)
    return key if isinstance(key, (bool, bytes)) else int(key)
