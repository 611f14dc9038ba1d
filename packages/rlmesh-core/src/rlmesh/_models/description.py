"""What a run is of, as plain data: two runs of equal descriptions may be taken for the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Dict, List, Mapping, Optional

from rlmesh._envs.ports import LaneEnv
from rlmesh._envs.vector_lanes import DISABLED, SubEnv
from rlmesh.adapters import AdapterBase
from rlmesh.adapters._declaration import Declaration
from rlmesh.adapters.adapter import Adapter
from rlmesh.adapters.resolve import METADATA_KEY

from .adaptation import Delegated, Spec


def describe_model(name: str, spec: Spec, padding: int) -> Dict[str, Any]:
    """Return what is known of a model, which does not include its weights.

    Args:
        name: What its source calls itself.
        spec: Its spec.
        padding: To how many observations every batch is filled up; 0 for none.
    """
    return {"name": name, "spec": _spec(spec), "batch_padding": padding}


def describe_env(env: LaneEnv) -> Dict[str, Any]:
    """Return what an env's episodes depend on; the rest of its metadata may tell of a machine."""
    contract = env.contract
    mode = env.hub.mode if isinstance(env, SubEnv) else DISABLED
    description = {
        "env_id": contract.env_id,
        "observation_space": contract.observation_space.to_spec(),
        "action_space": contract.action_space.to_spec(),
        "max_episode_steps": contract.max_episode_steps,
        "tags": contract.metadata.get(METADATA_KEY),
        # With a reset on request, the sub-env of a vector env is like a single one.
        "autoreset_mode": None if mode == DISABLED else mode,
    }
    plain: Dict[str, Any] = _plain(description)
    return plain


def describe_run(
    model: Any,
    envs: List[Dict[str, Any]],
    seeds: List[Optional[int]],
    options: Mapping[str, Any],
) -> Dict[str, Any]:
    """Return what a run is of.

    Args:
        model: See `describe_model`.
        envs: The env of each lane.
        seeds: The seed of each episode.
        options: Those of `run` on which a result depends.
    """
    different = {json.dumps(env, sort_keys=True): env for env in envs}
    each = [different[text] for text in sorted(different)]
    env = each[0] if len(each) == 1 else each
    return {"model": model, "env": env, "seeds": seeds, "options": dict(options)}


def _spec(spec: Spec) -> Any:
    if isinstance(spec, Adapter):
        return {"adapter": type(spec).__qualname__, "steps": spec.explain().splitlines()}
    if isinstance(spec, AdapterBase):
        return {"adapter": type(spec).__qualname__}
    return "DELEGATED" if isinstance(spec, Delegated) else _plain(spec)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: functions by their name, and bytes by their digest."""
    if isinstance(value, Declaration):
        fields: Dict[str, Any] = {"kind": value.kind}
        for field in dataclasses.fields(value):  # type: ignore[arg-type]
            # A field that is new in a later version is not to make a run another one.
            if repr(getattr(value, field.name)) != repr(field.default):
                fields[field.name] = _plain(getattr(value, field.name))
        return fields
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()}"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return getattr(value, "__qualname__", type(value).__qualname__)
