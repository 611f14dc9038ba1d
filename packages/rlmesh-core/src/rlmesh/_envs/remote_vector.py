"""`RemoteVectorEnv`: a served vector env, used as if it were here."""

from __future__ import annotations

from typing import Any, Dict, Generic, Mapping, Optional, Tuple, TypeVar

from rlmesh._values.tensor import Tensor
from rlmesh.backends import Backend, NativeBackend
from rlmesh.spaces import Space
from rlmesh.types import Value

from .local_vector import Seeds
from .remote import ActT, ObsT, RemoteBase
from .vector_view import BlockingVectorView, VectorView

ArrayT = TypeVar("ArrayT")


class RemoteVectorEnvBase(RemoteBase, Generic[ObsT, ActT, ArrayT]):
    """A served vector env with Gymnasium's methods; subclasses choose the framework of its values.

    It holds the env until `close`, and goes on after a lost session with the next `reset` of all
    sub-envs, as `RemoteEnv` does.

    Args:
        address: Where the vector env is served.
        token: See `RemoteEnvBase`.
        connect_timeout: See `RemoteEnvBase`.
        step_timeout: Seconds that one `step` of all sub-envs may take.
        reset_timeout: Seconds that one `reset` or `render` of all sub-envs may take.
        takeover: See `RemoteEnvBase`.
        busy_timeout: See there.
        device: Where observations, rewards, terminations and truncations arrive; see
            `RemoteEnvBase`.

    Raises:
        TypeError: A single env is served there.
        RLMeshError: See `RemoteEnvBase`.
    """

    _is_vector = True
    _view: BlockingVectorView

    @property
    def num_envs(self) -> int:
        """How many sub-envs there are."""
        assert self.contract.num_envs is not None
        return self.contract.num_envs

    @property
    def single_observation_space(self) -> Space[Any]:
        """The space of one sub-env's observations; `observation_space` is that of a batch."""
        assert self.contract.single_observation_space is not None
        return self.contract.single_observation_space

    @property
    def single_action_space(self) -> Space[Any]:
        """The space of one sub-env's actions; `action_space` is that of a batch."""
        assert self.contract.single_action_space is not None
        return self.contract.single_action_space

    @property
    def autoreset_mode(self) -> Optional[str]:
        """When a finished sub-env is reset: `"NextStep"`, `"SameStep"` or `"Disabled"`.

        None if the env does not say.
        """
        return self.contract.autoreset_mode

    def reset(
        self, *, seed: Seeds = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[ObsT, Dict[str, Any]]:
        """Start an episode in every sub-env.

        Args:
            seed: An integer, from which the seeds of the sub-envs count up; or a list of
                `num_envs` integers or None; or None.
            options: Passed to the env as plain data. With `reset_mask`, an array of `num_envs`
                booleans, only some sub-envs are reset.

        Returns:
            Observations, of `observation_space`, and infos.

        Raises:
            EnvError: The env raised, because of a mask of another shape, say.
            InvalidValue: There are more or fewer seeds than sub-envs; or the observations break
                their own space.
            RequestTimeout, ConnectionFailed, SessionLost: The session ended.
        """
        return self._view.reset(seed, options)

    def step(self, actions: ActT) -> Tuple[ObsT, ArrayT, ArrayT, ArrayT, Dict[str, Any]]:
        """Execute one action in every sub-env.

        Args:
            actions: Actions of `action_space`.

        Returns:
            Observations; rewards, an array of floats of shape `(num_envs,)`; terminations and
            truncations, arrays of bool of that shape; infos. Infos are those of the env: arrays and
            dicts, each with a mask under the same key with a `_` before it.

        Raises:
            InvalidValue: The actions do not fit their space, or the env broke its own.
            NotReset: There was no `reset` yet.
            EnvError: The env raised, because a finished sub-env was not reset, say.
            RequestTimeout, ConnectionFailed, SessionLost: The session ended.
        """
        return self._view.step(actions)

    def render(self) -> Any:
        """Return what the env renders in its own mode: a tuple with a frame of each sub-env.

        Raises:
            NotReset: There was no `reset` yet.
            EnvError: The env raised.
        """
        return self._view.render()

    def view(self, backend: Backend, **options: Any) -> BlockingVectorView:
        """Return the same session with the values of another framework."""
        return BlockingVectorView(VectorView(self._client, backend, **options))


class RemoteVectorEnv(RemoteVectorEnvBase[Value, Value, Tensor]):
    """A served vector env with native values: `Tensor`, numbers, strings and containers."""

    _backend = NativeBackend()
