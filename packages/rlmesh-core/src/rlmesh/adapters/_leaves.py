"""The env's side of an adapter: what its tags offer, checked against its spaces."""

from __future__ import annotations

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from rlmesh.errors import AdapterResolutionError
from rlmesh.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space, Text
from rlmesh.spaces import Dict as DictSpace
from rlmesh.spaces import Tuple as TupleSpace

from ._declaration import path_text
from ._encodings import Encoding, checked_dim
from ._plain import sum_text
from .roles import CANONICAL_WIDTHS, named
from .tags import EnvTags, Field, ImageTag, Split, StateTag, TextTag

Path = Tuple[Any, ...]
Bounds = Sequence[Tuple[float, float]]


class ImageLeaf(NamedTuple):
    """A camera that an env offers.

    Attributes:
        path: Where it is in the observation.
        tag: What the env says of it.
        height: Rows.
        width: Columns.
        channels: 1 or 3, without alpha.
        has_channel_axis: Whether there is an axis for them.
        has_alpha: Whether a fourth channel is to be dropped.
    """

    path: Path
    tag: ImageTag
    height: int
    width: int
    channels: int
    has_channel_axis: bool
    has_alpha: bool = False

    @property
    def is_channels_first(self) -> bool:
        """Whether there is an axis for them, before the others."""
        return self.has_channel_axis and self.tag.layout == "chw"


class VectorLeaf(NamedTuple):
    """A vector that an env offers, perhaps a part of a longer one.

    Attributes:
        path: Where it is in the observation; empty for a part of the last action.
        start: The index of its first element.
        width: Number of elements.
        total: Number of elements of the whole.
        encoding: How it gives a rotation; None if it is none.
        bounds: Lowest and highest value of each element, which may be infinite; None where they are
            not known.
        labels: A name for each element; None where they have none.
        frame: In which frame it is; None where the env does not say.
        dtype: Of the leaf.
        name: What errors call it.
    """

    path: Path
    start: int
    width: int
    total: int
    encoding: Optional[Encoding]
    bounds: Optional[Bounds]
    labels: Optional[Sequence[str]]
    frame: Optional[str]
    dtype: str
    name: str


class TextLeaf(NamedTuple):
    """A text that an env offers.

    Attributes:
        path: Where it is in the observation.
    """

    path: Path


Leaf = Union[ImageLeaf, VectorLeaf, TextLeaf]
Offers = Dict[str, Dict[Optional[str], Leaf]]
"""What an env offers, by role and part."""


def offers_of(tags: EnvTags, space: Space[Any]) -> Offers:
    """Return what an env's tags offer.

    Raises:
        AdapterResolutionError: The tags do not fit the space; the message names the leaf.
    """
    offers: Offers = {}
    _collect(tags.observation, space, (), offers)
    return offers


def _collect(tree: Any, space: Space[Any], path: Path, offers: Offers) -> None:
    where = path_text("observation", path)
    if tree is None:
        return
    if isinstance(tree, dict):
        if not isinstance(space, DictSpace):
            raise AdapterResolutionError(
                f"{where}: expected a Dict space for a dict of tags, got {space}"
            )
        for key, part in tree.items():
            if key not in space.spaces:
                names = ", ".join(map(repr, space.spaces))
                raise AdapterResolutionError(
                    f"{where}: expected tags for some of the keys {names}, got one for {key!r}"
                )
            _collect(part, space.spaces[key], (*path, key), offers)
        return
    if isinstance(tree, tuple):
        if not isinstance(space, TupleSpace) or len(space.spaces) != len(tree):
            raise AdapterResolutionError(
                f"{where}: expected a Tuple space of {len(tree)} for a tuple of as many tags, got"
                f" {space}"
            )
        for i, part in enumerate(tree):
            _collect(part, space.spaces[i], (*path, i), offers)
        return
    if isinstance(tree, ImageTag):
        _offer(offers, tree.role, tree.part, image_leaf(tree, space, path, where), where)
    elif isinstance(tree, TextTag):
        if not isinstance(space, Text):
            raise AdapterResolutionError(
                f"{where}: expected a Text space for a TextTag, got {space}"
            )
        _offer(offers, tree.role, None, TextLeaf(path), where)
    else:
        _collect_vector(tree, space, path, where, offers)


def _offer(offers: Offers, role: str, part: Optional[str], leaf: Leaf, where: str) -> None:
    known = offers.setdefault(role, {})
    if part in known:
        raise AdapterResolutionError(
            f"{where}: expected each role once, got {named(role, part)} again; tell them apart by"
            " part=..."
        )
    known[part] = leaf


def image_leaf(tag: ImageTag, space: Space[Any], path: Path, where: str) -> ImageLeaf:
    if not isinstance(space, Box) or space.dtype != "uint8" or len(space.shape) not in (2, 3):
        raise AdapterResolutionError(
            f"{where}: expected a Box of uint8 and 2 or 3 axes for an image, got {space}; a Custom"
            " input can read anything"
        )
    shape = space.shape
    if 0 in shape:
        raise AdapterResolutionError(f"{where}: expected an image of some pixels, got {space}")
    whole = shape if len(shape) == 3 else (1, *shape) if tag.layout == "chw" else (*shape, 1)
    channels, height, width = whole if tag.layout == "chw" else (whole[2], *whole[:2])
    if channels not in (1, 3, 4):
        raise AdapterResolutionError(
            f"{where}: expected 1, 3 or 4 channels, got {channels} (of shape {shape} in layout"
            f" {tag.layout!r})"
        )
    if tag.channels not in (None, channels):
        raise AdapterResolutionError(
            f"{where}.channels: expected the space's {channels} (of shape {shape} in layout"
            f" {tag.layout!r}), got {tag.channels}"
        )
    if channels == 1 and tag.channel_order == "bgr":
        raise AdapterResolutionError(
            f"{where}.channel_order: expected 'rgb' for a picture of one channel, got 'bgr'"
        )
    return ImageLeaf(path, tag, height, width, min(channels, 3), len(shape) == 3, channels == 4)


def _collect_vector(
    tag: Union[StateTag, Split], space: Space[Any], path: Path, where: str, offers: Offers
) -> None:
    bounds, dtype = _elements(space, where)
    total = len(bounds)
    if not total:
        raise AdapterResolutionError(f"{where}: expected at least one element, got {space}")
    if isinstance(tag, StateTag):
        leaf = _vector_leaf(tag, path, where, 0, total, total, bounds, dtype)
        _offer(offers, tag.role, tag.part, leaf, where)
        return
    widths = [field.dim or 0 for field in tag.fields]
    if sum(widths) != total:
        raise AdapterResolutionError(
            f"{where}: expected fields whose widths sum to {total}, got {sum_text(widths)}"
        )
    start = 0
    for field, width in zip(tag.fields, widths):
        if field.role is not None:
            name = f"{where}[{start}:{start + width}]"
            part = bounds[start : start + width]
            leaf = _vector_leaf(field, path, name, start, width, total, part, dtype)
            _offer(offers, field.role, field.part, leaf, name)
        start += width


def _elements(space: Space[Any], where: str) -> Tuple[List[Tuple[float, float]], str]:
    """Return the bounds of each element of a space of numbers, and its dtype."""
    if isinstance(space, Discrete):
        return [(space.start, space.start + space.n - 1)], "int64"
    if isinstance(space, Box):
        # Not every framework calculates with booleans.
        lows, highs = ([0 + bound for bound in side.flat()] for side in (space.low, space.high))
        return list(zip(lows, highs)), space.dtype
    if isinstance(space, MultiBinary):
        return [(0, 1)] * math.prod(space.shape), "int8"
    if isinstance(space, MultiDiscrete):
        pairs = zip(space.start.flat(), space.nvec.flat())
        return [(int(start), int(start + n - 1)) for start, n in pairs], str(space.dtype)
    raise AdapterResolutionError(
        f"{where}: expected a space of numbers for a StateTag, got {space}"
    )


def _vector_leaf(
    tag: Union[StateTag, Field],
    path: Path,
    where: str,
    start: int,
    width: int,
    total: int,
    bounds: Bounds,
    dtype: str,
) -> VectorLeaf:
    canonical = CANONICAL_WIDTHS.get(tag.role or "")
    checked_dim(width, tag.encoding, canonical, where)
    if tag.labels is not None and len(tag.labels) != width:
        raise AdapterResolutionError(
            f"{where}.labels: expected {width}, one for each element, got {len(tag.labels)}"
        )
    found = bounds
    if tag.range is not None:
        low, high = tag.range
        for pair in bounds:
            for have, said in zip(pair, tag.range):
                rounding = _ROUNDING.get(dtype, 1e-6)
                if is_finite((have, have)) and not math.isclose(have, said, rel_tol=rounding):
                    raise AdapterResolutionError(
                        f"{where}.range: expected the space's own bounds {_text(pair)}, got"
                        f" {_text(tag.range)}"
                    )
        found = [(low, high)] * width
    return VectorLeaf(
        path, start, width, total, tag.encoding, found, tag.labels, tag.frame, dtype, where
    )


def _text(pair: Tuple[float, float]) -> str:
    return f"({pair[0]:g}, {pair[1]:g})"


def is_finite(pair: Tuple[float, float]) -> bool:
    """Whether these are bounds of an element, and not how a space says that there are none."""
    # A bound as large as its dtype is how some envs say that there is none.
    return all(math.isfinite(bound) and abs(bound) < 1e30 for bound in pair)


def bind(offers: Offers, role: str, part: Optional[str], kind: type, where: str) -> Optional[Leaf]:
    """Return what an env offers for a role; None if it has nothing of that role.

    Args:
        offers: See `offers_of`.
        role: The role.
        part: Which of several; None for the only one.
        kind: What it must be.
        where: What errors call the leaf of the model.

    Raises:
        AdapterResolutionError: There are several and none was named, or it is of another kind.
    """
    found = offers.get(role)
    if not found:
        return None
    if part is None:
        if len(found) > 1:
            parts = ", ".join(repr(one) for one in found)
            raise AdapterResolutionError(
                f"{where}.part: expected one of {parts}, because the env offers {role!r} more than"
                " once, got None"
            )
        (leaf,) = found.values()
    elif part in found:
        leaf = found[part]
    else:
        return None
    if not isinstance(leaf, kind):
        raise AdapterResolutionError(
            f"{where}: expected {role!r} to be {_NAMES[kind]}, got {_NAMES[type(leaf)]}, as the"
            f" env tags {path_text('observation', leaf.path)}"
        )
    return leaf


_ROUNDING = {"float16": 1e-3, "bfloat16": 1e-2}
"""By what share bounds may be off, because a space has them in its own dtype."""

_NAMES = {ImageLeaf: "an image", VectorLeaf: "a state", TextLeaf: "a text"}


def missing(offers: Offers, role: str, part: Optional[str], where: str) -> AdapterResolutionError:
    """Return the error about a role that an env does not offer."""
    known = ", ".join(named(name, one) for name, parts in offers.items() for one in parts)
    return AdapterResolutionError(
        f"{where}: expected the env to offer {named(role, part)}, got only {known or 'nothing'};"
        " optional=True would fill it in"
    )
