"""Results of runs that nobody made."""

from __future__ import annotations

from hypothesis import strategies as st

from rlmesh import EpisodeError, EpisodeResult, Timing

SECONDS = st.floats(0, 1e9)
COUNTS = st.integers(0, 2**63)


def finished(index, seed=None, reward=1.0, **fields):
    """Return an episode; its times are not round."""
    times = {"duration": 0.7, "env_seconds": 0.1, "wire_seconds": 0.2, "adapter_seconds": 1 / 3}
    times.update(queue_seconds=1e-9, predict_seconds=0.1 + 0.2)
    values = {"steps": 5, "terminated": True, "truncated": False, "success": None, **times}
    return EpisodeResult(index=index, seed=seed, reward=reward, **{**values, **fields})


def given_up(index, seed=None, kind="EnvCrashed", message="it broke"):
    return EpisodeError(index, seed, kind, message, attempts=4)


def episodes(index):
    return st.builds(
        EpisodeResult,
        index=st.just(index),
        seed=st.none() | COUNTS,
        steps=COUNTS,
        reward=st.floats(),
        terminated=st.booleans(),
        truncated=st.booleans(),
        success=st.none() | st.booleans(),
        duration=SECONDS,
        env_seconds=SECONDS,
        wire_seconds=SECONDS,
        adapter_seconds=SECONDS,
        queue_seconds=SECONDS,
        predict_seconds=SECONDS,
        timed_out=st.booleans(),
        attempts=COUNTS,
    )


def errors(index):
    return st.builds(
        EpisodeError,
        index=st.just(index),
        seed=st.none() | COUNTS,
        kind=st.text(),
        message=st.text(st.characters()),
        attempts=COUNTS,
    )


TIMINGS = st.builds(
    Timing,
    seconds=SECONDS,
    lanes=COUNTS,
    steps_per_second=SECONDS,
    model_utilization=SECONDS,
    lane_utilization=SECONDS,
    mean_batch_size=SECONDS,
    mean_queue_seconds=SECONDS,
    max_queue_seconds=SECONDS,
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
