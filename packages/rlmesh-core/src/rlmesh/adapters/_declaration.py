"""What all declarations have in common: checked, immutable, equal by value, and plain data."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional, Tuple, Type, TypeVar

from rlmesh.errors import AdapterResolutionError

from .roles import PREFIXES

_KINDS: Dict[str, Type[Declaration]] = {}
_IGNORED = ("x-", "ext-")
"""Fields of received data that begin so are somebody else's, and are passed over."""


class Declaration:
    """Base of every tag and spec: a frozen dataclass that converts to plain data and back.

    Attributes:
        kind: What plain data call it.
    """

    kind: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _KINDS[cls.kind] = cls

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data, from which `from_dict` builds an equal declaration.

        Raises:
            AdapterResolutionError: It holds a function, which is no data.
        """
        data: Dict[str, Any] = {"kind": self.kind}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value != field.default:
                data[field.name] = _to_plain(value, f"{type(self).__name__}.{field.name}")
        return data

    @classmethod
    def from_dict(cls: Type[DeclarationT], data: Any) -> DeclarationT:
        """Build a declaration from plain data.

        Raises:
            AdapterResolutionError: The data describe none of this kind, or have unknown fields.
        """
        found = _from_plain(data, cls.__name__)
        if not isinstance(found, cls):
            raise AdapterResolutionError(
                f"{cls.__name__}: expected a declaration of kind {cls.kind!r}, got {data!r:.200}"
            )
        return found

    @classmethod
    def _from_fields(cls: Type[DeclarationT], fields: Dict[str, Any]) -> DeclarationT:
        """Build a declaration from its fields."""
        return cls(**fields)

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls: Type[DeclarationT], text: str) -> DeclarationT:
        """Build a declaration from JSON text; as `from_dict`."""
        try:
            data = json.loads(text)
        except ValueError as exc:
            raise AdapterResolutionError(f"{cls.__name__}: expected JSON, got: {exc}") from None
        return cls.from_dict(data)

    def _set(self, **values: Any) -> None:
        """Set fields to their checked form, although the dataclass is frozen."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _fail(self, field: str, expected: str) -> AdapterResolutionError:
        """Return the error about a field that is not what was expected."""
        got = getattr(self, field)
        return AdapterResolutionError(
            f"{type(self).__name__}.{field}: expected {expected}, got {got!r}"
        )

    def _check_bools(self, *fields: str) -> None:
        for field in fields:
            if not isinstance(getattr(self, field), bool):
                raise self._fail(field, "True or False")

    def _check_choice(self, field: str, *choices: Any) -> None:
        if getattr(self, field) not in choices:
            raise self._fail(field, " or ".join(map(repr, choices)))

    def _check_text(self, *fields: str) -> None:
        """Check fields that are None or a non-empty str."""
        for field in fields:
            value = getattr(self, field)
            if value is not None and not (isinstance(value, str) and value):
                raise self._fail(field, "a non-empty str")

    def _check_role(self, prefix: str, optional: bool = False) -> None:
        """Check a role: of any name, but no well-known kind's except its own."""
        role = getattr(self, "role", None)
        if role is None and optional:
            return
        if not isinstance(role, str) or not role:
            raise self._fail("role", "a non-empty str")
        if role.startswith(PREFIXES) and not role.startswith(prefix):
            raise self._fail("role", f"a role that begins with {prefix!r}, or one of your own")

    def _check_count(self, field: str, least: int = 1) -> None:
        """Check a field that is None or an integer."""
        value = getattr(self, field)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < least
        ):
            raise self._fail(field, f"an integer of at least {least}")

    def _check_number(self, *fields: str) -> None:
        """Check fields that are None or a finite number."""
        for field in fields:
            value = getattr(self, field)
            if value is not None and not is_number(value):
                raise self._fail(field, "a finite number")

    def _check_pair(self, field: str, *, ordered: bool = True) -> None:
        """Check a field that is None or two finite numbers; make them a tuple."""
        value = getattr(self, field)
        if value is None:
            return
        if (
            not isinstance(value, (list, tuple))
            or len(value) != 2
            or not all(map(is_number, value))
            or (ordered and not value[0] < value[1])
            or value[0] == value[1]
        ):
            raise self._fail(field, "two finite numbers, the lower one first")
        self._set(**{field: tuple(value)})

    def _check_texts(self, field: str) -> None:
        """Check a field that is None or several different str; make them a tuple."""
        value = getattr(self, field)
        if value is None:
            return
        if (
            not isinstance(value, (list, tuple))
            or not value
            or not all(isinstance(one, str) and one for one in value)
            or len(set(value)) != len(value)
        ):
            raise self._fail(field, "a sequence of different, non-empty str")
        self._set(**{field: tuple(value)})

    def _check_numbers(self, field: str) -> None:
        """Check a field that is None, a finite number or several; make several a tuple."""
        value = getattr(self, field)
        if value is None or is_number(value):
            return
        if not isinstance(value, (list, tuple)) or not value or not all(map(is_number, value)):
            raise self._fail(field, "a finite number, or a sequence of them")
        self._set(**{field: tuple(value)})


DeclarationT = TypeVar("DeclarationT", bound=Declaration)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_tree(tree: Any, leaves: Tuple[type, ...], where: str) -> Any:
    """Return a tree of declarations whose containers are dicts and tuples.

    Args:
        tree: A leaf, a mapping with str keys, or a list or tuple, of such trees.
        leaves: What leaves may be.
        where: What errors call the tree.

    Raises:
        AdapterResolutionError: It is something else, or empty.
    """
    if isinstance(tree, leaves):
        return tree
    if isinstance(tree, Mapping) and tree:
        for key in tree:
            if not isinstance(key, str):
                raise AdapterResolutionError(f"{where}: expected keys that are str, got {key!r}")
        return {key: check_tree(part, leaves, f"{where}[{key!r}]") for key, part in tree.items()}
    if isinstance(tree, (list, tuple)) and tree and not hasattr(tree, "_fields"):
        parts = [check_tree(part, leaves, f"{where}[{i}]") for i, part in enumerate(tree)]
        return tuple(parts)
    names = ", ".join(leaf.__name__ for leaf in leaves)
    raise AdapterResolutionError(
        f"{where}: expected {names}, or a dict or tuple of these, got {tree!r:.200}"
    )


def leaves_of(tree: Any, path: Tuple[Any, ...] = ()) -> List[Tuple[Tuple[Any, ...], Any]]:
    """Return the leaves of a tree, each with the keys that lead to it."""
    if isinstance(tree, dict):
        items: Any = tree.items()
    elif isinstance(tree, tuple):
        items = enumerate(tree)
    else:
        return [(path, tree)]
    return [leaf for key, part in items for leaf in leaves_of(part, (*path, key))]


def map_tree(tree: Any, convert: Callable[[Tuple[Any, ...], Any], Any], path: Any = ()) -> Any:
    """Return a tree with every leaf converted; `convert` takes its path and the leaf."""
    if isinstance(tree, dict):
        return {key: map_tree(part, convert, (*path, key)) for key, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(map_tree(part, convert, (*path, i)) for i, part in enumerate(tree))
    return convert(path, tree)


def path_text(name: str, path: Tuple[Any, ...]) -> str:
    """Return how errors write a path, e.g. `observation['wrist']`."""
    return name + "".join(f"[{key!r}]" for key in path)


def _to_plain(value: Any, where: str) -> Any:
    if isinstance(value, Declaration):
        return value.to_dict()
    if isinstance(value, dict):
        items = {key: _to_plain(part, f"{where}[{key!r}]") for key, part in value.items()}
        return {"kind": "dict", "items": items}
    if isinstance(value, tuple):
        return [_to_plain(part, where) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise AdapterResolutionError(
        f"{where}: expected plain data, got {value!r}, which holds functions of this process;"
        " a spec with local functions can be neither sent nor stored"
    )


def _from_plain(data: Any, where: str) -> Any:
    if isinstance(data, list):
        return tuple(_from_plain(part, f"{where}[{i}]") for i, part in enumerate(data))
    if not isinstance(data, dict):
        return data
    kind: Optional[Any] = data.get("kind")
    if kind == "dict" and isinstance(data.get("items"), dict):
        return {key: _from_plain(part, f"{where}[{key!r}]") for key, part in data["items"].items()}
    declaration = _KINDS.get(kind) if isinstance(kind, str) else None
    if declaration is None:
        kinds = ", ".join(_KINDS)
        raise AdapterResolutionError(f"{where}.kind: expected one of {kinds}, got {kind!r}")
    known = {field.name for field in dataclasses.fields(declaration)}  # type: ignore[arg-type]
    fields = {}
    for name, value in data.items():
        if name == "kind" or str(name).startswith(_IGNORED):
            continue
        if name not in known:
            raise AdapterResolutionError(
                f"{where}.{name}: expected one of {', '.join(sorted(known))}; an unknown field"
                f" could change the meaning (a name that begins with x- or ext- is passed over)"
            )
        fields[name] = _from_plain(value, f"{where}.{name}")
    try:
        return declaration._from_fields(fields)
    except TypeError as exc:
        raise AdapterResolutionError(f"{where}: a {kind} does not parse: {exc}") from None
