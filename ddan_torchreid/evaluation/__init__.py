"""Scoring a model on target domains: one query set and gallery, or the splits of a benchmark."""

from .configured import evaluate_configured
from .features import FeatureSet, extract_features
from .protocol import ProtocolResult, TargetResult, evaluate_protocol
from .ranking import evaluate_rank
from .scores import Scores, as_row, mean_scores, print_scores, score, score_once
from .tables import as_json, format_table, write_results

__all__ = [
    "FeatureSet",
    "ProtocolResult",
    "Scores",
    "TargetResult",
    "as_json",
    "as_row",
    "evaluate_configured",
    "evaluate_protocol",
    "evaluate_rank",
    "extract_features",
    "format_table",
    "mean_scores",
    "print_scores",
    "score",
    "score_once",
    "write_results",
]
