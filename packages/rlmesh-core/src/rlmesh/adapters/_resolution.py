"""Matching an env's tags with a model's spec, by role."""

from __future__ import annotations

import importlib
from typing import Any, Callable, List, Mapping, Optional, Tuple, Union

from rlmesh.errors import AdapterResolutionError
from rlmesh.spaces import Space, as_space

from . import _leaves as leaves
from . import _plan as plans
from ._actuators import ActionPlan, plan_action
from ._declaration import leaves_of, map_tree, path_text
from ._encodings import name_of
from ._leaves import ImageLeaf, Offers, VectorLeaf, bind, offers_of
from ._pictures import plan_picture
from ._plain import shown
from ._plan import ArrayLeaf, CustomLeaf, MadeUp, Part, Path, Plan, Previous, Read
from ._rotations import CustomEncoding
from ._states import VectorPlan, finish, plan_filled, plan_state
from ._steps import Advisory, Step
from .actions import Action
from .inputs import Concat, Constant, Custom, Image, ModelSpec, State, Text, history_of
from .roles import named
from .tags import EnvTags


def resolve_plan(
    tags: EnvTags,
    observation_space: Any,
    action_space: Any,
    spec: ModelSpec,
    *,
    trust_entrypoints: bool,
    instruction: bool = False,
) -> Plan:
    """Return the plan that joins an env and a model.

    Args:
        tags: What the env says of itself.
        observation_space: Its space, ours or Gymnasium's.
        action_space: Likewise.
        spec: What the model wants.
        trust_entrypoints: Whether functions that the spec names may be imported.
        instruction: Whether there will be an instruction for text inputs.

    Raises:
        AdapterResolutionError: They do not go together; the message names the leaf, what it has
            and what was expected.
    """
    if not isinstance(tags, EnvTags):
        raise AdapterResolutionError(f"env_tags: expected EnvTags(...), got {shown(tags)}")
    if not isinstance(spec, ModelSpec):
        raise AdapterResolutionError(f"model_spec: expected ModelSpec(...), got {shown(spec)}")
    if tags.action is None:
        raise AdapterResolutionError(
            "EnvTags.action: expected an Action(...) that says what the env's action is, got None"
        )
    resolution = _Resolution(
        offers_of(tags, as_space(observation_space, "observation_space")),
        spec.output,
        trust_entrypoints,
        instruction,
    )
    payload = map_tree(spec.input, resolution.leaf)
    space: Space[Any] = as_space(action_space, "action_space")
    action = plan_action(tags.action, space, spec.output, resolution.notes)
    resolution.lines += _action_lines(action)
    return Plan(
        payload=payload,
        reads=resolution.reads,
        texts=resolution.texts,
        reads_all=any(isinstance(leaf, CustomLeaf) for _, leaf in leaves_of_plan(payload)),
        action=action,
        takes_instruction=spec.takes_instruction,
        lines=resolution.lines,
        notes=resolution.notes,
    )


def leaves_of_plan(tree: Any, path: Path = ()) -> List[Tuple[Path, Any]]:
    """Return the leaves of a payload's plan, each with the keys that lead to it."""
    if isinstance(tree, dict):
        items: Any = tree.items()
    elif isinstance(tree, tuple) and not hasattr(tree, "_fields"):
        items = enumerate(tree)
    else:
        return [(path, tree)]
    return [leaf for key, part in items for leaf in leaves_of_plan(part, (*path, key))]


class _Resolution:
    """A spec's input that is being resolved."""

    def __init__(
        self, offers: Offers, output: Action, trust_entrypoints: bool, instruction: bool
    ) -> None:
        self.offers = offers
        self.output = output
        self.trust_entrypoints = trust_entrypoints
        self.instruction = instruction
        self.reads: List[Path] = []
        self.texts: List[Path] = []
        self.lines: List[str] = []
        self.notes: List[Advisory] = []

    def leaf(self, path: Path, spec: Any) -> plans.PayloadLeaf:
        """Return how one leaf of the payload comes about."""
        where = path_text("input", path)
        if isinstance(spec, Image):
            return self.image(spec, where)
        if isinstance(spec, State):
            return self.state(spec, where)
        if isinstance(spec, Concat):
            return self.concat(spec, where)
        if isinstance(spec, Text):
            return self.text(spec, where)
        return self.custom(spec, where)

    def image(self, spec: Image, where: str) -> ArrayLeaf:
        leaf = bind(self.offers, spec.role, spec.part, ImageLeaf, where)
        if leaf is None and not spec.optional:
            raise leaves.missing(self.offers, spec.role, spec.part, where)
        assert leaf is None or isinstance(leaf, ImageLeaf)
        plan = plan_picture(spec, leaf, where, self.notes)
        blank_plan = (
            plan_picture(spec, None, where, []) if spec.last_size and spec.channels else None
        )
        made_up = blank_plan and self._blank(spec, blank_plan.steps)
        if leaf is None:
            assert made_up is not None
            part: Part = made_up
            source = f"made up ({spec.fill})"
        else:
            part = Read(self._read(leaf.path), plan.steps, path_text("observation", leaf.path))
            axis = f"x{leaf.channels + leaf.has_alpha}" if leaf.has_channel_axis else ""
            source = f"{path_text('observation', leaf.path)} ({leaf.height}x{leaf.width}{axis})"
        history = history_of(spec)
        blank = None
        if history and spec.stack_pad == "fill":
            if made_up is None:
                raise AdapterResolutionError(
                    f"{where}.stack_pad: expected 'repeat' without a size and channels to fill,"
                    " got 'fill'"
                )
            blank = made_up
        self._explain(where, source, plan.steps, history, spec.lead_dims)
        return ArrayLeaf([part], [], history, blank, spec.lead_dims)

    def _blank(self, spec: Image, steps: List[Step]) -> MadeUp:
        assert spec.last_size is not None
        first = Step("as uint8", lambda ops, value: ops.astype(value, "uint8"))
        return MadeUp((*spec.last_size, spec.channels or 3), spec.fill, [first, *steps])

    def state(self, spec: State, where: str) -> ArrayLeaf:
        plan = self._vector(spec, where)
        last, shape = finish(spec, plan, where)
        history = history_of(spec)
        blank = None
        if history and spec.stack_pad == "fill":
            blank = MadeUp(shape, 0.0, [Step("", lambda ops, v: ops.astype(v, spec.dtype))])
        self._explain(where, _source(plan, spec), [*plan.steps, *last], history, 0)
        as_list = spec.container == "list"
        return ArrayLeaf([self._part(plan, spec)], last, history, blank, 0, as_list)

    def concat(self, spec: Concat, where: str) -> ArrayLeaf:
        parts: List[Part] = []
        width = 0
        for i, part in enumerate(spec.parts):
            name = f"{where}.parts[{i}]"
            if isinstance(part, Constant):
                parts.append(MadeUp((part.dim,), part.fill, [], _working_dtype(spec.dtype)))
                width += part.dim
                self._explain(name, f"{part.dim} times {part.fill:g}", [], (), 0)
                continue
            plan = self._vector(part, name)
            inner: List[Step] = []
            if plan.leaf is not None:
                # The parts' own clip and padding come before they are joined.
                inner, shape = finish(part, plan, name)
                inner = inner[:-1]
                plan = plan._replace(steps=[*plan.steps, *inner], width=shape[0])
            parts.append(self._part(plan, part))
            width += plan.width
            self._explain(name, _source(plan, part), plan.steps, (), 0)
        last, _ = finish(spec, VectorPlan(None, [], width), where)
        self._explain(where, f"the parts above ({width} elements)", last, (), 0)
        return ArrayLeaf(parts, last, as_list=spec.container == "list")

    def text(self, spec: Text, where: str) -> plans.TextLeaf:
        leaf = bind(self.offers, spec.role, None, leaves.TextLeaf, where)
        if leaf is None and spec.fill is None and not self.instruction:
            raise AdapterResolutionError(
                f"{where}: expected the env to offer {spec.role!r}, an instruction of the run, or"
                " fill=..., got none of them"
            )
        path = None if leaf is None else leaf.path
        if path is not None and path not in self.texts:
            self.texts.append(path)
        source = "the run's instruction"
        if not self.instruction:
            source = repr(spec.fill) if path is None else path_text("observation", path)
        self._explain(where, source, [], (), 0)
        return plans.TextLeaf(path, spec.fill, spec.container == "list")

    def custom(self, spec: Custom, where: str) -> CustomLeaf:
        transform: Optional[Callable[[Any], Any]] = spec.transform
        if transform is None:
            assert spec.entrypoint is not None
            transform = _import(spec.entrypoint, self.trust_entrypoints, where)
        name = spec.entrypoint or getattr(transform, "__name__", repr(transform))
        self._explain(where, f"{name}(the whole observation)", [], (), 0)
        return CustomLeaf(transform)

    def _vector(self, spec: State, where: str) -> VectorPlan:
        leaf: Union[VectorLeaf, None]
        if spec.source == "action":
            leaf = self._output_slice(spec, where)
        else:
            found = bind(self.offers, spec.role, spec.part, VectorLeaf, where)
            assert found is None or isinstance(found, VectorLeaf)
            leaf = found
            if leaf is None and not spec.optional:
                raise leaves.missing(self.offers, spec.role, spec.part, where)
        if leaf is None:
            return plan_filled(spec, where, self.notes)
        return plan_state(spec, leaf, where, self.notes)

    def _output_slice(self, spec: State, where: str) -> VectorLeaf:
        """Return a part of the model's own output as if an env offered it."""
        start = 0
        found = []
        for i, actuator in enumerate(self.output.actuators):
            part_fits = spec.part is None or spec.part == actuator.part
            if actuator.role == spec.role and part_fits:
                bounds = None if actuator.range is None else [actuator.range] * actuator.width
                found.append(
                    VectorLeaf(
                        path=(),
                        start=start,
                        width=actuator.width,
                        total=self.output.width,
                        encoding=actuator.encoding,
                        bounds=bounds,
                        labels=actuator.labels,
                        frame=actuator.frame,
                        dtype="float32",
                        name=f"output[{i}]",
                    )
                )
            start += actuator.width
        if len(found) != 1:
            raise AdapterResolutionError(
                f"{where}: expected one actuator of role {named(spec.role, spec.part)} in the"
                f" model's own output, which source='action' reads, got {len(found)}"
            )
        return found[0]

    def _part(self, plan: VectorPlan, spec: State) -> Part:
        if plan.leaf is None:
            return MadeUp((plan.width,), plan.fill, [], _working_dtype(spec.dtype))
        if spec.source == "action":
            return Previous(plan.steps)
        flat = Step("", lambda ops, value: value.reshape((-1,)))
        return Read(self._read(plan.leaf.path), [flat, *plan.steps])

    def _read(self, path: Path) -> int:
        """Return the index of a leaf that is read."""
        if path not in self.reads:
            self.reads.append(path)
        return self.reads.index(path)

    def _explain(
        self, where: str, source: str, steps: List[Step], history: Tuple[int, ...], lead: int
    ) -> None:
        more = list(steps)
        if history:
            ago = ", ".join(map(str, history))
            more.append(Step(f"stacked: {ago} steps ago", lambda ops, value: value))
        if lead:
            more.append(Step(f"{lead} leading axes of 1", lambda ops, value: value))
        self.lines += plans.lines_of(where, source, more)


def _working_dtype(dtype: str) -> str:
    """Return the dtype that expresses a number as well as a leaf's dtype does."""
    return "float64" if dtype in ("float64", "int64", "uint64") else "float32"


def _source(plan: VectorPlan, spec: State) -> str:
    if plan.leaf is None:
        return f"made up ({plan.width} times {plan.fill:g})"
    encoding = "" if plan.leaf.encoding is None else f", {name_of(plan.leaf.encoding)}"
    frame = "" if plan.leaf.frame is None else f", in the frame {plan.leaf.frame!r}"
    before = "the last output's " if spec.source == "action" else ""
    return f"{before}{plan.leaf.name} ({plan.leaf.width} elements{encoding}{frame})"


def _action_lines(action: ActionPlan) -> List[str]:
    lines = []
    if action.first:
        lines += plans.lines_of("output", f"the model's {action.width} elements", action.first)
    for part in action.parts:
        if part.source is None:
            lines += plans.lines_of(part.name, f"filled with {part.fill[0]:g}", [])
        else:
            stop = part.source + part.width
            lines += plans.lines_of(part.name, f"output[{part.source}:{stop}]", part.steps)
    return lines + plans.lines_of("action", "all of the above", action.last)


def _import(entrypoint: str, trusted: bool, where: str) -> Callable[[Any], Any]:
    """Import the function that a spec names."""
    if not trusted:
        raise AdapterResolutionError(
            f"{where}.entrypoint: expected trust_entrypoints=True, because importing"
            f" {entrypoint!r} runs code that the spec names, got False"
        )
    module, _, name = entrypoint.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as exc:  # whatever the module does when it is imported
        raise AdapterResolutionError(
            f"{where}.entrypoint: expected a function at {entrypoint!r}, got"
            f" {type(exc).__name__}: {exc}"
        ) from exc
    if not callable(found):
        raise AdapterResolutionError(
            f"{where}.entrypoint: expected a function at {entrypoint!r}, got {shown(found)}"
        )
    function: Callable[[Any], Any] = found
    return function


def custom_encodings(tags: EnvTags, spec: ModelSpec) -> Mapping[str, CustomEncoding]:
    """Return the encodings of the users' own that are in use, by where they are."""
    found = {}
    for where, tree in (("observation", tags.observation), ("input", spec.input)):
        for path, leaf in leaves_of(tree):
            for one in getattr(leaf, "fields", getattr(leaf, "parts", [leaf])):
                encodings = getattr(one, "encodings", (getattr(one, "encoding", None),))
                for encoding in encodings:
                    if isinstance(encoding, CustomEncoding):
                        found[path_text(where, path)] = encoding
    for where, action in (("EnvTags.action", tags.action), ("ModelSpec.output", spec.output)):
        for i, actuator in enumerate(action.actuators if action else ()):
            if isinstance(actuator.encoding, CustomEncoding):
                found[f"{where}[{i}]"] = actuator.encoding
    return found
