"""Policies of somebody who is in the current directory."""

from __future__ import annotations

import os
import signal
import sys

import rlmesh


def one(observation):
    return 1


def fails(observation):
    raise ValueError("the network has diverged")


def wrong(observation):
    return "left"


class Counter:
    """An object with `predict`; it counts the episodes that it has seen begin."""

    episodes = 0

    def reset(self):
        self.episodes += 1

    def predict(self, observation):
        return 1


class FailsInThirdEpisode(Counter):
    def predict(self, observation):
        return 1 if self.episodes < 3 else 1 // 0


class InterruptedInThirdEpisode(Counter):
    number = signal.SIGINT

    def predict(self, observation):
        if self.episodes == 3:
            os.kill(os.getpid(), self.number)
        return 1


class TerminatedInThirdEpisode(InterruptedInThirdEpisode):
    number = signal.SIGTERM


class Printing:
    def predict(self, observation):
        sys.stdout.write("thinking\n")
        return 1


an_object = Counter()
a_model = rlmesh.Model(one)
number = 3
