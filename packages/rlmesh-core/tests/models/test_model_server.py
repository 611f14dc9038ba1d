from __future__ import annotations

import threading

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, ModelServer, RemoteEnv, RemoteModel, ServeOptions
from rlmesh._tasks import complete
from rlmesh.errors import AddressInUse, Busy, ProtocolError, SecurityError


class Policy:
    """Counts how often it is closed."""

    def __init__(self):
        self.closed = 0

    def predict(self, observation):
        return 1

    def close(self):
        self.closed += 1


def test_on_close_comes_once_however_the_server_ended(tmp_path):
    address = f"unix://{tmp_path}/s"
    policies = [Policy() for _ in range(3)]
    ran, bound, refused = (ModelServer(rlmesh.Model(one), address) for one in policies)
    bound.bind()
    with pytest.raises(AddressInUse):
        refused.start()
    bound.shutdown()
    with ran:
        rlmesh.run(address, Countdown(), seeds=[1])
        assert policies[0].closed == 0
    ran.shutdown()
    assert [one.closed for one in policies] == [1, 1, 1]
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_room_says_what_it_has_room_for():
    options = ServeOptions(max_sessions=1)
    with ModelServer(rlmesh.Model(Policy()), options=options) as server:
        with rlmesh.session(server.address, Countdown()), pytest.raises(
            Busy, match=r"^the model is held by another client$"
        ):
            rlmesh.session(server.address, Countdown())
        rlmesh.run(server.address, Countdown(), seeds=[1])


def test_a_run_may_wait_for_its_turn_at_a_full_server():
    options = ServeOptions(max_sessions=1)
    with ModelServer(rlmesh.Model(Policy()), options=options) as server:
        first = rlmesh.session(server.address, Countdown())
        with RemoteModel(server.address, busy_timeout=60) as model:
            results = []
            thread = threading.Thread(
                target=lambda: results.append(model.run(Countdown(), seeds=[3]))
            )
            thread.start()
            first.reset()
            first.close()
            thread.join(60)
        assert [episode.steps for episode in results[0].episodes] == [3]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_client_shuts_a_server_down_only_where_it_may(allowed):
    options = ServeOptions(allow_remote_shutdown=allowed)
    servers = [
        (ModelServer(rlmesh.Model(Policy()), options=options), RemoteModel),
        (EnvServer(Countdown(), options=options), RemoteEnv),
    ]
    for server, remote in servers:
        with server, remote(server.address) as client:
            if allowed:
                client.shutdown()
                assert server.wait(60)
            else:
                with pytest.raises(SecurityError, match="allow_remote_shutdown=True"):
                    client.shutdown()
                assert not server.wait(0.01)


def test_a_server_of_the_other_kind_is_named():
    with ModelServer(rlmesh.Model(Policy())) as model, EnvServer(Countdown()) as env:
        with pytest.raises(ProtocolError, match="serves a model, expected an env"):
            RemoteEnv(model.address)
        with pytest.raises(ProtocolError, match="serves an env, expected a model"):
            RemoteModel(env.address)


def test_a_server_is_shown_with_its_model_and_address():
    server = ModelServer(rlmesh.Model(Policy()), "127.0.0.1:5555")
    assert repr(server) == "ModelServer(rlmesh.Model(Policy), '127.0.0.1:5555')"
    with pytest.raises(TypeError, match="model: expected a Model, got <.*Policy"):
        ModelServer(Policy())


def test_the_end_of_an_episode_that_no_server_hears_of_is_no_error():
    model = rlmesh.Model(Policy())
    with ModelServer(model) as server, RemoteModel(server.address, connect_timeout=0.2) as remote:
        session = remote.session(Countdown())
        session.reset(seed=2)
        server.shutdown()
        session.close()


def test_an_episode_starts_once():
    with ModelServer(rlmesh.Model(Policy())) as server, rlmesh.session(
        server.address, Countdown()
    ) as session:
        session.reset(seed=2)
        with pytest.raises(ProtocolError, match="start_episode: expected a new id"):
            complete(session._lane._policy.start_episode(session._lane._episode))
        assert session.predict(Countdown().reset(seed=2)[0]) == 1
