"""Policies of somebody who is in the current directory."""

from __future__ import annotations

import os
import signal
import sys
import time

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


class FailsInThirdStep:
    def predict(self, observation, context):
        if context.episode_seed == 2 and context.step == 2:
            raise ValueError("the network has diverged\nfor good")
        return 1


class InterruptedInThirdEpisode(Counter):
    number = signal.SIGINT

    def predict(self, observation):
        if self.episodes == 3:
            os.kill(os.getpid(), self.number)
        return 1


class TerminatedInThirdEpisode(InterruptedInThirdEpisode):
    number = signal.SIGTERM


class Tired:
    def predict_batch(self, observations):
        time.sleep(0.01)
        return [1 for _ in range(len(observations))]


class Printing:
    def predict(self, observation):
        sys.stdout.write("thinking\n")
        return 1


class Chunks:
    """The first of its actions earns 1, the others nothing."""

    def predict_chunk(self, observation):
        return [1, 0, 0]


class Telling:
    """Says when it is closed, and what happens in an episode."""

    def reset(self):
        sys.stdout.write("reset\n")

    def predict(self, observation):
        return 1

    def on_episode_end(self):
        sys.stdout.write("episode end\n")

    def close(self):
        sys.stdout.write("closed\n")


class Alternating:
    """Acts with 1 and 0 in turn, and keeps whose turn it is on itself."""

    def __init__(self, first=1):
        self.first = first

    def reset(self):
        self.next = self.first

    def predict(self, observation):
        action, self.next = self.next, 1 - self.next
        return action


class AlternatingModel(rlmesh.Model):
    """The same, as a model."""

    def reset(self):
        self.next = 1

    def predict(self, observation):
        action, self.next = self.next, 1 - self.next
        return action


def make_alternating():
    return Alternating()


def make_alternating_model():
    return rlmesh.Model(Alternating())


class Obedient:
    def predict(self, observation, context):
        return int(context.instruction == "right")


class Slow(Telling):
    def predict(self, observation):
        sys.stdout.write("thinking\n")
        sys.stdout.flush()
        time.sleep(30)
        return 1


class TerminatedWhileItIsBuilt(Counter):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGTERM)


an_object = Counter()
alternating = Alternating()
obedient = rlmesh.Model(Obedient(), spec=rlmesh.DELEGATED)
a_model = rlmesh.Model(one)
number = 3
