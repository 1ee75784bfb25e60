"""Testing as a configuration asks for: within torchreid's loop, on one split or on several."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torchreid
from torch import nn

from .. import distributed
from ..config.settings import DDANSettings
from ..system.progress import with_test_bar
from .features import extract_features
from .protocol import ProtocolResult, evaluate_protocol
from .ranked_pictures import draw_ranked_lists
from .scores import Scores, mean_scores, print_scores, score_once
from .tables import format_table, write_results

_USED = ("ranks", "dist_metric", "normalize_feature", "rerank", "use_metric_cuhk03")


def evaluate_configured(
    model: nn.Module,
    datamanager: Any,
    settings: DDANSettings,
    output: str | Path,
    watched: Callable[[Any], Any] | None = None,
    **arguments: Any,
) -> ProtocolResult:
    """:func:`~ddan_torchreid.evaluation.evaluate_protocol` with the options of a configuration.

    Args:
        model, datamanager, watched: as there; by default a bar on a terminal watches.
        settings: ``evaluation_splits``, ``splits_from``, ``splits_seed``, ``viper_a_to_b``,
            ``legacy_metrics``, ``evaluator``, ``bad_images`` and ``progress`` say what is done.
        output: folder for the tables and the splits; what is there is replaced.
        **arguments: of torchreid's ``Engine.run`` or ``Engine.test``, of which those that say how
            to score are used.

    Raises:
        ValueError, FileNotFoundError, FloatingPointError: as there; ValueError also for torchreid's
            ``visrank``, whose pictures are of one split.
        OSError: the folder cannot be written to.
    """
    if arguments.get("visrank"):
        raise ValueError(
            "visrank draws a target's own query and gallery; write evaluation_splits 0 and "
            "legacy_metrics False, or visrank False"
        )
    result = evaluate_protocol(
        model,
        datamanager,
        splits=settings.evaluation_splits,
        seed=settings.splits_seed,
        a_to_b=settings.viper_a_to_b,
        splits_from=settings.splits_from,
        skip_bad_images=settings.bad_images == "skip",
        legacy_metrics=settings.legacy_metrics,
        evaluator=settings.evaluator,
        watched=watched or functools.partial(_with_bar, settings),
        **{name: arguments[name] for name in _USED if name in arguments},
    )
    print(f"\n{format_table(result)}\n")  # first, for the disk may be full
    if distributed.is_first():
        write_results(result, output)
    print(f"Tables and splits are in {output}")
    return result


def _with_bar(settings: DDANSettings, loader: Any) -> Any:
    return with_test_bar(loader, settings.progress == "auto" and distributed.is_first())


class TestingEngine(torchreid.engine.Engine):
    """The part of DDAN's engine that tests.

    Attributes:
        scores: of the last test, by target.
    """

    # Set by the engine that derives from this.
    model: Any
    device: Any
    settings: Any

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
        return _with_bar(self.settings, loader)

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
