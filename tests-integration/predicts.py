"""A predict on a thread of its own."""

from __future__ import annotations

import threading
from typing import Any, List

from rlmesh.errors import RLMeshError


def predict_in_thread(session: Any, outcomes: List[Any]) -> threading.Thread:
    """Reset; have predict add whether it returned its observation, or the error's type."""
    observation, _ = session.reset()

    def predict() -> None:
        try:
            outcomes.append(session.predict(observation).tolist() == observation.tolist())
        except RLMeshError as exc:
            outcomes.append(type(exc))

    thread = threading.Thread(target=predict)
    thread.start()
    return thread
