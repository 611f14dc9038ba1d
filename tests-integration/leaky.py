"""Fails in many ways while it holds a token: `python leaky.py`, which reads the token from stdin.

Everything is logged, and every failure is shown with the locals of all frames. It prints "ready"
when servers and workers run, and goes on after another line of stdin.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Any, Callable, Dict, Optional

from envs import Countdown

import rlmesh
import rlmesh.numpy.gym
from rlmesh._rpc.dial import dial
from rlmesh._transport.security import Token


class Held:
    """Keeps the token out of this script's own locals."""

    __slots__ = ("text",)


HELD = Held()


class Crashes(Countdown):
    """Fails in its reset, if that is asked for, and crashes in its first step."""

    def reset(self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None) -> Any:
        if seed == 13:
            raise RuntimeError("unlucky")
        return super().reset(seed=seed)

    def step(self, action: Any) -> Any:
        if self.steps >= 0:
            os._exit(3)
        return super().step(action)


def fails_to_start() -> Any:
    raise RuntimeError("no env today")


def failing_predict(observation: Any) -> Any:
    raise RuntimeError("no idea")


def show(what: Callable[[], object]) -> None:
    """Print how something fails."""
    try:
        what()
    except Exception as exc:
        shown = traceback.TracebackException.from_exception(exc, capture_locals=True)
        print("".join(shown.format()), flush=True)
        print(repr(exc), exc.args, flush=True)
    else:
        raise AssertionError("it did not fail")


def main() -> None:
    logging.basicConfig(level=logging.DEBUG)
    HELD.text = sys.stdin.readline().strip()
    used = rlmesh.EnvServer(Countdown(), token=HELD.text)
    used.bind()
    for address in ("nowhere", "192.0.2.1:0", used.address, "unix:///no/such/folder"):
        show(lambda a=address: rlmesh.EnvServer(Countdown(), a, token=HELD.text).bind())
        model = rlmesh.Model(failing_predict)
        show(lambda a=address, m=model: m.serve(a, token=HELD.text))
    show(lambda: rlmesh.EnvServer("leaky:fails_to_start", token=HELD.text).bind())
    show(lambda: rlmesh.EnvServer(3, token=HELD.text))
    show(lambda: rlmesh.ModelServer(3, token=HELD.text))  # type: ignore[arg-type]
    for make in (rlmesh.RemoteEnv, rlmesh.RemoteModel, rlmesh.numpy.gym.RemoteEnv):
        show(lambda m=make: m("nowhere", token=HELD.text))
        show(lambda m=make: m("127.0.0.1:1", token=HELD.text, connect_timeout=0.2))
    model = rlmesh.Model(failing_predict)
    with rlmesh.EnvServer("leaky:Crashes", token=HELD.text) as env, rlmesh.ModelServer(
        model, token=HELD.text
    ) as server, rlmesh.RemoteEnv(env.address, token=HELD.text) as remote:
        print(repr((env, server, remote, model)), str(Token(HELD.text)), [Token(HELD.text)])
        for address in (env.address, server.address):
            show(lambda a=address: dial(a, Token("another token, as long"), 5.0).hello())
        for one in (model, server.address, rlmesh.RemoteModel(server.address, token=HELD.text)):
            show(lambda m=one: rlmesh.run(m, env.address, token=HELD.text, retries=0))
            show(lambda m=one: rlmesh.run(m, Countdown(), token=HELD.text))
            show(lambda m=one: rlmesh.run(m, Countdown(), token=HELD.text, max_episodes=-1))
            show(lambda m=one: rlmesh.session(m, "nowhere", token=HELD.text))
        for call in (model.run_local, model.run, model.session):
            show(lambda c=call: c("nowhere", token=HELD.text))
        show(lambda: model.run_local_for_episodes("nowhere", token=HELD.text, max_episodes=1))
        show(lambda: remote.reset(seed=13))
        remote.reset()
        print("ready", flush=True)
        sys.stdin.readline()
        show(lambda: remote.step(0))
    used.shutdown()
    raise RuntimeError("the end")


if __name__ == "__main__":
    main()
