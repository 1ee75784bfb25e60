"""What training prints: short step lines, a line on the ID pool for each epoch, and its warning."""

import re
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ddan_torchreid.training.training_log import EpochLog, pool_line


def test_a_line_of_the_papers_recipe_has_at_most_120_characters():
    engine = SimpleNamespace(
        epoch=99, max_epoch=100, batch_idx=0, num_batches=1902, get_current_lr=lambda: 1e-4
    )
    losses = {"loss_id": 9.8, "loss_triplet": 0.3}
    losses |= {f"loss_{name}": 0.69 for name in ("confusion", "similarity", "domain")}
    sources = ("cuhk02", "cuhk03", "market1501", "dukemtmcreid", "cuhksysu")
    rates = {"acc": 100.0, "balanced_acc_domain": 100.0, **{f"share_{k}": 0.2 for k in sources}}
    log = EpochLog(engine)
    log.add({**losses, **rates}, time=1.96, data=0.2)
    engine.batch_idx = 1001
    log.add({**losses, "loss_id": 9.7, **rates, "acc": 50.0}, time=2.0, data=0.2)
    assert log.line() == (
        "epoch: [100/100][1002/1902] 1.98 s eta 29m42s lr 0.0001 id 9.750 (75%) tri 0.300 "
        "conf 0.690 sim 0.690 dom 0.690 (100%)"
    )
    engine.epoch = 0
    assert " eta 104h03m " in log.line()
    assert len(log.line()) <= 120
    log.add({"gradient_loss_id": 1.25, "gradient_loss_confusion": 0.05}, time=2.0, data=0.2)
    assert log.line().splitlines()[1:] == ["gradients on the mapping network: id 1.25 conf 0.05"]


def test_a_run_prints_short_lines_and_writes_all_to_tensorboard(small_engine, tmp_path, capsys):
    engine = small_engine("ddan.similarity_start_epoch", "0", "ddan.log_gradients", "2")
    engine.run(max_epoch=2, save_dir=str(tmp_path), print_freq=1)
    output = capsys.readouterr().out
    steps = [line for line in output.splitlines() if line.startswith("epoch: [")]
    assert len(steps) == 2 * len(engine.train_loader)
    for line in steps:
        assert len(line) <= 120
        assert re.search(r" id [\d.]+ \(\d+%\) tri .* dom [\d.]+ \(\d+%\)$", line), line
    channels = re.findall(r"ID pool after epoch (\d): (\d+) distinct .* over 30 identities", output)
    assert [epoch for epoch, _ in channels] == ["1", "2"]
    assert int(channels[-1][1]) == engine.pool.distinct_largest_channels() > 1
    assert "collapsed" not in output
    events = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    events.Reload()
    tags = {"acc", "time", "data", "lr", "share_film", "gradient_loss_id", "loss_domain"}
    assert {f"Train/{tag}" for tag in tags} <= set(events.Tags()["scalars"])
    written = events.Scalars("Train/pool_largest_channels")
    assert [int(each.value) for each in written] == [int(number) for _, number in channels]


@pytest.mark.parametrize(("channels", "collapsed"), [(1, True), (2, False)])
def test_a_collapsed_pool_is_warned_of(channels, collapsed):
    line, *warning = pool_line(3, channels, 340).splitlines()
    assert line.startswith(f"ID pool after epoch 3: {channels} distinct largest channel")
    assert bool(warning) is collapsed
    if collapsed:
        assert re.search(
            "Warning: .* L_SE and its gradient are zero.*temperature", " ".join(warning)
        )
