"""Whole runs on a GPU: resumed, tested, used for features, compiled."""

import numpy as np
import pytest
import torch

from ddan_torchreid.cli import main
from ddan_torchreid.evaluation import as_row
from ddan_torchreid.inference.features import extract
from ddan_torchreid.inference.trained_model import load_trained_model
from ddan_torchreid.integration import builder
from tests.engines import all_state, first_batch, prepared, trained


@pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])
def test_two_epochs_are_one_and_one_resumed(
    small_config, small_engine, tmp_path, deterministic, amp
):
    options = ("ddan.amp", amp)
    whole = trained(lambda: small_engine(*options), tmp_path / "whole", 2)
    assert whole.device.type == "cuda"
    path = tmp_path / "whole" / "model" / "model.pth.tar-1"
    resumed = builder.build(small_config(*options, "model.resume", str(path)))
    resumed.run(max_epoch=2, start_epoch=1, save_dir=str(tmp_path / "rest"), print_freq=100)
    torch.testing.assert_close(all_state(resumed), all_state(whole), rtol=0, atol=0)
    assert resumed.runner.scaler.state_dict() == whole.runner.scaler.state_dict()


def test_scores_are_those_of_a_cpu(small_config, tmp_path, full_precision):
    rows = []
    for use_gpu in ("True", "False"):
        engine = builder.build(small_config("use_gpu", use_gpu, "train.max_epoch", "1"))
        engine.run(max_epoch=1, save_dir=str(tmp_path / use_gpu), print_freq=100, test_only=True)
        rows.append({name: as_row(scores) for name, scores in engine.scores.items()})
    assert rows[0].keys() == rows[1].keys()
    for name, row in rows[0].items():
        np.testing.assert_allclose(list(row.values()), list(rows[1][name].values()), atol=0.02)


def test_a_checkpoint_of_a_gpu_works_on_a_cpu(words, small_root, tmp_path, full_precision):
    assert main([*words, "data.save_dir", str(tmp_path / "log"), "train.max_epoch", "1"]) == 0
    weights = tmp_path / "log" / "model" / "model.pth.tar-1"
    images = [str(path) for path in sorted(small_root.rglob("*.jpg"))[:8]]
    assert len(images) == 8
    features = []
    for device in ("cuda", "cpu"):
        table, skipped = extract(load_trained_model(weights, device=device), images)
        assert skipped == 0
        features.append(table.features)
    np.testing.assert_allclose(*features, atol=2e-3)


@pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])
def test_a_recorded_run_is_that_without_graphs(small_engine, tmp_path, deterministic, amp):
    """With layers that are frozen at first, tests in between, and dropout; bit for bit."""
    states = []
    for graphs in ("off", "auto"):
        engine = small_engine("ddan.cuda_graphs", graphs, "ddan.amp", amp)
        assert (engine.runner.recorded is not None) == (graphs == "auto")
        engine.run(
            max_epoch=3, save_dir=str(tmp_path / graphs), print_freq=100, eval_freq=1,
            fixbase_epoch=1, open_layers=["neck", "classifier"],
        )  # fmt: skip
        states.append(all_state(engine))
    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.mark.parametrize("graphs", ["off", "auto"])
def test_a_compiled_encoder_trains_and_tests_as_the_other(small_engine, full_precision, graphs):
    same = ("ddan.dropout", "0.0", "ddan.amp", "off", "train.optim", "sgd", "train.lr", "1e-7")
    summaries, gradients, features = [], [], []
    for words in (
        ("ddan.cuda_graphs", "off"),
        ("ddan.compile", "True", "ddan.cuda_graphs", graphs),
    ):
        engine = prepared(small_engine(*same, *words))
        batch = first_batch(engine)
        for _ in range(3):  # the same graphs again, whose memory is used anew
            summary = engine.forward_backward(batch)
        summaries.append(summary)
        gradients.append(torch.cat([p.grad.flatten() for p in engine.bare_model.parameters()]))
        engine.set_model_mode("eval")
        with torch.no_grad():
            features.append(engine.model(batch["img"].cuda()))
    for name in ("loss_id", "loss_triplet", "loss_confusion", "loss_domain"):
        assert summaries[1][name] == pytest.approx(summaries[0][name], rel=0.01), name
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98
    norms = [gradient.norm().item() for gradient in gradients]
    assert norms[1] == pytest.approx(norms[0], rel=0.05)
    assert torch.cosine_similarity(*features).min() > 0.99
