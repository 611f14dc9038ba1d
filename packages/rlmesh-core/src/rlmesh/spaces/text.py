"""`Text`: strings of characters from a set."""

from __future__ import annotations

from typing import AbstractSet, Any, Callable, ClassVar, Dict, Iterable, Mapping, Optional, Tuple

from rlmesh.errors import InvalidValue, UnsupportedSpace

from ._advice import for_tree
from ._arrays import checked_int
from ._describe import describe
from .space import Space

alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Text(Space[str]):
    """Strings of some length whose characters are all from one set.

    Args:
        max_length: The largest number of characters.
        min_length: The smallest.
        charset: The characters; their order decides what a seed samples. Sets are sorted.
        seed: See `seed`.

    Raises:
        UnsupportedSpace: The arguments describe no such space; the message names the one.

    Attributes:
        characters: The characters, each once, in the order given.
        character_set: The same as a set.
    """

    spec_fields: ClassVar[Mapping[str, Tuple[type, ...]]] = {
        "min_length": (int,),
        "max_length": (int,),
        "charset": (str,),
    }

    def __init__(
        self,
        max_length: int,
        *,
        min_length: int = 1,
        charset: Iterable[str] = alphanumeric,
        seed: Optional[int] = None,
    ) -> None:
        self.min_length = checked_int(min_length, "Text.min_length", 0)
        self.max_length = checked_int(max_length, "Text.max_length", self.min_length)
        if not isinstance(charset, Iterable):
            raise UnsupportedSpace(f"Text.charset: expected characters, got {describe(charset)}")
        characters = list(charset)
        for character in characters:
            if not isinstance(character, str) or len(character) != 1 or _surrogate(character):
                raise UnsupportedSpace(
                    f"Text.charset: expected single characters, got {describe(character)}"
                )
        if not characters and self.min_length:
            raise UnsupportedSpace("Text.charset: expected at least one character, got none")
        if isinstance(charset, AbstractSet):
            characters.sort()
        self.characters = "".join(dict.fromkeys(characters))
        self.character_set = frozenset(characters)
        if seed is not None:
            self.seed(seed)

    def sample(self) -> str:
        """Return a string; its length and its characters are equally likely."""
        if not self.characters:
            return ""
        length = self.random.randint(self.min_length, self.max_length)
        return "".join(self.random.choices(self.characters, k=length))

    def conform(self, value: Any, path: str = "value") -> str:
        """Return the value as a `str`, which UTF-8 must be able to carry."""
        if not isinstance(value, str):
            advice = for_tree(value, path, self.conform)
            raise InvalidValue(f"{path}: expected a str, got {describe(value)}{advice}")
        if not value.isascii() and _surrogate(value):
            raise InvalidValue(f"{path}: expected Unicode text, got a lone surrogate in {value!a}")
        return value if type(value) is str else str.__str__(value)

    def violation(self, value: str, path: str = "value") -> Optional[str]:
        """Return a sentence about a wrong length, or the first character not in the set."""
        if not self.min_length <= len(value) <= self.max_length:
            bounds = f"{self.min_length} to {self.max_length}"
            return f"{path}: expected {bounds} characters, got {len(value)}"
        if self.character_set.issuperset(value):
            return None
        i = next(i for i, c in enumerate(value) if c not in self.character_set)
        return f"{path}[{i}]: expected a character of the charset, got {value[i]!r}"

    def to_spec(self) -> Dict[str, Any]:
        """Return the space as plain data."""
        return {
            "type": "Text",
            "min_length": self.min_length,
            "max_length": self.max_length,
            "charset": self.characters,
        }

    @classmethod
    def from_spec(cls, fields: Mapping[str, Any], read: Callable[[Any], Space[Any]]) -> Text:
        """Build the space from the fields of its spec."""
        charset, min_length = fields["charset"], fields["min_length"]
        return cls(fields["max_length"], min_length=min_length, charset=charset)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Text):
            return NotImplemented
        return (self.min_length, self.max_length, self.character_set) == (
            other.min_length,
            other.max_length,
            other.character_set,
        )

    def __repr__(self) -> str:
        charset = "".join(sorted(self.characters))
        return f"Text({self.min_length}, {self.max_length}, charset={charset})"


def _surrogate(text: str) -> bool:
    """Whether UTF-8 cannot carry the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
