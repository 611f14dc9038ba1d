"""What a model wants to be given: the leaves of its payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Dict, Optional, Sequence, Tuple, Union

from rlmesh._values.dtypes import DTYPES
from rlmesh.errors import AdapterResolutionError

from ._declaration import Declaration, check_tree, is_count, leaves_of
from ._encodings import Encoding, check_encoding
from ._plain import shown
from ._rotations import CustomEncoding
from .actions import Action
from .roles import CANONICAL_WIDTHS
from .stages import Stage, check_geometry, fits_of
from .stats import Stats

_PLAIN_PART = {"reshape": None, "container": "array", "stack": None, "offsets": None}
"""What a `State` may not change as a part of a `Concat`."""

Numbers = Union[float, Sequence[float]]


@dataclass(frozen=True)
class Image(Declaration):
    """A camera's picture, in the form that the model wants.

    In this order: turned by 180 degrees where the two sides disagree; JPEG; cropped; fitted and
    resized; further stages; gray or RGB; channel order; normalised, and dtype; layout; stacked;
    leading axes.

    Attributes:
        role: Which camera.
        height: Rows; with `width`. By default those of the env.
        width: Columns; with `height`.
        size: Both, in one number or a pair (height, width).
        layout: `"hwc"` or `"chw"`.
        channels: 1 or 3; by default those of the env.
        convert_channels: Whether gray may become RGB, and RGB gray.
        dtype: Of the result; with an integer dtype, 0 to 255 as they are.
        normalize: False: 0 to 255; True: [0, 1]; (low, high): these; `Stats`: per channel on
            [0, 1].
        lead_dims: Number of leading axes of size 1.
        upside_down: Whether the model wants it turned by 180 degrees.
        resample: `"bilinear"`, `"bilinear_aa"`, `"bicubic_aa"`, `"lanczos3_aa"`, `"lanczos3_tf"`
            (TensorFlow's, which clamps only in the end) or `"area"`.
        allow_upscale: Whether it may be enlarged.
        fit: What to do where the aspect changes: `"stretch"`, `"crop"`, `"crop_floor"`, `"pad"`, or
            several of these, of which the first that may be done is. To cut, the picture is resized
            until its shorter side fits; `"crop"` rounds the longer one, and cuts half of what is
            over, rounded down, from its start. `"crop_floor"` rounds the longer side down, and the
            half to the nearest integer, or even one, as Resize and CenterCrop of torchvision do.
        crop: A centred part of it, as a fraction of each side.
        crop_area: The same as a fraction of the area.
        crop_mode: `"zoom"` resamples the fractional box; `"slice"` cuts the rounded one first.
        pad_align: Where `"pad"` puts the picture: `"center"`, `"top_left"` or `"bottom_right"`.
        pad_first: Whether `"pad"` pads to the target's aspect, and resizes then.
        then: A `Stage`, or several, that follow the first resize; each is rounded to levels.
        jpeg: The quality, 1 to 100, of a round trip through Pillow's JPEG before the crop, for
            models whose training data was stored so; it needs Pillow.
        channel_order: `"rgb"` or `"bgr"`.
        optional: Whether a picture of `fill` will do where the env has no such camera.
        fill: The value, 0 to 255, of what is made up or padded.
        stack: Number of pictures, oldest first, along a new first axis.
        stride: Env steps between two of these.
        offsets: Instead of `stack` and `stride`: how many steps ago each was, oldest first.
        stack_pad: What precedes an episode: `"repeat"` its first picture, or `"fill"`.
        part: Which of several of this role.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "image"

    role: str
    height: Optional[int] = None
    width: Optional[int] = None
    size: Union[int, Tuple[int, int], None] = None
    layout: str = "hwc"
    channels: Optional[int] = None
    convert_channels: bool = False
    dtype: str = "uint8"
    normalize: Union[bool, Tuple[float, float], Stats] = False
    lead_dims: int = 0
    upside_down: bool = False
    resample: str = "bilinear"
    allow_upscale: bool = False
    fit: Union[str, Sequence[str], None] = None
    crop: Optional[float] = None
    crop_area: Optional[float] = None
    crop_mode: str = "zoom"
    pad_align: str = "center"
    pad_first: bool = False
    then: Union[Stage, Sequence[Stage]] = ()
    jpeg: Optional[int] = None
    channel_order: str = "rgb"
    optional: bool = False
    fill: int = 0
    stack: Optional[int] = None
    stride: int = 1
    offsets: Optional[Sequence[int]] = None
    stack_pad: str = "repeat"
    part: Optional[str] = None

    def __post_init__(self) -> None:
        self._check_role("image/")
        self._check_text("part")
        self._check_sides()
        check_geometry(self)
        self._check_choice("layout", "hwc", "chw")
        self._check_choice("channels", None, 1, 3)
        self._check_choice("channel_order", "rgb", "bgr")
        self._check_bools("convert_channels", "upside_down", "optional", "pad_first")
        self._check_count("lead_dims", least=0)
        self._check_padding()
        self._check_stages()
        self._check_values()
        check_history(self)
        if self.optional and self.last_size is None:
            raise self._fail("size", "the size of what optional=True makes up")
        if self.optional and self.channels is None:
            raise self._fail("channels", "the channels of what optional=True makes up")

    @property
    def last_size(self) -> Optional[Tuple[int, int]]:
        """Height and width after all stages; None if the env's decide on them."""
        last: Any = self.then[-1] if self.then else self  # type: ignore[index]
        return last.size  # type: ignore[no-any-return]

    def _check_sides(self) -> None:
        self._check_count("height")
        self._check_count("width")
        _, size = self._given("size")
        if (self.height is None) != (self.width is None):
            missing = "height" if self.height is None else "width"
            raise self._fail(missing, "both height and width, or size=...")
        if self.height is not None:
            if size not in (None, (self.height, self.width)):
                raise self._fail("size", "None beside height and width")
            self._set(size=(self.height, self.width), height=None, width=None)

    def _check_padding(self) -> None:
        self._check_choice("pad_align", "center", "top_left", "bottom_right")
        fits = [fit for stage in (self, *self._stages()) for fit in fits_of(stage)]
        if self.pad_align != "center" and "pad" not in fits:
            raise self._fail("pad_align", "'center' without fit='pad'")
        if self.pad_first and "pad" not in fits_of(self):
            raise self._fail("pad_first", "False without fit='pad'")
        is_cropped = self.crop is not None or self.crop_area is not None
        if self.pad_first and is_cropped and self.crop_mode != "slice":
            raise self._fail("crop_mode", "'slice' for a crop beside pad_first")

    def _stages(self) -> Tuple[Stage, ...]:
        stages = (self.then,) if isinstance(self.then, Stage) else self.then
        if not isinstance(stages, (list, tuple)):
            raise self._fail("then", "Stage(...), or several of them")
        if not all(isinstance(stage, Stage) for stage in stages):
            raise self._fail("then", "Stage(...), or several of them")
        return tuple(stages)

    def _check_stages(self) -> None:
        self._set(then=self._stages())
        self._check_count("jpeg")
        if self.jpeg is not None and self.jpeg > 100:
            raise self._fail("jpeg", "a quality from 1 to 100")

    def _check_values(self) -> None:
        check_dtype(self)
        self._check_count("fill", least=0)
        if self.fill > 255:
            raise self._fail("fill", "an integer from 0 to 255")
        normalize = self.normalize
        if not isinstance(normalize, Stats):
            _, normalize = self._given("normalize")
        if isinstance(normalize, tuple):
            self._check_pair("normalize")
        elif not isinstance(normalize, (bool, Stats)):
            raise self._fail("normalize", "True, False, (low, high) or Stats(...)")
        if isinstance(normalize, Stats):
            if normalize.width not in (None, 1, 3):
                normalize.check_width(3, "Image.normalize")
            if self.channels is not None:
                normalize.check_width(self.channels, "Image.normalize")
        if normalize is not False and DTYPES[self.dtype].kind not in "fV":
            raise self._fail("dtype", f"that of a float beside normalize={shown(normalize)}")


@dataclass(frozen=True)
class State(Declaration):
    """A vector of numbers, in the form that the model wants.

    In this order: `dim`, encoding, `index`, labels, range, scale and offset, stats, clip, `pad_to`,
    shape, dtype, container, stack.

    Attributes:
        role: What it is.
        encoding: How it gives a rotation. Of several, the env's own wins if it is among them, else
            the first is converted to. None takes the env's own.
        dim: How many leading elements of the env's to keep.
        index: The one element to keep, after conversion.
        optional: Whether `fill` will do where the env has no such thing; `dim` says its width.
        fill: The final value of what is made up.
        range: To what the env's range is mapped.
        scale: What values are multiplied by.
        offset: What is added to that.
        stats: By what they are normalised, in this encoding.
        clip: Lowest and highest value.
        pad_to: Width up to which zeros are added.
        dtype: Of the result.
        reshape: Shape of the result.
        container: `"array"`, or `"list"` of Python numbers.
        labels: The elements to take, by name, in this order.
        stack: As in `Image`, with `stride`, `offsets` and `stack_pad`.
        stride: As in `Image`.
        offsets: As in `Image`.
        stack_pad: `"repeat"` the first value, or `"fill"` with zeros.
        part: Which of several of this role.
        source: `"observation"`, or `"action"` for what the model emitted last for this role.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "state"

    role: str
    encoding: Union[Encoding, Sequence[Encoding], None] = None
    dim: Optional[int] = None
    index: Optional[int] = None
    optional: bool = False
    fill: float = 0.0
    range: Optional[Tuple[float, float]] = None
    scale: Optional[Numbers] = None
    offset: Optional[Numbers] = None
    stats: Optional[Stats] = None
    clip: Optional[Tuple[float, float]] = None
    pad_to: Optional[int] = None
    dtype: str = "float32"
    reshape: Optional[Sequence[int]] = None
    container: str = "array"
    labels: Optional[Sequence[str]] = None
    stack: Optional[int] = None
    stride: int = 1
    offsets: Optional[Sequence[int]] = None
    stack_pad: str = "repeat"
    part: Optional[str] = None
    source: str = "observation"

    def __post_init__(self) -> None:
        self._check_choice("source", "observation", "action")
        self._check_role("action/" if self.source == "action" else "proprio/")
        self._check_count("dim")
        self._check_count("index", least=0)
        self._check_bools("optional")
        self._check_number("fill")
        self._check_pair("range")
        self._check_numbers("scale")
        self._check_numbers("offset")
        self._check_texts("labels")
        self._check_text("part")
        if self.stats is not None and not isinstance(self.stats, Stats):
            raise self._fail("stats", "Stats(...)")
        check_output(self)
        check_history(self)
        self._check_encoding()
        if self.optional and not self._tells_width:
            raise self._fail("dim", "the number of elements that optional=True makes up")

    @property
    def encodings(self) -> Tuple[Encoding, ...]:
        """The encodings that the model takes, in its order of preference; empty for any."""
        if self.encoding is None:
            return ()
        if isinstance(self.encoding, (str, CustomEncoding)):
            return (self.encoding,)
        return tuple(self.encoding)

    @property
    def fixed_width(self) -> Optional[int]:
        """The width that a well-known role has, whatever the env; None if it has none."""
        return CANONICAL_WIDTHS.get(self.role)

    @property
    def _tells_width(self) -> bool:
        """Whether the width is known without an env."""
        widths = (self.dim, self.fixed_width, self.encoding, self.index, self.labels)
        return any(one is not None for one in widths)

    def _check_encoding(self) -> None:
        given, encoding = self._given("encoding")
        if not given:
            return
        if encoding == ():
            raise self._fail("encoding", "at least one encoding")
        for encoding in self.encodings:
            check_encoding(encoding, "State.encoding")
        if self.role in CANONICAL_WIDTHS:
            raise self._fail("encoding", f"None, because {self.role!r} is no rotation")
        for field in ("range", "labels"):
            if getattr(self, field) is not None:
                raise self._fail(field, "None beside a rotation's encoding")


@dataclass(frozen=True)
class Constant(Declaration):
    """Numbers that are always the same, in a `Concat`.

    Attributes:
        dim: Number of elements.
        fill: Their value.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "constant"

    dim: int
    fill: float = 0.0

    def __post_init__(self) -> None:
        self._check_count("dim")
        self._check_number("fill")


@dataclass(frozen=True, init=False)
class Concat(Declaration):
    """Several vectors as one, in order.

    Args:
        *parts: Roles, `State`s or `Constant`s. A part's own dtype and container have no meaning.
        pad_to: Width up to which zeros are added.
        dtype: Of the result.
        reshape: Shape of the result.
        container: `"array"`, or `"list"` of Python numbers.
        clip: Lowest and highest value.

    Raises:
        AdapterResolutionError: There is no part, or something else among them.
    """

    kind: ClassVar[str] = "concat"

    parts: Tuple[Union[State, Constant], ...]
    pad_to: Optional[int] = None
    dtype: str = "float32"
    reshape: Optional[Sequence[int]] = None
    container: str = "array"
    clip: Optional[Tuple[float, float]] = None

    def __init__(
        self,
        *parts: Union[str, State, Constant],
        pad_to: Optional[int] = None,
        dtype: str = "float32",
        reshape: Optional[Sequence[int]] = None,
        container: str = "array",
        clip: Optional[Tuple[float, float]] = None,
    ) -> None:
        states = tuple(State(part) if isinstance(part, str) else part for part in parts)
        self._set(parts=states, pad_to=pad_to, dtype=dtype, reshape=reshape)
        self._set(container=container, clip=clip)
        if not states:
            raise self._fail("parts", "one or more roles, State(...) or Constant(...)")
        check_output(self)
        for i, part in enumerate(states):
            if not isinstance(part, (State, Constant)):
                raise AdapterResolutionError(
                    f"Concat.parts[{i}]: expected a role, State(...) or Constant(...), got"
                    f" {shown(part)}"
                )
            for field, plain in _PLAIN_PART.items():
                if isinstance(part, State) and getattr(part, field) != plain:
                    raise AdapterResolutionError(
                        f"Concat.parts[{i}].{field}: expected {plain!r}, because the parts become"
                        f" one vector, got {shown(getattr(part, field))}"
                    )

    @classmethod
    def _from_fields(cls, fields: Dict[str, Any]) -> Concat:
        return cls._from_sequence("parts", fields)


@dataclass(frozen=True)
class Text(Declaration):
    """A text: a run's `instruction`, else the env's text of this role, else `fill`.

    Attributes:
        role: What it says.
        container: `"str"`, or `"list"` with the one str in it.
        fill: What is given where there is neither; None makes that an error.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "text"

    role: str
    container: str = "str"
    fill: Optional[str] = None

    def __post_init__(self) -> None:
        self._check_role("text/")
        self._check_choice("container", "str", "list")
        if self.fill is not None and not isinstance(self.fill, str):
            raise self._fail("fill", "a str")


@dataclass(frozen=True)
class Custom(Declaration):
    """Whatever a function makes of the raw observation; turns off the selection of leaves.

    Attributes:
        transform: A function from the raw observation; only for a model in this process.
        entrypoint: `"module:callable"` of one, imported where `trust_entrypoints` allows it.

    Raises:
        AdapterResolutionError: There is neither, or both.
    """

    kind: ClassVar[str] = "custom"

    transform: Optional[Callable[[Any], Any]] = None
    entrypoint: Optional[str] = None

    def __post_init__(self) -> None:
        if (self.transform is None) == (self.entrypoint is None):
            raise AdapterResolutionError(
                "Custom: expected transform=... or entrypoint=..., got"
                f" transform={shown(self.transform)}, entrypoint={shown(self.entrypoint)}"
            )
        if self.transform is not None and not callable(self.transform):
            raise self._fail("transform", "a function")
        if self.entrypoint is not None:
            if not isinstance(self.entrypoint, str):
                raise self._fail("entrypoint", "'module:callable'")
            module, _, name = self.entrypoint.partition(":")
            if not all(part.isidentifier() for part in (*module.split("."), name)):
                raise self._fail("entrypoint", "'module:callable'")


LEAVES = (Image, State, Concat, Text, Custom)


@dataclass(frozen=True)
class ModelSpec(Declaration):
    """A model's whole payload, and its action.

    Attributes:
        input: A dict or tuple of `Image`, `State`, `Concat`, `Text` and `Custom`, or one of them;
            predict receives the same container.
        output: What predict returns, as one vector.

    Raises:
        AdapterResolutionError: The tree holds something else.
    """

    kind: ClassVar[str] = "model_spec"

    input: Any
    output: Action

    def __post_init__(self) -> None:
        self._set(input=check_tree(self.input, LEAVES, "ModelSpec.input"))
        if not isinstance(self.output, Action):
            raise self._fail("output", "an Action(...)")

    @property
    def takes_instruction(self) -> bool:
        """Whether there is a text input."""
        return any(isinstance(leaf, Text) for _, leaf in leaves_of(self.input))


def check_dtype(leaf: Any) -> None:
    """Check the dtype of a leaf."""
    _, dtype = leaf._given("dtype")
    names = [name for name in DTYPES if name != "bool"]
    if not isinstance(dtype, str):
        # NumPy's dtypes and scalar types, torch's and JAX's have a name, if only at its end.
        found = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
        dtype = str(found).rpartition(".")[2]
    if dtype not in names:
        raise leaf._fail("dtype", f"one of {', '.join(names)}")
    leaf._set(dtype=dtype)


def check_output(leaf: Any) -> None:
    """Check the fields that `State` and `Concat` share."""
    leaf._check_pair("clip")
    leaf._check_count("pad_to")
    check_dtype(leaf)
    leaf._check_choice("container", "array", "list")
    given, shape = leaf._given("reshape")
    if given:
        if isinstance(shape, int):
            shape = (shape,)
        if not (isinstance(shape, tuple) and shape and all(map(is_count, shape))):
            raise leaf._fail("reshape", "a shape of integers of at least 1")
        leaf._set(reshape=shape)


def check_history(leaf: Any) -> None:
    """Check the fields that say which past values are stacked."""
    leaf._check_count("stack")
    leaf._check_count("stride")
    leaf._check_choice("stack_pad", "repeat", "fill")
    given, offsets = leaf._given("offsets")
    if given:
        if leaf.stack is not None:
            raise leaf._fail("offsets", "None beside stack")
        if not (
            isinstance(offsets, tuple)
            and offsets
            and all(is_count(one, 0) for one in offsets)
            and list(offsets) == sorted(set(offsets), reverse=True)
        ):
            raise leaf._fail("offsets", "different numbers of steps ago, the largest first")
    if leaf.stack is None:
        if leaf.stride != 1:
            raise leaf._fail("stride", "1 without stack")
        if leaf.stack_pad != "repeat" and leaf.offsets is None:
            raise leaf._fail("stack_pad", "'repeat' without stack")


def history_of(leaf: Any) -> Tuple[int, ...]:
    """Return how many steps ago each stacked value was, oldest first; empty without a stack."""
    if leaf.offsets is not None:
        return tuple(leaf.offsets)
    if leaf.stack is None:
        return ()
    return tuple(leaf.stride * i for i in reversed(range(leaf.stack)))
