"""`Adapter`: from an env's observations to a model's payload, and from its output to an action."""

from __future__ import annotations

import copy
import math
from collections import deque
from typing import (
    Any,
    Callable,
    Deque,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from rlmesh._text import printable
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Discrete

from . import _plan as plans
from ._declaration import is_count, path_text
from ._functions import Functions, value_at
from ._plan import ArrayLeaf, Path, Plan
from ._resolution import leaves_of_plan
from ._steps import Advisory, run
from ._sticky import hold, nothing_held

_NO_OUTPUTS = plans.Outputs()


class AdapterBase:
    """What stands between an env and a model; base of those written by hand.

    One object adapts one episode at a time. `new_episode` makes the one for another episode, which
    by default is a copy that was reset.
    """

    takes_instruction = False
    """Whether `reset` has a use for an instruction."""
    needs_every_step = False
    """Whether `observe` must be called with the observations that no predict sees."""

    def transform_obs(self, observation: Any) -> Any:
        """Return the model's payload for an observation of the env."""
        raise NotImplementedError

    def transform_action(self, output: Any) -> Any:
        """Return the env's action for an output of the model."""
        raise NotImplementedError

    def observe(self, observation: Any) -> None:
        """Take note of an observation for which no payload is wanted."""

    def executed(self, count: int) -> None:
        """Take note of how many actions of the last output the env has executed.

        Runs say so before each `transform_obs` but the first of an episode.
        """

    def ends(self) -> Mapping[int, Tuple[float, float]]:
        """Return the two values of each element of the action that has no others, by index."""
        return {}

    def reset(self, instruction: Optional[str] = None) -> None:
        """Forget the episode, and start another with this instruction."""

    def reads(self) -> Optional[Sequence[Path]]:
        """Return the leaves of the observation that are read; None for all of them."""
        return None

    def explain(self) -> str:
        """Return what is done, one line for each transform."""
        return f"{type(self).__name__}, written by hand"

    def advisories(self) -> List[Advisory]:
        """Return what is to be known about it: data that is made up, replaced or dropped."""
        return []

    def new_episode(self: Any, instruction: Optional[str] = None) -> Any:
        """Return an adapter for another episode."""
        other = copy.copy(self)
        other.reset(instruction)
        return other

    def wrap_predict(self, predict: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a predict from the env's observations to its actions."""
        return lambda observation: self.transform_action(predict(self.transform_obs(observation)))


class Adapter(AdapterBase):
    """What `resolve` returns: a plan, carried out on one framework's arrays.

    Args:
        plan: What is to be done.
        backend: The framework; None is that of the first observation or output.
        device: Where arrays are made that come from no observation; None is the framework's own
            choice, or without a backend given, where the first observation is.
    """

    def __init__(
        self, plan: Plan, backend: Optional[Backend] = None, device: Optional[Any] = None
    ) -> None:
        self._plan = plan
        self._leaves = [
            leaf for _, leaf in leaves_of_plan(plan.payload) if isinstance(leaf, ArrayLeaf)
        ]
        self._stacks = [leaf for leaf in self._leaves if leaf.history]
        self._functions = Functions(plan, self._leaves, backend, device)
        parts = [part for leaf in self._leaves for part in leaf.parts]
        self._reads_last = any(isinstance(part, plans.Previous) for part in parts)
        self._counts = any(isinstance(part, plans.PendingCount) for part in parts)
        self._rows = [part.rows for part in parts if isinstance(part, plans.Pending)]
        self.takes_instruction = plan.takes_instruction
        self.needs_every_step = bool(self._stacks)
        self.reset()

    def reset(self, instruction: Optional[str] = None) -> None:
        """Forget the episode, and start another with this instruction."""
        self._instruction = instruction
        self._pasts: List[Deque[Any]] = [
            deque(maxlen=max(*leaf.history, 1)) for leaf in self._stacks
        ]
        self._chunk: Sequence[Any] = ()  # the last outputs, one for each action
        self._length = 0  # how many actions these are
        self._executed = 0  # how many of them the env has executed
        self._before: Optional[Any] = None  # the output for the action executed before them
        self._states: Optional[List[Any]] = None
        self._held = [nothing_held(self._plan.action.sticky)]

    def transform_obs(self, observation: Any) -> Any:
        """Return the model's payload for an observation of the env.

        Args:
            observation: One that the env returned; its arrays are of the model's framework. It is
                not written into. What the model takes as it is is the same array; all else has
                memory of its own.

        Raises:
            InvalidValue: A leaf that is read is missing, or a text is; a picture is not uint8; or a
                number cannot be had in the dtype that the model wants.
        """
        functions = self._functions.ready(observation)
        raws = [functions.raw(observation, path) for path in self._plan.reads]
        outputs = self._outputs(raws)
        self._states = functions.states(raws)
        if self._stacks and not self._pasts[0]:
            # Compiled functions are for a past of some length, so that there is one from the start.
            self._begin(self._frames(raws, outputs))
        pasts = [
            [past[-ago] for ago in leaf.history if ago]
            for leaf, past in zip(self._stacks, self._pasts)
        ]
        finals, currents, sound = functions.payload(raws, outputs, pasts)
        self._check(self._leaves, sound, raws)
        self._remember(currents)
        arrays = [
            raws[leaf.only_read] if final is None else final
            for leaf, final in zip(self._leaves, finals)
        ]
        return self._assembled(self._plan.payload, iter(arrays), observation)

    def observe(self, observation: Any) -> None:
        """Take note of an observation for which no payload is wanted."""
        if self._stacks:
            functions = self._functions.ready(observation)
            raws = [functions.raw(observation, path) for path in self._plan.reads]
            currents = self._frames(raws, self._outputs(raws))
            if not self._pasts[0]:
                self._begin(currents)
            self._remember(currents)
        self._executed += 1

    def executed(self, count: int) -> None:
        """Take note of how many actions of the last chunk the env has executed.

        The last of them is the previous action, the ones after it are pending, and what is sticky
        goes on from there. A chunk of which nothing is said counts as one executed action, and one
        more for each `observe` since, so that there is no need to call this where `observe` is
        called for every step.

        Args:
            count: The number of actions, from the start of what `transform_action` took last. 0 is
                for a chunk that came to nothing.

        Raises:
            InvalidValue: The chunk has not as many.
        """
        if not is_count(count, 0) or count > self._length:
            raise InvalidValue(
                f"executed: expected a number from 0 to {self._length}, of the last chunk's"
                f" actions, got {count!r:.200}"
            )
        self._executed = count

    def transform_action(self, output: Any) -> Any:
        """Return the env's action for an output of the model.

        Args:
            output: What predict returned: an array, or nested lists of numbers, of shape `(A,)`;
                a chunk `(H, A)`, a batch `(N, A)` and both, `(N, H, A)`, give as many actions.

        Returns:
            An array of the action space's dtype, of the same leading axes; an int for one action
            of a Discrete space.

        Raises:
            InvalidValue: The output has another width, or is not finite.
        """
        actions = self.hold(self.move(output))
        is_one_number = isinstance(self._plan.action.space, Discrete) and not actions.ndim
        return int(actions) if is_one_number else actions

    def move(self, output: Any) -> Any:
        """Return the env's action for an output of the model, before anything is held.

        Where an actuator is sticky, that is left to `hold`: a run averages chunks in between.
        """
        plan = self._plan.action
        if plan.bases and self._states is None:
            raise InvalidValue(
                "transform_action: expected a transform_obs in this episode before it, got none:"
                f" the model's changes are added to {plan.bases[0].name}"
            )
        functions = self._functions.ready(output)
        vector = functions.vector(output)
        action, is_finite = functions.action(vector, self._states or [])
        if not is_finite.item():  # not bool(), which takes JAX three times as long
            self._raise_infinite(vector)
        # What is sticky goes on after the last action that was executed.
        self._held = [self._held[min(self._executed, len(self._held) - 1)]]
        if self._uses_outputs:
            self._before = self._last_output()
            # The model may write its next output into this one.
            self._chunk = functions.rows(vector)
        self._length = math.prod(vector.shape[:-1])
        self._executed = 1
        return action

    def hold(self, actions: Any) -> Any:
        """Return actions of `move` whose changes stay where an actuator is sticky.

        Args:
            actions: Of shape `(A,)` or `(H, A)`, in the order in which they are executed.
        """
        plan = self._plan.action
        if not plan.sticky:
            return actions
        if actions.ndim > 2:
            raise InvalidValue(
                "the model's output: expected that of one episode, of shape (A,) or (H, A), for an"
                f" actuator that is sticky, got a batch of shape {tuple(actions.shape)}"
            )
        held = self._held[0]
        actions, after = hold(plan.sticky, self._functions.ops, actions, held)
        self._held = [held, *after]
        return plans.shaped(plan, actions)

    def ends(self) -> Mapping[int, Tuple[float, float]]:
        """Return the low and the high value of each element of the action that has no others."""
        return self._plan.action.ends

    def reads(self) -> Optional[Sequence[Path]]:
        """Return the leaves of the observation that are read; None for all of them."""
        if self._plan.reads_all:
            return None
        return [*self._plan.reads, *self._plan.texts]

    def explain(self) -> str:
        """Return every transform in order, one a line, under the leaf that it makes."""
        return "\n".join(map(printable, self._plan.lines))

    def advisories(self) -> List[Advisory]:
        """Return what is to be known about it: data that is made up, replaced or dropped."""
        return list(self._plan.notes)

    def __repr__(self) -> str:
        leaves = len(leaves_of_plan(self._plan.payload))
        return f"Adapter({leaves} inputs, {len(self._plan.action.parts)} actuators)"

    @property
    def _uses_outputs(self) -> bool:
        """Whether the payload has anything of the model's own outputs."""
        return self._reads_last or self._counts or bool(self._rows)

    def _last_output(self) -> Optional[Any]:
        """Return the output for the action that was executed last; None if there was none yet."""
        count = min(self._executed, len(self._chunk))
        return self._chunk[count - 1] if count else self._before

    def _outputs(self, raws: Sequence[Any]) -> plans.Outputs:
        """Return what the payload may take from the model's own outputs."""
        if not self._uses_outputs:
            return _NO_OUTPUTS
        functions = self._functions
        last = self._last_output() if self._reads_last else None
        if last is None and self._reads_last:
            last = functions.initial(raws) if self._plan.initial else functions.zeros()
        pending = self._chunk[self._executed :]
        if not self._rows:
            return plans.Outputs(last, count=functions.number([len(pending)]))
        if len(pending) > min(self._rows):
            raise InvalidValue(
                f"pending actions: expected at most {min(self._rows)}, the stack=... of the model's"
                f" input, got {len(pending)}"
            )
        missing = max(self._rows) - len(pending)
        rows = functions.stacked([*pending, *[functions.zeros()] * missing])
        is_pending = [[1.0]] * len(pending) + [[0.0]] * missing
        return plans.Outputs(
            last, rows, functions.number(is_pending), functions.number([len(pending)])
        )

    def _frames(self, raws: Sequence[Any], outputs: plans.Outputs) -> Any:
        """Return the current array of each stack."""
        currents, sound = self._functions.frames(raws, outputs)
        self._check(self._stacks, sound, raws)
        return currents

    def _check(
        self, leaves: Sequence[ArrayLeaf], sound: Sequence[Any], raws: Sequence[Any]
    ) -> None:
        """Check that the dtypes of leaves could hold their numbers.

        Raises:
            InvalidValue: One could not; the message names it and what it was made of.
        """
        for leaf, is_sound in zip(leaves, sound):
            if is_sound is None or is_sound.item():
                continue
            places = [part.place for part in leaf.parts if isinstance(part, plans.Read)]
            read = ", ".join(
                f"{path_text('observation', self._plan.reads[place])} ="
                f" {raws[place].reshape((-1,)).tolist()[:8]}"
                for place in places
            )
            raise InvalidValue(
                f"{leaf.name}: expected finite numbers, as {leaf.dtype} has no others, got some"
                f" that are not, from {read or 'the model itself'}"
            )

    def _begin(self, firsts: Sequence[Any]) -> None:
        """Fill the past of an episode that has none."""
        for i, (past, first) in enumerate(zip(self._pasts, firsts)):
            blank = self._stacks[i].blank
            before = first if blank is None else self._functions.made_up(i, blank)
            past.extend([before] * (past.maxlen or 1))

    def _remember(self, currents: Sequence[Any]) -> None:
        for past, current in zip(self._pasts, currents):
            past.append(current)

    def _assembled(self, tree: Any, arrays: Iterator[Any], observation: Any) -> Any:
        """Return a payload, whose arrays are given in the order of its leaves."""
        if isinstance(tree, ArrayLeaf):
            array = next(arrays)
            return array.tolist() if tree.as_list else array
        if isinstance(tree, plans.TextLeaf):
            return self._text(tree, observation)
        if isinstance(tree, plans.CustomLeaf):
            return tree.transform(observation)
        if isinstance(tree, dict):
            return {key: self._assembled(part, arrays, observation) for key, part in tree.items()}
        return tuple(self._assembled(part, arrays, observation) for part in tree)

    def _text(self, leaf: plans.TextLeaf, observation: Any) -> Any:
        text = self._instruction
        if text is None and leaf.path is not None:
            text = value_at(observation, leaf.path)
        if text is None:
            text = leaf.fill
        if not isinstance(text, str):
            raise InvalidValue(f"instruction: expected a str for the model's text, got {text!r}")
        if leaf.template is not None:
            text = leaf.template.replace("{text}", text)
        return [text] if leaf.as_list else text

    def _raise_infinite(self, vector: Any) -> None:
        rows = vector.reshape((-1, vector.shape[-1])).tolist()
        for name, start, stop in self._plan.action.names:
            values = [value for row in rows for value in row[start:stop]]
            if not all(map(math.isfinite, values)):
                raise InvalidValue(
                    f"{name}: expected finite numbers from the model, got {values[:8]}"
                )
        for base, state in zip(self._plan.action.bases, self._states or ()):
            values = run(self._functions.ops, base.steps, state).tolist()
            if not all(map(math.isfinite, values)):
                raise InvalidValue(
                    f"{base.name}: expected finite numbers, to which the model's changes are added,"
                    f" got {values[:8]}"
                )
        # One of them is too large for the action's dtype.
        raise InvalidValue(f"the model's output: expected finite numbers, got {rows[0][:8]}")
