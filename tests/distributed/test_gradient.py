"""The gradient of several processes is that of one with the global batch, for every term."""

import numpy as np
import pytest
import torch
from torch import nn

from ddan_torchreid import DDANSettings, distributed
from ddan_torchreid.method.batch_losses import OFF
from ddan_torchreid.method.objective import DDANObjective
from ddan_torchreid.models import FACTORIES
from ddan_torchreid.training.gradients import term_gradients
from tests.distributed.launch import run

SOURCES = ["one", "two", "three"]
IDENTITIES, IMAGES = 15, 24
IDENTITY_DOMAINS = np.arange(IDENTITIES) % 3
OPTIONS = {"central_domain": "two", "top_k": 3, "hidden_dim": 8, "temperature": 0.05}


def prepare(options):
    """Model, objective with a pool in which some identities lack, and a batch; in float64.

    Batch norms of the model are in evaluation mode: each process would have its own statistics.
    """
    torch.manual_seed(0)
    model = FACTORIES["ddan_mobilenetv2_x0_35"](IDENTITIES, loss="ddan", pretrained=False).double()
    model.train()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout)):
            module.eval()
    settings = DDANSettings.from_keywords({**OPTIONS, **options})
    objective = DDANObjective(
        settings, SOURCES, IDENTITY_DOMAINS, model.feature_dim, torch.device("cpu")
    )
    model.align = settings.adversarial or settings.similarity
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(IMAGES, 3, 48, 24, generator=generator, dtype=torch.float64)
    pids = torch.arange(IMAGES) // 2 % IDENTITIES
    if objective.discriminator is not None:
        objective.discriminator.double()
    if objective.pool is not None:
        # Domain 0 has two identities in the pool, fewer than the neighbours asked for.
        seen = torch.tensor([0, 3, *np.flatnonzero(IDENTITY_DOMAINS > 0)])
        noise = torch.rand(len(seen), model.feature_dim, generator=generator, dtype=torch.float64)
        objective.pool.double().update(noise, seen)
    return model, objective, images, pids, torch.from_numpy(IDENTITY_DOMAINS)[pids]


def gradients(options):
    """Terms of one batch and the norms of their gradients, all gradients, and the pool after it."""
    model, objective, images, pids, domains = prepare(options)
    forward = nn.parallel.DistributedDataParallel(model) if distributed.active() else model
    logits, features, aligned = forward(distributed.own(images))
    features, aligned = distributed.gather(features), distributed.gather(aligned)
    terms = objective.named(
        objective.identity(logits, pids),
        objective.triplet(features, pids),
        objective.confusion(aligned),
        objective.similarity(aligned, pids, domains, epoch=10),
        OFF,
    )
    weights = objective.named_weights()
    norms = term_gradients(terms, weights, model.mapping)
    sum(weights[name] * term for name, term in terms.items()).backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    if objective.discriminator is not None:
        domain_logits = objective.domain_logits(features.detach())
        objective.discrimination(domain_logits, domains).backward()
        distributed.average_gradients(objective.discriminator)
        found |= {name: p.grad for name, p in objective.discriminator.named_parameters()}
    if objective.pool is not None:
        objective.pool.update(features.detach(), pids)
    pool = objective.pool.state_dict() if objective.pool is not None else {}
    means = {name: distributed.mean(term.detach()) for name, term in terms.items()}
    return means | norms, found, pool


@pytest.mark.parametrize(
    ("processes", "options"),
    [
        (2, {}),
        (3, {"pool_sharding": True, "similarity_log": "released"}),
        (2, {"alignment": "pairwise", "similarity_reduction": "eq8", "label_smoothing": 0.1}),
        (2, {"weight_adversarial": 0.0, "weight_similarity": 0.0}),
        (2, {"weight_identity": 0.0, "normalize_triplet": False}),
        (3, {"weight_triplet": 0.0, "confusion": "entropy", "exclude_own_identity": True}),
    ],
    ids=str,
)
def test_terms_gradients_and_pool_equal_those_of_one_process(processes, options):
    terms, expected, pool = gradients(options)
    results = run(processes, gradients, options)
    for found_terms, found, _ in results:
        for name, value in terms.items():
            torch.testing.assert_close(found_terms[name], value, rtol=1e-9, atol=1e-12)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            if gradient is None:  # the identity head when nothing weighs on it
                assert found[name].abs().max() == 0
                continue
            scale = float(gradient.abs().max())
            torch.testing.assert_close(found[name], gradient, rtol=1e-7, atol=1e-9 * scale)
    for name, rows in pool.items():
        torch.testing.assert_close(results[0][2][name], rows, rtol=1e-9, atol=1e-12)
    for _, found, state in results[1:]:
        assert all(torch.equal(found[name], results[0][1][name]) for name in found)
        assert all(torch.equal(state[name], results[0][2][name]) for name in state)
