"""The training step against Eq. 9, and its place in torchreid's loop."""

import math

import numpy as np
import pytest
import torch
import torchreid
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from ddan_torchreid.integration import builder
from tests import reference
from tests.engines import first_batch, prepared, reached

BASELINE = ("ddan.weight_adversarial", "0.0", "ddan.weight_similarity", "0.0")


def test_each_loss_reaches_the_networks_of_eq_9(small_engine):
    engine = prepared(small_engine())
    found = engine.losses(*engine.parse_data_for_train(first_batch(engine)))
    assert reached(found.l1, engine) == {"encoder", "mapping", "head"}
    assert reached(found.l2, engine) == {"mapping"}
    assert reached(found.l3, engine) == {"discriminator"}
    assert reached(found.terms["loss_id"], engine) == {"encoder", "mapping", "head"}
    assert reached(found.terms["loss_triplet"], engine) == {"encoder", "mapping"}
    assert reached(found.terms["loss_confusion"], engine) == {"mapping"}
    assert reached(found.terms["loss_similarity"], engine) == {"mapping"}


def test_alignment_reaches_the_encoder_where_it_is_to(small_engine):
    engine = prepared(small_engine("ddan.alignment_reaches", "encoder"))
    found = engine.losses(*engine.parse_data_for_train(first_batch(engine)))
    for term in (found.l2, found.terms["loss_confusion"], found.terms["loss_similarity"]):
        assert reached(term, engine) == {"encoder", "mapping"}
    assert reached(found.l3, engine) == {"discriminator"}


def test_the_weights_of_l2_rise_over_the_first_epochs(small_engine, tmp_path):
    engine = small_engine("ddan.alignment_ramp", "2", "ddan.similarity_start_epoch", "0")
    seen, forward_backward = {}, engine.forward_backward

    def watched(data):
        seen.setdefault(engine.epoch, engine.objective.named_weights())
        return forward_backward(data)

    engine.forward_backward = watched
    engine.run(max_epoch=4, save_dir=str(tmp_path), print_freq=100)
    for name, weight in (("loss_confusion", 0.18), ("loss_similarity", 0.05)):
        found = [seen[epoch][name] for epoch in range(4)]
        assert found == pytest.approx([weight / 3, weight * 2 / 3, weight, weight])
    assert {seen[epoch]["loss_triplet"] for epoch in range(4)} == {1.0}


def test_the_losses_are_the_weighted_sums_of_eq_9(small_engine):
    engine = prepared(small_engine("ddan.weight_identity", "0.5", "ddan.weight_triplet", "2.0"))
    found = engine.losses(*engine.parse_data_for_train(first_batch(engine)))
    terms = {
        name.removeprefix("loss_"): float(value.detach()) for name, value in found.terms.items()
    }
    assert float(found.l1.detach()) == pytest.approx(0.5 * terms["id"] + 2.0 * terms["triplet"])
    assert float(found.l2.detach()) == pytest.approx(
        0.18 * terms["confusion"] + 0.05 * terms["similarity"]
    )
    assert float(found.l3.detach()) == terms["domain"] > 0


@pytest.mark.parametrize("log", ["exact", "released"])
def test_the_terms_are_the_equations(small_engine, log):
    engine = prepared(small_engine("train.batch_size", "12", "ddan.similarity_log", log))
    batch = first_batch(engine)
    images, pids, domains = engine.parse_data_for_train(batch)
    with torch.no_grad():
        # Training mode, but without moving the running statistics that the step will see.
        logits, features, _ = engine.model(images)
        domain_logits = engine.discriminator(features)
    logits, domain_logits = logits.tolist(), domain_logits.tolist()
    central = engine.sources.index("film")
    pool = reference.Pool(engine.pool.identity_domains.tolist(), central, 0.05)
    pool.start_epoch()
    pool.update(engine.pool.representations.numpy(), range(len(pool.identity_domains)))
    nearest = [
        [identity for _, identity in pool.ranking(image, domain)[:3]]
        for image, domain in zip(features.numpy(), domains.tolist(), strict=True)
    ]
    expected = {
        "loss_id": reference.cross_entropy(logits, pids),
        "loss_triplet": reference.batch_hard_triplet(features.tolist(), pids.tolist(), 0.3, True),
        "loss_confusion": reference.domain_confusion(domain_logits, "uniform"),
        "loss_similarity": reference.similarity_enhancement(
            features.tolist(),
            [[pool.r_hat[identity].tolist() for identity in row] for row in nearest],
            2e-3,
            "mean",
            np.ones((len(nearest), 3), bool),
            log,
        ),
        "loss_domain": reference.cross_entropy(
            domain_logits, [int(d == central) for d in domains.tolist()]
        ),
    }
    summary = engine.forward_backward(batch)
    for name, value in expected.items():
        assert summary[name] == pytest.approx(value, rel=2e-3), name
    labels = [int(d == central) for d in domains.tolist()]
    accuracy = reference.balanced_accuracy(domain_logits, labels)
    assert summary["balanced_acc_domain"] == pytest.approx(accuracy)
    shares = [summary[f"share_{name}"] for name in engine.sources]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0


def test_one_step_is_two_plain_steps_of_sgd(small_engine):
    """(L1 + L2) moves encoder, mapping and head, then L3 moves the discriminator."""
    options = ("train.optim", "sgd", "sgd.momentum", "0.0", "train.weight_decay", "0.0")
    engine = prepared(small_engine(*options, "train.lr", "0.05"))
    batch = first_batch(engine)
    images, pids, domains = engine.parse_data_for_train(batch)
    model, settings = engine.model, engine.settings
    logits, features, aligned = model(images)
    objective = engine.objective
    l1 = objective.identity(logits, pids) + objective.triplet(features, pids)
    similarity = objective.similarity(aligned, pids, domains, engine.epoch)
    l2 = 0.18 * objective.confusion(aligned) + 0.05 * similarity
    l3 = nn.functional.cross_entropy(
        engine.discriminator(features.detach()), (domains == engine.objective.central).long()
    )
    assert (settings.weight_adversarial, settings.weight_similarity) == (0.18, 0.05)
    parameters = [
        *model.named_parameters(prefix="model"),
        *engine.discriminator.named_parameters(prefix="discriminator"),
    ]
    expected = {}
    for name, parameter in parameters:
        loss = l3 if name.startswith("discriminator") else l1
        if name.startswith("model.mapping"):
            loss = l1 + l2
        (gradient,) = torch.autograd.grad(loss, parameter, retain_graph=True)
        expected[name] = (parameter - 0.05 * gradient).detach().clone()
    engine.forward_backward(batch)
    torch.testing.assert_close(dict(parameters), expected, rtol=1e-4, atol=1e-6)


def test_a_short_run_learns_and_its_checkpoints_load(small_engine, tmp_path):
    engine = small_engine(
        *("train.max_epoch", "12", "ddan.similarity_start_epoch", "6", "train.lr", "0.002"),
        *("data.transforms", "['random_flip']"),
    )
    engine.run(max_epoch=12, save_dir=str(tmp_path), print_freq=1, eval_freq=6)
    events = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    for term in ("loss_id", "loss_triplet", "loss_confusion", "loss_domain", "loss_similarity"):
        assert f"Train/{term}" in tags
    assert {"Train/balanced_acc_domain", "Train/share_film", "Test/snow/mAP"} <= set(tags)
    # torchreid logs the mean of the epoch so far; each epoch's last value is the epoch's mean.
    per_epoch = len(engine.train_loader)
    means = [event.value for event in events.Scalars("Train/loss_id")][per_epoch - 1 :: per_epoch]
    assert means[-1] < 0.9 * means[0], means
    assert len(events.Scalars("Train/loss_similarity")) == 6 * per_epoch

    for name in ("model", "discriminator", "identity_pool"):
        for epoch in (6, 12):
            checkpoint = torchreid.utils.load_checkpoint(tmp_path / name / f"model.pth.tar-{epoch}")
            assert checkpoint["epoch"] == epoch
    saved = torchreid.utils.load_checkpoint(tmp_path / "model" / "model.pth.tar-12")["state_dict"]
    torch.testing.assert_close(saved, engine.model.state_dict(), rtol=0, atol=0)
    assert set(engine.scores) == {"snow", "night"}


@pytest.mark.parametrize(
    ("options", "models", "terms"),
    [
        ((*BASELINE, "ddan.weight_triplet", "0.0"), {"model"}, {"loss_id"}),
        (BASELINE, {"model"}, {"loss_id", "loss_triplet"}),
        (
            ("ddan.weight_similarity", "0.0"),
            {"model", "discriminator"},
            {"loss_id", "loss_triplet", "loss_confusion", "loss_domain"},
        ),
        (
            ("ddan.alignment", "none"),
            {"model", "identity_pool"},
            {"loss_id", "loss_triplet", "loss_similarity"},
        ),
        (
            ("ddan.weight_identity", "0.0"),
            {"model", "discriminator", "identity_pool"},
            {"loss_triplet", "loss_confusion", "loss_similarity", "loss_domain"},
        ),
        (
            ("ddan.alignment", "pairwise"),
            {"model", "discriminator", "identity_pool"},
            {"loss_id", "loss_triplet", "loss_confusion", "loss_similarity", "loss_domain"},
        ),
    ],
    ids=["table5-1", "table5-2", "table5-3", "similarity-only", "no-identity", "pairwise"],
)
def test_each_term_can_be_switched_off(small_engine, options, models, terms):
    engine = prepared(small_engine(*options))
    assert set(engine.get_model_names()) == models
    summary = engine.forward_backward(first_batch(engine))
    assert {name for name in summary if name.startswith("loss_")} == terms


@pytest.mark.parametrize("name", ["ddan_resnet50_ibn_a", "ddan_osnet_ain_x0_25"])
def test_the_same_engine_trains_other_networks(small_engine, name):
    engine = prepared(small_engine("model.name", name, "train.batch_size", "12"))
    before = {key: value.clone() for key, value in engine.model.named_parameters()}
    summary = engine.forward_backward(first_batch(engine))
    assert all(math.isfinite(value) for value in summary.values())
    assert {"loss_confusion", "loss_similarity", "loss_domain"} <= set(summary)
    for part in ("encoder.", "mapping.", "neck.", "classifier."):
        assert any(
            not torch.equal(value, before[key])
            for key, value in engine.model.named_parameters()
            if key.startswith(part)
        ), part


def test_pairwise_alignment_names_every_domain(small_engine):
    engine = prepared(small_engine("ddan.alignment", "pairwise", "ddan.weight_similarity", "0.0"))
    images, _, domains = engine.parse_data_for_train(first_batch(engine))
    assert engine.discriminator(engine.model(images)[1]).shape[1] == 3
    assert engine.objective.domain_labels(domains).tolist() == domains.tolist()
    assert engine.objective.central is None


def test_data_parallel_and_use_gpu_false(small_config, tmp_path):
    settings = small_config()
    datamanager = builder.build_datamanager(settings)
    model = nn.DataParallel(builder.build_model(settings, datamanager.num_train_pids))
    optimizer = torchreid.optim.build_optimizer(model, optim="sgd", lr=0.01)
    engine = torchreid.engine.ImageDDANEngine(
        datamanager,
        model,
        optimizer,
        use_gpu=False,
        central_domain="mall",
        top_k=3,
        similarity_start_epoch=0,
    )
    engine.run(max_epoch=1, save_dir=str(tmp_path), print_freq=100)
    saved = torch.load(tmp_path / "model" / "model.pth.tar-1", weights_only=True)
    assert all(key.startswith("module.") for key in saved["state_dict"])
    assert "scheduler" not in saved  # none was given
