"""What an env's side sends of its observations: some leaves, and smaller images if wanted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue, ProtocolError
from rlmesh.spaces import Box, Space
from rlmesh.spaces.selection import Path, at, changed, selected, selector

from ._declaration import leaves_of, map_tree, path_text
from ._leaves import ImageLeaf, bind, image_leaf, offers_of
from ._pictures import PicturePlan, plan_picture
from ._steps import run
from .inputs import Image, ModelSpec
from .tags import EnvTags, ImageTag


class Pushed(NamedTuple):
    """An image that the env's side crops and resizes.

    Attributes:
        path: Where it is in the observation.
        tag: What the env says of it.
        image: What is to become of it: uint8, height x width x channels.
    """

    path: Path
    tag: ImageTag
    image: Image

    def shape(self, space: Space[Any]) -> Tuple[int, ...]:
        """Return the image's shape then.

        Args:
            space: The env's whole observation space.
        """
        return self._plan(space).shape

    def change(self, space: Space[Any], backend: Backend) -> Callable[[Any], Any]:
        """Return the function that does it, on arrays of a backend."""
        ops, steps = backend.ops, self._plan(space).steps
        return lambda image: run(ops, steps, image)

    def _plan(self, space: Space[Any]) -> PicturePlan:
        where = path_text("observation", self.path)
        leaf = image_leaf(self.tag, at(space, self.path), self.path, where)
        plan = plan_picture(self.image, leaf, where, [])
        # Else whoever may select could have the env's side fill its memory.
        if plan.shape[0] * plan.shape[1] > leaf.height * leaf.width:
            raise InvalidValue(
                f"pushdown: expected at most the {leaf.height}x{leaf.width} pixels of {where},"
                f" got {plan.shape[0]}x{plan.shape[1]}"
            )
        return plan


class Selection(NamedTuple):
    """What is sent of each observation.

    Attributes:
        paths: The leaves.
        pushed: Those of them that are images and become smaller first.
    """

    paths: Sequence[Path]
    pushed: Sequence[Pushed] = ()

    def space(self, whole: Space[Any]) -> Space[Any]:
        """Return the space of what is sent.

        Args:
            whole: The env's observation space.

        Raises:
            RLMeshError: The selection does not fit it.
        """
        return selected(_changed(whole, self.pushed), self.paths)

    def picker(self, whole: Space[Any], backend: Backend) -> Callable[[Any], Any]:
        """Return the function from a whole observation to what is sent.

        Args:
            whole: The env's observation space.
            backend: Whose arrays its observations hold.

        Raises:
            RLMeshError: As `space`; or images are to be changed that are no NumPy arrays.
        """
        if self.pushed and backend.name != "numpy":
            raise InvalidValue(
                "pushdown: expected an env whose observations are NumPy arrays, got an env of"
                f" {backend.name} values"
            )
        changes = {one.path: one.change(whole, backend) for one in self.pushed}
        return selector(whole, self.paths, changes)

    def to_plain(self) -> Any:
        """Return plain data, from which `from_plain` makes an equal selection."""
        pushed = [(one.path, one.tag.to_dict(), one.image.to_dict()) for one in self.pushed]
        return {"paths": self.paths, "pushed": pushed}

    @classmethod
    def from_plain(cls, data: Any) -> Selection:
        """Return the selection that was given as plain data.

        Raises:
            ProtocolError: It does not parse.
            AdapterResolutionError: What it says of an image does not.
        """
        try:
            paths = [_checked_path(path) for path in data["paths"]]
            pushed = [(_checked_path(path), tag, image) for path, tag, image in data["pushed"]]
        except (KeyError, TypeError, ValueError):
            raise ProtocolError("select: expected paths and images, or None") from None
        images = [
            Pushed(path, ImageTag.from_dict(tag), Image.from_dict(image))
            for path, tag, image in pushed
        ]
        return cls(paths, images)

    def lines(self, whole: Space[Any]) -> List[str]:
        """Return a line for each image that the env's side changes."""
        lines = []
        for one in self.pushed:
            height, width, _ = one.shape(whole)
            lines.append(f"{path_text('observation', one.path)} -> {height}x{width}")
        return lines


class PushedDown(NamedTuple):
    """Declarations as they are after the env's side has changed images.

    Attributes:
        tags: What the env says then.
        space: Its observation space then.
        spec: What is left for the model's side.
        pushed: What the env's side does.
    """

    tags: EnvTags
    space: Space[Any]
    spec: ModelSpec
    pushed: Sequence[Pushed]


def _checked_path(path: Any) -> Path:
    if not isinstance(path, (list, tuple)) or not all(type(key) in (str, int) for key in path):
        raise TypeError("expected a list of keys and indices")
    return tuple(path)


def push_down(tags: EnvTags, space: Space[Any], spec: ModelSpec) -> PushedDown:
    """Leave crop and resize to the env's side, for each image that gets smaller by them.

    An image that several inputs read stays as it is, and so does one that takes a round trip
    through JPEG, because not every version of that gives the same.

    Args:
        tags: What the env says of itself.
        space: Its observation space.
        spec: What the model wants; it must have been resolved with these before.
    """
    offers = offers_of(tags, space)
    readers: Dict[Path, List[Tuple[Path, Image, ImageLeaf]]] = {}
    for place, image in leaves_of(spec.input):
        if isinstance(image, Image):
            leaf = bind(offers, image.role, image.part, ImageLeaf, "")
            if isinstance(leaf, ImageLeaf):
                readers.setdefault(leaf.path, []).append((place, image, leaf))
    pushed: List[Pushed] = []
    inputs: Dict[Path, Image] = {}
    new_tags: Dict[Path, ImageTag] = {}
    for path, found in readers.items():
        if len(found) > 1:
            continue
        ((place, image, leaf),) = found
        if image.jpeg is not None:
            continue
        height, width = _size(image, leaf)
        if height * width < leaf.height * leaf.width:
            pushed.append(Pushed(path, leaf.tag, _geometry(image)))
            inputs[place] = replace(image, size=(height, width), **_NO_GEOMETRY)
            new_tags[path] = replace(
                leaf.tag,
                layout="hwc",
                upside_down=image.upside_down,
                channel_order="rgb",
                channels=None,
            )
    return PushedDown(
        replace(tags, observation=map_tree(tags.observation, lambda p, t: new_tags.get(p, t))),
        _changed(space, pushed),
        replace(spec, input=map_tree(spec.input, lambda p, leaf: inputs.get(p, leaf))),
        pushed,
    )


_NO_GEOMETRY: Dict[str, Any] = {
    "crop": None,
    "crop_area": None,
    "fit": None,
    "pad_align": "center",
    "pad_first": False,
    "then": (),
}


def _size(image: Image, leaf: ImageLeaf) -> Tuple[int, int]:
    """Return the height and width that an image has in the end."""
    plan = plan_picture(_geometry(image), leaf, "", [])
    return plan.shape[0], plan.shape[1]


def _geometry(image: Image) -> Image:
    """Return of an image only how it is turned, cropped, fitted and resized."""
    fields = ("size", "upside_down", "resample", "allow_upscale", "fit", "crop", "crop_area")
    more = ("crop_mode", "pad_align", "pad_first", "then", "fill")
    kept = {name: getattr(image, name) for name in (*fields, *more)}
    return Image(image.role, **kept)


def _changed(space: Space[Any], pushed: Sequence[Pushed]) -> Space[Any]:
    boxes: Dict[Path, Space[Any]] = {
        one.path: Box(0, 255, one.shape(space), "uint8") for one in pushed
    }
    return changed(space, boxes)
