"""What the engine makes of its data, its options and its optimiser before it trains."""

import pytest
import torch
import torchreid
from torch import nn

from ddan_torchreid import ImageDDANEngine
from ddan_torchreid.config import schema
from ddan_torchreid.integration import builder
from ddan_torchreid.training.optimizers import FollowingSchedule, optimizer_like


def engine_of(datamanager, model):
    optimizer = torchreid.optim.build_optimizer(model)
    return ImageDDANEngine(datamanager, model, optimizer, central_domain="film", top_k=3)


def test_labels_become_stable_under_torchreids_samplers(small_config):
    settings = small_config("sampler.train_sampler", "RandomIdentitySampler")
    datamanager = builder.build_datamanager(settings)
    train = datamanager.train_loader.dataset.train
    train.reverse()
    flipped = {item[0]: item[1] for item in train}
    number = len(set(flipped.values()))
    train[:] = [(path, number - 1 - pid, camid, dsetid) for path, pid, camid, dsetid in train]
    engine_of(datamanager, builder.build_model(settings, number))
    loader = datamanager.train_loader
    assert [item[1] for item in loader.dataset.train] == sorted(
        item[1] for item in loader.dataset.train
    )
    assert type(loader.sampler.sampler).__name__ == "RandomIdentitySampler"
    assert loader.drop_last
    batch = next(iter(loader))
    assert (batch["pid"].reshape(-1, 4) == batch["pid"].reshape(-1, 4)[:, :1]).all()


def test_the_central_domain_can_be_chosen_from_the_features(small_engine, tmp_path, capsys):
    engine = small_engine("ddan.central_domain", "auto")
    assert engine.objective.central is None
    engine.run(max_epoch=1, save_dir=str(tmp_path), print_freq=100)
    output = capsys.readouterr().out
    assert f"=> Central domain: {engine.sources[engine.objective.central]}" in output
    assert engine.pool.central_domain == engine.objective.central


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("ddan.top_k", "11"), "top_k=11 is more than the 10 identities .* of film"),
        (("ddan.top_k", "10", "ddan.exclude_own_identity", "True"), "write ddan.top_k 9 or less"),
    ],
)
def test_more_neighbours_than_candidates_are_refused(small_engine, options, says):
    with pytest.raises(ValueError, match=says):
        small_engine(*options)


@pytest.mark.parametrize(
    ("name", "loss", "says"),
    [
        ("ddan_mobilenetv2_x0_35", "triplet", "build it with .*loss='ddan'"),
        ("mlfn", "ddan", "write model.name ddan_mobilenetv2_x1_0"),
    ],
    ids=["of another loss", "of torchreid, whatever its loss"],
)
def test_a_model_without_aligned_features_is_refused(small_config, name, loss, says):
    model = torchreid.models.build_model(name, 30, loss, False, False)
    assert model.loss == loss
    with pytest.raises(ValueError, match=says):
        engine_of(builder.build_datamanager(small_config()), model)


def test_sources_without_a_pair_of_images_are_refused(small_config):
    settings = small_config()
    datamanager = builder.build_datamanager(settings)
    train = datamanager.train_loader.dataset.train
    first = {item[1]: item for item in reversed(train)}
    train[:] = sorted(first.values(), key=lambda item: item[1])
    model = builder.build_model(settings, len(train))
    with pytest.raises(ValueError, match="no identity of the sources has two images"):
        engine_of(datamanager, model)


@pytest.mark.parametrize("kind", ["adam", "amsgrad", "sgd", "rmsprop", "radam"])
def test_every_optimiser_of_torchreid_can_be_followed(kind):
    model, other = nn.Linear(3, 2), nn.Linear(4, 5)
    optimizer = torchreid.optim.build_optimizer(model, optim=kind, lr=0.02, weight_decay=0.03)
    follower = optimizer_like(optimizer, other)
    assert type(follower) is type(optimizer)
    (group,), (own,) = optimizer.param_groups, follower.param_groups
    assert {k: v for k, v in group.items() if k != "params"} == {
        k: v for k, v in own.items() if k != "params"
    }
    assert {id(p) for p in own["params"]} == {id(p) for p in other.parameters()}
    group["lr"] = 0.5
    schedule = FollowingSchedule(follower, optimizer, 3.0)
    assert own["lr"] == 1.5
    group["lr"] = 0.1
    schedule.step()
    assert own["lr"] == pytest.approx(0.3)


def test_the_discriminator_and_its_rate_are_those_of_the_options(small_engine):
    engine = small_engine("ddan.discriminator", "balanced", "ddan.discriminator_rate", "3.0")
    assert isinstance(engine.discriminator.layers[1], nn.ReLU)
    assert engine.optimizer_d.param_groups[0]["lr"] == pytest.approx(3 * engine.get_current_lr())
    labels = torch.tensor([0, 0, 1])
    logits = torch.tensor([[2.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    each = -logits.log_softmax(1)[range(3), labels]
    domains = torch.where(labels == 1, engine.objective.central, engine.objective.central - 1)
    found = engine.objective.discrimination(logits, domains)
    assert float(found) == pytest.approx(float((each[:2].mean() + each[2]) / 2))


def test_every_option_of_the_configuration_reaches_the_engine(small_config):
    settings = small_config("ddan.margin", "0.7", "ddan.confusion", "entropy", "train.seed", "5")
    engine = builder.build(settings)
    assert engine.settings.margin == 0.7
    assert engine.settings.confusion == "entropy"
    assert engine.settings.seed == 5
    assert engine.train_loader.sampler.seed == 5
    assert schema.arguments(settings, "engine") == vars(engine.settings)


def test_dropout_works_while_layers_are_frozen(small_engine):
    engine = small_engine()
    engine.set_model_mode("train")
    engine.two_stepped_transfer_learning(0, 1, ["neck", "classifier"])
    model = engine.bare_model
    assert [model.encoder.training, model.mapping.training] == [False, False]
    assert [model.neck.training, model.dropout.training] == [True, True]
    engine.two_stepped_transfer_learning(1, 1, ["neck", "classifier"])
    assert all(part.training for part in model.children())
