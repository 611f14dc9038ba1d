"""What the adapter of `pairs.py` does, written by hand with the libraries that it uses itself.

Each function takes a `fit`, and returns a function of an observation and one of a model's output.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple

from pairs import CAMERAS, SIZE

_WIDE = 299  # a picture of 480x640 that is 224 high
_LEFT = (_WIDE - SIZE) // 2


class Functions(NamedTuple):
    """The two halves of an adapter."""

    transform_obs: Callable[[Any], Any]
    transform_action: Callable[[Any], Any]


def by_numpy(fit: str) -> Functions:
    """With OpenCV's resize, and NumPy."""
    import cv2
    import numpy as np

    def picture(image: Any) -> Any:
        if fit == "crop":
            small = cv2.resize(image, (_WIDE, SIZE))[:, _LEFT : _LEFT + SIZE]
        else:
            small = cv2.resize(image, (SIZE, SIZE))
        scaled = small.transpose(2, 0, 1).astype(np.float32)
        scaled *= 1 / 127.5
        scaled -= 1
        return scaled

    def transform_obs(observation: Any) -> Dict[str, Any]:
        x, y, z, w = observation["eef_quat"] / np.linalg.norm(observation["eef_quat"])
        columns = (
            *(1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)),
            *(2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)),
        )
        parts = (observation["eef_pos"], columns, observation["gripper"])
        return {
            **{name: picture(observation[name]) for name in CAMERAS},
            "state": np.concatenate(parts).astype(np.float32),
        }

    def transform_action(output: Any) -> Any:
        first = output[3:6] / np.linalg.norm(output[3:6])
        second = output[6:9] - np.dot(first, output[6:9]) * first
        second /= np.linalg.norm(second)
        third = np.cross(first, second)
        # The axis is that of the antisymmetric part; good enough away from half turns.
        turn = np.array((second[2] - third[1], third[0] - first[2], first[1] - second[0]))
        sine = np.linalg.norm(turn)
        angle = np.arctan2(sine, first[0] + second[1] + third[2] - 1)
        rotation = turn * (angle / sine) if sine > 0 else turn
        gripper = 1.0 if output[9] >= 0 else -1.0
        return np.concatenate((output[:3], rotation, (gripper,))).astype(np.float32)

    return Functions(transform_obs, transform_action)


def by_torch(fit: str) -> Functions:
    """With torch's interpolate."""
    import torch
    from torch.nn.functional import interpolate

    def picture(image: Any) -> Any:
        planes = image[None].permute(0, 3, 1, 2)
        if fit == "crop":
            small = interpolate(planes, (SIZE, _WIDE), mode="bilinear")
            small = small[..., _LEFT : _LEFT + SIZE]
        else:
            small = interpolate(planes, (SIZE, SIZE), mode="bilinear")
        return small[0].float().div_(127.5).sub_(1)

    def transform_obs(observation: Any) -> Dict[str, Any]:
        x, y, z, w = (observation["eef_quat"] / observation["eef_quat"].norm()).unbind()
        columns = (
            *(1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)),
            *(2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)),
        )
        parts = (observation["eef_pos"], torch.stack(columns), observation["gripper"])
        return {
            **{name: picture(observation[name]) for name in CAMERAS},
            "state": torch.cat(parts),
        }

    def transform_action(output: Any) -> Any:
        first = output[3:6] / output[3:6].norm()
        second = output[6:9] - (first * output[6:9]).sum() * first
        second = second / second.norm()
        third = torch.linalg.cross(first, second)
        columns = (second[2] - third[1], third[0] - first[2], first[1] - second[0])
        turn = torch.stack(columns)
        sine = turn.norm()
        angle = torch.atan2(sine, first[0] + second[1] + third[2] - 1)
        rotation = torch.where(sine > 0, turn * (angle / sine), turn)
        gripper = torch.where(output[9:] >= 0, 1.0, -1.0)
        return torch.cat((output[:3], rotation, gripper))

    return Functions(transform_obs, transform_action)


def by_jax(fit: str) -> Functions:
    """With `jax.image.resize`, which does not round; all of it is two compiled functions."""
    import jax

    def resize(image: Any, width: int) -> Any:
        shape = (SIZE, width, 3)
        return jax.image.resize(image.astype("float32"), shape, "bilinear", antialias=False)

    return _compiled_by_jax(fit, resize)


def by_jax_gathers(fit: str) -> Functions:
    """With a resize that takes the rows and columns that it needs, and rounds as ours does."""
    import jax.numpy as jnp
    import numpy as np

    def pass_along(image: Any, axis: int, size: int) -> Any:
        places = (np.arange(size) + 0.5) * (image.shape[axis] / size) - 0.5
        lower = np.floor(places).astype(np.int32)
        upper = np.minimum(lower + 1, image.shape[axis] - 1)
        part = (places - lower).astype(np.float32).reshape((-1, *[1] * (2 - axis)))
        one, other = (jnp.take(image, i, axis, mode="clip") for i in (lower, upper))
        return one * (1 - part) + other * part

    def resize(image: Any, width: int) -> Any:
        return jnp.round(pass_along(pass_along(image, 0, SIZE), 1, width))

    return _compiled_by_jax(fit, resize)


def _compiled_by_jax(fit: str, resize: Callable[[Any, int], Any]) -> Functions:
    import jax
    import jax.numpy as jnp

    def picture(image: Any) -> Any:
        if fit == "crop":
            small = resize(image, _WIDE)[:, _LEFT : _LEFT + SIZE]
        else:
            small = resize(image, SIZE)
        return (small / 127.5 - 1).transpose(2, 0, 1)

    @jax.jit
    def transform_obs(observation: Any) -> Dict[str, Any]:
        x, y, z, w = observation["eef_quat"] / jnp.linalg.norm(observation["eef_quat"])
        columns = (
            *(1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)),
            *(2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)),
        )
        parts = (observation["eef_pos"], jnp.stack(columns), observation["gripper"])
        return {
            **{name: picture(observation[name]) for name in CAMERAS},
            "state": jnp.concatenate(parts),
        }

    @jax.jit
    def transform_action(output: Any) -> Any:
        first = output[3:6] / jnp.linalg.norm(output[3:6])
        second = output[6:9] - jnp.sum(first * output[6:9]) * first
        second = second / jnp.linalg.norm(second)
        third = jnp.cross(first, second)
        columns = (second[2] - third[1], third[0] - first[2], first[1] - second[0])
        turn = jnp.stack(columns)
        sine = jnp.linalg.norm(turn)
        angle = jnp.arctan2(sine, first[0] + second[1] + third[2] - 1)
        rotation = jnp.where(sine > 0, turn * (angle / sine), turn)
        gripper = jnp.where(output[9:] >= 0, 1.0, -1.0)
        return jnp.concatenate((output[:3], rotation, gripper))

    return Functions(transform_obs, transform_action)
