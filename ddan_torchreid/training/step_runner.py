"""What surrounds the losses in a training step: gradients, precision, processes, optimisers."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from .. import distributed
from ..method.batch_losses import BatchLosses
from .acceleration import cuda_graphs
from .acceleration.compilation import compile_encoder
from .acceleration.cuda_graphs import RecordedStep
from .acceleration.precision import GradientScaler, autocast_dtype
from .engine_state import EngineState
from .gradients import not_finite, stop_training, term_gradients
from .optimizers import WarmUp

# The terms of a batch, its features (B, D) and its rates, all without gradient.
Found = tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]


class StepRunner:
    """Takes steps with the losses that an engine computes for a batch.

    It accumulates the gradients of several batches, scales them for float16, averages them over
    processes, stops at numbers that are not finite before any weight changes, warms the learning
    rate up, and records the device's part of the step as a CUDA graph where that is faster.

    Attributes:
        scaler: of float16's gradients.
        warmup: of the learning rates.
        parallel: the model as ``DistributedDataParallel`` wraps it; None for one process.
        recorded: :meth:`differentiate` as a CUDA graph; None where it is not recorded.

    Args:
        engine: with its model, optimisers and objective; the model gets the precision, the
            compiled encoder and the batch norms that the settings ask for.

    Raises:
        ValueError: the settings ask for what this machine does not have; the message says what to
            write.
    """

    def __init__(self, engine: EngineState) -> None:
        self._engine = engine
        settings, model = engine.settings, engine.model
        dtype = autocast_dtype(settings.amp, engine.device)
        engine.bare_model.autocast_dtype = dtype
        self.scaler = GradientScaler(dtype, engine.device)
        self.warmup = WarmUp(settings.warmup_steps)
        if settings.compile:
            compile_encoder(model, engine.device)
        if settings.sync_batchnorm:
            distributed.normalise_jointly(engine.bare_model)
        self.wrap_anew()
        if engine.discriminator is not None:
            distributed.send_from_first(engine.discriminator)
        self.recorded: RecordedStep | None = None
        if cuda_graphs.wanted(settings, model, engine.device):
            trained = [each for each in (model, engine.discriminator) if each is not None]
            read = [] if engine.pool is None else [engine.pool]
            self.recorded = RecordedStep(self.differentiate, trained, read, self._constants)

    def wrap_anew(self) -> None:
        """For a model of which other layers are trained from now on."""
        self.parallel = distributed.parallel(self._engine.model)

    def forget(self) -> None:
        """Gives the memory of recorded steps back; they are recorded anew."""
        if self.recorded is not None:
            self.recorded.forget()

    def states(self) -> dict[str, Any]:
        """What a checkpoint has to hold of it, by name."""
        states: dict[str, Any] = {"scaler": self.scaler} if self.scaler.is_enabled() else {}
        return states | ({"warmup": self.warmup} if self.warmup.steps else {})

    def step(self, data: dict[str, Any] | list[dict[str, Any]]) -> dict[str, float]:
        """See :meth:`~ddan_torchreid.engine.ImageDDANEngine.forward_backward`."""
        engine = self._engine
        batches = data if isinstance(data, list) else [data]
        optimizers = [each for each in engine._optims.values() if each is not None]
        for optimizer in optimizers:
            optimizer.zero_grad()
        every = engine.settings.log_gradients
        watched = every > 0 and engine.batch_idx % every == 0
        values, seen = [], []
        for number, batch in enumerate(batches, 1):
            last = number == len(batches)
            # Averaging the gradients over the processes before the last batch would be in vain.
            apart = nullcontext() if last or self.parallel is None else self.parallel.no_sync()
            with apart:
                images, pids, domains = engine.parse_data_for_train(batch)
                if self.recorded is None or watched or len(batches) > 1:
                    found = self.differentiate(images, pids, domains, 1 / len(batches), watched)
                else:
                    found = self.recorded(images, pids, domains)
                terms, features, rates = found
            if last:
                self.scaler.unscale_(engine.optimizer)
                if engine.discriminator is not None:
                    distributed.average_gradients(engine.discriminator)
            values.append({**terms, "not_finite": not_finite(optimizers), **rates})
            seen.append((features, pids))

        # Before the weights change, and in the step's only wait for the device.
        summaries = distributed.mean_numbers(values)
        finite = self._check(batches, summaries, list(terms))
        if finite:
            with self.warmup.applied(optimizers):
                for optimizer in optimizers:
                    optimizer.step()
        self.scaler.end_step(finite)
        if engine.pool is not None:
            # Eqs. 6, 7: the losses above have read the pool as it was before this step.
            joined = seen[0] if len(seen) == 1 else map(torch.cat, zip(*seen, strict=True))
            engine.pool.update(*joined)
        means = {
            name: sum(each[name] for each in summaries) / len(summaries) for name in summaries[0]
        }
        return means | ({"skipped": 100.0 * (not finite)} if self.scaler.is_enabled() else {})

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The model's three outputs in training, of a batch of which each process has a part.

        Args:
            images: (b, 3, H, W) of this process.

        Returns:
            Logits (b, N) of this process; features m (B, D) and what L2 sees of them (B, D), of
            all processes.
        """
        logits, features, aligned = (self.parallel or self._engine.model)(images)
        return logits, distributed.gather(features), distributed.gather(aligned)

    def differentiate(
        self, images: Tensor, pids: Tensor, domains: Tensor, share: float = 1.0, watch: bool = False
    ) -> Found:
        """Adds a batch's gradients to those of the parameters, without waiting for a GPU.

        A graph may be recorded of it; a replay runs none of its Python code.

        Args:
            share: of this batch in the step.
            watch: also measure the gradient of each term.
        """
        found = self._engine.losses(images, pids, domains)
        if watch:
            weights = self._engine.objective.named_weights()
            found.rates |= term_gradients(found.terms, weights, self._engine.bare_model.mapping)
        self._add_gradients(found, share)
        terms = {name: term.detach() for name, term in found.terms.items()}
        return terms, found.features, found.rates

    def _add_gradients(self, found: BatchLosses, share: float) -> None:
        # L1 + L2 -> encoder, mapping network, identity head; L3 -> discriminator. One pass for all
        # of them. Nobody reads the gradient of the mapping's copy of its input, but to leave it
        # out takes a list of all parameters.
        roots, gradients = [], []
        for loss, scale in (
            (found.l1, self.scaler.scale),
            (found.l2, self.scaler.scale),
            (found.l3, lambda gradient: gradient),  # its optimiser knows nothing of float16's scale
        ):
            # A loss has no gradient where all that it trains is frozen, or all of it is off.
            if isinstance(loss, Tensor) and loss.requires_grad:
                roots.append(loss)
                gradients.append(scale(loss.new_full((), share)))
        torch.autograd.backward(roots, gradients)

    def _check(
        self, batches: Sequence[dict], summaries: Sequence[dict[str, float]], names: Sequence[str]
    ) -> bool:
        """Whether all gradients are finite; ends the run unless float16 may have overflowed.

        Takes ``not_finite`` out of the summaries.
        """
        finite = True
        for batch, summary in zip(batches, summaries, strict=True):
            losses = {name: summary[name] for name in names}
            finite = summary.pop("not_finite") == 0 and finite
            forgiven = finite or self.scaler.forgives()
            if not (forgiven and all(map(math.isfinite, losses.values()))):
                stop_training(self._engine, batch, losses)
        return finite

    def _constants(self) -> Hashable:
        """What :meth:`differentiate` depends on besides networks and pool; None if unknown."""
        engine = self._engine
        if engine.settings.cuda_graphs == "auto" and not cuda_graphs.familiar(engine.losses):
            return None
        objective, model = engine.objective, engine.bare_model
        terms = (engine.losses, *objective.named_weights().items(), objective.central)
        network = (model.align, model.reaches_encoder, model.autocast_dtype, model.dropout.p)
        return (*terms, objective.seeks(engine.epoch), *network)
