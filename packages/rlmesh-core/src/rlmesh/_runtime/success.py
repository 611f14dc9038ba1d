"""When an episode counts as a success: the rule, and what the infos of an episode say."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple, Union

from rlmesh._contract.plain import name_of
from rlmesh._contract.scalars import as_flag, as_reward
from rlmesh.errors import InvalidValue

from .awaitables import refuse_async
from .episodes import EpisodeResult

Infos = Sequence[Mapping[Any, Any]]
"""The infos of an episode up to now: of its reset, and of each step."""

Success = Union[str, Callable[[Infos], Optional[bool]]]
"""What `run(success=...)` takes."""

LAST, ANY = "last", "any"
KEYS = ("is_success", "success")
"""Where infos say whether the goal is reached, unless a rule names another key."""


@dataclass(frozen=True)
class SuccessRule:
    """When an episode counts as a success.

    Attributes:
        when: `"last"` for the episode's last step, `"any"` for any of its steps.
        key: The info's key that says so; None for those of `KEYS`.
        at_least: What its number must reach; None where it is a flag.
        function: Decides instead, if there is one.
        is_chosen: Whether somebody chose the rule, instead of leaving it open.
    """

    when: str = LAST
    key: Optional[str] = None
    at_least: Optional[float] = None
    function: Optional[Callable[[Infos], Optional[bool]]] = None
    is_chosen: bool = True

    @classmethod
    def of(cls, success: Optional[Success]) -> SuccessRule:
        """Return the rule that `run(success=...)` asks for; None is `"last"`.

        Raises:
            ValueError: The text is no rule.
            TypeError: It is neither a text nor a function, or one that is `async`.
        """
        if success is None:
            return cls(is_chosen=False)
        if isinstance(success, str):
            return cls._parsed(success)
        if callable(success):
            refuse_async("success", success)
            return cls(function=success)
        raise TypeError(f"success: expected a str or a function of infos, got {success!r}")

    @classmethod
    def _parsed(cls, text: str) -> SuccessRule:
        when, colon, key = text.partition(":")
        at_least: Optional[float] = None
        if ">=" in key:
            key, _, number = key.rpartition(">=")
            try:
                at_least = float(number)
            except ValueError:
                when = ""
        key = key.strip()
        is_threshold = at_least is None or at_least == at_least
        if when not in (LAST, ANY) or (colon and not key) or not is_threshold:
            raise ValueError(
                "success: expected 'last' or 'any', or either with an info's key, as in"
                f" 'any:goal_reached' or 'last:coverage>=0.95', got {text!r}"
            )
        return cls(when, key or None, at_least)

    def __str__(self) -> str:
        if self.function is not None:
            return f"function {name_of(self.function)}"
        threshold = "" if self.at_least is None else f">={self.at_least!r}"
        return self.when if self.key is None else f"{self.when}:{self.key}{threshold}"

    @property
    def keys(self) -> Sequence[str]:
        """The info's keys that say so: the first that is not None counts."""
        return KEYS if self.key is None else (self.key,)

    def judge(self, value: Any, key: str) -> Optional[bool]:
        """Return whether what an info has under a key is a success.

        Raises:
            InvalidValue: It is no flag, or no number where a number is to be reached. Where a
                function decides, it is None then.
        """
        name = f"info[{key!r}]"
        if self.at_least is None:
            try:
                return as_flag(value, name)
            except InvalidValue:
                if self.function is None:
                    raise
                return None
        number = as_reward(value, name)
        if number != number:
            raise InvalidValue(f"{name}: expected a number, got nan")
        return number >= self.at_least


class SuccessTracker:
    """Takes the infos of one episode after the other.

    Args:
        rule: What counts as a success.
    """

    def __init__(self, rule: SuccessRule) -> None:
        self._rule = rule
        self._keys, self._takes_flags = rule.keys, rule.at_least is None
        self._infos: Optional[List[Mapping[Any, Any]]] = None
        self._at_end: Optional[bool] = None
        self._once: Optional[bool] = None

    def begin(self, info: Mapping[Any, Any]) -> None:
        """Take the info of a reset, which only a function of infos looks at."""
        self._at_end = self._once = None
        if self._rule.function is not None:
            self._infos = [info]

    def add(self, info: Mapping[Any, Any]) -> None:
        """Take the info of a step.

        Raises:
            InvalidValue: See `SuccessRule.judge`.
        """
        self._at_end = None
        for key in self._keys:
            value = info.get(key)
            if value is not None:
                is_flag = (value is True or value is False) and self._takes_flags
                self._at_end = now = value if is_flag else self._rule.judge(value, key)
                if now is not None:
                    self._once = now or self._once is True
                break
        if self._infos is not None:
            self._infos.append(info)

    def outcome(self, is_over: bool) -> Tuple[Optional[bool], Optional[bool], Optional[bool]]:
        """Return whether the episode is a success, whether its last step was, and any step.

        Args:
            is_over: Whether the episode came to its end; before that, no step is the last one.

        Raises:
            InvalidValue: What a function of infos returned is no flag.
        """
        at_end = self._at_end if is_over else None
        success = at_end if self._rule.when == LAST else self._once
        if self._rule.function is not None:
            returned = self._rule.function(self._infos or ())
            success = None if returned is None else as_flag(returned, "success(infos)")
        return success, at_end, self._once


class SuccessNotice:
    """Warns once of a run whose rule of success may not be the one that was meant.

    Args:
        rule: The run's.
    """

    def __init__(self, rule: SuccessRule) -> None:
        self._rule = rule
        self._has_warned = False

    def check(self, episode: EpisodeResult) -> None:
        """Warn of an episode that was a success before its end, where nobody chose a rule.

        And of one in which no info has the key that was chosen.
        """
        if self._has_warned:
            return
        rule, which = self._rule, f"success: episode {episode.index} (seed {episode.seed})"
        if not rule.is_chosen and episode.success_once and not episode.success_at_end:
            self._warn(
                f"{which} was successful in one of its steps, but not in its last one, which alone"
                " counts by default; success='any' counts any step, success='last' says that this"
                " is meant. The result has both figures, success_once and success_at_end"
            )
        elif rule.key is not None and episode.success_once is None:
            self._warn(f"{which} has no info with {rule.key!r}, which success='{rule}' reads")

    def _warn(self, sentence: str) -> None:
        self._has_warned = True
        warnings.warn(sentence, RuntimeWarning, stacklevel=4)
