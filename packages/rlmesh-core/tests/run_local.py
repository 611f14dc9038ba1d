"""A process that runs a model until it is stopped: `python run_local.py ADDRESS N`.

It prints "end" and the number of steps of every episode, "predict" when a predict of episode N
begins, which takes forever, and at its end "closed" and "returned".
"""

from __future__ import annotations

import sys
import threading

from rlmesh import Model


def say(what) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


class Policy:
    """Acts with 1; one of its episodes never ends by itself."""

    def __init__(self, stuck: int) -> None:
        self.episodes, self.stuck = 0, stuck

    def reset(self) -> None:
        self.episodes += 1

    def predict(self, observation):
        if self.episodes == self.stuck:
            say("predict")
            threading.Event().wait()
        return 1

    def on_episode_end(self) -> None:
        say("end")

    def close(self) -> None:
        say("closed")


def main(address: str, stuck: str) -> None:
    Model(Policy(int(stuck))).run_local(address, on_result=lambda result: say(result.steps))
    say("returned")


if __name__ == "__main__":
    main(*sys.argv[1:])
