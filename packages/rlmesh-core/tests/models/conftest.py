"""Models in this process, and the same ones behind a socket."""

from __future__ import annotations

import contextlib

import pytest

from rlmesh import Model, ModelServer, RemoteModel


@pytest.fixture(params=["here", "served"])
def make_model(request, tmp_path):
    """Return a function that makes a model of a source, here or served, whatever the test."""
    with contextlib.ExitStack() as stack:
        count = iter(range(1000))

        def make(source, **arguments):
            model = Model(source, **arguments)
            if request.param == "here":
                return model
            server = ModelServer(model, f"unix://{tmp_path}/model{next(count)}")
            stack.enter_context(server)
            return stack.enter_context(RemoteModel(server.address))

        yield make
