"""What all spaces have in common."""

from __future__ import annotations

from random import Random
from typing import (
    Any,
    Callable,
    ClassVar,
    Dict,
    Generic,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

from rlmesh.errors import InvalidValue, RLMeshError, UnsupportedSpace

from ._describe import describe
from ._seeding import checked_seed

ValueT = TypeVar("ValueT")


class Space(Generic[ValueT]):
    """The set of values that an observation or an action may have.

    The type parameter is the native value: what `sample` and `conform` return.

    Attributes:
        shape: The shape of the values where they are arrays or scalars, else None.
        dtype: The name of their dtype where they are arrays or integers, else None.
        spec_fields: The fields of this kind's `to_spec` besides `"type"`, with their types.
    """

    shape: Any = None  # kinds that have one declare it: a tuple of integers
    dtype: Any = None  # likewise: a str
    spec_fields: ClassVar[Mapping[str, Tuple[type, ...]]] = {}
    _random: Optional[Random] = None

    @property
    def random(self) -> Random:
        """The source of this space's samples; seeded by the operating system until `seed`."""
        if self._random is None:
            self._random = Random()
        return self._random

    def seed(self, seed: Any = None) -> Any:
        """Make the samples that follow reproducible.

        They are not the samples that Gymnasium draws from the same seed.

        Args:
            seed: A non-negative integer; None draws one from the operating system. Spaces made of
                others derive different seeds for these from it, or take what they returned before.

        Returns:
            What was seeded: an integer, or a dict or tuple of what the spaces inside returned.
        """
        seed = checked_seed(seed)
        self._random = Random(seed)
        return seed

    def sample(self) -> ValueT:
        """Return a random value of the space."""
        raise NotImplementedError

    def conform(self, value: Any, path: str = "value") -> ValueT:
        """Return the value in its native form; structure, shape and dtype must fit.

        Bounds are not checked: see `violation`.

        Args:
            value: A native value, or what can stand for one: any array that exports its memory,
                numbers and nested lists for arrays, any mapping, list for tuple.
            path: What errors call the value, e.g. `"action"`.

        Raises:
            InvalidValue: The value does not fit; the message names the path to the misfit.
        """
        raise NotImplementedError

    def violation(self, value: ValueT, path: str = "value") -> Optional[str]:
        """Return a sentence about the first element out of bounds; None if all are within.

        Args:
            value: A value that `conform` returned.
            path: What the sentence calls the value.
        """
        raise NotImplementedError

    def contains(self, value: Any) -> bool:
        """Whether the value conforms to the space and is within its bounds."""
        try:
            return self.violation(self.conform(value)) is None
        except RLMeshError:
            return False

    def __contains__(self, value: Any) -> bool:
        return self.contains(value)

    def batched(self, n: int) -> Space[Any]:
        """Return the space of `n` stacked values, as Gymnasium's `batch_space` does.

        Raises:
            UnsupportedSpace: Values of this space do not stack into arrays.
        """
        raise unstackable(self)

    def stack_values(self, values: Sequence[ValueT]) -> Any:
        """Return native values as one value of `batched(len(values))`."""
        raise unstackable(self)

    def stacked_length(self, value: Any, path: str = "value") -> int:
        """Return how many values a stacked one holds, judging by its first array.

        Raises:
            InvalidValue: It holds no array there.
        """
        try:
            return len(value)
        except TypeError:
            message = f"{path}: expected an array of stacked values, got {describe(value)}"
            raise InvalidValue(message) from None

    def to_spec(self) -> Dict[str, Any]:
        """Return the space as plain data, from which `space_from_spec` builds an equal one."""
        raise NotImplementedError

    @classmethod
    def from_spec(cls, fields: Mapping[str, Any], read: Callable[[Any], Space[Any]]) -> Space[Any]:
        """Build the space from the fields of its spec.

        Args:
            fields: All of `spec_fields`, each of one of its types.
            read: Builds a space from a spec within this one.

        Raises:
            UnsupportedSpace: The fields describe no space.
        """
        raise NotImplementedError


def unstackable(space: Space[Any]) -> UnsupportedSpace:
    """Return the error about a space whose values do not stack."""
    return UnsupportedSpace(f"{space}: expected a space whose values stack into arrays")


def check_space(space: Any, where: str) -> Space[Any]:
    """Return what must be a space of ours.

    Raises:
        UnsupportedSpace: It is none.
    """
    if not isinstance(space, Space):
        message = f"{where}: expected a space of rlmesh.spaces, got {describe(space)}"
        raise UnsupportedSpace(message)
    return space
