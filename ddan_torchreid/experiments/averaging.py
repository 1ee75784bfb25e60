"""The mean of a model's weights over the last epochs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torchreid
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn


class WeightAverage:
    """Collects weights at the end of each of the last epochs.

    Args:
        model: the model in training, wrapped in ``DataParallel`` or not.
        last: number of epochs; 0 collects nothing.
        max_epoch: of the training.
    """

    def __init__(self, model: nn.Module, last: int, max_epoch: int) -> None:
        self._model = model
        self._first = max_epoch - last
        self._average: AveragedModel | None = None

    def end_epoch(self, epoch: int) -> None:
        """To be called once after each 0-based epoch."""
        if epoch < self._first:
            return
        if self._average is None:
            self._average = AveragedModel(self._model)
        self._average.update_parameters(self._model)

    def apply(self, engine: Any, seed: int) -> None:
        """Gives the model the mean weights and new batch-norm statistics, if any were collected.

        The statistics come from the training images of the first epoch, which are the same ones,
        augmented the same, for each row of a seed.
        """
        if self._average is None:
            return
        pairs = zip(self._model.parameters(), self._average.module.parameters(), strict=True)
        with torch.no_grad():
            for own, mean in pairs:
                own.copy_(mean)
        torchreid.utils.set_random_seed(seed)
        bare: Any = self._model.module if isinstance(self._model, nn.DataParallel) else self._model
        # The second, detached path through the mapping network would count its batches again.
        aligned, bare.align = bare.align, False
        update_bn(_images(engine), self._model)
        bare.align = aligned

    def state_dict(self) -> dict[str, Any]:
        """What has been collected."""
        return {} if self._average is None else self._average.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with what `state_dict` gave."""
        if state:
            self._average = AveragedModel(self._model)
            self._average.load_state_dict(state)


def _images(engine: Any) -> Iterator[Tensor]:
    if hasattr(engine.train_loader.sampler, "set_epoch"):
        engine.train_loader.sampler.set_epoch(0)
    for batch in engine.train_loader:
        yield engine.parse_data_for_train(batch)[0]
