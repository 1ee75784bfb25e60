"""Flags of ``ddan-torchreid experiment``; what is refused is so before anything is drawn."""

import pytest

from ddan_torchreid.cli import main
from ddan_torchreid.experiments import runner


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: experiment"),
        (["tabel5"], "experiment 'tabel5' is unknown; did you mean 'table5'?"),
        (["table5", "--seeds", "0"], "--seeds 0 must be a whole number, 1 or more"),
        (["table5", "--jobs", "0"], "--jobs 0 must be a whole number, 1 or more"),
        (["table5", "--jobs", "two"], "invalid int value: 'two'"),
        (["table5", "--rows", "triplett"], "did you mean 'triplet'?"),
        (["table5", "--scale", "huge"], "invalid choice: 'huge'"),
        (["table5", "--initial-weights", "none.pth"], "there is no file none.pth"),
        (["table5", "train.max_epochs", "3"], "did you mean 'train.max_epoch'?"),
        (["table5", "train.max_epoch"], "'train.max_epoch' has no value"),
        (["table5", "model.load_weights", "w.pth"], "write --initial-weights FILE"),
        (["table5", "model.name", "resnet"], "model.name: 'resnet' is unknown"),
        (["table5", "--root", "x", "--domains", "real"], "is not under the data root"),
        (["protocol", "--root", "x", "--name", "protokoll2"], "did you mean 'protocol2'?"),
        (["protocol", "--domains", "rendered"], "the protocols are for real datasets"),
    ],
)
def test_what_cannot_be_is_one_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    domains = [] if "--domains" in words or "protocol" in words else ["--domains", "rendered"]
    assert main(["experiment", *words, *domains]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("ddan-torchreid: error: ")
    assert message in line
    assert not (tmp_path / "reid-data").exists()


def test_the_flags_arrive(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(runner, "run", given.append)
    status = main(
        [
            *("experiment", "table5", "--root", str(tmp_path), "--output", "out", "--seeds", "5"),
            *("--rows", "triplet,alignment", "--in-bn", "--average-last", "3", "--jobs", "2"),
            *("--targets", "validation", "--initial-weights", "pretrain", "--domains", "rendered"),
            *("--pretrain-epochs", "7", "train.max_epoch", "9", "--scale", "medium"),
            *("ddan.top_k", "4"),
        ]
    )
    assert status == 0
    (options,) = given
    assert options.rows == ["triplet", "alignment"]
    assert options.pairs == ["train.max_epoch", "9", "ddan.top_k", "4"]
    expected = {
        "experiment": "table5", "root": tmp_path, "seeds": 5, "in_bn": True, "average_last": 3,
        "jobs": 2, "targets": "validation", "initial_weights": "pretrain", "pretrain_epochs": 7,
        "scale": "medium", "domains": "rendered", "allow_other_counts": False,
    }  # fmt: skip
    assert {key: getattr(options, key) for key in expected} == expected
