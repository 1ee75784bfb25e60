"""The gradient of several processes is that of one with the global batch, for every term."""

import pytest
import torch

from ddan_torchreid import distributed
from ddan_torchreid.integration import builder
from tests.distributed.launch import run
from tests.distributed.trainings import in_float64, parted
from tests.engines import first_batch
from tests.whole_runs import differences


def gradients(make_config, options, batch):
    """Terms of one batch and the norms of their gradients, all gradients, and the pool after it."""
    engine = builder.build(make_config("ddan.temperature", "0.05", *options.split()))
    engine.epoch = 1
    engine.set_model_mode("train")
    in_float64(engine)
    engine.runner.wrap_anew()
    discriminator, pool = engine.discriminator, engine.pool
    if pool is not None:
        # Of the central domain two identities, fewer than the neighbours asked for.
        seen = torch.tensor([*range(20), 20, 23])
        generator = torch.Generator().manual_seed(1)
        noise = torch.rand(len(seen), 1280, generator=generator, dtype=torch.float64)
        pool.update(noise, seen)
    images, pids, domains = engine.parse_data_for_train(*parted(batch))
    terms, features, rates = engine.runner.differentiate(images, pids, domains, watch=True)
    norms = {name: value for name, value in rates.items() if name.startswith("gradient_")}
    found = {name: parameter.grad for name, parameter in engine.bare_model.named_parameters()}
    if discriminator is not None:
        distributed.average_gradients(discriminator)
        found |= {name: parameter.grad for name, parameter in discriminator.named_parameters()}
    if pool is not None:
        pool.update(features, pids)
    means = {name: distributed.mean(term) for name, term in terms.items()}
    return means | norms, found, pool.state_dict() if pool is not None else {}


@pytest.mark.parametrize(
    ("processes", "options"),
    [
        (2, ""),
        (3, "ddan.pool_sharding True ddan.similarity_log released"),
        (2, "ddan.alignment pairwise ddan.similarity_reduction eq8 ddan.label_smoothing 0.1"),
        (2, "ddan.weight_adversarial 0.0 ddan.weight_similarity 0.0"),
        (2, "ddan.weight_identity 0.0 ddan.normalize_triplet False"),
        (3, "ddan.weight_triplet 0.0 ddan.confusion entropy ddan.exclude_own_identity True"),
    ],
    ids=str,
)
def test_terms_gradients_and_pool_equal_those_of_one_process(
    small_config, small_engine, processes, options
):
    batch = first_batch(small_engine())
    terms, expected, pool = gradients(small_config, options, batch)
    results = run(processes, gradients, small_config, options, batch)
    for found_terms, found, _ in results:
        # Beside these there is L_IDE without weight, whose gradient DistributedDataParallel awaits.
        shared = {name: found_terms[name] for name in terms}
        torch.testing.assert_close(shared, terms, rtol=1e-9, atol=1e-12)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            if gradient is None:  # the identity head when nothing weighs on it
                assert found[name].abs().max() == 0
                continue
            scale = float(gradient.abs().max())
            torch.testing.assert_close(found[name], gradient, rtol=1e-7, atol=1e-9 * scale)
    (_, first, first_pool), *others = results
    torch.testing.assert_close(first_pool, pool, rtol=1e-9, atol=1e-12)
    for _, found, its_pool in others:
        assert not differences(found, first)
        assert not its_pool or not differences(its_pool, first_pool)  # a sharded one has none
