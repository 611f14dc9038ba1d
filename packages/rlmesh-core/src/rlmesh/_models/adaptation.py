"""The adapter between a model and one env, for each of the episodes that are running."""

from __future__ import annotations

import enum
from typing import Any, Dict, Optional, Sequence, Union

from rlmesh._contract.contract import EnvContract
from rlmesh._runtime.context import Episode
from rlmesh.adapters import AdapterBase, EnvTags, ModelSpec
from rlmesh.adapters._plan import Plan
from rlmesh.adapters._resolution import resolve_plan
from rlmesh.adapters.adapter import Adapter
from rlmesh.adapters.resolve import METADATA_KEY, check_encodings, tags_of
from rlmesh.adapters.selection import Pushed, Selection, push_down
from rlmesh.backends import Backend
from rlmesh.spaces import Space

from .batches import Stacker, stack_any, stacker
from .blending import Blender, Ensemble, check_blendable


class Delegated(enum.Enum):
    """The type of `DELEGATED`."""

    DELEGATED = "delegated"

    def __repr__(self) -> str:
        return "rlmesh.DELEGATED"


DELEGATED = Delegated.DELEGATED
"""The spec of a model whose source does its own adapting, and may make use of an instruction."""

Spec = Union[ModelSpec, AdapterBase, Delegated, None]


def takes_instruction(spec: Spec) -> bool:
    """Whether a model of this spec has a use for an instruction."""
    if isinstance(spec, ModelSpec):
        return spec.takes_instruction
    if isinstance(spec, AdapterBase):
        return spec.takes_instruction
    return spec is DELEGATED


def batch_kind(contract: EnvContract) -> str:
    """Return what envs have in common whose observations go into one batch.

    Of the same space and tags, an adapter makes payloads of the same shapes.
    """
    space = contract.observation_space.to_spec()
    return repr((space, contract.metadata.get(METADATA_KEY)))


class Adaptation:
    """What stands between a model and an env: an adapter per episode, or nothing.

    Args:
        spec: The model's.
        contract: What the env promises, with its tags.
        backend: The framework of the model's values.
        device: Where they live.
        trust_entrypoints: Whether functions that the spec names may be imported.
        instruction: The run's instruction.
        pushdown: Whether the env's side shall crop and resize images.
        horizon: How many actions of a chunk are executed.
        blend: How chunks that overlap are averaged; None where they are not.

    Raises:
        AdapterResolutionError: Model and env do not go together.
        InvalidValue: Actions of the env cannot be averaged.

    Attributes:
        wanted: How many actions are predicted for an observation; None for whole chunks.
        selection: What is read of observations; None for all of them.
        needs_every_step: Whether `observe` must be called for steps that a chunk answers.
        stack: Makes one payload of several.
    """

    def __init__(
        self,
        spec: Spec,
        contract: EnvContract,
        backend: Backend,
        device: Optional[Any],
        trust_entrypoints: bool,
        instruction: Optional[str],
        pushdown: bool,
        horizon: int,
        blend: Optional[Ensemble],
    ) -> None:
        self._backend = backend
        self._device = device
        self._horizon = horizon
        self._blend = blend
        self._space = contract.action_space
        if blend is not None:
            check_blendable(self._space)
        self.wanted = None if why_whole(spec, blend) else horizon
        self._running: Dict[str, _Running] = {}
        self._pushed: Sequence[Pushed] = ()
        self._adapter: Optional[AdapterBase] = None
        if isinstance(spec, AdapterBase):
            self._adapter = spec
        elif isinstance(spec, ModelSpec):
            plan = self._plan(spec, contract, trust_entrypoints, instruction, pushdown)
            self._adapter = Adapter(plan, backend, device)
        self.selection: Optional[Selection] = None
        self.needs_every_step = False
        self.stack: Stacker
        if self._adapter is None:
            self.stack = stacker(contract.observation_space, backend, device)
        else:
            reads = self._adapter.reads()
            if reads is not None:
                self.selection = Selection(reads, self._pushed)
            self.needs_every_step = self._adapter.needs_every_step
            self.stack = lambda payloads: stack_any(payloads, backend, device)

    def _plan(
        self,
        spec: ModelSpec,
        contract: EnvContract,
        trust_entrypoints: bool,
        instruction: Optional[str],
        pushdown: bool,
    ) -> Plan:
        tags = tags_of(contract.metadata, contract.env_id)
        check_encodings(tags, spec, self._backend)

        def resolve(tags: EnvTags, space: Space[Any], spec: ModelSpec) -> Plan:
            return resolve_plan(
                tags,
                space,
                contract.action_space,
                spec,
                trust_entrypoints=trust_entrypoints,
                instruction=instruction is not None,
            )

        plan = resolve(tags, contract.observation_space, spec)
        if pushdown and not plan.reads_all:
            tags, space, spec, self._pushed = push_down(tags, contract.observation_space, spec)
            plan = resolve(tags, space, spec)
        return plan

    @property
    def is_plain(self) -> bool:
        """Whether one action is asked for, and is the env's."""
        return self._adapter is None and self.wanted == 1

    def start(self, episode: Episode) -> None:
        """Begin an episode."""
        if self._adapter is None and self._blend is None:
            return
        running = self._running[episode.id] = _Running()
        if self._adapter is not None:
            running.adapter = self._adapter.new_episode(episode.instruction)
        if self._blend is not None:
            space = check_blendable(self._space)
            ends = {} if running.adapter is None else running.adapter.ends()
            running.blender = Blender(self._blend, space, self._backend, self._device, ends)

    def payload(self, episode_id: str, observation: Any, step: int) -> Any:
        """Return what predict is given for an observation of an episode, after so many steps."""
        if self._adapter is None:
            return observation
        running = self._running[episode_id]
        assert running.adapter is not None
        if running.count:
            # More steps than that had actions of somebody else.
            running.adapter.executed(min(step - running.predicted, running.count))
        running.predicted = step
        return running.adapter.transform_obs(observation)

    def observe(self, episode_id: str, observation: Any) -> None:
        """Take note of an observation for which there is an action already."""
        if self._adapter is not None:
            adapter = self._running[episode_id].adapter
            assert adapter is not None
            adapter.observe(observation)

    def actions(self, episode_id: str, outputs: Sequence[Any], step: int) -> Sequence[Any]:
        """Return the env's actions for what predict returned in an episode, after so many steps."""
        if self._adapter is None and self._blend is None:
            return outputs
        running = self._running[episode_id]
        adapter, blender = running.adapter, running.blender
        running.count = min(self._horizon, len(outputs))
        if not isinstance(adapter, Adapter):
            actions = outputs
            if adapter is not None:
                actions = [adapter.transform_action(output) for output in outputs]
            return actions if blender is None else blender.blend(actions, step, self._horizon)
        # At once, as it remembers what is the output of which step.
        chunk = outputs[0] if len(outputs) == 1 else self._chunk(outputs)
        if blender is not None:
            moved = adapter.move(chunk)
            parts = [moved] if len(outputs) == 1 else self._backend.unstack(moved)
            blended = self._backend.stack(blender.blend(parts, step, self._horizon), self._device)
            return self._backend.unstack(adapter.hold(blended))
        action = adapter.transform_action(chunk)
        actions = [action] if len(outputs) == 1 else self._backend.unstack(action)
        return actions[: self._horizon]

    def _chunk(self, outputs: Sequence[Any]) -> Any:
        """Return the outputs for several steps as one."""
        if all(map(self._backend.is_array, outputs)):
            return self._backend.stack(outputs)
        return [output if hasattr(output, "__len__") else [output] for output in outputs]

    def end(self, episode_id: str) -> None:
        """End an episode."""
        self._running.pop(episode_id, None)


class _Running:
    """What is kept of an episode that is running.

    Attributes:
        adapter: Its adapter, if there is one.
        blender: What averages its chunks, if anything does.
        predicted: The step of its last predict.
        count: How many actions came of that, which are executed one by one; 0 before the first.
    """

    def __init__(self) -> None:
        self.adapter: Optional[AdapterBase] = None
        self.blender: Optional[Blender] = None
        self.predicted = 0
        self.count = 0


def why_whole(spec: Spec, blend: Optional[Ensemble]) -> str:
    """Return what needs all of a chunk, not only the actions that are executed; empty if nothing.

    Args:
        spec: The model's.
        blend: How chunks are averaged.
    """
    if blend is not None:
        return "chunk_blend"
    reads_pending = isinstance(spec, ModelSpec) and spec.reads_pending_actions
    return "source='pending_actions'" if reads_pending else ""
