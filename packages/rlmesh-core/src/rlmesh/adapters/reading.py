"""Reading an env's observations by role, without a model."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from rlmesh.errors import AdapterResolutionError
from rlmesh.spaces import Box, Space

from ._leaves import ImageLeaf, TextLeaf, VectorLeaf, missing, offers_of
from ._resolution import resolve_plan
from .actions import Action, Actuator
from .adapter import Adapter
from .inputs import Image, ModelSpec, State, Text
from .tags import EnvTags

_FORMS = {ImageLeaf: Image, VectorLeaf: State, TextLeaf: Text}
_PAST = ("stack", "stride", "offsets", "stack_pad", "source")
_NO_ACTION = Action(Actuator(dim=1))


class Reader:
    """Reads observations of one env.

    Args:
        tags: What the env says of itself.
        space: Its observation space.
    """

    def __init__(self, tags: EnvTags, space: Space[Any]) -> None:
        self._tags = tags
        self._space = space
        self._offers = offers_of(tags, space)
        self._adapters: Dict[str, Adapter] = {}

    def read(self, observation: Any, role: str, form: Mapping[str, Any]) -> Any:
        """Return what an observation has of a role.

        Args:
            observation: One of the env's, whole.
            role: The role.
            form: Fields of `Image`, `State` or `Text`, whichever the env tags it as.

        Raises:
            AdapterResolutionError: The env has no such role, or cannot give it this form.
        """
        key = f"{role} {sorted(form.items())!r}"
        adapter = self._adapters.get(key)
        if adapter is None:
            self._adapters[key] = adapter = self._resolve(role, form)
        return adapter.transform_obs(observation)

    def _resolve(self, role: str, form: Mapping[str, Any]) -> Adapter:
        offered = self._offers.get(role)
        if not offered:
            raise missing(self._offers, role, None, "read")
        kind: Any = _FORMS[type(next(iter(offered.values())))]
        for field in form:
            if field in _PAST or field not in kind.__dataclass_fields__:
                raise AdapterResolutionError(
                    f"read: expected fields of {kind.__name__} for {role!r} that need no past,"
                    f" got {field!r}"
                )
        spec = ModelSpec(kind(role, **form), _NO_ACTION)
        tags = EnvTags(self._tags.observation, _NO_ACTION)
        space = Box(-1, 1, (1,))
        return Adapter(resolve_plan(tags, self._space, space, spec, trust_entrypoints=False))
