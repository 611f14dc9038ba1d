"""Seeds of spaces, and of the spaces that they are made of."""

from __future__ import annotations

import operator
from random import Random
from typing import TYPE_CHECKING, Any, Callable, List, Sequence, Tuple

from rlmesh.errors import InvalidValue

from ._describe import describe

if TYPE_CHECKING:
    from .space import Space


def checked_seed(seed: Any) -> int:
    """Return the seed as a non-negative integer; a fresh one for None.

    Raises:
        InvalidValue: It is neither.
    """
    if seed is None:
        return Random().getrandbits(63)
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise InvalidValue(f"seed: expected a non-negative integer or None, got {describe(seed)}")
    return number


def seed_all(spaces: Sequence[Space[Any]], seed: Any) -> Tuple[Any, ...]:
    """Seed spaces with one seed each, or with seeds derived from a single one.

    Raises:
        InvalidValue: There are more or fewer seeds than spaces.
    """
    if isinstance(seed, (list, tuple)):
        seeds: List[Any] = list(seed)
        if len(seeds) != len(spaces):
            raise InvalidValue(f"seed: expected {len(spaces)} seeds, got {len(seeds)}")
    else:
        source = Random(checked_seed(seed))
        seeds = [source.getrandbits(63) for _ in spaces]
    return tuple(space.seed(part) for space, part in zip(spaces, seeds))


def seed_with_parts(
    seed_itself: Callable[[Any], Any], parts: Sequence[Space[Any]], seed: Any
) -> Tuple[Any, ...]:
    """Seed what a space draws by itself, and then the spaces that it is made of.

    Args:
        seed_itself: Seeds the former; returns what was seeded.
        parts: The latter.
        seed: One seed for all, or one for the space itself and one for each part.
    """
    if isinstance(seed, (list, tuple)) and seed:
        return (seed_itself(seed[0]), *seed_all(parts, seed[1:]))
    own = seed_itself(seed)
    return (own, *seed_all(parts, own))
