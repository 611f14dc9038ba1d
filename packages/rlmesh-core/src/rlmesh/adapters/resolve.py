"""`resolve` and what leads to it: tags on an env, and in its contract."""

from __future__ import annotations

from typing import Any, Dict, Optional, TypeVar

from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh.backends import Backend
from rlmesh.errors import AdapterResolutionError
from rlmesh.spaces import as_space

from ._actuators import check_action
from ._declaration import leaves_of, path_text
from ._leaves import offers_of
from ._plain import shown
from ._resolution import custom_encodings, resolve_plan
from ._rotations import PROBE_QUATERNIONS, convert
from ._rotations import check_inverse as try_both_arms
from .adapter import Adapter
from .inputs import ModelSpec
from .tags import EnvTags

METADATA_KEY = "rlmesh.tags"
"""Where an env's metadata hold its tags, as plain data."""

EnvT = TypeVar("EnvT")


def resolve(
    env_tags: EnvTags,
    observation_space: Any,
    action_space: Any,
    model_spec: ModelSpec,
    *,
    trust_entrypoints: bool = False,
    check_inverse: bool = True,
) -> Adapter:
    """Return the adapter between an env and a model.

    Args:
        env_tags: What the env says of itself.
        observation_space: Its space, ours or Gymnasium's.
        action_space: Likewise.
        model_spec: What the model wants, and emits.
        trust_entrypoints: Whether functions that the spec names may be imported.
        check_inverse: Whether the arms of each `CustomEncoding` are tried against each other.

    Raises:
        AdapterResolutionError: They do not go together; the message names the leaf, what it has
            and what was expected.
    """
    plan = resolve_plan(
        env_tags, observation_space, action_space, model_spec, trust_entrypoints=trust_entrypoints
    )
    if check_inverse:
        check_encodings(env_tags, model_spec, None)
    return Adapter(plan)


def resolve_from_contract(
    contract: Any,
    model_spec: ModelSpec,
    *,
    trust_entrypoints: bool = False,
    check_inverse: bool = True,
) -> Adapter:
    """Return the adapter between an env, whose contract holds its tags, and a model.

    Args:
        contract: An `EnvContract`.
        model_spec: As for `resolve`.
        trust_entrypoints: As for `resolve`.
        check_inverse: As for `resolve`.

    Raises:
        AdapterResolutionError: As `resolve`; or the env has no tags.
    """
    return resolve(
        tags_of(contract.metadata, contract.env_id),
        contract.observation_space,
        contract.action_space,
        model_spec,
        trust_entrypoints=trust_entrypoints,
        check_inverse=check_inverse,
    )


def tags_of(metadata: Any, env_id: str) -> EnvTags:
    """Return the tags that an env's metadata hold.

    Raises:
        AdapterResolutionError: There are none, or they do not parse.
    """
    data = metadata.get(METADATA_KEY)
    if data is None:
        raise AdapterResolutionError(
            f"the env {env_id!r} has no tags, so that a model with a spec cannot be adapted to it;"
            " EnvServer(env, tags=...) or adapters.tag(env, tags) would give it some"
        )
    return EnvTags.from_dict(data)


def tag(env: EnvT, tags: EnvTags) -> EnvT:
    """Give an env its tags, checked against its spaces; return the env.

    Args:
        env: The env; its `metadata` are replaced by a copy with the tags.
        tags: What its observations and actions are.

    Raises:
        AdapterResolutionError: The tags do not fit the spaces.
    """
    described: Any = env
    metadata = tagged(described.observation_space, described.action_space, tags)
    known: Optional[Dict[str, Any]] = getattr(described, "metadata", None)
    described.metadata = {**(known or {}), **metadata}
    return env


def tagged(observation_space: Any, action_space: Any, tags: EnvTags) -> Dict[str, Any]:
    """Return the metadata that hold tags, which are checked against the spaces.

    Raises:
        AdapterResolutionError: They do not fit.
    """
    if not isinstance(tags, EnvTags):
        raise AdapterResolutionError(f"tags: expected EnvTags(...), got {shown(tags)}")
    offers_of(tags, as_space(observation_space, "observation_space"))
    if tags.action is not None:
        check_action(tags.action, as_space(action_space, "action_space"))
    return {METADATA_KEY: tags.to_dict()}


def check_dtypes(spec: ModelSpec, backend: Backend) -> None:
    """Check that a framework has the dtypes that a model wants; NumPy may lack bfloat16.

    Raises:
        AdapterResolutionError: It has not; the message says what to install.
    """
    for path, leaf in leaves_of(spec.input):
        if getattr(leaf, "dtype", None) == "bfloat16":
            try:
                backend.ops.constant(0.0, leaf.dtype, None)
            except ImportError as exc:
                where = path_text("input", path)
                raise AdapterResolutionError(
                    f"{where}.dtype: expected another than 'bfloat16', got {exc}"
                ) from exc


def check_encodings(tags: EnvTags, spec: ModelSpec, backend: Optional[Backend]) -> None:
    """Try the arms of each `CustomEncoding` against each other, and a known framework's dtypes.

    Args:
        tags: The env's side.
        spec: The model's.
        backend: On whose arrays; None takes NumPy's.

    Raises:
        AdapterResolutionError: One arm does not undo the other, or a dtype is missing.
    """
    if backend is not None:
        check_dtypes(spec, backend)
    for where, encoding in custom_encodings(tags, spec).items():
        ops = (backend or NumpyBridge()).ops
        probes = ops.constant(PROBE_QUATERNIONS, "float32", None)
        try:
            try_both_arms(ops.xp, encoding, convert(ops.xp, probes, "quat_xyzw", encoding.base))
        except ValueError as exc:
            raise AdapterResolutionError(f"{where}.encoding: {exc}") from exc
