"""What all declarations have in common: checked, immutable, equal by value, and plain data."""

from __future__ import annotations

import dataclasses
import difflib
import json
from typing import (
    Any,
    Callable,
    ClassVar,
    Dict,
    List,
    Mapping,
    Sequence,
    Tuple,
    Type,
    TypeVar,
)

from rlmesh.errors import AdapterResolutionError

from ._plain import as_python, either, is_divisor, is_number, shown
from .roles import PREFIXES

_KINDS: Dict[str, Type[Declaration]] = {}
_IGNORED = ("x-", "ext-")
"""Fields of received data that begin so are somebody else's, and are passed over."""

_MOST = 2**31 - 1
"""The largest count, e.g. of elements."""

_DEEPEST = 32
_TOO_DEEP = f"expected at most {_DEEPEST} levels of nesting, got more"


class Declaration:
    """Base of every tag and spec: a frozen dataclass that converts to plain data and back.

    Attributes:
        kind: What plain data call it.
    """

    kind: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" in cls.__dict__:
            _KINDS[cls.kind] = cls

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data, from which `from_dict` builds an equal declaration.

        Raises:
            AdapterResolutionError: It holds a function, which is no data.
        """
        data: Dict[str, Any] = {"kind": self.kind}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            # 0 and -0.0 equal 0.0, and are to come back as they are.
            if repr(value) != repr(field.default):
                data[field.name] = _to_plain(value, f"{type(self).__name__}.{field.name}")
        return data

    @classmethod
    def from_dict(cls: Type[DeclarationT], data: Any) -> DeclarationT:
        """Build a declaration from plain data.

        Raises:
            AdapterResolutionError: The data describe none of this kind, or have unknown fields.
        """
        found = _from_plain(data, cls.__name__, 0)
        if not isinstance(found, cls):
            raise AdapterResolutionError(
                f"{cls.__name__}: expected a declaration of kind {cls.kind!r}, got {shown(data)}"
            )
        return found

    @classmethod
    def _from_fields(cls: Type[DeclarationT], fields: Dict[str, Any]) -> DeclarationT:
        """Build a declaration from its fields."""
        return cls(**fields)

    @classmethod
    def _from_sequence(cls: Type[DeclarationT], name: str, fields: Dict[str, Any]) -> DeclarationT:
        """Build a declaration from its fields, one of which are the positional arguments."""
        items = fields.pop(name)
        if not isinstance(items, tuple):
            raise AdapterResolutionError(
                f"{cls.__name__}.{name}: expected a list, got {shown(items)}"
            )
        return cls(*items, **fields)

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls: Type[DeclarationT], text: str) -> DeclarationT:
        """Build a declaration from JSON text; as `from_dict`."""
        try:
            data = json.loads(text)
        except (TypeError, ValueError) as exc:
            raise AdapterResolutionError(f"{cls.__name__}: expected JSON, got: {exc}") from None
        except RecursionError:
            raise AdapterResolutionError(f"{cls.__name__}: {_TOO_DEEP}") from None
        return cls.from_dict(data)

    def _set(self, **values: Any) -> None:
        """Set fields to their checked form, although the dataclass is frozen."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _fail(self, field: str, expected: str) -> AdapterResolutionError:
        """Return the error about a field that is not what was expected."""
        got = shown(getattr(self, field))
        return AdapterResolutionError(
            f"{type(self).__name__}.{field}: expected {expected}, got {got}"
        )

    def _given(self, field: str) -> Tuple[bool, Any]:
        """Return whether a field is more than the None that it is by default, and its value.

        The value becomes Python's own, whatever array or number it was.
        """
        value = as_python(getattr(self, field))
        self._set(**{field: value})
        default = type(self).__dataclass_fields__[field].default  # type: ignore[attr-defined]
        return value is not None or default is not None, value

    def _check_bools(self, *fields: str) -> None:
        for field in fields:
            if not isinstance(self._given(field)[1], bool):
                raise self._fail(field, "True or False")

    def _check_choice(self, field: str, *choices: Any) -> None:
        _, value = self._given(field)
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise self._fail(field, either(choices))

    def _check_text(self, *fields: str) -> None:
        """Check fields that are None or a non-empty str."""
        for field in fields:
            given, value = self._given(field)
            if given and not (isinstance(value, str) and value):
                raise self._fail(field, "a non-empty str")

    def _check_role(self, prefix: str) -> None:
        """Check a role: of any name, but no well-known kind's except its own."""
        self._check_text("role")
        role = getattr(self, "role", None)
        if role is not None and role.startswith(PREFIXES) and not role.startswith(prefix):
            raise self._fail("role", f"a role that begins with {prefix!r}, or one of your own")

    def _check_count(self, field: str, least: int = 1) -> None:
        """Check a field that is an integer."""
        given, value = self._given(field)
        if given and not is_count(value, least):
            known = isinstance(value, int) and value > _MOST
            most = f"from {least} to {_MOST}" if known else f"of at least {least}"
            raise self._fail(field, f"an integer {most}")

    def _check_number(self, *fields: str) -> None:
        """Check fields that are a finite number."""
        for field in fields:
            given, value = self._given(field)
            if given and not is_number(value):
                raise self._fail(field, "a finite number")

    def _check_pair(self, field: str) -> None:
        """Check a field that is two finite numbers."""
        given, value = self._given(field)
        if given and not (
            isinstance(value, tuple)
            and len(value) == 2
            and all(map(is_number, value))
            and value[0] < value[1]
            and is_divisor(value[1] - value[0])
        ):
            raise self._fail(field, "two finite numbers, the lower one first")

    def _check_texts(self, field: str) -> None:
        """Check a field that is several different str."""
        given, value = self._given(field)
        if given and not (
            isinstance(value, tuple)
            and value
            and all(isinstance(one, str) and one for one in value)
            and len(set(value)) == len(value)
        ):
            raise self._fail(field, "a sequence of different, non-empty str")

    def _check_numbers(self, field: str) -> None:
        """Check a field that is a finite number, or several."""
        given, value = self._given(field)
        if not given or is_number(value):
            return
        if not isinstance(value, tuple) or not value or not all(map(is_number, value)):
            raise self._fail(field, "a finite number, or a sequence of them")


DeclarationT = TypeVar("DeclarationT", bound=Declaration)


def is_count(value: Any, least: int = 1) -> bool:
    """Whether a value is an integer of a reasonable size, and no bool."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST


def check_tree(tree: Any, leaves: Tuple[type, ...], where: str, depth: int = 0) -> Any:
    """Return a tree of declarations whose containers are dicts and tuples.

    Args:
        tree: A leaf, a mapping with str keys, or a list or tuple, of such trees.
        leaves: What leaves may be.
        where: What errors call the tree.
        depth: In how many containers it is.

    Raises:
        AdapterResolutionError: It is something else, or empty.
    """
    if isinstance(tree, leaves):
        return tree
    if depth >= _DEEPEST:
        raise AdapterResolutionError(f"{where.partition('[')[0]}: {_TOO_DEEP}")
    if isinstance(tree, Mapping) and tree:
        for key in tree:
            if not isinstance(key, str):
                raise AdapterResolutionError(
                    f"{where}: expected keys that are str, got {shown(key)}"
                )
        return {
            key: check_tree(part, leaves, f"{where}[{key!r}]", depth + 1)
            for key, part in tree.items()
        }
    if isinstance(tree, (list, tuple)) and tree and not hasattr(tree, "_fields"):
        return tuple(
            check_tree(part, leaves, f"{where}[{i}]", depth + 1) for i, part in enumerate(tree)
        )
    names = ", ".join("None" if leaf is type(None) else f"{leaf.__name__}(...)" for leaf in leaves)
    raise AdapterResolutionError(
        f"{where}: expected {names}, or a dict or tuple of these, got {shown(tree)}"
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
    name = getattr(value, "name", None) or shown(value)
    remedy = "; an entrypoint can be" if where == "Custom.transform" else ""
    raise AdapterResolutionError(
        f"{where}: expected plain data, got {name}, a function of this process, which can be"
        f" neither sent nor stored{remedy}"
    )


def _from_plain(data: Any, where: str, depth: int) -> Any:
    # A tree's leaves have parts of their own.
    if depth > _DEEPEST + 8:
        raise AdapterResolutionError(f"{where.partition('[')[0]}: {_TOO_DEEP}")
    if isinstance(data, (list, tuple)):
        return tuple(_from_plain(part, f"{where}[{i}]", depth + 1) for i, part in enumerate(data))
    if not isinstance(data, dict):
        return data
    kind: Any = data.get("kind")
    if kind == "dict":
        items = _known(data, ("items",), where).get("items")
        if not isinstance(items, dict):
            raise AdapterResolutionError(f"{where}.items: expected a dict, got {shown(items)}")
        return {
            key: _from_plain(part, f"{where}[{key!r}]", depth + 1) for key, part in items.items()
        }
    declaration = _KINDS.get(kind) if isinstance(kind, str) else None
    if declaration is None:
        raise AdapterResolutionError(
            f"{where}.kind: expected one of dict, {', '.join(_KINDS)}, got {shown(kind)}"
        )
    described = dataclasses.fields(declaration)  # type: ignore[arg-type]
    plain = _known(data, [field.name for field in described], where)
    fields = {
        name: _from_plain(value, f"{where}.{name}", depth + 1) for name, value in plain.items()
    }
    for field in described:
        if field.default is dataclasses.MISSING and field.name not in fields:
            raise AdapterResolutionError(
                f"{where}.{field.name}: expected a value, without which there is no {kind}, got"
                f" only {', '.join(data)}"
            )
    try:
        return declaration._from_fields(fields)
    except AdapterResolutionError as exc:
        if where == declaration.__name__:
            raise
        raise AdapterResolutionError(f"{where}: {exc}") from None


def _known(data: Dict[Any, Any], names: Sequence[str], where: str) -> Dict[str, Any]:
    """Return the fields of received data, all of which must be known."""
    for name in data:
        if name != "kind" and name not in names and not str(name).startswith(_IGNORED):
            alike = difflib.get_close_matches(str(name), names, 1)
            known = f"{alike[0]}, perhaps," if alike else f"one of {', '.join(names)},"
            raise AdapterResolutionError(
                f"{where}.{name}: expected {known} got a field that is not known, and could change"
                " the meaning (one whose name begins with x- or ext- is passed over)"
            )
    return {name: data[name] for name in names if name in data}
