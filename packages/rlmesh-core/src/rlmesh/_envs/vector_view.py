"""The client's side of a vector env, seen through one framework's values."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from rlmesh._contract.fields import checked
from rlmesh._rpc.arrivals import Way
from rlmesh._tasks import complete
from rlmesh._values.tensor import Tensor
from rlmesh._wire.codec import Codec
from rlmesh._wire.info import decode_info, encode_whole
from rlmesh._wire.messages import RENDER, RESET, STEP
from rlmesh._wire.payload import PartReader, Parts
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue, ProtocolError
from rlmesh.spaces import GraphInstance
from rlmesh.spaces._describe import describe

from .client import EnvCalls, checked_seed, seconds_of, unreadable
from .local_vector import Seeds
from .vector_service import FINAL_KEYS

_REWARDS = ("float64", "float32", "float16")


class VectorView:
    """A vector env, served or in this process, with the values of one framework.

    Args:
        client: What executes requests on the env, with the env's contract.
        backend: Whose arrays come out.
        graph_type: What observations of a Graph space become.
        device: Where arrays live, but those of infos; see `Backend.as_device`.
    """

    def __init__(
        self,
        client: EnvCalls,
        backend: Backend,
        graph_type: Any = GraphInstance,
        device: Optional[Any] = None,
    ) -> None:
        self.contract = contract = client.contract
        assert contract.num_envs is not None
        assert contract.single_observation_space is not None
        self.num_envs = contract.num_envs
        self.env_seconds = 0.0
        self._way = Way()
        self._client, self._backend, self._device = client, backend, device
        self._observations = Codec(
            contract.observation_space, backend, "observation", graph_type, device
        )
        self._finals = Codec(
            contract.single_observation_space, backend, "final_obs", graph_type, device
        )
        self._actions = Codec(contract.action_space, backend, "action")

    def unread(self, seconds: float) -> float:
        """Return for how much of the last call's time its reply lay unread; see `EnvPort`."""
        return self._way.unread(seconds, self._client.unread)

    async def reset(
        self, seed: Seeds = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Any]:
        """Start episodes; return observations and infos."""
        parts: Parts = []
        packed = None if options is None else encode_whole(options, parts, "options")
        body = self._checked_seeds(seed), packed
        is_partial = options is not None and "reset_mask" in options
        reply, payload = await self._client.call(RESET, body, parts, goes_on=is_partial)
        try:
            observations, infos, elapsed = reply
        except (TypeError, ValueError):
            raise unreadable(3) from None
        self.env_seconds = seconds_of(elapsed)
        reader = PartReader(payload)
        return self._observations.decode(observations, reader), self._infos(infos, reader)

    async def step(self, actions: Any) -> Tuple[Any, Any, Any, Any, Any]:
        """Return observations, rewards, terminations, truncations and infos."""
        parts: Parts = []
        body = self._actions.encode(actions, parts)
        reply, payload = await self._client.call(STEP, body, parts)
        try:
            observations, (rewards, terminations, truncations), infos, finals, elapsed = reply
        except (TypeError, ValueError):
            raise unreadable(5) from None
        self.env_seconds = seconds_of(elapsed)
        reader = PartReader(payload)
        decoded = self._observations.decode(observations, reader)
        known = self._infos(infos, reader)
        if finals is not None:
            self._put_finals(finals, reader, known)
        return (
            decoded,
            self._column(rewards, "rewards", _REWARDS),
            self._column(terminations, "terminations", ("bool",)),
            self._column(truncations, "truncations", ("bool",)),
            known,
        )

    def render_now(self) -> Any:
        """Return what the env renders in its mode: a tuple with the frame of each sub-env."""
        reply, payload = self._client.call_now(RENDER, None, ())
        try:
            packed, elapsed = reply
        except (TypeError, ValueError):
            raise unreadable(2) from None
        seconds_of(elapsed)
        known = self._infos(packed, PartReader(payload))
        if "frame" not in known:
            raise unreadable(2)
        frames = known["frame"]
        return tuple(frames) if isinstance(frames, list) else frames

    def _checked_seeds(self, seed: Seeds) -> Any:
        if not hasattr(seed, "__len__"):
            return checked_seed(seed)
        seeds: List[Any] = list(seed)  # type: ignore[arg-type]
        if len(seeds) != self.num_envs:
            raise InvalidValue(
                f"seed: expected an integer, None, or one for each of {self.num_envs} sub-envs,"
                f" got {len(seeds)}: {seeds!r}"
            )
        return [checked_seed(one) for one in seeds]

    def _infos(self, data: Any, reader: PartReader) -> Dict[Any, Any]:
        return decode_info(data, reader, self._backend.from_tensor, self._backend.object_array)

    def _column(self, column: Any, name: str, dtypes: Sequence[str]) -> Any:
        """Return rewards or flags as an array of the framework."""
        try:
            dtype, data = checked(column, name, list, tuple)
            if dtype not in dtypes:
                raise TypeError(f"expected the dtype {' or '.join(dtypes)}, got {describe(dtype)}")
            data = bytearray(checked(data, "data", bytes))
            tensor = Tensor(data, dtype, (self.num_envs,))
            if dtype == "bool" and data.translate(None, b"\0\1"):
                raise ValueError("expected 0 and 1 for False and True")
        except (TypeError, ValueError) as exc:
            raise ProtocolError(f"step: {name} of the reply do not parse: {exc}") from exc
        return self._backend.from_tensor(tensor, self._device)

    def _put_finals(self, finals: Any, reader: PartReader, infos: Dict[Any, Any]) -> None:
        """Put the last observations of finished episodes where infos had them."""
        try:
            key, bodies = checked(finals, "finals", list, tuple)
            if key not in FINAL_KEYS or len(checked(bodies, key, list)) != self.num_envs:
                raise ValueError(f"expected a list of {self.num_envs} under one of {FINAL_KEYS}")
            values = [
                None if one is None else self._finals.decode(one[0], reader) for one in bodies
            ]
            infos[key] = self._backend.object_array("O", (self.num_envs,), values)
        except (TypeError, ValueError, LookupError) as exc:
            raise ProtocolError(f"step: the final observations do not parse: {exc}") from exc


class BlockingVectorView:
    """A view whose calls block.

    Args:
        view: The view; its client blocks as well.
    """

    def __init__(self, view: VectorView) -> None:
        self._view = view

    def reset(
        self, seed: Seeds = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Any]:
        """Start episodes; return observations and infos."""
        return complete(self._view.reset(seed, options))

    def step(self, actions: Any) -> Tuple[Any, Any, Any, Any, Any]:
        """Return observations, rewards, terminations, truncations and infos."""
        return complete(self._view.step(actions))

    def render(self) -> Any:
        """Return what the env renders in its mode: a tuple with the frame of each sub-env."""
        return self._view.render_now()
