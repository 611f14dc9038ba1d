"""What users get wrong: actions, the order of calls, one env for two, addresses to serve at."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import numpy as np
import pytest
from envs import Countdown, Everything
from servers import PATIENCE, ServerProcess, Servers

import rlmesh
import rlmesh.numpy
from rlmesh.errors import (
    AddressError,
    AddressInUse,
    Busy,
    ConnectionFailed,
    InvalidValue,
    NotReset,
    RequestTimeout,
    RLMeshError,
    SecurityError,
    SessionLost,
)

SCHEMES = pytest.mark.parametrize("scheme", ["tcp", "unix"])
TOKEN = "a token of some length"


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> ServerProcess:
    return serve_module("envs:Everything")


@pytest.fixture
def env(server: ServerProcess) -> Iterator[rlmesh.numpy.RemoteEnv]:
    """An env that must be usable after the test, without another reset."""
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        env.reset(seed=0)
        yield env
        assert env.step(good_action())[4]["said"] is not None
    assert server.process.poll() is None


def good_action() -> Dict[str, Any]:
    space = Everything().action_space
    space.seed(0)
    return dict(space.sample())


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"move": np.zeros(6, np.float32)}, "action['move'].shape: expected (7,), got (6,)"),
        ({"move": np.zeros((7, 1), np.float32)}, "action['move'].shape: expected (7,), got (7, 1)"),
        ({"move": np.float32(1)}, "action['move'].shape: expected (7,), got ()"),
        ({"move": [1.0] * 8}, "action['move'].shape: expected (7,), got (8,)"),
        ({"move": np.zeros(7)}, "action['move'].dtype: expected float32, got float64"),
        ({"move": np.zeros(7, int)}, "action['move'].dtype: expected float32, got int64"),
        ({"move": ["1"] * 7}, "action['move'].dtype: expected numbers for float32, got '1'"),
        ({"move": [[1.0], 2.0]}, "action['move'].shape: expected equal rows"),
        ({"move": None}, "action['move']: expected an array of float32 and shape (7,), got None"),
        (
            {"move": {}},
            "action['move']: expected an array of float32 and shape (7,), got {} (dict)",
        ),
        ({"image": np.zeros((100, 100, 3))}, "action['image'].dtype: expected uint8, got float64"),
        ({"grip": 0.5}, "action['grip']: expected an integer, got 0.5 (float)"),
        ({"grip": np.float64(1)}, "action['grip']: expected an integer"),
        ({"grip": np.array([1])}, "action['grip']: expected an integer"),
        ({"grip": 2**63}, "action['grip']: expected an integer that fits int64"),
        ({"say": b"ab"}, "action['say']: expected a str, got b'ab' (bytes)"),
        ({"both": 5}, "action['both']: expected a tuple, got 5 (int)"),
        ({"both": (1,)}, "action['both']: expected 2 elements, got 1"),
        ({"both": ([1, 1, 1], "x")}, "action['both'][1]: expected an integer, got 'x' (str)"),
        ({"both": ([1, 1], 10)}, "action['both'][0].shape: expected (3,), got (2,)"),
        ({"more": 1}, "action: expected keys ['both', 'grip', 'image', 'move', 'say'], got ["),
    ],
)
@pytest.mark.parametrize("where", ["served", "here"])
def test_an_action_that_does_not_fit_is_named_with_its_path(
    part: Dict[str, Any], words: str, where: str, env: rlmesh.numpy.RemoteEnv
) -> None:
    action = {**good_action(), **part}
    model = rlmesh.numpy.Model(lambda _: action)
    with pytest.raises(InvalidValue) as caught:
        model.run(env if where == "served" else Everything())
    assert words in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("action", [None, 3, "left", [], np.zeros(3)])
def test_an_action_of_another_structure_is_named(action: Any, env: rlmesh.numpy.RemoteEnv) -> None:
    with pytest.raises(InvalidValue, match=r"^action: expected a mapping, got "):
        env.step(action)


def test_a_missing_part_of_an_action_is_named(env: rlmesh.numpy.RemoteEnv) -> None:
    action = good_action()
    del action["say"]
    with pytest.raises(InvalidValue, match=r"^action: expected keys .*'say'.*, got "):
        env.step(action)


def test_an_action_that_does_not_fit_steps_no_env(serve: Servers) -> None:
    server = serve("envs:Countdown")
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        for action in ("left", 1.5, None, rlmesh.Tensor.from_values([1], "int64")):
            with pytest.raises(InvalidValue, match=r"^action: expected an integer"):
                env.step(action)
        assert env.step(rlmesh.Tensor.from_values(1, "int64"))[1] == 1.0


def test_an_action_out_of_bounds_is_passed_on_and_warned_of_once(serve: Servers) -> None:
    server = serve("envs:Countdown")
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        with pytest.warns(RuntimeWarning, match=r"action: expected within \[0, 1\], got 7") as seen:
            rewards = [env.step(7)[1], env.step(8)[1]]
        assert rewards == [1.0, 2.0]
        assert len(seen) == 1


@pytest.mark.parametrize("seed", [-1, 1.5, "1", 2**64, [1]])
def test_a_seed_that_is_none_is_named(seed: Any, env: rlmesh.numpy.RemoteEnv) -> None:
    with pytest.raises(InvalidValue, match=r"seed: expected an integer from 0 to 2\*\*64 - 1"):
        env.reset(seed=seed)


def test_a_seed_may_be_of_any_integer_type(env: rlmesh.numpy.RemoteEnv) -> None:
    observations = [env.reset(seed=seed)[0]["state"] for seed in (3, np.int64(3), np.uint8(3))]
    assert observations[0].tobytes() == observations[1].tobytes() == observations[2].tobytes()


def test_options_for_an_env_that_takes_none_are_named() -> None:
    class Optionless(Countdown):
        def reset(self, *, seed: Any = None) -> Any:  # type: ignore[override]
            return super().reset(seed=seed)

    with rlmesh.EnvServer(Optionless()) as server, rlmesh.RemoteEnv(server.address) as env:
        with pytest.raises(InvalidValue, match=r"options: this env's reset takes none, got {'a'"):
            env.reset(options={"a": 1})
        env.reset(seed=1)


@pytest.mark.parametrize("call", ["step", "render"])
def test_acting_before_the_first_reset_is_an_error_in_every_session(
    call: str, server: ServerProcess
) -> None:
    for _ in range(2):
        with rlmesh.numpy.RemoteEnv(server.address) as env:
            for _ in range(2):
                with pytest.raises(NotReset, match=rf"{call}: call reset\(\) first"):
                    env.render() if call == "render" else env.step(good_action())
            env.reset()
            env.render() if call == "render" else env.step(good_action())


def test_calls_after_close_are_errors_and_closing_again_is_none(server: ServerProcess) -> None:
    env = rlmesh.numpy.RemoteEnv(server.address)
    env.reset()
    for _ in range(2):
        env.close()
    for call in (env.reset, env.render, lambda: env.step(good_action())):
        with pytest.raises(SessionLost, match=f"the session with {server.address} is over: it was"):
            call()


@SCHEMES
def test_a_second_client_is_refused_at_once_also_during_a_step(
    scheme: str, serve: Servers, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    until = tmp_path / "until"
    server = serve("envs:Slow", new_address(scheme), kwargs={"until": str(until)})
    words = "the env is held by another client; a served env instance has one client at a time"
    with rlmesh.RemoteEnv(server.address) as env:
        with pytest.raises(Busy, match=words):
            rlmesh.numpy.RemoteEnv(server.address)
        env.reset()
        stepping = threading.Thread(target=env.step, args=(0,))
        stepping.start()
        assert [server.read_line(), server.read_line()] == ["reset", "step"]
        for takeover in (False, True):
            with pytest.raises(Busy, match=words):
                rlmesh.RemoteEnv(server.address, takeover=takeover)
        assert stepping.is_alive()
        until.touch()
        stepping.join(PATIENCE)
        assert env.step(0)[4] == {"steps": 2}
    rlmesh.RemoteEnv(server.address).close()


def test_a_step_that_lasts_too_long_ends_the_session_until_it_returns(
    serve: Servers, tmp_path: Path
) -> None:
    until = tmp_path / "until"
    server = serve("envs:Slow", kwargs={"until": str(until)})
    words = rf"{server.address} is connected, but did not answer step within 0\.3 s"
    with rlmesh.RemoteEnv(server.address, step_timeout=0.3) as env:
        env.reset()
        with pytest.raises(RequestTimeout, match=words):
            env.step(0)
        with pytest.raises(SessionLost, match=r"is over: .* did not answer step"):
            env.step(0)
        with pytest.raises(Busy, match="still executes a call that its last client gave up"):
            rlmesh.RemoteEnv(server.address, connect_timeout=0.5)
        until.touch()
        assert env.reset()[1] == {"steps": 1}
        assert env.step(0)[4] == {"steps": 2}


@SCHEMES
def test_an_address_in_use_is_refused_and_its_server_serves_on(
    scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve("envs:Countdown", new_address(scheme))
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        other = rlmesh.EnvServer(Countdown(), server.address)
        for use in (other.bind, other.start, other.serve):
            with pytest.raises(AddressInUse, match=f"{server.address} is in use by another server"):
                use()
        other.shutdown()
        assert env.step(0)[1] == 1.0
    rlmesh.RemoteEnv(server.address).close()


def test_a_port_that_another_program_holds_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressInUse, match=f"tcp://{address} is in use"):
            rlmesh.EnvServer(Countdown(), address).start()


def test_a_unix_socket_that_another_program_holds_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "foreign.sock"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        with pytest.raises(AddressInUse, match=f"unix://{path} is in use"):
            rlmesh.EnvServer(Countdown(), f"unix://{path}").start()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        assert [entry.name for entry in tmp_path.iterdir()] == ["foreign.sock"]


def test_paths_that_cannot_be_served_at_are_named_and_stay_as_they_are(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("precious")
    folder.mkdir()
    for path, words in (
        (file, "exists, and is not a socket"),
        (folder, "exists, and is not a socket"),
        (tmp_path / "missing" / "sock", "cannot serve unix://.*No such file or directory"),
        (file / "sock", "cannot serve unix://.*Not a directory"),
        (tmp_path / ("x" * 120), "a unix socket path may have 107 bytes"),
        (tmp_path / ("ä" * 60), "a unix socket path may have 107 bytes"),
    ):
        with pytest.raises(AddressError, match=words) as caught:
            rlmesh.EnvServer(Countdown(), f"unix://{path}").start()
        assert not isinstance(caught.value, AddressInUse)
        assert str(path) in str(caught.value)
    assert file.read_text() == "precious"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    server = rlmesh.EnvServer(Countdown(), f"{host}:0", token=TOKEN)
    with pytest.raises(
        AddressError, match=f"cannot serve tcp://{host}|the host '{host}' is unknown"
    ):
        server.start()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "*:0", "[::]:0", "192.0.2.1:5555"])
def test_an_address_that_others_reach_needs_a_token_or_a_clear_word(address: str) -> None:
    server = rlmesh.EnvServer(Countdown(), address)
    with pytest.raises(SecurityError, match=r"refusing to serve .* without a token") as caught:
        server.start()
    for way_on in ("token=", "RLMESH_TOKEN", "127.0.0.1", "ServeOptions(allow_insecure=True)"):
        assert way_on in str(caught.value)


def test_an_address_that_others_reach_may_be_served_with_a_token_or_a_clear_word() -> None:
    open_to_all = rlmesh.ServeOptions(allow_insecure=True)
    for arguments in ({"token": TOKEN}, {"options": open_to_all}):
        with rlmesh.EnvServer(Countdown(), "0.0.0.0:0", **arguments) as server:
            address = server.address.replace("0.0.0.0", "127.0.0.1")
            result = rlmesh.Model(lambda _: 0).run(address, token=arguments.get("token", ""))
            assert result.total_steps == 4
            assert TOKEN not in repr(server)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_every_name_of_this_machine_is_served_without_a_token(host: str) -> None:
    with rlmesh.EnvServer(Countdown(), f"{host}:0") as server:
        assert server.address.startswith(f"tcp://{host}:")
        assert rlmesh.Model(lambda _: 0).run(server).total_steps == 4


def test_every_error_is_one_of_ours(server: ServerProcess) -> None:
    for error in (AddressInUse, Busy, ConnectionFailed, NotReset, InvalidValue, RequestTimeout):
        assert issubclass(error, RLMeshError)
