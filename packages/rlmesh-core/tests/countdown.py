"""Envs without any library."""

from __future__ import annotations

from rlmesh import Tensor
from rlmesh.spaces import Box, Discrete


class Countdown:
    """Counts down from the seed (10 without one); an action of 1 is rewarded with the count."""

    def __init__(self, success_key="is_success"):
        self.observation_space = Box(0, 100, (1,), "int64")
        self.action_space = Discrete(2)
        self.success_key = success_key
        self.log = []

    def _observe(self):
        return Tensor.from_values([self.count], "int64")

    def reset(self, *, seed=None, options=None):
        self.log.append(("reset", seed))
        self.count = 10 if seed is None else seed
        return self._observe(), {}

    def step(self, action):
        self.log.append(("step", action))
        reward = float(self.count * action)
        self.count -= 1
        done = self.count == 0
        return self._observe(), reward, done, False, {self.success_key: reward > 0}

    def close(self):
        self.log.append(("close", None))


class Bare(Countdown):
    """Is told what to be, and does not say so."""

    def __init__(self, task="door", render_mode=None):
        super().__init__()


def make():
    """Return one that another process can make by this name."""
    return Countdown()


class Countdowns:
    """A vector of Countdown; steps of a finished one are refused until it is reset."""

    def __init__(self, num_envs=3):
        self.envs = [Countdown() for _ in range(num_envs)]
        self.num_envs = num_envs
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = self.single_observation_space.batched(num_envs)
        self.action_space = self.single_action_space.batched(num_envs)
        self.metadata = {"render_modes": ["ansi"], "autoreset_mode": "Disabled"}
        self.render_mode = "ansi"
        self.rewards = lambda rewards: rewards
        self.flags = lambda flags: flags

    def reset(self, *, seed=None, options=None):
        self.seed = seed
        self.options = options = dict(options or {})
        mask = options.pop("reset_mask", [True] * self.num_envs)
        seeds = seed if isinstance(seed, list) else [seed] * self.num_envs
        for env, chosen, one in zip(self.envs, mask, seeds):
            if chosen:
                env.reset(seed=one)
        return self._observe(), {"mask": mask}

    def step(self, actions):
        if any(env.count == 0 for env in self.envs):
            raise RuntimeError("reset what is finished")
        results = [env.step(action) for env, action in zip(self.envs, actions)]
        rewards, done = [one[1] for one in results], [one[2] for one in results]
        return self._observe(), self.rewards(rewards), self.flags(done), [False] * len(done), {}

    def render(self):
        return tuple(str(env.count) for env in self.envs)

    def close(self):
        """Nothing is held."""

    def _observe(self):
        return Tensor.from_values([[env.count] for env in self.envs], "int64")
