"""What a notebook shows of a result: tables of HTML, in which nothing is markup but ours."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser

from countdown import Countdown
from results import finished, given_up

import rlmesh
from rlmesh import Model, RunResult, Timing


class Tables(HTMLParser):
    """Reads the cells of all tables."""

    def __init__(self, text):
        super().__init__()
        self.rows = []
        self.tags = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert not attrs
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.tags[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_a_result_is_shown_with_its_figures_its_episodes_and_its_errors():
    result = RunResult((finished(0, 7, 0.25), finished(2, 9, 1.0)), errors=(given_up(1, 8),))
    rows = Tables(result._repr_html_()).rows
    figures = dict(zip(rows[0], rows[1]))
    assert figures["episodes"] == "2"
    assert figures["errors"] == "1"
    assert figures["mean reward"].startswith("0.625 [")
    assert rows[2][:4] == ["index", "seed", "steps", "reward"]
    assert [row[:2] for row in rows[3:5]] == [["0", "7"], ["2", "9"]]
    assert [row[3] for row in rows[3:5]] == ["0.25", "1"]
    assert rows[5][:3] == ["index", "seed", "kind"]
    assert rows[6][:2] == ["1", "8"]
    assert len(rows) == 7


def test_a_run_without_episodes_is_shown():
    assert Tables(RunResult(())._repr_html_()).rows[1][0] == "0"


def test_what_came_from_outside_is_no_markup():
    evil = "<script>alert(1)</script>\x1b[2J\u202e&"
    error = dataclasses.replace(given_up(0, 1), kind=evil, message=evil)
    result = RunResult((), {"run": {"name": evil}}, errors=(error,))
    text = result._repr_html_()
    assert set(Tables(text).tags) <= {"div", "p", "table", "tr", "td", "th"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J\\u202e&amp;" in text
    assert set(Tables(error._repr_html_()).tags) <= {"div", "p", "table", "tr", "td", "th"}


def test_a_long_run_says_how_many_episodes_are_not_shown():
    text = RunResult(tuple(finished(i, i) for i in range(130)))._repr_html_()
    assert len(Tables(text).rows) == 2 + 1 + 100
    assert "and 30 more" in text


def test_an_episode_and_a_timing_are_shown_field_by_field():
    with Model(lambda observation: 0).session(Countdown()) as session:
        observation, _ = session.reset(seed=3)
        while not session.over:
            observation, *_ = session.step(session.predict(observation))
        episode = session.result()
    shown = dict(row for row in Tables(episode._repr_html_()).rows)
    assert shown["seed"] == "3"
    assert shown["steps"] == str(episode.steps)
    timing = Timing(1.0, 2, 30.0, 0.5, 0.5, 1.0, 0.0, 0.0)
    assert dict(row for row in Tables(timing._repr_html_()).rows)["lanes"] == "2"


def test_a_named_run_has_its_name_as_the_caption():
    result = rlmesh.run(Model(lambda _: 0), Countdown(), seeds=[1], name="pi0-step30k")
    assert "<p>RunResult of pi0-step30k</p>" in result._repr_html_()
