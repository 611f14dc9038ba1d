"""Spaces from Gymnasium (and the older Gym), and back."""

from __future__ import annotations

import copy
import inspect
import numbers
import typing as t
import warnings
from typing import Any, Callable

from rlmesh._values.tensor import Tensor
from rlmesh.errors import UnsupportedSpace

from .box import Box
from .dict import Dict
from .discrete import Discrete
from .graph import Graph
from .multi_binary import MultiBinary
from .multi_discrete import MultiDiscrete
from .one_of import OneOf
from .sequence import Sequence
from .space import Space
from .text import Text
from .tuple import Tuple

Build = Callable[[Any, str], Any]

_ANY_TEXT = "any text"
_PRINTABLE = frozenset(map(chr, range(32, 127)))
_LONGEST = 4096
"""Characters of a text whose space does not say how long it may be."""
_SAMPLES = 32


def as_space(space: Any, name: str = "space") -> Space[Any]:
    """Return a space of ours as it is, and one of Gymnasium or Gym converted.

    Args:
        space: The space.
        name: What errors call it, e.g. `"env.observation_space"`.

    Raises:
        UnsupportedSpace: It is no space of a known kind.
    """
    return space if isinstance(space, Space) else from_gymnasium(space, name)


def from_gymnasium(space: Any, name: str = "space") -> Space[Any]:
    """Return the same space as one of ours.

    Spaces are told by the names of their classes, so any version of Gymnasium or of Gym will do,
    and a subclass converts as the space that it extends. Any other class converts as the space
    whose attributes it has; one whose samples are text, as are MiniGrid's missions, becomes `Text`.

    Args:
        space: A space of Gymnasium or Gym.
        name: What errors call it, e.g. `"env.observation_space"`.

    Raises:
        UnsupportedSpace: It is no space of a known kind.
    """
    kind = _kind_of(space)
    if kind is None:
        raise _unknown(space, name)
    try:
        converted: Space[Any] = _FROM[kind](space, name)
    except AttributeError as exc:
        raise UnsupportedSpace(f"{name}: expected a Gymnasium {kind}: {exc}") from exc
    except UnsupportedSpace as exc:
        if str(exc).startswith(name):
            raise  # said so for a space within this one
        raise UnsupportedSpace(f"{name}: {exc}") from None
    return converted


def to_gymnasium(space: Space[Any], name: str = "space") -> Any:
    """Return the same space as one of the installed Gymnasium's.

    What an older Gymnasium lacks, such as `Discrete.dtype`, is dropped with a warning.

    Args:
        space: A space of ours.
        name: What errors and warnings call it.

    Raises:
        UnsupportedSpace: Gymnasium cannot describe the space: bfloat16, or a kind that it lacks.
        ImportError: Gymnasium is not installed.
    """
    return _TO[type(space)](space, name)


def _kind_of(space: Any) -> t.Optional[str]:
    """Return the name of the kind that a space is, extends, or behaves like."""
    for base in type(space).__mro__:
        if base.__name__ in _FROM:
            return base.__name__
    if not _is_space(space):
        return None
    for kind, attributes in _LOOKS.items():
        if all(getattr(space, name, None) is not None for name in attributes):
            return kind
    if isinstance(getattr(space, "n", None), numbers.Integral):
        return "MultiBinary" if getattr(space, "shape", None) else "Discrete"
    parts = getattr(space, "spaces", None)
    if isinstance(parts, (t.Mapping, list, tuple)):
        return "Dict" if isinstance(parts, t.Mapping) else "Tuple"
    return _ANY_TEXT if _text_samples(space) else None


def _is_space(space: Any) -> bool:
    methods = (getattr(space, name, None) for name in ("sample", "contains"))
    return not isinstance(space, type) and all(map(callable, methods))


def _text_samples(space: Any) -> t.List[str]:
    """Return some samples of a space whose samples are all text, and nothing for any other.

    A copy is sampled, so that the space itself goes on to draw what it would have drawn.
    """
    try:
        copied = copy.deepcopy(space)
        copied.seed(0)  # so that every process describes the space alike
        samples = [copied.sample() for _ in range(_SAMPLES)]
    except Exception:  # what a foreign space raises says that it is no such space
        return []
    return samples if all(isinstance(sample, str) for sample in samples) else []


def _from_any_text(space: Any, name: str) -> Text:
    """Return a `Text` that holds whatever a space of unknown texts is likely to."""
    samples = _text_samples(space)
    longest = max(_LONGEST, *(4 * len(sample) for sample in samples))
    return Text(longest, min_length=0, charset=_PRINTABLE.union(*samples))


def _unknown(space: Any, name: str) -> UnsupportedSpace:
    kind = type(space)
    if isinstance(space, type):
        return UnsupportedSpace(
            f"{name}: expected a Gymnasium space, got the class {space.__name__}, not an instance"
        )
    if not _is_space(space):
        return UnsupportedSpace(f"{name}: expected a Gymnasium space, got {kind.__name__}")
    wrapper = "TransformAction" if "action" in name else "TransformObservation"
    which = wrapper[len("Transform") :].lower()
    return UnsupportedSpace(
        f"{name}: {kind.__module__}.{kind.__qualname__} is a space of its own kind, which cannot be"
        f" sent; expected one of Gymnasium's: wrap the env in gymnasium.wrappers.{wrapper}(env,"
        f" func, {which}_space), where func converts the values and {which}_space is, say, a Box"
    )


def _from_discrete(space: Any, name: str) -> Discrete:
    dtype = getattr(space, "dtype", "int64")
    return Discrete(int(space.n), start=int(getattr(space, "start", 0)), dtype=dtype)


def _from_text(space: Any, name: str) -> Text:
    characters = getattr(space, "character_list", None) or space.characters
    return Text(space.max_length, min_length=space.min_length, charset=list(characters))


def _from_dict(space: Any, name: str) -> Dict:
    pairs = [(k, from_gymnasium(part, f"{name}[{k!r}]")) for k, part in space.spaces.items()]
    return Dict(pairs, sort_keys=getattr(space, "sort_keys", True))


def _from_parts(kind: Callable[[Any], Space[Any]]) -> Build:
    return lambda space, name: kind(
        [from_gymnasium(part, f"{name}[{i}]") for i, part in enumerate(space.spaces)]
    )


def _from_graph(space: Any, name: str) -> Graph:
    nodes, edges = space.node_space, space.edge_space
    edge_space = None if edges is None else from_gymnasium(edges, f"{name}.edge_space")
    return Graph(from_gymnasium(nodes, f"{name}.node_space"), edge_space)


_FROM: t.Dict[str, Build] = {
    "Box": lambda space, name: Box(space.low, space.high, space.shape, space.dtype),
    "Discrete": _from_discrete,
    "MultiBinary": lambda space, name: MultiBinary(space.n),
    "MultiDiscrete": lambda space, name: MultiDiscrete(
        space.nvec, dtype=space.dtype, start=getattr(space, "start", None)
    ),
    "Text": _from_text,
    "Dict": _from_dict,
    "Tuple": _from_parts(Tuple),
    "Sequence": lambda space, name: Sequence(
        from_gymnasium(space.feature_space, f"{name}.feature_space"),
        stack=bool(getattr(space, "stack", False)),
    ),
    "OneOf": _from_parts(OneOf),
    "Graph": _from_graph,
    _ANY_TEXT: _from_any_text,
}

_LOOKS = {
    "Box": ("low", "high", "shape", "dtype"),
    "MultiDiscrete": ("nvec",),
    "Text": ("max_length", "min_length", "characters"),
    "Sequence": ("feature_space",),
    "Graph": ("node_space",),
}
"""What spaces of a kind have that others do not, for classes that extend none of Gymnasium's."""


def _make(kind: str, name: str, *arguments: Any, **options: t.Tuple[Any, Any]) -> Any:
    """Build a space of the installed Gymnasium.

    Args:
        kind: The name of its class.
        name: What errors and warnings call the space.
        *arguments: What every version of the class takes.
        **options: What only newer versions take: each value with its default.
    """
    import gymnasium

    version = f"gymnasium {gymnasium.__version__}"
    make: Any = getattr(gymnasium.spaces, kind, None)
    if make is None:
        raise UnsupportedSpace(f"{name}: {version} has no {kind}")
    known = inspect.signature(make.__init__).parameters
    given = {}
    for option, (value, default) in options.items():
        if option in known:
            given[option] = value
        elif value != default:
            message = f"{name}: {version} has no {kind}.{option}; {value!r} is dropped"
            warnings.warn(message, stacklevel=2)
    try:
        return make(*arguments, **given)
    except (AssertionError, TypeError, ValueError) as exc:
        raise UnsupportedSpace(f"{name}: {version} cannot describe this {kind}: {exc}") from exc


def _array(tensor: Tensor) -> Any:
    """Return a tensor as a NumPy array that owns its memory."""
    import numpy as np

    return np.frombuffer(bytes(tensor.data), tensor.dtype).reshape(tensor.shape).copy()


def _to_box(space: Box, name: str) -> Any:
    if space.dtype == "bfloat16":
        raise UnsupportedSpace(f"{name}: gymnasium has no bfloat16; expected another dtype")
    spec = space.to_spec()
    low, high = _bound(spec["low"], space.low), _bound(spec["high"], space.high)
    return _make("Box", name, low, high, space.shape, space.dtype)


def _bound(spec: Any, full: Tensor) -> Any:
    """Return a bound as a number where all are the same, which Gymnasium takes faster."""
    if isinstance(spec, bytes):
        return _array(full)
    return int(spec) if isinstance(spec, bool) else spec


def _to_multi_discrete(space: MultiDiscrete, name: str) -> Any:
    nvec, start = _array(space.nvec), _array(space.start)
    shifted = {"start": (start.tolist(), None)} if start.any() else {}
    return _make("MultiDiscrete", name, nvec, space.dtype, **shifted)


def _to_dict(space: Dict, name: str) -> Any:
    pairs = [(key, to_gymnasium(part, f"{name}[{key!r}]")) for key, part in space.items()]
    return _make("Dict", name, pairs, sort_keys=(space.sort_keys, True))


def _to_graph(space: Graph, name: str) -> Any:
    edges = space.edge_space
    edge_space = None if edges is None else to_gymnasium(edges, f"{name}.edge_space")
    return _make("Graph", name, to_gymnasium(space.node_space, f"{name}.node_space"), edge_space)


def _to_parts(space: Any, name: str) -> Any:
    parts = [to_gymnasium(part, f"{name}[{i}]") for i, part in enumerate(space.spaces)]
    return _make(type(space).__name__, name, parts)


_TO: t.Dict[type, Build] = {
    Box: _to_box,
    Discrete: lambda space, name: _make(
        "Discrete", name, space.n, start=(space.start, 0), dtype=(space.dtype, "int64")
    ),
    MultiBinary: lambda space, name: _make("MultiBinary", name, space.n),
    MultiDiscrete: _to_multi_discrete,
    Text: lambda space, name: _make(
        "Text",
        name,
        space.max_length,
        min_length=(space.min_length, 1),
        charset=(space.characters, None),
    ),
    Dict: _to_dict,
    Tuple: _to_parts,
    Sequence: lambda space, name: _make(
        "Sequence",
        name,
        to_gymnasium(space.feature_space, f"{name}.feature_space"),
        stack=(space.stack, False),
    ),
    OneOf: _to_parts,
    Graph: _to_graph,
}
