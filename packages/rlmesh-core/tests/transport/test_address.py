from __future__ import annotations

import pytest

from rlmesh._transport.address import Address, parse_address
from rlmesh.errors import AddressError


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("127.0.0.1:5555", Address("tcp", "127.0.0.1", 5555)),
        ("tcp://localhost:0", Address("tcp", "localhost", 0)),
        ("tcp://*:80", Address("tcp", "0.0.0.0", 80)),
        ("gpu-box.lab:65535", Address("tcp", "gpu-box.lab", 65535)),
        ("tcp://[::1]:7", Address("tcp", "::1", 7)),
        ("unix:///tmp/env.sock", Address("unix", path="/tmp/env.sock")),
        ("inproc://name", Address("inproc", path="name")),
    ],
)
def test_addresses_parse_and_print_as_themselves(text, parsed):
    assert parse_address(text) == parsed
    assert parse_address(str(parsed)) == parsed


def test_a_relative_unix_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_address("unix://env.sock").path == str(tmp_path / "env.sock")


@pytest.mark.parametrize(
    "text",
    [
        *("", "5555", ":5555", "localhost", "localhost:", "http://a:1", "tcp://a", "tcp://a:b"),
        *("tcp://a:1:2", "tcp://a:-1", "unix://", "inproc://", "a b:1", "tcp://a:1/x", None, 5555),
    ],
)
def test_what_does_not_parse_is_shown_with_the_forms_that_would(text):
    with pytest.raises(AddressError, match="expected tcp://HOST:PORT, HOST:PORT or unix") as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)


def test_a_port_above_the_last_is_refused():
    with pytest.raises(AddressError, match="port up to 65535, got 65536"):
        parse_address("localhost:65536")


def test_a_path_that_no_unix_socket_can_have_is_refused():
    assert parse_address("unix:///" + "a" * 106)
    with pytest.raises(AddressError, match="may have 107 bytes, .* has 108"):
        parse_address("unix:///" + "a" * 107)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("unix:///tmp/x", True),
        ("0.0.0.0:1", False),
        ("*:1", False),
        ("192.168.0.1:1", False),
        ("[::]:1", False),
        ("gpu-box:1", False),
    ],
)
def test_which_addresses_only_this_machine_reaches(text, local):
    assert parse_address(text).is_local is local


@pytest.mark.parametrize(
    "text", ["unix:///tmp/a\0b", "inproc://a\0", "tcp://h\0:1", "unix:///\ud800"]
)
def test_text_that_no_system_takes_is_an_address_error(text):
    with pytest.raises(AddressError, match="address: expected"):
        parse_address(text)
