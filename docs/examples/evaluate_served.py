"""Evaluate a torch model that is served by one process on an env that is served by another.

    python evaluate_served.py --model-python /path/to/bin/python --env-python /path/to/bin/python

The model's Python needs rlmesh-torch, the env's needs rlmesh-core and gymnasium, and this one needs
rlmesh-core alone: it passes observations and actions on as bytes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import rlmesh

EPISODES = 5


@contextmanager
def served_by(python: str, script: str) -> Iterator[str]:
    """Run a script that serves something for the length of a `with` block; give its address."""
    path = Path(__file__).with_name(script)
    pipe = subprocess.PIPE
    # Ctrl-C is for this process; at the end of the block, the other sees its input closed and ends.
    with subprocess.Popen(
        [python, str(path)], stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        for line in process.stdout or ():
            if line.startswith("tcp://"):
                yield line.strip()
                return
    sys.exit(f"{python} could not run {script}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model-python", default=sys.executable, help="serves the model")
    parser.add_argument("--env-python", default=sys.executable, help="serves the env")
    arguments = parser.parse_args()
    env_side = served_by(arguments.env_python, "serve_env.py")
    model_side = served_by(arguments.model_python, "serve_torch_model.py")
    with env_side as env, model_side as model:
        print(f"env at {env}, model at {model}")
        result = rlmesh.run(model, env, seeds=range(EPISODES))
    print(f"{result.num_episodes} episodes, mean reward {result.mean_reward:.2f}")
    print(f"in the env {result.env_seconds:.2f} s, in the model {result.predict_seconds:.2f} s,")
    print(f"on the way between them {result.wire_seconds:.2f} s")
