"""Scoring a model on target domains: one query set and gallery, or the splits of a benchmark."""

from .evaluation_loop import evaluate_configured
from .features import FeatureSet, extract_features
from .protocol import ProtocolResult, evaluate_protocol
from .scores import Scores, as_row, mean_scores, score
from .tables import as_json, format_table, write_results

__all__ = [
    "FeatureSet",
    "ProtocolResult",
    "Scores",
    "as_json",
    "as_row",
    "evaluate_configured",
    "evaluate_protocol",
    "extract_features",
    "format_table",
    "mean_scores",
    "score",
    "write_results",
]
