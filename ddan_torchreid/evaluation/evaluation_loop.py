"""Testing within torchreid's loop: DDAN's scores on every target, and their means."""

from __future__ import annotations

import inspect
import os
from types import SimpleNamespace
from typing import Any

import torchreid

from .. import distributed
from ..system.progress import with_test_bar
from . import Scores, evaluate_configured, extract_features, mean_scores, print_scores, score_once
from .ranked_pictures import draw_ranked_lists


class TestingEngine(torchreid.engine.Engine):
    """The part of DDAN's engine that tests.

    Attributes:
        scores: of the last test, by target.
    """

    # Set by the engine that derives from this.
    model: Any
    train_loader: Any
    device: Any
    settings: Any
    objective: Any
    pool: Any

    def __init__(self, datamanager: Any, use_gpu: bool = True) -> None:
        super().__init__(datamanager, use_gpu)
        self.scores: dict[str, Scores] = {}
        if not distributed.is_first():  # another process writes to TensorBoard
            self.writer = SimpleNamespace(add_scalar=lambda *_: None, close=lambda: None)

    def test(self, *args: Any, **keywords: Any) -> float:
        """Tests on every target. Returns the mean rank-1 (torchreid's returns the last one's)."""
        self.scores = {}
        # The running statistics of batch norms differ, unless they are computed together.
        distributed.send_from_first(self.model)
        if self.settings.follows_protocol:
            call = inspect.signature(super().test).bind(*args, **keywords)
            call.apply_defaults()
            self._test_splits(call.arguments)
        else:
            super().test(*args, **keywords)
        return mean_scores(self.scores)["rank-1"]

    def _test_splits(self, options: dict[str, Any]) -> None:
        output = os.path.join(options["save_dir"], "evaluation")
        self.scores = evaluate_configured(
            *(self.model, self.datamanager, self.settings, output),
            watched=self.watched,
            **options,
        ).scores
        if self.writer is not None:
            # As torchreid's own test does.
            for name, scores in self.scores.items():
                self.writer.add_scalar(f"Test/{name}/rank1", scores.rank1, self.epoch)
                self.writer.add_scalar(f"Test/{name}/mAP", scores.mean_ap, self.epoch)

    def watched(self, loader: Any) -> Any:
        """The batches of a test loader, with a bar on a terminal."""
        return with_test_bar(loader, self.settings.progress == "auto" and distributed.is_first())

    def _evaluate(
        self,
        dataset_name: str = "",
        query_loader: Any = None,
        gallery_loader: Any = None,
        visrank: bool = False,
        visrank_topk: int = 10,
        save_dir: str = "",
        **options: Any,
    ) -> tuple[float, float]:
        scores = score_once(
            extract_features(self.model, query_loader, self.device, self.watched),
            extract_features(self.model, gallery_loader, self.device, self.watched),
            evaluator=self.settings.evaluator,
            **options,
        )
        print_scores(scores)
        self.scores[dataset_name] = scores
        if visrank and distributed.is_first():
            draw_ranked_lists(
                scores.distances,
                self.datamanager.fetch_test_loaders(dataset_name),
                self.datamanager.data_type,
                width=self.datamanager.width,
                height=self.datamanager.height,
                save_dir=os.path.join(save_dir, f"visrank_{dataset_name}"),
                topk=visrank_topk,
            )
        return scores.rank1, scores.mean_ap
