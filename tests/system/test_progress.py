"""The progress bar: on a terminal only, below what is printed, with speed and time left."""

import io
import re
import sys

import pytest

from ddan_torchreid.config import schema
from ddan_torchreid.system.progress import TrainingBar, with_test_bar


class Screen(io.StringIO):
    """A terminal that keeps all that was written."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Makes the standard error a terminal; pytest would undo that before the test begins."""

    def make():
        monkeypatch.setattr(sys, "stderr", Screen())
        return sys.stderr

    return make


def test_speed_time_left_and_epoch_are_shown(terminal, capsys):
    screen = terminal()
    with TrainingBar(epochs=4, batches=5, images=64, epoch=1, batch=3) as bar:
        bar.begin_epoch(1)
        print("a line", "of the log")
        bar.reached(1, 4)
        bar.reached(2, 0)
        bar.begin_epoch(2)
        print("another line")
    assert capsys.readouterr().out == "a line of the log\nanother line\n"
    states = [state for state in re.split(r"[\r\n]+", screen.getvalue()) if state.strip()]
    # 1 epoch of 5 batches and 3 batches of 64 images were done before.
    assert "40%" in states[0]
    assert "512/1.28k" in states[0]
    assert re.search(r"epoch 3/4: .*50%.* 640/1.28k \[\d\d:\d\d<\S+, .* images/s\]", states[-1])


def test_the_bar_is_gone_while_a_line_is_written(terminal, monkeypatch):
    """Both on one terminal, no line stands behind the bar or has a piece of it within."""
    screen = terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    with TrainingBar(epochs=1, batches=10, images=1, epoch=0):
        print("first", "second", sep="\n")
        sys.stdout.write("third ")
        sys.stdout.write("line\n")
    for line in ("first", "second", "third line"):
        assert re.search(rf"(^|[\r\n]){line}\n", screen.getvalue()), line


@pytest.mark.parametrize("shown", [True, False])
def test_elsewhere_there_is_none(shown, capsys, terminal):
    screen = None if shown else terminal()
    with TrainingBar(epochs=1, batches=2, images=3, epoch=0, shown=shown) as bar:
        bar.begin_epoch(0)
        bar.reached(1, 0)
        assert not hasattr(sys.stdout, "_bar")
    assert capsys.readouterr().err == ""
    assert screen is None or screen.getvalue() == ""


@pytest.mark.parametrize("shown", [True, False])
def test_a_test_has_a_bar_on_a_terminal_only(shown, terminal, capsys):
    assert list(with_test_bar(range(3), shown)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    screen = terminal()
    assert list(with_test_bar(range(3), shown)) == [0, 1, 2]
    assert ("testing:" in screen.getvalue()) is shown


@pytest.mark.parametrize("progress", ["auto", "off"])
def test_a_run_shows_it_unless_switched_off(small_engine, small_config, terminal, capsys, progress):
    options = ("ddan.progress", progress, "train.batch_size", "12", "ddan.accumulate_steps", "2")
    engine = small_engine(*options)
    screen, output = terminal(), sys.stdout
    engine.run(**schema.arguments(small_config(*options), "run"))
    assert sys.stdout is output
    images = len(engine.train_loader) * 12 * 2
    last = re.split(r"[\r\n]+", screen.getvalue().strip())[-1]
    assert ("testing: " in screen.getvalue()) is (progress == "auto")
    assert ("100%" in last and "epoch 2/2: " in last and f"{images}/{images}" in last) is (
        progress == "auto"
    )
    assert "epoch: [2/2]" in capsys.readouterr().out
