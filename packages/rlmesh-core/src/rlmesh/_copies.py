"""Objects that cannot be copied or pickled, because they hold a session, a socket or a file."""

from __future__ import annotations

from typing import Any, ClassVar


class NotCopied:
    """Base of objects of which there is no copy; `copy`, `deepcopy` and `pickle` say why.

    Attributes:
        _holds: What an object holds that cannot be copied.
        _instead: What to do instead.
    """

    _holds: ClassVar[str]
    _instead: ClassVar[str]

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            f"{type(self).__qualname__}: cannot be copied or pickled, as it holds {self._holds};"
            f" {self._instead}"
        )
