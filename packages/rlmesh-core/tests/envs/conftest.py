from __future__ import annotations

import contextlib

import pytest

import rlmesh


@pytest.fixture
def serve():
    """Start servers that are shut down at the end of the test."""
    with contextlib.ExitStack() as stack:

        def start(factory, address="tcp://127.0.0.1:0", *, token="", kwargs=None, **options):
            server = rlmesh.EnvServer(
                factory,
                address,
                token=token,
                env_kwargs=kwargs,
                options=rlmesh.ServeOptions(**options),
            )
            return stack.enter_context(server)

        yield start


@pytest.fixture(params=["direct", "relayed"])
def way(request, monkeypatch):
    """Whether clients talk to their worker itself, or through the server."""
    if request.param == "relayed":
        monkeypatch.setattr("rlmesh._envs.client.is_reachable", lambda worker: False)
    return request.param
