"""Makes the helper modules importable, and gives tests addresses and server processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from servers import Servers


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=3, help="how often each process is killed")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often a test that kills processes does so."""
    number: int = request.config.getoption("--kills")
    return number


@pytest.fixture
def serve() -> Iterator[Servers]:
    """Start server processes; whatever still runs at the end of the test is killed."""
    with Servers() as servers:
        yield servers


@pytest.fixture(scope="module")
def serve_module() -> Iterator[Servers]:
    """As `serve`, for a whole module."""
    with Servers() as servers:
        yield servers


@pytest.fixture
def new_address(tmp_path: Path) -> Callable[[str], str]:
    """Return a free address of a scheme, `"tcp"` or `"unix"`."""

    def new(scheme: str) -> str:
        return "tcp://127.0.0.1:0" if scheme == "tcp" else f"unix://{tmp_path}/env.sock"

    return new
