from __future__ import annotations

import inspect
import pathlib

import pytest
from countdown import Countdown

from rlmesh import DELEGATED, Model, ModelServer, PredictContext
from rlmesh.adapters import AdapterBase, ModelSpec

NAMES = ["predict", "predict_chunk", "predict_batch", "predict_chunk_batch"]
EMPTY, KEYWORD = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


def with_method(name, function):
    return type("Policy", (), {name: staticmethod(function)})()


@pytest.mark.parametrize("name", NAMES)
def test_a_source_needs_only_one_of_the_four_functions(name):
    Model(with_method(name, lambda values: [1]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (lambda: 1, "()"),
        (lambda a, b: 1, "(a, b)"),
        (lambda *, observation: 1, "(*, observation)"),
        (lambda a, *, key: 1, "(a, *, key)"),
    ],
)
def test_a_function_of_another_signature_is_named_with_the_one_expected(name, function, signature):
    with pytest.raises(TypeError) as caught:
        Model(with_method(name, function))
    values, contexts = ("observation", "context")
    if name.endswith("batch"):
        values, contexts = ("observations", "contexts")
    words = f"source: expected {name}({values}) or {name}({values}, {contexts}), got {name}"
    assert str(caught.value).startswith(words + signature)


@pytest.mark.parametrize(("name", "wrong"), [("predict", "contexts"), ("predict_batch", "context")])
def test_a_context_argument_of_the_wrong_number_is_named(name, wrong):
    namespace = {}
    exec(f"def function(values, {wrong}): return 1", namespace)
    right = "context" if wrong == "contexts" else "contexts"
    with pytest.raises(TypeError, match=rf"source: expected .*, {right}\), got {name}\(values"):
        Model(with_method(name, namespace["function"]))


@pytest.mark.parametrize("source", [None, 3, "policy", object(), [len], {}, pathlib.Path("p")])
def test_what_cannot_predict_is_named_with_what_can(source):
    with pytest.raises(TypeError) as caught:
        Model(source)
    assert "source: expected a callable that takes an observation" in str(caught.value)
    assert "an object with predict(observation)" in str(caught.value)
    assert "predict_chunk, predict_batch or predict_chunk_batch" in str(caught.value)


def test_a_class_in_place_of_an_instance_is_named():
    class Policy:
        def predict(self, observation):
            return 1

    with pytest.raises(TypeError, match="got a class: Policy; pass an instance of it"):
        Model(Policy)


def test_a_method_that_cannot_be_called_is_no_predict():
    class Policy:
        predict = 3

        def __call__(self, observation):
            return 1

    assert Model(Policy()).run(Countdown(), seeds=[2]).total_reward == 3


def test_a_callable_object_keeps_its_callbacks():
    class Policy:
        def __init__(self):
            self.log = []

        def __call__(self, observation):
            return 1

        def reset(self):
            self.log.append("reset")

        def on_episode_end(self):
            self.log.append("end")

        def close(self):
            self.log.append("close")

    def act(observation):
        return 1

    act.reset = act.on_episode_end = act.close = 3  # a function's attributes are nobody's methods
    Model(act).run(Countdown(), seeds=[1])
    policy = Policy()
    with pytest.warns(RuntimeWarning, match="is given without its object"):
        model = Model(policy.__call__)
    model.run(Countdown(), seeds=[1])
    assert policy.log == []
    Model(policy).run(Countdown(), seeds=[1])
    assert policy.log == ["reset", "end", "close"]
    Model(with_method("predict", act)).run(Countdown(), seeds=[1])


@pytest.mark.parametrize("name", ["on_reset", "on_episode_end", "on_close"])
def test_a_callback_that_cannot_be_called_is_named(name):
    with pytest.raises(TypeError, match=f"{name}: expected a callable, got 'x'"):
        Model(len, **{name: "x"})
    method = {"on_reset": "reset", "on_close": "close"}.get(name, name)
    source = with_method("predict", lambda observation: 1)
    setattr(source, method, 3)
    with pytest.raises(TypeError, match=f"{name}: expected a callable, got 3"):
        Model(source)


class Loads(Model):
    """Predicts by itself, with what it loaded."""

    def load(self, artifacts, value=1):
        self.__dict__.setdefault("loads", []).append((list(artifacts), value, self.device))
        self.value = value

    def predict(self, observation):
        return self.value


def test_a_subclass_that_predicts_needs_no_source(tmp_path):
    model = Loads(artifacts=[tmp_path, str(tmp_path)], load_kwargs={"value": 1}, device="cpu")
    assert model.loads == [([tmp_path, str(tmp_path)], 1, None)]
    for _ in range(2):
        assert model.run(Countdown(), seeds=[3]).total_reward == 6
    with ModelServer(model, f"unix://{tmp_path}/s"):
        pass
    assert len(model.loads) == 1


def test_a_subclass_refuses_a_source_beside_its_own_predict():
    with pytest.raises(TypeError, match="source: expected none, because Loads predicts itself"):
        Loads(len)


def test_a_subclass_without_predict_takes_a_source():
    class Named(Model):
        """Adds nothing."""

    assert Named(lambda observation: 1).run(Countdown(), seeds=[2]).total_reward == 3
    with pytest.raises(TypeError, match="source: expected a callable"):
        Named()


@pytest.mark.parametrize("name", NAMES)
def test_a_subclass_may_define_any_corner_and_use_the_context(name, make_model):
    seen = []

    def act(self, values, context=None, contexts=None):
        seen.append(context or contexts)
        actions = 1 if "chunk" not in name else [1]
        return [actions] if "batch" in name else actions

    plain = "contexts" if "batch" in name else "context"
    namespace = {"act": act}
    exec(f"def {name}(self, values, {plain}): return act(self, values, {plain}={plain})", namespace)
    model = type("Own", (Model,), {name: namespace[name]})()
    assert model.run(Countdown(), seeds=[2]).total_reward == 3
    flat = [c for one in seen for c in (one if isinstance(one, list) else [one])]
    assert [context.step for context in flat if type(context) is PredictContext] == [0, 1]


def test_a_subclasss_callbacks_are_its_own_methods():
    class Own(Model):
        def load(self):
            self.log = []

        def predict(self, observation):
            return 1

        def reset(self, episode_id):
            self.log.append("reset")

        def on_episode_end(self, episode_id):
            self.log.append("end")

    model = Own()
    model.run(Countdown(), seeds=[1])
    assert model.log == ["reset", "end"]


def test_a_missing_artifact_is_named_before_anything_is_loaded(tmp_path):
    loads = []

    class Own(Loads):
        def load(self, artifacts):
            loads.append(artifacts)

    missing = tmp_path / "weights.bin"
    with pytest.raises(FileNotFoundError, match=r"artifacts: '.*weights\.bin' does not exist"):
        Own(artifacts=[tmp_path, missing])
    missing.touch()
    Own(artifacts=[missing])
    assert loads == [[missing]]


@pytest.mark.parametrize("artifacts", ["weights.bin", b"weights.bin", pathlib.Path("weights.bin")])
def test_one_path_in_place_of_a_list_is_named(artifacts):
    with pytest.raises(TypeError, match="artifacts: expected a sequence of paths, got"):
        Loads(artifacts=artifacts)


@pytest.mark.parametrize("load_kwargs", [{"vaule": 3}, {"value": 3, "other": 4}])
def test_load_kwargs_that_load_does_not_take_are_named(load_kwargs):
    with pytest.raises(TypeError, match=r"load_kwargs: expected arguments for load\(artifacts, va"):
        Loads(load_kwargs=load_kwargs)


def test_load_kwargs_that_are_missing_are_named():
    class Own(Loads):
        def load(self, folder):
            raise AssertionError

    with pytest.raises(TypeError, match=r"load\(folder\): missing a required argument: 'folder'"):
        Own()


def test_what_load_raises_is_raised_as_it_is():
    class Own(Loads):
        def load(self):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        Own()


def test_a_source_has_no_use_for_artifacts_and_load_kwargs():
    model = Model(lambda observation: 1, artifacts=["nowhere"], load_kwargs={"unused": 1})
    model.run(Countdown(), seeds=[1])


def test_a_spec_is_one_of_four_things():
    assert Model(len).spec is None
    assert Model(len, spec=DELEGATED).spec is DELEGATED
    assert repr(DELEGATED) == "rlmesh.DELEGATED"
    by_hand = AdapterBase()
    assert Model(len, spec=by_hand).spec is by_hand
    for spec in ("delegated", True, {}, object(), ModelSpec):
        with pytest.raises(TypeError, match="spec: expected an rlmesh.adapters.ModelSpec, .*, got"):
            Model(len, spec=spec)


# What the original system's page promises: name, kind, default.
PROMISED = {
    "__init__": [
        ("source", POSITIONAL, EMPTY),
        ("spec", KEYWORD, None),
        ("on_reset", KEYWORD, None),
        ("on_episode_end", KEYWORD, None),
        ("on_close", KEYWORD, None),
        ("artifacts", KEYWORD, ()),
        ("load_kwargs", KEYWORD, None),
        ("trust_entrypoints", KEYWORD, False),
    ],
    "run": [
        ("env_or_address", POSITIONAL, EMPTY),
        ("seeds", KEYWORD, None),
        ("max_episodes", KEYWORD, None),
        ("instruction", KEYWORD, None),
        ("close_env", KEYWORD, False),
        ("token", KEYWORD, ""),
    ],
    "serve": [
        ("address", POSITIONAL, EMPTY),
        ("token", KEYWORD, ""),
        ("options", KEYWORD, None),
    ],
    "run_local": [("env_address", POSITIONAL, EMPTY), ("token", KEYWORD, "")],
    "run_local_for_episodes": [
        ("env_address", POSITIONAL, EMPTY),
        ("token", KEYWORD, ""),
        ("max_episodes", KEYWORD, EMPTY),
    ],
}


@pytest.mark.parametrize("method", PROMISED)
def test_the_signatures_are_those_promised(method):
    _, *parameters = inspect.signature(getattr(Model, method)).parameters.values()
    promised = {name: (kind, default) for name, kind, default in PROMISED[method]}
    found = {p.name: (p.kind, p.default) for p in parameters if p.name in promised}
    if method == "__init__":
        # A class that predicts itself needs no source.
        promised["source"] = (POSITIONAL, None)
    assert list(found.items()) == list(promised.items())
    added = [p for p in parameters if p.name not in promised]
    assert all(p.kind is KEYWORD and p.default is not EMPTY for p in added)


def test_the_spec_is_a_property():
    assert isinstance(inspect.getattr_static(Model, "spec"), property)
