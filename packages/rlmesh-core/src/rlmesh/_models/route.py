"""What a served model knows of one client: its env, and the episodes that are running."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from rlmesh._contract.contract import EnvContract
from rlmesh._runtime.context import Episode, PredictContext
from rlmesh._wire.codec import Codec
from rlmesh._wire.payload import PartReader, Parts
from rlmesh.backends import Backend
from rlmesh.errors import LimitExceeded, NotReset, ProtocolError

from .adaptation import Adaptation, batch_kind
from .corners import Corners
from .source import Source

MAX_EPISODES = 1024
"""Episodes that one session may have running; ours have one."""


class Route:
    """One client's env, as `configure_route` described it.

    Args:
        contract: What the env promises.
        instruction: The run's instruction.
        selects: Whether the client sends only what is read of observations.
        adaptation: What stands between the model and this env.
        backend: The framework of the model's values.
        device: Where its observations live.
        source: What predicts for the client.
        corners: Its predict functions.

    Attributes:
        key: Observations of routes with equal keys go into one batch.
        adaptation: As given.
        source: As given.
        corners: As given.
        episodes: The running episodes by id.
    """

    def __init__(
        self,
        contract: EnvContract,
        instruction: Optional[str],
        selects: bool,
        adaptation: Adaptation,
        backend: Backend,
        device: Optional[Any],
        source: Source,
        corners: Corners,
    ) -> None:
        space = contract.observation_space
        self.key = (batch_kind(contract), adaptation.wanted)
        self.adaptation = adaptation
        self.source = source
        self.corners = corners
        if selects and adaptation.selection is not None:
            space = adaptation.selection.space(space)
        self.episodes: Dict[str, Episode] = {}
        self._instruction = instruction
        self._observations = Codec(space, backend, "observation", device=device)
        self._actions = Codec(contract.action_space, backend, "action")

    def needs(self) -> Dict[str, Any]:
        """Return what the client is to send, as plain data."""
        selection = self.adaptation.selection
        return {
            "selection": None if selection is None else selection.to_plain(),
            "needs_every_step": self.adaptation.needs_every_step,
        }

    def start(self, body: Any) -> str:
        """Remember the episode that starts; return its id."""
        try:
            episode_id, seed = body
        except (TypeError, ValueError):
            raise ProtocolError("start_episode: expected an id and a seed") from None
        if type(episode_id) is not str or type(seed) not in (int, type(None)):
            raise ProtocolError("start_episode: expected a str and an integer or None")
        if episode_id in self.episodes:
            raise ProtocolError(f"start_episode: expected a new id, got {episode_id!r} again")
        if len(self.episodes) >= MAX_EPISODES:
            raise LimitExceeded(
                f"start_episode: {MAX_EPISODES} episodes of this session are running"
            )
        episode = Episode(episode_id, seed, self._instruction)
        self.adaptation.start(episode)
        self.episodes[episode_id] = episode
        return episode_id

    def end(self, episode_id: str) -> None:
        """Forget an episode."""
        del self.episodes[episode_id]
        self.adaptation.end(episode_id)

    def decode(self, body: Any, payload: Sequence[memoryview]) -> Tuple[Any, PredictContext]:
        """Return the observation of a predict request, and what belongs to it.

        Raises:
            ProtocolError: The body does not parse, or a field is of another type.
            NotReset: Its episode is not running.
        """
        try:
            episode_id, step, observation, away = body
        except (TypeError, ValueError):
            raise ProtocolError(
                "predict: expected an episode, a step, an observation and the env's time"
            ) from None
        if type(episode_id) is not str or type(step) is not int or type(away) is not int:
            raise ProtocolError(
                "predict: expected a str as the episode, and integers as the step and the time"
            )
        episode = self.episodes.get(episode_id)
        if episode is None:
            raise NotReset("predict: expected the id of an episode that was started")
        context = PredictContext(episode.id, episode.seed, step, episode.instruction)
        return self._observations.decode(observation, PartReader(payload)), context

    def encode(self, actions: Sequence[Any]) -> Tuple[List[Any], Parts]:
        """Return each action's body and number of large arrays, and copies of all of these.

        Copies, because the model may write its next actions into the same memory before these are
        sent, or sent again.

        Raises:
            InvalidValue: An action does not fit the env's action space.
        """
        bodies: List[Any] = []
        parts: Parts = []
        for action in actions:
            before = len(parts)
            body = self._actions.encode(action, parts)
            bodies.append((body, len(parts) - before))
        return bodies, [memoryview(bytes(part)) for part in parts]


def env_seconds(body: Any) -> float:
    """Return what a predict request says of how long its env took; 0 if it does not parse."""
    try:
        elapsed = body[3]
    except (TypeError, IndexError, KeyError):
        return 0.0
    return elapsed * 1e-9 if type(elapsed) is int and elapsed > 0 else 0.0
