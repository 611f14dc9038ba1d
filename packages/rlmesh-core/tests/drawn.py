"""Envs that can be rendered."""

from __future__ import annotations

from countdown import Countdown


class Drawn(Countdown):
    """Renders its count, and how often it was rendered."""

    render_mode = "ansi"
    fails_at = None

    def reset(self, *, seed=None, options=None):
        self.rendered = 0
        return super().reset(seed=seed, options=options)

    def render(self):
        if self.count == self.fails_at:
            raise ZeroDivisionError("nothing to draw")
        self.rendered += 1
        return f"{self.count} ({self.rendered})"


class Fragile(Drawn):
    fails_at = 2


class DrawnVector:
    """A vector of Drawn."""

    num_envs = 2
    render_mode = "ansi"
    metadata = {"autoreset_mode": "Disabled"}

    def __init__(self):
        self.envs = [Drawn() for _ in range(2)]
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = self.single_observation_space.batched(2)
        self.action_space = self.single_action_space.batched(2)

    def reset(self, *, seed=None, options=None):
        observed = [env.reset()[0] for env in self.envs]
        return self.single_observation_space.stack_values(observed), {}

    def step(self, actions):
        columns = list(zip(*(env.step(0) for env in self.envs)))
        return (self.single_observation_space.stack_values(columns[0]), *columns[1:4], {})

    def render(self):
        return tuple(env.render() for env in self.envs)

    def close(self):
        """Nothing is held."""
