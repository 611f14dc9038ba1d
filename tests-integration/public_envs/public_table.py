"""The public envs that are served and compared; each group is installed together."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping


@dataclasses.dataclass(frozen=True)
class Row:
    """One env.

    Attributes:
        env_id: For `public_makers.make`.
        kwargs: Likewise.
        render_mode: The mode in which frames are compared; None where the env draws none.
        steps: How many are played at most.
        quick: Whether it is played in every run of the integration tests.
        needs_gl: Whether MuJoCo draws the frames, for which it needs OpenGL.
    """

    env_id: str
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    render_mode: Any = "rgb_array"
    steps: int = 40
    quick: bool = False
    needs_gl: bool = False

    @property
    def name(self) -> str:
        return "-".join([self.env_id, *map(str, self.kwargs.values())])


def rows(*ids: str, **options: Any) -> List[Row]:
    return [Row(env_id, **options) for env_id in ids]


GROUPS: Dict[str, List[Row]] = {
    "gymnasium": [
        *rows("CartPole-v1", "Pendulum-v1", "Acrobot-v1", quick=True),
        *rows("MountainCar-v0", "MountainCarContinuous-v0"),
        *rows("FrozenLake-v1", "Taxi-v4", "Blackjack-v1", quick=True, steps=100),
        *rows("FrozenLake8x8-v1", "CliffWalking-v1", "CliffWalkingSlippery-v1"),
        *rows("HalfCheetah-v5", "Ant-v5", quick=True, needs_gl=True),
        *rows("Hopper-v5", "Humanoid-v5", "HumanoidStandup-v5", "Walker2d-v5", needs_gl=True),
        *rows("Swimmer-v5", "Reacher-v5", "Pusher-v5", needs_gl=True),
        *rows("InvertedPendulum-v5", "InvertedDoublePendulum-v5", needs_gl=True),
        *rows("ALE/Pong-v5", "ALE/Breakout-v5", quick=True),
        *rows("ALE/SpaceInvaders-v5", "ALE/MontezumaRevenge-v5", "ALE/MsPacman-v5"),
        Row("ALE/Seaquest-v5", {"obs_type": "ram"}),
        *rows(
            "MiniGrid-Empty-5x5-v0", "MiniGrid-DoorKey-8x8-v0", "BabyAI-GoToLocal-v0", quick=True
        ),
        *rows(
            "MiniGrid-FourRooms-v0", "MiniGrid-Fetch-8x8-N3-v0", "MiniGrid-Dynamic-Obstacles-8x8-v0"
        ),
        *rows(
            "MiniGrid-LavaCrossingS9N2-v0",
            "MiniGrid-MultiRoom-N4-S5-v0",
            "MiniGrid-PutNear-8x8-N3-v0",
        ),
        *rows("BabyAI-GoToRedBall-v0", "BabyAI-BossLevel-v0", "BabyAI-PutNextLocal-v0"),
    ],
    "highway": [
        *rows("highway-v0", "highway-fast-v0", "merge-v0", "roundabout-v0", steps=15),
        *rows(
            "intersection-v0",
            "intersection-v1",
            "parking-v0",
            "racetrack-v0",
            "two-way-v0",
            steps=15,
        ),
    ],
    "robotics": [
        *(
            Row("Meta-World/MT1", {"env_name": name, "seed": 1}, needs_gl=True)
            for name in ("push-v3", "reach-v3", "door-open-v3", "pick-place-v3", "drawer-close-v3")
        ),
        *rows("FetchReach-v4", "FetchPush-v4", needs_gl=True),
        *rows("FetchPickAndPlace-v4", "FetchSlide-v4", needs_gl=True),
        *rows(
            "HandReach-v3", "HandManipulateBlockRotateXYZ-v1", "AdroitHandDoor-v1", needs_gl=True
        ),
        *rows(
            "AdroitHandPen-v1",
            "PointMaze_UMaze-v3",
            "AntMaze_UMaze-v5",
            "FrankaKitchen-v1",
            needs_gl=True,
        ),
    ],
    "panda": [
        *rows("PandaReach-v3", "PandaPush-v3", "PandaPickAndPlace-v3", "PandaSlide-v3", steps=20),
        *rows("PandaStack-v3", "PandaReachJointsDense-v3", steps=20),
        # From its first contacts on, its engine gives each process other numbers.
        Row("gym_pusht/PushT-v0", steps=10),
        Row("gym_pusht/PushT-v0", {"obs_type": "pixels_agent_pos"}, steps=10),
        Row("gym_pusht/PushT-v0", {"obs_type": "environment_state_agent_pos"}, steps=10),
    ],
    "dm-control": [
        *(
            Row(f"dm_control/{name}-v0", needs_gl=True)
            for name in (
                "acrobot-swingup",
                "ball_in_cup-catch",
                "cartpole-swingup",
                "cheetah-run",
                "finger-spin",
                "fish-swim",
                "hopper-hop",
                "humanoid-walk",
                "manipulator-bring_ball",
                "pendulum-swingup",
                "point_mass-easy",
                "quadruped-walk",
                "reacher-easy",
                "walker-run",
            )
        ),
    ],
    "pettingzoo": [
        *rows("LunarLander-v3", "LunarLanderContinuous-v3", "BipedalWalker-v3"),
        Row("CarRacing-v3", steps=15),
        *rows("pettingzoo/classic/connect_four_v3", "pettingzoo/classic/tictactoe_v3"),
        Row("pettingzoo/classic/rps_v2"),
        Row("pettingzoo/classic/leduc_holdem_v4"),
        Row("pettingzoo/butterfly/pistonball_v6", steps=15),
        Row("pettingzoo/butterfly/cooperative_pong_v6", steps=15),
        Row("pettingzoo/butterfly/knights_archers_zombies_v11", steps=15),
    ],
}
"""By the session that installs them."""

QUICK = [row for row in GROUPS["gymnasium"] if row.quick]
