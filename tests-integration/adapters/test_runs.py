"""Models with a spec in tagged envs: here and served, in every framework, in every way to run."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import numpy as np
import pytest
import robots
from policies import to_numpy
from proxies import Proxy
from pythons import command_without
from robots import SPEC, STEPS, TAGS, TASK, Robot, watching_model
from servers import Servers

import rlmesh
import rlmesh.adapters as adapt
import rlmesh.numpy
from rlmesh._tasks import complete
from rlmesh.adapters.selection import Pushed, Selection
from rlmesh.errors import AdapterResolutionError, InvalidValue, ModelError

BACKENDS = ["native", "numpy", "torch", "jax"]
SEEDS = range(1, 4)
PLACES = pytest.mark.parametrize(
    ("env_where", "model_where"),
    [("here", "here"), ("served", "here"), ("served", "served"), ("here", "served")],
)


@pytest.fixture(scope="module")
def address(serve_module: Servers) -> str:
    return serve_module("robots:Robot").address


@pytest.fixture(scope="module")
def model_address(serve_module: Servers) -> Callable[..., str]:
    found: Dict[Tuple[str, ...], str] = {}

    def address_of(*arguments: str) -> str:
        if arguments not in found:
            kwargs = dict(zip(("backend", "corner"), arguments))
            found[arguments] = serve_module("robots:watching_model", kwargs=kwargs).address
        return found[arguments]

    return address_of


def expected_rewards(seeds: Any = SEEDS) -> List[Any]:
    return [
        pytest.approx(sum(robots.expected_action(seed, step).sum() for step in range(STEPS)))
        for seed in seeds
    ]


def rewards(result: rlmesh.RunResult) -> List[float]:
    return [episode.reward for episode in result.episodes]


@PLACES
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_adapted_model_sees_its_payload_and_the_env_its_actions(
    backend: str, env_where: str, model_where: str, address: str, model_address: Callable[..., str]
) -> None:
    env = address if env_where == "served" else Robot()
    here = model_where == "here"
    model = watching_model(backend) if here else rlmesh.RemoteModel(model_address(backend))
    result = model.run(env, seeds=SEEDS)
    assert rewards(result) == expected_rewards()
    assert [episode.steps for episode in result.episodes] == [STEPS] * len(SEEDS)
    assert 0 < result.adapter_seconds < result.duration


@PLACES
@pytest.mark.parametrize("corner", ["predict_chunk", "predict_chunk_batch"])
@pytest.mark.parametrize("horizon", [1, 3, 4])
def test_steps_that_a_chunk_answered_count_as_history(
    corner: str,
    horizon: int,
    env_where: str,
    model_where: str,
    address: str,
    model_address: Callable[..., str],
) -> None:
    env = address if env_where == "served" else Robot()
    here = model_where == "here"
    model = (
        watching_model("numpy", corner)
        if here
        else rlmesh.RemoteModel(model_address("numpy", corner))
    )
    result = model.run(env, seeds=SEEDS, execution_horizon=horizon)
    assert rewards(result) == expected_rewards()


@pytest.mark.parametrize("corner", ["predict", "predict_batch", "predict_chunk_batch"])
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_lanes_and_episodes_never_mix(backend: str, corner: str, serve: Servers) -> None:
    server = serve("robots:watching_model", kwargs={"backend": backend, "corner": corner})
    results: List[rlmesh.RunResult] = []

    def run(seeds: List[int]) -> None:
        with rlmesh.RemoteModel(server.address) as model:
            results.append(model.run(Robot(), seeds=seeds))

    lanes = [list(range(10 * lane, 10 * lane + 4)) for lane in range(6)]
    threads = [threading.Thread(target=run, args=(seeds,)) for seeds in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {(e.seed, round(e.reward, 3)) for result in results for e in result.episodes}
    seeds = [seed for lane in lanes for seed in lane]
    totals = [
        sum(robots.expected_action(seed, step).sum() for step in range(STEPS)) for seed in seeds
    ]
    assert found == {(seed, round(float(total), 3)) for seed, total in zip(seeds, totals)}
    assert len(results) == len(lanes)


def test_an_episode_that_is_cut_short_leaves_nothing_to_the_next(address: str) -> None:
    with watching_model("numpy", "predict_chunk").session(address, execution_horizon=4) as session:
        for seed, steps in ((1, 6), (2, 3), (3, STEPS)):
            observation, _ = session.reset(seed=seed)
            for _ in range(steps):
                observation = session.step(session.predict(observation))[0]
        assert session.over


@pytest.mark.parametrize("where", ["here", "served"])
def test_an_instruction_goes_into_every_text_input_of_each_episode(
    where: str, address: str, serve: Servers
) -> None:
    prompt = "open the drawer"
    model = watching_model(prompt=prompt)
    if where == "served":
        server = serve("robots:watching_model", kwargs={"prompt": prompt})
        model = rlmesh.RemoteModel(server.address)
    assert rewards(model.run(address, seeds=SEEDS, instruction=prompt)) == expected_rewards()
    with pytest.raises((AssertionError, ModelError)):
        model.run(address, seeds=SEEDS)


def quiet_spec(**inputs: Any) -> adapt.ModelSpec:
    """Return a spec without text."""
    return adapt.ModelSpec(inputs or {"clock": adapt.State(robots.CLOCK)}, robots.OUTPUT)


def acts(payload: Any) -> Any:
    step, seed = (float(number) for number in payload["clock"])
    return robots.output(seed, step)


def test_an_instruction_is_an_error_for_a_model_without_text(address: str) -> None:
    model = rlmesh.numpy.Model(acts, spec=quiet_spec())
    words = "instruction: this model has no text input, so it cannot take 'x'"
    with pytest.raises(ValueError, match=words):
        model.run(address, instruction="x")
    with rlmesh.ModelServer(model, "tcp://127.0.0.1:0") as server, pytest.raises(
        InvalidValue, match=words
    ):
        rlmesh.run(server.address, address, instruction="x")


def test_a_text_that_nobody_gives_is_an_error_before_anything_runs() -> None:
    env = Robot(tagged=False)
    observation = {name: one for name, one in TAGS.observation.items() if name != "task"}
    adapt.tag(env, adapt.EnvTags(observation, TAGS.action))
    with pytest.raises(AdapterResolutionError, match=r"input\['prompt'\].*text/instruction"):
        watching_model().run(env)
    assert env.resets == 0
    result = watching_model(prompt="x").run(env, seeds=SEEDS, instruction="x")
    assert rewards(result) == expected_rewards()


@pytest.mark.parametrize("where", ["here", "served"])
def test_an_env_without_tags_is_named(where: str, serve: Servers) -> None:
    server = serve("robots:Robot", kwargs={"tagged": False})
    env: Any = server.address if where == "served" else Robot(tagged=False)
    with pytest.raises(AdapterResolutionError, match=r"the env 'Robot' has no tags.*tags="):
        watching_model().run(env)
    with rlmesh.ModelServer(watching_model(), "tcp://127.0.0.1:0") as models, pytest.raises(
        AdapterResolutionError, match="the env 'Robot' has no tags"
    ):
        rlmesh.run(models.address, env)


def test_a_server_can_be_given_the_tags_of_its_env() -> None:
    env = Robot(tagged=False)
    with rlmesh.EnvServer(env, "tcp://127.0.0.1:0", tags=TAGS) as server:
        assert rewards(watching_model().run(server.address, seeds=SEEDS)) == expected_rewards()
        with rlmesh.RemoteEnv(server.address) as remote:
            adapter = adapt.resolve_from_contract(remote.contract, SPEC)
            assert "quat_xyzw -> rot6d" in adapter.explain()
    assert env.metadata == {}


def test_tags_that_do_not_fit_are_refused_where_they_are_given() -> None:
    wrong = adapt.EnvTags({"top": adapt.StateTag(adapt.EEF_POS)}, TAGS.action)
    words = r"observation\['top'\]"
    with pytest.raises(AdapterResolutionError, match=words):
        adapt.tag(Robot(tagged=False), wrong)
    with pytest.raises(AdapterResolutionError, match=words):
        rlmesh.EnvServer(Robot(tagged=False), "tcp://127.0.0.1:0", tags=wrong)


def test_a_spec_that_does_not_fit_is_refused_before_anything_runs(address: str) -> None:
    missing = quiet_spec(clock=adapt.State(robots.CLOCK), joints=adapt.State(adapt.JOINT_POS))
    env = Robot()
    words = r"input\['joints'\]: expected the env to offer 'proprio/joint_pos'"
    with pytest.raises(AdapterResolutionError, match=words):
        rlmesh.numpy.Model(acts, spec=missing).run(env)
    assert env.resets == 0
    model = rlmesh.numpy.Model(acts, spec=missing)
    with rlmesh.ModelServer(model, "tcp://127.0.0.1:0") as server, pytest.raises(
        AdapterResolutionError, match=words
    ):
        rlmesh.run(server.address, address)


def bytes_returned(address: str, model: Any, **options: Any) -> int:
    """Return how many bytes an env sends for a run of two episodes."""
    with Proxy(address) as proxy:
        result = model.run(proxy.address, seeds=[1, 2], **options)
        assert rewards(result) == expected_rewards([1, 2])
        return proxy.returned


LARGE = {"size": (240, 320)}
OBSERVATIONS = 2 * (STEPS + 1)
CAMERA = 240 * 320 * 3


@pytest.fixture(scope="module")
def large_address(serve_module: Servers) -> str:
    return serve_module("robots:Robot", kwargs=LARGE).address


def test_only_what_is_read_crosses_the_wire(large_address: str) -> None:
    one_of_three = bytes_returned(large_address, watching_model())
    assert OBSERVATIONS * CAMERA < one_of_three < 1.01 * OBSERVATIONS * CAMERA
    blind = bytes_returned(large_address, rlmesh.numpy.Model(acts, spec=quiet_spec()))
    assert blind < 0.01 * OBSERVATIONS * CAMERA


def test_a_served_model_is_sent_only_what_it_reads(large_address: str) -> None:
    with rlmesh.ModelServer(watching_model(), "tcp://127.0.0.1:0") as server, rlmesh.RemoteModel(
        server.address
    ) as model:
        sent = bytes_returned(large_address, model)
    assert OBSERVATIONS * CAMERA < sent < 1.01 * OBSERVATIONS * CAMERA


def secret_of(observation: Any) -> Any:
    assert sorted(observation) == sorted(Robot().observation_space.spaces)
    return observation["clock"]


@pytest.mark.parametrize("named", [False, True])
def test_a_custom_input_gets_everything(named: bool, large_address: str) -> None:
    custom = adapt.Custom(entrypoint="adapters.test_runs:secret_of")
    custom = custom if named else adapt.Custom(secret_of)
    model = rlmesh.numpy.Model(acts, spec=quiet_spec(clock=custom), trust_entrypoints=named)
    assert bytes_returned(large_address, model) > 3 * OBSERVATIONS * CAMERA


def test_an_entrypoint_is_imported_only_where_that_is_allowed(address: str) -> None:
    spec = quiet_spec(clock=adapt.Custom(entrypoint="adapters.test_runs:secret_of"))
    model = rlmesh.numpy.Model(acts, spec=spec)
    with pytest.raises(AdapterResolutionError, match=r"input\['clock'\].*trust_entrypoints=True"):
        model.run(address)


def test_a_session_has_whole_observations(large_address: str) -> None:
    with Proxy(large_address) as proxy, watching_model().session(proxy.address) as session:
        observation, _ = session.reset(seed=1)
        while not session.over:
            assert sorted(observation) == sorted(Robot().observation_space.spaces)
            observation = session.step(session.predict(observation))[0]
        assert session.result().reward == expected_rewards([1])[0]
        assert proxy.returned > 3 * STEPS * CAMERA


def test_an_env_that_served_an_adapted_run_sends_everything_again(address: str) -> None:
    with rlmesh.numpy.RemoteEnv(address) as env:
        watching_model().run(env, seeds=SEEDS)
        observation, _ = env.reset(seed=0)
        assert sorted(observation) == sorted(Robot().observation_space.spaces)
        assert (observation["top"] == Robot().reset(seed=0)[0]["top"]).all()


@pytest.mark.parametrize("where", ["here", "served"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_images_can_be_made_smaller_before_they_are_sent(
    backend: str, where: str, large_address: str
) -> None:
    model = watching_model(backend)
    if where == "here":
        sent = bytes_returned(large_address, model, pushdown="images")
        result = model.run(large_address, seeds=[1], pushdown="images")
        plain = model.run(large_address, seeds=[1])
    else:
        with rlmesh.ModelServer(model, "tcp://127.0.0.1:0") as server, rlmesh.RemoteModel(
            server.address
        ) as remote:
            sent = bytes_returned(large_address, remote, pushdown="images")
            result = remote.run(large_address, seeds=[1], pushdown="images")
            plain = remote.run(large_address, seeds=[1])
    assert sent < 0.05 * OBSERVATIONS * CAMERA
    assert result.metadata["pushdown"] == ["observation['top'] -> 24x24"]
    assert "pushdown" not in plain.metadata
    assert result == plain
    pushed, usual = images_of(model, -2), images_of(model, -1)
    level = 0 if backend in ("native", "numpy") else 1
    assert np.abs(pushed - usual).max() <= level / 255 + 1e-6


def images_of(model: Any, run: int) -> Any:
    """Return the images that a model was given in one of its runs, counted from the last."""
    payloads = model.watcher.payloads
    stop = len(payloads) + (run + 1) * STEPS
    return np.stack([payload["image"] for payload in payloads[stop - STEPS : stop]])


def test_an_unknown_pushdown_is_named(address: str) -> None:
    with pytest.raises(ValueError, match="pushdown: expected 'images' or None, got 'states'"):
        watching_model().run(address, pushdown="states")


def test_nothing_is_pushed_down_that_would_not_get_smaller(address: str) -> None:
    image = adapt.Image(adapt.IMAGE_PRIMARY, size=(96, 128), allow_upscale=True)
    spec = quiet_spec(clock=adapt.State(robots.CLOCK), image=image)
    result = rlmesh.numpy.Model(acts, spec=spec).run(address, seeds=[1], pushdown="images")
    assert result.metadata["pushdown"] == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_session_reads_by_role(backend: str, address: str) -> None:
    env = Robot()
    expected, _ = env.reset(seed=5)
    quat = expected["eef_quat"]
    with watching_model(backend).session(address) as session:
        observation, _ = session.reset(seed=5)
        image = to_numpy(session.read(observation, adapt.IMAGE_PRIMARY))
        assert (image == expected["top"][::-1, ::-1]).all()
        wrist = to_numpy(session.read(observation, adapt.IMAGE_WRIST))
        assert (wrist == expected["side"]).all()
        assert session.read(observation, adapt.INSTRUCTION) == TASK
        read = to_numpy(session.read(observation, adapt.EEF_ROT))
        assert read == pytest.approx(quat, abs=1e-6)
        turned = to_numpy(session.read(observation, adapt.EEF_ROT, encoding="quat_wxyz"))
        sign = 1 if quat[3] >= 0 else -1
        assert turned == pytest.approx(sign * quat[[3, 0, 1, 2]], abs=1e-5)
        small = session.read(observation, adapt.IMAGE_PRIMARY, size=24, fit="crop", layout="chw")
        assert tuple(small.shape) == (3, 24, 24)
        with pytest.raises(AdapterResolutionError, match="'proprio/joint_pos', got only"):
            session.read(observation, adapt.JOINT_POS)
        with pytest.raises(AdapterResolutionError, match=r"fields of State.*got 'size'"):
            session.read(observation, adapt.EEF_ROT, size=3)
        with pytest.raises(AdapterResolutionError, match="need no past, got 'stack'"):
            session.read(observation, adapt.EEF_ROT, stack=3)


def test_a_served_models_session_reads_native_values(address: str) -> None:
    expected, _ = Robot().reset(seed=5)
    with rlmesh.ModelServer(watching_model(), "tcp://127.0.0.1:0") as server, rlmesh.RemoteModel(
        server.address
    ).session(address) as session:
        observation, _ = session.reset(seed=5)
        read = session.read(observation, adapt.EEF_ROT)
        assert read == pytest.approx(expected["eef_quat"], abs=1e-6)


class ByHand(adapt.AdapterBase):
    """What `SPEC` says of clock and action, written by hand; remembers its episode's last step."""

    def reset(self, instruction: Any = None) -> None:
        self.last = -1

    def transform_obs(self, observation: Any) -> Any:
        step = observation["clock"][0]
        assert step == self.last + 1
        self.last = step
        return {"clock": observation["clock"]}

    def transform_action(self, output: Any) -> Any:
        return robots.expected_action(output[0], output[1])

    def reads(self) -> Any:
        return [("clock",)]


@pytest.mark.parametrize("where", ["here", "served"])
def test_an_adapter_written_by_hand_takes_the_place_of_a_spec(
    where: str, large_address: str
) -> None:
    model = rlmesh.numpy.Model(acts, spec=ByHand())
    if where == "here":
        sent = bytes_returned(large_address, model)
    else:
        with rlmesh.ModelServer(model, "tcp://127.0.0.1:0") as server:
            sent = bytes_returned(large_address, rlmesh.RemoteModel(server.address))
    assert sent < 0.01 * OBSERVATIONS * CAMERA


def test_a_run_over_cut_cables_still_sends_only_what_is_read(large_address: str) -> None:
    with Proxy(large_address) as proxy:
        seen: List[int] = []

        def act(payload: Any) -> Any:
            seen.append(len(payload))
            if len(seen) % 5 == 0:
                proxy.cut()
            return acts(payload)

        result = rlmesh.numpy.Model(act, spec=quiet_spec()).run(proxy.address, seeds=[1, 2])
        assert rewards(result) == expected_rewards([1, 2])
        assert proxy.connections > 2
        assert proxy.returned < 0.1 * OBSERVATIONS * CAMERA


def test_an_env_that_restarts_between_runs_is_asked_again_for_the_selection(
    serve: Servers,
) -> None:
    first = serve("robots:Robot", kwargs=LARGE)
    with rlmesh.numpy.RemoteEnv(first.address) as env:
        assert rewards(watching_model().run(env, seeds=SEEDS)) == expected_rewards()
        first.close()
        serve("robots:Robot", first.address, kwargs=LARGE)
        assert rewards(watching_model().run(env, seeds=SEEDS)) == expected_rewards()


def test_a_native_model_with_a_spec_says_what_it_needs(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import rlmesh, rlmesh.adapters as adapt\n"
        "output = adapt.Action(adapt.Actuator(dim=1))\n"
        "spec = adapt.ModelSpec(adapt.State(adapt.EEF_POS), output)\n"
        "assert adapt.ModelSpec.from_json(spec.to_json()) == spec\n"
        "try:\n"
        "    rlmesh.Model(len, spec=spec)\n"
        "except rlmesh.RLMeshError as exc:\n"
        "    print(exc)\n"
    )
    command = [*command_without("numpy", "torch", "jax"), str(script)]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "NumPy, which is not installed: pip install numpy" in finished.stdout


def test_payloads_of_different_envs_are_no_batch(serve: Servers) -> None:
    image = adapt.Image(adapt.IMAGE_PRIMARY)
    spec = quiet_spec(clock=adapt.State(robots.CLOCK), image=image)
    shapes = set()

    class Batched:
        def predict_batch(self, payloads: Any) -> Any:
            shapes.add(payloads["image"].shape[1:])
            return np.stack([robots.output(seed, step) for step, seed in payloads["clock"]])

    model = rlmesh.numpy.Model(Batched(), spec=spec)
    with rlmesh.ModelServer(model, "tcp://127.0.0.1:0") as server:
        threads = [
            threading.Thread(target=rlmesh.run, args=(server.address, Robot(size)))
            for size in ((8, 8), (8, 8), (16, 12), (16, 12))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert shapes == {(8, 8, 3), (16, 12, 3)}


def test_nobody_has_the_env_make_images_larger(address: str) -> None:
    image = adapt.Image(adapt.IMAGE_PRIMARY, size=(4800, 6400), allow_upscale=True)
    pushed = Pushed(("top",), TAGS.observation["top"], image)
    with rlmesh.numpy.RemoteEnv(address) as env:
        with pytest.raises(InvalidValue, match=r"at most the 48x64 pixels of .*, got 4800x6400"):
            complete(env._client.select(Selection([("top",)], [pushed])))
        with pytest.raises(InvalidValue, match="expected a part of"):
            complete(env._client.select(Selection([("bottom",)])))
        observation, _ = env.reset(seed=1)
        assert observation["top"].shape == (48, 64, 3)
