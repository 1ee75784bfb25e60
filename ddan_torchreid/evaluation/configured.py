"""The test protocol as a configuration asks for it, with its tables printed and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from .. import distributed
from ..config.settings import DDANSettings
from .protocol import ProtocolResult, evaluate_protocol
from .tables import format_table, write_results

_USED = ("ranks", "dist_metric", "normalize_feature", "rerank", "use_metric_cuhk03", "watched")


def evaluate_configured(
    model: nn.Module, datamanager: Any, settings: DDANSettings, output: str | Path, **arguments: Any
) -> ProtocolResult:
    """:func:`~ddan_torchreid.evaluation.evaluate_protocol` with the options of a configuration.

    Args:
        model, datamanager: as there.
        settings: ``evaluation_splits``, ``splits_from``, ``splits_seed``, ``viper_a_to_b``,
            ``legacy_metrics``, ``evaluator`` and ``bad_images`` say what is done.
        output: folder for the tables and the splits; what is there is replaced.
        **arguments: of torchreid's ``Engine.run`` or ``Engine.test``, of which those that say how
            to score are used; and ``watched``.

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
        **{name: arguments[name] for name in _USED if name in arguments},
    )
    if distributed.is_first():
        write_results(result, output)
    print(f"\n{format_table(result)}\n\nTables and splits are in {output}")
    return result
