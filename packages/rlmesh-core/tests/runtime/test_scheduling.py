from __future__ import annotations

import random
import sys
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlmesh._runtime.estimates import Durations, ForwardCost, Scatter
from rlmesh._runtime.scheduling import BatchScheduler

sys.path.insert(0, str(Path(__file__).parents[4] / "tests-integration" / "benchmarks"))

from lanes import Work, simulate
from schedules import SCENARIOS, constant, line, lognormal, rules

SECONDS = st.floats(1e-4, 1.0)


def practised(lanes, max_batch_size=8, max_wait=None, env=0.005, forward=0.01):
    """Return a scheduler that knows its lanes, all away since the time that is returned, too.

    A forward pass takes as long for one as for many.
    """
    scheduler = BatchScheduler(max_batch_size, max_wait)
    now = 0.0
    for lane in range(lanes):
        scheduler.lane_sent(lane, now, reset=True)
    for turn in range(10):
        size = max_batch_size if turn > 2 else 1
        now += env
        for lane in range(lanes):
            scheduler.lane_ready(lane, now, env)
        left = list(range(lanes))
        while left:
            batch = left[:size]
            left = left[size:]
            scheduler.forward_started(batch, now)
            now += forward
            scheduler.forward_finished(now)
        for lane in range(lanes):
            scheduler.lane_sent(lane, now)
    return scheduler, now


works = st.builds(
    lambda lanes, steps, fixed, each, resets, measured, overhead, sigma, seed: Work(
        [lognormal(seconds, sigma) for seconds in lanes],
        line(fixed, each),
        episodes=2 * len(lanes),
        steps=steps,
        reset_seconds=[constant(resets)] * len(lanes),
        overhead=overhead,
        measured=measured,
        seed=seed,
    ),
    lanes=st.lists(SECONDS, min_size=1, max_size=12),
    steps=st.integers(1, 8),
    fixed=SECONDS,
    each=SECONDS,
    resets=SECONDS,
    measured=st.booleans(),
    overhead=st.sampled_from([0.0, 1e-4]),
    sigma=st.sampled_from([0.0, 0.5, 1.5]),
    seed=st.integers(0, 9),
)


@given(works, st.integers(1, 9), st.none() | SECONDS)
def test_whatever_the_times_all_is_served_within_the_bounds(work, max_batch_size, max_wait):
    trace = simulate(work, BatchScheduler(max_batch_size, max_wait))
    assert sum(trace.served.values()) == work.episodes * work.steps
    assert max(size for _, size in trace.batches) <= max_batch_size
    if max_wait is not None:
        messages = 2 * len(work.env_seconds) * work.overhead  # meanwhile nothing is decided
        assert trace.held <= max_wait + messages + 1e-9


@given(works)
def test_without_waiting_all_that_are_ready_are_dispatched_at_once(work):
    class Checked(BatchScheduler):
        ready = ()

        def decide(self, now):
            decision = super().decide(now)
            assert sorted(decision.lanes) == sorted(self._ready)
            return decision

    simulate(work, Checked(len(work.env_seconds), max_wait=0))


def test_the_oldest_go_first():
    scheduler, now = practised(3, max_batch_size=2)
    for lane, away in ((0, 0.005), (1, 0.001), (2, 0.003)):
        scheduler.lane_ready(lane, now + 0.01, away)
    assert list(scheduler.decide(now + 0.01).lanes) == [1, 2]


def test_a_lane_that_is_expected_soon_is_waited_for_but_not_longer_than_a_forward_pass():
    scheduler, sent = practised(2)
    scheduler.lane_ready(0, sent + 0.004, 0.004)
    now = sent + 0.004
    decision = scheduler.decide(now)
    assert not decision.lanes
    while not decision.lanes:
        assert decision.until > now
        now = decision.until
        decision = scheduler.decide(now)
    assert list(decision.lanes) == [0]
    assert now <= sent + 0.004 + 0.011


@pytest.mark.parametrize("lanes", [1, 3, 8, 20])
def test_when_none_is_away_some_are_dispatched(lanes):
    scheduler, sent = practised(lanes)
    for lane in range(lanes):
        scheduler.lane_ready(lane, sent + 0.005, 0.005)
    assert scheduler.decide(sent + 0.005).lanes


def test_a_lane_that_is_gone_is_not_waited_for():
    scheduler, sent = practised(2)
    scheduler.lane_ready(0, sent + 0.004, 0.004)
    assert not scheduler.decide(sent + 0.004).lanes
    scheduler.lane_gone(1)
    assert list(scheduler.decide(sent + 0.004).lanes) == [0]


def test_an_observation_that_needs_no_action_is_not_predicted():
    scheduler, sent = practised(2)
    scheduler.lane_ready(0, sent + 0.005, 0.005)
    scheduler.lane_sent(0, sent + 0.005, reset=True)
    assert not scheduler.decide(sent + 0.005).lanes
    scheduler.lane_ready(1, sent + 0.005, 0.005)
    scheduler.lane_gone(1)
    assert not scheduler.decide(sent + 0.005).lanes


def test_a_lane_that_hangs_does_not_hold_the_others_up():
    work = Work([constant(0.005)] * 8, line(0.010, 0.0005), episodes=22, steps=50)
    without = work._replace(env_seconds=work.env_seconds[1:], episodes=21)
    hung = simulate(work._replace(hung=0), BatchScheduler(8))
    assert hung.seconds <= 1.02 * simulate(without, BatchScheduler(8)).seconds


def test_lanes_of_a_new_run_count_alike_after_the_last_one_ended():
    scheduler, now = practised(lanes=3)

    def serve(lane, away):
        nonlocal now
        now += away
        scheduler.lane_ready(lane, now, away)
        scheduler.forward_started([lane], now)
        now += 0.01
        scheduler.forward_finished(now)
        scheduler.lane_sent(lane, now)

    scheduler.lane_gone(2)
    for _ in range(20):
        serve(0, 0.005)
        serve(1, 0.05)
    slow, fast = scheduler._lanes[1], scheduler._lanes[0]
    assert slow.weight > fast.weight  # the slow one will be the last to finish
    scheduler.lane_ready(3, now)
    assert {lane.weight for lane in scheduler._lanes.values()} == {1.0}


def test_no_lane_starves_when_there_are_many_more_than_fit_a_batch():
    env_seconds = [lognormal(0.005 * (1 + lane % 5), 0.5) for lane in range(200)]
    work = Work(env_seconds, line(0.010, 0.0005), episodes=1000, steps=50)
    served = simulate(work, BatchScheduler(32), until=4.0).served.values()
    assert min(served) >= median(served) / 2


def ratio(name, variants=3, **changes):
    """Return our seconds by those of the best rule, over some seeds and numbers of episodes."""
    row = SCENARIOS[name]

    def seconds(make_schedule):
        total = 0.0
        for variant in range(variants):
            work = row.make()
            work = work._replace(episodes=work.episodes + variant, seed=variant, **changes)
            total += simulate(work, make_schedule()).seconds
        return total

    ours = seconds(lambda: BatchScheduler(row.max_batch))
    # Those that time out are left out: they win by a little at most, and take most of the time.
    simple = [rule for rule_name, rule in rules(row.make(), row.max_batch) if "," not in rule_name]
    return ours / min(map(seconds, simple))


@pytest.mark.parametrize(
    "name",
    [
        "1 env 5, forward 10 + 0.5",
        "2 env 20, forward 2 + 0.2",
        "3 lognormal 0.5",
        "3 lognormal 1.0",
        "4 two lanes 2x",
        "4 two lanes 4x",
        "linear, env 20",
        "resets 1 s",
        "forward x3 midway",
        "env x3 midway",
        "first use 500",
    ],
)
def test_it_is_about_as_fast_as_the_best_of_the_rules_that_know_the_work(name):
    assert ratio(name) <= 1.05


def test_two_halves_that_take_turns_try_whether_one_whole_is_faster():
    resets = [constant(0.005)] * 4 + [constant(0.017)] * 4
    work = Work([constant(0.005)] * 8, line(0.010, 0.0005), 24, 50, resets)
    whole = simulate(work._replace(reset_seconds=None), BatchScheduler(8))
    assert simulate(work, BatchScheduler(8)).seconds <= 1.05 * whole.seconds


def test_arrival_times_need_not_be_measured():
    assert ratio("1 env 5, forward 10 + 0.5", 1, measured=False, overhead=1e-4) <= 1.05
    assert ratio("4 two lanes 4x", 1, measured=False, overhead=1e-4) <= 1.05


def test_the_cost_of_a_forward_pass_is_learned_from_a_few_sizes():
    cost = ForwardCost(8)
    for size in (1, 1, 4, 4, 6, 6):
        cost.add(size, 0.010 + 0.001 * size)
    assert cost.table[1:] == pytest.approx([0.010 + 0.001 * size for size in range(1, 9)], rel=0.03)


def test_what_a_first_use_takes_longer_is_not_taken_for_the_cost_but_counts_against_a_new_size():
    cost = ForwardCost(4)
    cost.add(4, 0.5)
    assert not cost.table
    cost.add(4, 0.010)
    cost.add(2, 0.5)
    cost.add(2, 0.010)
    assert cost.table[2:5:2] == pytest.approx([0.010, 0.010], rel=0.05)
    assert cost.table[3] > 0.1
    assert not cost.only


def test_a_forward_pass_that_becomes_slower_does_so_for_all_sizes():
    cost = ForwardCost(8)
    for size in [2, 8] * 9:
        cost.add(size, 0.010)
    for _ in range(6):
        cost.add(8, 0.030)
    assert cost.table[2] == pytest.approx(0.030, rel=0.1)


def test_one_slow_forward_pass_changes_nothing():
    cost = ForwardCost(8)
    for seconds in [0.010] * 5 + [1.0]:
        cost.add(8, seconds)
    assert cost.table[8] == pytest.approx(0.010)


def test_durations_forget():
    durations = Durations()
    assert durations.median == 0.0
    for seconds in [1.0] * 20 + [3.0] * 5:
        durations.add(seconds)
    assert durations.median == 3.0


@given(st.lists(st.floats(0.1, 10.0), max_size=80), st.floats(0, 20), st.floats(0, 0.999))
def test_what_is_late_is_expected_later(factors, elapsed, luck):
    scatter = Scatter()
    for factor in factors:
        scatter.add(factor)
    scatter.update()
    assert scatter.beyond(elapsed, luck) > elapsed


def test_scatter_is_that_of_the_recent_durations():
    scatter = Scatter()
    draws = random.Random(0)
    for _ in range(200):
        scatter.add(draws.choice([0.5, 1.5]))
    scatter.update()
    assert scatter.width == 1.0
    for _ in range(100):
        scatter.add(1.0)
    scatter.update()
    assert scatter.width == 0.0
