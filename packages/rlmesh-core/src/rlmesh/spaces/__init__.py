"""The spaces of observations and actions: Gymnasium's ten, in pure Python."""

from __future__ import annotations

from ._spec import space_from_spec
from .box import Box
from .convert import as_space, from_gymnasium, to_gymnasium
from .dict import Dict
from .discrete import Discrete
from .graph import Graph, GraphInstance
from .multi_binary import MultiBinary
from .multi_discrete import MultiDiscrete
from .one_of import OneOf
from .sequence import Sequence
from .space import Space
from .text import Text
from .tuple import Tuple

__all__ = [
    # The spaces
    "Space",
    "Box",
    "Discrete",
    "MultiBinary",
    "MultiDiscrete",
    "Text",
    "Dict",
    "Tuple",
    "Sequence",
    "OneOf",
    "Graph",
    "GraphInstance",
    # As plain data
    "space_from_spec",
    # From and to Gymnasium
    "as_space",
    "from_gymnasium",
    "to_gymnasium",
]
