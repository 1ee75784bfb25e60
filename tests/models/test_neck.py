"""Training without the batch-norm neck: optimiser, resuming, weights, and what is refused."""

import copy

import pytest
import torch
import torchreid
from torch import nn

from ddan_torchreid import ImageDDANEngine, load_model
from ddan_torchreid.cli import main
from ddan_torchreid.inference.export import export
from ddan_torchreid.inference.trained_model import load_trained_model
from ddan_torchreid.integration import builder
from ddan_torchreid.models.ddan_model import apply_neck
from ddan_torchreid.system import state_files
from ddan_torchreid.training import checkpoint, resuming
from tests.engines import trained
from tests.whole_runs import EPOCHS, differences, send, state_of

NAME = "ddan_mobilenetv2_x0_35"
NECK = {"neck.weight", "neck.bias"}
ROW_1 = (
    *("ddan.neck", "none", "ddan.weight_triplet", "0.0"),
    *("ddan.weight_adversarial", "0.0", "ddan.weight_similarity", "0.0"),
)


def new_model(identities=4):
    return torchreid.models.build_model(NAME, identities, loss="ddan", pretrained=False)


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("optim", ["sgd", "adam", "radam"])
def test_an_optimiser_is_as_if_built_without_the_neck(optim, staged):
    def optimizer_of(model):
        return torchreid.optim.build_optimizer(
            model, optim=optim, staged_lr=staged, new_layers=["neck"]
        )

    def step(model, optimizer):
        optimizer.zero_grad()
        for number, parameter in enumerate(model.parameters()):
            parameter.grad = torch.full_like(parameter, 0.1 * (number % 3))
        optimizer.step()

    model = new_model()
    optimizer = optimizer_of(model)
    step(model, optimizer)  # it has something to forget
    weights = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith("neck.")}
    apply_neck("none", model, optimizer)
    assert set(optimizer.state) == set(model.parameters())
    assert model.state_dict().keys() == weights.keys()

    other = new_model()
    apply_neck("none", other)
    other.load_state_dict(weights)
    built_without = optimizer_of(other)
    built_without.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each in ((model, optimizer), (other, built_without)):
        step(*each)
    assert not differences(model.state_dict(), other.state_dict())
    assert not differences(optimizer.state_dict(), built_without.state_dict())


def test_models_that_do_not_fit_the_option_are_refused():
    model = new_model()
    model.drop_neck()
    with pytest.raises(ValueError, match="the model has no neck; write neck 'none'"):
        apply_neck("bn", model)
    with pytest.raises(ValueError, match="the model has no neck; write neck 'none'"):
        apply_neck("bnneck", model)
    with pytest.raises(ValueError, match=r"Linear cannot change its neck.*write neck 'bn'"):
        apply_neck("none", nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("options", "untrained"),
    [
        (ROW_1, set()),
        (("ddan.neck", "none"), set()),
        (("ddan.neck", "bnneck"), {"neck.bias", "classifier.bias"}),
    ],
    ids=["L_IDE", "DDAN", "BNNeck"],
)
def test_a_run_that_was_stopped_goes_on_bit_by_bit(run, options, untrained):
    whole = run("whole", *options)
    parameters = dict(whole.bare_model.named_parameters())
    assert NECK & parameters.keys() == (NECK if untrained else set())
    optimised = {id(each) for group in whole.optimizer.param_groups for each in group["params"]}
    assert {name for name, each in parameters.items() if id(each) not in optimised} == untrained
    with pytest.raises(SystemExit):
        run("stopped", *options, after=2, action=send(15))
    resumed = run("stopped", *options, "model.resume", "auto")
    assert resumed.epoch == EPOCHS - 1
    assert not differences(state_of(resumed), state_of(whole))
    if untrained:
        assert not any(parameters[name].any() for name in untrained)
        assert parameters["neck.weight"].ne(1).any()
        learnt = copy.deepcopy(whole.bare_model.state_dict())
        apply_neck("bnneck", whole.bare_model)
        assert not differences(whole.bare_model.state_dict(), learnt)


def test_bnneck_begins_near_zero():
    model = new_model()
    apply_neck("bnneck", model)
    assert 0.0005 < model.classifier.weight.std() < 0.0015


def test_the_engine_takes_it_as_a_keyword(small_config, small_engine):
    settings = small_config()
    data = builder.build_datamanager(settings)
    batch = next(iter(small_engine("ddan.neck", "none").train_loader))
    results = []
    for by_keyword in (False, True):
        torch.manual_seed(0)
        model = new_model(data.num_train_pids)
        if not by_keyword:
            apply_neck("none", model)
        optimizer = torchreid.optim.build_optimizer(model, optim="adam")
        torch.manual_seed(0)
        engine = ImageDDANEngine(
            data, model, optimizer, central_domain="film", top_k=3, neck="none"
        )
        engine.epoch = engine.batch_idx = 0
        engine.set_model_mode("train")
        summary = [engine.forward_backward(batch) for _ in range(2)]
        results.append((summary, state_of(engine)))
    assert not differences(*results)
    with pytest.raises(ValueError, match="the model has no neck"):
        ImageDDANEngine(data, model, optimizer, central_domain="film", top_k=3)


@pytest.mark.parametrize("neck", ["none", "bn"])
def test_resuming_with_the_other_one_is_refused(small_engine, tmp_path, neck):
    other = {"none": "bn", "bn": "none"}[neck]
    trained(small_engine, tmp_path, 1, "ddan.neck", neck)
    path = tmp_path / "model" / "model.pth.tar-1"
    engine = small_engine("ddan.neck", other)
    before = copy.deepcopy(state_of(engine))
    state = state_files.read(path)
    for older in (False, True) if neck == "bn" else (False,):
        if older:
            del state["ddan"]["neck"]  # as written before there was the option
            state_files.write(state, path)
            assert resuming.resume(small_engine(), path) == 1
        with pytest.raises(ValueError, match=f"neck was {neck}, now {other}.*--fine-tune") as error:
            resuming.resume(engine, path)
        assert "\n" not in str(error.value)
        assert not differences(state_of(engine), before)
    # What the message recommends.
    small_engine("ddan.neck", other, "model.load_weights", str(path), "ddan.fine_tune", "True")


def test_weights_of_the_other_kind(tmp_path, capsys):
    path = tmp_path / "weights.pth"
    without, with_neck = new_model(), new_model()
    without.drop_neck()
    state_files.write({"state_dict": with_neck.state_dict()}, path)
    checkpoint.load_weights(without, path)
    assert "without neck.bias, neck.num_batches_tracked" in capsys.readouterr().out
    assert not differences(
        without.state_dict(),
        {k: v for k, v in with_neck.state_dict().items() if not k.startswith("neck.")},
    )
    with pytest.raises(ValueError, match="with a neck; write loss.name ddan and ddan.neck bn"):
        checkpoint.load_weights(without, path, tested=True)
    state_files.write({"state_dict": without.state_dict()}, path)
    with pytest.raises(ValueError, match="without neck; write loss.name ddan and ddan.neck none"):
        checkpoint.load_weights(new_model(), path)
    checkpoint.load_weights(new_model(), path, new_head=True)
    checkpoint.load_weights(without, path, tested=True)


def test_a_checkpoint_is_evaluated_exported_and_loaded(words, tmp_path, capsys):
    log = str(tmp_path / "log")
    assert main([*words, *ROW_1, "data.save_dir", log, "train.max_epoch", "1"]) == 0
    trained_scores = scores(capsys)
    path = tmp_path / "log" / "model" / "model.pth.tar-1"
    command = ["evaluate", *words[1:], "--weights", str(path), "data.save_dir", log]
    assert main([*command, "ddan.neck", "none"]) == 0
    assert scores(capsys) == trained_scores
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is of a model without neck; write loss.name ddan and ddan.neck none" in line

    model = load_model(path)
    images = torch.randn(5, 3, 32, 16)
    with torch.no_grad():
        assert torch.equal(model(images), model.mapping(model.encoder(images)))
        export(load_trained_model(path), tmp_path / "model.pt2", format="torch")
        program = torch.export.load(tmp_path / "model.pt2").module()
        torch.testing.assert_close(program(images), model(images), rtol=1e-4, atol=1e-5)


def scores(capsys):
    return [each for each in capsys.readouterr().out.splitlines() if each[:4] in ("mAP:", "Rank")]
