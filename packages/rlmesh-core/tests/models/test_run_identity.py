"""What tells two runs apart: a journal of one is not taken for another's."""

from __future__ import annotations

import functools
import logging
import re
import warnings

import pytest
from countdown import Bare, Countdown

import rlmesh
from rlmesh import EnvServer, Model, ModelServer, RunResult
from rlmesh._contract.plain import name_of, plain, unclear
from rlmesh._models.source import Source
from rlmesh.errors import JournalError
from rlmesh.specs import EnvSpec

SEEDS = [7, 1, 3]


def act(observation, bias=0):
    return (observation[0] + bias) % 2


def told(observation, key):
    return 0


class Policy:
    def __init__(self, checkpoint="a"):
        self.checkpoint = checkpoint

    def predict(self, observation):
        return observation[0] % 2

    def other(self, observation):
        return observation[0] % 2

    @classmethod
    def made(cls, observation):
        return observation[0] % 2


class Better(Policy):
    pass


class Loaded(Model):
    def load(self, checkpoint="a"):
        self.checkpoint = checkpoint

    def predict(self, observation):
        return observation[0] % 2


class Door(Countdown):
    """Is told what to be, as a suite's envs are."""

    def __init__(self, task="door"):
        super().__init__()
        self.spec = EnvSpec("Suite/One-v0", kwargs={"task": task, "render_mode": None})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.jsonl"


@pytest.fixture(autouse=True)
def _no_other_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def difference(path, model, env, **options):
    """Run something on a journal of something else; return in what they differ."""
    with pytest.raises(JournalError, match="this is the journal of another run") as caught:
        rlmesh.run(model, env, seeds=SEEDS, journal=path, **options)
    return str(caught.value).splitlines()[1:]


SOURCES = {
    "function": (act, "act", {}),
    "partial": (functools.partial(act, bias=2), "act", {"args": [], "bias": 2}),
    "object": (Policy(), "Policy", {}),
    "method": (Policy().other, "Policy.other", {}),
    "inherited": (Better().other, "Better.other", {}),
    "classmethod": (Policy.made, "Policy.made", {}),
    "partial of a method": (functools.partial(Policy().other), "Policy.other", {"args": []}),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_is_told_by_its_module_and_name(kind):
    source, name, arguments = SOURCES[kind]
    assert Source(source, None, None, None).identity == {
        "name": name,
        "module": __name__,
        "arguments": arguments,
    }


MODELS = {
    "name": (lambda: Model(Policy()), "model.name"),
    "arguments": (lambda: Model(functools.partial(act, bias=2)), "model.arguments.bias"),
    "method": (lambda: Model(Better().other), "model.name"),
    "factory": (lambda: Model(factory=functools.partial(Policy, "b")), "model.name"),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("served", [False, True], ids=["here", "served"])
def test_another_model_is_refused(path, tmp_path, kind, served):
    Model(act).run(Countdown(), seeds=SEEDS, journal=path)
    make, where = MODELS[kind]
    model = make()
    if served:
        with ModelServer(model, f"unix://{tmp_path}/model") as server:
            told = difference(path, server.address, Countdown())
    else:
        told = difference(path, model, Countdown())
    assert any(f"  {where}: the journal has" in line for line in told)


def test_a_policy_of_the_same_name_in_another_module_is_refused(path):
    Model(act).run(Countdown(), seeds=SEEDS, journal=path)
    namespace = {"__name__": "elsewhere"}
    exec("def act(observation): return 0", namespace)
    assert difference(path, Model(namespace["act"]), Countdown()) == [
        f'  model.module: the journal has "{__name__}", this run "elsewhere"'
    ]


def test_what_a_model_was_loaded_with_tells_it_apart(path):
    Loaded().run(Countdown(), seeds=SEEDS, journal=path)
    told = difference(path, Loaded(load_kwargs={"checkpoint": "b"}), Countdown())
    assert told == ['  model.load_kwargs: the journal has null, this run {"checkpoint": "b"}']
    for checkpoint in ("b", "c"):
        model = Model(factory=functools.partial(Policy, checkpoint))
        if checkpoint == "b":
            model.run(Countdown(), seeds=SEEDS, journal=f"{path}2")
        else:
            told = difference(f"{path}2", model, Countdown())
            assert told == ['  model.factory.args: the journal has ["b"], this run ["c"]']


def test_envs_of_one_id_are_told_apart_by_what_they_were_made_with(path):
    Model(act).run(Door("door"), seeds=SEEDS, journal=path)
    told = difference(path, Model(act), Door("push"))
    assert told == ['  env.kwargs.task: the journal has "door", this run "push"']


def test_envs_are_told_apart_by_what_their_server_was_told_to_make(path, tmp_path):
    address = f"unix://{tmp_path}/env"
    with EnvServer(Bare, address, env_kwargs={"task": "door"}) as server:
        first = Model(act).run(server, seeds=SEEDS, journal=path)
    with EnvServer(Bare, address, env_kwargs={"task": "push"}) as server:
        told = difference(path, Model(act), server)
    assert told == ['  env.factory_kwargs.task: the journal has "door", this run "push"']
    # What nobody told it is not known to be the same; that it renders changes nothing.
    assert difference(path, Model(act), Bare("door"))
    kwargs = {"task": "door", "render_mode": "rgb_array"}
    with EnvServer(Bare, address, env_kwargs=kwargs) as server:
        assert Model(act).run(server, seeds=SEEDS, journal=path) == first


def test_an_env_that_was_made_in_another_way_may_be_the_same_and_it_is_said(path, tmp_path):
    first = Model(act).run(Countdown(), seeds=SEEDS, journal=path)
    said = pytest.warns(RuntimeWarning, match=r"this run does not say env\.factory; they are")
    with EnvServer("countdown:make", f"unix://{tmp_path}/env") as server, said:
        assert Model(act).run(server, seeds=SEEDS, journal=path) == first
    # A class is no other way than itself.
    with EnvServer(Countdown, f"unix://{tmp_path}/env") as server:
        assert Model(act).run(server, seeds=SEEDS, journal=path) == first


def test_a_journal_of_another_name_is_refused(path):
    Model(act).run(Countdown(), seeds=SEEDS, journal=path, name="pi0-step30k")
    told = difference(path, Model(act), Countdown(), name="pi0-step60k")
    assert told == ['  name: the journal has "pi0-step30k", this run "pi0-step60k"']
    assert difference(path, Model(act), Countdown()) == [
        '  name: the journal has "pi0-step30k", this run nothing'
    ]
    again = Model(act).run(Countdown(), seeds=SEEDS, journal=path, name="pi0-step30k")
    assert again.metadata["run"]["name"] == "pi0-step30k"
    for wrong in ("", 3):
        with pytest.raises(TypeError, match="name: expected a text"):
            Model(act).run(Countdown(), seeds=SEEDS, name=wrong)


def local():
    class Local(Policy):
        pass

    return Local()


UNCLEAR = {
    "lambda": lambda: Model(lambda observation: 0),
    "local": lambda: Model(local()),
    "method of a local class": lambda: Model(local().other),
    "partial of a lambda": lambda: Model(functools.partial(lambda o, x: 0, x=1)),
    "partial with a lambda": lambda: Model(functools.partial(told, key=lambda: 0)),
    "factory": lambda: Model(factory=lambda: Policy()),
}


@pytest.mark.filterwarnings("ignore:source. .* is given without its object")
@pytest.mark.parametrize("kind", UNCLEAR)
@pytest.mark.parametrize("served", [False, True], ids=["here", "served"])
def test_what_the_journal_cannot_tell_from_another_is_said_once(path, tmp_path, kind, served):
    model = UNCLEAR[kind]()
    with ModelServer(model, f"unix://{tmp_path}/model") as server:
        chosen = server.address if served else model
        with pytest.warns(RuntimeWarning) as caught:
            rlmesh.run(chosen, Countdown(), seeds=SEEDS, journal=path)
        assert len(caught) == 1
        said = str(caught[0].message)
        assert re.match(r"journal: it cannot tell model\.\S+ .*<(lambda|locals)>", said)
        # With a name, it can; and without a journal, nobody takes it for another.
        rlmesh.run(chosen, Countdown(), seeds=SEEDS, journal=f"{path}2", name="mine")
        rlmesh.run(chosen, Countdown(), seeds=SEEDS)


def test_an_env_of_a_local_class_is_said_as_well(path):
    class Local(Countdown):
        pass

    with pytest.warns(RuntimeWarning, match=r"journal: it cannot tell env\.class .*<locals>"):
        Model(act).run(Local(), seeds=SEEDS, journal=path)


def earlier(data):
    """Return a journal as the first version wrote it, which knew less of a run."""
    data = data.replace(b'{"rlmesh_journal": 2', b'{"rlmesh_journal": 1')
    data = re.sub(rb', "crc32": "\w+"\}', b"}", data)
    for key in ("kwargs", "class", "wrappers", "arguments", "envs", "factory", "factory_kwargs"):
        data = re.sub(rb'"%s": (null|\{\}|"[^"]*"), ' % key.encode(), b"", data)
    for key in ("module", "load_kwargs", "artifacts"):
        data = re.sub(rb'"%s": (null|"[^"]*"), ' % key.encode(), b"", data)
    return data


def test_a_journal_of_an_earlier_version_is_taken_up_and_what_it_lacks_is_said(path):
    first = Model(act).run(Countdown(), seeds=SEEDS, journal=path)
    path.write_bytes(earlier(path.read_bytes()))
    run = RunResult.load(path).metadata["run"]
    assert sorted(run["model"]) == ["batch_padding", "name", "spec"]
    assert RunResult.load(path) == first
    with pytest.warns(RuntimeWarning, match=r"does not say model\.module, .*env\.class"):
        assert Model(act).run(Countdown(), seeds=SEEDS, journal=path) == first
    other = Model(Policy())
    assert difference(path, other, Countdown()) == [
        '  model.name: the journal has "act", this run "Policy"'
    ]


def test_results_of_other_models_and_names_are_not_merged(path):
    one = Model(act).run(Countdown(), seeds=[1])
    with pytest.raises(ValueError, match="model.name"):
        one.merge(Model(Policy()).run(Countdown(), seeds=[2]))
    with pytest.raises(ValueError, match="name: result 0 has nothing"):
        one.merge(Model(act).run(Countdown(), seeds=[2], name="other"))


def test_a_finished_journal_says_that_nothing_was_played(path, caplog):
    caplog.set_level(logging.INFO, logger="rlmesh.run")
    first = Model(act).run(Countdown(), seeds=SEEDS, journal=path)
    assert (first.from_journal, caplog.messages) == (0, [])
    again = Model(act).run(Countdown(), seeds=SEEDS, journal=path)
    assert again.from_journal == 3
    assert "from_journal=3" in repr(again)
    assert caplog.messages == ["3 of 3 episodes are in the journal; nothing is played now"]
    assert again == first
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    assert Model(act).run(Countdown(), seeds=SEEDS, journal=path).from_journal == 2
    assert caplog.messages[1:] == ["2 of 3 episodes are in the journal; 1 are played now"]
    assert RunResult.load(path).from_journal == 0


class Odd:
    """Refuses to be looked at."""

    def __getattr__(self, name):
        raise RuntimeError(name)


def test_plain_forms_are_the_same_in_every_process_and_never_fail():
    endless = {}
    endless["self"] = [endless] * 9
    assert plain(endless)
    assert plain(Odd()) == f"<{__name__}:Odd>"
    assert plain(object()) == "<builtins:object>"
    assert plain({1: {2, 1}, "x": (1.5, None)}) == {"1": [1, 2], "x": [1.5, None]}
    assert plain(Policy) == f"<callable {__name__}:Policy>"
    assert plain(2**70) == str(2**70)
    assert plain("y" * 5000).startswith("y" * 50 + "... (5000 characters, sha256 ")
    assert name_of(functools.partial(functools.partial(act, 1), bias=2)) == f"{__name__}:act"
    assert unclear({"a": ["<lambda>", "x"], "b": {"c": "f.<locals>.g"}}) == [
        "a[0] <lambda>",
        "b.c f.<locals>.g",
    ]
