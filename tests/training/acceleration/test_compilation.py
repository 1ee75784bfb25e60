"""``torch.compile`` as an option: one graph, the same training, and one line where it cannot be."""

import pytest
import torch
from torch import nn

from ddan_torchreid.cli import main
from ddan_torchreid.training.acceleration.compilation import compile_encoder
from tests.engines import first_batch, prepared


def test_without_a_compiler_it_is_one_line(small_config, monkeypatch, tmp_path, capsys):
    def no_compiler(function):
        def call(*arguments):
            raise RuntimeError("\nNo working C++ compiler found in\n(torch._inductor.config)")

        return call

    monkeypatch.setattr(torch, "compile", no_compiler)
    path = tmp_path / "recipe.yaml"
    path.write_text(small_config("ddan.compile", "True").dump())
    assert main(["train", "--config-file", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No working C++ compiler found in" in line
    assert "write ddan.compile False" in line


def test_one_process_with_two_gpus_is_refused():
    model = nn.DataParallel(nn.Linear(1, 1))
    model.device_ids = [0, 1]
    with pytest.raises(ValueError, match=r"compile True needs a process for each GPU; .*torchrun"):
        compile_encoder(model, torch.device("cuda"))


@pytest.mark.slow
def test_a_compiled_encoder_trains_and_tests_as_the_other(small_engine):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    summaries, features, keys = [], [], []
    for compiled in ("False", "True"):
        engine = prepared(small_engine("ddan.compile", compiled, "ddan.dropout", "0.0"))
        batch = first_batch(engine)
        summaries.append(engine.forward_backward(batch))
        engine.set_model_mode("eval")
        with torch.no_grad():
            features.append(engine.model(batch["img"]))
        keys.append(list(engine.model.state_dict()))
    # One of the encoder, and that of the trial; not one of each block.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2
    assert keys[0] == keys[1]
    for name in ("loss_id", "loss_triplet", "loss_confusion", "loss_domain"):
        assert summaries[1][name] == pytest.approx(summaries[0][name], rel=1e-3), name
    # A step on its way through batch norms, whose first ones are in disorder: not bit for bit.
    assert torch.cosine_similarity(*features).min() > 0.99
