"""`ModelServer`: serves a model to many clients at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from rlmesh._rpc.hosting import ServerBase
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.service import Service
from rlmesh._transport.security import Token

if TYPE_CHECKING:
    from .base import ModelBase


class ModelServer(ServerBase):
    """Serves a model; each client has a session of its own.

    `predict` and the callbacks run on one thread: the one that calls `serve`, or the one that
    `start` makes. While a predict runs, pings and new clients are answered, and what arrives waits
    for the next one; where the model has a `predict_batch`, that is one batch. `on_close` is
    called at the end. A server that was shut down cannot be started again.

    Args:
        model: The model.
        address: `tcp://host:port`, `host:port` or `unix:///path`. Port 0 takes a free one.
        token: The secret that clients must share; empty means `RLMESH_TOKEN`, or none.
        options: See `ServeOptions`.

    Raises:
        TypeError: `model` is none.
        AddressError: The address does not parse.

    Examples:
        >>> import gymnasium, rlmesh
        >>> model = rlmesh.Model(lambda observation: int(observation[2] > 0))
        >>> with rlmesh.ModelServer(model) as server:
        ...     with rlmesh.RemoteModel(server.address) as remote:
        ...         remote.run(gymnasium.make("CartPole-v1"), seeds=range(3)).total_steps
        127
    """

    def __init__(
        self,
        model: ModelBase[Any, Any],
        address: str = "tcp://127.0.0.1:0",
        *,
        token: str = "",
        options: Optional[ServeOptions] = None,
    ) -> None:
        token = Token(token)
        super().__init__(address, token, options)
        if not callable(getattr(model, "new_service", None)):
            raise TypeError(
                f"model: expected a Model, got {model!r} ({type(model).__name__});"
                " rlmesh.numpy.Model(policy) makes one of a policy"
            )
        self._model = model

    def _new_service(self) -> Service:
        return self._model.new_service(self._options)

    def _name(self) -> str:
        return repr(self._model)
