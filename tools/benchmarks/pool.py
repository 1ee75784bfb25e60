"""The ID pool's part of a step against one bare matrix product, and its memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ddan_torchreid.method.identity_pool import IdentityPool
from ddan_torchreid.method.losses import similarity_enhancement_loss

from .memory_use import available, in_fresh_process, peak
from .operators import OperatorCounter
from .results import Result
from .timing import Options, interleaved

TITLE = "neighbour search, L_SE with its gradient, and update; 64 images, 1280 numbers, k = 8"
BATCH, DIM, K = 64, 1280, 8
MILLION_NEEDS = 19e9  # bytes, to be started


def run(options: Options) -> Result:
    """Times one step's use of pools of two sizes, counts its operators, and fills a large pool."""
    result = Result("pool", TITLE)
    for identities in (options.size(18_530, 60), options.size(100_000, 90)):
        step = PoolStep(identities, options.device)
        variants: dict[str, Callable[[], object]] = {
            "search": step.search,
            "whole": step,
            "product": step.product,
        }
        if options.device.type == "cuda":
            # Without the time that the host takes to start each operator.
            variants |= {"search graph": recorded(step.search), "whole graph": recorded(step)}
        seconds = interleaved(variants, options.rounds_or(11), options.clock())
        peer = f"a {BATCH} x {DIM} x {identities:,} product"
        whole = f"all, N = {identities:,}"
        result.compare(whole, seconds["whole"], peer, seconds["product"], 1.25)
        result.compare("the search alone", seconds["search"], peer, seconds["product"])
        if "whole graph" in seconds:
            # As a step of the defaults starts all but the update.
            replayed = "replayed as a CUDA graph"
            product = seconds["product"]
            result.compare(f"{whole}, {replayed}", seconds["whole graph"], peer, product, 1.25)
            result.compare(f"the search alone, {replayed}", seconds["search graph"], peer, product)
    with OperatorCounter() as forward:
        loss = step.loss()
        step.update()
    with OperatorCounter() as backward:
        loss.backward()
    result.add("operators on the device: search, L_SE and update", str(len(forward.names)), "<= 60")
    result.add("and those of the gradient", str(len(backward.names)))
    waits = len(forward.waits + backward.waits)
    result.add("times that the host waits for the device", str(waits), "0")

    identities = options.size(1_000_000, 1000)
    if not options.tiny and (available() or 0) < MILLION_NEEDS:
        result.add(f"memory of {identities:,} identities", "not measured: less than 19 GB are free")
        return result
    used, matrices = in_fresh_process(large_pool, identities, options.device)
    of = "GPU memory" if options.device.type == "cuda" else "memory of the process"
    result.add(
        f"{of} with {identities:,} identities",
        f"{used / 1e9:.1f} GB, {matrices / 1e9:.1f} of them the pool's matrices",
        "<= 21 GB",
    )
    return result


class PoolStep:
    """What a training step does with a pool in which every identity has been seen."""

    def __init__(self, identities: int, device: torch.device) -> None:
        torch.manual_seed(0)
        domains = torch.randint(0, 5, (identities,))
        self.pool = IdentityPool(domains, DIM, central_domain=0).to(device)
        rows = torch.randn(identities, DIM, device=device)
        for part in torch.arange(identities, device=device).split(512):
            self.pool.update(rows[part], part)
        self.pool.start_epoch()
        self.pids = torch.randint(0, identities, (BATCH // 4,), device=device).repeat_interleave(4)
        self.domains = self.pool.identity_domains[self.pids]
        self.features = torch.randn(BATCH, DIM, device=device, requires_grad=True)

    def search(self) -> tuple[Tensor, Tensor]:
        return self.pool.nearest(self.features, self.domains, K, self.pids)

    def loss(self) -> Tensor:
        indices, valid = self.search()
        neighbours = self.pool.rows(indices)
        return similarity_enhancement_loss(self.features, neighbours, 2e-3, valid=valid)

    def update(self) -> None:
        self.pool.update(self.features.detach(), self.pids)

    def __call__(self) -> None:
        self.features.grad = None
        self.loss().backward()
        self.update()

    def product(self) -> Tensor:
        return self.features.detach() @ self.pool.representations.t()


def recorded(call: Callable[[], object]) -> Callable[[], object]:
    """A call as one graph on a GPU. That it can be recorded shows that it never waits."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def large_pool(identities: int, device: torch.device) -> tuple[int, int]:
    """Peak bytes of a process that fills such a pool and takes a step with it, and the pool's."""
    torch.manual_seed(0)
    pool = IdentityPool(torch.arange(identities) % 5, DIM, central_domain=0).to(device)
    for part in torch.arange(identities, device=device).split(BATCH):
        pool.update(torch.randn(len(part), DIM, device=device), part)
    pool.start_epoch()
    pids = torch.randint(0, identities, (BATCH,), device=device)
    features = torch.randn(BATCH, DIM, device=device, requires_grad=True)
    indices, valid = pool.nearest(features, pool.identity_domains[pids], K, pids)
    similarity_enhancement_loss(features, pool.rows(indices), 2e-3, valid=valid).backward()
    pool.update(features.detach(), pids)
    matrices = (pool.representations, pool.means, pool.previous)
    most = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak()
    return most, sum(matrix.nbytes for matrix in matrices)
