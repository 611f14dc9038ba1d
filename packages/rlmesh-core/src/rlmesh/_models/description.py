"""What a run is of, as plain data: two runs of equal descriptions may be taken for the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import warnings
from typing import Any, Dict, List, Mapping, Optional

from rlmesh._contract.plain import name_of, unclear
from rlmesh._envs.ports import LaneEnv
from rlmesh._envs.vector_lanes import DISABLED, SubEnv
from rlmesh._text import printable
from rlmesh.adapters import AdapterBase
from rlmesh.adapters._declaration import Declaration
from rlmesh.adapters.adapter import Adapter
from rlmesh.adapters.resolve import METADATA_KEY

from .adaptation import Delegated, Spec

_MOST = 5
"""How many names are told."""

_ORIGIN = ("class", "wrappers", "arguments", "envs", "factory", "factory_kwargs")
"""See `EnvContract.origin`."""


def describe_model(identity: Mapping[str, Any], spec: Spec, padding: int) -> Dict[str, Any]:
    """Return what is known of a model, which does not include its weights.

    Args:
        identity: Of its source the `name`, the `module`, and the `arguments` of a partial; its
            `factory`, and its `load_kwargs` and `artifacts`, each None where there are none.
        spec: Its spec.
        padding: To how many observations every batch is filled up; 0 for none.
    """
    return {**identity, "spec": _spec(spec), "batch_padding": padding}


def describe_env(env: LaneEnv) -> Dict[str, Any]:
    """Return what an env's episodes depend on; the rest of its metadata may tell of a machine.

    That a server renders changes no episode.
    """
    contract = env.contract
    origin = {**dict.fromkeys(_ORIGIN), **contract.origin}
    kwargs = {} if contract.spec is None else contract.spec.kwargs
    mode = env.hub.mode if isinstance(env, SubEnv) else DISABLED
    description = {
        "env_id": contract.env_id,
        "kwargs": _unrendered(kwargs),
        **origin,
        "factory_kwargs": _unrendered(origin["factory_kwargs"]),
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
    name: Optional[str] = None,
) -> Dict[str, Any]:
    """Return what a run is of.

    Args:
        model: See `describe_model`.
        envs: The env of each lane.
        seeds: The seed of each episode.
        options: Those of `run` on which a result depends.
        name: What the user calls it.
    """
    different = {json.dumps(env, sort_keys=True): env for env in envs}
    each = [different[text] for text in sorted(different)]
    env = each[0] if len(each) == 1 else each
    run = {"model": model, "env": env, "seeds": seeds, "options": dict(options)}
    return run if name is None else {"name": name, **run}


def warn_if_unclear(run: Mapping[str, Any]) -> None:
    """Warn of a run that has no name, and whose model or env might be another of the same name."""
    if "name" in run:
        return
    found = [line for part in ("model", "env", "options") for line in unclear(run[part], part)]
    if found:
        warnings.warn(
            f"journal: it cannot tell {printable(', '.join(found[:_MOST]), 500)} from another one"
            ' of the same name; give the run a name, e.g. name="pi0-step30k", or use functions and'
            " classes at the top level of a module",
            RuntimeWarning,
            stacklevel=4,
        )


def _unrendered(kwargs: Any) -> Dict[str, Any]:
    return {key: value for key, value in (kwargs or {}).items() if key != "render_mode"}


def _spec(spec: Spec) -> Any:
    if isinstance(spec, Adapter):
        return {"adapter": name_of(spec), "steps": spec.explain().splitlines()}
    if isinstance(spec, AdapterBase):
        return {"adapter": name_of(spec)}
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
    return name_of(value)
