"""The bar of an experiment: on a terminal, and in no log."""

import io
import sys

import pytest

from ddan_torchreid.experiments import plan, runner


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Screen, io.StringIO], ids=["terminal", "pipe"])
def test_a_bar_on_a_terminal_and_none_in_a_pipe(options, monkeypatch, capsys, stream):
    made = plan.make(options("table5"))

    def train_all(jobs, at_once, report):
        for job in jobs:
            report(2.0)
            yield job

    monkeypatch.setattr(runner, "train_all", train_all)
    monkeypatch.setattr(runner, "_report_finished", lambda plan, runs, *_: runs)
    monkeypatch.setattr(sys, "stderr", stream())
    runner._carry_out(made)
    bar, lines = sys.stderr.getvalue(), capsys.readouterr().out
    assert ("table5: 100%" in bar) if stream is Screen else bar == ""
    jobs = len({run.job.folder for run in made.runs})
    assert f"{jobs} of {jobs} runs done" in lines
