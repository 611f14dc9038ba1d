"""`ModelBase`: a predict function, run against envs or served to others that do."""

from __future__ import annotations

import inspect
import os
from functools import partial
from typing import (
    Any,
    Callable,
    ClassVar,
    Dict,
    List,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
    Union,
)

from rlmesh._contract.plain import plain
from rlmesh._rpc.calls import Caller
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.service import Service
from rlmesh._runtime.awaitables import refuse_async, refuse_awaitable
from rlmesh._transport.security import Token
from rlmesh.adapters import AdapterBase, ModelSpec
from rlmesh.backends import Backend, NativeBackend, NumpyBridge
from rlmesh.errors import BackendNotInstalled
from rlmesh.types import ArtifactInput, LifecycleCallback, Value

from .adaptation import Delegated, Spec, takes_instruction
from .evaluator import Evaluator, Policies
from .lanes import Terms
from .policy import LocalPolicies
from .server import ModelServer
from .service import ModelService
from .source import CORNERS, Source
from .sources import Sources

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


class ModelBase(Evaluator[ObsT, ActT]):
    """A predict function, and the framework of the values that it takes and gives.

    `run` drives it against an env, `serve` hosts it for others that do. The source is a callable
    that takes an observation and returns an action, or an object with at least one of

    | method | takes | returns |
    |---|---|---|
    | `predict(observation)` | one observation | one action |
    | `predict_chunk(observation)` | one observation | the actions of the next steps |
    | `predict_batch(observations)` | a batch | one action for each |
    | `predict_chunk_batch(observations)` | a batch | the actions of the next steps for each |

    A subclass may define these methods itself, and takes no source then. A further argument named
    `context` (`contexts` for a batch: a list) gets a `PredictContext` for each observation.

    Args:
        source: What predicts, unless the class does. Its `reset`, `on_episode_end` and `close`
            serve as callbacks unless others are given.
        spec: A `rlmesh.adapters.ModelSpec`, which is matched with the tags of each env: predict
            then works in the model's own format. None for a model that takes the env's own
            observations and gives its actions, `DELEGATED` for one that does its own adapting, an
            `AdapterBase` for an adapter written by hand.
        on_reset: Called after each reset, before the episode's first predict.
        on_episode_end: Called at the end of each episode, also when something raised.
        on_close: Called at the end of each run, session or `serve`, also when something raised.
        artifacts: Files and folders that a subclass's `load` needs; unused without one.
        load_kwargs: Arguments for a subclass's `load`; unused without one.
        trust_entrypoints: Whether a spec may name functions to import.
        device: Where observations arrive before predict, in frameworks that know devices:
            `"cuda:0"`, say. None is the framework's default. Actions may come from any device.
        factory: Takes the place of `source`, for a policy that keeps the state of its episode on
            itself: a callable without arguments that makes a source, or a whole `Model`. Each lane
            of a run and each client of a served model gets a source of its own, which is closed
            after it. Observations of different lanes are not put into one batch then.
        stateless: Whether the source keeps no state, although its `reset` or `on_episode_end`
            takes no episode id. A source may say so itself by an attribute `stateless = True`.

    `on_reset` and `on_episode_end` are called with the episode's id, a `str`, where they accept a
    positional argument. If one of them does not, RLMesh assumes that the source can play one
    episode at a time only: a run with several lanes, and a second client of a served model, are
    refused, unless there is a `factory` or the source is `stateless`.

    A subclass's `load(**load_kwargs)` is called once, from here; it gets the artifacts, if it has
    an argument of that name.

    Raises:
        TypeError: The source, a callback or `load_kwargs` cannot be called as they would be.
        ValueError: The factory's models are not of this framework.
        FileNotFoundError: An artifact does not exist.
        InvalidValue: The framework knows no such device.

    Examples:
        >>> import gymnasium, rlmesh
        >>> model = rlmesh.Model(lambda observation: int(observation[2] > 0))
        >>> model.run(gymnasium.make("CartPole-v1"), seeds=range(3)).total_steps
        127
    """

    _backend: ClassVar[Backend]

    def __init__(
        self,
        source: Any = None,
        *,
        spec: Optional[object] = None,
        on_reset: Optional[LifecycleCallback] = None,
        on_episode_end: Optional[LifecycleCallback] = None,
        on_close: Optional[LifecycleCallback] = None,
        artifacts: Sequence[ArtifactInput] = (),
        load_kwargs: Optional[Mapping[str, object]] = None,
        trust_entrypoints: bool = False,
        device: Optional[object] = None,
        factory: Optional[Callable[[], Any]] = None,
        stateless: bool = False,
    ) -> None:
        if spec is not None and not isinstance(spec, (ModelSpec, AdapterBase, Delegated)):
            raise TypeError(
                "spec: expected an rlmesh.adapters.ModelSpec, an AdapterBase, rlmesh.DELEGATED or"
                f" None, got {spec!r:.200} ({type(spec).__name__})"
            )
        self._spec: Spec = spec
        self._trust_entrypoints = trust_entrypoints
        self._device = self._backend.as_device(device)
        if not isinstance(stateless, bool):
            raise TypeError(f"stateless: expected True or False, got {stateless!r}")
        if any(hasattr(type(self), name) for name in CORNERS):
            for name, given in (("source", source), ("factory", factory)):
                if given is not None:
                    raise TypeError(
                        f"{name}: expected none, because {type(self).__name__} predicts itself,"
                        f" got {given!r}"
                    )
            source = self
            _load(self, artifacts, load_kwargs or {})
        if factory is None:
            loaded = {"load_kwargs": load_kwargs, "artifacts": artifacts} if source is self else {}
            self._sources = Sources(
                Source(source, on_reset, on_episode_end, on_close, stateless, self._backend.name),
                made={key: plain(value) for key, value in loaded.items() if value},
            )
        else:
            if source is not None:
                raise TypeError(f"source: expected none beside a factory, got {source!r}")
            if not callable(factory):
                raise TypeError(
                    "factory: expected a callable without arguments that makes a policy, got"
                    f" {factory!r}"
                )
            refuse_async("factory", factory)
            make = partial(self._make, factory, on_reset, on_episode_end, stateless, device)
            made = {"factory": plain(factory)}
            self._sources = Sources(make(), make, on_close, made)
        self._framework = _framework(self._backend, self._spec)

    def _make(
        self,
        factory: Callable[[], Any],
        on_reset: Optional[LifecycleCallback],
        on_episode_end: Optional[LifecycleCallback],
        stateless: bool,
        device: Optional[object],
    ) -> Source:
        """Return a source that a factory makes."""
        made = factory()
        if not isinstance(made, ModelBase):
            return Source(made, on_reset, on_episode_end, None, stateless, self._backend.name)
        shared = made._sources.shared
        if on_reset is not None or on_episode_end is not None or shared is None:
            raise TypeError(
                "factory: the models that it makes have their own callbacks, and no factory;"
                f" expected neither here, got {made!r}"
            )
        if made._backend.name != self._backend.name:
            raise ValueError(
                f"factory: expected a model with {self._backend.name} values, got {made!r} with"
                f" {made._backend.name} ones"
            )
        # Of its models, all are alike.
        self._spec = made._spec if self._spec is None else self._spec
        self._device = made._device if device is None else self._device
        self._trust_entrypoints = self._trust_entrypoints or made._trust_entrypoints
        return shared

    @property
    def device(self) -> Optional[Any]:
        """Where observations arrive, in the framework's own terms; None for main memory."""
        return self._device

    @property
    def spec(self) -> Optional[object]:
        """The model's spec: a `ModelSpec`, an `AdapterBase`, `DELEGATED` or None."""
        return self._spec

    def serve(
        self, address: str, *, token: str = "", options: Optional[ServeOptions] = None
    ) -> None:
        """Host this model until SIGTERM, Ctrl-C or its `idle_timeout`; `ModelServer` does more.

        Args:
            address: `tcp://host:port`, `host:port` or `unix:///path`.
            token: The secret that clients must share; empty means `RLMESH_TOKEN`, or none.
            options: See `ServeOptions`.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; everything is freed by then.
            AddressInUse: Another server holds the address.
            AddressError: It does not parse, or is none of this machine.
            SecurityError: Other machines could reach it, and there is no token.
        """
        token = Token(token)
        ModelServer(self, address, token=token, options=options).serve()

    def new_service(self, options: ServeOptions) -> Service:
        """Return what a `ModelServer` serves."""
        return ModelService(
            self._sources,
            self._framework,
            self._device,
            self._spec,
            self._trust_entrypoints,
            options,
        )

    def __repr__(self) -> str:
        cls = type(self)
        package = cls.__module__.partition("._")[0]
        name = "" if self._sources.name == cls.__qualname__ else self._sources.name
        return f"{package}.{cls.__qualname__}({name})"

    def _check(self, terms: Terms) -> None:
        if terms.instruction is not None and not takes_instruction(self._spec):
            raise ValueError(
                "instruction: this model has no text input, so it cannot take"
                f" {terms.instruction!r}"
            )

    def _finish(self) -> None:
        self._sources.close()

    def _policies(self, terms: Terms, caller: Caller, lanes: int) -> Policies:
        return LocalPolicies(
            self._sources,
            self._framework,
            self._device,
            self._spec,
            self._trust_entrypoints,
            terms,
            lanes,
        )


class Model(ModelBase[Value, Value]):
    """A model on native values: `Tensor`, numbers, strings and containers."""

    _backend = NativeBackend()


def _framework(backend: Backend, spec: Spec) -> Backend:
    """Return the backend that computes: an adapter of a native model does so with NumPy."""
    if not isinstance(spec, ModelSpec) or backend.name != "native":
        return backend
    try:
        return NumpyBridge()
    except ImportError as exc:
        raise BackendNotInstalled(
            "a native model with a spec computes with NumPy, which is not installed:"
            " pip install numpy"
        ) from exc


def _load(model: Any, artifacts: Sequence[ArtifactInput], load_kwargs: Mapping[str, Any]) -> None:
    """Call a subclass's `load`, if it has one."""
    load: Optional[Callable[..., Any]] = getattr(model, "load", None)
    if not callable(load):
        return
    refuse_async("load", load)
    if isinstance(artifacts, (str, bytes, os.PathLike)):
        raise TypeError(f"artifacts: expected a sequence of paths, got {artifacts!r}")
    paths: List[Union[str, os.PathLike[str]]] = list(artifacts)
    for path in paths:
        if not os.path.exists(path):
            raise FileNotFoundError(f"artifacts: {os.fspath(path)!r} does not exist")
    signature = inspect.signature(load)
    arguments: Dict[str, Any] = dict(load_kwargs)
    if "artifacts" in signature.parameters:
        arguments.setdefault("artifacts", paths)
    try:
        signature.bind(**arguments)
    except TypeError as exc:
        raise TypeError(f"load_kwargs: expected arguments for load{signature}: {exc}") from None
    refuse_awaitable("load", load(**arguments))
