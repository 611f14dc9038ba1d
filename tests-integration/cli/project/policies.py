"""Policies for CartPole."""

from __future__ import annotations


def upright(observation):
    _, _, angle, angular_velocity = observation
    return int(angle + 0.5 * angular_velocity > 0)


def upright_array(observation):
    """Needs NumPy observations, and gives a NumPy action."""
    return (observation @ [0, 0, 1, 0.5] > 0).astype("int64")
