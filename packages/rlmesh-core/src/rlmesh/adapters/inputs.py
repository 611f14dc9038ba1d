"""What a model wants to be given: the leaves of its payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Dict, Optional, Sequence, Tuple, Union

from rlmesh._values.dtypes import DTYPES
from rlmesh.errors import AdapterResolutionError

from ._checks import check_dtype, check_history, check_output
from ._declaration import Declaration, check_tree, leaves_of
from ._encodings import Encoding, check_encoding, checked_offset, flattened
from ._plain import shown
from ._rotations import CustomEncoding, base_of
from .actions import Action
from .curves import Curve
from .presence import Presence
from .roles import CANONICAL_WIDTHS
from .stages import Stage, check_geometry, fits_of
from .stats import Stats

_PLAIN_PART = {"reshape": None, "container": "array", "stack": None, "offsets": None}
"""What a `State` or `Presence` may not change as a part of a `Concat`."""
_PLAIN_PENDING = {"stride": 1, "stack_pad": "repeat", "reshape": None, "optional": False}
"""What a `State` of pending actions may not change."""

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

    In this order: `dim`, encoding, `index`, labels, range, curve, scale and offset, `sincos`,
    stats, clip,
    `pad_to`, shape, dtype, container, stack.

    Attributes:
        role: What it is.
        encoding: How it gives a rotation. Of several, the env's own wins if it is among them, else
            the first is converted to. None takes the env's own.
        dim: How many leading elements of the env's to keep.
        index: The one element to keep, after conversion.
        optional: Whether `fill` will do where the env has no such thing; `dim` says its width.
        fill: The final value of what is made up.
        range: To what the env's range is mapped.
        curve: What values become then; not of a rotation.
        scale: What values are multiplied by.
        offset: What is added to that.
        stats: By what they are normalised, in this encoding.
        clip: Lowest and highest value.
        pad_to: Width up to which zeros are added.
        dtype: Of the result; of a bool, what is not 0 is True. NaN and infinity, which an integer
            dtype cannot hold, are an error at the step.
        reshape: Shape of the result.
        container: `"array"`, or `"list"` of Python numbers.
        labels: The elements to take, by name, in this order.
        stack: As in `Image`, with `stride`, `offsets` and `stack_pad`.
        stride: As in `Image`.
        offsets: As in `Image`.
        stack_pad: `"repeat"` the first value, or `"fill"` with zeros.
        part: Which of several of this role.
        source: `"observation"`; `"action"` for what the model itself emitted for this role, in the
            action that was executed last; `"pending_actions"` for what it emitted in the actions of
            its last chunk that are still to be executed: the next one first, `stack` rows, those
            that are left over zeros.
        initial: With `source="action"`, what precedes an episode's first action: `"zeros"`, or
            `"state"` for the env's own state of the same name (`"proprio/x"` for `"action/x"`), as
            the model would have emitted it.
        sincos: Whether each angle, in radians, becomes its sine and cosine: all sines first.
        rotation_offset: A fixed rotation about the body's own axes, as a quaternion (x, y, z, w) or
            the nine elements of a matrix, row by row: `R` becomes `R @ rotation_offset`, before it
            is encoded.

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
    curve: Optional[Curve] = None
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
    initial: str = "zeros"
    sincos: bool = False
    rotation_offset: Optional[Sequence[float]] = None

    def __post_init__(self) -> None:
        self._check_choice("source", "observation", "action", "pending_actions")
        self._check_role("proprio/" if self.source == "observation" else "action/")
        self._check_choice("initial", "zeros", "state")
        self._check_count("dim")
        self._check_count("index", least=0)
        self._check_bools("optional", "sincos")
        self._check_number("fill")
        self._check_pair("range")
        self._check_numbers("scale")
        self._check_numbers("offset")
        self._check_texts("labels")
        self._check_text("part")
        if self.stats is not None and not isinstance(self.stats, Stats):
            raise self._fail("stats", "Stats(...)")
        if self.curve is not None and not isinstance(self.curve, Curve):
            raise self._fail("curve", "Curve(...)")
        if self.curve is not None and self.encoding is not None:
            raise self._fail("curve", "None beside a rotation's encoding")
        check_output(self)
        check_history(self)
        self._check_encoding()
        self._check_source()
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

    def _check_source(self) -> None:
        if self.initial != "zeros":
            if self.source != "action":
                raise self._fail("initial", "'zeros' without source='action'")
            if not self.role.startswith("action/"):
                raise self._fail(
                    "role", "a role that begins with 'action/', whose state begins with 'proprio/'"
                )
        if self.source != "pending_actions":
            return
        if self.stack is None:
            raise self._fail("stack", "the number of rows beside source='pending_actions'")
        for field, plain in _PLAIN_PENDING.items():
            if getattr(self, field) != plain:
                raise self._fail(field, f"{plain!r} beside source='pending_actions'")

    def _check_encoding(self) -> None:
        given, encoding = self._given("encoding")
        offset = flattened(self.rotation_offset)
        self._set(rotation_offset=offset)
        checked_offset(offset, "State.rotation_offset")
        if offset is not None and not given:
            raise self._fail("rotation_offset", "None without a rotation's encoding")
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
        if self.sincos and any(base_of(one) != "euler_xyz" for one in self.encodings):
            raise self._fail("sincos", "False beside an encoding other than euler_xyz")


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
        *parts: Roles, `State`s, `Constant`s or `Presence`s. A part's own dtype and container
            have no meaning. `State`s of pending actions are joined row by row, with nothing else.
        pad_to: Width up to which zeros are added.
        dtype: Of the result.
        reshape: Shape of the result.
        container: `"array"`, or `"list"` of Python numbers.
        clip: Lowest and highest value.

    Raises:
        AdapterResolutionError: There is no part, or something else among them.
    """

    kind: ClassVar[str] = "concat"

    parts: Tuple[Union[State, Constant, Presence], ...]
    pad_to: Optional[int] = None
    dtype: str = "float32"
    reshape: Optional[Sequence[int]] = None
    container: str = "array"
    clip: Optional[Tuple[float, float]] = None

    def __init__(
        self,
        *parts: Union[str, State, Constant, Presence],
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
            if not isinstance(part, (State, Constant, Presence)):
                raise AdapterResolutionError(
                    f"Concat.parts[{i}]: expected a role, State(...), Constant(...) or"
                    f" Presence(...), got {shown(part)}"
                )
            self._check_part(i, part, states[0])
        if self.is_pending and reshape is not None:
            raise self._fail("reshape", "None beside source='pending_actions'")

    def _check_part(self, i: int, part: Any, first: Any) -> None:
        """Check that a part becomes a piece of one vector, or of as many rows as the others."""
        rows, others = (
            one.stack if getattr(one, "source", None) == "pending_actions" else None
            for one in (part, first)
        )
        for field, plain in _PLAIN_PART.items():
            got = getattr(part, field, plain)
            if field == "stack" and rows is not None:
                plain = others
            if got != plain:
                why = "because the parts become one vector"
                if field == "stack" and rows is not None and others is not None:
                    why = "as many rows as the first part has"
                raise AdapterResolutionError(
                    f"Concat.parts[{i}].{field}: expected {plain!r}, {why}, got {shown(got)}"
                )
        if rows is None and others is not None:
            raise AdapterResolutionError(
                f"Concat.parts[{i}]: expected State(..., source='pending_actions'), as the first"
                f" part is, got {shown(part)}"
            )

    @property
    def is_pending(self) -> bool:
        """Whether it is made of pending actions, so that it has a row for each."""
        first = self.parts[0]
        return isinstance(first, State) and first.source == "pending_actions"

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
        template: What is given instead of the text, which takes the place of the one `{text}` in
            it. Any other braces stay as they are.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "text"

    role: str
    container: str = "str"
    fill: Optional[str] = None
    template: Optional[str] = None

    def __post_init__(self) -> None:
        self._check_role("text/")
        self._check_choice("container", "str", "list")
        if self.fill is not None and not isinstance(self.fill, str):
            raise self._fail("fill", "a str")
        self._check_text("template")
        if self.template is not None and self.template.count("{text}") != 1:
            raise self._fail("template", "a str with '{text}' in it, once")


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


LEAVES = (Image, State, Concat, Presence, Text, Custom)


@dataclass(frozen=True)
class ModelSpec(Declaration):
    """A model's whole payload, and its action.

    Attributes:
        input: A dict or tuple of `Image`, `State`, `Concat`, `Presence`, `Text` and `Custom`, or
            one of them; predict receives the same container.
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

    @property
    def reads_pending_actions(self) -> bool:
        """Whether an input reads the actions of a chunk that are still to be executed."""
        parts = [
            part for _, leaf in leaves_of(self.input) for part in getattr(leaf, "parts", [leaf])
        ]
        return any(getattr(part, "source", None) == "pending_actions" for part in parts)
