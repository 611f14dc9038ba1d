from __future__ import annotations

import functools
import subprocess
import sys

import pytest
import troubles
from countdown import Countdown

import rlmesh
from rlmesh.errors import EnvCrashed, EnvError, RLMeshError, UnsupportedSpace


class Callable:
    def __call__(self):
        return Countdown()


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (lambda: Countdown(), "a lambda cannot be imported; each env is made in a process"),
        (troubles.closure(), "closure.<locals>.make cannot be imported, which a function defines"),
        (functools.partial(Countdown), "a partial cannot be imported, got functools.partial"),
        (troubles.Factories.bound, "a bound method cannot be imported, got Factories.bound"),
        (Callable(), "a callable object cannot be imported, got a Callable"),
        (troubles.not_what_it_says, "troubles has something else as raising"),
    ],
)
def test_what_no_other_process_can_import_is_a_sentence(factory, sentence):
    with pytest.raises(TypeError, match=f"^env: {sentence}"):
        rlmesh.EnvServer(factory)


@pytest.mark.parametrize(
    ("value", "path"),
    [({"a": object()}, r"env_kwargs\['a'\]"), ({"a": [1, {1: 2}]}, r"env_kwargs\['a'\]\[1\]")],
)
def test_arguments_that_are_no_plain_data_are_named(value, path):
    with pytest.raises(TypeError, match=f"^{path}: expected numbers, text"):
        rlmesh.EnvServer("no:matter", env_kwargs=value)


def test_arguments_for_an_env_that_is_there_are_an_error():
    with pytest.raises(TypeError, match="^env_kwargs: only a factory takes them"):
        rlmesh.EnvServer(Countdown(), env_kwargs={})


@pytest.mark.parametrize("factory", [Countdown, "countdown:Countdown", troubles.Factories.nested])
def test_a_class_a_function_and_a_name_are_factories(serve, factory):
    with rlmesh.RemoteEnv(serve(factory).address) as env:
        assert env.contract.env_id == "Countdown"
        assert env.reset(seed=3)[0].tolist() == [3]


def test_the_arguments_arrive(serve):
    server = serve(Countdown, kwargs={"success_key": "won"})
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        assert env.step(1)[4] == {"won": True}


@pytest.mark.parametrize(
    ("factory", "kind", "sentence"),
    [
        ("no_such_module:make", RLMeshError, "env: there is no module 'no_such_module'"),
        (troubles.no_env, RLMeshError, "'troubles:no_env' cannot be served: env: expected an env"),
        ("builtins:dict", RLMeshError, "'builtins:dict' cannot be served"),
        (troubles.raising, EnvError, "making the env 'troubles:raising' raised KeyError"),
        (troubles.crashing, EnvCrashed, "'troubles:crashing' exited with status 9"),
    ],
)
def test_a_factory_that_does_not_work_fails_when_the_server_binds(
    tmp_path, factory, kind, sentence
):
    server = rlmesh.EnvServer(factory, f"unix://{tmp_path}/s")
    with pytest.raises(kind, match=sentence):
        server.bind()
    assert list(tmp_path.iterdir()) == []
    server.shutdown()


def test_tags_that_do_not_fit_fail_when_the_server_binds():
    from rlmesh.adapters import EnvTags, ImageTag
    from rlmesh.errors import AdapterResolutionError

    tags = EnvTags(observation=ImageTag("image/primary"))
    with pytest.raises(AdapterResolutionError, match="^env: 'countdown:Countdown' cannot be serv"):
        rlmesh.EnvServer(Countdown, tags=tags).bind()


def test_an_env_without_spaces_fails_when_the_server_binds():
    with pytest.raises(UnsupportedSpace, match="'troubles:without_spaces' cannot be served"):
        rlmesh.EnvServer(troubles.without_spaces).bind()


MAIN = """
import sys
sys.path.insert(0, {tests!r})
import rlmesh
from countdown import Countdown

class Mine(Countdown):
    pass

def serve():
    with rlmesh.EnvServer(Mine) as server:
        with rlmesh.RemoteEnv(server.address) as env:
            print(env.contract.env_id, env.reset(seed=5)[0].tolist())

{guard}
    serve()
"""


@pytest.mark.parametrize("guarded", [True, False])
def test_a_factory_of_the_main_file_is_found_and_a_missing_guard_is_named(tmp_path, guarded):
    guard = 'if __name__ == "__main__":' if guarded else "if True:"
    tests = troubles.__file__.rpartition("/")[0]
    (tmp_path / "main.py").write_text(MAIN.format(tests=tests, guard=guard))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py")], capture_output=True, text=True, timeout=60
    )
    if guarded:
        assert (done.stdout, done.returncode) == ("Mine [5]\n", 0), done.stderr
    else:
        assert done.returncode == 1
        assert 'put what starts it under `if __name__ == "__main__":`' in done.stderr


def test_a_factory_of_an_interactive_session_is_a_sentence():
    code = "import rlmesh\ndef make(): pass\nrlmesh.EnvServer(make)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "make was defined in an interactive session" in done.stderr
