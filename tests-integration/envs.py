"""Envs that the tests serve."""

from __future__ import annotations

import functools
import os
import pathlib
import subprocess
import time
import zlib
from typing import Any, Dict, Optional, Tuple

import gymnasium
import numpy as np
from gymnasium import spaces

Step = Tuple[Any, float, bool, bool, Dict[str, Any]]


def make(env_id: str, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    """Make a registered env, Atari's too."""
    if env_id.startswith("ALE/"):
        import ale_py

        gymnasium.register_envs(ale_py)
    return gymnasium.make(env_id, **kwargs)


def make_vector(
    env_id: str, num_envs: int = 3, mode: str = "NextStep", kind: str = "Sync", **kwargs: Any
) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    """Make a vector of a registered env, or of an env of this module.

    Args:
        env_id: Its id, or the name of its class here.
        num_envs: How many.
        mode: The autoreset mode.
        kind: `"Sync"` or `"Async"`.
        kwargs: For the env.
    """
    here = globals().get(env_id)
    make_one = functools.partial(here, **kwargs) if here else lambda: make(env_id, **kwargs)
    vector: Any = getattr(gymnasium.vector, f"{kind}VectorEnv")
    made: gymnasium.vector.VectorEnv[Any, Any, Any] = vector(
        [make_one] * num_envs, autoreset_mode=mode
    )
    return made


class Everything(gymnasium.Env[Any, Any]):
    """Has many kinds of spaces; the observations depend on every bit of the seed and actions."""

    metadata = {"render_modes": ["rgb_array", "ansi"], "render_fps": 7}  # noqa: RUF012

    def __init__(self, render_mode: Optional[str] = None) -> None:
        self.render_mode = render_mode
        self.note: Any = None
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (120, 160, 3), np.uint8),
                "depth": spaces.Box(-np.inf, np.inf, (60, 80), np.float16),
                "state": spaces.Box(-np.inf, np.inf, (8,), np.float32),
                "scalar": spaces.Box(-np.inf, np.inf, (), np.float64),
                "nothing": spaces.Box(0, 1, (0, 3), np.float32),
                "instruction": spaces.Text(64, min_length=0, charset="abcäöüß漢字🤖 ."),
                "mode": spaces.Discrete(5, start=-2),
                "buttons": spaces.MultiBinary(4),
                "counts": spaces.MultiDiscrete([3, 300, 70000]),
                "pair": spaces.Tuple(
                    (spaces.Box(-1, 1, (2, 3), np.float64), spaces.Dict({"n": spaces.Discrete(9)}))
                ),
                "objects": spaces.Sequence(spaces.Box(0, 1, (4,), np.float32)),
            }
        )
        self.action_space = spaces.Dict(
            {
                "move": spaces.Box(-1, 1, (7,), np.float32),
                "grip": spaces.Discrete(2),
                "say": spaces.Text(10),
                "both": spaces.Tuple((spaces.MultiBinary(3), spaces.Discrete(4, start=10))),
                "image": spaces.Box(0, 255, (100, 100, 3), np.uint8),
            }
        )

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        return self._observe(), {"options": options, "début": True}

    def step(self, action: Any) -> Step:
        self.steps += 1
        said = zlib.crc32(repr((action["say"], int(action["grip"]))).encode())
        for array in (action["move"], action["image"], *action["both"]):
            said = zlib.crc32(np.asarray(array).tobytes(), said)
        self.observation_space.seed(said ^ int(self.np_random.integers(2**31)))
        info = {
            "said": said,
            "frame": self.np_random.integers(0, 256, (90, 90, 3), np.uint8),
            "nested": {"list": [1, 2.5, "three", None, True], "array": np.arange(5)},
        }
        reward = float(self.np_random.normal())
        return self._observe(), reward, self.steps == 30, False, info

    def _observe(self) -> Dict[str, Any]:
        return dict(self.observation_space.sample())

    def render(self) -> Any:
        if self.render_mode == "ansi":
            return f"step {self.steps}"
        return np.full((8, 9, 3), self.steps, np.uint8)

    def echo(self, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs


class Reused(gymnasium.Env[Any, Any]):
    """Returns the same arrays at every step, filled with the step's number and its action's."""

    def __init__(self, shape: Any) -> None:
        self.observation_space = spaces.Dict(
            {
                "step": spaces.Box(0, 2**32 - 1, tuple(shape), np.uint32),
                "action": spaces.Box(0, 2**32 - 1, tuple(shape), np.uint32),
            }
        )
        self.action_space = spaces.Box(0, 2**32 - 1, tuple(shape), np.uint32)
        self.observation = {key: np.zeros(shape, np.uint32) for key in ("step", "action")}
        self.info = {"step": np.zeros(shape, np.uint32)}

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        for array in (*self.observation.values(), self.info["step"]):
            array.fill(0)
        return self.observation, self.info

    def step(self, action: Any) -> Step:
        self.steps += 1
        self.observation["step"].fill(self.steps)
        self.observation["action"][...] = action
        self.info["step"].fill(self.steps)
        return self.observation, 0.0, False, False, self.info


class Countdown(gymnasium.Env[Any, Any]):
    """Ends after some steps, each worth its number; remembers what was done to it.

    Args:
        length: Steps to its end.
        final_info: The last step's info.
        fail_at: The step that raises; 0 for `reset`.
        truncates: Whether it is truncated at the end, rather than terminated.
    """

    observation_space = spaces.Box(0, 1000, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(
        self,
        length: int = 4,
        final_info: Optional[Dict[str, Any]] = None,
        fail_at: int = -1,
        truncates: bool = False,
    ) -> None:
        self.length, self.fail_at, self.truncates = length, fail_at, truncates
        self.final_info = final_info or {}
        self.seeds: list[Any] = []
        self.closed = 0

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        self.seeds.append(seed)
        self.steps = -1
        return self.step(0)[0], {}

    def step(self, action: Any) -> Step:
        self.steps += 1
        if self.steps == self.fail_at:
            raise ZeroDivisionError(f"no step {self.steps}")
        done = self.steps == self.length
        observation = np.array([self.steps], np.float32)
        info = self.final_info if done else {"is_success": True, "success": True}
        ended = done and not self.truncates
        return observation, float(self.steps), ended, done and self.truncates, info

    def close(self) -> None:
        self.closed += 1


class Slow(gymnasium.Env[Any, Any]):
    """Announces on stdout what it begins; its steps last until a file exists.

    Args:
        until: Path of the file.
    """

    observation_space = spaces.Box(0, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, until: str) -> None:
        self.until = pathlib.Path(until)
        self.began = self.steps = 0

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        print("reset", flush=True)
        return np.zeros(2, np.float32), {"steps": self.steps}

    def step(self, action: Any) -> Step:
        self.began += 1
        print("step", flush=True)
        while not self.until.exists():
            time.sleep(0.002)
        self.steps += 1
        return np.ones(2, np.float32), 1.0, False, False, {"steps": self.steps}


class Starts(Countdown):
    """Starts a process of its own, and crashes without ending it."""

    def __init__(self) -> None:
        super().__init__()
        self.simulator = subprocess.Popen(["sleep", "1000"])

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        self.steps = -1
        return np.zeros(1, np.float32), {"simulator": self.simulator.pid}

    def step(self, action: Any) -> Step:
        os._exit(5)


def chain(fingerprint: int, observed: Any) -> int:
    """Return what stands for all observations of an episode, given that of those before."""
    return zlib.crc32(np.ascontiguousarray(observed).tobytes(), fingerprint)


class Suspicious(gymnasium.Env[Any, Any]):
    """Raises unless every action follows from all the observations of its episode.

    An observation is an array filled with a random number of its own, but for the first elements:
    the env's name, and the step. The right action is filled with `chain`'s fingerprint.

    Args:
        name: Of the env, to tell it from others.
        size: Number of elements of an observation, and of an action.
        length: Steps of an episode.
        pace: Seconds that every step takes.
    """

    def __init__(self, name: int, size: int = 4, length: int = 50, pace: float = 0.0) -> None:
        self.observation_space = spaces.Box(0, 2**32 - 1, (size,), np.uint32)
        self.action_space = spaces.Box(0, 2**32 - 1, (size,), np.uint32)
        self.name, self.length, self.pace = name, length, pace
        self.checked = 0

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = self.fingerprint = 0
        return self._observe(), {}

    def step(self, action: Any) -> Step:
        if not (action == self.fingerprint).all():
            raise AssertionError(
                f"step {self.steps} of env {self.name}: expected actions of {self.fingerprint},"
                f" got {np.unique(action)}"
            )
        self.checked += 1
        self.steps += 1
        time.sleep(self.pace)
        return self._observe(), 1.0, self.steps == self.length, False, {}

    def _observe(self) -> Any:
        shape = self.observation_space.shape
        observed = np.full(shape, self.np_random.integers(2**32), np.uint32)
        observed[:2] = self.name, self.steps
        self.fingerprint = chain(self.fingerprint, observed)
        return observed


class Counted(Suspicious):
    """A `Suspicious` env with rewards that depend on all before, and lengths that the seed says.

    Args:
        log: Path of a file; every reset adds an "r" to it, and every step an "s".
        size: As for `Suspicious`.
        shortest: Steps of the shortest episode.
        longest: Steps of the longest one.
    """

    def __init__(self, log: str, size: int = 4, shortest: int = 3, longest: int = 20) -> None:
        super().__init__(1, size)
        self._lengths = shortest, longest + 1
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        os.write(self._log, b"r")
        observed, info = super().reset(seed=seed)
        self.length = int(self.np_random.integers(*self._lengths))
        return observed, info

    def step(self, action: Any) -> Step:
        os.write(self._log, b"s")
        observed, _, terminated, truncated, info = super().step(action)
        return observed, float(self.fingerprint % 1000), terminated, truncated, info

    def close(self) -> None:
        os.close(self._log)


class Cameras(gymnasium.Env[Any, Any]):
    """Has three cameras and short episodes; costs next to nothing itself.

    Args:
        length: Steps of an episode.
    """

    def __init__(self, length: int = 10) -> None:
        image = spaces.Box(0, 255, (224, 224, 3), np.uint8)
        names = ("front", "wrist", "side")
        self.observation_space = spaces.Dict(dict.fromkeys(names, image))
        self.action_space = spaces.Box(-1, 1, (7,), np.float32)
        self.images = {name: np.zeros(image.shape, np.uint8) for name in names}
        self.length = length

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        self.steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> Step:
        self.steps += 1
        return self._observe(), float(action[0]), self.steps == self.length, False, {}

    def _observe(self) -> Dict[str, Any]:
        for image in self.images.values():
            image[:8] = self.steps
        return self.images


class Drift(gymnasium.Env[Any, Any]):
    """Drifts for 60 steps that take a little while each; the seed says where it goes."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        super().reset(seed=seed)
        self.position, self.steps = self.np_random.normal(size=2), 0
        return self.position.copy(), {}

    def step(self, action: Any) -> Step:
        time.sleep(0.001)
        self.position += self.np_random.normal(size=2) * (1 + action)
        self.steps += 1
        return self.position.copy(), float(self.position[0]), self.steps == 60, False, {}


class Walk(gymnasium.Env[Any, Any]):
    """A walk to a goal, of at least 3 steps; the last info says whether it got there.

    How long it takes depends on the seed. The observation has the number of the steps, so that a
    policy can tell episodes apart.
    """

    def __init__(self) -> None:
        self.observation_space = spaces.Dict(
            {"at": spaces.Box(-np.inf, np.inf, (2,), np.float32), "steps": spaces.Discrete(100)}
        )
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        super().reset(seed=seed)
        self.steps, self.limit = 0, int(self.np_random.integers(3, 12))
        self.at = 3 * self.np_random.normal(size=2).astype(np.float32)
        return self._observe(), {"is_success": False}

    def step(self, action: Any) -> Step:
        self.steps += 1
        self.at = self.at + action + self.np_random.normal(size=2).astype(np.float32) / 10
        info: Dict[str, Any] = {"nested": {"steps": self.steps}}
        arrived = self.steps >= 3 and bool(abs(self.at).max() < 0.2)
        late = self.steps >= self.limit
        if arrived or late:
            info["is_success"] = arrived
        return self._observe(), -float(abs(self.at).sum()), arrived, late and not arrived, info

    def _observe(self) -> Dict[str, Any]:
        return {"at": self.at, "steps": self.steps}


class WithHelpers(gymnasium.Env[Any, Any]):
    """Has started processes, as simulators do: in its group, in a session, and an orphan."""

    observation_space = action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        sleep = ["sleep", "1000"]
        self._helpers = [
            subprocess.Popen(sleep),
            subprocess.Popen(sleep, start_new_session=True),
        ]
        orphan = "setsid nohup sleep 1000 >/dev/null 2>&1 & echo $!"
        self._orphan = int(subprocess.check_output(["sh", "-c", orphan]))

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        pids = [*(helper.pid for helper in self._helpers), self._orphan]
        return 0, {"pids": pids, "worker": os.getpid()}

    def step(self, action: Any) -> Step:
        os._exit(3)


class Leaves(gymnasium.Env[Any, Any]):
    """Raises what ends a program; `options` say what."""

    observation_space = action_space = spaces.Discrete(4)

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        return 0, {}

    def step(self, action: Any) -> Step:
        if not action:
            return 0, 1.0, True, False, {}
        raise (SystemExit, KeyboardInterrupt, GeneratorExit)[action - 1]("the simulator gave up")


class Fragile(Drift):
    """The process that it is in is killed in the third step, unless the file `once` is there.

    Args:
        once: The file, which is made then.
    """

    def __init__(self, once: str) -> None:
        super().__init__()
        self._once = pathlib.Path(once)
        self._steps = 0

    def step(self, action: Any) -> Step:
        self._steps += 1
        if self._steps == 3 and not self._once.exists():
            self._once.touch()
            os.kill(os.getpid(), 9)
        return super().step(action)
