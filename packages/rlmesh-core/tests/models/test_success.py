"""Which episodes count as a success: rules, both figures, and who is warned."""

from __future__ import annotations

import functools
import json
import math
import warnings

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, EpisodeResult, Model, RemoteModel, RunResult, Tensor
from rlmesh.errors import InvalidValue, JournalError

PASSING = [{"success": False}, {"success": True}, {"success": False}]
"""The goal is reached, and left again."""


class Telling(Countdown):
    """An episode has a step for each of these infos."""

    def __init__(self, infos=PASSING):
        super().__init__()
        self.infos = infos

    def reset(self, *, seed=None, options=None):
        self.rest = iter(self.infos)
        return super().reset(seed=50)[0], {"start": True}

    def step(self, action):
        super().step(action)
        info = next(self.rest)
        self.count = 50
        return self._observe(), 1.0, info is self.infos[-1], False, info


class Tellings:
    """A vector of Telling that resets a sub-env as its mode says."""

    def __init__(self, mode, infos=PASSING, num_envs=2):
        self.envs = [Telling(infos) for _ in range(num_envs)]
        self.num_envs, self.metadata = num_envs, {"autoreset_mode": mode}
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = self.single_observation_space.batched(num_envs)
        self.action_space = self.single_action_space.batched(num_envs)
        self.done = [False] * num_envs

    def reset(self, *, seed=None, options=None):
        mask = (options or {}).get("reset_mask", [True] * self.num_envs)
        for env, chosen in zip(self.envs, mask):
            if chosen:
                env.reset()
        self.done = [False] * self.num_envs
        return Tensor.from_values([[env.count] for env in self.envs], "int64"), {}

    def step(self, actions):
        mode, infos, done = self.metadata["autoreset_mode"], [], []
        for env, over in zip(self.envs, self.done):
            if over and mode == "NextStep":
                env.reset()
                infos.append({})
                done.append(False)
                continue
            _, _, ended, _, info = env.step(0)
            if ended and mode == "SameStep":
                env.reset()
                info = {"final_info": info}
            infos.append(info)
            done.append(ended)
        self.done = done
        columns = {}
        for key in {key for info in infos for key in info}:
            columns[key] = [info.get(key) for info in infos]
            columns[f"_{key}"] = [key in info for info in infos]
        observed = Tensor.from_values([[env.count] for env in self.envs], "int64")
        return observed, [1.0] * self.num_envs, done, [False] * self.num_envs, columns

    def close(self):
        """Nothing is held."""


def never(observation):
    return 0


def said_once(infos):
    """Decide by any step, and by the reset being there."""
    return infos[0] == {"start": True} and any(info.get("success") for info in infos[1:])


def play(infos, success=None, **options):
    return Model(never).run(Telling(infos), success=success, **options)


@pytest.fixture(params=["here", "served", "served model", "lanes", *("NextStep", "SameStep")])
def run(request):
    """Runs a policy on `Telling`, in one of all the ways; a run has at least two episodes."""

    def start(infos, **options):
        options["max_episodes"] = 4
        model = Model(never)
        if request.param == "here":
            return model.run(Telling(infos), **options)
        if request.param in ("NextStep", "SameStep"):
            return model.run(Tellings(request.param, infos), **options)
        if request.param == "lanes":
            return model.run([Telling(infos), Telling(infos)], **options)
        with EnvServer(Telling(infos)) as env:
            if request.param == "served":
                return model.run(env, **options)
            with rlmesh.ModelServer(model) as served, RemoteModel(served.address) as remote:
                return remote.run(env, **options)

    return start


@pytest.mark.parametrize(
    ("rule", "expected"), [("last", False), ("any", True), (None, False), (said_once, None)]
)
def test_a_goal_that_is_reached_and_left_counts_by_the_rule(run, rule, expected, request):
    if rule is said_once:
        # A vector env's reset has no info here; else the function is given all of them.
        expected = "Step" not in request.node.callspec.id
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run(PASSING, **({} if rule is None else {"success": rule}))
    assert [one.success for one in result.episodes] == [expected] * 4
    assert [one.success_once for one in result.episodes] == [True] * 4
    assert [one.success_at_end for one in result.episodes] == [False] * 4
    assert result.success_rate == float(expected)
    assert (result.success_once_rate, result.success_at_end_rate) == (1.0, 0.0)
    told = [str(one.message) for one in caught if "success" in str(one.message)]
    assert len(told) == (rule is None)
    if told:
        assert "success='any'" in told[0]
        assert "success_once and success_at_end" in told[0]


@pytest.mark.parametrize("infos", [[{"success": True}], [{"success": False}, {"success": 1}]])
def test_a_success_at_the_end_is_no_reason_for_a_warning(infos):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        episode = play(infos).episodes[0]
    assert (episode.success, episode.success_at_end, episode.success_once) == (True, True, True)


def test_a_success_of_which_the_last_step_says_nothing_is_warned_of():
    with pytest.warns(RuntimeWarning, match="success='any'"):
        episode = play([{"success": True}, {}]).episodes[0]
    assert (episode.success, episode.success_at_end, episode.success_once) == (None, None, True)


@pytest.mark.parametrize(
    ("infos", "at_end", "once"),
    [
        ([{}, {}], None, None),
        ([{"other": True}, {"other": True}], None, None),
        ([{"success": False}, {}], None, False),
        ([{}, {"success": False}], False, False),
        ([{"success": None}, {"success": 0.0}], False, False),
        ([{"success": True}, {"is_success": False, "success": True}], False, True),
        ([{"is_success": None, "success": 1.0}, {"is_success": 0}], False, True),
        ([{"success": Tensor.from_values([True], "bool")}], True, True),
    ],
)
def test_both_figures(infos, at_end, once):
    for rule, success in (("last", at_end), ("any", once)):
        episode = play(infos, rule).episodes[0]
        figures = (episode.success, episode.success_at_end, episode.success_once)
        assert figures == (success, at_end, once)


SCORES = [{"score": 0.2}, {"score": 0.96}, {"score": 0.5, "goal: in >= 1": True, "n": 3}]


@pytest.mark.parametrize(
    ("rule", "success"),
    [
        ("any:score>=0.95", True),
        ("any:score>=0.97", False),
        ("any:score>=0.96", True),
        ("last:score>=0.95", False),
        ("last:score>=.5", True),
        ("last: score >= 5e-1", True),
        ("any:n>=3", True),
        ("any:n>=-inf", True),
    ],
)
def test_a_number_that_must_be_reached(rule, success):
    assert play(SCORES, rule).episodes[0].success is success


def test_another_key_of_info():
    infos = [{"goal": True, "success": False}, {"goal": False, "success": False}]
    assert play(infos, "any:goal").episodes[0].success is True
    episode = play(infos, "last:goal").episodes[0]
    assert (episode.success, episode.success_at_end, episode.success_once) == (False, False, True)


def test_a_key_that_no_info_has_is_warned_of_once():
    message = r"episode 0 \(seed 3\) has no info with 'gaol', which success='any:gaol' reads"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        result = play(PASSING, "any:gaol", seeds=[3, 4])
    assert len(caught) == 1
    assert result.success_rate is None


@pytest.mark.parametrize(
    "rule",
    ["", "first", "Any", "any:", "last:", ":goal", "any:>=1", "any:a>=", "any:a>=b", "any:a>=nan"],
)
def test_what_is_no_rule_is_refused(rule):
    message = f"success: expected 'last' or 'any'.*, got {rule!r}"
    for use in (Model(never).run, Model(never).session):
        with pytest.raises(ValueError, match=message):
            use(Telling(), success=rule)


@pytest.mark.parametrize("rule", [1, True, ["any"], {"any": 1}])
def test_what_is_neither_text_nor_function_is_refused(rule):
    with pytest.raises(TypeError, match="success: expected a str or a function of infos, got"):
        play(PASSING, rule)


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        ("any:a", 0.5, r"info\['a'\]: expected a bool, 0 or 1, got 0.5"),
        ("last:a", "False", r"info\['a'\]: expected a bool, 0 or 1, got 'False'"),
        ("any:a>=1", "high", r"info\['a'\]: expected a number, got 'high'"),
        ("any:a>=1", math.nan, r"info\['a'\]: expected a number, got nan"),
    ],
)
def test_an_info_that_does_not_fit_the_rule_is_named(rule, value, words):
    with pytest.raises(InvalidValue, match=words):
        play([{"a": value}], rule)


def test_a_function_gets_all_infos_in_order():
    given = []

    def decide(infos):
        given.append(list(infos))
        return len(infos) > 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = play(PASSING, decide, max_episodes=2)
    assert given == [[{"start": True}, *PASSING]] * 2
    assert result.success_rate == 1.0


def test_a_function_decides_where_no_figure_can_be_had_of_the_infos():
    infos = [{"success": "half"}, {"success": [True, False]}]
    episode = play(infos, lambda infos: all(infos[-1]["success"])).episodes[0]
    assert (episode.success, episode.success_at_end, episode.success_once) == (False, None, None)


@pytest.mark.parametrize(("returned", "success"), [(1, True), (0.0, False), (None, None)])
def test_a_function_returns_a_flag_or_none(returned, success):
    assert play(PASSING, lambda infos: returned).episodes[0].success is success


@pytest.mark.parametrize("returned", ["False", math.nan, 0.5, []])
def test_a_function_that_returns_something_else_is_told_so(returned):
    with pytest.raises(InvalidValue, match=r"success\(infos\): expected a bool, 0 or 1, got "):
        play(PASSING, lambda infos: returned)


def test_a_function_is_not_awaited():
    async def decide(infos):
        return True

    with pytest.raises(TypeError, match="success: expected a plain function, got the async def"):
        play(PASSING, decide)


def test_infos_are_kept_for_a_function_alone():
    for rule, kept in ((None, None), ("any", None), (said_once, 4)):
        with Model(never).session(Telling(), success=rule) as session:
            session.reset()
            while not session.over:
                session.step(0)
            infos = session._lane._success._infos
            assert (infos and len(infos)) == kept


def test_a_session_has_the_rule_and_warns_once():
    with Model(never).session(Telling()) as session:
        session.reset()
        session.step(0)
        session.step(0)
        result = session.result()
        assert (result.success, result.success_at_end, result.success_once) == (None, None, True)
        session.step(0)
        with pytest.warns(RuntimeWarning, match="success='any'") as caught:
            assert [session.result().success for _ in range(2)] == [False, False]
        assert len(caught) == 1
    with rlmesh.session(Model(never), Telling(), success="any") as session:
        session.reset()
        assert session.result().success is None
        while not session.over:
            session.step(0)
        assert session.result().success is True


def test_workers_have_the_rule():
    finished = []
    with EnvServer(Telling()) as server:
        run = Model(never).run_local_for_episodes
        run(server.address, max_episodes=1, on_result=finished.append, success="any")
        with pytest.warns(RuntimeWarning, match="success='any'") as caught:
            run(server.address, max_episodes=2, on_result=finished.append)
    assert len(caught) == 1
    assert [one.success for one in finished] == [True, False, False]


def test_a_replayed_episode_begins_without_the_successes_of_the_lost_one():
    class Losing(Telling):
        lost = False

        def step(self, action):
            step = super().step(action)
            if step[4] is self.infos[-1] and not self.lost:
                Losing.lost = True
                raise rlmesh.errors.EnvCrashed("it fell")
            return step

    infos = [{}, {"success": True}]

    class First(Losing):
        def step(self, action):
            step = super().step(action)
            return (*step[:4], {}) if self.lost else step

    assert play(infos, "any").episodes[0].success is True
    result = Model(never).run(First(infos), success="any", max_episodes=1)
    assert result.episodes[0].attempts == 2
    assert result.episodes[0].success is None


def test_a_journal_is_of_one_rule(tmp_path):
    path = tmp_path / "run.jsonl"
    first = play(PASSING, "any", seeds=[0, 1], journal=path)
    assert RunResult.load(path) == first
    assert first.metadata["run"]["options"]["success"] == "any"
    assert play(PASSING, "any", seeds=[0, 1], journal=path) == first
    for rule, name in (("last", "last"), (None, "last"), ("any:success", "any:success")):
        message = rf'options.success: the journal has "any", this run "{name}"'
        with pytest.raises(JournalError, match=message):
            play(PASSING, rule, seeds=[0, 1], journal=path)
    with pytest.raises(JournalError, match=r'this run "function \S*test_success:said_once"'):
        play(PASSING, said_once, seeds=[0, 1], journal=path)


def test_a_rule_is_written_by_the_name_of_its_function(tmp_path):
    class Decide:
        def __call__(self, infos):
            return True

        def method(self, infos):
            return True

    names = {
        said_once: f"function {__name__}:said_once",
        functools.partial(said_once): f"function {__name__}:said_once",
        Decide(): f"function {__name__}:{Decide.__qualname__}",
        Decide().method: f"function {__name__}:{Decide.__qualname__}.method",
    }
    for function, name in names.items():
        assert play(PASSING, function).metadata["run"]["options"]["success"] == name


def test_files_from_before_there_were_rules_still_load_and_go_on(tmp_path):
    path = tmp_path / "run.jsonl"
    result = play(PASSING, "last", seeds=[0, 1], journal=path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["rlmesh_journal"] = 1
    del lines[0]["run"]["options"]["success"]
    for line in lines[1:]:
        for name in ("success_once", "success_at_end"):
            line.get("episode", {}).pop(name, None)
    for line in lines:
        del line["crc32"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    old = RunResult.load(path)
    assert old.success_rate == result.success_rate == 0.0
    assert (old.success_once_rate, old.success_at_end_rate) == (None, None)
    assert play(PASSING, "last", seeds=[0, 1], journal=path) == old
    assert old.merge(play(PASSING, "last", seeds=[2])).num_episodes == 3
    with pytest.raises(JournalError, match='the journal has "last", this run "any"'):
        play(PASSING, "any", seeds=[0, 1], journal=path)


def test_both_figures_are_saved_loaded_and_merged(tmp_path):
    path = tmp_path / "result.jsonl"
    first, second = play(PASSING, "any", seeds=[0]), play([{}], "any", seeds=[1])
    first.save(path)
    assert RunResult.load(path) == first
    merged = first.merge(second)
    assert [one.success_once for one in merged.episodes] == [True, None]
    assert [one.success_at_end for one in merged.episodes] == [False, None]
    with pytest.raises(ValueError, match=r'options.success: result 0 has "any", result 1 "last"'):
        first.merge(play(PASSING, "last", seeds=[2]))


def episode(index, success, at_end, once):
    times = ("duration", "env_seconds", "wire_seconds", "adapter_seconds")
    zeros = dict.fromkeys((*times, "queue_seconds", "predict_seconds"), 0.0)
    return EpisodeResult(
        index, None, 1, 0.0, True, False, success, success_at_end=at_end, success_once=once, **zeros
    )


def test_a_result_shows_the_rates_that_differ():
    same = RunResult((episode(0, True, True, True), episode(1, False, False, False)))
    assert "success_rate=50.0%, steps" in repr(same)
    result = RunResult((episode(0, False, False, True), episode(1, None, None, None)))
    assert (result.success_rate, result.success_once_rate) == (0.0, 1.0)
    assert "success_rate=0.0%, success_once_rate=100.0%, steps" in repr(result)
