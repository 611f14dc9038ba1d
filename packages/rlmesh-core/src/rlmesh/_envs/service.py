"""Executes the requests of a session on an env."""

from __future__ import annotations

import threading
import time
from typing import Any, Deque, Dict, Optional, Sequence, Tuple, Union

from rlmesh._contract.contract import EnvContract
from rlmesh._rpc.histogram import Histogram
from rlmesh._rpc.service import Call, Failure, Outcome
from rlmesh._rpc.session import Session
from rlmesh._wire.codec import Codec
from rlmesh._wire.exact import decode_exact, encode_exact
from rlmesh._wire.info import decode_info, encode_info, encode_whole
from rlmesh._wire.messages import CALL, GET_ATTR, RENDER, RESET, SELECT, SET_ATTR, STEP
from rlmesh._wire.payload import PartReader, Parts
from rlmesh.adapters.selection import Selection
from rlmesh.errors import EnvCrashed, NotReset, ProtocolError

from .attributes import attributes_of
from .local import LocalEnv
from .local_vector import LocalVectorEnv

PHASES = ("reset", "step", "render", "codec")
"""Whose durations are kept."""


class EnvService:
    """A `Service` that serves one env instance.

    The last field of every reply is the time that the env itself took, in nanoseconds.

    Args:
        env: The env.
        contract: What it promises.
        expose: The names of its attributes and methods that clients may use.
    """

    role = "env"
    capacity = 1
    is_worker = False
    """Whether the process is there for this env alone, and crashes with it."""
    sharing_rule = "a served env instance has one client at a time"

    def __init__(
        self,
        env: Union[LocalEnv, LocalVectorEnv],
        contract: EnvContract,
        expose: Sequence[str] = (),
    ) -> None:
        self._env = env
        self._attributes = attributes_of(env, expose)
        self._description: Dict[str, Any] = {**contract.to_dict(), "expose": list(expose)}
        self._everything = Codec(env.observation_space, env.backend, "observation").encode
        self._encode = self._everything
        self._actions = Codec(env.action_space, env.backend, "action", env.graph_type)
        self._was_reset = False
        self.latencies = {phase: Histogram() for phase in PHASES}
        self._step_took = self.latencies["step"].add
        self._codec_took = self.latencies["codec"].add

    def describe(self) -> Dict[str, Any]:
        """Return the contract and the exposed names as plain data."""
        return self._description

    def delay(self, waiting: Deque[Call]) -> Optional[float]:
        """Return 0 for any call: nothing is gained by waiting for more."""
        return 0.0 if waiting else None

    def execute(self, waiting: Deque[Call]) -> Sequence[Tuple[Call, Outcome]]:
        """Execute the next call."""
        call = waiting.popleft()
        try:
            return ((call, self.call(call.op, call.body, call.payload)),)
        except BaseException as exc:
            if self._is_end(exc):
                raise
            return ((call, Failure(exc)),)

    def _is_end(self, exc: BaseException) -> bool:
        """Return whether this process is to end, rather than the client to be told of an error."""
        if isinstance(exc, KeyboardInterrupt):
            # Ctrl-C comes on the main thread; elsewhere, the env has raised it.
            return threading.current_thread() is threading.main_thread()
        return self.is_worker and (isinstance(exc, EnvCrashed) or not isinstance(exc, Exception))

    def release(self, session: Session) -> None:
        """Make the next session start with a reset, and with whole observations."""
        self._was_reset = False
        self._encode = self._everything

    def close(self) -> None:
        """Leave the env alone, which belongs to whoever serves it."""

    def call(self, op: int, body: Any, payload: Sequence[memoryview]) -> Tuple[Any, Parts]:
        """Execute one of the operations of a session."""
        parts: Parts = []
        reader = PartReader(payload)
        if op == STEP:
            reply = self._step(body, reader, parts)
        elif op == RESET:
            reply = self._reset(body, reader, parts)
        elif op == RENDER:
            reply = self._render(parts)
        elif op == SELECT:
            self._select(body)
            reply = None
        elif op in (GET_ATTR, SET_ATTR, CALL):
            reply = self._use_attribute(op, body, reader, parts)
        else:
            raise ProtocolError(f"unknown operation {op}")
        return reply, parts

    def _step(self, body: Any, reader: PartReader, parts: Parts) -> Any:
        if not self._was_reset:
            raise NotReset("step: call reset() first")
        received = time.perf_counter_ns()
        action = self._actions.decode(body, reader)
        started = time.perf_counter_ns()
        observation, reward, terminated, truncated, info = self._env.step(action)
        elapsed = time.perf_counter_ns() - started
        self._step_took(elapsed)
        observed = self._encode(observation, parts)
        packed_info = encode_info(info, parts)
        self._codec_took(time.perf_counter_ns() - received - elapsed)
        return observed, reward, terminated, truncated, packed_info, elapsed

    def _reset(self, body: Any, reader: PartReader, parts: Parts) -> Any:
        received = time.perf_counter_ns()
        try:
            seed, packed_options = body
        except (TypeError, ValueError):
            raise ProtocolError("reset: expected a seed and options") from None
        self._check_seed(seed)
        options = None
        if packed_options is not None:
            options = decode_info(packed_options, reader, self._env.backend.from_tensor)
        started = time.perf_counter_ns()
        observation, info = self._env.reset(seed, options)
        elapsed = time.perf_counter_ns() - started
        self._was_reset = True
        self.latencies["reset"].add(elapsed)
        reply = self._encode(observation, parts), encode_info(info, parts), elapsed
        self._codec_took(time.perf_counter_ns() - received - elapsed)
        return reply

    def _check_seed(self, seed: Any) -> None:
        if seed is not None and type(seed) is not int:
            raise ProtocolError(f"reset: expected an integer seed, got {type(seed).__name__}")

    def _render(self, parts: Parts) -> Any:
        if not self._was_reset:
            raise NotReset(
                "render: call reset() first; a hook of a run renders its env with event.render()"
            )
        started = time.perf_counter_ns()
        frame = self._env.render()
        elapsed = time.perf_counter_ns() - started
        self.latencies["render"].add(elapsed)
        packed = encode_whole({"frame": frame}, parts, "render")
        self._codec_took(time.perf_counter_ns() - started - elapsed)
        return packed, elapsed

    def _use_attribute(self, op: int, body: Any, reader: PartReader, parts: Parts) -> Any:
        """Get or set an attribute, or call a method; return what `RemoteAttributes` expects."""
        attributes, backend = self._attributes, self._env.backend
        try:
            name, packed = body
        except (TypeError, ValueError):
            raise ProtocolError("attribute: expected a name and a value") from None
        if type(name) is not str or (op == GET_ATTR and packed is not None):
            raise ProtocolError("attribute: expected a str as the name, and a value to set or pass")
        attributes.check(name)
        if op == GET_ATTR:
            value = attributes.get(name)
            if callable(value):
                return None  # a method, which can be called from afar, but not carried
            return encode_exact(value, name, parts, backend)
        value = decode_exact(packed, reader, backend)
        if op == SET_ATTR:
            attributes.set(name, value)
            return None
        try:
            args, kwargs = value["args"], value["kwargs"]
        except (TypeError, LookupError):
            raise ProtocolError("call: expected arguments and keyword arguments") from None
        returned = attributes.call(name, args, kwargs)
        return encode_exact(returned, f"what {name}() returned", parts, backend)

    def _select(self, body: Any) -> None:
        """From now on, send only what is selected of observations; all of them for None."""
        if body is None:
            self._encode = self._everything
            return
        selection = Selection.from_plain(body)
        space, backend = self._env.observation_space, self._env.backend
        pick = selection.picker(space, backend)
        encode = Codec(selection.space(space), backend, "observation").encode
        self._encode = lambda observation, parts: encode(pick(observation), parts)
