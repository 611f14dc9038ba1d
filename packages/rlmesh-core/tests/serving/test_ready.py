"""How a server says that it answers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from countdown import Countdown
from worlds import assert_soon

import rlmesh
from rlmesh.errors import AddressInUse


def served(address: str = "tcp://127.0.0.1:0", **options: Any) -> rlmesh.EnvServer:
    return rlmesh.EnvServer(Countdown(), address, options=rlmesh.ServeOptions(**options))


@pytest.mark.parametrize("kind", [str, Path])
def test_the_file_has_the_address_while_clients_are_answered(tmp_path: Path, kind: Any) -> None:
    file = tmp_path / "ready"
    server = served(ready_file=kind(file))
    server.bind()
    assert not file.exists()
    with server:
        assert_soon(file.exists)
        assert file.read_text() == f"{server.address}\n"
        assert os.listdir(tmp_path) == ["ready"]
        rlmesh.RemoteEnv(server.address).close()
    assert os.listdir(tmp_path) == []


def test_a_model_and_a_factory_say_it_too(tmp_path: Path) -> None:
    options = rlmesh.ServeOptions(ready_file=tmp_path / "ready")
    for server in (
        rlmesh.ModelServer(rlmesh.Model(lambda observation: 0), options=options),
        rlmesh.EnvServer("countdown:Countdown", options=options),
    ):
        with server:
            assert_soon((tmp_path / "ready").exists)
            assert (tmp_path / "ready").read_text() == f"{server.address}\n"
        assert os.listdir(tmp_path) == []


def test_a_file_that_is_somebody_elses_by_then_stays(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    with served(ready_file=file):
        assert_soon(file.exists)
        file.unlink()
        file.write_text("of another server\n")
    assert file.read_text() == "of another server\n"


def test_a_file_that_is_gone_by_then_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    with served(ready_file=file):
        assert_soon(file.exists)
        file.unlink()
    assert os.listdir(tmp_path) == []


def test_the_file_of_a_killed_server_is_gone_before_the_next_is_ready(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    file.write_text("tcp://127.0.0.1:1\n")
    server = served(ready_file=file)
    server.bind()
    assert not file.exists()
    server.shutdown()


def test_the_file_of_the_server_that_has_the_address_stays(tmp_path: Path) -> None:
    file, address = tmp_path / "ready", f"unix://{tmp_path}/socket"
    with served(address, ready_file=file):
        assert_soon(file.exists)
        with pytest.raises(AddressInUse):
            served(address, ready_file=file).bind()
        assert file.read_text() == f"{address}\n"


def test_the_descriptor_gets_the_address_and_is_closed(tmp_path: Path) -> None:
    read, write = os.pipe()
    with open(read) as pipe, served(ready_fd=write) as server:
        assert pipe.read() == f"{server.address}\n"  # up to its end
        rlmesh.RemoteEnv(server.address).close()


def test_a_descriptor_that_nobody_reads_keeps_nobody_from_being_served() -> None:
    read, write = os.pipe()
    os.close(read)
    with served(ready_fd=write) as server:
        rlmesh.RemoteEnv(server.address).close()


def test_a_file_that_cannot_be_written_is_an_error_before_anything_is_served(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    for path, sentence in (
        (tmp_path / "none" / "ready", r"ready_file: '.*/none' is no folder"),
        (tmp_path / "file" / "ready", r"ready_file: '.*/file' is no folder"),
        (tmp_path, r"ready_file: expected a file, got the folder '.*'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            served(f"unix://{tmp_path}/socket", ready_file=path).start()
    assert os.listdir(tmp_path) == ["file"]


def test_a_descriptor_that_cannot_be_written_is_an_error_before_anything_is_served() -> None:
    read, write = os.pipe()
    os.close(write)
    with pytest.raises(ValueError, match=f"ready_fd: {write} is no open file descriptor"):
        served(ready_fd=write).start()
    with pytest.raises(ValueError, match=f"ready_fd: {read} is not open for writing"):
        served(ready_fd=read).start()
    os.close(read)


def test_wrong_options_are_errors_that_name_them() -> None:
    with pytest.raises(ValueError, match="ready_fd: expected at least 3, got 1"):
        rlmesh.ServeOptions(ready_fd=1)
    with pytest.raises(TypeError, match="ready_fd: expected an integer, got '3'"):
        rlmesh.ServeOptions(ready_fd="3")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="ready_file: expected a path, got 3"):
        rlmesh.ServeOptions(ready_file=3)  # type: ignore[arg-type]
